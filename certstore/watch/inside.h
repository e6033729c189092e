/* SPDX-License-Identifier: ISC */
/*
 * inside - what the files behind watch.h share.
 *
 * Always true:
 *   1. Sources with one path have one target: what they need is done once.
 *   2. A target whose `due` is set is in the list `due`.
 *   3. An entry of `seen` that is WATCHED has a record in dirs.names with its watch; one
 *      that is COVERED and has `deep` has another.
 * Threads: one.
 */
#ifndef SST_WATCH_INSIDE_H
#define SST_WATCH_INSIDE_H

#include "dirs.h"
#include "seen.h"
#include "watch.h"

#include "base/below.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>

struct sst_ref {
	struct sst_node	 node;		/* key: the source's id */
	struct sst_target *t;
	struct sst_ref	*next;		/* of the same target */
};

struct sst_target {
	struct sst_node	 node;		/* key: of the path */
	struct sst_target *prev, *next;	/* of all */
	struct sst_target *next_due;
	struct sst_ref	*refs;
	char		*path;
	int		 is_dir, rearm;
	struct sst_held_dirs held;
	uint32_t	 round;		/* of held */
	int64_t		 due;		/* when to tell; INT64_MAX: nothing */
	struct sst_below below;		/* what */
	dev_t		 dev;
	ino_t		 ino;
	int		 error, said;	/* errno: why it is looked at */
	struct timespec	 since;		/* it was armed then, in the files' time */
	/* of a directory */
	struct sst_seen	 seen;
	size_t		 n_watched;	/* of them */
	int		 root_watched;
	uint32_t	 root_print;
	DIR		*walk;
	int		 arming;	/* the walk sets watches */
	unsigned	 turn;		/* SST_SEEN_ROUND or 0: of the walk */
	size_t		 met;		/* by the walk */
	int64_t		 pass_at;	/* no pass goes through it before */
	int		 fan_dir;	/* of a file system that is marked, or -1 */
	int		 fan_refused;	/* it cannot be */
	int		 fan_id[2];	/* ... which */
	int		 apart;		/* something is mounted in it */
};

#define SST_FAN_LOOK_MS		100
#define SST_FAN_SWEEP_MS	60000

/* fan.c's; `fd` -1 and `at` INT64_MAX: nothing is marked. */
struct sst_fan {
	int		 fd;
	size_t		 n;		/* targets */
	int64_t		 at;		/* when to look */
	int64_t		 from, us;	/* what it cost since then */
	int64_t		 again_at;	/* it was given up until then; 0: never was */
	uint64_t	*strangers;	/* handles, by their lowest bits */
};

/* A name below a target that has a watch, or its archive. */
struct sst_named {
	struct sst_node	 node;		/* key: the watch */
	struct sst_named *prev, *next;	/* colder, hotter; not of an archive */
	struct sst_target *t;
	int		 is_archive, is_served;
	char		 name[];
};

struct sst_named_list {
	struct sst_named *coldest, *hottest;
};

struct sst_watch {
	struct sst_watch_plan plan;
	struct sst_dirs	 dirs;
	struct sst_table refs, by_path;
	struct sst_target *first;
	struct sst_target *due;
	size_t		 n_arming;
	struct sst_named_list by_heat[2];	/* by is_served */
	int64_t		 hot_from;	/* when it was that */
	unsigned	 hot_left;	/* ... so many watches might still move */
	size_t		 n_archives;
	int		 full;		/* the kernel has no more watches to give */
	/* the pass over what has no watch */
	int64_t		 sweep_at, sweep_start;
	int		 sweeping;
	size_t		 bucket;	/* of dirs.looked */
	struct sst_target *at;		/* NULL: over */
	int		 begun;		/* with it */
	int64_t		 pass_us, deep_us;	/* of the pass under way */
	size_t		 n_pass, n_deep;
	unsigned	 deep_first, deep_groups; /* whose files are looked at */
	int		 deep_cut;	/* it took longer than there was time for */
	int64_t		 deep_left_us;	/* for that, in this pass */
	int64_t		 deep_cost_us, cheap_us;	/* by earlier passes */
	size_t		 n_deep_all;
	int64_t		 walked_us;	/* the last pass that went through names */
	unsigned	 every_ms;
	struct sst_fan	 fan;
};

/* watch.c: `name` below it changed ("": all of it), to be told at `due`. */
void	sst_target_mark(struct sst_watch *, struct sst_target *, const char *name,
	    int64_t due);
void	sst_watch_say(const struct sst_watch *, struct sst_target *);

/* arm.c: sets the watches of the way to a target anew, and begins with its names. -1:
 * out of memory. */
int	sst_target_arm(struct sst_watch *, struct sst_target *, int64_t now);

/* fan.c: marks the file system of a target whose names do not all have a watch, if it
 * can be. */
void	sst_fan_begin(struct sst_watch *, struct sst_target *, int64_t now);
void	sst_fan_leave(struct sst_watch *, struct sst_target *);
/* Whether what is in a marked target, and in its archive, is known to be of one mount. */
int	sst_fan_covers(const struct sst_target *);
/* A directory may have come from elsewhere. */
void	sst_fan_forget(struct sst_watch *);
/* Takes what the kernel told; for when `at` has come. */
void	sst_fan_look(struct sst_watch *, int64_t now);

/* sweep.c: of this thread, or what the plan says. */
int64_t	sst_watch_cpu_us(const struct sst_watch *);
int	sst_walk_begin(struct sst_watch *, struct sst_target *, int arming);
void	sst_walk_stop(struct sst_watch *, struct sst_target *);
/* Goes on with the walks that set watches. */
void	sst_walk_arming(struct sst_watch *, int64_t now);
/* Goes on with the pass over what has no watch. */
void	sst_sweep(struct sst_watch *, int64_t now);
/* Looks at one name before it is told: what comes after is told again. 1: others may
 * have changed with it. */
int	sst_name_refresh(struct sst_watch *, struct sst_target *, const char *name);

/* names.c: 1 when there is room for one more. */
int	sst_named_room(const struct sst_watch *);
/* Watches the name of this entry. 0, or -1: it is looked at. */
int	sst_named_watch(struct sst_watch *, struct sst_target *, const char *name,
	    struct sst_seen_name *);
/* Gives its watches up. */
void	sst_named_drop(struct sst_watch *, struct sst_target *, struct sst_seen_name *);
/* It was renewed just now: it gets a watch, if need be the coldest one's, but of none
 * that is served. */
void	sst_named_renewed(struct sst_watch *, struct sst_target *, const char *name,
	    int64_t now);
/* An event in the directory of a watch. */
void	sst_named_event(struct sst_watch *, int wd, int is_over, int64_t now);

#endif
