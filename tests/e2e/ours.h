/* SPDX-License-Identifier: ISC */
/*
 * ours - the calls a program makes on its TLS sockets, in a line each.
 *
 * Always true:
 *   1. Nothing here knows more of the project than <securesockets.h>.
 *   2. A call that cannot fail in a sane test ends the scene when it does.
 */
#ifndef SST_E2E_OURS_H
#define SST_E2E_OURS_H

#include "peer.h"
#include "world.h"

int	ours_socket(int family, int flags);
/* setsockopt() with a text; its result. */
int	ours_set(int fd, int option, const char *text);
int	ours_set_int(int fd, int option, int value);
/* getsockopt() of a text: static buffer (eight take turns). Must succeed. */
const char *ours_get(int fd, int option);
int	ours_get_int(int fd, int level, int option);
uint64_t ours_generation(int fd);
const char *ours_error(int fd);	/* TLS_ERROR; -1: of the thread */

/* A listener on a free loopback port; `chain` and `key` may be NULL. */
int	ours_listener(struct addr *ret, int family, const char *chain, const char *key);
/* The same without the listen(). */
int	ours_bound(struct addr *ret, int family);
int	ours_accept(int listener);	/* must succeed */
/* A socket that trusts world.ca and expects this name (NULL: none). */
int	ours_client(int family, int flags, const char *name);
/* Connects it; 0 or -1 with errno. */
int	ours_connect(int fd, const struct addr *);
/* Waits for these events; returns those that are there. 0 after `ms`. */
short	ours_poll(int fd, short events, int ms);
/* Exactly these many bytes. */
void	ours_write(int fd, const void *, size_t len);
void	ours_read(int fd, void *, size_t len);
/* End of the peer's stream: read() is 0. */
void	ours_want_end(int fd);

/* A client of OpenSSL's comes, a byte goes each way, and both end. */
void	ours_serve_one(const struct addr *, int listener);

/* Until a client that asks for `sni` is shown `cert`; accepts what comes, since
 * a listener with a full queue shakes no more hands. */
void	ours_want_soon_shown(int listener, const struct addr *, const char *sni,
	    const struct pki_cert *cert);

/* One TLS connection: ours and a raw peer. */
enum side { OURS_CONNECTS, OURS_ACCEPTS };
struct link {
	int		fd;	/* ours, blocking */
	struct peer	peer;
	int		listener;	/* OURS_ACCEPTS: ours, else -1 */
};
void	link_make(struct link *, enum side, const struct peer_opts *);
#define for_each_side(side) \
	for (enum side side = OURS_CONNECTS; side <= OURS_ACCEPTS; side++)
void	link_close(struct link *);	/* what is still open */

/* `len` bytes that are a function of `seed`; and their check. */
void	fill(void *, size_t len, unsigned int seed);

#endif
