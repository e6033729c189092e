/* SPDX-License-Identifier: ISC */
/*
 * fetch - gets bytes over HTTP, with libcurl, on a thread that others drive.
 *
 * With fetch_transfer.c the only file that knows libcurl; curl_calls.c loads it. work.c
 * (the checker's thread) owns a fetcher and runs it; answers come by callback on that
 * thread.
 *
 * Always true:
 *   1. http only, no proxy unless configured, no environment, no .netrc, no
 *      cookies, no compression; no redirect for OCSP, at most 2 for a CRL, each
 *      judged by the guard again.
 *   2. guard.c sees every socket address before connect (CURLOPT_OPENSOCKETFUNCTION).
 *   3. A body larger than its cap ends the transfer; so does its deadline, and a
 *      transfer slower than 100 octets a second for 2 s.
 *   4. At most 4 transfers a host and 16 in all; others wait their turn, and the
 *      waiting counts against the deadline.
 *   5. Every ask gets exactly one answer, also when the fetcher is freed.
 * Threads: one at a time.
 */
#ifndef SST_OCSP_FETCH_H
#define SST_OCSP_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "evidence.h"

struct sst_fetcher;
struct sst_guard;

struct sst_fetch_ask {
	const char	*url;
	const void	*post;		/* NULL: GET */
	size_t		 post_len;
	int		 is_crl;	/* else OCSP: content type, redirects */
	size_t		 max_bytes;
	int		 total_ms;
	const char	*etag, *last_modified;	/* NULL or "": unconditional */
};

struct sst_fetch_answer {
	enum sst_fault	fault;		/* NONE: `body` is a 200's, or not_modified */
	int		not_modified;	/* 304 */
	int		http_status;	/* 0: none was received */
	int		was_timeout;	/* while connecting: counts against the host */
	int		retry_after;	/* seconds; 0: not said; at most 3,600 */
	const uint8_t	*body;		/* valid for the call */
	size_t		len;
	char		etag[128], last_modified[64];
	unsigned	ms;
	char		text[192];	/* what went wrong, one line, escaped */
};

/* `guard` and `proxy` (NULL: none) are borrowed. */
int	sst_fetcher_new(const struct sst_guard *guard, const char *proxy,
	    struct sst_fetcher **ret, struct sst_error *err);
/* Answers whatever is under way with SST_FAULT_TIMEOUT. */
void	sst_fetcher_free(struct sst_fetcher *);
int	sst_fetcher_ask(struct sst_fetcher *, const struct sst_fetch_ask *,
	    void (*done)(void *arg, const struct sst_fetch_answer *), void *arg,
	    struct sst_error *err);
/* Waits at most `ms` for something to happen (also sst_fetcher_wake()), and calls
 * what is answered. Returns how many are under way or waiting. */
int	sst_fetcher_run(struct sst_fetcher *, int ms);
/* Ends a waiting sst_fetcher_run(). Any thread. */
void	sst_fetcher_wake(struct sst_fetcher *);

#endif
