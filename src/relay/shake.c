/* SPDX-License-Identifier: ISC */
#include "shake.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fail.h"
#include "core.h"
#include "listener.h"
#include "peers.h"
#include "settings.h"
#include "tls/conf.h"
#include "tls/conn.h"

#define EVENTS	(EPOLLIN | EPOLLRDHUP | EPOLLET)
#define BATCH	64
#define CROWD_NS 5000	/* who waited no longer than that may find more of them */

enum progress {
	SILENT = 0,	/* connected */
	PARKED,		/* it spoke, and its address has its share already */
	CALLED,		/* ... and has room: its worker was told */
	SPEAKING,	/* the ClientHello is not complete */
	HELLO_SEEN
};

/*
 * Its worker alone ends it and touches `conn`; whoever else wants it to end takes
 * it out of the listener's list and says so by an order.
 */
struct sst_shake {
	struct sst_object  object;	/* first */
	struct sst_listener *listener;	/* NULL: it is to end */
	struct sst_shake  *next, **at_me;	/* newest first */
	struct sst_worker *worker;
	struct sst_order   order;
	struct sst_watch   watch;
	struct sst_timer   timer;
	struct sst_conn	  *conn;	/* from SPEAKING on */
	struct sst_seat	   seat;	/* the same */
	uint64_t	   narrow, wide;
	int64_t		   since;
	enum progress	   progress;
	int		   writes;	/* it is to hear when the socket takes more */
	int		   active;	/* it has its share of its address's room */
	int		   settled;	/* the client's Finished is in */
	int		   tcp;
	union sst_inet	   peer;
};

static void on_time(struct sst_timer *);

static struct sst_loop *
loop_of(const struct sst_shake *s)
{
	return &s->worker->loop;
}

/* The part of the whole deadline; 0: the default. */
static int
limit(const struct sst_shake *s, int ms)
{
	int set = s->listener->record->set->timeout_ms;

	if (set <= 0)
		return ms;
	return ms == SST_SHAKE_BYTE_MS && set > ms ? ms : set;
}

static void
deadline(struct sst_shake *s, int64_t from, int ms)
{
	sst_loop_arm(loop_of(s), &s->timer, from + limit(s, ms), on_time);
}

static void
leave_list(struct sst_shake *s)
{
	struct sst_listener *l = s->listener;

	*s->at_me = s->next;
	if (s->next != NULL)
		s->next->at_me = s->at_me;
	l->n_shakes--;
	l->n_active -= (size_t)s->active;
	s->listener = NULL;
}

/* Goes; the TCP socket and the connection are the caller's now, who closes it or
 * has the loop take it over. */
static void
detach(struct sst_shake *s)
{
	if (s->listener != NULL)
		leave_list(s);
	sst_order_cancel(&s->order);
	sst_loop_forget(&s->watch);
	sst_loop_disarm(loop_of(s), &s->timer);
	sst_worker_leave(s->worker);
	sst_loop_free(loop_of(s), &s->object);
}

static void
discard(struct sst_shake *s)
{
	detach(s);
	sst_conn_free(s->conn);
	sst_seat_leave(&s->seat);
	(void)shutdown(s->tcp, SHUT_RDWR);
	(void)close(s->tcp);
}

static void
obey_end(struct sst_order *order, struct sst_worker *worker)
{
	struct sst_shake *s = SST_HOLDER(order, struct sst_shake, order);
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	(void)worker;
	/* A reset, as for whoever waits at a TCP listener that goes. */
	(void)connect(s->tcp, &none, sizeof(none));
	discard(s);
}

static void
obey_silence(struct sst_order *order, struct sst_worker *worker)
{
	(void)worker;
	discard(SST_HOLDER(order, struct sst_shake, order));
}

/* Ends it, whosever it is. */
static void
dismiss(struct sst_shake *s, void (*how)(struct sst_order *, struct sst_worker *))
{
	leave_list(s);
	sst_worker_post(s->worker, &s->order, how);
}

