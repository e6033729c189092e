/* SPDX-License-Identifier: ISC */
/*
 * make_response_judge - a response, made and judged in one call.
 *
 * The bytes are judged from a buffer of just their size, so that a reader that goes
 * too far is noticed.
 */
#ifndef SST_TEST_MAKE_RESPONSE_JUDGE_H
#define SST_TEST_MAKE_RESPONSE_JUDGE_H

#include "make_response.h"
#include "ocsp/response.h"

/* All zero but `cert`: its issuer, PKI_NOW, the default limits. */
struct response_ask {
	const struct pki_cert *cert, *issuer;
	time_t		 now;
	int		 level;		/* security level; -1: 0; 0: the default */
	size_t		 cap;		/* octets; 0: the default */
	const unsigned char *nonce;
	size_t		 nonce_len;
	int		 nonce_required;
	const struct pki_cert *revoked;	/* is known to be */
};

struct sst_evidence response_judge(const void *der, size_t len, const struct response_ask *);
struct sst_evidence response_judge_made(const struct made_response *,
	    const struct response_ask *);

/* The question as response.h has it; `limits` is filled and `ask` borrows it. */
void	response_question(const struct response_ask *, struct sst_limits *limits,
	    struct sst_response_ask *ret);

#define assert_good(e)		assert_status((e), SST_EV_GOOD)
#define assert_revoked(e)	assert_status((e), SST_EV_REVOKED)
#define assert_unknown(e)	assert_status((e), SST_EV_UNKNOWN)
#define assert_status(e, s)	do {						\
	struct sst_evidence e_ = (e);						\
	if (e_.status != (s))							\
		print_error("%s\n", e_.text);					\
	assert_int_equal(e_.status, (s));					\
} while (0)
#define assert_fault(e, f)	do {						\
	struct sst_evidence e_ = (e);						\
	assert_int_equal(e_.status, SST_EV_ERROR);				\
	if (e_.fault != (f))							\
		print_error("%s\n", e_.text);					\
	assert_int_equal(e_.fault, (f));					\
	assert_true(e_.text[0] != '\0');					\
	assert_int_equal(e_.covered, 0);					\
} while (0)

#endif
