/* SPDX-License-Identifier: ISC */
/* Questions to the keeper, and what is made of its answers. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fail.h"
#include "base/wire.h"
#include "certstore/source.h"
#include "relay/files.h"
#include "support/fds.h"

static struct {
	struct sst_files files;
	struct sst_error err;
	int		 sv[2];
} w;

static int
make(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, w.sv), 0);
	return sst_files_init(&w.files, w.sv[0]);
}

static int
done(void **state)
{
	(void)state;
	sst_files_done(&w.files);
	(void)close(w.sv[0]);
	(void)close(w.sv[1]);
	return 0;
}

/* What the keeper will say next; the question may come later. */
static void
answer(int a, int b, const char *data, size_t len, int fd)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_REPLY);
	head.a = a;
	head.b = b;
	assert_int_equal(sst_wire_send(w.sv[1], &head, data, len, &fd, fd >= 0), 0);
}

/* The question that the keeper was put. */
static void
asked(uint16_t verb, uint32_t id, const char *path)
{
	struct sst_wire_head head;
	char data[PATH_MAX];

	assert_int_equal(sst_wire_recv(w.sv[1], &head, data, sizeof(data), NULL, 0),
	    strlen(path) + 1);
	assert_int_equal(head.verb, verb);
	assert_int_equal(head.id, id);
	assert_string_equal(data, path);
}

static void
a_file_is_opened_by_the_keeper_or_its_errno_is_told(void **state)
{
	int event = eventfd(0, EFD_CLOEXEC), fd = -1, before;

	(void)state;
	answer(0, 0, NULL, 0, event);
	assert_int_equal(sst_files_open(&w.files, 7, "/a/b", &fd, &w.err), SST_OK);
	asked(SST_OPEN_PATH, 7, "/a/b");
	assert_true(fd >= 0 && fd != event);
	(void)close(fd);
	answer(0, 0, NULL, 0, event);
	assert_int_equal(sst_files_open_list(&w.files, 7, "/a", &fd, &w.err), SST_OK);
	asked(SST_OPEN_LIST, 7, "/a");
	(void)close(fd);
	before = fds_open();
	answer(-1, EACCES, NULL, 0, -1);
	assert_true(sst_files_open(&w.files, 7, "/a/\n", &fd, &w.err) < 0);
	assert_int_equal(w.err.sys_errno, EACCES);
	assert_non_null(strstr(w.err.text, "/a/"));
	assert_null(strchr(w.err.text, '\n'));
	/* An answer that is none: success without a descriptor, failure with. */
	sst_error_clear(&w.err);
	answer(0, 0, NULL, 0, -1);
	assert_true(sst_files_open(&w.files, 7, "/a", &fd, &w.err) < 0);
	assert_int_equal(w.err.sys_errno, EPROTO);
	answer(-1, ENOENT, NULL, 0, event);
	assert_true(sst_files_open(&w.files, 7, "/a", &fd, &w.err) < 0);
	assert_int_equal(fds_open(), before);
	(void)close(event);
}

static void
a_link_that_is_none_is_not_found(void **state)
{
	const int none[] = { EINVAL, ENOENT, ENOTDIR };
	int event = eventfd(0, EFD_CLOEXEC), before = fds_open();
	char out[8];

	(void)state;
	answer(0, 0, "target", 6, -1);
	assert_int_equal(sst_files_link(&w.files, 3, "/l", out, sizeof(out), &w.err),
	    SST_OK);
	asked(SST_OPEN_LINK, 3, "/l");
	assert_string_equal(out, "target");
	for (size_t i = 0; i < 3; i++) {
		answer(-1, none[i], NULL, 0, -1);
		assert_int_equal(sst_files_link(&w.files, 3, "/l", out, sizeof(out),
		    &w.err), SST_E_NOT_FOUND);
	}
	answer(-1, EACCES, NULL, 0, -1);
	assert_int_not_equal(sst_files_link(&w.files, 3, "/l", out, sizeof(out), &w.err),
	    SST_E_NOT_FOUND);
	assert_int_equal(w.err.sys_errno, EACCES);
	sst_error_clear(&w.err);
	answer(0, 0, "longer12", 8, -1);
	assert_true(sst_files_link(&w.files, 3, "/l", out, sizeof(out), &w.err) < 0);
	assert_int_equal(w.err.sys_errno, ENAMETOOLONG);
	/* A descriptor that nobody asked for is closed. */
	answer(0, 0, "x", 1, event);
	assert_int_equal(sst_files_link(&w.files, 3, "/l", out, sizeof(out), &w.err),
	    SST_OK);
	assert_int_equal(fds_open(), before);
	(void)close(event);
}

static void
a_name_comes_with_all_its_descriptors_or_with_none(void **state)
{
	static const char text[] = "n\0\0\0/d/n/a\0/d/n/b";
	int fd[SST_WIRE_FDS], before;
	struct sst_answer got;
	struct sst_wire_head head;

	(void)state;
	for (int i = 0; i < 2; i++)
		fd[i] = eventfd(0, EFD_CLOEXEC);
	before = fds_open();
	for (int a = 0; a < 2; a++) {
		sst_wire_init(&head, SST_WIRE_REPLY);
		head.a = a;
		assert_int_equal(sst_wire_send(w.sv[1], &head, text, sizeof(text), fd, 2), 0);
		assert_int_equal(sst_files_ahead(&w.files, 7, "/d/n", &got), SST_OK);
		asked(SST_OPEN_AHEAD, 7, "/d/n");
		assert_int_equal(got.is_folder, a);
		assert_int_equal(got.len, sizeof(text));
		assert_memory_equal(got.text, text, sizeof(text));
		assert_int_equal(got.n_fds, 2);
		(void)close(got.fd[0]);
		(void)close(got.fd[1]);
	}
	sst_wire_init(&head, SST_WIRE_REPLY);
	head.a = -1;
	head.b = ELOOP;
	assert_int_equal(sst_wire_send(w.sv[1], &head, text, sizeof(text), fd, 2), 0);
	assert_true(sst_files_ahead(&w.files, 7, "/d/n", &got) < 0);
	assert_int_equal(got.n_fds, 0);
	assert_int_equal(fds_open(), before);
	for (int i = 0; i < 2; i++)
		(void)close(fd[i]);
}

