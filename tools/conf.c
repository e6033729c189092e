/* SPDX-License-Identifier: ISC */
/* conf - see conf.h. */
#include "conf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <securesockets/error.h>

#include "out.h"

#define FILE_MOST	((size_t)64 << 20)	/* a list of a million names */
#define FILES_MOST	100000
#define DEPTH_MOST	16

int
sst_conf_fail(struct sst_error *err, int code, const char *file, unsigned line,
    const char *text)
{
	char name[300], where[16] = "";

	if (line > 0)
		(void)snprintf(where, sizeof(where), ":%u", line);
	err->code = code;
	(void)snprintf(err->text, sizeof(err->text), "%s%s: %s",
	    sst_out_clean(name, sizeof(name), file), where, text);
	return code;
}

int
sst_conf_path(const struct sst_conf *c, const char *path, char *out, size_t size,
    struct sst_error *err)
{
	int n = *path == '/' ? snprintf(out, size, "%s", path) :
	    snprintf(out, size, "%s/%s", c->root, path);

	if (n >= 0 && (size_t)n < size)
		return SST_OK;
	return sst_conf_fail(err, SST_E_LIMIT, path, 0, "the path is too long");
}

/* All of an open file, and a NUL behind it. */
static int
read_all(FILE *f, struct sst_conf_text *t)
{
	size_t room = 0, got = 1;
	char *more;

	while (got > 0) {
		if (t->len + 1 >= room) {
			room = room != 0 ? 2 * room : 65536;
			more = t->len >= FILE_MOST ? NULL : realloc(t->bytes, room);
			if (more == NULL) {
				errno = t->len >= FILE_MOST ? EFBIG : ENOMEM;
				return -1;
			}
			t->bytes = more;
		}
		got = fread(t->bytes + t->len, 1, room - t->len - 1, f);
		t->len += got;
	}
	t->bytes[t->len] = '\0';
	return ferror(f) ? -1 : 0;
}

/* Who wrote what is included is not who asks, and must not make him wait. */
static FILE *
included_open(const char *path, const char **ret_why)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;
	FILE *f = NULL;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		*ret_why = "what is included must be a file";
	else
		f = fdopen(fd, "r");
	if (f == NULL)
		(void)close(fd);
	return f;
}

/* NULL: *ret_why, or, where that is NULL, errno. */
static FILE *
conf_open(const struct sst_conf *c, const char *path, const char **ret_why)
{
	*ret_why = NULL;
	if (c->files > 1)
		return included_open(path, ret_why);
	return strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
}

int
sst_conf_load(struct sst_conf *c, const char *path, struct sst_conf_text *ret,
    struct sst_error *err)
{
	struct sst_conf_text t = { .file = path };
	const char *why;
	FILE *f;
	int rc = 0;

	if (++c->files > FILES_MOST || c->depth >= DEPTH_MOST)
		return sst_conf_fail(err, SST_E_LIMIT, path, 0,
		    "too many files, or one that includes itself");
	f = conf_open(c, path, &why);
	if (f == NULL || read_all(f, &t) != 0)
		rc = sst_conf_fail(err, SST_E_SYSTEM, path, 0, why != NULL ? why :
		    strerror(errno));
	if (f != NULL && f != stdin)
		(void)fclose(f);
	if (rc < 0)
		sst_conf_unload(&t);
	else
		*ret = t;
	return rc;
}

void
sst_conf_unload(struct sst_conf_text *t)
{
	free(t->bytes);
	t->bytes = NULL;
}

/* The sections that a configuration of haproxy begins with. */
static int
is_section(const char *word, size_t len)
{
	static const char *const sections[] = { "backend", "cache", "crt-store",
		"defaults", "fcgi-app", "frontend", "global", "http-errors", "listen",
		"log-forward", "mailers", "peers", "program", "resolvers", "ring",
		"userlist" };

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (strlen(sections[i]) == len && strncmp(word, sections[i], len) == 0)
			return 1;
	return 0;
}

