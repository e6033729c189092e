/* SPDX-License-Identifier: ISC */
#include "quick.h"

#include <openssl/asn1t.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>
#include <pthread.h>

#include "key.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static OSSL_LIB_CTX *bare;	/* NULL: it could not be made */

static void
bare_make(void)
{
	bare = OSSL_LIB_CTX_new();
	if (bare != NULL && OSSL_PROVIDER_load(bare, "null") == NULL) {
		OSSL_LIB_CTX_free(bare);
		bare = NULL;
	}
}

/* Whether all that a row says can be read from it. */
static int
is_plain(X509 *x, size_t len, size_t taken)
{
	const uint32_t odd = EXFLAG_CA | EXFLAG_INVALID | EXFLAG_CRITICAL | EXFLAG_V1 |
	    EXFLAG_SI;
	struct sst_key_facts facts;

	return taken == len && (X509_get_extension_flags(x) & odd) == 0 &&
	    sst_key_facts_quick(x, &facts);
}

X509 *
sst_quick_read(const uint8_t *der, size_t len)
{
	const unsigned char *at = der;
	X509 *x;

	if (pthread_once(&once, bare_make) != 0 || bare == NULL)
		return NULL;
	(void)ERR_set_mark();
	/* X509_new_ex() would have the context for the rest of it as well */
	x = (X509 *)ASN1_item_new_ex(ASN1_ITEM_rptr(X509), bare, NULL);
	/* what fails here is said when it fails again in the ordinary way */
	if (x != NULL && (d2i_X509(&x, &at, (long)len) == NULL ||
	    !is_plain(x, len, (size_t)(at - der)))) {
		X509_free(x);
		x = NULL;
	}
	(void)ERR_pop_to_mark();
	return x;
}

X509 *
sst_quick_whole(X509 *x)
{
	unsigned char *der = NULL;
	const unsigned char *at;
	X509 *whole = NULL;
	int len;

	if (X509_get0_pubkey(x) != NULL)
		return X509_up_ref(x) == 1 ? x : NULL;
	ERR_clear_error();	/* that there is none is no news */
	len = i2d_X509(x, &der);
	at = der;
	if (len > 0)
		whole = d2i_X509(NULL, &at, len);
	OPENSSL_free(der);
	return whole;
}
