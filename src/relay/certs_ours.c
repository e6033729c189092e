/* SPDX-License-Identifier: ISC */
/*
 * certs_ours - a certificate is put in service when its staple is there, or when that
 * took too long (certs.h).
 *
 * What is new is read into a store of its own first: the one that serves does not
 * change until then. Only what is new is asked for and waited for, however much there
 * is besides.
 */
#include "certs.h"

#include <pthread.h>
#include <stdlib.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "cert_files.h"
#include "certs_inside.h"
#include "tls/ours.h"

struct sst_ahead {
	struct sst_ours	*ours;
	struct sst_ours_set lacks;
	unsigned	 ms;
};

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
sst_ahead_free(struct sst_ahead *ahead)
{
	if (ahead == NULL)
		return;
	sst_ours_set_done(&ahead->lacks);
	sst_ours_unref(ahead->ours);
	free(ahead);
}

int
sst_ahead_over(struct sst_ahead *ahead)
{
	return sst_ours_lacks(ahead->ours, &ahead->lacks) == 0;
}

unsigned
sst_ahead_budget(const struct sst_ahead *ahead)
{
	return ahead->ms;
}

/* What is new is read into a store of its own, and its staples are asked for. */
static void
look_ahead(struct sst_certs *certs, const struct sst_cert_source *s, struct sst_ahead *ahead)
{
	const struct sst_store_config config = { .keys_may_be_open = 1 };
	struct sst_store *trial = NULL;

	if (sst_store_new_from(&config, &sst_cert_files, certs, &trial, NULL) != SST_OK)
		return;
	/* what is wrong with it is said when it is read in earnest */
	if (sst_certs_read(trial, s, NULL) == SST_OK)
		sst_ours_meet(ahead->ours, trial, &ahead->lacks);
	sst_store_unref(trial);
	while (ahead->lacks.n > 0 && sst_ours_step(ahead->ours) == 0)
		continue;
}

struct sst_ahead *
sst_certs_ahead(struct sst_certs *certs, uint32_t id)
{
	const struct sst_cert_source *s = sst_certs_source(certs, id);
	struct sst_ahead *ahead = calloc(1, sizeof(*ahead));

	if (ahead == NULL)
		return NULL;
	ahead->ours = sst_certs_ours(certs, &ahead->ms);
	/* keys have no staples; nor does what nobody serves yet */
	if (id != 0 && s != NULL && s->option != TLS_PRIVATE_KEY && ahead->ours != NULL &&
	    sst_ours_has_staples(ahead->ours) && sst_ours_synced(ahead->ours))
		look_ahead(certs, s, ahead);
	if (ahead->lacks.n > 0 && !sst_ahead_over(ahead))
		return ahead;
	sst_ahead_free(ahead);
	return NULL;
}

void
sst_certs_sync(struct sst_certs *certs)
{
	struct sst_ours *ours = sst_certs_ours(certs, NULL);

	if (ours != NULL && sst_ours_synced(ours))
		sst_ours_sync(ours);
	sst_ours_unref(ours);
}
