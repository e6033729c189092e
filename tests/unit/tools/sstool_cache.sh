#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_cache - sstool cache: a list fetched from a server on loopback, what is kept
# of it, and the service.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$SST_SOURCE/tests/install/common.sh"

if [ -n "${SST_NEEDS_IPV4:-}" ] && ! python3 -c '
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 0))' 2>/dev/null; then
	exit 77
fi

SSTOOL=$SST_BUILD/tools/sstool
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
export LD_LIBRARY_PATH
export XDG_CACHE_HOME=$SST_TMP/home
export SECURESOCKETS_CONF=$SST_TMP/conf
unset SSL_CERT_FILE SSL_CERT_DIR
[[ -e /etc/securesockets.conf || -d /etc/securesockets.conf.d ]] && {
	sst_say "this machine has a file of its own"
	exit 77
}
chmod 755 "$SST_TMP"
cd "$SST_TMP" || exit 1

# exits CODE ARGUMENTS...: of sstool cache; output to out and said
exits()
{
	local want=$1 got
	shift
	"$SSTOOL" cache "$@" >out 2>said </dev/null
	got=$?
	((got == want)) || {
		wrong "sstool cache $*: exit $got, not $want"
		cat out said >&2
	}
}
says() { grep -qE -- "$1" out || wrong "not said: $1 ($(cat out))"; }
never() { grep -qE -- "$1" out && wrong "said: $1"; }
complains()
{
	grep -qE -- "$1" said || wrong "not complained: $1 ($(cat said))"
	(($(wc -l <said) == 1)) || wrong "not one line of trouble"
}
# json EXPRESSION: of the lines of the last output, as the list `o`
json()
{
	python3 -c 'import json, sys
o = [json.loads(line) for line in open(sys.argv[1])]
assert all(x["schema"] == 1 for x in o) and eval("(" + sys.argv[2] + ")"), o' out "$1" 2>jsaid || {
		wrong "not so: $1"
		tail -n 1 jsaid >&2
	}
}
met() { wc -l <met.log; }

EC=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
# issue NAME SERIAL EXTENSIONS
issue()
{
	printf '%b' "$3" >"$1.ext"
	openssl req "${EC[@]}" -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" &&
		openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -days 30 \
			-extfile "$1.ext" -set_serial "$2" -out "$1.pem"
}
make()
{
	local at='crlDistributionPoints = URI:http://127.0.0.1:'$PORT'/ca.crl\n'
	openssl req -x509 "${EC[@]}" -keyout ca.key -out ca.pem -subj /CN=CA -days 40 &&
	issue good 0x1001 "$at" && issue bad 0x1002 "$at" && issue plain 0x1003 '' &&
	: >index && echo 05 >number &&
	printf '%s\n' '[ca]' 'default_ca = d' '[d]' 'database = index' 'crlnumber = number' \
		'default_md = sha256' 'default_crl_days = 7' 'crl_extensions = e' '[e]' \
		'authorityKeyIdentifier = keyid' >ca.cnf &&
	openssl ca -config ca.cnf -keyfile ca.key -cert ca.pem -revoke bad.pem \
		-crl_reason keyCompromise &&
	openssl ca -gencrl -config ca.cnf -keyfile ca.key -cert ca.pem -out crl.pem &&
	openssl crl -in crl.pem -outform DER -out www/ca.crl &&
	cat good.pem ca.pem >chain.pem
}

# A server of its own port, which it writes to `port`.
cat >server.py <<'P'
import http.server, os
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, form, *args):
        with open("../met.log", "a") as log:
            log.write(form % args + "\n")
os.chdir("www")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open("../port.new", "w") as f:
    f.write(str(server.server_address[1]))
os.rename("../port.new", "../port")
server.serve_forever()
P
: >met.log
mkdir www
python3 server.py &
SERVER=$!
SST_JOBS+=("$SERVER")
while [[ ! -s port ]]; do
	kill -0 $SERVER || exit 1
done
PORT=$(cat port)
make >make.log 2>&1 || {
	tail make.log >&2
	exit 1
}
printf 'fetch: { allow = [ "127.0.0.1:%s" ]; };\n' "$PORT" >conf

# The cache's owner: somebody else, where that can be had.
mkdir -m 755 cache
OWNER=$(id -u)
((OWNER == 0)) && OWNER=31000 && chown 31000:31000 cache

