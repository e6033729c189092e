/* SPDX-License-Identifier: ISC */
/* apply_keep - what goes on although its files are bad (apply.h, apply_work.h). */
#include <string.h>

#include "apply_work.h"

void
sst_keep_row(struct sst_store *s, const struct sst_row *row)
{
	struct sst_identity *id;
	struct sst_rows rows = { 0 };
	int here = 0;

	id = sst_kept_get(s->cache, row->id);
	if (id == NULL && row->load != NULL)
		(void)sst_scan_again(&s->env, row, &id, NULL);
	if (id == NULL)
		return;
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
	sst_identity_unref(id);
}

void
sst_keep_source(struct sst_store *s, const char *path, const char *why,
    struct sst_events *events)
{
	struct sst_rows rows = { 0 };
	enum sst_source_kind kind;
	int64_t id;

	sst_store_lock(s);
	if (sst_index_source_get(s->index, path, &id, &kind, NULL) == 1)
		(void)sst_index_find(s->index, SST_FIND_SOURCE, &id, sizeof(id), &rows,
		    NULL);
	sst_store_unlock(s);
	for (size_t i = 0; i < rows.n; i++) {
		if (rows.v[i].state == SST_ENTRY_USABLE)
			sst_keep_row(s, &rows.v[i]);
	}
	sst_events_add(events, SST_STORE_KEPT, path, why);
	sst_rows_done(&rows);
}
