/* SPDX-License-Identifier: ISC */
/*
 * ahead - a name of a directory in one question: what is read is the same, and what was
 * not answered is asked for.
 *
 * The source is the file system, and answers as the keeper does; all are counted.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "certstore/ahead.h"
#include "certstore/scan_unit.h"
#include "each.h"
#include "keeper/ahead.h"
#include "support/fds.h"
#include "world.h"

static struct pki_cert *site;
static char root[256];

/* How often each was asked, and what is answered instead, by test. */
static int opened, listed, links, aheads;
static struct sst_answer *instead;

static int
count_open(void *ctx, const char *path, int *ret_fd, struct sst_error *err)
{
	opened++;
	return sst_source_files.open(ctx, path, ret_fd, err);
}

static int
count_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
    void *arg, struct sst_error *err)
{
	listed++;
	return sst_source_files.list(ctx, path, each, arg, err);
}

static int
count_readlink(void *ctx, const char *path, char *out, size_t size, struct sst_error *err)
{
	links++;
	return sst_source_files.readlink(ctx, path, out, size, err);
}

static int
count_exposed(void *ctx, const char *path, struct sst_error *err)
{
	return sst_source_files.exposed(ctx, path, err);
}

static int
count_ahead(void *ctx, const char *path, struct sst_answer *ret)
{
	long n;

	(void)ctx;
	aheads++;
	if (instead != NULL) {
		*ret = *instead;
		return SST_OK;
	}
	n = sst_ahead_answer(root, path, ret->text, sizeof(ret->text), &ret->is_folder,
	    ret->fd, &ret->n_fds);
	ret->len = n < 0 ? 0 : (size_t)n;
	return n < 0 ? SST_E_SYSTEM : SST_OK;
}

static const struct sst_source_ops by_steps = {
	.open = count_open,
	.list = count_list,
	.exposed = count_exposed,
	.readlink = count_readlink,
}, at_once = {
	.open = count_open,
	.list = count_list,
	.exposed = count_exposed,
	.readlink = count_readlink,
	.ahead = count_ahead,
};

static const struct sst_scan_env steps_env = { .ops = &by_steps },
    once_env = { .ops = &at_once };

static void
count_anew(void)
{
	opened = listed = links = aheads = 0;
}

static int
ahead_setup(void **state)
{
	(void)world_setup(state);
	site = leaf(PKI_P256, "www.example.com");
	return 0;
}

static int
ahead_teardown(void **state)
{
	pki_free(site);
	return world_teardown(state);
}

static int
live_setup(void **state)
{
	int rc = each_setup(state);

	instead = NULL;
	(void)snprintf(root, sizeof(root), "%s/live", dir);
	count_anew();
	return rc;
}

static void
scan(const struct sst_scan_env *env, const char *folder, struct sst_scan *ret)
{
	struct sst_error err = { .code = SST_OK };
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", root, folder);
	ok(sst_scan_folder(env, root, path, 0, ret, &err), &err);
}

/* The folder reads the same in both ways; its only entry is in that state. */
static void
assert_same(const char *folder, enum sst_entry_state state, const char *load_key)
{
	struct sst_scan steps = { 0 }, once = { 0 };
	int before = fds_open();

	scan(&steps_env, folder, &steps);
	count_anew();
	scan(&once_env, folder, &once);
	assert_int_equal(steps.n, 1);
	assert_int_equal(once.n, 1);
	assert_int_equal(once.v[0].row.state, state);
	assert_int_equal(steps.v[0].row.state, state);
	assert_memory_equal(once.v[0].row.content, steps.v[0].row.content, 32);
	assert_string_equal(once.v[0].row.path, steps.v[0].row.path);
	assert_string_equal(once.v[0].row.load, steps.v[0].row.load);
	assert_string_equal(once.v[0].row.load_key, steps.v[0].row.load_key);
	assert_string_equal(once.v[0].row.load_key, load_key);
	sst_scan_done(&steps);
	sst_scan_done(&once);
	assert_int_equal(fds_open(), before);
}

static void
a_folder_of_certbots_is_read_by_one_question(void **state)
{
	struct sst_scan steps = { 0 };

	(void)state;
	pki_certbot(dir, "site", site, 1);
	assert_same("site", SST_ENTRY_USABLE, pki_path(dir, "archive/site/privkey1.pem"));
	assert_int_equal(aheads, 1);
	assert_int_equal(opened + listed + links, 0);
	/* without it */
	scan(&steps_env, "site", &steps);
	sst_scan_done(&steps);
	assert_true(opened + listed + links >= 8);
}

