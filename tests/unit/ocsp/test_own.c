/* SPDX-License-Identifier: ISC */
/* Tests of own.c: staples for certificates of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ocsp/cache.h"
#include "ocsp/checker.h"
#include "ocsp/own_inside.h"
#include "support/starve.h"
#include "world_own.h"

static void
cs_40_a_staple_is_there_before_anybody_asks_where_somebody_can_be_asked(void **state)
{
	struct world *w = *state;
	struct pki_cert *with = issue(w, "o"), *without = issue(w, "");

	add(w, with);
	add(w, without);
	assert_int_equal(sst_own_pending(w->own), 1);
	assert_false(has_staple(w, with, NULL));
	settle(w);
	assert_int_equal(sst_own_pending(w->own), 0);
	assert_true(has_staple(w, with, NULL));
	/* it names nobody who could be asked, and nothing is wrong with that */
	assert_false(has_staple(w, without, NULL));
	assert_int_equal(w->asked[0], 1);
	assert_int_equal(w->asked[1], 0);
}

static void
cs_38_what_a_peer_would_be_refused_for_is_not_served(void **state)
{
	static const struct says wrong[] = { { .status = MADE_REVOKED },
	    { .status = MADE_UNKNOWN }, { .other = 1 }, { .http = 500 },
	    { .this_update = PKI_NOW - 2 * PKI_DAY },
	    { .this_update = PKI_NOW + HOUR } };

	for (size_t i = 0; i <= sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct world *w;
		void *fresh = NULL;
		int last = i == sizeof(wrong) / sizeof(wrong[0]);

		(void)set_up(&fresh);
		w = fresh;
		(void)issue(w, "o");
		(void)issue(w, "");
		if (!last)
			w->says[0] = wrong[i];
		add(w, w->cert[0]);
		settle(w);
		assert_true(w->asked[0] > 0);
		assert_int_equal(has_staple(w, w->cert[0], NULL), last);
		(void)tear_down(&fresh);
	}
	(void)state;
}

static void
it_is_fetched_anew_at_half_of_its_life_and_a_little_later(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");
	int64_t first, second;

	add(w, c);
	settle(w);
	assert_true(has_staple(w, c, &first));
	assert_int_equal(first, PKI_NOW + PKI_DAY);
	go(w, PKI_DAY / 2 - 60);
	assert_int_equal(w->asked[0], 1);
	/* a tenth of the life is what it is spread over */
	go(w, PKI_DAY / 10 + 120);
	assert_int_equal(w->asked[0], 2);
	assert_true(has_staple(w, c, &second));
	assert_int_equal(second, first + PKI_DAY / 2 + PKI_DAY / 10 + 60);
	go(w, 300);
	assert_int_equal(w->asked[0], 2);
}

static void
rv_55_none_is_served_at_its_end_or_after_it(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");

	add(w, c);
	settle(w);
	w->says[0].http = 500;
	/* the old one is kept while the responder is down, ... */
	go(w, PKI_DAY - HOUR);
	assert_true(w->asked[0] > 1);
	assert_true(has_staple(w, c, NULL));
	atomic_store(&wall, PKI_NOW + PKI_DAY - 1);
	assert_true(has_staple(w, c, NULL));
	/* ... and not a second longer than it says */
	atomic_store(&wall, PKI_NOW + PKI_DAY);
	assert_false(has_staple(w, c, NULL));
	w->says[0].http = 0;
	go(w, 2 * HOUR);
	assert_true(has_staple(w, c, NULL));
}

static void
who_has_a_staple_keeps_it_when_a_newer_one_comes(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");
	struct sst_own_staple *old, *new;
	unsigned char copy[4096];
	uint8_t leaf[32];

	add(w, c);
	settle(w);
	pki_digest(c, leaf);
	old = sst_own_staple(w->own, leaf);
	assert_non_null(old);
	assert_true(old->len < sizeof(copy));
	memcpy(copy, old->der, old->len);
	go(w, PKI_DAY * 2 / 3);
	new = sst_own_staple(w->own, leaf);
	assert_ptr_not_equal(old, new);
	assert_memory_equal(copy, old->der, old->len);
	sst_own_staple_unref(old);
	sst_own_staple_unref(new);
}

