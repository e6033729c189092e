/* SPDX-License-Identifier: ISC */
/* play - the runs of a case; see play.h. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define DIVERGENCES	CONFORMANCE_DIR "/divergences.tsv"
#define ABSENCES	CONFORMANCE_DIR "/modes.tsv"

static struct trial trial;
static void (*trial_body)(struct trial *);

static void
body(void)
{
	trial_body(&trial);
}

static struct notes *
notes_new(void)
{
	struct notes *n = mmap(NULL, sizeof(*n), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(n != MAP_FAILED);
	return n;
}

static void
notes_free(struct notes *n)
{
	if (n != NULL)
		(void)munmap(n, sizeof(*n));
}

static void
show(const char *run, const struct notes *n)
{
	if (getenv("CONFORMANCE_SHOW") == NULL)
		return;
	for (unsigned int i = 0; i < n->n && i < NOTES_MAX; i++)
		(void)fprintf(stderr, "%s: %s: %s\n", run, n->at[i].label,
		    n->at[i].value);
}

/* How a run ended when it did not return. */
static void
complain_end(struct complaints *c, const char *run, int status, const struct notes *n)
{
	char text[80];

	if (status == WORLD_TRY_LEFT)
		(void)snprintf(text, sizeof(text), "left agents behind");
	else if (WIFSIGNALED(status))
		(void)snprintf(text, sizeof(text), "died of SIG%s",
		    sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 3)
		(void)snprintf(text, sizeof(text), "hung");
	else
		(void)snprintf(text, sizeof(text), "failed (see above)");
	complain(c, "%s: %s, after \"%s\"", run, text,
	    n->n == 0 || n->n > NOTES_MAX ? "nothing" : n->at[n->n - 1].label);
}

/* 1: notes are there; 0: complained; -1: the case skipped itself. */
static int
run(enum mode mode, enum side side, enum world_start start, struct notes *ret_notes,
    struct complaints *c)
{
	char name[160];
	int status;

	(void)snprintf(name, sizeof(name), "%s (%s, %s)", trial.name,
	    judge_mode_name((int)mode), side == OURS_CONNECTS ? "connects" : "accepts");
	trial.mode = mode;
	trial.side = side;
	trial.family = world.families[0];
	trial.notes = ret_notes;
	status = world_try(name, body, mode == MODE_TCP ? WORLD_COLD : start);
	if (status == WORLD_TRY_SKIPPED)
		return -1;
	show(name, ret_notes);
	if (status == 0)
		return 1;
	complain_end(c, name, status, ret_notes);
	return 0;
}

/* One mode against the notes of TCP, or of the first mode where TCP is absent. */
static int
run_against(enum mode mode, struct notes **first, const struct tables *tables,
    enum world_start start, struct complaints *c)
{
	enum side side = mode == MODE_SERVER ? OURS_ACCEPTS : OURS_CONNECTS;
	int with_tcp = (judge_modes(tables, trial.number) & 1u << MODE_TCP) != 0;
	struct notes *base = *first, *seen = NULL;
	int rc = 1;

	if (with_tcp && mode == MODE_SERVER) {
		base = notes_new();
		rc = run(MODE_TCP, side, start, base, c);
	}
	if (rc == 1) {
		seen = notes_new();
		rc = run(mode, side, start, seen, c);
	}
	if (rc == 1 && base != NULL)
		judge_notes(tables, trial.number, (int)mode, base, seen, c);
	if (base != *first)
		notes_free(base);
	if (*first == NULL && rc == 1)
		*first = seen;
	else
		notes_free(seen);
	return rc;
}

int
play(const char *name, int number, void (*case_body)(struct trial *),
    enum world_start start, const struct tables *tables, struct complaints *c)
{
	static const enum mode order[] = { MODE_TCP, MODE_CLIENT, MODE_BOTH,
	    MODE_SERVER };
	struct notes *first = NULL;
	int rc = 1;

	memset(&trial, 0, sizeof(trial));
	trial.name = name;
	trial.number = number;
	trial_body = case_body;
	for (size_t i = 0; rc >= 0 && i < MODES; i++) {
		if ((judge_modes(tables, trial.number) & 1u << order[i]) == 0)
			continue;
		rc = run_against(order[i], &first, tables, start, c);
		if (rc == 0 && order[i] == MODE_TCP)
			break;	/* nothing to compare with */
	}
	notes_free(first);
	return rc < 0;
}

void
conformance_play(const char *name, void (*case_body)(struct trial *),
    enum world_start start)
{
	struct complaints c = { 0 };
	struct tables tables;
	int skipped = 0;

	if (judge_load(&tables, DIVERGENCES, ABSENCES, &c) == 0)
		skipped = play(name, atoi(name + strlen("sk_")), case_body, start,
		    &tables, &c);
	judge_free(&tables);
	if (c.n > 0)
		fail_msg("%s:\n%s", name, c.text);
	if (skipped)
		skip();
}
