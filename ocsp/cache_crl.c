/* SPDX-License-Identifier: ISC */
/*
 * cache_crl - takes a verified list in.
 *
 *	staging (0) --slices of buckets--> active (1) --newer list--> superseded (2) --slices-->
 *
 * Always true:
 *   1. A list is active with all of its buckets, or not at all.
 *   2. In one scope an older list never becomes active. Two with one number and
 *      different content are both active: what either lists is revoked.
 *   3. The change from the old list to the new one is one small transaction; what
 *      is large happens before and after, in slices, and others write in between.
 */
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "cache_inside.h"

#define SLICE	256	/* buckets a transaction */

static const char peers_text[] = "SELECT " SST_LIST_COLUMNS
	" FROM list WHERE issuer=?1 AND state=1 AND scope=?2";
static const char stage_text[] = "INSERT INTO list(issuer,scope,state,since,until,used,"
	"size,fetched,url,head,digest) VALUES(?1,?2,0,?3,?4,?3,?5,?3,?6,?7,?8)";
static const char again_text[] = "UPDATE list SET until=?2,used=?3,fetched=?3,url=?4,"
	"head=?5,digest=?6 WHERE id=?1";
static const char bucket_text[] = "INSERT INTO bucket(id,body,digest) VALUES(?1,?2,?3)";
static const char state_text[] = "UPDATE list SET state=?2 WHERE id=?1";
static const char dead_text[] = "SELECT id FROM list WHERE state=2 OR (state=0 AND since<?1)"
	" LIMIT 1";
static const char slice_text[] = "DELETE FROM bucket WHERE id IN(SELECT id FROM bucket"
	" WHERE id>=?1 AND id<?2 LIMIT 512)";
static const char gone_text[] = "DELETE FROM list WHERE id=?1";
static const char most_text[] = "SELECT lists FROM issuer WHERE issuer=?1"
	" AND (lists>?2 OR list_bytes>?3)";
static const char least_text[] = "SELECT id FROM list WHERE issuer=?1 AND state=1"
	" AND id<>?2 ORDER BY used,id LIMIT 1";

struct intake {
	struct sst_cache *c;
	const struct sst_crl *crl;
	const struct sst_crl_head *head;
	int64_t		 now;
	char		 url[256];
	uint8_t		 issuer[SST_ISSUER_LEN];
	int64_t		 id;
	int		 same_level;	/* what the very list that is there was held to */
	int		 in_memory;
	struct sst_db	*s;		/* locked, within a slice; NULL: between */
	unsigned	 epoch;
	unsigned	 in_slice;
	uint32_t	 next;		/* the bucket that comes next */
	int		 rc, code;	/* why the index was stopped */
};

/* The store of this intake, locked; NULL: there is none (any more). */
static struct sst_db *
enter(struct intake *k)
{
	struct sst_db *s;

	if (k->in_memory) {
		sst_cache_enter(k->c);
		if (sst_cache_memory(k->c) == SST_OK)
			return &k->c->mem;
		sst_cache_leave(k->c);
		return NULL;
	}
	s = sst_cache_enter_change(k->c);
	if (s == &k->c->change && (k->epoch == 0 || s->epoch == k->epoch)) {
		k->epoch = s->epoch;
		return s;
	}
	sst_cache_leave_change(k->c, s);
	return NULL;
}

static void
leave(struct intake *k, struct sst_db *s)
{
	if (k->in_memory)
		sst_cache_leave(k->c);
	else
		sst_cache_leave_change(k->c, s);
}

/* Compares with the active lists of the same scope; *ret_same: the very list. With
 * `flip` those that are older go out of use. SST_E_REFUSED: ours is older. */
static int
peers(struct intake *k, struct sst_db *s, int flip, int64_t *ret_same, struct sst_error *err)
{
	static const char *const refused = "the list is older than the one that is kept"
	    " of the same scope: a rollback";
	int64_t out[64];
	struct sst_list old;
	sqlite3_stmt *st;
	int n = 0, rc;

	st = sst_db_ask(s, peers_text, "bb", k->issuer, (size_t)SST_ISSUER_LEN,
	    k->head->scope_key, (size_t)32);
	while ((rc = sst_db_row(s, st)) == 1) {
		enum sst_crl_order order = SST_CRL_NEWER;

		rc = sst_list_read(s, st, &old);
		if (rc < 0)
			break;
		if (rc == 1)
			order = sst_crl_order(k->head, &old.head);
		if (order == SST_CRL_OLDER) {
			sst_db_done(st);
			return sst_fail(err, SST_E_REFUSED, "%s", refused);
		}
		if (order == SST_CRL_SAME) {
			*ret_same = old.id;
			k->same_level = old.head.level;
		}
		if (order != SST_CRL_TWIN && n < 64)
			out[n++] = old.id;
	}
	if (rc < 0) {
		sst_db_done(st);
		return rc;
	}
	for (int i = 0; flip && i < n; i++) {
		rc = sst_list_drop(s, out[i]);
		if (rc < 0)
			return rc;
	}
	return SST_OK;
}

