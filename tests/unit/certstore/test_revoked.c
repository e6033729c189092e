/* SPDX-License-Identifier: ISC */
/* What is known to be revoked goes last; and what a watch is shown of a store. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "certstore/store_leaves.h"
#include "each.h"
#include "world.h"

#define WWW	.name = "www.b.c"

static struct pki_cert *
put(const char *san, int days)
{
	struct pki_cert *c = pki_issue(world_ca, &(struct pki_spec){ .san = san,
	    .not_after = PKI_NOW + days * PKI_DAY });

	store_put(store, c);
	return c;
}

static void
mark(const struct pki_cert *c, const char *why)
{
	uint8_t leaf[32];

	pki_digest(c, leaf);
	assert_int_equal(sst_store_mark_revoked(store, leaf, why, NULL), SST_OK);
}

static struct sst_choice *
www(const struct sst_choose_policy *policy)
{
	return ask(store, policy, &(struct client){ WWW });
}

static void
another_valid_one_of_the_name_goes_before_a_revoked_one(void **state)
{
	struct pki_cert *best = put("www.b.c", 90), *less = put("www.b.c,x.c", 30);

	(void)state;
	expect(www(NULL), SST_TIER_EXACT, best);
	mark(best, "keyCompromise");
	expect(www(NULL), SST_TIER_EXACT, less);
	assert_int_equal(events.count[SST_STORE_REVOKED], 1);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 0);
	assert_non_null(strstr(events.text, "keyCompromise"));
	/* a hold that was lifted */
	mark(best, NULL);
	expect(www(NULL), SST_TIER_EXACT, best);
	assert_int_equal(events.count[SST_STORE_REVOKED], 2);
	pki_free(best);
	pki_free(less);
}

static void
a_valid_wildcard_goes_before_a_revoked_exact_name(void **state)
{
	struct pki_cert *exact = put("www.b.c", 90), *wild = put("*.b.c", 90);

	(void)state;
	expect(www(NULL), SST_TIER_EXACT, exact);
	mark(exact, "superseded");
	expect(www(NULL), SST_TIER_WILDCARD, wild);
	expect(ask(store, NULL, &(struct client){ .name = "y.b.c" }), SST_TIER_WILDCARD,
	    wild);
	pki_free(exact);
	pki_free(wild);
}

static void
with_nothing_better_it_is_served_unless_that_is_refused(void **state)
{
	static const struct sst_choose_policy hard = { .strict = 1, .refuse_revoked = 1 };
	struct pki_cert *only = put("www.b.c", 90);
	struct sst_choice *c;
	char text[512];

	(void)state;
	expect(www(&hard), SST_TIER_EXACT, only);
	mark(only, "superseded");
	expect(www(NULL), SST_TIER_EXACT, only);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 1);
	assert_non_null(strstr(events.text, "revoked"));
	c = www(&hard);
	expect_alert(c, 112);
	(void)sst_choice_text(c, text, sizeof(text));
	assert_non_null(strstr(text, "revoked"));
	pki_free(only);
}

static void
an_expired_one_goes_before_a_revoked_one(void **state)
{
	struct pki_cert *revoked = put("www.b.c", 90), *expired = put("www.b.c,x.c", -1);

	(void)state;
	expect(www(NULL), SST_TIER_EXACT, revoked);
	mark(revoked, "keyCompromise");
	expect(www(NULL), SST_TIER_EXACT, expired);
	pki_free(revoked);
	pki_free(expired);
}

static void
bare(const struct pki_cert *c, int is)
{
	uint8_t leaf[32];

	pki_digest(c, leaf);
	assert_int_equal(sst_store_mark_bare(store, leaf, is, NULL), SST_OK);
}

static void
cs_39_another_valid_one_goes_before_one_without_the_staple_that_it_demands(void **state)
{
	static const struct sst_choose_policy hard = { .strict = 1, .refuse_unstapled = 1 };
	struct pki_cert *must = put("www.b.c", 90), *wild = put("*.b.c", 30);
	uint64_t generation;
	char text[512];

	(void)state;
	expect(www(NULL), SST_TIER_EXACT, must);
	bare(must, 1);
	generation = sst_store_generation(store);
	bare(must, 1);
	assert_int_equal(sst_store_generation(store), generation);
	expect(www(NULL), SST_TIER_WILDCARD, wild);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 0);
	(void)sst_choice_text(www(NULL), text, sizeof(text));
	assert_non_null(strstr(text, "the staple that it demands is not there"));
	/* with nothing else it is served, unless that is refused */
	bare(wild, 1);
	expect_alert(www(&hard), 112);
	expect(www(NULL), SST_TIER_EXACT, must);
	assert_int_equal(events.count[SST_STORE_DEGRADED], 1);
	assert_non_null(strstr(events.text, "without the staple"));
	bare(must, 0);
	expect(www(&hard), SST_TIER_EXACT, must);
	pki_free(must);
	pki_free(wild);
}

