/* SPDX-License-Identifier: ISC */
/*
 * cert_list - sstool cert list: what a file or directory of certificates holds.
 *
 * It is read by the store that a listener uses, so what is refused here is
 * refused there, and for the same reason.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "out.h"
#include "verb.h"

#define VERB	"cert list"
#define NAMES_SHOWN	4

struct listing {
	int	json;
	size_t	limit;		/* 0: all */
	size_t	seen, shown;
	size_t	usable, other;
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

static int
print_entry(void *arg, const struct sst_entry *e)
{
	struct listing *l = arg;

	l->seen++;
	if (e->state == SST_ENTRY_USABLE)
		l->usable++;
	else
		l->other++;
	if (l->limit != 0 && l->shown == l->limit)
		return 0;
	l->shown++;
	if (l->json)
		print_json(e);
	else
		print_text(e);
	return 0;
}

/* Counts what the store takes in or refuses. */
static void
on_event(void *arg, const struct sst_store_event *event)
{
	size_t *n = arg;

	(void)event;
	sst_out_progress("certificates read", ++*n);
}

static int
list(const char *path, struct listing *l)
{
	size_t read = 0;
	struct sst_store_config config = { .on_event = on_event, .event_arg = &read };
	struct sst_store *store = NULL;
	struct sst_error err = { 0 };
	int rc;

	rc = sst_store_new(&config, &store, &err);
	if (rc < 0)
		return sst_out_error("store", &err);
	sst_out_progress("certificates read", 0);
	rc = sst_store_add(store, path, &err);
	sst_out_progress_end();
	if (rc == 0)
		rc = sst_store_each(store, print_entry, l, &err);
	if (rc < 0)
		rc = sst_out_error(path, &err);
	else
		rc = l->usable > 0 && l->other == 0 ? SST_EXIT_YES : SST_EXIT_NO;
	if (l->limit != 0)
		sst_out_count(l->json, l->shown, l->seen);
	sst_store_unref(store);
	return rc;
}

int
sst_verb_cert_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "limit", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 }
	};
	struct listing l = { 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'j') {
			l.json = 1;
		} else if (c == 'l') {
			l.limit = sst_out_limit(optarg);
			if (l.limit == 0)
				return sst_out_usage(VERB, "--limit takes a number");
		} else {
			return sst_out_option(VERB, c, argv);
		}
	}
	if (argc - optind != 1)
		return sst_out_usage(VERB, "one PATH");
	return list(argv[optind], &l);
}
