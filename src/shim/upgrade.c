/* SPDX-License-Identifier: ISC */
#include "shim.h"
#include "call.h"
#include "sys.h"
#include "text.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

#define HOST_ROOM	256	/* a name of 253 characters, a dot, NUL */

/* What a value asks for. */
enum request {
	FOR_KERNEL = 0,	/* a key of TCP_FASTOPEN_KEY, or nothing known */
	SERVER,
	CLIENT
};

static int
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == ':';
}

/*
 * The number is the kernel's TCP_FASTOPEN_KEY as well, whose keys are 16 or 32
 * raw bytes: a host's name ends with NUL and has nothing else before it.
 */
static enum request
read_request(const void *value, socklen_t len, char host[HOST_ROOM])
{
	long n;
	size_t end = 0;

	if (len == 0)
		return SERVER;
	n = sst_user_read(host, value, len < HOST_ROOM ? len : HOST_ROOM);
	while ((long)end < n && is_host_char(host[end]))
		end++;
	return end > 0 && (long)end < n && host[end] == '\0' ? CLIENT : FOR_KERNEL;
}

static int
is_connected_tcp(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(int);
	int protocol = 0;

	if (sst_sys_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 ||
	    (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP))
		return 0;
	len = sizeof(peer);
	return SST_SYS(SYS_getpeername, fd, &peer, &len) == 0;
}

/* The number that a name in /proc says; -1: it is none. */
static int
number_of(const char *name)
{
	int n = 0;

	if (*name == '\0')
		return -1;
	for (; *name != '\0'; name++) {
		if (*name < '0' || *name > '9')
			return -1;
		n = n * 10 + (*name - '0');
	}
	return n;
}

/* 1: an entry of `dir` other than `fd` is the socket `self`. */
static int
has_other(int dir, int fd, const struct stat *self)
{
	char buf[2048] __attribute__((aligned(16)));
	const struct dirent64 *e;
	struct stat st;
	long n;
	int other;

	while ((n = SST_SYS(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < n; at += e->d_reclen) {
			e = (const struct dirent64 *)(const void *)(buf + at);
			other = number_of(e->d_name);
			if (other >= 0 && other != fd && fstat(other, &st) == 0 &&
			    st.st_ino == self->st_ino && st.st_dev == self->st_dev)
				return 1;
		}
	}
	return n < 0 ? (int)n : 0;
}

/*
 * A duplicate would stay what it is: a plain way around TLS. 0, or -errno with a
 * sentence. Those of other processes cannot be seen.
 */
static int
only_one(int fd)
{
	struct sst_quiet quiet;
	struct stat self;
	int dir, r;

	if (fstat(fd, &self) < 0)
		return -errno;
	sst_quiet_enter(&quiet);
	dir = (int)SST_SYS(SYS_openat, AT_FDCWD, "/proc/thread-self/fd",
	    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? dir : has_other(dir, fd, &self);
	sst_sys_close(dir);
	sst_quiet_leave(&quiet);
	if (r == -EMFILE || r == -ENFILE)
		return r;
	if (r < 0)
		return sst_say(-EBUSY, "TCP_UPGRADE_TLS: whether another descriptor "
		    "refers to this connection cannot be seen: /proc/thread-self/fd: ",
		    sst_errno_text(-r), NULL);
	if (r > 0)
		return sst_say(-EBUSY, "TCP_UPGRADE_TLS: another descriptor of this "
		    "program refers to the same connection and would stay plain: "
		    "close it first", NULL);
	return 0;
}

static int
upgrade_own(int fd, const struct sst_sockname *name, enum request request,
    const char *host)
{
	struct sst_call c;

	sst_call_init(&c, SST_WIRE_UPGRADE, fd, name);
	c.head.b = request == SERVER ? SST_UPGRADE_SERVER : SST_UPGRADE_CLIENT;
	if (request == CLIENT) {
		c.data = host;
		c.len = strlen(host) + 1;
	}
	return sst_ask_network(&c, fd);
}

int
sst_upgrade(int fd, enum sst_kind kind, const struct sst_sockname *name,
    const void *value, socklen_t len)
{
	struct sst_sockname made;
	char host[HOST_ROOM];
	enum request request = read_request(value, len, host);
	int saved = errno;
	int r;

	if (request == FOR_KERNEL)
		return 1;
	if (kind != SST_KIND_PLAIN)
		return upgrade_own(fd, name, request, host);
	if (!is_connected_tcp(fd))
		return 1;
	r = only_one(fd);
	if (r == 0)
		r = sst_adopt(fd, 0, &made);
	errno = saved;
	return r < 0 ? r : upgrade_own(fd, &made, request, host);
}
