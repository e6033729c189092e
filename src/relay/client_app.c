/* SPDX-License-Identifier: ISC */
/*
 * client_app - the program's side of an attempt: its descriptor, the calls that wait,
 * and how the result is told (client.h).
 *
 * Always true:
 *   1. A result is told once: to the calls that wait, or else by SO_ERROR.
 *   2. A descriptor with which nobody waits is joined, gate shut. One that is waited
 *      with is `app`: unjoined while TCP is not up, then behind a narrow gate.
 *   3. After sst_client_fail() and sst_client_succeed() there is no attempt.
 * Threads: the record's worker, under the relay's lock; sst_client_wait() any that
 * holds it.
 */
#include "client_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "core.h"
#include "door.h"
#include "live.h"
#include "settings.h"
#include "stream.h"
#include "tls/conf.h"
#include "tls/conn.h"
#include "tls/revoke.h"
#include "upgrade.h"

void
sst_client_free(struct sst_record *r)
{
	struct sst_client *c = r->client;

	if (c == NULL)
		return;
	/* Whoever fetches for it rings no more after this. */
	if (r->conn != NULL)
		sst_conn_judge_end(r->conn);
	sst_bell_done(&c->bell);
	if (c->app >= 0)
		(void)close(c->app);
	sst_tls_conf_unref(c->conf);
	sst_revoke_unref(c->judge);
	sst_upgrade_free(c->upgrade);
	free(c);
	r->client = NULL;
}

/* Answers whoever waits; 1 when there was somebody. */
static int
answer_all(struct sst_record *r, int code, const char *text)
{
	struct sst_call *call, *next;
	int n = 0;

	for (call = r->client->waiting; call != NULL; call = next) {
		next = call->wait_next;
		n = 1;
		if (code == 0)
			sst_call_answer(call, 0, NULL, 0, -1);
		else
			sst_call_fail(call, code, text);
	}
	r->client->waiting = NULL;
	return n;
}

static int
join(struct sst_record *r, int app)
{
	int end;

	if (sst_link_join(&r->relay->link, app, SST_LINK_CONNECT, &end) < 0)
		return -1;
	r->end = end;
	sst_record_unwatch_name(r);
	return 0;
}

int
sst_client_is_narrow(const struct sst_record *r)
{
	return r->client != NULL && r->client->app >= 0 && r->end >= 0;
}

int
sst_client_join_early(struct sst_record *r)
{
	struct sst_client *c = r->client;
	int joined, end;

	if (c->app < 0)
		return 0;
	joined = sst_link_join_narrow(&r->relay->link, c->app, &end, &c->junk);
	if (joined <= 0)
		return joined;
	r->end = end;
	sst_record_unwatch_name(r);
	/* As a stream: nothing is to be changed when it becomes one. */
	r->end_heard = 1;
	return sst_loop_add(sst_record_loop(r), &r->end_watch, end,
	    EPOLLIN | EPOLLRDHUP | EPOLLET, sst_client_end_ready);
}

/* The attempt is over before its handshake began, or it has none. 0, or -1 with
 * errno. */
static int
join_waiting(struct sst_record *r)
{
	int app = r->client->app;
	int rc;

	if (app < 0 || r->end >= 0)
		return 0;
	r->client->app = -1;
	rc = join(r, app);
	(void)close(app);
	return rc;
}

void
sst_client_fail(struct sst_record *r, int code, const char *text)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sst_loop *loop = sst_record_loop(r);
	int over = r->state != SST_REC_CONNECTING || r->end >= 0;

	if (over)
		(void)join_waiting(r);
	sst_record_say(r, text);
	if (!answer_all(r, code, text) && over)
		r->error = code;
	sst_client_free(r);
	if (over) {
		sst_record_end(r, 0);
		return;
	}
	sst_loop_del(loop, &r->tcp_watch);
	sst_loop_disarm(loop, &r->timer);
	sst_conn_free(r->conn);
	r->conn = NULL;
	if (!r->foreign)
		(void)connect(r->tcp, &none, sizeof(none));
	sst_worker_leave(r->worker);
	r->state = SST_REC_FRESH;
	sst_record_watch_name(r);
}

