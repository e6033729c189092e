# SPDX-License-Identifier: ISC
"""python_client URL [UPLOAD] - what fetch.py's server has, or one page, for python.py."""

import concurrent.futures
import hashlib
import http.client
import sys
import urllib.error
import urllib.request


def ask(url, method="GET", body=None):
    request = urllib.request.Request(url, body, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
            length = answer.headers["Content-Length"]
            return answer.status, length, hashlib.sha256(text).hexdigest()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


def kept_alive(url):
    connection = http.client.HTTPConnection(url.split("/")[2])
    got = []
    for _ in range(20):
        connection.request("GET", "/small")
        got.append(connection.getresponse().read())
    connection.close()
    return got == [b"small\n"] * 20


def main(url, upload=None):
    if upload is None:
        with urllib.request.urlopen(url) as answer:
            sys.stdout.buffer.write(answer.read())
        return
    for path in ("/small", "/empty", "/none", "/again", "/big"):
        print(path, *ask(url + path))
    print("HEAD", *ask(url + "/big", "HEAD"))
    with open(upload, "rb") as file:
        print("POST", *ask(url + "/post", "POST", file.read()))
    print("keep-alive", kept_alive(url))
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        print("at once", *pool.map(ask, [url + "/small"] * 12))


main(*sys.argv[1:])
