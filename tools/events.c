/* SPDX-License-Identifier: ISC */
/*
 * events - sstool events: what happened to the certificates of running programs.
 *
 * Every program keeps its last events; this asks each at its door (doors.h), and with
 * --follow stays for what comes, also of programs that start later.
 *
 * Always true:
 *   1. A line is bounded in size, and nothing is printed before it parsed.
 *   2. What is not followed comes in the order of time; what is, as it arrives.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "doors.h"
#include "out.h"
#include "verb.h"

#define VERB		"events"
#define LINE_MAX_BYTES	65536
#define ANSWER_MS	5000
#define LOOK_MS		1000	/* for programs that started meanwhile */
#define DOORS_MAX	4096

/* One program that was asked. */
struct source {
	char	*path;
	int	 fd;			/* -1: it has said all, or went away */
	long long seq;			/* of its last event */
	int	 older;			/* of a release that keeps none */
	size_t	 len;
	char	*line;			/* what came of the next one */
};

struct events {
	int	 json, follow;
	size_t	 limit, shown;
	long long since;
	size_t	 forbidden, silent;
	struct source *sources;
	size_t	 n_sources;
	json_t **list;			/* when they are sorted first */
	size_t	 n_list, room;
};

static long long
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
print_text(const json_t *o)
{
	const char *source = json_string_value(json_object_get(o, "source"));
	const char *kind = json_string_value(json_object_get(o, "kind"));
	const char *text = json_string_value(json_object_get(o, "text"));
	const char *program = json_string_value(json_object_get(o, "program"));
	char when[32], what[64], who[256], where[400], said[1024];

	printf("%s  %s[%lld]  %s  ", sst_out_time(when, (time_t)number(o, "time")),
	    sst_out_clean(who, sizeof(who), program != NULL ? program : "-"),
	    number(o, "pid"), sst_out_clean(what, sizeof(what), kind != NULL ? kind : "-"));
	if (source != NULL)
		printf("%s: ", sst_out_clean(where, sizeof(where), source));
	printf("%s\n", sst_out_clean(said, sizeof(said), text != NULL ? text : ""));
}

static void
show(struct events *e, json_t *o)
{
	e->shown++;
	if (e->json) {
		json_t *out = sst_out_object();

		json_object_update_missing(out, o);
		sst_out_json(out);
	} else {
		print_text(o);
	}
	json_decref(o);
	if (e->follow)
		fflush(stdout);
}

/* Takes the object: shown at once, or kept until all are there. */
static void
take(struct events *e, json_t *o)
{
	json_t **more;

	if (e->follow) {
		show(e, o);
		return;
	}
	if (e->n_list == e->room) {
		e->room = e->room != 0 ? 2 * e->room : 256;
		more = realloc(e->list, e->room * sizeof(*more));
		if (more == NULL) {
			json_decref(o);
			return;
		}
		e->list = more;
	}
	e->list[e->n_list++] = o;
}

static void
take_line(struct events *e, struct source *s, const char *line, size_t len)
{
	json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);

	/* the document of a release that keeps no events */
	if (!json_is_object(o) || !json_is_integer(json_object_get(o, "seq"))) {
		s->older = 1;
		json_decref(o);
		return;
	}
	s->seq = number(o, "seq");
	take(e, o);
}

static void
source_end(struct source *s)
{
	close(s->fd);
	s->fd = -1;
	s->len = 0;
}

/* Reads what is there. */
static void
source_read(struct events *e, struct source *s)
{
	ssize_t n = recv(s->fd, s->line + s->len, LINE_MAX_BYTES - s->len, MSG_DONTWAIT);
	char *end;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		s->len += (size_t)n;
	while ((end = memchr(s->line, '\n', s->len)) != NULL) {
		const size_t len = (size_t)(end - s->line) + 1;

		take_line(e, s, s->line, len - 1);
		s->len -= len;
		memmove(s->line, end + 1, s->len);
	}
	if (n <= 0 || s->len == LINE_MAX_BYTES)
		source_end(s);
}

static struct source *
source_of(struct events *e, const char *path)
{
	struct source *more, *s;

	for (size_t i = 0; i < e->n_sources; i++)
		if (strcmp(e->sources[i].path, path) == 0)
			return &e->sources[i];
	more = e->n_sources < DOORS_MAX ? realloc(e->sources,
	    (e->n_sources + 1) * sizeof(*more)) : NULL;
	if (more == NULL)
		return NULL;
	e->sources = more;
	s = &more[e->n_sources];
	*s = (struct source){ .fd = -1, .seq = e->since, .path = strdup(path),
	    .line = malloc(LINE_MAX_BYTES) };
	if (s->path == NULL || s->line == NULL) {
		free(s->path);
		free(s->line);
		return NULL;
	}
	e->n_sources++;
	return s;
}

