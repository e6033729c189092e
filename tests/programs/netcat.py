#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""netcat - OpenBSD's and the traditional one, each as server and as client."""

import contextlib
import os
import pathlib
import random
import sys

import common
import peers
from common import HOST, Program, needs, scene, until, want
from peers import Listener, dial, each_way

UP = random.Random(5).randbytes(3_000_000)
DOWN = random.Random(6).randbytes(2_000_000)


class OpenBSD:
    """-N: the end of its input is the end of this half, and it hears the other."""

    name = "nc.openbsd"

    @staticmethod
    def listen(port, *more):
        return [needs("nc.openbsd"), "-l", "-N", *more, HOST, port]

    @staticmethod
    def connect(port, *more, host="localhost"):
        return [needs("nc.openbsd"), "-N", *more, host, port]


class Traditional:
    """-q 0: the end of its input is the end of all."""

    name = "nc.traditional"

    @staticmethod
    def listen(port, *more):
        return [needs("nc.traditional"), "-l", "-q", "0", *more, "-p", port]

    @staticmethod
    def connect(port, *more, host="localhost"):
        return [needs("nc.traditional"), "-q", "0", *more, host, port]


KINDS = (OpenBSD, Traditional)


class Netcat(Program):
    """Its input is a pipe of which we have the other end."""

    def __init__(self, world, argv):
        where = world.directory("netcat")
        os.mkfifo(where / "input")
        self.input = os.open(where / "input", os.O_RDWR | os.O_NONBLOCK)
        os.set_inheritable(self.input, False)
        super().__init__(world, ["/bin/sh", "-c", 'exec "$@" <"$0"', where / "input",
                                 *argv], where)

    def put(self, data):
        def some():
            nonlocal data
            if self.child.poll() is not None:
                self.complain("it ended before it read all")
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self.input, data):]
            return not data
        until(some, "that netcat reads")

    def end(self):
        os.close(self.input)

    def heard(self):
        return self.output.read_bytes()


def listens(port):
    """In /proc: a connection would be the one that netcat serves."""
    return any(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
        for table in ("tcp", "tcp6")
        for line in pathlib.Path("/proc/net", table).read_text().splitlines())


def listener(world, way, kind, *more):
    """A netcat that listens, and a connection of ours to it."""
    def start(port):
        cert = world.directory("cert") / "cert.pem"
        world.authority.issue(cert)
        nc = Netcat(world, [*way.server(port, cert), *kind.listen(port, *more)])
        until(lambda: listens(port) or nc.child.poll() is not None, "a listener")
        if nc.child.poll() is not None:
            nc.complain("it ended")
        return port, nc
    return common.with_port(start)


def all_heard(nc, data):
    until(lambda: len(nc.heard()) >= len(data), "all bytes")
    want(nc.heard() == data, "netcat heard other bytes")


def ended(nc):
    want(nc.wait() == 0, "netcat ended with", nc.child.returncode, nc.text()[-300:])


def ends(d, nc, first, kind):
    """What is heard after the end of one half, and after that of the other."""
    if first == "we":
        d.talk(b"", enough=0)
        nc.end()
        return [d.talk(b"", finish=False)]
    nc.end()
    return [d.talk(b"", finish=kind is OpenBSD)]


# --- Server -----------------------------------------------------------------


@scene
def netcats_listen_and_each_end_may_end_first(world):
    for kind in KINDS:
        for first in ("netcat", "we"):
            def exchange(way, kind=kind, first=first):
                port, nc = listener(world, way, kind)
                with dial(way, port, nc) as d:
                    nc.put(b"hello\n")
                    got = [d.talk(b"hi\n", finish=False, enough=6)]
                    got.append(d.talk(UP, finish=False, enough=0))
                    all_heard(nc, b"hi\n" + UP)
                    got += ends(d, nc, first, kind)
                ended(nc)
                return got
            each_way(world, exchange)


@scene
def openbsds_netcat_hears_on_after_the_end_of_its_input(world):
    """Half a close in both directions: first its half ends, then ours."""
    def halves(way):
        port, nc = listener(world, way, OpenBSD)
        with dial(way, port, nc) as d:
            nc.put(DOWN[:60_000])
            nc.end()
            got = d.talk(b"", finish=False)  # to the end of its half
            d.talk(UP, finish=True)
        ended(nc)
        want(nc.heard() == UP, "netcat heard", len(nc.heard()))
        return got
    each_way(world, halves)


@scene
def netcats_that_listen_are_tls(world):
    """A plain client takes nothing from those who come after it."""
    for kind in KINDS:
        port, nc = listener(world, world.tls, kind)
        nc.put(b"secret\n")
        common.want_refused(port, b"plain words\n", b"secret")
        nc.put(b"more\n")
        heard = served(world, port, nc)
        want(heard == b"secret\nmore\nlast\n", kind.name, "s_client heard", heard)
        ended(nc)
        want(nc.heard() == b"", kind.name, "heard", nc.heard())


