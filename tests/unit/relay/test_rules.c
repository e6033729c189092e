/* SPDX-License-Identifier: ISC */
/* rules - the machine's file over a socket's options about revocation. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/core.h"
#include "relay/option_revoke.h"
#include "relay/rules.h"
#include "relay/settings.h"
#include "support/pki.h"
#include "support/starve.h"
#include "tls/lists.h"
#include "tls/revoke.h"

static struct {
	struct sst_relay *relay;
	char	*dir;
	char	 file[300];
} w;

static int
setup(void **state)
{
	(void)state;
	w.relay = calloc(1, sizeof(*w.relay));
	sst_log_init(&w.relay->log);
	w.dir = pki_dir_new();
	(void)snprintf(w.file, sizeof(w.file), "%s/machine.conf", w.dir);
	assert_int_equal(setenv(SST_MACHINE_VAR, w.file, 1), 0);
	assert_int_equal(setenv("XDG_CONFIG_HOME", w.dir, 1), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sst_rules_unref(w.relay->rulebook.rules);
	sst_log_done(&w.relay->log);
	free(w.relay);
	pki_dir_free(w.dir);
	return 0;
}

static void
machine(const char *text)
{
	pki_write_text(w.dir, "machine.conf", text);
}

/* Settings of a socket that is made now. */
static struct sst_settings *
made(void)
{
	struct sst_settings *set = sst_settings_new(NULL, NULL);
	struct sst_error err = { 0 };

	assert_non_null(set);
	if (sst_rules_now(w.relay, &set->rules, &err) < 0)
		fail_msg("%s", err.text);
	return set;
}

static int
got(const struct sst_settings *set, int number)
{
	int v = -1;

	assert_int_equal(sst_revoke_get_int(set, number, &v), 1);
	return v;
}

static const int sources[] = { TLS_OCSP_STAPLED_CHECKS, TLS_OCSP_CHECKS, TLS_CRL_CHECKS,
    TLS_CACHED_REV_CHECKS };

static void
without_a_word_the_defaults_hold(void **state)
{
	struct sst_settings *set;
	char text[200];
	int v;

	(void)state;
	machine("");
	set = made();
	assert_int_equal(got(set, TLS_REVOCATION_CHECKS), 1);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		assert_int_equal(got(set, sources[i]), 1);
	assert_int_equal(got(set, TLS_REVOCATION_NO_SOURCE), 0);
	assert_int_equal(got(set, TLS_REVOCATION_LIVE), 0);
	assert_int_equal(got(set, TLS_SERVER_OCSP_STAPLING), 1);
	sst_revoke_get_policy(set, text, sizeof(text));
	assert_string_equal(text, "soft,budget=3000,max-age=0,hard-chain=0,no-source=0,"
	    "exempt-short=0,fetch=1");
	assert_int_equal(sst_revoke_get_int(set, TLS_VERSION_MIN, &v), 0);
	sst_settings_unref(set);
}

static void
each_int_is_0_or_1_and_is_read_back(void **state)
{
	static const int all[] = { TLS_REVOCATION_CHECKS, TLS_OCSP_STAPLED_CHECKS,
	    TLS_OCSP_CHECKS, TLS_CRL_CHECKS, TLS_CACHED_REV_CHECKS,
	    TLS_REVOCATION_NO_SOURCE, TLS_REVOCATION_LIVE, TLS_SERVER_OCSP_STAPLING };
	struct sst_settings *set;

	(void)state;
	machine("");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		set = made();
		for (int v = 1; v >= 0; v--) {
			assert_int_equal(sst_revoke_set_int(set, all[i], v, NULL), 0);
			for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++)
				if (i == j)
					assert_int_equal(got(set, all[j]), v);
				else	/* and no other one changed */
					assert_int_equal(got(set, all[j]),
					    all[j] != TLS_REVOCATION_NO_SOURCE &&
					    all[j] != TLS_REVOCATION_LIVE);
		}
		assert_int_equal(sst_revoke_set_int(set, all[i], 2, NULL), SST_E_USAGE);
		assert_int_equal(sst_revoke_set_int(set, all[i], -1, NULL), SST_E_USAGE);
		assert_int_equal(got(set, all[i]), 0);
		assert_int_equal(sst_revoke_set_int(set, all[i], 1, NULL), 0);
		assert_int_equal(got(set, all[i]), 1);
		sst_settings_unref(set);
	}
}

