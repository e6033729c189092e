/* SPDX-License-Identifier: ISC */
/*
 * pump - moves bytes between the relay's end and the TLS connection.
 *
 *	up:   application -> end -> TLS -> TCP
 *	down: TCP -> TLS -> end -> application
 *
 * stream.c calls it whenever either side may be ready, and acts on the answer.
 * Nothing is buffered here while both sides flow; what one side cannot take is
 * kept in one block that is freed when it is gone, and the other side is not
 * read meanwhile, so that the kernel's flow control reaches the sender.
 *
 * Always true:
 *   1. The first byte of the queue of `end` is spent (link.h): the last byte
 *      that was forwarded stays there.
 *   2. A clean end of the peer's stream is shutdown() of `end`. Everything
 *      else leaves `end` to be closed with the spent byte unread, after what
 *      was received was delivered.
 *   3. What the application wrote before it closed is sent before close_notify
 *      and FIN.
 *   4. A pump holds at most one block of SST_PUMP_SCRATCH bytes a direction,
 *      and the early bytes of the gate.
 * Threads: one at a time.
 */
#ifndef SST_RELAY_PUMP_H
#define SST_RELAY_PUMP_H

#include <stddef.h>
#include <stdint.h>

#include <securesockets/error.h>

struct sst_conn;

#define SST_PUMP_SCRATCH	65536
#define SST_PUMP_PEEK		4096

enum sst_pump_state {
	SST_PUMP_RUNS = 0,	/* wait for events */
	SST_PUMP_MORE,		/* stopped for fairness: run again soon */
	SST_PUMP_LINGER,	/* all is sent and FIN is out; the application is
				   gone: wait for the peer's end a little */
	SST_PUMP_OVER,		/* nothing is left to do: close both */
	SST_PUMP_BROKEN,	/* the peer or the network failed: close both; err
				   says why */
	SST_PUMP_ABORT		/* reset the TCP connection, then close both */
};

struct sst_block {
	uint8_t		*bytes;
	uint32_t	 off, len;
};

struct sst_pump {
	struct sst_conn	*conn;		/* borrowed */
	int		 tcp, end;	/* borrowed */
	struct sst_block up, down;	/* what could not be passed on yet */
	uint64_t	 up_bytes, down_bytes;
	unsigned	 tcp_ended : 1;	/* a FIN or worse was reported */
	unsigned	 app_ended : 1;	/* the application shut down writing */
	unsigned	 app_gone : 1;	/* it closed, or both directions of `end`
					   are shut down: the kernel's HUP */
	unsigned	 app_reset : 1;	/* ... with unread data */
	unsigned	 app_deaf : 1;	/* it shut down reading */
	unsigned	 fin_sent : 1;	/* close_notify and FIN are out */
	unsigned	 peer_ended : 1;/* close_notify came */
	unsigned	 end_shut : 1;	/* ... and was passed on */
	unsigned	 broken : 1;	/* the peer failed: deliver, then close */
	unsigned	 end_deaf : 1;	/* ... and the application was told */
	unsigned	 more_up : 1, more_down : 1;	/* not at rest yet */
	unsigned	 up_waits : 1;	/* for the TCP socket */
	unsigned	 read_wants_write : 1;
};

void	sst_pump_init(struct sst_pump *, struct sst_conn *, int tcp, int end);
/* Frees the blocks. */
void	sst_pump_done(struct sst_pump *);
/* Bytes that go before what is in the queue; taken over. */
void	sst_pump_early(struct sst_pump *, uint8_t *bytes, size_t len);
/*
 * Ends it, with a connection that was plain and goes on as TLS: *ret_up is all
 * that the application wrote and that was not passed on, also what is in the
 * queue (the caller frees it; NULL: nothing). 0 or SST_E_NOMEM.
 */
int	sst_pump_stop(struct sst_pump *, uint8_t **ret_up, size_t *ret_len,
	    struct sst_error *err);
/*
 * Moves what can be moved. The events are those of edge-triggered epoll, 0 for
 * none; `scratch` has SST_PUMP_SCRATCH + 1 bytes. err is set by the run in
 * which something failed, which may be before the one that says so.
 */
enum sst_pump_state sst_pump_run(struct sst_pump *, uint32_t tcp_events,
	    uint32_t end_events, uint8_t *scratch, struct sst_error *err);

#endif
