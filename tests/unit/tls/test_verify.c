/* SPDX-License-Identifier: ISC */
/* verify - whom a client believes. The server is plain OpenSSL. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "meet.h"

static struct {
	struct pki_cert *root, *stranger, *middle, *loop;
	struct pki_cert *www, *old, *early, *client_only, *cn_only, *partial;
	struct pki_cert *lone, *other_lone, *deep, *hostile;
	struct sst_trust *trust;
} w;

static struct pki_cert *
leaf(struct pki_cert *ca, const char *san)
{
	return pki_issue(ca, &(struct pki_spec){ .cn = "leaf", .san = san });
}

static int
world_make(void **state)
{
	(void)state;
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.stranger = pki_issue(NULL, &(struct pki_spec){ .cn = "Stranger", .ca = 1 });
	w.middle = pki_issue(w.root, &(struct pki_spec){ .cn = "Middle", .ca = 1 });
	w.www = leaf(w.root, "www.example.com,*.example.org,IP:192.0.2.1,IP:2001:db8::1");
	w.old = pki_issue(w.root, &(struct pki_spec){ .san = "www.example.com",
	    .not_before = PKI_NOW - 2000 * PKI_DAY,
	    .not_after = PKI_NOW - 1000 * PKI_DAY });
	w.early = pki_issue(w.root, &(struct pki_spec){ .san = "www.example.com",
	    .not_before = PKI_NOW + 2000 * PKI_DAY });
	w.client_only = pki_issue(w.root, &(struct pki_spec){
	    .san = "www.example.com", .eku = "clientAuth" });
	w.cn_only = pki_issue(w.root, &(struct pki_spec){ .cn = "www.example.com" });
	w.partial = leaf(w.root, "w*.example.com");
	w.lone = pki_issue(NULL, &(struct pki_spec){ .san = "www.example.com" });
	w.other_lone = pki_issue(NULL, &(struct pki_spec){ .san = "www.example.com" });
	w.deep = leaf(w.middle, "www.example.com");
	w.hostile = leaf(w.root, "a\x1b[31m.example.com");
	w.trust = meet_trust(w.root, NULL);
	return 0;
}

static int
world_free(void **state)
{
	struct pki_cert *all[] = { w.www, w.old, w.early, w.client_only, w.cn_only,
	    w.partial, w.lone, w.other_lone, w.deep, w.hostile, w.middle, w.root,
	    w.stranger };

	(void)state;
	sst_trust_unref(w.trust);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		pki_free(all[i]);
	return 0;
}

/* One handshake with `served`; returns what it came to. */
static enum sst_step
try_with(struct meet *m, struct sst_trust *trust, const char *host,
    const struct pki_cert *served, int version)
{
	meet_client(m, &(struct sst_tls_settings){ .trust = trust }, host, NULL,
	    &(struct raw){ .serve = served, .version = version });
	return m->step;
}

static void
accepted(const char *host, const struct pki_cert *served)
{
	struct meet m;

	assert_int_equal(try_with(&m, w.trust, host, served, 0), SST_STEP_DONE);
	meet_done(&m);
}

/* Refused with a text that has the host, `reason` and `alert` on the wire. */
static void
refused(struct sst_trust *trust, const char *host, const struct pki_cert *served,
    const char *reason, int alert)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	struct meet m;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(try_with(&m, trust, host, served, versions[i]),
		    SST_STEP_FAILED);
		assert_int_equal(m.err.code, SST_E_REFUSED);
		assert_non_null(strstr(m.err.text, host));
		if (strstr(m.err.text, reason) == NULL)
			fail_msg("%s: not about %s", m.err.text, reason);
		assert_int_equal(m.alert, alert);
		assert_false(m.raw_done);
		meet_done(&m);
	}
}

static void
the_right_name_is_accepted_in_both_versions(void **state)
{
	struct meet m;

	(void)state;
	assert_int_equal(try_with(&m, w.trust, "www.example.com", w.www,
	    TLS1_2_VERSION), SST_STEP_DONE);
	assert_int_equal(sst_conn_version(m.conn), 0x0303);
	assert_string_equal(SSL_get_servername(m.ssl, TLSEXT_NAMETYPE_host_name),
	    "www.example.com");
	meet_done(&m);
	assert_int_equal(try_with(&m, w.trust, "www.example.com", w.www,
	    TLS1_3_VERSION), SST_STEP_DONE);
	assert_int_equal(sst_conn_version(m.conn), 0x0304);
	meet_done(&m);
}

static void
a_name_is_folded_before_it_is_compared_and_sent(void **state)
{
	struct meet m;

	(void)state;
	assert_int_equal(try_with(&m, w.trust, "WWW.Example.COM.", w.www, 0),
	    SST_STEP_DONE);
	assert_string_equal(SSL_get_servername(m.ssl, TLSEXT_NAMETYPE_host_name),
	    "www.example.com");
	meet_done(&m);
}

