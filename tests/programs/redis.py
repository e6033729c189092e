#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""redis - server, command line and benchmark, unmodified, none told of TLS."""

import hashlib
import os
import random
import signal
import subprocess
import sys

import common
from common import (HOST, WAYS, Program, await_service, needs, ordinary, scene,
                    signal_all, until, want, want_same)

SOURCE = "127.0.0.77"


class Redis:
    def __init__(self, world, way, port, user=None, arguments=()):
        self.world, self.way, self.port = world, way, port
        self.where = world.directory("redis", user)
        self.cert = self.where / "cert.pem"
        self.serial = world.authority.issue(
            self.cert, user if os.geteuid() == 0 else None)
        (self.where / "redis.conf").write_text(
            f"bind {HOST} -::1\nprotected-mode no\nport {port}\ndir {self.where}\nsave \"\"\n"
            f"logfile {self.where}/redis.log\nrepl-diskless-sync-delay 0\n"
            "client-output-buffer-limit pubsub 64mb 64mb 0\n" +
            "".join(f"{a}\n" for a in arguments))
        self.program = Program(
            world, [*way.server("any", self.cert), needs("redis-server"),
                    self.where / "redis.conf"], self.where, user)
        await_service(way, port, self.program, [self.where / "redis.log"])

    def command(self, *words, program="redis-cli", host="localhost"):
        return [str(w) for w in (*self.way.client(self.port), needs(program), "-h",
                                 host, "-p", self.port, *words)]

    def cli(self, *words, status=0, **more):
        """What redis-cli prints; it is under sstool run as well."""
        got = subprocess.run(
            self.command(*words), capture_output=True, timeout=common.PATIENCE,
            check=False, env=common.environment(self.where), **more)
        want(got.returncode == status, "redis-cli", *words, "ended with",
             got.returncode, got.stdout[-300:], got.stderr[-300:])
        return got.stdout.decode(errors="replace")

    def benchmark(self, *words):
        got = subprocess.run(
            self.command(*words, program="redis-benchmark", host=HOST),
            capture_output=True, timeout=2 * common.PATIENCE, check=False,
            env=common.environment(self.where))
        want(got.returncode == 0 and b"rror" not in got.stderr, "redis-benchmark",
             *words, got.returncode, got.stdout[-300:], got.stderr[-300:])
        return got.stdout.decode()


def start(world, way, **more):
    return common.with_port(lambda port: Redis(world, way, port, **more))


def each(world, function, **more):
    """function(redis) on both ways; the same must come of it."""
    results = []
    for name in WAYS:
        results.append(function(start(world, getattr(world, name), **more)))
        world.end()
    want_same(*results, function.__name__)


def want_tls(r):
    """Plain is refused, those who verify are served, the others refuse."""
    common.want_refused(r.port, b"PING\r\n", b"+PONG")
    heard = common.s_client(r.world, r.port, b"PING\r\nQUIT\r\n", "-ign_eof")
    want(heard == b"+PONG\r\n+OK\r\n", "s_client heard", heard)
    plain = subprocess.run(
        [needs("redis-cli"), "-h", HOST, "-p", str(r.port), "PING"],
        capture_output=True, timeout=common.PATIENCE, check=False)
    want(b"PONG" not in plain.stdout, "a plain redis-cli was served")
    # Without the authority the client hears nothing, and says why it fails.
    stranger = subprocess.run(
        [os.environ["SSTOOL"], "run", "--verbose", "--tls-port", str(r.port), "--",
         needs("redis-cli"), "-h", "localhost", "-p", str(r.port), "PING"],
        capture_output=True, timeout=common.PATIENCE, check=False,
        env=common.environment(r.where))
    want(stranger.returncode != 0 and b"PONG" not in stranger.stdout,
         "a client without the authority was served:", stranger.stdout)
    want(b"certificate" in stranger.stderr, "it says", stranger.stderr)


def talk(r):
    """Everything a client does that has an answer which is always the same."""
    big = random.Random(3).randbytes(5_000_000).hex().encode()
    got = [r.cli("PING"), r.cli("SET", "a", "1"), r.cli("INCR", "a"),
           r.cli("GET", "none"), r.cli("NO", "SUCH", "COMMAND", status=0),
           r.cli("-x", "SET", "big", input=big), r.cli("STRLEN", "big"),
           hashlib.sha256(r.cli("GET", "big").encode()).hexdigest(),
           r.cli("-r", "100", "INCR", "a")]
    # Ten thousand commands in one go, and all their answers.
    lines = "".join(f"SET key{i} {i * i}\r\n" for i in range(10_000)).encode()
    got.append(r.cli("--pipe", input=lines).splitlines()[-1])
    got.append(r.cli("DBSIZE"))
    got.append(r.cli("EVAL", "return redis.call('GET', KEYS[1])", "1", "key99"))
    return got


