/* SPDX-License-Identifier: ISC */
/*
 * Every way in which certificate files are renewed is noticed, with inotify
 * and without it, and nothing is told when nothing happened.
 */
#include "place.h"

#include "watch/watch.h"

#include "base/below.h"

#include <errno.h>
#include <sys/resource.h>

#define ID	7

struct told {
	int		n;
	uint32_t	id;
	struct sst_below below;
	int		said;
	char		text[800];
};

struct scene {
	struct place	*p;
	struct sst_watch *w;
	struct told	 told;
	int64_t		 now;
	size_t		 most;
};

static int64_t cpu;		/* of a watch that is to think so */

static int64_t
cpu_us(void)
{
	return cpu;
}

static size_t watches = 1000;

static void
hear(void *arg, const char *text)
{
	struct told *t = arg;

	t->said++;
	(void)snprintf(t->text, sizeof(t->text), "%s", text);
}

/* Another watch, with so many watches and this clock of its work. 0, or -1. */
static int
renew_by(struct scene *s, size_t most, int64_t (*clock)(void))
{
	const struct sst_watch_plan plan = { .most = most, .say = hear,
	    .arg = &s->told, .cpu_us = clock };

	sst_watch_free(s->w);
	s->most = most;
	s->w = sst_watch_new(&plan, s->now);
	return s->w == NULL ? -1 : 0;
}

static int
renew(struct scene *s, size_t most)
{
	return renew_by(s, most, cpu_us);
}

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
	*state = s;
	return renew(s, watches);
}

static int
scene_close(void **state)
{
	struct scene *s = *state;
	void *p = s->p;

	sst_watch_free(s->w);
	sst_below_done(&s->told.below);
	free(s);
	return place_close(&p);
}

static void
count(void *arg, uint32_t id, const struct sst_below *below)
{
	struct told *t = arg;

	t->n++;
	t->id = id;
	sst_below_join(&t->below, below);
}

/* Goes on until nothing more is due now. */
static void
settle(struct scene *s)
{
	do {
		sst_watch_step(s->w, s->now, count, &s->told);
		sst_watch_read(s->w, s->now);
	} while (sst_watch_due(s->w) <= s->now);
}

/* How often the source is told changed until nothing more is due at once. */
static int
changes(struct scene *s)
{
	place_tick();
	s->told.n = 0;
	sst_below_done(&s->told.below);
	sst_watch_read(s->w, s->now);
	s->now += s->most > 0 ? SST_WATCH_QUIET_MS : SST_WATCH_SWEEP_MS;
	settle(s);
	return s->told.n;
}

/* The one name that was told last; "" for all of it. */
static const char *
told_name(const struct scene *s)
{
	const char *first = sst_below_next(&s->told.below, NULL);

	if (s->told.below.all)
		return "";
	if (first == NULL || sst_below_next(&s->told.below, first) != NULL)
		return "none, or several";
	return first;
}

