#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# sstool_acme - sstool acme-challenge as the hooks of ACME clients call it.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$SST_SOURCE/tests/install/common.sh"

SSTOOL=$SST_BUILD/tools/sstool
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
SECURESOCKETS_AGENT=$(find "$SST_BUILD/src" -name securesocketsd -type f)
export LD_LIBRARY_PATH SECURESOCKETS_AGENT
ADDRESS=127.0.0.1 AT=127.0.0.1
python3 -c 'import socket; socket.socket().bind(("127.0.0.1", 0))' 2>/dev/null ||
	ADDRESS=::1 AT='[::1]'

# exits CODE ARGUMENTS...: output to out and said
exits()
{
	local want=$1 got
	shift
	"$SSTOOL" acme-challenge "$@" >"$SST_TMP/out" 2>"$SST_TMP/said"
	got=$?
	((got == want)) || {
		wrong "sstool acme-challenge $*: exit $got, not $want"
		cat "$SST_TMP/out" "$SST_TMP/said" >&2
	}
}
says() { grep -qE -- "$1" "$SST_TMP/out" || wrong "not said: $1"; }
complains()
{
	grep -qE -- "$1" "$SST_TMP/said" || wrong "not complained: $1"
	(($(wc -l <"$SST_TMP/said") == 1)) || wrong "more than one line of trouble"
}

STORE=$SST_TMP/store
THUMB=9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI
KEYAUTH=evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.$THUMB
HEX=$(printf %s "$KEYAUTH" | openssl dgst -sha256 -r | cut -d' ' -f1)
COLONS=$(printf %s "$KEYAUTH" | openssl dgst -sha256 -c | sed 's/.*= //')
BASE64=$(printf %s "$KEYAUTH" | openssl dgst -sha256 -binary | base64 | tr '+/' '-_' |
	tr -d '=')

# fresh: an empty store
fresh() { rm -rf "$STORE" && mkdir "$STORE" && chmod 755 "$STORE"; }
# identifier FILE: the digest in acmeIdentifier, and whether it is critical
identifier()
{
	openssl x509 -in "$1" -noout -text | grep -A1 '1\.3\.6\.1\.5\.5\.7\.1\.31'
	openssl x509 -in "$1" -outform DER | od -An -v -tx1 | tr -d ' \n' |
		grep -oE '06082b0601050507011f0101ff04220420[0-9a-f]{64}' | tail -c 65
}

every_form_of_the_authorization_gives_the_same_digest()
{
	local form file=$STORE/acme-challenge/a.example.pem
	for form in "$KEYAUTH" "$BASE64" "$HEX" "$COLONS" "${HEX^^}"; do
		fresh
		exits 0 --store "$STORE" a.example "$form"
		says "^$file\$"
		[[ $(identifier "$file" | tail -1) == "$HEX" ]] ||
			wrong "another digest for $form"
		identifier "$file" | grep -q critical || wrong "it is not critical"
	done
	openssl x509 -in "$file" -noout -ext subjectAltName | grep -q 'DNS:a.example$' ||
		wrong "another name"
	openssl verify -CAfile "$file" "$file" >/dev/null 2>&1 ||
		openssl verify -ignore_critical -CAfile "$file" "$file" >/dev/null ||
		wrong "it does not sign itself"
	openssl x509 -in "$file" -noout -checkend $((6 * 24 * 3600)) >/dev/null ||
		wrong "it ends within six days"
	openssl x509 -in "$file" -noout -checkend $((8 * 24 * 3600)) >/dev/null &&
		wrong "it lasts for more than a week"
	[[ $(openssl pkey -in "$file" -pubout) == \
	    $(openssl x509 -in "$file" -noout -pubkey) ]] || wrong "another key"
}

what_is_no_authorization_is_refused()
{
	local form
	fresh
	for form in "" token "$THUMB." ".$THUMB" "a.b.$THUMB" "a!.$THUMB" "${BASE64}A" \
		"${BASE64:1}" "${HEX:1}" "${HEX}0" "g${HEX:1}" "${COLONS/:/-}" "0x${HEX:2}"; do
		exits 64 --store "$STORE" a.example "$form"
		complains KEYAUTH
	done
	[[ -e $STORE/acme-challenge ]] && wrong "something was written"
	exits 64 --store "$STORE" '*.example' "$KEYAUTH"
	complains dns-01
	exits 64 --store "$STORE" ../a.example "$KEYAUTH"
	exits 64 --store "$STORE" '' "$KEYAUTH"
	exits 64 a.example "$KEYAUTH"
	complains 'store DIR'
	exits 64 --store "$STORE" a.example
	exits 64 --store "$STORE" --remove
	exits 64 --store "$STORE" --remove a.example "$KEYAUTH"
	exits 2 --store "$STORE/none" a.example "$KEYAUTH"
	complains none
	exits 0 --store "$STORE" a.example "$KEYAUTH"
}

