/* SPDX-License-Identifier: ISC */
/* curl_calls - see curl_calls.h. */
#include "curl_calls.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/fail.h"

#define LIBRARY	"libcurl.so.4"

static _Atomic(struct sst_curl *) loaded;

/* 1, or 0 when the library has no such function. */
static int
find(void *library, const char *name, void *ret_call)
{
	void *at = dlsym(library, name);

	*(void **)ret_call = at;
	return at != NULL;
}

static int
fill(struct sst_curl *c, struct sst_error *err)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	const char *why;
	CURLcode rc;
	int whole;

	whole = library != NULL;
#define FIND(name) whole = whole && find(library, "curl_" #name, &c->name);
	SST_CURL_CALLS(FIND)
#undef FIND
	if (!whole) {
		why = dlerror();
		return sst_fail(err, SST_E_INTERNAL, "libcurl cannot be loaded: %s",
		    why != NULL ? why : LIBRARY);
	}
	/* with everything: the program may rely on it for its own use of libcurl */
	rc = c->global_init(CURL_GLOBAL_DEFAULT);
	if (rc != CURLE_OK)
		return sst_fail(err, SST_E_INTERNAL, "libcurl does not start: %s",
		    c->easy_strerror(rc));
	return SST_OK;
}

int
sst_curl_load(const struct sst_curl **ret, struct sst_error *err)
{
	struct sst_curl *c = atomic_load(&loaded), *other = NULL;
	int rc;

	if (c != NULL) {
		*ret = c;
		return SST_OK;
	}
	c = malloc(sizeof(*c));
	if (c == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	rc = fill(c, err);
	if (rc < 0 || !atomic_compare_exchange_strong(&loaded, &other, c))
		free(c);
	if (rc == SST_OK)
		*ret = other != NULL ? other : c;
	return rc;
}
