/* SPDX-License-Identifier: ISC */
/*
 * The index of a list: every serial that it names is found in its bucket, no other
 * is, and a damaged bucket is not believed. And which of two lists is the newer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_crl.h"

#define SERIALS	5000

static struct sst_crl *
opened(const struct pki_buf *der)
{
	const struct sst_crl_signers who = { .issuer = ca->cert, .above = root->cert };
	struct sst_crl *crl = NULL;
	struct sst_limits limits;
	enum sst_fault fault;

	sst_limits_of(NULL, &limits);
	assert_int_equal(sst_crl_open(der->data, der->len, &who, PKI_NOW, &limits, &crl,
	    &fault, NULL), 0);
	return crl;
}

struct kept {
	struct pki_buf	*blobs;		/* of each bucket */
	uint32_t	 buckets;
	int64_t		 last;
	unsigned	 calls, stop_at;
};

static int
keep(void *arg, uint32_t bucket, const void *blob, size_t len)
{
	struct kept *k = arg;

	assert_true(bucket < k->buckets);
	assert_true((int64_t)bucket > k->last);
	assert_true(len > 0);
	k->last = bucket;
	if (k->blobs != NULL)
		pki_put(&k->blobs[bucket], blob, len);
	return ++k->calls == k->stop_at ? 7 : 0;
}

/* Serial number i: 1 to 20 octets. */
static size_t
serial_of(unsigned i, unsigned char out[20])
{
	size_t len = 3 + i % 18;

	memset(out, 0x40, 20);
	out[len - 1] = (unsigned char)i;
	out[len - 2] = (unsigned char)(i >> 8);
	out[len - 3] = 0x41;
	return len;
}

static int
find(const struct kept *k, unsigned bits, const void *serial, size_t len,
    struct sst_crl_entry *ret)
{
	struct sst_cert_key key = { .serial_len = (uint8_t)len };
	const struct pki_buf *blob;

	assert_int_equal(sst_issuer_id_of(ca->cert, &key.issuer, NULL), 0);
	memcpy(key.serial, serial, len);
	blob = &k->blobs[sst_crl_bucket(&key, bits)];
	return blob->len == 0 ? 0 : sst_crl_bucket_find(blob->data, blob->len, &key, ret);
}

/* An extension of no meaning that makes an entry long: of 110 or 300 octets. */
static const char *
long_extra(int longer)
{
	static char texts[2][2 * 300 + 40];
	char *text = texts[longer];
	size_t n = (size_t)snprintf(text, sizeof(texts[0]), "1.2.3.4 = DER:");

	for (unsigned i = 0; i < (longer ? 300 : 110); i++)
		n += (size_t)snprintf(text + n, sizeof(texts[0]) - n, "5a");
	return text;
}

static struct pki_buf
many(unsigned n)
{
	struct make_crl_row *rows = calloc(n, sizeof(*rows));
	unsigned char *serials = calloc(n, 20);
	struct pki_buf der;

	assert_true(rows != NULL && serials != NULL);
	for (unsigned i = 0; i < n; i++) {
		rows[i].serial = serials + (size_t)i * 20;
		rows[i].serial_len = serial_of(i, serials + (size_t)i * 20);
		rows[i].date = 1000000000 + (time_t)i;
		/* entries with heads of two, three and four octets */
		rows[i].extra = i % 3 == 0 ? MAKE_CRL_REASON(4) : i % 3 == 1 ? NULL :
		    long_extra(i % 2 == 0);
	}
	der = make_crl(&(struct make_crl){ .issuer = ca, .rows = rows, .n_rows = n });
	free(serials);
	free(rows);
	return der;
}

