/* SPDX-License-Identifier: ISC */
#include "cpu.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What the processes took that `pid` has already waited for, in nanoseconds. */
static uint64_t
cpu_of_waited(pid_t pid)
{
	unsigned long user = 0, system = 0;
	char line[1024], path[64];
	const char *rest;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	n = fread(line, 1, sizeof(line) - 1, f);
	(void)fclose(f);
	line[n] = '\0';
	/* The name may hold anything; fields 16 and 17 count from behind it. */
	rest = strrchr(line, ')');
	if (rest == NULL || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u "
	    "%*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		return 0;
	return (uint64_t)(user + system) * 1000000000u /
	    (uint64_t)sysconf(_SC_CLK_TCK);
}

uint64_t
cpu_of(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) < 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec +
	    cpu_of_waited(pid);
}

uint64_t
memory_of(pid_t pid)
{
	unsigned long long kb = 0;
	char line[256];
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Pss: %llu", &kb) == 1)
			break;
	(void)fclose(f);
	return kb * 1024;
}

/* Whether /proc/PID/cmdline has `text` in its first bytes. */
static int
is_called(const char *pid, const char *text)
{
	char line[256];
	char path[300];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	f = isdigit((unsigned char)pid[0]) ? fopen(path, "r") : NULL;
	if (f == NULL)
		return 0;
	n = fread(line, 1, sizeof(line), f);
	(void)fclose(f);
	return memmem(line, n, text, strlen(text)) != NULL;
}

uint64_t
sum_over(const char *text, uint64_t (*what)(pid_t))
{
	struct dirent *e;
	uint64_t sum = 0;
	DIR *proc = opendir("/proc");

	if (proc == NULL)
		return 0;
	while ((e = readdir(proc)) != NULL)
		if (is_called(e->d_name, text))
			sum += what((pid_t)atoi(e->d_name));
	(void)closedir(proc);
	return sum;
}

uint64_t
sum_over_pair(pid_t program, uint64_t (*what)(pid_t))
{
	char title[40];

	/* securesocketsd: NAME[PID] */
	(void)snprintf(title, sizeof(title), "[%d]", (int)program);
	return sum_over(title, what);
}

/* The parent of `pid`; 0: no process. */
static pid_t
parent_of(pid_t pid)
{
	char line[256], path[64];
	int parent = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "PPid: %d", &parent) == 1)
			break;
	(void)fclose(f);
	return parent;
}

uint64_t
sum_over_tree(pid_t root, uint64_t (*what)(pid_t))
{
	struct dirent *e;
	uint64_t sum = 0;
	DIR *proc = opendir("/proc");
	pid_t at;

	if (proc == NULL)
		return 0;
	while ((e = readdir(proc)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		at = (pid_t)atoi(e->d_name);
		while (at > 1 && at != root)
			at = parent_of(at);
		if (at == root)
			sum += what((pid_t)atoi(e->d_name));
	}
	(void)closedir(proc);
	return sum;
}

uint64_t
memory_of_kernel(void)
{
	unsigned long long kb;
	uint64_t sum = 0;
	char line[256];
	FILE *f = fopen("/proc/meminfo", "r");

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Slab: %llu", &kb) == 1 ||
		    sscanf(line, "KernelStack: %llu", &kb) == 1 ||
		    sscanf(line, "PageTables: %llu", &kb) == 1)
			sum += kb * 1024;
	(void)fclose(f);
	return sum;
}

/* The number after `key` in DIR/FILE; without a key the number in it. */
static uint64_t
number_in(const char *dir, const char *file, const char *key)
{
	unsigned long long n = 0;
	char line[256], path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0 &&
		    sscanf(line + strlen(key), "%llu", &n) == 1)
			break;
	(void)fclose(f);
	return n;
}

uint64_t
memory_charged(const char *cgroup)
{
	return number_in(cgroup, "memory.kmem.usage_in_bytes", "") +
	    number_in(cgroup, "memory.kmem.tcp.usage_in_bytes", "") +
	    number_in(cgroup, "memory.stat", "kernel ") +
	    number_in(cgroup, "memory.stat", "sock ");
}

uint64_t
memory_cached(const char *path)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = 0, n = 0;
	unsigned char *in = NULL;
	void *at = MAP_FAILED;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		pages = ((size_t)st.st_size + page - 1) / page;
		at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		in = calloc(pages, 1);
	}
	if (at != MAP_FAILED && in != NULL && mincore(at, (size_t)st.st_size, in) == 0)
		for (size_t i = 0; i < pages; i++)
			n += in[i] & 1;
	if (at != MAP_FAILED)
		(void)munmap(at, (size_t)st.st_size);
	if (fd >= 0)
		(void)close(fd);
	free(in);
	return n * page;
}

double
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
