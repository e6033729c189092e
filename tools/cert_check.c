/* SPDX-License-Identifier: ISC */
/*
 * cert_check - sstool cert check: whether a configuration's names have certificates.
 *
 * conf.c reads the names, cover.c judges them; this file prints.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <securesockets/certstore.h>

#include "arg.h"
#include "conf.h"
#include "cover.h"
#include "out.h"
#include "reading.h"
#include "verb.h"

#define VERB	"cert check"

struct check {
	struct sst_cover cover;
	time_t		 now;
	long long	 within;	/* < 0: as the event "expiring" */
	int		 json;
	size_t		 limit, seen, shown;
	size_t		 total, covered, plain, found[SST_FINDINGS];
};

static const char *const finding_names[SST_FINDINGS] = { "uncovered", "expired", "early",
    "twice", "expiring", "unchecked" };

static void
finding_json(enum sst_finding f, const struct sst_wanted *n, const struct sst_judged *v)
{
	const struct sst_hit *h = f == SST_FOUND_TWICE ? v->twice[0] :
	    f == SST_FOUND_EXPIRING ? v->ends :
	    f == SST_FOUND_EXPIRED || f == SST_FOUND_EARLY ? v->any : NULL;
	json_t *o = sst_out_object(), *sources = json_array();

	json_object_set_new(o, "finding", json_string(finding_names[f]));
	json_object_set_new(o, "name", sst_out_string(n->name));
	json_object_set_new(o, "file", sst_out_string(n->file));
	json_object_set_new(o, "line", json_integer(n->line));
	json_object_set_new(o, "why", sst_out_string(n->why));
	json_object_set_new(o, "key_type", sst_out_string(h != NULL ? h->key : NULL));
	json_object_set_new(o, "not_before", h != NULL ? json_integer(h->from) :
	    json_null());
	json_object_set_new(o, "not_after", h != NULL ? json_integer(h->until) :
	    json_null());
	if (h != NULL)
		json_array_append_new(sources, sst_out_string(h->source));
	if (f == SST_FOUND_TWICE)
		json_array_append_new(sources, sst_out_string(v->twice[1]->source));
	json_object_set_new(o, "sources", sources);
	sst_out_json(o);
}

static void
finding_text(enum sst_finding f, const struct sst_wanted *n, const struct sst_judged *v)
{
	char name[600], path[1024], other[1024], when[32];

	printf("%-9s %s", finding_names[f], sst_out_name(name, sizeof(name), n->name));
	printf("  %s:%u\n", sst_out_clean(path, sizeof(path), n->file), n->line);
	if (f == SST_FOUND_UNCHECKED)
		printf("          %s\n", sst_out_clean(path, sizeof(path), n->why));
	if (f == SST_FOUND_TWICE)
		printf("          %s: %s and %s\n", v->twice[0]->key,
		    sst_out_clean(path, sizeof(path), v->twice[0]->source),
		    sst_out_clean(other, sizeof(other), v->twice[1]->source));
	if (f == SST_FOUND_EARLY)
		printf("          not before %s: %s\n", sst_out_time(when, v->any->from),
		    sst_out_clean(path, sizeof(path), v->any->source));
	if (f == SST_FOUND_EXPIRED || f == SST_FOUND_EXPIRING) {
		const struct sst_hit *h = f == SST_FOUND_EXPIRED ? v->any : v->ends;

		printf("          until %s: %s\n", sst_out_time(when, h->until),
		    sst_out_clean(path, sizeof(path), h->source));
	}
}

static void
found(struct check *c, enum sst_finding f, const struct sst_wanted *n,
    const struct sst_judged *v)
{
	c->found[f]++;
	c->seen++;
	if (c->limit != 0 && c->shown == c->limit)
		return;
	c->shown++;
	if (c->json)
		finding_json(f, n, v);
	else
		finding_text(f, n, v);
}

static void
summary(const struct check *c)
{
	json_t *o;

	if (c->limit != 0)
		sst_out_count(c->json, c->shown, c->seen);
	if (!c->json) {
		printf("%zu names: %zu covered", c->total, c->covered);
		for (int f = 0; f < SST_FINDINGS; f++)
			if (c->found[f] > 0)
				printf(", %zu %s", c->found[f], finding_names[f]);
		if (c->plain > 0)
			printf("; %zu of servers without TLS", c->plain);
		putchar('\n');
		if (c->cover.refused > 0)
			printf("certificates refused: %zu; sstool cert list says why\n",
			    c->cover.refused);
		return;
	}
	o = sst_out_object();
	json_object_set_new(o, "names", json_integer((json_int_t)c->total));
	json_object_set_new(o, "covered", json_integer((json_int_t)c->covered));
	for (int f = 0; f < SST_FINDINGS; f++)
		json_object_set_new(o, finding_names[f],
		    json_integer((json_int_t)c->found[f]));
	json_object_set_new(o, "plain", json_integer((json_int_t)c->plain));
	json_object_set_new(o, "refused", json_integer((json_int_t)c->cover.refused));
	sst_out_json(o);
}

