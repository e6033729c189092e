/* SPDX-License-Identifier: ISC */
#include "shake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core.h"
#include "listener.h"
#include "peers.h"
#include "settings.h"
#include "tls/conn.h"

#define EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)
#define BATCH	64

enum progress {
	SILENT = 0,	/* connected */
	PARKED,		/* it spoke, and its address has its share already */
	SPEAKING,	/* the ClientHello is not complete */
	HELLO_SEEN
};

struct sst_shake {
	struct sst_object  object;	/* first */
	struct sst_listener *listener;
	struct sst_shake  *next, **at_me;	/* newest first */
	struct sst_watch   watch;
	struct sst_timer   timer;
	struct sst_conn	  *conn;	/* from SPEAKING on */
	uint64_t	   narrow, wide;
	int64_t		   since;
	enum progress	   progress;
	int		   tcp;
	union sst_inet	   peer;
};

static void on_time(struct sst_timer *);

static struct sst_loop *
loop_of(const struct sst_shake *s)
{
	return &s->listener->record->relay->loop;
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

/* Out of the list; the TCP socket and the connection are the caller's now, who
 * closes it or has the loop take it over. */
static void
detach(struct sst_shake *s)
{
	struct sst_listener *l = s->listener;

	sst_loop_forget(&s->watch);
	sst_loop_disarm(loop_of(s), &s->timer);
	*s->at_me = s->next;
	if (s->next != NULL)
		s->next->at_me = s->at_me;
	l->n_shakes--;
	if (s->conn != NULL)
		l->n_active--;
	sst_loop_free(loop_of(s), &s->object);
}

static void begin(struct sst_shake *);

/* Somebody of this address left: the one that waits longest has its turn. */
static void
unpark(struct sst_listener *l, uint64_t narrow)
{
	struct sst_shake *oldest = NULL;

	for (struct sst_shake *s = l->shakes; s != NULL; s = s->next)
		if (s->progress == PARKED && s->narrow == narrow)
			oldest = s;
	if (oldest != NULL)
		begin(oldest);
}

static void
end(struct sst_shake *s, enum sst_listener_count why)
{
	struct sst_listener *l = s->listener;
	int had_share = s->conn != NULL;

	l->counts[why]++;
	detach(s);
	sst_conn_free(s->conn);
	(void)shutdown(s->tcp, SHUT_RDWR);
	(void)close(s->tcp);
	if (had_share)
		unpark(l, s->narrow);
}

static void
on_time(struct sst_timer *t)
{
	struct sst_shake *s = SST_HOLDER(t, struct sst_shake, timer);
	struct sst_listener *l = s->listener;

	end(s, s->progress == SILENT ? SST_COUNT_SILENT : SST_COUNT_SLOW);
	sst_listener_room(l);
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

static void
step(struct sst_shake *s)
{
	struct sst_listener *l = s->listener;
	struct sst_error err = { 0 };
	enum sst_step now = sst_conn_handshake(s->conn, &err);

	if (s->progress == SPEAKING && sst_conn_saw_hello(s->conn)) {
		s->progress = HELLO_SEEN;
		deadline(s, loop_of(s)->now, SST_SHAKE_REST_MS);
	}
	if (now == SST_STEP_WANT_READ || now == SST_STEP_WANT_WRITE)
		return;
	if (now != SST_STEP_DONE) {
		note_error(l, &err);
		end(s, reason(s, &err));
	} else {
		detach(s);
		sst_listener_finished(l, s->tcp, s->conn, &s->peer);
		unpark(l, s->narrow);
	}
	sst_listener_room(l);
}

/* The first byte is there and the address has room: TLS begins. */
static void
begin(struct sst_shake *s)
{
	struct sst_listener *l = s->listener;
	struct sst_error err = { 0 };
	union sst_inet local;
	socklen_t len = sizeof(local);
	int rc = SST_E_SYSTEM;

	memset(&local, 0, sizeof(local));
	if (getsockname(s->tcp, &local.any, &len) == 0)
		rc = sst_conn_new_server(l->conf, s->tcp, &local.any, &s->conn, &err);
	if (rc != SST_OK) {
		end(s, SST_COUNT_INTERNAL);
		return;
	}
	l->n_active++;
	/* Time in the queue of its own address is not held against it. */
	deadline(s, s->progress == PARKED ? loop_of(s)->now : s->since,
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
		n += s->conn != NULL && s->narrow == narrow;
	return n;
}

static void
ready(struct sst_watch *w, uint32_t events)
{
	struct sst_shake *s = SST_HOLDER(w, struct sst_shake, watch);
	struct sst_listener *l = s->listener;

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
	if ((events & EPOLLIN) == 0 || s->progress == PARKED)
		return;
	if (share(l, s->narrow) < SST_PEERS_ADDRESS) {
		begin(s);
		return;
	}
	s->progress = PARKED;
	deadline(s, loop_of(s)->now, SST_SHAKE_HELLO_MS + SST_SHAKE_REST_MS);
}

/* Makes room for one more. */
static void
evict(struct sst_listener *l)
{
	struct sst_peer peers[SST_PEERS_LISTENER];
	struct sst_shake *all[SST_PEERS_LISTENER];
	size_t n = 0;
	int victim;

	for (struct sst_shake *s = l->shakes; s != NULL && n < SST_PEERS_LISTENER;
	    s = s->next, n++) {
		all[n] = s;
		peers[n] = (struct sst_peer){
			.group = s->wide, .since = s->since,
			.progress = (int)s->progress,
			.settled = s->conn != NULL && sst_conn_got_finished(s->conn),
		};
	}
	victim = sst_peers_victim(peers, n);
	if (victim >= 0)
		end(all[victim], SST_COUNT_EVICTED);
}

int
sst_shake_full(const struct sst_listener *l)
{
	if (l->n_shakes < SST_PEERS_LISTENER)
		return 0;
	for (const struct sst_shake *s = l->shakes; s != NULL; s = s->next)
		if (s->conn == NULL || !sst_conn_got_finished(s->conn))
			return 0;
	return 1;
}

static int
take(struct sst_listener *l, int tcp, const union sst_inet *peer)
{
	struct sst_shake *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -1;
	s->listener = l;
	s->tcp = tcp;
	s->peer = *peer;
	s->narrow = sst_peers_narrow(peer);
	s->wide = sst_peers_wide(peer);
	if (sst_loop_add(&l->record->relay->loop, &s->watch, tcp, EVENTS, ready) < 0) {
		free(s);
		return -1;
	}
	s->next = l->shakes;
	s->at_me = &l->shakes;
	if (s->next != NULL)
		s->next->at_me = &s->next;
	l->shakes = s;
	l->n_shakes++;
	s->since = loop_of(s)->now;
	deadline(s, s->since, SST_SHAKE_BYTE_MS);
	return 0;
}

int
sst_shake_accept(struct sst_listener *l)
{
	union sst_inet peer;
	socklen_t len;
	int tcp;

	for (int i = 0; i < BATCH; i++) {
		if (sst_shake_full(l))
			return 0;
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
	struct sst_shake *s;

	while ((s = l->shakes) != NULL) {
		detach(s);
		sst_conn_free(s->conn);
		(void)shutdown(s->tcp, SHUT_RDWR);
		(void)close(s->tcp);
	}
}
