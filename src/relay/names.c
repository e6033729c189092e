/* SPDX-License-Identifier: ISC */
#include "names.h"

#include <stdlib.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "base/fail.h"

static int
append(struct sst_names *names, const char *folded, struct sst_error *err)
{
	char **list;
	char *copy;

	if (names->n >= SST_NAMES_MAX)
		return sst_fail(err, SST_E_LIMIT, "more than %d names on one socket",
		    SST_NAMES_MAX);
	copy = strdup(folded);
	if (copy == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	list = realloc(names->list, (names->n + 1) * sizeof(*list));
	if (list == NULL) {
		free(copy);
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	names->list = list;
	names->list[names->n++] = copy;
	return SST_OK;
}

int
sst_names_add(struct sst_names *names, const char *name, struct sst_error *err)
{
	char folded[256];
	int rc = sst_name_fold(name, folded, sizeof(folded), err);

	if (rc != SST_OK)
		return rc;
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->list[i], folded) == 0)
			return SST_OK;
	return append(names, folded, err);
}

int
sst_names_copy(struct sst_names *to, const struct sst_names *from,
    struct sst_error *err)
{
	struct sst_names copy = { 0 };
	int rc = SST_OK;

	for (size_t i = 0; i < from->n && rc == SST_OK; i++)
		rc = append(&copy, from->list[i], err);
	if (rc != SST_OK) {
		sst_names_clear(&copy);
		return rc;
	}
	sst_names_clear(to);
	*to = copy;
	return SST_OK;
}

void
sst_names_clear(struct sst_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
	names->list = NULL;
	names->n = 0;
}

/* `pattern` is "*.rest": one label, not more, stands for the star. */
static int
covers(const char *pattern, const char *host)
{
	const char *dot;

	if (strncmp(pattern, "*.", 2) != 0)
		return 0;
	dot = strchr(host, '.');
	return dot != NULL && dot != host && strcmp(dot + 1, pattern + 2) == 0;
}

int
sst_names_meet(const char *listed, const char *san)
{
	return strcmp(listed, san) == 0 || covers(san, listed) || covers(listed, san);
}
