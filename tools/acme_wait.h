/* SPDX-License-Identifier: ISC */
/*
 * acme_wait - asks as an ACME server does, until a challenge is answered.
 *
 * acme_challenge.c calls it; it calls libssl.
 */
#ifndef SST_TOOLS_ACME_WAIT_H
#define SST_TOOLS_ACME_WAIT_H

#include <stddef.h>

/*
 * Connects to `where` (HOST:PORT or [IPV6]:PORT) again and again and validates `name`
 * there. 1: it was shown the certificate that begins `pem`, and the connection was
 * closed. 0: not within `ms`. -1: out of memory.
 */
int	sst_acme_wait(const char *where, const char *name, const char *pem, size_t len,
	    int ms);

#endif
