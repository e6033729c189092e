/* SPDX-License-Identifier: ISC */
/*
 * curl_calls - libcurl, loaded when the first fetcher is made.
 *
 *	fetch.c --sst_curl_load()--> libcurl.so.4; fetch_transfer.c calls by the table
 *
 * It brings two dozen libraries along, which take longer to link than all the rest of
 * a start. Most processes never fetch: a keeper, a server whose evidence is cached.
 *
 * Always true:
 *   1. Whoever has a fetcher has a table that is complete.
 *   2. What could not be loaded once is not tried again.
 * Threads: any.
 */
#ifndef SST_OCSP_CURL_CALLS_H
#define SST_OCSP_CURL_CALLS_H

#include <curl/curl.h>

struct sst_error;

#define SST_CURL_CALLS(X) \
	X(global_init) \
	X(free) \
	X(slist_append) \
	X(slist_free_all) \
	X(url) \
	X(url_cleanup) \
	X(url_set) \
	X(url_get) \
	X(easy_init) \
	X(easy_cleanup) \
	X(easy_setopt) \
	X(easy_getinfo) \
	X(easy_header) \
	X(easy_strerror) \
	X(multi_init) \
	X(multi_cleanup) \
	X(multi_setopt) \
	X(multi_add_handle) \
	X(multi_remove_handle) \
	X(multi_info_read) \
	X(multi_perform) \
	X(multi_poll) \
	X(multi_wakeup)

struct sst_curl {
#define SST_CURL_MEMBER(name) __typeof__(&(curl_##name)) name;
	SST_CURL_CALLS(SST_CURL_MEMBER)
#undef SST_CURL_MEMBER
};

/* Complete after sst_curl_load() was SST_OK. */
extern struct sst_curl sst_curl;

/* SST_E_INTERNAL: it is not installed, or does not start. */
int	sst_curl_load(struct sst_error *err);

#endif
