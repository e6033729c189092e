/* SPDX-License-Identifier: ISC */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "channel.h"
#include "core.h"
#include "door.h"
#include "drop.h"
#include "tls/conf.h"

#define STRANGERS_MS	1000

void
sst_core_lock(struct sst_relay *relay)
{
	(void)pthread_mutex_lock(&relay->lock);
}

void
sst_core_unlock(struct sst_relay *relay)
{
	(void)pthread_mutex_unlock(&relay->lock);
}

static void
tell_idle(struct sst_relay *relay, int idle)
{
	struct sst_wire_head head;

	if (relay->idle_told == idle)
		return;
	relay->idle_told = idle;
	sst_wire_init(&head, SST_CHAN_IDLE);
	head.a = idle;
	(void)sst_wire_send(relay->channel, &head, NULL, 0, NULL, 0);
}

void
sst_core_busy(struct sst_relay *relay)
{
	tell_idle(relay, 0);
	/* It came in the turn in which the last one went: it is served. */
	atomic_store(&relay->loop.stop, 0);
}

/* Armed once for all that ended meanwhile. */
static void
still_idle(struct sst_timer *t)
{
	struct sst_relay *relay = SST_HOLDER(t, struct sst_relay, idle_timer);
	int64_t due = relay->idle_since + SST_CORE_IDLE_MS;

	if (relay->table.count > 0 || relay->draining)
		return;
	if (relay->loop.now < due)
		sst_loop_arm(&relay->loop, t, due, still_idle);
	else
		tell_idle(relay, 1);
}

void
sst_core_check_idle(struct sst_relay *relay)
{
	if (relay->table.count > 0)
		return;
	if (!relay->draining) {
		relay->idle_since = relay->loop.clock();
		if (relay->idle_told != 1 && relay->idle_timer.at_me == NULL)
			sst_loop_arm(&relay->loop, &relay->idle_timer,
			    relay->idle_since + SST_CORE_IDLE_MS, still_idle);
		return;
	}
	atomic_store(&relay->loop.stop, 1);
	sst_loop_kick(&relay->loop);
}

void
sst_core_drain(struct sst_relay *relay)
{
	relay->draining = 1;
	/* Names are looked at more often from now on. */
	sst_record_sweep(relay, 0);
	sst_core_check_idle(relay);
}

static void
on_signal(struct sst_watch *w, uint32_t events)
{
	struct sst_relay *relay = SST_HOLDER(w, struct sst_relay, signal_watch);
	struct signalfd_siginfo info;

	(void)events;
	if (read(relay->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		sst_core_drain(relay);
}

static void
watch_links(struct sst_timer *t)
{
	struct sst_relay *relay = SST_HOLDER(t, struct sst_relay, link_timer);

	for (int i = 0; i < 2; i++)
		(void)sst_loop_change(&relay->loop, &relay->link_watch[i], EPOLLIN);
}

/* Each join is an event here as well: who is no stranger wakes this thread for
 * nothing, once a second at most. A join sends strangers away by itself. */
static void
expel(struct sst_relay *relay, enum sst_link_kind kind)
{
	sst_link_expel(&relay->link, kind);
	(void)sst_loop_change(&relay->loop, &relay->link_watch[kind], 0);
	if (relay->link_timer.at_me == NULL)
		sst_loop_arm(&relay->loop, &relay->link_timer,
		    relay->loop.now + STRANGERS_MS, watch_links);
}

static void
connect_stranger(struct sst_watch *w, uint32_t events)
{
	(void)events;
	expel(SST_HOLDER(w, struct sst_relay, link_watch[0]), SST_LINK_CONNECT);
}

static void
listen_stranger(struct sst_watch *w, uint32_t events)
{
	(void)events;
	expel(SST_HOLDER(w, struct sst_relay, link_watch[1]), SST_LINK_LISTEN);
}

static int
open_signals(struct sst_relay *relay)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);	/* the program's RLIMIT_FSIZE holds here */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	relay->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (relay->signals < 0)
		return -1;
	return sst_loop_add(&relay->loop, &relay->signal_watch, relay->signals,
	    EPOLLIN, on_signal);
}

