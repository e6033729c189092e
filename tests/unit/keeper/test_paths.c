/* SPDX-License-Identifier: ISC */
/*
 * What a relay that was taken over can make the keeper open: nothing beyond
 * what the program named.
 */
#include "place.h"

#include "keeper/paths.h"

#include "watch/certbot.h"

#include <errno.h>
#include <sys/wait.h>

#define DIR_SOURCE	1
#define FILE_SOURCE	0

static void
a_path_must_lie_below_a_directory_that_was_named(void **state)
{
	(void)state;
	assert_true(sst_path_allowed("/etc/tls", DIR_SOURCE, "/etc/tls"));
	assert_true(sst_path_allowed("/etc/tls", DIR_SOURCE, "/etc/tls/a/b.pem"));
	assert_false(sst_path_allowed("/etc/tls", DIR_SOURCE, "/etc/tls2/b.pem"));
	assert_false(sst_path_allowed("/etc/tls", DIR_SOURCE, "/etc/tl"));
	assert_false(sst_path_allowed("/etc/tls", DIR_SOURCE, "/etc"));
	assert_false(sst_path_allowed("/etc/tls", DIR_SOURCE, "/etc/shadow"));
}

static void
a_file_that_was_named_opens_nothing_beside_it(void **state)
{
	(void)state;
	assert_true(sst_path_allowed("/etc/a.pem", FILE_SOURCE, "/etc/a.pem"));
	assert_false(sst_path_allowed("/etc/a.pem", FILE_SOURCE, "/etc/shadow"));
	assert_false(sst_path_allowed("/etc/a.pem", FILE_SOURCE, "/etc/ssl/a.key"));
	assert_false(sst_path_allowed("/etc/a.pem", FILE_SOURCE, "/etc/a.pem/x"));
	assert_false(sst_path_allowed("/etc/a.pem", FILE_SOURCE, "/a.key"));
	assert_false(sst_path_allowed("/etc/a.pem", FILE_SOURCE, "/etc"));
}

static void
a_path_that_climbs_or_skips_is_refused(void **state)
{
	static const char *const bad[] = {
		"/etc/tls/../shadow", "/etc/tls/..", "/etc/tls/./a", "/etc/tls/.",
		"/etc/tls//a", "/etc/tls/a/", "etc/tls/a", "", "/etc/tls/a/../b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sst_path_allowed("/etc/tls", DIR_SOURCE, bad[i]));
	assert_true(sst_path_allowed("/etc/tls", DIR_SOURCE, "/etc/tls/..data/a"));
	assert_true(sst_path_allowed("/etc/tls", DIR_SOURCE, "/etc/tls/...."));
}

static void
the_archive_beside_live_belongs_to_the_same_name(void **state)
{
	char out[64];

	(void)state;
	assert_true(sst_certbot_archive("/le/live", out, sizeof(out)));
	assert_string_equal(out, "/le/archive");
	assert_true(sst_certbot_archive("/le/live/x.org/privkey.pem", out, sizeof(out)));
	assert_string_equal(out, "/le/archive/x.org");
	assert_false(sst_certbot_archive("/le/lively/x.org", out, sizeof(out)));
	assert_false(sst_certbot_archive("/srv/live/a/b/c.pem", out, sizeof(out)));
	assert_false(sst_certbot_archive("/le/live/x.org", out, 8));

	assert_true(sst_path_allowed("/le/live", DIR_SOURCE, "/le/archive/x/k.pem"));
	assert_true(sst_path_allowed("/le/live/x", DIR_SOURCE, "/le/archive/x/k.pem"));
	assert_false(sst_path_allowed("/le/live/x/k.pem", FILE_SOURCE,
	    "/le/archive/x/k2.pem"));
	assert_false(sst_path_allowed("/le/live/x", DIR_SOURCE, "/le/archive/y/k.pem"));
	assert_false(sst_path_allowed("/le/other", DIR_SOURCE, "/le/archive/y/k.pem"));
}

static void
a_path_is_cleaned_without_changing_where_it_leads(void **state)
{
	static const char *const pairs[][2] = {
		{ "//etc///tls/", "/etc/tls" }, { "/./etc/./tls/.", "/etc/tls" },
		{ "/", "/" }, { "///", "/" }, { "/a/../b", "/a/../b" },
		{ "/..a/.b", "/..a/.b" },
	};
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		(void)strcpy(path, pairs[i][0]);
		sst_path_clean(path);
		assert_string_equal(path, pairs[i][1]);
	}
	assert_true(sst_path_has_dots("/a/../b"));
	assert_true(sst_path_has_dots("/a/."));
	assert_false(sst_path_has_dots("/a/..b/.c/d."));
}

