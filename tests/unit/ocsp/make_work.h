/* SPDX-License-Identifier: ISC */
/*
 * make_work - a CA, a server with its lists and responses, a cache and the thread
 * that fetches, for the tests of work.c.
 *
 * The server answers /crl* with a list and all else as an OCSP responder, each as
 * the fields say at that moment. The clock is `clock`, which begins at PKI_NOW.
 */
#ifndef SST_TEST_MAKE_WORK_H
#define SST_TEST_MAKE_WORK_H

#include <pthread.h>
#include <stdatomic.h>

#include "make_crl.h"
#include "make_response.h"
#include "ocsp/work.h"
#include "support/responder.h"

#define SCENE_CERTS	8
#define SCENE_LOG	64

struct scene {
	struct pki_cert	*ca;
	struct pki_cert	*cert[SCENE_CERTS];	/* scene_cert() makes them */
	int		 n;
	struct responder *r;
	struct sst_cache *cache;
	struct sst_work	*work;
	_Atomic int64_t	 clock;
	int64_t		 judged_at;	/* `now` of asks; 0: the clock's */

	/* what the server answers; changed while nothing is under way, and followed by
	 * responder_see() where another process asks */
	int		 revoked;	/* the first cert is, in lists and responses */
	int		 number;	/* CRLNumber */
	time_t		 this_update, next_update;	/* 0: the makers' own */
	struct responder_reply crl, ocsp;	/* status, headers, manner */
	const char	*crl_text, *ocsp_text;	/* instead of what is right */
	struct pki_cert	*crl_signer;	/* NULL: the CA */
	int		 ocsp_status;	/* OCSPResponseStatus */
	int		 refuse_get, refuse_sha256, refuse_sha256_http;
	int		 echo;		/* 1: the nonce, 2: another one */
	int		 sha1;		/* what signatures are made over */

	/* what it met; read while nothing is under way */
	char		 log[SCENE_LOG][200];	/* "METHOD PATH HASH NONCE" */
	char		 headers[2048];	/* of the last */
	int		 n_log;
};

/* What came of an ask. */
struct scene_got {
	pthread_mutex_t	 mu;
	pthread_cond_t	 cond;
	int		 called;
	struct sst_evidence list[8];
	size_t		 n;
	struct sst_work_ticket *ticket;
};

/* `dir` NULL: a cache in memory. */
struct scene *scene_new(const char *dir);
void	scene_free(struct scene *);
/* Opens cache and thread again, with this list of what is allowed. */
void	scene_reopen(struct scene *, const char *dir, const char *const *allow);
/* A certificate with these URLs (NULL: none); paths are of the server. */
struct pki_cert *scene_cert(struct scene *, const char *crl_path, const char *ocsp_path);
struct pki_cert *scene_cert_extra(struct scene *, const char *extra);

/* Asks with the defaults; scene_wait() ends it. */
void	scene_ask(struct scene *, const struct pki_cert *,
	    const struct sst_revocation_policy *, int budget_ms, int is_leaf,
	    struct scene_got *);
void	scene_wait(struct scene_got *);
/* Both, with 20 s; returns the last piece, which must be there. */
struct sst_evidence scene_fetch(struct scene *, const struct pki_cert *);
struct sst_evidence scene_fetch_as(struct scene *, const struct pki_cert *,
	    const struct sst_revocation_policy *, int is_leaf);
/* What the cache holds about it: 1, and the first piece; 0: nothing. */
int	scene_cached(struct scene *, const struct pki_cert *, struct sst_evidence *ret);

#endif
