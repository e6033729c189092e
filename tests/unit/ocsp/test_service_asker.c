/* SPDX-License-Identifier: ISC */
/* Tests of who asks the machine's cache service, and what he does without it. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_service.h"
#include "ocsp/service_wire.h"

/* The scene asks through the service, with the machine's clock. */
static void
through_the_service(struct world *w)
{
	static const char *const allow[] = { "127.0.0.1", NULL };
	const struct sst_work_config config = { .cache = w->scene->cache, .allow = allow,
	    .service = w->path };

	sst_work_free(w->scene->work);
	w->scene->work = NULL;
	assert_int_equal(sst_work_new(&config, &w->scene->work, NULL), SST_OK);
}

static void
the_services_word_is_taken_and_kept(void **state)
{
	struct world *w = *state;
	struct sst_evidence e;

	through_the_service(w);
	world_start(w);
	world_is_good(w, w->cert);
	e = scene_fetch(w->scene, w->cert);
	assert_int_equal(e.status, SST_EV_GOOD);
	assert_int_equal(world_met(w), 1);
	assert_int_equal(scene_cached(w->scene, w->cert, &e), 1);
	assert_int_equal(e.status, SST_EV_GOOD);
}

static void
what_failed_for_the_service_is_not_tried_again(void **state)
{
	struct world *w = *state;
	struct sst_evidence e;
	int met;

	through_the_service(w);
	w->scene->ocsp.status = 500;
	world_start(w);
	assert_int_equal(world_ask(w, w->cert, &e, NULL), 1);
	assert_int_equal(e.status, SST_EV_ERROR);
	met = world_met(w);
	e = scene_fetch(w->scene, w->cert);
	assert_int_equal(e.status, SST_EV_ERROR);
	assert_int_equal(e.fault, SST_FAULT_TRY_LATER);
	assert_int_equal(world_met(w), met);
	assert_int_equal(scene_cached(w->scene, w->cert, &e), 0);
	/* the other arm: without the service it is */
	w->scene->judged_at = time(NULL);
	e = scene_fetch(w->scene, w->cert);
	assert_int_equal(e.status, SST_EV_ERROR);
	assert_true(world_met(w) > met);
}

static void
what_the_service_may_not_fetch_the_asker_may(void **state)
{
	struct world *w = *state;
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;

	through_the_service(w);
	w->serve.no_allow = 1;
	world_start(w);
	assert_int_equal(world_ask(w, w->cert, &e, &err), 1);
	assert_int_equal(e.status, SST_EV_ERROR);
	assert_int_equal(e.fault, SST_FAULT_BLOCKED);
	assert_int_equal(world_met(w), 0);
	e = scene_fetch(w->scene, w->cert);
	assert_int_equal(e.status, SST_EV_GOOD);
	assert_int_equal(world_met(w), 1);
}

static void
who_wants_no_kept_evidence_does_not_ask_the_service(void **state)
{
	struct world *w = *state;
	const struct sst_revocation_policy fresh = { .use_cache = SST_SWITCH_OFF };

	through_the_service(w);
	world_start(w);
	world_is_good(w, w->cert);
	assert_int_equal(scene_fetch_as(w->scene, w->cert, &fresh, 1).status, SST_EV_GOOD);
	assert_int_equal(world_met(w), 2);
}

static void
who_judges_as_of_another_time_does_not_either(void **state)
{
	struct world *w = *state;

	through_the_service(w);
	world_start(w);
	world_is_good(w, w->cert);
	w->scene->judged_at = time(NULL) + 1;
	assert_int_equal(scene_fetch(w->scene, w->cert).status, SST_EV_GOOD);
	assert_int_equal(world_met(w), 2);
}

static void
the_askers_own_cap_of_age_holds(void **state)
{
	struct world *w = *state;
	const struct sst_revocation_policy young = { .max_age = 3600 };
	struct sst_evidence e;

	through_the_service(w);
	world_start(w);
	world_is_good(w, w->cert);
	e = scene_fetch(w->scene, w->cert);
	assert_int_equal(e.until, w->scene->next_update);
	e = scene_fetch_as(w->scene, w->cert, &young, 1);
	assert_int_equal(e.until, w->scene->this_update + 3600);
	assert_int_equal(world_met(w), 1);
}

