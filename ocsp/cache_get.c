/* SPDX-License-Identifier: ISC */
/*
 * cache_get - what is known about one certificate.
 *
 *	answers of the file and of memory, the stronger of each kind, then
 *	lists in scope, then other direct lists of the issuer that name the serial
 *
 * Always true:
 *   1. Reading does not wait: busy is SST_E_TIMEOUT, unless memory has a
 *      revocation, which nothing else could make milder.
 *   2. A damaged row is no evidence. A list with a damaged bucket says nothing.
 *   3. A REVOKED is never left out for want of room in the caller's list.
 */
#include <string.h>

#include "cache_inside.h"

#define USED_STEP	3600	/* "used" is that exact */

static const char answers_text[] = "SELECT " SST_ANS_COLUMNS " FROM answer WHERE hash=?1";

struct look {
	struct sst_cache *c;
	const struct sst_cert_key *key;
	const struct sst_cert_facts *facts;	/* NULL: is it revoked, no more */
	const struct sst_limits *limits;
	int64_t		 now;
	uint8_t		 hash[32];
	struct sst_evidence *list;
	size_t		 n, max;
	int		 kinds[3];	/* of the first pieces: answers */
	int		 revoked;	/* some piece says so */
	int		 final;		/* an answer says so, for good */
};

static void
add(struct look *l, const struct sst_evidence *e)
{
	size_t at = l->n;

	if (e->status == SST_EV_REVOKED)
		l->revoked = 1;
	if (at == l->max) {
		while (at > 0 && l->list[at - 1].status == SST_EV_REVOKED)
			at--;
		if (e->status != SST_EV_REVOKED || at == 0)
			return;
		at--;
	} else {
		l->n++;
	}
	l->list[at] = *e;
	l->list[at].from_cache = 1;
}

static void
used(struct look *l, struct sst_db *s, const uint8_t *hash, int64_t id, int64_t last)
{
	struct sst_cache *c = l->c;

	if (s != &c->look || last > l->now - USED_STEP ||
	    c->n_used == sizeof(c->used) / sizeof(c->used[0]))
		return;
	c->used[c->n_used].id = id;
	if (hash != NULL)
		memcpy(c->used[c->n_used].hash, hash, 32);
	c->n_used++;
}

/* One store's answers, merged with those of the other by kind. */
static int
answers(struct look *l, struct sst_db *s)
{
	sqlite3_stmt *st = sst_db_ask(s, answers_text, "b", l->hash, (size_t)32);
	struct sst_ans a;
	size_t i;
	int rc;

	while ((rc = sst_db_row(s, st)) == 1) {
		rc = sst_ans_read(s, st, &a);
		if (rc < 0) {
			sst_db_done(st);
			return rc;
		}
		if (rc == 0 || memcmp(a.hash, l->hash, 32) != 0 ||
		    sst_cert_key_cmp(&a.key, l->key) != 0) {
			atomic_fetch_add(&l->c->damaged, 1);
			continue;
		}
		used(l, s, a.hash, 0, a.used);
		l->final |= sst_ans_final(&a.ev);
		for (i = 0; i < l->n && l->kinds[i] != a.kind; i++)
			;
		if (i < l->n && !sst_ans_wins(&a.ev, &l->list[i]))
			continue;
		if (i < l->n) {
			l->list[i] = a.ev;
			l->list[i].from_cache = 1;
			l->revoked |= a.ev.status == SST_EV_REVOKED;
			continue;
		}
		if (l->n < 3 && l->n < l->max)
			l->kinds[l->n] = a.kind;
		add(l, &a.ev);
	}
	return rc;
}

/* What is met in a list stays when the list goes. */
static void
note(struct look *l, const struct sst_evidence *e)
{
	struct sst_cache *c = l->c;

	if (l->final || !sst_ans_final(e) || l->facts->not_after < l->now ||
	    c->n_notes == SST_NOTES)
		return;
	for (unsigned i = 0; i < c->n_notes; i++)
		if (sst_cert_key_cmp(&c->notes[i].key, l->key) == 0)
			return;
	c->notes[c->n_notes].key = *l->key;
	c->notes[c->n_notes].ends = l->facts->not_after;
	c->notes[c->n_notes].ev = *e;
	c->n_notes++;
}

