/* SPDX-License-Identifier: ISC */
/*
 * Tests of the machine's cache service as a process of its own: what it answers, for
 * whom it fetches, and how it lives.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_service.h"
#include "ocsp/service_ask.h"

static void
a_question_is_answered_with_what_the_source_said(void **state)
{
	struct world *w = *state;
	struct pki_cert *other = scene_cert(w->scene, NULL, "/ocsp");
	struct sst_evidence e;

	world_start(w);
	world_is_good(w, other);
	w->scene->revoked = 1;		/* the first certificate is */
	assert_int_equal(world_ask(w, w->cert, &e, NULL), 1);
	assert_int_equal(e.status, SST_EV_REVOKED);
	assert_int_equal(e.source, SST_SOURCE_OCSP);
	assert_true(e.until > time(NULL));
	assert_string_equal(e.url, responder_url(w->scene->r, "/ocsp"));
	assert_int_equal(world_met(w), 2);
	/* both are kept now */
	world_is_good(w, other);
	assert_int_equal(world_ask(w, w->cert, &e, NULL), 1);
	assert_int_equal(e.status, SST_EV_REVOKED);
	assert_int_equal(world_met(w), 2);
	assert_int_equal(world_end(w), 0);
}

static void
a_list_answers_for_all_that_it_covers(void **state)
{
	struct world *w = *state;
	struct pki_cert *a = scene_cert(w->scene, "/crl", NULL);
	struct pki_cert *b = scene_cert(w->scene, "/crl", NULL);

	world_start(w);
	world_is_good(w, a);
	world_is_good(w, b);
	assert_int_equal(world_met(w), 1);
}

static void
rv_89_a_chain_that_reaches_no_anchor_sends_nothing(void **state)
{
	struct world *w = *state;
	struct pki_cert *stranger = pki_issue(NULL, &(struct pki_spec){ .cn = "X", .ca = 1 });
	struct pki_cert *twin = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	const struct pki_spec spec = { .cn = "www", .san = "www.example.com",
	    .ocsp = responder_url(w->scene->r, "/ocsp"),
	    .crl = responder_url(w->scene->r, "/crl") };
	struct pki_cert *cert = pki_issue(stranger, &spec), *forged = pki_issue(twin, &spec);
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;

	world_start(w);
	assert_int_equal(world_ask(w, cert, &e, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "does not reach a trust anchor"));
	/* of an issuer with the anchor's name, and with the anchor itself beside it */
	assert_int_equal(world_ask(w, forged, &e, NULL), SST_E_REFUSED);
	assert_int_equal(world_ask_about(w, forged->cert, w->scene->ca->cert, NULL, 1, &e,
	    NULL), SST_E_REFUSED);
	/* the anchor itself is nobody's question */
	assert_int_equal(world_ask_about(w, w->scene->ca->cert, w->scene->ca->cert, NULL, 1,
	    &e, NULL), SST_E_REFUSED);
	assert_int_equal(world_met(w), 0);
	assert_int_equal(responder_connections(w->scene->r), 0);
	world_is_good(w, w->cert);
	assert_int_equal(world_met(w), 1);
	pki_free(forged);
	pki_free(cert);
	pki_free(twin);
	pki_free(stranger);
}

static void
an_intermediate_is_followed_to_the_anchor(void **state)
{
	struct world *w = *state;
	struct pki_cert *sub = pki_issue(w->scene->ca, &(struct pki_spec){ .cn = "sub",
	    .ca = 1 });
	struct pki_cert *subsub = pki_issue(sub, &(struct pki_spec){ .cn = "subsub", .ca = 1 });
	struct pki_cert *cert = pki_issue(subsub, &(struct pki_spec){ .cn = "www",
	    .san = "www.example.com" });
	struct sst_work_ask ask = { .cert = cert->cert, .issuer = subsub->cert,
	    .above = sub->cert, .budget_ms = 20000, .is_leaf = 1 };
	struct sst_evidence e;

	world_start(w);
	/* names no source: understood, and nothing is known */
	assert_int_equal(sst_service_ask(w->path, &ask, -1, &e, 1, NULL), 0);
	ask.above = NULL;
	assert_int_equal(sst_service_ask(w->path, &ask, -1, &e, 1, NULL), SST_E_REFUSED);
	assert_int_equal(world_met(w), 0);
	pki_free(cert);
	pki_free(subsub);
	pki_free(sub);
}

