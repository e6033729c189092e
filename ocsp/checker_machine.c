/* SPDX-License-Identifier: ISC */
/*
 * checker_machine - a checker as the administrator's file has it.
 *
 * sstool and whoever has no other settings make the public call, which is in
 * <securesockets/revocation.h>; the relay has a machine already.
 */
#include "base/fail.h"
#include "base/machine.h"
#include "checker.h"
#include "guard.h"

/* Where the list is from that holds the wrong address; NULL: no file. The addresses
 * alone are judged here and not where the file is read. */
static const char *
origin_of_wrong(const struct sst_machine *machine, const struct sst_checker_config *with)
{
	struct sst_guard *guard = NULL;
	const int is_allow = sst_guard_new(with->allow, NULL, &guard, NULL) < 0;

	sst_guard_free(guard);
	if (is_allow)
		return with->allow == (const char *const *)machine->allow ?
		    machine->origin[SST_KEY_ALLOW] : NULL;
	return with->nat64 == (const char *const *)machine->nat64 ?
	    machine->origin[SST_KEY_NAT64] : NULL;
}

int
sst_checker_of(const struct sst_machine *machine, const struct sst_checker_config *config,
    struct sst_checker **ret, struct sst_error *err)
{
	struct sst_checker_config with = { .cache_dir = NULL };
	struct sst_error inner = { 0 };
	const char *where = NULL;
	int rc;

	if (config != NULL)
		with = *config;
	if (with.cache_dir == NULL)
		with.cache_dir = machine->cache_dir;
	if (with.cache_bytes == 0)
		with.cache_bytes = machine->cache_bytes;
	if (with.allow == NULL)
		with.allow = (const char *const *)machine->allow;
	if (with.nat64 == NULL)
		with.nat64 = (const char *const *)machine->nat64;
	if (with.proxy == NULL)
		with.proxy = machine->proxy;
	rc = sst_checker_new(&with, ret, &inner);
	if (rc == SST_E_USAGE)
		where = origin_of_wrong(machine, &with);
	if (where != NULL)
		return sst_fail(err, rc, "%s: %s", where, inner.text);
	return rc < 0 ? sst_fail(err, rc, "%s", inner.text) : SST_OK;
}

int
sst_checker_of_machine(const struct sst_checker_config *config, struct sst_checker **ret,
    struct sst_error *err)
{
	struct sst_machine_paths paths;
	struct sst_machine *machine = NULL;
	char room[4096];
	int rc;

	sst_machine_paths_of(&paths, room);
	rc = sst_machine_load(&paths, &machine, err);
	if (rc < 0)
		return rc;
	rc = sst_checker_of(machine, config, ret, err);
	sst_machine_unref(machine);
	return rc;
}
