/* SPDX-License-Identifier: ISC */
/*
 * revocation - whether a certificate was withdrawn before its time.
 *
 * Staples, OCSP responses and CRLs are equal sources of *evidence*. A *checker*
 * finds evidence (memory, the machine's cache, the network), and one pure
 * function turns it into a *verdict* for each certificate of a verified chain,
 * the anchor excepted. A *policy* says which verdicts are accepted.
 *
 *	struct sst_checker *checker = NULL;
 *	struct sst_check *check = NULL;
 *
 *	if (sst_checker_new(NULL, &checker, &err) < 0 ||
 *	    sst_check_new(checker, NULL, chain, &check, &err) < 0)
 *		errx(1, "%s", err.text);
 *	if (sst_check_wait(check, &err) < 0)
 *		errx(1, "%s", err.text);
 *
 * Always true:
 *   1. Authentic evidence that says "revoked" is believed however old it is and
 *      wherever it came from, until the certificate ends (a hold: until newer
 *      evidence lifts it).
 *   2. Evidence never moves backwards in time, and nothing unsigned takes the
 *      place of anything signed.
 *   3. Nothing is fetched for a chain that did not reach a trust anchor, and
 *      nothing from an address that is not public, unless it was allowed.
 *   4. What cannot be decided is never "good".
 *
 * RFC 5280 (CRL), 6960 and 9654 (OCSP), 6066 (staple), 7633 (must-staple),
 * 9608 (noRevAvail). Times are UNIX seconds, UTC; 0 means none.
 * Threads: any number may use one checker; a check belongs to one at a time.
 */
#ifndef SECURESOCKETS_REVOCATION_H
#define SECURESOCKETS_REVOCATION_H

#include <stddef.h>
#include <stdint.h>

#include <securesockets/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stack_st_X509;		/* OpenSSL's STACK_OF(X509) */
struct x509_st;			/* OpenSSL's X509 */
struct sst_checker;		/* shared: ref/unref */
struct sst_check;		/* one chain; one owner */

enum sst_verdict {
	SST_VERDICT_GOOD = 1,	/* fresh evidence in scope says so */
	SST_VERDICT_REVOKED,
	SST_VERDICT_UNKNOWN,	/* signed: its responder does not know it, or what there
				   is does not speak for it (a list of another scope) */
	SST_VERDICT_STALE,	/* good once; the evidence has expired */
	SST_VERDICT_ERROR,	/* sources exist, and none gave usable evidence */
	SST_VERDICT_NO_SOURCE,	/* names no source, and none was given */
	SST_VERDICT_EXEMPT	/* noRevAvail, or a rule says it needs none */
};

enum sst_evidence_source {
	SST_SOURCE_NONE = 0,
	SST_SOURCE_STAPLE,
	SST_SOURCE_OCSP,
	SST_SOURCE_CRL,
	SST_SOURCE_LOCAL	/* the operator's own list */
};

/* A released number never changes its meaning. Ordered: greater is stricter,
 * so "may only tighten" is a comparison. */
enum sst_revocation_mode {
	SST_REVOCATION_DEFAULT = 0,	/* soft */
	SST_REVOCATION_OFF = 1,	/* nothing is asked, nothing refused */
	SST_REVOCATION_SOFT,	/* refuses REVOKED, and what a responder does not know */
	SST_REVOCATION_HARD,	/* accepts GOOD and EXEMPT only */
	SST_REVOCATION_STAPLE	/* HARD, and the leaf needs a valid staple */
};

/* For switches whose 0 is "the default". */
enum sst_switch { SST_SWITCH_DEFAULT = 0, SST_SWITCH_OFF = 1, SST_SWITCH_ON = 2 };

/* What a budget_ms of 0 stands for. */
#define SST_REVOCATION_BUDGET_MS	3000

/* All zero (or a NULL pointer to it) means the defaults. */
struct sst_revocation_policy {
	enum sst_revocation_mode mode;
	enum sst_switch	refuse_no_source; /* default: only in HARD and STAPLE */
	enum sst_switch	hard_chain;	/* default off: intermediates are soft */
	enum sst_switch	use_staples;	/* default on, each */
	enum sst_switch	use_ocsp;
	enum sst_switch	use_crls;
	enum sst_switch	use_cache;	/* evidence that was kept */
	enum sst_switch	fetch;		/* default on; off: cache-only */
	enum sst_switch	exempt_short;	/* default off: a leaf of at most 7 days that
					   names no source is EXEMPT */
	enum sst_switch	nonce;		/* default off (RFC 9654) */
	unsigned	budget_ms;	/* fetching in a handshake; 0: SST_REVOCATION_BUDGET_MS */
	unsigned	max_age;	/* seconds since thisUpdate; 0: 10 d OCSP, 35 d CRL.
					   Without a nextUpdate 1 h and 24 h at most */
	unsigned	skew;		/* seconds; 0: 300, a quarter of the life at most */
	int		security_level;	/* OpenSSL's; 0: 2 (-1: level 0) */
};

