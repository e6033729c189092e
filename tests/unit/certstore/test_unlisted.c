/* SPDX-License-Identifier: ISC */
/* What cannot be listed, or is too much to be: what serves goes on, others are not kept
 * waiting, and no more is held in memory for it than the cache had. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "certstore/apply_work.h"
#include "certstore/challenge.h"
#include "certstore/identity.h"
#include "certstore/scan_pool.h"
#include "certstore/store.h"
#include "certstore/watch/look.h"
#include "counted.h"
#include "each.h"
#include "support/acme.h"
#include "world.h"

#define MANY	(SST_POOL_LEAST + 36)	/* read by several threads */
#define FEW	3
#define BYTES	((size_t)48 << 10)	/* room for some of them */

static struct pki_cert *site[MANY], *next;

static int
unlisted_setup(void **state)
{
	char name[64];

	(void)world_setup(state);
	next = leaf(PKI_P256, "site0.example.com");
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "site%d.example.com", i);
		site[i] = pki_issue(world_ca, &(struct pki_spec){ .san = name,
		    .use_key = next->key });
	}
	return 0;
}

static int
unlisted_teardown(void **state)
{
	pki_free(next);
	for (int i = 0; i < MANY; i++)
		pki_free(site[i]);
	return world_teardown(state);
}

static int told_kept;		/* of the directory itself */

static void
on_event(void *arg, const struct sst_store_event *e)
{
	(void)arg;
	if (e->kind == SST_STORE_KEPT && strcmp(e->source, certs) == 0) {
		told_kept++;
		assert_true(e->text[0] != '\0');
	}
}

static int
counted_setup(void **state)
{
	int rc = each_setup(state);

	sst_store_unref(store);
	told_kept = 0;
	store = counted_store(&(struct sst_store_config){ .cache_bytes = BYTES,
	    .on_event = on_event });
	(void)snprintf(certs, sizeof(certs), "%s", pki_path(dir, "d"));
	return rc;
}

static int
counted_teardown(void **state)
{
	counted_refuses = NULL;
	return each_teardown(state);
}

/* d/0/pair.pem ... */
static void
add(int n)
{
	struct sst_error err = { .code = SST_OK };
	char path[64];

	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "d/%d/pair.pem", i);
		pki_write_pair(dir, path, site[i]);
	}
	ok(sst_store_add(store, certs, &err), &err);
}

static void
again(const char *below)
{
	struct sst_error err = { .code = SST_OK };

	ok(sst_store_rescan_below(store, certs, below, &err), &err);
}

static int
serves_site(int i)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "site%d.example.com", i);
	return serves(name, site[i]);
}

static size_t
held(void)
{
	size_t n;

	sst_store_lock(store);
	n = store->n_pins;
	sst_store_unlock(store);
	return n;
}

static void
assert_serves_all_and_holds(int n, size_t pins)
{
	struct sst_kept_figures f;

	for (int i = 0; i < n; i++)
		assert_true(serves_site(i));
	assert_int_equal(held(), pins);
	sst_kept_figures(store->cache, &f);
	assert_true(f.bytes > 0 && f.bytes <= BYTES);
}

/* As mode 0311 has it: what is in it can be opened by who knows the name. */
static void
cs_54_of_a_directory_that_is_not_listed_no_more_is_held_than_the_cache_has(void **state)
{
	struct sst_error err;

	(void)state;
	add(MANY);
	assert_serves_all_and_holds(MANY, 0);
	for (int i = 0; i < 2; i++) {
		counted_refuses = certs;
		err = (struct sst_error){ .code = SST_OK };
		assert_true(sst_store_rescan(store, certs, &err) < 0);
		assert_int_equal(err.sys_errno, EACCES);
		assert_int_equal(told_kept, i + 1);
		assert_serves_all_and_holds(MANY, 0);
	}
	/* a name that is renewed meanwhile is known by its own folder */
	pki_write_pair(dir, "d/0/pair.pem", next);
	again("0");
	assert_true(serves("site0.example.com", next));
	counted_refuses = NULL;
	again("");
	assert_true(serves("site0.example.com", next));
	assert_true(serves_site(1));
	assert_int_equal(held(), 0);
}

