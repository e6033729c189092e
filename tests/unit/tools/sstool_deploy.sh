#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_deploy - sstool deploy: what is verified, published and told, and what is not.
# shellcheck source=tests/unit/tools/tool.sh disable=SC1091
. "$SST_SOURCE/tests/unit/tools/tool.sh"

LIVE=$SST_TMP/le/live/www.example
ARCHIVE=$SST_TMP/le/archive/www.example
OUT=$SST_TMP/certs
ME=$(id -g)
umask 077
mkdir -p "$LIVE" "$ARCHIVE"
authority ca

# renewal N [FROM UNTIL]: version N in the archive
renewal()
{
	leaf "$ARCHIVE/fullchain$1.pem" "$ARCHIVE/privkey$1.pem" \
		'DNS:www.example,DNS:*.www.example,IP:192.0.2.7' "${2:--1}" "${3:-80}"
}
# link KIND N: as certbot does, away and there again
link()
{
	rm -f "$LIVE/$1.pem"
	ln -s "../../archive/www.example/$1$2.pem" "$LIVE/$1.pem"
}
links() { link privkey "$1" && link fullchain "$1"; }
deploy() { exits "$1" deploy --no-fetch "${@:2}"; }
publish() { deploy "$1" --to "$OUT" --group "$ME" "${@:2}" "$LIVE"; }
# published N: it is version N, chain and key
published()
{
	cat "$ARCHIVE/fullchain$1.pem" "$ARCHIVE/privkey$1.pem" >want
	cmp -s want "$OUT/www.example.pem" || wrong "version $1 is not what was published"
	[[ $(ls -A "$OUT") == www.example.pem ]] || wrong "there is more: $(ls -A "$OUT")"
}
renewal 1
renewal 2
links 1

the_command_line_is_judged()
{
	exits 64 deploy
	complains 'RENEWED_LINEAGE is not set'
	exits 64 deploy a b c
	exits 64 deploy --frob "$LIVE"
	for mode in 0644 0660 0240 640x 0 755 4640; do
		exits 64 deploy --to "$OUT" --group "$ME" --mode $mode "$LIVE"
		complains 'others must not read'
	done
	exits 64 deploy --wait soon "$LIVE"
	deploy 69 --to "$OUT" --group no_such_group "$LIVE"
	complains 'there is no group no_such_group: groupadd'
	deploy 64 --to "$OUT" --group "$ME" --name ../up "$LIVE"
	deploy 64 --to "$OUT" --group "$ME" --name .hidden "$LIVE"
	[[ ! -e $SST_TMP/up.pem ]] || wrong "a name led out of the directory"
	rm -rf "$OUT"
}

a_pair_is_verified_and_shown()
{
	deploy 0 "$LIVE"
	says '^pair      www\.example  version 1  EC-P-256 until .*www\.example'
	says '^done '
	quiet
	[[ ! -e $OUT ]] || wrong "it was published unasked"
	RENEWED_LINEAGE=$LIVE RENEWED_DOMAINS=$'www.example \e[31m' exits 0 deploy \
		--no-fetch --json
	json 'o[0]["step"] == "pair" and o[0]["name"] == "www.example" and
	    o[0]["version"] == 1 and "*.www.example" in o[0]["names"] and
	    o[0]["domains"] == "www.example \\x1b[31m" and len(o[0]["sha256"]) == 64'
	json 'o[-1]["step"] == "done" and o[-1]["warnings"] == 0'
	RENEWED_LINEAGE=$LIVE RENEWED_DOMAINS=$'other \e[31m' exits 0 deploy --no-fetch
	says 'certbot says: other \\x1b'
	# a file with both, and a file of each
	deploy 0 "$ARCHIVE/fullchain1.pem" "$ARCHIVE/privkey1.pem"
	says '^pair      fullchain1  EC'
	cat "$ARCHIVE/fullchain1.pem" "$ARCHIVE/privkey1.pem" >both.pem
	deploy 0 both.pem
	says '^pair      both  EC'
}

