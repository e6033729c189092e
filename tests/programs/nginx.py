#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""nginx - unmodified, with a configuration for plain HTTP."""

import hashlib
import os
import signal
import sys

import common
import web
from common import (Program, await_service, gone, needs, ordinary, scene,
                    signal_all, until, want)

CONF = """\
{user}
worker_processes {workers};
pid {where}/nginx.pid;
error_log {where}/error.log info;
{main}
events {{ worker_connections 256; {events} }}
http {{
	access_log {where}/access.log;
	client_body_temp_path {where}/body;
	proxy_temp_path {where}/proxy;
	fastcgi_temp_path {where}/fastcgi;
	uwsgi_temp_path {where}/uwsgi;
	scgi_temp_path {where}/scgi;
	client_max_body_size 20m;
	sendfile on;
	types {{ text/html html; text/plain txt; }}
	default_type application/octet-stream;
	{http}
	server {{
		listen 127.0.0.1:{port} {listen};
		{more}
		root {root};
		location = /version {{ return 200 "{version}"; }}
		location /put/ {{ root {where}; dav_methods PUT; }}
	}}
}}
"""


class Nginx:
    """A running nginx: the port, and the master, which is what its file says."""

    def __init__(self, world, way, port, root, user=None, **conf):
        self.world, self.way, self.port, self.root = world, way, port, root
        self.where = world.directory("nginx", user)
        # Workers run as another user, and write what is put.
        put = self.where / "put"
        put.mkdir()
        put.chmod(0o777)
        self.log = self.where / "access.log"
        self.cert = self.where / "cert.pem"
        self.serial = world.authority.issue(
            self.cert, user if os.geteuid() == 0 else None)
        self.conf = {"workers": 2, "version": "one", "main": "", "more": "",
                     "events": "", "listen": "", "http": "",
                     "user": "user www-data;" if os.geteuid() == 0 and user is None
                     else ""}
        self.configure(**conf)
        self.program = Program(
            world, [*way.server("any", self.cert), *self.command()], self.where, user)
        await_service(way, port, self.program, [self.where / "error.log"])
        # Connections queue up before the master has made its workers.
        self.master = until(self.pid, "nginx.pid")
        alone = "master_process off" in self.conf["main"]
        until(lambda: alone or len(self.workers()) == self.conf["workers"], "workers")

    def command(self):
        return [needs("nginx"), "-e", self.where / "error.log", "-p", self.where,
                "-c", self.where / "nginx.conf"]

    def configure(self, **conf):
        self.conf.update(conf)
        (self.where / "nginx.conf").write_text(CONF.format(
            where=self.where, port=self.port, root=self.root, **self.conf))

    def pid(self, file="nginx.pid"):
        """Of the master; None: the file is not there, or not whole."""
        try:
            return int((self.where / file).read_text())
        except (OSError, ValueError):
            return None

    def workers(self, master=None):
        return common.children(master or self.master, "worker process")

    def errors(self):
        """Of weight: what a reload or an upgrade must not say."""
        return [line for line in (self.where / "error.log").read_text().splitlines()
                if any(f"[{w}]" in line for w in ("crit", "alert", "emerg"))]


def start(world, way, root, **more):
    return common.with_port(lambda port: Nginx(world, way, port, root, **more))


def each(world, function, way=lambda w: w, **more):
    web.each(world, start, function, way=way, **more)


def play_all(n):
    got = web.play(n.way, n.port)
    body = web.body_of_upload()
    put = web.once(n.way, n.port, "/put/file", "PUT", body=body)
    want(put.status == "201", "PUT:", put)
    stored = hashlib.sha256((n.where / "put" / "file").read_bytes()).hexdigest()
    want(stored == hashlib.sha256(body).hexdigest(), "the upload is another")
    web.want_client_in(n.way, n.port, n.log)
    if n.way.is_tls:
        web.want_tls(n.world, n.port, n.log)
    want(not n.errors(), n.errors())
    return [*got.items(), put.status, put.text]


@scene
def nginx_answers_as_on_tcp(world):
    each(world, play_all)


@scene
def nginx_of_an_ordinary_user_answers_as_on_tcp(world):
    each(world, play_all, user=ordinary())


@scene
def nginx_without_a_master_and_in_the_foreground_answers_as_on_tcp(world):
    each(world, play_all, main="daemon off; master_process off;")


