/* SPDX-License-Identifier: ISC */
/* Tests of reading.c: what is said while a store reads, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "reading.h"

static char text[400];
static int old, fds[2];

static void
listen_in(void)
{
	old = dup(STDERR_FILENO);
	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
	(void)close(fds[1]);
}

/* What was written to stderr since. */
static const char *
heard(void)
{
	ssize_t n;

	assert_true(dup2(old, STDERR_FILENO) >= 0);
	(void)close(old);
	n = read(fds[0], text, sizeof(text) - 1);
	(void)close(fds[0]);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void
far(const struct sst_store_config *c, uint64_t read, int over)
{
	const struct sst_store_progress p = { .seen = 1000, .done = read / 2, .read = read,
	    .over = over };

	c->on_progress(c->event_arg, &p);
}

/* As if it had begun ten seconds ago. */
static void
age(struct sst_reading *r, int is_terminal)
{
	r->bar.is_terminal = is_terminal;
	r->bar.began_ms -= 10000;
	r->bar.told_ms -= 10000;
}

static void
a_large_directory_has_a_bar_of_its_names_that_is_taken_away(void **state)
{
	struct sst_store_config c = { .cache_bytes = 0 };
	struct sst_reading r;

	(void)state;
	sst_reading_begin(&r, &c);
	age(&r, 1);
	listen_in();
	far(&c, 400, 0);
	assert_string_equal(heard(),
	    "\r[############------------------] 400 of 1000 names read\033[K");
	listen_in();
	far(&c, 1000, 1);
	assert_string_equal(heard(), "\r\033[K");
	listen_in();
	sst_reading_end(&r);
	assert_string_equal(heard(), "");
}

static void
without_a_terminal_it_is_a_line(void **state)
{
	struct sst_store_config c = { .cache_bytes = 0 };
	struct sst_reading r;

	(void)state;
	sst_reading_begin(&r, &c);
	age(&r, 0);
	listen_in();
	far(&c, 400, 0);
	far(&c, 500, 0);
	far(&c, 1000, 1);
	sst_reading_end(&r);
	assert_string_equal(heard(), "400 of 1000 names read\n");
}

static void
what_takes_less_than_a_second_says_nothing(void **state)
{
	struct sst_store_config c = { .cache_bytes = 0 };
	struct sst_reading r;

	(void)state;
	sst_reading_begin(&r, &c);
	r.bar.is_terminal = 1;
	listen_in();
	far(&c, 0, 0);
	far(&c, 400, 0);
	far(&c, 1000, 1);
	sst_reading_end(&r);
	assert_string_equal(heard(), "");
}

static void
certificates_are_counted_and_what_is_none_is_not(void **state)
{
	static const struct sst_store_event added = { .kind = SST_STORE_ADDED },
	    reading = { .kind = SST_STORE_READING };
	struct sst_store_config c = { .cache_bytes = 0 };
	struct sst_reading r;

	(void)state;
	sst_reading_begin(&r, &c);
	c.on_event(c.event_arg, &reading);
	assert_int_equal(r.read, 0);
	c.on_event(c.event_arg, &added);
	assert_int_equal(r.read, 1);
	/* the bar of a directory has the line for itself */
	far(&c, 400, 0);
	c.on_event(c.event_arg, &added);
	assert_int_equal(r.read, 2);
	assert_int_equal(r.is_large, 1);
	far(&c, 1000, 1);
	assert_int_equal(r.is_large, 0);
	sst_reading_end(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_directory_has_a_bar_of_its_names_that_is_taken_away),
		cmocka_unit_test(without_a_terminal_it_is_a_line),
		cmocka_unit_test(what_takes_less_than_a_second_says_nothing),
		cmocka_unit_test(certificates_are_counted_and_what_is_none_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
