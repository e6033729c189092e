/* SPDX-License-Identifier: ISC */
/* What left a store is told to who follows it, also where another process writes its
 * index; and how an index is copied while it is served from. */
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certstore/index_gen.h"
#include "certstore/index_place.h"
#include "certstore/index_sql.h"
#include "certstore/store.h"
#include "certstore/store_leaves.h"
#include "each.h"
#include "world.h"

/* What is said to have left, in the order it is said. */
static struct {
	uint8_t	v[8][32];
	int	n;
} told;

static void
tell(void *arg, const uint8_t leaf[32])
{
	(void)arg;
	if (told.n < 8)
		memcpy(told.v[told.n], leaf, 32);
	told.n++;
}

/* As sst_store_left(), and what it told. */
static int
follow(struct sst_store *s, struct sst_leaves_left *seen)
{
	told.n = 0;
	return sst_store_left(s, seen, tell, NULL, NULL);
}

static int
is_told(const struct pki_cert *c)
{
	uint8_t digest[32];
	int n = 0;

	pki_digest(c, digest);
	for (int i = 0; i < told.n && i < 8; i++)
		n += memcmp(told.v[i], digest, 32) == 0;
	return n;
}

static int
has(struct sst_store *s, const struct pki_cert *c)
{
	uint8_t digest[32];

	pki_digest(c, digest);
	return sst_store_has_leaf(s, digest);
}

static void
what_left_is_told_once_and_what_stays_is_not(void **state)
{
	struct pki_cert *stays = leaf(PKI_P256, "a.example");
	struct pki_cert *old = leaf(PKI_P256, "b.example");
	struct pki_cert *renewed = leaf(PKI_P256, "b.example");
	struct sst_leaves_left seen = { 0 };

	(void)state;
	store_put(store, stays);
	store_put(store, old);
	assert_int_equal(follow(store, &seen), 0);
	assert_int_equal(told.n, 0);
	store_put(store, renewed);
	assert_int_equal(follow(store, &seen), 0);
	assert_int_equal(told.n, 1);
	assert_int_equal(is_told(old), 1);
	assert_int_equal(follow(store, &seen), 0);
	assert_int_equal(told.n, 0);
	/* as often as it does, also if it is back */
	store_put(store, old);
	store_put(store, renewed);
	store_put(store, old);
	assert_int_equal(follow(store, &seen), 0);
	assert_int_equal(told.n, 3);
	assert_int_equal(is_told(old), 1);
	assert_int_equal(is_told(renewed), 2);
	assert_int_equal(has(store, old), 1);
	assert_int_equal(has(store, renewed), 0);
	/* who wants to know from now on is told of nothing before */
	store_put(store, renewed);
	assert_int_equal(sst_store_left(store, &seen, NULL, NULL, NULL), 0);
	assert_int_equal(follow(store, &seen), 0);
	assert_int_equal(told.n, 0);
	pki_free(stays);
	pki_free(old);
	pki_free(renewed);
}

/* What is refused was never served: it does not leave. */
static void
what_was_refused_does_not_leave(void **state)
{
	struct sst_leaves_left seen = { 0 };
	struct sst_row row = { .state = SST_ENTRY_USABLE };
	uint64_t generation;
	int64_t source;

	(void)state;
	assert_int_equal(sst_text_set(&row.path, "/x/a.pem"), 0);
	assert_int_equal(sst_index_source_set(store->index, "/x", SST_SOURCE_DIR, &source,
	    NULL), 0);
	row.source = source;
	for (int i = 0; i < 2; i++) {
		row.state = i == 0 ? SST_ENTRY_USABLE : SST_ENTRY_REFUSED;
		assert_int_equal(sst_index_begin(store->index, NULL), 0);
		assert_int_equal(sst_index_put(store->index, &row, NULL), 0);
		/* nor is it there */
		assert_int_equal(sst_store_has_leaf(store, row.digest), i == 0);
		assert_int_equal(sst_index_drop(store->index, row.id, NULL), 0);
		assert_int_equal(sst_index_commit(store->index, 1, &generation, NULL), 0);
		assert_int_equal(follow(store, &seen), 0);
		assert_int_equal(told.n, i == 0);
	}
	sst_row_done(&row);
}