static void
rv_56_the_staple_of_the_certificate_before_is_not_used(void **state)
{
	struct world *w = *state;
	struct pki_cert *old = issue(w, "o"), *new;

	add(w, old);
	settle(w);
	/* the same name, key and issuer, another certificate; and its responder is down */
	w->cert[1] = pki_issue(w->ca, &(struct pki_spec){ .san = "www0.example",
	    .use_key = old->key, .ocsp = responder_url(w->r, "/o1") });
	w->n = 2;
	new = w->cert[1];
	w->says[1].http = 500;
	add(w, new);
	settle(w);
	assert_true(has_staple(w, old, NULL));
	assert_false(has_staple(w, new, NULL));
	/* what is served no more is known no more, when nobody shows it any more */
	sst_own_sync_begin(w->own);
	add(w, new);
	sst_own_sync_end(w->own, NULL, NULL);
	settle(w);
	assert_int_equal(w->own->n, 2);
	atomic_fetch_add(&wall, SST_OWN_LINGER_S);
	assert_false(has_staple(w, old, NULL));
	settle(w);
	assert_int_equal(w->own->n, 1);
	assert_false(has_staple(w, old, NULL));
	w->says[1].http = 0;
	go(w, 2 * HOUR);
	assert_true(has_staple(w, new, NULL));
}

static int
is_one(void *arg, const uint8_t leaf[32])
{
	uint8_t one[32];

	pki_digest(arg, one);
	return memcmp(leaf, one, sizeof(one)) == 0;
}

static void
of_what_was_not_named_who_still_has_it_is_asked(void **state)
{
	struct world *w = *state;
	struct pki_cert *kept = issue(w, "o"), *left = issue(w, "o"), *named = issue(w, "o");

	add(w, kept);
	add(w, left);
	add(w, named);
	settle(w);
	sst_own_sync_begin(w->own);
	add(w, named);
	sst_own_sync_end(w->own, is_one, kept);
	atomic_fetch_add(&wall, SST_OWN_LINGER_S);
	settle(w);
	assert_int_equal(w->own->n, 2);
	assert_true(has_staple(w, kept, NULL));
	assert_true(has_staple(w, named, NULL));
	assert_false(has_staple(w, left, NULL));
}

/* It was chosen just before another took its place; its staple is asked for after. */
static void
a_handshake_under_way_gets_the_staple_of_what_it_was_to_show(void **state)
{
	struct world *w = *state;
	struct pki_cert *old = issue(w, "o");

	add(w, old);
	settle(w);
	for (int i = 0; i < 2; i++) {
		sst_own_sync_begin(w->own);
		sst_own_sync_end(w->own, NULL, NULL);
		settle(w);
		assert_true(has_staple(w, old, NULL));
		/* also when all is gone through a second time */
		atomic_fetch_add(&wall, SST_OWN_LINGER_S / 2 - i);
	}
	assert_true(has_staple(w, old, NULL));
	atomic_fetch_add(&wall, 1);
	assert_false(has_staple(w, old, NULL));
	settle(w);
	assert_int_equal(w->own->n, 0);
	assert_int_equal(w->asked[0], 1);
}