static void
the_policy_is_read_in_the_words_that_set_it(void **state)
{
	static const struct { const char *set, *get; } good[] = {
		{ "off", "off,budget=3000,max-age=0,hard-chain=0,no-source=0,"
		    "exempt-short=0,fetch=1" },
		{ "hard", "hard,budget=3000,max-age=0,hard-chain=0,no-source=1,"
		    "exempt-short=0,fetch=1" },
		{ "staple, budget=1 max-age=60", "staple,budget=1,max-age=60,"
		    "hard-chain=0,no-source=1,exempt-short=0,fetch=1" },
		{ "hard,no-source=0,hard-chain=1,exempt-short=1,fetch=0",
		    "hard,budget=3000,max-age=0,hard-chain=1,no-source=0,"
		    "exempt-short=1,fetch=0" },
		{ "budget=60000", "soft,budget=60000,max-age=0,hard-chain=0,"
		    "no-source=0,exempt-short=0,fetch=1" },
		{ "\1", "off,budget=3000,max-age=0,hard-chain=0,no-source=0,"
		    "exempt-short=0,fetch=1" },
		{ "\3", "hard,budget=3000,max-age=0,hard-chain=0,no-source=1,"
		    "exempt-short=0,fetch=1" },
		{ "\4", "staple,budget=3000,max-age=0,hard-chain=0,no-source=1,"
		    "exempt-short=0,fetch=1" },
	};
	static const char *const bad[] = { "", " ,", "loose", "softly", "budget",
	    "budget=", "budget=-1", "budget=60001", "budget=1x", "budget= 1",
	    "max-age=31536001", "fetch=2", "hard-chain=", "\5", "\1\1",
	    "budget=99999999999999999999", "hard,budget=1,nonsense" };
	struct sst_settings *set;
	char text[200], again[200];

	(void)state;
	machine("");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		set = made();
		assert_int_equal(sst_revoke_set_policy(set, good[i].set, NULL), 0);
		sst_revoke_get_policy(set, text, sizeof(text));
		assert_string_equal(text, good[i].get);
		assert_int_equal(sst_revoke_set_policy(set, text, NULL), 0);
		sst_revoke_get_policy(set, again, sizeof(again));
		assert_string_equal(again, text);
		sst_settings_unref(set);
	}
	set = made();
	sst_revoke_get_policy(set, text, sizeof(text));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(sst_revoke_set_policy(set, bad[i], NULL), SST_E_USAGE);
		sst_revoke_get_policy(set, again, sizeof(again));
		assert_string_equal(again, text);
	}
	memset(again, 'x', sizeof(again));
	again[199] = '\0';
	assert_int_equal(sst_revoke_set_policy(set, again, NULL), SST_E_USAGE);
	sst_settings_unref(set);
}

static void
what_would_loosen_the_machine_is_refused_and_changes_nothing(void **state)
{
	struct sst_error err = { 0 };
	struct sst_settings *set;
	char text[200];

	(void)state;
	machine("revocation: { mode = \"hard\"; budget_ms = 500; };");
	set = made();
	assert_int_equal(sst_revoke_set_int(set, TLS_REVOCATION_CHECKS, 0, &err),
	    SST_E_REFUSED);
	assert_non_null(strstr(err.text, "revocation.mode"));
	assert_non_null(strstr(err.text, "machine.conf:1"));
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		assert_int_equal(sst_revoke_set_int(set, sources[i], 0, NULL),
		    SST_E_REFUSED);
	assert_int_equal(sst_revoke_set_int(set, TLS_REVOCATION_NO_SOURCE, 0, NULL),
	    SST_E_REFUSED);
	assert_int_equal(sst_revoke_set_policy(set, "soft", NULL), SST_E_REFUSED);
	assert_int_equal(sst_revoke_set_policy(set, "staple,budget=499", NULL),
	    SST_E_REFUSED);
	sst_revoke_get_policy(set, text, sizeof(text));
	assert_string_equal(text, "hard,budget=500,max-age=0,hard-chain=0,no-source=1,"
	    "exempt-short=0,fetch=1");
	assert_int_equal(sst_revoke_set_policy(set, "staple,budget=501", NULL), 0);
	sst_revoke_get_policy(set, text, sizeof(text));
	assert_non_null(strstr(text, "staple,budget=501,"));
	assert_int_equal(got(set, TLS_REVOCATION_CHECKS), 1);
	sst_settings_unref(set);
}

