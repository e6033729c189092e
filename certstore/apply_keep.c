/* SPDX-License-Identifier: ISC */
/*
 * apply_keep - what goes on although its files are bad (apply.h, apply_work.h).
 *
 * What is held in memory here the cache does not count, so of a whole source it is no
 * more than needs be: what the cache has, and the files have no longer.
 */
#include <string.h>

#include "apply_work.h"

/* Holds it for as long as the row is there. */
static void
hold(struct sst_store *s, const struct sst_row *row, struct sst_identity *id)
{
	struct sst_rows rows = { 0 };
	int here = 0;

	sst_store_lock(s);
	(void)sst_index_find(s->index, SST_FIND_PATH, row->path, strlen(row->path),
	    &rows, NULL);
	for (size_t i = 0; i < rows.n; i++)
		here |= rows.v[i].id == row->id;
	if (here && sst_pin_find_locked(s, row->id) == NULL &&
	    sst_pin_room_locked(s, 1, NULL) == SST_OK)
		sst_pin_add_locked(s, row->id, id, NULL);
	sst_store_unlock(s);
	sst_rows_done(&rows);
}

void
sst_keep_row(struct sst_store *s, const struct sst_row *row)
{
	struct sst_identity *id = sst_kept_get(s->cache, row->id);

	if (id == NULL && row->load != NULL)
		(void)sst_scan_again(&s->env, row, &id, NULL);
	if (id == NULL)
		return;
	hold(s, row, id);
	sst_identity_unref(id);
}

/* Its files were not looked at: where they are as they were, they are read again when it
 * is asked for. */
static void
unseen_keep(struct sst_store *s, const struct sst_row *row)
{
	struct sst_identity *id, *read = NULL;

	if (row->state != SST_ENTRY_USABLE)
		return;
	id = sst_kept_get(s->cache, row->id);
	if (id != NULL && sst_scan_again(&s->env, row, &read, NULL) < 0)
		hold(s, row, id);
	sst_identity_unref(read);
	sst_identity_unref(id);
}

void
sst_keep_source(struct sst_store *s, const char *path, const char *why,
    struct sst_events *events)
{
	struct sst_index_spot spot = { .flat = -1 };
	struct sst_rows rows = { 0 };
	enum sst_source_kind kind;
	int64_t id = 0;
	int rc, over;

	sst_store_lock(s);
	rc = sst_index_source_get(s->index, path, &id, &kind, NULL);
	sst_store_unlock(s);
	spot.source = id;
	for (over = rc != 1; !over; sst_rows_done(&rows)) {
		sst_store_lock(s);
		rc = sst_index_page(s->index, &spot, SST_INDEX_PAGE, &rows, NULL);
		sst_store_unlock(s);
		over = rc < 0 || rows.n == 0 || rows.v[rows.n - 1].source != id;
		for (size_t i = 0; rc == SST_OK && i < rows.n; i++)
			if (rows.v[i].source == id)
				unseen_keep(s, &rows.v[i]);
	}
	sst_index_spot_done(&spot);
	sst_events_add(events, SST_STORE_KEPT, path, why);
}
