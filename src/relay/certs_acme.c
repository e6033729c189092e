/* SPDX-License-Identifier: ISC */
/*
 * certs_acme - ACME challenges that a program sets and takes back (certs.h).
 *
 *	certs_load.c --TLS_ACME_CHALLENGE, TLS_CERTIFICATE_REMOVE "acme:NAME"--> here
 *
 * Always true:
 *   1. TLS_ACME_CHALLENGE brings nothing that an ordinary client is shown: what it
 *      names is tried in a store of its own first.
 *   2. Taking back a name leaves nothing of it in the list: a program that renews for
 *      years holds no more than one that began today.
 * Threads: the loader's; `mu` is never held while the store or the keeper is asked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "base/fail.h"
#include "cert_files.h"
#include "certs_inside.h"

struct seen {
	size_t	challenges, others;
};

static int
seen_each(void *arg, const struct sst_entry *e)
{
	struct seen *seen = arg;

	if (e->state == SST_ENTRY_CHALLENGE)
		seen->challenges++;
	else
		seen->others++;
	return 0;
}

int
sst_certs_acme_check(struct sst_certs *certs, const struct sst_cert_source *s,
    struct sst_error *err)
{
	const struct sst_store_config config = { .keys_may_be_open = 1 };
	struct sst_store *trial = NULL;
	struct seen seen = { 0 };
	int rc;

	if (s->is_dir)
		return sst_fail(err, SST_E_USAGE, "TLS_ACME_CHALLENGE takes a file or"
		    " bytes; a directory of challenges is a TLS_CERTIFICATE_CHAIN");
	rc = sst_store_new_from(&config, &sst_cert_files, certs, &trial, err);
	if (rc != SST_OK)
		return rc;
	rc = sst_certs_read(trial, s, err);
	if (rc == SST_OK)
		rc = sst_store_each(trial, seen_each, &seen, err);
	sst_store_unref(trial);
	if (rc == SST_OK && (seen.challenges == 0 || seen.others > 0))
		rc = sst_fail(err, SST_E_REFUSED, "TLS_ACME_CHALLENGE takes a"
		    " certificate with acmeIdentifier (RFC 8737) and its key, and"
		    " nothing else");
	return rc;
}

struct wanted {
	const char	*name;
	char		*source;	/* of the first one found */
	char		 digest[65];
};

static int
wanted_each(void *arg, const struct sst_entry *e)
{
	struct wanted *w = arg;

	if (e->state != SST_ENTRY_CHALLENGE || e->n_names != 1 ||
	    strcmp(e->names[0], w->name) != 0)
		return 0;
	for (size_t i = 0; i < sizeof(e->digest); i++)
		(void)snprintf(w->digest + 2 * i, 3, "%02x", e->digest[i]);
	w->source = strdup(e->source);
	return w->source == NULL ? SST_E_NOMEM : 1;
}

/* Whether a file is a source by itself: then it is taken out by its path. */
static int
is_own_source(struct sst_certs *certs, const char *path)
{
	int own = 0;

	(void)pthread_mutex_lock(&certs->mu);
	for (const struct sst_cert_source *s = certs->list; s != NULL; s = s->next)
		own |= s->id != 0 && s->option == TLS_ACME_CHALLENGE &&
		    strcmp(s->path, path) == 0;
	(void)pthread_mutex_unlock(&certs->mu);
	return own;
}

int
sst_certs_acme_remove(struct sst_certs *certs, const char *name, struct sst_error *err)
{
	char folded[256];
	struct wanted w = { .name = folded };
	size_t n = 0;
	int rc;

	rc = sst_name_fold(name, folded, sizeof(folded), err);
	while (rc == SST_OK) {
		rc = sst_store_each(certs->store, wanted_each, &w, err);
		if (rc == 0 && n == 0)
			return sst_fail(err, SST_E_NOT_FOUND, "no ACME challenge is set"
			    " for %s", folded);
		if (rc <= 0)
			break;
		rc = sst_certs_remove(certs, is_own_source(certs, w.source) ? w.source :
		    w.digest, err);
		free(w.source);
		n++;
	}
	return rc;
}
