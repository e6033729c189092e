#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_verify - sstool verify and why: a chain, the evidence that is given, the
# exit code and the JSON. Nothing is fetched, but from a port that nobody serves.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$SST_SOURCE/tests/install/common.sh"
# shellcheck source=tests/unit/tools/verify_pki.sh disable=SC1091
. "$SST_SOURCE/tests/unit/tools/verify_pki.sh"

SSTOOL=$SST_BUILD/tools/sstool
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
export LD_LIBRARY_PATH
export XDG_CACHE_HOME=$SST_TMP/cache XDG_CONFIG_HOME=$SST_TMP/config
unset SSL_CERT_FILE SSL_CERT_DIR

# verify CODE ARGUMENTS...: with the root, offline; output to out and said
verify()
{
	local want=$1 got
	shift
	"$SSTOOL" "${VERB:-verify}" --no-fetch --no-cache "$@" >"$SST_TMP/out" 2>"$SST_TMP/said"
	got=$?
	((got == want)) || {
		wrong "sstool ${VERB:-verify} $*: exit $got, not $want"
		cat "$SST_TMP/out" "$SST_TMP/said" >&2
	}
}
# The same below the root.
chain() { verify "$1" --trust root.pem --untrusted ca.pem "${@:2}"; }
says() { grep -qE -- "$1" "$SST_TMP/out" || wrong "not said: $1 ($(cat "$SST_TMP/out"))"; }
never() { grep -qE -- "$1" "$SST_TMP/out" && wrong "said: $1"; }
complains()
{
	grep -qE -- "$1" "$SST_TMP/said" || wrong "not complained: $1"
	(($(wc -l <"$SST_TMP/said") == 1)) || wrong "not one line of trouble"
}
# json EXPRESSION: of the last output, as `o`
json()
{
	python3 -c 'import json, sys
o = json.load(open(sys.argv[1]))
assert eval(sys.argv[2]), o' "$SST_TMP/out" "$1" 2>"$SST_TMP/json" || {
		wrong "not so: $1"
		tail -n 1 "$SST_TMP/json" >&2
	}
}

cd "$SST_TMP" || exit 1
make >make.log 2>&1 || {
	tail make.log >&2
	exit 1
}
NOW=$(date +%s)

the_command_line_is_judged()
{
	verify 64
	complains 'one CERT'
	verify 64 leaf.pem twin.pem
	verify 64 --frob leaf.pem
	complains "no option '--frob'"
	verify 64 leaf.pem --crl
	complains 'takes a value'
	local pair
	for pair in '--policy strict' '--purpose mail' '--at noon' '--at 0' '--at -5' \
		'--at 253402300800' '--at 9223372036854775808' '--max-age 0' '--max-age 5x' '--max-age 99999999999' '--security-level 6' \
		'--security-level -1'; do
		# shellcheck disable=SC2086
		verify 64 $pair leaf.pem
		complains "sstool verify: ${pair%% *} "
		# shellcheck disable=SC2086
		verify 64 $pair --json leaf.pem
		complains "sstool verify: ${pair%% *} "
		json "o['result'] == 'error' and '${pair%% *}' in o['reason'] and o['chain'] == []"
	done
	verify 64 --json
	json 'o["schema"] == 1 and o["result"] == "error" and o["reason"] == "one CERT"'
	verify 64 leaf.pem --json --crl
	json '"takes a value" in o["reason"]'
	verify 64 -- leaf.pem --json
	[[ -s $SST_TMP/out ]] && wrong "an answer to a wrong command line"
	cp leaf.pem ./-leaf.pem
	chain 0 -- -leaf.pem
	# past what 32 bits hold
	chain 1 --at 4294967296 leaf.pem
	says 'expired'
}

a_chain_must_reach_an_anchor()
{
	chain 0 leaf.pem
	says '^accept: '
	says '^error +CN = leaf +serial abcdef: it names sources'
	says '^no_source +CN = ca +serial 1001: '
	says '^exempt +CN = Root .*it is the trust anchor$'
	verify 1 --trust root.pem leaf.pem
	says '^reject: the chain does not verify: unable to get local issuer'
	says '^unknown +CN = leaf .*not judged'
	verify 1 --untrusted ca.pem leaf.pem
	# an anchor that did not sign itself, and one that is the certificate itself
	verify 0 --trust ca.pem leaf.pem
	says '^exempt +CN = ca .*it is the trust anchor$'
	verify 0 --trust leaf.pem --policy staple leaf.pem
	says '^accept: it is a trust anchor itself'
	says '^exempt +CN = leaf .*it is a trust anchor itself$'
	verify 1 --trust twin.pem leaf.pem
}

