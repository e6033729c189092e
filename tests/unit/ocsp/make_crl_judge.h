/* SPDX-License-Identifier: ISC */
/*
 * make_crl_judge - what a list says about a certificate, asked both ways: by walking
 * it and through its index, which must agree.
 */
#ifndef SST_TEST_MAKE_CRL_JUDGE_H
#define SST_TEST_MAKE_CRL_JUDGE_H

#include "make_crl.h"
#include "ocsp/crl.h"

struct crl_ask {
	const struct pki_cert *cert;	/* issued by whom it says */
	STACK_OF(X509)	*others;
	time_t		 now;		/* 0: PKI_NOW */
	int		 level;		/* as a policy's */
	size_t		 size_cap;	/* 0: the default */
	int		(*revoked)(void *arg, const struct sst_cert_key *);
};

/* A list that does not open is an ERROR with its fault. */
struct sst_evidence crl_judge(const void *der, size_t len, const struct crl_ask *);
/* The same for a list that is made, judged and freed. */
struct sst_evidence crl_judge_made(const struct make_crl *, const struct crl_ask *);

#endif
