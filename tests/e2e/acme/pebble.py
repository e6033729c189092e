# SPDX-License-Identifier: ISC
"""pebble - a certificate authority that speaks ACME, and the network it looks at.

    renewals.py --> pebble --> DNS (every name is 127.0.0.1), a web root, the server

Always true:
  1. Every name that pebble looks up is this machine, and nothing else is asked.
  2. No answer is reused: each certificate is validated (PEBBLE_AUTHZREUSE=0).
  3. Ports are the kernel's choice, or tried again when somebody was faster.
"""

import functools
import http.server
import json
import os
import pathlib
import ssl
import sys
import threading
import urllib.request

import anyname

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "programs"))

# pylint: disable=wrong-import-position
from common import HOST, Program, free_port, needs, until  # noqa: E402


class Quiet(http.server.SimpleHTTPRequestHandler):
    """The web root, without a line for every request."""

    def log_message(self, *_words):  # pylint: disable=arguments-differ
        pass


class Pebble:
    """The running authority. `tls_port` is where it expects the server."""

    def __init__(self, world, tls_port):
        self.where = world.directory("pebble")
        self.web = self.where / "web"
        self.challenges = self.web / ".well-known" / "acme-challenge"
        self.challenges.mkdir(parents=True)
        self.trust = world.authority.pem
        self.dns = anyname.bound()
        threading.Thread(target=anyname.serve, args=(self.dns,), daemon=True).start()
        self.http = http.server.ThreadingHTTPServer(
            (HOST, 0), functools.partial(Quiet, directory=str(self.web)))
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.port, self.management = free_port(), free_port()
        self.url = f"https://{HOST}:{self.port}/dir"
        self.program = self.start(world, tls_port)
        self.root = self.where / "root.pem"
        self.root.write_bytes(until(self.ask_root, "pebble"))

    def start(self, world, tls_port):
        pem = str(self.where / "pebble.pem")
        world.authority.issue(pathlib.Path(pem))
        (self.where / "config.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"{HOST}:{self.port}",
            "managementListenAddress": f"{HOST}:{self.management}",
            "certificate": pem, "privateKey": pem,
            "httpPort": self.http.server_address[1], "tlsPort": tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
        return Program(
            world, [needs("pebble"), "-config", self.where / "config.json",
                    "-dnsserver", f"{HOST}:{self.dns.getsockname()[1]}"],
            self.where, env={"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0",
                             "PEBBLE_WFE_NONCEREJECT": "0"})

    def ask_root(self):
        """The anchor of what it issues, which is another one at every start."""
        if self.program.child.poll() is not None:
            self.program.complain("pebble ended")
        context = ssl.create_default_context(cafile=self.trust)
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=context))
        try:
            with opener.open(f"https://{HOST}:{self.management}/roots/0") as reply:
                return reply.read()
        except OSError:
            return None

    def end(self):
        self.http.shutdown()
        self.http.server_close()


def sanitizer_options():
    """What a sanitizer in the server has to know."""
    return {name: value for name, value in os.environ.items()
            if name.endswith("SAN_OPTIONS")}
