/* SPDX-License-Identifier: ISC */
/*
 * agent - a relay without processes around it, for the tests of this folder.
 *
 * The test is the program, the keeper and the clock: it makes the calls of the
 * shim, reads what the keeper would be told, and says what time it is.
 *
 * Always true:
 *   1. Time stands still until the test moves it (agent_later).
 *   2. A failure of the set-up fails the test.
 *   3. No thread but the loader's runs: the test needs no lock.
 * Threads: the test's, and the loader of each relay.
 */
#ifndef SST_TEST_AGENT_H
#define SST_TEST_AGENT_H

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/core.h"
#include "relay/door.h"
#include "support/pki.h"

/* Turned by the test: their threads do not run. */
#define AGENT_WORKERS	2

struct agent {
	struct sst_relay *relay;
	int		 channel[2], files[2];	/* relay's, keeper's */
	int		 links[2];
	struct sst_wire_new trust;		/* the program's environment */
	struct sst_wire_head answer;		/* of the last call */
	char		 data[70000];
	long		 len;
	int		 fd;
};

void	agent_make(struct agent *);
void	agent_free(struct agent *);
/* Moves the clock and lets the relay act. */
void	agent_later(struct agent *, int ms);
/* One turn of each loop. */
void	agent_turn(struct agent *, int ms);
/* Whether something is to be done within so many ms. */
int	agent_stirs(struct agent *, int ms);
/* Turns until nothing happens any more. */
void	agent_settle(struct agent *);
/* One call and its answer: 0, or the errno. */
int	agent_ask(struct agent *, void (*how)(struct sst_call *),
	    struct sst_wire_head *, const void *data, size_t len, int app, int file);
int	agent_verb(struct agent *, uint16_t verb, int a, int b, int c,
	    const void *data, size_t len, int app);
int	agent_set(struct agent *, int app, int option, const void *value, size_t len);
int	agent_set_int(struct agent *, int app, int option, int value);
/* Its value, of the sort that is an int; -errno. */
int	agent_get_int(struct agent *, int app, int level, int option);
/* What poll() says of a descriptor at once: in, out, and the other's end. */
int	agent_events(int fd);
/* The text goes in at one descriptor and comes out, alone, at the other. */
void	agent_arrives(struct agent *, int from, int to, const char *text);
/* Chain and key as bytes, as the keeper forwards them; the second: as this option. */
int	agent_supply_as(struct agent *, int app, uint32_t id, int option,
	    const struct pki_cert *);
int	agent_supply(struct agent *, int app, uint32_t id, const struct pki_cert *);
/* A program's new socket. */
int	agent_socket(struct agent *, int family);
/* The same, bound to a free port of the loopback; *ret is where. */
int	agent_bound(struct agent *, struct sockaddr_in *ret);
/* The last message of this verb that the keeper was told; -1: none. Takes all.
 * Its descriptors are the caller's. */
long	agent_told(struct agent *, uint16_t verb, struct sst_wire_head *,
	    void *data, size_t size, int fds[3]);

#endif
