/* SPDX-License-Identifier: ISC */
/*
 * cover - which of the names of a configuration have certificates.
 *
 *	cert_check.c: names, then sst_cover_sort(), then entries, then judgements
 *
 * The entries of a store pass by once, and each leaves at the names that it is for
 * when it begins and ends.
 *
 * Always true:
 *   1. A name is covered as a listener would serve it: by an exact name, else by a
 *      wildcard of one label; what has not begun or has ended covers nothing.
 *   2. Of a name that stands in several places the first counts.
 * Threads: one.
 */
#ifndef SST_TOOLS_COVER_H
#define SST_TOOLS_COVER_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct sst_conf_name;
struct sst_entry;

/* One certificate that is for a name. */
struct sst_hit {
	struct sst_hit	*next;
	int		 exact;		/* else by a wildcard */
	time_t		 from, until;
	uint8_t		 digest[32];
	char		 key[32], *source;
};

struct sst_wanted {
	char		*name;		/* folded, or as written where that fails */
	const char	*parent;	/* behind its first label; NULL: an address */
	char		*file, *why;	/* why it cannot be checked, or NULL */
	unsigned	 line;
	int		 plain;		/* of servers without TLS alone */
	int		 again;		/* it stands further up, too */
	struct sst_hit	*hits;
};

struct sst_cover {
	struct sst_wanted *names;	/* in order of appearance */
	struct sst_wanted **by_name, **by_parent; /* once each, that can be covered */
	size_t		 n, room, n_sorted;
	size_t		 refused;	/* entries */
};

enum sst_finding {
	SST_FOUND_UNCOVERED = 0,
	SST_FOUND_EXPIRED,		/* all that there is for it */
	SST_FOUND_EARLY,			/* ... or not valid yet */
	SST_FOUND_TWICE,			/* two of a key type, where one is served */
	SST_FOUND_EXPIRING,
	SST_FOUND_UNCHECKED,		/* by name alone nobody can tell */
	SST_FINDINGS
};

struct sst_judged {
	int		 has[SST_FINDINGS];
	const struct sst_hit *any;	/* of all that is for it: ends last */
	const struct sst_hit *ends;	/* of what is served: ends first, what comes
					   after it included. NULL: not covered */
	const struct sst_hit *twice[2];
	int		 exact;		/* the tier that is served */
};

/* For sst_conf.each; `cover` is a struct sst_cover. 0 or SST_E_NOMEM. */
int	sst_cover_name(void *cover, const struct sst_conf_name *);
/* After the last name, before the first entry. 0 or SST_E_NOMEM. */
int	sst_cover_sort(struct sst_cover *);
/* For sst_store_each(). 0 or SST_E_NOMEM. */
int	sst_cover_entry(void *cover, const struct sst_entry *);
/* `within`: seconds; < 0: as the event "expiring", with a third of its life left, half
 * of one under ten days. Pure. */
void	sst_cover_judge(const struct sst_wanted *, time_t now, long long within,
	    struct sst_judged *ret);
void	sst_cover_done(struct sst_cover *);

#endif
