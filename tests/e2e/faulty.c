/* SPDX-License-Identifier: ISC */
/* faulty - the agent's side; see faulty.h. */
#include "faulty.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/wire.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED	1
#else
#define SANITIZED	0
#endif

static struct faults *faults;
static int role;

static int
role_now(void)
{
	char line[64] = "";
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, line, sizeof(line) - 1);
	size_t first = strlen(line);

	(void)close(fd);
	if (n <= 0 || first + 3 >= sizeof(line))
		return 0;
	return line[first + 3];	/* --relay, --keeper */
}

__attribute__((constructor))
static void
look_for_faults(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);
	char *slash;
	void *at;
	int fd;

	if (n <= 0)
		return;
	path[n] = '\0';
	slash = strrchr(path, '/');
	(void)strcpy(slash + 1, "faults");
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	at = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (at == MAP_FAILED)
		return;
	role = role_now();
	faults = at;
	faults->no_memory_faults = SANITIZED;
}

/* The idle time is in the first message of the program that starts the keeper. */
ssize_t
recv(int fd, void *buf, size_t len, int flags)
{
	ssize_t n = syscall(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
	struct sst_wire_start *start = buf;

	if (faults != NULL && faults->idle_ms != 0 && role == 'k' &&
	    n == (ssize_t)sizeof(*start) && len == sizeof(*start))
		start->idle_ms = faults->idle_ms;
	return n;
}

#if !SANITIZED
/* Seen by the libraries as well. */
#define FOR_ALL	__attribute__((visibility("default")))

static int
fails(void)
{
	if (faults == NULL || faults->role != role || faults->countdown <= 0 ||
	    atomic_fetch_sub(&faults->countdown, 1) != 1)
		return 0;
	faults->fired++;
	if (atomic_fetch_sub(&faults->burst, 1) > 1)
		faults->countdown = 1;
	errno = ENOMEM;
	return 1;
}

/* The same function in the C library. */
static void *
next(void **known, const char *name)
{
	if (*known == NULL)
		*known = dlsym(RTLD_NEXT, name);
	return *known;
}

FOR_ALL void *
malloc(size_t size)
{
	static void *known;
	union { void *any; void *(*call)(size_t); } real = { next(&known, "malloc") };

	return fails() ? NULL : real.call(size);
}

FOR_ALL void *
calloc(size_t n, size_t size)
{
	static void *known;
	union { void *any; void *(*call)(size_t, size_t); } real = {
		next(&known, "calloc") };

	return fails() ? NULL : real.call(n, size);
}

FOR_ALL void *
realloc(void *old, size_t size)
{
	static void *known;
	union { void *any; void *(*call)(void *, size_t); } real = {
		next(&known, "realloc") };

	return fails() ? NULL : real.call(old, size);
}
#endif
