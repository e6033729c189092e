/* SPDX-License-Identifier: ISC */
#include "sources.h"

#include "ahead.h"
#include "judge.h"
#include "paths.h"

#include "watch/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
source_free(struct sst_source *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->path);
	free(s->why);
	free(s);
}

/* A source of its own, not in the table yet. NULL with errno. */
static struct sst_source *
source_new(const char *path, const char *why, int fd)
{
	struct sst_source *s = calloc(1, sizeof(*s));
	struct stat st;

	if (s == NULL)
		return NULL;
	s->watched = why == NULL;
	s->path = strdup(path);
	s->why = why == NULL ? NULL : strdup(why);
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (s->path == NULL || (why != NULL && s->why == NULL) || s->fd < 0 ||
	    fstat(s->fd, &st) != 0) {
		source_free(s);
		return NULL;
	}
	s->is_dir = S_ISDIR(st.st_mode);
	return s;
}

/* 0, or -1 with errno: then it is due again. */
static int
watch_arm(struct sst_sources *t, struct sst_source *s, int64_t now)
{
	if (s->watch_at == INT64_MAX)
		return 0;
	s->watch_at = now + SST_SOURCE_UNWATCHED_MS;
	if (sst_watch_add(t->watch, s->node.key, s->path, s->is_dir, now) != 0) {
		errno = ENOMEM;
		return -1;
	}
	s->watch_at = INT64_MAX;
	t->n_unwatched -= (size_t)s->is_dir;
	return 0;
}

struct sst_source *
sst_source_add(struct sst_sources *t, const char *path, const char *why, int fd,
    int64_t now)
{
	struct sst_source *s;

	if (t->n_provisional >= SST_SOURCES_PROVISIONAL) {
		errno = EAGAIN;
		return NULL;
	}
	s = source_new(path, why, fd);
	if (s == NULL)
		return NULL;
	do
		t->last_id++;
	while (t->last_id == 0 || sst_table_get(&t->table, t->last_id) != NULL);
	s->until = now + SST_SOURCE_PATIENCE_MS;
	if (sst_table_put(&t->table, &s->node, t->last_id) != 0) {
		source_free(s);
		errno = ENOMEM;
		return NULL;
	}
	t->n_provisional++;
	s->watch_at = s->watched ? now + SST_SOURCE_UNWATCHED_MS : INT64_MAX;
	t->n_unwatched += s->watched && s->is_dir;
	/* Before anybody reads the file: a change from now on is noticed. */
	if (!s->is_dir && watch_arm(t, s, now) != 0) {
		sst_source_drop(t, s->node.key);
		errno = ENOMEM;
		return NULL;
	}
	return s;
}

struct sst_source *
sst_source_get(const struct sst_sources *t, uint32_t id)
{
	return (struct sst_source *)sst_table_get(&t->table, id);
}

void
sst_source_take(struct sst_sources *t, uint32_t id)
{
	struct sst_source *s = sst_source_get(t, id);

	if (s != NULL)
		s->until = INT64_MAX;
}

void
sst_source_keep(struct sst_sources *t, uint32_t id)
{
	struct sst_source *s = sst_source_get(t, id);

	if (s == NULL || s->kept)
		return;
	s->kept = 1;
	t->n_provisional--;
}

void
sst_source_drop(struct sst_sources *t, uint32_t id)
{
	struct sst_source *s = sst_source_get(t, id);

	if (s == NULL)
		return;
	if (!s->kept)
		t->n_provisional--;
	if (s->watched && s->watch_at == INT64_MAX)
		sst_watch_remove(t->watch, id);
	t->n_unwatched -= s->is_dir && s->watch_at != INT64_MAX;
	sst_table_take(&t->table, &s->node);
	source_free(s);
}

void
sst_sources_expire(struct sst_sources *t, int64_t now)
{
	struct sst_place place = { 0 };
	const struct sst_source *s;

	while ((s = (const struct sst_source *)sst_table_next(&t->table, &place)) != NULL)
		if (!s->kept && s->until <= now)
			sst_source_drop(t, s->node.key);
}

void
sst_sources_forsake(struct sst_sources *t)
{
	struct sst_place place = { 0 };
	const struct sst_source *s;

	while ((s = (const struct sst_source *)sst_table_next(&t->table, &place)) != NULL)
		if (!s->kept && s->until == INT64_MAX)
			sst_source_drop(t, s->node.key);
}

static void
watch_until(struct sst_sources *t, int64_t now, int64_t due)
{
	struct sst_place place = { 0 };
	struct sst_source *s;

	while (t->n_unwatched > 0 &&
	    (s = (struct sst_source *)sst_table_next(&t->table, &place)) != NULL)
		if (s->watch_at <= due)
			(void)watch_arm(t, s, now);
}

void
sst_sources_watch(struct sst_sources *t, int64_t now)
{
	watch_until(t, now, now);
}

void
sst_sources_watch_all(struct sst_sources *t, int64_t now)
{
	watch_until(t, now, INT64_MAX);
}

int64_t
sst_sources_due(const struct sst_sources *t)
{
	struct sst_place place = { 0 };
	const struct sst_source *s;
	int64_t due = INT64_MAX;

	if (t->n_provisional == 0 && t->n_unwatched == 0)
		return due;
	while ((s = (const struct sst_source *)sst_table_next(&t->table, &place)) != NULL) {
		if (!s->kept && s->until < due)
			due = s->until;
		if (s->watch_at < due)
			due = s->watch_at;
	}
	return due;
}

