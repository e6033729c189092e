/* SPDX-License-Identifier: ISC */
/*
 * deny - runs a program under a system call filter, as a service manager does.
 *
 *	deny errno|kill CALL... -- PROGRAM ARGUMENTS...
 *
 * CALL is a name of the list below, or AF_UNIX, AF_INET, AF_INET6: socket() of
 * that family is EAFNOSUPPORT. Exit status 77: filters are not allowed here.
 *
 * Always true:
 *   1. execve(), exit_group() and what starts a program stay allowed, so what
 *      fails is the program's, not this one's.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SKIPPED		77
#define RULES_MAX	400
#define CALL(name)	{ #name, SYS_ ## name }

static const struct {
	const char	*name;
	unsigned	 number;
} calls[] = {
	CALL(accept4), CALL(bind), CALL(capset), CALL(chdir), CALL(chmod),
	CALL(clone), CALL(clone3), CALL(close_range), CALL(connect),
	CALL(epoll_create1), CALL(eventfd2), CALL(execveat), CALL(fcntl),
	CALL(ftruncate), CALL(getpeername), CALL(getsockname), CALL(getsockopt),
	CALL(inotify_add_watch), CALL(inotify_init1), CALL(ioctl), CALL(listen),
	CALL(memfd_create), CALL(mkdir), CALL(prctl), CALL(process_vm_readv),
	CALL(process_vm_writev), CALL(readlinkat), CALL(recvfrom), CALL(recvmsg),
	CALL(fchmod), CALL(fsync), CALL(rename), CALL(renameat),
	CALL(sched_setaffinity), CALL(sched_setscheduler),
	CALL(sendfile), CALL(sendmsg), CALL(sendto), CALL(setgroups),
	CALL(setpriority), CALL(setresgid), CALL(setresuid), CALL(setsid),
	CALL(setsockopt), CALL(shutdown), CALL(signalfd4), CALL(socketpair),
	CALL(pipe2), CALL(splice), CALL(sysinfo), CALL(umask), CALL(unlink), CALL(wait4),
#ifdef SYS_dup2		/* newer architectures have only the general forms */
	CALL(dup2), CALL(epoll_wait), CALL(poll), CALL(rmdir), CALL(access),
#endif
	CALL(timer_create), CALL(timer_delete), CALL(timer_settime),
	CALL(dup3), CALL(ppoll), CALL(openat2), CALL(faccessat),
};

static const struct {
	const char	*name;
	unsigned	 number;
} families[] = {
	{ "AF_UNIX", AF_UNIX }, { "AF_INET", AF_INET }, { "AF_INET6", AF_INET6 },
};

static struct sock_filter rules[RULES_MAX];
static unsigned short n_rules;

static void
add(struct sock_filter rule)
{
	if (n_rules == RULES_MAX)
		abort();
	rules[n_rules++] = rule;
}

static void
load(size_t offset)
{
	add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	    (unsigned)offset));
}

/* `action` if what was loaded is `value`. */
static void
on(unsigned value, unsigned action)
{
	add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1));
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static void
deny_family(unsigned family)
{
	load(offsetof(struct seccomp_data, nr));
	add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0,
	    3));
	load(offsetof(struct seccomp_data, args));
	on(family, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
}

/* 0, or -1: no such name. */
static int
deny(const char *name, unsigned action)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (strcmp(name, families[i].name) == 0) {
			deny_family(families[i].number);
			return 0;
		}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(name, calls[i].name) == 0) {
			load(offsetof(struct seccomp_data, nr));
			on(calls[i].number, action);
			return 0;
		}
	return -1;
}

int
main(int argc, char **argv)
{
	struct sock_fprog program = { .filter = rules };
	unsigned action;
	int i = 2;

	if (argc < 4)
		return 64;
	action = strcmp(argv[1], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS :
	    SECCOMP_RET_ERRNO | EPERM;
	for (; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (deny(argv[i], action) != 0) {
			fprintf(stderr, "deny: %s?\n", argv[i]);
			return 64;
		}
	if (i + 1 >= argc)
		return 64;
	add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	program.len = n_rules;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return SKIPPED;
	execv(argv[i + 1], argv + i + 1);
	perror(argv[i + 1]);
	return 127;
}
