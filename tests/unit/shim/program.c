/* SPDX-License-Identifier: ISC */
#include "program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

void
use_agent(const char *suffix)
{
	char path[1024];

	(void)snprintf(path, sizeof(path), "%s%s", TEST_AGENT, suffix);
	(void)setenv("SECURESOCKETS_AGENT", path, 1);
}

int
tls_socket(int type)
{
	int fd;

	use_agent("");
	fd = sst_socket(AF_INET, SOCK_STREAM | type, IPPROTO_TLS);
	if (fd < 0)
		print_message("%s: %s\n", strerror(errno), last_sentence());
	assert_true(fd >= 0);
	return fd;
}

int
tls_listener(void)
{
	int fd = tls_socket(SOCK_CLOEXEC);

	assert_int_equal(sst_listen(fd, 5), 0);
	return fd;
}

int
steer_agent(int fd, int option, int value)
{
	return sst_setsockopt(fd, AGENT_LEVEL, option, &value, sizeof(value));
}

size_t
ask_agent(int fd, int option, void *value, size_t room)
{
	socklen_t len = (socklen_t)room;

	assert_int_equal(sst_getsockopt(fd, AGENT_LEVEL, option, value, &len), 0);
	return len;
}

int
agent_pid(int fd)
{
	int pids[2] = { 0, 0 };

	(void)ask_agent(fd, AGENT_PIDS, pids, sizeof(pids));
	return pids[0];
}

void
end_agent(int fd)
{
	int pid = agent_pid(fd);

	assert_true(pid > 1);
	assert_int_equal(steer_agent(fd, AGENT_EXIT, 0), -1);
	/* Its parent reaps it; until then it is a zombie without doors. */
}

struct sockaddr_in
loopback(uint16_t port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return addr;
}

int
open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int
in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

const char *
last_sentence(void)
{
	static char text[1024];
	socklen_t len = sizeof(text);

	if (sst_getsockopt(-1, IPPROTO_TLS, TLS_ERROR, text, &len) != 0)
		return "";
	return text;
}
