/* SPDX-License-Identifier: ISC */
#include "keeper.h"

#include "state.h"
#include "title.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STARTER_FD	3
#define BACKLOG		4096	/* the kernel cuts it to somaxconn */
#define EX_USAGE	64
#define EX_UNAVAILABLE	69

int
sst_keeper_spare(void)
{
	return open("/", O_PATH | O_CLOEXEC);
}

/* Descriptors 0 to 2 lead nowhere, so that no pipe of the program stays open. */
static void
quiet(int keep_stderr)
{
	int fd = open("/dev/null", O_RDWR);

	if (fd < 0)
		fd = open("/", O_PATH);
	for (int i = 0; i <= 2; i++)
		if (fd >= 0 && fd != i && !(i == 2 && keep_stderr))
			(void)dup2(fd, i);
	if (fd > 2)
		(void)close(fd);
}

/* Nothing of the program's surroundings counts, and no key ends in a core. */
static void
settle(void)
{
	struct rlimit none = { 0, 0 }, files;
	sigset_t all;

	(void)umask(077);
	(void)setsid();
	/* A root that may not be searched: then it stays where it is. */
	if (chdir("/") != 0)
		errno = 0;
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&all);
	(void)sigaddset(&all, SIGCHLD);
	(void)sigaddset(&all, SIGTERM);
	(void)sigaddset(&all, SIGINT);
	(void)sigaddset(&all, SIGHUP);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
}

void
sst_keeper_hello(const struct sst_keeper *k, struct sst_wire_hello *hello)
{
	memset(hello, 0, sizeof(*hello));
	hello->keeper_pid = (uint32_t)getpid();
	hello->relay_pid = (uint32_t)k->relay;
	(void)snprintf(hello->release, sizeof(hello->release), "%s", SST_RELEASE);
}

/* The record of --serve appears whole or not at all. 0, or -1 with errno. */
static int
write_record(const struct sst_keeper *k)
{
	struct sst_wire_serve record = {
		.magic = SST_WIRE_MAGIC, .version = SST_WIRE_VERSION,
		.keeper_pid = (uint32_t)getpid(), .keeper_uid = geteuid(),
	};
	char path[4096];
	int error, fd, rc = -1;

	memcpy(record.door, k->start.door, sizeof(record.door));
	memcpy(record.secret, k->start.secret, sizeof(record.secret));
	if (snprintf(path, sizeof(path), "%s.%ld", k->serve, (long)getpid()) >=
	    (int)sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (write(fd, &record, sizeof(record)) == (ssize_t)sizeof(record) &&
	    rename(path, k->serve) == 0)
		rc = 0;
	error = errno;
	(void)close(fd);
	if (rc != 0)
		(void)unlink(path);
	errno = error;
	return rc;
}

void
sst_keeper_answer(struct sst_keeper *k, int error, const char *text)
{
	struct sst_wire_head head;
	struct sst_wire_hello hello;

	if (k->starter < 0)
		return;
	if (k->serve != NULL && error == 0 && write_record(k) != 0) {
		error = errno;
		text = "the record could not be written";
	}
	if (k->serve != NULL && error != 0) {
		(void)dprintf(k->starter, "securesocketsd: %s: %s\n", text,
		    strerror(error));
		sst_keeper_end(k, EX_UNAVAILABLE);
	} else if (k->serve == NULL) {
		sst_wire_init(&head, SST_WIRE_REPLY);
		if (error != 0) {
			head.a = -1;
			head.b = error;
			(void)sst_wire_send(k->starter, &head, text,
			    strlen(text) + 1, NULL, 0);
		} else {
			sst_keeper_hello(k, &hello);
			(void)sst_wire_send(k->starter, &head, &hello,
			    sizeof(hello), NULL, 0);
		}
	}
	(void)close(k->starter);
	k->starter = -1;
}

/* 0, or an errno. */
static int
read_start(struct sst_keeper *k)
{
	struct pollfd p = { .fd = k->starter, .events = POLLIN };
	struct sst_wire_start *s = &k->start;
	ssize_t n;

	if (poll(&p, 1, SST_WIRE_TIMEOUT_MS) != 1)
		return ETIMEDOUT;
	n = recv(k->starter, s, sizeof(*s), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0)
		return errno;
	if (n != (ssize_t)sizeof(*s) || s->magic != SST_WIRE_MAGIC ||
	    s->version != SST_WIRE_VERSION)
		return EPROTO;
	for (size_t i = 0; i < sizeof(s->door); i++)
		if (strchr("0123456789abcdef", s->door[i]) == NULL ||
		    s->door[i] == '\0')
			return EPROTO;
	s->program[sizeof(s->program) - 1] = '\0';
	return 0;
}

/* A listening socket under one of the door's names; -1 with errno. */
static int
listen_at(const char door[16], char which, int type)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, door, which);
	int error, fd;

	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&addr, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

static int
open_doors(struct sst_keeper *k)
{
	const char *door = k->start.door;
	char dir[64];
	int fd;

	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	fd = listen_at(door, 'k', SOCK_SEQPACKET);
	k->door_r = listen_at(door, 'r', SOCK_SEQPACKET);
	k->link_c = listen_at(door, 'c', SOCK_STREAM);
	k->link_l = listen_at(door, 'l', SOCK_STREAM);
	if (k->epoll < 0 || fd < 0 || k->door_r < 0 || k->link_c < 0 ||
	    k->link_l < 0 || sst_keeper_add(k, &k->door, fd, sst_door_ready) != 0)
		return -1;
	sst_status_dir(geteuid(), dir, sizeof(dir));
	if (sst_status_open(&k->status, dir, k->start.program_pid) == 0)
		(void)sst_keeper_add(k, &k->status_door, k->status.fd,
		    sst_status_ready);
	return 0;
}

