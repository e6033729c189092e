/* SPDX-License-Identifier: ISC */
/* One name of a source with all that its reader asks next: what is in such an answer,
 * and what is left for questions of its own. */
#include "place.h"

#include "keeper/ahead.h"
#include "support/fds.h"

#include <dirent.h>
#include <errno.h>

/* What every entry of a directory is said to be; -1: what it is. */
static int said_type = -1;

ssize_t	__real_getdents64(int fd, void *buf, size_t size);
ssize_t	__wrap_getdents64(int fd, void *buf, size_t size);

ssize_t
__wrap_getdents64(int fd, void *buf, size_t size)
{
	const ssize_t n = __real_getdents64(fd, buf, size);
	struct dirent64 *d;

	for (ssize_t at = 0; said_type >= 0 && at < n; at += d->d_reclen) {
		d = (struct dirent64 *)(void *)((char *)buf + at);
		d->d_type = (unsigned char)said_type;
	}
	return n;
}

struct said {
	long	 len;
	int	 code, is_dir, fd[SST_WIRE_FDS];
	size_t	 n_fds;
	char	 text[SST_OPEN_DATA_MAX];
};

static struct said said;

/* What is said of `name` in `source`, with `size` octets of room. 1, or 0. */
static int
ask_in(struct place *p, const char *source, const char *name, size_t size)
{
	char path[PATH_MAX];

	(void)strcpy(path, at(p, name));
	errno = 0;
	said.len = sst_ahead_answer(at(p, source), path, said.text, size, &said.is_dir,
	    said.fd, &said.n_fds);
	said.code = errno;
	return said.len >= 0;
}

static int
ask(struct place *p, const char *source, const char *name)
{
	return ask_in(p, source, name, sizeof(said.text));
}

static const char *
next(const char *text)
{
	assert_true(text < said.text + said.len);
	return text + strlen(text) + 1;
}

/* The target that was said of an entry, or NULL. */
static const char *
target(const char *name)
{
	for (const char *t = said.text; *t != '\0'; t = next(next(t)))
		if (strcmp(t, name) == 0)
			return next(t);
	return NULL;
}

/* How many entries there are. *ret_paths: what stands behind them. */
static size_t
entries(const char **ret_paths)
{
	const char *t = said.text;
	size_t n = 0;

	for (; *t != '\0'; t = next(next(t)))
		n++;
	*ret_paths = next(t);
	return n;
}

/* There are just these files, in any order; their descriptors are closed. */
static void
assert_files(struct place *p, const char *const files[][2], size_t n)
{
	const char *path;
	size_t k;

	(void)entries(&path);
	assert_int_equal(said.n_fds, n);
	for (size_t i = 0; i < n; i++) {
		for (k = 0; k < n && strcmp(path, at(p, files[k][0])) != 0; k++)
			;
		assert_true(k < n);
		assert_text(said.fd[i], files[k][1]);
		path = next(path);
	}
	assert_ptr_equal(path, said.text + said.len);
}

static void
put_version(struct place *p, const char *name, const char *text)
{
	char path[64], link[96];
	static const char *const kinds[] = { "cert", "chain", "fullchain", "privkey" };

	for (int i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), "archive/%s/%s1.pem", name, kinds[i]);
		put_file(p, path, text);
		(void)snprintf(link, sizeof(link), "../../%s", path);
		(void)snprintf(path, sizeof(path), "live/%s/%s.pem", name, kinds[i]);
		put_link(p, path, link);
	}
}

static int
certbot_open(void **state)
{
	struct place *p;

	if (place_open(state) != 0)
		return -1;
	p = *state;
	put_dir(p, "live");
	put_dir(p, "live/x");
	put_dir(p, "archive");
	put_dir(p, "archive/x");
	put_version(p, "x", "of x");
	put_file(p, "live/x/README", "text");
	return 0;
}

