/* SPDX-License-Identifier: ISC */
/*
 * The keeper with the real relay: start, death of the relay, the end.
 */
#include "place.h"

#include "base/clock.h"
#include "base/wire.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PATIENCE_MS	20000

struct real {
	struct sst_wire_start	start;
	struct sst_wire_hello	hello;
	pid_t			keeper;
	int			took_ms;
};

/* As under a service manager's filter. 0, or -1: none may be set here. */
static int
forbid_wait(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_wait4, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0 ? 0 : -1;
}

static int
open_under(void **state, int forbidden)
{
	struct real *r = calloc(1, sizeof(*r));
	struct sst_wire_head head;
	struct pollfd p;
	int64_t began = sst_clock_ms();
	int ends[2];

	if (r == NULL ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	*state = r;
	r->start.magic = SST_WIRE_MAGIC;
	r->start.version = SST_WIRE_VERSION;
	r->start.flags = SST_START_STDERR;
	r->start.program_pid = (uint32_t)getpid();
	(void)strcpy(r->start.program, "test");
	if (sst_wire_door_random(r->start.door) != 0)
		return -1;
	r->keeper = fork();
	if (r->keeper == 0) {
		if (forbidden && forbid_wait() != 0)
			_exit(126);
		(void)dup2(ends[1], 3);
		(void)execl(SECURESOCKETSD, SECURESOCKETSD, "--keeper", (char *)NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	if (send(ends[0], &r->start, sizeof(r->start), 0) != (ssize_t)sizeof(r->start))
		return -1;
	p = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	if (poll(&p, 1, PATIENCE_MS) != 1 || sst_wire_recv(ends[0], &head, &r->hello,
	    sizeof(r->hello), NULL, 0) != (long)sizeof(r->hello) || head.a != 0)
		return -1;
	(void)close(ends[0]);
	r->took_ms = (int)(sst_clock_ms() - began);
	return 0;
}

static int
real_open(void **state)
{
	return open_under(state, 0);
}

static int
forbidden_open(void **state)
{
	return open_under(state, 1);
}

static int
real_close(void **state)
{
	struct real *r = *state;

	if (r->keeper > 0) {
		(void)kill(r->keeper, SIGKILL);
		(void)waitpid(r->keeper, NULL, 0);
	}
	free(r);
	return 0;
}

static void
ping(struct real *r)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, r->start.door, 'k');
	struct sst_wire_head head;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	sst_wire_init(&head, SST_WIRE_PING);
	assert_int_equal(sst_wire_send(fd, &head, NULL, 0, NULL, 0), 0);
	assert_int_equal(sst_wire_recv(fd, &head, &r->hello, sizeof(r->hello), NULL, 0),
	    (int)sizeof(r->hello));
	(void)close(fd);
}

static void
a_pair_starts_and_its_relay_gave_up_its_rights(void **state)
{
	struct real *r = *state;
	char path[64], text[4096] = "";
	const char *line;
	int fd;

	print_message("started in %d ms\n", r->took_ms);
	ping(r);
	(void)snprintf(path, sizeof(path), "/proc/%u/status", r->hello.relay_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	line = strstr(text, "\nUid:\t");
	assert_non_null(line);
	assert_true(strncmp(line, "\nUid:\t0", 7) != 0);
	assert_non_null(strstr(text, "\nCapEff:\t0000000000000000\n"));
	assert_non_null(strstr(text, "\nNoNewPrivs:\t1\n"));
}

/* 1: another relay came in its place. */
static int
is_replaced(struct real *r, uint32_t old)
{
	for (int i = 0; i < PATIENCE_MS &&
	    (r->hello.relay_pid == old || r->hello.relay_pid == 0); i++) {
		(void)poll(NULL, 0, 1);
		ping(r);
	}
	return r->hello.relay_pid != old && r->hello.relay_pid != 0;
}

static void
a_killed_relay_is_replaced(void **state)
{
	struct real *r = *state;
	uint32_t old = r->hello.relay_pid;

	/* A change of state that is not its end tells the keeper as well. */
	assert_int_equal(kill((pid_t)old, SIGSTOP), 0);
	for (int i = 0; i < 50; i++)
		ping(r);
	assert_int_equal(r->hello.relay_pid, old);
	assert_int_equal(kill((pid_t)old, SIGKILL), 0);
	assert_true(is_replaced(r, old));
}

static void
a_relay_whose_end_may_not_be_asked_for_is_replaced_as_well(void **state)
{
	struct real *r = *state;
	uint32_t old;

	old = r->hello.relay_pid;
	for (int i = 0; i < 50; i++)
		ping(r);
	assert_int_equal(r->hello.relay_pid, old);
	assert_int_equal(kill((pid_t)old, SIGKILL), 0);
	assert_true(is_replaced(r, old));
}

static void
a_signal_to_either_ends_both(void **state)
{
	struct real *r = *state;
	int how;

	assert_int_equal(kill((pid_t)r->hello.relay_pid, SIGTERM), 0);
	assert_int_equal(waitpid(r->keeper, &how, 0), r->keeper);
	r->keeper = 0;
	assert_int_equal(how, 0);
	assert_int_equal(kill((pid_t)r->hello.relay_pid, 0), -1);
	assert_int_equal(real_close(state), 0);
	assert_int_equal(real_open(state), 0);
	r = *state;
	assert_int_equal(kill(r->keeper, SIGTERM), 0);
	assert_int_equal(waitpid(r->keeper, &how, 0), r->keeper);
	r->keeper = 0;
	assert_int_equal(how, 0);
	assert_int_equal(kill((pid_t)r->hello.relay_pid, 0), -1);
}

#define REAL(f)	cmocka_unit_test_setup_teardown(f, real_open, real_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REAL(a_pair_starts_and_its_relay_gave_up_its_rights),
		REAL(a_killed_relay_is_replaced),
		cmocka_unit_test_setup_teardown(
		    a_relay_whose_end_may_not_be_asked_for_is_replaced_as_well,
		    forbidden_open, real_close),
		REAL(a_signal_to_either_ends_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
