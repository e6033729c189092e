/* SPDX-License-Identifier: ISC */
/* Folders of certbot's: which version is served while their links change, and when
 * they are looked at again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certstore/identity.h"
#include "certstore/lineage.h"
#include "certstore/store.h"
#include "certstore/waits.h"
#include "each_clock.h"
#include "world.h"

static const struct sst_choose_policy strict = { .strict = 1 };
static const char *const order[] = { "cert", "privkey", "chain", "fullchain" };

/* One name, three versions; the second has another CA above it and the same key. */
static struct pki_cert *other_ca, *one, *two, *three, *old;

static int
lineage_setup(void **state)
{
	(void)world_setup(state);
	other_ca = pki_issue(world_root, &(struct pki_spec){ .cn = "Other CA", .ca = 1 });
	one = leaf(PKI_P256, "www.example.com");
	two = pki_issue(other_ca, &(struct pki_spec){ .san = "www.example.com",
	    .use_key = one->key });
	three = leaf(PKI_P256, "www.example.com");
	old = pki_issue(world_ca, &(struct pki_spec){ .san = "www.example.com",
	    .not_after = PKI_NOW - PKI_DAY });
	return 0;
}

static int
lineage_teardown(void **state)
{
	pki_free(one);
	pki_free(two);
	pki_free(three);
	pki_free(old);
	pki_free(other_ca);
	return world_teardown(state);
}

static void
add_live(void)
{
	struct sst_error err = { .code = SST_OK };

	ok(sst_store_add(store, pki_path(dir, "live"), &err), &err);
}

static void
rescan_site(void)
{
	struct sst_error err = { .code = SST_OK };

	ok(sst_store_rescan_below(store, pki_path(dir, "live"), "site", &err), &err);
}

static void
retry(void)
{
	struct sst_error err = { .code = SST_OK };

	ok(sst_store_retry(store, &err), &err);
}

/* What is served is this leaf, and its own issuer stands above it. */
static int
serves_whole(const struct pki_cert *cert)
{
	struct sst_choice *c = ask(store, &strict,
	    &(struct client){ .name = "www.example.com" });
	STACK_OF(X509) *chain;
	int yes;

	if (sst_choice_count(c) != 1 || !chose(c, cert))
		return 0;
	chain = sst_identity_chain(sst_choice_identity(c, 0));
	yes = sk_X509_num(chain) == 1 &&
	    X509_cmp(sk_X509_value(chain, 0), cert->issuer->cert) == 0 &&
	    EVP_PKEY_eq(sst_identity_key(sst_choice_identity(c, 0)), cert->key) == 1;
	ask_reset();
	return yes;
}

/* Version n, as certbot renew --reuse-key writes it: the key is a link. */
static void
archive_reused(const struct pki_cert *cert, int n, int key_of)
{
	char name[64], target[64];

	pki_certbot_archive(dir, "site", cert, n);
	(void)snprintf(name, sizeof(name), "archive/site/privkey%d.pem", n);
	(void)snprintf(target, sizeof(target), "privkey%d.pem", key_of);
	assert_int_equal(unlink(pki_path(dir, name)), 0);
	pki_link(dir, name, target);
}

static void
relink(const char *kind, int n)
{
	pki_certbot_unlink(dir, "site", kind);
	pki_certbot_link(dir, "site", kind, n);
}

