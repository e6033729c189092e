/* SPDX-License-Identifier: ISC */
/*
 * judged - peers whose certificates a client of ours judges, and a responder that
 * knows about one of them, for scenes about revocation.
 *
 * The machine's file of a scene allows that responder and has a cache of its own.
 *
 * Always true:
 *   1. What is not as it should be fails the scene.
 *   2. A scene has begin() first and end() last.
 * Threads: the responder's, which look at `r`.
 */
#ifndef SST_TEST_JUDGED_H
#define SST_TEST_JUDGED_H

#include <stdatomic.h>
#include <time.h>

#include "ours.h"
#include "support/responder.h"
#include "unit/ocsp/make_response.h"

struct judged {
	struct responder *http;
	struct pki_cert *_Atomic leaf;	/* names its list */
	atomic_int revoked;		/* the leaf is on the list */
	enum responder_manner manner;
};
extern struct judged r;
extern time_t now;
extern struct pki_cert *www, *other;	/* that name no source */
extern const struct pki_buf none;	/* no staple */

/* world_begin(), with these certificates. */
void	judged_world(void);
/* `revocation`: of the machine's file. */
void	begin(const char *revocation, enum responder_manner);
void	end(void);
/* The machine's file of this scene: a cache of its own, the responder allowed. */
void	machine(const char *revocation);

/* A list of the CA; `revoked` NULL: it is empty. */
struct pki_buf list_of(const struct pki_cert *revoked);
struct pki_buf staple_of(const struct pki_cert *, enum made_status);

/* A client of ours that begins to connect to a peer with this certificate. */
struct attempt {
	int	fd, listener;
	struct peer peer;
};
/* `staple`, `policy`: or NULL. */
void	attempt(struct attempt *, const struct pki_cert *, const struct pki_buf *staple,
	    const char *policy);
/* It comes to this errno; 0: it is connected, and bytes pass. */
void	comes_to(struct attempt *, int code);
void	leave(struct attempt *);
/* All of it; takes the staple over. The verdict is told in this way. */
void	try_it(const struct pki_cert *, struct pki_buf staple, const char *policy, int code,
	    const char *verdict);

#endif
