/* SPDX-License-Identifier: ISC */
/*
 * apply - what was read against what was there: unchanged, renewed, added, kept or
 * removed, and a chain whose key came (apply.h, apply_work.h).
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "apply_work.h"

enum { OLD_OPEN, OLD_STAYS, OLD_GOES };

static int
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Whether `path` ends in one of certbot's two names for the same leaf. */
static size_t
lineage(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL || (strcmp(slash, "/fullchain.pem") != 0 &&
	    strcmp(slash, "/cert.pem") != 0))
		return 0;
	return (size_t)(slash - path) + 1;
}

/* The same place: one path, or cert.pem and fullchain.pem of one folder. */
static int
same_place(const char *a, const char *b)
{
	size_t n = lineage(a);

	return strcmp(a, b) == 0 ||
	    (n > 0 && n == lineage(b) && memcmp(a, b, n) == 0);
}

/* Old rows of the same place that the new one replaces. Returns one, or NULL. */
static struct sst_row *
old_replaced(struct sst_work *w, const struct sst_row *row)
{
	struct sst_row *hit = NULL;

	for (size_t i = 0; i < w->old.n; i++) {
		struct sst_row *o = &w->old.v[i];

		if (w->done[i] != OLD_OPEN || o->state != SST_ENTRY_USABLE ||
		    !same_place(o->path, row->path))
			continue;
		if (hit == NULL || o->kind == row->kind)
			hit = o;
	}
	if (hit != NULL)
		w->done[hit - w->old.v] = OLD_GOES;
	return hit;
}

/* Whether an old row says the very same. It then stays. */
static int
unchanged(struct sst_work *w, const struct sst_row *row)
{
	for (size_t i = 0; i < w->old.n && !atomic_load(&w->s->doubt); i++) {
		const struct sst_row *o = &w->old.v[i];

		if (w->done[i] == OLD_OPEN && o->state == row->state &&
		    memcmp(o->content, row->content, 32) == 0 &&
		    memcmp(o->digest, row->digest, 32) == 0 &&
		    strcmp(o->path, row->path) == 0 &&
		    same_text(o->key_path, row->key_path) &&
		    same_text(o->load, row->load) &&
		    same_text(o->load_key, row->load_key) &&
		    same_text(o->why, row->why) &&
		    o->is_default == row->is_default) {
			w->done[i] = OLD_STAYS;
			return 1;
		}
	}
	return 0;
}

static int
usable_put(struct sst_work *w, struct sst_found *f)
{
	const struct sst_row *old;
	int replaced = 0, rc = SST_OK;

	if (unchanged(w, &f->row))
		return SST_OK;
	f->row.source = w->source;
	if (w->kind != SST_SOURCE_DIR)
		f->row.set_order = w->source;
	old = old_replaced(w, &f->row);
	if (old != NULL)
		f->row.set_order = old->set_order;
	if (w->kind == SST_SOURCE_BYTES && f->row.state == SST_ENTRY_USABLE)
		rc = sst_work_bytes_locked(w, &f->row, &replaced);
	if (rc == SST_OK)
		rc = sst_index_put(w->s->index, &f->row, w->err);
	w->changed = w->touched = 1;
	sst_work_tell(w, old != NULL || replaced ? SST_STORE_RENEWED : SST_STORE_ADDED, &f->row,
	    NULL);
	return rc;
}

/* A chain without its key. The pair that served before goes on. */
static int
staged_put(struct sst_work *w, struct sst_found *f)
{
	if (unchanged(w, &f->row))
		return SST_OK;
	f->row.source = w->source;
	f->row.set_order = w->source;
	w->changed = w->touched = 1;
	return sst_index_put(w->s->index, &f->row, w->err);
}

/* It takes nobody's place, and is never the default. */
static int
challenge_put(struct sst_work *w, struct sst_found *f)
{
	if (unchanged(w, &f->row))
		return SST_OK;
	f->row.source = w->source;
	w->changed = w->touched = 1;
	sst_work_tell(w, SST_STORE_ADDED, &f->row, NULL);
	return sst_index_put(w->s->index, &f->row, w->err);
}

static int
refused_put(struct sst_work *w, struct sst_found *f)
{
	int kept = 0;

	for (size_t i = 0; i < w->old.n; i++) {
		struct sst_row *o = &w->old.v[i];

		if (o->state != SST_ENTRY_USABLE || w->done[i] == OLD_GOES ||
		    (!same_place(o->path, f->row.path) &&
		    !same_text(o->key_path, f->row.path)))
			continue;
		w->done[i] = OLD_STAYS;
		kept = 1;
	}
	if (unchanged(w, &f->row))
		return SST_OK;
	f->row.source = w->source;
	w->touched = 1;
	sst_work_tell(w, kept ? SST_STORE_KEPT : SST_STORE_REFUSED, &f->row, f->row.why);
	return sst_index_put(w->s->index, &f->row, w->err);
}

static int
has_line(const char *lines, const char *text, size_t text_len)
{
	size_t len;

	for (; lines != NULL && *lines != '\0'; lines += len + 1) {
		len = strcspn(lines, "\n");
		if (len == text_len && memcmp(lines, text, len) == 0)
			return 1;
	}
	return 0;
}

