/* SPDX-License-Identifier: ISC */
/* Tests of the cache: many processes, fork(), threads, and who fetches. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "make_cache.h"

#define PROCESSES	50
#define CHILDREN	8

static int
dir_setup(void **state)
{
	*state = pki_dir_new();
	return 0;
}

static int
dir_teardown(void **state)
{
	pki_dir_free(*state);
	return 0;
}

/* Shared by all processes of a test. */
struct meeting {
	pthread_barrier_t barrier;
	_Atomic int	 had, told, other, failed;
	_Atomic int	 flag;
};

static struct meeting *
meeting_new(unsigned n)
{
	struct meeting *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t attr;

	assert_ptr_not_equal(m, MAP_FAILED);
	(void)pthread_barrierattr_init(&attr);
	(void)pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	assert_int_equal(pthread_barrier_init(&m->barrier, &attr, n), 0);
	return m;
}

static void
children_end(pid_t *pids, int n)
{
	int status;

	for (int i = 0; i < n; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

/* One of fifty: opens, misses, asks for the lease; the owner puts what it "fetched"
 * before it lets go. Who fails goes on to meet the others. */
static int
one_of_many(const char *dir, struct meeting *m)
{
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_cache *c = cache_open_as(dir, 1, 0, 0);
	int64_t until = 0;
	int rc, fault = 0;

	if (sst_cache_mode(c) != SST_CACHE_WRITER || cache_says(c, 1, 1) != 0)
		fault = 2;
	(void)pthread_barrier_wait(&m->barrier);
	rc = sst_cache_lease(c, "http://ocsp.example/ 1", PKI_NOW, 10, &until);
	if (rc == 1)
		m->had++;
	else if (rc == 0 && until == PKI_NOW + 10)
		m->other++;
	else
		fault = 3;
	(void)pthread_barrier_wait(&m->barrier);	/* all have asked */
	if (rc == 1) {
		if (sst_cache_mode(c) != SST_CACHE_WRITER ||
		    cache_put(c, 1, 1, &good) != SST_OK)
			fault = 4;
		sst_cache_release(c, "http://ocsp.example/ 1");
	}
	(void)pthread_barrier_wait(&m->barrier);	/* it was fetched */
	if (cache_says(c, 1, 1) == SST_EV_GOOD)
		m->told++;
	sst_cache_close(c);
	return fault;
}

static void
rv_95_fifty_processes_miss_and_one_fetches(void **state)
{
	struct meeting *m = meeting_new(PROCESSES);
	const char *dir = pki_path(*state, "95");
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(one_of_many(dir, m));
	}
	children_end(pids, PROCESSES);
	assert_int_equal(m->had, 1);
	assert_int_equal(m->other, PROCESSES - 1);
	assert_int_equal(m->told, PROCESSES);
	(void)munmap(m, sizeof(*m));
}

static void
rv_95_a_lease_ends_with_its_owner(void **state)
{
	const char *dir = pki_path(*state, "95k");
	struct sst_cache *c = cache_open(dir), *other = cache_open(dir);
	struct meeting *m = meeting_new(2);
	int64_t until = 0;
	pid_t pid = fork();

	if (pid == 0) {
		if (sst_cache_lease(c, "a", PKI_NOW, 60, NULL) != 1)
			_exit(1);
		(void)pthread_barrier_wait(&m->barrier);
		for (;;)
			(void)pause();
	}
	(void)pthread_barrier_wait(&m->barrier);
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 60, &until), 0);
	assert_int_equal(until, PKI_NOW + 60);
	assert_int_equal(sst_cache_lease(c, "b", PKI_NOW, 60, &until), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 60, &until), 1);
	/* ours: again, and not another handle's, although the process is one */
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW + 1, 60, &until), 1);
	assert_int_equal(until, PKI_NOW + 61);
	assert_int_equal(sst_cache_lease(other, "a", PKI_NOW + 1, 60, &until), 0);
	sst_cache_release(other, "a");	/* not theirs to release */
	assert_int_equal(sst_cache_lease(other, "a", PKI_NOW + 60, 60, &until), 0);
	assert_int_equal(sst_cache_lease(other, "a", PKI_NOW + 61, 60, &until), 1);
	sst_cache_release(other, "a");
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW + 61, 60, &until), 1);
	/* a clock that went back far does not keep a lease for ever */
	assert_int_equal(sst_cache_lease(other, "a", PKI_NOW - PKI_DAY, 60, &until), 1);
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 0, &until), SST_E_USAGE);
	sst_cache_close(c);
	sst_cache_close(other);
	(void)munmap(m, sizeof(*m));
}

