/* SPDX-License-Identifier: ISC */
/* memo - see memo.h. */
#include "memo.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/fail.h"

#define SHARDS		16
#define BYTES_DEFAULT	((size_t)16 << 20)
#define HOLD		6	/* certificateHold: the one reason that is taken back */
/* Of a piece, what comes before its texts. */
#define HEAD		offsetof(struct sst_evidence, url)

/* What is known of one certificate. After it come the pieces, each its head and
 * then its two texts with their NULs: most are short. */
struct entry {
	struct entry	*next;		/* in its slot */
	struct entry	*newer, *older;	/* of the shard's two lists */
	struct sst_cert_key key;
	uint64_t	 hash, generation;
	size_t		 bytes;		/* of the pieces */
	unsigned	 n;
	int		 revoked;	/* on the list that is evicted last */
	uint8_t		 pieces[];
};

#define ENTRY_OVERHEAD	(sizeof(struct entry) + 2 * sizeof(void *))	/* its slot too */

struct list {
	struct entry	*newest, *oldest;
};

struct shard {
	pthread_mutex_t	 mu;		/* guards all of it */
	struct entry	**slots;
	size_t		 n_slots;	/* a power of two */
	size_t		 bytes;		/* in use */
	struct list	 others, revoked;
	struct entry	**left;		/* of a parent, half changed: never used */
};

struct sst_memo {
	size_t		 room;		/* of one shard */
	uint64_t	 seed[2];
	struct shard	 shards[SHARDS];
};

static uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 p = (unsigned __int128)a * b;

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static uint64_t
word(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* The seed keeps whoever chooses serial numbers from choosing slots. The digests
 * in the key are uniform, so eight octets of each do. */
static uint64_t
hash_of(const struct sst_memo *m, const struct sst_cert_key *key)
{
	uint64_t h = fold(word(key->issuer.dn) ^ m->seed[0], word(key->issuer.spki) ^ m->seed[1]);
	uint8_t last[8];
	size_t i, n = key->serial_len;

	for (i = 0; i + 8 <= n; i += 8)
		h = fold(h ^ word(key->serial + i), m->seed[1] ^ 0x9e3779b97f4a7c15u);
	memset(last, 0, sizeof(last));
	memcpy(last, key->serial + i, n - i);
	return fold(h ^ word(last) ^ m->seed[0], m->seed[1] + n);
}

static void
list_remove(struct list *l, struct entry *e)
{
	*(e->newer != NULL ? &e->newer->older : &l->newest) = e->older;
	*(e->older != NULL ? &e->older->newer : &l->oldest) = e->newer;
}

static void
list_add(struct list *l, struct entry *e)
{
	e->newer = NULL;
	e->older = l->newest;
	*(l->newest != NULL ? &l->newest->newer : &l->oldest) = e;
	l->newest = e;
}

static struct list *
list_of(struct shard *s, const struct entry *e)
{
	return e->revoked ? &s->revoked : &s->others;
}

static struct shard *
shard_of(struct sst_memo *m, uint64_t hash)
{
	return &m->shards[hash >> 60];
}

static struct entry **
find_locked(struct shard *s, const struct sst_cert_key *key, uint64_t hash)
{
	struct entry **at = &s->slots[hash & (s->n_slots - 1)];

	while (*at != NULL && ((*at)->hash != hash || sst_cert_key_cmp(&(*at)->key, key) != 0))
		at = &(*at)->next;
	return at;
}

static void
remove_locked(struct shard *s, struct entry **at)
{
	struct entry *e = *at;

	*at = e->next;
	list_remove(list_of(s, e), e);
	s->bytes -= e->bytes + ENTRY_OVERHEAD;
	free(e);
}

/* Makes room for `bytes` more. What is revoked goes last. */
static void
evict_locked(struct shard *s, size_t room, size_t bytes)
{
	struct entry *e;

	while (s->bytes + bytes > room) {
		e = s->others.oldest != NULL ? s->others.oldest : s->revoked.oldest;
		if (e == NULL)
			return;
		remove_locked(s, find_locked(s, &e->key, e->hash));
	}
}

static size_t
size_of(const struct sst_evidence *list, size_t n)
{
	size_t bytes = 0;

	for (size_t i = 0; i < n; i++)
		bytes += HEAD + strnlen(list[i].url, sizeof(list[i].url) - 1) +
		    strnlen(list[i].text, sizeof(list[i].text) - 1) + 2;
	return bytes;
}

static uint8_t *
pack_text(uint8_t *p, const char *text, size_t size)
{
	size_t len = strnlen(text, size - 1);

	memcpy(p, text, len);
	p[len] = '\0';
	return p + len + 1;
}

static void
pack(uint8_t *p, const struct sst_evidence *e)
{
	memcpy(p, e, HEAD);
	p = pack_text(p + HEAD, e->url, sizeof(e->url));
	(void)pack_text(p, e->text, sizeof(e->text));
}

static const uint8_t *
unpack(const uint8_t *p, struct sst_evidence *e)
{
	size_t url, text;

	memcpy(e, p, HEAD);
	p += HEAD;
	url = strlen((const char *)p) + 1;
	memcpy(e->url, p, url);
	text = strlen((const char *)p + url) + 1;
	memcpy(e->text, p + url, text);
	return p + url + text;
}

static int
is_final(const struct sst_evidence *e)
{
	return e->status == SST_EV_REVOKED && (e->reason != HOLD || e->not_issued);
}

static int
has_status(const struct sst_evidence *list, size_t n, enum sst_evidence_status status)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].status == status)
			return 1;
	return 0;
}

