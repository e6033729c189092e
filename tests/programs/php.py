#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""php - its built-in web server and its streams, under sstool run."""

import sys

import common
import fetch
import serve
import web
from common import HERE, HOST, needs, scene, want
from peers import run


def server(world):
    root = web.documents(world.directory("root") / "docs")
    return lambda port: [needs("php"), "-S", f"{HOST}:{port}", "-t", root,
                         HERE / "php_router.php"]


@scene
def phps_server_answers_as_on_tcp(world):
    serve.each(world, server(world), post="/post", keeps=False)


@scene
def phps_server_with_workers_answers_as_on_tcp(world):
    serve.each(world, server(world), {"PHP_CLI_SERVER_WORKERS": "4"}, post="/post",
               keeps=False)


def php(url, *more):
    return [needs("php"), HERE / "php_client.php", url, *more]


def fetched(world, way, at):
    upload = world.directory("php") / "upload"
    upload.write_bytes(fetch.UPLOAD)
    said = run(world, [*way, *php(at(""), upload)])
    want(said.count(fetch.DIGEST.encode()) == 1, "the download is another:", said)
    want(said.endswith(b"\n[[false,2],1]\n"), "php said", said)
    return said


fetch.scenes("php", fetched, php)

if __name__ == "__main__":
    sys.exit(common.main("php", "curl"))