what_does_not_verify_goes_no_further()
{
	publish 0
	deploy 1 "$ARCHIVE/fullchain1.pem" "$ARCHIVE/privkey2.pem"
	complains 'not deployed: '
	deploy 1 "$ARCHIVE/fullchain1.pem"
	complains 'not deployed: .*key'
	deploy 2 nowhere
	complains 'nowhere: No such file'
	mkdir -p empty
	deploy 2 empty
	complains 'fullchain.pem: No such file'
	renewal 3 -20 -1
	links 3
	publish 1
	complains 'it expired at'
	renewal 4
	head -c 300 "$ARCHIVE/fullchain4.pem" >torn && mv torn "$ARCHIVE/fullchain4.pem"
	links 4
	publish 1
	complains 'not deployed'
	: >"$ARCHIVE/privkey4.pem"
	publish 1
	printf 'junk\n' >"$ARCHIVE/privkey4.pem"
	publish 1
	complains 'it is no PEM'
	truncate -s 1M "$ARCHIVE/privkey4.pem"
	publish 1
	complains 'no file of at most'
	links 1
	published 1
	# the chain of another CA behind the leaf: no client could build it
	cp ca.pem ca.old && cp ca.key ca.oldkey
	authority other
	cat "$ARCHIVE/fullchain2.pem" >mixed.pem
	openssl x509 -in "$ARCHIVE/fullchain2.pem" -out alone.pem
	cat alone.pem other.pem "$ARCHIVE/privkey2.pem" >mixed.pem
	deploy 1 mixed.pem
	complains 'TLS 1\.2: |chain|issue'
	cat alone.pem "$ARCHIVE/privkey2.pem" >alone-pair.pem
	exits 0 deploy --no-fetch alone-pair.pem
	# one of tomorrow is put there today, and said so
	pair early.pem DNS:early.example 2 80
	exits 0 deploy --no-fetch early.pem
	grep -q 'warning: it is not valid before' said || wrong "not said: $(cat said)"
}

a_renewal_that_is_not_complete_is_tried_later()
{
	publish 0
	link privkey 2
	publish 75
	complains 'it is of version 1 and the key is of version 2'
	published 1
	link fullchain 2
	publish 0
	says 'version 2'
	published 2
	# the same key again is a link in the archive
	leaf "$ARCHIVE/fullchain5.pem" "$ARCHIVE/privkey5.pem" DNS:www.example -1 80
	ln -sf privkey5.pem "$ARCHIVE/privkey6.pem"
	cp "$ARCHIVE/fullchain5.pem" "$ARCHIVE/fullchain6.pem"
	links 6
	publish 0
	says 'version 6'
	published 6
	links 1
	publish 0
}

what_is_published_is_the_groups_and_nobody_elses()
{
	rm -rf "$OUT"
	publish 0
	says "^publish   $OUT/www\.example\.pem  0640$"
	published 1
	[[ $(stat -c '%a %g' "$OUT") == "750 $ME" ]] || wrong "the directory: $(stat -c '%a %g' "$OUT")"
	[[ $(stat -c '%a %g' "$OUT/www.example.pem") == "640 $ME" ]] || wrong "the file's mode"
	publish 0 --mode 0400 --name other
	[[ $(stat -c %a "$OUT/other.pem") == 400 ]] || wrong "--mode"
	rm "$OUT/other.pem"
	if (($(id -u) == 0)); then
		deploy 0 --to "$OUT" --group 31007 "$LIVE"
		[[ $(stat -c '%u %g' "$OUT/www.example.pem") == "0 31007" ]] ||
			wrong "--group"
		publish 0
	fi
	# a new one is as closed, however its name is written
	deploy 0 --to new/certs// --group "$ME" "$LIVE"
	[[ $(stat -c %a new new/certs) == $'755\n750' ]] ||
		wrong "new directories: $(stat -c '%n %a' new new/certs)"
	# who has the file open keeps what it read
	exec 8<"$OUT/www.example.pem"
	links 2
	publish 0
	published 2
	cat "$ARCHIVE/fullchain1.pem" "$ARCHIVE/privkey1.pem" >want
	cmp -s want - <&8 || wrong "an open file changed"
	exec 8<&-
	# a store takes it
	exits 0 cert list "$OUT"
	says '^usable '
	links 1
	publish 0
}

