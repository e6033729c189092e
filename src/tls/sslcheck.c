/* SPDX-License-Identifier: ISC */
#include "sslcheck.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/fail.h"

/* Of the sessions that were duplicated from one another. */
struct kept {
	atomic_int	 refs;
	STACK_OF(X509)	*chain;
};

/* Each session has one from its birth: setting `kept` changes no table of OpenSSL's
 * that another thread may be reading. */
struct slot {
	_Atomic(struct kept *) kept;
};

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int session_index = -1;

static void
kept_unref(struct kept *kept)
{
	if (kept == NULL || atomic_fetch_sub(&kept->refs, 1) != 1)
		return;
	sk_X509_pop_free(kept->chain, X509_free);
	free(kept);
}

static void
slot_new(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct slot *slot = calloc(1, sizeof(*slot));

	(void)parent, (void)ptr, (void)argl, (void)argp;
	/* without memory nothing is kept, and a resumed session is refused */
	if (slot != NULL && CRYPTO_set_ex_data(ad, idx, slot) != 1)
		free(slot);
}

static void
slot_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct slot *slot = ptr;

	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (slot == NULL)
		return;
	kept_unref(atomic_load(&slot->kept));
	free(slot);
}

/* A session that is duplicated (a ticket more) was given a slot of its own. */
static int
slot_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **ptr, int idx, long argl,
    void *argp)
{
	struct slot **from_slot = (struct slot **)ptr;
	struct slot *slot = CRYPTO_get_ex_data(to, idx);
	struct kept *kept = NULL;

	(void)from, (void)argl, (void)argp;
	if (*from_slot != NULL)
		kept = atomic_load(&(*from_slot)->kept);
	if (slot != NULL && kept != NULL) {
		(void)atomic_fetch_add(&kept->refs, 1);
		atomic_store(&slot->kept, kept);
	}
	*from_slot = slot;
	return 1;
}

static void
index_make(void)
{
	session_index = SSL_SESSION_get_ex_new_index(0, NULL, slot_new, slot_dup, slot_free);
}

int
sst_sslcheck_ready(struct sst_error *err)
{
	if (pthread_once(&index_once, index_make) != 0 || session_index < 0)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	return SST_OK;
}

static struct slot *
slot_of(const SSL *ssl)
{
	const SSL_SESSION *session = SSL_get_session(ssl);

	if (session == NULL || session_index < 0)
		return NULL;
	return SSL_SESSION_get_ex_data(session, session_index);
}

int
sst_sslcheck_keep(SSL *ssl, STACK_OF(X509) *chain, struct sst_error *err)
{
	struct slot *slot = slot_of(ssl);
	struct kept *kept, *none = NULL;

	if (slot == NULL || atomic_load(&slot->kept) != NULL)
		return SST_OK;
	kept = calloc(1, sizeof(*kept));
	if (kept == NULL || (kept->chain = X509_chain_up_ref(chain)) == NULL) {
		free(kept);
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	atomic_init(&kept->refs, 1);
	if (!atomic_compare_exchange_strong(&slot->kept, &none, kept))
		kept_unref(kept);
	return SST_OK;
}

/* Of an SSL that was used before, or whose peer showed another certificate later,
 * there may be chains of others. */
static int
is_of(STACK_OF(X509) *chain, const X509 *peer)
{
	return sk_X509_num(chain) > 0 && (sk_X509_value(chain, 0) == peer ||
	    X509_cmp(sk_X509_value(chain, 0), peer) == 0);
}

int
sst_sslcheck_chain(SSL *ssl, STACK_OF(X509) **ret, struct sst_error *err)
{
	const X509 *peer = SSL_get0_peer_certificate(ssl);
	const long verified = SSL_get_verify_result(ssl);
	const struct slot *slot = slot_of(ssl);
	struct kept *kept = slot != NULL ? atomic_load(&slot->kept) : NULL;

	if (peer == NULL)
		return 0;
	if (verified != X509_V_OK)
		return sst_fail(err, SST_E_REFUSED, "the chain was not verified (%s), and "
		    "nobody can tell whether it was revoked",
		    X509_verify_cert_error_string(verified));
	*ret = SSL_get0_verified_chain(ssl);
	if (*ret != NULL && is_of(*ret, peer))
		return 1;
	if (kept != NULL && is_of(kept->chain, peer)) {
		*ret = kept->chain;
		return 1;
	}
	return sst_fail(err, SST_E_REFUSED, "the session was resumed without the chain that "
	    "was verified, so that nobody can tell whether it was revoked");
}

/* What the peer sent; 0: nothing. */
static size_t
staple_of(SSL *ssl, const unsigned char **ret)
{
	long len = 0;

	*ret = NULL;
	if (!SSL_is_server(ssl))
		len = SSL_get_tlsext_status_ocsp_resp(ssl, ret);
	return *ret != NULL && len > 0 ? (size_t)len : 0;
}

int
sst_sslcheck_staple_reads(SSL *ssl)
{
	const unsigned char *der, *at;
	const size_t len = staple_of(ssl, &der);
	OCSP_RESPONSE *response;

	if (len == 0)
		return 1;
	at = der;
	response = d2i_OCSP_RESPONSE(NULL, &at, (long)len);
	OCSP_RESPONSE_free(response);
	if (response == NULL)
		ERR_clear_error();
	return response != NULL && at == der + len;
}

int
sst_sslcheck_new(struct sst_checker *checker, const struct sst_revocation_policy *policy,
    SSL *ssl, STACK_OF(X509) *chain, struct sst_check **ret, struct sst_error *err)
{
	const unsigned char *der;
	const size_t len = staple_of(ssl, &der);
	struct sst_check *check = NULL;
	int rc = sst_check_new(checker, policy, chain, &check, err);

	if (rc < 0)
		return rc;
	/* An anchor that is itself the leaf is judged by nobody. What is wrong with a
	 * staple is among the check's reasons: it fails for want of memory alone. */
	if (len > 0 && sst_check_count(check) > 0)
		rc = sst_check_staple(check, 0, der, len, err);
	if (rc < 0) {
		sst_check_free(check);
		return rc;
	}
	*ret = check;
	return SST_OK;
}
