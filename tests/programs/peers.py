# SPDX-License-Identifier: ISC
"""peers - our own ends of a connection: whom a program under test talks to.

    echo, fetch, netcat.py, libevent.py --> peers --> common

Always true:
  1. The TLS is Python's: nothing of ours is in these ends.
  2. An end of the stream without close_notify raises; it is not an end.
  3. A Listener knows what was tried: the names asked for, and the handshakes
     that failed.

Threads: a Listener has one for itself and one for each connection; what it
gathers is read after close(), or by until().
"""

import contextlib
import select
import socket
import ssl
import subprocess
import threading

import common
from common import HOST, PATIENCE, want

CHUNK = 65536
LEAF_CONF = """\
[leaf]
basicConstraints = critical,CA:false
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


class Duplex:
    """A connection: both directions at once, and half a close, on both ways."""

    def __init__(self, s, context=None, server=False):
        self.socket, self.tls, self.raw = s, None, bytearray()
        s.settimeout(PATIENCE)
        if context is not None:
            self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = context.wrap_bio(
                self.inward, self.outward, server_side=server,
                server_hostname=None if server else "localhost")
            self.shake()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def shake(self):
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                pass
            finally:  # an alert goes out, too
                self.socket.sendall(self.outward.read())
            got = self.socket.recv(CHUNK)
            if not got:
                raise ConnectionResetError("the end within a handshake")
            self.inward.write(got)

    def put(self, data, finish):
        if self.tls is None:
            self.raw += data
            return
        for at in range(0, len(data), CHUNK):
            self.tls.write(data[at:at + CHUNK])
        if finish:  # it says so, and would like to hear the same
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.unwrap()
        self.raw += self.outward.read()

    def take(self):
        """What there is to read, and whether it is the end."""
        got = self.socket.recv(CHUNK)
        if self.tls is None:
            return got, not got
        if got:
            self.inward.write(got)
        else:
            self.inward.write_eof()
        return self.opened()

    def opened(self):
        """What the records hold that came; they may come with a handshake's end."""
        heard = bytearray()
        try:
            while data := self.tls.read(CHUNK):
                heard += data
        except ssl.SSLWantReadError:
            return heard, False
        except ssl.SSLZeroReturnError:
            pass
        return heard, True

    def talk(self, data=b"", finish=True, enough=None):
        """Sends and hears at once: to the end, or until `enough` bytes came.

        With `finish` nothing more is sent after the data.
        """
        # Before our half ends: what comes after that is read below.
        heard, ended = self.opened() if self.tls else (bytearray(), False)
        self.put(data, finish)
        shut = not finish or self.tls is not None
        while self.raw or not shut or not (
                ended or enough is not None and len(heard) >= enough):
            if not self.raw and not shut:
                self.socket.shutdown(socket.SHUT_WR)
                shut = True
                continue
            readable, writable, _ = select.select(
                [] if ended else [self.socket], [self.socket] if self.raw else [],
                [], PATIENCE)
            want(readable or writable, "nothing moves,", len(heard), "bytes came,",
                 len(self.raw), "are left")
            if writable:
                del self.raw[:self.socket.send(self.raw, socket.MSG_DONTWAIT)]
            if readable:
                more, ended = self.take()
                heard += more
        return bytes(heard)


def dial(way, port, program):
    """A Duplex to a program that was just started, and perhaps does not listen yet."""
    def ready():
        try:
            s = socket.create_connection((HOST, port), PATIENCE)
        except ConnectionRefusedError:
            if program.child.poll() is not None:
                program.complain("it ended")
            return None
        try:
            return Duplex(s, way.context if way.is_tls else None)
        except BaseException:
            s.close()
            raise
    return common.until(ready, "a listener")


def server_context(world, cert, names):
    """Shows the certificate, or a new one; the names asked for are gathered."""
    if cert is None:
        cert = world.directory("server") / "cert.pem"
        world.authority.issue(cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    context.sni_callback = lambda _tls, name, _context: names.append(name)
    return context


class Listener:
    """A server of ours: play(duplex) for each connection, and what came of it."""

    def __init__(self, world, way, play, cert=None):
        self.play, self.context = play, None
        self.names, self.refused, self.played, self.failed = [], [], [], []
        self.gathered = threading.Lock()
        if way.is_tls:
            self.context = server_context(world, cert, self.names)
        # localhost is one address for some, and two for others.
        self.socket = socket.create_server(
            ("", 0), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128) \
            if socket.has_dualstack_ipv6() else \
            socket.create_server((HOST, 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close()
        if kind is not None:
            common.say("our own end:", *map(repr, self.failed or ["played"]))
        elif self.failed:
            raise self.failed[0]

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # accept() returns
        self.threads[0].join()
        for t in self.threads[1:]:
            t.join()
        self.socket.close()

    def accept(self):
        while True:
            try:
                s = self.socket.accept()[0]
            except OSError:
                return
            self.threads.append(threading.Thread(target=self.one, args=(s,)))
            self.threads[-1].start()

    def one(self, s):
        with s:
            try:
                duplex = Duplex(s, self.context, server=True)
            except OSError as e:
                self.refused.append(e)
                return
            try:
                self.played.append(self.play(duplex))
            except Exception as e:  # for who asked, at the end
                self.failed.append(e)


def heard_in_plain(s):
    """For a Listener on TCP: whatever comes, until the peer gives up."""
    s.socket.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour")
    s.socket.shutdown(socket.SHUT_WR)
    heard = b""
    with contextlib.suppress(ConnectionError):
        while len(heard) < CHUNK and (got := s.socket.recv(CHUNK)):
            heard += got
    return heard


def hear(duplex):
    return duplex.talk(b"", finish=False)


def issue_for(world, names):
    """A leaf of the same authority, for other names than its usual."""
    authority, path = world.authority, world.directory("leaf") / "cert.pem"
    (authority.where / "other.cnf").write_text(LEAF_CONF.format(names=names))
    authority.openssl("req", *authority.key("other.key"), "-subj", "/CN=localhost",
                      "-out", "other.csr")
    authority.openssl("x509", "-req", "-in", "other.csr", "-CA", "ca.pem", "-CAkey",
                      "ca.key", "-days", 2, "-set_serial", 7, "-extfile", "other.cnf",
                      "-extensions", "leaf", "-out", "other.crt")
    path.write_bytes((authority.where / "other.crt").read_bytes() +
                     (authority.where / "other.key").read_bytes())
    path.chmod(0o600)
    return path


class Stranger:
    """The way of a client that believes the system's authorities alone."""

    is_tls = True

    def __init__(self, world):
        self.world = world

    def client(self, port, *more):
        argv = self.world.tls.client(port, *more)
        at = argv.index("--trust")
        return argv[:at] + argv[at + 2:]


def run(world, argv, data=b"", status=0, env=()):
    """A program that ends by itself: what it printed. status None: not 0."""
    argv = [str(a) for a in argv]
    got = subprocess.run(argv, input=data, capture_output=True, cwd=world.tmp,
                         timeout=2 * PATIENCE, check=False,
                         env=common.environment(world.tmp, env))
    well = got.returncode != 0 if status is None else got.returncode == status
    want(well, *argv, "ended with", got.returncode, got.stdout[-500:],
         got.stderr[-1000:])
    return got.stdout


def each_way(world, function):
    """function(way) on both; the same must come of it."""
    results = []
    for name in common.WAYS:
        results.append(function(getattr(world, name)))
        world.end()
    common.want_same(*results, function.__name__)