static void
cs_44_the_numbers_of_the_links_say_which_version_is_served(void **state)
{
	static const struct {
		int	 n[SST_PARTS];	/* cert, privkey, chain, fullchain */
		int	 served;
		enum sst_lineage_verdict verdict;
		int	 version, split;
	} rows[] = {
		{ { 1, 1, 1, 1 }, 0, SST_LINEAGE_TAKE, 1, 0 },
		{ { 1, 1, 1, 1 }, 1, SST_LINEAGE_TAKE, 1, 0 },
		{ { 2, 2, 2, 2 }, 1, SST_LINEAGE_TAKE, 2, 0 },
		/* each step of certbot's from 1 to 2 */
		{ { 0, 1, 1, 1 }, 1, SST_LINEAGE_TAKE, 1, 0 },
		{ { 2, 1, 1, 1 }, 1, SST_LINEAGE_TAKE, 1, 0 },
		{ { 2, 0, 1, 1 }, 1, SST_LINEAGE_WAIT, 1, 0 },
		{ { 2, 2, 1, 1 }, 1, SST_LINEAGE_WAIT, 1, 0 },
		{ { 2, 2, 0, 1 }, 1, SST_LINEAGE_WAIT, 1, 0 },
		{ { 2, 2, 2, 1 }, 1, SST_LINEAGE_WAIT, 1, 0 },
		{ { 2, 2, 2, 0 }, 1, SST_LINEAGE_TAKE, 2, 1 },
		/* the same for who serves nothing yet: the version that is left */
		{ { 2, 0, 1, 1 }, 0, SST_LINEAGE_WAIT, 1, 0 },
		{ { 2, 2, 1, 1 }, 0, SST_LINEAGE_WAIT, 1, 0 },
		{ { 2, 2, 0, 1 }, 0, SST_LINEAGE_WAIT, 1, 0 },
		/* a renewal was missed: from 2 to 3, and 1 is served */
		{ { 3, 3, 2, 2 }, 1, SST_LINEAGE_WAIT, 2, 0 },
		{ { 3, 3, 2, 2 }, 2, SST_LINEAGE_WAIT, 2, 0 },
		/* only two links were ever made */
		{ { 0, 4, 0, 4 }, 3, SST_LINEAGE_TAKE, 4, 0 },
		{ { 0, 4, 0, 3 }, 3, SST_LINEAGE_WAIT, 3, 0 },
		{ { 0, 4, 0, 0 }, 3, SST_LINEAGE_NONE, 0, 0 },
		{ { 0, 0, 0, 4 }, 3, SST_LINEAGE_NONE, 0, 0 },
		/* no fullchain.pem at all, and one that is missing meanwhile */
		{ { 5, 5, 5, 0 }, 0, SST_LINEAGE_TAKE, 5, 1 },
		{ { 5, 5, 4, 0 }, 4, SST_LINEAGE_WAIT, 4, 0 },
		{ { 5, 4, 5, 0 }, 4, SST_LINEAGE_WAIT, 4, 0 },
		{ { 4, 5, 5, 0 }, 4, SST_LINEAGE_WAIT, 4, 0 },
		/* back */
		{ { 1, 1, 1, 1 }, 2, SST_LINEAGE_BACK, 1, 0 },
		{ { 1, 1, 1, 0 }, 2, SST_LINEAGE_BACK, 1, 1 },
		{ { 1, 1, 2, 2 }, 2, SST_LINEAGE_WAIT, 2, 0 },
		{ { 9, 9, 9, 9 }, 10, SST_LINEAGE_BACK, 9, 0 },
		{ { 10, 10, 10, 10 }, 9, SST_LINEAGE_TAKE, 10, 0 },
		{ { 0, 0, 0, 0 }, 2, SST_LINEAGE_NONE, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sst_lineage_choice c = sst_lineage_judge(rows[i].n, rows[i].served);

		if (c.verdict != rows[i].verdict || c.version != rows[i].version ||
		    c.split != rows[i].split)
			fail_msg("row %zu: verdict %d, version %d, split %d", i,
			    (int)c.verdict, c.version, c.split);
	}
}

static void
cs_44_links_go_back_only_to_what_is_valid_and_after_a_minute(void **state)
{
	(void)state;
	assert_true(sst_lineage_may_go_back(1, 1, 60000));
	assert_false(sst_lineage_may_go_back(1, 1, 59999));
	assert_true(sst_lineage_may_go_back(0, 1, 0));
	assert_false(sst_lineage_may_go_back(0, 0, 1000000));
	assert_false(sst_lineage_may_go_back(1, 0, 1000000));
}

static void
a_version_is_what_stands_before_the_end(void **state)
{
	(void)state;
	assert_int_equal(sst_lineage_version(SST_PART_PRIVKEY, "privkey12.pem"), 12);
	assert_int_equal(sst_lineage_version(SST_PART_FULLCHAIN,
	    "../../archive/a7/fullchain3.pem"), 3);
	assert_int_equal(sst_lineage_version(SST_PART_CHAIN, "a/fullchain3.pem"), 0);
	assert_int_equal(sst_lineage_version(SST_PART_CERT, "a/cert.pem"), 0);
	assert_int_equal(sst_lineage_version(SST_PART_CERT, "a/cert0.pem"), 0);
	assert_int_equal(sst_lineage_version(SST_PART_CERT, "a/cert01.pem"), 0);
	assert_int_equal(sst_lineage_version(SST_PART_CERT, "a/cert1.pem~"), 0);
	assert_int_equal(sst_lineage_version(SST_PART_CERT, "a/cert-1.pem"), 0);
	assert_int_equal(sst_lineage_version(SST_PART_CERT, "a/cert999999999.pem"),
	    999999999);
	assert_int_equal(sst_lineage_version(SST_PART_CERT, "a/cert9999999999.pem"), 0);
}

static void
a_folder_that_waits_is_due_later_and_later(void **state)
{
	static const int64_t delays[] = { 200, 500, 1000, 2000, 5000, 10000, 10000 };
	struct sst_waits ws = { 0 };
	int64_t now = 1000;
	int told = 0;

	(void)state;
	assert_int_equal(sst_waits_due(&ws, now), -1);
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		assert_int_equal(sst_waits_note(&ws, "/l", "/l/a", 0, now), i == 5);
		told += i == 5;
		assert_int_equal(sst_waits_due(&ws, now), delays[i]);
		/* looked at for another reason: it does not move on */
		assert_int_equal(sst_waits_note(&ws, "/l", "/l/a", 0, now + 1), 0);
		assert_int_equal(sst_waits_due(&ws, now), delays[i]);
		now += delays[i];
		assert_int_equal(sst_waits_due(&ws, now), 0);
	}
	assert_int_equal(told, 1);
	/* another thing to wait for begins anew */
	assert_int_equal(sst_waits_note(&ws, "/l", "/l/a", 3, now), 0);
	assert_int_equal(sst_waits_due(&ws, now), 200);
	assert_int_equal(sst_waits_note(&ws, "/l", "/l/b", 0, now - 100), 0);
	assert_int_equal(sst_waits_due(&ws, now), 100);
	assert_int_equal(sst_waits_note(&ws, "/m", "/m/c", 0, now - 150), 0);
	assert_int_equal(sst_waits_due(&ws, now), 50);
	sst_waits_drop_source(&ws, "/m");
	assert_int_equal(sst_waits_due(&ws, now), 100);
	sst_waits_drop(&ws, "/l/b");
	assert_null(sst_waits_find(&ws, "/l/b"));
	assert_non_null(sst_waits_find(&ws, "/l/a"));
	sst_waits_done(&ws);
}

