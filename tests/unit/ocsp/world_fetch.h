/* SPDX-License-Identifier: ISC */
/*
 * world_fetch - a fetcher and a real server on loopback, for the tests of fetch.c.
 * Loopback is not public, so its address is in the guard's list where a fetch is to
 * succeed.
 *
 * libcurl resolves names with getaddrinfo(), which is replaced here: the names end in
 * ".test" and lead where a test says.
 */
#ifndef SST_TEST_WORLD_FETCH_H
#define SST_TEST_WORLD_FETCH_H

#include <pthread.h>
#include <stdatomic.h>

#include "ocsp/fetch.h"
#include "ocsp/guard.h"
#include "support/responder.h"

#define CRL_CAP	(1 << 20)

struct fetch_world {
	struct responder *r;
	struct sst_guard *g;
	struct sst_fetcher *f;
	struct responder_reply next;	/* body: text to copy */
	const char	*text;
	size_t		 text_len;
	char		 path[1024], headers[2048], body[1024], method[8];
};

struct fetch_got {
	int	 n;
	struct sst_fetch_answer a;
	char	*body;
};

extern atomic_int fetch_resolved;		/* look-ups */
extern const char *_Atomic fetch_leads_to[2];	/* the first look-up, and later ones */
extern pthread_mutex_t fetch_slow;		/* held: resolution of slow.test hangs */

struct fetch_world *fetch_world_new(void);
void	fetch_world_free(struct fetch_world *);
/* A server's answer, as `next` and `text` have it; `arg` is the world. */
void	fetch_answer(void *arg, const struct responder_request *, struct responder_reply *);
void	fetch_open(struct fetch_world *, const char *const *allow, const char *proxy);
/* Another list of what is allowed, of one entry or none. */
void	fetch_allow_only(struct fetch_world *, const char *entry, const char *proxy);

struct sst_fetch_ask fetch_ask_of(const char *url);
struct sst_fetch_ask fetch_crl_of(const char *url);
/* `arg`: struct fetch_got. */
void	fetch_took(void *arg, const struct sst_fetch_answer *);
void	fetch_got_free(struct fetch_got *);
/* Until nothing is under way. */
void	fetch_run(struct fetch_world *);
/* Asks, and is answered once. */
void	fetch_one(struct fetch_world *, const struct sst_fetch_ask *, struct fetch_got *);

#endif
