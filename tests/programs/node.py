#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""node - its web server, its cluster and its client, under sstool run."""

import sys

import common
import fetch
import serve
import web
from common import HERE, needs, scene, want
from peers import run


def server(world, *more):
    root = web.documents(world.directory("root") / "docs")
    return lambda port: [needs("node"), HERE / "node_server.js", port, root, *more]


@scene
def nodes_server_answers_as_on_tcp(world):
    serve.each(world, server(world), post="/post")


@scene
def nodes_server_without_io_uring_answers_as_on_tcp(world):
    """Asked for it where it is not the default: the filter refuses it."""
    serve.each(world, server(world), {"UV_USE_IO_URING": "1"}, post="/post")


@scene
def nodes_cluster_that_passes_connections_answers_as_on_tcp(world):
    serve.each(world, server(world, "rr"), post="/post")


@scene
def nodes_cluster_that_shares_its_listener_answers_as_on_tcp(world):
    serve.each(world, server(world, "none"), post="/post")


@scene
def both_workers_of_nodes_cluster_serve(world):
    for way in (world.tcp, world.tls):
        port, program, _ = serve.start(world, way, server(world, "rr"))

        def served(way=way, port=port, program=program):
            want(web.once(way, port, "/small.txt").status == "200", "served")
            lines = [line.split() for line in program.text().splitlines()]
            return len({line[0] for line in lines if len(line) == 3}) == 2
        common.until(served, "both workers")
        world.end()


def node(url, *more):
    return [needs("node"), HERE / "node_client.js", url, *more]


def fetched(world, way, at):
    upload = world.directory("node") / "upload"
    upload.write_bytes(fetch.UPLOAD)
    said = run(world, [*way, *node(at(""), upload)])
    want(said.count(fetch.DIGEST.encode()) == 1, "the download is another:", said)
    want(said.count(b"\n200 ") == 16, "node said", said)
    return said


fetch.scenes("node", fetched, node)

if __name__ == "__main__":
    sys.exit(common.main("node", "curl"))