/* The one row of a file; for sst_rows_done(). */
static struct sst_rows
row_of(const char *name)
{
	const char *path = pki_path(dir, name);
	struct sst_rows rows = { 0 };

	sst_store_lock(store);
	assert_int_equal(sst_index_find(store->index, SST_FIND_PATH, path, strlen(path),
	    &rows, NULL), SST_OK);
	sst_store_unlock(store);
	assert_int_equal(rows.n, 1);
	return rows;
}

/* The cache gives this one up, as it does when others need the room. */
static void
throw_out(const char *name)
{
	struct sst_rows rows = row_of(name);

	sst_kept_drop(store->cache, rows.v[0].id);
	sst_rows_done(&rows);
}

static void
what_the_cache_alone_has_is_held_until_its_files_are_there_again(void **state)
{
	static const int gone[] = { 1, 2, MANY - 1 };
	struct sst_error err = { .code = SST_OK };
	char path[64];

	(void)state;
	add(MANY);
	pki_write_pair(dir, "e/pair.pem", next);
	ok(sst_store_add(store, pki_path(dir, "e"), &err), &err);
	for (int i = 0; i < 3; i++) {
		assert_true(serves_site(gone[i]));
		(void)snprintf(path, sizeof(path), "d/%d/pair.pem", gone[i]);
		assert_int_equal(unlink(pki_path(dir, path)), 0);
	}
	/* what neither has, and what is of another source, is not the matter */
	throw_out("d/2/pair.pem");
	assert_int_equal(unlink(pki_path(dir, "e/pair.pem")), 0);
	counted_refuses = certs;
	assert_true(sst_store_rescan(store, certs, NULL) < 0);
	assert_int_equal(held(), 2);
	throw_out("d/1/pair.pem");
	throw_out(path);
	assert_true(serves_site(1) && serves_site(MANY - 1));
	/* once */
	assert_true(sst_store_rescan(store, certs, NULL) < 0);
	assert_int_equal(held(), 2);
	for (int i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "d/%d/pair.pem", gone[i]);
		pki_write_pair(dir, path, site[gone[i]]);
	}
	counted_refuses = NULL;
	again("");
	assert_int_equal(held(), 0);
	for (int i = 1; i < MANY; i++)
		assert_true(serves_site(i));
}

/* No file has it any more, and the cache may have given it up. */
static void
what_goes_on_goes_on_however_often_its_file_is_read(void **state)
{
	(void)state;
	add(FEW);
	assert_true(serves_site(1));
	pki_write_text(dir, "d/1/pair.pem", "nothing that could be read");
	for (int i = 0; i < 4; i++) {
		again(i < 2 ? "1" : "");
		assert_int_equal(held(), 1);
		throw_out("d/1/pair.pem");
		assert_true(serves_site(1));
	}
	pki_write_pair(dir, "d/1/pair.pem", site[1]);
	again("1");
	assert_int_equal(held(), 0);
	assert_true(serves_site(1));
}

/* However many another has that comes before it. */
static void
what_is_held_is_of_the_source_that_cannot_be_listed(void **state)
{
	struct pki_cert *own = pki_issue(world_ca, &(struct pki_spec){ .san = "e.example",
	    .use_key = next->key });
	struct sst_error err = { .code = SST_OK };
	char e[PATH_MAX];

	(void)state;
	add(MANY);
	pki_write_pair(dir, "e/pair.pem", own);
	(void)snprintf(e, sizeof(e), "%s", pki_path(dir, "e"));
	ok(sst_store_add(store, e, &err), &err);
	assert_true(serves_site(1) && serves("e.example", own));
	assert_int_equal(unlink(pki_path(dir, "d/1/pair.pem")), 0);
	assert_int_equal(unlink(pki_path(dir, "e/pair.pem")), 0);
	counted_refuses = e;
	assert_true(sst_store_rescan(store, e, NULL) < 0);
	assert_int_equal(held(), 1);
	throw_out("e/pair.pem");
	assert_true(serves("e.example", own));
	pki_free(own);
}

