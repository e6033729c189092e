/* SPDX-License-Identifier: ISC */
/*
 * fetch_transfer - one transfer of the fetcher: its rules, its callbacks, and what
 * its end means.
 *
 * fetch.c calls it and nobody else. Beside fetch.c the only file that knows
 * libcurl.
 *
 * Always true:
 *   1. A transfer is in exactly one list: waiting (no libcurl handle) or active.
 *   2. Its deadline was set when it was asked for and never moves, whatever hops
 *      and turns it takes.
 * Threads: that of the fetcher.
 */
#ifndef SST_OCSP_FETCH_TRANSFER_H
#define SST_OCSP_FETCH_TRANSFER_H

#include <curl/curl.h>

#include "fetch.h"

struct sst_curl;

struct sst_transfer {
	struct sst_transfer		*next;
	struct sst_fetcher	*f;
	CURL			*easy;	/* NULL: waits its turn */
	struct curl_slist	*headers;
	char			*url, *host;	/* host: "NAME:PORT", to count by */
	void			*post;
	size_t			 post_len, max_bytes;
	int			 is_crl, conditional;
	char			 etag[128], last_modified[64];
	int64_t			 begun, deadline;
	void			(*done)(void *, const struct sst_fetch_answer *);
	void			*arg;
	int			 hops;

	/* of the try that is under way */
	uint8_t			*body;
	size_t			 len, room, head_len;
	int			 too_big, blocked, opened, connected;
	struct sst_error	 refusal;	/* the guard's */
};

struct sst_fetcher {
	const struct sst_curl	*curl;
	CURLM			*multi;
	const struct sst_guard	*guard;
	char			*proxy;		/* "": none */
	struct sst_transfer		*waiting, **waiting_end;
	struct sst_transfer		*active;
	int			 n_active, n_waiting, closing;
};

struct sst_transfer *sst_transfer_new(struct sst_fetcher *, const struct sst_fetch_ask *);
/* In no list any more. NULL is allowed. */
void	sst_transfer_free(struct sst_transfer *);
/* Begins it and enters it into the active list. -1: it cannot be begun. */
int	sst_transfer_start(struct sst_transfer *, int64_t now_ms);
/* Ends libcurl's part, so that it can begin again. */
void	sst_transfer_stop(struct sst_transfer *);
/* What libcurl's end of the transfer means. 1: *ret is the answer; 0: it goes on
 * at another URL, which is in `url` now: stop it and let it wait its turn. */
int	sst_transfer_end(struct sst_transfer *, CURLcode, struct sst_fetch_answer *ret);
/* May this URL be asked at all? 1, or 0 and `err` says why not. */
int	sst_transfer_url_ok(const struct sst_fetcher *, const char *url, struct sst_error *err);

#endif
