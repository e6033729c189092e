/* SPDX-License-Identifier: ISC */
/* The index by itself: how rows are written, found, listed and counted, what a name
 * costs, and where a file of it may be. */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "certstore/index_gen.h"
#include "certstore/index_pack.h"
#include "certstore/index_place.h"
#include "certstore/index_sql.h"
#include "each.h"

#define LIVE	"/etc/letsencrypt/live"

static struct sst_index *ix;
static int64_t source;

static int
index_setup(void **state)
{
	struct sst_error err = { .code = SST_OK };

	if (each_setup(state) != 0)
		return -1;
	if (sst_index_open(&ix, &err) < 0 ||
	    sst_index_source_set(ix, LIVE, SST_SOURCE_DIR, &source, &err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static int
index_teardown(void **state)
{
	sst_index_close(ix);
	return each_teardown(state);
}

/* A row as certbot's folder of this name gives it; nothing two rows have is alike. */
static void
certbot_row(struct sst_row *row, unsigned n)
{
	char text[3][300], name[64];

	*row = (struct sst_row){ .source = source, .state = SST_ENTRY_USABLE, .kind = 2,
	    .not_before = PKI_NOW, .not_after = PKI_NOW + n };
	(void)snprintf(name, sizeof(name), "host%05u.example.com", n);
	(void)snprintf(text[0], sizeof(text[0]), LIVE "/%s/fullchain.pem", name);
	assert_int_equal(sst_text_set(&row->path, text[0]), 0);
	(void)snprintf(text[0], sizeof(text[0]), LIVE "/%s/privkey.pem", name);
	assert_int_equal(sst_text_set(&row->key_path, text[0]), 0);
	(void)snprintf(text[1], sizeof(text[1]),
	    "/etc/letsencrypt/archive/%s/fullchain1.pem\n", name);
	assert_int_equal(sst_text_set(&row->load, text[1]), 0);
	(void)snprintf(text[1], sizeof(text[1]),
	    "/etc/letsencrypt/archive/%s/privkey1.pem", name);
	assert_int_equal(sst_text_set(&row->load_key, text[1]), 0);
	(void)snprintf(text[2], sizeof(text[2]), "%s\n", name);
	assert_int_equal(sst_text_set(&row->names, text[2]), 0);
	assert_int_equal(sst_text_set(&row->key_type, "EC-P-256"), 0);
	assert_int_equal(sst_text_set(&row->issuer, "CN=E6, O=Let's Encrypt, C=US"), 0);
	for (size_t i = 0; i < 32; i++) {
		row->digest[i] = (uint8_t)(n * 2654435761u >> (i % 4 * 8));
		row->print[i] = (uint8_t)(n * 40503u >> (i % 4 * 8));
		row->names_key[i] = (uint8_t)(n * 69069u >> (i % 4 * 8));
		row->content[i] = i < 16 ? (uint8_t)(n * 22695477u >> (i % 4 * 8)) : 0;
	}
	memcpy(row->digest + 28, &n, 4);
}

static void
put_range(unsigned from, unsigned to)
{
	struct sst_error err = { .code = SST_OK };
	uint64_t generation;
	struct sst_row row;

	assert_int_equal(sst_index_begin(ix, NULL), 0);
	for (unsigned n = from; n < to; n++) {
		certbot_row(&row, n);
		if (sst_index_put(ix, &row, &err) < 0)
			fail_msg("%s", err.text);
		sst_row_done(&row);
	}
	assert_int_equal(sst_index_commit(ix, 1, &generation, NULL), 0);
}

static void
same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static void
a_row_comes_back_as_it_went_in(void **state)
{
	struct sst_rows rows = { 0 };
	struct sst_row row;

	(void)state;
	certbot_row(&row, 7);
	assert_int_equal(sst_text_set(&row.warnings, "one\ntwo\n"), 0);
	assert_int_equal(sst_index_put(ix, &row, NULL), 0);
	assert_int_equal(sst_index_find(ix, SST_FIND_DIGEST, row.digest, 32, &rows, NULL), 0);
	assert_int_equal(rows.n, 1);
	same_text(rows.v[0].path, row.path);
	same_text(rows.v[0].key_path, row.key_path);
	same_text(rows.v[0].load, row.load);
	same_text(rows.v[0].load_key, row.load_key);
	same_text(rows.v[0].names, row.names);
	same_text(rows.v[0].key_type, row.key_type);
	same_text(rows.v[0].issuer, row.issuer);
	same_text(rows.v[0].warnings, row.warnings);
	assert_null(rows.v[0].why);
	assert_memory_equal(rows.v[0].digest, row.digest, 32);
	assert_memory_equal(rows.v[0].content, row.content, 32);
	assert_int_equal(rows.v[0].not_after, row.not_after);
	assert_int_equal(rows.v[0].kind, 2);
	sst_rows_done(&rows);
	/* by each of its other marks, and by none that it has not */
	assert_int_equal(sst_index_find(ix, SST_FIND_PRINT, row.print, 32, &rows, NULL), 0);
	assert_int_equal(rows.n, 1);
	assert_int_equal(sst_index_find(ix, SST_FIND_NAMES_KEY, row.names_key, 32, &rows,
	    NULL), 0);
	assert_int_equal(rows.n, 2);
	assert_int_equal(sst_index_find(ix, SST_FIND_PATH, row.path, strlen(row.path), &rows,
	    NULL), 0);
	assert_int_equal(rows.n, 3);
	assert_int_equal(sst_index_find(ix, SST_FIND_PATH, row.key_path, strlen(row.key_path),
	    &rows, NULL), 0);
	row.digest[31] ^= 1;
	row.print[15] ^= 1;
	assert_int_equal(sst_index_find(ix, SST_FIND_DIGEST, row.digest, 32, &rows, NULL), 0);
	assert_int_equal(sst_index_find(ix, SST_FIND_PRINT, row.print, 32, &rows, NULL), 0);
	assert_int_equal(rows.n, 3);
	sst_rows_done(&rows);
	sst_row_done(&row);
}

static void
any_path_is_packed_and_comes_back(void **state)
{
	static const char *const paths[] = { "/", "/etc/letsencrypt/live",
	    "/etc/letsencrypt/live/a", "/etc/letsencrypt/livery/a.pem", "/etc/x",
	    "/etc/letsencrypt/live/a/a/a.pem", "/etc/letsencrypt/live/.pem",
	    "/etc/letsencrypt/live/a.b.pem", "/etc/letsencrypt/live/\001/\002\003.pem",
	    "bytes:00", "", "/etc/letsencrypt/live/a.pem\n/etc/letsencrypt/archive/a\n",
	    "/etc/letsencrypt/live/\005A\006", "\007" };
	static const char *const roots[] = { LIVE, "/", "bytes:00", "/etc/letsencrypt/live/a" };
	const size_t n = sizeof(paths) / sizeof(paths[0]);

	(void)state;
	for (size_t r = 0; r < sizeof(roots) / sizeof(roots[0]); r++) {
		for (size_t i = 0; i < n * n; i++) {
			struct sst_row row = { 0 }, back = { 0 };
			struct sst_packed packed;

			assert_int_equal(sst_text_set(&row.path, paths[i / n]), 0);
			assert_int_equal(sst_text_set(&row.load, paths[i % n]), 0);
			assert_int_equal(sst_text_set(&row.load_key,
			    i % 3 == 0 ? NULL : paths[i % n]), 0);
			assert_int_equal(sst_pack(roots[r], &row, &packed), 0);
			assert_int_equal(sst_unpack(roots[r], packed.item, packed.shape,
			    &back), 0);
			same_text(back.path, row.path);
			same_text(back.key_path, NULL);
			same_text(back.load, row.load);
			same_text(back.load_key, row.load_key);
			free(packed.shape);
			sst_row_done(&row);
			sst_row_done(&back);
		}
	}
	/* bytes that nobody packed: some text, and no fault */
	for (int c = 0; c < 256; c++) {
		const char shape[] = { (char)c, 4, (char)c, 0 };
		struct sst_row back = { 0 };

		assert_int_equal(sst_unpack(LIVE, "x", shape, &back), 0);
		assert_non_null(back.path);
		sst_row_done(&back);
	}
}

/* Counts how often the folder of a path is another than that of the path before. */
static int
path_note(void *arg, const char *path)
{
	static char last[300];
	size_t len = (size_t)(strrchr(path, '/') - path);

	if (*(int *)arg == 0 || strlen(last) != len || strncmp(last, path, len) != 0)
		++*(int *)arg;
	(void)snprintf(last, sizeof(last), "%.*s", (int)len, path);
	return 0;
}

static void
a_folder_has_its_own_rows_and_no_others(void **state)
{
	struct sst_rows rows = { 0 };
	struct sst_row row;
	int folders = 0;

	(void)state;
	put_range(0, 3);
	certbot_row(&row, 9);
	assert_int_equal(sst_text_set(&row.path, LIVE "/host00001.example.com.pem"), 0);
	assert_int_equal(sst_index_put(ix, &row, NULL), 0);
	sst_row_done(&row);
	/* a folder that cannot be read is an entry under its own name */
	certbot_row(&row, 10);
	row.state = SST_ENTRY_REFUSED;
	assert_int_equal(sst_text_set(&row.path, LIVE "/host00001.example.com"), 0);
	assert_int_equal(sst_index_put(ix, &row, NULL), 0);
	sst_row_done(&row);
	for (int any = 0; any < 2; any++) {
		const int64_t of = any ? 0 : source;

		assert_int_equal(sst_index_folder(ix, of, LIVE "/host00001.example.com", 0,
		    &rows, NULL), 0);
		assert_int_equal(rows.n, 2);
		assert_string_equal(rows.v[0].path,
		    LIVE "/host00001.example.com/fullchain.pem");
		assert_string_equal(rows.v[1].path, LIVE "/host00001.example.com");
		sst_rows_done(&rows);
		assert_int_equal(sst_index_folder(ix, of, LIVE "/host0000", 0, &rows, NULL),
		    0);
		assert_int_equal(rows.n, 0);
		assert_int_equal(sst_index_folder(ix, of, LIVE, 1, &rows, NULL), 0);
		assert_int_equal(rows.n, 2);
		sst_rows_done(&rows);
		assert_int_equal(sst_index_folder(ix, of, LIVE, 0, &rows, NULL), 0);
		assert_int_equal(rows.n, 5);
		sst_rows_done(&rows);
	}
	/* of any source: what lies below the folder by itself counts */
	assert_int_equal(sst_index_folder(ix, 0, "/etc", 0, &rows, NULL), 0);
	assert_int_equal(rows.n, 5);
	sst_rows_done(&rows);
	assert_int_equal(sst_index_paths(ix, source, path_note, &folders, NULL), 0);
	assert_int_equal(folders, 4);
}

static void
pages_of_a_listing_have_every_row_once_and_in_order(void **state)
{
	struct sst_index_spot spot = { 0 };
	struct sst_rows rows = { 0 };
	char last[300] = "";
	size_t n = 0, pages = 0;

	(void)state;
	put_range(100, 300);
	put_range(0, 100);
	for (;;) {
		assert_int_equal(sst_index_page(ix, &spot, 64, &rows, NULL), 0);
		if (rows.n == 0)
			break;
		assert_true(rows.n <= 64);
		for (size_t i = 0; i < rows.n; i++, n++) {
			assert_true(strcmp(last, rows.v[i].path) < 0);
			(void)snprintf(last, sizeof(last), "%s", rows.v[i].path);
		}
		sst_rows_done(&rows);
		pages++;
	}
	assert_int_equal(n, 300);
	assert_int_equal(pages, 5);
	sst_index_spot_done(&spot);
	/* by their end: only those before a time, the first to end first */
	n = 0;
	for (;;) {
		assert_int_equal(sst_index_expiring(ix, PKI_NOW + 150, &spot, 64, &rows,
		    NULL), 0);
		if (rows.n == 0)
			break;
		for (size_t i = 0; i < rows.n; i++, n++)
			assert_int_equal(rows.v[i].not_after, PKI_NOW + (time_t)n);
		sst_rows_done(&rows);
	}
	assert_int_equal(n, 150);
	sst_index_spot_done(&spot);
}

static void
figures_follow_each_row_that_comes_and_goes(void **state)
{
	struct sst_index_figures f;
	struct sst_rows rows = { 0 };
	struct sst_row row;

	(void)state;
	assert_int_equal(sst_index_figures(ix, PKI_NOW, &f, NULL), 0);
	assert_int_equal(f.usable + f.staged + f.refused + f.names + f.expired, 0);
	assert_int_equal(f.earliest, 0);
	put_range(0, 10);
	certbot_row(&row, 20);
	row.state = SST_ENTRY_REFUSED;
	assert_int_equal(sst_index_put(ix, &row, NULL), 0);
	sst_row_done(&row);
	certbot_row(&row, 21);
	assert_int_equal(sst_text_set(&row.names, "a.example\nb.example\n"), 0);
	assert_int_equal(sst_index_put(ix, &row, NULL), 0);
	assert_int_equal(sst_index_figures(ix, PKI_NOW + 4, &f, NULL), 0);
	assert_int_equal(f.usable, 11);
	assert_int_equal(f.refused, 1);
	assert_int_equal(f.names, 12);
	assert_int_equal(f.expired, 4);
	assert_int_equal(f.earliest, PKI_NOW);
	assert_true(f.bytes > 4096);
	assert_int_equal(sst_index_drop(ix, row.id, NULL), 0);
	assert_int_equal(sst_index_lookup(ix, "b.example", NULL, &rows, NULL), 0);
	assert_int_equal(rows.n, 0);
	assert_int_equal(sst_index_figures(ix, PKI_NOW, &f, NULL), 0);
	assert_int_equal(f.usable, 10);
	assert_int_equal(f.names, 10);
	sst_row_done(&row);
}

static void
names_are_counted_anew_without_those_of_challenges(void **state)
{
	struct sst_index_figures f;
	struct sst_row row;

	(void)state;
	put_range(0, 10);
	certbot_row(&row, 20);
	row.state = SST_ENTRY_CHALLENGE;
	assert_int_equal(sst_index_put(ix, &row, NULL), 0);
	assert_int_equal(sqlite3_exec(ix->db, "INSERT INTO names VALUES('stray',4711);"
	    "UPDATE counts SET n=77 WHERE what=0", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sst_index_clear_strays(ix, NULL), 0);
	assert_int_equal(sst_index_figures(ix, PKI_NOW, &f, NULL), 0);
	assert_int_equal(f.names, 10);
	assert_int_equal(sst_index_drop(ix, row.id, NULL), 0);
	assert_int_equal(sst_index_figures(ix, PKI_NOW, &f, NULL), 0);
	assert_int_equal(f.names, 10);
	sst_row_done(&row);
}

static int
source_count(void *arg, int64_t id, enum sst_source_kind kind, const char *path)
{
	(void)id;
	(void)kind;
	(void)path;
	(*(int *)arg)++;
	return 0;
}

static void
a_source_without_rows_goes_and_no_other_is_looked_at(void **state)
{
	int64_t ids[100];
	char path[32];
	int n = 0;

	(void)state;
	put_range(0, 1);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(path, sizeof(path), "/file%d", i);
		assert_int_equal(sst_index_source_set(ix, path, SST_SOURCE_FILE, &ids[i],
		    NULL), 0);
	}
	assert_int_equal(sst_index_source_drop(ix, ids[50], NULL), 0);
	assert_int_equal(sst_index_source_drop(ix, source, NULL), 0);
	assert_int_equal(sqlite3_stmt_status(ix->st[S_SOURCE_DROP],
	    SQLITE_STMTSTATUS_FULLSCAN_STEP, 0), 0);
	assert_int_equal(sst_index_sources(ix, source_count, &n, NULL), 0);
	assert_int_equal(n, 100);
	assert_int_equal(sst_index_source_drop(ix, 0, NULL), 0);
	n = 0;
	assert_int_equal(sst_index_sources(ix, source_count, &n, NULL), 0);
	assert_int_equal(n, 1);
}

/* Steps of SQLite's machine that one look-up of this name takes. */
static int
steps(const char *name, size_t found)
{
	struct sst_rows rows = { 0 };
	int n;

	assert_int_equal(sst_index_lookup(ix, name, "*.example.com", &rows, NULL), 0);
	(void)sqlite3_stmt_status(ix->st[S_LOOKUP], SQLITE_STMTSTATUS_VM_STEP, 1);
	sst_rows_done(&rows);
	assert_int_equal(sst_index_lookup(ix, name, "*.example.com", &rows, NULL), 0);
	assert_int_equal(rows.n, found);
	n = sqlite3_stmt_status(ix->st[S_LOOKUP], SQLITE_STMTSTATUS_VM_STEP, 1);
	assert_int_equal(sqlite3_stmt_status(ix->st[S_LOOKUP],
	    SQLITE_STMTSTATUS_FULLSCAN_STEP, 1), 0);
	sst_rows_done(&rows);
	return n;
}

static void
cs_68_a_look_up_goes_down_a_tree_whatever_the_names_are(void **state)
{
	int hit, miss;

	(void)state;
	put_range(0, 50);
	hit = steps("host00030.example.com", 1);
	miss = steps("host99999.example.com", 0);
	put_range(50, 10000);
	assert_in_range(steps("host00030.example.com", 1), hit - 4, hit + 4);
	assert_in_range(steps("host09999.example.com", 1), hit - 4, hit + 4);
	assert_in_range(steps("host99999.example.com", 0), miss - 4, miss + 4);
}

/* The file of a directory that is not there; its index is. */
static void
kept_open(struct sst_index **ret, struct sst_gen **gen, char place[PATH_MAX])
{
	struct sst_error err = { .code = SST_OK };
	const struct sst_index_at at = { .place = place, .path = LIVE, .dev = 1, .ino = 2 };
	char why[256] = "";

	if (!sst_index_place(dir, place, why, sizeof(why)))
		fail_msg("%s", why);
	if (sst_index_keep(&at, ret, gen, &err) < 0)
		fail_msg("%s", err.text);
}

static void
a_name_costs_at_most_400_bytes_of_file(void **state)
{
	struct sst_index *memory = ix, *kept = NULL;
	struct sst_index_figures f;
	struct sst_gen *gen = NULL;
	char place[PATH_MAX];
	char *path;
	struct stat st;

	(void)state;
	kept_open(&kept, &gen, place);
	ix = kept;
	assert_int_equal(sst_index_source_set(ix, LIVE, SST_SOURCE_DIR, &source, NULL), 0);
	put_range(0, 20000);
	assert_int_equal(sst_index_figures(ix, PKI_NOW, &f, NULL), 0);
	assert_int_equal(f.usable, 20000);
	print_message("%llu bytes a name\n", (unsigned long long)f.bytes / 20000);
	assert_true(f.bytes / 20000 <= 400);
	path = sst_index_path(kept);
	sst_index_settle(path);
	assert_int_equal(stat(path, &st), 0);
	assert_true((uint64_t)st.st_size <= f.bytes);
	free(path);
	sst_index_close(kept);
	sst_gen_close(gen);
	ix = memory;
}

/* Pages that are read to find 1,000 of 20,000 names, far from each other. */
static int
pages_read(void)
{
	char name[64];
	int pages, most;

	(void)sqlite3_db_status(ix->db, SQLITE_DBSTATUS_CACHE_MISS, &pages, &most, 1);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "host%05u.example.com", i * 7919 % 20000);
		(void)steps(name, 1);
	}
	assert_int_equal(sqlite3_db_status(ix->db, SQLITE_DBSTATUS_CACHE_MISS, &pages,
	    &most, 1), SQLITE_OK);
	return pages;
}

static void
a_first_reading_has_room_for_its_pages_and_gives_it_back(void **state)
{
	struct sst_index *memory = ix, *kept = NULL;
	struct sst_gen *gen = NULL;
	char place[PATH_MAX];
	int first, later, held, most;

	(void)state;
	kept_open(&kept, &gen, place);
	ix = kept;
	assert_int_equal(sst_index_source_set(ix, LIVE, SST_SOURCE_DIR, &source, NULL), 0);
	put_range(0, 20000);
	first = pages_read();
	assert_int_equal(sst_index_make_whole(ix, NULL), 0);
	later = pages_read();
	print_message("%d pages, %d pages\n", first, later);
	assert_true(first * 4 < later);
	assert_int_equal(sqlite3_db_status(ix->db, SQLITE_DBSTATUS_CACHE_USED, &held, &most,
	    0), SQLITE_OK);
	assert_true(held < 3 << 20);
	sst_index_close(kept);
	sst_gen_close(gen);
	ix = memory;
}

/* Pages that one renewal writes. */
static int
renewal_pages(unsigned n)
{
	struct sst_rows rows = { 0 };
	struct sst_row row;
	uint64_t generation;
	int before;

	certbot_row(&row, n);
	before = ix->wal_pages;
	assert_int_equal(sst_index_begin(ix, NULL), 0);
	assert_int_equal(sst_index_find(ix, SST_FIND_DIGEST, row.digest, 32, &rows, NULL), 0);
	assert_int_equal(rows.n, 1);
	assert_int_equal(sst_index_drop(ix, rows.v[0].id, NULL), 0);
	row.not_after += 1000000;
	assert_int_equal(sst_index_put(ix, &row, NULL), 0);
	assert_int_equal(sst_index_commit(ix, 1, &generation, NULL), 0);
	sst_rows_done(&rows);
	sst_row_done(&row);
	return ix->wal_pages - before;
}

static void
cs_69_one_renewal_writes_as_few_pages_among_many_names(void **state)
{
	struct sst_index *memory = ix, *kept = NULL;
	struct sst_gen *gen = NULL;
	char place[PATH_MAX];
	int few, many;

	(void)state;
	kept_open(&kept, &gen, place);
	ix = kept;
	assert_int_equal(sst_index_source_set(ix, LIVE, SST_SOURCE_DIR, &source, NULL), 0);
	put_range(0, 500);
	few = renewal_pages(250);
	put_range(500, 20000);
	many = renewal_pages(12345);
	print_message("%d pages, %d pages\n", few, many);
	assert_true(few > 0 && many > 0);
	assert_true(many <= few + 12);	/* one more level of each tree */
	sst_index_close(kept);
	sst_gen_close(gen);
	ix = memory;
}

static void
a_place_is_this_users_own_or_none(void **state)
{
	const uid_t me = geteuid();
	const char *home = pki_path(dir, "home"), *machine = pki_path(dir, "machine");
	struct sst_index_view view = { .machine = machine, .uid = me, .home = home };
	char out[PATH_MAX], why[256] = "", want[PATH_MAX];
	struct stat st;

	(void)state;
	assert_int_equal(mkdir(home, 0700), 0);
	/* our own cache, made where there is none */
	assert_int_equal(sst_index_place_by(&view, "", out, why, sizeof(why)), 1);
	(void)snprintf(want, sizeof(want), "%s/.cache/securesockets/index-%lu", home,
	    (unsigned long)me);
	assert_string_equal(out, want);
	assert_int_equal(lstat(out, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* the machine's, where we own it and are not root */
	assert_int_equal(mkdir(machine, 0755), 0);
	assert_int_equal(sst_index_place_by(&view, "", out, why, sizeof(why)), 1);
	assert_true((strncmp(out, machine, strlen(machine)) == 0) == (me != 0));
	/* others may write to it; it belongs to another; there is no home */
	(void)snprintf(want, sizeof(want), "%s/named", dir);
	assert_int_equal(mkdir(want, 0700), 0);
	assert_int_equal(sst_index_place_by(&view, want, out, why, sizeof(why)), 1);
	assert_int_equal(chmod(out, 0722), 0);
	assert_int_equal(sst_index_place_by(&view, want, out, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "others may write"));
	assert_int_equal(chmod(out, 0700), 0);
	view.uid = me + 1;
	(void)snprintf(out, sizeof(out), "%.3000s/index-%lu", want, (unsigned long)me + 1);
	assert_int_equal(mkdir(out, 0700), 0);
	assert_int_equal(sst_index_place_by(&view, want, out, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "another user"));
	view.home = NULL;
	assert_int_equal(sst_index_place_by(&view, "", out, why, sizeof(why)), 0);
	view.cache_home = "relative";
	assert_int_equal(sst_index_place_by(&view, "", out, why, sizeof(why)), 0);
	/* NFS, SMB, FUSE; ext4, tmpfs */
	assert_true(sst_index_is_remote(0x6969) && sst_index_is_remote(0xfe534d42) &&
	    sst_index_is_remote(0x65735546));
	assert_false(sst_index_is_remote(0xef53) || sst_index_is_remote(0x01021994));
}

static void
a_file_of_another_user_is_none_of_ours(void **state)
{
	struct pki_buf b = { 0 };
	const char *path = pki_path(dir, "file");

	(void)state;
	assert_null(sst_index_fault(path, geteuid()));
	pki_put_text(&b, "x");
	pki_write(dir, "file", 0600, &b);
	assert_null(sst_index_fault(path, geteuid()));
	assert_non_null(sst_index_fault(path, geteuid() + 1));
	pki_write(dir, "file", 0640, &b);
	assert_non_null(sst_index_fault(path, geteuid()));
	pki_write(dir, "file", 0600, &b);
	assert_int_equal(link(path, pki_path(dir, "twice")), 0);
	assert_non_null(sst_index_fault(path, geteuid()));
	pki_link(dir, "link", "file");
	assert_non_null(sst_index_fault(pki_path(dir, "link"), geteuid()));
	assert_non_null(sst_index_fault(dir, geteuid()));
	pki_buf_free(&b);
}

static void
two_directories_of_one_path_have_two_files(void **state)
{
	struct sst_index_at at = { .place = "/p", .path = "/d", .dev = 1, .ino = 2 };
	struct sst_index_files a, b;

	(void)state;
	assert_int_equal(sst_index_files(&at, &a), 1);
	assert_int_equal(sst_index_files(&at, &b), 1);
	assert_string_equal(a.db, b.db);
	at.ino = 3;
	assert_int_equal(sst_index_files(&at, &b), 1);
	assert_string_not_equal(a.db, b.db);
	at.ino = 2;
	at.dev = 2;
	assert_int_equal(sst_index_files(&at, &b), 1);
	assert_string_not_equal(a.db, b.db);
	at.dev = 1;
	at.path = "/e";
	assert_int_equal(sst_index_files(&at, &b), 1);
	assert_string_not_equal(a.db, b.db);
	assert_memory_not_equal(a.key, b.key, 32);
}

static void
what_nobody_opened_for_a_month_is_removed(void **state)
{
	const time_t day = 86400, then = PKI_NOW;
	const struct timespec times[2] = { { then, 0 }, { then, 0 } };
	struct sst_index *kept = NULL;
	struct sst_gen *gen = NULL;
	char place[PATH_MAX], page[PATH_MAX];
	char *path;

	(void)state;
	kept_open(&kept, &gen, place);
	assert_int_equal(sst_index_source_set(kept, LIVE, SST_SOURCE_DIR, &source, NULL), 0);
	assert_int_equal(sst_index_begin(kept, NULL), 0);
	assert_int_equal(sst_index_commit(kept, 1, &(uint64_t){ 0 }, NULL), 0);
	path = sst_index_path(kept);
	(void)snprintf(page, sizeof(page), "%.*s.gen", (int)strlen(path) - 3, path);
	assert_int_equal(utimensat(AT_FDCWD, page, times, 0), 0);
	/* in use, however old */
	sst_index_sweep(place, then + 31 * day);
	assert_int_equal(access(path, F_OK), 0);
	sst_index_close(kept);
	sst_gen_close(gen);
	/* old enough by a day, and not */
	sst_index_sweep(place, then + 29 * day);
	assert_int_equal(access(path, F_OK), 0);
	sst_index_sweep(place, then + 31 * day);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(page, F_OK), -1);
	free(path);
}

static void
one_handle_writes_until_its_process_ends(void **state)
{
	char path[PATH_MAX];
	struct sst_gen *a = NULL, *b = NULL;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/page", dir);
	assert_int_equal(sst_gen_open(path, &a, NULL), 0);
	assert_int_equal(sst_gen_open(path, &b, NULL), 0);
	assert_int_equal(sst_gen_claim(a), 1);
	assert_int_equal(sst_gen_claim(b), 0);
	sst_gen_set(a, 42);
	assert_int_equal(atomic_load(sst_gen_word(b)), 42);
	sst_gen_close(a);
	assert_int_equal(sst_gen_claim(b), 1);
	assert_int_equal(atomic_load(sst_gen_word(b)), 42);
	sst_gen_close(b);
	/* a page of something else is not written to */
	pki_write_text(dir, "other", "these bytes are of somebody else entirely");
	(void)snprintf(path, sizeof(path), "%s/other", dir);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(sst_gen_open(path, &a, NULL), SST_E_REFUSED);
}

static void
who_writes_outlives_its_page_and_mends_it(void **state)
{
	char path[PATH_MAX];
	struct sst_gen *a = NULL, *b = NULL;
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/page", dir);
	assert_int_equal(sst_gen_open(path, &a, NULL), 0);
	assert_int_equal(sst_gen_open(path, &b, NULL), 0);
	assert_int_equal(sst_gen_claim(a), 1);
	sst_gen_next_epoch(a);
	sst_gen_set(a, 42);
	assert_int_equal(truncate(path, 0), 0);
	/* to look at the page would end the process */
	assert_int_equal(atomic_load(sst_gen_word(a)), 42);
	assert_int_equal(sst_gen_epoch(a), 1);
	sst_gen_set(a, 43);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 0);
	assert_int_equal(atomic_load(sst_gen_word(b)), 43);
	assert_int_equal(sst_gen_epoch(b), 1);
	assert_int_equal(truncate(path, 0), 0);
	sst_gen_next_epoch(a);
	assert_int_equal(sst_gen_epoch(b), 2);
	assert_int_equal(atomic_load(sst_gen_word(b)), 43);
	assert_int_equal(truncate(path, 0), 0);
	sst_gen_beat(a);
	assert_int_equal(sst_gen_beats(b), sst_gen_beats(a));
	sst_gen_beat(a);
	assert_int_equal(sst_gen_beats(b), 2);
	/* who comes next knows what is there, and no more */
	sst_gen_close(a);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(sst_gen_claim(b), 1);
	assert_int_equal(atomic_load(sst_gen_word(b)), 0);
	sst_gen_set(b, 44);
	assert_int_equal(sst_gen_open(path, &a, NULL), 0);
	assert_int_equal(atomic_load(sst_gen_word(a)), 44);
	/* in the child of a fork it is the page again */
	sst_gen_forked(b);
	assert_int_equal(sst_gen_claim(a), 1);
	sst_gen_set(a, 45);
	assert_int_equal(atomic_load(sst_gen_word(b)), 45);
	sst_gen_close(b);
	sst_gen_close(a);
}

/* Fills the file system that `path` is on, or makes `left` pages free again. */
static void
fill(const char *path, unsigned left)
{
	static const char junk[4096];
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	struct stat st;

	assert_true(fd >= 0 && lseek(fd, 0, SEEK_END) >= 0);
	while (left == 0 && write(fd, junk, sizeof(junk)) > 0)
		;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(ftruncate(fd, st.st_size - (off_t)(left * sizeof(junk))), 0);
	(void)close(fd);
}

static void
a_page_that_the_disk_has_no_room_for_is_not_mapped(void **state)
{
	char at[PATH_MAX], page[PATH_MAX + 16], ballast[PATH_MAX + 16];
	struct sst_error err = { .code = SST_OK };
	struct sst_gen *g = NULL;

	(void)state;
	(void)snprintf(at, sizeof(at), "%s", pki_path(dir, "small"));
	assert_int_equal(mkdir(at, 0700), 0);
	if (mount("tmpfs", at, "tmpfs", 0, "size=64k,mode=0700") < 0)
		skip();
	(void)snprintf(page, sizeof(page), "%s/page", at);
	(void)snprintf(ballast, sizeof(ballast), "%s/ballast", at);
	/* new, and one that is long enough but has a hole */
	for (int hole = 0; hole < 2; hole++) {
		fill(ballast, 0);
		if (hole) {
			assert_int_equal(close(open(page, O_RDWR | O_CREAT, 0600)), 0);
			assert_int_equal(truncate(page, 4096), 0);
		}
		assert_int_equal(sst_gen_open(page, &g, &err), SST_E_SYSTEM);
		assert_int_equal(err.sys_errno, ENOSPC);
		fill(ballast, 1);
		assert_int_equal(sst_gen_open(page, &g, NULL), 0);
		/* from now on it has its place, whoever takes the rest */
		fill(ballast, 0);
		sst_gen_set(g, 7);
		assert_int_equal(atomic_load(sst_gen_word(g)), 7);
		sst_gen_close(g);
		assert_int_equal(unlink(page), 0);
	}
	assert_int_equal(umount(at), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, index_setup, index_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_row_comes_back_as_it_went_in),
		T(any_path_is_packed_and_comes_back),
		T(a_folder_has_its_own_rows_and_no_others),
		T(pages_of_a_listing_have_every_row_once_and_in_order),
		T(figures_follow_each_row_that_comes_and_goes),
		T(a_source_without_rows_goes_and_no_other_is_looked_at),
		T(names_are_counted_anew_without_those_of_challenges),
		T(cs_68_a_look_up_goes_down_a_tree_whatever_the_names_are),
		T(a_name_costs_at_most_400_bytes_of_file),
		T(a_first_reading_has_room_for_its_pages_and_gives_it_back),
		T(cs_69_one_renewal_writes_as_few_pages_among_many_names),
		T(a_place_is_this_users_own_or_none),
		T(a_file_of_another_user_is_none_of_ours),
		T(two_directories_of_one_path_have_two_files),
		T(what_nobody_opened_for_a_month_is_removed),
		T(one_handle_writes_until_its_process_ends),
		T(who_writes_outlives_its_page_and_mends_it),
		T(a_page_that_the_disk_has_no_room_for_is_not_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
