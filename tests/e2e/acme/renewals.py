#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""renewals - certbot, lego, uacme and dehydrated renew while clients connect.

    renewals.py CLIENT...       with pebble as the authority

Each gets its first certificate, then a server starts with what the client keeps on
disk, and from then on handshakes never stop while the client renews: none may fail,
and each shows the certificate before or the one after, never the older one again.

$ACME_RENEWALS says how many renewals there are of each. Where $CI is set, nothing is
skipped: what is not installed has failed.
"""

import os
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

from pebble import Pebble, sanitizer_options

import common
from common import HOST, Failed, Program, needs, say, scene, until, want

NAME = "www.acme.test"
CLIENTS = 2
HERE = pathlib.Path(__file__).resolve().parent


def run(argv, where, **env):
    """Runs it; what it said is shown when it failed."""
    done = subprocess.run(
        [str(a) for a in argv], cwd=where, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        timeout=5 * common.PATIENCE, env=common.environment(where, env))
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: status {done.returncode}\n"
                     f"{done.stdout.decode(errors='replace')[-3000:]}")


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


class Acme:
    """A client of an authority, and the folder where it keeps its files."""

    def __init__(self, world, pebble, port):
        self.pebble = pebble
        self.port = port
        self.where = world.directory(type(self).__name__.lower())


class Certbot(Acme):
    """http-01 by a web root; Debian 12's has no tls-alpn-01."""

    def call(self, *words):
        run([needs("certbot"), *words, "--config-dir", self.where / "etc",
             "--work-dir", self.where / "work", "--logs-dir", self.where / "log",
             "--non-interactive"], self.where,
            REQUESTS_CA_BUNDLE=str(self.pebble.trust))

    def first(self):
        self.call("certonly", "--server", self.pebble.url, "--agree-tos",
                  "--register-unsafely-without-email", "--webroot", "-w",
                  self.pebble.web, "-d", NAME)

    def renew(self):
        self.call("renew", "--force-renewal", "--no-random-sleep-on-renew")

    def served(self):
        return ["-c", self.where / "etc" / "live"]

    def chain(self):
        return self.where / "etc" / "live" / NAME / "fullchain.pem"


class Lego(Acme):
    """Overwrites its files in place, chain first."""

    def call(self, *words):
        run([needs("lego"), "--path", self.where, "--server", self.pebble.url,
             "--email", "nobody@acme.test", "--accept-tos", "--domains", NAME,
             "--key-type", "ec256", "--http", "--http.webroot", self.pebble.web,
             *words], self.where, LEGO_CA_CERTIFICATES=str(self.pebble.trust))

    def first(self):
        self.call("run")

    def renew(self):
        self.call("renew", "--days", "99999", "--no-random-sleep")

    def served(self):
        return ["-c", self.where / "certificates"]

    def chain(self):
        return self.where / "certificates" / f"{NAME}.crt"


UACME_HOOK = """\
#!/bin/sh
# begin|done|failed METHOD NAME TOKEN AUTHORIZATION
[ "$2" = http-01 ] || exit 1
case $1 in
begin)	printf %s "$5" >"{challenges}/$4" ;;
*)	rm -f "{challenges}/$4" ;;
esac
"""


class Uacme(Acme):
    """The key stays, in a tree of its own."""

    def call(self, *words):
        run([needs("uacme"), "-c", self.where, "-a", self.pebble.url, "-y", "-t", "EC",
             *words], self.where, CURL_CA_BUNDLE=str(self.pebble.trust),
            LD_PRELOAD=os.environ["CURL_TRUST"])

    def first(self):
        self.hook = script(self.where / "hook", UACME_HOOK.format(
            challenges=self.pebble.challenges))
        self.call("new")
        self.renew()

    def renew(self):
        # It keeps the chain before under the second of the clock, once a second.
        until(lambda: not (self.where / NAME / f"cert-{int(time.time())}.pem").exists(),
              "a second without a chain put by")
        self.call("-h", self.hook, "-f", "issue", NAME)

    def served(self):
        return ["-c", self.chain(), "-k", self.where / "private" / NAME / "key.pem"]

    def chain(self):
        return self.where / NAME / "cert.pem"


UACME_TLS_HOOK = """\
#!/bin/sh
[ "$2" = tls-alpn-01 ] || exit 1
case $1 in
begin)	"{sstool}" acme-challenge --store "{store}" --wait {host}:{port} "$3" "$5" ;;
*)	"{sstool}" acme-challenge --store "{store}" --remove "$3" ;;
esac
"""


class UacmeTls(Uacme):
    """tls-alpn-01: the server itself answers for its name, by sstool."""

    def first(self):
        super().first()
        store = self.where / "challenges"
        store.mkdir()
        self.hook = script(self.where / "tls-hook", UACME_TLS_HOOK.format(
            sstool=os.environ["SSTOOL"], store=store, host=HOST, port=self.port))

    def served(self):
        return [*super().served(), "-c", self.where / "challenges"]


DEHYDRATED_CONFIG = """\
CA="{url}"
BASEDIR="{where}"
WELLKNOWN="{challenges}"
CHALLENGETYPE="http-01"
ALPNCERTDIR="{where}/alpn-certs"
HOOK="{where}/hook"
KEY_ALGO=prime256v1
CURL_OPTS="--cacert {trust}"
"""


# The authority looks as soon as the hook has ended.
DEHYDRATED_HOOK = """\
#!/bin/sh
[ "$1" = deploy_challenge ] && [ "$(ls "{where}/alpn-certs")" ] || exit 0
for i in $(seq 200); do
	openssl s_client -connect {host}:{port} -servername "$2" -alpn acme-tls/1 \
	    </dev/null 2>/dev/null | grep -q '^ALPN protocol: acme-tls/1' && exit 0
	sleep 0.05
done
exit 1
"""


