/* SPDX-License-Identifier: ISC */
/* apply_work - the steps that all changes share, and the end of one (apply_work.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "apply_work.h"

static void
row_text(const struct sst_row *row, char *out, size_t size)
{
	const char *name = row->names == NULL ? "" : row->names;

	(void)snprintf(out, size, "%s %.*s", row->key_type == NULL ? "" :
	    row->key_type, (int)strcspn(name, "\n"), name);
}

void
sst_work_tell(struct sst_work *w, enum sst_store_event_kind kind, const struct sst_row *row,
    const char *why)
{
	char text[300];

	/* rows that are written anew because one lied: nothing happened to them */
	if (atomic_load(&w->s->doubt) && kind != SST_STORE_KEPT && kind != SST_STORE_REFUSED)
		return;
	row_text(row, text, sizeof(text));
	sst_events_add_row(w->events, kind, row, why != NULL ? why : text);
}

int
sst_work_drop_locked(struct sst_work *w, int64_t id)
{
	int64_t *grown;
	size_t room;

	if (w->n_gone == w->room_gone) {
		room = w->room_gone == 0 ? 8 : w->room_gone * 2;
		grown = reallocarray(w->gone, room, sizeof(*grown));
		if (grown == NULL)
			return sst_fail(w->err, SST_E_NOMEM, "out of memory");
		w->gone = grown;
		w->room_gone = room;
	}
	w->gone[w->n_gone++] = id;
	return sst_index_drop(w->s->index, id, w->err);
}

int
sst_work_bytes_locked(struct sst_work *w, struct sst_row *row, int *replaced)
{
	struct sst_rows same = { 0 };
	int rc;

	rc = sst_index_find(w->s->index, SST_FIND_NAMES_KEY, row->names_key, 32, &same,
	    w->err);
	for (size_t i = 0; rc == SST_OK && i < same.n; i++) {
		struct sst_row *o = &same.v[i];

		if (o->source == w->source || o->kind != row->kind ||
		    strncmp(o->path, "bytes:", 6) != 0)
			continue;
		row->set_order = o->set_order;
		rc = sst_work_drop_locked(w, o->id);
		if (rc == SST_OK)
			rc = sst_index_source_drop(w->s->index, o->source, w->err);
		*replaced = 1;
	}
	sst_rows_done(&same);
	return rc;
}

/* What is only in memory stays there; the rest waits in the cache. */
static void
found_settle_locked(struct sst_work *w, struct sst_found *f)
{
	if (f->row.id == 0)
		return;		/* unchanged: nothing was written */
	if (f->row.state == SST_ENTRY_STAGED && f->row.load == NULL) {
		sst_pin_add_locked(w->s, f->row.id, NULL, f->certs);
		f->certs = NULL;
	} else if (f->identity != NULL &&
	    (f->row.load == NULL || f->row.load_key == NULL)) {
		sst_pin_add_locked(w->s, f->row.id, f->identity, NULL);
	} else if (f->identity != NULL) {
		sst_kept_put(w->s->cache, f->row.id, f->identity);
	}
}

int
sst_work_finish_locked(struct sst_work *w, int rc, struct sst_piece *piece, size_t n)
{
	uint64_t generation = 0;
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += piece[i].scan.n;
	if (rc == SST_OK && w->touched)
		rc = sst_pin_room_locked(w->s, found, w->err);
	if (rc == SST_OK && w->touched)
		rc = sst_index_commit(w->s->index, w->changed, &generation, w->err);
	if (rc < 0 || !w->touched) {
		sst_index_rollback(w->s->index);
		return rc;
	}
	for (size_t i = 0; i < w->n_gone; i++) {
		sst_pin_drop_locked(w->s, w->gone[i]);
		sst_kept_drop(w->s->cache, w->gone[i]);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < piece[i].scan.n; k++)
			found_settle_locked(w, &piece[i].scan.v[k]);
	sst_store_moved_locked(w->s, generation);
	return SST_OK;
}

void
sst_work_done(struct sst_work *w)
{
	sst_rows_done(&w->old);
	sst_rows_done(&w->kept);
	free(w->gone);
}
