/* SPDX-License-Identifier: ISC */
#include "starve.h"

#include <sqlite3.h>
#include <stddef.h>

static sqlite3_mem_methods real;

static void *
sqlite_malloc(int n)
{
	return starve_fails(STARVE_SQLITE) ? NULL : real.xMalloc(n);
}

static void *
sqlite_realloc(void *p, int n)
{
	return starve_fails(STARVE_SQLITE) ? NULL : real.xRealloc(p, n);
}

int
starve_sqlite(void)
{
	sqlite3_mem_methods ours;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
		return 0;
	ours = real;
	ours.xMalloc = sqlite_malloc;
	ours.xRealloc = sqlite_realloc;
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK;
}
