/* SPDX-License-Identifier: ISC */
/* Tests of work.c: which sources are asked, how, and what is kept of the answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make_work.h"

#define HOUR	((int64_t)3600)

static int
met(const struct scene *s, const char *what)
{
	int n = 0;

	for (int i = 0; i < s->n_log; i++)
		n += strncmp(s->log[i], what, strlen(what)) == 0;
	return n;
}

static void
a_list_is_fetched_judged_and_kept(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *listed = scene_cert(s, "/crl", NULL);
	struct pki_cert *other = scene_cert(s, "/crl", NULL);
	struct sst_evidence e;

	(void)state;
	s->revoked = 1;
	e = scene_fetch(s, listed);
	assert_int_equal(e.status, SST_EV_REVOKED);
	assert_int_equal(e.source, SST_SOURCE_CRL);
	assert_int_equal(e.fetched_at, PKI_NOW);
	assert_string_equal(e.url, responder_url(s->r, "/crl"));
	/* the list is there for the other: nothing is fetched again */
	e = scene_fetch(s, other);
	assert_int_equal(e.status, SST_EV_GOOD);
	assert_int_equal(responder_requests(s->r), 1);
	assert_int_equal(scene_cached(s, listed, &e), 1);
	assert_int_equal(e.status, SST_EV_REVOKED);
	scene_free(s);
}

static void
a_response_is_fetched_judged_and_kept(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *bad = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *good = scene_cert(s, NULL, "/ocsp");
	struct sst_evidence e;

	(void)state;
	s->revoked = 1;
	assert_int_equal(scene_fetch(s, bad).status, SST_EV_REVOKED);
	e = scene_fetch(s, good);
	assert_int_equal(e.status, SST_EV_GOOD);
	assert_int_equal(e.source, SST_SOURCE_OCSP);
	assert_int_equal(e.fetched_at, PKI_NOW);
	assert_string_equal(e.url, responder_url(s->r, "/ocsp"));
	assert_int_equal(responder_requests(s->r), 2);
	(void)scene_fetch(s, good);
	assert_int_equal(responder_requests(s->r), 2);
	assert_int_equal(scene_cached(s, bad, &e), 1);
	assert_int_equal(e.status, SST_EV_REVOKED);
	scene_free(s);
}

static void
the_list_comes_first_and_a_response_only_where_it_cannot_be_had(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *both = scene_cert(s, "/crl", "/ocsp");
	struct pki_cert *gone = scene_cert(s, "/crl-gone", "/ocsp");

	(void)state;
	s->crl.status = 404;
	assert_int_equal(scene_fetch(s, gone).source, SST_SOURCE_OCSP);
	assert_int_equal(met(s, "GET /crl-gone"), 1);
	assert_int_equal(met(s, "GET /ocsp"), 1);
	s->crl.status = 0;
	assert_int_equal(scene_fetch(s, both).source, SST_SOURCE_CRL);
	assert_int_equal(met(s, "GET /crl"), 2);
	assert_int_equal(met(s, "GET /ocsp"), 1);
	scene_free(s);
}

static void
a_response_is_for_leaves_and_the_policy_can_turn_either_off(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *both = scene_cert(s, "/crl", "/ocsp");
	const struct sst_revocation_policy no_crls = { .use_crls = SST_SWITCH_OFF };
	const struct sst_revocation_policy no_ocsp = { .use_ocsp = SST_SWITCH_OFF };
	struct scene_got got;

	(void)state;
	s->crl.status = 404;
	assert_int_equal(scene_fetch_as(s, both, NULL, 0).fault, SST_FAULT_HTTP);
	assert_int_equal(met(s, "GET /ocsp"), 0);
	assert_int_equal(scene_fetch_as(s, both, &no_ocsp, 1).fault, SST_FAULT_HTTP);
	assert_int_equal(met(s, "GET /ocsp"), 0);
	scene_ask(s, both, &no_crls, 20000, 0, &got);
	scene_wait(&got);
	assert_int_equal(got.n, 0);
	assert_int_equal(met(s, "GET /ocsp"), 0);
	assert_int_equal(scene_fetch_as(s, both, &no_crls, 1).status, SST_EV_GOOD);
	assert_int_equal(met(s, "GET /ocsp"), 1);
	assert_int_equal(met(s, "GET /crl"), 1);
	scene_free(s);
}