names_become_files_of_their_own()
{
	fresh
	exits 0 --store "$STORE" A.Example "$KEYAUTH"
	says '/a\.example\.pem$'
	exits 0 --store "$STORE" 192.0.2.1 "$KEYAUTH"
	exits 0 --store "$STORE" 2001:db8::1 "$KEYAUTH"
	exits 0 --store "$STORE" --json bücher.example "$KEYAUTH"
	says '"name": ?"xn--bcher-kva\.example"'
	openssl x509 -in "$STORE/acme-challenge/2001:db8::1.pem" -noout -ext subjectAltName |
		grep -q 'IP Address:2001:DB8:0:0:0:0:0:1$' || wrong "it is for no address"
	(($(find "$STORE/acme-challenge" -type f | wc -l) == 4)) ||
		wrong "more or fewer files than names"
	"$SSTOOL" cert list "$STORE" >"$SST_TMP/out"
	(($(grep -c '^challenge' "$SST_TMP/out") == 4)) ||
		wrong "the store does not take them for challenges"
}

it_is_taken_back()
{
	fresh
	exits 1 --store "$STORE" --remove a.example
	complains 'no challenge for a\.example'
	exits 0 --store "$STORE" a.example "$KEYAUTH"
	exits 0 --store "$STORE" b.example "$KEYAUTH"
	exits 0 --store "$STORE" --remove A.example
	[[ -e $STORE/acme-challenge/a.example.pem ]] && wrong "it is still there"
	[[ -e $STORE/acme-challenge/b.example.pem ]] || wrong "another one went"
	exits 1 --store "$STORE" --remove a.example
	exits 2 --store "$STORE/none" --remove a.example
}

who_may_read_the_store_may_read_it_and_nobody_else()
{
	fresh
	chmod 750 "$STORE"
	umask 0
	exits 0 --store "$STORE" a.example "$KEYAUTH"
	umask 022
	[[ $(stat -c %a "$STORE/acme-challenge") == 750 ]] || wrong "the folder's mode"
	[[ $(stat -c %a "$STORE/acme-challenge/a.example.pem") == 640 ]] ||
		wrong "the file's mode"
	fresh
	chmod 700 "$STORE"
	exits 0 --store "$STORE" a.example "$KEYAUTH"
	[[ $(stat -c %a "$STORE/acme-challenge") == 700 ]] || wrong "the folder's mode"
	[[ $(stat -c %a "$STORE/acme-challenge/a.example.pem") == 600 ]] ||
		wrong "the file's mode"
	if ((EUID == 0)); then
		fresh
		chown 4321:4322 "$STORE"
		exits 0 --store "$STORE" a.example "$KEYAUTH"
		[[ $(stat -c %u:%g "$STORE/acme-challenge/a.example.pem") == 4321:4322 ]] ||
			wrong "the file's owner"
	fi
}

root_does_in_a_directory_of_anothers_what_its_owner_may()
{
	((EUID == 0)) || return 0
	fresh
	chown 4321:4322 "$STORE"
	exits 0 --store "$STORE" a.example "$KEYAUTH"
	[[ $(stat -c %u:%g:%a "$STORE/acme-challenge") == 4321:4322:750 ]] ||
		wrong "the folder's owner"
	exits 0 --store "$STORE" --remove a.example
	# a folder of root's that the owner has moved there
	rm -r "$STORE/acme-challenge"
	mkdir -m 755 "$STORE/acme-challenge"
	echo kept >"$STORE/acme-challenge/a.example.pem"
	exits 2 --store "$STORE" a.example "$KEYAUTH"
	complains 'acme-challenge.*: Permission denied'
	exits 2 --store "$STORE" --remove a.example
	[[ $(<"$STORE/acme-challenge/a.example.pem") == kept ]] || wrong "it was written over"
	[[ $(stat -c %u:%a "$STORE/acme-challenge") == 0:755 ]] || wrong "it was given away"
	# root's own is root's to write to
	chown 0:0 "$STORE"
	exits 0 --store "$STORE" a.example "$KEYAUTH"
	[[ $(<"$STORE/acme-challenge/a.example.pem") == kept ]] && wrong "it was not written"
}