/* Its number was given to another process: told by when that began. */
static void
rv_95_another_process_of_the_same_number_owns_nothing(void **state)
{
	const char *dir = pki_path(*state, "95n");
	struct sst_cache *c = cache_open(dir), *other = cache_open(dir);
	sqlite3 *db = NULL;

	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 60, NULL), 1);
	assert_int_equal(sst_cache_lease(other, "a", PKI_NOW, 60, NULL), 0);
	assert_int_equal(sqlite3_open(pki_path(*state, "95n/live.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE lease SET born=born+1", NULL, NULL, NULL), 0);
	assert_int_equal(sst_cache_lease(other, "a", PKI_NOW, 60, NULL), 1);
	/* numbers of another namespace say nothing */
	assert_int_equal(sqlite3_exec(db, "UPDATE lease SET born=born+1,space=space+1", NULL,
	    NULL, NULL), 0);
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 60, NULL), 0);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	sst_cache_close(c);
	sst_cache_close(other);
}

/* What a child does with the parent's handle. */
static int
in_child(struct sst_cache *c, int i, enum sst_cache_mode mode)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);

	if (cache_says(c, 1, 0) != SST_EV_REVOKED)
		return 1;
	for (int n = 0; n < 20; n++)
		if (cache_put(c, 2 + i, n, &e) != SST_OK ||
		    cache_says(c, 2 + i, n) != SST_EV_REVOKED)
			return 2;
	if (sst_cache_mode(c) != mode)
		return 3;
	sst_cache_close(c);
	return 0;
}

struct crowd {
	struct sst_cache *c;
	_Atomic int	 stop, done;
};

static void *
busy_thread(void *arg)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);
	struct crowd *w = arg;

	for (int n = 0; !w->stop || n < 20; n++) {
		if (cache_put(w->c, 100, n, &e) != SST_OK ||
		    cache_says(w->c, 100, n) != SST_EV_REVOKED)
			return w;
		w->done++;
	}
	return NULL;
}

/* Forks while threads use the handle; parent and children go on with it. */
static void
fork_in_use(struct sst_cache *c, enum sst_cache_mode mode)
{
	struct crowd w = { .c = c };
	pid_t pids[CHILDREN];
	pthread_t threads[2];
	void *bad;

	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, busy_thread, &w), 0);
	while (w.done < 4)
		(void)sched_yield();
	for (int i = 0; i < CHILDREN; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(in_child(c, i, mode));
	}
	w.stop = 1;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(threads[i], &bad), 0);
		assert_null(bad);
	}
	children_end(pids, CHILDREN);
}

static void
rv_102_a_child_opens_its_own_and_both_go_on(void **state)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c = cache_open(pki_path(*state, "102"));
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(cache_put(c, 1, 0, &e), SST_OK);
	fork_in_use(c, SST_CACHE_WRITER);
	assert_int_equal(cache_says(c, 1, 0), SST_EV_REVOKED);
	/* all that all of them wrote is there, in a sound file */
	for (int i = 0; i < CHILDREN; i++)
		for (int n = 0; n < 20; n++)
			assert_int_equal(cache_says(c, 2 + i, n), SST_EV_REVOKED);
	sst_cache_close(c);
	assert_int_equal(sqlite3_open(pki_path(*state, "102/live.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), 0);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(st, 0), "ok");
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	assert_int_not_equal(access(pki_path(*state, "102/live.db.damaged"), F_OK), 0);
}

/* What SQLite thinks to have locked is copied by fork(), the locks are not. */
static void
rv_102_a_child_has_locks_of_its_own(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002,
	    .l_len = 510 };	/* SQLite's shared range */
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c = cache_open(pki_path(*state, "locks"));
	struct meeting *m = meeting_new(2);
	int status, fd;
	pid_t pid;

	assert_int_equal(cache_put(c, 1, 0, &e), SST_OK);
	pid = fork();
	if (pid == 0) {
		int is = cache_says(c, 1, 0);

		(void)pthread_barrier_wait(&m->barrier);
		(void)pthread_barrier_wait(&m->barrier);
		_exit(is != SST_EV_REVOKED);
	}
	(void)pthread_barrier_wait(&m->barrier);
	sst_cache_close(c);
	fd = open(pki_path(*state, "locks/live.db"), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETLK, &lock), 0);
	assert_int_equal(lock.l_type, F_RDLCK);
	assert_int_equal(lock.l_pid, pid);
	(void)close(fd);
	(void)pthread_barrier_wait(&m->barrier);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)munmap(m, sizeof(*m));
}

