/* SPDX-License-Identifier: ISC */
#include "state.h"

#include "judge.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALLS_MAX	64
#define WAITING_MAX	256	/* messages for a relay that is not there */

static void
call_end(struct sst_keeper *k, struct sst_call *c)
{
	struct sst_call **link;

	for (link = &k->calls; *link != NULL; link = &(*link)->next)
		if (*link == c) {
			*link = c->next;
			k->n_calls--;
			break;
		}
	if (c->next == NULL)
		k->calls_end = link;
	sst_keeper_close(k, &c->ev);
	free(c);
}

static void
refuse(int conn, int error, const char *text)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_REPLY);
	head.a = -1;
	head.b = error;
	(void)sst_wire_send(conn, &head, text, strlen(text) + 1, NULL, 0);
}

static void
ping(const struct sst_keeper *k, int conn)
{
	struct sst_wire_head head;
	struct sst_wire_hello hello;

	sst_wire_init(&head, SST_WIRE_REPLY);
	sst_keeper_hello(k, &hello);
	(void)sst_wire_send(conn, &head, &hello, sizeof(hello), NULL, 0);
}

/* The path of a FILE message: its length, or -1 with errno. */
static long
path_of(const char *data, size_t len)
{
	if (len == 0)
		return 0;
	if (memchr(data, '\0', len) != data + len - 1) {
		errno = EINVAL;
		return -1;
	}
	if (len > PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return (long)len - 1;
}

/* Makes the source and hands the call to the relay, which answers it. */
static int
forward_file(struct sst_keeper *k, int conn, const struct sst_wire_head *call,
    const char *data, const int fds[2])
{
	char path[PATH_MAX], why[SST_WHY_MAX], text[PATH_MAX + SST_WHY_MAX];
	const int pass[3] = { conn, fds[0], fds[1] };
	struct sst_wire_head head;
	struct sst_source *s;
	int watched, error;
	size_t n;

	(void)strcpy(path, data);
	watched = sst_judge_file(conn, fds[1], path, sizeof(path), why);
	s = sst_source_add(&k->sources, path, watched ? NULL : why, fds[1],
	    sst_clock_ms());
	if (s == NULL)
		return -1;
	s->level = call->a;
	s->option = call->b;
	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = s->node.key;
	head.a = s->level;
	head.b = s->option;
	head.c = watched;
	n = sst_source_text(s, text, sizeof(text));
	if (sst_channel_send(k, &head, text, n, pass, 3) == 0)
		return 0;
	error = errno;
	sst_source_drop(&k->sources, s->node.key);
	errno = error;
	return -1;
}

static void
take_file(struct sst_keeper *k, int conn, const struct sst_wire_head *call,
    size_t len, const int fds[2])
{
	if (fds[0] < 0 || fds[1] < 0) {
		refuse(conn, EINVAL, "the message needs a socket and a file");
		return;
	}
	if (path_of(k->data, len) < 0) {
		refuse(conn, errno, "the path is longer than 4095 bytes or "
		    "contains a NUL byte");
		return;
	}
	if (len == 0)
		k->data[0] = '\0';
	if (k->waiting.n >= WAITING_MAX) {
		refuse(conn, EAGAIN, "the relay is starting again and too many "
		    "calls wait for it");
		return;
	}
	if (forward_file(k, conn, call, k->data, fds) != 0)
		refuse(conn, errno == EAGAIN ? EAGAIN : ENOBUFS,
		    "too many files at once, or no memory for one more");
}

static void
call_ready(struct sst_keeper *k, struct sst_event *ev, uint32_t events)
{
	struct sst_wire_head head;
	int fds[2];
	long n;

	(void)events;
	n = sst_wire_recv(ev->fd, &head, k->data, sizeof(k->data), fds, 2);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0 && errno == EPROTO)
		refuse(ev->fd, EPROTO, "the keeper speaks version 1 of the control "
		    "messages: restart the program with one release of the library");
	else if (n >= 0 && head.verb == SST_WIRE_PING)
		ping(k, ev->fd);
	else if (n >= 0 && head.verb == SST_WIRE_FILE)
		take_file(k, ev->fd, &head, (size_t)n, fds);
	else if (n >= 0)
		refuse(ev->fd, ENOSYS, "not a call for the keeper");
	for (int i = 0; n >= 0 && i < 2; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	call_end(k, (struct sst_call *)ev);
}

/* A connection that waits, or -1. Without a free descriptor the oldest call
 * ends, or the new one is refused: else epoll would report it for ever. */
int
sst_door_next(struct sst_keeper *k, int door)
{
	const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
	int fd = accept4(door, NULL, NULL, flags);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
		return fd;
	if (k->calls != NULL) {
		call_end(k, k->calls);
		return accept4(door, NULL, NULL, flags);
	}
	(void)close(k->spare);
	fd = accept4(door, NULL, NULL, flags);
	if (fd >= 0)
		(void)close(fd);
	k->spare = sst_keeper_spare();
	return -1;
}

void
sst_door_ready(struct sst_keeper *k, struct sst_event *ev, uint32_t events)
{
	struct sst_call *c;
	int fd;

	(void)events;
	fd = sst_door_next(k, ev->fd);
	if (fd < 0)
		return;
	/* Who says nothing makes room for who comes. */
	if (k->n_calls >= CALLS_MAX)
		call_end(k, k->calls);
	c = calloc(1, sizeof(*c));
	if (c == NULL || sst_keeper_add(k, &c->ev, fd, call_ready) != 0) {
		(void)close(fd);
		free(c);
		return;
	}
	c->deadline = sst_clock_ms() + SST_WIRE_TIMEOUT_MS;
	*k->calls_end = c;
	k->calls_end = &c->next;
	k->n_calls++;
}

void
sst_door_expire(struct sst_keeper *k, int64_t now)
{
	while (k->calls != NULL && k->calls->deadline <= now)
		call_end(k, k->calls);
}
