/* SPDX-License-Identifier: ISC */
/*
 * verify - sstool verify: whether a certificate would be accepted, with evidence
 * that is given, kept or fetched.
 */
#include "verify.h"

#include <getopt.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "arg.h"
#include "out.h"
#include "verb.h"

#define LEVEL_DEFAULT	2
#define LEVEL_MAX	5
#define YEAR_9999	253402300799	/* its last second; certificates end there */

static int
add_path(struct sst_paths *paths, const char *path)
{
	const char **more = realloc(paths->path, (paths->n + 1) * sizeof(*more));

	if (more == NULL)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "out of memory");
	more[paths->n++] = path;
	paths->path = more;
	return 0;
}

/* Which of `words` the value is, from 0; -1: none of them. */
static int
word_index(const char *value, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(value, words[i]) == 0)
			return i;
	return -1;
}

static int
take_policy(struct sst_question *q, const char *verb)
{
	static const char *const words[] = { "off", "soft", "hard", "staple", NULL };
	int i = word_index(optarg, words);

	if (i < 0)
		return sst_out_usage(verb, "--policy is off, soft, hard or staple");
	q->policy.mode = (enum sst_revocation_mode)(SST_REVOCATION_OFF + i);
	return 0;
}

static int
take_purpose(struct sst_question *q, const char *verb)
{
	static const char *const words[] = { "any", "server", "client", NULL };
	static const int purposes[] = { 0, X509_PURPOSE_SSL_SERVER, X509_PURPOSE_SSL_CLIENT };
	int i = word_index(optarg, words);

	if (i < 0)
		return sst_out_usage(verb, "--purpose is server, client or any");
	q->purpose = purposes[i];
	return 0;
}

static int
take_number(struct sst_question *q, int c, const char *verb)
{
	unsigned long n;

	if (c == 'm') {
		if (!sst_arg_number(optarg, 1, UINT32_MAX, &n))
			return sst_out_usage(verb, "--max-age takes seconds");
		q->policy.max_age = (unsigned)n;
		return 0;
	}
	if (!sst_arg_number(optarg, 0, LEVEL_MAX, &n))
		return sst_out_usage(verb, "--security-level is 0 to %d", LEVEL_MAX);
	q->security_level = (int)n;
	/* there 0 is the default */
	q->policy.security_level = n > 0 ? (int)n : -1;
	return 0;
}

/* One option of the command line. 0, or an exit code. */
static int
take(struct sst_question *q, int c, char **argv, const char *verb)
{
	switch (c) {
	case 't':
		if (!sst_arg_time(optarg, &q->at) || q->at <= 0 || q->at > YEAR_9999)
			return sst_out_usage(verb, "--at takes UNIX seconds or a time "
			    "like 2026-11-21T11:02:22Z");
		return 0;
	case 'T':
		return add_path(&q->trust, optarg);
	case 'u':
		return add_path(&q->untrusted, optarg);
	case 'c':
		return add_path(&q->crl, optarg);
	case 'o':
		return add_path(&q->ocsp, optarg);
	case 's':
		q->staple = optarg;
		return 0;
	case 'n':
		q->name = optarg;
		return 0;
	case 'p':
		return take_policy(q, verb);
	case 'm':
	case 'l':
		return take_number(q, c, verb);
	case 'P':
		return take_purpose(q, verb);
	case 'F':
		q->no_fetch = 1;
		return 0;
	case 'C':
		q->no_cache = 1;
		q->policy.use_cache = SST_SWITCH_OFF;
		return 0;
	case 'j':
		q->json = 1;
		return 0;
	default:
		return sst_out_option(verb, c, argv);
	}
}

static int
answer(const struct sst_question *q)
{
	static const int codes[] = { SST_EXIT_YES, SST_EXIT_NO, SST_EXIT_CANNOT_TELL };
	struct sst_answer a;
	int code;

	sst_answer_find(q, &a);
	sst_answer_print(q, &a);
	code = codes[a.result];
	sst_answer_done(&a);
	return code;
}

/* Whether --json is among the arguments, however far they were understood. */
static int
wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return 1;
	return 0;
}

int
sst_verify_run(int argc, char **argv, const char *verb, int explain)
{
	static const struct option options[] = {
		{ "at", required_argument, NULL, 't' },
		{ "trust", required_argument, NULL, 'T' },
		{ "untrusted", required_argument, NULL, 'u' },
		{ "crl", required_argument, NULL, 'c' },
		{ "ocsp", required_argument, NULL, 'o' },
		{ "staple", required_argument, NULL, 's' },
		{ "name", required_argument, NULL, 'n' },
		{ "policy", required_argument, NULL, 'p' },
		{ "max-age", required_argument, NULL, 'm' },
		{ "security-level", required_argument, NULL, 'l' },
		{ "purpose", required_argument, NULL, 'P' },
		{ "no-fetch", no_argument, NULL, 'F' },
		{ "no-cache", no_argument, NULL, 'C' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct sst_question q = { .security_level = LEVEL_DEFAULT, .explain = explain,
	    .purpose = X509_PURPOSE_SSL_SERVER };
	/* before getopt_long() puts them into another order */
	const int json = wants_json(argc, argv);
	int c, rc = 0;

	opterr = 0;
	while (rc == 0 && (c = getopt_long(argc, argv, ":", options, NULL)) != -1)
		rc = take(&q, c, argv, verb);
	if (rc == 0 && argc - optind != 1)
		rc = sst_out_usage(verb, "one CERT");
	if (rc == 0) {
		q.cert = argv[optind];
		rc = answer(&q);
	} else if (json && rc == SST_EXIT_USAGE) {
		sst_answer_usage();
	}
	free(q.trust.path);
	free(q.untrusted.path);
	free(q.crl.path);
	free(q.ocsp.path);
	return rc;
}

int
sst_verb_verify(int argc, char **argv)
{
	return sst_verify_run(argc, argv, "verify", 0);
}
