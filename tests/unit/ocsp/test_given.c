/* SPDX-License-Identifier: ISC */
/* Tests of given.c: a list is verified and read once, and judged each time. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "make_crl.h"
#include "ocsp/given.h"
#include "world_check.h"

#define MANY	700
#define CROWD	4

static struct sst_given *
given_of(const struct make_crl *m)
{
	struct pki_buf der = make_crl(m);
	struct sst_given *g = NULL;

	assert_int_equal(sst_given_new(der.data, der.len, &g, NULL), SST_OK);
	pki_buf_free(&der);
	return g;
}

static struct sst_given *
list_of(const struct pki_cert *issuer, const struct pki_cert *revoked)
{
	const struct make_crl_row row = { .cert = revoked };

	return given_of(&(struct make_crl){ .issuer = issuer, .rows = &row,
	    .n_rows = revoked != NULL });
}

static const struct sst_revocation_policy alone = { .mode = SST_REVOCATION_HARD,
    .use_cache = SST_SWITCH_OFF };

/* The leaf's verdict with this list alone. */
static enum sst_verdict
verdict_with(struct world *w, struct sst_given *g, const struct sst_revocation_policy *policy,
    int64_t now, int accepted)
{
	struct sst_check *k = check_with(w, w->chain, policy);

	sst_check_at(k, now);
	assert_int_equal(sst_check_given(k, g, NULL), SST_OK);
	return ends(k, accepted).verdict;
}

static enum sst_verdict
verdict(struct world *w, struct sst_given *g, int accepted)
{
	return verdict_with(w, g, &alone, PKI_NOW, accepted);
}

static void
worked(struct sst_given *g, unsigned long signatures, unsigned long readings,
    unsigned long indices)
{
	struct sst_given_work work;

	sst_given_work(g, &work);
	assert_int_equal(work.signatures, signatures);
	assert_int_equal(work.readings, readings);
	assert_int_equal(work.indices, indices);
}

static void
a_list_is_verified_and_read_once_for_all_checks(void **state)
{
	struct world *w = *state;
	struct sst_given *bad = list_of(w->ca, w->leaf), *good = list_of(w->ca, w->ca);

	worked(bad, 0, 0, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(verdict(w, bad, 0), SST_VERDICT_REVOKED);
		assert_int_equal(verdict(w, good, 1), SST_VERDICT_GOOD);
	}
	worked(bad, 1, 1, 1);
	worked(good, 1, 1, 1);
	sst_given_unref(sst_given_ref(bad));
	assert_int_equal(verdict(w, bad, 0), SST_VERDICT_REVOKED);
	sst_given_unref(bad);
	sst_given_unref(good);
}

static void
what_was_verified_is_not_believed_at_a_higher_level(void **state)
{
	const struct sst_revocation_policy low = { .mode = SST_REVOCATION_HARD,
	    .use_cache = SST_SWITCH_OFF, .security_level = -1 };
	const struct sst_revocation_policy high = { .mode = SST_REVOCATION_HARD,
	    .use_cache = SST_SWITCH_OFF, .security_level = 4 };
	struct world *w = *state;
	struct sst_given *g = list_of(w->ca, NULL);

	assert_int_equal(verdict_with(w, g, &low, PKI_NOW, 1), SST_VERDICT_GOOD);
	assert_int_equal(verdict_with(w, g, &high, PKI_NOW, 0), SST_VERDICT_ERROR);
	assert_int_equal(verdict(w, g, 1), SST_VERDICT_GOOD);
	worked(g, 1, 1, 1);
	sst_given_unref(g);
	/* and what makes it weak is the key, or the digest */
	g = given_of(&(struct make_crl){ .issuer = w->ca, .md = EVP_sha1() });
	assert_int_equal(verdict_with(w, g, &low, PKI_NOW, 1), SST_VERDICT_GOOD);
	assert_int_equal(verdict(w, g, 0), SST_VERDICT_ERROR);
	worked(g, 1, 1, 1);
	sst_given_unref(g);
}

static void
a_lists_time_is_looked_at_each_time(void **state)
{
	struct world *w = *state;
	struct sst_given *g = given_of(&(struct make_crl){ .issuer = w->ca,
	    .this_update = PKI_NOW - HOUR, .next_update = PKI_NOW + PKI_DAY });

	for (int i = 0; i < 2; i++) {
		assert_int_equal(verdict(w, g, 1), SST_VERDICT_GOOD);
		assert_int_equal(verdict_with(w, g, &alone, PKI_NOW + 2 * PKI_DAY, 0),
		    SST_VERDICT_STALE);
		assert_int_equal(verdict_with(w, g, &alone, PKI_NOW - PKI_DAY, 0),
		    SST_VERDICT_ERROR);
	}
	worked(g, 1, 1, 1);
	sst_given_unref(g);
}

