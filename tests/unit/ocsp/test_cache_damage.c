/* SPDX-License-Identifier: ISC */
/* Tests of the cache: files that were damaged, cut or exchanged. */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_cache.h"

#define PAGE	8192
#define CERTS	120	/* a third is revoked */

static struct pki_buf
slurp(const char *path)
{
	struct pki_buf b = { 0 };
	char part[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return b;
	while ((n = read(fd, part, sizeof(part))) > 0)
		pki_put(&b, part, (size_t)n);
	(void)close(fd);
	return b;
}

/* A cache of 120 answers and a list, and nothing in its log. */
static void
filled(const struct cache_world *w, const char *name)
{
	const int64_t rows[] = { 1001, 1002, 1003 };
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 10);
	struct sst_cache *c = cache_open(pki_path(w->dir, name));
	char path[256];

	for (int i = 0; i < CERTS; i++)
		assert_int_equal(cache_put(c, 1, i, i % 3 == 0 ? &revoked : &good), SST_OK);
	assert_int_equal(list_put(c, &(struct list){ .ca = w->ca, .serials = rows, .n = 3 },
	    NULL), SST_OK);
	sst_cache_close(c);
	(void)snprintf(path, sizeof(path), "%s/%s/live.db", w->dir, name);
	cache_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* What became of the answers. Nothing is better than it was; a look that had the file
 * mended may say that something was lost. */
struct count { int good, revoked, none; };

static struct count
asked(struct sst_cache *c, const struct cache_world *w)
{
	struct count n = { 0, 0, 0 };
	int is;

	for (int i = 0; i < CERTS; i++) {
		is = cache_strict(c, 1, i);
		assert_true(is <= 0 || is == (i % 3 == 0 ? SST_EV_REVOKED : SST_EV_GOOD));
		n.good += is == SST_EV_GOOD;
		n.revoked += is == SST_EV_REVOKED;
		n.none += is <= 0;
	}
	is = list_says(c, w->ca, 1002);
	assert_true(is <= 0 || is == SST_EV_REVOKED);
	is = list_says(c, w->ca, 1004);
	assert_true(is <= 0 || is == SST_EV_GOOD);
	return n;
}

/* It works whatever was found: what is put is there, also in another handle. */
static void
works(struct sst_cache *c, const char *dir)
{
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 1);
	struct sst_cache *other;

	assert_int_equal(cache_put(c, 2, 7, &revoked), SST_OK);
	assert_int_equal(cache_says(c, 2, 7), SST_EV_REVOKED);
	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	assert_int_equal(sst_cache_tidy(c, PKI_NOW, NULL), SST_OK);
	other = cache_open(dir);
	assert_int_equal(cache_says(other, 2, 7), SST_EV_REVOKED);
	sst_cache_close(other);
}

static void
rv_100_the_undamaged_file_says_all(void **state)
{
	const struct cache_world *w = *state;
	struct sst_cache *c;
	struct count n;

	filled(w, "sound");
	c = cache_open(pki_path(w->dir, "sound"));
	n = asked(c, w);
	assert_int_equal(n.good, CERTS - CERTS / 3);
	assert_int_equal(n.revoked, CERTS / 3);
	assert_int_equal(list_says(c, w->ca, 1002), SST_EV_REVOKED);
	assert_int_equal(list_says(c, w->ca, 1004), SST_EV_GOOD);
	works(c, pki_path(w->dir, "sound"));
	assert_string_equal(sst_cache_why(c), "");
	sst_cache_close(c);
	assert_int_not_equal(access(pki_path(w->dir, "sound/live.db.damaged"), F_OK), 0);
}