/*
 * Why the identity of an entry that the scan does not mention waits for a new
 * one; NULL: it was taken away. The links in a certbot folder are taken away and
 * made again one by one; a file that is there and holds no certificate is being
 * written, or was written badly.
 */
static const char *
waits_for(const struct sst_work *w, const struct sst_row *row)
{
	size_t folder = lineage(row->path);

	if (has_line(w->leafless, row->path, strlen(row->path)))
		return "the file holds no certificate any more";
	if (folder > 0 && has_line(w->folders, row->path, folder - 1))
		return "its files are being replaced";
	return NULL;
}

/* What the new state does not mention goes. */
static int
old_finish(struct sst_work *w, int complete)
{
	const char *why;
	int rc = SST_OK;

	for (size_t i = 0; rc == SST_OK && i < w->old.n; i++) {
		struct sst_row *o = &w->old.v[i];

		if (w->done[i] == OLD_STAYS)
			continue;
		if (w->done[i] == OLD_OPEN && o->state == SST_ENTRY_USABLE) {
			if (!complete)	/* a chain waits for its key meanwhile */
				continue;
			why = w->keep ? waits_for(w, o) : NULL;
			if (why != NULL) {
				w->done[i] = OLD_STAYS;
				sst_work_tell(w, SST_STORE_KEPT, o, why);
				continue;
			}
			sst_work_tell(w, SST_STORE_REMOVED, o, NULL);
		}
		if (o->state != SST_ENTRY_REFUSED)
			w->changed = 1;
		w->touched = 1;
		rc = sst_work_drop_locked(w, o->id);
	}
	return rc;
}

/* A row that is served while a new reading of its path was refused. */
static int
is_kept(const struct sst_row *row, const struct sst_scan *scan)
{
	for (size_t i = 0; i < scan->n; i++) {
		if (scan->v[i].row.id == 0 && scan->v[i].row.state == SST_ENTRY_USABLE &&
		    memcmp(scan->v[i].row.content, row->content, 32) == 0)
			return 0;	/* unchanged, and its files are good */
	}
	return 1;
}

int
sst_apply(struct sst_store *s, const char *path, enum sst_source_kind kind,
    struct sst_scan *scan, int keep, struct sst_events *events, struct sst_error *err)
{
	struct sst_work w = { .s = s, .events = events, .err = err, .kind = kind,
	    .keep = keep, .folders = scan->folders,
	    .leafless = scan->leafless };
	int rc, complete = 1;

	sst_store_lock(s);
	rc = sst_index_begin(s->index, err);
	if (rc < 0) {
		sst_store_unlock(s);
		return rc;
	}
	rc = sst_index_source_get(s->index, path, &w.source, &(enum sst_source_kind){ 0 },
	    err);
	if (rc == 0) {
		w.touched = w.changed = 1;
		rc = sst_index_source_set(s->index, path, kind, &w.source, err);
	}
	if (rc >= 0)
		rc = sst_index_find(s->index, SST_FIND_SOURCE, &w.source,
		    sizeof(w.source), &w.old, err);
	w.done = calloc(w.old.n + 1, 1);
	if (rc == SST_OK && w.done == NULL)
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	/* what did not change first: it must not be taken for replaced */
	for (size_t i = 0; rc == SST_OK && i < scan->n; i++)
		complete &= scan->v[i].row.state != SST_ENTRY_STAGED;
	for (size_t i = 0; rc == SST_OK && i < scan->n; i++) {
		if (scan->v[i].row.state == SST_ENTRY_STAGED)
			rc = staged_put(&w, &scan->v[i]);
		else if (scan->v[i].row.state == SST_ENTRY_USABLE)
			rc = usable_put(&w, &scan->v[i]);
		else if (scan->v[i].row.state == SST_ENTRY_CHALLENGE)
			rc = challenge_put(&w, &scan->v[i]);
	}
	for (size_t i = 0; rc == SST_OK && i < scan->n; i++) {
		if (scan->v[i].row.state == SST_ENTRY_REFUSED)
			rc = refused_put(&w, &scan->v[i]);
	}
	if (rc == SST_OK)
		rc = old_finish(&w, complete);
	rc = sst_work_finish_locked(&w, rc, scan->v, scan->n);
	sst_store_unlock(s);
	for (size_t i = 0; rc == SST_OK && keep && i < w.old.n; i++) {
		if (w.done[i] == OLD_STAYS && w.old.v[i].state == SST_ENTRY_USABLE &&
		    is_kept(&w.old.v[i], scan))
			sst_keep_row(s, &w.old.v[i]);
	}
	sst_work_done(&w);
	return rc;
}

int
sst_apply_pair(struct sst_store *s, const struct sst_row *staged,
    struct sst_found *f, const char *key_path, struct sst_events *events,
    struct sst_error *err)
{
	struct sst_work w = { .s = s, .events = events, .err = err,
	    .source = staged->source, .touched = 1, .changed = 1 };
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
	rc = sst_work_finish_locked(&w, rc, f, 1);
	sst_store_unlock(s);
	sst_work_done(&w);
	return rc;
}
