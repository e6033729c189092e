/* SPDX-License-Identifier: ISC */
#include "table.h"

#include <stdlib.h>

#define FIRST_BUCKETS	64

/* Numbers that count up are spread by Fibonacci hashing. */
static size_t
slot(const struct sst_table *t, uint32_t key)
{
	return (size_t)(key * 2654435769u) & (t->n_buckets - 1);
}

struct sst_node *
sst_table_get(const struct sst_table *t, uint32_t key)
{
	struct sst_node *n;

	if (t->n_buckets == 0)
		return NULL;
	for (n = t->bucket[slot(t, key)]; n != NULL; n = n->next)
		if (n->key == key)
			return n;
	return NULL;
}

static int
grow(struct sst_table *t)
{
	struct sst_table wider = {
		.n_buckets = t->n_buckets == 0 ? FIRST_BUCKETS : 2 * t->n_buckets,
		.n = t->n,
	};
	struct sst_node *n;
	size_t at;

	wider.bucket = calloc(wider.n_buckets, sizeof(struct sst_node *));
	if (wider.bucket == NULL)
		return -1;
	for (size_t i = 0; i < t->n_buckets; i++)
		while ((n = t->bucket[i]) != NULL) {
			t->bucket[i] = n->next;
			at = slot(&wider, n->key);
			n->next = wider.bucket[at];
			wider.bucket[at] = n;
		}
	free(t->bucket);
	*t = wider;
	return 0;
}

int
sst_table_put(struct sst_table *t, struct sst_node *n, uint32_t key)
{
	size_t at;

	/* A table that cannot grow gets slower, not wrong. */
	if (t->n >= t->n_buckets && grow(t) != 0 && t->n_buckets == 0)
		return -1;
	at = slot(t, key);
	n->key = key;
	n->next = t->bucket[at];
	t->bucket[at] = n;
	t->n++;
	return 0;
}

void
sst_table_take(struct sst_table *t, struct sst_node *n)
{
	struct sst_node **link;

	if (t->n_buckets == 0)
		return;
	for (link = &t->bucket[slot(t, n->key)]; *link != NULL; link = &(*link)->next)
		if (*link == n) {
			*link = n->next;
			t->n--;
			return;
		}
}

struct sst_node *
sst_table_next(const struct sst_table *t, struct sst_place *place)
{
	struct sst_node *n = place->next;

	while (n == NULL && place->at < t->n_buckets)
		n = t->bucket[place->at++];
	if (n != NULL)
		place->next = n->next;
	return n;
}

void
sst_table_done(struct sst_table *t)
{
	free(t->bucket);
	*t = (struct sst_table){ 0 };
}
