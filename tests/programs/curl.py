#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""curl - of http:// addresses, under sstool run."""

import hashlib
import sys

import common
import fetch
import peers
from common import needs, scene, want
from peers import run

# Status, bytes, connections that were made for it.
REPORT = r"%{http_code} %{size_download} %{num_connects} %{num_redirects}\n"


def curl(*words):
    return [needs("curl"), "--silent", "--show-error", "--max-time",
            int(common.PATIENCE), *words]


def fetched(world, way, at):
    upload = world.directory("curl") / "upload"
    upload.write_bytes(fetch.UPLOAD)
    got = [run(world, [*way, *curl("-w", REPORT, at("/small"), at("/empty"),
                                   at("/none"), at("/small"))]),
           run(world, [*way, *curl("-w", REPORT, "--location", at("/again"))]),
           run(world, [*way, *curl("--fail", at("/none"))], status=22),
           run(world, [*way, *curl("-w", REPORT, "--data-binary", f"@{upload}",
                                   at("/post"))]),
           hashlib.sha256(run(world, [*way, *curl(at("/big"))])).hexdigest()]
    head = run(world, [*way, *curl("--head", at("/big"))]).splitlines()
    got.append([line for line in head if not line.startswith(b"Date:")])
    # Several at once, on connections of their own.
    many = run(world, [*way, *curl("--parallel", "--no-progress-meter", "-w", REPORT,
                                   *[at("/small")] * 12)])
    got.append(sorted(many.split().count(w) for w in (b"small", b"200")))
    want(got[-1] == [12, 12], "parallel:", many)
    want(got[4] == fetch.DIGEST, "the download is another")
    return got


# It knows by itself where localhost is, and asks nobody.
fetch.scenes("curl", fetched, curl, fetch.name_of_this_machine)


@scene
def curl_needs_to_be_told_the_name_of_localhost(world):
    cert = peers.issue_for(world, "DNS:localhost")
    for more, status in ((["--name", "localhost"], 0), ([], 7)):
        with fetch.Server(world, world.tls, cert) as server:
            said = run(world, [*world.tls.client(server.port, *more),
                               *curl(server.url("/small", "localhost"))], status=status)
        want((said == b"small\n") == (status == 0), "curl said", said)


if __name__ == "__main__":
    sys.exit(common.main("curl"))
