/* SPDX-License-Identifier: ISC */
#include "child.h"
#include "sys.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/wire.h"

/* In place of close_range() where the kernel has none. */
static void
close_each(int first)
{
	struct rlimit lim = { .rlim_cur = 1024 };
	int last;

	(void)getrlimit(RLIMIT_NOFILE, &lim);
	last = lim.rlim_max > 1 << 20 ? 1 << 20 : (int)lim.rlim_max;
	for (int fd = first; fd < last; fd++)
		(void)SST_SYS(SYS_close, fd);
}

static void
close_from(int first)
{
	if (SST_SYS(SYS_close_range, first, ~0U, 0) < 0)
		close_each(first);
}

/* 0, 1 and 2 become /dev/null; a chroot without one gets an empty file. */
static void
null_descriptors(int keep_stderr)
{
	long fd = SST_SYS(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fd = SST_SYS(SYS_memfd_create, "null", 1U);
	for (int i = 0; i < (keep_stderr ? 2 : 3); i++)
		if (fd < 0)
			sst_sys_close(i);
		else if (fd == i)
			(void)SST_SYS(SYS_fcntl, fd, F_SETFD, 0);
		else
			(void)SST_SYS(SYS_dup3, fd, i, 0);
	if (fd > 2)
		sst_sys_close((int)fd);
}

/* The one that stays is 3; -errno when the table has no room. */
static int
arrange_descriptors(int fd, int keep_stderr)
{
	long high = SST_SYS(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 4);

	/* A full table: 3 is free for the taking in this process. */
	if (high < 0)
		high = fd;
	if (high == 3)
		(void)SST_SYS(SYS_fcntl, 3, F_SETFD, 0);
	else if (SST_SYS(SYS_dup3, high, 3, 0) < 0)
		return -EMFILE;
	close_from(4);
	null_descriptors(keep_stderr);
	return 0;
}

/* By the kernel's own interface: a wrapper may keep books in memory, and the
 * memory is the program's. */
static void
reset_signals(void)
{
	unsigned long dfl[16] = { 0 };	/* struct sigaction, all zero: SIG_DFL */
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)SST_SYS(SYS_rt_sigaction, s, dfl, NULL, (size_t)(NSIG - 1) / 8);
	(void)sigemptyset(&none);
	(void)SST_SYS(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL,
	    (size_t)(NSIG - 1) / 8);
}

static void
reset_limits(void)
{
	struct rlimit lim;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		if (getrlimit(i, &lim) < 0)
			continue;
		lim.rlim_cur = lim.rlim_max;
		/* The size of a thread's stack comes from this one. */
		if (i == RLIMIT_STACK && lim.rlim_max > 8 << 20)
			lim.rlim_cur = 8 << 20;
		if (i == RLIMIT_CORE)
			lim.rlim_cur = 0;
		(void)setrlimit(i, &lim);
	}
}

static void
reset_scheduling(void)
{
	struct sched_param plain = { .sched_priority = 0 };
	unsigned long every[1024 / (8 * sizeof(long))];

	memset(every, 0xff, sizeof(every));
	(void)SST_SYS(SYS_sched_setaffinity, 0, sizeof(every), every);
	(void)SST_SYS(SYS_sched_setscheduler, 0, SCHED_OTHER, &plain);
	(void)setpriority(PRIO_PROCESS, 0, 0);
}

/* The second child. Says why it could not become the keeper. */
static int
second(void *arg)
{
	static const char *const env[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		NULL
	};
	static const char *const argv[] = { "securesocketsd", "--keeper", NULL };
	const struct sst_child *child = arg;
	struct sst_wire_head head;
	int r;

	(void)setsid();
	reset_limits();
	reset_scheduling();
	r = arrange_descriptors(child->fd, child->keep_stderr);
	(void)umask(S_IRWXG | S_IRWXO);
	reset_signals();
	if (r == 0)
		r = (int)SST_SYS(SYS_chdir, "/");
	if (r == 0)
		r = (int)SST_SYS(SYS_execve, child->path, argv, env);
	/* Closed with the start message unread, the other end would see a reset
	 * in place of the answer. */
	(void)SST_SYS(SYS_recvfrom, 3, &head, sizeof(head), MSG_DONTWAIT, NULL, NULL);
	sst_wire_init(&head, SST_WIRE_REPLY);
	head.a = -1;
	head.b = -r;
	(void)sst_wire_send(3, &head, NULL, 0, NULL, 0);
	(void)SST_SYS(SYS_exit_group, 127);
	return 127;
}

/* Stays, holds nothing, and is the parent that the program must not be. */
static void
be_anchor(void)
{
	long r;

	(void)setsid();
	(void)SST_SYS(SYS_chdir, "/");
	(void)prctl(PR_SET_NAME, "securesocketsd");
	close_from(0);
	do
		r = SST_SYS(SYS_wait4, -1, NULL, __WALL, NULL);
	while (r != -ECHILD);
}

int
sst_child_first(void *arg)
{
	struct sst_child *child = arg;
	int pid;
	int r;

	pid = SST_CLONE(second, child->stack, CLONE_VM | CLONE_VFORK | SIGCHLD,
	    child);
	r = pid < 0 ? errno : 0;
	if (pid > 0 && child->anchored)
		be_anchor();
	(void)SST_SYS(SYS_exit_group, r);
	return r;
}
