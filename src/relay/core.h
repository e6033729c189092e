/* SPDX-License-Identifier: ISC */
/*
 * core - what the parts of one relay share.
 *
 * relay.c makes it; whoever is called from a loop reaches the rest through it.
 * There are no globals besides.
 *
 * Threads: `lock` guards all of it but `files`, `loader` and the workers, which
 * say of themselves what others may touch. The control thread holds it but while
 * it waits; a worker takes it where a connection begins, changes its state or
 * ends (worker.h).
 */
#ifndef SST_RELAY_CORE_H
#define SST_RELAY_CORE_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "base/wire.h"
#include "files.h"
#include "link.h"
#include "loader.h"
#include "log.h"
#include "loop.h"
#include "record.h"
#include "rules.h"
#include "spare.h"
#include "tell.h"
#include "worker.h"

/* For so long nothing is to be served before the keeper hears of it: a program
 * whose connections follow one another is not told of as idle in between. */
#define SST_CORE_IDLE_MS	100

struct sst_restored;	/* hold.c */

struct sst_relay {
	pthread_mutex_t	 lock;
	struct sst_loop	 loop;		/* of the control thread */
	struct sst_worker *workers[SST_WORKERS_MOST];
	int		 n_workers;
	struct sst_link	 link;
	struct sst_files files;
	struct sst_loader loader;
	struct sst_job	 begin;		/* the loader's first */
	struct sst_log	 log;
	struct sst_rulebook rulebook;
	struct sst_table table;
	struct sst_timer sweep;
	struct sst_audience audience;	/* who follows the events */

	int		 channel, door_fd;
	char		 door[16];
	uint64_t	 serial;	/* of the next accepted socket's name */
	uint8_t		 secret[SST_SECRET_LEN];
	char		 program[64];
	uint32_t	 program_pid;
	time_t		 started;

	struct sst_watch channel_watch, door_watch, link_watch[2], signal_watch;
	struct sst_spare spare;
	struct sst_timer door_pause;	/* no descriptor was left for a call */
	struct sst_timer link_timer;	/* the linking sockets are not watched */
	int		 signals;	/* signalfd, or -1 */

	struct sst_call	*calls;		/* all of them */
	struct sst_call	*asked;		/* read, not yet dispatched */
	int		 behind;	/* one of them came after the last look for
					   events */
	struct sst_call	*silent, **silent_end;	/* to be read, oldest first */
	size_t		 n_silent;
	struct sst_listener *listeners;
	uint32_t	 next_id;	/* of HOLD */
	struct sst_restored *restored;	/* sources for listeners to come */
	uint64_t	 connections;	/* so far, both kinds */
	int		 record_cost;	/* of one accepted record in a queue */
	int		 released;	/* the keeper may still hold a port */
	int		 draining;
	int		 door_shut;	/* the keeper is gone: nothing new */
	int		 idle_told;	/* what the keeper knows */
	int64_t		 idle_since;	/* nothing was left to serve */
	struct sst_timer idle_timer;
	struct sst_timer served_timer;	/* served.c */
	int64_t		 served_at;	/* when it was last done; ms, 0: never */

	uint8_t		 scratch[SST_WIRE_DATA_MAX + 1];
};

void	sst_core_lock(struct sst_relay *);
void	sst_core_unlock(struct sst_relay *);
/* Something is to be served: the keeper may not count us idle. */
void	sst_core_busy(struct sst_relay *);
/* Perhaps nothing is left: tells the keeper, or ends a relay that drains. */
void	sst_core_check_idle(struct sst_relay *);
/* From now on: end when all is served. */
void	sst_core_drain(struct sst_relay *);

#endif
