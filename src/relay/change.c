/* SPDX-License-Identifier: ISC */
#include "change.h"

#include <stdlib.h>

#include <securesockets/certstore.h>

#include "base/clock.h"
#include "certstore/store.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "hold.h"
#include "listener.h"
#include "settings.h"

#define POLL_MS		5	/* while a staple is waited for */

void
sst_change_tell(struct sst_relay *relay, uint16_t verb, uint32_t id)
{
	struct sst_wire_head head;

	sst_wire_init(&head, verb);
	head.id = id;
	(void)sst_wire_send(relay->channel, &head, NULL, 0, NULL, 0);
}

static void
drop_old(struct sst_relay *relay, struct sst_certs *certs)
{
	uint32_t id;

	while ((id = sst_certs_dropped(certs)) != 0)
		sst_change_tell(relay, SST_CHAN_DROP, id);
}

void
sst_change_free(struct sst_change *c)
{
	sst_loop_disarm(&c->relay->loop, &c->timer);
	sst_loop_disarm(&c->relay->loop, &c->poll);
	sst_await_done(&c->await);
	sst_names_clear(&c->names);
	sst_cert_source_free(c->source);
	sst_certs_unref(c->certs);
	sst_below_done(&c->below);
	free(c->what);
	free(c);
}

static struct sst_record *
record_of(const struct sst_change *c)
{
	return c->cookie == 0 ? NULL : sst_record_find(c->relay, c->cookie);
}

static void
reply(struct sst_change *c)
{
	struct sst_record *r = record_of(c);
	struct sst_call *call = c->call;

	c->call = NULL;
	if (call == NULL)
		return;
	if (c->rc == SST_OK) {
		sst_call_answer(call, 0, NULL, 0, -1);
		return;
	}
	if (r != NULL)
		sst_record_say(r, c->err.text);
	sst_call_fail(call, sst_fault_call(&c->err), c->err.text);
}

static void
load_work(struct sst_change *c)
{
	struct sst_cert_source *source = c->source;

	if (source != NULL) {
		c->source = NULL;
		c->entered = source;
		c->rc = sst_certs_enter(c->certs, source, &c->names, &c->err);
	}
	if (c->rc == SST_OK)
		c->rc = sst_certs_load(c->certs, c->entered, &c->err);
}

static void
work(struct sst_job *job)
{
	struct sst_change *c = SST_HOLDER(job, struct sst_change, job);

	sst_await_begin(c->certs, c->late, &c->await);
	switch (c->kind) {
	case SST_CHANGE_LOAD:
		load_work(c);
		break;
	case SST_CHANGE_REMOVE:
		c->rc = sst_certs_remove(c->certs, c->what, &c->err);
		break;
	case SST_CHANGE_RESCAN:
		sst_certs_rescan(c->certs, c->id, &c->below);
		break;
	case SST_CHANGE_RETRY:
		sst_certs_retry(c->certs);
		break;
	case SST_CHANGE_BEGIN:
		break;
	}
	(void)sst_await_end(&c->await);
	c->due = sst_certs_retry_due(c->certs);
}

/* What reads a whole directory may be at it for minutes. */
static int
takes_long(const struct sst_change *c)
{
	switch (c->kind) {
	case SST_CHANGE_LOAD:
		return c->is_dir;
	case SST_CHANGE_RESCAN:
		return c->below.all && sst_certs_has_dir(c->certs, c->id);
	case SST_CHANGE_RETRY:
		return 1;
	default:
		return 0;
	}
}

static void
to_loader(struct sst_change *c)
{
	c->job.is_long = takes_long(c);
	sst_loader_submit(&c->relay->loader, &c->job);
}

/* The next change of the same store. */
static void
go_on(struct sst_lane *lane)
{
	struct sst_job *next = lane->first;

	lane->busy = next != NULL;
	if (next == NULL)
		return;
	lane->first = next->next;
	to_loader(SST_HOLDER(next, struct sst_change, job));
}

/* The staples are there, or nobody has the store any more, or they are not waited for
 * longer. */
static void
poll(struct sst_timer *t)
{
	struct sst_change *c = SST_HOLDER(t, struct sst_change, poll);
	struct sst_loop *loop = &c->relay->loop;

	c->late = loop->now >= c->until || sst_certs_is_left(c->certs);
	if (!c->late && !sst_await_over(&c->await)) {
		sst_loop_arm(loop, &c->poll, loop->now + POLL_MS, poll);
		return;
	}
	sst_await_done(&c->await);
	to_loader(c);
}

