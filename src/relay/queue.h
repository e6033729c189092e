/* SPDX-License-Identifier: ISC */
/*
 * queue - finished connections on their way to the program's accept().
 *
 *	listener.c --enter--> ready --> given: a record and its descriptor in the
 *	queue of the listener's descriptor --> taken: out of it --> in use
 *
 * stream.c says what the program uses, door.c by way of listener.c what it could
 * not take (LOST). Each connection is in one of the three rows until it is known to
 * be in use, and as long the relay keeps a copy of the program's end of it.
 *
 * Always true:
 *   1. At most min(backlog, SST_LISTENER_IN_FLIGHT) records are in the descriptor's
 *      queue. `seq - left` is not fewer than there are; the kernel is asked only
 *      where that is not enough to know.
 *   2. The order of arrival holds, also for what is given again.
 *   3. A copy goes at the first byte that the program writes. Else it is looked
 *      for accept()'s mark SST_LISTENER_USE_MS after the handshake, or when it
 *      leaves the queue after that; without one it goes SST_LISTENER_HELD_MS after
 *      it was seen to have left. Until then it can be given again.
 *   4. That a record leaves the queue is an event (EPOLLOUT) while one is ready,
 *      TCP is left to fill, or one was not taken when it was looked at; without
 *      one of these nobody is woken for what the program accepts.
 *   5. The relay's end of a listener always has something to be read, so that
 *      EPOLLIN is an edge for whatever the program does but accept().
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_QUEUE_H
#define SST_RELAY_QUEUE_H

#include <stddef.h>
#include <stdint.h>

struct sst_listener;
struct sst_record;

/* Accepted records in a row. */
struct sst_queue {
	struct sst_record *first, **end;
	size_t		 n;
};

/* Events of the relay's end of a listener whose queue is of no interest. */
#define SST_QUEUE_CALM	(EPOLLIN | EPOLLRDHUP | EPOLLET)

/* Of a new listener, or one whose descriptor a former relay has filled. */
void	sst_queue_begin(struct sst_listener *);
/* A finished connection: it is given now, or when there is room. */
void	sst_queue_enter(struct sst_listener *, struct sst_record *);
/* What left the descriptor's queue was taken, or lost: its copy has its time. */
void	sst_queue_note(struct sst_listener *);
/* Gives what there is room for. */
void	sst_queue_deliver(struct sst_listener *);
/* The same in a moment: a limit of the system stopped it. */
void	sst_queue_retry(struct sst_listener *);
/* Whether fewer than `n` are ready or in the descriptor's queue. */
int	sst_queue_below(struct sst_listener *, size_t n);
/* From now on an event says that a record left the descriptor's queue. */
void	sst_queue_watch(struct sst_listener *);
/* ... and not any more, if there is nothing to wait for. */
void	sst_queue_calm(struct sst_listener *);
/* This one was given a while ago, and the program did not use it yet. */
void	sst_queue_look(struct sst_record *);
/* LOST: the one with this cookie was given and is to be given again. */
void	sst_queue_lost(struct sst_listener *, uint64_t cookie);
/* The program uses it. */
void	sst_queue_used(struct sst_record *);
/* An accepted record leaves its listener: the relay's copy of its end goes. */
void	sst_queue_forget(struct sst_record *);
/* Nobody will accept any more: what is ready is reset. */
void	sst_queue_shut(struct sst_listener *);
/* The listener is closed, `left`: with records in its queue. */
void	sst_queue_end(struct sst_listener *, int left);

#endif
