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

/* A copy; 1, or 0 for none. */
static int
copy(struct sst_db *s, const void *der, size_t len, uint8_t **ret_der, size_t *ret_len)
{
	if (der == NULL || len == 0)
		return 0;
	*ret_der = malloc(len);
	if (*ret_der == NULL) {
		s->code = SQLITE_NOMEM;
		return SST_E_NOMEM;
	}
	memcpy(*ret_der, der, len);
	*ret_len = len;
	return 1;
}

/* 1: a copy; 0; < 0. */
static int
get_from(struct sst_cache *c, struct sst_db *s, const uint8_t hash[32], uint8_t **ret_der,
    size_t *ret_len)
{
	sqlite3_stmt *st;
	int rc = sst_db_begin(s);

	if (rc < 0)
		return sst_cache_look_failed(c, s);
	st = sst_db_ask(s, get_text, "bi", hash, (size_t)32, (int64_t)SST_ANS_OCSP);
	rc = sst_db_row(s, st);
	if (rc == 1) {
		rc = copy(s, sqlite3_column_blob(st, 0),
		    (size_t)sqlite3_column_bytes(st, 0), ret_der, ret_len);
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
	int worst = 0, rc = 0;

	sst_cert_key_hash(key, hash);
	sst_cache_enter(c);
	for (int i = 0; i < 2 && rc != 1; i++) {
		if (stores[i]->db == NULL)
			continue;
		rc = get_from(c, stores[i], hash, ret_der, ret_len);
		if (rc < 0)
			worst = rc;
	}
	sst_cache_leave(c);
	return rc == 1 ? 1 : worst;
}
