/* SPDX-License-Identifier: ISC */
/* Tests of checker.c: what the checks of a process share, and the clock's word. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fail.h"
#include "make_response.h"
#include "ocsp/checker.h"
#include "ocsp/latest.h"
#include "securesockets/revocation.h"
#include "support/pki.h"
#include "support/wall.h"

#define HOUR	3600

/* The sanitizers do not go with the fork of a busy process (the one for addresses
 * has a lock of its own, the one for threads misses the parent's): there it is not. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_BUSY	0
#else
#define IS_BUSY	1
#endif

struct world {
	struct pki_cert	*root, *leaf;
	STACK_OF(X509)	*chain;
	char		*dir;
};

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w->leaf = pki_issue(w->root, &(struct pki_spec){ .cn = "www",
	    .ocsp = "http://ocsp.example/" });
	w->chain = sk_X509_new_null();
	(void)sk_X509_push(w->chain, w->leaf->cert);
	(void)sk_X509_push(w->chain, w->root->cert);
	w->dir = pki_dir_new();
	atomic_store(&wall, PKI_NOW);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	atomic_store(&wall, 0);
	atomic_store(&wall_ahead, 0);
	sk_X509_free(w->chain);
	pki_free(w->leaf);
	pki_free(w->root);
	pki_dir_free(w->dir);
	free(w);
	return 0;
}

/* `dir` "": memory. */
static struct sst_checker *
checker_at(const char *dir)
{
	const struct sst_checker_config config = { .cache_dir = dir, .no_fetch = 1 };
	struct sst_checker *checker = NULL;

	assert_int_equal(sst_checker_new(&config, &checker, NULL), SST_OK);
	return checker;
}

static struct sst_check *
check_of(struct world *w, struct sst_checker *checker)
{
	const struct sst_revocation_policy hard = { .mode = SST_REVOCATION_HARD };
	struct sst_check *k = NULL;

	assert_int_equal(sst_check_new(checker, &hard, w->chain, &k, NULL), SST_OK);
	return k;
}

static enum sst_verdict
verdict_of(struct world *w, struct sst_checker *checker)
{
	struct sst_check *k = check_of(w, checker);
	enum sst_verdict v;

	(void)sst_check_now(k, NULL);
	v = sst_check_result(k, 0)->verdict;
	sst_check_free(k);
	return v;
}

/* A response of `now` as it comes with a handshake, good for `days`. */
static enum sst_verdict
staple(struct world *w, struct sst_checker *checker, enum made_status status, time_t from,
    int days)
{
	struct sst_check *k = check_of(w, checker);
	struct pki_buf der = { 0 };
	enum sst_verdict v;

	make_response(&(struct made_response){ .signer = w->root, .produced_at = from,
	    .singles = { { .cert = w->leaf, .status = status, .this_update = from,
	    .next_update = from + days * PKI_DAY } } }, &der);
	assert_int_equal(sst_check_staple(k, 0, der.data, der.len, NULL), SST_OK);
	(void)sst_check_now(k, NULL);
	v = sst_check_result(k, 0)->verdict;
	sst_check_free(k);
	pki_buf_free(&der);
	return v;
}