size_t
sst_source_text(const struct sst_source *s, char *out, size_t size)
{
	size_t path = strlen(s->path) + 1;
	size_t why = s->why == NULL ? 0 : strlen(s->why) + 1;

	if (path + why > size)
		return 0;
	memcpy(out, s->path, path);
	if (why > 0)
		memcpy(out + path, s->why, why);
	return path + why;
}

int
sst_sources_restore(const struct sst_sources *t, struct sst_queue *q)
{
	struct sst_place place = { 0 };
	const struct sst_source *s;
	struct sst_wire_head head;
	char text[PATH_MAX + SST_WHY_MAX];
	size_t n;

	while ((s = (const struct sst_source *)sst_table_next(&t->table, &place)) != NULL) {
		if (!s->kept)
			continue;
		sst_wire_init(&head, SST_CHAN_RESTORE_SOURCE);
		head.id = s->node.key;
		head.a = s->level;
		head.b = s->option;
		head.c = s->watched;
		n = sst_source_text(s, text, sizeof(text));
		if (sst_queue_send(q, &head, text, n, &s->fd, 1) != 0)
			return -1;
	}
	return 0;
}

/* What an answer consists of. */
struct answer {
	char	*out;
	size_t	 size, len;
	int	*fds;
	size_t	 n_fds;
};

/* Answers by descriptor or text. The head's a, or -1 with errno. */
static long
open_for(const struct sst_source *s, uint16_t verb, const char *path, struct answer *a)
{
	int is_dir = 0;
	long n;

	if (!s->watched && verb == SST_OPEN_EXPOSED)
		return sst_path_exposed_fd(s->fd);
	if (!s->watched) {
		errno = EPERM;
		return -1;
	}
	switch (verb) {
	case SST_OPEN_PATH:
	case SST_OPEN_LIST:
		a->fds[0] = sst_path_open(s->path, s->is_dir, path);
		a->n_fds = a->fds[0] >= 0;
		return a->fds[0] < 0 ? -1 : 0;
	case SST_OPEN_LINK:
		n = sst_path_link(s->path, s->is_dir, path, a->out, a->size);
		a->len = n < 0 ? 0 : (size_t)n + 1;
		return n;
	case SST_OPEN_EXPOSED:
		return sst_path_exposed(s->path, s->is_dir, path);
	case SST_OPEN_AHEAD:
		/* a file's path may lead to a directory by now */
		if (!s->is_dir) {
			errno = EPERM;
			return -1;
		}
		n = sst_ahead_answer(s->path, path, a->out, a->size, &is_dir, a->fds,
		    &a->n_fds);
		a->len = n < 0 ? 0 : (size_t)n;
		return n < 0 ? -1 : is_dir;
	default:
		errno = ENOSYS;
		return -1;
	}
}

/* Whether the source itself, and nothing below it, is about to be listed. */
static int
is_listing(const struct sst_source *s, const struct sst_wire_head *question, size_t len)
{
	return s->is_dir && question->verb == SST_OPEN_LIST && len <= strlen(s->path) + 2;
}

size_t
sst_sources_answer(struct sst_sources *t, const struct sst_wire_head *question,
    const char *data, size_t len, int64_t now, struct sst_wire_head *ret_head, char *out,
    size_t size, int fds[SST_WIRE_FDS], size_t *ret_n_fds)
{
	struct sst_source *s = sst_source_get(t, question->id);
	struct answer a = { .out = out, .size = size, .fds = fds };
	long rc = -1;
	int n;

	sst_wire_init(ret_head, SST_WIRE_REPLY);
	ret_head->id = question->id;
	if (s == NULL)
		errno = ESTALE;
	else if (len == 0 || memchr(data, '\0', len) != data + len - 1)
		errno = EINVAL;
	else if (!is_listing(s, question, len) || watch_arm(t, s, now) == 0)
		rc = open_for(s, question->verb, data, &a);
	ret_head->a = (int32_t)rc;
	*ret_n_fds = a.n_fds;
	if (rc >= 0)
		return a.len;
	ret_head->b = errno;
	n = snprintf(out, size, "%s", errno == EPERM ?
	    "outside of what the program named, or not to be opened again" :
	    strerror(errno));
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n + 1;
}

/* How many names these are; -1: they are not all names of one component. */
static int
count_names(const char *data, size_t len)
{
	int n = 0;

	if (len == 0 || data[len - 1] != '\0')
		return -1;
	for (size_t at = 0, one; at < len; at += one + 1, n++) {
		one = strlen(data + at);
		if (one == 0 || one > NAME_MAX || strchr(data + at, '/') != NULL ||
		    strcmp(data + at, ".") == 0 || strcmp(data + at, "..") == 0)
			return -1;
	}
	return n <= SST_HOT_MOST ? n : -1;
}

int
sst_sources_hot(struct sst_sources *t, uint32_t id, const char *data, size_t len,
    int64_t now)
{
	struct sst_source *s = sst_source_get(t, id);
	const int n = count_names(data, len);

	if (s == NULL || !s->kept || !s->watched || !s->is_dir || n < 0)
		return -1;
	(void)watch_arm(t, s, now);
	for (size_t at = 0; at < len; at += strlen(data + at) + 1)
		sst_watch_hot(t->watch, id, data + at, now);
	return n;
}

void
sst_sources_done(struct sst_sources *t)
{
	struct sst_place place = { 0 };
	const struct sst_node *n;

	while ((n = sst_table_next(&t->table, &place)) != NULL)
		sst_source_drop(t, n->key);
	sst_table_done(&t->table);
}
