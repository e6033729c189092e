/* SPDX-License-Identifier: ISC */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "listener.h"
#include "option.h"
#include "rules.h"
#include "settings.h"
#include "upgrade.h"

#define SETTLE_MOST	16	/* batches of events */

/* Whether `n` bytes are equal, in a time that does not tell where they differ. */
static int
same_secret(const uint8_t *a, const uint8_t *b, size_t n)
{
	uint8_t diff = 0;

	for (size_t i = 0; i < n; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

static int
shows_secret(const struct sst_call *call)
{
	return same_secret(call->head.secret, call->relay->secret, SST_SECRET_LEN);
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

/* A record with its TCP socket, which is taken on success. 0, or an errno. */
static int
make_record(struct sst_relay *relay, uint64_t cookie, const struct sst_sockname *name,
    const struct sst_wire_new *trust, int tcp, struct sst_rules *rules,
    struct sst_record **ret_record)
{
	struct sst_record *r;
	const int one = 1;

	r = sst_record_new(relay, cookie, name->kind, name->family, name->serial);
	if (r == NULL)
		return ENOMEM;
	r->set = sst_settings_new(trust->cert_file, trust->cert_dir);
	if (r->set == NULL) {
		sst_record_free(r);
		return ENOMEM;
	}
	r->set->rules = sst_rules_ref(rules);
	/* The pump gathers what there is before it writes; behind our own
	 * Finished, Nagle would hold the first bytes back for a delayed ACK. */
	(void)setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r->tcp = tcp;
	*ret_record = r;
	return 0;
}

static const char not_new[] = "not a new TLS socket";

/* The descriptor of NEW and ADOPT gets its record, with `tcp`, which is taken on
 * success. NULL: the call was answered. */
static struct sst_record *
enter(struct sst_call *call, int tcp)
{
	struct sst_relay *relay = call->relay;
	uint64_t cookie = sst_record_cookie(call->fds[0]);
	struct sst_wire_new trust = { .cert_file = "" };
	struct sst_sockname name;
	struct sst_record *r = NULL;
	struct sst_rules *rules = NULL;
	struct sst_error err = { 0 };
	int code;

	if (!own_name(relay, call->fds[0], &name) || name.family != call->head.a ||
	    (call->len != 0 && call->len != sizeof(trust))) {
		sst_call_fail(call, EINVAL, not_new);
		return NULL;
	}
	if (call->len != 0)
		memcpy(&trust, call->data, sizeof(trust));
	trust.cert_file[sizeof(trust.cert_file) - 1] = '\0';
	trust.cert_dir[sizeof(trust.cert_dir) - 1] = '\0';
	if (sst_record_find(relay, cookie) != NULL) {
		sst_call_fail(call, EINVAL, "the socket is known already");
		return NULL;
	}
	/* What the administrator wrote and cannot be read refuses every socket. */
	if (sst_rules_now(relay, &rules, &err) != SST_OK) {
		sst_call_fail(call, sst_fault_call(&err), err.text);
		return NULL;
	}
	code = make_record(relay, cookie, &name, &trust, tcp, rules, &r);
	sst_rules_unref(rules);
	if (code != 0) {
		sst_call_fail(call, code, "the helper process has no memory left");
		return NULL;
	}
	r->forced = (call->head.b & SST_NEW_FORCED) != 0;
	sst_link_buffer(call->fds[0]);
	sst_record_watch_name(r);
	return r;
}

/* Whether the call may make a record; if not it was answered, or hung up on:
 * without a keeper the socket would have nobody for its files. */
static int
admitted(struct sst_call *call)
{
	if (call->relay->door_shut) {
		sst_call_drop(call);
		return 0;
	}
	if (shows_secret(call))
		return 1;
	sst_call_fail(call, EACCES, "these helper processes serve another program");
	return 0;
}

static void
verb_new(struct sst_call *call, struct sst_record *none)
{
	int tcp;

	(void)none;
	if (!admitted(call))
		return;
	if (call->head.a != AF_INET && call->head.a != AF_INET6) {
		sst_call_fail(call, EINVAL, not_new);
		return;
	}
	tcp = socket(call->head.a, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tcp < 0)
		sst_call_fail(call, errno, "the helper process has no descriptor "
		    "left");
	else if (enter(call, tcp) == NULL)
		(void)close(tcp);
	else
		sst_call_answer(call, 0, NULL, 0, -1);
}

/* How far a TCP socket of this family is (TCP_*); -1: it is none. */
static int
tcp_state(int fd, int family)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t len = sizeof(int);
	int domain = 0, protocol = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 ||
	    domain != family ||
	    (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP))
		return -1;
	len = sizeof(info);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -1;
	return info.tcpi_state;
}

/* What its maker set, and the pump needs otherwise. */
static void
take_over_options(struct sst_record *r)
{
	const struct linger none = { .l_onoff = 0 };
	struct linger l = { .l_onoff = 0 };
	socklen_t len = sizeof(l);

	if (getsockopt(r->tcp, SOL_SOCKET, SO_LINGER, &l, &len) < 0 || !l.l_onoff)
		return;
	r->linger_on = 1;
	r->linger_time = l.l_linger;
	r->reset_on_close = l.l_linger == 0;
	(void)setsockopt(r->tcp, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

static void
verb_adopt(struct sst_call *call, struct sst_record *none)
{
	struct sst_record *r;
	int tcp = call->fds[1];
	int state, nodelay = 0;
	socklen_t len = sizeof(nodelay);

	(void)none;
	if (!admitted(call))
		return;
	state = tcp_state(tcp, call->head.a);
	if (state != TCP_LISTEN && state != TCP_ESTABLISHED &&
	    state != TCP_CLOSE_WAIT && state != TCP_CLOSE) {
		sst_call_fail(call, EINVAL, "not a TCP socket that listens or is "
		    "connected");
		return;
	}
	(void)getsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len);
	if (fcntl(tcp, F_SETFL, fcntl(tcp, F_GETFL) | O_NONBLOCK) < 0) {
		sst_call_fail(call, errno, NULL);
		return;
	}
	r = enter(call, tcp);
	if (r == NULL)
		return;
	call->fds[1] = -1;
	r->foreign = 1;
	r->nodelay = nodelay != 0;
	take_over_options(r);
	if (state == TCP_LISTEN || state == TCP_CLOSE)
		sst_call_answer(call, 0, NULL, 0, -1);
	else
		sst_client_adopt(call, r);
}

static void lend_after(struct sst_call *, int from);

/* This worker has seen what happened before the call. */
static void
settled(struct sst_order *order, struct sst_worker *worker)
{
	struct sst_call *call = SST_HOLDER(order, struct sst_call, order);
	struct sst_relay *relay = call->relay;
	int more = 1, at = 0;

	sst_core_unlock(relay);
	for (int i = 0; i < SETTLE_MOST && more; i++)
		more = sst_loop_poll(&worker->loop, 0);
	sst_core_lock(relay);
	while (relay->workers[at] != worker)
		at++;
	lend_after(call, at + 1);
}

static void
lend(struct sst_call *call, struct sst_record *r)
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

/* Connections that the program closed may hold the port as well: first each worker
 * that has some looks at what they say. */
static void
lend_after(struct sst_call *call, int from)
{
	struct sst_relay *relay = call->relay;
	struct sst_record *r;

	for (int i = from; i < relay->n_workers; i++) {
		if (relay->workers[i]->connections == 0)
			continue;
		sst_worker_post(relay->workers[i], &call->order, settled);
		return;
	}
	r = sst_record_find(relay, sst_record_cookie(call->fds[0]));
	if (r == NULL)
		sst_call_fail(call, EINVAL, not_new);
	else
		lend(call, r);
}

static void
verb_lend(struct sst_call *call, struct sst_record *r)
{
	(void)r;
	lend_after(call, 0);
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
	/* Also while it is upgraded. */
	if (r->state != SST_REC_OPEN &&
	    (r->state != SST_REC_HANDSHAKE || !r->was_open)) {
		sst_call_fail(call, ENOTCONN, NULL);
		return;
	}
	sst_call_answer(call, 0, &r->peer, sst_inet_len(&r->peer), -1);
}

static int
weakens_option(const struct sst_call *call, const struct sst_record *r)
{
	int v = 0;

	/* Who knows it opens what clients come with. */
	if (call->head.a == IPPROTO_TLS && call->head.b == TLS_TICKET_KEY)
		return 1;
	if (call->head.a != IPPROTO_TLS || call->len != sizeof(v))
		return 0;
	memcpy(&v, call->data, sizeof(v));
	switch (call->head.b) {
	case TLS_START_PLAIN:
	case TLS_KEY_PERMISSIONS:
		return v != 0;
	case TLS_VERSION_MIN:
		return (v >= 0 && v <= 3 ? v + TLS_1_0 : v) < r->set->version_min;
	default:
		return 0;
	}
}

/* Whoever has the descriptor may use it, and not make it weaker than it is: that
 * takes the secret. A policy decides by the address. */
static int
weakens(const struct sst_call *call, const struct sst_record *r)
{
	switch (call->head.verb) {
	case SST_WIRE_CONNECT:
	case SST_WIRE_LISTEN:
		return call->head.b == SST_MODE_PLAIN && !r->forced;
	case SST_WIRE_SET:
		return weakens_option(call, r);
	default:
		return 0;
	}
}

struct verb {
	uint16_t	verb;
	unsigned	needs_record : 1;
	unsigned	prepares : 1;	/* another call is to be expected */
	void		(*act)(struct sst_call *, struct sst_record *);
};

static const struct verb verbs[] = {
	{ SST_WIRE_NEW, 0, 1, verb_new },
	{ SST_WIRE_LEND, 1, 1, verb_lend },
	{ SST_WIRE_CONNECT, 1, 0, sst_client_connect },
	{ SST_WIRE_LISTEN, 1, 0, sst_listener_listen },
	{ SST_WIRE_SOCKNAME, 1, 0, verb_sockname },
	{ SST_WIRE_PEERNAME, 1, 0, verb_peername },
	{ SST_WIRE_SET, 1, 1, sst_option_set },
	{ SST_WIRE_GET, 1, 0, sst_option_get },
	{ SST_WIRE_LOST, 1, 0, sst_listener_lost },
	{ SST_WIRE_NAMES, 1, 1, sst_option_names },
	{ SST_WIRE_ADOPT, 0, 0, verb_adopt },
	{ SST_WIRE_UPGRADE, 1, 0, sst_upgrade },
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
		if (owner != NULL && owner != self) {
			sst_worker_post(owner, &call->order, obey);
			return;
		}
		if (r != NULL && weakens(call, r) && !shows_secret(call)) {
			sst_call_fail(call, EPERM, "only the program that made this "
			    "socket may make it weaker");
			return;
		}
		/* A program that prepares a socket asks again at once. */
		if (verbs[i].prepares)
			sst_loop_expect(&call->relay->loop);
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
