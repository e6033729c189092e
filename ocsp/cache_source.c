/* SPDX-License-Identifier: ISC */
/*
 * cache_source - what is known of the places that evidence comes from, and of
 * what they failed to say about one certificate.
 *
 * Both tables are bounded: whoever makes certificates can name any number of URLs.
 * A failure is about a certificate at a source, so a hostile certificate does not
 * close a responder for others.
 */
#include <string.h>

#include "base/fail.h"
#include "cache_inside.h"

#define SOURCES_MAX	"4096"
#define NEGATIVES_MAX	"8192"

static const char get_text[] = "SELECT url,body,digest FROM source WHERE hash=?1";
static const char put_text[] = "INSERT INTO source VALUES(?1,?2,?3,?4,?5)"
	" ON CONFLICT(hash) DO UPDATE SET url=?2,used=?3,body=?4,digest=?5";
static const char room_text[] = "DELETE FROM source WHERE (SELECT count(*) FROM source)>="
	SOURCES_MAX " AND hash IN(SELECT hash FROM source ORDER BY used LIMIT 64)";
static const char not_get_text[] = "SELECT fault,until,digest FROM negative"
	" WHERE hash=?1 AND source=?2";
static const char not_put_text[] = "INSERT INTO negative VALUES(?1,?2,?3,?4,?5)"
	" ON CONFLICT(hash,source) DO UPDATE SET fault=?3,until=?4,digest=?5";
static const char not_room_text[] = "DELETE FROM negative WHERE"
	" (SELECT count(*) FROM negative)>=" NEGATIVES_MAX
	" AND (hash,source) IN(SELECT hash,source FROM negative ORDER BY until LIMIT 64)";

static int
url_hash(struct sst_db *s, const char *url, uint8_t ret[SST_DIGEST_LEN])
{
	const struct sst_span spans[] = { { url, strlen(url) } };

	return sst_db_digest(s, 'U', NULL, 0, spans, 1, ret);
}

static int
seal(struct sst_db *s, const char *url, const void *body, size_t len,
    uint8_t ret[SST_DIGEST_LEN])
{
	const struct sst_span spans[] = { { url, strlen(url) }, { body, len } };

	return sst_db_digest(s, 'S', NULL, 0, spans, 2, ret);
}

int
sst_source_read(struct sst_db *s, sqlite3_stmt *st, const char **ret_url,
    struct sst_source_state *ret)
{
	uint8_t is[SST_DIGEST_LEN], want[SST_DIGEST_LEN];
	const char *url = (const char *)sqlite3_column_text(st, 0);
	const void *body = sqlite3_column_blob(st, 1);
	size_t len = (size_t)sqlite3_column_bytes(st, 1);

	if (url == NULL || body == NULL || sst_db_blob(st, 2, is, sizeof(is)) < 0 ||
	    sst_source_unpack(body, len, ret) < 0)
		return 0;
	if (seal(s, url, body, len, want) < 0)
		return SST_E_NOMEM;
	*ret_url = url;
	return memcmp(is, want, sizeof(is)) == 0;
}

/* 1, 0 or < 0. */
static int
get_from(struct sst_cache *c, struct sst_db *s, const char *url, struct sst_source_state *ret)
{
	uint8_t hash[SST_DIGEST_LEN];
	sqlite3_stmt *st;
	const char *is;
	int rc;

	rc = sst_db_begin(s);
	if (rc < 0)
		return sst_cache_look_failed(c, s);
	rc = url_hash(s, url, hash);
	if (rc == SST_OK) {
		st = sst_db_ask(s, get_text, "b", hash, sizeof(hash));
		rc = sst_db_row(s, st);
		if (rc == 1) {
			rc = sst_source_read(s, st, &is, ret);
			if (rc == 1 && strcmp(is, url) != 0)
				rc = 0;
			sst_db_done(st);
		}
	}
	sst_db_end(s);
	return rc < 0 ? sst_cache_look_failed(c, s) : rc;
}

int
sst_cache_source_get(struct sst_cache *c, const char *url, struct sst_source_state *ret)
{
	struct sst_db *const stores[] = { &c->look, &c->mem };
	struct sst_source_state one;
	int found = 0, worst = 0, rc;

	memset(ret, 0, sizeof(*ret));
	sst_cache_enter(c);
	for (size_t i = 0; i < 2; i++) {
		if (stores[i]->db == NULL)
			continue;
		rc = get_from(c, stores[i], url, &one);
		if (rc == 1 && (!found || one.last_try >= ret->last_try)) {
			*ret = one;
			found = 1;
		} else if (rc == SST_E_TIMEOUT || rc == SST_E_NOMEM) {
			worst = rc;
		}
	}
	sst_cache_leave(c);
	return found ? 1 : worst;
}

