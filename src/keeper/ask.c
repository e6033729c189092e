/* SPDX-License-Identifier: ISC */
/*
 * ask - what somebody wants at the status door: one line. Two the keeper answers, the
 * others the relay.
 *
 *	nudge PATH	what is at the path changed: it is read again at once
 *	watches		how each source is watched
 *
 * Always true:
 *   1. Who asks is this user, or root.
 *   2. Nobody is waited for: who says nothing for ASK_MS gets the status.
 *   3. Nothing is opened that the program did not name.
 * Threads: one.
 */
#include "state.h"

#include "base/clock.h"
#include "base/escape.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASKERS_MAX	16
#define ASK_MS		1000	/* who says nothing in that time wants the status */
#define LISTED_MAX	256	/* sources in an answer */
#define ANSWER_ROOM	(1 << 20)

static void
asker_end(struct sst_keeper *k, struct sst_asker *a)
{
	struct sst_asker **link = &k->askers;

	while (*link != a)
		link = &(*link)->next;
	*link = a->next;
	if (a->next == NULL)
		k->askers_end = link;
	k->n_askers--;
	sst_keeper_close(k, &a->ev);
	free(a);
}

/* A JSON string; what is no printable text is shown as sst_escape() does. */
static void
put_string(FILE *out, const char *text)
{
	char shown[4 * PATH_MAX];

	(void)sst_escape(shown, sizeof(shown), text, strlen(text));
	(void)fputc('"', out);
	for (const char *p = shown; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			(void)fputc('\\', out);
		(void)fputc(*p, out);
	}
	(void)fputc('"', out);
}

static void
put_rule(FILE *out, const struct sst_watch_rule *r)
{
	static const char *const mark[] = { [SST_MARK_NONE] = "null",
	    [SST_MARK_HELD] = "\"held\"", [SST_MARK_BUSY] = "\"busy\"" };
	const char *rule = r->swept == 0 ? "watched" : r->watched == 0 ? "swept" :
	    "both";

	(void)fputs("{\"path\":", out);
	put_string(out, r->path);
	(void)fprintf(out, ",\"rule\":\"%s\",\"watched\":%zu,\"swept\":%zu,"
	    "\"every_ms\":%u,\"mark\":%s,\"why\":", rule, r->watched, r->swept,
	    r->every_ms, mark[r->mark]);
	if (r->error == 0)
		(void)fputs("null}", out);
	else {
		put_string(out, sst_watch_why(r->error));
		(void)fputc('}', out);
	}
}

/* It has no watch; one that is to have one waits for memory. */
static void
put_static(FILE *out, const struct sst_source *s)
{
	(void)fputs("{\"path\":", out);
	put_string(out, s->path);
	(void)fputs(",\"rule\":\"static\",\"watched\":0,\"swept\":0,\"every_ms\":0,"
	    "\"mark\":null,\"why\":", out);
	put_string(out, s->why != NULL ? s->why : strerror(ENOMEM));
	(void)fputc('}', out);
}

static void
put_watches(const struct sst_keeper *k, FILE *out)
{
	struct sst_place place = { 0 };
	const struct sst_source *s;
	struct sst_watch_rule rule;
	size_t n = 0, more = 0;

	(void)fputs("{\"schema\":1,\"watches\":[", out);
	while ((s = (const struct sst_source *)sst_table_next(&k->sources.table,
	    &place)) != NULL) {
		if (s->path[0] == '\0')
			continue;	/* bytes */
		if (n == LISTED_MAX) {
			more++;
			continue;
		}
		if (n++ > 0)
			(void)fputc(',', out);
		if (s->watched && sst_watch_rule(k->watch, s->node.key, &rule))
			put_rule(out, &rule);
		else
			put_static(out, s);
	}
	(void)fprintf(out, "],\"more\":%zu}\n", more);
}

/* How many sources are read again for it; then that is an event of the relay's. */
static unsigned
nudge(struct sst_keeper *k, const char *path)
{
	const unsigned told = sst_watch_nudge(k->watch, path, sst_clock_ms());
	char shown[300], text[400];
	struct sst_wire_head head;

	sst_wire_init(&head, SST_CHAN_SAY);
	head.a = SST_SAY_DEPLOYED;
	(void)snprintf(text, sizeof(text), "%s: it is read again at once",
	    sst_escape(shown, sizeof(shown), path, strlen(path)));
	if (told > 0 && k->channel.fd >= 0)
		(void)sst_channel_send(k, &head, text, strlen(text) + 1, NULL, 0);
	return told;
}

/* Sends the answer; what the socket does not take at once is cut. */
static void
answer(struct sst_keeper *k, int fd, const char *nudged)
{
	const int room = ANSWER_ROOM;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return;
	sst_sources_watch_all(&k->sources, sst_clock_ms());
	if (nudged == NULL)
		put_watches(k, out);
	else
		(void)fprintf(out, "{\"schema\":1,\"told\":%u}\n", nudge(k, nudged));
	if (fclose(out) == 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
		(void)send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	free(text);
}

/* Without a relay there is nothing more to tell: end of file. */
static void
act(struct sst_keeper *k, struct sst_asker *a)
{
	static const char word[] = "nudge ";
	struct sst_wire_head head;

	a->line[a->len] = '\0';
	a->line[strcspn(a->line, "\n")] = '\0';
	if (strncmp(a->line, word, sizeof(word) - 1) == 0)
		answer(k, a->ev.fd, a->line + sizeof(word) - 1);
	else if (strcmp(a->line, "watches") == 0)
		answer(k, a->ev.fd, NULL);
	else if (k->ready) {
		sst_wire_init(&head, SST_CHAN_STATUS);
		(void)sst_channel_send(k, &head, a->line, strlen(a->line) + 1,
		    &a->ev.fd, 1);
	}
	asker_end(k, a);
}

static void
asker_ready(struct sst_keeper *k, struct sst_event *ev, uint32_t events)
{
	struct sst_asker *a = (struct sst_asker *)ev;
	const size_t room = sizeof(a->line) - 1 - a->len;
	ssize_t n = recv(ev->fd, a->line + a->len, room, MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		a->len += (size_t)n;
	/* a whole line, or all that there is of one */
	if (n == 0 || (n > 0 && memchr(a->line, '\n', a->len) != NULL))
		act(k, a);
	else if (n < 0 || a->len == sizeof(a->line) - 1)
		asker_end(k, a);
}

void
sst_status_ready(struct sst_keeper *k, struct sst_event *ev, uint32_t events)
{
	int fd = sst_door_next(k, ev->fd);
	struct sst_asker *a;

	(void)events;
	if (fd < 0)
		return;
	if (k->n_askers >= ASKERS_MAX)
		asker_end(k, k->askers);
	a = sst_status_may_ask(fd) ? calloc(1, sizeof(*a)) : NULL;
	if (a == NULL || sst_keeper_add(k, &a->ev, fd, asker_ready) != 0) {
		(void)close(fd);
		free(a);
		return;
	}
	a->deadline = sst_clock_ms() + ASK_MS;
	*k->askers_end = a;
	k->askers_end = &a->next;
	k->n_askers++;
}

void
sst_status_expire(struct sst_keeper *k, int64_t now)
{
	while (k->askers != NULL && k->askers->deadline <= now) {
		if (k->askers->len == 0)
			act(k, k->askers);
		else
			asker_end(k, k->askers);
	}
}
