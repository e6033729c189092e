/* SPDX-License-Identifier: ISC */
/*
 * cache_look - the cache as a person looks at it: every row, sums, and removal.
 *
 * Rows are read a batch at a time and handed over with no lock held, so that
 * whoever prints them holds nobody up, and may call the cache.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "cache_inside.h"

#define BATCH	16

static const char answers_text[] = "SELECT " SST_ANS_COLUMNS ",size FROM answer"
	" WHERE (hash,kind)>(?1,?2) ORDER BY hash,kind LIMIT 16";
static const char lists_text[] = "SELECT " SST_LIST_COLUMNS ",size FROM list"
	" WHERE id>?1 AND state=1 ORDER BY id LIMIT 16";
static const char staples_text[] = "SELECT leaf,body,der,digest FROM staple"
	" WHERE leaf>?1 ORDER BY leaf LIMIT 16";
static const char sources_text[] = "SELECT url,body,digest,hash FROM source"
	" WHERE hash>?1 ORDER BY hash LIMIT 16";
static const char counts_text[] = "SELECT (SELECT count(*) FROM answer),"
	"(SELECT count(*) FROM list WHERE state=1),(SELECT count(*) FROM source),"
	"(SELECT count(*) FROM lease),(SELECT count(*) FROM staple),"
	"(SELECT count(*) FROM negative)";
static const char heads_text[] = "SELECT " SST_LIST_COLUMNS " FROM list WHERE state=1";
static const char purge_text[] = "DELETE FROM answer WHERE (hash,kind) IN(SELECT hash,kind"
	" FROM answer WHERE (?1=x'' OR issuer=?1) AND (?2 OR status<>2) LIMIT 256)";
static const char purge_lists_text[] = "UPDATE list SET state=2 WHERE state<>2"
	" AND (?1=x'' OR issuer=?1)";
static const char purge_sources_text[] = "DELETE FROM source";
static const char purge_negatives_text[] = "DELETE FROM negative";
static const char purge_staples_text[] = "DELETE FROM staple";

/* A batch, in memory of its own. */
struct batch {
	struct sst_cache_row row[BATCH];
	struct sst_evidence ev[BATCH];
	struct sst_source_state state[BATCH];
	struct sst_list	 list[BATCH];
	char		 url[BATCH][SST_ROW_MAX];
	int		 n;		/* rows that are sound */
	int		 read;		/* rows that were read */
	uint8_t		 hash[32];	/* where it ended */
	size_t		 hash_len;
	int64_t		 id;
};

static int
answers_read(struct sst_db *s, struct batch *b)
{
	sqlite3_stmt *st = sst_db_ask(s, answers_text, "bi", b->hash, b->hash_len, b->id);
	struct sst_ans a;
	int rc;

	while ((rc = sst_db_row(s, st)) == 1) {
		struct sst_cache_row *r = &b->row[b->n];

		rc = sst_ans_read(s, st, &a);
		b->hash_len = sst_db_blob(st, 0, b->hash, 32) == 0 ? 32 : 0;
		b->id = a.kind;
		b->read++;
		if (rc < 0 || b->hash_len == 0) {
			sst_db_done(st);
			return rc < 0 ? rc : sst_db_failed(s, SQLITE_CORRUPT);
		}
		if (rc == 0)
			continue;
		b->ev[b->n] = a.ev;
		*r = (struct sst_cache_row){ .kind = a.kind == SST_ANS_OCSP ? "ocsp" :
		    a.kind == SST_ANS_CRL ? "crl" : "local", .key = a.key,
		    .evidence = &b->ev[b->n], .url = b->ev[b->n].url,
		    .size = (uint64_t)sqlite3_column_int64(st, 8) };
		b->n++;
	}
	return rc;
}

static int
lists_read(struct sst_db *s, struct batch *b)
{
	sqlite3_stmt *st = sst_db_ask(s, lists_text, "i", b->id);
	int rc;

	while ((rc = sst_db_row(s, st)) == 1) {
		struct sst_cache_row *r = &b->row[b->n];
		struct sst_list *l = &b->list[b->n];
		struct sst_evidence *e = &b->ev[b->n];

		rc = sst_list_read(s, st, l);
		b->id = l->id;
		b->read++;
		if (rc < 0) {
			sst_db_done(st);
			return rc;
		}
		if (rc == 0)
			continue;
		*e = (struct sst_evidence){ .source = SST_SOURCE_CRL, .from_cache = 1,
		    .reason = -1, .this_update = l->head.this_update,
		    .next_update = l->head.next_update, .until = l->head.until,
		    .fetched_at = l->fetched_at };
		memcpy(e->signer, l->head.signer, 32);
		(void)strcpy(e->url, l->url);
		*r = (struct sst_cache_row){ .kind = "crl", .evidence = e, .crl = &l->head,
		    .url = e->url, .size = (uint64_t)sqlite3_column_int64(st, 8) };
		r->key.issuer = l->head.issuer;
		b->n++;
	}
	return rc;
}

