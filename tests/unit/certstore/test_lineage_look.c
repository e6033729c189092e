/* SPDX-License-Identifier: ISC */
/* The links of one folder of certbot's, as they are looked at: which archive, which
 * version, and what is none of certbot's. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "certstore/lineage.h"
#include "certstore/scan.h"
#include "each.h"
#include "world.h"

static struct pki_cert *site, *early;

/* Between the two looks at a link certbot puts it in its place. */
static const char *late;
static int at_once_fails;

static int
certbots_readlink(void *ctx, const char *path, char *out, size_t size,
    struct sst_error *err)
{
	if (at_once_fails)
		return sst_fail_errno(err, EACCES, "%s", path);
	if (late != NULL && strcmp(path, pki_path(dir, late)) == 0) {
		late = NULL;
		return SST_E_NOT_FOUND;
	}
	return sst_source_files.readlink(ctx, path, out, size, err);
}

static struct sst_source_ops ops;
static const struct sst_scan_env env = { .ops = &ops };

static int
look_setup(void **state)
{
	ops = sst_source_files;
	ops.readlink = certbots_readlink;
	late = NULL;
	at_once_fails = 0;
	return each_setup(state);
}

static int
certs_setup(void **state)
{
	(void)world_setup(state);
	site = leaf(PKI_P256, "www.example.com");
	early = pki_issue(world_ca, &(struct pki_spec){ .san = "www.example.com",
	    .not_before = PKI_NOW + PKI_DAY, .not_after = PKI_NOW + 9 * PKI_DAY });
	return 0;
}

static int
certs_teardown(void **state)
{
	pki_free(site);
	pki_free(early);
	return world_teardown(state);
}

static struct sst_lineage seen;

static enum sst_lineage_verdict
look(struct sst_served served)
{
	static char cert[] = "cert.pem", chain[] = "chain.pem", full[] = "fullchain.pem",
	    key[] = "privkey.pem";
	static char *const names[] = { cert, chain, full, key };

	served.now = PKI_NOW;
	memset(&seen, 0x5a, sizeof(seen));
	sst_lineage_look(&env, pki_path(dir, "live"), pki_path(dir, "live/site"), names, 4,
	    &served, &seen);
	assert_int_equal(seen.back != 0, served.version > 1 &&
	    seen.choice.verdict == SST_LINEAGE_WAIT && seen.back < served.version);
	return seen.choice.verdict;
}

static enum sst_lineage_verdict
look_new(void)
{
	return look((struct sst_served){ 0 });
}

static void
relink(const char *kind, const char *target)
{
	char name[64];

	pki_certbot_unlink(dir, "site", kind);
	(void)snprintf(name, sizeof(name), "live/site/%s.pem", kind);
	pki_link(dir, name, target);
}

static void
relink_all(int n)
{
	static const char *const order[] = { "cert", "privkey", "chain", "fullchain" };

	for (int i = 0; i < 4; i++) {
		pki_certbot_unlink(dir, "site", order[i]);
		pki_certbot_link(dir, "site", order[i], n);
	}
}

/* Each differs from certbot's in one thing. */
static void
other_links_are_not_certbots(void **state)
{
	char absolute[300];
	const char *const targets[] = { "../../archive/site/fullchain1.pem",
	    "../../archive/site/other1.pem", "../../archive/sit/fullchain1.pem",
	    "../../archive/sites/fullchain1.pem", "fullchain1.pem", absolute };

	(void)state;
	pki_certbot(dir, "site", site, 1);
	pki_certbot_archive(dir, "sit", site, 1);
	pki_certbot_archive(dir, "sites", site, 1);
	(void)snprintf(absolute, sizeof(absolute), "%s",
	    pki_path(dir, "archive/site/fullchain1.pem"));
	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		relink("fullchain", targets[i]);
		assert_int_equal(look_new(), i == 0 ? SST_LINEAGE_TAKE :
		    SST_LINEAGE_NONE);
	}
	/* a file */
	pki_certbot_unlink(dir, "site", "fullchain");
	pki_write_chain(dir, "live/site/fullchain.pem", site);
	assert_int_equal(look_new(), SST_LINEAGE_NONE);
}

