/* SPDX-License-Identifier: ISC */
/*
 * cert_list - sstool cert list: what a file or directory of certificates holds.
 *
 * It is read by the store that a listener uses, so what is refused here is
 * refused there, and for the same reason.
 *
 * Always true:
 *   1. One entry is in memory at a time: the figures are counted as they pass.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <securesockets/certstore.h>

#include "arg.h"
#include "out.h"
#include "reading.h"
#include "verb.h"

#define VERB	"cert list"
#define NAMES_SHOWN	4
#define KINDS		16	/* of keys that are told apart in a summary */

struct listing {
	int		 json;
	int		 summary;	/* the figures alone */
	const char	*within;	/* as typed; NULL: --expiring was not given */
	time_t		 now, before;	/* what ends until then is expiring */
	size_t		 limit;		/* 0: all */
	size_t		 seen, shown;
	size_t		 usable, staged, refused;
	size_t		 names, expired, expiring;
	time_t		 earliest;	/* of the usable; 0: there is none */
	char		 source[1024];	/* whose end that is, cleaned */
	struct {
		char	 type[32];
		size_t	 n;
	}		 keys[KINDS];
};

static const char *
state_name(enum sst_entry_state state)
{
	switch (state) {
	case SST_ENTRY_USABLE:
		return "usable";
	case SST_ENTRY_STAGED:
		return "staged";
	case SST_ENTRY_REFUSED:
		return "refused";
	case SST_ENTRY_CHALLENGE:
		return "challenge";
	}
	return "unknown";
}

static json_t *
strings(const char *const *list, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, sst_out_string(list[i]));
	return array;
}

static void
print_json(const struct sst_entry *e)
{
	json_t *o = sst_out_object();
	char hex[65];

	json_object_set_new(o, "state", json_string(state_name(e->state)));
	json_object_set_new(o, "source", sst_out_string(e->source));
	json_object_set_new(o, "key_source", sst_out_string(e->key_source));
	json_object_set_new(o, "why", sst_out_string(e->why));
	json_object_set_new(o, "key_type", sst_out_string(e->key_type));
	json_object_set_new(o, "issuer", sst_out_string(e->issuer));
	json_object_set_new(o, "names", strings(e->names, e->n_names));
	json_object_set_new(o, "warnings", strings(e->warnings, e->n_warnings));
	json_object_set_new(o, "not_before", json_integer(e->not_before));
	json_object_set_new(o, "not_after", json_integer(e->not_after));
	json_object_set_new(o, "sha256", json_string(sst_out_hex(hex, e->digest)));
	json_object_set_new(o, "generation", json_integer((json_int_t)e->generation));
	sst_out_json(o);
}

static void
print_names(const struct sst_entry *e)
{
	char name[512];
	size_t n = e->n_names;

	if (n > NAMES_SHOWN)
		n = NAMES_SHOWN;
	for (size_t i = 0; i < n; i++)
		printf("%s%s", i ? ", " : "  ",
		    sst_out_name(name, sizeof(name), e->names[i]));
	if (e->n_names > n)
		printf(" and %zu more", e->n_names - n);
	if (e->n_names == 0)
		fputs("  no name", stdout);
}

static void
print_text(const struct sst_entry *e)
{
	char path[1024], when[32], text[1024];

	sst_out_clean(path, sizeof(path), e->source);
	printf("%-8s", state_name(e->state));
	/* What did not even parse has no key and no dates. */
	if (e->key_type != NULL) {
		printf(" %-9s until %s", sst_out_clean(text, sizeof(text),
		    e->key_type), sst_out_time(when, e->not_after));
		print_names(e);
		printf("\n        ");
	}
	printf(" %s\n", path);
	if (e->why != NULL)
		printf("         why: %s\n",
		    sst_out_clean(text, sizeof(text), e->why));
	for (size_t i = 0; i < e->n_warnings; i++)
		printf("         warning: %s\n",
		    sst_out_clean(text, sizeof(text), e->warnings[i]));
}

static void
count_key(struct listing *l, const char *type)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (l->keys[i].n == 0)
			(void)sst_out_clean(l->keys[i].type,
			    sizeof(l->keys[i].type), type);
		else if (strcmp(l->keys[i].type, type) != 0)
			continue;
		l->keys[i].n++;
		return;
	}
}

/* 1: somebody has to see to it. */
static int
count_entry(struct listing *l, const struct sst_entry *e)
{
	if (e->state == SST_ENTRY_CHALLENGE)
		return 0;	/* served to nobody */
	if (e->state != SST_ENTRY_USABLE) {
		if (e->state == SST_ENTRY_STAGED)
			l->staged++;
		else
			l->refused++;
		return 1;
	}
	l->usable++;
	l->names += e->n_names;
	if (e->key_type != NULL)
		count_key(l, e->key_type);
	if (l->earliest == 0 || e->not_after < l->earliest) {
		l->earliest = e->not_after;
		(void)sst_out_clean(l->source, sizeof(l->source), e->source);
	}
	if (e->not_after < l->now)
		l->expired++;
	if (l->within == NULL || e->not_after >= l->before)
		return 0;
	l->expiring++;
	return 1;
}

