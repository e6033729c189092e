/* SPDX-License-Identifier: ISC */
/* each - a store and an empty directory that each test has for itself. */
#ifndef SST_TEST_EACH_H
#define SST_TEST_EACH_H

#include <securesockets/certstore.h>

extern struct sst_store *store;
extern char *dir;

/* CMocka's test fixtures; the second forgets what was asked, too. */
int	each_setup(void **state);
int	each_teardown(void **state);

#endif
