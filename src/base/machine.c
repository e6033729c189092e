/* SPDX-License-Identifier: ISC */
#include "machine_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "escape.h"
#include "fail.h"

#define FILE_MAX	(1024 * 1024)	/* octets of one file */
#define FILES_MAX	1024		/* files of the directory */

struct names {
	char	*name[FILES_MAX];
	size_t	 n;
};

void
sst_machine_paths_of(struct sst_machine_paths *ret, char room[4096])
{
	const char *dir = secure_getenv("XDG_CONFIG_HOME");
	const char *home = secure_getenv("HOME");
	int n = 0;

	*ret = (struct sst_machine_paths){ .file = SST_MACHINE_FILE,
	    .dir = SST_MACHINE_DIR, .other = secure_getenv(SST_MACHINE_VAR) };
	if (ret->other != NULL && ret->other[0] == '\0')
		ret->other = NULL;
	if (geteuid() == 0)
		return;
	if (dir != NULL && dir[0] == '/')
		n = snprintf(room, 4096, "%s/securesockets.conf", dir);
	else if (home != NULL && home[0] == '/')
		n = snprintf(room, 4096, "%s/.config/securesockets.conf", home);
	if (n > 0 && n < 4096)
		ret->user = room;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->name[i]);
	names->n = 0;
}

static int
is_conf(const char *name)
{
	const size_t len = strlen(name);

	return name[0] != '.' && len > 5 && strcmp(name + len - 5, ".conf") == 0;
}

/* The paths of the directory's files, in order. A directory that is not there has
 * none. */
static int
names_of(const char *dir, struct names *ret, struct sst_error *err)
{
	struct dirent *e;
	int rc = SST_OK;
	char shown[256];
	DIR *d;

	ret->n = 0;
	d = dir != NULL ? opendir(dir) : NULL;
	if (d == NULL && (dir == NULL || errno == ENOENT || errno == ENOTDIR))
		return SST_OK;
	if (d == NULL)
		return sst_fail_errno(err, errno, "%s",
		    sst_escape(shown, sizeof(shown), dir, strlen(dir)));
	while (rc == SST_OK && (e = readdir(d)) != NULL) {
		if (!is_conf(e->d_name))
			continue;
		if (ret->n == FILES_MAX)
			rc = sst_fail(err, SST_E_LIMIT, "%s holds more than %d files",
			    sst_escape(shown, sizeof(shown), dir, strlen(dir)),
			    FILES_MAX);
		else if (asprintf(&ret->name[ret->n], "%s/%s", dir, e->d_name) < 0)
			rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		else
			ret->n++;
	}
	(void)closedir(d);
	if (rc < 0) {
		names_free(ret);
		return rc;
	}
	qsort(ret->name, ret->n, sizeof(ret->name[0]), by_bytes);
	return SST_OK;
}

/* 1: read, the caller frees *ret; 0: there is no such file. */
static int
read_file(const char *path, char **ret, struct sst_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char shown[256], *text = NULL;
	size_t len = 0;
	struct stat st;
	ssize_t n = -1;
	int rc;

	(void)sst_escape(shown, sizeof(shown), path, strlen(path));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return sst_fail_errno(err, errno, "%s", shown);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		rc = sst_fail(err, SST_E_USAGE, "%s: not a file of at most 1 MiB", shown);
		goto out;
	}
	text = malloc(FILE_MAX + 1);
	while (text != NULL && len <= FILE_MAX &&
	    (n = read(fd, text + len, FILE_MAX + 1 - len)) > 0)
		len += (size_t)n;
	if (text == NULL || n != 0 || len > FILE_MAX) {
		rc = text == NULL ? sst_fail(err, SST_E_NOMEM, "out of memory") :
		    n < 0 ? sst_fail_errno(err, errno, "%s", shown) :
		    sst_fail(err, SST_E_LIMIT, "%s: larger than 1 MiB", shown);
		goto out;
	}
	text[len] = '\0';
	if (strlen(text) != len) {	/* the rest would not be read */
		rc = sst_fail(err, SST_E_MALFORMED, "%s: holds a NUL", shown);
		goto out;
	}
	*ret = text;
	text = NULL;
	rc = 1;
out:
	free(text);
	(void)close(fd);
	return rc;
}

/* Fails with "FILE:LINE: text" of `inner`. */
static int
fail_at(struct sst_error *err, int code, const char *path, unsigned line,
    const char *text)
{
	char shown[256];

	return sst_fail(err, code, "%s:%u: %s",
	    sst_escape(shown, sizeof(shown), path, strlen(path)), line, text);
}

