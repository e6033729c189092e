/* SPDX-License-Identifier: ISC */
/*
 * store_leaves - the certificates that a store serves or is to serve, with their chains.
 *
 * Who watches over them calls it. One that names a responder is read for it where it is
 * not in memory, so that it has its staple before its first client. What can only stand
 * on a list is watched from when it is served: with a hundred thousand names it would
 * be the time of a scan, and the memory of all of them.
 */
#include "store_leaves.h"

#include "base/fail.h"
#include "store.h"

/* What a row leads to, referenced, where that is in memory: an identity, or a chain that
 * waits for its key. */
static struct sst_identity *
row_in_memory(struct sst_store *s, const struct sst_row *row, STACK_OF(X509) **ret_staged)
{
	struct sst_identity *id = NULL;
	struct sst_pin *pin;
	int pinned;

	*ret_staged = NULL;
	sst_store_lock(s);
	pin = sst_pin_find_locked(s, row->id);
	pinned = pin != NULL;
	if (pinned && pin->identity != NULL)
		id = sst_identity_ref(pin->identity);
	else if (pinned && pin->certs != NULL)
		*ret_staged = X509_chain_up_ref(pin->certs);
	sst_store_unlock(s);
	return pinned ? id : sst_kept_get(s->cache, row->id);
}

struct showing {
	struct sst_store *s;
	int		(*known)(void *, const uint8_t *);
	int		(*each)(void *, X509 *, STACK_OF(X509) *);
	void		 *arg;
	int		 unread;	/* one of them, at least */
};

static int
one_show(struct showing *w, const struct sst_row *row)
{
	struct sst_identity *id;
	STACK_OF(X509) *staged;
	int rc = 0;

	if (row->state == SST_ENTRY_REFUSED || row->state == SST_ENTRY_CHALLENGE)
		return 0;
	id = row_in_memory(w->s, row, &staged);
	if (id == NULL && staged == NULL && !row->wants_staple)
		return 0;
	if (w->known != NULL && w->known(w->arg, row->digest))
		goto out;
	if (id == NULL && staged == NULL && row->load != NULL &&
	    row->state == SST_ENTRY_USABLE &&
	    sst_scan_again(&w->s->env, row, &id, NULL) < 0) {
		w->unread = 1;
		id = NULL;
	}
	if (id != NULL)
		rc = w->each(w->arg, sst_identity_leaf(id), sst_identity_chain(id));
	else if (sk_X509_num(staged) > 0)
		rc = w->each(w->arg, sk_X509_value(staged, 0), staged);
out:
	sst_identity_unref(id);
	sk_X509_pop_free(staged, X509_free);
	return rc;
}

int
sst_store_leaves(struct sst_store *s, struct sst_leaves_seen *seen,
    int (*known)(void *arg, const uint8_t leaf[32]),
    int (*each)(void *arg, X509 *leaf, STACK_OF(X509) *above), void *arg,
    struct sst_error *err)
{
	struct showing w = { s, known, each, arg, 0 };
	struct sst_leaves_seen last = { 0, 0 };
	struct sst_rows rows = { 0 };
	int rc = SST_OK, more = 1;

	if (seen != NULL)
		last = *seen;
	while (rc == SST_OK && more) {
		sst_store_lock(s);
		if (last.index != s->n_index)
			last = (struct sst_leaves_seen){ s->n_index, 0 };
		rc = sst_index_since(s->index, last.id, SST_INDEX_PAGE, &rows, err);
		sst_store_unlock(s);
		more = rows.n == SST_INDEX_PAGE;
		for (size_t i = 0; rc == SST_OK && i < rows.n; i++) {
			rc = one_show(&w, &rows.v[i]);
			last.id = rows.v[i].id;
			if (rc == SST_OK && !w.unread && seen != NULL)
				*seen = last;
		}
		sst_rows_done(&rows);
	}
	return rc;
}

/* A page of what left. Its number; SST_E_NOT_FOUND as sst_index_gone(). */
static int
left_page(struct sst_store *s, struct sst_leaves_left *seen, uint8_t (*leaves)[32],
    struct sst_error *err)
{
	int n;

	sst_store_lock(s);
	if (seen->index != s->n_index)	/* no file has this number */
		*seen = (struct sst_leaves_left){ s->n_index, { UINT64_MAX, 0 } };
	n = sst_index_gone(s->index, &seen->at, leaves, SST_INDEX_PAGE, err);
	sst_store_unlock(s);
	return n;
}

int
sst_store_left(struct sst_store *s, struct sst_leaves_left *seen,
    void (*each)(void *arg, const uint8_t leaf[32]), void *arg, struct sst_error *err)
{
	uint8_t leaves[SST_INDEX_PAGE][32];
	struct sst_leaves_left at = *seen;
	struct sst_error why = { .code = SST_OK };
	int n = SST_INDEX_PAGE;

	while (n == SST_INDEX_PAGE) {
		n = left_page(s, &at, leaves, &why);
		for (int i = 0; i < n && each != NULL; i++)
			each(arg, leaves[i]);
	}
	if (n < 0 && n != SST_E_NOT_FOUND)
		return sst_fail(err, why.code, "%s", why.text);
	*seen = at;
	return n == SST_E_NOT_FOUND;
}

int
sst_store_has_leaf(struct sst_store *s, const uint8_t leaf[32])
{
	int rc;

	sst_store_lock(s);
	rc = sst_index_has(s->index, leaf, SST_ENTRY_REFUSED, NULL);
	sst_store_unlock(s);
	return rc;
}
