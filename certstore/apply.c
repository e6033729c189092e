/* SPDX-License-Identifier: ISC */
#include "apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"

/* One transaction on one source. */
struct work {
	struct sst_store	*s;
	struct sst_events	*events;
	struct sst_error	*err;
	struct sst_rows		 old;		/* of the source */
	char			*done;		/* what becomes of old[i] */
	int64_t			*gone;		/* rows whose pins go after the commit */
	size_t			 n_gone;
	const char		*folders;	/* lines: what was listed */
	const char		*leafless;	/* lines: files without a leaf */
	int64_t			 source;
	enum sst_source_kind	 kind;
	int			 keep;
	int			 changed;	/* a new generation is due */
	int			 touched;	/* something must be written */
};

enum { OLD_OPEN, OLD_STAYS, OLD_GOES };

static int
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
row_text(const struct sst_row *row, char *out, size_t size)
{
	const char *name = row->names == NULL ? "" : row->names;

	(void)snprintf(out, size, "%s %.*s", row->key_type == NULL ? "" :
	    row->key_type, (int)strcspn(name, "\n"), name);
}

static void
tell(struct work *w, enum sst_store_event_kind kind, const struct sst_row *row,
    const char *why)
{
	char text[300];

	row_text(row, text, sizeof(text));
	sst_events_add(w->events, kind, row->path, why != NULL ? why : text);
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
old_replaced(struct work *w, const struct sst_row *row)
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
unchanged(struct work *w, const struct sst_row *row)
{
	for (size_t i = 0; i < w->old.n; i++) {
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

/* Drops a row; its pin and its place in the cache go after the commit. */
static int
row_drop(struct work *w, int64_t id)
{
	int64_t *grown;

	grown = reallocarray(w->gone, w->n_gone + 1, sizeof(*grown));
	if (grown == NULL)
		return sst_fail(w->err, SST_E_NOMEM, "out of memory");
	w->gone = grown;
	w->gone[w->n_gone++] = id;
	return sst_index_drop(w->s->index, id, w->err);
}

/* A pair set by bytes takes the place of one with the same names and key type
 * that was set by bytes too; it then stands where that one stood. */
static int
bytes_replace(struct work *w, struct sst_row *row, int *replaced)
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
		rc = row_drop(w, o->id);
		if (rc == SST_OK)
			rc = sst_index_source_drop(w->s->index, o->source, w->err);
		*replaced = 1;
	}
	sst_rows_done(&same);
	return rc;
}

static int
usable_put(struct work *w, struct sst_found *f)
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
		rc = bytes_replace(w, &f->row, &replaced);
	if (rc == SST_OK)
		rc = sst_index_put(w->s->index, &f->row, w->err);
	w->changed = w->touched = 1;
	tell(w, old != NULL || replaced ? SST_STORE_RENEWED : SST_STORE_ADDED, &f->row,
	    NULL);
	return rc;
}

/* A chain without its key. The pair that served before goes on. */
static int
staged_put(struct work *w, struct sst_found *f)
{
	if (unchanged(w, &f->row))
		return SST_OK;
	f->row.source = w->source;
	f->row.set_order = w->source;
	w->changed = w->touched = 1;
	return sst_index_put(w->s->index, &f->row, w->err);
}

static int
refused_put(struct work *w, struct sst_found *f)
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
	tell(w, kept ? SST_STORE_KEPT : SST_STORE_REFUSED, &f->row, f->row.why);
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
waits_for(const struct work *w, const struct sst_row *row)
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
old_finish(struct work *w, int complete)
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
				tell(w, SST_STORE_KEPT, o, why);
				continue;
			}
			tell(w, SST_STORE_REMOVED, o, NULL);
		}
		if (o->state != SST_ENTRY_REFUSED)
			w->changed = 1;
		w->touched = 1;
		rc = row_drop(w, o->id);
	}
	return rc;
}

/* What is only in memory stays there; the rest waits in the cache. */
static void
found_settle_locked(struct work *w, struct sst_found *f)
{
	if (f->row.id == 0)
		return;		/* unchanged: nothing was written */
	if (f->row.state == SST_ENTRY_STAGED && f->row.load == NULL) {
		sst_pin_add_locked(w->s, f->row.id, NULL, f->certs);
		f->certs = NULL;
	} else if (f->row.state == SST_ENTRY_USABLE &&
	    (f->row.load == NULL || f->row.load_key == NULL)) {
		sst_pin_add_locked(w->s, f->row.id, f->identity, NULL);
	} else if (f->row.state == SST_ENTRY_USABLE) {
		sst_kept_put(w->s->cache, f->row.id, f->identity);
	}
}

/* Ends the transaction: all of it, or nothing. */
static int
finish(struct work *w, int rc, struct sst_found *found, size_t n)
{
	uint64_t generation = 0;

	if (rc == SST_OK && w->touched)
		rc = sst_pin_room_locked(w->s, n, w->err);
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
		found_settle_locked(w, &found[i]);
	atomic_store(&w->s->generation, generation);
	return SST_OK;
}

