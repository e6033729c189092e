/* SPDX-License-Identifier: ISC */
/* A large directory is read by several threads, for its facts alone, and is served
 * while that goes on. */
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "certstore/identity.h"
#include "certstore/key.h"
#include "certstore/quick.h"
#include "certstore/scan.h"
#include "certstore/scan_pool.h"
#include "certstore/store.h"
#include "certstore/store_dir.h"
#include "counted.h"
#include "each.h"
#include "world.h"

#define SITES	700	/* more than one step, and more than are made ready */

static struct pki_cert *www, *sites[SITES];
static char *trees;	/* a directory with live/ in it, that no test changes */

static void
site_name(char out[64], size_t i)
{
	(void)snprintf(out, 64, "site%04zu.example.com", i);
}

static int
pool_setup(void **state)
{
	char name[64], path[80];

	(void)world_setup(state);
	www = leaf(PKI_P256, "www.example.com");
	trees = pki_dir_new();
	for (size_t i = 0; i < SITES; i++) {
		site_name(name, i);
		sites[i] = pki_issue(world_ca, &(struct pki_spec){ .san = name,
		    .use_key = www->key });
		(void)snprintf(path, sizeof(path), "live/%04zu/pair.pem", i);
		pki_write_pair(trees, path, sites[i]);
	}
	return 0;
}

static int
pool_teardown(void **state)
{
	for (size_t i = 0; i < SITES; i++)
		pki_free(sites[i]);
	pki_free(www);
	pki_dir_free(trees);
	return world_teardown(state);
}

/* Every `step`th site is served. */
static void
serves_all(struct sst_store *s, size_t step)
{
	char name[64];

	for (size_t i = 0; i < SITES; i += step) {
		site_name(name, i);
		if (!serves_in(s, name, sites[i]))
			fail_msg("%s is not served", name);
	}
}

static struct sst_store *
with_threads(unsigned n)
{
	return store_make(&(struct sst_store_config){ .threads = n });
}

static void
any_number_of_threads_comes_to_the_same(void **state)
{
	static const unsigned threads[] = { 1, 2, 5, 100 };

	(void)state;
	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		struct sst_error err = { .code = SST_OK };
		struct sst_store *s = with_threads(threads[i]);

		ok(sst_store_add(s, pki_path(trees, "live"), &err), &err);
		assert_int_equal(events.count[SST_STORE_ADDED], SITES);
		serves_all(s, i == 0 ? 1 : 50);
		/* nothing changed: no event, no generation */
		uint64_t generation = sst_store_generation(s);
		ok(sst_store_rescan(s, NULL, &err), &err);
		assert_int_equal(sst_store_generation(s), generation);
		assert_int_equal(events.count[SST_STORE_ADDED], SITES);
		assert_int_equal(events.count[SST_STORE_RENEWED], 0);
		assert_int_equal(events.count[SST_STORE_REMOVED], 0);
		sst_store_unref(s);
	}
}

struct watcher {
	struct sst_store *store;
	size_t	 at_first;	/* entries when the first event came */
	size_t	 told, over;
	uint64_t last;
};

static int
count(void *arg, const struct sst_entry *e)
{
	*(size_t *)arg += e->state == SST_ENTRY_USABLE;
	return 0;
}

static void
on_first(void *arg, const struct sst_store_event *e)
{
	struct watcher *w = arg;

	(void)e;
	if (w->at_first == 0)
		(void)sst_store_each(w->store, count, &w->at_first, NULL);
}

static void
on_progress(void *arg, const struct sst_store_progress *p)
{
	struct watcher *w = arg;

	assert_int_equal(p->seen, SITES);
	assert_true(p->done >= w->last && p->read >= p->done);
	assert_true(w->told > 0 || (p->read == 0 && !p->over));
	w->last = p->done;
	w->told++;
	w->over += p->over != 0;
}