static int
pack_head(struct intake *k, struct sst_db *s, uint8_t head[SST_HEAD_MAX], size_t *ret_len,
    uint8_t digest[SST_DIGEST_LEN])
{
	*ret_len = sst_head_pack(k->head, head);
	return sst_list_seal(s, k->issuer, k->now, k->url, head, *ret_len, digest);
}

/* 1: staged. 0: the same list is there already, and was renewed. */
static int
stage_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	uint8_t head[SST_HEAD_MAX], digest[SST_DIGEST_LEN];
	struct intake *k = arg;
	int64_t same = 0;
	size_t len = 0;
	int rc;

	rc = sst_issuer_hash(s, &k->head->issuer, k->issuer);
	if (rc == SST_OK)
		rc = peers(k, s, 0, &same, err);
	if (rc == SST_OK)
		rc = pack_head(k, s, head, &len, digest);
	if (rc < 0)
		return rc;
	/* A look-up met a damaged row in it: its rows are made anew. */
	for (unsigned i = 0; s == &c->change && i < c->n_bad; i++)
		if (c->bad[i] == same)
			same = 0;
	if (same != 0 && k->head->level < k->same_level)
		return SST_OK;
	if (same != 0)
		return sst_db_do(s, again_text, "iiitbb", same, k->head->until, k->now,
		    k->url, head, len, digest, (size_t)SST_DIGEST_LEN);
	rc = sst_db_do(s, stage_text, "bbiiitbb", k->issuer, (size_t)SST_ISSUER_LEN,
	    k->head->scope_key, (size_t)32, k->now, k->head->until,
	    (int64_t)k->head->size, k->url, head, len, digest, (size_t)SST_DIGEST_LEN);
	if (rc < 0)
		return rc;
	k->id = sqlite3_last_insert_rowid(s->db);
	return 1;
}

static int
slice_end(struct intake *k)
{
	struct sst_db *s = k->s;
	int rc;

	if (s == NULL)
		return SST_OK;
	rc = k->rc < 0 ? k->rc : sst_db_commit(s);
	k->code = s->code;
	sst_db_rollback(s);
	k->s = NULL;
	k->in_slice = 0;
	leave(k, s);
	return rc;
}

static int
bucket_put(struct intake *k, uint32_t bucket, const void *blob, size_t len)
{
	uint8_t digest[SST_DIGEST_LEN];
	int rc;

	if (k->in_slice >= SLICE) {
		rc = slice_end(k);
		if (rc < 0)
			return rc;
	}
	if (k->s == NULL) {
		k->s = enter(k);
		if (k->s == NULL) {
			k->code = SQLITE_ABORT;
			return SST_E_STATE;
		}
		rc = sst_db_write(k->s);
		if (rc < 0)
			return rc;
	}
	rc = sst_bucket_seal(k->s, k->head, bucket, blob, len, digest);
	if (rc == SST_OK)
		rc = sst_db_do(k->s, bucket_text, "ibb",
		    k->id << SST_BUCKET_BITS | (int64_t)bucket, blob, len, digest,
		    (size_t)SST_DIGEST_LEN);
	k->in_slice++;
	return rc;
}

/* Every bucket has its row, empty ones too. */
static int
bucket_each(void *arg, uint32_t bucket, const void *blob, size_t len)
{
	struct intake *k = arg;

	while (k->rc == SST_OK && k->next < bucket)
		k->rc = bucket_put(k, k->next++, "", 0);
	if (k->rc == SST_OK)
		k->rc = bucket_put(k, bucket, blob, len);
	k->next = bucket + 1;
	return k->rc;
}

static int
fill(struct intake *k, struct sst_error *err)
{
	int rc = sst_crl_index(k->crl, bucket_each, k, err), end;

	while (rc == SST_OK && k->next < (uint32_t)1 << k->head->bits)
		rc = k->rc = bucket_put(k, k->next++, "", 0);
	if (rc < 0 && k->rc == SST_OK)
		k->rc = rc;
	end = slice_end(k);
	return rc < 0 ? rc : end;
}

/* Lists of one issuer beyond its share make room for this one. */
static int
share(struct intake *k, struct sst_db *s)
{
	const int64_t bytes = (int64_t)(s->cap - s->cap / 4);
	int64_t n, id;
	int rc;

	for (int i = 0; i < 8; i++) {
		rc = sst_db_int(s, &n, most_text, "bii", k->issuer,
		    (size_t)SST_ISSUER_LEN, (int64_t)SST_LISTS_MAX, bytes);
		if (rc == 1)
			rc = sst_db_int(s, &id, least_text, "bi", k->issuer,
			    (size_t)SST_ISSUER_LEN, k->id);
		if (rc == 1)
			rc = sst_list_drop(s, id) < 0 ? SST_E_SYSTEM : 1;
		if (rc != 1)
			return rc;
	}
	return SST_OK;
}

