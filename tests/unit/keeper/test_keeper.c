/* SPDX-License-Identifier: ISC */
/*
 * The keeper as a process: start, doors, files, what outlives a relay, the end.
 * The relay is a puppet (puppet.c); everything else is the real thing.
 */
#include "place.h"

#include "puppet.h"

#include "keeper/status.h"

#include "base/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PATIENCE_MS	20000

struct pair {
	struct place		*p;
	struct sst_wire_start	 start;
	struct sst_wire_hello	 hello;
	struct sst_wire_head	 reply;		/* of the last call */
	char			 data[4096];
	pid_t			 keeper;
};

static int
pair_open(void **state)
{
	struct pair *k = calloc(1, sizeof(*k));
	void *p;

	if (k == NULL || place_open(&p) != 0)
		return -1;
	k->p = p;
	k->start.magic = SST_WIRE_MAGIC;
	k->start.version = SST_WIRE_VERSION;
	k->start.flags = SST_START_STDERR;
	(void)strcpy(k->start.program, "test\033");
	k->start.program_pid = (uint32_t)getpid();
	*state = k;
	return sst_wire_door_random(k->start.door);
}

static int
pair_close(void **state)
{
	struct pair *k = *state;
	void *p = k->p;

	if (k->keeper > 0) {
		/* Its relay follows when the channel ends. */
		(void)kill(k->keeper, SIGKILL);
		(void)waitpid(k->keeper, NULL, 0);
	}
	free(k);
	return place_close(&p);
}

/* Runs the keeper with `end` as descriptor 3. */
static pid_t
spawn(int end)
{
	struct rlimit files;
	pid_t pid = fork();

	if (pid == 0) {
		/* As a program with a small limit would start it. */
		(void)getrlimit(RLIMIT_NOFILE, &files);
		files.rlim_cur = 64;
		(void)setrlimit(RLIMIT_NOFILE, &files);
		(void)dup2(end, 3);
		(void)execl(PUPPET, PUPPET, "--keeper", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static int
wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, PATIENCE_MS) == 1;
}

/* Starts; the reply is in k->reply. */
static void
start_with(struct pair *k, const void *bytes, size_t len)
{
	int ends[2];
	long n;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	k->keeper = spawn(ends[1]);
	(void)close(ends[1]);
	assert_int_equal(send(ends[0], bytes, len, 0), (int)len);
	assert_true(wait_for(ends[0], POLLIN));
	n = sst_wire_recv(ends[0], &k->reply, k->data, sizeof(k->data), NULL, 0);
	assert_true(n > 0);
	if (k->reply.a >= 0) {
		assert_int_equal(n, (int)sizeof(k->hello));
		memcpy(&k->hello, k->data, sizeof(k->hello));
	}
	(void)close(ends[0]);
}

static void
start(struct pair *k)
{
	start_with(k, &k->start, sizeof(k->start));
	assert_int_equal(k->reply.a, 0);
	assert_int_equal(k->hello.keeper_pid, k->keeper);
}

/* The exit status of the keeper. */
static int
end_of(struct pair *k)
{
	int how;

	assert_int_equal(waitpid(k->keeper, &how, 0), k->keeper);
	k->keeper = 0;
	return WIFEXITED(how) ? WEXITSTATUS(how) : -1;
}

static int
dial(const struct pair *k, char which)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, k->start.door, which);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	return fd;
}

/* One call; returns the length of the reply, and its descriptors. */
static long
call(struct pair *k, char which, struct sst_wire_head *head, const void *data,
    size_t len, const int *fds, size_t n_fds, int *got, size_t n_got)
{
	int fd = dial(k, which);
	long n;

	assert_int_equal(sst_wire_send(fd, head, data, len, fds, n_fds), 0);
	assert_true(wait_for(fd, POLLIN));
	n = sst_wire_recv(fd, &k->reply, k->data, sizeof(k->data), got, n_got);
	(void)close(fd);
	return n;
}

/* Makes the relay say something to the keeper. */
static void
say(struct pair *k, uint16_t verb, uint32_t id, int32_t a, const char *data,
    const int *fds, size_t n_fds)
{
	struct sst_wire_head head;

	sst_wire_init(&head, verb);
	head.id = id;
	head.a = a;
	assert_int_equal(call(k, 'r', &head, data, strlen(data), fds, n_fds, NULL, 0),
	    0);
}

/* What the keeper said to the relay next. */
static long
heard_any(struct pair *k, int *got, size_t n_got)
{
	struct sst_wire_head head;

	sst_wire_init(&head, PUPPET_NEXT);
	return call(k, 'r', &head, NULL, 0, NULL, 0, got, n_got);
}

/* Somebody else on this machine may ask every pair for its status. */
static long
heard(struct pair *k, int *got, size_t n_got)
{
	long n;

	while ((n = heard_any(k, got, n_got)) >= 0 &&
	    k->reply.verb == SST_CHAN_STATUS)
		if (n_got > 0)
			(void)close(got[0]);
	return n;
}

