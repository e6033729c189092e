/* SPDX-License-Identifier: ISC */
/* OCSP responses: about which certificate they are and what they say. Each
 * that is refused stands beside one that differs in that point alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world_response.h"

static void
rv_01_good_by_the_issuer(void **state)
{
	static const uint8_t zero[32];
	struct sst_evidence e = world_judge((struct made_response){ 0 });

	(void)state;
	assert_good(e);
	assert_int_equal(e.source, SST_SOURCE_OCSP);
	assert_int_equal(e.fault, SST_FAULT_NONE);
	assert_int_equal(e.covered, SST_REASONS_ALL);
	assert_int_equal(e.reason, -1);
	assert_int_equal(e.this_update, PKI_NOW - PKI_DAY);
	assert_int_equal(e.next_update, PKI_NOW + 6 * PKI_DAY);
	assert_int_equal(e.until, PKI_NOW + 6 * PKI_DAY);
	assert_int_equal(e.produced_at, PKI_NOW - PKI_DAY);
	assert_int_equal(e.revoked_at, 0);
	assert_memory_equal(e.signer, zero, 32);
	assert_int_equal(e.from_cache + e.partial + e.not_issued + (int)e.fetched_at, 0);
	assert_string_equal(e.url, "");
	assert_good(world_judge((struct made_response){ .by_key = 1 }));
}

static void
revoked_comes_with_date_and_reason(void **state)
{
	struct sst_evidence e = world_single((struct made_single){ .status = MADE_REVOKED,
	    .reason = 1, .revoked_at = PKI_NOW - 5 * PKI_DAY });

	(void)state;
	assert_revoked(e);
	assert_int_equal(e.reason, 1);
	assert_int_equal(e.revoked_at, PKI_NOW - 5 * PKI_DAY);
	assert_int_equal(e.covered, 0);
	assert_int_equal(world_single((struct made_single){ .status = MADE_REVOKED }).reason, -1);
}

static void
rv_82_a_reason_that_is_not_assigned_is_none(void **state)
{
	static const int reasons[][2] = { { 4, 4 }, { 6, 6 }, { 7, -1 }, { 8, -1 }, { 9, 9 },
	    { 10, 10 }, { 11, -1 }, { 0x80, -1 } };
	struct sst_evidence e;

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		e = world_single((struct made_single){ .status = MADE_REVOKED,
		    .reason = reasons[i][0] });
		assert_revoked(e);
		assert_int_equal(e.reason, reasons[i][1]);
	}
}

static void
rv_13_another_serial_is_no_match(void **state)
{
	(void)state;
	assert_fault(world_judge((struct made_response){ .singles = { { .cert = other } } }),
	    SST_FAULT_NO_MATCH);
	assert_good(world_judge((struct made_response){ .singles = { { .cert = www } } }));
}

static enum sst_fault
with_serial(struct pki_cert *cert, const char *serial, size_t len)
{
	struct made_response r = { .signer = ca, .singles = { { .cert = cert,
	    .serial = (const unsigned char *)serial, .serial_len = len } } };

	return response_judge_made(&r, &(struct response_ask){ .cert = cert }).fault;
}

static void
rv_14_a_serial_that_is_a_prefix_is_no_match(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .serial = (const unsigned char *)"\x01\x00", .serial_len = 2 });

	(void)state;
	assert_int_equal(with_serial(c, "\x01\x00", 2), SST_FAULT_NONE);
	assert_int_equal(with_serial(c, "\x01", 1), SST_FAULT_NO_MATCH);
	assert_int_equal(with_serial(c, "\x01\x00\x00", 3), SST_FAULT_NO_MATCH);
	assert_int_equal(with_serial(c, "\x00\x01\x00", 3), SST_FAULT_NO_MATCH);
	assert_int_equal(with_serial(c, "", 0), SST_FAULT_MALFORMED);
	pki_free(c);
}

static void
rv_15_rv_16_both_hashes_of_the_issuer_must_match(void **state)
{
	static const char *const hashes[] = { "SHA1", "SHA256" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_good(world_single((struct made_single){ .hash = hashes[i] }));
		assert_fault(world_single((struct made_single){ .hash = hashes[i],
		    .wrong_name = 1 }), SST_FAULT_NO_MATCH);
		assert_fault(world_single((struct made_single){ .hash = hashes[i],
		    .wrong_key = 1 }), SST_FAULT_NO_MATCH);
		assert_fault(world_single((struct made_single){ .hash = hashes[i],
		    .issuer = stranger }), SST_FAULT_NO_MATCH);
	}
}

static void
rv_17_the_hash_is_the_answers_own(void **state)
{
	(void)state;
	assert_good(world_single((struct made_single){ .hash = "SHA256" }));
	assert_good(world_single((struct made_single){ .hash = "SHA384" }));
	assert_good(world_single((struct made_single){ .hash = "SHA512" }));
}

static void
rv_18_an_answer_in_md5_matches_nothing(void **state)
{
	(void)state;
	assert_fault(world_single((struct made_single){ .hash = "MD5" }), SST_FAULT_ALGORITHM);
	assert_fault(world_single((struct made_single){ .hash = "SHA224" }), SST_FAULT_ALGORITHM);
	assert_good(world_judge((struct made_response){ .singles = { { .cert = www, .hash = "MD5",
	    .status = MADE_REVOKED }, { .cert = www } } }));
}

/* Of two answers about www, in both orders. */
static struct sst_evidence
either_order(struct made_single a, struct made_single b)
{
	struct sst_evidence x, y;

	a.cert = b.cert = www;
	x = world_judge((struct made_response){ .singles = { a, { .cert = other }, b } });
	y = world_judge((struct made_response){ .singles = { b, { .cert = other }, a } });
	assert_int_equal(x.status, y.status);
	assert_int_equal(x.fault, y.fault);
	assert_int_equal(x.reason, y.reason);
	assert_int_equal(x.this_update, y.this_update);
	assert_int_equal(x.until, y.until);
	assert_string_equal(x.text, y.text);
	return x;
}

