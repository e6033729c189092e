/* SPDX-License-Identifier: ISC */
/* The certificate of the name, key types, policy and alerts, on the wire. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "meet.h"

static struct {
	struct pki_cert *root;
	struct pki_cert *a, *a_rsa, *b, *wild, *p384, *ed, *old;
	struct sst_store *store;	/* a (both types), b, *.w.example */
} w;

static struct pki_cert *
leaf(const char *san, enum pki_key key)
{
	return pki_issue(w.root, &(struct pki_spec){ .san = san, .key = key });
}

static int
world_make(void **state)
{
	(void)state;
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.a = leaf("a.example", PKI_P256);
	w.a_rsa = leaf("a.example", PKI_RSA);
	w.b = leaf("b.example", PKI_P256);
	w.wild = leaf("*.w.example", PKI_P256);
	w.p384 = leaf("c.example", PKI_P384);
	w.ed = leaf("c.example", PKI_ED25519);
	w.old = pki_issue(w.root, &(struct pki_spec){ .san = "old.example",
	    .not_before = PKI_NOW - 2000 * PKI_DAY,
	    .not_after = PKI_NOW - 1000 * PKI_DAY });
	w.store = meet_store((struct pki_cert *[]){ w.a, w.a_rsa, w.b, w.wild,
	    w.old }, 5);
	return 0;
}

static int
world_free(void **state)
{
	struct pki_cert *all[] = { w.a, w.a_rsa, w.b, w.wild, w.p384, w.ed, w.old,
	    w.root };

	(void)state;
	sst_store_unref(w.store);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		pki_free(all[i]);
	return 0;
}

static void
serve(struct meet *m, const struct sst_choose_policy *policy, const struct raw *raw)
{
	meet_server(m, &(struct sst_tls_settings){ .server = 1, .store = w.store,
	    .policy = policy }, raw);
}

static void
expect_cert(const struct sst_choose_policy *policy, const struct raw *raw,
    const struct pki_cert *want)
{
	struct meet m;

	serve(&m, policy, raw);
	if (m.step != SST_STEP_DONE)
		fail_msg("%s: %s", raw->sni != NULL ? raw->sni : "-", m.err.text);
	assert_true(m.raw_done);
	assert_true(meet_got(&m, want));
	meet_done(&m);
}

static void
expect_alert(const struct sst_choose_policy *policy, const struct raw *raw, int alert)
{
	struct meet m;

	serve(&m, policy, raw);
	assert_int_equal(m.step, SST_STEP_FAILED);
	assert_int_equal(m.alert, alert);
	assert_false(sst_conn_got_finished(m.conn));
	assert_true(sst_conn_saw_hello(m.conn));
	meet_done(&m);
}

static const struct sst_choose_policy strict = { .strict = 1 };

static void
each_name_gets_its_own_certificate(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct raw raw = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		raw.version = versions[i];
		raw.sni = "a.example";
		raw.sigalgs = "ECDSA+SHA256";
		expect_cert(&strict, &raw, w.a);
		raw.sni = "b.example";
		raw.sigalgs = NULL;
		expect_cert(&strict, &raw, w.b);
		raw.sni = "x.w.example";
		expect_cert(&strict, &raw, w.wild);
		raw.sni = "B.eXample";
		expect_cert(&strict, &raw, w.b);
	}
}

static void
cs_24_the_key_type_follows_the_signature_algorithms(void **state)
{
	(void)state;
	expect_cert(&strict, &(struct raw){ .sni = "a.example",
	    .version = TLS1_3_VERSION, .sigalgs = "RSA-PSS+SHA256:RSA-PSS+SHA384" },
	    w.a_rsa);
	expect_cert(&strict, &(struct raw){ .sni = "a.example",
	    .version = TLS1_3_VERSION, .sigalgs = "ECDSA+SHA256" }, w.a);
	expect_cert(&strict, &(struct raw){ .sni = "a.example",
	    .version = TLS1_2_VERSION, .sigalgs = "RSA+SHA256" }, w.a_rsa);
	expect_cert(&strict, &(struct raw){ .sni = "a.example",
	    .version = TLS1_2_VERSION, .sigalgs = "ECDSA+SHA256" }, w.a);
}

