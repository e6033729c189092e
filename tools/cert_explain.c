/* SPDX-License-Identifier: ISC */
/*
 * cert_explain - sstool cert explain: which certificate a client gets, and why.
 *
 * The decision is sst_store_choose(), which a listener calls too: this file
 * only makes the hello and prints the choice.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>

#include <securesockets/certstore.h>

#include "arg.h"
#include "hello.h"
#include "out.h"
#include "reading.h"
#include "verb.h"

#define VERB	"cert explain"

struct question {
	struct sst_typed_hello	 client;
	struct sst_choose_policy policy;
	char			 default_name[256];
	time_t			 now;
	int			 json;
	int			 asked;		/* --sni or --no-sni was given */
};

static const char *
tier_name(enum sst_tier tier)
{
	switch (tier) {
	case SST_TIER_EXACT:
		return "exact";
	case SST_TIER_WILDCARD:
		return "wildcard";
	case SST_TIER_IP:
		return "ip";
	case SST_TIER_DEFAULT:
		return "default";
	case SST_TIER_NONE:
		break;
	}
	return "none";
}

static json_t *
candidate_json(const struct sst_candidate *c)
{
	json_t *o = json_object();
	char hex[65];

	json_object_set_new(o, "source", sst_out_string(c->source));
	json_object_set_new(o, "key_type", sst_out_string(c->key_type));
	json_object_set_new(o, "sha256", json_string(sst_out_hex(hex, c->digest)));
	json_object_set_new(o, "tier", json_string(tier_name(c->tier)));
	json_object_set_new(o, "served", json_boolean(c->dropped == NULL));
	json_object_set_new(o, "dropped", sst_out_string(c->dropped));
	json_object_set_new(o, "not_before", json_integer(c->not_before));
	json_object_set_new(o, "not_after", json_integer(c->not_after));
	return o;
}

/* A file that was refused cannot be a candidate: say that there are some. */
static int
count_refused(void *arg, const struct sst_entry *e)
{
	size_t *n = arg;

	if (e->state == SST_ENTRY_REFUSED)
		++*n;
	return 0;
}

static void
print_json(const struct sst_choice *choice, int served, size_t refused)
{
	char decision[4096];
	const struct sst_candidate *list;
	size_t n = sst_choice_candidates(choice, &list);
	json_t *o = sst_out_object(), *array = json_array();

	json_object_set_new(o, "name", sst_out_string(sst_choice_name(choice)));
	json_object_set_new(o, "served", json_boolean(served));
	json_object_set_new(o, "tier",
	    json_string(tier_name(sst_choice_tier(choice))));
	json_object_set_new(o, "alert", json_integer(sst_choice_alert(choice)));
	json_object_set_new(o, "generation",
	    json_integer((json_int_t)sst_choice_generation(choice)));
	sst_choice_text(choice, decision, sizeof(decision));
	json_object_set_new(o, "decision", sst_out_string(decision));
	json_object_set_new(o, "refused", json_integer((json_int_t)refused));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, candidate_json(&list[i]));
	json_object_set_new(o, "candidates", array);
	sst_out_json(o);
}

static void
print_heading(const struct sst_choice *choice, int served)
{
	char name[600];
	int alert = sst_choice_alert(choice);

	sst_out_name(name, sizeof(name), sst_choice_name(choice));
	printf("%s: ", *name != '\0' ? name : "no name");
	if (served)
		printf("tier %s", tier_name(sst_choice_tier(choice)));
	else
		printf("nothing to serve, alert %d (%s)", alert,
		    SSL_alert_desc_string_long(alert));
	printf(", generation %llu\n",
	    (unsigned long long)sst_choice_generation(choice));
}

static void
print_candidate(const struct sst_candidate *c, time_t now)
{
	char path[1024], text[1024], when[32];
	const char *why = c->dropped;

	if (why == NULL && c->not_after < now)
		why = "expired, and there is nothing better";
	printf("  %s %-8s %-9s until %s  %s\n",
	    c->dropped == NULL ? "serve" : "drop ", tier_name(c->tier),
	    c->key_type, sst_out_time(when, c->not_after),
	    sst_out_clean(path, sizeof(path), c->source));
	if (why != NULL)
		printf("        why: %s\n", sst_out_clean(text, sizeof(text), why));
}