static void
rv_39_a_clock_that_went_back_makes_nothing_fresh(void **state)
{
	struct world *w = *state;

	/* in one process; and in the next one, which finds the first one's file */
	for (int again = 0; again < 2; again++) {
		const char *dir = again ? pki_path(w->dir, "c") : "";
		struct sst_checker *c = checker_at(dir);

		atomic_store(&wall, PKI_NOW - 300 * PKI_DAY);
		assert_int_equal(staple(w, c, MADE_GOOD, PKI_NOW - 300 * PKI_DAY - HOUR, 3),
		    SST_VERDICT_GOOD);
		atomic_store(&wall, PKI_NOW);
		assert_int_equal(verdict_of(w, c), SST_VERDICT_STALE);
		assert_int_equal(staple(w, c, MADE_GOOD, PKI_NOW - HOUR, 3), SST_VERDICT_GOOD);
		if (again) {
			sst_checker_unref(c);
			c = checker_at(dir);
		}
		/* the clock goes back: an answer of that time is as old as it was */
		atomic_store(&wall, PKI_NOW - 300 * PKI_DAY);
		assert_int_equal(verdict_of(w, c), SST_VERDICT_GOOD);
		{
			struct sst_check *k = check_of(w, c);

			assert_int_equal(sst_check_now(k, NULL), 1);
			sst_check_at(k, PKI_NOW + 30 * PKI_DAY);
			assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
			sst_check_free(k);
		}
		atomic_store(&wall, PKI_NOW + 30 * PKI_DAY);
		assert_int_equal(verdict_of(w, c), SST_VERDICT_STALE);
		/* and a revocation is honoured, whenever that was */
		assert_int_equal(staple(w, c, MADE_REVOKED, PKI_NOW + 30 * PKI_DAY - HOUR, 3),
		    SST_VERDICT_REVOKED);
		atomic_store(&wall, PKI_NOW - 300 * PKI_DAY);
		assert_int_equal(verdict_of(w, c), SST_VERDICT_REVOKED);
		sst_checker_unref(c);
	}
}

/* The same without anything kept: only what was seen speaks against the clock. */
static void
rv_39_an_old_answer_is_not_fresh_again(void **state)
{
	struct world *w = *state;
	struct sst_checker *c = checker_at("");
	struct pki_cert *other = pki_issue(w->root, &(struct pki_spec){ .cn = "other" });
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct world x = { .root = w->root, .leaf = other, .chain = chain };
	const time_t then = PKI_NOW - 300 * PKI_DAY;

	(void)sk_X509_push(chain, other->cert);
	(void)sk_X509_push(chain, w->root->cert);
	atomic_store(&wall, then);
	assert_int_equal(staple(&x, c, MADE_GOOD, then - HOUR, 3), SST_VERDICT_GOOD);
	/* a clock that leaps ahead proves nothing: it may come back */
	atomic_store(&wall, PKI_NOW);
	assert_int_equal(verdict_of(&x, c), SST_VERDICT_STALE);
	atomic_store(&wall, then);
	assert_int_equal(verdict_of(&x, c), SST_VERDICT_GOOD);
	/* something signed says that it is this late */
	atomic_store(&wall, PKI_NOW);
	assert_int_equal(staple(w, c, MADE_GOOD, PKI_NOW - HOUR, 3), SST_VERDICT_GOOD);
	atomic_store(&wall, then);
	assert_int_equal(verdict_of(&x, c), SST_VERDICT_STALE);
	assert_int_equal(staple(&x, c, MADE_GOOD, then - HOUR, 3), SST_VERDICT_STALE);
	sst_checker_unref(c);
	sk_X509_free(chain);
	pki_free(other);
}

static void
rv_39_time_goes_on_at_half_speed_until_the_clock_has_caught_up(void **state)
{
	/* what was seen so many seconds ago, by how much the clock is behind that now */
	static const struct { int64_t ago, behind, ahead; } rows[] = {
		{ 0, 0, 0 }, { 0, -1, 1 }, { 0, 1, 0 }, { 1, 3600, 0 }, { 2, 3600, 1 },
		{ 600, 3600, 300 }, { 600, 0, 300 }, { 600, -299, 300 }, { 600, -300, 300 },
		{ 600, -301, 301 }, { 100 * PKI_DAY, 300 * PKI_DAY, 50 * PKI_DAY },
	};
	const int64_t ms = 77000123;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int64_t now = ms + 1000 * rows[i].ago, clock = PKI_NOW - rows[i].behind;
		struct sst_latest l = { 0 };

		assert_int_equal(sst_latest_now(&l, clock, now), clock);
		sst_latest_saw(&l, PKI_NOW, ms);
		assert_int_equal(sst_latest_now(&l, clock, now), PKI_NOW + rows[i].ahead);
		/* what it says itself, or was before, is nothing new */
		sst_latest_saw(&l, sst_latest_now(&l, PKI_NOW - HOUR, now), now);
		sst_latest_saw(&l, PKI_NOW - 1, now);
		sst_latest_saw(&l, 0, now);
		sst_latest_saw(&l, INT64_MIN, now);
		assert_int_equal(sst_latest_now(&l, clock, now), PKI_NOW + rows[i].ahead);
		sst_latest_saw(&l, PKI_NOW + PKI_DAY * 100, now);
		assert_int_equal(sst_latest_now(&l, clock, now), PKI_NOW + PKI_DAY * 100);
		/* from a file that somebody damaged */
		sst_latest_saw(&l, INT64_MAX, now);
		assert_true(sst_latest_now(&l, clock, now + 2000) > PKI_NOW + PKI_DAY * 100);
	}
}

