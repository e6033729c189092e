/* SPDX-License-Identifier: ISC */
/* gauge - what a pair holds; see gauge.h. */
#include "gauge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
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
	struct sockaddr_un door = { .sun_family = AF_UNIX };
	static char text[1 << 20];
	const char *at;
	size_t have = 0;
	ssize_t n = 1;
	int fd;

	if (geteuid() != 0)
		return -1;
	(void)snprintf(door.sun_path, sizeof(door.sun_path),
	    "/run/securesockets/%d.sock", (int)getpid());
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&door, sizeof(door)) != 0) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	while (n > 0 && have < sizeof(text) - 1) {
		n = read(fd, text + have, sizeof(text) - 1 - have);
		if (n > 0)
			have += (size_t)n;
	}
	(void)close(fd);
	text[have] = '\0';
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

static int
is_back(const struct gauge *start, int fd)
{
	struct gauge now;

	gauge_read(&now, fd);
	want_eq(now.keeper, start->keeper);
	want_eq(now.relay, start->relay);
	return now.fds <= start->fds && now.records <= start->records;
}

void
gauge_want_back(const struct gauge *start, int fd)
{
	want_soon(is_back(start, fd));
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
