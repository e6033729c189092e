/* SPDX-License-Identifier: ISC */
/* One folder is read again: what that costs, what it leaves alone, and that what takes
 * another's place is tried first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certstore/identity.h"
#include "certstore/store.h"
#include "counted.h"
#include "each.h"
#include "world.h"

static struct pki_cert *www, *next, *rsa, *mail;

static int
below_setup(void **state)
{
	(void)world_setup(state);
	www = leaf(PKI_P256, "www.example.com");
	next = leaf(PKI_P256, "www.example.com");
	rsa = leaf(PKI_RSA, "www.example.com");
	mail = leaf(PKI_P256, "mail.example.com");
	return 0;
}

static int
below_teardown(void **state)
{
	pki_free(www);
	pki_free(next);
	pki_free(rsa);
	pki_free(mail);
	return world_teardown(state);
}

static void
add(const char *name)
{
	struct sst_error err = { .code = SST_OK };

	ok(sst_store_add(store, pki_path(dir, name), &err), &err);
}

static void
again(const char *source, const char *below)
{
	struct sst_error err = { .code = SST_OK };

	ok(sst_store_rescan_below(store, pki_path(dir, source), below, &err), &err);
}

/* `n` folders of certbot's; the keys are one and the same, to be quick. */
static void
forest(size_t n, struct pki_cert *sites[])
{
	char name[32], san[64];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "site%04zu", i);
		(void)snprintf(san, sizeof(san), "%s.example.com", name);
		sites[i] = pki_issue(world_ca, &(struct pki_spec){ .san = san,
		    .use_key = www->key });
		pki_certbot(dir, name, sites[i], 1);
	}
}

/* What it costs to see the renewal of one of `n` names; *ret_all: of all of them. */
static struct counted
renewal_cost(size_t n, struct counted *ret_all)
{
	struct pki_cert **sites = calloc(n, sizeof(*sites)), *renewed;
	struct sst_store *s = counted_store(NULL);
	struct sst_error err = { .code = SST_OK };
	struct counted cost;
	uint64_t generation;
	char *live;

	assert_non_null(sites);
	forest(n, sites);
	live = strdup(pki_path(dir, "live"));
	ok(sst_store_add(s, live, &err), &err);
	renewed = pki_issue(world_ca, &(struct pki_spec){
	    .san = "site0005.example.com", .use_key = www->key });
	pki_certbot(dir, "site0005", renewed, 2);
	generation = sst_store_generation(s);
	(void)counted_since(s);
	ok(sst_store_rescan_below(s, live, "site0005", &err), &err);
	cost = counted_since(s);
	assert_int_equal(sst_store_generation(s), generation + 1);
	assert_true(serves_in(s, "site0005.example.com", renewed));
	assert_true(serves_in(s, "site0006.example.com", sites[6]));
	(void)counted_since(s);
	ok(sst_store_rescan(s, live, &err), &err);
	*ret_all = counted_since(s);
	assert_int_equal(sst_store_generation(s), generation + 1);
	for (size_t i = 0; i < n; i++)
		pki_free(sites[i]);
	free(sites);
	pki_free(renewed);
	free(live);
	sst_store_unref(s);
	return cost;
}

static void
cs_69_the_cost_of_a_renewal_does_not_depend_on_how_many_names_there_are(void **state)
{
	struct counted few, many, all_few, all_many;

	(void)state;
	few = renewal_cost(10, &all_few);
	pki_dir_free(dir);
	dir = pki_dir_new();
	many = renewal_cost(2000, &all_many);
	assert_int_equal(few.opened, many.opened);
	assert_int_equal(few.listed, many.listed);
	assert_int_equal(few.links, many.links);
	assert_int_equal(few.steps, many.steps);
	/* one folder: its list, a chain and a key */
	assert_int_equal(many.listed, 1);
	assert_int_equal(many.opened, 2);
	assert_in_range(many.links, 2, 12);
	assert_in_range(many.steps, 20, 3000);
	/* the counters do count */
	assert_true(all_few.opened >= 20 && all_many.opened >= 4000);
	assert_true(all_many.steps > 50 * all_few.steps);
}

