/* SPDX-License-Identifier: ISC */
/*
 * evidence - what one source said about one certificate.
 *
 * The judges (response.c, crl.c) and the fetcher make it, the cache keeps it,
 * verdict.c weighs it. A value: no pointers, copied freely.
 *
 * Always true:
 *   1. GOOD, REVOKED and UNKNOWN come from something that was signed by the
 *      issuer or its delegate and whose signature was verified.
 *   2. `until` is the end of a GOOD: the least of nextUpdate, the signer's
 *      notAfter and the cap. It is never 0 and never infinite.
 *   3. Whether it is fresh is not said here: that depends on `now` (verdict.c).
 */
#ifndef SST_OCSP_EVIDENCE_H
#define SST_OCSP_EVIDENCE_H

#include <stdint.h>

#include <securesockets/revocation.h>

enum sst_evidence_status {
	SST_EV_NOTHING = 0,	/* authentic, and says nothing about this certificate:
				   out of scope, or not every reason covered */
	SST_EV_GOOD,
	SST_EV_REVOKED,
	SST_EV_UNKNOWN,
	SST_EV_ERROR		/* `fault` says which */
};

/* In order of severity: the greatest is what an ERROR verdict reports. */
enum sst_fault {
	SST_FAULT_NONE = 0,
	SST_FAULT_NO_SOURCE,	/* only schemes that are not fetched (ldap, https) */
	SST_FAULT_TIMEOUT,	/* connect, DNS or transfer ran out of time */
	SST_FAULT_CONNECT,	/* refused, reset, no route, no such host */
	SST_FAULT_HTTP,		/* a status that is not 200 */
	SST_FAULT_TRY_LATER,	/* OCSPResponseStatus 3, or 5xx */
	SST_FAULT_RESPONDER,	/* internalError, malformedRequest, sigRequired */
	SST_FAULT_UNAUTHORIZED,	/* OCSPResponseStatus 6 */
	SST_FAULT_BLOCKED,	/* an address that may not be asked */
	SST_FAULT_SIZE,		/* over a cap */
	SST_FAULT_MALFORMED,	/* does not parse, or a form that is not accepted */
	SST_FAULT_NO_MATCH,	/* is about another certificate or issuer */
	SST_FAULT_CLOCK,	/* thisUpdate or producedAt lies in the future */
	SST_FAULT_REPLAY,	/* older than what is known, or another nonce */
	SST_FAULT_ALGORITHM,	/* below the security level, or unknown */
	SST_FAULT_SIGNER,	/* signed by whom it may not be */
	SST_FAULT_SIGNATURE,	/* the signature does not verify */
	SST_FAULT_MEMORY	/* none was left, so nothing was learned: no evidence at
				   all, and whoever judges by it has to fail */
};

struct sst_evidence {
	enum sst_evidence_source source;
	enum sst_evidence_status status;
	enum sst_fault	fault;
	int	from_cache;
	int	reason;		/* -1: none */
	int	not_issued;	/* RFC 6960 4.4.8: revoked, was never issued */
	uint32_t covered;	/* reasons that a GOOD speaks for (SST_REASONS_ALL) */
	int	level;		/* of security that its signatures were held to, less the
				   default (SST_LEVEL_DEFAULT): a policy that wants more
				   makes nothing good of it */
	int	partial;	/* status NOTHING because `covered` is not all: several
				   such may make a GOOD together */
	int64_t	this_update, next_update, produced_at, until, revoked_at;
	int64_t	fetched_at;	/* 0: not fetched (a staple, a file) */
	uint8_t	signer[32];	/* SHA-256 of the signer's certificate; zero: the issuer */
	char	url[256];	/* escaped; "" for none */
	char	text[192];	/* what it said or what is wrong, one line */
};

#define SST_LEVEL_DEFAULT	2
#define SST_LEVEL_MAX		5

/* Lifetimes and limits that the judges apply. sst_limits_of() fills it. */
struct sst_limits {
	int64_t	skew;		/* seconds */
	int64_t	ocsp_max_age, crl_max_age;	/* from thisUpdate */
	int64_t	ocsp_no_next, crl_no_next;	/* life without a nextUpdate */
	size_t	ocsp_size, crl_size;		/* octets */
	int	security_level;	/* 0..5, OpenSSL's */
};
/* From a policy (NULL: the defaults). In policy.c. */
void	sst_limits_of(const struct sst_revocation_policy *, struct sst_limits *ret);
/* Whether its signatures were held to the level that `limits` want. In policy.c. */
int	sst_evidence_strong(const struct sst_evidence *, const struct sst_limits *);

/* "signature", "try_later", ...; "none". In policy.c. */
const char *sst_fault_name(enum sst_fault);

#endif
