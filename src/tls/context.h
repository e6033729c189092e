/* SPDX-License-Identifier: ISC */
/*
 * context - an SSL_CTX that the whole process shares: to make one takes longer than a
 * handshake with it.
 *
 *	canary.c, challenge.c --> context
 *
 * Always true:
 *   1. There is one for each slot: made when it is first wanted, there until the process
 *      ends, and wanted again where it could not be made.
 *   2. It keeps no session.
 * Threads: any; nothing is locked, so that a fork() is no danger.
 */
#ifndef SST_TLS_CONTEXT_H
#define SST_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

/* The one of `slot`, which is NULL at first; of `method`, and readied by `ready` before
 * anybody else sees it. Borrowed; NULL: OpenSSL failed. */
SSL_CTX	*sst_context(_Atomic(SSL_CTX *) *slot, const SSL_METHOD *method,
	    void (*ready)(SSL_CTX *));

#endif
