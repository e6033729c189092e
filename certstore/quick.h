/* SPDX-License-Identifier: ISC */
/*
 * quick - a certificate whose public key is not decoded.
 *
 * pem.c reads leaves so, identity.c gives them their key. Most of what OpenSSL needs
 * for a certificate goes into the decoder of its public key; in a library context
 * without providers there is none, so the key's part of the certificate is made in
 * such a context, and all the rest in the ordinary one: 15 us instead of 150. Who has
 * the private key has the public one as well, and who only wants to know what the
 * certificate says needs neither.
 *
 * Always true:
 *   1. X509_get0_pubkey() of such a certificate is NULL. It is never served and never
 *      shared before it has its key, or sst_quick_whole() made one that has.
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
/* The certificate with its public key: another reference, or a copy if it has none; the
 * caller frees it. NULL, with OpenSSL's queue: it cannot be had. */
X509	*sst_quick_whole(X509 *);

#endif
