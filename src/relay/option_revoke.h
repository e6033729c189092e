/* SPDX-License-Identifier: ISC */
/*
 * option_revoke - the options about revocation: what may be said, and what holds.
 *
 *	option.c, option_get.c, supply.c --> option_revoke --> rules.c
 *
 * Always true:
 *   1. A set that would loosen the machine's policy is SST_E_REFUSED, names the
 *      rule and changes nothing.
 *   2. What is read is what holds: the program's word and the machine's.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_OPTION_REVOKE_H
#define SST_RELAY_OPTION_REVOKE_H

#include <stddef.h>

struct sst_error;
struct sst_record;
struct sst_settings;

/* TLS_REVOCATION_CHECKS and the other ints. `set` is the caller's own. */
int	sst_revoke_set_int(struct sst_settings *set, int number, int v,
	    struct sst_error *err);
/* TLS_REVOCATION_POLICY. */
int	sst_revoke_set_policy(struct sst_settings *set, const char *text,
	    struct sst_error *err);
/* What the ints are. 1: *ret_v; 0: not an option of these. */
int	sst_revoke_get_int(const struct sst_settings *, int number, int *ret_v);
/* The policy that holds, in the words that TLS_REVOCATION_POLICY takes. */
void	sst_revoke_get_policy(const struct sst_settings *, char *out, size_t size);
/* The program's word as hold_state.c kept it; < 0: it is none. */
int	sst_revoke_restore(struct sst_settings *set, const void *bytes, size_t len);
/* TLS_OCSP_STAPLE and TLS_CRL_FILE: `fd` is read to its end and stays the
 * caller's; `path` is for texts. */
int	sst_revoke_add(struct sst_record *, int number, int fd, const char *path,
	    struct sst_error *err);

#endif
