/* SPDX-License-Identifier: ISC */
/* Each allocation of libcrypto fails once, in facts, judgement and request. What
 * comes of it is an error or the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "make_response_judge.h"
#include "ocsp/request.h"
#include "support/starve.h"

/* Certificates as they come from a peer: nothing is cached in them yet. */
static X509 *
as_received(const struct pki_buf *der)
{
	const unsigned char *p = (const unsigned char *)der->data;
	X509 *x = d2i_X509(NULL, &p, (long)der->len);

	assert_non_null(x);
	return x;
}

struct world {
	struct pki_cert *ca, *www, *delegate;
	struct pki_buf ca_der, www_der, response;
	enum sst_evidence_status truth;
	int	others;
};

static int
other(void *arg, const struct sst_cert_key *key, const struct sst_evidence *e)
{
	int *n = arg;

	(void)key;
	assert_true(e->status == SST_EV_REVOKED || e->status == SST_EV_ERROR);
	(*n)++;
	return 0;
}

/* All that is done about one certificate. 1: an allocation failed in it. */
static int
one_round(const struct world *w, long n)
{
	static const struct sst_limits limits = { .skew = 300, .ocsp_max_age = 864000,
	    .ocsp_no_next = 3600, .ocsp_size = 65536, .security_level = 2 };
	struct sst_response_ask ask = { .now = PKI_NOW, .limits = &limits,
	    .source = SST_SOURCE_STAPLE };
	X509 *ca = as_received(&w->ca_der), *www = as_received(&w->www_der);
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e = { .status = SST_EV_NOTHING };
	struct sst_request request;
	int told = 0, asked = 1, rc, hit;

	ask.issuer = ca;
	starve_arm(n, STARVE_CRYPTO);
	rc = sst_facts_of(www, ca, &ask.cert, &err);
	if (rc == SST_OK) {
		asked = sst_request_make(ask.cert, ca, SST_CERTID_SHA256, 1, &request, &err);
		sst_response_judge(w->response.data, w->response.len, &ask, &e);
		(void)sst_response_others(w->response.data, w->response.len, &ask, other, &told);
	}
	hit = starve_over();
	if (rc < 0 || asked < 0)
		assert_true(err.code == (rc < 0 ? rc : asked) && err.text[0] != '\0');
	if (rc == SST_OK) {
		assert_true(e.status == w->truth || e.status == SST_EV_ERROR);
		assert_int_equal(e.fault != SST_FAULT_NONE, e.status == SST_EV_ERROR);
		assert_true(e.source == SST_SOURCE_STAPLE);
		assert_in_range(told, 0, w->others);
	}
	if (!hit) {
		assert_true(rc == SST_OK && asked == SST_OK && e.status == w->truth);
		assert_int_equal(told, w->others);
	}
	/* and the objects are none the worse for it */
	assert_int_equal(sst_facts_of(www, ca, &ask.cert, NULL), SST_OK);
	sst_response_judge(w->response.data, w->response.len, &ask, &e);
	assert_int_equal(e.status, w->truth);
	X509_free(www);
	X509_free(ca);
	return hit;
}

static void
starve(const char *name, const struct made_response *r, struct world *w)
{
	long n;

	make_response(r, &w->response);
	/* the first round fetches algorithms, which later ones find */
	assert_int_equal(one_round(w, 1000000000), 0);
	for (n = 1; one_round(w, n); n++)
		;
	print_message("%s: %ld allocations\n", name, n - 1);
	assert_true(n > 100);
	pki_buf_free(&w->response);
}

static void
a_failed_allocation_ends_in_an_error_or_the_truth(void **state)
{
	struct world w = { .truth = SST_EV_GOOD };
	struct pki_cert *second;
	struct made_response r;

	(void)state;
	w.ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	w.www = pki_issue(w.ca, &(struct pki_spec){ .cn = "www", .ocsp = "http://a/",
	    .crl = "http://l/" });
	second = pki_issue(w.ca, &(struct pki_spec){ .cn = "second" });
	w.delegate = pki_issue(w.ca, &(struct pki_spec){ .cn = "OCSP", .eku = "OCSPSigning" });
	pki_put_cert_der(&w.ca_der, w.ca);
	pki_put_cert_der(&w.www_der, w.www);
	r = (struct made_response){ .signer = w.delegate, .certs = { w.delegate },
	    .singles = { { .cert = w.www }, { .cert = w.www, .hash = "SHA256" } } };
	starve("good by a delegate", &r, &w);
	r.singles[1].status = MADE_REVOKED;
	w.truth = SST_EV_REVOKED;
	starve("good and revoked by a delegate", &r, &w);
	r.signer = w.ca;
	r.by_key = 1;
	r.singles[2] = (struct made_single){ .cert = second };
	r.singles[3] = (struct made_single){ .cert = second, .hash = "SHA384",
	    .status = MADE_REVOKED };
	w.others = 1;
	starve("of two, by the issuer", &r, &w);
	pki_buf_free(&w.ca_der);
	pki_buf_free(&w.www_der);
	pki_free(w.delegate);
	pki_free(second);
	pki_free(w.www);
	pki_free(w.ca);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_allocation_ends_in_an_error_or_the_truth),
	};

	if (!starve_crypto())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
