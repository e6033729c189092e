/* SPDX-License-Identifier: ISC */
/*
 * store_revoked - leaves that somebody found to be revoked (store.h).
 *
 * The list outlives the identities: a certificate that is taken out and set again was
 * revoked all the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "store.h"

#define MOST	65536	/* 2 MB */

/* Where it is, or would be. */
static size_t
place_locked(const struct sst_store *s, const uint8_t leaf[32], int *ret_there)
{
	size_t low = 0, high = s->n_revoked;
	int d;

	*ret_there = 0;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		d = memcmp(s->revoked[mid], leaf, 32);
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

int
sst_store_is_revoked(struct sst_store *s, const uint8_t leaf[32])
{
	int there;

	sst_store_lock(s);
	(void)place_locked(s, leaf, &there);
	sst_store_unlock(s);
	return there;
}

/* What was decided before is of a generation that is over. */
static int
next_generation_locked(struct sst_store *s, struct sst_error *err)
{
	uint64_t generation = 0;
	int rc = sst_index_begin(s->index, err);

	if (rc < 0)
		return rc;
	rc = sst_index_commit(s->index, 1, &generation, err);
	if (rc < 0)
		sst_index_rollback(s->index);
	else
		atomic_store(&s->generation, generation);
	return rc;
}

static int
put_locked(struct sst_store *s, size_t at, const uint8_t leaf[32], struct sst_error *err)
{
	uint8_t (*more)[32];
	int rc;

	if (s->n_revoked >= MOST)
		return sst_fail(err, SST_E_LIMIT, "more than %d certificates are marked as "
		    "revoked", MOST);
	more = realloc(s->revoked, (s->n_revoked + 1) * sizeof(*more));
	if (more == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	s->revoked = more;
	rc = next_generation_locked(s, err);
	if (rc < 0)
		return rc;
	memmove(more + at + 1, more + at, (s->n_revoked - at) * sizeof(*more));
	memcpy(more[at], leaf, 32);
	s->n_revoked++;
	return SST_OK;
}

static int
take_locked(struct sst_store *s, size_t at, struct sst_error *err)
{
	int rc = next_generation_locked(s, err);

	if (rc < 0)
		return rc;
	s->n_revoked--;
	memmove(s->revoked + at, s->revoked + at + 1,
	    (s->n_revoked - at) * sizeof(*s->revoked));
	return SST_OK;
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
			sst_events_add(events, SST_STORE_REVOKED, rows.v[i].path, text);
	sst_rows_done(&rows);
}

int
sst_store_mark_revoked(struct sst_store *s, const uint8_t leaf[32], const char *why,
    struct sst_error *err)
{
	struct sst_events events = { 0 };
	int there, rc = SST_OK;
	size_t at;

	sst_store_lock(s);
	at = place_locked(s, leaf, &there);
	if (there != (why != NULL)) {
		rc = why != NULL ? put_locked(s, at, leaf, err) : take_locked(s, at, err);
		if (rc == SST_OK)
			events_locked(s, leaf, why, &events);
	}
	sst_store_unlock(s);
	sst_events_tell(s, &events);
	return rc;
}
