/* SPDX-License-Identifier: ISC */
#include "queue.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core.h"
#include "listener.h"

#define RETRY_MS	20

/* Packets in the queue of the program's descriptor. */
static uint64_t
in_flight(const struct sst_listener *l)
{
	const uint64_t cost = (uint64_t)l->record->relay->record_cost;
	int n = 0;

	if (ioctl(l->record->end, SIOCOUTQ, &n) < 0 || n < 0)
		return 0;
	return ((uint64_t)n + cost - 1) / cost;
}

/* Asks the kernel how many have left the queue. */
static void
count(struct sst_listener *l)
{
	const uint64_t n = in_flight(l);

	l->left = l->seq > n ? l->seq - n : 0;
}

/* Whether fewer than `n` are in the descriptor's queue. */
static int
has_room(struct sst_listener *l, size_t n)
{
	if (l->seq - l->left >= n)
		count(l);
	return l->seq - l->left < n;
}

int
sst_queue_below(struct sst_listener *l, size_t n)
{
	return l->ready.n < n && has_room(l, n - l->ready.n);
}

static void
row_init(struct sst_queue *q)
{
	q->first = NULL;
	q->end = &q->first;
	q->n = 0;
}

void
sst_queue_begin(struct sst_listener *l)
{
	row_init(&l->ready);
	row_init(&l->given);
	row_init(&l->taken);
	l->seq = in_flight(l);
	l->left = 0;
}

static void
append(struct sst_queue *q, struct sst_record *r)
{
	r->queue = q;
	r->queue_next = NULL;
	r->queue_at = q->end;
	*q->end = r;
	q->end = &r->queue_next;
	q->n++;
}

/* The order of arrival holds for what is given again. */
static void
prepend(struct sst_queue *q, struct sst_record *r)
{
	r->queue = q;
	r->queue_next = q->first;
	r->queue_at = &q->first;
	if (q->first != NULL)
		q->first->queue_at = &r->queue_next;
	else
		q->end = &r->queue_next;
	q->first = r;
	q->n++;
}

static void
take_out(struct sst_record *r)
{
	struct sst_queue *q = r->queue;

	if (q == NULL)
		return;
	if (q == &r->listener->given)
		r->listener->n_looked -= r->looked;
	*r->queue_at = r->queue_next;
	if (r->queue_next != NULL)
		r->queue_next->queue_at = r->queue_at;
	else
		q->end = r->queue_at;
	q->n--;
	r->queue = NULL;
}

void
sst_queue_forget(struct sst_record *r)
{
	take_out(r);
	r->listener = NULL;
	if (r->held >= 0)
		(void)close(r->held);
	r->held = -1;
}

void
sst_queue_used(struct sst_record *r)
{
	/* It was taken, and with it whatever was before it. */
	if (r->listener != NULL && r->queue_seq > r->listener->left)
		r->listener->left = r->queue_seq;
	sst_queue_forget(r);
}

static int
is_calm(const struct sst_listener *l)
{
	return !l->paused && l->ready.first == NULL && l->n_looked == 0;
}

static void
set_events(struct sst_listener *l, int watched)
{
	if (watched != l->watched && sst_loop_change(&l->record->relay->loop,
	    &l->record->end_watch, SST_QUEUE_CALM | (watched ? EPOLLOUT : 0)) == 0)
		l->watched = watched;
}

void
sst_queue_watch(struct sst_listener *l)
{
	set_events(l, 1);
}

void
sst_queue_calm(struct sst_listener *l)
{
	if (is_calm(l))
		set_events(l, 0);
}

static void
retry(struct sst_timer *t)
{
	struct sst_listener *l = SST_HOLDER(t, struct sst_listener, retry);

	sst_queue_note(l);
	sst_queue_deliver(l);
	sst_listener_room(l);
}

void
sst_queue_retry(struct sst_listener *l)
{
	struct sst_loop *loop = &l->record->relay->loop;

	sst_loop_arm(loop, &l->retry, loop->clock() + RETRY_MS, retry);
}

/* One record and its descriptor. 1: given; 0: later; -1: nobody listens. */
static int
give(struct sst_listener *l, struct sst_record *r)
{
	struct sst_wire_accepted a = {
		.magic = SST_WIRE_MAGIC, .version = SST_WIRE_VERSION, .id = r->cookie,
		.peer_len = (uint16_t)sst_inet_len(&r->peer),
	};
	int rc;

	memcpy(a.peer, &r->peer, sst_inet_len(&r->peer));
	rc = sst_link_give(l->record->end, &a, r->held);
	if (rc == 0)
		return 1;
	if (errno == EPIPE || errno == ECONNRESET)
		return -1;
	sst_queue_retry(l);	/* full, or too many descriptors are under way */
	return 0;
}

static void
reset(struct sst_order *order, struct sst_worker *worker)
{
	(void)worker;
	sst_record_end(SST_HOLDER(order, struct sst_record, order), 1);
}

