/* SPDX-License-Identifier: ISC */
/*
 * doctor - sstool doctor: what a sandbox, a chroot, a container or a missing
 * package forbids.
 *
 * It tries for real what it can: it makes the sockets, starts the pair, runs
 * securesocketsd. See doctor.h for its parts.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "out.h"
#include "verb.h"

#define VERB		"doctor"
#define TRIAL_MS	10000
#define WORKERS_MAX	8

void
sst_find(struct sst_doctor *d, enum sst_level level, const char *what,
    const char *type, const char *fmt, ...)
{
	static const char *const names[] = { "ok", "warn", "fail" };
	char raw[1200], why[2400], line[2400];
	json_t *o;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	sst_out_clean(why, sizeof(why), raw);
	d->warns += level == SST_WARN;
	d->fails += level == SST_FAIL;
	if (d->json) {
		o = sst_out_object();
		json_object_set_new(o, "result", json_string(names[level]));
		json_object_set_new(o, "what", sst_out_string(what));
		json_object_set_new(o, "why", json_string(why));
		json_object_set_new(o, "type", sst_out_string(type));
		sst_out_json(o);
	} else if (type != NULL) {
		printf("%-4s  %-24s %s; type: %s\n", names[level], what, why,
		    sst_out_clean(line, sizeof(line), type));
	} else {
		printf("%-4s  %-24s %s\n", names[level], what, why);
	}
	fflush(stdout);		/* a trial forks */
}

/* What the child sends; a short one means that it died. */
static void
collect(int fd, pid_t pid, struct sst_trial *t)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = 0;
	int status;

	while (poll(&p, 1, TRIAL_MS) < 0 && errno == EINTR)
		;
	if (p.revents != 0)
		n = read(fd, t, sizeof(*t));
	else
		kill(pid, SIGKILL);
	if (n != (ssize_t)sizeof(*t)) {
		memset(t, 0, sizeof(*t));
		t->error = p.revents != 0 ? EIO : ETIMEDOUT;
	}
	t->text[sizeof(t->text) - 1] = '\0';
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(*t) && p.revents != 0 && WIFSIGNALED(status))
		t->signal = WTERMSIG(status);
}

int
sst_ends(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) == 0)
		return 0;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

void
sst_try(void (*body)(struct sst_trial *, const void *), const void *arg,
    struct sst_trial *t)
{
	int ends[2];
	pid_t pid;

	memset(t, 0, sizeof(*t));
	if (sst_ends(ends) != 0) {
		t->error = errno;
		return;
	}
	pid = fork();
	if (pid == 0) {
		body(t, arg);
		_exit(write(ends[1], t, sizeof(*t)) != (ssize_t)sizeof(*t));
	}
	close(ends[1]);
	if (pid < 0) {
		t->error = errno;
		snprintf(t->text, sizeof(t->text), "cannot fork: %s",
		    strerror(errno));
	} else {
		collect(ends[0], pid, t);
	}
	close(ends[0]);
}

const char *
sst_trial_why(const struct sst_trial *t)
{
	if (t->signal != 0)
		return strsignal(t->signal);
	return t->text[0] != '\0' ? t->text : strerror(t->error);
}

unsigned long
sst_doctor_room(unsigned long soft, unsigned long hard)
{
	/* One in the program, two in the relay; 0, 1, 2 and a few of its own. */
	unsigned long program = soft > 8 ? soft - 8 : 0;
	unsigned long relay = hard > SST_DOCTOR_PAIR_FILES ?
	    (hard - SST_DOCTOR_PAIR_FILES) / 2 : 0;

	return program < relay ? program : relay;
}

unsigned long
sst_doctor_tasks(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return 3 + (unsigned long)(cores < 1 ? 1 : cores > WORKERS_MAX ?
	    WORKERS_MAX : cores);
}

int
sst_verb_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "unit", required_argument, NULL, 'u' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct sst_doctor d = { .agent = secure_getenv("SECURESOCKETS_AGENT") };
	const char *unit = NULL;
	int c, rc = SST_EXIT_YES;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'u')
			unit = optarg;
		else if (c == 'j')
			d.json = 1;
		else
			return sst_out_option(VERB, c, argv);
	}
	if (argc > optind + 1 || (unit != NULL && argc > optind))
		return sst_out_usage(VERB, "--unit, or one PROGRAM, or nothing");
	if (unit != NULL && *unit == '\0')
		return sst_out_usage(VERB, "--unit takes the name of a service");
	if (d.agent == NULL || *d.agent == '\0')
		d.agent = SST_AGENT_PATH;
	if (unit != NULL) {
		rc = sst_doctor_unit(&d, unit);
	} else {
		sst_doctor_try(&d);
		sst_doctor_system(&d);
		sst_doctor_watch(&d);
		if (argc > optind)
			sst_doctor_run(&d, argv[optind]);
	}
	return rc == SST_EXIT_YES && d.fails > 0 ? SST_EXIT_NO : rc;
}
