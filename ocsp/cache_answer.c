/* SPDX-License-Identifier: ISC */
/*
 * cache_answer - what was learned about one certificate, a row of each kind:
 * a response's answer (stapled or fetched), a revocation that was met in a list,
 * and the operator's word.
 *
 * Always true:
 *   1. Whether an answer takes the place of another is decided by sst_ans_wins()
 *      within the transaction that writes it.
 *   2. A row whose digest does not match is not there: it is no answer, and it
 *      does not keep a new one out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "cache_inside.h"

#define HOLD	6	/* certificateHold */

static const char one_text[] =
	"SELECT " SST_ANS_COLUMNS " FROM answer WHERE hash=?1 AND kind=?2";
static const char some_text[] = "SELECT " SST_ANS_COLUMNS " FROM answer LIMIT 64";
static const char drop_text[] = "DELETE FROM answer WHERE hash=?1 AND kind=?2";
static const char put_text[] =
	"INSERT INTO answer(" SST_ANS_COLUMNS ",size) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9)"
	" ON CONFLICT(hash,kind) DO UPDATE SET issuer=?3,status=?4,ends=?5,used=?6,"
	"body=?7,digest=?8,size=?9";
static const char der_text[] = "INSERT INTO der VALUES(?1,?2,?3)"
	" ON CONFLICT(hash,kind) DO UPDATE SET der=?3";
static const char no_der_text[] = "DELETE FROM der WHERE hash=?1 AND kind=?2";
static const char asked_text[] = "DELETE FROM negative WHERE hash=?1";

static int
is_hold(const struct sst_evidence *e)
{
	return e->status == SST_EV_REVOKED && e->reason == HOLD && !e->not_issued;
}

int
sst_ans_final(const struct sst_evidence *e)
{
	return e->status == SST_EV_REVOKED && !is_hold(e);
}

static int
strictness(const struct sst_evidence *e)
{
	return e->status == SST_EV_GOOD ? 0 : e->status == SST_EV_UNKNOWN ? 1 : 2;
}

int
sst_ans_wins(const struct sst_evidence *new, const struct sst_evidence *old)
{
	if (new->source == SST_SOURCE_LOCAL)
		return 1;	/* the operator may change their mind */
	if (sst_ans_final(old))
		return sst_ans_final(new) && new->this_update >= old->this_update;
	if (sst_ans_final(new))
		return 1;
	if (new->this_update != old->this_update)
		return new->this_update > old->this_update;
	if (strictness(new) != strictness(old))
		return strictness(new) > strictness(old);
	return new->level >= old->level;
}

/* The same once more, held to less. */
static int
is_weaker_twin(const struct sst_evidence *new, const struct sst_evidence *old)
{
	return new->status == old->status && new->this_update == old->this_update &&
	    new->level < old->level;
}

static int
seal(struct sst_db *s, const struct sst_ans *a, const uint8_t issuer[SST_ISSUER_LEN],
    const void *body, size_t len, uint8_t ret[SST_DIGEST_LEN])
{
	const int64_t ints[] = { a->kind, a->ev.status, a->ends };
	const struct sst_span spans[] = { { a->hash, 32 }, { issuer, SST_ISSUER_LEN },
	    { body, len } };

	return sst_db_digest(s, 'A', ints, 3, spans, 3, ret);
}

int
sst_ans_read(struct sst_db *s, sqlite3_stmt *st, struct sst_ans *ret)
{
	uint8_t issuer[SST_ISSUER_LEN], is[SST_DIGEST_LEN], want[SST_DIGEST_LEN];
	const void *body = sqlite3_column_blob(st, 6);
	size_t len = (size_t)sqlite3_column_bytes(st, 6);
	int64_t status = sqlite3_column_int64(st, 3);

	memset(ret, 0, sizeof(*ret));
	ret->kind = (int)sqlite3_column_int64(st, 1);
	ret->ends = sqlite3_column_int64(st, 4);
	ret->used = sqlite3_column_int64(st, 5);
	if (sst_db_blob(st, 0, ret->hash, 32) < 0 ||
	    sst_db_blob(st, 2, issuer, SST_ISSUER_LEN) < 0 ||
	    sst_db_blob(st, 7, is, SST_DIGEST_LEN) < 0 ||
	    body == NULL || sst_evidence_unpack(body, len, &ret->key, &ret->ev) < 0 ||
	    ret->ev.status != status)
		return 0;
	if (seal(s, ret, issuer, body, len, want) < 0)
		return SST_E_NOMEM;
	return memcmp(is, want, SST_DIGEST_LEN) == 0;
}

