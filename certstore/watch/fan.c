/* SPDX-License-Identifier: ISC */
/*
 * fan - a mark on the file systems of sources whose names do not all have a watch
 * (inside.h): the kernel tells in which directory something happened.
 *
 * It takes CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH, Linux 5.9, a file system with file
 * handles, and no filter of system calls: that might end the process for the attempt.
 *
 * Always true:
 *   1. It is read every SST_FAN_LOOK_MS and not when something happens: what strangers
 *      write wakes nobody.
 *   2. A directory of strangers is looked up once; after that its handle is compared.
 *   3. When it costs more in SST_WATCH_SWEEP_MS than the pass that it saves (and more
 *      than LEAST_US) it is given up for REST_MS, and the sweep is as it was.
 *   4. What was lost the next pass finds, and one every SST_FAN_SWEEP_MS anyway.
 *   5. Who is refused asks no more; a mark that failed for want of something is tried
 *      again after the next pass.
 *   6. Nothing is told of what is mounted below a source or its archive: where a pass
 *      finds such a mount, those that follow come as if nothing were marked.
 */
#include "inside.h"

#include "certbot.h"
#include "records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/statfs.h>
#include <unistd.h>

#define MASK		(FAN_CREATE | FAN_DELETE | FAN_MOVED_FROM | FAN_MOVED_TO | \
			    FAN_CLOSE_WRITE | FAN_ATTRIB | FAN_ONDIR)
#define LEAST_US	20000
#define REST_MS		600000

static int
is_shared(const struct sst_watch *w, const struct sst_target *t)
{
	for (const struct sst_target *o = w->first; o != NULL; o = o->next)
		if (o != t && o->fan_dir >= 0 &&
		    memcmp(o->fan_id, t->fan_id, sizeof(t->fan_id)) == 0)
			return 1;
	return 0;
}

static void
close_group(struct sst_fan *f)
{
	if (f->fd >= 0)
		(void)close(f->fd);
	free(f->strangers);
	f->strangers = NULL;
	f->fd = -1;
	f->at = INT64_MAX;
}

void
sst_fan_leave(struct sst_watch *w, struct sst_target *t)
{
	if (t->fan_dir < 0)
		return;
	if (!is_shared(w, t))
		(void)fanotify_mark(w->fan.fd, FAN_MARK_REMOVE | FAN_MARK_FILESYSTEM,
		    MASK, t->fan_dir, NULL);
	(void)close(t->fan_dir);
	t->fan_dir = -1;
	t->pass_at = 0;
	if (--w->fan.n == 0)
		close_group(&w->fan);
}

/* 1: a filter of system calls is in place; -1 with errno: nobody can tell. */
static int
is_filtered(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	int mode = 1;

	if (f == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Seccomp: %d", &mode) == 1)
			break;
	(void)fclose(f);
	return mode != 0;
}

/* 0, or -1 with errno. */
static int
open_group(struct sst_fan *f)
{
	int filtered;

	if (f->fd >= 0)
		return 0;
	filtered = is_filtered();
	if (filtered > 0)
		errno = EPERM;
	if (filtered != 0)
		return -1;
	f->strangers = calloc(SST_STRANGERS, sizeof(*f->strangers));
	if (f->strangers == NULL)
		return -1;
	f->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK |
	    FAN_REPORT_DIR_FID, O_RDONLY | O_CLOEXEC);
	return f->fd < 0 ? -1 : 0;
}

/* The path of what is behind a descriptor. 0, or -1. */
static int
path_of(int fd, char *out, size_t size)
{
	char link[64];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, out, size - 1);
	if (n < 0 || (size_t)n == size - 1)
		return -1;
	out[n] = '\0';
	return 0;
}

