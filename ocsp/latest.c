/* SPDX-License-Identifier: ISC */
#include "latest.h"

#define HALVES	2000			/* in a second */
#define MOST_S	((int64_t)1 << 38)	/* in the year 10680: nobody's clock */

int64_t
sst_latest_now(const struct sst_latest *l, int64_t wall, int64_t ms)
{
	const int64_t since = (atomic_load_explicit(&l->half_ms, memory_order_relaxed) +
	    ms) / HALVES;

	return wall > since ? wall : since;
}

void
sst_latest_saw(struct sst_latest *l, int64_t now, int64_t ms)
{
	int64_t was = atomic_load_explicit(&l->half_ms, memory_order_relaxed), is;

	if (now <= 0)
		return;
	is = (now < MOST_S ? now : MOST_S) * HALVES - ms;
	while (is > was && !atomic_compare_exchange_weak(&l->half_ms, &was, is))
		continue;
}
