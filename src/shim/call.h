/* SPDX-License-Identifier: ISC */
/*
 * call - one question to the keeper or the relay, and its answer.
 *
 *	socket.c, connect.c, option.c, ... --> call.c --base/wire--> door k or r
 *
 * Always true:
 *   1. Nothing is sent before SO_PEERCRED says who listens: the keeper of our
 *      record, or, for a descriptor of a pair that is not ours, a process of
 *      our own effective uid or of root.
 *   2. Ends within SST_WIRE_TIMEOUT_MS, with signals blocked, and leaves no
 *      descriptor behind. Only sst_call_open() leaves the waiting to its caller.
 *   3. A full table of descriptors does not stop it.
 * Threads: each call has a connection of its own.
 */
#ifndef SST_SHIM_CALL_H
#define SST_SHIM_CALL_H

#include <stddef.h>

#include "base/sockname.h"
#include "base/wire.h"

/* What went wrong with a call as such: no errno, so that none that the peer
 * answers is mistaken for it. */
enum {
	SST_CALL_GONE = -10001,		/* nobody listens, or somebody else does */
	SST_CALL_CUT = -10002,		/* the peer closed the connection */
	SST_CALL_LATE = -10003,		/* no answer within the time */
	SST_CALL_ODD = -10004,		/* an answer that is none of ours */
	SST_CALL_FULL = -10005		/* no room in the table of descriptors */
};

struct sst_call {
	const char		*door;		/* 16 digits */
	char			 which;		/* 'k' or 'r' */
	uint64_t		 serial;	/* whom a sentence is about */
	struct sst_wire_head	 head;		/* the question, then the answer */
	const void		*data;		/* may be the program's memory */
	size_t			 len;
	int			 fds[2];
	size_t			 n_fds;
	void			*reply;		/* may be the program's memory */
	size_t			 room;
	size_t			 reply_len;	/* answer */
	int			 fd;		/* answer's descriptor, or -1 */
	int			 silent;	/* says nothing about a failure */
};

/* Prepares a question about descriptor `fd`, whose name is `name`. */
void	sst_call_init(struct sst_call *, uint16_t verb, int fd,
	    const struct sst_sockname *name);
/* Shows the secret of our pair, when the socket is one of it. */
void	sst_call_prove(struct sst_call *);
/* Asks and waits. The answer's `a` (>= 0), or -errno with a sentence said:
 * the peer's errno, EFAULT for bad memory, ENOBUFS when there is no answer. */
int	sst_call(struct sst_call *);
/* The same for a caller that is within sst_quiet, and without the last step:
 * SST_CALL_* is for the caller to judge. */
int	sst_call_raw(struct sst_call *);
int	sst_call_judge(const struct sst_call *, int result);
/*
 * The two halves of a call whose answer may take long. `open` returns the
 * connection, which the caller closes and which does not block; `finish` is
 * called when it is readable.
 * Both may return SST_CALL_*.
 */
int	sst_call_open(struct sst_call *);
int	sst_call_finish(struct sst_call *, int conn);
/* Waits until `fd` is readable: 0 or SST_CALL_LATE. */
int	sst_call_wait(int fd, int timeout_ms);

/*
 * Runs fn(arg) in a process that shares our memory and has a table of
 * descriptors of its own: what is opened there, a fork in another thread cannot
 * copy. When the table is full, fn runs again with two descriptors closed there,
 * none of `keep`. Where no process may be made, so that nobody can fork, fn runs
 * here. The caller is within sst_quiet.
 */
int	sst_call_private(int (*fn)(void *), void *arg, const int *keep,
	    size_t n_keep);
/* Within such an fn: a call that does not make another process. May return
 * SST_CALL_*. */
int	sst_call_here(struct sst_call *);

#endif
