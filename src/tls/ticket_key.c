/* SPDX-License-Identifier: ISC */
#include "ticket_key.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/fail.h"
#include "base/ossl.h"

/* A week of them, the one that is begun, and the next, for a clock that went back. */
#define EPOCHS		17
#define HOT		16	/* keys that were asked for last; a power of two */
#define ALIVE		0x736b6579u
#define STEPS_MAX	1000	/* of a clock that goes as clocks do: 16 months */

struct epoch {
	uint64_t	number;
	uint8_t		secret[32];
	uint8_t		name[SST_TICKET_NAME];
};

struct hot {
	uint64_t	number;
	uint8_t		digest[32];
	int		known;
	struct sst_ticket_keys keys;
};

/* The page. */
struct vault {
	uint32_t	alive;		/* ALIVE; 0 in a child that it was wiped in */
	uint32_t	given_len;	/* 0: random */
	uint8_t		given[SST_TICKET_MASTER_MAX];
	uint64_t	first;		/* number of epochs[0] */
	size_t		n;
	struct epoch	epochs[EPOCHS];	/* of successive numbers */
	struct hot	hot[HOT];
};

struct sst_tickets {
	atomic_uint	 refs;
	atomic_uint	 life;
	struct vault	*vault;	/* mu */
};

#define VAULT_SIZE	8192
_Static_assert(sizeof(struct vault) <= VAULT_SIZE, "the vault is two pages");

/* Guards every vault. Global, so that a fork need not know them all. */
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_KDF *hkdf;	/* constant; for the life of the process */

static void
lock(void)
{
	(void)pthread_mutex_lock(&mu);
}

static void
unlock(void)
{
	(void)pthread_mutex_unlock(&mu);
}

static void
prepare(void)
{
	hkdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
	(void)pthread_atfork(lock, unlock, unlock);
}

/* HKDF with an empty salt, or its second half alone (RFC 5869 2.3). */
static int
derive(int whole, const void *secret, size_t secret_len, const void *info,
    size_t info_len, void *out, size_t len)
{
	int mode = whole ? EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND :
	    EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
		    (char *)(uintptr_t)"SHA256", 0),
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
		    (void *)(uintptr_t)secret, secret_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
		    (void *)(uintptr_t)info, info_len),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF_CTX *ctx;
	int ok;

	(void)pthread_once(&once, prepare);
	ctx = hkdf == NULL ? NULL : EVP_KDF_CTX_new(hkdf);
	ok = ctx != NULL && EVP_KDF_derive(ctx, out, len, params) > 0;
	EVP_KDF_CTX_free(ctx);
	return ok;
}

int
sst_ticket_keys_derive(const uint8_t secret[32], const uint8_t digest[32],
    struct sst_ticket_keys *ret)
{
	uint8_t info[6 + 32] = "ticket", out[64];

	memcpy(info + 6, digest, 32);
	if (!derive(0, secret, 32, info, sizeof(info), out, sizeof(out)))
		return 0;
	memcpy(ret->cipher, out, 32);
	memcpy(ret->mac, out + 32, 32);
	OPENSSL_cleanse(out, sizeof(out));
	return 1;
}

/* The secret of epoch `number` out of what was given. */
static int
secret_given(const struct vault *v, uint64_t number, uint8_t out[32])
{
	uint8_t info[5 + 8] = "epoch";

	for (int i = 0; i < 8; i++)
		info[5 + i] = (uint8_t)(number >> (56 - 8 * i));
	return derive(1, v->given, v->given_len, info, sizeof(info), out, 32);
}

static int
secret_random(uint8_t out[32])
{
	return RAND_priv_bytes(out, 32) == 1;
}

static int
secret_next(const uint8_t secret[32], uint8_t out[32])
{
	return derive(0, secret, 32, "next", 4, out, 32);
}

static void
forget_all(struct vault *v)
{
	OPENSSL_cleanse(v->epochs, sizeof(v->epochs));
	OPENSSL_cleanse(v->hot, sizeof(v->hot));
	v->n = 0;
}

static void
forget_first(struct vault *v, size_t n)
{
	if (n == 0)
		return;
	v->n -= n;
	v->first += n;
	memmove(v->epochs, v->epochs + n, v->n * sizeof(v->epochs[0]));
	OPENSSL_cleanse(v->epochs + v->n, n * sizeof(v->epochs[0]));
	OPENSSL_cleanse(v->hot, sizeof(v->hot));
}

/* Fills in the epoch behind the last one. `how` 0: what was given; 1: out of the one
 * before; 2: at random. */
static int
append(struct vault *v, int how)
{
	struct epoch *e;
	int ok;

	if (v->n == EPOCHS)
		forget_first(v, 1);
	e = &v->epochs[v->n];
	e->number = v->first + v->n;
	if (how == 0)
		ok = secret_given(v, e->number, e->secret);
	else if (how == 1)
		ok = secret_next(e[-1].secret, e->secret);
	else
		ok = secret_random(e->secret);
	ok = ok && derive(0, e->secret, 32, "name", 4, e->name, sizeof(e->name));
	if (!ok) {
		OPENSSL_cleanse(e, sizeof(*e));
		return 0;
	}
	v->n++;
	return 1;
}

/* Of a master that was given any span can be had. */
static int
refresh_given(struct vault *v, uint64_t now, uint64_t back)
{
	uint64_t from = now > back ? now - back : 0;

	if (v->n > 0 && v->first == from && v->first + v->n == now + 2)
		return 1;
	forget_all(v);
	v->first = from;
	while (v->first + v->n < now + 2)
		if (!append(v, 0))
			return 0;
	return 1;
}

