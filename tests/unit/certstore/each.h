/* SPDX-License-Identifier: ISC */
/* each - a store and an empty directory that each test has for itself. */
#ifndef SST_TEST_EACH_H
#define SST_TEST_EACH_H

#include <limits.h>

#include <securesockets/certstore.h>

struct pki_cert;

extern struct sst_store *store;
extern char *dir;

/* CMocka's test fixtures; the second forgets what was asked, too. */
int	each_setup(void **state);
int	each_setup_kept(void **state);	/* with two directories: */
extern char cache[PATH_MAX], certs[PATH_MAX];	/* for an index, and its store's */
int	each_teardown(void **state);

/* Of this one, at PKI_NOW. */
struct sst_store_figures figures(struct sst_store *);

/* serves_in() of this store. */
int	serves(const char *name, const struct pki_cert *);

#endif
