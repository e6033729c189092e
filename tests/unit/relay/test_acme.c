/* SPDX-License-Identifier: ISC */
/* Challenges of an ACME server on a listener: set, answered, taken back. */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/certs.h"
#include "relay/settings.h"
#include "relay/supply.h"
#include "support/acme.h"

static struct pki_cert *acme, *other;

static int
group_make(void **state)
{
	acme = acme_cert("b.example", PKI_P256, 0);
	other = acme_cert("IP:192.0.2.1", PKI_P256, 0);
	return world_make(state);
}

static int
group_free(void **state)
{
	pki_free(acme);
	pki_free(other);
	return world_free(state);
}

static int
put(struct scene *s, uint32_t id, const struct pki_cert *cert)
{
	return agent_supply_as(&s->a, s->app, id, TLS_ACME_CHALLENGE, cert);
}

static int
take_back(struct scene *s, const char *what)
{
	return agent_set(&s->a, s->app, TLS_CERTIFICATE_REMOVE, what, strlen(what));
}

static size_t
sources(const struct scene *s)
{
	return sst_certs_count(s->l->record->set->certs);
}

/* One validation of `name`, from dialling to the end. The client's certificate is
 * `want`, and close_notify follows; NULL: it is refused. */
static void
validate(struct scene *s, const char *name, int version, const struct pki_cert *want)
{
	struct client c = dial(s, 0, 1);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	X509 *leaf;
	char byte;
	int rc = 0;

	assert_true(SSL_CTX_set_max_proto_version(ctx, version));
	assert_int_equal(SSL_CTX_set_alpn_protos(ctx,
	    (const unsigned char *)"\012acme-tls/1", 11), 0);
	c.ssl = SSL_new(ctx);
	assert_true(SSL_set_fd(c.ssl, c.fd));
	assert_true(SSL_set_tlsext_host_name(c.ssl, name));
	for (int i = 0; i < 20 && rc != 1; i++) {
		rc = SSL_connect(c.ssl);
		agent_settle(&s->a);
	}
	assert_int_equal(rc == 1, want != NULL);
	if (want != NULL) {
		leaf = SSL_get0_peer_certificate(c.ssl);
		assert_int_equal(X509_cmp(leaf, want->cert), 0);
		rc = SSL_read(c.ssl, &byte, 1);
		assert_int_equal(SSL_get_error(c.ssl, rc), SSL_ERROR_ZERO_RETURN);
	}
	ERR_clear_error();
	assert_true(ended(&c));
	hang_up(s, &c);
	SSL_CTX_free(ctx);
}

static void
cs_62_the_program_never_accepts_a_validation(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c;
	int fd;

	begin(s, 8);
	assert_int_equal(put(s, 2, acme), 0);
	validate(s, "b.example", TLS1_2_VERSION, acme);
	validate(s, "b.example", TLS1_3_VERSION, acme);
	assert_int_equal(take(s, &rec, 1), -1);
	assert_int_equal(counted(s, SST_COUNT_ACME), 2);
	assert_int_equal(counted(s, SST_COUNT_OK), 0);
	assert_null(s->l->last_error);
	assert_int_equal(s->l->n_shakes, 0);
	assert_int_equal(s->l->n_active, 0);
	validate(s, "a.example", TLS1_3_VERSION, NULL);
	assert_int_equal(counted(s, SST_COUNT_ACME), 2);
	assert_int_equal(counted(s, SST_COUNT_ALERT), 1);
	assert_non_null(s->l->last_error);
	/* who asks in no such way is accepted */
	c = dial(s, 0, 1);
	shake(s, &c);
	fd = take(s, &rec, 1);
	assert_true(fd >= 0);
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	(void)close(fd);
	hang_up(s, &c);
}