/* So many rows come and go. */
static void
pass_through(struct sst_index *ix, int64_t source, int n)
{
	struct sst_row row = { .source = source, .state = SST_ENTRY_USABLE };
	uint64_t generation;

	assert_int_equal(sst_text_set(&row.path, "/x/a.pem"), 0);
	assert_int_equal(sst_index_begin(ix, NULL), 0);
	for (int i = 0; i < n; i++) {
		memcpy(row.digest, &i, sizeof(i));
		assert_int_equal(sst_index_put(ix, &row, NULL), 0);
		assert_int_equal(sst_index_drop(ix, row.id, NULL), 0);
	}
	assert_int_equal(sst_index_commit(ix, 1, &generation, NULL), 0);
	sst_row_done(&row);
}

static void
of_too_many_that_left_it_is_said_that_some_are_forgotten(void **state)
{
	struct sst_leaves_left seen = { 0 }, late = { 0 };
	int64_t source;

	(void)state;
	assert_int_equal(sst_index_source_set(store->index, "/x", SST_SOURCE_DIR, &source,
	    NULL), 0);
	pass_through(store->index, source, SST_INDEX_GONE);
	assert_int_equal(follow(store, &seen), 0);
	assert_int_equal(told.n, SST_INDEX_GONE);
	pass_through(store->index, source, 1);
	assert_int_equal(follow(store, &seen), 0);
	assert_int_equal(told.n, 1);
	/* one more, and who did not look meanwhile has missed the first */
	assert_int_equal(follow(store, &late), 1);
	pass_through(store->index, source, 2);
	assert_int_equal(follow(store, &late), 0);
	assert_int_equal(told.n, 2);
}

static void
a_change_that_is_undone_leaves_nothing_behind(void **state)
{
	struct sst_leaves_left seen = { 0 };
	struct pki_cert *c = leaf(PKI_P256, "a.example");
	struct sst_rows rows = { 0 };

	(void)state;
	store_put(store, c);
	assert_int_equal(sst_index_find(store->index, SST_FIND_ALL, NULL, 0, &rows, NULL), 0);
	assert_int_equal(rows.n, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(sst_index_begin(store->index, NULL), 0);
		assert_int_equal(sst_index_drop(store->index, rows.v[0].id, NULL), 0);
		sst_index_rollback(store->index);
		assert_int_equal(follow(store, &seen), 0);
		assert_int_equal(told.n, 0);
	}
	assert_int_equal(sst_store_remove(store, "*", NULL), 0);
	assert_int_equal(follow(store, &seen), 0);
	assert_int_equal(told.n, 1);
	sst_rows_done(&rows);
	pki_free(c);
}

/* Of a directory whose index is kept. */
static struct pki_cert *a, *a_next, *b;

static int
kept_setup(void **state)
{
	char name[64];

	if (each_setup_kept(state) != 0)
		return -1;
	a = leaf(PKI_P256, "a.example");
	a_next = leaf(PKI_P256, "a.example");
	b = leaf(PKI_P256, "b.example");
	for (int i = 0; i < SST_INDEX_WORTH - 2; i++) {
		(void)snprintf(name, sizeof(name), "d/z%d", i);
		if (mkdir(pki_path(dir, name), 0700) < 0)
			return -1;
	}
	pki_write_pair(dir, "d/a.pem", a);
	pki_write_pair(dir, "d/b.pem", b);
	return 0;
}

static int
kept_teardown(void **state)
{
	pki_free(a);
	pki_free(a_next);
	pki_free(b);
	return each_teardown(state);
}

static struct sst_store *
kept(void)
{
	struct sst_store *s = store_make(&(struct sst_store_config){ .index_dir = cache });

	assert_int_equal(sst_store_add(s, certs, NULL), 0);
	assert_true(sst_index_is_kept(s->index));
	return s;
}

static void
who_only_reads_an_index_is_told_what_left_it(void **state)
{
	struct sst_store *writer = kept(), *reader = kept();
	struct sst_leaves_left seen[2] = { { 0 }, { 0 } };
	struct sst_store *const both[2] = { writer, reader };

	(void)state;
	assert_false(sst_gen_is_writer(reader->gen));
	/* it has taken the place of the one in memory */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(follow(both[i], &seen[i]), 1);
		assert_int_equal(follow(both[i], &seen[i]), 0);
		assert_int_equal(told.n, 0);
	}
	pki_write_pair(dir, "d/a.pem", a_next);
	assert_int_equal(sst_store_rescan(writer, NULL, NULL), 0);
	for (int i = 1; i >= 0; i--) {
		assert_int_equal(follow(both[i], &seen[i]), 0);
		assert_int_equal(told.n, 1);
		assert_int_equal(is_told(a), 1);
		assert_int_equal(has(both[i], a), 0);
		assert_int_equal(has(both[i], b), 1);
	}
	sst_store_unref(writer);
	sst_store_unref(reader);
}

