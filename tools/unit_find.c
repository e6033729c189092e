/* SPDX-License-Identifier: ISC */
/*
 * unit_find - where the settings of a service are; see unit.h.
 *
 * Always true:
 *   1. Of two drop-ins with one file name the one of the higher directory
 *      counts; all of them are read in the order of their file names.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILE_MAX	(1u << 20)
#define DIRS_MAX	64
#define DROPINS_MAX	256
#define PATH_SIZE	4096

static const char usual[] =
    "/etc/systemd/system.control:/run/systemd/system.control:"
    "/run/systemd/transient:/run/systemd/generator.early:/etc/systemd/system:"
    "/run/systemd/system:/run/systemd/generator:/usr/local/lib/systemd/system:"
    "/usr/lib/systemd/system:/lib/systemd/system:/run/systemd/generator.late";

struct dropins {
	char	*paths[DROPINS_MAX];
	size_t	 count;
};

/* All of an open file; the caller frees. NULL: errno. Closes `fd`. */
static char *
read_all(int fd, size_t *ret_len)
{
	size_t used = 0, size = 8192;
	char *text = malloc(size + 1), *more;
	ssize_t n = 0;

	while (text != NULL && (n = read(fd, text + used, size - used)) > 0) {
		used += (size_t)n;
		if (used < size)
			continue;
		more = size < FILE_MAX ? realloc(text, 2 * size + 1) : NULL;
		if (more == NULL)
			break;
		text = more;
		size *= 2;
	}
	close(fd);
	if (text == NULL || n != 0) {
		if (n > 0)
			errno = EFBIG;
		free(text);
		return NULL;
	}
	*ret_len = used;
	return text;
}

/* 0; -1: errno. */
static int
add_file(struct sst_unit *u, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	size_t len = 0;
	char *text;

	if (fd < 0)
		return -1;
	text = read_all(fd, &len);
	if (text == NULL)
		return -1;
	rc = sst_unit_parse(u, text, len, 0);
	free(text);
	return rc;
}

/* Splits the search path; what it points to stays the caller's. */
static size_t
directories(char *list, char *dirs[DIRS_MAX])
{
	char *save = NULL;
	size_t n = 0;

	for (char *dir = strtok_r(list, ":", &save); dir != NULL && n < DIRS_MAX;
	    dir = strtok_r(NULL, ":", &save))
		dirs[n++] = dir;
	return n;
}

/* After the last slash. */
static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static int
is_conf(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 5 && e->d_name[0] != '.' &&
	    strcmp(e->d_name + len - 5, ".conf") == 0;
}

/* Those of one directory whose names are new, into their places. */
static void
add_dropins(struct dropins *list, const char *dir)
{
	struct dirent **found = NULL;
	int n = scandir(dir, &found, is_conf, NULL);
	char *path;

	for (int i = 0; i < n; i++) {
		const char *name = found[i]->d_name;
		size_t at = 0;

		while (at < list->count && strcmp(base_of(list->paths[at]), name) < 0)
			at++;
		if ((at == list->count ||
		    strcmp(base_of(list->paths[at]), name) != 0) &&
		    list->count < DROPINS_MAX &&
		    asprintf(&path, "%s/%s", dir, name) > 0) {
			memmove(&list->paths[at + 1], &list->paths[at],
			    (list->count - at) * sizeof(list->paths[0]));
			list->paths[at] = path;
			list->count++;
		}
		free(found[i]);
	}
	free(found);
}

/* "a-b@c.service" has drop-ins under that name, "a-b@.service", "a-.service"
 * and "service". */
static void
dropins_of(struct dropins *list, char *dirs[], size_t n, const char *name)
{
	char names[16][300], path[2 * PATH_SIZE];
	const char *type = strrchr(name, '.');
	size_t count = 0, len;
	char *at, *last;

	snprintf(names[count++], sizeof(names[0]), "%s", name);
	at = strchr(names[0], '@');
	if (at != NULL && type != NULL && name + (at - names[0]) + 1 < type)
		snprintf(names[count++], sizeof(names[0]), "%.*s@%s",
		    (int)(at - names[0]), name, type);
	len = type != NULL ? (size_t)(type - name) : strlen(name);
	for (size_t i = len; type != NULL && i > 1 && count < 15; i--)
		if (name[i - 1] == '-' && i != len)
			snprintf(names[count++], sizeof(names[0]), "%.*s%s",
			    (int)i, name, type);
	last = names[count++];
	snprintf(last, sizeof(names[0]), "%s", type != NULL ? type + 1 : "service");
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < n; j++) {
			snprintf(path, sizeof(path), "%s/%s.d", dirs[j], names[i]);
			add_dropins(list, path);
		}
}

