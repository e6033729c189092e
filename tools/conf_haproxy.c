/* SPDX-License-Identifier: ISC */
/*
 * conf_haproxy - the names that a configuration of haproxy compares Host and SNI with.
 *
 * conf.c calls it. Names stand in "acl NAME CRITERION VALUES", in "{ CRITERION
 * VALUES }", in files of values (-f), in the first column of maps that are asked with
 * the host, and in crt-lists.
 *
 * Always true:
 *   1. Only what is compared as a whole, or by an end that begins with a dot, is a
 *      name; other comparisons are told with `why`.
 * Threads: one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <securesockets/error.h>

#include "conf.h"

#define WORDS_MOST	1024	/* of a line; haproxy itself takes 64 */

struct haproxy {
	struct sst_conf	*conf;
	const char	*file;
	unsigned	 line;
	struct sst_error *err;
};

/* How a criterion compares. */
enum method { M_NONE = 0, M_WHOLE, M_END, M_OTHER };

static int
tell(struct haproxy *x, const char *word, enum method method, const char *why)
{
	struct sst_conf_name name = { .file = x->file, .line = x->line, .why = why };
	char text[600];
	const char *colon = strchr(word, ':');
	size_t len = strlen(word);

	if (len == 0)
		return 0;
	/* "host:8443", as a Host header has it; not an IPv6 address */
	if (colon != NULL && strchr(colon + 1, ':') == NULL &&
	    colon[1 + strspn(colon + 1, "0123456789")] == '\0')
		len = (size_t)(colon - word);
	(void)snprintf(text, sizeof(text), "%s%.*s", method == M_END &&
	    *word == '.' ? "*" : "", (int)(len < 500 ? len : 500), word);
	name.name = text;
	if (why == NULL && strchr(word, '$') != NULL)
		name.why = "a variable";
	else if (why == NULL && (method == M_OTHER || (method == M_END && *word != '.')))
		name.why = "not compared as a whole";
	return x->conf->each(x->conf->arg, &name);
}

/* Calls `each` for the lines of a file of values, without comments. */
static int
each_line(struct haproxy *x, const char *path,
    int (*each)(struct haproxy *, char *line, enum method), enum method method)
{
	struct haproxy in = { .conf = x->conf, .err = x->err };
	struct sst_conf_text t;
	char full[4096], *line, *next;
	int rc;

	rc = sst_conf_path(x->conf, path, full, sizeof(full), x->err);
	if (rc == 0)
		rc = sst_conf_load(x->conf, full, &t, x->err);
	if (rc < 0)
		return rc;
	in.file = t.file;
	for (line = t.bytes; rc == 0 && line != NULL && *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		in.line++;
		line[strcspn(line, "\r")] = '\0';
		line += strspn(line, " \t");
		if (*line != '#' && *line != '\0')
			rc = each(&in, line, method);
	}
	sst_conf_unload(&t);
	return rc;
}

/* "VALUE" of -f, "KEY VALUE" of a map. */
static int
take_first(struct haproxy *x, char *line, enum method method)
{
	line[strcspn(line, " \t")] = '\0';
	return tell(x, line, method, NULL);
}

/* "FILE [OPTIONS] NAMES": a name with ! is one that it is not for. */
static int
take_crt_list(struct haproxy *x, char *line, enum method method)
{
	char *rest = NULL, *word = strtok_r(line, " \t", &rest);
	int inside = 0, rc = 0;

	while (rc == 0 && (word = strtok_r(NULL, " \t", &rest)) != NULL) {
		size_t len = strlen(word);

		if (*word == '#')
			break;
		if (*word == '[')
			inside = 1;
		if (!inside && *word != '!' && strcmp(word, "*") != 0)
			rc = tell(x, word, method, NULL);
		if (word[len - 1] == ']')
			inside = 0;
	}
	return rc;
}

/* "_end" and its like, `len` bytes. */
static enum method
suffix(const char *by, size_t len)
{
	static const struct {
		const char	*name;
		enum method	 method;
	} all[] = { { "", M_WHOLE }, { "_str", M_WHOLE }, { "_end", M_END },
		{ "_beg", M_OTHER }, { "_dir", M_OTHER }, { "_dom", M_OTHER },
		{ "_reg", M_OTHER }, { "_sub", M_OTHER } };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strlen(all[i].name) == len && strncmp(by, all[i].name, len) == 0)
			return all[i].method;
	return M_NONE;
}

/* Whether the fetch `word` (up to a comma) gives the name that was asked for, and how
 * it is compared: "hdr_end(host)", "req.ssl_sni", "ssl_fc_sni,lower". */
static enum method
method_of(const char *word)
{
	static const struct {
		const char	*name;
		int		 header;	/* of which Host is one */
	} fetches[] = { { "req.ssl_sni", 0 }, { "req_ssl_sni", 0 },
		{ "ssl_fc_sni", 0 }, { "req.fhdr", 1 }, { "req.hdr", 1 }, { "hdr", 1 } };
	const size_t n = sizeof(fetches) / sizeof(fetches[0]);
	enum method method;
	const char *rest;
	size_t i, len = 0;

	for (i = 0; i < n; i++) {
		len = strlen(fetches[i].name);
		/* the NUL is one of them */
		if (strncasecmp(word, fetches[i].name, len) == 0 &&
		    strchr("_(,", word[len]) != NULL)
			break;
	}
	if (i == n)
		return M_NONE;
	rest = word + len + strcspn(word + len, "(,");
	if (fetches[i].header && (strncasecmp(rest, "(host", 5) != 0 ||
	    (rest[5] != ')' && rest[5] != ',')))
		return M_NONE;
	method = suffix(word + len, (size_t)(rest - (word + len)));
	/* what comes out of a map is no name */
	if (method != M_NONE && (strstr(rest, ",map") != NULL ||
	    strstr(rest, ",regsub") != NULL))
		method = M_OTHER;
	return method;
}