/* Half of the time is gone: what was good for three days is for six. */
static void
rv_39_nothing_is_fresh_for_ever_behind_a_clock_that_went_back(void **state)
{
	struct world *w = *state;
	struct sst_checker *c = checker_at("");

	assert_int_equal(staple(w, c, MADE_GOOD, PKI_NOW - HOUR, 3), SST_VERDICT_GOOD);
	atomic_store(&wall, PKI_NOW - 300 * PKI_DAY);
	assert_int_equal(sst_checker_now(c), PKI_NOW);
	atomic_fetch_add(&wall_ahead, (int64_t)5 * PKI_DAY * 1000);
	assert_int_equal(sst_checker_now(c), PKI_NOW + 5 * PKI_DAY / 2);
	assert_int_equal(verdict_of(w, c), SST_VERDICT_GOOD);
	atomic_fetch_add(&wall_ahead, (int64_t)1 * PKI_DAY * 1000);
	assert_int_equal(verdict_of(w, c), SST_VERDICT_STALE);
	sst_checker_unref(c);
}

static int
exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static void
making_one_opens_nothing(void **state)
{
	struct world *w = *state;
	const char *place = pki_path(w->dir, "c");
	struct sst_checker *c;

	c = checker_at(place);
	assert_false(exists(place));
	assert_ptr_equal(sst_checker_ref(c), c);
	sst_checker_unref(c);
	assert_int_equal(verdict_of(w, c), SST_VERDICT_ERROR);
	assert_true(exists(place));
	sst_checker_unref(c);
	sst_checker_unref(NULL);
}

static void
rv_98_a_place_that_anybody_may_write_is_not_used(void **state)
{
	struct world *w = *state;
	const char *place = pki_path(w->dir, "open");
	struct sst_checker *c;

	assert_int_equal(mkdir(place, 0700), 0);
	assert_int_equal(chmod(place, 0777), 0);
	c = checker_at(place);
	assert_int_equal(strncmp(sst_checker_cache(c), "memory (", 8), 0);
	assert_int_equal(staple(w, c, MADE_GOOD, PKI_NOW - HOUR, 3), SST_VERDICT_GOOD);
	assert_int_equal(verdict_of(w, c), SST_VERDICT_GOOD);
	sst_checker_unref(c);
	assert_int_equal(chmod(place, 0700), 0);
	c = checker_at(place);
	assert_int_equal(strncmp(sst_checker_cache(c), "directory /", 11), 0);
	assert_int_equal(verdict_of(w, c), SST_VERDICT_ERROR);
	sst_checker_unref(c);
}