/* @include would open files that nobody watches. */
static int
no_include(const char *path, const char *text, struct sst_error *err)
{
	unsigned line = 1;

	for (const char *c = text; c != NULL; line++) {
		c += strspn(c, " \t");
		if (strncmp(c, "@include", 8) == 0)
			return fail_at(err, SST_E_USAGE, path, line,
			    "@include is not for this file: use " SST_MACHINE_DIR);
		c = strchr(c, '\n');
		c = c != NULL ? c + 1 : NULL;
	}
	return SST_OK;
}

static int
key_in(struct sst_machine *m, const char *path, int is_user, const char *group,
    const config_setting_t *s, struct sst_error *err)
{
	const unsigned line = config_setting_source_line(s);
	const char *name = config_setting_name(s);
	struct sst_error inner = { 0 };
	char shown[256], text[200];
	int key, rc;

	key = sst_machine_key_find(group, name);
	if (key < 0) {
		(void)snprintf(text, sizeof(text), "there is no key %.60s.%.60s", group,
		    name);
		return fail_at(err, SST_E_USAGE, path, line, text);
	}
	if (is_user && !sst_machine_keys[key].in_user_file) {
		(void)snprintf(text, sizeof(text), "%s is for the machine's file, "
		    "not for a user's", sst_machine_keys[key].name);
		return fail_at(err, SST_E_REFUSED, path, line, text);
	}
	rc = sst_machine_key_set(m, (enum sst_machine_key)key, s, &inner);
	if (rc < 0)
		return fail_at(err, rc, path, line, inner.text);
	free(m->origin[key]);
	if (asprintf(&m->origin[key], "%s:%u",
	    sst_escape(shown, sizeof(shown), path, strlen(path)), line) < 0) {
		m->origin[key] = NULL;
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	return SST_OK;
}

static int
group_in(struct sst_machine *m, const char *path, int is_user,
    const config_setting_t *group, struct sst_error *err)
{
	const char *name = config_setting_name(group);
	char text[200];
	int rc = SST_OK, known = 0;

	for (int k = 0; k < SST_MACHINE_KEYS; k++)
		known |= strncmp(sst_machine_keys[k].name, name, strlen(name)) == 0 &&
		    sst_machine_keys[k].name[strlen(name)] == '.';
	if (!known || !config_setting_is_group(group)) {
		(void)snprintf(text, sizeof(text), known ? "%.60s wants a group: "
		    "%.60s: { ... }" : "there is no group %.60s", name, name);
		return fail_at(err, SST_E_USAGE, path, config_setting_source_line(group),
		    text);
	}
	for (int i = 0; i < config_setting_length(group) && rc == SST_OK; i++)
		rc = key_in(m, path, is_user, name,
		    config_setting_get_elem(group, (unsigned)i), err);
	return rc;
}

/* Takes one file in. 1: it exists; 0: it does not. */
static int
file_in(struct sst_machine *m, const char *path, int is_user, struct sst_error *err)
{
	const config_setting_t *root;
	config_t config;
	char *text = NULL;
	int rc;

	rc = read_file(path, &text, err);
	if (rc <= 0)
		return rc;
	config_init(&config);
	rc = no_include(path, text, err);
	if (rc == SST_OK && config_read_string(&config, text) != CONFIG_TRUE)
		rc = fail_at(err, SST_E_MALFORMED, path,
		    (unsigned)config_error_line(&config), config_error_text(&config));
	root = config_root_setting(&config);
	for (int i = 0; rc == SST_OK && i < config_setting_length(root); i++)
		rc = group_in(m, path, is_user,
		    config_setting_get_elem(root, (unsigned)i), err);
	config_destroy(&config);
	free(text);
	return rc < 0 ? rc : 1;
}

static int
machine_files_in(struct sst_machine *m, const struct sst_machine_paths *paths,
    struct sst_error *err)
{
	struct names names;
	int rc, found = 0;

	if (paths->file != NULL) {
		found = file_in(m, paths->file, 0, err);
		if (found < 0)
			return found;
	}
	rc = names_of(paths->dir, &names, err);
	for (size_t i = 0; rc >= 0 && i < names.n; i++)
		rc = file_in(m, names.name[i], 0, err);
	found |= names.n > 0;
	names_free(&names);
	if (rc < 0 || found || paths->other == NULL)
		return rc < 0 ? rc : SST_OK;
	if (paths->other[0] != '/')
		return sst_fail(err, SST_E_USAGE,
		    SST_MACHINE_VAR " wants an absolute path");
	rc = file_in(m, paths->other, 0, err);
	if (rc == 0)
		return sst_fail(err, SST_E_NOT_FOUND,
		    "the file that " SST_MACHINE_VAR " names does not exist");
	return rc < 0 ? rc : SST_OK;
}

/* The first key of a user's file that the machine does not leave to it, and why. */
static int
user_allowed(const struct sst_machine *m, struct sst_machine *user,
    enum sst_machine_key *ret_key, struct sst_error *err)
{
	*ret_key = SST_KEY_CACHE_DIR;
	if (user->cache_dir != NULL && m->cache_dir != NULL)
		return sst_fail(err, SST_E_REFUSED, "cache.dir is set by %s",
		    m->origin[SST_KEY_CACHE_DIR]);
	*ret_key = SST_KEY_CACHE_SIZE;
	if (m->cache_bytes != 0 && user->cache_bytes > m->cache_bytes)
		return sst_fail(err, SST_E_REFUSED, "cache.size_mib is set by %s",
		    m->origin[SST_KEY_CACHE_SIZE]);
	return sst_machine_tighten_key(m, &user->revocation, ret_key, err);
}

static void
take_user(struct sst_machine *m, struct sst_machine *user)
{
	m->revocation = user->revocation;
	if (user->cache_dir != NULL) {
		m->cache_dir = user->cache_dir;
		user->cache_dir = NULL;
	}
	if (user->cache_bytes != 0)
		m->cache_bytes = user->cache_bytes;
	for (int k = 0; k < SST_MACHINE_KEYS; k++)
		if (user->origin[k] != NULL) {
			free(m->origin[k]);
			m->origin[k] = user->origin[k];
			user->origin[k] = NULL;
		}
}

static struct sst_machine *
machine_new(struct sst_error *err)
{
	struct sst_machine *m = calloc(1, sizeof(*m));

	if (m == NULL)
		(void)sst_fail(err, SST_E_NOMEM, "out of memory");
	else
		m->refs = 1;
	return m;
}

/* HOME may be somebody else's, as of a program that gave its rights up: what is
 * there is not its user's. */
static int
is_own(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno != EACCES && errno != EPERM;
	return st.st_uid == geteuid() || st.st_uid == 0;
}

static int
user_file_in(struct sst_machine *m, const char *path, struct sst_error *err)
{
	struct sst_machine *user = machine_new(err);
	struct sst_error inner = { 0 };
	enum sst_machine_key key;
	int rc;

	if (user == NULL)
		return SST_E_NOMEM;
	rc = file_in(user, path, 1, err);
	if (rc > 0) {
		rc = user_allowed(m, user, &key, &inner);
		if (rc < 0)
			(void)sst_fail(err, rc, "%s: a user's file may only tighten: %s",
			    user->origin[key] != NULL ? user->origin[key] : "", inner.text);
		else
			take_user(m, user);
	}
	sst_machine_unref(user);
	return rc;
}

int
sst_machine_load(const struct sst_machine_paths *paths, struct sst_machine **ret,
    struct sst_error *err)
{
	struct sst_machine *m = machine_new(err);
	int rc;

	if (m == NULL)
		return SST_E_NOMEM;
	rc = machine_files_in(m, paths, err);
	if (rc == SST_OK && paths->user != NULL && is_own(paths->user))
		rc = user_file_in(m, paths->user, err);
	if (rc < 0) {
		sst_machine_unref(m);
		return rc;
	}
	*ret = m;
	return SST_OK;
}

struct sst_machine *
sst_machine_ref(struct sst_machine *m)
{
	(void)__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

void
sst_machine_unref(struct sst_machine *m)
{
	if (m == NULL || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (int k = 0; k < SST_MACHINE_KEYS; k++)
		free(m->origin[k]);
	sst_machine_list_free(m->allow);
	sst_machine_list_free(m->nat64);
	free(m->proxy);
	free(m->cache_dir);
	free(m);
}

static uint64_t
mixed(uint64_t h, uint64_t v)
{
	for (int i = 0; i < 8; i++, v >>= 8)	/* FNV-1a */
		h = (h ^ (v & 0xff)) * 1099511628211u;
	return h;
}

static uint64_t
stamp_of(uint64_t h, const char *path)
{
	struct stat st;

	if (path == NULL || stat(path, &st) != 0)
		return mixed(h, path == NULL ? 0 : (uint64_t)errno);
	h = mixed(h, (uint64_t)st.st_dev);
	h = mixed(h, (uint64_t)st.st_ino);
	h = mixed(h, (uint64_t)st.st_size);
	h = mixed(h, (uint64_t)st.st_mode);
	h = mixed(h, (uint64_t)st.st_ctim.tv_sec);
	return mixed(h, (uint64_t)st.st_ctim.tv_nsec);
}

uint64_t
sst_machine_stamp(const struct sst_machine_paths *paths)
{
	uint64_t h = 14695981039346656037u;
	struct names names;

	h = stamp_of(h, paths->file);
	h = stamp_of(h, paths->dir);
	h = stamp_of(h, paths->other);
	h = stamp_of(h, paths->user);
	if (names_of(paths->dir, &names, NULL) < 0)
		return h;
	for (size_t i = 0; i < names.n; i++)
		h = stamp_of(h, names.name[i]);
	names_free(&names);
	return h;
}