/* All of them: then they say one archive, which is none. */
static void
an_archive_is_another_folder_and_not_named_from_the_root(void **state)
{
	static const char *const kinds[] = { "fullchain", "privkey" };
	char target[300];

	(void)state;
	pki_certbot(dir, "site", site, 1);
	pki_write_chain(dir, "live/site/fullchain1.pem", site);
	pki_write_key(dir, "live/site/privkey1.pem", site);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(target, sizeof(target), "./%s1.pem", kinds[i]);
		relink(kinds[i], target);
	}
	assert_int_equal(look_new(), SST_LINEAGE_NONE);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(target, sizeof(target), "%s/archive/site/%s1.pem", dir,
		    kinds[i]);
		relink(kinds[i], target);
	}
	assert_int_equal(look_new(), SST_LINEAGE_NONE);
}

static void
a_link_that_is_gone_is_missing_and_one_that_just_came_is_there(void **state)
{
	(void)state;
	pki_certbot(dir, "site", site, 1);
	late = "live/site/fullchain.pem";
	assert_int_equal(look_new(), SST_LINEAGE_TAKE);
	assert_null(late);
	assert_int_equal(seen.choice.split, 0);
	pki_certbot_unlink(dir, "site", "fullchain");
	assert_int_equal(look_new(), SST_LINEAGE_TAKE);
	assert_int_equal(seen.choice.split, 1);
}

static void
cs_44_links_go_back_at_once_where_the_key_that_is_served_is_gone(void **state)
{
	const struct sst_served two = { .version = 2 };

	(void)state;
	pki_certbot(dir, "site", site, 1);
	pki_certbot_archive(dir, "site", site, 2);
	assert_int_equal(look(two), SST_LINEAGE_WAIT);
	assert_int_equal(seen.back, 1);
	assert_int_equal(unlink(pki_path(dir, "archive/site/privkey2.pem")), 0);
	assert_int_equal(look(two), SST_LINEAGE_TAKE);
	assert_int_equal(seen.choice.version, 1);
	/* also to one whose fullchain.pem is not there */
	pki_certbot_unlink(dir, "site", "fullchain");
	assert_int_equal(unlink(pki_path(dir, "archive/site/fullchain1.pem")), 0);
	assert_int_equal(look(two), SST_LINEAGE_TAKE);
	assert_int_equal(seen.choice.split, 1);
}

static void
cs_44_links_do_not_go_back_to_what_is_not_valid_yet(void **state)
{
	const struct sst_served two = { .version = 2, .back = 1, .back_ms = SST_BACK_MS };

	(void)state;
	pki_certbot(dir, "site", early, 1);
	pki_certbot_archive(dir, "site", site, 2);
	assert_int_equal(look(two), SST_LINEAGE_WAIT);
	pki_certbot(dir, "site", site, 1);
	assert_int_equal(look(two), SST_LINEAGE_TAKE);
}

static void
cs_44_the_minute_is_of_the_version_that_the_links_lead_to(void **state)
{
	struct sst_served three = { .version = 3, .back = 1, .back_ms = SST_BACK_MS };

	(void)state;
	for (int n = 1; n <= 3; n++)
		pki_certbot(dir, "site", site, n);
	relink_all(2);
	assert_int_equal(look(three), SST_LINEAGE_WAIT);
	assert_int_equal(seen.back, 2);
	assert_int_equal(seen.choice.version, 3);
	three.back = 2;
	assert_int_equal(look(three), SST_LINEAGE_TAKE);
	assert_int_equal(seen.choice.version, 2);
}

