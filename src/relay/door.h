/* SPDX-License-Identifier: ISC */
/*
 * door - the calls of the shim: one connection, one request, one answer.
 *
 * A request that was read is not acted on before the events that precede it:
 * a program that closes a socket and then asks for its port must find it free.
 *
 * Always true:
 *   1. Every call is answered once, or its caller is gone; only who asks for a
 *      new socket when the door is shut is hung up on, and asks another pair.
 *   2. At most SST_DOOR_UNREAD callers may owe us their request, each for
 *      SST_WIRE_TIMEOUT_MS; one more, and the longest silent has to go. So
 *      nobody keeps others out by coming often.
 *   3. NEW needs the secret; every other verb is about the descriptor that
 *      came with it, found by its cookie.
 * Threads: under the relay's lock; the watches and timers of calls are the control
 * thread's.
 */
#ifndef SST_RELAY_DOOR_H
#define SST_RELAY_DOOR_H

#include <stddef.h>
#include <stdint.h>

#include "base/wire.h"
#include "loop.h"
#include "worker.h"

#define SST_DOOR_UNREAD	128
#define SST_CALL_FDS	2

struct sst_record;
struct sst_relay;

struct sst_call {
	struct sst_object	 object;	/* first */
	struct sst_relay	*relay;
	struct sst_call		*next, **at_me;	/* of all */
	struct sst_call		*asked_next;
	struct sst_call		*wait_next;	/* calls waiting for one thing */
	struct sst_call		*silent_next, **silent_at; /* who owe a request */
	struct sst_watch	 watch;
	int			 passed;	/* somebody else may have its fd */
	struct sst_timer	 timer;
	struct sst_order	 order;		/* to the worker it is about */
	int			 fd;
	struct sst_wire_head	 head;
	char			*data;		/* NUL added behind len bytes */
	size_t			 len;
	int			 fds[SST_CALL_FDS];	/* owned, -1 */
	void			(*gone)(struct sst_call *); /* the caller gave up */
	void			*owner;		/* of `gone` */
};

/* Serves the door. 0, or -1 with errno. */
int	sst_door_open(struct sst_relay *);
void	sst_door_close(struct sst_relay *);
/* Nobody may come any more: a program that asks finds that this pair is gone,
 * and starts another. */
void	sst_door_shut(struct sst_relay *);
/* A call that came another way; takes all descriptors and copies the data.
 * NULL: out of memory, all is closed. */
struct sst_call *sst_call_new(struct sst_relay *, int fd,
	    const struct sst_wire_head *, const void *data, size_t len,
	    const int fds[SST_CALL_FDS]);
/* Hangs up. */
void	sst_call_drop(struct sst_call *);
/* Answers and frees. `fd` (-1: none) is borrowed. */
void	sst_call_answer(struct sst_call *, int a, const void *data, size_t len, int fd);
/* Answers -1 with an errno and a text (NULL: none), and frees. */
void	sst_call_fail(struct sst_call *, int code, const char *text);
/* The call stays; `gone` runs once when its caller hung up or gave up. */
void	sst_call_wait(struct sst_call *, void (*gone)(struct sst_call *), void *owner);

#endif
