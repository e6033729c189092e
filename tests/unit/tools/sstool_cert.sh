#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_cert - sstool as people and scripts use it: certificates, exit codes.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$SST_SOURCE/tests/install/common.sh"

SSTOOL=$SST_BUILD/tools/sstool
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
export LD_LIBRARY_PATH

# exits CODE ARGUMENTS...: output to out and said
exits()
{
	local want=$1 got
	shift
	"$SSTOOL" "$@" >"$SST_TMP/out" 2>"$SST_TMP/said"
	got=$?
	((got == want)) || {
		wrong "sstool $*: exit $got, not $want"
		cat "$SST_TMP/out" "$SST_TMP/said" >&2
	}
}

# says PATTERN, in what the last command printed on stdout; never: the opposite
says() { grep -qE -- "$1" "$SST_TMP/out" || wrong "not said: $1"; }
never() { grep -qE -- "$1" "$SST_TMP/out" && wrong "said: $1"; }
# complains PATTERN: one line on stderr
complains()
{
	grep -qE -- "$1" "$SST_TMP/said" || wrong "not complained: $1"
	(($(wc -l <"$SST_TMP/said") == 1)) || wrong "more than one line of trouble"
}

# certificate FILE SUBJECTALTNAME DAYS NEWKEY...
certificate()
{
	local file=$1 names=$2 days=$3
	shift 3
	printf '%s\n' '[req]' 'distinguished_name = dn' 'prompt = no' \
		'x509_extensions = ext' '[dn]' 'CN = test' '[ext]' \
		"subjectAltName = $names" >"$SST_TMP/cnf"
	openssl req -x509 -nodes -days "$days" -config "$SST_TMP/cnf" "$@" \
		-keyout "$SST_TMP/key" -out "$SST_TMP/crt" 2>"$SST_TMP/openssl" ||
		{ cat "$SST_TMP/openssl" >&2; exit 1; }
	(umask 077 && cat "$SST_TMP/crt" "$SST_TMP/key" >"$file")
}

CERTS=$SST_TMP/certs
EC=(-newkey ec -pkeyopt ec_paramgen_curve:P-256)
mkdir "$CERTS"
certificate "$CERTS/ec.pem" DNS:shop.example 10 "${EC[@]}"
certificate "$CERTS/rsa.pem" DNS:shop.example,DNS:www.shop.example 10 -newkey rsa:2048
certificate "$CERTS/wild.pem" 'DNS:*.lab.example,IP:192.0.2.7' 20 "${EC[@]}"

it_knows_its_verbs()
{
	exits 0 --help
	says '^usage: sstool VERB'
	exits 0 --version
	says '^sstool [0-9]+\.[0-9]+\.[0-9]+$'
	exits 64
	complains 'which verb'
	exits 64 frobnicate
	complains "no verb 'frobnicate'; see sstool\(1\)"
	exits 64 cert
	exits 64 cert frobnicate
	complains "sstool cert: no verb 'frobnicate'"
	exits 64 $'\e[31m'
	complains 'x1b\[31m'
	exits 64 cert list
	complains 'one PATH'
	exits 64 cert list --frob "$CERTS"
	complains "no option '--frob'"
	exits 64 cert list "$CERTS" --limit
	complains 'takes a value'
	exits 64 cert list --limit x "$CERTS"
	exits 64 cert explain "$CERTS"
	complains 'sni NAME'
	exits 64 cert explain --sni a --sigalgs frob "$CERTS"
	complains "no signature algorithm"
	exits 64 cert explain --sni a --ip 192.0.2.300 "$CERTS"
	exits 64 cert explain --sni a --at yesterday "$CERTS"
	exits 64 connect localhost
	exits 64 connect ::1:443
	exits 64 connect '[::1:443'
	exits 64 status now
	exits 0 options
	says '^86 +TLS_HOSTNAME +text'
}

list_shows_what_is_there()
{
	exits 0 cert list "$CERTS"
	says '^usable +EC-P-256 .*shop\.example'
	says '^usable +RSA-2048 .*www\.shop\.example'
	says 'until [0-9-]{10}T[0-9:]{8}Z'
	exits 0 cert list --json "$CERTS"
	says '^\{"schema":1,.*"names":\["shop.example"\]'
	(($(wc -l <"$SST_TMP/out") == 3)) || wrong "not one object a line"
	check "each line is JSON" python3 -c 'import json, sys
for line in open(sys.argv[1]):
    assert json.loads(line)["not_after"] > 1600000000' "$SST_TMP/out"
	exits 0 cert list --limit 2 "$CERTS"
	says '^2 of 3$'
	exits 0 cert list --limit 2 --json "$CERTS"
	says '^\{"schema":1,"shown":2,"of":3\}$'
}

