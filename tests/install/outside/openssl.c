/* SPDX-License-Identifier: ISC */
/* openssl - somebody's program with OpenSSL, C and C++ alike: way 2. */
#include <securesockets/openssl.h>

#include <stdio.h>
#include <string.h>

int
main(void)
{
	struct sst_error err;
	struct sst_store *store = NULL;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int rc;

	memset(&err, 0, sizeof(err));
	if (ctx == NULL || sst_store_new(NULL, &store, &err) < 0 ||
	    sst_openssl_attach_store(ctx, store, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	rc = sst_store_add(store, "/nonexistent/certificates", &err);
	if (rc >= 0 || err.text[0] == '\0') {
		fprintf(stderr, "a path that does not exist was taken in\n");
		return 1;
	}
	sst_store_unref(store);
	SSL_CTX_free(ctx);
	return 0;
}
