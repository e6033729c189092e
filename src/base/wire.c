/* SPDX-License-Identifier: ISC */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/uio.h>
#include <unistd.h>

static const char prefix[] = "securesockets/";
#define PREFIX_LEN	(sizeof(prefix) - 1)
#define DOOR_LEN	16
/* NUL, prefix, door, '/', one letter */
#define NAME_LEN	(1 + PREFIX_LEN + DOOR_LEN + 2)
_Static_assert(SST_WIRE_DOOR_LEN == offsetof(struct sockaddr_un, sun_path) + NAME_LEN,
    "the length of every door's address");

const char *const sst_wire_env[SST_WIRE_ENV_MOST + 1] = { "SECURESOCKETS_CONF",
    "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", NULL };

union fd_space {
	struct cmsghdr	align;
	char		bytes[CMSG_SPACE(SST_WIRE_FDS * sizeof(int))];
};

void
sst_wire_init(struct sst_wire_head *head, uint16_t verb)
{
	memset(head, 0, sizeof(*head));
	head->magic = SST_WIRE_MAGIC;
	head->version = SST_WIRE_VERSION;
	head->verb = verb;
}

int
sst_wire_send(int fd, struct sst_wire_head *head, const void *data, size_t len,
    const int *fds, size_t n_fds)
{
	struct iovec iov[2] = {
		{ .iov_base = head, .iov_len = sizeof(*head) },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = len == 0 ? 1 : 2 };
	union fd_space space;
	struct cmsghdr *c;
	ssize_t n;

	if (len > SST_WIRE_DATA_MAX || n_fds > SST_WIRE_FDS) {
		errno = EMSGSIZE;
		return -1;
	}
	head->length = (uint32_t)len;
	if (n_fds > 0) {
		memset(&space, 0, sizeof(space));
		msg.msg_control = space.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

/* Hands out the descriptors of a message; those beyond `n_fds` are closed. */
static void
take_fds(struct msghdr *msg, int *fds, size_t n_fds)
{
	struct cmsghdr *c;
	size_t taken = 0;
	size_t n;
	int fd;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (taken < n_fds)
				fds[taken++] = fd;
			else
				(void)close(fd);
		}
	}
}

static void
drop_fds(int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
		fds[i] = -1;
	}
}

/* What is wrong with a received message, as an errno; 0: nothing. */
static int
message_fault(const struct msghdr *msg, const struct sst_wire_head *head, ssize_t n)
{
	if (n == 0)
		return ECONNRESET;
	if ((size_t)n < sizeof(*head) || head->magic != SST_WIRE_MAGIC ||
	    head->version != SST_WIRE_VERSION)
		return EPROTO;
	if ((msg->msg_flags & MSG_TRUNC) != 0)
		return EMSGSIZE;
	if (head->length != (size_t)n - sizeof(*head))
		return EPROTO;
	if ((msg->msg_flags & MSG_CTRUNC) != 0)
		return EMFILE;
	return 0;
}

long
sst_wire_recv(int fd, struct sst_wire_head *head, void *data, size_t cap,
    int *fds, size_t n_fds)
{
	struct iovec iov[2] = {
		{ .iov_base = head, .iov_len = sizeof(*head) },
		{ .iov_base = data, .iov_len = cap },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = cap == 0 ? 1 : 2 };
	union fd_space space;
	ssize_t n;
	int fault;

	for (size_t i = 0; i < n_fds; i++)
		fds[i] = -1;
	memset(head, 0, sizeof(*head));
	msg.msg_control = space.bytes;
	msg.msg_controllen = sizeof(space.bytes);
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	take_fds(&msg, fds, n_fds);
	fault = message_fault(&msg, head, n);
	if (fault != 0) {
		drop_fds(fds, n_fds);
		errno = fault;
		return -1;
	}
	return (long)head->length;
}

socklen_t
sst_wire_door(struct sockaddr_un *addr, const char door[16], char which)
{
	char *p = addr->sun_path;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	*p++ = '\0';
	memcpy(p, prefix, PREFIX_LEN);
	p += PREFIX_LEN;
	memcpy(p, door, DOOR_LEN);
	p += DOOR_LEN;
	*p++ = '/';
	*p = which;
	return SST_WIRE_DOOR_LEN;
}

char
sst_wire_door_parse(const struct sockaddr_un *addr, socklen_t len, char door[16])
{
	const char *p = addr->sun_path;

	if (len != SST_WIRE_DOOR_LEN ||
	    addr->sun_family != AF_UNIX || p[0] != '\0' ||
	    memcmp(p + 1, prefix, PREFIX_LEN) != 0 ||
	    p[1 + PREFIX_LEN + DOOR_LEN] != '/')
		return 0;
	memcpy(door, p + 1 + PREFIX_LEN, DOOR_LEN);
	return p[NAME_LEN - 1];
}

int
sst_wire_env_read(struct sst_wire_start *start)
{
	const char *value;
	int rc = 0;

	for (int i = 0; sst_wire_env[i] != NULL; i++) {
		/* Root's relay is another user, whose settings these are not. */
		value = i == 0 || geteuid() != 0 ? secure_getenv(sst_wire_env[i]) : NULL;
		if (value == NULL)
			continue;
		if (strlen(value) < SST_WIRE_ENV_SIZE)
			(void)strcpy(start->env[i], value);
		else if (i == 0)
			rc = -1;
	}
	return rc;
}

int
sst_wire_door_random(char door[16])
{
	static const char hex[] = "0123456789abcdef";
	uint8_t bytes[DOOR_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -1;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		door[2 * i] = hex[bytes[i] >> 4];
		door[2 * i + 1] = hex[bytes[i] & 15];
	}
	return 0;
}
