/* SPDX-License-Identifier: ISC */
/*
 * dertime - a time in DER, read strictly.
 *
 * response.c and crl.c call it, certkey.c for a certificate's dates; it calls
 * nobody. OpenSSL 3.0 takes a time that it cannot compare for one that has not
 * passed, so odd forms must not get as far as a comparison.
 *
 * Always true:
 *   1. One form each: YYYYMMDDHHMMSSZ and YYMMDDHHMMSSZ. No fraction, no offset,
 *      no missing seconds, no second 60, no year 0000, no 30th of February.
 *   2. Year 9999 (RFC 5280: no end) parses: a cap on age is its reader's affair.
 * Threads: pure.
 */
#ifndef SST_OCSP_DERTIME_H
#define SST_OCSP_DERTIME_H

#include <stddef.h>
#include <stdint.h>

#define SST_DER_UTCTIME		0x17
#define SST_DER_GENERALIZEDTIME	0x18

/* UNIX seconds to *ret. 0 or SST_E_MALFORMED. */
int	sst_dertime_generalized(const uint8_t *content, size_t len, int64_t *ret);
/* Time ::= CHOICE of UTCTime (50 to 99 are 19xx) and GeneralizedTime, by `tag`. */
int	sst_dertime_any(uint8_t tag, const uint8_t *content, size_t len, int64_t *ret);

#endif
