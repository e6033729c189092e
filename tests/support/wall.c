/* SPDX-License-Identifier: ISC */
#include "wall.h"

#include <time.h>

_Atomic int64_t wall, wall_ahead;

/* The linker puts it in front of libc's in what is linked here (--wrap). */
int	__real_clock_gettime(clockid_t, struct timespec *);
int	__wrap_clock_gettime(clockid_t, struct timespec *);

int
__wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = __real_clock_gettime(id, t);

	if (id == CLOCK_REALTIME && atomic_load(&wall) != 0)
		t->tv_sec = atomic_load(&wall);
	if (id == CLOCK_MONOTONIC && atomic_load(&wall_ahead) != 0) {
		t->tv_sec += atomic_load(&wall_ahead) / 1000;
		t->tv_nsec += atomic_load(&wall_ahead) % 1000 * 1000000;
		t->tv_sec += t->tv_nsec / 1000000000;
		t->tv_nsec %= 1000000000;
	}
	return rc;
}
