/* SPDX-License-Identifier: ISC */
/*
 * attach_starved - each allocation fails once, while a peer is judged that is
 * revoked: it is never accepted; nor is one that is good refused for ever.
 *
 * In the call after the handshake libcrypto's allocations fail as well; in the
 * handshake only ours, since there its own are most.
 */
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "duo.h"
#include "support/starve.h"

enum way { BY_HOOK, BY_CALL, RESUMED };

struct visit {
	SSL_CTX	*client, *server;
	struct duo d;
	int	 rc;		/* of the call, or SST_E_STATE */
};

/* A session whose chain is kept, for RESUMED. */
static SSL_SESSION *
session_of(struct visit *v)
{
	SSL_SESSION *session;

	duo_meet(&v->d, v->client, v->server, NULL);
	duo_accepted(v->d.client);
	duo_talk(&v->d);
	session = SSL_get1_session(v->d.client);
	duo_done(&v->d);
	return session;
}

/* The n-th allocation fails; 1: everything went on to the end as it should. */
static int
visit(enum way way, struct pki_buf *staple, int revoked, long n)
{
	/* to the judge of a response a failure is an error of that response, which
	 * soft goes on without */
	const struct sst_openssl_check config = { .policy.mode =
	    way == RESUMED ? SST_REVOCATION_SOFT : SST_REVOCATION_HARD };
	struct visit v = { 0 };
	SSL_SESSION *session = NULL;
	int accepted, fired;

	duo_teardown(NULL);
	duo_setup(NULL);
	v.client = duo_client(w.checker, &config);
	v.server = duo_server(w.www, way == RESUMED ? NULL : staple);
	if (way != BY_HOOK)
		SSL_CTX_set_tlsext_status_cb(v.client, NULL);
	if (way == RESUMED) {
		session = session_of(&v);
		if (revoked)
			duo_revoke(w.checker, w.www);
	}
	duo_begin(&v.d, v.client, v.server, session);
	if (way == BY_HOOK)
		starve_arm(n, STARVE_OURS);
	duo_shake(&v.d);
	if (way != BY_HOOK) {
		assert_true(v.d.client_ok);
		starve_arm(n, STARVE_OURS | STARVE_CRYPTO);
	}
	v.rc = sst_openssl_judge(v.d.client, NULL);
	fired = starve_over();
	accepted = v.d.client_ok && v.rc == SST_OK;
	assert_false(accepted && revoked);
	if (!fired) {
		assert_int_equal(accepted, !revoked);
		if (revoked)
			duo_refused(v.d.client, "revoked");
	}
	ERR_clear_error();
	duo_over(&v.d, v.client, v.server);
	SSL_SESSION_free(session);
	return !fired;
}

static void
starve(enum way way)
{
	for (int revoked = 0; revoked < 2; revoked++) {
		struct pki_buf staple = duo_response(w.mid, w.www,
		    revoked ? MADE_REVOKED : MADE_GOOD);
		long n = 1;

		while (!visit(way, &staple, revoked, n))
			n++;
		print_message("%ld allocations\n", n - 1);
		assert_true(n > 3);	/* there was something to fail */
		pki_buf_free(&staple);
	}
}

static void
in_the_hook_no_failure_accepts_a_revoked_peer(void **state)
{
	(void)state;
	starve(BY_HOOK);
}

static void
in_the_call_no_failure_accepts_a_revoked_peer(void **state)
{
	(void)state;
	starve(BY_CALL);
}

static void
of_a_resumed_session_no_failure_accepts_a_revoked_peer(void **state)
{
	(void)state;
	starve(RESUMED);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, duo_setup, duo_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(in_the_hook_no_failure_accepts_a_revoked_peer),
		EACH(in_the_call_no_failure_accepts_a_revoked_peer),
		EACH(of_a_resumed_session_no_failure_accepts_a_revoked_peer),
	};

	if (!starve_crypto())
		return 1;
	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
