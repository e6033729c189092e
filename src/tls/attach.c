/* SPDX-License-Identifier: ISC */
/*
 * attach - a revocation checker in a program's own SSL_CTX: way 2.
 *
 *	OpenSSL, in a client's handshake --on_status()--> judge
 *	program, after a handshake --sst_openssl_judge()--> judge
 *	judge --> attach_rules.c (policy), sslcheck.c (chain, staple), sst_check_wait()
 *	OpenSSL, in a server with a store --on_status()--> ours.c (staple)
 *	sni.c, whenever it has chosen --sst_attach_served()--> ours.c (watch)
 *
 * Always true: openssl.h's list, and:
 *   1. One handshake costs one check: what the hook has judged the first
 *      sst_openssl_judge() looks at again, without reading the staple twice.
 *   2. A check belongs to the handshake whose client_random it was made under.
 * Threads: the attachment is read-only; what was judged belongs to its SSL.
 */
#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <securesockets/openssl.h>

#include "attach_rules.h"
#include "attach_serve.h"
#include "base/clock.h"
#include "base/fail.h"
#include "base/ossl.h"
#include "certstore/identity.h"
#include "ours.h"
#include "sni.h"
#include "sslcheck.h"

/* Of one SSL_CTX; freed with it. */
struct attachment {
	struct sst_checker *checker;
	struct sst_openssl_check wish;
	int		(*before)(SSL *, void *);	/* in the slot; or NULL */
	struct sst_ours	*_Atomic ours;	/* since a server's first client; or NULL */
	atomic_int_fast64_t step_at;	/* when it wants to go on; ms */
};

/* Of one SSL. */
struct judged {
	unsigned char	 handshake[SSL3_RANDOM_SIZE];
	struct sst_check *check;	/* the last one, or NULL */
	int		 by_hook;	/* `check` is the hook's, and nobody looked again */
	char		*refusal;	/* why the hook ended the handshake; or NULL */
};

static pthread_once_t indexes_once = PTHREAD_ONCE_INIT;
static int ctx_index = -1;	/* struct attachment */
static int ssl_index = -1;	/* struct judged */

static void
attachment_free(struct attachment *a)
{
	if (a == NULL)
		return;
	sst_ours_unref(atomic_load(&a->ours));
	sst_checker_unref(a->checker);
	free(a);
}

static void
forget(struct judged *j)
{
	sst_check_free(j->check);
	free(j->refusal);
	memset(j, 0, sizeof(*j));
}

static void
ctx_data_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	attachment_free(ptr);
}

static void
ssl_data_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (ptr == NULL)
		return;
	forget(ptr);
	free(ptr);
}

/* A duplicate of an SSL begins with nothing: the check has one owner. */
static int
ssl_data_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **ptr, int idx,
    long argl, void *argp)
{
	(void)to, (void)from, (void)idx, (void)argl, (void)argp;
	*ptr = NULL;
	return 1;
}

static void
indexes_make(void)
{
	ctx_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, ctx_data_free);
	ssl_index = SSL_get_ex_new_index(0, NULL, NULL, ssl_data_dup, ssl_data_free);
}

static int
indexes_ready(void)
{
	return pthread_once(&indexes_once, indexes_make) == 0 && ctx_index >= 0 &&
	    ssl_index >= 0;
}

/* Of the SSL_CTX that the SSL has now: SSL_set_SSL_CTX() may have changed it. */
static struct attachment *
attachment_of(const SSL *ssl)
{
	return indexes_ready() ? SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index) : NULL;
}

static struct judged *
judged_of(SSL *ssl)
{
	struct judged *j = SSL_get_ex_data(ssl, ssl_index);

	if (j != NULL)
		return j;
	j = calloc(1, sizeof(*j));
	if (j != NULL && SSL_set_ex_data(ssl, ssl_index, j) != 1) {
		free(j);
		j = NULL;
	}
	return j;
}

static int
is_same_handshake(const SSL *ssl, const struct judged *j)
{
	unsigned char now[SSL3_RANDOM_SIZE];

	return SSL_get_client_random(ssl, now, sizeof(now)) == sizeof(now) &&
	    memcmp(now, j->handshake, sizeof(now)) == 0;
}

