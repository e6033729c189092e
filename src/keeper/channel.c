/* SPDX-License-Identifier: ISC */
#include "state.h"

#include "base/below.h"
#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define RETRY_MS	10	/* when descriptors in flight are at their limit */
#define GOODBYE_MS	5000
#define IDLE_MS		30000
#define BATCH		64	/* messages before others get their turn */
#define CHANGES_MAX	8	/* of one source, that wait */
#define BEFORE_ANSWER	65536	/* more than any relay has under way */

static void
relay_is_ready(struct sst_keeper *k)
{
	k->ready = 1;
	sst_keeper_answer(k, 0, NULL);
}

static void
set_idle(struct sst_keeper *k, int idle)
{
	const uint32_t ms = k->start.idle_ms == 0 ? IDLE_MS : k->start.idle_ms;

	if (!idle || ms == UINT32_MAX)
		k->idle_at = INT64_MAX;
	else if (k->idle_at == INT64_MAX)
		k->idle_at = sst_clock_ms() + ms;
}

static void
take_message(struct sst_keeper *k, const struct sst_wire_head *head, size_t len,
    int fds[SST_HELD_FDS])
{
	switch (head->verb) {
	case SST_CHAN_READY:
		relay_is_ready(k);
		break;
	case SST_CHAN_HOLD:
		/* Refused when memory or a limit says so: then that listener
		 * ends with this relay, and nothing else does. Its older state
		 * may lack what the program demanded since. */
		if (sst_held_put(&k->held, head->id, k->data, len, fds) != 0)
			sst_held_release(&k->held, head->id);
		break;
	case SST_CHAN_RELEASE:
		sst_held_release(&k->held, head->id);
		break;
	case SST_CHAN_TAKE:
		sst_source_take(&k->sources, head->id);
		break;
	case SST_CHAN_KEEP:
		sst_source_keep(&k->sources, head->id);
		break;
	case SST_CHAN_DROP:
		sst_source_drop(&k->sources, head->id);
		break;
	case SST_CHAN_IDLE:
		set_idle(k, head->a);
		break;
	case SST_CHAN_HOT:
		(void)sst_sources_hot(&k->sources, head->id, k->data, len,
		    sst_clock_ms());
		break;
	case SST_WIRE_REPLY:
		/* Before it is ready: why it never will be. */
		if (head->a < 0 && !k->ready && len > 0) {
			k->data[len - 1] = '\0';
			sst_keeper_answer(k, head->b, k->data);
		}
		break;
	default:
		break;
	}
}

void
sst_channel_take(struct sst_keeper *k, int most)
{
	struct sst_wire_head head;
	int fds[SST_HELD_FDS], resets = 0;
	long n;

	while (most-- > 0 && k->channel.fd >= 0) {
		n = sst_wire_recv(k->channel.fd, &head, k->data, sizeof(k->data),
		    fds, SST_HELD_FDS);
		if (n >= 0) {
			resets = 0;
			take_message(k, &head, (size_t)n, fds);
			for (int i = 0; i < SST_HELD_FDS; i++)
				if (fds[i] >= 0)
					(void)close(fds[i]);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EPROTO || errno == EMSGSIZE || errno == EMFILE)
			continue;
		/* A relay that ended with our messages unread shows as a reset,
		 * once, before its own last words: the end is the second. */
		if (errno == ECONNRESET && resets++ == 0)
			continue;
		/* It ends, or is no relay any more. */
		sst_keeper_close(k, &k->channel);
		k->to_relay.fd = -1;
		k->kill_at = sst_clock_ms() + GOODBYE_MS;
	}
}

void
sst_channel_ready(struct sst_keeper *k, struct sst_event *ev, uint32_t events)
{
	(void)ev;
	if ((events & EPOLLOUT) != 0)
		sst_channel_flush(k);
	sst_channel_take(k, BATCH);
}

