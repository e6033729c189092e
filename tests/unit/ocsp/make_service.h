/* SPDX-License-Identifier: ISC */
/*
 * make_service - the machine's cache service as a process of its own, beside a CA and
 * a server that counts what reaches it.
 *
 * The service is somebody else's process where this is root's (HERD_UID); its clock is
 * the machine's, and so are the times of what the server says.
 */
#ifndef SST_TEST_MAKE_SERVICE_H
#define SST_TEST_MAKE_SERVICE_H

#include "make_herd.h"
#include "make_work.h"

struct world {
	char		*dir, *cache;
	char		 path[256];	/* of the service's socket */
	struct scene	*scene;
	struct pki_cert	*cert;		/* the scene's first: of "/ocsp" */
	struct herd_serve serve;	/* may be changed before it is started */
	int		 stop;
	pid_t		 pid;		/* 0: not started, or ended */
};

/* For CMocka: *state is a struct world. */
int	world_setup(void **state);
int	world_teardown(void **state);
void	world_start(struct world *);
int	world_end(struct world *);	/* its exit code */
/* Requests that reached the server. */
int	world_met(const struct world *);
/* Asks the service; 1: there is evidence, in *ret. */
int	world_ask(const struct world *, const struct pki_cert *, struct sst_evidence *ret,
	    struct sst_error *err);
int	world_ask_about(const struct world *, X509 *cert, X509 *issuer,
	    const struct sst_revocation_policy *, int is_leaf, struct sst_evidence *ret,
	    struct sst_error *err);
/* A connection to it; -1: there is no descriptor for one. */
int	world_dial(const struct world *);
void	world_is_good(const struct world *, const struct pki_cert *);

#endif