static void
no_more_folders_wait_than_may(void **state)
{
	struct sst_waits ws = { 0 };
	char name[32];

	(void)state;
	for (int i = 0; i < SST_WAITS_MAX + 10; i++) {
		(void)snprintf(name, sizeof(name), "/l/%d", i);
		(void)sst_waits_note(&ws, "/l", name, 0, 1);
	}
	assert_int_equal(ws.n, SST_WAITS_MAX);
	sst_waits_drop_source(&ws, "/l");
	assert_int_equal(ws.n, 0);
	sst_waits_done(&ws);
}

/* Every link in turn, unlinked and made again; `reuse`: the keys are the same. */
static void
renew_step_by_step(const struct pki_cert *from, const struct pki_cert *to, int reuse)
{
	int taken = 0;

	pki_certbot(dir, "site", from, 1);
	add_live();
	assert_true(serves_whole(from));
	if (reuse)
		archive_reused(to, 2, 1);
	else
		pki_certbot_archive(dir, "site", to, 2);
	for (int i = 0; i < 4; i++) {
		pki_certbot_unlink(dir, "site", order[i]);
		rescan_site();
		taken |= serves_whole(to);
		assert_true(serves_whole(from) || (i == 3 && serves_whole(to)));
		pki_certbot_link(dir, "site", order[i], 2);
		rescan_site();
		assert_true(i < 3 ? serves_whole(from) : serves_whole(to));
	}
	/* cert.pem and chain.pem are whole without fullchain.pem */
	assert_true(taken);
	assert_int_equal(sst_store_retry_due(store), -1);
	assert_int_equal(events.count[SST_STORE_REMOVED], 0);
	assert_int_equal(events.count[SST_STORE_REFUSED], 0);
	assert_int_equal(events.count[SST_STORE_KEPT], 0);
}

static void
cs_43_chain_and_key_are_of_one_version_at_every_step(void **state)
{
	(void)state;
	renew_step_by_step(one, three, 0);
}

