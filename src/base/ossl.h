/* SPDX-License-Identifier: ISC */
/*
 * ossl - turns OpenSSL's error queue into a struct sst_error.
 *
 * The only place that reads the queue. Whoever calls OpenSSL in this library
 * calls sst_fail_ossl() on failure, so no error outlives the call it belongs
 * to (a left-over entry makes a later SSL_get_error() lie).
 * Threads: the queue is per thread, and so is this.
 */
#ifndef SST_BASE_OSSL_H
#define SST_BASE_OSSL_H

#include "fail.h"

/*
 * Whether memory ran out on this thread since the last call, as far as libcrypto or
 * sst_ossl_starve() said so: then a failure proves nothing about what was looked at.
 */
int	sst_ossl_starved(void);
/* Says so oneself: for calls of libcrypto that fail for nothing else, and silently. */
void	sst_ossl_starve(void);
/* Empties the queue, as ERR_clear_error(), and remembers a lack of memory. */
void	sst_ossl_clear(void);

/* As sst_fail(), with OpenSSL's oldest reason added; empties the queue. */
int	sst_fail_ossl(struct sst_error *err, int code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

#endif
