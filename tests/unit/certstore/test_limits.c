/* SPDX-License-Identifier: ISC */
/* What holds when things go away: renewal, removal, forks, full caches. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "certstore/identity.h"
#include "certstore/source.h"
#include "each.h"
#include "world.h"

static const struct sst_choose_policy strict = { .strict = 1 };

static struct pki_cert *www, *next, *rsa;

static int
limits_setup(void **state)
{
	(void)world_setup(state);
	www = leaf(PKI_P256, "www.example.com");
	next = leaf(PKI_P256, "www.example.com");
	rsa = leaf(PKI_RSA, "www.example.com");
	return 0;
}

static int
limits_teardown(void **state)
{
	pki_free(www);
	pki_free(next);
	pki_free(rsa);
	return world_teardown(state);
}

static void
a_chain_waits_for_its_key(void **state)
{
	struct sst_error err = { .code = SST_OK };
	char staged[512];

	(void)state;
	pki_write_chain(dir, "chain.pem", www);
	pki_write_key(dir, "key.pem", www);
	pki_write_key(dir, "other.pem", next);
	assert_int_equal(sst_store_staged(store, staged, sizeof(staged)), 0);
	ok(sst_store_add(store, pki_path(dir, "chain.pem"), &err), &err);
	assert_false(serves("www.example.com", www));
	assert_int_equal(sst_store_staged(store, staged, sizeof(staged)), 1);
	assert_string_equal(staged, pki_path(dir, "chain.pem"));
	assert_int_equal(sst_store_add_key(store, pki_path(dir, "other.pem"), &err),
	    SST_E_MISMATCH);
	assert_non_null(strstr(err.text, "other.pem"));
	assert_non_null(strstr(err.text, "chain.pem"));
	err = (struct sst_error){ .code = SST_OK };
	ok(sst_store_add_key(store, pki_path(dir, "key.pem"), &err), &err);
	assert_int_equal(sst_store_staged(store, staged, sizeof(staged)), 0);
	assert_true(serves("www.example.com", www));
	assert_int_equal(sst_store_generation(store), 2);
	assert_int_equal(sst_store_add_key(store, pki_path(dir, "chain.pem"), &err),
	    SST_E_MALFORMED);
}

static void
a_renewed_chain_waits_for_its_key_while_the_old_pair_serves(void **state)
{
	struct sst_error err = { .code = SST_OK };

	(void)state;
	pki_write_chain(dir, "chain.pem", www);
	pki_write_key(dir, "key.pem", www);
	ok(sst_store_add(store, pki_path(dir, "chain.pem"), &err), &err);
	ok(sst_store_add_key(store, pki_path(dir, "key.pem"), &err), &err);
	pki_write_chain(dir, "chain.pem", next);
	ok(sst_store_add(store, pki_path(dir, "chain.pem"), &err), &err);
	assert_true(serves("www.example.com", www));
	pki_write_key(dir, "key.pem", next);
	ok(sst_store_add_key(store, pki_path(dir, "key.pem"), &err), &err);
	assert_true(serves("www.example.com", next));
	assert_int_equal(events.count[SST_STORE_RENEWED], 1);
	/* both files at once: a rescan takes the pair */
	pki_write_chain(dir, "chain.pem", www);
	pki_write_key(dir, "key.pem", www);
	ok(sst_store_rescan(store, NULL, &err), &err);
	assert_true(serves("www.example.com", www));
}

static void
chains_and_keys_in_memory_find_each_other(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_buf a = { 0 }, b = { 0 }, ka = { 0 }, kb = { 0 };

	(void)state;
	pki_put_chain(&a, www);
	pki_put_chain(&b, rsa);
	pki_put_key(&ka, www);
	pki_put_key_der(&kb, rsa);
	ok(sst_store_add_bytes(store, a.data, a.len, &err), &err);
	ok(sst_store_add_bytes(store, b.data, b.len, &err), &err);
	ok(sst_store_add_key_bytes(store, kb.data, kb.len, &err), &err);
	assert_true(serves("www.example.com", rsa));
	ok(sst_store_add_key_bytes(store, ka.data, ka.len, &err), &err);
	assert_int_equal(sst_choice_count(ask(store, &strict, &(struct client){
	    .name = "www.example.com" })), 2);
	assert_int_equal(sst_store_add_key_bytes(store, "x", 1, &err), SST_E_MALFORMED);
	pki_buf_free(&a);
	pki_buf_free(&b);
	pki_buf_free(&ka);
	pki_buf_free(&kb);
}

