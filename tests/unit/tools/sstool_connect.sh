#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_connect - sstool connect and status, against openssl s_server and demo.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$SST_SOURCE/tests/install/common.sh"
# tests/CMakeLists.txt, sst_needs_ipv4()
if [ -n "${SST_NEEDS_IPV4:-}" ] && ! python3 -c '
import socket
socket.socket().bind(("127.0.0.1", 0))' 2>/dev/null; then
	exit 77
fi

SSTOOL=$SST_BUILD/tools/sstool
DEMO=$SST_BUILD/tools/demo
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
SECURESOCKETS_AGENT=$(find "$SST_BUILD/src" -name securesocketsd -type f)
export LD_LIBRARY_PATH SECURESOCKETS_AGENT

# exits CODE ARGUMENTS...: its pair does not outlive this script
exits()
{
	local want=$1 got pid
	shift
	"$SSTOOL" "$@" >"$SST_TMP/out" 2>"$SST_TMP/said" &
	pid=$!
	SST_JOBS+=("$pid")
	wait "$pid"
	got=$?
	((got == want)) || {
		wrong "sstool $*: exit $got, not $want"
		cat "$SST_TMP/out" "$SST_TMP/said" >&2
	}
}
says() { grep -qE -- "$1" "$SST_TMP/out" || {
	wrong "not said: $1"
	cat "$SST_TMP/out" >&2
}; }
complains() { grep -qE -- "$1" "$SST_TMP/said" || {
	wrong "not complained: $1"
	cat "$SST_TMP/said" >&2
}; }

# certificate FILE NAME: self-signed, chain and key in one file
certificate()
{
	printf '%s\n' '[req]' 'distinguished_name = dn' 'prompt = no' \
		'x509_extensions = ext' '[dn]' "CN = $2" '[ext]' \
		"subjectAltName = DNS:$2" >"$SST_TMP/cnf"
	openssl req -x509 -nodes -days 2 -config "$SST_TMP/cnf" -newkey ec \
		-pkeyopt ec_paramgen_curve:P-256 -keyout "$SST_TMP/key" \
		-out "$SST_TMP/crt" 2>"$SST_TMP/openssl" || exit 1
	(umask 077 && cat "$SST_TMP/crt" "$SST_TMP/key" >"$1")
}

# The loopback address of this machine, for the demo and for sstool.
ADDRESS=127.0.0.1
python3 -c 'import socket; socket.socket().bind(("127.0.0.1", 0))' 2>/dev/null ||
	ADDRESS=::1
AT=$ADDRESS
[[ $ADDRESS == *:* ]] && AT="[$ADDRESS]"

CERTS=$SST_TMP/certs
mkdir "$CERTS"
certificate "$CERTS/shop.pem" shop.example
certificate "$CERTS/mail.pem" mail.example

: >"$SST_TMP/demo.out"
"$DEMO" "$CERTS" "$ADDRESS" >"$SST_TMP/demo.out" 2>"$SST_TMP/demo.err" &
SERVER=$!
SST_JOBS+=("$SERVER")
PORT=
while [[ -z $PORT ]] && kill -0 "$SERVER" 2>/dev/null; do
	PORT=$(sed -n 's/^port //p' "$SST_TMP/demo.out")
	sleep 0.05
done
[[ -n $PORT ]] || {
	cat "$SST_TMP/demo.err" >&2
	wrong "the demo did not start"
	finish
}

connect_shows_what_was_served()
{
	exits 0 connect --name shop.example --trust "$CERTS/shop.pem" "$AT:$PORT"
	says "^server +shop\.example at $ADDRESS port $PORT"
	says '^protocol +TLS 1\.3 +TLS_'
	says '^chain 0 +CN = shop\.example'
	says '^ +for shop\.example'
	exits 0 connect --json --name mail.example --trust "$CERTS/mail.pem" \
		"$AT:$PORT"
	check "the same as JSON" python3 -c 'import json, sys, subprocess
o = json.load(open(sys.argv[1]))
assert o["schema"] == 1 and o["version"] == "1.3" and o["alpn"] is None, o
assert o["chain"][0]["names"] == ["mail.example"], o
want = subprocess.check_output(["openssl", "x509", "-in", sys.argv[2], "-noout",
    "-fingerprint", "-sha256"], text=True)
want = want.strip().split("=")[1].replace(":", "").lower()
assert o["chain"][0]["sha256"] == want, (o, want)' "$SST_TMP/out" "$CERTS/mail.pem"
}

