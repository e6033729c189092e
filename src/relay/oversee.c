/* SPDX-License-Identifier: ISC */
#include "oversee.h"

#include <errno.h>
#include <stdlib.h>

#include <securesockets/certstore.h>

#include "base/clock.h"
#include "certs.h"
#include "core.h"
#include "door.h"
#include "listener.h"
#include "rules.h"
#include "settings.h"
#include "tls/ours.h"
#include "tls/trust.h"

#define POLL_MS		5
#define READ_MS		250	/* for reading the store, as for a directory */
#define DATES_MS	1000	/* what is being read is looked at once it is there */
#define DATES_MAX_S	60	/* what came in since then is looked at after so long */

/* Reads the store in the loader's thread. */
struct reading {
	struct sst_job	 job;		/* first */
	struct sst_relay *relay;
	struct sst_ours	*ours;
	struct waiting	*waiting;	/* whoever waits for it, or NULL */
	uint64_t	 cookie;	/* of the listener */
};

/* Looks at dates in the loader's thread. */
struct dating {
	struct sst_job	 job;		/* first */
	struct sst_relay *relay;
	struct sst_certs *certs;
	uint64_t	 cookie;	/* of the listener */
	unsigned	 seconds;	/* until it is to be done again */
};

/* A listen() that waits. */
struct waiting {
	struct sst_timer timer;
	struct sst_relay *relay;
	struct sst_call	*call;		/* NULL: its caller went away */
	struct sst_ours	*ours;
	struct reading	*reading;	/* NULL: done */
	uint64_t	 cookie;
	int64_t		 read_until, until;
	void		(*go)(struct sst_call *, struct sst_record *);
};

static unsigned
budget(const struct sst_revocation_policy *policy)
{
	return policy->budget_ms != 0 ? policy->budget_ms : SST_REVOCATION_BUDGET_MS;
}

static int
make(struct sst_record *r, struct sst_ours **ret, struct sst_error *err)
{
	struct sst_revocation_policy policy;
	struct sst_ours_config config = { .policy = &policy,
	    .store = sst_certs_store(r->set->certs), .no_staples = r->set->no_stapling,
	    .given = r->set->staples != NULL };
	int rc = sst_rules_checker(r, &config.checker, &policy, err);

	if (rc < 0)
		return rc;
	/* Who turned all of it off wants nobody asked: what is kept is used alone. */
	if (policy.mode == SST_REVOCATION_OFF)
		policy.fetch = SST_SWITCH_OFF;
	/* Public CAs issue through others, whom the chain has; who named roots may have
	 * one that issues itself. */
	if ((r->set->trust != NULL || r->set->cert_file != NULL ||
	    r->set->cert_dir != NULL) &&
	    sst_settings_trust(r->set, &config.trust, NULL) != SST_OK)
		config.trust = NULL;
	rc = sst_ours_new(&config, ret, err);
	sst_trust_unref(config.trust);
	sst_checker_unref(config.checker);
	return rc < 0 ? rc : (int)budget(&policy);
}

void
sst_oversee_ready(struct sst_record *r)
{
	struct sst_ours *ours = sst_certs_ours(r->set->certs, NULL);
	struct sst_error err = { 0 };
	int rc;

	if (ours != NULL && sst_ours_has_staples(ours) == !r->set->no_stapling &&
	    sst_ours_is_given(ours) == (r->set->staples != NULL)) {
		sst_ours_unref(ours);
		return;
	}
	sst_ours_unref(ours);
	ours = NULL;
	rc = make(r, &ours, &err);
	if (rc < 0) {
		sst_log_event(&r->relay->log, SST_LOG_INTERNAL, sst_clock_ms(),
		    "served without staples: %s", err.text);
		return;
	}
	sst_certs_oversee(r->set->certs, ours, (unsigned)rc);
	sst_ours_unref(ours);
}

static void
read_work(struct sst_job *job)
{
	struct reading *j = SST_HOLDER(job, struct reading, job);

	sst_ours_sync(j->ours);
	/* so that fetching begins at once */
	while (sst_ours_step(j->ours) == 0)
		continue;
}

static void
step(struct sst_timer *t)
{
	struct sst_listener *l = SST_HOLDER(t, struct sst_listener, oversight);
	struct sst_loop *loop = &l->record->relay->loop;
	struct sst_ours *ours = sst_certs_ours(l->record->set->certs, NULL);
	unsigned seconds;

	if (ours == NULL)
		return;
	seconds = sst_ours_step(ours);
	sst_ours_unref(ours);
	sst_loop_arm(loop, &l->oversight, loop->now + (seconds != 0 ?
	    (int64_t)seconds * 1000 : POLL_MS), step);
}

static void	waiting_end(struct waiting *);

static void
read_done(struct sst_job *job)
{
	struct reading *j = SST_HOLDER(job, struct reading, job);
	struct sst_record *r = sst_record_find(j->relay, j->cookie);

	if (j->waiting != NULL) {
		j->waiting->reading = NULL;
		/* as a rule nothing is to be fetched */
		if (sst_ours_pending(j->ours) == 0)
			waiting_end(j->waiting);
		r = sst_record_find(j->relay, j->cookie);
	}
	if (r != NULL && r->listener != NULL && !r->listener->closed)
		sst_loop_arm(&j->relay->loop, &r->listener->oversight,
		    j->relay->loop.now + POLL_MS, step);
	sst_ours_unref(j->ours);
	free(j);
}