static void
what_the_asker_does_not_use_is_not_fetched(void **state)
{
	struct world *w = *state;
	const struct sst_revocation_policy no_ocsp = { .use_ocsp = SST_SWITCH_OFF };
	struct sst_evidence e;

	world_start(w);
	assert_int_equal(world_ask_about(w, w->cert->cert, w->scene->ca->cert, &no_ocsp, 1, &e,
	    NULL), 0);
	/* OCSP is for leaves */
	assert_int_equal(world_ask_about(w, w->cert->cert, w->scene->ca->cert, NULL, 0, &e,
	    NULL), 0);
	assert_int_equal(world_met(w), 0);
	world_is_good(w, w->cert);
	assert_int_equal(world_met(w), 1);
}

static void
so_many_fetches_a_minute_and_what_is_kept_is_free(void **state)
{
	struct world *w = *state;
	struct pki_cert *more[4];
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;

	w->serve.fetches = 3;
	world_start(w);
	for (int i = 0; i < 4; i++)
		more[i] = scene_cert(w->scene, NULL, "/ocsp");
	for (int i = 0; i < 3; i++)
		world_is_good(w, more[i]);
	assert_int_equal(world_ask(w, more[3], &e, &err), SST_E_LIMIT);
	assert_non_null(strstr(err.text, "again in"));
	assert_int_equal(world_met(w), 3);
	for (int i = 0; i < 3; i++)
		world_is_good(w, more[i]);
}

static void
it_ends_when_nobody_was_there_for_long(void **state)
{
	struct world *w = *state;
	struct pollfd p = { .events = POLLIN };
	struct stat st;
	int fd;

	w->serve.idle_ms = 300;
	world_start(w);
	world_is_good(w, w->cert);
	fd = world_dial(w);
	assert_int_equal(kill(w->pid, 0), 0);
	(void)close(fd);
	assert_int_equal(herd_end(w->pid), 0);
	w->pid = 0;
	/* what it learned is published */
	assert_int_equal(stat(pki_path(w->cache, "snapshot.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	/* and with somebody there it stays, for as long as he does */
	w->serve.idle_ms = 100;
	fd = world_dial(w);
	world_start(w);
	world_is_good(w, w->cert);
	p.fd = fd;
	assert_int_equal(poll(&p, 1, 1000), 0);
	(void)close(fd);
	assert_int_equal(herd_end(w->pid), 0);
	w->pid = 0;
	assert_int_equal(world_met(w), 1);
}

static void
it_does_not_run_as_root_nor_for_another(void **state)
{
	struct world *w = *state;

	if (geteuid() != 0)
		skip();
	/* not even of a cache of root's own */
	w->serve.uid = 0;
	assert_int_equal(chown(w->cache, 0, 0), 0);
	world_start(w);
	assert_int_equal(herd_end(w->pid), 1);
	assert_int_equal(chown(w->cache, HERD_UID, HERD_UID), 0);
	w->serve.uid = HERD_UID + 5;
	world_start(w);
	assert_int_equal(herd_end(w->pid), 1);
	w->serve.uid = HERD_UID;
	world_start(w);
	world_is_good(w, w->cert);
	assert_int_equal(world_end(w), 0);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_question_is_answered_with_what_the_source_said),
		T(a_list_answers_for_all_that_it_covers),
		T(rv_89_a_chain_that_reaches_no_anchor_sends_nothing),
		T(an_intermediate_is_followed_to_the_anchor),
		T(what_the_asker_does_not_use_is_not_fetched),
		T(so_many_fetches_a_minute_and_what_is_kept_is_free),
		T(it_ends_when_nobody_was_there_for_long),
		T(it_does_not_run_as_root_nor_for_another),
	};
	int rc = herd_main(argc, argv);

	return rc >= 0 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
