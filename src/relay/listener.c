/* SPDX-License-Identifier: ISC */
#include "listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail.h"
#include "certs.h"
#include "core.h"
#include "door.h"
#include "hold.h"
#include "oversee.h"
#include "served.h"
#include "settings.h"
#include "shake.h"
#include "stream.h"
#include "supply.h"
#include "tls/conf.h"
#include "tls/conn.h"

const char *
sst_listener_count_name(enum sst_listener_count count)
{
	static const char *const names[SST_COUNTS] = {
		"ok", "acme", "silent", "slow", "not_tls", "alert", "closed", "evicted",
		"internal",
	};

	return names[count];
}

static size_t
wanted(const struct sst_listener *l)
{
	return l->backlog < 1 ? 1 : (size_t)l->backlog;
}

/* The program shut the listener down, or closed it: as TCP in state CLOSE. */
void
sst_listener_shut(struct sst_listener *l)
{
	struct sst_relay *relay = l->record->relay;

	if (l->closed)
		return;
	l->closed = 1;
	sst_oversee_end(l);
	sst_shake_end_all(l);
	sst_record_close_tcp(l->record, 0);
	sst_queue_shut(l);
	sst_hold_release(relay, l->id);
}

void
sst_listener_room(struct sst_listener *l)
{
	struct sst_relay *relay = l->record->relay;
	int full;

	if (l->closed || l->restoring)
		return;
	full = !sst_queue_below(l, wanted(l)) || sst_shake_full(l);
	if (full == l->paused)
		return;
	if (full)
		sst_queue_watch(l);
	if (sst_loop_change(&relay->loop, &l->record->tcp_watch,
	    full ? 0 : EPOLLIN) == 0)
		l->paused = full;
}

/* Of a name: from a random start, so that those of a relay before this one are
 * not met again. */
static int
next_serial(struct sst_relay *relay, uint64_t *ret_serial)
{
	if (relay->serial == 0 &&
	    getrandom(&relay->serial, sizeof(relay->serial), 0) < 0)
		return -1;
	*ret_serial = relay->serial++;
	return 0;
}

/* The last descriptors are for connections, not for more clients. */
static int
make_pair(struct sst_relay *relay, struct sst_seat *seat)
{
	int rc;

	do
		rc = sst_link_pair(&seat->name, &seat->app, &seat->end);
	while (rc < 0 && (errno == EMFILE || errno == ENFILE) &&
	    sst_spare_use(&relay->spare));
	return rc;
}

int
sst_listener_seat(struct sst_listener *l, int tcp, const union sst_inet *peer,
    struct sst_seat *seat)
{
	struct sst_relay *relay = l->record->relay;
	socklen_t len = sizeof(seat->name.local);

	memset(seat, 0, sizeof(*seat));
	seat->app = seat->end = -1;
	memcpy(seat->name.door, relay->door, sizeof(seat->name.door));
	seat->name.kind = SST_SOCKNAME_ACCEPTED;
	seat->name.family = l->record->family;
	seat->name.peer = *peer;
	if (getsockname(tcp, &seat->name.local.any, &len) < 0 ||
	    next_serial(relay, &seat->name.serial) < 0)
		return -1;
	return make_pair(relay, seat);
}

void
sst_seat_leave(struct sst_seat *seat)
{
	if (seat->app >= 0)
		(void)close(seat->app);
	if (seat->end >= 0)
		(void)close(seat->end);
	seat->app = seat->end = -1;
}

/* A record for a finished handshake; it owns all of what it is given. */
static struct sst_record *
make_accepted(struct sst_listener *l, struct sst_worker *worker, int tcp,
    struct sst_conn *conn, const struct sst_seat *seat)
{
	const struct sst_sockname *name = &seat->name;
	struct sst_record *r = sst_record_new(l->record->relay,
	    sst_record_cookie(seat->app), name->kind, name->family, name->serial);

	if (r == NULL)
		return NULL;
	r->worker = worker;
	r->local = name->local;
	r->peer = name->peer;
	r->tcp = tcp;
	r->conn = conn;
	r->held = seat->app;
	r->end = seat->end;
	r->set = sst_settings_ref(l->record->set);
	r->linger_on = l->record->linger_on;
	r->linger_time = l->record->linger_time;
	r->nodelay = l->record->nodelay;
	r->reset_on_close = l->record->reset_on_close;
	r->forced = l->record->forced;
	r->plain = sst_conn_is_plain(conn) != 0;
	return r;
}