static void
of_certbots_folder_the_links_and_the_files_of_its_version_are_said(void **state)
{
	static const char *const files[][2] = {
		{ "archive/x/fullchain1.pem", "of x" },
		{ "archive/x/privkey1.pem", "of x" },
	};
	struct place *p = *state;
	const char *paths;

	assert_true(ask(p, "live", "live/x"));
	assert_int_equal(said.is_dir, 1);
	assert_int_equal(entries(&paths), 5);
	assert_string_equal(target("README"), "");
	assert_string_equal(target("cert.pem"), "../../archive/x/cert1.pem");
	assert_string_equal(target("privkey.pem"), "../../archive/x/privkey1.pem");
	assert_files(p, files, 2);
}

/* Some file systems say of an entry only that it is there. */
static void
entries_of_no_known_kind_are_looked_at(void **state)
{
	static const char *const files[][2] = {
		{ "archive/x/fullchain1.pem", "of x" },
		{ "archive/x/privkey1.pem", "of x" },
	};
	struct place *p = *state;
	const char *paths;

	put_dir(p, "live/x/below");
	said_type = DT_UNKNOWN;
	assert_true(ask(p, "live", "live/x"));
	said_type = -1;
	assert_int_equal(entries(&paths), 6);
	assert_string_equal(target("README"), "");
	assert_string_equal(target("below"), "");
	assert_string_equal(target("cert.pem"), "../../archive/x/cert1.pem");
	assert_files(p, files, 2);
	/* what was a link when it was listed, and is none: it is being replaced */
	said_type = DT_LNK;
	assert_false(ask(p, "live", "live/x"));
	said_type = -1;
}

/* Every way in which a file of the archive is not simply there. */
static void
cs_51_no_link_is_followed_to_a_file_of_the_archive(void **state)
{
	static const char *const chain[][2] = {
		{ "archive/x/fullchain1.pem", "of x" },
	};
	struct place *p = *state;
	int before = fds_open();

	/* certbot renew --reuse-key */
	put_file(p, "archive/x/privkey0.pem", "older");
	assert_int_equal(unlink(at(p, "archive/x/privkey1.pem")), 0);
	put_link(p, "archive/x/privkey1.pem", "privkey0.pem");
	assert_true(ask(p, "live", "live/x"));
	assert_files(p, chain, 1);
	/* out of the archive */
	assert_int_equal(unlink(at(p, "live/x/privkey.pem")), 0);
	put_file(p, "secret", "secret");
	put_link(p, "live/x/privkey.pem", "../../archive/../secret");
	assert_true(ask(p, "live", "live/x"));
	assert_files(p, chain, 1);
	/* the folder of the name, and the archive, are links */
	put_over(p, "archive/x", "archive/y");
	put_link(p, "archive/x", "y");
	assert_true(ask(p, "live", "live/x"));
	assert_files(p, NULL, 0);
	assert_non_null(target("fullchain.pem"));
	assert_int_equal(unlink(at(p, "archive/x")), 0);
	put_over(p, "archive/y", "archive/x");
	assert_true(ask(p, "live", "live/x"));
	assert_files(p, chain, 1);
	put_over(p, "archive", "other");
	put_link(p, "archive", "other");
	assert_true(ask(p, "live", "live/x"));
	assert_files(p, NULL, 0);
	assert_int_equal(fds_open(), before);
}

/* The archive is that of a directory called live, and of no other. */
static void
beside_another_directory_nothing_is_opened(void **state)
{
	struct place *p = *state;

	put_over(p, "live", "certs");
	assert_true(ask(p, "certs", "certs/x"));
	assert_files(p, NULL, 0);
	put_over(p, "certs", "live");
	assert_true(ask(p, "live", "live/x"));
	assert_int_equal(said.n_fds, 2);
	for (int i = 0; i < 2; i++)
		(void)close(said.fd[i]);
}

