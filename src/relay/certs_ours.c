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

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "base/below.h"
#include "base/fail.h"
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

/* 1: there is something at `path`; *ret_is_dir. What cannot be opened counts as a file. */
static int
is_there(struct sst_certs *certs, const char *path, int *ret_is_dir)
{
	struct sst_error why = { 0 };
	struct stat st;
	int fd = -1;

	*ret_is_dir = 0;
	if (sst_cert_files.open(certs, path, &fd, &why) != SST_OK)
		return why.sys_errno != ENOENT && why.sys_errno != ENOTDIR;
	*ret_is_dir = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	(void)close(fd);
	return 1;
}

/* What changed, each by itself. 0: all of the source has to be read, for a chain and
 * its key lie in two files. */
static int
read_names(struct sst_certs *certs, struct sst_store *trial,
    const struct sst_cert_source *s, const struct sst_below *below)
{
	char path[PATH_MAX];
	const char *name = NULL;
	int rc, is_dir;

	if (below == NULL || below->all || !s->is_dir)
		return 0;
	while ((name = sst_below_next(below, name)) != NULL) {
		if (snprintf(path, sizeof(path), "%s/%s", s->path, name) >=
		    (int)sizeof(path))
			return 0;
		if (!is_there(certs, path, &is_dir))
			continue;
		rc = sst_store_add(trial, path, NULL);
		if (!is_dir && (rc != SST_OK ||
		    sst_store_staged(trial, path, sizeof(path)) == 1))
			return 0;
	}
	return 1;
}

/* What is new is read into a store of its own, and its staples are asked for. */
static void
look_ahead(struct sst_certs *certs, const struct sst_cert_source *s,
    const struct sst_below *below, struct sst_ahead *ahead)
{
	const struct sst_store_config config = { .keys_may_be_open = 1 };
	struct sst_store *trial = NULL;

	if (sst_store_new_from(&config, &sst_cert_files, certs, &trial, NULL) != SST_OK)
		return;
	/* what is wrong with it is said when it is read in earnest */
	if (read_names(certs, trial, s, below) ||
	    sst_certs_read(trial, s, NULL) == SST_OK)
		sst_ours_meet(ahead->ours, trial, &ahead->lacks);
	sst_store_unref(trial);
	while (ahead->lacks.n > 0 && sst_ours_step(ahead->ours) == 0)
		continue;
}

struct sst_ahead *
sst_certs_ahead(struct sst_certs *certs, uint32_t id, const struct sst_below *below)
{
	const struct sst_cert_source *s = sst_certs_source(certs, id);
	struct sst_ahead *ahead = calloc(1, sizeof(*ahead));

	if (ahead == NULL)
		return NULL;
	ahead->ours = sst_certs_ours(certs, &ahead->ms);
	/* keys have no staples; nor does what nobody serves yet */
	if (id != 0 && s != NULL && s->option != TLS_PRIVATE_KEY && ahead->ours != NULL &&
	    sst_ours_has_staples(ahead->ours) && sst_ours_synced(ahead->ours))
		look_ahead(certs, s, below, ahead);
	if (ahead->lacks.n > 0 && !sst_ahead_over(ahead))
		return ahead;
	sst_ahead_free(ahead);
	return NULL;
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
sst_certs_sync(struct sst_certs *certs)
{
	struct sst_ours *ours = sst_certs_ours(certs, NULL);

	if (ours != NULL && sst_ours_synced(ours))
		sst_ours_sync(ours);
	sst_ours_unref(ours);
}
