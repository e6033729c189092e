# SPDX-License-Identifier: ISC
"""vectors - where the published objects are, and what sstool verify says of them.

    pkits.py, published.py --> vectors --> sstool verify

Always true:
  1. Nothing is fetched and nothing is kept: only what is given counts.
  2. The exit code, the result in the JSON and each other agree, or it is wrong.

Exit: 0 all well, 1 not, 77 the objects are not here.
"""

import concurrent.futures
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

SSTOOL = os.environ["SSTOOL"]
EXIT = {"accept": 0, "reject": 1, "error": 2}


class Wrong(Exception):
    """What should be is not."""


def folder():
    """The x509 folder of the package, or the end with 77."""
    found = importlib.util.find_spec("cryptography_vectors")
    if found is None:
        print("python3-cryptography-vectors is not installed")
        sys.exit(77)
    return pathlib.Path(found.submodule_search_locations[0]) / "x509"


def verify(*arguments):
    """The answer of sstool verify, as its JSON says."""
    command = [SSTOOL, "verify", "--json", "--no-fetch", "--no-cache", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120)
    where = " ".join(command[2:])
    if done.stderr:
        raise Wrong(f"{where}: trouble beside the answer: {done.stderr[:300]}")
    if done.stdout.count(b"\n") != 1:
        raise Wrong(f"{where}: exit {done.returncode}, {done.stdout[:300]}")
    answer = json.loads(done.stdout)
    if answer["schema"] != 1 or EXIT[answer["result"]] != done.returncode:
        raise Wrong(f"{where}: exit {done.returncode}, {answer['result']}")
    if not answer["reason"]:
        raise Wrong(f"{where}: no reason")
    return answer


def each(function, things):
    """function(thing) of all things, a few at once; the texts of what is wrong."""
    def one(thing):
        try:
            return function(thing)
        except Wrong as wrong:
            return str(wrong)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return [text for text in pool.map(one, things) if text]


def finish(wrong, count):
    """Says what is wrong, and ends the program."""
    for text in wrong:
        print("WRONG:", text)
    print(f"{count} tried, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)
