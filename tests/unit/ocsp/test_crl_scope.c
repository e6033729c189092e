/* SPDX-License-Identifier: ISC */
/*
 * Which CRLs speak for which certificates, and for which reasons. The list never
 * names the certificate here unless the test says so: what counts is who gets a GOOD.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "world_crl.h"

#define DP(x)		"crlDistributionPoints = " x "\n"
#define IDP(x)		"issuingDistributionPoint = critical," x "\n"
#define SOME(x)		"issuingDistributionPoint = critical,@i\n[i]\nonlysomereasons = " x "\n"
#define URI		"fullname:URI:http://crl.example.com/a"
#define ISSUER_DN	"[ca]\nCN = CA\n"

/* What a list with `idp` says of a certificate with `dp` (both: extensions). */
static struct sst_evidence
scope_of(const char *dp, const char *idp, int is_ca, int listed)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "c", .extra = dp,
	    .ca = is_ca });
	struct make_crl_row row = { .cert = c };
	struct sst_evidence e = crl_judge_made(&(struct make_crl){ .issuer = ca, .extra = idp,
	    .rows = &row, .n_rows = listed ? 1 : 0 }, &(struct crl_ask){ .cert = c });

	pki_free(c);
	return e;
}

static enum sst_evidence_status
status_of(const char *dp, const char *idp)
{
	/* whatever the scope: a serial that is listed is revoked */
	assert_int_equal(scope_of(dp, idp, 0, 1).status, SST_EV_REVOKED);
	return scope_of(dp, idp, 0, 0).status;
}

#define assert_good(s)		assert_int_equal((s), SST_EV_GOOD)
#define assert_nothing(s)	assert_int_equal((s), SST_EV_NOTHING)

static void
rv_68_the_lists_uri_may_be_any_of_the_certificates_in_any_point(void **state)
{
	(void)state;
	assert_good(status_of(DP("URI:http://crl.example.com/a"), IDP(URI)));
	assert_good(status_of(DP("URI:http://b/,URI:http://crl.example.com/a"), IDP(URI)));
	assert_good(status_of(DP("URI:http://b/,URI:http://c/,URI:http://crl.example.com/a"),
	    IDP(URI)));
	assert_good(status_of(DP("p") "[p]\nfullname = URI:http://b/,"
	    "URI:http://crl.example.com/a\n", IDP(URI)));
	/* several in the list */
	assert_good(status_of(DP("URI:http://crl.example.com/a"), "issuingDistributionPoint = "
	    "critical,@i\n[i]\nfullname = URI:http://z/,URI:http://crl.example.com/a\n"));
	assert_nothing(status_of(DP("URI:http://b/,URI:http://c/,URI:http://d/"), IDP(URI)));
}

static void
rv_69_a_uri_that_the_certificate_does_not_name_is_out_of_scope(void **state)
{
	static const char *const near[] = { DP("URI:http://crl.example.com/b"),
		DP("URI:http://crl.example.com/"), DP("URI:http://crl.example.com/aa"),
		DP("URI:http://CRL.example.com/a"), DP("dirName:d") "[d]\nCN = a\n",
		DP("DNS:http://crl.example.com/a") };

	(void)state;
	for (size_t i = 0; i < sizeof(near) / sizeof(near[0]); i++)
		assert_nothing(status_of(near[i], IDP(URI)));
}

static void
rv_70_a_list_without_a_point_of_its_own_is_in_scope(void **state)
{
	(void)state;
	assert_good(status_of(DP("URI:http://b/"), NULL));
	assert_good(status_of(DP("URI:http://b/"), IDP("onlyuser:TRUE")));
	assert_good(status_of(NULL, NULL));
	assert_nothing(status_of(DP("URI:http://b/"), IDP(URI)));
}

static void
rv_71_without_points_only_the_issuers_own_name_is_in_scope(void **state)
{
	(void)state;
	assert_nothing(status_of(NULL, IDP(URI)));
	assert_good(status_of(NULL, IDP("fullname:dirName:ca") ISSUER_DN));
	assert_nothing(status_of(NULL, IDP("fullname:dirName:ca") "[ca]\nCN = CB\n"));
	assert_good(status_of("issuerAltName = URI:http://crl.example.com/a\n", IDP(URI)));
	assert_nothing(status_of("issuerAltName = URI:http://crl.example.com/b\n", IDP(URI)));
	/* the issuer's name stands for points that are missing, not for others */
	assert_nothing(status_of(DP("URI:http://b/"), IDP("fullname:dirName:ca") ISSUER_DN));
}