static void
cs_43_a_key_that_is_used_again_does_not_mix_versions(void **state)
{
	(void)state;
	renew_step_by_step(one, two, 1);
}

static void
cs_44_a_server_that_starts_between_two_versions_serves_the_one_that_is_left(void **state)
{
	(void)state;
	pki_certbot(dir, "site", one, 1);
	pki_certbot_archive(dir, "site", three, 2);
	for (int step = 0; step < 8; step++) {
		if (step % 2 == 0)
			pki_certbot_unlink(dir, "site", order[step / 2]);
		else
			pki_certbot_link(dir, "site", order[step / 2], 2);
		sst_store_unref(store);
		store = store_make(NULL);
		add_live();
		if (!serves_whole(step < 6 ? one : three))
			fail_msg("after step %d", step);
		/* it waits while the links disagree */
		assert_int_equal(sst_store_retry_due(store) >= 0, step >= 2 && step < 6);
	}
}

static void
cs_44_certbot_stops_in_the_middle_and_goes_on_later(void **state)
{
	static const int64_t delays[] = { 200, 500, 1000, 2000, 5000, 10000 };
	int64_t due;

	(void)state;
	pki_certbot(dir, "site", one, 1);
	add_live();
	pki_certbot_archive(dir, "site", three, 2);
	relink("cert", 2);
	relink("privkey", 2);
	rescan_site();
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		due = sst_store_retry_due(store);
		assert_in_range(due, delays[i] - 100, delays[i]);
		assert_int_equal(events.count[SST_STORE_KEPT], i >= 5);
		wall_ahead += delays[i];
		retry();
		assert_true(serves_whole(one));
	}
	/* it is told once, and says what it waits for */
	assert_int_equal(events.count[SST_STORE_KEPT], 1);
	assert_non_null(strstr(events.text, "privkey.pem 2"));
	assert_non_null(strstr(events.text, "fullchain.pem 1"));
	assert_non_null(strstr(events.text, "version 1 goes on"));
	relink("chain", 2);
	relink("fullchain", 2);
	/* no watch says so: the next look does, and not before its time */
	retry();
	assert_true(serves_whole(one));
	wall_ahead += 10000;
	retry();
	assert_true(serves_whole(three));
	assert_int_equal(sst_store_retry_due(store), -1);
	assert_int_equal(events.count[SST_STORE_RENEWED], 1);
}

static int
put_off(void *arg, const struct sst_identity *id, const char *names, int displaces,
    struct sst_error *err)
{
	(void)id, (void)names, (void)err;
	assert_true(displaces);
	++*(int *)arg;
	return *(int *)arg == 1;
}

/* `source`: the directory, or the folder itself. */
static void
put_off_what_is_due(const char *source)
{
	struct sst_error err = { .code = SST_OK };
	int asked = 0;

	pki_certbot(dir, "site", one, 1);
	ok(sst_store_add(store, pki_path(dir, source), &err), &err);
	pki_certbot_archive(dir, "site", three, 2);
	relink("cert", 2);
	relink("privkey", 2);
	ok(sst_store_rescan(store, NULL, &err), &err);
	relink("chain", 2);
	relink("fullchain", 2);
	sst_store_on_try(store, put_off, &asked);
	wall_ahead += 200;
	retry();
	assert_int_equal(asked, 1);
	assert_true(serves_whole(one));
	/* not a moment later, and only as often as somebody reads */
	assert_int_equal(sst_store_retry_due(store), 0);
	retry();
	assert_int_equal(asked, 2);
	assert_true(serves_whole(three));
	assert_int_equal(sst_store_retry_due(store), -1);
}

static void
what_is_due_and_is_put_off_stays_due(void **state)
{
	(void)state;
	put_off_what_is_due("live");
}

static void
a_folder_by_itself_that_is_put_off_stays_due(void **state)
{
	(void)state;
	put_off_what_is_due("live/site");
}

