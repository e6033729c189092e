# SPDX-License-Identifier: ISC
"""worker - runs the tests of one module and reports each as it goes.

    judge --starts--> worker JOB

JOB is JSON: module, fd, skip, limit, resources, tests, without, only. One JSON line
goes to `fd` when a test starts and one when it is over, so that whoever reads
knows which test a worker died or slept in. The first `skip` tests are left out:
what a worker before this one got to.

Always true:
  1. The order of the tests of a module is the same in every run.
  2. A test of CPython that needs more than this machine is skipped.
"""

import faulthandler
import fnmatch
import json
import os
import sys
import unittest


def flat(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from flat(one)
        else:
            yield one


class Report(unittest.TestResult):
    """What happened to each test; the worst of its parts counts."""

    RANK = ("pass", "skip", "xfail", "xpass", "fail")

    def __init__(self, fd, limit):
        super().__init__()
        self.fd = fd
        self.limit = limit
        self.result = "pass"
        self.why = ""

    def say(self, **what):
        os.write(self.fd, (json.dumps(what) + "\n").encode())

    def note(self, result, why=""):
        if self.RANK.index(result) > self.RANK.index(self.result):
            self.result = result
            self.why = why

    def startTest(self, test):
        super().startTest(test)
        self.result = "pass"
        self.why = ""
        faulthandler.dump_traceback_later(self.limit * 0.9)
        self.say(start=test.id())

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        self.say(test=test.id(), result=self.result, why=self.why)
        super().stopTest(test)

    def failed(self, test, err):
        text = self._exc_info_to_string(err, test)
        print(f"--- {test.id()}\n{text}", file=sys.stderr, flush=True)
        self.note("fail", text.strip().splitlines()[-1])
        # A fixture of a class or a module fails outside any test.
        if not isinstance(test, unittest.TestCase):
            self.say(test=test.id(), result="fail", why=self.why)

    def addError(self, test, err):
        super().addError(test, err)
        self.failed(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.failed(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.failed(test, err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.note("skip", reason)
        if not isinstance(test, unittest.TestCase):
            self.say(test=test.id(), result="skip", why=reason)

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.note("xfail")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.note("xpass")


def chosen(job):
    """The tests of the module that this run is about."""
    suite = unittest.defaultTestLoader.loadTestsFromName(job["module"])
    for test in flat(suite):
        if job["only"] and test.id() not in job["only"]:
            continue
        if any(fnmatch.fnmatchcase(test.id(), p) for p in job["tests"]) and not any(
            fnmatch.fnmatchcase(test.id(), p) for p in job["without"]
        ):
            yield test


def main():
    job = json.loads(sys.argv[1])
    os.set_inheritable(job["fd"], False)
    faulthandler.enable()
    if job["module"].startswith("test."):
        from test import support

        # None would mean every resource, the network among them.
        support.use_resources = job["resources"]
    sys.path.insert(0, os.environ["JUDGE_PATH"])
    report = Report(job["fd"], job["limit"])
    try:
        tests = list(chosen(job))
    except Exception:
        report.say(test=job["module"], result="fail", why=repr(sys.exc_info()[1]))
        tests = []
    unittest.TestSuite(tests[job["skip"] :]).run(report)
    report.say(end=True)
    # Threads that a failed test left behind must not hold the process.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


main()
