/* SPDX-License-Identifier: ISC */
/*
 * paths - what the keeper opens for the relay, and nothing else.
 *
 * The file channel calls it with the source's path and the path that the
 * relay asks for.
 *
 * Always true (a relay that was taken over gets nothing beyond this):
 *   1. A path is absolute, without empty, "." and ".." components, and is the
 *      source's own, or below a source that is a directory; or, where that
 *      directory is certbot's live/NAME, below the archive/NAME beside it.
 *   2. Following its links it still ends in one of these places. Only the
 *      source's own path may lead anywhere: the program opened it itself.
 *   3. No open waits, becomes a controlling terminal, or returns anything but
 *      a regular file or a directory.
 * Threads: any.
 */
#ifndef SST_KEEPER_PATHS_H
#define SST_KEEPER_PATHS_H

#include <stddef.h>
#include <sys/stat.h>

/* 1 if `path` has a "." or ".." component. */
int	sst_path_has_dots(const char *path);
/* Takes out empty and "." components and the slash at the end, in place. */
void	sst_path_clean(char *path);

/* Rule 1 alone, on the names: 1 allowed, 0 not. */
int	sst_path_allowed(const char *source, int is_dir, const char *path);
/* A descriptor, or -1 with errno (EPERM: against the rules). */
int	sst_path_open(const char *source, int is_dir, const char *path);
/* The same for `below`, a relative path in the open directory `dir`, of which no part
 * may be a link; *ret says what was opened. */
int	sst_path_open_below(int dir, const char *below, struct stat *ret);
/* Length of the target in `out` (NUL-terminated), or -1 with errno. */
long	sst_path_link(const char *source, int is_dir, const char *path, char *out,
	    size_t size);
/* 1: every directory above where `path` leads can be searched by others, 0:
 * not so; -1 with errno. */
int	sst_path_exposed(const char *source, int is_dir, const char *path);
/* The same for a descriptor; 1 where its place cannot be found out. */
int	sst_path_exposed_fd(int fd);

#endif
