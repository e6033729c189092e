/* SPDX-License-Identifier: ISC */
/*
 * client_shake - the peer's side of an attempt: TCP's answer, the handshake, the
 * verdict (client.h).
 *
 *	TCP is up -> shake ... -> WANT_VERDICT ... -> shake -> client_app.c
 *
 * Always true:
 *   1. Whatever ends it, sst_client_succeed() or sst_client_fail() is called, once.
 *   2. While evidence is fetched no event and no byte of the peer leads to a step.
 * Threads: the record's worker, under the relay's lock, which it gives up while it
 * computes. ring() is of the checker's thread and takes no lock.
 */
#include "client_inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "core.h"
#include "fault.h"
#include "settings.h"
#include "tls/conn.h"
#include "tls/revoke.h"
#include "upgrade.h"

#define JUDGE_MORE_MS	1000	/* beside the budget, which ends by itself */

static void
evidence_is_there(struct sst_bell *bell, struct sst_worker *worker)
{
	struct sst_client *c = SST_HOLDER(bell, struct sst_client, bell);

	(void)worker;
	c->judging = 0;
	sst_client_shake(c->record);
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
too_slow(struct sst_timer *t)
{
	struct sst_record *r = SST_HOLDER(t, struct sst_record, timer);
	struct sst_relay *relay = r->relay;

	sst_core_lock(relay);
	sst_client_fail(r, ETIMEDOUT, r->client->judging ?
	    "the evidence about the peer's certificate did not come in time" :
	    "the TLS handshake did not end in time");
	sst_core_unlock(relay);
}

static void
give_time(struct sst_record *r)
{
	const unsigned ms = sst_conn_judge_budget(r->conn) + JUDGE_MORE_MS;

	sst_loop_arm(&r->worker->loop, &r->timer, r->timer.due + ms, too_slow);
}

void
sst_client_shake(struct sst_record *r)
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
		sst_client_succeed(r);
		break;
	case SST_STEP_WANT_READ:
	case SST_STEP_WANT_WRITE:
		break;
	case SST_STEP_END:
	case SST_STEP_FAILED:
		sst_client_fail(r, sst_fault_handshake(&err), err.text);
		break;
	}
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

void
sst_client_limit(struct sst_record *r, int ms)
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
		sst_client_fail(r, sst_fault_call(&err), err.text);
		return;
	}
	r->plain = r->client->conf == NULL;
	/* Before a byte is sent: the first step may be the last, and then the server
	 * accepts. */
	if (!r->plain && sst_client_join_early(r) < 0) {
		sst_client_fail(r, ENOBUFS, "the connection could not be handed over");
		return;
	}
	sst_client_limit(r, SST_TIMEOUT_CLIENT_MS);
	sst_client_shake(r);
}

static void
fail_tcp(struct sst_record *r, int code)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "TCP connection: %s", strerror(code));
	sst_client_fail(r, code, text);
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
		sst_client_fail(r, ECONNABORTED, "the peer reset the connection "
		    "before the TLS handshake");
	else if (code != 0)
		fail_tcp(r, code);
	else
		start_tls(r);
}

void
sst_client_tcp_ready(struct sst_watch *w, uint32_t events)
{
	struct sst_record *r = SST_HOLDER(w, struct sst_record, tcp_watch);
	struct sst_relay *relay = r->relay;

	sst_core_lock(relay);
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
		r->client->tcp_ended = 1;
	if (r->state == SST_REC_HANDSHAKE && !r->client->judging)
		sst_client_shake(r);
	else if (r->state != SST_REC_HANDSHAKE)
		tcp_answered(r, events);
	sst_core_unlock(relay);
}