static void
watch(struct scene *s, const char *name, int is_dir)
{
	place_tick();
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

/* The tree of certbot with one name, x, in it. */
static void
put_certbot(struct scene *s)
{
	put_dir(s->p, "live");
	put_dir(s->p, "archive");
	put_dir(s->p, "archive/x");
	put_file(s->p, "archive/x/cert1.pem", "one");
	put_dir(s->p, "live/x");
	put_link(s->p, "live/x/cert.pem", "../../archive/x/cert1.pem");
}

static void
what_certbot_writes_into_the_archive_is_noticed(void **state)
{
	struct scene *s = *state;

	put_certbot(s);
	watch(s, "live", 1);
	put_file(s->p, "archive/x/cert1.pem", "one, in place");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "x");
	put_dir(s->p, "archive/y");
	put_dir(s->p, "live/y");
	put_link(s->p, "live/y/cert.pem", "../../archive/y/cert1.pem");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "y");
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
a_big_directory_gets_its_watches_in_slices_and_no_change_in_between_is_lost(void **state)
{
	struct scene *s = *state;
	struct sst_watch_rule rule;
	int n = 2 * SST_WATCH_SLICE, steps = 0;
	size_t before;
	char name[32];

	assert_int_equal(renew(s, 2 * (size_t)n), 0);
	put_dir(s->p, "tls");
	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "tls/%d", i);
		put_dir(s->p, name);
	}
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	/* Adding it goes through none of them. */
	assert_int_equal(sst_watch_rule(s->w, ID, &rule), 1);
	assert_true(rule.watched < 5);
	put_file(s->p, "tls/17/cert", "before anybody watches it");
	for (; sst_watch_due(s->w) <= s->now; steps++) {
		before = rule.watched;
		sst_watch_step(s->w, s->now, count, &s->told);
		assert_int_equal(sst_watch_rule(s->w, ID, &rule), 1);
		/* A question comes in between soon. */
		assert_true(rule.watched - before <= SST_WATCH_ARMED);
	}
	assert_true(steps >= n / SST_WATCH_ARMED);
	assert_int_equal(sst_watch_rule(s->w, ID, &rule), 1);
	assert_int_equal(rule.swept, 0);
	assert_true(rule.watched >= (size_t)n);
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "17");
	for (int i = 0; i < n; i += SST_WATCH_SLICE / 2) {
		(void)snprintf(name, sizeof(name), "tls/%d/cert", i);
		put_file(s->p, name, "new");
		assert_int_equal(changes(s), 1);
		*strrchr(name, '/') = '\0';
		assert_string_equal(told_name(s), name + 4);
	}
}

/* The directory does not show it, and once it has its watch its files are looked at no
 * more. */
static void
a_file_written_over_before_its_directory_has_its_watch_is_noticed(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	put_dir(s->p, "tls/b");
	put_file(s->p, "tls/a/cert", "one");
	put_file(s->p, "tls/b/cert", "one");
	put_certbot(s);
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	put_file(s->p, "tls/b/cert", "two");
	settle(s);
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "b");
	assert_int_equal(changes(s), 0);
	assert_int_equal(sst_watch_add(s->w, ID + 1, at(s->p, "live"), 1, s->now), 0);
	put_file(s->p, "archive/x/cert1.pem", "one, in place");
	settle(s);
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "x");
}

static void
directories_beyond_the_limit_are_looked_at(void **state)
{
	struct scene *s = *state;

	assert_int_equal(renew(s, 4), 0);	/* two above, itself, one below */
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

static void
what_is_told_is_the_name_in_the_source(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	put_dir(s->p, "tls/b");
	put_file(s->p, "tls/a/cert", "one");
	put_file(s->p, "tls/c.pem", "one");
	watch(s, "tls", 1);
	put_file(s->p, "tls/a/cert", "two!");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "a");
	put_file(s->p, "tls/c.pem", "two!");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "c.pem");
	put_file(s->p, "tls/a/cert", "three");
	put_file(s->p, "tls/b/cert", "three");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "none, or several");
	assert_int_equal(unlink(at(s->p, "tls/b/cert")), 0);
	assert_int_equal(rmdir(at(s->p, "tls/b")), 0);
	assert_int_equal(changes(s), 1);
	/* Who only looks knows that a name is gone, and not which. */
	assert_string_equal(told_name(s), s->most > 0 ? "b" : "");
	assert_int_equal(changes(s), 0);
}

