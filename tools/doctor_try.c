/* SPDX-License-Identifier: ISC */
/*
 * doctor_try - the part of sstool doctor that tries: sockets, descriptors,
 * securesocketsd, the pair, the way to the network, preloading.
 *
 * Always true:
 *   1. Nothing leaves the machine: the way to the network is tried towards a
 *      loopback port that nobody listens on.
 */
#include <securesockets.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

static int
failed(struct sst_trial *t)
{
	t->error = errno;
	return -1;
}

static void
try_unix(struct sst_trial *t, const void *arg)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)arg;
	/* An address without a path: the kernel chooses an abstract name. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(sa_family_t)) < 0 ||
	    listen(fd, 1) < 0)
		failed(t);
}

/* 1: the message holds a descriptor of the same file as `fd`. */
static int
holds(struct msghdr *m, int fd)
{
	const struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct stat sent, got;
	int passed;

	if (c == NULL || c->cmsg_len < CMSG_LEN(sizeof(int)))
		return 0;
	memcpy(&passed, CMSG_DATA(c), sizeof(passed));
	return fstat(fd, &sent) == 0 && fstat(passed, &got) == 0 &&
	    sent.st_dev == got.st_dev && sent.st_ino == got.st_ino;
}

/* A descriptor of shared memory goes through a pair of sockets and comes back. */
static void
try_passing(struct sst_trial *t, const void *arg)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
	char byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = &control.head;
	int ends[2], fd = memfd_create("doctor", MFD_CLOEXEC);

	(void)arg;
	if (fd < 0 || ftruncate(fd, 4096) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		failed(t);
		return;
	}
	memset(&control, 0, sizeof(control));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(ends[0], &m, MSG_NOSIGNAL) != 1 ||
	    recvmsg(ends[1], &m, MSG_CMSG_CLOEXEC) != 1)
		failed(t);
	else if (!holds(&m, fd))
		t->error = EPERM;	/* a security module took it out */
}

static void
try_inotify(struct sst_trial *t, const void *arg)
{
	int fd = inotify_init1(IN_CLOEXEC);

	(void)arg;
	if (fd < 0 || inotify_add_watch(fd, "/", IN_ATTRIB) < 0)
		failed(t);
}

/* The address of a loopback port, and its length. */
static socklen_t
loopback(int family, struct sockaddr_storage *at)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;

	memset(at, 0, sizeof(*at));
	at->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*v4);
	}
	v6->sin6_addr = in6addr_loopback;
	return sizeof(*v6);
}

/* The trial's number is the port that stays bound while the process lives. */
static int
bind_loopback(struct sst_trial *t, int family, struct sockaddr_storage *at,
    socklen_t *ret_len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret_len = loopback(family, at);
	if (fd < 0 || bind(fd, (struct sockaddr *)at, *ret_len) < 0 ||
	    getsockname(fd, (struct sockaddr *)at, ret_len) < 0)
		return failed(t);
	return fd;
}

static void
try_family(struct sst_trial *t, const void *arg)
{
	struct sockaddr_storage at;
	socklen_t len;

	(void)bind_loopback(t, *(const int *)arg, &at, &len);
}

static void
sentence(struct sst_trial *t, int fd)
{
	socklen_t len = sizeof(t->text);
	int error = errno;

	if (getsockopt(fd, IPPROTO_TLS, TLS_ERROR, t->text, &len) < 0 || len == 0)
		snprintf(t->text, sizeof(t->text), "%s", strerror(error));
	t->error = error;
}

/* The first TLS socket of a process starts the pair. */
static void
try_pair(struct sst_trial *t, const void *arg)
{
	if (socket(*(const int *)arg, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS) < 0)
		sentence(t, -1);
}

/*
 * Nobody listens where it connects to, so ECONNREFUSED is what must come; EPROTO
 * is a matter of roots, which are looked at elsewhere. The number is 1 when a
 * plain socket does not get there either.
 */
static void
try_network(struct sst_trial *t, const void *arg)
{
	struct sockaddr_storage own, at;
	socklen_t len, own_len;
	int family = *(const int *)arg;
	int fd, taken = bind_loopback(t, family, &at, &len);

	if (taken < 0)
		return;
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	t->number = fd < 0 || (connect(fd, (struct sockaddr *)&at, len) < 0 &&
	    errno != ECONNREFUSED);
	/* Roots that cannot be read would end it before it begins. */
	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS);
	own_len = loopback(family, &own);
	if (fd < 0 || bind(fd, (struct sockaddr *)&own, own_len) < 0)
		sentence(t, fd);
	else if (connect(fd, (struct sockaddr *)&at, len) == 0)
		t->error = EISCONN;
	else if (errno != ECONNREFUSED && errno != EPROTO)
		sentence(t, fd);
}