static void
end_relay(struct pair *k, int status)
{
	struct sst_wire_head head;
	int fd = dial(k, 'r');
	char c;

	sst_wire_init(&head, PUPPET_EXIT);
	head.a = status;
	assert_int_equal(sst_wire_send(fd, &head, NULL, 0, NULL, 0), 0);
	assert_true(wait_for(fd, POLLIN | POLLHUP));
	assert_true(recv(fd, &c, 1, 0) <= 0);
	(void)close(fd);
}

static void
ping(struct pair *k)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_PING);
	assert_int_equal(call(k, 'k', &head, NULL, 0, NULL, 0, NULL, 0),
	    (int)sizeof(k->hello));
	assert_int_equal(k->reply.a, 0);
	memcpy(&k->hello, k->data, sizeof(k->hello));
}

static ino_t
inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* Sets a file as a program would; the relay hears of it. Its id. */
static uint32_t
set_file(struct pair *k, const char *path, int *ret_call)
{
	struct sst_wire_head head;
	int fds[2], got[3], app[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, app), 0);
	fds[0] = app[0];
	fds[1] = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fds[1] >= 0);
	sst_wire_init(&head, SST_WIRE_FILE);
	head.a = 282;
	head.b = 86;
	*ret_call = dial(k, 'k');
	assert_int_equal(sst_wire_send(*ret_call, &head, path, strlen(path) + 1, fds, 2),
	    0);
	assert_true(heard(k, got, 3) > 0);
	assert_int_equal(k->reply.verb, SST_CHAN_FILE);
	assert_int_equal(k->reply.a, 282);
	assert_int_equal(k->reply.b, 86);
	assert_int_equal(inode(got[1]), inode(app[0]));
	assert_int_equal(inode(got[2]), inode(fds[1]));
	/* The relay answers the shim itself. */
	sst_wire_init(&head, SST_WIRE_REPLY);
	assert_int_equal(sst_wire_send(got[0], &head, NULL, 0, NULL, 0), 0);
	for (int i = 0; i < 3; i++)
		(void)close(got[i]);
	for (int i = 0; i < 2; i++)
		(void)close(app[i]);
	(void)close(fds[1]);
	return k->reply.id;
}

static void
restored(struct pair *k)
{
	assert_int_equal(heard(k, NULL, 0), 0);
	assert_int_equal(k->reply.verb, SST_CHAN_RESTORED);
}

static void
read_proc(pid_t pid, const char *what, char *out, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, what);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, out, size - 1);
	assert_true(n >= 0);
	out[n] = '\0';
	(void)close(fd);
}

static void
a_pair_starts_and_says_who_it_is(void **state)
{
	struct pair *k = *state;
	char text[256], want[128];

	start(k);
	assert_string_equal(k->hello.release, SST_RELEASE);
	ping(k);
	assert_int_equal(k->hello.keeper_pid, k->keeper);
	(void)snprintf(want, sizeof(want), "securesocketsd: test\\x1b[%ld]",
	    (long)getpid());
	read_proc(k->keeper, "cmdline", text, sizeof(text));
	assert_string_equal(text, want);
	read_proc(k->keeper, "comm", text, sizeof(text));
	assert_string_equal(text, "securesocketsd\n");
	read_proc((pid_t)k->hello.relay_pid, "comm", text, sizeof(text));
	assert_string_equal(text, "securesocketsd\n");
	restored(k);
}

static void
nothing_of_the_programs_surroundings_counts(void **state)
{
	struct pair *k = *state;
	unsigned long soft, hard;
	char text[4096], link[64], path[64];
	struct stat st;
	ssize_t n;

	(void)umask(022);
	start(k);
	read_proc(k->keeper, "status", text, sizeof(text));
	assert_non_null(strstr(text, "\nUmask:\t0077\n"));
	read_proc(k->keeper, "limits", text, sizeof(text));
	assert_int_equal(sscanf(strstr(text, "Max core file size") + 18, "%lu %lu",
	    &soft, &hard), 2);
	assert_int_equal(hard, 0);
	assert_int_equal(sscanf(strstr(text, "Max open files") + 14, "%lu %lu", &soft,
	    &hard), 2);
	assert_int_equal(soft, hard);
	assert_int_equal(getsid(k->keeper), k->keeper);
	(void)snprintf(path, sizeof(path), "/proc/%ld/cwd", (long)k->keeper);
	n = readlink(path, link, sizeof(link));
	/* Others than root may not even look. */
	assert_int_equal(n, geteuid() == 0 ? 1 : -1);
	assert_true(n == -1 || link[0] == '/');
	/* Not dumpable: its /proc belongs to root. */
	(void)snprintf(path, sizeof(path), "/proc/%ld/fd", (long)k->keeper);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0);
}