@scene
def nginx_whose_workers_take_turns_answers_as_on_tcp(world):
    each(world, play_all, events="accept_mutex on; multi_accept on;")


@scene
def nginx_with_threads_for_files_answers_as_on_tcp(world):
    each(world, play_all, more="aio threads;")


@scene
def nginx_with_options_for_its_listener_answers_as_on_tcp(world):
    each(world, play_all, listen="backlog=64 rcvbuf=64k sndbuf=64k so_keepalive=on")
    each(world, play_all, listen="deferred fastopen=16 so_keepalive=30s:10s:3")


@scene
def nginx_with_a_listener_for_each_worker_answers_as_on_tcp(world):
    each(world, play_all, listen="reuseport")


@scene
def nginx_passes_requests_on_over_tls(world):
    """A server that is a client too: of itself, so that both ends are TLS."""
    def forward(n):
        n.configure(more=f"location /far/ {{ proxy_http_version 1.1; proxy_set_header"
                         f" Connection ''; proxy_pass http://up/; }}",
                    http=f"upstream up {{ server 127.0.0.1:{n.port}; keepalive 4; }}")
        old = n.workers()
        signal_all([n.master], signal.SIGHUP)
        common.await_end(old, "the old workers")
        got = [web.once(n.way, n.port, f"/far/{p}")
               for p in ("small.txt", "big.bin", "none.txt", "version")]
        want([a.status for a in got] == ["200", "200", "404", "200"], "far:", got)
        return got, web.asked_at_once(n.way, n.port, "/far/small.txt")
    each(world, forward, lambda way: way.that_connects("--name-from-address"))


@scene
def nginx_spreads_connections_over_workers_of_another_user(world):
    if os.geteuid() != 0:
        raise common.Skipped("it takes root to drop rights")

    def workers(n):
        pids = n.workers()
        users = {os.stat(f"/proc/{p}").st_uid for p in pids}
        want(users == {common.pwd.getpwnam("www-data").pw_uid}, "workers run as", users)
        return len(pids), len(web.asked_at_once(n.way, n.port, "/small.txt"))
    each(world, workers)


@scene
def nginx_is_reloaded_by_hup_and_no_request_is_lost(world):
    def reload(n):
        with web.Load(n.way, n.port, "/version") as load:
            load.more("one")
            for version in ("two", "three"):
                old = n.workers()
                downloads = web.Downloads(n.way, n.port)
                n.configure(version=version)
                signal_all([n.master], signal.SIGHUP)
                load.more(version)
                downloads.want_whole()
                common.await_end(old, "the old workers")
                load.only(version)
        want(not n.errors(), n.errors())
        return web.once(n.way, n.port, "/version")
    each(world, reload)


def upgraded(n, load):
    """USR2, and QUIT for the old master when the new one serves."""
    old = n.master
    downloads = web.Downloads(n.way, n.port)
    signal_all([old], signal.SIGUSR2)

    def new():
        pid = n.pid()
        return pid if pid not in (None, old) and len(n.workers(pid)) == 2 or \
            n.errors() else None
    until(new, "a new master")
    want(not n.errors(), n.errors())
    n.master = n.pid()
    load.more()
    signal_all([old], signal.SIGQUIT)
    load.more()
    downloads.want_whole()
    common.await_end([old], "the old master")
    load.more()


@scene
def nginx_is_upgraded_by_usr2_and_no_request_is_lost(world):
    def upgrade(n):
        with web.Load(n.way, n.port, "/version") as load:
            load.more("one")
            upgraded(n, load)
            # The new binary reads new configurations, and is upgraded in turn.
            n.configure(version="two")
            signal_all([n.master], signal.SIGHUP)
            load.only("two")
            upgraded(n, load)
        if n.way.is_tls:
            web.want_tls(n.world, n.port, n.log)
            common.await_serial(n.way, n.port, n.world.authority.issue(n.cert))
        return web.once(n.way, n.port, "/version")
    each(world, upgrade)


def listen_once_more(n):
    """The new binary has the old one's listener, and makes one of its own."""
    if n.way.is_tls:
        common.await_serial(n.way, n.port, n.world.authority.issue(n.cert))
    with web.Load(n.way, n.port, "/version") as load:
        upgraded(n, load)

        def add(port):
            n.configure(more=f"listen 127.0.0.1:{port};", version="two")
            before = len(n.errors())
            signal_all([n.master], signal.SIGHUP)
            until(lambda: load.counts["two"] or len(n.errors()) > before, "two")
            if not load.counts["two"]:
                raise common.InUse
            load.only("two")
            return port
        port = common.with_port(add)
    if n.way.is_tls:
        number = n.world.authority.issue(n.cert)
        for p in (n.port, port):
            web.want_tls(n.world, p, n.log)
            common.await_serial(n.way, p, number)
    return [web.once(n.way, p, "/version").text for p in (n.port, port)]


