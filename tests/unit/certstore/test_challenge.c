/* SPDX-License-Identifier: ISC */
/* Challenges of an ACME server (RFC 8737, 8738): kept, found, and served to nobody. */
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "certstore/challenge.h"
#include "certstore/identity.h"
#include "certstore/store.h"
#include "certstore/store_leaves.h"
#include "each.h"
#include "support/acme.h"
#include "world.h"

/* Whether exactly this one is given for the name at that time. */
static int
given_at(const char *name, const struct pki_cert *want, time_t now)
{
	char key[SST_CHALLENGE_SIZE];
	struct sst_identity *id = NULL;
	struct sst_error err = { 0 };
	unsigned char digest[32];
	int rc, same;

	sst_challenge_key(name, key);
	rc = sst_store_challenge(store, key, now, &id, &err);
	if (rc < 0)
		fail_msg("%s", err.text);
	assert_int_equal(rc, id != NULL);
	if (rc == 0)
		return 0;
	pki_digest(want, digest);
	same = memcmp(sst_identity_digest(id), digest, 32) == 0;
	assert_int_equal(EVP_PKEY_eq(sst_identity_key(id), want->key), same);
	sst_identity_unref(id);
	return same;
}

static int
given(const char *name, const struct pki_cert *want)
{
	return given_at(name, want, PKI_NOW);
}

/* Nothing at all is given. */
static int
none(const char *name)
{
	char key[SST_CHALLENGE_SIZE];
	struct sst_identity *id = NULL;
	int rc;

	sst_challenge_key(name, key);
	rc = sst_store_challenge(store, key, PKI_NOW, &id, NULL);
	sst_identity_unref(id);
	return rc == 0;
}

static void
add(const char *path)
{
	struct sst_error err = { 0 };

	if (sst_store_add(store, path, &err) < 0)
		fail_msg("%s", err.text);
}

/* As `sstool acme-challenge` lays it out. */
static void
cs_62_a_challenge_is_had_for_its_name_and_served_to_nobody(void **state)
{
	const struct sst_choose_policy strict = { .strict = 1 };
	struct pki_cert *www = leaf(PKI_P256, "www.example");
	struct pki_cert *acme = acme_cert("a.example", PKI_P256, 0);
	struct pki_cert *both = acme_cert("www.example", PKI_P256, 0);

	(void)state;
	pki_write_pair(dir, "www.pem", www);
	pki_write_pair(dir, "acme-challenge/a.example.pem", acme);
	pki_write_pair(dir, "acme-challenge/www.example.pem", both);
	add(dir);
	assert_true(given("a.example", acme));
	assert_true(given("www.example", both));
	assert_true(none("b.example"));
	assert_true(none("x.a.example"));
	assert_true(none("acme:a.example"));
	expect_alert(ask(store, &strict, &(struct client){ .name = "a.example" }), 112);
	expect(ask(store, NULL, &(struct client){ .name = "a.example" }),
	    SST_TIER_DEFAULT, www);
	/* whose own name has both */
	expect(ask(store, &strict, &(struct client){ .name = "www.example" }),
	    SST_TIER_EXACT, www);
	pki_free(www);
	pki_free(acme);
	pki_free(both);
}

static void
a_challenge_is_never_the_default(void **state)
{
	struct pki_cert *acme = acme_cert("a.example", PKI_P256, 0);

	(void)state;
	pki_write_pair(dir, "default.pem", acme);
	pki_write_pair(dir, "file", acme);
	add(dir);
	add(pki_path(dir, "file"));
	store_put(store, acme);
	expect_alert(ask(store, NULL, &(struct client){ 0 }), 112);
	expect_alert(ask(store, NULL, &(struct client){ .name = "a.example" }), 112);
	expect_alert(ask(store, &(struct sst_choose_policy){
	    .default_name = "a.example" }, &(struct client){ .name = "b.example" }), 112);
	assert_true(given("a.example", acme));
	pki_free(acme);
}

static void
cs_63_past_its_notafter_a_challenge_is_given_to_nobody(void **state)
{
	struct pki_cert *acme = acme_cert("a.example", PKI_P256, PKI_NOW);

	(void)state;
	store_put(store, acme);
	assert_true(given_at("a.example", acme, PKI_NOW));
	assert_false(given_at("a.example", acme, PKI_NOW + 1));
	pki_free(acme);
}

