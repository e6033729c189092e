/* SPDX-License-Identifier: ISC */
/*
 * certstore - loads identities and chooses one for the name a client asks for.
 *
 * An *identity* is a leaf certificate, the chain that leads to its issuer, and
 * the private key. A *store* holds identities and an index of their names; it
 * opens no socket and knows no SSL_CTX (openssl.h attaches one to an SSL_CTX).
 *
 *	struct sst_store *store = NULL;
 *	struct sst_error err = { 0 };
 *
 *	if (sst_store_new(NULL, &store, &err) < 0 ||
 *	    sst_store_add(store, "/etc/letsencrypt/live", &err) < 0)
 *		errx(1, "%s", err.text);
 *
 * Always true:
 *   1. An identity is chosen by subjectAltName alone, DNS names as A-labels
 *      and IP addresses (RFC 9525); a common name is never a name.
 *   2. A key belongs to the chain whose leaf carries the same public key. A
 *      pair enters the store in one step or not at all.
 *   3. Every change that succeeds adds one to the generation. A choice is made
 *      on one generation: never on half of a change.
 *   4. A change that fails leaves the store as it was. A broken certificate in
 *      a directory voids only itself. A directory of more than 64 entries is taken in
 *      by steps, each of them such a change: what was read is served meanwhile. A
 *      folder in it of more than 4,096 entries is refused as a whole.
 *   5. A name that nobody has costs no file access and no memory.
 *   6. No private key is written anywhere, the index included.
 *   7. A certificate with acmeIdentifier (RFC 8737, 8738) is never chosen: it is kept
 *      apart, for who asks by acme-tls/1 (openssl.h).
 *
 * Strings are UTF-8 and NUL-terminated. Names given by a person may be
 * U-labels; they are converted to A-labels (IDNA 2008).
 * Threads: any number may use one store at once.
 */
#ifndef SECURESOCKETS_CERTSTORE_H
#define SECURESOCKETS_CERTSTORE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include <securesockets/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sst_store;	/* shared: ref/unref */
struct sst_choice;	/* immutable, shared: ref/unref */

/* What happened to a store. What it points to lives for the call only. */
enum sst_store_event_kind {
	SST_STORE_RENEWED = 1,	/* an identity took another's place */
	SST_STORE_ADDED,
	SST_STORE_REMOVED,
	SST_STORE_REFUSED,	/* not taken in; `text` says why */
	SST_STORE_KEPT,		/* a bad renewal; the old identity goes on */
	SST_STORE_DEGRADED,	/* an expired or revoked identity is served, or one without
				   the staple that it demands: nothing better */
	SST_STORE_REVOKED,	/* an identity is revoked, or is not any more */
	SST_STORE_EXPIRING,	/* a third of its life is left (half, if it lives for less
				   than ten days), and it was not renewed */
	SST_STORE_EXPIRED,	/* its life is over, and nothing took its place */
	SST_STORE_READING	/* a directory of 4,096 entries or more begins to be read, or
				   was read: two events, `text` has the number */
};

struct sst_store_event {
	enum sst_store_event_kind kind;
	const char	*source;	/* escaped path, or "bytes:" and a digest */
	const char	*text;		/* one escaped line */
	const uint8_t	*leaf;		/* SHA-256 of the certificate; NULL: of none */
	time_t		 not_after;	/* its end; 0: not known */
	const char	*name;		/* its first name, escaped; "": none */
};

/* How far the reading of a large directory has come. */
struct sst_store_progress {
	uint64_t	seen;		/* entries of the directory */
	uint64_t	done;		/* of those, taken in (or refused) */
	int		over;		/* 1: that was the last */
	uint64_t	read;		/* of the entries, read: `done` follows by steps */
};

