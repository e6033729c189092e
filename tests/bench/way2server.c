/* SPDX-License-Identifier: ISC */
/* way2server DIR [CACHE] - the same loop, the certificate chosen by name; CACHE is
 * the size of the cache of identities in bytes. */
#include <err.h>
#include <stdlib.h>

#include <securesockets/openssl.h>

#include "hsloop.h"

int
main(int argc, char **argv)
{
	/* "All hot" is what is measured: room for every identity. */
	struct sst_store_config config = { .cache_bytes = 512u << 20 };
	struct sst_store *store = NULL;
	struct sst_error error = { 0 };
	SSL_CTX *ctx = hs_ctx();

	if (argc != 2 && argc != 3)
		errx(64, "usage: way2server DIR [CACHE]");
	if (argc == 3)
		config.cache_bytes = strtoul(argv[2], NULL, 10);
	if (sst_store_new(&config, &store, &error) < 0 ||
	    sst_store_add(store, argv[1], &error) < 0 ||
	    sst_openssl_attach_store(ctx, store, NULL, &error) < 0)
		errx(1, "%s", error.text);
	sst_store_unref(store);
	return hs_serve(ctx);
}