@scene
def nginx_listens_on_one_more_port_after_an_upgrade(world):
    each(world, listen_once_more)


@scene
def nginx_is_upgraded_where_no_filter_is(world):
    """There the new binary starts a pair of its own for its new listener."""
    each(world, listen_once_more, lambda way: way.with_options("--lenient"))


@scene
def a_worker_of_nginx_that_is_killed_takes_no_listener_with_it(world):
    def kill(n):
        for _ in range(4):
            old = n.workers()
            signal_all(old[:1], signal.SIGKILL)
            want(web.once(n.way, n.port, "/version").status == "200", "served")
            until(lambda gone=old[0]: len(n.workers()) == 2 and gone not in n.workers(),
                  "another worker")
        return web.asked_at_once(n.way, n.port, "/small.txt")
    each(world, kill)


@scene
def nginx_shows_a_renewed_certificate_without_being_told(world):
    root = web.documents(world.directory("root") / "docs")
    n = start(world, world.tls, root)
    want(common.serial(n.way, n.port) == n.serial, "the first certificate")
    with web.Load(n.way, n.port, "/version") as load:
        pids = [n.master, *n.workers()]
        for _ in range(2):
            common.await_serial(n.way, n.port, n.world.authority.issue(n.cert))
            load.more()
    want(not any(map(gone, pids)) and [n.master, *n.workers()] == pids,
         "nginx was restarted")


@scene
def nginx_finishes_what_it_serves_when_it_quits(world):
    def quit_(n):
        with web.Connection(n.way, n.port) as c:
            c.send(web.request("/big.bin", close=True))
            first = c.reader.read(1)
            signal_all([n.master], signal.SIGQUIT)
            rest = c.reader.read()
        common.await_end([n.master], "nginx")
        common.want_refused_connect(n.port)
        return hashlib.sha256(first + rest.split(b"\r\n\r\n", 1)[1]).hexdigest()
    each(world, quit_)


@scene
def a_new_nginx_listens_while_the_old_one_finishes(world):
    def take_over(n):
        downloads = web.Downloads(n.way, n.port)
        for stop in (signal.SIGQUIT, signal.SIGTERM, signal.SIGKILL):
            old = [n.master, *n.workers()]
            # The port is free as soon as the master has closed it.
            signal_all(old if stop == signal.SIGKILL else old[:1], stop)
            common.want_refused_connect(n.port)
            n = Nginx(n.world, n.way, n.port, n.root)
            want(web.once(n.way, n.port, "/version").text == "one", "served")
            if stop == signal.SIGQUIT:
                downloads.want_whole()
            common.await_end(old, "the old nginx")
    each(world, take_over)


def pair_of(program):
    """Keeper and relay of a program: the relay is the keeper's child."""
    pair = [p for p in common.descendants() if common.is_pair(p)
            and f"[{program.pid}]" in common.title_of(p)]
    relays = [p for p in pair if common.stat_of(p)[2] in pair]
    want(len(relays) == 1, "relays:", relays)
    return common.stat_of(relays[0])[2], relays[0]


@scene
def nginx_serves_again_when_the_relay_was_killed(world):
    root = web.documents(world.directory("root") / "docs")
    n = start(world, world.tls, root)
    with web.Load(n.way, n.port, "/version") as load:
        upgraded(n, load)
    pids = [n.master, *n.workers()]
    for _ in range(3):
        relay = pair_of(n.program)[1]
        signal_all([relay], signal.SIGKILL)
        common.await_end([relay], "the relay")
        until(lambda: served(n), "an answer")
        web.want_tls(world, n.port, n.log)
    common.await_serial(n.way, n.port, world.authority.issue(n.cert))
    want([n.master, *n.workers()] == pids, "nginx was restarted")


def served(n):
    try:
        return web.once(n.way, n.port, "/version").text == "one"
    except (OSError, common.Failed):
        return False


if __name__ == "__main__":
    sys.exit(common.main("nginx", "curl"))
