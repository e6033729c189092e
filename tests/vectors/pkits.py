# SPDX-License-Identifier: ISC
"""pkits - NIST's path validation test suite, against pkits.tsv.

Each test of the suite is a signed message that carries the certificates and lists
of the test; its signer is the certificate in question. The suite's anchor is the
only one, and its default settings hold: any policy will do.

Wrong is: an answer that the table does not have, a test that the table does not
list, a row without a test, and a row that differs from the suite without a reason
or has a reason and does not differ.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

import vectors

TABLE = pathlib.Path(__file__).resolve().parent / "pkits.tsv"
# Inside the life of all its lists but those that are to be stale.
AT = 1300000000
# The lists of the suite live for twenty years.
MAX_AGE = 20 * 366 * 86400
PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\n.*?-----END \1-----\n", re.S)


def table():
    """name -> (what the suite says, what is said here, of the first, why)"""
    rows = {}
    for line in TABLE.read_text(encoding="ascii").splitlines():
        if line.startswith("#"):
            continue
        name, suite, here, leaf, *why = line.split("\t")
        if name in rows or (suite != here) != (why != []):
            print(f"WRONG: the row of {name} in {TABLE.name}")
            sys.exit(1)
        rows[name] = (suite, here, leaf)
    return rows


def openssl(*arguments, stdin=b""):
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise vectors.Wrong(f"openssl {arguments}: {done.stderr[-300:]}")
    return done.stdout


def unpack(message, scratch):
    """The certificate in question, the other certificates, the lists; as files."""
    signer = scratch / "signer.pem"
    openssl("cms", "-verify", "-noverify", "-nosigs", "-in", message, "-signer", signer,
            "-out", "/dev/null")
    signature = openssl("smime", "-pk7out", "-in", message)
    inside = openssl("pkcs7", "-print_certs", stdin=signature)
    others, lists = scratch / "others.pem", scratch / "lists.pem"
    pieces = [(m.group(1), m.group(0)) for m in PEM.finditer(inside)]
    others.write_bytes(b"".join(text for label, text in pieces
                                if label == b"CERTIFICATE" and text != signer.read_bytes()))
    lists.write_bytes(b"".join(text for label, text in pieces if label == b"X509 CRL"))
    return signer, others, lists


def play(message, anchor, row):
    """What is wrong with one test, or None."""
    name = message.stem.removeprefix("Signed")
    if row is None:
        return f"{name} is not in {TABLE.name}"
    with tempfile.TemporaryDirectory() as scratch:
        signer, others, lists = unpack(message, pathlib.Path(scratch))
        arguments = ["--at", AT, "--max-age", MAX_AGE, "--policy", "hard", "--purpose", "any",
                     "--security-level", 0, "--trust", anchor]
        if others.stat().st_size > 0:
            arguments += ["--untrusted", others]
        if lists.stat().st_size > 0:
            arguments += ["--crl", lists]
        answer = vectors.verify(*arguments, signer)
    is_path = "does not verify" not in answer["reason"]
    leaf = answer["chain"][0]["verdict"] if is_path else "path"
    if (answer["result"], leaf) != row[1:]:
        return f"{name}: {answer['result']} {leaf}, not {row[1]} {row[2]}: {answer['reason']}"
    return None


def main():
    suite = vectors.folder() / "PKITS_data"
    anchor = suite / "certs" / "TrustAnchorRootCertificate.crt"
    rows = table()
    messages = sorted((suite / "smime").glob("Signed*.eml"))
    names = {message.stem.removeprefix("Signed") for message in messages}
    wrong = vectors.each(
        lambda m: play(m, anchor, rows.get(m.stem.removeprefix("Signed"))), messages)
    wrong += [f"{name} is in {TABLE.name} alone" for name in rows if name not in names]
    vectors.finish(wrong, len(messages))


main()
