/* SPDX-License-Identifier: ISC */
/* Tests of progress.c: the bar, and silence where nobody waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "progress.h"

static void
the_bar_says_how_far_it_is(void **state)
{
	char out[160];

	(void)state;
	assert_string_equal(sst_progress_text(out, sizeof(out), "things", 0, 4, 8),
	    "[--------] 0 of 4 things");
	assert_string_equal(sst_progress_text(out, sizeof(out), "things", 1, 4, 8),
	    "[##------] 1 of 4 things");
	assert_string_equal(sst_progress_text(out, sizeof(out), "things", 3, 4, 8),
	    "[######--] 3 of 4 things");
	assert_string_equal(sst_progress_text(out, sizeof(out), "things", 4, 4, 8),
	    "[########] 4 of 4 things");
}

static void
more_than_all_is_all_and_of_nothing_too(void **state)
{
	char out[160];

	(void)state;
	assert_string_equal(sst_progress_text(out, sizeof(out), "things", 9, 4, 2),
	    "[##] 9 of 4 things");
	assert_string_equal(sst_progress_text(out, sizeof(out), "things", 0, 0, 2),
	    "[##] 0 of 0 things");
	(void)sst_progress_text(out, sizeof(out), "things", 1, 2, 1000);
	assert_int_equal(strcspn(out, "]"), 64);
	(void)sst_progress_text(out, 8, "things", 1, 2, 30);
	assert_int_equal(strlen(out), 7);
}

/* What is written to stderr while `at` is where it is. */
static size_t
said(struct sst_progress *p, size_t at)
{
	int fds[2], old = dup(STDERR_FILENO);
	char text[200];
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	(void)close(fds[1]);
	sst_progress_at(p, at);
	sst_progress_hide(p);
	assert_true(dup2(old, STDERR_FILENO) >= 0);
	(void)close(old);
	n = read(fds[0], text, sizeof(text));
	(void)close(fds[0]);
	return n < 0 ? 0 : (size_t)n;
}

static void
it_is_silent_at_first_and_says_a_line_seldom(void **state)
{
	struct sst_progress p;

	(void)state;
	sst_progress_begin(&p, "things", 10);
	p.is_terminal = 0;
	assert_int_equal(said(&p, 1), 0);
	/* as if it had begun before */
	p.began_ms -= 1500;
	assert_int_equal(said(&p, 1), 0);
	p.told_ms -= 5000;
	assert_int_equal(said(&p, 1), strlen("1 of 10 things\n"));
	assert_int_equal(said(&p, 2), 0);
}

static void
a_terminal_gets_a_bar_that_is_taken_away(void **state)
{
	struct sst_progress p;

	(void)state;
	sst_progress_begin(&p, "things", 10);
	p.is_terminal = 1;
	assert_int_equal(said(&p, 1), 0);
	p.began_ms -= 1500;
	p.told_ms -= 200;
	assert_int_equal(said(&p, 1), strlen("\r[") + 30 + strlen("] 1 of 10 things\033[K") +
	    strlen("\r\033[K"));
	assert_int_equal(p.is_drawn, 0);
	assert_int_equal(said(&p, 2), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bar_says_how_far_it_is),
		cmocka_unit_test(more_than_all_is_all_and_of_nothing_too),
		cmocka_unit_test(it_is_silent_at_first_and_says_a_line_seldom),
		cmocka_unit_test(a_terminal_gets_a_bar_that_is_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
