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
#include "shake_inside.h"
#include "tls/conn.h"

#define BATCH	64
#define CROWD_NS 5000	/* who waited no longer than that may find more of them */

int
sst_shake_limit(const struct sst_shake *s, int ms)
{
	int set = s->listener->record->set->timeout_ms;

	if (set <= 0)
		return ms;
	return ms == SST_SHAKE_BYTE_MS && set > ms ? ms : set;
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

void
sst_shake_detach(struct sst_shake *s)
{
	if (s->listener != NULL)
		leave_list(s);
	sst_order_cancel(&s->order);
	sst_loop_forget(&s->watch);
	sst_loop_disarm(&s->worker->loop, &s->timer);
	sst_worker_leave(s->worker);
	sst_loop_free(&s->worker->loop, &s->object);
}

void
sst_shake_discard(struct sst_shake *s)
{
	sst_shake_detach(s);
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
	sst_shake_discard(s);
}

static void
obey_silence(struct sst_order *order, struct sst_worker *worker)
{
	(void)worker;
	sst_shake_discard(SST_HOLDER(order, struct sst_shake, order));
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
		due = s->since + sst_shake_limit(s, SST_SHAKE_BYTE_MS);
		if (s->progress != SST_SHAKE_SILENT)
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

size_t
sst_shake_share(const struct sst_listener *l, uint64_t narrow)
{
	size_t n = 0;

	if (l->n_active < SST_PEERS_ADDRESS)
		return 0;
	for (const struct sst_shake *s = l->shakes; s != NULL; s = s->next)
		n += s->active && s->narrow == narrow;
	return n;
}

void
sst_shake_unpark(struct sst_listener *l, uint64_t narrow)
{
	struct sst_shake *oldest = NULL;

	for (struct sst_shake *s = l->shakes; s != NULL; s = s->next)
		if (s->progress == SST_SHAKE_PARKED && s->narrow == narrow)
			oldest = s;
	if (oldest == NULL)
		return;
	oldest->progress = SST_SHAKE_CALLED;
	oldest->active = 1;
	l->n_active++;
	sst_worker_post(oldest->worker, &oldest->order, sst_shake_obey_begin);
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
		sst_shake_unpark(l, narrow);
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
	if (sst_loop_add(&s->worker->loop, &s->watch, tcp, s->writes ?
	    SST_SHAKE_EVENTS | EPOLLOUT : SST_SHAKE_EVENTS, sst_shake_ready) < 0) {
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
		sst_loop_arm(loop, &l->silence, s->since +
		    sst_shake_limit(s, SST_SHAKE_BYTE_MS), on_silence);
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
