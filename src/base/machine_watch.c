/* SPDX-License-Identifier: ISC */
/* machine_watch - the files again when they are others than they were. */
#include "machine.h"

#include <errno.h>

#include "fail.h"

#define LOOK_MS	2000

/* What says nothing about the files, and may be over at the next look. */
static int
is_passing(int rc, const struct sst_error *err)
{
	return rc == SST_E_NOMEM || (rc == SST_E_SYSTEM && (err->sys_errno == ENOMEM ||
	    err->sys_errno == EMFILE || err->sys_errno == ENFILE));
}

int
sst_machine_look(struct sst_machine_watch *watch, int64_t now_ms,
    int (*take)(void *arg, struct sst_machine *, struct sst_error *err), void *arg)
{
	struct sst_machine_paths paths;
	struct sst_machine *machine = NULL;
	struct sst_error err = { 0 };
	char room[4096];
	uint64_t stamp;
	int rc;

	if (watch->look_at != 0 && now_ms < watch->look_at)
		return SST_OK;
	watch->look_at = now_ms + LOOK_MS;
	sst_machine_paths_of(&paths, room);
	stamp = sst_machine_stamp(&paths);
	if (watch->knows && stamp == watch->stamp)
		return SST_OK;
	rc = sst_machine_load(&paths, &machine, &err);
	if (rc == SST_OK)
		rc = take(arg, machine, &err);
	sst_machine_unref(machine);
	watch->knows = !is_passing(rc, &err);
	watch->stamp = stamp;
	/* whatever is wrong with a file, to the program it is a refusal */
	if (rc < 0 && rc != SST_E_NOMEM) {
		rc = err.code = SST_E_REFUSED;
		err.sys_errno = 0;
	}
	watch->wrong = err;
	return rc;
}
