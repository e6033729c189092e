/* SPDX-License-Identifier: ISC */
/*
 * store_leaves - each certificate that a store serves or is to serve, with its chain.
 *
 * Who watches over them calls it; an identity that is not in memory is read for it, so
 * it takes the time of a scan.
 */
#include "store_leaves.h"

#include "store.h"
#include "store_list.h"

/* What a row leads to, referenced: an identity, or a chain that waits for its key. */
static struct sst_identity *
row_get(struct sst_store *s, const struct sst_row *row, STACK_OF(X509) **ret_staged)
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
	if (!pinned)
		id = sst_kept_get(s->cache, row->id);
	if (!pinned && id == NULL && row->load != NULL && row->state == SST_ENTRY_USABLE &&
	    sst_scan_again(&s->env, row, &id, NULL) < 0)
		id = NULL;
	return id;
}

static int
row_show(struct sst_store *s, const struct sst_row *row,
    int (*each)(void *, X509 *, STACK_OF(X509) *), void *arg)
{
	STACK_OF(X509) *staged;
	struct sst_identity *id = row_get(s, row, &staged);
	int rc = 0;

	if (id != NULL)
		rc = each(arg, sst_identity_leaf(id), sst_identity_chain(id));
	else if (sk_X509_num(staged) > 0)
		rc = each(arg, sk_X509_value(staged, 0), staged);
	sst_identity_unref(id);
	sk_X509_pop_free(staged, X509_free);
	return rc;
}

struct showing {
	struct sst_store *s;
	int		(*known)(void *, const uint8_t *);
	int		(*each)(void *, X509 *, STACK_OF(X509) *);
	void		 *arg;
};

static int
one_show(void *arg, struct sst_row *row)
{
	const struct showing *w = arg;

	if (row->state == SST_ENTRY_REFUSED || row->state == SST_ENTRY_CHALLENGE ||
	    (w->known != NULL && w->known(w->arg, row->digest)))
		return 0;
	return row_show(w->s, row, w->each, w->arg);
}

int
sst_store_leaves(struct sst_store *s, int (*known)(void *arg, const uint8_t leaf[32]),
    int (*each)(void *arg, X509 *leaf, STACK_OF(X509) *above), void *arg,
    struct sst_error *err)
{
	struct showing w = { s, known, each, arg };

	return sst_store_rows(s, one_show, &w, err);
}
