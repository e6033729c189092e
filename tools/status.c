/* SPDX-License-Identifier: ISC */
/*
 * status - sstool status: the programs that serve or connect through the library.
 *
 * Who asks nothing at a door (doors.h) is answered with one JSON document.
 *
 * Always true:
 *   1. An answer is bounded in size and in time, and never printed before it
 *      parsed.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doors.h"
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

/* 0: readable or at its end. */
static int
wait_for(int fd, long long until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int rc;

	do {
		long long left = until - sst_doors_ms();

		rc = poll(&p, 1, left > 0 ? (int)left : 0);
	} while (rc < 0 && errno == EINTR);
	return rc == 1 ? 0 : -1;
}

/* All that the other side sends. NULL: nothing usable in time. */
static json_t *
read_answer(int fd)
{
	size_t used = 0, size = 65536;
	long long until = sst_doors_ms() + ANSWER_MS;
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
	json_t *answer;
	int fd = sst_door_open(path, "");

	if (fd < 0)
		return NULL;
	answer = read_answer(fd);
	close(fd);
	errno = ETIMEDOUT;
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

static void
look_at(void *tally, const char *path)
{
	struct tally *t = tally;
	json_t *answer = ask(path);

	if (answer != NULL)
		show(t, answer);
	else if (errno == EACCES || errno == EPERM)
		t->forbidden++;
	else if (errno != ECONNREFUSED && errno != ENOENT)
		t->silent++;	/* else: left behind by a dead pair */
}

static int
status(struct tally *t)
{
	sst_doors_each(look_at, t);
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