static void
rv_100_what_was_revoked_is_saved_from_a_lost_header(void **state)
{
	static const size_t harm[] = { 16, 100 };	/* the magic; all of it */
	const struct cache_world *w = *state;
	struct pki_buf whole, bad;
	struct sst_cache *c;
	struct count n;
	char dir[64];

	filled(w, "head");
	whole = slurp(pki_path(w->dir, "head/live.db"));
	for (size_t i = 0; i < 2; i++) {
		bad = (struct pki_buf){ 0 };
		pki_put(&bad, whole.data, whole.len);
		memset(bad.data, 0x5a, harm[i]);
		(void)snprintf(dir, sizeof(dir), "head%zu", i);
		assert_int_equal(mkdir(pki_path(w->dir, dir), 0755), 0);
		(void)snprintf(dir, sizeof(dir), "head%zu/live.db", i);
		pki_write(w->dir, dir, 0600, &bad);
		(void)snprintf(dir, sizeof(dir), "head%zu", i);
		c = cache_open(pki_path(w->dir, dir));
		assert_string_not_equal(sst_cache_why(c), "");
		n = asked(c, w);
		assert_int_equal(n.revoked, CERTS / 3);
		assert_int_equal(n.good, 0);	/* nobody's good outlives damage */
		works(c, pki_path(w->dir, dir));
		sst_cache_close(c);
		pki_buf_free(&bad);
		(void)snprintf(dir, sizeof(dir), "head%zu/live.db.damaged", i);
		assert_int_equal(access(pki_path(w->dir, dir), F_OK), 0);
	}
	pki_buf_free(&whole);
}

/* Every page: all octets turned over, then one octet at a time here and there. */
static void
rv_100_every_page_flipped(void **state)
{
	const struct cache_world *w = *state;
	struct pki_buf whole;
	struct count n, sum = { 0, 0, 0 };
	struct sst_cache *c;
	int pages, runs = 0, put_aside = 0;

	filled(w, "flip");
	whole = slurp(pki_path(w->dir, "flip/live.db"));
	pages = (int)(whole.len / PAGE);
	assert_int_equal(whole.len % PAGE, 0);
	for (int page = 0; page < pages; page++) {
		for (int how = 0; how < 4; how++) {
			char *p = whole.data + (size_t)page * PAGE;
			size_t from = how == 0 ? 0 : (size_t)(how * 1553 + page * 7) % PAGE;
			size_t to = how == 0 ? PAGE : from + (how == 3 ? 64 : 1);

			for (size_t i = from; i < to && i < PAGE; i++)
				p[i] = (char)~p[i];
			(void)unlink(pki_path(w->dir, "flip/live.db-wal"));
			(void)unlink(pki_path(w->dir, "flip/live.db-shm"));
			(void)unlink(pki_path(w->dir, "flip/live.db.damaged"));
			pki_write(w->dir, "flip/live.db", 0600, &whole);
			for (size_t i = from; i < to && i < PAGE; i++)
				p[i] = (char)~p[i];
			c = cache_open(pki_path(w->dir, "flip"));
			(void)asked(c, w);
			works(c, pki_path(w->dir, "flip"));
			n = asked(c, w);
			sum.good += n.good;
			sum.revoked += n.revoked;
			sum.none += n.none;
			put_aside += access(pki_path(w->dir, "flip/live.db.damaged"),
			    F_OK) == 0;
			runs++;
			sst_cache_close(c);
		}
	}
	print_message("%d files: %d put aside; of %d answers %d good, %d revoked, %d lost\n",
	    runs, put_aside, runs * CERTS, sum.good, sum.revoked, sum.none);
	assert_true(put_aside > 0 && put_aside < runs);
	/* most is left, of what was revoked nearly all */
	assert_true(sum.revoked > runs * (CERTS / 3) * 9 / 10);
	pki_buf_free(&whole);
}