static int
staples_read(struct sst_db *s, struct batch *b)
{
	sqlite3_stmt *st = sst_db_ask(s, staples_text, "b", b->hash, b->hash_len);
	const void *der;
	size_t len;
	int rc;

	while ((rc = sst_db_row(s, st)) == 1) {
		rc = sst_staple_read(s, st, &b->ev[b->n], &der, &len);
		b->hash_len = sst_db_blob(st, 0, b->hash, 32) == 0 ? 32 : 0;
		b->read++;
		if (rc < 0 || b->hash_len == 0) {
			sst_db_done(st);
			return rc < 0 ? rc : sst_db_failed(s, SQLITE_CORRUPT);
		}
		if (rc == 0)
			continue;
		b->row[b->n] = (struct sst_cache_row){ .kind = "staple",
		    .evidence = &b->ev[b->n], .url = b->ev[b->n].url, .size = len };
		b->n++;
	}
	return rc;
}

static int
sources_read(struct sst_db *s, struct batch *b)
{
	sqlite3_stmt *st = sst_db_ask(s, sources_text, "b", b->hash, b->hash_len);
	const char *url;
	int rc;

	while ((rc = sst_db_row(s, st)) == 1) {
		rc = sst_source_read(s, st, &url, &b->state[b->n]);
		b->hash_len = sst_db_blob(st, 3, b->hash, SST_DIGEST_LEN) == 0 ?
		    SST_DIGEST_LEN : 0;
		b->read++;
		if (rc < 0 || b->hash_len == 0) {
			sst_db_done(st);
			return rc < 0 ? rc : sst_db_failed(s, SQLITE_CORRUPT);
		}
		if (rc == 0 || strlen(url) >= sizeof(b->url[0]))
			continue;
		(void)strcpy(b->url[b->n], url);
		b->row[b->n] = (struct sst_cache_row){ .kind = "source",
		    .state = &b->state[b->n], .url = b->url[b->n],
		    .size = b->state[b->n].bytes };
		b->n++;
	}
	return rc;
}

typedef int read_fn(struct sst_db *, struct batch *);

/* One kind of row in one store. */
static int
each_of(struct sst_cache *c, int memory, read_fn *read, struct batch *b,
    int (*each)(void *, const struct sst_cache_row *), void *arg)
{
	struct sst_db *s = memory ? &c->mem : &c->look;
	int rc;

	b->hash_len = 0;
	b->id = 0;
	do {
		b->n = b->read = 0;
		sst_cache_enter(c);
		rc = s->db == NULL ? SST_OK : sst_db_begin(s);
		if (rc == SST_OK && s->db != NULL) {
			rc = read(s, b);
			sst_db_end(s);
		}
		if (rc < 0)
			rc = sst_cache_look_failed(c, s);
		sst_cache_leave(c);
		for (int i = 0; rc == SST_OK && i < b->n; i++)
			rc = each(arg, &b->row[i]);
	} while (rc == SST_OK && b->read == BATCH);
	return rc;
}