static void
a_start_that_is_not_understood_is_answered(void **state)
{
	struct pair *k = *state;
	struct sst_wire_start bad = k->start;

	bad.version++;
	start_with(k, &bad, sizeof(bad));
	assert_int_equal(k->reply.a, -1);
	assert_int_equal(k->reply.b, EPROTO);
	assert_int_equal(end_of(k), 69);
	start_with(k, &k->start, sizeof(k->start) - 1);
	assert_int_equal(k->reply.b, EPROTO);
	assert_int_equal(end_of(k), 69);
	bad = k->start;
	bad.door[3] = '/';
	start_with(k, &bad, sizeof(bad));
	assert_int_equal(k->reply.b, EPROTO);
	assert_int_equal(end_of(k), 69);
	start(k);
}

static void
a_door_that_is_taken_is_an_error(void **state)
{
	struct pair *k = *state;
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, k->start.door, 'l');
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	start_with(k, &k->start, sizeof(k->start));
	assert_int_equal(k->reply.a, -1);
	assert_int_equal(k->reply.b, EADDRINUSE);
	assert_int_equal(end_of(k), 69);
	(void)close(fd);
	start(k);
}

static void
a_relay_that_never_gets_ready_is_an_error_with_its_own_words(void **state)
{
	struct pair *k = *state;

	(void)strcpy(k->start.program, "refuse");
	start_with(k, &k->start, sizeof(k->start));
	assert_int_equal(k->reply.a, -1);
	assert_int_equal(k->reply.b, EPROTO);
	assert_string_equal(k->data, "the puppet does not want to");
	(void)end_of(k);
	(void)strcpy(k->start.program, "crash");
	start_with(k, &k->start, sizeof(k->start));
	assert_int_equal(k->reply.b, ECHILD);
	assert_non_null(strstr(k->data, "status 9"));
	assert_int_equal(end_of(k), 1);
}

static void
a_file_is_forwarded_watched_and_opened_again(void **state)
{
	struct pair *k = *state;
	struct sst_wire_head q;
	int conn, got;
	uint32_t id;

	put_file(k->p, "a.pem", "one");
	start(k);
	restored(k);
	id = set_file(k, at(k->p, "a.pem"), &conn);
	assert_int_equal(k->reply.c, 1);
	assert_string_equal(k->data, at(k->p, "a.pem"));
	assert_true(wait_for(conn, POLLIN));
	assert_int_equal(sst_wire_recv(conn, &k->reply, NULL, 0, NULL, 0), 0);
	assert_int_equal(k->reply.verb, SST_WIRE_REPLY);
	(void)close(conn);
	say(k, SST_CHAN_KEEP, id, 0, "", NULL, 0);
	put_file(k->p, "new", "two");
	put_over(k->p, "new", "a.pem");
	assert_int_equal(heard(k, NULL, 0), 0);
	assert_int_equal(k->reply.verb, SST_CHAN_CHANGED);
	assert_int_equal(k->reply.id, id);
	sst_wire_init(&q, SST_OPEN_PATH);
	q.id = id;
	(void)call(k, 'r', &q, at(k->p, "a.pem"), strlen(at(k->p, "a.pem")) + 1, NULL, 0,
	    &got, 1);
	assert_int_equal(k->reply.a, 0);
	assert_text(got, "two");
	(void)call(k, 'r', &q, "/etc/passwd", 12, NULL, 0, &got, 1);
	assert_int_equal(k->reply.a, -1);
	assert_int_equal(k->reply.b, EPERM);
	assert_int_equal(got, -1);
}

static void
an_answer_that_found_no_room_comes_when_there_is_some(void **state)
{
	struct pair *k = *state;
	struct sst_wire_head q;
	int conn;

	put_file(k->p, "a.pem", "one");
	start(k);
	restored(k);
	sst_wire_init(&q, PUPPET_FLOOD);
	q.id = set_file(k, at(k->p, "a.pem"), &conn);
	(void)close(conn);
	(void)call(k, 'r', &q, at(k->p, "a.pem"), strlen(at(k->p, "a.pem")) + 1, NULL, 0,
	    NULL, 0);
	/* each has its own, and nothing more was asked meanwhile */
	assert_true(k->reply.a > 1);
	assert_int_equal(k->reply.b, k->reply.a);
}

/* The clock of a keeper that is started from now on: seconds that it is ahead. */
static _Atomic int64_t *
clock_open(struct pair *k)
{
	const char *path = at(k->p, "ahead");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *ahead;

	assert_int_equal(ftruncate(fd, sizeof(int64_t)), 0);
	ahead = mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(ahead != MAP_FAILED);
	(void)close(fd);
	assert_int_equal(setenv(PUPPET_AHEAD, path, 1), 0);
	return ahead;
}

/* The errno of a question for it; 0: it was answered. */
static int
asks(struct pair *k, uint32_t id, const char *path)
{
	struct sst_wire_head q;
	int got;

	sst_wire_init(&q, SST_OPEN_PATH);
	q.id = id;
	(void)call(k, 'r', &q, path, strlen(path) + 1, NULL, 0, &got, 1);
	if (got >= 0)
		(void)close(got);
	return k->reply.a < 0 ? k->reply.b : 0;
}

