/* SPDX-License-Identifier: ISC */
/*
 * store - what the files that make up a store share.
 *
 *	store.c		life, fork, events, pins
 *	store_list.c	listing, figures
 *	store_keep.c	the index that outlives the store
 *	store_change.c	add, remove, read again
 *	store_again.c	one folder is read again; folders that wait for it
 *	store_keys.c	a key comes: the chains that it belongs to
 *	store_ask.c	what a ClientHello asks, and what a listener answers for
 *	store_choose.c	one ClientHello in, one decision out
 *	store_revoked.c	what is known to be revoked
 *	store_dates.c	what is to be renewed, and what has expired
 *	challenge.c	what answers an ACME server
 *	hot.c		which folders were served from, for who watches them
 *	watcher.c	a thread that has what changed read again
 *
 * Always true:
 *   1. A change is built aside, with no lock held; `mu` is then held while the
 *      rows and the pinned identities change together.
 *   2. No lock is held over file access or an event.
 *   3. Order of locks: the list of stores, the watcher's, mu, cache, intern.
 * Threads: `mu` guards what is below it.
 */
#ifndef SST_CERTSTORE_STORE_H
#define SST_CERTSTORE_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "hot.h"
#include "kept.h"
#include "index.h"
#include "scan.h"
#include "waits.h"

/*
 * Asked about an identity that is about to be served, `displaces`: in another's place.
 * 0: it is. SST_E_*, with the reason: it is refused. 1: not yet; what was read with it
 * (its folder, or all of a source that is read in one piece) stays as it was, without a
 * word, and who said so has it read again. `names`: lines, as in struct sst_row. Called
 * with no lock held, from the thread that reads the files.
 */
typedef int (*sst_try_fn)(void *arg, const struct sst_identity *, const char *names,
    int displaces, struct sst_error *err);

struct sst_events;

/* What has no file to be read from again. */
struct sst_pin {
	int64_t		 row;
	struct sst_identity *identity;	/* NULL for a staged chain: */
	STACK_OF(X509)	*certs;		/* leaf first */
};

/* Leaves, by their SHA-256, ascending. */
struct sst_marks {
	uint8_t		(*v)[32];
	size_t		 n;
};

/* What store_dates.c has come to. */
struct sst_due {
	int64_t	 known;			/* the last row that was looked at */
	time_t	 last, next;		/* step; the next date of any row */
	int	 busy;
};

/* A large directory that is being read: store_dir.c. */
struct sst_reading {
	struct sst_reading *next;
	uint64_t	 names;		/* of the directory */
	atomic_uint_fast64_t read;	/* of those, by any thread */
	time_t		 since;
	int64_t		 since_ms;
};

#define SST_FUTILE	16	/* rows whose wait came to nothing, by their number */

struct sst_store {
	atomic_int	 refs;
	struct sst_store_config config;
	struct sst_scan_env env;	/* constant, so are cache and env.intern */
	struct sst_kept *cache;
	/* The generation is this number; or, while the index is kept, what *word says
	 * and `offset`: sst_store_generation(). */
	atomic_uint_fast64_t generation, offset;
	_Atomic(const atomic_uint_fast64_t *) word;
	atomic_uint_fast64_t no_default; /* generation + 1 that has no default */
	atomic_uint_fast64_t misses;	/* identities that were read to be served */
	atomic_int_fast64_t next_rescan; /* ms: when a stale row may cost a scan */
	atomic_uint_fast64_t futile[SST_FUTILE];	/* waits for who writes; store_keep.c */
	atomic_int	 warm;		/* the index was not compared with the files yet */
	atomic_int	 doubt;		/* a row of the index that is kept lied */
	atomic_int	 mended;	/* a broken index was left; to be told */
	atomic_int	 hot_waits;	/* there is something in `hot` */
	char		*index_dir;	/* constant */
	sst_try_fn _Atomic on_try;	/* may be NULL; try_arg is set before it */
	void	*_Atomic try_arg;
	struct sst_watcher *watcher;	/* constant; or NULL */
	struct sst_store *next, *prev;	/* list of all stores, for fork */

	pthread_mutex_t	 mu;		/* guards the rest */
	struct sst_index *index;
	unsigned	 n_index;	/* counts those that took its place with rows of their own */
	struct sst_pin	*pins;		/* by row */
	size_t		 n_pins, room_pins;
	struct sst_marks revoked;
	struct sst_marks bare;		/* without the staple that they demand */
	struct sst_due	 due;
	uint64_t	*degraded;	/* of store_choose.c; NULL: nothing was told */
	struct sst_gen	*gen;		/* of the index that is or was kept; set once */
	char		*kept_path;	/* of that directory */
	struct sst_waits waits;
	struct sst_hot	 hot;
	struct sst_reading *reading;	/* each its reader's; NULL: none */
};