static void
cs_25_suites_without_ecdsa_get_rsa(void **state)
{
	struct meet m;
	struct raw raw = { .sni = "a.example",
	    .suites12 = "ECDHE-RSA-AES128-GCM-SHA256" };

	(void)state;
	/* The hello offers 1.3 as well, and the server has 1.2 at most. */
	meet_server(&m, &(struct sst_tls_settings){ .server = 1, .store = w.store,
	    .policy = &strict, .version_max = 0x0303 }, &raw);
	assert_int_equal(m.step, SST_STEP_DONE);
	assert_true(meet_got(&m, w.a_rsa));
	assert_string_equal(sst_conn_cipher(m.conn),
	    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
	meet_done(&m);
	raw.suites12 = "ECDHE-ECDSA-AES128-GCM-SHA256";
	meet_server(&m, &(struct sst_tls_settings){ .server = 1, .store = w.store,
	    .policy = &strict, .version_max = 0x0303 }, &raw);
	assert_true(meet_got(&m, w.a));
	meet_done(&m);
}

/* Exact RSA beside wildcard ECDSA: the tier goes before the key type. */
static void
cs_18_cs_19_the_most_specific_tier_that_fits_wins(void **state)
{
	struct pki_cert *exact = leaf("e.x.example", PKI_RSA);
	struct pki_cert *wild = leaf("*.x.example", PKI_P256);
	struct sst_store *store = meet_store((struct pki_cert *[]){ exact, wild }, 2);
	const struct sst_tls_settings s = { .server = 1, .store = store };
	static const char *const suites[] = { "ECDHE-RSA-AES128-GCM-SHA256:"
	    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256" };
	struct meet m;

	(void)state;
	for (int i = 0; i < 2; i++) {
		meet_server(&m, &s, &(struct raw){ .sni = "e.x.example",
		    .version = TLS1_2_VERSION, .suites12 = suites[i] });
		assert_int_equal(m.step, SST_STEP_DONE);
		assert_true(meet_got(&m, i ? wild : exact));
		meet_done(&m);
	}
	sst_store_unref(store);
	pki_free(exact);
	pki_free(wild);
}

static void
cs_01_without_a_name_the_local_address_decides(void **state)
{
	struct pki_cert *ip = leaf("IP:192.0.2.1,IP:2001:db8::1", PKI_P256);
	struct sst_store *store = meet_store((struct pki_cert *[]){ ip, w.b }, 2);
	const struct sst_tls_settings s = { .server = 1, .store = store,
	    .policy = &strict };
	static const struct {
		const char	*at, *sni;
		int		 alert;
	} cases[] = {
		{ "192.0.2.1", NULL, 0 }, { "192.0.2.2", NULL, 112 },
		{ "2001:db8::1", NULL, 0 }, { "2001:db8::2", NULL, 112 },
		{ "::ffff:192.0.2.1", NULL, 0 },
		{ "::ffff:192.0.2.2", NULL, 112 },
		{ "192.0.2.1", "c.example", 112 },
	};
	struct meet m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sockaddr_in v4 = { .sin_family = AF_INET };
		struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
		struct raw raw = { .sni = cases[i].sni,
		    .version = TLS1_2_VERSION, .local = (struct sockaddr *)&v4 };

		if (inet_pton(AF_INET, cases[i].at, &v4.sin_addr) != 1) {
			inet_pton(AF_INET6, cases[i].at, &v6.sin6_addr);
			raw.local = (struct sockaddr *)&v6;
		}
		meet_server(&m, &s, &raw);
		assert_int_equal(m.alert, cases[i].alert);
		if (cases[i].alert == 0)
			assert_true(meet_got(&m, ip));
		meet_done(&m);
	}
	sst_store_unref(store);
	pki_free(ip);
}

static void
cs_27_the_curve_follows_the_client(void **state)
{
	struct sst_store *store;
	struct pki_cert *p256 = leaf("c.example", PKI_P256);
	const struct pki_cert *want;
	struct meet m;

	(void)state;
	store = meet_store((struct pki_cert *[]){ w.p384, p256 }, 2);
	for (int i = 0; i < 2; i++) {
		want = i ? p256 : w.p384;
		meet_server(&m, &(struct sst_tls_settings){ .server = 1,
		    .store = store }, &(struct raw){ .sni = "c.example",
		    .sigalgs = i ? "ECDSA+SHA256" : "ECDSA+SHA384",
		    .version = TLS1_3_VERSION });
		assert_true(meet_got(&m, want));
		meet_done(&m);
	}
	sst_store_unref(store);
	pki_free(p256);
}

static void
cs_28_ed25519_is_served_to_whoever_lists_it(void **state)
{
	struct sst_store *store = meet_store((struct pki_cert *[]){ w.p384, w.ed }, 2);
	const struct sst_tls_settings s = { .server = 1, .store = store };
	struct meet m;

	(void)state;
	meet_server(&m, &s, &(struct raw){ .sni = "c.example",
	    .sigalgs = "ed25519", .version = TLS1_3_VERSION });
	assert_true(meet_got(&m, w.ed));
	meet_done(&m);
	meet_server(&m, &s, &(struct raw){ .sni = "c.example",
	    .sigalgs = "ECDSA+SHA384", .version = TLS1_3_VERSION });
	assert_true(meet_got(&m, w.p384));
	meet_done(&m);
	sst_store_unref(store);
}

static void
cs_30_no_key_type_in_common_is_handshake_failure(void **state)
{
	(void)state;
	expect_alert(&strict, &(struct raw){ .sni = "b.example",
	    .sigalgs = "RSA-PSS+SHA256", .version = TLS1_3_VERSION }, 40);
	expect_cert(&strict, &(struct raw){ .sni = "b.example",
	    .sigalgs = "RSA-PSS+SHA256:ECDSA+SHA256", .version = TLS1_3_VERSION },
	    w.b);
}

static void
an_unknown_name_is_an_alert_or_the_default(void **state)
{
	const struct sst_choose_policy lax = { .default_name = "b.example" };
	const struct sst_choose_policy strict_default = {
	    .default_name = "b.example", .strict = 1 };
	const struct raw unknown = { .sni = "nobody.example" };

	(void)state;
	expect_alert(&strict, &unknown, 112);
	expect_alert(&strict_default, &unknown, 112);
	expect_cert(&lax, &unknown, w.b);
	expect_cert(&lax, &(struct raw){ .sni = "x.w.example" }, w.wild);
}

static void
cs_01_no_name_is_the_default_or_an_alert(void **state)
{
	const struct sst_choose_policy lax = { .default_name = "b.example" };

	(void)state;
	expect_cert(&lax, &(struct raw){ .version = TLS1_3_VERSION }, w.b);
	expect_cert(&lax, &(struct raw){ .version = TLS1_2_VERSION }, w.b);
	expect_alert(&strict, &(struct raw){ .version = TLS1_3_VERSION }, 109);
	expect_alert(&strict, &(struct raw){ .version = TLS1_2_VERSION }, 112);
}

static void
a_listener_answers_only_for_its_names(void **state)
{
	static const char *const names[] = { "b.example", "*.w.example" };
	const struct sst_choose_policy only = { .names = names, .n_names = 2,
	    .strict = 1 };

	(void)state;
	expect_cert(&only, &(struct raw){ .sni = "b.example" }, w.b);
	expect_cert(&only, &(struct raw){ .sni = "q.w.example" }, w.wild);
	expect_alert(&only, &(struct raw){ .sni = "a.example" }, 112);
	expect_alert(&strict, &(struct raw){ .sni = "q.q.w.example" }, 112);
}

static void
cs_34_an_expired_certificate_is_served_unless_refused(void **state)
{
	const struct sst_choose_policy never = { .strict = 1, .refuse_expired = 1 };
	const struct raw raw = { .sni = "old.example" };
	struct meet m;

	(void)state;
	expect_cert(&strict, &raw, w.old);
	serve(&m, &never, &raw);
	assert_int_equal(m.step, SST_STEP_FAILED);
	assert_int_not_equal(m.alert, 0);
	meet_done(&m);
}

static void
the_decision_can_be_read(void **state)
{
	char text[600];
	const struct sst_choice *choice;
	struct meet m;

	(void)state;
	serve(&m, &strict, &(struct raw){ .sni = "X.W.example." });
	choice = sst_conn_choice(m.conn);
	assert_non_null(choice);
	assert_string_equal(sst_conn_sni(m.conn), "x.w.example");
	assert_int_equal(sst_choice_tier(choice), SST_TIER_WILDCARD);
	assert_true(sst_choice_text(choice, text, sizeof(text)) > 0);
	assert_true(sst_conn_saw_hello(m.conn));
	assert_true(sst_conn_got_finished(m.conn));
	meet_done(&m);

	serve(&m, &strict, &(struct raw){ .sni = "nobody.example" });
	assert_string_equal(sst_conn_sni(m.conn), "nobody.example");
	assert_int_equal(m.err.code, SST_E_REFUSED);
	assert_non_null(strstr(m.err.text, "unrecognized_name"));
	assert_non_null(strstr(m.err.text, "nobody.example"));
	meet_done(&m);
}

static void
an_accepted_name_is_confirmed(void **state)
{
	const struct sst_choose_policy lax = { .default_name = "b.example" };
	struct meet m;

	(void)state;
	/* Only 1.2 shows it to a client's API: the session takes the name. */
	serve(&m, &lax, &(struct raw){ .sni = "a.example", .version = TLS1_2_VERSION });
	assert_string_equal(SSL_SESSION_get0_hostname(SSL_get_session(m.ssl)),
	    "a.example");
	meet_done(&m);
	serve(&m, &lax, &(struct raw){ .sni = "nobody.example",
	    .version = TLS1_2_VERSION });
	assert_int_equal(m.step, SST_STEP_DONE);
	assert_null(SSL_SESSION_get0_hostname(SSL_get_session(m.ssl)));
	meet_done(&m);
}

static void
the_whole_chain_is_sent(void **state)
{
	struct pki_cert *middle = pki_issue(w.root,
	    &(struct pki_spec){ .cn = "Middle", .ca = 1 });
	struct pki_cert *deep = pki_issue(middle,
	    &(struct pki_spec){ .san = "deep.example" });
	struct sst_store *store = meet_store((struct pki_cert *[]){ deep, w.a }, 2);
	const struct sst_tls_settings s = { .server = 1, .store = store };
	struct meet m;

	(void)state;
	meet_server(&m, &s, &(struct raw){ .sni = "deep.example" });
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(m.ssl)), 2);
	assert_int_equal(X509_cmp(sk_X509_value(SSL_get_peer_cert_chain(m.ssl), 1),
	    middle->cert), 0);
	meet_done(&m);
	/* The next name's certificate has no part of this one's chain. */
	meet_server(&m, &s, &(struct raw){ .sni = "a.example" });
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(m.ssl)), 1);
	meet_done(&m);
	sst_store_unref(store);
	pki_free(deep);
	pki_free(middle);
}

