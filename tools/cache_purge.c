/* SPDX-License-Identifier: ISC */
/*
 * cache_purge - sstool cache purge: removes what is kept. Revocations stay, unless
 * they are asked for: to forget one is to accept what was withdrawn.
 */
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cache.h"
#include "out.h"
#include "verb.h"

#define VERB	"cache purge"

static int
purge(const char *dir, X509 *issuer, int revoked_too)
{
	struct sst_checker *checker = NULL;
	struct sst_error err = { 0 };
	int n, rc = sst_cache_open(dir, &checker);

	if (rc != 0)
		return rc;
	n = sst_checker_purge(checker, issuer, revoked_too, &err);
	if (n < 0)
		rc = n == SST_E_REFUSED ? sst_out_trouble(SST_EXIT_UNAVAILABLE, "%s", err.text) :
		    sst_out_error("cache", &err);
	else
		printf("%d removed\n", n);
	sst_checker_unref(checker);
	return rc;
}

int
sst_verb_cache_purge(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "issuer", required_argument, NULL, 'i' },
		{ "revoked", no_argument, NULL, 'r' },
		{ "yes", no_argument, NULL, 'y' },
		{ NULL, 0, NULL, 0 }
	};
	const char *dir = NULL, *issuer = NULL;
	int c, rc, revoked = 0, yes = 0;
	X509 *ca = NULL;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'd')
			dir = optarg;
		else if (c == 'i')
			issuer = optarg;
		else if (c == 'r')
			revoked = 1;
		else if (c == 'y')
			yes = 1;
		else
			return sst_out_option(VERB, c, argv);
	}
	if (argc != optind)
		return sst_out_usage(VERB, "no argument is needed");
	if (!yes && isatty(STDIN_FILENO))
		return sst_out_usage(VERB, "it removes what is kept: --yes if that is meant");
	if (issuer != NULL) {
		rc = sst_cache_cert(issuer, &ca);
		if (rc != 0)
			return rc;
	}
	rc = purge(dir, ca, revoked);
	X509_free(ca);
	return rc;
}