static int
refresh_random(struct vault *v, uint64_t now, uint64_t back)
{
	uint64_t end = v->first + v->n;

	/* The clock went back beyond what is still known, or nowhere that one goes. */
	if (v->n == 0 || now + 1 < v->first || (now > end && now - end > STEPS_MAX)) {
		forget_all(v);
		v->first = now;
		if (!append(v, 2))
			return 0;
	}
	while (v->first + v->n < now + 2)
		if (!append(v, 1))
			return 0;
	if (now > back && v->first < now - back)
		forget_first(v, (size_t)(now - back - v->first));
	return 1;
}

/* What is known is made that of `now`. 0: nothing is. */
static int
refresh(struct sst_tickets *t, time_t now, uint64_t *ret_epoch)
{
	const uint64_t back = (atomic_load(&t->life) + SST_TICKET_EPOCH_S - 1) /
	    SST_TICKET_EPOCH_S;
	uint64_t epoch = now > 0 ? (uint64_t)now / SST_TICKET_EPOCH_S : 0;
	struct vault *v = t->vault;

	if (v->alive != ALIVE)
		return 0;
	if (!(v->given_len > 0 ? refresh_given(v, epoch, back) :
	    refresh_random(v, epoch, back))) {
		forget_all(v);
		return 0;
	}
	*ret_epoch = epoch > v->first ? epoch : v->first;
	return 1;
}

static int
keys_of(struct vault *v, const struct epoch *e, const uint8_t digest[32],
    struct sst_ticket_keys *ret)
{
	struct hot *h = &v->hot[(digest[0] ^ e->number) & (HOT - 1)];

	if (!h->known || h->number != e->number || memcmp(h->digest, digest, 32) != 0) {
		h->known = 0;
		if (!sst_ticket_keys_derive(e->secret, digest, &h->keys))
			return 0;
		h->number = e->number;
		memcpy(h->digest, digest, 32);
		h->known = 1;
	}
	*ret = h->keys;
	return 1;
}

int
sst_tickets_seal(struct sst_tickets *t, time_t now, const uint8_t digest[32],
    uint8_t name[SST_TICKET_NAME], struct sst_ticket_keys *ret)
{
	const struct epoch *e;
	uint64_t epoch;
	int ok;

	lock();
	ok = refresh(t, now, &epoch);
	if (ok) {
		e = &t->vault->epochs[epoch - t->vault->first];
		ok = keys_of(t->vault, e, digest, ret);
		if (ok)
			memcpy(name, e->name, SST_TICKET_NAME);
	}
	unlock();
	return ok;
}

int
sst_tickets_open(struct sst_tickets *t, time_t now, const uint8_t digest[32],
    const uint8_t name[SST_TICKET_NAME], struct sst_ticket_keys *ret)
{
	struct vault *v = t->vault;
	uint64_t epoch;
	int ok = 0;

	lock();
	if (refresh(t, now, &epoch)) {
		/* the name stands in the clear: no secret is compared */
		for (size_t i = v->n; i > 0 && !ok; i--)
			if (memcmp(v->epochs[i - 1].name, name, SST_TICKET_NAME) == 0)
				ok = keys_of(v, &v->epochs[i - 1], digest, ret);
	}
	unlock();
	return ok;
}

/* Pages that no core dump has and, if so wished, no child. NULL with errno. */
static struct vault *
vault_new(int wipe_on_fork)
{
	void *at = mmap(NULL, VAULT_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int code;

	if (at == MAP_FAILED)
		return NULL;
	if (madvise(at, VAULT_SIZE, MADV_DONTDUMP) < 0 ||
	    (wipe_on_fork && madvise(at, VAULT_SIZE, MADV_WIPEONFORK) < 0)) {
		code = errno;
		(void)munmap(at, VAULT_SIZE);
		errno = code;
		return NULL;
	}
	return at;
}

int
sst_tickets_new(const void *master, size_t len, int wipe_on_fork,
    struct sst_tickets **ret, struct sst_error *err)
{
	struct sst_tickets *t;

	if (master != NULL && (len < SST_TICKET_MASTER_MIN || len > SST_TICKET_MASTER_MAX))
		return sst_fail(err, SST_E_USAGE, "a key for session tickets has %d to %d "
		    "bytes, not %zu", SST_TICKET_MASTER_MIN, SST_TICKET_MASTER_MAX, len);
	(void)pthread_once(&once, prepare);
	if (hkdf == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "keys for session tickets");
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	t->vault = vault_new(wipe_on_fork);
	if (t->vault == NULL) {
		free(t);
		return sst_fail_errno(err, errno, "memory for the keys of session tickets");
	}
	atomic_init(&t->refs, 1);
	atomic_init(&t->life, SST_TICKET_LIFE_S);
	if (master != NULL) {
		memcpy(t->vault->given, master, len);
		t->vault->given_len = (uint32_t)len;
	}
	t->vault->alive = ALIVE;
	*ret = t;
	return SST_OK;
}

struct sst_tickets *
sst_tickets_ref(struct sst_tickets *t)
{
	(void)atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void
sst_tickets_unref(struct sst_tickets *t)
{
	if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	OPENSSL_cleanse(t->vault, VAULT_SIZE);
	(void)munmap(t->vault, VAULT_SIZE);
	free(t);
}

void
sst_tickets_life(struct sst_tickets *t, unsigned seconds)
{
	atomic_store(&t->life, seconds < SST_TICKET_LIFE_MAX_S ? seconds :
	    SST_TICKET_LIFE_MAX_S);
}

size_t
sst_tickets_master(struct sst_tickets *t, uint8_t *out)
{
	size_t len;

	lock();
	len = t->vault->given_len;
	memcpy(out, t->vault->given, len);
	unlock();
	return len;
}

int
sst_tickets_alive(struct sst_tickets *t)
{
	int alive;

	lock();
	alive = t->vault->alive == ALIVE;
	unlock();
	return alive;
}
