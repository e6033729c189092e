/* SPDX-License-Identifier: ISC */
/*
 * Tests of the cache: disks that are full, slow to tell, or read-only, and no memory.
 * Whatever fails, a call ends in an error or in the truth.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_cache.h"
#include "make_vfs.h"
#include "ocsp/own_inside.h"
#include "support/starve.h"

static const int64_t listed[] = { 501, 502, 503 };

/* A bit of everything; what was said to be kept is there, while it lasts. `lossy`: the
 * file cannot be read, so what it had may be gone. */
static void
use(struct sst_cache *c, const struct cache_world *w, int lossy)
{
	struct list l = { .ca = w->ca, .serials = listed, .n = 3, .number = 2 };
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 5);
	struct sst_evidence good = says(SST_EV_GOOD, -1, 5), got;
	struct sst_source_state source = { .last_try = PKI_NOW };
	struct sst_cert_key key = cert_key(1, 1);
	enum sst_fault fault;
	uint8_t leaf[32] = { 1 }, *der = NULL;
	size_t len;
	int first, rc, is;

	rc = first = cache_put(c, 1, 1, &revoked);
	is = cache_strict(c, 1, 1);
	assert_true(rc != SST_OK || is < 0 || is == SST_EV_REVOKED);
	(void)sst_cache_put(c, &key, CACHE_ENDS, &good, "x", 1, PKI_NOW, NULL);
	is = cache_strict(c, 1, 1);
	assert_true(is <= 0 || is == SST_EV_REVOKED || first != SST_OK || lossy);
	rc = cache_put(c, 1, 2, &good);
	is = cache_strict(c, 1, 2);
	assert_true(is <= 0 || is == SST_EV_GOOD);
	rc = list_put(c, &l, NULL);
	is = list_says(c, w->ca, 502);
	assert_true(is <= 0 || is == SST_EV_REVOKED);
	/* lists are fetched again where a file was damaged, revocations are saved */
	assert_true(rc != SST_OK || is != 0 || lossy);
	is = list_says(c, w->ca, 504);
	assert_true(is <= 0 || is == SST_EV_GOOD);
	(void)sst_cache_source_put(c, "http://a/", &source);
	(void)sst_cache_source_get(c, "http://a/", &source);
	(void)sst_cache_negative_put(c, &key, "http://a/", SST_FAULT_HTTP, PKI_NOW + 9);
	if (sst_cache_negative_get(c, &key, "http://a/", PKI_NOW, &fault) == 1)
		assert_int_equal(fault, SST_FAULT_HTTP);
	(void)sst_cache_lease(c, "r", PKI_NOW, 9, NULL);
	sst_cache_release(c, "r");
	if (sst_cache_staple_put(c, leaf, &good, "staple", 6) == SST_OK &&
	    sst_cache_staple_get(c, leaf, &got, &der, &len) == 1)
		assert_memory_equal(der, "staple", 6);
	free(der);
	(void)sst_cache_publish(c, 1, NULL);
	(void)sst_cache_tidy(c, PKI_NOW, NULL);
	(void)sst_cache_generation(c, 5000);
	is = cache_strict(c, 1, 1);
	assert_true(is <= 0 || is == SST_EV_REVOKED || first != SST_OK || lossy);
}

/* What is left is whole, and can be written to. */
static void
look_after(const char *dir, const struct cache_world *w)
{
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 4);
	struct sst_cache *c = cache_open(dir);
	int is;

	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	is = cache_strict(c, 1, 2);
	assert_true(is == 0 || is == SST_EV_GOOD);
	is = list_says(c, w->ca, 502);
	assert_true(is == 0 || is == SST_EV_REVOKED);
	assert_int_equal(cache_put(c, 1, 1, &revoked), SST_OK);
	assert_int_equal(cache_strict(c, 1, 1), SST_EV_REVOKED);
	sst_cache_close(c);
}

