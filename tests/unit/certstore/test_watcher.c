/* SPDX-License-Identifier: ISC */
/* A store that watches: what changes on disk is served without anybody's asking, also
 * after fork(), and one that does not watch stays as it was. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define PATIENCE_S	20
#define SOON_S		8

static struct pki_cert *old, *new, *other;
static char *dir;

/* mu guards it */
static struct {
	pthread_mutex_t	 mu;
	pthread_cond_t	 more;
	unsigned	 renewed, added, removed, expired;
} seen = { .mu = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static void
note(void *arg, const struct sst_store_event *e)
{
	(void)arg;
	(void)pthread_mutex_lock(&seen.mu);
	seen.renewed += e->kind == SST_STORE_RENEWED;
	seen.added += e->kind == SST_STORE_ADDED;
	seen.removed += e->kind == SST_STORE_REMOVED;
	seen.expired += e->kind == SST_STORE_EXPIRED;
	(void)pthread_cond_broadcast(&seen.more);
	(void)pthread_mutex_unlock(&seen.mu);
}

/* 1: the number came to be more than `before` in time. */
static int
comes_after(const unsigned *number, unsigned before)
{
	struct timespec until;
	int rc = 0, yes;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	(void)pthread_mutex_lock(&seen.mu);
	while (*number <= before && rc == 0)
		rc = pthread_cond_timedwait(&seen.more, &seen.mu, &until);
	yes = *number > before;
	(void)pthread_mutex_unlock(&seen.mu);
	return yes;
}

static int
watcher_setup(void **state)
{
	(void)world_setup(state);
	old = leaf(PKI_P256, "www.example.com");
	new = leaf(PKI_P256, "www.example.com");
	other = leaf(PKI_P256, "other.example.com");
	return 0;
}

static int
watcher_teardown(void **state)
{
	pki_free(old);
	pki_free(new);
	pki_free(other);
	return world_teardown(state);
}

static int
dir_setup(void **state)
{
	(void)state;
	memset((char *)&seen + offsetof(__typeof__(seen), renewed), 0,
	    sizeof(seen) - offsetof(__typeof__(seen), renewed));
	dir = pki_dir_new();
	return dir == NULL ? -1 : 0;
}

static int
dir_teardown(void **state)
{
	(void)state;
	ask_reset();
	pki_dir_free(dir);
	return 0;
}

static struct sst_store *
watching(int watch)
{
	const struct sst_store_config config = { .watch = watch, .on_event = note };
	struct sst_store *s = NULL;
	struct sst_error err = { 0 };

	if (sst_store_new(&config, &s, &err) != SST_OK)
		fail_msg("%s", err.text);
	return s;
}

static void
add(struct sst_store *s, const char *path)
{
	struct sst_error err = { 0 };

	if (sst_store_add(s, path, &err) != SST_OK)
		fail_msg("%s", err.text);
}

static void
a_renewal_on_disk_is_served_by_a_store_that_watches(void **state)
{
	struct sst_store *s = watching(1), *still = watching(0);
	char live[256];

	(void)state;
	pki_certbot(dir, "www", old, 1);
	(void)snprintf(live, sizeof(live), "%s/live", dir);
	add(s, live);
	add(still, live);
	assert_true(serves_in(s, "www.example.com", old));
	assert_true(serves_in(still, "www.example.com", old));
	pki_certbot(dir, "www", new, 2);
	assert_true(comes_after(&seen.renewed, 0));
	assert_true(serves_in(s, "www.example.com", new));
	assert_int_equal(sst_store_generation(still), 1);
	/* One that comes, and one that goes. */
	pki_certbot(dir, "other", other, 1);
	assert_true(comes_after(&seen.added, 2));
	assert_true(serves_in(s, "other.example.com", other));
	/* What is removed is watched no more; who watches on is told all the same. */
	assert_int_equal(sst_store_remove(s, live, NULL), SST_OK);
	assert_int_equal(sst_store_generation(still), 1);
	sst_store_unref(s);
	sst_store_unref(still);
}

static void
what_expired_is_told_of_by_who_watches(void **state)
{
	struct pki_cert *late = pki_issue(world_ca, &(struct pki_spec){
	    .san = "late.example.com", .not_after = PKI_NOW - 7 * 365 * PKI_DAY });
	struct sst_store *s = watching(1);

	(void)state;
	pki_write_pair(dir, "www.pem", old);
	add(s, dir);
	pki_write_pair(dir, "late.pem", late);
	assert_true(comes_after(&seen.expired, 0));
	assert_int_equal(seen.expired, 1);
	sst_store_unref(s);
	pki_free(late);
}

static void
a_file_and_the_key_that_came_apart_are_read_again(void **state)
{
	struct sst_store *s = watching(1);
	char chain[256], key[256];

	(void)state;
	(void)snprintf(chain, sizeof(chain), "%s/www.crt", dir);
	(void)snprintf(key, sizeof(key), "%s/www.key", dir);
	pki_write_chain(dir, "www.crt", old);
	pki_write_key(dir, "www.key", old);
	add(s, chain);
	assert_int_equal(sst_store_add_key(s, key, NULL), SST_OK);
	assert_true(serves_in(s, "www.example.com", old));
	/* The chain first: then it waits for its key. */
	pki_write_chain(dir, "www.crt", new);
	pki_write_key(dir, "www.key", new);
	assert_true(comes_after(&seen.renewed, 0));
	assert_true(serves_in(s, "www.example.com", new));
	sst_store_unref(s);
}

/* In a child of fork(): 0 when the renewal that the parent makes came to be served. */
static int
child(struct sst_store *s, int ready, int changed)
{
	char c;

	/* Its first use of the store makes it watch. */
	if (!serves_in(s, "www.example.com", old))
		return 2;
	if (write(ready, "r", 1) != 1 || read(changed, &c, 1) != 1)
		return 3;
	if (!comes_after(&seen.renewed, 0))
		return 4;
	return serves_in(s, "www.example.com", new) ? 0 : 5;
}

static void
after_fork_both_processes_watch(void **state)
{
	struct sst_store *s = watching(1);
	int ready[2], changed[2], how;
	char live[256], c;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(changed, O_CLOEXEC), 0);
	pki_certbot(dir, "www", old, 1);
	(void)snprintf(live, sizeof(live), "%s/live", dir);
	add(s, live);
	assert_true(serves_in(s, "www.example.com", old));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child(s, ready[1], changed[0]));
	assert_int_equal(read(ready[0], &c, 1), 1);
	pki_certbot(dir, "www", new, 2);
	assert_int_equal(write(changed[1], "c", 1), 1);
	assert_true(comes_after(&seen.renewed, 0));
	assert_true(serves_in(s, "www.example.com", new));
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), 0);
	/* The child's end took nothing from the parent. */
	pki_certbot(dir, "other", other, 1);
	assert_true(comes_after(&seen.added, 1));
	sst_store_unref(s);
	for (int i = 0; i < 2; i++) {
		(void)close(ready[i]);
		(void)close(changed[i]);
	}
}

