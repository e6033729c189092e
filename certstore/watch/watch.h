/* SPDX-License-Identifier: ISC */
/*
 * watch - says which sources changed, and where below them, by inotify or by looking.
 *
 *	watch.c		sources, events, telling
 *	arm.c		sets the watches of a source
 *	sweep.c		goes through directories: all that is new, or has no watch
 *	names.c		which names below a source have a watch
 *	fan.c		the kernel tells of a whole file system, where it may be asked to
 *	dirs, trail, certbot, records, seen, look, table
 *
 * The keeper's sources adds and removes, its loop calls read() when the descriptor is
 * readable and step() when due() has come; in way 2 certstore/watcher.c does.
 *
 * Always true:
 *   1. Changes of one source that come within SST_WATCH_QUIET_MS are told
 *      once, and never later than that after the first of them.
 *   2. A change is told after the watches were set anew: what comes after it
 *      is told again.
 *   3. The directories above a source, the source itself, and as many names in it as
 *      the plan allows have a watch: those that are served, the last before others,
 *      then those that changed last. Where there is none the name is looked at every
 *      SST_WATCH_SWEEP_MS, its files about once in a minute, and never for more than
 *      2 % of a core.
 *   4. Events that were lost, a watch that was, a directory that cannot be watched: all
 *      of the source is told changed, and the plan's `say` told why.
 *   5. Long work is cut: no call goes through more than SST_WATCH_SLICE names, or sets
 *      the watches of more than SST_WATCH_ARMED, and add goes through none.
 *   6. What one change costs does not depend on how many names there are, nor how many
 *      sources.
 * Threads: one. `now` is the monotonic clock in ms.
 */
#ifndef SST_WATCH_WATCH_H
#define SST_WATCH_WATCH_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define SST_WATCH_QUIET_MS	50
#define SST_WATCH_SWEEP_MS	10000
#define SST_WATCH_SLICE		128
#define SST_WATCH_ARMED		16	/* of a slice: what a question to the keeper waits for */
#define SST_WATCH_CORE_SHARE	50	/* one part in so many: 2 % */
#define SST_WATCH_HOT		64	/* names that get a watch for being served ... */
#define SST_WATCH_HOT_MS	1000	/* ... in that time */

struct sst_below;
struct sst_watch;

/* All zero: only looking. */
struct sst_watch_plan {
	size_t	most;		/* inotify watches; 0: only looking */
	/* One sentence for the log, or NULL. */
	void	(*say)(void *arg, const char *text);
	void	*arg;
	int	mark;			/* where names have no watch: a mark on their file
					   system, if the kernel grants it */
	int64_t	(*cpu_us)(void);	/* NULL: of this thread */
	/* What changed at this time of CLOCK_REALTIME_COARSE or later is told of each
	 * source, when it is added; all zero: what changes from then on. */
	struct timespec since;
};

/* Calls for each source that changed; nothing of the watch may be called in it. */
typedef void (*sst_watch_told)(void *arg, uint32_t id, const struct sst_below *);

enum sst_watch_mark {
	SST_MARK_NONE = 0,
	SST_MARK_HELD,		/* the kernel tells of what is swept, too */
	SST_MARK_BUSY		/* given up: too much is written on that file system */
};

/* How a source is watched. */
struct sst_watch_rule {
	const char	*path;		/* borrowed */
	int		 is_dir;
	size_t		 watched;	/* directories that the kernel tells of */
	size_t		 swept;		/* names and directories that are looked at */
	unsigned	 every_ms;	/* how often */
	int		 error;		/* errno: why not watched; 0: all is */
	int		 mark;		/* enum sst_watch_mark */
};

/* NULL: out of memory. */
struct sst_watch *sst_watch_new(const struct sst_watch_plan *, int64_t now);
/* A quarter of what the kernel allows this user. */
size_t	sst_watch_share(void);
/* The descriptor to poll, or -1: nothing has a watch yet. */
int	sst_watch_fd(const struct sst_watch *);
/* What struct sst_watch_rule says of itself, for people. */
const char *sst_watch_why(int error);
/* Several sources may have one path. What changes from now on is told, though the
 * names in it get their watches in step(). 0, or -1: out of memory. */
int	sst_watch_add(struct sst_watch *, uint32_t id, const char *path, int is_dir,
	    int64_t now);
void	sst_watch_remove(struct sst_watch *, uint32_t id);
/* Takes the kernel's events. */
void	sst_watch_read(struct sst_watch *, int64_t now);
/* When step() is due; INT64_MAX: never. */
int64_t	sst_watch_due(const struct sst_watch *);
/* Does what is due, and tells. */
void	sst_watch_step(struct sst_watch *, int64_t now, sst_watch_told, void *arg);
/* Somebody says that `path` changed: what it is, is in or contains is told in the next
 * step(). The number of sources. */
unsigned sst_watch_nudge(struct sst_watch *, const char *path, int64_t now);
/* What is in the directory `name` of this source was served just now: it gets a watch,
 * if need be of a name that is not served, or was longest ago. Of a source or a name that
 * is not there, and beyond SST_WATCH_HOT: nothing. */
void	sst_watch_hot(struct sst_watch *, uint32_t id, const char *name, int64_t now);
/* 1, or 0: there is no such source. */
int	sst_watch_rule(const struct sst_watch *, uint32_t id, struct sst_watch_rule *ret);
void	sst_watch_free(struct sst_watch *);
/* The same, but the kernel's watches stay as they are: another process has them, whose
 * child this one is. */
void	sst_watch_abandon(struct sst_watch *);

#endif