/* 1: something was found; 0: not; SST_E_MALFORMED: damaged, which says nothing. */
static int
one_list(struct look *l, struct sst_db *s, const struct sst_list *list, int in_scope)
{
	struct sst_crl_entry entry;
	struct sst_evidence e;
	int rc = sst_list_find(l->c, s, list, l->key, &entry);

	if (rc < 0 || (rc == 0 && !in_scope))
		return rc;
	if (l->facts == NULL) {
		l->revoked |= entry.reason != 8;
		return rc;
	}
	sst_crl_evidence(&list->head, l->facts, rc == 1 ? &entry : NULL, l->now,
	    l->limits, &e);
	if (!in_scope && e.status != SST_EV_REVOKED)
		return rc;
	e.fetched_at = list->fetched_at;
	(void)strcpy(e.url, list->url);
	note(l, &e);
	add(l, &e);
	used(l, s, NULL, list->id, list->used);
	return rc;
}

static int
lists(struct look *l, struct sst_db *s)
{
	const struct sst_heads *heads;
	const struct sst_list *list;
	const char *why;
	uint32_t covered;
	int others = 0, in_scope, rc = sst_heads_of(l->c, s, &l->key->issuer, &heads);

	for (int pass = 0; rc == SST_OK && pass < 2; pass++) {
		for (size_t i = 0; rc == SST_OK && i < heads->n; i++) {
			list = &heads->list[i];
			in_scope = l->facts != NULL && sst_crl_scope(&list->head, l->facts,
			    &covered, &why) != SST_SCOPE_OUT;
			if (in_scope == pass || (!in_scope &&
			    (list->head.indirect || others++ >= SST_OTHER_LISTS)))
				continue;
			rc = one_list(l, s, list, in_scope);
			if (rc == 1 || rc == SST_E_MALFORMED)
				rc = s->code == 0 ? SST_OK : rc;
		}
	}
	return rc;
}

/* Both stores: answers first. mu is held. */
static int
look(struct look *l)
{
	struct sst_db *const stores[] = { &l->c->look, &l->c->mem };
	int open[2] = { 0, 0 }, rc, worst = SST_OK;

	for (size_t i = 0; i < 4; i++) {
		struct sst_db *s = stores[i % 2];

		if (s->db == NULL || (i >= 2 && !open[i % 2]))
			continue;
		rc = SST_OK;
		if (i < 2) {
			rc = sst_db_begin(s);
			open[i] = rc == SST_OK;
		}
		if (rc == SST_OK)
			rc = i < 2 ? answers(l, s) : lists(l, s);
		if (rc < 0) {
			rc = sst_cache_look_failed(l->c, s);
			if (rc != SST_E_MALFORMED)
				worst = rc;
		}
	}
	for (size_t i = 0; i < 2; i++)
		if (open[i])
			sst_db_end(stores[i]);
	return worst;
}

/* Takes a look and, where that met damage, another one in the mended file. */
static int
look_twice(struct look *l)
{
	const struct look first = *l;
	int rc, hurt;

	for (int tries = 0; ; tries++) {
		sst_cache_enter(l->c);
		rc = look(l);
		if (rc == SST_OK && atomic_load(&l->c->opening))
			rc = SST_E_TIMEOUT;
		hurt = l->c->hurt;
		sst_cache_leave(l->c);
		/* What was there may be lost: "nothing is known" would be a lie. */
		if (rc == SST_OK && l->n == 0 && (hurt || tries > 0))
			rc = SST_E_MALFORMED;
		if (!hurt || tries > 0 || !sst_cache_mend_soon(l->c))
			return rc;
		*l = first;
	}
}

int
sst_cache_get(struct sst_cache *c, const struct sst_cert_facts *facts, int64_t now,
    const struct sst_limits *limits, struct sst_evidence *list, size_t max)
{
	struct look l = { .c = c, .key = &facts->key, .facts = facts, .limits = limits,
	    .now = now, .list = list, .max = max };
	int rc;

	if (max == 0)
		return 0;
	sst_cert_key_hash(l.key, l.hash);
	rc = look_twice(&l);
	atomic_fetch_add(l.n > 0 ? &c->hits : &c->misses, 1);
	return rc < 0 && !l.revoked ? rc : (int)l.n;
}

int
sst_cache_revoked(struct sst_cache *c, const struct sst_cert_key *key, int64_t now)
{
	struct sst_evidence list[3];
	struct look l = { .c = c, .key = key, .now = now, .list = list, .max = 3 };

	sst_cert_key_hash(key, l.hash);
	(void)look_twice(&l);
	return l.revoked;
}