static void
what_was_read_is_served_before_the_rest_is(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct watcher w = { 0 };
	struct sst_store_config config = { .on_event = on_first, .event_arg = &w,
	    .on_progress = on_progress, .threads = 2 };
	struct sst_store *s = NULL;

	(void)state;
	ok(sst_store_new(&config, &s, &err), &err);
	w.store = s;
	ok(sst_store_add(s, pki_path(trees, "live"), &err), &err);
	assert_in_range(w.at_first, 1, SST_DIR_FOLDERS);
	assert_in_range(sst_store_generation(s), 2, SITES);
	assert_int_equal(w.over, 1);
	assert_true(w.told >= 2);
	assert_int_equal(w.last, SITES);
	sst_store_unref(s);
}

/* Files are opened only as far as they may be. */
static struct {
	pthread_mutex_t	 mu;	/* guards the rest */
	pthread_cond_t	 more;
	long		 may, waiting;
} gate = { .mu = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER };

static int
gate_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	(void)pthread_mutex_lock(&gate.mu);
	gate.waiting++;
	(void)pthread_cond_broadcast(&gate.more);
	while (gate.may == 0)
		(void)pthread_cond_wait(&gate.more, &gate.mu);
	gate.may--;
	gate.waiting--;
	(void)pthread_mutex_unlock(&gate.mu);
	return sst_source_files.open(ctx, path, ret_fd, err);
}

/* So many more may be, and all of them were: the next one waits. */
static void
gate_let(long n)
{
	(void)pthread_mutex_lock(&gate.mu);
	gate.may += n;
	(void)pthread_cond_broadcast(&gate.more);
	while (n < SITES && (gate.may > 0 || gate.waiting == 0))
		(void)pthread_cond_wait(&gate.more, &gate.mu);
	(void)pthread_mutex_unlock(&gate.mu);
}

static void *
add_dir(void *arg)
{
	struct sst_error err = { .code = SST_OK };

	ok(sst_store_add(arg, pki_path(dir, "d"), &err), &err);
	return NULL;
}

/* A store that is given a directory of `n` folders by another thread. */
static struct sst_store *
gated(size_t n, pthread_t *ret)
{
	static struct sst_source_ops ops;
	const struct sst_store_config config = { .threads = 1 };
	struct sst_error err = { .code = SST_OK };
	struct sst_store *s = NULL;
	char path[64];

	ops = sst_source_files;
	ops.open = gate_open;
	ops.open_resolved = NULL;
	gate.may = gate.waiting = 0;
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "d/%04zu/pair.pem", i);
		pki_write_pair(dir, path, sites[i]);
	}
	ok(sst_store_new_from(&config, &ops, NULL, &s, &err), &err);
	assert_int_equal(pthread_create(ret, NULL, add_dir, s), 0);
	return s;
}

static void
how_far_the_reading_of_a_large_directory_is_can_be_asked(void **state)
{
	const time_t before = time(NULL);
	struct sst_store_figures f;
	struct sst_store *s;
	pthread_t thread;

	(void)state;
	s = gated(SST_POOL_LEAST + 6, &thread);
	gate_let(0);
	f = figures(s);
	assert_int_equal(f.reading, SST_POOL_LEAST + 6);
	assert_int_equal(f.read, 0);
	assert_in_range(f.reading_since, before, time(NULL));
	/* a folder and the file in it */
	gate_let(2 * 40);
	assert_int_equal(figures(s).read, 40);
	gate_let(1);
	f = figures(s);
	assert_int_equal(f.reading, SST_POOL_LEAST + 6);
	assert_int_equal(f.read, 40);
	gate_let(SITES);
	assert_int_equal(pthread_join(thread, NULL), 0);
	f = figures(s);
	assert_int_equal(f.usable, SST_POOL_LEAST + 6);
	assert_true(f.reading == 0 && f.read == 0 && f.reading_since == 0 &&
	    f.reading_ms == 0);
	sst_store_unref(s);
}

static void
of_a_small_directory_nothing_is_said(void **state)
{
	struct sst_store *s;
	pthread_t thread;

	(void)state;
	s = gated(SST_POOL_LEAST, &thread);
	gate_let(9);
	assert_int_equal(figures(s).reading, 0);
	gate_let(SITES);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(figures(s).usable, SST_POOL_LEAST);
	sst_store_unref(s);
}