static void
cs_39_one_without_its_staple_goes_before_one_out_of_its_dates(void **state)
{
	struct pki_cert *must = put("www.b.c", 90), *late = put("www.b.c,x.c", -1);
	struct pki_cert *gone = put("www.b.c,y.c", 99);

	(void)state;
	bare(must, 1);
	mark(gone, "keyCompromise");
	expect(www(NULL), SST_TIER_EXACT, must);
	pki_free(must);
	pki_free(late);
	pki_free(gone);
}

static void
a_mark_holds_for_a_certificate_that_comes_later_and_for_no_other(void **state)
{
	struct pki_cert *best = put("www.b.c", 90), *less = put("www.b.c,x.c", 30);
	uint64_t generation;

	(void)state;
	assert_int_equal(sst_store_remove(store, "*", NULL), SST_OK);
	generation = sst_store_generation(store);
	mark(best, "keyCompromise");
	assert_int_equal(sst_store_generation(store), generation + 1);
	/* nobody has it: there is nothing to be told of */
	assert_int_equal(events.count[SST_STORE_REVOKED], 0);
	mark(best, "keyCompromise");
	assert_int_equal(sst_store_generation(store), generation + 1);
	store_put(store, best);
	store_put(store, less);
	expect(www(NULL), SST_TIER_EXACT, less);
	mark(less, NULL);
	expect(www(NULL), SST_TIER_EXACT, less);
	pki_free(best);
	pki_free(less);
}

static void
of_many_marks_each_is_found(void **state)
{
	struct pki_cert *c = put("www.b.c", 90), *other = put("www.b.c,x.c", 30);
	uint8_t leaf[32];

	(void)state;
	pki_digest(c, leaf);
	for (int i = 0; i < 256; i++) {
		leaf[0] = (uint8_t)(i * 77);
		assert_int_equal(sst_store_mark_revoked(store, leaf, "x", NULL), SST_OK);
	}
	/* one of them is its own */
	expect(www(NULL), SST_TIER_EXACT, other);
	mark(c, NULL);
	expect(www(NULL), SST_TIER_EXACT, c);
	pki_free(c);
	pki_free(other);
}

struct shown {
	const struct pki_cert *leaf;
	int	 n, met, with_issuer;
};

static int
show(void *arg, X509 *leaf, STACK_OF(X509) *above)
{
	struct shown *s = arg;

	s->n++;
	s->met += X509_cmp(leaf, s->leaf->cert) == 0;
	for (int i = 0; i < sk_X509_num(above); i++)
		s->with_issuer += X509_cmp(sk_X509_value(above, i), world_ca->cert) == 0;
	return s->n == 100 ? 7 : 0;
}

static int
is_it(void *arg, const uint8_t digest[32])
{
	const struct shown *s = arg;
	uint8_t leaf[32];

	pki_digest(s->leaf, leaf);
	return memcmp(leaf, digest, 32) == 0;
}

static void
a_watch_is_not_shown_what_it_knows(void **state)
{
	struct pki_cert *one = put("www.b.c", 90), *two = put("x.b.c", 90);
	struct shown s = { .leaf = one };

	(void)state;
	assert_int_equal(sst_store_leaves(store, NULL, NULL, show, &s, NULL), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.met, 1);
	s = (struct shown){ .leaf = one };
	assert_int_equal(sst_store_leaves(store, NULL, is_it, show, &s, NULL), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.met, 0);
	pki_free(one);
	pki_free(two);
}

static void
a_watch_is_shown_each_leaf_with_its_issuer(void **state)
{
	struct pki_cert *pair = put("www.b.c", 90), *staged = leaf(PKI_P256, "y.b.c");
	struct shown s = { .leaf = staged };
	struct pki_buf b = { 0 };

	(void)state;
	assert_int_equal(sst_store_leaves(store, NULL, NULL, show, &s, NULL), 0);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.met, 0);
	assert_int_equal(s.with_issuer, 1);
	/* one that waits for its key will be served, too */
	pki_put_chain(&b, staged);
	assert_int_equal(sst_store_add_bytes(store, b.data, b.len, NULL), SST_OK);
	s = (struct shown){ .leaf = staged };
	assert_int_equal(sst_store_leaves(store, NULL, NULL, show, &s, NULL), 0);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.met, 1);
	assert_int_equal(s.with_issuer, 2);
	s.n = 99;
	assert_int_equal(sst_store_leaves(store, NULL, NULL, show, &s, NULL), 7);
	pki_buf_free(&b);
	pki_free(pair);
	pki_free(staged);
}

