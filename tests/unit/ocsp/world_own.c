/* SPDX-License-Identifier: ISC */
#include "world_own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "make_crl.h"
#include "ocsp/own_inside.h"

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	struct world *w = arg;
	const int i = q->path[2] - '0';
	const struct says *s = &w->says[i];
	const time_t from = s->this_update != 0 ? s->this_update :
	    (time_t)atomic_load(&wall);
	const time_t to = from + (s->life != 0 ? s->life : PKI_DAY);
	struct make_crl_row rows[CERTS];
	char number[8];
	size_t n = 0;

	(void)snprintf(number, sizeof(number), "%02x", atomic_load(&w->lists) + 1);
	reply->status = s->http;
	if (q->path[1] == 'o') {
		atomic_fetch_add(&w->asked[i], 1);
		reply->type = "application/ocsp-response";
		make_response(&(struct made_response){ .signer = w->ca,
		    .produced_at = from, .singles = { { .status = s->status,
		    .cert = w->cert[s->other ? (i + 1) % w->n : i],
		    .this_update = from, .next_update = to } } }, &reply->body);
		return;
	}
	atomic_fetch_add(&w->lists, 1);
	for (int k = 0; k < w->n; k++)
		if (w->says[k].listed)
			rows[n++] = (struct make_crl_row){ .cert = w->cert[k],
			    .date = from - HOUR, .extra = w->says[k].listed == 2 ?
			    MAKE_CRL_REASON(6) : MAKE_CRL_REASON(1) };
	reply->type = "application/pkix-crl";
	reply->body = make_crl(&(struct make_crl){ .this_update = from,
	    .issuer = q->path[1] == 'r' ? w->root : w->ca, .number = number,
	    .next_update = to, .rows = rows, .n_rows = n });
}

static int
on_word(void *arg, const struct sst_own_word *word)
{
	struct world *w = arg;

	(void)pthread_mutex_lock(&w->mu);
	w->n_words++;
	if (w->deaf) {
		(void)pthread_mutex_unlock(&w->mu);
		return -1;
	}
	if (word->revoked && w->n_bad < CERTS)
		memcpy(w->bad[w->n_bad++], word->leaf, 32);
	for (int i = 0; i < w->n_bad && !word->revoked; i++)
		if (memcmp(w->bad[i], word->leaf, 32) == 0)
			memcpy(w->bad[i], w->bad[--w->n_bad], 32);
	memcpy(w->leaf, word->leaf, 32);
	w->revoked = word->revoked;
	w->reason = word->reason;
	w->revoked_at = word->revoked_at;
	w->source = word->source;
	(void)snprintf(w->text, sizeof(w->text), "%s", word->text);
	(void)pthread_mutex_unlock(&w->mu);
	return 0;
}

struct pki_cert *
issue(struct world *w, const char *how)
{
	char ocsp[] = "/o0", crl[] = "/c0", san[] = "www0.example";
	const int i = w->n++;

	ocsp[2] = crl[2] = san[3] = (char)('0' + i);
	w->cert[i] = pki_issue(w->ca, &(struct pki_spec){ .san = san,
	    .ocsp = strchr(how, 'o') != NULL ? responder_url(w->r, ocsp) : NULL,
	    .crl = strchr(how, 'c') != NULL ? responder_url(w->r, crl) : NULL });
	return w->cert[i];
}

void
open_own(struct world *w, const struct sst_own_config *like)
{
	const char *const allow[] = { responder_allow(w->r), NULL };
	const struct sst_checker_config config = { .cache_dir = pki_path(w->dir, "c"),
	    .allow = allow };
	struct sst_own_config own = like != NULL ? *like : (struct sst_own_config){ 0 };

	assert_int_equal(sst_checker_new(&config, &w->checker, NULL), SST_OK);
	own.checker = w->checker;
	own.on_word = on_word;
	own.arg = w;
	assert_int_equal(sst_own_new(&own, &w->own, NULL), SST_OK);
}

void
close_own(struct world *w)
{
	sst_own_free(w->own);
	sst_checker_unref(w->checker);
	w->own = NULL;
	w->checker = NULL;
}

int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	(void)pthread_mutex_init(&w->mu, NULL);
	w->root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w->ca = pki_issue(w->root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	w->dir = pki_dir_new();
	w->r = responder_new(answer, w);
	atomic_store(&wall, PKI_NOW);
	open_own(w, NULL);
	*state = w;
	return 0;
}

