/* SPDX-License-Identifier: ISC */
#include "certs.h"

#include <string.h>

#include <securesockets/certstore.h>

#include "base/clock.h"
#include "certs_inside.h"
#include "certstore/dates.h"
#include "log.h"
#include "names.h"

struct counting {
	struct sst_certs_numbers *numbers;
	int64_t			  now;
};

static int
count_each(void *arg, const struct sst_entry *e)
{
	struct counting *c = arg;
	struct sst_certs_numbers *n = c->numbers;

	if (e->state == SST_ENTRY_STAGED)
		n->staged++;
	if (e->state == SST_ENTRY_REFUSED)
		n->refused++;
	if (e->state != SST_ENTRY_USABLE)
		return 0;
	n->loaded++;
	if (e->not_after < c->now)
		n->degraded++;
	if (n->earliest == 0 || e->not_after < n->earliest)
		n->earliest = e->not_after;
	return 0;
}

void
sst_certs_numbers(struct sst_certs *certs, int64_t now,
    struct sst_certs_numbers *numbers)
{
	struct counting c = { .numbers = numbers, .now = now };

	memset(numbers, 0, sizeof(*numbers));
	(void)sst_store_each(certs->store, count_each, &c, NULL);
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

		(void)sst_store_each(certs->store, cover_each, &c, NULL);
		if (!c.covered)
			sst_log_event(certs->log, SST_LOG_UNCOVERED, sst_clock_ms(),
			    "no certificate covers %s", names->list[i]);
	}
}