static void
a_folder_comes_changes_and_goes_and_its_neighbours_stay(void **state)
{
	(void)state;
	pki_write_pair(dir, "d/mail/pair.pem", mail);
	add("d");
	pki_write_pair(dir, "d/www/pair.pem", www);
	again("d", "www");
	assert_true(serves("www.example.com", www));
	pki_write_pair(dir, "d/www/pair.pem", next);
	assert_true(serves("www.example.com", www));
	/* a path in the folder stands for the folder */
	again("d", "www/pair.pem");
	assert_true(serves("www.example.com", next));
	assert_int_equal(events.count[SST_STORE_RENEWED], 1);
	/* another folder's change is not seen through this one */
	pki_write_pair(dir, "d/mail/pair.pem", www);
	again("d", "www");
	assert_true(serves("mail.example.com", mail));
	assert_int_equal(unlink(pki_path(dir, "d/www/pair.pem")), 0);
	again("d", "www");
	assert_false(serves("www.example.com", next));
	assert_int_equal(events.count[SST_STORE_REMOVED], 1);
	pki_write_pair(dir, "d/www/pair.pem", next);
	again("d", "/www/");
	assert_true(serves("www.example.com", next));
	assert_int_equal(unlink(pki_path(dir, "d/www/pair.pem")), 0);
	assert_int_equal(rmdir(pki_path(dir, "d/www")), 0);
	again("d", "www");
	assert_false(serves("www.example.com", next));
	assert_true(serves("mail.example.com", mail));
	assert_int_equal(events.count[SST_STORE_REMOVED], 2);
}

static void
a_name_that_begins_with_a_folders_name_is_another_folder(void **state)
{
	(void)state;
	pki_write_pair(dir, "d/www/pair.pem", www);
	pki_write_pair(dir, "d/www0/pair.pem", mail);
	pki_write_pair(dir, "d/www.pem", rsa);
	add("d");
	assert_int_equal(unlink(pki_path(dir, "d/www/pair.pem")), 0);
	again("d", "www");
	assert_true(serves("www.example.com", rsa));
	assert_true(serves("mail.example.com", mail));
	assert_int_equal(events.count[SST_STORE_REMOVED], 1);
}

static void
a_file_stands_for_all_files_of_the_directory_and_for_no_folder(void **state)
{
	(void)state;
	pki_write_pair(dir, "d/mail/pair.pem", mail);
	pki_write_chain(dir, "d/chain.pem", www);
	pki_write_key(dir, "d/key.pem", www);
	add("d");
	/* the key is in another file */
	pki_write_chain(dir, "d/chain.pem", next);
	pki_write_key(dir, "d/key.pem", next);
	pki_write_pair(dir, "d/mail/pair.pem", rsa);
	again("d", "chain.pem");
	assert_true(serves("www.example.com", next));
	assert_true(serves("mail.example.com", mail));
	assert_int_equal(unlink(pki_path(dir, "d/chain.pem")), 0);
	again("d", "chain.pem");
	assert_false(serves("www.example.com", next));
	assert_true(serves("mail.example.com", mail));
	/* a file that was never there changes nothing */
	again("d", "never.pem");
	assert_int_equal(events.count[SST_STORE_REMOVED], 1);
}