/* What a thread of the program wrote before is handed out. 0, or -1 with errno. */
static int
open_gate(struct sst_record *r, uint8_t **ret_early, size_t *ret_len)
{
	const struct sst_client *c = r->client;

	if (sst_client_is_narrow(r))
		return sst_link_open_narrow(c->app, r->end, c->junk, r->sndbuf,
		    r->worker->scratch);
	if (c->app >= 0)
		return join_waiting(r);
	return sst_link_open(&r->relay->link, r->end, c->junk, r->worker->scratch,
	    SST_PUMP_SCRATCH, ret_early, ret_len);
}

void
sst_client_succeed(struct sst_record *r)
{
	uint8_t *early = NULL;
	size_t early_len = 0;
	int upgraded = r->was_open, told, rc;
	const int tcp_ended = r->client->tcp_ended;

	/* Before the gate: whoever sees it open may ask for the peer at once. */
	r->state = SST_REC_OPEN;
	rc = open_gate(r, &early, &early_len);
	if (rc < 0 || sst_stream_start(r, early, early_len) < 0) {
		free(early);
		sst_client_fail(r, ENOBUFS, "the connection could not be handed over");
		return;
	}
	/* No event says it again. */
	r->pump.tcp_ended = tcp_ended != 0;
	told = answer_all(r, 0, NULL);
	r->untold = !told && !upgraded;
	sst_client_free(r);
	if (r->set->live && !r->plain && sst_live_start(r) < 0)
		sst_log_event(&r->relay->log, SST_LOG_INTERNAL, r->worker->loop.now,
		    "no memory to go on judging a connection");
}

void
sst_client_end_ready(struct sst_watch *w, uint32_t events)
{
	struct sst_record *r = SST_HOLDER(w, struct sst_record, end_watch);
	struct sst_relay *relay = r->relay;

	if ((events & (EPOLLHUP | EPOLLRDHUP)) == 0)
		return;
	sst_core_lock(relay);
	/* The control thread may have given it up since: it could not be watched
	 * (client.c). Else the program closed it, and nobody is left to be told, or
	 * a thread shut it down, which ends a connect() of TCP. */
	if (r->client != NULL && ((events & EPOLLHUP) != 0 || !r->was_open)) {
		(void)answer_all(r, ECONNRESET, NULL);
		sst_client_free(r);
		sst_record_end(r, 0);
	}
	sst_core_unlock(relay);
}

int
sst_client_join_pending(struct sst_record *r, int app)
{
	if (join(r, app) < 0 ||
	    sst_link_gate(&r->relay->link, app, &r->client->junk) < 0)
		return -1;
	return sst_loop_add(sst_record_loop(r), &r->end_watch, r->end,
	    EPOLLRDHUP | EPOLLET, sst_client_end_ready);
}

/* Nobody waits any more: the descriptor has to look like one that is pending, and
 * the program's close() of it has to be seen. 0, or -1 with errno. */
static int
let_go(struct sst_record *r)
{
	struct sst_client *c = r->client;
	int app = c->app;
	int rc;

	if (app < 0)
		return 0;
	if (r->end >= 0)
		rc = sst_link_widen(&r->relay->link, app, r->end, r->sndbuf,
		    r->worker->scratch, &c->junk);
	else
		rc = sst_client_join_pending(r, app);
	c->app = -1;
	(void)close(app);
	return rc;
}

/* The caller of a blocking connect() gave up; the attempt goes on. */
static void
obey_gone(struct sst_order *order, struct sst_worker *worker)
{
	struct sst_call *call = SST_HOLDER(order, struct sst_call, order);
	struct sst_record *r = call->owner;
	struct sst_client *c = r->client;
	struct sst_call **at;

	(void)worker;
	for (at = &c->waiting; *at != call; at = &(*at)->wait_next)
		continue;
	*at = call->wait_next;
	if (let_go(r) < 0)
		sst_client_fail(r, errno, "the connection could not be handed over");
	sst_call_fail(call, EINPROGRESS, NULL);
}

static void
caller_gone(struct sst_call *call)
{
	const struct sst_record *r = call->owner;

	sst_worker_post(r->worker, &call->order, obey_gone);
}

void
sst_client_wait(struct sst_call *call, struct sst_record *r)
{
	call->wait_next = r->client->waiting;
	r->client->waiting = call;
	sst_call_wait(call, caller_gone, r);
}
