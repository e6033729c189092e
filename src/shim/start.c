/* SPDX-License-Identifier: ISC */
#include "start.h"
#include "call.h"
#include "child.h"
#include "forced.h"
#include "sys.h"
#include "text.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/escape.h"

#define AGENT_VAR	"SECURESOCKETS_AGENT"
#define SERVE_VAR	"SECURESOCKETS_SERVE"

static const char *
agent_path(void)
{
	const char *path = secure_getenv(AGENT_VAR);

	return path == NULL || path[0] == '\0' ? SST_AGENT_PATH : path;
}

/*
 * "cannot start PATH: why". A policy's refusal is EACCES; whatever else keeps
 * the helper from running is ENOBUFS, which socket() may return.
 */
static int
refused(const char *path, int err, const char *what)
{
	char shown[256];

	(void)sst_escape(shown, sizeof(shown), path, strlen(path));
	return sst_say(err == EACCES || err == EPERM ? -EACCES : -ENOBUFS,
	    "cannot start ", shown, ": ", what != NULL ? what :
	    sst_errno_text(err), err == ENOENT ?
	    ": install securesocketsd there, or set " AGENT_VAR : NULL, NULL);
}

/* Orphans come back to a process that is PID 1 or a subreaper. */
static int
adopts_orphans(void)
{
	int subreaper = 0;

	(void)prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
	return getpid() == 1 || subreaper != 0;
}

/* Runs sst_child_first(). On 0 *ret_anchor is a pid, or 0 when it ended. */
static int
make_children(struct sst_child *child, pid_t *ret_anchor)
{
	int flags = child->anchored ? 0 : CLONE_VM | CLONE_VFORK;
	size_t size = 2 * (size_t)SST_CHILD_STACK;
	int status = 0;
	char *stacks;
	pid_t pid;
	int r = 0;

	stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stacks == MAP_FAILED)
		return -errno;
	child->stack = stacks + SST_CHILD_STACK;
	pid = SST_CLONE(sst_child_first, stacks + size, flags, child);
	if (pid < 0)
		r = -errno;
	else if (!child->anchored) {
		while (SST_SYS(SYS_wait4, pid, &status, __WCLONE, NULL) == -EINTR)
			;
		r = WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
	}
	(void)munmap(stacks, size);
	*ret_anchor = child->anchored && pid > 0 ? pid : 0;
	return r;
}

static int
fill(struct sst_wire_start *start)
{
	const char *name = program_invocation_short_name;

	memset(start, 0, sizeof(*start));
	start->magic = SST_WIRE_MAGIC;
	start->version = SST_WIRE_VERSION;
	if (sst_debugging())
		start->flags = SST_START_STDERR;
	start->program_pid = (uint32_t)getpid();
	strncpy(start->program, name, sizeof(start->program) - 1);
	if (sst_wire_env_read(start) < 0)
		return -ENAMETOOLONG;
	if (sst_wire_door_random(start->door) < 0 ||
	    SST_SYS(SYS_getrandom, start->secret, SST_SECRET_LEN, 0) !=
	    SST_SECRET_LEN)
		return -EAGAIN;
	return 0;
}

/* Waits for the keeper's answer on `fd`. */
static int
await_hello(int fd, const char *path, struct sst_wire_hello *ret_hello)
{
	struct sst_wire_head head;
	char data[SST_TEXT_SIZE];
	long n;
	int r;

	r = sst_call_wait(fd, SST_WIRE_TIMEOUT_MS);
	if (r < 0)
		return refused(path, ETIMEDOUT, "it did not answer within 5 s");
	n = sst_wire_recv(fd, &head, data, sizeof(data) - 1, NULL, 0);
	if (n < 0 || head.verb != SST_WIRE_REPLY)
		return refused(path, 0, "it ended before it could serve");
	data[n] = '\0';
	if (head.a < 0)
		return refused(path, head.b, n > 0 ? data : NULL);
	if ((size_t)n < sizeof(*ret_hello))
		return refused(path, 0, "it speaks another version");
	memcpy(ret_hello, data, sizeof(*ret_hello));
	return 0;
}

