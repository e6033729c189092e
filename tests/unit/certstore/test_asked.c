/* SPDX-License-Identifier: ISC */
/* The name that is asked for: what it may be, and which tier answers it. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "certstore/name.h"
#include "world.h"

#define NAME(n)	(&(struct client){ .name = (n) })
#define BYTES(b) (&(struct client){ .name = (b), .name_len = sizeof(b) - 1 })

static const struct sst_choose_policy strict = { .strict = 1 };

static struct pki_cert *www, *wild, *other, *addr;
static struct sst_store *store;		/* www, *.b.c, other (no default), addr */

static int
asked_setup(void **state)
{
	(void)world_setup(state);
	www = leaf(PKI_P256, "www.example.com,_srv.example.com");
	wild = leaf(PKI_P256, "*.b.c");
	other = leaf(PKI_P256, "other.example.net");
	addr = leaf(PKI_P256, "ip.example.com,IP:192.0.2.1,IP:2001:db8::1");
	store = store_make(NULL);
	store_put(store, other);
	store_put(store, www);
	store_put(store, wild);
	store_put(store, addr);
	return 0;
}

static int
asked_teardown(void **state)
{
	sst_store_unref(store);
	pki_free(www);
	pki_free(wild);
	pki_free(other);
	pki_free(addr);
	return world_teardown(state);
}

static int
each_teardown(void **state)
{
	(void)state;
	ask_reset();
	return 0;
}

static void
cs_01_no_server_name_is_answered_by_address_then_default(void **state)
{
	(void)state;
	expect(ask(store, NULL, &(struct client){ .local = "192.0.2.1" }),
	    SST_TIER_IP, addr);
	expect(ask(store, NULL, &(struct client){ .local = "::ffff:192.0.2.1" }),
	    SST_TIER_IP, addr);
	expect(ask(store, NULL, &(struct client){ .local = "2001:db8::1" }),
	    SST_TIER_IP, addr);
	expect(ask(store, NULL, &(struct client){ .local = "192.0.2.2" }),
	    SST_TIER_DEFAULT, other);
	expect(ask(store, NULL, &(struct client){ .local = NULL }),
	    SST_TIER_DEFAULT, other);
	/* strict: an address is as good as a name, nothing else is */
	expect(ask(store, &strict, &(struct client){ .local = "192.0.2.1" }),
	    SST_TIER_IP, addr);
	expect_alert(ask(store, &strict, &(struct client){ .local = "192.0.2.2" }), 109);
	expect_alert(ask(store, &strict, &(struct client){ .tls12 = 1 }), 112);
}

static void
cs_02_an_empty_extension_or_list_is_a_decode_error(void **state)
{
	(void)state;
	expect_alert(ask_raw(store, NULL, "", 0), 50);
	expect_alert(ask_raw(store, NULL, "\0\0", 2), 50);
	expect(ask_raw(store, NULL, "\0\x12\0\0\x0fwww.example.com", 20),
	    SST_TIER_EXACT, www);
	/* lengths that do not agree */
	expect_alert(ask_raw(store, NULL, "\0\x11\0\0\x0fwww.example.com", 20), 50);
	expect_alert(ask_raw(store, NULL, "\0\x12\0\0\x0ewww.example.com", 20), 50);
	expect_alert(ask_raw(store, NULL, "\0\x12\0\0\x0fwww.example.com", 19), 50);
	expect_alert(ask_raw(store, NULL, "\0\x12\0\0\x0fwww.example.comx", 21), 50);
	for (size_t n = 0; n < 20; n++)
		expect_alert(ask_raw(store, NULL, "\0\x12\0\0\x0fwww.example.com", n), 50);
}

static void
cs_03_an_empty_host_name_is_a_decode_error(void **state)
{
	(void)state;
	expect_alert(ask_raw(store, NULL, "\0\3\0\0\0", 5), 50);
	expect(ask_raw(store, NULL, "\0\4\0\0\1x", 6), SST_TIER_DEFAULT, other);
}