static void
a_watch_is_shown_what_came_since(void **state)
{
	struct pki_cert *one = put("www.b.c", 90), *two = put("x.b.c", 90);
	struct shown s = { .leaf = two };
	struct sst_leaves_seen seen = { 0 };

	(void)state;
	assert_int_equal(sst_store_leaves(store, &seen, NULL, show, &s, NULL), 0);
	assert_int_equal(s.n, 2);
	for (int i = 0; i < 2; i++) {
		s = (struct shown){ .leaf = two };
		assert_int_equal(sst_store_leaves(store, &seen, NULL, show, &s, NULL), 0);
		assert_int_equal(s.n, i);
		assert_int_equal(s.met, i);
		pki_free(two);
		two = put("y.b.c", 90);
	}
	/* who stops it is shown the same again */
	s = (struct shown){ .leaf = two, .n = 99 };
	assert_int_equal(sst_store_leaves(store, &seen, NULL, show, &s, NULL), 7);
	s = (struct shown){ .leaf = two };
	assert_int_equal(sst_store_leaves(store, &seen, NULL, show, &s, NULL), 0);
	assert_int_equal(s.met, 1);
	pki_free(one);
	pki_free(two);
}

static void
what_could_not_be_read_is_shown_to_a_watch_later(void **state)
{
	struct sst_store *s = store_make(&(struct sst_store_config){ .cache_bytes = 1 });
	struct pki_spec spec = { .ocsp = "http://127.0.0.1:1/" };
	char at[PATH_MAX], away[PATH_MAX], path[16], san[16];
	struct pki_cert *c[3];
	struct shown seen;
	struct sst_leaves_seen last = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		(void)snprintf(san, sizeof(san), "%d.b.c", i);
		spec.san = san;
		c[i] = pki_issue(world_ca, &spec);
		(void)snprintf(path, sizeof(path), "%d.pem", i);
		pki_write_pair(dir, path, c[i]);
	}
	assert_int_equal(sst_store_add(s, dir, NULL), SST_OK);
	(void)snprintf(at, sizeof(at), "%s/1.pem", dir);
	(void)snprintf(away, sizeof(away), "%s/1.away", dir);
	assert_int_equal(rename(at, away), 0);
	for (int i = 0; i < 3; i++) {
		seen = (struct shown){ .leaf = c[1] };
		assert_int_equal(sst_store_leaves(s, &last, NULL, show, &seen, NULL), 0);
		assert_int_equal(seen.met, i == 1);
		/* and what came after it, again */
		assert_in_range(seen.n, i == 0 ? 2 : i == 1 ? 1 : 0, i == 0 ? 2 : i == 1 ? 3 : 0);
		if (i == 0)
			assert_int_equal(rename(away, at), 0);
	}
	sst_store_unref(s);
	for (int i = 0; i < 3; i++)
		pki_free(c[i]);
}

static void
of_what_is_not_in_memory_a_watch_is_shown_who_wants_a_staple(void **state)
{
	const struct pki_spec spec[] = {
		{ .san = "a.b.c" },
		{ .san = "b.b.c", .ocsp = "http://127.0.0.1:1/" },
		{ .san = "c.b.c", .extra = "tlsfeature = status_request" },
	};
	struct sst_store *s[2] = {
		store_make(&(struct sst_store_config){ .cache_bytes = 1 }),
		store_make(NULL),
	};
	struct pki_cert *c[3];
	struct shown seen;
	char path[16];

	(void)state;
	for (int i = 0; i < 3; i++) {
		c[i] = pki_issue(world_ca, &spec[i]);
		(void)snprintf(path, sizeof(path), "%d.pem", i);
		pki_write_pair(dir, path, c[i]);
	}
	for (int k = 0; k < 2; k++) {
		assert_int_equal(sst_store_add(s[k], dir, NULL), SST_OK);
		for (int i = 0; i < 3; i++) {
			seen = (struct shown){ .leaf = c[i] };
			assert_int_equal(sst_store_leaves(s[k], NULL, NULL, show, &seen, NULL),
			    0);
			assert_int_equal(seen.n, 2 + k);
			assert_int_equal(seen.met, i > 0 || k == 1);
		}
		sst_store_unref(s[k]);
	}
	for (int i = 0; i < 3; i++)
		pki_free(c[i]);
}

#define T(test)	cmocka_unit_test_setup_teardown(test, each_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(another_valid_one_of_the_name_goes_before_a_revoked_one),
		T(a_valid_wildcard_goes_before_a_revoked_exact_name),
		T(with_nothing_better_it_is_served_unless_that_is_refused),
		T(an_expired_one_goes_before_a_revoked_one),
		T(cs_39_another_valid_one_goes_before_one_without_the_staple_that_it_demands),
		T(cs_39_one_without_its_staple_goes_before_one_out_of_its_dates),
		T(a_mark_holds_for_a_certificate_that_comes_later_and_for_no_other),
		T(of_many_marks_each_is_found),
		T(a_watch_is_shown_each_leaf_with_its_issuer),
		T(a_watch_is_not_shown_what_it_knows),
		T(a_watch_is_shown_what_came_since),
		T(what_could_not_be_read_is_shown_to_a_watch_later),
		T(of_what_is_not_in_memory_a_watch_is_shown_who_wants_a_staple),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}
