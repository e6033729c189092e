/* SPDX-License-Identifier: ISC */
/*
 * ahead - one name of a source, with all that its reader asks next.
 *
 * sources.c calls it. A directory of certificates is read name by name; step by step
 * each name would be about eleven questions, and each of them two switches of process.
 *
 * Always true:
 *   1. What is opened here, paths.c would open: below the source or in the archive
 *      beside it, and no part of it is a link but for what lies above the two.
 *   2. Nothing is said of what is not simple: a name that is a link, a folder of many
 *      files, a file that cannot be opened. It is asked for step by step, and that
 *      says why.
 * Threads: any.
 */
#ifndef SST_KEEPER_AHEAD_H
#define SST_KEEPER_AHEAD_H

#include <stddef.h>

#include "base/wire.h"

/*
 * The answer to SST_OPEN_AHEAD (base/wire.h) for `path`, a name right in the directory
 * `source`. Its length in `out`; or -1 with errno: ask step by step. *ret_is_dir: the
 * answer's a.
 */
long	sst_ahead_answer(const char *source, const char *path, char *out, size_t size,
	    int *ret_is_dir, int fds[SST_WIRE_FDS], size_t *ret_n_fds);

#endif
