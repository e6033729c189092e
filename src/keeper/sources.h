/* SPDX-License-Identifier: ISC */
/*
 * sources - the files that the program named.
 *
 * The door adds one for each FILE call; the relay keeps or drops it; the file
 * channel opens below it.
 *
 * Always true:
 *   1. A source is provisional until the relay keeps it, and is dropped when the
 *      relay neither keeps nor takes it (to read it first: a million names are not
 *      read in that time) in SST_SOURCE_PATIENCE_MS.
 *   2. At most SST_SOURCES_PROVISIONAL are provisional at a time, so that
 *      nobody fills the table by asking.
 *   3. A watched source is a file or a directory with an absolute path.
 *   4. A directory is watched before it is listed, and soon at any rate: for a million
 *      names the kernel takes 0.1 s to arm its watch, and who is served from an index
 *      at the start does not wait for that. What is in it is read after a listing.
 * Threads: one.
 */
#ifndef SST_KEEPER_SOURCES_H
#define SST_KEEPER_SOURCES_H

#include "queue.h"
#include "watch/table.h"

#define SST_SOURCE_PATIENCE_MS	30000
#define SST_SOURCES_PROVISIONAL	256
#define SST_SOURCE_UNWATCHED_MS	500

struct sst_watch;

struct sst_source {
	struct sst_node	 node;		/* key: the id */
	char		*path;		/* "" for bytes */
	char		*why;		/* of a static source */
	int		 fd;		/* what the program passed */
	int		 watched, is_dir, kept;
	int32_t		 level, option;
	int64_t		 until;		/* of a provisional one; INT64_MAX: taken */
	int64_t		 watch_at;	/* its watch is due; INT64_MAX: it has it */
};

struct sst_sources {
	struct sst_table	 table;
	struct sst_watch	*watch;	/* borrowed */
	uint32_t		 last_id;
	size_t			 n_provisional;
	size_t			 n_unwatched;	/* directories whose watch is due */
};

/*
 * Adds a provisional source; that of a file is watched at once. `why` NULL: watched.
 * Takes a duplicate of `fd`. NULL with errno (EAGAIN: too many are provisional).
 */
struct sst_source *sst_source_add(struct sst_sources *, const char *path,
	    const char *why, int fd, int64_t now);
struct sst_source *sst_source_get(const struct sst_sources *, uint32_t id);
void	sst_source_take(struct sst_sources *, uint32_t id);
void	sst_source_keep(struct sst_sources *, uint32_t id);
void	sst_source_drop(struct sst_sources *, uint32_t id);
/* Drops what was not kept in time. */
void	sst_sources_expire(struct sst_sources *, int64_t now);
/* Drops what was taken and not kept: the relay that took it is gone. */
void	sst_sources_forsake(struct sst_sources *);
/* Watches the directories of which that is due; or all, for who asks about them. */
void	sst_sources_watch(struct sst_sources *, int64_t now);
void	sst_sources_watch_all(struct sst_sources *, int64_t now);
/* When expire() or watch() is due; INT64_MAX: never. */
int64_t	sst_sources_due(const struct sst_sources *);
/* Data of FILE and RESTORE_SOURCE: the path, NUL and, when static, why, NUL.
 * Its length; `size` >= PATH_MAX + SST_WHY_MAX is enough. */
size_t	sst_source_text(const struct sst_source *, char *out, size_t size);
/* One RESTORE_SOURCE for each kept one. -1 with errno. */
int	sst_sources_restore(const struct sst_sources *, struct sst_queue *);
/* Answers one question of the relay (OPEN_*). fds: what the answer
 * carries; the caller closes them. The data's length; a `size` of SST_OPEN_DATA_MAX
 * is enough. */
size_t	sst_sources_answer(struct sst_sources *,
	    const struct sst_wire_head *question, const char *data, size_t len,
	    int64_t now, struct sst_wire_head *ret_head, char *out, size_t size,
	    int fds[SST_WIRE_FDS], size_t *ret_n_fds);
/* HOT: names in a directory that is watched, and in use. Their number, or -1: one of
 * them is no name, or the message is none; then nothing is done. */
int	sst_sources_hot(struct sst_sources *, uint32_t id, const char *data,
	    size_t len, int64_t now);
void	sst_sources_done(struct sst_sources *);

#endif
