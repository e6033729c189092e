/* SPDX-License-Identifier: ISC */
/* Which folders were served from: noted once a decision, bounded, first in first out. */
#include <stdio.h>
#include <string.h>

#include "certstore/hot.h"
#include "certstore/store.h"
#include "world.h"

static void
what_was_noted_first_is_taken_first_and_once(void **state)
{
	struct sst_hot h = { 0 };
	char out[64];

	(void)state;
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 0);
	assert_int_equal(sst_hot_note(&h, "/etc/tls/a/cert.pem"), 1);
	assert_int_equal(sst_hot_note(&h, "/etc/tls/b/cert.pem"), 0);
	assert_int_equal(sst_hot_note(&h, "/etc/tls/a/fullchain.pem"), 0);
	/* In no folder: bytes, and what is in the root. */
	assert_int_equal(sst_hot_note(&h, "bytes:00/11"), 0);
	assert_int_equal(sst_hot_note(&h, "/cert.pem"), 0);
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 1);
	assert_string_equal(out, "/etc/tls/a");
	/* Who was taken is noted anew, behind who waits. */
	assert_int_equal(sst_hot_note(&h, "/etc/tls/a/cert.pem"), 0);
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 1);
	assert_string_equal(out, "/etc/tls/b");
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 1);
	assert_string_equal(out, "/etc/tls/a");
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 0);
	assert_int_equal(sst_hot_note(&h, "/etc/tls/b/cert.pem"), 1);
	sst_hot_done(&h);
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 0);
	/* The hash of this one is 0, which is also that of no folder. */
	assert_int_equal(sst_hot_note(&h, "/tmc1be8/cert.pem"), 1);
	sst_hot_done(&h);
}

/* How many wait, when these were noted one after the other. */
static int
waiting(struct sst_hot *h, const char *const *files, int n)
{
	char out[64];
	int found = 0;

	for (int i = 0; i < n; i++)
		(void)sst_hot_note(h, files[i]);
	while (sst_hot_take(h, out, sizeof(out)))
		found++;
	return found;
}

/* By chance two folders share a mark: the first is noted again then, the second not. */
static void
who_is_taken_leaves_the_mark_of_another(void **state)
{
	struct sst_hot h = { 0 };
	char other[64], out[64];
	const char *const files[] = { "/tls/a/cert.pem", other, "/tls/a/cert.pem" };
	int n = 0;

	(void)state;
	do {
		(void)snprintf(other, sizeof(other), "/tls/b%d/cert.pem", n++);
		assert_true(n < 100 * SST_HOT_MARKS);
	} while (waiting(&h, files, 3) != 3);
	assert_int_equal(sst_hot_note(&h, files[0]), 1);
	assert_int_equal(sst_hot_note(&h, other), 0);
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 1);
	assert_string_equal(out, "/tls/a");
	/* it waits */
	assert_int_equal(sst_hot_note(&h, other), 0);
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 1);
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 0);
	sst_hot_done(&h);
}

static void
a_folder_that_just_fits_has_room_for_its_end(void **state)
{
	char file[4096] = "/";

	(void)state;
	for (size_t n = 1000; n < 2100; n++) {
		struct sst_hot h = { 0 };

		memset(file + 1, 'x', n);
		(void)strcpy(file + n, "/cert.pem");
		assert_int_equal(sst_hot_note(&h, file), 1);
		assert_true(h.end <= h.room);
		sst_hot_done(&h);
	}
}

static void
what_waits_takes_so_much_memory_and_no_more(void **state)
{
	struct sst_hot h = { 0 };
	char path[64], out[64], wanted[64];
	size_t each, fit, n = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(path, sizeof(path), "/etc/tls/name%08d/cert.pem", i);
		(void)sst_hot_note(&h, path);
		assert_true(h.room <= SST_HOT_BYTES);
	}
	each = strlen("/etc/tls/name00000000") + 1;
	fit = SST_HOT_BYTES / each;
	/* Half of them go, and others find that room. */
	for (; n < fit / 2; n++) {
		(void)snprintf(wanted, sizeof(wanted), "/etc/tls/name%08zu", n);
		assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 1);
		assert_string_equal(out, wanted);
	}
	for (size_t i = fit; i < 20000; i++) {
		(void)snprintf(path, sizeof(path), "/etc/tls/name%08zu/cert.pem", i);
		(void)sst_hot_note(&h, path);
		assert_true(h.room <= SST_HOT_BYTES);
	}
	for (; n < fit + fit / 2; n++) {
		(void)snprintf(wanted, sizeof(wanted), "/etc/tls/name%08zu", n);
		assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 1);
		assert_string_equal(out, wanted);
	}
	assert_int_equal(sst_hot_take(&h, out, sizeof(out)), 0);
	sst_hot_done(&h);
}

