/* SPDX-License-Identifier: ISC */
/*
 * dirs - the directories under watch, and who wants to know.
 *
 * Only watch calls it. A directory has an inotify watch, or, where the kernel
 * or the limit refuses one, a fingerprint that is compared now and then.
 *
 * Always true:
 *   1. One record for a watch descriptor: the kernel has one per inode.
 *   2. A record without a subscriber is gone, and its watch with it.
 * Threads: one.
 */
#ifndef SST_KEEPER_DIRS_H
#define SST_KEEPER_DIRS_H

#include "table.h"

#include <stdint.h>

/* What an event in a directory means to a subscriber. */
enum {
	SST_SUB_ROUTE = 1,	/* the path may lead elsewhere: set it all anew */
	SST_SUB_ROOT = 2,	/* the source's own directory: new ones count */
	SST_SUB_LEAF = 4	/* just a change */
};

struct sst_sub {
	uint32_t	 id, round;
	int		 kind;
	char		*name;		/* NULL: every name */
	uint64_t	 print;		/* what it saw when it last looked */
};

struct sst_dir {
	struct sst_node	 node;		/* key: wd, or a digest of the path */
	int		 wd;		/* -1: looked at */
	char		*path;
	struct sst_sub	*subs;
	size_t		 n_subs;
};

struct sst_dirs {
	struct sst_table watched, looked;
	int		 inotify;	/* -1: none */
	size_t		 most;
};

/* Opens inotify when `most` > 0; without it everything is looked at. */
void	sst_dirs_init(struct sst_dirs *, size_t most);
/* Subscribes; `name` may be NULL. A directory that is not there is no error.
 * 0, or -1: out of memory. */
int	sst_dirs_subscribe(struct sst_dirs *, const char *path, const char *name,
	    uint32_t id, uint32_t round, int kind);
struct sst_dir *sst_dirs_find(const struct sst_dirs *, int wd);
/* Takes out what `id` subscribed in other rounds than `round` (0: in any). */
void	sst_dirs_prune(struct sst_dirs *, uint32_t id, uint32_t round);
/* The kernel gave the watch up. */
void	sst_dirs_forget(struct sst_dirs *, struct sst_dir *);
/* Looks at the directory: calls `each` for every subscriber that sees
 * something else than when it last looked. */
void	sst_dirs_look(struct sst_dir *,
	    void (*each)(void *arg, const struct sst_sub *), void *arg);
void	sst_dirs_done(struct sst_dirs *);

#endif