static void
rv_19_the_strictest_of_several_answers_wins(void **state)
{
	const struct made_single good = { .status = MADE_GOOD },
	    unknown = { .status = MADE_UNKNOWN }, revoked = { .status = MADE_REVOKED },
	    hold = { .status = MADE_REVOKED, .reason = 6 },
	    newer = { .this_update = PKI_NOW - 3600 },
	    shorter = { .next_update = PKI_NOW + 3600 }, sha256 = { .hash = "SHA256",
	    .status = MADE_REVOKED }, wrong = { .this_text = "20270114000000" },
	    future = { .this_update = PKI_NOW + PKI_DAY };

	(void)state;
	assert_good(either_order(good, good));
	assert_revoked(either_order(good, revoked));
	assert_unknown(either_order(good, unknown));
	assert_revoked(either_order(unknown, revoked));
	assert_revoked(either_order(good, sha256));
	assert_int_equal(either_order(hold, revoked).reason, -1);
	assert_int_equal(either_order(good, newer).this_update, PKI_NOW - 3600);
	assert_int_equal(either_order(good, shorter).until, PKI_NOW + 3600);
	assert_fault(either_order(good, wrong), SST_FAULT_MALFORMED);
	assert_fault(either_order(good, future), SST_FAULT_CLOCK);
	assert_unknown(either_order(wrong, unknown));
	assert_revoked(either_order(wrong, revoked));
}

static void
rv_21_unknown_is_unknown(void **state)
{
	struct sst_evidence e = world_single((struct made_single){ .status = MADE_UNKNOWN });

	(void)state;
	assert_unknown(e);
	assert_int_equal(e.covered, 0);
	assert_int_equal(e.fault, SST_FAULT_NONE);
}

static struct sst_evidence
extended(int with, const char *when, int reason)
{
	return world_judge((struct made_response){ .singles = { { .cert = www,
	    .status = MADE_REVOKED, .revoked_text = when, .reason = reason } }, .extensions = { { with ?
	    "1.3.6.1.5.5.7.48.1.9" : "1.2.3.4", 0, "\x05\x00", 2 } } });
}

