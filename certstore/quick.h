/* SPDX-License-Identifier: ISC */
/*
 * quick - a certificate that is only asked what it says.
 *
 * pem.c reads leaves so, where a scan wants rows and no identities: a hundred thousand
 * of them. Most of what OpenSSL needs for a certificate goes into the decoder of its
 * public key; in a library context without providers there is none, and the rest of
 * the certificate is there all the same: 10 us instead of 150.
 *
 * Always true:
 *   1. Such a certificate is never served and never shared: it has no public key, and
 *      OpenSSL's digest of it does not work (identity.h: sst_cert_digest).
 *   2. Its key is of a form that sst_key_facts_quick() knows, it is no CA, and nothing
 *      about it is odd: whatever else is read in the ordinary way.
 * Threads: any number; the context is made once and stays.
 */
#ifndef SST_CERTSTORE_QUICK_H
#define SST_CERTSTORE_QUICK_H

#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

/* The caller frees it; NULL: it is to be read in the ordinary way. */
X509	*sst_quick_read(const uint8_t *der, size_t len);

#endif