static void
cs_65_an_address_is_asked_for_by_its_reverse_name(void **state)
{
	static const char v6[] = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
	    "0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
	static const char *const nobodys[] = { "2.2.0.192.in-addr.arpa",
	    "192.0.2.1", "1.2.0.192.in-addr.arpa.example", "01.2.0.192.in-addr.arpa",
	    "1.2.0.in-addr.arpa", "1.2.0.192.0.in-addr.arpa", "257.2.0.192.in-addr.arpa",
	    "1.2.0.448.in-addr.arpa", "1..0.192.in-addr.arpa", "1.2.0.192.ip6.arpa",
	    "ip6.arpa", "1.in-addr.arpa", v6 + 2, "in-addr.arpa", "" };
	struct pki_cert *four = acme_cert("IP:192.0.2.1", PKI_P256, 0);
	struct pki_cert *six = acme_cert("IP:2001:db8::1", PKI_P256, 0);
	struct pki_cert *mapped = acme_cert("IP:::ffff:192.0.2.9", PKI_P256, 0);
	struct pki_cert *named = acme_cert("1.2.0.in-addr.arpa", PKI_P256, 0);

	(void)state;
	store_put(store, four);
	store_put(store, six);
	store_put(store, mapped);
	assert_true(given("1.2.0.192.in-addr.arpa", four));
	assert_true(given(v6, six));
	assert_true(given("9.2.0.192.in-addr.arpa", mapped));
	for (size_t i = 0; i < sizeof(nobodys) / sizeof(nobodys[0]); i++)
		if (!none(nobodys[i]))
			fail_msg("%s", nobodys[i]);
	/* nor is the address itself answered with it */
	expect_alert(ask(store, NULL, &(struct client){ .local = "192.0.2.1" }), 112);
	/* what is no address is a name */
	store_put(store, named);
	assert_true(given("1.2.0.in-addr.arpa", named));
	pki_free(four);
	pki_free(six);
	pki_free(mapped);
	pki_free(named);
}

/* Takes *cert; says whether the store refuses it, and never serves it. */
static int
refused(struct pki_cert *cert, const char *word)
{
	struct sst_error err = { 0 };
	struct pki_buf pem = { 0 };
	int rc;

	pki_put_cert(&pem, cert);
	pki_put_key(&pem, cert);
	rc = sst_store_add_bytes(store, pem.data, pem.len, &err);
	pki_buf_free(&pem);
	pki_free(cert);
	if (rc == SST_OK)
		return 0;
	assert_int_equal(rc, SST_E_REFUSED);
	if (strstr(err.text, word) == NULL)
		fail_msg("'%s' is not about '%s'", err.text, word);
	assert_true(none("a.example"));
	expect_alert(ask(store, NULL, &(struct client){ .name = "a.example" }), 112);
	return 1;
}

static struct pki_cert *
made(const char *san, const char *extra, int unknown)
{
	return pki_issue(NULL, &(struct pki_spec){ .cn = "x", .san = san, .eku = "",
	    .extra = extra, .unknown_critical = unknown });
}

static struct pki_cert *
with_two(void)
{
	struct pki_cert *c = acme_cert("a.example", PKI_P256, 0);
	X509_EXTENSION *ext = X509_get_ext(c->cert, X509_get_ext_count(c->cert) - 1);

	assert_true(X509_add_ext(c->cert, ext, -1));
	assert_true(X509_sign(c->cert, c->key, EVP_sha256()) > 0);
	return c;
}

