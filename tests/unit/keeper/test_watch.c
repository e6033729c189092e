/* SPDX-License-Identifier: ISC */
/*
 * Every way in which certificate files are renewed is noticed, with inotify
 * and without it, and nothing is told when nothing happened.
 */
#include "place.h"

#include "keeper/watch.h"

#define ID	7

struct told {
	int		n;
	uint32_t	id;
};

struct scene {
	struct place	*p;
	struct sst_watch *w;
	struct told	 told;
	int64_t		 now;
	size_t		 most;
};

static size_t watches = 1000;

static int
scene_open(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	void *p;

	if (s == NULL || place_open(&p) != 0)
		return -1;
	s->p = p;
	s->now = 1000;
	s->most = watches;
	s->w = sst_watch_new(watches, s->now);
	*state = s;
	return s->w == NULL ? -1 : 0;
}

static int
scene_close(void **state)
{
	struct scene *s = *state;
	void *p = s->p;

	sst_watch_free(s->w);
	free(s);
	return place_close(&p);
}

static void
count(void *arg, uint32_t id)
{
	struct told *t = arg;

	t->n++;
	t->id = id;
}

/* How often the source is told changed until nothing more is due at once. */
static int
changes(struct scene *s)
{
	int64_t until;

	s->told.n = 0;
	sst_watch_read(s->w, s->now);
	until = s->now + (s->most > 0 ? SST_WATCH_QUIET_MS : SST_WATCH_SWEEP_MS);
	s->now = until;
	do {
		sst_watch_step(s->w, s->now, count, &s->told);
		sst_watch_read(s->w, s->now);
	} while (sst_watch_due(s->w) <= s->now);
	return s->told.n;
}

static void
watch(struct scene *s, const char *name, int is_dir)
{
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, name), is_dir, s->now), 0);
	assert_int_equal(changes(s), 0);
}

static void
a_file_written_again_or_renamed_over_is_noticed(void **state)
{
	struct scene *s = *state;

	put_file(s->p, "a.pem", "one");
	watch(s, "a.pem", 0);
	put_file(s->p, "a.pem", "two!");
	assert_int_equal(changes(s), 1);
	assert_int_equal(s->told.id, ID);
	assert_int_equal(changes(s), 0);
	put_file(s->p, "new", "three");
	assert_int_equal(changes(s), 0);	/* it is not ours yet */
	put_over(s->p, "new", "a.pem");
	assert_int_equal(changes(s), 1);
	/* And the file that is there now is watched as the first was. */
	put_file(s->p, "a.pem", "four..");
	assert_int_equal(changes(s), 1);
	assert_int_equal(unlink(at(s->p, "a.pem")), 0);
	assert_int_equal(changes(s), 1);
	put_file(s->p, "a.pem", "five");
	assert_int_equal(changes(s), 1);
	assert_int_equal(chmod(at(s->p, "a.pem"), 0600), 0);
	assert_int_equal(changes(s), 1);
}

static void
a_swapped_link_is_noticed_and_followed(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "..one");
	put_dir(s->p, "..two");
	put_file(s->p, "..one/tls.crt", "one");
	put_file(s->p, "..two/tls.crt", "two");
	put_link(s->p, "..data", "..one");
	put_link(s->p, "tls.crt", "..data/tls.crt");
	watch(s, "tls.crt", 0);
	put_link(s->p, "..data_tmp", "..two");
	put_over(s->p, "..data_tmp", "..data");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "..two/tls.crt", "two again");
	assert_int_equal(changes(s), 1);
	/* The old one leads nowhere any more. */
	put_file(s->p, "..one/tls.crt", "nobody reads this");
	assert_int_equal(changes(s), 0);
}

static void
a_link_far_above_that_is_swapped_is_noticed(void **state)
{
	struct scene *s = *state;
	static const char *const dirs[] = { "r1", "r1/a", "r1/a/b", "r1/a/b/c",
	    "r2", "r2/a", "r2/a/b", "r2/a/b/c" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		put_dir(s->p, dirs[i]);
	put_file(s->p, "r1/a/b/c/f", "one");
	put_file(s->p, "r2/a/b/c/f", "two");
	put_link(s->p, "current", "r1");
	watch(s, "current/a/b/c/f", 0);
	put_link(s->p, "next", "r2");
	put_over(s->p, "next", "current");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "r2/a/b/c/f", "three");
	assert_int_equal(changes(s), 1);
}

