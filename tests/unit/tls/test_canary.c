/* SPDX-License-Identifier: ISC */
/* canary - what is tried before it serves: what passes, and what a client would meet. */
#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "certstore/identity.h"
#include <securesockets/openssl.h>

#include "support/pki.h"
#include "support/wall.h"
#include "tls/canary.h"
#include "tls/staple.h"
#include "unit/ocsp/make_response.h"

#define HOST	"www.example.com"

static struct {
	struct pki_cert	*root, *mid, *www;
} w;

/* What the next server shows, and what it saw. */
static struct {
	struct pki_buf	 der;		/* empty: no staple */
	int		 bad_version;	/* fails in this one; 0: in none */
	int		 seen[4];
	int		 n;
} shown;

static int
make(void **state)
{
	(void)state;
	atomic_store(&wall, PKI_NOW);
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.mid = pki_issue(w.root, &(struct pki_spec){ .cn = "Intermediate", .ca = 1 });
	w.www = pki_issue(w.mid, &(struct pki_spec){ .san = HOST });
	return 0;
}

static int
unmake(void **state)
{
	(void)state;
	pki_free(w.www);
	pki_free(w.mid);
	pki_free(w.root);
	return 0;
}

static int
forget(void **state)
{
	(void)state;
	pki_buf_free(&shown.der);
	memset(&shown, 0, sizeof(shown));
	return 0;
}

static int
on_status(SSL *ssl, void *arg)
{
	(void)arg;
	assert_true(shown.n < 4);
	shown.seen[shown.n++] = SSL_version(ssl);
	if (SSL_version(ssl) == shown.bad_version)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return sst_staple_show(ssl, shown.der.len > 0 ? shown.der.data : NULL,
	    shown.der.len);
}

/* An identity of the leaf, with this chain above it (NULL: none). */
static struct sst_identity *
identity(const struct pki_cert *leaf, const struct pki_cert *above,
    const struct pki_cert *further)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct sst_leaf_facts facts = { 0 };
	struct sst_identity *id = NULL;
	struct sst_error err = { 0 };

	if (above != NULL)
		(void)sk_X509_push(chain, above->cert);
	if (further != NULL)
		(void)sk_X509_push(chain, further->cert);
	if (sst_leaf_facts_read(leaf->cert, &facts, &err) != SST_OK ||
	    sst_identity_new(leaf->cert, chain, leaf->key, &facts, &id, &err) != SST_OK)
		fail_msg("%s", err.text);
	sst_leaf_facts_done(&facts);
	sk_X509_free(chain);
	return id;
}

/* Tries it at level 2; `word` NULL: it must pass, else the text has it. */
static void
tried_at(struct sst_identity *id, const char *names, int level, int staples,
    const char *word)
{
	struct sst_canary canary = { .level = level,
	    .staple = staples ? on_status : NULL };
	struct sst_error err = { 0 };
	int rc = sst_canary(&canary, id, names, 1, &err);

	if (word == NULL && rc != SST_OK)
		fail_msg("refused: %s", err.text);
	if (word != NULL && (rc != SST_E_REFUSED || strstr(err.text, word) == NULL))
		fail_msg("%d, not refused with '%s': %s", rc, word, err.text);
	assert_int_equal(ERR_peek_error(), 0);
}

static void
tried(struct sst_identity *id, const char *names, const char *word)
{
	tried_at(id, names, 2, 0, word);
}

static void
an_identity_of_each_type_of_key_passes(void **state)
{
	static const enum pki_key keys[] = { PKI_P256, PKI_P384, PKI_P521, PKI_RSA,
	    PKI_RSA_PSS, PKI_ED25519, PKI_ED448 };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct pki_cert *leaf = pki_issue(w.mid, &(struct pki_spec){
		    .key = keys[i], .san = HOST });
		struct sst_identity *id = identity(leaf, w.mid, NULL);

		tried(id, HOST "\n", NULL);
		sst_identity_unref(id);
		pki_free(leaf);
	}
}

