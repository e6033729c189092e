# SPDX-License-Identifier: ISC
# shellcheck shell=bash
#
# many - servers of a great many names: ours, nginx, haproxy, hitch, caddy. Sourced
# after common.sh by `names`, `names_mem` and `renew`.
#
# A tree of N names is grown below $forest/N, $SST_BENCH_FOREST or a folder that goes
# away: live/ and archive/ for ours and nginx, flat/ for those that want chain and key
# in one file. Each server has a worker for every core where it has workers; none logs.
#
# start_many NAME N leaves: $many_pid, $many_port, $many_listens and $many_good (ms
# until somebody listened; until a name drawn after the start was served).

forest=${SST_BENCH_FOREST:-$tmp/forest}
form=${SST_BENCH_FORM:-certbot}
cores=$(nproc)
many_pid='' many_job='' many_name=''

# A relay of root keeps its index where an installation made a place for it.
cache_dir=/var/cache/securesockets made_cache=
if [ "$(id -u)" = 0 ] && [ ! -e "$cache_dir" ]; then
	mkdir -m 755 "$cache_dir"
	made_cache=$cache_dir
	chown "$(id -u _securesockets 2>/dev/null || id -u nobody)" "$cache_dir"
fi

leave_many() {
	stop_many
	rm -rf "$tmp" ${made_cache:+"$made_cache"}
}
trap leave_many EXIT

free_port() {
	python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# grow N WHAT: the trees that WHAT (names of servers) need are there.
grow() {
	local n=$1 name
	export FOREST=$forest/$1
	shift
	mkdir -p "$FOREST"
	for name; do
		case $name in
		ours | nginx)
			[ ! -e "$FOREST/$form" ] || continue
			"$bin/tests/bench/manynames" grow "$FOREST" "$n" "$form"
			: >"$FOREST/$form"
			;;
		*)
			[ ! -e "$FOREST/flat" ] || continue
			mkdir "$FOREST/flat"
			"$bin/tests/bench/manynames" grow "$FOREST/flat" "$n" flat
			;;
		esac
	done
}

# installed NAME...: those of them that are here; ours is.
installed() {
	local name
	for name; do
		if [ "$name" = ours ] || PATH=$PATH:/usr/sbin command -v "$name" >/dev/null; then
			printf '%s ' "$name"
		else
			echo "$name: not installed, left out" >&2
		fi
	done
}

version_of() {
	case $1 in
	nginx) nginx -v 2>&1 ;;
	haproxy) haproxy -v | head -n 1 ;;
	hitch) hitch --version ;;
	caddy) echo "caddy $(caddy version)" ;;
	esac
}

nginx_conf() {
	local name
	echo "daemon off; worker_processes $cores; pid $tmp/nginx.pid; error_log $tmp/nginx.err;"
	echo "worker_rlimit_nofile 8192; events { worker_connections 4096; }"
	echo "http { access_log off; server_names_hash_max_size 4194304;"
	echo "server_names_hash_bucket_size 128; ssl_protocols TLSv1.3;"
	echo "ssl_session_tickets off; ssl_session_cache off;"
	find "$2/live" -mindepth 1 -maxdepth 1 -printf '%f\n' | while read -r name; do
		echo "server { listen 127.0.0.1:$1 ssl; server_name $name;" \
		    "ssl_certificate $2/live/$name/fullchain.pem;" \
		    "ssl_certificate_key $2/live/$name/privkey.pem; return 204; }"
	done
	echo "}"
}

haproxy_conf() {
	cat <<-END
	global
		nbthread $cores
		maxconn 8000
		tune.ssl.cachesize 0
		ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
		stats socket $tmp/haproxy.sock level admin mode 600
	defaults
		mode http
		timeout connect 5s
		timeout client 1m
		timeout server 1m
	frontend front
		bind 127.0.0.1:$1 ssl crt $2/flat strict-sni
		http-request return status 204
	END
}

hitch_conf() {
	cat <<-END
	frontend = { host = "127.0.0.1" port = "$1" }
	backend = "[127.0.0.1]:9"
	pem-dir = "$2/flat"
	pem-dir-glob = "*.pem"
	workers = $cores
	sni-nomatch-abort = on
	tls-protos = TLSv1.3
	user = "$(id -un | sed 's/^root$/nobody/')"
	log-level = 0
	syslog = off
	ocsp-dir = ""
	daemon = off
	END
}