static void
rv_88_two_sources_of_a_kind_are_tried_at_most(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *many;
	char extra[4096];
	int at = 0;

	(void)state;
	at += snprintf(extra + at, sizeof(extra) - (size_t)at, "crlDistributionPoints = ");
	for (int i = 0; i < 30; i++)
		at += snprintf(extra + at, sizeof(extra) - (size_t)at, "%sURI:%s%d",
		    i > 0 ? "," : "", responder_url(s->r, "/crl"), i);
	at += snprintf(extra + at, sizeof(extra) - (size_t)at,
	    "\nauthorityInfoAccess = ");
	for (int i = 0; i < 30; i++)
		at += snprintf(extra + at, sizeof(extra) - (size_t)at, "%sOCSP;URI:%s%d",
		    i > 0 ? "," : "", responder_url(s->r, "/o"), i);
	(void)snprintf(extra + at, sizeof(extra) - (size_t)at, "\n");
	many = scene_cert_extra(s, extra);
	s->crl.status = s->ocsp.status = 503;
	assert_int_equal(scene_fetch(s, many).fault, SST_FAULT_TRY_LATER);
	assert_int_equal(met(s, "GET /crl"), 2);
	assert_int_equal(met(s, "GET /o"), 2);
	assert_int_equal(s->n_log, 4);
	scene_free(s);
}

static void
rv_87_only_sources_of_other_schemes_are_none(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *ldap = scene_cert_extra(s,
	    "crlDistributionPoints = URI:ldap://127.0.0.1/cn=x\n");
	struct pki_cert *https = scene_cert_extra(s,
	    "crlDistributionPoints = URI:https://127.0.0.1/crl\n");
	struct pki_cert *none = scene_cert(s, NULL, NULL);
	struct scene_got got;

	(void)state;
	assert_int_equal(scene_fetch(s, ldap).fault, SST_FAULT_NO_SOURCE);
	assert_int_equal(scene_fetch(s, https).fault, SST_FAULT_NO_SOURCE);
	scene_ask(s, none, NULL, 20000, 1, &got);
	scene_wait(&got);
	assert_int_equal(got.n, 0);
	assert_int_equal(responder_connections(s->r), 0);
	scene_free(s);
}

static void
rv_91_a_responder_that_wants_post_gets_it_and_is_remembered(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *first = scene_cert(s, NULL, "/ocsp/");
	struct pki_cert *second = scene_cert(s, NULL, "/ocsp/");

	(void)state;
	s->refuse_get = 1;
	assert_int_equal(scene_fetch(s, first).status, SST_EV_GOOD);
	assert_int_equal(s->n_log, 2);
	assert_int_equal(strncmp(s->log[0], "GET /ocsp/M", 11), 0);
	assert_string_equal(s->log[1], "POST /ocsp/ SHA256 0");
	assert_int_equal(scene_fetch(s, second).status, SST_EV_GOOD);
	assert_int_equal(s->n_log, 3);
	assert_string_equal(s->log[2], "POST /ocsp/ SHA256 0");
	scene_free(s);
}

static void
rv_17_a_responder_without_sha256_is_asked_with_sha1_and_is_remembered(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *first = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *second = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *third = scene_cert(s, NULL, "/other");

	(void)state;
	s->refuse_sha256 = 1;
	assert_int_equal(scene_fetch(s, first).status, SST_EV_GOOD);
	assert_int_equal(s->n_log, 2);
	assert_non_null(strstr(s->log[0], " SHA256 "));
	assert_non_null(strstr(s->log[1], " SHA1 "));
	assert_int_equal(scene_fetch(s, second).status, SST_EV_GOOD);
	assert_int_equal(s->n_log, 3);
	assert_non_null(strstr(s->log[2], " SHA1 "));
	/* by status 404, by either method */
	s->refuse_sha256 = 0;
	s->refuse_sha256_http = 1;
	s->n_log = 0;
	assert_int_equal(scene_fetch(s, third).status, SST_EV_GOOD);
	assert_int_equal(s->n_log, 3);
	assert_int_equal(strncmp(s->log[1], "POST", 4), 0);
	assert_int_equal(strncmp(s->log[2], "GET", 3), 0);
	assert_non_null(strstr(s->log[2], " SHA1 "));
	scene_free(s);
}

