/* SPDX-License-Identifier: ISC */
/*
 * Tests of the cache: whose directory it is, who reads what somebody else wrote.
 * What needs another user is skipped where the tests do not run as root.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_cache.h"

#define OTHER	54321	/* nobody's uid */

static int
dir_setup(void **state)
{
	*state = pki_dir_new();
	assert_int_equal(chmod(*state, 0755), 0);
	return 0;
}

static int
dir_teardown(void **state)
{
	pki_dir_free(*state);
	return 0;
}

static void
needs_root(void)
{
	if (geteuid() != 0)
		skip();
}

/* Memory, with a reason; and evidence is kept all the same. */
static void
is_memory(const char *dir, const char *why)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 1);
	struct sst_cache *c = cache_open(dir);

	assert_int_equal(sst_cache_mode(c), SST_CACHE_MEMORY);
	if (strstr(sst_cache_why(c), why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", sst_cache_why(c), why);
	assert_int_equal(cache_put(c, 1, 1, &e), SST_OK);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	assert_int_equal(sst_cache_tidy(c, PKI_NOW, NULL), SST_OK);
	sst_cache_close(c);
}

static void
is_writer(const char *dir)
{
	struct sst_cache *c = cache_open(dir);

	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	assert_string_equal(sst_cache_why(c), "");
	sst_cache_close(c);
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
rv_98_who_cannot_be_trusted_is_not(void **state)
{
	const char *dir = *state;
	char in[256];

	is_writer(pki_path(dir, "98"));
	assert_int_equal(mode_of(pki_path(dir, "98/live.db")), 0600);
	assert_int_equal(mode_of(pki_path(dir, "98/live.db-wal")), 0600);

	assert_int_equal(chmod(pki_path(dir, "98"), 0777), 0);
	is_memory(pki_path(dir, "98"), "others may write");
	assert_int_equal(chmod(pki_path(dir, "98"), 01777), 0);
	is_memory(pki_path(dir, "98"), "others may write");
	assert_int_equal(chmod(pki_path(dir, "98"), 0775), 0);
	is_memory(pki_path(dir, "98"), "others may write");
	assert_int_equal(chmod(pki_path(dir, "98"), 0666), 0);
	is_memory(pki_path(dir, "98"), "others may write");
	assert_int_equal(chmod(pki_path(dir, "98"), 0755), 0);
	is_writer(pki_path(dir, "98"));

	assert_int_equal(symlink("98", pki_path(dir, "link")), 0);
	is_memory(pki_path(dir, "link"), "symbolic link");

	assert_int_equal(chmod(pki_path(dir, "98/live.db"), 0602), 0);
	is_memory(pki_path(dir, "98"), "others may write");
	assert_int_equal(chmod(pki_path(dir, "98/live.db"), 0600), 0);
	is_writer(pki_path(dir, "98"));

	pki_write_text(dir, "98/real", "precious");
	assert_int_equal(rename(pki_path(dir, "98/live.db"), pki_path(dir, "98/away")), 0);
	assert_int_equal(symlink("real", pki_path(dir, "98/live.db")), 0);
	is_memory(pki_path(dir, "98"), "symbolic link");
	(void)snprintf(in, sizeof(in), "%s", pki_path(dir, "98/live.db"));
	assert_int_equal(unlink(in), 0);
	assert_int_equal(mkfifo(in, 0600), 0);
	is_memory(pki_path(dir, "98"), "not a regular file");
	assert_int_equal(unlink(in), 0);
	assert_int_equal(rename(pki_path(dir, "98/away"), in), 0);
	is_writer(pki_path(dir, "98"));

	pki_write_text(dir, "file", "x");
	is_memory(pki_path(dir, "file"), "not a directory");
	is_memory(pki_path(dir, "none/none"), "No such file");

	/* a directory that somebody may exchange */
	assert_int_equal(mkdir(pki_path(dir, "open"), 0777), 0);
	assert_int_equal(chmod(pki_path(dir, "open"), 0777), 0);
	is_memory(pki_path(dir, "open/98"), "exchange");
	assert_int_equal(chmod(pki_path(dir, "open"), 01777), 0);
	is_writer(pki_path(dir, "open/98"));
}

static void
rv_98_another_users_directory_or_file_is_not_written_to(void **state)
{
	const char *dir = *state;

	needs_root();
	is_writer(pki_path(dir, "98u"));
	assert_int_equal(chown(pki_path(dir, "98u"), OTHER, OTHER), 0);
	is_memory(pki_path(dir, "98u"), "another user");
	assert_int_equal(chown(pki_path(dir, "98u"), 0, 0), 0);
	assert_int_equal(chown(pki_path(dir, "98u/live.db"), OTHER, OTHER), 0);
	is_memory(pki_path(dir, "98u"), "another user");
	assert_int_equal(chown(pki_path(dir, "98u/live.db"), 0, 0), 0);
	is_writer(pki_path(dir, "98u"));
}

/* Runs `act` in a child as `uid`; its result, or -1. */
static int
as_user(uid_t uid, const char *root, int (*act)(const char *dir), const char *dir)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (root != NULL && (chroot(root) < 0 || chdir("/") < 0))
			_exit(99);
		if (uid != 0 && (setgid(uid) < 0 || setuid(uid) < 0))
			_exit(98);
		_exit(act(dir));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What a reader finds: the status, or above 10 what is wrong. */
static int
read_it(const char *dir)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 1);
	struct sst_cache *c = cache_open(dir);
	int is;

	if (sst_cache_mode(c) != SST_CACHE_SNAPSHOT)
		return 20;
	is = cache_says(c, 1, 1);
	/* what it learns itself it keeps, beside the snapshot */
	if (cache_put(c, 1, 77, &e) != SST_OK || cache_says(c, 1, 77) != SST_EV_REVOKED)
		return 21;
	if (sst_cache_lease(c, "r", PKI_NOW, 5, NULL) != 1)
		return 22;
	sst_cache_close(c);
	return is;
}

