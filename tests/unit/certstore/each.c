/* SPDX-License-Identifier: ISC */
#include "each.h"

#include "ask.h"

struct sst_store *store;
char *dir;

int
each_setup(void **state)
{
	(void)state;
	store = store_make(NULL);
	dir = pki_dir_new();
	return 0;
}

int
each_teardown(void **state)
{
	(void)state;
	ask_reset();
	sst_store_unref(store);
	pki_dir_free(dir);
	return 0;
}

int
serves(const char *name, const struct pki_cert *cert)
{
	return serves_in(store, name, cert);
}