# RFC 5280 6.1.1 d: an anchor is a name and a key.
a_named_anchor_need_not_say_that_it_is_one()
{
	local anchor
	for anchor in bare old bareku barewww; do
		verify 0 --trust $anchor.pem below_$anchor.pem
		says "^exempt +CN = $anchor .*it is the trust anchor\$"
		verify 0 --purpose any --trust $anchor.pem below_$anchor.pem
	done
	for anchor in baree bareno; do
		verify 1 --trust $anchor.pem below_$anchor.pem
		says 'the chain does not verify'
		verify 1 --purpose any --trust $anchor.pem below_$anchor.pem
	done
	# for another purpose
	verify 1 --trust bareclient.pem below_bareclient.pem
	verify 0 --purpose any --trust bareclient.pem below_bareclient.pem
	verify 0 --purpose client --trust bareclient.pem client_bareclient.pem
	# also where the path goes on; but not as what it cannot be itself
	verify 0 --trust root.pem --trust bare.pem below_bare.pem
	verify 1 --trust bareku.pem bareku.pem
	# nobody named the system's
	SSL_CERT_FILE=root.pem verify 0 --untrusted ca.pem leaf.pem
	SSL_CERT_FILE=bare.pem verify 1 below_bare.pem
	# an intermediate must say so, whatever is named beside it
	verify 1 --trust root.pem --untrusted bare.pem below_bare.pem
	verify 1 --trust root.pem --trust twin.pem --untrusted bare.pem below_bare.pem
	# it signs answers as any CA
	verify 0 --policy hard --trust bare.pem --crl bare.crl below_bare.pem
	says '^good +CN = below_bare '
	verify 0 --policy hard --trust bare.pem --ocsp bare.ocsp below_bare.pem
	says '^good +CN = below_bare '
	verify 1 --policy hard --trust bare.pem --crl root.crl below_bare.pem
}

# RFC 5280 4.2.1.11: the CA demands that its policies hold.
policies_count_where_a_ca_demands_them()
{
	verify 0 --trust root.pem --untrusted strict.pem policed.pem
	verify 1 --trust root.pem --untrusted strict.pem unpoliced.pem
	says 'no explicit policy'
	chain 0 policed_otherwise.pem
}

a_list_decides()
{
	chain 0 --crl good.crl --policy hard leaf.pem
	says '^good +CN = leaf .*a CRL that is fresh'
	chain 1 --policy hard leaf.pem
	chain 1 --crl bad.crl leaf.pem
	says '^revoked +CN = leaf .*keyCompromise'
	chain 0 --crl bad.crl --policy hard twin.pem
	chain 1 --crl good.crl --crl bad.crl leaf.pem
	chain 0 --crl bad.crl --policy off leaf.pem
	# of another issuer: no answer
	chain 1 --crl root.crl --policy hard leaf.pem
}

an_intermediate_is_judged()
{
	chain 0 --crl good.crl --crl root.crl --policy hard leaf.pem
	says '^good +CN = ca '
	chain 1 --crl good.crl --crl rootbad.crl leaf.pem
	says '^reject: the CA certificate /CN=ca was refused'
	says '^revoked +CN = ca .*cACompromise'
	says '^good +CN = leaf'
}

a_response_decides()
{
	chain 0 --ocsp good.ocsp --policy hard leaf.pem
	says '^good +CN = leaf .*an OCSP response'
	chain 1 --ocsp bad.ocsp leaf.pem
	says '^revoked +CN = leaf '
	chain 1 --ocsp unknown.ocsp twin.pem
	says '^unknown +CN = twin '
	chain 0 --ocsp unknown.ocsp --crl good.crl twin.pem
	# about another certificate
	chain 1 --ocsp good.ocsp --policy hard twin.pem
}

a_staple_is_wanted_or_not()
{
	chain 0 --staple good.ocsp --policy staple leaf.pem
	says '^good +CN = leaf .*a staple'
	chain 1 --ocsp good.ocsp --policy staple leaf.pem
	chain 1 --crl good.crl must.pem
	says 'RFC 7633'
	chain 0 --staple must.ocsp must.pem
	chain 1 --staple good.ocsp must.pem
}

