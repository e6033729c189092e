#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""anyname - a name server for which every name is this machine.

    pebble.py, tools/try --> anyname <-- pebble -dnsserver

As a program it prints "port N", a port of the kernel's choice on 127.0.0.1.
"""

import socket
import struct

HOST = "127.0.0.1"
TYPE_A = 1


def answer(query):
    """127.0.0.1 to whoever asks for an address; else there is nothing."""
    end = 12
    while query[end] != 0:
        end += query[end] + 1
    end += 5
    kind = struct.unpack("!H", query[end - 4:end - 2])[0]
    answers = int(kind == TYPE_A)
    head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, answers, 0, 0)
    # a pointer to the name of the question, A, IN, one minute, four bytes
    record = struct.pack("!HHHIH4s", 0xc00c, TYPE_A, 1, 60, 4,
                         socket.inet_aton(HOST))
    return head + query[12:end] + record * answers


def bound():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((HOST, 0))
    return s


def serve(s):
    while True:
        query, peer = s.recvfrom(4096)
        s.sendto(answer(query), peer)


if __name__ == "__main__":
    with bound() as here:
        print("port", here.getsockname()[1], flush=True)
        serve(here)
