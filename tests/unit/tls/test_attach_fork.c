/* SPDX-License-Identifier: ISC */
/*
 * attach_fork - a checker that is attached before fork(), as servers that start
 * workers do; and the machine's file, which each process reads for itself.
 *
 * What is looked at happens in children: their exit status says how it was.
 */
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "duo.h"
#include "tls/attach_rules.h"

#define CHILDREN	8

enum { ACCEPTED = 10, REFUSED = 11, OTHERWISE = 12 };

static const struct sst_openssl_check waits = { .mode = SST_OPENSSL_WAIT,
	.wait_ms = 20000 };

static char *dir;

/* A checker with its cache in a directory. */
static struct sst_checker *
on_disk(void)
{
	const char *const allow[] = { responder_allow(w.lists), NULL };
	struct sst_checker *checker = NULL;

	assert_int_equal(sst_checker_new(&(struct sst_checker_config){
	    .cache_dir = pki_path(dir, "cache"), .allow = allow, .no_service = 1 },
	    &checker, NULL), 0);
	return checker;
}

static int
setup(void **state)
{
	dir = pki_dir_new();
	return duo_setup(state);
}

static int
teardown(void **state)
{
	pki_dir_free(dir);
	assert_int_equal(unsetenv("SECURESOCKETS_CONF"), 0);
	return duo_teardown(state);
}

static int
entries(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		(void)closedir(d);
	return n;
}

/* One handshake, judged; no assertions, since it runs in children. */
static int
outcome(SSL_CTX *client, const struct pki_cert *cert, const char *word)
{
	SSL_CTX *server = duo_server(cert, NULL);
	struct sst_error err = { 0 };
	struct duo d;
	int rc;

	duo_meet(&d, client, server, NULL);
	rc = sst_openssl_judge(d.client, &err);
	duo_done(&d);
	SSL_CTX_free(server);
	if (rc == SST_OK)
		return ACCEPTED;
	if (rc == SST_E_REFUSED && strstr(err.text, word) != NULL)
		return REFUSED;
	fprintf(stderr, "%s: %s\n", sst_code_name(rc), err.text);
	return OTHERWISE;
}

static int
status_of(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* In a child of its own: what comes of it there. */
static int
in_child(SSL_CTX *client, const struct pki_cert *cert, const char *word)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(outcome(client, cert, word));
	return status_of(pid);
}

static void
attaching_opens_nothing_and_starts_nothing(void **state)
{
	struct sst_checker *checker;
	SSL_CTX *client;
	const int fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");

	(void)state;
	checker = on_disk();
	client = duo_client(checker, &waits);
	assert_int_equal(entries("/proc/self/fd"), fds);
	assert_int_equal(entries("/proc/self/task"), threads);
	assert_int_equal(access(pki_path(dir, "cache"), F_OK), -1);
	/* the first judgement does, in the child that makes it */
	assert_int_equal(in_child(client, w.listed, ""), ACCEPTED);
	assert_int_equal(access(pki_path(dir, "cache"), F_OK), 0);
	SSL_CTX_free(client);
	sst_checker_unref(checker);
}

/* All children at once, each with one good peer and one that is revoked. */
static void
eight(SSL_CTX *client)
{
	pid_t pid[CHILDREN];
	int good, bad;

	for (int i = 0; i < CHILDREN; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] != 0)
			continue;
		good = outcome(client, w.www, "");
		bad = outcome(client, w.listed, "revoked");
		_exit(good == ACCEPTED && bad == REFUSED ? 0 : 1);
	}
	for (int i = 0; i < CHILDREN; i++)
		assert_int_equal(status_of(pid[i]), 0);
}

static void
attached_then_forked_each_of_eight_children_judges(void **state)
{
	struct sst_checker *checker = on_disk();
	SSL_CTX *client = duo_client(checker, &waits);

	(void)state;
	w.revoked = w.listed;
	eight(client);
	assert_true(duo_requests() >= 1);
	/* and so does the parent, with what they found */
	assert_int_equal(outcome(client, w.listed, "revoked"), REFUSED);
	assert_int_equal(outcome(client, w.www, ""), ACCEPTED);
	SSL_CTX_free(client);
	sst_checker_unref(checker);
}

