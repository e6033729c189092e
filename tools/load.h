/* SPDX-License-Identifier: ISC */
/*
 * load - objects of files: PEM or DER, one or many of them.
 *
 * DER is taken as many objects only when the whole file is a row of complete
 * ones; anything else is one object, and whoever judges it says what is wrong.
 * "-" is the standard input. Threads: one.
 */
#ifndef SST_TOOLS_LOAD_H
#define SST_TOOLS_LOAD_H

#include <openssl/x509.h>
#include <stddef.h>

struct sst_error;

/*
 * Hands over each object's DER; stops when `each` returns non-zero and returns
 * that. `label` is what PEM calls them, as "X509 CRL"; other blocks are passed
 * over. SST_E_SYSTEM: cannot be read; SST_E_NOT_FOUND: none of them in it, or
 * nothing of the kind at all; SST_E_MALFORMED: broken PEM; SST_E_LIMIT: a huge file.
 */
int	sst_load_each(const char *path, const char *label,
	    int (*each)(void *arg, const unsigned char *der, size_t len), void *arg,
	    struct sst_error *err);
/* Appends each certificate. SST_E_MALFORMED: one of them does not parse. */
int	sst_load_certs(const char *path, STACK_OF(X509) *to, struct sst_error *err);

#endif