static void
what_is_read_for_long_is_waited_for_and_what_nobody_reads_is_not(void **state)
{
	struct pair *k = *state;
	_Atomic int64_t *ahead = clock_open(k);
	uint32_t taken, kept, loose;
	int conn;

	put_file(k->p, "a.pem", "one");
	start(k);
	assert_int_equal(unsetenv(PUPPET_AHEAD), 0);
	restored(k);
	taken = set_file(k, at(k->p, "a.pem"), &conn);
	(void)close(conn);
	kept = set_file(k, at(k->p, "a.pem"), &conn);
	(void)close(conn);
	loose = set_file(k, at(k->p, "a.pem"), &conn);
	(void)close(conn);
	say(k, SST_CHAN_TAKE, taken, 0, "", NULL, 0);
	say(k, SST_CHAN_KEEP, kept, 0, "", NULL, 0);
	ping(k);
	assert_int_equal(asks(k, loose, at(k->p, "a.pem")), 0);
	for (int i = 0; i < 2; i++) {
		atomic_fetch_add(ahead, 3600);
		ping(k);	/* it sees what time it is */
		assert_int_equal(asks(k, loose, at(k->p, "a.pem")), ESTALE);
		assert_int_equal(asks(k, kept, at(k->p, "a.pem")), 0);
		assert_int_equal(asks(k, taken, at(k->p, "a.pem")), 0);
	}
	/* until it is refused */
	say(k, SST_CHAN_DROP, taken, 0, "", NULL, 0);
	ping(k);
	assert_int_equal(asks(k, taken, at(k->p, "a.pem")), ESTALE);
	assert_int_equal(asks(k, kept, at(k->p, "a.pem")), 0);
	assert_int_equal(munmap((void *)ahead, sizeof(*ahead)), 0);
}

/* As of who serves from an index at the start: it is read much later, if at all. */
static void
a_directory_that_nobody_lists_is_watched_soon(void **state)
{
	struct pair *k = *state;
	_Atomic int64_t *ahead = clock_open(k);
	uint32_t id;
	int conn;

	put_dir(k->p, "tls");
	put_dir(k->p, "tls/a");
	place_tick();
	start(k);
	assert_int_equal(unsetenv(PUPPET_AHEAD), 0);
	restored(k);
	id = set_file(k, at(k->p, "tls"), &conn);
	(void)close(conn);
	say(k, SST_CHAN_KEEP, id, 0, "", NULL, 0);
	ping(k);
	atomic_fetch_add(ahead, 1);
	/* what the first led to is over when the second is answered */
	ping(k);
	ping(k);
	put_file(k->p, "tls/a/cert", "one");
	assert_int_equal(heard(k, NULL, 0), 2);
	assert_int_equal(k->reply.verb, SST_CHAN_CHANGED);
	assert_int_equal(k->reply.id, id);
	assert_string_equal(k->data, "a");
	assert_int_equal(munmap((void *)ahead, sizeof(*ahead)), 0);
}

/* The answer of the status door to one line; 0: there is no door for this user. */
static int
asked(struct pair *k, const char *line, char *out, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[64];
	size_t n = 0;
	ssize_t got;
	int fd;

	sst_status_dir(geteuid(), dir, sizeof(dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%u.sock", dir,
	    k->start.program_pid);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
		assert_int_not_equal(errno, ECONNREFUSED);	/* it has ended */
		(void)close(fd);
		return 0;
	}
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), (int)strlen(line));
	while (wait_for(fd, POLLIN) && (got = read(fd, out + n, size - 1 - n)) > 0)
		n += (size_t)got;
	out[n] = '\0';
	(void)close(fd);
	return 1;
}

/* The next that the relay hears is that this is deployed. */
static void
is_said_as_deployed(struct pair *k, const char *path)
{
	assert_true(heard(k, NULL, 0) > 0);
	assert_int_equal(k->reply.verb, SST_CHAN_SAY);
	assert_int_equal(k->reply.a, SST_SAY_DEPLOYED);
	assert_int_equal(strncmp(k->data, path, strlen(path)), 0);
	assert_int_equal(k->data[strlen(path)], ':');
}

