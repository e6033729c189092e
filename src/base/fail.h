/* SPDX-License-Identifier: ISC */
/*
 * fail - fills a struct sst_error and returns its code, in one expression.
 *
 * Everybody calls it; it calls nothing but libc's formatting.
 *
 * Always true:
 *   1. The first error wins: an error that is already set is kept, and the
 *      code of this call is still what is returned.
 *   2. `err` may be NULL.
 * Threads: none of its own; an error belongs to whoever passed it.
 */
#ifndef SST_BASE_FAIL_H
#define SST_BASE_FAIL_H

#include <securesockets/error.h>

/* Sets `err` to code and text. Returns `code`. */
int	sst_fail(struct sst_error *err, int code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* The same for a failed system call: code SST_E_SYSTEM, errno's text added. */
int	sst_fail_errno(struct sst_error *err, int sys_errno, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* Empties `err`, so that it can be used again. NULL is allowed. */
void	sst_error_clear(struct sst_error *err);

#endif
