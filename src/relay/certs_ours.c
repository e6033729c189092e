/* SPDX-License-Identifier: ISC */
/*
 * certs_ours - a certificate is put in service when its staple is there, or when that
 * took too long (certs.h).
 *
 * What is new is held back where it would come into the store: what was looked at is
 * what is served, and what serves goes on until then. Only what is new is asked for and
 * waited for, however much there is besides.
 */
#include "certs.h"

#include <pthread.h>

#include <securesockets/certstore.h>

#include "certs_inside.h"
#include "certstore/identity.h"
#include "tls/ours.h"

/* Of the run under way in this thread; a handshake that has to read files is none. */
static _Thread_local struct sst_await *here;

void
sst_certs_oversee(struct sst_certs *certs, struct sst_ours *ours, unsigned ms)
{
	struct sst_ours *old;

	(void)pthread_mutex_lock(&certs->mu);
	old = certs->ours;
	certs->ours = sst_ours_ref(ours);
	certs->ours_ms = ms;
	(void)pthread_mutex_unlock(&certs->mu);
	if (old != NULL)
		sst_ours_stop(old);
	sst_ours_unref(old);
}

struct sst_ours *
sst_certs_ours(struct sst_certs *certs, unsigned *ret_ms)
{
	struct sst_ours *ours = NULL;

	(void)pthread_mutex_lock(&certs->mu);
	if (certs->ours != NULL)
		ours = sst_ours_ref(certs->ours);
	if (ret_ms != NULL)
		*ret_ms = certs->ours_ms;
	(void)pthread_mutex_unlock(&certs->mu);
	return ours;
}

void
sst_await_begin(struct sst_certs *certs, int late, struct sst_await *h)
{
	*h = (struct sst_await){ .ours = NULL };
	if (!late)
		h->ours = sst_certs_ours(certs, &h->ms);
	/* nor does anybody serve yet what was not looked through once */
	if (h->ours != NULL && (!sst_ours_has_staples(h->ours) ||
	    !sst_ours_synced(h->ours)))
		sst_await_done(h);
	here = h;
}

size_t
sst_await_end(struct sst_await *h)
{
	here = NULL;
	if (h->n == 0)
		sst_await_done(h);
	while (h->n > 0 && sst_ours_step(h->ours) == 0)
		continue;
	return h->n;
}

int
sst_await_any(void)
{
	return here != NULL && here->n > 0;
}

int
sst_await_over(const struct sst_await *h)
{
	return sst_ours_lacks(h->ours) == 0;
}

void
sst_await_done(struct sst_await *h)
{
	if (h->ours != NULL)
		sst_ours_expect_none(h->ours);
	sst_ours_unref(h->ours);
	h->ours = NULL;
	h->n = 0;
}

/* Whether a client who waits for this would refuse it for want of its staple. */
static int
is_bare(struct sst_certs *certs, const struct sst_identity *id)
{
	struct sst_ours *ours = sst_certs_ours(certs, NULL);
	int bare;

	bare = ours != NULL && sst_ours_synced(ours) &&
	    sst_ours_is_bare(ours, sst_identity_leaf(id), sst_identity_chain(id));
	sst_ours_unref(ours);
	return bare;
}

int
sst_certs_try(void *arg, const struct sst_identity *id, const char *names, int displaces,
    struct sst_error *err)
{
	struct sst_certs *certs = arg;

	if (here != NULL && here->ours != NULL && sst_ours_expect(here->ours,
	    sst_identity_leaf(id), sst_identity_chain(id))) {
		here->n++;
		return 1;
	}
	if (here == NULL && is_bare(certs, id))
		return 1;
	return sst_canary(&certs->canary, id, names, displaces, err);
}

int
sst_certs_staple(SSL *ssl, void *arg)
{
	struct sst_ours *ours = sst_certs_ours(arg, NULL);
	int rc = ours == NULL ? SSL_TLSEXT_ERR_NOACK : sst_ours_give(ssl, ours);

	sst_ours_unref(ours);
	return rc;
}

void
sst_certs_sync_due(struct sst_certs *certs)
{
	struct sst_ours *ours = sst_certs_ours(certs, NULL);

	if (ours != NULL && sst_ours_synced(ours) && sst_ours_wants_sync(ours))
		sst_ours_sync(ours);
	sst_ours_unref(ours);
}

void
sst_certs_sync(struct sst_certs *certs)
{
	struct sst_ours *ours = sst_certs_ours(certs, NULL);

	if (ours != NULL && sst_ours_synced(ours))
		sst_ours_sync(ours);
	sst_ours_unref(ours);
}