static void
a_change_in_a_directory_is_named_and_can_be_told_of_at_the_door(void **state)
{
	struct pair *k = *state;
	char line[PATH_MAX + 8], text[4096];
	uint32_t id;
	int conn;

	put_dir(k->p, "tls");
	put_dir(k->p, "tls/a");
	put_dir(k->p, "tls/b");
	place_tick();
	start(k);
	restored(k);
	id = set_file(k, at(k->p, "tls"), &conn);
	(void)close(conn);
	say(k, SST_CHAN_KEEP, id, 0, "", NULL, 0);
	/* nobody has listed it yet: it is watched when somebody asks how */
	if (!asked(k, "watches\n", text, sizeof(text)))
		return;		/* no such directory for this user */
	assert_non_null(strstr(text, at(k->p, "tls")));
	assert_non_null(strstr(text, "\"rule\":\"watched\""));
	put_file(k->p, "tls/a/cert", "one");
	assert_int_equal(heard(k, NULL, 0), 2);
	assert_int_equal(k->reply.verb, SST_CHAN_CHANGED);
	assert_int_equal(k->reply.id, id);
	assert_string_equal(k->data, "a");
	(void)snprintf(line, sizeof(line), "nudge %s\n", at(k->p, "tls/b/cert"));
	if (!asked(k, line, text, sizeof(text)))
		return;		/* no such directory for this user */
	assert_string_equal(text, "{\"schema\":1,\"told\":1}\n");
	is_said_as_deployed(k, at(k->p, "tls/b/cert"));
	assert_int_equal(heard(k, NULL, 0), 2);
	assert_int_equal(k->reply.verb, SST_CHAN_CHANGED);
	assert_string_equal(k->data, "b");
	(void)snprintf(line, sizeof(line), "nudge %s\n", at(k->p, "tls"));
	assert_true(asked(k, line, text, sizeof(text)));
	is_said_as_deployed(k, at(k->p, "tls"));
	assert_int_equal(heard(k, NULL, 0), 0);
	assert_int_equal(k->reply.verb, SST_CHAN_CHANGED);
	assert_true(asked(k, "nudge /somewhere/else\n", text, sizeof(text)));
	assert_string_equal(text, "{\"schema\":1,\"told\":0}\n");
	assert_true(asked(k, "watches\n", text, sizeof(text)));
	assert_non_null(strstr(text, at(k->p, "tls")));
	assert_non_null(strstr(text, "\"rule\":\"watched\""));
	assert_non_null(strstr(text, "\"more\":0}\n"));
}

static void
a_file_call_without_its_parts_is_refused(void **state)
{
	struct pair *k = *state;
	struct sst_wire_head head;
	int file;

	start(k);
	file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	sst_wire_init(&head, SST_WIRE_FILE);
	(void)call(k, 'k', &head, "/x", 3, &file, 1, NULL, 0);
	assert_int_equal(k->reply.a, -1);
	assert_int_equal(k->reply.b, EINVAL);
	for (int i = 0; i < 2; i++) {
		const int two[2] = { file, file };

		sst_wire_init(&head, SST_WIRE_FILE);
		(void)call(k, 'k', &head, i == 0 ? "/x\0y" : "/x", i == 0 ? 5 : 2, two,
		    2, NULL, 0);
		assert_int_equal(k->reply.a, -1);
		assert_int_equal(k->reply.b, EINVAL);
	}
	sst_wire_init(&head, SST_WIRE_NEW);
	(void)call(k, 'k', &head, NULL, 0, NULL, 0, NULL, 0);
	assert_int_equal(k->reply.b, ENOSYS);
	sst_wire_init(&head, SST_WIRE_PING);
	head.version++;
	(void)call(k, 'k', &head, NULL, 0, NULL, 0, NULL, 0);
	assert_int_equal(k->reply.b, EPROTO);
	(void)close(file);
	ping(k);
}

static void
what_was_held_comes_back_after_the_relay_was_killed(void **state)
{
	struct pair *k = *state;
	struct sst_wire_head q;
	uint32_t id, loose, old;
	int conn, held[2], got[2];
	ino_t ino[2];

	put_file(k->p, "a.pem", "one");
	start(k);
	restored(k);
	id = set_file(k, at(k->p, "a.pem"), &conn);
	(void)close(conn);
	say(k, SST_CHAN_KEEP, id, 0, "", NULL, 0);
	loose = set_file(k, at(k->p, "a.pem"), &conn);
	(void)close(conn);
	assert_int_not_equal(id, loose);
	say(k, SST_CHAN_TAKE, loose, 0, "", NULL, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, held), 0);
	ino[0] = inode(held[0]);
	ino[1] = inode(held[1]);
	say(k, SST_CHAN_HOLD, 11, 0, "state", held, 2);
	say(k, SST_CHAN_HOLD, 12, 0, "gone", held, 2);
	say(k, SST_CHAN_RELEASE, 12, 0, "", NULL, 0);
	(void)close(held[0]);
	(void)close(held[1]);
	for (int round = 0; round < 3; round++) {
		old = k->hello.relay_pid;
		ping(k);
		assert_int_equal(kill((pid_t)k->hello.relay_pid, SIGKILL), 0);
		/* A call that comes now waits for the next relay. */
		assert_true(heard(k, got, 1) > 0);
		assert_int_equal(k->reply.verb, SST_CHAN_RESTORE_SOURCE);
		assert_int_equal(k->reply.id, id);
		assert_int_equal(k->reply.c, 1);
		assert_text(got[0], "one");
		assert_int_equal(heard(k, got, 2), 5);
		assert_int_equal(k->reply.verb, SST_CHAN_RESTORE);
		assert_int_equal(k->reply.id, 11);
		assert_memory_equal(k->data, "state", 5);
		assert_int_equal(inode(got[0]), ino[0]);
		assert_int_equal(inode(got[1]), ino[1]);
		(void)close(got[0]);
		(void)close(got[1]);
		restored(k);
		ping(k);
		assert_int_not_equal(k->hello.relay_pid, old);
	}
	/* what it took and did not keep went with it */
	sst_wire_init(&q, SST_OPEN_PATH);
	q.id = loose;
	(void)call(k, 'r', &q, at(k->p, "a.pem"), strlen(at(k->p, "a.pem")) + 1, NULL, 0,
	    got, 1);
	assert_int_equal(k->reply.a, -1);
	assert_int_equal(k->reply.b, ESTALE);
}

