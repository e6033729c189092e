/* SPDX-License-Identifier: ISC */
/*
 * apply_piece - what was read against what was there: unchanged, renewed, added, kept
 * or removed (apply.h, apply_work.h).
 *
 * Rows of one place are found by bisection: a directory may have many.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "apply_work.h"

enum {
	OLD_OPEN,
	OLD_SAME,	/* it is what was read */
	OLD_KEPT,	/* it goes on, though its files do not say so */
	OLD_GOES
};

struct lines {
	const char	**v;
	size_t		 n;
};

struct piece {
	struct sst_work	*w;
	const struct sst_scan *scan;
	struct sst_rows	*old;
	char		*done;		/* what becomes of old->v[i] */
	struct sst_row	**place, **key;	/* of old: by place, by path of the key */
	size_t		 n_key;
	struct lines	 folders, leafless;
};

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

/* The same place (0): one path, or cert.pem and fullchain.pem of one folder, which
 * sorts as its name with the slash. */
static int
place_cmp(const char *a, const char *b)
{
	size_t n = lineage(a), m = lineage(b);
	int d;

	n = n > 0 ? n : strlen(a);
	m = m > 0 ? m : strlen(b);
	d = memcmp(a, b, n < m ? n : m);
	return d != 0 ? d : (n > m) - (n < m);
}

/* Equal ones in the order in which they were stored. */
static int
row_place_cmp(const void *a, const void *b)
{
	const struct sst_row *l = *(struct sst_row *const *)a;
	const struct sst_row *r = *(struct sst_row *const *)b;
	int d = place_cmp(l->path, r->path);

	return d != 0 ? d : (l->id > r->id) - (l->id < r->id);
}

static int
row_key_cmp(const void *a, const void *b)
{
	return strcmp((*(struct sst_row *const *)a)->key_path,
	    (*(struct sst_row *const *)b)->key_path);
}