static void
the_name_is_the_component_below_the_source(void **state)
{
	static const struct {
		const char *source, *folder, *name;
	} v[] = {
		{ "/etc/tls", "/etc/tls/a", "a" }, { "/etc/tls/", "/etc/tls/a/b", "a" },
		{ "/", "/a", "a" }, { "/etc/tls", "/etc/tls", NULL },
		{ "/etc/tls//", "/etc/tls/a", "a" },
		{ "/etc/tls", "/etc/tls/", NULL }, { "/etc/tls", "/etc/tlsx/a", NULL },
		{ "/etc/tls", "/etc", NULL }, { "/etc/tls", "/var/tls/a", NULL },
		{ "/etc/tls", "/etc/tls/1234567", "1234567" },
		{ "/etc/tls", "/etc/tls/12345678", NULL },
	};
	char out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_int_equal(sst_hot_name(v[i].source, v[i].folder, out,
		    sizeof(out)), v[i].name != NULL);
		if (v[i].name != NULL)
			assert_string_equal(out, v[i].name);
	}
}

static void
a_store_notes_what_it_decides_and_not_what_it_finds(void **state)
{
	struct pki_cert *a = leaf(PKI_P256, "a.example.com"),
	    *b = leaf(PKI_P256, "b.example.com"), *c = leaf(PKI_P256, "c.example.com");
	struct sst_store *s = store_make(NULL);
	char *dir = pki_dir_new(), live[256], out[SST_PATH_SIZE], wanted[300];

	(void)state;
	pki_certbot(dir, "a", a, 1);
	pki_certbot(dir, "b", b, 1);
	(void)snprintf(live, sizeof(live), "%s/live", dir);
	ok(sst_store_add(s, live, NULL), NULL);
	store_put(s, c);
	assert_int_equal(sst_store_is_hot(s), 0);
	assert_true(serves_in(s, "a.example.com", a));
	assert_int_equal(sst_store_is_hot(s), 1);
	assert_int_equal(sst_store_hot(s, out, sizeof(out)), 1);
	(void)snprintf(wanted, sizeof(wanted), "%s/a", live);
	assert_string_equal(out, wanted);
	assert_int_equal(sst_store_is_hot(s), 0);
	assert_int_equal(sst_store_hot(s, out, sizeof(out)), 0);
	/* The same again is in the cache; bytes are in no folder. */
	assert_true(serves_in(s, "a.example.com", a));
	assert_true(serves_in(s, "c.example.com", c));
	assert_false(serves_in(s, "nobody.example.com", a));
	assert_int_equal(sst_store_is_hot(s), 0);
	/* With what changed everything is decided anew. */
	pki_certbot(dir, "b", a, 2);
	ok(sst_store_rescan_below(s, live, "b", NULL), NULL);
	assert_true(serves_in(s, "c.example.com", c));
	assert_int_equal(sst_store_is_hot(s), 0);
	(void)ask(s, NULL, &(struct client){ .name = "a.example.com" });
	ask_reset();
	assert_int_equal(sst_store_is_hot(s), 1);
	sst_store_unref(s);
	pki_dir_free(dir);
	pki_free(a);
	pki_free(b);
	pki_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_noted_first_is_taken_first_and_once),
		cmocka_unit_test(who_is_taken_leaves_the_mark_of_another),
		cmocka_unit_test(a_folder_that_just_fits_has_room_for_its_end),
		cmocka_unit_test(what_waits_takes_so_much_memory_and_no_more),
		cmocka_unit_test(the_name_is_the_component_below_the_source),
		cmocka_unit_test(a_store_notes_what_it_decides_and_not_what_it_finds),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
