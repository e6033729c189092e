/* SPDX-License-Identifier: ISC */
/*
 * ask - asks a store as a client would, in one line of a test.
 *
 * Always true:
 *   1. `struct client` of all zero is a modern one: TLS 1.3, every signature
 *      algorithm, P-256, P-384 and X25519, no name.
 *   2. What a call returns lives until ask_reset().
 * Threads: one.
 */
#ifndef SST_TEST_ASK_H
#define SST_TEST_ASK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <securesockets/certstore.h>

#include "support/pki.h"

struct client {
	const char	*name;		/* NULL: no server_name */
	size_t		 name_len;	/* 0: strlen(name) */
	const char	*local;		/* address that it reached, as text */
	int		 tls12;
	const uint16_t	*sigalgs;	/* NULL: all */
	size_t		 n_sigalgs;
	int		 no_sigalgs;
	const uint16_t	*suites;	/* NULL: ECDHE with AES-GCM */
	size_t		 n_suites;
	const uint16_t	*groups;
	size_t		 n_groups;
	time_t		 now;		/* 0: PKI_NOW */
};

#define SIGALGS(...) \
	.sigalgs = (const uint16_t[]){ __VA_ARGS__ }, \
	.n_sigalgs = sizeof((const uint16_t[]){ __VA_ARGS__ }) / 2
#define SUITES(...) \
	.suites = (const uint16_t[]){ __VA_ARGS__ }, \
	.n_suites = sizeof((const uint16_t[]){ __VA_ARGS__ }) / 2
#define GROUPS(...) \
	.groups = (const uint16_t[]){ __VA_ARGS__ }, \
	.n_groups = sizeof((const uint16_t[]){ __VA_ARGS__ }) / 2

/* The decision; fails the test on a failure of our own. Borrowed. */
struct sst_choice *ask(struct sst_store *, const struct sst_choose_policy *,
	    const struct client *);
/* The same with the body of the extension as it is. */
struct sst_choice *ask_raw(struct sst_store *, const struct sst_choose_policy *,
	    const void *ext, size_t len);
/* Gives back what ask() returned. */
void	ask_reset(void);

/* Whether this certificate is among the chosen ones. */
int	chose(const struct sst_choice *, const struct pki_cert *);
/* Exactly this one is chosen, by this tier. */
void	expect(const struct sst_choice *, enum sst_tier, const struct pki_cert *);
/* Nothing is chosen, and this alert is to be sent. */
void	expect_alert(const struct sst_choice *, int alert);

/* Fails the test with the error's text when `rc` is one. */
void	ok(int rc, const struct sst_error *);
/* This certificate alone is served to who asks for the name; forgets what was asked. */
int	serves_in(struct sst_store *, const char *name, const struct pki_cert *);

/* A store that must come to be. Its events are counted in `events`. */
struct sst_store *store_make(const struct sst_store_config *);
/* Adds a pair by bytes. */
void	store_put(struct sst_store *, const struct pki_cert *);

struct events {
	int	count[16];	/* by kind */
	char	text[512];	/* of the last one */
	char	source[512];
	int	has_leaf;
	unsigned char leaf[32];
	time_t	not_after;
	char	name[256];
};
extern struct events events;

#endif
