/* SPDX-License-Identifier: ISC */
#include "door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control.h"
#include "core.h"

#define PAUSE_MS	50
#define SETTLE_MOST	16	/* looks, while more callers come */

static void
door_listens(struct sst_relay *relay, int yes)
{
	if (relay->door_watch.ready == NULL)
		return;
	(void)sst_loop_change(&relay->loop, &relay->door_watch, yes ? EPOLLIN : 0);
}

static void
read_is_over(struct sst_call *call)
{
	struct sst_relay *relay = call->relay;

	if (call->silent_at == NULL)
		return;
	*call->silent_at = call->silent_next;
	if (call->silent_next != NULL)
		call->silent_next->silent_at = call->silent_at;
	else
		relay->silent_end = call->silent_at;
	call->silent_at = NULL;
	relay->n_silent--;
}

/* The call owes us its request; it is the newest of them. */
static void
read_is_due(struct sst_call *call)
{
	struct sst_relay *relay = call->relay;

	call->silent_next = NULL;
	call->silent_at = relay->silent_end;
	*relay->silent_end = call;
	relay->silent_end = &call->silent_next;
	relay->n_silent++;
}

static void
call_free(struct sst_call *call)
{
	struct sst_relay *relay = call->relay;

	read_is_over(call);
	sst_order_cancel(&call->order);
	*call->at_me = call->next;
	if (call->next != NULL)
		call->next->at_me = call->at_me;
	sst_loop_disarm(&relay->loop, &call->timer);
	if (call->passed)
		sst_loop_del(&relay->loop, &call->watch);
	sst_loop_forget(&call->watch);
	(void)close(call->fd);
	for (int i = 0; i < SST_CALL_FDS; i++)
		if (call->fds[i] >= 0)
			(void)close(call->fds[i]);
	if (call->data != NULL)
		explicit_bzero(call->data, call->len);
	free(call->data);
	sst_loop_free(&relay->loop, &call->object);
}

static struct sst_call *
call_alloc(struct sst_relay *relay, int fd)
{
	struct sst_call *call = calloc(1, sizeof(*call));

	if (call == NULL)
		return NULL;
	call->relay = relay;
	call->fd = fd;
	call->fds[0] = call->fds[1] = -1;
	call->next = relay->calls;
	call->at_me = &relay->calls;
	if (call->next != NULL)
		call->next->at_me = &call->next;
	relay->calls = call;
	return call;
}

static int
call_data(struct sst_call *call, const void *data, size_t len)
{
	call->data = malloc(len + 1);
	if (call->data == NULL)
		return -1;
	if (len > 0)
		memcpy(call->data, data, len);
	call->data[len] = '\0';
	call->len = len;
	return 0;
}

struct sst_call *
sst_call_new(struct sst_relay *relay, int fd, const struct sst_wire_head *head,
    const void *data, size_t len, const int fds[SST_CALL_FDS])
{
	struct sst_call *call = call_alloc(relay, fd);

	if (call == NULL) {
		(void)close(fd);
		for (int i = 0; i < SST_CALL_FDS; i++)
			if (fds[i] >= 0)
				(void)close(fds[i]);
		return NULL;
	}
	call->passed = 1;
	call->head = *head;
	memcpy(call->fds, fds, sizeof(call->fds));
	if (call_data(call, data, len) < 0) {
		sst_call_fail(call, ENOMEM, NULL);
		return NULL;
	}
	return call;
}

static void
answer(struct sst_call *call, int a, int b, const void *data, size_t len, int fd)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_REPLY);
	head.id = call->head.id;
	head.a = a;
	head.b = b;
	/* A caller that is gone needs no answer. */
	(void)sst_wire_send(call->fd, &head, data, len, &fd, fd >= 0 ? 1 : 0);
	call_free(call);
}

void
sst_call_answer(struct sst_call *call, int a, const void *data, size_t len, int fd)
{
	answer(call, a, 0, data, len, fd);
}

void
sst_call_drop(struct sst_call *call)
{
	call_free(call);
}

void
sst_call_fail(struct sst_call *call, int code, const char *text)
{
	size_t len = text == NULL || text[0] == '\0' ? 0 : strlen(text) + 1;

	answer(call, -1, code, text, len, -1);
}

/* The caller hung up or gave up, or speaks out of turn. */
static void
hung_up(struct sst_watch *w, uint32_t events)
{
	struct sst_call *call = SST_HOLDER(w, struct sst_call, watch);
	void (*gone)(struct sst_call *) = call->gone;

	if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) {
		(void)sst_loop_change(&call->relay->loop, w, EPOLLRDHUP);
		return;
	}
	sst_loop_del(&call->relay->loop, w);
	call->gone = NULL;
	if (gone != NULL)
		gone(call);
}

void
sst_call_wait(struct sst_call *call, void (*gone)(struct sst_call *), void *owner)
{
	call->gone = gone;
	call->owner = owner;
	/* Since it owed us its request, or it had hung up before it was acted on. */
	if (call->watch.ready == NULL)
		(void)sst_loop_add(&call->relay->loop, &call->watch, call->fd,
		    EPOLLRDHUP, hung_up);
}

