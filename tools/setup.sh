# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2034
#
# setup - what tools/try and tools/test share: packages, build, cleaning up.
#
# Always true:
#   1. Nothing is installed when everything is there, so a second run needs
#      neither a network nor root.
#   2. Whatever was started or made outside build/ is gone when the script ends,
#      however it ends.

SST_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SST_TMP=
SST_JOBS=()
SST_POLICY=

# What tools/test --all runs beside the tests: programs and their test suites, as
# Debian packages. Elsewhere a test whose program is not there is skipped.
SST_PACKAGES_ALL=(
	netcat-openbsd netcat-traditional wget curl php-cli nodejs
	lighttpd apache2 nginx redis-server redis-tools
	hitch stunnel4 haproxy openbsd-inetd
	libevent-dev libuv1-dev python3-tornado libpythonVERSION-testsuite
	python3-cryptography-vectors
	lego uacme dehydrated
)

sst_say() { printf '%s\n' "$*" >&2; }

# --- Cleaning up -----------------------------------------------------------

# Processes of the pair that was started by process $1: their title names it.
# (Its executable cannot be asked for: the relay is not dumpable.)
sst_pairs_of()
{
	local dir title
	for dir in /proc/[0-9]*; do
		title=$(tr '\0' ' ' 2>/dev/null <"$dir/cmdline") || continue
		case $title in
		"securesocketsd: "*"[$1]"*) printf '%s\n' "${dir#/proc/}" ;;
		esac
	done
}

# Ends the pair of a program of ours that ended: it would stay for 30 seconds.
sst_end_pair()
{
	local pids n
	for ((n = 0; n < 40; n++)); do
		mapfile -t pids < <(sst_pairs_of "$1")
		((${#pids[@]} > 0)) || return
		# It drains; what is still there after two seconds hangs.
		((n == 0)) && kill -TERM "${pids[@]}" 2>/dev/null
		((n == 39)) && kill -KILL "${pids[@]}" 2>/dev/null
		sleep 0.05
	done
}

sst_clean()
{
	local pid
	trap '' INT TERM HUP
	for pid in "${SST_JOBS[@]}"; do
		kill -TERM "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
		sst_end_pair "$pid"
	done
	SST_JOBS=()
	[[ -n $SST_POLICY ]] && sst_as_root rm -f -- "$SST_POLICY"
	SST_POLICY=
	[[ -n $SST_TMP ]] && rm -rf -- "$SST_TMP"
	SST_TMP=
}

sst_begin()
{
	trap sst_clean EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	SST_TMP=$(mktemp -d "${TMPDIR:-/tmp}/securesockets.XXXXXX") || exit 69
}

# --- Packages --------------------------------------------------------------

# $1: try or test. What is missing, as words for people.
sst_missing()
{
	local tool module
	for tool in cc c++ cmake ninja pkg-config openssl curl; do
		command -v "$tool" >/dev/null || printf '%s ' "$tool"
	done
	for module in "openssl >= 3.0" sqlite3 libidn2 jansson libcurl libconfig; do
		pkg-config --exists "$module" 2>/dev/null ||
			printf '%s ' "${module%% *}-headers"
	done
	# A renewal by certbot: elsewhere pebble is no package, and it is left out.
	if command -v apt-get >/dev/null; then
		for tool in certbot pebble; do
			command -v "$tool" >/dev/null || printf '%s ' "$tool"
		done
	fi
	[[ $1 == test ]] || return 0
	pkg-config --exists cmocka 2>/dev/null || printf 'cmocka '
	for tool in gnutls-cli python3 mandoc; do
		command -v "$tool" >/dev/null || printf '%s ' "$tool"
	done
}

# $1: try or test, $2: debian, fedora or alpine
sst_packages()
{
	case $2 in
	debian)
		printf '%s ' gcc g++ libc6-dev cmake ninja-build pkg-config \
			libssl-dev libsqlite3-dev libidn2-dev libjansson-dev \
			libcurl4-openssl-dev libconfig-dev \
			openssl curl certbot pebble
		[[ $1 == test ]] &&
			printf '%s ' libcmocka-dev gnutls-bin python3 mandoc
		;;
	fedora)
		printf '%s ' gcc gcc-c++ cmake ninja-build pkgconf-pkg-config \
			openssl-devel sqlite-devel libidn2-devel jansson-devel \
			libcurl-devel libconfig-devel \
			openssl curl
		[[ $1 == test ]] &&
			printf '%s ' libasan libubsan libtsan libcmocka-devel \
				gnutls-utils python3 mandoc
		;;
	alpine)
		printf '%s ' bash build-base cmake samurai pkgconf openssl-dev \
			sqlite-dev libidn2-dev jansson-dev curl-dev \
			libconfig-dev openssl curl
		[[ $1 == test ]] &&
			printf '%s ' cmocka-dev gnutls-utils python3 mandoc
		;;
	esac
	return 0
}

