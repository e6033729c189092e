#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# installed - `cmake --install` gives what a program outside the tree needs.
# shellcheck source=tests/install/common.sh disable=SC1091
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

ROOT=$SST_TMP/root
TREE=$ROOT$SST_PREFIX
LIB=$TREE/$SST_LIBDIR
OUTSIDE=$SST_SOURCE/tests/install/outside

DESTDIR=$ROOT "$CMAKE" --install "$SST_BUILD" >"$SST_TMP/install.log" 2>&1 || {
	tail "$SST_TMP/install.log" >&2
	exit 1
}
export PKG_CONFIG_PATH=$LIB/pkgconfig
export LD_LIBRARY_PATH=$LIB
export SECURESOCKETS_AGENT=$ROOT$SST_AGENT_PATH

everything_is_there()
{
	local file
	for file in include/securesockets.h include/securesockets/error.h \
		include/securesockets/certstore.h include/securesockets/openssl.h \
		include/securesockets/revocation.h \
		"$SST_LIBDIR/libsecuresockets.so" \
		"$SST_LIBDIR/libsecuresockets-openssl.so" \
		bin/sstool share/man/man1/sstool.1 \
		share/man/man7/securesockets.7 share/man/man5/securesockets.conf.5 \
		share/bash-completion/completions/sstool \
		lib/sysusers.d/securesockets.conf lib/tmpfiles.d/securesockets.conf \
		lib/systemd/system/securesockets-cache.socket \
		lib/systemd/system/securesockets-cache.service; do
		[[ -s $TREE/$file ]] || wrong "not installed: $file"
	done
	[[ -x $SECURESOCKETS_AGENT ]] ||
		wrong "securesocketsd is not where the library starts it"
	# no header of ours is left out, and none that is not public
	(cd "$SST_SOURCE/include" && find . -name '*.h' | sort) >"$SST_TMP/ours"
	(cd "$TREE/include" && find . -name '*.h' | sort) >"$SST_TMP/theirs"
	same "the installed headers are not those of include/" \
		"$SST_TMP/ours" "$SST_TMP/theirs"
}

the_library_knows_its_agent()
{
	grep -qaF "$SST_AGENT_PATH" "$LIB/libsecuresockets.so" ||
		wrong "the library does not start $SST_AGENT_PATH"
}

