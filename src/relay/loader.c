/* SPDX-License-Identifier: ISC */
#include "loader.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void
append(struct sst_job ***end, struct sst_job *job)
{
	job->next = NULL;
	**end = job;
	*end = &job->next;
}

/* The next job, or NULL to stop. */
static struct sst_job *
take(struct sst_loader *loader)
{
	struct sst_job *job = NULL;

	(void)pthread_mutex_lock(&loader->mu);
	while (!loader->stop && loader->todo == NULL)
		(void)pthread_cond_wait(&loader->more, &loader->mu);
	if (!loader->stop) {
		job = loader->todo;
		loader->todo = job->next;
		if (loader->todo == NULL)
			loader->todo_end = &loader->todo;
	}
	(void)pthread_mutex_unlock(&loader->mu);
	return job;
}

static void *
work(void *arg)
{
	struct sst_loader *loader = arg;
	const uint64_t one = 1;
	struct sst_job *job;

	while ((job = take(loader)) != NULL) {
		job->work(job);
		(void)pthread_mutex_lock(&loader->mu);
		append(&loader->finished_end, job);
		(void)pthread_mutex_unlock(&loader->mu);
		while (write(loader->event, &one, sizeof(one)) < 0 && errno == EINTR)
			continue;
	}
	return NULL;
}

static void
collect(struct sst_watch *w, uint32_t events)
{
	struct sst_loader *loader = SST_HOLDER(w, struct sst_loader, watch);
	struct sst_job *job, *next;
	uint64_t n;

	(void)events;
	while (read(loader->event, &n, sizeof(n)) < 0 && errno == EINTR)
		continue;
	(void)pthread_mutex_lock(&loader->mu);
	job = loader->finished;
	loader->finished = NULL;
	loader->finished_end = &loader->finished;
	(void)pthread_mutex_unlock(&loader->mu);
	for (; job != NULL; job = next) {
		next = job->next;
		job->done(job);
	}
}

int
sst_loader_start(struct sst_loader *loader, struct sst_loop *loop)
{
	sigset_t all, old;
	int rc;

	memset(loader, 0, sizeof(*loader));
	loader->loop = loop;
	loader->todo_end = &loader->todo;
	loader->finished_end = &loader->finished;
	(void)pthread_mutex_init(&loader->mu, NULL);
	(void)pthread_cond_init(&loader->more, NULL);
	loader->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loader->event < 0)
		return -1;
	if (sst_loop_add(loop, &loader->watch, loader->event, EPOLLIN, collect) < 0)
		return -1;
	/* Signals are the control thread's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&loader->thread, NULL, work, loader);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0) {
		errno = rc;
		return -1;
	}
	loader->running = 1;
	return 0;
}

void
sst_loader_stop(struct sst_loader *loader)
{
	if (loader->running) {
		(void)pthread_mutex_lock(&loader->mu);
		loader->stop = 1;
		(void)pthread_cond_signal(&loader->more);
		(void)pthread_mutex_unlock(&loader->mu);
		(void)pthread_join(loader->thread, NULL);
		loader->running = 0;
	}
	sst_loop_del(loader->loop, &loader->watch);
	if (loader->event >= 0)
		(void)close(loader->event);
	loader->event = -1;
	(void)pthread_cond_destroy(&loader->more);
	(void)pthread_mutex_destroy(&loader->mu);
}

void
sst_loader_submit(struct sst_loader *loader, struct sst_job *job)
{
	(void)pthread_mutex_lock(&loader->mu);
	append(&loader->todo_end, job);
	(void)pthread_cond_signal(&loader->more);
	(void)pthread_mutex_unlock(&loader->mu);
}