static void
rv_72_the_exact_shard_says_revoked_beside_a_broad_good_also_when_expired(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "c",
	    .crl = "http://crl.example.com/a" });
	struct make_crl_row row = { .cert = c };
	const struct crl_ask ask = { .cert = c };
	struct sst_evidence e;

	(void)state;
	assert_good(crl_judge_made(&(struct make_crl){ .issuer = ca }, &ask).status);
	e = crl_judge_made(&(struct make_crl){ .issuer = ca, .extra = IDP(URI), .rows = &row,
	    .n_rows = 1, .next_update = PKI_NOW - 1000 }, &ask);
	assert_int_equal(e.status, SST_EV_REVOKED);
	assert_int_equal(e.until, PKI_NOW - 1000);
	e = crl_judge_made(&(struct make_crl){ .issuer = ca, .extra = IDP(URI),
	    .next_update = PKI_NOW - 1000 }, &ask);
	assert_good(e.status);		/* and stale, which is the verdict's to say */
	assert_int_equal(e.until, PKI_NOW - 1000);
	pki_free(c);
}

static void
rv_73_lists_of_one_kind_of_certificate_say_nothing_of_the_other(void **state)
{
	(void)state;
	assert_good(scope_of(NULL, IDP("onlyuser:TRUE"), 0, 0).status);
	assert_nothing(scope_of(NULL, IDP("onlyuser:TRUE"), 1, 0).status);
	assert_good(scope_of(NULL, IDP("onlyCA:TRUE"), 1, 0).status);
	assert_nothing(scope_of(NULL, IDP("onlyCA:TRUE"), 0, 0).status);
	assert_nothing(scope_of(NULL, IDP("onlyAA:TRUE"), 0, 0).status);
	assert_nothing(scope_of(NULL, IDP("onlyAA:TRUE"), 1, 0).status);
	assert_int_equal(scope_of(NULL, IDP("onlyCA:TRUE"), 0, 1).status, SST_EV_REVOKED);
}

static void
rv_73_a_malformed_issuing_distribution_point_is_an_error(void **state)
{
	static const char *const bad[] = {
		"3000",				/* empty */
		"3003810100",			/* FALSE, written */
		"3003820100", "3003840100", "3003850100",
		"3003810101",			/* no DER boolean */
		"30068101ff8201ff",		/* two of "only" */
		"30068101ff8501ff", "30068201ff8501ff",
		"30068201ff8101ff",		/* out of order */
		"3003 8101ff00", "30028100", "3003 8601ff",
		"30058303070102", "8101ff" };
	char text[100];
	struct sst_evidence e;

	(void)state;
	assert_good(scope_of(NULL, "2.5.29.28 = critical,DER:30038101ff\n", 0, 0).status);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t n = (size_t)snprintf(text, sizeof(text), "2.5.29.28 = critical,DER:");

		for (const char *p = bad[i]; *p != '\0'; p++)
			if (*p != ' ')
				text[n++] = *p;
		text[n] = '\0';
		e = scope_of(NULL, text, 0, 0);
		assert_int_equal(e.status, SST_EV_ERROR);
		assert_int_equal(e.fault, SST_FAULT_MALFORMED);
	}
}

static void
a_point_name_that_cannot_be_read_is_out_of_scope(void **state)
{
	/* { [0] { [0] { URI "a" } } }, and with more behind the name, or a foreign tag */
	static const char dp[] = DP("URI:a");

	(void)state;
	assert_good(status_of(dp, "2.5.29.28 = critical,DER:3007a005a003860161\n"));
	assert_nothing(status_of(dp, "2.5.29.28 = critical,DER:300ca00aa003860161a003860161\n"));
	assert_nothing(status_of(dp, "2.5.29.28 = critical,DER:3007a005a003860261\n"));
	assert_nothing(status_of(dp, "2.5.29.28 = critical,DER:3002a000\n"));
	assert_nothing(status_of(dp, "2.5.29.28 = critical,DER:3004a002a000\n"));
}