/* Asks a door that is not being listened to. */
static void
ask(void *events, const char *path)
{
	struct events *e = events;
	struct source *s = source_of(e, path);
	char question[64];

	if (s == NULL || s->fd >= 0 || s->older)
		return;
	snprintf(question, sizeof(question), "events %ssince %lld",
	    e->follow ? "follow " : "", s->seq);
	s->fd = sst_door_open(path, question);
	if (s->fd < 0 && (errno == EACCES || errno == EPERM))
		e->forbidden++;
}

/* Waits for a line of anybody. The number of those who may still say something. */
static size_t
listen_once(struct events *e, long long until)
{
	struct pollfd *p = calloc(e->n_sources + 1, sizeof(*p));
	long long left = until - sst_doors_ms();
	size_t open = 0;

	for (size_t i = 0; p != NULL && i < e->n_sources; i++) {
		p[i].fd = e->sources[i].fd;
		p[i].events = POLLIN;
		open += p[i].fd >= 0;
	}
	if (p == NULL || (open == 0 && !e->follow) ||
	    poll(p, e->n_sources, left > 0 ? (int)left : 0) <= 0) {
		free(p);
		return open;
	}
	for (size_t i = 0; i < e->n_sources; i++)
		if (p[i].revents != 0)
			source_read(e, &e->sources[i]);
	free(p);
	return open;
}

static int
earlier(const void *a, const void *b)
{
	static const char *const keys[] = { "time", "pid", "seq" };
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;

	for (size_t i = 0; i < 3; i++) {
		const long long m = number(x, keys[i]), n = number(y, keys[i]);

		if (m != n)
			return m < n ? -1 : 1;
	}
	return 0;
}

/* All that is kept, in the order of time; of many the last. */
static int
list_all(struct events *e)
{
	const long long until = sst_doors_ms() + ANSWER_MS;
	size_t skip;

	sst_doors_each(ask, e);
	while (sst_doors_ms() < until && listen_once(e, until) > 0)
		continue;
	for (size_t i = 0; i < e->n_sources; i++)
		e->silent += e->sources[i].fd >= 0;
	if (e->n_list > 0)
		qsort(e->list, e->n_list, sizeof(*e->list), earlier);
	skip = e->limit != 0 && e->n_list > e->limit ? e->n_list - e->limit : 0;
	for (size_t i = 0; i < e->n_list; i++) {
		if (i < skip)
			json_decref(e->list[i]);
		else
			show(e, e->list[i]);
	}
	if (e->limit != 0)
		sst_out_count(e->json, e->shown, e->n_list);
	if (e->silent > 0)
		sst_out_trouble(0, "%zu did not answer within %d s", e->silent,
		    ANSWER_MS / 1000);
	if (e->shown > 0)
		return SST_EXIT_YES;
	if (e->silent > 0)
		return SST_EXIT_TRY_LATER;
	if (e->forbidden > 0)
		return sst_out_trouble(SST_EXIT_CANNOT_TELL,
		    "%zu belong to other users: ask as root", e->forbidden);
	return SST_EXIT_NO;
}

static int
follow(struct events *e)
{
	for (;;) {
		const long long until = sst_doors_ms() + LOOK_MS;

		sst_doors_each(ask, e);
		while (sst_doors_ms() < until)
			(void)listen_once(e, until);
		if (ferror(stdout))
			return SST_EXIT_YES;
	}
}

static void
events_done(struct events *e)
{
	for (size_t i = 0; i < e->n_sources; i++) {
		if (e->sources[i].fd >= 0)
			close(e->sources[i].fd);
		free(e->sources[i].path);
		free(e->sources[i].line);
	}
	free(e->sources);
	free(e->list);
}

/* A number after --since; -1: not one. */
static long long
since_read(const char *arg)
{
	long long n;
	char *end;

	errno = 0;
	n = strtoll(arg, &end, 10);
	return errno == 0 && *arg >= '0' && *arg <= '9' && *end == '\0' ? n : -1;
}

int
sst_verb_events(int argc, char **argv)
{
	static const struct option options[] = {
		{ "follow", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "limit", required_argument, NULL, 'l' },
		{ "since", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 }
	};
	struct events e = { 0 };
	int c, rc;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":f", options, NULL)) != -1) {
		if (c == 'j')
			e.json = 1;
		else if (c == 'f')
			e.follow = 1;
		else if (c == 'l' && (e.limit = sst_out_limit(optarg)) == 0)
			return sst_out_usage(VERB, "--limit takes a number");
		else if (c == 's' && (e.since = since_read(optarg)) < 0)
			return sst_out_usage(VERB, "--since takes the number of an event");
		else if (c != 'l' && c != 's')
			return sst_out_option(VERB, c, argv);
	}
	if (argc != optind)
		return sst_out_usage(VERB, "no argument");
	if (e.follow && e.limit != 0)
		return sst_out_usage(VERB, "--limit is for what is not followed");
	rc = e.follow ? follow(&e) : list_all(&e);
	events_done(&e);
	return rc;
}
