# SPDX-License-Identifier: ISC
"""serve - what a web server of an interpreter is asked.

    node.py, php.py, python.py --> serve --> web --> common

Always true:
  1. Only what all of them can do: pages, a large one, many clients at once, and
     what was posted where the server takes it.
"""

import concurrent.futures
import hashlib
import threading

import common
import web
from common import PATIENCE, Program, want

PARALLEL = 20


def at_once(way, port):
    """Connections that are all open before the first asks."""
    all_there = threading.Barrier(PARALLEL)

    def one(n):
        with web.Connection(way, port) as c:
            all_there.wait(PATIENCE)
            return c.ask("/big.bin" if n % 5 == 0 else "/small.txt", close=True)
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(one, range(PARALLEL)))


def kept_alive(way, port):
    with web.Connection(way, port) as c:
        got = [c.ask("/small.txt"), c.ask("/empty.txt"), c.ask("/small.txt"),
               c.ask("/index.html", close=True)]
        c.want_end()
    return got


def play(way, port, post=None, keeps=True, head=True):
    """`post` is a path; it answers with the SHA-256 of what was posted."""
    pages = ["/small.txt", "/empty.txt", "/index.html", "/none.txt", "/big.bin"]
    got = {path: web.once(way, port, path) for path in pages}
    want([g.status for g in got.values()] == ["200", "200", "200", "404", "200"],
         "statuses", got)
    want(got["/big.bin"].length == web.BIG, "the large one is", got["/big.bin"].length)
    if head:
        got["HEAD"] = web.once(way, port, "/big.bin", "HEAD")
    if keeps:
        got["keep-alive"] = kept_alive(way, port)
    got["at once"] = at_once(way, port)
    if post is not None:
        body = web.body_of_upload()
        got["an upload"] = web.once(way, port, post, "POST", body=body)
        digest = hashlib.sha256(body).hexdigest()
        want(got["an upload"].text == digest + "\n", "the upload is another:",
             got["an upload"])
    return got


def start(world, way, command, user=None, env=()):
    """command(port) under the way: its port, Program and certificate's file."""
    where = world.directory("serve", user)
    cert = where / "cert.pem"
    world.authority.issue(cert, user)

    def one(port):
        program = Program(world, [*way.server(port, cert), *command(port)], where,
                          user, env)
        common.await_service(way, port, program)
        return port, program, cert
    return common.with_port(one)


def each(world, command, env=(), **more):
    """Plays all of it on both ways, and compares."""
    results = []
    for name in common.WAYS:
        way = getattr(world, name)
        port, program, cert = start(world, way, command, env=env)
        results.append(play(way, port, **more))
        web.want_client_in(way, port, program.output)
        if way.is_tls:
            web.want_tls(world, port, program.output)
            common.await_serial(way, port, world.authority.issue(cert))
        want(not common.gone(program.pid), "the server is gone:", program.text())
        world.end()
    web.compare(*results)