# Runs it as root; asks for a password only where somebody can type one.
sst_as_root()
{
	if [[ $(id -u) == 0 ]]; then
		"$@"
	elif [[ -t 0 ]]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

sst_tell_packages()
{
	sst_say "missing: $2"
	sst_say "install these, then run this again:"
	sst_say "  Debian  $(sst_packages "$1" debian)"
	sst_say "  Fedora  $(sst_packages "$1" fedora)"
	sst_say "  Alpine  $(sst_packages "$1" alpine)"
	exit 69
}

# $1: try or test. Installs what is missing, or says what to install.
sst_need()
{
	local missing packages log=$SST_TMP/apt.log
	missing=$(sst_missing "$1")
	[[ -z $missing ]] && return
	if ! command -v apt-get >/dev/null ||
		{ [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; }; then
		sst_tell_packages "$1" "$missing"
	fi
	sst_say "installing with apt: $missing"
	read -ra packages <<<"$(sst_packages "$1" debian)"
	# A list of packages may be there already: then no network is needed.
	sst_as_root apt-get -q update >"$log" 2>&1
	sst_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy install \
		--no-install-recommends "${packages[@]}" >>"$log" 2>&1 || {
		tail -n 5 "$log" >&2
		sst_tell_packages "$1" "$missing"
	}
	missing=$(sst_missing "$1")
	[[ -z $missing ]] || sst_tell_packages "$1" "$missing"
}

# Installs packages "$@" so that no server of theirs starts, now or at a boot.
sst_install_idle()
{
	local policy=/usr/sbin/policy-rc.d package unit
	if [[ ! -e $policy ]]; then
		SST_POLICY=$policy
		printf '#!/bin/sh\nexit 101\n' | sst_as_root tee "$policy" >/dev/null
		sst_as_root chmod 755 "$policy"
	fi
	sst_as_root apt-get -q update &&
		sst_as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy install \
			--no-install-recommends "$@" || return
	command -v systemctl >/dev/null || return 0
	for package in "$@"; do
		for unit in $(dpkg -L "$package" |
			sed -n 's|^\(/usr\)\?/lib/systemd/system/\([^/@]*\.service\)$|\2|p'); do
			sst_as_root systemctl --quiet disable "$unit"
		done
	done
	return 0
}

# What only tools/test --all needs: installs what is missing of it.
sst_need_all()
{
	local package version missing=() log=$SST_TMP/apt.log
	if ! command -v apt-get >/dev/null; then
		sst_say "not Debian: programs that are not there are not tested"
		return
	fi
	# The system's interpreter, whatever comes first on the path.
	version=$(/usr/bin/python3 -c \
		'import sys; print("%d.%d" % sys.version_info[:2])')
	for package in "${SST_PACKAGES_ALL[@]/VERSION/$version}"; do
		[[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == *" installed" ]] ||
			missing+=("$package")
	done
	((${#missing[@]} > 0)) || return 0
	sst_say "installing with apt: ${missing[*]}"
	sst_install_idle "${missing[@]}" >"$log" 2>&1 || {
		tail -n 5 "$log" >&2
		sst_say "install these, then run this again: ${missing[*]}"
		exit 69
	}
}

# --- Building --------------------------------------------------------------

# Runs "$@" with its output in a log: one moving line on a terminal, nothing
# elsewhere, and the log's end when it fails.
sst_quietly()
{
	local log=$SST_TMP/build.log line columns=${COLUMNS:-80}
	if [[ -t 2 ]]; then
		"$@" 2>&1 | tee "$log" | while IFS= read -r line; do
			printf '\r\033[K%.*s' "$((columns - 1))" "$line" >&2
		done
		if ((PIPESTATUS[0] == 0)); then
			printf '\r\033[K' >&2
			return 0
		fi
	elif "$@" >"$log" 2>&1; then
		return 0
	fi
	sst_say ""
	tail -n 20 "$log" >&2
	return 1
}