static void
rv_22_a_certificate_that_was_never_issued_is_revoked_and_no_hold(void **state)
{
	struct sst_evidence e = extended(1, "19700101000000Z", 6);

	(void)state;
	assert_revoked(e);
	assert_int_equal(e.not_issued, 1);
	assert_int_equal(e.revoked_at, 0);
	assert_int_equal(extended(0, "19700101000000Z", 6).not_issued, 0);
	assert_int_equal(extended(1, "19700101000001Z", 6).not_issued, 0);
	assert_int_equal(extended(1, "19700101000000Z", 1).not_issued, 0);
	assert_revoked(extended(0, "19700101000000Z", 6));
}

struct told {
	int	n, stop_at;
	struct sst_cert_key keys[8];
	struct sst_evidence evidence[8];
};

static int
tell(void *arg, const struct sst_cert_key *key, const struct sst_evidence *e)
{
	struct told *t = arg;

	assert_true(t->n < 8);
	t->keys[t->n] = *key;
	t->evidence[t->n++] = *e;
	return t->n == t->stop_at ? 7 : 0;
}

static int
others(struct made_response r, struct told *t, int flip)
{
	struct response_ask a = { .cert = www };
	struct sst_response_ask ask;
	struct sst_limits limits;
	struct pki_buf der = { 0 };
	int rc;

	r.signer = ca;
	make_response(&r, &der);
	if (flip)
		der.data[der.len - 1] ^= 1;
	response_question(&a, &limits, &ask);
	rc = sst_response_others(der.data, der.len, &ask, tell, t);
	pki_buf_free(&der);
	return rc;
}

static void
rv_42_a_response_over_the_cap_is_not_read(void **state)
{
	struct made_response r = { .signer = ca, .singles = { { .cert = www } } };
	struct response_ask ask = { .cert = www };
	struct pki_buf der = { 0 };
	size_t huge = (size_t)10 << 20;
	struct timespec a, b;
	struct told t = { 0 };
	char *bytes;

	(void)state;
	make_response(&r, &der);
	ask.cap = der.len;
	assert_good(response_judge(der.data, der.len, &ask));
	ask.cap = der.len - 1;
	assert_fault(response_judge(der.data, der.len, &ask), SST_FAULT_SIZE);
	pki_buf_free(&der);

	bytes = calloc(1, huge);
	assert_non_null(bytes);
	memcpy(bytes, "\x30\x83\x9f\xff\xfb", 5);
	assert_fault(response_judge(bytes, huge, &(struct response_ask){ .cert = www }),
	    SST_FAULT_SIZE);
	free(bytes);

	/* as many answers as fit are looked at in a moment, and more are not */
	r.singles[1].cert = other;
	r.repeat = 270;
	make_response(&r, &der);
	assert_in_range(der.len, 60000, 65536);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	assert_good(response_judge(der.data, der.len, &(struct response_ask){ .cert = www }));
	assert_int_equal(others(r, &t, 0), 0);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	assert_int_equal(t.n, 1);
	assert_true(b.tv_sec - a.tv_sec <= 1);
	pki_buf_free(&der);
	r.repeat = 400;
	assert_fault(response_judge_made(&r, &(struct response_ask){ .cert = www }),
	    SST_FAULT_SIZE);
}

static void
rv_43_an_issuer_whose_name_is_encoded_otherwise_is_no_match(void **state)
{
	/* the same name, as PrintableString here and UTF8String in www */
	struct pki_cert *twin = pki_issue(NULL, &(struct pki_spec){ .ca = 1,
	    .use_key = ca->key });
	X509_NAME *name = X509_NAME_new();

	(void)state;
	assert_true(X509_NAME_add_entry_by_txt(name, "CN", V_ASN1_PRINTABLESTRING,
	    (const unsigned char *)"CA", -1, -1, 0));
	assert_true(X509_set_subject_name(twin->cert, name));
	assert_int_equal(X509_NAME_cmp(name, X509_get_issuer_name(www->cert)), 0);
	assert_fault(world_single((struct made_single){ .issuer = twin }), SST_FAULT_NO_MATCH);
	assert_good(world_single((struct made_single){ .issuer = ca }));
	X509_NAME_free(name);
	pki_free(twin);
}

