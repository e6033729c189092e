/* SPDX-License-Identifier: ISC */
/*
 * place - where the evidence of this process is kept.
 *
 * checker.c asks once, before it opens anything; service_ask.c asks who writes the
 * machine's cache. It calls lstat() and nobody else.
 *
 *	named by the configuration	that directory ("": memory)
 *	we own the machine's		the machine's, to write
 *	anybody else			our own, and the machine's to read
 *	no home				memory, and the machine's to read
 *
 * Always true:
 *   1. The machine's cache has one writer, its owner, who is not root: what root
 *      makes in it the owner could not write.
 *   2. A directory that others could write to, or that is a link, is nobody's
 *      cache. What is below a directory is cache_open.c's to judge.
 *   3. The environment names no place to a program that runs with more rights than
 *      who started it.
 * Threads: pure, but for the file system and the environment.
 */
#ifndef SST_OCSP_PLACE_H
#define SST_OCSP_PLACE_H

#include <limits.h>
#include <sys/types.h>

#define SST_MACHINE_CACHE	"/var/cache/securesockets"

enum sst_place_kind {
	SST_PLACE_MEMORY = 1,
	SST_PLACE_NAMED,
	SST_PLACE_MACHINE,
	SST_PLACE_USER
};

struct sst_place {
	enum sst_place_kind kind;
	char	 dir[PATH_MAX];		/* "" for memory */
	int	 reads_machine;		/* the machine's is there for us to read */
	char	 why[128];		/* why that is not the machine's; "" if it is */
};

/* What is looked at; sst_place_find() fills it with what is so. */
struct sst_place_view {
	const char	*machine;	/* SST_MACHINE_CACHE */
	uid_t		 uid;
	const char	*cache_home, *home;	/* of the environment; NULL: not set */
};

/* `named` NULL: by the rules above. Makes ~/.cache where there is none. */
void	sst_place_find(const char *named, struct sst_place *ret);
void	sst_place_choose(const struct sst_place_view *, const char *named,
	    struct sst_place *ret);
/* 1: `dir` is a cache that *ret_uid writes; 0: not, and *ret_why says why. */
int	sst_place_owner(const char *dir, uid_t *ret_uid, const char **ret_why);
/* "memory", "directory", "machine", "user". */
const char *sst_place_name(enum sst_place_kind);

#endif