static void
cs_56_an_empty_store_answers_with_an_alert(void **state)
{
	struct sst_store *store = meet_store(NULL, 0);
	const struct sst_tls_settings s = { .server = 1, .store = store };
	struct meet m;

	(void)state;
	meet_server(&m, &s, &(struct raw){ .sni = "a.example" });
	assert_int_equal(m.step, SST_STEP_FAILED);
	assert_int_equal(m.alert, 112);
	meet_done(&m);
	sst_store_unref(store);
	serve(&m, NULL, &(struct raw){ .sni = "a.example" });
	assert_int_equal(m.step, SST_STEP_DONE);
	meet_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_gets_its_own_certificate),
		cmocka_unit_test(cs_24_the_key_type_follows_the_signature_algorithms),
		cmocka_unit_test(cs_25_suites_without_ecdsa_get_rsa),
		cmocka_unit_test(cs_18_cs_19_the_most_specific_tier_that_fits_wins),
		cmocka_unit_test(cs_01_without_a_name_the_local_address_decides),
		cmocka_unit_test(cs_27_the_curve_follows_the_client),
		cmocka_unit_test(cs_30_no_key_type_in_common_is_handshake_failure),
		cmocka_unit_test(an_unknown_name_is_an_alert_or_the_default),
		cmocka_unit_test(cs_01_no_name_is_the_default_or_an_alert),
		cmocka_unit_test(a_listener_answers_only_for_its_names),
		cmocka_unit_test(cs_34_an_expired_certificate_is_served_unless_refused),
		cmocka_unit_test(the_decision_can_be_read),
		cmocka_unit_test(an_accepted_name_is_confirmed),
		cmocka_unit_test(the_whole_chain_is_sent),
		cmocka_unit_test(cs_56_an_empty_store_answers_with_an_alert),
		cmocka_unit_test(cs_28_ed25519_is_served_to_whoever_lists_it),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