/* All zero (or a NULL pointer to it) means the defaults. */
struct sst_store_config {
	/* Where the index of a directory is kept, so that the next process that sets
	 * the same directory serves at once (sst_store_is_warm()); all processes of
	 * this user share it. "": the machine's cache, or the user's
	 * (XDG_CACHE_HOME, ~/.cache). NULL: nowhere, the index is in memory. So it is
	 * where that directory is another user's or on a network, which is an event,
	 * and where the certificates have fewer than eight entries. */
	const char	*index_dir;
	size_t		 cache_bytes;	/* parsed identities; 0: 32 MiB */
	int		 keys_may_be_open; /* 1: a key file readable by others is
					      an event, not a refusal */
	/* Called with no lock held, from the thread that made the change. */
	void		(*on_event)(void *arg, const struct sst_store_event *);
	void		*event_arg;
	uint64_t	generation;	/* of a store that this one takes the place
					   of: it counts on from there */
	/* Called when a directory of more than 64 entries begins to be read, then about
	 * four times a second, and once when it is over, as on_event is. */
	void		(*on_progress)(void *event_arg, const struct sst_store_progress *);
	unsigned	threads;	/* that read such a directory; 0: as many as
					   there are cores, at most 8 */
	/*
	 * 1: what changes in the files and directories that are added is taken in by
	 * itself, at once where the kernel has watches for them and within about 10 s
	 * elsewhere. A thread does it, which starts with the first path: events of such
	 * changes come from it, and may not give back the last reference. After fork()
	 * a child has a thread of its own as soon as it uses the store.
	 */
	int		 watch;
};

/* On SST_OK the caller owns *ret_store (one reference). */
SST_API int	sst_store_new(const struct sst_store_config *, struct sst_store **ret_store,
		    struct sst_error *err);
SST_API struct sst_store *sst_store_ref(struct sst_store *);
/* Gives one reference back. NULL is allowed. The last one clears the keys. */
SST_API void	sst_store_unref(struct sst_store *);

/*
 * Takes in whatever `path` holds: a file with a chain and its key, PEM or DER,
 * or a directory with every pair in it (also certbot's live/NAME layout). In a
 * directory a broken entry raises an event and voids only itself; a file that
 * does not parse is SST_E_MALFORMED. A chain without a key is *staged* until
 * sst_store_add_key() brings the key. A source that is present already is
 * read again, and what it holds takes the place of what it held.
 *
 * A directory whose index was kept (config) is not read: what the index says is served,
 * and each certificate is compared with it when it is first used.
 */
SST_API int	sst_store_add(struct sst_store *, const char *path, struct sst_error *err);
/*
 * Takes in the keys of `path` and joins each to the staged or present chain
 * with its public key. SST_E_MISMATCH: no chain has that key, and the text
 * names both sides. A directory that is present already is SST_OK, no change.
 */
SST_API int	sst_store_add_key(struct sst_store *, const char *path, struct sst_error *err);
/* The same two for bytes in memory (copied), PEM or DER. `len` <= 1 MiB. */
SST_API int	sst_store_add_bytes(struct sst_store *, const void *bytes, size_t len,
		    struct sst_error *err);
SST_API int	sst_store_add_key_bytes(struct sst_store *, const void *bytes, size_t len,
		    struct sst_error *err);
/*
 * Removes what came from a path, or the identity with this leaf SHA-256 (64
 * hex digits), or everything ("*"). Nothing matches: SST_E_NOT_FOUND.
 */
SST_API int	sst_store_remove(struct sst_store *, const char *what, struct sst_error *err);
/*
 * Reads the source `path` again (NULL: all of them) and takes in what changed.
 * What fails to load keeps its old identity and raises SST_STORE_KEPT. An identity
 * that is not in memory (never served, or not for long) is kept only where its files
 * are still there, as certbot's are: of a large directory not all are held in memory.
 */
SST_API int	sst_store_rescan(struct sst_store *, const char *path, struct sst_error *err);

/*
 * Says that the certificate with this SHA-256 is revoked; `why` is one line, and NULL
 * says that it is not any more. From the next ClientHello on it is served only where
 * nothing else has the name, as one out of its dates is, and after those. That holds
 * for a certificate that comes later, too. SST_E_LIMIT: too many are marked.
 */
SST_API int	sst_store_mark_revoked(struct sst_store *, const uint8_t leaf[32],
		    const char *why, struct sst_error *err);

/*
 * 1: what is served comes from an index that was kept, and its directory was not read
 * since. sst_store_rescan() does that, in a thread that has time for it. 0: it was read.
 */
