/* SPDX-License-Identifier: ISC */
/*
 * check - one chain, judged.
 *
 *	chain -> facts -> memory, caches, what was given -> verdict.c -> policy
 *	                  nothing fresh: work.c asks, all links at once, and again
 *
 * The public calls are in <securesockets/revocation.h>.
 */
#include "check_inside.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "policy.h"
#include "work.h"

#define INLINE_OWN	8	/* pieces of its own that need no memory on the way */
#define STATUS_REQUEST	5	/* RFC 7633 */

/* RFC 7633 4.2.2: a CA with the extension wants it of what it issues. The anchor
 * is not judged, so it has no facts. */
static int
demands_staple(X509 *ca)
{
	STACK_OF(ASN1_INTEGER) *features;
	int found = 0;

	if (X509_get_ext_by_NID(ca, NID_tlsfeature, -1) < 0)
		return 0;
	features = X509_get_ext_d2i(ca, NID_tlsfeature, NULL, NULL);
	for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
		if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == STATUS_REQUEST)
			found = 1;
	if (features == NULL)
		found = 1;	/* unreadable: the stricter reading */
	sk_ASN1_INTEGER_pop_free(features, ASN1_INTEGER_free);
	return found;
}

static int
link_init(struct sst_check *k, int i, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_link *l = &k->links[i];
	int rc;

	memset(l, 0, offsetof(struct sst_link, result) +
	    offsetof(struct sst_revocation_result, url));
	l->result.url[0] = l->result.why[0] = '\0';
	l->check = k;
	rc = sst_facts_of(k->chain[i], k->chain[i + 1], &l->facts, &why);
	if (rc == SST_E_MALFORMED || rc == SST_E_LIMIT) {
		l->facts = NULL;
		(void)snprintf(l->result.why, sizeof(l->result.why), "%.240s", why.text);
		return SST_OK;
	}
	if (rc < 0)
		return sst_fail(err, rc, "%s", why.text);
	if (l->facts->must_staple)
		k->must_staple = 1;
	return SST_OK;
}

int
sst_check_new(struct sst_checker *checker, const struct sst_revocation_policy *policy,
    struct stack_st_X509 *chain, struct sst_check **ret, struct sst_error *err)
{
	const int n = chain != NULL ? sk_X509_num(chain) : 0;
	struct sst_check *k;
	int rc = SST_OK;

	if (n <= 0)
		return sst_fail(err, SST_E_USAGE, "an empty chain");
	k = malloc(sizeof(*k) + (size_t)n * (sizeof(k->links[0]) + sizeof(X509 *)));
	if (k == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	memset(k, 0, sizeof(*k));
	(void)pthread_mutex_init(&k->mu, NULL);
	k->checker = sst_checker_ref(checker);
	if (policy != NULL)
		k->policy = *policy;
	sst_limits_of(&k->policy, &k->limits);
	k->chain = (X509 **)(void *)&k->links[n];
	for (k->n_chain = 0; k->n_chain < n; k->n_chain++) {
		k->chain[k->n_chain] = sk_X509_value(chain, k->n_chain);
		(void)X509_up_ref(k->chain[k->n_chain]);
	}
	while (!sst_check_is_off(k) && rc == SST_OK && k->n_links < n - 1)
		rc = link_init(k, k->n_links++, err);
	if (rc < 0) {
		sst_check_free(k);
		return rc;
	}
	if (n > 1 && !sst_check_is_off(k) && demands_staple(k->chain[n - 1]))
		k->must_staple = 1;
	*ret = k;
	return SST_OK;
}

int
sst_check_is_off(const struct sst_check *k)
{
	return k->policy.mode == SST_REVOCATION_OFF;
}

/* What was asked and not answered must not find the check gone. */
static void
cancel(struct sst_check *k)
{
	struct sst_work *work = sst_checker_waiter(k->checker);

	/* Also one that was answered: its call of `done` may be under way. */
	for (int i = 0; i < k->n_links; i++)
		if (k->links[i].ticket != NULL)
			sst_work_cancel(work, k->links[i].ticket);
}

void
sst_check_free(struct sst_check *k)
{
	if (k == NULL)
		return;
	if (k->asked)
		cancel(k);
	for (int i = 0; i < k->n_links; i++)
		free(k->links[i].own);
	for (int i = 0; i < k->n_chain; i++)
		X509_free(k->chain[i]);
	for (size_t i = 0; i < k->n_lines; i++)
		free(k->lines[i]);
	free(k->lines);
	free(k->signers);
	sk_X509_pop_free(k->others, X509_free);
	sst_checker_unref(k->checker);
	(void)pthread_mutex_destroy(&k->mu);
	free(k);
}

void
sst_check_at(struct sst_check *k, int64_t now)
{
	k->at = now;
}

int64_t
sst_check_time(struct sst_check *k)
{
	return k->at != 0 ? k->at : sst_checker_now(k->checker);
}

int
sst_link_add(struct sst_link *l, const struct sst_evidence *list, size_t n,
    struct sst_error *err)
{
	size_t room = l->room;
	struct sst_evidence *own;

