/* SPDX-License-Identifier: ISC */
/*
 * listener - TCP in, handshakes side by side, finished connections out.
 *
 *	TCP accept --> shake.c (and shake_step.c) --> listener.c: a pair, a
 *	record on the listener's descriptor (queue.c) --> the program's accept()
 *
 * Always true:
 *   1. Only a finished handshake becomes readable on the listener. A connection
 *      that begins plain has none to wait for.
 *   2. When `backlog` connections are finished and not accepted, no client is taken:
 *      TCP's own queue fills.
 *   3. A connection that the program was given but could not take (LOST) is
 *      given again (queue.h).
 *   4. What nobody took when the listener closes is reset.
 *   5. A handshake has the descriptors that its connection needs before its first
 *      byte is answered: none is finished for which there is no room.
 * Threads: under the relay's lock; the listener's descriptors are the control
 * thread's, a finished handshake is handed over by its worker.
 */
#ifndef SST_RELAY_LISTENER_H
#define SST_RELAY_LISTENER_H

#include <stddef.h>
#include <stdint.h>

#include "base/sockname.h"
#include "loop.h"
#include "queue.h"

struct sst_call;
struct sst_conn;
struct sst_error;
struct sst_record;
struct sst_relay;
struct sst_shake;
struct sst_tls_conf;
struct sst_worker;

#define SST_LISTENER_IN_FLIGHT	128
#define SST_LISTENER_LOOK_MS	2	/* has accept() come to its end? */
#define SST_LISTENER_USE_MS	10	/* as a rule it is in use by then */
#define SST_LISTENER_HELD_MS	250	/* for LOST, once it left the queue */

enum sst_listener_count {
	SST_COUNT_OK = 0,	/* handshakes that finished */
	SST_COUNT_ACME,		/* ... with an ACME server: the program never sees them */
	SST_COUNT_SILENT,	/* not a byte in time */
	SST_COUNT_SLOW,		/* the ClientHello or the rest was not in time */
	SST_COUNT_NOT_TLS,	/* what came is no ClientHello */
	SST_COUNT_ALERT,	/* the peer refused, or we refused the peer */
	SST_COUNT_CLOSED,	/* the peer went away */
	SST_COUNT_EVICTED,	/* made room for another */
	SST_COUNT_INTERNAL,
	SST_COUNTS
};

/* The pair of a connection to come, and its name. */
struct sst_seat {
	struct sst_sockname name;
	int		 app, end;	/* -1: none */
};

struct sst_listener {
	struct sst_object object;	/* first */
	struct sst_record *record;	/* whose this is */
	struct sst_listener *next, **at_me;	/* of the relay's */
	uint32_t	 id;		/* of HOLD */
	int		 backlog;
	struct sst_tls_conf *conf;
	struct sst_shake *shakes;	/* handshakes, newest first */
	struct sst_timer silence;	/* of those that said nothing yet */
	size_t		 n_shakes, n_active;
	struct sst_queue ready;		/* finished, not given yet */
	struct sst_queue given;		/* in the descriptor's queue */
	struct sst_queue taken;		/* no longer, and not in use yet */
	size_t		 n_looked;	/* of them: seen there when looked at */
	uint64_t	 seq;		/* of the last one given */
	uint64_t	 left;		/* ... so many of which left at least */
	struct sst_timer retry;		/* a limit of the system stopped us */
	struct sst_timer release;	/* of those that were taken */
	struct sst_timer oversight;	/* oversee.c */
	struct sst_timer dates;		/* oversee.c */
	int		 watched;	/* that a record leaves is an event */
	int		 paused;	/* TCP's queue is left to fill */
	int		 closed;	/* shut down by the program */
	int		 restoring;	/* certificates are being read again */
	uint64_t	 counts[SST_COUNTS];
	char		*last_error;	/* why the last handshake failed */
};

const char *sst_listener_count_name(enum sst_listener_count);
/* listen(): answers the call. */
void	sst_listener_listen(struct sst_call *, struct sst_record *);
/* A listener that a former relay had: the record has tcp, end and settings, and
 * becomes LISTENING; it takes clients from sst_listener_begin() on. 0, or -1
 * with errno. */
int	sst_listener_adopt(struct sst_record *, uint32_t id, int backlog);
int	sst_listener_begin(struct sst_listener *);
/* LOST: answers the call. */
void	sst_listener_lost(struct sst_call *, struct sst_record *);
/* What it accepts begins plain. */
int	sst_listener_is_plain(const struct sst_listener *);
/* Settings changed: from the next ClientHello on they hold. */
int	sst_listener_renew(struct sst_record *, struct sst_error *err);
/* For shake.c and shake_step.c. */
/* Makes the seat of a client of this listener. 0, or -1 with errno. */
int	sst_listener_seat(struct sst_listener *, int tcp, const union sst_inet *peer,
	    struct sst_seat *);
void	sst_seat_leave(struct sst_seat *);
/* A handshake that finished in `worker`, the caller; takes all three. */
void	sst_listener_finished(struct sst_listener *, struct sst_worker *worker,
	    int tcp, struct sst_conn *conn, struct sst_seat *);
/* For queue.c. */
/* The program shut it down, or closed it: as TCP in state CLOSE. */
void	sst_listener_shut(struct sst_listener *);

/* For both. */
/* There may be room for another client again. */
void	sst_listener_room(struct sst_listener *);

#endif
