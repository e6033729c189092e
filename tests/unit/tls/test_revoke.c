/* SPDX-License-Identifier: ISC */
/* revoke - a client's verdict on its peer. The server is plain OpenSSL. */
#include <openssl/ocsp.h>
#include <poll.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "meet.h"
#include "ocsp/given.h"
#include "support/responder.h"
#include "tls/lists.h"
#include "unit/ocsp/make_crl.h"
#include "unit/ocsp/make_response.h"

#define HOST	"www.example.com"

static struct {
	struct pki_cert *root, *www, *other, *must, *listed;
	struct sst_trust *trust;
	struct sst_checker *checker;
	struct responder *crls;		/* what `listed` names */
	time_t	now;
	atomic_int revoke_listed;
} w;

/* The list of the root; `listed` is on it when the test says so. */
static struct pki_buf
list_of(const struct pki_cert *revoked)
{
	const struct make_crl_row row = { .cert = revoked, .date = w.now - PKI_DAY };

	return make_crl(&(struct make_crl){ .issuer = w.root, .rows = &row,
	    .n_rows = revoked != NULL, .this_update = w.now - PKI_DAY,
	    .next_update = w.now + PKI_DAY });
}

static void
give_list(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	(void)arg, (void)q;
	reply->type = "application/pkix-crl";
	reply->body = list_of(atomic_load(&w.revoke_listed) ? w.listed : NULL);
}

static int
world_make(void **state)
{
	(void)state;
	w.now = time(NULL);
	w.crls = responder_new(give_list, NULL);
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.www = pki_issue(w.root, &(struct pki_spec){ .cn = "www", .san = HOST });
	w.other = pki_issue(w.root, &(struct pki_spec){ .cn = "other", .san = HOST });
	w.must = pki_issue(w.root, &(struct pki_spec){ .cn = "must", .san = HOST,
	    .extra = "tlsfeature = status_request" });
	w.listed = pki_issue(w.root, &(struct pki_spec){ .cn = "listed", .san = HOST,
	    .crl = responder_url(w.crls, "/list") });
	w.trust = meet_trust(w.root, NULL);
	return 0;
}

static int
world_free(void **state)
{
	struct pki_cert *all[] = { w.www, w.other, w.must, w.listed, w.root };

	(void)state;
	sst_trust_unref(w.trust);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		pki_free(all[i]);
	responder_free(w.crls);
	return 0;
}

/* A memory of its own for each test. */
static int
setup(void **state)
{
	const char *const allow[] = { responder_allow(w.crls), NULL };

	(void)state;
	responder_see(w.crls);
	atomic_store(&w.revoke_listed, 0);
	return sst_checker_new(&(struct sst_checker_config){ .cache_dir = "",
	    .allow = allow, .no_service = 1 }, &w.checker, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	sst_checker_unref(w.checker);
	return 0;
}

static struct pki_buf
staple_of(const struct pki_cert *cert, enum made_status status, time_t from, time_t to)
{
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = w.root,
	    .produced_at = from, .singles = { { .cert = cert, .status = status,
	    .this_update = from, .next_update = to, .revoked_at = from } } }, &der);
	return der;
}

static struct pki_buf
fresh(const struct pki_cert *cert, enum made_status status)
{
	return staple_of(cert, status, w.now - PKI_DAY, w.now + PKI_DAY);
}

static struct sst_revoke *
judge(enum sst_revocation_mode mode, struct sst_lists *lists, int live)
{
	const struct sst_revocation_policy policy = { .mode = mode };
	struct sst_revoke *by = NULL;

	assert_int_equal(sst_revoke_new(w.checker, &policy, lists, live, &by, NULL), 0);
	return by;
}

/* One handshake with `served`, who shows `staple` (NULL: none; freed here). */
static enum sst_step
meet(struct meet *m, struct sst_revoke *by, const struct pki_cert *served,
    struct pki_buf *staple, int version)
{
	meet_client(m, &(struct sst_tls_settings){ .trust = w.trust }, HOST, NULL,
	    &(struct raw){ .serve = served, .version = version, .judge = by,
	    .staple = staple });
	if (staple != NULL)
		pki_buf_free(staple);
	return m->step;
}