connect_offers_protocols()
{
	local pid n port=""
	: >"$SST_TMP/s_server"
	openssl s_server -www -accept "$AT:0" -alpn h2,echo -cert "$CERTS/shop.pem" \
		>"$SST_TMP/s_server" 2>&1 </dev/null &
	pid=$!
	SST_JOBS+=("$pid")
	for ((n = 0; n < 100; n++)); do
		port=$(sed -nE 's/^ACCEPT .*:([0-9]+)$/\1/p' "$SST_TMP/s_server")
		[[ -z $port ]] || break
		sleep 0.05
	done
	exits 0 connect --alpn echo,x --name shop.example \
		--trust "$CERTS/shop.pem" "$AT:$port"
	says ' ALPN echo$'
	exits 0 connect --name shop.example --trust "$CERTS/shop.pem" "$AT:$port"
	says ' ALPN none$'
	exits 1 connect --alpn 'a,,b' --name shop.example \
		--trust "$CERTS/shop.pem" "$AT:$port"
	kill "$pid"
}

# A literal in brackets is the literal, whether or not this machine has IPv6.
connect_takes_brackets_off()
{
	exits 69 connect '[::ffff:192.0.2.300]:1'
	complains '^sstool: ::ffff:192\.0\.2\.300 port 1: '
}

connect_says_no_and_why()
{
	# the right server, and nobody who vouches for it
	exits 1 connect --name shop.example "$AT:$PORT"
	complains 'certificate|trust'
	# vouched for, and another name
	exits 1 connect --name other.example --trust "$CERTS/shop.pem" "$AT:$PORT"
	exits 2 connect --name shop.example --trust "$SST_TMP/nowhere" "$AT:$PORT"
	complains 'nowhere|No such file'
}

connect_tells_a_closed_port_from_a_refusal()
{
	local port
	port=$(python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.bind((sys.argv[1], 0)); print(s.getsockname()[1])' "$ADDRESS")
	exits 69 connect --name shop.example "$AT:$port"
	complains 'refused'
	# A machine whose resolver cannot be reached is to try later.
	exits "$(python3 -c '
import socket
try:
    socket.getaddrinfo("nobody.invalid", 443)
except socket.gaierror as e:
    print(75 if e.errno == socket.EAI_AGAIN else 69)')" connect "nobody.invalid:443"
}

status_shows_the_server()
{
	exits 0 status --json
	grep -q "\"pid\":$SERVER\b" "$SST_TMP/out" ||
		wrong "status does not know process $SERVER"
	check "each line is JSON with a schema" python3 -c 'import json, sys
for line in open(sys.argv[1]):
    assert json.loads(line)["schema"] == 1' "$SST_TMP/out"
	check "it says how its files are watched" python3 -c 'import json, sys
for line in open(sys.argv[1]):
    d = json.loads(line)
    if d["pid"] == int(sys.argv[2]):
        assert d["watches"] and not d["watches"][0]["why"], d
        assert d["watches"][0]["rule"] == "watched", d
        assert d["watches"][0]["path"].startswith(sys.argv[3]), d
' "$SST_TMP/out" "$SERVER" "$CERTS"
	exits 0 status
	says "^  $CERTS.*  watched$"
	says "\b$SERVER\b"
	says "$ADDRESS\]?:$PORT  generation 1  certificates 2"
	says 'handshakes [1-9][0-9]*, failed [1-9][0-9]* \(alert [0-9]+'
}

connect_shows_what_was_served
connect_offers_protocols
connect_takes_brackets_off
connect_says_no_and_why
connect_tells_a_closed_port_from_a_refusal
# Where no status door can be made there is none to ask.
if [[ $(id -u) == 0 || -d /run/user/$(id -u) ]]; then
	status_shows_the_server
fi
finish