/* What was found about one certificate of the chain. */
struct sst_revocation_result {
	enum sst_verdict verdict;
	enum sst_evidence_source source; /* of the evidence that decided */
	int	from_cache;		/* 1: it had been kept */
	int	accepted;		/* by the policy */
	int	reason;			/* RFC 5280 5.3.1; -1: none given */
	int64_t	this_update, next_update, revoked_at;
	int64_t	until;			/* when the verdict is due again */
	char	url[256];		/* where it came from; "" for none. Escaped */
	char	why[256];		/* the deciding rule, one line */
};

/* "good", "revoked", "unknown", "stale", "error", "no_source", "exempt". */
SST_API const char *sst_verdict_name(enum sst_verdict);
/* "staple", "ocsp", "crl", "local", "none". */
SST_API const char *sst_source_name(enum sst_evidence_source);
/* RFC 5280's names, as "keyCompromise"; "" for -1 and unassigned numbers. */
SST_API const char *sst_reason_name(int reason);

/* All zero (or a NULL pointer to it) means the defaults. */
struct sst_checker_config {
	const char	*cache_dir;	/* NULL: the machine's or the user's; "": memory */
	uint64_t	 cache_bytes;	/* 0: 256 MiB for the machine's, 64 for a user's */
	const char	*const *allow;	/* addresses that may be fetched from although they
					   are not public: "10.1.0.0/16", "[::1]:8080" (a
					   port: just that one); NULL-terminated */
	const char	*proxy;		/* NULL: none; the environment is not asked */
	int		 no_fetch;	/* 1: never uses the network */
	int		 no_service;	/* 1: does not ask the machine's cache service */
	const char	*service;	/* its socket; NULL: the machine's, and none where
					   cache_dir is set */
	const char	*const *nat64;	/* prefixes of this site's NAT64, "2001:db8:64::/96":
					   what is behind them is judged by its IPv4
					   address; NULL-terminated */
};

SST_API int	sst_checker_new(const struct sst_checker_config *, struct sst_checker **ret,
		    struct sst_error *err);
SST_API struct sst_checker *sst_checker_ref(struct sst_checker *);
SST_API void	sst_checker_unref(struct sst_checker *);	/* NULL is allowed */
/* Where its cache is: "machine PATH", "snapshot PATH", "user PATH", "memory",
 * and why if that is not the first choice. Borrowed. */
SST_API const char *sst_checker_cache(const struct sst_checker *);
/* The directory that was set for it; NULL: none was, "": memory. Opens nothing, so that
 * root may become its owner before. Borrowed. */
SST_API const char *sst_checker_dir(const struct sst_checker *);

/*
 * A checker as securesockets.conf(5) has it: where `config` (NULL: nowhere) sets a
 * thing, that holds, else the machine's file and the user's. SST_E_USAGE or
 * SST_E_MALFORMED: a file is wrong, and `err` says FILE:LINE.
 */
SST_API int	sst_checker_of_machine(const struct sst_checker_config *config,
		    struct sst_checker **ret, struct sst_error *err);

/* One thing that a cache keeps. All pointers are borrowed for the call. */
struct sst_kept {
	const char	*place;		/* "machine", "snapshot", "user", "directory", "memory" */
	const char	*kind;		/* "ocsp", "staple", "crl", "local", "source" */
	const unsigned char *issuer;	/* SHA-256 of the name's DER, then of the public key's
					   (64 octets); NULL: a source, a staple */
	const unsigned char *serial;	/* content octets */
	size_t		 serial_len;	/* 0: not about one certificate */
	enum sst_verdict verdict;	/* GOOD, REVOKED or UNKNOWN, as it was said; 0: nothing
					   of the kind */
	int		 fresh;		/* 1: counts as of now; a revocation always does */
	int		 reason;	/* RFC 5280 5.3.1; -1: none given */
	int64_t		 this_update, next_update, until, revoked_at, fetched_at;
	const char	*url;		/* escaped; "": none */
	const char	*text;		/* what was said beside it; "": nothing */
	uint64_t	 bytes;
	/* of a list: */
	uint64_t	 entries;
	const unsigned char *number;	/* CRLNumber, 20 octets, big-endian; NULL: none */
	int		 is_delta, is_partial;	/* partial: some certificates or reasons */
	/* of a source: */
	const char	*fault;		/* of the last try, as "timeout"; "none" */
	unsigned	 failures;	/* since the last success */
	int		 http_status;	/* 0: none was received */
	int64_t		 last_try, next_try;
};

/* Everything that its caches keep, in order; ends early when `each` returns non-zero,
 * and returns that. */
SST_API int	sst_checker_each(struct sst_checker *,
		    int (*each)(void *arg, const struct sst_kept *), void *arg,
		    struct sst_error *err);