static void
wipe(const char *dir)
{
	static const char *const names[] = { "live.db", "live.db-wal", "live.db-shm", "lock",
		"live.db.damaged", "live.db.damaged-wal", "live.db.damaged-shm",
		"snapshot.db", "snapshot.new" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(pki_path(dir, names[i]));
}

/* Every call of `kinds` fails in turn; `lasting`: and all after it. */
static void
each_fails(const struct cache_world *w, unsigned kinds, int code, int lasting)
{
	char dir[256];
	struct sst_cache *c;
	int fired = 1;
	long n;

	(void)snprintf(dir, sizeof(dir), "%s/vfs", w->dir);
	for (n = 1; fired; n += n < 40 ? 1 : 7) {
		wipe(dir);
		vfs_arm(kinds, n, code, lasting);
		c = cache_open(dir);
		use(c, w, (kinds & VFS_READ) != 0);
		sst_cache_close(c);
		fired = vfs_fired();
		look_after(dir, w);
	}
	print_message("%ld calls\n", n);
	assert_true(n > 5);
}

static void
rv_99_every_write_fails_in_turn(void **state)
{
	each_fails(*state, VFS_WRITE, SQLITE_FULL, 0);
	each_fails(*state, VFS_WRITE, SQLITE_IOERR_WRITE, 1);
}

static void
rv_99_every_sync_fails_in_turn(void **state)
{
	each_fails(*state, VFS_SYNC, SQLITE_IOERR_FSYNC, 1);
}

static void
rv_100_every_read_fails_in_turn(void **state)
{
	each_fails(*state, VFS_READ, SQLITE_IOERR_READ, 0);
	each_fails(*state, VFS_READ, SQLITE_IOERR_READ, 1);
}

static void
every_open_and_lock_fails_in_turn(void **state)
{
	each_fails(*state, VFS_OPEN, SQLITE_CANTOPEN, 0);
	each_fails(*state, VFS_SHM, SQLITE_BUSY, 0);
	each_fails(*state, VFS_SHM, SQLITE_IOERR_SHMMAP, 1);
}

/* Revoked was said and could not be written: it holds in this process. */
static void
rv_99_a_revocation_that_cannot_be_written_holds(void **state)
{
	const struct cache_world *w = *state;
	struct sst_evidence good = says(SST_EV_GOOD, -1, 5);
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 5);
	char dir[256];
	struct sst_cache *c, *other;

	(void)snprintf(dir, sizeof(dir), "%s/holds", w->dir);
	c = cache_open(dir);
	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	vfs_arm(VFS_WRITE, 1, SQLITE_FULL, 1);
	assert_int_equal(cache_put(c, 1, 1, &revoked), SST_OK);
	assert_true(vfs_fired() > 0);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	assert_non_null(strstr(sst_cache_why(c), "memory"));
	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	/* room again: it moves to the file */
	assert_int_equal(sst_cache_tidy(c, PKI_NOW, NULL), SST_OK);
	other = cache_open(dir);
	assert_int_equal(cache_says(other, 1, 1), SST_EV_REVOKED);
	sst_cache_close(other);
	sst_cache_close(c);
}

static void
rv_99_a_small_disk_fills_up(void **state)
{
	const struct cache_world *w = *state;
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 5);
	char dir[256];
	struct sst_cache *c;

	(void)snprintf(dir, sizeof(dir), "%s/tmpfs", w->dir);
	(void)mkdir(dir, 0755);
	if (mount("tmpfs", dir, "tmpfs", 0, "size=400k,mode=0755") < 0)
		skip();
	c = cache_open(dir);
	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	for (int i = 0; i < 1500; i++)
		assert_int_equal(cache_put(c, 1, i, &revoked), SST_OK);
	for (int i = 0; i < 1500; i++)
		assert_int_equal(cache_says(c, 1, i), SST_EV_REVOKED);
	assert_non_null(strstr(sst_cache_why(c), "full"));
	assert_true(sst_cache_publish(c, 1, NULL) < 0);
	assert_int_not_equal(access(pki_path(dir, "live.db.damaged"), F_OK), 0);
	/* read-only from now on: what is open is read, what is new is kept in memory */
	sst_cache_close(c);
	assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	c = cache_open(dir);
	assert_int_not_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	assert_string_not_equal(sst_cache_why(c), "");
	assert_int_equal(cache_put(c, 1, 1, &revoked), SST_OK);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	sst_cache_close(c);
	assert_int_equal(umount(dir), 0);
}

static int
limited(const char *dir)
{
	const struct rlimit limit = { 200000, 200000 };
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
		return 1;
	c = cache_open(dir);
	for (int i = 0; i < 800; i++)
		if (cache_put(c, 1, i, &revoked) != SST_OK)
			return 2;
	for (int i = 0; i < 800; i++)
		if (cache_says(c, 1, i) != SST_EV_REVOKED)
			return 3;
	if (sst_cache_why(c)[0] == '\0')
		return 4;
	sst_cache_close(c);
	return 0;
}

static void
rv_99_a_limit_of_file_sizes(void **state)
{
	const struct cache_world *w = *state;
	char dir[256];
	int status;
	pid_t pid;

	(void)snprintf(dir, sizeof(dir), "%s/limit", w->dir);
	pid = fork();
	if (pid == 0)
		_exit(limited(dir));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	look_after(dir, w);
	assert_int_not_equal(access(pki_path(dir, "live.db.damaged"), F_OK), 0);
}

