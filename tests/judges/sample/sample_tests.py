# SPDX-License-Identifier: ISC
"""sample_tests - tests that end in every way, for the test of the judge."""

import errno
import os
import pathlib
import time
import unittest

TLS = os.environ["JUDGE_WAY"] == "tls"


class Sample(unittest.TestCase):
    def test_a_passes(self):
        self.assertTrue(True)

    def test_b_fails_both_ways(self):
        self.fail("as on TCP")

    def test_c_fails(self):
        self.assertFalse(TLS, "not on TLS")

    def test_d_sleeps(self):
        time.sleep(1000 * TLS)

    def test_e_dies(self):
        if TLS:
            os._exit(3)

    def test_f_is_skipped(self):
        if TLS:
            self.skipTest("not on TLS")

    def test_g_fails_in_a_part(self):
        for part in range(2):
            with self.subTest(part=part):
                self.assertFalse(TLS and part == 0)

    def test_h_passes_on_tls_alone(self):
        self.assertTrue(TLS)

    def test_i_is_left_out(self):
        self.assertFalse(TLS)

    def test_j_is_unsteady_on_tcp(self):
        path = pathlib.Path(os.environ["HOME"], "not the first time")
        if not TLS and not path.exists():
            path.touch()
            self.fail("the first time")

    def test_k_finds_its_port_taken_once(self):
        path = pathlib.Path(os.environ["HOME"], "taken")
        if TLS and not path.exists():
            path.touch()
            raise OSError(errno.EADDRINUSE, "taken")

    def test_l_finds_its_port_taken_on_tls(self):
        if TLS:
            raise OSError(errno.EADDRINUSE, "taken")

    def test_m_passes_behind_them(self):
        self.assertTrue(True)


class Unready(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if TLS:
            raise RuntimeError("not on TLS")

    def test_a(self):
        self.assertTrue(True)
