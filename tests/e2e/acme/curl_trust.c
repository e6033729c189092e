/* SPDX-License-Identifier: ISC */
/*
 * curl_trust - preloaded into a program of libcurl: $CURL_CA_BUNDLE holds for it.
 *
 * uacme believes the anchors of the machine alone, and the certificate authority
 * of these tests is none of them.
 */
#include <curl/curl.h>
#include <dlfcn.h>
#include <stdlib.h>

CURL *
curl_easy_init(void)
{
	CURL *(*init)(void);
	CURLcode (*set)(CURL *, CURLoption, ...);
	const char *file = getenv("CURL_CA_BUNDLE");
	CURL *curl;

	*(void **)&init = dlsym(RTLD_NEXT, "curl_easy_init");
	*(void **)&set = dlsym(RTLD_NEXT, "curl_easy_setopt");
	if (init == NULL || set == NULL)
		abort();
	curl = init();
	if (curl != NULL && file != NULL)
		(void)set(curl, CURLOPT_CAINFO, file);
	return curl;
}