static void
rv_23_what_is_not_signed_takes_nothing_away_and_is_asked_less(void **state)
{
	static const struct {
		int status, certs_of_it;
		enum sst_fault fault;
		int64_t again;
	} cases[] = { { 1, 1, SST_FAULT_RESPONDER, 600 }, { 2, 1, SST_FAULT_RESPONDER, 600 },
		{ 3, 0, SST_FAULT_TRY_LATER, 300 }, { 5, 1, SST_FAULT_RESPONDER, 600 },
		{ 6, 1, SST_FAULT_UNAUTHORIZED, HOUR } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene *s = scene_new(NULL);
		struct pki_cert *one = scene_cert(s, NULL, "/ocsp");
		struct pki_cert *two = scene_cert(s, NULL, "/ocsp");
		struct sst_evidence before, after;
		int64_t late;
		int n;

		assert_int_equal(scene_fetch(s, one).status, SST_EV_GOOD);
		assert_int_equal(scene_cached(s, one, &before), 1);
		late = before.until + HOUR;	/* it has ended: a new one is wanted */
		atomic_store(&s->clock, late);
		s->ocsp_status = cases[i].status;
		assert_int_equal(scene_fetch(s, one).fault, cases[i].fault);
		assert_int_equal(scene_cached(s, one, &after), 1);
		assert_int_equal(after.status, SST_EV_GOOD);
		assert_int_equal(after.until, before.until);
		/* nothing is asked again before its time */
		n = responder_requests(s->r);
		atomic_store(&s->clock, late + cases[i].again - 1);
		assert_int_equal(scene_fetch(s, one).fault, cases[i].fault);
		assert_int_equal(responder_requests(s->r), n);
		/* about one certificate, unless it is the responder's own state */
		assert_int_equal(scene_fetch(s, two).fault, cases[i].fault);
		assert_int_equal(responder_requests(s->r) > n, cases[i].certs_of_it);
		s->ocsp_status = 0;
		s->this_update = late - 60;
		s->next_update = late + 100 * HOUR;
		atomic_store(&s->clock, late + cases[i].again);
		assert_int_equal(scene_fetch(s, one).status, SST_EV_GOOD);
		scene_free(s);
	}
}

static void
rv_40_a_nonce_is_sent_by_post_and_must_come_back_as_it_was(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *a = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *b = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *c = scene_cert(s, NULL, "/ocsp");
	const struct sst_revocation_policy nonce = { .nonce = SST_SWITCH_ON };

	(void)state;
	s->echo = 1;
	assert_int_equal(scene_fetch_as(s, a, &nonce, 1).status, SST_EV_GOOD);
	assert_string_equal(s->log[0], "POST /ocsp SHA256 32");
	s->echo = 2;
	assert_int_equal(scene_fetch_as(s, b, &nonce, 1).fault, SST_FAULT_REPLAY);
	s->echo = 0;	/* RFC 9654: a responder may leave it out */
	assert_int_equal(scene_fetch_as(s, c, &nonce, 1).status, SST_EV_GOOD);
	scene_free(s);
}

