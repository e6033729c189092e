/* SPDX-License-Identifier: ISC */
/* machine_watch - when the files are read again, and what is no word about them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/machine.h"
#include "support/starve.h"

static struct {
	char	dir[64], file[96];
	struct sst_machine_watch watch;
	struct sst_machine *machine;	/* in force */
	int64_t	now;			/* of the last look */
	int	taken;			/* calls of take() */
	int	take_rc;
} w;

static int
setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/sst-watch-XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	(void)snprintf(w.file, sizeof(w.file), "%s/machine.conf", w.dir);
	assert_int_equal(setenv(SST_MACHINE_VAR, w.file, 1), 0);
	assert_int_equal(setenv("XDG_CONFIG_HOME", w.dir, 1), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sst_machine_unref(w.machine);
	(void)unlink(w.file);
	return rmdir(w.dir);
}

static void
file(const char *text)
{
	FILE *f = fopen(w.file, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int
take(void *arg, struct sst_machine *machine, struct sst_error *err)
{
	assert_ptr_equal(arg, &w);
	w.taken++;
	if (w.take_rc < 0) {
		err->code = w.take_rc;
		return w.take_rc;
	}
	sst_machine_unref(w.machine);
	w.machine = sst_machine_ref(machine);
	return SST_OK;
}

/* A look two seconds after the last one. */
static int
look(void)
{
	w.now += 2000;
	return sst_machine_look(&w.watch, w.now, take, &w);
}

static void
the_files_are_read_when_they_changed_and_every_2_s_at_most(void **state)
{
	(void)state;
	file("revocation: { mode = \"hard\"; };");
	assert_int_equal(look(), SST_OK);
	assert_int_equal(w.machine->revocation.mode, SST_REVOCATION_HARD);
	assert_int_equal(look(), SST_OK);
	assert_int_equal(w.taken, 1);
	file("revocation: { mode = \"staple\"; };");
	assert_int_equal(sst_machine_look(&w.watch, w.now + 1999, take, &w), SST_OK);
	assert_int_equal(w.taken, 1);
	assert_int_equal(sst_machine_look(&w.watch, w.now + 2000, take, &w), SST_OK);
	assert_int_equal(w.taken, 2);
	assert_int_equal(w.machine->revocation.mode, SST_REVOCATION_STAPLE);
}

static void
a_wrong_file_is_said_once_and_not_read_until_it_is_another(void **state)
{
	(void)state;
	file("revocation: { mode = 7; };");
	assert_int_equal(look(), SST_E_REFUSED);
	assert_int_equal(w.watch.wrong.code, SST_E_REFUSED);
	assert_non_null(strstr(w.watch.wrong.text, "machine.conf:1: "));
	assert_int_equal(look(), SST_OK);
	assert_int_equal(w.watch.wrong.code, SST_E_REFUSED);
	assert_int_equal(w.taken, 0);
	file("revocation: { mode = \"soft\"; };");
	assert_int_equal(look(), SST_OK);
	assert_int_equal(w.watch.wrong.code, SST_OK);
	assert_int_equal(w.taken, 1);
}

/* Nobody touches the file: the next look reads it. */
static void
out_of_memory_is_no_word_about_the_file(void **state)
{
	int hit = 1;
	long n;

	(void)state;
	file("revocation: { mode = \"hard\"; };\ncache: { dir = \"/a\"; };\n"
	    "fetch: { allow = [ \"10.0.0.1\" ]; proxy = \"http://p:1\"; };\n");
	for (n = 1; hit; n++) {
		int rc;

		memset(&w.watch, 0, sizeof(w.watch));
		w.taken = 0;
		starve_arm(n, STARVE_OURS);
		rc = look();
		hit = starve_over();
		assert_int_equal(rc, hit ? SST_E_NOMEM : SST_OK);
		assert_int_equal(w.watch.wrong.code, rc);
		assert_int_equal(w.taken, !hit);
		assert_int_equal(look(), SST_OK);
		assert_int_equal(w.watch.wrong.code, SST_OK);
		assert_int_equal(w.taken, 1);
		assert_int_equal(look(), SST_OK);
		assert_int_equal(w.taken, 1);
	}
	assert_true(n > 6);	/* there was something to fail */
}

static void
out_of_descriptors_is_no_word_about_the_file(void **state)
{
	struct rlimit old, none;

	(void)state;
	file("");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ 0, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(look(), SST_E_REFUSED);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_non_null(strstr(w.watch.wrong.text, "Too many open files"));
	assert_int_equal(look(), SST_OK);
	assert_int_equal(w.taken, 1);
}

static void
what_the_taker_refuses_is_refused_and_what_it_has_no_memory_for_is_tried_again(
    void **state)
{
	(void)state;
	file("");
	w.take_rc = SST_E_NOMEM;
	assert_int_equal(look(), SST_E_NOMEM);
	assert_int_equal(look(), SST_E_NOMEM);
	assert_int_equal(w.taken, 2);
	w.take_rc = SST_E_USAGE;
	assert_int_equal(look(), SST_E_REFUSED);
	assert_int_equal(w.watch.wrong.code, SST_E_REFUSED);
	assert_int_equal(look(), SST_OK);
	assert_int_equal(w.watch.wrong.code, SST_E_REFUSED);
	assert_int_equal(w.taken, 3);
	assert_null(w.machine);
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(the_files_are_read_when_they_changed_and_every_2_s_at_most),
		EACH(a_wrong_file_is_said_once_and_not_read_until_it_is_another),
		EACH(out_of_memory_is_no_word_about_the_file),
		EACH(out_of_descriptors_is_no_word_about_the_file),
		EACH(what_the_taker_refuses_is_refused_and_what_it_has_no_memory_for_is_tried_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
