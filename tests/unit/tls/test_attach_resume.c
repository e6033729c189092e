/* SPDX-License-Identifier: ISC */
/* attach_resume - who comes again without showing a certificate is judged again. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "duo.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

/* How a first connection and its session were. */
struct first {
	SSL_CTX *client, *server;
	SSL_SESSION *session;
};

enum first_kind {
	PLAIN = 0,
	NO_HOOK = 1,	/* the program overwrote the slot */
	NO_CALL = 2,	/* and never asked */
	NO_TICKET = 4,	/* the server keeps sessions */
	STRICT = 8	/* the policy is hard */
};

static void
first(struct first *f, const struct pki_cert *cert, const struct pki_buf *staple, int kind,
    int version)
{
	const struct sst_openssl_check config = { .policy.mode =
	    kind & STRICT ? SST_REVOCATION_HARD : SST_REVOCATION_SOFT };
	struct duo d;

	f->client = duo_client(w.checker, &config);
	f->server = duo_server(cert, staple);
	duo_version(f->client, f->server, version);
	if (kind & NO_HOOK)
		SSL_CTX_set_tlsext_status_cb(f->client, NULL);
	if (kind & NO_TICKET)
		SSL_CTX_set_options(f->server, SSL_OP_NO_TICKET);
	duo_meet(&d, f->client, f->server, NULL);
	if (!(kind & NO_CALL))
		duo_accepted(d.client);
	duo_talk(&d);
	f->session = SSL_get1_session(d.client);
	assert_true(SSL_SESSION_is_resumable(f->session));
	duo_done(&d);
}

static void
over(struct first *f)
{
	SSL_SESSION_free(f->session);
	SSL_CTX_free(f->client);
	SSL_CTX_free(f->server);
}

static void
again(struct first *f, struct duo *d)
{
	duo_meet(d, f->client, f->server, f->session);
	if (d->client_ok)
		assert_true(SSL_session_reused(d->client));
}

static void
rv_51_a_resumed_session_is_judged_again(void **state)
{
	const int kinds[] = { PLAIN, NO_HOOK, NO_TICKET, NO_HOOK | NO_TICKET };
	struct first f;
	struct duo d;

	(void)state;
	for (int i = 0; i < 8; i++) {
		duo_teardown(NULL);
		duo_setup(NULL);
		first(&f, w.www, NULL, kinds[i / 2], versions[i % 2]);
		again(&f, &d);
		assert_true(d.client_ok);
		duo_accepted(d.client);
		assert_int_equal(sst_openssl_result(d.client, 0)->verdict,
		    SST_VERDICT_NO_SOURCE);
		duo_done(&d);
		duo_revoke(w.checker, w.other);
		again(&f, &d);
		duo_accepted(d.client);
		duo_done(&d);
		duo_revoke(w.checker, w.www);
		again(&f, &d);
		duo_refused(d.client, "revoked");
		duo_done(&d);
		over(&f);
	}
}

static void
each_ticket_of_a_connection_keeps_the_chain(void **state)
{
	struct first f;
	struct duo d, e;
	SSL_SESSION *later;

	(void)state;
	for (int i = 0; i < 2; i++) {
		first(&f, w.www, NULL, PLAIN, versions[i]);
		again(&f, &d);
		duo_accepted(d.client);
		duo_talk(&d);
		later = SSL_get1_session(d.client);	/* of a resumed connection */
		duo_done(&d);
		duo_meet(&e, f.client, f.server, later);
		assert_true(SSL_session_reused(e.client));
		duo_accepted(e.client);
		assert_non_null(sst_openssl_result(e.client, 0));
		duo_done(&e);
		SSL_SESSION_free(later);
		over(&f);
	}
}

/* Through the form in which sessions are written to files. */
static SSL_SESSION *
from_outside(SSL_SESSION *session)
{
	unsigned char *der = NULL;
	const unsigned char *at;
	const int len = i2d_SSL_SESSION(session, &der);
	SSL_SESSION *copy;

	assert_true(len > 0);
	at = der;
	copy = d2i_SSL_SESSION(NULL, &at, len);
	assert_non_null(copy);
	OPENSSL_free(der);
	return copy;
}

