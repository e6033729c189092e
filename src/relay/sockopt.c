/* SPDX-License-Identifier: ISC */
#include "option.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "client.h"
#include "core.h"
#include "door.h"
#include "link.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77
#endif

/*
 * Why an option is not given to TCP, or 0: its value points into memory or names
 * a descriptor (the program uses a lent descriptor for what of it makes sense),
 * or it takes the bytes out of our hands. ENOENT is what TCP says of an engine
 * that it does not have. (TCP_REPAIR the kernel gives to nobody without rights.)
 */
static int
forbidden(int level, int option)
{
	if (level == SOL_SOCKET && (option == SO_ATTACH_FILTER ||
	    option == SO_ATTACH_BPF || option == SO_ATTACH_REUSEPORT_CBPF ||
	    option == SO_ATTACH_REUSEPORT_EBPF || option == SO_ZEROCOPY))
		return EOPNOTSUPP;
	return level == IPPROTO_TCP && option == TCP_ULP ? ENOENT : 0;
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

/* A writer hears of a dead peer sooner when less of what it wrote is under way:
 * the descriptor's own part of it shrinks as well. */
static void
set_buffer(const struct sst_call *call, struct sst_record *r)
{
	int size;

	memcpy(&size, call->data, sizeof(size));
	r->sndbuf = sst_link_size(size);
	if (!sst_client_is_narrow(r))
		sst_link_resize(call->fds[0], r->sndbuf);
}

void
sst_sockopt_set(struct sst_call *call, struct sst_record *r)
{
	int level = call->head.a, option = call->head.b;

	if (forbidden(level, option) != 0)
		sst_call_fail(call, forbidden(level, option), "not on a TLS socket");
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
	else {
		if (level == SOL_SOCKET && option == SO_SNDBUF)
			set_buffer(call, r);
		sst_call_answer(call, 0, NULL, 0, -1);
	}
}

static void
give(struct sst_call *call, const void *value, size_t len)
{
	size_t room = call->head.c < 0 ? 0 : (size_t)call->head.c;

	sst_call_answer(call, 0, value, len < room ? len : room, -1);
}

/* The length is one of instructions, which are the program's own to remember. */
static void
get_filter(struct sst_call *call, const struct sst_record *r)
{
	socklen_t n = 0;

	if (r->tcp < 0 || getsockopt(r->tcp, SOL_SOCKET, SO_GET_FILTER, NULL, &n) < 0)
		sst_call_fail(call, ENOTCONN, NULL);
	else if (n > 0)
		sst_call_fail(call, ENOPROTOOPT, NULL);
	else
		give(call, "", 0);
}

/* 1: answered. What the relay's TCP socket must not be asked, or never has. */
static int
get_withheld(struct sst_call *call, const struct sst_record *r)
{
	const int level = call->head.a, option = call->head.b, off = 0;

	if (level == SOL_SOCKET && option == SO_ZEROCOPY)
		give(call, &off, sizeof(off));
	else if (level == SOL_SOCKET && option == SO_GET_FILTER)
		get_filter(call, r);
	else if (level == SOL_SOCKET && option == SO_PEERPIDFD)
		sst_call_fail(call, ENODATA, NULL);
	else if (level == IPPROTO_TCP && option == TCP_ZEROCOPY_RECEIVE)
		sst_call_fail(call, EINVAL, NULL);	/* nothing is mapped */
	else
		return 0;
	return 1;
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
	if (get_withheld(call, r))
		return;
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
