# SPDX-License-Identifier: ISC
"""common - what every test of an unmodified program needs.

    ctest --> nginx.py, redis.py ... --> common --> sstool run, openssl

A test is a list of scenes, functions with the decorator @scene and one argument,
the World. Most play the same thing on both Ways, TCP and TLS, and compare.

Always true:
  1. The programs are as the distribution ships them, with a configuration that
     knows nothing of TLS; `sstool run` is all that stands between the two ways.
  2. What a scene started is gone when it ends, however it ends: whatever
     daemonizes falls back to this process, which is a subreaper.
  3. Nothing waits for a time: everything is asked again until it is so, and
     fails after PATIENCE seconds.

Exit: 0 all well, 1 not, 77 the program is not here.
"""

import contextlib
import ctypes
import errno
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import traceback

PATIENCE = float(os.environ.get("SST_PATIENCE", "60"))
HERE = pathlib.Path(__file__).resolve().parent
HOST = "127.0.0.1"
PR_SET_CHILD_SUBREAPER = 36


class Failed(Exception):
    """What should be is not."""


class Skipped(Exception):
    """It cannot be tried here."""


class InUse(Exception):
    """Somebody was faster with the port."""


def say(*words):
    print(*words, flush=True)


def want(condition, *words):
    if not condition:
        raise Failed(" ".join(map(str, words)))


def short(value):
    text = repr(value)
    return text if len(text) < 1500 else text[:1500] + "..."


def want_same(tcp, tls, what):
    """The first part that differs is shown."""
    if tcp == tls:
        return
    if isinstance(tcp, dict):
        want_same(list(tcp.items()), list(tls.items()), what)
    if isinstance(tcp, (list, tuple)) and len(tcp) == len(tls):
        for i, (a, b) in enumerate(zip(tcp, tls)):
            part = a[0] if isinstance(a, tuple) and isinstance(a[0], str) else i
            want_same(a, b, f"{what}, {part}")
    raise Failed(f"{what}: {short(tcp)} on TCP, {short(tls)} on TLS")


def until(question, what):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {PATIENCE:g} s")
        time.sleep(0.01)


def needs(*programs):
    """Their paths; the scene or test is skipped where one is missing."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
    found = [shutil.which(p, path=path) for p in programs]
    for program, at in zip(programs, found):
        if at is None:
            raise Skipped(f"{program} is not installed")
    return found if len(found) > 1 else found[0]


# --- Processes --------------------------------------------------------------


def stat_of(pid):
    """Name, state and parent of a process; None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    name, rest = text.split("(", 1)[1].rsplit(")", 1)
    state, parent = rest.split()[:2]
    return name, state, int(parent)


def title_of(pid):
    try:
        raw = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def descendants(root=None):
    """Pids of all that runs below a process, zombies left out."""
    below = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        stat = stat_of(entry.name)
        if stat is not None and stat[1] != "Z":
            below.setdefault(stat[2], []).append(int(entry.name))
    found, todo = [], [root or os.getpid()]
    while todo:
        for pid in below.get(todo.pop(), []):
            found.append(pid)
            todo.append(pid)
    return found


def children(parent, name=""):
    """Pids of a process's own children that run, and whose title has the name."""
    found = []
    for pid in descendants(parent):
        stat = stat_of(pid)
        if stat is not None and stat[2] == parent and name in title_of(pid):
            found.append(pid)
    return found


def is_pair(pid):
    return title_of(pid).startswith("securesocketsd")


def gone(pid):
    stat = stat_of(pid)
    return stat is None or stat[1] == "Z"


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def await_end(pids, what):
    until(lambda: all(map(gone, pids)), f"the end of {what}")


def kill_rest(pids):
    """SIGTERM, and SIGKILL for those that stay. True: there were such."""
    end = time.monotonic() + 10
    signal_all(pids, signal.SIGTERM)
    while not all(map(gone, pids)):
        if time.monotonic() > end:
            signal_all(pids, signal.SIGKILL)
            return True
        time.sleep(0.01)
    return False


def clean_up(known):
    """Ends all that runs below us. A pair must go when it is told to."""
    programs = [p for p in descendants() if not is_pair(p)]
    while programs:
        kill_rest(programs)
        programs = [p for p in descendants() if not is_pair(p)]
    stayed = kill_rest(descendants())
    for child in known:
        child.wait()
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] > 0:
            pass
    want(not stayed, "securesocketsd did not end when it was told to")


# --- Certificates -----------------------------------------------------------

OPENSSL_CONF = """\
[req]
distinguished_name = dn
prompt = no
[dn]
CN = Throw-away
[ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:false
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:::1
"""


