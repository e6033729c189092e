/* SPDX-License-Identifier: ISC */
/* Tests of place.c: whose cache it is, and why no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ocsp/place.h"
#include "support/pki.h"

#define OTHER	((uid_t)31000)

struct room {
	char	*dir;
	char	 machine[256];
};

static int
room_setup(void **state)
{
	struct room *r = test_calloc(1, sizeof(*r));

	r->dir = pki_dir_new();
	(void)snprintf(r->machine, sizeof(r->machine), "%s/machine", r->dir);
	assert_int_equal(mkdir(r->machine, 0755), 0);
	*state = r;
	return 0;
}

static int
room_teardown(void **state)
{
	struct room *r = *state;

	pki_dir_free(r->dir);
	test_free(r);
	return 0;
}

/* The machine's directory belongs to who runs this; `uid` looks for a place. */
static struct sst_place
choose(const struct room *r, uid_t uid, const char *cache_home, const char *home)
{
	const struct sst_place_view view = { .machine = r->machine, .uid = uid,
	    .cache_home = cache_home, .home = home };
	struct sst_place place;

	sst_place_choose(&view, NULL, &place);
	return place;
}

static void
the_owner_writes_the_machines_and_nobody_else(void **state)
{
	const struct room *r = *state;
	struct sst_place p;

	if (geteuid() == 0)
		assert_int_equal(chown(r->machine, OTHER, OTHER), 0);
	p = choose(r, geteuid() == 0 ? OTHER : geteuid(), "/x", "/h");
	assert_int_equal(p.kind, SST_PLACE_MACHINE);
	assert_string_equal(p.dir, r->machine);
	assert_false(p.reads_machine);
	assert_string_equal(p.why, "");
	p = choose(r, OTHER + 1, "/x", "/h");
	assert_int_equal(p.kind, SST_PLACE_USER);
	assert_string_equal(p.dir, "/x/securesockets");
	assert_true(p.reads_machine);
}

static void
root_is_not_the_owner(void **state)
{
	const struct room *r = *state;
	struct sst_place p = choose(r, 0, NULL, "/root");

	assert_int_equal(p.kind, SST_PLACE_USER);
	assert_string_equal(p.dir, "/root/.cache/securesockets");
	assert_true(p.reads_machine);
}

static void
rv_98_a_machines_cache_that_cannot_be_trusted_is_nobodys(void **state)
{
	const struct room *r = *state;
	const uid_t us = geteuid() == 0 ? OTHER : geteuid();
	char moved[300];
	struct sst_place p;

	if (geteuid() == 0)
		assert_int_equal(chown(r->machine, OTHER, OTHER), 0);
	assert_int_equal(chmod(r->machine, 0777), 0);
	p = choose(r, us, NULL, "/h");
	assert_int_equal(p.kind, SST_PLACE_USER);
	assert_false(p.reads_machine);
	assert_non_null(strstr(p.why, "others may write to it"));
	assert_int_equal(chmod(r->machine, 0775), 0);
	assert_non_null(strstr(choose(r, us, NULL, "/h").why, "others may write to it"));
	assert_int_equal(chmod(r->machine, 0755), 0);
	assert_int_equal(choose(r, us, NULL, "/h").kind, SST_PLACE_MACHINE);
	(void)snprintf(moved, sizeof(moved), "%s.moved", r->machine);
	assert_int_equal(rename(r->machine, moved), 0);
	p = choose(r, us, NULL, "/h");
	assert_int_equal(p.kind, SST_PLACE_USER);
	assert_false(p.reads_machine);
	assert_non_null(strstr(p.why, "there is none"));
	assert_int_equal(symlink(moved, r->machine), 0);
	p = choose(r, us, NULL, "/h");
	assert_int_equal(p.kind, SST_PLACE_USER);
	assert_false(p.reads_machine);
	assert_non_null(strstr(p.why, "symbolic link"));
	assert_int_equal(unlink(r->machine), 0);
	pki_write_text(r->dir, "machine", "x");
	assert_non_null(strstr(choose(r, us, NULL, "/h").why, "not a directory"));
}

static void
without_a_home_it_is_memory(void **state)
{
	const struct room *r = *state;
	char home[PATH_MAX + 10];
	struct sst_place p = choose(r, OTHER, NULL, NULL);

	assert_int_equal(p.kind, SST_PLACE_MEMORY);
	assert_string_equal(p.dir, "");
	assert_true(p.reads_machine);
	/* a path that is not absolute is none; HOME stands in for XDG_CACHE_HOME */
	assert_int_equal(choose(r, OTHER, NULL, "h").kind, SST_PLACE_MEMORY);
	assert_string_equal(choose(r, OTHER, "x", "/h").dir, "/h/.cache/securesockets");
	memset(home, 'h', sizeof(home));
	home[0] = '/';
	home[sizeof(home) - 1] = '\0';
	p = choose(r, OTHER, NULL, home);
	assert_int_equal(p.kind, SST_PLACE_MEMORY);
	assert_string_equal(p.dir, "");
}

static void
what_is_named_is_taken_and_nothing_is_memory(void **state)
{
	struct sst_place p;

	(void)state;
	sst_place_find("/some/where", &p);
	assert_int_equal(p.kind, SST_PLACE_NAMED);
	assert_string_equal(p.dir, "/some/where");
	assert_false(p.reads_machine);
	sst_place_find("", &p);
	assert_int_equal(p.kind, SST_PLACE_MEMORY);
	assert_false(p.reads_machine);
}

static void
a_home_without_a_cache_gets_a_private_one(void **state)
{
	const struct room *r = *state;
	struct sst_place p;
	struct stat st;
	uid_t owner;
	const char *why;

	if (sst_place_owner(SST_MACHINE_CACHE, &owner, &why) && owner == geteuid())
		skip();
	assert_int_equal(setenv("HOME", r->dir, 1), 0);
	assert_int_equal(unsetenv("XDG_CACHE_HOME"), 0);
	sst_place_find(NULL, &p);
	assert_int_equal(p.kind, SST_PLACE_USER);
	assert_int_equal(stat(pki_path(r->dir, ".cache"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(p.dir, &st), -1);
}

static void
each_kind_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(sst_place_name(SST_PLACE_MEMORY), "memory");
	assert_string_equal(sst_place_name(SST_PLACE_NAMED), "directory");
	assert_string_equal(sst_place_name(SST_PLACE_MACHINE), "machine");
	assert_string_equal(sst_place_name(SST_PLACE_USER), "user");
}

#define T(f)	cmocka_unit_test_setup_teardown(f, room_setup, room_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_owner_writes_the_machines_and_nobody_else),
		T(root_is_not_the_owner),
		T(rv_98_a_machines_cache_that_cannot_be_trusted_is_nobodys),
		T(without_a_home_it_is_memory),
		T(what_is_named_is_taken_and_nothing_is_memory),
		T(a_home_without_a_cache_gets_a_private_one),
		T(each_kind_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
