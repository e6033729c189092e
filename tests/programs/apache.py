#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""apache - httpd with its prefork, worker and event engines, for plain HTTP."""

import os
import pathlib
import signal
import sys

import common
import web
from common import (Program, await_service, needs, ordinary, scene, signal_all,
                    until, want)

MODULES = pathlib.Path("/usr/lib/apache2/modules")

CONF = """\
ServerRoot {where}
ServerName localhost
Listen 127.0.0.1:{port}
{more}
PidFile {where}/apache.pid
DefaultRuntimeDir {where}
ErrorLog {where}/error.log
LogLevel info
{modules}
{user}
StartServers 2
ServerLimit {servers}
MaxRequestWorkers {clients}
{engine_more}
KeepAliveTimeout 60
MaxKeepAliveRequests 0
LogFormat "%a %t \\"%r\\" %>s %b" common
CustomLog {where}/access.log common
TypesConfig /dev/null
AddType text/plain .txt
AddType text/html .html
AddHandler cgi-script .cgi
DirectoryIndex index.html
DocumentRoot {root}
<Directory {root}>
	Options +ExecCGI
	Require all granted
</Directory>
Alias /version {where}/version
<Directory {where}>
	Require all granted
</Directory>
<Files version>
	ForceType text/plain
</Files>
Header always set X-Version {version}
{main}
"""

ENGINES = {"prefork": "", "worker": "ThreadsPerChild 16", "event": "ThreadsPerChild 16"}


def module_lines(engine):
    lines = []
    cgi = "cgi" if engine == "prefork" else "cgid"
    for name in (f"mpm_{engine}", "authz_core", "alias", "mime", "dir", "headers", cgi):
        lines.append(f"LoadModule {name}_module {MODULES}/mod_{name}.so")
    return lines


class Apache:
    def __init__(self, world, way, port, root, engine="prefork", user=None, **conf):
        self.world, self.way, self.port, self.root = world, way, port, root
        self.where = world.directory("apache", user)
        self.log = self.where / "access.log"
        self.cert = self.where / "cert.pem"
        self.serial = world.authority.issue(
            self.cert, user if os.geteuid() == 0 else None)
        threaded = engine != "prefork"
        drops = os.geteuid() == 0 and user is None
        modules = module_lines(engine)
        if threaded:
            modules.append(f"ScriptSock {self.where}/cgisock")
        self.conf = {"version": "one", "main": "", "more": "",
                     "user": "User www-data\nGroup www-data" if drops else "",
                     "modules": "\n".join(modules), "servers": 8 if threaded else 64,
                     "clients": 128 if threaded else 64, "engine_more":
                     ENGINES[engine]}
        self.configure(**conf)
        self.program = Program(
            world, [*way.server("any", self.cert), needs("apache2"), "-DFOREGROUND",
                    "-f", self.where / "apache.conf"], self.where, user)
        await_service(way, port, self.program, [self.where / "error.log"])
        self.master = until(self.read_pid, "apache.pid")

    def configure(self, **conf):
        self.conf.update(conf)
        (self.where / "apache.conf").write_text(CONF.format(
            where=self.where, port=self.port, root=self.root, **self.conf))
        # Never empty while it is exchanged.
        new = self.where / "version.new"
        new.write_text(self.conf["version"])
        new.rename(self.where / "version")

    def read_pid(self):
        try:
            return int((self.where / "apache.pid").read_text())
        except (OSError, ValueError):
            return None

    def workers(self):
        return common.children(self.master)


def start(world, way, root, **more):
    return common.with_port(lambda port: Apache(world, way, port, root, **more))


def each(world, function, **more):
    web.each(world, start, function, cgi=True, **more)


@scene
def apache_prefork_answers_as_on_tcp(world):
    each(world, web.play_with_cgi)


@scene
def apache_worker_answers_as_on_tcp(world):
    each(world, web.play_with_cgi, engine="worker")


@scene
def apache_event_answers_as_on_tcp(world):
    each(world, web.play_with_cgi, engine="event")


