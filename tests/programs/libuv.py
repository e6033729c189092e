#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""libuv - an echo server of streams, as its authors show them."""

import os
import sys

import common
import echo
from common import scene

ECHO = os.environ.get("ECHO_LIBUV")


@scene
def streams_of_libuv_answer_as_on_tcp(world):
    echo.each(world, lambda port, _where: [ECHO, port])


@scene
def streams_of_libuv_without_io_uring_answer_as_on_tcp(world):
    """Asked for it where it is not the default: the filter refuses it."""
    echo.each(world, lambda port, _where: [ECHO, port], env={"UV_USE_IO_URING": "1"})


if __name__ == "__main__":
    if ECHO is None:
        common.say("skipped: libuv's headers are not installed")
        sys.exit(77)
    sys.exit(common.main())
