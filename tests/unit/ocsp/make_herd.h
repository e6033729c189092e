/* SPDX-License-Identifier: ISC */
/*
 * make_herd - processes of their own that check a certificate or serve the cache,
 * as any user.
 *
 * Each is this very program, executed again: what fork() would copy of threads and
 * locks is not there. main() calls herd_main() first.
 *
 * DIR holds ca.pem, and NAME.der and ca.der of what is asked; herd_write() makes
 * them, readable by everybody.
 */
#ifndef SST_TEST_MAKE_HERD_H
#define SST_TEST_MAKE_HERD_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "support/pki.h"

#define HERD_UID	31000	/* of the cache; HERD_UID + 1 ... are others */

/* Shared by all processes of a test. */
struct herd {
	pthread_barrier_t barrier;
	_Atomic int	 missed;	/* who found nothing and goes to the barrier */
	_Atomic int	 asked;		/* whose question is under way */
	int		 fd;
};

struct herd_check {
	const char	*dir, *name;	/* of the certificate's file */
	const char	*cache;		/* "": memory */
	const char	*service;	/* NULL: none */
	uid_t		 uid;		/* 0: as we are */
};

struct herd_serve {
	const char	*dir, *cache;
	uid_t		 uid;
	int		 listen_fd, stop_fd;
	unsigned	 fetches, in_flight, connections, idle_ms;
	unsigned	 no_allow;	/* 1: fetches from public addresses alone */
};

/* Runs a child's part and returns its exit code; -1: this is no child. */
int	herd_main(int argc, char **argv);
void	herd_write(const char *dir, const char *name, const struct pki_cert *);
/* `n` processes meet at the barrier. */
struct herd *herd_new(unsigned n);
void	herd_free(struct herd *);
/* Each ends with 0 when its certificate is good, 1 when it is refused. */
pid_t	herd_check(const struct herd *, const struct herd_check *);
pid_t	herd_serve(const struct herd_serve *);
/* Its exit code; -1: a signal ended it. */
int	herd_end(pid_t);
/* A listening socket at `path` for everybody. */
int	herd_listen(const char *path);

#endif