class Authority:
    """A throw-away authority, and leaves for this machine's own names."""

    def __init__(self, where):
        self.where = where
        self.pem = where / "ca.pem"
        self.serial = 1000
        where.mkdir()
        (where / "openssl.cnf").write_text(OPENSSL_CONF)
        self.openssl("req", "-x509", *self.key("ca.key"), "-days", 2,
                     "-extensions", "ca", "-out", "ca.pem")

    def openssl(self, *words):
        subprocess.run(
            ["openssl", *map(str, words)], check=True, cwd=self.where,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "OPENSSL_CONF": "openssl.cnf"},
        )

    @staticmethod
    def key(file):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", file]

    def issue(self, path, owner=None):
        """A new leaf with its key takes the place of `path`. Its serial."""
        self.serial += 1
        self.openssl("req", *self.key("leaf.key"), "-subj", "/CN=localhost",
                     "-out", "leaf.csr")
        self.openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem",
                     "-CAkey", "ca.key", "-days", 2, "-set_serial", self.serial,
                     "-extfile", "openssl.cnf", "-extensions", "leaf",
                     "-out", "leaf.crt")
        new = path.with_name(path.name + ".new")
        new.touch(mode=0o600)
        new.write_bytes((self.where / "leaf.crt").read_bytes() +
                        (self.where / "leaf.key").read_bytes())
        if owner is not None:
            os.chown(new, owner.pw_uid, owner.pw_gid)
        new.rename(path)
        return self.serial


# --- World and ways ---------------------------------------------------------


class World:
    """A directory, an authority, the two ways, and what runs."""

    def __init__(self):
        self.tmp = pathlib.Path(tempfile.mkdtemp(prefix="sst-programs."))
        self.tmp.chmod(0o755)
        self.authority = Authority(self.tmp / "ca")
        self.children = []
        self.count = 0
        self.tcp = Way(self, False)
        self.tls = Way(self, True)

    def directory(self, name, user=None):
        """A new, empty directory, of a user's when one is given."""
        self.count += 1
        at = self.tmp / f"{self.count}-{name}"
        at.mkdir()
        if user is not None and os.geteuid() == 0:
            os.chown(at, user.pw_uid, user.pw_gid)
        return at

    def end(self):
        children, self.children = self.children, []
        clean_up(children)

    def remove(self):
        shutil.rmtree(self.tmp, ignore_errors=True)


class Way:
    """How a program is started and reached: on TCP, or by sstool run."""

    def __init__(self, world, tls, more=()):
        self.world = world
        self.is_tls = tls
        self.more = [str(m) for m in more]
        self.name = "TLS" if tls else "TCP"
        self.context = ssl.create_default_context(cafile=world.authority.pem)

    def with_options(self, *more):
        """The same with more options for servers."""
        return Way(self.world, self.is_tls, [*self.more, *more])

    def that_connects(self, *more):
        """The same for servers that are clients as well."""
        return self.with_options("--trust", self.world.authority.pem, *more)

    def server(self, port, cert):
        """What stands before a server's command; a port or `any`."""
        if not self.is_tls:
            return []
        return [os.environ["SSTOOL"], "run", "--tls-port", str(port),
                "--cert", str(cert), *self.more, "--"]

    def client(self, port, *more):
        """What stands before a client's command."""
        if not self.is_tls:
            return []
        return [os.environ["SSTOOL"], "run", "--tls-port", str(port), "--trust",
                str(self.world.authority.pem), *map(str, more), "--"]

    def connect(self, port, source=HOST):
        """A connection of our own: Python's TLS, not the one that is tested."""
        s = socket.create_connection((HOST, port), PATIENCE, (source, 0))
        if not self.is_tls:
            return s
        try:
            return self.context.wrap_socket(
                s, server_hostname="localhost", suppress_ragged_eofs=False)
        except BaseException:
            s.close()
            raise


WAYS = ("tcp", "tls")


def environment(tmp, more=()):
    env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
           "LC_ALL": "C.UTF-8", "HOME": str(tmp)}
    for name, value in os.environ.items():
        if name.startswith("SECURESOCKETS_"):
            env[name] = value
    env.update(more)
    return env


