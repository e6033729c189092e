/* SPDX-License-Identifier: ISC */
/* revocation - somebody's program that judges chains, C and C++ alike. */
#include <securesockets/revocation.h>

#include <stdio.h>
#include <string.h>

int
main(void)
{
	static const char *const wrong[] = { "everywhere", NULL };
	struct sst_checker_config config;
	struct sst_checker *checker = NULL;
	struct sst_check *check = NULL;
	struct sst_error err;

	memset(&config, 0, sizeof(config));
	memset(&err, 0, sizeof(err));
	config.cache_dir = "";
	config.allow = wrong;
	if (sst_checker_new(&config, &checker, &err) == SST_OK) {
		fprintf(stderr, "an address that is none was taken\n");
		return 1;
	}
	memset(&err, 0, sizeof(err));
	config.allow = NULL;
	if (sst_checker_new(&config, &checker, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (strcmp(sst_checker_cache(checker), "memory") != 0 ||
	    sst_check_new(checker, NULL, NULL, &check, &err) != SST_E_USAGE ||
	    strcmp(sst_verdict_name(SST_VERDICT_NO_SOURCE), "no_source") != 0) {
		fprintf(stderr, "not as documented\n");
		return 1;
	}
	sst_checker_unref(checker);
	return 0;
}