a_directory_that_others_can_write_is_refused()
{
	chmod 770 "$OUT"
	publish 69
	complains 'others may write there: chmod go-w'
	chmod 757 "$OUT"
	publish 69
	chmod 750 "$OUT"
	published 1
	deploy 69 --to "$OUT/www.example.pem" --group "$ME" "$LIVE"
	complains 'not published: .*Not a directory'
	deploy 69 --to /proc/nowhere/certs --group "$ME" "$LIVE"
	complains 'not published'
	if (($(id -u) == 0)); then
		mkdir theirs && chown 31007 theirs
		deploy 69 --to theirs --group "$ME" "$LIVE"
		complains 'belongs to another user'
		# who owns what is above it could exchange it, and led elsewhere
		deploy 69 --to theirs/ours --group "$ME" "$LIVE"
		complains 'theirs: it belongs to another user, who could exchange'
		deploy 69 --to theirs/new/certs --group "$ME" "$LIVE"
		complains 'theirs: it belongs to another user, who could exchange'
		[[ ! -e theirs/new ]] || wrong "a directory was made there"
		mkdir ours && ln -s ../ours theirs/link
		deploy 69 --to theirs/link --group "$ME" "$LIVE"
		complains 'theirs: it belongs to another user, who could exchange'
		mkdir theirs/in && ln -s theirs/in over
		for below in '' /new /new/certs; do
			deploy 69 --to over$below --group "$ME" "$LIVE"
			complains 'theirs: it belongs to another user, who could exchange'
		done
		ln -s ours link && chown -h 31007 link
		for slash in '' / //; do
			deploy 69 --to link$slash --group "$ME" "$LIVE"
			complains 'a link of another user'
		done
		chown -h 0 link
		deploy 0 --to link --group "$ME" "$LIVE"
		[[ -e ours/www.example.pem ]] || wrong "not where the link leads"
		mkdir open && mkdir open/in && chmod 777 open
		deploy 69 --to open/in --group "$ME" "$LIVE"
		complains 'open: others may write there, and exchange'
		chmod 1777 open
		deploy 0 --to open/in --group "$ME" "$LIVE"
		# as one who may not write there
		chmod 755 "$SST_TMP" "$OUT"
		cp both.pem mine.pem && chown 31007 mine.pem
		setpriv --reuid 31007 --regid 31007 --clear-groups "$SSTOOL" deploy --no-fetch \
			--to "$OUT" mine.pem >out 2>said
		(($? == 69)) || wrong "another user published: $(cat said)"
		complains 'Permission denied'
		chmod 750 "$OUT"
	fi
	published 1
}

a_full_disk_leaves_what_was_there()
{
	links 2
	(
		trap '' XFSZ
		ulimit -f 0
		"$SSTOOL" deploy --no-fetch --to "$OUT" --group "$ME" "$LIVE" 2>&1
		echo "exit $?"
	) </dev/null | cat >out
	says '^sstool: not published: .*File too large'
	says '^exit 69$'
	published 1
	if unshare --mount true 2>/dev/null; then
		cat >full.sh <<'S'
mount -t tmpfs -o size=8k,mode=750 tmpfs full && cp -p "$2" full/www.example.pem &&
	head -c 4096 /dev/zero >full/rest || exit
"$1" deploy --no-fetch --to full --group "$3" "$4"
echo "exit $?"
cmp "$2" full/www.example.pem && ls -A full
S
		mkdir -p full
		unshare --mount bash full.sh "$SSTOOL" "$OUT/www.example.pem" "$ME" \
			"$LIVE" >out 2>&1
		says 'No space left'
		says '^exit 69$'
		grep -qx www.example.pem out || wrong "not as it was: $(cat out)"
		grep -q '^\.www' out && wrong "a part of it is left: $(cat out)"
	fi
	links 1
}

# killed_in CALL: as a filter of system calls does it. 1: there are none here
killed_in()
{
	{
		umask 022
		"$SST_DENY" kill "$1" -- "$SSTOOL" deploy --no-fetch --to "$OUT" \
			--group "$ME" "$LIVE" >out
	} 2>said
	local code=$?
	umask 077
	((code != 77))
}

one_that_is_killed_leaves_what_was_there()
{
	local call left
	links 2
	for call in fchmod fsync renameat; do
		killed_in $call || return
		cat "$ARCHIVE/fullchain1.pem" "$ARCHIVE/privkey1.pem" >want
		cmp -s want "$OUT/www.example.pem" ||
			wrong "killed in $call: what was there is not"
		left=$(find "$OUT" -name '.www.example.pem.*' -perm /077)
		[[ -z $left || $call != fchmod ]] || wrong "open to others: $left"
		"$SST_DENY" errno $call -- "$SSTOOL" deploy --no-fetch --to "$OUT" \
			--group "$ME" "$LIVE" >out 2>said
		(($? == 69)) || wrong "$call failed, and the exit is not 69"
		complains 'not published: .*Operation not permitted'
		published 1
	done
	# one was killed with its file written: the next removes it
	killed_in renameat
	[[ -n $(find "$OUT" -name '.www.example.pem.*') ]] || wrong "nothing was left behind"
	# a store does not take it for a certificate
	exits 0 cert list "$OUT"
	(($(grep -c '^usable' out) == 1)) || wrong "a left-over was listed"
	: >"$OUT/.www.example.pem.$$"	# of one that is at it
	publish 0
	[[ -e $OUT/.www.example.pem.$$ ]] || wrong "another one's file was removed"
	rm "$OUT/.www.example.pem.$$"
	published 2
	links 1
	publish 0
}

