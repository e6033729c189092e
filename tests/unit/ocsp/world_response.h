/* SPDX-License-Identifier: ISC */
/*
 * world_response - a CA, two certificates of it and a stranger, for the tests of
 * responses.
 */
#ifndef SST_TEST_WORLD_RESPONSE_H
#define SST_TEST_WORLD_RESPONSE_H

#include "make_response_judge.h"

extern struct pki_cert *ca, *stranger, *www, *other;

int	response_world_make(void **state);
int	response_world_free(void **state);
/* Made, and judged about www: by the CA, about www unless it says otherwise. */
struct sst_evidence world_judge(struct made_response);
struct sst_evidence world_single(struct made_single);

#endif