static void
too_late(struct sst_timer *t)
{
	call_free(SST_HOLDER(t, struct sst_call, timer));
}

static long
receive(struct sst_call *call)
{
	return sst_wire_recv(call->fd, &call->head, call->relay->scratch,
	    SST_WIRE_DATA_MAX, call->fds, SST_CALL_FDS);
}

/* A new socket and what is set for one depend on nothing that happened before. */
static int
heeds_events(const struct sst_call *call)
{
	return call->head.verb != SST_WIRE_NEW && call->head.verb != SST_WIRE_SET;
}

/* 0: the request is not there yet. `told`: by the loop's last batch. */
static int
read_request(struct sst_call *call, int told)
{
	struct sst_relay *relay = call->relay;
	struct sst_call **end;
	long n = receive(call);
	int code;

	/* A request that comes with the end of its connection in this very moment
	 * is taken for the end. */
	if (n < 0 && errno == ECONNRESET)
		n = receive(call);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (call->watch.ready != NULL)
		call->watch.ready = hung_up;
	sst_loop_disarm(&relay->loop, &call->timer);
	read_is_over(call);
	if (n < 0) {
		sst_call_fail(call, errno == EPROTO ? EPROTO : EIO,
		    errno == EPROTO ? "the library in the program and the helper "
		    "processes are of different versions: restart the program" :
		    "the request could not be read");
		return 1;
	}
	code = call_data(call, relay->scratch, (size_t)n);
	explicit_bzero(relay->scratch, (size_t)n);	/* it may be a secret */
	if (code < 0) {
		sst_call_fail(call, ENOMEM, NULL);
		return 1;
	}
	for (end = &relay->asked; *end != NULL; end = &(*end)->asked_next)
		continue;
	*end = call;
	relay->behind |= !told && heeds_events(call);
	return 1;
}

static void
caller_ready(struct sst_watch *w, uint32_t events)
{
	struct sst_call *call = SST_HOLDER(w, struct sst_call, watch);

	(void)events;
	/* That batch has what happened before as well, if it has all. */
	(void)read_request(call, !call->relay->loop.partial);
}

static void
dispatch_asked(void *arg)
{
	struct sst_relay *relay = arg;
	struct sst_call *call;

	if (relay->asked == NULL)
		return;
	/* What happened before the request was sent is in epoll by now. */
	for (int i = 0; relay->behind && i < SETTLE_MOST; i++) {
		relay->behind = 0;
		(void)sst_loop_poll(&relay->loop, 0);
	}
	while ((call = relay->asked) != NULL) {
		relay->asked = call->asked_next;
		call->asked_next = NULL;
		sst_control(call);
	}
}

static void
pause_is_over(struct sst_timer *t)
{
	door_listens(SST_HOLDER(t, struct sst_relay, door_pause), 1);
}

/* The call owes us its request. A stranger can knock and say nothing as often as
 * it likes: the longest silence makes room. Who came a turn ago and spoke at once
 * was read before this. */
static void
await_request(struct sst_call *call)
{
	struct sst_relay *relay = call->relay;

	if (relay->n_silent >= SST_DOOR_UNREAD)
		call_free(relay->silent);
	read_is_due(call);
	if (sst_loop_add(&relay->loop, &call->watch, call->fd, EPOLLIN | EPOLLRDHUP,
	    caller_ready) < 0) {
		call_free(call);
		return;
	}
	sst_loop_arm(&relay->loop, &call->timer,
	    relay->loop.now + SST_WIRE_TIMEOUT_MS, too_late);
}

/* One caller: the next is another event. Most speak at once. */
static void
take_call(struct sst_watch *w, uint32_t events)
{
	struct sst_relay *relay = SST_HOLDER(w, struct sst_relay, door_watch);
	struct sst_call *call;
	int fd = accept4(relay->door_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0 && errno != EINTR && errno != ECONNABORTED && errno != EAGAIN) {
		door_listens(relay, 0);
		sst_loop_arm(&relay->loop, &relay->door_pause,
		    relay->loop.now + PAUSE_MS, pause_is_over);
	}
	if (fd < 0)
		return;
	call = call_alloc(relay, fd);
	if (call == NULL)
		(void)close(fd);
	else if (!read_request(call, 0))
		await_request(call);
}

int
sst_door_open(struct sst_relay *relay)
{
	relay->silent_end = &relay->silent;
	relay->loop.after = dispatch_asked;
	relay->loop.after_arg = relay;
	return sst_loop_add(&relay->loop, &relay->door_watch, relay->door_fd, EPOLLIN,
	    take_call);
}

void
sst_door_shut(struct sst_relay *relay)
{
	sst_loop_del(&relay->loop, &relay->door_watch);
	sst_loop_disarm(&relay->loop, &relay->door_pause);
	if (relay->door_fd >= 0)
		(void)close(relay->door_fd);
	relay->door_fd = -1;
	relay->door_shut = 1;
}

void
sst_door_close(struct sst_relay *relay)
{
	sst_loop_del(&relay->loop, &relay->door_watch);
	sst_loop_disarm(&relay->loop, &relay->door_pause);
	relay->asked = NULL;
	while (relay->calls != NULL)
		call_free(relay->calls);
}