class Dehydrated(Acme):
    """Files with the time in their names, and links that are made anew."""

    def call(self, *words):
        run([needs("dehydrated"), "--config", self.where / "config", *words],
            self.where)

    def first(self):
        (self.where / "config").write_text(DEHYDRATED_CONFIG.format(
            url=self.pebble.url, where=self.where, trust=self.pebble.trust,
            challenges=self.pebble.challenges))
        (self.where / "domains.txt").write_text(NAME + "\n")
        (self.where / "alpn-certs").mkdir()
        script(self.where / "hook", DEHYDRATED_HOOK.format(
            where=self.where, host=HOST, port=self.port))
        self.call("--register", "--accept-terms")
        self.call("--cron")

    def renew(self):
        self.call("--cron", "--force")

    def served(self):
        return ["-c", self.where / "certs"]

    def chain(self):
        return self.where / "certs" / NAME / "fullchain.pem"


class DehydratedTls(Dehydrated):
    """tls-alpn-01: the server answers with what lies in alpn-certs/."""

    def renew(self):
        self.call("--cron", "--force", "--challenge", "tls-alpn-01")

    def served(self):
        return [*super().served(), "-c", self.where / "alpn-certs"]


# --- Who connects all the time ------------------------------------------------


class Clients:
    """Threads that shake hands, and what they were shown, in order."""

    def __init__(self, root, port):
        self.context = ssl.create_default_context(cafile=root)
        self.port = port
        self.over = False
        self.count = 0
        self.errors = []
        self.shown = [[] for _ in range(CLIENTS)]
        self.threads = [threading.Thread(target=self.work, args=(s,), daemon=True)
                        for s in self.shown]

    def shake(self):
        """The certificate of one connection, which must be whole."""
        with socket.create_connection((HOST, self.port), common.PATIENCE) as tcp, \
                self.context.wrap_socket(tcp, server_hostname=NAME) as tls:
            if tls.recv(1) != b"k":
                raise OSError("the server's byte did not come")
            return tls.getpeercert(binary_form=True)

    def work(self, shown):
        while not self.over:
            try:
                leaf = self.shake()
            except OSError as e:
                self.errors.append(repr(e))
                return
            if not shown or shown[-1] != leaf:
                shown.append(leaf)
            self.count += 1

    def begin(self):
        until(self.is_served, "the first certificate")
        for t in self.threads:
            t.start()

    def is_served(self):
        try:
            return bool(self.shake())
        except ConnectionRefusedError:
            return False

    def show(self, leaf):
        """Whether all of them were shown this one by now."""
        want(not self.errors, "a handshake failed:", *self.errors)
        return all(s and s[-1] == leaf for s in self.shown)

    def end(self):
        self.over = True
        for t in self.threads:
            t.join()
        want(not self.errors, "a handshake failed:", *self.errors)


def leaf_of(path):
    """The first certificate of a file, DER."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    text = path.read_text()
    text = text[text.index(begin):text.index(end) + len(end)]
    return ssl.PEM_cert_to_DER_cert(text)


def renew_all(world, kind):
    """First certificate, server, clients; then the renewals under their eyes."""
    port = common.free_port()
    pebble = Pebble(world, port)
    acme = kind(world, pebble, port)
    acme.first()
    server = Program(world, [os.environ["ACME_SERVER"], port, *acme.served()],
                     world.tmp, env=sanitizer_options())
    clients = Clients(pebble.root, port)
    leaves, late = [leaf_of(acme.chain())], []
    try:
        clients.begin()
        for _ in range(int(os.environ.get("ACME_RENEWALS", "2"))):
            acme.renew()
            leaves.append(leaf_of(acme.chain()))
            want(leaves[-1] != leaves[-2], "nothing was renewed")
            began = time.monotonic()
            until(lambda: clients.show(leaves[-1]), "the renewed certificate")
            late.append(1000 * (time.monotonic() - began))
            want(server.child.poll() is None, "the server ended:", server.text())
    finally:
        clients.over = True
        pebble.end()
    clients.end()
    for shown in clients.shown:
        want(shown == leaves, "certificates were shown in another order")
    say(f"{len(late)} renewals, {clients.count} handshakes; the last of {CLIENTS} "
        f"clients saw one at most {max(late):.0f} ms after its end")


def renewed(world, kind):
    """The port was free a moment ago."""
    for _ in range(5):
        try:
            return renew_all(world, kind)
        except common.InUse:
            world.end()
    raise Failed("no port stays free")


@scene
def certbot_renews_while_clients_connect(world):
    renewed(world, Certbot)


@scene
def lego_renews_while_clients_connect(world):
    renewed(world, Lego)


@scene
def uacme_renews_while_clients_connect(world):
    renewed(world, Uacme)


@scene
def dehydrated_renews_while_clients_connect(world):
    renewed(world, Dehydrated)


@scene
def uacme_renews_by_tls_alpn_while_clients_connect(world):
    renewed(world, UacmeTls)


@scene
def dehydrated_renews_by_tls_alpn_while_clients_connect(world):
    renewed(world, DehydratedTls)


def main():
    wanted = sys.argv[1:]
    common.SCENES[:] = [s for s in common.SCENES if s.__name__.split("_")[0] in wanted]
    status = common.main("pebble", *wanted)
    if status == 77 and os.environ.get("CI"):
        say("and CI is set: a skip is a failure")
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
