/* SPDX-License-Identifier: ISC */
/*
 * Who is renewed and who is not: the setter's rights and the file's identity,
 * one property at a time.
 */
#include "place.h"

#include "keeper/judge.h"

#include <grp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* A connection from a process that `change` was applied to; the process lives
 * until `ret_done` is closed. */
static int
call_from(int (*change)(void), pid_t *ret_pid, int *ret_done)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sa_family_t);
	int door, conn, done[2];
	char c;

	door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(door, (struct sockaddr *)&addr, len), 0);
	len = sizeof(addr);
	assert_int_equal(getsockname(door, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(listen(door, 1), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	*ret_pid = fork();
	if (*ret_pid == 0) {
		conn = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (change != NULL && change() != 0)
			_exit(1);
		if (connect(conn, (struct sockaddr *)&addr, len) != 0)
			_exit(2);
		(void)close(done[1]);
		_exit(read(done[0], &c, 1) == 0 ? 0 : 3);
	}
	conn = accept4(door, NULL, NULL, SOCK_CLOEXEC);
	assert_true(conn >= 0);
	(void)close(door);
	(void)close(done[0]);
	*ret_done = done[1];
	return conn;
}

static void
hang_up(int conn, pid_t pid, int done)
{
	int how;

	(void)close(done);
	(void)close(conn);
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_int_equal(how, 0);
}

static int
rights_after(int (*change)(void), char *why)
{
	int conn, done, rc;
	pid_t pid;

	why[0] = '\0';
	conn = call_from(change, &pid, &done);
	rc = sst_judge_rights(conn, why);
	hang_up(conn, pid, done);
	return rc;
}

static int
other_uid(void)
{
	return setresuid(65534, 65534, 65534);
}

static int
other_gid(void)
{
	return setresgid(65534, 65534, 65534);
}

static int
one_group_more(void)
{
	gid_t list[NGROUPS_MAX];
	int n = getgroups(NGROUPS_MAX - 1, list);

	list[n] = 4242;
	return setgroups((size_t)n + 1, list);
}

static int
other_mounts(void)
{
	return unshare(CLONE_NEWNS);
}

static int
other_users(void)
{
	return unshare(CLONE_NEWUSER);
}

static void
the_keepers_own_rights_are_watched(void **state)
{
	char why[SST_WHY_MAX];

	(void)state;
	assert_int_equal(rights_after(NULL, why), 1);
	assert_string_equal(why, "");
}

static void
other_rights_are_static_and_the_reason_is_told(void **state)
{
	static const struct {
		int		(*change)(void);
		const char	*word;
	} rows[] = {
		{ other_uid, "uid 65534" }, { other_gid, "gid 65534" },
		{ one_group_more, "groups" }, { other_mounts, "mount namespace" },
	};
	char why[SST_WHY_MAX];

	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(rights_after(rows[i].change, why), 0);
		assert_non_null(strstr(why, rows[i].word));
	}
}

static void
another_user_namespace_is_static(void **state)
{
	char why[SST_WHY_MAX];
	pid_t pid;
	int how;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(other_users() == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &how, 0), pid);
	if (how != 0)
		skip();
	/* Its ids do not map, or only its namespace tells: static either way. */
	assert_int_equal(rights_after(other_users, why), 0);
}

static void
a_process_that_is_gone_cannot_be_judged(void **state)
{
	char why[SST_WHY_MAX];
	int conn, done, copy;
	pid_t pid;

	(void)state;
	conn = call_from(NULL, &pid, &done);
	copy = dup(conn);
	hang_up(conn, pid, done);
	assert_int_equal(sst_judge_rights(copy, why), 0);
	assert_non_null(strstr(why, "cannot be seen"));
	(void)close(copy);
}

struct judged {
	int	watched;
	char	path[PATH_MAX], why[SST_WHY_MAX];
};

static struct judged
judge(int (*change)(void), const char *opened, const char *named)
{
	struct judged j = { .watched = -1 };
	int conn, done, file;
	pid_t pid;

	file = open(opened, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	assert_true(file >= 0);
	(void)snprintf(j.path, sizeof(j.path), "%s", named);
	conn = call_from(change, &pid, &done);
	j.watched = sst_judge_file(conn, file, j.path, sizeof(j.path), j.why);
	hang_up(conn, pid, done);
	(void)close(file);
	return j;
}

static void
the_same_file_by_the_same_path_is_watched(void **state)
{
	struct place *p = *state;
	struct judged j;

	put_dir(p, "d");
	put_file(p, "d/a", "a");
	put_file(p, "b", "b");
	put_link(p, "l", "d/a");
	j = judge(NULL, at(p, "d/a"), at(p, "d/a"));
	assert_int_equal(j.watched, 1);
	assert_int_equal(judge(NULL, at(p, "d"), at(p, "d")).watched, 1);
	assert_int_equal(judge(NULL, at(p, "d/a"), at(p, "l")).watched, 1);
	j = judge(NULL, at(p, "d/a"), at(p, "b"));
	assert_int_equal(j.watched, 0);
	assert_non_null(strstr(j.why, "another file"));
	assert_int_equal(judge(NULL, at(p, "b"), at(p, "none")).watched, 0);
	assert_int_equal(judge(NULL, at(p, "b"), "").watched, 0);
	assert_int_equal(judge(NULL, at(p, "b"), "b").watched, 0);
	assert_int_equal(judge(NULL, "/dev/null", "/dev/null").watched, 0);
}

static void
a_path_with_dots_is_kept_in_a_form_without(void **state)
{
	struct place *p = *state;
	struct judged j;
	char odd[PATH_MAX + 64];

	put_dir(p, "d");
	put_dir(p, "e");
	put_file(p, "e/a", "a");
	put_link(p, "e/l", "a");
	(void)snprintf(odd, sizeof(odd), "%s//d/.././e/l", p->dir);
	j = judge(NULL, at(p, "e/a"), odd);
	assert_int_equal(j.watched, 1);
	/* The link that was named stays: its target may change. */
	assert_string_equal(j.path, at(p, "e/l"));
	(void)snprintf(odd, sizeof(odd), "%s/e/", p->dir);
	j = judge(NULL, at(p, "e"), odd);
	assert_string_equal(j.path, at(p, "e"));
	(void)snprintf(odd, sizeof(odd), "%s/d/../e/..", p->dir);
	j = judge(NULL, p->dir, odd);
	assert_int_equal(j.watched, 1);
	assert_string_equal(j.path, p->dir);
}

static void
a_stranger_learns_nothing_of_a_path(void **state)
{
	struct place *p = *state;
	struct judged a, b;

	if (geteuid() != 0)
		skip();
	put_file(p, "a", "a");
	a = judge(other_uid, at(p, "a"), at(p, "a"));
	b = judge(other_uid, at(p, "a"), at(p, "none"));
	assert_int_equal(a.watched, 0);
	assert_string_equal(a.why, b.why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keepers_own_rights_are_watched),
		cmocka_unit_test(other_rights_are_static_and_the_reason_is_told),
		cmocka_unit_test(another_user_namespace_is_static),
		cmocka_unit_test(a_process_that_is_gone_cannot_be_judged),
		cmocka_unit_test_setup_teardown(
		    the_same_file_by_the_same_path_is_watched,
		    place_open, place_close),
		cmocka_unit_test_setup_teardown(
		    a_path_with_dots_is_kept_in_a_form_without,
		    place_open, place_close),
		cmocka_unit_test_setup_teardown(
		    a_stranger_learns_nothing_of_a_path, place_open, place_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
