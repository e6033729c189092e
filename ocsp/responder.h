/* SPDX-License-Identifier: ISC */
/*
 * responder - who signed an OCSP response, and whether he may (RFC 6960 4.2.2.2).
 *
 * response.c calls it. OpenSSL's OCSP_basic_verify() takes the first certificate
 * of a fitting name, and believes roots that are trusted for OCSP; here the right
 * to sign comes from the issuer's key alone.
 *
 * Always true:
 *   1. The signer is the issuer's key, or a certificate that this key signed, with
 *      id-kp-OCSPSigning spelled out, valid at `now`, and not known as revoked
 *      unless it carries id-pkix-ocsp-nocheck.
 *   2. Every certificate that fits the responderID is tried: a new key may have an
 *      old name.
 * Threads: pure.
 */
#ifndef SST_OCSP_RESPONDER_H
#define SST_OCSP_RESPONDER_H

#include "basic.h"
#include "response.h"

struct sst_responder {
	uint8_t	sha256[32];	/* of the delegate's certificate; zero: the issuer */
	int64_t	not_after;
};

/* SST_FAULT_NONE, or the gravest fault of those who fit, and `err` says why. */
enum sst_fault sst_responder_find(const struct sst_basic *, const struct sst_response_ask *,
	    struct sst_responder *ret, struct sst_error *err);

#endif
