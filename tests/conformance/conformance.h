/* SPDX-License-Identifier: ISC */
/*
 * conformance - the numbered cases of the sockets page, on TCP and on TLS.
 *
 * A case is one function. It runs on sockets of the kernel's own TCP and on TLS
 * with the client relayed, the server relayed, and both; each run is a process
 * of its own with a pair of its own. It *sees*: what it saw on TLS is compared
 * with what it saw on TCP, line by line.
 *
 *	case (socket.c ...) --> own.c, far.c   its socket, and the other end
 *	                    --> see.c          notes in shared memory
 *	play.c: modes, processes --> judge.c   notes against notes and the tables
 *
 * Always true:
 *   1. A run that ends otherwise than by returning fails: hung, killed, want().
 *   2. A difference is in divergences.tsv or fails; so does a row there that no
 *      longer shows.
 *   3. A mode that a case does not run in is in modes.tsv with the reason.
 *   4. Where modes.tsv takes TCP away, the case states with want() what it
 *      expects, and the remaining modes are compared with the first of them.
 * Threads: see() may be called by any thread or child of a case, but the order
 * of the notes must not depend on luck.
 */
#ifndef SST_CONFORMANCE_H
#define SST_CONFORMANCE_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "e2e/ours.h"

enum mode {
	MODE_TCP,
	MODE_CLIENT,	/* the connecting end is relayed, the other is OpenSSL's */
	MODE_SERVER,	/* the accepting end is relayed, the other is OpenSSL's */
	MODE_BOTH,
	MODES
};

struct trial {
	enum mode	 mode;
	/* The end that own_pair() returns: in MODE_SERVER the accepting one, and
	 * TCP runs once more with that end for the comparison. */
	enum side	 side;
	int		 family;	/* one that works here */
	const char	*name;		/* of the case */
	int		 number;
	struct notes	*notes;
};

/* --- what a case sees ------------------------------------------------------------ */
/* The label says what was looked at; a divergence is listed under it. */
void	see(struct trial *, const char *label, long long value);
/* A result and, when it is negative, errno by name. */
void	see_result(struct trial *, const char *label, long long result, int err);
#define see_call(t, label, call) do {					\
	long long seen_;						\
	world_pass(__FILE__, __LINE__);					\
	errno = 0;							\
	seen_ = (long long)(call);					\
	see_result((t), (label), seen_, errno);				\
} while (0)
void	see_errno(struct trial *, const char *label, int err);	/* by name */
/* Bits of poll() or epoll, by name. */
void	see_mask(struct trial *, const char *label, unsigned int mask);
/* Length and a hash. */
void	see_bytes(struct trial *, const char *label, const void *, size_t len);
void	see_text(struct trial *, const char *label, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* What was seen under this label is this, each time: for cases without TCP. */
void	want_seen(const struct trial *, const char *label, const char *value);

struct far;

/* --- the case's own socket ---------------------------------------------------------- */
int	own_protocol(const struct trial *);	/* IPPROTO_TCP or IPPROTO_TLS */
/* socket() as it comes; `flags` are SOCK_NONBLOCK and SOCK_CLOEXEC. */
int	own_socket(struct trial *, int family, int flags);
/* One that may connect to any server of the case. */
int	own_client(struct trial *, int family, int flags);
/* One that may listen, bound to a free loopback port or not bound. */
int	own_server(struct trial *, int family, int flags);
int	own_bound(struct trial *, struct addr *ret, int family);
int	own_listener(struct trial *, struct addr *ret, int family, int backlog);
/* Waits for these events, as long as it takes; the mask. */
short	own_await(int fd, short events);
/* Waits for the end of a connect that fails. */
void	own_await_refused(int fd);
/* Bytes that wait to be read. */
int	own_waiting(int fd);
/* The other end writes; returns when all can be read. */
void	own_arrives(int fd, struct far *, const void *bytes, size_t len);
/* Counts SIGPIPE in own_pipes, from 0. */
void	own_count_pipes(void);
extern volatile sig_atomic_t own_pipes;
/* SIGALRM every 20 ms, to a handler that does nothing; `on` 0: no more. */
void	own_tick(int on, int flags);
/* Whether a thread of this process sleeps in this system call, -1: in any. */
int	own_asleep(pid_t tid, long number);

/* --- the other end ------------------------------------------------------------------- */
/* OpenSSL's own where tls.ssl is set, else a descriptor: TCP's or a relayed one. */
struct far {
	struct peer	tls;
	int		fd;	/* also tls.fd */
};

/* A connected pair: the case's end (blocking), and the other. `o` may be NULL. */
int	own_pair(struct trial *, struct far *, const struct peer_opts *o);

int	far_is_tls(const struct far *);		/* OpenSSL's own */
void	far_write(struct far *, const void *, size_t len);
/* > 0 bytes, 0 the clean end, -1 with errno (0: cut off). */
ssize_t	far_read(struct far *, void *, size_t size);
void	far_read_all(struct far *, void *, size_t len);	/* exactly */
/* The two talk: what one end says arrives at the other. */
void	see_talk(struct trial *, int fd, struct far *);
/* Reads to the end and sees how much, its hash, and how it ended. */
void	see_far_rest(struct trial *, const char *label, struct far *);
void	far_end(struct far *);	/* TCP: FIN; TLS: close_notify, FIN. Reading goes on */
void	far_cut(struct far *);	/* OpenSSL's only: FIN without close_notify */
void	far_close(struct far *);	/* far_end() and gone */
void	far_reset(struct far *);	/* RST and gone */

/* The other end as a client of the case's listener. */
void	far_dial(struct trial *, struct far *, const struct addr *);
/* Only the TCP connection; far_shake() does the rest where there is a rest. */
void	far_reach(struct trial *, struct far *, const struct addr *);
void	far_shake(struct trial *, struct far *);

/* The other end as a server, to which the case's socket connects. */
struct far_listener {
	struct addr	 at;
	int		 fd;
	struct trial	*t;
	struct peer_opts o;
	pthread_t	 thread;
	struct far	*served;
};
void	far_listen(struct trial *, struct far_listener *, int family,
	    const struct peer_opts *o);
void	far_accept(struct far_listener *, struct far *);	/* handshake included */
/* far_accept() in a thread, while the case waits in connect(); and its end. */
void	far_serve(struct far_listener *, struct far *);
void	far_served(struct far_listener *);
void	far_listener_close(struct far_listener *);

/* A server to which a connect stays pending until slow_open() is called: on TCP
 * and with both ends relayed its queue is full, else it says no ServerHello. */
struct slow {
	struct far_listener l;
	struct far	fill;	/* who fills the queue */
	int		filled;
};
void	slow_listen(struct trial *, struct slow *, int family);
/* Lets the pending one in; the other end of it. */
void	slow_open(struct slow *, struct far *);
void	slow_close(struct slow *);

/* --- playing --------------------------------------------------------------------------- */
/* Plays the case in every mode; fails the running test with every complaint. */
void	conformance_play(const char *name, void (*)(struct trial *), enum world_start);

#define CASE_(name, start)						\
	static void name##_case(struct trial *t);			\
	static void							\
	name(void **state)						\
	{								\
		(void)state;						\
		conformance_play(#name, name##_case, start);		\
	}								\
	static void							\
	name##_case(struct trial *t)
#define CASE(name)	CASE_(name, WORLD_WARM)
/* The case ends or starts the pair itself. */
#define COLD_CASE(name)	CASE_(name, WORLD_COLD)

#endif