/* Nobody holds the store's lock while files are read: the row may be another by then. */
static void
what_is_held_is_held_once_and_only_while_its_row_is_there(void **state)
{
	struct sst_rows rows, now;

	(void)state;
	add(FEW);
	rows = row_of("d/1/pair.pem");
	/* from its file, from the cache, and where it is held already */
	for (int i = 0; i < 3; i++) {
		if (i != 1)
			throw_out("d/1/pair.pem");
		sst_keep_row(store, &rows.v[0]);
		assert_int_equal(held(), 1);
		assert_true(serves_site(1));
	}
	again("");
	assert_int_equal(held(), 0);
	/* renewed, and set back: the file is as it was, the row is not */
	pki_write_pair(dir, "d/1/pair.pem", site[FEW]);
	again("1");
	pki_write_pair(dir, "d/1/pair.pem", site[1]);
	again("1");
	now = row_of("d/1/pair.pem");
	assert_int_not_equal(now.v[0].id, rows.v[0].id);
	assert_memory_equal(now.v[0].content, rows.v[0].content, 32);
	sst_keep_row(store, &rows.v[0]);
	assert_int_equal(held(), 0);
	sst_keep_row(store, &now.v[0]);
	assert_int_equal(held(), 1);
	again("");
	/* and there is none any more */
	assert_int_equal(sst_store_remove(store, certs, NULL), SST_OK);
	sst_keep_row(store, &now.v[0]);
	assert_int_equal(held(), 0);
	sst_rows_done(&rows);
	sst_rows_done(&now);
}

/* Whether the challenge for this name can be answered. */
static int
answers(const char *name)
{
	char key[SST_CHALLENGE_SIZE];
	struct sst_identity *id = NULL;
	int rc;

	sst_challenge_key(name, key);
	rc = sst_store_challenge(store, key, PKI_NOW, &id, NULL);
	assert_true(rc >= 0);
	sst_identity_unref(id);
	return rc;
}

/* Whoever took its file away is done with it; a server's certificate goes on. */
static void
a_challenge_is_not_held_when_its_file_is_gone(void **state)
{
	struct pki_cert *acme = acme_cert("acme.example", PKI_P256, 0);

	(void)state;
	pki_write_pair(dir, "d/acme/pair.pem", acme);
	add(FEW);
	/* the cache has both */
	assert_true(answers("acme.example"));
	assert_true(serves_site(1));
	assert_int_equal(unlink(pki_path(dir, "d/acme/pair.pem")), 0);
	assert_int_equal(unlink(pki_path(dir, "d/1/pair.pem")), 0);
	counted_refuses = certs;
	assert_true(sst_store_rescan(store, certs, NULL) < 0);
	assert_int_equal(held(), 1);
	throw_out("d/acme/pair.pem");
	throw_out("d/1/pair.pem");
	assert_true(serves_site(1));
	assert_false(answers("acme.example"));
	pki_free(acme);
}

/* No file has it: reading the chain again is no reason to forget it. */
static void
a_key_that_is_only_in_memory_stays_there(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_buf key = { 0 };

	(void)state;
	pki_put_key(&key, site[0]);
	pki_write_chain(dir, "chain.pem", site[0]);
	ok(sst_store_add(store, pki_path(dir, "chain.pem"), &err), &err);
	ok(sst_store_add_key_bytes(store, key.data, key.len, &err), &err);
	pki_buf_free(&key);
	assert_int_equal(held(), 1);
	ok(sst_store_rescan(store, NULL, &err), &err);
	assert_int_equal(held(), 1);
	throw_out("chain.pem");
	assert_true(serves_site(0));
}

/* Files that nobody meant for a certificate's folder. */
static void
put_junk(const char *folder, unsigned from, unsigned to)
{
	char path[64];

	for (unsigned i = from; i < to; i++) {
		(void)snprintf(path, sizeof(path), "%s/junk%u", folder, i);
		pki_write_text(dir, path, "");
	}
}

static int
why_note(void *arg, const struct sst_entry *e)
{
	if (e->state == SST_ENTRY_REFUSED && strcmp(e->source, pki_path(dir, "d/0")) == 0)
		(void)snprintf(arg, 300, "%s", e->why);
	return 0;
}

/* Why d/0 is refused; "": it is not. */
static const char *
why(void)
{
	static char text[300];

	text[0] = '\0';
	assert_int_equal(sst_store_each(store, why_note, text, NULL), 0);
	return text;
}

