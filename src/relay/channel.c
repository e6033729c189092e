/* SPDX-License-Identifier: ISC */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "core.h"
#include "door.h"
#include "hold.h"
#include "status.h"
#include "supply.h"
#include "tell.h"

#define FDS		3
#define START_MS	10000

/* The shim's connection, its descriptor and the file become a call. */
static void
take_file(struct sst_relay *relay, const struct sst_wire_head *head, size_t len,
    int fds[FDS])
{
	const int call_fds[SST_CALL_FDS] = { fds[1], fds[2] };
	struct sst_wire_head drop;
	struct sst_call *call;

	if (fds[0] < 0 || fds[1] < 0 || fds[2] < 0)
		return;
	call = sst_call_new(relay, fds[0], head, relay->scratch, len, call_fds);
	fds[0] = fds[1] = fds[2] = -1;
	if (call != NULL) {
		sst_supply_file(call);
		return;
	}
	sst_wire_init(&drop, SST_CHAN_DROP);
	drop.id = head->id;
	(void)sst_wire_send(relay->channel, &drop, NULL, 0, NULL, 0);
}

/* What was asked at the status door: for the document, unless it says otherwise. A
 * question that nobody understands is hung up on. */
static void
take_question(struct sst_relay *relay, size_t len, int fd)
{
	const char *question = (const char *)relay->scratch;

	relay->scratch[len] = '\0';
	if (fd < 0)
		return;
	if (question[0] == '\0' || strcmp(question, "status") == 0)
		sst_status_write(relay, fd);
	else if (sst_tell_events(relay, fd, question) < 0)
		(void)close(fd);
}

/* 1: that was RESTORED. */
static int
act(struct sst_relay *relay, const struct sst_wire_head *head, size_t len,
    int fds[FDS])
{
	switch (head->verb) {
	case SST_CHAN_FILE:
		take_file(relay, head, len, fds);
		break;
	case SST_CHAN_RESTORE_SOURCE:
		relay->scratch[len] = '\0';
		sst_hold_source(relay, head, (const char *)relay->scratch, len, fds[0]);
		fds[0] = -1;
		break;
	case SST_CHAN_RESTORE:
		sst_hold_restore(relay, head, relay->scratch, len, fds);
		break;
	case SST_CHAN_RESTORED:
		sst_hold_restored(relay);
		return 1;
	case SST_CHAN_CHANGED:
		sst_supply_changed(relay, head->id, (const char *)relay->scratch, len);
		break;
	case SST_CHAN_DRAIN:
		sst_core_drain(relay);
		break;
	case SST_CHAN_STATUS:
		take_question(relay, len, fds[0]);
		fds[0] = -1;
		break;
	case SST_CHAN_SAY:
		relay->scratch[len] = '\0';
		sst_log_event(&relay->log, head->a == SST_SAY_DEPLOYED ?
		    SST_LOG_DEPLOYED : SST_LOG_WATCH, sst_clock_ms(), "%s",
		    (const char *)relay->scratch);
		break;
	default:
		break;
	}
	return 0;
}

/* One message. 1: RESTORED, 0: another, -1: the keeper is gone. */
static int
take(struct sst_relay *relay)
{
	struct sst_wire_head head;
	int fds[FDS] = { -1, -1, -1 };
	int rc;
	long n;

	n = sst_wire_recv(relay->channel, &head, relay->scratch, SST_WIRE_DATA_MAX,
	    fds, FDS);
	if (n < 0)
		return errno == EPROTO || errno == EMSGSIZE || errno == EMFILE ||
		    errno == EAGAIN ? 0 : -1;
	rc = act(relay, &head, (size_t)n, fds);
	for (int i = 0; i < FDS; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return rc;
}

static void
ready(struct sst_watch *w, uint32_t events)
{
	struct sst_relay *relay = SST_HOLDER(w, struct sst_relay, channel_watch);

	(void)events;
	if (take(relay) >= 0)
		return;
	sst_loop_del(&relay->loop, w);
	/* Without a keeper there are no files, and no second relay. */
	sst_door_shut(relay);
	sst_supply_part(relay);
	sst_core_drain(relay);
}

static int
wait_readable(int fd, struct sst_error *err)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, START_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return sst_fail(err, SST_E_TIMEOUT, "the keeper says nothing");
	return SST_OK;
}

static int
take_start(struct sst_relay *relay, struct sst_error *err)
{
	struct sst_wire_start start;
	int rc = wait_readable(relay->channel, err);

	if (rc != SST_OK)
		return rc;
	if (recv(relay->channel, &start, sizeof(start), 0) != (ssize_t)sizeof(start) ||
	    start.magic != SST_WIRE_MAGIC || start.version != SST_WIRE_VERSION)
		return sst_fail(err, SST_E_MALFORMED, "not a keeper's first message");
	memcpy(relay->door, start.door, sizeof(relay->door));
	memcpy(relay->secret, start.secret, sizeof(relay->secret));
	memcpy(relay->program, start.program, sizeof(relay->program));
	relay->program[sizeof(relay->program) - 1] = '\0';
	relay->program_pid = start.program_pid;
	/* Nobody looks at the environment yet. */
	for (int i = 0; sst_wire_env[i] != NULL; i++) {
		start.env[i][SST_WIRE_ENV_SIZE - 1] = '\0';
		if (start.env[i][0] != '\0')
			(void)setenv(sst_wire_env[i], start.env[i], 1);
	}
	explicit_bzero(&start, sizeof(start));
	return SST_OK;
}

int
sst_channel_open(struct sst_relay *relay, struct sst_error *err)
{
	struct sst_wire_head head;
	int rc, taken = 0;

	/* The door's name comes with it, and the links need that. */
	rc = take_start(relay, err);
	if (rc != SST_OK)
		return rc;
	if (sst_link_init(&relay->link, relay->link.listening[0],
	    relay->link.listening[1], relay->door) < 0)
		return sst_fail_errno(err, errno, "links");
	while (taken == 0) {
		rc = wait_readable(relay->channel, err);
		if (rc != SST_OK)
			return rc;
		taken = take(relay);
	}
	if (taken < 0)
		return sst_fail(err, SST_E_PEER, "the keeper is gone");
	sst_wire_init(&head, SST_CHAN_READY);
	if (sst_wire_send(relay->channel, &head, NULL, 0, NULL, 0) < 0 ||
	    sst_loop_add(&relay->loop, &relay->channel_watch, relay->channel, EPOLLIN,
	    ready) < 0)
		return sst_fail_errno(err, errno, "channel");
	return SST_OK;
}

void
sst_channel_refuse(int channel, const struct sst_error *err)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_REPLY);
	head.a = -1;
	head.b = err->sys_errno != 0 ? err->sys_errno : EPROTO;
	(void)sst_wire_send(channel, &head, err->text, strlen(err->text) + 1, NULL, 0);
}
