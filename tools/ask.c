/* SPDX-License-Identifier: ISC */
/* ask - see ask.h. */
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doors.h"

#define ANSWER_MAX	(4u << 20)	/* parsed, it takes some forty times as much */

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
	long long until = sst_doors_ms() + SST_ASK_MS;
	char *buf = malloc(size), *bigger;
	json_t *answer = NULL;
	ssize_t n;

	while (buf != NULL && wait_for(fd, until) == 0) {
		n = recv(fd, buf + used, size - used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		/* A pair of an older release does not read the question: its end is
		 * a reset. */
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			answer = json_loadb(buf, used, JSON_REJECT_DUPLICATES,
			    NULL);
			break;
		}
		if (n < 0)
			break;
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

json_t *
sst_ask(const char *path, const char *question)
{
	json_t *answer;
	int fd = sst_door_open(path, question);

	if (fd < 0)
		return NULL;
	answer = read_answer(fd);
	close(fd);
	errno = ETIMEDOUT;
	return answer;
}

struct asking {
	struct sst_ask_count *count;
	void	(*each)(void *arg, const char *path, json_t *answer);
	void	*arg;
	long long until;
};

static void
ask_one(void *arg, const char *path)
{
	struct asking *a = arg;
	json_t *answer;

	if (sst_doors_ms() >= a->until) {
		a->count->silent++;
		return;
	}
	answer = sst_ask(path, "");
	if (answer != NULL) {
		a->count->answered++;
		a->each(a->arg, path, answer);
		json_decref(answer);
	} else if (errno == EACCES || errno == EPERM) {
		a->count->forbidden++;
	} else if (errno != ECONNREFUSED && errno != ENOENT) {
		a->count->silent++;	/* else: left behind by a dead pair */
	}
}

void
sst_ask_all(struct sst_ask_count *count,
    void (*each)(void *arg, const char *path, json_t *answer), void *arg)
{
	struct asking a = { .count = count, .each = each, .arg = arg,
	    .until = sst_doors_ms() + SST_ASK_ALL_MS };

	sst_doors_each(ask_one, &a);
}