static void
is_refused(struct meet *m, const char *word)
{
	assert_int_equal(m->step, SST_STEP_FAILED);
	assert_int_equal(m->err.code, SST_E_REFUSED);
	if (strstr(m->err.text, HOST ": ") != m->err.text ||
	    strstr(m->err.text, word) == NULL)
		fail_msg("'%s' is not about '%s'", m->err.text, word);
}

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

static void
a_good_staple_is_a_verdict_in_both_versions(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_STAPLE, NULL, 0);
	struct pki_buf staple;
	struct meet m;

	(void)state;
	for (int i = 0; i < 2; i++) {
		staple = fresh(w.www, MADE_GOOD);
		assert_int_equal(meet(&m, by, w.www, &staple, versions[i]),
		    SST_STEP_DONE);
		assert_non_null(strstr(sst_conn_verdict(m.conn),
		    "source=staple; verdict=good; "));
		assert_non_null(strstr(sst_conn_verdict(m.conn), "; chain=good; "));
		meet_done(&m);
	}
	sst_revoke_unref(by);
}

static void
rv_50_a_staple_that_says_revoked_ends_it_before_any_byte(void **state)
{
	struct sst_revoke *by;
	struct pki_buf staple;
	struct meet m;

	(void)state;
	for (int mode = SST_REVOCATION_SOFT; mode <= SST_REVOCATION_STAPLE; mode++)
		for (int i = 0; i < 2; i++) {
			by = judge((enum sst_revocation_mode)mode, NULL, 0);
			staple = fresh(w.www, MADE_REVOKED);
			(void)meet(&m, by, w.www, &staple, versions[i]);
			is_refused(&m, "revoked");
			assert_non_null(strstr(sst_conn_verdict(m.conn),
			    "verdict=revoked"));
			meet_done(&m);
			sst_revoke_unref(by);
		}
	/* nobody asks: the same peer is met */
	by = judge(SST_REVOCATION_OFF, NULL, 0);
	staple = fresh(w.www, MADE_REVOKED);
	assert_int_equal(meet(&m, by, w.www, &staple, 0), SST_STEP_DONE);
	assert_string_equal(sst_conn_verdict(m.conn), "");
	meet_done(&m);
	sst_revoke_unref(by);
}

static void
rv_45_garbage_for_a_staple_is_bad_certificate_status_response(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct pki_buf staple;
	struct meet m;

	(void)state;
	for (int i = 0; i < 2; i++) {
		staple = (struct pki_buf){ 0 };
		pki_put_text(&staple, "\x30\x03 no response");
		(void)meet(&m, by, w.www, &staple, versions[i]);
		is_refused(&m, "no OCSP response");
		assert_int_equal(m.alert, SSL_AD_BAD_CERTIFICATE_STATUS_RESPONSE);
		meet_done(&m);
		/* one octet too many is no response either */
		staple = fresh(w.www, MADE_GOOD);
		pki_put(&staple, "", 1);
		(void)meet(&m, by, w.www, &staple, versions[i]);
		is_refused(&m, "no OCSP response");
		meet_done(&m);
	}
	sst_revoke_unref(by);
}

static void
rv_46_a_staple_for_another_certificate_counts_for_nothing(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_STAPLE, NULL, 0);
	struct sst_revoke *soft = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct pki_buf staple = fresh(w.other, MADE_GOOD);
	struct meet m;

	(void)state;
	(void)meet(&m, by, w.www, &staple, 0);
	is_refused(&m, "staple");
	meet_done(&m);
	staple = fresh(w.other, MADE_REVOKED);
	assert_int_equal(meet(&m, soft, w.www, &staple, 0), SST_STEP_DONE);
	meet_done(&m);
	sst_revoke_unref(by);
	sst_revoke_unref(soft);
}

static void
rv_47_an_expired_staple_is_no_staple(void **state)
{
	struct sst_revoke *soft = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct sst_revoke *hard = judge(SST_REVOCATION_HARD, NULL, 0);
	struct pki_buf staple;
	struct meet m;

	(void)state;
	staple = staple_of(w.www, MADE_GOOD, w.now - 3 * PKI_DAY, w.now - PKI_DAY);
	assert_int_equal(meet(&m, soft, w.www, &staple, 0), SST_STEP_DONE);
	assert_null(strstr(sst_conn_verdict(m.conn), "verdict=good"));
	meet_done(&m);
	staple = staple_of(w.www, MADE_GOOD, w.now - 3 * PKI_DAY, w.now - PKI_DAY);
	(void)meet(&m, hard, w.www, &staple, 0);
	is_refused(&m, "refused");
	meet_done(&m);
	sst_revoke_unref(soft);
	sst_revoke_unref(hard);
}

