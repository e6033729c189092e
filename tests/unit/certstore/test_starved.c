/* SPDX-License-Identifier: ISC */
/* Case 70: each allocation of libcrypto and SQLite fails once, in one add and
 * one choice. What comes of it is an error or the truth. */
#include "certstore/challenge.h"
#include "certstore/identity.h"
#include "support/acme.h"
#include "support/starve.h"
#include "world.h"

static struct sst_hello
question(void)
{
	static const uint16_t sigalgs[] = { 0x0403, 0x0804 };

	return (struct sst_hello){ .version = 0x0304, .has_server_name = 1,
	    .server_name = (const uint8_t *)"\0\x12\0\0\x0fwww.example.com",
	    .server_name_len = 20, .sigalgs = sigalgs, .n_sigalgs = 2 };
}

/* One add and one choice on a new store. 1: an allocation failed in it. */
static int
one_round(long n, const struct pki_buf *pair, const struct pki_cert *www)
{
	const struct sst_choose_policy strict = { .strict = 1 };
	struct sst_error err = { .code = SST_OK };
	struct sst_hello h = question();
	struct sst_store *store = NULL;
	struct sst_choice *c = NULL;
	int added, chosen, hit;

	assert_int_equal(sst_store_new(NULL, &store, NULL), 0);
	starve_arm(n, STARVE_CRYPTO | STARVE_SQLITE);
	added = sst_store_add_bytes(store, pair->data, pair->len, &err);
	chosen = sst_store_choose(store, &strict, &h, PKI_NOW, &c, NULL);
	hit = starve_over();
	if (added < 0)
		assert_true(err.code == added && err.text[0] != '\0');
	assert_int_equal(sst_store_generation(store), added == 0);
	if (chosen == 1)
		assert_true(added == 0 && chose(c, www));
	if (chosen == 0 && added == 0)
		print_message("allocation %ld\n", n);
	if (chosen == 0)
		assert_true(added < 0 && sst_choice_alert(c) == 112);
	if (chosen >= 0)
		sst_choice_unref(c);
	c = NULL;
	/* the store is none the worse for it */
	if (added < 0)
		assert_int_equal(sst_store_add_bytes(store, pair->data, pair->len,
		    NULL), 0);
	assert_int_equal(sst_store_choose(store, &strict, &h, PKI_NOW, &c, NULL), 1);
	assert_true(chose(c, www));
	sst_choice_unref(c);
	sst_store_unref(store);
	return hit;
}

static void
cs_70_a_failed_allocation_ends_in_an_error_or_the_truth(void **state)
{
	struct pki_cert *www = leaf(PKI_P256, "www.example.com");
	struct pki_buf pair = { 0 };
	long n;

	(void)state;
	pki_put_chain(&pair, www);
	pki_put_key(&pair, www);
	/* the first round fetches algorithms, which later ones find */
	assert_true(one_round(1000000, &pair, www) == 0);
	for (n = 1; one_round(n, &pair, www); n++)
		;
	print_message("%ld allocations\n", n - 1);
	assert_true(n > 200);
	pki_buf_free(&pair);
	pki_free(www);
}

/* One add of a challenge and one look for it. 1: an allocation failed in them. */
static int
challenge_round(long n, const struct pki_buf *pair, const struct pki_cert *acme)
{
	static const char key[] = "acme:a.example";
	struct sst_identity *id = NULL;
	struct sst_store *store = NULL;
	unsigned char digest[32];
	int added, found, hit;

	pki_digest(acme, digest);
	assert_int_equal(sst_store_new(NULL, &store, NULL), 0);
	starve_arm(n, STARVE_CRYPTO | STARVE_SQLITE);
	added = sst_store_add_bytes(store, pair->data, pair->len, NULL);
	found = sst_store_challenge(store, key, PKI_NOW, &id, NULL);
	hit = starve_over();
	assert_true(found < 0 || found == (added == 0));
	assert_int_equal(found == 1, id != NULL);
	sst_identity_unref(id);
	id = NULL;
	if (added < 0)
		assert_int_equal(sst_store_add_bytes(store, pair->data, pair->len,
		    NULL), 0);
	assert_int_equal(sst_store_challenge(store, key, PKI_NOW, &id, NULL), 1);
	assert_memory_equal(sst_identity_digest(id), digest, sizeof(digest));
	sst_identity_unref(id);
	sst_store_unref(store);
	return hit;
}

static void
a_challenge_that_is_starved_is_an_error_or_the_truth(void **state)
{
	struct pki_cert *acme = acme_cert("a.example", PKI_P256, 0);
	struct pki_buf pair = { 0 };

	(void)state;
	pki_put_cert(&pair, acme);
	pki_put_key(&pair, acme);
	for (long n = 1; challenge_round(n, &pair, acme); n++)
		;
	pki_buf_free(&pair);
	pki_free(acme);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cs_70_a_failed_allocation_ends_in_an_error_or_the_truth),
		cmocka_unit_test(a_challenge_that_is_starved_is_an_error_or_the_truth),
	};

	if (!starve_crypto() || !starve_sqlite())
		return 1;
	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