struct source_put {
	const char	*url;
	const struct sst_source_state *state;
};

static int
put_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const struct source_put *p = arg;
	uint8_t hash[SST_DIGEST_LEN], digest[SST_DIGEST_LEN], body[SST_ROW_MAX];
	size_t len = sst_source_pack(p->state, body);
	int rc = url_hash(s, p->url, hash);

	(void)c;
	(void)err;
	if (rc == SST_OK)
		rc = seal(s, p->url, body, len, digest);
	if (rc == SST_OK)
		rc = sst_db_do(s, room_text, "");
	if (rc == SST_OK)
		rc = sst_db_do(s, put_text, "btibb", hash, sizeof(hash), p->url,
		    p->state->last_try, body, len, digest, sizeof(digest));
	return rc;
}

int
sst_cache_source_put(struct sst_cache *c, const char *url, const struct sst_source_state *state)
{
	struct source_put p = { url, state };

	if (strlen(url) >= SST_ROW_MAX)
		return SST_E_LIMIT;
	return sst_cache_change(c, SST_BUMP_NONE, 0, put_step, &p, NULL);
}

struct negative {
	const char	*url;
	uint8_t		 hash[32];
	int64_t		 fault, until;
};

static int
not_seal(struct sst_db *s, const struct negative *n, const uint8_t source[SST_DIGEST_LEN],
    uint8_t ret[SST_DIGEST_LEN])
{
	const int64_t ints[] = { n->fault, n->until };
	const struct sst_span spans[] = { { n->hash, 32 }, { source, SST_DIGEST_LEN } };

	return sst_db_digest(s, 'N', ints, 2, spans, 2, ret);
}

static int
not_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const struct negative *n = arg;
	uint8_t source[SST_DIGEST_LEN], digest[SST_DIGEST_LEN];
	int rc = url_hash(s, n->url, source);

	(void)c;
	(void)err;
	if (rc == SST_OK)
		rc = not_seal(s, n, source, digest);
	if (rc == SST_OK)
		rc = sst_db_do(s, not_room_text, "");
	if (rc == SST_OK)
		rc = sst_db_do(s, not_put_text, "bbiib", n->hash, (size_t)32, source,
		    sizeof(source), n->fault, n->until, digest, sizeof(digest));
	return rc;
}

int
sst_cache_negative_put(struct sst_cache *c, const struct sst_cert_key *key, const char *url,
    enum sst_fault fault, int64_t until)
{
	struct negative n = { .url = url, .fault = fault, .until = until };

	sst_cert_key_hash(key, n.hash);
	return sst_cache_change(c, SST_BUMP_NONE, 0, not_step, &n, NULL);
}

static int
not_from(struct sst_cache *c, struct sst_db *s, struct negative *n)
{
	uint8_t source[SST_DIGEST_LEN], is[SST_DIGEST_LEN], want[SST_DIGEST_LEN];
	sqlite3_stmt *st;
	int rc = sst_db_begin(s);

	if (rc < 0)
		return sst_cache_look_failed(c, s);
	rc = url_hash(s, n->url, source);
	if (rc == SST_OK) {
		st = sst_db_ask(s, not_get_text, "bb", n->hash, (size_t)32, source,
		    sizeof(source));
		rc = sst_db_row(s, st);
		if (rc == 1) {
			n->fault = sqlite3_column_int64(st, 0);
			n->until = sqlite3_column_int64(st, 1);
			if (not_seal(s, n, source, want) < 0)
				rc = SST_E_NOMEM;
			else if (sst_db_blob(st, 2, is, sizeof(is)) < 0 ||
			    memcmp(is, want, sizeof(is)) != 0)
				rc = 0;
			sst_db_done(st);
		}
	}
	sst_db_end(s);
	return rc < 0 ? sst_cache_look_failed(c, s) : rc;
}

int
sst_cache_negative_get(struct sst_cache *c, const struct sst_cert_key *key, const char *url,
    int64_t now, enum sst_fault *ret_fault)
{
	struct sst_db *const stores[] = { &c->look, &c->mem };
	struct negative n = { .url = url };
	int rc = 0, worst = 0;

	sst_cert_key_hash(key, n.hash);
	sst_cache_enter(c);
	for (size_t i = 0; i < 2 && rc != 1; i++) {
		if (stores[i]->db == NULL)
			continue;
		rc = not_from(c, stores[i], &n);
		if (rc == 1 && n.until <= now)
			rc = 0;
		if (rc == SST_E_TIMEOUT || rc == SST_E_NOMEM)
			worst = rc;
	}
	sst_cache_leave(c);
	if (rc == 1)
		*ret_fault = (enum sst_fault)n.fault;
	return rc == 1 ? 1 : worst;
}
