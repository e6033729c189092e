/* SPDX-License-Identifier: ISC */
#include "worker.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

#include "core.h"

int
sst_workers_wanted(void)
{
	cpu_set_t cores;
	int n = 1;

	if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
		n = CPU_COUNT(&cores);
	if (n < 1)
		n = 1;
	return n > SST_WORKERS_MOST ? SST_WORKERS_MOST : n;
}

static struct sst_worker *
make(struct sst_relay *relay)
{
	struct sst_worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->relay = relay;
	w->orders_end = &w->orders;
	(void)pthread_mutex_init(&w->mu, NULL);
	if (sst_loop_init(&w->loop) < 0) {
		sst_loop_done(&w->loop);
		(void)pthread_mutex_destroy(&w->mu);
		free(w);
		return NULL;
	}
	return w;
}

int
sst_workers_make(struct sst_relay *relay, int n)
{
	for (int i = 0; i < n; i++) {
		relay->workers[i] = make(relay);
		if (relay->workers[i] == NULL)
			return -1;
		relay->n_workers++;
	}
	return 0;
}

static void
after_batch(void *arg)
{
	struct sst_worker *w = arg;

	if (atomic_load(&w->ordered))
		sst_worker_obey(w);
}

static void *
work(void *arg)
{
	struct sst_worker *w = arg;

	sst_loop_run(&w->loop);
	return NULL;
}

/* All signals but SIGALRM, which link.c directs at one thread, are the control
 * thread's. */
static void
only_alarms(sigset_t *ret_old)
{
	sigset_t set;

	(void)sigfillset(&set);
	(void)sigdelset(&set, SIGALRM);
	(void)pthread_sigmask(SIG_SETMASK, &set, ret_old);
}

int
sst_workers_start(struct sst_relay *relay)
{
	sigset_t old;
	int rc = 0;

	only_alarms(&old);
	for (int i = 0; i < relay->n_workers && rc == 0; i++) {
		struct sst_worker *w = relay->workers[i];

		w->loop.after = after_batch;
		w->loop.after_arg = w;
		rc = pthread_create(&w->thread, NULL, work, w);
		w->running = rc == 0;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

void
sst_workers_stop(struct sst_relay *relay)
{
	for (int i = 0; i < relay->n_workers; i++) {
		struct sst_worker *w = relay->workers[i];

		atomic_store(&w->loop.stop, 1);
		sst_loop_kick(&w->loop);
		if (w->running)
			(void)pthread_join(w->thread, NULL);
		sst_loop_done(&w->loop);
		(void)pthread_mutex_destroy(&w->mu);
		free(w);
	}
	relay->n_workers = 0;
}

void
sst_bell_init(struct sst_bell *bell, struct sst_worker *w,
    void (*run)(struct sst_bell *, struct sst_worker *))
{
	bell->at_me = NULL;
	bell->worker = w;
	bell->run = run;
}

void
sst_bell_ring(struct sst_bell *bell)
{
	struct sst_worker *w = bell->worker;

	(void)pthread_mutex_lock(&w->mu);
	if (bell->at_me == NULL) {
		bell->next = w->bells;
		bell->at_me = &w->bells;
		if (bell->next != NULL)
			bell->next->at_me = &bell->next;
		w->bells = bell;
	}
	atomic_store(&w->ordered, 1);
	/* Within: once it was heard, the worker may be gone. */
	sst_loop_kick(&w->loop);
	(void)pthread_mutex_unlock(&w->mu);
}

static void
leave_locked(struct sst_bell *bell)
{
	if (bell->at_me == NULL)
		return;
	*bell->at_me = bell->next;
	if (bell->next != NULL)
		bell->next->at_me = bell->at_me;
	bell->at_me = NULL;
}

void
sst_bell_done(struct sst_bell *bell)
{
	if (bell->worker == NULL)
		return;
	(void)pthread_mutex_lock(&bell->worker->mu);
	leave_locked(bell);
	(void)pthread_mutex_unlock(&bell->worker->mu);
}

static struct sst_bell *
heard(struct sst_worker *w)
{
	struct sst_bell *bell;

	(void)pthread_mutex_lock(&w->mu);
	bell = w->bells;
	if (bell != NULL)
		leave_locked(bell);
	(void)pthread_mutex_unlock(&w->mu);
	return bell;
}

void
sst_worker_obey(struct sst_worker *w)
{
	struct sst_order *order;
	struct sst_bell *bell;

	sst_core_lock(w->relay);
	atomic_store(&w->ordered, 0);
	while ((order = w->orders) != NULL) {
		sst_order_cancel(order);
		order->run(order, w);
	}
	while ((bell = heard(w)) != NULL)
		bell->run(bell, w);
	sst_core_unlock(w->relay);
}

struct sst_worker *
sst_worker_pick(struct sst_relay *relay)
{
	struct sst_worker *best = relay->workers[0];

	for (int i = 1; i < relay->n_workers; i++)
		if (relay->workers[i]->connections < best->connections)
			best = relay->workers[i];
	best->connections++;
	return best;
}

void
sst_worker_leave(struct sst_worker *w)
{
	w->connections--;
}

void
sst_worker_post(struct sst_worker *w, struct sst_order *order,
    void (*run)(struct sst_order *, struct sst_worker *))
{
	sst_order_cancel(order);
	order->worker = w;
	order->run = run;
	order->next = NULL;
	order->at_me = w->orders_end;
	*w->orders_end = order;
	w->orders_end = &order->next;
	atomic_store(&w->ordered, 1);
	sst_loop_kick(&w->loop);
}

void
sst_order_cancel(struct sst_order *order)
{
	if (order->at_me == NULL)
		return;
	*order->at_me = order->next;
	if (order->next != NULL)
		order->next->at_me = order->at_me;
	else
		order->worker->orders_end = order->at_me;
	order->next = NULL;
	order->at_me = NULL;
}