static void
cs_46_the_same_size_and_an_older_time_of_writing_hide_nothing(void **state)
{
	struct scene *s = *state;
	struct timespec times[2];
	struct stat st;

	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	put_file(s->p, "tls/a/cert", "one");
	put_file(s->p, "b.pem", "one");
	watch(s, "tls", 1);
	assert_int_equal(sst_watch_add(s->w, ID + 1, at(s->p, "b.pem"), 0, s->now), 0);
	assert_int_equal(changes(s), 0);
	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "tls/a/cert" : "b.pem";

		assert_int_equal(stat(at(s->p, name), &st), 0);
		times[0] = times[1] = st.st_mtim;
		times[1].tv_sec -= 3600 * i;	/* kept, and set back */
		put_file(s->p, name, "two");
		assert_int_equal(utimensat(AT_FDCWD, at(s->p, name), times, 0), 0);
		assert_int_equal(changes(s), 1);
		assert_int_equal(s->told.id, ID + (uint32_t)i);
	}
	assert_int_equal(changes(s), 0);
}

static void
cs_47_a_volume_whose_data_is_swapped_is_read_as_a_whole(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "tls");
	put_dir(s->p, "tls/..one");
	put_dir(s->p, "tls/..two");
	put_file(s->p, "tls/..one/tls.crt", "one");
	put_file(s->p, "tls/..two/tls.crt", "two");
	put_link(s->p, "tls/..data", "..one");
	put_link(s->p, "tls/tls.crt", "..data/tls.crt");
	watch(s, "tls", 1);
	put_link(s->p, "tls/..data_tmp", "..two");
	put_over(s->p, "tls/..data_tmp", "tls/..data");
	assert_true(changes(s) >= 1);
	/* Names that did not change lead to what did. */
	assert_string_equal(told_name(s), "");
	put_file(s->p, "tls/beside.pem", "not through the link");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "beside.pem");
}

/* More than the kernel's queue holds; events that are alike are one, so two alternate. */
static void
flood(struct scene *s)
{
	int fds[2] = { open(at(s->p, "tls/a/x"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600),
	    open(at(s->p, "tls/a/y"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600) };
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	int most = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &most), 1);
	(void)fclose(f);
	for (int i = 0; i <= most; i++)
		assert_int_equal(fchmod(fds[i % 2], i % 4 < 2 ? 0600 : 0640), 0);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
cs_48_events_that_the_kernel_lost_are_a_change_of_everything(void **state)
{
	struct scene *s = *state;

	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	put_file(s->p, "quiet.pem", "one");
	watch(s, "tls", 1);
	assert_int_equal(sst_watch_add(s->w, ID + 1, at(s->p, "quiet.pem"), 0, s->now),
	    0);
	assert_int_equal(changes(s), 0);
	put_file(s->p, "tls/a/cert", "a change like any other");
	assert_int_equal(changes(s), 1);
	assert_int_equal(s->told.said, 0);
	flood(s);
	put_dir(s->p, "tls/new");
	put_file(s->p, "tls/new/cert", "nobody was told of this");
	assert_int_equal(changes(s), 2);
	assert_string_equal(told_name(s), "");
	assert_int_equal(s->told.said, 1);
	(void)changes(s);
	/* And what was missed then is watched now. */
	put_file(s->p, "tls/new/cert", "two");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "new");
}

/* From now on this process gets no new descriptor; what it had before. */
static struct rlimit
no_descriptors(void)
{
	struct rlimit was, none;
	int next = dup(0);

	assert_true(next >= 0);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){ .rlim_cur = (rlim_t)next, .rlim_max = was.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	return was;
}

static void
who_watches_nothing_takes_no_instance_and_who_gets_none_looks(void **state)
{
	struct scene *s = *state;
	struct sst_watch_rule rule;
	struct rlimit was;

	put_dir(s->p, "tls");
	put_file(s->p, "tls/cert.pem", "one");
	assert_int_equal(sst_watch_fd(s->w), -1);
	was = no_descriptors();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(sst_watch_fd(s->w), -1);
	assert_int_equal(sst_watch_rule(s->w, ID, &rule), 1);
	assert_int_equal(rule.error, s->most > 0 ? EMFILE : ENOSPC);
	assert_string_equal(sst_watch_why(rule.error), s->most > 0 ?
	    "no inotify instance is left" : "no inotify watch is left");
	settle(s);
	put_file(s->p, "tls/cert.pem", "two!");
	place_tick();
	s->now += SST_WATCH_SWEEP_MS;
	s->told.n = 0;
	settle(s);
	s->now += SST_WATCH_QUIET_MS;
	settle(s);
	assert_true(s->told.n >= 1);
	/* The next source that comes finds an instance. */
	put_dir(s->p, "more");
	assert_int_equal(sst_watch_add(s->w, ID + 1, at(s->p, "more"), 1, s->now), 0);
	settle(s);
	assert_int_equal(sst_watch_fd(s->w) >= 0, s->most > 0);
	assert_int_equal(sst_watch_rule(s->w, ID + 1, &rule), 1);
	assert_int_equal(rule.error, s->most > 0 ? 0 : ENOSPC);
}

