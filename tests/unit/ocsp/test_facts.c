/* SPDX-License-Identifier: ISC */
/* What a certificate says of its own revocation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "world_facts.h"

static void
sources_are_read_in_order_and_counted(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www", .extra =
	    "authorityInfoAccess = OCSP;URI:http://a,caIssuers;URI:http://ca/x,"
	    "OCSP;URI:ldap://b/2,OCSP;URI:HTTP://c/3,OCSP;URI:https://d/4\n"
	    "crlDistributionPoints = one, two, three\n"
	    "[one]\nfullname = URI:http://l/1,URI:ldap://l/2,URI:http://l/3\n"
	    "[two]\nfullname = URI:http://l/4\nCRLissuer = dirName:who\n"
	    "reasons = keyCompromise,CACompromise\n"
	    "[three]\nrelativename = rel\n"
	    "[who]\nCN = Somebody\n[rel]\nCN = part\n" });
	const struct sst_cert_facts *f = facts_read(c);

	(void)state;
	assert_int_equal(f->n_ocsp, 2);
	assert_string_equal(f->ocsp[0], "http://a");
	assert_string_equal(f->ocsp[1], "HTTP://c/3");
	assert_int_equal(f->n_crl, 2);
	assert_string_equal(f->crl[0], "http://l/1");
	assert_string_equal(f->crl[1], "http://l/3");
	/* four for OCSP; three, one, and a point without a URL */
	assert_int_equal(f->n_sources, 4 + 3 + 1 + 1);
	assert_int_equal(f->has_dp, 1);
	assert_int_equal(f->n_dps, 3);
	assert_int_equal(f->dp[0].reasons, SST_REASONS_ALL);
	assert_int_equal(f->dp[0].has_crl_issuer, 0);
	assert_null(f->dp[0].crl_issuer);
	assert_int_equal(f->dp[0].name[0], 0xa0);
	assert_int_equal(f->dp[0].name_len, f->dp[0].name[1] + 2);
	assert_int_equal(f->dp[0].name[2], 0x86);
	assert_memory_equal(f->dp[0].name + 4, "http://l/1", 10);
	assert_int_equal(f->dp[1].reasons, 1u << 1 | 1u << 2);
	assert_int_equal(f->dp[1].has_crl_issuer, 1);
	assert_int_equal(f->dp[1].crl_issuer[0], 0xa2);
	assert_int_equal(f->dp[1].crl_issuer_len, f->dp[1].crl_issuer[1] + 2);
	assert_int_equal(f->dp[2].name[0], 0xa1);
	assert_int_equal(f->dp[2].name_len, f->dp[2].name[1] + 2);
	pki_free(c);
}

static void
rv_87_only_http_is_kept_and_the_rest_is_counted(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .extra = "authorityInfoAccess = OCSP;URI:http://,OCSP;URI:file:///x,"
	    "OCSP;email:a@b,OCSP;URI:httq://a/1\n" });
	struct pki_cert *none = pki_issue(ca, &(struct pki_spec){ .cn = "www" });

	(void)state;
	assert_int_equal(facts_read(c)->n_ocsp, 0);
	assert_int_equal(facts_read(c)->n_sources, 4);
	assert_int_equal(facts_read(c)->has_dp, 0);
	assert_int_equal(facts_read(none)->n_sources, 0);
	pki_free(none);
	pki_free(c);
}

/* The URL http://a/XX1 as IA5String with these two octets for XX. */
static unsigned
urls_with(unsigned char x1, unsigned char x2)
{
	char extra[200];
	struct pki_cert *c;
	unsigned n;

	(void)snprintf(extra, sizeof(extra), "1.3.6.1.5.5.7.1.1 = DER:301B301906082B0601050507"
	    "3001860D687474703A2F2F612F%02X%02X3132\n", x1, x2);
	c = pki_issue(ca, &(struct pki_spec){ .cn = "www", .extra = extra });
	assert_int_equal(facts_read(c)->n_sources, 1);
	n = facts_read(c)->n_ocsp;
	if (n == 1)
		assert_int_equal(strlen(facts_read(c)->ocsp[0]), 13);
	pki_free(c);
	return n;
}

