#!/bin/bash
# SPDX-License-Identifier: ISC
#
# header LIBRARY INCLUDE: <securesockets.h> compiles alone, in C and C++, in
# every order with the headers that have names like ours, and renames the calls.
set -eu
include=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail()
{
	echo "$*" >&2
	exit 1
}

c()
{
	$CC -std=c11 -Wall -Wextra -Werror -I"$include" -c -o "$work/o" "$@"
}

cxx()
{
	$CXX -std=c++17 -Wall -Wextra -Werror -I"$include" -c -o "$work/o" "$@"
}

body='
static int (*const as_pointer)(int, int, int) = socket;
struct ops { int (*connect)(int); int bind; };
int use(struct ops *o);
int use(struct ops *o)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	struct sockaddr *p = (struct sockaddr *)&a;
	int fd = as_pointer(1, 2, IPPROTO_TLS);

	o->bind = 1;
	return bind(fd, p, len) + connect(fd, p, len) + listen(fd, 1) +
	    accept(fd, p, &len) + accept4(fd, p, &len, 0) +
	    getsockname(fd, p, &len) + getpeername(fd, p, &len) +
	    getsockopt(fd, IPPROTO_TLS, TLS_ERROR, p, &len) +
	    setsockopt(fd, IPPROTO_TLS, TLS_1_2, p, len) + shutdown(fd, 0) +
	    o->connect(TLS_1_3);
}
'
renamed='sst_accept
sst_accept4
sst_bind
sst_connect
sst_getpeername
sst_getsockname
sst_getsockopt
sst_listen
sst_setsockopt
sst_shutdown
sst_socket'

check_renamed()
{
	# shellcheck disable=SC2046
	[ "$(nm -u "$work/o" | awk '{ print $NF }' | grep -v -e '^__' -e '^_GLOBAL' |
		sort)" = "$renamed" ] || fail "$1: $(nm -u "$work/o")"
}

echo '#include <securesockets.h>' > "$work/alone.c"
cp "$work/alone.c" "$work/alone.cc"
c "$work/alone.c"
c -D_GNU_SOURCE "$work/alone.c"
cxx "$work/alone.cc"

printf '#define _GNU_SOURCE\n#include <securesockets.h>\n%s' "$body" > "$work/first.c"
c "$work/first.c"
check_renamed "C, first"
printf '#define _GNU_SOURCE\n#include <sys/socket.h>\n#include <netinet/in.h>\n%s\n%s' \
	'#include <securesockets.h>' "$body" > "$work/last.c"
c "$work/last.c"
check_renamed "C, last"
printf '#include <securesockets.h>\n#include <netinet/in.h>\n#include <string>\n%s' \
	"$body" > "$work/first.cc"
cxx "$work/first.cc"
check_renamed "C++, first"

# C++ after <sys/socket.h> would rename nothing, and must not compile.
printf '#include <sys/socket.h>\n#include <securesockets.h>\n' > "$work/late.cc"
if cxx "$work/late.cc" 2> "$work/text"; then
	fail "C++ after <sys/socket.h> compiles"
fi
grep -q 'before <sys/socket.h>' "$work/text" || fail "$(cat "$work/text")"
cxx -DSECURESOCKETS_NO_RENAME "$work/late.cc"

# Constants only: the calls stay libc's.
printf '#define _GNU_SOURCE\n#define SECURESOCKETS_NO_RENAME\n%s\n%s' \
	'#include <securesockets.h>' "$body" > "$work/constants.c"
c "$work/constants.c"
[ -z "$(nm -u "$work/o" | grep sst_)" ] || fail "renamed in spite of NO_RENAME"

# Headers with names like ours, before and after.
for other in linux/tls.h openssl/tls1.h openssl/ssl.h netinet/tcp.h linux/tcp.h; do
	echo "#include <$other>" > "$work/other.c"
	c "$work/other.c" 2>/dev/null || continue	# not installed
	printf '#include <%s>\n#include <securesockets.h>\n' "$other" > "$work/a.c"
	printf '#include <securesockets.h>\n#include <%s>\n' "$other" > "$work/b.c"
	c "$work/a.c"
	c "$work/b.c"
done
printf '#include <securesockets.h>\n#include <linux/tls.h>\n%s\n' \
	'_Static_assert(TLS_1_2_VERSION == TLS_1_2, "as the kernel has it");' \
	> "$work/version.c"
c "$work/version.c"
