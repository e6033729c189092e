/* SPDX-License-Identifier: ISC */
/*
 * Whether a certificate of our own was revoked: the check that judges peers, once a
 * minute where there are few of them. As a rule it answers from memory; what it used is
 * fetched again in time by the checker's thread.
 */
#include <stdio.h>
#include <string.h>

#include "checker.h"
#include "own_inside.h"

#define LOOK_S	60
#define EACH	64	/* certificates make it a second more */
#define BUSY_S	5	/* a cache did not answer */

/* The first of leaf and CA that is revoked, or NULL. */
static const struct sst_revocation_result *
revoked_of(const struct sst_check *k)
{
	for (int i = 0; i < sst_check_count(k); i++)
		if (sst_check_result(k, i)->verdict == SST_VERDICT_REVOKED)
			return sst_check_result(k, i);
	return NULL;
}

/* 1: it is known there now. */
static int
tell(struct sst_own_cert *e, const struct sst_revocation_result *r, const char *text)
{
	const struct sst_own *o = e->own;
	const struct sst_own_word word = { .leaf = e->leaf, .revoked = r != NULL,
	    .reason = r != NULL ? r->reason : -1,
	    .revoked_at = r != NULL ? r->revoked_at : 0,
	    .source = r != NULL ? r->source : SST_SOURCE_NONE, .text = text };

	return o->on_word == NULL || o->on_word(o->arg, &word) == 0;
}

/* Spread by the certificate, over a quarter of the time. */
int64_t
sst_own_look_at_locked(const struct sst_own_cert *e, int64_t now)
{
	const unsigned every = LOOK_S + (unsigned)(e->own->n / EACH);

	return now + every + (e->leaf[2] << 8 | e->leaf[3]) % (every / 4);
}

/* Reads the verdict and tells of a change, at each look until it is known. A verdict
 * that says neither revoked nor good takes nothing back. */
static void
conclude(struct sst_own_cert *e, struct sst_check *k, int64_t now)
{
	const struct sst_revocation_result *r;
	struct sst_error err = { .code = SST_OK };
	struct sst_own *o = e->own;
	int is;

	(void)sst_check_now(k, &err);
	r = revoked_of(k);
	(void)pthread_mutex_lock(&o->mu);
	is = r != NULL || (e->revoked && sst_check_result(k, 0)->verdict != SST_VERDICT_GOOD);
	e->revoked = is;
	e->look_at = e->gone ? INT64_MAX : sst_own_look_at_locked(e, now);
	(void)pthread_mutex_unlock(&o->mu);
	if (is != e->told && is == (r != NULL) &&
	    tell(e, r, is ? err.text : "it is not revoked any more"))
		e->told = is;
}

static void
finish(struct sst_own_cert *e, int64_t look_at)
{
	(void)pthread_mutex_lock(&e->own->mu);
	if (look_at != 0)
		e->look_at = e->gone ? INT64_MAX : look_at;
	e->looking = SST_OWN_LOOKED;
	sst_own_order_locked(e);
	(void)pthread_mutex_unlock(&e->own->mu);
}

/* On the checker's thread, or in sst_check_start() itself. */
static void
on_evidence(void *arg)
{
	struct sst_own_cert *e = arg;

	conclude(e, e->check, sst_checker_now(e->own->checker));
	finish(e, 0);
}

void
sst_own_watch(struct sst_own_cert *e, int64_t now)
{
	const struct sst_own *o = e->own;
	struct sst_own_view view;
	int rc = SST_E_NOMEM;

	if (sst_own_open(e, &view)) {
		rc = sst_check_new(o->checker, &o->policy, view.chain, &e->check, NULL);
		sst_own_close(&view);
	}
	if (rc < 0) {
		e->check = NULL;
		finish(e, now + BUSY_S);
	} else if (sst_check_now(e->check, NULL) != 0) {
		conclude(e, e->check, now);
		finish(e, 0);
	} else if (sst_check_start(e->check, on_evidence, e, NULL) < 0) {
		finish(e, now + BUSY_S);
	}
}