/* What the service goes by need not do for the asker, nor what it refuses. */
static void
who_wants_more_or_less_than_the_service_fetches(void **state)
{
	const struct sst_revocation_policy high = { .security_level = 3 };
	const struct sst_revocation_policy low = { .security_level = 1 };
	const struct sst_revocation_policy lowest = { .security_level = -1 };
	const struct sst_revocation_policy young = { .max_age = 3600 };
	struct world *w = *state;
	struct sst_evidence e;

	through_the_service(w);
	w->scene->this_update = time(NULL) - 2 * 3600;
	w->scene->next_update = time(NULL) + 20 * 3600;
	world_start(w);
	world_is_good(w, w->cert);
	e = scene_fetch_as(w->scene, w->cert, &high, 1);
	assert_int_equal(e.status, SST_EV_GOOD);
	assert_int_equal(e.level, 1);
	assert_int_equal(world_met(w), 2);
	/* the service would do, and it is not known before */
	assert_int_equal(scene_fetch_as(w->scene, w->cert, &low, 1).status, SST_EV_GOOD);
	assert_int_equal(world_met(w), 2);
	w->scene->this_update = time(NULL) - 60;
	e = scene_fetch_as(w->scene, w->cert, &young, 1);
	assert_int_equal(e.this_update, w->scene->this_update);
	assert_int_equal(world_met(w), 3);
	w->scene->sha1 = 1;
	e = scene_fetch_as(w->scene, scene_cert(w->scene, NULL, "/ocsp"), &lowest, 1);
	assert_int_equal(e.status, SST_EV_GOOD);
	assert_int_equal(e.level, -2);
}

static void
without_a_service_each_fetches_for_himself(void **state)
{
	struct world *w = *state;
	struct herd *h = herd_new(1);
	struct herd_check check = { .dir = w->dir, .name = "cert", .cache = "",
	    .service = "/nowhere/cache.sock" };

	herd_write(w->dir, "cert", w->cert);
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(world_met(w), 1);
	/* with one, the second question is answered by the first's fetch */
	world_start(w);
	check.service = w->path;
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(world_met(w), 2);
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(world_met(w), 2);
	herd_free(h);
}

static void
what_the_service_refuses_the_asker_fetches(void **state)
{
	struct world *w = *state;
	struct herd *h = herd_new(1);
	const struct herd_check check = { .dir = w->cache, .name = "cert", .cache = "",
	    .service = w->path };
	struct pki_cert *stranger = pki_issue(NULL, &(struct pki_spec){ .cn = "other",
	    .ca = 1 });

	/* the service's anchor is another: what the asker trusts is his own matter */
	world_start(w);
	world_is_good(w, w->cert);
	assert_int_equal(world_end(w), 0);
	herd_write(w->dir, "ca", stranger);
	world_start(w);
	herd_write(w->cache, "cert", w->cert);
	herd_write(w->cache, "ca", w->scene->ca);
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(world_met(w), 2);
	pki_free(stranger);
	herd_free(h);
}

static void
a_service_that_dies_over_a_question_is_replaced_by_a_fetch(void **state)
{
	struct world *w = *state;
	struct herd *h = herd_new(1);
	const struct herd_check check = { .dir = w->dir, .name = "cert", .cache = "",
	    .service = w->path };
	pid_t asker;

	herd_write(w->dir, "cert", w->cert);
	responder_hold(w->scene->r);
	world_start(w);
	asker = herd_check(h, &check);
	responder_wait(w->scene->r, 1);
	(void)kill(w->pid, SIGKILL);
	assert_int_equal(herd_end(w->pid), -1);
	w->pid = 0;
	responder_wait(w->scene->r, 2);
	responder_let_go(w->scene->r);
	assert_int_equal(herd_end(asker), 0);
	assert_int_equal(world_met(w), 2);
	herd_free(h);
}

/* Answers before it has read the question, and goes: a service with no room. */
static void *
turn_away(void *arg)
{
	const struct world *w = arg;
	const struct sst_service_answer no = { .code = SST_E_LIMIT, .text = "no room" };
	uint8_t packet[SST_SERVICE_ANSWER_MAX];
	struct pollfd p = { .events = POLLIN };
	size_t len = sst_service_answer_pack(&no, NULL, packet);

	p.fd = accept(w->serve.listen_fd, NULL, NULL);
	(void)poll(&p, 1, -1);
	(void)!send(p.fd, packet, len, MSG_NOSIGNAL);
	(void)close(p.fd);
	return NULL;
}

static void
who_is_turned_away_unread_hears_why(void **state)
{
	struct world *w = *state;
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, turn_away, w), 0);
	assert_int_equal(world_ask(w, w->cert, &e, &err), SST_E_LIMIT);
	assert_string_equal(err.text, "no room");
	assert_int_equal(pthread_join(thread, NULL), 0);
}