void
sst_listener_finished(struct sst_listener *l, struct sst_worker *worker, int tcp,
    struct sst_conn *conn, struct sst_seat *seat)
{
	struct sst_record *r = make_accepted(l, worker, tcp, conn, seat);

	if (r == NULL) {
		l->counts[SST_COUNT_INTERNAL]++;
		sst_seat_leave(seat);
		sst_conn_free(conn);
		(void)shutdown(tcp, SHUT_RDWR);
		(void)close(tcp);
		return;
	}
	worker->connections++;
	if (sst_stream_start(r, NULL, 0) < 0) {
		l->counts[SST_COUNT_INTERNAL]++;
		sst_worker_leave(worker);
		sst_record_end(r, 1);
		return;
	}
	l->counts[SST_COUNT_OK]++;
	sst_served_look(l);
	sst_queue_enter(l, r);
	sst_listener_room(l);
}

/* The kernel says ECONNRESET to the other end of what is closed with something
 * unread. */
static int
left_in_queue(const struct sst_record *listener)
{
	int code = 0;
	socklen_t len = sizeof(code);

	return getsockopt(listener->end, SOL_SOCKET, SO_ERROR, &code, &len) < 0 ||
	    code != 0;
}

/* The program closed the listener. */
static void
gone(struct sst_listener *l)
{
	struct sst_relay *relay = l->record->relay;
	struct sst_record *listener = l->record;
	const int left = left_in_queue(listener);

	sst_listener_shut(l);
	sst_queue_end(l, left);
	listener->listener = NULL;
	*l->at_me = l->next;
	if (l->next != NULL)
		l->next->at_me = l->at_me;
	sst_tls_conf_unref(l->conf);
	free(l->last_error);
	sst_loop_free(&relay->loop, &l->object);
	sst_record_end(listener, 0);
}

static void
end_ready(struct sst_watch *w, uint32_t events)
{
	struct sst_record *r = SST_HOLDER(w, struct sst_record, end_watch);
	struct sst_listener *l = r->listener;

	if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		gone(l);
		return;
	}
	/* A packet that the kernel refuses to send for its descriptor gives its
	 * memory back, which is an edge as well: that one must not try again. */
	if (l->retry.at_me != NULL)
		return;
	/* A program that shut it down for reading takes nothing any more. */
	if (send(r->end, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EPIPE) {
		sst_listener_shut(l);
		return;
	}
	sst_queue_note(l);
	sst_queue_deliver(l);
	sst_listener_room(l);
	sst_queue_calm(l);
}

static void
tcp_ready(struct sst_watch *w, uint32_t events)
{
	struct sst_record *r = SST_HOLDER(w, struct sst_record, tcp_watch);
	struct sst_listener *l = r->listener;

	(void)events;
	if (sst_shake_accept(l) == 0) {
		sst_listener_room(l);
		return;
	}
	(void)sst_loop_change(&r->relay->loop, w, 0);
	l->paused = 1;
	sst_queue_retry(l);
}

int
sst_listener_begin(struct sst_listener *l)
{
	struct sst_record *r = l->record;
	struct sst_loop *loop = &r->relay->loop;

	l->restoring = 0;
	sst_oversee_begin(l);
	return sst_loop_add(loop, &r->tcp_watch, r->tcp, EPOLLIN, tcp_ready);
}

int
sst_listener_adopt(struct sst_record *r, uint32_t id, int backlog)
{
	struct sst_relay *relay = r->relay;
	struct sst_listener *l = calloc(1, sizeof(*l));
	struct sst_error err = { 0 };

	if (l == NULL)
		return -1;
	sst_oversee_ready(r);
	if (sst_settings_server_conf(r->set, &l->conf, &err) != SST_OK ||
	    sst_loop_add(&relay->loop, &r->end_watch, r->end,
	    SST_QUEUE_CALM, end_ready) < 0) {
		sst_tls_conf_unref(l->conf);
		free(l);
		errno = ENOMEM;
		return -1;
	}
	l->record = r;
	l->id = id;
	l->backlog = backlog;
	sst_queue_begin(l);
	l->restoring = 1;
	l->next = relay->listeners;
	l->at_me = &relay->listeners;
	if (l->next != NULL)
		l->next->at_me = &l->next;
	relay->listeners = l;
	if (id >= relay->next_id)
		relay->next_id = id + 1;
	r->listener = l;
	r->worker = NULL;
	r->state = SST_REC_LISTENING;
	sst_record_unwatch_name(r);
	return 0;
}