static void
cs_48_a_directory_that_may_be_searched_and_not_read_is_looked_at(void **state)
{
	struct scene *s = *state;

	if (geteuid() != 0)
		skip();		/* own directories can always be made readable */
	assert_int_equal(chmod(s->p->dir, 0755), 0);
	put_dir(s->p, "tls");
	put_file(s->p, "tls/key.pem", "one");
	put_file(s->p, "open.pem", "one");
	assert_int_equal(chmod(at(s->p, "tls"), 0711), 0);
	assert_int_equal(seteuid(65534), 0);
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls/key.pem"), 0, s->now), 0);
	assert_int_equal(sst_watch_add(s->w, ID + 1, at(s->p, "open.pem"), 0, s->now), 0);
	assert_int_equal(changes(s), 0);
	/* The one that is not watched was named, with the reason. */
	assert_int_equal(s->told.said, 1);
	assert_non_null(strstr(s->told.text, "tls/key.pem is looked at every 10 s"));
	assert_non_null(strstr(s->told.text, strerror(EACCES)));
	assert_int_equal(seteuid(0), 0);
	put_file(s->p, "tls/key.pem", "two");
	put_file(s->p, "open.pem", "two");
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(changes(s), 1);
	assert_int_equal(s->told.id, ID + 1);
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 1);
	assert_int_equal(s->told.id, ID);
	assert_int_equal(seteuid(0), 0);
}

/* tls/0, tls/1, ...: directories with a file each. */
static void
put_names(struct scene *s, int n)
{
	char name[32];

	put_dir(s->p, "tls");
	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "tls/%d", i);
		put_dir(s->p, name);
		(void)snprintf(name, sizeof(name), "tls/%d/cert", i);
		put_file(s->p, name, "one");
	}
}

/* Of `n` names the number whose change is told at once. */
static int
told_at_once(struct scene *s, int n, char *ret_last, size_t size)
{
	char name[32];
	int count = 0;

	for (int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "tls/%d/cert", i);
		put_file(s->p, name, "again");
		(void)snprintf(name, sizeof(name), "%d", i);
		if (changes(s) == 1 && strcmp(told_name(s), name) == 0)
			count++;
		else if (ret_last != NULL)
			(void)snprintf(ret_last, size, "%d", i);
	}
	return count;
}

/* Somebody says that the name below tls/ changed, and it is told. */
static void
said_to_change(struct scene *s, const char *name)
{
	char below[64];

	(void)snprintf(below, sizeof(below), "tls/%s", name);
	assert_int_equal(sst_watch_nudge(s->w, at(s->p, below), s->now), 1);
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), name);
}

