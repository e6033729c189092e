/* SPDX-License-Identifier: ISC */
/*
 * client_inside - an attempt under way, for its calls (client.c), the program's side
 * of it (client_app.c) and the peer's (client_shake.c).
 *
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_CLIENT_INSIDE_H
#define SST_RELAY_CLIENT_INSIDE_H

#include <stddef.h>
#include <stdint.h>

#include "worker.h"

struct sst_call;
struct sst_record;
struct sst_revoke;
struct sst_tls_conf;
struct sst_upgrade;

/* What is waited for on the peer's socket. */
#define SST_CLIENT_EVENTS	(EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* An attempt under way. */
struct sst_client {
	struct sst_call	   *waiting;	/* calls to answer when it is over */
	struct sst_tls_conf *conf;	/* NULL: plain, or upgraded */
	struct sst_revoke  *judge;	/* NULL: the same */
	struct sst_bell	    bell;	/* the verdict's evidence is there */
	struct sst_record  *record;
	int		    judging;	/* nothing is to be done until then */
	struct sst_upgrade *upgrade;	/* it was plain before, or NULL */
	int		    app;	/* the program's end, while it waits: not
					   joined yet, or by a narrow gate */
	int		    tcp_ended;	/* as in the pump */
	size_t		    junk;	/* in the gate */
};

/* client_app.c: joins the program's descriptor and shuts the gate. 0, or -1 with
 * errno. */
int	sst_client_join_pending(struct sst_record *, int app);
/* TCP is up, and a handshake begins: joins the descriptor of a program that waits.
 * 0, or -1. */
int	sst_client_join_early(struct sst_record *);
/* What an event of the relay's end calls while it is under way. */
void	sst_client_end_ready(struct sst_watch *, uint32_t events);
/* The attempt failed. While TCP is not up nothing has happened: a descriptor that
 * was not joined is fresh again. */
void	sst_client_fail(struct sst_record *, int code, const char *text);
/* Handshake and verdict are done, or it is plain: the gate opens. */
void	sst_client_succeed(struct sst_record *);
/* NULL is allowed in the record. */
void	sst_client_free(struct sst_record *);

/* client_shake.c: what an event of the TCP socket calls. */
void	sst_client_tcp_ready(struct sst_watch *, uint32_t events);
/* The time for the handshake begins: `ms`, if no option says. */
void	sst_client_limit(struct sst_record *, int ms);
/* The next step of the handshake; gives the lock up while it computes. */
void	sst_client_shake(struct sst_record *);

#endif