list_says_what_would_be_refused()
{
	local bad=$SST_TMP/bad
	mkdir "$bad"
	cp -p "$CERTS/ec.pem" "$bad/"
	exits 0 cert list "$bad"
	head -c 200 "$CERTS/wild.pem" >"$bad/torn.pem"
	exits 1 cert list "$bad"
	says '^refused'
	says 'torn\.pem'
	says '^usable .*shop\.example'
	exits 0 cert explain --sni shop.example "$bad"
	says '^  refused: 1; sstool cert list'
	exits 0 cert explain --json --sni shop.example "$bad"
	says '"refused":1,'
	exits 1 cert list --json "$bad"
	says '"state":"refused".*torn\.pem'
	mkdir "$SST_TMP/empty"
	exits 1 cert list "$SST_TMP/empty"
	exits 2 cert list "$SST_TMP/nowhere"
	complains 'nowhere.*[Nn]o such file'
}

a_file_name_cannot_speak_to_the_terminal()
{
	local odd=$SST_TMP/odd
	mkdir "$odd"
	printf 'junk\n' >"$odd/"$'\e[2J.pem'
	"$SSTOOL" cert list "$odd" >"$SST_TMP/out" 2>"$SST_TMP/said"
	grep -qa $'\e' "$SST_TMP/out" "$SST_TMP/said" && wrong "an escape sequence"
	"$SSTOOL" cert list "$odd/"$'\e[2J.pem' >"$SST_TMP/out" 2>"$SST_TMP/said"
	grep -qa $'\e' "$SST_TMP/out" "$SST_TMP/said" && wrong "an escape sequence"
	:
}

explain_says_which_and_why()
{
	exits 0 cert explain --sni shop.example "$CERTS"
	says '^  serve exact +EC-P-256'
	says '^  serve exact +RSA-2048'
	exits 0 cert explain --sni SHOP.example. --sigalgs RSA-PSS+SHA256 "$CERTS"
	says '^  serve exact +RSA-2048'
	says '^  drop  exact +EC-P-256'
	says '^ +why: '
	exits 0 cert explain --sni x.lab.example "$CERTS"
	says '^  serve wildcard EC-P-256.*wild\.pem'
	exits 0 cert explain --no-sni --ip 192.0.2.7 "$CERTS"
	says '^  serve ip '
	exits 1 cert explain --no-sni --ip 192.0.2.8 "$CERTS"
	never '^  serve'
	exits 1 cert explain --sni shop.example --no-sni "$CERTS"	# the last one counts
	says '^no name: nothing to serve'
	exits 1 cert explain --sni nobody.example "$CERTS"
	never '^  serve'
	never 'refused'
	exits 0 cert explain --sni nobody.example --default shop.example "$CERTS"
	says '^  serve default '
	exits 1 cert explain --sni nobody.example --default shop.example --strict \
		"$CERTS"
	exits 2 cert explain --sni a.example "$SST_TMP/nowhere"
}

explain_in_json_says_the_same()
{
	exits 0 cert explain --json --sni shop.example --sigalgs ed25519:ECDSA+SHA256 \
		"$CERTS"
	check "the decision as JSON" python3 -c 'import json, sys
o = json.load(open(sys.argv[1]))
assert o["schema"] == 1 and o["served"] and o["tier"] == "exact", o
assert o["name"] == "shop.example" and o["alert"] == 0, o
served = [c for c in o["candidates"] if c["served"]]
assert [c["key_type"] for c in served] == ["EC-P-256"], o
assert served[0]["source"].endswith("ec.pem"), o
assert len(served[0]["sha256"]) == 64 and served[0]["dropped"] is None, o
dropped = [c for c in o["candidates"] if not c["served"]]
assert [c["key_type"] for c in dropped] == ["RSA-2048"], o
assert dropped[0]["dropped"], o' "$SST_TMP/out"
	exits 1 cert explain --json --sni nobody.example "$CERTS"
	says '"served":false,"tier":"none","alert":112'
}

a_time_can_be_given()
{
	local later
	later=$(($(date +%s) + 15 * 86400))
	exits 0 cert explain --json --sni x.lab.example --at "$later" "$CERTS"
	never 'expired'
	exits 0 cert explain --sni shop.example --at "$(date -u -d "@$later" \
		+%Y-%m-%dT%H:%M:%SZ)" "$CERTS"
	says 'expired'
}

a_reader_that_has_enough_ends_it_quietly()
{
	local out
	out=$({ "$SSTOOL" options; echo "$?" >"$SST_TMP/code"; } 2>&1 | :)
	[[ -z $out ]] || wrong "a closed pipe: $out"
	"$SSTOOL" options >/dev/full 2>"$SST_TMP/said"
	(($? == 69)) || wrong "a full disk is not exit 69"
	complains 'standard output: No space'
}

it_knows_its_verbs
list_shows_what_is_there
list_says_what_would_be_refused
a_file_name_cannot_speak_to_the_terminal
explain_says_which_and_why
explain_in_json_says_the_same
a_time_can_be_given
a_reader_that_has_enough_ends_it_quietly
finish