/* Who said nothing yet has no timer of its own, and no event but the first byte. */
static void
on_silence(struct sst_timer *t)
{
	struct sst_listener *l = SST_HOLDER(t, struct sst_listener, silence);
	struct sst_loop *loop = &l->record->relay->loop;
	int64_t due, next = INT64_MAX;
	struct sst_shake *s, *behind;

	for (s = l->shakes; s != NULL; s = behind) {
		behind = s->next;
		due = s->since + limit(s, SST_SHAKE_BYTE_MS);
		if (s->progress != SILENT)
			continue;
		if (due <= loop->now) {
			l->counts[SST_COUNT_SILENT]++;
			dismiss(s, obey_silence);
		} else if (due < next)
			next = due;
	}
	if (next != INT64_MAX)
		sst_loop_arm(loop, t, next, on_silence);
	sst_listener_room(l);
}

static void begin(struct sst_shake *);

static void
obey_begin(struct sst_order *order, struct sst_worker *worker)
{
	(void)worker;
	begin(SST_HOLDER(order, struct sst_shake, order));
}

/* Somebody of this address left: the one that waits longest has its turn. */
static void
unpark(struct sst_listener *l, uint64_t narrow)
{
	struct sst_shake *oldest = NULL;

	for (struct sst_shake *s = l->shakes; s != NULL; s = s->next)
		if (s->progress == PARKED && s->narrow == narrow)
			oldest = s;
	if (oldest == NULL)
		return;
	oldest->progress = CALLED;
	oldest->active = 1;
	l->n_active++;
	sst_worker_post(oldest->worker, &oldest->order, obey_begin);
}

static void
end(struct sst_shake *s, enum sst_listener_count why)
{
	struct sst_listener *l = s->listener;
	int had_share = s->active;

	l->counts[why]++;
	discard(s);
	if (had_share)
		unpark(l, s->narrow);
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
	if (err->code == SST_E_PEER || err->code == SST_E_SYSTEM)
		return SST_COUNT_CLOSED;
	if (err->code == SST_E_NOMEM || err->code == SST_E_INTERNAL)
		return SST_COUNT_INTERNAL;
	return s->progress == HELLO_SEEN ? SST_COUNT_ALERT : SST_COUNT_NOT_TLS;
}

static void
note_error(struct sst_listener *l, const struct sst_error *err)
{
	free(l->last_error);
	l->last_error = strdup(err->text);
}

/* No ticket follows the client's Finished, so nothing carries its acknowledgement;
 * a client with Nagle on keeps its first request back for it. */
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
	if (s->progress == SPEAKING && sst_conn_saw_hello(s->conn)) {
		s->progress = HELLO_SEEN;
		deadline(s, loop_of(s)->now, SST_SHAKE_REST_MS);
	}
	s->settled = sst_conn_got_finished(s->conn);
	if (now == SST_STEP_WANT_WRITE && !s->writes)
		s->writes = sst_loop_change(loop_of(s), &s->watch,
		    EVENTS | EPOLLOUT) == 0;
	if (now == SST_STEP_WANT_READ || now == SST_STEP_WANT_WRITE)
		return;
	if (now != SST_STEP_DONE) {
		note_error(l, &err);
		end(s, reason(s, &err));
	} else {
		detach(s);
		acknowledge(s->tcp);
		sst_listener_finished(l, s->worker, s->tcp, s->conn, &s->seat);
		unpark(l, s->narrow);
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
	deadline(s, s->progress == CALLED ? loop_of(s)->now : s->since,
	    SST_SHAKE_HELLO_MS);
	s->progress = SPEAKING;
	step(s);
}

/* Handshakes that this address has under way. */
static size_t
share(const struct sst_listener *l, uint64_t narrow)
{
	size_t n = 0;

	if (l->n_active < SST_PEERS_ADDRESS)
		return 0;
	for (const struct sst_shake *s = l->shakes; s != NULL; s = s->next)
		n += s->active && s->narrow == narrow;
	return n;
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
		detach(s);
		sst_listener_finished(l, s->worker, s->tcp, s->conn, &s->seat);
	}
	sst_listener_room(l);
}