static void
what_comes_back_is_seen_to_again(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");

	/* it goes while its responder is being asked, and so cannot be forgotten yet */
	responder_hold(w->r);
	add(w, c);
	assert_false(sst_own_wait(w->own, 10));
	responder_wait(w->r, 1);
	sst_own_sync_begin(w->own);
	sst_own_sync_end(w->own, NULL, NULL);
	(void)sst_own_step(w->own);
	add(w, c);
	responder_let_go(w->r);
	settle(w);
	assert_true(has_staple(w, c, NULL));
	go(w, PKI_DAY * 2 / 3);
	assert_true(w->asked[0] >= 2);
	/* the same with nobody at work */
	sst_own_sync_begin(w->own);
	sst_own_sync_end(w->own, NULL, NULL);
	atomic_fetch_add(&wall, SST_OWN_LINGER_S);
	assert_false(has_staple(w, c, NULL));
	add(w, c);
	assert_true(has_staple(w, c, NULL));
	go(w, PKI_DAY * 2 / 3);
	assert_true(w->asked[0] >= 3);
}

static void
about_what_left_before_its_turn_nobody_is_asked(void **state)
{
	struct world *w = *state;
	uint8_t leaf[32];

	pki_digest(issue(w, "oc"), leaf);
	for (int i = 0; i < 2; i++) {
		add(w, w->cert[0]);
		assert_int_equal(sst_own_pending(w->own), 1);
		if (i == 0) {
			sst_own_sync_begin(w->own);
			sst_own_sync_end(w->own, NULL, NULL);
		} else {
			sst_own_drop(w->own, leaf);
		}
		assert_int_equal(sst_own_pending(w->own), 0);
		settle(w);
		assert_int_equal(w->asked[0] + w->lists, 0);
	}
	add(w, w->cert[0]);
	settle(w);
	/* whether its list is read too depends on which answer comes first */
	assert_int_equal(w->asked[0], 1);
}

static void *
wait_long(void *arg)
{
	struct world *w = arg;

	return sst_own_wait(w->own, WAIT_MS) ? w : NULL;
}

/* Somebody asks for a staple just now. */
static int
is_asking(struct sst_own *o)
{
	int asking = 0;

	(void)pthread_mutex_lock(&o->mu);
	for (size_t i = 0; i < o->n_buckets; i++)
		for (const struct sst_own_cert *e = o->buckets[i]; e != NULL; e = e->next)
			asking |= e->asking;
	(void)pthread_mutex_unlock(&o->mu);
	return asking;
}

/* A wait for one that leaves ends, and not with the fetch. */
static void
see_wait_end(struct world *w, int by_itself)
{
	struct pki_cert *c = issue(w, "o");
	uint8_t leaf[32];
	pthread_t thread;
	void *waited;

	pki_digest(c, leaf);
	responder_hold(w->r);
	add(w, c);
	assert_int_equal(pthread_create(&thread, NULL, wait_long, w), 0);
	responder_wait(w->r, 1);
	if (by_itself) {
		sst_own_drop(w->own, leaf);
	} else {
		sst_own_sync_begin(w->own);
		sst_own_sync_end(w->own, NULL, NULL);
	}
	assert_int_equal(pthread_join(thread, &waited), 0);
	assert_ptr_equal(waited, w);
	assert_true(is_asking(w->own));
	responder_let_go(w->r);
}

static void
who_waits_for_what_leaves_waits_no_more(void **state)
{
	see_wait_end(*state, 0);
}

static void
who_waits_for_one_that_leaves_by_itself_waits_no_more(void **state)
{
	see_wait_end(*state, 1);
}

static void
rv_57_a_staple_outlives_its_certificate(void **state)
{
	struct world *w = *state;

	w->cert[0] = pki_issue(w->ca, &(struct pki_spec){ .san = "www0.example",
	    .not_after = PKI_NOW + HOUR, .ocsp = responder_url(w->r, "/o0") });
	w->n = 1;
	add(w, w->cert[0]);
	settle(w);
	assert_true(has_staple(w, w->cert[0], NULL));
	atomic_store(&wall, PKI_NOW + 2 * HOUR);
	assert_true(has_staple(w, w->cert[0], NULL));
	atomic_store(&wall, PKI_NOW + PKI_DAY);
	assert_false(has_staple(w, w->cert[0], NULL));
}