/* A directory of files that hold all they need, as some proxies have it. */
static void
a_file_with_all_it_needs_is_read_alone(void **state)
{
	struct counted c;
	char path[32];

	(void)state;
	sst_store_unref(store);
	store = counted_store(NULL);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(path, sizeof(path), "d/%d.pem", i);
		pki_write_pair(dir, path, rsa);
	}
	pki_write_pair(dir, "d/mail.pem", mail);
	add("d");
	pki_write_pair(dir, "d/mail.pem", www);
	(void)counted_since(store);
	again("d", "mail.pem");
	c = counted_since(store);
	assert_in_range(c.opened, 1, 3);
	assert_false(serves("mail.example.com", mail));
	/* a new one, one that is gone, and one that needs another */
	pki_write_pair(dir, "d/new.pem", mail);
	again("d", "new.pem");
	assert_in_range(counted_since(store).opened, 1, 3);
	assert_true(serves("mail.example.com", mail));
	assert_int_equal(unlink(pki_path(dir, "d/new.pem")), 0);
	again("d", "new.pem");
	assert_false(serves("mail.example.com", mail));
	(void)counted_since(store);
	pki_write_chain(dir, "d/mail.pem", mail);
	pki_write_key(dir, "d/key.pem", mail);
	again("d", "mail.pem");
	assert_true(counted_since(store).opened >= 20);
	assert_true(serves("mail.example.com", mail));
	pki_write_key(dir, "d/mail.pem", mail);
	pki_write_chain(dir, "d/key.pem", mail);
	again("d", "mail.pem");
	assert_true(counted_since(store).opened >= 20);
	assert_true(serves("mail.example.com", mail));
}

static void
everything_is_read_where_no_folder_is_named(void **state)
{
	static const char *const all[] = { "", "/", ".", "..", "../d", "./www" };

	(void)state;
	pki_write_pair(dir, "d/www/pair.pem", www);
	pki_write_pair(dir, "d/mail/pair.pem", mail);
	add("d");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const struct pki_cert *now = i % 2 == 0 ? next : www;

		pki_write_pair(dir, "d/www/pair.pem", now);
		again("d", all[i]);
		if (!serves("www.example.com", now))
			fail_msg("\"%s\"", all[i]);
	}
	/* a source that is a file has nothing below it */
	pki_write_pair(dir, "a.pem", rsa);
	add("a.pem");
	pki_write_pair(dir, "a.pem", mail);
	again("a.pem", "x");
	assert_int_equal(events.count[SST_STORE_RENEWED], 7);
	assert_int_equal(sst_store_rescan_below(store, pki_path(dir, "none"), "x", NULL),
	    SST_E_NOT_FOUND);
}

static void
what_is_left_behind_by_others_is_not_looked_at(void **state)
{
	struct counted c;

	(void)state;
	sst_store_unref(store);
	store = counted_store(NULL);
	pki_write_pair(dir, "d/www/pair.pem", www);
	add("d");
	pki_write_pair(dir, "d/.new/pair.pem", mail);
	(void)counted_since(store);
	again("d", ".new/pair.pem");
	again("d", "pair.pem.swp");
	c = counted_since(store);
	assert_int_equal(c.opened + c.listed, 0);
	assert_false(serves("mail.example.com", mail));
	again("d", "www");
	c = counted_since(store);
	assert_int_equal(c.listed, 1);
}

static void
cs_51_a_folder_that_is_a_link_out_of_the_directory_is_not_read(void **state)
{
	(void)state;
	pki_write_pair(dir, "d/www/pair.pem", www);
	pki_write_pair(dir, "out/pair.pem", mail);
	add("d");
	pki_link(dir, "d/mail", "../out");
	again("d", "mail");
	assert_false(serves("mail.example.com", mail));
	assert_int_equal(events.count[SST_STORE_REFUSED], 1);
	assert_non_null(strstr(events.text, "leaves the directory"));
	/* the link is refused: what it leads to is not even listed */
	assert_string_equal(events.source, pki_path(dir, "d/mail"));
	assert_int_equal(unlink(pki_path(dir, "d/mail")), 0);
	pki_write_pair(dir, "d/.in/pair.pem", mail);
	pki_link(dir, "d/mail", ".in");
	again("d", "mail");
	assert_true(serves("mail.example.com", mail));
}

