/* SPDX-License-Identifier: ISC */
/*
 * Session tickets of a server, in both ways: who may resume, and who begins anew without
 * being told off.
 */
#include "visit.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "duo.h"
#include "meet.h"
#include "support/wall.h"
#include "tls/ticket_key.h"

#define for_each_way(way, i)						\
	for (int way = 1; way <= 2; way++)				\
		for (int i = 0; i < 2; i++)

static void
one_ticket_a_full_handshake_and_none_a_resumed_one(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for_each_way(way, i) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server s;
		SSL_SESSION *session;

		server_make(&s, way, store);
		visit(&s, &v);
		assert_true(v.ok);
		assert_int_equal(v.n_tickets, 1);
		assert_int_equal(v.lifetime, SST_TICKET_LIFE_S);
		session = v.session;
		v.resume = session;
		visit(&s, &v);
		assert_true(v.ok && v.reused);
		assert_int_equal(v.n_tickets, 0);
		SSL_SESSION_free(v.session);
		/* the same ticket, as often as the client likes */
		assert_true(visit_again(&s, v));
		SSL_SESSION_free(session);
		server_done(&s);
	}
	sst_store_unref(store);
}

/* A certificate for both names does not make them one. */
static void
cs_58_a_ticket_is_good_for_its_name_alone(void **state)
{
	static const char *const others[] = { "b.example", NULL, "x.w.example",
	    "nobody.example" };
	struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);
	const struct sst_choose_policy lax = { .default_name = "a.example" };

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i % 2] };
		struct server s = { 0 };

		if (i < 2) {
			s.conf = visit_conf(store, &lax, NULL);
		} else {
			s.ctx = SSL_CTX_new(TLS_server_method());
			assert_int_equal(sst_openssl_attach_store(s.ctx, store, &lax, NULL),
			    0);
		}
		v.resume = visit_first(&s, v);
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			v.sni = others[k];
			assert_false(visit_again(&s, v));
		}
		v.sni = "A.Example.";	/* it is folded */
		assert_true(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		/* and without a name */
		v.sni = NULL;
		v.resume = NULL;
		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		v.sni = "a.example";
		assert_false(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
cs_58_a_ticket_is_good_for_its_protocols_alone(void **state)
{
	static const char *const others[] = { NULL, "\x08http/1.1", "\x08http/1.1\x02h2",
	    "\x02h2\x08http/1.1\x02h3", "\x02h2" };
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for_each_way(way, i) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i],
		    .alpn = "\x02h2\x08http/1.1" };
		struct server s;

		server_make(&s, way, store);
		v.resume = visit_first(&s, v);
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			v.alpn = others[k];
			assert_false(visit_again(&s, v));
		}
		v.alpn = "\x02h2\x08http/1.1";
		assert_true(visit_again(&s, v));
		/* RFC 8701: what is drawn by lot is nothing to be bound to */
		v.alpn = "\x02\x1a\x1a\x02h2\x02\xfa\xfa\x08http/1.1";
		assert_true(visit_again(&s, v));
		v.alpn = "\x02\x1a\x2a\x02h2\x08http/1.1";
		assert_false(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
cs_58_what_the_server_speaks_counts_as_well(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i],
		    .alpn = "\x02h2" };
		struct server one = { .conf = visit_conf(store, NULL, "h2") };
		struct server same = { .conf = visit_conf(store, NULL, "h2") };
		struct server more = { .conf = visit_conf(store, NULL, "h2,http/1.1") };

		v.resume = visit_first(&one, v);
		assert_true(visit_again(&same, v));
		assert_false(visit_again(&more, v));
		SSL_SESSION_free(v.resume);
		server_done(&one);
		server_done(&same);
		server_done(&more);
	}
	sst_store_unref(store);
}