static void
a_wrong_name_is_refused_and_the_text_says_what_is_covered(void **state)
{
	struct meet m;

	(void)state;
	refused(w.trust, "mail.example.com", w.www, "it is for other names", 42);
	assert_int_equal(try_with(&m, w.trust, "mail.example.com", w.www, 0),
	    SST_STEP_FAILED);
	assert_non_null(strstr(m.err.text, "www.example.com, *.example.org, "
	    "192.0.2.1, 2001:db8::1"));
	meet_done(&m);
}

static void
cs_16_a_wildcard_covers_one_label(void **state)
{
	(void)state;
	accepted("a.example.org", w.www);
	refused(w.trust, "a.b.example.org", w.www, "other names", 42);
	refused(w.trust, "example.org", w.www, "other names", 42);
}

static void
cs_17_a_part_of_a_label_is_no_wildcard(void **state)
{
	(void)state;
	accepted("www.example.com", w.www);
	refused(w.trust, "www.example.com", w.partial, "other names", 42);
}

static void
cs_22_a_common_name_is_never_a_name(void **state)
{
	(void)state;
	accepted("www.example.com", w.www);
	refused(w.trust, "www.example.com", w.cn_only, "no name at all", 42);
}

static void
a_chain_to_another_root_is_refused(void **state)
{
	struct sst_trust *other = meet_trust(w.stranger, NULL);

	(void)state;
	accepted("www.example.com", w.www);
	refused(other, "www.example.com", w.www, "local issuer", 48);
	sst_trust_unref(other);
}

static void
dates_and_purpose_are_checked(void **state)
{
	(void)state;
	accepted("www.example.com", w.www);
	refused(w.trust, "www.example.com", w.old, "expired (20", 45);
	refused(w.trust, "www.example.com", w.early, "not yet valid (20", 42);
	refused(w.trust, "www.example.com", w.client_only, "purpose", 43);
}

static void
an_intermediate_must_come_from_somewhere(void **state)
{
	struct sst_trust *middle = meet_trust(w.middle, NULL);
	const struct raw alone = { .serve = w.deep, .no_chain = 1 };
	struct meet m;

	(void)state;
	accepted("www.example.com", w.deep);
	meet_client(&m, &(struct sst_tls_settings){ .trust = w.trust },
	    "www.example.com", NULL, &alone);
	assert_int_equal(m.step, SST_STEP_FAILED);
	assert_non_null(strstr(m.err.text, "CN=Middle"));
	meet_done(&m);
	/* An intermediate that the program names is an anchor. */
	meet_client(&m, &(struct sst_tls_settings){ .trust = middle },
	    "www.example.com", NULL, &alone);
	assert_int_equal(m.step, SST_STEP_DONE);
	meet_done(&m);
	sst_trust_unref(middle);
}

static void
policies_count_where_a_ca_demands_them(void **state)
{
	struct pki_cert *strict, *fit, *unfit;

	(void)state;
	strict = pki_issue(w.root, &(struct pki_spec){ .cn = "Strict", .ca = 1,
	    .extra = "policyConstraints = critical,requireExplicitPolicy:0\n"
	    "certificatePolicies = 1.3.6.1.4.1.1.1\n" });
	fit = pki_issue(strict, &(struct pki_spec){ .san = "www.example.com",
	    .extra = "certificatePolicies = 1.3.6.1.4.1.1.1\n" });
	unfit = pki_issue(strict, &(struct pki_spec){ .san = "www.example.com",
	    .extra = "certificatePolicies = 1.3.6.1.4.1.1.2\n" });
	accepted("www.example.com", fit);
	refused(w.trust, "www.example.com", unfit, "no explicit policy", 46);
	pki_free(unfit);
	pki_free(fit);
	pki_free(strict);
}

static void
only_the_pinned_leaf_is_accepted(void **state)
{
	struct sst_trust *pin = meet_trust(w.lone, NULL);
	struct sst_trust *both = meet_trust(w.root, w.www);
	struct meet m;

	(void)state;
	assert_int_equal(try_with(&m, pin, "www.example.com", w.lone, 0),
	    SST_STEP_DONE);
	meet_done(&m);
	refused(pin, "www.example.com", w.other_lone, "self", 48);
	/* A pin of an issued certificate, with its root named beside it. */
	assert_int_equal(try_with(&m, both, "www.example.com", w.www, 0),
	    SST_STEP_DONE);
	meet_done(&m);
	assert_int_equal(try_with(&m, both, "www.example.com", w.deep, 0),
	    SST_STEP_FAILED);
	assert_int_equal(m.err.code, SST_E_REFUSED);
	meet_done(&m);
	/* A pin is for a certificate, not for a host. */
	refused(pin, "mail.example.com", w.lone, "other names", 42);
	sst_trust_unref(pin);
	sst_trust_unref(both);
}