static void
print_text(const struct sst_choice *choice, int served, time_t now, size_t refused)
{
	const struct sst_candidate *list;
	size_t n = sst_choice_candidates(choice, &list);

	print_heading(choice, served);
	for (size_t i = 0; i < n; i++)
		print_candidate(&list[i], now);
	if (refused > 0)
		printf("  refused: %zu; sstool cert list says why\n", refused);
}

static int
explain(struct question *q, const char *path)
{
	size_t refused = 0;
	struct sst_store_config config = { .cache_bytes = 0 };
	struct sst_reading reading;
	struct sst_store *store = NULL;
	struct sst_choice *choice = NULL;
	struct sst_error err = { 0 };
	int rc;

	sst_reading_begin(&reading, &config);
	rc = sst_store_new(&config, &store, &err);
	if (rc < 0)
		return sst_out_error("store", &err);
	rc = sst_store_add(store, path, &err);
	sst_reading_end(&reading);
	if (rc < 0) {
		rc = sst_out_error(path, &err);
		goto out;
	}
	rc = sst_store_choose(store, &q->policy, &q->client.hello, q->now,
	    &choice, &err);
	if (rc < 0) {
		rc = sst_out_error(path, &err);
		goto out;
	}
	sst_store_each(store, count_refused, &refused, NULL);
	if (q->json)
		print_json(choice, rc == 1, refused);
	else
		print_text(choice, rc == 1, q->now, refused);
	rc = rc == 1 ? SST_EXIT_YES : SST_EXIT_NO;
out:
	sst_choice_unref(choice);
	sst_store_unref(store);
	return rc;
}

/* One option of the command line. 0, or an exit code. */
static int
take(struct question *q, int c, char **argv)
{
	struct sst_error err = { 0 };
	char text[sizeof(err.text) * 2], word[128];
	int rc = 0;

	switch (c) {
	case 'n':
		rc = sst_hello_set_name(&q->client, optarg, &err);
		q->asked = 1;
		break;
	case 'N':
		q->client.hello.has_server_name = 0;
		q->asked = 1;
		break;
	case 'i':
		rc = sst_hello_set_ip(&q->client, optarg, &err);
		break;
	case 's':
		rc = sst_hello_set_sigalgs(&q->client, optarg, &err);
		break;
	case 'v':
		rc = sst_hello_set_version(&q->client, optarg, &err);
		break;
	case 'd':
		rc = sst_name_fold(optarg, q->default_name,
		    sizeof(q->default_name), &err);
		q->policy.default_name = q->default_name;
		break;
	case 'S':
		q->policy.strict = 1;
		break;
	case 't':
		if (!sst_arg_time(optarg, &q->now))
			return sst_out_usage(VERB, "--at takes UNIX seconds or "
			    "a time like 2026-11-21T11:02:22Z");
		break;
	case 'j':
		q->json = 1;
		break;
	default:
		return sst_out_option(VERB, c, argv);
	}
	if (rc < 0)
		return sst_out_usage(VERB, "'%s': %s",
		    sst_out_clean(word, sizeof(word), optarg),
		    sst_out_clean(text, sizeof(text), err.text));
	return 0;
}

int
sst_verb_cert_explain(int argc, char **argv)
{
	static const struct option options[] = {
		{ "sni", required_argument, NULL, 'n' },
		{ "no-sni", no_argument, NULL, 'N' },
		{ "ip", required_argument, NULL, 'i' },
		{ "sigalgs", required_argument, NULL, 's' },
		{ "tls", required_argument, NULL, 'v' },
		{ "default", required_argument, NULL, 'd' },
		{ "strict", no_argument, NULL, 'S' },
		{ "at", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct question q = { .now = time(NULL) };
	int c, rc;

	sst_hello_init(&q.client);
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		rc = take(&q, c, argv);
		if (rc != 0)
			return rc;
	}
	if (!q.asked && q.client.hello.local == NULL)
		return sst_out_usage(VERB, "--sni NAME, --no-sni or --ip A");
	if (argc - optind != 1)
		return sst_out_usage(VERB, "one PATH");
	return explain(&q, argv[optind]);
}
