# SPDX-License-Identifier: ISC
"""prefork_server - an echo server of children that share a listener, for prefork.py.

    prefork_server.py PORT CHILDREN

A child serves one connection at a time, and says whose it was and who it is.
"""

import os
import signal
import socket
import sys


def serve(listener):
    while True:
        client, peer = listener.accept()
        os.write(1, f"{os.getpid()} {peer[0]}\n".encode())
        with client:
            try:
                while data := client.recv(65536):
                    client.sendall(data)
            except OSError as e:
                os.write(1, f"{e}\n".encode())


def main(port, children):
    listener = socket.create_server(("127.0.0.1", port), backlog=128)
    alive = set()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while True:
            while len(alive) < children:
                pid = os.fork()
                if pid == 0:
                    signal.signal(signal.SIGTERM, signal.SIG_DFL)
                    serve(listener)
                alive.add(pid)
            alive.discard(os.wait()[0])
    finally:
        for pid in alive:
            os.kill(pid, signal.SIGTERM)


main(int(sys.argv[1]), int(sys.argv[2]))
