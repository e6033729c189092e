/* SPDX-License-Identifier: ISC */
/*
 * facts - what a certificate says about its own revocation, read from its parts.
 *
 * notes.c calls it once per certificate and keeps the result.
 *
 * Always true:
 *   1. Pure. What the result points to lies in the certificate, and lives with it.
 *   2. An extension that this project goes by is read whole or the certificate is
 *      refused: what cannot be read must not count as absent.
 * Threads: pure.
 */
#ifndef SST_OCSP_FACTS_H
#define SST_OCSP_FACTS_H

#include "certkey.h"

/* A URL as the certificate holds it, without a NUL. */
struct sst_facts_url {
	const uint8_t	*text;
	size_t		 len;
};

struct sst_facts_urls {
	struct sst_facts_url ocsp[SST_URLS_MAX], crl[SST_URLS_MAX];
};

/* All of *ret but key.issuer and the pointers of its `ocsp` and `crl`, for which
 * *ret_urls has n_ocsp and n_crl. SST_E_MALFORMED, SST_E_LIMIT, SST_E_NOMEM. */
int	sst_facts_read(X509 *cert, struct sst_cert_facts *ret, struct sst_facts_urls *ret_urls,
	    struct sst_error *err);

#endif