static void
rv_44_a_url_with_odd_octets_is_not_fetched(void **state)
{
	(void)state;
	assert_int_equal(urls_with('b', 'c'), 1);
	assert_int_equal(urls_with('!', '~'), 1);
	assert_int_equal(urls_with('b', 0), 0);
	assert_int_equal(urls_with(0x80, 'c'), 0);
	assert_int_equal(urls_with(0x7f, 'c'), 0);
	assert_int_equal(urls_with(' ', 'c'), 0);
	assert_int_equal(urls_with('\n', 'c'), 0);
}

static void
many_sources_are_cut_and_counted(void **state)
{
	char extra[8000] = "crlDistributionPoints = ";
	struct pki_cert *c;
	size_t used;

	(void)state;
	for (int i = 0; i < 100; i++) {
		used = strlen(extra);
		(void)snprintf(extra + used, sizeof(extra) - used, "%sURI:http://l/%d",
		    i == 0 ? "" : ",", i);
	}
	c = pki_issue(ca, &(struct pki_spec){ .cn = "www", .extra = extra });
	assert_int_equal(facts_read(c)->n_sources, 100);
	assert_int_equal(facts_read(c)->n_crl, SST_URLS_MAX);
	assert_int_equal(facts_read(c)->n_dps, SST_DPS_MAX);
	assert_string_equal(facts_read(c)->crl[7], "http://l/7");
	pki_free(c);
}

static void
rv_106_facts_no_revocation_counts_for_a_leaf_alone(void **state)
{
	struct pki_cert *leaf = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .extra = "2.5.29.56 = DER:0500\n" });
	struct pki_cert *sub = pki_issue(ca, &(struct pki_spec){ .cn = "sub", .ca = 1,
	    .extra = "2.5.29.56 = DER:0500\n" });
	struct pki_cert *plain = pki_issue(ca, &(struct pki_spec){ .cn = "www" });

	(void)state;
	assert_int_equal(facts_read(leaf)->no_rev_avail, 1);
	assert_int_equal(facts_read(leaf)->is_ca, 0);
	assert_int_equal(facts_read(sub)->no_rev_avail, 0);
	assert_int_equal(facts_read(sub)->is_ca, 1);
	assert_int_equal(facts_read(plain)->no_rev_avail, 0);
	pki_free(plain);
	pki_free(sub);
	pki_free(leaf);
}

static unsigned
must_staple(const char *extra)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www", .extra = extra });
	unsigned is = facts_read(c)->must_staple;

	pki_free(c);
	return is;
}

static void
features_and_marks_are_read(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "ocsp",
	    .extra = "noCheck = ignored\nissuerAltName = DNS:ca.example\n" });
	const struct sst_cert_facts *f = facts_read(c);

	(void)state;
	assert_int_equal(must_staple("tlsfeature = status_request\n"), 1);
	assert_int_equal(must_staple("1.3.6.1.5.5.7.1.24 = DER:3006020111020105\n"), 1);
	assert_int_equal(must_staple("1.3.6.1.5.5.7.1.24 = DER:3003020111\n"), 0);
	assert_int_equal(must_staple("1.3.6.1.5.5.7.1.24 = DER:300702050500000005\n"), 0);
	assert_int_equal(must_staple(NULL), 0);
	assert_int_equal(f->ocsp_nocheck, 1);
	assert_int_equal(facts_read(ca)->ocsp_nocheck, 0);
	assert_int_equal(f->issuer_alt_len, 14);
	assert_memory_equal(f->issuer_alt, "\x30\x0c\x82\x0a" "ca.example", 14);
	assert_null(facts_read(ca)->issuer_alt);
	assert_int_equal(f->not_before, 1577836800);
	assert_int_equal(f->not_after, 2208988800);
	pki_free(c);
}

