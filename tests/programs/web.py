# SPDX-License-Identifier: ISC
"""web - what a web server is asked, and a client that never stops asking.

    nginx.py, apache.py, lighttpd.py --> web --> common

Always true:
  1. The client is Python's, with Python's TLS: nothing of ours is in it.
  2. An answer that is cut short is a failure, not a short answer: the end of a
     TLS connection without close_notify raises.
"""

import collections
import concurrent.futures
import hashlib
import os
import random
import shutil
import subprocess
import threading

import common
from common import HOST, PATIENCE, WAYS, Failed, s_client, until, want, want_same

BIG = 20_000_000
UPLOAD = 5_000_000
PARALLEL = 50
SOURCE = "127.0.0.77"  # where the client that is looked for in the log comes from

Answer = collections.namedtuple("Answer", "status headers length digest text")


def documents(root):
    """What the servers serve: the same files on both ways, times included."""
    root.mkdir(exist_ok=True)
    (root / "index.html").write_text("<p>hello\n")
    (root / "small.txt").write_text("small\n" * 20)
    (root / "empty.txt").write_text("")
    (root / "big.bin").write_bytes(random.Random(1).randbytes(BIG))
    for file in root.iterdir():
        os.utime(file, (1_700_000_000, 1_700_000_000))  # young files have weak tags
    return root


# --- A client ---------------------------------------------------------------


def request(path, method="GET", body=None, close=False, **headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines + ["", ""]).encode() + (body or b"")


def exactly(reader, n):
    got = reader.read(n)
    want(len(got) == n, f"{len(got)} of {n} bytes came")
    return got


def chunked(reader):
    body = []
    while True:
        n = int(reader.readline().split(b";")[0], 16)
        body.append(exactly(reader, n))
        want(reader.readline() == b"\r\n", "a chunk does not end")
        if n == 0:
            return b"".join(body)


def answer(reader, method="GET"):
    """One answer. Headers that tell the time are left out."""
    line = reader.readline()
    want(line.startswith(b"HTTP/1.1 "), "no answer but", repr(line))
    headers = {}
    while (raw := reader.readline()) != b"\r\n":
        want(raw.endswith(b"\r\n"), "headers end early:", repr(raw))
        name, value = raw.decode("latin-1").split(":", 1)
        headers[name.lower()] = value.strip()
    if method == "HEAD" or line.split()[1] in (b"204", b"304"):
        body = b""
    elif headers.get("transfer-encoding") == "chunked":
        body = chunked(reader)
    elif "content-length" in headers:
        body = exactly(reader, int(headers["content-length"]))
    else:
        body = reader.read()
    headers.pop("date", None)
    return Answer(line.split()[1].decode(), tuple(sorted(headers.items())), len(body),
                  hashlib.sha256(body).hexdigest(), body[:200].decode("latin-1"))


def header(got, name):
    return dict(got.headers).get(name)


class Connection:
    def __init__(self, way, port, source=HOST):
        self.socket = way.connect(port, source)
        self.reader = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.reader.close()
        self.socket.close()

    def send(self, *requests):
        self.socket.sendall(b"".join(requests))

    def ask(self, path, method="GET", **more):
        self.send(request(path, method, **more))
        return answer(self.reader, method)

    def want_end(self):
        want(self.reader.read() == b"", "more came after the last answer")


def once(way, port, path, method="GET", source=HOST, **more):
    with Connection(way, port, source) as c:
        got = c.ask(path, method, close=True, **more)
        c.want_end()
        return got


# --- What is asked ----------------------------------------------------------


def kept_alive(way, port):
    with Connection(way, port) as c:
        got = [c.ask("/small.txt"), c.ask("/empty.txt"), c.ask("/index.html"),
               c.ask("/small.txt", "HEAD"), c.ask("/none.txt"),
               c.ask("/small.txt", Range="bytes=6-11"),
               c.ask("/small.txt", Range="bytes=999999-")]
        stamp = header(got[0], "last-modified")
        got.append(c.ask("/small.txt", If_Modified_Since=stamp))
        got.append(c.ask("/small.txt", close=True))
        c.want_end()
    want([a.status for a in got] ==
         ["200", "200", "200", "200", "404", "206", "416", "304", "200"],
         "statuses", got)
    want(got[5].text == "small\n", "the range is", got[5].text)
    return got


def pipelined(way, port):
    paths = ["/small.txt", "/index.html", "/none.txt", "/empty.txt"] * 3
    with Connection(way, port) as c:
        c.send(*map(request, paths), request("/small.txt", close=True))
        got = [answer(c.reader) for _ in range(len(paths) + 1)]
        c.want_end()
    return got


def downloaded(way, port):
    got = once(way, port, "/big.bin")
    want(got.length == BIG, "the length of a download is", got.length)
    with Connection(way, port) as c:
        ranges = [c.ask("/big.bin", Range=f"bytes={a}-{a + 999_999}")
                  for a in (0, 7_654_321, BIG - 1_000_000)]
    return [got, *ranges]


def asked_at_once(way, port, path):
    """Fifty connections that are all open before the first is asked."""
    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        all_there = threading.Barrier(PARALLEL)

        def ask(n):
            with Connection(way, port) as c:
                all_there.wait(PATIENCE)
                return c.ask("/big.bin", Range=f"bytes={n}-{n + 99_999}",
                             close=True) if n % 5 == 0 else c.ask(path, close=True)
        return list(pool.map(ask, range(PARALLEL)))


def garbage(way, port):
    """What is no HTTP at all."""
    with Connection(way, port) as c:
        c.send(b"\0\1\2 what is this\r\n\r\n")
        return c.reader.read().split(b"\r\n")[0]