void
sst_try_command(struct sst_trial *t, const void *arg)
{
	const struct sst_command *c = arg;
	size_t used = 0;
	ssize_t n;
	int ends[2], status;
	pid_t pid;

	if (sst_ends(ends) != 0 || (pid = fork()) < 0) {
		failed(t);
		return;
	}
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		if (c->preload != NULL)
			setenv("LD_PRELOAD", c->preload, 1);
		execv(c->argv[0], (char *const *)(uintptr_t)c->argv);
		status = errno;
		fprintf(stderr, "%s", strerror(status));
		_exit(126);
	}
	close(ends[1]);
	while ((n = read(ends[0], t->text + used, sizeof(t->text) - 1 - used)) > 0)
		used += (size_t)n;
	t->text[used] = '\0';
	t->text[strcspn(t->text, "\n")] = '\0';
	if (waitpid(pid, &status, 0) < 0 || status != 0) {
		t->error = EIO;
		if (status > 0 && WIFSIGNALED(status) && used == 0)
			snprintf(t->text, sizeof(t->text), "%s",
			    strsignal(WTERMSIG(status)));
	}
}

static void
report_agent(struct sst_doctor *d)
{
	const char *const argv[] = { d->agent, "--version", NULL };
	struct sst_command c = { .argv = argv };
	struct sst_trial t;
	struct statvfs fs;
	int noexec;

	sst_try(sst_try_command, &c, &t);
	noexec = statvfs(d->agent, &fs) == 0 && (fs.f_flag & ST_NOEXEC) != 0;
	if (t.error != 0 && access(d->agent, F_OK) != 0)
		sst_find(d, SST_FAIL, "securesocketsd",
		    "cmake --install build/release", "%s: %s", d->agent,
		    strerror(errno));
	else if (t.error != 0 || t.signal != 0)
		sst_find(d, SST_FAIL, "securesocketsd", noexec ?
		    "export SECURESOCKETS_AGENT=PATH, on another file system" : NULL,
		    "%s does not run: %s%s", d->agent, sst_trial_why(&t), noexec ?
		    " (its file system is mounted noexec)" : "");
	else if (strcmp(t.text, "securesocketsd " SST_VERSION) != 0)
		sst_find(d, SST_FAIL, "securesocketsd",
		    "cmake --install build/release",
		    "%s is another release: '%s', not " SST_VERSION, d->agent, t.text);
	else
		sst_find(d, SST_FINE, "securesocketsd", NULL, "%s %s", d->agent,
		    SST_VERSION);
}

/* What to type against what the pair says when it does not start. */
static const char *
pair_remedy(const char *why)
{
	static const char *const remedies[][2] = {
		{ "ended by signal 31", "SystemCallFilter=@system-service" },
		{ "capset", "SystemCallFilter=capset" },
		{ "setgroups", "CapabilityBoundingSet=CAP_SETUID CAP_SETGID" },
		{ "setresgid", "CapabilityBoundingSet=CAP_SETUID CAP_SETGID" },
		{ "setresuid", "CapabilityBoundingSet=CAP_SETUID CAP_SETGID" },
		{ "RLIMIT_NOFILE", "LimitNOFILE=65536:131072" },
		{ "AF_UNIX", "RestrictAddressFamilies=AF_UNIX" },
	};

	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (strstr(why, remedies[i][0]) != NULL)
			return remedies[i][1];
	return NULL;
}

static void
report_serve(struct sst_doctor *d, int family)
{
	struct sst_served where;
	struct sst_trial t;

	where.len = loopback(family, &where.at);
	sst_try(sst_doctor_serve, &where, &t);
	if (t.error != 0)
		sst_find(d, SST_FAIL, "handshake", t.signal != 0 ||
		    t.error == EPERM ? "SystemCallFilter=@system-service" : NULL,
		    "%s", sst_trial_why(&t));
	else
		sst_find(d, SST_FINE, "handshake", NULL,
		    "a listener and a client of its own");
}

