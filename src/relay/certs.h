/* SPDX-License-Identifier: ISC */
/*
 * certs - the certificates of one socket: a store, and where each came from.
 *
 * change.c loads, removes and rescans through the loader (certs_load.c); a handshake's
 * choice reads through the same store. Files are read from the descriptor that the
 * program passed; what is watched is opened again by the keeper, what is static
 * never is.
 *
 * Always true:
 *   1. A source is in the list from before its first byte is read until it is
 *      replaced or removed; one that failed leaves nothing behind.
 *   2. The list, replayed in its order, makes the same store again.
 *   3. No private key leaves the store.
 * Threads: any; `mu` is never held while the store or the keeper is asked.
 */
#ifndef SST_RELAY_CERTS_H
#define SST_RELAY_CERTS_H

#include <stddef.h>
#include <stdint.h>

struct sst_below;
struct sst_certs;
struct sst_error;
struct sst_files;
struct sst_log;
struct sst_names;
struct sst_ours;
struct sst_job;
struct sst_store;
struct sst_tickets;

/* One entry of the list. */
struct sst_cert_source {
	struct sst_cert_source *next;
	uint32_t	 id;		/* of the keeper; 0: a removal */
	int		 option;	/* TLS_CERTIFICATE_CHAIN, _REMOVE, TLS_PRIVATE_KEY
					   or TLS_ACME_CHALLENGE */
	int		 watched;
	int		 fresh;		/* not loaded yet: use fd */
	int		 is_dir;
	int		 fd;		/* owned; -1 for a removal */
	char		*path;		/* "" for bytes; what, for a removal */
	char		*why;		/* why static, or NULL */
	char		*tag;		/* how the store calls bytes, or NULL */
};

/* Takes `fd` on success. NULL: out of memory. */
struct sst_cert_source *sst_cert_source_new(uint32_t id, int option, int watched,
	    const char *path, const char *why, int fd);
void	sst_cert_source_free(struct sst_cert_source *);

/* `generation`: that a former relay had come to; 0 for a new socket. `index_dir`: where
 * the index of a directory is kept (certstore.h); NULL: nowhere. */
int	sst_certs_new(struct sst_files *, struct sst_log *, int key_event,
	    uint64_t generation, const char *index_dir, struct sst_certs **ret_certs,
	    struct sst_error *err);
/* Whom to tell, when the last reference goes, of each source that was in use. */
void	sst_certs_on_end(struct sst_certs *, void (*drop)(void *arg, uint32_t id),
	    void *arg);
struct sst_certs *sst_certs_ref(struct sst_certs *);
void	sst_certs_unref(struct sst_certs *);	/* NULL is allowed */
struct sst_store *sst_certs_store(struct sst_certs *);	/* borrowed */
/* What its clients' sessions are resumed by, where the program gave no key. Borrowed. */
struct sst_tickets *sst_certs_tickets(struct sst_certs *);
void	sst_certs_key_event(struct sst_certs *, int key_event);

/* Who sees to staples, and how long (ms) a new certificate may wait for its own before
 * it is put in service; replaces who did before. Takes a reference. */
void	sst_certs_oversee(struct sst_certs *, struct sst_ours *, unsigned ms);
/* The caller unrefs it; NULL: nobody. *ret_ms may be NULL. */
struct sst_ours *sst_certs_ours(struct sst_certs *, unsigned *ret_ms);

/*
 * What is new and has no staple yet is held back, and asked for, by all that is done in
 * this thread between sst_await_begin() and sst_await_end(): what it would displace goes
 * on, as does all that was read with it. Who did it waits and does the same again (what
 * is read then is what is served), the last time without a hold. The loader is free
 * between, but no other change of this store comes there.
 *
 * A client for whom a file is read again waits for nothing: what demands a staple and has
 * none is then left to who reads it next, and nothing else is.
 */
struct sst_await {
	struct sst_ours	*ours;		/* or NULL: nobody is waited for */
	size_t		 n;		/* held back */
	unsigned	 ms;		/* for so long, by the policy */
};
/* `late`: nothing is held back any more. */
void	sst_await_begin(struct sst_certs *, int late, struct sst_await *);
/* How many are; 0: it is over, else that is for sst_await_done(). */
size_t	sst_await_end(struct sst_await *);
/* 1: their staples are there, or were refused. */
int	sst_await_over(const struct sst_await *);
void	sst_await_done(struct sst_await *);	/* all zero is allowed */

/*
 * sst_certs_enter() takes the source over, also on failure; the store is as it was.
 * `names`: the listed ones, which a chain in a file or in bytes must meet; NULL or empty
 * for no such rule.
 */
int	sst_certs_enter(struct sst_certs *, struct sst_cert_source *,
	    const struct sst_names *names, struct sst_error *err);
/* Puts it in service, unless it is held back. Forgets the source on failure. */
int	sst_certs_load(struct sst_certs *, struct sst_cert_source *, struct sst_error *err);
/* `what`: as sst_store_remove(), or "acme:" and a name whose challenges go. */
int	sst_certs_remove(struct sst_certs *, const char *what, struct sst_error *err);
/* What changed below the source. An unknown id is nothing. */
void	sst_certs_rescan(struct sst_certs *, uint32_t id, const struct sst_below *);

/* Reads the folders again that are due for it. */
void	sst_certs_retry(struct sst_certs *);
/* ms until some are; -1: none waits. */
int64_t	sst_certs_retry_due(struct sst_certs *);

/* Changes of this store that wait for the one before: change.c's. */
struct sst_lane {
	int		 busy;
	int		 retries;	/* a retry is on its way */
	struct sst_job	*first, **end;	/* the others */
};
struct sst_lane *sst_certs_lane(struct sst_certs *);	/* under the relay's lock */
int	sst_certs_has(struct sst_certs *, uint32_t id);
int	sst_certs_has_dir(struct sst_certs *, uint32_t id);	/* ... and it is a directory */
/* Nobody but the caller has them any more. */
int	sst_certs_is_left(const struct sst_certs *);
/* Whether it is a directory that is served from its kept index, and was not read yet. */
int	sst_certs_is_unread(struct sst_certs *, uint32_t id);
/* How many entries the list has. */
size_t	sst_certs_count(struct sst_certs *);
/* The id of a source that left the list since the last call; 0: no more. */
uint32_t sst_certs_dropped(struct sst_certs *);
/* Calls `each` for the list in order; stops at < 0 and returns that. */
int	sst_certs_each(struct sst_certs *,
	    int (*each)(void *arg, const struct sst_cert_source *), void *arg);

struct sst_certs_numbers {
	unsigned long	loaded, staged, refused, degraded;
	int64_t		earliest;	/* notAfter; 0: none is loaded */
};
void	sst_certs_numbers(struct sst_certs *, int64_t now, struct sst_certs_numbers *);

/* Names that no certificate covers are reported as events. */
void	sst_certs_uncovered(struct sst_certs *, const struct sst_names *names);
/* Tells of what was to be renewed, and of what has expired. Seconds until it wants to be
 * called again; reads the index, so not for a thread that connections wait for. */
unsigned sst_certs_dates(struct sst_certs *);
/* What could not be done when the store changed last, about what is seen to of it, is done:
 * for the loader's thread. */
void	sst_certs_sync_due(struct sst_certs *);
/* Wall time of the last renewal; 0: none yet. */
int64_t	sst_certs_renewed(struct sst_certs *);

#endif