/* A new check of the peer as it is now. */
static int
begin(SSL *ssl, const struct attachment *a, const struct sst_revocation_policy *policy,
    struct judged *j, struct sst_error *err)
{
	STACK_OF(X509) *chain = NULL;
	int rc;

	rc = sst_sslcheck_chain(ssl, &chain, err);
	if (rc == 0 && !SSL_is_server(ssl))
		return sst_fail(err, SST_E_REFUSED, "the server showed no certificate, so "
		    "that nobody can tell whether it was revoked");
	if (rc <= 0)
		return rc;
	rc = sst_sslcheck_keep(ssl, chain, err);
	if (rc < 0)
		return rc;
	if (policy->use_staples != SST_SWITCH_OFF && !sst_sslcheck_staple_reads(ssl))
		return sst_fail(err, SST_E_REFUSED,
		    "the peer's staple is no OCSP response");
	return sst_sslcheck_new(a->checker, policy, ssl, chain, &j->check, err);
}

static int
judge(SSL *ssl, const struct attachment *a, struct judged *j, struct sst_error *err)
{
	struct sst_revocation_policy policy;
	int rc;

	forget(j);
	(void)SSL_get_client_random(ssl, j->handshake, sizeof(j->handshake));
	rc = sst_attach_policy(&a->wish, sst_clock_ms(), &policy, err);
	if (rc < 0 || policy.mode == SST_REVOCATION_OFF)
		return rc;
	rc = begin(ssl, a, &policy, j, err);
	return rc < 0 || j->check == NULL ? rc : sst_check_wait(j->check, err);
}

/* What sees to the certificates of this SSL_CTX, made at its first handshake. */
static struct sst_ours *
ours_of(SSL *ssl, struct attachment *a)
{
	struct sst_store *store = sst_sni_store(SSL_get_SSL_CTX(ssl));
	struct sst_ours *ours = atomic_load(&a->ours), *none = NULL;
	struct sst_revocation_policy policy;
	const struct sst_ours_config config = { .checker = a->checker, .policy = &policy,
	    .store = store, .no_staples = a->before != NULL };

	if (ours != NULL || store == NULL ||
	    sst_attach_policy(&a->wish, sst_clock_ms(), &policy, NULL) < 0)
		return ours;
	if (a->wish.mode == SST_OPENSSL_CACHE_ONLY)
		policy.fetch = SST_SWITCH_OFF;
	if (sst_ours_new(&config, &ours, NULL) < 0)
		return NULL;
	if (atomic_compare_exchange_strong(&a->ours, &none, ours))
		return ours;
	sst_ours_unref(ours);	/* another thread was faster */
	return none;
}

void
sst_attach_served(SSL *ssl, const struct sst_choice *choice)
{
	struct attachment *a = attachment_of(ssl);
	const int64_t now = sst_clock_ms();
	struct sst_ours *ours;

	if (a == NULL || a->wish.policy.mode == SST_REVOCATION_OFF ||
	    (ours = ours_of(ssl, a)) == NULL)
		return;
	sst_ours_serve(ours, choice);
	if (now < atomic_load(&a->step_at))
		return;
	/* others need not as well, while one does */
	atomic_store(&a->step_at, now + 1000);
	(void)ERR_set_mark();
	atomic_store(&a->step_at, now + 1000 * (int64_t)sst_ours_go_on(ours));
	(void)ERR_pop_to_mark();
}

int
sst_attach_judges(const SSL *ssl)
{
	const struct attachment *a = attachment_of(ssl);

	return a != NULL && a->wish.policy.mode != SST_REVOCATION_OFF;
}

