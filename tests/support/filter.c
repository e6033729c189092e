/* SPDX-License-Identifier: ISC */
/*
 * filter - SST_TEST=PATTERN runs only the tests whose names match it.
 *
 * Linked into every CMocka program: `SST_TEST='sk_77*' build/dev/tests/e2e/e2e_bytes`.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

__attribute__((constructor)) static void
filter(void)
{
	const char *pattern = getenv("SST_TEST");

	if (pattern != NULL)
		cmocka_set_test_filter(pattern);
}
