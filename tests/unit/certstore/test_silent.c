/* SPDX-License-Identifier: ISC */
/* Who opens the files is too slow for once, or has no descriptor left: nothing is refused
 * or removed for it, and what is not known is read again soon. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fail.h"
#include "certstore/index_sql.h"
#include "certstore/scan_pool.h"
#include "certstore/source.h"
#include "certstore/store.h"
#include "each_clock.h"
#include "world.h"

#define LARGE	(SST_POOL_LEAST + 4)
#define SMALL	4

static struct pki_cert *site[LARGE], *next[2];

/* After so many more questions one is not answered, and then all are again. */
static atomic_int to_answer;
static atomic_int is_mute;	/* about what is in a folder */
static _Thread_local uint64_t silent;

static int
is_answered(const char *path, struct sst_error *err)
{
	if (atomic_fetch_sub(&to_answer, 1) != 0 &&
	    !(atomic_load(&is_mute) && strstr(path, "/live/") != NULL))
		return 1;
	silent++;
	(void)sst_fail_errno(err, ETIMEDOUT, "%s", path);
	return 0;
}

static int
slow_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	return is_answered(path, err) ? sst_source_files.open(ctx, path, ret_fd, err) :
	    SST_E_SYSTEM;
}

static int
slow_list(void *ctx, const char *path, int (*each)(void *arg, const char *name), void *arg,
    struct sst_error *err)
{
	return is_answered(path, err) ? sst_source_files.list(ctx, path, each, arg, err) :
	    SST_E_SYSTEM;
}

/* As the relay has it: what cannot be found out counts as exposed. */
static int
slow_exposed(void *ctx, const char *path, struct sst_error *err)
{
	return is_answered(path, err) ? sst_source_files.exposed(ctx, path, err) : 1;
}

static int
slow_readlink(void *ctx, const char *path, char *out, size_t size, struct sst_error *err)
{
	return is_answered(path, err) ?
	    sst_source_files.readlink(ctx, path, out, size, err) : SST_E_SYSTEM;
}

static uint64_t
slow_unanswered(void *ctx)
{
	(void)ctx;
	return silent;
}

static const struct sst_source_ops slow = {
	.open = slow_open,
	.list = slow_list,
	.exposed = slow_exposed,
	.readlink = slow_readlink,
	.unanswered = slow_unanswered,
};

static int
silent_setup(void **state)
{
	char name[64];

	(void)world_setup(state);
	next[0] = leaf(PKI_P256, "site2.example.com");
	next[1] = leaf(PKI_P256, "site2.example.com");
	for (int i = 0; i < LARGE; i++) {
		(void)snprintf(name, sizeof(name), "site%d.example.com", i);
		site[i] = pki_issue(world_ca, &(struct pki_spec){ .san = name,
		    .use_key = next[0]->key });
	}
	return 0;
}

static int
silent_teardown(void **state)
{
	for (int i = 0; i < LARGE; i++)
		pki_free(site[i]);
	pki_free(next[0]);
	pki_free(next[1]);
	return world_teardown(state);
}

static int
answered_setup(void **state)
{
	atomic_store(&to_answer, -1);
	return clock_setup(state);
}

/* Certbot's folders, one that has all in one file, and two files beside them. */
static void
write_all(int n)
{
	char path[64], target[64];

	for (int i = 2; i < n; i++) {
		(void)snprintf(path, sizeof(path), i == 2 ? "live/%d/pair.pem" :
		    "archive/%d/fullchain1.pem", i);
		if (i == 2) {
			pki_write_pair(dir, path, site[i]);
			continue;
		}
		pki_write_chain(dir, path, site[i]);
		(void)snprintf(path, sizeof(path), "archive/%d/privkey1.pem", i);
		pki_write_key(dir, path, site[i]);
		(void)snprintf(path, sizeof(path), "live/%d/README", i);
		pki_write_text(dir, path, "certbot's");
		(void)snprintf(target, sizeof(target), "../../archive/%d/fullchain1.pem", i);
		(void)snprintf(path, sizeof(path), "live/%d/fullchain.pem", i);
		pki_link(dir, path, target);
		(void)snprintf(target, sizeof(target), "../../archive/%d/privkey1.pem", i);
		(void)snprintf(path, sizeof(path), "live/%d/privkey.pem", i);
		pki_link(dir, path, target);
	}
	pki_write_chain(dir, "live/zero.pem", site[0]);
	pki_write_key(dir, "live/zero.key", site[0]);
	pki_write_pair(dir, "live/one.pem", site[1]);
}