/* In a server: a staple of the certificate that the store chose. */
static int
serve(SSL *ssl, struct attachment *a)
{
	struct sst_ours *ours = ours_of(ssl, a);
	unsigned ms = 0;

	if (ours == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (a->wish.mode != SST_OPENSSL_CACHE_ONLY)
		ms = a->wish.wait_ms != 0 ? a->wish.wait_ms :
		    a->wish.policy.budget_ms != 0 ? a->wish.policy.budget_ms :
		    SST_REVOCATION_BUDGET_MS;
	return sst_ours_give_met(ssl, ours, ms);
}

/*
 * OpenSSL calls it in a client when chain and signature were verified, with or
 * without a staple; in TLS 1.3 on a resumed session as well. 0 is the alert
 * bad_certificate_status_response, less internal_error.
 */
static int
on_status(SSL *ssl, void *arg)
{
	struct attachment *a = attachment_of(ssl);
	struct sst_error err = { 0 };
	struct judged *j;
	int rc;

	if (SSL_is_server(ssl))
		return a == NULL ? SSL_TLSEXT_ERR_NOACK : a->before != NULL ?
		    a->before(ssl, arg) : serve(ssl, a);
	j = a != NULL ? judged_of(ssl) : NULL;
	if (j == NULL)
		return -1;
	(void)ERR_set_mark();
	rc = judge(ssl, a, j, &err);
	(void)ERR_pop_to_mark();
	if (rc < 0) {
		j->refusal = strdup(err.text);
		ERR_raise_data(ERR_LIB_SSL, SSL_R_INVALID_STATUS_RESPONSE, "%s", err.text);
		return rc == SST_E_REFUSED ? 0 : -1;
	}
	j->by_hook = 1;
	return a->before != NULL ? a->before(ssl, arg) : 1;
}

/* Copies and takes a reference. */
static struct attachment *
attachment_new(struct sst_checker *checker, const struct sst_openssl_check *wish)
{
	struct attachment *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->checker = sst_checker_ref(checker);
	a->wish = *wish;
	return a;
}

int
sst_openssl_attach_checker(SSL_CTX *ctx, struct sst_checker *checker,
    const struct sst_openssl_check *config, struct sst_error *err)
{
	static const struct sst_openssl_check zero;
	const struct sst_openssl_check *wish = config != NULL ? config : &zero;
	struct attachment *a;
	int rc;

	if (ctx == NULL || checker == NULL)
		return sst_fail(err, SST_E_USAGE, "no SSL_CTX or no checker given");
	rc = sst_attach_wish(wish, err);
	if (rc == SST_OK)
		rc = sst_sslcheck_ready(err);
	if (rc < 0)
		return rc;
	if (!indexes_ready() || (a = attachment_new(checker, wish)) == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (SSL_CTX_get_ex_data(ctx, ctx_index) != NULL)
		rc = sst_fail(err, SST_E_STATE, "this SSL_CTX has a checker already");
	else if (SSL_CTX_set_ex_data(ctx, ctx_index, a) != 1)
		rc = sst_fail_ossl(err, SST_E_NOMEM, "cannot attach the checker");
	if (rc < 0) {
		attachment_free(a);
		return rc;
	}
	if (wish->policy.mode == SST_REVOCATION_OFF)
		return SST_OK;
	(void)SSL_CTX_get_tlsext_status_cb(ctx, &a->before);
	(void)SSL_CTX_set_tlsext_status_cb(ctx, on_status);
	(void)SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp);
	return SST_OK;
}

/* What the hook has judged in this very handshake, looked at again. */
static int
judge_again(SSL *ssl, const struct attachment *a, struct judged *j, struct sst_error *err)
{
	const int known = j->by_hook && is_same_handshake(ssl, j);

	if (!known)
		return judge(ssl, a, j, err);
	j->by_hook = 0;
	return j->check != NULL ? sst_check_wait(j->check, err) : SST_OK;
}

int
sst_openssl_judge(SSL *ssl, struct sst_error *err)
{
	const struct attachment *a = ssl != NULL ? attachment_of(ssl) : NULL;
	struct judged *j;
	int rc;

	if (a == NULL)
		return sst_fail(err, SST_E_STATE,
		    "no checker is attached to the SSL_CTX of this connection");
	j = judged_of(ssl);
	if (j == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (!SSL_is_init_finished(ssl)) {
		if (j->refusal != NULL && is_same_handshake(ssl, j))
			return sst_fail(err, SST_E_REFUSED, "%s", j->refusal);
		return sst_fail(err, SST_E_STATE, "the handshake is not over");
	}
	(void)ERR_set_mark();
	rc = judge_again(ssl, a, j, err);
	(void)ERR_pop_to_mark();
	return rc;
}

const struct sst_revocation_result *
sst_openssl_result(const SSL *ssl, int depth)
{
	const struct judged *j;

	if (ssl == NULL || !indexes_ready())
		return NULL;
	j = SSL_get_ex_data(ssl, ssl_index);
	return j == NULL || j->check == NULL ? NULL : sst_check_result(j->check, depth);
}
