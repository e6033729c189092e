/* SPDX-License-Identifier: ISC */
/* judge - notes against notes; see judge.h. */
#include "judge.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS	7

static const char *const mode_names[] = { "tcp", "client", "server", "both" };
#define MODE_COUNT	(sizeof(mode_names) / sizeof(mode_names[0]))

const char *
judge_mode_name(int mode)
{
	return mode_names[mode];
}

void
complain(struct complaints *c, const char *fmt, ...)
{
	size_t used = strlen(c->text);
	va_list ap;

	c->n++;
	va_start(ap, fmt);
	(void)vsnprintf(c->text + used, sizeof(c->text) - used, fmt, ap);
	va_end(ap);
	used = strlen(c->text);
	(void)snprintf(c->text + used, sizeof(c->text) - used, "\n");
}

/* "client,both" as bits; 0: not a list of modes. */
static unsigned int
parse_modes(const char *text)
{
	unsigned int bits = 0;

	for (;;) {
		size_t len = strcspn(text, ","), i;

		for (i = 0; i < MODE_COUNT; i++)
			if (strlen(mode_names[i]) == len &&
			    strncmp(mode_names[i], text, len) == 0)
				break;
		if (i == MODE_COUNT || (bits & 1u << i) != 0)
			return 0;
		bits |= 1u << i;
		if (text[len] == '\0')
			return bits;
		text += len + 1;
	}
}

static int
is_section(const char *text)
{
	return (strncmp(text, "sockets 6.", 10) == 0 && text[10] >= '1' &&
	    text[10] <= '9' && text[11] == '\0') || strcmp(text, "relay 11") == 0;
}

static char *
copy(const char *text)
{
	char *out = strdup(text);

	if (out == NULL)
		abort();
	return out;
}

static void *
room(void *list, size_t n, size_t size)
{
	void *out = reallocarray(list, n + 1, size);

	if (out == NULL)
		abort();
	return out;
}

static const char *
add_divergence(struct tables *t, int number, unsigned int modes, char **column)
{
	struct divergence *d;

	if ((modes & 1) != 0)
		return "TCP does not diverge from itself";
	if (!is_section(column[5]))
		return "the section is none that lists divergences";
	if (strcmp(column[3], column[4]) == 0)
		return "both sides show the same";
	t->divergences = room(t->divergences, t->n_divergences, sizeof(*d));
	d = &t->divergences[t->n_divergences++];
	d->number = number;
	d->modes = modes;
	d->label = copy(column[2]);
	d->tcp = copy(column[3]);
	d->tls = copy(column[4]);
	return NULL;
}

static const char *
add_absence(struct tables *t, int number, unsigned int modes)
{
	if ((judge_modes(t, number) & modes) != modes)
		return "a mode is taken away twice";
	if (modes == (1u << MODE_COUNT) - 1)
		return "no mode is left";
	t->absences = room(t->absences, t->n_absences, sizeof(*t->absences));
	t->absences[t->n_absences++] = (struct absence){ number, modes };
	return NULL;
}

static const char *
add_row(struct tables *t, char *line, int columns)
{
	char *column[COLUMNS] = { NULL }, *end;
	unsigned int modes;
	long number;
	int n = 0;

	for (char *p; (p = strsep(&line, "\t")) != NULL; n++) {
		if (n == columns || *p == '\0')
			return "a column is empty or too many";
		column[n] = p;
	}
	if (n != columns)
		return "a column is missing";
	number = strtol(column[0], &end, 10);
	if (*end != '\0' || number < 1 || number > 105)
		return "no number of a case";
	modes = parse_modes(column[1]);
	if (modes == 0)
		return "no list of modes";
	return columns == COLUMNS ?
	    add_divergence(t, (int)number, modes, column) :
	    add_absence(t, (int)number, modes);
}