static void
a_source_that_is_set_again_takes_its_own_place(void **state)
{
	struct sst_error err = { .code = SST_OK };

	(void)state;
	pki_write_pair(dir, "a.pem", www);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	assert_int_equal(sst_store_generation(store), 1);	/* nothing changed */
	pki_write_pair(dir, "a.pem", next);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	assert_true(serves("www.example.com", next));
	assert_int_equal(events.count[SST_STORE_RENEWED], 1);
	/* by bytes: the same names and key type */
	store_put(store, rsa);
	assert_int_equal(sst_store_generation(store), 3);
	ok(sst_store_remove(store, pki_path(dir, "a.pem"), &err), &err);
	store_put(store, www);
	store_put(store, next);
	assert_int_equal(events.count[SST_STORE_RENEWED], 2);
	assert_false(chose(ask(store, &strict, &(struct client){
	    .name = "www.example.com" }), www));
	assert_true(chose(ask(store, &strict, &(struct client){
	    .name = "www.example.com" }), next));
	assert_true(chose(ask(store, &strict, &(struct client){
	    .name = "www.example.com" }), rsa));
}

static void
removal_is_by_path_digest_or_all(void **state)
{
	struct sst_error err = { .code = SST_OK };
	unsigned char digest[32];
	char hex[65];

	(void)state;
	pki_write_pair(dir, "a.pem", www);
	pki_write_pair(dir, "d/b.pem", rsa);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	ok(sst_store_add(store, pki_path(dir, "d/"), &err), &err);
	pki_digest(www, digest);
	for (int i = 0; i < 32; i++)
		(void)snprintf(hex + 2 * i, 3, "%02X", digest[i]);
	ok(sst_store_remove(store, hex, &err), &err);
	assert_true(serves("www.example.com", rsa));
	assert_int_equal(sst_store_remove(store, hex, &err), SST_E_NOT_FOUND);
	assert_int_equal(sst_store_generation(store), 3);
	err = (struct sst_error){ .code = SST_OK };
	ok(sst_store_remove(store, pki_path(dir, "d"), &err), &err);
	assert_int_equal(sst_store_remove(store, pki_path(dir, "d"), &err),
	    SST_E_NOT_FOUND);
	assert_int_equal(sst_store_remove(store, "*", &err), SST_E_NOT_FOUND);
	assert_int_equal(events.count[SST_STORE_REMOVED], 2);
}

static void
cs_43_and_44_certbot_changes_its_links_and_every_step_serves_a_whole_pair(void **state)
{
	static const char *const order[] = { "cert", "privkey", "chain", "fullchain" };
	struct sst_error err = { .code = SST_OK };

	(void)state;
	pki_certbot(dir, "site", www, 1);
	ok(sst_store_add(store, pki_path(dir, "live"), &err), &err);
	assert_true(serves("www.example.com", www));
	pki_certbot_archive(dir, "site", next, 2);
	for (int i = 0; i < 4; i++) {
		pki_certbot_unlink(dir, "site", order[i]);
		(void)sst_store_rescan(store, NULL, NULL);
		assert_true(serves("www.example.com", www) ||
		    serves("www.example.com", next));
		pki_certbot_link(dir, "site", order[i], 2);
		(void)sst_store_rescan(store, NULL, NULL);
		assert_true(serves("www.example.com", www) ||
		    serves("www.example.com", next));
	}
	assert_true(serves("www.example.com", next));
	assert_int_equal(events.count[SST_STORE_REMOVED], 0);
	/* the whole name goes: so does its identity */
	for (int i = 0; i < 4; i++)
		pki_certbot_unlink(dir, "site", order[i]);
	ok(sst_store_rescan(store, NULL, &err), &err);
	assert_true(serves("www.example.com", next));	/* the folder is there */
	assert_int_equal(rmdir(pki_path(dir, "live/site")), 0);
	ok(sst_store_rescan(store, NULL, &err), &err);
	assert_false(serves("www.example.com", next));
	assert_int_equal(events.count[SST_STORE_REMOVED], 1);
}

