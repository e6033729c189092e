/* SPDX-License-Identifier: ISC */
#include "wall.h"

#include <time.h>

_Atomic int64_t wall, wall_ahead;

/* The linker puts it in front of libc's in what is linked here (--wrap). */
int	__real_clock_gettime(clockid_t, struct timespec *);
int	__wrap_clock_gettime(clockid_t, struct timespec *);

/* At the time when it was first asked for since `wall` was set. */
static void
stand_still(struct timespec *t)
{
	static _Atomic int64_t since;
	int64_t was = 0;

	if (atomic_load(&wall) == 0)
		atomic_store(&since, 0);
	else if (atomic_compare_exchange_strong(&since, &was, (int64_t)t->tv_sec))
		t->tv_nsec = 0;
	else
		*t = (struct timespec){ .tv_sec = was };
}

int
__wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = __real_clock_gettime(id, t);

	if (id == CLOCK_REALTIME && atomic_load(&wall) != 0)
		t->tv_sec = atomic_load(&wall);
	if (id == CLOCK_BOOTTIME)
		stand_still(t);
	if ((id == CLOCK_MONOTONIC || id == CLOCK_BOOTTIME) &&
	    atomic_load(&wall_ahead) != 0) {
		t->tv_sec += atomic_load(&wall_ahead) / 1000;
		t->tv_nsec += atomic_load(&wall_ahead) % 1000 * 1000000;
		t->tv_sec += t->tv_nsec / 1000000000;
		t->tv_nsec %= 1000000000;
	}
	return rc;
}