static struct sst_store *
slow_store(void)
{
	const struct sst_store_config config = { .threads = 1 };
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = NULL;

	atomic_store(&to_answer, -1);
	ok(sst_store_new_from(&config, &slow, NULL, &s, &err), &err);
	return s;
}

/* Everything is known by and by, and nothing waits any more. */
static void
settle(struct sst_store *s)
{
	struct sst_error err = { .code = SST_OK };
	int64_t due;

	for (int i = 0; i < 4 && (due = sst_store_retry_due(s)) >= 0; i++) {
		wall_ahead += due;
		ok(sst_store_retry(s, &err), &err);
	}
	assert_int_equal(sst_store_retry_due(s), -1);
}

static void
serves_them(struct sst_store *s, int n)
{
	char name[64];

	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "site%d.example.com", i);
		if (i != 2 && !serves_in(s, name, site[i]))
			fail_msg("%s is not served", name);
	}
}

/* One question of the first reading is not answered, each in turn. */
static void
first_readings(int n, int step)
{
	struct sst_error err = { .code = SST_OK };
	int rc, met = 0, at = 0, left;

	write_all(n);
	do {
		struct sst_store *s = slow_store();

		atomic_store(&to_answer, at);
		rc = sst_store_add(s, pki_path(dir, "live"), &err);
		left = atomic_exchange(&to_answer, -1);
		assert_int_equal(figures(s).refused, 0);
		/* the directory itself could not be opened: who sets it knows */
		if (rc < 0)
			assert_int_equal(err.sys_errno, ETIMEDOUT);
		else if (left >= 0 || figures(s).usable < (uint64_t)n)
			assert_int_equal(sst_store_retry_due(s) >= 0, left < 0);
		if (rc == 0)
			settle(s);
		else
			ok(sst_store_add(s, pki_path(dir, "live"), NULL), NULL);
		assert_int_equal(figures(s).usable, n);
		assert_int_equal(figures(s).refused, 0);
		serves_them(s, n);
		assert_true(serves_in(s, "site2.example.com", site[2]));
		sst_store_unref(s);
		sst_error_clear(&err);
		met += left < 0;
		at += step;
	} while (left < 0);
	assert_true(met > n / step);
}

/* The disk is full: the index takes no page more. 0: it has room again. */
static void
fill(struct sst_store *s, int full)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "PRAGMA max_page_count=%lld", full ?
	    (long long)sst_index_pragma(s->index, "PRAGMA page_count") : 100000000);
	(void)sst_index_pragma(s->index, text);
}

/* A renewal of `path`, which takes more room than there is. */
static void
is_taken_in_when_there_is_room(struct sst_store *s, const char *path, const char *source,
    const char *below, const char *name, const struct pki_cert *old)
{
	struct sst_error err = { .code = SST_OK };
	char sans[8000] = "";
	struct pki_cert *big;

	(void)snprintf(sans, sizeof(sans), "%s", name);
	for (int i = 0; i < 150; i++)
		(void)snprintf(sans + strlen(sans), sizeof(sans) - strlen(sans),
		    ",n%d.a-name-that-takes-its-room.example", i);
	big = pki_issue(world_ca, &(struct pki_spec){ .san = sans, .use_key = old->key });
	fill(s, 1);
	pki_write_pair(dir, path, big);
	assert_true((below != NULL ? sst_store_rescan_below(s, source, below, &err) :
	    sst_store_rescan(s, source, &err)) < 0);
	assert_true(serves_in(s, name, old));
	assert_true(sst_store_retry_due(s) >= 0);
	fill(s, 0);
	settle(s);
	assert_true(serves_in(s, name, big));
	pki_free(big);
}