static void
rv_48_a_certificate_that_demands_a_staple_gets_none_of_softness(void **state)
{
	struct sst_revoke *soft = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct pki_buf staple = fresh(w.must, MADE_GOOD);
	struct meet m;

	(void)state;
	(void)meet(&m, soft, w.must, NULL, 0);
	is_refused(&m, "staple");
	meet_done(&m);
	assert_int_equal(meet(&m, soft, w.must, &staple, 0), SST_STEP_DONE);
	meet_done(&m);
	sst_revoke_unref(soft);
}

static void
without_any_source_soft_accepts_and_hard_refuses(void **state)
{
	struct sst_revoke *soft = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct sst_revoke *hard = judge(SST_REVOCATION_HARD, NULL, 0);
	struct meet m;

	(void)state;
	assert_int_equal(meet(&m, soft, w.www, NULL, 0), SST_STEP_DONE);
	assert_non_null(strstr(sst_conn_verdict(m.conn),
	    "source=none; verdict=no_source; "));
	meet_done(&m);
	(void)meet(&m, hard, w.www, NULL, 0);
	is_refused(&m, "certificate");
	meet_done(&m);
	assert_int_equal(responder_requests(w.crls), 0);
	sst_revoke_unref(soft);
	sst_revoke_unref(hard);
}

static void
a_list_that_the_program_named_counts(void **state)
{
	struct pki_buf bad = list_of(w.www), good = list_of(w.other);
	struct sst_lists *revoked = NULL, *fine = NULL;
	struct sst_revoke *by;
	struct meet m;

	(void)state;
	assert_int_equal(sst_lists_with(NULL, good.data, good.len, &fine, NULL), 0);
	assert_int_equal(sst_lists_with(fine, bad.data, bad.len, &revoked, NULL), 0);
	by = judge(SST_REVOCATION_HARD, fine, 0);
	assert_int_equal(meet(&m, by, w.www, NULL, 0), SST_STEP_DONE);
	assert_non_null(strstr(sst_conn_verdict(m.conn), "source=crl; verdict=good"));
	meet_done(&m);
	sst_revoke_unref(by);
	/* and so does each of several */
	by = judge(SST_REVOCATION_SOFT, revoked, 0);
	(void)meet(&m, by, w.www, NULL, 0);
	is_refused(&m, "revoked");
	meet_done(&m);
	sst_revoke_unref(by);
	sst_lists_unref(fine);
	sst_lists_unref(revoked);
	pki_buf_free(&bad);
	pki_buf_free(&good);
}

static int
was_verified(void *arg, struct sst_given *list)
{
	struct sst_given_work work;

	sst_given_work(list, &work);
	assert_int_equal(work.signatures, 1);
	assert_int_equal(work.readings, 1);
	++*(int *)arg;
	return 0;
}

static void
a_list_that_the_program_named_is_verified_for_its_first_connection(void **state)
{
	struct pki_buf bad = list_of(w.www), good = list_of(w.other);
	struct sst_lists *one = NULL, *two = NULL;
	struct sst_revoke *by;
	struct meet m;
	int n = 0;

	(void)state;
	assert_int_equal(sst_lists_with(NULL, good.data, good.len, &one, NULL), 0);
	by = judge(SST_REVOCATION_HARD, one, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(meet(&m, by, w.www, NULL, 0), SST_STEP_DONE);
		meet_done(&m);
		assert_int_equal(sst_lists_each(one, was_verified, &n), 0);
		assert_int_equal(n, i + 1);
	}
	sst_revoke_unref(by);
	/* one that is added takes nothing from those before it */
	assert_int_equal(sst_lists_with(one, bad.data, bad.len, &two, NULL), 0);
	by = judge(SST_REVOCATION_HARD, two, 0);
	for (int i = 0; i < 2; i++) {
		(void)meet(&m, by, w.www, NULL, 0);
		is_refused(&m, "revoked");
		meet_done(&m);
		assert_int_equal(sst_lists_each(two, was_verified, &n), 0);
		assert_int_equal(n, 2 + 2 * (i + 1));
	}
	sst_revoke_unref(by);
	sst_lists_unref(one);
	sst_lists_unref(two);
	pki_buf_free(&bad);
	pki_buf_free(&good);
}