static void
a_folder_of_too_many_files_keeps_no_other_name_waiting(void **state)
{
	struct counted c;

	(void)state;
	add(FEW);
	/* as many as there may be: all of them are read */
	put_junk("d/0", 1, SST_FOLDER_MAX);
	pki_write_pair(dir, "d/0/pair.pem", next);
	(void)counted_since(store);
	again("0");
	assert_true(counted_since(store).opened >= (long)SST_FOLDER_MAX);
	assert_true(serves("site0.example.com", next));
	assert_string_equal(why(), "");
	/* one more: none of them is, and what it had goes on */
	put_junk("d/0", SST_FOLDER_MAX, SST_FOLDER_MAX + 1);
	pki_write_pair(dir, "d/0/pair.pem", site[0]);
	pki_write_pair(dir, "d/1/pair.pem", site[FEW]);
	(void)counted_since(store);
	again("0");
	again("1");
	c = counted_since(store);
	assert_int_equal(c.listed, 2);
	assert_in_range(c.opened, 1, 10);
	assert_true(serves("site0.example.com", next));
	assert_true(serves_site(FEW));
	assert_non_null(strstr(why(), "more than 4096 entries"));
	/* nor are they when all is read */
	(void)counted_since(store);
	again("");
	assert_in_range(counted_since(store).opened, 1, 20);
	assert_true(serves("site0.example.com", next));
	assert_int_equal(unlink(pki_path(dir, "d/0/junk7")), 0);
	again("0");
	assert_true(serves_site(0));
	assert_string_equal(why(), "");
}

/* What is set as a directory of its own may have more. */
static void
a_directory_of_many_files_is_read_where_it_is_the_source(void **state)
{
	struct sst_error err = { .code = SST_OK };

	(void)state;
	put_junk("d", 0, SST_FOLDER_MAX);
	pki_write_pair(dir, "d/pair.pem", site[0]);
	ok(sst_store_add(store, certs, &err), &err);
	assert_true(serves_site(0));
	pki_write_pair(dir, "d/pair.pem", next);
	again("pair.pem");
	assert_true(serves("site0.example.com", next));
	/* and not alone */
	pki_write_chain(dir, "d/chain.pem", site[1]);
	pki_write_key(dir, "d/pair.pem", site[1]);
	again("chain.pem");
	assert_true(serves_site(1));
}

/* What the watch goes by. *ret_since: something is new. */
static uint32_t
look(const char *name, int *ret_since)
{
	/* of everything that there is */
	const struct timespec long_ago = { 0, 0 };

	return sst_look_files(AT_FDCWD, pki_path(dir, name), &long_ago, ret_since);
}

/* The entry that a listing comes to last. */
static void
change_last(const char *name)
{
	DIR *list = opendir(pki_path(dir, name));
	char last[300] = "";
	const struct dirent *e;

	assert_non_null(list);
	while ((e = readdir(list)) != NULL)
		if (e->d_name[0] != '.')
			(void)snprintf(last, sizeof(last), "%s/%s", name, e->d_name);
	(void)closedir(list);
	pki_write_text(dir, last, "changed");
}

static void
of_a_folder_of_too_many_files_only_that_is_looked_at(void **state)
{
	uint32_t full, more;
	int since;

	(void)state;
	put_junk("d/0", 0, SST_FOLDER_MAX);
	full = look("d/0", &since);
	assert_int_equal(since, 1);
	change_last("d/0");
	assert_int_not_equal(look("d/0", &since), full);
	full = look("d/0", &since);
	put_junk("d/0", SST_FOLDER_MAX, SST_FOLDER_MAX + 1);
	more = look("d/0", &since);
	assert_int_not_equal(more, full);
	assert_int_not_equal(more, 0);
	for (unsigned i = 0; i <= SST_FOLDER_MAX; i += 512) {
		put_junk("d/0", SST_FOLDER_MAX + i, SST_FOLDER_MAX + i + 2);
		assert_int_equal(look("d/0", &since), more);
	}
}

#define T(f)	cmocka_unit_test_setup_teardown(f, counted_setup, counted_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(cs_54_of_a_directory_that_is_not_listed_no_more_is_held_than_the_cache_has),
		T(what_the_cache_alone_has_is_held_until_its_files_are_there_again),
		T(what_goes_on_goes_on_however_often_its_file_is_read),
		T(what_is_held_is_of_the_source_that_cannot_be_listed),
		T(what_is_held_is_held_once_and_only_while_its_row_is_there),
		T(a_challenge_is_not_held_when_its_file_is_gone),
		T(a_key_that_is_only_in_memory_stays_there),
		T(a_folder_of_too_many_files_keeps_no_other_name_waiting),
		T(a_directory_of_many_files_is_read_where_it_is_the_source),
		T(of_a_folder_of_too_many_files_only_that_is_looked_at),
	};

	return cmocka_run_group_tests(tests, unlisted_setup, unlisted_teardown);
}
