/* SPDX-License-Identifier: ISC */
/*
 * clients - a listening program (see agent.h) and TLS clients of it.
 *
 * Always true:
 *   1. Clients are OpenSSL's, in the test's thread; they verify nothing.
 *   2. After each call the relay has done what it can (knock() and take_now()
 *      excepted).
 * Threads: none of its own.
 */
#ifndef SST_TEST_CLIENTS_H
#define SST_TEST_CLIENTS_H

#include "agent.h"

#include <openssl/ssl.h>

#include "relay/listener.h"

#define AT_ONCE	8	/* what TCP's own queue holds in these tests */

struct world {
	struct pki_cert	*ca, *a;
	SSL_CTX		*ctx;
	char		 hello[1000];	/* the first message of a client */
	int		 hello_len;
};
extern struct world w;

struct scene {
	struct agent	 a;
	struct sockaddr_in at;
	int		 app;
	struct sst_listener *l;
};

struct client {
	int	fd;
	SSL	*ssl;
};

int	world_make(void **);
int	world_free(void **);
/* A socket that is bound and has a certificate. */
int	scene_make(void **);
int	scene_free(void **);
void	begin(struct scene *, int backlog);	/* listen() */
/* Connects from 127.0.X.Y, so that neighbourhoods can be told apart. */
struct client knock(struct scene *, int x, int y);
struct client dial(struct scene *, int x, int y);
void	say(struct scene *, const struct client *, const void *bytes, int len);
/* The client's handshake, to its end. */
void	shake(struct scene *, struct client *);
void	hang_up(struct scene *, struct client *);
/* Whether the relay ended this client's connection. */
int	ended(const struct client *);
unsigned counted(const struct scene *, enum sst_listener_count);
/* accept(): the record and its descriptor; -1: there is none. Without `keep`
 * the program's table is full. */
int	take(struct scene *, struct sst_wire_accepted *, int keep);
int	take_now(struct scene *, struct sst_wire_accepted *, int keep);

#endif