static void
another_ca_of_the_same_name_does_not_inherit_it(void **state)
{
	struct world *w = *state;
	struct pki_cert *twin = pki_issue(w->root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	struct pki_cert *leaf = pki_issue(twin, &(struct pki_spec){ .cn = "www",
	    .crl = "http://crl.example/ca" });
	struct sst_given *g = list_of(w->ca, NULL), *of_twin = list_of(twin, NULL);
	struct world there = *w;

	there.chain = chain_of(leaf);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(verdict(w, g, 1), SST_VERDICT_GOOD);
		assert_int_equal(verdict(&there, g, 0), SST_VERDICT_ERROR);
		assert_int_equal(verdict(&there, of_twin, 1), SST_VERDICT_GOOD);
	}
	/* what failed is tried again, and twice: it may have been for want of memory */
	worked(g, 5, 1, 1);
	worked(of_twin, 1, 1, 1);
	sst_given_unref(g);
	sst_given_unref(of_twin);
	sk_X509_free(there.chain);
	pki_free(leaf);
	pki_free(twin);
}

/* And a renewed key: the one that did not sign is not tried each time. */
static void
the_key_that_signed_before_is_the_first(void **state)
{
	struct world *w = *state;
	struct pki_cert *above = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	struct pki_cert *ca = pki_issue(above, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	struct pki_cert *leaf = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .crl = "http://crl.example/ca" });
	struct sst_given *g = list_of(above, leaf);
	struct world there = *w;

	there.chain = chain_of(leaf);
	assert_int_equal(verdict(&there, g, 0), SST_VERDICT_REVOKED);
	worked(g, 2, 1, 1);
	assert_int_equal(verdict(&there, g, 0), SST_VERDICT_REVOKED);
	worked(g, 2, 1, 1);
	sst_given_unref(g);
	sk_X509_free(there.chain);
	pki_free(leaf);
	pki_free(ca);
	pki_free(above);
}

static enum sst_verdict
verdict_by(struct world *w, struct sst_given *g, STACK_OF(X509) *others,
    struct sst_given *of_root, int accepted)
{
	struct sst_check *k = check_with(w, w->chain, &alone);

	assert_int_equal(sst_check_others(k, others, NULL), SST_OK);
	assert_int_equal(sst_check_given(k, of_root, NULL), SST_OK);
	assert_int_equal(sst_check_given(k, g, NULL), SST_OK);
	return ends(k, accepted).verdict;
}

static void
who_signed_is_judged_each_time(void **state)
{
	struct world *w = *state;
	struct pki_cert *signer = pki_issue(w->root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .key_usage = "cRLSign" });
	struct sst_given *g = list_of(signer, NULL), *none = list_of(w->root, NULL);
	struct sst_given *revoked = list_of(w->root, signer);
	STACK_OF(X509) *others = sk_X509_new_null();

	assert_true(sk_X509_push(others, signer->cert) > 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(verdict_by(w, g, others, none, 1), SST_VERDICT_GOOD);
		assert_int_equal(verdict_by(w, g, NULL, none, 0), SST_VERDICT_ERROR);
		assert_int_equal(verdict_by(w, g, others, revoked, 0), SST_VERDICT_ERROR);
	}
	sst_given_unref(g);
	sst_given_unref(none);
	sst_given_unref(revoked);
	sk_X509_free(others);
	pki_free(signer);
}

static void
a_signature_that_does_not_verify_never_does(void **state)
{
	struct world *w = *state;
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = w->ca });
	struct sst_given *g = NULL;

	der.data[der.len - 1] ^= 1;
	assert_int_equal(sst_given_new(der.data, der.len, &g, NULL), SST_OK);
	for (unsigned long i = 1; i <= 3; i++) {
		assert_int_equal(verdict(w, g, 0), SST_VERDICT_ERROR);
		worked(g, 2 * i, 0, 0);
	}
	sst_given_unref(g);
	pki_buf_free(&der);
}

/* Of many buckets, with serials that are there twice, and those from `foreign` to
 * `ours` of another issuer. */
