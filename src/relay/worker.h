/* SPDX-License-Identifier: ISC */
/*
 * worker - a thread that moves bytes and does the arithmetic of handshakes.
 *
 *	control thread: doors, listeners, options -- gives connections --> workers
 *
 * A connection belongs to one worker from its first step on: the worker's loop
 * has its watches and its timer, and nobody else touches its struct sst_conn and
 * its pump. What others want of it they post as an order.
 *
 * Always true:
 *   1. Everything but a connection's bytes and its handshake's arithmetic
 *      happens under the relay's lock. A worker takes it where a connection
 *      begins, changes its state or ends, never to move bytes.
 *   2. An order runs once, in the worker it was posted to, under the lock; one
 *      that was cancelled never runs.
 *   3. A connection goes to the worker that has fewest.
 *   4. Who may not take the relay's lock (the checker's thread, which somebody
 *      that holds the lock may be waiting for) rings a bell instead of posting an
 *      order; it is heard like one.
 * Threads: sst_worker_post, _cancel, _pick and _leave under the lock.
 */
#ifndef SST_RELAY_WORKER_H
#define SST_RELAY_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "pump.h"

#define SST_WORKERS_MOST	8

struct sst_relay;
struct sst_worker;

/* Part of whatever it is about. */
struct sst_order {
	struct sst_order *next, **at_me;	/* at_me NULL: not posted */
	struct sst_worker *worker;
	void	(*run)(struct sst_order *, struct sst_worker *);
};

struct sst_bell {
	struct sst_bell	*next, **at_me;		/* at_me NULL: not rung. Both under
						   the worker's mu */
	struct sst_worker *worker;
	void	(*run)(struct sst_bell *, struct sst_worker *);
};

struct sst_worker {
	struct sst_loop	   loop;
	struct sst_relay  *relay;
	pthread_t	   thread;
	int		   running;
	struct sst_order  *orders, **orders_end;
	atomic_int	   ordered;		/* there may be orders, or bells */
	pthread_mutex_t	   mu;			/* guards bells; nothing is locked
						   while it is held */
	struct sst_bell	  *bells;
	size_t		   connections;		/* under way, also handshakes */
	uint8_t		   scratch[SST_PUMP_SCRATCH + 1];
};

/* Cores that this process may use, at most SST_WORKERS_MOST. */
int	sst_workers_wanted(void);
/* Makes the relay's `n` workers, without threads. 0, or -1 with errno. */
int	sst_workers_make(struct sst_relay *, int n);
/* Their threads. 0, or -1 with errno. */
int	sst_workers_start(struct sst_relay *);
/* Ends the threads and frees the workers. Not under the lock. */
void	sst_workers_stop(struct sst_relay *);

/* Runs what was posted; the worker's thread does it after each batch. */
void	sst_worker_obey(struct sst_worker *);
/* The one that is to have the next connection; it counts as its own at once. */
struct sst_worker *sst_worker_pick(struct sst_relay *);
/* The worker has one connection less. */
void	sst_worker_leave(struct sst_worker *);
/* An order that is posted already is posted anew. */
void	sst_worker_post(struct sst_worker *, struct sst_order *,
	    void (*run)(struct sst_order *, struct sst_worker *));
void	sst_order_cancel(struct sst_order *);
/* `run` is called in the worker, under the lock, once for rings that come together. */
void	sst_bell_init(struct sst_bell *, struct sst_worker *,
	    void (*run)(struct sst_bell *, struct sst_worker *));
void	sst_bell_ring(struct sst_bell *);	/* any thread, with the lock or without */
/* Under the lock, when nobody rings it any more: `run` is not called again. One
 * that was never initialized is allowed. */
void	sst_bell_done(struct sst_bell *);

#endif