static void
forked_in_the_middle_of_its_work_each_child_opens_again(void **state)
{
	struct sst_checker *checker = on_disk();
	SSL_CTX *client = duo_client(checker, &waits);

	(void)state;
	w.revoked = w.listed;
	assert_int_equal(outcome(client, w.listed, "revoked"), REFUSED);
	assert_int_equal(duo_requests(), 1);
	eight(client);
	assert_int_equal(duo_requests(), 1);
	assert_int_equal(outcome(client, w.listed, "revoked"), REFUSED);
	SSL_CTX_free(client);
	sst_checker_unref(checker);
}

static void
what_a_child_learns_the_parent_knows(void **state)
{
	struct sst_checker *checker = on_disk();
	SSL_CTX *client = duo_client(checker, NULL);
	pid_t pid;

	(void)state;
	assert_int_equal(outcome(client, w.www, ""), ACCEPTED);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		duo_revoke(checker, w.other);
		_exit(0);
	}
	assert_int_equal(status_of(pid), 0);
	assert_int_equal(outcome(client, w.other, "revoked"), REFUSED);
	assert_int_equal(outcome(client, w.www, ""), ACCEPTED);
	SSL_CTX_free(client);
	sst_checker_unref(checker);
}

/* Without evidence: what the program and the machine's file make of it. The child
 * is the first to read that file. */
static int
under(const char *file, const struct sst_openssl_check *config, const char *word)
{
	SSL_CTX *client = duo_client(w.checker, config);
	int rc;

	pki_write_text(dir, "machine.conf", file);
	assert_int_equal(setenv("SECURESOCKETS_CONF", pki_path(dir, "machine.conf"), 1), 0);
	rc = in_child(client, w.www, word);
	SSL_CTX_free(client);
	return rc;
}

static void
the_machines_file_tightens_and_is_not_loosened(void **state)
{
	const struct sst_openssl_check soft = { .policy.mode = SST_REVOCATION_SOFT };
	const struct sst_openssl_check hard = { .policy.mode = SST_REVOCATION_HARD };
	const struct sst_openssl_check off = { .policy.mode = SST_REVOCATION_OFF };
	const struct sst_openssl_check must = { .mode = SST_OPENSSL_MUST };
	const struct sst_openssl_check brief = { .mode = SST_OPENSSL_WAIT, .wait_ms = 100 };

	const struct sst_openssl_check idle = { .policy.fetch = SST_SWITCH_OFF };
	const struct sst_openssl_check lame = { .mode = SST_OPENSSL_WAIT,
	    .policy.fetch = SST_SWITCH_OFF };

	(void)state;
	assert_int_equal(under("", NULL, ""), ACCEPTED);
	/* cache-only is what it is called, and no loosening */
	assert_int_equal(under("revocation: { mode = \"soft\"; };", &idle, ""), ACCEPTED);
	assert_int_equal(under("revocation: { mode = \"soft\"; };", &lame, "loosened"),
	    REFUSED);
	assert_int_equal(under("", &off, ""), ACCEPTED);
	assert_int_equal(under("", &must, "refused"), REFUSED);
	assert_int_equal(under("", &brief, ""), ACCEPTED);
	assert_int_equal(under("revocation: { mode = \"soft\"; };", NULL, ""), ACCEPTED);
	assert_int_equal(under("revocation: { mode = \"soft\"; };", &off, "loosened"),
	    REFUSED);
	assert_int_equal(under("revocation: { mode = \"soft\"; budget_ms = 1000; };", &brief,
	    "loosened"), REFUSED);
	assert_int_equal(under("revocation: { mode = \"hard\"; };", NULL,
	    "the certificate"), REFUSED);
	assert_int_equal(under("revocation: { mode = \"hard\"; };", &soft, "loosened"),
	    REFUSED);
	assert_int_equal(under("revocation: { mode = \"soft\"; };", &hard,
	    "the certificate"), REFUSED);
	assert_int_equal(under("revocation: { mode = \"sort\"; };", NULL,
	    "machine.conf:1"), REFUSED);
}

