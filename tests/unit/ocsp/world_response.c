/* SPDX-License-Identifier: ISC */
#include "world_response.h"

struct pki_cert *ca, *stranger, *www, *other;

int
response_world_make(void **state)
{
	(void)state;
	ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	stranger = pki_issue(NULL, &(struct pki_spec){ .cn = "Stranger", .ca = 1 });
	www = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	other = pki_issue(ca, &(struct pki_spec){ .cn = "other" });
	return 0;
}

int
response_world_free(void **state)
{
	(void)state;
	pki_free(other);
	pki_free(www);
	pki_free(stranger);
	pki_free(ca);
	return 0;
}

struct sst_evidence
world_judge(struct made_response r)
{
	if (r.signer == NULL)
		r.signer = ca;
	if (r.singles[0].cert == NULL)
		r.singles[0].cert = www;
	return response_judge_made(&r, &(struct response_ask){ .cert = www });
}

struct sst_evidence
world_single(struct made_single s)
{
	s.cert = www;
	return world_judge((struct made_response){ .singles = { s } });
}