static int
read_memory(const char *dir)
{
	struct sst_cache *c = cache_open(dir);
	int mode = (int)sst_cache_mode(c);

	sst_cache_close(c);
	return mode;
}

static void
rv_101_who_cannot_write_reads_the_snapshot(void **state)
{
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	const char *dir = *state;
	struct sst_cache *c;
	char at[256];

	needs_root();
	(void)snprintf(at, sizeof(at), "%s", pki_path(dir, "101"));
	c = cache_open(at);
	assert_int_equal(as_user(OTHER, NULL, read_memory, at), SST_CACHE_MEMORY);
	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	assert_int_equal(mode_of(pki_path(dir, "101/snapshot.db")), 0644);
	assert_int_equal(as_user(OTHER, NULL, read_it, at), SST_EV_GOOD);
	/* from within a chroot, and a directory that nobody may write to */
	assert_int_equal(as_user(OTHER, dir, read_it, "/101"), SST_EV_GOOD);
	assert_int_equal(chmod(at, 0555), 0);
	assert_int_equal(as_user(OTHER, NULL, read_it, at), SST_EV_GOOD);
	assert_int_equal(chmod(at, 0755), 0);
	/* nothing of a reader's is left behind */
	assert_int_not_equal(access(pki_path(dir, "101/snapshot.db-wal"), F_OK), 0);
	assert_int_not_equal(access(pki_path(dir, "101/snapshot.db-shm"), F_OK), 0);
	assert_int_not_equal(access(pki_path(dir, "101/snapshot.new"), F_OK), 0);
	/* somebody else's snapshot in it is nobody's */
	assert_int_equal(chown(pki_path(dir, "101/snapshot.db"), OTHER, OTHER), 0);
	assert_int_equal(as_user(OTHER, NULL, read_memory, at), SST_CACHE_MEMORY);
	sst_cache_close(c);
}

static void
rv_101_a_new_snapshot_is_seen_within_a_second(void **state)
{
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_evidence newer = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c, *r;
	char at[256];
	uint64_t before;

	/* its name holds what means something in a URI */
	(void)snprintf(at, sizeof(at), "%s/101 ?a=b#c%%41&d", (const char *)*state);
	c = cache_open(at);
	r = cache_open_as(at, 0, 0, 0);
	assert_int_equal(sst_cache_mode(r), SST_CACHE_MEMORY);
	assert_non_null(strstr(sst_cache_why(r), "none yet"));
	before = sst_cache_generation(r, 1000);
	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	assert_int_equal(sst_cache_generation(r, 1999), before);
	assert_int_equal(cache_says(r, 1, 1), 0);
	assert_int_not_equal(sst_cache_generation(r, 2001), before);
	assert_int_equal(sst_cache_mode(r), SST_CACHE_SNAPSHOT);
	assert_string_equal(sst_cache_why(r), "");
	assert_int_equal(cache_says(r, 1, 1), SST_EV_GOOD);
	/* not published: not seen; published by time or by force */
	before = sst_cache_generation(r, 4000);
	assert_int_equal(cache_put(c, 1, 1, &newer), SST_OK);
	assert_int_equal(sst_cache_publish(c, 0, NULL), SST_OK);
	assert_int_equal(sst_cache_generation(r, 6000), before);
	assert_int_equal(cache_says(r, 1, 1), SST_EV_GOOD);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	assert_int_not_equal(sst_cache_generation(r, 8000), before);
	assert_int_equal(cache_says(r, 1, 1), SST_EV_REVOKED);
	/* nothing changed: the same file stays */
	before = sst_cache_generation(r, 10000);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	assert_int_equal(sst_cache_generation(r, 12000), before);
	sst_cache_close(r);
	sst_cache_close(c);
}

