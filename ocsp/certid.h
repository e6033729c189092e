/* SPDX-License-Identifier: ISC */
/*
 * certid - whether the CertID of an answer means a certificate of an issuer.
 *
 * response.c calls it. RFC 6960 lets a responder answer with another hash than it
 * was asked with, so the hashes are found again in the answer's own algorithm
 * (OpenSSL's OCSP_resp_find_status() compares with the one asked for).
 *
 * Always true:
 *   1. Name and key must match both, in SHA-1 or SHA-2; MD5 and what is unknown
 *      match nothing.
 *   2. The name is the issuer field of the certificate that is asked about, in its
 *      encoding: a name that was encoded again is another.
 *   3. Serials are equal octet for octet, with their length.
 * Threads: a value; one owner.
 */
#ifndef SST_OCSP_CERTID_H
#define SST_OCSP_CERTID_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "basic.h"
#include "certkey.h"

#define SST_CERTID_HASHES	4

struct sst_certid {
	const struct sst_cert_facts *facts;	/* borrowed, both */
	X509	*issuer;
	struct {
		int	done;
		size_t	len;
		uint8_t	name[EVP_MAX_MD_SIZE], key[EVP_MAX_MD_SIZE];
	} hashes[SST_CERTID_HASHES];
};

void	sst_certid_init(struct sst_certid *, const struct sst_cert_facts *, X509 *issuer);
/* 1: of this issuer; 0: of another; SST_E_UNSUPPORTED: in a hash that is not
 * accepted; SST_E_NOMEM. */
int	sst_certid_of_issuer(struct sst_certid *, const struct sst_single *);
/* 1: this serial. */
int	sst_certid_serial(const struct sst_single *, const uint8_t *serial, size_t len);
/* Of `md`: both hashes, each EVP_MAX_MD_SIZE octets of room. 0 or SST_E_NOMEM. */
int	sst_certid_hashes(const struct sst_cert_facts *, X509 *issuer, const EVP_MD *md,
	    uint8_t *ret_name, uint8_t *ret_key);

#endif