static int
flip_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	struct intake *k = arg;
	int64_t same = 0;
	int rc;

	(void)c;
	rc = peers(k, s, 1, &same, err);
	if (rc == SST_OK)
		rc = sst_db_do(s, state_text, "ii", k->id, (int64_t)1);
	if (rc == SST_OK && sqlite3_changes(s->db) != 1)
		rc = sst_db_failed(s, SQLITE_ABORT);	/* swept by another process */
	if (rc == SST_OK)
		rc = share(k, s);
	return rc;
}

static int
drop_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const struct intake *k = arg;

	(void)c;
	(void)err;
	return sst_list_drop(s, k->id);
}

int
sst_list_drop(struct sst_db *s, int64_t id)
{
	return sst_db_do(s, state_text, "ii", id, (int64_t)2);
}

int
sst_list_sweep(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	int64_t id = 0, before = *(const int64_t *)arg;
	int rc = sst_db_int(s, &id, dead_text, "i", before);

	(void)c;
	(void)err;
	if (rc != 1)
		return rc;
	rc = sst_db_do(s, slice_text, "ii", id << SST_BUCKET_BITS,
	    (id + 1) << SST_BUCKET_BITS);
	if (rc == SST_OK && sqlite3_changes(s->db) == 0)
		rc = sst_db_do(s, gone_text, "i", id);
	return rc < 0 ? rc : 1;
}

/* One transaction of this intake's store. *ret_code: SQLite's, or 0. */
static int
run(struct intake *k, enum sst_bump what, int64_t now,
    int (*step)(struct sst_cache *, struct sst_db *, void *, struct sst_error *), void *arg,
    struct sst_error *err)
{
	struct sst_db *s = enter(k);
	int rc;

	if (s == NULL) {
		k->code = SQLITE_ABORT;
		return k->in_memory ? SST_E_NOMEM : SST_E_STATE;
	}
	rc = sst_cache_transaction(k->c, s, what, now, step, arg, err);
	k->code = s->code;
	leave(k, s);
	return rc;
}

/* Into the file or into memory. < 0 with k->code: the store's failure. */
static int
take_in(struct intake *k, struct sst_error *err)
{
	int64_t none = INT64_MIN, seen = k->head->this_update <= k->now &&
	    k->now < k->head->until ? k->now : 0;
	int rc = run(k, SST_BUMP_LISTS, seen, stage_step, k, err);

	if (rc <= 0)
		return rc;
	rc = fill(k, err);
	if (rc == SST_OK)
		rc = run(k, SST_BUMP_LISTS, 0, flip_step, k, err);
	if (rc < 0) {
		int code = k->code;

		(void)run(k, SST_BUMP_NONE, 0, drop_step, k, NULL);
		k->code = code;
		return rc;
	}
	while (run(k, SST_BUMP_NONE, 0, sst_list_sweep, &none, NULL) == 1)
		;
	k->code = 0;
	return SST_OK;
}

int
sst_cache_put_crl(struct sst_cache *c, const struct sst_crl *crl, const char *url,
    int64_t now, struct sst_error *err)
{
	const struct sst_crl_head *head = sst_crl_head(crl);
	struct intake k = { .c = c, .crl = crl, .head = head, .now = now };
	int rc, code = 0;

	if (head->size > c->size_cap - c->size_cap / 4)
		return sst_fail(err, SST_E_LIMIT, "a list of %llu octets is too large for"
		    " a cache of %llu", (unsigned long long)head->size,
		    (unsigned long long)c->size_cap);
	if (url != NULL)
		(void)sst_escape(k.url, sizeof(k.url), url, strlen(url));
	(void)sst_ans_notes(c);	/* a revocation that was met outlives its list */
	for (int tries = 0; tries < 3; tries++) {
		struct intake t = k;

		t.in_memory = tries == 2 || atomic_load(&c->mode) != SST_CACHE_WRITER;
		rc = take_in(&t, err);
		if (rc >= 0 || t.code == 0)
			return rc < 0 ? rc : SST_OK;
		code = t.code;
		if (t.in_memory)
			break;
		sst_error_clear(err);
		/* Busy, full, read-only: memory. Damaged or exchanged: once more. */
		if (!sst_cache_file_failed(c, t.code, t.epoch))
			tries = 1;
	}
	return sst_fail(err, SST_E_NOMEM, "the list cannot be kept: %s",
	    sqlite3_errstr(code));
}
