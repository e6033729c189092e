/* SPDX-License-Identifier: ISC */
#include "title.h"

#include "base/escape.h"
#include "base/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static char *space;
static size_t space_size;

void
sst_title_init(int argc, char **argv)
{
	char *end = argc > 0 ? argv[0] : NULL;
	const char *kept[SST_WIRE_ENV_MOST];

	(void)prctl(PR_SET_NAME, "securesocketsd");
	/* The kernel lays arguments and environment out in one piece. */
	for (int i = 0; i < argc; i++)
		if (argv[i] == end)
			end += strlen(end) + 1;
	for (char **e = environ; e != NULL && *e != NULL; e++)
		if (*e == end)
			end += strlen(end) + 1;
	space = argc > 0 ? argv[0] : NULL;
	space_size = space == NULL ? 0 : (size_t)(end - space);
	for (int i = 0; sst_wire_env[i] != NULL; i++)
		kept[i] = getenv(sst_wire_env[i]);
	(void)clearenv();
	for (int i = 0; sst_wire_env[i] != NULL; i++)
		if (kept[i] != NULL)
			(void)setenv(sst_wire_env[i], kept[i], 1);
}

void
sst_title_set(const char *program, unsigned long pid)
{
	char shown[128], title[192];

	if (space_size < 2)
		return;
	(void)sst_escape(shown, sizeof(shown), program, strlen(program));
	(void)snprintf(title, sizeof(title), "securesocketsd: %s[%lu]", shown, pid);
	memset(space, 0, space_size);
	(void)strncpy(space, title, space_size - 1);
}
