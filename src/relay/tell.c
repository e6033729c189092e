/* SPDX-License-Identifier: ISC */
#include "tell.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/escape.h"
#include "core.h"

#define LOOK_MS		100	/* so long may a follower wait for an event */
#define CHUNK		65536	/* octets of lines that are made at once */

struct sst_listening_end {
	struct sst_object object;	/* first */
	struct sst_relay *relay;
	struct sst_listening_end *next, **at_me;
	struct sst_watch watch;
	struct sst_timer patience;	/* armed while it does not read */
	int		 fd, follow, waiting;
	uint64_t	 seq;		/* of the last event in `out`, or before */
	char		*out;		/* being written */
	size_t		 len, done, room;
};

static void
hang_up(struct sst_listening_end *e)
{
	struct sst_audience *a = &e->relay->audience;
	struct sst_loop *loop = &e->relay->loop;

	*e->at_me = e->next;
	if (e->next != NULL)
		e->next->at_me = e->at_me;
	if (--a->n == 0)
		sst_loop_disarm(loop, &a->look);
	sst_loop_disarm(loop, &e->patience);
	sst_loop_del(loop, &e->watch);
	(void)close(e->fd);
	free(e->out);
	sst_loop_free(loop, &e->object);
}

static void
out_of_patience(struct sst_timer *t)
{
	hang_up(SST_HOLDER(t, struct sst_listening_end, patience));
}

static json_t *
text_of(const char *text)
{
	return text == NULL ? json_null() : json_string(text);
}

static json_t *
event_object(const struct sst_relay *relay, const struct sst_happening *h)
{
	char program[200], hex[65] = "";

	(void)sst_escape(program, sizeof(program), relay->program,
	    strlen(relay->program));
	for (size_t i = 0; h->leaf != NULL && i < 32; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", h->leaf[i]);
	return json_pack("{s:i, s:I, s:I, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:s}",
	    "schema", 1, "seq", (json_int_t)h->seq, "time", (json_int_t)h->at,
	    "kind", sst_log_kind_name((enum sst_log_kind)h->kind),
	    "program", program, "pid", (json_int_t)relay->program_pid,
	    "source", text_of(h->source), "name", text_of(h->name),
	    "certificate", text_of(h->leaf != NULL ? hex : NULL),
	    "not_after", h->not_after != 0 ? json_integer((json_int_t)h->not_after) :
	    json_null(), "text", h->text);
}

/* sst_log_each(): one more line, until there are enough. */
static int
line_add(void *arg, const struct sst_happening *h)
{
	struct sst_listening_end *e = arg;
	json_t *o = event_object(e->relay, h);
	char *line = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
	const size_t len = line != NULL ? strlen(line) : 0;
	char *more = e->out;

	json_decref(o);
	if (e->len + len + 1 > e->room) {
		more = realloc(e->out, e->len + len + 1 + CHUNK);
		if (more != NULL)
			e->room = e->len + len + 1 + CHUNK;
	}
	e->seq = h->seq;
	if (line != NULL && more != NULL) {
		e->out = more;
		memcpy(e->out + e->len, line, len);
		e->out[e->len + len] = '\n';
		e->len += len + 1;
	}
	free(line);
	return e->len >= CHUNK;
}

/* Writes what was made. 1: all of it, 0: the other end is full, -1: it is gone. */
static int
out_write(struct sst_listening_end *e)
{
	ssize_t n;

	while (e->done < e->len) {
		n = send(e->fd, e->out + e->done, e->len - e->done,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		e->done += (size_t)n;
	}
	e->len = e->done = 0;
	return 1;
}

/* Tells on. May end it. */
static void
go_on(struct sst_listening_end *e)
{
	struct sst_loop *loop = &e->relay->loop;
	const size_t before = e->done;
	int rc;

	while ((rc = out_write(e)) == 1) {
		(void)sst_log_each(&e->relay->log, e->seq, line_add, e);
		if (e->len == 0)
			break;
	}
	if (rc < 0 || (rc == 1 && !e->follow)) {
		hang_up(e);
		return;
	}
	if (rc == 0 && (!e->waiting || e->done != before))
		sst_loop_arm(loop, &e->patience, loop->now + SST_TELL_MS,
		    out_of_patience);
	if (rc == 1)
		sst_loop_disarm(loop, &e->patience);
	if (e->waiting != (rc == 0))
		(void)sst_loop_change(loop, &e->watch, rc == 0 ? EPOLLOUT : 0);
	e->waiting = rc == 0;
}

static void
look(struct sst_timer *t)
{
	struct sst_audience *a = SST_HOLDER(t, struct sst_audience, look);
	struct sst_relay *relay = SST_HOLDER(a, struct sst_relay, audience);
	struct sst_listening_end *e, *next;

	for (e = a->first; e != NULL; e = next) {
		next = e->next;
		if (!e->waiting && e->seq < sst_log_last(&relay->log))
			go_on(e);
	}
	if (a->n > 0)
		sst_loop_arm(&relay->loop, &a->look, relay->loop.now + LOOK_MS, look);
}

static void
ready(struct sst_watch *w, uint32_t events)
{
	struct sst_listening_end *e = SST_HOLDER(w, struct sst_listening_end, watch);

	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		hang_up(e);
	else
		go_on(e);
}

/* 0, or -1: not a request for events. */
static int
request_read(const char *request, int *ret_follow, uint64_t *ret_since)
{
	char line[128], *at = line, *word, *end;

	*ret_follow = 0;
	*ret_since = 0;
	if (snprintf(line, sizeof(line), "%s", request) >= (int)sizeof(line) ||
	    (word = strsep(&at, " ")) == NULL || strcmp(word, "events") != 0)
		return -1;
	while ((word = strsep(&at, " ")) != NULL) {
		if (strcmp(word, "follow") == 0) {
			*ret_follow = 1;
			continue;
		}
		if (strcmp(word, "since") != 0 || (word = strsep(&at, " ")) == NULL ||
		    *word < '0' || *word > '9')
			return -1;
		errno = 0;
		*ret_since = strtoull(word, &end, 10);
		if (errno != 0 || *end != '\0')
			return -1;
	}
	return 0;
}

int
sst_tell_events(struct sst_relay *relay, int fd, const char *request)
{
	struct sst_audience *a = &relay->audience;
	struct sst_listening_end *e;
	uint64_t since;
	int follow;

	if (request_read(request, &follow, &since) < 0)
		return -1;
	e = a->n < SST_TELL_MOST ? calloc(1, sizeof(*e)) : NULL;
	if (e == NULL || sst_loop_add(&relay->loop, &e->watch, fd, 0, ready) < 0) {
		free(e);
		(void)close(fd);
		return 0;
	}
	e->relay = relay;
	e->fd = fd;
	e->follow = follow;
	/* a number of a former relay, which counted for itself */
	e->seq = since <= sst_log_last(&relay->log) ? since : 0;
	e->next = a->first;
	e->at_me = &a->first;
	if (a->first != NULL)
		a->first->at_me = &e->next;
	a->first = e;
	if (a->n++ == 0)
		sst_loop_arm(&relay->loop, &a->look, relay->loop.now + LOOK_MS, look);
	go_on(e);
	return 0;
}
