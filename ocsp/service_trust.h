/* SPDX-License-Identifier: ISC */
/*
 * service_trust - whether a chain that somebody sent reaches a trust anchor of the
 * machine.
 *
 * service.c asks it before anything else: only what an anchor's owner answers for
 * makes the service send a packet. Anybody may make certificates that name URLs.
 *
 * Always true:
 *   1. An anchor is the machine's, never one that came with the question.
 *   2. Anchors that were exchanged on disk count within a minute.
 * Threads: one.
 */
#ifndef SST_OCSP_SERVICE_TRUST_H
#define SST_OCSP_SERVICE_TRUST_H

#include <openssl/x509.h>

#include <securesockets/error.h>

struct sst_anchors;

/* `file`: PEM; NULL: OpenSSL's default file and directory. */
int	sst_anchors_new(const char *file, struct sst_anchors **ret, struct sst_error *err);
void	sst_anchors_free(struct sst_anchors *);		/* NULL is allowed */
/*
 * The verified chain, leaf first, of at least two; the caller frees it with what it
 * holds. `above` may be NULL. SST_E_REFUSED: it reaches none, and `err` says what is
 * wrong.
 */
int	sst_anchors_chain(struct sst_anchors *, X509 *cert, X509 *issuer, X509 *above,
	    int64_t now_ms, STACK_OF(X509) **ret, struct sst_error *err);

#endif
