/* SPDX-License-Identifier: ISC */
/*
 * lineage - which version of a folder of certbot's is served.
 *
 * scan.c calls it for each folder. certbot keeps archive/NAME/KINDn.pem, four
 * files a version, and changes the four links of live/NAME one by one, each
 * unlinked before it is made again. So the links are only asked for numbers: the
 * files of one number are read from the archive, where nothing changes any more.
 *
 * Always true:
 *   1. Chain and key are of one version, whatever the links say meanwhile. With
 *      --reuse-key privkeyN.pem is itself a link: its number is N, its bytes are
 *      older.
 *   2. While the links disagree, what is served goes on; where nothing is served,
 *      the version that they are leaving is complete, and is taken.
 *   3. A version that is lower than the served one is never taken when it is out
 *      of its dates, and else only where the served one's files are gone or when
 *      the links have stayed there for SST_BACK_MS: certbot rolls links back by
 *      mistake, people do on purpose.
 *   4. Links of any other form are not judged: chains and keys pair as ever.
 * Threads: the judges are pure; the rest is, but for what the source does.
 */
#ifndef SST_CERTSTORE_LINEAGE_H
#define SST_CERTSTORE_LINEAGE_H

#include <stdint.h>
#include <time.h>

#include "links.h"

#define SST_BACK_MS	60000

/* In the order in which certbot changes the links. */
enum sst_lineage_part {
	SST_PART_CERT,
	SST_PART_PRIVKEY,
	SST_PART_CHAIN,
	SST_PART_FULLCHAIN,
	SST_PARTS
};

enum sst_lineage_verdict {
	SST_LINEAGE_NONE,	/* not certbot's, or nothing of it is left */
	SST_LINEAGE_TAKE,	/* `version` is whole */
	SST_LINEAGE_WAIT,	/* look again; `version` until then */
	SST_LINEAGE_BACK	/* `version` is whole, and lower than what is served */
};

struct sst_lineage_choice {
	enum sst_lineage_verdict verdict;
	int	 version;
	int	 split;		/* of cert.pem and chain.pem: there is no fullchain.pem */
};

/* What the store knows of a folder when it is read. */
struct sst_served {
	int	 version;	/* that is served; 0: none */
	int	 back;		/* a lower one that the links led to already, ... */
	int64_t	 back_ms;	/* ... and for how long; 0: none */
	time_t	 now;
};

struct sst_scan_env;

/* What is to be read of one folder. */
struct sst_lineage {
	struct sst_lineage_choice choice;
	int	 n[SST_PARTS];	/* of the links; 0: not there, or not asked for */
	int	 back;		/* the lower version that is not taken; 0: none */
	char	 archive[SST_PATH_SIZE];
};

/* "fullchain", without the end. */
const char *sst_lineage_kind(enum sst_lineage_part);
/* The N of ".../KINDn.pem"; 0: it has no such name. */
int	sst_lineage_version(enum sst_lineage_part, const char *path);

/* Of the links' numbers (0: not there) and the served version (0: none). */
struct sst_lineage_choice sst_lineage_judge(const int n[SST_PARTS], int served);
/*
 * Whether the links may lead back (1) or not (0). `there`: the served version's
 * files can still be read; `valid`: the lower one is within its dates; `ms`: for
 * so long the links have led to it.
 */
int	sst_lineage_may_go_back(int there, int valid, int64_t ms);

/* Looks at the links of `dir`, which has the files `names` (sorted), below the
 * root of a source. */
void	sst_lineage_look(const struct sst_scan_env *, const char *root, const char *dir,
	    char *const *names, size_t n, const struct sst_served *, struct sst_lineage *);
/* The file of one version, with links inside the archive followed; `out` has
 * SST_PATH_SIZE. */
int	sst_lineage_file(const struct sst_scan_env *, const struct sst_lineage *,
	    enum sst_lineage_part, int version, char *out, struct sst_error *err);
/* Whether `name` is one of the four: they are read by version or not at all. */
int	sst_lineage_owns(const struct sst_lineage *, const char *name);
/* Why it is looked at again, for a person. */
void	sst_lineage_why(const struct sst_lineage *, char *out, size_t size);

#endif
