/* SPDX-License-Identifier: ISC */
/*
 * responder - a real HTTP server on loopback that does what a test tells it.
 *
 * Tests of whatever fetches link it (`support`). A port of its own, a thread a
 * connection, keep-alive.
 *
 * Always true:
 *   1. What it cannot do for lack of a system call prints why and aborts.
 *   2. Every connection and request is counted before it is answered.
 *   3. responder_free() returns when all its threads have ended.
 * Threads: a test may call everything at any time; `answer` is called on the
 *   connection's thread, one at a time.
 */
#ifndef SST_TEST_RESPONDER_H
#define SST_TEST_RESPONDER_H

#include <stddef.h>

#include "pki.h"

struct responder;

struct responder_request {
	int	 n;		/* 1 for the first that this responder met */
	int	 connection;	/* likewise */
	char	 method[8];
	char	 path[1024];	/* as it was sent */
	char	*headers;	/* all lines after the first */
	char	*body;
	size_t	 body_len;
};

enum responder_manner {
	RESPONDER_PLAIN = 0,
	RESPONDER_SILENT,	/* reads and never answers */
	RESPONDER_RESET,	/* ends the connection without a word */
	RESPONDER_DRIP_HEAD,	/* one octet of the head every 20 ms */
	RESPONDER_DRIP_BODY,	/* the head, then one octet every 20 ms */
	RESPONDER_ENDLESS,	/* chunks for as long as they are taken */
	RESPONDER_NO_LENGTH,	/* the body ends with the connection */
	RESPONDER_CUT,		/* half of the body, then the end */
	RESPONDER_HEADERS	/* header lines for as long as they are taken */
};

struct responder_reply {
	int		 status;	/* 0: 200 */
	const char	*type;		/* Content-Type; NULL: none */
	const char	*headers;	/* more lines, each with \r\n; or NULL */
	enum responder_manner manner;
	int		 close;		/* end the connection after it */
	struct pki_buf	 body;		/* freed by the responder */
};

typedef void responder_answer(void *arg, const struct responder_request *,
    struct responder_reply *);

/* On 127.0.0.1, or on `address`; with a port of its own. */
struct responder *responder_new(responder_answer *, void *arg);
struct responder *responder_new_at(const char *address, responder_answer *, void *arg);
void	responder_free(struct responder *);	/* NULL is allowed */
/* "http://127.0.0.1:PORT" + path in a static buffer (eight take turns). */
const char *responder_url(const struct responder *, const char *path);
/* "127.0.0.1:PORT": lives as long as the responder. */
const char *responder_allow(const struct responder *);
int	responder_port(const struct responder *);
/* Requests, connections, and the most requests that were open at once. */
int	responder_requests(struct responder *);
int	responder_connections(struct responder *);
int	responder_peak(struct responder *);
/* Requests are read and counted, and answered when it is let go. */
void	responder_hold(struct responder *);
void	responder_let_go(struct responder *);
/* What the caller wrote before is seen by every answer from now on, also when the one
 * who asks is another process; and what it writes from now on, by none until now. */
void	responder_see(struct responder *);
/* Waits until `n` requests were met. */
void	responder_wait(struct responder *, int n);

/* A port that listens and never completes a connection (its queue is full).
 * The caller closes what is in fds[0..n-1]; returns n, at most 8. */
int	responder_deaf(int fds[8], int *ret_port);

#endif
