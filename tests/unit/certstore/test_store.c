/* SPDX-License-Identifier: ISC */
/* What a store does with what it is given: bytes, files, directories, keys. */
#include <string.h>

#include "ask.h"

static struct pki_cert *root, *ca, *www, *wild;

static int
setup(void **state)
{
	(void)state;
	root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	ca = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	www = pki_issue(ca, &(struct pki_spec){ .san = "www.example.com" });
	wild = pki_issue(ca, &(struct pki_spec){ .key = PKI_RSA, .san = "*.example.com" });
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pki_free(www);
	pki_free(wild);
	pki_free(ca);
	pki_free(root);
	return 0;
}

static void
a_file_a_directory_and_a_wildcard_are_served(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = store_make(NULL);
	char *dir = pki_dir_new();
	int rc;

	(void)state;
	pki_write_pair(dir, "www.pem", www);
	pki_certbot(dir, "wild", wild, 1);
	rc = sst_store_add(s, pki_path(dir, "www.pem"), &err);
	if (rc < 0)
		fail_msg("%s", err.text);
	rc = sst_store_add(s, pki_path(dir, "live"), &err);
	if (rc < 0)
		fail_msg("%s", err.text);
	assert_int_equal(sst_store_generation(s), 2);
	expect(ask(s, NULL, &(struct client){ .name = "WWW.Example.com." }),
	    SST_TIER_EXACT, www);
	expect(ask(s, NULL, &(struct client){ .name = "other.example.com" }),
	    SST_TIER_WILDCARD, wild);
	expect(ask(s, NULL, &(struct client){ .name = "example.com" }),
	    SST_TIER_DEFAULT, www);
	expect_alert(ask(s, &(struct sst_choose_policy){ .strict = 1 },
	    &(struct client){ .name = "example.com" }), 112);
	ask_reset();
	sst_store_unref(s);
	pki_dir_free(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_a_directory_and_a_wildcard_are_served),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
