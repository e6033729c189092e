# SPDX-License-Identifier: ISC
"""echo - what a server that says everything back is asked.

    inetd.py, prefork.py, libevent.py, libuv.py --> echo --> peers --> common

Always true:
  1. A connection ends when the client has finished its half and has all back:
     the server sees that half's end, and its own end is a clean one.
"""

import concurrent.futures
import contextlib
import random
import socket
import subprocess
import threading

import common
from common import HOST, PATIENCE, Program, want
from peers import Duplex

LARGE = 3_000_000
PARALLEL = 20


def call(way, port):
    return Duplex(socket.create_connection((HOST, port), PATIENCE),
                  way.context if way.is_tls else None)


def said_back(way, port, data):
    with call(way, port) as d:
        heard = d.talk(data)
    want(heard == data, f"{len(heard)} of {len(data)} bytes came back, or others")
    return len(heard)


def in_turns(way, port):
    """Question and answer, many times on one connection, then the end."""
    with call(way, port) as d:
        for i in range(200):
            data = b"%d\n" % i * (1 + i % 7)
            heard = d.talk(data, finish=False, enough=len(data))
            want(heard == data, "turn", i, "heard", common.short(heard))
        return d.talk(b"the last")


def at_once(way, port):
    """Connections that are all open before the first says anything."""
    all_there = threading.Barrier(PARALLEL)

    def one(n):
        data = random.Random(n).randbytes(20_000 * n)
        with call(way, port) as d:
            all_there.wait(PATIENCE)
            return d.talk(data) == data
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        got = list(pool.map(one, range(PARALLEL)))
    want(all(got), "not all came back:", got)
    return got


def left(way, port):
    """Clients that go in the midst of it; the next one is served."""
    for _ in range(5):
        with call(way, port) as d:
            d.talk(b"hello", finish=False, enough=5)
    return said_back(way, port, b"still there?")


def play(way, port, parallel=True):
    large = random.Random(4).randbytes(LARGE)
    return {"a word": said_back(way, port, b"hello\n"),
            "nothing": said_back(way, port, b""),
            "much": said_back(way, port, large),
            "in turns": in_turns(way, port),
            "at once": at_once(way, port) if parallel else None,
            "left": left(way, port)}


def want_tls(world, port):
    """Plain is refused; openssl's client, which verifies, is served."""
    common.want_refused(port, b"hello\n", b"hello")
    with subprocess.Popen(
            ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-servername",
             "localhost", "-verify_hostname", "localhost", "-verify_return_error",
             "-CAfile", str(world.authority.pem), "-quiet", "-no_ign_eof"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=common.environment(world.tmp)) as child:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(b"verified\n")
            child.stdin.flush()
        heard = child.stdout.readline()
        rest, trouble = child.communicate(timeout=PATIENCE)
    want((heard, rest) == (b"verified\n", b""), "s_client heard", heard, rest, trouble)


def start(world, way, command, user=None, env=(), **more):
    """command(port, where) under the way: its port and Program."""
    where = world.directory("echo", user)
    cert = where / "cert.pem"
    world.authority.issue(cert, user)

    def one(port):
        program = Program(world, [*way.server(port, cert), *command(port, where)],
                          where, user, env, **more)
        common.await_service(way, port, program)
        return port, program
    return common.with_port(one)


def each(world, command, parallel=True, **more):
    """Plays all of it on both ways, and compares."""
    results = []
    for name in common.WAYS:
        way = getattr(world, name)
        port, program = start(world, way, command, **more)
        results.append(play(way, port, parallel))
        if way.is_tls:
            want_tls(world, port)
        want(not common.gone(program.pid), "the server is gone:", program.text())
        world.end()
    common.want_same(*results, "echo")