static void
write_machine(const char *text)
{
	pki_write_text(dir, "machine.conf", text);
}

/* In a child, which has read no file yet. 0: all was as it should be; else a line. */
static int
rules_in_time(void)
{
	const struct sst_openssl_check any = { .mode = SST_OPENSSL_WAIT };
	struct sst_revocation_policy p;
	struct sst_error err = { 0 };

	write_machine("revocation: { mode = \"sort\"; };");
	if (sst_attach_policy(&any, 1000, &p, &err) != SST_E_REFUSED ||
	    strstr(err.text, "machine.conf:1") == NULL)
		return __LINE__ & 0xff;
	write_machine("revocation: { mode = \"hard\"; };");
	if (sst_attach_policy(&any, 2999, &p, NULL) != SST_E_REFUSED)
		return __LINE__ & 0xff;	/* not looked at yet */
	if (sst_attach_policy(&any, 3000, &p, NULL) != SST_OK ||
	    p.mode != SST_REVOCATION_HARD)
		return __LINE__ & 0xff;
	write_machine("revocation: { mode = \"staple\"; budget_ms = 4000; };");
	if (sst_attach_policy(&any, 4999, &p, NULL) != SST_OK ||
	    p.mode != SST_REVOCATION_HARD)
		return __LINE__ & 0xff;
	if (sst_attach_policy(&any, 5000, &p, NULL) != SST_OK ||
	    p.mode != SST_REVOCATION_STAPLE || p.budget_ms != 4000)
		return __LINE__ & 0xff;
	write_machine("nonsense");	/* what was read before goes on */
	if (sst_attach_policy(&any, 7000, &p, NULL) != SST_OK ||
	    p.mode != SST_REVOCATION_STAPLE)
		return __LINE__ & 0xff;
	return 0;
}

static void
a_change_of_the_machines_file_counts_after_two_seconds(void **state)
{
	pid_t pid;

	(void)state;
	assert_int_equal(setenv("SECURESOCKETS_CONF", pki_path(dir, "machine.conf"), 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(rules_in_time());
	assert_int_equal(status_of(pid), 0);
}

static atomic_int over;

static void *
asks_all_the_time(void *arg)
{
	const struct sst_openssl_check any = { .mode = SST_OPENSSL_WAIT };
	struct sst_revocation_policy p;
	int64_t now = 1;

	while (!atomic_load(&over))	/* and looks at the files each time */
		(void)sst_attach_policy(&any, now += 10000, &p, NULL);
	return arg;
}

/* A fork finds another thread in the middle of a look. */
static void
a_fork_leaves_no_lock_behind(void **state)
{
	const struct sst_openssl_check any = { .mode = SST_OPENSSL_WAIT };
	struct sst_revocation_policy p;
	pthread_t thread;
	pid_t pid;

	(void)state;
	atomic_store(&over, 0);
	assert_int_equal(pthread_create(&thread, NULL, asks_all_the_time, NULL), 0);
	for (int i = 0; i < 50; i++) {
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			(void)alarm(20);
			_exit(sst_attach_policy(&any, 1, &p, NULL) == SST_OK ? 0 : 1);
		}
		assert_int_equal(status_of(pid), 0);
	}
	atomic_store(&over, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(the_machines_file_tightens_and_is_not_loosened),
		EACH(a_change_of_the_machines_file_counts_after_two_seconds),
		EACH(attaching_opens_nothing_and_starts_nothing),
		EACH(attached_then_forked_each_of_eight_children_judges),
		EACH(forked_in_the_middle_of_its_work_each_child_opens_again),
		EACH(what_a_child_learns_the_parent_knows),
		EACH(a_fork_leaves_no_lock_behind),
	};

	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
