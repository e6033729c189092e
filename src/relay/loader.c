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
take(struct sst_loader_line *line)
{
	struct sst_loader *loader = line->loader;
	struct sst_job *job = NULL;

	(void)pthread_mutex_lock(&loader->mu);
	while (!loader->stop && line->todo == NULL)
		(void)pthread_cond_wait(&line->more, &loader->mu);
	if (!loader->stop) {
		job = line->todo;
		line->todo = job->next;
		if (line->todo == NULL)
			line->todo_end = &line->todo;
	}
	(void)pthread_mutex_unlock(&loader->mu);
	return job;
}

static void *
work(void *arg)
{
	struct sst_loader_line *line = arg;
	struct sst_loader *loader = line->loader;
	const uint64_t one = 1;
	struct sst_job *job;

	while ((job = take(line)) != NULL) {
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

/* 0, or an errno. */
static int
line_start(struct sst_loader_line *line)
{
	sigset_t every, old;
	int rc;

	/* Signals are the control thread's. */
	(void)sigfillset(&every);
	(void)pthread_sigmask(SIG_SETMASK, &every, &old);
	rc = pthread_create(&line->thread, NULL, work, line);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	line->running = rc == 0;
	return rc;
}

int
sst_loader_start(struct sst_loader *loader, struct sst_loop *loop)
{
	int rc = 0;

	memset(loader, 0, sizeof(*loader));
	loader->loop = loop;
	loader->finished_end = &loader->finished;
	(void)pthread_mutex_init(&loader->mu, NULL);
	for (int i = 0; i < 2; i++) {
		loader->line[i].loader = loader;
		loader->line[i].todo_end = &loader->line[i].todo;
		(void)pthread_cond_init(&loader->line[i].more, NULL);
	}
	loader->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loader->event < 0)
		return -1;
	if (sst_loop_add(loop, &loader->watch, loader->event, EPOLLIN, collect) < 0)
		return -1;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = line_start(&loader->line[i]);
	if (rc != 0) {
		errno = rc;
		return -1;
	}
	return 0;
}

void
sst_loader_stop(struct sst_loader *loader)
{
	(void)pthread_mutex_lock(&loader->mu);
	loader->stop = 1;
	for (int i = 0; i < 2; i++)
		(void)pthread_cond_signal(&loader->line[i].more);
	(void)pthread_mutex_unlock(&loader->mu);
	for (int i = 0; i < 2; i++) {
		if (loader->line[i].running)
			(void)pthread_join(loader->line[i].thread, NULL);
		loader->line[i].running = 0;
		(void)pthread_cond_destroy(&loader->line[i].more);
	}
	sst_loop_del(loader->loop, &loader->watch);
	if (loader->event >= 0)
		(void)close(loader->event);
	loader->event = -1;
	(void)pthread_mutex_destroy(&loader->mu);
}

void
sst_loader_submit(struct sst_loader *loader, struct sst_job *job)
{
	struct sst_loader_line *line = &loader->line[job->is_long != 0];

	(void)pthread_mutex_lock(&loader->mu);
	append(&line->todo_end, job);
	(void)pthread_cond_signal(&line->more);
	(void)pthread_mutex_unlock(&loader->mu);
}
