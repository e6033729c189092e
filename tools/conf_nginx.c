/* SPDX-License-Identifier: ISC */
/*
 * conf_nginx - the server_name of each server of an nginx configuration.
 *
 * conf.c calls it. The words are those of nginx's own reader: quotes only begin a
 * word, a backslash takes the next character with it, "${" is no block.
 *
 * Always true:
 *   1. Names of a server are told when its block ends: only then is it known
 *      whether it speaks TLS.
 * Threads: one.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <securesockets/error.h>

#include "conf.h"

#define WORD_MOST	4096	/* as nginx's */

enum token { T_END, T_WORD, T_SEMICOLON, T_OPEN, T_CLOSE, T_BAD };

struct lex {
	const char	*p;
	unsigned	 line;
	char		 word[WORD_MOST];
};

struct named {
	struct named	*next;
	unsigned	 line;
	char		*file, *name;
};

struct block {
	struct block	*up;
	int		 is_server;
	int		 tls;
	struct named	*names, **end;
};

struct nginx {
	struct sst_conf	*conf;
	const char	*file;
	struct block	*top;	/* the innermost open one */
	struct sst_error *err;
};

static int read_text(struct nginx *, const struct sst_conf_text *);

/* The escapes that nginx takes away; the others keep their backslash. */
static char
escaped(char c)
{
	switch (c) {
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case '"': case '\'': case '\\':
		return c;
	default:
		return '\0';
	}
}

/* A word that began; `quote` is '"', '\'' or NUL. */
static enum token
take_word(struct lex *l, char quote)
{
	size_t n = 0;

	for (; *l->p != '\0'; l->p++) {
		char c = *l->p;

		if (n + 2 >= sizeof(l->word))
			return T_BAD;
		l->line += c == '\n';
		if (c == '\\' && l->p[1] != '\0') {
			char plain = escaped(*++l->p);

			if (plain == '\0')
				l->word[n++] = c;
			l->word[n++] = plain != '\0' ? plain : *l->p;
		} else if (quote != '\0' ? c == quote : strchr(" \t\r\n;", c) != NULL ||
		    (c == '{' && (n == 0 || l->word[n - 1] != '$'))) {
			l->line -= quote == '\0' && c == '\n';
			l->p += quote != '\0';
			l->word[n] = '\0';
			return T_WORD;
		} else {
			l->word[n++] = c;
		}
	}
	l->word[n] = '\0';
	return quote != '\0' ? T_BAD : T_WORD;
}

static enum token
next(struct lex *l)
{
	for (;; l->p++) {
		switch (*l->p) {
		case '\0':
			return T_END;
		case '\n':
			l->line++;
			break;
		case ' ': case '\t': case '\r':
			break;
		case '#':
			l->p += strcspn(l->p, "\n");
			l->p--;
			break;
		case ';':
			l->p++;
			return T_SEMICOLON;
		case '{':
			l->p++;
			return T_OPEN;
		case '}':
			l->p++;
			return T_CLOSE;
		case '"': case '\'':
			l->p++;
			return take_word(l, l->p[-1]);
		default:
			return take_word(l, '\0');
		}
	}
}

/* Over a block of Lua, whose braces stand in strings and comments as well. */
static int
skip_lua(struct lex *l)
{
	unsigned depth = 1;

	for (; *l->p != '\0' && depth > 0; l->p++) {
		const char *end = NULL;

		if (*l->p == '{')
			depth++;
		else if (*l->p == '}')
			depth--;
		else if (strncmp(l->p, "--[[", 4) == 0 || strncmp(l->p, "[[", 2) == 0)
			end = strstr(l->p, "]]");
		else if (strncmp(l->p, "--", 2) == 0)
			end = l->p + strcspn(l->p, "\n");
		else if (*l->p == '"' || *l->p == '\'')
			for (end = l->p + 1; *end != '\0' && *end != *l->p; end++)
				end += *end == '\\' && end[1] != '\0';
		else
			l->line += *l->p == '\n';
		if (end == NULL)
			continue;
		if (*end == '\0')
			return -1;
		for (; l->p < end; l->p++)
			l->line += *l->p == '\n';
		l->line += *end == '\n';
	}
	return depth == 0 ? 0 : -1;
}

static int
add_name(struct nginx *x, const char *name, unsigned line)
{
	struct named *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return SST_E_NOMEM;
	n->line = line;
	n->name = strdup(name);
	n->file = strdup(x->file);
	*x->top->end = n;
	x->top->end = &n->next;
	return n->name != NULL && n->file != NULL ? 0 : SST_E_NOMEM;
}

/* Why nobody but nginx can tell which names these are; NULL: they are plain. */
static const char *
why_not(const char *name)
{
	size_t len = strlen(name);

	if (*name == '~')
		return "a regular expression";
	if (strchr(name, '$') != NULL)
		return "a variable";
	if (len > 2 && strcmp(name + len - 2, ".*") == 0)
		return "a wildcard at the end";
	return NULL;
}

static int
tell(struct nginx *x, const struct block *b, const struct named *n)
{
	struct sst_conf_name name = { .name = n->name, .file = n->file, .line = n->line,
		.why = why_not(n->name), .plain = !b->tls };
	char wide[WORD_MOST + 2];
	int rc;

	/* "_" and "" are what no client asks for */
	if (*n->name == '\0' || strcmp(n->name, "_") == 0)
		return 0;
	if (*n->name != '.' || name.why != NULL)
		return x->conf->each(x->conf->arg, &name);
	/* ".a.b" is a.b and every name below it */
	name.name = n->name + 1;
	rc = x->conf->each(x->conf->arg, &name);
	(void)snprintf(wide, sizeof(wide), "*%s", n->name);
	name.name = wide;
	return rc != 0 ? rc : x->conf->each(x->conf->arg, &name);
}