static void
a_leaf_alone_passes(void **state)
{
	struct pki_cert *self = pki_issue(NULL, &(struct pki_spec){ .cn = "self",
	    .san = HOST });
	struct sst_identity *id = identity(self, NULL, NULL);

	(void)state;
	tried(id, HOST "\n", NULL);
	tried(id, NULL, NULL);
	sst_identity_unref(id);
	pki_free(self);
	/* one whose issuer is nowhere */
	id = identity(w.www, NULL, NULL);
	tried(id, HOST "\n", NULL);
	sst_identity_unref(id);
}

static void
a_chain_that_did_not_sign_it_is_refused(void **state)
{
	struct pki_cert *twin = pki_issue(w.root, &(struct pki_spec){
	    .cn = "Intermediate", .ca = 1 });
	struct pki_cert *mail = pki_issue(w.root, &(struct pki_spec){ .cn = "Mail",
	    .ca = 1 });
	struct sst_identity *good = identity(w.www, w.mid, NULL);
	struct sst_identity *whole = identity(w.www, w.mid, w.root);
	struct sst_identity *forged = identity(w.www, twin, NULL);
	struct sst_identity *foreign = identity(w.www, mail, NULL);

	(void)state;
	tried(good, HOST "\n", NULL);
	tried(whole, HOST "\n", NULL);
	tried(forged, HOST "\n", "a client would refuse it");
	tried(foreign, HOST "\n", "a client would refuse it");
	sst_identity_unref(good);
	sst_identity_unref(whole);
	sst_identity_unref(forged);
	sst_identity_unref(foreign);
	pki_free(mail);
	pki_free(twin);
}

static void
an_issuer_that_may_not_issue_is_refused(void **state)
{
	struct pki_cert *mid[2], *leaf[2];

	(void)state;
	for (int ca = 0; ca < 2; ca++) {
		struct sst_identity *id;

		mid[ca] = pki_issue(w.root, &(struct pki_spec){ .cn = "Other", .ca = ca });
		leaf[ca] = pki_issue(mid[ca], &(struct pki_spec){ .san = HOST });
		id = identity(leaf[ca], mid[ca], w.root);
		tried(id, HOST "\n", ca ? NULL : "a client would refuse it");
		sst_identity_unref(id);
		pki_free(leaf[ca]);
		pki_free(mid[ca]);
	}
}

static void
each_name_that_it_would_serve_must_be_its_own(void **state)
{
	struct pki_cert *leaf = pki_issue(w.mid, &(struct pki_spec){ .cn = "old.example.com",
	    .san = HOST ",*.example.org,*.lan,IP:192.0.2.1,IP:2001:db8::1" });
	struct pki_cert *bare = pki_issue(w.mid, &(struct pki_spec){ .cn = HOST,
	    .san = "IP:192.0.2.1" });
	struct sst_identity *id = identity(leaf, w.mid, NULL);
	struct sst_identity *nameless = identity(bare, w.mid, NULL);

	(void)state;
	tried(id, HOST "\n*.example.org\n*.lan\nip:192.0.2.1\nip:2001:db8::1\n", NULL);
	tried(id, HOST "\nmail.example.com\n", "asks for mail.example.com would");
	tried(id, "*.example.org\n*.example.net\n", "asks for *.example.net would");
	tried(id, "ip:192.0.2.1\nip:192.0.2.2\n", "asks for ip:192.0.2.2 would");
	/* a common name is none, also where there is no other */
	tried(id, "old.example.com\n", "asks for old.example.com would");
	tried(nameless, "ip:192.0.2.1\n", NULL);
	tried(nameless, HOST "\n", "asks for " HOST " would");
	tried(id, "a\033b\n", "asks for a\\x1bb would");
	sst_identity_unref(nameless);
	sst_identity_unref(id);
	pki_free(bare);
	pki_free(leaf);
}