struct told {
	int	n;
	char	text[2][200];
};

static void
on_reading(void *arg, const struct sst_store_event *e)
{
	struct told *t = arg;

	if (e->kind != SST_STORE_READING)
		return;
	assert_string_equal(e->source, pki_path(dir, "d"));
	assert_true(t->n < 2);
	(void)snprintf(t->text[t->n++], sizeof(t->text[0]), "%s", e->text);
}

static int
gone_for_good(void *ctx)
{
	(void)ctx;
	return 1;
}

static void
that_a_very_large_directory_is_read_is_told_when_it_begins_and_ends(void **state)
{
	struct sst_source_ops gone = sst_source_files;
	struct told t = { .n = 0 };
	const struct sst_store_config config = { .on_event = on_reading, .event_arg = &t };
	struct sst_store *s = NULL;
	char path[64];

	(void)state;
	gone.gone = gone_for_good;
	assert_int_equal(mkdir(pki_path(dir, "d"), 0700), 0);
	for (size_t i = 0; i < SST_DIR_TELL - 1; i++) {
		(void)snprintf(path, sizeof(path), "d/%04zu", i);
		assert_int_equal(mkdir(pki_path(dir, path), 0700), 0);
	}
	assert_int_equal(sst_store_new(&config, &s, NULL), 0);
	assert_int_equal(sst_store_add(s, pki_path(dir, "d"), NULL), 0);
	assert_int_equal(t.n, 0);
	assert_int_equal(mkdir(pki_path(dir, "d/more"), 0700), 0);
	assert_int_equal(sst_store_rescan(s, NULL, NULL), 0);
	assert_int_equal(t.n, 2);
	assert_string_equal(t.text[0], "4096 names are being read");
	assert_memory_equal(t.text[1], "4096 of 4096 names were read in ", 32);
	sst_store_unref(s);
	/* one that comes to nothing ends, too */
	t.n = 0;
	assert_int_equal(sst_store_new_from(&config, &gone, NULL, &s, NULL), 0);
	assert_int_equal(sst_store_add(s, pki_path(dir, "d"), NULL), SST_E_PEER);
	assert_int_equal(t.n, 2);
	assert_memory_equal(t.text[1], "the reading ended after ", 24);
	sst_store_unref(s);
}

static void
a_large_directory_that_changed_is_brought_up_to_date(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_cert *extra = leaf(PKI_P256, "extra.example.com");
	struct pki_cert *renewed = leaf(PKI_P256, "site0300.example.com");
	struct sst_store *s = with_threads(2);
	char path[64];

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		(void)snprintf(path, sizeof(path), "live/%04zu/pair.pem", i);
		pki_write_pair(dir, path, sites[i]);
	}
	ok(sst_store_add(s, pki_path(dir, "live"), &err), &err);
	/* what was never served is not in memory, and cannot outlive its file */
	assert_true(serves_in(s, "site0301.example.com", sites[301]));
	pki_write_pair(dir, "live/new/pair.pem", extra);
	pki_write_pair(dir, "live/0300/pair.pem", renewed);
	pki_write_text(dir, "live/0301/pair.pem", "soon\n");
	assert_int_equal(unlink(pki_path(dir, "live/0302/pair.pem")), 0);
	assert_int_equal(rmdir(pki_path(dir, "live/0302")), 0);
	assert_int_equal(unlink(pki_path(dir, "live/0303/pair.pem")), 0);
	ok(sst_store_rescan(s, NULL, &err), &err);
	assert_true(serves_in(s, "extra.example.com", extra));
	assert_true(serves_in(s, "site0300.example.com", renewed));
	assert_true(serves_in(s, "site0301.example.com", sites[301]));
	assert_false(serves_in(s, "site0302.example.com", sites[302]));
	assert_false(serves_in(s, "site0303.example.com", sites[303]));
	assert_true(serves_in(s, "site0304.example.com", sites[304]));
	assert_int_equal(events.count[SST_STORE_RENEWED], 1);
	assert_int_equal(events.count[SST_STORE_ADDED], 401);
	assert_int_equal(events.count[SST_STORE_REMOVED], 2);
	assert_int_equal(events.count[SST_STORE_KEPT], 1);
	sst_store_unref(s);
	pki_free(extra);
	pki_free(renewed);
}

