# SPDX-License-Identifier: ISC
"""published - every published object in every place where sstool verify takes one.

None of them belongs to the certificate in question, so none may change what is
said of it: what is good stays good, what is revoked stays revoked. A file that is
not of the kind the option wants is an error, and what somebody sent and does not
parse is refused; all else is a crash or a lie.
"""

import vectors

AT = ["--at", "1300000000", "--max-age", "600000000", "--policy", "hard",
      "--purpose", "any", "--security-level", "0"]


def question(suite, leaf):
    """A certificate below Good CA, with all that it needs."""
    certs, lists = suite / "certs", suite / "crls"
    return [*AT, "--trust", certs / "TrustAnchorRootCertificate.crt",
            "--untrusted", certs / "GoodCACert.crt",
            "--crl", lists / "TrustAnchorRootCRL.crl", "--crl", lists / "GoodCACRL.crl"], \
        certs / leaf


def play(thing, good, revoked, suite):
    """What is wrong with one object in all places."""
    as_list = [] if thing.suffix == ".crt" else [("--crl", {"accept", "error"}),
                                                ("--ocsp", {"accept", "error"}),
                                                ("--staple", {"accept", "error"})]
    as_cert = [] if thing.suffix == ".crl" else [("--untrusted", {"accept", "reject", "error"}),
                                                ("--trust", {"accept", "error"})]
    for option, fine in as_list + as_cert:
        for (arguments, leaf), may in ((good, fine), (revoked, fine - {"accept"} | {"reject"})):
            answer = vectors.verify(*arguments, option, thing, leaf)
            if answer["result"] not in may:
                return f"{option} {thing}: {answer['result']}: {answer['reason']}"
            verdict = answer["chain"][0]["verdict"] if answer["chain"] else "unknown"
            if answer["result"] == "reject" and verdict not in ("revoked", "unknown"):
                return f"{option} {thing}: {verdict}"
    if suite in thing.parents:
        return None
    answer = vectors.verify(*good[0], thing)
    if answer["result"] == "accept":
        return f"{thing}: accepted: {answer['reason']}"
    return None


def main():
    folder = vectors.folder()
    suite = folder / "PKITS_data"
    good = question(suite, "ValidCertificatePathTest1EE.crt")
    revoked = question(suite, "InvalidRevokedEETest3EE.crt")
    wrong = []
    for (arguments, leaf), result in ((good, "accept"), (revoked, "reject")):
        answer = vectors.verify(*arguments, leaf)
        if answer["result"] != result:
            wrong.append(f"{leaf.name} alone: {answer['result']}: {answer['reason']}")
    things = sorted(path for path in folder.rglob("*") if path.is_file() and
                    (suite not in path.parents or path.suffix == ".crl"))
    wrong += vectors.each(lambda thing: play(thing, good, revoked, suite), things)
    vectors.finish(wrong, len(things))


main()
