/* SPDX-License-Identifier: ISC */
/* sstool events, asking doors that are the test's. Other programs on this machine may
 * have events as well: what is looked for is named as nothing else is. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS	20000

static struct {
	char	 dir[64];
	int	 door[2];
	pid_t	 tool;
	int	 out;			/* what it prints */
	char	 said[1 << 18];
	size_t	 len;
} w;

static void
door_path(struct sockaddr_un *a, int i)
{
	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(a->sun_path, sizeof(a->sun_path), "%s/securesockets/%d.sock",
	    w.dir, 100 + i);
}

static int
make(void **state)
{
	struct sockaddr_un a;
	char sub[96];

	(void)state;
	memset(&w, 0, sizeof(w));
	(void)strcpy(w.dir, "/tmp/sst-events-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	(void)snprintf(sub, sizeof(sub), "%s/securesockets", w.dir);
	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", w.dir, 1), 0);
	for (int i = 0; i < 2; i++) {
		door_path(&a, i);
		w.door[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(w.door[i], (struct sockaddr *)&a, sizeof(a)), 0);
		assert_int_equal(listen(w.door[i], 4), 0);
	}
	return 0;
}

static int
unmake(void **state)
{
	struct sockaddr_un a;
	char sub[96];

	(void)state;
	if (w.tool > 0) {
		(void)kill(w.tool, SIGKILL);
		(void)waitpid(w.tool, NULL, 0);
	}
	for (int i = 0; i < 2; i++) {
		(void)close(w.door[i]);
		door_path(&a, i);
		(void)unlink(a.sun_path);
	}
	(void)close(w.out);
	(void)snprintf(sub, sizeof(sub), "%s/securesockets", w.dir);
	(void)rmdir(sub);
	(void)rmdir(w.dir);
	return 0;
}

static void
start(const char *a, const char *b, const char *c)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	w.tool = fork();
	if (w.tool == 0) {
		(void)dup2(ends[1], 1);
		(void)close(ends[0]);
		(void)execl(SSTOOL, SSTOOL, "events", a, b, c, (char *)NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	w.out = ends[0];
}

/* Reads what it prints until the word is there; NULL: until its end. */
static void
wait_for(const char *word)
{
	struct pollfd p = { .fd = w.out, .events = POLLIN };
	ssize_t n = 1;

	while (n > 0 && (word == NULL || strstr(w.said, word) == NULL)) {
		if (poll(&p, 1, PATIENCE_MS) != 1)
			fail_msg("nothing more is said after: %s", w.said);
		n = read(w.out, w.said + w.len, sizeof(w.said) - 1 - w.len);
		w.len += n > 0 ? (size_t)n : 0;
		w.said[w.len] = '\0';
	}
	if (word != NULL && strstr(w.said, word) == NULL)
		fail_msg("'%s' is not in: %s", word, w.said);
}

static int
status_of_tool(void)
{
	int how = 0;

	assert_int_equal(waitpid(w.tool, &how, 0), w.tool);
	w.tool = 0;
	return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

/* Somebody comes to the door, and asks this. The connection. */
static int
asked(int i, const char *question)
{
	struct pollfd p = { .fd = w.door[i], .events = POLLIN };
	char got[128];
	size_t len = 0;
	ssize_t n;
	int fd;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	fd = accept(w.door[i], NULL, NULL);
	assert_true(fd >= 0);
	while (len < sizeof(got) - 1 && (n = recv(fd, got + len, sizeof(got) - 1 - len,
	    0)) > 0)
		len += (size_t)n;
	got[len] = '\0';
	assert_string_equal(got, question);
	return fd;
}

static void
answer(int fd, int pid, int seq, int time, const char *text)
{
	char line[512];
	int len = snprintf(line, sizeof(line), "{\"schema\":1,\"seq\":%d,\"time\":%d,"
	    "\"kind\":\"renewed\",\"program\":\"prog\",\"pid\":%d,\"source\":\"/w\\u001b\","
	    "\"name\":null,\"certificate\":null,\"not_after\":null,\"text\":\"%s\"}\n",
	    seq, time, pid, text);

	assert_int_equal(send(fd, line, (size_t)len, MSG_NOSIGNAL), len);
}

static size_t
place(const char *word)
{
	const char *at = strstr(w.said, word);

	if (at == NULL)
		fail_msg("'%s' is not in: %s", word, w.said);
	return (size_t)(at - w.said);
}

static void
events_of_all_programs_come_in_the_order_of_time(void **state)
{
	int a, b;

	(void)state;
	start(NULL, NULL, NULL);
	a = asked(0, "events since 0\n");
	answer(a, 100, 1, 1000, "sst-first");
	answer(a, 100, 2, 3000, "sst-third");
	b = asked(1, "events since 0\n");
	answer(b, 101, 1, 2000, "sst-second");
	(void)close(a);
	(void)close(b);
	wait_for(NULL);
	assert_int_equal(status_of_tool(), 0);
	assert_true(place("sst-first") < place("sst-second"));
	assert_true(place("sst-second") < place("sst-third"));
	/* one line, and no byte of it raw */
	(void)place("1970-01-01T00:16:40Z  prog[100]  renewed  /w\\x1b: sst-first\n");
}

static void
json_is_what_the_program_said(void **state)
{
	int a;

	(void)state;
	start("--json", "--since", "17");
	a = asked(0, "events since 17\n");
	answer(a, 100, 18, 1000, "sst-first");
	(void)close(a);
	(void)close(asked(1, "events since 17\n"));
	wait_for(NULL);
	assert_int_equal(status_of_tool(), 0);
	(void)place("\"seq\":18");
	(void)place("\"text\":\"sst-first\"");
	(void)place("\"certificate\":null");
}

static void
a_limit_leaves_the_last_ones(void **state)
{
	int a;

	(void)state;
	start("--limit", "2", NULL);
	a = asked(0, "events since 0\n");
	/* of a time to come: nobody's are later */
	answer(a, 100, 1, 2000000001, "sst-first");
	answer(a, 100, 2, 2000000002, "sst-second");
	answer(a, 100, 3, 2000000003, "sst-third");
	(void)close(a);
	(void)close(asked(1, "events since 0\n"));
	wait_for(NULL);
	assert_int_equal(status_of_tool(), 0);
	assert_null(strstr(w.said, "sst-first"));
	assert_true(place("sst-second") < place("sst-third"));
	(void)place("2 of ");
}

static void
who_follows_is_shown_what_comes_and_asks_again_who_went_away(void **state)
{
	int a, b;

	(void)state;
	start("--follow", NULL, NULL);
	a = asked(0, "events follow since 0\n");
	b = asked(1, "events follow since 0\n");
	answer(a, 100, 4, 1000, "sst-first");
	wait_for("sst-first");
	/* older, and shown as it comes */
	answer(b, 101, 1, 500, "sst-second");
	wait_for("sst-second");
	(void)close(a);
	a = asked(0, "events follow since 4\n");
	answer(a, 100, 5, 2000, "sst-third");
	wait_for("sst-third");
	assert_int_equal(kill(w.tool, 0), 0);
	(void)close(a);
	(void)close(b);
}

static void
what_is_no_event_is_not_shown(void **state)
{
	static const char status[] = "{\"schema\":1,\"program\":\"sst-older\"}\n";
	static const char broken[] = "{sst-broken\n[]\n";
	int a, b;

	(void)state;
	start(NULL, NULL, NULL);
	a = asked(0, "events since 0\n");
	assert_true(send(a, status, sizeof(status) - 1, MSG_NOSIGNAL) > 0);
	b = asked(1, "events since 0\n");
	assert_true(send(b, broken, sizeof(broken) - 1, MSG_NOSIGNAL) > 0);
	answer(b, 101, 1, 1000, "sst-first");
	(void)close(a);
	(void)close(b);
	wait_for(NULL);
	assert_int_equal(status_of_tool(), 0);
	(void)place("sst-first");
	assert_null(strstr(w.said, "sst-older"));
	assert_null(strstr(w.said, "sst-broken"));
}

static void
a_wrong_command_line_asks_nobody(void **state)
{
	static const char *const wrong[][2] = { { "--since", "x" }, { "--since", "-1" },
	    { "--limit", "0" }, { "--follow", "--limit=3" }, { "more", NULL } };
	struct pollfd p = { .fd = w.door[0], .events = POLLIN };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		start(wrong[i][0], wrong[i][1], NULL);
		wait_for(NULL);
		assert_int_equal(status_of_tool(), 64);
		(void)close(w.out);
	}
	assert_int_equal(poll(&p, 1, 0), 0);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(events_of_all_programs_come_in_the_order_of_time),
		EACH(json_is_what_the_program_said),
		EACH(a_limit_leaves_the_last_ones),
		EACH(who_follows_is_shown_what_comes_and_asks_again_who_went_away),
		EACH(what_is_no_event_is_not_shown),
		EACH(a_wrong_command_line_asks_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