/* `size`: of what is kept beside the row. */
static int
ans_write(struct sst_db *s, const struct sst_ans *a, size_t size)
{
	uint8_t issuer[SST_ISSUER_LEN], digest[SST_DIGEST_LEN], body[SST_ROW_MAX];
	size_t len = sst_evidence_pack(&a->key, &a->ev, body);
	int rc = sst_issuer_hash(s, &a->key.issuer, issuer);

	if (rc == SST_OK)
		rc = seal(s, a, issuer, body, len, digest);
	if (rc == SST_OK)
		rc = sst_cache_room(s, issuer);
	if (rc == SST_OK)
		rc = sst_db_do(s, put_text, "bibiiibbi", a->hash, (size_t)32,
		    (int64_t)a->kind, issuer, (size_t)SST_ISSUER_LEN,
		    (int64_t)a->ev.status, a->ends, a->used, body, len, digest,
		    (size_t)SST_DIGEST_LEN, (int64_t)(len + size));
	return rc;
}

/* The row of `key`, if there is one and it is sound. 1, 0, < 0. */
static int
ans_get(struct sst_db *s, const struct sst_cert_key *key, const uint8_t hash[32], int kind,
    struct sst_ans *ret)
{
	sqlite3_stmt *st = sst_db_ask(s, one_text, "bi", hash, (size_t)32, (int64_t)kind);
	int rc = sst_db_row(s, st);

	if (rc != 1)
		return rc;
	rc = sst_ans_read(s, st, ret);
	sst_db_done(st);
	if (rc == 1 && (memcmp(ret->hash, hash, 32) != 0 ||
	    sst_cert_key_cmp(&ret->key, key) != 0))
		rc = 0;
	return rc;
}

int
sst_ans_put(struct sst_db *s, const struct sst_ans *a, const void *der, size_t len,
    struct sst_error *err)
{
	struct sst_ans old;
	int rc = ans_get(s, &a->key, a->hash, a->kind, &old);

	if (rc < 0)
		return rc;
	if (rc == 1 && !sst_ans_wins(&a->ev, &old.ev)) {
		if (sst_ans_final(&a->ev) || is_weaker_twin(&a->ev, &old.ev))
			return SST_OK;	/* says nothing new */
		if (sst_ans_final(&old.ev))
			return sst_fail(err, SST_E_REFUSED, "the certificate is"
			    " recorded as revoked, and stays so until it ends");
		return sst_fail(err, SST_E_REFUSED, "evidence of %lld is older than"
		    " what is known, of %lld", (long long)a->ev.this_update,
		    (long long)old.ev.this_update);
	}
	rc = ans_write(s, a, len);
	if (rc == SST_OK && len > 0)
		rc = sst_db_do(s, der_text, "bib", a->hash, (size_t)32,
		    (int64_t)a->kind, der, len);
	else if (rc == SST_OK)
		rc = sst_db_do(s, no_der_text, "bi", a->hash, (size_t)32,
		    (int64_t)a->kind);
	if (rc == SST_OK)	/* it was answered: what failed before is over */
		rc = sst_db_do(s, asked_text, "b", a->hash, (size_t)32);
	return rc;
}

struct put {
	struct sst_ans	 ans;
	const void	*der;
	size_t		 len;
};

static int
put_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const struct put *p = arg;

	(void)c;
	return sst_ans_put(s, &p->ans, p->der, p->len, err);
}

static enum sst_ans_kind
kind_of(enum sst_evidence_source source)
{
	return source == SST_SOURCE_LOCAL ? SST_ANS_LOCAL :
	    source == SST_SOURCE_CRL ? SST_ANS_CRL : SST_ANS_OCSP;
}

/* 1: it would change nothing worth a write: a stapled answer comes with every
 * connection. */
static int
is_known(struct sst_cache *c, const struct sst_ans *a)
{
	struct sst_db *all[] = { &c->look, &c->mem };
	struct sst_ans old;
	int known = 0;

	sst_cache_enter(c);
	for (size_t i = 0; i < 2 && !known; i++) {
		if (all[i]->db == NULL || sst_db_begin(all[i]) < 0)
			continue;
		known = ans_get(all[i], &a->key, a->hash, a->kind, &old) == 1 &&
		    old.ev.status == a->ev.status && old.ev.reason == a->ev.reason &&
		    old.ev.this_update == a->ev.this_update &&
		    old.ev.until == a->ev.until && old.ends == a->ends &&
		    old.ev.level >= a->ev.level &&
		    a->ev.fetched_at <= old.ev.fetched_at;
		sst_db_end(all[i]);
	}
	sst_cache_leave(c);
	return known;
}