static int
try(void *arg, const struct sst_identity *id, const char *names, int displaces,
    struct sst_error *err)
{
	(void)names;
	assert_non_null(id);
	assert_true(displaces);
	++*(int *)arg;
	return sst_fail(err, SST_E_REFUSED, "no");
}

static void
what_changed_in_a_large_directory_is_tried_and_nothing_else(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_cert *renewed = leaf(PKI_P256, "site0290.example.com");
	struct sst_store *s = with_threads(2);
	int asked = 0;
	char path[64];

	(void)state;
	sst_store_on_try(s, try, &asked);
	for (size_t i = 0; i < 300; i++) {
		(void)snprintf(path, sizeof(path), "live/%04zu/pair.pem", i);
		pki_write_pair(dir, path, sites[i]);
	}
	ok(sst_store_add(s, pki_path(dir, "live"), &err), &err);
	assert_true(serves_in(s, "site0290.example.com", sites[290]));
	pki_write_pair(dir, "live/0290/pair.pem", renewed);
	ok(sst_store_rescan(s, NULL, &err), &err);
	assert_int_equal(asked, 1);
	assert_true(serves_in(s, "site0290.example.com", sites[290]));
	assert_int_equal(events.count[SST_STORE_KEPT], 1);
	sst_store_on_try(s, NULL, NULL);
	ok(sst_store_rescan(s, NULL, &err), &err);
	assert_true(serves_in(s, "site0290.example.com", renewed));
	sst_store_unref(s);
	pki_free(renewed);
}

/* Whatever is about this certificate is put off. */
static int
put_off(void *arg, const struct sst_identity *id, const char *names, int displaces,
    struct sst_error *err)
{
	unsigned char digest[32];

	(void)names, (void)displaces, (void)err;
	if (arg == NULL)
		return SST_OK;
	pki_digest(arg, digest);
	return memcmp(digest, sst_identity_digest(id), 32) == 0;
}

static void
one_that_is_put_off_does_not_hold_up_a_large_directory(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_cert *later = leaf(PKI_P256, "site0290.example.com");
	struct pki_cert *renewed = leaf(PKI_P256, "site0291.example.com");
	struct sst_store *s = with_threads(2);
	char path[64];

	(void)state;
	for (size_t i = 0; i < 300; i++) {
		(void)snprintf(path, sizeof(path), "live/%04zu/pair.pem", i);
		pki_write_pair(dir, path, sites[i]);
	}
	ok(sst_store_add(s, pki_path(dir, "live"), &err), &err);
	assert_true(serves_in(s, "site0290.example.com", sites[290]));
	pki_write_pair(dir, "live/0290/pair.pem", later);
	pki_write_pair(dir, "live/0291/pair.pem", renewed);
	sst_store_on_try(s, put_off, later);
	assert_int_equal(sst_store_rescan(s, pki_path(dir, "live"), &err), 1);
	assert_true(serves_in(s, "site0290.example.com", sites[290]));
	assert_true(serves_in(s, "site0291.example.com", renewed));
	assert_true(serves_in(s, "site0299.example.com", sites[299]));
	assert_int_equal(events.count[SST_STORE_RENEWED], 1);
	sst_store_on_try(s, put_off, NULL);
	assert_int_equal(sst_store_rescan(s, pki_path(dir, "live"), &err), SST_OK);
	assert_true(serves_in(s, "site0290.example.com", later));
	sst_store_unref(s);
	pki_free(later);
	pki_free(renewed);
}

