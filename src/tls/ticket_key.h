/* SPDX-License-Identifier: ISC */
/*
 * ticket_key - the keys that session tickets are sealed with, by time and by name.
 *
 *	ticket.c (OpenSSL's callback), conf.c, attach --> ticket_key
 *
 * Time is cut into epochs of 12 hours. Each has a secret; from that and from the digest
 * of what a session is bound to come the keys of one ticket (HKDF-SHA256, RFC 5869), so
 * that nothing is kept for a name and whoever has the secrets agrees without a message.
 *
 * Always true:
 *   1. Secrets are in one page of their own: left out of core dumps, cleared when the
 *      object is freed, and, where that was asked for, empty in a child of fork(). A page
 *      that a fork emptied gives no keys.
 *   2. A random secret begets the next epoch's and is cleared when the last ticket that
 *      it sealed has run out: who reads the memory later opens none of those.
 *   3. A secret that was given (shared) stays: whoever it is shared with can start at
 *      any epoch. Who gave it rotates it.
 *   4. A clock that goes back or forward costs full handshakes, never an error.
 * Threads: any; one lock over all objects, held for some hundred instructions, which
 * fork() waits for.
 */
#ifndef SST_TLS_TICKET_KEY_H
#define SST_TLS_TICKET_KEY_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct sst_error;
struct sst_tickets;	/* shared: ref/unref */

#define SST_TICKET_EPOCH_S	43200
#define SST_TICKET_LIFE_S	86400	/* of a session: the default */
#define SST_TICKET_LIFE_MAX_S	604800	/* RFC 8446 4.6.1 */
#define SST_TICKET_MASTER_MIN	32
#define SST_TICKET_MASTER_MAX	256
#define SST_TICKET_NAME		16	/* what stands before a ticket (RFC 5077 4) */

struct sst_ticket_keys {
	uint8_t	cipher[32];	/* AES-256 */
	uint8_t	mac[32];	/* HMAC-SHA256 */
};

/*
 * `master` NULL: a random one of its own; else `len` bytes (copied), which is
 * SST_E_USAGE below SST_TICKET_MASTER_MIN and above SST_TICKET_MASTER_MAX. On 0 the
 * caller owns *ret.
 */
int	sst_tickets_new(const void *master, size_t len, int wipe_on_fork,
	    struct sst_tickets **ret, struct sst_error *err);
struct sst_tickets *sst_tickets_ref(struct sst_tickets *);
/* The last one clears the secrets. NULL is allowed. */
void	sst_tickets_unref(struct sst_tickets *);
/* For how long a session lives, in seconds (at most SST_TICKET_LIFE_MAX_S): what older
 * tickets were sealed with is forgotten. */
void	sst_tickets_life(struct sst_tickets *, unsigned seconds);
/* The bytes that were given, to `out` of SST_TICKET_MASTER_MAX; their number. 0: it is
 * random, or a fork emptied it. */
size_t	sst_tickets_master(struct sst_tickets *, uint8_t *out);
/* 0: a fork emptied it. */
int	sst_tickets_alive(struct sst_tickets *);

/* The keys of a ticket issued now. 1; 0: there are none. */
int	sst_tickets_seal(struct sst_tickets *, time_t now, const uint8_t digest[32],
	    uint8_t name[SST_TICKET_NAME], struct sst_ticket_keys *ret);
/* The keys of a ticket with this name. 1; 0: it is somebody else's, or too old. */
int	sst_tickets_open(struct sst_tickets *, time_t now, const uint8_t digest[32],
	    const uint8_t name[SST_TICKET_NAME], struct sst_ticket_keys *ret);

/* Pure. 1, or 0: OpenSSL failed. */
int	sst_ticket_keys_derive(const uint8_t secret[32], const uint8_t digest[32],
	    struct sst_ticket_keys *ret);

#endif
