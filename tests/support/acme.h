/* SPDX-License-Identifier: ISC */
/* acme - certificates as ACME clients make them for tls-alpn-01 (RFC 8737 3). */
#ifndef SST_TEST_ACME_H
#define SST_TEST_ACME_H

#include "pki.h"

/* acmeIdentifier with 32 octets of 0xa5: lines for pki_spec.extra. */
#define ACME_DIGEST \
	"A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5"
#define ACME_IDENTIFIER	"1.3.6.1.5.5.7.1.31 = critical,DER:0420" ACME_DIGEST "\n"

/* It signs itself, for this subjectAltName. `until` 0: 2040. */
static inline struct pki_cert *
acme_cert(const char *san, enum pki_key key, time_t until)
{
	return pki_issue(NULL, &(struct pki_spec){ .cn = "ACME challenge", .san = san,
	    .key = key, .eku = "", .not_after = until, .extra = ACME_IDENTIFIER });
}

#endif
