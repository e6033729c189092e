/* SPDX-License-Identifier: ISC */
/* Settings, and way 2's attach. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <securesockets/openssl.h>

#include "meet.h"
#include "tls/alpn.h"

static struct {
	struct pki_cert *root, *other, *a;
	struct sst_store *store;
} w;

static int
world_make(void **state)
{
	(void)state;
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.other = pki_issue(NULL, &(struct pki_spec){ .cn = "Other", .ca = 1,
	    .key = PKI_RSA });
	w.a = pki_issue(w.root, &(struct pki_spec){ .san = "a.example" });
	w.store = meet_store(&w.a, 1);
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	sst_store_unref(w.store);
	pki_free(w.a);
	pki_free(w.other);
	pki_free(w.root);
	return 0;
}

static int
conf_try(const struct sst_tls_settings *s, struct sst_error *err)
{
	struct sst_tls_conf *conf = NULL;
	int rc;

	memset(err, 0, sizeof(*err));
	rc = sst_tls_conf_new(s, &conf, err);
	sst_tls_conf_unref(conf);
	return rc;
}

static void
versions_outside_or_crossing_are_usage(void **state)
{
	struct sst_error err;
	struct sst_tls_settings s = { .server = 1, .store = w.store };

	(void)state;
	s.version_min = 0x0303, s.version_max = 0x0304;
	assert_int_equal(conf_try(&s, &err), 0);
	s.version_min = 0x0302;
	assert_int_equal(conf_try(&s, &err), SST_E_USAGE);
	assert_non_null(strstr(err.text, "0x0302"));
	s.version_min = 0x0303, s.version_max = 0x0305;
	assert_int_equal(conf_try(&s, &err), SST_E_USAGE);
	s.version_min = 0x0304, s.version_max = 0x0303;
	assert_int_equal(conf_try(&s, &err), SST_E_USAGE);
	assert_non_null(strstr(err.text, "above"));
	s = (struct sst_tls_settings){ .server = 1 };
	assert_int_equal(conf_try(&s, &err), SST_E_USAGE);
}

static void
an_alpn_list_has_no_empty_and_no_long_items(void **state)
{
	static const char *const bad[] = { "", ",", "h2,", ",h2", "h2,,x" };
	char item[300];
	struct sst_error err;

	(void)state;
	assert_int_equal(sst_tls_alpn_check("h2,http/1.1", NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(sst_tls_alpn_check(bad[i], &err), SST_E_USAGE);
		assert_non_null(strstr(err.text, "empty"));
	}
	memset(item, 'x', sizeof(item));
	item[255] = '\0';
	assert_int_equal(sst_tls_alpn_check(item, NULL), 0);
	item[255] = 'x', item[256] = '\0';
	assert_int_equal(sst_tls_alpn_check(item, NULL), SST_E_USAGE);
}

/* The wire form is the peer's: a length that runs over the end is no match. */
static void
an_alpn_list_that_is_cut_short_is_not_read_beyond(void **state)
{
	uint8_t *cut = malloc(2), *whole = malloc(3), len = 0;

	(void)state;
	memcpy(cut, "\x02h", 2);
	memcpy(whole, "\x02h2", 3);
	assert_null(sst_alpn_pick(whole, 3, cut, 2, &len));
	assert_ptr_equal(sst_alpn_pick(whole, 3, whole, 3, &len), whole + 1);
	assert_int_equal(len, 2);
	free(cut);
	free(whole);
}

static void
the_same_settings_of_a_client_are_the_same_conf(void **state)
{
	struct sst_trust *trust = meet_trust(w.root, NULL);
	struct sst_trust *twin = meet_trust(w.root, NULL);
	struct sst_tls_settings s = { .trust = trust, .alpn = "h2" };
	struct sst_tls_conf *a = NULL, *b = NULL;

	(void)state;
	assert_int_equal(sst_tls_conf_new(&s, &a, NULL), 0);
	assert_int_equal(sst_tls_conf_new(&s, &b, NULL), 0);
	assert_ptr_equal(a, b);
	sst_tls_conf_unref(b);
	for (int i = 0; i < 4; i++) {
		s = (struct sst_tls_settings){ .trust = trust, .alpn = "h2" };
		if (i == 0)
			s.alpn = "h3";
		else if (i == 1)
			s.alpn = NULL;
		else if (i == 2)
			s.version_max = 0x0303;
		else
			s.trust = twin;
		assert_int_equal(sst_tls_conf_new(&s, &b, NULL), 0);
		assert_ptr_not_equal(a, b);
		sst_tls_conf_unref(b);
	}
	/* Many others push it out; it stays good for whoever holds it. */
	for (uint16_t i = 0; i < 20; i++) {
		char alpn[8];

		snprintf(alpn, sizeof(alpn), "p%u", i);
		s = (struct sst_tls_settings){ .trust = trust, .alpn = alpn };
		assert_int_equal(sst_tls_conf_new(&s, &b, NULL), 0);
		sst_tls_conf_unref(b);
	}
	assert_non_null(sst_tls_conf_ctx(a));
	sst_tls_conf_unref(a);
	sst_trust_unref(trust);
	sst_trust_unref(twin);
}

