#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# readme - the program in the README is at most 15 lines, compiles without a
# warning, and does what the README says of it.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

readme_program >"$SST_TMP/program.c"
lines=$(grep -c '[^[:space:]]' "$SST_TMP/program.c")
((lines >= 10 && lines <= 15)) || wrong "the program has $lines lines"

LIB=$(dirname "$(library securesockets)")
export LD_LIBRARY_PATH=$LIB
SECURESOCKETS_AGENT=$(find "$SST_BUILD/src" -name securesocketsd -type f)
export SECURESOCKETS_AGENT

build()
{
	"$CC" -std=gnu11 -O2 -D_FORTIFY_SOURCE=2 -Wall -Wextra -Werror \
		"${SANITIZE[@]}" -I "$SST_SOURCE/include" "$1" -o "$2" -L "$LIB" \
		-lsecuresockets
}
check "the program compiles as it is" build "$SST_TMP/program.c" "$SST_TMP/program"

# One certificate, for this machine's own names.
CERTS=$SST_TMP/certs
mkdir "$CERTS"
printf '%s\n' '[req]' 'distinguished_name = dn' 'prompt = no' \
	'x509_extensions = ext' '[dn]' 'CN = hello.example' '[ext]' \
	'subjectAltName = DNS:hello.example' >"$SST_TMP/cnf"
check "a certificate is made" openssl req -x509 -newkey ec -pkeyopt \
	ec_paramgen_curve:P-256 -nodes -days 2 -config "$SST_TMP/cnf" \
	-keyout "$CERTS/key.pem" -out "$CERTS/fullchain.pem"

# answer PORT: what a client reads from the server
answer()
{
	local address
	for address in 127.0.0.1 '[::1]'; do
		curl -s --noproxy '*' --http0.9 --cacert "$CERTS/fullchain.pem" \
			--resolve "hello.example:$1:$address" \
			"https://hello.example:$1/" && return
	done
}

# It takes a fixed port, so here another one is tried until one is free.
serves_hello()
{
	local port pid n text=
	for ((n = 0; n < 20; n++)); do
		port=$((20000 + RANDOM % 12000))
		sed -e "s|htons(443)|htons($port)|" \
			-e "s|\"/etc/letsencrypt/live\", 22|\"$CERTS\", ${#CERTS} + 1|" \
			"$SST_TMP/program.c" >"$SST_TMP/server.c"
		build "$SST_TMP/server.c" "$SST_TMP/server" || return 1
		"$SST_TMP/server" &
		pid=$!
		SST_JOBS+=("$pid")
		while kill -0 "$pid" 2>/dev/null; do
			text=$(answer "$port")
			[[ $text == hello ]] && return 0
			[[ -z $text ]] || return 1
			sleep 0.05
		done
	done
	return 1
}
check "the program serves hello to curl" serves_hello

# What is linked, and what is loaded later.
libraries()
{
	local file
	for file in "$(library securesockets)" "$(library securesockets-openssl)" \
		"$SECURESOCKETS_AGENT" "$(find "$SST_BUILD/tools" -name sstool -type f)"; do
		objdump -p "$file" | awk '$1 == "NEEDED" { print $2 }'
	done | grep -vE '^(libsecuresockets|libc\.so|libm\.so|ld-|lib[a-z]*san\.so|libgcc_s)' | sort -u
	sed -n 's/^#define LIBRARY.*"\(.*\)"$/\1/p' "$SST_SOURCE/ocsp/curl_calls.c"
}

names_packages()
{
	local library package n=0
	for library in $(libraries); do
		package=$(dpkg -S "*/$library" | sed -n 's/:.*//p' | head -n 1)
		n=$((n + 1))
		grep -qE "(^|[\` ])$package([\` ]|\$)" "$SST_SOURCE/README.md" || {
			echo "$library: ${package:-no package}"
			return 1
		}
	done
	((n > 5))
}
# Only Debian's names are said.
[[ -n $(command -v dpkg) && $(. /etc/os-release && echo "$ID $VERSION_ID") == "debian 12" ]] &&
	check "the README names the packages of every library" names_packages
finish
