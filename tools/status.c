/* SPDX-License-Identifier: ISC */
/*
 * status - sstool status: the programs that serve or connect through the library.
 *
 * Each pair of keeper and relay has a socket, DIRECTORY/PID.sock, that answers
 * a connection with one JSON document and closes it.
 *
 * Always true:
 *   1. An answer is bounded in size and in time, and never printed before it
 *      parsed.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "out.h"
#include "status_text.h"
#include "verb.h"

#define VERB		"status"
#define ANSWER_MAX	(16u << 20)
#define ANSWER_MS	2000

struct tally {
	int	json;
	size_t	limit, seen, shown;
	size_t	forbidden;	/* another user's */
	size_t	silent;		/* there, and no answer */
};

static long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0: readable or at its end. */
static int
wait_for(int fd, long long until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc;

	do {
		long long left = until - now_ms();

		rc = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (rc < 0 && errno == EINTR);
	return rc == 1 ? 0 : -1;
}

/* All that the other side sends. NULL: nothing usable in time. */
static json_t *
read_answer(int fd)
{
	size_t used = 0, size = 65536;
	long long until = now_ms() + ANSWER_MS;
	char *buf = malloc(size), *bigger;
	json_t *answer = NULL;
	ssize_t n;

	while (buf != NULL && wait_for(fd, until) == 0) {
		n = recv(fd, buf + used, size - used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		if (n == 0) {
			answer = json_loadb(buf, used, JSON_REJECT_DUPLICATES,
			    NULL);
			break;
		}
		used += (size_t)n;
		if (used < size)
			continue;
		if (size == ANSWER_MAX)
			break;
		bigger = realloc(buf, size *= 2);
		if (bigger == NULL)
			break;
		buf = bigger;
	}
	free(buf);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return NULL;
	}
	return answer;
}

/* Asks one door. NULL: errno says why. */
static json_t *
ask(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	json_t *answer = NULL;
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
		answer = read_answer(fd);
		errno = ETIMEDOUT;
	}
	close(fd);
	return answer;
}

static void
show(struct tally *t, json_t *answer)
{
	t->seen++;
	if (t->limit != 0 && t->shown == t->limit) {
		json_decref(answer);
		return;
	}
	t->shown++;
	if (t->json) {
		json_t *o = sst_out_object();

		json_object_update_missing(o, answer);
		sst_out_json(o);
	} else {
		sst_status_print(answer);
	}
	json_decref(answer);
}

/* PID.sock: the cache service has a socket there too. */
static int
is_door(const struct dirent *entry)
{
	size_t len = strspn(entry->d_name, "0123456789");

	return len > 0 && strcmp(entry->d_name + len, ".sock") == 0;
}

static void
look_into(struct tally *t, const char *directory)
{
	struct dirent **list = NULL;
	char path[4096];
	int n = scandir(directory, &list, is_door, alphasort);

	for (int i = 0; i < n; i++) {
		json_t *answer;

		snprintf(path, sizeof(path), "%s/%s", directory, list[i]->d_name);
		free(list[i]);
		answer = ask(path);
		if (answer != NULL)
			show(t, answer);
		else if (errno == EACCES || errno == EPERM)
			t->forbidden++;
		else if (errno != ECONNREFUSED && errno != ENOENT)
			t->silent++;	/* else: left behind by a dead pair */
	}
	free(list);
}

/* The directories of all users, for root; else that of this one. */
static void
look_at_users(struct tally *t)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[4096];
	glob_t found = { .gl_pathc = 0 };

	if (runtime != NULL && *runtime == '/' &&
	    (geteuid() != 0 || strncmp(runtime, "/run/user/", 10) != 0)) {
		snprintf(path, sizeof(path), "%s/securesockets", runtime);
		look_into(t, path);
	}
	if (geteuid() == 0) {
		if (glob("/run/user/*/securesockets", 0, NULL, &found) == 0)
			for (size_t i = 0; i < found.gl_pathc; i++)
				look_into(t, found.gl_pathv[i]);
		globfree(&found);
	} else if (runtime == NULL || *runtime != '/') {
		snprintf(path, sizeof(path), "/run/user/%u/securesockets",
		    (unsigned)getuid());
		look_into(t, path);
	}
}

static int
status(struct tally *t)
{
	look_into(t, "/run/securesockets");
	look_at_users(t);
	if (t->limit != 0)
		sst_out_count(t->json, t->shown, t->seen);
	if (t->silent > 0)
		sst_out_trouble(0, "%zu did not answer within %d s", t->silent,
		    ANSWER_MS / 1000);
	if (t->seen > 0)
		return SST_EXIT_YES;
	if (t->silent > 0)
		return SST_EXIT_TRY_LATER;
	if (t->forbidden > 0)
		return sst_out_trouble(SST_EXIT_CANNOT_TELL,
		    "%zu belong to other users: ask as root", t->forbidden);
	if (!t->json)
		puts("no program uses the library now");
	return SST_EXIT_NO;
}

int
sst_verb_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "limit", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 }
	};
	struct tally t = { 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'j') {
			t.json = 1;
		} else if (c == 'l') {
			t.limit = sst_out_limit(optarg);
			if (t.limit == 0)
				return sst_out_usage(VERB, "--limit takes a number");
		} else {
			return sst_out_option(VERB, c, argv);
		}
	}
	if (argc != optind)
		return sst_out_usage(VERB, "no argument");
	return status(&t);
}
