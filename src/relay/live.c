/* SPDX-License-Identifier: ISC */
#include "live.h"

#include <stdlib.h>

#include "core.h"
#include "tls/conn.h"

#define EVERY_MS	2000

struct sst_live {
	struct sst_object  object;	/* first */
	struct sst_timer   timer;
	struct sst_record *record;
};

static void
look(struct sst_timer *t)
{
	struct sst_live *live = SST_HOLDER(t, struct sst_live, timer);
	struct sst_record *r = live->record;
	struct sst_relay *relay = r->relay;
	struct sst_loop *loop = &r->worker->loop;
	struct sst_error err = { 0 };

	if (sst_conn_judge_again(r->conn, &err) == SST_OK) {
		sst_loop_arm(loop, t, loop->now + EVERY_MS, look);
		return;
	}
	loop->flowing = 0;
	sst_core_lock(relay);
	sst_record_say(r, err.text);
	sst_record_end(r, 1);	/* and the record may be gone */
	sst_core_unlock(relay);
}

int
sst_live_start(struct sst_record *r)
{
	struct sst_live *live = calloc(1, sizeof(*live));
	struct sst_loop *loop = &r->worker->loop;

	if (live == NULL)
		return -1;
	live->record = r;
	r->live = live;
	sst_loop_arm(loop, &live->timer, loop->now + EVERY_MS, look);
	return 0;
}

void
sst_live_stop(struct sst_record *r)
{
	if (r->live == NULL)
		return;
	sst_loop_disarm(sst_record_loop(r), &r->live->timer);
	sst_loop_free(sst_record_loop(r), &r->live->object);
	r->live = NULL;
}
