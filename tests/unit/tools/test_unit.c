/* SPDX-License-Identifier: ISC */
/* What the text of a unit file means: the parser and the lists of sstool doctor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "unit.h"

static struct sst_unit *
parsed(const char *text)
{
	struct sst_unit *u = sst_unit_new();

	assert_non_null(u);
	assert_int_equal(sst_unit_parse(u, text, strlen(text), 0), 0);
	return u;
}

static int
same(const char *word, const void *what)
{
	return strcasecmp(word, what) == 0;
}

/* Whether `text` lets `word` through in the setting L. */
static int
lets(const char *text, int empty_denies, const char *word)
{
	char whole[400];
	struct sst_unit *u;
	int r;

	snprintf(whole, sizeof(whole), "[Service]\n%s", text);
	u = parsed(whole);
	r = sst_unit_allows(u, "L", empty_denies, same, word);
	sst_unit_free(u);
	return r;
}

static void
only_the_section_service_counts(void **state)
{
	struct sst_unit *u = parsed("A=0\n[Unit]\nA=1\n[Service]\nA = 2 \n"
	    "[Install]\nA=3\n");
	size_t at = 0;

	(void)state;
	assert_string_equal(sst_unit_last(u, "A"), "2");
	assert_string_equal(sst_unit_each(u, "A", &at), "2");
	assert_null(sst_unit_each(u, "A", &at));
	assert_null(sst_unit_last(u, "a"));
	sst_unit_free(u);
}

static void
comments_and_continued_lines_are_read_as_systemd_does(void **state)
{
	struct sst_unit *u = parsed("[Service]\n# A=1\n ;A=2\nA=x \\\n# no\n"
	    "  y\\\r\n z\r\nB=3 # a part of it\nC=end\\");

	(void)state;
	assert_string_equal(sst_unit_last(u, "A"), "x  y z");
	assert_string_equal(sst_unit_last(u, "B"), "3 # a part of it");
	assert_string_equal(sst_unit_last(u, "C"), "end");
	sst_unit_free(u);
}

static void
the_last_assignment_wins_and_an_empty_one_takes_it_back(void **state)
{
	struct sst_unit *u = parsed("[Service]\nA=yes\nA=no\nB=On\nB=\nC=true\n");

	(void)state;
	assert_false(sst_unit_yes(u, "A"));
	assert_null(sst_unit_last(u, "B"));
	assert_false(sst_unit_yes(u, "B"));
	assert_true(sst_unit_yes(u, "C"));
	assert_false(sst_unit_yes(u, "D"));
	sst_unit_free(u);
}

static void
a_list_that_allows_lets_only_its_words_through(void **state)
{
	(void)state;
	assert_true(lets("", 0, "x"));
	assert_true(lets("L=a x", 0, "X"));
	assert_false(lets("L=a b", 0, "x"));
	assert_true(lets("L=a\nL=x", 0, "x"));
	assert_false(lets("L=a x\nL=~x", 0, "x"));
	assert_true(lets("L=a x\nL=~b", 0, "x"));
}

static void
a_list_that_denies_lets_all_but_its_words_through(void **state)
{
	(void)state;
	assert_false(lets("L=~a x", 0, "x"));
	assert_true(lets("L=~a b", 0, "x"));
	assert_true(lets("L=~a x\nL=x", 0, "x"));
	assert_false(lets("L=~a\nL=~x", 0, "x"));
	assert_true(lets("L=~", 0, "x"));
}

static void
an_empty_list_starts_anew_or_denies(void **state)
{
	(void)state;
	assert_true(lets("L=~x\nL=", 0, "x"));
	assert_false(lets("L=x\nL=", 1, "x"));
	assert_true(lets("L=\nL=x", 1, "x"));
	assert_true(lets("L=x\nL=~", 1, "x"));
	assert_false(lets("L=x\nL=\nL=a", 0, "x"));
}

static void
words_lose_their_quotes_and_are_cut_to_their_room(void **state)
{
	const char *at = "  one \"two words\"  a'b c'd back\\ slash ";
	char word[12];

	(void)state;
	assert_true(sst_unit_word(&at, word, sizeof(word)));
	assert_string_equal(word, "one");
	assert_true(sst_unit_word(&at, word, sizeof(word)));
	assert_string_equal(word, "two words");
	assert_true(sst_unit_word(&at, word, sizeof(word)));
	assert_string_equal(word, "ab cd");
	assert_true(sst_unit_word(&at, word, 5));
	assert_string_equal(word, "back");
	assert_false(sst_unit_word(&at, word, sizeof(word)));
}

/* A directory of units, made once. */
static char dir[] = "/tmp/sst-unit-XXXXXX";

static void
put(const char *name, const char *text)
{
	char path[300], *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')) != NULL;
	    slash++) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "[Service]\n%s\n", text);
	fclose(f);
}