static void
the_last_words_of_a_relay_count(void **state)
{
	struct pair *k = *state;
	int held[2], got[2], n = 0;

	start(k);
	restored(k);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, held), 0);
	/* The keeper sees them and the death at the same time. */
	assert_int_equal(kill(k->keeper, SIGSTOP), 0);
	for (uint32_t id = 1; id <= 150; id++)
		say(k, SST_CHAN_HOLD, id, 0, "s", held, 2);
	end_relay(k, 9);
	assert_int_equal(kill(k->keeper, SIGCONT), 0);
	while (heard(k, got, 2) > 0 && k->reply.verb == SST_CHAN_RESTORE) {
		n++;
		(void)close(got[0]);
		(void)close(got[1]);
	}
	assert_int_equal(k->reply.verb, SST_CHAN_RESTORED);
	assert_int_equal(n, 150);
	(void)close(held[0]);
	(void)close(held[1]);
}

/* The older one may lack what the program demanded since. */
static void
a_listener_whose_newer_state_is_refused_ends_with_the_relay(void **state)
{
	struct pair *k = *state;
	int held[3], got[2];

	start(k);
	restored(k);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, held), 0);
	held[2] = held[0];	/* a long state that is no sealed file */
	say(k, SST_CHAN_HOLD, 1, 0, "old", held, 2);
	say(k, SST_CHAN_HOLD, 2, 0, "kept", held, 2);
	say(k, SST_CHAN_HOLD, 1, 0, "new", held, 3);
	end_relay(k, 9);
	assert_int_equal(heard(k, got, 2), 4);
	assert_int_equal(k->reply.verb, SST_CHAN_RESTORE);
	assert_int_equal(k->reply.id, 2);
	(void)close(got[0]);
	(void)close(got[1]);
	restored(k);
	(void)close(held[0]);
	(void)close(held[1]);
}

static void
a_relay_that_crashes_again_and_again_is_given_up_only_with_nothing_held(void **state)
{
	struct pair *k = *state;
	int held[2], got[2];

	start(k);
	for (int i = 0; i < 3; i++) {
		restored(k);
		end_relay(k, 9);
	}
	restored(k);
	end_relay(k, 9);
	assert_int_equal(end_of(k), 1);

	start(k);
	restored(k);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, held), 0);
	say(k, SST_CHAN_HOLD, 1, 0, "s", held, 2);
	for (int i = 0; i < 4; i++) {
		end_relay(k, 9);
		assert_int_equal(heard(k, got, 2), 1);
		assert_int_equal(k->reply.verb, SST_CHAN_RESTORE);
		(void)close(got[0]);
		(void)close(got[1]);
		restored(k);
	}
	end_relay(k, 0);	/* a clean end is an end */
	assert_int_equal(end_of(k), 0);
	(void)close(held[0]);
	(void)close(held[1]);
}

static void
an_idle_pair_ends_and_a_busy_one_does_not(void **state)
{
	struct pair *k = *state;

	k->start.idle_ms = 1;
	start(k);
	restored(k);
	say(k, SST_CHAN_IDLE, 0, 0, "", NULL, 0);
	ping(k);
	say(k, SST_CHAN_IDLE, 0, 1, "", NULL, 0);
	assert_int_equal(heard(k, NULL, 0), 0);
	assert_int_equal(k->reply.verb, SST_CHAN_DRAIN);
	end_relay(k, 0);
	assert_int_equal(end_of(k), 0);
	/* 30 s are far away, and busy again takes them back. */
	k->start.idle_ms = 0;
	start(k);
	restored(k);
	say(k, SST_CHAN_IDLE, 0, 1, "", NULL, 0);
	say(k, SST_CHAN_IDLE, 0, 0, "", NULL, 0);
	ping(k);
}

static void
a_signal_drains_and_the_keeper_ends_with_its_relay(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct pair *k = *state;

	for (int i = 0; i < 3; i++) {
		start(k);
		restored(k);
		assert_int_equal(kill(k->keeper, signals[i]), 0);
		assert_int_equal(heard(k, NULL, 0), 0);
		assert_int_equal(k->reply.verb, SST_CHAN_DRAIN);
		ping(k);		/* it still serves */
		end_relay(k, 0);
		assert_int_equal(end_of(k), 0);
	}
}