static void
cs_54_a_renewal_that_cannot_be_read_keeps_the_old_identity(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_buf b = { 0 };

	(void)state;
	pki_write_pair(dir, "a.pem", www);
	pki_write_pair(dir, "d/b.pem", rsa);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	ok(sst_store_add(store, pki_path(dir, "d"), &err), &err);
	/* a key that is not the chain's, and one that others can read */
	pki_put_chain(&b, next);
	pki_put_key(&b, rsa);
	pki_write(dir, "a.pem", 0600, &b);
	pki_buf_free(&b);
	pki_put_chain(&b, rsa);
	pki_put_key(&b, rsa);
	assert_int_equal(chmod(dir, 0755), 0);
	pki_write(dir, "d/b.pem", 0644, &b);
	pki_buf_free(&b);
	assert_true(sst_store_rescan(store, NULL, NULL) < 0);
	assert_int_equal(events.count[SST_STORE_KEPT], 2);
	assert_int_equal(sst_choice_count(ask(store, &strict, &(struct client){
	    .name = "www.example.com" })), 2);
	assert_int_equal(sst_store_generation(store), 2);
	/* gone altogether: kept too, until it is removed by hand */
	assert_int_equal(unlink(pki_path(dir, "a.pem")), 0);
	assert_true(sst_store_rescan(store, pki_path(dir, "a.pem"), NULL) < 0);
	assert_true(chose(ask(store, &strict, &(struct client){
	    .name = "www.example.com" }), www));
	pki_write_pair(dir, "a.pem", next);
	ok(sst_store_rescan(store, pki_path(dir, "a.pem"), &err), &err);
	assert_true(chose(ask(store, &strict, &(struct client){
	    .name = "www.example.com" }), next));
}

/* A disk that is full, or a file that is being written in place. */
static void
a_file_of_a_directory_that_lost_its_text_keeps_the_old_identity(void **state)
{
	static const char *const texts[] = { "", "soon\n" };
	struct sst_error err = { .code = SST_OK };

	(void)state;
	pki_write_pair(dir, "d/a.pem", www);
	ok(sst_store_add(store, pki_path(dir, "d"), &err), &err);
	for (int i = 0; i < 2; i++) {
		pki_write_text(dir, "d/a.pem", texts[i]);
		ok(sst_store_rescan(store, NULL, &err), &err);
		assert_int_equal(events.count[SST_STORE_KEPT], i + 1);
		assert_true(serves("www.example.com", www));
	}
	assert_int_equal(events.count[SST_STORE_REMOVED], 0);
	assert_int_equal(sst_store_generation(store), 1);
	pki_write_pair(dir, "d/a.pem", next);
	ok(sst_store_rescan(store, NULL, &err), &err);
	assert_true(serves("www.example.com", next));
	/* A file that is gone is no longer meant. */
	assert_int_equal(unlink(pki_path(dir, "d/a.pem")), 0);
	ok(sst_store_rescan(store, NULL, &err), &err);
	assert_false(serves("www.example.com", next));
	assert_int_equal(events.count[SST_STORE_REMOVED], 1);
}

static void
cs_55_a_child_of_a_fork_has_a_store_of_its_own(void **state)
{
	struct sst_error err = { .code = SST_OK };
	int status = 0;
	pid_t child;

	(void)state;
	pki_write_pair(dir, "a.pem", www);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int good = serves("www.example.com", www);

		pki_write_pair(dir, "b.pem", rsa);
		good &= sst_store_add(store, pki_path(dir, "b.pem"), NULL) == 0;
		good &= sst_store_remove(store, pki_path(dir, "a.pem"), NULL) == 0;
		good &= serves("www.example.com", rsa);
		sst_store_unref(store);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(serves("www.example.com", www));
	store_put(store, next);
	assert_int_equal(sst_store_generation(store), 2);
}

static void
cs_56_a_store_that_is_emptied_or_never_filled_answers_with_an_alert(void **state)
{
	(void)state;
	expect_alert(ask(store, &strict, &(struct client){ .name = "a.b" }), 112);
	expect_alert(ask(store, NULL, &(struct client){ .name = "a.b" }), 112);
	expect_alert(ask(store, NULL, &(struct client){ 0 }), 112);
	store_put(store, www);
	expect(ask(store, NULL, &(struct client){ 0 }), SST_TIER_DEFAULT, www);
	assert_int_equal(sst_store_remove(store, "*", NULL), 0);
	expect_alert(ask(store, NULL, &(struct client){ 0 }), 112);
	expect_alert(ask(store, &strict, &(struct client){ .name = "www.example.com" }),
	    112);
}