the_command_line_is_judged()
{
	local verb
	exits 64
	complains 'list, show, stats, purge, prefetch or serve'
	exits 64 frob
	complains "sstool cache: no verb 'frob'"
	for verb in list stats purge serve; do
		exits 64 "$verb" more
		exits 64 "$verb" --frob
		complains "no option '--frob'"
	done
	exits 64 list --limit x
	exits 64 show
	complains 'CERT or SERIAL'
	exits 64 prefetch --dir cache
	complains 'which FILE or DIRECTORY'
	exits 64 serve --idle soon
	exits 64 serve
	complains '--socket'
	exits 2 list --issuer nowhere.pem
	exits 2 prefetch nowhere.pem
	complains 'nowhere.pem'
	exits 2 prefetch --trust nowhere.pem good.pem
}

prefetch_says_what_each_is()
{
	exits 1 prefetch --dir cache --trust good.pem bad.pem
	says '^error +bad.pem'
	says 'the chain does not verify'
	(($(met) == 0)) || wrong "something was fetched for a chain without an anchor"
	exits 0 prefetch --dir cache --trust ca.pem good.pem
	says '^good +good.pem$'
	(($(met) == 1)) || wrong "not fetched once"
	exits 1 prefetch --dir cache --trust ca.pem --json good.pem bad.pem plain.pem
	json 'sorted((x["path"], x["verdict"]) for x in o) ==
	    [("bad.pem", "revoked"), ("good.pem", "good"), ("plain.pem", "good")]'
	(($(met) == 1)) || wrong "fetched again: $(cat met.log)"
	[[ $(stat -c %u cache/live.db) == "$OWNER" ]] ||
		wrong "the file is not the cache's owner's"
	[[ $(stat -c %a cache/snapshot.db) == 644 ]] || wrong "nothing was published"
}

prefetch_looks_into_directories()
{
	mkdir -p tree/live/www
	cp good.pem tree/live/www/cert.pem
	cp good.pem tree/again.pem
	cp ca.key tree/key.pem
	echo junk >tree/README
	exits 0 prefetch --dir cache --trust ca.pem --json tree
	json 'len(o) == 1 and o[0]["verdict"] == "good" and o[0]["until"] > 1700000000'
	mkdir empty
	exits 1 prefetch --dir cache --trust ca.pem empty
	complains 'no certificate'
}

list_shows_what_is_kept()
{
	exits 0 list --dir cache
	says "^list +crl .*1 revoked +number 05 .*http://127.0.0.1:$PORT/ca.crl"
	says '^ok +source .*HTTP 200'
	exits 0 list --dir cache --json
	json 'any(x["kind"] == "crl" and x["serial"] is None and x["entries"] == 1 and
	    x["crl_number"] == "05" and x["fresh"] and x["cache"] == "directory" for x in o)'
	json 'any(x["kind"] == "source" and x["http_status"] == 200 and
	    x["fault"] == "none" for x in o)'
	exits 0 list --dir cache --issuer ca.pem --json
	json 'len(o) > 0 and all(x["issuer_key_sha256"] is not None for x in o)'
	exits 0 list --dir cache --issuer good.pem --json
	json 'o == []'
	exits 0 list --dir cache --limit 1
	says '^1 of [2-9]'
	exits 0 list --dir empty --json
	json 'o == []'
}

show_knows_one_certificate()
{
	exits 0 show --dir cache chain.pem
	says '^verdict good'
	says '^list +crl'
	exits 0 show --dir cache bad.pem
	says 'list +crl'
	cat bad.pem ca.pem >badchain.pem
	exits 0 show --dir cache --json badchain.pem
	json 'o[0]["verdict"] == "revoked"'
	exits 0 show --dir cache 1002
	says '^revoked +crl +serial 1002 .*keyCompromise'
	exits 0 show --dir cache 10:02
	exits 1 show --dir cache 1001ff
	exits 1 show --dir empty bad.pem
	exits 2 show --dir cache nowhere.pem
}

stats_says_where()
{
	exits 0 stats --dir cache
	says "^directory written cache"
	says '1 lists of 1 entries'
	exits 0 stats --dir cache --json
	json 'len(o) == 1 and o[0]["writer"] and o[0]["lists"] == 1 and o[0]["bytes"] > 0'
	exits 0 stats --json
	json 'o[0]["cache"] in ("user", "machine", "snapshot", "memory")'
	ln -s cache link
	exits 0 stats --dir link
	says '^memory'
	says 'why: .*symbolic link'
}

