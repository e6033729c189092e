/* SPDX-License-Identifier: ISC */
/*
 * judge - whether a file may be opened again for whoever passed it.
 *
 * The door asks for each file of a program. Watched means that the keeper may
 * open the path itself for a renewal; static means that the descriptor is all
 * there will ever be, and says why.
 *
 * Always true:
 *   1. Watched needs both: the setter has exactly the keeper's rights (uid,
 *      gid, groups, mount and user namespace), and the path leads the keeper
 *      to the device and inode of the descriptor.
 *   2. What cannot be found out counts as different.
 *   3. A stranger's path is not even looked up: rights come first.
 * Threads: any.
 */
#ifndef SST_KEEPER_JUDGE_H
#define SST_KEEPER_JUDGE_H

#include <stddef.h>

#define SST_WHY_MAX	256

/*
 * 1: the process at the other end of the connected socket `conn` has the
 * caller's rights. 0: it has not; the sentence is in `why` (SST_WHY_MAX).
 */
int	sst_judge_rights(int conn, char *why);
/*
 * 1: watched; `path` (size bytes) may be rewritten to a form without "." and
 * ".." that leads to the same file. 0: static, the sentence is in `why`.
 * `path` is "" when the descriptor is a memfd.
 */
int	sst_judge_file(int conn, int file, char *path, size_t size, char *why);

#endif