the_name_counts()
{
	local name
	for name in www.example.com WWW.example.com. 192.0.2.1 2001:db8::1 ::ffff:192.0.2.1; do
		chain 0 --name "$name" leaf.pem
	done
	for name in example.com leaf 192.0.2.2 2001:db8::2; do
		chain 1 --name "$name" leaf.pem
		says 'mismatch'
	done
	chain 2 --name '*.example.com' leaf.pem
	complains 'pattern'
}

the_time_counts()
{
	chain 0 --at "$NOW" --crl good.crl --policy hard leaf.pem
	chain 0 --at $((NOW + 5 * 86400)) --crl good.crl --policy hard leaf.pem
	chain 1 --at $((NOW + 6 * 86400)) --crl good.crl --policy hard leaf.pem
	says '^stale '
	chain 0 --at $((NOW + 6 * 86400)) --crl good.crl leaf.pem
	chain 1 --at $((NOW + 35 * 86400)) leaf.pem
	says 'expired'
	chain 1 --at "$(date -u -d "@$((NOW - 86400))" +%Y-%m-%dT%H:%M:%SZ)" leaf.pem
	says 'not yet valid'
	# what is revoked stays so
	chain 1 --at $((NOW + 20 * 86400)) --crl bad.crl leaf.pem
}

an_age_can_be_asked_for()
{
	# and shortens the life of what announces no end of its own, but lengthens none
	openssl ocsp -index ca.index -CA ca.pem -rsigner ca.pem -rkey ca.key -issuer ca.pem \
		-cert must.pem -respout endless.ocsp -no_nonce >>make.log 2>&1
	local endless=(--policy staple --staple endless.ocsp)
	chain 0 --at $((NOW + 3000)) "${endless[@]}" must.pem
	chain 1 --at $((NOW + 7200)) --crl good.crl "${endless[@]}" must.pem
	chain 1 --at $((NOW + 7200)) --max-age 86400 "${endless[@]}" must.pem
	chain 0 --at $((NOW + 3000)) --max-age 86400 "${endless[@]}" must.pem
	chain 1 --at $((NOW + 3000)) --max-age 1800 "${endless[@]}" must.pem
	local at=$((NOW + 2 * 86400))
	chain 0 --at $at --max-age $((3 * 86400)) --crl good.crl --policy hard leaf.pem
	chain 1 --at $at --max-age $((1 * 86400)) --crl good.crl --policy hard leaf.pem
	says '^stale '
}

the_purpose_counts()
{
	chain 0 --purpose client client.pem
	chain 1 client.pem
	says 'purpose'
	chain 0 leaf.pem
	chain 1 --purpose client leaf.pem
	chain 0 --purpose any leaf.pem
	chain 0 --purpose any client.pem
}

the_security_level_counts()
{
	chain 1 small.pem
	says 'key too weak'
	chain 0 --security-level 1 small.pem
	chain 0 --security-level 0 small.pem
	chain 0 --security-level 3 --crl good.crl --policy hard leaf.pem
	chain 1 --security-level 4 leaf.pem
	local option
	for option in '--crl weak.crl' '--ocsp weak.ocsp' '--staple weak.ocsp'; do
		# shellcheck disable=SC2086
		verify 0 --security-level 0 --policy hard --trust weak.pem $option below_weak.pem
		# shellcheck disable=SC2086
		verify 1 --security-level 1 --trust weak.pem $option below_weak.pem
		says 'the chain does not verify'
	done
	for option in '--crl sha1.crl' '--ocsp sha1.ocsp'; do
		# shellcheck disable=SC2086
		chain 0 --security-level 0 --policy hard $option leaf.pem
		# shellcheck disable=SC2086
		chain 1 --security-level 1 --policy hard $option leaf.pem
		says 'SHA1, which is below security level 1'
	done
}