@scene
def apache_of_an_ordinary_user_answers_as_on_tcp(world):
    each(world, web.play_with_cgi, user=ordinary())


@scene
def apache_serves_with_processes_of_another_user(world):
    if os.geteuid() != 0:
        raise common.Skipped("it takes root to drop rights")

    def workers(a):
        # A process that was made this moment has root's rights still.
        want_user = {common.pwd.getpwnam("www-data").pw_uid}
        common.until(lambda: {os.stat(f"/proc/{p}").st_uid for p in a.workers()} ==
                     want_user, "all workers run as www-data")
        return web.asked_at_once(a.way, a.port, "/small.txt")
    each(world, workers)


def reload(a):
    """SIGUSR1: processes finish what they serve, and new ones take over."""
    with web.Load(a.way, a.port, "/version") as load:
        load.more("one")
        for version in ("two", "three"):
            old = a.workers()
            downloads = web.Downloads(a.way, a.port)
            a.configure(version=version)
            signal_all([a.master], signal.SIGUSR1)
            load.only(version)
            downloads.want_whole()
            common.await_end(old, "the old processes")
    got = web.once(a.way, a.port, "/version")
    want(web.header(got, "x-version") == "three", "the configuration is", got)
    return got.status, got.text


@scene
def apache_prefork_restarts_gracefully_and_no_request_is_lost(world):
    each(world, reload)


@scene
def apache_event_restarts_gracefully_and_no_request_is_lost(world):
    each(world, reload, engine="event")


@scene
def apache_listens_on_one_more_port_after_a_restart(world):
    def listen(a):
        def add(port):
            a.configure(more=f"Listen 127.0.0.1:{port}")
            signal_all([a.master], signal.SIGUSR1)
            load.more()
            common.await_service(a.way, port, a.program, [a.where / "error.log"])
            return port
        with web.Load(a.way, a.port, "/version") as load:
            port = common.with_port(add)
        if a.way.is_tls:
            web.want_tls(a.world, port, a.log)
        return [web.once(a.way, p, "/version").text for p in (a.port, port)]
    each(world, listen)


@scene
def apache_replaces_processes_that_served_enough(world):
    def serve(a):
        first = a.workers()
        with web.Load(a.way, a.port, "/version") as load:
            until(lambda: all(map(common.gone, first)), "the first processes' end")
            load.more(n=200)
        return web.asked_at_once(a.way, a.port, "/small.txt")
    each(world, serve, main="MaxConnectionsPerChild 5")


@scene
def apache_replaces_processes_that_are_killed(world):
    def kill(a):
        for _ in range(4):
            victim = a.workers()[0]
            signal_all([victim], signal.SIGKILL)
            until(lambda v=victim: v not in a.workers(), "the end of a process")
            want(web.once(a.way, a.port, "/version").status == "200", "served")
        return web.asked_at_once(a.way, a.port, "/small.txt")
    each(world, kill)


@scene
def apache_shows_a_renewed_certificate_without_being_told(world):
    root = web.documents(world.directory("root") / "docs")
    a = start(world, world.tls, root)
    want(common.serial(a.way, a.port) == a.serial, "the first certificate")
    with web.Load(a.way, a.port, "/version") as load:
        for _ in range(2):
            common.await_serial(a.way, a.port, world.authority.issue(a.cert))
            load.more()
    want(not common.gone(a.master), "apache was restarted")


@scene
def apache_finishes_what_it_serves_when_it_stops_gracefully(world):
    def stop(a):
        with web.Connection(a.way, a.port) as c:
            c.send(web.request("/big.bin", close=True))
            until(lambda: c.reader.peek(1), "the first bytes")
            signal_all([a.master], signal.SIGWINCH)
            got = web.answer(c.reader)
            c.want_end()
        common.await_end([a.master], "apache")
        common.want_refused_connect(a.port)
        return got.length, got.digest
    each(world, stop)


if __name__ == "__main__":
    sys.exit(common.main("apache2", "curl"))
