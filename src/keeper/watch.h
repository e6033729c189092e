/* SPDX-License-Identifier: ISC */
/*
 * watch - says which sources changed, by inotify or by looking.
 *
 * sources adds and removes; the loop calls read() when the descriptor is
 * readable and step() when due() has come. Built on trail (how a path is
 * reached) and dirs (the watched directories).
 *
 * Always true:
 *   1. Changes of one source that come within SST_WATCH_QUIET_MS are told
 *      once, and never later than that after the first of them.
 *   2. A change is told after the watches were set anew: what comes after it
 *      is told again.
 *   3. Where the kernel refuses a watch, the directory is looked at every
 *      SST_WATCH_SWEEP_MS, and never for more than 2 % of a core.
 *   4. Long work is cut: no call handles more than SST_WATCH_SLICE directories.
 * Threads: one. `now` is the monotonic clock in ms.
 */
#ifndef SST_KEEPER_WATCH_H
#define SST_KEEPER_WATCH_H

#include <stddef.h>
#include <stdint.h>

#define SST_WATCH_QUIET_MS	50
#define SST_WATCH_SWEEP_MS	10000
#define SST_WATCH_SLICE		512

struct sst_watch;

/* At most `most` inotify watches; 0: only looking. NULL: out of memory. */
struct sst_watch *sst_watch_new(size_t most, int64_t now);
/* A quarter of what the kernel allows this user. */
size_t	sst_watch_share(void);
/* The descriptor to poll, or -1. */
int	sst_watch_fd(const struct sst_watch *);
/* 0, or -1: out of memory. */
int	sst_watch_add(struct sst_watch *, uint32_t id, const char *path, int is_dir,
	    int64_t now);
void	sst_watch_remove(struct sst_watch *, uint32_t id);
/* Takes the kernel's events. */
void	sst_watch_read(struct sst_watch *, int64_t now);
/* When step() is due; INT64_MAX: never. */
int64_t	sst_watch_due(const struct sst_watch *);
/* Does what is due; calls `changed` once for each source that changed. */
void	sst_watch_step(struct sst_watch *, int64_t now,
	    void (*changed)(void *arg, uint32_t id), void *arg);
void	sst_watch_free(struct sst_watch *);

#endif