struct sst_kept_stats {
	const char	*place;		/* as above. Borrowed, like all text here */
	const char	*dir;		/* "": memory */
	const char	*why;		/* "", or why it is not a better one */
	int		 is_writer;
	uint64_t	 bytes, answers, lists, entries, sources, leases, staples, negatives;
	uint64_t	 generation, damaged;
	int		 schema;
};
/* 1: *ret is about cache `i`, from 0 on; 0: there are not that many. */
SST_API int	sst_checker_stats(struct sst_checker *, int i, struct sst_kept_stats *ret,
		    struct sst_error *err);
/*
 * Removes what its own cache keeps: all, or about what `issuer` (a CA's certificate)
 * issued. Revocations stay unless `revoked_too`. Returns how many things went;
 * SST_E_REFUSED: the cache belongs to somebody else.
 */
SST_API int	sst_checker_purge(struct sst_checker *, struct x509_st *issuer,
		    int revoked_too, struct sst_error *err);
/* Publishes what its own cache learned for those who only read it. */
SST_API int	sst_checker_publish(struct sst_checker *, struct sst_error *err);

/* All zero but the descriptors means the defaults. */
struct sst_service_config {
	int		 listen_fd;	/* SOCK_SEQPACKET, AF_UNIX, listening. Borrowed */
	int		 stop_fd;	/* readable: end; -1: none. Borrowed */
	const char	*trust;		/* PEM; NULL: OpenSSL's default anchors */
	unsigned	 idle_ms;	/* ends when nobody was there for so long; 0: never */
	unsigned	 connections;	/* in all; 0: 1,024 */
	unsigned	 fetches;	/* of one user, a minute; 0: 60 */
	unsigned	 in_flight;	/* of one user; 0: 4 */
};
/*
 * The machine's cache service: fetches for those who may not write the machine's
 * cache, for chains alone that reach an anchor of `trust`, and publishes. Returns
 * when it ends. SST_E_REFUSED: this process is root, or the cache is not its own.
 */
SST_API int	sst_service_run(struct sst_checker *, const struct sst_service_config *,
		    struct sst_error *err);

/*
 * A check of `chain`: the verified chain, leaf first, ending in the anchor,
 * which is not judged. The certificates are referenced, not copied. `policy` is
 * copied; NULL: the defaults.
 */
SST_API int	sst_check_new(struct sst_checker *, const struct sst_revocation_policy *policy,
		    struct stack_st_X509 *chain, struct sst_check **ret, struct sst_error *err);
SST_API void	sst_check_free(struct sst_check *);	/* NULL is allowed */
/* Evidence that came along: a staple for certificate `depth` (0: the leaf), an
 * OCSP response or CRLs in DER. It is judged at once; what is wrong with it is
 * kept as a reason. `len` is bounded by the size caps. */
SST_API int	sst_check_staple(struct sst_check *, int depth, const void *der, size_t len,
		    struct sst_error *err);
SST_API int	sst_check_response(struct sst_check *, const void *der, size_t len,
		    struct sst_error *err);
SST_API int	sst_check_crl(struct sst_check *, const void *der, size_t len,
		    struct sst_error *err);
/* Certificates that may have signed a CRL beside the chain's own. */
SST_API int	sst_check_others(struct sst_check *, struct stack_st_X509 *others,
		    struct sst_error *err);
/* Judge as if it were this time; 0: the clock's. */
SST_API void	sst_check_at(struct sst_check *, int64_t now);

/*
 * Decides with what is at hand: memory and the cache; never waits, for neither a
 * lock of a file nor the network. 1: accepted; 0: fetching may change the
 * answer; SST_E_REFUSED: refused, and `err` says which certificate and why.
 */
SST_API int	sst_check_now(struct sst_check *, struct sst_error *err);
/*
 * Fetches what is missing within the policy's budget. `done` is called once, on
 * a thread of the checker, after which sst_check_now() answers 1 or refuses.
 * Freeing the check first cancels the call: after sst_check_free() returned,
 * `done` is not called.
 */
SST_API int	sst_check_start(struct sst_check *, void (*done)(void *arg), void *arg,
		    struct sst_error *err);
/* Both in one, and waits: SST_OK or SST_E_REFUSED. */
SST_API int	sst_check_wait(struct sst_check *, struct sst_error *err);

/* Certificates that are judged: the chain without its anchor. */
SST_API int	sst_check_count(const struct sst_check *);
/* After sst_check_now(); `depth` < count. Borrowed. */
SST_API const struct sst_revocation_result *sst_check_result(const struct sst_check *,
		    int depth);
/* Each piece of evidence and what came of it, one line, oldest first; returns the
 * number of lines. Borrowed: valid until the next call with this check. */
SST_API int	sst_check_reasons(const struct sst_check *, int depth,
		    const char *const **ret_lines);

#ifdef __cplusplus
}
#endif
#endif
