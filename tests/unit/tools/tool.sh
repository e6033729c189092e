# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2034
#
# tool - sstool in a directory of the test's own: what it says, and certificates.
# Includes tests/install/common.sh.
#
# Root sees the doors of all programs of the machine, and may write where certificates
# are published, so as root it all runs with a /run and a /var/lib of its own, where
# that can be had.
if [[ $(id -u) == 0 && -z ${SST_APART:-} ]] &&
	unshare --mount --propagation private mount -t tmpfs tmpfs /run 2>/dev/null; then
	SST_APART=1 exec unshare --mount --propagation private bash "$0"
fi
if [[ -n ${SST_APART:-} ]]; then
	mount -t tmpfs tmpfs /run || exit 1
	[[ $SST_SOURCE:$SST_BUILD:${TMPDIR:-} == */var/lib/* ]] ||
		mount -t tmpfs -o mode=755 tmpfs /var/lib || exit 1
fi
# shellcheck source=tests/install/common.sh disable=SC1091
. "$SST_SOURCE/tests/install/common.sh"

SSTOOL=$SST_BUILD/tools/sstool
LD_LIBRARY_PATH=$(dirname "$(library securesockets)"):$(dirname "$(library securesockets-openssl)")
export LD_LIBRARY_PATH
export XDG_CACHE_HOME=$SST_TMP/home XDG_RUNTIME_DIR=$SST_TMP/run
unset SSL_CERT_FILE SSL_CERT_DIR RENEWED_LINEAGE RENEWED_DOMAINS
cd "$SST_TMP" || exit 1

# exits CODE ARGUMENTS...: output to out and said
exits()
{
	local want=$1 got
	shift
	"$SSTOOL" "$@" >out 2>said </dev/null
	got=$?
	((got == want)) || {
		wrong "sstool $*: exit $got, not $want"
		cat out said >&2
	}
}
says() { grep -qE -- "$1" out || wrong "not said: $1 ($(cat out))"; }
never() { grep -qE -- "$1" out && wrong "said: $1 ($(cat out))"; }
complains()
{
	grep -qE -- "$1" said || wrong "not complained: $1 ($(cat said))"
	(($(wc -l <said) == 1)) || wrong "not one line of trouble: $(cat said)"
}
quiet() { [[ ! -s said ]] || wrong "trouble: $(cat said)"; }
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

EC=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
# authority NAME: root.pem, and NAME.pem and NAME.key below it
authority()
{
	[[ -e root.pem ]] || check "a root is made" openssl req -x509 "${EC[@]}" \
		-keyout root.key -out root.pem -subj /CN=root -days 400
	printf 'basicConstraints = critical,CA:TRUE\n' >ca.ext
	check "a request is made" openssl req -new "${EC[@]}" -keyout "$1.key" \
		-out ca.csr -subj "/CN=$1"
	check "a CA is made" openssl x509 -req -in ca.csr -CA root.pem -CAkey root.key \
		-days 400 -set_serial "0x$RANDOM" -extfile ca.ext -out "$1.pem"
}
# leaf CHAIN KEY SUBJECTALTNAME FROM UNTIL [NEWKEY...]: by ca; times in days from now
leaf()
{
	local chain=$1 key=$2 names=$3 from=$4 until=$5
	shift 5
	(($#)) || set -- "${EC[@]}"
	printf '%s\n' '[ca]' 'default_ca = d' '[d]' 'database = issued' 'serial = number' \
		'new_certs_dir = .' 'default_md = sha256' 'policy = p' \
		'unique_subject = no' 'x509_extensions = e' '[p]' \
		'commonName = optional' '[e]' "subjectAltName = $names" \
		${MORE_EXTENSIONS:+"$MORE_EXTENSIONS"} >leaf.cnf
	[[ -e issued ]] || { : >issued && echo 1001 >number; }
	check "a request is made" openssl req -new "$@" -keyout "$key" -out leaf.csr \
		-subj /CN=leaf
	check "a certificate is made" openssl ca -batch -config leaf.cnf -cert ca.pem \
		-keyfile ca.key -in leaf.csr -out leaf.pem -notext \
		-startdate "$(days "$from")" -enddate "$(days "$until")"
	cat leaf.pem ca.pem >"$chain"
	chmod 600 "$key"
}
days() { date -u -d "@$((NOW + $1 * 86400))" +%Y%m%d%H%M%SZ; }
# pair FILE SUBJECTALTNAME FROM UNTIL [NEWKEY...]: chain and key in one
pair()
{
	local file=$1
	leaf pair.chain pair.key "${@:2}"
	(umask 077 && cat pair.chain pair.key >"$file")
}
NOW=$(date +%s)
# door NAME: starts door.py for NAME.json, at NAME of the user's doors
door()
{
	rm -f "$1.json.ready"
	python3 "$SST_SOURCE/tests/unit/tools/door.py" \
		"$XDG_RUNTIME_DIR/securesockets/$1.sock" "$1.json" &
	SST_JOBS+=($!)
	until [[ -e $1.json.ready ]]; do
		kill -0 $! || exit 1
	done
}
