/* SPDX-License-Identifier: ISC */
/* gauge - what a pair holds; see gauge.h. */
#include "gauge.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* The number behind `label` in a file of /proc; -1 if there is none. */
static long
number_in(pid_t pid, const char *file, const char *label)
{
	char path[64], line[512];
	long found = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	f = fopen(path, "re");
	if (f == NULL)
		return -1;
	while (found < 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, label, strlen(label)) == 0)
			found = strtol(line + strlen(label), NULL, 10);
	(void)fclose(f);
	return found;
}

static long
both(long a, long b)
{
	return a < 0 || b < 0 ? -1 : a + b;
}

/* What it alone holds: the share of a library changes with who else runs. */
static long
memory(pid_t pid)
{
	long kib = both(number_in(pid, "smaps_rollup", "Pss_Anon:"),
	    number_in(pid, "smaps_rollup", "Pss_Shmem:"));

	return kib >= 0 ? kib : both(number_in(pid, "status", "RssAnon:"),
	    number_in(pid, "status", "RssShmem:"));
}

/* "sockets" of this program's status document. */
static long
records(void)
{
	static char text[1 << 20];
	const char *at;

	if (geteuid() != 0 || !world_ask("status", text, sizeof(text)))
		return -1;
	at = strstr(text, "\"sockets\":");
	return at == NULL ? -1 : strtol(at + 10, NULL, 10);
}

void
gauge_read(struct gauge *g, int fd)
{
	want_eq(world_pair(fd, &g->keeper, &g->relay), 0);
	g->kib = both(memory(g->keeper), memory(g->relay));
	g->fds = both(world_count_fds(g->keeper), world_count_fds(g->relay));
	g->records = records();
}

/* What every descriptor of a process leads to, for who looks for what stayed. */
static void
print_fds(const char *what, pid_t pid)
{
	char path[300], target[256];
	DIR *dir;
	struct dirent *e;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	(void)fprintf(stderr, "%s %d:", what, (int)pid);
	while (dir != NULL && (e = readdir(dir)) != NULL) {
		n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target));
		if (n > 0)
			(void)fprintf(stderr, " %s=%.*s", e->d_name, (int)n, target);
	}
	(void)fputs("\n", stderr);
	if (dir != NULL)
		(void)closedir(dir);
}

void
gauge_want_back(const struct gauge *start, int fd)
{
	const long long end = world_now_ms() + WORLD_PATIENCE_MS;
	struct gauge now;

	while (gauge_read(&now, fd), now.fds > start->fds || now.records > start->records) {
		if (world_now_ms() > end) {
			print_fds("keeper", now.keeper);
			print_fds("relay", now.relay);
			world_fail(__FILE__, __LINE__, "%ld descriptors and %ld records "
			    "stay, at the start %ld and %ld", now.fds, now.records,
			    start->fds, start->records);
		}
		world_breathe();
	}
	want_eq(now.keeper, start->keeper);
	want_eq(now.relay, start->relay);
}

long
gauge_raise_files(long wanted)
{
	struct rlimit files;

	want_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
	if (files.rlim_max < (rlim_t)wanted) {
		struct rlimit more = { (rlim_t)wanted, (rlim_t)wanted };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			return wanted;
	}
	files.rlim_cur = files.rlim_max;
	want_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	return files.rlim_max > (rlim_t)wanted ? wanted : (long)files.rlim_max;
}
