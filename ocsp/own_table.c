/* SPDX-License-Identifier: ISC */
/* The table of our own certificates, by the SHA-256 of each (own_inside.h). */
#include <stdlib.h>
#include <string.h>

#include "own_inside.h"

static struct sst_own_cert **
bucket_of(struct sst_own *o, const uint8_t leaf[32])
{
	uint32_t n;

	memcpy(&n, leaf, sizeof(n));
	return &o->buckets[n & (o->n_buckets - 1)];
}

struct sst_own_cert *
sst_own_find_locked(struct sst_own *o, const uint8_t leaf[32])
{
	struct sst_own_cert *e = *bucket_of(o, leaf);

	while (e != NULL && memcmp(e->leaf, leaf, 32) != 0)
		e = e->next;
	return e;
}

static void
link_locked(struct sst_own *o, struct sst_own_cert *e)
{
	struct sst_own_cert **at = bucket_of(o, e->leaf);

	e->next = *at;
	*at = e;
}

/* Without memory for it, looking up takes longer. */
static void
grow_locked(struct sst_own *o)
{
	struct sst_own_cert **old = o->buckets, *e;
	const size_t n = o->n_buckets;

	o->buckets = calloc(2 * n, sizeof(struct sst_own_cert *));
	if (o->buckets == NULL) {
		o->buckets = old;
		return;
	}
	o->n_buckets = 2 * n;
	for (size_t i = 0; i < n; i++)
		while ((e = old[i]) != NULL) {
			old[i] = e->next;
			link_locked(o, e);
		}
	free(old);
}

int
sst_own_enter_locked(struct sst_own *o, struct sst_own_cert *e)
{
	if (!sst_heap_reserve(&o->coming, o->n + 1) || !sst_heap_reserve(&o->due, o->n + 1))
		return 0;
	if (o->n == o->n_buckets)
		grow_locked(o);
	link_locked(o, e);
	o->n++;
	o->pending += !e->answered;
	sst_own_order_locked(e);
	return 1;
}

void
sst_own_leave_locked(struct sst_own *o, struct sst_own_cert *e)
{
	struct sst_own_cert **at = bucket_of(o, e->leaf);

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	o->n--;
	o->pending -= !e->answered;
	sst_heap_take(&e->turn);
}
