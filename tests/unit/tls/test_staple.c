/* SPDX-License-Identifier: ISC */
/* staple - what a server shows to clients that ask. The client is plain OpenSSL. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "meet.h"
#include "tls/staple.h"
#include "unit/ocsp/make_response.h"

#define HOST	"www.example.com"

static struct {
	struct pki_cert *root, *www, *middle;
	time_t	now;
} w;

static int
world_make(void **state)
{
	(void)state;
	w.now = time(NULL);
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.www = pki_issue(w.root, &(struct pki_spec){ .cn = "www", .san = HOST });
	w.middle = pki_issue(w.root, &(struct pki_spec){ .cn = "Middle", .ca = 1 });
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	pki_free(w.www);
	pki_free(w.middle);
	pki_free(w.root);
	return 0;
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* By the intermediate, from a minute ago until `to`; the caller frees it. */
static struct pki_buf
good_until(const struct pki_cert *cert, time_t to)
{
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = w.middle,
	    .produced_at = w.now - 60, .singles = { { .cert = cert,
	    .this_update = w.now - 60, .next_update = to } } }, &der);
	return der;
}

static struct sst_staples *
staples_of(struct sst_staples *old, struct pki_buf der)
{
	struct sst_staples *s = NULL;

	assert_int_equal(sst_staples_with(old, der.data, der.len, &s, NULL), 0);
	pki_buf_free(&der);
	sst_staples_unref(old);
	return s;
}

/* What a client that asks is shown by a server of `certs`; its length. */
static long
shown(struct pki_cert *const *certs, size_t n, struct sst_staples *staples, int ask,
    const char *sni, int version, struct pki_buf *ret)
{
	struct sst_store *store = meet_store(certs, n);
	const unsigned char *der = NULL;
	struct meet m;
	long len;

	meet_server(&m, &(struct sst_tls_settings){ .server = 1, .store = store,
	    .staples = staples }, &(struct raw){ .ask_staple = ask, .sni = sni,
	    .version = version });
	assert_int_equal(m.step, SST_STEP_DONE);
	len = SSL_get_tlsext_status_ocsp_resp(m.ssl, &der);
	if (len > 0 && ret != NULL)
		pki_put(ret, der, (size_t)len);
	meet_done(&m);
	sst_store_unref(store);
	return len;
}

static struct pki_cert *
under_middle(const char *san)
{
	return pki_issue(w.middle, &(struct pki_spec){ .cn = san, .san = san });
}