/* A row's columns changed one by one: the digest is over all of them. */
static void
rv_100_no_column_of_an_answer_can_be_changed(void **state)
{
	static const char *const harm[] = {
		"UPDATE answer SET status=1",
		"UPDATE answer SET ends=ends+1",
		"UPDATE answer SET body=zeroblob(length(body))",
		"UPDATE answer SET body=substr(body,1,length(body)-1)",
		"UPDATE answer SET digest=zeroblob(16)",
		"UPDATE answer SET digest=substr(digest,1,15)",
		"UPDATE answer SET issuer=zeroblob(16)",
		"UPDATE answer SET kind=3",
		"UPDATE answer SET hash=substr(hash,1,31)||x'00'",
		"UPDATE answer SET body=(SELECT body FROM answer a ORDER BY a.status LIMIT 1),"
		    "status=1",
	};
	const struct cache_world *w = *state;
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 10);
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_cache_stats stats;
	struct sst_cache *c;

	for (size_t i = 0; i < sizeof(harm) / sizeof(harm[0]); i++) {
		(void)unlink(pki_path(w->dir, "col/live.db"));
		(void)unlink(pki_path(w->dir, "col/live.db-wal"));
		(void)unlink(pki_path(w->dir, "col/live.db-shm"));
		c = cache_open(pki_path(w->dir, "col"));
		assert_int_equal(cache_put(c, 1, 1, &revoked), SST_OK);
		assert_int_equal(cache_put(c, 1, 2, &good), SST_OK);
		assert_int_equal(cache_says(c, 1, 1), SST_EV_REVOKED);
		cache_sql(pki_path(w->dir, "col/live.db"), harm[i]);
		/* the good one is as it was after the first and the last */
		assert_int_not_equal(cache_strict(c, 1, 1), SST_EV_GOOD);
		assert_int_equal(cache_says(c, 1, 1), 0);
		if (i > 0 && i < 9)
			assert_int_equal(cache_says(c, 1, 2), 0);
		assert_int_equal(sst_cache_stats(c, &stats, NULL), SST_OK);
		/* and it does not keep sound evidence out */
		assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
		assert_int_equal(cache_says(c, 1, 1), SST_EV_GOOD);
		sst_cache_close(c);
	}
}

static void
rv_100_a_log_cut_anywhere_is_an_older_state(void **state)
{
	const struct cache_world *w = *state;
	struct sst_evidence good = says(SST_EV_GOOD, -1, 10);
	struct sst_evidence revoked = says(SST_EV_REVOKED, 1, 5);
	struct pki_buf main_part, log, cut;
	struct sst_cache *c = cache_open(pki_path(w->dir, "wal"));
	int seen[5] = { 0 }, is;

	assert_int_equal(cache_put(c, 1, 1, &good), SST_OK);
	assert_int_equal(cache_put(c, 1, 1, &revoked), SST_OK);
	sst_cache_close(c);
	main_part = slurp(pki_path(w->dir, "wal/live.db"));
	log = slurp(pki_path(w->dir, "wal/live.db-wal"));
	assert_true(log.len > PAGE);
	for (size_t len = 0; len <= log.len; len += len < log.len ? 1021 : 1) {
		if (len + 1021 > log.len)
			len = log.len;
		cut = (struct pki_buf){ 0 };
		pki_put(&cut, log.data, len);
		(void)unlink(pki_path(w->dir, "wal/live.db-shm"));
		(void)unlink(pki_path(w->dir, "wal/live.db.damaged"));
		pki_write(w->dir, "wal/live.db", 0600, &main_part);
		pki_write(w->dir, "wal/live.db-wal", 0600, &cut);
		pki_buf_free(&cut);
		c = cache_open(pki_path(w->dir, "wal"));
		is = cache_says(c, 1, 1);
		assert_in_range(is, 0, 4);
		seen[is]++;
		works(c, pki_path(w->dir, "wal"));
		sst_cache_close(c);
	}
	assert_true(seen[0] > 0 && seen[SST_EV_REVOKED] > 0);
	pki_buf_free(&main_part);
	pki_buf_free(&log);
}