/* Every allocation of SQLite and of OpenSSL fails in turn. */
static void
starve(const struct cache_world *w, const char *name)
{
	const struct sst_cache_config config = { .dir = name[0] == '\0' ? NULL : pki_path(w->dir,
	    name), .may_write = 1, .wait_ms = 100 };
	char dir[256];
	struct sst_cache *c;
	int last = 1;
	long n;

	(void)snprintf(dir, sizeof(dir), "%s/%s", w->dir, name);
	for (n = 1; last; n += n < 300 ? 1 : 29) {
		if (name[0] != '\0')
			wipe(dir);
		c = NULL;
		starve_arm(n, STARVE_CRYPTO | STARVE_SQLITE);
		if (sst_cache_open(&config, &c, NULL) == SST_OK) {
			struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 5);
			struct sst_evidence good = says(SST_EV_GOOD, -1, 5);
			struct sst_cert_facts f = cert_facts(1, 1);
			struct sst_limits limits;
			struct sst_evidence out[4];
			int kept, is;

			sst_limits_of(NULL, &limits);
			kept = sst_cache_put(c, &f.key, CACHE_ENDS, &revoked, "d", 1, PKI_NOW,
			    NULL);
			is = sst_cache_get(c, &f, PKI_NOW, &limits, out, 4);
			assert_true(is <= 0 || out[0].status == SST_EV_REVOKED);
			assert_true(kept != SST_OK || is != 0 || starve_fired());
			(void)sst_cache_put(c, &f.key, CACHE_ENDS, &good, NULL, 0, PKI_NOW,
			    NULL);
			is = sst_cache_get(c, &f, PKI_NOW, &limits, out, 4);
			assert_true(kept != SST_OK || is <= 0 ||
			    out[0].status == SST_EV_REVOKED);
			(void)sst_cache_publish(c, 1, NULL);
			(void)sst_cache_tidy(c, PKI_NOW, NULL);
			last = starve_over();
			is = sst_cache_get(c, &f, PKI_NOW, &limits, out, 4);
			assert_true(kept != SST_OK || (is == 1 &&
			    out[0].status == SST_EV_REVOKED));
			sst_cache_close(c);
		}
		(void)starve_over();
	}
	print_message("%ld allocations\n", n);
	assert_true(n > 100);
	if (name[0] != '\0')
		look_after(dir, w);
}

static void
every_allocation_fails_in_turn(void **state)
{
	starve(*state, "starved");
	starve(*state, "");
}

/* No memory for it is not the same as nothing there. */
static void
what_is_kept_is_never_missing_for_want_of_memory(void **state)
{
	const struct cache_world *w = *state;
	const struct sst_evidence good = says(SST_EV_GOOD, -1, 5);
	const struct sst_cert_key key = cert_key(1, 1), other = cert_key(1, 2);

	for (int i = 0; i < 2; i++) {
		const struct sst_cache_config config = { .dir = i == 0 ? NULL :
		    pki_path(w->dir, "copied"), .may_write = 1, .wait_ms = 100 };
		struct sst_cache *c = NULL;
		int last = 1, short_of = 0, rc;

		assert_int_equal(sst_cache_open(&config, &c, NULL), SST_OK);
		assert_int_equal(sst_cache_put(c, &key, CACHE_ENDS, &good, "der", 3, PKI_NOW,
		    NULL), SST_OK);
		for (long n = 1; last; n++) {
			uint8_t *der = NULL;
			size_t len = 0;

			starve_arm(n, STARVE_OURS | STARVE_SQLITE);
			rc = sst_cache_response_get(c, &key, &der, &len);
			last = starve_over();
			if (rc == 1) {
				assert_int_equal(len, 3);
				assert_memory_equal(der, "der", 3);
			} else {
				assert_int_equal(rc, SST_E_NOMEM);
				assert_true(last);
				short_of++;
			}
			free(der);
			assert_int_equal(sst_cache_response_get(c, &other, &der, &len), 0);
		}
		assert_true(short_of > 0);
		sst_cache_close(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_99_every_write_fails_in_turn),
		cmocka_unit_test(rv_99_every_sync_fails_in_turn),
		cmocka_unit_test(rv_100_every_read_fails_in_turn),
		cmocka_unit_test(every_open_and_lock_fails_in_turn),
		cmocka_unit_test(rv_99_a_revocation_that_cannot_be_written_holds),
		cmocka_unit_test(rv_99_a_small_disk_fills_up),
		cmocka_unit_test(rv_99_a_limit_of_file_sizes),
		cmocka_unit_test(every_allocation_fails_in_turn),
		cmocka_unit_test(what_is_kept_is_never_missing_for_want_of_memory),
	};

	if (!starve_crypto() || !starve_sqlite())
		return 1;
	vfs_install();
	return cmocka_run_group_tests(tests, cache_world_make, cache_world_free);
}
