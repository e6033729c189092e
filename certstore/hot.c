/* SPDX-License-Identifier: ISC */
#include "hot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM	1024

/* FNV-1a, 32 bits; never 0. */
static uint32_t
mark_of(const char *path, size_t n)
{
	uint32_t h = 2166136261u;

	while (n-- > 0)
		h = (h ^ (uint8_t)*path++) * 16777619u;
	return h == 0 ? 1 : h;
}

/* Room for `n` bytes more: 0, or -1. */
static int
make_room(struct sst_hot *h, size_t n)
{
	size_t room = h->room == 0 ? FIRST_ROOM : h->room;
	char *more;

	if (h->end + n > h->room && h->from > 0) {
		memmove(h->text, h->text + h->from, h->end - h->from);
		h->end -= h->from;
		h->from = 0;
	}
	while (room < h->end + n)
		room *= 2;
	if (room > SST_HOT_BYTES)
		return -1;
	if (room == h->room)
		return 0;
	more = realloc(h->text, room);
	if (more == NULL)
		return -1;
	h->text = more;
	h->room = room;
	return 0;
}

int
sst_hot_note(struct sst_hot *h, const char *file)
{
	const char *slash = strrchr(file, '/');
	const int first = h->from == h->end;
	uint32_t mark, *place;
	size_t n;

	if (file[0] != '/' || slash == file)
		return 0;
	n = (size_t)(slash - file);
	mark = mark_of(file, n);
	place = &h->mark[mark % SST_HOT_MARKS];
	if (*place == mark || make_room(h, n + 1) != 0)
		return 0;
	*place = mark;
	memcpy(h->text + h->end, file, n);
	h->text[h->end + n] = '\0';
	h->end += n + 1;
	return first;
}

int
sst_hot_take(struct sst_hot *h, char *out, size_t size)
{
	uint32_t mark, *place;
	size_t n;

	if (h->from == h->end)
		return 0;
	(void)snprintf(out, size, "%s", h->text + h->from);
	n = strlen(h->text + h->from);
	mark = mark_of(h->text + h->from, n);
	place = &h->mark[mark % SST_HOT_MARKS];
	if (*place == mark)
		*place = 0;
	h->from += n + 1;
	return 1;
}

void
sst_hot_done(struct sst_hot *h)
{
	free(h->text);
	*h = (struct sst_hot){ 0 };
}

int
sst_hot_name(const char *source, const char *folder, char *out, size_t size)
{
	size_t n = strlen(source), len;

	while (n > 0 && source[n - 1] == '/')
		n--;
	if (strncmp(folder, source, n) != 0 || folder[n] != '/')
		return 0;
	folder += n + 1;
	len = strcspn(folder, "/");
	if (len == 0 || len >= size)
		return 0;
	memcpy(out, folder, len);
	out[len] = '\0';
	return 1;
}
