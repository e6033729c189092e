/* SPDX-License-Identifier: ISC */
/* Trust anchors: from files and directories, one below another, and the system's. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "meet.h"

#define MINUTE	61	/* after which the system's anchors are looked at again */

static _Atomic time_t later;	/* seconds that the test is ahead */

int	__real_clock_gettime(clockid_t, struct timespec *);
int	__wrap_clock_gettime(clockid_t, struct timespec *);

int
__wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = __real_clock_gettime(id, t);

	if (id == CLOCK_MONOTONIC)
		t->tv_sec += later;
	return rc;
}

/* The second read() from now fails so; the first gives `first` bytes. */
static struct {
	size_t first;
	int reads, errno_second;
} failing;

ssize_t	__real_read(int, void *, size_t);
ssize_t	__wrap_read(int, void *, size_t);
ssize_t	__wrap___read_chk(int, void *, size_t, size_t);

ssize_t
__wrap_read(int fd, void *buf, size_t n)
{
	if (failing.errno_second == 0)
		return __real_read(fd, buf, n);
	if (failing.reads++ == 0)
		return __real_read(fd, buf, n < failing.first ? n : failing.first);
	errno = failing.errno_second;
	failing.errno_second = 0;
	return -1;
}

ssize_t
__wrap___read_chk(int fd, void *buf, size_t n, size_t room)
{
	assert_true(n <= room);
	return __wrap_read(fd, buf, n);
}

static struct {
	struct pki_cert *root, *other, *a;
} w;

static int
world_make(void **state)
{
	(void)state;
	w.root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	w.other = pki_issue(NULL, &(struct pki_spec){ .cn = "Other", .ca = 1,
	    .key = PKI_RSA });
	w.a = pki_issue(w.root, &(struct pki_spec){ .san = "a.example" });
	return 0;
}

static int
world_free(void **state)
{
	(void)state;
	pki_free(w.a);
	pki_free(w.other);
	pki_free(w.root);
	return 0;
}

static int
believes(struct sst_trust *trust)
{
	struct meet m;
	int done;

	meet_client(&m, &(struct sst_tls_settings){ .trust = trust }, "a.example",
	    NULL, &(struct raw){ .serve = w.a });
	done = m.step == SST_STEP_DONE;
	meet_done(&m);
	return done;
}

/* As c_rehash names it. */
static void
root_put(const char *dir, const struct pki_cert *cert)
{
	struct pki_buf pem = { 0 };
	char name[32];

	snprintf(name, sizeof(name), "%08lx.0", X509_subject_name_hash(cert->cert));
	pki_put_cert(&pem, cert);
	pki_write(dir, name, 0644, &pem);
	pki_buf_free(&pem);
}

static void
a_directory_is_looked_up_by_hash(void **state)
{
	struct sst_trust *trust = NULL;
	char *dir = pki_dir_new();

	(void)state;
	root_put(dir, w.root);
	assert_int_equal(sst_trust_new(1, NULL, dir, &trust, NULL), 0);
	assert_true(believes(trust));
	sst_trust_unref(trust);
	pki_dir_free(dir);

	dir = pki_dir_new();
	root_put(dir, w.other);
	assert_int_equal(sst_trust_new(1, NULL, dir, &trust, NULL), 0);
	assert_false(believes(trust));
	sst_trust_unref(trust);
	pki_dir_free(dir);
}

static void
a_named_file_is_believed_and_a_missing_one_is_an_error(void **state)
{
	struct sst_error err = { 0 };
	struct sst_trust *trust = NULL;
	struct pki_buf pem = { 0 };
	char *dir = pki_dir_new();

	(void)state;
	pki_put_text(&pem, "some words before\n");
	pki_put_cert(&pem, w.other);
	pki_put_cert(&pem, w.root);
	pki_write(dir, "bundle", 0644, &pem);
	assert_int_equal(sst_trust_new(1, pki_path(dir, "bundle"), dir, &trust, &err),
	    0);
	assert_true(believes(trust));
	sst_trust_unref(trust);
	assert_int_equal(sst_trust_new(1, pki_path(dir, "none"), dir, &trust, &err),
	    SST_E_SYSTEM);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_non_null(strstr(err.text, "none"));
	memset(&err, 0, sizeof(err));
	pki_write_text(dir, "text", "no certificate\n");
	assert_int_equal(sst_trust_new(1, pki_path(dir, "text"), dir, &trust, &err),
	    SST_E_MALFORMED);
	memset(&err, 0, sizeof(err));
	assert_int_equal(sst_trust_new(1, dir, dir, &trust, &err), SST_E_MALFORMED);
	pki_buf_free(&pem);
	pki_dir_free(dir);
}