static void
a_folder_of_plain_files_is_read_by_one_question(void **state)
{
	(void)state;
	pki_write_chain(dir, "live/site/tls.pem", site);
	pki_write_key(dir, "live/site/key.pem", site);
	assert_same("site", SST_ENTRY_USABLE, pki_path(dir, "live/site/key.pem"));
	assert_int_equal(aheads, 1);
	assert_int_equal(opened + listed + links, 0);
}

static void
a_file_of_the_directory_is_read_by_one_question(void **state)
{
	struct sst_scan out = { .is_dir = 1 };
	struct sst_unit u = { .env = &once_env, .is_dir = 1, .out = &out };
	struct sst_error err = { .code = SST_OK };

	(void)state;
	pki_write_pair(dir, "live/pair.pem", site);
	ok(sst_unit_name(&u, root, pki_path(dir, "live/pair.pem"), &err), &err);
	assert_int_equal(u.n, 1);
	assert_ptr_equal(u.env, &once_env);
	assert_int_equal(aheads, 1);
	assert_int_equal(opened + listed + links, 0);
	sst_unit_done(&u);
	sst_scan_done(&out);
}

/* A key that is a link is not in the answer: it is asked for. */
static void
what_was_not_answered_is_asked_for(void **state)
{
	(void)state;
	pki_certbot(dir, "site", site, 1);
	pki_certbot_archive(dir, "site", site, 2);
	assert_int_equal(unlink(pki_path(dir, "archive/site/privkey2.pem")), 0);
	pki_link(dir, "archive/site/privkey2.pem", "privkey1.pem");
	pki_certbot_unlink(dir, "site", "privkey");
	pki_certbot_link(dir, "site", "privkey", 2);
	pki_certbot_unlink(dir, "site", "fullchain");
	pki_certbot_link(dir, "site", "fullchain", 2);
	assert_same("site", SST_ENTRY_USABLE, pki_path(dir, "archive/site/privkey1.pem"));
	assert_int_equal(aheads, 1);
	assert_int_equal(opened, 1);
	assert_int_equal(links, 2);
}

/* A folder that is a link leads where links may lead, and is read step by step. */
static void
a_link_to_a_folder_is_read_as_ever(void **state)
{
	(void)state;
	pki_write_pair(dir, "live/real/pair.pem", site);
	pki_link(dir, "live/site", "real");
	assert_same("site", SST_ENTRY_USABLE, pki_path(dir, "live/real/pair.pem"));
	assert_int_equal(aheads, 1);
	assert_true(opened > 0 && links > 0);
}

/* Makes the answer that is given next. */
static void
answer(int is_folder, const char *text, size_t len, int n_fds)
{
	static struct sst_answer a;

	a = (struct sst_answer){ .is_folder = is_folder, .len = len,
	    .n_fds = (size_t)n_fds };
	memcpy(a.text, text, len);
	for (int i = 0; i < n_fds; i++)
		a.fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	instead = &a;
}

#define ANSWER(is_folder, text, n_fds)	answer(is_folder, text, sizeof(text), n_fds)

static int
is_taken(void)
{
	struct sst_ahead a;
	int before = fds_open() - (int)instead->n_fds, taken;

	taken = sst_ahead_ask(&a, &once_env, "/r/n") != &once_env;
	assert_int_equal(a.is_folder, taken && instead->is_folder);
	sst_ahead_done(&a);
	assert_int_equal(fds_open(), before);
	return taken;
}

static void
an_answer_of_another_form_is_none(void **state)
{
	(void)state;
	ANSWER(1, "a\0\0b\0t\0\0/r/n/a", 1);
	assert_true(is_taken());
	ANSWER(1, "", 0);
	assert_true(is_taken());
	ANSWER(0, "\0/r/n", 1);
	assert_true(is_taken());

	answer(1, "", 0, 0);			/* nothing */
	assert_false(is_taken());
	answer(1, "a\0\0b\0t\0\0/r/n/a", 13, 1);	/* no NUL at its end */
	assert_false(is_taken());
	ANSWER(1, "a\0\0b\0t", 0);		/* no end of the names */
	assert_false(is_taken());
	ANSWER(1, "a\0\0b", 0);			/* a name without a target */
	assert_false(is_taken());
	ANSWER(1, "a/b\0\0", 0);		/* a name that is a path */
	assert_false(is_taken());
	ANSWER(1, "a\0\0", 1);			/* a descriptor without a path */
	assert_false(is_taken());
	ANSWER(1, "a\0\0\0/r/n/a", 0);		/* a path without a descriptor */
	assert_false(is_taken());
}