static void
checks_may_be_switched_on_where_the_machine_is_off(void **state)
{
	struct sst_settings *set;

	(void)state;
	machine("revocation: { mode = \"off\"; };");
	set = made();
	assert_int_equal(got(set, TLS_REVOCATION_CHECKS), 0);
	assert_int_equal(sst_revoke_set_int(set, TLS_REVOCATION_CHECKS, 1, NULL), 0);
	assert_int_equal(got(set, TLS_REVOCATION_CHECKS), 1);
	assert_int_equal(sst_revoke_set_int(set, TLS_REVOCATION_CHECKS, 0, NULL), 0);
	assert_int_equal(got(set, TLS_REVOCATION_CHECKS), 0);
	sst_settings_unref(set);
	/* one that says hard of itself is not made softer by "1" */
	machine("");
	w.relay->loop.now = 5000;
	set = made();
	assert_int_equal(sst_revoke_set_policy(set, "hard", NULL), 0);
	assert_int_equal(sst_revoke_set_int(set, TLS_REVOCATION_CHECKS, 1, NULL), 0);
	assert_int_equal(set->revocation.mode, SST_REVOCATION_HARD);
	sst_settings_unref(set);
}

static int n_lines;
static char last_line[800];

static void
hear(int priority, const char *line)
{
	(void)priority;
	n_lines++;
	(void)snprintf(last_line, sizeof(last_line), "%s", line);
}

static void
a_wrong_file_refuses_sockets_until_it_was_right_once(void **state)
{
	struct sst_rules *rules = NULL, *later = NULL;
	struct sst_error err = { 0 };

	(void)state;
	w.relay->log.write = hear;
	n_lines = 0;
	machine("revocation: { mode = 7; };");
	assert_int_equal(sst_rules_now(w.relay, &rules, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "machine.conf:1: "));
	assert_int_equal(n_lines, 0);
	/* seen within five seconds */
	machine("revocation: { mode = \"hard\"; };");
	w.relay->loop.now += 5000;
	assert_int_equal(sst_rules_now(w.relay, &rules, NULL), 0);
	/* wrong again: what was read goes on, and it is said once */
	machine("revocation: { mode = \"hardly\"; };");
	for (int i = 0; i < 3; i++) {
		w.relay->loop.now += 5000;
		assert_int_equal(sst_rules_now(w.relay, &later, NULL), 0);
		assert_ptr_equal(later, rules);
		sst_rules_unref(later);
	}
	assert_int_equal(n_lines, 1);
	assert_non_null(strstr(last_line, "config: "));
	assert_non_null(strstr(last_line, "machine.conf:1"));
	/* and right */
	machine("revocation: { mode = \"soft\"; };");
	w.relay->loop.now += 5000;
	assert_int_equal(sst_rules_now(w.relay, &later, NULL), 0);
	assert_ptr_not_equal(later, rules);
	sst_rules_unref(later);
	sst_rules_unref(rules);
}

/* Nobody touches the file. */
static void
out_of_memory_refuses_sockets_until_there_is_some(void **state)
{
	int hit = 1;
	long n;

	(void)state;
	machine("fetch: { allow = [ \"10.0.0.0/8\" ]; };");
	for (n = 1; hit; n++) {
		struct sst_rules *rules = NULL;
		int rc;

		sst_rules_unref(w.relay->rulebook.rules);
		memset(&w.relay->rulebook, 0, sizeof(w.relay->rulebook));
		starve_arm(n, STARVE_OURS);
		rc = sst_rules_now(w.relay, &rules, NULL);
		hit = starve_over();
		assert_int_equal(rc, hit ? SST_E_NOMEM : SST_OK);
		sst_rules_unref(rules);
		w.relay->loop.now += 2000;
		assert_int_equal(sst_rules_now(w.relay, &rules, NULL), SST_OK);
		sst_rules_unref(rules);
	}
	assert_true(n > 9);	/* there was something to fail, in the checker too */
}

static void
an_address_that_is_none_is_refused_with_its_line(void **state)
{
	struct sst_rules *rules = NULL;
	struct sst_error err = { 0 };

	(void)state;
	machine("\nfetch: { allow = [ \"10.0.0.0/8\", \"300.0.0.1\" ]; };");
	assert_int_equal(sst_rules_now(w.relay, &rules, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "machine.conf:2: "));
	assert_non_null(strstr(err.text, "300.0.0.1"));
	machine("\nfetch: { allow = [ \"10.0.0.0/8\" ]; };");
	w.relay->loop.now += 5000;
	assert_int_equal(sst_rules_now(w.relay, &rules, NULL), 0);
	sst_rules_unref(rules);
}

