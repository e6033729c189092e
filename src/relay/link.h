/* SPDX-License-Identifier: ISC */
/*
 * link - joins an application's descriptor to the relay, with seed and gate.
 *
 * client_app.c and listener.c call it; it calls the kernel alone. The gate is in
 * link_gate.c, that of a program that waits in connect() in link_narrow.c.
 *
 * The queue of the relay's end, from the link on:
 *
 *	seed 1 byte | what a thread wrote in between | junk of the gate
 *
 * Always true:
 *   1. The first byte of the queue is spent: it is never forwarded. It stays
 *      there until another one took its place, so that closing the relay's end
 *      at any time, also by dying, raises ECONNRESET on the application's end.
 *   2. While the gate is shut the application's end is neither readable nor
 *      writable, as TCP's in SYN_SENT.
 *   3. Only an end that this process connected itself is taken from the
 *      linking sockets, and by the very join that connected it: the seed's value
 *      tells it from one that an earlier join left there. Others are closed.
 *   4. The relay keeps no copy of the application's end.
 * Threads: one at a time for one struct sst_link.
 */
#ifndef SST_RELAY_LINK_H
#define SST_RELAY_LINK_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/sockname.h"
#include "base/wire.h"

#define SST_LINK_NONCE	16
#define SST_LINK_NARROW	4096		/* bytes that a narrow gate has at most */
#define SST_LINK_THREADS 16		/* that may have a timer */
/*
 * Send buffer of an application's end. The kernel doubles it, and wakes a writer
 * when four times what is queued fits: the piece whose last byte we leave there
 * is at most 37 KB of a write() and 66 KB of a sendfile() or splice(), so below
 * 74,253 or 132,651 some writers would never wake again (measured, Linux 6.18).
 */
#define SST_LINK_SNDBUF		212992
#define SST_LINK_SNDBUF_MIN	139264

enum sst_link_kind { SST_LINK_CONNECT = 0, SST_LINK_LISTEN = 1 };

/* The timer of a thread that joins descriptors that block. */
struct sst_link_alarm {
	pthread_t		thread;
	timer_t			timer;
};

struct sst_link {
	int			listening[2];	/* not owned */
	struct sockaddr_un	addr[2];
	socklen_t		len[2];
	struct sst_link_alarm	alarms[SST_LINK_THREADS];
	int			n_alarms;
	pid_t			pid;		/* ours */
	uint8_t			turn;		/* the last seed's value */
	int			drain[2], null;	/* a pipe that junk goes through, or
						   -1: it is copied */
	int			junk;		/* sealed memfd */
	size_t			junk_len;
	size_t			narrow_len;	/* seed and narrow gate, or 0 */
	uint8_t			nonce[SST_LINK_NONCE];
};

/* 0, or -1 with errno. */
int	sst_link_init(struct sst_link *, int link_connect, int link_listen,
	    const char door[16]);
void	sst_link_done(struct sst_link *);
/* Closes whoever else connected to the linking sockets, a part of them at once. */
void	sst_link_expel(struct sst_link *, enum sst_link_kind);
/*
 * Connects `app` (borrowed) and hands out the relay's end of it, seed byte in
 * its queue. 0, or -1 with errno (EISCONN: it is linked already).
 */
int	sst_link_join(struct sst_link *, int app, enum sst_link_kind, int *ret_end);
/*
 * The same for one that blocks and whose program waits for it: its gate is shut as
 * well, *ret_junk bytes are in it, and only who has `app` can open it. 1, 0: this
 * kernel keeps other books and nothing was done, or -1 with errno.
 */
int	sst_link_join_narrow(struct sst_link *, int app, int *ret_end,
	    size_t *ret_junk);
/* Opens it, and gives `app` a send buffer of this size. `scratch`: SST_LINK_NARROW
 * bytes. 0, or -1. */
int	sst_link_open_narrow(int app, int end, size_t junk, int size, void *scratch);
/* Makes one of sst_link_gate()'s of it, that needs no `app` any more, and is never
 * open in between; *junk: what was in it, and is now. 0, or -1 with errno. */
int	sst_link_widen(struct sst_link *, int app, int end, int size, void *scratch,
	    size_t *junk);
/* Shuts the gate; *ret_junk bytes are in it. 0, or -1 with errno. */
int	sst_link_gate(struct sst_link *, int app, size_t *ret_junk);
/*
 * Opens the gate: takes its junk out of the queue of `end`, but for its last
 * byte. What a thread of the program wrote meanwhile is handed out (the caller
 * frees it; NULL when there was none). 0, or -1 with errno.
 */
int	sst_link_open(struct sst_link *, int end, size_t junk, void *scratch,
	    size_t size, uint8_t **ret_early, size_t *ret_len);
/* Makes a listener's end look like a listener: never writable. */
int	sst_link_quiet(struct sst_link *, int app);
/* A connected pair whose application's end carries `name`, seed byte in place.
 * 0, or -1 with errno. */
int	sst_link_pair(const struct sst_sockname *name, int *ret_app, int *ret_end);
/* Puts one accepted connection into a listener's queue. 0, or -1 with errno. */
int	sst_link_give(int end, const struct sst_wire_accepted *, int app);
/* What one such packet costs on the sender's books (SIOCOUTQ). -1 with errno. */
int	sst_link_give_cost(void);
/* Whether nobody holds this name any more. */
int	sst_link_name_free(const struct sockaddr_un *name, socklen_t len);
/* Gives an application's end the send buffer it needs. */
void	sst_link_buffer(int app);
/* The program asked for a buffer: as near to it as a writer can wake from. */
int	sst_link_size(int asked);
/* Gives an application's end this one. */
void	sst_link_resize(int app, int size);

#endif
