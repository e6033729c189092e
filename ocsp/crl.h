/* SPDX-License-Identifier: ISC */
/*
 * crl - a certificate revocation list (RFC 5280 5), from bytes to evidence.
 *
 * The bytes are walked by a reader of our own and verified with one signature
 * check; no X509_CRL object is made, so a list of a million entries costs its
 * bytes and its index. The index is what the cache keeps: the head, and buckets
 * of about 64 records, found by the leading bits of a hash of issuer and serial.
 *
 *	bytes --sst_crl_open()--> verified list --sst_crl_index()--> head + buckets
 *	head + facts --sst_crl_scope()--> in scope?   + entry --> evidence
 *
 * Always true:
 *   1. Nothing is known of a list before its signature was verified with the
 *      issuer's key, with the key that certified the issuer under its own name,
 *      or with a key of the same name that one of them certified for cRLSign.
 *   2. A list out of scope, indirect, a delta, of some reasons only, with a
 *      critical extension that is not understood or without a proper CRLNumber
 *      never makes a GOOD. A serial that it names for the issuer is REVOKED
 *      whatever its scope.
 *   3. Serials are compared byte for byte, with their length.
 *   4. Pure; times are parsed strictly, and `now` is given.
 * Threads: a list may be read by any number.
 */
#ifndef SST_OCSP_CRL_H
#define SST_OCSP_CRL_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include "certkey.h"
#include "evidence.h"

struct sst_crl;

#define SST_CRL_SCOPE_MAX	4096	/* octets of an IDP's name that are kept */

/* What is kept of a list beside its entries. A value; `idp` is the whole
 * IssuingDistributionPoint's DER. */
struct sst_crl_head {
	struct sst_issuer_id issuer;
	int64_t	 this_update, next_update;	/* next 0: none given */
	int64_t	 until;		/* nextUpdate or the cap, and the signer's notAfter */
	uint8_t	 number[20];	/* CRLNumber, big-endian, right-aligned */
	int	 has_number;
	uint8_t	 base[20];	/* BaseCRLNumber of a delta */
	unsigned is_delta : 1;
	unsigned indirect : 1;
	unsigned only_user : 1, only_ca : 1, only_attribute : 1;
	unsigned has_idp : 1;
	unsigned bad_critical : 1;	/* an unknown critical extension, the list's or
					   an entry's, or no CRLNumber as RFC 5280
					   5.2.3 wants it (v2): never a GOOD */
	uint32_t reasons;	/* onlySomeReasons, or SST_REASONS_ALL */
	uint8_t	 idp[SST_CRL_SCOPE_MAX];
	size_t	 idp_len;
	uint8_t	 sha256[32];	/* of the whole list */
	uint8_t	 signer[32];	/* SHA-256 of the signer's certificate; zero: issuer */
	uint8_t	 scope_key[32];	/* hash of IDP and kind: lists with equal issuer and
				   scope_key replace each other */
	uint64_t size;		/* octets */
	uint64_t entries;
	unsigned bits;		/* buckets are 1 << bits */
	int	 level;		/* as of struct sst_evidence */
};

/* How a list stands to one that is kept, of the same issuer and scope_key (case
 * 78): by CRLNumber, and never back in time. */
enum sst_crl_order {
	SST_CRL_OLDER = -1,	/* a rollback: refused */
	SST_CRL_SAME = 0,	/* the same bytes */
	SST_CRL_NEWER = 1,	/* takes its place */
	SST_CRL_TWIN = 2	/* the same number, other bytes: what either of them
				   revokes stays revoked, and somebody is told */
};
enum sst_crl_order sst_crl_order(const struct sst_crl_head *fresh,
	    const struct sst_crl_head *kept);

struct sst_crl_entry {
	int64_t	revoked_at;
	int	reason;		/* -1: none; 8: removeFromCRL */
};

struct sst_crl_signers {
	X509	*issuer;	/* whose certificates the list is about */
	X509	*above;		/* who issued `issuer`; NULL: it is an anchor */
	STACK_OF(X509) *others;	/* candidates; NULL: none */
	/* Asked about a candidate that would do: 1 when it is known to be revoked.
	 * NULL: nobody knows. */
	int	(*revoked)(void *arg, const struct sst_cert_key *key);
	void	*arg;
};

/*
 * Reads and verifies. `bytes` is DER and borrowed until sst_crl_free(); the
 * caller keeps them unchanged. On failure `ret_fault` says which kind and `err`
 * why. A clock fault (thisUpdate in the future) is a failure too.
 */
int	sst_crl_open(const void *bytes, size_t len, const struct sst_crl_signers *, int64_t now,
	    const struct sst_limits *, struct sst_crl **ret, enum sst_fault *ret_fault,
	    struct sst_error *err);
void	sst_crl_free(struct sst_crl *);		/* NULL is allowed */
const struct sst_crl_head *sst_crl_head(const struct sst_crl *);

/* Walks the list for one serial. 1: found; 0: not listed. For files. */
int	sst_crl_find(const struct sst_crl *, const struct sst_cert_key *,
	    struct sst_crl_entry *ret);
/*
 * Makes the index and hands over each non-empty bucket in ascending order; stops
 * when `each` returns non-zero and returns that.
 */
int	sst_crl_index(const struct sst_crl *,
	    int (*each)(void *arg, uint32_t bucket, const void *blob, size_t len), void *arg,
	    struct sst_error *err);
/* The bucket of a key in an index of 1 << bits. */
uint32_t sst_crl_bucket(const struct sst_cert_key *, unsigned bits);
/* 1: found; 0: not there; < 0: the blob is damaged. */
int	sst_crl_bucket_find(const void *blob, size_t len, const struct sst_cert_key *,
	    struct sst_crl_entry *ret);

/* Whether a list speaks for a certificate (RFC 5280 6.3.3 b, and corners of the
 * specification's cases 68-76). */
enum sst_crl_scope {
	SST_SCOPE_OUT = 0,	/* it does not; `why` says so */
	SST_SCOPE_SOME,		/* for the reasons in *ret_covered only */
	SST_SCOPE_FULL
};
enum sst_crl_scope sst_crl_scope(const struct sst_crl_head *, const struct sst_cert_facts *,
	    uint32_t *ret_covered, const char **ret_why);
/* Head and what was found (NULL: not listed) as evidence about `facts`. */
void	sst_crl_evidence(const struct sst_crl_head *, const struct sst_cert_facts *,
	    const struct sst_crl_entry *found, int64_t now, const struct sst_limits *,
	    struct sst_evidence *ret);

#endif