static void
what_the_disk_has_no_room_for_is_read_again_when_it_has(void **state)
{
	struct pki_cert *alone = leaf(PKI_P256, "alone.example");
	struct sst_store *s = slow_store();
	char live[PATH_MAX], one[PATH_MAX];

	(void)state;
	write_all(SMALL);
	pki_write_pair(dir, "alone.pem", alone);
	(void)strcpy(live, pki_path(dir, "live"));
	ok(sst_store_add(s, live, NULL), NULL);
	(void)strcpy(one, pki_path(dir, "alone.pem"));
	ok(sst_store_add(s, one, NULL), NULL);
	assert_int_equal(sst_store_retry_due(s), -1);
	is_taken_in_when_there_is_room(s, "live/one.pem", live, "one.pem",
	    "site1.example.com", site[1]);
	is_taken_in_when_there_is_room(s, "live/2/pair.pem", live, NULL,
	    "site2.example.com", site[2]);
	is_taken_in_when_there_is_room(s, "alone.pem", one, NULL, "alone.example", alone);
	/* a file that is none is not read again until it changes */
	pki_write_text(dir, "alone.pem", "none");
	(void)sst_store_rescan(s, one, NULL);
	assert_int_equal(sst_store_retry_due(s), -1);
	pki_free(alone);
	sst_store_unref(s);
}

static void
a_first_reading_refuses_nothing_for_it(void **state)
{
	(void)state;
	first_readings(SMALL, 1);
}

static void
the_first_reading_of_a_large_directory_refuses_nothing_for_it(void **state)
{
	(void)state;
	first_readings(LARGE, 17);
}

/* The same of a later reading, in which one name is renewed. `below`: of that alone. */
static void
later_readings(int n, int step, const char *below)
{
	struct sst_store *s = slow_store();
	struct sst_error err = { .code = SST_OK };
	int met = 0, at = 0, left, turn = 0;
	const char *live;

	write_all(n);
	ok(sst_store_add(s, pki_path(dir, "live"), &err), &err);
	do {
		const struct pki_cert *renewed = next[turn++ % 2];

		pki_write_pair(dir, "live/2/pair.pem", renewed);
		live = pki_path(dir, "live");
		atomic_store(&to_answer, at);
		if (below != NULL)
			ok(sst_store_rescan_below(s, live, below, &err), &err);
		else
			ok(sst_store_rescan(s, NULL, &err), &err);
		left = atomic_exchange(&to_answer, -1);
		assert_int_equal(figures(s).refused, 0);
		assert_int_equal(figures(s).usable, n);
		assert_int_equal(sst_store_retry_due(s) >= 0, left < 0);
		serves_them(s, n);
		settle(s);
		assert_true(serves_in(s, "site2.example.com", renewed));
		assert_int_equal(figures(s).usable, n);
		met += left < 0;
		at += step;
	} while (left < 0);
	assert_true(met > 0);
	sst_store_unref(s);
}

static void
what_is_there_goes_on_and_is_read_again(void **state)
{
	(void)state;
	later_readings(SMALL, 1, NULL);
}

static void
in_a_large_directory_it_goes_on_too(void **state)
{
	(void)state;
	later_readings(LARGE, 17, NULL);
}

static void
one_folder_is_read_again_by_itself(void **state)
{
	(void)state;
	later_readings(SMALL, 1, "2");
}

static void
a_file_that_was_set_goes_on_and_one_that_was_not_is_refused(void **state)
{
	struct sst_store *s = slow_store();
	struct sst_error err = { .code = SST_OK };
	const char *path = pki_path(dir, "a.pem");

	(void)state;
	pki_write_pair(dir, "a.pem", site[2]);
	atomic_store(&to_answer, 1);	/* the first asks whether it is a directory */
	assert_int_equal(sst_store_add(s, path, &err), SST_E_SYSTEM);
	assert_int_equal(err.sys_errno, ETIMEDOUT);
	assert_int_equal(sst_store_retry_due(s), -1);
	sst_error_clear(&err);
	ok(sst_store_add(s, path, &err), &err);
	assert_true(serves_in(s, "site2.example.com", site[2]));
	pki_write_pair(dir, "a.pem", next[1]);
	atomic_store(&to_answer, 0);
	ok(sst_store_rescan(s, NULL, &err), &err);
	assert_true(serves_in(s, "site2.example.com", site[2]));
	settle(s);
	assert_true(serves_in(s, "site2.example.com", next[1]));
	sst_store_unref(s);
}

static void
of_more_than_may_wait_nothing_is_forgotten(void **state)
{
	const int n = SST_WAITS_MAX + 20;
	struct sst_store *s = slow_store();
	struct sst_error err = { .code = SST_OK };
	char path[64];

	(void)state;
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "live/%d/pair.pem", i);
		pki_write_pair(dir, path, site[2]);
	}
	atomic_store(&is_mute, 1);
	ok(sst_store_add(s, pki_path(dir, "live"), &err), &err);
	atomic_store(&is_mute, 0);
	assert_int_equal(figures(s).usable, 0);
	settle(s);
	assert_int_equal(figures(s).usable, n);
	assert_int_equal(figures(s).refused, 0);
	sst_store_unref(s);
}