static void
cs_04_bytes_that_no_name_holds_are_illegal_and_never_printed_raw(void **state)
{
	static const struct {
		const char	*bytes;
		size_t		 len;
	} bad[] = {
		{ "www.example.com\0", 16 }, { "\0www", 4 }, { "a\x01" "b", 3 },
		{ "\x1b[31m", 5 }, { "a\xff" "b", 3 }, { "a\x7f", 2 }, { "a\nb", 3 },
		{ "a\x1f", 2 }, { "a\x80", 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sst_choice *c = ask(store, NULL, &(struct client){
		    .name = bad[i].bytes, .name_len = bad[i].len });
		char text[512];

		expect_alert(c, 47);
		(void)sst_choice_text(c, text, sizeof(text));
		for (const char *p = text; *p != '\0'; p++)
			assert_true(*p >= 0x20 && *p < 0x7f);
		assert_non_null(strstr(sst_choice_name(c), "\\x"));
	}
	expect(ask(store, NULL, NAME("www.example.com")), SST_TIER_EXACT, www);
	expect(ask(store, NULL, BYTES("a b")), SST_TIER_DEFAULT, other);
}

static void
cs_05_two_host_names_are_a_decode_error(void **state)
{
	(void)state;
	expect_alert(ask_raw(store, NULL, "\0\x08\0\0\1a\0\0\1b", 10), 50);
	expect(ask_raw(store, NULL, "\0\4\0\0\1a", 6), SST_TIER_DEFAULT, other);
}

static void
cs_06_a_name_of_unknown_type_is_a_decode_error_first_or_last(void **state)
{
	(void)state;
	expect_alert(ask_raw(store, NULL, "\0\4\1\0\1a", 6), 50);
	expect_alert(ask_raw(store, NULL, "\0\x08\1\0\1a\0\0\1b", 10), 50);
	expect_alert(ask_raw(store, NULL, "\0\x08\0\0\1a\1\0\1b", 10), 50);
	expect(ask_raw(store, NULL, "\0\4\0\0\1a", 6), SST_TIER_DEFAULT, other);
}

/* `labels` labels of `size` bytes before `tail`. */
static void
long_name(char *out, size_t labels, size_t size, const char *tail)
{
	for (size_t i = 0; i < labels; i++) {
		memset(out, 'a', size);
		out[size] = '.';
		out += size + 1;
	}
	(void)strcpy(out, tail);
}

static void
cs_07_names_and_labels_have_a_largest_size(void **state)
{
	char name[1024], fits[512];
	struct pki_cert *deep;

	(void)state;
	long_name(fits, 3, 63, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk");
	assert_int_equal(strlen(fits), 255);
	deep = leaf(PKI_P256, fits);
	store_put(store, deep);
	expect(ask(store, &strict, NAME(fits)), SST_TIER_EXACT, deep);
	(void)snprintf(name, sizeof(name), "%sx", fits);
	expect_alert(ask(store, &strict, NAME(name)), 112);
	long_name(name, 1, 63, "b.c");
	expect(ask(store, &strict, NAME(name)), SST_TIER_WILDCARD, wild);
	long_name(name, 1, 64, "b.c");
	expect_alert(ask(store, &strict, NAME(name)), 112);
	long_name(name, 127, 1, "b");
	expect_alert(ask(store, &strict, NAME(name)), 112);
	pki_free(deep);
}

static void
cs_08_case_is_folded_as_ascii_in_every_locale(void **state)
{
	(void)state;
	(void)setlocale(LC_ALL, "tr_TR.UTF-8");
	expect(ask(store, &strict, NAME("WWW.ExAmPlE.COM")), SST_TIER_EXACT, www);
	expect(ask(store, &strict, NAME("I.B.C")), SST_TIER_WILDCARD, wild);
	(void)setlocale(LC_ALL, "C");
	expect_alert(ask(store, NULL, NAME("\xc3\x89" "COLE")), 47);
}

static void
cs_09_one_last_dot_is_dropped_and_two_match_nothing(void **state)
{
	struct sst_choice *c;

	(void)state;
	c = ask(store, &strict, NAME("www.example.com."));
	expect(c, SST_TIER_EXACT, www);
	assert_string_equal(sst_choice_name(c), "www.example.com");
	expect_alert(ask(store, &strict, NAME("www.example.com..")), 112);
	expect_alert(ask(store, &strict, NAME(".")), 112);
	expect_alert(ask(store, &strict, NAME("..")), 112);
}

static void
cs_10_empty_labels_match_no_wildcard_and_underscores_are_allowed(void **state)
{
	(void)state;
	expect_alert(ask(store, &strict, NAME(".b.c")), 112);
	expect_alert(ask(store, &strict, NAME("a..b.c")), 112);
	expect(ask(store, &strict, NAME("-a.b.c")), SST_TIER_WILDCARD, wild);
	expect(ask(store, &strict, NAME("_dmarc.b.c")), SST_TIER_WILDCARD, wild);
	expect(ask(store, &strict, NAME("_srv.example.com")), SST_TIER_EXACT, www);
}

static void
cs_11_a_literal_wildcard_as_name_finds_nothing(void **state)
{
	(void)state;
	expect_alert(ask(store, &strict, NAME("*.b.c")), 112);
	expect_alert(ask(store, &strict, NAME("*")), 112);
	expect(ask(store, &strict, NAME("x.b.c")), SST_TIER_WILDCARD, wild);
}

static void
cs_12_an_address_as_name_is_as_no_name(void **state)
{
	static const char *const literals[] = { "192.0.2.1", "2001:db8::1",
	    "[2001:db8::1]", "::1", "192.0.2.1." };

	(void)state;
	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		expect(ask(store, NULL, NAME(literals[i])), SST_TIER_DEFAULT, other);
		expect_alert(ask(store, &strict, NAME(literals[i])), 112);
		/* the address that counts is the one that was reached */
		expect(ask(store, NULL, &(struct client){ .name = literals[i],
		    .local = "192.0.2.1" }), SST_TIER_IP, addr);
	}
	expect(ask(store, &strict, NAME("ip.example.com")), SST_TIER_EXACT, addr);
	expect_alert(ask(store, &strict, NAME("ip:192.0.2.1")), 112);
}

static void
cs_13_a_name_like_a_path_is_a_miss_and_opens_nothing(void **state)
{
	static const char *const names[] = { "../../etc/passwd", "%00", "a/b", "con",
	    "/etc/passwd", "..", "a\\b" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		expect_alert(ask(store, &strict, NAME(names[i])), 112);
		expect(ask(store, NULL, NAME(names[i])), SST_TIER_DEFAULT, other);
	}
}

static void
cs_14_a_labels_alone_are_compared(void **state)
{
	struct pki_cert *idn = leaf(PKI_P256, "xn--cole-9oa.example.com,xn--\xc3\xa9.com,"
	    "\xc3\xa9" "cole.example.org,xn--a.example.com");
	char folded[256];

	(void)state;
	store_put(store, idn);
	expect(ask(store, &strict, NAME("xn--cole-9oa.example.com")),
	    SST_TIER_EXACT, idn);
	/* a bad A-label is compared as the bytes that it is */
	expect(ask(store, &strict, NAME("xn--a.example.com")), SST_TIER_EXACT, idn);
	expect_alert(ask(store, &strict, NAME("xn--cole-9oa.example.org")), 112);
	expect_alert(ask(store, &strict, NAME("\xc3\xa9" "cole.example.org")), 47);
	assert_int_equal(sst_name_fold("\xc3\x89" "COLE.example.com", folded,
	    sizeof(folded), NULL), 0);
	assert_string_equal(folded, "xn--cole-9oa.example.com");
	pki_free(idn);
}

static void
cs_15_the_same_question_gets_the_same_answer_and_another_name_another(void **state)
{
	struct sst_choice *a = ask(store, &strict, NAME("www.example.com"));
	struct sst_choice *b = ask(store, &strict, NAME("other.example.net"));
	struct sst_choice *c = ask(store, &strict, NAME("www.example.com"));

	(void)state;
	/* tls compares these names after a HelloRetryRequest */
	assert_string_not_equal(sst_choice_name(a), sst_choice_name(b));
	assert_string_equal(sst_choice_name(a), sst_choice_name(c));
	assert_memory_equal(sst_choice_digest(a, 0), sst_choice_digest(c, 0), 32);
	assert_memory_not_equal(sst_choice_digest(a, 0), sst_choice_digest(b, 0), 32);
}

static void
cs_16_a_wildcard_is_exactly_one_label(void **state)
{
	(void)state;
	expect(ask(store, &strict, NAME("a.b.c")), SST_TIER_WILDCARD, wild);
	expect_alert(ask(store, &strict, NAME("x.a.b.c")), 112);
	expect_alert(ask(store, &strict, NAME("b.c")), 112);
	assert_true(sst_name_match("*.b.c", "a.b.c"));
	assert_false(sst_name_match("*.b.c", "x.a.b.c"));
	assert_false(sst_name_match("*.b.c", "b.c"));
	assert_false(sst_name_match("*.b.c", ".b.c"));
	assert_false(sst_name_match("*.0.2.1", "ip:192.0.2.1"));
}

static int
count_warnings(void *arg, const struct sst_entry *e)
{
	*(size_t *)arg += e->n_warnings;
	return 0;
}

static void
cs_17_odd_wildcards_are_not_indexed_and_wide_ones_are_with_a_warning(void **state)
{
	struct pki_cert *odd = leaf(PKI_P256, "f*.o.dd,a.*.dd,*,*.,**.o.dd,ok.o.dd");
	struct pki_cert *wide = leaf(PKI_P256, "*.test,*.co.uk");
	struct sst_store *s = store_make(NULL);
	size_t warnings = 0;

	(void)state;
	store_put(s, odd);
	assert_int_equal(sst_store_each(s, count_warnings, &warnings, NULL), 0);
	assert_int_equal(warnings, 5);
	expect(ask(s, &strict, NAME("ok.o.dd")), SST_TIER_EXACT, odd);
	expect_alert(ask(s, &strict, NAME("foo.o.dd")), 112);
	expect_alert(ask(s, &strict, NAME("a.b.dd")), 112);
	expect_alert(ask(s, &strict, NAME("x.o.dd")), 112);
	expect_alert(ask(s, &strict, NAME("dd")), 112);
	store_put(s, wide);
	warnings = 0;
	assert_int_equal(sst_store_each(s, count_warnings, &warnings, NULL), 0);
	assert_int_equal(warnings, 7);
	expect(ask(s, &strict, NAME("a.test")), SST_TIER_WILDCARD, wide);
	expect(ask(s, &strict, NAME("a.co.uk")), SST_TIER_WILDCARD, wide);
	ask_reset();
	sst_store_unref(s);
	pki_free(odd);
	pki_free(wide);
}

static void
cs_21_a_wildcard_covers_an_a_label(void **state)
{
	(void)state;
	expect(ask(store, &strict, NAME("xn--bcher-kva.b.c")), SST_TIER_WILDCARD, wild);
	expect_alert(ask(store, &strict, NAME("xn--bcher-kva.c.c")), 112);
}

static void
cs_22_a_common_name_is_no_name_but_may_be_the_default(void **state)
{
	struct pki_cert *cn = pki_issue(world_ca, &(struct pki_spec){
	    .cn = "cn.example.com" });
	struct sst_store *s = store_make(NULL);
	size_t warnings = 0;

	(void)state;
	store_put(s, cn);
	expect_alert(ask(s, &strict, NAME("cn.example.com")), 112);
	expect(ask(s, NULL, NAME("cn.example.com")), SST_TIER_DEFAULT, cn);
	assert_int_equal(sst_store_each(s, count_warnings, &warnings, NULL), 0);
	assert_int_equal(warnings, 1);
	ask_reset();
	sst_store_unref(s);
	pki_free(cn);
}

static void
cs_23_a_certificate_without_common_name_is_normal(void **state)
{
	(void)state;
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(www->cert)), 0);
	expect(ask(store, &strict, NAME("www.example.com")), SST_TIER_EXACT, www);
}

