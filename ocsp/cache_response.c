/* SPDX-License-Identifier: ISC */
/*
 * cache_response - a kept response as it was received, for those who serve it.
 *
 * Always true:
 *   1. The bytes are nobody's word: who gets them judges them again.
 */
#include <stdlib.h>
#include <string.h>

#include "cache_inside.h"
#include "own_inside.h"

static const char get_text[] = "SELECT der FROM der WHERE hash=?1 AND kind=?2";

/* 1: a copy; 0; < 0. */
static int
get_from(struct sst_cache *c, struct sst_db *s, const uint8_t hash[32], uint8_t **ret_der,
    size_t *ret_len)
{
	const void *der;
	sqlite3_stmt *st;
	size_t len;
	int rc = sst_db_begin(s);

	if (rc < 0)
		return sst_cache_look_failed(c, s);
	st = sst_db_ask(s, get_text, "bi", hash, (size_t)32, (int64_t)SST_ANS_OCSP);
	rc = sst_db_row(s, st);
	if (rc == 1) {
		der = sqlite3_column_blob(st, 0);
		len = (size_t)sqlite3_column_bytes(st, 0);
		*ret_der = der != NULL && len > 0 ? malloc(len) : NULL;
		if (*ret_der != NULL)
			memcpy(*ret_der, der, len);
		*ret_len = len;
		rc = *ret_der != NULL;
		sst_db_done(st);
	}
	sst_db_end(s);
	return rc < 0 ? sst_cache_look_failed(c, s) : rc;
}

int
sst_cache_response_get(struct sst_cache *c, const struct sst_cert_key *key, uint8_t **ret_der,
    size_t *ret_len)
{
	/* what could not be written to the file is newer than what is there */
	struct sst_db *const stores[] = { &c->mem, &c->look };
	uint8_t hash[32];
	int rc = 0;

	sst_cert_key_hash(key, hash);
	sst_cache_enter(c);
	for (int i = 0; i < 2 && rc != 1; i++)
		if (stores[i]->db != NULL)
			rc = get_from(c, stores[i], hash, ret_der, ret_len);
	sst_cache_leave(c);
	return rc;
}
