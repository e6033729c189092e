/* SPDX-License-Identifier: ISC */
#include "certbot.h"

#include <stdio.h>
#include <string.h>

int
sst_certbot_archive(const char *path, char *out, size_t size)
{
	static const char live[] = "/live";
	const char *at, *found = NULL, *name;
	int n;

	for (at = strstr(path, live); at != NULL; at = strstr(at + 1, live))
		if (at[sizeof(live) - 1] == '/' || at[sizeof(live) - 1] == '\0')
			found = at;
	if (found == NULL)
		return 0;
	name = found + sizeof(live) - 1;
	n = *name == '\0' ? 0 : 1 + (int)strcspn(name + 1, "/");
	/* live, live/NAME, live/NAME/FILE: nothing deeper is certbot's. */
	if (name[n] == '/' && strchr(name + n + 1, '/') != NULL)
		return 0;
	n = snprintf(out, size, "%.*s/archive%.*s", (int)(found - path), path, n,
	    name);
	return n > 0 && (size_t)n < size;
}

int
sst_certbot_renewal(const char *path, char *out, size_t size)
{
	static const char live[] = "/live";
	size_t n = strlen(path);
	int len;

	if (n < sizeof(live) - 1 || strcmp(path + n - (sizeof(live) - 1), live) != 0)
		return 0;
	len = snprintf(out, size, "%.*s/renewal", (int)(n - (sizeof(live) - 1)), path);
	return len > 0 && (size_t)len < size;
}