static void
an_issuing_distribution_point_that_is_too_long_is_an_error(void **state)
{
	static char text[2 * 4200 + 100];
	struct sst_evidence e;
	size_t n;

	(void)state;
	for (int extra = 0; extra < 2; extra++) {
		/* 30 82 len, a0 82 len, a0 82 len, 86 82 len URI: 4096 in all, or one more */
		unsigned all = 4096 + (unsigned)extra;

		n = (size_t)snprintf(text, sizeof(text), "2.5.29.28 = critical,DER:"
		    "3082%04xa082%04xa082%04x8682%04x", all - 4, all - 8, all - 12, all - 16);
		for (unsigned i = 0; i < all - 16; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "61");
		e = scope_of(DP("URI:http://b/"), text, 0, 0);
		if (extra == 0)
			assert_nothing(e.status);
		else
			assert_int_equal(e.fault, SST_FAULT_SIZE);
	}
}

static void
rv_74_a_list_of_some_reasons_is_a_part_and_revoked_all_the_same(void **state)
{
	struct sst_evidence e;

	(void)state;
	e = scope_of(NULL, SOME("keyCompromise,CACompromise"), 0, 0);
	assert_nothing(e.status);
	assert_int_equal(e.partial, 1);
	assert_int_equal(e.covered, 1 << 1 | 1 << 2);
	assert_int_equal(e.until, PKI_NOW + 6 * PKI_DAY);
	e = scope_of(NULL, SOME("keyCompromise"), 0, 1);
	assert_int_equal(e.status, SST_EV_REVOKED);
	e = scope_of(NULL, SOME("keyCompromise,CACompromise,"
	    "affiliationChanged,superseded,cessationOfOperation,certificateHold,"
	    "privilegeWithdrawn,AACompromise"), 0, 0);
	assert_good(e.status);
	assert_int_equal(e.covered, SST_REASONS_ALL);
	/* all but one */
	e = scope_of(NULL, SOME("keyCompromise,CACompromise,"
	    "affiliationChanged,superseded,cessationOfOperation,certificateHold,"
	    "privilegeWithdrawn"), 0, 0);
	assert_nothing(e.status);
	assert_int_equal(e.covered, SST_REASONS_ALL & ~(1u << 8));
}

#define SPLIT	DP("p,q") "[p]\nfullname = URI:http://crl.example.com/a\nreasons = " \
		"keyCompromise,CACompromise\n[q]\nfullname = URI:http://crl.example.com/b\n" \
		"reasons = superseded\n"

static void
rv_74_a_points_reasons_limit_what_its_list_covers(void **state)
{
	struct sst_evidence e;

	(void)state;
	e = scope_of(SPLIT, IDP(URI), 0, 0);
	assert_nothing(e.status);
	assert_int_equal(e.partial, 1);
	assert_int_equal(e.covered, 1 << 1 | 1 << 2);
	e = scope_of(SPLIT, IDP("fullname:URI:http://crl.example.com/b"), 0, 0);
	assert_int_equal(e.covered, 1 << 4);
	e = scope_of(SPLIT, "issuingDistributionPoint = critical,@i\n[i]\nfullname = "
	    "URI:http://crl.example.com/a\nonlysomereasons = CACompromise,superseded\n", 0, 0);
	assert_int_equal(e.partial, 1);
	assert_int_equal(e.covered, 1 << 2);
	e = scope_of(SPLIT, "issuingDistributionPoint = critical,@i\n[i]\nfullname = "
	    "URI:http://crl.example.com/a\nonlysomereasons = superseded\n", 0, 0);
	assert_nothing(e.status);
	assert_int_equal(e.partial, 0);
	assert_int_equal(e.covered, 0);
	assert_good(scope_of(SPLIT, NULL, 0, 0).status);
}

static struct sst_evidence
indirect(const struct make_crl_row *rows, size_t n, const struct pki_cert *c, const char *idp)
{
	return crl_judge_made(&(struct make_crl){ .issuer = ca, .extra = idp, .rows = rows,
	    .n_rows = n }, &(struct crl_ask){ .cert = c });
}

