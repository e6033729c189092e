/* SPDX-License-Identifier: ISC */
/*
 * trust - the certificates that a client believes.
 *
 * Roots come from the system's directory, looked up by hash when needed, or
 * from what the program names. A certificate that is no CA is a pin: then only
 * that leaf is accepted.
 *
 * Always true:
 *   1. Immutable once it is given to a conf.
 *   2. No anchors at all is an error of the connection, with a text, and never
 *      "believe everybody".
 * Threads: any number may read one.
 */
#ifndef SST_TLS_TRUST_H
#define SST_TLS_TRUST_H

#include <stddef.h>

#include <securesockets/error.h>

struct sst_trust;
struct x509_st;		/* OpenSSL's X509 */
struct x509_store_st;

/* The system's anchors: `file` and `dir` as in SSL_CERT_FILE and SSL_CERT_DIR,
 * NULL or "" for OpenSSL's defaults; `with_system` 0: none. A named file is read
 * at once, and one that cannot be read is an error; the default bundle is read
 * only where the directory is missing. */
int	sst_trust_new(int with_system, const char *file, const char *dir,
	    struct sst_trust **ret_trust, struct sst_error *err);
/*
 * The same, shared: one object for the whole process, made anew when the file
 * or the directory changed (looked at once a minute at most). Nothing can be
 * added to it.
 */
int	sst_trust_system(const char *file, const char *dir,
	    struct sst_trust **ret_trust, struct sst_error *err);
/* An empty one that believes `base` too, which stays as it is: a socket's own
 * roots beside the process's, whose bundle is not read again. */
int	sst_trust_new_over(struct sst_trust *base, struct sst_trust **ret_trust,
	    struct sst_error *err);
/* Adds every certificate in PEM or DER bytes: CAs as roots, others as pins.
 * On 0 *ret_count, when not NULL, is how many. None at all: SST_E_MALFORMED.
 * A certificate that does not parse: SST_E_MALFORMED, and nothing is added.
 * Shared, or in use by a conf: SST_E_STATE. */
int	sst_trust_add(struct sst_trust *, const void *bytes, size_t len,
	    size_t *ret_count, struct sst_error *err);
struct sst_trust *sst_trust_ref(struct sst_trust *);
void	sst_trust_unref(struct sst_trust *);	/* NULL is allowed */

/*
 * For trust_system.c: calls `each` for the parts of a list as SSL_CERT_DIR takes it,
 * until it returns non-zero; returns that. A part that is too long is no directory.
 */
int	sst_trust_each_dir(const char *list, int (*each)(void *arg, const char *path),
	    void *arg);
/* For conf.c and verify.c. */
/* From now on nothing can be added. */
void	sst_trust_freeze(struct sst_trust *);
/* Whether there is anything to believe; SST_E_REFUSED says where it looked. */
int	sst_trust_check(struct sst_trust *, struct sst_error *err);
/* What to verify against: the roots, or the pins if there are any. Borrowed. */
struct x509_store_st *sst_trust_store(const struct sst_trust *);
/* 1: no pins, or `leaf` is one of them. */
int	sst_trust_allows(const struct sst_trust *, const struct x509_st *leaf);

#endif