/* A family that works, the pair of it, and the way out. */
static void
report_pair(struct sst_doctor *d)
{
	static const int families[] = { AF_INET, AF_INET6 };
	struct sst_trial plain[2], t;
	int family;

	for (int i = 0; i < 2; i++)
		sst_try(try_family, &families[i], &plain[i]);
	family = plain[0].error == 0 || plain[1].error != 0 ? AF_INET : AF_INET6;
	if (plain[0].error == 0 && plain[1].error == 0)
		sst_find(d, SST_FINE, "network", NULL, "IPv4 and IPv6");
	else if (plain[0].error != 0 && plain[1].error != 0)
		sst_find(d, SST_FAIL, "network",
		    "RestrictAddressFamilies=AF_INET AF_INET6",
		    "neither IPv4 (%s) nor IPv6 (%s)", sst_trial_why(&plain[0]),
		    sst_trial_why(&plain[1]));
	else
		sst_find(d, SST_WARN, "network", NULL, "no %s: %s",
		    family == AF_INET ? "IPv6" : "IPv4",
		    sst_trial_why(&plain[family == AF_INET]));
	sst_try(try_pair, &family, &t);
	if (t.error != 0) {
		sst_find(d, SST_FAIL, "pair", pair_remedy(sst_trial_why(&t)),
		    "socket: %s: %s",
		    strerror(t.error), sst_trial_why(&t));
		return;
	}
	sst_find(d, SST_FINE, "pair", NULL, "keeper and relay start");
	if (plain[family == AF_INET6].error != 0)
		return;
	sst_try(try_network, &family, &t);
	if (t.error == 0)
		report_serve(d, family);
	if (t.error != 0)
		sst_find(d, SST_WARN, "loopback", t.number ? "ip link set lo up" :
		    NULL,
		    "the relay does not reach this machine itself: %s",
		    sst_trial_why(&t));
	else
		sst_find(d, SST_FINE, "loopback", NULL,
		    "a relayed socket binds and connects");
}

static void
report_preload(struct sst_doctor *d)
{
	static const char *const argv[] = { "/bin/true", NULL };
	Dl_info info = { .dli_fname = NULL };
	struct sst_command c = { .argv = argv };
	struct sst_trial t;
	char *path;

	/* The address of a function, whatever type it has. */
	if (dladdr(dlsym(RTLD_DEFAULT, "sst_socket"), &info) == 0 ||
	    (path = realpath(info.dli_fname, NULL)) == NULL) {
		sst_find(d, SST_WARN, "preload", "ldconfig",
		    "libsecuresockets.so is not found as a file");
		return;
	}
	c.preload = path;
	if (access(argv[0], X_OK) != 0) {
		sst_find(d, SST_WARN, "preload", NULL, "%s was not tried: %s: %s",
		    path, argv[0], strerror(errno));
	} else {
		sst_try(sst_try_command, &c, &t);
		if (t.error != 0 || t.signal != 0 || t.text[0] != '\0')
			sst_find(d, SST_WARN, "preload", NULL,
			    "LD_PRELOAD=%s: %s", path, sst_trial_why(&t));
		else
			sst_find(d, SST_FINE, "preload", NULL, "LD_PRELOAD=%s",
			    path);
	}
	free(path);
}

static void
try_nothing(struct sst_trial *t, const void *arg)
{
	(void)t;
	(void)arg;
}

void
sst_doctor_try(struct sst_doctor *d)
{
	struct sst_trial t;

	sst_try(try_nothing, NULL, &t);
	if (t.error != 0) {
		d->alone = 1;
		sst_find(d, SST_FAIL, "process", "SystemCallFilter=@process",
		    "no process can be started, so no pair, and nothing else "
		    "was tried: %s", sst_trial_why(&t));
		return;
	}
	sst_try(try_unix, NULL, &t);
	if (t.error != 0)
		sst_find(d, SST_FAIL, "unix",
		    t.error == EAFNOSUPPORT || t.signal != 0 ?
		    "RestrictAddressFamilies=AF_UNIX" : NULL,
		    "an AF_UNIX socket with an abstract name: %s",
		    sst_trial_why(&t));
	else
		sst_find(d, SST_FINE, "unix", NULL,
		    "AF_UNIX sockets with abstract names");
	sst_try(try_passing, NULL, &t);
	if (t.error != 0)
		sst_find(d, SST_FAIL, "descriptors",
		    "SystemCallFilter=@network-io @ipc",
		    "memfd_create() and SCM_RIGHTS: %s", sst_trial_why(&t));
	else
		sst_find(d, SST_FINE, "descriptors", NULL,
		    "shared memory and passing of descriptors");
	sst_try(try_inotify, NULL, &t);
	if (t.signal != 0)
		sst_find(d, SST_FAIL, "inotify", "SystemCallFilter=@file-system",
		    "inotify_init1(): %s", sst_trial_why(&t));
	else if (t.error != 0)
		sst_find(d, SST_WARN, "inotify",
		    "sysctl fs.inotify.max_user_instances=512",
		    "renewals are looked for every 10 s: %s", sst_trial_why(&t));
	else
		sst_find(d, SST_FINE, "inotify", NULL, "renewals are seen at once");
	report_agent(d);
	report_pair(d);
	report_preload(d);
}