static int
start_keeper(int fds[2], const struct sst_wire_start *start,
    struct sst_pair *ret_pair)
{
	struct sst_child child = { .path = agent_path(), .fd = fds[1],
	    .anchored = adopts_orphans(),
	    .keep_stderr = (start->flags & SST_START_STDERR) != 0 };
	struct sst_wire_hello hello = { 0 };
	pid_t anchor = 0;
	int r;

	if (SST_SYS(SYS_sendto, fds[0], start, sizeof(*start), MSG_NOSIGNAL, NULL,
	    0) < 0)
		return sst_say(-ENOBUFS, "cannot talk to a new process", NULL);
	r = make_children(&child, &anchor);
	if (r < 0)
		return refused(child.path, -r, NULL);
	/* Our copy would keep the other end open when the keeper dies. */
	sst_sys_close(fds[1]);
	fds[1] = -1;
	r = await_hello(fds[0], child.path, &hello);
	if (r < 0) {
		sst_start_reap(anchor);
		return r;
	}
	memset(ret_pair, 0, sizeof(*ret_pair));
	memcpy(ret_pair->door, start->door, sizeof(ret_pair->door));
	memcpy(ret_pair->secret, start->secret, sizeof(ret_pair->secret));
	ret_pair->keeper_pid = (pid_t)hello.keeper_pid;
	ret_pair->uid = geteuid();
	ret_pair->anchor = anchor;
	return 0;
}

/* A pair that `securesocketsd --serve FILE` made: whoever may write the file
 * gets our plaintext, so it must be ours or root's alone. */
static int
use_served(const char *path, struct sst_pair *ret_pair)
{
	struct sst_wire_serve served;
	struct stat st;
	long fd = SST_SYS(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	long n;
	int r;

	if (fd < 0)
		return refused(path, (int)-fd, NULL);
	r = fstat((int)fd, &st);
	n = SST_SYS(SYS_read, fd, &served, sizeof(served));
	sst_sys_close((int)fd);
	if (r < 0 || (st.st_uid != geteuid() && st.st_uid != 0) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return refused(path, EACCES, "others may write this file, which "
		    SERVE_VAR " names");
	if (n != (long)sizeof(served) || served.magic != SST_WIRE_MAGIC ||
	    served.version != SST_WIRE_VERSION)
		return refused(path, 0, "not a file that securesocketsd --serve "
		    "of this version wrote");
	memset(ret_pair, 0, sizeof(*ret_pair));
	memcpy(ret_pair->door, served.door, sizeof(ret_pair->door));
	memcpy(ret_pair->secret, served.secret, sizeof(ret_pair->secret));
	ret_pair->keeper_pid = (pid_t)served.keeper_pid;
	ret_pair->uid = (uid_t)served.keeper_uid;
	return 0;
}

int
sst_start(struct sst_pair *ret_pair)
{
	struct sst_wire_start start;
	const char *served = secure_getenv(SERVE_VAR);
	const struct sst_policy *policy = sst_forced_policy(NULL);
	int fds[2] = { -1, -1 };
	int r;

	/* Under sstool run nothing but its own pair may make TCP sockets. */
	if (policy != NULL && policy->has_pair) {
		*ret_pair = policy->pair;
		return 0;
	}
	if (served != NULL && served[0] != '\0')
		return use_served(served, ret_pair);
	r = fill(&start);
	if (r < 0)
		return r == -ENAMETOOLONG ? sst_say(-ENOBUFS, sst_wire_env[0],
		    " is too long", NULL) : sst_say(-ENOBUFS, "no random numbers: ",
		    sst_errno_text(-r), NULL);
	r = (int)SST_SYS(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    fds);
	if (r < 0)
		return sst_say(r, "no pair of sockets: ", sst_errno_text(-r), NULL);
	r = start_keeper(fds, &start, ret_pair);
	sst_sys_close(fds[0]);
	sst_sys_close(fds[1]);
	explicit_bzero(start.secret, sizeof(start.secret));
	return r;
}

void
sst_start_reap(pid_t anchor)
{
	if (anchor > 0)
		(void)SST_SYS(SYS_wait4, anchor, NULL, __WCLONE | WNOHANG, NULL);
}