/* The value of `key` in the unit `name`; "-" none, "?" no such unit. */
static const char *
value(const char *name, const char *key)
{
	static char out[300];
	char from[4096], why[4096];
	struct sst_unit *u = NULL;
	const char *last;

	if (sst_unit_load(name, &u, from, sizeof(from), why, sizeof(why)) != 0)
		return "?";
	last = sst_unit_last(u, key);
	snprintf(out, sizeof(out), "%s", last != NULL ? last : "-");
	sst_unit_free(u);
	return out;
}

static int
make_units(void **state)
{
	char path[300], *search;

	(void)state;
	if (mkdtemp(dir) == NULL ||
	    asprintf(&search, "%s/high:%s/low", dir, dir) < 0)
		return -1;
	setenv("SYSTEMD_UNIT_PATH", search, 1);
	free(search);
	put("low/a-b.service", "K=low");
	put("high/a-b.service", "K=high\nM=main");
	put("low/a-b.service.d/20.conf", "D=low20\nE=low20");
	put("high/a-b.service.d/20.conf", "D=high20");
	put("low/a-b.service.d/10.conf", "D=low10\nF=low10");
	put("low/a-b.service.d/30.txt", "D=no drop-in");
	put("low/a-.service.d/15.conf", "P=prefix\nF=prefix");
	put("low/service.d/05.conf", "T=type\nF=type");
	put("low/w@.service", "W=template");
	put("low/w@x.service.d/1.conf", "X=instance");
	put("low/w@.service.d/1.conf", "X=template");
	put("low/w@.service.d/2.conf", "Y=template");
	put("loose.service", "L=loose");
	put("loose.service.d/1.conf", "N=dropin");
	snprintf(path, sizeof(path), "%s/low/masked.service", dir);
	if (symlink("/dev/null", path) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/high/alias.service", dir);
	return symlink("../low/w@.service", path);
}

static int
remove_units(void **state)
{
	char command[300];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command) == 0 ? 0 : -1;
}

static void
the_highest_directory_has_the_file(void **state)
{
	(void)state;
	assert_string_equal(value("a-b.service", "K"), "high");
	assert_string_equal(value("a-b", "M"), "main");
	assert_string_equal(value("nobody", "M"), "?");
	assert_string_equal(value("masked", "M"), "?");
}

static void
drop_ins_are_read_by_name_and_the_higher_of_two_counts(void **state)
{
	(void)state;
	assert_string_equal(value("a-b", "D"), "high20");
	assert_string_equal(value("a-b", "E"), "-");
	assert_string_equal(value("a-b", "P"), "prefix");
	assert_string_equal(value("a-b", "T"), "type");
	assert_string_equal(value("a-b", "F"), "prefix");
}

static void
an_instance_has_the_file_and_drop_ins_of_its_template(void **state)
{
	(void)state;
	assert_string_equal(value("w@x", "W"), "template");
	assert_string_equal(value("w@x", "X"), "instance");
	assert_string_equal(value("w@z", "X"), "template");
	assert_string_equal(value("w@x", "Y"), "template");
}

static void
an_alias_has_the_drop_ins_of_its_target(void **state)
{
	(void)state;
	assert_string_equal(value("alias", "W"), "template");
	assert_string_equal(value("alias", "Y"), "template");
	assert_string_equal(value("alias", "P"), "-");
}

static void
a_name_with_a_slash_is_a_file(void **state)
{
	char path[300];

	(void)state;
	snprintf(path, sizeof(path), "%s/loose.service", dir);
	assert_string_equal(value(path, "L"), "loose");
	assert_string_equal(value(path, "N"), "dropin");
	assert_string_equal(value(path, "T"), "-");
	snprintf(path, sizeof(path), "%s/none.service", dir);
	assert_string_equal(value(path, "L"), "?");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_section_service_counts),
		cmocka_unit_test(comments_and_continued_lines_are_read_as_systemd_does),
		cmocka_unit_test(the_last_assignment_wins_and_an_empty_one_takes_it_back),
		cmocka_unit_test(a_list_that_allows_lets_only_its_words_through),
		cmocka_unit_test(a_list_that_denies_lets_all_but_its_words_through),
		cmocka_unit_test(an_empty_list_starts_anew_or_denies),
		cmocka_unit_test(words_lose_their_quotes_and_are_cut_to_their_room),
		cmocka_unit_test(the_highest_directory_has_the_file),
		cmocka_unit_test(drop_ins_are_read_by_name_and_the_higher_of_two_counts),
		cmocka_unit_test(an_instance_has_the_file_and_drop_ins_of_its_template),
		cmocka_unit_test(an_alias_has_the_drop_ins_of_its_target),
		cmocka_unit_test(a_name_with_a_slash_is_a_file),
	};

	return cmocka_run_group_tests(tests, make_units, remove_units);
}