caddy_conf() {
	cat <<-END
	{ "admin": { "disabled": true },
	  "apps": {
	    "tls": { "certificates": { "load_folders": [ "$2/flat" ] } },
	    "http": { "servers": { "many": {
	      "listen": [ "127.0.0.1:$1" ],
	      "automatic_https": { "disable": true },
	      "tls_connection_policies": [ {} ],
	      "routes": [ { "handle": [ { "handler": "static_response", "status_code": 204 } ] } ]
	} } } } }
	END
}

# command_of NAME PORT: of the server, in the array `command`.
command_of() {
	case $1 in
	nginx) command=(nginx -e "$tmp/nginx.err" -c "$tmp/nginx.conf") ;;
	haproxy) command=(haproxy -db -f "$tmp/haproxy.conf") ;;
	hitch) command=(hitch "--config=$tmp/hitch.conf") ;;
	caddy) command=(env "HOME=$tmp" caddy run --config "$tmp/caddy.conf") ;;
	esac
}

# no_pair: no keeper and no relay is alive; those of another program end after 30 s.
# SST_BENCH_SHARED=1: others work on this machine, and nobody waits for theirs.
no_pair() {
	local _
	[ "${SST_BENCH_SHARED:-0}" = 0 ] || return 0
	for _ in $(seq 800); do
		pgrep -f '^securesocketsd: ' >/dev/null || return 0
		sleep 0.05
	done
	echo "a keeper or relay of another program does not end" >&2
	exit 1
}

# start_many NAME N
start_many() {
	local name=$1 dir=$forest/$2 port=- command=()
	if [ "$name" = ours ]; then
		no_pair
		command=("$bin/tests/bench/way1server" "$dir/live" now)
	else
		port=$(free_port)
		"${name}_conf" "$port" "$dir" >"$tmp/$name.conf"
		command_of "$name"
	fi
	rm -f "$tmp/hold"
	mkfifo "$tmp/hold"
	: >"$tmp/started"
	(
		ulimit -n "$(ulimit -Hn)"
		PATH=$PATH:/usr/sbin exec "$bin/tests/bench/manynames" start "$dir" "$2" \
		    "$port" "${command[@]}"
	) <"$tmp/hold" >"$tmp/started" 2>"$tmp/$name.said" &
	many_job=$! many_name=$name
	exec 7>"$tmp/hold"
	while [ ! -s "$tmp/started" ]; do
		kill -0 "$many_job" 2>/dev/null || {
			cat "$tmp/$name.said" >&2
			many_job=
			return 1
		}
		sleep 0.05
	done
	read -r many_listens many_good many_pid many_port <"$tmp/started"
}

stop_many() {
	[ -n "$many_job" ] || return 0
	exec 7>&-
	wait "$many_job" 2>/dev/null || :
	[ "$many_name" != ours ] || [ -z "$many_pid" ] || end_pair "$many_pid"
	many_job='' many_pid=''
}

# await_loaded: ours has read everything; prints how many milliseconds that took.
await_loaded() {
	until grep -q '^loaded ' "$tmp/ours.said"; do
		kill -0 "$many_job" || exit 1
		sleep 0.2
	done
	awk '/^loaded / { print $2 }' "$tmp/ours.said"
}

# memory_many: proportional set size of all processes of the server, and what the page
# cache holds of the index that ours keeps, in bytes.
memory_many() {
	local own pairs files
	read -r _ own pairs _ < <("$bin/tests/bench/usage" "$many_pid")
	mapfile -t files < <(index_files)
	echo "$((own + pairs)) $([ "${#files[@]}" = 0 ] && echo 0 ||
	    "$bin/tests/bench/usage" cached "${files[@]}")"
}

# index_files: regular files of an index that the pair has open.
index_files() {
	local p
	[ "$many_name" = ours ] || return 0
	for p in $(pgrep -f "^securesocketsd: .*\[$many_pid\]"); do
		find "/proc/$p/fd" -type l -printf '%l\n' 2>/dev/null
	done | grep '/index-' | grep -v ' (deleted)$' | sort -u || :
}

# forget_index: the next start of ours is a cold one.
forget_index() {
	rm -rf "$cache_dir"/index-* "${XDG_CACHE_HOME:-$HOME/.cache}/securesockets"/index-*
}

# read_tree N: its files are in the page cache.
read_tree() {
	find -L "$forest/$1/live" -name '*.pem' -exec cat {} + >/dev/null
}

drop_page_cache() {
	sync
	{ echo 3 >/proc/sys/vm/drop_caches; } 2>/dev/null
}
