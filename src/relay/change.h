/* SPDX-License-Identifier: ISC */
/*
 * change - one change of a store of certificates, from its beginning to its end.
 *
 *	supply.c (a call, a watch) --> change.c --loader--> certs.c
 *	                               change.c <--staples-- ours.c, looked at by a timer
 *	change_later.c: what is read again when it is due --> change.c
 *
 * Always true:
 *   1. Changes of one store are made one at a time and in their order, also while the
 *      first waits for staples (certs.h); nobody else waits for that.
 *   2. What is to be read again later is the store's: it is done as long as anybody
 *      has the store, whoever asked for it.
 *   3. Every source of the keeper is taken when it comes, and kept or dropped when it
 *      was read. Before that, who waited for it may be told that it is set: then it is
 *      kept, so that the relay that comes after this one reads it.
 * Threads: under the relay's lock; `work` is the loader's.
 */
#ifndef SST_RELAY_CHANGE_H
#define SST_RELAY_CHANGE_H

#include <securesockets/error.h>

#include "base/below.h"
#include "certs.h"
#include "loader.h"
#include "names.h"

struct sst_call;
struct sst_record;
struct sst_relay;

enum sst_change_kind {
	SST_CHANGE_LOAD,
	SST_CHANGE_REMOVE,
	SST_CHANGE_RESCAN,
	SST_CHANGE_RETRY,
	SST_CHANGE_BEGIN	/* what was set before it is loaded */
};

/* One thing for the loader. */
struct sst_change {
	struct sst_job	   job;		/* first */
	struct sst_timer   timer;	/* a directory's answer */
	struct sst_relay  *relay;
	struct sst_call	  *call;	/* NULL: nobody waits */
	struct sst_certs  *certs;
	struct sst_cert_source *source;	/* LOAD, until the store has it: */
	struct sst_cert_source *entered;
	struct sst_await   await;	/* the staples that it waits for */
	struct sst_timer   poll;	/* looks for them, or for when it is due */
	int64_t		   until;	/* it waits no longer; 0: it has not begun to */
	int		   late;	/* it has waited for long enough */
	struct sst_names   names;
	char		  *what;	/* REMOVE */
	struct sst_below   below;	/* RESCAN */
	uint32_t	   id;		/* of the source; 0: none */
	uint64_t	   cookie;	/* of the socket; 0: of none */
	enum sst_change_kind kind;
	int		   again;	/* a restored source: kept already */
	int		   is_dir;	/* LOAD: of a directory */
	uint64_t	   before;	/* the store's generation */
	int64_t		   due;		/* ms until some folders are read again; -1: none */
	int		   rc;
	struct sst_error   err;
};

/* NULL: out of memory. The socket may be NULL: it is the store's own then. */
struct sst_change *sst_change_new(struct sst_relay *, struct sst_certs *,
	    const struct sst_record *, enum sst_change_kind);
void	sst_change_free(struct sst_change *);
/* Takes it; after those of the same store that were submitted before. */
void	sst_change_submit(struct sst_change *);
/* Its caller is about to be told that it is set, although it is still being read. */
void	sst_change_promise(struct sst_change *);
/* The one that will read this source again and has not begun to; or NULL. */
struct sst_change *sst_change_waiting(struct sst_certs *, uint32_t id);

/* change_later.c: a directory that is served from a kept index is read when the rest is
 * done. `loaded`: who took it in. */
void	sst_change_read_later(const struct sst_change *loaded);
/* ... folders that were found between two versions are read again in `due` ms (-1: there
 * are none). One such change a store. */
void	sst_change_retry_later(struct sst_relay *, struct sst_certs *, int64_t due);

/* Tells the keeper of a source. */
void	sst_change_tell(struct sst_relay *, uint16_t verb, uint32_t id);

#endif