static void
compare(struct world *w, size_t foreign, size_t ours)
{
	struct make_crl_row rows[MANY] = { { .cert = NULL } };
	unsigned char serials[MANY][3];
	struct sst_crl_signers who = { .issuer = w->ca->cert };
	struct sst_limits limits;
	struct sst_crl *walk = NULL, *index = NULL;
	struct sst_crl_entry a, b;
	struct sst_cert_key key;
	enum sst_fault fault;
	struct sst_given *g;
	const void *der;
	size_t len, hits = 0;

	for (size_t i = 0; i < MANY; i++) {
		const size_t n = i % 100 == 99 ? i - 1 : i;	/* some twice */

		memcpy(serials[i], (unsigned char[]){ 1, (unsigned char)(n >> 8),
		    (unsigned char)n }, 3);
		rows[i] = (struct make_crl_row){ .serial = serials[i], .serial_len = 3,
		    .date = PKI_NOW - (time_t)i * HOUR,
		    .extra = i % 7 == 0 ? MAKE_CRL_REASON(4) : NULL,
		    .issuer = i == foreign ? w->root : i == ours ? w->ca : NULL };
	}
	g = given_of(&(struct make_crl){ .issuer = w->ca, .rows = rows, .n_rows = MANY });
	sst_limits_of(NULL, &limits);
	der = sst_given_bytes(g, &len);
	assert_int_equal(sst_crl_open(der, len, &who, PKI_NOW, &limits, &walk, &fault, NULL),
	    SST_OK);
	/* once to read, once to find what was read */
	for (int i = 0; i < 2; i++) {
		sst_crl_free(index);
		assert_int_equal(sst_crl_open_given(g, &who, PKI_NOW, &limits, &index, &fault,
		    NULL), SST_OK);
		assert_memory_equal(sst_crl_head(walk), sst_crl_head(index),
		    sizeof(struct sst_crl_head));
	}
	assert_int_equal(sst_crl_head(index)->indirect, foreign < MANY);
	key = (struct sst_cert_key){ .issuer = sst_crl_head(walk)->issuer, .serial_len = 3 };
	for (unsigned n = 0; n < MANY + 100; n++) {
		int found;

		memcpy(key.serial, (unsigned char[]){ 1, (unsigned char)(n >> 8),
		    (unsigned char)n }, 3);
		found = sst_crl_find(walk, &key, &a);
		assert_int_equal(sst_crl_find(index, &key, &b), found);
		hits += found == 1;
		assert_true(found != 1 || (a.revoked_at == b.revoked_at &&
		    a.reason == b.reason));
	}
	assert_true(hits > 0 && hits <= MANY - (ours - foreign));
	key.issuer.dn[0] ^= 1;
	memcpy(key.serial, serials[0], 3);
	assert_int_equal(sst_crl_find(index, &key, &b), 0);
	worked(g, 1, 1, 1);
	sst_crl_free(walk);
	sst_crl_free(index);
	sst_given_unref(g);
}

static void
the_index_says_what_the_walk_says(void **state)
{
	compare(*state, MANY, MANY);
	compare(*state, 600, 650);
	/* most buckets have nothing */
	compare(*state, 3, MANY);
	compare(*state, 0, MANY - 2);
}

struct crowd {
	struct world	*w;
	struct sst_given *g;
	pthread_barrier_t all;
};

static void *
one_of_them(void *arg)
{
	struct crowd *c = arg;

	(void)pthread_barrier_wait(&c->all);
	for (int i = 0; i < 20; i++)
		assert_int_equal(verdict(c->w, c->g, 0), SST_VERDICT_REVOKED);
	return NULL;
}

static void
those_who_come_at_once_verify_it_once(void **state)
{
	struct crowd c = { .w = *state };
	pthread_t threads[CROWD];

	c.g = list_of(c.w->ca, c.w->leaf);
	assert_int_equal(pthread_barrier_init(&c.all, NULL, CROWD), 0);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_of_them, &c), 0);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	worked(c.g, 1, 1, 1);
	(void)pthread_barrier_destroy(&c.all);
	sst_given_unref(c.g);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_list_is_verified_and_read_once_for_all_checks),
		T(what_was_verified_is_not_believed_at_a_higher_level),
		T(a_lists_time_is_looked_at_each_time),
		T(another_ca_of_the_same_name_does_not_inherit_it),
		T(the_key_that_signed_before_is_the_first),
		T(who_signed_is_judged_each_time),
		T(a_signature_that_does_not_verify_never_does),
		T(the_index_says_what_the_walk_says),
		T(those_who_come_at_once_verify_it_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
