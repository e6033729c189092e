/* SPDX-License-Identifier: ISC */
#include "fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fail.h"
#include "curl_calls.h"
#include "fetch_transfer.h"

#define PER_HOST	4
#define IN_ALL		16

int
sst_fetcher_new(const struct sst_guard *guard, const char *proxy, struct sst_fetcher **ret,
    struct sst_error *err)
{
	const struct sst_curl *curl;
	struct sst_fetcher *f;
	int rc = sst_curl_load(&curl, err);

	if (rc < 0)
		return rc;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	f->curl = curl;
	f->guard = guard;
	f->waiting_end = &f->waiting;
	f->proxy = strdup(proxy == NULL ? "" : proxy);
	f->multi = curl->multi_init();
	if (f->proxy == NULL || f->multi == NULL) {
		sst_fetcher_free(f);
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	(void)curl->multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)IN_ALL);
	*ret = f;
	return SST_OK;
}

/* Tells the outcome and ends the transfer, which is in no list any more. */
static void
answer(struct sst_transfer *t, struct sst_fetch_answer *a)
{
	a->ms = (unsigned)(sst_clock_ms() - t->begun);
	t->done(t->arg, a);
	sst_transfer_free(t);
}

static void
answer_fault(struct sst_transfer *t, enum sst_fault fault, const char *text)
{
	struct sst_fetch_answer a = { .fault = fault };

	(void)snprintf(a.text, sizeof(a.text), "%s", text);
	answer(t, &a);
}

void
sst_fetcher_free(struct sst_fetcher *f)
{
	struct sst_transfer *t;

	if (f == NULL)
		return;
	f->closing = 1;
	while ((t = f->active != NULL ? f->active : f->waiting) != NULL) {
		if (f->active != NULL)
			f->active = t->next;
		else
			f->waiting = t->next;
		answer_fault(t, SST_FAULT_TIMEOUT, "given up: the fetcher ends");
	}
	(void)f->curl->multi_cleanup(f->multi);
	free(f->proxy);
	free(f);
}

static void
wait_turn(struct sst_fetcher *f, struct sst_transfer *t)
{
	t->next = NULL;
	*f->waiting_end = t;
	f->waiting_end = &t->next;
	f->n_waiting++;
}

int
sst_fetcher_ask(struct sst_fetcher *f, const struct sst_fetch_ask *ask,
    void (*done)(void *, const struct sst_fetch_answer *), void *arg, struct sst_error *err)
{
	struct sst_transfer *t;

	if (f->closing)
		return sst_fail(err, SST_E_STATE, "the fetcher ends");
	if (!sst_transfer_url_ok(f, ask->url, err))
		return SST_E_REFUSED;
	t = sst_transfer_new(f, ask);
	if (t == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	t->done = done;
	t->arg = arg;
	wait_turn(f, t);
	return SST_OK;
}


static int
active_at(const struct sst_fetcher *f, const char *host)
{
	int n = 0;

	for (const struct sst_transfer *t = f->active; t != NULL; t = t->next)
		if (strcmp(t->host, host) == 0)
			n++;
	return n;
}

/* Takes *at out of the waiting list. */
static struct sst_transfer *
take_waiting(struct sst_fetcher *f, struct sst_transfer **at)
{
	struct sst_transfer *t = *at;

	*at = t->next;
	if (f->waiting_end == &t->next)
		f->waiting_end = at;
	f->n_waiting--;
	return t;
}

/* Begins what has its turn; answers whose time ran out while it waited. */
static void
start_waiting(struct sst_fetcher *f)
{
	struct sst_transfer **at = &f->waiting;
	int64_t now = sst_clock_ms();

	while (*at != NULL) {
		struct sst_transfer *t = *at;

		if (t->deadline <= now) {
			answer_fault(take_waiting(f, at), SST_FAULT_TIMEOUT,
			    "its turn did not come in time");
			/* the callback may have changed the list */
			at = &f->waiting;
		} else if (f->n_active < IN_ALL && active_at(f, t->host) < PER_HOST) {
			(void)take_waiting(f, at);
			if (sst_transfer_start(t, now) < 0) {
				answer_fault(t, SST_FAULT_TIMEOUT, "out of memory");
				at = &f->waiting;
			}
		} else {
			at = &t->next;
		}
	}
}

static void
leave_active(struct sst_fetcher *f, struct sst_transfer *t)
{
	struct sst_transfer **at = &f->active;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	f->n_active--;
}

/* Answers what has ended. Returns how many. */
static int
collect(struct sst_fetcher *f)
{
	struct sst_fetch_answer a;
	struct sst_transfer *t = NULL;
	CURLMsg *m;
	int left, n = 0;

	while ((m = f->curl->multi_info_read(f->multi, &left)) != NULL) {
		if (m->msg != CURLMSG_DONE)
			continue;
		(void)f->curl->easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		leave_active(f, t);
		n++;
		if (sst_transfer_end(t, m->data.result, &a)) {
			answer(t, &a);
		} else {
			sst_transfer_stop(t);
			wait_turn(f, t);
		}
	}
	return n;
}

/* Until the first of the waiting runs out of time. */
static int
poll_ms(const struct sst_fetcher *f, int ms)
{
	int64_t now = sst_clock_ms();

	for (const struct sst_transfer *t = f->waiting; t != NULL; t = t->next)
		if (t->deadline - now < ms)
			ms = t->deadline > now ? (int)(t->deadline - now) : 0;
	return ms;
}

int
sst_fetcher_run(struct sst_fetcher *f, int ms)
{
	int running;

	start_waiting(f);
	(void)f->curl->multi_perform(f->multi, &running);
	if (collect(f) == 0) {
		(void)f->curl->multi_poll(f->multi, NULL, 0, poll_ms(f, ms), NULL);
		(void)f->curl->multi_perform(f->multi, &running);
		(void)collect(f);
	}
	start_waiting(f);
	return f->n_active + f->n_waiting;
}

void
sst_fetcher_wake(struct sst_fetcher *f)
{
	(void)f->curl->multi_wakeup(f->multi);
}