/* Rights to a folder are lost: what was read in it goes on. */
static void
cs_54_a_folder_that_cannot_be_listed_keeps_what_it_had(void **state)
{
	static const char *const how[] = { "www", "" };
	char refused[512];

	(void)state;
	(void)snprintf(refused, sizeof(refused), "%s", pki_path(dir, "d/www"));
	for (size_t i = 0; i < 2; i++) {
		sst_store_unref(store);
		store = counted_store(NULL);
		pki_write_pair(dir, "d/www/pair.pem", www);
		pki_write_pair(dir, "d/mail/pair.pem", mail);
		add("d");
		pki_write_pair(dir, "d/www/pair.pem", next);
		counted_refuses = refused;
		again("d", how[i]);
		/* its file has another by now: what was read is held in memory */
		assert_true(serves("www.example.com", www));
		assert_true(serves("mail.example.com", mail));
		counted_refuses = NULL;
		again("d", how[i]);
		assert_true(serves("www.example.com", next));
	}
}

static int
note_refused(void *arg, const struct sst_entry *e)
{
	*(int *)arg += e->state == SST_ENTRY_REFUSED;
	return 0;
}

static void
a_refused_folder_leaves_no_trace_when_it_can_be_read(void **state)
{
	char refused[512];
	int n = 0;

	(void)state;
	sst_store_unref(store);
	store = counted_store(NULL);
	(void)snprintf(refused, sizeof(refused), "%s", pki_path(dir, "d/www"));
	pki_write_pair(dir, "d/www/pair.pem", www);
	counted_refuses = refused;
	add("d");
	assert_int_equal(sst_store_each(store, note_refused, &n, NULL), 0);
	assert_int_equal(n, 1);
	counted_refuses = NULL;
	again("d", "www");
	n = 0;
	assert_int_equal(sst_store_each(store, note_refused, &n, NULL), 0);
	assert_int_equal(n, 0);
	assert_true(serves("www.example.com", www));
}

/* A trial that refuses the certificate `bad`, or (1) puts it off, and counts. */
struct trial {
	const struct pki_cert *bad;
	int	 later;
	int	 asked;		/* about what displaces another, */
	int	 new;		/* and about what does not */
	char	 names[200];
};

static int
try(void *arg, const struct sst_identity *id, const char *names, int displaces,
    struct sst_error *err)
{
	unsigned char digest[32];
	struct trial *t = arg;

	t->asked += displaces;
	t->new += !displaces;
	(void)snprintf(t->names, sizeof(t->names), "%s", names);
	/* no lock is held: the store can be asked */
	(void)sst_store_retry_due(store);
	if (t->bad == NULL)
		return SST_OK;
	pki_digest(t->bad, digest);
	if (memcmp(digest, sst_identity_digest(id), 32) != 0)
		return SST_OK;
	if (t->later)
		return 1;
	err->code = SST_E_REFUSED;
	(void)snprintf(err->text, sizeof(err->text), "it spoke no TLS");
	return SST_E_REFUSED;
}

static void
what_fails_its_trial_does_not_take_anothers_place(void **state)
{
	struct trial t = { .bad = next };

	(void)state;
	sst_store_on_try(store, try, &t);
	pki_write_pair(dir, "d/www/pair.pem", www);
	pki_write_pair(dir, "d/mail/pair.pem", mail);
	add("d");
	/* the first reading, and what did not change, are not tried */
	again("d", "www");
	again("d", "");
	assert_int_equal(t.asked, 0);
	pki_write_pair(dir, "d/www/pair.pem", next);
	again("d", "www");
	assert_int_equal(t.asked, 1);
	assert_string_equal(t.names, "www.example.com\n");
	assert_true(serves("www.example.com", www));
	assert_int_equal(events.count[SST_STORE_KEPT], 1);
	assert_non_null(strstr(events.text, "it spoke no TLS"));
	/* told once, tried again: it may have been the trial's fault */
	again("d", "");
	assert_int_equal(t.asked, 2);
	assert_int_equal(events.count[SST_STORE_KEPT], 1);
	assert_true(serves("www.example.com", www));
	t.bad = NULL;
	again("d", "www");
	assert_int_equal(t.asked, 3);
	assert_true(serves("www.example.com", next));
	assert_int_equal(events.count[SST_STORE_RENEWED], 1);
}