SST_API int	sst_store_is_warm(const struct sst_store *);

/* Number of successful changes so far, and of those before (config). While its index is
 * kept, changes by other processes count as well, and are seen by this one load. */
SST_API uint64_t sst_store_generation(const struct sst_store *);
/*
 * Copies the source of a staged chain that still has no key to `buf` and
 * returns 1; returns 0 when there is none.
 */
SST_API int	sst_store_staged(struct sst_store *, char *buf, size_t size);

/* One entry of a store, as the listing shows it. Pointers live for the call. */
enum sst_entry_state {
	SST_ENTRY_USABLE = 1,
	SST_ENTRY_STAGED,	/* a chain that waits for its key */
	SST_ENTRY_REFUSED,	/* seen, and not taken in: `why` */
	SST_ENTRY_CHALLENGE	/* answers an ACME server (RFC 8737) and nobody else */
};

struct sst_entry {
	enum sst_entry_state	 state;
	const char		*source;	/* path, or "bytes:" and a digest */
	const char		*key_source;	/* NULL when there is none */
	const char		*why;		/* NULL when usable and unremarkable */
	const char		*key_type;	/* "RSA-2048", "EC-P-256", "ED25519" */
	const char		*issuer;	/* one line, escaped */
	const char		*const *names;	/* SANs: DNS as A-labels, IP as text */
	size_t			 n_names;
	const char		*const *warnings;
	size_t			 n_warnings;
	time_t			 not_before, not_after;
	uint8_t			 digest[32];	/* SHA-256 of the leaf's DER */
	uint64_t		 generation;	/* the change that brought it */
};

/*
 * Calls `each` for every entry, in the order in which the sources came and by name within
 * one; stops when it returns non-zero and returns that. < 0: SST_E_*. However many there
 * are, a few are in memory at a time; what changes meanwhile may be left out, or come
 * twice. `each` is called with no lock held.
 */
SST_API int	sst_store_each(struct sst_store *,
		    int (*each)(void *arg, const struct sst_entry *), void *arg,
		    struct sst_error *err);
/* The same for the usable entries whose notAfter is before `before` (seconds since 1970),
 * the first to end first. No other entry is looked at. */
SST_API int	sst_store_expiring(struct sst_store *, time_t before,
		    int (*each)(void *arg, const struct sst_entry *), void *arg,
		    struct sst_error *err);
/* The same for the usable entries that have `name` (a host name or an IP literal, as a
 * person writes it) or a wildcard that covers it (RFC 9525 6.3), 256 at most. */
SST_API int	sst_store_find(struct sst_store *, const char *name,
		    int (*each)(void *arg, const struct sst_entry *), void *arg,
		    struct sst_error *err);

struct sst_store_figures {
	uint64_t	 usable, staged, refused;	/* entries */
	uint64_t	 expired;	/* of the usable ones */
	uint64_t	 names;		/* of the usable ones, wildcards as one */
	time_t		 earliest;	/* the first notAfter of a usable one; 0: none */
	uint64_t	 generation;
	uint64_t	 index_bytes;	/* of its file, or of memory */
	uint64_t	 cache_bytes;	/* of parsed identities and decisions */
	uint64_t	 cache_hits;	/* ClientHellos whose answer was at hand */
	uint64_t	 cache_misses;	/* identities that had to be read for one */
	int		 index_kept;	/* 1: in a file (config) */
	int		 index_writer;	/* 1: this process writes that file */
	int		 warm;		/* sst_store_is_warm() */
	/* While directories of more than 64 entries are being read; else all are 0. */
	uint64_t	 reading;	/* entries of them */
	uint64_t	 read;		/* of those, read so far */
	time_t		 reading_since;
	uint64_t	 reading_ms;	/* since then */
};

/* Counts without a look at any entry; `now` decides what has expired. On SST_OK *ret is
 * set, < 0: SST_E_*. */
SST_API int	sst_store_figures(struct sst_store *, time_t now,
		    struct sst_store_figures *ret, struct sst_error *err);

