/* SPDX-License-Identifier: ISC */
/*
 * verify - what `sstool verify` and `sstool why` share.
 *
 *	verify.c (the question) -> verify_chain.c (OpenSSL's path, then the
 *	library's verdict) -> verify_print.c (the answer)
 *
 * Always true:
 *   1. The verdict is that of <securesockets/revocation.h>, which a connection
 *      asks too; no CRL and no response is judged by anybody else.
 *   2. A chain that does not reach an anchor is refused, and nothing is fetched
 *      for it.
 * Threads: one.
 */
#ifndef SST_TOOLS_VERIFY_H
#define SST_TOOLS_VERIFY_H

#include <openssl/x509.h>
#include <time.h>

#include <securesockets/revocation.h>

/* Files of one option. */
struct sst_paths {
	const char	**path;
	size_t		 n;
};

struct sst_question {
	struct sst_paths trust, untrusted, crl, ocsp;
	const char	*staple;		/* NULL: none */
	const char	*name;			/* NULL: any */
	const char	*cert;
	struct sst_revocation_policy policy;
	time_t		 at;			/* 0: now */
	int		 security_level;
	int		 purpose;		/* OpenSSL's; 0: any */
	int		 no_fetch, no_cache, json;
	int		 explain;		/* `why`: every piece of evidence */
};

enum sst_answer_result { SST_ANSWER_ACCEPT, SST_ANSWER_REJECT, SST_ANSWER_ERROR };

struct sst_answer {
	enum sst_answer_result result;
	char		 reason[1200];
	const char	*not_judged;		/* why there is no verdict, or NULL */
	STACK_OF(X509)	*chain;			/* leaf first; may end early */
	struct sst_checker *checker;		/* NULL: it did not come to that */
	struct sst_check *check;
};

/* Fills *ret, which sst_answer_done() empties. */
void	sst_answer_find(const struct sst_question *, struct sst_answer *ret);
void	sst_answer_done(struct sst_answer *);
void	sst_answer_print(const struct sst_question *, const struct sst_answer *);
/* The same for a command line that sst_out_usage() complained of. */
void	sst_answer_usage(void);
/* The verbs: argv as main's, `verb` for complaints. Returns the exit code. */
int	sst_verify_run(int argc, char **argv, const char *verb, int explain);

#endif