static void
the_next_process_has_the_staple_at_once(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o"), *unknown = issue(w, "o");

	add(w, c);
	settle(w);
	close_own(w);
	open_own(w, NULL);
	add(w, c);
	add(w, unknown);
	assert_true(has_staple(w, c, NULL));
	assert_false(has_staple(w, unknown, NULL));
	settle(w);
	assert_int_equal(w->asked[0], 1);
	assert_int_equal(w->asked[1], 1);
	/* what the cache has and has expired is of no use */
	close_own(w);
	atomic_store(&wall, PKI_NOW + 2 * PKI_DAY);
	open_own(w, NULL);
	add(w, c);
	assert_false(has_staple(w, c, NULL));
}

static void
a_policy_without_fetching_asks_nobody(void **state)
{
	static const struct sst_revocation_policy still = { .fetch = SST_SWITCH_OFF };
	struct world *w = *state;
	struct pki_cert *c = issue(w, "oc"), *known = issue(w, "oc");
	int asked, lists;

	add(w, known);
	settle(w);
	assert_true(has_staple(w, known, NULL));
	close_own(w);
	asked = w->asked[1];
	lists = w->lists;
	open_own(w, &(struct sst_own_config){ .policy = &still });
	add(w, c);
	add(w, known);
	settle(w);
	assert_int_equal(sst_own_pending(w->own), 0);
	assert_false(has_staple(w, c, NULL));
	/* what is kept is served all the same */
	assert_true(has_staple(w, known, NULL));
	assert_int_equal(w->asked[0], 0);
	assert_int_equal(w->asked[1], asked);
	assert_int_equal(w->lists, lists);
}

static void
an_issuer_that_the_chain_lacks_is_found_among_the_anchors(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");
	X509_STORE *anchors = X509_STORE_new();

	/* nobody knows who issued it: it is passed over */
	assert_int_equal(sst_own_add(w->own, c->cert, NULL, NULL), SST_OK);
	settle(w);
	assert_false(has_staple(w, c, NULL));
	close_own(w);
	(void)X509_STORE_add_cert(anchors, w->ca->cert);
	open_own(w, &(struct sst_own_config){ .anchors = anchors });
	X509_STORE_free(anchors);
	assert_int_equal(sst_own_add(w->own, c->cert, NULL, NULL), SST_OK);
	settle(w);
	assert_true(has_staple(w, c, NULL));
	close_own(w);
	/* what the chain has need not be among them */
	anchors = X509_STORE_new();
	(void)X509_STORE_add_cert(anchors, w->root->cert);
	open_own(w, &(struct sst_own_config){ .anchors = anchors });
	X509_STORE_free(anchors);
	add(w, c);
	settle(w);
	assert_true(has_staple(w, c, NULL));
}

static void
a_wait_ends_when_its_time_is_up(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");

	responder_hold(w->r);
	add(w, c);
	assert_false(sst_own_wait(w->own, 50));
	assert_int_equal(sst_own_pending(w->own), 1);
	responder_let_go(w->r);
	assert_true(sst_own_wait(w->own, WAIT_MS));
	assert_true(has_staple(w, c, NULL));
}

/* It is let go while its answer is under way. */
static void
the_end_waits_for_nobody(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "oc");

	responder_hold(w->r);
	add(w, c);
	assert_false(sst_own_wait(w->own, 10));
	responder_wait(w->r, 1);
	assert_int_equal(sst_own_pending(w->own), 1);
	close_own(w);
	responder_let_go(w->r);
	assert_int_equal(w->n_words, 0);
}