int
sst_files_flush(struct sst_keeper *k)
{
	struct epoll_event e = { .data.ptr = &k->files };
	int rc;

	k->answer_at = INT64_MAX;
	if (k->files.fd < 0)
		return 0;
	rc = sst_queue_flush(&k->answers);
	/* Who asks waits for this answer, and may ask nothing more until it comes. */
	e.events = rc > 0 ? EPOLLIN : rc == 0 ? EPOLLOUT : 0;
	if (rc < 0)
		k->answer_at = sst_clock_ms() + RETRY_MS;
	(void)epoll_ctl(k->epoll, EPOLL_CTL_MOD, k->files.fd, &e);
	return rc > 0;
}

static void
answer(struct sst_keeper *k, struct sst_wire_head *head, const void *data, size_t len,
    const int *fds, size_t n_fds)
{
	if (sst_queue_send(&k->answers, head, data, len, fds, n_fds) != 0) {
		/* No duplicates of them can be kept: an answer is owed all the same. */
		head->a = -1;
		head->b = errno;
		(void)sst_queue_send(&k->answers, head, NULL, 0, NULL, 0);
	}
	if (k->answers.n > 0)
		(void)sst_files_flush(k);
}

static void
end_answers(struct sst_keeper *k)
{
	sst_keeper_close(k, &k->files);
	k->answers.fd = -1;
}

void
sst_files_ready(struct sst_keeper *k, struct sst_event *ev, uint32_t events)
{
	struct sst_wire_head question, head;
	char out[SST_OPEN_DATA_MAX];
	int fds[SST_WIRE_FDS];
	size_t len, n_fds;
	long n;

	/* What the relay said before it asked counts first. */
	sst_channel_take(k, BEFORE_ANSWER);
	/* One question, one answer: the next is read when the last is out. */
	if (k->answers.n > 0 && !sst_files_flush(k)) {
		if ((events & EPOLLHUP) != 0)
			end_answers(k);
		return;
	}
	n = sst_wire_recv(ev->fd, &question, k->data, sizeof(k->data), NULL, 0);
	if (n < 0) {
		if (errno == ECONNRESET)
			end_answers(k);
		return;
	}
	len = sst_sources_answer(&k->sources, &question, k->data, (size_t)n,
	    sst_clock_ms(), &head, out, sizeof(out), fds, &n_fds);
	answer(k, &head, out, len, fds, n_fds);
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
}

void
sst_channel_flush(struct sst_keeper *k)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = &k->channel };
	int rc;

	if (k->channel.fd < 0)
		return;
	rc = sst_queue_flush(&k->to_relay);
	if (rc == 0)
		e.events |= EPOLLOUT;
	k->flush_at = rc < 0 ? sst_clock_ms() + RETRY_MS : INT64_MAX;
	(void)epoll_ctl(k->epoll, EPOLL_CTL_MOD, k->channel.fd, &e);
}

int
sst_channel_send(struct sst_keeper *k, struct sst_wire_head *head, const void *data,
    size_t len, const int *fds, size_t n_fds)
{
	int rc;

	if (k->channel.fd < 0)
		return sst_queue_send(&k->waiting, head, data, len, fds, n_fds);
	rc = sst_queue_send(&k->to_relay, head, data, len, fds, n_fds);
	if (k->to_relay.n > 0)
		sst_channel_flush(k);
	return rc;
}

void
sst_channel_changed(void *keeper, uint32_t id, const struct sst_below *below)
{
	struct sst_keeper *k = keeper;
	struct sst_wire_head head;
	size_t n;
	int all;

	/* A relay that starts reads everything anew. */
	if (k->channel.fd < 0)
		return;
	n = sst_queue_count(&k->to_relay, SST_CHAN_CHANGED, id, &all);
	if (all)
		return;
	sst_wire_init(&head, SST_CHAN_CHANGED);
	head.id = id;
	/* For a relay that does not keep up all of it is as good as each. */
	(void)sst_channel_send(k, &head, below->text,
	    n < CHANGES_MAX ? below->len : 0, NULL, 0);
}

void
sst_channel_say(void *keeper, const char *text)
{
	struct sst_keeper *k = keeper;
	struct sst_wire_head head;

	if (k->channel.fd < 0)
		return;
	sst_wire_init(&head, SST_CHAN_SAY);
	(void)sst_channel_send(k, &head, text, strlen(text) + 1, NULL, 0);
}