static void
a_socket_keeps_the_rules_it_was_made_under(void **state)
{
	struct sst_settings *old, *new, *copy;

	(void)state;
	machine("revocation: { mode = \"soft\"; };");
	old = made();
	machine("revocation: { mode = \"staple\"; };");
	w.relay->loop.now += 5000;
	new = made();
	assert_int_equal(sst_revoke_set_policy(new, "hard", NULL), SST_E_REFUSED);
	assert_int_equal(sst_revoke_set_policy(old, "hard", NULL), 0);
	assert_int_equal(sst_revoke_set_int(old, TLS_REVOCATION_LIVE, 1, NULL), 0);
	assert_int_equal(sst_revoke_set_int(old, TLS_SERVER_OCSP_STAPLING, 0, NULL), 0);
	assert_int_equal(sst_lists_with(NULL, "\x30\x00", 2, &old->lists, NULL), 0);
	/* and a copy has all of it */
	copy = sst_settings_ref(old);
	assert_int_equal(sst_settings_own(&copy, NULL), 0);
	assert_ptr_not_equal(copy, old);
	assert_ptr_equal(copy->rules, old->rules);
	assert_ptr_equal(copy->lists, old->lists);
	assert_int_equal(copy->revocation.mode, SST_REVOCATION_HARD);
	assert_int_equal(got(copy, TLS_REVOCATION_LIVE), 1);
	assert_int_equal(got(copy, TLS_SERVER_OCSP_STAPLING), 0);
	sst_settings_unref(copy);
	sst_settings_unref(old);
	sst_settings_unref(new);
}

static void
an_attempt_is_judged_also_where_no_rules_were_read_before(void **state)
{
	struct sst_record r = { .relay = w.relay };
	struct sst_revoke *by = NULL;
	struct sst_error err = { 0 };

	(void)state;
	machine("nonsense");
	r.set = sst_settings_new(NULL, NULL);
	r.relay = w.relay;
	assert_int_equal(sst_rules_revoke(&r, &by, &err), SST_E_REFUSED);
	assert_null(by);
	machine("");
	w.relay->loop.now += 5000;
	assert_int_equal(sst_rules_revoke(&r, &by, NULL), 0);
	assert_non_null(by);
	sst_revoke_unref(by);
	sst_settings_unref(r.set);
}

/* What hold.c kept is read as if it were hostile. */
static void
a_kept_word_is_taken_whole_or_not_at_all(void **state)
{
	struct sst_revocation_policy p = { .mode = SST_REVOCATION_STAPLE,
	    .use_ocsp = SST_SWITCH_OFF, .nonce = SST_SWITCH_ON, .budget_ms = 60000,
	    .max_age = 31536000 }, bad;
	struct sst_settings *set = sst_settings_new(NULL, NULL);
	enum sst_switch *const switches[] = { &bad.refuse_no_source, &bad.hard_chain,
	    &bad.use_staples, &bad.use_ocsp, &bad.use_crls, &bad.use_cache, &bad.fetch,
	    &bad.exempt_short, &bad.nonce };

	(void)state;
	assert_int_equal(sst_revoke_restore(set, &p, sizeof(p)), 0);
	assert_memory_equal(&set->revocation, &p, sizeof(p));
	assert_int_equal(sst_revoke_restore(set, &p, sizeof(p) - 1), SST_E_MALFORMED);
	for (int i = 0; i < 12; i++) {
		bad = p;
		if (i < 9)
			*switches[i] = (enum sst_switch)3;
		else if (i == 9)
			bad.mode = (enum sst_revocation_mode)(SST_REVOCATION_STAPLE + 1);
		else if (i == 10)
			bad.budget_ms++;
		else
			bad.max_age++;
		assert_int_equal(sst_revoke_restore(set, &bad, sizeof(bad)),
		    SST_E_MALFORMED);
		assert_memory_equal(&set->revocation, &p, sizeof(p));
	}
	sst_settings_unref(set);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(without_a_word_the_defaults_hold),
		EACH(each_int_is_0_or_1_and_is_read_back),
		EACH(the_policy_is_read_in_the_words_that_set_it),
		EACH(what_would_loosen_the_machine_is_refused_and_changes_nothing),
		EACH(checks_may_be_switched_on_where_the_machine_is_off),
		EACH(a_wrong_file_refuses_sockets_until_it_was_right_once),
		EACH(out_of_memory_refuses_sockets_until_there_is_some),
		EACH(an_address_that_is_none_is_refused_with_its_line),
		EACH(a_socket_keeps_the_rules_it_was_made_under),
		EACH(a_kept_word_is_taken_whole_or_not_at_all),
		EACH(an_attempt_is_judged_also_where_no_rules_were_read_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
