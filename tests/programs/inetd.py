#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""inetd - OpenBSD's; what it executes has a connection as input and output."""

import os
import pathlib
import pwd
import sys

import common
import echo
from common import HOST, Skipped, needs, ordinary, scene, until, want


def inetd(path, user=None):
    def command(port, where):
        name = user.pw_name if user else pwd.getpwuid(os.geteuid()).pw_name
        (where / "inetd.conf").write_text(
            f"{HOST}:{port} stream tcp nowait {name} {path} {path.name}\n")
        return [needs("inetd"), "-i", "-R", "100000", where / "inetd.conf"]
    return command


CAT = pathlib.Path("/bin/cat")


@scene
def cat_of_inetd_answers_as_on_tcp(world):
    echo.each(world, inetd(CAT))


@scene
def cat_of_inetd_as_another_user_answers_as_on_tcp(world):
    if os.geteuid() != 0:
        raise Skipped("it takes root to become another user")
    echo.each(world, inetd(CAT, ordinary()))


@scene
def a_program_of_inetd_without_the_library_answers_as_on_tcp(world):
    """It is statically linked: its connection is a file that it reads and writes."""
    path = os.environ.get("ECHO_STATIC")
    if path is None:
        raise Skipped("libc.a is not installed")
    copy = world.directory("bin") / "echo_static"
    copy.write_bytes(pathlib.Path(path).read_bytes())
    copy.chmod(0o755)
    echo.each(world, inetd(copy))


@scene
def programs_of_inetd_are_gone_with_their_clients(world):
    port, program = echo.start(world, world.tls, inetd(CAT))
    def cats():
        return common.children(program.pid, "cat")
    with echo.call(world.tls, port) as d:
        d.talk(b"hello", finish=False, enough=5)
        until(lambda: len(cats()) == 1, "one cat")
    until(lambda: not cats(), "the end of cat")
    want(not common.gone(program.pid), "inetd is gone")


if __name__ == "__main__":
    sys.exit(common.main("inetd"))