static void
the_default_is_the_first_set_then_the_entry_default_then_the_common_names(void **state)
{
	struct pki_cert *a = leaf(PKI_P256, "a.example"), *b = leaf(PKI_P256, "b.example");
	struct pki_cert *a_rsa = leaf(PKI_RSA, "a.example");
	struct sst_choice *c;

	(void)state;
	pki_write_pair(dir, "d/a.pem", a);
	pki_write_pair(dir, "d/a-rsa.pem", a_rsa);
	assert_int_equal(sst_store_add(store, pki_path(dir, "d"), NULL), 0);
	/* all serve the same names: both key types */
	c = ask(store, NULL, &(struct client){ 0 });
	assert_int_equal(sst_choice_count(c), 2);
	assert_int_equal(sst_choice_tier(c), SST_TIER_DEFAULT);
	/* two sets of names and no sign: none, and never the first of a folder */
	pki_write_pair(dir, "d/b.pem", b);
	assert_int_equal(sst_store_rescan(store, NULL, NULL), 0);
	expect_alert(ask(store, NULL, &(struct client){ 0 }), 112);
	/* the entry `default` */
	pki_write_pair(dir, "d/default.pem", b);
	assert_int_equal(unlink(pki_path(dir, "d/b.pem")), 0);
	assert_int_equal(sst_store_rescan(store, NULL, NULL), 0);
	expect(ask(store, NULL, &(struct client){ 0 }), SST_TIER_DEFAULT, b);
	/* what was set by itself goes before it, in the order of setting */
	store_put(store, www);
	store_put(store, next);
	c = ask(store, NULL, &(struct client){ .name = "nobody.example" });
	expect(c, SST_TIER_DEFAULT, next);
	assert_string_equal(sst_choice_name(c), "nobody.example");
	pki_free(a);
	pki_free(b);
	pki_free(a_rsa);
}

/* How often the file system was asked for a file. */
static atomic_int opened;

static int
counting_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	atomic_fetch_add(&opened, 1);
	return sst_source_files.open(ctx, path, ret_fd, err);
}

static void
cs_66_an_unknown_name_costs_no_file_and_a_thrown_out_one_is_read_again(void **state)
{
	static struct sst_source_ops ops;
	/* room for one identity, not for two */
	struct sst_store_config small = { .cache_bytes = 14000 };
	struct sst_error err = { .code = SST_OK };
	struct pki_cert *b = leaf(PKI_P256, "b.example");
	char name[64];
	int before;

	(void)state;
	ops = sst_source_files;
	ops.open = counting_open;
	ops.open_resolved = NULL;
	sst_store_unref(store);
	ok(sst_store_new_from(&small, &ops, NULL, &store, &err), &err);
	pki_write_pair(dir, "a.pem", www);
	pki_write_pair(dir, "b.pem", b);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	ok(sst_store_add(store, pki_path(dir, "b.pem"), &err), &err);
	before = atomic_load(&opened);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "n%d.nobody.example", i);
		expect_alert(ask(store, &strict, &(struct client){ .name = name }), 112);
		ask_reset();
	}
	assert_int_equal(atomic_load(&opened), before);
	assert_true(serves("www.example.com", www));
	assert_true(serves("b.example", b));
	before = atomic_load(&opened);
	assert_true(serves("b.example", b));
	assert_int_equal(atomic_load(&opened), before);	/* hot */
	for (int i = 0; i < 200; i++) {
		assert_true(serves("www.example.com", www));
		assert_true(serves("b.example", b));
	}
	assert_true(atomic_load(&opened) > before);
	/* the file changed behind our back: its new content, or the old one */
	pki_write_pair(dir, "a.pem", next);
	assert_true(serves("b.example", b));
	(void)sst_store_rescan(store, NULL, NULL);
	assert_true(serves("www.example.com", next));
	pki_free(b);
}

static atomic_int stop;

