/* SPDX-License-Identifier: ISC */
/*
 * store_ask - one question: what was asked, by whose rules, and by whom.
 *
 *	store_choose.c --ClientHello, policy--> store_ask.c --> name.c, hello.c
 *
 * Always true:
 *   1. No file, no index, no memory: a question costs its own bytes.
 *   2. A name in it is folded and has only legal bytes.
 * Threads: plain values.
 */
#ifndef SST_CERTSTORE_STORE_ASK_H
#define SST_CERTSTORE_STORE_ASK_H

#include "hello.h"
#include "name.h"

struct sst_ask {
	const struct sst_choose_policy *policy;
	const struct sst_hello *hello;
	time_t		 now;
	uint32_t	 kinds;
	enum sst_asked	 asked;		/* SST_ASKED_LITERAL also stands for none */
	int		 named;		/* server_name was sent */
	char		 name[SST_NAME_SIZE];
	char		 wild[SST_NAME_SIZE];	/* "": none */
	char		 ip[SST_NAME_SIZE];	/* "": no local address */
	int		 rescanned;
};

/* Reads a->hello by the rules of a->policy. 0, or the alert that answers it. */
int	sst_ask_read(struct sst_ask *);
/* The alert for a name that nobody has, where nothing else is served. */
int	sst_ask_unknown(const struct sst_ask *);

/* What of a policy can change the answer for a name that it allows. */
uint64_t sst_ask_digest(const struct sst_choose_policy *, int with_names);
/* The digest `h` and one more text. */
uint64_t sst_ask_mix(uint64_t h, const char *text);
/* Whether the listener answers for `name` (folded, or "ip:"). */
int	sst_ask_allows(const struct sst_choose_policy *, const char *name);
/* Whether the listener's names and those of an identity (lines) meet. */
int	sst_ask_meets(const struct sst_choose_policy *, const char *lines);

#endif