purge_keeps_what_is_revoked()
{
	python3 -c 'import pty, sys
sys.exit(pty.spawn(sys.argv[1:]) >> 8)' "$SSTOOL" cache purge --dir cache >out 2>&1 </dev/null
	(($? == 64)) || wrong "on a terminal it asks nothing"
	says '--yes'
	exits 0 purge --dir cache --issuer good.pem
	says '^0 removed'
	exits 0 purge --dir cache
	says '^[1-9][0-9]* removed'
	exits 0 list --dir cache --json
	json 'all(x["verdict"] == "revoked" for x in o) and len(o) == 1'
	exits 0 list --dir cache --revoked
	says '1002'
	exits 0 purge --dir cache --revoked --yes
	exits 0 list --dir cache --json
	json 'o == []'
	exits 69 purge --dir link
}

# Root becomes the owner of the directory that the machine's file names.
the_machines_file_says_where()
{
	mkdir -m 755 named
	((OWNER == 31000)) && chown 31000:31000 named
	cp conf conf.old
	printf 'cache: { dir = "%s"; };\n' "$SST_TMP/named" >>conf
	exits 0 prefetch --trust ca.pem good.pem
	[[ $(stat -c %u named/live.db) == "$OWNER" ]] ||
		wrong "the file is not the cache's owner's"
	exits 0 stats --json
	json 'len(o) == 1 and o[0]["writer"] and o[0]["lists"] == 1'
	exits 0 stats --dir empty --json
	json 'o[0]["lists"] == 0'
	mv conf.old conf
}

# serve [ARGUMENTS...]: in the background, as $SERVICE, until its socket is there
serve()
{
	"$SSTOOL" cache serve --dir cache --socket sock --trust ca.pem "$@" 2>served &
	SERVICE=$!
	SST_JOBS+=("$SERVICE")
	until python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect("sock")' 2>/dev/null; do
		kill -0 $SERVICE 2>/dev/null || return
	done
}

the_service_runs_as_the_caches_owner()
{
	rm -f cache/snapshot.db
	serve
	[[ $(stat -c %a sock) == 666 ]] || wrong "not everybody may ask"
	[[ $(ps -o uid= -p $SERVICE | tr -d ' ') == "$OWNER" ]] ||
		wrong "it runs as $(ps -o uid= -p $SERVICE)"
	grep -q '^NoNewPrivs:.*1' /proc/$SERVICE/status || wrong "it may get new rights"
	exits 69 serve --dir cache --socket sock --trust ca.pem
	complains 'in use'
	kill $SERVICE
	wait $SERVICE || wrong "SIGTERM: $(cat served)"
	[[ -s cache/snapshot.db ]] || wrong "nothing was published"
	serve --idle 1
	wait $SERVICE || wrong "idle: $(cat served)"
	exits 69 serve --dir cache --socket sock2 --trust nowhere.pem
	exits 69 serve --dir link --socket sock3 --trust ca.pem
	complains 'symbolic link|does not run as root'
}

a_socket_of_systemds_is_taken()
{
	cat >start.py <<'P'
import os, socket, sys
kind = getattr(socket, sys.argv[1])
s = socket.socket(socket.AF_UNIX, kind)
s.bind(sys.argv[2])
s.listen(5)
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"] = "1"
os.environ["LISTEN_PID"] = str(os.getpid() + int(sys.argv[3]))
os.execv(sys.argv[4], sys.argv[4:])
P
	python3 start.py SOCK_SEQPACKET given 0 "$SSTOOL" cache serve --dir cache --trust ca.pem \
		--idle 1 2>said || wrong "not taken: $(cat said)"
	python3 start.py SOCK_STREAM given2 0 "$SSTOOL" cache serve --dir cache --trust ca.pem \
		--idle 1 2>said
	(($? == 64)) || wrong "a stream socket was taken"
	python3 start.py SOCK_SEQPACKET given3 1 "$SSTOOL" cache serve --dir cache --trust ca.pem \
		--idle 1 2>said
	(($? == 64)) || wrong "another process's socket was taken"
}

the_command_line_is_judged
prefetch_says_what_each_is
prefetch_looks_into_directories
list_shows_what_is_kept
show_knows_one_certificate
stats_says_where
purge_keeps_what_is_revoked
the_machines_file_says_where
the_service_runs_as_the_caches_owner
a_socket_of_systemds_is_taken
finish