static void
a_challenge_that_rfc_8737_does_not_know_is_refused(void **state)
{
	(void)state;
	assert_true(refused(made("a.example", "1.3.6.1.5.5.7.1.31 = DER:0420"
	    ACME_DIGEST "\n", 0), "critical"));
	assert_true(refused(with_two(), "once"));
	assert_true(refused(made("a.example", "1.3.6.1.5.5.7.1.31 = critical,DER:041F"
	    "A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5\n", 0),
	    "SHA-256"));
	assert_true(refused(made("a.example", "1.3.6.1.5.5.7.1.31 = critical,DER:0320"
	    ACME_DIGEST "\n", 0), "SHA-256"));
	assert_true(refused(made("a.example", "1.3.6.1.5.5.7.1.31 = critical,DER:0420"
	    ACME_DIGEST "00\n", 0), "SHA-256"));
	assert_true(refused(made("a.example", ACME_IDENTIFIER, 1), "critical"));
	assert_true(refused(made("a.example,b.example", ACME_IDENTIFIER, 0), "one name"));
	assert_true(refused(made("a.example,IP:192.0.2.1", ACME_IDENTIFIER, 0),
	    "one name"));
	assert_true(refused(made("*.example", ACME_IDENTIFIER, 0), "one name"));
	assert_true(refused(made(NULL, ACME_IDENTIFIER, 0), "one name"));
	assert_true(refused(made(NULL, ACME_IDENTIFIER
	    "subjectAltName = email:a@a.example\n", 0), "one name"));
	/* an ordinary one keeps its rule */
	assert_true(refused(made("a.example", NULL, 1), "critical"));
	assert_false(refused(made("a.example", ACME_IDENTIFIER, 0), ""));
	assert_false(none("a.example"));
}

/* `openssl req -x509` makes CAs of what signs itself. */
static void
a_challenge_may_be_a_ca_and_a_server_may_not(void **state)
{
	struct pki_spec spec = { .cn = "x", .san = "a.example", .ca = 1,
	    .extra = ACME_IDENTIFIER };
	struct pki_cert *acme = pki_issue(NULL, &spec);

	(void)state;
	spec.extra = NULL;
	assert_true(refused(pki_issue(NULL, &spec), "CA"));
	store_put(store, acme);
	assert_true(given("a.example", acme));
	pki_free(acme);
}

/* dehydrated's alpn-certs: NAME.crt.pem and NAME.key.pem, RSA, several at a time. */
static void
dehydrateds_directory_is_read_as_it_is(void **state)
{
	struct pki_cert *a = acme_cert("a.example", PKI_RSA, 0);
	struct pki_cert *b = acme_cert("b.example", PKI_RSA, 0);

	(void)state;
	pki_write_chain(dir, "a.example.crt.pem", a);
	pki_write_key(dir, "a.example.key.pem", a);
	add(dir);
	assert_true(given("a.example", a));
	pki_write_chain(dir, "b.example.crt.pem", b);
	pki_write_key(dir, "b.example.key.pem", b);
	assert_int_equal(sst_store_rescan(store, dir, NULL), 0);
	assert_true(given("a.example", a));
	assert_true(given("b.example", b));
	assert_int_equal(unlink(pki_path(dir, "a.example.crt.pem")), 0);
	assert_int_equal(unlink(pki_path(dir, "a.example.key.pem")), 0);
	assert_int_equal(sst_store_rescan(store, dir, NULL), 0);
	assert_true(none("a.example"));
	assert_true(given("b.example", b));
	pki_free(a);
	pki_free(b);
}

/* Of most of a large directory only the facts are read. */
static void
a_challenge_in_a_large_directory_is_found_and_changed_alone(void **state)
{
	struct pki_cert *www = leaf(PKI_P256, "a.example");
	struct pki_cert *a = acme_cert("a.example", PKI_P256, 0);
	struct pki_cert *b = acme_cert("b.example", PKI_RSA, 0);
	char path[64];

	(void)state;
	for (int i = 0; i < 400; i++) {
		(void)snprintf(path, sizeof(path), "%03d/pair.pem", i);
		pki_write_pair(dir, path, www);
	}
	pki_write_pair(dir, "acme-challenge/a.example.pem", a);
	add(dir);
	assert_true(given("a.example", a));
	expect(ask(store, NULL, &(struct client){ .name = "a.example" }),
	    SST_TIER_EXACT, www);
	pki_write_pair(dir, "acme-challenge/b.example.pem", b);
	assert_int_equal(sst_store_rescan_below(store, dir, "acme-challenge", NULL), 0);
	assert_true(given("a.example", a));
	assert_true(given("b.example", b));
	assert_int_equal(unlink(pki_path(dir, "acme-challenge/a.example.pem")), 0);
	assert_int_equal(sst_store_rescan_below(store, dir, "acme-challenge", NULL), 0);
	assert_true(none("a.example"));
	assert_true(given("b.example", b));
	pki_free(www);
	pki_free(a);
	pki_free(b);
}

