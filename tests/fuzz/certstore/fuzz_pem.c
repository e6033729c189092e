/* SPDX-License-Identifier: ISC */
/* Any bytes are certificates and keys, or an error with a text: pem.h. */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "certstore/intern.h"
#include "certstore/pem.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sst_error err = { .code = SST_OK };
	static struct sst_intern *intern;
	struct sst_pem pem = { 0 };
	int rc;

	if (intern == NULL)
		intern = sst_intern_new();
	rc = sst_pem_read(data, size, size % 2 == 0 ? intern : NULL, &pem, &err);
	if (rc < 0 && (err.text[0] == '\0' || err.code != rc))
		abort();
	if (rc == 0 && err.code != SST_OK)
		abort();
	for (int i = 0; i < sk_X509_num(pem.certs); i++)
		sst_intern_put(intern, sk_X509_value(pem.certs, i));
	sst_pem_done(&pem);
	return 0;
}