/* This program itself: an update of the file does not change a running pair. */
static int
open_self(void)
{
	const char *name = (const char *)(uintptr_t)getauxval(AT_EXECFN);
	int fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	if (fd < 0 && name != NULL)
		fd = open(name, O_PATH | O_CLOEXEC);
	return fd;
}

static struct sst_keeper *
keeper_new(void)
{
	struct sst_keeper *k = calloc(1, sizeof(*k));
	struct sst_watch_plan plan = { .most = sst_watch_share(),
	    .mark = 1, .say = sst_channel_say, .arg = k };
	struct sst_event *events[6];

	if (k == NULL)
		return NULL;
	events[0] = &k->signals;
	events[1] = &k->door;
	events[2] = &k->inotify;
	events[3] = &k->channel;
	events[4] = &k->files;
	events[5] = &k->status_door;
	for (int i = 0; i < 6; i++)
		events[i]->fd = -1;
	k->epoll = k->door_r = k->link_c = k->link_l = k->exe = -1;
	k->starter = k->status.fd = -1;
	k->spare = sst_keeper_spare();
	k->calls_end = &k->calls;
	k->askers_end = &k->askers;
	k->idle_at = k->flush_at = k->answer_at = k->restart_at = k->kill_at = INT64_MAX;
	sst_queue_init(&k->to_relay, -1);
	sst_queue_init(&k->answers, -1);
	sst_queue_init(&k->waiting, -1);
	k->watch = sst_watch_new(&plan, sst_clock_ms());
	if (k->watch == NULL) {
		free(k);
		return NULL;
	}
	k->sources.watch = k->watch;
	return k;
}

/* The rest of both ways to start. The process ends with it, so that the
 * kernel takes back memory and descriptors; only files are left to us. */
static int
serve(struct sst_keeper *k)
{
	int rc;

	k->exe = open_self();
	sst_title_set(k->start.program, k->start.program_pid);
	if (open_doors(k) != 0) {
		sst_keeper_answer(k, errno, "the doors could not be opened");
		return EX_UNAVAILABLE;
	}
	if (sst_child_start(k) != 0) {
		sst_keeper_answer(k, errno, "the relay could not be started");
		rc = EX_UNAVAILABLE;
	} else {
		rc = sst_keeper_run(k);
	}
	sst_keeper_answer(k, ECANCELED, "the keeper was told to end");
	sst_status_close(&k->status);
	if (k->serve != NULL)
		(void)unlink(k->serve);
	return rc;
}

int
sst_keeper_main(void)
{
	struct sst_keeper *k;
	struct stat st;
	int error;

	if (fstat(STARTER_FD, &st) != 0 || !S_ISSOCK(st.st_mode)) {
		(void)fputs("securesocketsd: --keeper is started by the library, "
		    "with a socket as descriptor 3\n", stderr);
		return EX_USAGE;
	}
	(void)syscall(SYS_close_range, STARTER_FD + 1, ~0u, 0);
	settle();
	k = keeper_new();
	if (k == NULL)
		return EX_UNAVAILABLE;
	k->starter = fcntl(STARTER_FD, F_DUPFD_CLOEXEC, STARTER_FD + 1);
	(void)close(STARTER_FD);
	error = read_start(k);
	if (error != 0) {
		sst_keeper_answer(k, error, error == EPROTO ?
		    "the library is of another release than securesocketsd" :
		    "nothing came from the program that started the keeper");
		return EX_UNAVAILABLE;
	}
	quiet((k->start.flags & SST_START_STDERR) != 0);
	return serve(k);
}

int
sst_keeper_serve(const char *path)
{
	struct sst_keeper *k;
	struct sst_wire_start *s;

	if (path[0] != '/') {
		(void)fputs("securesocketsd: --serve needs an absolute path\n", stderr);
		return EX_USAGE;
	}
	settle();
	k = keeper_new();
	if (k == NULL)
		return EX_UNAVAILABLE;
	s = &k->start;
	k->serve = path;
	s->magic = SST_WIRE_MAGIC;
	s->version = SST_WIRE_VERSION;
	s->flags = SST_START_STDERR;
	s->program_pid = (uint32_t)getpid();
	s->idle_ms = UINT32_MAX;
	(void)snprintf(s->program, sizeof(s->program), "serve");
	if (sst_wire_env_read(s) != 0) {
		(void)fprintf(stderr, "securesocketsd: %s is too long\n",
		    sst_wire_env[0]);
		return EX_USAGE;
	}
	(void)clearenv();
	k->starter = fcntl(2, F_DUPFD_CLOEXEC, 3);
	if (sst_wire_door_random(s->door) != 0 ||
	    getrandom(s->secret, sizeof(s->secret), 0) != (ssize_t)sizeof(s->secret)) {
		sst_keeper_answer(k, errno, "no random numbers");
		return EX_UNAVAILABLE;
	}
	return serve(k);
}
