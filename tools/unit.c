/* SPDX-License-Identifier: ISC */
/* unit - see unit.h. */
#include "unit.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct setting {
	char	*key, *value;
};

struct sst_unit {
	struct setting	*settings;
	size_t		 count;
};

struct sst_unit *
sst_unit_new(void)
{
	return calloc(1, sizeof(struct sst_unit));
}

void
sst_unit_free(struct sst_unit *u)
{
	if (u == NULL)
		return;
	for (size_t i = 0; i < u->count; i++) {
		free(u->settings[i].key);
		free(u->settings[i].value);
	}
	free(u->settings);
	free(u);
}

/* Without the blanks at either end; writes into `line`. */
static char *
trim(char *line)
{
	size_t len;

	while (isspace((unsigned char)*line))
		line++;
	len = strlen(line);
	while (len > 0 && isspace((unsigned char)line[len - 1]))
		line[--len] = '\0';
	return line;
}

static int
add(struct sst_unit *u, const char *key, const char *value)
{
	struct setting *more = realloc(u->settings, (u->count + 1) * sizeof(*more));

	if (more == NULL)
		return -1;
	u->settings = more;
	more[u->count].key = strdup(key);
	more[u->count].value = strdup(value);
	u->count++;
	return more[u->count - 1].key == NULL || more[u->count - 1].value == NULL ?
	    -1 : 0;
}

/* A whole line, its continuations joined. */
static int
take(struct sst_unit *u, char *line, int *in_service)
{
	char *value;

	line = trim(line);
	if (*line == '[') {
		*in_service = strcmp(line, "[Service]") == 0;
		return 0;
	}
	value = strchr(line, '=');
	if (!*in_service || value == NULL)
		return 0;
	*value++ = '\0';
	return add(u, trim(line), trim(value));
}

/* The next line of *at to `out`; a comment between continuations is left out. */
static void
join_lines(const char **at, const char *end, char *out)
{
	size_t used = 0, len;
	int more = 1;

	while (more && *at < end) {
		const char *line = *at, *stop = memchr(line, '\n',
		    (size_t)(end - line));

		if (stop == NULL)
			stop = end;
		*at = stop < end ? stop + 1 : end;
		if (stop > line && stop[-1] == '\r')
			stop--;
		while (line < stop && (*line == ' ' || *line == '\t'))
			line++;
		if (line < stop && (*line == '#' || *line == ';')) {
			more = used > 0;
			continue;
		}
		more = line < stop && stop[-1] == '\\';
		len = (size_t)(stop - line);
		memcpy(out + used, line, len);
		used += len;
		if (more)
			out[used - 1] = ' ';
	}
	out[used] = '\0';
}

int
sst_unit_parse(struct sst_unit *u, const char *text, size_t len, int in_service)
{
	const char *end = text + len;
	char *line = malloc(len + 1);
	int rc = line == NULL ? -1 : 0;

	while (rc == 0 && text < end) {
		join_lines(&text, end, line);
		rc = take(u, line, &in_service);
	}
	free(line);
	return rc;
}

const char *
sst_unit_each(const struct sst_unit *u, const char *key, size_t *at)
{
	while (*at < u->count) {
		const struct setting *s = &u->settings[(*at)++];

		if (strcmp(s->key, key) == 0)
			return s->value;
	}
	return NULL;
}

const char *
sst_unit_last(const struct sst_unit *u, const char *key)
{
	const char *value, *last = NULL;
	size_t at = 0;

	while ((value = sst_unit_each(u, key, &at)) != NULL)
		last = value;
	return last != NULL && *last != '\0' ? last : NULL;
}

int
sst_unit_yes(const struct sst_unit *u, const char *key)
{
	static const char *const words[] = { "yes", "y", "true", "t", "on", "1" };
	const char *value = sst_unit_last(u, key);

	for (size_t i = 0; value != NULL && i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(value, words[i]) == 0)
			return 1;
	return 0;
}

int
sst_unit_word(const char **at, char *out, size_t size)
{
	const char *p = *at;
	size_t used = 0;
	char quote = '\0';

	while (isspace((unsigned char)*p))
		p++;
	if (*p == '\0')
		return 0;
	for (; *p != '\0' && (quote != '\0' || !isspace((unsigned char)*p)); p++) {
		if (quote != '\0' ? *p == quote : *p == '"' || *p == '\'') {
			quote = quote != '\0' ? '\0' : *p;
			continue;
		}
		if (*p == '\\' && p[1] != '\0')
			p++;
		if (used + 1 < size)
			out[used++] = *p;
	}
	out[used] = '\0';
	*at = p;
	return 1;
}

int
sst_unit_allows(const struct sst_unit *u, const char *key, int empty_denies,
    int (*match)(const char *word, const void *what), const void *what)
{
	enum { NONE, ALLOWS, DENIES } list = NONE;
	const char *value;
	char word[256];
	size_t at = 0;
	int in = 0;

	while ((value = sst_unit_each(u, key, &at)) != NULL) {
		int inverted = *value == '~';

		value += inverted;
		if (value[strspn(value, " \t")] == '\0') {
			in = 0;
			list = inverted ? DENIES : empty_denies ? ALLOWS : NONE;
			continue;
		}
		if (list == NONE)
			list = inverted ? DENIES : ALLOWS;
		/* A word of the list's own kind joins it, of the other leaves. */
		while (sst_unit_word(&value, word, sizeof(word)))
			if (match(word, what))
				in = inverted == (list == DENIES);
	}
	return list == NONE || in == (list == ALLOWS);
}
