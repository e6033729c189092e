/* SPDX-License-Identifier: ISC */
/*
 * policy - what `sstool run` makes TLS: which ports, with which files and names.
 *
 *	tools/run_policy.c --writes--> SECURESOCKETS_POLICY --reads--> forced.c
 *
 * The text is lines, each ended by a line feed, the first of them "1":
 *	tls any | *:PORT | V4:PORT | [V6]:PORT	a port, for listeners and clients
 *	chain PATH, key PATH		what listeners show; any number
 *	trust PATH			roots or pins of clients
 *	name HOST			whom every client reaches
 *	nameless refuse | address	what a client without a name does
 *	pair DOOR SECRET PID UID	the helper processes, in hex and decimal
 *
 * Always true:
 *   1. A text with anything else in it is refused whole.
 *   2. A wildcard address is every address: a listener on it, or a connection
 *      to it, is TLS as soon as the port is named with any address.
 * Threads: pure.
 */
#ifndef SST_SHIM_POLICY_H
#define SST_SHIM_POLICY_H

#include <stddef.h>
#include <stdint.h>

#include "base/sockname.h"
#include "record.h"

#define SST_POLICY_VAR		"SECURESOCKETS_POLICY"
#define SST_POLICY_TEXT_MAX	16384
#define SST_POLICY_RULES	64
#define SST_POLICY_FILES	16
#define SST_POLICY_PAIR_MAX	128	/* of the line "pair ...", with NUL */

struct sst_policy_rule {
	uint8_t		addr[16];	/* IPv4 as ::ffff:a.b.c.d; :: is any */
	uint16_t	port;		/* 0: any */
};

struct sst_policy {
	struct sst_policy_rule rules[SST_POLICY_RULES];
	size_t		 n_rules;
	const char	*chains[SST_POLICY_FILES], *keys[SST_POLICY_FILES];
	size_t		 n_chains, n_keys;
	const char	*trust, *name;	/* NULL: none */
	int		 by_address;	/* nameless address */
	int		 has_pair;
	struct sst_pair	 pair;
	char		 text[SST_POLICY_TEXT_MAX];	/* what the above points to */
};

/* 0, or -1 with *ret_why, a static text. */
int	sst_policy_parse(const char *text, struct sst_policy *ret_policy,
	    const char **ret_why);
/* Adds what `tls` is followed by. 0, or -1 with *ret_why. */
int	sst_policy_rule(struct sst_policy *, const char *text, const char **ret_why);
/* 1: this address and port are TLS. 0: plain. */
int	sst_policy_covers(const struct sst_policy *, const union sst_inet *);
/* The address in 16 bytes, IPv4 as ::ffff:a.b.c.d. 0, or -1: another family. */
int	sst_policy_address(const union sst_inet *, uint8_t ret_addr[16]);

/*
 * Exported to sstool: writes the line "pair ..." of the pair that serves this
 * process. 0, or -1 when none was started or there is no room.
 */
int	sst_policy_pair(char *out, size_t size);

#endif