static void
a_session_from_outside_is_refused(void **state)
{
	struct first f;
	struct duo d;
	SSL_SESSION *own;

	(void)state;
	for (int i = 0; i < 4; i++) {
		first(&f, w.www, NULL, i < 2 ? PLAIN : NO_HOOK, versions[i % 2]);
		again(&f, &d);
		duo_accepted(d.client);
		duo_done(&d);
		own = f.session;
		f.session = from_outside(own);
		SSL_SESSION_free(own);
		again(&f, &d);
		duo_refused(d.client, "without the chain");
		assert_null(sst_openssl_result(d.client, 0));
		duo_done(&d);
		over(&f);
	}
}

static void
a_session_that_nobody_judged_is_refused(void **state)
{
	struct first f;
	struct duo d;

	(void)state;
	for (int i = 0; i < 2; i++) {
		first(&f, w.www, NULL, NO_HOOK | NO_CALL, versions[i]);
		again(&f, &d);
		assert_true(d.client_ok);
		duo_refused(d.client, "without the chain");
		duo_done(&d);
		over(&f);
		/* the hook alone suffices */
		first(&f, w.www, NULL, NO_CALL, versions[i]);
		again(&f, &d);
		duo_accepted(d.client);
		duo_done(&d);
		over(&f);
	}
}

static void
what_was_stapled_once_still_counts(void **state)
{
	struct pki_buf staple = duo_response(w.mid, w.must, MADE_GOOD);
	struct first f;
	struct duo d;

	(void)state;
	for (int i = 0; i < 2; i++) {
		first(&f, w.must, &staple, STRICT, versions[i]);
		again(&f, &d);
		duo_accepted(d.client);
		assert_int_equal(sst_openssl_result(d.client, 0)->verdict,
		    SST_VERDICT_GOOD);
		assert_int_equal(sst_openssl_result(d.client, 0)->from_cache, 1);
		duo_done(&d);
		/* a process that forgot it has nothing */
		duo_teardown(NULL);
		SSL_CTX_free(f.client);
		duo_setup(NULL);
		f.client = duo_client(w.checker, &(struct sst_openssl_check){
		    .policy.mode = SST_REVOCATION_HARD });
		duo_version(f.client, f.server, versions[i]);
		again(&f, &d);
		duo_refused(d.client, "staple");
		duo_done(&d);
		over(&f);
	}
	pki_buf_free(&staple);
}

/* The client of `d` forgets its connection and meets this server. */
static void
meet_next(struct duo *d, SSL_CTX *server, SSL_SESSION *resume)
{
	BIO *a, *b;

	SSL_free(d->server);
	assert_true(SSL_clear(d->client));
	assert_int_equal(sst_openssl_judge(d->client, NULL), SST_E_STATE);
	d->server = SSL_new(server);
	assert_true(SSL_set_app_data(d->server, d));
	assert_true(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16));
	SSL_set_bio(d->client, a, a);
	SSL_set_bio(d->server, b, b);
	assert_true(SSL_set_session(d->client, resume));
	SSL_set_connect_state(d->client);
	SSL_set_accept_state(d->server);
	duo_shake(d);
}

static void
an_ssl_that_is_used_again_is_judged_for_its_new_peer(void **state)
{
	SSL_CTX *client, *good = duo_server(w.www, NULL), *bad = duo_server(w.other, NULL);
	struct duo d;

	(void)state;
	duo_revoke(w.checker, w.other);
	for (int hook = 0; hook < 2; hook++) {
		client = duo_client(w.checker, NULL);
		if (!hook)
			SSL_CTX_set_tlsext_status_cb(client, NULL);
		duo_meet(&d, client, good, NULL);
		duo_accepted(d.client);
		meet_next(&d, bad, NULL);
		assert_int_equal(d.client_ok, !hook);
		duo_refused(d.client, "revoked");
		meet_next(&d, good, NULL);
		duo_accepted(d.client);
		duo_done(&d);
		SSL_CTX_free(client);
	}
	SSL_CTX_free(good);
	SSL_CTX_free(bad);
}

/* The hook judged one peer, and nobody asked; then it is gone, and the next comes. */
static void
what_the_hook_judged_holds_for_its_handshake_alone(void **state)
{
	SSL_CTX *client = duo_client(w.checker, NULL);
	SSL_CTX *good = duo_server(w.www, NULL), *bad = duo_server(w.other, NULL);
	struct duo d;

	(void)state;
	duo_revoke(w.checker, w.other);
	duo_meet(&d, client, good, NULL);
	assert_true(d.client_ok);
	SSL_CTX_set_tlsext_status_cb(client, NULL);
	meet_next(&d, bad, NULL);
	assert_true(d.client_ok);
	duo_refused(d.client, "revoked");
	meet_next(&d, good, NULL);
	duo_accepted(d.client);
	duo_over(&d, client, good);
	SSL_CTX_free(bad);
}