def pipelined(r):
    """Our own client: one connection, answers in the order of the questions."""
    with r.way.connect(r.port, SOURCE) as s, s.makefile("rb") as reader:
        s.sendall(b"".join(b"ECHO %d\r\n" % i for i in range(5000)))
        for i in range(5000):
            got = reader.readline(), reader.readline()
            want(got == (b"$%d\r\n" % len(str(i)), b"%d\r\n" % i), i, got)
        s.sendall(b"CLIENT INFO\r\n")
        reader.readline()
        info = dict(w.split("=", 1) for w in reader.readline().decode().split())
        want(info["addr"].startswith(SOURCE + ":"), "redis sees", info["addr"])
        want(info["addr"] == "%s:%d" % s.getsockname(), "redis sees", info["addr"])
        want(info["laddr"] == f"{HOST}:{r.port}", "redis is reached at",
             info["laddr"])
        s.sendall(b"QUIT\r\n")
        return reader.read()


def played(r):
    got = [talk(r), pipelined(r)]
    if r.way.is_tls:
        want_tls(r)
    return got


@scene
def redis_answers_as_on_tcp(world):
    each(world, played)


@scene
def redis_of_an_ordinary_user_answers_as_on_tcp(world):
    each(world, played, user=ordinary())


@scene
def redis_with_threads_for_its_clients_answers_as_on_tcp(world):
    each(world, played, arguments=["io-threads 4", "io-threads-do-reads yes"])


@scene
def redis_in_the_background_answers_as_on_tcp(world):
    each(world, played, arguments=["daemonize yes"])


@scene
def redis_serves_fifty_clients_at_once(world):
    def many(r):
        said = r.benchmark("-c", "50", "-n", "5000", "-P", "4", "-q", "-t",
                           "ping,set,get,lpush")
        want(said.count("requests per second") >= 4, "redis-benchmark:", said)
        return r.cli("GET", "key:__rand_int__"), r.cli("LLEN", "mylist")
    each(world, many)


@scene
def redis_tells_subscribers(world):
    def publish(r):
        listener = Program(world, r.command("SUBSCRIBE", "news"), r.where)
        until(lambda: "news" in listener.text() and
              r.cli("PUBSUB", "NUMSUB", "news").split()[-1] == "1", "a subscriber")
        for i in range(20):
            want(r.cli("PUBLISH", "news", f"message {i}") == "1\n", "nobody heard")
        until(lambda: "message 19" in listener.text(), "the messages")
        return listener.text()
    each(world, publish)


@scene
def redis_answers_who_waited(world):
    """BLPOP: answered by another connection, and by the time limit."""
    def wait(r):
        waiting = Program(world, r.command("BLPOP", "queue", "0"), r.where)
        until(lambda: "blocked_clients:1" in r.cli("INFO", "clients"), "a waiter")
        r.cli("RPUSH", "queue", "work")
        want(waiting.wait() == 0, "redis-cli failed:", waiting.text())
        return waiting.text(), r.cli("BLPOP", "queue", "0.01")
    each(world, wait)


@scene
def redis_copies_itself_to_a_replica(world):
    """A server that is a client too: replication goes over TLS."""
    def replicate(r):
        r.cli("--pipe", input=b"".join(b"SET k%d %s\r\n" % (i, b"v" * 1000)
                                       for i in range(2000)))
        copy = start(world, r.way.that_connects(),
                     arguments=[f"replicaof localhost {r.port}"])
        until(lambda: "master_link_status:up" in copy.cli("INFO", "replication"),
              "the replica's link")
        want(copy.cli("DBSIZE") == "2000\n", "not all was copied")
        r.cli("SET", "late", "news")
        until(lambda: copy.cli("GET", "late") == "news\n", "the late key")
        return copy.cli("GET", "k1999"), r.cli("WAIT", "1", "0")
    each(world, replicate)


@scene
def redis_shows_a_renewed_certificate_without_being_told(world):
    r = start(world, world.tls)
    want(common.serial(r.way, r.port) == r.serial, "the first certificate")
    with r.way.connect(r.port) as old, old.makefile("rb") as reader:
        for _ in range(2):
            common.await_serial(r.way, r.port, world.authority.issue(r.cert))
        old.sendall(b"PING\r\n")
        want(reader.readline() == b"+PONG\r\n", "an old connection was lost")
    want(not common.gone(r.program.pid), "redis was restarted")


@scene
def redis_tells_its_clients_when_it_goes(world):
    def go(r):
        with r.way.connect(r.port) as s, s.makefile("rb") as reader:
            s.sendall(b"PING\r\n")
            want(reader.readline() == b"+PONG\r\n", "PING")
            signal_all([r.program.pid], signal.SIGTERM)
            rest = reader.read()
        want(r.program.wait() == 0, "redis ended with", r.program.child.returncode)
        common.want_refused_connect(r.port)
        return rest
    each(world, go)


if __name__ == "__main__":
    sys.exit(common.main("redis-server", "redis-cli", "redis-benchmark"))
