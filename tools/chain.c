/* SPDX-License-Identifier: ISC */
/* chain - see chain.h. */
#include "chain.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "out.h"

static json_t *
name_json(const X509_NAME *name)
{
	json_t *json = NULL;
	BIO *bio = BIO_new(BIO_s_mem());

	if (bio != NULL && X509_NAME_print_ex(bio, name, 0,
	    XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0 &&
	    BIO_write(bio, "", 1) == 1) {
		char *text;

		BIO_get_mem_data(bio, &text);
		json = sst_out_string(text);
	}
	BIO_free(bio);
	return json != NULL ? json : json_null();
}

/* A subjectAltName as text; NULL for kinds that no server name is. */
static json_t *
san_json(const GENERAL_NAME *san)
{
	const ASN1_OCTET_STRING *ip = san->d.iPAddress;
	char text[INET6_ADDRSTRLEN], name[256];
	int len;

	if (san->type == GEN_DNS) {
		len = ASN1_STRING_length(san->d.dNSName);
		if (len < 0 || (size_t)len >= sizeof(name))
			return NULL;
		memcpy(name, ASN1_STRING_get0_data(san->d.dNSName), (size_t)len);
		name[len] = '\0';
		/* A NUL inside would hide the rest of the name. */
		for (int i = 0; i < len; i++)
			if (name[i] == '\0')
				name[i] = '\x01';
		return sst_out_string(name);
	}
	if (san->type != GEN_IPADD)
		return NULL;
	len = ASN1_STRING_length(ip);
	if ((len != 4 && len != 16) || inet_ntop(len == 4 ? AF_INET : AF_INET6,
	    ASN1_STRING_get0_data(ip), text, sizeof(text)) == NULL)
		return NULL;
	return json_string(text);
}

static json_t *
names_json(X509 *cert)
{
	GENERAL_NAMES *sans = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL,
	    NULL);
	json_t *array = json_array();

	for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++) {
		json_t *name = san_json(sk_GENERAL_NAME_value(sans, i));

		if (name != NULL)
			json_array_append_new(array, name);
	}
	GENERAL_NAMES_free(sans);
	return array;
}

static json_t *
key_json(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	char text[96], group[64] = "";

	if (key == NULL)
		return json_string("unknown");
	if (EVP_PKEY_is_a(key, "EC")) {
		EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
		snprintf(text, sizeof(text), "EC %s", group);
	} else {
		snprintf(text, sizeof(text), "%s %d",
		    EVP_PKEY_get0_type_name(key), EVP_PKEY_get_bits(key));
	}
	return sst_out_string(text);
}

static json_t *
time_json(const ASN1_TIME *when)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(when, &tm) != 1)
		return json_null();
	return json_integer(timegm(&tm));
}

static json_t *
cert_json(X509 *cert)
{
	json_t *o = json_object();
	uint8_t digest[EVP_MAX_MD_SIZE];
	char hex[65];

	json_object_set_new(o, "subject", name_json(X509_get_subject_name(cert)));
	json_object_set_new(o, "issuer", name_json(X509_get_issuer_name(cert)));
	json_object_set_new(o, "names", names_json(cert));
	json_object_set_new(o, "key_type", key_json(cert));
	json_object_set_new(o, "not_before", time_json(X509_get0_notBefore(cert)));
	json_object_set_new(o, "not_after", time_json(X509_get0_notAfter(cert)));
	if (X509_digest(cert, EVP_sha256(), digest, NULL) == 1)
		json_object_set_new(o, "sha256",
		    json_string(sst_out_hex(hex, digest)));
	return o;
}

json_t *
sst_chain_read(const char *pem)
{
	json_t *array = json_array();
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert;

	while (bio != NULL &&
	    (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		json_array_append_new(array, cert_json(cert));
		X509_free(cert);
	}
	BIO_free(bio);
	return array;
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "-";
}

void
sst_chain_print(const json_t *chain)
{
	size_t i, j;
	json_t *cert, *name;
	char until[32], text[512];

	json_array_foreach(chain, i, cert) {
		const json_t *names = json_object_get(cert, "names");

		printf("chain %-2zu  %s  %s  until %s\n", i,
		    text_of(cert, "subject"), text_of(cert, "key_type"),
		    sst_out_time(until, json_integer_value(
		    json_object_get(cert, "not_after"))));
		json_array_foreach(names, j, name)
			printf("%s%s", j ? ", " : "          for ",
			    sst_out_name(text, sizeof(text),
			    json_string_value(name)));
		if (json_array_size(names) > 0)
			putchar('\n');
		printf("          by %s  sha256 %.16s\n", text_of(cert, "issuer"),
		    text_of(cert, "sha256"));
	}
}