static void
names_that_change_get_a_watch_first_and_nobody_is_lost(void **state)
{
	struct scene *s = *state;
	struct sst_watch_rule rule;
	char left[32], name[64];

	assert_int_equal(renew(s, 7), 0);	/* three, and room for four */
	put_names(s, 5);
	watch(s, "tls", 1);
	assert_int_equal(sst_watch_rule(s->w, ID, &rule), 1);
	assert_int_equal(rule.swept, 1);
	assert_int_equal(rule.error, ENOSPC);
	assert_int_equal(told_at_once(s, 5, left, sizeof(left)), 4);
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), left);
	/* Who was found by looking has a watch now: another one has none. */
	assert_int_equal(told_at_once(s, 5, left, sizeof(left)), 4);
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 1);
	/* That one had its turn, so it has a watch again; the next is somebody else. */
	assert_int_equal(told_at_once(s, 5, left, sizeof(left)), 4);
	/* What was changed before it had the watch is not forgotten. */
	said_to_change(s, left);
	(void)snprintf(name, sizeof(name), "tls/%s/cert", left);
	put_file(s->p, name, "once more");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), left);
	assert_int_equal(changes(s), 0);
	assert_int_equal(sst_watch_rule(s->w, ID, &rule), 1);
	assert_int_equal(rule.swept, 1);
}

static void
the_watch_that_is_taken_is_the_coldest_names(void **state)
{
	struct scene *s = *state;
	char left[32], cold[32] = "", name[32];

	assert_int_equal(renew(s, 7), 0);
	put_names(s, 5);
	watch(s, "tls", 1);
	assert_int_equal(told_at_once(s, 5, left, sizeof(left)), 4);
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 1);
	assert_int_equal(told_at_once(s, 5, left, sizeof(left)), 4);
	/* All that have one were renewed, and one of them before the others. */
	for (int i = 4; i >= 0; i--) {
		(void)snprintf(name, sizeof(name), "%d", i);
		if (strcmp(name, left) == 0)
			continue;
		if (cold[0] == '\0')
			(void)snprintf(cold, sizeof(cold), "%s", name);
		else
			said_to_change(s, name);
	}
	said_to_change(s, left);
	assert_int_equal(told_at_once(s, 5, left, sizeof(left)), 4);
	assert_string_equal(left, cold);
}

/* Whether the kernel tells of the name below tls/. */
static int
is_watched(struct scene *s, int i)
{
	char name[32];

	(void)snprintf(name, sizeof(name), "tls/%d", i);
	return place_is_watched(sst_watch_fd(s->w), at(s->p, name));
}

static void
serve(struct scene *s, int i)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%d", i);
	sst_watch_hot(s->w, ID, name, s->now);
}

static void
names_that_are_served_have_a_watch_before_all_others(void **state)
{
	struct scene *s = *state;
	int served[9] = { 0 }, n = 0, was_told;
	char name[32];

	assert_int_equal(renew(s, 7), 0);	/* three, and room for four */
	put_names(s, 9);
	watch(s, "tls", 1);
	/* Four of the five that have none. */
	for (int i = 0; i < 9 && n < 4; i++)
		n += served[i] = !is_watched(s, i);
	assert_int_equal(n, 4);
	for (int i = 0; i < 9; i++)
		if (served[i])
			serve(s, i);
	for (int i = 0; i < 9; i++)
		assert_int_equal(is_watched(s, i), served[i]);
	/* Nothing is told of who did not change, and at once of who did. */
	assert_int_equal(changes(s), 0);
	for (int i = 0; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "tls/%d/cert", i);
		put_file(s->p, name, "again");
		assert_int_equal(changes(s), served[i]);
	}
	/* The others are found, and take no watch from who is served. */
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 1);
	for (int i = 0; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		was_told = 0;
		for (const char *p = NULL;
		    (p = sst_below_next(&s->told.below, p)) != NULL;)
			was_told |= strcmp(p, name) == 0;
		assert_int_equal(was_told, !served[i]);
		assert_int_equal(is_watched(s, i), served[i]);
	}
}

