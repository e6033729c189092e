/* SPDX-License-Identifier: ISC */
/* deploy_prefetch - see deploy_prefetch.h. */
#include "deploy_prefetch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "doors.h"
#include "out.h"

/* In the child: what it says goes to `fd`. It is a program of its own, so that the key
 * that this one holds is not in the memory of another user's process. */
static void
run(int fd, const char *chain, const char *trust)
{
	const char *argv[9] = { "sstool", "cache", "prefetch", "--json" };
	int argc = 4;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (trust != NULL) {
		argv[argc++] = "--trust";
		argv[argc++] = trust;
	}
	argv[argc++] = "--";
	argv[argc++] = chain;
	if (dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0)
		(void)execv("/proc/self/exe", (char **)argv);
	_exit(SST_EXIT_UNAVAILABLE);
}

/* All that the child says until it ends. -1: it was not done in time. */
static int
listen_to(int fd, unsigned budget_ms, char *out, size_t size)
{
	const long long until = sst_doors_ms() + budget_ms;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t used = 0;

	for (;;) {
		long long left = until - sst_doors_ms();
		char rest[256];
		ssize_t n;
		int rc = poll(&p, 1, left > 0 ? (int)left : 0);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0)
			return -1;
		/* what does not fit is read all the same: the child must not wait */
		n = used + 1 < size ? read(fd, out + used, size - 1 - used) :
		    read(fd, rest, sizeof(rest));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		if (used + 1 < size)
			used += (size_t)n;
		out[used] = '\0';
	}
}

/* Lines of JSON are verdicts, the first that is not good counts; others are trouble. */
static void
take_lines(char *text, struct sst_prefetched *ret)
{
	char *rest = NULL;
	size_t verdicts = 0;

	for (char *line = strtok_r(text, "\n", &rest); line != NULL;
	    line = strtok_r(NULL, "\n", &rest)) {
		json_t *o = *line == '{' ? json_loads(line, 0, NULL) : NULL;
		const char *verdict = json_string_value(json_object_get(o, "verdict"));
		const char *why = json_string_value(json_object_get(o, "why"));

		if (verdict == NULL && ret->why[0] == '\0') {
			(void)sst_out_clean(ret->why, sizeof(ret->why),
			    strncmp(line, "sstool: ", 8) == 0 ? line + 8 : line);
		} else if (verdict != NULL && verdicts++ == 0) {
			(void)snprintf(ret->verdict, sizeof(ret->verdict), "%.31s",
			    verdict);
			(void)sst_out_clean(ret->why, sizeof(ret->why),
			    why != NULL ? why : "");
			ret->until = json_integer_value(json_object_get(o, "until"));
		}
		json_decref(o);
	}
}

void
sst_deploy_prefetch(const char *chain, const char *trust, unsigned budget_ms,
    struct sst_prefetched *ret)
{
	static char text[16384];
	int fds[2], status = 0, late;
	pid_t child;

	memset(ret, 0, sizeof(*ret));
	text[0] = '\0';
	fflush(stdout);
	if (pipe2(fds, O_CLOEXEC) != 0) {
		(void)snprintf(ret->why, sizeof(ret->why), "%s", strerror(errno));
		return;
	}
	child = fork();
	if (child == 0)
		run(fds[1], chain, trust);
	(void)close(fds[1]);
	late = child < 0 || listen_to(fds[0], budget_ms, text, sizeof(text)) != 0;
	(void)close(fds[0]);
	if (child < 0) {
		(void)snprintf(ret->why, sizeof(ret->why), "%s", strerror(errno));
		return;
	}
	if (late)
		(void)kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	take_lines(text, ret);
	if (late)
		(void)snprintf(ret->why, sizeof(ret->why), "not done within %u s",
		    budget_ms / 1000);
	ret->good = !late && WIFEXITED(status) && WEXITSTATUS(status) == SST_EXIT_YES;
	if (!ret->good && ret->why[0] == '\0')
		(void)snprintf(ret->why, sizeof(ret->why), "it ended without a word");
}
