/* SPDX-License-Identifier: ISC */
/*
 * checker_machine - a checker as the administrator's file has it.
 *
 * The public call is in <securesockets/revocation.h>; sstool makes it, and so does
 * whoever has no other settings.
 */
#include "base/fail.h"
#include "base/machine.h"

int
sst_checker_of_machine(const struct sst_checker_config *config, struct sst_checker **ret,
    struct sst_error *err)
{
	struct sst_checker_config with = { .cache_dir = NULL };
	struct sst_machine_paths paths;
	struct sst_machine *machine = NULL;
	char room[4096];
	int rc;

	if (config != NULL)
		with = *config;
	sst_machine_paths_of(&paths, room);
	rc = sst_machine_load(&paths, &machine, err);
	if (rc < 0)
		return rc;
	if (with.cache_dir == NULL)
		with.cache_dir = machine->cache_dir;
	if (with.cache_bytes == 0)
		with.cache_bytes = machine->cache_bytes;
	if (with.allow == NULL)
		with.allow = (const char *const *)machine->allow;
	if (with.proxy == NULL)
		with.proxy = machine->proxy;
	rc = sst_checker_new(&with, ret, err);
	sst_machine_unref(machine);
	return rc;
}