/* An SSL that has verified one peer's chain resumes the session of another. */
static void
a_resumed_session_is_judged_by_its_own_chain(void **state)
{
	struct first f;
	struct duo d;
	SSL_CTX *good;

	(void)state;
	for (int i = 0; i < 2; i++) {
		duo_teardown(NULL);
		duo_setup(NULL);
		first(&f, w.other, NULL, PLAIN, versions[i]);
		good = duo_server(w.www, NULL);
		duo_meet(&d, f.client, good, NULL);
		duo_accepted(d.client);
		meet_next(&d, f.server, f.session);
		assert_true(SSL_session_reused(d.client));
		duo_accepted(d.client);
		meet_next(&d, good, NULL);
		duo_revoke(w.checker, w.other);
		duo_accepted(d.client);
		meet_next(&d, f.server, f.session);
		duo_refused(d.client, "revoked");
		duo_done(&d);
		SSL_CTX_free(good);
		over(&f);
	}
}

static void
a_duplicate_of_an_ssl_begins_anew(void **state)
{
	SSL_CTX *client = duo_client(w.checker, NULL), *server = duo_server(w.www, NULL);
	struct duo d;
	SSL *copy;

	(void)state;
	duo_meet(&d, client, server, NULL);
	duo_accepted(d.client);
	assert_true(SSL_clear(d.client));
	copy = SSL_dup(d.client);
	assert_non_null(copy);
	assert_ptr_not_equal(copy, d.client);
	assert_non_null(sst_openssl_result(d.client, 0));
	assert_null(sst_openssl_result(copy, 0));
	assert_int_equal(sst_openssl_judge(copy, NULL), SST_E_STATE);
	SSL_free(copy);
	d.client_ok = 0;
	duo_over(&d, client, server);
}

/* What the threads share; each begins with a handshake of its own. */
struct shared {
	struct first	 f;
	atomic_int	 accepted, refused, otherwise;
};

static void *
comes_again_and_again(void *arg)
{
	struct shared *s = arg;
	SSL_SESSION *own;
	struct duo d;
	int rc;

	for (int i = 0; i < 20; i++) {
		own = i % 2 ? s->f.session : NULL;
		duo_meet(&d, s->f.client, s->f.server, own);
		rc = sst_openssl_judge(d.client, NULL);
		(void)atomic_fetch_add(rc == SST_OK ? &s->accepted :
		    rc == SST_E_REFUSED ? &s->refused : &s->otherwise, 1);
		duo_done(&d);
	}
	return arg;
}

static void
threads_share_the_checker_and_a_session(void **state)
{
	struct shared s = { .accepted = 0 };
	pthread_t thread[4];

	(void)state;
	for (int revoked = 0; revoked < 2; revoked++) {
		atomic_store(&s.accepted, 0);
		first(&s.f, w.www, NULL, revoked ? NO_HOOK : PLAIN, TLS1_2_VERSION);
		if (revoked)
			duo_revoke(w.checker, w.www);
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_create(&thread[i], NULL,
			    comes_again_and_again, &s), 0);
		for (int i = 0; i < 4; i++)
			assert_int_equal(pthread_join(thread[i], NULL), 0);
		assert_int_equal(atomic_load(&s.accepted), revoked ? 0 : 80);
		assert_int_equal(atomic_load(&s.refused), revoked ? 80 : 0);
		assert_int_equal(atomic_load(&s.otherwise), 0);
		over(&s.f);
	}
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, duo_setup, duo_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(rv_51_a_resumed_session_is_judged_again),
		EACH(each_ticket_of_a_connection_keeps_the_chain),
		EACH(a_session_from_outside_is_refused),
		EACH(a_session_that_nobody_judged_is_refused),
		EACH(what_was_stapled_once_still_counts),
		EACH(an_ssl_that_is_used_again_is_judged_for_its_new_peer),
		EACH(what_the_hook_judged_holds_for_its_handshake_alone),
		EACH(a_resumed_session_is_judged_by_its_own_chain),
		EACH(a_duplicate_of_an_ssl_begins_anew),
		EACH(threads_share_the_checker_and_a_session),
	};

	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
