/* SPDX-License-Identifier: ISC */
/* progress - see progress.h. */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WIDTH		30
#define QUIET_MS	1000
#define DRAW_MS		100
#define LINE_MS		5000

static long long
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *
sst_progress_text(char *out, size_t size, const char *what, size_t done, size_t total,
    size_t width)
{
	char bar[64];
	size_t full;

	if (width >= sizeof(bar))
		width = sizeof(bar) - 1;
	full = total == 0 || done >= total ? width : done * width / total;
	memset(bar, '#', full);
	memset(bar + full, '-', width - full);
	bar[width] = '\0';
	(void)snprintf(out, size, "[%s] %zu of %zu %s", bar, done, total, what);
	return out;
}

void
sst_progress_begin(struct sst_progress *p, const char *what, size_t total)
{
	*p = (struct sst_progress){ .what = what, .total = total,
	    .is_terminal = isatty(STDERR_FILENO), .began_ms = now_ms() };
	p->told_ms = p->began_ms;
}

void
sst_progress_at(struct sst_progress *p, size_t done)
{
	const long long now = now_ms();
	char text[160];

	if (now - p->began_ms < QUIET_MS ||
	    now - p->told_ms < (p->is_terminal ? DRAW_MS : LINE_MS))
		return;
	p->told_ms = now;
	if (p->is_terminal) {
		fprintf(stderr, "\r%s\033[K", sst_progress_text(text, sizeof(text), p->what,
		    done, p->total, WIDTH));
		p->is_drawn = 1;
	} else {
		fprintf(stderr, "%zu of %zu %s\n", done, p->total, p->what);
	}
}

void
sst_progress_hide(struct sst_progress *p)
{
	if (p->is_drawn)
		fputs("\r\033[K", stderr);
	p->is_drawn = 0;
}