no_link_is_followed()
{
	fresh
	mkdir "$SST_TMP/elsewhere"
	ln -s "$SST_TMP/elsewhere" "$STORE/acme-challenge"
	exits 2 --store "$STORE" a.example "$KEYAUTH"
	[[ -n $(ls "$SST_TMP/elsewhere") ]] && wrong "it was written elsewhere"
	rm "$STORE/acme-challenge"
	exits 0 --store "$STORE" b.example "$KEYAUTH"
	echo kept >"$SST_TMP/elsewhere/file"
	ln -s "$SST_TMP/elsewhere/file" "$STORE/acme-challenge/a.example.pem"
	exits 0 --store "$STORE" a.example "$KEYAUTH"
	[[ -L $STORE/acme-challenge/a.example.pem ]] && wrong "the link is still there"
	[[ $(<"$SST_TMP/elsewhere/file") == kept ]] || wrong "a link was followed"
}

# ask NAME PROTOCOL: what a client of the program is shown, and what it is told
ask()
{
	openssl s_client -connect "$AT:$PORT" -servername "$1" -alpn "$2" \
		</dev/null >"$SST_TMP/client" 2>&1
}
shown() { openssl x509 -in "$SST_TMP/client" -noout -fingerprint 2>/dev/null; }
of() { openssl x509 -in "$1" -noout -fingerprint; }

a_program_that_knows_nothing_of_it_is_validated()
{
	local name file server
	fresh
	openssl req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		-subj /CN=shop -addext subjectAltName=DNS:shop.example \
		-addext basicConstraints=critical,CA:FALSE \
		-keyout "$SST_TMP/key" -out "$SST_TMP/crt" 2>/dev/null
	(umask 077 && cat "$SST_TMP/crt" "$SST_TMP/key" >"$STORE/shop.pem")
	: >"$SST_TMP/demo.out"
	"$SST_BUILD/tools/demo" "$STORE" "$ADDRESS" >"$SST_TMP/demo.out" \
		2>"$SST_TMP/demo.err" &
	server=$!
	SST_JOBS+=("$server")
	PORT=
	while [[ -z $PORT ]] && kill -0 "$server" 2>/dev/null; do
		PORT=$(sed -n 's/^port //p' "$SST_TMP/demo.out")
		sleep 0.05
	done
	[[ -n $PORT ]] || {
		wrong "the demo did not start"
		cat "$SST_TMP/demo.err" >&2
		return
	}
	for name in shop.example new.example 192.0.2.7 2001:db8::7; do
		file=$STORE/acme-challenge/$name.pem
		exits 0 --store "$STORE" --wait "$AT:$PORT" $name "$KEYAUTH"
		ask shop.example acme-tls/1,http/1.1
		grep -q 'no application protocol\|alert number 120' "$SST_TMP/client" ||
			wrong "$name: a list of two protocols is not refused"
		ask shop.example http/1.1
		[[ $(shown) == "$(of "$STORE/shop.pem")" ]] ||
			wrong "$name: a client is shown another certificate"
	done
	# Where no status door can be made there is none to tell.
	if ((EUID == 0)) || [[ -d /run/user/$EUID ]]; then
		exits 0 --store "$STORE" told.example "$KEYAUTH"
		ask told.example acme-tls/1
		[[ $(shown) == "$(of "$STORE/acme-challenge/told.example.pem")" ]] ||
			wrong "the program had not got it when the hook ended"
	fi
	ask new.example acme-tls/1
	[[ $(shown) == "$(of "$STORE/acme-challenge/new.example.pem")" ]] ||
		wrong "the validation is shown another certificate"
	exits 0 --store "$STORE" --remove new.example
	while ask new.example acme-tls/1 && [[ -n $(shown) ]]; do
		sleep 0.05
	done
	kill "$server"
}

every_form_of_the_authorization_gives_the_same_digest
what_is_no_authorization_is_refused
names_become_files_of_their_own
it_is_taken_back
who_may_read_the_store_may_read_it_and_nobody_else
root_does_in_a_directory_of_anothers_what_its_owner_may
no_link_is_followed
a_program_that_knows_nothing_of_it_is_validated
finish
