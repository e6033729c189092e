/* SPDX-License-Identifier: ISC */
/*
 * hold_state - the bytes of a held listener: written by one relay, read by the next,
 * which may be of another version.
 *
 * hold.c sends and takes them; this is the format alone: no descriptor and no
 * message.
 *
 * Always true:
 *   1. Reading believes no length, and sets nothing but what it is given.
 *   2. An unknown tag is passed over.
 *   3. A state whose revocation lists cannot be taken is none: the listener ends
 *      rather than go on without them.
 *   4. No private key is in them: a source is a number of the keeper's. A key for
 *      tickets that the program gave is, and they are a secret then.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_HOLD_STATE_H
#define SST_RELAY_HOLD_STATE_H

#include <stddef.h>
#include <stdint.h>

struct sst_listener;
struct sst_settings;

/* A state is a row of: tag (1 byte), length (2 bytes, little end first), bytes. */
enum sst_hold_tag {
	SST_HOLD_TAG_COOKIE = 1, SST_HOLD_TAG_SERIAL, SST_HOLD_TAG_FAMILY,
	SST_HOLD_TAG_BACKLOG, SST_HOLD_TAG_NAME, SST_HOLD_TAG_ALPN,
	SST_HOLD_TAG_DEFAULT, SST_HOLD_TAG_VERSION_MIN, SST_HOLD_TAG_VERSION_MAX,
	SST_HOLD_TAG_STRICT, SST_HOLD_TAG_TIMEOUT, SST_HOLD_TAG_KEY_EVENT,
	SST_HOLD_TAG_CERT_FILE, SST_HOLD_TAG_CERT_DIR, SST_HOLD_TAG_SOURCE,
	SST_HOLD_TAG_REMOVE, SST_HOLD_TAG_LINGER, SST_HOLD_TAG_REMOTE,
	SST_HOLD_TAG_LINGER_TIME, SST_HOLD_TAG_NODELAY, SST_HOLD_TAG_GENERATION,
	SST_HOLD_TAG_PLAIN, SST_HOLD_TAG_START_PLAIN, SST_HOLD_TAG_FORCED,
	SST_HOLD_TAG_FOREIGN, SST_HOLD_TAG_REVOCATION, SST_HOLD_TAG_LIVE,
	SST_HOLD_TAG_NO_STAPLING, SST_HOLD_TAG_STAPLE, SST_HOLD_TAG_LISTS,
	SST_HOLD_TAG_SESSION_TTL, SST_HOLD_TAG_NO_REUSE, SST_HOLD_TAG_TICKET_KEY
};

/* Zeroed before; the caller gives it to sst_hold_forget(). */
struct sst_hold_writer {
	uint8_t	*bytes;
	size_t	 len, room;
	int	 full;		/* it could not be written whole */
	int	 secret;	/* nobody may keep a copy of the bytes */
};

/* One field; text has a NUL behind it. */
struct sst_hold_field {
	enum sst_hold_tag tag;
	uint64_t	number;
	char		text[UINT16_MAX + 1];
	size_t		len;
};

/* What a state says about the record itself. */
struct sst_hold_identity {
	uint64_t	cookie, serial, generation;
	int		family, backlog, linger_on, linger_time, nodelay;
	int		plain, forced, foreign;
};

/* Clears and frees its bytes. */
void	sst_hold_forget(struct sst_hold_writer *);
void	sst_hold_encode(const struct sst_listener *, struct sst_hold_writer *);
/* 1: *f is set; 0: the end; -1: not a state. */
int	sst_hold_next(const uint8_t **at, size_t *left, struct sst_hold_field *f);
/* Both are filled as far as the state goes, with `f` for the way. -1: not a state, or
 * none of a listener. */
int	sst_hold_decode(const uint8_t *data, size_t len, struct sst_hold_identity *,
	    struct sst_settings *, struct sst_hold_field *f);

#endif
