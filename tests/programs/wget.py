#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""wget - of http:// addresses, under sstool run."""

import hashlib
import sys

import common
import fetch
from common import needs, want
from peers import run


def wget(*words):
    return [needs("wget"), "--no-config", "--no-verbose", "--tries=1",
            f"--timeout={common.PATIENCE:g}", "-O", "-", *words]


def fetched(world, way, at):
    upload = world.directory("wget") / "upload"
    upload.write_bytes(fetch.UPLOAD)
    got = [run(world, [*way, *wget(at("/small"), at("/empty"), at("/small"))]),
           run(world, [*way, *wget(at("/again"))]),
           run(world, [*way, *wget(at("/none"))], status=8),
           run(world, [*way, *wget(f"--post-file={upload}", at("/post"))]),
           run(world, [*way, *wget("--spider", at("/big"))]),
           hashlib.sha256(run(world, [*way, *wget(at("/big"))])).hexdigest()]
    want(got[:2] == [b"small\n" * 2, b"small\n"], "wget said", got[:2])
    want(got[-1] == fetch.DIGEST, "the download is another")
    return got


fetch.scenes("wget", fetched, wget)

if __name__ == "__main__":
    sys.exit(common.main("wget"))
