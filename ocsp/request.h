/* SPDX-License-Identifier: ISC */
/*
 * request - an OCSP request (RFC 6960, 5019), and the GET path that carries it.
 *
 * The fetcher sends it. Threads: pure.
 */
#ifndef SST_OCSP_REQUEST_H
#define SST_OCSP_REQUEST_H

#include <openssl/x509.h>
#include <stddef.h>

#include "certkey.h"

enum sst_certid_hash { SST_CERTID_SHA1 = 1, SST_CERTID_SHA256 };

struct sst_request {
	uint8_t	der[512];
	size_t	len;
	uint8_t	nonce[32];
	size_t	nonce_len;	/* 0: none was put in */
};

/* `with_nonce`: 32 random octets (RFC 9654). */
int	sst_request_make(const struct sst_cert_facts *, X509 *issuer, enum sst_certid_hash,
	    int with_nonce, struct sst_request *ret, struct sst_error *err);
/*
 * The URL of the GET form: base64, with + / = percent-encoded, after `url` and one
 * slash. 1: made; 0: 255 octets or more after that slash, so POST
 * (RFC 6960 A.1); < 0: SST_E_LIMIT.
 */
int	sst_request_get_url(const struct sst_request *, const char *url, char *out, size_t size);

#endif