static void
cs_44_files_that_are_no_pair_keep_the_old_version_and_are_read_again(void **state)
{
	struct pki_buf key = { 0 };

	(void)state;
	pki_certbot(dir, "site", one, 1);
	add_live();
	/* version 2 with the key of another */
	pki_certbot(dir, "site", three, 2);
	pki_put_key(&key, old);
	pki_write(dir, "archive/site/privkey2.pem", 0600, &key);
	rescan_site();
	assert_true(serves_whole(one));
	assert_int_equal(events.count[SST_STORE_KEPT], 1);
	assert_in_range(sst_store_retry_due(store), 100, 200);
	pki_buf_free(&key);
	pki_put_key(&key, three);
	pki_write(dir, "archive/site/privkey2.pem", 0600, &key);
	pki_buf_free(&key);
	wall_ahead = 200;
	retry();
	assert_true(serves_whole(three));
	assert_int_equal(sst_store_retry_due(store), -1);
}

static void
what_is_taken_out_waits_no_more(void **state)
{
	static const char *const what[] = { "live", "*" };

	(void)state;
	pki_certbot(dir, "site", one, 1);
	pki_certbot_archive(dir, "site", three, 2);
	pki_certbot_unlink(dir, "site", "privkey");
	pki_certbot_link(dir, "site", "privkey", 2);
	for (size_t i = 0; i < 2; i++) {
		add_live();
		assert_in_range(sst_store_retry_due(store), 100, 200);
		/* what stays waits on */
		assert_int_equal(sst_store_remove(store, pki_path(dir, "other"), NULL),
		    SST_E_NOT_FOUND);
		assert_in_range(sst_store_retry_due(store), 100, 200);
		assert_int_equal(sst_store_remove(store, i == 0 ? pki_path(dir, what[i]) :
		    what[i], NULL), SST_OK);
		assert_int_equal(sst_store_retry_due(store), -1);
	}
}

/* A renewal that failed and was undone, as certbot does by mistake. */
static void
cs_44_links_that_lead_back_to_an_expired_version_are_not_followed(void **state)
{
	(void)state;
	pki_certbot(dir, "site", old, 1);
	pki_certbot(dir, "site", one, 2);
	add_live();
	assert_true(serves_whole(one));
	for (int i = 0; i < 4; i++)
		relink(order[i], 1);
	for (int i = 0; i < 20; i++) {
		rescan_site();
		retry();
		assert_true(serves_whole(one));
		wall_ahead += 10000;
	}
	assert_int_equal(events.count[SST_STORE_KEPT], 1);
	assert_non_null(strstr(events.text, "went back to version 1"));
	/* also when the served one's files are gone: it is kept in memory */
	assert_int_equal(unlink(pki_path(dir, "archive/site/privkey2.pem")), 0);
	rescan_site();
	assert_true(serves_whole(one));
	/* forward again: nothing is to be waited for */
	pki_certbot(dir, "site", three, 3);
	rescan_site();
	assert_true(serves_whole(three));
	assert_int_equal(sst_store_retry_due(store), -1);
}

static void
cs_44_links_that_lead_back_to_a_valid_version_are_followed_after_a_minute(void **state)
{
	(void)state;
	pki_certbot(dir, "site", one, 1);
	pki_certbot(dir, "site", three, 2);
	add_live();
	for (int i = 0; i < 4; i++)
		relink(order[i], 1);
	rescan_site();
	assert_true(serves_whole(three));
	wall_ahead = 59000;
	retry();
	assert_true(serves_whole(three));
	wall_ahead = 70000;
	retry();
	assert_true(serves_whole(one));
	assert_int_equal(sst_store_retry_due(store), -1);
	/* at once where the higher one's files are gone */
	pki_certbot(dir, "site", three, 2);
	rescan_site();
	assert_true(serves_whole(three));
	assert_int_equal(unlink(pki_path(dir, "archive/site/fullchain2.pem")), 0);
	for (int i = 0; i < 4; i++)
		relink(order[i], 1);
	rescan_site();
	assert_true(serves_whole(one));
}

static void
cs_44_what_a_failed_renewal_leaves_behind_is_passed_over(void **state)
{
	(void)state;
	pki_certbot(dir, "site", one, 1);
	pki_certbot_archive(dir, "site", three, 2);
	pki_link(dir, "live/site/previous_fullchain.pem",
	    "../../archive/site/fullchain2.pem");
	pki_link(dir, "live/site/previous_privkey.pem",
	    "../../archive/site/privkey2.pem");
	pki_write_text(dir, "live/site/README", "This directory\n");
	add_live();
	assert_true(serves_whole(one));
	assert_int_equal(events.count[SST_STORE_ADDED], 1);
	assert_int_equal(events.count[SST_STORE_REFUSED], 0);
}