# status GENERATION [RENEWED]: of a program with one listener
status()
{
	printf '{"program": "test", "pid": 1, "uid": 0, "listeners": [{"generation": %s, "last_renewal": %s}]}' \
		"$1" "${2:-null}"
}

programs_are_told_and_waited_for()
{
	printf '{"status": %s, "nudge": {"schema": 1, "told": 1}, "of": "www.example", "then": %s}' \
		"$(status 4)" "$(status 5)" >1.json
	printf '{"status": %s, "nudge": {"schema": 1, "told": 0}}' "$(status 9)" >2.json
	printf '{"status": {"program": "client", "listeners": []}, "nudge": {"told": 0}}' >3.json
	door 1
	door 2
	door 3
	publish 0 --json
	json '[x["state"] for x in o if x["step"] == "program" and x["program"] == "test"] ==
	    ["taken", "apart"]'
	json '[x["state"] for x in o if x["step"] == "program" and x["program"] == "client"] ==
	    ["apart"]'
	json 'o[-1]["taken"] == 1 and o[-1]["warnings"] == 0'
	grep -qx "nudge $LIVE" 1.json.asked || wrong "not told of its directory: $(cat 1.json.asked)"
	grep -qx "nudge $OUT/www.example.pem" 1.json.asked || wrong "not told of the file"
	kill "${SST_JOBS[-3]}"
	publish 0
	says '^done      0 of [0-9]+ programs'
	never '^program'
}

a_program_that_does_not_take_it_up_is_a_warning()
{
	# certbot's links are older than its last renewal but one
	printf '{"status": %s, "nudge": {"told": 1}}' "$(status 4 5)" >4.json
	door 4
	exits 0 deploy --no-fetch --wait 1 "$LIVE"
	complains 'warning: test\[1\] was told, and serves what it did before'
	exits 0 deploy --no-fetch --wait 0 --json "$LIVE"
	json '[x["state"] for x in o if x["step"] == "program" and x["sources"] == 1] == ["told"]'
	# one that was quicker than the hook has renewed since
	printf '{"status": %s, "nudge": {"told": 1}}' "$(status 4 "$(date +%s)")" >4.json
	exits 0 deploy --no-fetch --wait 1 "$LIVE"
	says 'test\[1\]  took it up'
	quiet
	# one that ends meanwhile
	printf '{"status": %s, "nudge": {"told": 1}, "then": null}' "$(status 4 5)" >4.json
	exits 0 deploy --no-fetch --wait 1 "$LIVE"
	says 'test\[1\]  does not answer'
	# an older release does not read what it is asked
	printf '{"status": %s, "nudge": null}' "$(status 4 5)" >5.json
	door 5
	kill "${SST_JOBS[-2]}"
	exits 0 deploy --no-fetch --json "$LIVE"
	json '[x["sources"] for x in o if x["step"] == "program" and x["pid"] == 1 and
	    x["sources"] != 0] == [None]'
	kill "${SST_JOBS[-1]}"
}

# deaf NAME N BACKLOG: N doors of somebody who never accepts; each is knocked at
# BACKLOG + 1 times, so that its queue is full
deaf()
{
	python3 - "$XDG_RUNTIME_DIR/securesockets" "$@" <<-'P' &
	import os, signal, socket, sys
	at, name, n, backlog = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
	os.makedirs(at, exist_ok=True)
	doors = []
	for i in range(n):
	    door = socket.socket(socket.AF_UNIX)
	    door.bind("%s/9%04d.sock" % (at, i))
	    door.listen(backlog if backlog >= 0 else 100)
	    doors.append(door)
	    for _ in range(backlog + 1):
	        doors.append(socket.socket(socket.AF_UNIX))
	        doors[-1].connect(door.getsockname())
	open(name, "w").close()
	signal.pause()
	P
	SST_JOBS+=($!)
	until [[ -e $1 ]]; do
		kill -0 $! || exit 1
	done
}

