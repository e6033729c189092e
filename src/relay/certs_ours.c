/* SPDX-License-Identifier: ISC */
/*
 * certs_ours - a certificate is put in service when its staple is there, or when that
 * took too long (certs.h).
 *
 * What is new is read into a store of its own first: the one that serves does not
 * change until then. Of many certificates at once none is waited for.
 */
#include "certs.h"

#include <pthread.h>

#include <securesockets/certstore.h>

#include "cert_files.h"
#include "certs_inside.h"
#include "tls/ours.h"

#define MANY	256

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

static int
count(void *n, const struct sst_entry *e)
{
	(void)e;
	return ++*(int *)n >= MANY;
}

void
sst_certs_ahead(struct sst_certs *certs, const char *path)
{
	const struct sst_store_config config = { .keys_may_be_open = 1 };
	struct sst_store *trial = NULL;
	struct sst_ours *ours;
	unsigned ms = 0;
	int n = 0;

	ours = sst_certs_ours(certs, &ms);
	if (ours == NULL || !sst_ours_has_staples(ours) || !sst_ours_synced(ours) ||
	    sst_store_each(certs->store, count, &n, NULL) != 0 ||
	    sst_store_new_from(&config, &sst_cert_files, certs, &trial, NULL) != SST_OK) {
		sst_ours_unref(ours);
		return;
	}
	/* what is wrong with it is said when it is read in earnest */
	if (sst_store_add(trial, path, NULL) == SST_OK)
		sst_ours_meet(ours, trial);
	if (sst_ours_pending(ours) > 0)
		(void)sst_ours_wait(ours, ms);
	sst_store_unref(trial);
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