static void
every_serial_is_found_in_its_bucket_and_no_other(void **state)
{
	struct pki_buf der = many(SERIALS);
	struct sst_crl *crl = opened(&der);
	const struct sst_crl_head *head = sst_crl_head(crl);
	struct kept k = { .buckets = 1u << head->bits, .last = -1 };
	unsigned char serial[21] = { 0 };
	struct sst_crl_entry e;
	size_t len, most = 0;

	(void)state;
	assert_int_equal(head->entries, SERIALS);
	assert_int_equal(head->size, der.len);
	assert_int_equal(head->bits, 6);	/* 78 a bucket */
	k.blobs = calloc(k.buckets, sizeof(*k.blobs));
	assert_non_null(k.blobs);
	assert_int_equal(sst_crl_index(crl, keep, &k, NULL), 0);
	for (unsigned i = 0; i < SERIALS; i++) {
		len = serial_of(i, serial);
		assert_int_equal(find(&k, head->bits, serial, len, &e), 1);
		assert_int_equal(e.revoked_at, 1000000000 + i);
		assert_int_equal(e.reason, i % 3 == 0 ? 4 : -1);
		serial[len] = 0;
		assert_int_equal(find(&k, head->bits, serial, len + 1, &e), 0);
		assert_int_equal(find(&k, head->bits, serial, len - 1, &e), 0);
		serial[len - 3] = 0x42;
		assert_int_equal(find(&k, head->bits, serial, len, &e), 0);
	}
	for (unsigned b = 0; b < k.buckets; b++) {
		most = k.blobs[b].len > most ? k.blobs[b].len : most;
		pki_buf_free(&k.blobs[b]);
	}
	assert_true(most < (size_t)27 * 150);
	free(k.blobs);
	sst_crl_free(crl);
	pki_buf_free(&der);
}

static void
buckets_double_when_they_would_hold_more_than_ninety(void **state)
{
	static const struct { unsigned n, bits; } sizes[] = {
		{ 0, 0 }, { 1, 0 }, { 90, 0 }, { 91, 1 }, { 181, 1 }, { 182, 2 },
	};
	struct kept k = { .last = -1 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct pki_buf der = many(sizes[i].n);
		struct sst_crl *crl = opened(&der);

		assert_int_equal(sst_crl_head(crl)->bits, sizes[i].bits);
		k = (struct kept){ .last = -1, .buckets = 1u << sizes[i].bits };
		assert_int_equal(sst_crl_index(crl, keep, &k, NULL), 0);
		assert_int_equal(k.calls, sizes[i].n == 0 ? 0 : k.buckets);
		sst_crl_free(crl);
		pki_buf_free(&der);
	}
}

static void
indexing_stops_when_the_receiver_says_so(void **state)
{
	struct pki_buf der = many(1000);
	struct sst_crl *crl = opened(&der);
	struct kept k = { .last = -1, .buckets = 1u << sst_crl_head(crl)->bits, .stop_at = 3 };

	(void)state;
	assert_int_equal(sst_crl_index(crl, keep, &k, NULL), 7);
	assert_int_equal(k.calls, 3);
	sst_crl_free(crl);
	pki_buf_free(&der);
}

/* The one bucket of a list with these rows. */
static struct pki_buf
bucket_of(const struct make_crl_row *rows, size_t n)
{
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = ca, .rows = rows,
	    .n_rows = n });
	struct sst_crl *crl = opened(&der);
	struct pki_buf blob = { 0 };
	struct kept k = { .blobs = &blob, .last = -1, .buckets = 1 };

	assert_int_equal(sst_crl_index(crl, keep, &k, NULL), 0);
	sst_crl_free(crl);
	pki_buf_free(&der);
	return blob;
}

static int
find_in(const struct pki_buf *blob, const char *serial, struct sst_crl_entry *ret)
{
	const struct kept k = { .blobs = (struct pki_buf *)(uintptr_t)blob, .buckets = 1 };

	return find(&k, 0, serial, strlen(serial), ret);
}

#define SERIAL(s)	.serial = (const unsigned char *)(s), .serial_len = sizeof(s) - 1

