/* SPDX-License-Identifier: ISC */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "live.h"
#include "rules.h"
#include "settings.h"
#include "stream.h"
#include "tls/conf.h"
#include "tls/conn.h"
#include "tls/revoke.h"
#include "upgrade.h"

#define EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define JUDGE_MORE_MS	1000	/* beside the budget, which ends by itself */

/* An attempt under way. */
struct sst_client {
	struct sst_call	   *waiting;	/* calls to answer when it is over */
	struct sst_tls_conf *conf;	/* NULL: plain, or upgraded */
	struct sst_revoke  *judge;	/* NULL: the same */
	struct sst_bell	    bell;	/* the verdict's evidence is there */
	struct sst_record  *record;
	int		    judging;	/* nothing is to be done until then */
	struct sst_upgrade *upgrade;	/* it was plain before, or NULL */
	int		    app;	/* not joined yet: the program's end */
	int		    tcp_ended;	/* as in the pump */
	size_t		    junk;	/* in the gate */
};

static void
client_free(struct sst_record *r)
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

/* The program that waits in connect() finds its descriptor joined when it returns,
 * and no gate was needed until then. 0, or -1 with errno. */
static int
join_waiting(struct sst_record *r)
{
	int app = r->client->app;
	int rc;

	if (app < 0)
		return 0;
	r->client->app = -1;
	rc = join(r, app);
	(void)close(app);
	return rc;
}

/* The attempt failed. While TCP is not up nothing has happened: a descriptor that
 * was not joined is fresh again. */
static void
fail(struct sst_record *r, int code, const char *text)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sst_loop *loop = sst_record_loop(r);
	int over = r->state != SST_REC_CONNECTING || r->end >= 0;

	if (over)
		(void)join_waiting(r);
	sst_record_say(r, text);
	if (!answer_all(r, code, text) && over)
		r->error = code;
	client_free(r);
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

static void
fail_tcp(struct sst_record *r, int code)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "TCP connection: %s", strerror(code));
	fail(r, code, text);
}

static void
succeed(struct sst_record *r)
{
	uint8_t *early = NULL;
	size_t early_len = 0;
	int upgraded = r->was_open, told, rc;
	const int tcp_ended = r->client->tcp_ended;

	/* Before the gate: whoever sees it open may ask for the peer at once. */
	r->state = SST_REC_OPEN;
	if (r->client->app >= 0)
		rc = join_waiting(r);
	else
		rc = sst_link_open(&r->relay->link, r->end, r->client->junk,
		    r->worker->scratch, SST_PUMP_SCRATCH, &early, &early_len);
	if (rc < 0 || sst_stream_start(r, early, early_len) < 0) {
		free(early);
		fail(r, ENOBUFS, "the connection could not be handed over");
		return;
	}
	/* No event says it again. */
	r->pump.tcp_ended = tcp_ended != 0;
	told = answer_all(r, 0, NULL);
	r->untold = !told && !upgraded;
	client_free(r);
	if (r->set->live && !r->plain && sst_live_start(r) < 0)
		sst_log_event(&r->relay->log, SST_LOG_INTERNAL, r->worker->loop.now,
		    "no memory to go on judging a connection");
}

static void shake(struct sst_record *);
static void too_slow(struct sst_timer *);

static void
evidence_is_there(struct sst_bell *bell, struct sst_worker *worker)
{
	struct sst_client *c = SST_HOLDER(bell, struct sst_client, bell);

	(void)worker;
	c->judging = 0;
	shake(c->record);
}

/* On a thread of the checker, which must not wait for the relay's lock. */
static void
ring(void *bell)
{
	sst_bell_ring(bell);
}

/* The handshake is over and the verdict is not: evidence is fetched, for which the
 * connection waits longer than for its handshake, and the worker does not. */
static enum sst_step
start_judging(struct sst_record *r, struct sst_error *err)
{
	struct sst_client *c = r->client;

	c->record = r;
	c->judging = 1;
	sst_bell_init(&c->bell, r->worker, evidence_is_there);
	return sst_conn_judge_start(r->conn, ring, &c->bell, err) == SST_OK ?
	    SST_STEP_WANT_VERDICT : SST_STEP_FAILED;
}

/* Without the lock: what takes time. */
static enum sst_step
compute(struct sst_record *r, struct sst_upgrade *upgrade, struct sst_error *err)
{
	enum sst_step now = SST_STEP_DONE;

	if (upgrade != NULL)
		now = sst_upgrade_step(upgrade, r->conn, err);
	if (now == SST_STEP_DONE)
		now = sst_conn_handshake(r->conn, err);
	return now == SST_STEP_WANT_VERDICT ? start_judging(r, err) : now;
}

