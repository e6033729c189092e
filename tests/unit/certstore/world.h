/* SPDX-License-Identifier: ISC */
/* world - a root, an issuing CA, and what every test of a store starts with. */
#ifndef SST_TEST_WORLD_H
#define SST_TEST_WORLD_H

#include "ask.h"

static struct pki_cert *world_root, *world_ca;

static int
world_setup(void **state)
{
	(void)state;
	world_root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	world_ca = pki_issue(world_root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	return 0;
}

static int
world_teardown(void **state)
{
	(void)state;
	pki_free(world_ca);
	pki_free(world_root);
	return 0;
}

static struct pki_cert *
leaf(enum pki_key key, const char *san)
{
	return pki_issue(world_ca, &(struct pki_spec){ .key = key, .san = san });
}

#endif
