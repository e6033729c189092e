/* SPDX-License-Identifier: ISC */
/* Tests of own.c: staples for certificates of our own, and the watch over them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_crl.h"
#include "make_response.h"
#include "ocsp/own.h"
#include "support/responder.h"

#define HOUR	((time_t)3600)
#define WAIT_MS	20000

/* The wall clock as this program has it (linked with --wrap): 0: as it is. */
static _Atomic int64_t wall;

int	__real_clock_gettime(clockid_t, struct timespec *);
int	__wrap_clock_gettime(clockid_t, struct timespec *);

int
__wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = __real_clock_gettime(id, t);

	if (id == CLOCK_REALTIME && atomic_load(&wall) != 0)
		t->tv_sec = atomic_load(&wall);
	return rc;
}

/* What the server says of the certificate whose number its path has. */
struct says {
	enum made_status status;
	int		 http;		/* 0: 200 */
	int		 other;		/* speaks of another certificate */
	time_t		 this_update, life;	/* 0: the wall clock's; a day */
	int		 listed;	/* by the list; 2: on hold */
};

#define CERTS	4

struct world {
	struct pki_cert	*root, *ca, *cert[CERTS];
	int		 n;
	struct says	 says[CERTS];
	struct responder *r;
	_Atomic int	 asked[CERTS], lists;	/* OCSP requests; lists */
	char		*dir;
	struct sst_checker *checker;
	struct sst_own	*own;
	/* words that were told */
	pthread_mutex_t	 mu;
	int		 n_words;
	uint8_t		 leaf[32];
	int		 revoked, reason;
	int64_t		 revoked_at;
	enum sst_evidence_source source;
	char		 text[300];
};

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

static void
on_word(void *arg, const struct sst_own_word *word)
{
	struct world *w = arg;

	(void)pthread_mutex_lock(&w->mu);
	w->n_words++;
	memcpy(w->leaf, word->leaf, 32);
	w->revoked = word->revoked;
	w->reason = word->reason;
	w->revoked_at = word->revoked_at;
	w->source = word->source;
	(void)snprintf(w->text, sizeof(w->text), "%s", word->text);
	(void)pthread_mutex_unlock(&w->mu);
}

/* `how`: 'o' names a responder, 'c' a list. */
static struct pki_cert *
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

static void
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

static void
close_own(struct world *w)
{
	sst_own_unref(w->own);
	sst_checker_unref(w->checker);
	w->own = NULL;
	w->checker = NULL;
}

static int
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

static int
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
	return 0;
}

static void
add(struct world *w, const struct pki_cert *c)
{
	STACK_OF(X509) *above = sk_X509_new_null();

	(void)sk_X509_push(above, w->ca->cert);
	assert_int_equal(sst_own_add(w->own, c->cert, above, NULL), SST_OK);
	sk_X509_free(above);
}

/* 1: there is a staple to be served; then *until is its end. */
static int
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

static int
is_revoked(struct world *w, const struct pki_cert *c)
{
	uint8_t leaf[32];

	pki_digest(c, leaf);
	return sst_own_is_revoked(w->own, leaf);
}

/* Steps until what `counter` counts has come to `n` and what it led to is done. */
static void
settle(struct world *w)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	assert_true(sst_own_wait(w->own, WAIT_MS));
	/* a step that wants to be called again after a second waits for somebody */
	for (int i = 0; i < 5000 && sst_own_step(w->own) <= 1; i++)
		(void)nanosleep(&pause, NULL);
}

static void
go(struct world *w, int64_t seconds)
{
	atomic_fetch_add(&wall, seconds);
	settle(w);
}

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
	/* what is served no more is known no more */
	sst_own_sync_begin(w->own);
	add(w, new);
	sst_own_sync_end(w->own);
	assert_false(has_staple(w, old, NULL));
	settle(w);
	assert_false(has_staple(w, old, NULL));
	w->says[1].http = 0;
	go(w, 2 * HOUR);
	assert_true(has_staple(w, new, NULL));
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
	sst_own_sync_end(w->own);
	(void)sst_own_step(w->own);
	add(w, c);
	responder_let_go(w->r);
	settle(w);
	assert_true(has_staple(w, c, NULL));
	go(w, PKI_DAY * 2 / 3);
	assert_true(w->asked[0] >= 2);
	/* the same with nobody at work */
	sst_own_sync_begin(w->own);
	sst_own_sync_end(w->own);
	assert_false(has_staple(w, c, NULL));
	add(w, c);
	assert_true(has_staple(w, c, NULL));
	go(w, PKI_DAY * 2 / 3);
	assert_true(w->asked[0] >= 3);
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
a_list_revokes_what_names_no_responder(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c"), *other = issue(w, "c");
	uint8_t leaf[32];

	w->says[0].life = w->says[1].life = HOUR;
	add(w, c);
	add(w, other);
	settle(w);
	assert_int_equal(w->n_words, 0);
	assert_false(is_revoked(w, c));
	w->says[0].listed = 1;
	go(w, 2 * HOUR);
	assert_int_equal(w->n_words, 1);
	assert_true(is_revoked(w, c));
	assert_false(is_revoked(w, other));
	pki_digest(c, leaf);
	assert_memory_equal(w->leaf, leaf, 32);
	assert_int_equal(w->revoked, 1);
	assert_int_equal(w->reason, 1);
	assert_int_equal(w->source, SST_SOURCE_CRL);
	assert_int_equal(w->revoked_at, PKI_NOW + 2 * HOUR - HOUR);
	assert_non_null(strstr(w->text, "keyCompromise"));
	/* it is said once */
	go(w, HOUR);
	assert_int_equal(w->n_words, 1);
}

