/* SPDX-License-Identifier: ISC */
#include "each.h"

#include "ask.h"

#include <stdio.h>
#include <sys/stat.h>

struct sst_store *store;
char *dir, cache[PATH_MAX], certs[PATH_MAX];

int
each_setup(void **state)
{
	(void)state;
	store = store_make(NULL);
	dir = pki_dir_new();
	return 0;
}

int
each_setup_kept(void **state)
{
	(void)each_setup(state);
	(void)snprintf(cache, sizeof(cache), "%s", pki_path(dir, "cache"));
	(void)snprintf(certs, sizeof(certs), "%s", pki_path(dir, "d"));
	return mkdir(cache, 0700) < 0 || mkdir(certs, 0700) < 0 ? -1 : 0;
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

struct sst_store_figures
figures(struct sst_store *s)
{
	struct sst_store_figures f;

	assert_int_equal(sst_store_figures(s, PKI_NOW, &f, NULL), 0);
	return f;
}
