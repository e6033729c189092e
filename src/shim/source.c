/* SPDX-License-Identifier: ISC */
#include "shim.h"
#include "call.h"
#include "sys.h"
#include "text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/escape.h"

#define PATH_ROOM	4096
#define BYTES_MAX	(1 << 20)

/*
 * DER starts with a SEQUENCE as long as the value says, and never looks like a
 * path: its second byte is none of UTF-8, or its third is a control character.
 */
static int
is_der(const unsigned char *head, size_t n, size_t len)
{
	size_t digits;
	size_t body = 0;

	if (n < 8 || head[0] != 0x30)
		return 0;
	if (head[1] < 0x80)
		return head[1] + (size_t)2 == len && head[2] == 0x02;
	digits = head[1] & 0x7fU;
	if (digits < 1 || digits > 4)
		return 0;
	for (size_t i = 0; i < digits; i++)
		body = body << 8 | head[2 + i];
	return body + 2 + digits <= len;
}

static int
is_bytes(const char *head, size_t n, size_t len)
{
	static const char pem[] = "-----BEGIN";

	return (n >= sizeof(pem) - 1 && memcmp(head, pem, sizeof(pem) - 1) == 0) ||
	    is_der((const unsigned char *)head, n, len);
}

long
sst_absolute(char *out, size_t size, const char *path)
{
	size_t len = strlen(path) + 1;
	size_t at = 0;
	long r;

	if (path[0] != '/') {
		/* Length with NUL, whose place the slash takes. A directory out
		 * of reach of the root is no path that anybody else can open. */
		r = SST_SYS(SYS_getcwd, out, size);
		if (r < 0)
			return r == -ERANGE ? -ENAMETOOLONG : r;
		if (out[0] != '/')
			return -ENOENT;
		at = (size_t)r - 1;
		if (at > 1)
			out[at++] = '/';
	}
	if (at + len > size)
		return -ENAMETOOLONG;
	memcpy(out + at, path, len);
	return (long)(at + len);
}

/* Asks the keeper to take in `file`, whose path is `path` ("" for bytes). */
static int
hand_over(int fd, const struct sst_sockname *name, int option, int file,
    const char *path, size_t len)
{
	struct sst_call c;

	sst_call_init(&c, SST_WIRE_FILE, fd, name);
	c.which = 'k';
	c.head.a = IPPROTO_TLS;
	c.head.b = option;
	c.data = path;
	c.len = len;
	c.fds[1] = file;
	c.n_fds = 2;
	return sst_call(&c);
}

static int
path_failed(const struct sst_sockname *name, const char *path, int r)
{
	char shown[320];

	(void)sst_escape(shown, sizeof(shown), path, strlen(path));
	sst_say(0, shown, ": ", sst_errno_text(-r), NULL);
	sst_say_about(name->serial);
	return r;
}

/* Opened here, with the program's rights: the errno is the kernel's. */
static int
set_path(int fd, const struct sst_sockname *name, int option, const char *path)
{
	char absolute[2 * PATH_ROOM];
	long file;
	long len;
	int r;

	file = SST_SYS(SYS_openat, AT_FDCWD, path,
	    O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (file < 0)
		return path_failed(name, path, (int)file);
	len = sst_absolute(absolute, sizeof(absolute), path);
	if (len < 0)
		r = path_failed(name, path, (int)len);
	else
		r = hand_over(fd, name, option, (int)file, absolute, (size_t)len);
	sst_sys_close((int)file);
	return r;
}

/* The position stays at the start: whoever receives it may simply read. */
static int
write_all(int file, const void *value, size_t len)
{
	size_t done = 0;
	long n;

	while (done < len) {
		n = SST_SYS(SYS_pwrite64, file, (const char *)value + done,
		    len - done, done);
		if (n < 0 && n != -EINTR)
			return (int)n;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int
set_bytes(int fd, const struct sst_sockname *name, int option, const void *value,
    size_t len)
{
	long file = SST_SYS(SYS_memfd_create, "securesockets",
	    MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (file < 0)
		return sst_say_errno(name, "memory for the bytes of an option",
		    (int)-file);
	r = write_all((int)file, value, len);
	if (r == 0)
		r = (int)SST_SYS(SYS_fcntl, file, F_ADD_SEALS,
		    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	if (r < 0)
		r = sst_say_errno(name, "memory for the bytes of an option", -r);
	else
		r = hand_over(fd, name, option, (int)file, "", 1);
	sst_sys_close((int)file);
	return r;
}

int
sst_set_source(int fd, const struct sst_sockname *name, int option,
    const void *value, socklen_t len)
{
	char path[PATH_ROOM + 1];
	long n;

	if (len == 0 || len > BYTES_MAX)
		return sst_say_errno(name, len == 0 ? "an empty path" :
		    "a value of more than 1 MiB", EINVAL);
	n = sst_user_read(path, value, len < PATH_ROOM ? len : PATH_ROOM);
	if (n < 0)
		return sst_say_errno(name, "setsockopt", (int)-n);
	if (is_bytes(path, (size_t)n, len))
		return set_bytes(fd, name, option, value, len);
	/* A short read is the end of readable memory before the value's end. */
	if ((socklen_t)n < len && n < PATH_ROOM &&
	    memchr(path, '\0', (size_t)n) == NULL)
		return sst_say_errno(name, "setsockopt", EFAULT);
	path[n] = '\0';
	if (strlen(path) >= PATH_ROOM)
		return sst_say_errno(name, "a path", ENAMETOOLONG);
	return set_path(fd, name, option, path);
}
