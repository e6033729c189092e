/* SPDX-License-Identifier: ISC */
/*
 * certs_inside - the structure behind certs.h, for the files that make it up.
 */
#ifndef SST_RELAY_CERTS_INSIDE_H
#define SST_RELAY_CERTS_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "certs.h"
#include "tls/canary.h"

struct sst_cert_source;
struct sst_error;
struct sst_files;
struct sst_identity;
struct sst_log;
struct sst_ours;
struct sst_store;
struct sst_tickets;

struct sst_certs {
	atomic_uint	  refs;
	struct sst_files *files;	/* borrowed: the relay's */
	struct sst_log	 *log;		/* borrowed */
	struct sst_lane	  lane;		/* change.c's */
	struct sst_store *store;
	struct sst_tickets *tickets;
	_Atomic int64_t	  renewed;	/* wall time of the last renewal */
	atomic_int	  keys_open;	/* readable keys are allowed after all */
	struct sst_canary canary;	/* constant: how a renewal is tried */
	/* mu guards what follows up to `drop`, and the entries */
	pthread_mutex_t	  mu;
	struct sst_cert_source *list, **end;
	uint32_t	 *dropped;
	size_t		  n_dropped;
	struct sst_ours	 *ours;		/* or NULL */
	unsigned	  ours_ms;
	void		(*drop)(void *arg, uint32_t id);	/* at the end; or NULL */
	void		 *drop_arg;
};

/* certs_load.c: takes what the source holds into that store. */
int	sst_certs_read(struct sst_store *, const struct sst_cert_source *,
	    struct sst_error *err);
/* The source with this id: for who changes the list. NULL: there is none. */
struct sst_cert_source *sst_certs_source(struct sst_certs *, uint32_t id);
/* certs_acme.c: whether the source holds a challenge and nothing else. */
int	sst_certs_acme_check(struct sst_certs *, const struct sst_cert_source *,
	    struct sst_error *err);
/* ... and takes out every challenge for this name. */
int	sst_certs_acme_remove(struct sst_certs *, const char *name, struct sst_error *err);
/* certs_ours.c: sst_store_on_try(): what may be served now. `certs`: these. */
int	sst_certs_try(void *certs, const struct sst_identity *, const char *names,
	    int displaces, struct sst_error *err);
/* ... something is held back in this run. */
int	sst_await_any(void);
/* ... shows the staple that a client would get. `certs`: these. */
int	sst_certs_staple(SSL *, void *certs);
/* ... the store changed. */
void	sst_certs_sync(struct sst_certs *);

#endif
