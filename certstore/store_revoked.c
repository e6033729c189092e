/* SPDX-License-Identifier: ISC */
/*
 * store_revoked - leaves that somebody found to be revoked, and those that demand a
 * staple (RFC 7633) and have none (store.h, store_leaves.h).
 *
 * The lists outlive the identities: a certificate that is taken out and set again was
 * revoked all the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "store.h"
#include "store_leaves.h"

#define MOST	65536	/* 2 MB */

/* Where it is, or would be. */
static size_t
place(const struct sst_marks *m, const uint8_t leaf[32], int *ret_there)
{
	size_t low = 0, high = m->n;
	int d;

	*ret_there = 0;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		d = memcmp(m->v[mid], leaf, 32);
		if (d == 0)
			*ret_there = 1;
		if (d == 0)
			return mid;
		if (d < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

void
sst_store_marks(struct sst_store *s, const uint8_t leaf[32], int *ret_revoked,
    int *ret_bare)
{
	sst_store_lock(s);
	(void)place(&s->revoked, leaf, ret_revoked);
	(void)place(&s->bare, leaf, ret_bare);
	sst_store_unlock(s);
}

/* What was decided before is of a generation that is over. */
static int
next_generation_locked(struct sst_store *s, struct sst_error *err)
{
	uint64_t generation = 0;
	int rc;

	/* other processes mark for themselves */
	if (sst_index_is_kept(s->index)) {
		(void)atomic_fetch_add(&s->offset, 1);
		return SST_OK;
	}
	rc = sst_index_begin(s->index, err);
	if (rc < 0)
		return rc;
	rc = sst_index_commit(s->index, 1, &generation, err);
	if (rc < 0)
		sst_index_rollback(s->index);
	else
		sst_store_moved_locked(s, generation);
	return rc;
}

static int
put_locked(struct sst_store *s, struct sst_marks *m, size_t at, const uint8_t leaf[32],
    struct sst_error *err)
{
	uint8_t (*more)[32];
	int rc;

	if (m->n >= MOST)
		return sst_fail(err, SST_E_LIMIT, "more than %d certificates are marked as "
		    "revoked, or as without a staple", MOST);
	more = realloc(m->v, (m->n + 1) * sizeof(*more));
	if (more == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	m->v = more;
	rc = next_generation_locked(s, err);
	if (rc < 0)
		return rc;
	memmove(more + at + 1, more + at, (m->n - at) * sizeof(*more));
	memcpy(more[at], leaf, 32);
	m->n++;
	return SST_OK;
}

static int
take_locked(struct sst_store *s, struct sst_marks *m, size_t at, struct sst_error *err)
{
	int rc = next_generation_locked(s, err);

	if (rc < 0)
		return rc;
	m->n--;
	memmove(m->v + at, m->v + at + 1, (m->n - at) * sizeof(*m->v));
	return SST_OK;
}

/* 1: it is another than before. */
static int
mark_locked(struct sst_store *s, struct sst_marks *m, const uint8_t leaf[32], int marked,
    struct sst_error *err)
{
	int there, rc;
	size_t at = place(m, leaf, &there);

	if (there == marked)
		return 0;
	rc = marked ? put_locked(s, m, at, leaf, err) : take_locked(s, m, at, err);
	return rc < 0 ? rc : 1;
}

/* One event for each place that the certificate came from. */
static void
events_locked(struct sst_store *s, const uint8_t leaf[32], const char *why,
    struct sst_events *events)
{
	struct sst_rows rows = { 0 };
	char text[600] = "it is served as before";

	if (why != NULL)
		(void)snprintf(text, sizeof(text), "it is served only where nothing else "
		    "is there: %.500s", why);
	if (sst_index_find(s->index, SST_FIND_DIGEST, leaf, 32, &rows, NULL) == SST_OK)
		for (size_t i = 0; i < rows.n; i++)
			sst_events_add_row(events, SST_STORE_REVOKED, &rows.v[i], text);
	sst_rows_done(&rows);
}

int
sst_store_mark_revoked(struct sst_store *s, const uint8_t leaf[32], const char *why,
    struct sst_error *err)
{
	struct sst_events events = { 0 };
	int rc;

	sst_store_lock(s);
	rc = mark_locked(s, &s->revoked, leaf, why != NULL, err);
	if (rc == 1)
		events_locked(s, leaf, why, &events);
	sst_store_unlock(s);
	sst_events_tell(s, &events);
	return rc < 0 ? rc : SST_OK;
}

int
sst_store_mark_bare(struct sst_store *s, const uint8_t leaf[32], int bare,
    struct sst_error *err)
{
	int rc;

	sst_store_lock(s);
	rc = mark_locked(s, &s->bare, leaf, bare != 0, err);
	sst_store_unlock(s);
	return rc < 0 ? rc : SST_OK;
}