static void
a_relay_started_while_draining_is_told_so(void **state)
{
	struct pair *k = *state;
	int held[2], got[2];

	start(k);
	restored(k);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, held), 0);
	say(k, SST_CHAN_HOLD, 1, 0, "s", held, 2);
	assert_int_equal(kill(k->keeper, SIGTERM), 0);
	assert_int_equal(heard(k, NULL, 0), 0);
	assert_int_equal(k->reply.verb, SST_CHAN_DRAIN);
	end_relay(k, 9);
	assert_int_equal(heard(k, got, 2), 1);
	assert_int_equal(k->reply.verb, SST_CHAN_RESTORE);
	(void)close(got[0]);
	(void)close(got[1]);
	restored(k);
	assert_int_equal(heard(k, NULL, 0), 0);
	assert_int_equal(k->reply.verb, SST_CHAN_DRAIN);
	say(k, SST_CHAN_RELEASE, 1, 0, "", NULL, 0);
	end_relay(k, 9);
	assert_int_equal(end_of(k), 1);		/* nothing is left to serve */
	(void)close(held[0]);
	(void)close(held[1]);
}

static void
callers_who_say_nothing_do_not_keep_others_out(void **state)
{
	struct pair *k = *state;
	int silent[100];
	char c;

	start(k);
	for (int i = 0; i < 100; i++)
		silent[i] = dial(k, 'k');
	ping(k);
	/* The first of them had to go, the last is still there. */
	assert_true(wait_for(silent[0], POLLIN));
	assert_int_equal(recv(silent[0], &c, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(silent[99], &c, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	for (int i = 0; i < 100; i++)
		(void)close(silent[i]);
	ping(k);
}

static void
the_relay_gets_its_five_descriptors_and_nothing_else(void **state)
{
	struct pair *k = *state;
	char path[64];
	struct stat st;

	start(k);
	for (int fd = 0; fd < 64; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/%u/fd/%d",
		    (unsigned)k->hello.relay_pid, fd);
		if (fd <= 7)
			assert_int_equal(stat(path, &st), 0);
		else
			assert_int_equal(stat(path, &st), -1);
		if (fd >= 3 && fd <= 7)
			assert_true(S_ISSOCK(st.st_mode));
	}
}

/* Our connection to the door, through which this was said; `ends`: and no more comes. */
static int
ask_at(const struct sockaddr_un *door, const char *question, int ends)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const size_t len = strlen(question);

	assert_int_equal(connect(fd, (const struct sockaddr *)door, sizeof(*door)), 0);
	assert_int_equal(send(fd, question, len, MSG_NOSIGNAL), (int)len);
	if (ends)
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
	return fd;
}

/* The relay hears that question, and answers on what came with it. NULL: it ends
 * without having come to the relay. */
static void
is_passed_on(struct pair *k, int fd, const char *question)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char buf[8];
	int got;

	/* We may not be the only one who asks. */
	while (question != NULL && poll(&p, 1, 0) == 0) {
		assert_true(heard_any(k, &got, 1) > 0);
		assert_int_equal(k->reply.verb, SST_CHAN_STATUS);
		if (strcmp(k->data, question) == 0)
			(void)send(got, "{}", 2, MSG_NOSIGNAL);
		(void)close(got);
	}
	assert_true(wait_for(fd, POLLIN));
	if (question != NULL)
		assert_int_equal(read(fd, buf, sizeof(buf)), 2);
	assert_true(read(fd, buf, sizeof(buf)) <= 0);
	(void)close(fd);
}

static void
the_status_door_hands_the_asker_to_the_relay(void **state)
{
	static char too_long[4200];
	struct pair *k = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	char dir[64];
	int fd;

	start(k);
	restored(k);
	sst_status_dir(geteuid(), dir, sizeof(dir));
	(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%ld.sock", dir,
	    (long)getpid());
	if (stat(addr.sun_path, &st) != 0)
		skip();		/* no such directory for this user */
	assert_int_equal(st.st_mode & 0777, 0600);
	is_passed_on(k, ask_at(&addr, "events since 3\n", 0), "events since 3");
	is_passed_on(k, ask_at(&addr, "events follow", 1), "events follow");
	is_passed_on(k, ask_at(&addr, "", 1), "");
	/* who says nothing wants the status, too */
	is_passed_on(k, ask_at(&addr, "", 0), "");
	/* in pieces */
	fd = ask_at(&addr, "eve", 0);
	assert_int_equal(send(fd, "nts\nmore", 8, MSG_NOSIGNAL), 8);
	is_passed_on(k, fd, "events");
	/* half a line, and one that is too long */
	is_passed_on(k, ask_at(&addr, "half", 0), NULL);
	memset(too_long, 'x', sizeof(too_long) - 1);
	is_passed_on(k, ask_at(&addr, too_long, 0), NULL);
	end_relay(k, 0);
	assert_int_equal(end_of(k), 0);
	assert_int_equal(stat(addr.sun_path, &st), -1);
}

