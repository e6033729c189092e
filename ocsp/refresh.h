/* SPDX-License-Identifier: ISC */
/*
 * refresh - when something is fetched again.
 *
 * Always true:
 *   1. Pure: `now` and the seed are given; equal input, equal answer.
 *   2. Evidence is refreshed at half its life plus up to a tenth, spread by its
 *      key, so that what was fetched together is not fetched together again.
 *   3. A source that fails is asked less and less often, and never faster than its
 *      fault allows.
 * Threads: pure.
 */
#ifndef SST_OCSP_REFRESH_H
#define SST_OCSP_REFRESH_H

#include <stdint.h>

#include "cache.h"
#include "evidence.h"

/* thisUpdate + life * (0.5 + 0..0.1): at least 5 minutes after the fetch; a CRL at
 * most 12 h after it. In the last quarter of the life tries are twice as dense. */
int64_t	sst_refresh_at(const struct sst_evidence *, const uint8_t seed[32]);
/*
 * Enters a try's outcome into *state and sets next_try: time-outs and connect
 * failures 30 s * 2^n +-25 %, at most 1 h; tryLater and 5xx 5 min or `retry_after`;
 * unauthorized and 4xx 1 h; bad answers 10 min; blocked: until the policy changes
 * (INT64_MAX).
 */
void	sst_refresh_after(struct sst_source_state *, enum sst_fault, int was_timeout,
	    int retry_after, int64_t now, const uint8_t seed[32]);
/* 1: two connect time-outs in a row: no handshake waits for this host any more,
 * only background tries do. */
int	sst_refresh_closed(const struct sst_source_state *);

#endif
