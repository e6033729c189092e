/* SPDX-License-Identifier: ISC */
#include "seen.h"

#include "look.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE	64
/* Full at seven eighths: a hundred thousand names are two megabytes. */
#define IS_FULL(n, size)	((n) >= (size) / 8 * 7)

uint64_t
sst_seen_key(const char *name)
{
	uint64_t h = sst_look_mix(SST_LOOK_START, name, strlen(name));

	/* FNV spreads badly into the upper bits of short names. */
	h ^= h >> 32;
	h *= 0x9e3779b97f4a7c15u;
	h ^= h >> 29;
	return h & ~(uint64_t)SST_SEEN_FLAGS;
}

static size_t
home(const struct sst_seen *s, uint64_t key)
{
	return (size_t)(key >> 4) & (s->size - 1);
}

/* Where the key is, or where it would go. */
static size_t
place(const struct sst_seen *s, uint64_t key)
{
	size_t i = home(s, key);

	while (s->v[i].key != 0 && (s->v[i].key ^ key) > SST_SEEN_FLAGS)
		i = (i + 1) & (s->size - 1);
	return i;
}

struct sst_seen_name *
sst_seen_find(const struct sst_seen *s, uint64_t key)
{
	size_t i;

	if (s->n == 0)
		return NULL;
	i = place(s, key);
	return s->v[i].key == 0 ? NULL : &s->v[i];
}

static int
grow(struct sst_seen *s)
{
	struct sst_seen wider = { .size = s->size == 0 ? FIRST_SIZE : 2 * s->size,
	    .n = s->n };

	wider.v = calloc(wider.size, sizeof(*wider.v));
	if (wider.v == NULL)
		return -1;
	for (size_t i = 0; i < s->size; i++)
		if (s->v[i].key != 0)
			wider.v[place(&wider, s->v[i].key)] = s->v[i];
	free(s->v);
	*s = wider;
	return 0;
}

struct sst_seen_name *
sst_seen_put(struct sst_seen *s, uint64_t key)
{
	struct sst_seen_name *e = sst_seen_find(s, key);

	if (e != NULL)
		return e;
	if (IS_FULL(s->n, s->size) && grow(s) != 0)
		return NULL;
	e = &s->v[place(s, key)];
	*e = (struct sst_seen_name){ .key = key | SST_SEEN_HERE };
	s->n++;
	return e;
}

/* Closes the gap, so that whoever was put past it is found. */
static void
take_at(struct sst_seen *s, size_t gap)
{
	size_t mask = s->size - 1;

	for (size_t i = (gap + 1) & mask; s->v[i].key != 0; i = (i + 1) & mask)
		if (((i - home(s, s->v[i].key)) & mask) >= ((i - gap) & mask)) {
			s->v[gap] = s->v[i];
			gap = i;
		}
	s->v[gap] = (struct sst_seen_name){ 0 };
	s->n--;
}

void
sst_seen_take(struct sst_seen *s, uint64_t key)
{
	const struct sst_seen_name *e = sst_seen_find(s, key);

	if (e != NULL)
		take_at(s, (size_t)(e - s->v));
}

size_t
sst_seen_purge(struct sst_seen *s, unsigned round,
    void (*gone)(void *arg, const struct sst_seen_name *), void *arg)
{
	size_t n = 0;

	for (size_t i = 0; i < s->size; i++)
		while (s->v[i].key != 0 && (s->v[i].key & SST_SEEN_ROUND) != round) {
			gone(arg, &s->v[i]);
			take_at(s, i);
			n++;
		}
	return n;
}

void
sst_seen_done(struct sst_seen *s)
{
	free(s->v);
	*s = (struct sst_seen){ 0 };
}