/* Somebody writes into the index that is kept in that directory. */
static void
poison(const char *place, const char *sql)
{
	char pattern[300], *text = NULL;
	sqlite3 *db = NULL;
	glob_t found;

	(void)snprintf(pattern, sizeof(pattern), "%s/index-*/*.db", place);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	assert_int_equal(sqlite3_open(found.gl_pathv[0], &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &text) != SQLITE_OK)
		fail_msg("%s: %s", sql, text);
	(void)sqlite3_close(db);
	globfree(&found);
}

/* Rows are hints: whatever the index says, who asks is given what is for his name. */
static void
an_index_that_lies_gives_nobody_another_challenge(void **state)
{
	static const char *const lies[] = {
	    "UPDATE names SET name='x' WHERE name='acme:a.example';"
	    "UPDATE names SET name='acme:a.example' WHERE name='acme:b.example';"
	    "UPDATE names SET name='acme:b.example' WHERE name='x'",
	    /* a challenge as a server's certificate, and the other way round */
	    "INSERT INTO names SELECT 'c.example',id FROM names WHERE"
	    " name='acme:a.example'",
	    "UPDATE identities SET state=1 WHERE state=4;"
	    "INSERT INTO names SELECT substr(name,6),id FROM names WHERE name LIKE"
	    " 'acme:%'",
	    "INSERT INTO names SELECT 'acme:c.example',id FROM identities",
	    "UPDATE identities SET na=na+4000000000",
	};
	struct pki_cert *www = leaf(PKI_P256, "www.example");
	struct pki_cert *a = acme_cert("a.example", PKI_P256, 0);
	struct pki_cert *b = acme_cert("b.example", PKI_P256, 0);
	struct pki_cert *old = acme_cert("old.example", PKI_P256, PKI_NOW - 1);
	static const char *const names[] = { "a.example", "b.example", "c.example",
	    "old.example" };
	char path[64];

	(void)state;
	for (int i = 0; i < 80; i++) {
		(void)snprintf(path, sizeof(path), "%03d/pair.pem", i);
		pki_write_pair(dir, path, www);
	}
	pki_write_pair(dir, "acme-challenge/a.example.pem", a);
	pki_write_pair(dir, "acme-challenge/b.example.pem", b);
	pki_write_pair(dir, "acme-challenge/old.example.pem", old);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		char *place = pki_dir_new();
		const struct sst_store_config config = { .index_dir = place };

		sst_store_unref(store);
		store = store_make(&config);
		add(dir);
		sst_store_unref(store);
		poison(place, lies[i]);
		store = store_make(&config);
		add(dir);
		assert_true(sst_store_is_warm(store));
		assert_true(none("a.example") || given("a.example", a));
		assert_true(none("b.example") || given("b.example", b));
		assert_true(none("c.example") && none("old.example"));
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
			struct sst_choice *c = ask(store, NULL,
			    &(struct client){ .name = names[k] });

			assert_false(chose(c, a) || chose(c, b) || chose(c, old));
		}
		ask_reset();
		pki_dir_free(place);
	}
	pki_free(www);
	pki_free(a);
	pki_free(b);
	pki_free(old);
}