static void
a_child_goes_on_with_what_there_is(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o"), *later = issue(w, "o");
	int status = 0;
	pid_t pid;

	add(w, c);
	settle(w);
	responder_hold(w->r);
	add(w, later);
	assert_false(sst_own_wait(w->own, 10));
	pid = fork();
	if (pid == 0) {
		int good = has_staple(w, c, NULL) && !has_staple(w, later, NULL);

		/* the parent's thread asked for it; now nobody does but the child */
		good = good && !sst_own_wait(w->own, 10);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	responder_let_go(w->r);
	assert_int_equal(status, 0);
	settle(w);
	assert_true(has_staple(w, later, NULL));
}

/* What a thread of the parent's was at is begun again, also where it answers last. */
static void
a_child_asks_itself_for_what_its_parent_had_asked_for(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o"), *listed = issue(w, "c");
	int status = 0, go_on[2];
	char byte = 0;
	pid_t pid;

	w->says[1].listed = 1;
	responder_hold(w->r);
	add(w, c);
	add(w, listed);
	assert_false(sst_own_wait(w->own, 10));
	responder_wait(w->r, 2);
	assert_int_equal(pipe(go_on), 0);
	pid = fork();
	if (pid == 0) {
		const int64_t end = sst_clock_ms() + WAIT_MS;

		(void)close(go_on[1]);
		(void)read(go_on[0], &byte, 1);	/* its end: the responder speaks again */
		while (sst_clock_ms() < end && (!has_staple(w, c, NULL) ||
		    !is_revoked(w, listed)))
			(void)sst_own_wait(w->own, 10);
		_exit(has_staple(w, c, NULL) && is_revoked(w, listed) ? 0 : 1);
	}
	responder_let_go(w->r);
	(void)close(go_on[0]);
	(void)close(go_on[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* So many that name nobody, with one key. */
static void
add_crowd(struct world *w, int n)
{
	for (int i = 0; i < n; i++) {
		struct pki_cert *c = pki_issue(w->ca, &(struct pki_spec){
		    .san = "www.example", .use_key = w->ca->key });

		add(w, c);
		pki_free(c);
	}
}

/* Who looks through what is served has the time for it, and who serves has not: what is
 * added after that waits for no file. */
static void
the_cache_is_open_before_the_first_is_added(void **state)
{
	struct world *w = *state;

	assert_null(sst_checker_own(w->checker));
	sst_own_sync_begin(w->own);
	assert_non_null(sst_checker_own(w->checker));
	assert_int_equal(sst_cache_mode(sst_checker_own(w->checker)), SST_CACHE_WRITER);
	assert_false(sst_cache_opening(sst_checker_own(w->checker)));
	sst_own_sync_end(w->own, NULL, NULL);
}

static void
one_among_many_is_seen_to(void **state)
{
	struct world *w = *state;
	struct pki_cert *first = issue(w, "o"), *last = issue(w, "o");

	add(w, first);
	add_crowd(w, 1500);
	add(w, last);
	settle(w);
	assert_true(has_staple(w, first, NULL));
	assert_true(has_staple(w, last, NULL));
	assert_int_equal(w->own->n, 1502);
	/* in the table, none is far from where it is looked for */
	assert_true(w->own->n_buckets >= w->own->n);
	/* and all but one go */
	sst_own_sync_begin(w->own);
	add(w, last);
	sst_own_sync_end(w->own, NULL, NULL);
	atomic_fetch_add(&wall, SST_OWN_LINGER_S);
	settle(w);
	assert_int_equal(w->own->n, 1);
	assert_false(has_staple(w, first, NULL));
	assert_true(has_staple(w, last, NULL));
}

static void
who_was_asked_for_lately_comes_first_and_not_all_at_once(void **state)
{
	struct world *w = *state;
	struct sst_own_due list[SST_OWN_AT_ONCE];
	struct pki_cert *first = issue(w, "");
	struct sst_own_cert *one = NULL;
	size_t n, begun = 0;
	uint8_t leaf[32];
	int more = 1;

	add(w, first);
	add_crowd(w, SST_OWN_BUSY + 20);
	atomic_fetch_add(&wall, 1);
	/* a client wants its staple, and there is none */
	assert_false(has_staple(w, first, NULL));
	pki_digest(first, leaf);
	n = sst_own_due(w->own, PKI_NOW, list, &more);
	assert_int_equal(n, SST_OWN_AT_ONCE);
	assert_memory_equal(list[0].e->leaf, leaf, 32);
	assert_int_equal(list[0].fetch, 0);
	while (n > 0) {
		begun += n;
		one = list[0].e;
		assert_int_equal(more, begun < SST_OWN_BUSY);
		n = sst_own_due(w->own, PKI_NOW, list, &more);
	}
	assert_int_equal(begun, SST_OWN_BUSY);
	assert_false(more);
	/* one is over, and the next begins */
	assert_non_null(one);
	one->looking = SST_OWN_LOOKED;
	one->look_at = INT64_MAX;
	sst_own_order_locked(one);
	assert_int_equal(sst_own_due(w->own, PKI_NOW, list, &more), 1);
	assert_false(more);
}

/* What leaves needs no memory to do so; what is still there stays. */
static void
what_leaves_goes_also_where_there_is_no_memory(void **state)
{
	struct world *w = *state;
	struct pki_cert *kept = issue(w, ""), *left = issue(w, "");
	uint8_t leaf[2][32];

	pki_digest(kept, leaf[0]);
	pki_digest(left, leaf[1]);
	for (int n = 1, hit = 1; hit; n++) {
		add(w, kept);
		add(w, left);
		sst_own_sync_begin(w->own);
		starve_arm(n, STARVE_OURS);
		sst_own_sync_end(w->own, is_one, kept);
		hit = starve_over();
		assert_true(sst_own_knows(w->own, leaf[0]));
		assert_false(sst_own_knows(w->own, leaf[1]));
	}
}

/* While all of them are looked up, the table is another. */
struct growing {
	struct world *w;
	int n;
};

static int
has_and_grows(void *arg, const uint8_t leaf[32])
{
	struct growing *g = arg;

	(void)leaf;
	if (g->n++ == 0)
		add_crowd(g->w, 2 * SST_OWN_BUCKETS);
	return 0;
}

static void
none_is_passed_over_where_the_table_grows_meanwhile(void **state)
{
	struct world *w = *state;
	struct growing g = { .w = w };
	size_t n = 0;

	add_crowd(w, SST_OWN_BUCKETS);
	sst_own_sync_begin(w->own);
	sst_own_sync_end(w->own, has_and_grows, &g);
	assert_int_equal(g.n, SST_OWN_BUCKETS);
	for (size_t i = 0; i < w->own->n_buckets; i++)
		for (const struct sst_own_cert *e = w->own->buckets[i]; e != NULL; e = e->next)
			n += e->gone;
	assert_int_equal(n, SST_OWN_BUCKETS);
	assert_int_equal(w->own->n, 3 * SST_OWN_BUCKETS);
}

/* Who steps while another does: of a word that this one tells. */
static struct {
	struct sst_own	*own;
	int		 inside;	/* steps as well */
	unsigned	 n, said;
} stepper;

static int
step_again(void *arg, const struct sst_own_word *word)
{
	(void)arg;
	(void)word;
	stepper.n++;
	if (stepper.inside)
		stepper.said = sst_own_step(stepper.own);
	return 0;
}

static void
who_steps_while_another_does_has_that_one_look_again(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c");
	STACK_OF(X509) *above = sk_X509_new_null();
	unsigned again;

	/* so that the list is there, and a step judges by it at once */
	w->says[0].listed = 1;
	add(w, c);
	settle(w);
	(void)sk_X509_push(above, w->ca->cert);
	for (stepper.inside = 0; stepper.inside < 2; stepper.inside++) {
		assert_int_equal(sst_own_new(&(struct sst_own_config){ .checker = w->checker,
		    .on_word = step_again }, &stepper.own, NULL), SST_OK);
		assert_int_equal(sst_own_add(stepper.own, c->cert, above, NULL), SST_OK);
		stepper.n = stepper.said = 0;
		again = sst_own_step(stepper.own);
		assert_int_equal(stepper.n, 1);
		assert_int_equal(stepper.said, stepper.inside);
		assert_int_equal(again == 0, stepper.inside);
		/* and that is said once */
		assert_true(sst_own_step(stepper.own) > 0);
		sst_own_free(stepper.own);
	}
	sk_X509_free(above);
}

#define ADDING	64	/* times that two threads add the same one */

struct adding {
	struct world	*w;
	pthread_barrier_t both;
	struct pki_cert	*cert[ADDING];
};

static void *
add_each(void *arg)
{
	struct adding *a = arg;

	for (int i = 0; i < ADDING; i++) {
		(void)pthread_barrier_wait(&a->both);
		add(a->w, a->cert[i]);
	}
	return NULL;
}

static void
one_that_two_add_at_once_is_there_once(void **state)
{
	struct adding a = { .w = *state };
	pthread_t thread;

	(void)pthread_barrier_init(&a.both, NULL, 2);
	for (int i = 0; i < ADDING; i++)
		a.cert[i] = pki_issue(a.w->ca, &(struct pki_spec){ .san = "www.example",
		    .use_key = a.w->ca->key });
	assert_int_equal(pthread_create(&thread, NULL, add_each, &a), 0);
	(void)add_each(&a);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(a.w->own->n, ADDING);
	for (int i = 0; i < ADDING; i++)
		pki_free(a.cert[i]);
	(void)pthread_barrier_destroy(&a.both);
}

/* A child begins anew once, and not each time. */
static void
what_a_child_has_begun_goes_on(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");
	int status = 0;
	pid_t pid;

	responder_hold(w->r);
	add(w, c);
	assert_false(sst_own_wait(w->own, 10));
	pid = fork();
	if (pid == 0) {
		int good;

		(void)alarm(20);
		(void)sst_own_step(w->own);
		good = is_asking(w->own);
		good = good && sst_own_pending(w->own) == 1 && is_asking(w->own);
		_exit(good ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	responder_let_go(w->r);
	assert_int_equal(status, 0);
}

#define EACH(test)	cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(cs_40_a_staple_is_there_before_anybody_asks_where_somebody_can_be_asked),
		cmocka_unit_test(cs_38_what_a_peer_would_be_refused_for_is_not_served),
		EACH(it_is_fetched_anew_at_half_of_its_life_and_a_little_later),
		EACH(rv_55_none_is_served_at_its_end_or_after_it),
		EACH(who_has_a_staple_keeps_it_when_a_newer_one_comes),
		EACH(rv_56_the_staple_of_the_certificate_before_is_not_used),
		EACH(of_what_was_not_named_who_still_has_it_is_asked),
		EACH(a_handshake_under_way_gets_the_staple_of_what_it_was_to_show),
		EACH(what_comes_back_is_seen_to_again),
		EACH(about_what_left_before_its_turn_nobody_is_asked),
		EACH(who_waits_for_what_leaves_waits_no_more),
		EACH(who_waits_for_one_that_leaves_by_itself_waits_no_more),
		EACH(rv_57_a_staple_outlives_its_certificate),
		EACH(the_next_process_has_the_staple_at_once),
		EACH(a_policy_without_fetching_asks_nobody),
		EACH(an_issuer_that_the_chain_lacks_is_found_among_the_anchors),
		EACH(a_wait_ends_when_its_time_is_up),
		EACH(the_end_waits_for_nobody),
		EACH(a_child_goes_on_with_what_there_is),
		EACH(a_child_asks_itself_for_what_its_parent_had_asked_for),
		EACH(the_cache_is_open_before_the_first_is_added),
		EACH(one_among_many_is_seen_to),
		EACH(who_was_asked_for_lately_comes_first_and_not_all_at_once),
		EACH(what_leaves_goes_also_where_there_is_no_memory),
		EACH(none_is_passed_over_where_the_table_grows_meanwhile),
		EACH(who_steps_while_another_does_has_that_one_look_again),
		EACH(one_that_two_add_at_once_is_there_once),
		EACH(what_a_child_has_begun_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