static void
a_hold_is_taken_back_when_a_list_lifts_it(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "c");

	w->says[0].life = HOUR;
	w->says[0].listed = 2;
	add(w, c);
	settle(w);
	assert_true(is_revoked(w, c));
	assert_int_equal(w->reason, 6);
	/* nobody says anything newer */
	w->says[0].http = 500;
	go(w, 2 * HOUR);
	assert_true(is_revoked(w, c));
	assert_int_equal(w->n_words, 1);
	w->says[0].http = 0;
	w->says[0].listed = 0;
	go(w, 2 * HOUR);
	assert_false(is_revoked(w, c));
	assert_int_equal(w->n_words, 2);
	assert_int_equal(w->revoked, 0);
}

static void
a_certificate_is_revoked_with_its_ca(void **state)
{
	struct world *w = *state;
	struct pki_cert *ca = pki_issue(w->root, &(struct pki_spec){ .cn = "Listed CA",
	    .ca = 1, .crl = responder_url(w->r, "/r0") });
	struct pki_cert *leaf = pki_issue(ca, &(struct pki_spec){ .san = "www.example" });
	STACK_OF(X509) *above = sk_X509_new_null();

	w->cert[0] = ca;
	w->n = 1;
	w->says[0].life = HOUR;
	(void)sk_X509_push(above, ca->cert);
	(void)sk_X509_push(above, w->root->cert);
	assert_int_equal(sst_own_add(w->own, leaf->cert, above, NULL), SST_OK);
	settle(w);
	assert_false(is_revoked(w, leaf));
	w->says[0].listed = 1;
	go(w, 2 * HOUR);
	assert_true(is_revoked(w, leaf));
	assert_non_null(strstr(w->text, "Listed CA"));
	sk_X509_free(above);
	pki_free(leaf);
}

static void
a_responder_that_says_revoked_ends_the_staple(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "o");

	add(w, c);
	settle(w);
	assert_true(has_staple(w, c, NULL));
	w->says[0].status = MADE_REVOKED;
	/* the staple would be good for hours yet */
	go(w, PKI_DAY * 2 / 3);
	assert_int_equal(w->n_words, 1);
	assert_int_equal(w->revoked, 1);
	assert_int_equal(w->source, SST_SOURCE_OCSP);
	assert_true(is_revoked(w, c));
	assert_false(has_staple(w, c, NULL));
}

static void
a_list_and_a_responder_that_differ_are_both_heard(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "oc"), *other = issue(w, "oc");

	/* the responder has not heard of it yet */
	w->says[0].listed = 1;
	add(w, c);
	add(w, other);
	settle(w);
	assert_true(is_revoked(w, c));
	assert_false(has_staple(w, c, NULL));
	assert_false(is_revoked(w, other));
	assert_true(has_staple(w, other, NULL));
	assert_int_equal(w->n_words, 1);
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
without_staples_they_are_watched_alone(void **state)
{
	struct world *w = *state;
	struct pki_cert *c = issue(w, "oc");

	close_own(w);
	open_own(w, &(struct sst_own_config){ .no_staples = 1 });
	w->says[0].listed = 1;
	add(w, c);
	assert_int_equal(sst_own_pending(w->own), 0);
	settle(w);
	assert_true(is_revoked(w, c));
	assert_int_equal(w->asked[0], 0);
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
	sst_own_unref(sst_own_ref(w->own));
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

static void
there_is_an_end_to_how_many_are_seen_to(void **state)
{
	struct world *w = *state;
	struct sst_error err = { .code = SST_OK };
	STACK_OF(X509) *above = sk_X509_new_null();
	int rc = SST_OK, n = 0;

	(void)sk_X509_push(above, w->ca->cert);
	while (rc == SST_OK && n <= SST_OWN_MOST) {
		struct pki_cert *c = pki_issue(w->ca, &(struct pki_spec){
		    .san = "www.example", .use_key = w->ca->key });

		rc = sst_own_add(w->own, c->cert, above, &err);
		n += rc == SST_OK;
		pki_free(c);
	}
	sk_X509_free(above);
	assert_int_equal(n, SST_OWN_MOST);
	assert_int_equal(rc, SST_E_LIMIT);
	assert_non_null(strstr(err.text, "without staples"));
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
		EACH(what_comes_back_is_seen_to_again),
		EACH(rv_57_a_staple_outlives_its_certificate),
		EACH(the_next_process_has_the_staple_at_once),
		EACH(a_list_revokes_what_names_no_responder),
		EACH(a_hold_is_taken_back_when_a_list_lifts_it),
		EACH(a_certificate_is_revoked_with_its_ca),
		EACH(a_responder_that_says_revoked_ends_the_staple),
		EACH(a_list_and_a_responder_that_differ_are_both_heard),
		EACH(a_policy_without_fetching_asks_nobody),
		EACH(without_staples_they_are_watched_alone),
		EACH(an_issuer_that_the_chain_lacks_is_found_among_the_anchors),
		EACH(a_wait_ends_when_its_time_is_up),
		EACH(the_end_waits_for_nobody),
		EACH(a_child_goes_on_with_what_there_is),
		EACH(there_is_an_end_to_how_many_are_seen_to),
	};

	cmocka_set_test_filter(getenv("SST_TEST"));
	return cmocka_run_group_tests_name("own", tests, NULL, NULL);
}