/* Another process finds it in the index that was kept. */
static void
a_challenge_is_found_in_an_index_that_was_kept(void **state)
{
	struct pki_cert *www = leaf(PKI_P256, "www.example");
	struct pki_cert *a = acme_cert("a.example", PKI_P256, 0);
	char *kept = pki_dir_new(), path[64];
	const struct sst_store_config config = { .index_dir = kept };

	(void)state;
	for (int i = 0; i < 80; i++) {
		(void)snprintf(path, sizeof(path), "%03d/pair.pem", i);
		pki_write_pair(dir, path, www);
	}
	pki_write_pair(dir, "acme-challenge/a.example.pem", a);
	for (int warm = 0; warm < 2; warm++) {
		sst_store_unref(store);
		store = store_make(&config);
		add(dir);
		assert_int_equal(sst_store_is_warm(store), warm);
		assert_true(given("a.example", a));
		assert_true(none("www.example"));
		expect_alert(ask(store, &(struct sst_choose_policy){ .strict = 1 },
		    &(struct client){ .name = "a.example" }), 112);
	}
	/* and not when its file is another by then */
	sst_store_unref(store);
	pki_write_pair(dir, "acme-challenge/a.example.pem", www);
	store = store_make(&config);
	add(dir);
	assert_true(sst_store_is_warm(store));
	assert_true(none("a.example"));
	pki_free(www);
	pki_free(a);
	pki_dir_free(kept);
}

static void
the_newest_challenge_of_a_name_is_given(void **state)
{
	struct pki_cert *old = acme_cert("a.example", PKI_P256, 0);
	struct pki_cert *new = acme_cert("a.example", PKI_RSA, PKI_NOW + PKI_DAY);

	(void)state;
	store_put(store, old);
	store_put(store, new);
	assert_true(given("a.example", new));
	/* and while one is left, that one */
	assert_true(given_at("a.example", old, PKI_NOW + PKI_DAY + 1));
	pki_free(old);
	pki_free(new);
}

static int
count_leaf(void *arg, X509 *x, STACK_OF(X509) *above)
{
	(void)x, (void)above;
	++*(int *)arg;
	return 0;
}

struct shown {
	int	challenges, usable;
	char	name[64];
};

static int
show(void *arg, const struct sst_entry *e)
{
	struct shown *s = arg;

	s->usable += e->state == SST_ENTRY_USABLE;
	if (e->state != SST_ENTRY_CHALLENGE)
		return 0;
	s->challenges++;
	assert_int_equal(e->n_names, 1);
	assert_int_equal(e->n_warnings, 0);
	(void)snprintf(s->name, sizeof(s->name), "%s", e->names[0]);
	return 0;
}

static void
a_challenge_takes_nobodys_place_and_is_watched_by_nobody(void **state)
{
	struct pki_cert *www = leaf(PKI_P256, "a.example");
	struct pki_cert *acme = acme_cert("a.example", PKI_P256, 0);
	struct pki_cert *ip = acme_cert("IP:192.0.2.1", PKI_P256, 0);
	struct shown shown = { 0 };
	int leaves = 0;

	(void)state;
	pki_write_pair(dir, "www.pem", www);
	add(dir);
	memset(&events, 0, sizeof(events));
	pki_write_pair(dir, "acme-challenge/a.example.pem", acme);
	assert_int_equal(sst_store_rescan(store, dir, NULL), 0);
	assert_int_equal(sst_store_generation(store), 2);
	assert_int_equal(events.count[SST_STORE_ADDED], 1);
	assert_int_equal(events.count[SST_STORE_RENEWED], 0);
	assert_int_equal(events.count[SST_STORE_REMOVED], 0);
	expect(ask(store, NULL, &(struct client){ .name = "a.example" }),
	    SST_TIER_EXACT, www);
	assert_int_equal(sst_store_leaves(store, NULL, NULL, count_leaf, &leaves, NULL), 0);
	assert_int_equal(leaves, 1);
	assert_int_equal(sst_store_each(store, show, &shown, NULL), 0);
	assert_int_equal(shown.usable, 1);
	assert_int_equal(shown.challenges, 1);
	assert_string_equal(shown.name, "a.example");
	/* nothing to do is no change */
	assert_int_equal(sst_store_rescan(store, dir, NULL), 0);
	assert_int_equal(sst_store_generation(store), 2);
	assert_int_equal(unlink(pki_path(dir, "acme-challenge/a.example.pem")), 0);
	assert_int_equal(sst_store_rescan(store, dir, NULL), 0);
	assert_int_equal(sst_store_generation(store), 3);
	assert_true(none("a.example"));
	store_put(store, ip);
	assert_int_equal(sst_store_each(store, show, &shown, NULL), 0);
	assert_string_equal(shown.name, "192.0.2.1");
	pki_free(www);
	pki_free(acme);
	pki_free(ip);
}

