/* SPDX-License-Identifier: ISC */
#include "staple.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fail.h"
#include "ocsp/certkey.h"
#include "ocsp/evidence.h"
#include "ocsp/response.h"
#include "ocsp/verdict.h"

#define SIZE_MAX_STAPLE	65535u		/* octets: what hold.c can carry */
#define AGAIN_S		60		/* for so long an answer about a leaf holds */

struct sst_staples {
	atomic_int	 refs;
	struct sst_staples *before;	/* referenced */
	unsigned	 count;		/* with those before */
	size_t		 len;
	unsigned char	*der;
	/* mu guards all below: the last certificate that was asked for */
	pthread_mutex_t	 mu;
	unsigned char	 leaf[32];
	int64_t		 judged_at;	/* 0: never */
	struct sst_evidence found;
};

struct sst_staples *
sst_staples_ref(struct sst_staples *s)
{
	(void)atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void
sst_staples_unref(struct sst_staples *s)
{
	struct sst_staples *before;

	for (; s != NULL && atomic_fetch_sub(&s->refs, 1) == 1; s = before) {
		before = s->before;
		(void)pthread_mutex_destroy(&s->mu);
		free(s->der);
		free(s);
	}
}

/* A response that says of itself that it failed has nothing for a client. */
static int
check_form(const void *der, size_t len, struct sst_error *err)
{
	const unsigned char *at = der;
	OCSP_RESPONSE *response;
	int rc = SST_OK;

	if (len == 0 || len > SIZE_MAX_STAPLE)
		return sst_fail(err, SST_E_LIMIT, "an OCSP response has 1 to %u octets",
		    SIZE_MAX_STAPLE);
	response = d2i_OCSP_RESPONSE(NULL, &at, (long)len);
	if (response == NULL || at != (const unsigned char *)der + len)
		rc = sst_fail(err, SST_E_MALFORMED, "not an OCSP response in DER");
	else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL)
		rc = sst_fail(err, SST_E_MALFORMED, "the responder answered %s",
		    OCSP_response_status_str(OCSP_response_status(response)));
	OCSP_RESPONSE_free(response);
	ERR_clear_error();
	return rc;
}

int
sst_staples_with(struct sst_staples *old, const void *der, size_t len,
    struct sst_staples **ret, struct sst_error *err)
{
	struct sst_staples *s;
	int rc = check_form(der, len, err);

	if (rc < 0)
		return rc;
	if (old != NULL && old->count >= SST_STAPLES_MOST)
		return sst_fail(err, SST_E_LIMIT, "more than %d staples",
		    SST_STAPLES_MOST);
	s = calloc(1, sizeof(*s));
	if (s == NULL || (s->der = malloc(len)) == NULL) {
		free(s);
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	atomic_init(&s->refs, 1);
	(void)pthread_mutex_init(&s->mu, NULL);
	memcpy(s->der, der, len);
	s->len = len;
	s->count = 1 + (old != NULL ? old->count : 0);
	s->before = old != NULL ? sst_staples_ref(old) : NULL;
	*ret = s;
	return SST_OK;
}

int
sst_staples_each(const struct sst_staples *s,
    int (*each)(void *arg, const void *der, size_t len), void *arg)
{
	int rc = 0;

	for (; s != NULL && rc == 0; s = s->before)
		rc = each(arg, s->der, s->len);
	return rc;
}

static int
is_good(const struct sst_staples *s, int64_t now)
{
	return s->found.status == SST_EV_GOOD && sst_evidence_fresh(&s->found, now, 0);
}

/* Whether it is about this certificate, good and fresh. */
static int
fits(struct sst_staples *s, const struct sst_cert_facts *facts, X509 *issuer, int64_t now)
{
	struct sst_limits limits;
	struct sst_response_ask ask = { .cert = facts, .issuer = issuer, .now = now,
	    .source = SST_SOURCE_STAPLE, .limits = &limits };
	int good;

	(void)pthread_mutex_lock(&s->mu);
	if (s->judged_at == 0 || now < s->judged_at || now >= s->judged_at + AGAIN_S ||
	    memcmp(s->leaf, facts->sha256, sizeof(s->leaf)) != 0) {
		sst_limits_of(NULL, &limits);
		sst_response_judge(s->der, s->len, &ask, &s->found);
		memcpy(s->leaf, facts->sha256, sizeof(s->leaf));
		s->judged_at = now;
	}
	good = is_good(s, now);
	(void)pthread_mutex_unlock(&s->mu);
	return good;
}

/* The certificate above `leaf` in what is shown. NULL: none. */
static X509 *
issuer_of(SSL *ssl, X509 *leaf)
{
	STACK_OF(X509) *chain = NULL;
	X509 *above;

	if (!SSL_get0_chain_certs(ssl, &chain) || sk_X509_num(chain) < 1)
		return NULL;
	above = sk_X509_value(chain, 0);
	return X509_check_issued(above, leaf) == X509_V_OK ? above : NULL;
}

int
sst_staple_show(SSL *ssl, const void *der, size_t len)
{
	unsigned char *copy = der != NULL ? OPENSSL_memdup(der, len) : NULL;

	if (copy == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)len) == 1)
		return SSL_TLSEXT_ERR_OK;
	OPENSSL_free(copy);
	return SSL_TLSEXT_ERR_NOACK;
}

int
sst_staple_give(SSL *ssl, void *staples)
{
	X509 *leaf = SSL_get_certificate(ssl);
	X509 *issuer = leaf != NULL ? issuer_of(ssl, leaf) : NULL;
	const struct sst_cert_facts *facts = NULL;
	const int64_t now = sst_clock_wall();
	struct sst_staples *s = staples;

	if (issuer == NULL || sst_facts_of(leaf, issuer, &facts, NULL) < 0)
		s = NULL;
	while (s != NULL && !fits(s, facts, issuer, now))
		s = s->before;
	ERR_clear_error();
	return s != NULL ? sst_staple_show(ssl, s->der, s->len) : SSL_TLSEXT_ERR_NOACK;
}
