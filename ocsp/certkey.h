/* SPDX-License-Identifier: ISC */
/*
 * certkey - what a certificate is called here, and what it says about its own
 * revocation.
 *
 * Every other file of this folder calls it; it calls OpenSSL's parser alone.
 *
 * Always true:
 *   1. An issuer is its name and its public key: a CA with a new key is another
 *      issuer, two certificates with the same name and key are one.
 *   2. A serial number is its content octets exactly as encoded, with their
 *      length: nothing is padded, shortened or normalised.
 *   3. Facts are computed once per X509 object and live as long as it does.
 *   4. Facts hold no URL that is not plain printable ASCII: such a source is
 *      counted (n_sources) and never fetched.
 * Threads: facts are immutable; any number may read them.
 */
#ifndef SST_OCSP_CERTKEY_H
#define SST_OCSP_CERTKEY_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

#include <securesockets/error.h>

#define SST_SERIAL_MAX	64	/* octets; RFC 5280 4.1.2.2 wants at most 20 */
#define SST_URLS_MAX	8	/* URLs that are kept of one certificate, each kind */
#define SST_DPS_MAX	16	/* distribution points that are kept */

struct sst_issuer_id {
	uint8_t	dn[32];		/* SHA-256 of the name's DER */
	uint8_t	spki[32];	/* SHA-256 of the SubjectPublicKeyInfo's DER */
};

struct sst_cert_key {
	struct sst_issuer_id issuer;
	uint8_t	serial[SST_SERIAL_MAX];
	uint8_t	serial_len;	/* > 0 */
};

/* RFC 5280 4.2.1.13. Bits of `reasons` as in ReasonFlags: bit n is reason n. */
#define SST_REASONS_ALL	0x1feu	/* keyCompromise (1) to aACompromise (8) */

struct sst_crl_point {
	uint32_t	 reasons;	/* SST_REASONS_ALL when absent */
	int		 has_crl_issuer;
	const uint8_t	*crl_issuer;	/* GeneralNames DER, with the tag a2; or NULL */
	size_t		 crl_issuer_len;
	const uint8_t	*name;		/* DistributionPointName DER: a0 fullName, a1
					   nameRelativeToCRLIssuer; or NULL */
	size_t		 name_len;
};

struct sst_cert_facts {
	struct sst_cert_key key;
	uint8_t		 sha256[32];	/* of the whole certificate */
	const uint8_t	*issuer_dn;	/* DER of the issuer's name */
	size_t		 issuer_dn_len;
	const uint8_t	*issuer_alt;	/* GeneralNames DER of issuerAltName (tag 30), or
					   NULL */
	size_t		 issuer_alt_len;
	int64_t		 not_before, not_after;
	unsigned	 is_ca : 1;
	unsigned	 must_staple : 1;	/* status_request, RFC 7633 */
	unsigned	 no_rev_avail : 1;	/* RFC 9608 */
	unsigned	 ocsp_nocheck : 1;	/* id-pkix-ocsp-nocheck */
	unsigned	 has_dp : 1;		/* a CRL distribution point extension */
	unsigned	 n_sources;	/* all that it names, usable or not: OCSP locations,
					   URLs of points, points without a URL */
	unsigned	 n_ocsp, n_crl, n_dps;
	const char	*ocsp[SST_URLS_MAX];	/* http: URLs, in order */
	const char	*crl[SST_URLS_MAX];	/* http: URLs of points without crlIssuer */
	struct sst_crl_point dp[SST_DPS_MAX];
};

/*
 * The facts of `cert`, issued by `issuer`. Borrowed: valid while `cert` is.
 * SST_E_MALFORMED: a revocation extension does not parse; SST_E_LIMIT: the serial
 * is too long, or too many issuers were given with one certificate; SST_E_MISMATCH:
 * `issuer` has not the name that `cert` says.
 */
int	sst_facts_of(X509 *cert, X509 *issuer, const struct sst_cert_facts **ret,
	    struct sst_error *err);
/* Of a CA's own certificate. */
int	sst_issuer_id_of(X509 *ca, struct sst_issuer_id *ret, struct sst_error *err);
/* 0 when equal; else an order. */
int	sst_cert_key_cmp(const struct sst_cert_key *, const struct sst_cert_key *);
/* SHA-256 over issuer, length and serial: what tables and buckets are keyed by. */
void	sst_cert_key_hash(const struct sst_cert_key *, uint8_t ret[32]);

#endif