static int
open_block(struct nginx *x, int is_server)
{
	struct block *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return SST_E_NOMEM;
	b->up = x->top;
	b->is_server = is_server;
	b->end = &b->names;
	x->top = b;
	return 0;
}

/* Tells its names, or with `rc` other than 0 only forgets them. */
static int
close_block(struct nginx *x, int rc)
{
	struct block *b = x->top;
	struct named *n;

	while ((n = b->names) != NULL) {
		if (rc == 0)
			rc = tell(x, b, n);
		b->names = n->next;
		free(n->name);
		free(n->file);
		free(n);
	}
	x->top = b->up;
	free(b);
	return rc;
}

/* What is not there matches nothing, as in nginx. */
static int
unreadable(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

static int
include(struct nginx *x, const char *path, unsigned line)
{
	struct sst_conf_text t;
	const char *outer = x->file;
	char full[WORD_MOST];
	glob_t found = { 0 };
	int rc;

	rc = sst_conf_path(x->conf, path, full, sizeof(full), x->err);
	if (rc < 0)
		return rc;
	/* A pattern may match nothing; a file must be there. */
	rc = glob(full, GLOB_NOMAGIC, unreadable, &found);
	if (rc != 0 && rc != GLOB_NOMATCH)
		rc = sst_conf_fail(x->err, SST_E_SYSTEM, x->file, line,
		    "a directory of this include cannot be read");
	else
		rc = 0;
	x->conf->depth++;
	for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
		rc = sst_conf_load(x->conf, found.gl_pathv[i], &t, x->err);
		if (rc < 0)
			break;
		x->file = t.file;
		rc = read_text(x, &t);
		x->file = outer;
		sst_conf_unload(&t);
	}
	x->conf->depth--;
	globfree(&found);
	return rc;
}

/* The port of "listen": 80 where none is named. */
static unsigned
port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	if (strncmp(address, "unix:", 5) == 0)
		return 0;
	if (colon != NULL && strchr(colon, ']') == NULL)
		return (unsigned)strtoul(colon + 1, NULL, 10);
	if (address[strspn(address, "0123456789")] == '\0')
		return (unsigned)strtoul(address, NULL, 10);
	return 80;
}

/* What the n-th word (from 1) of a directive says of the server about it. */
static int
take_argument(struct nginx *x, const char *directive, const struct lex *l, unsigned n)
{
	struct block *b = x->top;

	if (strcmp(directive, "include") == 0 && n == 1)
		return include(x, l->word, l->line);
	if (b == NULL || !b->is_server)
		return 0;
	if (strcmp(directive, "server_name") == 0)
		return add_name(x, l->word, l->line);
	if (strcmp(directive, "ssl_certificate") == 0 ||
	    (strcmp(directive, "ssl") == 0 && strcmp(l->word, "on") == 0))
		b->tls = 1;
	if (strcmp(directive, "listen") != 0)
		return 0;
	if (n == 1 && (x->conf->tls_port == 0 || port_of(l->word) == x->conf->tls_port))
		b->tls = 1;
	if (n > 1 && (strcmp(l->word, "ssl") == 0 || strcmp(l->word, "quic") == 0))
		b->tls = 1;
	return 0;
}

/* One directive, of which `directive` was the first word. */
static int
take_directive(struct nginx *x, struct lex *l, const char *directive)
{
	static const char lua[] = "_by_lua_block";
	unsigned n = 0, line = l->line;
	size_t len = strlen(directive);
	enum token token;
	int rc = 0;

	while (rc == 0 && (token = next(l)) == T_WORD)
		rc = take_argument(x, directive, l, ++n);
	if (rc != 0)
		return rc;
	if (token == T_SEMICOLON)
		return 0;
	if (token != T_OPEN)
		return sst_conf_fail(x->err, SST_E_MALFORMED, x->file, line,
		    "a directive without ; or { behind it");
	if (len >= sizeof(lua) && strcmp(directive + len - (sizeof(lua) - 1), lua) == 0)
		return skip_lua(l) == 0 ? 0 : sst_conf_fail(x->err, SST_E_MALFORMED,
		    x->file, line, "a block of Lua without its end");
	return open_block(x, n == 0 && strcmp(directive, "server") == 0);
}

/* One file. Blocks that it opens it closes, and no others. */
static int
read_text(struct nginx *x, const struct sst_conf_text *t)
{
	struct block *outer = x->top;
	struct lex *l = calloc(1, sizeof(*l));
	char directive[64];
	enum token token;
	int rc = 0;

	if (l == NULL)
		return SST_E_NOMEM;
	l->p = t->bytes;
	l->line = 1;
	while (rc == 0 && (token = next(l)) != T_END) {
		if (token == T_WORD) {
			(void)snprintf(directive, sizeof(directive), "%.63s", l->word);
			rc = take_directive(x, l, directive);
		} else if (token == T_CLOSE && x->top != outer) {
			rc = close_block(x, 0);
		} else if (token != T_SEMICOLON) {
			rc = sst_conf_fail(x->err, SST_E_MALFORMED, t->file, l->line,
			    token == T_CLOSE ? "a } too many" : token == T_OPEN ?
			    "a { without a name" : "a word that is too long, or a "
			    "quote without its end");
		}
	}
	if (rc == 0 && x->top != outer)
		rc = sst_conf_fail(x->err, SST_E_MALFORMED, t->file, l->line,
		    "a { without its }");
	while (x->top != outer)
		(void)close_block(x, -1);
	free(l);
	return rc;
}

int
sst_conf_nginx(struct sst_conf *c, const struct sst_conf_text *t, struct sst_error *err)
{
	struct nginx x = { .conf = c, .file = t->file, .err = err };

	return read_text(&x, t);
}
