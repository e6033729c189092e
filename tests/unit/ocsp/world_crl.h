/* SPDX-License-Identifier: ISC */
/*
 * world_crl - a CA below a root, and two certificates of it, for the tests of
 * lists; with what they assert about evidence.
 */
#ifndef SST_TEST_WORLD_CRL_H
#define SST_TEST_WORLD_CRL_H

#include "make_crl_judge.h"

extern struct pki_cert *root, *ca, *www, *other;	/* the latter two name no source */

int	crl_world_make(void **state);
int	crl_world_free(void **state);

#define assert_fault(e, f)	do {						\
	struct sst_evidence e_ = (e);						\
	assert_int_equal(e_.status, SST_EV_ERROR);				\
	assert_int_equal(e_.fault, (f));					\
} while (0)

#endif