def served(world, port, nc):
    """What openssl's client, which verifies, hears to the end."""
    nc.put(b"last\n")
    nc.end()
    return common.s_client(world, port, b"", "-ign_eof")


@scene
def openbsds_netcat_serves_one_after_the_other(world):
    def many(way):
        port, nc = listener(world, way, OpenBSD, "-k")
        nc.end()
        got = []
        for i in range(20):
            with dial(way, port, nc) as d:
                got.append(d.talk(b"%d\n" % i))
        all_heard(nc, b"".join(b"%d\n" % i for i in range(20)))
        return got
    each_way(world, many)


@scene
def a_program_of_the_traditional_netcat_has_the_connection(world):
    """-e: cat is executed, and the connection is its input and output."""
    def cat(way):
        port, nc = listener(world, way, Traditional, "-e", "/bin/cat")
        with dial(way, port, nc) as d:
            got = d.talk(UP)
        ended(nc)
        want(got == UP, "cat said", len(got))
    each_way(world, cat)


# --- Client -----------------------------------------------------------------


def client(world, way, kind, port, *more, host="localhost"):
    return Netcat(world, [*way.client(port), *kind.connect(port, *more, host=host)])


@scene
def netcats_connect_and_each_end_may_end_first(world):
    for kind in KINDS:
        for first in ("netcat", "we"):
            def exchange(way, kind=kind, first=first):
                def play(d):
                    got = [d.talk(b"welcome\n", finish=False, enough=6)]
                    d.talk(DOWN, finish=False, enough=0)
                    all_heard(nc, b"welcome\n" + DOWN)
                    return got + ends(d, nc, first, kind)
                with Listener(world, way, play) as server:
                    nc = client(world, way, kind, server.port)
                    nc.put(b"hello\n")
                    ended(nc)
                want(server.names == (["localhost"] if way.is_tls else []),
                     kind.name, "asked for", server.names)
                want(len(server.played) == 1, "connections:", server.played)
                return server.played[0]
            each_way(world, exchange)


@scene
def openbsds_netcat_hears_the_answer_to_all_it_sent(world):
    def halves(way):
        def play(d):
            got = d.talk(b"", finish=False)  # to the end of its half
            d.talk(DOWN)
            return got
        with Listener(world, way, play) as server:
            nc = client(world, way, OpenBSD, server.port)
            nc.put(UP)
            nc.end()
            ended(nc)
        want(nc.heard() == DOWN, "netcat heard", len(nc.heard()))
        return server.played == [UP]
    each_way(world, halves)


@scene
def netcats_that_connect_are_tls_and_verify(world):
    """Another name or authority, the address alone, no TLS: nothing is sent."""
    other = peers.issue_for(world, "DNS:other.example")
    nameless = peers.issue_for(world, "DNS:localhost")
    for kind in KINDS:
        for what, trust, host, cert in (
                ("another name", True, "localhost", other),
                ("another authority", False, "localhost", None),
                ("the address", True, HOST, nameless)):
            with Listener(world, world.tls, peers.hear, cert) as server:
                way = world.tls if trust else peers.Stranger(world)
                nc = client(world, way, kind, server.port, host=host)
                nc.put(b"secret\n")
                want(nc.wait() != 0, kind.name, "with", what, "ended with 0")
                nc.end()
            want(not server.played, kind.name, "believes", what)
        with Listener(world, world.tcp, peers.heard_in_plain) as server:
            nc = client(world, world.tls, kind, server.port)
            nc.put(b"secret\n")
            want(nc.wait() != 0, kind.name, "without TLS ended with 0")
            nc.end()
        want(server.played and all(h[:1] == b"\x16" and b"secret" not in h
                                   for h in server.played),
             kind.name, "said in plain:", server.played)
        want(b"four" not in nc.heard(), kind.name, "heard", nc.heard())


@scene
def openbsds_netcat_finds_who_listens(world):
    """-z: a connection and nothing else; nobody listens on the second port."""
    def scan(way):
        with Listener(world, way, peers.hear) as server:
            peers.run(world, [*way.client(server.port),
                              *OpenBSD.connect(server.port, "-z")])
        peers.run(world, [*way.client(server.port),
                          *OpenBSD.connect(server.port, "-z")], status=1)
        # Who closes first decides whether the server met anybody.
        want(not any(server.played), "a scan says nothing, but", server.played)
    each_way(world, scan)


# --- Both -------------------------------------------------------------------


@scene
def netcats_talk_to_each_other(world):
    for serving in KINDS:
        for calling in KINDS:
            def both(way, serving=serving, calling=calling):
                port, server = listener(world, way, serving)
                if way.is_tls:
                    common.want_refused(port, b"plain words\n", b"secret")
                caller = client(world, way, calling, port)
                server.put(DOWN)
                caller.put(UP)
                all_heard(server, UP)
                all_heard(caller, DOWN)
                caller.end()
                if serving is OpenBSD or calling is OpenBSD:
                    server.end()
                ended(caller)
                ended(server)
            each_way(world, both)


if __name__ == "__main__":
    sys.exit(common.main("nc.openbsd", "nc.traditional"))
