/* SPDX-License-Identifier: ISC */
/*
 * cache_heads - the lists of an issuer that are in use, and one look into one.
 *
 * Heads are kept in memory as long as meta's `lists` stays: they change when a
 * list is taken in, not with every answer.
 *
 * Always true:
 *   1. A list whose head does not verify is not there.
 *   2. A bucket that is missing or does not verify is SST_E_MALFORMED: it never
 *      reads as "not listed".
 */
#include <stdlib.h>
#include <string.h>

#include "cache_inside.h"

#define HEADS_MAX	1024	/* lists whose heads are kept, of all issuers */

static const char heads_text[] = "SELECT " SST_LIST_COLUMNS
	" FROM list WHERE issuer=?1 AND state=1 ORDER BY id DESC LIMIT ?2";
static const char bucket_text[] = "SELECT body,digest FROM bucket WHERE id=?1";

int
sst_list_seal(struct sst_db *s, const uint8_t issuer[SST_ISSUER_LEN], int64_t fetched,
    const char *url, const void *head, size_t len, uint8_t ret[SST_DIGEST_LEN])
{
	const struct sst_span spans[] = { { issuer, SST_ISSUER_LEN }, { url, strlen(url) },
	    { head, len } };

	return sst_db_digest(s, 'L', &fetched, 1, spans, 3, ret);
}

int
sst_bucket_seal(struct sst_db *s, const struct sst_crl_head *head, uint32_t bucket,
    const void *blob, size_t len, uint8_t ret[SST_DIGEST_LEN])
{
	const int64_t ints[] = { bucket };
	const struct sst_span spans[] = { { head->sha256, 32 }, { blob, len } };

	return sst_db_digest(s, 'B', ints, 1, spans, 2, ret);
}

int
sst_list_read(struct sst_db *s, sqlite3_stmt *st, struct sst_list *ret)
{
	uint8_t issuer[SST_ISSUER_LEN], is[SST_DIGEST_LEN], want[SST_DIGEST_LEN];
	const char *url = (const char *)sqlite3_column_text(st, 5);
	const void *head = sqlite3_column_blob(st, 6);
	size_t len = (size_t)sqlite3_column_bytes(st, 6);

	ret->id = sqlite3_column_int64(st, 0);
	ret->fetched_at = sqlite3_column_int64(st, 3);
	ret->used = sqlite3_column_int64(st, 4);
	if (url == NULL || head == NULL || strlen(url) >= sizeof(ret->url) ||
	    sst_db_blob(st, 1, issuer, SST_ISSUER_LEN) < 0 ||
	    sst_db_blob(st, 7, is, SST_DIGEST_LEN) < 0 ||
	    sst_head_unpack(head, len, &ret->head) < 0)
		return 0;
	(void)strcpy(ret->url, url);
	if (sst_list_seal(s, issuer, ret->fetched_at, url, head, len, want) < 0)
		return SST_E_NOMEM;
	return memcmp(is, want, SST_DIGEST_LEN) == 0;
}

void
sst_heads_free(struct sst_db *s)
{
	struct sst_heads *h;

	while ((h = s->heads) != NULL) {
		s->heads = h->next;
		free(h->list);
		free(h);
	}
	s->n_heads = 0;
}

/* Reads the heads of an issuer. */
static int
heads_read(struct sst_cache *c, struct sst_db *s, struct sst_heads *h)
{
	sqlite3_stmt *st = sst_db_ask(s, heads_text, "bi", h->issuer,
	    (size_t)SST_ISSUER_LEN, (int64_t)SST_LISTS_MAX);
	struct sst_list *list;
	size_t room = 0;
	int rc;

	while ((rc = sst_db_row(s, st)) == 1) {
		if (h->n == room) {
			room = room == 0 ? 2 : 2 * room;
			list = realloc(h->list, room * sizeof(*list));
			if (list == NULL)
				goto nomem;
			h->list = list;
		}
		rc = sst_list_read(s, st, &h->list[h->n]);
		if (rc < 0)
			goto nomem;
		if (rc == 0)
			atomic_fetch_add(&c->damaged, 1);
		h->n += (size_t)rc;
	}
	return rc;
nomem:
	sst_db_done(st);
	s->code = SQLITE_NOMEM;
	return SST_E_NOMEM;
}

int
sst_heads_of(struct sst_cache *c, struct sst_db *s, const struct sst_issuer_id *id,
    const struct sst_heads **ret)
{
	uint8_t issuer[SST_ISSUER_LEN];
	struct sst_heads *h;
	int rc;

	if (s->heads_lists != s->lists || s->n_heads > HEADS_MAX)
		sst_heads_free(s);
	s->heads_lists = s->lists;
	rc = sst_issuer_hash(s, id, issuer);
	if (rc < 0)
		return rc;
	for (h = s->heads; h != NULL; h = h->next) {
		if (memcmp(h->issuer, issuer, SST_ISSUER_LEN) == 0) {
			*ret = h;
			return SST_OK;
		}
	}
	h = calloc(1, sizeof(*h));
	if (h == NULL) {
		s->code = SQLITE_NOMEM;
		return SST_E_NOMEM;
	}
	memcpy(h->issuer, issuer, SST_ISSUER_LEN);
	rc = heads_read(c, s, h);
	if (rc < 0) {
		free(h->list);
		free(h);
		return rc;
	}
	h->next = s->heads;
	s->heads = h;
	s->n_heads += h->n + 1;
	*ret = h;
	return SST_OK;
}

/* Its rows are not all sound: the same list may be taken in again. */
static int
is_damaged(struct sst_cache *c, struct sst_db *s, int64_t id)
{
	atomic_fetch_add(&c->damaged, 1);
	if (s != &c->look)
		return SST_E_MALFORMED;
	for (unsigned i = 0; i < c->n_bad; i++)
		if (c->bad[i] == id)
			return SST_E_MALFORMED;
	if (c->n_bad < sizeof(c->bad) / sizeof(c->bad[0]))
		c->bad[c->n_bad++] = id;
	return SST_E_MALFORMED;
}

int
sst_list_find(struct sst_cache *c, struct sst_db *s, const struct sst_list *list,
    const struct sst_cert_key *key, struct sst_crl_entry *ret)
{
	uint32_t bucket = sst_crl_bucket(key, list->head.bits);
	uint8_t is[SST_DIGEST_LEN], want[SST_DIGEST_LEN];
	sqlite3_stmt *st = sst_db_ask(s, bucket_text, "i",
	    list->id << SST_BUCKET_BITS | (int64_t)bucket);
	const void *blob;
	size_t len;
	int rc = sst_db_row(s, st);

	if (rc == 0)
		return is_damaged(c, s, list->id);
	if (rc < 0)
		return rc;
	blob = sqlite3_column_blob(st, 0);
	len = (size_t)sqlite3_column_bytes(st, 0);
	if (blob == NULL)
		blob = "";
	rc = sst_bucket_seal(s, &list->head, bucket, blob, len, want);
	if (rc == SST_OK && (sst_db_blob(st, 1, is, SST_DIGEST_LEN) < 0 ||
	    memcmp(is, want, SST_DIGEST_LEN) != 0))
		rc = is_damaged(c, s, list->id);
	if (rc == SST_OK && len > 0)
		rc = sst_crl_bucket_find(blob, len, key, ret);
	sst_db_done(st);
	return rc;
}
