/* SPDX-License-Identifier: ISC */
/*
 * cache_inside - what the files of the cache share, and nobody else sees.
 *
 *	cache.c         the handle: modes, locks, fork, one change with its fall-back
 *	cache_open.c    directories and files: whom to trust, open, put aside
 *	cache_mend.c    what can be saved of a damaged file
 *	cache_db.c      SQLite: statements, results, transactions
 *	cache_schema.c  the tables; cache_row.c  rows as bytes, and their digests
 *	cache_get.c     a look-up: answers, then lists (cache_heads.c)
 *	cache_answer.c  cache_crl.c  cache_source.c  cache_lease.c  cache_staple.c
 *	                by table; cache_tidy.c  what goes; cache_look.c  for sstool
 *	cache_snapshot.c  what others read
 *
 * Always true:
 *   1. A sst_db is used by whoever holds its mutex: `wmu` guards `change`, `mu`
 *      guards `look`, `mem` and the rest of the handle. wmu is taken before mu.
 *   2. A lock spans one look-up, or one transaction of bounded size.
 *   3. No connection to a file lives across fork(): it is closed before.
 */
#ifndef SST_OCSP_CACHE_INSIDE_H
#define SST_OCSP_CACHE_INSIDE_H

#include <openssl/evp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "cache.h"
#include "evidence_row.h"

#define SST_CACHE_SCHEMA	1
#define SST_CACHE_APP		1397969986	/* "SSTB" in the file's header */
#define SST_CACHE_PAGE		8192
#define SST_DIGEST_LEN		16
#define SST_ISSUER_LEN		16
#define SST_STATEMENTS		128
#define SST_HEAD_MAX		(SST_CRL_SCOPE_MAX + 512)
#define SST_LISTS_MAX		512	/* active lists of one issuer */
#define SST_OTHER_LISTS		32	/* that are looked into beside those in scope */
#define SST_BUCKET_BITS		24	/* of a bucket's row id; the rest is its list's */
#define SST_NOTES		64

/* Kinds of answers. One row of each for a certificate. */
enum sst_ans_kind { SST_ANS_OCSP = 1, SST_ANS_CRL, SST_ANS_LOCAL };

/* The active lists of an issuer, with what is needed to look into them. */
struct sst_list {
	int64_t		 id;
	int64_t		 used;
	int64_t		 fetched_at;
	struct sst_crl_head head;
	char		 url[256];
};
struct sst_heads {
	uint8_t		 issuer[SST_ISSUER_LEN];
	struct sst_list	*list;
	size_t		 n;
	struct sst_heads *next;
};

/* One connection. */
struct sst_db {
	sqlite3		*db;		/* NULL: there is none */
	struct { const char *text; sqlite3_stmt *st; } st[SST_STATEMENTS];
	int		 code;		/* SQLite's, of the last failure; 0: none */
	int		 damaged;	/* that failure means damage */
	unsigned	 epoch;		/* counts what was opened */
	uint64_t	 cap;		/* octets that it may take */
	EVP_MD		*md;
	EVP_MD_CTX	*ctx;
	uint64_t	 generation, lists, seen;	/* meta's, as last read */
	uint64_t	 heads_lists;	/* `lists` when heads were read */
	struct sst_heads *heads;
	size_t		 n_heads;	/* lists in them */
};

/* A revocation that a look-up met in a list: it stays when the list goes. */
struct sst_note {
	struct sst_cert_key key;
	int64_t		 ends;
	struct sst_evidence ev;
};

struct sst_cache {
	pthread_mutex_t	 wmu, mu;
	struct sst_cache *next, **prev;	/* all handles, for fork */
	char		*dir, *live, *snapshot;	/* NULL: memory only */
	int		 may_write;
	uint64_t	 size_cap;
	int		 wait_ms;
	_Atomic(enum sst_cache_mode) mode;
	_Atomic(char *)	 why;
	char		*whys[8];	/* all that were, for who still reads one */
	unsigned	 n_whys;
	int64_t		 mended_ms;	/* the first of `mends` in a row */
	unsigned	 mends;
	int		 hurt;		/* `look` met damage: the next change mends */
	_Atomic int	 reopen;	/* connections are to be made anew */
	_Atomic int	 opening;	/* others have the file just now: again at the next call */
	int		 opening_hurt;	/* and it is to be put aside then */
	int64_t		 opening_ms;	/* until when that is tried */
	pid_t		 pid;
	uid_t		 uid;
	int		 stray;		/* forked behind our back: no file of the parent's */
	struct stat	 file;		/* what `look` has open */
	struct sst_db	 change;	/* wmu: the live file, to write */
	struct sst_db	 look;		/* mu: the live file or the snapshot, to read */
	struct sst_db	 mem;		/* mu: what no file could take */
	uint8_t		 nonce[16];	/* owner of leases */
	struct sst_note	 notes[SST_NOTES];
	unsigned	 n_notes;
	struct { uint8_t hash[32]; int64_t id; } used[64];	/* id 0: an answer */
	unsigned	 n_used;
	int64_t		 bad[8];	/* lists of `look` with damaged rows */
	unsigned	 n_bad;
	_Atomic int64_t	 looked_ms;	/* when the file was last looked at */
	uint64_t	 known;		/* its generation then */
	_Atomic uint64_t generation;
	_Atomic uint64_t hits, misses, damaged, busy;
};