/* `final_only`: what is revoked for good holds whatever the cache has become. */
static int
unpack_some(const struct entry *e, int final_only, struct sst_evidence *list, size_t max)
{
	const uint8_t *p = e->pieces;
	size_t kept = 0;

	for (unsigned i = 0; i < e->n && kept < max; i++) {
		p = unpack(p, &list[kept]);
		if (!final_only || is_final(&list[kept]))
			kept++;
	}
	return (int)kept;
}

/* 1: `good` is newer and lifts `hold`. */
static int
is_lifted(const struct sst_evidence *hold, const struct sst_evidence *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].status == SST_EV_GOOD && list[i].this_update > hold->this_update)
			return !is_final(hold);
	return 0;
}

/* The cache has lost a revocation that is remembered here: it stays, in the place of
 * something else where there is no room. Returns the pieces in list[], which has room
 * for all. */
static size_t
carry_over(const struct entry *old, struct sst_evidence *list, size_t n)
{
	const uint8_t *p = old->pieces;
	const size_t own = n;
	struct sst_evidence e;

	if (!old->revoked || has_status(list, n, SST_EV_REVOKED))
		return n;
	for (unsigned i = 0; i < old->n; i++) {
		p = unpack(p, &e);
		if (e.status != SST_EV_REVOKED || is_lifted(&e, list, own))
			continue;
		if (n < SST_MEMO_EVIDENCE)
			list[n++] = e;
		else if (list[n - 1].status != SST_EV_REVOKED)
			list[n - 1] = e;
	}
	return n;
}