/* Whether what an event names can be found again. 0: errno may say why. */
static int
can_open(int dir)
{
	struct sst_handle h = { .head.handle_bytes = MAX_HANDLE_SZ };
	char path[PATH_MAX];
	int mount, fd, ok;

	if (name_to_handle_at(dir, "", &h.head, &mount, AT_EMPTY_PATH) != 0)
		return 0;
	fd = open_by_handle_at(dir, &h.head, O_PATH | O_CLOEXEC);
	ok = fd >= 0 && path_of(fd, path, sizeof(path)) == 0;
	if (fd >= 0)
		(void)close(fd);
	return ok;
}

/* Of memory, descriptors, or what else the kernel may have again later. */
static int
is_want(int error)
{
	return error == ENOMEM || error == EMFILE || error == ENFILE || error == ENOSPC;
}

void
sst_fan_begin(struct sst_watch *w, struct sst_target *t, int64_t now)
{
	struct sst_fan *f = &w->fan;
	struct statfs fs;
	int dir;

	if (!w->plan.mark || t->fan_refused || now < f->again_at || t->fan_dir >= 0 ||
	    !t->root_watched || t->n_watched == t->seen.n)
		return;
	dir = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return;
	errno = 0;
	if (open_group(f) != 0 || fstatfs(dir, &fs) != 0 || !can_open(dir) ||
	    fanotify_mark(f->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, MASK, dir,
	    NULL) != 0) {
		t->fan_refused = !is_want(errno);
		(void)close(dir);
		if (f->n == 0)
			close_group(f);
		return;
	}
	memcpy(t->fan_id, &fs.f_fsid, sizeof(t->fan_id));
	/* What happened before the mark the next pass finds. */
	t->fan_dir = dir;
	if (f->n++ == 0) {
		f->at = now + SST_FAN_LOOK_MS;
		f->from = now;
		f->us = 0;
	}
}

void
sst_fan_forget(struct sst_watch *w)
{
	if (w->fan.strangers != NULL)
		memset(w->fan.strangers, 0, SST_STRANGERS * sizeof(*w->fan.strangers));
}

/* What of `path` is the name below `dir`. 1, or 0. */
static int
name_below(const char *dir, const char *path, char *out, size_t size)
{
	size_t n = strlen(dir), len;

	if (strncmp(dir, path, n) != 0 || path[n] != '/')
		return 0;
	len = strcspn(path + n + 1, "/");
	return len > 0 && snprintf(out, size, "%.*s", (int)len, path + n + 1) < (int)size;
}

/* A folder came to the archive of this target, or went: it may be one that is known as
 * a stranger's, and of which name it is nobody says. */
static void
archive_moved(struct sst_watch *w, struct sst_target *t)
{
	sst_fan_forget(w);
	t->pass_at = 0;
}

/* Marks the names that the directory `path` is of: 1, or 0: none of ours. */
static int
mark_names(struct sst_watch *w, const int id[2], const char *path, int64_t now)
{
	char root[PATH_MAX], archive[PATH_MAX], name[NAME_MAX + 1];
	int met = 0, below;

	for (struct sst_target *t = w->first; t != NULL; t = t->next) {
		if (t->fan_dir < 0 || memcmp(t->fan_id, id, sizeof(t->fan_id)) != 0 ||
		    path_of(t->fan_dir, root, sizeof(root)) != 0)
			continue;
		below = name_below(root, path, name, sizeof(name));
		if (!below && sst_certbot_archive(root, archive, sizeof(archive))) {
			below = name_below(archive, path, name, sizeof(name));
			if (strcmp(archive, path) == 0) {
				archive_moved(w, t);
				met = 1;
			}
		}
		if (!below)
			continue;
		sst_target_mark(w, t, name, now + SST_WATCH_QUIET_MS);
		met = 1;
	}
	return met;
}

