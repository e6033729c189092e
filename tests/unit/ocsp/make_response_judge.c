/* SPDX-License-Identifier: ISC */
#include "make_response_judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
is_revoked(void *arg, const struct sst_cert_key *key)
{
	const struct pki_cert *revoked = arg;
	const struct sst_cert_facts *facts;

	if (sst_facts_of(revoked->cert, revoked->issuer->cert, &facts, NULL) < 0)
		abort();
	return sst_cert_key_cmp(&facts->key, key) == 0;
}

void
response_question(const struct response_ask *a, struct sst_limits *limits,
    struct sst_response_ask *ret)
{
	const struct pki_cert *issuer = a->issuer != NULL ? a->issuer : a->cert->issuer;
	struct sst_error err = { .code = SST_OK };

	*limits = (struct sst_limits){ .skew = 300, .ocsp_max_age = 10 * PKI_DAY,
	    .ocsp_no_next = 3600, .ocsp_size = 65536, .security_level = 2 };
	if (a->level != 0)
		limits->security_level = a->level < 0 ? 0 : a->level;
	if (a->cap != 0)
		limits->ocsp_size = a->cap;
	*ret = (struct sst_response_ask){ .issuer = issuer->cert, .limits = limits,
	    .now = a->now != 0 ? a->now : PKI_NOW, .source = SST_SOURCE_OCSP,
	    .nonce = a->nonce, .nonce_len = a->nonce_len,
	    .nonce_required = a->nonce_required };
	if (a->revoked != NULL) {
		ret->delegate_revoked = is_revoked;
		ret->arg = (void *)(uintptr_t)a->revoked;
	}
	if (sst_facts_of(a->cert->cert, issuer->cert, &ret->cert, &err) < 0) {
		(void)fprintf(stderr, "facts: %s\n", err.text);
		abort();
	}
}

struct sst_evidence
response_judge(const void *der, size_t len, const struct response_ask *a)
{
	struct sst_response_ask ask;
	struct sst_evidence ev;
	struct sst_limits limits;
	void *exact = malloc(len > 0 ? len : 1);

	if (exact == NULL)
		abort();
	memcpy(exact, der, len);
	response_question(a, &limits, &ask);
	memset(&ev, 0xa5, sizeof(ev));
	sst_response_judge(exact, len, &ask, &ev);
	free(exact);
	return ev;
}

struct sst_evidence
response_judge_made(const struct made_response *r, const struct response_ask *a)
{
	struct pki_buf der = { 0 };
	struct sst_evidence ev;

	make_response(r, &der);
	ev = response_judge(der.data, der.len, a);
	pki_buf_free(&der);
	return ev;
}