int
sst_memo_new(size_t bytes, struct sst_memo **ret, struct sst_error *err)
{
	struct sst_memo *m = calloc(1, sizeof(*m));
	struct timespec t;
	size_t slots = 64;

	if (m == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	m->room = (bytes != 0 ? bytes : BYTES_DEFAULT) / SHARDS;
	/* half a kilobyte is what an entry takes as a rule */
	while (slots < m->room / 512)
		slots *= 2;
	if (getrandom(m->seed, sizeof(m->seed), GRND_NONBLOCK) != sizeof(m->seed)) {
		/* early at boot: better a weak seed than a wait */
		(void)clock_gettime(CLOCK_MONOTONIC, &t);
		m->seed[0] = (uint64_t)t.tv_nsec * 0x2545f4914f6cdd1du;
		m->seed[1] = (uint64_t)(uintptr_t)m;
	}
	m->seed[1] |= 1;
	for (int i = 0; i < SHARDS; i++) {
		(void)pthread_mutex_init(&m->shards[i].mu, NULL);
		m->shards[i].n_slots = slots;
	}
	*ret = m;
	return SST_OK;
}

void
sst_memo_free(struct sst_memo *m)
{
	if (m == NULL)
		return;
	for (int i = 0; i < SHARDS; i++) {
		struct shard *s = &m->shards[i];

		for (size_t j = 0; s->slots != NULL && j < s->n_slots; j++)
			while (s->slots[j] != NULL)
				remove_locked(s, &s->slots[j]);
		free(s->slots);
		(void)pthread_mutex_destroy(&s->mu);
	}
	free(m);
}

void
sst_memo_forked(struct sst_memo *m)
{
	for (int i = 0; i < SHARDS; i++) {
		struct shard *s = &m->shards[i];

		if (pthread_mutex_trylock(&s->mu) == 0) {
			(void)pthread_mutex_unlock(&s->mu);
			continue;
		}
		/* held by a thread that is not here: half changed, so it begins anew */
		s->left = s->slots;
		s->slots = NULL;
		s->bytes = 0;
		memset(&s->others, 0, sizeof(s->others));
		memset(&s->revoked, 0, sizeof(s->revoked));
		(void)pthread_mutex_init(&s->mu, NULL);
	}
}

int
sst_memo_get(struct sst_memo *m, const struct sst_cert_key *key, uint64_t generation,
    struct sst_evidence *list, size_t max)
{
	const uint64_t hash = hash_of(m, key);
	struct shard *s = shard_of(m, hash);
	struct entry *e;
	int n = -1;

	(void)pthread_mutex_lock(&s->mu);
	e = s->slots != NULL ? *find_locked(s, key, hash) : NULL;
	if (e != NULL) {
		n = unpack_some(e, e->generation != generation, list, max);
		if (n == 0 && e->generation != generation)
			n = -1;
		list_remove(list_of(s, e), e);
		list_add(list_of(s, e), e);
	}
	(void)pthread_mutex_unlock(&s->mu);
	return n;
}

/* Puts the pieces in the shard, in place of what is there. */
static void
store_locked(struct shard *s, size_t room, const struct entry *head,
    const struct sst_evidence *list, size_t n)
{
	struct entry *e, **at;
	uint8_t *p;

	if (head->bytes + ENTRY_OVERHEAD > room)
		return;
	e = malloc(sizeof(*e) + head->bytes);
	if (e == NULL)
		return;
	*e = *head;
	p = e->pieces;
	for (size_t i = 0; i < n; i++) {
		pack(p, &list[i]);
		p += size_of(&list[i], 1);
	}
	at = find_locked(s, &e->key, e->hash);
	if (*at != NULL)
		remove_locked(s, at);
	evict_locked(s, room, e->bytes + ENTRY_OVERHEAD);
	at = find_locked(s, &e->key, e->hash);
	e->next = *at;
	*at = e;
	list_add(list_of(s, e), e);
	s->bytes += e->bytes + ENTRY_OVERHEAD;
}

void
sst_memo_put(struct sst_memo *m, const struct sst_cert_key *key, uint64_t generation,
    const struct sst_evidence *list, size_t n)
{
	const uint64_t hash = hash_of(m, key);
	struct shard *s = shard_of(m, hash);
	struct sst_evidence all[SST_MEMO_EVIDENCE];
	struct entry head = { .key = *key, .hash = hash, .generation = generation };
	const struct entry *old;

	if (n > SST_MEMO_EVIDENCE)
		return;		/* a part of it would mislead */
	if (n > 0)
		memcpy(all, list, n * sizeof(all[0]));
	(void)pthread_mutex_lock(&s->mu);
	if (s->slots == NULL)
		s->slots = calloc(s->n_slots, sizeof(struct entry *));
	if (s->slots != NULL) {
		old = *find_locked(s, key, hash);
		if (old != NULL)
			n = carry_over(old, all, n);
		head.n = (unsigned)n;
		head.bytes = size_of(all, n);
		head.revoked = has_status(all, n, SST_EV_REVOKED);
		store_locked(s, m->room, &head, all, n);
	}
	(void)pthread_mutex_unlock(&s->mu);
}
