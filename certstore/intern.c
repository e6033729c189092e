/* SPDX-License-Identifier: ISC */
#include "intern.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"

struct sst_intern {
	pthread_mutex_t	 mu;		/* guards the rest */
	X509		*cert[SST_INTERN_MAX];
	uint8_t		 digest[SST_INTERN_MAX][32];
	unsigned int	 next;		/* the slot that is taken next */
};

struct sst_intern *
sst_intern_new(void)
{
	struct sst_intern *in = calloc(1, sizeof(*in));

	if (in != NULL)
		(void)pthread_mutex_init(&in->mu, NULL);
	return in;
}

void
sst_intern_free(struct sst_intern *in)
{
	if (in == NULL)
		return;
	for (size_t i = 0; i < SST_INTERN_MAX; i++)
		X509_free(in->cert[i]);
	(void)pthread_mutex_destroy(&in->mu);
	free(in);
}

/* Index of the digest, or SST_INTERN_MAX. Caller holds mu. */
static size_t
find_locked(const struct sst_intern *in, const uint8_t digest[32])
{
	size_t i;

	for (i = 0; i < SST_INTERN_MAX; i++) {
		if (in->cert[i] != NULL && memcmp(in->digest[i], digest, 32) == 0)
			break;
	}
	return i;
}

X509 *
sst_intern_get(struct sst_intern *in, const uint8_t digest[32])
{
	X509 *x = NULL;
	size_t i;

	(void)pthread_mutex_lock(&in->mu);
	i = find_locked(in, digest);
	if (i < SST_INTERN_MAX && X509_up_ref(in->cert[i]) == 1)
		x = in->cert[i];
	(void)pthread_mutex_unlock(&in->mu);
	return x;
}

/* 1: this very object is kept; *out is its digest. */
static int
is_kept(struct sst_intern *in, const X509 *x, uint8_t out[32])
{
	int kept = 0;

	(void)pthread_mutex_lock(&in->mu);
	for (size_t i = 0; i < SST_INTERN_MAX && !kept; i++) {
		kept = in->cert[i] == x;
		if (kept)
			memcpy(out, in->digest[i], 32);
	}
	(void)pthread_mutex_unlock(&in->mu);
	return kept;
}

int
sst_intern_digest(struct sst_intern *in, const X509 *x, uint8_t out[32],
    struct sst_error *err)
{
	return in != NULL && is_kept(in, x, out) ? SST_OK : sst_cert_digest(x, out, err);
}

void
sst_intern_put(struct sst_intern *in, X509 *x)
{
	uint8_t digest[32];
	X509 *old = NULL;

	if (in == NULL || is_kept(in, x, digest) || sst_cert_digest(x, digest, NULL) < 0)
		return;
	(void)pthread_mutex_lock(&in->mu);
	if (find_locked(in, digest) == SST_INTERN_MAX && X509_up_ref(x) == 1) {
		old = in->cert[in->next];
		in->cert[in->next] = x;
		memcpy(in->digest[in->next], digest, sizeof(digest));
		in->next = (in->next + 1) % SST_INTERN_MAX;
	}
	(void)pthread_mutex_unlock(&in->mu);
	X509_free(old);
}

void
sst_intern_lock(struct sst_intern *in)
{
	(void)pthread_mutex_lock(&in->mu);
}

void
sst_intern_unlock(struct sst_intern *in)
{
	(void)pthread_mutex_unlock(&in->mu);
}