/* A session's id is none: there is nothing here to look it up in. */
static void
cs_58_no_session_is_resumed_by_its_id(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int way = 1; way <= 2; way++) {
		struct visit v = { .sni = "a.example", .version = TLS1_2_VERSION };
		SSL_CTX *ctx = visit_client(&v);
		struct server s;
		struct duo d;

		server_make(&s, way, store);
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		duo_ask(&d, ctx, way == 1 ? sst_tls_conf_ctx(s.conf) : s.ctx, NULL, "a.example");
		assert_false(SSL_SESSION_is_resumable(SSL_get_session(d.client)));
		duo_done(&d);
		SSL_CTX_free(ctx);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
where_no_name_is_sent_the_address_is_part_of_it(void **state)
{
	struct sst_store *store = meet_store(&t.ip, 1);
	struct sockaddr_in one = { .sin_family = AF_INET }, two = one;

	(void)state;
	one.sin_addr.s_addr = inet_addr("192.0.2.1");
	two.sin_addr.s_addr = inet_addr("192.0.2.2");
	for (int i = 0; i < 2; i++) {
		struct visit v = { .version = visit_versions[i],
		    .local = (struct sockaddr *)&one };
		struct server s = { .conf = visit_conf(store, NULL, NULL) };

		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		v.local = (struct sockaddr *)&two;
		assert_false(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
cs_59_a_name_that_was_removed_is_gone_for_who_has_a_ticket(void **state)
{
	const struct sst_choose_policy strict = { .strict = 1 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);
		struct server s = { .conf = visit_conf(store, &strict, NULL) };
		struct visit v = { .sni = "a.example", .version = visit_versions[i] }, u = v;
		unsigned char digest[32];
		char text[65];

		v.resume = visit_first(&s, v);
		u.sni = "b.example";
		u.resume = visit_first(&s, u);
		pki_digest(t.a, digest);
		for (int k = 0; k < 32; k++)
			sprintf(text + 2 * k, "%02x", digest[k]);
		assert_true(visit_again(&s, v));
		assert_int_equal(sst_store_remove(store, text, NULL), 0);
		visit(&s, &v);
		assert_false(v.ok);
		assert_int_equal(v.alert, SSL_AD_UNRECOGNIZED_NAME);
		assert_true(visit_again(&s, u));
		SSL_SESSION_free(v.resume);
		SSL_SESSION_free(u.resume);
		server_done(&s);
		sst_store_unref(store);
	}
}

/* Under the default identity, which happens to be the same one. */
static void
cs_59_a_name_that_is_answered_for_no_more_begins_anew(void **state)
{
	static const char *const names[] = { "b.example" };
	const struct sst_choose_policy all = { .default_name = "a.example" };
	const struct sst_choose_policy few = { .default_name = "a.example",
	    .names = names, .n_names = 1 };
	struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server wide = { .conf = visit_conf(store, &all, NULL) };
		struct server narrow = { .conf = visit_conf(store, &few, NULL) };

		v.resume = visit_first(&wide, v);
		assert_true(visit_again(&wide, v));
		assert_false(visit_again(&narrow, v));
		SSL_SESSION_free(v.resume);
		v.resume = NULL;
		v.resume = visit_first(&narrow, v);
		assert_true(visit_again(&narrow, v));
		SSL_SESSION_free(v.resume);
		server_done(&wide);
		server_done(&narrow);
	}
	sst_store_unref(store);
}

/* Another listener of the same program, with another policy. */
static void
cs_59_a_policy_that_was_tightened_begins_anew(void **state)
{
	static const struct sst_choose_policy lax = { 0 }, tight[] = { { .strict = 1 },
	    { .refuse_expired = 1 }, { .refuse_revoked = 1 }, { .refuse_unstapled = 1 } };
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server s = { .conf = visit_conf(store, &lax, NULL) }, same, other;

		v.resume = visit_first(&s, v);
		same = (struct server){ .conf = visit_conf(store, NULL, NULL) };
		assert_true(visit_again(&same, v));
		server_done(&same);
		for (size_t k = 0; k < sizeof(tight) / sizeof(tight[0]); k++) {
			other = (struct server){ .conf = visit_conf(store, &tight[k], NULL) };
			assert_false(visit_again(&other, v));
			server_done(&other);
		}
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

static void
add(struct sst_store *store, const struct pki_cert *cert)
{
	struct pki_buf pem = { 0 };

	pki_put_chain(&pem, cert);
	pki_put_key(&pem, cert);
	assert_int_equal(sst_store_add_bytes(store, pem.data, pem.len, NULL), 0);
	pki_buf_free(&pem);
}

static void
cs_61_a_renewal_that_keeps_its_key_keeps_its_sessions(void **state)
{
	(void)state;
	for_each_way(way, i) {
		struct sst_store *store = meet_store(&t.a, 1);
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server s;

		server_make(&s, way, store);
		v.resume = visit_first(&s, v);
		add(store, t.again);
		assert_true(visit_again(&s, v));
		add(store, t.other_key);
		assert_false(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		v.resume = NULL;
		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
		sst_store_unref(store);
	}
}

static void
cs_61_who_is_shown_a_revoked_certificate_resumes_nothing(void **state)
{
	unsigned char digest[32];

	(void)state;
	pki_digest(t.a, digest);
	for_each_way(way, i) {
		struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);
		struct visit v = { .sni = "a.example", .version = visit_versions[i] }, u = v;
		struct server s;

		server_make(&s, way, store);
		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		assert_int_equal(sst_store_mark_revoked(store, digest, "a test", NULL), 0);
		visit(&s, &v);
		assert_true(v.ok);	/* there is nothing better */
		assert_false(v.reused);
		assert_null(v.session);
		u.sni = "b.example";
		u.resume = visit_first(&s, u);
		assert_true(visit_again(&s, u));
		SSL_SESSION_free(u.resume);
		assert_int_equal(sst_store_mark_revoked(store, digest, NULL, NULL), 0);
		assert_true(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
		sst_store_unref(store);
	}
}

static void
cs_60_a_ticket_of_the_third_slot_begins_anew(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);
	const time_t now = time(NULL) / SST_TICKET_EPOCH_S * SST_TICKET_EPOCH_S;

	(void)state;
	for_each_way(way, i) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		struct server s;

		atomic_store(&wall, now);
		server_make(&s, way, store);
		v.resume = visit_first(&s, v);
		for (int slot = 0; slot < 5; slot++) {
			atomic_store(&wall, now + slot * SST_TICKET_EPOCH_S);
			assert_int_equal(visit_again(&s, v), slot <= 2);
		}
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

/* A retry asks the same question twice, and is answered once. */
static void
a_resumed_handshake_may_be_asked_to_retry(void **state)
{
	struct sst_store *store = meet_store((struct pki_cert *[]){ t.a, t.b }, 2);

	(void)state;
	for (int way = 1; way <= 2; way++) {
		struct visit v = { .sni = "a.example", .version = TLS1_3_VERSION,
		    .groups = "X25519:P-256" };
		struct server s;

		server_make(&s, way, store);
		assert_true(SSL_CTX_set1_groups_list(way == 1 ?
		    sst_tls_conf_ctx(s.conf) : s.ctx, "P-256"));
		v.resume = visit_first(&s, v);
		assert_true(visit_again(&s, v));
		v.sni = "b.example";
		assert_false(visit_again(&s, v));
		SSL_SESSION_free(v.resume);
		server_done(&s);
	}
	sst_store_unref(store);
}

/* Bits of a ticket that somebody changed: no alert, no session. */
static void
cs_58_a_ticket_that_was_changed_begins_anew(void **state)
{
	struct sst_store *store = meet_store(&t.a, 1);

	(void)state;
	for_each_way(way, i) {
		struct visit v = { .sni = "a.example", .version = visit_versions[i] };
		unsigned char *der = NULL, *at;
		const unsigned char *ticket, *from;
		SSL_SESSION *whole;
		struct server s;
		size_t len;
		int n;

		server_make(&s, way, store);
		whole = visit_first(&s, v);
		SSL_SESSION_get0_ticket(whole, &ticket, &len);
		n = i2d_SSL_SESSION(whole, &der);
		assert_true(n > 0);
		at = memmem(der, (size_t)n, ticket, len);
		assert_non_null(at);
		for (size_t k = 0; k < len; k += k < 40 ? 1 : 13) {
			at[k] ^= 1;
			from = der;
			v.resume = d2i_SSL_SESSION(NULL, &from, n);
			assert_non_null(v.resume);
			assert_false(visit_again(&s, v));
			SSL_SESSION_free(v.resume);
			at[k] ^= 1;
		}
		v.resume = whole;
		assert_true(visit_again(&s, v));
		SSL_SESSION_free(whole);
		OPENSSL_free(der);
		server_done(&s);
	}
	sst_store_unref(store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		VISIT(one_ticket_a_full_handshake_and_none_a_resumed_one),
		VISIT(cs_58_a_ticket_is_good_for_its_name_alone),
		VISIT(cs_58_a_ticket_is_good_for_its_protocols_alone),
		VISIT(cs_58_what_the_server_speaks_counts_as_well),
		VISIT(cs_58_no_session_is_resumed_by_its_id),
		VISIT(where_no_name_is_sent_the_address_is_part_of_it),
		VISIT(cs_59_a_name_that_was_removed_is_gone_for_who_has_a_ticket),
		VISIT(cs_59_a_name_that_is_answered_for_no_more_begins_anew),
		VISIT(cs_59_a_policy_that_was_tightened_begins_anew),
		VISIT(cs_61_a_renewal_that_keeps_its_key_keeps_its_sessions),
		VISIT(cs_61_who_is_shown_a_revoked_certificate_resumes_nothing),
		VISIT(cs_60_a_ticket_of_the_third_slot_begins_anew),
		VISIT(a_resumed_handshake_may_be_asked_to_retry),
		VISIT(cs_58_a_ticket_that_was_changed_begins_anew),
	};

	return cmocka_run_group_tests(tests, visit_world_make, visit_world_free);
}
