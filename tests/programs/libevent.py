#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""libevent - bufferevents, preloaded, and in a program that asks for TLS itself."""

import os
import random
import sys

import common
import echo
import peers
from common import scene, want
from peers import Listener, each_way, run

DATA = random.Random(9).randbytes(2_000_000)
PLAIN = os.environ.get("ECHO_LIBEVENT")
ASKING = os.environ.get("ECHO_LIBEVENT_ASKING")


@scene
def bufferevents_answer_as_on_tcp(world):
    echo.each(world, lambda port, _where: [PLAIN, "serve", port])


@scene
def bufferevents_of_a_program_that_asks_for_tls_answer_as_on_tcp(world):
    """Nothing is preloaded; the same code as the other, but for one socket()."""
    def listens(port, where):
        return [PLAIN, "serve", port] if tcp else \
            ["/usr/bin/env", f"ECHO_CHAIN={where}/cert.pem", ASKING, "serve", port]
    results = []
    for tcp in (True, False):
        port, program = echo.start(world, Asks(world.tcp if tcp else world.tls), listens)
        results.append(echo.play(world.tcp if tcp else world.tls, port))
        if not tcp:
            echo.want_tls(world, port)
        want(not common.gone(program.pid), "the server is gone")
        world.end()
    common.want_same(*results, "echo")


class Asks:
    """A way that needs nothing in front of the program."""

    def __init__(self, way):
        self.connect = way.connect

    @staticmethod
    def server(_port, _cert):
        return []


def echoed(d):
    """Plays the server for a client that ends first, once all came back."""
    got = d.talk(b"", finish=False, enough=len(DATA))
    d.talk(got, finish=False, enough=0)
    d.talk(b"", finish=False)
    return got == DATA


def silent(world, cert, argv, env=()):
    """A client that must not believe the certificate."""
    with Listener(world, world.tls, echoed, cert) as server:
        run(world, argv(server.port), DATA, 1, env)
    want(not server.played and server.refused, "it believes", server.played)


@scene
def a_bufferevent_connects_as_on_tcp(world):
    def call(way):
        with Listener(world, way, echoed) as server:
            said = run(world, [*way.client(server.port), PLAIN, "call", "localhost",
                               server.port], DATA)
        want(said == DATA, "the client heard", len(said))
        want(server.names == ["localhost"] * way.is_tls, "asked for", server.names)
        return server.played
    each_way(world, call)
    silent(world, peers.issue_for(world, "DNS:other.example"),
           lambda port: [*world.tls.client(port), PLAIN, "call", "localhost", port])


@scene
def a_bufferevent_of_a_program_that_asks_for_tls_connects(world):
    trust = {"ECHO_TRUST": str(world.authority.pem)}
    with Listener(world, world.tls, echoed) as server:
        said = run(world, [ASKING, "call", "localhost", server.port], DATA, 0, trust)
    want(said == DATA and server.played == [True], "the client heard", len(said))
    want(server.names == ["localhost"], "asked for", server.names)
    silent(world, peers.issue_for(world, "DNS:other.example"),
           lambda port: [ASKING, "call", "localhost", port], trust)


if __name__ == "__main__":
    if PLAIN is None or ASKING is None:
        common.say("skipped: libevent's headers are not installed")
        sys.exit(77)
    sys.exit(common.main())
