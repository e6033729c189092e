/* SPDX-License-Identifier: ISC */
/*
 * fetch_load - libcurl is loaded when something is to be fetched, and not before: it
 * brings along two dozen libraries. This program is not linked with it.
 *
 * dlopen() and dlsym() are wrapped: what fails, and how often they were asked. Each arm
 * is a process of its own, since a process loads once.
 */
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fail.h"
#include "ocsp/fetch.h"
#include "ocsp/guard.h"

static int opens, fail_open;
static const char *missing;	/* a function that the library has not */

void	*__real_dlopen(const char *name, int flags);
void	*__real_dlsym(void *library, const char *name);
void	*__wrap_dlopen(const char *name, int flags);
void	*__wrap_dlsym(void *library, const char *name);

void *
__wrap_dlopen(const char *name, int flags)
{
	opens++;
	return __real_dlopen(fail_open ? "/nonexistent/libcurl.so.4" : name, flags);
}

void *
__wrap_dlsym(void *library, const char *name)
{
	if (missing != NULL && strcmp(name, missing) == 0)
		name = "curl_is_too_old";
	return __real_dlsym(library, name);
}

/* How many mappings of libcurl this process has. */
static int
mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[1024];
	int n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "/libcurl") != NULL;
	(void)fclose(f);
	return n;
}

/* Makes two fetchers. 0: both were made by one loading; 1: neither, each was tried, and
 * `text` is in the reason; 2: neither is so. */
static int
outcome(const char *text)
{
	struct sst_fetcher *f[2] = { NULL, NULL };
	struct sst_error err[2] = { { 0 } };
	int rc[2];

	for (int i = 0; i < 2; i++)
		rc[i] = sst_fetcher_new(NULL, NULL, &f[i], &err[i]);
	for (int i = 0; i < 2; i++)
		sst_fetcher_free(f[i]);
	if (rc[0] == SST_OK && rc[1] == SST_OK)
		return opens == 1 && mappings() > 0 ? 0 : 2;
	return opens == 2 && rc[0] == SST_E_INTERNAL && rc[1] == SST_E_INTERNAL &&
	    strstr(err[0].text, text) != NULL && strcmp(err[0].text, err[1].text) == 0 ?
	    1 : 2;
}

static int
outcome_apart(int without, const char *function, const char *text)
{
	pid_t pid = fork();
	int how = -1;

	if (pid == 0) {
		fail_open = without;
		missing = function;
		_exit(outcome(text));
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	return WEXITSTATUS(how);
}

static void
libcurl_is_loaded_by_the_first_fetcher_and_once(void **state)
{
	(void)state;
	assert_int_equal(mappings(), 0);
	assert_int_equal(outcome_apart(0, NULL, ""), 0);
}

static void
where_there_is_no_libcurl_a_fetcher_says_so(void **state)
{
	(void)state;
	assert_int_equal(outcome_apart(1, NULL, "libcurl cannot be loaded: "), 1);
}

/* The first and the last of those that are used, and one that is not. */
static void
a_libcurl_that_lacks_a_function_is_refused(void **state)
{
	(void)state;
	assert_int_equal(outcome_apart(0, "curl_global_init", "curl_is_too_old"), 1);
	assert_int_equal(outcome_apart(0, "curl_multi_wakeup", "curl_is_too_old"), 1);
	assert_int_equal(outcome_apart(0, "curl_global_trace", ""), 0);
}

/* With a table of descriptors that is full, and when it is so no more. */
static int
outcome_full(void)
{
	struct sst_fetcher *f = NULL;
	struct sst_error err = { 0 };
	struct rlimit was, none;

	if (getrlimit(RLIMIT_NOFILE, &was) != 0)
		return 2;
	none = was;
	none.rlim_cur = 0;
	if (setrlimit(RLIMIT_NOFILE, &none) != 0)
		return 2;
	if (sst_fetcher_new(NULL, NULL, &f, &err) != SST_E_INTERNAL ||
	    strstr(err.text, strerror(EMFILE)) == NULL)
		return 1;
	if (setrlimit(RLIMIT_NOFILE, &was) != 0)
		return 2;
	if (sst_fetcher_new(NULL, NULL, &f, &err) != SST_OK)
		return 1;
	sst_fetcher_free(f);
	return 0;
}

static void
what_could_not_be_loaded_for_a_moment_is_loaded_later(void **state)
{
	pid_t pid = fork();
	int how = -1;

	(void)state;
	if (pid == 0)
		_exit(outcome_full());
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	assert_int_equal(WEXITSTATUS(how), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libcurl_is_loaded_by_the_first_fetcher_and_once),
		cmocka_unit_test(where_there_is_no_libcurl_a_fetcher_says_so),
		cmocka_unit_test(a_libcurl_that_lacks_a_function_is_refused),
		cmocka_unit_test(what_could_not_be_loaded_for_a_moment_is_loaded_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
