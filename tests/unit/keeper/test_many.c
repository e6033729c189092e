/* SPDX-License-Identifier: ISC */
/*
 * A hundred thousand names, and watches for a twelfth of them: a renewal of any is told
 * in time, at a cost that does not matter.
 */
#include "place.h"

#include "watch/seen.h"
#include "watch/watch.h"

#include "base/below.h"

#include <malloc.h>
#include <time.h>

#define NAMES		100000
#define WATCHES		8192
#define IN_TIME_MS	11000
#define BYTES_MOST	(6u << 20)

struct scene {
	char		 dir[64];
	int		 live;
	struct sst_watch *w;
	int64_t		 now;
	int		 told;		/* calls */
	struct sst_below below;
};

static void
count(void *arg, uint32_t id, const struct sst_below *below)
{
	struct scene *s = arg;

	assert_int_equal(id, 1);
	s->told++;
	sst_below_join(&s->below, below);
}

/* Where files cost no disk, if there is such a place. */
static int
scene_open(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	char path[128];

	if (s == NULL)
		return -1;
	(void)strcpy(s->dir, "/dev/shm/sst-many-XXXXXX");
	if (mkdtemp(s->dir) == NULL)
		(void)strcpy(s->dir, "/tmp/sst-many-XXXXXX");
	if (s->dir[1] == 't' && mkdtemp(s->dir) == NULL)
		return -1;
	*state = s;
	s->now = 1000;
	(void)snprintf(path, sizeof(path), "%s/archive", s->dir);
	if (mkdir(path, 0755) != 0)
		return -1;
	(void)snprintf(path, sizeof(path), "%s/live", s->dir);
	if (mkdir(path, 0755) != 0)
		return -1;
	s->live = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return s->live < 0 ? -1 : 0;
}

static int
scene_close(void **state)
{
	struct scene *s = *state;

	sst_watch_free(s->w);
	sst_below_done(&s->below);
	(void)close(s->live);
	(void)nftw(s->dir, place_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(s);
	return 0;
}

static void
write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
}

/* As certbot renews: new files in the archive, then each link taken away and made. */
static void
renew(struct scene *s, int i, int version)
{
	static const char *const kinds[] = { "cert", "privkey", "chain", "fullchain" };
	char path[256], target[128];

	(void)snprintf(path, sizeof(path), "%s/archive/%d.example", s->dir, i);
	(void)mkdir(path, 0755);
	for (size_t k = 0; k < 4; k++) {
		(void)snprintf(path, sizeof(path), "%s/archive/%d.example/%s%d.pem",
		    s->dir, i, kinds[k], version);
		write_file(path);
	}
	for (size_t k = 0; k < 4; k++) {
		(void)snprintf(path, sizeof(path), "%s/live/%d.example/%s.pem",
		    s->dir, i, kinds[k]);
		(void)snprintf(target, sizeof(target),
		    "../../archive/%d.example/%s%d.pem", i, kinds[k], version);
		(void)unlink(path);
		assert_int_equal(symlink(target, path), 0);
	}
}

/* Does all that is due now. */
static void
settle(struct scene *s)
{
	do {
		sst_watch_read(s->w, s->now);
		sst_watch_step(s->w, s->now, count, s);
	} while (sst_watch_due(s->w) <= s->now);
}

/* For how long the renewal of this name is not told. */
static int64_t
told_after(struct scene *s, int i)
{
	int64_t start = s->now;
	const char *name = NULL;
	char wanted[32];

	(void)snprintf(wanted, sizeof(wanted), "%d.example", i);
	sst_below_done(&s->below);
	sst_watch_read(s->w, s->now);
	while (s->now - start < 10 * IN_TIME_MS) {
		if (sst_watch_due(s->w) > s->now)
			s->now = sst_watch_due(s->w);
		sst_watch_read(s->w, s->now);
		sst_watch_step(s->w, s->now, count, s);
		assert_false(s->below.all);
		for (name = NULL; (name = sst_below_next(&s->below, name)) != NULL;)
			if (strcmp(name, wanted) == 0)
				return s->now - start;
	}
	return s->now - start;
}

