/* SPDX-License-Identifier: ISC */
/*
 * doctor_run - the part of sstool doctor that asks whether `sstool run PROGRAM`
 * would work: the checks are run's own, and run is tried with true(1).
 *
 * Always true:
 *   1. PROGRAM itself is not started.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "doctor.h"
#include "out.h"
#include "run.h"

/* What run would print is the trial's sentence. */
static void
look(struct sst_trial *t, const void *arg)
{
	static const char before[] = "sstool: run: ";
	char *path = NULL;
	ssize_t n;
	int fd = memfd_create("said", MFD_CLOEXEC);

	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
	t->error = sst_run_find(arg, &path);
	if (t->error == 0)
		t->error = sst_run_check(path);
	fflush(stderr);
	n = fd < 0 ? 0 : pread(fd, t->text, sizeof(t->text) - 1, 0);
	t->text[n > 0 ? n : 0] = '\0';
	t->text[strcspn(t->text, "\n")] = '\0';
	if (strncmp(t->text, before, sizeof(before) - 1) == 0)
		memmove(t->text, t->text + sizeof(before) - 1,
		    strlen(t->text + sizeof(before) - 1) + 1);
	free(path);
}

void
sst_doctor_run(struct sst_doctor *d, const char *program)
{
	static const char *const argv[] = { "/proc/self/exe", "run", "--tls-port",
	    "1", "--", "/bin/true", NULL };
	const struct sst_command self = { .argv = argv };
	struct sst_trial t;

	if (d->alone)
		return;
	sst_try(look, program, &t);
	if (t.error != 0)
		sst_find(d, SST_FAIL, "program", NULL, "%s", sst_trial_why(&t));
	else
		sst_find(d, SST_FINE, "program", NULL, "%s loads the library",
		    program);
	if (access(argv[0], X_OK) != 0 || access(argv[5], X_OK) != 0) {
		sst_find(d, SST_WARN, "run", NULL,
		    "not tried: it takes %s and %s", argv[0], argv[5]);
		return;
	}
	sst_try(sst_try_command, &self, &t);
	if (t.error != 0 || t.signal != 0)
		sst_find(d, SST_FAIL, "run", NULL, "%s", sst_trial_why(&t));
	else
		sst_find(d, SST_FINE, "run", NULL, "sstool run starts a program");
}