static void
without_a_place_it_is_the_users_own(void **state)
{
	struct world *w = *state;
	struct sst_checker *c;

	setenv("XDG_CACHE_HOME", pki_path(w->dir, "xdg"), 1);
	c = checker_at(NULL);
	assert_non_null(strstr(sst_checker_cache(c), "user /"));
	assert_non_null(strstr(sst_checker_cache(c), "/xdg/securesockets"));
	sst_checker_unref(c);
	/* a relative path means nothing */
	setenv("XDG_CACHE_HOME", "xdg", 1);
	setenv("HOME", pki_path(w->dir, "home"), 1);
	c = checker_at(NULL);
	assert_non_null(strstr(sst_checker_cache(c), "/home/.cache/securesockets"));
	sst_checker_unref(c);
	unsetenv("XDG_CACHE_HOME");
	unsetenv("HOME");
	c = checker_at(NULL);
	assert_non_null(strstr(sst_checker_cache(c), "memory"));
	sst_checker_unref(c);
}

static void
a_place_is_shared_by_those_who_name_it(void **state)
{
	struct world *w = *state;
	const char *place = pki_path(w->dir, "c");
	struct sst_checker *a = checker_at(place), *b = checker_at(place);
	struct sst_checker *c = checker_at(pki_path(w->dir, "d"));

	assert_int_equal(staple(w, a, MADE_GOOD, PKI_NOW - HOUR, 3), SST_VERDICT_GOOD);
	assert_int_equal(verdict_of(w, b), SST_VERDICT_GOOD);
	assert_int_equal(verdict_of(w, c), SST_VERDICT_ERROR);
	sst_checker_unref(a);
	sst_checker_unref(b);
	sst_checker_unref(c);
}

static void
an_entry_that_is_no_address_is_told_when_it_is_given(void **state)
{
	const char *wrong[] = { "10.1.0.0/16", "everywhere", NULL };
	const char *right[] = { "10.1.0.0/16", "[::1]:8080", NULL };
	struct sst_checker_config config = { .cache_dir = "", .allow = wrong };
	struct sst_checker *c = NULL;
	struct sst_error err = { 0 };

	(void)state;
	assert_int_equal(sst_checker_new(&config, &c, &err), SST_E_USAGE);
	assert_non_null(strstr(err.text, "everywhere"));
	assert_null(c);
	config.allow = right;
	config.proxy = "http://proxy.example:3128";
	assert_int_equal(sst_checker_new(&config, &c, NULL), SST_OK);
	assert_string_equal(sst_checker_cache(c), "memory");
	sst_checker_unref(c);
}

static void
an_entry_of_the_machines_file_is_told_with_file_and_line(void **state)
{
	struct world *w = *state;
	const char *wrong[] = { "everywhere", NULL }, *right[] = { "10.1.0.0/16", NULL };
	const struct sst_checker_config with = { .allow = right }, against = { .allow = wrong };
	struct sst_checker *c = NULL;
	struct sst_error err = { 0 };
	char where[400];

	(void)snprintf(where, sizeof(where), "%s:2: \"10.1.0.0/33\" ",
	    pki_path(w->dir, "machine.conf"));
	assert_int_equal(setenv("SECURESOCKETS_CONF", pki_path(w->dir, "machine.conf"), 1), 0);
	assert_int_equal(setenv("XDG_CONFIG_HOME", w->dir, 1), 0);
	pki_write_text(w->dir, "machine.conf", "cache: { dir = \"\"; };\n"
	    "fetch: { allow = [ \"10.1.0.0/16\", \"10.1.0.0/33\" ]; };\n");
	assert_int_equal(sst_checker_of_machine(NULL, &c, &err), SST_E_USAGE);
	assert_int_equal(err.code, SST_E_USAGE);
	assert_int_equal(strncmp(err.text, where, strlen(where)), 0);
	assert_null(c);
	/* what the caller brings is not the file's */
	assert_int_equal(sst_checker_of_machine(&with, &c, NULL), SST_OK);
	assert_string_equal(sst_checker_dir(c), "");
	sst_checker_unref(c);
	sst_error_clear(&err);
	assert_int_equal(sst_checker_of_machine(&against, &c, &err), SST_E_USAGE);
	assert_int_equal(strncmp(err.text, "\"everywhere\" ", 13), 0);
	/* the other list has a line of its own */
	(void)snprintf(where, sizeof(where), "%s:3: \"2a00::/95\" ",
	    pki_path(w->dir, "machine.conf"));
	pki_write_text(w->dir, "machine.conf", "cache: { dir = \"\"; };\n"
	    "fetch: { allow = [ \"10.1.0.0/16\" ];\nnat64 = [ \"2a00::/95\" ]; };\n");
	sst_error_clear(&err);
	assert_int_equal(sst_checker_of_machine(NULL, &c, &err), SST_E_USAGE);
	assert_int_equal(strncmp(err.text, where, strlen(where)), 0);
	sst_error_clear(&err);
	assert_int_equal(sst_checker_of_machine(&(struct sst_checker_config){
	    .nat64 = wrong }, &c, &err), SST_E_USAGE);
	assert_int_equal(strncmp(err.text, "\"everywhere\" ", 13), 0);
	pki_write_text(w->dir, "machine.conf", "cache: { dir = \"\"; };\n"
	    "fetch: { allow = [ \"10.1.0.0/16\", \"10.1.0.0/32\" ]; };\n");
	assert_int_equal(sst_checker_of_machine(NULL, &c, NULL), SST_OK);
	assert_string_equal(sst_checker_dir(c), "");
	sst_checker_unref(c);
}