/* The numbers of one say nothing of another's. */
static void
of_an_index_in_anothers_place_nothing_is_known(void **state)
{
	struct sst_store *s = kept();
	struct sst_leaves_left seen = { 0 };

	(void)state;
	assert_int_equal(follow(s, &seen), 1);
	/* a copy in memory, */
	sst_store_part(s);
	assert_false(sst_index_is_kept(s->index));
	assert_int_equal(follow(s, &seen), 1);
	assert_int_equal(follow(s, &seen), 0);
	sst_store_unref(s);
	/* and an empty one where the file is damaged */
	s = kept();
	assert_int_equal(follow(s, &seen), 1);
	s->index->broken = 1;
	assert_int_equal(follow(s, &seen), 1);
	assert_int_equal(follow(s, &seen), 0);
	assert_int_equal(told.n, 0);
	sst_store_unref(s);
}

/* One in memory, then a file, then the copy of that: its numbers begin where the first's
 * did. */
static void
of_what_left_an_index_between_two_looks_nothing_is_known(void **state)
{
	struct sst_store *s = store_make(&(struct sst_store_config){ .index_dir = cache });
	struct sst_leaves_left seen = { 0 };

	(void)state;
	store_put(s, b);
	assert_int_equal(sst_store_remove(s, "*", NULL), 0);
	assert_int_equal(follow(s, &seen), 0);
	assert_int_equal(told.n, 1);
	assert_int_equal(sst_store_add(s, certs, NULL), 0);
	pki_write_pair(dir, "d/a.pem", a_next);
	assert_int_equal(sst_store_rescan(s, NULL, NULL), 0);
	sst_store_part(s);
	assert_int_equal(follow(s, &seen), 1);
	assert_int_equal(follow(s, &seen), 0);
	sst_store_unref(s);
}

static void
a_file_that_was_made_anew_is_another(void **state)
{
	struct sst_store *writer = kept(), *reader = kept();
	struct sst_leaves_left seen = { 0 };

	(void)state;
	assert_int_equal(follow(reader, &seen), 1);
	assert_int_equal(follow(reader, &seen), 0);
	sst_gen_next_epoch(writer->gen);
	assert_int_equal(follow(reader, &seen), 1);
	assert_int_equal(follow(reader, &seen), 0);
	sst_store_unref(writer);
	sst_store_unref(reader);
}

/* Done while an index is copied; NULL: nothing. */
static struct sst_store *parting;
static int (*meanwhile)(void);
static int copies, free_copies;
static int copies_fail;		/* so many from now on */

int	__real_sqlite3_backup_step(sqlite3_backup *, int);
int	__wrap_sqlite3_backup_step(sqlite3_backup *, int);

int
__wrap_sqlite3_backup_step(sqlite3_backup *backup, int pages)
{
	int rc;

	copies++;
	if (copies_fail > 0) {
		copies_fail--;
		return SQLITE_NOMEM;
	}
	rc = __real_sqlite3_backup_step(backup, pages);
	if (parting != NULL && pthread_mutex_trylock(&parting->mu) == 0) {
		(void)pthread_mutex_unlock(&parting->mu);
		free_copies++;
		if (meanwhile != NULL)
			(void)meanwhile();
	}
	return rc;
}

static int
renew(void)
{
	pki_write_pair(dir, "d/a.pem", a_next);
	return sst_store_rescan(parting, NULL, NULL);
}

/* As if who writes had made the file anew. */
static int
renumber(void)
{
	sst_gen_next_epoch(parting->gen);
	return SST_OK;
}

static void
who_leaves_its_index_is_served_from_meanwhile(void **state)
{
	int (*const what[])(void) = { NULL, renumber, renew };

	for (int i = 0; i < 3; i++) {
		parting = kept();
		meanwhile = what[i];
		copies = free_copies = 0;
		sst_store_part(parting);
		assert_false(sst_index_is_kept(parting->index));
		assert_int_equal(free_copies, 1);
		/* what changed while it was copied is copied once more */
		assert_int_equal(copies, i == 0 ? 1 : 2);
		assert_int_equal(has(parting, a), i < 2);
		assert_int_equal(has(parting, a_next), i == 2);
		assert_int_equal(has(parting, b), 1);
		sst_store_unref(parting);
		parting = NULL;
	}
	(void)state;
}

