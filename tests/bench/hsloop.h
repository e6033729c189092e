/* SPDX-License-Identifier: ISC */
/*
 * hsloop - the server that both sides of the handshake benchmark share.
 *
 * rawserver.c and way2server.c differ in the SSL_CTX and in nothing else.
 */
#ifndef SST_BENCH_HSLOOP_H
#define SST_BENCH_HSLOOP_H

#include <openssl/ssl.h>

/* TLS 1.3, no tickets, no session cache, for both. With HS_TICKETS in the environment
 * 1.2, too, and tickets as way 2 has them, but under keys that never change. */
SSL_CTX	*hs_ctx(void);
/*
 * Prints its port, then serves on one thread until SIGTERM, and prints
 * handshakes and CPU microseconds per handshake.
 */
int	hs_serve(SSL_CTX *);

#endif