static void
rv_102_memory_is_in_both_after_fork(void **state)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c = cache_open(NULL);

	(void)state;
	assert_int_equal(cache_put(c, 1, 0, &e), SST_OK);
	fork_in_use(c, SST_CACHE_MEMORY);
	assert_int_equal(cache_says(c, 1, 0), SST_EV_REVOKED);
	assert_int_equal(cache_says(c, 2, 0), 0);	/* the children's own */
	sst_cache_close(c);
}

/* A child that no handler saw: nothing of the parent's is touched. */
static void
rv_102_a_bare_clone_keeps_its_hands_off_the_file(void **state)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c = cache_open(pki_path(*state, "clone"));
	int status;
	pid_t pid;

	assert_int_equal(cache_put(c, 1, 0, &e), SST_OK);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		if (cache_put(c, 1, 1, &e) != SST_OK ||
		    cache_says(c, 1, 1) != SST_EV_REVOKED ||
		    sst_cache_mode(c) == SST_CACHE_WRITER)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(cache_says(c, 1, 1), 0);
	assert_int_equal(cache_put(c, 1, 2, &e), SST_OK);
	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	sst_cache_close(c);
}

static void
a_fork_gives_no_lease_away(void **state)
{
	struct sst_cache *c = cache_open(pki_path(*state, "lease"));
	int status;
	pid_t pid;

	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 60, NULL), 1);
	pid = fork();
	if (pid == 0)
		_exit(sst_cache_lease(c, "a", PKI_NOW, 60, NULL));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 60, NULL), 1);
	sst_cache_close(c);
}