static void
of_another_folder_its_first_files_are_said_and_no_link_is_followed(void **state)
{
	static const char *const files[][2] = {
		{ "tls/a/chain.pem", "chain" }, { "tls/a/key.pem", "key" },
	};
	static const char *const more[] = { "tls/a/3", "tls/a/4", "tls/a/5", "tls/a/6" };
	struct place *p = *state;
	const char *paths;
	int before = fds_open();

	put_dir(p, "tls");
	put_dir(p, "tls/a");
	put_dir(p, "tls/a/below");
	put_file(p, "tls/a/chain.pem", "chain");
	put_file(p, "tls/a/key.pem", "key");
	put_file(p, "tls/a/.hidden", "hidden");
	put_link(p, "tls/a/latest", "key.pem");
	assert_int_equal(mkfifo(at(p, "tls/a/pipe"), 0600), 0);
	assert_true(ask(p, "tls", "tls/a"));
	assert_int_equal(entries(&paths), 6);
	assert_string_equal(target("latest"), "key.pem");
	assert_string_equal(target("below"), "");
	assert_files(p, files, 2);
	for (int i = 0; i < 4; i++)
		put_file(p, more[i], "more");
	assert_true(ask(p, "tls", "tls/a"));
	assert_int_equal(said.n_fds, SST_WIRE_FDS);
	for (int i = 0; i < SST_WIRE_FDS; i++)
		(void)close(said.fd[i]);
	assert_int_equal(fds_open(), before);
}

static void
a_file_of_the_source_itself_is_said_with_its_descriptor(void **state)
{
	static const char *const files[][2] = { { "tls/pair.pem", "pair" } };
	struct place *p = *state;
	const char *paths;

	put_dir(p, "tls");
	put_file(p, "tls/pair.pem", "pair");
	assert_true(ask(p, "tls", "tls/pair.pem"));
	assert_int_equal(said.is_dir, 0);
	assert_int_equal(entries(&paths), 0);
	assert_files(p, files, 1);
}

/* The program's own path may lead anywhere. */
static void
the_source_itself_may_be_a_link(void **state)
{
	static const char *const files[][2] = { { "named/pair.pem", "pair" } };
	struct place *p = *state;

	put_dir(p, "tls");
	put_file(p, "tls/pair.pem", "pair");
	put_link(p, "named", "tls");
	assert_true(ask(p, "named", "named/pair.pem"));
	assert_files(p, files, 1);
}

static void
what_is_not_right_in_the_source_is_not_said(void **state)
{
	static const char *const bad[] = { "tls", "tls/a/b", "beside", "tls/../beside",
	    "tls/.", "tls/..", "tls/", "tls2/b" };
	struct place *p = *state;
	char path[PATH_MAX];

	put_dir(p, "tls");
	put_dir(p, "tls2");
	put_dir(p, "tls/a");
	put_file(p, "tls/a/b", "b");
	put_file(p, "tls2/b", "b");
	put_file(p, "beside", "beside");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(ask(p, "tls", bad[i]));
		assert_int_equal(said.code, EPERM);
		assert_int_equal(said.n_fds, 0);
	}
	assert_true(ask(p, "tls", "tls/a"));
	(void)close(said.fd[0]);
	/* Behind the end of the source's own path nothing is read. */
	(void)snprintf(path, sizeof(path), "%s", at(p, "tls/a"));
	*strrchr(path, '/') = '\0';
	assert_int_equal(sst_ahead_answer(at(p, "tls"), path, said.text,
	    sizeof(said.text), &said.is_dir, said.fd, &said.n_fds), -1);
	assert_int_equal(errno, EPERM);
}