static void
raise_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int
prepare(struct sst_relay *relay, const struct sst_relay_fds *fds,
    struct sst_error *err)
{
	const int all[] = { fds->channel, fds->files, fds->door, fds->link_connect,
	    fds->link_listen };
	int rc = sst_drop_rights(err);

	if (rc != SST_OK)
		return rc;
	raise_limits();
	sst_spare_init(&relay->spare);
	(void)sst_spare_fill(&relay->spare);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (fcntl(all[i], F_SETFD, FD_CLOEXEC) < 0)
			return sst_fail_errno(err, errno, "descriptor %d", all[i]);
	relay->channel = fds->channel;
	relay->door_fd = fds->door;
	relay->link.listening[0] = fds->link_connect;
	relay->link.listening[1] = fds->link_listen;
	relay->idle_told = -1;
	relay->next_id = 1;
	relay->started = sst_clock_wall();
	relay->record_cost = sst_link_give_cost();
	if (relay->record_cost < 0 || fcntl(fds->door, F_SETFL, O_NONBLOCK) < 0 ||
	    sst_files_init(&relay->files, fds->files) < 0 ||
	    sst_loop_init(&relay->loop) < 0 || open_signals(relay) < 0 ||
	    sst_loader_start(&relay->loader, &relay->loop) < 0 ||
	    sst_workers_make(relay, sst_workers_wanted()) < 0 ||
	    sst_workers_start(relay) < 0)
		return sst_fail_errno(err, errno, "the relay cannot start");
	relay->loop.lock = &relay->lock;
	return SST_OK;
}

static void
begin_work(struct sst_job *job)
{
	(void)job;
	sst_tls_begin();
}

static void
begin_done(struct sst_job *job)
{
	(void)job;
}

static int
open_doors(struct sst_relay *relay, struct sst_error *err)
{
	int rc = sst_channel_open(relay, err);

	if (rc != SST_OK)
		return rc;
	/* While the program goes from its first socket to what needs TLS. The
	 * environment came by the channel, and stays. */
	relay->begin.work = begin_work;
	relay->begin.done = begin_done;
	sst_loader_submit(&relay->loader, &relay->begin);
	if (sst_loop_add(&relay->loop, &relay->link_watch[0],
	    relay->link.listening[0], EPOLLIN, connect_stranger) < 0 ||
	    sst_loop_add(&relay->loop, &relay->link_watch[1],
	    relay->link.listening[1], EPOLLIN, listen_stranger) < 0 ||
	    sst_door_open(relay) < 0)
		return sst_fail_errno(err, errno, "doors");
	sst_core_check_idle(relay);
	return SST_OK;
}

/* It is held for microseconds: who finds it taken looks again before it sleeps. */
static void
init_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;

	(void)pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
	(void)pthread_mutex_init(lock, &attr);
	(void)pthread_mutexattr_destroy(&attr);
}

int
sst_relay_main(const struct sst_relay_fds *fds)
{
	struct sst_relay *relay = calloc(1, sizeof(*relay));
	struct sst_error err = { 0 };
	int rc = SST_E_NOMEM;

	if (relay != NULL) {
		init_lock(&relay->lock);
		sst_log_init(&relay->log);
		rc = prepare(relay, fds, &err);
	}
	if (rc == SST_OK)
		rc = open_doors(relay, &err);
	if (rc != SST_OK) {
		(void)sst_fail(&err, rc, "out of memory");
		sst_channel_refuse(fds->channel, &err);
		return 1;
	}
	sst_loop_run(&relay->loop);
	sst_workers_stop(relay);
	/* What is left belongs to the kernel: the process ends now. */
	return 0;
}
