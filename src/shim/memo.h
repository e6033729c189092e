/* SPDX-License-Identifier: ISC */
/*
 * memo - which names the program asked for before it came to an address.
 *
 *	resolve.c --add--> memo --names of an address--> forced.c
 *
 * Always true:
 *   1. All names that were asked for since the address was last used count:
 *      who shares an address with somebody else must not choose the name. Only
 *      when there is none do those count that were used before, and with them
 *      those that were reached by another address: whose turn it is, the
 *      program's next connection does not say.
 *   2. A name lives 60 s from when it was last asked for or used.
 *   3. The oldest of 512 makes room, and its address is forgotten whole: never
 *      some of the names of an address.
 * Threads: any; also in a signal handler, and in the child of a fork that
 * happened while another thread was in here.
 */
#ifndef SST_SHIM_MEMO_H
#define SST_SHIM_MEMO_H

#include <stddef.h>
#include <stdint.h>

#define SST_MEMO_SIZE		512
#define SST_MEMO_LIFE_MS	60000
#define SST_MEMO_NAME		256	/* with NUL */

/* `addr` as sst_policy_address() has it. The empty name: asked for by address. */
void	sst_memo_add(const uint8_t addr[16], const char *name, int64_t now_ms);
/*
 * Writes the names, each with its NUL; *ret_len is their length, and
 * *ret_by_address is set when one of them was the address itself. Returns how
 * many there are, the address included, or -1 when `room` is too small.
 */
int	sst_memo_use(const uint8_t addr[16], int64_t now_ms, char *out, size_t room,
	    size_t *ret_len, int *ret_by_address);

/* The connection to `addr` failed not at once: its names may need no other. */
void	sst_memo_reached(const uint8_t addr[16]);

#endif