/* An address for documentation is never asked; why says how it was judged. */
static void
a_prefix_of_nat64_reaches_who_fetches(void **state)
{
	struct world *w = *state;
	struct pki_cert *leaf = pki_issue(w->root, &(struct pki_spec){ .cn = "site",
	    .ocsp = "http://[2001:db8:64::a00:1]/" });
	const char *const *lines;

	assert_int_equal(setenv("SECURESOCKETS_CONF", pki_path(w->dir, "machine.conf"), 1), 0);
	assert_int_equal(setenv("XDG_CONFIG_HOME", w->dir, 1), 0);
	(void)sk_X509_set(w->chain, 0, leaf->cert);
	for (int site = 0; site < 2; site++) {
		struct sst_checker *c = NULL;
		struct sst_check *k;
		int n, is_private = 0;

		pki_write_text(w->dir, "machine.conf", site ? "cache: { dir = \"\"; };\n"
		    "fetch: { nat64 = [ \"2001:db8:64::/96\" ]; };\n" :
		    "cache: { dir = \"\"; };\n");
		assert_int_equal(sst_checker_of_machine(NULL, &c, NULL), SST_OK);
		k = check_of(w, c);
		assert_int_equal(sst_check_wait(k, NULL), SST_E_REFUSED);
		n = sst_check_reasons(k, 0, &lines);
		assert_true(n > 0);
		for (int i = 0; i < n; i++)
			is_private |= strstr(lines[i], "(private)") != NULL;
		assert_int_equal(is_private, site);
		sst_check_free(k);
		sst_checker_unref(c);
	}
	pki_free(leaf);
}

/* The directory's lock, as a process has it that just makes the file. */
static int
held(struct world *w, const char *place)
{
	int fd = open(pki_path(w->dir, place), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	return fd;
}

static void
the_first_look_does_not_wait_for_who_holds_the_cache(void **state)
{
	struct world *w = *state;
	struct sst_checker *c = checker_at(pki_path(w->dir, "c"));
	struct sst_check *k;
	int64_t begun;
	int fd;

	assert_int_equal(staple(w, c, MADE_REVOKED, PKI_NOW - HOUR, 3), SST_VERDICT_REVOKED);
	sst_checker_unref(c);
	fd = held(w, "c/lock");
	c = checker_at(pki_path(w->dir, "c"));
	k = check_of(w, c);
	begun = sst_clock_ms();
	assert_int_equal(sst_check_now(k, NULL), 0);
	assert_int_equal(sst_check_now(k, NULL), 0);
	assert_true(sst_clock_ms() - begun < 2000);
	(void)close(fd);
	assert_int_equal(sst_check_now(k, NULL), SST_E_REFUSED);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_REVOKED);
	assert_int_equal(strncmp(sst_checker_cache(c), "directory /", 11), 0);
	sst_check_free(k);
	sst_checker_unref(c);
}