static void
reading_does_not_wait_for_a_writer(void **state)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c = cache_open_as(pki_path(*state, "busy"), 1, 0, 1);
	sqlite3 *db = NULL;

	assert_int_equal(cache_put(c, 1, 0, &e), SST_OK);
	assert_int_equal(sqlite3_open(pki_path(*state, "busy/live.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(cache_says(c, 1, 0), SST_EV_REVOKED);
	/* what cannot be written now is kept in memory, and moves to the file later */
	assert_int_equal(cache_put(c, 1, 1, &e), SST_OK);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	assert_int_equal(sst_cache_lease(c, "a", PKI_NOW, 60, NULL), 1);
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sst_cache_tidy(c, PKI_NOW, NULL), SST_OK);
	sst_cache_close(c);
	c = cache_open_as(pki_path(*state, "busy"), 1, 0, 1);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	sst_cache_close(c);
}

/* A herd that starts at once meets whoever of it writes first. */
static void
opening_neither_writes_nor_waits_for_a_writer(void **state)
{
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c = cache_open_as(pki_path(*state, "open"), 1, 0, 1), *other;
	struct stat before, after;
	sqlite3 *db = NULL;

	assert_int_equal(cache_put(c, 1, 0, &e), SST_OK);
	assert_int_equal(stat(pki_path(*state, "open/live.db-wal"), &before), 0);
	assert_int_equal(sqlite3_open(pki_path(*state, "open/live.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	other = cache_open_as(pki_path(*state, "open"), 1, 0, 1);
	assert_int_equal(sst_cache_opening(other), 0);
	assert_int_equal(sst_cache_mode(other), SST_CACHE_WRITER);
	assert_int_equal(cache_says(other, 1, 0), SST_EV_REVOKED);
	sst_cache_close(other);
	assert_int_equal(stat(pki_path(*state, "open/live.db-wal"), &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	/* who lets nobody read is waited for, and then done without */
	assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	sst_cache_close(c);
	assert_int_equal(sqlite3_open(pki_path(*state, "open/live.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; COMMIT",
	    NULL, NULL, NULL), SQLITE_OK);
	other = cache_open_as(pki_path(*state, "open"), 1, 0, 1);
	assert_int_equal(sst_cache_mode(other), SST_CACHE_MEMORY);
	sst_cache_close(other);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* As a process that just makes the file holds it. */
static int
held(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

static void
opening_at_once_does_not_wait_for_who_holds_the_file(void **state)
{
	const struct sst_cache_config config = { .dir = pki_path(*state, "held"),
	    .may_write = 1, .wait_ms = 1, .at_once = 1 };
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5), list[1];
	struct sst_cert_facts there = cert_facts(1, 0);
	struct sst_cache *c = cache_open(config.dir);
	const struct sst_limits limits = { 0 };
	int64_t begun;
	int fd;

	assert_int_equal(cache_put(c, 1, 0, &e), SST_OK);
	sst_cache_close(c);
	fd = held(pki_path(*state, "held/lock"));
	begun = sst_clock_ms();
	assert_int_equal(sst_cache_open(&config, &c, NULL), SST_OK);
	assert_true(sst_cache_opening(c));
	/* not "nothing is known": that nobody can say yet */
	assert_int_equal(sst_cache_get(c, &there, PKI_NOW, &limits, list, 1), SST_E_TIMEOUT);
	assert_int_equal(cache_put(c, 1, 1, &e), SST_OK);
	assert_true(sst_clock_ms() - begun < 2000);
	(void)close(fd);
	assert_int_equal(sst_cache_get(c, &there, PKI_NOW, &limits, list, 1), 1);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	assert_false(sst_cache_opening(c));
	sst_cache_close(c);
}

static void
a_file_that_is_held_for_good_is_done_without(void **state)
{
	const struct sst_cache_config config = { .dir = pki_path(*state, "good"),
	    .may_write = 1, .wait_ms = 1, .at_once = 1 };
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 5);
	struct sst_cache *c;
	int64_t begun = sst_clock_ms();
	int fd;

	assert_int_equal(mkdir(config.dir, 0700), 0);
	fd = held(pki_path(*state, "good/lock"));
	/* a change of who is patient waits as long as that may go on */
	assert_int_equal(sst_cache_open(&config, &c, NULL), SST_OK);
	sst_cache_patient(60000);
	assert_int_equal(cache_put(c, 1, 1, &e), SST_OK);
	sst_cache_patient(0);
	assert_true(sst_clock_ms() - begun >= 1000);
	assert_int_equal(sst_cache_mode(c), SST_CACHE_MEMORY);
	assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
	sst_cache_close(c);
	c = cache_open(config.dir);

	assert_int_equal(sst_cache_mode(c), SST_CACHE_MEMORY);
	assert_non_null(strstr(sst_cache_why(c), "another process holds it"));
	assert_int_equal(cache_says(c, 1, 0), 0);
	(void)close(fd);
	sst_cache_close(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_95_fifty_processes_miss_and_one_fetches),
		cmocka_unit_test(rv_95_a_lease_ends_with_its_owner),
		cmocka_unit_test(rv_95_another_process_of_the_same_number_owns_nothing),
		cmocka_unit_test(rv_102_a_child_opens_its_own_and_both_go_on),
		cmocka_unit_test(rv_102_a_child_has_locks_of_its_own),
		cmocka_unit_test(rv_102_memory_is_in_both_after_fork),
		cmocka_unit_test(rv_102_a_bare_clone_keeps_its_hands_off_the_file),
		cmocka_unit_test(a_fork_gives_no_lease_away),
		cmocka_unit_test(reading_does_not_wait_for_a_writer),
		cmocka_unit_test(opening_neither_writes_nor_waits_for_a_writer),
		cmocka_unit_test(opening_at_once_does_not_wait_for_who_holds_the_file),
		cmocka_unit_test(a_file_that_is_held_for_good_is_done_without),
	};

	return cmocka_run_group_tests(tests, dir_setup, dir_teardown);
}