static struct reading *
read_store(const struct sst_record *r, struct sst_ours *ours)
{
	struct reading *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->job.work = read_work;
	j->job.done = read_done;
	j->relay = r->relay;
	j->ours = sst_ours_ref(ours);
	j->cookie = r->cookie;
	sst_loader_submit(&r->relay->loader, &j->job);
	return j;
}

static void
waiting_end(struct waiting *w)
{
	struct sst_record *r = sst_record_find(w->relay, w->cookie);
	struct sst_call *call = w->call;

	sst_loop_disarm(&w->relay->loop, &w->timer);
	if (w->reading != NULL)
		w->reading->waiting = NULL;
	sst_ours_unref(w->ours);
	if (call != NULL) {
		call->gone = NULL;
		call->owner = NULL;
		if (r != NULL)
			w->go(call, r);
		else
			sst_call_fail(call, EBADF, NULL);
	}
	free(w);
}

static void
poll(struct sst_timer *t)
{
	struct waiting *w = SST_HOLDER(t, struct waiting, timer);
	struct sst_loop *loop = &w->relay->loop;
	const int is_read = w->reading == NULL;

	if (loop->now < w->until && (is_read ? sst_ours_pending(w->ours) > 0 :
	    loop->now < w->read_until || sst_ours_pending(w->ours) > 0))
		sst_loop_arm(loop, &w->timer, loop->now + POLL_MS, poll);
	else
		waiting_end(w);
}

static void
caller_gone(struct sst_call *call)
{
	struct waiting *w = call->owner;

	w->call = NULL;
	waiting_end(w);
	sst_call_drop(call);
}

int
sst_oversee_wait(struct sst_call *call, struct sst_record *r,
    void (*go)(struct sst_call *, struct sst_record *))
{
	struct sst_loop *loop = &r->relay->loop;
	struct sst_ours *ours;
	struct waiting *w;
	unsigned ms = 0;

	if (r->set->no_stapling)
		return 0;
	sst_oversee_ready(r);
	/* served from a kept index: its files are read when there is time */
	if (sst_store_is_warm(sst_certs_store(r->set->certs)))
		return 0;
	ours = sst_certs_ours(r->set->certs, &ms);
	w = ours != NULL ? calloc(1, sizeof(*w)) : NULL;
	if (w == NULL || (w->reading = read_store(r, ours)) == NULL) {
		sst_ours_unref(ours);
		free(w);
		return 0;
	}
	w->reading->waiting = w;
	w->relay = r->relay;
	w->call = call;
	w->ours = ours;
	w->cookie = r->cookie;
	w->until = loop->now + ms;
	w->read_until = loop->now + READ_MS;
	w->go = go;
	sst_call_wait(call, caller_gone, w);
	sst_loop_arm(loop, &w->timer, loop->now + POLL_MS, poll);
	return 1;
}

static void
dates_work(struct sst_job *job)
{
	struct dating *d = SST_HOLDER(job, struct dating, job);

	d->seconds = sst_certs_dates(d->certs);
	sst_certs_sync_due(d->certs);
}

static void	dates_look(struct sst_timer *);

static void
dates_done(struct sst_job *job)
{
	struct dating *d = SST_HOLDER(job, struct dating, job);
	const unsigned s = d->seconds < DATES_MAX_S ? d->seconds : DATES_MAX_S;
	struct sst_record *r = sst_record_find(d->relay, d->cookie);

	if (r != NULL && r->listener != NULL && !r->listener->closed)
		sst_loop_arm(&d->relay->loop, &r->listener->dates,
		    d->relay->loop.now + (int64_t)s * 1000, dates_look);
	sst_certs_unref(d->certs);
	free(d);
}

static void
dates_look(struct sst_timer *t)
{
	struct sst_listener *l = SST_HOLDER(t, struct sst_listener, dates);
	struct sst_relay *relay = l->record->relay;
	struct dating *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		sst_loop_arm(&relay->loop, t, relay->loop.now + DATES_MS, dates_look);
		return;
	}
	d->job.work = dates_work;
	d->job.done = dates_done;
	d->relay = relay;
	d->certs = sst_certs_ref(l->record->set->certs);
	d->cookie = l->record->cookie;
	sst_loader_submit(&relay->loader, &d->job);
}

void
sst_oversee_begin(struct sst_listener *l)
{
	struct sst_record *r = l->record;
	struct sst_loop *loop = &r->relay->loop;
	struct sst_ours *ours = sst_certs_ours(r->set->certs, NULL);

	if (ours != NULL && !sst_ours_synced(ours))
		(void)read_store(r, ours);
	else if (ours != NULL)
		sst_loop_arm(loop, &l->oversight, loop->now + POLL_MS, step);
	sst_ours_unref(ours);
	sst_loop_arm(loop, &l->dates, loop->now + DATES_MS, dates_look);
}

void
sst_oversee_end(struct sst_listener *l)
{
	sst_loop_disarm(&l->record->relay->loop, &l->oversight);
	sst_loop_disarm(&l->record->relay->loop, &l->dates);
}
