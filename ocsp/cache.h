/* SPDX-License-Identifier: ISC */
/*
 * cache - evidence that is kept, in one SQLite file that one user writes.
 *
 *	<dir>/live.db      0600, WAL, the writer's
 *	<dir>/snapshot.db  0644, published by rename, for readers that cannot write
 *
 * check.c reads, work.c (the checker's thread) writes, sstool looks. It calls
 * SQLite and nobody else.
 *
 * Always true:
 *   1. Derived data of verified evidence only; no certificate's private part.
 *   2. A row whose digest does not match is as if it were not there, but a
 *      damaged page never becomes a GOOD. Digests are against corruption, not
 *      against an attacker who may write the file.
 *   3. Evidence is monotonic: an older thisUpdate, or a lower CRLNumber in the
 *      same scope, never takes the place of what is there; REVOKED stays until
 *      the certificate ends, a hold until newer evidence lifts it.
 *   4. Corrupt files are put aside and made anew (revoked rows that verify are
 *      saved); busy, full, read-only and out of memory leave the file alone, and
 *      the cache goes on in memory.
 *   5. No connection to a file lives across fork(): it is closed before, and both
 *      processes open again at their next call. What memory has, both have.
 *   6. Reading never waits (busy time-out 0), nor does opening again (after fork(),
 *      for damage): SST_E_TIMEOUT means busy, ask again from a thread that may wait.
 * Threads: one handle, any number of threads. Two mutexes inside: one for reading,
 *   held for one look-up, one for changes, held for one transaction of bounded size.
 */
#ifndef SST_OCSP_CACHE_H
#define SST_OCSP_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "certkey.h"
#include "crl.h"
#include "evidence.h"

struct sst_cache;

enum sst_cache_mode {
	SST_CACHE_MEMORY = 1,	/* nothing on disk can be used */
	SST_CACHE_SNAPSHOT,	/* reads what the machine's writer published */
	SST_CACHE_WRITER
};

struct sst_cache_config {
	const char	*dir;		/* NULL or "": memory */
	int		 may_write;	/* 0: the snapshot, whatever the rights */
	uint64_t	 size_cap;	/* octets; 0: 64 MiB */
	int		 wait_ms;	/* busy time-out of writing; 0: 20 */
	int		 at_once;	/* 1: opening does not wait either: see sst_cache_settle() */
};

/* Fails for SST_E_NOMEM only: what cannot be opened is memory, and
 * sst_cache_why() says why. */
int	sst_cache_open(const struct sst_cache_config *, struct sst_cache **ret,
	    struct sst_error *err);
void	sst_cache_close(struct sst_cache *);	/* NULL is allowed */
/*
 * 1: others have its file locked for a moment, as in opening, so that it is not open
 * yet: a look-up is SST_E_TIMEOUT, a change goes to memory. It is opened by the first
 * call that finds it free; after 3 seconds it is memory.
 */
int	sst_cache_opening(struct sst_cache *);
/* Waits for that. */
void	sst_cache_settle(struct sst_cache *);
/* From now on changes of the calling thread wait up to `ms` for other processes before
 * they go to memory, opening included: what only this process has, others fetch once
 * more. After a wait in vain none follows until the file was found free. */
void	sst_cache_patient(int ms);
enum sst_cache_mode sst_cache_mode(const struct sst_cache *);
const char *sst_cache_why(const struct sst_cache *);	/* "" or one line */
/* Changes with every change of what a look-up could answer, by any process. The
 * file is looked at once a second, else it costs no system call. */
uint64_t sst_cache_generation(struct sst_cache *, int64_t now_ms);
/* The latest `now` at which evidence was fresh when it was kept: a clock far behind
 * it is wrong (case 39). 0: nothing was kept. */
int64_t	sst_cache_seen(struct sst_cache *);

/*
 * What is known about a certificate: up to `max` pieces, those of responses, then
 * those of lists, in scope or naming its serial. Returns how many;
 * SST_E_TIMEOUT: busy. Marked from_cache.
 */
int	sst_cache_get(struct sst_cache *, const struct sst_cert_facts *, int64_t now,
	    const struct sst_limits *, struct sst_evidence *list, size_t max);
/* 1: `key` is recorded as revoked. For delegates. */
int	sst_cache_revoked(struct sst_cache *, const struct sst_cert_key *, int64_t now);

/*
 * Keeps the answer of a response about `key`. `der` NULL: not kept. `not_after`:
 * when it may be dropped. SST_E_REFUSED: older than what is there (case 36).
 */
