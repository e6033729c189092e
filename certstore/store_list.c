/* SPDX-License-Identifier: ISC */
/*
 * store_list - what is in a store: listed a page at a time, counted without a look at
 * any row (store.h).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fail.h"
#include "challenge.h"
#include "index_gen.h"
#include "name.h"
#include "store.h"

int
sst_store_staged(struct sst_store *s, char *buf, size_t size)
{
	struct sst_rows rows = { 0 };
	int found = 0;

	sst_store_lock(s);
	(void)sst_index_find(s->index, SST_FIND_STAGED, NULL, 0, &rows, NULL);
	sst_store_unlock(s);
	if (rows.n > 0) {
		(void)snprintf(buf, size, "%s", rows.v[0].path);
		found = 1;
	}
	sst_rows_done(&rows);
	return found;
}

/* Cuts a list of lines into pointers; the text is changed. */
static char **
lines_split(char *lines, size_t *ret_n)
{
	size_t n = 0;
	char **v;

	for (const char *p = lines; p != NULL && *p != '\0'; p++)
		n += *p == '\n';
	v = calloc(n + 1, sizeof(*v));
	if (v == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		v[i] = strsep(&lines, "\n");
		if (strncmp(v[i], SST_CHALLENGE_PREFIX, 5) == 0)
			v[i] += 5;
		if (strncmp(v[i], "ip:", 3) == 0)
			v[i] += 3;
	}
	*ret_n = n;
	return v;
}

static int
entry_show(struct sst_store *s, struct sst_row *row, int (*each)(void *, const struct sst_entry *),
    void *arg, struct sst_error *err)
{
	struct sst_entry e = { .state = (enum sst_entry_state)row->state,
	    .source = row->path, .key_source = row->key_path, .why = row->why,
	    .key_type = row->key_type, .issuer = row->issuer,
	    .not_before = row->not_before, .not_after = row->not_after,
	    .generation = row->generation + atomic_load(&s->offset) };
	char **names = NULL, **warnings = NULL;
	int rc;

	names = lines_split(row->names, &e.n_names);
	warnings = lines_split(row->warnings, &e.n_warnings);
	if (names == NULL || warnings == NULL) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	e.names = (const char *const *)names;
	e.warnings = (const char *const *)warnings;
	memcpy(e.digest, row->digest, sizeof(e.digest));
	rc = each(arg, &e);
out:
	free(names);
	free(warnings);
	return rc;
}

static int
rows_each(struct sst_store *s, int (*each)(void *arg, struct sst_row *), void *arg,
    struct sst_error *err)
{
	struct sst_index_spot spot = { 0 };
	struct sst_rows rows = { 0 };
	int rc = SST_OK, more = 1;

	while (rc == SST_OK && more) {
		sst_store_lock(s);
		rc = sst_index_page(s->index, &spot, SST_INDEX_PAGE, &rows, err);
		sst_store_unlock(s);
		more = rows.n == SST_INDEX_PAGE;
		for (size_t i = 0; rc == SST_OK && i < rows.n; i++)
			rc = each(arg, &rows.v[i]);
		sst_rows_done(&rows);
	}
	sst_index_spot_done(&spot);
	return rc;
}

/* Shows rows as entries. */
struct showing {
	struct sst_store *s;
	int		(*each)(void *, const struct sst_entry *);
	void		 *arg;
	struct sst_error *err;
};

static int
row_show(void *arg, struct sst_row *row)
{
	const struct showing *w = arg;

	return entry_show(w->s, row, w->each, w->arg, w->err);
}

int
sst_store_each(struct sst_store *s, int (*each)(void *arg, const struct sst_entry *),
    void *arg, struct sst_error *err)
{
	struct showing w = { s, each, arg, err };

	return rows_each(s, row_show, &w, err);
}

int
sst_store_expiring(struct sst_store *s, time_t before,
    int (*each)(void *arg, const struct sst_entry *), void *arg, struct sst_error *err)
{
	struct sst_index_spot spot = { 0 };
	struct sst_rows rows = { 0 };
	int rc = SST_OK, more = 1;

	while (rc == SST_OK && more) {
		sst_store_lock(s);
		rc = sst_index_expiring(s->index, before, &spot, SST_INDEX_PAGE, &rows, err);
		sst_store_unlock(s);
		more = rows.n == SST_INDEX_PAGE;
		for (size_t i = 0; rc == SST_OK && i < rows.n; i++)
			rc = entry_show(s, &rows.v[i], each, arg, err);
		sst_rows_done(&rows);
	}
	sst_index_spot_done(&spot);
	return rc;
}

