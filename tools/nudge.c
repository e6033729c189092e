/* SPDX-License-Identifier: ISC */
/* nudge - see nudge.h. */
#include "nudge.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doors.h"

#define LOOK_MS		10	/* between two looks at the same program */

static long long
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* The generations of all listeners, and the last renewal of any. */
static long long
generations(const json_t *answer, long long *ret_renewed, size_t *ret_listeners)
{
	const json_t *list = json_object_get(answer, "listeners");
	long long sum = 0, renewed = 0;
	json_t *l;
	size_t i;

	json_array_foreach(list, i, l) {
		sum += number(l, "generation");
		if (number(l, "last_renewal") > renewed)
			renewed = number(l, "last_renewal");
	}
	*ret_renewed = renewed;
	*ret_listeners = json_array_size(list);
	return sum;
}

static void
note(void *arg, const char *path, json_t *answer)
{
	struct sst_nudge *n = arg;
	const char *program = json_string_value(json_object_get(answer, "program"));
	struct sst_nudged *d;

	if (n->n == n->room) {
		n->room = n->room != 0 ? 2 * n->room : 16;
		d = realloc(n->list, n->room * sizeof(*d));
		if (d == NULL) {
			n->failed = 1;
			return;
		}
		n->list = d;
	}
	d = &n->list[n->n];
	memset(d, 0, sizeof(*d));
	d->door = strdup(path);
	d->program = strdup(program != NULL ? program : "?");
	if (d->door == NULL || d->program == NULL) {
		n->failed = 1;
		free(d->door);
		free(d->program);
		return;
	}
	d->pid = number(answer, "pid");
	d->uid = number(answer, "uid");
	d->before = d->after = generations(answer, &d->renewed, &d->listeners);
	n->n++;
}

void
sst_nudge_look(struct sst_nudge *n)
{
	sst_ask_all(&n->count, note, n);
}

void
sst_nudge_ring(struct sst_nudge *n, const char *path)
{
	const long long until = sst_doors_ms() + SST_ASK_ALL_MS;
	char line[4096];

	if (snprintf(line, sizeof(line), "nudge %s", path) >= (int)sizeof(line) ||
	    strchr(path, '\n') != NULL)
		return;
	for (size_t i = 0; i < n->n; i++) {
		struct sst_nudged *d = &n->list[i];
		json_t *answer = NULL, *told;

		if (sst_doors_ms() < until)
			answer = sst_ask(d->door, line);
		told = json_object_get(answer, "told");
		if (json_is_integer(told) && d->sources >= 0)
			d->sources += json_integer_value(told);
		else
			d->sources = -1;
		json_decref(answer);
	}
}

/* Asks one program how far it is. */
static void
look_again(struct sst_nudged *d, time_t since)
{
	json_t *answer = sst_ask(d->door, "");

	if (answer == NULL) {
		d->state = SST_NUDGED_GONE;
		return;
	}
	d->after = generations(answer, &d->renewed, &d->listeners);
	if (d->after != d->before || (since != 0 && d->renewed >= since))
		d->state = SST_NUDGED_TAKEN;
	json_decref(answer);
}

void
sst_nudge_wait(struct sst_nudge *n, unsigned wait_ms, time_t since)
{
	/* one that takes its time leaves some for the others */
	const long long most = wait_ms > SST_ASK_ALL_MS ? wait_ms : SST_ASK_ALL_MS;
	const long long began = sst_doors_ms();
	long long passed = 0;
	size_t waiting = 1;

	for (size_t i = 0; i < n->n; i++)
		if (n->list[i].sources <= 0 || n->list[i].listeners == 0)
			n->list[i].state = SST_NUDGED_APART;
	for (; waiting > 0; passed = sst_doors_ms() - began) {
		waiting = 0;
		for (size_t i = 0; i < n->n; i++) {
			if (n->list[i].state == SST_NUDGED_WAITING &&
			    sst_doors_ms() - began < most)
				look_again(&n->list[i], since);
			waiting += n->list[i].state == SST_NUDGED_WAITING;
		}
		if (passed >= wait_ms)
			break;
		if (waiting > 0)
			(void)poll(NULL, 0, LOOK_MS);
	}
	for (size_t i = 0; i < n->n; i++)
		if (n->list[i].state == SST_NUDGED_WAITING)
			n->list[i].state = SST_NUDGED_SAME;
}

void
sst_nudge_done(struct sst_nudge *n)
{
	for (size_t i = 0; i < n->n; i++) {
		free(n->list[i].door);
		free(n->list[i].program);
	}
	free(n->list);
	memset(n, 0, sizeof(*n));
}
