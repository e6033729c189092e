/* SPDX-License-Identifier: ISC */
#include "below.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM	64

static void
all_of_it(struct sst_below *b)
{
	sst_below_done(b);
	b->all = 1;
}

static int
has(const struct sst_below *b, const char *name)
{
	const char *at = NULL;

	while ((at = sst_below_next(b, at)) != NULL)
		if (strcmp(at, name) == 0)
			return 1;
	return 0;
}

void
sst_below_add(struct sst_below *b, const char *name)
{
	size_t n = strlen(name) + 1, room = b->room == 0 ? FIRST_ROOM : b->room;
	char *more;

	if (b->all || has(b, name))
		return;
	while (room < b->len + n)
		room *= 2;
	if (n == 1 || b->len + n > SST_BELOW_MAX) {
		all_of_it(b);
		return;
	}
	if (room > b->room) {
		more = realloc(b->text, room);
		if (more == NULL) {
			all_of_it(b);
			return;
		}
		b->text = more;
		b->room = room;
	}
	memcpy(b->text + b->len, name, n);
	b->len += n;
}

void
sst_below_take(struct sst_below *b, const char *text, size_t len)
{
	if (len == 0 || text[len - 1] != '\0') {
		all_of_it(b);
		return;
	}
	for (size_t at = 0; at < len; at += strlen(text + at) + 1)
		sst_below_add(b, text + at);
}

void
sst_below_join(struct sst_below *b, const struct sst_below *other)
{
	if (!sst_below_none(other))
		sst_below_take(b, other->text, other->len);
}

const char *
sst_below_next(const struct sst_below *b, const char *at)
{
	at = at == NULL ? b->text : at + strlen(at) + 1;
	return b->all || b->len == 0 || at >= b->text + b->len ? NULL : at;
}

int
sst_below_none(const struct sst_below *b)
{
	return !b->all && b->len == 0;
}

void
sst_below_done(struct sst_below *b)
{
	free(b->text);
	*b = (struct sst_below){ 0 };
}