/* The first of the sorted rows that `cmp` does not put before `path`. */
static size_t
first_at(struct sst_row *const *v, size_t n, const char *path,
    int (*cmp)(const struct sst_row *, const char *))
{
	size_t low = 0, high = n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (cmp(v[mid], path) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int
at_place(const struct sst_row *row, const char *path)
{
	return place_cmp(row->path, path);
}

static int
at_key(const struct sst_row *row, const char *path)
{
	return strcmp(row->key_path, path);
}

static char *
done_of(const struct piece *p, const struct sst_row *row)
{
	return &p->done[row - p->old->v];
}

/* An old row of the same place that the new one replaces, or NULL. */
static struct sst_row *
old_replaced(struct piece *p, const struct sst_row *row)
{
	struct sst_row *hit = NULL;

	for (size_t i = first_at(p->place, p->old->n, row->path, at_place);
	    i < p->old->n && at_place(p->place[i], row->path) == 0; i++) {
		struct sst_row *o = p->place[i];

		if (*done_of(p, o) != OLD_OPEN || o->state != SST_ENTRY_USABLE)
			continue;
		if (hit == NULL || o->kind == row->kind)
			hit = o;
	}
	if (hit != NULL)
		*done_of(p, hit) = OLD_GOES;
	return hit;
}

/* Whether an old row says the very same. It then stays. */
static int
unchanged(struct piece *p, const struct sst_row *row)
{
	const int doubt = atomic_load(&p->w->s->doubt);

	for (size_t i = first_at(p->place, p->old->n, row->path, at_place);
	    i < p->old->n && at_place(p->place[i], row->path) == 0 && !doubt; i++) {
		const struct sst_row *o = p->place[i];

		if (*done_of(p, o) == OLD_OPEN && o->state == row->state &&
		    memcmp(o->content, row->content, 32) == 0 &&
		    memcmp(o->digest, row->digest, 32) == 0 &&
		    strcmp(o->path, row->path) == 0 &&
		    same_text(o->key_path, row->key_path) &&
		    same_text(o->load, row->load) &&
		    same_text(o->load_key, row->load_key) &&
		    same_text(o->why, row->why) &&
		    o->is_default == row->is_default) {
			*done_of(p, o) = OLD_SAME;
			return 1;
		}
	}
	return 0;
}

static int
usable_put(struct piece *p, struct sst_found *f)
{
	struct sst_work *w = p->w;
	const struct sst_row *old;
	int replaced = 0, rc = SST_OK;

	f->row.source = w->source;
	if (w->kind != SST_SOURCE_DIR)
		f->row.set_order = w->source;
	old = old_replaced(p, &f->row);
	if (old != NULL)
		f->row.set_order = old->set_order;
	if (w->kind == SST_SOURCE_BYTES)
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
staged_put(struct piece *p, struct sst_found *f)
{
	struct sst_work *w = p->w;

	f->row.source = w->source;
	f->row.set_order = w->source;
	w->changed = w->touched = 1;
	return sst_index_put(w->s->index, &f->row, w->err);
}

/* It takes nobody's place, and is never the default. */
static int
challenge_put(struct piece *p, struct sst_found *f)
{
	struct sst_work *w = p->w;

	f->row.source = w->source;
	w->changed = w->touched = 1;
	sst_work_tell(w, SST_STORE_ADDED, &f->row, NULL);
	return sst_index_put(w->s->index, &f->row, w->err);
}

/* Keeps `o` unless its place was taken. Returns whether it goes on. */
static int
old_keep(struct piece *p, const struct sst_row *o)
{
	char *done = done_of(p, o);

	if (o->state != SST_ENTRY_USABLE || *done == OLD_GOES)
		return 0;
	if (*done == OLD_OPEN)
		*done = OLD_KEPT;
	return 1;
}

/* Whether the row is of a file directly in `folder`. */
static int
is_in(const struct sst_row *row, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(row->path, folder, len) == 0 && row->path[len] == '/' &&
	    strchr(row->path + len + 1, '/') == NULL;
}

static int
refused_put(struct piece *p, struct sst_found *f)
{
	const char *path = f->row.path;
	struct sst_work *w = p->w;
	int kept = 0;

	for (size_t i = first_at(p->place, p->old->n, path, at_place);
	    i < p->old->n && at_place(p->place[i], path) == 0; i++)
		kept |= old_keep(p, p->place[i]);
	for (size_t i = first_at(p->key, p->n_key, path, at_key);
	    i < p->n_key && at_key(p->key[i], path) == 0; i++)
		kept |= old_keep(p, p->key[i]);
	/* the rights to a folder may be lost, not what was read in it */
	for (size_t i = 0; f->folder && w->keep && i < p->old->n; i++)
		if (is_in(&p->old->v[i], path))
			kept |= old_keep(p, &p->old->v[i]);
	if (unchanged(p, &f->row))
		return SST_OK;
	f->row.source = w->source;
	w->touched = 1;
	sst_work_tell(w, kept ? SST_STORE_KEPT : SST_STORE_REFUSED, &f->row, f->row.why);
	return sst_index_put(w->s->index, &f->row, w->err);
}

static int
line_cmp(const void *a, const void *b)
{
	const char *l = *(const char *const *)a, *r = *(const char *const *)b;
	size_t n = strcspn(l, "\n"), m = strcspn(r, "\n");
	int d = memcmp(l, r, n < m ? n : m);

	return d != 0 ? d : (n > m) - (n < m);
}

static int
lines_sort(struct lines *l, const char *text)
{
	size_t n = 0;

	for (const char *at = text; at != NULL && *at != '\0'; at++)
		n += *at == '\n';
	l->v = calloc(n + 1, sizeof(*l->v));
	if (l->v == NULL)
		return SST_E_NOMEM;
	for (const char *at = text; l->n < n; at += strcspn(at, "\n") + 1)
		l->v[l->n++] = at;
	qsort(l->v, l->n, sizeof(*l->v), line_cmp);
	return SST_OK;
}

/* `text` ends where a line would: at "\n" or at its end. */
static int
has_line(const struct lines *l, const char *text)
{
	return bsearch(&text, l->v, l->n, sizeof(*l->v), line_cmp) != NULL;
}

/*
 * Why the identity of an entry that the scan does not mention waits for a new
 * one; NULL: it was taken away. The links in a certbot folder are taken away and
 * made again one by one; a file that is there and holds no certificate is being
 * written, or was written badly.
 */
static const char *
waits_for(const struct piece *p, const struct sst_row *row)
{
	size_t folder = lineage(row->path);
	char *dir;
	int listed;

	if (has_line(&p->leafless, row->path))
		return "the file holds no certificate any more";
	if (folder == 0)
		return NULL;
	dir = strndup(row->path, folder - 1);
	listed = dir == NULL || has_line(&p->folders, dir);
	free(dir);
	return listed ? "its files are being replaced" : NULL;
}

/* What the new state does not mention goes. */
static int
old_finish(struct piece *p, int complete)
{
	struct sst_work *w = p->w;
	const char *why;
	int rc = SST_OK;

	for (size_t i = 0; rc == SST_OK && i < p->old->n; i++) {
		struct sst_row *o = &p->old->v[i];

		if (p->done[i] == OLD_SAME || p->done[i] == OLD_KEPT)
			continue;
		if (p->done[i] == OLD_OPEN && o->state == SST_ENTRY_USABLE) {
			if (!complete)	/* a chain waits for its key meanwhile */
				continue;
			why = w->keep ? waits_for(p, o) : NULL;
			if (why != NULL) {
				p->done[i] = OLD_KEPT;
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

static int
piece_sort(struct piece *p)
{
	size_t n = p->old->n;

	p->done = calloc(n + 1, 1);
	p->place = calloc(n + 1, sizeof(struct sst_row *));
	p->key = calloc(n + 1, sizeof(struct sst_row *));
	if (p->done == NULL || p->place == NULL || p->key == NULL ||
	    lines_sort(&p->folders, p->scan->folders) < 0 ||
	    lines_sort(&p->leafless, p->scan->leafless) < 0)
		return SST_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		p->place[i] = &p->old->v[i];
		if (p->old->v[i].key_path != NULL)
			p->key[p->n_key++] = &p->old->v[i];
	}
	qsort(p->place, n, sizeof(struct sst_row *), row_place_cmp);
	qsort(p->key, p->n_key, sizeof(struct sst_row *), row_key_cmp);
	return SST_OK;
}

/* Refused entries come last: they keep what nothing took the place of. */
static int
founds_put(struct piece *p, struct sst_scan *scan, const char *same)
{
	int rc = SST_OK;

	for (size_t i = 0; rc == SST_OK && i < scan->n; i++) {
		if (scan->v[i].row.state == SST_ENTRY_STAGED && !same[i])
			rc = staged_put(p, &scan->v[i]);
		else if (scan->v[i].row.state == SST_ENTRY_USABLE && !same[i])
			rc = usable_put(p, &scan->v[i]);
		else if (scan->v[i].row.state == SST_ENTRY_CHALLENGE && !same[i])
			rc = challenge_put(p, &scan->v[i]);
	}
	for (size_t i = 0; rc == SST_OK && i < scan->n; i++) {
		if (scan->v[i].row.state == SST_ENTRY_REFUSED)
			rc = refused_put(p, &scan->v[i]);
	}
	return rc;
}

/* Its files say what they said: the cache can read it again. */
static void
unhold_locked(struct sst_store *s, const struct sst_row *row)
{
	if (row->state == SST_ENTRY_USABLE && row->load != NULL && row->load_key != NULL)
		sst_pin_drop_locked(s, row->id);
}

int
sst_piece_put_locked(struct sst_work *w, struct sst_scan *scan)
{
	struct piece p = { .w = w, .scan = scan, .old = &w->old };
	char *same = calloc(scan->n + 1, 1);
	int rc, complete = 1;

	rc = same == NULL ? SST_E_NOMEM : piece_sort(&p);
	if (rc < 0)
		(void)sst_fail(w->err, rc, "out of memory");
	/* what did not change first: it must not be taken for replaced */
	for (size_t i = 0; rc == SST_OK && i < scan->n; i++) {
		complete &= scan->v[i].row.state != SST_ENTRY_STAGED;
		same[i] = scan->v[i].row.state != SST_ENTRY_REFUSED &&
		    unchanged(&p, &scan->v[i].row);
	}
	if (rc == SST_OK)
		rc = founds_put(&p, scan, same);
	if (rc == SST_OK)
		rc = old_finish(&p, complete);
	for (size_t i = 0; rc == SST_OK && i < w->old.n; i++)
		if (p.done[i] == OLD_SAME)
			unhold_locked(w->s, &w->old.v[i]);
	for (size_t i = 0; rc == SST_OK && w->keep && i < w->old.n; i++)
		if (p.done[i] == OLD_KEPT && sst_rows_move(&w->kept, &w->old.v[i]) < 0)
			rc = sst_fail(w->err, SST_E_NOMEM, "out of memory");
	free(same);
	free(p.done);
	free(p.place);
	free(p.key);
	free(p.folders.v);
	free(p.leafless.v);
	return rc;
}