static void
nothing_else_is_taken_as_a_challenge(void **state)
{
	struct scene *s = *state;
	struct pki_cert *b = pki_issue(w.ca, &(struct pki_spec){ .san = "b.example" });
	size_t before;

	begin(s, 8);
	before = sources(s);
	assert_int_equal(put(s, 2, b), EPROTO);
	assert_non_null(strstr(s->a.data, "acmeIdentifier"));
	assert_int_equal(sources(s), before);
	validate(s, "b.example", TLS1_3_VERSION, NULL);
	/* and what is one may also come as a certificate */
	assert_int_equal(agent_supply(&s->a, s->app, 3, acme), 0);
	validate(s, "b.example", TLS1_3_VERSION, acme);
	pki_free(b);
}

/* The option with a path. */
static int
put_path(struct scene *s, uint32_t id, const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC), rc;
	struct sst_wire_head head;

	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = id;
	head.a = IPPROTO_TLS;
	head.b = TLS_ACME_CHALLENGE;
	rc = agent_ask(&s->a, sst_supply_file, &head, path, strlen(path) + 1, s->app,
	    file);
	(void)close(file);
	return rc;
}

static void
a_file_is_taken_and_a_directory_is_not(void **state)
{
	struct scene *s = *state;
	char *dir = pki_dir_new();
	size_t before;

	begin(s, 8);
	before = sources(s);
	pki_write_pair(dir, "b.pem", acme);
	assert_int_equal(put_path(s, 2, dir), EINVAL);
	assert_non_null(strstr(s->a.data, "TLS_CERTIFICATE_CHAIN"));
	validate(s, "b.example", TLS1_3_VERSION, NULL);
	assert_int_equal(put_path(s, 3, pki_path(dir, "b.pem")), 0);
	validate(s, "b.example", TLS1_3_VERSION, acme);
	assert_int_equal(take_back(s, "acme:b.example"), 0);
	validate(s, "b.example", TLS1_3_VERSION, NULL);
	assert_int_equal(sources(s), before);
	pki_dir_free(dir);
}

/* The names that a listener answers for say nothing of its challenges. */
static void
a_challenge_is_answered_whatever_names_are_listed(void **state)
{
	struct scene *s = *state;

	assert_int_equal(agent_set(&s->a, s->app, TLS_HOSTNAME, "a.example", 9), 0);
	begin(s, 8);
	assert_int_equal(put(s, 2, acme), 0);
	validate(s, "b.example", TLS1_3_VERSION, acme);
	validate(s, "c.example", TLS1_3_VERSION, NULL);
}

static void
taken_back_it_leaves_nothing_behind(void **state)
{
	struct scene *s = *state;
	size_t before;

	begin(s, 8);
	before = sources(s);
	for (uint32_t id = 2; id < 6; id++) {
		assert_int_equal(put(s, id, acme), 0);
		assert_int_equal(put(s, id + 10, other), 0);
		validate(s, "b.example", TLS1_3_VERSION, acme);
		assert_int_equal(take_back(s, "acme:B.example"), 0);
		validate(s, "b.example", TLS1_3_VERSION, NULL);
		validate(s, "1.2.0.192.in-addr.arpa", TLS1_3_VERSION, other);
		assert_int_equal(take_back(s, "acme:192.0.2.1"), 0);
		assert_int_equal(sources(s), before);
	}
	assert_int_equal(take_back(s, "acme:b.example"), ENOENT);
	assert_int_equal(take_back(s, "acme:a.example"), ENOENT);
	assert_int_equal(take_back(s, "acme:"), EINVAL);
	/* the listener's own certificate is still there */
	validate(s, "a.example", TLS1_3_VERSION, NULL);
	assert_int_equal(take_back(s, "*"), 0);
}

int
main(void)
{
#define SCENE(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
	const struct CMUnitTest tests[] = {
		SCENE(cs_62_the_program_never_accepts_a_validation),
		SCENE(nothing_else_is_taken_as_a_challenge),
		SCENE(a_file_is_taken_and_a_directory_is_not),
		SCENE(a_challenge_is_answered_whatever_names_are_listed),
		SCENE(taken_back_it_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, group_make, group_free);
}