static void *
asking(void *arg)
{
	struct sst_hello h = { .version = 0x0304, .has_server_name = 1,
	    .server_name = (const uint8_t *)"\0\x12\0\0\x0fwww.example.com",
	    .server_name_len = 20, .sigalgs = (const uint16_t[]){ 0x0403, 0x0804 },
	    .n_sigalgs = 2 };
	size_t *served = arg;

	while (!atomic_load(&stop)) {
		struct sst_choice *c = NULL;

		/* one of the two is always there: never nothing, never a stranger */
		if (sst_store_choose(store, &strict, &h, PKI_NOW, &c, NULL) == 1 &&
		    (chose(c, www) || chose(c, next)))
			(*served)++;
		else
			*served = (size_t)-1 >> 1;
		sst_choice_unref(c);
	}
	return NULL;
}

static void
choices_see_the_old_or_the_new_set_while_it_changes(void **state)
{
	size_t served[3] = { 0 };
	pthread_t thread[3];
	struct sst_error err = { .code = SST_OK };

	(void)state;
	pki_write_pair(dir, "a.pem", www);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	atomic_store(&stop, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, asking, &served[i]), 0);
	for (int i = 0; i < 100; i++) {
		pki_write_pair(dir, "a.pem", i % 2 == 0 ? next : www);
		ok(sst_store_rescan(store, NULL, &err), &err);
	}
	atomic_store(&stop, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_true(served[i] > 0 && served[i] < (size_t)-1 >> 2);
	}
	assert_int_equal(sst_store_generation(store), 101);
}

static void
cs_57_a_handshake_ends_with_what_it_began_when_the_older_one_comes_back(void **state)
{
	const struct client asker = { .name = "www.example.com" };
	struct sst_error err = { .code = SST_OK };
	struct sst_choice *begun;
	struct sst_identity *id;

	(void)state;
	pki_write_pair(dir, "a.pem", www);
	ok(sst_store_add(store, pki_path(dir, "a.pem"), &err), &err);
	pki_write_pair(dir, "a.pem", next);
	ok(sst_store_rescan(store, NULL, &err), &err);
	begun = ask(store, &strict, &asker);
	expect(begun, SST_TIER_EXACT, next);
	pki_write_pair(dir, "a.pem", www);
	ok(sst_store_rescan(store, NULL, &err), &err);
	/* the number counts changes: it does not go back */
	assert_int_equal(sst_store_generation(store), 3);
	expect(ask(store, &strict, &asker), SST_TIER_EXACT, www);
	expect(begun, SST_TIER_EXACT, next);
	id = sst_choice_identity(begun, 0);
	assert_int_equal(X509_check_private_key(sst_identity_leaf(id),
	    sst_identity_key(id)), 1);
	assert_int_equal(EVP_PKEY_eq(sst_identity_key(id), next->key), 1);
}

static void
cs_55_a_store_forks_while_other_threads_use_it(void **state)
{
	size_t served = 0;
	pthread_t thread;
	int status;

	(void)state;
	store_put(store, www);
	atomic_store(&stop, 0);
	assert_int_equal(pthread_create(&thread, NULL, asking, &served), 0);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			(void)alarm(20);
			_exit(serves("www.example.com", www) ? 0 : 1);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	atomic_store(&stop, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, each_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_chain_waits_for_its_key),
		T(a_renewed_chain_waits_for_its_key_while_the_old_pair_serves),
		T(chains_and_keys_in_memory_find_each_other),
		T(a_source_that_is_set_again_takes_its_own_place),
		T(removal_is_by_path_digest_or_all),
		T(cs_43_and_44_certbot_changes_its_links_and_every_step_serves_a_whole_pair),
		T(cs_54_a_renewal_that_cannot_be_read_keeps_the_old_identity),
		T(a_file_of_a_directory_that_lost_its_text_keeps_the_old_identity),
		T(cs_55_a_child_of_a_fork_has_a_store_of_its_own),
		T(cs_55_a_store_forks_while_other_threads_use_it),
		T(cs_56_a_store_that_is_emptied_or_never_filled_answers_with_an_alert),
		T(the_default_is_the_first_set_then_the_entry_default_then_the_common_names),
		T(cs_57_a_handshake_ends_with_what_it_began_when_the_older_one_comes_back),
		T(cs_66_an_unknown_name_costs_no_file_and_a_thrown_out_one_is_read_again),
		T(choices_see_the_old_or_the_new_set_while_it_changes),
	};

	return cmocka_run_group_tests(tests, limits_setup, limits_teardown);
}
