/* SPDX-License-Identifier: ISC */
/*
 * sstool - the administrator's program: a table of verbs.
 *
 * Always true:
 *   1. Exit codes: 0 yes, 1 no, 2 cannot tell, 64 wrong command line, 69
 *      unavailable, 75 try later.
 *   2. A mistake costs one line, not a page of help.
 */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "out.h"
#include "verb.h"

static const struct verb {
	const char	*noun;		/* NULL: the verb stands alone */
	const char	*name;
	int		(*run)(int argc, char **argv);
	const char	*arguments;
	const char	*summary;
} verbs[] = {
	{ NULL, "acme-challenge", sst_verb_acme_challenge,
	    "--store DIR [--wait HOST:PORT] NAME KEYAUTH | --remove NAME",
	    "answer an ACME server's tls-alpn-01 on a port that a program serves" },
	{ "cache", "list", sst_verb_cache_list,
	    "[--issuer CERT] [--revoked] [--limit N] [--dir DIR]",
	    "what is kept about certificates, lists and their sources" },
	{ "cache", "prefetch", sst_verb_cache_prefetch,
	    "[--trust FILE] [--dir DIR] PATH ...",
	    "fetch the evidence about certificates before anybody waits for it" },
	{ "cache", "purge", sst_verb_cache_purge,
	    "[--issuer CERT] [--revoked] [--yes] [--dir DIR]",
	    "remove what is kept" },
	{ "cache", "serve", sst_verb_cache_serve,
	    "[--socket PATH] [--trust FILE] [--idle SECONDS] [--dir DIR]",
	    "the machine's cache service" },
	{ "cache", "show", sst_verb_cache_show, "[--dir DIR] CERT | SERIAL",
	    "what is kept about one certificate" },
	{ "cache", "stats", sst_verb_cache_stats, "[--dir DIR]",
	    "where the cache is, why there, and how much it holds" },
	{ "cert", "check", sst_verb_cert_check,
	    "--against FILE [--expiring 14d] PATH ...",
	    "which names of nginx, haproxy or a list have no certificate" },
	{ "cert", "explain", sst_verb_cert_explain,
	    "[--sni NAME | --no-sni] [--ip A] [--sigalgs L] PATH",
	    "which certificate a client gets, and why" },
	{ "cert", "list", sst_verb_cert_list,
	    "[--summary] [--expiring 14d] [--limit N] PATH",
	    "what a file or directory of certificates holds" },
	{ NULL, "connect", sst_verb_connect,
	    "[--name N] [--trust PATH] HOST:PORT", "what a server serves" },
	{ NULL, "deploy", sst_verb_deploy,
	    "[--publish] [--to DIR] [--group G] [--mode M] [PATH [KEY]]",
	    "verify a renewed certificate, publish it, have it served" },
	{ NULL, "doctor", sst_verb_doctor, "[--unit U | PROGRAM]",
	    "what a sandbox, a container or a missing package forbids" },
	{ NULL, "events", sst_verb_events,
	    "[--follow] [--since SEQ] [--limit N]",
	    "what happened to the certificates of running programs" },
	{ NULL, "metrics", sst_verb_metrics, "",
	    "the figures of all programs as OpenMetrics text" },
	{ NULL, "options", sst_verb_options, "",
	    "the socket options of level IPPROTO_TLS" },
	{ NULL, "run", sst_verb_run,
	    "[--tls-port N] [--cert PATH] PROGRAM ...",
	    "start an unchanged program whose TCP ports become TLS" },
	{ NULL, "status", sst_verb_status, "",
	    "the programs that serve or connect through the library" },
	{ NULL, "verify", sst_verb_verify,
	    "[--trust FILE] [--crl FILE] [--policy P] CERT",
	    "whether a certificate would be accepted, revocation included" },
	{ NULL, "why", sst_verb_why, "[--trust FILE] [--policy P] CERT",
	    "every piece of evidence about a certificate, and the rule that decides" },
};

#define N_VERBS	(sizeof(verbs) / sizeof(verbs[0]))

static int
help(void)
{
	puts("usage: sstool VERB [--json] ...\n");
	for (size_t i = 0; i < N_VERBS; i++) {
		const struct verb *v = &verbs[i];

		printf("  %s%s%s %s\n        %s\n", v->noun ? v->noun : "",
		    v->noun ? " " : "", v->name, v->arguments, v->summary);
	}
	puts("\n  --version    --help    the page: sstool(1)");
	return SST_EXIT_YES;
}

/* The verb that argv names; *ret_words is how many words that took. */
static const struct verb *
find(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < N_VERBS; i++) {
		const struct verb *v = &verbs[i];

		if (v->noun == NULL && strcmp(argv[1], v->name) == 0) {
			*ret_words = 1;
			return v;
		}
		if (v->noun != NULL && argc > 2 &&
		    strcmp(argv[1], v->noun) == 0 &&
		    strcmp(argv[2], v->name) == 0) {
			*ret_words = 2;
			return v;
		}
	}
	return NULL;
}

/* Says which word is wrong. */
static int
unknown(int argc, char **argv)
{
	char word[64];

	sst_out_clean(word, sizeof(word), argv[1]);
	if (strcmp(argv[1], "cert") != 0 && strcmp(argv[1], "cache") != 0)
		return sst_out_usage("", "no verb '%s'", word);
	if (argc < 3)
		return sst_out_usage(argv[1], argv[1][1] == 'e' ? "check, explain or list?" :
		    "list, show, stats, purge, prefetch or serve?");
	sst_out_clean(word, sizeof(word), argv[2]);
	return sst_out_usage(argv[1], "no verb '%s'", word);
}

int
main(int argc, char **argv)
{
	const struct verb *v;
	int words;

	setlocale(LC_CTYPE, "");	/* only to know a UTF-8 terminal */
	signal(SIGPIPE, SIG_DFL);
	if (argc < 2)
		return sst_out_usage("", "which verb?");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return sst_out_finish(help());
	if (strcmp(argv[1], "--version") == 0) {
		puts("sstool " SST_VERSION);
		return sst_out_finish(SST_EXIT_YES);
	}
	v = find(argc, argv, &words);
	if (v == NULL)
		return unknown(argc, argv);
	return sst_out_finish(v->run(argc - words, argv + words));
}
