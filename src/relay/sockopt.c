/* SPDX-License-Identifier: ISC */
#include "option.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "core.h"
#include "door.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77
#endif

/*
 * Options whose value points into memory, makes or names a descriptor, or
 * takes the bytes out of our hands. The program uses a lent descriptor for what
 * of it makes sense.
 */
static int
forbidden(int level, int option)
{
	if (level == SOL_SOCKET)
		return option == SO_ATTACH_FILTER || option == SO_ATTACH_BPF ||
		    option == SO_ATTACH_REUSEPORT_CBPF ||
		    option == SO_ATTACH_REUSEPORT_EBPF || option == SO_PEERPIDFD ||
		    option == SO_ZEROCOPY;
	if (level == IPPROTO_TCP)
		return option == TCP_ULP || option == TCP_ZEROCOPY_RECEIVE ||
		    option == TCP_REPAIR || option == TCP_MD5SIG;
	return 0;
}

/* Waits of the program's own descriptor: the relay's would break the pump. */
static int
of_the_descriptor(int level, int option)
{
	return level == SOL_SOCKET && (option == SO_RCVLOWAT ||
	    option == SO_RCVTIMEO || option == SO_SNDTIMEO);
}

/* Not given to TCP: our own close() would wait. */
static void
set_linger(struct sst_call *call, struct sst_record *r)
{
	struct linger l;

	if (call->len < sizeof(l)) {
		sst_call_fail(call, EINVAL, NULL);
		return;
	}
	memcpy(&l, call->data, sizeof(l));
	r->linger_on = l.l_onoff != 0;
	r->linger_time = l.l_linger;
	r->reset_on_close = l.l_onoff != 0 && l.l_linger == 0;
	sst_call_answer(call, 0, NULL, 0, -1);
}

/* The relay never delays; what the program asked for is remembered. */
static void
set_nodelay(struct sst_call *call, struct sst_record *r)
{
	int v;

	if (call->len < sizeof(v)) {
		sst_call_fail(call, EINVAL, NULL);
		return;
	}
	memcpy(&v, call->data, sizeof(v));
	r->nodelay = v != 0;
	sst_call_answer(call, 0, NULL, 0, -1);
}

void
sst_sockopt_set(struct sst_call *call, struct sst_record *r)
{
	int level = call->head.a, option = call->head.b;

	if (forbidden(level, option))
		sst_call_fail(call, EOPNOTSUPP, "not on a TLS socket");
	else if (of_the_descriptor(level, option))
		sst_call_answer(call, 0, NULL, 0, -1);
	else if (level == SOL_SOCKET && option == SO_LINGER)
		set_linger(call, r);
	else if (level == IPPROTO_TCP && option == TCP_NODELAY)
		set_nodelay(call, r);
	else if (r->tcp < 0)
		sst_call_fail(call, ENOTCONN, NULL);
	else if (setsockopt(r->tcp, level, option, call->data,
	    (socklen_t)call->len) < 0)
		sst_call_fail(call, errno, NULL);
	else
		sst_call_answer(call, 0, NULL, 0, -1);
}

static void
give(struct sst_call *call, const void *value, size_t len)
{
	size_t room = call->head.c < 0 ? 0 : (size_t)call->head.c;

	sst_call_answer(call, 0, value, len < room ? len : room, -1);
}

void
sst_sockopt_get(struct sst_call *call, struct sst_record *r)
{
	int level = call->head.a, option = call->head.b;
	const struct linger l = { .l_onoff = r->linger_on, .l_linger = r->linger_time };
	char value[4096];
	socklen_t len = call->head.c < 0 ? 0 : (socklen_t)call->head.c;
	int error = r->error;
	int protocol = r->forced ? IPPROTO_TCP : IPPROTO_TLS;

	if (level == SOL_SOCKET && option == SO_ERROR) {
		r->error = 0;
		give(call, &error, sizeof(error));
		return;
	}
	if (level == SOL_SOCKET && option == SO_PROTOCOL) {
		give(call, &protocol, sizeof(protocol));
		return;
	}
	if (level == SOL_SOCKET && option == SO_LINGER) {
		give(call, &l, sizeof(l));
		return;
	}
	if (level == IPPROTO_TCP && option == TCP_NODELAY) {
		give(call, &r->nodelay, sizeof(r->nodelay));
		return;
	}
	if (forbidden(level, option)) {
		sst_call_fail(call, ENOPROTOOPT, NULL);
		return;
	}
	if (r->tcp < 0) {
		sst_call_fail(call, ENOTCONN, NULL);
		return;
	}
	if (len > sizeof(value))
		len = sizeof(value);
	if (getsockopt(r->tcp, level, option, value, &len) < 0)
		sst_call_fail(call, errno, NULL);
	else
		sst_call_answer(call, 0, value, len, -1);
}
