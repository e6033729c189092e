/* SPDX-License-Identifier: ISC */
/*
 * oversee - a listener's own certificates: staples in time, what revokes them, and what
 * is to be renewed.
 *
 *	listener.c: listen() --> oversee --loader--> tls/ours.h reads the store
 *	                            '--timer--> sst_ours_step()
 *	                            '--timer, loader--> sst_certs_dates()
 *
 * listen() waits until the certificates that name a responder have their staples, for
 * the time that the policy grants a handshake at most, so that the first client has
 * one. What comes later (a renewal) is put in service by certs_load.c in the same way.
 *
 * Always true:
 *   1. Whatever goes wrong here, the listener serves: without staples.
 *   2. No file and no responder is waited for under the lock.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_OVERSEE_H
#define SST_RELAY_OVERSEE_H

struct sst_call;
struct sst_listener;
struct sst_record;

/* Makes what serves and watches, before the listener's conf is made; again when
 * TLS_SERVER_OCSP_STAPLING was changed. */
void	sst_oversee_ready(struct sst_record *);
/* 1: `go` is called later, or never when the caller went away; 0: there is nothing to
 * wait for. */
int	sst_oversee_wait(struct sst_call *, struct sst_record *,
	    void (*go)(struct sst_call *, struct sst_record *));
/* The listener takes clients. */
void	sst_oversee_begin(struct sst_listener *);
/* It ends: nobody calls back. */
void	sst_oversee_end(struct sst_listener *);

#endif
