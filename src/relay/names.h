/* SPDX-License-Identifier: ISC */
/*
 * names - the ordered list of names that TLS_HOSTNAME builds.
 *
 * Always true:
 *   1. Every name is folded by sst_name_fold(), and in the list once.
 *   2. The list says which names are answered; it never makes a certificate
 *      valid for one.
 * Threads: one thread at a time.
 */
#ifndef SST_RELAY_NAMES_H
#define SST_RELAY_NAMES_H

#include <stddef.h>

struct sst_error;

#define SST_NAMES_MAX	100000	/* of one socket */

struct sst_names {
	char	**list;
	size_t	  n;
};

/* Appends. SST_E_USAGE: not a host name, a pattern or an address. */
int	sst_names_add(struct sst_names *, const char *name, struct sst_error *err);
/* Replaces *to by a copy. */
int	sst_names_copy(struct sst_names *to, const struct sst_names *from,
	    struct sst_error *err);
void	sst_names_clear(struct sst_names *);
/* Whether a name of a certificate and a listed one have a host in common;
 * both folded, either may be a "*." pattern. */
int	sst_names_meet(const char *listed, const char *san);

#endif