/*
 * Who tries what is to be served; set once, before the first change. What fails is
 * refused, what serves goes on, and an event says why. Without it nothing is tried, nor
 * is what a large directory holds when it is read first.
 */
void	sst_store_on_try(struct sst_store *, sst_try_fn, void *arg);
/* Whether somebody does. */
int	sst_store_is_tried(struct sst_store *);

/*
 * Reads again what `below` names in the source `path`: a folder of that directory, or
 * any path in one, relative to the source; a file directly in the directory stands
 * for all such files, unless all that belongs together is in it; "" stands for
 * everything, and so does any `below` of a source that is a file. Costs what that
 * folder has, whatever else the store holds. What fails keeps its old identity, as
 * with sst_store_rescan(). SST_E_NOT_FOUND: the source was never set. 1: who tries it
 * does not take that folder yet.
 */
int	sst_store_rescan_below(struct sst_store *, const char *path, const char *below,
	    struct sst_error *err);
/*
 * Folders of certbot's that were found between two versions are read again after 0.2,
 * 0.5, 1, 2, 5 and then every 10 s. Whoever has a timer asks when the next is due (ms
 * from now, 0: it is over; -1: none waits), and has them read. One that is not taken yet
 * by who tries it stays due.
 */
int64_t	sst_store_retry_due(struct sst_store *);
int	sst_store_retry(struct sst_store *, struct sst_error *err);

/* Who opens its files has ended for good: an index that is shared is for others to write,
 * who can, and this store goes on with what it has, in a copy: not for a thread that
 * clients wait for, nor for a process that forks meanwhile. */
void	sst_store_part(struct sst_store *);

/*
 * Which folders were served from, for who gives names a watch: noted when a decision is
 * made, not when it is found in the cache. is_hot() is one load.
 */
int	sst_store_is_hot(const struct sst_store *);
/* hot.h: takes one of them. */
int	sst_store_hot(struct sst_store *, char *out, size_t size);

/* scan.h: what the store serves of a folder. `arg`: the store. */
void	sst_store_served(void *arg, const char *folder, struct sst_served *);
/* Notes which folders of a scan wait. */
void	sst_store_note_seen(struct sst_store *, const char *source,
	    const struct sst_scan *, struct sst_events *);

/* Who opens the files of `folder` was silent: what there was goes on, and it is read again
 * soon. */
void	sst_store_note_unknown(struct sst_store *, const char *source, const char *folder,
	    struct sst_events *);

/* It was read, and could not be taken in: where that was for want of memory, or of room for
 * the index, it is read again soon, since no change of the files will tell of it. */
void	sst_store_note_unwritten(struct sst_store *, const char *source, const char *folder,
	    const struct sst_error *why, struct sst_events *);

/* Locks mu, and replaces an index that is broken. */
void	sst_store_lock(struct sst_store *);
void	sst_store_unlock(struct sst_store *);

/* The identity of a row, which the caller unrefs: pinned, cached, or read from its
 * files. SST_E_NOT_FOUND: they hold something else by now. */
int	sst_row_identity(struct sst_store *, const struct sst_row *,
	    struct sst_identity **ret, struct sst_error *err);
/* The index has come to this generation. */
void	sst_store_moved_locked(struct sst_store *, uint64_t generation);

/* Whether a leaf is marked as revoked, and as without the staple that it demands. */
void	sst_store_marks(struct sst_store *, const uint8_t leaf[32], int *ret_revoked,
	    int *ret_bare);

struct sst_told;
/* Events of one change, told after the lock is gone. */
struct sst_events {
	struct sst_told	*v;
	size_t		 n, room;
};

void	sst_events_add(struct sst_events *, enum sst_store_event_kind,
	    const char *source, const char *text);
/* The same about a row: its certificate is named as well. */
void	sst_events_add_row(struct sst_events *, enum sst_store_event_kind,
	    const struct sst_row *, const char *text);
/* Tells all and frees them. */
void	sst_events_tell(struct sst_store *, struct sst_events *);

/* Frees all untold: the change did not happen. */
void	sst_events_forget(struct sst_events *);

/* The pin of a row, or NULL. Caller holds mu. */
struct sst_pin *sst_pin_find_locked(struct sst_store *, int64_t row);
/* Room for one more pin, so that the next sst_pin_add_locked() cannot fail. */
int	sst_pin_room_locked(struct sst_store *, size_t n, struct sst_error *err);
/* Takes references of its own. Rows are added in rising order. */
void	sst_pin_add_locked(struct sst_store *, int64_t row, struct sst_identity *,
	    STACK_OF(X509) *certs);
void	sst_pin_drop_locked(struct sst_store *, int64_t row);

#endif