static void
give_time(struct sst_record *r)
{
	const unsigned ms = sst_conn_judge_budget(r->conn) + JUDGE_MORE_MS;

	sst_loop_arm(&r->worker->loop, &r->timer, r->timer.due + ms, too_slow);
}

/* Under the lock, but while it computes. */
static void
shake(struct sst_record *r)
{
	struct sst_error err = { 0 };
	enum sst_step now;

	sst_core_unlock(r->relay);
	now = compute(r, r->client->upgrade, &err);
	sst_core_lock(r->relay);
	switch (now) {
	case SST_STEP_WANT_VERDICT:
		give_time(r);
		break;
	case SST_STEP_DONE:
		succeed(r);
		break;
	case SST_STEP_WANT_READ:
	case SST_STEP_WANT_WRITE:
		break;
	case SST_STEP_END:
	case SST_STEP_FAILED:
		fail(r, sst_fault_handshake(&err), err.text);
		break;
	}
}

static void
too_slow(struct sst_timer *t)
{
	struct sst_record *r = SST_HOLDER(t, struct sst_record, timer);
	struct sst_relay *relay = r->relay;

	sst_core_lock(relay);
	fail(r, ETIMEDOUT, r->client->judging ? "the evidence about the peer's "
	    "certificate did not come in time" :
	    "the TLS handshake did not end in time");
	sst_core_unlock(relay);
}

static void
end_ready(struct sst_watch *w, uint32_t events)
{
	struct sst_record *r = SST_HOLDER(w, struct sst_record, end_watch);
	struct sst_relay *relay = r->relay;

	if ((events & EPOLLHUP) == 0)
		return;
	sst_core_lock(relay);
	/* The program closed it: nobody is left to be told. */
	(void)answer_all(r, ECONNABORTED, NULL);
	client_free(r);
	sst_record_end(r, 0);
	sst_core_unlock(relay);
}

/* Joins the program's descriptor and shuts the gate. 0, or -1 with errno. */
static int
join_pending(struct sst_record *r, int app)
{
	if (join(r, app) < 0 ||
	    sst_link_gate(&r->relay->link, app, &r->client->junk) < 0)
		return -1;
	return sst_loop_add(sst_record_loop(r), &r->end_watch, r->end,
	    EPOLLRDHUP | EPOLLET, end_ready);
}

/* The caller of a blocking connect() gave up; the attempt goes on, and the
 * descriptor has to look like one that is pending. */