/* By the first line that is no comment, and by the marks that no name has. */
static enum sst_conf_kind
guess(const struct sst_conf_text *t)
{
	const char *line = t->bytes, *next;
	int first = 1;

	for (; *line != '\0'; line = next) {
		size_t blank = strspn(line, " \t\r"), len;

		next = line + strcspn(line, "\n");
		next += *next == '\n';
		line += blank;
		len = strcspn(line, "#\n");
		if (len == 0)
			continue;
		if (first && is_section(line, strcspn(line, " \t\r\n#")))
			return SST_CONF_HAPROXY;
		first = 0;
		if (memchr(line, '{', len) != NULL || memchr(line, ';', len) != NULL)
			return SST_CONF_NGINX;
	}
	return SST_CONF_LIST;
}

static int
list(struct sst_conf *c, const struct sst_conf_text *t)
{
	struct sst_conf_name n = { .file = t->file, .line = 1 };
	char *p = t->bytes, *word;
	int rc = 0;

	while (rc == 0 && *p != '\0') {
		if (*p == '#') {
			p += strcspn(p, "\n");
			continue;
		}
		if (strchr(" \t\r\n", *p) != NULL) {
			n.line += *p++ == '\n';
			continue;
		}
		word = p;
		p += strcspn(p, " \t\r\n#");
		n.name = strndup(word, (size_t)(p - word));
		if (n.name == NULL)
			return SST_E_NOMEM;
		rc = c->each(c->arg, &n);
		free((char *)n.name);
	}
	return rc;
}

static int
read_one(struct sst_conf *c, const char *path, struct sst_error *err)
{
	struct sst_conf_text t = { 0 };
	enum sst_conf_kind kind = c->kind;
	int rc;

	rc = sst_conf_load(c, path, &t, err);
	if (rc < 0)
		return rc;
	if (strlen(t.bytes) != t.len)
		rc = sst_conf_fail(err, SST_E_MALFORMED, path, 0, "this is no text");
	if (kind == SST_CONF_GUESS)
		kind = guess(&t);
	if (rc == 0 && kind == SST_CONF_NGINX)
		rc = sst_conf_nginx(c, &t, err);
	else if (rc == 0 && kind == SST_CONF_HAPROXY)
		rc = sst_conf_haproxy(c, &t, err);
	else if (rc == 0)
		rc = list(c, &t);
	sst_conf_unload(&t);
	return rc;
}

static int
is_cfg(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 4 &&
	    strcmp(entry->d_name + len - 4, ".cfg") == 0;
}

/* As `haproxy -f DIRECTORY`: its *.cfg in order. */
static int
read_directory(struct sst_conf *c, const char *path, struct sst_error *err)
{
	struct dirent **found = NULL;
	char below[4096];
	int n = scandir(path, &found, is_cfg, alphasort), rc = 0;

	if (n <= 0)
		rc = sst_conf_fail(err, n < 0 ? SST_E_SYSTEM : SST_E_NOT_FOUND, path, 0,
		    n < 0 ? strerror(errno) : "no *.cfg in it");
	for (int i = 0; i < n; i++) {
		if (rc == 0 && snprintf(below, sizeof(below), "%s/%s", path,
		    found[i]->d_name) < (int)sizeof(below))
			rc = read_one(c, below, err);
		free(found[i]);
	}
	free(found);
	return rc;
}

int
sst_conf_read(struct sst_conf *c, const char *path, struct sst_error *err)
{
	char root[4096];
	struct stat st;
	int rc;

	if (strlen(path) >= sizeof(root))
		return sst_conf_fail(err, SST_E_LIMIT, path, 0, "the path is too long");
	c->files = c->depth = 0;
	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (c->kind != SST_CONF_GUESS && c->kind != SST_CONF_HAPROXY)
			return sst_conf_fail(err, SST_E_USAGE, path, 0,
			    "a directory is read as haproxy's alone");
		c->kind = SST_CONF_HAPROXY;
		c->root = path;
		rc = read_directory(c, path, err);
	} else {
		(void)snprintf(root, sizeof(root), "%s", path);
		c->root = dirname(root);
		rc = read_one(c, path, err);
	}
	if (rc == SST_E_NOMEM)
		return sst_conf_fail(err, rc, path, 0, "out of memory");
	return rc;
}
