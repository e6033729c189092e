#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""prefork - children that accept from the listener of their parent."""

import signal
import sys

import common
import echo
from common import HERE, await_end, scene, signal_all, until, want

CHILDREN = 4


def command(port, _where):
    return ["/usr/bin/python3", HERE / "prefork_server.py", port, CHILDREN]


def children(program):
    return until(lambda: len(found := common.children(program.pid, "prefork")) ==
                 CHILDREN and found, "the children")


@scene
def children_that_share_a_listener_answer_as_on_tcp(world):
    # A child has one connection at a time: more than children at once must wait.
    echo.each(world, command)


@scene
def each_child_accepts(world):
    """With a connection in every other child, the last one serves."""
    def held(way):
        port, program = echo.start(world, way, command)
        pids = children(program)
        calls = [echo.call(way, port) for _ in range(CHILDREN)]
        got = [d.talk(b"hello", finish=False, enough=5) for d in calls]
        served = {line.split()[0] for line in program.text().splitlines()[-CHILDREN:]}
        for d in calls:
            d.socket.close()
        want(served == set(map(str, pids)), "served by", served, "of", pids)
        return got
    for way in (world.tcp, world.tls):
        want(held(way) == [b"hello"] * CHILDREN, "not all were served")
        world.end()


@scene
def a_child_that_is_killed_is_replaced(world):
    for way in (world.tcp, world.tls):
        port, program = echo.start(world, way, command)
        for _ in range(3):
            old = children(program)
            signal_all(old[1:], signal.SIGKILL)  # all but one
            await_end(old[1:], "the children")
            want(echo.said_back(way, port, b"hello\n") == 6, "served")
            want(len(set(children(program)) - set(old)) == CHILDREN - 1, "new ones")
        echo.at_once(way, port)
        world.end()


@scene
def the_last_child_takes_the_listener_with_it(world):
    port, program = echo.start(world, world.tls, command)
    pids = children(program)
    signal_all([program.pid], signal.SIGTERM)
    await_end([program.pid, *pids], "the server")
    common.want_refused_connect(port)


if __name__ == "__main__":
    sys.exit(common.main())