static void
what_is_not_simple_is_asked_for_step_by_step(void **state)
{
	struct place *p = *state;
	int before = fds_open();
	char name[64];

	put_dir(p, "tls");
	put_dir(p, "tls/a");
	put_link(p, "tls/link", "a");
	assert_int_equal(mkfifo(at(p, "tls/pipe"), 0600), 0);
	assert_false(ask(p, "tls", "tls/link"));
	assert_int_equal(said.code, EINVAL);
	assert_false(ask(p, "tls", "tls/pipe"));
	assert_int_equal(said.code, EINVAL);
	assert_false(ask(p, "tls", "tls/none"));
	assert_int_equal(said.code, ENOENT);
	for (int i = 0; i < 32; i++) {
		(void)snprintf(name, sizeof(name), "tls/a/.%d", i);
		put_file(p, name, "");
	}
	assert_true(ask(p, "tls", "tls/a"));
	put_file(p, "tls/a/.one more", "");
	assert_false(ask(p, "tls", "tls/a"));
	assert_int_equal(said.code, E2BIG);
	assert_int_equal(fds_open(), before);
}

/* More than there is room for to list them, though the answer had room for it. */
static void
what_is_not_listed_to_its_end_is_not_said(void **state)
{
	struct place *p = *state;
	char name[300];

	put_dir(p, "tls");
	put_dir(p, "tls/a");
	for (int i = 0; i < 15; i++) {
		(void)snprintf(name, sizeof(name), "tls/a/.%0254d", i);
		put_file(p, name, "");
		assert_int_equal(ask(p, "tls", "tls/a"), i < 14);
	}
	assert_int_equal(said.code, EINVAL);
}

static void
a_target_that_is_too_long_is_asked_for(void **state)
{
	struct place *p = *state;
	char text[260];

	put_dir(p, "tls");
	put_dir(p, "tls/a");
	for (int n = 255; n <= 256; n++) {
		memset(text, 'x', (size_t)n);
		text[n] = '\0';
		put_link(p, "tls/a/link", text);
		assert_int_equal(ask(p, "tls", "tls/a"), n == 255);
		if (n == 255)
			assert_string_equal(target("link"), text);
		assert_int_equal(unlink(at(p, "tls/a/link")), 0);
	}
}

/* Wherever the room ends, no descriptor stays open. */
static void
an_answer_that_does_not_fit_is_none(void **state)
{
	struct place *p = *state;
	int before = fds_open();
	size_t whole;

	assert_true(ask(p, "live", "live/x"));
	whole = (size_t)said.len;
	for (size_t i = 0; i < said.n_fds; i++)
		(void)close(said.fd[i]);
	for (size_t size = 0; size < whole; size++) {
		assert_false(ask_in(p, "live", "live/x", size));
		assert_int_equal(said.code, E2BIG);
		assert_int_equal(said.n_fds, 0);
	}
	assert_int_equal(fds_open(), before);
	assert_true(ask_in(p, "live", "live/x", whole));
	for (size_t i = 0; i < said.n_fds; i++)
		(void)close(said.fd[i]);
}

#define PLACE(test)	cmocka_unit_test_setup_teardown(test, place_open, place_close)
#define CERTBOT(test)	cmocka_unit_test_setup_teardown(test, certbot_open, place_close)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CERTBOT(of_certbots_folder_the_links_and_the_files_of_its_version_are_said),
		CERTBOT(entries_of_no_known_kind_are_looked_at),
		CERTBOT(cs_51_no_link_is_followed_to_a_file_of_the_archive),
		CERTBOT(beside_another_directory_nothing_is_opened),
		PLACE(of_another_folder_its_first_files_are_said_and_no_link_is_followed),
		PLACE(a_file_of_the_source_itself_is_said_with_its_descriptor),
		PLACE(the_source_itself_may_be_a_link),
		PLACE(what_is_not_right_in_the_source_is_not_said),
		PLACE(what_is_not_simple_is_asked_for_step_by_step),
		PLACE(what_is_not_listed_to_its_end_is_not_said),
		PLACE(a_target_that_is_too_long_is_asked_for),
		CERTBOT(an_answer_that_does_not_fit_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