static void
a_directory_that_is_replaced_or_made_again_is_watched_again(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "tls");
	put_file(s->p, "tls/a", "one");
	watch(s, "tls", 1);
	put_over(s->p, "tls", "old");
	put_dir(s->p, "tls");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "tls/a", "two");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "old/a", "nobody reads this");
	assert_int_equal(changes(s), 0);
	assert_int_equal(unlink(at(s->p, "tls/a")), 0);
	assert_int_equal(rmdir(at(s->p, "tls")), 0);
	assert_int_equal(changes(s), 1);
	put_dir(s->p, "tls");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "tls/a", "three");
	assert_int_equal(changes(s), 1);
}

static void
a_file_whose_directories_come_later_is_noticed(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "x");
	put_dir(s->p, "x/y");
	put_file(s->p, "x/y/a.pem", "one");
	watch(s, "x/y/a.pem", 0);
	assert_int_equal(unlink(at(s->p, "x/y/a.pem")), 0);
	assert_int_equal(rmdir(at(s->p, "x/y")), 0);
	assert_int_equal(rmdir(at(s->p, "x")), 0);
	(void)changes(s);
	put_dir(s->p, "x");
	(void)changes(s);
	put_dir(s->p, "x/y");
	(void)changes(s);
	put_file(s->p, "x/y/a.pem", "two");
	assert_int_equal(changes(s), 1);
}

static void
subdirectories_are_watched_also_those_that_come_later(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	put_file(s->p, "tls/a/cert", "one");
	watch(s, "tls", 1);
	put_file(s->p, "tls/a/cert", "two!");
	assert_int_equal(changes(s), 1);
	put_dir(s->p, "tls/b");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "tls/b/cert", "three");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "beside", "nothing to us");
	assert_int_equal(changes(s), 0);
}

static void
what_certbot_writes_into_the_archive_is_noticed(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "live");
	put_dir(s->p, "archive");
	put_dir(s->p, "archive/x");
	put_file(s->p, "archive/x/cert1.pem", "one");
	put_dir(s->p, "live/x");
	put_link(s->p, "live/x/cert.pem", "../../archive/x/cert1.pem");
	watch(s, "live", 1);
	put_file(s->p, "archive/x/cert1.pem", "one, in place");
	assert_int_equal(changes(s), 1);
	put_dir(s->p, "archive/y");
	put_dir(s->p, "live/y");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "archive/y/cert1.pem", "of y");
	assert_int_equal(changes(s), 1);
	put_file(s->p, "archive/README", "nobody's");
	assert_int_equal(changes(s), 0);
}

static void
a_directory_far_above_that_is_exchanged_is_noticed_by_the_sweep(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "r");
	put_dir(s->p, "r/a");
	put_dir(s->p, "r/a/b");
	put_dir(s->p, "r/a/b/c");
	put_file(s->p, "r/a/b/c/f", "one");
	put_dir(s->p, "n");
	put_dir(s->p, "n/a");
	put_dir(s->p, "n/a/b");
	put_dir(s->p, "n/a/b/c");
	put_file(s->p, "n/a/b/c/f", "two");
	watch(s, "r/a/b/c/f", 0);
	put_over(s->p, "r", "old");
	put_over(s->p, "n", "r");
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 1);
	put_file(s->p, "r/a/b/c/f", "three");
	assert_int_equal(changes(s), 1);
}

static void
a_burst_is_told_once_and_not_later_than_promised(void **state)
{
	struct scene *s = *state;

	put_file(s->p, "a", "0");
	watch(s, "a", 0);
	put_file(s->p, "a", "1");
	sst_watch_read(s->w, s->now);
	assert_int_equal(sst_watch_due(s->w), s->now + SST_WATCH_QUIET_MS);
	s->now += SST_WATCH_QUIET_MS - 1;
	put_file(s->p, "a", "2");
	sst_watch_read(s->w, s->now);
	sst_watch_step(s->w, s->now, count, &s->told);
	assert_int_equal(s->told.n, 0);
	s->now += 1;
	sst_watch_step(s->w, s->now, count, &s->told);
	assert_int_equal(s->told.n, 1);
	s->now += SST_WATCH_QUIET_MS;
	sst_watch_step(s->w, s->now, count, &s->told);
	assert_int_equal(s->told.n, 1);
}

