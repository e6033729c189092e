/* SPDX-License-Identifier: ISC */
/*
 * keeper - the process with the program's rights and no network.
 *
 * src/main.c enters here. The keeper owns the doors, starts and restarts the
 * relay, opens and watches files, and holds duplicates of listeners.
 *
 *	start.c   what the process is made of: descriptor 3, rights, sockets
 *	loop.c    waiting, deadlines, signals, the end
 *	child.c   the relay as a process: start, death, start again
 *	channel.c messages of the relay
 *	door.c    calls of the program
 *	status.c  the status door
 *	ask.c     what is asked there
 *
 * Always true:
 *   1. It reads no byte from the network and parses nothing but control
 *      messages.
 *   2. It never waits but in one place, and nobody can make it.
 *   3. It ends when the relay ends cleanly, and ends the relay when it is idle.
 * Threads: one.
 */
#ifndef SST_KEEPER_KEEPER_H
#define SST_KEEPER_KEEPER_H

/* The role `--keeper`: reads a struct sst_wire_start from descriptor 3. The
 * exit status. */
int	sst_keeper_main(void);
/* The role `--serve FILE`: starts by itself and leaves a struct
 * sst_wire_serve in `path` for as long as it lives. The exit status. */
int	sst_keeper_serve(const char *path);

#endif
