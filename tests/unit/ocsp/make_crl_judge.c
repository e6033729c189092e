/* SPDX-License-Identifier: ISC */
#include "make_crl_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

struct lookup {
	const struct sst_cert_key *key;
	uint32_t	 bucket;
	int		 found;
	struct sst_crl_entry entry;
};

static int
look(void *arg, uint32_t bucket, const void *blob, size_t len)
{
	struct lookup *l = arg;

	if (bucket == l->bucket)
		l->found = sst_crl_bucket_find(blob, len, l->key, &l->entry);
	return 0;
}

/* The two ways find the same. */
static void
found_both_ways(const struct sst_crl *crl, const struct sst_cert_key *key, int found,
    const struct sst_crl_entry *entry)
{
	struct lookup l = { .key = key,
	    .bucket = sst_crl_bucket(key, sst_crl_head(crl)->bits) };
	int rc = sst_crl_index(crl, look, &l, NULL);

	if (rc == SST_E_NOMEM)
		return;		/* a starved run */
	assert_int_equal(rc, 0);
	assert_int_equal(l.found, found);
	if (!found)
		return;
	assert_int_equal(l.entry.reason, entry->reason);
	assert_int_equal(l.entry.revoked_at, entry->revoked_at);
}

struct sst_evidence
crl_judge(const void *der, size_t len, const struct crl_ask *ask)
{
	struct sst_revocation_policy policy = { .security_level = ask->level };
	time_t now = ask->now != 0 ? ask->now : PKI_NOW;
	struct sst_evidence e = { .status = SST_EV_ERROR };
	const struct pki_cert *issuer = ask->cert->issuer;
	struct sst_crl_signers who = { .issuer = issuer->cert, .others = ask->others,
	    .above = issuer->issuer == NULL ? NULL : issuer->issuer->cert,
	    .revoked = ask->revoked };
	const struct sst_cert_facts *facts;
	struct sst_crl_entry entry;
	struct sst_crl *crl = NULL;
	struct sst_error err = { .code = SST_OK };
	struct sst_limits limits;
	int rc;

	sst_limits_of(&policy, &limits);
	if (ask->size_cap != 0)
		limits.crl_size = ask->size_cap;
	rc = sst_crl_open(der, len, &who, now, &limits, &crl, &e.fault, &err);
	if (rc < 0) {
		assert_null(crl);
		assert_int_not_equal(e.fault, SST_FAULT_NONE);
		assert_int_equal(err.code, rc);
		assert_true(strlen(err.text) > 0);
		(void)snprintf(e.text, sizeof(e.text), "%.191s", err.text);
		return e;
	}
	assert_int_equal(e.fault, SST_FAULT_NONE);
	if (sst_facts_of(ask->cert->cert, issuer->cert, &facts, NULL) < 0) {
		e.fault = SST_FAULT_MALFORMED;
		goto out;
	}
	rc = sst_crl_find(crl, &facts->key, &entry);
	found_both_ways(crl, &facts->key, rc, &entry);
	sst_crl_evidence(sst_crl_head(crl), facts, rc == 1 ? &entry : NULL, now, &limits, &e);
	assert_int_equal(e.source, SST_SOURCE_CRL);
	assert_true(strlen(e.text) > 0);
out:
	sst_crl_free(crl);
	return e;
}

struct sst_evidence
crl_judge_made(const struct make_crl *m, const struct crl_ask *ask)
{
	struct pki_buf der = make_crl(m);
	struct sst_evidence e = crl_judge(der.data, der.len, ask);

	pki_buf_free(&der);
	return e;
}