static void
both_versions_are_tried(void **state)
{
	struct sst_identity *id = identity(w.www, w.mid, NULL);

	(void)state;
	tried_at(id, HOST "\n", 2, 1, NULL);
	assert_int_equal(shown.n, 2);
	assert_int_equal(shown.seen[0] + shown.seen[1], TLS1_3_VERSION + TLS1_2_VERSION);
	assert_int_not_equal(shown.seen[0], shown.seen[1]);
	shown.n = 0;
	shown.bad_version = TLS1_2_VERSION;
	tried_at(id, HOST "\n", 2, 1, "with TLS 1.2 fails");
	shown.n = 0;
	shown.bad_version = TLS1_3_VERSION;
	tried_at(id, HOST "\n", 2, 1, "with TLS 1.3 fails");
	sst_identity_unref(id);
}

static void
what_is_below_the_level_of_who_serves_is_refused(void **state)
{
	struct pki_cert *rsa = pki_issue(w.mid, &(struct pki_spec){ .key = PKI_RSA,
	    .san = HOST });
	struct sst_identity *id = identity(rsa, w.mid, NULL);
	struct sst_identity *ec = identity(w.www, w.mid, NULL);

	(void)state;
	tried_at(id, HOST "\n", 2, 0, NULL);
	tried_at(id, HOST "\n", 3, 0, "OpenSSL refuses it");
	tried_at(ec, HOST "\n", 3, 0, NULL);
	sst_identity_unref(ec);
	sst_identity_unref(id);
	pki_free(rsa);
}

static void
dates_are_for_the_choice_to_look_at(void **state)
{
	struct pki_cert *early = pki_issue(w.mid, &(struct pki_spec){ .san = HOST,
	    .not_before = PKI_NOW + PKI_DAY, .not_after = PKI_NOW + 9 * PKI_DAY });
	struct pki_cert *late = pki_issue(w.mid, &(struct pki_spec){ .san = HOST,
	    .not_before = PKI_NOW - 9 * PKI_DAY, .not_after = PKI_NOW - PKI_DAY });
	struct sst_identity *a = identity(early, w.mid, NULL);
	struct sst_identity *b = identity(late, w.mid, NULL);

	(void)state;
	tried(a, HOST "\n", NULL);
	tried(b, HOST "\n", NULL);
	sst_identity_unref(a);
	sst_identity_unref(b);
	pki_free(early);
	pki_free(late);
}

static void
show(const struct pki_cert *about, enum made_status status, time_t until)
{
	pki_buf_free(&shown.der);
	shown.n = 0;
	make_response(&(struct made_response){ .signer = w.mid, .produced_at = PKI_NOW -
	    2 * PKI_DAY, .singles = { { .cert = about, .status = status,
	    .this_update = PKI_NOW - 2 * PKI_DAY, .next_update = until } } }, &shown.der);
}

static void
a_staple_must_be_good_about_it_and_in_its_time(void **state)
{
	struct pki_cert *other = pki_issue(w.mid, &(struct pki_spec){ .san = HOST });
	struct sst_identity *id = identity(w.www, w.mid, NULL);
	struct sst_identity *alone = identity(w.www, NULL, NULL);

	(void)state;
	show(w.www, MADE_GOOD, PKI_NOW + PKI_DAY);
	tried_at(id, HOST "\n", 2, 1, NULL);
	assert_int_equal(shown.n, 2);
	show(w.www, MADE_GOOD, PKI_NOW - PKI_DAY);
	tried_at(id, HOST "\n", 2, 1, "would refuse its staple");
	show(w.www, MADE_REVOKED, PKI_NOW + PKI_DAY);
	tried_at(id, HOST "\n", 2, 1, "would refuse its staple");
	show(other, MADE_GOOD, PKI_NOW + PKI_DAY);
	tried_at(id, HOST "\n", 2, 1, "would refuse its staple");
	/* nobody can judge it where the issuer is not there */
	show(w.www, MADE_GOOD, PKI_NOW + PKI_DAY);
	tried_at(alone, HOST "\n", 2, 1, "would refuse its staple");
	sst_identity_unref(alone);
	sst_identity_unref(id);
	pki_free(other);
}