static void
cs_51_a_link_out_of_a_directory_is_not_followed(void **state)
{
	struct place *p = *state;
	const char *src;

	put_dir(p, "tls");
	put_dir(p, "tls/sub");
	put_file(p, "secret", "secret");
	put_file(p, "tls/sub/a", "inside");
	put_link(p, "tls/in", "sub/a");
	put_link(p, "tls/out", "../secret");
	put_link(p, "tls/away", "..");
	src = at(p, "tls");
	assert_text(sst_path_open(src, DIR_SOURCE, at(p, "tls/in")), "inside");
	assert_int_equal(sst_path_open(src, DIR_SOURCE, at(p, "tls/out")), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(sst_path_open(src, DIR_SOURCE, at(p, "tls/away/secret")), -1);
	assert_int_equal(errno, EPERM);
}

static void
cs_51_links_into_the_archive_are_followed(void **state)
{
	struct place *p = *state;
	char out[PATH_MAX];
	const char *src;

	put_dir(p, "live");
	put_dir(p, "live/x");
	put_dir(p, "archive");
	put_dir(p, "archive/x");
	put_dir(p, "archive/y");
	put_file(p, "archive/x/k1.pem", "key of x");
	put_file(p, "archive/y/k1.pem", "key of y");
	put_link(p, "live/x/k.pem", "../../archive/x/k1.pem");
	put_link(p, "live/x/foreign", "../../archive/y/k1.pem");
	src = at(p, "live/x");
	assert_text(sst_path_open(src, DIR_SOURCE, at(p, "live/x/k.pem")), "key of x");
	assert_text(sst_path_open(src, DIR_SOURCE, at(p, "archive/x/k1.pem")),
	    "key of x");
	assert_int_equal(sst_path_open(src, DIR_SOURCE, at(p, "live/x/foreign")), -1);
	src = at(p, "live/x");
	assert_int_equal(sst_path_link(src, DIR_SOURCE, at(p, "live/x/k.pem"), out,
	    sizeof(out)), (int)strlen("../../archive/x/k1.pem"));
	assert_string_equal(out, "../../archive/x/k1.pem");
	assert_int_equal(sst_path_link(src, DIR_SOURCE, at(p, "live/x/k.pem"), out, 4),
	    -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(sst_path_link(src, DIR_SOURCE, at(p, "archive/y"), out,
	    sizeof(out)), -1);
	assert_int_equal(errno, EPERM);
}

static void
cs_51_a_link_is_read_only_where_the_way_to_it_stays_inside(void **state)
{
	struct place *p = *state;
	char out[PATH_MAX];
	const char *src;

	put_dir(p, "tls");
	put_dir(p, "tls/sub");
	put_link(p, "tls/here", "sub");
	put_link(p, "tls/away", "..");
	put_link(p, "tls/sub/l", "target");
	put_link(p, "l", "secret");
	src = at(p, "tls");
	assert_int_equal(sst_path_link(src, DIR_SOURCE, at(p, "tls/here/l"), out,
	    sizeof(out)), 6);
	assert_int_equal(sst_path_link(src, DIR_SOURCE, at(p, "tls/away/l"), out,
	    sizeof(out)), -1);
	assert_int_equal(errno, EPERM);
}

static void
the_named_file_itself_may_lead_anywhere(void **state)
{
	struct place *p = *state;
	char out[PATH_MAX];

	put_dir(p, "tls");
	put_dir(p, "else");
	put_file(p, "else/a", "elsewhere");
	put_file(p, "else/b", "not named");
	put_file(p, "tls/c", "beside it");
	put_link(p, "tls/a", "../else/a");
	put_link(p, "tls/b", "../else/b");
	assert_text(sst_path_open(at(p, "tls/a"), FILE_SOURCE, at(p, "tls/a")),
	    "elsewhere");
	assert_int_equal(sst_path_open(at(p, "tls/a"), FILE_SOURCE, at(p, "tls/b")), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(sst_path_open(at(p, "tls/a"), FILE_SOURCE, at(p, "tls/c")), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(sst_path_link(at(p, "tls/a"), FILE_SOURCE, at(p, "tls/a"),
	    out, sizeof(out)), 9);
	assert_string_equal(out, "../else/a");
}

static void
cs_51_no_open_waits_and_no_device_is_touched(void **state)
{
	struct place *p = *state;
	int fd;

	put_file(p, "file", "text");
	assert_int_equal(mkfifo(at(p, "fifo"), 0600), 0);
	assert_int_equal(sst_path_open(p->dir, DIR_SOURCE, at(p, "fifo")), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sst_path_open(p->dir, DIR_SOURCE, at(p, "none")), -1);
	assert_int_equal(errno, ENOENT);
	assert_text(sst_path_open(p->dir, DIR_SOURCE, at(p, "file")), "text");
	fd = sst_path_open(p->dir, DIR_SOURCE, p->dir);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	(void)close(fd);
}

static void
a_file_is_exposed_only_when_every_directory_above_can_be_searched(void **state)
{
	struct place *p = *state;
	int fd;

	assert_int_equal(chmod(p->dir, 0755), 0);
	put_dir(p, "outer");
	put_dir(p, "outer/inner");
	put_file(p, "outer/inner/key", "key");
	put_link(p, "way", "outer/inner/key");
	fd = open(at(p, "way"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(sst_path_exposed(p->dir, DIR_SOURCE, at(p, "way")), 1);
	assert_int_equal(sst_path_exposed_fd(fd), 1);
	assert_int_equal(chmod(at(p, "outer"), 0750), 0);
	assert_int_equal(sst_path_exposed(p->dir, DIR_SOURCE, at(p, "way")), 0);
	assert_int_equal(sst_path_exposed_fd(fd), 0);
	assert_int_equal(sst_path_exposed(p->dir, DIR_SOURCE, "/etc/passwd"), -1);
	/* A name that leads elsewhere now says nothing about the descriptor. */
	assert_int_equal(unlink(at(p, "outer/inner/key")), 0);
	assert_int_equal(sst_path_exposed_fd(fd), 1);
	put_file(p, "outer/inner/key", "another");
	assert_int_equal(sst_path_exposed_fd(fd), 1);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_must_lie_below_a_directory_that_was_named),
		cmocka_unit_test(a_file_that_was_named_opens_nothing_beside_it),
		cmocka_unit_test(a_path_that_climbs_or_skips_is_refused),
		cmocka_unit_test(the_archive_beside_live_belongs_to_the_same_name),
		cmocka_unit_test(a_path_is_cleaned_without_changing_where_it_leads),
		cmocka_unit_test_setup_teardown(
		    cs_51_a_link_out_of_a_directory_is_not_followed,
		    place_open, place_close),
		cmocka_unit_test_setup_teardown(
		    cs_51_links_into_the_archive_are_followed, place_open, place_close),
		cmocka_unit_test_setup_teardown(
		    cs_51_a_link_is_read_only_where_the_way_to_it_stays_inside,
		    place_open, place_close),
		cmocka_unit_test_setup_teardown(
		    the_named_file_itself_may_lead_anywhere, place_open, place_close),
		cmocka_unit_test_setup_teardown(
		    cs_51_no_open_waits_and_no_device_is_touched,
		    place_open, place_close),
		cmocka_unit_test_setup_teardown(
		    a_file_is_exposed_only_when_every_directory_above_can_be_searched,
		    place_open, place_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
