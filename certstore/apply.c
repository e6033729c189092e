/* SPDX-License-Identifier: ISC */
/*
 * apply - a source, or folders of it, hold exactly this now; a chain whose key came
 * (apply.h, apply_work.h).
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "apply_work.h"

/* One piece: against the rows of its folder, or (no folder) of the whole source. */
static int
piece_locked(struct sst_work *w, struct sst_piece *piece)
{
	int rc;

	sst_rows_done(&w->old);
	rc = piece->folder == NULL ?
	    sst_index_find(w->s->index, SST_FIND_SOURCE, &w->source, sizeof(w->source),
	    &w->old, w->err) :
	    sst_index_folder(w->s->index, w->source, piece->folder, piece->flat,
	    &w->old, w->err);
	return rc < 0 ? rc : sst_piece_put_locked(w, &piece->scan);
}

static int
pieces_apply(struct sst_work *w, const char *path, struct sst_piece *piece, size_t n)
{
	struct sst_store *s = w->s;
	enum sst_source_kind was;
	int rc;

	sst_store_lock(s);
	rc = sst_index_begin(s->index, w->err);
	if (rc < 0) {
		sst_store_unlock(s);
		return rc;
	}
	rc = sst_index_source_get(s->index, path, &w->source, &was, w->err);
	if (rc == 0) {
		w->touched = w->changed = 1;
		rc = sst_index_source_set(s->index, path, w->kind, &w->source, w->err);
	}
	for (size_t i = 0; rc >= 0 && i < n; i++)
		rc = piece_locked(w, &piece[i]);
	rc = sst_work_finish_locked(w, rc < 0 ? rc : SST_OK, piece, n);
	sst_store_unlock(s);
	for (size_t i = 0; rc == SST_OK && i < w->kept.n; i++)
		sst_keep_row(s, &w->kept.v[i]);
	sst_work_done(w);
	return rc;
}

int
sst_apply(struct sst_store *s, const char *path, enum sst_source_kind kind,
    struct sst_scan *scan, int keep, struct sst_events *events, struct sst_error *err)
{
	struct sst_work w = { .s = s, .events = events, .err = err, .kind = kind,
	    .keep = keep };
	struct sst_piece piece = { .scan = *scan };
	int rc = pieces_apply(&w, path, &piece, 1);

	*scan = piece.scan;
	return rc;
}

int
sst_apply_folders(struct sst_store *s, const char *path, struct sst_piece *piece,
    size_t n, int keep, struct sst_events *events, struct sst_error *err)
{
	struct sst_work w = { .s = s, .events = events, .err = err,
	    .kind = SST_SOURCE_DIR, .keep = keep };

	return pieces_apply(&w, path, piece, n);
}

int
sst_apply_pair(struct sst_store *s, const struct sst_row *staged,
    struct sst_found *f, const char *key_path, struct sst_events *events,
    struct sst_error *err)
{
	struct sst_work w = { .s = s, .events = events, .err = err,
	    .source = staged->source, .touched = 1, .changed = 1 };
	struct sst_piece piece = { .scan = { .v = f, .n = 1 } };
	int replaced = 0, rc;

	if (sst_text_set(&f->row.path, staged->path) < 0 ||
	    sst_text_set(&f->row.load, staged->load) < 0 ||
	    sst_text_set(&f->row.key_path, key_path) < 0 ||
	    sst_text_set(&f->row.load_key, key_path) < 0)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	f->row.source = staged->source;
	f->row.set_order = staged->set_order;
	w.kind = staged->load == NULL ? SST_SOURCE_BYTES : SST_SOURCE_FILE;
	sst_store_lock(s);
	rc = sst_index_begin(s->index, err);
	if (rc < 0) {
		sst_store_unlock(s);
		return rc;
	}
	rc = sst_index_find(s->index, SST_FIND_SOURCE, &w.source, sizeof(w.source),
	    &w.old, err);
	for (size_t i = 0; rc == SST_OK && i < w.old.n; i++) {
		const struct sst_row *o = &w.old.v[i];

		/* the staged row, and the pair that it renews */
		if (o->id != staged->id && (o->state != SST_ENTRY_USABLE ||
		    o->kind != f->row.kind || o->generation >= staged->generation))
			continue;
		replaced |= o->state == SST_ENTRY_USABLE;
		rc = sst_work_drop_locked(&w, o->id);
	}
	if (rc == SST_OK && w.kind == SST_SOURCE_BYTES)
		rc = sst_work_bytes_locked(&w, &f->row, &replaced);
	if (rc == SST_OK)
		rc = sst_index_put(s->index, &f->row, err);
	if (rc == SST_OK)
		sst_work_tell(&w, replaced ? SST_STORE_RENEWED : SST_STORE_ADDED, &f->row, NULL);
	rc = sst_work_finish_locked(&w, rc, &piece, 1);
	sst_store_unlock(s);
	sst_work_done(&w);
	return rc;
}