static void
dates_far_from_now_and_doubled_serials_keep_their_worth(void **state)
{
	const struct make_crl_row rows[] = {
		{ SERIAL("b"), .date = -600000000 },	/* 1950 */
		{ SERIAL("a"), .date = 253402300799 },	/* 9999-12-31 23:59:59 */
		{ SERIAL("c"), .extra = MAKE_CRL_REASON(8) },
		{ SERIAL("c"), .extra = MAKE_CRL_REASON(6), .date = 11 },
		{ SERIAL("c"), .extra = MAKE_CRL_REASON(1), .date = 22 },
		{ SERIAL("c"), .extra = MAKE_CRL_REASON(6), .date = 33 },
	};
	struct pki_buf blob = bucket_of(rows, sizeof(rows) / sizeof(rows[0]));
	struct sst_crl_entry e;

	(void)state;
	assert_int_equal(blob.len, 3 * 8);
	assert_int_equal(find_in(&blob, "b", &e), 1);
	assert_int_equal(e.revoked_at, -600000000);
	assert_int_equal(find_in(&blob, "a", &e), 1);
	assert_int_equal(e.revoked_at, 253402300799);
	assert_int_equal(find_in(&blob, "c", &e), 1);
	assert_int_equal(e.reason, 1);
	assert_int_equal(e.revoked_at, 22);
	assert_int_equal(find_in(&blob, "d", &e), 0);
	pki_buf_free(&blob);
}

static void
of_equal_entries_the_first_of_the_list_counts_in_every_bucket(void **state)
{
	enum { N = 600 };
	struct make_crl_row *rows = calloc(2 * N, sizeof(*rows));
	unsigned char serials[N][20];
	struct kept k = { .last = -1 };
	struct sst_crl_entry e;
	struct sst_crl *crl;
	struct pki_buf der;

	(void)state;
	assert_non_null(rows);
	for (unsigned i = 0; i < 2 * N; i++) {
		rows[i].serial = serials[i % N];
		rows[i].serial_len = serial_of(i % N, serials[i % N]);
		rows[i].date = 1000000000 + (time_t)i;
	}
	der = make_crl(&(struct make_crl){ .issuer = ca, .rows = rows, .n_rows = 2 * N });
	crl = opened(&der);
	k.buckets = 1u << sst_crl_head(crl)->bits;
	k.blobs = calloc(k.buckets, sizeof(*k.blobs));
	assert_non_null(k.blobs);
	assert_int_equal(sst_crl_index(crl, keep, &k, NULL), 0);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(find(&k, sst_crl_head(crl)->bits, serials[i],
		    rows[i].serial_len, &e), 1);
		assert_int_equal(e.revoked_at, 1000000000 + i);
	}
	for (unsigned b = 0; b < k.buckets; b++)
		pki_buf_free(&k.blobs[b]);
	free(k.blobs);
	sst_crl_free(crl);
	pki_buf_free(&der);
	free(rows);
}

static void
entries_of_other_issuers_are_not_in_the_index(void **state)
{
	const struct make_crl_row rows[] = { { SERIAL("a") },
		{ SERIAL("b"), .issuer = root }, { SERIAL("c") }, { SERIAL("d"), .issuer = ca } };
	struct pki_buf blob = bucket_of(rows, 4);
	struct sst_crl_entry e;

	(void)state;
	assert_int_equal(blob.len, 2 * 8);
	assert_int_equal(find_in(&blob, "a", &e), 1);
	assert_int_equal(find_in(&blob, "b", &e), 0);
	assert_int_equal(find_in(&blob, "d", &e), 1);
	pki_buf_free(&blob);
}

