/* SPDX-License-Identifier: ISC */
/*
 * filemark DIR [DIRECTORIES] - what a mark on a file system costs whoever set it, and
 * those who write there.
 *
 * A hundred names in DIR, few of which have a watch; beside them a process creates,
 * writes, renames and deletes files in DIRECTORIES (default 100) of its own, for five
 * seconds, without the mark and with it, twice. Nobody gives the mark up here. It
 * takes root.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "watch/watch.h"

enum { NAMES = 100, WATCHES = 20, SECONDS = 5, RUNS = 2 };

struct sum {
	int64_t	rounds, cpu_us;
};

static int64_t
cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t
nothing(void)
{
	return 0;
}

static void
told(void *arg, uint32_t id, const struct sst_below *below)
{
	(void)arg;
	(void)id;
	(void)below;
}

/* Five calls a round that change a directory or a file, six with the close. */
static void
write_on(const char *dir, int directories, int to)
{
	const int64_t end = sst_clock_ms() + SECONDS * 1000;
	char path[600], renamed[600];
	struct sum sum = { 0 };
	int fd, d;

	while (sst_clock_ms() < end) {
		d = rand() % directories;
		(void)snprintf(path, sizeof(path), "%s/strangers/%d/new", dir, d);
		(void)snprintf(renamed, sizeof(renamed), "%s/strangers/%d/old", dir, d);
		fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) != 0 ||
		    rename(path, renamed) != 0 || unlink(renamed) != 0)
			_exit(1);
		sum.rounds++;
	}
	sum.cpu_us = cpu_us();
	_exit(write(to, &sum, sizeof(sum)) != (ssize_t)sizeof(sum));
}

static int
run(const char *dir, int directories, int mark)
{
	const struct sst_watch_plan plan = { .most = WATCHES, .mark = mark,
	    .cpu_us = nothing };
	struct sst_watch *w = sst_watch_new(&plan, sst_clock_ms());
	struct sst_watch_rule rule = { 0 };
	struct sum sum = { 0 };
	char names[600];
	int64_t began, wait;
	int ends[2];
	pid_t pid;

	(void)snprintf(names, sizeof(names), "%s/names", dir);
	if (w == NULL || pipe2(ends, O_CLOEXEC) != 0 ||
	    sst_watch_add(w, 1, names, 1, sst_clock_ms()) != 0)
		return 1;
	while (sst_watch_due(w) <= sst_clock_ms())
		sst_watch_step(w, sst_clock_ms(), told, NULL);
	(void)sst_watch_rule(w, 1, &rule);
	if (mark && rule.mark != SST_MARK_HELD) {
		(void)fprintf(stderr, "%s cannot be marked\n", dir);
		return 1;
	}
	pid = fork();
	if (pid == 0)
		write_on(dir, directories, ends[1]);
	began = cpu_us();
	while (pid > 0 && waitpid(pid, NULL, WNOHANG) == 0) {
		wait = sst_watch_due(w) - sst_clock_ms();
		(void)poll(NULL, 0, wait < 0 ? 0 : wait > 100 ? 100 : (int)wait);
		sst_watch_read(w, sst_clock_ms());
		if (sst_watch_due(w) <= sst_clock_ms())
			sst_watch_step(w, sst_clock_ms(), told, NULL);
	}
	began = cpu_us() - began;
	if (pid < 0 || read(ends[0], &sum, sizeof(sum)) != (ssize_t)sizeof(sum))
		return 1;
	(void)printf("%-12s %7.0f rounds a second, %6.2f us of CPU each; who watches: "
	    "%.2f %% of a core\n", mark ? "marked" : "not marked",
	    (double)sum.rounds / SECONDS, (double)sum.cpu_us / (double)sum.rounds,
	    (double)began / (SECONDS * 10000.0));
	sst_watch_free(w);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return 0;
}

static int
plant(const char *dir, const char *name, int n)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (mkdir(path, 0700) != 0)
		return -1;
	for (int i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/%d", dir, name, i);
		if (mkdir(path, 0700) != 0)
			return -1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	int directories = argc > 2 ? atoi(argv[2]) : 100, rc = 0;

	if (argc < 2 || directories < 1 || plant(argv[1], "names", NAMES) != 0 ||
	    plant(argv[1], "strangers", directories) != 0) {
		(void)fprintf(stderr, "usage: filemark EMPTY_DIRECTORY [DIRECTORIES]\n");
		return 64;
	}
	for (int i = 0; i < 2 * RUNS && rc == 0; i++)
		rc = run(argv[1], directories, i % 2);
	return rc;
}