static void
a_child_that_uses_nothing_leaves_the_watches_alone(void **state)
{
	struct sst_store *s = watching(1);
	char live[256];
	int how;
	pid_t pid;

	(void)state;
	pki_certbot(dir, "www", old, 1);
	(void)snprintf(live, sizeof(live), "%s/live", dir);
	add(s, live);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		sst_store_unref(s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
	pki_certbot(dir, "www", new, 2);
	assert_true(comes_after(&seen.renewed, 0));
	assert_true(serves_in(s, "www.example.com", new));
	sst_store_unref(s);
}

/* In a user namespace of its own this process may have so many inotify watches, and one
 * instance's. 0, or -1: there is no such namespace here. */
static int
limit_watches(int n)
{
	char text[64];
	int len, fd, rc;

	(void)snprintf(text, sizeof(text), "%u %u 1", (unsigned)geteuid(),
	    (unsigned)geteuid());
	if (unshare(CLONE_NEWUSER) != 0)
		return -1;
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	rc = fd < 0 ? -1 : (int)write(fd, text, strlen(text));
	if (fd >= 0)
		(void)close(fd);
	len = snprintf(text, sizeof(text), "%d\n", n);
	fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	rc = rc > 0 && write(fd, text, (size_t)len) == len ? 0 : -1;
	(void)close(fd);
	return rc;
}

/* 1: some inotify instance of this process has a watch for this inode. */
static int
is_watched(const char *path)
{
	char name[64], line[512], wanted[32];
	struct stat st;
	int found = 0;
	FILE *f;

	if (stat(path, &st) != 0)
		return 0;
	(void)snprintf(wanted, sizeof(wanted), " ino:%lx ", (unsigned long)st.st_ino);
	for (int fd = 0; fd < 64; fd++) {
		(void)snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
		f = fopen(name, "re");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			found |= strncmp(line, "inotify ", 8) == 0 &&
			    strstr(line, wanted) != NULL;
		if (f != NULL)
			(void)fclose(f);
	}
	return found;
}

/* Waits until the watch is there: a second as a rule, and less than a sweep. */
static int
comes_to_be_watched(const char *path)
{
	struct timespec now, end;

	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += SOON_S;
	do {
		if (is_watched(path))
			return 1;
		(void)poll(NULL, 0, 2);
		(void)clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec);
	return 0;
}

#define FOLDERS		6
#define LIMIT		5	/* the way there, and two of them */
#define NOT_HERE	77

/* In a child: 0 when every name that is served comes to have a watch. */
static int
serve_few_watches(struct pki_cert *const *certs)
{
	char path[256], name[64];
	struct sst_store *s;
	int without = 0;

	if (limit_watches(LIMIT) != 0)
		return NOT_HERE;
	s = watching(1);
	add(s, dir);
	for (int i = 0; i < FOLDERS; i++) {
		(void)snprintf(path, sizeof(path), "%s/n%d", dir, i);
		(void)snprintf(name, sizeof(name), "n%d.example.com", i);
		/* The thread may still be at setting the first ones. */
		if (i == FOLDERS - 1 && without == 0)
			return 2;
		without += !is_watched(path);
		if (!serves_in(s, name, certs[i]))
			return 3;
		if (!comes_to_be_watched(path))
			return 4;
	}
	sst_store_unref(s);
	return 0;
}

static void
what_is_served_gets_a_watch_where_there_are_few(void **state)
{
	struct pki_cert *certs[FOLDERS];
	char name[64];
	int how;
	pid_t pid;

	(void)state;
	for (int i = 0; i < FOLDERS; i++) {
		(void)snprintf(name, sizeof(name), "n%d.example.com", i);
		certs[i] = leaf(PKI_P256, name);
		(void)snprintf(name, sizeof(name), "n%d", i);
		assert_int_equal(mkdir(pki_path(dir, name), 0755), 0);
		(void)snprintf(name, sizeof(name), "n%d/cert.pem", i);
		pki_write_pair(dir, name, certs[i]);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(serve_few_watches(certs));
	assert_int_equal(waitpid(pid, &how, 0), pid);
	for (int i = 0; i < FOLDERS; i++)
		pki_free(certs[i]);
	assert_true(WIFEXITED(how));
	if (WEXITSTATUS(how) == NOT_HERE)
		skip();
	assert_int_equal(WEXITSTATUS(how), 0);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, dir_setup, dir_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_renewal_on_disk_is_served_by_a_store_that_watches),
		T(what_expired_is_told_of_by_who_watches),
		T(a_file_and_the_key_that_came_apart_are_read_again),
		T(after_fork_both_processes_watch),
		T(a_child_that_uses_nothing_leaves_the_watches_alone),
		T(what_is_served_gets_a_watch_where_there_are_few),
	};

	return cmocka_run_group_tests(tests, watcher_setup, watcher_teardown);
}