static void
rv_53_a_staple_is_shown_to_who_asks_and_to_nobody_else(void **state)
{
	struct pki_cert *leaf = under_middle(HOST);
	struct pki_buf der = { 0 }, got = { 0 };
	struct sst_staples *staples;

	(void)state;
	der = good_until(leaf, w.now + 3600);
	assert_int_equal(sst_staples_with(NULL, der.data, der.len, &staples, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(shown(&leaf, 1, staples, 1, HOST, versions[i], &got) > 0);
		assert_int_equal(got.len, der.len);
		assert_memory_equal(got.data, der.data, der.len);
		pki_buf_free(&got);
		got = (struct pki_buf){ 0 };
		assert_true(shown(&leaf, 1, staples, 0, HOST, versions[i], NULL) <= 0);
		assert_true(shown(&leaf, 1, NULL, 1, HOST, versions[i], NULL) <= 0);
	}
	pki_buf_free(&der);
	sst_staples_unref(staples);
	pki_free(leaf);
}

static void
rv_54_the_staple_is_that_of_the_certificate_that_was_chosen(void **state)
{
	struct pki_cert *two[] = { under_middle("a.example.com"),
	    under_middle("b.example.com") };
	struct pki_buf der[2] = { { 0 }, { 0 } }, got = { 0 };
	struct sst_staples *both = NULL, *one;

	(void)state;
	for (int i = 0; i < 2; i++) {
		der[i] = good_until(two[i], w.now + 3600);
		one = NULL;
		assert_int_equal(sst_staples_with(both, der[i].data, der[i].len, &one,
		    NULL), 0);
		sst_staples_unref(both);
		both = one;
	}
	for (int i = 0; i < 2; i++) {
		assert_true(shown(two, 2, both, 1, i == 0 ? "a.example.com" :
		    "b.example.com", 0, &got) > 0);
		assert_int_equal(got.len, der[i].len);
		assert_memory_equal(got.data, der[i].data, got.len);
		pki_buf_free(&got);
		got = (struct pki_buf){ 0 };
		pki_buf_free(&der[i]);
	}
	sst_staples_unref(both);
	pki_free(two[0]);
	pki_free(two[1]);
}

static struct sst_staples *
one_of(const struct made_response *made, struct sst_staples *old)
{
	struct pki_buf der = { 0 };

	make_response(made, &der);
	return staples_of(old, der);
}

/* Neither alone; and beside one that fits it does no harm. */
static void
is_never_shown(struct pki_cert *leaf, const struct made_response *made)
{
	struct sst_staples *staples = one_of(made, NULL);

	assert_true(shown(&leaf, 1, staples, 1, HOST, 0, NULL) <= 0);
	sst_staples_unref(staples);
	staples = one_of(made, staples_of(NULL, good_until(leaf, w.now + 3600)));
	assert_true(shown(&leaf, 1, staples, 1, HOST, 0, NULL) > 0);
	sst_staples_unref(staples);
}

static void
rv_55_an_expired_staple_is_left_out(void **state)
{
	struct pki_cert *leaf = under_middle(HOST);

	(void)state;
	is_never_shown(leaf, &(struct made_response){ .signer = w.middle,
	    .produced_at = w.now - 7200, .singles = { { .cert = leaf,
	    .this_update = w.now - 7200, .next_update = w.now - 1 } } });
	pki_free(leaf);
}

static void
rv_56_the_staple_of_the_certificate_before_is_left_out(void **state)
{
	struct pki_cert *leaf = under_middle(HOST), *before = under_middle(HOST);

	(void)state;
	is_never_shown(leaf, &(struct made_response){ .signer = w.middle,
	    .produced_at = w.now - 60, .singles = { { .cert = before,
	    .this_update = w.now - 60, .next_update = w.now + 3600 } } });
	pki_free(leaf);
	pki_free(before);
}

static void
a_staple_that_is_not_good_or_not_the_issuers_is_left_out(void **state)
{
	struct pki_cert *leaf = under_middle(HOST);

	(void)state;
	is_never_shown(leaf, &(struct made_response){ .signer = w.middle,
	    .produced_at = w.now - 60, .singles = { { .cert = leaf,
	    .status = MADE_REVOKED, .this_update = w.now - 60,
	    .next_update = w.now + 3600 } } });
	is_never_shown(leaf, &(struct made_response){ .signer = w.root,
	    .produced_at = w.now - 60, .singles = { { .cert = leaf,
	    .this_update = w.now - 60, .next_update = w.now + 3600 } } });
	pki_free(leaf);
}

static void
rv_57_a_staple_that_outlives_its_certificate_is_shown(void **state)
{
	struct pki_cert *leaf = pki_issue(w.middle, &(struct pki_spec){ .cn = "short",
	    .san = HOST, .not_before = w.now - 3600, .not_after = w.now + 3600 });
	struct sst_staples *staples;

	(void)state;
	staples = staples_of(NULL, good_until(leaf, w.now + 7 * PKI_DAY));
	assert_true(shown(&leaf, 1, staples, 1, HOST, 0, NULL) > 0);
	sst_staples_unref(staples);
	pki_free(leaf);
}

static void
a_staple_has_to_be_a_response_that_succeeded(void **state)
{
	struct pki_buf der = { 0 }, later = { 0 };
	struct sst_staples *s = NULL;
	struct sst_error err = { 0 };

	(void)state;
	make_response(&(struct made_response){ .signer = w.root, .singles = { {
	    .cert = w.www } } }, &der);
	make_response(&(struct made_response){ .status = 3 }, &later);
	assert_int_equal(sst_staples_with(NULL, der.data, der.len - 1, &s, NULL),
	    SST_E_MALFORMED);
	pki_put(&der, "", 1);
	assert_int_equal(sst_staples_with(NULL, der.data, der.len, &s, NULL),
	    SST_E_MALFORMED);
	assert_int_equal(sst_staples_with(NULL, later.data, later.len, &s, &err),
	    SST_E_MALFORMED);
	assert_non_null(strstr(err.text, "trylater"));
	assert_int_equal(sst_staples_with(NULL, der.data, 0, &s, NULL), SST_E_LIMIT);
	assert_int_equal(sst_staples_with(NULL, der.data, 65537, &s, NULL), SST_E_LIMIT);
	assert_null(s);
	for (int i = 0; i < SST_STAPLES_MOST; i++) {
		struct sst_staples *more = NULL;

		assert_int_equal(sst_staples_with(s, der.data, der.len - 1, &more, NULL),
		    0);
		sst_staples_unref(s);
		s = more;
	}
	assert_int_equal(sst_staples_with(s, der.data, der.len - 1, &s, NULL),
	    SST_E_LIMIT);
	sst_staples_unref(s);
	pki_buf_free(&der);
	pki_buf_free(&later);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_53_a_staple_is_shown_to_who_asks_and_to_nobody_else),
		cmocka_unit_test(rv_54_the_staple_is_that_of_the_certificate_that_was_chosen),
		cmocka_unit_test(rv_55_an_expired_staple_is_left_out),
		cmocka_unit_test(rv_56_the_staple_of_the_certificate_before_is_left_out),
		cmocka_unit_test(a_staple_that_is_not_good_or_not_the_issuers_is_left_out),
		cmocka_unit_test(rv_57_a_staple_that_outlives_its_certificate_is_shown),
		cmocka_unit_test(a_staple_has_to_be_a_response_that_succeeded),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