static void
rv_80_what_is_no_list_leaves_the_known_one_and_is_put_off(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *one = scene_cert(s, "/crl", NULL);
	struct pki_cert *two = scene_cert(s, "/crl", NULL);
	struct pki_cert *three = scene_cert(s, "/crl", NULL);
	struct sst_evidence before, e;

	(void)state;
	s->revoked = 1;
	assert_int_equal(scene_fetch(s, two).status, SST_EV_GOOD);
	assert_int_equal(scene_cached(s, two, &before), 1);
	atomic_store(&s->clock, before.until + HOUR);
	s->crl_text = "<html>Under maintenance</html>";
	assert_int_equal(scene_fetch(s, two).fault, SST_FAULT_MALFORMED);
	assert_int_equal(scene_cached(s, two, &e), 1);
	assert_int_equal(e.status, SST_EV_GOOD);
	assert_int_equal(e.until, before.until);
	assert_int_equal(scene_cached(s, one, &e), 1);
	assert_int_equal(e.status, SST_EV_REVOKED);
	assert_int_equal(responder_requests(s->r), 2);
	assert_int_equal(scene_fetch(s, two).fault, SST_FAULT_MALFORMED);
	assert_int_equal(scene_fetch(s, three).fault, SST_FAULT_MALFORMED);
	assert_int_equal(responder_requests(s->r), 2);
	scene_free(s);
}

static void
rv_78_a_list_older_than_the_known_one_is_refused(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *listed = scene_cert(s, "/crl", NULL);
	struct pki_cert *other = scene_cert(s, "/crl", NULL);
	struct sst_evidence e;

	(void)state;
	s->number = 7;
	assert_int_equal(scene_fetch(s, other).status, SST_EV_GOOD);
	assert_int_equal(scene_cached(s, other, &e), 1);
	atomic_store(&s->clock, e.until + HOUR);
	s->number = 6;
	s->this_update = e.until;
	s->next_update = e.until + 24 * HOUR;
	assert_int_equal(scene_fetch(s, other).fault, SST_FAULT_REPLAY);
	s->number = 8;
	s->revoked = 1;
	atomic_fetch_add(&s->clock, HOUR);
	assert_int_equal(scene_fetch(s, listed).status, SST_EV_REVOKED);
	scene_free(s);
}

static void
rv_36_a_response_older_than_the_known_one_is_refused(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, NULL, "/ocsp");
	struct sst_evidence e;

	(void)state;
	s->this_update = PKI_NOW - HOUR;
	s->next_update = PKI_NOW + HOUR;
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	atomic_store(&s->clock, PKI_NOW + 3 * HOUR);
	s->this_update = PKI_NOW - 2 * HOUR;
	s->next_update = PKI_NOW + 100 * HOUR;
	assert_int_equal(scene_fetch(s, cert).fault, SST_FAULT_REPLAY);
	assert_int_equal(scene_cached(s, cert, &e), 1);
	assert_int_equal(e.this_update, PKI_NOW - HOUR);
	atomic_fetch_add(&s->clock, HOUR);
	s->this_update = PKI_NOW;
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	scene_free(s);
}

static void
a_list_of_a_stranger_harms_nobody_elses(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *stranger = pki_issue(NULL, &(struct pki_spec){ .cn = "X", .ca = 1 });
	struct pki_cert *theirs = pki_issue(stranger, &(struct pki_spec){ .cn = "x",
	    .crl = responder_url(s->r, "/crl") });
	struct pki_cert *ours = scene_cert(s, "/crl", NULL);

	(void)state;
	/* his certificate names our CA's list, which is not his issuer's */
	assert_int_equal(scene_fetch(s, theirs).status, SST_EV_ERROR);
	assert_int_equal(scene_fetch(s, ours).status, SST_EV_GOOD);
	assert_int_equal(responder_requests(s->r), 2);
	assert_int_equal(scene_fetch(s, theirs).status, SST_EV_ERROR);
	assert_int_equal(responder_requests(s->r), 2);
	scene_free(s);
	pki_free(theirs);
	pki_free(stranger);
}

static void
rv_42_81_what_is_over_its_cap_is_an_error(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *big = scene_cert(s, NULL, "/ocsp");
	struct pki_cert *endless = scene_cert(s, "/crl", NULL);
	char *text = calloc(1, 70000);

	(void)state;
	memset(text, 'x', 69999);
	s->ocsp_text = text;
	assert_int_equal(scene_fetch(s, big).fault, SST_FAULT_SIZE);
	text[65536] = '\0';	/* just the cap: it is judged, and nonsense */
	atomic_fetch_add(&s->clock, 2 * HOUR);
	assert_int_equal(scene_fetch(s, big).fault, SST_FAULT_MALFORMED);
	s->crl.manner = RESPONDER_ENDLESS;
	assert_int_equal(scene_fetch(s, endless).fault, SST_FAULT_SIZE);
	free(text);
	scene_free(s);
}