static void
what_would_be_served_for_anothers_name_is_tried(void **state)
{
	struct pki_cert *wild = leaf(PKI_P256, "*.example.com");
	struct trial t = { .bad = NULL };

	(void)state;
	sst_store_on_try(store, try, &t);
	pki_write_pair(dir, "d/wild.pem", wild);
	add("d");
	/* the wildcard served www.example.com; nobody serves mail.example.net */
	t.bad = www;
	pki_write_pair(dir, "d/www/pair.pem", www);
	again("d", "www");
	assert_int_equal(t.asked, 1);
	assert_true(serves("www.example.com", wild));
	assert_int_equal(events.count[SST_STORE_REFUSED], 1);
	t.bad = NULL;
	again("d", "www");
	assert_true(serves("www.example.com", www));
	pki_free(wild);
	wild = leaf(PKI_P256, "mail.example.net");
	pki_write_pair(dir, "d/net/pair.pem", wild);
	again("d", "net");
	assert_int_equal(t.asked, 2);
	assert_true(serves("mail.example.net", wild));
	pki_free(wild);
}

/* The same place, and not one name in common. */
static void
what_takes_anothers_file_is_tried(void **state)
{
	struct trial t = { .bad = mail };

	(void)state;
	sst_store_on_try(store, try, &t);
	pki_write_pair(dir, "d/a/pair.pem", www);
	add("d");
	pki_write_pair(dir, "d/a/pair.pem", mail);
	again("d", "a");
	assert_int_equal(t.asked, 1);
	assert_true(serves("www.example.com", www));
	t.bad = NULL;
	again("d", "a");
	assert_true(serves("mail.example.com", mail));
}

/* It is not refused either: nothing happens, until it is taken. */
static void
what_is_put_off_leaves_its_folder_as_it_was(void **state)
{
	struct trial t = { .bad = next, .later = 1 };
	struct pki_cert *other = leaf(PKI_P256, "other.example.com");
	uint64_t generation;

	(void)state;
	sst_store_on_try(store, try, &t);
	pki_write_pair(dir, "d/www/pair.pem", www);
	add("d");
	assert_int_equal(t.new, 1);
	generation = sst_store_generation(store);
	(void)memset(&events, 0, sizeof(events));
	pki_write_pair(dir, "d/www/pair.pem", next);
	pki_write_pair(dir, "d/www/other.pem", other);
	assert_int_equal(sst_store_rescan_below(store, pki_path(dir, "d"), "www", NULL), 1);
	again("d", "");
	assert_true(serves("www.example.com", www));
	assert_false(serves("other.example.com", other));
	assert_int_equal(sst_store_generation(store), generation);
	assert_string_equal(events.text, "");
	/* what is new is asked about too, and what is in another folder goes its way */
	pki_write_pair(dir, "d/mail/pair.pem", mail);
	t.new = 0;
	again("d", "mail");
	assert_int_equal(t.new, 1);
	assert_true(serves("mail.example.com", mail));
	t.bad = NULL;
	again("d", "www");
	assert_true(serves("www.example.com", next));
	assert_true(serves("other.example.com", other));
	pki_free(other);
}