/* Keys and chains of the directory itself may be spread over its files. */
static void
files_beside_many_folders_pair_with_each_other(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct pki_cert *mail = leaf(PKI_P256, "mail.example.com");
	struct sst_store *s = with_threads(2);
	char path[64];

	(void)state;
	for (size_t i = 0; i < 400; i++) {
		(void)snprintf(path, sizeof(path), "d/%04zu.pem", i);
		if (i < 300)
			pki_write_pair(dir, path, sites[i]);
		else
			pki_write_text(dir, path, "nothing\n");
	}
	pki_write_chain(dir, "d/aa.pem", mail);
	pki_write_key(dir, "d/zz.pem", mail);
	pki_write_pair(dir, "d/default/pair.pem", www);
	pki_write_text(dir, "d/broken.pem", "-----BEGIN CERTIFICATE-----\nx\n");
	ok(sst_store_add(s, pki_path(dir, "d"), &err), &err);
	assert_true(serves_in(s, "mail.example.com", mail));
	assert_true(serves_in(s, "site0299.example.com", sites[299]));
	assert_int_equal(events.count[SST_STORE_ADDED], 302);
	assert_int_equal(events.count[SST_STORE_REFUSED], 1);
	/* the entry `default` is the default */
	assert_true(chose(ask(s, NULL, &(struct client){ .name = NULL }), www));
	ask_reset();
	assert_int_equal(unlink(pki_path(dir, "d/aa.pem")), 0);
	ok(sst_store_rescan(s, NULL, &err), &err);
	assert_false(serves_in(s, "mail.example.com", mail));
	assert_true(serves_in(s, "site0299.example.com", sites[299]));
	assert_int_equal(events.count[SST_STORE_REMOVED], 1);
	sst_store_unref(s);
	pki_free(mail);
}

static void
one_folder_of_a_large_directory_is_read_by_itself(void **state)
{
	struct sst_store *s = counted_store(NULL);
	struct sst_error err = { .code = SST_OK };
	struct counted c;

	(void)state;
	ok(sst_store_add(s, pki_path(trees, "live"), &err), &err);
	(void)counted_since(s);
	ok(sst_store_rescan_below(s, pki_path(trees, "live"), "0600", &err), &err);
	c = counted_since(s);
	assert_int_equal(c.listed, 1);
	assert_int_equal(c.opened, 1);
	sst_store_unref(s);
}

/* Rows of a scan for facts, and of a full one. */
static void
rows_equal(const struct sst_row *a, const struct sst_row *b)
{
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->not_before, b->not_before);
	assert_int_equal(a->not_after, b->not_after);
	assert_memory_equal(a->digest, b->digest, 32);
	assert_memory_equal(a->print, b->print, 32);
	assert_memory_equal(a->names_key, b->names_key, 32);
	assert_memory_equal(a->content, b->content, 32);
	assert_string_equal(a->path, b->path);
	if (a->state == SST_ENTRY_REFUSED) {
		assert_string_equal(a->why, b->why);
		return;
	}
	assert_string_equal(a->key_type, b->key_type);
	assert_string_equal(a->issuer, b->issuer);
	assert_string_equal(a->names, b->names);
	assert_string_equal(a->warnings, b->warnings);
	assert_string_equal(a->load, b->load);
	assert_string_equal(a->load_key, b->load_key);
}

static void
facts_alone_are_the_same_facts(void **state)
{
	static const enum pki_key kinds[] = { PKI_P256, PKI_P384, PKI_P521, PKI_RSA,
	    PKI_RSA_1024, PKI_RSA_PSS, PKI_ED25519, PKI_ED448 };
	const struct sst_scan_env env = { .ops = &sst_source_files };
	const struct sst_scan_env quick = { .ops = &sst_source_files, .facts_only = 1 };
	const struct pki_spec odd[] = {
		{ .san = "a.example.com", .eku = "clientAuth" },
		{ .san = "b.example.com", .sha1 = 1 },
		{ .san = "c.example.com", .unknown_critical = 1 },
		{ .san = "d.example.com", .ca = 1 },
		{ .cn = "e.example.com" },
		{ .san = "f.example.com,*.f.example.com,IP:192.0.2.7,bad_*.x" },
	};
	struct pki_cert *c[sizeof(kinds) / sizeof(kinds[0]) +
	    sizeof(odd) / sizeof(odd[0])];
	const size_t n_kinds = sizeof(kinds) / sizeof(kinds[0]);
	const size_t n = sizeof(c) / sizeof(c[0]);
	struct sst_scan full = { 0 }, facts = { 0 };
	char path[64];

	(void)state;
	for (size_t i = 0; i < n; i++) {
		c[i] = i < n_kinds ? leaf(kinds[i], "k.example.com,IP:192.0.2.1") :
		    pki_issue(world_ca, &odd[i - n_kinds]);
		(void)snprintf(path, sizeof(path), "d/%zu.pem", i);
		pki_write_pair(dir, path, c[i]);
	}
	assert_int_equal(sst_scan_folder(&env, dir, pki_path(dir, "d"), 0, &full, NULL),
	    0);
	assert_int_equal(sst_scan_folder(&quick, dir, pki_path(dir, "d"), 0, &facts,
	    NULL), 0);
	assert_int_equal(full.n, n);
	assert_int_equal(facts.n, n);
	for (size_t i = 0; i < n; i++) {
		rows_equal(&full.v[i].row, &facts.v[i].row);
		assert_null(facts.v[i].identity);
		assert_int_equal(full.v[i].identity != NULL,
		    full.v[i].row.state == SST_ENTRY_USABLE);
	}
	sst_scan_done(&full);
	sst_scan_done(&facts);
	for (size_t i = 0; i < n; i++)
		pki_free(c[i]);
}

