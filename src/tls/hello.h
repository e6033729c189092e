/* SPDX-License-Identifier: ISC */
/*
 * hello - what a ClientHello says, as the store's choice wants it.
 *
 *	sni.c (in OpenSSL's ClientHello callback) --> hello --> struct sst_hello
 *
 * Always true:
 *   1. Nothing is allocated; lists longer than their room are cut, which can
 *      make a choice worse for a client that lists a hundred and more, and
 *      never wrong.
 *   2. In TLS 1.3 the list of suites is empty: no choice hangs on them.
 *   3. A list that does not parse is decode_error.
 * Threads: none of its own.
 */
#ifndef SST_TLS_HELLO_H
#define SST_TLS_HELLO_H

#include <openssl/ssl.h>
#include <stdint.h>

#include <securesockets/certstore.h>

#define SST_HELLO_LIST_MAX 128

/* The lists that a struct sst_hello points to. */
struct sst_hello_room {
	uint16_t	suites[SST_HELLO_LIST_MAX];
	uint16_t	sigalgs[SST_HELLO_LIST_MAX];
	uint16_t	groups[SST_HELLO_LIST_MAX];
};

/*
 * Reads the hello; valid inside a ClientHello callback only. `hello->local` is
 * left NULL. 0: filled, `hello->version` is 0 when both sides share none. > 0:
 * the TLS alert to send.
 */
int	sst_hello_read(SSL *, struct sst_hello_room *, struct sst_hello *hello);

#endif
