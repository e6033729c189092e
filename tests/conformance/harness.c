/* SPDX-License-Identifier: ISC */
/* harness - the suite notices what it is for: cases that differ on purpose. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "play.h"

#define NUMBER	7

static void
same(struct trial *t)
{
	int fd = own_socket(t, t->family, SOCK_NONBLOCK);

	see_mask(t, "fresh", (unsigned int)ours_poll(fd, POLLIN | POLLOUT, 0));
	see_call(t, "accept", accept(fd, NULL, NULL));
	(void)close(fd);
}

static void
differs_in_a_value(struct trial *t)
{
	same(t);
	see(t, "protocol", own_protocol(t));
	see(t, "more", 1);
}

static void
differs_in_length(struct trial *t)
{
	same(t);
	if (t->mode != MODE_TCP)
		see(t, "more", 1);
}

static void
differs_in_order(struct trial *t)
{
	see(t, t->mode == MODE_TCP ? "first" : "second", 1);
}

static void
dies_on_tls(struct trial *t)
{
	same(t);
	if (t->mode != MODE_TCP)
		(void)raise(SIGKILL);
}

static void
fails_on_tcp(struct trial *t)
{
	want(t->mode != MODE_TCP);
}

static void
kills_the_relay(struct trial *t)
{
	int fd = own_socket(t, t->family, 0);
	pid_t keeper, relay;

	if (t->mode != MODE_TCP) {
		want_eq(world_pair(fd, &keeper, &relay), 0);
		want_eq(kill(relay, SIGKILL), 0);
		want_soon(!world_alive(relay));
	}
	(void)close(fd);
}

static void
sees_too_much(struct trial *t)
{
	for (int i = 0; i <= NOTES_MAX; i++)
		see(t, "i", i);
}

static void
skips_on_tls(struct trial *t)
{
	if (t->mode != MODE_TCP)
		world_skip("as it should");
}

/* Only the modes that are not absent have run, each with its own end. */
static void
tells_its_mode(struct trial *t)
{
	want(t->mode == MODE_CLIENT || t->mode == MODE_SERVER);
	want((t->mode == MODE_SERVER) == (t->side == OURS_ACCEPTS));
	see(t, "mode", t->mode);
}

struct verdict {
	struct complaints c;
	int skipped;
};

static char *
table(const char *name, const char *text)
{
	static char paths[2][600];
	char *path = paths[name[0] == 'm'];
	FILE *f;

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", world.dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	return path;
}

static void
judged(struct verdict *v, void (*body)(struct trial *), const char *divergences,
    const char *modes)
{
	struct tables t;

	memset(v, 0, sizeof(*v));
	if (judge_load(&t, table("divergences", divergences), table("modes", modes),
	    &v->c) == 0)
		v->skipped = play("fake", NUMBER, body, WORLD_WARM, &t, &v->c);
	judge_free(&t);
}

/* How often the complaints have this part. */
static int
said(const struct verdict *v, const char *part)
{
	int n = 0;

	for (const char *at = v->c.text; (at = strstr(at, part)) != NULL; at++)
		n++;
	return n;
}

#define SERVER_ONLY	"7\tclient,both\twhy\n"

static void
what_is_the_same_passes_in_every_mode(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, same, "", "");
	assert_string_equal(v.c.text, "");
	assert_int_equal(v.c.n, 0);
	assert_int_equal(v.skipped, 0);
}

static void
a_difference_that_is_not_listed_is_caught_in_each_mode(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, differs_in_a_value, "", "");
	assert_int_equal(v.c.n, 3);
	for (int m = MODE_CLIENT; m < MODES; m++) {
		char text[80];

		(void)snprintf(text, sizeof(text), "%s: protocol: %d, not %d\n",
		    judge_mode_name(m), IPPROTO_TLS, IPPROTO_TCP);
		assert_int_equal(said(&v, text), 1);
	}
}

static void
a_listed_difference_is_accepted_in_the_modes_it_is_listed_for(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, differs_in_a_value,
	    "7\tclient,server,both\tprotocol\t6\t205\tsockets 6.1\twhy\n", "");
	assert_string_equal(v.c.text, "");
	judged(&v, differs_in_a_value,
	    "7\tclient,both\tprotocol\t6\t205\tsockets 6.1\twhy\n", "");
	assert_int_equal(v.c.n, 1);
	assert_int_equal(said(&v, "server: protocol"), 1);
}

static void
a_listed_difference_with_another_value_is_two_complaints(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, differs_in_a_value,
	    "7\tserver\tprotocol\t6\t254\tsockets 6.1\twhy\n", SERVER_ONLY);
	assert_int_equal(v.c.n, 2);
	assert_int_equal(said(&v, "server: protocol: 205, not 6"), 1);
	assert_int_equal(said(&v, "is gone"), 1);
}