each_header_compiles_alone()
{
	local header
	while read -r header; do
		header=${header#./}
		printf '#include <%s>\n' "$header" >"$SST_TMP/alone.c"
		check "$header alone in C11" "$CC" -std=c11 -pedantic -Wall \
			-Wextra -Werror -I "$TREE/include" -fsyntax-only \
			"$SST_TMP/alone.c"
		check "$header alone in C++17" "$CXX" -std=c++17 -pedantic -Wall \
			-Wextra -Werror -I "$TREE/include" -fsyntax-only -x c++ \
			"$SST_TMP/alone.c"
	done <"$SST_TMP/ours"
	printf '#include <sys/socket.h>\n#include <securesockets.h>\n' \
		>"$SST_TMP/late.cc"
	"$CXX" -I "$TREE/include" -fsyntax-only "$SST_TMP/late.cc" 2>/dev/null &&
		wrong "C++ took the header after <sys/socket.h>"
}

# runs TEXT PROGRAM: it succeeds, and its pair does not outlive this script
runs()
{
	local pid
	"$2" >"$SST_TMP/run.log" 2>&1 &
	pid=$!
	SST_JOBS+=("$pid")
	wait "$pid" && return
	wrong "$1 does not run"
	tail -n 15 "$SST_TMP/run.log" >&2
}

a_program_builds_by_pkg_config()
{
	local module source flags
	for module in securesockets securesockets-openssl; do
		source=sockets
		[[ $module == *-openssl ]] && source=openssl
		read -ra flags <<<"$(pkg-config --cflags --libs "$module")"
		((${#flags[@]} > 0)) || wrong "pkg-config does not know $module"
		check "$source.c by pkg-config in C" "$CC" -std=gnu11 -Wall \
			"${SANITIZE[@]}" "$OUTSIDE/$source.c" \
			-o "$SST_TMP/$source-c" "${flags[@]}"
		runs "$source.c in C" "$SST_TMP/$source-c"
		check "$source.c by pkg-config in C++" "$CXX" -std=gnu++17 -Wall \
			"${SANITIZE[@]}" -x c++ "$OUTSIDE/$source.c" -x none \
			-o "$SST_TMP/$source-cc" "${flags[@]}"
		runs "$source.c in C++" "$SST_TMP/$source-cc"
	done
}

a_program_builds_by_cmake()
{
	local program
	check "the project outside configures" "$CMAKE" -G Ninja -S "$OUTSIDE" \
		-B "$SST_TMP/outside" -DCMAKE_PREFIX_PATH="$TREE" \
		-DCMAKE_C_COMPILER="$CC" -DCMAKE_CXX_COMPILER="$CXX" \
		-DCMAKE_C_FLAGS="${SANITIZE[*]-}" \
		-DCMAKE_CXX_FLAGS="${SANITIZE[*]-}"
	check "the project outside builds" "$CMAKE" --build "$SST_TMP/outside"
	for program in sockets_c sockets_cc openssl_c openssl_cc \
		revocation_c revocation_cc; do
		runs "$program" "$SST_TMP/outside/$program"
	done
	"$CMAKE" -G Ninja -S "$OUTSIDE" -B "$SST_TMP/newer" -DWANTED=7.0 \
		-DCMAKE_PREFIX_PATH="$TREE" >/dev/null 2>&1 &&
		wrong "version 0.1 was taken for version 7.0"
}

# Libc's names of data calls, whose errnos are made TCP's, of look-ups, which
# sstool run listens to, and of those that start programs, which it is to reach;
# and what sstool run asks of the library.
CORRECTED="__read_chk __recv_chk __recvfrom_chk execl execle execlp execv execve
execveat execvp execvpe fexecve getaddrinfo gethostbyname gethostbyname2
gethostbyname2_r gethostbyname_r posix_spawn posix_spawnp read readv recv recvfrom
recvmsg send sendmmsg sendmsg sendto sst_policy_pair write writev"

exports_are_the_prototypes()
{
	local names="$RENAMED $CORRECTED"
	{
		prototypes securesockets.h
		tr ' ' '\n' <<<"${names//$'\n'/ }"
	} | sort -u >"$SST_TMP/declared"
	exported "$LIB/libsecuresockets.so" |
		grep -v '^sst_code_name$' >"$SST_TMP/exported"
	same "libsecuresockets does not export what securesockets.h declares" \
		"$SST_TMP/declared" "$SST_TMP/exported"
	{
		prototypes securesockets/certstore.h
		prototypes securesockets/error.h
		prototypes securesockets/openssl.h
		prototypes securesockets/revocation.h
	} | sort -u >"$SST_TMP/declared"
	exported "$LIB/libsecuresockets-openssl.so" >"$SST_TMP/exported"
	same "libsecuresockets-openssl does not export what its headers declare" \
		"$SST_TMP/declared" "$SST_TMP/exported"
}

the_shim_needs_libc_alone()
{
	[[ -z $SST_SANITIZER ]] || return	# its runtime is a library too
	readelf -d "$LIB/libsecuresockets.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
		grep -vE '^(libc|ld-linux.*|libpthread|libdl)\.so' >"$SST_TMP/needed"
	[[ ! -s $SST_TMP/needed ]] ||
		wrong "libsecuresockets needs $(tr '\n' ' ' <"$SST_TMP/needed")"
}

everything_is_there
the_library_knows_its_agent
each_header_compiles_alone
a_program_builds_by_pkg_config
a_program_builds_by_cmake
exports_are_the_prototypes
the_shim_needs_libc_alone
finish
