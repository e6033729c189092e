/* SPDX-License-Identifier: ISC */
/*
 * Extensions of a certificate that anybody may have made: what they say is within
 * the certificate and its bounds, or the certificate is refused.
 *
 * The input is a row of extensions: which one, how long (two octets), its value.
 */
#include <stdlib.h>
#include <string.h>

#include "ocsp/facts.h"
#include "support/pki.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const oids[] = { "2.5.29.19", "2.5.29.18", "2.5.29.31", "2.5.29.56",
	"1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24", "1.3.6.1.5.5.7.48.1.5", "1.2.3.4" };
#define N_OIDS	(sizeof(oids) / sizeof(oids[0]))

static void
must(int ok)
{
	if (!ok)
		abort();
}

static void
add(X509 *cert, const char *oid, const uint8_t *value, size_t len)
{
	ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
	ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
	X509_EXTENSION *ext;

	must(octets != NULL && object != NULL &&
	    ASN1_OCTET_STRING_set(octets, value, (int)len) == 1);
	ext = X509_EXTENSION_create_by_OBJ(NULL, object, 0, octets);
	must(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
	ASN1_OBJECT_free(object);
	ASN1_OCTET_STRING_free(octets);
}

/* Whether [p, p + len) lies in an extension of the certificate. */
static int
lies_in(X509 *cert, const uint8_t *p, size_t len)
{
	for (int i = 0; i < X509_get_ext_count(cert); i++) {
		const ASN1_OCTET_STRING *s = X509_EXTENSION_get_data(X509_get_ext(cert, i));
		const uint8_t *from = ASN1_STRING_get0_data(s);

		if (p >= from && len <= (size_t)ASN1_STRING_length(s) &&
		    p + len <= from + ASN1_STRING_length(s))
			return 1;
	}
	return 0;
}

static void
urls(X509 *cert, const struct sst_facts_url *list, unsigned n)
{
	must(n <= SST_URLS_MAX);
	for (unsigned i = 0; i < n; i++) {
		must(list[i].len > 7 && lies_in(cert, list[i].text, list[i].len));
		for (size_t k = 0; k < list[i].len; k++)
			must(list[i].text[k] > 0x20 && list[i].text[k] < 0x7f);
	}
}

static void
judge(X509 *cert)
{
	struct sst_cert_facts f;
	struct sst_facts_urls u;

	if (sst_facts_read(cert, &f, &u, NULL) < 0)
		return;
	urls(cert, u.ocsp, f.n_ocsp);
	urls(cert, u.crl, f.n_crl);
	must(f.n_dps <= SST_DPS_MAX && f.n_sources >= f.n_ocsp + f.n_crl);
	must(!f.has_dp == (f.n_dps == 0) && !(f.is_ca && f.no_rev_avail));
	for (unsigned i = 0; i < f.n_dps; i++) {
		must((f.dp[i].reasons & ~SST_REASONS_ALL) == 0);
		must(f.dp[i].name == NULL || lies_in(cert, f.dp[i].name, f.dp[i].name_len));
		must(!f.dp[i].has_crl_issuer ||
		    lies_in(cert, f.dp[i].crl_issuer, f.dp[i].crl_issuer_len));
	}
	must(f.issuer_alt == NULL || lies_in(cert, f.issuer_alt, f.issuer_alt_len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pki_cert *base;
	X509 *cert;

	if (base == NULL) {
		base = pki_issue(NULL, &(struct pki_spec){ .cn = "www" });
		while (X509_get_ext_count(base->cert) > 0)
			X509_EXTENSION_free(X509_delete_ext(base->cert, 0));
	}
	cert = X509_dup(base->cert);
	must(cert != NULL);
	while (size > 3) {
		size_t len = (size_t)data[1] << 8 | data[2];

		len = len < size - 3 ? len : size - 3;
		add(cert, oids[data[0] % N_OIDS], data + 3, len);
		data += 3 + len;
		size -= 3 + len;
	}
	judge(cert);
	X509_free(cert);
	return 0;
}