static void
rv_75_an_entry_of_another_issuer_sticks_and_an_indirect_list_is_never_good(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "c" });
	struct pki_cert *d = pki_issue(ca, &(struct pki_spec){ .cn = "d" });
	const char *idp = IDP("indirectCRL:TRUE");
	struct make_crl_row rows[3] = { { .cert = d }, { .cert = c }, { .cert = d } };

	(void)state;
	assert_nothing(indirect(rows, 1, c, idp).status);
	assert_int_equal(indirect(rows, 2, c, idp).status, SST_EV_REVOKED);
	rows[0].issuer = root;		/* from here on they are root's */
	assert_nothing(indirect(rows, 2, c, idp).status);
	assert_nothing(indirect(rows, 3, d, idp).status);
	rows[1].issuer = ca;		/* and here ours again, to the end */
	assert_int_equal(indirect(rows, 2, c, idp).status, SST_EV_REVOKED);
	assert_int_equal(indirect(rows, 3, d, idp).status, SST_EV_REVOKED);
	/* an entry makes a list indirect that does not say so */
	assert_nothing(indirect(rows, 1, c, NULL).status);
	rows[0].issuer = NULL;
	assert_good(indirect(rows, 1, c, NULL).status);
	pki_free(d);
	pki_free(c);
}

static void
rv_75_a_point_with_another_crl_issuer_is_not_this_list(void **state)
{
#define OF(cn)	DP("p") "[p]\nfullname = URI:http://crl.example.com/a\n" \
		"CRLissuer = dirName:n\n[n]\nCN = " cn "\n"
	(void)state;
	assert_nothing(status_of(OF("Other"), IDP(URI)));
	assert_good(status_of(OF("CA"), IDP(URI)));
	assert_good(status_of(OF("Other"), NULL));
}

static void
rv_76_a_relative_name_is_resolved_against_the_issuer(void **state)
{
	static const char full[] = DP("dirName:d") "[d]\n0.CN = CA\n1.CN = shard\n";
	static const char relative[] = DP("p") "[p]\nrelativename = r\n[r]\nCN = shard\n";
	static const char list[] = IDP("relativename:r") "[r]\nCN = shard\n";
	static const char list_full[] = IDP("fullname:dirName:d") "[d]\n0.CN = CA\n"
	    "1.CN = shard\n";
	static const char shark[] = IDP("relativename:r") "[r]\nCN = shark\n";

	(void)state;
	assert_good(status_of(full, list));
	assert_good(status_of(relative, list));
	assert_good(status_of(relative, list_full));
	assert_good(status_of(full, list_full));
	assert_nothing(status_of(full, shark));
	assert_nothing(status_of(relative, shark));
	assert_nothing(status_of(DP("dirName:d") "[d]\nCN = shard\n", list));
	assert_nothing(status_of(NULL, list));
}

/* A relative name of `len` octets, in the certificate's point and in the list's. */
static enum sst_evidence_status
long_relative(unsigned len)
{
	static char dp[2 * 5000], idp[2 * 5000];
	size_t a, b;

	a = (size_t)snprintf(dp, sizeof(dp), "2.5.29.31 = DER:3082%04x3082%04xa082%04xa182%04x",
	    len + 12, len + 8, len + 4, len);
	b = (size_t)snprintf(idp, sizeof(idp),
	    "2.5.29.28 = critical,DER:3082%04xa082%04xa182%04x", len + 8, len + 4, len);
	for (unsigned i = 0; i < len; i++) {
		a += (size_t)snprintf(dp + a, sizeof(dp) - a, "61");
		b += (size_t)snprintf(idp + b, sizeof(idp) - b, "61");
	}
	return status_of(dp, idp);
}

static void
rv_76_a_relative_name_that_is_too_long_to_resolve_is_out_of_scope(void **state)
{
	/* 4,096 octets: the head of 4, CN=CA of 13, the RDN with its head of 4 */
	(void)state;
	assert_good(long_relative(300));
	assert_good(long_relative(4096 - 4 - 13 - 4));
	assert_nothing(long_relative(4096 - 4 - 13 - 3));
	assert_nothing(long_relative(4096 - 12));
}

