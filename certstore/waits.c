/* SPDX-License-Identifier: ISC */
#include "waits.h"

#include <stdlib.h>
#include <string.h>

#include <securesockets/error.h>

static const int64_t delays[] = { 200, 500, 1000, 2000, 5000 };
#define DELAYS		(sizeof(delays) / sizeof(delays[0]))
#define DELAY_AFTER	10000

static int64_t
delay(unsigned tries)
{
	return tries < DELAYS ? delays[tries] : DELAY_AFTER;
}

static void
wait_free(struct sst_wait *w)
{
	free(w->source);
	free(w->folder);
}

void
sst_waits_done(struct sst_waits *ws)
{
	for (size_t i = 0; i < ws->n; i++)
		wait_free(&ws->v[i]);
	free(ws->v);
	*ws = (struct sst_waits){ 0 };
}

struct sst_wait *
sst_waits_find(struct sst_waits *ws, const char *folder)
{
	for (size_t i = 0; i < ws->n; i++) {
		if (strcmp(ws->v[i].folder, folder) == 0)
			return &ws->v[i];
	}
	return NULL;
}

/* A new one at the end; NULL: there is no room. */
static struct sst_wait *
wait_add(struct sst_waits *ws, const char *source, const char *folder)
{
	struct sst_wait *grown, w = { 0 };
	size_t room;

	if (ws->n == SST_WAITS_MAX)
		return NULL;
	if (ws->n == ws->room) {
		room = ws->room == 0 ? 4 : ws->room * 2;
		grown = reallocarray(ws->v, room, sizeof(*grown));
		if (grown == NULL)
			return NULL;
		ws->v = grown;
		ws->room = room;
	}
	w.source = strdup(source);
	w.folder = strdup(folder);
	if (w.source == NULL || w.folder == NULL) {
		wait_free(&w);
		return NULL;
	}
	ws->v[ws->n] = w;
	return &ws->v[ws->n++];
}

int
sst_waits_note(struct sst_waits *ws, const char *source, const char *folder, int back,
    int64_t now)
{
	struct sst_wait *w = sst_waits_find(ws, folder);

	if (w == NULL || w->back != back) {
		if (w == NULL)
			w = wait_add(ws, source, folder);
		if (w == NULL)
			return 0;
		w->back = back;
		w->since = now;
		w->tries = 0;
		w->due = now + delay(0);
		return 0;
	}
	if (now < w->due)
		return 0;
	w->tries++;
	w->due = now + delay(w->tries);
	return w->tries == DELAYS;
}

void
sst_waits_drop(struct sst_waits *ws, const char *folder)
{
	struct sst_wait *w = sst_waits_find(ws, folder);

	if (w == NULL)
		return;
	wait_free(w);
	*w = ws->v[--ws->n];
}

void
sst_waits_drop_source(struct sst_waits *ws, const char *source)
{
	for (size_t i = ws->n; i-- > 0;) {
		if (strcmp(ws->v[i].source, source) != 0)
			continue;
		wait_free(&ws->v[i]);
		ws->v[i] = ws->v[--ws->n];
	}
}

int
sst_waits_due_copy(const struct sst_waits *ws, int64_t now, struct sst_waits *ret)
{
	for (size_t i = 0; i < ws->n; i++) {
		if (ws->v[i].due <= now &&
		    wait_add(ret, ws->v[i].source, ws->v[i].folder) == NULL)
			return SST_E_NOMEM;
	}
	return SST_OK;
}

int64_t
sst_waits_due(const struct sst_waits *ws, int64_t now)
{
	int64_t next = -1, left;

	for (size_t i = 0; i < ws->n; i++) {
		left = ws->v[i].due <= now ? 0 : ws->v[i].due - now;
		if (next < 0 || left < next)
			next = left;
	}
	return next;
}
