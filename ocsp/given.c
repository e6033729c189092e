/* SPDX-License-Identifier: ISC */
/*
 * given - see given.h.
 */
#include "given.h"

#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "crl_list.h"

#define SIGNERS_MAX	8	/* keys that are known to have made the signature */

/* Where the records of each bucket end in `blob`. */
struct index {
	unsigned	 bits;
	size_t		*ends;
	uint8_t		*blob;
	size_t		 len, room;
};

struct sst_given {
	atomic_int	 refs;
	pthread_mutex_t	 mu;		/* guards all but refs, len and der */
	uint8_t		 signers[SIGNERS_MAX][32];	/* SHA-256 of the public key */
	size_t		 n_signers;
	int		 is_read;
	struct sst_crl_head read;	/* what was read: those members alone */
	int		 is_indexed;	/* and then it changes no more */
	struct index	 index;
	struct sst_given_work work;
	size_t		 len;
	uint8_t		 der[];
};

int
sst_given_new(const void *der, size_t len, struct sst_given **ret, struct sst_error *err)
{
	struct sst_given *g = malloc(sizeof(*g) + len);

	if (g == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	memset(g, 0, sizeof(*g));
	atomic_init(&g->refs, 1);
	(void)pthread_mutex_init(&g->mu, NULL);
	memcpy(g->der, der, len);
	g->len = len;
	*ret = g;
	return SST_OK;
}

struct sst_given *
sst_given_ref(struct sst_given *g)
{
	(void)atomic_fetch_add_explicit(&g->refs, 1, memory_order_relaxed);
	return g;
}

void
sst_given_unref(struct sst_given *g)
{
	if (g == NULL || atomic_fetch_sub(&g->refs, 1) != 1)
		return;
	free(g->index.ends);
	free(g->index.blob);
	(void)pthread_mutex_destroy(&g->mu);
	free(g);
}

const void *
sst_given_bytes(const struct sst_given *g, size_t *ret_len)
{
	*ret_len = g->len;
	return g->der;
}

void
sst_given_work(struct sst_given *g, struct sst_given_work *ret)
{
	(void)pthread_mutex_lock(&g->mu);
	*ret = g->work;
	(void)pthread_mutex_unlock(&g->mu);
}

/* A key by its SubjectPublicKeyInfo. 0: no memory for it. */
static int
key_name(EVP_PKEY *key, uint8_t name[32])
{
	unsigned char *der = NULL;
	const int len = i2d_PUBKEY(key, &der);
	const int ok = len > 0 &&
	    EVP_Digest(der, (size_t)len, name, NULL, EVP_sha256(), NULL) == 1;

	OPENSSL_free(der);
	return ok;
}

static int
is_by_locked(const struct sst_given *g, const uint8_t name[32])
{
	for (size_t i = 0; i < g->n_signers; i++)
		if (memcmp(g->signers[i], name, 32) == 0)
			return 1;
	return 0;
}

int
sst_given_is_by(struct sst_given *g, EVP_PKEY *key)
{
	uint8_t name[32];
	int known;

	if (!key_name(key, name))
		return 0;
	(void)pthread_mutex_lock(&g->mu);
	known = is_by_locked(g, name);
	(void)pthread_mutex_unlock(&g->mu);
	return known;
}

int
sst_given_verify(struct sst_given *g, EVP_PKEY *key,
    int (*verify)(const void *arg, EVP_PKEY *key), const void *arg)
{
	uint8_t name[32];
	const int named = key_name(key, name);
	int ok;

	(void)pthread_mutex_lock(&g->mu);
	ok = named && is_by_locked(g, name);
	if (!ok) {
		g->work.signatures++;
		ok = verify(arg, key);
		if (ok && named && g->n_signers < SIGNERS_MAX)
			memcpy(g->signers[g->n_signers++], name, sizeof(name));
	}
	(void)pthread_mutex_unlock(&g->mu);
	return ok;
}

/* What crl.c learns of a list behind its extensions. */
static void
read_copy(struct sst_crl_head *to, const struct sst_crl_head *from)
{
	to->entries = from->entries;
	to->bits = from->bits;
	to->bad_critical = from->bad_critical;
	to->indirect = from->indirect;
	memcpy(to->sha256, from->sha256, sizeof(to->sha256));
	memcpy(to->scope_key, from->scope_key, sizeof(to->scope_key));
}

int
sst_given_read(struct sst_given *g, struct sst_crl *crl,
    int (*read)(struct sst_crl *, struct sst_error *err), struct sst_error *err)
{
	int rc = SST_OK;

	(void)pthread_mutex_lock(&g->mu);
	if (g->is_read) {
		read_copy(&crl->head, &g->read);
	} else {
		g->work.readings++;
		rc = read(crl, err);
		if (rc == SST_OK)
			read_copy(&g->read, &crl->head);
		g->is_read = rc == SST_OK;
	}
	(void)pthread_mutex_unlock(&g->mu);
	return rc;
}

/* For sst_crl_index(). */
static int
bucket_take(void *arg, uint32_t bucket, const void *blob, size_t len)
{
	struct index *x = arg;
	size_t room = x->room != 0 ? x->room : 4096;
	uint8_t *more;

	while (room - x->len < len)
		room *= 2;
	if (room != x->room) {
		more = realloc(x->blob, room);
		if (more == NULL)
			return SST_E_NOMEM;
		x->blob = more;
		x->room = room;
	}
	memcpy(x->blob + x->len, blob, len);
	x->len += len;
	x->ends[bucket] = x->len;
	return SST_OK;
}

/* The list as if its issuer had neither name nor key: several CAs of one name and
 * different keys share the index, and each look-up compares the issuer first. */
static int
index_make(struct index *ret, const struct sst_crl *crl)
{
	const size_t buckets = (size_t)1 << crl->head.bits;
	struct index x = { .bits = crl->head.bits };
	struct sst_crl nobodys = *crl;

	memset(&nobodys.head.issuer, 0, sizeof(nobodys.head.issuer));
	x.ends = calloc(buckets, sizeof(*x.ends));
	if (x.ends == NULL || sst_crl_index(&nobodys, bucket_take, &x, NULL) != SST_OK) {
		free(x.ends);
		free(x.blob);
		return SST_E_NOMEM;
	}
	/* those without an entry end where the one before them does */
	for (size_t i = 1; i < buckets; i++)
		if (x.ends[i] == 0)
			x.ends[i] = x.ends[i - 1];
	*ret = x;
	return SST_OK;
}

int
sst_given_find(struct sst_given *g, const struct sst_crl *crl, const struct sst_cert_key *key,
    struct sst_crl_entry *ret)
{
	struct sst_cert_key nobodys = *key;
	const struct index *x = &g->index;
	uint32_t bucket;
	size_t from;
	int rc = SST_OK;

	(void)pthread_mutex_lock(&g->mu);
	if (!g->is_indexed) {
		g->work.indices++;
		rc = index_make(&g->index, crl);
		g->is_indexed = rc == SST_OK;
	}
	(void)pthread_mutex_unlock(&g->mu);
	if (rc < 0)
		return rc;
	memset(&nobodys.issuer, 0, sizeof(nobodys.issuer));
	bucket = sst_crl_bucket(&nobodys, x->bits);
	from = bucket > 0 ? x->ends[bucket - 1] : 0;
	if (x->ends[bucket] == from)
		return 0;
	return sst_crl_bucket_find(x->blob + from, x->ends[bucket] - from, &nobodys, ret);
}
