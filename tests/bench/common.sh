# SPDX-License-Identifier: ISC
#
# common - what the benchmark scripts share: the release build, a throw-away
# certificate, versions, medians. Sourced; leaves $bin, $tmp, $pem, $ca.
# SST_BENCH_BUILD names another folder than build/release to build in.

top=$(cd "$(dirname "$0")/../.." && pwd)
bin=${SST_BENCH_BUILD:-$top/build/release}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The system's anchors are looked up by hash, unless a bundle is named here.
unset SSL_CERT_FILE SSL_CERT_DIR

# build_release TARGET...: what is measured is what is shipped.
build_release() {
	(cd "$top" && cmake --preset release -B "$bin" >"$tmp/log" 2>&1 &&
	    cmake --build "$bin" --target "$@" >"$tmp/log" 2>&1) || {
		cat "$tmp/log" >&2
		exit 69
	}
	export SECURESOCKETS_AGENT=$bin/src/securesocketsd
}

# certificate: $pem holds key and chain of "localhost" (ECDSA P-256), $ca its CA.
certificate() {
	ca=$tmp/ca.pem pem=$tmp/localhost.pem
	local key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
	# shellcheck disable=SC2086
	openssl req -x509 $key -keyout "$tmp/ca.key" -out "$ca" -subj "/CN=bench CA" \
	    -days 30 2>/dev/null
	# shellcheck disable=SC2086
	openssl req $key -keyout "$tmp/leaf.key" -out "$tmp/leaf.csr" \
	    -subj "/CN=localhost" 2>/dev/null
	printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' \
	    >"$tmp/ext"
	openssl x509 -req -in "$tmp/leaf.csr" -CA "$ca" -CAkey "$tmp/ca.key" -days 30 \
	    -extfile "$tmp/ext" -out "$tmp/leaf.pem" 2>/dev/null
	cat "$tmp/leaf.key" "$tmp/leaf.pem" >"$pem"
	chmod 600 "$pem"
}

# memory_cgroup NAME: $cgroup is a new memory cgroup, or empty with the reason
# said. memory_cgroup_enter moves a subshell into it, memory_cgroup_end removes
# it (a pair outlives its program by half a minute: it is moved out).
cgroup=
memory_cgroup() {
	local root
	for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
		cgroup=$root/bench.$$.$1
		mkdir "$cgroup" 2>/dev/null || continue
		[ -e "$cgroup/memory.stat" ] && return
		rmdir "$cgroup"
	done
	cgroup=
	echo "no memory cgroup: it takes root and a writable /sys/fs/cgroup" >&2
}

memory_cgroup_enter() {
	[ -z "$cgroup" ] || echo "$BASHPID" >"$cgroup/cgroup.procs"
}

memory_cgroup_end() {
	local p
	[ -n "$cgroup" ] || return 0
	while read -r p; do
		echo "$p" >"${cgroup%/*}/cgroup.procs" || :
	done <"$cgroup/cgroup.procs" 2>/dev/null
	for _ in $(seq 20); do
		rmdir "$cgroup" 2>/dev/null && break
		sleep 0.1
	done
	cgroup=
}

# end_pair PID: keeper and relay of a program that has ended are gone. They would
# stay for half a minute, and end in the middle of what is measured next.
end_pair() {
	local pair title="^securesocketsd: .*\[$1\]"
	pair=$(pgrep -f "$title") || return 0
	# shellcheck disable=SC2086
	kill $pair 2>/dev/null || :
	while pgrep -f "$title" >/dev/null; do
		sleep 0.1
	done
}

# first_line FILE: once there is one; a program's port, as a rule.
first_line() {
	local i
	for i in $(seq 1200); do
		[ -s "$1" ] && { head -n 1 "$1"; return; }
		sleep 0.05
	done
	echo "no line in $1 after $((i / 20)) s: the program did not start" >&2
	exit 1
}

# median of the numbers on standard input, one a line.
median() {
	sort -g | awk '{ v[NR] = $1 }
	    END { printf "%.4g", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

versions() {
	printf '%s; %s; %s cores; %s\n' "$(uname -sr)" "$(openssl version)" "$(nproc)" \
	    "$(cc --version | head -n 1)"
}