static int
count(void *arg, struct sst_given *list)
{
	size_t len;
	const void *der = sst_given_bytes(list, &len);

	assert_int_equal(*(const unsigned char *)der, 0x30);
	assert_true(len > 100);
	return ++*(int *)arg < 3 ? 0 : 3;
}

static void
lists_are_read_in_der_and_pem_one_or_many_and_nothing_else(void **state)
{
	struct pki_buf one = list_of(w.www), two = { 0 }, cert = { 0 };
	struct sst_lists *l = NULL, *more = NULL;
	BIO *pem = BIO_new(BIO_s_mem());
	struct sst_error err = { 0 };
	char *text = NULL;
	int n = 0;
	long len;

	(void)state;
	pki_put(&two, one.data, one.len);
	pki_put(&two, one.data, one.len);
	assert_int_equal(sst_lists_with(NULL, two.data, two.len, &l, NULL), 0);
	assert_int_equal(sst_lists_each(l, count, &n), 0);
	assert_int_equal(n, 2);
	for (int i = 0; i < 2; i++)
		assert_true(PEM_write_bio(pem, "X509 CRL", "", (unsigned char *)one.data,
		    (long)one.len));
	len = BIO_get_mem_data(pem, &text);
	assert_int_equal(sst_lists_with(l, text, (size_t)len, &more, NULL), 0);
	sst_lists_unref(l);
	n = -10;
	assert_int_equal(sst_lists_each(more, count, &n), 0);
	assert_int_equal(n, -6);
	n = 1;
	assert_int_equal(sst_lists_each(more, count, &n), 3);
	sst_lists_unref(more);

	pki_put_cert(&cert, w.www);
	l = NULL;
	assert_int_equal(sst_lists_with(NULL, cert.data, cert.len, &l, &err),
	    SST_E_MALFORMED);
	assert_int_equal(sst_lists_with(NULL, one.data, one.len - 1, &l, NULL),
	    SST_E_MALFORMED);
	assert_int_equal(sst_lists_with(NULL, two.data, two.len - 1, &l, NULL),
	    SST_E_MALFORMED);
	assert_int_equal(sst_lists_with(NULL, text, (size_t)len - 40, &l, NULL),
	    SST_E_MALFORMED);
	assert_int_equal(sst_lists_with(NULL, "", 0, &l, NULL), SST_E_MALFORMED);
	assert_int_equal(sst_lists_with(NULL, text, SST_LISTS_MAX + 1, &l, NULL),
	    SST_E_LIMIT);
	assert_null(l);
	BIO_free(pem);
	pki_buf_free(&one);
	pki_buf_free(&two);
	pki_buf_free(&cert);
}

static void
ring(void *sem)
{
	(void)sem_post(sem);
}

/* What is missing is fetched between handshake and DONE. */
static enum sst_step
meet_fetching(struct meet *m, struct sst_revoke *by)
{
	sem_t rung;

	assert_int_equal(sem_init(&rung, 0, 0), 0);
	assert_int_equal(meet(m, by, w.listed, NULL, 0), SST_STEP_WANT_VERDICT);
	assert_string_equal(sst_conn_verdict(m->conn), "");
	assert_int_equal(sst_conn_judge_start(m->conn, ring, &rung, NULL), 0);
	assert_int_equal(sem_wait(&rung), 0);
	m->step = sst_conn_handshake(m->conn, &m->err);
	assert_int_equal(sem_trywait(&rung), -1);
	(void)sem_destroy(&rung);
	return m->step;
}