static void
rv_77_a_delta_is_never_good_and_what_it_adds_is_revoked(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "c" });
	struct make_crl_row row = { .cert = c, .extra = MAKE_CRL_REASON(1) };
	struct make_crl m = { .issuer = ca, .rows = &row, .number = "05" };
	const struct crl_ask ask = { .cert = c };
	struct sst_evidence e;

	(void)state;
	assert_good(crl_judge_made(&m, &ask).status);
	m.extra = MAKE_CRL_DELTA(03);
	assert_nothing(crl_judge_made(&m, &ask).status);
	m.n_rows = 1;
	e = crl_judge_made(&m, &ask);
	assert_int_equal(e.status, SST_EV_REVOKED);
	assert_int_equal(e.reason, 1);
	row.extra = MAKE_CRL_REASON(6);
	assert_int_equal(crl_judge_made(&m, &ask).status, SST_EV_REVOKED);
	row.extra = MAKE_CRL_REASON(8);
	assert_nothing(crl_judge_made(&m, &ask).status);
	/* CVE-2026-28388: no number at all */
	m.number = "";
	e = crl_judge_made(&m, &ask);
	assert_int_equal(e.status, SST_EV_ERROR);
	assert_int_equal(e.fault, SST_FAULT_MALFORMED);
	m.number = "05";
	m.extra = "2.5.29.27 = critical,DER:0201ff\n";
	assert_int_equal(crl_judge_made(&m, &ask).fault, SST_FAULT_MALFORMED);
	m.extra = "2.5.29.27 = DER:020103\n";	/* not critical, and a delta all the same */
	assert_nothing(crl_judge_made(&m, &ask).status);
	pki_free(c);
}

static void
rv_79_a_swapped_shard_with_a_valid_signature_is_out_of_scope(void **state)
{
	struct sst_evidence e = scope_of(DP("URI:http://crl.example.com/1"),
	    IDP("fullname:URI:http://crl.example.com/2"), 0, 0);

	(void)state;
	assert_nothing(e.status);
	assert_int_equal(e.partial, 0);
	assert_non_null(strstr(e.text, "does not name"));
	e = scope_of(DP("URI:http://crl.example.com/1"),
	    IDP("fullname:URI:http://crl.example.com/1"), 0, 0);
	assert_good(e.status);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_68_the_lists_uri_may_be_any_of_the_certificates_in_any_point),
		cmocka_unit_test(rv_69_a_uri_that_the_certificate_does_not_name_is_out_of_scope),
		cmocka_unit_test(rv_70_a_list_without_a_point_of_its_own_is_in_scope),
		cmocka_unit_test(rv_71_without_points_only_the_issuers_own_name_is_in_scope),
		cmocka_unit_test(
		    rv_72_the_exact_shard_says_revoked_beside_a_broad_good_also_when_expired),
		cmocka_unit_test(rv_73_lists_of_one_kind_of_certificate_say_nothing_of_the_other),
		cmocka_unit_test(rv_73_a_malformed_issuing_distribution_point_is_an_error),
		cmocka_unit_test(a_point_name_that_cannot_be_read_is_out_of_scope),
		cmocka_unit_test(an_issuing_distribution_point_that_is_too_long_is_an_error),
		cmocka_unit_test(rv_74_a_list_of_some_reasons_is_a_part_and_revoked_all_the_same),
		cmocka_unit_test(rv_74_a_points_reasons_limit_what_its_list_covers),
		cmocka_unit_test(
		    rv_75_an_entry_of_another_issuer_sticks_and_an_indirect_list_is_never_good),
		cmocka_unit_test(rv_75_a_point_with_another_crl_issuer_is_not_this_list),
		cmocka_unit_test(rv_76_a_relative_name_is_resolved_against_the_issuer),
		cmocka_unit_test(
		    rv_76_a_relative_name_that_is_too_long_to_resolve_is_out_of_scope),
		cmocka_unit_test(rv_77_a_delta_is_never_good_and_what_it_adds_is_revoked),
		cmocka_unit_test(rv_79_a_swapped_shard_with_a_valid_signature_is_out_of_scope),
	};

	return cmocka_run_group_tests(tests, crl_world_make, crl_world_free);
}
