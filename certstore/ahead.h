/* SPDX-License-Identifier: ISC */
/*
 * ahead - one name of a directory, asked for with all that its reader asks next.
 *
 *	scan.c --ask()--> source's ahead(); then each question of the reading comes here,
 *	and what was not answered with the first goes on to the source
 *
 * Where each question is a message to another process, a folder of certbot's is eleven
 * of them; so it is one.
 *
 * Always true:
 *   1. An answer that is not there is asked for by itself: what goes ahead can only
 *      save questions.
 *   2. A descriptor is handed out once, and closed with the rest where nobody asked.
 *   3. What the source says is taken apart as something that a stranger sent.
 * Threads: one.
 */
#ifndef SST_CERTSTORE_AHEAD_H
#define SST_CERTSTORE_AHEAD_H

#include "scan.h"

struct sst_ahead {
	struct sst_scan_env env;	/* who reads with it asks here */
	const struct sst_scan_env *source;
	const char	*path;		/* the caller's */
	int		 is_folder;	/* it can be listed, and is no link */
	const char	*names;		/* in the answer: pairs, a name and a link's target */
	const char	*file[SST_ANSWER_FDS];	/* paths of its descriptors */
	struct sst_answer answer;
};

/* What to read `path` with, a name right in the directory of a source: a->env, or
 * `source` where nothing was answered. Lives as long as both; done() in any case. */
const struct sst_scan_env *sst_ahead_ask(struct sst_ahead *a,
	    const struct sst_scan_env *source, const char *path);
void	sst_ahead_done(struct sst_ahead *);

#endif