int
sst_cache_put(struct sst_cache *c, const struct sst_cert_key *key, int64_t not_after,
    const struct sst_evidence *ev, const void *der, size_t len, int64_t now,
    struct sst_error *err)
{
	struct put p = { .ans = { .kind = kind_of(ev->source), .ends = not_after,
	    .used = now, .key = *key, .ev = *ev }, .der = der, .len = der == NULL ? 0 : len };
	int fresh = ev->this_update <= now && now < ev->until;

	if (key->serial_len > SST_SERIAL_MAX || (ev->status != SST_EV_REVOKED &&
	    (p.ans.kind == SST_ANS_CRL ||
	    (ev->status != SST_EV_GOOD && ev->status != SST_EV_UNKNOWN))))
		return sst_fail(err, SST_E_USAGE, "this evidence is not kept: it says"
		    " nothing about one certificate");
	p.ans.ev.fault = SST_FAULT_NONE;
	sst_cert_key_hash(key, p.ans.hash);
	if (p.len == 0 && is_known(c, &p.ans))
		return SST_OK;
	if (p.len != 0 && ev->fetched_at == 0 && is_known(c, &p.ans))
		return SST_OK;
	return sst_cache_change(c, SST_BUMP_ANSWERS, fresh ? now : 0, put_step, &p, err);
}

struct noted {
	struct sst_note	*list;
	unsigned	 n;
};

static int
notes_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const struct noted *t = arg;
	struct sst_ans a;
	int rc;

	(void)c;
	(void)err;
	for (unsigned i = 0; i < t->n; i++) {
		a = (struct sst_ans){ .kind = SST_ANS_CRL, .ends = t->list[i].ends,
		    .used = t->list[i].ev.fetched_at, .key = t->list[i].key,
		    .ev = t->list[i].ev };
		sst_cert_key_hash(&a.key, a.hash);
		rc = sst_ans_put(s, &a, NULL, 0, NULL);
		if (rc < 0 && rc != SST_E_REFUSED)
			return rc;
	}
	return SST_OK;
}

int
sst_ans_notes(struct sst_cache *c)
{
	struct noted t = { NULL, 0 };
	int rc;

	sst_cache_enter(c);
	t.n = c->n_notes;
	if (t.n > 0)
		t.list = malloc(t.n * sizeof(*t.list));
	if (t.list != NULL)
		memcpy(t.list, c->notes, t.n * sizeof(*t.list));
	sst_cache_leave(c);
	if (t.n == 0)
		return SST_OK;
	if (t.list == NULL)
		return SST_E_NOMEM;
	rc = sst_cache_change(c, SST_BUMP_ANSWERS, 0, notes_step, &t, NULL);
	free(t.list);
	if (rc < 0)
		return rc;
	sst_cache_enter(c);
	c->n_notes -= t.n;
	memmove(c->notes, c->notes + t.n, c->n_notes * sizeof(*c->notes));
	sst_cache_leave(c);
	return SST_OK;
}

/* Answers of `mem`, at most 64. Returns how many, or < 0. */
static int
take_some(struct sst_cache *c, struct put *list)
{
	sqlite3_stmt *st;
	int n = 0, rc;

	sst_cache_enter(c);
	if (c->mem.db == NULL || sst_db_begin(&c->mem) < 0) {
		sst_cache_leave(c);
		return 0;
	}
	st = sst_db_ask(&c->mem, some_text, "");
	while ((rc = sst_db_row(&c->mem, st)) == 1)
		if (sst_ans_read(&c->mem, st, &list[n].ans) == 1)
			n++;
	sst_db_end(&c->mem);
	sst_cache_leave(c);
	return rc < 0 ? rc : n;
}

static int
drop_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const struct put *p = arg;

	(void)c;
	(void)err;
	return sst_db_do(s, drop_text, "bi", p->ans.hash, (size_t)32,
	    (int64_t)p->ans.kind);
}

int
sst_ans_move(struct sst_cache *c)
{
	struct put *list;
	struct sst_db *s;
	int n, moved = 0;

	if (atomic_load(&c->mode) != SST_CACHE_WRITER)
		return 0;
	list = calloc(64, sizeof(*list));
	if (list == NULL)
		return SST_E_NOMEM;
	n = take_some(c, list);
	for (int i = 0; i < n; i++) {
		int rc = SST_E_SYSTEM;

		s = sst_cache_enter_change(c);
		if (s == &c->change)
			rc = sst_cache_transaction(c, s, SST_BUMP_ANSWERS, 0, put_step,
			    &list[i], NULL);
		sst_cache_leave_change(c, s);
		if (rc < 0 && rc != SST_E_REFUSED)
			break;
		sst_cache_enter(c);
		rc = sst_cache_transaction(c, &c->mem, SST_BUMP_NONE, 0, drop_step,
		    &list[i], NULL);
		sst_cache_leave(c);
		if (rc < 0)
			break;
		moved++;
	}
	free(list);
	return moved;
}
