/* SPDX-License-Identifier: ISC */
/* What comes into the certificates of a socket when, and by whom it is read. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>
#include <securesockets/revocation.h>

#include "relay/cert_files.h"
#include "relay/certs.h"
#include "relay/log.h"
#include "support/pki.h"
#include "tls/ours.h"

static struct {
	struct pki_cert	*ca, *plain, *must;
	struct sst_log	 log;
	struct sst_checker *checker;
	struct sst_certs *certs;
	char		*dir;
} w;

static void
no_line(int priority, const char *line)
{
	(void)priority;
	(void)line;
}

static int
make(void **state)
{
	(void)state;
	w.ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	w.plain = pki_issue(w.ca, &(struct pki_spec){ .san = "plain.example",
	    .ocsp = "http://192.0.2.1/" });
	w.must = pki_issue(w.ca, &(struct pki_spec){ .san = "must.example",
	    .ocsp = "http://192.0.2.1/", .extra = "tlsfeature = status_request" });
	w.dir = pki_dir_new();
	sst_log_init(&w.log);
	w.log.write = no_line;
	if (sst_checker_new(&(struct sst_checker_config){ .cache_dir = "", .no_fetch = 1,
	    .no_service = 1 }, &w.checker, NULL) != 0)
		return -1;
	return sst_certs_new(NULL, &w.log, 0, 0, NULL, &w.certs, NULL);
}

static int
done(void **state)
{
	(void)state;
	sst_certs_unref(w.certs);
	sst_checker_unref(w.checker);
	sst_log_done(&w.log);
	pki_dir_free(w.dir);
	pki_free(w.must);
	pki_free(w.plain);
	pki_free(w.ca);
	return 0;
}

/* Staples are seen to from now on. */
static void
oversee(void)
{
	struct sst_ours *ours = NULL;

	assert_int_equal(sst_ours_new(&(struct sst_ours_config){ .checker = w.checker,
	    .store = sst_certs_store(w.certs) }, &ours, NULL), 0);
	sst_ours_sync(ours);
	sst_certs_oversee(w.certs, ours, 1000);
	sst_ours_unref(ours);
}

static void
put(const struct pki_cert *cert)
{
	struct sst_error err = { 0 };
	struct pki_buf b = { 0 };

	pki_put_chain(&b, cert);
	pki_put_key(&b, cert);
	if (sst_store_add_bytes(sst_certs_store(w.certs), b.data, b.len, &err) < 0)
		fail_msg("%s", err.text);
	pki_buf_free(&b);
}

static unsigned long
loaded(void)
{
	struct sst_certs_numbers n;

	sst_certs_numbers(w.certs, PKI_NOW, &n);
	assert_int_equal(n.refused, 0);
	return n.loaded;
}

static void
what_a_client_waits_for_is_not_served_without_the_staple_that_it_demands(void **state)
{
	struct sst_await h;

	(void)state;
	oversee();
	/* as if read again for a handshake: nobody began to wait */
	put(w.must);
	assert_int_equal(loaded(), 0);
	put(w.plain);
	assert_int_equal(loaded(), 1);
	/* who reads it last does not ask for it any more */
	sst_await_begin(w.certs, 1, &h);
	put(w.must);
	assert_int_equal(sst_await_end(&h), 0);
	assert_int_equal(loaded(), 2);
}

static void
where_nobody_sees_to_staples_it_is_served_at_once(void **state)
{
	(void)state;
	put(w.must);
	assert_int_equal(loaded(), 1);
}

static int
opens(int (*how)(const char *path, int *fd, struct sst_error *err), const char *path)
{
	struct sst_error err = { 0 };
	int fd = -1;

	if (how(path, &fd, &err) < 0)
		return err.sys_errno;
	assert_true(fd >= 0);
	(void)close(fd);
	return 0;
}

static int
as_named(const char *path, int *fd, struct sst_error *err)
{
	return sst_cert_files.open(w.certs, path, fd, err);
}

static int
as_resolved(const char *path, int *fd, struct sst_error *err)
{
	return sst_cert_files.open_resolved(w.certs, pki_path(w.dir, "d"), path, fd, err);
}

/* The directory once more, by this id. */
static struct sst_cert_source *
enter(uint32_t id)
{
	const char *d = pki_path(w.dir, "d");
	struct sst_cert_source *s = sst_cert_source_new(id, TLS_CERTIFICATE_CHAIN, 0, d,
	    "not watched", open(d, O_RDONLY | O_CLOEXEC));

	assert_int_equal(sst_certs_enter(w.certs, s, NULL, NULL), 0);
	return s;
}

static void
what_is_not_loaded_yet_outlives_the_changes_before_it(void **state)
{
	struct sst_cert_source *first, *second;

	(void)state;
	pki_write_pair(w.dir, "d/x/a.pem", w.plain);
	first = enter(1);
	second = enter(2);
	assert_int_equal(sst_certs_load(w.certs, first, NULL), 0);
	assert_true(sst_certs_has(w.certs, 1) && sst_certs_has(w.certs, 2));
	assert_int_equal(sst_certs_remove(w.certs, "*", NULL), 0);
	assert_true(!sst_certs_has(w.certs, 1) && sst_certs_has(w.certs, 2));
	assert_int_equal(sst_certs_load(w.certs, second, NULL), 0);
	assert_true(sst_certs_has(w.certs, 2));
	/* of two that are, the later one stays */
	assert_int_equal(sst_certs_load(w.certs, enter(3), NULL), 0);
	assert_true(!sst_certs_has(w.certs, 2) && sst_certs_has(w.certs, 3));
}

static void
cs_51_below_a_static_directory_what_was_resolved_has_no_link(void **state)
{
	struct sst_cert_source *s;
	struct sst_error err = { 0 };

	(void)state;
	pki_write_pair(w.dir, "d/x/a.pem", w.plain);
	pki_link(w.dir, "d/file.pem", "x/a.pem");
	pki_link(w.dir, "d/folder", "x");
	s = enter(1);
	assert_int_equal(opens(as_resolved, pki_path(w.dir, "d/x/a.pem")), 0);
	assert_int_equal(opens(as_resolved, pki_path(w.dir, "d/file.pem")), ELOOP);
	assert_int_equal(opens(as_resolved, pki_path(w.dir, "d/folder/a.pem")), ELOOP);
	assert_int_equal(opens(as_named, pki_path(w.dir, "d/file.pem")), 0);
	assert_int_equal(opens(as_named, pki_path(w.dir, "d/folder/a.pem")), 0);
	/* links in it are resolved, and then there is none */
	assert_int_equal(sst_certs_load(w.certs, s, &err), 0);
	assert_true(loaded() >= 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make, done)
	const struct CMUnitTest tests[] = {
		T(what_a_client_waits_for_is_not_served_without_the_staple_that_it_demands),
		T(where_nobody_sees_to_staples_it_is_served_at_once),
		T(what_is_not_loaded_yet_outlives_the_changes_before_it),
		T(cs_51_below_a_static_directory_what_was_resolved_has_no_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
