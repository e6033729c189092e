/* SPDX-License-Identifier: ISC */
/*
 * shake_inside - one client of a listener, for who takes and dismisses it (shake.c)
 * and for its handshake (shake_step.c).
 *
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_SHAKE_INSIDE_H
#define SST_RELAY_SHAKE_INSIDE_H

#include <stdint.h>

#include "base/sockname.h"
#include "listener.h"
#include "loop.h"
#include "worker.h"

struct sst_conn;

#define SST_SHAKE_EVENTS	(EPOLLIN | EPOLLRDHUP | EPOLLET)

enum sst_shake_progress {
	SST_SHAKE_SILENT = 0,	/* connected */
	SST_SHAKE_PARKED,	/* it spoke, and its address has its share already */
	SST_SHAKE_CALLED,	/* ... and has room: its worker was told */
	SST_SHAKE_SPEAKING,	/* the ClientHello is not complete */
	SST_SHAKE_HELLO_SEEN
};

/*
 * Its worker alone ends it and touches `conn`; whoever else wants it to end takes
 * it out of the listener's list and says so by an order.
 */
struct sst_shake {
	struct sst_object  object;	/* first */
	struct sst_listener *listener;	/* NULL: it is to end */
	struct sst_shake  *next, **at_me;	/* newest first */
	struct sst_worker *worker;
	struct sst_order   order;
	struct sst_watch   watch;
	struct sst_timer   timer;
	struct sst_conn	  *conn;	/* from SST_SHAKE_SPEAKING on */
	struct sst_seat	   seat;	/* the same */
	uint64_t	   narrow, wide;
	int64_t		   since;
	enum sst_shake_progress progress;
	int		   writes;	/* it is to hear when the socket takes more */
	int		   active;	/* it has its share of its address's room */
	int		   settled;	/* the client's Finished is in */
	int		   tcp;
	union sst_inet	   peer;
};

/* shake.c: the part of the whole deadline; 0: the default. */
int	sst_shake_limit(const struct sst_shake *, int ms);
/* Goes; the TCP socket and the connection are the caller's now, who closes it or
 * has the loop take it over. */
void	sst_shake_detach(struct sst_shake *);
/* ... and both are closed. */
void	sst_shake_discard(struct sst_shake *);
/* Handshakes that this address has under way. */
size_t	sst_shake_share(const struct sst_listener *, uint64_t narrow);
/* Somebody of this address left: the one that waits longest has its turn. */
void	sst_shake_unpark(struct sst_listener *, uint64_t narrow);

/* shake_step.c: what an event of `watch` calls. */
void	sst_shake_ready(struct sst_watch *, uint32_t events);
/* The order of one that is SST_SHAKE_CALLED. */
void	sst_shake_obey_begin(struct sst_order *, struct sst_worker *);

#endif
