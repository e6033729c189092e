/* SPDX-License-Identifier: ISC */
/* process - programs beside a scene, and a look at the agent; see world.h. */
#include "world.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sockname.h"
#include "base/wire.h"

void
prog_start(struct prog *p, void (*body)(int, void *), void *arg)
{
	int ends[2];

	want_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	(void)fflush(NULL);
	p->pid = fork();
	want(p->pid >= 0);
	if (p->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(ends[0]);
		(void)alarm(WORLD_SCENE_SECONDS);
		body(ends[1], arg);
		(void)fflush(NULL);
		_exit(0);
	}
	(void)close(ends[1]);
	p->ch = ends[0];
}

void
prog_end_as(struct prog *p, int expected)
{
	int status = -1;

	while (waitpid(p->pid, &status, 0) < 0)
		want(errno == EINTR);
	(void)close(p->ch);
	p->ch = -1;
	if (status != expected)
		world_fail(__FILE__, __LINE__, "program ended with 0x%x, not 0x%x",
		    (unsigned int)status, (unsigned int)expected);
}

void
prog_end(struct prog *p)
{
	prog_end_as(p, 0);
}

void
prog_send(int ch, const void *bytes, size_t len)
{
	want_eq(send(ch, bytes, len, MSG_NOSIGNAL), len);
}

void
prog_recv(int ch, void *bytes, size_t len)
{
	want_eq(recv(ch, bytes, len, MSG_WAITALL), len);
}

void
prog_tell(int ch)
{
	prog_send(ch, "!", 1);
}

void
prog_await(int ch)
{
	char c;

	prog_recv(ch, &c, 1);
}

void
prog_keeper(struct prog *p, const struct sst_wire_start *wanted,
    struct sst_wire_hello *ret_hello)
{
	const char *agent = getenv("SECURESOCKETS_AGENT");
	struct sst_wire_start start = *wanted;
	struct sst_wire_head head;
	int ends[2];

	start.magic = SST_WIRE_MAGIC;
	start.version = SST_WIRE_VERSION;
	start.program_pid = (uint32_t)getpid();
	(void)snprintf(start.program, sizeof(start.program), "%s",
	    program_invocation_short_name);
	if (start.door[0] == '\0')
		want_eq(sst_wire_door_random(start.door), 0);
	want_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	want_eq(write(ends[0], &start, sizeof(start)), sizeof(start));
	p->ch = -1;
	p->pid = fork();
	want(p->pid >= 0);
	if (p->pid == 0) {
		want_eq(dup2(ends[1], 3), 3);
		(void)execl(agent, agent, "--keeper", (char *)NULL);
		_exit(1);
	}
	(void)close(ends[1]);
	want_eq(sst_wire_recv(ends[0], &head, ret_hello, sizeof(*ret_hello), NULL, 0),
	    sizeof(*ret_hello));
	want(head.a >= 0);
	(void)close(ends[0]);
}

/* Asks the keeper's door, whose name the descriptor's own name holds. */
int
world_pair(int fd, pid_t *ret_keeper, pid_t *ret_relay)
{
	struct sockaddr_un own, door;
	struct sst_sockname name;
	struct sst_wire_head head;
	struct sst_wire_hello hello;
	struct timeval patience = { .tv_sec = 5 };
	socklen_t len = sizeof(own);
	int rc = -1, ask, none = -1;

	if (syscall(SYS_getsockname, fd, &own, &len) < 0 ||
	    !sst_sockname_decode(&own, len, &name))
		return -1;
	ask = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (ask < 0)
		return -1;
	(void)setsockopt(ask, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	len = sst_wire_door(&door, name.door, 'k');
	sst_wire_init(&head, SST_WIRE_PING);
	if (connect(ask, (struct sockaddr *)&door, len) == 0 &&
	    sst_wire_send(ask, &head, NULL, 0, NULL, 0) == 0 &&
	    sst_wire_recv(ask, &head, &hello, sizeof(hello), &none, 1) ==
	    (long)sizeof(hello) && head.a >= 0) {
		*ret_keeper = (pid_t)hello.keeper_pid;
		*ret_relay = (pid_t)hello.relay_pid;
		rc = 0;
	}
	(void)close(ask);
	return rc;
}

int
world_ask(const char *line, char *out, size_t size)
{
	struct sockaddr_un door = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t have = 0;
	ssize_t n = 1;

	(void)snprintf(door.sun_path, sizeof(door.sun_path),
	    "/run/securesockets/%d.sock", (int)getpid());
	if (fd < 0 || connect(fd, (struct sockaddr *)&door, sizeof(door)) != 0 ||
	    send(fd, line, strlen(line), MSG_NOSIGNAL) < 0 ||
	    send(fd, "\n", 1, MSG_NOSIGNAL) < 0)
		n = 0;
	while (n > 0 && have < size - 1) {
		n = read(fd, out + have, size - 1 - have);
		if (n > 0)
			have += (size_t)n;
	}
	out[have] = '\0';
	if (fd >= 0)
		(void)close(fd);
	return have > 0;
}

int
world_alive(pid_t pid)
{
	char path[64], text[512];
	const char *state;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	state = strrchr(text, ')');
	return state != NULL && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
}

/* The title that an agent gives itself names the program it serves. */
static int
has_our_title(const char *pid)
{
	char path[300], text[200], title[100];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	(void)snprintf(title, sizeof(title), "securesocketsd: %s[",
	    program_invocation_short_name);
	return n > 0 && strncmp(text, title, strlen(title)) == 0;
}

/* Whether the process runs the agent out of this program's directory. Without
 * root's rights nobody may look: there its title has to do. */
static int
is_our_agent(const char *pid)
{
	char path[300], exe[1024];
	size_t len = strlen(world.dir);
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return errno == EACCES && geteuid() != 0 && has_our_title(pid);
	exe[n] = '\0';
	return strncmp(exe, world.dir, len) == 0 && exe[len] == '/' &&
	    strncmp(exe + len + 1, "securesocketsd", 14) == 0;
}

int
world_agents(pid_t *pids, int room)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	int n = 0;

	if (proc == NULL)
		return 0;
	while ((e = readdir(proc)) != NULL && n < room) {
		pid_t pid = (pid_t)atoi(e->d_name);

		if (pid > 0 && is_our_agent(e->d_name) && world_alive(pid))
			pids[n++] = pid;
	}
	(void)closedir(proc);
	return n;
}

int
world_count_fds(pid_t pid)
{
	char path[64];
	DIR *dir;
	int n = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n - 2;
}

void
world_status_line(pid_t pid, const char *label, char *out, size_t size)
{
	char path[64], line[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	want(f != NULL);
	out[0] = '\0';
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, label, strlen(label)) == 0)
			(void)snprintf(out, size, "%s", line + strlen(label));
	(void)fclose(f);
	want(out[0] != '\0');
}
