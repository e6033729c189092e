/* SPDX-License-Identifier: ISC */
/*
 * crl_name - see crl_list.h.
 */
#include <string.h>

#include "base/ossl.h"
#include "crl_list.h"

int
sst_name_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	const unsigned char *pa = a, *pb = b;
	X509_NAME *na, *nb;
	int rc = 0;

	if (a_len == b_len && memcmp(a, b, a_len) == 0)
		return 1;
	/* RFC 5280 7.1: another string type, case or white space is the same name */
	na = d2i_X509_NAME(NULL, &pa, (long)a_len);
	nb = d2i_X509_NAME(NULL, &pb, (long)b_len);
	if (na != NULL && nb != NULL)
		rc = X509_NAME_cmp(na, nb) == 0;
	X509_NAME_free(na);
	X509_NAME_free(nb);
	sst_ossl_clear();
	return rc;
}

int
sst_names_have(const uint8_t *names, size_t len, const uint8_t *dn, size_t dn_len)
{
	struct sst_der_item item, name;
	struct sst_der in, inner;

	sst_der_init(&in, names, len);
	while (sst_der_next(&in, &item) == SST_OK) {
		if (item.tag != SST_DER_EXPLICIT(4))
			continue;
		sst_der_into(&inner, &item);
		if (sst_der_expect(&inner, SST_DER_SEQUENCE, &name) == SST_OK &&
		    sst_name_equal(name.whole, name.whole_len, dn, dn_len))
			return 1;
	}
	return 0;
}
