/* SPDX-License-Identifier: ISC */
#include "watcher.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/below.h"
#include "base/clock.h"
#include "base/fail.h"
#include "dates.h"
#include "hot.h"
#include "links.h"
#include "store.h"
#include "watch/watch.h"

#define DATES_MS	60000	/* what came in is looked at after so long */

struct path {
	struct path	*next;
	uint32_t	 id;
	int		 is_key;
	struct sst_below below;		/* told, and not read yet */
	char		 text[];
};

struct sst_watcher {
	struct sst_store *store;	/* borrowed */
	atomic_int	 lost;		/* the thread stayed in the parent */
	struct timespec	 forked;	/* when */
	/* mu guards the rest */
	pthread_mutex_t	 mu;
	struct sst_watch *watch;	/* NULL: not begun */
	struct path	*paths;
	uint32_t	 last_id;
	int		 wake;		/* eventfd */
	int		 running, stop;
	int64_t		 hot_at;	/* the thread's: when what is served may be asked
					   for; ms */
	int64_t		 dates_at;	/* ... to look at dates */
	uint64_t	 dates_of;	/* ... the generation that it looked at */
	pthread_t	 thread;
};

struct sst_watcher *
sst_watcher_new(struct sst_store *store)
{
	struct sst_watcher *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->store = store;
	w->wake = -1;
	(void)pthread_mutex_init(&w->mu, NULL);
	return w;
}

