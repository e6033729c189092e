/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/forest.h"
#include "support/pki.h"

enum { NAMES = FOREST_KEYS + 6 };	/* keys come round again */

static struct forest *forest;
static char *dir;

static int
grow(void **state)
{
	(void)state;
	dir = pki_dir_new();
	forest = forest_new();
	forest_save(forest, dir);
	forest_grow(forest, dir, 0, NAMES, FOREST_CERTBOT);
	return 0;
}

static int
fell(void **state)
{
	(void)state;
	forest_free(forest);
	pki_dir_free(dir);
	return 0;
}

struct tree {
	X509		*leaf, *middle;
	EVP_PKEY	*key;
};

/* What a file of `form` holds for name i; certificates and key from two files or one. */
static struct tree
tree_read(const char *at, int i, enum forest_form form)
{
	char name[FOREST_NAME], file[128];
	struct tree t;
	FILE *in;

	forest_name(i, name);
	if (form == FOREST_FLAT)
		(void)snprintf(file, sizeof(file), "%s.pem", name);
	else
		(void)snprintf(file, sizeof(file), "live/%s/fullchain.pem", name);
	in = fopen(pki_path(at, file), "r");
	assert_non_null(in);
	t.leaf = PEM_read_X509(in, NULL, NULL, NULL);
	t.middle = PEM_read_X509(in, NULL, NULL, NULL);
	if (form != FOREST_FLAT) {
		(void)fclose(in);
		(void)snprintf(file, sizeof(file), "live/%s/privkey.pem", name);
		in = fopen(pki_path(at, file), "r");
		assert_non_null(in);
	}
	t.key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	(void)fclose(in);
	assert_true(t.leaf != NULL && t.middle != NULL && t.key != NULL);
	return t;
}

static void
tree_free(struct tree *t)
{
	X509_free(t->leaf);
	X509_free(t->middle);
	EVP_PKEY_free(t->key);
}

/* Signatures, name, key and serial number are those of name i, and of no other. */
static void
want_tree(const char *at, int i, int version, enum forest_form form)
{
	struct tree t = tree_read(at, i, form);
	char name[FOREST_NAME];
	int of = -1;

	assert_int_equal(X509_verify(t.leaf, X509_get0_pubkey(t.middle)), 1);
	assert_int_equal(X509_verify(t.middle, forest_root(forest)->key), 1);
	assert_int_equal(X509_check_issued(t.middle, t.leaf), X509_V_OK);
	assert_int_equal(X509_check_host(t.leaf, forest_name(i, name), 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(t.leaf, forest_name(i + 1, name), 0, 0, NULL), 0);
	assert_int_equal(X509_check_private_key(t.leaf, t.key), 1);
	assert_int_equal(forest_version(t.leaf, &of), version);
	assert_int_equal(of, i);
	tree_free(&t);
}

static void
every_name_has_a_chain_and_a_key_of_its_own(void **state)
{
	struct tree a = tree_read(dir, 0, FOREST_CERTBOT), b = tree_read(dir, 1, FOREST_CERTBOT);

	(void)state;
	for (int i = 0; i < NAMES; i++)
		want_tree(dir, i, 1, FOREST_CERTBOT);
	assert_int_equal(X509_check_private_key(a.leaf, b.key), 0);
	tree_free(&a);
	tree_free(&b);
}

static void
a_renewal_is_another_version_with_another_key(void **state)
{
	struct tree before = tree_read(dir, 5, FOREST_CERTBOT), after;

	(void)state;
	forest_renew(forest, dir, 5, 2, FOREST_CERTBOT);
	want_tree(dir, 5, 2, FOREST_CERTBOT);
	want_tree(dir, 6, 1, FOREST_CERTBOT);
	after = tree_read(dir, 5, FOREST_CERTBOT);
	assert_int_equal(X509_check_private_key(before.leaf, after.key), 0);
	tree_free(&before);
	tree_free(&after);
}

static void
one_file_holds_chain_and_key(void **state)
{
	char *flat = pki_dir_new();

	(void)state;
	forest_grow(forest, flat, 3, 2, FOREST_FLAT);
	want_tree(flat, 3, 1, FOREST_FLAT);
	want_tree(flat, 4, 1, FOREST_FLAT);
	forest_renew(forest, flat, 4, 7, FOREST_FLAT);
	want_tree(flat, 4, 7, FOREST_FLAT);
	pki_dir_free(flat);
}

static void
a_slim_tree_has_the_two_files_that_count(void **state)
{
	char *slim = pki_dir_new(), file[128], name[FOREST_NAME];

	(void)state;
	forest_grow(forest, slim, 0, 1, FOREST_SLIM);
	want_tree(slim, 0, 1, FOREST_SLIM);
	(void)snprintf(file, sizeof(file), "live/%s/cert.pem", forest_name(0, name));
	assert_int_not_equal(access(pki_path(slim, file), F_OK), 0);
	assert_int_equal(access(pki_path(dir, file), F_OK), 0);
	pki_dir_free(slim);
}

static void
a_forest_comes_back_with_its_authority(void **state)
{
	struct forest *again = forest_open(dir), *none;
	char *empty = pki_dir_new();

	(void)state;
	none = forest_open(empty);
	assert_non_null(again);
	assert_null(none);
	assert_int_equal(X509_cmp(forest_root(again)->cert, forest_root(forest)->cert), 0);
	forest_renew(again, dir, 9, 3, FOREST_CERTBOT);
	want_tree(dir, 9, 3, FOREST_CERTBOT);	/* verified by the first one's root */
	forest_free(again);
	pki_dir_free(empty);
}

static void
other_certificates_are_of_no_forest(void **state)
{
	struct pki_cert *c = pki_issue(NULL, &(struct pki_spec){ .san = "a.example" });
	int of = 0;

	(void)state;
	assert_int_equal(forest_version(c->cert, &of), -1);
	pki_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_has_a_chain_and_a_key_of_its_own),
		cmocka_unit_test(a_renewal_is_another_version_with_another_key),
		cmocka_unit_test(one_file_holds_chain_and_key),
		cmocka_unit_test(a_slim_tree_has_the_two_files_that_count),
		cmocka_unit_test(a_forest_comes_back_with_its_authority),
		cmocka_unit_test(other_certificates_are_of_no_forest),
	};

	return cmocka_run_group_tests(tests, grow, fell);
}
