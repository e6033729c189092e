/* SPDX-License-Identifier: ISC */
/*
 * run_watch - the process beside a program under `sstool run`.
 *
 *	run.c --fork, fork--> watcher <--one byte-- the library in the program
 *
 * Always true:
 *   1. The program never has it as a child that wait() reports.
 *   2. It holds nothing of the program's: no descriptor, no session, no folder;
 *      stderr only until the library has reported.
 *   3. It goes when the program is gone, and under a filter when the last
 *      process under that filter is.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "out.h"
#include "run.h"

#define PATIENCE_MS	2000

struct watcher {
	int		 report;	/* -1: the library has reported */
	int		 program;	/* pidfd; -1: it ended */
	int		 tell;		/* -1: nothing more comes */
	int		 filter;	/* or -1 */
	int		 held;
	int		 stays;		/* the program's child: must not end first */
	const char	*name;
};

static long long
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
silence(int first, int last)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = first; i <= last; i++)
		if (fd < 0)
			close(i);
		else
			dup2(fd, i);
	if (fd > 2)
		close(fd);
}

/* Keeps what the watcher needs, in the lowest places from 3 on. */
static void
settle(struct watcher *w)
{
	int *keep[4] = { &w->report, &w->program, &w->tell, &w->held };
	int copy[4];

	for (int i = 0; i < 4; i++)
		copy[i] = *keep[i] < 0 ? -1 : fcntl(*keep[i], F_DUPFD_CLOEXEC, 10);
	/* Our copy of the program's ends would hide that it closed them. */
	syscall(SYS_close_range, 3, 9, 0);
	for (int i = 0; i < 4; i++)
		*keep[i] = copy[i] < 0 ? -1 : dup3(copy[i], 3 + i, O_CLOEXEC);
	syscall(SYS_close_range, 7, ~0U, 0);
	silence(0, 1);
	setsid();
	if (chdir("/") != 0)
		errno = 0;
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
}

static void
kill_program(struct watcher *w)
{
	char name[256];

	sst_out_trouble(0, "run: %s is killed: it did not load libsecuresockets "
	    "within 2 s and would have spoken plain TCP",
	    sst_out_clean(name, sizeof(name), w->name));
	syscall(SYS_pidfd_send_signal, w->program, SIGKILL, NULL, 0);
	drop(&w->report);
}

/* The end of the pipe without a word: the program closed it, or is ending and
 * that is not seen yet. */
static void
take_report(struct watcher *w)
{
	struct pollfd p = { .fd = w->program, .events = POLLIN };
	char byte;

	if (read(w->report, &byte, 1) == 1 || poll(&p, 1, 200) == 1)
		drop(&w->report);
	else
		kill_program(w);
	silence(2, 2);
}

static void
take_filter(struct watcher *w)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int))];
	} space;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &space, .msg_controllen = sizeof(space) };
	struct cmsghdr *c;

	if (recvmsg(w->tell, &msg, MSG_CMSG_CLOEXEC) == 1) {
		c = CMSG_FIRSTHDR(&msg);
		if (c != NULL && c->cmsg_type == SCM_RIGHTS)
			memcpy(&w->filter, CMSG_DATA(c), sizeof(int));
	}
	drop(&w->tell);
}

static int
is_over(const struct watcher *w)
{
	if (w->tell >= 0 || (w->report >= 0 && w->program >= 0))
		return 0;
	/* Without the kernel's word for the last one, the first one counts. */
	if (w->filter < 0)
		return w->held < 0 || w->program < 0;
	return 0;
}

/* Waits for the next thing to happen. 1: everybody is gone. */
static int
step(struct watcher *w, long long deadline)
{
	struct pollfd p[4] = {
		{ .fd = w->report, .events = POLLIN },
		{ .fd = w->program, .events = POLLIN },
		{ .fd = w->tell, .events = POLLIN },
		{ .fd = w->filter, .events = 0 },
	};
	long long left = deadline - now_ms();
	int n = poll(p, 4, w->report < 0 ? -1 : left > 0 ? (int)left : 0);

	if (n < 0)
		return errno != EINTR;
	if (p[2].revents != 0)
		take_filter(w);
	if (p[1].revents != 0) {
		drop(&w->program);
		drop(&w->report);
	} else if (p[0].revents != 0) {
		take_report(w);
	} else if (w->report >= 0 && now_ms() >= deadline) {
		kill_program(w);
	}
	return (p[3].revents & POLLHUP) != 0;
}

static void __attribute__((noreturn))
watch(struct watcher *w)
{
	long long deadline = now_ms() + PATIENCE_MS;

	settle(w);
	while (!is_over(w))
		if (step(w, deadline))
			break;
	drop(&w->held);
	silence(2, 2);
	while (w->stays)
		pause();
	_exit(0);
}

/* PID 1 and subreapers get orphans back. There the watcher stays a child, with
 * an exit signal of 0, which wait() does not see, and outlives the program. */
static int
start(struct watcher *w)
{
	int subreaper = 0;
	int status;
	pid_t pid;

	prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
	w->stays = getpid() == 1 || subreaper != 0;
	pid = w->stays ? (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL) :
	    fork();
	if (pid < 0)
		return -1;
	if (pid > 0)
		return w->stays || waitpid(pid, &status, 0) == pid ? 0 : -1;
	if (w->stays)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	else if (fork() != 0)
		_exit(0);
	watch(w);
}

int
sst_run_watch_start(struct sst_run_watch *run, int held, const char *program)
{
	struct watcher w = { .held = held, .filter = -1, .name = program };
	int pipes[2] = { -1, -1 }, tell[2] = { -1, -1 };
	int r = -1;

	fflush(NULL);
	w.program = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (w.program >= 0 && pipe2(pipes, O_CLOEXEC) == 0 &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, tell) == 0) {
		w.report = pipes[0];
		w.tell = tell[1];
		r = start(&w);
	}
	if (r < 0)
		sst_out_trouble(0, "run: cannot watch the program: %s",
		    strerror(errno));
	drop(&w.program);
	drop(&pipes[0]);
	drop(&tell[1]);
	run->report = pipes[1];
	run->tell = tell[0];
	return r < 0 ? SST_EXIT_UNAVAILABLE : 0;
}

void
sst_run_watch_tell(struct sst_run_watch *run, int filter)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int))];
	} space;
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &space, .msg_controllen = sizeof(space) };
	struct cmsghdr *c;

	memset(&space, 0, sizeof(space));
	if (filter >= 0) {
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &filter, sizeof(int));
		sendmsg(run->tell, &msg, MSG_NOSIGNAL);
	}
	drop(&filter);
	drop(&run->tell);
}
