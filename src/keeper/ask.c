/* SPDX-License-Identifier: ISC */
/* ask - what somebody wants at the status door: one line, for the relay to answer. */
#include "state.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASKERS_MAX	16
#define ASK_MS		1000	/* who says nothing in that time wants the status */

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

/* Hands it to the relay. Without one there is nothing to tell: end of file. */
static void
pass_on(struct sst_keeper *k, struct sst_asker *a)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_CHAN_STATUS);
	a->line[a->len] = '\0';
	a->line[strcspn(a->line, "\n")] = '\0';
	if (k->ready)
		(void)sst_channel_send(k, &head, a->line, strlen(a->line) + 1,
		    &a->ev.fd, 1);
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
		pass_on(k, a);
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
			pass_on(k, k->askers);
		else
			asker_end(k, k->askers);
	}
}