	while (room < l->n_own + n)
		room = room != 0 ? 2 * room : 2;
	if (room != l->room) {
		own = realloc(l->own, room * sizeof(*own));
		if (own == NULL)
			return sst_fail(err, SST_E_NOMEM, "out of memory");
		l->own = own;
		l->room = room;
	}
	if (n > 0)
		memcpy(l->own + l->n_own, list, n * sizeof(*list));
	l->n_own += n;
	return SST_OK;
}

long
sst_link_evidence(struct sst_link *l, int64_t now, struct sst_evidence *room, size_t n,
    struct sst_evidence **ret_list)
{
	struct sst_check *k = l->check;
	int known = 0;

	*ret_list = room;
	l->read = 0;
	if (k->policy.use_cache != SST_SWITCH_OFF)
		known = sst_checker_look(k->checker, l->facts, now, &k->limits, room,
		    SST_KNOWN_MAX, &l->read);
	l->busy = known < 0;
	if (l->busy)
		known = 0;
	if ((size_t)known + l->n_own > n) {
		*ret_list = malloc(((size_t)known + l->n_own) * sizeof(*room));
		if (*ret_list == NULL)
			return SST_E_NOMEM;
		memcpy(*ret_list, room, (size_t)known * sizeof(*room));
	}
	if (l->n_own > 0)
		memcpy(*ret_list + known, l->own, l->n_own * sizeof(*room));
	return known + (long)l->n_own;
}

static int
can_fetch(const struct sst_check *k)
{
	return k->policy.fetch != SST_SWITCH_OFF && sst_checker_work(k->checker) != NULL;
}

static struct sst_work_ask
ask_of(const struct sst_check *k, int depth)
{
	return (struct sst_work_ask){ .cert = k->chain[depth], .issuer = k->chain[depth + 1],
	    .above = depth + 2 < k->n_chain ? k->chain[depth + 2] : NULL,
	    .others = k->others, .policy = &k->policy, .now = k->at,
	    .is_leaf = depth == 0, .budget_ms = k->policy.budget_ms != 0 ?
	    (int)k->policy.budget_ms : SST_REVOCATION_BUDGET_MS };
}

/* What decided is fetched again before it ends. Told when a cache was read, not at
 * every connection. */
static void
keep_fresh(struct sst_link *l, int depth, const struct sst_evidence *list, size_t n)
{
	const struct sst_work_ask ask = ask_of(l->check, depth);

	for (size_t i = 0; i < n; i++) {
		const struct sst_evidence *e = &list[i];

		if (e->from_cache && e->source == l->result.source && e->url[0] != '\0' &&
		    e->this_update == l->result.this_update) {
			sst_work_keep(sst_checker_work(l->check->checker), &ask, e);
			return;
		}
	}
}

static int
judge(struct sst_link *l, int depth, int64_t now, struct sst_error *err)
{
	struct sst_check *k = l->check;
	struct sst_evidence room[SST_KNOWN_MAX + INLINE_OWN], *list;
	const struct sst_case c = { .facts = l->facts, .depth = depth, .now = now,
	    .must_staple = depth == 0 && k->must_staple, .policy = &k->policy };
	long n;

	l->wanted = 0;
	if (l->facts == NULL) {
		l->result.verdict = SST_VERDICT_ERROR;
		l->result.reason = -1;
		return SST_OK;
	}
	n = sst_link_evidence(l, now, room, SST_KNOWN_MAX + INLINE_OWN, &list);
	if (n < 0)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	sst_verdict_of(&c, list, (size_t)n, &l->result);
	if (l->result.verdict == SST_VERDICT_GOOD && k->at == 0)
		sst_checker_saw(k->checker, now);
	if (l->read && l->result.from_cache && can_fetch(k))
		keep_fresh(l, depth, list, (size_t)n);
	if (list != room)
		free(list);
	l->wanted = !k->asked && (l->busy ||
	    (can_fetch(k) && sst_verdict_may_improve(&c, &l->result)));
	return SST_OK;
}

static int
refuse(const struct sst_check *k, int depth, struct sst_error *err)
{
	const X509_NAME *name = X509_get_subject_name(k->chain[depth]);
	char line[256], text[160];

	if (X509_NAME_oneline(name, line, sizeof(line)) == NULL)
		line[0] = '\0';
	return sst_fail(err, SST_E_REFUSED, "the %s %s was refused: %s",
	    depth == 0 ? "certificate" : "CA certificate",
	    sst_escape(text, sizeof(text), line, strlen(line)), k->links[depth].result.why);
}

static int
judge_locked(struct sst_check *k, struct sst_error *err)
{
	const int64_t now = sst_check_time(k);
	int refused = -1, final = -1, wanted = 0, rc;

	if (k->starved)
		return sst_fail(err, SST_E_NOMEM, "out of memory: what is known of the "
		    "chain's revocation is lost");
	for (int i = 0; i < k->n_links; i++) {
		const struct sst_link *l = &k->links[i];

		rc = judge(&k->links[i], i, now, err);
		if (rc < 0)
			return rc;
		wanted |= l->wanted;
		if (!l->result.accepted && refused < 0)
			refused = i;
		if (!l->result.accepted && !l->wanted && final < 0)
			final = i;
	}
	/* what one link is refused for, no answer about another changes */
	if (final >= 0)
		return refuse(k, final, err);
	if (wanted)
		return 0;
	return refused < 0 ? 1 : refuse(k, refused, err);
}

int
sst_check_now(struct sst_check *k, struct sst_error *err)
{
	int rc;

	if (sst_check_is_off(k) || k->n_chain == 1)
		return 1;
	rc = sst_checker_ready(k->checker, err);
	if (rc < 0)
		return rc;
	(void)pthread_mutex_lock(&k->mu);
	rc = judge_locked(k, err);
	(void)pthread_mutex_unlock(&k->mu);
	return rc;
}

/* Ends one of the things that are waited for. 1: it was the last. */
static int
settle(struct sst_check *k, struct sst_link *l)
{
	int last;

	(void)pthread_mutex_lock(&k->mu);
	if (l != NULL)
		l->waiting = 0;
	last = --k->pending == 0;
	(void)pthread_mutex_unlock(&k->mu);
	return last;
}

/* On the checker's thread. */
static void
on_answer(void *arg, const struct sst_evidence *list, size_t n)
{
	struct sst_link *l = arg;
	struct sst_check *k = l->check;

	(void)pthread_mutex_lock(&k->mu);
	/* what is not remembered might have been a revocation */
	if (sst_link_add(l, list, n, NULL) < 0)
		k->starved = 1;
	for (size_t i = 0; i < n; i++)
		if (list[i].fault == SST_FAULT_MEMORY)
			k->starved = 1;
	(void)pthread_mutex_unlock(&k->mu);
	if (settle(k, l))
		k->done(k->arg);	/* which may free the check */
}

static void
starve(struct sst_check *k)
{
	(void)pthread_mutex_lock(&k->mu);
	k->starved = 1;
	(void)pthread_mutex_unlock(&k->mu);
}

/* On the checker's thread, which may wait for who has the cache locked. */
static int
look_again(void *arg, struct sst_evidence *list, size_t max)
{
	struct sst_link *l = arg;
	struct sst_check *k = l->check;

	return sst_checker_known(k->checker, l->facts, sst_check_time(k), &k->limits, list,
	    max);
}

static void
ask(struct sst_check *k, int i)
{
	struct sst_link *l = &k->links[i];
	struct sst_work_ask wish = ask_of(k, i);
	struct sst_error why = { .code = SST_OK };
	int rc;

	(void)pthread_mutex_lock(&k->mu);
	l->waiting = 1;
	k->pending++;
	(void)pthread_mutex_unlock(&k->mu);
	wish.no_fetch = !can_fetch(k);
	wish.look = l->busy ? look_again : NULL;
	rc = sst_work_ask(sst_checker_waiter(k->checker), &wish, on_answer, l, &l->ticket,
	    &why);
	if (rc == SST_E_NOMEM)
		starve(k);
	/* what else cannot be asked is not known: verdict.c says what that means */
	if (rc < 0)
		(void)settle(k, l);
}

int
sst_check_start(struct sst_check *k, void (*done)(void *arg), void *arg,
    struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	int rc = sst_check_now(k, &why);

	if (rc < 0 && rc != SST_E_REFUSED)
		return sst_fail(err, rc, "%s", why.text);
	k->done = done;
	k->arg = arg;
	k->pending = 1;		/* this call itself */
	if (rc == 0) {
		k->asked = 1;
		for (int i = 0; i < k->n_links; i++)
			if (k->links[i].wanted)
				ask(k, i);
	}
	if (settle(k, NULL))
		done(arg);
	return SST_OK;
}

static void
on_done(void *arg)
{
	(void)sem_post(arg);
}

int
sst_check_wait(struct sst_check *k, struct sst_error *err)
{
	int rc = sst_check_now(k, err);
	sem_t sem;

	if (rc == 0) {
		(void)sem_init(&sem, 0, 0);
		rc = sst_check_start(k, on_done, &sem, err);
		while (rc == SST_OK && sem_wait(&sem) < 0 && errno == EINTR)
			continue;
		(void)sem_destroy(&sem);
		if (rc == SST_OK)
			rc = sst_check_now(k, err);
	}
	return rc == 1 ? SST_OK : rc;
}

int
sst_check_count(const struct sst_check *k)
{
	return k->n_chain - 1;
}

const struct sst_revocation_result *
sst_check_result(const struct sst_check *k, int depth)
{
	static const struct sst_revocation_result off = { .verdict = SST_VERDICT_UNKNOWN,
	    .accepted = 1, .reason = -1, .why = "not judged: the policy is off" };

	if (depth < 0 || depth >= k->n_chain - 1)
		return NULL;
	return sst_check_is_off(k) ? &off : &k->links[depth].result;
}