/* cache.c */
void	sst_cache_enter(struct sst_cache *);	/* takes mu; connections are ready */
void	sst_cache_leave(struct sst_cache *);
/* The store that is written to, locked: `change` or `mem`. */
struct sst_db *sst_cache_enter_change(struct sst_cache *);
void	sst_cache_leave_change(struct sst_cache *, struct sst_db *);
/* Mends a file that a look-up found damaged, unless a change is under way. 1: it
 * did. No lock is held. */
int	sst_cache_mend_soon(struct sst_cache *);
/* What a change does to the generation. */
enum sst_bump { SST_BUMP_NONE = 0, SST_BUMP_ANSWERS, SST_BUMP_LISTS };
/*
 * Runs `step` in one transaction of the file and, where that fails for the
 * storage's sake, of memory. It may run more than once. Its own refusals
 * (negative codes with no failure of the store) are returned and roll back;
 * positive results are returned and commit.
 */
int	sst_cache_change(struct sst_cache *, enum sst_bump, int64_t now,
	    int (*step)(struct sst_cache *, struct sst_db *, void *arg, struct sst_error *),
	    void *arg, struct sst_error *err);
/* One transaction of `s`, which is locked. */
int	sst_cache_transaction(struct sst_cache *, struct sst_db *, enum sst_bump, int64_t now,
	    int (*step)(struct sst_cache *, struct sst_db *, void *arg, struct sst_error *),
	    void *arg, struct sst_error *err);
/* After a change of the file failed (no lock is held): mends what is damaged, says
 * what is wrong else. 1: try again; 0: memory has to do. */
int	sst_cache_file_failed(struct sst_cache *, int code, unsigned epoch);
/* 1: the code says that another process has the file, and this thread has waited for it
 * a moment, before `until` (ms of sst_clock_ms()). No lock is held. */