struct failing {
	const struct world *w;
	enum sst_fault	fault;
};

/* Answers one question with a fault. */
static void *
answer_fault(void *arg)
{
	const struct failing *f = arg;
	struct sst_service_answer a = { .code = SST_OK, .n = 1 };
	uint8_t in[sizeof(struct sst_service_head) + SST_SERVICE_PARTS * SST_SERVICE_PART_MAX];
	uint8_t packet[SST_SERVICE_ANSWER_MAX];
	const struct sst_cert_facts *facts;
	struct sst_service_ask ask;
	const unsigned char *der;
	X509 *cert[2] = { NULL, NULL };
	ssize_t n;
	int fd;

	fd = accept(f->w->serve.listen_fd, NULL, NULL);
	n = recv(fd, in, sizeof(in), 0);
	assert_int_equal(sst_service_ask_unpack(in, (size_t)n, &ask, NULL), SST_OK);
	for (int i = 0; i < 2; i++) {
		der = ask.part[i].der;
		cert[i] = d2i_X509(NULL, &der, (long)ask.part[i].len);
	}
	assert_int_equal(sst_facts_of(cert[0], cert[1], &facts, NULL), SST_OK);
	a.id = ask.id;
	a.list[0] = (struct sst_evidence){ .source = SST_SOURCE_OCSP, .reason = -1,
	    .status = SST_EV_ERROR, .fault = f->fault };
	(void)!send(fd, packet, sst_service_answer_pack(&a, &facts->key, packet), MSG_NOSIGNAL);
	X509_free(cert[0]);
	X509_free(cert[1]);
	(void)close(fd);
	return NULL;
}

static void
what_the_service_has_no_memory_for_the_asker_fetches(void **state)
{
	struct world *w = *state;
	struct failing f = { w, SST_FAULT_TRY_LATER };
	struct sst_evidence e;
	pthread_t thread;

	through_the_service(w);
	assert_int_equal(pthread_create(&thread, NULL, answer_fault, &f), 0);
	e = scene_fetch(w->scene, w->cert);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(e.fault, SST_FAULT_TRY_LATER);
	assert_int_equal(world_met(w), 0);
	/* its lack is not the asker's: he would refuse what nobody called revoked */
	f.fault = SST_FAULT_MEMORY;
	assert_int_equal(pthread_create(&thread, NULL, answer_fault, &f), 0);
	e = scene_fetch(w->scene, w->cert);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(e.status, SST_EV_GOOD);
	assert_int_equal(world_met(w), 1);
}

static void
a_stranger_who_poses_as_the_service_is_not_asked(void **state)
{
	struct world *w = *state;
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;
	struct herd *h = herd_new(1);
	const struct herd_check check = { .dir = w->dir, .name = "cert", .cache = "",
	    .service = w->path, .uid = HERD_UID + 1 };

	if (geteuid() != 0)
		skip();
	herd_write(w->dir, "cert", w->cert);
	(void)close(w->serve.listen_fd);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(chmod(w->dir, 0777), 0);
	/* who listens counts, not who accepts */
	assert_int_equal(seteuid(HERD_UID + 2), 0);
	w->serve.listen_fd = herd_listen(w->path);
	assert_int_equal(seteuid(0), 0);
	world_start(w);
	assert_int_equal(world_ask(w, w->cert, &e, &err), SST_E_MISMATCH);
	assert_non_null(strstr(err.text, "poses as the cache service"));
	assert_int_equal(world_met(w), 0);
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(world_met(w), 1);
	herd_free(h);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(the_services_word_is_taken_and_kept),
		T(what_failed_for_the_service_is_not_tried_again),
		T(what_the_service_may_not_fetch_the_asker_may),
		T(who_wants_no_kept_evidence_does_not_ask_the_service),
		T(who_judges_as_of_another_time_does_not_either),
		T(the_askers_own_cap_of_age_holds),
		T(who_wants_more_or_less_than_the_service_fetches),
		T(without_a_service_each_fetches_for_himself),
		T(what_the_service_refuses_the_asker_fetches),
		T(a_service_that_dies_over_a_question_is_replaced_by_a_fetch),
		T(who_is_turned_away_unread_hears_why),
		T(what_the_service_has_no_memory_for_the_asker_fetches),
		T(a_stranger_who_poses_as_the_service_is_not_asked),
	};
	int rc = herd_main(argc, argv);

	return rc >= 0 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