/* 0, or why the store did not take it in place of what it has. */
static int
put(struct sst_store *store, struct pki_cert *const *up, size_t n, struct sst_error *err)
{
	struct pki_buf b = { 0 };
	int rc;

	for (size_t i = 0; i < n; i++)
		pki_put_cert(&b, up[i]);
	pki_put_key(&b, up[0]);
	*err = (struct sst_error){ 0 };
	rc = sst_store_add_bytes(store, b.data, b.len, err);
	pki_buf_free(&b);
	return rc;
}

static void
a_store_that_is_attached_tries_what_comes_in_anothers_place(void **state)
{
	struct pki_cert *user = pki_issue(w.root, &(struct pki_spec){ .cn = "Users",
	    .ca = 1, .eku = "clientAuth" });
	struct pki_cert *fake = pki_issue(user, &(struct pki_spec){ .san = HOST });
	struct pki_cert *next = pki_issue(w.mid, &(struct pki_spec){ .san = HOST });
	struct pki_cert *weak = pki_issue(w.mid, &(struct pki_spec){ .san = HOST,
	    .key = PKI_RSA });
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	struct sst_store *store = NULL, *alone = NULL;
	struct sst_error err;

	(void)state;
	SSL_CTX_set_security_level(ctx, 3);
	assert_int_equal(sst_store_new(NULL, &store, NULL), 0);
	assert_int_equal(sst_store_new(NULL, &alone, NULL), 0);
	assert_int_equal(sst_openssl_attach_store(ctx, store, NULL, NULL), 0);
	/* what comes first takes nobody's place */
	assert_int_equal(put(store, (struct pki_cert *[]){ w.www, w.mid }, 2, &err), 0);
	assert_int_equal(put(alone, (struct pki_cert *[]){ w.www, w.mid }, 2, &err), 0);
	assert_int_equal(put(store, (struct pki_cert *[]){ fake, user }, 2, &err),
	    SST_E_REFUSED);
	assert_non_null(strstr(err.text, "a client would refuse it"));
	assert_int_equal(put(alone, (struct pki_cert *[]){ fake, user }, 2, &err), 0);
	/* by the rules of that SSL_CTX */
	assert_int_equal(put(store, (struct pki_cert *[]){ weak, w.mid }, 2, &err),
	    SST_E_REFUSED);
	assert_int_equal(put(store, (struct pki_cert *[]){ next, w.mid }, 2, &err), 0);
	assert_int_equal(sst_store_generation(store), 2);
	sst_store_unref(store);
	sst_store_unref(alone);
	SSL_CTX_free(ctx);
	pki_free(weak);
	pki_free(next);
	pki_free(fake);
	pki_free(user);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_identity_of_each_type_of_key_passes),
		cmocka_unit_test(a_leaf_alone_passes),
		cmocka_unit_test(a_chain_that_did_not_sign_it_is_refused),
		cmocka_unit_test(an_issuer_that_may_not_issue_is_refused),
		cmocka_unit_test(each_name_that_it_would_serve_must_be_its_own),
		cmocka_unit_test_teardown(both_versions_are_tried, forget),
		cmocka_unit_test(what_is_below_the_level_of_who_serves_is_refused),
		cmocka_unit_test(dates_are_for_the_choice_to_look_at),
		cmocka_unit_test_teardown(a_staple_must_be_good_about_it_and_in_its_time,
		    forget),
		cmocka_unit_test(a_store_that_is_attached_tries_what_comes_in_anothers_place),
	};

	return cmocka_run_group_tests(tests, make, unmake);
}
