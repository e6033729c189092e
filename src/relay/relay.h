/* SPDX-License-Identifier: ISC */
/*
 * relay - the process that talks TLS for one program.
 *
 *	src/main.c --> relay.c --> channel.c (keeper), door.c (shim), and the loop
 *
 * Always true:
 *   1. No byte is read before the process has given up its rights.
 *   2. It ends when it drains and nothing is left, or when the keeper is gone
 *      and nothing is left.
 * Threads: the control thread, which is the first, the workers, the loader's two.
 */
#ifndef SST_RELAY_RELAY_H
#define SST_RELAY_RELAY_H

/* What the keeper hands down. */
struct sst_relay_fds {
	int	channel;	/* SEQPACKET to the keeper, both ways */
	int	files;		/* SEQPACKET to the keeper: questions */
	int	door;		/* listening: calls of the shim */
	int	link_connect;	/* listening: SST_LINK_CONNECT */
	int	link_listen;
};

/* Serves until the end. The process's exit status. */
int	sst_relay_main(const struct sst_relay_fds *);

#endif