static int
take_entry(void *arg, const struct sst_entry *e)
{
	struct listing *l = arg;
	int odd = count_entry(l, e);

	if (l->summary || (l->within != NULL && !odd))
		return 0;
	l->seen++;
	if (l->limit != 0 && l->shown == l->limit)
		return 0;
	l->shown++;
	if (l->json)
		print_json(e);
	else
		print_text(e);
	return 0;
}

static void
summary_json(const struct listing *l)
{
	json_t *o = sst_out_object(), *keys = json_object();

	for (size_t i = 0; i < KINDS && l->keys[i].n > 0; i++)
		json_object_set_new(keys, l->keys[i].type,
		    json_integer((json_int_t)l->keys[i].n));
	json_object_set_new(o, "usable", json_integer((json_int_t)l->usable));
	json_object_set_new(o, "staged", json_integer((json_int_t)l->staged));
	json_object_set_new(o, "refused", json_integer((json_int_t)l->refused));
	json_object_set_new(o, "names", json_integer((json_int_t)l->names));
	json_object_set_new(o, "keys", keys);
	json_object_set_new(o, "expired", json_integer((json_int_t)l->expired));
	json_object_set_new(o, "expiring", l->within == NULL ? json_null() :
	    json_integer((json_int_t)l->expiring));
	json_object_set_new(o, "within", l->within == NULL ? json_null() :
	    json_integer(l->before - l->now));
	json_object_set_new(o, "earliest", l->usable == 0 ? json_null() :
	    json_integer(l->earliest));
	json_object_set_new(o, "earliest_source", l->usable == 0 ? json_null() :
	    json_string(l->source));
	sst_out_json(o);
}

static void
summary_text(const struct listing *l)
{
	char when[32];

	printf("certificates  %zu usable, %zu staged, %zu refused\n", l->usable,
	    l->staged, l->refused);
	if (l->usable == 0)
		return;
	printf("names         %zu\n", l->names);
	fputs("keys          ", stdout);
	for (size_t i = 0; i < KINDS && l->keys[i].n > 0; i++)
		printf("%s%s %zu", i ? ", " : "", l->keys[i].type, l->keys[i].n);
	printf("\nexpired       %zu\n", l->expired);
	if (l->within != NULL)
		printf("expiring      %zu within %s\n", l->expiring, l->within);
	printf("earliest end  %s  %s\n", sst_out_time(when, l->earliest), l->source);
}

static int
list(const char *path, struct listing *l)
{
	struct sst_store_config config = { .cache_bytes = 0 };
	struct sst_reading reading;
	struct sst_store *store = NULL;
	struct sst_error err = { 0 };
	int rc;

	sst_reading_begin(&reading, &config);
	rc = sst_store_new(&config, &store, &err);
	if (rc < 0)
		return sst_out_error("store", &err);
	rc = sst_store_add(store, path, &err);
	sst_reading_end(&reading);
	if (rc == 0)
		rc = sst_store_each(store, take_entry, l, &err);
	if (rc < 0) {
		rc = sst_out_error(path, &err);
		goto out;
	}
	if (l->summary && l->json)
		summary_json(l);
	else if (l->summary)
		summary_text(l);
	else if (l->limit != 0)
		sst_out_count(l->json, l->shown, l->seen);
	rc = l->usable > 0 && l->staged + l->refused + l->expiring == 0 ?
	    SST_EXIT_YES : SST_EXIT_NO;
out:
	sst_store_unref(store);
	return rc;
}

/* One option of the command line. 0, or an exit code. */
static int
take(struct listing *l, int c, char **argv)
{
	long long seconds;

	switch (c) {
	case 'a':
		if (!sst_arg_time(optarg, &l->now))
			return sst_out_usage(VERB, "--at takes UNIX seconds or "
			    "a time like 2026-11-21T11:02:22Z");
		return 0;
	case 'e':
		if (!sst_arg_duration(optarg, &seconds))
			return sst_out_usage(VERB, "--expiring takes a time like "
			    "14d, 36h or 90m");
		l->within = optarg;
		l->before = (time_t)seconds;
		return 0;
	case 'j':
		l->json = 1;
		return 0;
	case 'l':
		l->limit = sst_out_limit(optarg);
		return l->limit != 0 ? 0 :
		    sst_out_usage(VERB, "--limit takes a number");
	case 's':
		l->summary = 1;
		return 0;
	default:
		return sst_out_option(VERB, c, argv);
	}
}

int
sst_verb_cert_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "at", required_argument, NULL, 'a' },
		{ "expiring", required_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ "limit", required_argument, NULL, 'l' },
		{ "summary", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 }
	};
	struct listing l = { .now = time(NULL) };
	int c, rc;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		rc = take(&l, c, argv);
		if (rc != 0)
			return rc;
	}
	if (argc - optind != 1)
		return sst_out_usage(VERB, "one PATH");
	l.before += l.now;
	return list(argv[optind], &l);
}