int
sst_cache_each(struct sst_cache *c, int64_t now,
    int (*each)(void *arg, const struct sst_cache_row *), void *arg, struct sst_error *err)
{
	static read_fn *const kinds[] = { answers_read, lists_read, staples_read, sources_read };
	struct batch *b = calloc(1, sizeof(*b));
	int rc = SST_OK;

	(void)now;
	if (b == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	(void)sst_ans_notes(c);
	for (size_t i = 0; rc == SST_OK && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (int memory = 0; rc == SST_OK && memory < 2; memory++)
			rc = each_of(c, memory, kinds[i], b, each, arg);
	free(b);
	return rc < 0 ? sst_fail(err, rc, "the cache cannot be read to its end") : rc;
}

static int
count(struct sst_db *s, struct sst_cache_stats *ret)
{
	sqlite3_stmt *st = sst_db_ask(s, counts_text, "");
	struct sst_list *list;
	int rc = sst_db_row(s, st);

	if (rc != 1)
		return rc;
	ret->answers += (uint64_t)sqlite3_column_int64(st, 0);
	ret->lists += (uint64_t)sqlite3_column_int64(st, 1);
	ret->sources += (uint64_t)sqlite3_column_int64(st, 2);
	ret->leases += (uint64_t)sqlite3_column_int64(st, 3);
	ret->staples += (uint64_t)sqlite3_column_int64(st, 4);
	ret->negatives += (uint64_t)sqlite3_column_int64(st, 5);
	sst_db_done(st);
	ret->bytes += sst_db_bytes(s);
	list = malloc(sizeof(*list));
	if (list == NULL)
		return SST_E_NOMEM;
	st = sst_db_ask(s, heads_text, "");
	while ((rc = sst_db_row(s, st)) == 1)
		if (sst_list_read(s, st, list) == 1)
			ret->entries += list->head.entries;
	free(list);
	return rc;
}

int
sst_cache_stats(struct sst_cache *c, struct sst_cache_stats *ret, struct sst_error *err)
{
	struct sst_db *const stores[] = { &c->look, &c->mem };
	struct sst_cache_stats sum = { .schema = SST_CACHE_SCHEMA };
	int rc = SST_OK;

	(void)sst_ans_notes(c);
	sst_cache_enter(c);
	for (size_t i = 0; rc == SST_OK && i < 2; i++) {
		if (stores[i]->db == NULL)
			continue;
		rc = sst_db_begin(stores[i]);
		if (rc == SST_OK) {
			rc = count(stores[i], &sum);
			sst_db_end(stores[i]);
		}
		if (rc < 0)
			rc = sst_cache_look_failed(c, stores[i]);
	}
	sst_cache_leave(c);
	if (rc < 0)
		return sst_fail(err, rc, "the cache cannot be read");
	sum.generation = atomic_load(&c->generation);
	sum.hits = atomic_load(&c->hits);
	sum.misses = atomic_load(&c->misses);
	sum.damaged = atomic_load(&c->damaged);
	sum.busy = atomic_load(&c->busy);
	*ret = sum;
	return SST_OK;
}

struct purge {
	const struct sst_issuer_id *issuer;
	int64_t	revoked_too;
	int	n;
};

static int
purge_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	struct purge *p = arg;
	uint8_t issuer[SST_ISSUER_LEN];
	size_t len = p->issuer == NULL ? 0 : SST_ISSUER_LEN;
	int rc = SST_OK, n;

	(void)c;
	(void)err;
	if (p->issuer != NULL)
		rc = sst_issuer_hash(s, p->issuer, issuer);
	if (rc == SST_OK)
		rc = sst_db_do(s, purge_text, "bi", issuer, len, p->revoked_too);
	if (rc < 0)
		return rc;
	n = sqlite3_changes(s->db);
	p->n += n;
	if (n > 0)
		return 1;
	rc = sst_db_do(s, purge_lists_text, "b", issuer, len);
	if (rc == SST_OK)
		p->n += sqlite3_changes(s->db);
	if (rc == SST_OK && p->issuer == NULL) {
		rc = sst_db_do(s, purge_sources_text, "");
		if (rc == SST_OK)
			rc = sst_db_do(s, purge_negatives_text, "");
		if (rc == SST_OK)
			rc = sst_db_do(s, purge_staples_text, "");
	}
	return rc;
}

int
sst_cache_purge(struct sst_cache *c, const struct sst_issuer_id *issuer, int revoked_too,
    struct sst_error *err)
{
	struct purge p = { issuer, revoked_too != 0, 0 };
	int64_t none = INT64_MIN;
	int rc = sst_ans_notes(c);

	if (rc == SST_OK)
		do {
			rc = sst_cache_change(c, SST_BUMP_LISTS, 0, purge_step, &p, err);
		} while (rc == 1);
	if (rc == SST_OK)
		do {
			rc = sst_cache_change(c, SST_BUMP_NONE, 0, sst_list_sweep, &none, err);
		} while (rc == 1);
	for (int more = 1; rc == SST_OK && more == 1; ) {
		sst_cache_enter(c);
		more = c->mem.db == NULL || c->change.db == NULL ? 0 :
		    sst_cache_transaction(c, &c->mem, SST_BUMP_LISTS, 0, purge_step, &p, err);
		if (more < 0)
			rc = more;
		sst_cache_leave(c);
	}
	return rc < 0 ? rc : p.n;
}