static int64_t
cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static size_t
allocated(void)
{
	const struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* The pace does not depend on how fast this machine is today. */
static int64_t
steady_cpu_us(void)
{
	static int64_t now;

	return now += 6;
}

static void
a_renewal_of_any_of_many_names_is_told_in_time(void **state)
{
	static const int renewed[] = { 90000, 0, 45000, NAMES - 1, 90001 };
	const struct sst_watch_plan plan = { .most = WATCHES, .cpu_us = steady_cpu_us };
	struct scene *s = *state;
	struct sst_watch_rule rule;
	size_t bytes = allocated();
	char path[128];
	int64_t cpu, after;
	int slow = 0;

	for (int i = 0; i < NAMES; i++) {
		(void)snprintf(path, sizeof(path), "%d.example", i);
		assert_int_equal(mkdirat(s->live, path, 0755), 0);
	}
	for (size_t i = 0; i < sizeof(renewed) / sizeof(renewed[0]); i++)
		renew(s, renewed[i], 1);
	s->w = sst_watch_new(&plan, s->now);
	assert_non_null(s->w);
	(void)snprintf(path, sizeof(path), "%s/live", s->dir);
	place_tick();
	cpu = cpu_ms();
	assert_int_equal(sst_watch_add(s->w, 1, path, 1, s->now), 0);
	assert_true(cpu_ms() - cpu < 100);
	settle(s);
	print_message("watches set in %lld ms of CPU\n", (long long)(cpu_ms() - cpu));
	assert_int_equal(sst_watch_rule(s->w, 1, &rule), 1);
	assert_int_equal(rule.path[0], '/');
	assert_true(rule.watched <= WATCHES && rule.watched > WATCHES * 3 / 4);
	assert_true(rule.swept >= NAMES - WATCHES);
	assert_true(allocated() - bytes < BYTES_MOST);
	/* The first pass; what was made before it was watched may be told by then. */
	s->now = sst_watch_due(s->w);
	cpu = cpu_ms();
	settle(s);
	print_message("a pass takes %lld ms of CPU\n", (long long)(cpu_ms() - cpu));
	s->told = 0;
	for (size_t i = 0; i < sizeof(renewed) / sizeof(renewed[0]); i++) {
		/* Just after somebody looked. */
		renew(s, renewed[i], 2);
		after = told_after(s, renewed[i]);
		print_message("%d.example is told after %lld ms\n", renewed[i],
		    (long long)after);
		assert_true(after <= IN_TIME_MS);
		slow += after > 1000;
		settle(s);
	}
	/* Some of them were looked at, and only those five were told. */
	assert_true(slow > 0);
	assert_true(s->told >= 5 && s->told <= 10);
	s->told = 0;
	s->now = sst_watch_due(s->w);
	settle(s);
	assert_int_equal(s->told, 0);
	/* Who was renewed has a watch: the next time it is told at once. */
	renew(s, 90000, 3);
	assert_true(told_after(s, 90000) <= 1000);
}

/* What the table of names says while names come and go. */
static void
a_name_is_found_until_it_is_taken_out(void **state)
{
	struct sst_seen seen = { 0 };
	static uint8_t in[5000];
	uint32_t random = 1;
	size_t n = 0;
	char name[16];

	(void)state;
	assert_null(sst_seen_find(&seen, sst_seen_key("1")));
	for (int i = 0; i < 100000; i++) {
		random = random * 1664525u + 1013904223u;
		unsigned k = (random >> 8) % 5000;
		uint64_t key;
		struct sst_seen_name *e;

		(void)snprintf(name, sizeof(name), "n%u", k);
		key = sst_seen_key(name);
		e = sst_seen_find(&seen, key);
		assert_int_equal(e != NULL, in[k]);
		if (e != NULL)
			assert_int_equal(e->at, k);
		if ((random >> 24) % 2 == 0) {
			sst_seen_take(&seen, key);
			n -= in[k];
			in[k] = 0;
		} else {
			e = sst_seen_put(&seen, key);
			assert_non_null(e);
			e->at = k;
			n += !in[k];
			in[k] = 1;
		}
		assert_int_equal(seen.n, n);
	}
	for (unsigned k = 0; k < 5000; k++) {
		(void)snprintf(name, sizeof(name), "n%u", k);
		assert_int_equal(sst_seen_find(&seen, sst_seen_key(name)) != NULL, in[k]);
	}
	sst_seen_done(&seen);
}

static void
note(void *arg, const struct sst_seen_name *e)
{
	*(uint32_t *)arg += e->at;
}

static void
what_a_walk_did_not_meet_is_taken_out(void **state)
{
	struct sst_seen seen = { 0 };
	struct sst_seen_name *e;
	uint32_t sum = 0, wanted = 0;
	char name[16];

	(void)state;
	for (uint32_t i = 1; i <= 1000; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		e = sst_seen_put(&seen, sst_seen_key(name));
		assert_non_null(e);
		e->at = i;
		if (i % 3 == 0)
			e->key |= SST_SEEN_ROUND;
		else
			wanted += i;
	}
	assert_int_equal(sst_seen_purge(&seen, SST_SEEN_ROUND, note, &sum), 667);
	assert_int_equal(sum, wanted);
	assert_int_equal(seen.n, 333);
	for (uint32_t i = 1; i <= 1000; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		assert_int_equal(sst_seen_find(&seen, sst_seen_key(name)) != NULL,
		    i % 3 == 0);
	}
	sst_seen_done(&seen);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_is_found_until_it_is_taken_out),
		cmocka_unit_test(what_a_walk_did_not_meet_is_taken_out),
		cmocka_unit_test_setup_teardown(
		    a_renewal_of_any_of_many_names_is_told_in_time, scene_open,
		    scene_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