static void
an_extension_that_does_not_parse_is_refused(void **state)
{
	static const char *const bad[][2] = {
		{ "2.5.29.31 = DER:3000\n", "cRLDistributionPoints" },
		{ "2.5.29.31 = DER:30020500\n", "cRLDistributionPoints" },
		{ "2.5.29.31 = DER:3080300000\n", "cRLDistributionPoints" },
		{ "2.5.29.31 = DER:3006300481020001\n", "cRLDistributionPoints" },
		{ "2.5.29.31 = DER:300630048102017e\n", "cRLDistributionPoints" },
		{ "2.5.29.31 = DER:30073005A003860161\n", "cRLDistributionPoints" },
		{ "2.5.29.31 = DER:30023000\n", "cRLDistributionPoints" },
		{ "2.5.29.31 = DER:300C300AA006A004860261620500\n", "cRLDistributionPoints" },
		{ "2.5.29.31 = DER:300C300AA008A004860261620500\n", "cRLDistributionPoints" },
		{ "1.3.6.1.5.5.7.1.1 = DER:3003300186\n", "authorityInfoAccess" },
		{ "1.3.6.1.5.5.7.1.1 = DER:04020500\n", "authorityInfoAccess" },
		{ "1.3.6.1.5.5.7.1.24 = DER:0500\n", "TLS feature" },
		{ "1.3.6.1.5.5.7.1.24 = DER:30020200\n", "TLS feature" },
		{ "2.5.29.56 = DER:050100\n", "noRevAvail" },
		{ "2.5.29.56 = DER:3000\n", "noRevAvail" },
		{ "1.3.6.1.5.5.7.48.1.5 = DER:05000500\n", "OCSP nocheck" },
		{ "2.5.29.18 = DER:0500\n", "issuerAltName" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		facts_refused(&(struct pki_spec){ .cn = "www", .extra = bad[i][0] },
		    SST_E_MALFORMED, bad[i][1]);
	facts_refused(&(struct pki_spec){ .cn = "www", .crl = "http://l/",
	    .extra = "2.5.29.31 = DER:300A3008A006A00486026162\n" }, SST_E_MALFORMED, "twice");
}

static void
an_extension_without_content_is_refused(void **state)
{
	static const char *const oids[] = { "2.5.29.18", "2.5.29.19", "2.5.29.31", "2.5.29.56",
	    "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24", "1.3.6.1.5.5.7.48.1.5", "1.2.3.4" };
	const struct sst_cert_facts *f;

	(void)state;
	for (size_t i = 0; i < sizeof(oids) / sizeof(oids[0]); i++) {
		struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
		ASN1_OCTET_STRING *none = ASN1_OCTET_STRING_new();
		ASN1_OBJECT *oid = OBJ_txt2obj(oids[i], 1);
		X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, none);

		assert_true(none != NULL && oid != NULL && e != NULL);
		/* in front of the certificate's own basicConstraints */
		assert_int_equal(X509_add_ext(c->cert, e, 0), 1);
		assert_int_equal(sst_facts_of(c->cert, ca->cert, &f, NULL),
		    i < 7 ? SST_E_MALFORMED : SST_OK);
		X509_EXTENSION_free(e);
		ASN1_OBJECT_free(oid);
		ASN1_OCTET_STRING_free(none);
		pki_free(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_read_in_order_and_counted),
		cmocka_unit_test(rv_87_only_http_is_kept_and_the_rest_is_counted),
		cmocka_unit_test(rv_44_a_url_with_odd_octets_is_not_fetched),
		cmocka_unit_test(many_sources_are_cut_and_counted),
		cmocka_unit_test(rv_106_facts_no_revocation_counts_for_a_leaf_alone),
		cmocka_unit_test(features_and_marks_are_read),
		cmocka_unit_test(an_extension_that_does_not_parse_is_refused),
		cmocka_unit_test(an_extension_without_content_is_refused),
	};

	return cmocka_run_group_tests(tests, facts_world_make, facts_world_free);
}