files_may_hold_many_objects_in_both_forms()
{
	openssl x509 -in leaf.pem -outform DER -out leaf.der
	openssl x509 -in ca.pem -outform DER -out ca.der
	openssl x509 -in root.pem -outform DER -out root.der
	openssl crl -in good.crl -outform DER -out good.der
	openssl crl -in root.crl -outform DER -out rootcrl.der
	cat good.der rootcrl.der >both.der
	cat root.crl good.crl >both.pem
	cat leaf.pem ca.pem >chain.pem
	cat leaf.der ca.der >chain.der
	{
		echo '-----BEGIN OCSP RESPONSE-----'
		base64 <good.ocsp
		echo '-----END OCSP RESPONSE-----'
	} >good.ocsp.pem
	verify 0 --trust root.der --policy hard --crl both.der chain.der
	says '^good +CN = ca '
	verify 0 --trust root.pem --policy hard --crl both.pem chain.pem
	says '^good +CN = ca '
	verify 0 --trust root.pem --policy hard --crl root.crl --crl good.der chain.pem
	chain 0 --policy hard --ocsp good.ocsp.pem leaf.pem
	chain 0 --policy staple --staple good.ocsp.pem - <leaf.pem
	cat twin.pem root.pem >anchors.pem
	verify 0 --trust anchors.pem chain.pem
	{
		cat leaf.key
		cat chain.pem
	} >pair.pem
	verify 0 --trust root.pem pair.pem
}

what_cannot_be_read_is_not_an_answer()
{
	verify 2 --trust nowhere.pem leaf.pem
	complains 'nowhere.pem: No such file'
	verify 2 --trust root.pem nowhere.pem
	verify 2 --trust leaf.key leaf.pem
	complains 'no CERTIFICATE in it'
	chain 2 --crl nowhere.crl leaf.pem
	chain 2 --crl leaf.pem leaf.pem
	complains 'no X509 CRL in it'
	: >empty
	chain 2 --ocsp empty leaf.pem
	complains 'empty'
	verify 2 --trust root.pem .
	complains 'Is a directory'
	printf 'no key, no list\n' >words
	local option
	for option in --trust --untrusted --crl --ocsp --staple; do
		chain 2 $option words leaf.pem
		complains 'words: neither PEM nor DER'
		chain 2 $option empty leaf.pem
		complains 'empty: it is empty'
		chain 2 $option . leaf.pem
		complains 'Is a directory'
		chain 2 $option nowhere leaf.pem
		complains 'No such file'
		chain 2 --json $option words leaf.pem
		json 'o["result"] == "error" and "words" in o["reason"]'
	done
	verify 2 --trust root.pem words
	complains 'neither PEM nor DER'
	# words may stand before, and may begin as DER does
	{
		echo '0 is the first of the chain'
		cat leaf.pem
	} >told.pem
	chain 0 told.pem
	# what somebody sent, and does not parse, is refused
	printf '\x30\x03junk' >junk.der
	verify 1 --trust root.pem junk.der
	says '^reject: junk.der: certificate 1 of it does not parse'
	verify 1 --trust root.pem --untrusted junk.der leaf.pem
	verify 2 --trust junk.der leaf.pem
	# and evidence that does not parse is none
	cp good.ocsp torn.ocsp
	printf x >>torn.ocsp
	chain 1 --policy hard --ocsp torn.ocsp leaf.pem
	says 'malformed'
	head -c 100 good.der >torn.der
	chain 1 --policy hard --crl torn.der leaf.pem
	chain 0 --policy hard --crl torn.der --crl good.crl leaf.pem
}

the_answer_as_json()
{
	chain 1 --json --crl good.crl --crl bad.crl leaf.pem
	json 'o["schema"] == 1 and o["result"] == "reject" and "keyCompromise" in o["reason"]'
	json '[c["subject"] for c in o["chain"]] == ["CN = leaf", "CN = ca", "CN = Root"]'
	json '[c["verdict"] for c in o["chain"]] == ["revoked", "no_source", "exempt"]'
	json 'o["chain"][0]["serial"] == "abcdef" and o["chain"][1]["serial"] == "1001"'
	json 'o["chain"][0]["source"] == "crl" and o["chain"][1]["source"] == "none"'
	json 'o["chain"][0]["revocation_reason"] == "keyCompromise"'
	json "abs(o['chain'][0]['revoked_at'] - $NOW) < 100"
	json 'o["chain"][0]["next_update"] - o["chain"][0]["this_update"] == 7 * 86400'
	json 'o["chain"][0]["why"] != "" and o["chain"][1]["revoked_at"] == 0'
	json 'o["chain"][1]["revocation_reason"] == "" and "evidence" not in o["chain"][0]'
	chain 0 --json --staple good.ocsp leaf.pem
	json 'o["result"] == "accept" and o["chain"][0]["source"] == "staple"'
	json 'o["chain"][0]["verdict"] == "good" and o["chain"][0]["revoked_at"] == 0'
	chain 0 --json --ocsp good.ocsp leaf.pem
	json 'o["chain"][0]["source"] == "ocsp"'
	verify 1 --json --trust root.pem leaf.pem
	json 'o["result"] == "reject" and o["chain"][0]["verdict"] == "unknown"'
	json '"not judged" in o["chain"][0]["why"] and len(o["chain"]) == 1'
	verify 2 --json --trust nowhere.pem leaf.pem
	json 'o["result"] == "error" and "nowhere.pem" in o["reason"] and o["chain"] == []'
	[[ -s $SST_TMP/said ]] && wrong "JSON, and trouble besides"
	chain 2 --json --crl nowhere.crl leaf.pem
	json 'o["result"] == "error" and len(o["chain"]) == 3'
	(($(wc -l <"$SST_TMP/out") == 1)) || wrong "not one line"
}

