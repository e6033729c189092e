/* SPDX-License-Identifier: ISC */
/* curl_calls - see curl_calls.h. */
#include "curl_calls.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include "base/fail.h"

#define LIBRARY	"libcurl.so.4"

struct sst_curl sst_curl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char fault[200];		/* "": none */

/* 1, or 0 when the library has no such function. */
static int
find(void *library, const char *name, void *ret_call)
{
	void *at = dlsym(library, name);

	*(void **)ret_call = at;
	return at != NULL;
}

static void
load(void)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	const char *why;
	CURLcode rc;
	int whole;

	whole = library != NULL;
#define FIND(name) whole = whole && find(library, "curl_" #name, &sst_curl.name);
	SST_CURL_CALLS(FIND)
#undef FIND
	if (!whole) {
		why = dlerror();
		(void)snprintf(fault, sizeof(fault), "libcurl cannot be loaded: %s",
		    why != NULL ? why : LIBRARY);
		return;
	}
	/* with everything: the program may rely on it for its own use of libcurl */
	rc = sst_curl.global_init(CURL_GLOBAL_DEFAULT);
	if (rc != CURLE_OK)
		(void)snprintf(fault, sizeof(fault), "libcurl does not start: %s",
		    sst_curl.easy_strerror(rc));
}

int
sst_curl_load(struct sst_error *err)
{
	(void)pthread_once(&once, load);
	return fault[0] != '\0' ? sst_fail(err, SST_E_INTERNAL, "%s", fault) : SST_OK;
}