/* A row is a hint: what its file holds by now decides. */
static void
a_file_that_became_another_is_not_given(void **state)
{
	struct pki_cert *a = acme_cert("a.example", PKI_P256, 0);
	struct pki_cert *b = acme_cert("b.example", PKI_P256, 0);
	struct pki_cert *www = leaf(PKI_P256, "a.example");

	(void)state;
	sst_store_unref(store);
	store = store_make(&(struct sst_store_config){ .cache_bytes = 1 });
	pki_write_pair(dir, "a.pem", a);
	add(dir);
	assert_true(given("a.example", a));
	pki_write_pair(dir, "a.pem", b);
	assert_true(none("a.example"));
	pki_write_pair(dir, "a.pem", www);
	assert_true(none("a.example"));
	pki_write_pair(dir, "a.pem", a);
	assert_true(given("a.example", a));
	/* and the other way round: the row of a server, the file of a challenge */
	pki_write_pair(dir, "a.pem", www);
	assert_int_equal(sst_store_rescan(store, dir, NULL), 0);
	expect(ask(store, NULL, &(struct client){ .name = "a.example" }),
	    SST_TIER_EXACT, www);
	pki_write_pair(dir, "a.pem", a);
	assert_false(chose(ask(store, NULL, &(struct client){ .name = "a.example" }), a));
	pki_free(a);
	pki_free(b);
	pki_free(www);
}

static void
a_challenge_whose_key_comes_later_waits_for_it(void **state)
{
	struct pki_cert *acme = acme_cert("a.example", PKI_P256, 0);
	struct pki_buf pem = { 0 }, key = { 0 };

	(void)state;
	pki_put_cert(&pem, acme);
	pki_put_key(&key, acme);
	assert_int_equal(sst_store_add_bytes(store, pem.data, pem.len, NULL), 0);
	assert_true(none("a.example"));
	assert_int_equal(sst_store_add_key_bytes(store, key.data, key.len, NULL), 0);
	assert_true(given("a.example", acme));
	expect_alert(ask(store, NULL, &(struct client){ .name = "a.example" }), 112);
	pki_buf_free(&pem);
	pki_buf_free(&key);
	pki_free(acme);
}

static void
what_was_set_is_taken_back(void **state)
{
	struct pki_cert *a = acme_cert("a.example", PKI_P256, 0);
	struct pki_cert *b = acme_cert("b.example", PKI_P256, 0);
	unsigned char digest[32];
	char hex[65];

	(void)state;
	store_put(store, a);
	store_put(store, b);
	pki_digest(a, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	assert_int_equal(sst_store_remove(store, hex, NULL), 0);
	assert_true(none("a.example"));
	assert_true(given("b.example", b));
	assert_int_equal(sst_store_remove(store, "*", NULL), 0);
	assert_true(none("b.example"));
	pki_free(a);
	pki_free(b);
}

int
main(void)
{
#define EACH(f) cmocka_unit_test_setup_teardown(f, each_setup, each_teardown)
	const struct CMUnitTest tests[] = {
		EACH(cs_62_a_challenge_is_had_for_its_name_and_served_to_nobody),
		EACH(a_challenge_is_never_the_default),
		EACH(cs_63_past_its_notafter_a_challenge_is_given_to_nobody),
		EACH(cs_65_an_address_is_asked_for_by_its_reverse_name),
		EACH(a_challenge_that_rfc_8737_does_not_know_is_refused),
		EACH(a_challenge_may_be_a_ca_and_a_server_may_not),
		EACH(dehydrateds_directory_is_read_as_it_is),
		EACH(a_challenge_in_a_large_directory_is_found_and_changed_alone),
		EACH(a_challenge_is_found_in_an_index_that_was_kept),
		EACH(an_index_that_lies_gives_nobody_another_challenge),
		EACH(the_newest_challenge_of_a_name_is_given),
		EACH(a_challenge_takes_nobodys_place_and_is_watched_by_nobody),
		EACH(a_file_that_became_another_is_not_given),
		EACH(a_challenge_whose_key_comes_later_waits_for_it),
		EACH(what_was_set_is_taken_back),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
