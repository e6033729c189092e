/* SPDX-License-Identifier: ISC */
/* openssl - somebody's program with OpenSSL, C and C++ alike: way 2. */
#include <securesockets/openssl.h>

#include <stdio.h>
#include <string.h>

static int
judges(void)
{
	struct sst_openssl_check config;
	struct sst_checker *checker = NULL;
	struct sst_error err;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	int rc;

	memset(&config, 0, sizeof(config));
	memset(&err, 0, sizeof(err));
	config.mode = SST_OPENSSL_MUST;
	if (ctx == NULL || sst_checker_new(NULL, &checker, &err) < 0 ||
	    sst_openssl_attach_checker(ctx, checker, &config, &err) < 0 ||
	    (ssl = SSL_new(ctx)) == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	rc = sst_openssl_judge(ssl, &err);
	if (rc != SST_E_STATE || err.text[0] == '\0' ||
	    sst_openssl_result(ssl, 0) != NULL) {
		fprintf(stderr, "an SSL was judged before its handshake\n");
		return 1;
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	sst_checker_unref(checker);
	return 0;
}

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
	return judges();
}
