/* SPDX-License-Identifier: ISC */
/*
 * change_later - what of a store is read again when it is due, or when there is time
 * (change.h). What the watch tells of meanwhile goes on as ever.
 */
#include "change.h"

#include "core.h"

#define LATER_MS	1000	/* what else a program sets as it starts goes before */

static void
now_then(struct sst_timer *t)
{
	struct sst_change *c = SST_HOLDER(t, struct sst_change, poll);

	if (c->kind == SST_CHANGE_RETRY)
		sst_certs_lane(c->certs)->retries = 0;
	if (sst_certs_is_left(c->certs))
		sst_change_free(c);
	else
		sst_change_submit(c);
}

void
sst_change_read_later(const struct sst_change *loaded)
{
	struct sst_change *c = sst_change_new(loaded->relay, loaded->certs, NULL,
	    SST_CHANGE_RESCAN);

	if (c == NULL)
		return;
	c->cookie = loaded->cookie;
	c->id = loaded->id;
	sst_below_add(&c->below, "");
	c->late = 1;	/* it is served already: no staple is waited for */
	sst_loop_arm(&c->relay->loop, &c->poll, c->relay->loop.now + LATER_MS, now_then);
}

void
sst_change_retry_later(struct sst_relay *relay, struct sst_certs *certs, int64_t due)
{
	struct sst_lane *lane = sst_certs_lane(certs);
	struct sst_change *c;

	if (due < 0 || lane->retries)
		return;
	c = sst_change_new(relay, certs, NULL, SST_CHANGE_RETRY);
	if (c == NULL)
		return;
	lane->retries = 1;
	sst_loop_arm(&relay->loop, &c->poll, relay->loop.now + due, now_then);
}
