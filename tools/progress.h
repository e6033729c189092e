/* SPDX-License-Identifier: ISC */
/*
 * progress - how far something is of which the end is known, on stderr.
 *
 * A bar in place on a terminal, else a line every 5 seconds; nothing during the
 * first second. What counts up without an end is sst_out_progress() (out.h).
 * Threads: one.
 */
#ifndef SST_TOOLS_PROGRESS_H
#define SST_TOOLS_PROGRESS_H

#include <stddef.h>

struct sst_progress {
	const char	*what;		/* "certificates"; borrowed */
	size_t		 total;
	int		 is_terminal;
	int		 is_drawn;
	long long	 began_ms, told_ms;	/* of the monotonic clock */
};

void	sst_progress_begin(struct sst_progress *, const char *what, size_t total);
void	sst_progress_at(struct sst_progress *, size_t done);
/* Takes the bar away, so that a line can be printed; it comes back by itself. */
void	sst_progress_hide(struct sst_progress *);

/* "[####----] 12 of 24 certificates" to `out`. `width`: of the bar. */
char	*sst_progress_text(char *out, size_t size, const char *what, size_t done,
	    size_t total, size_t width);

#endif
