/* SPDX-License-Identifier: ISC */
/* world_facts - a CA, and what its certificates say of themselves, for tests. */
#ifndef SST_TEST_WORLD_FACTS_H
#define SST_TEST_WORLD_FACTS_H

#include "ocsp/certkey.h"
#include "support/pki.h"

extern struct pki_cert *ca;

int	facts_world_make(void **state);
int	facts_world_free(void **state);
/* Of a certificate that is read. */
const struct sst_cert_facts *facts_read(const struct pki_cert *);
/* The CA issues it, and reading fails with this code and this word. */
void	facts_refused(const struct pki_spec *, int code, const char *word);

#endif
