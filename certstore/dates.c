/* SPDX-License-Identifier: ISC */
#include "dates.h"

#include <stdlib.h>

#include "base/clock.h"

#define MS		1000
#define SHORT_LIFE_S	((time_t)10 * 86400)

/* What two readings of a clock of whole seconds may differ by. */
#define READING_MS	MS

static time_t
later(time_t a, time_t b)
{
	return a > b ? a : b;
}

/* Whether the odd clock has gone on as it is for long enough. */
static int
has_lasted(struct sst_dates *d, int64_t says, int64_t boot_ms)
{
	const int64_t since = atomic_load(&d->odd_since);

	if (since != 0 && boot_ms >= since &&
	    llabs(says - atomic_load(&d->odd)) <= (int64_t)SST_DATES_SLACK_S * MS)
		return boot_ms - since >= (int64_t)SST_DATES_HOLD_S * MS;
	atomic_store(&d->odd, says);
	atomic_store(&d->odd_since, boot_ms);
	return 0;
}

static time_t
believe(struct sst_dates *d, int64_t says, time_t wall)
{
	atomic_store(&d->odd_since, 0);
	atomic_store(&d->believed, says);
	return wall;
}

time_t
sst_dates_now(struct sst_dates *d, time_t wall, int64_t boot_ms)
{
	const int64_t says = (int64_t)wall * MS - boot_ms;
	const int64_t believed = atomic_load(&d->believed);
	const int64_t ahead = says - believed;
	const time_t now = (time_t)((boot_ms + believed) / MS);

	if (believed == 0 || llabs(ahead) >= (int64_t)SST_DATES_FAR_S * MS)
		return believe(d, says, wall);
	if (llabs(ahead) < READING_MS) {
		if (atomic_load(&d->odd_since) != 0)
			atomic_store(&d->odd_since, 0);
		return later(wall, now);
	}
	if (ahead > 0 && ahead <= (int64_t)SST_DATES_SLACK_S * MS)
		return believe(d, says, wall);
	return has_lasted(d, says, boot_ms) ? believe(d, says, wall) : now;
}

time_t
sst_dates_wall(void)
{
	static struct sst_dates process;

	return sst_dates_now(&process, sst_clock_wall(), sst_clock_boot_ms());
}

time_t
sst_dates_warn_at(time_t not_before, time_t not_after)
{
	const time_t life = later(not_after - not_before, 0);

	return not_after - (life < SHORT_LIFE_S ? life / 2 : life / 3);
}