int
sst_listener_renew(struct sst_record *r, struct sst_error *err)
{
	struct sst_tls_conf *conf = NULL;
	int rc;

	sst_oversee_ready(r);
	rc = sst_settings_server_conf(r->set, &conf, err);
	if (rc != SST_OK)
		return rc;
	sst_tls_conf_unref(r->listener->conf);
	r->listener->conf = conf;
	sst_oversee_begin(r->listener);
	sst_hold_send(r->listener);
	return SST_OK;
}

int
sst_listener_is_plain(const struct sst_listener *l)
{
	return l->record->plain || l->record->set->start_plain;
}

/* 0, or an errno; the record is as it was. */
static int
start(struct sst_record *r, int app, int backlog)
{
	struct sst_relay *relay = r->relay;
	int code = 0;

	if (listen(r->tcp, backlog) < 0)
		return errno;
	if (sst_link_join(&relay->link, app, SST_LINK_LISTEN, &r->end) < 0)
		return errno;
	sst_link_buffer(r->end);
	if (sst_link_quiet(&relay->link, app) < 0 ||
	    sst_listener_adopt(r, relay->next_id, backlog) < 0 ||
	    sst_listener_begin(r->listener) < 0)
		code = errno != 0 ? errno : ENOBUFS;
	return code;
}

/* The rest of listen(), when the certificates are ready. Answers the call. */
static void
listen_now(struct sst_call *call, struct sst_record *r)
{
	int code;

	if (r->state != SST_REC_FRESH) {	/* another thread was faster */
		sst_call_fail(call, EINVAL, "the socket is connected");
		return;
	}
	code = start(r, call->fds[0], call->head.a);
	if (code != 0) {
		if (r->end >= 0)
			sst_record_end(r, 0);
		sst_call_fail(call, code, NULL);
		return;
	}
	sst_certs_uncovered(r->set->certs, &r->set->names);
	sst_hold_send(r->listener);
	sst_call_answer(call, 0, NULL, 0, -1);
}

void
sst_listener_listen(struct sst_call *call, struct sst_record *r)
{
	struct sst_error err = { 0 };

	if (r->state == SST_REC_LISTENING && !r->listener->closed) {
		r->listener->backlog = call->head.a;
		if (listen(r->tcp, call->head.a) < 0) {
			sst_call_fail(call, errno, NULL);
			return;
		}
		sst_queue_deliver(r->listener);
		sst_listener_room(r->listener);
		sst_hold_send(r->listener);
		sst_call_answer(call, 0, NULL, 0, -1);
		return;
	}
	if (r->state != SST_REC_FRESH) {
		sst_call_fail(call, EINVAL, "the socket is connected");
		return;
	}
	r->plain = call->head.b == SST_MODE_PLAIN;
	/* What begins plain needs a certificate when it is upgraded. */
	if ((r->plain || r->set->start_plain ? sst_supply_store(r, &err) :
	    sst_settings_can_serve(r->set, &err)) != SST_OK) {
		sst_record_say(r, err.text);
		sst_call_fail(call, EINVAL, err.text);
		return;
	}
	if (r->plain || r->set->start_plain || !sst_oversee_wait(call, r, listen_now))
		listen_now(call, r);
}

void
sst_listener_lost(struct sst_call *call, struct sst_record *r)
{
	struct sst_wire_accepted a;

	if (r->state != SST_REC_LISTENING || call->len != sizeof(a)) {
		sst_call_fail(call, EINVAL, NULL);
		return;
	}
	memcpy(&a, call->data, sizeof(a));
	sst_queue_lost(r->listener, a.id);
	sst_call_answer(call, 0, NULL, 0, -1);
}