doors_that_nobody_opens_hold_nothing_up()
{
	local began
	rm -f "$XDG_RUNTIME_DIR"/securesockets/*.sock
	deaf deaf.full 1 0
	timeout 60 "$SSTOOL" deploy --no-fetch "$LIVE" >out 2>said
	(($? == 0)) || wrong "a queue that is full held it up"
	complains 'warning: 1 programs did not answer'
	kill "${SST_JOBS[-1]}"
	rm -f "$XDG_RUNTIME_DIR"/securesockets/*.sock
	# each would be waited for
	deaf deaf.silent 60 -1
	began=$SECONDS
	exits 0 deploy --no-fetch "$LIVE"
	((SECONDS - began < 60)) || wrong "60 silent doors: $((SECONDS - began)) s"
	complains 'warning: 60 programs did not answer'
	kill "${SST_JOBS[-1]}"
	rm -f "$XDG_RUNTIME_DIR"/securesockets/*.sock
}

evidence_is_fetched_and_is_no_condition()
{
	[[ -e /etc/securesockets.conf || -d /etc/securesockets.conf.d ]] && return
	exits 0 deploy "$LIVE"
	complains 'warning: evidence: error: the chain does not verify'
	exits 0 deploy --trust ca.pem --json "$LIVE"
	json '[x for x in o if x["step"] == "evidence"][0]["good"] == False and
	    [x for x in o if x["step"] == "evidence"][0]["verdict"] == "no_source"'
	quiet
	exits 0 deploy --trust ca.pem "$LIVE"
	says '^evidence  none: its CA names no source$'
	quiet
	exits 0 deploy --trust nowhere.pem "$LIVE"
	complains 'warning: evidence: no trust anchors in nowhere\.pem'
	# in the cache there is what says good
	mkdir cache
	: >crl.index && echo 01 >crl.number
	printf '%s\n' '[ca]' 'default_ca = d' '[d]' 'database = crl.index' \
		'crlnumber = crl.number' 'default_md = sha256' 'default_crl_days = 7' \
		'crl_extensions = e' '[e]' 'authorityKeyIdentifier = keyid' >crl.cnf
	mkdir www
	check "a list is made" openssl ca -gencrl -config crl.cnf -keyfile ca.key \
		-cert ca.pem -out www/crl.pem
	check "it is DER" openssl crl -in www/crl.pem -outform DER -out www/ca.crl
	python3 -c 'import http.server, os
os.chdir("www")
class Server(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if os.path.exists("../on_get"):
            os.system("sh ../on_get")
        super().do_GET()
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
open("../port.new", "w").write(str(s.server_address[1]))
os.rename("../port.new", "../port")
s.serve_forever()' 2>met.log &
	SST_JOBS+=($!)
	while [[ ! -s port ]]; do
		kill -0 $! 2>/dev/null || return	# there is no 127.0.0.1
	done
	printf 'fetch: { allow = [ "127.0.0.1:%s" ]; };\ncache: { dir = "%s"; };\n' \
		"$(cat port)" "$SST_TMP/cache" >conf
	MORE_EXTENSIONS="crlDistributionPoints = URI:http://127.0.0.1:$(cat port)/ca.crl"
	renewal 7
	renewal 8
	MORE_EXTENSIONS=
	links 7
	SECURESOCKETS_CONF=$SST_TMP/conf exits 0 deploy --trust ca.pem "$LIVE"
	says '^evidence  good until '
	quiet
	grep -q 'GET /ca.crl' met.log || wrong "the list was not fetched"
	exits 0 cache list --dir cache
	says 'crl'
	# another renewal while it fetches: whole or not
	for kinds in 'privkey fullchain' fullchain; do
		rm -rf cache && mkdir cache
		links 7
		for kind in $kinds; do
			echo "ln -sfn ../../archive/www.example/${kind}8.pem '$LIVE/$kind.pem'"
		done >on_get
		SECURESOCKETS_CONF=$SST_TMP/conf exits 0 deploy --trust ca.pem --to "$OUT" \
			--group "$ME" "$LIVE"
		rm on_get
		if [[ $kinds == fullchain ]]; then published 7; else published 8; fi
	done
	links 1
}

the_command_line_is_judged
a_pair_is_verified_and_shown
what_does_not_verify_goes_no_further
a_renewal_that_is_not_complete_is_tried_later
what_is_published_is_the_groups_and_nobody_elses
a_directory_that_others_can_write_is_refused
a_full_disk_leaves_what_was_there
one_that_is_killed_leaves_what_was_there
programs_are_told_and_waited_for
a_program_that_does_not_take_it_up_is_a_warning
doors_that_nobody_opens_hold_nothing_up
evidence_is_fetched_and_is_no_condition
finish