/* Nobody will accept it. */
static void
refuse(struct sst_record *r)
{
	take_out(r);
	r->listener = NULL;
	sst_worker_post(r->worker, &r->order, reset);
}

/* accept() has given it to the program, which may have closed it already. */
static int
is_taken(const struct sst_record *r)
{
	int mark = 0;
	socklen_t len = sizeof(mark);

	return getsockopt(r->held, SOL_SOCKET, SO_PRIORITY, &mark, &len) == 0 &&
	    mark == SST_WIRE_TAKEN;
}

/* Without its mark, whether somebody took it shows when the copy is closed. */
static void
doubt(struct sst_order *order, struct sst_worker *worker)
{
	struct sst_record *r = SST_HOLDER(order, struct sst_record, order);

	(void)worker;
	/* It may have proved itself since. */
	r->unproven = r->held >= 0 && !is_taken(r);
	sst_queue_forget(r);
}

/* As long as there is a copy, the program's close() does not show. */
static void
release(struct sst_timer *t)
{
	struct sst_listener *l = SST_HOLDER(t, struct sst_listener, release);
	struct sst_loop *loop = &l->record->relay->loop;
	int64_t now = loop->clock(), next = INT64_MAX, due;
	struct sst_record *r, *behind;

	for (r = l->taken.first; r != NULL; r = behind) {
		behind = r->queue_next;
		due = r->taken_at + (now < r->taken_at + SST_LISTENER_LOOK_MS ?
		    SST_LISTENER_LOOK_MS : SST_LISTENER_HELD_MS);
		if (due <= now || is_taken(r))
			sst_queue_forget(r);
		else if (due < next)
			next = due;
	}
	if (next != INT64_MAX)
		sst_loop_arm(loop, t, next, release);
}

void
sst_queue_note(struct sst_listener *l)
{
	struct pollfd p = { .fd = l->record->end };
	struct sst_record *r;

	if (l->closed)
		return;
	count(l);
	/* What went with its descriptor was not taken: the listener ends. */
	if (l->given.first == NULL || l->given.first->queue_seq > l->left ||
	    poll(&p, 1, 0) != 0)
		return;
	while ((r = l->given.first) != NULL && r->queue_seq <= l->left) {
		take_out(r);
		r->taken_at = l->record->relay->loop.clock();
		append(&l->taken, r);
	}
	release(&l->release);
}

void
sst_queue_look(struct sst_record *r)
{
	struct sst_listener *l = r->listener;

	if (r->queue == NULL || l->closed)
		return;
	sst_queue_note(l);
	if (r->queue == NULL || r->queue == &l->taken)
		return;
	/* It waits: no worker needs to look at it again. */
	r->looked = 1;
	l->n_looked += r->queue == &l->given;
	sst_queue_watch(l);
}

void
sst_queue_deliver(struct sst_listener *l)
{
	const size_t most = l->backlog < 1 ? 1 : l->backlog < SST_LISTENER_IN_FLIGHT ?
	    (size_t)l->backlog : SST_LISTENER_IN_FLIGHT;
	struct sst_record *r;
	int rc = 1;

	if (l->closed)
		return;
	while (rc == 1 && (r = l->ready.first) != NULL && has_room(l, most)) {
		rc = give(l, r);
		if (rc != 1)
			continue;
		take_out(r);
		r->queue_seq = ++l->seq;
		append(&l->given, r);
		l->n_looked += r->looked;
	}
	if (rc < 0)
		sst_listener_shut(l);
	else if (rc == 1 && !is_calm(l))
		sst_queue_watch(l);
}

void
sst_queue_enter(struct sst_listener *l, struct sst_record *r)
{
	r->listener = l;
	append(&l->ready, r);
	sst_queue_deliver(l);
}

void
sst_queue_lost(struct sst_listener *l, uint64_t cookie)
{
	struct sst_record *r = sst_record_find(l->record->relay, cookie);

	if (r == NULL || r->held < 0 || r->queue_seq == 0 || r->listener != l)
		return;
	take_out(r);
	r->queue_seq = 0;
	prepend(&l->ready, r);
	if (l->closed)
		refuse(r);
	else
		sst_queue_deliver(l);
}

void
sst_queue_shut(struct sst_listener *l)
{
	struct sst_record *r;

	sst_loop_disarm(&l->record->relay->loop, &l->retry);
	while ((r = l->ready.first) != NULL)
		refuse(r);
}

void
sst_queue_end(struct sst_listener *l, int left)
{
	struct sst_record *r;

	/* What is in the queue goes with it; what was taken a moment ago does
	 * not. Which is which shows when the copies are closed. */
	while (left && (r = l->given.first) != NULL) {
		take_out(r);
		r->listener = NULL;
		sst_worker_post(r->worker, &r->order, doubt);
	}
	while ((r = l->given.first) != NULL)
		sst_queue_forget(r);
	while ((r = l->taken.first) != NULL)
		sst_queue_forget(r);
	sst_loop_disarm(&l->record->relay->loop, &l->release);
}