static void
what_is_missing_is_fetched_once_and_kept(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_HARD, NULL, 0);
	const int before = responder_requests(w.crls);
	struct meet m;

	(void)state;
	assert_int_equal(meet_fetching(&m, by), SST_STEP_DONE);
	assert_non_null(strstr(sst_conn_verdict(m.conn), "source=crl; verdict=good"));
	assert_non_null(strstr(sst_conn_verdict(m.conn), "/list"));
	meet_done(&m);
	assert_int_equal(responder_requests(w.crls), before + 1);
	/* warm: at once, and nobody is asked */
	assert_int_equal(meet(&m, by, w.listed, NULL, 0), SST_STEP_DONE);
	assert_non_null(strstr(sst_conn_verdict(m.conn), "kept=1"));
	meet_done(&m);
	assert_int_equal(responder_requests(w.crls), before + 1);
	sst_revoke_unref(by);
}

/* Whoever is listed leaves the list when he expires: no source is asked about him. */
static void
rv_110_about_an_expired_leaf_no_source_is_consulted(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_SOFT, NULL, 0);
	const int before = responder_requests(w.crls);
	struct pki_cert *expired = pki_issue(w.root, &(struct pki_spec){ .cn = "expired",
	    .san = HOST, .not_after = w.now - PKI_DAY,
	    .crl = responder_url(w.crls, "/list") });
	struct meet m;

	(void)state;
	assert_int_equal(meet(&m, by, expired, NULL, 0), SST_STEP_FAILED);
	is_refused(&m, "expired");
	meet_done(&m);
	assert_int_equal(responder_requests(w.crls), before);
	/* the same leaf in time */
	assert_int_equal(meet_fetching(&m, by), SST_STEP_DONE);
	meet_done(&m);
	assert_int_equal(responder_requests(w.crls), before + 1);
	pki_free(expired);
	sst_revoke_unref(by);
}

static void
what_is_fetched_may_refuse(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct meet m;

	(void)state;
	atomic_store(&w.revoke_listed, 1);
	assert_int_equal(meet_fetching(&m, by), SST_STEP_FAILED);
	is_refused(&m, "revoked");
	meet_done(&m);
	sst_revoke_unref(by);
}

static void
a_wait_that_is_given_up_is_not_told(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct meet m;
	sem_t rung;
	int n = 0;

	(void)state;
	assert_int_equal(sem_init(&rung, 0, 0), 0);
	for (int i = 0; i < 20; i++) {
		/* a memory of its own, or it would be warm */
		teardown(NULL);
		assert_int_equal(setup(NULL), 0);
		sst_revoke_unref(by);
		by = judge(SST_REVOCATION_SOFT, NULL, 0);
		assert_int_equal(meet(&m, by, w.listed, NULL, 0), SST_STEP_WANT_VERDICT);
		assert_int_equal(sst_conn_judge_start(m.conn, ring, &rung, NULL), 0);
		sst_conn_judge_end(m.conn);
		while (sem_trywait(&rung) == 0)
			n++;	/* it was, just before */
		meet_done(&m);
		assert_int_equal(sem_trywait(&rung), -1);
	}
	assert_true(n <= 20);
	(void)sem_destroy(&rung);
	sst_revoke_unref(by);
}

struct slow {
	sem_t	entered;
	atomic_int left;
};

/* Gives whoever does not wait for it the time to be wrong. */
static void
dawdle(void *arg)
{
	struct slow *s = arg;

	(void)sem_post(&s->entered);
	(void)poll(NULL, 0, 100);
	s->left = 1;
}

static void
a_call_that_is_under_way_is_waited_for(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct slow slow = { .left = 0 };
	struct meet m;

	(void)state;
	assert_int_equal(sem_init(&slow.entered, 0, 0), 0);
	assert_int_equal(meet(&m, by, w.listed, NULL, 0), SST_STEP_WANT_VERDICT);
	assert_int_equal(sst_conn_judge_start(m.conn, dawdle, &slow, NULL), 0);
	assert_int_equal(sem_wait(&slow.entered), 0);
	sst_conn_judge_end(m.conn);
	assert_int_equal(slow.left, 1);
	meet_done(&m);
	(void)sem_destroy(&slow.entered);
	sst_revoke_unref(by);
}