/* The text has an end, whatever its length is said to be; `path` of so many octets. */
static int
is_taken_of_path(size_t len)
{
	static struct sst_answer a;

	memset(&a, 0, sizeof(a));
	a.len = 1 + len + 1;
	a.n_fds = 1;
	memset(a.text + 1, 'p', len < sizeof(a.text) - 1 ? len : sizeof(a.text) - 1);
	a.fd[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	instead = &a;
	return is_taken();
}

static void
an_answer_that_is_longer_than_its_room_is_none(void **state)
{
	(void)state;
	assert_true(is_taken_of_path(1));
	assert_true(is_taken_of_path(SST_ANSWER_SIZE - 2));
	assert_false(is_taken_of_path(SST_ANSWER_SIZE - 1));
	assert_false(is_taken_of_path(SIZE_MAX - 2));
}

/* As many as there is room for are closed, and no other. */
static void
an_answer_of_more_descriptors_than_its_room_is_none(void **state)
{
	static const char text[] = "\0/1\0/2\0/3\0/4\0/5";
	static struct sst_answer a;
	struct sst_ahead ahead;
	int before = fds_open(), spare[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		spare[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	answer(0, text, sizeof(text) - 3, 4);
	assert_true(is_taken());
	memset(&a, 0, sizeof(a));
	memcpy(a.text, text, sizeof(text));
	a.len = sizeof(text);
	for (int i = 0; i < SST_ANSWER_FDS; i++)
		a.fd[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	a.n_fds = SST_ANSWER_FDS + 1;
	instead = &a;
	assert_ptr_equal(sst_ahead_ask(&ahead, &once_env, "/r/n"), &once_env);
	sst_ahead_done(&ahead);
	assert_int_equal(fds_open(), before + 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(close(spare[i]), 0);
}

/* Through the source behind it everything was asked that the answer does not say. */
static void
a_link_is_said_to_be_none_only_where_that_is_known(void **state)
{
	static const struct { const char *path; int is_known; } rows[] = {
		{ "/t/r/n", 1 }, { "/t/r/n/a", 1 }, { "/t/r/n/none", 0 },
		{ "/t/arch", 1 }, { "/t/arch/n", 1 }, { "/t/arch/n/f", 1 },
		{ "/t/arch/n/g", 0 }, { "/t/arc", 0 }, { "/t/r", 0 }, { "/t", 0 },
		{ "/t/r/n2", 0 }, { "/t/r/n/a/b", 0 },
	};
	struct sst_error err = { .code = SST_OK };
	const struct sst_scan_env *env;
	struct sst_ahead a;
	char out[8];

	(void)state;
	ANSWER(1, "a\0\0l\0target!\0m\0longer!!\0\0/t/arch/n/f", 1);
	env = sst_ahead_ask(&a, &once_env, "/t/r/n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		links = 0;
		assert_int_equal(env->ops->readlink(env->ctx, rows[i].path, out,
		    sizeof(out), &err), SST_E_NOT_FOUND);
		assert_int_equal(links, !rows[i].is_known);
	}
	assert_int_equal(env->ops->readlink(env->ctx, "/t/r/n/l", out, sizeof(out), &err),
	    SST_OK);
	assert_string_equal(out, "target!");
	assert_int_equal(env->ops->readlink(env->ctx, "/t/r/n/m", out, sizeof(out), &err),
	    SST_E_SYSTEM);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
	/* Behind the end of the folder's own path nothing is read. */
	assert_int_equal(env->ops->readlink(env->ctx, "/t/r/n\0l", out, sizeof(out), &err),
	    SST_E_NOT_FOUND);
	sst_ahead_done(&a);
}

/* What an answer says of names, when it is about a file, is not believed. */
static void
a_file_has_no_names(void **state)
{
	const struct sst_scan_env *env;
	struct sst_ahead a;
	char out[8];

	(void)state;
	ANSWER(0, "a\0t\0\0/r/n", 1);
	env = sst_ahead_ask(&a, &once_env, "/r/n");
	assert_true(env->ops->list(env->ctx, "/r/n", NULL, NULL, NULL) < 0);
	assert_int_equal(listed, 1);
	assert_int_equal(env->ops->readlink(env->ctx, "/r/n/a", out, sizeof(out), NULL),
	    SST_E_NOT_FOUND);
	assert_int_equal(links, 1);
	sst_ahead_done(&a);
}

static int
is_gone(void *ctx)
{
	return ctx == &instead;
}

static void
who_is_gone_behind_it_is_gone(void **state)
{
	struct sst_source_ops ops = at_once;
	struct sst_scan_env gone = { .ops = &ops };
	const struct sst_scan_env *env;
	struct sst_ahead a;

	(void)state;
	for (int i = 0; i < 3; i++) {
		ops.gone = i > 0 ? is_gone : NULL;
		gone.ctx = i > 1 ? &instead : NULL;
		ANSWER(1, "", 0);
		env = sst_ahead_ask(&a, &gone, "/r/n");
		assert_ptr_not_equal(env, &gone);
		assert_int_equal(env->ops->gone(env->ctx), i > 1);
		sst_ahead_done(&a);
	}
}

static void
a_descriptor_is_handed_out_once(void **state)
{
	struct sst_error err = { .code = SST_OK };
	const struct sst_scan_env *env;
	struct sst_ahead a;
	int fd = -1, before;

	(void)state;
	before = fds_open();
	ANSWER(0, "\0/dev/zero", 1);
	env = sst_ahead_ask(&a, &once_env, "/dev/zero");
	ok(env->ops->open(env->ctx, "/dev/zero", &fd, &err), &err);
	assert_int_equal(opened, 0);
	(void)close(fd);
	ok(env->ops->open(env->ctx, "/dev/zero", &fd, &err), &err);
	assert_int_equal(opened, 1);
	(void)close(fd);
	sst_ahead_done(&a);
	assert_int_equal(fds_open(), before);
}

static int
stop_at_b(void *arg, const char *name)
{
	(void)strcat(arg, name);
	return strcmp(name, "b") == 0 ? SST_E_LIMIT : SST_OK;
}

static void
a_listing_ends_where_its_caller_says(void **state)
{
	const struct sst_scan_env *env;
	struct sst_ahead a;
	char names[16] = "";

	(void)state;
	ANSWER(1, "a\0\0c\0t\0", 0);
	env = sst_ahead_ask(&a, &once_env, "/r/n");
	assert_int_equal(env->ops->list(env->ctx, "/r/n", stop_at_b, names, NULL), SST_OK);
	assert_string_equal(names, "ac");
	assert_int_equal(listed, 0);
	assert_true(env->ops->list(env->ctx, "/r/other", stop_at_b, names, NULL) < 0);
	assert_int_equal(listed, 1);
	sst_ahead_done(&a);
	ANSWER(1, "a\0\0b\0t\0c\0\0", 0);
	env = sst_ahead_ask(&a, &once_env, "/r/n");
	names[0] = '\0';
	assert_int_equal(env->ops->list(env->ctx, "/r/n", stop_at_b, names, NULL),
	    SST_E_LIMIT);
	assert_string_equal(names, "ab");
	sst_ahead_done(&a);
}

#define TEST(test)	cmocka_unit_test_setup_teardown(test, live_setup, each_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_folder_of_certbots_is_read_by_one_question),
		TEST(a_folder_of_plain_files_is_read_by_one_question),
		TEST(a_file_of_the_directory_is_read_by_one_question),
		TEST(what_was_not_answered_is_asked_for),
		TEST(a_link_to_a_folder_is_read_as_ever),
		TEST(an_answer_of_another_form_is_none),
		TEST(an_answer_that_is_longer_than_its_room_is_none),
		TEST(an_answer_of_more_descriptors_than_its_room_is_none),
		TEST(a_link_is_said_to_be_none_only_where_that_is_known),
		TEST(a_file_has_no_names),
		TEST(who_is_gone_behind_it_is_gone),
		TEST(a_descriptor_is_handed_out_once),
		TEST(a_listing_ends_where_its_caller_says),
	};

	return cmocka_run_group_tests(tests, ahead_setup, ahead_teardown);
}
