/* SPDX-License-Identifier: ISC */
#include "world_crl.h"

struct pki_cert *root, *ca, *www, *other;

int
crl_world_make(void **state)
{
	(void)state;
	root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	ca = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	www = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	other = pki_issue(ca, &(struct pki_spec){ .cn = "other" });
	return 0;
}

int
crl_world_free(void **state)
{
	(void)state;
	pki_free(other);
	pki_free(www);
	pki_free(ca);
	pki_free(root);
	return 0;
}
