/* SPDX-License-Identifier: ISC */
#include "choose.h"

#include <limits.h>
#include <string.h>

#include "key.h"

enum when { WHEN_VALID, WHEN_BARE, WHEN_EARLY, WHEN_EXPIRED, WHEN_REVOKED, WHENS };

static enum when
when(const struct sst_ranked *r, time_t now)
{
	const struct sst_row *row = r->row;

	if (r->revoked)
		return WHEN_REVOKED;
	if (now < row->not_before)
		return WHEN_EARLY;
	if (now > row->not_after)
		return WHEN_EXPIRED;
	return r->bare ? WHEN_BARE : WHEN_VALID;
}

/* OpenSSL installs one certificate a slot; all curves share one. */
static size_t
slot(int kind)
{
	switch (kind) {
	case SST_KEY_RSA:
		return 0;
	case SST_KEY_RSA_PSS:
		return 1;
	case SST_KEY_ED25519:
		return 3;
	case SST_KEY_ED448:
		return 4;
	default:
		return 2;
	}
}

static int
own_hash(int kind, uint32_t kinds)
{
	return (kinds >> SST_KEY_KINDS >> kind & 1) != 0;
}

/* Whether `a` goes before `b`, both of one slot and one tier. */
static int
better(const struct sst_ranked *ra, const struct sst_ranked *rb, uint32_t kinds,
    time_t now)
{
	const struct sst_row *a = ra->row, *b = rb->row;
	enum when wa = when(ra, now), wb = when(rb, now);
	int d;

	if (wa != wb)
		return wa < wb;
	if (a->kind != b->kind) {
		if (own_hash(a->kind, kinds) != own_hash(b->kind, kinds))
			return own_hash(a->kind, kinds);
		return a->kind < b->kind;	/* the smaller curve is the faster */
	}
	if (wa == WHEN_EARLY && a->not_before != b->not_before)
		return a->not_before < b->not_before;
	if (a->not_after != b->not_after)
		return a->not_after > b->not_after;
	d = memcmp(a->digest, b->digest, sizeof(a->digest));
	if (d != 0)
		return d < 0;
	return strcmp(a->path, b->path) < 0;
}

/* Narrows the span in which the answer stays what it is. */
static void
span(struct sst_rank *rank, const struct sst_row *row, time_t now)
{
	const time_t edges[] = { row->not_before, row->not_after + 1 };

	for (size_t i = 0; i < 2; i++) {
		if (edges[i] <= now && edges[i] > rank->from)
			rank->from = edges[i];
		if (edges[i] > now && edges[i] < rank->until)
			rank->until = edges[i];
	}
}

/* Marks the winners of one tier. Returns their number. */
static size_t
tier_pick(struct sst_ranked *v, size_t n, enum sst_tier tier, uint32_t kinds,
    time_t now, const int *allowed, size_t *winners)
{
	size_t won = 0, at[SST_WINNERS_MAX];
	int have[SST_WINNERS_MAX] = { 0 };

	for (size_t i = 0; i < n; i++) {
		const struct sst_row *row = v[i].row;
		size_t s = slot(row->kind);

		if (v[i].dropped != NULL || row->tier != tier ||
		    !allowed[when(&v[i], now)])
			continue;
		if (!have[s] || better(&v[i], &v[at[s]], kinds, now)) {
			at[s] = i;
			have[s] = 1;
		}
	}
	for (size_t s = 0; s < SST_WINNERS_MAX; s++) {
		if (have[s])
			winners[won++] = at[s];
	}
	return won;
}

/* Says of every candidate that did not win why. */
static void
reasons(struct sst_ranked *v, size_t n, const struct sst_rank *rank, time_t now)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].dropped != NULL)
			continue;
		if (v[i].revoked)
			v[i].dropped = "revoked";
		else if (when(&v[i], now) == WHEN_EXPIRED)
			v[i].dropped = "expired";
		else if (when(&v[i], now) == WHEN_EARLY)
			v[i].dropped = "not yet valid";
		else if (v[i].bare)
			v[i].dropped = "the staple that it demands is not there";
		else if (v[i].row->tier != rank->tier)
			v[i].dropped = "a more exact name is served";
		else
			v[i].dropped = "another of its key type goes first";
	}
}

/* Brings the winners to the front, in the order of their slots. */
static void
winners_first(struct sst_ranked *v, size_t *winners, size_t won)
{
	struct sst_ranked swap;

	for (size_t w = 0; w < won; w++) {
		swap = v[w];
		v[w] = v[winners[w]];
		v[winners[w]] = swap;
		/* a later winner that stood at `w` has moved */
		for (size_t k = w + 1; k < won; k++) {
			if (winners[k] == w)
				winners[k] = winners[w];
		}
	}
	for (size_t i = 0; i < won; i++)
		v[i].dropped = NULL;
}

void
sst_choose_rank(struct sst_ranked *v, size_t n, uint32_t kinds, time_t now,
    const struct sst_choose_policy *policy, struct sst_rank *ret)
{
	static const enum sst_tier tiers[] = { SST_TIER_EXACT, SST_TIER_IP,
	    SST_TIER_WILDCARD, SST_TIER_DEFAULT };
	const int passes[2][WHENS] = { { 1, 0, 0, 0, 0 }, { 1, !policy->refuse_unstapled, 1,
	    !policy->refuse_expired, !policy->refuse_revoked } };
	struct sst_rank rank = { .from = 0, .until = LONG_MAX };
	size_t winners[SST_WINNERS_MAX];

	for (size_t i = 0; i < n; i++) {
		span(&rank, v[i].row, now);
		if ((kinds >> v[i].row->kind & 1) != 0)
			rank.kind_fits = 1;
		else if (v[i].dropped == NULL)
			v[i].dropped = "the client cannot verify this type of key";
	}
	for (int pass = 0; pass < 2 && rank.won == 0; pass++) {
		for (size_t t = 0; t < 4 && rank.won == 0; t++) {
			rank.won = tier_pick(v, n, tiers[t], kinds, now,
			    passes[pass], winners);
			rank.tier = tiers[t];
			rank.degraded = pass;
		}
	}
	if (rank.won == 0) {
		rank.tier = SST_TIER_NONE;
		rank.degraded = 0;
	}
	/* the winners must not get a reason */
	for (size_t w = 0; w < rank.won; w++)
		v[winners[w]].dropped = "";
	reasons(v, n, &rank, now);
	winners_first(v, winners, rank.won);
	*ret = rank;
}
