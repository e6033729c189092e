/* SPDX-License-Identifier: ISC */
/*
 * dirs - the directories that decide where a source's path leads, and who wants to
 * know.
 *
 * watch.c and names.c call it. A directory has an inotify watch, or, where the kernel
 * or the limit refuses one, a number that is compared now and then (look). The many
 * names below a source are names.c's; the kernel has one watch for an inode, so both
 * ask here before one is given up.
 *
 * Always true:
 *   1. One record for a watch descriptor.
 *   2. A record is there as long as a subscriber holds it; its watch goes with it, or
 *      before, when the kernel gave that up.
 *   3. What it costs to take a subscriber out depends on what he holds, and on
 *      nobody else.
 * Threads: one.
 */
#ifndef SST_WATCH_DIRS_H
#define SST_WATCH_DIRS_H

#include "table.h"

#include <stdint.h>

/* What an event in a directory means to a subscriber. */
enum {
	SST_SUB_ROUTE = 1,	/* the path may lead elsewhere: set it all anew */
	SST_SUB_ROOT = 2,	/* the source's own directory: the name changed */
	SST_SUB_LEAF = 4,	/* the source changed */
	SST_SUB_RENEWAL = 8	/* NAME.conf: certbot is about to renew NAME */
};

struct sst_sub {
	void		*who;
	uint32_t	 round;
	int		 kind;
	char		*name;		/* NULL: every name */
	uint64_t	 print;		/* what it saw when it last looked */
};

struct sst_dir {
	struct sst_node	 node;		/* key: wd, or a digest of the path */
	int		 wd;		/* -1: looked at */
	int		 gone;		/* the kernel gave the watch up */
	char		*path;		/* of one that is looked at */
	struct sst_sub	*subs;
	size_t		 n_subs;
};

/* What one subscriber has. All zero: nothing. */
struct sst_held_dirs {
	struct sst_dir	**v;
	size_t		  n, room;
};

struct sst_dirs {
	struct sst_table watched, looked;
	struct sst_table names;		/* names.c's, by watch */
	int		 inotify;	/* -1: none yet */
	size_t		 most;
	int		 error;		/* why the last watch was refused */
};

/* `most` watches; 0: everything is looked at. The first watch opens inotify: the kernel
 * has few instances for a user, and most programs watch nothing. */
void	sst_dirs_init(struct sst_dirs *, size_t most);
/* Watches `path`: the watch, or -1 with errno (ENOSPC: the limit; EMFILE: that of
 * instances, or of descriptors). */
int	sst_dirs_watch(struct sst_dirs *, const char *path);
/* Gives the watch up, if nobody has it any more. */
void	sst_dirs_release(struct sst_dirs *, int wd);
/* Subscribes; `name` may be NULL. 1: watched; 0: looked at, or not there (which is no
 * error); -1: out of memory. */
int	sst_dirs_subscribe(struct sst_dirs *, struct sst_held_dirs *, void *who,
	    uint32_t round, const char *path, const char *name, int kind);
struct sst_dir *sst_dirs_find(const struct sst_dirs *, int wd);
/* Takes out what `who` subscribed in other rounds than `round` (0: in any). */
void	sst_dirs_prune(struct sst_dirs *, struct sst_held_dirs *, void *who,
	    uint32_t round);
/* The kernel gave the watch up: its subscribers still hold the record. */
void	sst_dirs_forget(struct sst_dirs *, struct sst_dir *);
/* Looks at the directory: calls `each` for every subscriber that sees
 * something else than when it last looked. */
void	sst_dirs_look(struct sst_dir *,
	    void (*each)(void *arg, const struct sst_sub *), void *arg);
/* Every subscriber must be out. */
void	sst_dirs_done(struct sst_dirs *);

#endif
