/* SPDX-License-Identifier: ISC */
/*
 * begin - what is done ahead of the first conf of a process is not done by it.
 *
 * Counted are libcrypto's allocations, each arm in a process of its own.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "tls/conf.h"

static long count, *shown;	/* shown: by the process of an arm */

static void *
counting_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	count++;
	return malloc(size);
}

static void *
counting_realloc(void *at, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	count++;
	return realloc(at, size);
}

static void
counting_free(void *at, const char *file, int line)
{
	(void)file;
	(void)line;
	free(at);
}

static int
counting(void **state)
{
	(void)state;
	shown = mmap(NULL, sizeof(*shown), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shown != MAP_FAILED && CRYPTO_set_mem_functions(counting_malloc,
	    counting_realloc, counting_free) == 1 ? 0 : -1;
}

static int
client_conf(void)
{
	const struct sst_tls_settings settings = { .server = 0 };
	struct sst_tls_conf *conf = NULL;
	int rc = sst_tls_conf_new(&settings, &conf, NULL);

	sst_tls_conf_unref(conf);
	return rc;
}

/* Allocations of the first conf. */
static long
cost_of_the_first(int begun)
{
	pid_t pid = fork();
	int how = -1;

	if (pid == 0) {
		if (begun)
			sst_tls_begin();
		count = 0;
		how = client_conf();
		*shown = count;
		_exit(how == SST_OK && ERR_peek_error() == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_int_equal(how, 0);
	return *shown;
}

static void
the_first_conf_after_it_costs_a_fraction(void **state)
{
	const long cold = cost_of_the_first(0), begun = cost_of_the_first(1);

	(void)state;
	assert_true(begun > 0);
	assert_in_range(cold, 4 * begun, LONG_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_conf_after_it_costs_a_fraction),
	};

	return cmocka_run_group_tests(tests, counting, NULL);
}
