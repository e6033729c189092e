/* SPDX-License-Identifier: ISC */
/*
 * attach_rules - the policy of way 2: what the program wants, and the machine.
 *
 *	attach.c --> attach_rules --> base/machine.h
 *
 * Always true:
 *   1. No file is opened before the first judgement; then they are looked at every
 *      2 s at most, as the relay does.
 *   2. A file that is wrong: with nothing read before, nothing is accepted; else
 *      what was read before goes on.
 *   3. fork() leaves no lock behind.
 * Threads: any number. `mu` is held while files are read.
 */
#ifndef SST_TLS_ATTACH_RULES_H
#define SST_TLS_ATTACH_RULES_H

#include <stdint.h>

#include <securesockets/openssl.h>

/* Whether the program's words make sense. SST_E_USAGE. Opens nothing. */
int	sst_attach_wish(const struct sst_openssl_check *, struct sst_error *err);
/* What holds for a program that wants this, at this time of sst_clock_ms().
 * SST_E_REFUSED: it would loosen a rule of the machine, or the machine's file is
 * wrong. */
int	sst_attach_policy(const struct sst_openssl_check *, int64_t now_ms,
	    struct sst_revocation_policy *ret, struct sst_error *err);

#endif
