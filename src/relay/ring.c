/* SPDX-License-Identifier: ISC */
#include "ring.h"

#include <stdlib.h>
#include <string.h>

static const char *
pack(char **at, const char *text)
{
	const char *here = *at;

	if (text == NULL)
		return NULL;
	*at = stpcpy(*at, text) + 1;
	return here;
}

static size_t
room_for(const char *text)
{
	return text == NULL ? 0 : strlen(text) + 1;
}

/* The same in a block of its own. */
static struct sst_happening *
copy(const struct sst_happening *h)
{
	struct sst_happening *c = malloc(sizeof(*c) + (h->leaf != NULL ? 32 : 0) +
	    room_for(h->text) + room_for(h->source) + room_for(h->name));
	char *at = (char *)(c + 1);

	if (c == NULL)
		return NULL;
	*c = *h;
	if (h->leaf != NULL) {
		c->leaf = memcpy(at, h->leaf, 32);
		at += 32;
	}
	c->text = pack(&at, h->text);
	c->source = pack(&at, h->source);
	c->name = pack(&at, h->name);
	return c;
}

void
sst_ring_add(struct sst_ring *r, const struct sst_happening *h)
{
	struct sst_happening **place, *c;

	r->last++;
	if (r->v == NULL) {
		r->v = calloc(SST_RING_MOST, sizeof(*r->v));
		r->first = r->last;
	}
	if (r->v == NULL)
		return;
	if (r->last - r->first >= SST_RING_MOST)
		r->first = r->last - SST_RING_MOST + 1;
	place = &r->v[r->last % SST_RING_MOST];
	free(*place);
	c = copy(h);
	if (c != NULL)
		c->seq = r->last;
	*place = c;
}

int
sst_ring_each(const struct sst_ring *r, uint64_t since,
    int (*each)(void *, const struct sst_happening *), void *arg)
{
	int rc = 0;

	if (r->v == NULL)
		return 0;
	for (uint64_t seq = since + 1 > r->first ? since + 1 : r->first;
	    since < r->last && seq <= r->last && rc == 0; seq++) {
		const struct sst_happening *h = r->v[seq % SST_RING_MOST];

		if (h != NULL)
			rc = each(arg, h);
	}
	return rc;
}

void
sst_ring_done(struct sst_ring *r)
{
	for (size_t i = 0; r->v != NULL && i < SST_RING_MOST; i++)
		free(r->v[i]);
	free(r->v);
	memset(r, 0, sizeof(*r));
}