/* Nothing can be opened any more, or (0) it can again. */
static void
fill_table(int full)
{
	static struct rlimit was;
	struct rlimit now;
	int next_fd;

	if (!full) {
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
		return;
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	now = was;
	next_fd = dup(0);
	(void)close(next_fd);
	now.rlim_cur = (rlim_t)next_fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
}

/* A program's own store, whose descriptors were used up just when a name was renewed. */
static void
renewed_without_descriptors(int n, const char *below)
{
	const struct sst_store_config config = { .threads = 1 };
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = NULL;
	const char *live;
	int rc;

	write_all(n);
	ok(sst_store_new(&config, &s, &err), &err);
	ok(sst_store_add(s, pki_path(dir, "live"), &err), &err);
	pki_write_pair(dir, "live/2/pair.pem", next[0]);
	live = pki_path(dir, "live");
	fill_table(1);
	rc = below != NULL ? sst_store_rescan_below(s, live, below, &err) :
	    sst_store_rescan(s, NULL, &err);
	fill_table(0);
	ok(rc, &err);
	assert_int_equal(figures(s).refused, 0);
	assert_int_equal(figures(s).usable, n);
	assert_true(sst_store_retry_due(s) >= 0);
	settle(s);
	assert_true(serves_in(s, "site2.example.com", next[0]));
	assert_int_equal(figures(s).usable, n);
	sst_store_unref(s);
}

static void
without_descriptors_a_folder_waits(void **state)
{
	(void)state;
	renewed_without_descriptors(SMALL, "2");
}

static void
without_descriptors_a_directory_waits(void **state)
{
	(void)state;
	renewed_without_descriptors(SMALL, NULL);
}

static void
without_descriptors_a_large_directory_waits(void **state)
{
	(void)state;
	renewed_without_descriptors(LARGE, NULL);
}

static void
without_descriptors_a_file_is_refused_to_who_sets_it_and_goes_on_later(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = NULL;
	const char *path = pki_path(dir, "a.pem");
	int rc;

	(void)state;
	pki_write_pair(dir, "a.pem", site[2]);
	ok(sst_store_new(NULL, &s, &err), &err);
	fill_table(1);
	rc = sst_store_add(s, path, &err);
	fill_table(0);
	assert_int_equal(rc, SST_E_SYSTEM);
	assert_int_equal(err.sys_errno, EMFILE);
	assert_int_equal(sst_store_retry_due(s), -1);
	sst_error_clear(&err);
	ok(sst_store_add(s, path, &err), &err);
	pki_write_pair(dir, "a.pem", next[1]);
	fill_table(1);
	rc = sst_store_rescan(s, NULL, &err);
	fill_table(0);
	ok(rc, &err);
	settle(s);
	assert_true(serves_in(s, "site2.example.com", next[1]));
	sst_store_unref(s);
}

static struct sst_store *
kept_store(const char *place)
{
	const struct sst_store_config config = { .threads = 1, .index_dir = place };
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = NULL;

	ok(sst_store_new(&config, &s, &err), &err);
	ok(sst_store_add(s, pki_path(dir, "live"), &err), &err);
	assert_true(figures(s).index_kept);
	return s;
}

/* Both are told that the name changed; until nothing waits any more. */
static void
both_told(struct sst_store *first, struct sst_store *second)
{
	const char *live = pki_path(dir, "live");
	struct sst_error err = { .code = SST_OK };
	int64_t due;

	if (first != NULL)
		ok(sst_store_rescan_below(first, live, "2", &err), &err);
	if (second != NULL)
		ok(sst_store_rescan_below(second, live, "2", &err), &err);
	for (int i = 0; i < 2; i++) {
		struct sst_store *s = i ? second : first;

		while (s != NULL && (due = sst_store_retry_due(s)) >= 0) {
			wall_ahead += due;
			ok(sst_store_retry(s, &err), &err);
		}
	}
}

/* Of two programs with one index, one of which writes it and is stopped. */
static void
who_writes_and_does_nothing_is_left(void **state)
{
	struct sst_store *writer, *reader;
	char place[512];

	(void)state;
	write_all(LARGE);
	(void)snprintf(place, sizeof(place), "%s", pki_path(dir, "cache"));
	assert_int_equal(mkdir(place, 0700), 0);
	writer = kept_store(place);
	reader = kept_store(place);
	assert_true(figures(writer).index_writer && !figures(reader).index_writer);
	/* it comes to it a little later, or was there before */
	for (int i = 0; i < 2; i++) {
		pki_write_pair(dir, "live/2/pair.pem", next[i]);
		both_told(i ? writer : reader, i ? reader : writer);
		assert_true(serves_in(reader, "site2.example.com", next[i]));
		assert_true(figures(reader).index_kept);
	}
	/* nothing changed; or what is bad does not take the place of what goes on */
	both_told(reader, NULL);
	assert_true(figures(reader).index_kept);
	pki_write_text(dir, "live/2/pair.pem", "-----BEGIN CERTIFICATE-----\n!\n");
	both_told(writer, reader);
	assert_true(figures(reader).index_kept);
	assert_int_equal(figures(reader).refused, 1);
	pki_write_pair(dir, "live/2/pair.pem", next[0]);
	both_told(reader, NULL);
	assert_true(serves_in(reader, "site2.example.com", next[0]));
	assert_false(figures(reader).index_kept);
	assert_int_equal(figures(reader).usable, LARGE);
	assert_true(figures(writer).index_writer && figures(writer).index_kept);
	sst_store_unref(reader);
	sst_store_unref(writer);
}

/* After a fork it is opened anew, which takes some. */
static void
without_descriptors_an_index_is_not_taken_for_damaged(void **state)
{
	struct sst_store_figures f;
	struct sst_store *s;
	char place[512];
	pid_t child;
	int rc;

	(void)state;
	write_all(LARGE);
	(void)snprintf(place, sizeof(place), "%s", pki_path(dir, "cache"));
	assert_int_equal(mkdir(place, 0700), 0);
	s = kept_store(place);
	child = fork();
	if (child == 0)
		_exit(0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	fill_table(1);
	rc = sst_store_figures(s, PKI_NOW, &f, NULL);
	fill_table(0);
	assert_true(rc < 0);
	assert_true(figures(s).index_kept && figures(s).index_writer);
	assert_int_equal(figures(s).usable, LARGE);
	serves_them(s, LARGE);
	sst_store_unref(s);
}

/* It is not made anew from the files, which all of its names would wait for. */
static void
an_index_on_a_full_disk_is_not_taken_for_damaged(void **state)
{
	char place[512], live[512];
	struct sst_store *s;

	(void)state;
	write_all(LARGE);
	(void)snprintf(place, sizeof(place), "%s", pki_path(dir, "cache"));
	(void)snprintf(live, sizeof(live), "%s", pki_path(dir, "live"));
	assert_int_equal(mkdir(place, 0700), 0);
	s = kept_store(place);
	is_taken_in_when_there_is_room(s, "live/2/pair.pem", live, "2",
	    "site2.example.com", site[2]);
	is_taken_in_when_there_is_room(s, "live/one.pem", live, NULL,
	    "site1.example.com", site[1]);
	assert_true(figures(s).index_kept && figures(s).index_writer);
	serves_them(s, 1);
	sst_store_unref(s);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, answered_setup, clock_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_the_disk_has_no_room_for_is_read_again_when_it_has),
		T(a_first_reading_refuses_nothing_for_it),
		T(the_first_reading_of_a_large_directory_refuses_nothing_for_it),
		T(what_is_there_goes_on_and_is_read_again),
		T(in_a_large_directory_it_goes_on_too),
		T(one_folder_is_read_again_by_itself),
		T(a_file_that_was_set_goes_on_and_one_that_was_not_is_refused),
		T(of_more_than_may_wait_nothing_is_forgotten),
		T(who_writes_and_does_nothing_is_left),
		T(without_descriptors_an_index_is_not_taken_for_damaged),
		T(an_index_on_a_full_disk_is_not_taken_for_damaged),
		T(without_descriptors_a_folder_waits),
		T(without_descriptors_a_directory_waits),
		T(without_descriptors_a_large_directory_waits),
		T(without_descriptors_a_file_is_refused_to_who_sets_it_and_goes_on_later),
	};

	return cmocka_run_group_tests(tests, silent_setup, silent_teardown);
}
