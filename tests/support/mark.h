/* SPDX-License-Identifier: ISC */
/* mark - whether the kernel lets this process mark a file system, as a keeper does
 * where not all names have a watch. */
#ifndef TESTS_SUPPORT_MARK_H
#define TESTS_SUPPORT_MARK_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/fanotify.h>
#include <unistd.h>

/* 1: that of `dir`, and no filter of system calls is in place. */
static inline int
mark_is_granted(const char *dir)
{
	FILE *f = fopen("/proc/self/status", "re");
	int fd, rc, mode = 1;
	char line[256];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		(void)sscanf(line, "Seccomp: %d", &mode);
	if (f != NULL)
		(void)fclose(f);
	if (mode != 0)
		return 0;
	fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_REPORT_DIR_FID, O_RDONLY);
	rc = fd < 0 ? -1 : fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
	    FAN_CREATE, AT_FDCWD, dir);
	if (fd >= 0)
		(void)close(fd);
	return rc == 0;
}

#endif
