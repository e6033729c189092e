# SPDX-License-Identifier: ISC
#
# fronts - a plain server with TLS in front of it: by way 1, hitch, stunnel4,
# haproxy. Sourced after common.sh by `fronts` and `idle_fronts`.
#
# Each front has a plain server of its own; ours is the same program on a socket of
# protocol IPPROTO_TLS. The certificate, the cipher suite and the group are the
# same, none sends tickets or keeps sessions, none logs, and each has a worker for
# every core where it has workers (way 1 has one). Both sides of a relay have
# TCP_NODELAY, which is the default of all of them. Leaves of each front NAME:
# ${port[NAME]}, ${front[NAME]} and ${server[NAME]} (the root of its processes).

declare -A port front server package=([hitch]=hitch [stunnel]=stunnel4 [haproxy]=haproxy)
cores=$(nproc)
pids=

stop_fronts() {
	# shellcheck disable=SC2086
	kill $pids 2>/dev/null || :
	# shellcheck disable=SC2086
	wait $pids 2>/dev/null || :
	pids=
	[ -z "${server[ours]:-}" ] || end_pair "${server[ours]}"
}

leave() {
	stop_fronts
	memory_cgroup_end
	rm -rf "$tmp"
}
trap leave EXIT

free_port() {
	python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# need_fronts NAME...: they are installed, or the way to get them is said.
need_fronts() {
	local name missing=
	for name; do
		[ -n "${package[$name]:-}" ] || {
			echo "$name: none of ${!package[*]}" >&2
			exit 64
		}
		command -v "${package[$name]}" >/dev/null || missing="$missing ${package[$name]}"
	done
	[ -z "$missing" ] && return
	echo "not installed:$missing. To measure beside them:" >&2
	echo "    apt-get install -y --no-install-recommends$missing" >&2
	exit 69
}

versions_of() {
	local name
	for name; do
		case $name in
		hitch) hitch --version ;;
		haproxy) haproxy -v | head -n 1 ;;
		stunnel) stunnel4 -version 2>&1 | grep '^stunnel' ;;
		esac
	done
}

# plain_server NAME ARGUMENT...: starts one; its port is in $at.
plain_server() {
	local name=$1
	shift
	(
		memory_cgroup_enter
		exec "$bin/tests/bench/plainserver" "$@"
	) >"$tmp/$name.port" &
	server[$name]=$!
	pids="$pids $!"
	at=$(first_line "$tmp/$name.port")
}

# OpenSSL's own switch, as haproxy, stunnel and hitch have none for TLS 1.3.
openssl_conf() {
	cat >"$tmp/openssl.cnf" <<-EOF
	openssl_conf = init
	[init]
	ssl_conf = ssl
	[ssl]
	system_default = all
	[all]
	NumTickets = 0
	EOF
}

hitch_conf() {
	cat <<-EOF
	frontend = { host = "127.0.0.1" port = "$1" }
	backend = "[127.0.0.1]:$2"
	pem-file = "$pem"
	workers = $cores
	backlog = 4096
	tls-protos = TLSv1.3
	ciphersuites = "TLS_AES_256_GCM_SHA384"
	ecdh-curve = "X25519"
	user = "nobody"
	group = "nogroup"
	log-level = 0
	syslog = off
	ocsp-dir = ""
	daemon = off
	EOF
}

stunnel_conf() {
	cat <<-EOF
	foreground = yes
	pid =
	syslog = no
	debug = emerg
	[front]
	accept = 127.0.0.1:$1
	connect = 127.0.0.1:$2
	cert = $pem
	sslVersion = TLSv1.3
	ciphersuites = TLS_AES_256_GCM_SHA384
	curves = X25519
	options = NO_TICKET
	sessionResume = no
	socket = l:TCP_NODELAY=1
	socket = r:TCP_NODELAY=1
	TIMEOUTclose = 0
	TIMEOUTidle = 43200
	EOF
}

haproxy_conf() {
	cat <<-EOF
	global
		nbthread $cores
		maxconn 9900
		tune.ssl.cachesize 0
		ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
		ssl-default-bind-ciphersuites TLS_AES_256_GCM_SHA384
		ssl-default-bind-curves X25519
	defaults
		mode tcp
		timeout connect 5s
		timeout client 1h
		timeout server 1h
	frontend front
		bind 127.0.0.1:$1 ssl crt $pem backlog 4096
		default_backend plain
	backend plain
		server plain 127.0.0.1:$2
	EOF
}

# answers NAME: prints what a handshake with it agrees on; waits until it serves.
answers() {
	local said
	for _ in $(seq 100); do
		said=$("$bin/tests/bench/frontclient" check "${port[$1]}" "$ca" 2>"$tmp/why") && {
			printf '%-8s %s\n' "$1" "$said"
			return
		}
		sleep 0.1
	done
	echo "$1 does not answer:" >&2
	cat "$tmp/why" "$tmp/$1.err" >&2
	exit 1
}

# start_front NAME: ours, hitch, stunnel or haproxy.
start_front() {
	local name=$1 at
	if [ "$name" = ours ]; then
		plain_server ours tls "$pem"
		port[ours]=$at front[ours]=${server[ours]}
		answers ours
		return
	fi
	plain_server "$name" plain
	openssl_conf
	port[$name]=$(free_port)
	"${name}_conf" "${port[$name]}" "$at" >"$tmp/$name.conf"
	(
		memory_cgroup_enter
		ulimit -n "$(ulimit -Hn)"
		export OPENSSL_CONF=$tmp/openssl.cnf
		case $name in
		hitch) exec hitch --config="$tmp/hitch.conf" ;;
		stunnel) exec stunnel4 "$tmp/stunnel.conf" ;;
		haproxy) exec haproxy -db -f "$tmp/haproxy.conf" ;;
		esac
	) >"$tmp/$name.err" 2>&1 &
	front[$name]=$!
	pids="$pids $!"
	answers "$name"
}
