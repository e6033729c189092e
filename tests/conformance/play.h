/* SPDX-License-Identifier: ISC */
/* play - one case in its modes, against tables; conformance_play() and the
 * harness' own test call it. */
#ifndef SST_CONFORMANCE_PLAY_H
#define SST_CONFORMANCE_PLAY_H

#include "conformance.h"
#include "judge.h"

/* Returns 1 when a run skipped itself, else 0; whatever is wrong is a complaint. */
int	play(const char *name, int number, void (*)(struct trial *), enum world_start,
	    const struct tables *, struct complaints *);

#endif
