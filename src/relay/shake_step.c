/* SPDX-License-Identifier: ISC */
/*
 * shake_step - one handshake of a listener, from its first event to its end
 * (shake.h).
 *
 *	SILENT -> SPEAKING -> HELLO_SEEN -> listener.c: a pair and its record
 *	   \-> PARKED -> CALLED -/
 *
 * Always true:
 *   1. No TLS connection is made before the client's first byte.
 *   2. After every call that gives the lock up, `listener` is looked at anew:
 *      somebody may have dismissed it.
 * Threads: its worker, under the relay's lock, which it gives up while it computes.
 */
#include "shake_inside.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fail.h"
#include "core.h"
#include "listener.h"
#include "peers.h"
#include "shake.h"
#include "tls/conf.h"
#include "tls/conn.h"

static struct sst_loop *
loop_of(const struct sst_shake *s)
{
	return &s->worker->loop;
}

static void on_time(struct sst_timer *);

static void
deadline(struct sst_shake *s, int64_t from, int ms)
{
	sst_loop_arm(loop_of(s), &s->timer, from + sst_shake_limit(s, ms), on_time);
}

static void
end(struct sst_shake *s, enum sst_listener_count why)
{
	struct sst_listener *l = s->listener;
	int had_share = s->active;

	l->counts[why]++;
	sst_shake_discard(s);
	if (had_share)
		sst_shake_unpark(l, s->narrow);
}

static void
on_time(struct sst_timer *t)
{
	struct sst_shake *s = SST_HOLDER(t, struct sst_shake, timer);
	struct sst_relay *relay = s->worker->relay;
	struct sst_listener *l;

	sst_core_lock(relay);
	l = s->listener;
	if (l != NULL) {
		end(s, SST_COUNT_SLOW);
		sst_listener_room(l);
	}
	sst_core_unlock(relay);
}

static enum sst_listener_count
reason(const struct sst_shake *s, const struct sst_error *err)
{
	if (s->conn != NULL && sst_conn_was_challenge(s->conn))
		return SST_COUNT_ACME;
	if (err->code == SST_E_PEER || err->code == SST_E_SYSTEM)
		return SST_COUNT_CLOSED;
	if (err->code == SST_E_NOMEM || err->code == SST_E_INTERNAL)
		return SST_COUNT_INTERNAL;
	return s->progress == SST_SHAKE_HELLO_SEEN ? SST_COUNT_ALERT :
	    SST_COUNT_NOT_TLS;
}

static void
failed(struct sst_shake *s, const struct sst_error *err)
{
	const enum sst_listener_count why = reason(s, err);
	struct sst_listener *l = s->listener;

	if (why != SST_COUNT_ACME) {
		free(l->last_error);
		l->last_error = strdup(err->text);
	}
	end(s, why);
}

/* After a resumed handshake, or where tickets are off, nothing follows the client's
 * Finished that would carry its acknowledgement; a client with Nagle on keeps its first
 * request back for it. */