/* A part of the roots would pass for all of them. */
static void
a_bundle_is_read_to_its_end_or_not_at_all(void **state)
{
	struct sst_error err = { 0 };
	struct sst_trust *trust = NULL;
	struct pki_buf pem = { 0 };
	char *dir = pki_dir_new();
	size_t half;

	(void)state;
	pki_put_cert(&pem, w.other);
	half = pem.len;
	pki_put_cert(&pem, w.root);
	pki_write(dir, "bundle", 0644, &pem);
	failing.first = half;
	failing.reads = 0;
	failing.errno_second = EINTR;
	assert_int_equal(sst_trust_new(1, pki_path(dir, "bundle"), dir, &trust, &err),
	    0);
	assert_true(believes(trust));
	sst_trust_unref(trust);
	trust = NULL;
	failing.reads = 0;
	failing.errno_second = EIO;
	assert_int_equal(sst_trust_new(1, pki_path(dir, "bundle"), dir, &trust, &err),
	    SST_E_SYSTEM);
	assert_int_equal(failing.errno_second, 0);
	assert_null(trust);
	assert_int_equal(err.sys_errno, EIO);
	assert_non_null(strstr(err.text, "bundle"));
	pki_buf_free(&pem);
	pki_dir_free(dir);
}

static int
client_try(struct sst_trust *trust, struct sst_error *err)
{
	struct sst_tls_conf *conf = NULL;
	struct sst_conn *conn = NULL;
	int rc;

	memset(err, 0, sizeof(*err));
	assert_int_equal(sst_tls_conf_new(&(struct sst_tls_settings){
	    .trust = trust }, &conf, err), 0);
	rc = sst_conn_new_client(conf, 0, "a.example", NULL, &conn, err);
	sst_conn_free(conn);
	sst_tls_conf_unref(conf);
	return rc;
}

static void
no_anchors_is_an_error_with_the_path(void **state)
{
	struct sst_error err;
	struct sst_trust *trust = NULL;
	char *dir = pki_dir_new();

	(void)state;
	pki_write_text(dir, "README", "not an anchor");
	pki_write_text(dir, "0123456g.0", "nor this");
	assert_int_equal(sst_trust_new(1, NULL, dir, &trust, NULL), 0);
	assert_int_equal(client_try(trust, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "no trust anchors in /"));
	assert_non_null(strstr(err.text, dir));
	assert_non_null(strstr(err.text, "install ca-certificates or set "
	    "TLS_TRUSTED_PEER_CERTIFICATES"));
	/* It appears later: the very same object sees it. */
	root_put(dir, w.root);
	assert_int_equal(client_try(trust, &err), 0);
	sst_trust_unref(trust);
	assert_int_equal(sst_trust_new(0, NULL, NULL, &trust, NULL), 0);
	assert_int_equal(client_try(trust, &err), SST_E_REFUSED);
	sst_trust_unref(trust);
	pki_dir_free(dir);
}

