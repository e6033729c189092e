/* SPDX-License-Identifier: ISC */
/* start - the pair that the first socket starts, and whose child it is not. */
#include "program.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/sockname.h"
#include "base/wire.h"
#include "shim/record.h"

static volatile sig_atomic_t children_reported;

static void
count_child(int sig)
{
	(void)sig;
	children_reported++;
}

static int
make_socket(void)
{
	return sst_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
}

/* A program in an odd state: its keeper must start in an ordinary one. */
static int
odd_program(void)
{
	char state[2048] = "", want[256];
	struct rlimit lim = { 64, 128 };
	cpu_set_t one, every;
	sigset_t all;
	int fd;

	use_agent("");
	CHECK(sched_getaffinity(0, sizeof(every), &every) == 0);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
		if (CPU_ISSET(i, &every))
			CPU_SET(i, &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	(void)umask(0);
	CHECK(chdir("/tmp") == 0);
	(void)setenv("LD_DEBUG_NOTHING", "1", 1);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)setrlimit(RLIMIT_NOFILE, &lim);
	for (int i = 10; i < 20; i++)
		CHECK(dup2(2, i) == i);
	fd = make_socket();
	CHECK(fd >= 0);
	(void)ask_agent(fd, AGENT_STATE, state, sizeof(state));
	(void)snprintf(want, sizeof(want), "fd0 fd1 fd2 fd3 env:PATH= cwd:/ umask:77 "
	    "signals:0 leader:1 files:1 cpus:%d nice:0", CPU_COUNT(&every));
	if (strcmp(state, want) != 0)
		print_message("%s\n%s\n", state, want);
	CHECK(strcmp(state, want) == 0);
	return 0;
}

static void
the_keeper_inherits_nothing_of_the_programs_state(void **state)
{
	(void)state;
	assert_int_equal(in_child(odd_program), 0);
}

/* Whatever happens to the agent, wait() and SIGCHLD do not speak of it. */
static int
not_a_child(void)
{
	struct sigaction on_child = { .sa_handler = count_child };
	int pids[2] = { 0, 0 };
	int first, second;

	use_agent("");
	(void)sigaction(SIGCHLD, &on_child, NULL);
	first = make_socket();
	CHECK(first >= 0);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	(void)ask_agent(first, AGENT_PIDS, pids, sizeof(pids));
	CHECK(pids[0] > 1);
	CHECK(pids[1] != getpid());
	/* It dies, a second one is started, and that is no news either. */
	end_agent(first);
	second = make_socket();
	CHECK(second >= 0);
	CHECK(agent_pid(second) != pids[0]);
	for (int i = 0; i < 100; i++)
		CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	end_agent(second);
	CHECK(children_reported == 0);
	/* A child of the program's own is reported as ever. */
	if (fork() == 0)
		_exit(7);
	CHECK(waitpid(-1, NULL, 0) > 0);
	CHECK(children_reported == 1);
	return 0;
}

static void
sk_100_an_ordinary_program_never_sees_a_child(void **state)
{
	(void)state;
	assert_int_equal(in_child(not_a_child), 0);
}

static int
subreaper(void)
{
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	return not_a_child();
}

static void
sk_100_a_subreaper_never_sees_a_child(void **state)
{
	(void)state;
	assert_int_equal(in_child(subreaper), 0);
}

static int
first_of_namespace(void)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWPID) != 0 &&
	    unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0)
		return 255;
	pid = fork();
	if (pid == 0)
		_exit(getpid() == 1 ? not_a_child() : 254);
	CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
sk_100_pid_1_of_a_namespace_never_sees_a_child(void **state)
{
	int r = in_child(first_of_namespace);

	(void)state;
	if (r == 255) {
		print_message("no PID namespace may be made here\n");
		skip();
	}
	assert_int_equal(r, 0);
}

struct racer {
	pthread_barrier_t *line;
	int		   fd;
};

static void *
race(void *arg)
{
	struct racer *r = arg;

	(void)pthread_barrier_wait(r->line);
	r->fd = make_socket();
	return NULL;
}

static int
eight_first_sockets(void)
{
	pthread_barrier_t line;
	struct racer racers[8];
	pthread_t threads[8];

	use_agent("");
	(void)pthread_barrier_init(&line, NULL, 8);
	for (int i = 0; i < 8; i++) {
		racers[i].line = &line;
		CHECK(pthread_create(&threads[i], NULL, race, &racers[i]) == 0);
	}
	for (int i = 0; i < 8; i++)
		(void)pthread_join(threads[i], NULL);
	for (int i = 0; i < 8; i++) {
		CHECK(racers[i].fd >= 0);
		CHECK(agent_pid(racers[i].fd) == agent_pid(racers[0].fd));
	}
	return 0;
}