/* A folder of plain files, or of links of another form, pairs by key alone. */
static void
files_that_are_no_links_of_certbots_are_paired_as_ever(void **state)
{
	(void)state;
	pki_write_chain(dir, "live/site/fullchain.pem", one);
	pki_write_key(dir, "live/site/privkey.pem", one);
	add_live();
	assert_true(serves_whole(one));
	assert_int_equal(sst_store_retry_due(store), -1);
	pki_write_chain(dir, "archive/site/full-7.pem", three);
	pki_write_key(dir, "archive/site/key-8.pem", three);
	assert_int_equal(unlink(pki_path(dir, "live/site/fullchain.pem")), 0);
	assert_int_equal(unlink(pki_path(dir, "live/site/privkey.pem")), 0);
	pki_link(dir, "live/site/fullchain.pem", "../../archive/site/full-7.pem");
	pki_link(dir, "live/site/privkey.pem", "../../archive/site/key-8.pem");
	rescan_site();
	assert_true(serves_whole(three));
	assert_int_equal(sst_store_retry_due(store), -1);
}

/* A number says something in one archive only. */
static void
links_into_two_archives_are_paired_as_ever(void **state)
{
	(void)state;
	pki_certbot(dir, "site", one, 1);
	pki_certbot_archive(dir, "other", one, 1);
	/* its own archive has another key of that number */
	pki_write_key(dir, "archive/site/privkey1.pem", three);
	pki_certbot_unlink(dir, "site", "privkey");
	pki_link(dir, "live/site/privkey.pem", "../../archive/other/privkey1.pem");
	add_live();
	assert_true(serves_whole(one));
	assert_int_equal(sst_store_retry_due(store), -1);
}

/* An archive's link may lead to an older key beside it, and nowhere else. */
static void
cs_51_a_key_of_the_archive_that_leads_out_of_it_is_refused(void **state)
{
	(void)state;
	pki_write_key(dir, "secret/privkey1.pem", three);
	pki_certbot(dir, "site", three, 2);
	assert_int_equal(unlink(pki_path(dir, "archive/site/privkey2.pem")), 0);
	pki_link(dir, "archive/site/privkey2.pem", "../../secret/privkey1.pem");
	add_live();
	assert_false(serves_whole(three));
	assert_non_null(strstr(events.text, "no private key"));
	pki_write_key(dir, "archive/site/privkey1.pem", three);
	assert_int_equal(unlink(pki_path(dir, "archive/site/privkey2.pem")), 0);
	pki_link(dir, "archive/site/privkey2.pem", "privkey1.pem");
	rescan_site();
	assert_true(serves_whole(three));
}

#define T(f)	cmocka_unit_test_setup_teardown(f, clock_setup, clock_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cs_44_the_numbers_of_the_links_say_which_version_is_served),
		cmocka_unit_test(cs_44_links_go_back_only_to_what_is_valid_and_after_a_minute),
		cmocka_unit_test(a_version_is_what_stands_before_the_end),
		cmocka_unit_test(a_folder_that_waits_is_due_later_and_later),
		cmocka_unit_test(no_more_folders_wait_than_may),
		T(cs_43_chain_and_key_are_of_one_version_at_every_step),
		T(cs_43_a_key_that_is_used_again_does_not_mix_versions),
		T(cs_44_a_server_that_starts_between_two_versions_serves_the_one_that_is_left),
		T(cs_44_certbot_stops_in_the_middle_and_goes_on_later),
		T(what_is_due_and_is_put_off_stays_due),
		T(a_folder_by_itself_that_is_put_off_stays_due),
		T(cs_44_files_that_are_no_pair_keep_the_old_version_and_are_read_again),
		T(what_is_taken_out_waits_no_more),
		T(cs_44_links_that_lead_back_to_an_expired_version_are_not_followed),
		T(cs_44_links_that_lead_back_to_a_valid_version_are_followed_after_a_minute),
		T(cs_44_what_a_failed_renewal_leaves_behind_is_passed_over),
		T(files_that_are_no_links_of_certbots_are_paired_as_ever),
		T(links_into_two_archives_are_paired_as_ever),
		T(cs_51_a_key_of_the_archive_that_leads_out_of_it_is_refused),
	};

	return cmocka_run_group_tests(tests, lineage_setup, lineage_teardown);
}
