/* SPDX-License-Identifier: ISC */
/*
 * response - an OCSP response (RFC 6960), from bytes to evidence.
 *
 * Staples, fetched responses and files take the same way. Calls OpenSSL's parser
 * and signature check; times, choice of the SingleResponse and the right to sign
 * are our own (OpenSSL 3.0 believes odd times, the first of two answers, and roots
 * trusted for OCSP).
 *
 * Always true:
 *   1. Pure: bytes, certificate, issuer, limits and `now` in; evidence out.
 *   2. Only the issuer's key, or a delegate with id-kp-OCSPSigning that this very
 *      key issued, makes GOOD, REVOKED or UNKNOWN. A certificate inside the
 *      response is a candidate for a delegate and nothing else.
 *   3. All SingleResponses are considered; of several about the certificate the
 *      strictest wins: revoked, unknown, good.
 *   4. What fails for want of memory is SST_FAULT_MEMORY: nothing was learned.
 *   5. Whatever fails is an SST_EV_ERROR with its fault: never a GOOD. But a clock
 *      that differs, or another nonce, does not make REVOKED an error.
 * Threads: pure.
 */
#ifndef SST_OCSP_RESPONSE_H
#define SST_OCSP_RESPONSE_H

#include <openssl/x509.h>
#include <stddef.h>

#include "certkey.h"
#include "evidence.h"

struct sst_response_ask {
	const struct sst_cert_facts *cert;
	X509	*issuer;		/* borrowed */
	int64_t	now;
	enum sst_evidence_source source;	/* STAPLE or OCSP */
	const struct sst_limits *limits;
	const uint8_t *nonce;		/* what was sent, or NULL */
	size_t	nonce_len;
	int	nonce_required;
	/* Asked about a delegate without ocsp-nocheck: 1 when it is known to be
	 * revoked. NULL: nobody knows. `key` is the delegate's. */
	int	(*delegate_revoked)(void *arg, const struct sst_cert_key *key);
	void	*arg;
};

void	sst_response_judge(const void *der, size_t len, const struct sst_response_ask *,
	    struct sst_evidence *ret);

/*
 * The evidence about other certificates of the same issuer in the same response
 * (RFC 6960 lets a responder add them): each verified as above, 64 at most. `each`
 * gets the key; stops when it returns non-zero and returns that. 0 when the response
 * as a whole is not to be believed.
 */
int	sst_response_others(const void *der, size_t len, const struct sst_response_ask *,
	    int (*each)(void *arg, const struct sst_cert_key *, const struct sst_evidence *),
	    void *arg);

#endif