static void
a_damaged_bucket_is_an_error_also_for_a_serial_before_the_damage(void **state)
{
	const struct make_crl_row rows[] = { { SERIAL("a") }, { SERIAL("b") },
		{ SERIAL("cc"), .extra = MAKE_CRL_REASON(1) } };
	struct pki_buf blob = bucket_of(rows, 3);
	static const struct { size_t at; char value; } damage[] = {
		{ 0, 0 }, { 0, 2 }, { 0, 65 }, { 0, (char)0xff },	/* lengths */
		{ 1, 'b' }, { 1, 'z' },					/* order */
		{ 24, 11 }, { 15, (char)0xfe },				/* reasons */
		{ 16, 1 },
	};
	struct sst_crl_entry e;
	char was;

	(void)state;
	assert_int_equal(blob.len, 25);
	assert_int_equal(find_in(&blob, "a", &e), 1);
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		was = blob.data[damage[i].at];
		blob.data[damage[i].at] = damage[i].value;
		assert_int_equal(find_in(&blob, "b", &e), SST_E_MALFORMED);
		assert_int_equal(find_in(&blob, "a", &e), SST_E_MALFORMED);
		assert_int_equal(find_in(&blob, "x", &e), SST_E_MALFORMED);
		blob.data[damage[i].at] = was;
	}
	for (size_t n = 63; n <= 67; n++) {	/* whole records of a serial of n - 2 */
		struct pki_buf whole = { 0 };
		const char zero[80] = { (char)(n == 63 ? 0 : n - 2) };

		pki_put(&whole, zero, n == 63 ? 7 : n + 5);
		assert_int_equal(find_in(&whole, "x", &e), n == 63 || n == 67 ?
		    SST_E_MALFORMED : 0);
		pki_buf_free(&whole);
	}
	for (size_t len = 1; len < 25; len++) {
		blob.len = len;
		assert_int_equal(find_in(&blob, "a", &e), len == 8 || len == 16 ? 1 :
		    SST_E_MALFORMED);
	}
	pki_buf_free(&blob);
}

static struct sst_crl_head
head(time_t this_update, const char *number, int64_t until)
{
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = ca, .number = number,
	    .this_update = this_update, .next_update = until,
	    .quirks = *number == '\0' ? MAKE_CRL_V1 : 0 });
	struct sst_crl *crl = opened(&der);
	struct sst_crl_head h = *sst_crl_head(crl);

	sst_crl_free(crl);
	pki_buf_free(&der);
	return h;
}

static void
rv_78_the_order_of_lists_is_by_number_and_never_back_in_time(void **state)
{
	const time_t day = PKI_NOW - PKI_DAY, end = PKI_NOW + PKI_DAY;
	struct sst_crl_head kept = head(day, "0100", end), fresh;

	(void)state;
	assert_int_equal(sst_crl_order(&kept, &kept), SST_CRL_SAME);
	fresh = head(day + 1, "0101", end);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_NEWER);
	assert_int_equal(sst_crl_order(&kept, &fresh), SST_CRL_OLDER);
	fresh = head(day, "0101", end);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_NEWER);
	/* a lower number, whatever the date: 0xff is lower than 0x100 */
	fresh = head(day + 1, "00ff", end);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_OLDER);
	fresh = head(day - 1, "0101", end);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_OLDER);
	fresh = head(day, "0100", end + 1);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_TWIN);
	fresh = head(day + 1, "0100", end);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_TWIN);
	/* without numbers the date decides */
	kept = head(day, "", end);
	fresh = head(day + 1, "", end);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_NEWER);
	assert_int_equal(sst_crl_order(&kept, &fresh), SST_CRL_OLDER);
	fresh = head(day, "", end + 1);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_TWIN);
	fresh = head(day + 1, "05", end);
	assert_int_equal(sst_crl_order(&fresh, &kept), SST_CRL_NEWER);
}

/* What a kept head says of a certificate that is not listed (`listed`: that is). */
static struct sst_evidence
later(const struct sst_crl_head *h, int64_t now, int listed, const struct sst_limits *limits)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "c" });
	const struct sst_crl_entry entry = { .revoked_at = 5, .reason = 1 };
	const struct sst_cert_facts *facts;
	struct sst_evidence e;

	assert_int_equal(sst_facts_of(c->cert, ca->cert, &facts, NULL), 0);
	sst_crl_evidence(h, facts, listed ? &entry : NULL, now, limits, &e);
	pki_free(c);
	return e;
}

