#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""lighttpd - unmodified, with a configuration for plain HTTP."""

import os
import shutil
import signal
import sys

import common
import web
from common import (Program, await_service, needs, ordinary, scene, signal_all,
                    until, want)

CONF = """\
server.modules = ("mod_accesslog", "mod_cgi"{modules})
server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
server.errorlog = "{where}/error.log"
server.pid-file = "{where}/lighttpd.pid"
server.upload-dirs = ("{where}")
accesslog.filename = "{where}/access.log"
index-file.names = ("index.html")
mimetype.assign = (".html" => "text/html", ".txt" => "text/plain")
cgi.assign = (".cgi" => "/bin/sh")
{user}
{main}
"""


class Lighttpd:
    def __init__(self, world, way, port, root, user=None, foreground=True, main="",
                 event=None):
        self.world, self.way, self.port = world, way, port
        self.where = world.directory("lighttpd", user)
        # It opens its files after it dropped its rights.
        drops = os.geteuid() == 0 and user is None
        if drops:
            shutil.chown(self.where, "www-data", "www-data")
        self.log = self.where / "access.log"
        self.cert = self.where / "cert.pem"
        self.serial = world.authority.issue(
            self.cert, user if os.geteuid() == 0 else None)
        if event is not None:
            main += f'\nserver.event-handler = "{event}"'
        self.conf = {"main": main, "modules": "", "user":
                     'server.username = "www-data"\nserver.groupname = "www-data"'
                     if drops else ""}
        (self.where / "lighttpd.conf").write_text(CONF.format(
            where=self.where, port=port, root=root, **self.conf))
        argv = [needs("lighttpd"), *(["-D"] if foreground else []),
                "-f", self.where / "lighttpd.conf"]
        self.program = Program(world, [*way.server(port, self.cert), *argv],
                               self.where, user)
        await_service(way, port, self.program, [self.where / "error.log"])
        self.pid = until(self.read_pid, "lighttpd.pid")

    def read_pid(self):
        try:
            return int((self.where / "lighttpd.pid").read_text())
        except (OSError, ValueError):
            return None

    def workers(self):
        return common.children(self.pid, "lighttpd")


def start(world, way, root, **more):
    return common.with_port(lambda port: Lighttpd(world, way, port, root, **more))


def each(world, function, **more):
    web.each(world, start, function, cgi=True, **more)


@scene
def lighttpd_answers_as_on_tcp(world):
    each(world, web.play_with_cgi)


@scene
def lighttpd_of_an_ordinary_user_answers_as_on_tcp(world):
    each(world, web.play_with_cgi, user=ordinary())


@scene
def lighttpd_in_the_background_answers_as_on_tcp(world):
    each(world, web.play_with_cgi, foreground=False)


@scene
def lighttpd_waits_with_poll_and_select_as_well(world):
    for event in ("poll", "select"):
        each(world, web.play_with_cgi, event=event)


@scene
def lighttpd_is_told_to_go_and_finishes_what_it_serves(world):
    def go(s):
        with web.Connection(s.way, s.port) as c:
            c.send(web.request("/big.bin", close=True))
            until(lambda: c.reader.peek(1), "the first bytes")
            signal_all([s.pid], signal.SIGINT)
            got = web.answer(c.reader)
            c.want_end()
        common.await_end([s.pid], "lighttpd")
        common.want_refused_connect(s.port)
        return got.length, got.digest
    each(world, go)


@scene
def lighttpd_starts_anew_in_place_and_no_request_is_lost(world):
    """SIGUSR1: it finishes, reads its configuration, keeps its listeners."""
    def again(s):
        with web.Load(s.way, s.port, "/small.txt") as load:
            load.more()
            for _ in range(3):
                signal_all([s.pid], signal.SIGUSR1)
                load.more(n=100)
        want(not common.gone(s.pid), "lighttpd ended")
        if s.way.is_tls:
            web.want_tls(s.world, s.port, s.log)
        return web.once(s.way, s.port, "/small.txt")
    each(world, again)


@scene
def lighttpd_shows_a_renewed_certificate_without_being_told(world):
    root = web.documents(world.directory("root") / "docs")
    s = start(world, world.tls, root)
    want(common.serial(s.way, s.port) == s.serial, "the first certificate")
    with web.Load(s.way, s.port, "/small.txt") as load:
        for _ in range(2):
            common.await_serial(s.way, s.port, world.authority.issue(s.cert))
            load.more()
    want(not common.gone(s.pid), "lighttpd was restarted")


@scene
def workers_of_lighttpd_that_are_killed_take_no_listener_with_them(world):
    def kill(s):
        until(lambda: len(s.workers()) == 3, "workers")
        for _ in range(3):
            victim = s.workers()[0]
            signal_all([victim], signal.SIGKILL)
            until(lambda v=victim: len(s.workers()) == 3 and v not in s.workers(),
                  "another worker")
            want(web.once(s.way, s.port, "/small.txt").status == "200", "served")
        return web.asked_at_once(s.way, s.port, "/small.txt")
    each(world, kill, main="server.max-worker = 3")


if __name__ == "__main__":
    sys.exit(common.main("lighttpd", "curl"))