int	sst_cache_waits(int code, int64_t until);
int	sst_cache_memory(struct sst_cache *);	/* makes `mem`; mu is held */
void	sst_cache_say(struct sst_cache *, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
/* After a failure of `look` (mu is held): damage is mended by the next change. */
int	sst_cache_look_failed(struct sst_cache *, struct sst_db *);

/* cache_open.c. Both mutexes are held. None waits: what others have locked is tried
 * again by whoever comes next, for 3 seconds (`opening`). */
void	sst_cache_connect(struct sst_cache *);
void	sst_cache_disconnect(struct sst_cache *);
/* Puts the live file aside and makes a new one, with what could be saved. */
void	sst_cache_mend(struct sst_cache *);
/* 1: the file at the path is not the one that is open. */
int	sst_cache_moved(const struct sst_cache *);
int	sst_cache_paths(struct sst_cache *, const char *dir, struct sst_error *err);
/* cache_mend.c: revoked rows of a damaged file that verify go to `to`. */
void	sst_cache_salvage(struct sst_db *to, const char *path);

/* cache_db.c */
enum sst_db_kind { SST_DB_MEMORY, SST_DB_WRITE, SST_DB_READ, SST_DB_SNAPSHOT };
enum sst_db_found { SST_DB_OURS, SST_DB_NEWER, SST_DB_DAMAGED, SST_DB_CANNOT };
enum sst_db_found sst_db_open(struct sst_db *, enum sst_db_kind, const char *path, int wait_ms);
void	sst_db_close(struct sst_db *);
/* Binds: i int64_t, b (const void *, size_t), t const char *. NULL: failed. */
sqlite3_stmt *sst_db_ask(struct sst_db *, const char *text, const char *form, ...);
/* 1: a row; 0: no more, and the statement is done; < 0: failed, and done. */
int	sst_db_row(struct sst_db *, sqlite3_stmt *);
void	sst_db_done(sqlite3_stmt *);
/* A statement without rows. 0 or < 0. */
int	sst_db_do(struct sst_db *, const char *text, const char *form, ...);
/* The first row's first column. 1, 0 (none) or < 0. */
int	sst_db_int(struct sst_db *, int64_t *ret, const char *text, const char *form, ...);
/* Notes what SQLite said; SST_E_TIMEOUT, NOMEM, MALFORMED (damaged) or SYSTEM. */
int	sst_db_failed(struct sst_db *, int code);
int	sst_db_is_damage(int code);
const char *sst_db_text(const struct sst_db *);
/* Copies a blob of exactly `len` octets; < 0: it is another length. */
int	sst_db_blob(sqlite3_stmt *, int column, void *out, size_t len);
int	sst_db_begin(struct sst_db *);		/* for reading; reads meta */
void	sst_db_end(struct sst_db *);
int	sst_db_write(struct sst_db *);		/* begins a change */
int	sst_db_commit(struct sst_db *);
void	sst_db_rollback(struct sst_db *);	/* what is left of one */
uint64_t sst_db_bytes(struct sst_db *);		/* pages in use */
int	sst_db_schema(struct sst_db *);		/* makes the tables */

/* cache_row.c */
struct sst_span { const void *p; size_t n; };
/* A truncated SHA-256 over all of it. 0, or < 0 for want of memory. */
int	sst_db_digest(struct sst_db *, char tag, const int64_t *ints, size_t n_ints,
	    const struct sst_span *, size_t n_spans, uint8_t ret[SST_DIGEST_LEN]);
int	sst_issuer_hash(struct sst_db *, const struct sst_issuer_id *,
	    uint8_t ret[SST_ISSUER_LEN]);
size_t	sst_head_pack(const struct sst_crl_head *, uint8_t out[SST_HEAD_MAX]);
int	sst_head_unpack(const void *, size_t, struct sst_crl_head *);
size_t	sst_source_pack(const struct sst_source_state *, uint8_t out[SST_ROW_MAX]);
int	sst_source_unpack(const void *, size_t, struct sst_source_state *);

/* cache_answer.c */
struct sst_ans {
	uint8_t		 hash[32];
	int		 kind;
	int64_t		 ends, used;
	struct sst_cert_key key;
	struct sst_evidence ev;
};
#define SST_ANS_COLUMNS	"hash,kind,issuer,status,ends,used,body,digest"
/* Reads the row of SST_ANS_COLUMNS. 1; 0: damaged; < 0: no memory. */
int	sst_ans_read(struct sst_db *, sqlite3_stmt *, struct sst_ans *ret);
/* 1: revoked for good, whatever comes. */
int	sst_ans_final(const struct sst_evidence *);
/* 1: what is new takes the place of what is there. */
int	sst_ans_wins(const struct sst_evidence *new, const struct sst_evidence *old);
/* One answer by the rules, in a transaction. SST_E_REFUSED: older. */
int	sst_ans_put(struct sst_db *, const struct sst_ans *, const void *der, size_t len,
	    struct sst_error *err);
/* Writes the notes of look-ups down. */
int	sst_ans_notes(struct sst_cache *);
/* Moves answers that only memory had into the file. */
int	sst_ans_move(struct sst_cache *);

/* cache_heads.c */
/* The active lists of an issuer; `s` is in a reading transaction. */
int	sst_heads_of(struct sst_cache *, struct sst_db *, const struct sst_issuer_id *,
	    const struct sst_heads **ret);
void	sst_heads_free(struct sst_db *);
/* One list: 1 found, 0 not listed, SST_E_MALFORMED: a damaged row. */
int	sst_list_find(struct sst_cache *, struct sst_db *, const struct sst_list *,
	    const struct sst_cert_key *, struct sst_crl_entry *ret);
/* 1; 0: damaged; < 0: no memory. The row is SST_LIST_COLUMNS. */
#define SST_LIST_COLUMNS "id,issuer,state,fetched,used,url,head,digest"
int	sst_list_read(struct sst_db *, sqlite3_stmt *, struct sst_list *ret);
int	sst_list_seal(struct sst_db *, const uint8_t issuer[SST_ISSUER_LEN], int64_t fetched,
	    const char *url, const void *head, size_t len, uint8_t ret[SST_DIGEST_LEN]);
int	sst_bucket_seal(struct sst_db *, const struct sst_crl_head *, uint32_t bucket,
	    const void *blob, size_t len, uint8_t ret[SST_DIGEST_LEN]);

/* cache_crl.c */
/* For transactions: takes lists out of use; deletes, a slice a call, what nobody
 * reads (1: there is more), and stagings that were begun before *arg. */
int	sst_list_drop(struct sst_db *, int64_t id);
int	sst_list_sweep(struct sst_cache *, struct sst_db *, void *arg, struct sst_error *);

/* cache_source.c, cache_staple.c: a row, as sst_ans_read(). Columns url,body,digest
 * and leaf,body,der,digest. What is returned lives as long as the row. */
int	sst_source_read(struct sst_db *, sqlite3_stmt *, const char **ret_url,
	    struct sst_source_state *ret);
int	sst_staple_read(struct sst_db *, sqlite3_stmt *, struct sst_evidence *ret,
	    const void **ret_der, size_t *ret_len);

/* cache_tidy.c */
/* Makes room for an answer of `issuer` where it or the whole is over its share:
 * one slice, in a transaction. */
int	sst_cache_room(struct sst_db *, const uint8_t issuer[SST_ISSUER_LEN]);

#endif