/* It does so as others wait, or stays with what it has: nothing is lost either way. */
static void
who_cannot_copy_its_index_beside_it_copies_it_at_its_place(void **state)
{
	(void)state;
	for (int fails = 1; fails <= 2; fails++) {
		struct sst_store *s = kept(), *reader = kept();

		assert_true(sst_store_rescan(reader, NULL, NULL) >= 0);
		copies = 0;
		copies_fail = fails;
		sst_store_part(reader);
		assert_int_equal(copies, 2);
		assert_int_equal(sst_index_is_kept(reader->index), fails == 2);
		assert_int_equal(sst_store_is_warm(reader), fails == 1);
		assert_int_equal(has(reader, a), 1);
		assert_int_equal(has(reader, b), 1);
		sst_store_part(reader);
		assert_false(sst_index_is_kept(reader->index));
		assert_int_equal(has(reader, a), 1);
		sst_store_unref(reader);
		sst_store_unref(s);
	}
}

/* What another process was to read is now for this one; what this one read is read. */
static void
who_leaves_what_another_writes_has_it_to_read_itself(void **state)
{
	struct sst_store *writer = kept(), *reader = kept();

	(void)state;
	/* who reads it has read it for both */
	assert_true(sst_store_rescan(reader, NULL, NULL) >= 0);
	assert_int_equal(sst_store_is_warm(reader), 0);
	assert_int_equal(sst_store_is_warm(writer), 0);
	sst_store_part(reader);
	assert_int_equal(sst_store_is_warm(reader), 1);
	sst_store_part(writer);
	assert_int_equal(sst_store_is_warm(writer), 0);
	/* once: there is nothing to be left */
	assert_true(sst_store_rescan(reader, NULL, NULL) >= 0);
	sst_store_part(reader);
	assert_int_equal(sst_store_is_warm(reader), 0);
	assert_int_equal(has(reader, a), 1);
	sst_store_unref(writer);
	sst_store_unref(reader);
}

static int
index_has(struct sst_index *ix, const struct pki_cert *c)
{
	uint8_t digest[32];

	pki_digest(c, digest);
	return sst_index_has(ix, digest, SST_ENTRY_REFUSED, NULL);
}

static void
a_copy_knows_whether_anybody_has_written_since(void **state)
{
	struct sst_store *s = kept();
	struct sst_index *copy = NULL;
	struct sst_aside *aside = NULL;
	char link[PATH_MAX], none[PATH_MAX];
	struct sst_error err;

	(void)state;
	/* what is not there is not made, and what a link leads to is not read */
	(void)snprintf(none, sizeof(none), "%s", pki_path(dir, "none"));
	(void)snprintf(link, sizeof(link), "%s", pki_path(dir, "link"));
	assert_int_equal(symlink(sst_index_file(s->index), link), 0);
	for (int i = 0; i < 2; i++) {
		err = (struct sst_error){ .code = SST_OK };
		assert_int_equal(sst_index_copy_aside(i == 0 ? none : link, &copy, &aside,
		    &err), SST_E_SYSTEM);
		assert_non_null(strstr(err.text, i == 0 ? none : link));
		assert_null(copy);
		assert_null(aside);
	}
	assert_int_not_equal(access(none, F_OK), 0);
	assert_int_equal(sst_index_copy_aside(sst_index_file(s->index), &copy, &aside, NULL),
	    0);
	assert_true(sst_index_aside_is_current(aside));
	assert_int_equal(index_has(copy, a), 1);
	pki_write_pair(dir, "d/a.pem", a_next);
	assert_int_equal(sst_store_rescan(s, NULL, NULL), 0);
	assert_false(sst_index_aside_is_current(aside));
	/* it is as it was */
	assert_int_equal(index_has(copy, a), 1);
	assert_int_equal(index_has(copy, a_next), 0);
	sst_index_aside_close(aside);
	sst_index_aside_close(NULL);
	sst_index_close(copy);
	sst_store_unref(s);
}

#define T(test)	cmocka_unit_test_setup_teardown(test, each_setup, each_teardown)
#define K(test)	cmocka_unit_test_setup_teardown(test, kept_setup, kept_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_left_is_told_once_and_what_stays_is_not),
		T(what_was_refused_does_not_leave),
		T(of_too_many_that_left_it_is_said_that_some_are_forgotten),
		T(a_change_that_is_undone_leaves_nothing_behind),
		K(who_only_reads_an_index_is_told_what_left_it),
		K(of_an_index_in_anothers_place_nothing_is_known),
		K(of_what_left_an_index_between_two_looks_nothing_is_known),
		K(a_file_that_was_made_anew_is_another),
		K(who_leaves_its_index_is_served_from_meanwhile),
		K(who_cannot_copy_its_index_beside_it_copies_it_at_its_place),
		K(who_leaves_what_another_writes_has_it_to_read_itself),
		K(a_copy_knows_whether_anybody_has_written_since),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