static void
a_kept_list_is_judged_by_the_time_and_the_limits_of_each_check(void **state)
{
	const time_t day = PKI_NOW - PKI_DAY;
	struct sst_crl_head h = head(day, "01", PKI_NOW + 6 * PKI_DAY);
	struct sst_limits limits;

	(void)state;
	sst_limits_of(NULL, &limits);
	/* the clock went back to before the list: never good, and revoked all the same */
	assert_int_equal(later(&h, day - 300, 0, &limits).status, SST_EV_GOOD);
	assert_int_equal(later(&h, day - 301, 0, &limits).fault, SST_FAULT_CLOCK);
	assert_int_equal(later(&h, day - 301, 1, &limits).status, SST_EV_REVOKED);
	assert_int_equal(later(&h, day, 0, &limits).until, PKI_NOW + 6 * PKI_DAY);
	limits.crl_max_age = 2 * PKI_DAY;
	assert_int_equal(later(&h, day, 0, &limits).until, day + 2 * PKI_DAY);
	limits.crl_max_age = 400;	/* and a quarter of that is forgiven */
	assert_int_equal(later(&h, day - 100, 0, &limits).status, SST_EV_GOOD);
	assert_int_equal(later(&h, day - 101, 0, &limits).fault, SST_FAULT_CLOCK);
	h.until = day - 1000;		/* a signer that ended before */
	assert_int_equal(later(&h, day, 0, &limits).status, SST_EV_GOOD);
	assert_int_equal(later(&h, day, 0, &limits).until, day - 1000);
	sst_limits_of(NULL, &limits);
	h.next_update = 0;
	h.until = day + 30 * PKI_DAY;
	assert_int_equal(later(&h, day, 0, &limits).until, day + 86400);
	limits.crl_no_next = 3600;
	assert_int_equal(later(&h, day, 0, &limits).until, day + 3600);
	limits.crl_max_age = 60;
	assert_int_equal(later(&h, day, 0, &limits).until, day + 60);
}

static void
lists_of_one_kind_and_scope_have_one_scope_key(void **state)
{
	static const char *const kinds[] = { NULL, MAKE_CRL_DELTA(01),
		"issuingDistributionPoint = critical,fullname:URI:http://a/\n",
		"issuingDistributionPoint = critical,fullname:URI:http://b/\n",
		"issuingDistributionPoint = critical,fullname:URI:http://a/\n"
		MAKE_CRL_DELTA(01) };
	uint8_t keys[5][32];

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct pki_buf der = make_crl(&(struct make_crl){ .issuer = ca,
		    .number = i < 5 ? "01" : "02", .extra = kinds[i % 5] });
		struct sst_crl *crl = opened(&der);
		const uint8_t *key = sst_crl_head(crl)->scope_key;

		if (i < 5)
			memcpy(keys[i], key, 32);
		assert_memory_equal(keys[i % 5], key, 32);
		for (int j = 0; j < i && i < 5; j++)
			assert_memory_not_equal(keys[j], key, 32);
		sst_crl_free(crl);
		pki_buf_free(&der);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_serial_is_found_in_its_bucket_and_no_other),
		cmocka_unit_test(buckets_double_when_they_would_hold_more_than_ninety),
		cmocka_unit_test(indexing_stops_when_the_receiver_says_so),
		cmocka_unit_test(dates_far_from_now_and_doubled_serials_keep_their_worth),
		cmocka_unit_test(of_equal_entries_the_first_of_the_list_counts_in_every_bucket),
		cmocka_unit_test(entries_of_other_issuers_are_not_in_the_index),
		cmocka_unit_test(a_damaged_bucket_is_an_error_also_for_a_serial_before_the_damage),
		cmocka_unit_test(rv_78_the_order_of_lists_is_by_number_and_never_back_in_time),
		cmocka_unit_test(a_kept_list_is_judged_by_the_time_and_the_limits_of_each_check),
		cmocka_unit_test(lists_of_one_kind_and_scope_have_one_scope_key),
	};

	return cmocka_run_group_tests(tests, crl_world_make, crl_world_free);
}