static void
a_listener_with_names_answers_for_these_alone(void **state)
{
	const char *const names[] = { "www.example.com", "*.b.c", "192.0.2.1" };
	struct sst_choose_policy p = { .names = names, .n_names = 3, .strict = 1 };

	(void)state;
	expect(ask(store, &p, NAME("www.example.com")), SST_TIER_EXACT, www);
	expect(ask(store, &p, NAME("a.b.c")), SST_TIER_WILDCARD, wild);
	expect(ask(store, &p, &(struct client){ .local = "192.0.2.1" }),
	    SST_TIER_IP, addr);
	expect_alert(ask(store, &p, NAME("other.example.net")), 112);
	expect_alert(ask(store, &p, &(struct client){ .local = "2001:db8::1" }), 109);
	/* lax: what it does not answer for is unknown; the first pair of the
	 * store has no name of the list, so there is no default */
	p.strict = 0;
	expect_alert(ask(store, &p, NAME("other.example.net")), 112);
	/* the list makes no certificate valid for a name */
	p.names = (const char *const[]){ "new.example.com" };
	p.n_names = 1;
	expect_alert(ask(store, &p, NAME("new.example.com")), 112);
	/* two listeners of one store do not mix */
	expect(ask(store, NULL, NAME("other.example.net")), SST_TIER_EXACT, other);
	/* a default that has a listed name stays */
	p.names = (const char *const[]){ "other.example.net" };
	expect(ask(store, &p, NAME("www.example.com")), SST_TIER_DEFAULT, other);
}

