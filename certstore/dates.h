/* SPDX-License-Identifier: ISC */
/*
 * dates - the time that certificates are judged by, and when one is to be renewed.
 *
 *	src/tls/sni.c, src/relay --> sst_dates_wall() --> sst_dates_now()
 *	store_dates.c --> sst_dates_warn_at()
 *
 * Validity is a matter of the wall clock, and of no other. But a wall clock that is set
 * wrong and right again within minutes would change what every client is shown, twice,
 * so that a step has to last before it is believed; until then the time goes on from
 * what was believed last. CLOCK_BOOTTIME measures that: it counts while a machine
 * sleeps, so that waking up is no step.
 *
 * Always true:
 *   1. The time never goes back but by a step that lasted, or one of a day or more.
 *   2. A wall clock that nobody sets is believed to the second.
 * Threads: any number may ask one `struct sst_dates`: each of its words is atomic, and
 * who reads an older one comes to the same answer a moment later.
 */
#ifndef SST_CERTSTORE_DATES_H
#define SST_CERTSTORE_DATES_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#define SST_DATES_SLACK_S	60	/* so much further on is no step */
#define SST_DATES_HOLD_S	600	/* a step is believed after that */
#define SST_DATES_FAR_S		86400	/* one so far away at once: it was not set before */

/* Wall clock less the other one, in ms. */
struct sst_dates {
	atomic_int_fast64_t believed;	/* 0: nothing yet */
	atomic_int_fast64_t odd;	/* what the wall clock says instead */
	atomic_int_fast64_t odd_since;	/* of the other clock; 0: it says the same */
};

/* The time at which the wall clock says `wall`, `boot_ms` (> 0) after the start. */
time_t	sst_dates_now(struct sst_dates *, time_t wall, int64_t boot_ms);
/* The same with the clocks of this machine; one memory for the whole process. */
time_t	sst_dates_wall(void);

struct sst_store;
/*
 * Tells of what was to be renewed by now and what has expired (SST_STORE_EXPIRING,
 * SST_STORE_EXPIRED), once each, and of nothing that a longer lasting one with the same
 * names and type of key stands beside. Seconds until it wants to be called again, an
 * hour at most; earlier calls cost what is new in the store. Reads no file.
 */
unsigned sst_store_dates(struct sst_store *, time_t now);

/* From when on a certificate with these dates should have been renewed: a third of its
 * life is left, half where it lives for less than ten days. */
time_t	sst_dates_warn_at(time_t not_before, time_t not_after);

#endif