/* A certificate that the pinned one "issued" chains to the pin. */
static void
what_a_pinned_leaf_signed_is_refused(void **state)
{
	struct sst_trust *pin = meet_trust(w.lone, NULL);
	struct pki_cert *child = leaf(w.lone, "www.example.com");
	struct meet m;

	(void)state;
	assert_int_equal(try_with(&m, pin, "www.example.com", child, 0),
	    SST_STEP_FAILED);
	assert_int_equal(m.err.code, SST_E_REFUSED);
	meet_done(&m);
	assert_int_equal(try_with(&m, pin, "www.example.com", w.lone, 0),
	    SST_STEP_DONE);
	meet_done(&m);
	pki_free(child);
	sst_trust_unref(pin);
}

static enum sst_step
reach(struct meet *m, const char *address, const char *host)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	const struct sockaddr *peer = (struct sockaddr *)&v4;

	if (inet_pton(AF_INET, address, &v4.sin_addr) != 1) {
		assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
		peer = (struct sockaddr *)&v6;
	}
	meet_client(m, &(struct sst_tls_settings){ .trust = w.trust }, host, peer,
	    &(struct raw){ .serve = w.www });
	assert_null(SSL_get_servername(m->ssl, TLSEXT_NAMETYPE_host_name));
	return m->step;
}

static void
without_a_name_the_address_must_be_in_the_certificate(void **state)
{
	static const struct {
		const char	*address, *host;
		enum sst_step	 step;
	} cases[] = {
		{ "192.0.2.1", NULL, SST_STEP_DONE },
		{ "192.0.2.2", NULL, SST_STEP_FAILED },
		{ "::ffff:192.0.2.1", "", SST_STEP_DONE },
		{ "::ffff:192.0.2.2", "", SST_STEP_FAILED },
		{ "2001:db8::1", NULL, SST_STEP_DONE },
		{ "2001:db8::2", NULL, SST_STEP_FAILED },
		/* A literal given as the name wins over the address. */
		{ "192.0.2.2", "192.0.2.1", SST_STEP_DONE },
		{ "192.0.2.1", "192.0.2.2", SST_STEP_FAILED },
		{ "192.0.2.2", "2001:DB8:0::1", SST_STEP_DONE },
	};
	struct meet m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (reach(&m, cases[i].address, cases[i].host) != cases[i].step)
			fail_msg("%s %s", cases[i].address, m.err.text);
		if (m.step == SST_STEP_FAILED) {
			assert_int_equal(m.err.code, SST_E_REFUSED);
			assert_non_null(strstr(m.err.text, "not for this address"));
		}
		meet_done(&m);
	}
}

static void
a_peer_needs_a_name_or_an_address(void **state)
{
	static const char *const bad[] = { "*.example.com", ".example.com", "a b", NULL };
	struct sst_tls_conf *conf = NULL;
	struct sst_conn *conn = NULL;
	struct sst_error err = { 0 };

	(void)state;
	assert_int_equal(sst_tls_conf_new(&(struct sst_tls_settings){
	    .trust = w.trust }, &conf, &err), 0);
	for (int i = 0; i < 4; i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(sst_conn_new_client(conf, 0, bad[i], NULL, &conn,
		    &err), SST_E_USAGE);
		assert_null(conn);
		assert_true(err.text[0] != '\0');
	}
	assert_int_equal(sst_conn_new_client(conf, 0, "www.example.com", NULL,
	    &conn, &err), 0);
	sst_conn_free(conn);
	sst_tls_conf_unref(conf);
}

/* What a client of www.example.com, which wants `a` and `b` too, comes to. */
static enum sst_step
try_also(struct meet *m, const char *a, const char *b)
{
	meet_client(m, &(struct sst_tls_settings){ .trust = w.trust },
	    "www.example.com", NULL, &(struct raw){ .serve = w.www,
	    .also = { a, b } });
	return m->step;
}

