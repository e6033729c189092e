/* SPDX-License-Identifier: ISC */
/* rawserver PEM - OpenSSL with one certificate, the measure for the others. */
#include <err.h>

#include "hsloop.h"

int
main(int argc, char **argv)
{
	SSL_CTX *ctx = hs_ctx();

	if (argc != 2 || SSL_CTX_use_certificate_chain_file(ctx, argv[1]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[1], SSL_FILETYPE_PEM) != 1)
		errx(64, "usage: rawserver PEM");
	return hs_serve(ctx);
}