/* What a listener adds to the rule. All zero means: every name, lax. */
struct sst_choose_policy {
	const char *const *names;	/* only these names are answered; A-labels,
					   "*." patterns and IP literals, folded by
					   sst_name_fold() */
	size_t		 n_names;	/* 0: every name of the store */
	const char	*default_name;	/* default=NAME; NULL: the rule of the store */
	int		 strict;	/* 1: an unknown name is an alert */
	int		 refuse_expired;/* 1: never serve an expired certificate */
	int		 refuse_revoked;/* 1: nor one that was marked as revoked */
	int		 refuse_unstapled; /* 1: nor one that demands a staple (RFC 7633)
					   which is not there */
};

/* What a ClientHello says, as far as the choice depends on it (RFC 8446 4). */
struct sst_hello {
	const uint8_t	*server_name;	/* body of the server_name extension */
	size_t		 server_name_len;
	int		 has_server_name;/* 0: the extension is absent */
	const struct sockaddr *local;	/* address the client reached, or NULL */
	uint16_t	 version;	/* that will be negotiated: 0x0303, 0x0304 */
	const uint16_t	*suites;	/* usable on both sides */
	size_t		 n_suites;
	const uint16_t	*sigalgs;	/* signature_algorithms; n 0: absent */
	size_t		 n_sigalgs;
	const uint16_t	*groups;	/* supported_groups; n 0: absent */
	size_t		 n_groups;
};

enum sst_tier {
	SST_TIER_NONE = 0,
	SST_TIER_EXACT,
	SST_TIER_WILDCARD,
	SST_TIER_IP,
	SST_TIER_DEFAULT
};

/*
 * Chooses. Returns 1 with *ret_choice when there is something to serve, 0 with
 * *ret_choice (it says why not, and which alert to send), < 0 on a failure of
 * our own. The caller owns *ret_choice (unref). Pure but for the store: `now`
 * is wall time in seconds, and the same input on the same generation gives the
 * same answer in every process.
 */
SST_API int	sst_store_choose(struct sst_store *, const struct sst_choose_policy *,
		    const struct sst_hello *, time_t now, struct sst_choice **ret_choice,
		    struct sst_error *err);
SST_API struct sst_choice *sst_choice_ref(struct sst_choice *);
SST_API void	sst_choice_unref(struct sst_choice *);

SST_API enum sst_tier sst_choice_tier(const struct sst_choice *);
/* TLS alert to send when nothing was chosen (RFC 8446 6); 0: chosen. */
SST_API int	sst_choice_alert(const struct sst_choice *);
SST_API uint64_t sst_choice_generation(const struct sst_choice *);
/* The name as asked for, folded; "" when none was sent. Borrowed. */
SST_API const char *sst_choice_name(const struct sst_choice *);
/* Number of identities to install, at most one a key type. */
SST_API size_t	sst_choice_count(const struct sst_choice *);
/* SHA-256 of the i-th leaf, i < count. Borrowed, 32 bytes. */
SST_API const uint8_t *sst_choice_digest(const struct sst_choice *, size_t i);
/* The decision as one line of text, as getsockopt(TLS_CERT_DECISION) gives it.
 * Returns the length that a large enough buffer would hold, without the NUL. */
SST_API size_t	sst_choice_text(const struct sst_choice *, char *buf, size_t size);

/* One candidate of a decision; pointers live as long as the choice. */
struct sst_candidate {
	const char	*source;
	const char	*key_type;
	uint8_t		 digest[32];
	enum sst_tier	 tier;
	const char	*dropped;	/* why not; NULL: it is installed */
	time_t		 not_before, not_after;
};
/* Candidates that were looked at (at most 32 are kept), winners first. */
SST_API size_t	sst_choice_candidates(const struct sst_choice *,
		    const struct sst_candidate **ret_list);

/*
 * Folds a name that a person gave: A-labels, lower case, no trailing dot. A
 * leading "*." is kept; an IP literal comes out in its canonical form. `size`
 * >= 256. SST_E_USAGE: not a host name, and the text says why.
 */
SST_API int	sst_name_fold(const char *name, char *out, size_t size,
		    struct sst_error *err);

#ifdef __cplusplus
}
#endif
#endif