why_shows_every_piece()
{
	local VERB=why
	chain 1 --crl good.crl --crl bad.crl --ocsp good.ocsp leaf.pem
	says '^revoked +CN = leaf'
	says '^ +- crl: good, fresh, [0-9TZ:-]+ to '
	says '^ +- crl: revoked on [0-9TZ:-]+ keyCompromise, fresh'
	says '^ +- ocsp: good, fresh'
	says '^cache: memory'
	chain 0 --json --crl good.crl leaf.pem
	json 'o["chain"][0]["evidence"][0].startswith("crl: good, fresh, ")'
	json 'o["chain"][1]["evidence"] == [] and o["cache"] == "memory"'
	verify 64
	complains 'sstool why: one CERT'
}

# The responder's address is not public, and is not asked.
fetching_and_keeping_can_be_left_out()
{
	"$SSTOOL" why --no-cache --trust root.pem --untrusted ca.pem leaf.pem >out 2>said ||
		wrong "soft refused what cannot be fetched"
	says 'blocked'
	chain 0 leaf.pem
	never 'blocked'
	"$SSTOOL" verify --no-fetch --trust root.pem --untrusted ca.pem --staple good.ocsp \
		leaf.pem >out 2>said || wrong "a good staple was refused"
	"$SSTOOL" verify --no-fetch --json --policy hard --trust root.pem --untrusted ca.pem \
		leaf.pem >out 2>said || wrong "the staple was not kept"
	json 'o["chain"][0]["source"] == "cache"'
	chain 1 --policy hard leaf.pem
	"$SSTOOL" why --no-fetch --trust root.pem --untrusted ca.pem leaf.pem >out
	says '^cache: .*user .*cache/securesockets'
	says '^ +- staple, kept: good'
}

# As connections have it: the file allows the address, where nobody serves.
the_machines_file_counts()
{
	printf 'fetch: { allow = [ "127.0.0.1:9" ]; };\n' >conf
	SECURESOCKETS_CONF=$SST_TMP/conf "$SSTOOL" why --no-cache --trust root.pem \
		--untrusted ca.pem leaf.pem >out 2>said || wrong "soft refused it"
	never 'blocked'
	says 'connect'
	printf 'fetch: { alow = [ "127.0.0.1:9" ]; };\n' >conf
	SECURESOCKETS_CONF=$SST_TMP/conf verify 2 --trust root.pem --untrusted ca.pem leaf.pem
	complains 'conf:1: '
}

a_name_cannot_speak_to_the_terminal()
{
	openssl req -x509 "${EC[@]}" -keyout odd.key -out odd.pem -days 9 \
		-subj $'/CN=\e[2Jodd' 2>/dev/null
	verify 0 --trust odd.pem odd.pem
	grep -qa $'\e' "$SST_TMP/out" && wrong "an escape sequence"
	verify 1 --trust root.pem odd.pem
	verify 2 --trust root.pem $'\e[2J.pem'
	grep -qa $'\e' "$SST_TMP/said" && wrong "an escape sequence"
	:
}

the_command_line_is_judged
a_chain_must_reach_an_anchor
a_named_anchor_need_not_say_that_it_is_one
policies_count_where_a_ca_demands_them
a_list_decides
an_intermediate_is_judged
a_response_decides
a_staple_is_wanted_or_not
the_name_counts
the_time_counts
an_age_can_be_asked_for
the_purpose_counts
the_security_level_counts
files_may_hold_many_objects_in_both_forms
what_cannot_be_read_is_not_an_answer
the_answer_as_json
why_shows_every_piece
fetching_and_keeping_can_be_left_out
the_machines_file_counts
a_name_cannot_speak_to_the_terminal
finish