static void
threads_that_race_for_the_first_socket_start_one_pair(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(in_child(eight_first_sockets), 0);
}

static int
fork_and_go_on(void)
{
	int fd, parents, status;
	pid_t pid;

	use_agent("");
	fd = make_socket();
	CHECK(fd >= 0);
	parents = agent_pid(fd);
	pid = fork();
	if (pid == 0) {
		int mine = make_socket();

		_exit(mine >= 0 && agent_pid(mine) == parents &&
		    agent_pid(fd) == parents ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	return 0;
}

static void
a_child_of_fork_uses_the_parents_pair(void **state)
{
	(void)state;
	assert_int_equal(in_child(fork_and_go_on), 0);
}

static void
sk_87_a_dead_pair_is_replaced_for_new_sockets_only(void **state)
{
	int old = tls_socket(SOCK_CLOEXEC), fresh, pid = agent_pid(old);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	(void)state;
	end_agent(old);
	fresh = tls_socket(SOCK_CLOEXEC);
	assert_int_not_equal(agent_pid(fresh), pid);
	assert_int_equal(sst_getsockname(old, (struct sockaddr *)&addr, &len), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_non_null(strstr(last_sentence(), "has ended"));
	assert_int_equal(sst_getsockname(fresh, (struct sockaddr *)&addr, &len), 0);
	(void)close(old);
	(void)close(fresh);
}

/* The relay's door outlives the keeper's for a moment: it hangs up. */
static void
a_pair_without_its_keeper_is_replaced(void **state)
{
	int old = tls_socket(SOCK_CLOEXEC), fresh, pid = agent_pid(old);
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	(void)state;
	assert_int_equal(steer_agent(old, AGENT_NO_KEEPER, 0), 0);
	fresh = tls_socket(SOCK_CLOEXEC);
	assert_int_not_equal(agent_pid(fresh), pid);
	assert_int_equal(sst_getsockname(old, (struct sockaddr *)&addr, &len), -1);
	assert_int_equal(errno, ENOBUFS);
	(void)close(old);
	(void)close(fresh);
}

static int
expect_failure(const char *path, int want, const char *words)
{
	int before;

	(void)setenv("SECURESOCKETS_AGENT", path, 1);
	before = open_descriptors();
	errno = 0;
	CHECK(make_socket() == -1);
	if (errno != want || strstr(last_sentence(), words) == NULL)
		print_message("%s: %s\n", strerror(errno), last_sentence());
	CHECK(errno == want);
	CHECK(strstr(last_sentence(), words) != NULL);
	CHECK(open_descriptors() == before);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
	return 0;
}

static int
agents_that_cannot_serve(void)
{
	int r = expect_failure("/nonexistent/securesocketsd", ENOBUFS,
	    "/nonexistent/securesocketsd: No such file or directory: install");

	if (r == 0)
		r = expect_failure("/proc/self/environ", EACCES, "Permission denied");
	if (r == 0)
		r = expect_failure("/bin/true", ENOBUFS, "ended before");
	if (r == 0)
		r = expect_failure(TEST_AGENT "_refusing", ENOBUFS, "no room here");
	if (r == 0)
		r = expect_failure("/no\npath", ENOBUFS, "/no\\x0apath");
	/* And the next try is free to succeed. */
	if (r == 0) {
		use_agent("");
		r = make_socket() >= 0 ? 0 : 200;
	}
	return r;
}

static void
a_helper_that_cannot_run_is_an_error_with_a_sentence(void **state)
{
	(void)state;
	assert_int_equal(in_child(agents_that_cannot_serve), 0);
}

static int
agents_that_cannot_serve_a_subreaper(void)
{
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	return agents_that_cannot_serve();
}

static void
a_helper_that_cannot_run_leaves_a_subreaper_no_child(void **state)
{
	(void)state;
	assert_int_equal(in_child(agents_that_cannot_serve_a_subreaper), 0);
}

static int
silent_agent(void)
{
	struct timespec from, to;
	int r;

	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	r = expect_failure(TEST_AGENT "_silent", ENOBUFS, "did not answer");
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK(r == 0);
	CHECK(to.tv_sec - from.tv_sec >= 4 && to.tv_sec - from.tv_sec < 20);
	return 0;
}

static void
a_helper_that_never_answers_is_waited_for_5_seconds(void **state)
{
	(void)state;
	assert_int_equal(in_child(silent_agent), 0);
}

/* socket(AF_UNIX) says EAFNOSUPPORT, as under RestrictAddressFamilies. */
static int
without_unix_sockets(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	use_agent("");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		return 255;
	CHECK(make_socket() == -1 && errno == EAFNOSUPPORT);
	CHECK(strstr(last_sentence(), "AF_UNIX") != NULL);
	return 0;
}

static void
no_unix_sockets_is_eafnosupport(void **state)
{
	int r = in_child(without_unix_sockets);

	(void)state;
	if (r == 255) {
		print_message("no system call filter may be set here\n");
		skip();
	}
	assert_int_equal(r, 0);
}

/* Takes the doors of the pair that served `fd`; what comes in is counted. */
static int
squat(int fd, int doors[2])
{
	struct sst_sockname name;
	struct sockaddr_un addr;
	socklen_t len = sizeof(addr);

	CHECK(syscall(SYS_getsockname, fd, &addr, &len) == 0);
	CHECK(sst_sockname_decode(&addr, len, &name) == 1);
	for (int i = 0; i < 2; i++) {
		doors[i] = (int)syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET, 0);
		len = sst_wire_door(&addr, name.door, "kr"[i]);
		CHECK(syscall(SYS_bind, doors[i], &addr, len) == 0);
		CHECK(syscall(SYS_listen, doors[i], 8) == 0);
	}
	return 0;
}

static int
squatted(void)
{
	struct sst_wire_head head;
	int old, fresh, fds, doors[2], status, conn;
	char byte;
	pid_t pid;
	int ready[2];

	use_agent("");
	old = make_socket();
	CHECK(old >= 0 && pipe(ready) == 0);
	end_agent(old);
	pid = fork();
	if (pid == 0) {
		if (squat(old, doors) != 0)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		/* Whoever comes must leave without a word, and without a
		 * descriptor of the program's. */
		conn = (int)syscall(SYS_accept4, doors[1], NULL, NULL, 0);
		_exit(sst_wire_recv(conn, &head, NULL, 0, &fds, 1) < 0 &&
		    errno == ECONNRESET ? 0 : 2);
	}
	CHECK(read(ready[0], &byte, 1) == 1);
	fresh = make_socket();		/* looks at the door, starts another */
	CHECK(fresh >= 0);
	CHECK(agent_pid(fresh) != pid);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(status == 0);
	return 0;
}

static void
a_squatter_on_a_dead_pairs_door_is_sent_nothing(void **state)
{
	(void)state;
	assert_int_equal(in_child(squatted), 0);
}

static void
sk_1_2_a_socket_is_the_lowest_number_and_has_its_flags(void **state)
{
	struct stat st;
	int one = tls_socket(0), hole = dup(one), two;

	(void)state;
	(void)close(hole);
	errno = 0;
	two = sst_socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    IPPROTO_TLS);
	assert_int_equal(errno, 0);
	assert_int_equal(two, hole);
	assert_int_equal(fcntl(one, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(one, F_GETFD), 0);
	assert_int_equal(fcntl(two, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(two, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(two, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	(void)close(one);
	(void)close(two);
}

static void
sk_3_4_what_is_no_tls_stream_is_refused_and_never_plain(void **state)
{
	(void)state;
	use_agent("");
	assert_int_equal(sst_socket(AF_INET, SOCK_DGRAM, IPPROTO_TLS), -1);
	assert_int_equal(errno, EPROTONOSUPPORT);
	assert_int_equal(sst_socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_TLS),
	    -1);
	assert_int_equal(errno, EPROTONOSUPPORT);
	assert_int_equal(sst_socket(AF_UNIX, SOCK_STREAM, IPPROTO_TLS), -1);
	assert_int_equal(errno, EPROTONOSUPPORT);
	assert_int_equal(sst_socket(AF_INET, SOCK_STREAM | 0x40, IPPROTO_TLS), -1);
	assert_int_equal(errno, EINVAL);
	/* And the kernel without us, which the number was chosen for. */
	assert_int_equal(syscall(SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_TLS), -1);
	assert_int_equal(errno, EPROTONOSUPPORT);
}

static void
sk_17_a_thousand_sockets_leave_no_descriptor(void **state)
{
	int before, fd;

	(void)state;
	(void)close(tls_socket(0));
	before = open_descriptors();
	for (int i = 0; i < 500; i++) {
		fd = tls_socket(0);
		assert_int_equal(close(fd), 0);
	}
	assert_int_equal(open_descriptors(), before);
}

/* `argv[1]` is the agent's pid: a program whose pair somebody else made. */
static int
served_program(const char *pid)
{
	int fd;

	(void)unsetenv("SECURESOCKETS_AGENT");
	fd = make_socket();
	if (fd < 0)
		print_message("%s\n", last_sentence());
	return fd >= 0 && agent_pid(fd) == atoi(pid) ? 0 : 1;
}

static int
run_served(const char *path, int agent)
{
	char pid[16];
	int status;
	pid_t child = fork();

	if (child == 0) {
		(void)snprintf(pid, sizeof(pid), "%d", agent);
		(void)setenv("SECURESOCKETS_SERVE", path, 1);
		(void)execl("/proc/self/exe", "served", pid, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WEXITSTATUS(status);
}

static void
a_pair_that_was_made_beforehand_is_used_if_its_record_is_safe(void **state)
{
	int fd = tls_socket(SOCK_CLOEXEC), agent = agent_pid(fd), file;
	char path[] = "/tmp/sst-served-XXXXXX";
	struct sst_wire_serve record = { .magic = SST_WIRE_MAGIC,
	    .version = SST_WIRE_VERSION, .keeper_uid = geteuid() };
	struct sst_pair pair;

	(void)state;
	assert_int_equal(sst_record_peek(&pair), 1);
	memcpy(record.door, pair.door, sizeof(record.door));
	memcpy(record.secret, pair.secret, sizeof(record.secret));
	record.keeper_pid = (uint32_t)pair.keeper_pid;
	file = mkstemp(path);
	assert_int_equal(write(file, &record, sizeof(record)), sizeof(record));
	assert_int_equal(run_served(path, agent), 0);
	/* Others may write it: they could have put their own door there. */
	assert_int_equal(fchmod(file, 0622), 0);
	assert_int_equal(run_served(path, agent), 1);
	assert_int_equal(fchmod(file, 0600), 0);
	/* Another version. */
	record.version++;
	assert_int_equal(pwrite(file, &record, sizeof(record), 0), sizeof(record));
	assert_int_equal(run_served(path, agent), 1);
	/* Another process than the one that the record names. */
	record.version--;
	record.keeper_pid++;
	assert_int_equal(pwrite(file, &record, sizeof(record), 0), sizeof(record));
	assert_int_equal(run_served(path, agent), 1);
	(void)unlink(path);
	(void)close(file);
	(void)close(fd);
}

int
main(int argc, char **argv)
{
	/* Those in a child come first: they need a program without a pair. */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keeper_inherits_nothing_of_the_programs_state),
		cmocka_unit_test(sk_100_an_ordinary_program_never_sees_a_child),
		cmocka_unit_test(sk_100_a_subreaper_never_sees_a_child),
		cmocka_unit_test(sk_100_pid_1_of_a_namespace_never_sees_a_child),
		cmocka_unit_test(threads_that_race_for_the_first_socket_start_one_pair),
		cmocka_unit_test(a_child_of_fork_uses_the_parents_pair),
		cmocka_unit_test(a_helper_that_cannot_run_is_an_error_with_a_sentence),
		cmocka_unit_test(a_helper_that_cannot_run_leaves_a_subreaper_no_child),
		cmocka_unit_test(a_helper_that_never_answers_is_waited_for_5_seconds),
		cmocka_unit_test(no_unix_sockets_is_eafnosupport),
		cmocka_unit_test(a_squatter_on_a_dead_pairs_door_is_sent_nothing),
		cmocka_unit_test(sk_87_a_dead_pair_is_replaced_for_new_sockets_only),
		cmocka_unit_test(a_pair_without_its_keeper_is_replaced),
		cmocka_unit_test(sk_1_2_a_socket_is_the_lowest_number_and_has_its_flags),
		cmocka_unit_test(sk_3_4_what_is_no_tls_stream_is_refused_and_never_plain),
		cmocka_unit_test(sk_17_a_thousand_sockets_leave_no_descriptor),
		cmocka_unit_test(
		    a_pair_that_was_made_beforehand_is_used_if_its_record_is_safe),
	};

	(void)argc;
	if (strcmp(argv[0], "served") == 0)
		return served_program(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