static void
of_several_names_the_certificate_must_be_for_every_one(void **state)
{
	static const struct {
		const char	*a, *b;		/* besides www.example.com */
		const char	*missed;	/* NULL: accepted */
	} cases[] = {
		{ "a.example.org", NULL, NULL },
		{ "WWW.example.com.", "b.example.org", NULL },
		{ "192.0.2.1", "2001:db8::1", NULL },
		{ "mail.example.com", NULL, "mail.example.com" },
		{ "a.example.org", "a.b.example.org", "a.b.example.org" },
		{ "mail.example.com", "a.example.org", "mail.example.com" },
		{ "192.0.2.2", NULL, "192.0.2.2" },
	};
	struct meet m;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		try_also(&m, cases[i].a, cases[i].b);
		/* The first is the one that is sent. */
		assert_string_equal(SSL_get_servername(m.ssl,
		    TLSEXT_NAMETYPE_host_name), "www.example.com");
		if (cases[i].missed == NULL) {
			assert_int_equal(m.step, SST_STEP_DONE);
			meet_done(&m);
			continue;
		}
		assert_int_equal(m.step, SST_STEP_FAILED);
		assert_int_equal(m.err.code, SST_E_REFUSED);
		assert_non_null(strstr(m.err.text, "not for"));
		assert_non_null(strstr(m.err.text, cases[i].missed));
		assert_int_equal(m.alert, SSL_AD_BAD_CERTIFICATE);
		meet_done(&m);
	}
}

static void
a_further_name_is_a_name_as_the_first_is(void **state)
{
	static const char *const bad[] = { "*.example.com", "a b", "" };
	struct meet m;

	(void)state;
	assert_int_equal(try_also(&m, NULL, NULL), SST_STEP_DONE);
	for (int i = 0; i < 3; i++)
		assert_true(sst_conn_require(m.conn, bad[i], NULL) < 0);
	assert_int_equal(sst_conn_require(m.conn, "a.example.org", NULL), SST_OK);
	meet_done(&m);
}

static void
what_a_certificate_says_is_never_printed_raw(void **state)
{
	struct meet m;

	(void)state;
	assert_int_equal(try_with(&m, w.trust, "www.example.com", w.hostile, 0),
	    SST_STEP_FAILED);
	assert_non_null(strstr(m.err.text, "\\x1b"));
	assert_null(strchr(m.err.text, 0x1b));
	meet_done(&m);
}

static void
the_peers_certificates_come_whole_or_not_at_all(void **state)
{
	char buf[8192];
	struct sst_error err = { 0 };
	size_t all, leaf_only, n;
	struct meet m;

	(void)state;
	assert_int_equal(try_with(&m, w.trust, "www.example.com", w.deep, 0),
	    SST_STEP_DONE);
	assert_int_equal(sst_conn_peer_chain(m.conn, buf, sizeof(buf), &all, &err), 0);
	assert_int_equal(strlen(buf) + 1, all);
	assert_non_null(strstr(strstr(buf, "BEGIN") + 1, "BEGIN"));
	/* One byte less than everything: the leaf alone. */
	assert_int_equal(sst_conn_peer_chain(m.conn, buf, all - 1, &leaf_only, &err), 0);
	assert_int_equal(strlen(buf) + 1, leaf_only);
	assert_null(strstr(strstr(buf, "BEGIN") + 1, "BEGIN"));
	assert_int_equal(sst_conn_peer_chain(m.conn, buf, leaf_only, &n, &err), 0);
	assert_int_equal(n, leaf_only);
	assert_int_equal(sst_conn_peer_chain(m.conn, buf, leaf_only - 1, &n, &err),
	    SST_E_LIMIT);
	assert_int_equal(sst_conn_peer_identity(m.conn, buf, sizeof(buf), &n, NULL), 0);
	assert_string_equal(buf, "CN=leaf");
	assert_int_equal(n, 8);
	assert_int_equal(sst_conn_peer_identity(m.conn, buf, 7, &n, NULL), SST_E_LIMIT);
	meet_done(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_right_name_is_accepted_in_both_versions),
		cmocka_unit_test(a_name_is_folded_before_it_is_compared_and_sent),
		cmocka_unit_test(a_wrong_name_is_refused_and_the_text_says_what_is_covered),
		cmocka_unit_test(cs_16_a_wildcard_covers_one_label),
		cmocka_unit_test(cs_17_a_part_of_a_label_is_no_wildcard),
		cmocka_unit_test(cs_22_a_common_name_is_never_a_name),
		cmocka_unit_test(a_chain_to_another_root_is_refused),
		cmocka_unit_test(dates_and_purpose_are_checked),
		cmocka_unit_test(an_intermediate_must_come_from_somewhere),
		cmocka_unit_test(policies_count_where_a_ca_demands_them),
		cmocka_unit_test(only_the_pinned_leaf_is_accepted),
		cmocka_unit_test(what_a_pinned_leaf_signed_is_refused),
		cmocka_unit_test(without_a_name_the_address_must_be_in_the_certificate),
		cmocka_unit_test(a_peer_needs_a_name_or_an_address),
		cmocka_unit_test(of_several_names_the_certificate_must_be_for_every_one),
		cmocka_unit_test(a_further_name_is_a_name_as_the_first_is),
		cmocka_unit_test(what_a_certificate_says_is_never_printed_raw),
		cmocka_unit_test(the_peers_certificates_come_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