static void
rv_100_an_empty_file_is_a_new_one(void **state)
{
	const struct cache_world *w = *state;
	struct pki_buf none = { 0 };
	struct sst_cache *c;

	assert_int_equal(mkdir(pki_path(w->dir, "empty"), 0755), 0);
	pki_write(w->dir, "empty/live.db", 0600, &none);
	c = cache_open(pki_path(w->dir, "empty"));
	works(c, pki_path(w->dir, "empty"));
	sst_cache_close(c);
	/* an old log beside it is nobody's */
	filled(w, "emptied");
	assert_int_equal(truncate(pki_path(w->dir, "emptied/live.db"), 0), 0);
	c = cache_open(pki_path(w->dir, "emptied"));
	works(c, pki_path(w->dir, "emptied"));
	sst_cache_close(c);
}

/* Under a handle that is open. */
/* Writes over the pages of a file from one on. */
static void
harm(const char *path, int page)
{
	struct pki_buf noise = { 0 };
	int fd = open(path, O_WRONLY);

	for (int i = 0; i < 40 * PAGE; i++)
		pki_put(&noise, &(char){ (char)(i * 31) }, 1);
	assert_int_equal(pwrite(fd, noise.data, noise.len, page * PAGE),
	    (ssize_t)noise.len);
	(void)close(fd);
	pki_buf_free(&noise);
}

/* To put it aside takes the directory's lock: it is damaged until that is free, and a
 * look does not wait. */
static void
rv_100_damage_while_others_hold_the_directory(void **state)
{
	const struct cache_world *w = *state;
	const struct sst_limits limits = { 0 };
	struct sst_cert_facts f = cert_facts(1, 0);
	struct sst_evidence list[8];
	struct sst_cache *c;
	int fd;

	filled(w, "locked");
	c = cache_open(pki_path(w->dir, "locked"));
	assert_int_equal(cache_says(c, 1, 0), SST_EV_REVOKED);
	harm(pki_path(w->dir, "locked/live.db"), 20);
	for (int i = 0; i < 8; i++) {
		fd = open(pki_path(w->dir, "locked/lock"), O_RDWR | O_CLOEXEC);
		assert_int_equal(flock(fd, LOCK_EX), 0);
		for (int n = 0; n < 10; n++) {
			int is = sst_cache_get(c, &f, PKI_NOW, &limits, list, 8);

			assert_true(is <= 0 || list[0].status == SST_EV_REVOKED);
			f = cert_facts(1, 3 * n);
		}
		(void)close(fd);
		sst_cache_settle(c);
	}
	works(c, pki_path(w->dir, "locked"));
	sst_cache_close(c);
}

static void
rv_100_damage_while_it_is_open(void **state)
{
	const struct cache_world *w = *state;
	struct sst_cache *c, *other;
	int is;

	filled(w, "live");
	c = cache_open(pki_path(w->dir, "live"));
	other = cache_open(pki_path(w->dir, "live"));
	assert_int_equal(cache_says(c, 1, 0), SST_EV_REVOKED);
	harm(pki_path(w->dir, "live/live.db"), 1);
	for (int i = 0; i < CERTS; i++) {
		is = cache_strict(c, 1, i);
		assert_true(is <= 0 || is == (i % 3 == 0 ? SST_EV_REVOKED : SST_EV_GOOD));
	}
	works(c, pki_path(w->dir, "live"));
	(void)asked(c, w);
	/* the other handle finds the new file */
	(void)sst_cache_generation(other, 1000);
	works(other, pki_path(w->dir, "live"));
	assert_int_equal(cache_says(other, 2, 7), SST_EV_REVOKED);
	sst_cache_close(c);
	sst_cache_close(other);
}