static void
who_was_served_longest_ago_gives_its_watch_to_who_is_served(void **state)
{
	struct scene *s = *state;

	assert_int_equal(renew(s, 7), 0);
	put_names(s, 9);
	watch(s, "tls", 1);
	for (int i = 4; i < 8; i++)
		serve(s, i);
	serve(s, 4);
	/* One that was changed since is not colder for it. */
	put_file(s->p, "tls/5/cert", "again");
	assert_int_equal(changes(s), 1);
	/* What changed while nobody watched it is told. */
	put_file(s->p, "tls/0/cert", "again");
	s->now += SST_WATCH_SWEEP_MS;
	assert_int_equal(changes(s), 1);
	assert_int_equal(changes(s), 0);
	put_file(s->p, "tls/0/cert", "and again");
	serve(s, 0);
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "0");
	for (int i = 0; i < 9; i++)
		assert_int_equal(is_watched(s, i), i == 0 || i == 4 || i == 5 || i == 7);
	serve(s, 6);
	for (int i = 0; i < 9; i++)
		assert_int_equal(is_watched(s, i), i == 0 || (i >= 4 && i < 7));
}

static void
what_is_said_to_be_served_moves_so_many_watches_a_second(void **state)
{
	struct scene *s = *state;
	static int had[400];
	int moved = 0, names = 400;

	assert_int_equal(renew(s, 200), 0);
	put_names(s, names);
	watch(s, "tls", 1);
	for (int i = 0; i < names; i++)
		had[i] = is_watched(s, i);
	/* From now on the second counts. */
	s->now += SST_WATCH_HOT_MS;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < names; i++)
			if (!had[i])
				serve(s, i);
		for (int i = 0; i < names; i++)
			moved += !had[i] && is_watched(s, i);
		assert_int_equal(moved, SST_WATCH_HOT * (round + 1));
		for (int i = 0; i < names; i++)
			had[i] |= is_watched(s, i);
		s->now += SST_WATCH_HOT_MS;
	}
}

static void
what_is_not_there_or_no_directory_takes_nobodys_watch(void **state)
{
	struct scene *s = *state;
	struct sst_watch_rule before, after;

	assert_int_equal(renew(s, 7), 0);
	put_names(s, 9);
	put_file(s->p, "tls/file.pem", "one");
	put_dir(s->p, "beside");
	put_link(s->p, "tls/link", "../beside");
	watch(s, "tls", 1);
	assert_int_equal(sst_watch_rule(s->w, ID, &before), 1);
	sst_watch_hot(s->w, ID, "nobody", s->now);
	sst_watch_hot(s->w, ID, "file.pem", s->now);
	sst_watch_hot(s->w, ID, "link", s->now);
	sst_watch_hot(s->w, ID + 1, "1", s->now);
	assert_int_equal(sst_watch_rule(s->w, ID, &after), 1);
	assert_int_equal(after.watched, before.watched);
	assert_int_equal(after.swept, before.swept);
	assert_false(place_is_watched(sst_watch_fd(s->w), at(s->p, "beside")));
	assert_int_equal(changes(s), 0);
}

static void
who_is_served_while_watches_are_set_has_one_at_once(void **state)
{
	struct scene *s = *state;
	int n = 4 * SST_WATCH_SLICE;
	struct sst_watch_rule rule;

	assert_int_equal(renew(s, 7), 0);
	put_names(s, n);
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	for (int i = n - 4; i < n; i++) {
		serve(s, i);
		assert_true(is_watched(s, i));
	}
	assert_int_equal(changes(s), 0);
	for (int i = 0; i < n; i++)
		assert_int_equal(is_watched(s, i), i >= n - 4);
	assert_int_equal(sst_watch_rule(s->w, ID, &rule), 1);
	assert_int_equal(rule.swept, n - 4);
}

/* One that the walk did not come to yet, and one that it came to and no pass did. */
static void
a_file_written_over_before_its_name_is_served_is_noticed(void **state)
{
	struct scene *s = *state;

	assert_int_equal(renew(s, 7), 0);	/* room for four */
	put_names(s, 9);
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	put_file(s->p, "tls/8/cert", "two");
	serve(s, 7);
	serve(s, 8);
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "8");
	for (int i = 0; i < 9; i++)
		if (!is_watched(s, i)) {
			char name[32];

			(void)snprintf(name, sizeof(name), "tls/%d/cert", i);
			put_file(s->p, name, "two");
			serve(s, i);
			assert_true(is_watched(s, i));
			assert_int_equal(changes(s), 1);
			(void)snprintf(name, sizeof(name), "%d", i);
			assert_string_equal(told_name(s), name);
			break;
		}
	assert_int_equal(changes(s), 0);
}

