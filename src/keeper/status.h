/* SPDX-License-Identifier: ISC */
/*
 * status - the socket file where `sstool status` asks.
 *
 * The keeper owns the file and checks who asks; the relay writes the answer.
 *
 * Always true:
 *   1. The file is 0600 in a directory that belongs to this user, and appears
 *      with its mode and its listener in one step, in place of a stale one.
 *   2. It is deleted at the end only if it is still this keeper's.
 * Threads: one.
 */
#ifndef SST_KEEPER_STATUS_H
#define SST_KEEPER_STATUS_H

#include <sys/types.h>
#include <sys/un.h>

struct sst_status {
	int	fd;		/* listening, non-blocking; -1: none */
	dev_t	dev;
	ino_t	ino;
	char	dir[64], path[96];
};

/* Where this user's sockets are: /run/securesockets for root, else
 * /run/user/UID/securesockets. */
void	sst_status_dir(uid_t uid, char *out, size_t size);
/* 0, or -1 with errno: then there is no status door, which hinders nothing. */
int	sst_status_open(struct sst_status *, const char *dir, unsigned long pid);
/* 1 if the process at the other end may ask: the same user, or root. */
int	sst_status_may_ask(int conn);
void	sst_status_close(struct sst_status *);

#endif