/* A path of /proc/self/mountinfo: \NNN stands for an octet. */
static void
unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; out++) {
		if (in[0] == '\\' && strspn(in + 1, "01234567") >= 3) {
			*out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 |
			    (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}

int
sst_fan_covers(const struct sst_target *t)
{
	char root[PATH_MAX], archive[PATH_MAX], at[PATH_MAX], name[NAME_MAX + 1];
	size_t size = 0;
	char *line = NULL;
	int apart = 0;
	FILE *f;

	if (path_of(t->fan_dir, root, sizeof(root)) != 0)
		return 0;
	if (!sst_certbot_archive(root, archive, sizeof(archive)))
		(void)strcpy(archive, root);
	f = fopen("/proc/self/mountinfo", "re");
	if (f == NULL)
		return 0;
	/* of the same file system, too: its events have another path */
	while (!apart && getline(&line, &size, f) > 0) {
		if (sscanf(line, "%*s %*s %*s %*s %4095s", at) != 1)
			continue;
		unescape(at);
		apart = name_below(root, at, name, sizeof(name)) ||
		    name_below(archive, at, name, sizeof(name)) ||
		    (strcmp(archive, root) != 0 && strcmp(archive, at) == 0);
	}
	free(line);
	(void)fclose(f);
	return !apart;
}

/* Looks up the directory of a handle: 1: it is ours, or cannot be looked up; 0: it is a
 * stranger's. */
static int
look_up(struct sst_watch *w, const int id[2], struct sst_handle *h, int64_t now)
{
	const struct sst_target *t = w->first;
	char path[PATH_MAX];
	int fd, rc;

	while (t != NULL && (t->fan_dir < 0 || memcmp(t->fan_id, id,
	    sizeof(t->fan_id)) != 0))
		t = t->next;
	if (t == NULL)
		return 0;
	fd = open_by_handle_at(t->fan_dir, &h->head, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 1;	/* it is gone */
	rc = path_of(fd, path, sizeof(path));
	(void)close(fd);
	return rc != 0 || mark_names(w, id, path, now);
}

struct looking {
	struct sst_watch *w;
	int64_t		 now;
};

static void
take_directory(void *arg, struct sst_record *r)
{
	const struct looking *l = arg;
	uint64_t *strangers = l->w->fan.strangers;

	if (!sst_strangers_have(strangers, r->print) &&
	    !look_up(l->w, r->id, &r->handle, l->now))
		sst_strangers_put(strangers, r->print);
}

/* What it all may cost in SST_WATCH_SWEEP_MS. */
static int64_t
allowance(const struct sst_watch *w)
{
	const int64_t most = SST_WATCH_SWEEP_MS * 1000 / SST_WATCH_CORE_SHARE;

	if (w->walked_us < LEAST_US)
		return LEAST_US;
	return w->walked_us < most ? w->walked_us : most;
}

static void
give_up(struct sst_watch *w, int64_t now)
{
	w->fan.again_at = now + REST_MS;
	for (struct sst_target *t = w->first; t != NULL; t = t->next) {
		if (t->fan_dir < 0)
			continue;
		sst_fan_leave(w, t);
		t->said = 0;
		sst_watch_say(w, t);
	}
}

/* The next pass goes through all of them, although there is a mark. */
static void
all_due(struct sst_watch *w)
{
	for (struct sst_target *t = w->first; t != NULL; t = t->next)
		t->pass_at = 0;
}

void
sst_fan_look(struct sst_watch *w, int64_t now)
{
	struct looking l = { .w = w, .now = now };
	struct sst_fan *f = &w->fan;
	char buf[16384];
	int64_t start = sst_watch_cpu_us(w), at;
	ssize_t n;

	if (now - f->from >= SST_WATCH_SWEEP_MS) {
		f->from = now;
		f->us = 0;
	}
	f->at = now + SST_FAN_LOOK_MS;
	while ((n = read(f->fd, buf, sizeof(buf))) > 0) {
		if (sst_records_each(buf, (size_t)n, take_directory, &l))
			all_due(w);
		at = sst_watch_cpu_us(w);
		f->us += at - start;
		start = at;
		if (f->us <= allowance(w))
			continue;
		give_up(w, now);
		return;
	}
}
