/* SPDX-License-Identifier: ISC */
/*
 * world_own - a CA, a server with its responses and lists, and certificates of our own,
 * for the tests of own.c.
 */
#ifndef SST_TEST_WORLD_OWN_H
#define SST_TEST_WORLD_OWN_H

#include <pthread.h>
#include <stdatomic.h>

#include "make_response.h"
#include "ocsp/own.h"
#include "support/responder.h"
#include "support/wall.h"

#define HOUR	((time_t)3600)
#define WAIT_MS	20000

/* What the server says of the certificate whose number its path has. */
struct says {
	enum made_status status;
	int		 http;		/* 0: 200 */
	int		 other;		/* speaks of another certificate */
	time_t		 this_update, life;	/* 0: the wall clock's; a day */
	int		 listed;	/* by the list; 2: on hold */
};

#define CERTS	4

struct sst_own_cert;

struct world {
	struct pki_cert	*root, *ca, *cert[CERTS];
	int		 n;
	struct says	 says[CERTS];
	struct responder *r;
	_Atomic int	 asked[CERTS], lists;	/* OCSP requests; lists */
	char		*dir;
	struct sst_checker *checker;
	struct sst_own	*own;
	/* words that were told */
	pthread_mutex_t	 mu;
	int		 n_words, deaf;	/* deaf: none can be done */
	uint8_t		 bad[CERTS][32];	/* revoked, as they tell */
	int		 n_bad;
	uint8_t		 leaf[32];
	int		 revoked, reason;
	int64_t		 revoked_at;
	enum sst_evidence_source source;
	char		 text[300];
};


/* `how`: 'o' names a responder, 'c' a list. */
struct pki_cert *issue(struct world *w, const char *how);
/* The checker and what it serves; `like` may be NULL. */
void	open_own(struct world *w, const struct sst_own_config *like);
void	close_own(struct world *w);
int	set_up(void **state);
int	tear_down(void **state);
void	add(struct world *w, const struct pki_cert *c);
/* 1: there is a staple to be served; then *until is its end. */
int	has_staple(struct world *w, const struct pki_cert *c, int64_t *until);
/* 1: by the words that were told. */
int	is_revoked(struct world *w, const struct pki_cert *c);
/* What is known of it, or NULL. */
struct sst_own_cert *entry_of(struct world *w, const struct pki_cert *c);
/* 1: each is in its place among those whose turn comes, and all are counted. */
int	is_in_order(struct sst_own *o);
/* Steps until nothing is pending, and what that led to is done, and sees to the order. */
void	settle(struct world *w);
/* So many seconds later. */
void	go(struct world *w, int64_t seconds);

#endif
