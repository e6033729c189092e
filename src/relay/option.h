/* SPDX-License-Identifier: ISC */
/*
 * option - getsockopt() and setsockopt() by value, at every level.
 *
 * IPPROTO_TLS goes by the one table of base/option.h; every other level is the
 * TCP socket's (sockopt.c).
 *
 * Always true:
 *   1. On a listener a change is one step: it is tried aside, and either holds
 *      from the next ClientHello on or changes nothing.
 *   2. A private key is not readable.
 * Threads: under the relay's lock.
 */
#ifndef SST_RELAY_OPTION_H
#define SST_RELAY_OPTION_H

struct sst_call;
struct sst_record;

/* All answer the call. */
void	sst_option_set(struct sst_call *, struct sst_record *);
void	sst_option_get(struct sst_call *, struct sst_record *);

/* NAMES. */
void	sst_option_names(struct sst_call *, struct sst_record *);

/* For option.c, in option_get.c and sockopt.c: the same for their parts. */
void	sst_option_get_tls(struct sst_call *, struct sst_record *);
void	sst_sockopt_set(struct sst_call *, struct sst_record *);
void	sst_sockopt_get(struct sst_call *, struct sst_record *);

#endif