static void
work_done(struct work *w)
{
	sst_rows_done(&w->old);
	free(w->done);
	free(w->gone);
}

/*
 * What goes on although its files are bad is held in memory from now on: the
 * cache could not read it again. Files are read here, so no lock is held.
 */
static void
kept_pin(struct sst_store *s, const struct sst_row *row)
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
	struct work w = { .s = s, .events = events, .err = err, .kind = kind,
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
	}
	for (size_t i = 0; rc == SST_OK && i < scan->n; i++) {
		if (scan->v[i].row.state == SST_ENTRY_REFUSED)
			rc = refused_put(&w, &scan->v[i]);
	}
	if (rc == SST_OK)
		rc = old_finish(&w, complete);
	rc = finish(&w, rc, scan->v, scan->n);
	sst_store_unlock(s);
	for (size_t i = 0; rc == SST_OK && keep && i < w.old.n; i++) {
		if (w.done[i] == OLD_STAYS && w.old.v[i].state == SST_ENTRY_USABLE &&
		    is_kept(&w.old.v[i], scan))
			kept_pin(s, &w.old.v[i]);
	}
	work_done(&w);
	return rc;
}

int
sst_apply_pair(struct sst_store *s, const struct sst_row *staged,
    struct sst_found *f, const char *key_path, struct sst_events *events,
    struct sst_error *err)
{
	struct work w = { .s = s, .events = events, .err = err,
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
		rc = row_drop(&w, o->id);
	}
	if (rc == SST_OK && w.kind == SST_SOURCE_BYTES)
		rc = bytes_replace(&w, &f->row, &replaced);
	if (rc == SST_OK)
		rc = sst_index_put(s->index, &f->row, err);
	if (rc == SST_OK)
		tell(&w, replaced ? SST_STORE_RENEWED : SST_STORE_ADDED, &f->row, NULL);
	rc = finish(&w, rc, f, 1);
	sst_store_unlock(s);
	work_done(&w);
	return rc;
}

static int
source_drop(struct work *w, const char *path)
{
	enum sst_source_kind kind;
	int64_t id;
	int rc;

	rc = sst_index_source_get(w->s->index, path, &id, &kind, w->err);
	if (rc != 1)
		return rc;
	w->touched = w->changed = 1;
	w->source = id;
	rc = sst_index_find(w->s->index, SST_FIND_SOURCE, &id, sizeof(id), &w->old,
	    w->err);
	return rc;
}

/* sst_index_sources(): there is one. */
static int
source_seen(void *arg, int64_t id, enum sst_source_kind kind, const char *path)
{
	struct work *w = arg;

	(void)id;
	(void)kind;
	(void)path;
	w->touched = w->changed = 1;
	return SST_OK;
}

int
sst_apply_remove(struct sst_store *s, enum sst_find by, const void *key, size_t len,
    const char *what, struct sst_error *err)
{
	struct sst_events events = { 0 };
	struct work w = { .s = s, .events = &events, .err = err };
	char shown[400];
	int rc;

	sst_store_lock(s);
	rc = sst_index_begin(s->index, err);
	if (rc < 0) {
		sst_store_unlock(s);
		return rc;
	}
	if (by == SST_FIND_PATH)
		rc = source_drop(&w, what);
	else if (by == SST_FIND_ALL)
		rc = sst_index_sources(s->index, source_seen, &w, err);
	if (rc == SST_OK && w.old.n == 0)
		rc = sst_index_find(s->index, by, key, len, &w.old, err);
	for (size_t i = 0; rc == SST_OK && i < w.old.n; i++) {
		w.touched = w.changed = 1;
		rc = row_drop(&w, w.old.v[i].id);
		if (rc == SST_OK)
			rc = sst_index_source_drop(s->index, w.old.v[i].source, err);
		if (w.old.v[i].state != SST_ENTRY_REFUSED)
			tell(&w, SST_STORE_REMOVED, &w.old.v[i], NULL);
	}
	if (rc == SST_OK && (w.source != 0 || by == SST_FIND_ALL))
		rc = sst_index_source_drop(s->index, w.source, err);
	if (rc == SST_OK && !w.touched) {
		(void)sst_escape(shown, sizeof(shown), what, strlen(what));
		rc = sst_fail(err, SST_E_NOT_FOUND, "nothing in the store is %s", shown);
	}
	rc = finish(&w, rc, NULL, 0);
	sst_store_unlock(s);
	if (rc == SST_OK)
		sst_events_tell(s, &events);
	else
		sst_events_forget(&events);
	work_done(&w);
	return rc;
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
			kept_pin(s, &rows.v[i]);
	}
	sst_events_add(events, SST_STORE_KEPT, path, why);
	sst_rows_done(&rows);
}

int
sst_hex_digest(const char *text, uint8_t out[32])
{
	unsigned int byte;

	if (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64)
		return 0;
	for (size_t i = 0; i < 32; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return 0;
		out[i] = (uint8_t)byte;
	}
	return 1;
}