static void
a_live_connection_learns_of_a_revocation(void **state)
{
	struct sst_revoke *live = judge(SST_REVOCATION_SOFT, NULL, 1);
	struct sst_revoke *deaf = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct pki_buf staple;
	struct sst_error err = { 0 };
	struct meet m, quiet, bad;

	(void)state;
	staple = fresh(w.www, MADE_GOOD);
	assert_int_equal(meet(&m, live, w.www, &staple, 0), SST_STEP_DONE);
	staple = fresh(w.www, MADE_GOOD);
	assert_int_equal(meet(&quiet, deaf, w.www, &staple, 0), SST_STEP_DONE);
	assert_int_equal(sst_conn_judge_again(m.conn, &err), SST_OK);
	/* somebody else of this process meets a staple that says revoked */
	staple = staple_of(w.www, MADE_REVOKED, w.now - 3600, w.now + PKI_DAY);
	(void)meet(&bad, deaf, w.www, &staple, 0);
	is_refused(&bad, "revoked");
	assert_int_equal(sst_conn_judge_again(m.conn, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "revoked"));
	assert_non_null(strstr(sst_conn_verdict(m.conn), "verdict=revoked"));
	assert_int_equal(sst_conn_judge_again(quiet.conn, &err), SST_OK);
	meet_done(&m);
	meet_done(&quiet);
	meet_done(&bad);
	sst_revoke_unref(live);
	sst_revoke_unref(deaf);
}

/* A client resumes no session, so there is no handshake without a verdict. */
static void
rv_51_who_comes_again_to_a_server_with_tickets_is_judged_again(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct pki_buf staple;
	struct meet m;

	(void)state;
	for (int i = 0; i < 3; i++) {
		staple = i == 1 ? staple_of(w.www, MADE_REVOKED, w.now - 3600,
		    w.now + PKI_DAY) : fresh(w.www, MADE_GOOD);
		assert_int_equal(meet(&m, by, w.www, &staple, 0), i == 0 ?
		    SST_STEP_DONE : SST_STEP_FAILED);
		assert_int_equal(SSL_session_reused(m.ssl), 0);
		if (i > 0)
			is_refused(&m, "revoked");
		meet_done(&m);
	}
	sst_revoke_unref(by);
}

static void
a_connection_is_judged_by_one_and_not_when_plain(void **state)
{
	struct sst_revoke *by = judge(SST_REVOCATION_SOFT, NULL, 0);
	struct sst_conn *plain = NULL;
	struct meet m;

	(void)state;
	assert_int_equal(sst_conn_new_plain(0, &plain, NULL), 0);
	assert_int_equal(sst_conn_judge_by(plain, by, NULL), SST_E_STATE);
	sst_conn_judge_end(plain);
	assert_int_equal(sst_conn_judge_again(plain, NULL), SST_OK);
	assert_string_equal(sst_conn_verdict(plain), "");
	sst_conn_free(plain);
	/* nobody judges: no staple is asked for, nothing is said */
	assert_int_equal(meet(&m, NULL, w.www, NULL, 0), SST_STEP_DONE);
	assert_string_equal(sst_conn_verdict(m.conn), "");
	meet_done(&m);
	sst_revoke_unref(by);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(a_good_staple_is_a_verdict_in_both_versions),
		EACH(rv_50_a_staple_that_says_revoked_ends_it_before_any_byte),
		EACH(rv_45_garbage_for_a_staple_is_bad_certificate_status_response),
		EACH(rv_46_a_staple_for_another_certificate_counts_for_nothing),
		EACH(rv_47_an_expired_staple_is_no_staple),
		EACH(rv_48_a_certificate_that_demands_a_staple_gets_none_of_softness),
		EACH(without_any_source_soft_accepts_and_hard_refuses),
		EACH(a_list_that_the_program_named_counts),
		EACH(a_list_that_the_program_named_is_verified_for_its_first_connection),
		EACH(lists_are_read_in_der_and_pem_one_or_many_and_nothing_else),
		EACH(what_is_missing_is_fetched_once_and_kept),
		EACH(rv_110_about_an_expired_leaf_no_source_is_consulted),
		EACH(what_is_fetched_may_refuse),
		EACH(a_wait_that_is_given_up_is_not_told),
		EACH(a_call_that_is_under_way_is_waited_for),
		EACH(a_live_connection_learns_of_a_revocation),
		EACH(rv_51_who_comes_again_to_a_server_with_tickets_is_judged_again),
		EACH(a_connection_is_judged_by_one_and_not_when_plain),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
