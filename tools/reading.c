/* SPDX-License-Identifier: ISC */
/* reading - see reading.h. */
#include "reading.h"

#include "out.h"

static void
on_event(void *arg, const struct sst_store_event *event)
{
	struct sst_reading *r = arg;

	if (event->kind == SST_STORE_READING)
		return;
	r->read++;
	if (!r->is_large)
		sst_out_progress("certificates read", r->read);
}

static void
on_progress(void *arg, const struct sst_store_progress *p)
{
	struct sst_reading *r = arg;

	if (!r->is_large)
		sst_out_progress_end();
	r->is_large = !p->over;
	r->bar.total = (size_t)p->seen;
	if (p->over)
		sst_progress_hide(&r->bar);
	else
		sst_progress_at(&r->bar, (size_t)p->read);
}

void
sst_reading_begin(struct sst_reading *r, struct sst_store_config *config)
{
	*r = (struct sst_reading){ .read = 0 };
	sst_progress_begin(&r->bar, "names read", 0);
	config->on_event = on_event;
	config->on_progress = on_progress;
	config->event_arg = r;
	sst_out_progress("certificates read", 0);
}

void
sst_reading_end(struct sst_reading *r)
{
	sst_progress_hide(&r->bar);
	sst_out_progress_end();
}