/* What the file has seen counts from when it is open. */
static void
rv_39_the_clock_is_judged_by_a_cache_that_was_held(void **state)
{
	struct world *w = *state;
	struct sst_checker *c = checker_at(pki_path(w->dir, "c"));
	struct sst_check *k;
	int fd;

	assert_int_equal(staple(w, c, MADE_GOOD, PKI_NOW - HOUR, 3), SST_VERDICT_GOOD);
	sst_checker_unref(c);
	atomic_store(&wall, PKI_NOW - 300 * PKI_DAY);
	fd = held(w, "c/lock");
	c = checker_at(pki_path(w->dir, "c"));
	k = check_of(w, c);
	assert_int_equal(sst_check_now(k, NULL), 0);
	(void)close(fd);
	assert_int_equal(sst_check_now(k, NULL), 1);
	assert_int_equal(sst_check_result(k, 0)->verdict, SST_VERDICT_GOOD);
	sst_check_free(k);
	sst_checker_unref(c);
}

struct busy {
	struct world	*w;
	struct sst_checker *checker;
	atomic_int	 stop;
	long		 checks;
};

static void *
judge_on(void *arg)
{
	struct busy *b = arg;

	while (!atomic_load(&b->stop)) {
		if (verdict_of(b->w, b->checker) != SST_VERDICT_GOOD)
			return NULL;
		b->checks++;
	}
	return b;
}

static void
rv_102_children_of_a_busy_process_go_on_with_it(void **state)
{
	struct world *w = *state;
	struct busy b = { .w = w, .checker = checker_at(pki_path(w->dir, "c")) };
	pthread_t id;
	void *rc = &b;

	assert_int_equal(staple(w, b.checker, MADE_GOOD, PKI_NOW - HOUR, 3), SST_VERDICT_GOOD);
	if (IS_BUSY)
		assert_int_equal(pthread_create(&id, NULL, judge_on, &b), 0);
	for (int i = 0; i < 16; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			alarm(20);
			/* what the parent learned, and something of its own */
			status = verdict_of(w, b.checker) == SST_VERDICT_GOOD &&
			    staple(w, b.checker, MADE_GOOD, PKI_NOW - HOUR + 60 * i, 3) ==
			    SST_VERDICT_GOOD &&
			    verdict_of(w, b.checker) == SST_VERDICT_GOOD;
			_exit(status ? 0 : 1);
		}
		assert_true(pid > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	atomic_store(&b.stop, 1);
	if (IS_BUSY)
		(void)pthread_join(id, &rc);
	assert_non_null(rc);
	assert_int_equal(b.checks > 0, IS_BUSY);
	/* what a child learned the parent knows */
	assert_int_equal(verdict_of(w, b.checker), SST_VERDICT_GOOD);
	sst_checker_unref(b.checker);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(rv_39_a_clock_that_went_back_makes_nothing_fresh),
		T(rv_39_an_old_answer_is_not_fresh_again),
		T(rv_39_time_goes_on_at_half_speed_until_the_clock_has_caught_up),
		T(rv_39_nothing_is_fresh_for_ever_behind_a_clock_that_went_back),
		T(making_one_opens_nothing),
		T(rv_98_a_place_that_anybody_may_write_is_not_used),
		T(without_a_place_it_is_the_users_own),
		T(a_place_is_shared_by_those_who_name_it),
		T(an_entry_that_is_no_address_is_told_when_it_is_given),
		T(an_entry_of_the_machines_file_is_told_with_file_and_line),
		T(a_prefix_of_nat64_reaches_who_fetches),
		T(the_first_look_does_not_wait_for_who_holds_the_cache),
		T(rv_39_the_clock_is_judged_by_a_cache_that_was_held),
		T(rv_102_children_of_a_busy_process_go_on_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
