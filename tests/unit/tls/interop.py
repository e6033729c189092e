# SPDX-License-Identifier: ISC
"""The engine against Python's ssl, both ways round. Run by `interop`."""
import socket
import ssl
import subprocess
import sys
import threading

peer, dir, port = sys.argv[1], sys.argv[2], int(sys.argv[3])


kept = {}


def client(name, **kw):
    ctx = kw.get("ctx") or ssl.create_default_context(cafile=dir + "/ca.pem")
    if "alpn" in kw:
        ctx.set_alpn_protocols(kw["alpn"])
    if "maximum" in kw:
        ctx.maximum_version = kw["maximum"]
    with socket.create_connection(("127.0.0.1", port), 10) as raw:
        with ctx.wrap_socket(raw, server_hostname=name,
                             suppress_ragged_eofs=False,
                             session=kw.get("session")) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            got = b""
            alpn = s.selected_alpn_protocol()
            while part := s.recv(4096):
                got += part
            kept[name] = s.session
            return got.decode(), alpn


got, alpn = client("b.example", alpn=["http/1.1", "h2"])
assert "served 1.3" in got and "to b.example" in got, got
assert alpn == "h2", alpn
got, _ = client("v.w.example", maximum=ssl.TLSVersion.TLSv1_2)
assert "served 1.2" in got and "to v.w.example" in got, got
try:
    client("nobody.example")
    raise SystemExit("an unknown name was served")
except ssl.SSLError as e:
    assert "UNRECOGNIZED_NAME" in str(e), e

for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
    ctx = ssl.create_default_context(cafile=dir + "/ca.pem")
    got, _ = client("b.example", ctx=ctx, maximum=version)
    assert "resumed" not in got, got
    session = kept["b.example"]
    got, _ = client("b.example", ctx=ctx, session=session)
    assert got.endswith("to b.example, resumed\n"), got
    got, _ = client("v.w.example", ctx=ctx, session=session)
    assert got.endswith("to v.w.example\n"), got

listener = socket.create_server(("127.0.0.1", 0))
ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
ctx.load_cert_chain(dir + "/serve/b.pem")


def serve(answers):
    for truncate in answers:
        raw, _ = listener.accept()
        try:
            with ctx.wrap_socket(raw, server_side=True) as s:
                s.recv(100)
                if truncate:    # a FIN, and no close_notify
                    raw = socket.socket(fileno=s.detach())
                    raw.shutdown(socket.SHUT_WR)
                    raw.recv(1)
                    raw.close()
                else:
                    s.sendall(b"hello from python\n")
                    s.unwrap()
        except ssl.SSLError:
            pass


def connect(host):
    return subprocess.run([peer, "connect", str(listener.getsockname()[1]), host,
                           dir + "/ca.pem"], capture_output=True, text=True,
                          timeout=20)


thread = threading.Thread(target=serve, args=([False, True, False],), daemon=True)
thread.start()
r = connect("b.example")
assert r.returncode == 0 and "hello from python" in r.stdout, r
r = connect("b.example")
assert r.returncode == 1 and "version 0x0304" in r.stdout, r
r = connect("mail.example")
assert r.returncode == 1 and "it is for other names" in r.stderr, r
thread.join()
print("ok")
