/* SPDX-License-Identifier: ISC */
#include "state.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define BUSY_MOST	16	/* events before the watch has its turn */

int
sst_keeper_add(struct sst_keeper *k, struct sst_event *ev, int fd,
    void (*ready)(struct sst_keeper *, struct sst_event *, uint32_t))
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = ev };

	if (epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &e) != 0)
		return -1;
	ev->fd = fd;
	ev->ready = ready;
	return 0;
}

void
sst_keeper_close(struct sst_keeper *k, struct sst_event *ev)
{
	if (ev->fd < 0)
		return;
	/* A duplicate elsewhere would keep it in the set. */
	(void)epoll_ctl(k->epoll, EPOLL_CTL_DEL, ev->fd, NULL);
	(void)close(ev->fd);
	ev->fd = -1;
}

void
sst_keeper_end(struct sst_keeper *k, int status)
{
	k->done = 1;
	k->status_code = status;
}

void
sst_keeper_drain(struct sst_keeper *k)
{
	struct sst_wire_head head;

	k->idle_at = INT64_MAX;
	if (k->draining)
		return;
	k->draining = 1;
	if (k->relay == 0 && k->held.table.n == 0) {
		sst_keeper_end(k, 0);
		return;
	}
	/* A relay that is not there yet is told when it starts. */
	if (k->channel.fd < 0)
		return;
	sst_wire_init(&head, SST_CHAN_DRAIN);
	(void)sst_channel_send(k, &head, NULL, 0, NULL, 0);
}

static void
signal_ready(struct sst_keeper *k, struct sst_event *ev, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)events;
	if (read(ev->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD)
		sst_child_reap(k);
	else
		sst_keeper_drain(k);
}

static void
inotify_ready(struct sst_keeper *k, struct sst_event *ev, uint32_t events)
{
	(void)ev;
	(void)events;
	sst_watch_read(k->watch, sst_clock_ms());
}

/* The watch has a descriptor from its first source on. */
static int
hear_files(struct sst_keeper *k)
{
	int fd = sst_watch_fd(k->watch);

	if (fd < 0 || fd == k->inotify.fd)
		return 0;
	return sst_keeper_add(k, &k->inotify, fd, inotify_ready);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Milliseconds for epoll_wait. */
static int
patience(const struct sst_keeper *k, int64_t now)
{
	int64_t due = earlier(k->idle_at, earlier(k->flush_at, k->answer_at));

	due = earlier(due, sst_child_due(k));
	due = earlier(due, sst_sources_due(&k->sources));
	due = earlier(due, sst_watch_due(k->watch));
	if (k->calls != NULL)
		due = earlier(due, k->calls->deadline);
	if (k->askers != NULL)
		due = earlier(due, k->askers->deadline);
	if (due == INT64_MAX)
		return -1;
	if (due <= now)
		return 0;
	return due - now > INT_MAX ? INT_MAX : (int)(due - now);
}

/* Questions go before a long walk of the watch, which still comes to its end. */
static int
watch_may(struct sst_keeper *k, int n_events)
{
	k->busy = n_events > 0 ? k->busy + 1 : 0;
	if (n_events > 0 && k->busy < BUSY_MOST)
		return 0;
	k->busy = 0;
	return 1;
}

static void
tick(struct sst_keeper *k, int64_t now, int n_events)
{
	sst_child_tick(k, now);
	sst_sources_expire(&k->sources, now);
	sst_sources_watch(&k->sources, now);
	sst_door_expire(k, now);
	sst_status_expire(k, now);
	if (sst_watch_due(k->watch) <= now && watch_may(k, n_events))
		sst_watch_step(k->watch, now, sst_channel_changed, k);
	if (now >= k->flush_at)
		sst_channel_flush(k);
	if (now >= k->answer_at)
		(void)sst_files_flush(k);
	if (now >= k->idle_at)
		sst_keeper_drain(k);
}

int
sst_keeper_run(struct sst_keeper *k)
{
	struct epoll_event e;
	struct sst_event *ev;
	int fd, n;
	sigset_t mine;

	(void)sigemptyset(&mine);
	(void)sigaddset(&mine, SIGCHLD);
	(void)sigaddset(&mine, SIGTERM);
	(void)sigaddset(&mine, SIGINT);
	(void)sigaddset(&mine, SIGHUP);
	fd = signalfd(-1, &mine, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0 || sst_keeper_add(k, &k->signals, fd, signal_ready) != 0)
		return 1;
	while (!k->done) {
		if (hear_files(k) != 0)
			return 1;
		/* One at a time: what a handler closes is never reported. */
		n = epoll_wait(k->epoll, &e, 1, patience(k, sst_clock_ms()));
		if (n < 0 && errno != EINTR)
			return 1;
		if (n == 1) {
			ev = e.data.ptr;
			ev->ready(k, ev, e.events);
		}
		tick(k, sst_clock_ms(), n);
	}
	return k->status_code;
}
