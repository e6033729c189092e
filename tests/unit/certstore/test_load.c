/* SPDX-License-Identifier: ISC */
/* A store under load: what a strange name costs, what several threads do to each other,
 * and what a small cache holds. */
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "certstore/identity.h"
#include "certstore/source.h"
#include "certstore/store.h"
#include "each.h"
#include "support/forest.h"

#define NAMES	80	/* enough for an index in a file */
#define THREADS	3
#define WAIT_S	30	/* longer than anything takes */

static const struct sst_choose_policy strict = { .strict = 1 };

static int
load_setup(void **state)
{
	struct forest *f;

	if (each_setup_kept(state) != 0)
		return -1;
	f = forest_new();
	forest_grow(f, certs, 0, NAMES, FOREST_FLAT);
	forest_free(f);
	return 0;
}

/* A door before all files: whoever comes waits for it to open. */
static struct {
	pthread_mutex_t	mu;		/* guards the rest */
	pthread_cond_t	moved;
	int		shut, inside;
	long		opened;
} door = { .mu = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER };

/* Until `inside` is n, or the door is open if n < 0. 0: that took too long. */
static int
await_locked(int n)
{
	struct timespec end;

	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	while (n < 0 ? door.shut : door.inside < n) {
		if (pthread_cond_timedwait(&door.moved, &door.mu, &end) != 0)
			return 0;
	}
	return 1;
}

static int
door_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	(void)pthread_mutex_lock(&door.mu);
	door.opened++;
	door.inside++;
	(void)pthread_cond_broadcast(&door.moved);
	(void)await_locked(-1);
	door.inside--;
	(void)pthread_mutex_unlock(&door.mu);
	return sst_source_files.open(ctx, path, ret_fd, err);
}

static long
opened(void)
{
	long n;

	(void)pthread_mutex_lock(&door.mu);
	n = door.opened;
	(void)pthread_mutex_unlock(&door.mu);
	return n;
}

/* The store of the directory; `index_dir` NULL: its index is in memory. */
static struct sst_store *
store_of(const char *index_dir, size_t cache_bytes)
{
	const struct sst_store_config config = { .index_dir = index_dir,
	    .cache_bytes = cache_bytes };
	static struct sst_source_ops ops;
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = NULL;

	ops = sst_source_files;
	ops.open = door_open;
	ops.open_resolved = NULL;
	ok(sst_store_new_from(&config, &ops, NULL, &s, &err), &err);
	ok(sst_store_add(s, certs, &err), &err);
	return s;
}

/* What a client that asks for name i gets: 1 that, 0 an alert, -1 anything else. */
static int
gets(struct sst_store *s, const char *name)
{
	static const uint16_t sigalgs[] = { 0x0403, 0x0804 };
	const size_t len = strlen(name);
	uint8_t ext[64] = { 0, (uint8_t)(len + 3), 0, 0, (uint8_t)len };
	const struct sst_hello h = { .version = 0x0304, .has_server_name = 1,
	    .server_name = ext, .server_name_len = len + 5, .sigalgs = sigalgs,
	    .n_sigalgs = 2 };
	struct sst_choice *c = NULL;
	int rc;

	memcpy(ext + 5, name, len);
	rc = sst_store_choose(s, &strict, &h, PKI_NOW, &c, NULL);
	if (rc == 1 && !sst_identity_covers(sst_choice_identity(c, 0), name))
		rc = -1;
	else if (rc == 0 && sst_choice_alert(c) != 112)
		rc = -1;
	sst_choice_unref(c);
	return rc;
}

/* Calls of read() and its like that this thread made, but for this one's. */
static long
reads(void)
{
	static long own;
	char text[512] = "";
	int fd = open("/proc/thread-self/io", O_RDONLY);
	const char *at;

	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	(void)close(fd);
	at = strstr(text, "syscr: ");
	assert_non_null(at);
	return strtol(at + strlen("syscr: "), NULL, 10) - own++;
}

static void
strangers_ask(struct sst_store *s, int from, int n)
{
	char name[48];

	for (int i = from; i < from + n; i++) {
		(void)snprintf(name, sizeof(name), "n%07d.nobody.example", i);
		assert_int_equal(gets(s, name), 0);
	}
}

/* `index_dir` NULL: the same in memory. */
static void
ask_strange_names(const char *index_dir)
{
	struct sst_store *s = store_of(index_dir, 0);
	struct sst_store_figures before, after;
	char name[FOREST_NAME];
	long files, read_before, used;

	for (int i = 0; i < NAMES; i++)
		assert_int_equal(gets(s, forest_name(i, name)), 1);
	strangers_ask(s, 0, 100);
	ok(sst_store_figures(s, PKI_NOW, &before, NULL), NULL);
	assert_int_equal(before.index_kept, index_dir != NULL);
	files = opened();
	used = (long)mallinfo2().uordblks;
	read_before = reads();
	strangers_ask(s, 100, 20000);
	assert_int_equal(reads(), read_before);
	assert_true(labs((long)mallinfo2().uordblks - used) < 65536);
	assert_int_equal(opened(), files);
	ok(sst_store_figures(s, PKI_NOW, &after, NULL), NULL);
	assert_int_equal(after.cache_bytes, before.cache_bytes);
	/* and nobody was thrown out for them */
	for (int i = 0; i < NAMES; i++)
		assert_int_equal(gets(s, forest_name(i, name)), 1);
	assert_int_equal(opened(), files);
	sst_store_unref(s);
}