static void
a_big_directory_is_armed_in_slices_and_told_when_it_is_done(void **state)
{
	struct scene *s = *state;
	char name[32];

	s->most = 2 * SST_WATCH_SLICE + 100;
	sst_watch_free(s->w);
	s->w = sst_watch_new(s->most, s->now);
	put_dir(s->p, "tls");
	for (int i = 0; i < 2 * SST_WATCH_SLICE; i++) {
		(void)snprintf(name, sizeof(name), "tls/%d", i);
		put_dir(s->p, name);
	}
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	assert_true(sst_watch_due(s->w) <= s->now);
	assert_int_equal(changes(s), 1);
	for (int i = 0; i < 2 * SST_WATCH_SLICE; i += SST_WATCH_SLICE / 2) {
		(void)snprintf(name, sizeof(name), "tls/%d/cert", i);
		put_file(s->p, name, "new");
		assert_int_equal(changes(s), 1);
	}
}

static void
directories_beyond_the_limit_are_looked_at(void **state)
{
	struct scene *s = *state;

	sst_watch_free(s->w);
	s->w = sst_watch_new(4, s->now);	/* two above, itself, one below */
	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	put_dir(s->p, "tls/b");
	put_file(s->p, "tls/a/cert", "one");
	put_file(s->p, "tls/b/cert", "one");
	watch(s, "tls", 1);
	put_file(s->p, "tls/a/cert", "two!");
	put_file(s->p, "tls/b/cert", "two!");
	assert_int_equal(changes(s), 1);	/* the one with a watch */
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 1);	/* and the other */
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 0);
}

static void
another_source_of_the_same_directory_hides_no_change(void **state)
{
	struct scene *s = *state;

	put_file(s->p, "a", "one");
	watch(s, "a", 0);
	put_file(s->p, "a", "two!");
	assert_int_equal(sst_watch_add(s->w, ID + 1, at(s->p, "a"), 0, s->now), 0);
	assert_true(changes(s) >= 1);
	sst_watch_remove(s->w, ID);
	put_file(s->p, "a", "three");
	assert_int_equal(changes(s), 1);
	assert_int_equal(s->told.id, ID + 1);
	sst_watch_remove(s->w, ID + 1);
	put_file(s->p, "a", "four..");
	assert_int_equal(changes(s), 0);
	assert_true(sst_watch_due(s->w) == INT64_MAX);
}

#define SCENE(f)	cmocka_unit_test_setup_teardown(f, scene_open, scene_close)

int
main(void)
{
	const struct CMUnitTest both[] = {
		SCENE(a_file_written_again_or_renamed_over_is_noticed),
		SCENE(a_swapped_link_is_noticed_and_followed),
		SCENE(a_link_far_above_that_is_swapped_is_noticed),
		SCENE(a_directory_that_is_replaced_or_made_again_is_watched_again),
		SCENE(a_file_whose_directories_come_later_is_noticed),
		SCENE(subdirectories_are_watched_also_those_that_come_later),
		SCENE(what_certbot_writes_into_the_archive_is_noticed),
		SCENE(a_directory_far_above_that_is_exchanged_is_noticed_by_the_sweep),
		SCENE(another_source_of_the_same_directory_hides_no_change),
	};
	const struct CMUnitTest inotify[] = {
		SCENE(a_burst_is_told_once_and_not_later_than_promised),
		SCENE(a_big_directory_is_armed_in_slices_and_told_when_it_is_done),
		SCENE(directories_beyond_the_limit_are_looked_at),
	};
	int failed;

	failed = cmocka_run_group_tests_name("inotify", both, NULL, NULL);
	failed += cmocka_run_group_tests_name("limits", inotify, NULL, NULL);
	watches = 0;
	failed += cmocka_run_group_tests_name("looking", both, NULL, NULL);
	return failed;
}
