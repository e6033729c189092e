/* SPDX-License-Identifier: ISC */
/*
 * record - what the relay knows of one descriptor of a program.
 *
 *	FRESH --connect--> CONNECTING --> HANDSHAKE --> OPEN --> ENDED
 *	      \-listen---> LISTENING                 \-failure-> ENDED
 *	        (a finished handshake on a listener) --> OPEN
 *	OPEN, plain --upgrade--> HANDSHAKE --> OPEN
 *
 * Records are found by the cookie of the application's descriptor. While the
 * relay holds the other end of it, the kernel tells when the program closed;
 * before the link, and after the relay gave its end up, the name of the
 * descriptor does: when anybody can bind it, the descriptor is gone.
 *
 * Always true:
 *   1. One record a cookie; it owns its TCP socket, its end and its connection.
 *   2. A record without an end is in the list of those judged by name.
 *   3. A TCP socket is shut down before it is closed, or reset, unless its FIN is
 *      out and nobody can have a copy; but one that is foreign and was never a
 *      connection of ours is others' to shut down.
 * Threads: under the relay's lock. CONNECTING, HANDSHAKE and OPEN it belongs to
 * its worker, which alone touches `conn`, `pump`, the watches and the timer, and
 * those without the lock.
 */
#ifndef SST_RELAY_RECORD_H
#define SST_RELAY_RECORD_H

#include <stdint.h>

#include "base/sockname.h"
#include "loop.h"
#include "pump.h"
#include "worker.h"

struct sst_client;
struct sst_conn;
struct sst_listener;
struct sst_live;
struct sst_queue;
struct sst_relay;
struct sst_settings;

enum sst_record_state {
	SST_REC_FRESH = 1,
	SST_REC_CONNECTING,	/* TCP */
	SST_REC_HANDSHAKE,	/* TLS */
	SST_REC_OPEN,
	SST_REC_ENDED,		/* the connection failed or is over */
	SST_REC_LISTENING
};

struct sst_record {
	struct sst_object	 object;	/* first */
	struct sst_relay	*relay;
	struct sst_worker	*worker;	/* NULL: never connected */
	struct sst_order	 order;		/* to the worker */
	struct sst_record	*next;		/* in its bucket */
	struct sst_record	*name_next, **name_at;	/* judged by name */
	uint64_t		 cookie, serial;
	uint8_t			 state;
	char			 kind;		/* SST_SOCKNAME_* */
	uint8_t			 untold;	/* connected, and no connect() said so */
	unsigned		 was_open : 1;	/* it ended, but it had begun */
	unsigned		 lent : 1;	/* may be bound */
	unsigned		 reset_on_close : 1;	/* SO_LINGER {1, 0} */
	unsigned		 forced : 1;	/* a policy's: SO_PROTOCOL says TCP */
	unsigned		 foreign : 1;	/* TCP was made by somebody else, who
						   may hold it too */
	unsigned		 plain : 1;	/* OPEN: bytes pass as they are;
						   LISTENING: those it accepts, too */
	uint8_t			 own_certs;	/* accepted: not its listener's */
	int			 family;
	int			 linger_on, linger_time;	/* SO_LINGER */
	int			 nodelay;	/* what the program set */
	int			 sndbuf;	/* of the program's end, as it asked */
	int			 tcp, end;
	int			 held;		/* own copy of an accepted end */
	int			 error;		/* for SO_ERROR, once */
	unsigned		 n_jobs;	/* of the loader, not finished */
	char			*text;		/* for TLS_ERROR, or NULL */
	char			*verdict;	/* for TLS_OCSP_RESULT, once conn is gone */
	struct sst_live		*live;		/* OPEN, and judged on: or NULL */
	struct sst_settings	*set;
	struct sst_conn		*conn;
	struct sst_client	*client;	/* CONNECTING, HANDSHAKE */
	struct sst_listener	*listener;	/* LISTENING; accepted: in whose
						   lists it is */
	struct sst_queue	*queue;		/* of the listener: where it is */
	struct sst_record	*queue_next, **queue_at;
	uint64_t		 queue_seq;	/* 0: not given to the program yet */
	uint8_t			 looked;	/* it was not in use when looked at */
	int64_t			 taken_at;	/* it left the descriptor's queue */
	/* The worker's own, apart from what others read under the lock. */
	int64_t			 wait_until;
	uint64_t		 wait_bytes;
	uint8_t			 proven;	/* the program has its accepted end */
	uint8_t			 unproven;	/* its listener went before anybody
						   was seen to take it */
	uint8_t			 again;		/* the pump stopped for fairness */
	uint8_t			 end_heard;	/* an attempt watches its end as a
						   stream does */
	uint8_t			 end_fills;	/* the program's end was full once:
						   that it drains is an event */
	uint8_t			 wait;		/* enum sst_stream_wait */
	struct sst_watch	 tcp_watch, end_watch;
	struct sst_timer	 timer;
	struct sst_pump		 pump;
	union sst_inet		 local, peer;	/* once connected */
};

#define SST_TABLE_BUCKETS	4096

struct sst_table {
	struct sst_record	*buckets[SST_TABLE_BUCKETS];
	struct sst_record	*by_name;
	size_t			 count;
};

/* Cookie of a descriptor; 0 when it has none. */
uint64_t sst_record_cookie(int fd);
/* A record in state FRESH, in the table. NULL: out of memory. */
struct sst_record *sst_record_new(struct sst_relay *, uint64_t cookie, char kind,
	    int family, uint64_t serial);
struct sst_record *sst_record_find(struct sst_relay *, uint64_t cookie);
/* The worker that alone may act on it, or NULL: whoever has the lock. */
struct sst_worker *sst_record_owner(const struct sst_record *);
/* The loop of its watches and its timer. */
struct sst_loop *sst_record_loop(const struct sst_record *);
/* It connects: gives it a worker, for good. */
void	sst_record_employ(struct sst_record *);
/* Judged by name from now on; twice is allowed. */
void	sst_record_watch_name(struct sst_record *);
void	sst_record_unwatch_name(struct sst_record *);
/* Text for TLS_ERROR; escaped by whoever made it. NULL clears. */
void	sst_record_say(struct sst_record *, const char *text);
/* Closes the relay's end, the spent byte in its queue. */
void	sst_record_close_end(struct sst_record *);
/* Ends the TCP socket: FIN, or a reset. Frees the connection too. */
void	sst_record_close_tcp(struct sst_record *, int reset);
/*
 * The connection is no more: closes everything. The record goes at once when
 * its name is free, else when it is. Called by its owner.
 */
void	sst_record_end(struct sst_record *, int reset);
/* Takes it out of the table and frees it. */
void	sst_record_free(struct sst_record *);
/* Looks at the names of all records that are judged by name; `lent` only: those
 * that may hold a port. */
void	sst_record_sweep(struct sst_relay *, int lent);

#endif