int
tear_down(void **state)
{
	struct world *w = *state;

	close_own(w);
	responder_free(w->r);
	for (int i = 0; i < w->n; i++)
		pki_free(w->cert[i]);
	pki_free(w->ca);
	pki_free(w->root);
	pki_dir_free(w->dir);
	(void)pthread_mutex_destroy(&w->mu);
	free(w);
	atomic_store(&wall, 0);
	atomic_store(&wall_ahead, 0);
	return 0;
}

void
add(struct world *w, const struct pki_cert *c)
{
	STACK_OF(X509) *above = sk_X509_new_null();

	(void)sk_X509_push(above, w->ca->cert);
	assert_int_equal(sst_own_add(w->own, c->cert, above, NULL), SST_OK);
	sk_X509_free(above);
}

int
has_staple(struct world *w, const struct pki_cert *c, int64_t *until)
{
	struct sst_own_staple *s;
	uint8_t leaf[32];

	pki_digest(c, leaf);
	s = sst_own_staple(w->own, leaf);
	if (s != NULL && until != NULL)
		*until = s->until;
	sst_own_staple_unref(s);
	return s != NULL;
}

int
is_revoked(struct world *w, const struct pki_cert *c)
{
	uint8_t leaf[32];
	int found = 0;

	pki_digest(c, leaf);
	(void)pthread_mutex_lock(&w->mu);
	for (int i = 0; i < w->n_bad; i++)
		found |= memcmp(w->bad[i], leaf, 32) == 0;
	(void)pthread_mutex_unlock(&w->mu);
	return found;
}

struct sst_own_cert *
entry_of(struct world *w, const struct pki_cert *c)
{
	struct sst_own_cert *e;
	uint8_t leaf[32];

	pki_digest(c, leaf);
	sst_own_lock(w->own);
	e = sst_own_find_locked(w->own, leaf);
	sst_own_unlock(w->own);
	return e;
}

/* When something is to be done with it; INT64_MAX: others come first. */
static int64_t
turn_of(const struct sst_own_cert *e)
{
	const int idle = e->looking == SST_OWN_IDLE;
	int64_t at = INT64_MAX;

	if (e->looking == SST_OWN_LOOKED)
		return 0;
	if (!e->asking)
		at = e->fetch_at;
	if (idle && e->look_at < at)
		at = e->look_at;
	if (e->gone && idle && !e->asking && e->gone_at + SST_OWN_LINGER_S < at)
		at = e->gone_at + SST_OWN_LINGER_S;
	return at;
}

static int
is_placed(const struct sst_own *o, const struct sst_own_cert *e)
{
	const struct sst_heap *h = e->turn.in;
	const struct sst_heap_slot *slot;
	const int64_t at = turn_of(e);

	if ((h != &o->coming && h != &o->due) || e->turn.at >= h->n)
		return 0;
	slot = &h->slots[e->turn.at];
	if (slot->node != &e->turn || (e->turn.at > 0 &&
	    h->slots[(e->turn.at - 1) / 2].key > slot->key))
		return 0;
	return h == &o->coming ? slot->key == at : slot->key == -e->asked_at &&
	    at <= o->now && e->looking != SST_OWN_LOOKED;
}

int
is_in_order(struct sst_own *o)
{
	size_t n = 0, busy = 0, pending = 0;
	int good = 1;

	sst_own_lock(o);
	for (size_t i = 0; i < o->n_buckets; i++)
		for (const struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next) {
			good &= is_placed(o, e);
			n++;
			busy += (size_t)e->asking + (e->looking != SST_OWN_IDLE);
			pending += !e->answered;
		}
	good &= n == o->n && n == o->coming.n + o->due.n && busy == o->busy &&
	    pending == o->pending;
	sst_own_unlock(o);
	return good;
}

/* Somebody is at work, or has something to do now. */
static int
is_busy(struct sst_own *o)
{
	const int64_t now = atomic_load(&wall);
	int busy = 0;

	(void)pthread_mutex_lock(&o->mu);
	for (size_t i = 0; i < o->n_buckets; i++)
		for (const struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next)
			busy |= e->asking || e->looking != SST_OWN_IDLE ||
			    e->fetch_at <= now || e->look_at <= now;
	(void)pthread_mutex_unlock(&o->mu);
	return busy;
}

void
settle(struct world *w)
{
	const struct timespec pause = { .tv_nsec = 2000000 };
	const int64_t end = sst_clock_ms() + 2 * WAIT_MS;

	assert_true(sst_own_wait(w->own, WAIT_MS));
	while (sst_own_step(w->own) == 0 || is_busy(w->own)) {
		assert_true(sst_clock_ms() < end);
		(void)nanosleep(&pause, NULL);
	}
	assert_true(is_in_order(w->own));
}

void
go(struct world *w, int64_t seconds)
{
	atomic_fetch_add(&wall, seconds);
	settle(w);
}