static void
wake(const struct sst_watcher *w)
{
	const uint64_t one = 1;

	while (w->wake >= 0 && write(w->wake, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
}

static void
told(void *arg, uint32_t id, const struct sst_below *below)
{
	struct sst_watcher *w = arg;

	for (struct path *p = w->paths; p != NULL; p = p->next)
		if (p->id == id)
			sst_below_join(&p->below, below);
}

/* Takes what one path was told of: 1, or 0: nothing is left to read. */
static int
take_told(struct sst_watcher *w, char *path, int *ret_is_key, struct sst_below *ret)
{
	struct path *p;

	(void)pthread_mutex_lock(&w->mu);
	for (p = w->paths; p != NULL && sst_below_none(&p->below); p = p->next)
		continue;
	if (p != NULL && !w->stop) {
		(void)memcpy(path, p->text, strlen(p->text) + 1);
		*ret_is_key = p->is_key;
		*ret = p->below;
		p->below = (struct sst_below){ 0 };
	}
	(void)pthread_mutex_unlock(&w->mu);
	return p != NULL && !sst_below_none(ret);
}

/* What is wrong with a file becomes an event of the store. */
static void
read_again(struct sst_watcher *w)
{
	struct sst_below below = { 0 };
	const char *name = NULL;
	char path[SST_PATH_SIZE];
	int is_key = 0;

	while (take_told(w, path, &is_key, &below)) {
		if (is_key)
			(void)sst_store_rescan(w->store, NULL, NULL);
		else if (below.all)
			(void)sst_store_rescan(w->store, path, NULL);
		else
			while ((name = sst_below_next(&below, name)) != NULL)
				(void)sst_store_rescan_below(w->store, path, name,
				    NULL);
		sst_below_done(&below);
	}
	if (sst_store_retry_due(w->store) == 0)
		(void)sst_store_retry(w->store, NULL);
}

/* What is to be renewed, and what has expired, is told. */
static void
look_at_dates(struct sst_watcher *w)
{
	const uint64_t generation = sst_store_generation(w->store);
	const int64_t now = sst_clock_ms();
	int64_t next;

	if (now < w->dates_at && generation == w->dates_of)
		return;
	w->dates_of = generation;
	next = (int64_t)sst_store_dates(w->store, sst_dates_wall()) * 1000;
	w->dates_at = now + (next < DATES_MS ? next : DATES_MS);
}

/* What was served gets a watch before other names. */
static void
heat_locked(struct sst_watcher *w, int64_t now)
{
	char folder[SST_PATH_SIZE], name[NAME_MAX + 1];

	if (now < w->hot_at || !sst_store_is_hot(w->store))
		return;
	w->hot_at = now + SST_WATCH_HOT_MS;
	for (int i = 0; i < SST_WATCH_HOT && sst_store_hot(w->store, folder,
	    sizeof(folder)); i++)
		for (const struct path *p = w->paths; p != NULL; p = p->next)
			if (sst_hot_name(p->text, folder, name, sizeof(name)))
				sst_watch_hot(w->watch, p->id, name, now);
}

/* Waits for the kernel, for a deadline, or for who changes something. 0: the end. */
static int
watch_on(struct sst_watcher *w, int first)
{
	struct pollfd p[2] = { { .events = POLLIN }, { .events = POLLIN } };
	int64_t now = sst_clock_ms(), left, retry = sst_store_retry_due(w->store);
	uint64_t n;
	int go_on;

	(void)pthread_mutex_lock(&w->mu);
	p[0].fd = sst_watch_fd(w->watch);
	p[1].fd = w->wake;
	left = sst_watch_due(w->watch) == INT64_MAX ? INT_MAX :
	    sst_watch_due(w->watch) - now;
	(void)pthread_mutex_unlock(&w->mu);
	if (retry >= 0 && retry < left)
		left = retry;
	if (w->dates_at - now < left)
		left = w->dates_at - now;
	/* After the lock was given up: sst_watcher_wake(). */
	if (sst_store_is_hot(w->store) && w->hot_at - now < left)
		left = w->hot_at - now;
	if (!first)
		(void)poll(p, 2, left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left);
	(void)pthread_mutex_lock(&w->mu);
	while (read(w->wake, &n, sizeof(n)) < 0 && errno == EINTR)
		continue;
	go_on = !w->stop;
	now = sst_clock_ms();
	sst_watch_read(w->watch, now);
	heat_locked(w, now);
	if (go_on && sst_watch_due(w->watch) <= now)
		sst_watch_step(w->watch, now, told, w);
	(void)pthread_mutex_unlock(&w->mu);
	return go_on;
}

static void *
run(void *arg)
{
	struct sst_watcher *w = arg;

	for (int first = 1; watch_on(w, first); first = 0) {
		read_again(w);
		look_at_dates(w);
	}
	return NULL;
}

/* 0, or an errno. */
static int
thread_start_locked(struct sst_watcher *w)
{
	sigset_t all, old;
	int rc;

	/* Signals are the program's own threads'. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, run, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->running = rc == 0;
	return rc;
}

static int
is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Begins to watch, or begins again after fork(). 0, or an errno. */
static int
begin_locked(struct sst_watcher *w)
{
	struct sst_watch_plan plan = { .most = sst_watch_share() };
	int lost = atomic_load(&w->lost);

	if (w->running && !lost)
		return 0;
	if (lost)
		plan.since = w->forked;
	if (w->watch != NULL)
		sst_watch_abandon(w->watch);
	if (w->wake >= 0)
		(void)close(w->wake);
	w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->watch = sst_watch_new(&plan, sst_clock_ms());
	if (w->wake < 0 || w->watch == NULL)
		return w->watch == NULL ? ENOMEM : errno;
	for (const struct path *p = w->paths; p != NULL; p = p->next)
		if (sst_watch_add(w->watch, p->id, p->text, is_dir(p->text),
		    sst_clock_ms()) != 0)
			return ENOMEM;
	atomic_store(&w->lost, 0);
	return thread_start_locked(w);
}

void
sst_watcher_tend(struct sst_watcher *w)
{
	if (w == NULL || atomic_load_explicit(&w->lost, memory_order_relaxed) == 0)
		return;
	(void)pthread_mutex_lock(&w->mu);
	/* Refused now: the next use tries again. */
	if (atomic_load(&w->lost) && begin_locked(w) != 0)
		atomic_store(&w->lost, 1);
	(void)pthread_mutex_unlock(&w->mu);
}

/* 1, or 0: it is there. < 0: errno. */
static int
add_locked(struct sst_watcher *w, const char *path, int is_key)
{
	size_t n = strlen(path) + 1;
	struct path *p;
	int error;

	for (p = w->paths; p != NULL; p = p->next)
		if (p->is_key == is_key && strcmp(p->text, path) == 0)
			return 0;
	error = begin_locked(w);
	if (error != 0)
		return -error;
	p = calloc(1, sizeof(*p) + n);
	if (p == NULL)
		return -ENOMEM;
	p->id = ++w->last_id;
	p->is_key = is_key;
	memcpy(p->text, path, n);
	if (sst_watch_add(w->watch, p->id, path, is_dir(path), sst_clock_ms()) != 0) {
		free(p);
		return -ENOMEM;
	}
	p->next = w->paths;
	w->paths = p;
	wake(w);
	return 1;
}

int
sst_watcher_add(struct sst_watcher *w, const char *path, int is_key,
    struct sst_error *err)
{
	int rc;

	if (w == NULL)
		return 0;
	(void)pthread_mutex_lock(&w->mu);
	rc = add_locked(w, path, is_key);
	(void)pthread_mutex_unlock(&w->mu);
	return rc < 0 ? sst_fail_errno(err, -rc, "a thread that watches files") : rc;
}

void
sst_watcher_nudge(struct sst_watcher *w, const char *path)
{
	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&w->mu);
	if (!atomic_load(&w->lost))
		(void)sst_watch_nudge(w->watch, path, sst_clock_ms());
	wake(w);
	(void)pthread_mutex_unlock(&w->mu);
}

void
sst_watcher_wake(struct sst_watcher *w)
{
	/* Who has the lock is awake, or wakes it. */
	if (w == NULL || pthread_mutex_trylock(&w->mu) != 0)
		return;
	wake(w);
	(void)pthread_mutex_unlock(&w->mu);
}

void
sst_watcher_drop(struct sst_watcher *w, const char *path, int is_key)
{
	struct path **at, *p;

	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&w->mu);
	for (at = &w->paths; (p = *at) != NULL;) {
		if (path != NULL && (p->is_key != is_key || strcmp(p->text, path) != 0)) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		if (!atomic_load(&w->lost) && w->watch != NULL)
			sst_watch_remove(w->watch, p->id);
		sst_below_done(&p->below);
		free(p);
	}
	(void)pthread_mutex_unlock(&w->mu);
}

void
sst_watcher_free(struct sst_watcher *w)
{
	int running;

	if (w == NULL)
		return;
	(void)pthread_mutex_lock(&w->mu);
	running = w->running && !atomic_load(&w->lost);
	w->stop = 1;
	if (running)
		wake(w);
	(void)pthread_mutex_unlock(&w->mu);
	if (running)
		(void)pthread_join(w->thread, NULL);
	if (w->watch != NULL)
		sst_watch_abandon(w->watch);
	w->watch = NULL;
	sst_watcher_drop(w, NULL, 0);
	if (w->wake >= 0)
		(void)close(w->wake);
	(void)pthread_mutex_destroy(&w->mu);
	free(w);
}

void
sst_watcher_lock(struct sst_watcher *w)
{
	if (w != NULL)
		(void)pthread_mutex_lock(&w->mu);
}

void
sst_watcher_unlock(struct sst_watcher *w)
{
	if (w != NULL)
		(void)pthread_mutex_unlock(&w->mu);
}

void
sst_watcher_forked(struct sst_watcher *w)
{
	if (w == NULL)
		return;
	if (w->running) {
		(void)clock_gettime(CLOCK_REALTIME_COARSE, &w->forked);
		atomic_store(&w->lost, 1);
	}
	(void)pthread_mutex_unlock(&w->mu);
}