static void
rv_101_evidence_of_a_reader_and_of_the_snapshot_are_weighed(void **state)
{
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_evidence newer = says(SST_EV_UNKNOWN, -1, 5);
	struct sst_evidence older = says(SST_EV_UNKNOWN, -1, 15);
	struct sst_cache *c = cache_open(pki_path(*state, "weigh")), *r;

	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(cache_put(c, 1, 2, &good), SST_OK);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	r = cache_open_as(pki_path(*state, "weigh"), 0, 0, 0);
	assert_int_equal(cache_put(r, 1, 1, &newer), SST_OK);
	assert_int_equal(cache_says(r, 1, 1), SST_EV_UNKNOWN);
	assert_int_equal(cache_put(r, 1, 2, &older), SST_OK);
	assert_int_equal(cache_says(r, 1, 2), SST_EV_GOOD);
	sst_cache_close(r);
	sst_cache_close(c);
}

static void
rv_101_a_damaged_snapshot_is_no_cache_until_there_is_another(void **state)
{
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_cache *c = cache_open(pki_path(*state, "bad")), *r;
	struct stat st;
	char zero[8192];
	int fd;

	memset(zero, 0xa5, sizeof(zero));
	for (int i = 0; i < 100; i++)
		assert_int_equal(cache_put(c, 1, i, &good), SST_OK);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	assert_int_equal(stat(pki_path(*state, "bad/snapshot.db"), &st), 0);
	fd = open(pki_path(*state, "bad/snapshot.db"), O_WRONLY);
	for (off_t at = 8192; at < st.st_size; at += 8192)
		assert_int_equal(pwrite(fd, zero, sizeof(zero), at), sizeof(zero));
	(void)close(fd);
	r = cache_open_as(pki_path(*state, "bad"), 0, 0, 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(cache_says(r, 1, i), 0);
	assert_int_equal(sst_cache_mode(r), SST_CACHE_MEMORY);
	assert_string_not_equal(sst_cache_why(r), "");
	assert_int_equal(cache_put(c, 1, 200, &good), SST_OK);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	(void)sst_cache_generation(r, 5000);
	assert_int_equal(cache_says(r, 1, 200), SST_EV_GOOD);
	assert_int_equal(sst_cache_mode(r), SST_CACHE_SNAPSHOT);
	sst_cache_close(r);
	sst_cache_close(c);
}

/* Drops its rights with the cache open: what it cannot write it does not. */
static int
drop_rights(const char *dir)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 1);
	struct sst_cache *c = cache_open(dir);
	int ok;

	if (sst_cache_mode(c) != SST_CACHE_WRITER || setgid(OTHER) < 0 || setuid(OTHER) < 0)
		return 30;
	ok = cache_put(c, 1, 5, &e) == SST_OK && cache_says(c, 1, 5) == SST_EV_REVOKED &&
	    sst_cache_mode(c) == SST_CACHE_SNAPSHOT && cache_says(c, 1, 1) == SST_EV_GOOD;
	sst_cache_close(c);
	return ok ? 0 : 31;
}

static int
write_it(const char *dir)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 1);
	struct sst_cache *c = cache_open(dir);

	if (sst_cache_mode(c) != SST_CACHE_WRITER)
		return 40;
	if (cache_put(c, 1, 6, &e) != SST_OK || cache_says(c, 1, 6) != SST_EV_REVOKED)
		return 41;
	sst_cache_close(c);
	return 0;
}

static void
rv_104_rights_that_are_dropped_and_what_root_left(void **state)
{
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	const char *dir = *state;
	struct sst_cache *c;
	char at[256];
	int fd;

	needs_root();
	(void)snprintf(at, sizeof(at), "%s", pki_path(dir, "104"));
	c = cache_open(at);
	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(sst_cache_publish(c, 1, NULL), SST_OK);
	assert_int_equal(as_user(0, NULL, drop_rights, at), 0);
	assert_int_equal(cache_says(c, 1, 5), 0);
	sst_cache_close(c);
	is_writer(at);

	/* a lower user's cache in which root once left its index of the log */
	assert_int_equal(mkdir(pki_path(dir, "104low"), 0755), 0);
	assert_int_equal(chown(pki_path(dir, "104low"), OTHER, OTHER), 0);
	(void)snprintf(at, sizeof(at), "%s", pki_path(dir, "104low"));
	assert_int_equal(as_user(OTHER, NULL, write_it, at), 0);
	(void)unlink(pki_path(dir, "104low/live.db-shm"));
	fd = open(pki_path(dir, "104low/live.db-shm"), O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(as_user(OTHER, NULL, write_it, at), 0);
	/* root itself makes nothing there */
	is_memory(at, "another user");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_98_who_cannot_be_trusted_is_not),
		cmocka_unit_test(rv_98_another_users_directory_or_file_is_not_written_to),
		cmocka_unit_test(rv_101_who_cannot_write_reads_the_snapshot),
		cmocka_unit_test(rv_101_a_new_snapshot_is_seen_within_a_second),
		cmocka_unit_test(rv_101_evidence_of_a_reader_and_of_the_snapshot_are_weighed),
		cmocka_unit_test(rv_101_a_damaged_snapshot_is_no_cache_until_there_is_another),
		cmocka_unit_test(rv_104_rights_that_are_dropped_and_what_root_left),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
