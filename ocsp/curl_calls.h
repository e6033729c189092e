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
 *   1. Whoever has a fetcher has a table that is complete, and stays.
 *   2. A failure is not kept: with a full table of descriptors it is one for a moment.
 *   3. No lock is held, which the child of a fork() would never get.
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

/* *ret: valid until the process ends. SST_E_INTERNAL: it is not installed, cannot be
 * loaded or does not start. SST_E_NOMEM. */
int	sst_curl_load(const struct sst_curl **ret, struct sst_error *err);

#endif