/* As the index has it: an address with "ip:" before it. */
static int
name_key(const char *name, char out[SST_NAME_SIZE + 4], struct sst_error *err)
{
	char folded[SST_NAME_SIZE];
	struct in6_addr a;
	int rc;

	rc = sst_name_fold(name, folded, sizeof(folded), err);
	if (rc < 0)
		return rc;
	(void)snprintf(out, SST_NAME_SIZE + 4, "%s%s",
	    inet_pton(AF_INET, folded, &a) == 1 || inet_pton(AF_INET6, folded, &a) == 1 ?
	    "ip:" : "", folded);
	return SST_OK;
}

/* The rows that a look-up found, with all their texts. */
static int
found_rows(struct sst_store *s, const char *key, struct sst_rows *out,
    struct sst_error *err)
{
	struct sst_rows hits = { 0 };
	char wild[SST_NAME_SIZE] = "";
	int rc;

	(void)sst_name_wild(key, wild);
	sst_store_lock(s);
	rc = sst_index_lookup(s->index, key, wild[0] == '\0' ? NULL : wild, &hits, err);
	for (size_t i = 0; rc == SST_OK && i < hits.n; i++) {
		struct sst_rows same = { 0 };

		rc = sst_index_find(s->index, SST_FIND_DIGEST, hits.v[i].digest, 32, &same,
		    err);
		for (size_t k = 0; rc == SST_OK && k < same.n; k++)
			if (same.v[k].id == hits.v[i].id &&
			    sst_rows_move(out, &same.v[k]) < 0)
				rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		sst_rows_done(&same);
	}
	sst_store_unlock(s);
	sst_rows_done(&hits);
	return rc;
}

int
sst_store_find(struct sst_store *s, const char *name,
    int (*each)(void *arg, const struct sst_entry *), void *arg, struct sst_error *err)
{
	char key[SST_NAME_SIZE + 4];
	struct sst_rows rows = { 0 };
	int rc;

	rc = name_key(name, key, err);
	if (rc == SST_OK)
		rc = found_rows(s, key, &rows, err);
	for (size_t i = 0; rc == SST_OK && i < rows.n; i++)
		rc = entry_show(s, &rows.v[i], each, arg, err);
	sst_rows_done(&rows);
	return rc;
}

/* How far those are that are being read. */
static void
reading_sum_locked(const struct sst_store *s, struct sst_store_figures *f)
{
	int64_t first = 0;

	for (const struct sst_reading *r = s->reading; r != NULL; r = r->next) {
		f->reading += r->names;
		f->read += atomic_load(&r->read);
		if (first == 0 || r->since_ms < first) {
			first = r->since_ms;
			f->reading_since = r->since;
		}
	}
	if (first != 0)
		f->reading_ms = (uint64_t)(sst_clock_ms() - first);
}

int
sst_store_figures(struct sst_store *s, time_t now, struct sst_store_figures *ret,
    struct sst_error *err)
{
	struct sst_store_figures f = { .usable = 0 };
	struct sst_index_figures of = { 0 };
	struct sst_kept_figures kept;
	int rc;

	sst_store_lock(s);
	rc = sst_index_figures(s->index, now, &of, err);
	f.index_kept = sst_index_is_kept(s->index);
	f.index_writer = f.index_kept && sst_gen_is_writer(s->gen);
	reading_sum_locked(s, &f);
	sst_store_unlock(s);
	if (rc < 0)
		return rc;
	f.usable = of.usable;
	f.staged = of.staged;
	f.refused = of.refused;
	f.expired = of.expired;
	f.names = of.names;
	f.earliest = of.earliest;
	f.index_bytes = of.bytes;
	sst_kept_figures(s->cache, &kept);
	f.cache_bytes = kept.bytes;
	f.cache_hits = kept.hits;
	f.cache_misses = atomic_load(&s->misses);
	f.generation = sst_store_generation(s);
	f.warm = atomic_load(&s->warm);
	*ret = f;
	return SST_OK;
}

int
sst_store_is_warm(const struct sst_store *s)
{
	return atomic_load(&s->warm);
}