static void
heard(struct sst_shake *s, uint32_t events)
{
	struct sst_listener *l = s->listener;

	if (s->progress == SILENT && sst_listener_is_plain(l)) {
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
	if ((events & EPOLLIN) == 0 || s->progress != SILENT)
		return;
	if (share(l, s->narrow) < SST_PEERS_ADDRESS) {
		s->active = 1;
		l->n_active++;
		begin(s);
		return;
	}
	s->progress = PARKED;
	deadline(s, loop_of(s)->now, SST_SHAKE_HELLO_MS + SST_SHAKE_REST_MS);
}

static void
ready(struct sst_watch *w, uint32_t events)
{
	struct sst_shake *s = SST_HOLDER(w, struct sst_shake, watch);
	struct sst_relay *relay = s->worker->relay;

	sst_core_lock(relay);
	if (s->listener != NULL)
		heard(s, events);
	sst_core_unlock(relay);
}

/* Makes room for one more. */
static void
evict(struct sst_listener *l)
{
	struct sst_peer peers[SST_PEERS_LISTENER];
	struct sst_shake *all[SST_PEERS_LISTENER];
	uint64_t narrow;
	size_t n = 0;
	int victim, had_share;

	for (struct sst_shake *s = l->shakes; s != NULL && n < SST_PEERS_LISTENER;
	    s = s->next, n++) {
		all[n] = s;
		peers[n] = (struct sst_peer){
			.group = s->wide, .since = s->since,
			.progress = (int)s->progress,
			.settled = s->settled,
		};
	}
	victim = sst_peers_victim(peers, n);
	if (victim < 0)
		return;
	l->counts[SST_COUNT_EVICTED]++;
	had_share = all[victim]->active;
	narrow = all[victim]->narrow;
	dismiss(all[victim], obey_end);
	if (had_share)
		unpark(l, narrow);
}

int
sst_shake_full(const struct sst_listener *l)
{
	if (l->n_shakes < SST_PEERS_LISTENER)
		return 0;
	for (const struct sst_shake *s = l->shakes; s != NULL; s = s->next)
		if (!s->settled)
			return 0;
	return 1;
}

static int
take(struct sst_listener *l, int tcp, const union sst_inet *peer)
{
	struct sst_shake *s = calloc(1, sizeof(*s));
	struct sst_loop *loop = &l->record->relay->loop;

	if (s == NULL)
		return -1;
	s->listener = l;
	s->tcp = tcp;
	s->seat.app = s->seat.end = -1;
	s->peer = *peer;
	s->narrow = sst_peers_narrow(peer);
	s->wide = sst_peers_wide(peer);
	s->since = loop->now;
	s->worker = sst_worker_pick(l->record->relay);
	/* A new one is writable at once, which is all that a plain one waits for. */
	s->writes = sst_listener_is_plain(l);
	if (sst_loop_add(loop_of(s), &s->watch, tcp, s->writes ? EVENTS | EPOLLOUT :
	    EVENTS, ready) < 0) {
		sst_worker_leave(s->worker);
		free(s);
		return -1;
	}
	s->next = l->shakes;
	s->at_me = &l->shakes;
	if (s->next != NULL)
		s->next->at_me = &s->next;
	l->shakes = s;
	l->n_shakes++;
	if (l->silence.at_me == NULL)
		sst_loop_arm(loop, &l->silence, s->since + limit(s, SST_SHAKE_BYTE_MS),
		    on_silence);
	return 0;
}

int
sst_shake_accept(struct sst_listener *l)
{
	/* Where clients come one by one, the look whether there is another one costs
	 * more than the event that would say so. */
	const int most = l->record->relay->loop.waited_ns < CROWD_NS ? BATCH : 1;
	union sst_inet peer;
	socklen_t len;
	int tcp;

	for (int i = 0; i < most; i++) {
		if (sst_shake_full(l))
			return 0;
		if (sst_spare_fill(&l->record->relay->spare) < 0)
			return -1;
		memset(&peer, 0, sizeof(peer));
		len = sizeof(peer);
		tcp = accept4(l->record->tcp, &peer.any, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (tcp < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (tcp < 0)
			return errno == EAGAIN ? 0 : -1;
		if (l->n_shakes >= SST_PEERS_LISTENER)
			evict(l);
		if (take(l, tcp, &peer) < 0) {
			(void)close(tcp);
			return -1;
		}
	}
	return 0;
}

void
sst_shake_end_all(struct sst_listener *l)
{
	sst_loop_disarm(&l->record->relay->loop, &l->silence);
	while (l->shakes != NULL)
		dismiss(l->shakes, obey_end);
}
