/* SPDX-License-Identifier: ISC */
/*
 * starve - the n-th allocation from now fails, once.
 *
 * Tests that let each allocation fail in turn link it (`starve`, besides `support`):
 *
 *	for (n = 1, hit = 1; hit; n++) {
 *		starve_arm(n, STARVE_CRYPTO);
 *		rc = what_is_tried();
 *		hit = starve_over();
 *		assert_true(rc < 0 || it is the truth);
 *	}
 *
 * Always true:
 *   1. Only allocations of the thread that called starve_arm() are counted, and
 *      only those of the parts that it named.
 *   2. One fails at most; after starve_over() none does.
 *   3. What libcrypto or SQLite allocates is never counted as ours as well.
 * Threads: each has a count of its own.
 */
#ifndef SST_TEST_STARVE_H
#define SST_TEST_STARVE_H

enum starve_part {
	STARVE_OURS = 1,	/* libc's, of what is linked here: by --wrap */
	STARVE_CRYPTO = 2,	/* needs starve_crypto() */
	STARVE_SQLITE = 4	/* needs starve_sqlite() */
};

/* Before anything else is done with that library; 0: it is too late. */
int	starve_crypto(void);
int	starve_sqlite(void);

/* `parts`: of enum starve_part, or-ed. */
void	starve_arm(long n, unsigned int parts);
/* Whether it came up. */
int	starve_fired(void);
/* Likewise, and nothing is armed any more. */
int	starve_over(void);

/* For allocators: counts one of this part; 1: it is to fail. */
int	starve_fails(enum starve_part);

#endif
