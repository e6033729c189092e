#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_cache - sstool cache: a list fetched from a server on loopback, what is kept
# of it, and the service.
# shellcheck source=tests/unit/tools/tool.sh disable=SC1091
. "$SST_SOURCE/tests/unit/tools/tool.sh"

if [ -n "${SST_NEEDS_IPV4:-}" ] && ! python3 -c '
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(("127.0.0.1", 0))' 2>/dev/null; then
	exit 77
fi

export SECURESOCKETS_CONF=$SST_TMP/conf
[[ -e /etc/securesockets.conf || -d /etc/securesockets.conf.d ]] && {
	sst_say "this machine has a file of its own"
	exit 77
}
chmod 755 "$SST_TMP"

cache() { exits "$1" cache "${@:2}"; }
met() { wc -l <met.log; }

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
	cache 64
	complains 'list, show, stats, purge, prefetch or serve'
	cache 64 frob
	complains "sstool cache: no verb 'frob'"
	for verb in list stats purge serve; do
		cache 64 "$verb" more
		cache 64 "$verb" --frob
		complains "no option '--frob'"
	done
	cache 64 list --limit x
	cache 64 show
	complains 'CERT or SERIAL'
	cache 64 prefetch --dir cache
	complains 'which FILE or DIRECTORY'
	cache 64 serve --idle soon
	cache 64 serve
	complains '--socket'
	cache 2 list --issuer nowhere.pem
	cache 2 prefetch nowhere.pem
	complains 'nowhere.pem'
	cache 2 prefetch --trust nowhere.pem good.pem
}

prefetch_says_what_each_is()
{
	cache 1 prefetch --dir cache --trust good.pem bad.pem
	says '^error +bad.pem'
	says 'the chain does not verify'
	(($(met) == 0)) || wrong "something was fetched for a chain without an anchor"
	cache 0 prefetch --dir cache --trust ca.pem good.pem
	says '^good +good.pem$'
	(($(met) == 1)) || wrong "not fetched once"
	cache 1 prefetch --dir cache --trust ca.pem --json good.pem bad.pem plain.pem
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
	cache 0 prefetch --dir cache --trust ca.pem --json tree
	json 'len(o) == 1 and o[0]["verdict"] == "good" and o[0]["until"] > 1700000000'
	mkdir empty
	cache 1 prefetch --dir cache --trust ca.pem empty
	complains 'no certificate'
}

list_shows_what_is_kept()
{
	cache 0 list --dir cache
	says "^list +crl .*1 revoked +number 05 .*http://127.0.0.1:$PORT/ca.crl"
	says '^ok +source .*HTTP 200'
	cache 0 list --dir cache --json
	json 'any(x["kind"] == "crl" and x["serial"] is None and x["entries"] == 1 and
	    x["crl_number"] == "05" and x["fresh"] and x["cache"] == "directory" for x in o)'
	json 'any(x["kind"] == "source" and x["http_status"] == 200 and
	    x["fault"] == "none" for x in o)'
	cache 0 list --dir cache --issuer ca.pem --json
	json 'len(o) > 0 and all(x["issuer_key_sha256"] is not None for x in o)'
	cache 0 list --dir cache --issuer good.pem --json
	json 'o == []'
	cache 0 list --dir cache --limit 1
	says '^1 of [2-9]'
	cache 0 list --dir empty --json
	json 'o == []'
}

show_knows_one_certificate()
{
	cache 0 show --dir cache chain.pem
	says '^verdict good'
	says '^list +crl'
	cache 0 show --dir cache bad.pem
	says 'list +crl'
	cat bad.pem ca.pem >badchain.pem
	cache 0 show --dir cache --json badchain.pem
	json 'o[0]["verdict"] == "revoked"'
	cache 0 show --dir cache 1002
	says '^revoked +crl +serial 1002 .*keyCompromise'
	cache 0 show --dir cache 10:02
	cache 1 show --dir cache 1001ff
	cache 1 show --dir empty bad.pem
	cache 2 show --dir cache nowhere.pem
}

stats_says_where()
{
	cache 0 stats --dir cache
	says "^directory written cache"
	says '1 lists of 1 entries'
	cache 0 stats --dir cache --json
	json 'len(o) == 1 and o[0]["writer"] and o[0]["lists"] == 1 and o[0]["bytes"] > 0'
	cache 0 stats --json
	json 'o[0]["cache"] in ("user", "machine", "snapshot", "memory")'
	ln -s cache link
	cache 0 stats --dir link
	says '^memory'
	says 'why: .*symbolic link'
}

purge_keeps_what_is_revoked()
{
	python3 -c 'import pty, sys
sys.exit(pty.spawn(sys.argv[1:]) >> 8)' "$SSTOOL" cache purge --dir cache >out 2>&1 </dev/null
	(($? == 64)) || wrong "on a terminal it asks nothing"
	says '--yes'
	cache 0 purge --dir cache --issuer good.pem
	says '^0 removed'
	cache 0 purge --dir cache
	says '^[1-9][0-9]* removed'
	cache 0 list --dir cache --json
	json 'all(x["verdict"] == "revoked" for x in o) and len(o) == 1'
	cache 0 list --dir cache --revoked
	says '1002'
	cache 0 purge --dir cache --revoked --yes
	cache 0 list --dir cache --json
	json 'o == []'
	cache 69 purge --dir link
}

# Root becomes the owner of the directory that the machine's file names.
the_machines_file_says_where()
{
	mkdir -m 755 named
	((OWNER == 31000)) && chown 31000:31000 named
	cp conf conf.old
	printf 'cache: { dir = "%s"; };\n' "$SST_TMP/named" >>conf
	cache 0 prefetch --trust ca.pem good.pem
	[[ $(stat -c %u named/live.db) == "$OWNER" ]] ||
		wrong "the file is not the cache's owner's"
	cache 0 stats --json
	json 'len(o) == 1 and o[0]["writer"] and o[0]["lists"] == 1'
	cache 0 stats --dir empty --json
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
	cache 69 serve --dir cache --socket sock --trust ca.pem
	complains 'in use'
	kill $SERVICE
	wait $SERVICE || wrong "SIGTERM: $(cat served)"
	[[ -s cache/snapshot.db ]] || wrong "nothing was published"
	serve --idle 1
	wait $SERVICE || wrong "idle: $(cat served)"
	cache 69 serve --dir cache --socket sock2 --trust nowhere.pem
	cache 69 serve --dir link --socket sock3 --trust ca.pem
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