static void
acknowledge(int tcp)
{
	const int one = 1;

	(void)setsockopt(tcp, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
}

/* Under the lock, but while it computes. */
static void
step(struct sst_shake *s)
{
	struct sst_relay *relay = s->worker->relay;
	struct sst_listener *l;
	struct sst_error err = { 0 };
	enum sst_step now;

	sst_core_unlock(relay);
	now = sst_conn_handshake(s->conn, &err);
	sst_core_lock(relay);
	l = s->listener;
	if (l == NULL)
		return;
	if (s->progress == SST_SHAKE_SPEAKING && sst_conn_saw_hello(s->conn)) {
		s->progress = SST_SHAKE_HELLO_SEEN;
		deadline(s, loop_of(s)->now, SST_SHAKE_REST_MS);
	}
	s->settled = sst_conn_got_finished(s->conn);
	if (now == SST_STEP_WANT_WRITE && !s->writes)
		s->writes = sst_loop_change(loop_of(s), &s->watch,
		    SST_SHAKE_EVENTS | EPOLLOUT) == 0;
	if (now == SST_STEP_WANT_READ || now == SST_STEP_WANT_WRITE)
		return;
	if (now != SST_STEP_DONE) {
		failed(s, &err);
	} else {
		sst_shake_detach(s);
		acknowledge(s->tcp);
		sst_listener_finished(l, s->worker, s->tcp, s->conn, &s->seat);
		sst_shake_unpark(l, s->narrow);
	}
	sst_listener_room(l);
}

/* A connection of the listener's settings as they are now. */
static int
make_conn(struct sst_shake *s, struct sst_error *err)
{
	struct sst_relay *relay = s->worker->relay;
	struct sst_tls_conf *conf;
	int rc;

	if (sst_listener_seat(s->listener, s->tcp, &s->peer, &s->seat) < 0)
		return sst_fail_errno(err, errno, "a connection to be accepted");
	conf = sst_tls_conf_ref(s->listener->conf);
	sst_core_unlock(relay);
	rc = sst_conn_new_server(conf, s->tcp, &s->seat.name.local.any, &s->conn, err);
	sst_tls_conf_unref(conf);
	sst_core_lock(relay);
	return rc;
}

/* The first byte is there and the address has room: TLS begins. */
static void
begin(struct sst_shake *s)
{
	struct sst_listener *l;
	struct sst_error err = { 0 };
	int rc = make_conn(s, &err);

	l = s->listener;
	if (l == NULL)
		return;
	if (rc != SST_OK) {
		end(s, SST_COUNT_INTERNAL);
		sst_listener_room(l);
		return;
	}
	/* Time in the queue of its own address is not held against it. */
	deadline(s, s->progress == SST_SHAKE_CALLED ? loop_of(s)->now : s->since,
	    SST_SHAKE_HELLO_MS);
	s->progress = SST_SHAKE_SPEAKING;
	step(s);
}

void
sst_shake_obey_begin(struct sst_order *order, struct sst_worker *worker)
{
	(void)worker;
	begin(SST_HOLDER(order, struct sst_shake, order));
}

/* There is no handshake to wait for, and a server may speak first. */
static void
finish_plain(struct sst_shake *s)
{
	struct sst_listener *l = s->listener;

	if (sst_listener_seat(l, s->tcp, &s->peer, &s->seat) < 0 ||
	    sst_conn_new_plain(s->tcp, &s->conn, NULL) != SST_OK) {
		end(s, SST_COUNT_INTERNAL);
	} else {
		sst_shake_detach(s);
		sst_listener_finished(l, s->worker, s->tcp, s->conn, &s->seat);
	}
	sst_listener_room(l);
}

static void
heard(struct sst_shake *s, uint32_t events)
{
	struct sst_listener *l = s->listener;

	if (s->progress == SST_SHAKE_SILENT && sst_listener_is_plain(l)) {
		finish_plain(s);
		return;
	}
	if (s->conn != NULL) {
		step(s);
		return;
	}
	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 &&
	    (events & EPOLLIN) == 0) {
		end(s, SST_COUNT_CLOSED);
		sst_listener_room(l);
		return;
	}
	if ((events & EPOLLIN) == 0 || s->progress != SST_SHAKE_SILENT)
		return;
	if (sst_shake_share(l, s->narrow) < SST_PEERS_ADDRESS) {
		s->active = 1;
		l->n_active++;
		begin(s);
		return;
	}
	s->progress = SST_SHAKE_PARKED;
	deadline(s, loop_of(s)->now, SST_SHAKE_HELLO_MS + SST_SHAKE_REST_MS);
}

void
sst_shake_ready(struct sst_watch *w, uint32_t events)
{
	struct sst_shake *s = SST_HOLDER(w, struct sst_shake, watch);
	struct sst_relay *relay = s->worker->relay;

	sst_core_lock(relay);
	if (s->listener != NULL)
		heard(s, events);
	sst_core_unlock(relay);
}
