/* SPDX-License-Identifier: ISC */
#include "served.h"

#include <limits.h>
#include <poll.h>

#include "base/below.h"
#include "certs.h"
#include "certstore/hot.h"
#include "certstore/links.h"
#include "certstore/store.h"
#include "core.h"
#include "listener.h"
#include "settings.h"

#define SERVED_MS	1000

/* Where a folder is. */
struct place {
	const char	*folder;
	uint32_t	 id;		/* 0: in no directory that is watched */
	char		 name[NAME_MAX + 1];
};

/* Names of one source, to be told together. */
struct bundle {
	uint32_t	 id;
	struct sst_below names;
};

static struct sst_store *
store_of(const struct sst_listener *l)
{
	const struct sst_settings *set = l->record->set;

	return set->certs == NULL ? NULL : sst_certs_store(set->certs);
}

static int
is_hot(const struct sst_listener *l)
{
	const struct sst_store *store = store_of(l);

	return store != NULL && sst_store_is_hot(store);
}

/* sst_certs_each() */
static int
find_source(void *arg, const struct sst_cert_source *s)
{
	struct place *p = arg;

	if (p->id == 0 && s->watched &&
	    sst_hot_name(s->path, p->folder, p->name, sizeof(p->name)))
		p->id = s->id;
	return 0;
}

static void
send_off(struct sst_relay *relay, struct bundle *b)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_CHAN_HOT);
	head.id = b->id;
	/* One that does not get through is told when it is decided about again. */
	if (b->names.len > 0)
		(void)sst_wire_send(relay->channel, &head, b->names.text, b->names.len,
		    NULL, 0);
	sst_below_done(&b->names);
}

/* At most so many names of this listener. Their number. */
static size_t
tell_of(struct sst_relay *relay, const struct sst_listener *l, size_t most)
{
	char folder[SST_PATH_SIZE];
	struct bundle b = { 0 };
	size_t n;

	for (n = 0; n < most && sst_store_hot(store_of(l), folder, sizeof(folder)); n++) {
		struct place p = { .folder = folder };

		(void)sst_certs_each(l->record->set->certs, find_source, &p);
		if (p.id == 0)
			continue;
		if (p.id != b.id)
			send_off(relay, &b);
		b.id = p.id;
		sst_below_add(&b.names, p.name);
	}
	send_off(relay, &b);
	return n;
}

/* Room for all that is told in a second: a keeper that a file system holds up reads
 * nothing, and nobody here waits for it. */
static int
is_heard(const struct sst_relay *relay)
{
	struct pollfd p = { .fd = relay->channel, .events = POLLOUT };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

static void
tell(struct sst_timer *t)
{
	struct sst_relay *relay = SST_HOLDER(t, struct sst_relay, served_timer);
	size_t n = 0, left = is_heard(relay) ? SST_HOT_MOST : 0, each;

	relay->served_at = relay->loop.now;
	for (const struct sst_listener *l = relay->listeners; l != NULL; l = l->next)
		n += is_hot(l);
	each = n < left && n > 0 ? left / n : 1;
	for (const struct sst_listener *l = relay->listeners; l != NULL && left > 0;
	    l = l->next)
		if (is_hot(l))
			left -= tell_of(relay, l, each);
	for (const struct sst_listener *l = relay->listeners; l != NULL; l = l->next)
		sst_served_look(l);
}

void
sst_served_look(const struct sst_listener *l)
{
	struct sst_relay *relay = l->record->relay;

	if (is_hot(l) && relay->served_timer.at_me == NULL)
		sst_loop_arm(&relay->loop, &relay->served_timer, relay->served_at == 0 ?
		    0 : relay->served_at + SERVED_MS, tell);
}
