/* SPDX-License-Identifier: ISC */
/*
 * rules - the machine's file and the checker, as they hold for a socket.
 *
 *	control.c --a new socket--> rules --> base/machine.h
 *	option_revoke.c: what a program asks for --> may it?
 *	client.c, upgrade.c: an attempt --> struct sst_revoke, who judges it
 *
 * Always true:
 *   1. What is in force is looked up at most every 2 s, and holds for sockets that
 *      are made from then on: a socket keeps the rules that it was made under.
 *   2. A file that is wrong: with nothing read before, no socket is made; else what
 *      was read before goes on, and the event `config` says so once.
 *   3. Rules that opened nothing cost nothing: the checker opens its cache with
 *      the first chain that it judges.
 * Threads: under the relay's lock; a struct sst_revoke is any thread's.
 */
#ifndef SST_RELAY_RULES_H
#define SST_RELAY_RULES_H

#include "base/machine.h"

struct sst_checker;
struct sst_record;
struct sst_relay;
struct sst_revoke;
struct sst_rules;
struct sst_settings;

/* Of the relay; all zero: nothing was read yet. */
struct sst_rulebook {
	struct sst_rules *rules;	/* in force, or NULL */
	struct sst_machine_watch watch;	/* by the loop's clock */
};

/* Those in force; the caller owns a reference. SST_E_REFUSED, with FILE:LINE. */
int	sst_rules_now(struct sst_relay *, struct sst_rules **ret, struct sst_error *err);
struct sst_rules *sst_rules_ref(struct sst_rules *);
void	sst_rules_unref(struct sst_rules *);	/* NULL is allowed */

/* Where indexes of certificates are kept, for certs.h. Borrowed until the next call. */
const char *sst_rules_index_dir(const struct sst_relay *);

/* The policy of a socket with these settings: what the program said, and the
 * machine. SST_E_REFUSED: it would loosen a rule. */
int	sst_rules_policy(const struct sst_settings *, struct sst_revocation_policy *ret,
	    struct sst_error *err);
/* The checker of a socket, which the caller unrefs, and its policy. */
int	sst_rules_checker(const struct sst_record *, struct sst_checker **ret,
	    struct sst_revocation_policy *ret_policy, struct sst_error *err);
/* Who judges the peer of an attempt of this socket. The caller owns it. */
int	sst_rules_revoke(const struct sst_record *, struct sst_revoke **ret,
	    struct sst_error *err);

#endif
