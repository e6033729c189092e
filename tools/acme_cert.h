/* SPDX-License-Identifier: ISC */
/*
 * acme_cert - the certificate that answers tls-alpn-01 (RFC 8737 3).
 *
 * acme_challenge.c calls it; it calls libcrypto. Nothing is read or written.
 */
#ifndef SST_TOOLS_ACME_CERT_H
#define SST_TOOLS_ACME_CERT_H

#include <openssl/bio.h>
#include <stdint.h>
#include <time.h>

/*
 * The digest in whatever form an ACME client hands it to its hook: the key
 * authorization itself ("TOKEN.THUMBPRINT"), or its SHA-256 in base64url (uacme) or
 * in hex, with or without colons (dehydrated). 1, or 0: it is none of these.
 */
int	sst_acme_digest(const char *text, uint8_t out[32]);
/*
 * A new key and a certificate of it that signs itself, both PEM, until `now` and a
 * week. `name`: as sst_name_fold() has it, no pattern. The caller frees *ret, whose
 * memory is cleared. 0, or -1: OpenSSL's queue says why.
 */
int	sst_acme_cert(const char *name, const uint8_t digest[32], time_t now, BIO **ret);

#endif