static void
a_listed_difference_that_is_gone_is_caught(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, same, "7\tserver\taccept\t0\t1\trelay 11\twhy\n", SERVER_ONLY);
	assert_int_equal(v.c.n, 1);
	assert_int_equal(said(&v, "server: accept: the listed divergence (1, not 0) "
	    "is gone"), 1);
	/* That of another case is none of ours. */
	judged(&v, same, "8\tserver\taccept\t0\t1\trelay 11\twhy\n", SERVER_ONLY);
	assert_string_equal(v.c.text, "");
}

static void
notes_that_are_not_the_same_sequence_are_caught(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, differs_in_length, "", SERVER_ONLY);
	assert_int_equal(v.c.n, 1);
	assert_int_equal(said(&v, "observation 3 is \"more\", not \"none\""), 1);
	judged(&v, differs_in_order, "", SERVER_ONLY);
	assert_int_equal(v.c.n, 1);
	assert_int_equal(said(&v, "observation 1 is \"second\", not \"first\""), 1);
	judged(&v, sees_too_much, "", SERVER_ONLY);
	assert_int_equal(v.c.n, 1);
}

static void
a_run_that_does_not_return_is_caught(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, dies_on_tls, "", SERVER_ONLY);
	assert_int_equal(v.c.n, 1);
	assert_int_equal(said(&v, "died of SIGKILL, after \"accept\""), 1);
	judged(&v, fails_on_tcp, "", SERVER_ONLY);
	assert_int_equal(v.c.n, 1);
	assert_int_equal(said(&v, "fake (tcp, connects): failed"), 1);
	judged(&v, kills_the_relay, "", SERVER_ONLY);
	assert_int_equal(v.c.n, 1);
	assert_int_equal(said(&v, "fake (server, accepts): failed"), 1);
}

static void
a_run_that_skips_skips_the_case(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, skips_on_tls, "", "");
	assert_int_equal(v.skipped, 1);
	assert_int_equal(v.c.n, 0);
}

static void
without_tcp_the_modes_are_compared_with_each_other(void **state)
{
	struct verdict v;

	(void)state;
	judged(&v, tells_its_mode, "", "7\ttcp,both\twhy\n");
	assert_int_equal(v.c.n, 1);
	assert_int_equal(said(&v, "server: mode: 2, not 1"), 1);
}

static void
a_table_that_says_too_much_is_refused(void **state)
{
	static const char *const divergences[] = {
		"7\tserver\tl\t0\t1\tsockets 4\twhy\n",
		"7\tserver\tl\t0\t1\tsockets 6.0\twhy\n",
		"7\tserver\tl\t0\t1\trelay 10\twhy\n",
		"7\ttcp\tl\t0\t1\trelay 11\twhy\n",
		"7\tserver\tl\t1\t1\trelay 11\twhy\n",
		"7\tserver\tl\t0\t1\trelay 11\n",
		"7\tserver\tl\t0\t1\trelay 11\t\n",
		"7\tserver\tl\t0\t1\trelay 11\twhy\tmore\n",
		"7\tsender\tl\t0\t1\trelay 11\twhy\n",
		"7\tserver,server\tl\t0\t1\trelay 11\twhy\n",
		"106\tserver\tl\t0\t1\trelay 11\twhy\n",
		"x\tserver\tl\t0\t1\trelay 11\twhy\n",
	}, *const modes[] = {
		"7\tserver\n", "7\tserver\t\n", "7\ttcp,client,server,both\twhy\n",
		"7\tserver\twhy\n7\tserver,tcp\twhy\n",
	};
	struct verdict v;

	(void)state;
	for (size_t i = 0; i < sizeof(divergences) / sizeof(divergences[0]); i++) {
		judged(&v, same, divergences[i], SERVER_ONLY);
		assert_int_equal(v.c.n, 1);
		assert_int_equal(said(&v, "/divergences:1: "), 1);
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		judged(&v, same, "", modes[i]);
		assert_int_equal(v.c.n, 1);
		assert_int_equal(said(&v, "/modes:"), 1);
	}
	judged(&v, same, "# nothing\n\n", SERVER_ONLY);
	assert_int_equal(v.c.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_the_same_passes_in_every_mode),
		cmocka_unit_test(a_difference_that_is_not_listed_is_caught_in_each_mode),
		cmocka_unit_test(
		    a_listed_difference_is_accepted_in_the_modes_it_is_listed_for),
		cmocka_unit_test(
		    a_listed_difference_with_another_value_is_two_complaints),
		cmocka_unit_test(a_listed_difference_that_is_gone_is_caught),
		cmocka_unit_test(notes_that_are_not_the_same_sequence_are_caught),
		cmocka_unit_test(a_run_that_does_not_return_is_caught),
		cmocka_unit_test(a_run_that_skips_skips_the_case),
		cmocka_unit_test(without_tcp_the_modes_are_compared_with_each_other),
		cmocka_unit_test(a_table_that_says_too_much_is_refused),
	};

	world_begin();
	return world_end(tests);
}
