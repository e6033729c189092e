/* SPDX-License-Identifier: ISC */
/*
 * key - private keys: reading them quickly, telling them apart.
 *
 * pem.c reads, identity.c and scan.c compare.
 *
 * Always true:
 *   1. No password is ever asked for.
 *   2. The print of a private key equals that of its certificate's key, and of the
 *      bytes that write it there.
 * Threads: pure.
 */
#ifndef SST_CERTSTORE_KEY_H
#define SST_CERTSTORE_KEY_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <stdint.h>

struct sst_error;

/* The numbers are in the index: an old one never changes. */
enum sst_key_kind {
	SST_KEY_RSA = 0,
	SST_KEY_RSA_PSS,
	SST_KEY_P256,
	SST_KEY_P384,
	SST_KEY_P521,
	SST_KEY_ED25519,
	SST_KEY_ED448,
	SST_KEY_KINDS
};

enum sst_key_form { SST_KEY_PKCS8, SST_KEY_FORM_RSA, SST_KEY_FORM_EC };

#define SST_PRINT_SIZE	32

/* The key in `der`, which the caller frees; NULL, with OpenSSL's queue, if none. */
EVP_PKEY *sst_key_read(enum sst_key_form, const uint8_t *der, size_t len);
/* The kind, and its name as "RSA-2048" in `text`; < 0: none that is served. */
int	sst_key_kind(EVP_PKEY *, char *text, size_t size);
/* SHA-256 of the public half. SST_E_UNSUPPORTED: of no kind that is served. */
int	sst_key_print(EVP_PKEY *, uint8_t out[SST_PRINT_SIZE], struct sst_error *err);

/* Whether a certificate of it is written in the one form that sst_key_facts_quick() knows
 * for its kind, so that equal prints are equal bytes. */
int	sst_key_is_plain(EVP_PKEY *);

/* What a certificate says of its key. */
struct sst_key_facts {
	int	 kind;		/* enum sst_key_kind */
	int	 bits;
	char	 text[32];
	uint8_t	 print[SST_PRINT_SIZE];
};

/*
 * The same from the bytes in the certificate, without making a key of them: OpenSSL's
 * decoder takes a hundred times as long. 0: they are of a form that only it knows.
 */
int	sst_key_facts_quick(const X509 *, struct sst_key_facts *ret);
/* By either way. SST_E_UNSUPPORTED: of no kind that is served; text is set. */
int	sst_key_facts_read(X509 *, struct sst_key_facts *ret, struct sst_error *err);

#endif
