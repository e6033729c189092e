/* SPDX-License-Identifier: ISC */
/* A staple as it is given out: immutable, and counted (own.h). */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "own_inside.h"

/* The count stands before what is shown of it. */
struct counted {
	atomic_int	 refs;
	struct sst_own_staple staple;
};

static struct counted *
counted_of(struct sst_own_staple *s)
{
	return (struct counted *)((char *)s - offsetof(struct counted, staple));
}

struct sst_own_staple *
sst_own_staple_new(const void *der, size_t len, int64_t until)
{
	struct counted *c = malloc(sizeof(*c) + len);

	if (c == NULL)
		return NULL;
	atomic_init(&c->refs, 1);
	c->staple.until = until;
	c->staple.len = len;
	memcpy(c->staple.der, der, len);
	return &c->staple;
}

struct sst_own_staple *
sst_own_staple_ref(struct sst_own_staple *s)
{
	(void)atomic_fetch_add(&counted_of(s)->refs, 1);
	return s;
}

void
sst_own_staple_unref(struct sst_own_staple *s)
{
	if (s != NULL && atomic_fetch_sub(&counted_of(s)->refs, 1) == 1)
		free(counted_of(s));
}