int	sst_cache_put(struct sst_cache *, const struct sst_cert_key *, int64_t not_after,
	    const struct sst_evidence *, const void *der, size_t len, int64_t now,
	    struct sst_error *err);
/* Takes a verified list in, in one step. SST_E_REFUSED: a rollback (case 78). */
int	sst_cache_put_crl(struct sst_cache *, const struct sst_crl *, const char *url,
	    int64_t now, struct sst_error *err);

/* What is known of a source (a URL): for back-off and conditional GET. */
struct sst_source_state {
	int64_t	last_try, next_try;	/* next_try 0: at once */
	unsigned fail_count;		/* since the last success */
	unsigned timeouts;		/* connect time-outs in a row, of the host */
	enum sst_fault last_fault;
	int	http_status;
	int	no_sha256;		/* 1: it did not understand SHA-256 CertIDs */
	int	no_get;			/* 1: it wants POST */
	char	etag[128];
	char	last_modified[64];
	uint8_t	body_sha256[32];	/* of the last list taken from here */
	uint64_t bytes;
	unsigned ms;
};
/* 1: known; 0: not; then *ret is zero. */
int	sst_cache_source_get(struct sst_cache *, const char *url, struct sst_source_state *ret);
int	sst_cache_source_put(struct sst_cache *, const char *url,
	    const struct sst_source_state *);

/* A failure about one certificate at one source (RFC 6960's unauthorized, a
 * wrong answer): until when it is not asked again. */
int	sst_cache_negative_put(struct sst_cache *, const struct sst_cert_key *, const char *url,
	    enum sst_fault, int64_t until);
/* 1: still holds, *ret_fault says what; 0: ask. */
int	sst_cache_negative_get(struct sst_cache *, const struct sst_cert_key *, const char *url,
	    int64_t now, enum sst_fault *ret_fault);

/*
 * The right to fetch `resource` until now + seconds. 1: it is ours; 0: somebody
 * else's, and *ret_until says how long. A lease whose process died ends at once
 * where that can be seen (pid and start time).
 */
int	sst_cache_lease(struct sst_cache *, const char *resource, int64_t now, int seconds,
	    int64_t *ret_until);
void	sst_cache_release(struct sst_cache *, const char *resource);

/* Our own certificate's staple: leaf SHA-256 to DER, with its life. */
int	sst_cache_staple_put(struct sst_cache *, const uint8_t leaf[32],
	    const struct sst_evidence *, const void *der, size_t len);
/* 1: copied (caller frees *ret_der); 0: none. */
int	sst_cache_staple_get(struct sst_cache *, const uint8_t leaf[32],
	    struct sst_evidence *ret, uint8_t **ret_der, size_t *ret_len);

/* Publishes the snapshot when something changed since the last one and `force` or
 * 5 s have passed. */
int	sst_cache_publish(struct sst_cache *, int force, struct sst_error *err);
/* Drops what has ended, and the least used beyond the cap and quotas, in slices. */
int	sst_cache_tidy(struct sst_cache *, int64_t now, struct sst_error *err);

/* For sstool. Everything that is kept, ordered; pointers live for the call. */
struct sst_cache_row {
	const char	*kind;		/* "ocsp", "staple", "crl", "local", "source" */
	struct sst_cert_key key;	/* serial_len 0: of an issuer or a source */
	const struct sst_evidence *evidence;	/* NULL for a source */
	const struct sst_crl_head *crl;		/* of a list */
	const struct sst_source_state *state;	/* of a source */
	const char	*url;		/* "" for none */
	uint64_t	 size;		/* octets in the file */
};
int	sst_cache_each(struct sst_cache *, int64_t now,
	    int (*each)(void *arg, const struct sst_cache_row *), void *arg,
	    struct sst_error *err);
struct sst_cache_stats {
	uint64_t bytes, answers, lists, entries, sources, leases, staples, negatives;
	uint64_t generation;
	uint64_t hits, misses, damaged, busy;	/* of this handle */
	int	 schema;
};
int	sst_cache_stats(struct sst_cache *, struct sst_cache_stats *ret, struct sst_error *err);
/* Removes all, or what an issuer's certificates have (NULL: all), but never a
 * recorded revocation unless `revoked_too`. Returns how many. */
int	sst_cache_purge(struct sst_cache *, const struct sst_issuer_id *, int revoked_too,
	    struct sst_error *err);

#endif