/* The unit's own file: that of the instance, else of its template. 0; -1. */
static int
main_file(char *dirs[], size_t n, const char *name, char path[PATH_SIZE])
{
	const char *at = strchr(name, '@'), *type = strrchr(name, '.');

	for (size_t i = 0; i < n; i++) {
		snprintf(path, PATH_SIZE, "%s/%s", dirs[i], name);
		if (access(path, F_OK) == 0)
			return 0;
	}
	for (size_t i = 0; at != NULL && type != NULL && i < n; i++) {
		snprintf(path, PATH_SIZE, "%s/%.*s@%s", dirs[i],
		    (int)(at - name), name, type);
		if (access(path, F_OK) == 0)
			return 0;
	}
	return -1;
}

static int
is_masked(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (S_ISCHR(st.st_mode) ||
	    (S_ISREG(st.st_mode) && st.st_size == 0));
}

static int
load_files(struct sst_unit *u, const char *name, char *from, size_t from_size,
    char *why, size_t why_size)
{
	const char *search = getenv("SYSTEMD_UNIT_PATH");
	struct dropins list = { .count = 0 };
	char path[PATH_SIZE], *dirs[DIRS_MAX], *copy, *real;
	size_t n = 0;
	int rc = 0;

	copy = strdup(search != NULL && *search != '\0' ? search : usual);
	if (copy != NULL)
		n = directories(copy, dirs);
	if (strchr(name, '/') != NULL) {
		snprintf(path, sizeof(path), "%s.d", name);
		add_dropins(&list, path);
		snprintf(path, sizeof(path), "%s", name);
	} else if (main_file(dirs, n, name, path) != 0) {
		snprintf(why, why_size, "no such unit in %s",
		    search != NULL && *search != '\0' ? search : usual);
		rc = -1;
	} else {
		dropins_of(&list, dirs, n, name);
		/* An alias has the drop-ins of both its names. */
		real = realpath(path, NULL);
		if (real != NULL && strcmp(base_of(real), base_of(path)) != 0)
			dropins_of(&list, dirs, n, base_of(real));
		free(real);
	}
	if (rc == 0 && is_masked(path)) {
		snprintf(why, why_size, "%s is masked", path);
		rc = -1;
	} else if (rc == 0 && (rc = add_file(u, path)) != 0) {
		snprintf(why, why_size, "%s: %s", path, strerror(errno));
	}
	for (size_t i = 0; i < list.count; i++) {
		if (rc == 0 && (rc = add_file(u, list.paths[i])) != 0)
			snprintf(why, why_size, "%s: %s", list.paths[i],
			    strerror(errno));
		free(list.paths[i]);
	}
	snprintf(from, from_size, "%s and %zu drop-ins", path, list.count);
	free(copy);
	return rc;
}

/* What systemd itself knows. 0; -1: it does not answer. */
static int
load_show(struct sst_unit *u, const char *name)
{
	const char *loaded;
	size_t len = 0;
	char *text;
	int ends[2], status = -1;
	pid_t pid;

	if (access("/run/systemd/system", F_OK) != 0 ||
	    pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		execlp("systemctl", "systemctl", "show", "--no-pager", "--", name,
		    (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	text = read_all(ends[0], &len);
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (text != NULL && status == 0)
		status = sst_unit_parse(u, text, len, 1);
	free(text);
	loaded = sst_unit_last(u, "LoadState");
	return status == 0 && loaded != NULL && strcmp(loaded, "loaded") == 0 ?
	    0 : -1;
}

int
sst_unit_load(const char *name, struct sst_unit **ret_unit, char *from,
    size_t from_size, char *why, size_t why_size)
{
	struct sst_unit *u = sst_unit_new();
	char whole[300];
	int rc = -1;

	snprintf(whole, sizeof(whole), "%s%s", name,
	    strchr(base_of(name), '.') == NULL ? ".service" : "");
	if (u == NULL) {
		snprintf(why, why_size, "out of memory");
		return -1;
	}
	if (getenv("SYSTEMD_UNIT_PATH") == NULL && strchr(name, '/') == NULL) {
		rc = load_show(u, whole);
		snprintf(from, from_size, "systemctl show %s", whole);
	}
	if (rc != 0) {
		sst_unit_free(u);
		u = sst_unit_new();
		rc = u == NULL ? -1 : load_files(u, strchr(name, '/') != NULL ?
		    name : whole, from, from_size, why, why_size);
	}
	if (rc != 0) {
		sst_unit_free(u);
		return -1;
	}
	*ret_unit = u;
	return 0;
}