/* CRITERION FLAGS VALUES, as far as "}" or the end. */
static int
take_criterion(struct haproxy *x, char **words, size_t n)
{
	enum method method = n > 0 ? method_of(words[0]) : M_NONE;
	size_t i = 1;
	int rc = 0;

	if (method == M_NONE)
		return 0;
	for (; rc == 0 && i < n && words[i][0] == '-'; i++) {
		if (strcmp(words[i], "--") == 0) {
			i++;
			break;
		}
		if (i + 1 < n && strcmp(words[i], "-m") == 0) {
			i++;
			method = strcmp(words[i], "str") == 0 ? M_WHOLE :
			    strcmp(words[i], "end") == 0 ? M_END : M_OTHER;
		} else if (i + 1 < n && strcmp(words[i], "-f") == 0) {
			i++;
			if (strchr(words[i], '@') == NULL)
				rc = each_line(x, words[i], take_first, method);
		} else if (i + 1 < n && strcmp(words[i], "-u") == 0) {
			i++;
		}
	}
	for (; rc == 0 && i < n && strcmp(words[i], "}") != 0; i++)
		rc = tell(x, words[i], method, NULL);
	return rc;
}

/* "%[req.hdr(host),lower,map(FILE,default)]": the first column of FILE. */
static int
take_map(struct haproxy *x, const char *word)
{
	const char *fetch = strstr(word, "%["), *map, *file;
	enum method method = M_OTHER;
	char path[4096];
	size_t len;

	if (fetch == NULL || method_of(fetch + 2) == M_NONE)
		return 0;
	map = strstr(fetch, ",map");
	if (map == NULL)
		return 0;
	file = strchr(map, '(');
	if (file == NULL)
		return 0;
	len = (size_t)(file - map);
	if ((len == 4 && strncmp(map, ",map", 4) == 0) ||
	    (len == 8 && strncmp(map, ",map_str", 8) == 0))
		method = M_WHOLE;
	else if (len == 8 && strncmp(map, ",map_end", 8) == 0)
		method = M_END;
	file++;
	(void)snprintf(path, sizeof(path), "%.*s", (int)strcspn(file, ",)"), file);
	return strchr(path, '@') != NULL ? 0 : each_line(x, path, take_first, method);
}

static int
take_line(struct haproxy *x, char **words, size_t n)
{
	int rc = 0;

	if (n > 2 && strcmp(words[0], "acl") == 0)
		return take_criterion(x, words + 2, n - 2);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (strcmp(words[i], "{") == 0 || strcmp(words[i], "!{") == 0)
			rc = take_criterion(x, words + i + 1, n - i - 1);
		else if (strcmp(words[i], "crt-list") == 0 && i + 1 < n &&
		    strcmp(words[0], "bind") == 0)
			rc = each_line(x, words[i + 1], take_crt_list, M_WHOLE);
		else
			rc = take_map(x, words[i]);
	}
	return rc;
}

/* Cuts a line into its words, in place. -1: a quote without its end. */
static int
cut(char *line, char **words, size_t *ret_n)
{
	char *to = line, quote = '\0';
	size_t n = 0;
	int in_word = 0;

	for (; *line != '\0'; line++) {
		if (quote == '\0' && *line == '#')
			break;
		if (quote == '\0' && strchr(" \t\r", *line) != NULL) {
			if (in_word)
				*to++ = '\0';
			in_word = 0;
			continue;
		}
		if (!in_word && n == WORDS_MOST)
			return -1;
		if (!in_word)
			words[n++] = to;
		in_word = 1;
		if (*line == '\\' && quote != '\'' && line[1] != '\0')
			*to++ = *++line;
		else if (quote == '\0' && (*line == '"' || *line == '\''))
			quote = *line;
		else if (quote != '\0' && *line == quote)
			quote = '\0';
		else
			*to++ = *line;
	}
	*to = '\0';
	*ret_n = n;
	return quote == '\0' ? 0 : -1;
}

int
sst_conf_haproxy(struct sst_conf *c, const struct sst_conf_text *t, struct sst_error *err)
{
	struct haproxy x = { .conf = c, .file = t->file, .err = err };
	char **words = calloc(WORDS_MOST, sizeof(*words)), *line = t->bytes, *next;
	size_t n;
	int rc = words != NULL ? 0 : SST_E_NOMEM;

	for (; rc == 0 && line != NULL && *line != '\0'; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		x.line++;
		if (cut(line, words, &n) != 0)
			rc = sst_conf_fail(err, SST_E_MALFORMED, t->file, x.line,
			    "a quote without its end, or too many words");
		else
			rc = take_line(&x, words, n);
	}
	free(words);
	return rc;
}