static void
rv_83_a_source_inside_is_blocked_for_us_and_not_for_who_allows_it(void **state)
{
	char *dir = pki_dir_new();
	struct scene *s = scene_new(dir);
	struct pki_cert *cert = scene_cert(s, "/crl", "/ocsp");
	char port[32];
	const char *elsewhere[] = { port, NULL };
	const char *here[] = { responder_allow(s->r), NULL };

	(void)state;
	(void)snprintf(port, sizeof(port), "10.0.0.1:%d", responder_port(s->r));
	scene_reopen(s, dir, NULL);	/* by the port alone */
	assert_int_equal(scene_fetch(s, cert).fault, SST_FAULT_BLOCKED);
	scene_reopen(s, dir, elsewhere);	/* by the address */
	assert_int_equal(scene_fetch(s, cert).fault, SST_FAULT_BLOCKED);
	assert_int_equal(responder_connections(s->r), 0);
	scene_reopen(s, dir, here);	/* that was noted does not hold here */
	assert_int_equal(scene_fetch(s, cert).status, SST_EV_GOOD);
	assert_int_equal(responder_requests(s->r), 1);
	scene_free(s);
	pki_dir_free(dir);
}

static void
rv_94_what_http_says_about_its_age_extends_nothing(void **state)
{
	struct scene *s = scene_new(NULL);
	struct pki_cert *cert = scene_cert(s, "/crl", "/ocsp");
	const struct sst_revocation_policy no_crls = { .use_crls = SST_SWITCH_OFF };
	struct sst_evidence e;

	(void)state;
	s->this_update = PKI_NOW - HOUR;
	s->next_update = PKI_NOW + HOUR;
	s->crl.headers = s->ocsp.headers = "Cache-Control: max-age=31536000\r\n"
	    "Expires: Sat, 15 Jan 2028 08:00:00 GMT\r\n";
	e = scene_fetch(s, cert);
	assert_int_equal(e.until, PKI_NOW + HOUR);
	e = scene_fetch_as(s, cert, &no_crls, 1);
	assert_int_equal(e.source, SST_SOURCE_OCSP);
	assert_int_equal(e.until, PKI_NOW + HOUR);
	scene_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_fetched_judged_and_kept),
		cmocka_unit_test(a_response_is_fetched_judged_and_kept),
		cmocka_unit_test(the_list_comes_first_and_a_response_only_where_it_cannot_be_had),
		cmocka_unit_test(a_response_is_for_leaves_and_the_policy_can_turn_either_off),
		cmocka_unit_test(rv_88_two_sources_of_a_kind_are_tried_at_most),
		cmocka_unit_test(rv_87_only_sources_of_other_schemes_are_none),
		cmocka_unit_test(rv_91_a_responder_that_wants_post_gets_it_and_is_remembered),
		cmocka_unit_test(rv_17_a_responder_without_sha256_is_asked_with_sha1_and_is_remembered),
		cmocka_unit_test(rv_23_what_is_not_signed_takes_nothing_away_and_is_asked_less),
		cmocka_unit_test(rv_40_a_nonce_is_sent_by_post_and_must_come_back_as_it_was),
		cmocka_unit_test(rv_80_what_is_no_list_leaves_the_known_one_and_is_put_off),
		cmocka_unit_test(rv_78_a_list_older_than_the_known_one_is_refused),
		cmocka_unit_test(rv_36_a_response_older_than_the_known_one_is_refused),
		cmocka_unit_test(a_list_of_a_stranger_harms_nobody_elses),
		cmocka_unit_test(rv_42_81_what_is_over_its_cap_is_an_error),
		cmocka_unit_test(rv_83_a_source_inside_is_blocked_for_us_and_not_for_who_allows_it),
		cmocka_unit_test(rv_94_what_http_says_about_its_age_extends_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