def ordinary():
    """A user without rights: `nobody` for root, else who we are."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for above in pathlib.Path(os.environ["SSTOOL"]).resolve().parents:
        if not above.stat().st_mode & stat.S_IXOTH:
            raise Skipped(f"others do not reach {above}")
    return pwd.getpwnam("nobody")


class Program:
    """A program that was started, its output in a file."""

    def __init__(self, world, argv, where, user=None, env=(), **more):
        world.count += 1
        self.argv = [str(a) for a in argv]
        self.output = world.tmp / f"{world.count}-output"
        if user is not None and os.geteuid() == 0:
            more.update(user=user.pw_uid, group=user.pw_gid, extra_groups=[])
        with open(self.output, "wb") as out:
            self.child = subprocess.Popen(
                self.argv, cwd=where, env=environment(where, env),
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                start_new_session=True, **more)
        self.pid = self.child.pid
        world.children.append(self.child)

    def text(self):
        return self.output.read_text(errors="replace")

    def complain(self, what, logs=()):
        text = self.text() + "".join(
            p.read_text(errors="replace") for p in logs if p.exists())
        if "in use" in text:
            raise InUse
        raise Failed(f"{what}: {' '.join(self.argv)}\n{text[-3000:]}")

    def wait(self):
        """Its exit status."""
        try:
            return self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.complain("it does not end")


def free_port():
    """One that no client gets by chance: below those that the kernel gives out."""
    text = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
    first = int(text.split()[0])
    while True:
        with socket.socket() as s:
            try:
                s.bind((HOST, random.randrange(first // 2, first)
                        if first > 4096 else 0))
                return s.getsockname()[1]
            except OSError as e:
                if e.errno != errno.EADDRINUSE:
                    raise


def await_service(way, port, program, logs=()):
    """Until a client is served; a program that daemonizes ends with 0."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            way.connect(port).close()
            return
        except OSError as e:
            if program.child.poll() not in (None, 0):
                program.complain(f"it ended, status {program.child.returncode}", logs)
            if time.monotonic() > end:
                program.complain(f"nobody serves ({e})", logs)
        time.sleep(0.01)


def with_port(start):
    """start(port), again with another when somebody else took that one."""
    for _ in range(10):
        try:
            return start(free_port())
        except InUse:
            continue
    raise Failed("no port stays free")


# --- What it takes to believe that TLS is on --------------------------------


def plain_answer(port, request):
    """What a client that speaks no TLS hears."""
    heard = b""
    with socket.create_connection((HOST, port), PATIENCE) as s:
        with contextlib.suppress(ConnectionError):
            s.sendall(request)
            while len(heard) < 4096:
                got = s.recv(4096)
                if not got:
                    break
                heard += got
    return heard


def want_refused(port, request, never):
    """A plain client gets an alert, or the end; `never` is what it must not see."""
    heard = plain_answer(port, request)
    want(never not in heard, "a plain client was served:", short(heard))
    want(heard[:1] in (b"", b"\x15"), "a plain client heard", short(heard))


def want_refused_connect(port):
    """Nobody listens any more."""
    def refused():
        with socket.socket() as s:
            return s.connect_ex((HOST, port)) == errno.ECONNREFUSED
    until(refused, f"nobody on port {port}")


def s_client(world, port, request, *more):
    """What openssl's client, which verifies, hears. None: it refused."""
    got = subprocess.run(
        ["openssl", "s_client", "-connect", f"{HOST}:{port}", "-servername",
         "localhost", "-verify_hostname", "localhost", "-verify_return_error",
         "-CAfile", str(world.authority.pem), "-quiet", *more],
        input=request, capture_output=True, timeout=PATIENCE, check=False,
        env=environment(world.tmp))
    return got.stdout if got.returncode == 0 else None


def serial(way, port):
    """Of the certificate that is shown."""
    with way.connect(port) as s:
        return int(s.getpeercert()["serialNumber"], 16)


def await_serial(way, port, number):
    until(lambda: serial(way, port) == number, "the renewed certificate")


# --- Running ----------------------------------------------------------------

SCENES = []


def scene(function):
    SCENES.append(function)
    return function


def play(world, function):
    """True: as it should be, or skipped."""
    name = function.__name__
    say(f"[ RUN      ] {name}")
    began = time.monotonic()
    try:
        try:
            function(world)
        finally:
            world.end()
    except Skipped as e:
        say(f"{e}")
        say(f"[  SKIPPED ] {name}")
    except Exception as e:  # the next scene is played all the same
        say("".join(traceback.format_exception(e)) if not isinstance(e, Failed)
            else f"{e}\n" + "".join(traceback.format_tb(e.__traceback__)[-3:]))
        say(f"[  FAILED  ] {name}")
        return False
    else:
        say(f"[       OK ] {name} ({time.monotonic() - began:.1f} s)")
    return True


def interrupted(number, _frame):
    sys.exit(128 + number)


def main(*programs):
    """Plays the scenes; $SST_TEST is a word of the names of those to play."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        needs("openssl", *programs)
        with socket.socket() as s:
            s.bind((HOST, 0))
    except Skipped as e:
        say(f"skipped: {e}")
        return 77
    except OSError as e:
        say(f"skipped: {HOST} is not here: {e}")
        return 77
    world = World()
    try:
        word = os.environ.get("SST_TEST", "").strip("*")
        results = [play(world, f) for f in SCENES if word in f.__name__]
        say(f"{sum(results)} of {len(results)} scenes are well")
        return 0 if all(results) and results else 1
    finally:
        try:
            world.end()
        finally:
            if "SST_KEEP" not in os.environ:
                world.remove()