static void
a_default_can_be_named(void **state)
{
	const struct sst_choose_policy p = { .default_name = "www.example.com" };
	const struct sst_choose_policy q = { .default_name = "x.b.c" };
	const struct sst_choose_policy none = { .default_name = "nobody.example" };

	(void)state;
	expect(ask(store, &p, NAME("unknown.example")), SST_TIER_DEFAULT, www);
	expect(ask(store, &p, &(struct client){ 0 }), SST_TIER_DEFAULT, www);
	expect(ask(store, &q, NAME("unknown.example")), SST_TIER_DEFAULT, wild);
	expect(ask(store, NULL, NAME("unknown.example")), SST_TIER_DEFAULT, other);
	expect_alert(ask(store, &none, NAME("unknown.example")), 112);
	expect(ask(store, &p, NAME("other.example.net")), SST_TIER_EXACT, other);
}

static void
a_name_that_a_person_gave_is_folded_or_refused(void **state)
{
	static const struct {
		const char	*in, *out;
	} good[] = {
		{ "WWW.Example.COM.", "www.example.com" },
		{ "*.B\xc3\xbc" "cher.example", "*.xn--bcher-kva.example" },
		{ "192.0.2.1", "192.0.2.1" }, { "[2001:DB8:0::1]", "2001:db8::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" }, { "_x.example", "_x.example" },
		{ "xn--bcher-KVA.example", "xn--bcher-kva.example" },
		{ "A-1.Example", "a-1.example" }, { "Z9", "z9" },
	};
	static const char *const bad[] = { "", ".", "a..b", "a b", "*", "a.*.b",
	    "**.b", "a/b", "f*.b", "*.192.0.2.1", "a\nb", "-a.b", "a-.b", "a.b-",
	    "ab--c.b", "xn--a.b", "a.xn--a", ".a",
	    "a123456789012345678901234567890123456789012345678901234567890123.b" };
	struct sst_error err;
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		err = (struct sst_error){ .code = SST_OK };
		if (sst_name_fold(good[i].in, out, sizeof(out), &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(out, good[i].out);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = (struct sst_error){ .code = SST_OK };
		if (sst_name_fold(bad[i], out, sizeof(out), &err) != SST_E_USAGE)
			fail_msg("\"%s\" became \"%s\"", bad[i], out);
		assert_true(err.text[0] != '\0');
		assert_null(strchr(err.text, '\n'));
	}
}

#define T(f) cmocka_unit_test_teardown(f, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(cs_01_no_server_name_is_answered_by_address_then_default),
		T(cs_02_an_empty_extension_or_list_is_a_decode_error),
		T(cs_03_an_empty_host_name_is_a_decode_error),
		T(cs_04_bytes_that_no_name_holds_are_illegal_and_never_printed_raw),
		T(cs_05_two_host_names_are_a_decode_error),
		T(cs_06_a_name_of_unknown_type_is_a_decode_error_first_or_last),
		T(cs_07_names_and_labels_have_a_largest_size),
		T(cs_08_case_is_folded_as_ascii_in_every_locale),
		T(cs_09_one_last_dot_is_dropped_and_two_match_nothing),
		T(cs_10_empty_labels_match_no_wildcard_and_underscores_are_allowed),
		T(cs_11_a_literal_wildcard_as_name_finds_nothing),
		T(cs_12_an_address_as_name_is_as_no_name),
		T(cs_13_a_name_like_a_path_is_a_miss_and_opens_nothing),
		T(cs_14_a_labels_alone_are_compared),
		T(cs_15_the_same_question_gets_the_same_answer_and_another_name_another),
		T(cs_16_a_wildcard_is_exactly_one_label),
		T(cs_17_odd_wildcards_are_not_indexed_and_wide_ones_are_with_a_warning),
		T(cs_21_a_wildcard_covers_an_a_label),
		T(cs_22_a_common_name_is_no_name_but_may_be_the_default),
		T(cs_23_a_certificate_without_common_name_is_normal),
		T(a_listener_with_names_answers_for_these_alone),
		T(a_default_can_be_named),
		T(a_name_that_a_person_gave_is_folded_or_refused),
	};

	return cmocka_run_group_tests(tests, asked_setup, asked_teardown);
}