static void
the_systems_trust_is_shared_and_cannot_be_added_to(void **state)
{
	struct sst_trust *a = NULL, *b = NULL, *c = NULL;
	struct pki_buf pem = { 0 };
	char *dir = pki_dir_new();

	(void)state;
	root_put(dir, w.root);
	pki_put_cert(&pem, w.other);
	assert_int_equal(sst_trust_system(NULL, dir, &a, NULL), 0);
	assert_int_equal(sst_trust_system("", dir, &b, NULL), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(sst_trust_add(a, pem.data, pem.len, NULL, NULL),
	    SST_E_STATE);
	assert_true(believes(a));
	assert_int_equal(sst_trust_system(NULL, NULL, &c, NULL), 0);
	assert_ptr_not_equal(a, c);
	assert_true(believes(a));
	sst_trust_unref(a);
	sst_trust_unref(b);
	sst_trust_unref(c);
	pki_buf_free(&pem);
	pki_dir_free(dir);
}

/* What is written to it after this changes its times. */
static void
make_old(const char *path)
{
	const struct timespec times[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
root_drop(const char *dir, const struct pki_cert *cert)
{
	char name[32];

	snprintf(name, sizeof(name), "%08lx.0", X509_subject_name_hash(cert->cert));
	assert_int_equal(unlink(pki_path(dir, name)), 0);
}

/* OpenSSL keeps what it found in a directory: only another object forgets it. */
static void
a_root_that_left_any_directory_of_the_list_is_believed_a_minute_at_most(void **state)
{
	(void)state;
	for (int at = 0; at < 2; at++) {
		struct sst_trust *a = NULL, *b = NULL;
		char *dirs[2] = { pki_dir_new(), pki_dir_new() };
		char list[600];

		snprintf(list, sizeof(list), "%s:%s", dirs[0], dirs[1]);
		root_put(dirs[at], w.root);
		root_put(dirs[1 - at], w.other);
		make_old(dirs[0]);
		make_old(dirs[1]);
		assert_int_equal(sst_trust_system(NULL, list, &a, NULL), 0);
		assert_true(believes(a));
		later += MINUTE;
		assert_int_equal(sst_trust_system(NULL, list, &b, NULL), 0);
		assert_ptr_equal(a, b);
		sst_trust_unref(b);
		root_drop(dirs[at], w.root);
		assert_int_equal(sst_trust_system(NULL, list, &b, NULL), 0);
		assert_ptr_equal(a, b);
		sst_trust_unref(b);
		later += MINUTE;
		assert_int_equal(sst_trust_system(NULL, list, &b, NULL), 0);
		assert_false(believes(b));
		sst_trust_unref(b);
		sst_trust_unref(a);
		pki_dir_free(dirs[0]);
		pki_dir_free(dirs[1]);
	}
}

/* Not an error for one, and the roots of before for those who come after. */
static void
a_bundle_that_broke_is_an_error_until_it_is_repaired(void **state)
{
	struct sst_trust *a = NULL, *b = NULL;
	struct pki_buf pem = { 0 };
	char *dir = pki_dir_new();

	(void)state;
	pki_put_cert(&pem, w.root);
	pki_write(dir, "bundle", 0644, &pem);
	make_old(pki_path(dir, "bundle"));
	assert_int_equal(sst_trust_system(pki_path(dir, "bundle"), dir, &a, NULL), 0);
	pki_write_text(dir, "bundle", "half of it\n");
	later += MINUTE;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(sst_trust_system(pki_path(dir, "bundle"), dir, &b,
		    NULL), SST_E_MALFORMED);
		assert_null(b);
	}
	pki_write(dir, "bundle", 0644, &pem);
	assert_int_equal(sst_trust_system(pki_path(dir, "bundle"), dir, &b, NULL), 0);
	assert_true(believes(b));
	sst_trust_unref(a);
	sst_trust_unref(b);
	pki_buf_free(&pem);
	pki_dir_free(dir);
}

/* Of two roots one is in the bundle below; whether it is believed through a trust
 * on top depends on that alone. */
static void
roots_of_ones_own_stand_beside_the_bundle_below(void **state)
{
	const struct pki_cert *below[] = { w.root, w.other };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sst_trust *base = NULL, *over = NULL;
		struct pki_buf bundle = { 0 };
		char *dir = pki_dir_new();

		pki_put_cert(&bundle, below[i]);
		pki_write(dir, "bundle", 0644, &bundle);
		assert_int_equal(sst_trust_new(1, pki_path(dir, "bundle"), dir, &base,
		    NULL), 0);
		sst_trust_freeze(base);
		assert_int_equal(sst_trust_new_over(base, &over, NULL), 0);
		for (int again = 0; again < 2; again++)
			assert_int_equal(believes(over), i == 0);
		sst_trust_unref(over);
		/* Its own does not reach the one below. */
		assert_int_equal(sst_trust_new_over(base, &over, NULL), 0);
		pki_buf_free(&bundle);
		pki_put_cert(&bundle, w.root);
		assert_int_equal(sst_trust_add(over, bundle.data, bundle.len, NULL,
		    NULL), 0);
		assert_true(believes(over));
		assert_int_equal(believes(base), i == 0);
		sst_trust_unref(base);
		assert_true(believes(over));
		sst_trust_unref(over);
		pki_buf_free(&bundle);
		pki_dir_free(dir);
	}
}

/* What a directory below holds, and that nothing below is still an error. */
static void
a_trust_on_top_looks_below_by_hash_as_well(void **state)
{
	struct sst_trust *base = NULL, *over = NULL;
	struct sst_error err;
	char *dir = pki_dir_new();

	(void)state;
	assert_int_equal(sst_trust_new(1, NULL, dir, &base, NULL), 0);
	assert_int_equal(sst_trust_new_over(base, &over, NULL), 0);
	assert_int_equal(client_try(over, &err), SST_E_REFUSED);
	root_put(dir, w.root);
	assert_true(believes(over));
	sst_trust_unref(over);
	sst_trust_unref(base);
	pki_dir_free(dir);
}

static void
certificates_are_added_all_or_none(void **state)
{
	struct sst_trust *trust = NULL;
	struct sst_error err = { 0 };
	struct pki_buf pem = { 0 }, der = { 0 };
	size_t n = 99;

	(void)state;
	pki_put_cert(&pem, w.root);
	pki_put_text(&pem, "-----BEGIN CERTIFICATE-----\nAAAA\n"
	    "-----END CERTIFICATE-----\n");
	assert_int_equal(sst_trust_new(0, NULL, NULL, &trust, NULL), 0);
	assert_int_equal(sst_trust_add(trust, pem.data, pem.len, &n, &err),
	    SST_E_MALFORMED);
	assert_non_null(strstr(err.text, "certificate 2"));
	assert_int_equal(n, 99);
	assert_int_equal(sst_trust_add(trust, "", 0, &n, NULL), SST_E_MALFORMED);
	assert_int_equal(sst_trust_add(trust, "\x30", 1, &n, NULL), SST_E_MALFORMED);
	assert_int_equal(sst_trust_check(trust, NULL), SST_E_REFUSED);
	pki_put_cert_der(&der, w.other);
	pki_put_cert_der(&der, w.root);
	assert_int_equal(sst_trust_add(trust, der.data, der.len, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_true(believes(trust));
	/* In use now. */
	assert_int_equal(sst_trust_add(trust, der.data, der.len, &n, NULL),
	    SST_E_STATE);
	sst_trust_unref(trust);
	pki_buf_free(&pem);
	pki_buf_free(&der);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_directory_is_looked_up_by_hash),
		cmocka_unit_test(a_named_file_is_believed_and_a_missing_one_is_an_error),
		cmocka_unit_test(a_bundle_is_read_to_its_end_or_not_at_all),
		cmocka_unit_test(no_anchors_is_an_error_with_the_path),
		cmocka_unit_test(the_systems_trust_is_shared_and_cannot_be_added_to),
		cmocka_unit_test(
		    a_root_that_left_any_directory_of_the_list_is_believed_a_minute_at_most),
		cmocka_unit_test(a_bundle_that_broke_is_an_error_until_it_is_repaired),
		cmocka_unit_test(roots_of_ones_own_stand_beside_the_bundle_below),
		cmocka_unit_test(a_trust_on_top_looks_below_by_hash_as_well),
		cmocka_unit_test(certificates_are_added_all_or_none),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
