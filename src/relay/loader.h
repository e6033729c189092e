/* SPDX-License-Identifier: ISC */
/*
 * loader - one thread that reads certificates, so that the loop never waits
 * for a file.
 *
 * Always true:
 *   1. Jobs are worked on one at a time, in the order of their submission.
 *   2. `work` runs in the thread, `done` in the loop, once each.
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
};

struct sst_loader {
	pthread_t	 thread;
	/* mu guards all up to `stop` */
	pthread_mutex_t	 mu;
	pthread_cond_t	 more;
	struct sst_job	*todo, **todo_end;
	struct sst_job	*finished, **finished_end;
	int		 stop;
	int		 event;		/* eventfd: something is finished */
	int		 running;
	struct sst_loop	*loop;
	struct sst_watch watch;
};

/* 0, or -1 with errno. */
int	sst_loader_start(struct sst_loader *, struct sst_loop *);
/* Waits for the job under way; the others are dropped without `done`. */
void	sst_loader_stop(struct sst_loader *);
void	sst_loader_submit(struct sst_loader *, struct sst_job *);

#endif
