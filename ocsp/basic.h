/* SPDX-License-Identifier: ISC */
/*
 * basic - the parts of an OCSP response (RFC 6960 4.2.1), found and not believed.
 *
 *	bytes --sst_basic_read()--> parts --sst_single_next()--> SingleResponses
 *
 * response.c and responder.c call it. A reader of our own, strict where OpenSSL's
 * takes BER, odd times and trailing bytes.
 *
 * Always true:
 *   1. All bytes are accounted for: what is not read is an error, except what is
 *      inside embedded certificates.
 *   2. A result points into the bytes. Nothing is allocated.
 *   3. An explicit version v1 is accepted, though DER leaves defaults out: older
 *      responders write it, and it is signed.
 * Threads: pure.
 */
#ifndef SST_OCSP_BASIC_H
#define SST_OCSP_BASIC_H

#include "der.h"
#include "evidence.h"

#define SST_BASIC_CERTS_MAX	8	/* embedded ones */

struct sst_basic {
	struct sst_der_item tbs;	/* tbsResponseData */
	struct sst_der_item algorithm;
	const uint8_t	*signature;
	size_t		 signature_len;
	struct sst_der_item responder;	/* tag a1: byName; a2: byKey */
	const uint8_t	*responder_key;	/* of byKey: 20 octets */
	int64_t		 produced_at;
	struct sst_der	 singles;	/* at least one */
	int		 extended_revoke; /* RFC 6960 4.4.8 */
	const uint8_t	*nonce;		/* NULL: none */
	size_t		 nonce_len;
	struct sst_der_item certs[SST_BASIC_CERTS_MAX];
	unsigned	 n_certs;
};

/* SST_FAULT_NONE, or what kind and `err` why: also for what a responder answers
 * instead of a response. */
enum sst_fault sst_basic_read(const void *bytes, size_t len, struct sst_basic *ret,
	    struct sst_error *err);

struct sst_single {
	struct sst_der_item hash_oid;	/* CertID */
	const uint8_t	*name_hash, *key_hash, *serial;
	size_t		 name_hash_len, key_hash_len, serial_len;
	enum sst_evidence_status status;
	int64_t		 revoked_at;
	int		 reason;	/* -1: none, or none that is assigned */
	int64_t		 this_update, next_update;	/* next 0: none */
	/* Of this answer alone, when it is not NULL: it is not to be used. CertID,
	 * and `status` if it was read, are right all the same. */
	const char	*wrong;
};

/* The next of `singles`. 1; 0 at the end; < 0: what it is cannot be told. */
int	sst_single_next(struct sst_der *singles, struct sst_single *ret);

#endif