static void
obey_gone(struct sst_order *order, struct sst_worker *worker)
{
	struct sst_call *call = SST_HOLDER(order, struct sst_call, order);
	struct sst_record *r = call->owner;
	struct sst_client *c = r->client;
	struct sst_call **at;
	int app = c->app;

	(void)worker;
	for (at = &c->waiting; *at != call; at = &(*at)->wait_next)
		continue;
	*at = call->wait_next;
	c->app = -1;
	if (app >= 0 && join_pending(r, app) < 0)
		fail(r, errno, "the connection could not be handed over");
	if (app >= 0)
		(void)close(app);
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

static int
make_conn(struct sst_record *r, struct sst_error *err)
{
	const char *host = NULL;
	int rc;

	if (r->client->conf == NULL)
		return sst_conn_new_plain(r->tcp, &r->conn, err);
	rc = sst_settings_host(r->set, &host, err);
	if (rc == SST_OK)
		rc = sst_conn_new_client(r->client->conf, r->tcp, host, &r->peer.any,
		    &r->conn, err);
	if (rc == SST_OK)
		rc = sst_conn_judge_by(r->conn, r->client->judge, err);
	for (size_t i = 1; r->set->all_names && i < r->set->names.n && rc == SST_OK;
	    i++)
		rc = sst_conn_require(r->conn, r->set->names.list[i], err);
	return rc;
}

static void
limit(struct sst_record *r, int ms)
{
	struct sst_loop *loop = &r->worker->loop;

	if (r->set->timeout_ms > 0)
		ms = r->set->timeout_ms;
	sst_loop_arm(loop, &r->timer, loop->now + ms, too_slow);
}

/* TCP is up. */
static void
start_tls(struct sst_record *r)
{
	struct sst_error err = { 0 };
	socklen_t len = sizeof(r->local);
	int rc;

	(void)getsockname(r->tcp, &r->local.any, &len);
	r->state = SST_REC_HANDSHAKE;
	rc = make_conn(r, &err);
	if (rc != SST_OK) {
		fail(r, sst_fault_call(&err), err.text);
		return;
	}
	r->plain = r->client->conf == NULL;
	limit(r, SST_TIMEOUT_CLIENT_MS);
	shake(r);
}

/* TCP's answer is there, or not yet. */
static void
tcp_answered(struct sst_record *r, uint32_t events)
{
	int code = 0;
	socklen_t len = sizeof(r->peer);

	/* Whoever has a peer is up; else the error says why not. */
	if (getpeername(r->tcp, &r->peer.any, &len) < 0) {
		len = sizeof(code);
		if (getsockopt(r->tcp, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
			code = errno;
		if (code == 0 && (events & EPOLLOUT) == 0)
			return;
		if (code == 0)
			code = ENOTCONN;
	}
	/* TCP was up already, or it would be refused: a reset in the handshake. */
	if (code == ECONNRESET || code == EPIPE || code == ENOTCONN)
		fail(r, ECONNABORTED, "the peer reset the connection before the "
		    "TLS handshake");
	else if (code != 0)
		fail_tcp(r, code);
	else
		start_tls(r);
}

static void
tcp_ready(struct sst_watch *w, uint32_t events)
{
	struct sst_record *r = SST_HOLDER(w, struct sst_record, tcp_watch);
	struct sst_relay *relay = r->relay;

	sst_core_lock(relay);
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		r->client->tcp_ended = 1;
	if (r->state == SST_REC_HANDSHAKE && !r->client->judging)
		shake(r);
	else if (r->state != SST_REC_HANDSHAKE)
		tcp_answered(r, events);
	sst_core_unlock(relay);
}

/* 0: an attempt may begin; else why not. */
static int
state_fault(const struct sst_record *r, const struct sst_call *call)
{
	switch (r->state) {
	case SST_REC_FRESH:
		return 0;
	case SST_REC_HANDSHAKE:
		if (r->was_open)
			return EISCONN;	/* it is being upgraded */
		return call->head.a == 1 ? EALREADY : 0;
	case SST_REC_CONNECTING:
		return call->head.a == 1 ? EALREADY : 0;
	case SST_REC_OPEN:
	case SST_REC_LISTENING:
		return EISCONN;
	default:
		return r->was_open ? EISCONN : ECONNABORTED;
	}
}

/* As TCP: the first connect() after an attempt that nobody waited for takes its
 * result, and SO_ERROR has it no more. */
static int
take_result(struct sst_record *r, int code)
{
	int taken = r->error;

	if (code == ECONNABORTED && taken != 0) {
		r->error = 0;
		return taken;
	}
	if (r->state == SST_REC_OPEN && r->untold) {
		r->untold = 0;
		return 0;
	}
	return code;
}

/* Begins TCP's part. 0, or an errno: nothing was changed. */
static int
start_tcp(struct sst_record *r, const struct sst_call *call)
{
	int rc;

	do
		rc = connect(r->tcp, (const struct sockaddr *)(const void *)call->data,
		    (socklen_t)call->len);
	while (rc < 0 && errno == EINTR);
	if (rc < 0 && errno != EINPROGRESS)
		return errno;
	sst_record_employ(r);
	r->state = SST_REC_CONNECTING;
	return 0;
}

/* Settings that cannot work are refused before a packet is sent. */
static int
prepare(struct sst_record *r, int plain, struct sst_error *err)
{
	struct sst_client *c = calloc(1, sizeof(*c));
	const char *host;
	int rc = SST_OK;

	if (c == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	c->app = -1;
	r->client = c;
	if (!plain)
		rc = sst_settings_host(r->set, &host, err);
	if (rc == SST_OK && !plain)
		rc = sst_settings_client_conf(r->set, &c->conf, err);
	if (rc == SST_OK && !plain)
		rc = sst_rules_revoke(r, &c->judge, err);
	if (rc != SST_OK)
		client_free(r);
	return rc;
}

/* The worker has it from sst_loop_add() on: TCP's answer is an event. */
static void
go_on(struct sst_call *call, struct sst_record *r, int waits)
{
	if (waits) {
		r->client->app = call->fds[0];
		call->fds[0] = -1;
		sst_client_wait(call, r);
	} else if (join_pending(r, call->fds[0]) < 0) {
		fail(r, errno, "the connection could not be handed over");
		sst_call_fail(call, ENOBUFS, "the connection could not be handed over");
		return;
	}
	if (sst_loop_add(sst_record_loop(r), &r->tcp_watch, r->tcp, EVENTS,
	    tcp_ready) < 0)
		fail(r, ENOBUFS, "the helper process has no memory left");
	if (!waits)
		sst_call_fail(call, EINPROGRESS, NULL);
}

static void
begin(struct sst_call *call, struct sst_record *r)
{
	int plain = call->head.b == SST_MODE_PLAIN || r->set->start_plain;
	struct sst_error err = { 0 };
	int code;

	if (prepare(r, plain, &err) != SST_OK) {
		sst_record_say(r, err.text);
		sst_call_fail(call, sst_fault_call(&err), err.text);
		return;
	}
	code = start_tcp(r, call);
	if (code != 0) {
		client_free(r);
		sst_call_fail(call, code, NULL);
		return;
	}
	go_on(call, r, call->head.a != 1);
}

void
sst_client_adopt(struct sst_call *call, struct sst_record *r)
{
	if (prepare(r, 1, NULL) != SST_OK) {
		sst_call_fail(call, ENOMEM, NULL);
		return;
	}
	sst_record_employ(r);
	r->state = SST_REC_CONNECTING;
	go_on(call, r, 1);
}

/* The stream's watches become the attempt's. 0, or -1 with errno. */
static int
watch_again(struct sst_record *r)
{
	struct sst_loop *loop = &r->worker->loop;

	sst_loop_forget(&r->tcp_watch);
	sst_loop_del(loop, &r->end_watch);
	if (sst_loop_take_over(loop, &r->tcp_watch, r->tcp, EVENTS, tcp_ready) < 0)
		return -1;
	return sst_loop_add(loop, &r->end_watch, r->end, EPOLLRDHUP | EPOLLET,
	    end_ready);
}

void
sst_client_upgrade(struct sst_call *call, struct sst_record *r,
    struct sst_upgrade *upgrade, int ms)
{
	struct sst_client *c = calloc(1, sizeof(*c));
	int rc = -1;

	r->state = SST_REC_HANDSHAKE;
	r->plain = 0;
	r->again = 0;
	sst_record_say(r, NULL);	/* what was refused before */
	r->wait = SST_WAIT_NOTHING;
	r->client = c;
	if (c != NULL) {
		c->app = -1;
		c->upgrade = upgrade;
		rc = sst_link_gate(&r->relay->link, call->fds[0], &c->junk);
	}
	if (rc < 0 || watch_again(r) < 0) {
		sst_call_fail(call, ENOBUFS, "the helper process has no memory left");
		if (c == NULL)
			sst_upgrade_free(upgrade);
		client_free(r);
		sst_record_end(r, 0);
		return;
	}
	/* Or its closing would not be seen. */
	(void)close(call->fds[0]);
	call->fds[0] = -1;
	if (call->head.a == 1)
		sst_call_fail(call, EINPROGRESS, NULL);
	else
		sst_client_wait(call, r);
	limit(r, ms);
	shake(r);
}

const struct sst_upgrade *
sst_client_upgrading(const struct sst_record *r)
{
	return r->client->upgrade;
}

void
sst_client_connect(struct sst_call *call, struct sst_record *r)
{
	sa_family_t family = AF_UNSPEC;
	int code = state_fault(r, call);

	if (call->len >= sizeof(family))
		memcpy(&family, call->data, sizeof(family));
	if (call->len < sizeof(family) || family == AF_UNSPEC) {
		/* Dissolving: there is nothing to dissolve, or it cannot be. */
		code = call->len < sizeof(family) ? EINVAL :
		    r->state == SST_REC_FRESH ? 0 : EOPNOTSUPP;
		if (code == 0)
			sst_call_answer(call, 0, NULL, 0, -1);
		else
			sst_call_fail(call, code, code == EOPNOTSUPP ?
			    "connect to AF_UNSPEC: a connection of TLS cannot be "
			    "dissolved" : NULL);
		return;
	}
	code = take_result(r, code);
	if (code != 0)
		sst_call_fail(call, code, code != EISCONN && code != EALREADY ?
		    r->text : NULL);
	else if (r->state == SST_REC_OPEN)
		sst_call_answer(call, 0, NULL, 0, -1);
	else if (r->state == SST_REC_FRESH)
		begin(call, r);
	else
		sst_client_wait(call, r);
}