static void
an_archive_that_is_made_again_is_watched_again(void **state)
{
	struct scene *s = *state;

	put_certbot(s);
	watch(s, "live", 1);
	assert_int_equal(unlink(at(s->p, "archive/x/cert1.pem")), 0);
	assert_int_equal(rmdir(at(s->p, "archive/x")), 0);
	put_dir(s->p, "archive/x");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "x");
	put_file(s->p, "archive/x/cert1.pem", "two");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "x");
}

/* As if a look at the files of one name took six milliseconds. */
static int64_t
busy_cpu_us(void)
{
	cpu += 6000;
	return cpu;
}

static void
the_files_of_all_names_have_their_turn(void **state)
{
	struct scene *s = *state;
	char name[32];
	size_t n = 0;
	int passes = 0;

	assert_int_equal(renew_by(s, 0, busy_cpu_us), 0);
	put_names(s, 100);
	watch(s, "tls", 1);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "tls/%d/cert", i);
		put_file(s->p, name, "written in place");
	}
	place_tick();
	while (n < 100 && passes++ < 60) {
		s->now = sst_watch_due(s->w);
		settle(s);
		n = 0;
		for (const char *p = NULL;
		    (p = sst_below_next(&s->told.below, p)) != NULL;)
			n++;
	}
	assert_int_equal(n, 100);
	assert_true(passes > 2);
}

static void
certbot_says_which_name_it_renews_before_it_moves_its_links(void **state)
{
	struct scene *s = *state;

	assert_int_equal(renew(s, 4), 0);	/* the way there, and no name */
	put_dir(s->p, "live");
	put_dir(s->p, "live/x");
	put_dir(s->p, "live/y");
	put_dir(s->p, "renewal");
	put_file(s->p, "renewal/x.conf", "one");
	watch(s, "live", 1);
	put_file(s->p, "renewal/x.conf.new", "two");
	put_over(s->p, "renewal/x.conf.new", "renewal/x.conf");
	assert_int_equal(changes(s), 1);
	assert_string_equal(told_name(s), "x");
	put_file(s->p, "renewal/z.conf", "of a name that is not there");
	assert_int_equal(changes(s), 0);
}

static void
who_is_told_that_a_path_changed_tells_it_at_once(void **state)
{
	struct scene *s = *state;
	static const struct {
		const char *path, *told;
	} v[] = {
		{ "tls/a", "a" }, { "tls/a/cert.pem", "a" }, { "tls", "" },
		{ "tls/", "" }, { "", "" }, { "alias/b", "b" },
	};
	char path[PATH_MAX];

	put_dir(s->p, "tls");
	put_dir(s->p, "tls/a");
	put_dir(s->p, "tls/b");
	put_dir(s->p, "tlsx");
	put_link(s->p, "alias", "tls");
	watch(s, "tls", 1);
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		sst_below_done(&s->told.below);
		s->told.n = 0;
		(void)snprintf(path, sizeof(path), "%s", at(s->p, v[i].path));
		assert_int_equal(sst_watch_nudge(s->w, path, s->now), 1);
		assert_int_equal(sst_watch_due(s->w), s->now);
		settle(s);
		assert_int_equal(s->told.n, 1);
		assert_string_equal(told_name(s), v[i].told);
	}
	assert_int_equal(sst_watch_nudge(s->w, at(s->p, "tlsx"), s->now), 0);
	assert_int_equal(sst_watch_nudge(s->w, at(s->p, "tlsx/a"), s->now), 0);
	assert_int_equal(sst_watch_nudge(s->w, "tls/a", s->now), 0);
	/* certbot's two places are one. */
	put_dir(s->p, "live");
	put_dir(s->p, "live/x");
	assert_int_equal(sst_watch_add(s->w, ID + 1, at(s->p, "live"), 1, s->now), 0);
	(void)changes(s);
	s->told.n = 0;
	sst_below_done(&s->told.below);
	assert_int_equal(sst_watch_nudge(s->w, at(s->p, "archive/x/cert2.pem"), s->now),
	    1);
	settle(s);
	assert_int_equal(s->told.id, ID + 1);
	assert_string_equal(told_name(s), "x");
}

