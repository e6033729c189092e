/* SPDX-License-Identifier: ISC */
/*
 * cache_list - sstool cache list: what is kept about certificates, lists and the
 * sources they came from.
 */
#include <getopt.h>
#include <string.h>

#include "cache.h"
#include "out.h"
#include "verb.h"

#define VERB	"cache list"

struct listing {
	int		 json, revoked;
	size_t		 limit, seen, shown;	/* limit 0: all */
	const unsigned char *issuer;		/* name and key; NULL: any */
};

static int
on_row(void *arg, const struct sst_kept *k)
{
	struct listing *l = arg;

	if (l->issuer != NULL && (k->issuer == NULL || memcmp(k->issuer, l->issuer, 64) != 0))
		return 0;
	if (l->revoked && k->verdict != SST_VERDICT_REVOKED)
		return 0;
	l->seen++;
	if (l->limit != 0 && l->shown == l->limit)
		return 0;
	l->shown++;
	if (l->json)
		sst_cache_row_json(k);
	else
		sst_cache_row_print(k);
	return 0;
}

static int
list(const char *dir, struct listing *l)
{
	struct sst_checker *checker = NULL;
	struct sst_error err = { 0 };
	int rc = sst_cache_open(dir, &checker);

	if (rc == 0 && sst_checker_each(checker, on_row, l, &err) < 0)
		rc = sst_out_error("cache", &err);
	if (rc == 0 && l->limit != 0)
		sst_out_count(l->json, l->shown, l->seen);
	sst_checker_unref(checker);
	return rc;
}

int
sst_verb_cache_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "issuer", required_argument, NULL, 'i' },
		{ "json", no_argument, NULL, 'j' },
		{ "limit", required_argument, NULL, 'l' },
		{ "revoked", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 }
	};
	struct listing l = { 0 };
	const char *dir = NULL, *issuer = NULL;
	unsigned char id[64];
	X509 *ca = NULL;
	int c, rc;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'd') {
			dir = optarg;
		} else if (c == 'i') {
			issuer = optarg;
		} else if (c == 'j') {
			l.json = 1;
		} else if (c == 'r') {
			l.revoked = 1;
		} else if (c == 'l') {
			l.limit = sst_out_limit(optarg);
			if (l.limit == 0)
				return sst_out_usage(VERB, "--limit takes a number");
		} else {
			return sst_out_option(VERB, c, argv);
		}
	}
	if (argc != optind)
		return sst_out_usage(VERB, "no argument is needed");
	if (issuer != NULL) {
		rc = sst_cache_cert(issuer, &ca);
		if (rc != 0)
			return rc;
		sst_cache_issuer_id(ca, id);
		l.issuer = id;
		X509_free(ca);
	}
	return list(dir, &l);
}