static void
rv_46_a_staple_of_another_certificate_of_the_chain_is_an_error(void **state)
{
	struct pki_cert *sub = pki_issue(ca, &(struct pki_spec){ .cn = "Sub", .ca = 1 });
	struct pki_cert *leaf = pki_issue(sub, &(struct pki_spec){ .cn = "leaf" });
	struct made_response about_sub = { .signer = ca, .singles = { { .cert = sub } } },
	    about_leaf = { .signer = sub, .singles = { { .cert = leaf } } };

	(void)state;
	assert_fault(response_judge_made(&about_sub, &(struct response_ask){ .cert = leaf }),
	    SST_FAULT_NO_MATCH);
	assert_good(response_judge_made(&about_sub, &(struct response_ask){ .cert = sub }));
	assert_good(response_judge_made(&about_leaf, &(struct response_ask){ .cert = leaf }));
	pki_free(leaf);
	pki_free(sub);
}

static void
rv_20_others_are_told_when_the_issuer_says_so(void **state)
{
	struct pki_cert *third = pki_issue(ca, &(struct pki_spec){ .cn = "third" });
	const struct sst_cert_facts *f;
	struct made_response r = { .singles = { { .cert = other, .status = MADE_GOOD },
	    { .cert = www }, { .cert = third, .issuer = stranger },
	    { .cert = third, .status = MADE_UNKNOWN, .hash = "SHA256" },
	    { .cert = other, .status = MADE_REVOKED } } };
	struct told t = { 0 };

	(void)state;
	assert_good(world_judge(r));
	assert_int_equal(others(r, &t, 0), 0);
	assert_int_equal(t.n, 2);
	assert_int_equal(sst_facts_of(other->cert, ca->cert, &f, NULL), 0);
	assert_int_equal(sst_cert_key_cmp(&t.keys[0], &f->key), 0);
	assert_revoked(t.evidence[0]);
	assert_int_equal(t.evidence[0].source, SST_SOURCE_OCSP);
	assert_int_equal(sst_facts_of(third->cert, ca->cert, &f, NULL), 0);
	assert_int_equal(sst_cert_key_cmp(&t.keys[1], &f->key), 0);
	assert_unknown(t.evidence[1]);

	t = (struct told){ .stop_at = 1 };
	assert_int_equal(others(r, &t, 0), 7);
	assert_int_equal(t.n, 1);
	t = (struct told){ 0 };
	assert_int_equal(others(r, &t, 1), 0);	/* a wrong signature */
	assert_int_equal(t.n, 0);
	r.singles[1].cert = other;		/* nothing about www */
	assert_int_equal(others(r, &t, 0), 0);
	assert_int_equal(t.n, 0);
	assert_int_equal(others((struct made_response){ .singles = { { .cert = www } } }, &t,
	    0), 0);
	assert_int_equal(t.n, 0);
	pki_free(third);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_01_good_by_the_issuer),
		cmocka_unit_test(revoked_comes_with_date_and_reason),
		cmocka_unit_test(rv_82_a_reason_that_is_not_assigned_is_none),
		cmocka_unit_test(rv_13_another_serial_is_no_match),
		cmocka_unit_test(rv_14_a_serial_that_is_a_prefix_is_no_match),
		cmocka_unit_test(rv_15_rv_16_both_hashes_of_the_issuer_must_match),
		cmocka_unit_test(rv_17_the_hash_is_the_answers_own),
		cmocka_unit_test(rv_18_an_answer_in_md5_matches_nothing),
		cmocka_unit_test(rv_19_the_strictest_of_several_answers_wins),
		cmocka_unit_test(rv_20_others_are_told_when_the_issuer_says_so),
		cmocka_unit_test(rv_21_unknown_is_unknown),
		cmocka_unit_test(rv_22_a_certificate_that_was_never_issued_is_revoked_and_no_hold),
		cmocka_unit_test(rv_42_a_response_over_the_cap_is_not_read),
		cmocka_unit_test(rv_43_an_issuer_whose_name_is_encoded_otherwise_is_no_match),
		cmocka_unit_test(rv_46_a_staple_of_another_certificate_of_the_chain_is_an_error),
	};

	return cmocka_run_group_tests(tests, response_world_make, response_world_free);
}