/* Prints what was found, in the order of the configuration. An exit code. */
static int
report(struct check *c, const char *against)
{
	char path[1024];
	int bad = 0;

	for (size_t i = 0; i < c->cover.n; i++) {
		const struct sst_wanted *n = &c->cover.names[i];
		struct sst_judged v = { 0 };

		if (n->again)
			continue;
		if (n->plain) {
			c->plain++;
			continue;
		}
		c->total++;
		if (n->why != NULL) {
			found(c, SST_FOUND_UNCHECKED, n, &v);
			continue;
		}
		sst_cover_judge(n, c->now, c->within, &v);
		for (int f = 0; f < SST_FOUND_UNCHECKED; f++)
			if (v.has[f])
				found(c, f, n, &v);
		c->covered += v.ends != NULL;
	}
	summary(c);
	if (c->total == 0)
		return sst_out_trouble(SST_EXIT_CANNOT_TELL, "%s: no name in it%s",
		    sst_out_clean(path, sizeof(path), against), c->plain == 0 ? "" :
		    " of a server with TLS; --tls-port says which port is");
	for (int f = 0; f < SST_FOUND_UNCHECKED; f++)
		bad |= c->found[f] > 0;
	return bad ? SST_EXIT_NO : SST_EXIT_YES;
}

/* Lets the certificates of all paths pass by. 0, or an exit code. */
static int
read_certificates(struct check *c, char **paths, int n)
{
	struct sst_store_config config = { .cache_bytes = 0 };
	struct sst_reading reading;
	struct sst_store *store = NULL;
	struct sst_error err = { 0 };
	const char *what = "store";
	int rc;

	sst_reading_begin(&reading, &config);
	rc = sst_store_new(&config, &store, &err);
	for (int i = 0; rc == 0 && i < n; i++) {
		what = paths[i];
		rc = sst_store_add(store, what, &err);
	}
	sst_reading_end(&reading);
	if (rc == 0)
		rc = sst_store_each(store, sst_cover_entry, &c->cover, &err);
	sst_store_unref(store);
	return rc < 0 ? sst_out_error(what, &err) : 0;
}

static int
check(struct check *c, struct sst_conf *conf, const char *against, char **paths, int n)
{
	struct sst_error err = { 0 };
	char text[sizeof(err.text) * 2];
	int rc;

	rc = sst_conf_read(conf, against, &err);
	if (rc == SST_OK && sst_cover_sort(&c->cover) != 0)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "out of memory");
	if (rc < 0)	/* the text begins with the file */
		return sst_out_trouble(rc == SST_E_USAGE ? SST_EXIT_USAGE :
		    SST_EXIT_CANNOT_TELL, "%s", sst_out_clean(text, sizeof(text), err.text));
	rc = read_certificates(c, paths, n);
	return rc != 0 ? rc : report(c, against);
}

/* One option of the command line. 0, or an exit code. */
static int
take(struct check *c, struct sst_conf *conf, int opt, char **argv)
{
	unsigned long port;

	switch (opt) {
	case 't':
		return sst_arg_time(optarg, &c->now) ? 0 : sst_out_usage(VERB,
		    "--at takes UNIX seconds or a time like 2026-11-21T11:02:22Z");
	case 'e':
		return sst_arg_duration(optarg, &c->within) ? 0 : sst_out_usage(VERB,
		    "--expiring takes a time like 14d, 36h or 90m");
	case 'j':
		c->json = 1;
		return 0;
	case 'k':
		conf->kind = strcmp(optarg, "nginx") == 0 ? SST_CONF_NGINX :
		    strcmp(optarg, "haproxy") == 0 ? SST_CONF_HAPROXY :
		    strcmp(optarg, "list") == 0 ? SST_CONF_LIST : SST_CONF_GUESS;
		return conf->kind != SST_CONF_GUESS ? 0 : sst_out_usage(VERB,
		    "--kind is nginx, haproxy or list");
	case 'l':
		c->limit = sst_out_limit(optarg);
		return c->limit != 0 ? 0 :
		    sst_out_usage(VERB, "--limit takes a number");
	case 'p':
		if (strcmp(optarg, "any") == 0) {
			conf->tls_port = 0;
			return 0;
		}
		if (!sst_arg_number(optarg, 1, 65535, &port))
			return sst_out_usage(VERB, "--tls-port takes a number or any");
		conf->tls_port = (unsigned)port;
		return 0;
	default:
		return sst_out_option(VERB, opt, argv);
	}
}

int
sst_verb_cert_check(int argc, char **argv)
{
	static const struct option options[] = {
		{ "against", required_argument, NULL, 'a' },
		{ "at", required_argument, NULL, 't' },
		{ "expiring", required_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ "kind", required_argument, NULL, 'k' },
		{ "limit", required_argument, NULL, 'l' },
		{ "tls-port", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 }
	};
	struct check c = { .now = time(NULL), .within = -1 };
	struct sst_conf conf = { .tls_port = 443, .each = sst_cover_name,
	    .arg = &c.cover };
	const char *against = NULL;
	int opt, rc;

	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (opt == 'a') {
			against = optarg;
			continue;
		}
		rc = take(&c, &conf, opt, argv);
		if (rc != 0)
			return rc;
	}
	if (against == NULL)
		return sst_out_usage(VERB, "--against FILE");
	if (argc == optind)
		return sst_out_usage(VERB, "which PATH has the certificates?");
	rc = check(&c, &conf, against, argv + optind, argc - optind);
	sst_cover_done(&c.cover);
	return rc;
}
