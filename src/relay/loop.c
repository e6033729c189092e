/* SPDX-License-Identifier: ISC */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

#define BATCH	64

static void
kicked(struct sst_watch *w, uint32_t events)
{
	uint64_t n;

	(void)events;
	while (read(w->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		continue;
}

int
sst_loop_init(struct sst_loop *loop)
{
	memset(loop, 0, sizeof(*loop));
	loop->clock = sst_clock_ms;
	loop->now = loop->clock();
	loop->tick = loop->now / SST_LOOP_TICK;
	loop->soonest = INT64_MAX;
	loop->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0 || loop->kick < 0)
		return -1;
	return sst_loop_add(loop, &loop->kick_watch, loop->kick, EPOLLIN, kicked);
}

static void
bury(struct sst_loop *loop)
{
	struct sst_object *o, *next;

	if (atomic_load(&loop->dead) == NULL)
		return;
	for (o = atomic_exchange(&loop->dead, NULL); o != NULL; o = next) {
		next = o->next_dead;
		free(o);
	}
}

void
sst_loop_done(struct sst_loop *loop)
{
	bury(loop);
	if (loop->epoll >= 0)
		(void)close(loop->epoll);
	if (loop->kick >= 0)
		(void)close(loop->kick);
	loop->epoll = loop->kick = -1;
}

void
sst_loop_kick(struct sst_loop *loop)
{
	const uint64_t one = 1;

	while (write(loop->kick, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

static int
enter(struct sst_loop *loop, int op, struct sst_watch *w, int fd, uint32_t events,
    void (*ready)(struct sst_watch *, uint32_t))
{
	struct epoll_event e = { .events = events, .data.ptr = w };
	const struct sst_watch before = *w;

	/* Complete before it is in: the loop may be another thread's. */
	w->fd = fd;
	w->ready = ready;
	if (epoll_ctl(loop->epoll, op, fd, &e) == 0)
		return 0;
	*w = before;
	return -1;
}

int
sst_loop_add(struct sst_loop *loop, struct sst_watch *w, int fd, uint32_t events,
    void (*ready)(struct sst_watch *, uint32_t))
{
	return enter(loop, EPOLL_CTL_ADD, w, fd, events, ready);
}

int
sst_loop_take_over(struct sst_loop *loop, struct sst_watch *w, int fd,
    uint32_t events, void (*ready)(struct sst_watch *, uint32_t))
{
	return enter(loop, EPOLL_CTL_MOD, w, fd, events, ready);
}

int
sst_loop_change(struct sst_loop *loop, struct sst_watch *w, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, w->fd, &e);
}

void
sst_loop_del(struct sst_loop *loop, struct sst_watch *w)
{
	if (w->ready == NULL)
		return;
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	sst_loop_forget(w);
}

void
sst_loop_forget(struct sst_watch *w)
{
	w->ready = NULL;
	w->fd = -1;
}

void
sst_loop_disarm(struct sst_loop *loop, struct sst_timer *t)
{
	if (t->at_me == NULL)
		return;
	*t->at_me = t->next;
	if (t->next != NULL)
		t->next->at_me = t->at_me;
	t->next = NULL;
	t->at_me = NULL;
	loop->n_timers--;
}

void
sst_loop_arm(struct sst_loop *loop, struct sst_timer *t, int64_t due,
    void (*fire)(struct sst_timer *))
{
	int64_t tick = due / SST_LOOP_TICK;
	struct sst_timer **slot;

	sst_loop_disarm(loop, t);
	/* A slot that was passed already is not looked at for a whole round. */
	if (tick < loop->tick)
		tick = loop->tick;
	slot = &loop->slots[tick % SST_LOOP_SLOTS];
	t->fire = fire;
	t->due = due;
	t->next = *slot;
	t->at_me = slot;
	if (t->next != NULL)
		t->next->at_me = &t->next;
	*slot = t;
	loop->n_timers++;
	if (due < loop->soonest)
		loop->soonest = due;
	if (due < loop->asleep_until)
		sst_loop_kick(loop);
}

void
sst_loop_free(struct sst_loop *loop, struct sst_object *o)
{
	o->next_dead = atomic_load(&loop->dead);
	while (!atomic_compare_exchange_weak(&loop->dead, &o->next_dead, o))
		continue;
}

/* Fires what is due in one slot; timers that they arm wait for the next turn
 * unless they land in this slot and are due. */
static void
fire_slot(struct sst_loop *loop, int64_t tick)
{
	struct sst_timer **slot = &loop->slots[tick % SST_LOOP_SLOTS];
	struct sst_timer *due = NULL;
	struct sst_timer *t, *next;

	/* Moved to a list of its own first: a timer may disarm any other. */
	for (t = *slot; t != NULL; t = next) {
		next = t->next;
		if (t->due > loop->now)
			continue;
		*t->at_me = t->next;
		if (t->next != NULL)
			t->next->at_me = t->at_me;
		t->next = due;
		t->at_me = &due;
		if (due != NULL)
			due->at_me = &t->next;
		due = t;
	}
	while ((t = due) != NULL) {
		sst_loop_disarm(loop, t);
		t->fire(t);
	}
}

/* The earliest time at which any timer may be due. */
static int64_t
find_soonest(const struct sst_loop *loop)
{
	int64_t found = INT64_MAX;
	int64_t end;

	if (loop->n_timers == 0)
		return INT64_MAX;
	for (int64_t k = 0; k < SST_LOOP_SLOTS; k++) {
		end = (loop->tick + k + 1) * SST_LOOP_TICK;
		for (const struct sst_timer *t =
		    loop->slots[(loop->tick + k) % SST_LOOP_SLOTS]; t != NULL; t = t->next)
			if (t->due < found)
				found = t->due;
		if (found < end)
			break;
	}
	return found;
}

static void
fire_due(struct sst_loop *loop)
{
	int64_t tick = loop->now / SST_LOOP_TICK;
	int64_t from = loop->tick;

	if (loop->now < loop->soonest)
		return;
	if (tick - from >= SST_LOOP_SLOTS)
		from = tick - SST_LOOP_SLOTS + 1;
	loop->soonest = INT64_MAX;
	loop->tick = tick;
	for (int64_t k = from; k <= tick; k++)
		fire_slot(loop, k);
	loop->soonest = find_soonest(loop);
}

static int
wait_ms(const struct sst_loop *loop, int max_ms)
{
	int64_t left;

	if (max_ms == 0 || loop->n_timers == 0)
		return max_ms;
	left = loop->soonest - loop->now;
	if (left < 0)
		left = 0;
	if (left > INT_MAX)
		left = INT_MAX;
	return max_ms < 0 || left < max_ms ? (int)left : max_ms;
}

/*
 * Waits for events. Being woken costs more than 64 bytes of TLS. So where bytes
 * flow and the last wait was short, the next one begins with looking, for as long
 * at most, and lets others run between two looks. Handshakes are no such flow:
 * what comes next is somebody else's.
 */
static int
wait_events(int epoll, struct epoll_event *events, int ms, int64_t look_ns,
    int64_t *ret_ns)
{
	int64_t began = sst_clock_ns();
	int n = 0;

	while (*ret_ns < look_ns && ms != 0 && n == 0) {
		n = epoll_wait(epoll, events, BATCH, 0);
		*ret_ns = sst_clock_ns() - began;
		if (n == 0)
			(void)sched_yield();
	}
	if (n != 0)
		return n;
	n = epoll_wait(epoll, events, BATCH, ms);
	*ret_ns = sst_clock_ns() - began;
	return n;
}

/* The same without the lock: timers that others arm meanwhile end the wait. What
 * is read before and written after is theirs as well. */
static int
wait_unlocked(struct sst_loop *loop, struct epoll_event *events, int ms)
{
	int flows = loop->flowing > 0 && loop->waited_ns < SST_LOOP_LOOK_NS;
	int64_t look_ns = loop->expecting ? SST_LOOP_EXPECT_NS :
	    flows ? SST_LOOP_LOOK_NS : 0;
	int64_t ns = 0;
	int n;

	loop->expecting = 0;
	loop->asleep_until = ms < 0 ? INT64_MAX : loop->now + ms;
	if (loop->lock != NULL)
		(void)pthread_mutex_unlock(loop->lock);
	n = wait_events(loop->epoll, events, ms, look_ns, &ns);
	if (loop->lock != NULL)
		(void)pthread_mutex_lock(loop->lock);
	loop->asleep_until = 0;
	loop->waited_ns = ns;
	return n;
}

int
sst_loop_poll(struct sst_loop *loop, int max_ms)
{
	struct epoll_event events[BATCH];
	struct sst_watch *w;
	int n;

	loop->now = loop->clock();
	n = wait_unlocked(loop, events, wait_ms(loop, max_ms));
	/* Forbidden by a filter: without events it would be at this for ever. */
	if (n < 0 && errno != EINTR)
		atomic_store(&loop->stop, 1);
	loop->now = loop->clock();
	loop->partial = n == BATCH;
	if (loop->flowing > 0)
		loop->flowing--;
	for (int i = 0; i < n; i++) {
		w = events[i].data.ptr;
		if (w->ready != NULL)
			w->ready(w, events[i].events);
	}
	fire_due(loop);
	return n == BATCH;
}

void
sst_loop_expect(struct sst_loop *loop)
{
	loop->expecting = 1;
}

void
sst_loop_turn(struct sst_loop *loop, int max_ms)
{
	(void)sst_loop_poll(loop, max_ms);
	if (loop->after != NULL)
		loop->after(loop->after_arg);
	bury(loop);
}

void
sst_loop_run(struct sst_loop *loop)
{
	if (loop->lock != NULL)
		(void)pthread_mutex_lock(loop->lock);
	while (!atomic_load(&loop->stop))
		sst_loop_turn(loop, -1);
	if (loop->lock != NULL)
		(void)pthread_mutex_unlock(loop->lock);
}
