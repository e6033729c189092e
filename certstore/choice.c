/* SPDX-License-Identifier: ISC */
#include "choice.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"

struct sst_choice {
	atomic_int		 refs;
	enum sst_tier		 tier;
	int			 alert, degraded, revoked;
	uint64_t		 generation;
	time_t			 from, until;
	size_t			 n_ids, n_cands, bytes;
	struct sst_identity	*ids[SST_WINNERS_MAX];
	const char		*name;		/* in this block, like all text */
	struct sst_candidate	 cands[];
};

/* Copies `text` to *at and moves *at behind it. */
static const char *
pack(char **at, const char *text)
{
	const char *here = *at;
	size_t len = strlen(text) + 1;

	memcpy(*at, text, len);
	*at += len;
	return here;
}

struct sst_choice *
sst_choice_new(const struct sst_choice_parts *p)
{
	size_t n = p->n_ranked < SST_CANDIDATES_MAX ? p->n_ranked : SST_CANDIDATES_MAX;
	struct sst_choice *c;
	size_t bytes;
	char *at;

	bytes = sizeof(*c) + n * sizeof(c->cands[0]) + strlen(p->name) + 1;
	for (size_t i = 0; i < n; i++)
		bytes += strlen(p->ranked[i].row->path) +
		    strlen(p->ranked[i].row->key_type) + 2;
	c = calloc(1, bytes);
	if (c == NULL)
		return NULL;
	atomic_init(&c->refs, 1);
	c->tier = p->tier;
	c->alert = p->alert;
	c->degraded = p->degraded;
	c->revoked = p->revoked;
	c->generation = p->generation;
	c->from = p->from;
	c->until = p->until;
	c->bytes = bytes;
	c->n_cands = n;
	at = (char *)&c->cands[n];
	c->name = pack(&at, p->name);
	for (size_t i = 0; i < n; i++) {
		const struct sst_row *row = p->ranked[i].row;

		c->cands[i].source = pack(&at, row->path);
		c->cands[i].key_type = pack(&at, row->key_type);
		memcpy(c->cands[i].digest, row->digest, 32);
		c->cands[i].tier = row->tier;
		c->cands[i].dropped = p->ranked[i].dropped;	/* a literal */
		c->cands[i].not_before = row->not_before;
		c->cands[i].not_after = row->not_after;
	}
	for (size_t i = 0; i < p->n_ids; i++)
		c->ids[c->n_ids++] = sst_identity_ref(p->ids[i]);
	return c;
}

struct sst_choice *
sst_choice_rename(const struct sst_choice *old, const char *name)
{
	struct sst_row rows[SST_CANDIDATES_MAX];
	struct sst_ranked ranked[SST_CANDIDATES_MAX];

	for (size_t i = 0; i < old->n_cands; i++) {
		const struct sst_candidate *cand = &old->cands[i];

		/* the texts are only read: sst_choice_new() copies them */
		rows[i] = (struct sst_row){
			.path = (char *)(uintptr_t)cand->source,
			.key_type = (char *)(uintptr_t)cand->key_type,
			.tier = cand->tier,
			.not_before = cand->not_before,
			.not_after = cand->not_after,
		};
		memcpy(rows[i].digest, cand->digest, 32);
		ranked[i] = (struct sst_ranked){ .row = &rows[i],
		    .dropped = cand->dropped };
	}
	return sst_choice_new(&(struct sst_choice_parts){
		.name = name, .tier = old->tier, .alert = old->alert,
		.degraded = old->degraded, .revoked = old->revoked,
		.generation = old->generation,
		.from = old->from, .until = old->until,
		.ranked = ranked, .n_ranked = old->n_cands,
		.ids = old->ids, .n_ids = old->n_ids,
	});
}

struct sst_choice *
sst_choice_ref(struct sst_choice *c)
{
	(void)atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void
sst_choice_unref(struct sst_choice *c)
{
	if (c == NULL ||
	    atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < c->n_ids; i++)
		sst_identity_unref(c->ids[i]);
	free(c);
}

int
sst_choice_holds(const struct sst_choice *c, uint64_t generation, time_t now)
{
	return c->generation == generation && c->from <= now && now < c->until;
}

size_t
sst_choice_bytes(const struct sst_choice *c)
{
	return c->bytes;
}

int
sst_choice_stale(const struct sst_choice *c)
{
	for (size_t i = 0; i < c->n_ids; i++) {
		if (sst_identity_evicted(c->ids[i]))
			return 1;
	}
	return 0;
}

void
sst_choice_use(const struct sst_choice *c)
{
	for (size_t i = 0; i < c->n_ids; i++)
		sst_identity_use(c->ids[i]);
}

int
sst_choice_revoked(const struct sst_choice *c)
{
	return c->revoked;
}

enum sst_tier
sst_choice_tier(const struct sst_choice *c)
{
	return c->tier;
}

int
sst_choice_alert(const struct sst_choice *c)
{
	return c->alert;
}

uint64_t
sst_choice_generation(const struct sst_choice *c)
{
	return c->generation;
}

const char *
sst_choice_name(const struct sst_choice *c)
{
	return c->name;
}

size_t
sst_choice_count(const struct sst_choice *c)
{
	return c->n_ids;
}

const uint8_t *
sst_choice_digest(const struct sst_choice *c, size_t i)
{
	return sst_identity_digest(c->ids[i]);
}

struct sst_identity *
sst_choice_identity(const struct sst_choice *c, size_t i)
{
	return c->ids[i];
}

size_t
sst_choice_candidates(const struct sst_choice *c, const struct sst_candidate **ret_list)
{
	*ret_list = c->cands;
	return c->n_cands;
}

/* A buffer that counts on when it is full, as snprintf does. */
struct text {
	char	*buf;
	size_t	 size, len;
};

static void __attribute__((format(printf, 2, 3)))
say(struct text *t, const char *fmt, ...)
{
	size_t left = t->len < t->size ? t->size - t->len : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(left == 0 ? NULL : t->buf + t->len, left, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->len += (size_t)n;
}

static void
say_candidate(struct text *t, const struct sst_candidate *cand)
{
	char shown[512];

	say(t, "%s:%02x%02x%02x%02x", cand->key_type, cand->digest[0],
	    cand->digest[1], cand->digest[2], cand->digest[3]);
	say(t, "(%s", sst_escape(shown, sizeof(shown), cand->source,
	    strlen(cand->source)));
	if (cand->dropped != NULL)
		say(t, ": %s", cand->dropped);
	say(t, ")");
}

size_t
sst_choice_text(const struct sst_choice *c, char *buf, size_t size)
{
	static const char *const tiers[] = { "none", "exact", "wildcard", "ip",
	    "default" };
	struct text t = { buf, size, 0 };
	const char *lead;

	say(&t, "tier=%s name=%s generation=%llu", tiers[c->tier],
	    c->name[0] == '\0' ? "-" : c->name, (unsigned long long)c->generation);
	if (c->alert != 0)
		say(&t, " alert=%d", c->alert);
	if (c->degraded)
		say(&t, " degraded=yes");
	lead = " chosen=";
	for (size_t i = 0; i < c->n_cands; i++) {
		if (i == c->n_ids)
			lead = " dropped=";
		say(&t, "%s", lead);
		say_candidate(&t, &c->cands[i]);
		lead = ",";
	}
	return t.len;
}
