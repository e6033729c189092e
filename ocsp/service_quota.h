/* SPDX-License-Identifier: ISC */
/*
 * service_quota - how much of the machine's cache service one user may have.
 *
 * service.c asks before it does anything for somebody.
 *
 * Always true:
 *   1. What one user does leaves every other user's share as it was.
 *   2. A refusal says what was too much and when to come again.
 *   3. The table is bounded: a user who has nothing open and has used up nothing is
 *      forgotten when room is needed.
 * Threads: one.
 */
#ifndef SST_OCSP_SERVICE_QUOTA_H
#define SST_OCSP_SERVICE_QUOTA_H

#include <stdint.h>
#include <sys/types.h>

#include <securesockets/error.h>

#define SST_SERVICE_USERS	1024

struct sst_quota;	/* of all users */
struct sst_user;	/* one of them; as long as it is held */

struct sst_quota_limits {
	unsigned connections;	/* of a user */
	unsigned in_flight;
	unsigned fetches;	/* a minute */
	unsigned asks;		/* a second; ten times as many at once */
};

int	sst_quota_new(const struct sst_quota_limits *, struct sst_quota **ret,
	    struct sst_error *err);
void	sst_quota_free(struct sst_quota *);
/* A connection of `uid`: held until sst_quota_left(). SST_E_LIMIT. */
int	sst_quota_met(struct sst_quota *, uid_t uid, int64_t now_ms, struct sst_user **ret,
	    struct sst_error *err);
void	sst_quota_left(struct sst_user *);
unsigned sst_quota_connections(const struct sst_user *);
/* Looking something up: SST_E_LIMIT. */
int	sst_quota_ask(struct sst_quota *, struct sst_user *, int64_t now_ms,
	    struct sst_error *err);
/* Fetching something: held until sst_quota_fetched(). SST_E_LIMIT. */
int	sst_quota_fetch(struct sst_quota *, struct sst_user *, int64_t now_ms,
	    struct sst_error *err);
void	sst_quota_fetched(struct sst_user *);

#endif
