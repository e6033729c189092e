/* SPDX-License-Identifier: ISC */
/* A store whose index is kept: served from at once by the next one, shared by processes,
 * left when it is damaged, and never believed further than its certificates say. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "certstore/index_gen.h"
#include "certstore/index_place.h"
#include "certstore/scan_pool.h"
#include "certstore/source.h"
#include "certstore/store.h"
#include "certstore/store_leaves.h"
#include "each.h"
#include "world.h"

static const struct sst_choose_policy strict = { .strict = 1 };
static struct pki_cert *a, *a_next, *b;

static int
shared_setup(void **state)
{
	(void)world_setup(state);
	a = leaf(PKI_P256, "a.example");
	a_next = leaf(PKI_P256, "a.example");
	b = leaf(PKI_P256, "b.example,IP:192.0.2.9");
	return 0;
}

static int
shared_teardown(void **state)
{
	pki_free(a);
	pki_free(a_next);
	pki_free(b);
	return world_teardown(state);
}

/* How often a file, or a directory, was asked for. */
static atomic_int opened, listed;

static int
counting_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	atomic_fetch_add(&opened, 1);
	return sst_source_files.open(ctx, path, ret_fd, err);
}

static int
counting_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
    void *arg, struct sst_error *err)
{
	atomic_fetch_add(&listed, 1);
	return sst_source_files.list(ctx, path, each, arg, err);
}

static struct sst_source_ops counting;

/* Who opens files ends after so many more of them. */
static atomic_int to_open;

static int
ending_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	if (atomic_fetch_sub(&to_open, 1) <= 0)
		return sst_fail_errno(err, EPIPE, "%s", path);
	return sst_source_files.open(ctx, path, ret_fd, err);
}

static int
ending_gone(void *ctx)
{
	(void)ctx;
	return atomic_load(&to_open) < 0;
}

/* A directory with two pairs in it, and as many empty folders as make it worth an
 * index. */
static int
two_setup(void **state)
{
	char name[64];

	if (each_setup_kept(state) != 0)
		return -1;
	counting = sst_source_files;
	counting.open = counting_open;
	counting.open_resolved = NULL;
	counting.list = counting_list;
	for (int i = 0; i < SST_INDEX_WORTH - 2; i++) {
		(void)snprintf(name, sizeof(name), "d/z%d", i);
		if (mkdir(pki_path(dir, name), 0700) < 0)
			return -1;
	}
	pki_write_pair(dir, "d/a.pem", a);
	pki_write_pair(dir, "d/b.pem", b);
	return 0;
}

static struct sst_store *
store_on(const char *index_dir)
{
	const struct sst_store_config c = { .index_dir = index_dir };

	return store_make(&c);
}

