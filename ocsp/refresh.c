/* SPDX-License-Identifier: ISC */
#include "refresh.h"

#include <string.h>

#define MINUTE		((int64_t)60)
#define HOUR		(60 * MINUTE)
#define FLOOR		(5 * MINUTE)	/* between two fetches of the same thing */
#define CRL_CEILING	(12 * HOUR)
#define FIRST_DELAY	((int64_t)30)	/* doubled by each failure, */
#define LAST_DELAY	HOUR		/* up to this */
#define CLOSED_AFTER	2		/* connect time-outs in a row */

/* A number below `range` that depends on the seed and `salt` alone. The seed is
 * a digest, so any of its octets will do. */
static int64_t
spread(const uint8_t seed[32], unsigned salt, int64_t range)
{
	uint64_t x = 0;

	if (range <= 0)
		return 0;
	memcpy(&x, seed + 8 * (salt % 4), sizeof(x));
	x = (x ^ (salt * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
	x ^= x >> 29;
	return (int64_t)(x % (uint64_t)range);
}

/*
 * When it was fetched after the half of its life, the source had nothing newer:
 * it is asked again in steps, which are half as long in the last quarter.
 */
static int64_t
next_step(const struct sst_evidence *e, int64_t life)
{
	int late = e->fetched_at >= e->until - life / 4;

	return e->fetched_at + life / (late ? 32 : 16);
}

int64_t
sst_refresh_at(const struct sst_evidence *e, const uint8_t seed[32])
{
	int64_t life = e->until > e->this_update ? e->until - e->this_update : 0;
	int64_t at = e->this_update + life / 2 + spread(seed, 0, life / 10 + 1);

	if (e->fetched_at == 0)
		return at;
	if (at <= e->fetched_at)
		at = next_step(e, life);
	if (e->source == SST_SOURCE_CRL && at > e->fetched_at + CRL_CEILING)
		at = e->fetched_at + CRL_CEILING - spread(seed, 1, CRL_CEILING / 10);
	if (at < e->fetched_at + FLOOR)
		at = e->fetched_at + FLOOR;
	return at;
}

/* 30 s, 60 s, 2 min ... 1 h, +-25 %. */
static int64_t
doubling(unsigned fails, const uint8_t seed[32])
{
	int64_t delay = LAST_DELAY;

	if (fails >= 1 && fails <= 7)
		delay = FIRST_DELAY << (fails - 1);
	return delay - delay / 4 + spread(seed, fails, delay / 2);
}

static int64_t
delay_of(const struct sst_source_state *s, enum sst_fault fault, int retry_after,
    const uint8_t seed[32])
{
	switch (fault) {
	case SST_FAULT_TIMEOUT:
	case SST_FAULT_CONNECT:
		return doubling(s->fail_count, seed);
	case SST_FAULT_TRY_LATER:
		if (retry_after <= 0)
			return 5 * MINUTE;
		return retry_after > HOUR ? HOUR : retry_after;
	case SST_FAULT_UNAUTHORIZED:
	case SST_FAULT_HTTP:
		return HOUR;
	default:
		return 10 * MINUTE;
	}
}

void
sst_refresh_after(struct sst_source_state *s, enum sst_fault fault, int was_timeout,
    int retry_after, int64_t now, const uint8_t seed[32])
{
	s->last_try = now;
	s->last_fault = fault;
	if (fault == SST_FAULT_NONE) {
		s->fail_count = 0;
		s->timeouts = 0;
		s->next_try = 0;
		return;
	}
	if (s->fail_count < UINT32_MAX)
		s->fail_count++;
	/* whoever answers, however badly, is not closed */
	if (was_timeout)
		s->timeouts++;
	else if (fault != SST_FAULT_BLOCKED)
		s->timeouts = 0;
	if (fault == SST_FAULT_BLOCKED)
		s->next_try = INT64_MAX;
	else
		s->next_try = now + delay_of(s, fault, retry_after, seed);
}

int
sst_refresh_closed(const struct sst_source_state *s)
{
	return s->timeouts >= CLOSED_AFTER;
}