static void
files_bytes_and_keys_are_put_off_as_well(void **state)
{
	struct trial t = { .bad = next, .later = 1 };
	struct sst_error err = { .code = SST_OK };
	struct pki_buf b = { 0 };

	(void)state;
	sst_store_on_try(store, try, &t);
	pki_put_chain(&b, next);
	pki_put_key(&b, next);
	pki_write_chain(dir, "chain.pem", next);
	pki_write_key(dir, "key.pem", next);
	for (int i = 0; i < 2; i++) {
		t.bad = i == 0 ? next : NULL;
		ok(sst_store_add_bytes(store, b.data, b.len, &err), &err);
		assert_int_equal(serves("www.example.com", next), i);
	}
	ok(sst_store_remove(store, "*", &err), &err);
	add("chain.pem");
	for (int i = 0; i < 2; i++) {
		t.bad = i == 0 ? next : NULL;
		ok(sst_store_add_key(store, pki_path(dir, "key.pem"), &err), &err);
		assert_int_equal(serves("www.example.com", next), i);
	}
	ok(sst_store_remove(store, "*", &err), &err);
	pki_write_pair(dir, "a.pem", next);
	for (int i = 0; i < 2; i++) {
		t.bad = i == 0 ? next : NULL;
		add("a.pem");
		assert_int_equal(serves("www.example.com", next), i);
	}
	pki_buf_free(&b);
}

static void
files_bytes_and_keys_are_tried_as_well(void **state)
{
	struct sst_error err = { .code = SST_OK };
	struct trial t = { .bad = next };
	struct pki_buf b = { 0 };

	(void)state;
	sst_store_on_try(store, try, &t);
	pki_write_pair(dir, "a.pem", www);
	add("a.pem");
	assert_int_equal(t.asked, 0);
	pki_write_pair(dir, "a.pem", next);
	assert_int_equal(sst_store_rescan(store, NULL, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "it spoke no TLS"));
	assert_true(serves("www.example.com", www));
	assert_int_equal(events.count[SST_STORE_KEPT], 1);
	/* bytes for a name that a file serves */
	pki_put_chain(&b, next);
	pki_put_key(&b, next);
	err = (struct sst_error){ .code = SST_OK };
	assert_int_equal(sst_store_add_bytes(store, b.data, b.len, &err), SST_E_REFUSED);
	assert_true(serves("www.example.com", www));
	/* a chain whose key comes later */
	pki_write_chain(dir, "chain.pem", next);
	pki_write_key(dir, "key.pem", next);
	add("chain.pem");
	err = (struct sst_error){ .code = SST_OK };
	assert_int_equal(sst_store_add_key(store, pki_path(dir, "key.pem"), &err),
	    SST_E_REFUSED);
	assert_true(serves("www.example.com", www));
	t.bad = NULL;
	err = (struct sst_error){ .code = SST_OK };
	ok(sst_store_add_key(store, pki_path(dir, "key.pem"), &err), &err);
	assert_int_equal(sst_store_rescan(store, NULL, &err), SST_OK);
	assert_true(serves("www.example.com", next));
	pki_buf_free(&b);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, each_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(cs_69_the_cost_of_a_renewal_does_not_depend_on_how_many_names_there_are),
		T(a_folder_comes_changes_and_goes_and_its_neighbours_stay),
		T(a_name_that_begins_with_a_folders_name_is_another_folder),
		T(a_file_stands_for_all_files_of_the_directory_and_for_no_folder),
		T(a_file_with_all_it_needs_is_read_alone),
		T(everything_is_read_where_no_folder_is_named),
		T(what_is_left_behind_by_others_is_not_looked_at),
		T(cs_51_a_folder_that_is_a_link_out_of_the_directory_is_not_read),
		T(cs_54_a_folder_that_cannot_be_listed_keeps_what_it_had),
		T(a_refused_folder_leaves_no_trace_when_it_can_be_read),
		T(what_fails_its_trial_does_not_take_anothers_place),
		T(what_would_be_served_for_anothers_name_is_tried),
		T(what_takes_anothers_file_is_tried),
		T(what_is_put_off_leaves_its_folder_as_it_was),
		T(files_bytes_and_keys_are_put_off_as_well),
		T(files_bytes_and_keys_are_tried_as_well),
	};

	return cmocka_run_group_tests(tests, below_setup, below_teardown);
}
