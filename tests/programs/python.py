#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""python - http.server and urllib, under sstool run."""

import sys

import common
import fetch
import serve
import web
from common import HERE, HOST, scene, want
from peers import run

PYTHON = "/usr/bin/python3"


def server(world, *more):
    root = web.documents(world.directory("root") / "docs")
    return lambda port: [PYTHON, "-m", "http.server", "--bind", HOST, "--directory",
                         root, *more, port]


@scene
def pythons_server_answers_as_on_tcp(world):
    serve.each(world, server(world, "--protocol", "HTTP/1.1"))


def python(url, *more):
    return [PYTHON, HERE / "python_client.py", url, *more]


def fetched(world, way, at):
    upload = world.directory("python") / "upload"
    upload.write_bytes(fetch.UPLOAD)
    said = run(world, [*way, *python(at(""), upload)])
    want(said.count(fetch.DIGEST.encode()) == 1, "the download is another:", said)
    want(b"keep-alive True\n" in said, "python said", said)
    return said


fetch.scenes("python", fetched, python)

if __name__ == "__main__":
    sys.exit(common.main(PYTHON, "curl"))