static void
cs_66_strange_names_cost_no_read_and_no_memory(void **state)
{
	(void)state;
	ask_strange_names(NULL);
	ask_strange_names(cache);
}

struct asker {
	struct sst_store *s;
	pthread_t	 thread;
	int		 name;		/* the first */
	int		 zipf, n;
	int		 wrong;
	size_t		 most;		/* bytes that the cache had */
};

static void *
ask_one(void *arg)
{
	struct asker *a = arg;
	char name[FOREST_NAME];

	a->wrong = gets(a->s, forest_name(a->name, name)) != 1;
	return NULL;
}

/* Each thread is between the look-up of its name and the first byte of its file, and
 * nobody who has something at hand waits for any of them. */
static void
threads_meet(const char *index_dir)
{
	struct sst_store *s = store_of(index_dir, 0);
	struct asker a[THREADS] = { 0 };
	const char *hot = "n0000050.forest.example";
	struct sst_store_figures f;
	int met;

	assert_int_equal(gets(s, hot), 1);
	(void)pthread_mutex_lock(&door.mu);
	door.shut = 1;
	(void)pthread_mutex_unlock(&door.mu);
	for (int i = 0; i < THREADS; i++) {
		a[i].s = s;
		a[i].name = i + 60;
		assert_int_equal(pthread_create(&a[i].thread, NULL, ask_one, &a[i]), 0);
	}
	(void)pthread_mutex_lock(&door.mu);
	met = await_locked(THREADS);
	(void)pthread_mutex_unlock(&door.mu);
	if (met) {
		met = gets(s, hot) == 1;
		strangers_ask(s, 0, 10);
	}
	(void)pthread_mutex_lock(&door.mu);
	door.shut = 0;
	(void)pthread_cond_broadcast(&door.moved);
	(void)pthread_mutex_unlock(&door.mu);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(a[i].thread, NULL), 0);
		assert_false(a[i].wrong);
	}
	assert_true(met);
	/* the hot one had to be read as well, and was at hand after that */
	ok(sst_store_figures(s, PKI_NOW, &f, NULL), NULL);
	assert_int_equal(f.cache_misses, THREADS + 1);
	assert_int_equal(f.cache_hits, 1);
	sst_store_unref(s);
}

static void
cs_67_no_thread_waits_for_the_files_of_another(void **state)
{
	(void)state;
	/* read by the first store, warm in the second */
	sst_store_unref(store_of(cache, 0));
	threads_meet(cache);
}

/* Uniform, or by Zipf's law: the k-th name is asked for 1/k as often as the first. */
static int
draw(const struct asker *a, unsigned *seed)
{
	double at = (double)rand_r(seed) / RAND_MAX, sum = 0;

	if (!a->zipf)
		return (int)(at * (NAMES - 1));
	for (int k = 1; k <= NAMES; k++)
		sum += 1.0 / k;
	at *= sum;
	for (int k = 1; k < NAMES; k++) {
		at -= 1.0 / k;
		if (at <= 0)
			return k - 1;
	}
	return NAMES - 1;
}

static void *
ask_many(void *arg)
{
	struct asker *a = arg;
	unsigned seed = (unsigned)a->name;
	char name[FOREST_NAME];

	for (int i = 0; i < a->n; i++) {
		struct sst_store_figures f = { 0 };

		a->wrong += gets(a->s, forest_name(draw(a, &seed), name)) != 1;
		if (i % 16 != 0)
			continue;
		a->wrong += sst_store_figures(a->s, PKI_NOW, &f, NULL) != SST_OK;
		if (f.cache_bytes > a->most)
			a->most = f.cache_bytes;
	}
	return NULL;
}

/* How many files were opened for 3 * 200 questions. */
static long
crowd(size_t cache_bytes, int zipf)
{
	struct sst_store *s = store_of(NULL, cache_bytes);
	struct asker a[THREADS] = { 0 };
	const long before = opened();

	for (int i = 0; i < THREADS; i++) {
		a[i] = (struct asker){ .s = s, .name = i + 1, .zipf = zipf, .n = 200 };
		assert_int_equal(pthread_create(&a[i].thread, NULL, ask_many, &a[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(a[i].thread, NULL), 0);
		assert_int_equal(a[i].wrong, 0);
		assert_true(a[i].most > 0 && a[i].most <= cache_bytes);
	}
	sst_store_unref(s);
	return opened() - before;
}

static void
cs_67_a_small_cache_stays_small_and_keeps_what_is_asked_for(void **state)
{
	/* a few identities of the eighty, and all of them */
	const size_t few = 65536, all = 4 << 20;
	long uniform, zipf;

	(void)state;
	uniform = crowd(few, 0);
	zipf = crowd(few, 1);
	assert_true(zipf < uniform);
	/* each is read once, or by several threads at the same time */
	assert_true(crowd(all, 0) <= THREADS * NAMES && uniform > THREADS * NAMES);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, load_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(cs_66_strange_names_cost_no_read_and_no_memory),
		T(cs_67_no_thread_waits_for_the_files_of_another),
		T(cs_67_a_small_cache_stays_small_and_keeps_what_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