/* A store with the directory in it. */
static struct sst_store *
kept(void)
{
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = store_on(cache);

	if (sst_store_add(s, certs, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static void
reread(struct sst_store *s)
{
	struct sst_error err = { .code = SST_OK };

	if (sst_store_rescan(s, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static int
gives(struct sst_store *s, const char *name, const struct pki_cert *cert)
{
	struct sst_choice *c = ask(s, &strict, &(struct client){ .name = name });
	int yes = sst_choice_count(c) == 1 && chose(c, cert);

	ask_reset();
	return yes;
}

static int
gives_none(struct sst_store *s, const char *name)
{
	struct sst_choice *c = ask(s, &strict, &(struct client){ .name = name });
	int none = sst_choice_count(c) == 0;

	ask_reset();
	return none;
}

/* The index file that was made; "" when none was. */
static const char *
index_file(void)
{
	static char path[PATH_MAX];
	char place[PATH_MAX - 300];
	const struct dirent *e;
	DIR *d;

	path[0] = '\0';
	(void)snprintf(place, sizeof(place), "%.3000s/index-%lu", cache,
	    (unsigned long)geteuid());
	d = opendir(place);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (strlen(e->d_name) > 3 &&
		    strcmp(e->d_name + strlen(e->d_name) - 3, ".db") == 0)
			(void)snprintf(path, sizeof(path), "%s/%s", place, e->d_name);
	if (d != NULL)
		(void)closedir(d);
	return path;
}

/* Somebody writes into the index. */
static void
poison(const char *sql)
{
	sqlite3 *db = NULL;
	char *text = NULL;

	assert_int_equal(sqlite3_open(index_file(), &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
	(void)sqlite3_close(db);
}

/* Bytes of the log beside the index. */
static off_t
log_size(void)
{
	char path[4200];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s-wal", index_file());
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void
when_all_was_read_the_next_one_finds_no_log_to_read(void **state)
{
	struct sst_store *s = kept();

	(void)state;
	assert_int_equal(log_size(), 0);
	/* one change stays in it, and waits for no disk */
	pki_write_pair(dir, "d/z0/pair.pem", a_next);
	assert_int_equal(sst_store_rescan_below(s, certs, "z0", NULL), 0);
	assert_true(log_size() > 0);
	reread(s);
	assert_int_equal(log_size(), 0);
	sst_store_unref(s);
}

static void
who_loses_the_opener_of_files_refuses_nothing_for_it(void **state)
{
	const struct sst_store_config c = { .index_dir = cache };
	struct sst_source_ops ending = sst_source_files;
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s;
	int n = 0, rc;

	(void)state;
	ending.open = ending_open;
	ending.open_resolved = NULL;
	ending.gone = ending_gone;
	sst_store_unref(kept());
	/* at each file in turn, until there are enough for all of it */
	do {
		assert_int_equal(sst_store_new_from(&c, &ending, NULL, &s, NULL), 0);
		atomic_store(&to_open, 1000);
		assert_int_equal(sst_store_add(s, certs, NULL), 0);
		assert_int_equal(sst_store_is_warm(s), 1);
		atomic_store(&to_open, n++);
		rc = sst_store_rescan(s, NULL, &err);
		assert_true(rc == 0 || rc == SST_E_PEER);
		assert_int_equal(figures(s).refused, 0);
		assert_int_equal(figures(s).usable, 2);
		atomic_store(&to_open, 1000);
		assert_true(gives(s, "a.example", a) && gives(s, "b.example", b));
		atomic_store(&to_open, n - 1);
		rc = sst_store_rescan_below(s, certs, "a.pem", &err);
		assert_true(rc >= 0 || rc == SST_E_PEER);
		assert_int_equal(figures(s).usable, 2);
		sst_store_unref(s);
	} while (rc < 0 || n < 40);
	assert_true(n >= 40);
}

static void
a_kept_index_serves_before_any_certificate_is_read(void **state)
{
	struct sst_store_config c = { .index_dir = cache };
	struct sst_store *s;
	uint64_t generation;

	(void)state;
	s = kept();
	assert_int_equal(sst_store_is_warm(s), 0);
	assert_true(figures(s).index_kept && figures(s).index_writer);
	generation = sst_store_generation(s);
	sst_store_unref(s);
	/* the second: the directory itself is opened, and is not listed: it has no watch yet */
	assert_int_equal(sst_store_new_from(&c, &counting, NULL, &s, NULL), 0);
	atomic_store(&opened, 0);
	atomic_store(&listed, 0);
	assert_int_equal(sst_store_add(s, certs, NULL), 0);
	assert_int_equal(atomic_load(&opened), 1);
	assert_int_equal(atomic_load(&listed), 0);
	assert_int_equal(sst_store_is_warm(s), 1);
	assert_int_equal(figures(s).usable, 2);
	assert_true(sst_store_generation(s) >= generation);
	assert_true(gives(s, "a.example", a));
	assert_int_equal(atomic_load(&opened), 2);
	assert_int_equal(atomic_load(&listed), 0);
	assert_true(gives_none(s, "c.example"));
	assert_int_equal(atomic_load(&opened), 2);
	reread(s);
	assert_int_equal(sst_store_is_warm(s), 0);
	assert_true(gives(s, "b.example", b));
	sst_store_unref(s);
	/* one that keeps none reads them all */
	c.index_dir = NULL;
	assert_int_equal(sst_store_new_from(&c, &counting, NULL, &s, NULL), 0);
	atomic_store(&opened, 0);
	assert_int_equal(sst_store_add(s, certs, NULL), 0);
	assert_true(atomic_load(&opened) > SST_INDEX_WORTH);
	assert_int_equal(sst_store_is_warm(s), 0);
	assert_false(figures(s).index_kept);
	sst_store_unref(s);
}

static void
what_changed_while_nobody_looked_is_found_when_it_is_asked_for(void **state)
{
	struct pki_cert *c = leaf(PKI_P256, "c.example");
	struct sst_store *s = kept();
	int64_t begun;

	(void)state;
	sst_store_unref(s);
	pki_write_pair(dir, "d/a.pem", a_next);
	pki_write_pair(dir, "d/c.pem", c);
	assert_int_equal(unlink(pki_path(dir, "d/b.pem")), 0);
	s = kept();
	assert_int_equal(sst_store_is_warm(s), 1);
	assert_true(gives_none(s, "c.example"));
	begun = sst_clock_ms();
	/* the row leads to what is no longer there: that is read, and nothing else */
	assert_true(gives(s, "a.example", a_next));
	assert_true(gives_none(s, "c.example"));
	/* for what is gone all files beside it are read, once a second at most */
	assert_true(gives_none(s, "b.example"));
	assert_true(gives_none(s, "c.example") || sst_clock_ms() - begun >= 1000);
	assert_int_equal(sst_store_is_warm(s), 1);
	reread(s);
	assert_true(gives(s, "a.example", a_next) && gives(s, "c.example", c));
	assert_true(gives_none(s, "b.example"));
	assert_int_equal(sst_store_is_warm(s), 0);
	sst_store_unref(s);
	/* and it was put right for those who come */
	s = kept();
	assert_int_equal(sst_store_is_warm(s), 1);
	assert_true(gives(s, "a.example", a_next));
	assert_true(gives(s, "c.example", c));
	sst_store_unref(s);
	pki_free(c);
}

static int
leaf_count(void *arg, X509 *leaf, STACK_OF(X509) *above)
{
	int *n = arg;

	(void)leaf;
	(void)above;
	(*n)++;
	return 0;
}

/* Its rows have the numbers that those had which were there before it. */
static void
an_index_that_takes_anothers_place_is_gone_through_anew(void **state)
{
	struct sst_leaves_seen seen = { 0 };
	struct sst_store *s;
	int n = 0;

	(void)state;
	sst_store_unref(kept());
	s = store_on(cache);
	assert_int_equal(sst_store_add(s, pki_path(dir, "d/a.pem"), NULL), 0);
	assert_int_equal(sst_store_add(s, pki_path(dir, "d/b.pem"), NULL), 0);
	assert_int_equal(sst_store_leaves(s, &seen, NULL, leaf_count, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(sst_store_remove(s, "*", NULL), 0);
	assert_int_equal(sst_store_add(s, certs, NULL), 0);
	assert_true(figures(s).index_kept);
	assert_true(gives(s, "a.example", a) && gives(s, "b.example", b));
	assert_int_equal(sst_store_leaves(s, &seen, NULL, leaf_count, &n, NULL), 0);
	assert_int_equal(n, 4);
	assert_int_equal(sst_store_leaves(s, &seen, NULL, leaf_count, &n, NULL), 0);
	assert_int_equal(n, 4);
	sst_store_unref(s);
}

static void
a_small_directory_and_a_file_have_no_index_on_disk(void **state)
{
	struct sst_store *s;

	(void)state;
	assert_int_equal(rmdir(pki_path(dir, "d/z0")), 0);
	s = kept();
	assert_false(figures(s).index_kept);
	assert_true(gives(s, "a.example", a));
	assert_string_equal(index_file(), "");
	sst_store_unref(s);
	assert_int_equal(mkdir(pki_path(dir, "d/z0"), 0700), 0);
	s = store_on(cache);
	assert_int_equal(sst_store_add(s, pki_path(dir, "d/a.pem"), NULL), 0);
	assert_false(figures(s).index_kept);
	sst_store_unref(s);
	s = kept();
	assert_true(figures(s).index_kept);
	assert_int_equal(events.count[SST_STORE_REFUSED], 0);
	sst_store_unref(s);
}

static int
dates_add(void *arg, const struct sst_entry *e)
{
	*(time_t *)arg += e->not_after * 3 + e->not_before;
	return 0;
}

/* What the index says of the dates of all entries. */
static time_t
dates(struct sst_store *s)
{
	time_t sum = 0;

	assert_int_equal(sst_store_each(s, dates_add, &sum, NULL), 0);
	return sum;
}

static void
names_that_are_swapped_in_the_index_serve_no_wrong_certificate(void **state)
{
	static const char *const lies[] = {
	    "UPDATE names SET name='x' WHERE name='a.example';"
	    "UPDATE names SET name='a.example' WHERE name='b.example';"
	    "UPDATE names SET name='b.example' WHERE name='x'",
	    /* the rows themselves, with all that is said of them but the names */
	    "UPDATE names SET id=(SELECT sum(id) FROM identities)-id WHERE name LIKE '%e'",
	    "UPDATE identities SET digest=zeroblob(32)",
	    "UPDATE identities SET na=na+1",
	    "UPDATE identities SET nb=nb-1",
	    "UPDATE identities SET kind=3",
	    "UPDATE identities SET digest=(SELECT digest FROM identities ORDER BY id LIMIT 1)",
	};
	struct sst_store *s = kept();
	const time_t true_dates = dates(s);

	(void)state;
	sst_store_unref(s);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct sst_choice *c;
		const uint8_t kept_kind = i == 5;

		poison(lies[i]);
		s = kept();
		assert_int_equal(sst_store_is_warm(s), 1);
		c = ask(s, &strict, &(struct client){ .name = "a.example" });
		assert_false(chose(c, b));
		/* a kind that the client takes as well is put right; all others, too */
		if (!(sst_choice_count(c) == 0 ? kept_kind : chose(c, a)))
			fail_msg("lie %zu: %d", i, (int)sst_choice_count(c));
		ask_reset();
		if (kept_kind)
			reread(s);
		if (!gives(s, "a.example", a) || !gives(s, "b.example", b))
			fail_msg("after: %s", lies[i]);
		assert_int_equal(events.count[SST_STORE_RENEWED], 0);
		assert_int_equal(figures(s).names, 3);
		assert_int_equal(dates(s), true_dates);
		sst_store_unref(s);
		s = kept();
		assert_int_equal(sst_store_is_warm(s), 1);
		assert_true(gives(s, "a.example", a) && gives(s, "b.example", b));
		assert_int_equal(sst_store_is_warm(s), 1);
		sst_store_unref(s);
	}
}

static void
a_name_that_the_index_invents_is_not_served(void **state)
{
	struct sst_store *s = kept();

	(void)state;
	sst_store_unref(s);
	poison("INSERT INTO names SELECT 'evil.example',id FROM names WHERE name='b.example';"
	    "INSERT INTO names SELECT 'ip:192.0.2.1',id FROM names WHERE name='b.example'");
	s = kept();
	assert_true(gives_none(s, "evil.example"));
	assert_int_equal(sst_choice_count(ask(s, &strict, &(struct client){
	    .local = "192.0.2.1" })), 0);
	expect(ask(s, &strict, &(struct client){ .local = "192.0.2.9" }), SST_TIER_IP, b);
	ask_reset();
	sst_store_unref(s);
}

static void
a_listener_of_some_names_serves_no_other_to_who_names_none(void **state)
{
	static const char *const names[] = { "a.example" };
	const struct sst_choose_policy some = { .names = names, .n_names = 1 };
	struct sst_store *s;

	(void)state;
	pki_write_pair(dir, "d/default.pem", b);
	assert_int_equal(unlink(pki_path(dir, "d/b.pem")), 0);
	s = kept();
	assert_int_equal(sst_choice_count(ask(s, &some, &(struct client){ .name = NULL })), 0);
	ask_reset();
	sst_store_unref(s);
	/* nor when the index says that it is one of them */
	poison("UPDATE identities SET names=(SELECT names FROM identities i WHERE"
	    " i.is_default=0) WHERE is_default=1");
	s = kept();
	assert_int_equal(sst_store_is_warm(s), 1);
	assert_int_equal(sst_choice_count(ask(s, &some, &(struct client){ .name = NULL })), 0);
	assert_true(gives(s, "a.example", a) && gives(s, "b.example", b));
	ask_reset();
	sst_store_unref(s);
	/* one of its names is enough */
	pki_write_pair(dir, "d/default.pem", a_next);
	s = kept();
	reread(s);
	assert_int_equal(sst_choice_count(ask(s, &some, &(struct client){ .name = NULL })), 1);
	ask_reset();
	sst_store_unref(s);
}

/* What becomes of an index file while nobody has it open. */
static void
overwrite(off_t from, off_t to)
{
	char noise[512];
	int fd = open(index_file(), O_WRONLY);

	assert_true(fd >= 0);
	memset(noise, 0x5a, sizeof(noise));
	for (off_t at = from; at < to; at += (off_t)sizeof(noise))
		assert_int_equal(pwrite(fd, noise, sizeof(noise), at), sizeof(noise));
	(void)close(fd);
}

static void
fault_make(int which)
{
	char path[PATH_MAX + 8];
	struct pki_buf junk = { 0 };
	struct stat st;

	assert_int_equal(stat(index_file(), &st), 0);
	switch (which) {
	case 0:
		assert_int_equal(truncate(index_file(), 0), 0);
		break;
	case 1:
		assert_int_equal(truncate(index_file(), st.st_size / 2), 0);
		break;
	case 2:
		overwrite(0, 512);
		break;
	case 3:
		overwrite(4096, st.st_size);
		break;
	case 4:
		poison("PRAGMA user_version=99");
		break;
	case 5:
		poison("PRAGMA application_id=1");
		break;
	case 6:
		poison("UPDATE meta SET key=zeroblob(32)");
		break;
	case 7:
		poison("DROP TABLE names");
		break;
	case 8:
		assert_int_equal(chmod(index_file(), 0644), 0);
		break;
	case 9:
		assert_int_equal(unlink(index_file()), 0);
		break;
	default:
		(void)snprintf(path, sizeof(path), "%s-wal", index_file());
		pki_put_text(&junk, "this is no log of SQLite's at all");
		pki_write("", path, 0600, &junk);
		pki_buf_free(&junk);
	}
}

static void
cs_55_an_index_that_is_torn_or_of_another_form_is_made_anew(void **state)
{
	struct sst_store *s = kept();

	(void)state;
	sst_store_unref(s);
	for (int i = 0; i <= 10; i++) {
		fault_make(i);
		s = kept();
		/* what is found when it is opened; the others show when they are used */
		if (i != 1 && i != 7 && i != 10)
			assert_int_equal(sst_store_is_warm(s), 0);
		if (!gives(s, "a.example", a) || !gives(s, "b.example", b))
			fail_msg("fault %d", i);
		assert_true(gives_none(s, "c.example"));
		reread(s);
		assert_true(gives(s, "a.example", a));
		sst_store_unref(s);
		/* that of others who may read it is left alone */
		if (i == 8)
			assert_int_equal(chmod(index_file(), 0600), 0);
		s = kept();
		reread(s);
		assert_true(gives(s, "b.example", b));
		sst_store_unref(s);
		s = kept();
		if (sst_store_is_warm(s) != 1 || !figures(s).index_kept)
			fail_msg("fault %d is not mended", i);
		assert_true(gives(s, "a.example", a) && gives(s, "b.example", b));
		assert_int_equal(events.count[SST_STORE_REFUSED], 0);
		sst_store_unref(s);
	}
}

static void
cs_55_an_index_that_is_overwritten_under_a_store_is_left(void **state)
{
	struct sst_store *s = kept();
	struct stat st;
	uint64_t generation;

	(void)state;
	sst_store_unref(s);
	s = kept();
	generation = sst_store_generation(s);
	assert_int_equal(stat(index_file(), &st), 0);
	overwrite(0, st.st_size);
	/* its pages may be in memory still: an answer, and no wrong one */
	(void)sst_store_rescan(s, NULL, NULL);
	assert_true(gives(s, "a.example", a));
	assert_true(gives(s, "b.example", b));
	assert_true(gives_none(s, "c.example"));
	assert_true(sst_store_generation(s) >= generation);
	sst_store_unref(s);
	s = kept();
	assert_true(gives(s, "a.example", a) && gives(s, "b.example", b));
	sst_store_unref(s);
}

static void
cs_55_an_index_of_another_user_is_never_read(void **state)
{
	struct sst_store *s = kept();

	(void)state;
	sst_store_unref(s);
	if (geteuid() != 0) {
		/* whose it is is asked in one place: cs_index has the other arm */
		print_message("no second user here\n");
		return;
	}
	poison("UPDATE names SET name='evil.example' WHERE name='a.example'");
	assert_int_equal(chown(index_file(), 65534, 65534), 0);
	s = kept();
	assert_false(figures(s).index_kept);
	assert_int_equal(sst_store_is_warm(s), 0);
	assert_int_equal(events.count[SST_STORE_REFUSED], 1);
	assert_true(gives(s, "a.example", a) && gives_none(s, "evil.example"));
	sst_store_unref(s);
	assert_int_equal(chown(index_file(), 0, 0), 0);
	s = kept();
	assert_int_equal(sst_store_is_warm(s), 1);
	sst_store_unref(s);
}

static void
cs_55_one_of_two_stores_writes_and_the_other_sees_it(void **state)
{
	struct sst_store *writer = kept(), *reader = kept();
	uint64_t before;

	(void)state;
	assert_true(figures(writer).index_writer && !figures(reader).index_writer);
	assert_int_equal(events.count[SST_STORE_REFUSED], 0);
	assert_true(gives(reader, "a.example", a));
	pki_write_pair(dir, "d/a.pem", a_next);
	/* the reader has nothing to do */
	before = sst_store_generation(reader);
	reread(reader);
	assert_int_equal(sst_store_generation(reader), before);
	assert_int_equal(events.count[SST_STORE_RENEWED], 0);
	reread(writer);
	assert_int_equal(events.count[SST_STORE_RENEWED], 1);
	assert_int_equal(sst_store_generation(reader), before + 1);
	assert_true(gives(reader, "a.example", a_next));
	/* the writer ends: the other takes its turn */
	sst_store_unref(writer);
	pki_write_pair(dir, "d/a.pem", a);
	reread(reader);
	assert_true(figures(reader).index_writer);
	assert_int_equal(sst_store_generation(reader), before + 2);
	assert_true(gives(reader, "a.example", a));
	sst_store_unref(reader);
}

static void
who_can_open_nothing_any_more_leaves_the_index_to_others(void **state)
{
	struct sst_store *writer = kept(), *reader = kept();

	(void)state;
	assert_true(gives(writer, "a.example", a));
	sst_store_part(writer);
	pki_write_pair(dir, "d/a.pem", a_next);
	reread(reader);
	assert_true(figures(reader).index_writer && figures(reader).index_kept);
	assert_true(gives(reader, "a.example", a_next));
	assert_false(figures(writer).index_kept);
	assert_true(gives(writer, "a.example", a));
	sst_store_unref(writer);
	sst_store_unref(reader);
}

static void
a_page_that_is_cut_off_ends_nobody_who_writes(void **state)
{
	struct sst_store *writer = kept(), *reader;
	char page[PATH_MAX];
	uint64_t before = sst_store_generation(writer), word;
	int fd;

	(void)state;
	(void)snprintf(page, sizeof(page), "%.*s.gen", (int)strlen(index_file()) - 3,
	    index_file());
	assert_int_equal(truncate(page, 0), 0);
	assert_true(gives(writer, "a.example", a));
	assert_int_equal(sst_store_generation(writer), before);
	pki_write_pair(dir, "d/a.pem", a_next);
	reread(writer);
	assert_true(gives(writer, "a.example", a_next));
	assert_int_equal(sst_store_generation(writer), before + 1);
	/* and who comes then sees what it writes */
	reader = kept();
	assert_true(figures(reader).index_kept && !figures(reader).index_writer);
	assert_true(gives(reader, "a.example", a_next));
	pki_write_pair(dir, "d/a.pem", a);
	before = sst_store_generation(reader);
	reread(writer);
	assert_int_equal(sst_store_generation(reader), before + 1);
	assert_true(gives(reader, "a.example", a));
	/* the next one to write goes on from what the index says: who wrote may have ended
	 * between a change and its number */
	sst_store_unref(writer);
	fd = open(page, O_RDWR);
	assert_int_equal(pread(fd, &word, sizeof(word), sizeof(word)), sizeof(word));
	word--;
	assert_int_equal(pwrite(fd, &word, sizeof(word), sizeof(word)), sizeof(word));
	(void)close(fd);
	assert_int_equal(sst_store_generation(reader), before);
	reread(reader);
	assert_true(figures(reader).index_writer);
	assert_int_equal(sst_store_generation(reader), before + 1);
	assert_int_equal(truncate(page, 0), 0);
	assert_true(gives(reader, "a.example", a));
	sst_store_unref(reader);
}

/* How often somebody slept: certstore's calls come here, too. */
static atomic_int naps;

/* When it is set, nobody sleeps for so long, but calls this. */
static void (*instead)(void);

int
nanosleep(const struct timespec *pause, struct timespec *left)
{
	atomic_fetch_add(&naps, 1);
	if (instead != NULL) {
		instead();
		return 0;
	}
	return clock_nanosleep(CLOCK_MONOTONIC, 0, pause, left) == 0 ? 0 : -1;
}

/* Whether the store waits for the other one when it is asked for what cannot be read. */
static int
waits_for(struct sst_store *s, const char *name)
{
	atomic_store(&s->next_rescan, 0);
	atomic_store(&naps, 0);
	assert_true(gives_none(s, name));
	return atomic_load(&naps) > 0;
}

static void
who_writes_is_waited_for_once_for_each_change(void **state)
{
	struct sst_store *writer = kept(), *reader = kept();

	(void)state;
	assert_true(figures(writer).index_writer && !figures(reader).index_writer);
	pki_write_text(dir, "d/a.pem", "this is being written");
	assert_true(waits_for(reader, "a.example"));
	assert_false(waits_for(reader, "a.example"));
	/* another one is another matter */
	pki_write_text(dir, "d/b.pem", "this is being written");
	assert_true(waits_for(reader, "b.example"));
	assert_false(waits_for(reader, "b.example"));
	assert_false(waits_for(reader, "a.example"));
	/* and so is the same one when something came of it */
	pki_write_pair(dir, "d/a.pem", a_next);
	reread(writer);
	pki_write_text(dir, "d/a.pem", "this is being written");
	assert_true(waits_for(reader, "a.example"));
	assert_false(waits_for(reader, "a.example"));
	sst_store_unref(reader);
	sst_store_unref(writer);
}

/* Who writes is held at its first file, as if it was stopped. */
static pthread_mutex_t halt = PTHREAD_MUTEX_INITIALIZER;

static int
halting_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	if (strncmp(path, certs, strlen(certs)) == 0 && path[strlen(certs)] == '/') {
		(void)pthread_mutex_lock(&halt);
		(void)pthread_mutex_unlock(&halt);
	}
	return sst_source_files.open(ctx, path, ret_fd, err);
}

static void *
add_certs(void *arg)
{
	(void)sst_store_add(arg, certs, NULL);
	return NULL;
}

static struct sst_store *halted;

static void
no_sleep(void)
{
}

/* It gets further for a while, and then it is let go. */
static void
beat(void)
{
	const int n = atomic_load(&naps);

	if (n < 600)
		sst_gen_beat(halted->gen);
	else if (n == 600)
		(void)pthread_mutex_unlock(&halt);
	else
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ 0, 1000000 },
		    NULL);
}

static void
who_gets_no_further_is_not_waited_for_and_who_does_is(void **state)
{
	const struct sst_store_config c = { .index_dir = cache };
	struct sst_source_ops ops = sst_source_files;
	struct sst_store *reader;
	pthread_t thread;

	(void)state;
	ops.open = halting_open;
	ops.open_resolved = NULL;
	for (int goes_on = 0; goes_on < 2; goes_on++) {
		assert_int_equal(sst_store_new_from(&c, &ops, NULL, &halted, NULL), 0);
		(void)pthread_mutex_lock(&halt);
		assert_int_equal(pthread_create(&thread, NULL, add_certs, halted), 0);
		while (!figures(halted).index_writer)
			(void)sched_yield();
		atomic_store(&naps, 0);
		instead = goes_on ? beat : no_sleep;
		reader = kept();
		instead = NULL;
		assert_int_equal(figures(reader).index_kept, goes_on);
		assert_int_equal(sst_store_is_warm(reader), goes_on);
		if (goes_on)
			assert_true(atomic_load(&naps) >= 600);
		else
			assert_in_range(atomic_load(&naps), 100, 500);
		assert_true(gives(reader, "a.example", a) && gives(reader, "b.example", b));
		sst_store_unref(reader);
		if (!goes_on)
			(void)pthread_mutex_unlock(&halt);
		assert_int_equal(pthread_join(thread, NULL), 0);
		sst_store_unref(halted);
		if (!goes_on)
			assert_int_equal(unlink(index_file()), 0);
	}
}

static void
who_reads_a_large_directory_says_that_it_gets_further(void **state)
{
	struct sst_store *s;
	char name[64];

	(void)state;
	for (int i = 0; i < SST_POOL_LEAST; i++) {
		(void)snprintf(name, sizeof(name), "d/y%d", i);
		assert_int_equal(mkdir(pki_path(dir, name), 0700), 0);
	}
	s = kept();
	assert_true(figures(s).index_writer);
	assert_true(sst_gen_beats(s->gen) > 0);
	sst_store_unref(s);
}

static void
another_source_besides_makes_a_copy_that_no_other_store_sees(void **state)
{
	struct pki_cert *c = leaf(PKI_P256, "c.example");
	struct sst_store *writer = kept(), *other = kept();
	uint64_t before = sst_store_generation(other);

	(void)state;
	store_put(other, c);
	assert_false(figures(other).index_kept);
	assert_true(sst_store_generation(other) > before);
	assert_true(gives(other, "c.example", c) && gives(other, "a.example", a));
	assert_true(gives_none(writer, "c.example"));
	assert_int_equal(sst_store_remove(other, "*", NULL), 0);
	assert_true(gives_none(other, "a.example"));
	assert_true(gives(writer, "a.example", a));
	assert_true(figures(writer).index_kept);
	/* and the one who writes lets another write */
	assert_int_equal(sst_store_remove(writer, certs, NULL), 0);
	assert_true(gives_none(writer, "a.example"));
	sst_store_unref(other);
	other = kept();
	assert_true(figures(other).index_writer && gives(other, "a.example", a));
	sst_store_unref(other);
	sst_store_unref(writer);
	pki_free(c);
}

static void
cs_55_a_child_of_a_fork_shares_the_index(void **state)
{
	struct pki_cert *c = leaf(PKI_P256, "c.example");
	struct sst_store *s = kept();
	const struct timespec pause = { 0, 1000000 };
	int status = 0, ready[2];
	uint64_t before = sst_store_generation(s);
	pid_t child;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int good = gives(s, "a.example", a) && !figures(s).index_writer;

		(void)alarm(20);
		good &= write(ready[1], "x", 1) == 1;
		/* one load tells of the parent's change */
		while (sst_store_generation(s) == before)
			(void)nanosleep(&pause, NULL);
		good &= gives(s, "c.example", c) && gives(s, "a.example", a);
		/* what the child sets is its own */
		pki_write_pair(dir, "b2.pem", a_next);
		good &= sst_store_add(s, pki_path(dir, "b2.pem"), NULL) == 0;
		good &= sst_store_remove(s, certs, NULL) == 0;
		good &= gives(s, "a.example", a_next) && gives_none(s, "b.example");
		sst_store_unref(s);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	pki_write_pair(dir, "d/c.pem", c);
	reread(s);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(figures(s).index_writer);
	assert_true(gives(s, "a.example", a) && gives(s, "b.example", b));
	(void)close(ready[0]);
	(void)close(ready[1]);
	sst_store_unref(s);
	pki_free(c);
}

/* Renews for ever; never returns. */
static void
renew_on_and_on(int ready)
{
	struct sst_store *s = kept();

	(void)alarm(60);
	for (int i = 0;; i++) {
		pki_write_pair(dir, "d/a.pem", i % 2 == 0 ? a_next : a);
		(void)sst_store_rescan(s, NULL, NULL);
		if (write(ready, "x", 1) != 1)
			_exit(1);
	}
}

static void
cs_55_a_writer_that_is_killed_leaves_a_whole_index(void **state)
{
	struct sst_store *reader = kept();
	int ready[2], status, owned = 0;
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;

	(void)state;
	sst_store_unref(reader);
	for (int round = 0; round < 8; round++) {
		const struct timespec pause = { 0, 300000L * round };
		char bytes[3];
		pid_t child;

		assert_int_equal(pipe(ready), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0)
			renew_on_and_on(ready[1]);
		(void)close(ready[1]);
		for (size_t i = 0; i < sizeof(bytes); i++)
			assert_int_equal(read(ready[0], bytes, 1), 1);
		reader = kept();	/* shares it meanwhile */
		assert_false(figures(reader).index_writer);
		(void)nanosleep(&pause, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		(void)close(ready[0]);
		assert_true(gives(reader, "b.example", b));
		reread(reader);
		owned += figures(reader).index_writer;
		assert_true(gives(reader, "a.example", a) ||
		    gives(reader, "a.example", a_next));
		assert_int_equal(figures(reader).usable, 2);
		sst_store_unref(reader);
	}
	assert_int_equal(owned, 8);
	assert_int_equal(sqlite3_open(index_file(), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(st, 0), "ok");
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
}

/* How much of the file has these bytes in it. */
static int
file_has(const char *path, const void *bytes, size_t len)
{
	struct stat st;
	char *all;
	int fd = open(path, O_RDONLY), has;

	if (fd < 0)
		return 0;
	assert_int_equal(fstat(fd, &st), 0);
	all = calloc(1, (size_t)st.st_size + 1);
	assert_int_equal(read(fd, all, (size_t)st.st_size), st.st_size);
	has = memmem(all, (size_t)st.st_size, bytes, len) != NULL;
	(void)close(fd);
	free(all);
	return has;
}

static void
no_private_key_is_in_the_index(void **state)
{
	struct pki_buf key = { 0 };
	struct sst_store *s = kept();
	char wal[PATH_MAX + 8];
	struct stat st;

	(void)state;
	(void)snprintf(wal, sizeof(wal), "%s-wal", index_file());
	pki_put_key_der(&key, a);
	for (int closed = 0; closed < 2; closed++) {
		assert_true(file_has(index_file(), "a.example", 9) ||
		    file_has(wal, "a.example", 9));
		/* the private number of a P-256 key in PKCS#8 */
		assert_false(file_has(index_file(), key.data + 36, 16));
		assert_false(file_has(wal, key.data + 36, 16));
		assert_int_equal(stat(index_file(), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		if (!closed)
			sst_store_unref(s);
	}
	pki_buf_free(&key);
}

static int
entry_count(void *arg, const struct sst_entry *e)
{
	int *n = arg;

	assert_true(e->source[0] != '\0');
	(*n)++;
	return 0;
}

static int
entry_stop(void *arg, const struct sst_entry *e)
{
	(void)e;
	++*(int *)arg;
	return 7;
}

static void
entries_are_listed_found_and_counted(void **state)
{
	struct pki_cert *old = pki_issue(world_ca, &(struct pki_spec){
	    .san = "*.b.example,old.example", .not_after = PKI_NOW - PKI_DAY });
	struct sst_error err = { .code = SST_OK };
	struct sst_store_figures f;
	struct sst_store *s;
	int n = 0;

	(void)state;
	pki_write_pair(dir, "d/old.pem", old);
	pki_write_text(dir, "d/bad.pem", "-----BEGIN CERTIFICATE-----\n!\n");
	s = kept();
	f = figures(s);
	assert_int_equal(f.usable, 3);
	assert_int_equal(f.refused, 1);
	assert_int_equal(f.expired, 1);
	assert_int_equal(f.names, 5);
	assert_int_equal(f.earliest, PKI_NOW - PKI_DAY);
	assert_int_equal(sst_store_each(s, entry_count, &n, NULL), 0);
	assert_int_equal(n, 4);
	n = 0;
	assert_int_equal(sst_store_each(s, entry_stop, &n, NULL), 7);
	assert_int_equal(n, 1);
	n = 0;
	assert_int_equal(sst_store_expiring(s, PKI_NOW, entry_count, &n, NULL), 0);
	assert_int_equal(n, 1);
	n = 0;
	assert_int_equal(sst_store_expiring(s, PKI_NOW - PKI_DAY, entry_count, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(sst_store_find(s, "X.b.example.", entry_count, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(sst_store_find(s, "192.0.2.9", entry_count, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(sst_store_find(s, "x.y.b.example", entry_count, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_int_equal(sst_store_find(s, "no name", entry_count, &n, &err), SST_E_USAGE);
	sst_store_unref(s);
	pki_free(old);
}

#define T(f) cmocka_unit_test_setup_teardown(f, two_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(when_all_was_read_the_next_one_finds_no_log_to_read),
		T(who_loses_the_opener_of_files_refuses_nothing_for_it),
		T(a_kept_index_serves_before_any_certificate_is_read),
		T(what_changed_while_nobody_looked_is_found_when_it_is_asked_for),
		T(an_index_that_takes_anothers_place_is_gone_through_anew),
		T(a_small_directory_and_a_file_have_no_index_on_disk),
		T(names_that_are_swapped_in_the_index_serve_no_wrong_certificate),
		T(a_name_that_the_index_invents_is_not_served),
		T(a_listener_of_some_names_serves_no_other_to_who_names_none),
		T(cs_55_an_index_that_is_torn_or_of_another_form_is_made_anew),
		T(cs_55_an_index_that_is_overwritten_under_a_store_is_left),
		T(cs_55_an_index_of_another_user_is_never_read),
		T(cs_55_one_of_two_stores_writes_and_the_other_sees_it),
		T(who_can_open_nothing_any_more_leaves_the_index_to_others),
		T(a_page_that_is_cut_off_ends_nobody_who_writes),
		T(who_writes_is_waited_for_once_for_each_change),
		T(who_gets_no_further_is_not_waited_for_and_who_does_is),
		T(who_reads_a_large_directory_says_that_it_gets_further),
		T(another_source_besides_makes_a_copy_that_no_other_store_sees),
		T(cs_55_a_child_of_a_fork_shares_the_index),
		T(cs_55_a_writer_that_is_killed_leaves_a_whole_index),
		T(no_private_key_is_in_the_index),
		T(entries_are_listed_found_and_counted),
	};

	return cmocka_run_group_tests(tests, shared_setup, shared_teardown);
}
