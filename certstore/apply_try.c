/* SPDX-License-Identifier: ISC */
/*
 * apply_try - what is to be served is tried first (apply.h).
 *
 * The rows are asked under the lock, the trial is made without: a handshake takes
 * its time, and may ask the store itself.
 */
#include <string.h>

#include "base/fail.h"
#include "apply.h"
#include "name.h"

/* Whether one of the usable rows is the very same (then it serves already), or any
 * is another. */
static void
rows_judge(const struct sst_rows *rows, const struct sst_row *row, int *same, int *other)
{
	for (size_t i = 0; i < rows->n; i++) {
		if (rows->v[i].state != SST_ENTRY_USABLE)
			continue;
		if (memcmp(rows->v[i].content, row->content, 32) == 0)
			*same = 1;
		else
			*other = 1;
	}
}

/* What serves one of the names, exactly or by a wildcard. */
static int
name_rows_locked(struct sst_store *s, const char *line, size_t len,
    struct sst_rows *rows, struct sst_error *err)
{
	char name[SST_NAME_SIZE], wild[SST_NAME_SIZE] = "";

	if (len >= sizeof(name))
		return SST_OK;
	memcpy(name, line, len);
	name[len] = '\0';
	if (name[0] != '*' && strncmp(name, "ip:", 3) != 0)
		(void)sst_name_wild(name, wild);
	return sst_index_lookup(s->index, name, wild[0] == '\0' ? NULL : wild, rows,
	    err);
}

/* What serves now where this one would: nobody, itself, or another that gives way. */
enum place { NOBODY, ITSELF, ANOTHER };

static int
place_of(struct sst_store *s, const struct sst_row *row, enum place *ret,
    struct sst_error *err)
{
	struct sst_rows rows = { 0 };
	int same = 0, other = 0, rc;
	const char *line;
	size_t len;

	sst_store_lock(s);
	rc = sst_index_find(s->index, SST_FIND_PATH, row->path, strlen(row->path), &rows,
	    err);
	for (size_t i = 0; rc == SST_OK && !same && row->names != NULL &&
	    (line = sst_line(row->names, i, &len)) != NULL; i++) {
		rows_judge(&rows, row, &same, &other);
		sst_rows_done(&rows);
		rc = name_rows_locked(s, line, len, &rows, err);
	}
	sst_store_unlock(s);
	rows_judge(&rows, row, &same, &other);
	sst_rows_done(&rows);
	*ret = same ? ITSELF : other ? ANOTHER : NOBODY;
	return rc;
}

static int
one_try(struct sst_store *s, const struct sst_found *f, int first, struct sst_error *err)
{
	const sst_try_fn on_try = atomic_load(&s->on_try);
	struct sst_error why = { .code = SST_OK };
	enum place place = NOBODY;
	int rc = SST_OK;

	if (on_try == NULL || f->row.state != SST_ENTRY_USABLE || f->identity == NULL)
		return SST_OK;
	if (!first)
		rc = place_of(s, &f->row, &place, err);
	if (rc < 0 || place == ITSELF)
		return rc;
	rc = on_try(atomic_load(&s->try_arg), f->identity, f->row.names == NULL ? "" :
	    f->row.names, place == ANOTHER, &why);
	if (rc >= 0)
		return rc;
	return sst_fail(err, rc, "it failed when it was tried: %s", why.text);
}

int
sst_try_found(struct sst_store *s, const struct sst_found *f, struct sst_error *err)
{
	return one_try(s, f, 0, err);
}

int
sst_try_scan(struct sst_store *s, struct sst_scan *scan, int first)
{
	struct sst_error why;
	struct sst_found *f;
	int rc, later = 0;

	for (size_t i = 0; i < scan->n; i++) {
		f = &scan->v[i];
		why = (struct sst_error){ .code = SST_OK };
		rc = one_try(s, f, first, &why);
		later |= rc == 1;
		if (rc >= 0)
			continue;
		f->row.state = SST_ENTRY_REFUSED;
		f->code = why.code;
		f->sys_errno = why.sys_errno;
		sst_identity_unref(f->identity);
		f->identity = NULL;
		/* without a text it is refused all the same */
		(void)sst_text_set(&f->row.why, why.text);
	}
	return later;
}
