/* SPDX-License-Identifier: ISC */
/*
 * preload - what happens before main() in a program under a policy.
 *
 *	tools/run.c --SECURESOCKETS_REPORT=FD:INODE:LISTENERS--> preload.c
 *
 * Always true:
 *   1. The pipe that sstool run waits on gets its byte only from a program in
 *      which the library is loaded, the policy understood, and every inherited
 *      listener that the policy is about a TLS listener.
 *   2. Programs that this one starts find the variable and not the pipe, and
 *      do nothing.
 */
#include "forced.h"
#include "sys.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "preload.h"

#define EX_UNAVAILABLE	69

/* A number up to `end`; *at moves behind that. -1: none. */
static long long
number(const char **at, char end)
{
	long long v = 0;
	const char *s = *at;

	if (*s < '0' || *s > '9')
		return -1;
	for (; *s >= '0' && *s <= '9' && v < 1LL << 56; s++)
		v = v * 10 + (*s - '0');
	if (*s != end)
		return -1;
	*at = s + 1;
	return v;
}

static void
refuse(void)
{
	static const char before[] = "sstool run: an inherited listener cannot "
	    "become a TLS listener: ";
	const char *text = "";
	size_t len = sst_said(0, &text);

	(void)SST_SYS(SYS_write, 2, before, sizeof(before) - 1);
	(void)SST_SYS(SYS_write, 2, text, len);
	(void)SST_SYS(SYS_write, 2, "\n", 1UL);
	(void)SST_SYS(SYS_exit_group, EX_UNAVAILABLE);
}

static void __attribute__((constructor))
report(void)
{
	const char *at = secure_getenv(SST_REPORT_VAR);
	long long fd, inode, listener;
	struct stat st;

	if (sst_forced_policy(NULL) == NULL || at == NULL)
		return;
	fd = number(&at, ':');
	inode = number(&at, ':');
	if (fd < 0 || fd > INT32_MAX || inode < 0 || fstat((int)fd, &st) < 0 ||
	    !S_ISFIFO(st.st_mode) || (long long)st.st_ino != inode)
		return;
	while ((listener = number(&at, ',')) >= 0)
		if (sst_forced_foreign((int)listener, 0) &&
		    sst_forced_adopt((int)listener) < 0)
			refuse();
	(void)SST_SYS(SYS_write, fd, "1", 1UL);
	sst_sys_close((int)fd);
}