static int
load(struct tables *t, const char *path, int columns, struct complaints *c)
{
	FILE *f = fopen(path, "re");
	char line[1024];
	int before = c->n;

	if (f == NULL) {
		complain(c, "%s: %s", path, strerror(errno));
		return -1;
	}
	for (int at = 1; fgets(line, sizeof(line), f) != NULL; at++) {
		const char *wrong;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#' || line[0] == '\0')
			continue;
		wrong = add_row(t, line, columns);
		if (wrong != NULL)
			complain(c, "%s:%d: %s", path, at, wrong);
	}
	(void)fclose(f);
	return c->n == before ? 0 : -1;
}

int
judge_load(struct tables *t, const char *divergences, const char *modes,
    struct complaints *c)
{
	memset(t, 0, sizeof(*t));
	if (load(t, divergences, COLUMNS, c) < 0 || load(t, modes, 3, c) < 0)
		return -1;
	return 0;
}

void
judge_free(struct tables *t)
{
	for (size_t i = 0; i < t->n_divergences; i++) {
		free(t->divergences[i].label);
		free(t->divergences[i].tcp);
		free(t->divergences[i].tls);
	}
	free(t->divergences);
	free(t->absences);
	memset(t, 0, sizeof(*t));
}

unsigned int
judge_modes(const struct tables *t, int number)
{
	unsigned int modes = (1u << MODE_COUNT) - 1;

	for (size_t i = 0; i < t->n_absences; i++)
		if (t->absences[i].number == number)
			modes &= ~t->absences[i].modes;
	return modes;
}

/* Is this difference listed? Marks the row as shown. */
static int
is_listed(const struct tables *t, int number, int mode, const struct note *base,
    const struct note *seen, char *shown)
{
	int found = 0;

	for (size_t i = 0; i < t->n_divergences; i++) {
		const struct divergence *d = &t->divergences[i];

		if (d->number != number || (d->modes & 1u << mode) == 0 ||
		    strcmp(d->label, base->label) != 0 ||
		    strcmp(d->tcp, base->value) != 0 ||
		    strcmp(d->tls, seen->value) != 0)
			continue;
		shown[i] = 1;
		found = 1;
	}
	return found;
}

static void
compare(const struct tables *t, int number, int mode, const struct notes *base,
    const struct notes *seen, char *shown, struct complaints *c)
{
	unsigned int most = base->n > seen->n ? base->n : seen->n;

	for (unsigned int i = 0; i < most; i++) {
		const struct note *b = &base->at[i], *s = &seen->at[i];

		if (i >= base->n || i >= seen->n || strcmp(b->label, s->label) != 0) {
			complain(c, "%s: observation %u is \"%s\", not \"%s\"",
			    judge_mode_name(mode), i + 1,
			    i < seen->n ? s->label : "none",
			    i < base->n ? b->label : "none");
			return;
		}
		if (strcmp(b->value, s->value) != 0 &&
		    !is_listed(t, number, mode, b, s, shown))
			complain(c, "%s: %s: %s, not %s", judge_mode_name(mode),
			    b->label, s->value, b->value);
	}
}

void
judge_notes(const struct tables *t, int number, int mode, const struct notes *base,
    const struct notes *seen, struct complaints *c)
{
	char *shown = calloc(t->n_divergences + 1, 1);

	if (shown == NULL)
		abort();
	if (base->n > NOTES_MAX || seen->n > NOTES_MAX)
		complain(c, "%s: more than %d observations", judge_mode_name(mode),
		    NOTES_MAX);
	else
		compare(t, number, mode, base, seen, shown, c);
	for (size_t i = 0; i < t->n_divergences; i++) {
		const struct divergence *d = &t->divergences[i];

		if (d->number == number && (d->modes & 1u << mode) != 0 && !shown[i])
			complain(c, "%s: %s: the listed divergence (%s, not %s) is gone",
			    judge_mode_name(mode), d->label, d->tls, d->tcp);
	}
	free(shown);
}
