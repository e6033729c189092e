/* SPDX-License-Identifier: ISC */
#include "apart.h"

#include <pthread.h>
#include <signal.h>

struct job {
	void	(*work)(void *);
	void	*arg;
};

static void *
run(void *arg)
{
	const struct job *job = arg;

	job->work(job->arg);
	return NULL;
}

void
sst_apart(void (*work)(void *arg), void *arg)
{
	struct job job = { work, arg };
	pthread_t thread;
	sigset_t all, old;
	int state, rc;

	(void)sigfillset(&all);
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, NULL, run, &job);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc == 0)
		(void)pthread_join(thread, NULL);
	else
		work(arg);
	(void)pthread_setcancelstate(state, NULL);
}