static void
exposed_is_yes_no_or_not_known(void **state)
{
	(void)state;
	answer(1, 0, NULL, 0, -1);
	assert_int_equal(sst_files_exposed(&w.files, 3, "/k", &w.err), 1);
	asked(SST_OPEN_EXPOSED, 3, "/k");
	answer(0, 0, NULL, 0, -1);
	assert_int_equal(sst_files_exposed(&w.files, 3, "/k", &w.err), 0);
	answer(-1, EPERM, NULL, 0, -1);
	assert_true(sst_files_exposed(&w.files, 3, "/k", &w.err) < 0);
	assert_int_equal(w.err.sys_errno, EPERM);
}

static void
what_is_not_answered_in_time_is_counted_and_its_answer_is_nobodys(void **state)
{
	const struct timeval soon = { .tv_usec = 20000 }, late = { .tv_sec = 60 };
	const uint64_t before = sst_files_unanswered();
	char out[16];

	(void)state;
	answer(-1, EACCES, NULL, 0, -1);
	assert_true(sst_files_link(&w.files, 3, "/l", out, sizeof(out), &w.err) < 0);
	assert_int_equal(sst_files_unanswered(), before);
	sst_error_clear(&w.err);
	assert_int_equal(setsockopt(w.sv[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)),
	    0);
	assert_true(sst_files_link(&w.files, 3, "/l", out, sizeof(out), &w.err) < 0);
	assert_int_equal(w.err.sys_errno, ETIMEDOUT);
	assert_int_equal(sst_files_unanswered(), before + 1);
	assert_false(sst_files_gone(&w.files));
	sst_error_clear(&w.err);
	/* who has not answered is not waited for again: else this takes minutes */
	assert_int_equal(setsockopt(w.sv[0], SOL_SOCKET, SO_RCVTIMEO, &late, sizeof(late)),
	    0);
	(void)alarm(30);
	for (uint64_t i = 2; i < 10; i++) {
		assert_true(sst_files_link(&w.files, 3, "/l", out, sizeof(out), &w.err) < 0);
		assert_int_equal(w.err.sys_errno, ETIMEDOUT);
		assert_int_equal(sst_files_unanswered(), before + i);
		sst_error_clear(&w.err);
	}
	(void)alarm(0);
	asked(SST_OPEN_LINK, 3, "/l");
	asked(SST_OPEN_LINK, 3, "/l");
	assert_int_equal(recv(w.sv[1], out, sizeof(out), MSG_DONTWAIT), -1);
	answer(0, 0, "late", 4, -1);
	answer(0, 0, "next", 4, -1);
	assert_int_equal(sst_files_link(&w.files, 3, "/m", out, sizeof(out), &w.err),
	    SST_OK);
	assert_string_equal(out, "next");
	assert_int_equal(sst_files_unanswered(), before + 9);
}

static void
what_one_of_the_two_lacks_is_counted_as_no_answer(void **state)
{
	static const int wants[] = { EMFILE, ENFILE, ENOMEM };
	const uint64_t before = sst_files_unanswered();
	int event = eventfd(0, EFD_CLOEXEC), fd = -1, next;
	struct rlimit was, none;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		sst_error_clear(&w.err);
		answer(-1, wants[i], NULL, 0, -1);
		assert_true(sst_files_open(&w.files, 7, "/a", &fd, &w.err) < 0);
		assert_int_equal(w.err.sys_errno, wants[i]);
		assert_int_equal(sst_files_unanswered(), before + i + 1);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	next = dup(0);
	(void)close(next);
	none.rlim_cur = (rlim_t)next;
	answer(0, 0, NULL, 0, event);
	sst_error_clear(&w.err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_true(sst_files_open(&w.files, 7, "/a", &fd, &w.err) < 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(w.err.sys_errno, EMFILE);
	assert_int_equal(sst_files_unanswered(), before + 4);
	assert_false(sst_files_gone(&w.files));
	answer(0, 0, NULL, 0, event);
	sst_error_clear(&w.err);
	assert_int_equal(sst_files_open(&w.files, 7, "/a", &fd, &w.err), SST_OK);
	assert_int_equal(sst_files_unanswered(), before + 4);
	(void)close(fd);
	(void)close(event);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_file_is_opened_by_the_keeper_or_its_errno_is_told, make, done),
		cmocka_unit_test_setup_teardown(a_link_that_is_none_is_not_found, make,
		    done),
		cmocka_unit_test_setup_teardown(
		    a_name_comes_with_all_its_descriptors_or_with_none, make, done),
		cmocka_unit_test_setup_teardown(exposed_is_yes_no_or_not_known, make,
		    done),
		cmocka_unit_test_setup_teardown(
		    what_is_not_answered_in_time_is_counted_and_its_answer_is_nobodys, make,
		    done),
		cmocka_unit_test_setup_teardown(
		    what_one_of_the_two_lacks_is_counted_as_no_answer, make, done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