/* Some have a short way and some have not: the facts are the same by both. */
static void
a_key_tells_the_same_of_itself_by_the_short_way(void **state)
{
	static const struct { enum pki_key key; int quick; } rows[] = {
		{ PKI_P256, 1 }, { PKI_P384, 1 }, { PKI_P521, 1 }, { PKI_RSA, 1 },
		{ PKI_RSA_PSS, 0 }, { PKI_ED25519, 1 }, { PKI_ED448, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pki_cert *cert = leaf(rows[i].key, "k.example.com");
		struct sst_key_facts f = { 0 };
		unsigned char *der = NULL, digest[32], theirs[32], print[32];
		int len = i2d_X509(cert->cert, &der);
		char text[32];
		X509 *x;

		assert_int_equal(sst_key_facts_quick(cert->cert, &f), rows[i].quick);
		assert_int_equal(sst_key_facts_read(cert->cert, &f, NULL), 0);
		assert_int_equal(f.kind, sst_key_kind(cert->key, text, sizeof(text)));
		assert_string_equal(f.text, text);
		assert_int_equal(f.bits, EVP_PKEY_get_bits(cert->key));
		assert_int_equal(sst_key_print(cert->key, print, NULL), 0);
		assert_memory_equal(f.print, print, 32);
		/* and the certificate itself, without its key */
		x = sst_quick_read(der, (size_t)len);
		assert_int_equal(x != NULL, rows[i].quick);
		if (x != NULL) {
			assert_int_equal(sst_cert_digest(x, digest, NULL), 0);
			pki_digest(cert, theirs);
			assert_memory_equal(digest, theirs, 32);
		}
		X509_free(x);
		assert_null(sst_quick_read(der, (size_t)len - 1));
		assert_int_equal(ERR_peek_error(), 0);
		OPENSSL_free(der);
		pki_free(cert);
	}
	assert_null(sst_quick_read((const uint8_t *)"", 0));
}

#define T(f)	cmocka_unit_test_setup_teardown(f, each_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(any_number_of_threads_comes_to_the_same),
		T(what_was_read_is_served_before_the_rest_is),
		T(how_far_the_reading_of_a_large_directory_is_can_be_asked),
		T(of_a_small_directory_nothing_is_said),
		T(that_a_very_large_directory_is_read_is_told_when_it_begins_and_ends),
		T(a_large_directory_that_changed_is_brought_up_to_date),
		T(what_changed_in_a_large_directory_is_tried_and_nothing_else),
		T(one_that_is_put_off_does_not_hold_up_a_large_directory),
		T(files_beside_many_folders_pair_with_each_other),
		T(one_folder_of_a_large_directory_is_read_by_itself),
		T(facts_alone_are_the_same_facts),
		T(a_key_tells_the_same_of_itself_by_the_short_way),
	};

	return cmocka_run_group_tests(tests, pool_setup, pool_teardown);
}
