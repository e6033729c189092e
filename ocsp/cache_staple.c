/* SPDX-License-Identifier: ISC */
/*
 * cache_staple - responses about certificates of our own, as they are served.
 *
 * Always true:
 *   1. A response does not take the place of a newer one.
 *   2. What does not verify against its digest is not served.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "cache_inside.h"

static const char get_text[] = "SELECT leaf,body,der,digest FROM staple WHERE leaf=?1";
static const char put_text[] = "INSERT INTO staple VALUES(?1,?2,?3,?4,?5)"
	" ON CONFLICT(leaf) DO UPDATE SET until=?2,body=?3,der=?4,digest=?5";

static int
seal(struct sst_db *s, const void *leaf, const void *body, size_t len, const void *der,
    size_t der_len, uint8_t ret[SST_DIGEST_LEN])
{
	const struct sst_span spans[] = { { leaf, 32 }, { body, len }, { der, der_len } };

	return sst_db_digest(s, 'T', NULL, 0, spans, 3, ret);
}

int
sst_staple_read(struct sst_db *s, sqlite3_stmt *st, struct sst_evidence *ret,
    const void **ret_der, size_t *ret_len)
{
	uint8_t leaf[32], is[SST_DIGEST_LEN], want[SST_DIGEST_LEN];
	const void *body = sqlite3_column_blob(st, 1), *der = sqlite3_column_blob(st, 2);
	size_t len = (size_t)sqlite3_column_bytes(st, 1);
	struct sst_cert_key none;

	*ret_len = (size_t)sqlite3_column_bytes(st, 2);
	*ret_der = der;
	if (body == NULL || der == NULL || sst_db_blob(st, 0, leaf, 32) < 0 ||
	    sst_db_blob(st, 3, is, sizeof(is)) < 0 ||
	    sst_evidence_unpack(body, len, &none, ret) < 0)
		return 0;
	if (seal(s, leaf, body, len, der, *ret_len, want) < 0)
		return SST_E_NOMEM;
	return memcmp(is, want, sizeof(is)) == 0;
}

struct staple_put {
	const uint8_t	*leaf;
	const struct sst_evidence *ev;
	const void	*der;
	size_t		 len;
};

static int
put_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	static const struct sst_cert_key none;
	const struct staple_put *p = arg;
	uint8_t digest[SST_DIGEST_LEN], body[SST_ROW_MAX];
	struct sst_evidence old;
	const void *der;
	sqlite3_stmt *st;
	size_t len;
	int rc;

	(void)c;
	st = sst_db_ask(s, get_text, "b", p->leaf, (size_t)32);
	rc = sst_db_row(s, st);
	if (rc == 1) {
		rc = sst_staple_read(s, st, &old, &der, &len);
		sst_db_done(st);
		if (rc == 1 && old.this_update > p->ev->this_update)
			return sst_fail(err, SST_E_REFUSED, "a newer response is there");
	}
	if (rc < 0)
		return rc;
	len = sst_evidence_pack(&none, p->ev, body);
	rc = seal(s, p->leaf, body, len, p->der, p->len, digest);
	if (rc == SST_OK)
		rc = sst_db_do(s, put_text, "bibbb", p->leaf, (size_t)32, p->ev->until,
		    body, len, p->der, p->len, digest, sizeof(digest));
	return rc;
}

int
sst_cache_staple_put(struct sst_cache *c, const uint8_t leaf[32], const struct sst_evidence *ev,
    const void *der, size_t len)
{
	struct staple_put p = { leaf, ev, der, len };

	if (der == NULL || len == 0)
		return SST_E_USAGE;
	return sst_cache_change(c, SST_BUMP_ANSWERS, 0, put_step, &p, NULL);
}

/* 1: *ret and a copy; 0; < 0. */
static int
get_from(struct sst_cache *c, struct sst_db *s, const uint8_t leaf[32],
    struct sst_evidence *ret, uint8_t **ret_der, size_t *ret_len)
{
	const void *der;
	sqlite3_stmt *st;
	size_t len;
	int rc = sst_db_begin(s);

	if (rc < 0)
		return sst_cache_look_failed(c, s);
	st = sst_db_ask(s, get_text, "b", leaf, (size_t)32);
	rc = sst_db_row(s, st);
	if (rc == 1) {
		rc = sst_staple_read(s, st, ret, &der, &len);
		if (rc == 0)
			atomic_fetch_add(&c->damaged, 1);
		if (rc == 1) {
			*ret_der = malloc(len);
			if (*ret_der == NULL) {
				s->code = SQLITE_NOMEM;
				rc = SST_E_NOMEM;
			} else {
				memcpy(*ret_der, der, len);
				*ret_len = len;
			}
		}
		sst_db_done(st);
	}
	sst_db_end(s);
	return rc < 0 ? sst_cache_look_failed(c, s) : rc;
}

int
sst_cache_staple_get(struct sst_cache *c, const uint8_t leaf[32], struct sst_evidence *ret,
    uint8_t **ret_der, size_t *ret_len)
{
	struct sst_db *const stores[] = { &c->look, &c->mem };
	struct sst_evidence ev[2];
	uint8_t *der[2] = { NULL, NULL };
	size_t len[2] = { 0, 0 };
	int worst = 0, best = -1, rc;

	sst_cache_enter(c);
	for (int i = 0; i < 2; i++) {
		if (stores[i]->db == NULL)
			continue;
		rc = get_from(c, stores[i], leaf, &ev[i], &der[i], &len[i]);
		if (rc == 1 && (best < 0 || ev[i].this_update > ev[best].this_update))
			best = i;
		if (rc == SST_E_TIMEOUT || rc == SST_E_NOMEM)
			worst = rc;
	}
	sst_cache_leave(c);
	if (best >= 0) {
		*ret = ev[best];
		ret->from_cache = 1;
		*ret_der = der[best];
		*ret_len = len[best];
		der[best] = NULL;
	}
	free(der[0]);
	free(der[1]);
	return best >= 0 ? 1 : worst;
}