/* Removed or exchanged by somebody, under handles that are open. */
static void
a_file_that_was_taken_away_is_not_written_to(void **state)
{
	const struct cache_world *w = *state;
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 1);
	struct sst_cache *c, *other;

	c = cache_open(pki_path(w->dir, "gone"));
	assert_int_equal(cache_put(c, 1, 1, &e), SST_OK);
	assert_int_equal(rename(pki_path(w->dir, "gone/live.db"),
	    pki_path(w->dir, "gone/old.db")), 0);
	assert_int_equal(cache_put(c, 1, 2, &e), SST_OK);
	other = cache_open(pki_path(w->dir, "gone"));
	assert_int_equal(cache_says(other, 1, 2), SST_EV_REVOKED);
	assert_int_equal(cache_says(other, 1, 1), 0);
	sst_cache_close(other);
	sst_cache_close(c);
}

static uint64_t
sum_of(const char *path)
{
	struct pki_buf b = slurp(path);
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < b.len; i++)
		sum = (sum ^ (unsigned char)b.data[i]) * 1099511628211u;
	pki_buf_free(&b);
	return sum;
}

static void
rv_103_a_newer_schema_is_left_alone(void **state)
{
	const struct cache_world *w = *state;
	struct sst_evidence e = says(SST_EV_REVOKED, 1, 1);
	struct sst_cache *c, *was;
	uint64_t before;

	filled(w, "newer");
	was = cache_open(pki_path(w->dir, "newer"));
	assert_int_equal(cache_says(was, 1, 0), SST_EV_REVOKED);
	cache_sql(pki_path(w->dir, "newer/live.db"), "UPDATE meta SET schema=2;"
	    "PRAGMA user_version=2;PRAGMA wal_checkpoint(TRUNCATE)");
	before = sum_of(pki_path(w->dir, "newer/live.db"));
	c = cache_open(pki_path(w->dir, "newer"));
	assert_int_equal(sst_cache_mode(c), SST_CACHE_MEMORY);
	assert_non_null(strstr(sst_cache_why(c), "newer version"));
	assert_int_equal(cache_says(c, 1, 0), 0);
	assert_int_equal(cache_put(c, 1, 0, &e), SST_OK);
	assert_int_equal(cache_says(c, 1, 0), SST_EV_REVOKED);
	/* who had it open sees it too, and does not take it back */
	assert_int_equal(cache_put(was, 1, 1, &e), SST_OK);
	assert_int_equal(sst_cache_mode(was), SST_CACHE_MEMORY);
	assert_int_equal(cache_says(was, 1, 1), SST_EV_REVOKED);
	assert_int_equal(sst_cache_tidy(was, PKI_NOW, NULL), SST_OK);
	sst_cache_close(was);
	sst_cache_close(c);
	assert_int_equal(sum_of(pki_path(w->dir, "newer/live.db")), before);
	assert_int_not_equal(access(pki_path(w->dir, "newer/live.db.damaged"), F_OK), 0);
	/* one of the two numbers alone is a bit that flipped */
	cache_sql(pki_path(w->dir, "newer/live.db"), "UPDATE meta SET schema=1");
	c = cache_open(pki_path(w->dir, "newer"));
	assert_int_equal(sst_cache_mode(c), SST_CACHE_WRITER);
	assert_int_equal(cache_says(c, 1, 0), SST_EV_REVOKED);
	sst_cache_close(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_100_the_undamaged_file_says_all),
		cmocka_unit_test(rv_100_what_was_revoked_is_saved_from_a_lost_header),
		cmocka_unit_test(rv_100_every_page_flipped),
		cmocka_unit_test(rv_100_no_column_of_an_answer_can_be_changed),
		cmocka_unit_test(rv_100_a_log_cut_anywhere_is_an_older_state),
		cmocka_unit_test(rv_100_an_empty_file_is_a_new_one),
		cmocka_unit_test(rv_100_damage_while_it_is_open),
		cmocka_unit_test(rv_100_damage_while_others_hold_the_directory),
		cmocka_unit_test(a_file_that_was_taken_away_is_not_written_to),
		cmocka_unit_test(rv_103_a_newer_schema_is_left_alone),
	};

	return cmocka_run_group_tests(tests, cache_world_make, cache_world_free);
}
