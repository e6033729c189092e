/* SPDX-License-Identifier: ISC */
#include "certs.h"

#include <string.h>

#include <securesockets/certstore.h>

#include "base/clock.h"
#include "certs_inside.h"
#include "certstore/dates.h"
#include "log.h"
#include "names.h"

void
sst_certs_numbers(struct sst_certs *certs, int64_t now,
    struct sst_certs_numbers *numbers)
{
	struct sst_store_figures f;

	memset(numbers, 0, sizeof(*numbers));
	if (sst_store_figures(certs->store, (time_t)now, &f, NULL) < 0)
		return;
	numbers->loaded = (unsigned long)f.usable;
	numbers->staged = (unsigned long)f.staged;
	numbers->refused = (unsigned long)f.refused;
	numbers->degraded = (unsigned long)f.expired;
	numbers->earliest = (int64_t)f.earliest;
}

unsigned
sst_certs_dates(struct sst_certs *certs)
{
	return sst_store_dates(certs->store, sst_dates_wall());
}

struct covering {
	const char	*name;
	int		 covered;
};

static int
cover_each(void *arg, const struct sst_entry *e)
{
	struct covering *c = arg;

	if (e->state != SST_ENTRY_USABLE)
		return 0;
	for (size_t i = 0; i < e->n_names; i++)
		c->covered |= sst_names_meet(c->name, e->names[i]);
	return c->covered;
}

void
sst_certs_uncovered(struct sst_certs *certs, const struct sst_names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		struct covering c = { .name = names->list[i] };

		/* a pattern may meet what no look-up finds */
		if (names->list[i][0] == '*')
			(void)sst_store_each(certs->store, cover_each, &c, NULL);
		else
			(void)sst_store_find(certs->store, names->list[i], cover_each, &c,
			    NULL);
		if (!c.covered)
			sst_log_event(certs->log, SST_LOG_UNCOVERED, sst_clock_ms(),
			    "no certificate covers %s", names->list[i]);
	}
}
