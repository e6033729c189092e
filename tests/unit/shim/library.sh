#!/bin/bash
# SPDX-License-Identifier: ISC
#
# library LIBRARY INCLUDE: what a program sees of libsecuresockets.so: it needs
# libc only, exports the eleven calls under both names, what it corrects or
# listens to under libc's alone, unversioned, and takes over a program that is
# linked with it or preloads it.
set -eu
lib=$1
include=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail()
{
	echo "$*" >&2
	exit 1
}

needed=$(readelf -d "$lib" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
	grep -v -e '^libasan' -e '^libubsan' -e '^libtsan' || true)
[ "$needed" = libc.so.6 ] || fail "needs: $needed"

soname=$(readelf -d "$lib" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libsecuresockets.so.0 ] || fail "soname: $soname"

calls='accept accept4 bind connect getpeername getsockname getsockopt listen
setsockopt shutdown socket'
# Data calls whose errors are TCP's, names that are looked up, programs that are
# started, and what sstool asks.
others='__read_chk __recv_chk __recvfrom_chk execl execle execlp execv execve execveat
execvp execvpe fexecve getaddrinfo gethostbyname gethostbyname2 gethostbyname2_r
gethostbyname_r posix_spawn posix_spawnp read readv recv recvfrom recvmsg
send sendmmsg sendmsg sendto sst_policy_pair write writev'
want=$(for c in $calls; do echo "$c"; echo "sst_$c"; done; printf '%s\n' $others)
want=$(echo "$want" | sort)
# A node after the name (socket@@VERSION) would show here.
have=$(nm -D --defined-only "$lib" | awk '{ print $3 }' | sort)
[ "$have" = "$want" ] || fail "exports:
$have"

# Both names of a call are one function.
for c in $calls; do
	[ "$(nm -D --defined-only "$lib" | awk -v n="$c" '
	    $3 == n || $3 == "sst_" n { print $1 }' | sort -u | wc -l)" = 1 ] ||
		fail "$c and sst_$c differ"
done

# Nothing that this library itself exports may be called by it through libc,
# and nothing that allocates or buffers.
taken=$(nm -D -u "$lib" | sed 's/@.*//' | awk '{ print $NF }' | grep -x \
	-e malloc -e calloc -e realloc -e free -e printf -e fprintf -e snprintf \
	-e vsnprintf -e pthread_mutex_lock $(printf -- '-e %s ' $calls $others) || true)
case $needed in
*asan* | *tsan*) ;;
*) [ -z "$taken" ] || fail "calls: $taken" ;;
esac

# Without SECURESOCKETS_AGENT to be found, a taken-over socket() is ENOBUFS; the
# kernel alone says EPROTONOSUPPORT. So the errno tells who answered.
cat > "$work/program.c" << 'END'
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
int main(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 205);

	printf("%s\n", fd >= 0 ? "fd" : errno == ENOBUFS ? "library" :
	    errno == EPROTONOSUPPORT ? "kernel" : "other");
	return 0;
}
END
export SECURESOCKETS_AGENT=/nonexistent/securesocketsd
case $(readelf -d "$lib") in
*libasan* | *libtsan*) exit 0 ;;	# a sanitizer must come first in a program
esac
dir=$(dirname "$lib")
$CC -o "$work/plain" "$work/program.c"
$CC -o "$work/linked" "$work/program.c" -Wl,--no-as-needed -L"$dir" -lsecuresockets
$CC -include "$include/securesockets.h" -o "$work/renamed" "$work/program.c" \
	-L"$dir" -lsecuresockets
[ "$("$work/plain")" = kernel ] || fail "without the library"
[ "$(LD_LIBRARY_PATH=$dir "$work/linked")" = library ] || fail "linked"
[ "$(LD_LIBRARY_PATH=$dir "$work/renamed")" = library ] || fail "renamed"
[ "$(LD_PRELOAD=$lib "$work/plain")" = library ] || fail "preloaded"
# The sentence on stderr, only when asked for.
[ -z "$(LD_PRELOAD=$lib "$work/plain" 2>&1 >/dev/null)" ] || fail "says unasked"
SECURESOCKETS_DEBUG=1 LD_PRELOAD=$lib "$work/plain" 2>&1 >/dev/null |
	grep -q '^securesockets: cannot start /nonexistent/securesocketsd: ' ||
	fail "says nothing under SECURESOCKETS_DEBUG=1"
