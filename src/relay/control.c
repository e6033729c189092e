/* SPDX-License-Identifier: ISC */
#include "control.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "core.h"
#include "door.h"
#include "listener.h"
#include "option.h"
#include "settings.h"

/* Whether `n` bytes are equal, in a time that does not tell where they differ. */
static int
same_secret(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint8_t diff = 0;

	for (size_t i = 0; i < n; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

/* The name of a fresh descriptor; 0: it is none of this pair's. */
static int
own_name(const struct sst_relay *relay, int app, struct sst_sockname *name)
{
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	return getsockname(app, (struct sockaddr *)&addr, &len) == 0 &&
	    sst_sockname_decode(&addr, len, name) &&
	    name->kind == SST_SOCKNAME_MADE &&
	    memcmp(name->door, relay->door, sizeof(name->door)) == 0;
}

/* A record with its TCP socket. 0, or an errno. */
static int
make_record(struct sst_relay *relay, uint64_t cookie, const struct sst_sockname *name,
    const struct sst_wire_new *trust, struct sst_record **ret_record)
{
	struct sst_record *r;
	const int one = 1;
	int tcp = socket(name->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (tcp < 0)
		return errno;
	/* The pump gathers what there is before it writes; behind our own
	 * Finished, Nagle would hold the first bytes back for a delayed ACK. */
	(void)setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r = sst_record_new(relay, cookie, name->kind, name->family, name->serial);
	if (r == NULL) {
		(void)close(tcp);
		return ENOMEM;
	}
	r->tcp = tcp;
	r->set = sst_settings_new(trust->cert_file, trust->cert_dir);
	if (r->set == NULL) {
		sst_record_free(r);
		return ENOMEM;
	}
	*ret_record = r;
	return 0;
}

static void
verb_new(struct sst_call *call, struct sst_record *none)
{
	struct sst_relay *relay = call->relay;
	struct sst_wire_new trust = { .cert_file = "" };
	struct sst_sockname name;
	struct sst_record *r = NULL;
	int code;

	(void)none;
	if (!same_secret(call->head.secret, relay->secret, SST_SECRET_LEN)) {
		sst_call_fail(call, EACCES, "these helper processes serve another "
		    "program");
		return;
	}
	if (call->fds[0] < 0 || !own_name(relay, call->fds[0], &name) ||
	    name.family != call->head.a ||
	    (call->len != 0 && call->len != sizeof(trust))) {
		sst_call_fail(call, EINVAL, "not a new TLS socket");
		return;
	}
	if (call->len != 0)
		memcpy(&trust, call->data, sizeof(trust));
	trust.cert_file[sizeof(trust.cert_file) - 1] = '\0';
	trust.cert_dir[sizeof(trust.cert_dir) - 1] = '\0';
	if (sst_record_find(relay, sst_record_cookie(call->fds[0])) != NULL) {
		sst_call_fail(call, EINVAL, "the socket is known already");
		return;
	}
	code = make_record(relay, sst_record_cookie(call->fds[0]), &name, &trust, &r);
	if (code != 0) {
		sst_call_fail(call, code, "the helper process has no descriptor or "
		    "memory left");
		return;
	}
	sst_link_buffer(call->fds[0]);
	sst_record_watch_name(r);
	sst_call_answer(call, 0, NULL, 0, -1);
}

static void
verb_lend(struct sst_call *call, struct sst_record *r)
{
	if (r->state != SST_REC_FRESH) {
		sst_call_fail(call, EINVAL, "the socket is connected or listening");
		return;
	}
	/* What was closed without a word may hold the port that is asked for. */
	sst_record_sweep(call->relay, 1);
	if (call->relay->released) {
		call->relay->released = 0;
		sst_files_sync(&call->relay->files);
	}
	r->lent = 1;
	sst_call_answer(call, 0, NULL, 0, r->tcp);
}

static void
verb_sockname(struct sst_call *call, struct sst_record *r)
{
	union sst_inet addr;
	socklen_t len = sizeof(addr);

	memset(&addr, 0, sizeof(addr));
	if (r->tcp < 0) {
		addr = r->local;
		addr.any.sa_family = (sa_family_t)r->family;
	} else if (getsockname(r->tcp, &addr.any, &len) < 0) {
		sst_call_fail(call, errno, NULL);
		return;
	}
	sst_call_answer(call, 0, &addr, sst_inet_len(&addr), -1);
}

static void
verb_peername(struct sst_call *call, struct sst_record *r)
{
	if (r->state != SST_REC_OPEN) {
		sst_call_fail(call, ENOTCONN, NULL);
		return;
	}
	sst_call_answer(call, 0, &r->peer, sst_inet_len(&r->peer), -1);
}

struct verb {
	uint16_t	verb;
	int		needs_record;
	void		(*act)(struct sst_call *, struct sst_record *);
};

static const struct verb verbs[] = {
	{ SST_WIRE_NEW, 0, verb_new },
	{ SST_WIRE_LEND, 1, verb_lend },
	{ SST_WIRE_CONNECT, 1, sst_client_connect },
	{ SST_WIRE_LISTEN, 1, sst_listener_listen },
	{ SST_WIRE_SOCKNAME, 1, verb_sockname },
	{ SST_WIRE_PEERNAME, 1, verb_peername },
	{ SST_WIRE_SET, 1, sst_option_set },
	{ SST_WIRE_GET, 1, sst_option_get },
	{ SST_WIRE_LOST, 1, sst_listener_lost },
};

static void obey(struct sst_order *, struct sst_worker *);

/* Acts in `self`, or in the control thread (NULL). A connection's calls go to
 * the worker it belongs to. */
static void
act(struct sst_call *call, const struct sst_worker *self)
{
	struct sst_record *r = NULL;
	struct sst_worker *owner;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (verbs[i].verb != call->head.verb)
			continue;
		if (verbs[i].needs_record && call->fds[0] >= 0)
			r = sst_record_find(call->relay,
			    sst_record_cookie(call->fds[0]));
		if (verbs[i].needs_record && r == NULL) {
			sst_call_fail(call, ENOTCONN, "this socket was made by helper "
			    "processes that have ended");
			return;
		}
		owner = r == NULL ? NULL : sst_record_owner(r);
		if (owner != NULL && owner != self)
			sst_worker_post(owner, &call->order, obey);
		else
			verbs[i].act(call, r);
		return;
	}
	sst_call_fail(call, ENOSYS, "not a call for the relay");
}

static void
obey(struct sst_order *order, struct sst_worker *worker)
{
	act(SST_HOLDER(order, struct sst_call, order), worker);
}

void
sst_control(struct sst_call *call)
{
	act(call, NULL);
}