/* A pass takes so long that one in ten seconds would be more than its share. */
static int64_t
slow_cpu_us(void)
{
	cpu += 250000;
	return cpu;
}

static void
looking_never_takes_more_than_its_share_of_a_core(void **state)
{
	struct scene *s = *state;
	int64_t start = s->now, before, at_us;

	assert_int_equal(renew_by(s, 0, slow_cpu_us), 0);
	put_names(s, 3);
	place_tick();
	assert_int_equal(sst_watch_add(s->w, ID, at(s->p, "tls"), 1, s->now), 0);
	settle(s);
	assert_int_equal(sst_watch_due(s->w), start + SST_WATCH_SWEEP_MS);
	for (int i = 0; i < 5; i++) {
		s->now = sst_watch_due(s->w);
		before = s->now;
		at_us = cpu;
		settle(s);
		assert_true((sst_watch_due(s->w) - before) * 1000 >=
		    (cpu - at_us - 250000) * SST_WATCH_CORE_SHARE);
	}
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
		SCENE(what_is_told_is_the_name_in_the_source),
		SCENE(cs_46_the_same_size_and_an_older_time_of_writing_hide_nothing),
		SCENE(cs_47_a_volume_whose_data_is_swapped_is_read_as_a_whole),
		SCENE(who_is_told_that_a_path_changed_tells_it_at_once),
	};
	const struct CMUnitTest inotify[] = {
		SCENE(a_burst_is_told_once_and_not_later_than_promised),
		SCENE(a_big_directory_gets_its_watches_in_slices_and_no_change_in_between_is_lost),
		SCENE(a_file_written_over_before_its_directory_has_its_watch_is_noticed),
		SCENE(directories_beyond_the_limit_are_looked_at),
		SCENE(cs_48_events_that_the_kernel_lost_are_a_change_of_everything),
		SCENE(cs_48_a_directory_that_may_be_searched_and_not_read_is_looked_at),
		SCENE(who_watches_nothing_takes_no_instance_and_who_gets_none_looks),
		SCENE(names_that_change_get_a_watch_first_and_nobody_is_lost),
		SCENE(the_watch_that_is_taken_is_the_coldest_names),
		SCENE(names_that_are_served_have_a_watch_before_all_others),
		SCENE(who_was_served_longest_ago_gives_its_watch_to_who_is_served),
		SCENE(what_is_said_to_be_served_moves_so_many_watches_a_second),
		SCENE(what_is_not_there_or_no_directory_takes_nobodys_watch),
		SCENE(who_is_served_while_watches_are_set_has_one_at_once),
		SCENE(a_file_written_over_before_its_name_is_served_is_noticed),
		SCENE(an_archive_that_is_made_again_is_watched_again),
		SCENE(the_files_of_all_names_have_their_turn),
		SCENE(certbot_says_which_name_it_renews_before_it_moves_its_links),
		SCENE(looking_never_takes_more_than_its_share_of_a_core),
	};
	int failed;

	failed = cmocka_run_group_tests_name("inotify", both, NULL, NULL);
	failed += cmocka_run_group_tests_name("limits", inotify, NULL, NULL);
	watches = 0;
	failed += cmocka_run_group_tests_name("looking", both, NULL, NULL);
	return failed;
}
