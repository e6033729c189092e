/* SPDX-License-Identifier: ISC */
/*
 * forest - a great many certificates, made as fast as they can be signed.
 *
 * Tests and benchmarks of hosting machines call it; it calls pki and libcrypto.
 *
 *	struct forest *f = forest_new();
 *
 *	forest_grow(f, dir, 0, 100000, FOREST_CERTBOT);
 *	forest_renew(f, dir, 90000, 2);		name 90000 is at version 2 now
 *	forest_free(f);
 *
 * Always true:
 *   1. Name i is forest_name(i), alone in its certificate; all names are equally
 *      long, so a certificate is a template with a name and a serial number put in
 *      and a signature put behind.
 *   2. The keys come from a pool of FOREST_KEYS: version v of name i has the key
 *      i + v, so two versions in a row never share one.
 *   3. The serial number says name and version (forest_version()).
 *   4. Root, intermediate and keys are in DIR/authority after a forest_save(), and
 *      the same forest comes back by forest_open(): a tree can be used again.
 * Threads: forest_grow() has as many as there are processors, at most 8; the rest
 * may be called from one at a time.
 */
#ifndef SST_TEST_FOREST_H
#define SST_TEST_FOREST_H

#include <openssl/x509.h>

#define FOREST_KEYS	64
#define FOREST_NAME	32	/* bytes that a name takes, its end included */

struct forest;		/* opaque, one owner */
struct pki_cert;

enum forest_form {
	FOREST_CERTBOT,	/* live/NAME/{cert,privkey,chain,fullchain}.pem and archive/ */
	FOREST_SLIM,	/* the same with privkey and fullchain alone: half the inodes */
	FOREST_FLAT	/* NAME.pem: chain and key in one file */
};

/* P-256; valid from 2020 to 2040. A failure prints what went wrong and aborts. */
struct forest *forest_new(void);
void	forest_save(const struct forest *, const char *dir);
/* The forest of DIR/authority, NULL when there is none. */
struct forest *forest_open(const char *dir);
void	forest_free(struct forest *);	/* NULL is allowed */

const char *forest_name(int i, char out[FOREST_NAME]);
/* Borrowed: the root that clients trust. */
struct pki_cert *forest_root(const struct forest *);

/* Writes version 1 of the names [first, first + n) below `dir`, which exists. */
void	forest_grow(struct forest *, const char *dir, int first, int n, enum forest_form);
/* certbot's renewal of one name to this version, in certbot's order, no pauses.
 * FOREST_FLAT: the file is replaced by rename. */
void	forest_renew(struct forest *, const char *dir, int i, int version, enum forest_form);
/* Whose certificate this is: the version, with the name's number in *ret_i. -1: it
 * is of no forest. */
int	forest_version(const X509 *leaf, int *ret_i);

#endif
