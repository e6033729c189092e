/* SPDX-License-Identifier: ISC */
/*
 * machine_inside - the parts of machine.h among each other.
 *
 *	machine.c (files) --> machine_key.c (one setting), machine_tighten.c
 * Threads: a machine that is being filled belongs to one.
 */
#ifndef SST_BASE_MACHINE_INSIDE_H
#define SST_BASE_MACHINE_INSIDE_H

#include <libconfig.h>

#include "machine.h"

/* The key called "group.name"; -1: there is none. */
int	sst_machine_key_find(const char *group, const char *name);
/* Sets `key` from a file's setting. SST_E_USAGE says what it wants, without the
 * place. */
int	sst_machine_key_set(struct sst_machine *, enum sst_machine_key key,
	    const config_setting_t *, struct sst_error *err);
/* NULL is allowed. */
void	sst_machine_list_free(char **list);
/* sst_machine_tighten(); *ret_key: which key of *wanted is refused. */
int	sst_machine_tighten_key(const struct sst_machine *,
	    struct sst_revocation_policy *wanted, enum sst_machine_key *ret_key,
	    struct sst_error *err);

#endif