/* Of what is read again as a rule nothing has changed; a keeper that a file system holds
 * up must not be told so again and again, for it reads nothing. */
static int
is_another(const struct sst_change *c)
{
	return (c->kind != SST_CHANGE_RESCAN && c->kind != SST_CHANGE_RETRY) ||
	    sst_store_generation(sst_certs_store(c->certs)) != c->before;
}

/* The keeper has the listener as it is now; also after a rescan: its generation is
 * another. */
static void
hold_again(struct sst_change *c)
{
	struct sst_record *r = record_of(c);

	if (r != NULL && r->listener != NULL && r->state == SST_REC_LISTENING)
		sst_hold_send(r->listener);
	for (size_t i = 0; c->cookie == 0 && i < SST_TABLE_BUCKETS; i++)
		for (r = c->relay->table.buckets[i]; r != NULL; r = r->next)
			if (r->listener != NULL && r->state == SST_REC_LISTENING &&
			    r->set->certs == c->certs)
				sst_hold_send(r->listener);
}

static void
done(struct sst_job *job)
{
	struct sst_change *c = SST_HOLDER(job, struct sst_change, job);
	struct sst_record *r = record_of(c);

	if (c->await.n > 0) {
		if (c->until == 0)
			c->until = c->relay->loop.now + c->await.ms;
		poll(&c->poll);
		return;
	}
	if (c->kind == SST_CHANGE_LOAD && !c->again)
		sst_change_tell(c->relay, c->rc == SST_OK ? SST_CHAN_KEEP : SST_CHAN_DROP,
		    c->id);
	drop_old(c->relay, c->certs);
	if (c->rc == SST_OK && sst_certs_is_unread(c->certs, c->id))
		sst_change_read_later(c);
	if (!sst_certs_is_left(c->certs))
		sst_change_retry_later(c->relay, c->certs, c->due);
	if (r != NULL)
		r->n_jobs--;
	if (c->kind == SST_CHANGE_BEGIN && r != NULL && r->listener != NULL &&
	    r->state == SST_REC_LISTENING)
		(void)sst_listener_begin(r->listener);
	if (c->rc == SST_OK && !c->again && is_another(c))
		hold_again(c);
	if (c->rc != SST_OK && c->call == NULL)
		sst_log_event(&c->relay->log, SST_LOG_CERT_REFUSED, sst_clock_ms(),
		    "%s", c->err.text);
	reply(c);
	go_on(sst_certs_lane(c->certs));
	sst_change_free(c);
}

void
sst_change_promise(struct sst_change *c)
{
	sst_change_tell(c->relay, SST_CHAN_KEEP, c->id);
	hold_again(c);
}

struct sst_change *
sst_change_new(struct sst_relay *relay, struct sst_certs *certs,
    const struct sst_record *r, enum sst_change_kind kind)
{
	struct sst_change *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->job.work = work;
	c->job.done = done;
	c->relay = relay;
	c->kind = kind;
	c->cookie = r != NULL ? r->cookie : 0;
	c->certs = sst_certs_ref(certs);
	c->before = sst_store_generation(sst_certs_store(certs));
	return c;
}

void
sst_change_submit(struct sst_change *c)
{
	struct sst_lane *lane = sst_certs_lane(c->certs);
	struct sst_record *r = record_of(c);

	/* it may wait for those before it, and be read for minutes */
	if (c->kind == SST_CHANGE_LOAD && !c->again)
		sst_change_tell(c->relay, SST_CHAN_TAKE, c->id);
	if (r != NULL)
		r->n_jobs++;
	else
		c->cookie = 0;
	if (!lane->busy) {
		lane->busy = 1;
		to_loader(c);
		return;
	}
	if (lane->first == NULL)
		lane->end = &lane->first;
	c->job.next = NULL;
	*lane->end = &c->job;
	lane->end = &c->job.next;
}

struct sst_change *
sst_change_waiting(struct sst_certs *certs, uint32_t id)
{
	const struct sst_lane *lane = sst_certs_lane(certs);
	struct sst_job *at;
	struct sst_change *c;

	for (at = lane->first; at != NULL; at = at->next) {
		c = SST_HOLDER(at, struct sst_change, job);
		if (c->kind == SST_CHANGE_RESCAN && c->id == id)
			return c;
	}
	return NULL;
}
