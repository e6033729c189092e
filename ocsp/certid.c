/* SPDX-License-Identifier: ISC */
/*
 * certid - see certid.h.
 */
#include "certid.h"

#include <string.h>

#include "base/ossl.h"

static const struct {
	uint8_t	oid[9];
	uint8_t	oid_len;
	const EVP_MD *(*md)(void);
} known[SST_CERTID_HASHES] = {
	{ { 0x2b, 14, 3, 2, 26 }, 5, EVP_sha1 },
	{ { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1 }, 9, EVP_sha256 },
	{ { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2 }, 9, EVP_sha384 },
	{ { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3 }, 9, EVP_sha512 },
};

void
sst_certid_init(struct sst_certid *id, const struct sst_cert_facts *facts, X509 *issuer)
{
	*id = (struct sst_certid){ .facts = facts, .issuer = issuer };
}

int
sst_certid_hashes(const struct sst_cert_facts *facts, X509 *issuer, const EVP_MD *md,
    uint8_t *ret_name, uint8_t *ret_key)
{
	const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(issuer);

	if (EVP_Digest(facts->issuer_dn, facts->issuer_dn_len, ret_name, NULL, md, NULL) == 1 &&
	    EVP_Digest(ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key), ret_key,
	    NULL, md, NULL) == 1)
		return SST_OK;
	sst_ossl_clear();
	return SST_E_NOMEM;
}

int
sst_certid_of_issuer(struct sst_certid *id, const struct sst_single *s)
{
	size_t i = 0;

	while (i < SST_CERTID_HASHES &&
	    !sst_der_is_oid(&s->hash_oid, known[i].oid, known[i].oid_len))
		i++;
	if (i == SST_CERTID_HASHES)
		return SST_E_UNSUPPORTED;
	if (!id->hashes[i].done) {
		if (sst_certid_hashes(id->facts, id->issuer, known[i].md(), id->hashes[i].name,
		    id->hashes[i].key) < 0)
			return SST_E_NOMEM;
		id->hashes[i].len = (size_t)EVP_MD_get_size(known[i].md());
		id->hashes[i].done = 1;
	}
	return s->name_hash_len == id->hashes[i].len && s->key_hash_len == id->hashes[i].len &&
	    memcmp(s->name_hash, id->hashes[i].name, s->name_hash_len) == 0 &&
	    memcmp(s->key_hash, id->hashes[i].key, s->key_hash_len) == 0;
}

int
sst_certid_serial(const struct sst_single *s, const uint8_t *serial, size_t len)
{
	return s->serial_len == len && memcmp(s->serial, serial, len) == 0;
}
