/* SPDX-License-Identifier: ISC */
/*
 * unlinked - opens a path whose links were followed before.
 *
 * What was resolved, and judged by where it led, may lead elsewhere when it is opened:
 * somebody put a link in between.
 *
 * Always true:
 *   1. No link is followed, in any part of the path. Where the kernel cannot promise that
 *      (Linux before 5.6, sandboxes without openat2) not in the last part.
 *   2. It does not wait, and becomes no controlling terminal.
 * Threads: no state of its own.
 */
#ifndef SST_BASE_UNLINKED_H
#define SST_BASE_UNLINKED_H

/* Opens for reading; `at`: where a relative path begins, or AT_FDCWD. A descriptor, or
 * -1 with errno (ELOOP: there is a link). */
int	sst_open_unlinked(int at, const char *path);

#endif