def slow_sender(way, port):
    """A request that comes byte by byte, and half a close after it."""
    with Connection(way, port) as c:
        for byte in request("/small.txt", close=True):
            c.send(bytes([byte]))
        return answer(c.reader)


def body_of_upload():
    return random.Random(2).randbytes(UPLOAD)


def uploaded(way, port, path):
    """To upload.cgi, which says what it got and from whom."""
    body = body_of_upload()
    with Connection(way, port, SOURCE) as c:
        got = [c.ask(path, "POST", body=body), c.ask(path, "POST", body=b"little"),
               c.ask(path)]
    want(got[0].text == f"POST {SOURCE} {hashlib.sha256(body).hexdigest()}  -\n",
         "the upload is another:", got[0])
    want(got[2].text.startswith(f"GET {SOURCE} "), "GET:", got[2])
    # Whether the length is known before the body is a matter of speed.
    return [(a.status, header(a, "content-type"), a.text) for a in got]


def play(way, port, parallel_path="/small.txt"):
    return {"keep-alive": kept_alive(way, port),
            "pipelining": pipelined(way, port),
            "a large file": downloaded(way, port),
            "fifty at once": asked_at_once(way, port, parallel_path),
            "garbage": garbage(way, port),
            "a slow request": slow_sender(way, port)}


def play_with_cgi(server):
    """All of it and uploads, from a client that the log knows."""
    got = play(server.way, server.port)
    posted = uploaded(server.way, server.port, "/upload.cgi")
    want_client_in(server.way, server.port, server.log)
    if server.way.is_tls:
        want_tls(server.world, server.port, server.log)
    return [*got.items(), posted]


def each(world, start, function, cgi=False, way=lambda w: w, **more):
    """function(start(...)) on both ways; the same must come of it."""
    root = documents(world.directory("root") / "docs")
    if cgi:
        shutil.copy(common.HERE / "upload.cgi", root)
    results = []
    for name in WAYS:
        results.append(function(start(world, way(getattr(world, name)), root, **more)))
        world.end()
    want_same(*results, function.__name__)


def compare(tcp, tls):
    for what in tcp:
        want_same(tcp[what], tls[what], what)


# --- TLS, and who it was ----------------------------------------------------


def want_tls(world, port, log):
    """Plain is refused, those who verify are served, the log knows from where."""
    common.want_refused(port, request("/small.txt", close=True), b"small")
    heard = s_client(world, port, request("/small.txt", close=True), "-ign_eof")
    want(heard is not None and b"small\n" in heard, "s_client heard", heard)
    for trusted in (True, False):
        curl(world, port, trusted)
    want_client_in(world.tls, port, log)


def curl(world, port, trusted):
    """Served when the authority is believed, status 60 when it is not."""
    at = common.needs("curl")
    more = ["--cacert", str(world.authority.pem)] if trusted else []
    got = subprocess.run(
        [at, "--silent", "--show-error", "--max-time", str(PATIENCE), "--resolve",
         f"localhost:{port}:{HOST}", *more, f"https://localhost:{port}/small.txt"],
        capture_output=True, check=False, env=common.environment(world.tmp))
    if trusted:
        want(got.returncode == 0 and got.stdout.startswith(b"small\n"),
             "curl:", got.returncode, got.stderr)
    else:
        want(got.returncode == 60, "curl believes:", got.returncode, got.stderr)


def want_client_in(way, port, log):
    """The access log has the client's own address."""
    want(once(way, port, "/index.html?who", source=SOURCE).status == "200", "served")
    until(lambda: any(SOURCE in line and "/index.html?who" in line
                      for line in log.read_text().splitlines()),
          f"{SOURCE} in {log}")


# --- Without end ------------------------------------------------------------


class Load:
    """Clients that ask `path` on a new connection each time, and fail never."""

    def __init__(self, way, port, path, clients=4):
        self.way, self.port, self.path = way, port, path
        self.counts = collections.Counter()
        self.failures = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]

    def run(self):
        while not self.over.is_set():
            try:
                got = once(self.way, self.port, self.path)
                if got.status != "200":
                    raise Failed(f"status {got.status}: {got.text}")
                self.counts[got.text] += 1
            except (OSError, Failed, ValueError) as e:
                self.failures.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, kind, *_):
        self.over.set()
        for t in self.threads:
            t.join()
        if kind is None:
            self.want_none_lost()

    def want_none_lost(self):
        want(not self.failures, f"{len(self.failures)} of",
             sum(self.counts.values()) + len(self.failures),
             "requests were lost:", self.failures[:3])

    def more(self, text=None, n=40):
        """Waits for n more answers, with this text when one is given."""
        def count():
            return sum(self.counts.values()) if text is None else self.counts[text]
        before = count()
        until(lambda: count() >= before + n or self.failures, f"more answers {text}")
        self.want_none_lost()

    def only(self, text):
        """Nothing but `text` is answered: what has the others is gone."""
        def others():
            return sum(self.counts.values()) - self.counts[text]

        def settled():
            seen = others()
            self.more(text)
            return others() == seen
        until(settled, f"nothing but {text}")


class Downloads:
    """Large answers that are under way while something else happens."""

    def __init__(self, way, port, n=3):
        self.connections = [Connection(way, port) for _ in range(n)]
        for c in self.connections:
            c.send(request("/big.bin", close=True))
            c.reader.peek(1)

    def want_whole(self):
        """Each arrives, and is what every other one is."""
        got = set()
        for c in self.connections:
            with c:
                got.add(answer(c.reader))
                c.want_end()
        want(len(got) == 1 and got.pop().length == BIG, "downloads differ:", got)