/* Way 2 as a program uses it: its own SSL_CTX, its own loop. */
static int
own_handshake(SSL_CTX *sctx, const char *sni, SSL **ret_server, SSL **ret_client)
{
	/* RSA first: what the context has of its own would be taken. */
	SSL_CTX *cctx = raw_client_ctx(&(struct raw){
	    .sigalgs = "RSA-PSS+SHA256:ECDSA+SHA256" });
	int fd[2], cdone = 0, sdone = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	*ret_client = SSL_new(cctx);
	if (*ret_server == NULL)
		*ret_server = SSL_new(sctx);
	SSL_CTX_free(cctx);
	SSL_set_fd(*ret_client, fd[0]);
	SSL_set_fd(*ret_server, fd[1]);
	if (sni != NULL)
		SSL_set_tlsext_host_name(*ret_client, sni);
	for (int i = 0; i < 10 && !(cdone && sdone); i++) {
		cdone = SSL_connect(*ret_client) == 1;
		sdone = SSL_accept(*ret_server) == 1;
	}
	close(fd[0]);
	close(fd[1]);
	return cdone && sdone;
}

static void
an_attached_context_serves_by_name_and_nothing_else(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *server = NULL, *client = NULL;
	const struct sst_choose_policy strict = { .strict = 1 };
	struct sst_error err = { 0 };

	(void)state;
	/* The context's own certificate must never be shown. */
	assert_int_equal(SSL_CTX_use_certificate(ctx, w.other->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, w.other->key), 1);
	assert_int_equal(sst_openssl_attach_store(NULL, w.store, NULL, NULL),
	    SST_E_USAGE);
	assert_int_equal(sst_openssl_attach_store(ctx, NULL, NULL, NULL), SST_E_USAGE);
	assert_int_equal(sst_openssl_attach_store(ctx, w.store, &strict, &err), 0);
	assert_int_equal(sst_openssl_attach_store(ctx, w.store, NULL, &err),
	    SST_E_STATE);
	assert_false(SSL_CTX_get_options(ctx) & SSL_OP_NO_TICKET);
	assert_int_equal(SSL_CTX_get_num_tickets(ctx), 1);
	assert_int_equal(SSL_CTX_get_session_cache_mode(ctx), SSL_SESS_CACHE_OFF);

	assert_true(own_handshake(ctx, "a.example", &server, &client));
	assert_int_equal(X509_cmp(SSL_get0_peer_certificate(client), w.a->cert), 0);
	assert_int_equal(sst_choice_tier(sst_openssl_choice(server)), SST_TIER_EXACT);
	assert_null(sst_openssl_choice(client));
	assert_null(sst_openssl_choice(NULL));
	assert_string_equal(SSL_get_servername(server, TLSEXT_NAMETYPE_host_name),
	    "a.example");
	SSL_free(client);
	/* The same SSL again, for another client: a new choice. */
	assert_int_equal(SSL_clear(server), 1);
	assert_false(own_handshake(ctx, "b.example", &server, &client));
	assert_int_equal(sst_choice_alert(sst_openssl_choice(server)), 112);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(ctx);
}

static void
the_policy_is_copied_and_the_store_is_held(void **state)
{
	char name[] = "a.example", other[] = "z.example", def[] = "a.example";
	const char *names[] = { name, other };
	struct sst_choose_policy policy = { .names = names, .n_names = 2,
	    .default_name = def };
	struct sst_store *store = meet_store(&w.a, 1);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *server = NULL, *client = NULL;

	(void)state;
	assert_int_equal(sst_openssl_attach_store(ctx, store, &policy, NULL), 0);
	sst_store_unref(store);
	memset(name, 'x', 9);
	memset(def, 'x', 9);
	names[0] = names[1] = NULL;
	assert_true(own_handshake(ctx, "a.example", &server, &client));
	SSL_free(client);
	SSL_free(server);
	server = NULL;
	assert_true(own_handshake(ctx, "nobody.example", &server, &client));
	assert_int_equal(sst_choice_tier(sst_openssl_choice(server)),
	    SST_TIER_DEFAULT);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(ctx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_outside_or_crossing_are_usage),
		cmocka_unit_test(an_alpn_list_has_no_empty_and_no_long_items),
		cmocka_unit_test(an_alpn_list_that_is_cut_short_is_not_read_beyond),
		cmocka_unit_test(the_same_settings_of_a_client_are_the_same_conf),
		cmocka_unit_test(an_attached_context_serves_by_name_and_nothing_else),
		cmocka_unit_test(the_policy_is_copied_and_the_store_is_held),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
