/* SPDX-License-Identifier: ISC */
#include "cpu.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t
cpu_of(pid_t pid)
{
	unsigned long long ns;
	struct dirent *e;
	uint64_t sum = 0;
	char path[300];
	DIR *tasks;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (tasks == NULL)
		return 0;
	while ((e = readdir(tasks)) != NULL) {
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat",
		    (int)pid, e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
		if (f == NULL)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		(void)fclose(f);
	}
	(void)closedir(tasks);
	return sum;
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

double
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
