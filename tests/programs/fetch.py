# SPDX-License-Identifier: ISC
"""fetch - what a client that only knows http:// is asked to fetch.

    curl.py, wget.py, php.py, node.py, python.py --> fetch --> peers --> common

Always true:
  1. The server is Python's: it knows the name that the client asked for, and the
     requests that came, and the client is compared with itself on plain TCP.
"""

import contextlib
import hashlib
import http.server
import random
import socket
import socketserver
import ssl
import threading

import common
import peers
from common import Skipped, scene, want
from peers import Listener, each_way

BIG = random.Random(7).randbytes(4_000_000)
UPLOAD = random.Random(8).randbytes(2_000_000)
DIGEST = hashlib.sha256(BIG).hexdigest()
PAGES = {"/small": b"small\n", "/empty": b"", "/big": BIG}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        self.server.requests.append((self.command, self.path))
        if self.path == "/again":
            self.answer(302, Location="/small")
        elif self.path in PAGES:
            self.answer(200, PAGES[self.path])
        else:
            self.answer(404, b"none\n")

    do_HEAD = do_GET

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        digest = hashlib.sha256(body).hexdigest()
        self.server.requests.append((self.command, self.path, digest))
        self.answer(200, digest.encode() + b"\n")

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A web server of ours: the requests, the names asked for, what failed."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, world, way, cert=None, host="localhost"):
        address = address_of(host)
        if ":" in address:
            self.address_family = socket.AF_INET6
        super().__init__((address, 0), Handler)
        self.port = self.server_address[1]
        self.requests, self.names, self.refused, self.failed = [], [], [], []
        self.context = peers.server_context(world, cert, self.names) \
            if way.is_tls else None
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,))
        self.thread.start()

    def url(self, path, host=None):
        host = host or self.server_address[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{path}"

    def __exit__(self, kind, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()
        if kind is None and self.failed:
            raise self.failed[0]

    def finish_request(self, request, client_address):
        request.settimeout(common.PATIENCE)
        if self.context is not None:
            try:
                request = self.context.wrap_socket(request, server_side=True)
            except OSError as e:
                self.refused.append(e)
                return
        try:
            super().finish_request(request, client_address)
        except OSError as e:
            self.failed.append(e)
        finally:
            # Who asked may be gone already; an SSLSocket has the descriptor now.
            with contextlib.suppress(OSError):
                request = request.unwrap() if isinstance(request, ssl.SSLSocket) \
                    else request
            request.close()

    def shutdown_request(self, request):
        self.close_request(request)


def address_of(host):
    """Where Server listens: where clients that try one address only look."""
    return socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][4][0]


def name_of_this_machine():
    """A name other than localhost, which some clients know without a question."""
    for name in (socket.gethostname(), "ip6-localhost"):
        with contextlib.suppress(OSError):
            address = address_of(name)
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with socket.create_server((address, 0), family=family):
                return name
    raise Skipped("this machine has no name but localhost")


def scenes(program, fetch, one, name=lambda: "localhost"):
    """fetch(world, argv, at): all that the client can do, and what it said, where
    at(path) is an address; one(url): a command that ends with 0 if that comes.
    """
    def answered(world):
        host = name()
        cert = peers.issue_for(world, f"DNS:{host}")

        def asked(way):
            with Server(world, way, cert, host) as server:
                said = fetch(world, way.client(server.port),
                             lambda path: server.url(path, host))
            want(set(server.names) == ({host} if way.is_tls else set()),
                 "the names asked for:", server.names)
            want(not server.refused, "handshakes failed:", server.refused)
            return said, server.requests
        each_way(world, asked)

    def verifies(world):
        """By the name that was looked up, by an address if that is allowed."""
        host = name()
        good = peers.issue_for(world, f"DNS:{host}")
        other = peers.issue_for(world, "DNS:other.example")
        address = peers.issue_for(world, f"IP:{address_of(host)}")

        def ends(status, cert, *more, way=world.tls, by_name=True):
            with Server(world, world.tls, cert, host) as server:
                said = peers.run(
                    world, [*way.client(server.port, *more),
                            *one(server.url("/small", host if by_name else None))],
                    status=status)
            want(bool(server.requests) == (status == 0), "requests:", server.requests)
            want(status == 0 or b"small" not in said, "the client says", said)
            return server
        ends(0, good)
        for server in (ends(None, other), ends(None, good, way=peers.Stranger(world))):
            want(server.refused, "no handshake was tried")
        ends(0, address, "--name-from-address", by_name=False)
        ends(None, good, "--name-from-address", by_name=False)
        ends(0, other, "--name", "other.example")
        ends(None, good, "--name", "other.example")

    def silent(world):
        """Where nobody speaks TLS there is a ClientHello and nothing else."""
        with Listener(world, world.tcp, peers.heard_in_plain) as server:
            peers.run(world, [*world.tls.client(server.port, "--name", "localhost"),
                              *one(f"http://localhost:{server.port}/small")],
                      status=None)
        want(server.played and all(h[:1] == b"\x16" and b"/small" not in h
                                   for h in server.played),
             "a server without TLS heard", server.played)

    for function, what in ((answered, "fetches_as_on_tcp"),
                           (verifies, "believes_the_right_certificate_only"),
                           (silent, "says_nothing_to_a_server_without_tls")):
        function.__name__ = f"{program}_{what}"
        scene(function)