static void
a_file_of_the_archive_is_itself_or_a_version_beside_it(void **state)
{
	struct sst_error err = { .code = SST_OK };
	char path[SST_PATH_SIZE];

	(void)state;
	pki_certbot(dir, "site", site, 1);
	assert_int_equal(look_new(), SST_LINEAGE_TAKE);
	assert_int_equal(sst_lineage_file(&env, &seen, SST_PART_PRIVKEY, 1, path, &err), 0);
	assert_string_equal(path, pki_path(dir, "archive/site/privkey1.pem"));
	pki_link(dir, "archive/site/privkey2.pem", "privkey1.pem");
	assert_int_equal(sst_lineage_file(&env, &seen, SST_PART_PRIVKEY, 2, path, &err), 0);
	assert_string_equal(path, pki_path(dir, "archive/site/privkey1.pem"));
	pki_link(dir, "archive/site/privkey3.pem", "fullchain1.pem");
	assert_int_equal(sst_lineage_file(&env, &seen, SST_PART_PRIVKEY, 3, path, &err),
	    SST_E_REFUSED);
	sst_error_clear(&err);
	/* who could not ask does not know */
	at_once_fails = 1;
	assert_true(sst_lineage_file(&env, &seen, SST_PART_PRIVKEY, 1, path, &err) < 0);
	assert_int_equal(err.sys_errno, EACCES);
}

static void
certbots_are_the_four_names_and_nothing_like_them(void **state)
{
	static const struct { const char *name; int is; } rows[] = {
		{ "cert.pem", 1 }, { "chain.pem", 1 }, { "fullchain.pem", 1 },
		{ "privkey.pem", 1 }, { "cert.pem.bak", 0 }, { "cert", 0 },
		{ "certs.pem", 0 }, { "README", 0 }, { "other.pem", 0 },
	};

	(void)state;
	pki_certbot(dir, "site", site, 1);
	assert_int_equal(look_new(), SST_LINEAGE_TAKE);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(sst_lineage_owns(&seen, rows[i].name), rows[i].is);
	relink("fullchain", "fullchain1.pem");
	assert_int_equal(look_new(), SST_LINEAGE_NONE);
	assert_int_equal(sst_lineage_owns(&seen, "cert.pem"), 0);
	assert_int_equal(sst_lineage_version(SST_PART_CHAIN, "chain3.pem"), 3);
	assert_int_equal(sst_lineage_version(SST_PART_CHAIN, "other3.pem"), 0);
}

static void
what_is_waited_for_is_said(void **state)
{
	char text[400];

	(void)state;
	pki_certbot(dir, "site", site, 1);
	pki_certbot_archive(dir, "site", site, 2);
	assert_int_equal(look_new(), SST_LINEAGE_TAKE);
	sst_lineage_why(&seen, text, sizeof(text));
	assert_string_equal(text, "the files of version 1 are no pair");
	assert_int_equal(look((struct sst_served){ .version = 2 }), SST_LINEAGE_WAIT);
	sst_lineage_why(&seen, text, sizeof(text));
	assert_non_null(strstr(text, "went back to version 1"));
	relink("privkey", "../../archive/site/privkey2.pem");
	assert_int_equal(look_new(), SST_LINEAGE_WAIT);
	sst_lineage_why(&seen, text, sizeof(text));
	assert_non_null(strstr(text, "(cert.pem 1, privkey.pem 2, chain.pem 1, "
	    "fullchain.pem 1; 0: not there): version 1 goes on"));
}

#define T(f)	cmocka_unit_test_setup_teardown(f, look_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(other_links_are_not_certbots),
		T(an_archive_is_another_folder_and_not_named_from_the_root),
		T(a_link_that_is_gone_is_missing_and_one_that_just_came_is_there),
		T(cs_44_links_go_back_at_once_where_the_key_that_is_served_is_gone),
		T(cs_44_links_do_not_go_back_to_what_is_not_valid_yet),
		T(cs_44_the_minute_is_of_the_version_that_the_links_lead_to),
		T(a_file_of_the_archive_is_itself_or_a_version_beside_it),
		T(certbots_are_the_four_names_and_nothing_like_them),
		T(what_is_waited_for_is_said),
	};

	return cmocka_run_group_tests(tests, certs_setup, certs_teardown);
}