static void
a_status_socket_takes_a_stale_ones_place_and_spares_a_newer_one(void **state)
{
	struct pair *k = *state;
	struct sst_status old, new;
	struct stat st;

	assert_int_equal(chmod(k->p->dir, 0755), 0);
	assert_int_equal(sst_status_open(&old, at(k->p, "d"), 1), 0);
	assert_int_equal(sst_status_open(&new, at(k->p, "d"), 1), 0);
	assert_int_equal(stat(new.path, &st), 0);
	assert_int_equal(st.st_ino, new.ino);
	assert_int_equal(st.st_mode & 0777, 0600);
	sst_status_close(&old);
	assert_int_equal(stat(new.path, &st), 0);
	sst_status_close(&new);
	assert_int_equal(stat(at(k->p, "d"), &st), -1);
	/* Where others can write, it does not go. */
	put_dir(k->p, "open");
	assert_int_equal(chmod(at(k->p, "open"), 0777), 0);
	assert_int_equal(sst_status_open(&new, at(k->p, "open"), 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(chmod(at(k->p, "open"), 0700), 0);
	assert_int_equal(sst_status_open(&new, at(k->p, "open"), 1), 0);
	sst_status_close(&new);
	if (geteuid() != 0)
		return;
	put_dir(k->p, "foreign");
	assert_int_equal(chown(at(k->p, "foreign"), 65534, 65534), 0);
	assert_int_equal(sst_status_open(&new, at(k->p, "foreign"), 1), -1);
	assert_int_equal(errno, EPERM);
}

static void
only_the_same_user_and_root_may_ask_for_the_status(void **state)
{
	int own[2], other[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, own), 0);
	assert_true(sst_status_may_ask(own[0]));
	(void)close(own[0]);
	(void)close(own[1]);
	if (geteuid() != 0)
		skip();
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, other), 0);
	assert_true(sst_status_may_ask(other[0]));
	assert_int_equal(seteuid(0), 0);
	assert_false(sst_status_may_ask(other[0]));
	(void)close(other[0]);
	(void)close(other[1]);
}

static void
a_pair_started_beforehand_leaves_a_record_for_the_program(void **state)
{
	struct pair *k = *state;
	struct sst_wire_serve record;
	struct stat st;
	const char *file = at(k->p, "record");
	int fd, watch = inotify_init1(IN_CLOEXEC);

	assert_true(inotify_add_watch(watch, at(k->p, ""), IN_MOVED_TO) >= 0);
	k->keeper = fork();
	if (k->keeper == 0) {
		(void)execl(PUPPET, PUPPET, "--serve", file, (char *)NULL);
		_exit(127);
	}
	assert_true(wait_for(watch, POLLIN));	/* it is renamed to its place, whole */
	(void)close(watch);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, &record, sizeof(record)), (int)sizeof(record));
	(void)close(fd);
	assert_int_equal(record.magic, SST_WIRE_MAGIC);
	assert_int_equal(record.keeper_pid, k->keeper);
	assert_int_equal(record.keeper_uid, geteuid());
	memcpy(k->start.door, record.door, sizeof(record.door));
	ping(k);
	/* Idle is no reason to end. */
	restored(k);
	say(k, SST_CHAN_IDLE, 0, 1, "", NULL, 0);
	ping(k);
	assert_int_equal(kill(k->keeper, SIGTERM), 0);
	assert_int_equal(heard(k, NULL, 0), 0);
	assert_int_equal(k->reply.verb, SST_CHAN_DRAIN);
	end_relay(k, 0);
	assert_int_equal(end_of(k), 0);
	assert_int_equal(stat(file, &st), -1);
}

#define PAIR(f)	cmocka_unit_test_setup_teardown(f, pair_open, pair_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR(a_pair_starts_and_says_who_it_is),
		PAIR(nothing_of_the_programs_surroundings_counts),
		PAIR(a_start_that_is_not_understood_is_answered),
		PAIR(a_door_that_is_taken_is_an_error),
		PAIR(a_relay_that_never_gets_ready_is_an_error_with_its_own_words),
		PAIR(a_file_is_forwarded_watched_and_opened_again),
		PAIR(an_answer_that_found_no_room_comes_when_there_is_some),
		PAIR(what_is_read_for_long_is_waited_for_and_what_nobody_reads_is_not),
		PAIR(a_directory_that_nobody_lists_is_watched_soon),
		PAIR(a_change_in_a_directory_is_named_and_can_be_told_of_at_the_door),
		PAIR(a_file_call_without_its_parts_is_refused),
		PAIR(what_was_held_comes_back_after_the_relay_was_killed),
		PAIR(the_last_words_of_a_relay_count),
		PAIR(a_listener_whose_newer_state_is_refused_ends_with_the_relay),
		PAIR(a_relay_that_crashes_again_and_again_is_given_up_only_with_nothing_held),
		PAIR(an_idle_pair_ends_and_a_busy_one_does_not),
		PAIR(a_signal_drains_and_the_keeper_ends_with_its_relay),
		PAIR(a_relay_started_while_draining_is_told_so),
		PAIR(callers_who_say_nothing_do_not_keep_others_out),
		PAIR(the_relay_gets_its_five_descriptors_and_nothing_else),
		PAIR(the_status_door_hands_the_asker_to_the_relay),
		PAIR(a_status_socket_takes_a_stale_ones_place_and_spares_a_newer_one),
		cmocka_unit_test(only_the_same_user_and_root_may_ask_for_the_status),
		PAIR(a_pair_started_beforehand_leaves_a_record_for_the_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
