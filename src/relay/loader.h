/* SPDX-License-Identifier: ISC */
/*
 * loader - two threads that read certificates, so that the loop never waits for a file,
 * nor who sets one for a directory that is read for minutes.
 *
 * Always true:
 *   1. Long jobs are worked on one at a time, in the order of their submission, and so
 *      are the others; a long one may be at it beside another.
 *   2. `work` runs in a thread, `done` in the loop, once each.
 * Threads: submit and done belong to whoever runs the loop, or has its lock.
 */
#ifndef SST_RELAY_LOADER_H
#define SST_RELAY_LOADER_H

#include <pthread.h>

#include "loop.h"

struct sst_job {
	struct sst_job	*next;
	void		(*work)(struct sst_job *);
	void		(*done)(struct sst_job *);	/* may free it */
	int		 is_long;
};

/* One of the threads. */
struct sst_loader_line {
	struct sst_loader *loader;
	pthread_t	 thread;
	pthread_cond_t	 more;
	struct sst_job	*todo, **todo_end;
	int		 running;
};

struct sst_loader {
	/* mu guards all up to `stop`, and what there is to do */
	pthread_mutex_t	 mu;
	struct sst_job	*finished, **finished_end;
	int		 stop;
	struct sst_loader_line line[2];	/* by is_long */
	int		 event;		/* eventfd: something is finished */
	struct sst_loop	*loop;
	struct sst_watch watch;
};

/* 0, or -1 with errno. */
int	sst_loader_start(struct sst_loader *, struct sst_loop *);
/* Waits for the jobs under way; the others are dropped without `done`. */
void	sst_loader_stop(struct sst_loader *);
void	sst_loader_submit(struct sst_loader *, struct sst_job *);

#endif
