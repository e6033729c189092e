/* SPDX-License-Identifier: ISC */
/*
 * records - what the kernel writes of a file system that is marked, taken apart; and
 * which of the directories in it are strangers'.
 *
 * fan reads it, and looks up the directories.
 *
 * Always true:
 *   1. Nothing behind what was read is looked at, whatever the records say of their
 *      lengths; what does not fit ends the reading.
 *   2. The print of a directory is its file system's and its handle's, and never 0. Two
 *      may have one, by chance: then the second is taken for a stranger's until the
 *      next change that is told, or the next pass.
 *   3. A place in the table has one stranger, the last.
 * Threads: any.
 */
#ifndef SST_WATCH_RECORDS_H
#define SST_WATCH_RECORDS_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>

#define SST_STRANGERS	4096u		/* directories that are remembered */

struct sst_handle {
	struct file_handle head;
	unsigned char	 room[MAX_HANDLE_SZ];
};

/* A directory in which something happened. */
struct sst_record {
	int		 id[2];		/* of its file system */
	uint64_t	 print;
	struct sst_handle handle;
};

/* Calls for each directory that `n` octets tell of. 1: the kernel lost some; 0. */
int	sst_records_each(const void *buf, size_t n,
	    void (*each)(void *arg, struct sst_record *), void *arg);

/* `table`: SST_STRANGERS of them; all zero: none is known. */
int	sst_strangers_have(const uint64_t *table, uint64_t print);
void	sst_strangers_put(uint64_t *table, uint64_t print);

#endif
