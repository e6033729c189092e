/* SPDX-License-Identifier: ISC */
/*
 * metrics - sstool metrics: the figures of all programs as OpenMetrics text.
 *
 * They are those of `sstool status`. A family of metrics is a line of the table below.
 *
 * Always true:
 *   1. The text ends in "# EOF", whatever the programs said, or did not.
 *   2. No label holds what a peer sent, nor a name of a certificate: there are the
 *      program, its process, a listener's address, and reasons out of a fixed set. What
 *      a program answers is not believed to keep to that.
 *   3. No two samples of a family have the same labels.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "out.h"
#include "verb.h"

#define VERB		"metrics"
#define PREFIX		"securesockets_"
#define REASONS_MOST	64	/* of one object */
#define REASON_MOST	32	/* bytes of one */
#define LISTENERS_MOST	1024	/* of one program */

enum scope { PROGRAM, LISTENER };

static const struct family {
	const char	*name;		/* without prefix; of a counter without _total */
	const char	*type;
	const char	*unit;		/* the name ends in it; NULL: none */
	const char	*help;
	enum scope	 scope;
	const char	*path;		/* in the status document, keys with dots between */
	const char	*label;		/* the member is an object: its keys' label */
} families[] = {
	{ "start_time_seconds", "gauge", "seconds", "When the pair of keeper and relay "
	    "began.", PROGRAM, "started", NULL },
	{ "draining", "gauge", NULL, "1: nothing new is taken any more.", PROGRAM,
	    "draining", NULL },
	{ "restart_needed", "gauge", NULL, "1: a newer libssl is installed than the one "
	    "in use.", PROGRAM, "restart_needed", NULL },
	{ "sockets", "gauge", NULL, "TLS sockets that are open.", PROGRAM, "sockets",
	    NULL },
	{ "open_connections", "gauge", NULL, "Connections that are open.", PROGRAM,
	    "connections.open", NULL },
	{ "connections", "counter", NULL, "Connections, of both roles.", PROGRAM,
	    "connections.total", NULL },
	{ "events", "counter", NULL, "Events about certificates and settings, by kind.",
	    PROGRAM, "events", "kind" },
	{ "watched_directories", "gauge", NULL, "Directories and files of certificates "
	    "that have a watch.", PROGRAM, "watch.watched", NULL },
	{ "swept_names", "gauge", NULL, "Names below them that have none, and are looked "
	    "at from time to time.", PROGRAM, "watch.swept", NULL },
	{ "static_sources", "gauge", NULL, "Sources that are not looked at again.",
	    PROGRAM, "watch.static", NULL },
	{ "handshakes", "counter", NULL, "Handshakes that finished.", LISTENER,
	    "handshakes.ok", NULL },
	{ "handshake_failures", "counter", NULL, "Handshakes that did not, by reason.",
	    LISTENER, "handshakes.failed", "reason" },
	{ "acme_validations", "counter", NULL, "Handshakes of tls-alpn-01.", LISTENER,
	    "handshakes.acme", NULL },
	{ "handshakes_under_way", "gauge", NULL, "Handshakes at this moment.", LISTENER,
	    "handshakes.under_way", NULL },
	{ "waiting_connections", "gauge", NULL, "Connections that accept() has not taken "
	    "yet.", LISTENER, "waiting", NULL },
	{ "backlog", "gauge", NULL, "How many may wait for accept().", LISTENER,
	    "backlog", NULL },
	{ "certificates", "gauge", NULL, "Certificates, by state.", LISTENER,
	    "identities", "state" },
	{ "certificate_generation", "gauge", NULL, "Changes of the certificates so far.",
	    LISTENER, "generation", NULL },
	{ "certificate_earliest_expiry_timestamp_seconds", "gauge", "seconds",
	    "When the first of the certificates ends.", LISTENER, "earliest_expiry",
	    NULL },
	{ "certificate_last_renewal_timestamp_seconds", "gauge", "seconds",
	    "When a certificate was renewed last.", LISTENER, "last_renewal", NULL },
	{ "store_names", "gauge", NULL, "Names of the certificates, a wildcard as one.",
	    LISTENER, "store.names", NULL },
	{ "store_cache_bytes", "gauge", "bytes", "What certificates and decisions at hand "
	    "take.", LISTENER, "store.cache_bytes", NULL },
	{ "store_cache_hits", "counter", NULL, "Handshakes whose certificate was at hand.",
	    LISTENER, "store.cache_hits", NULL },
	{ "store_cache_misses", "counter", NULL, "Certificates that had to be read for a "
	    "handshake.", LISTENER, "store.cache_misses", NULL },
	{ "store_index_bytes", "gauge", "bytes", "What the index of names takes, in its "
	    "file or in memory.", LISTENER, "store.index_bytes", NULL },
	{ "store_index_writer", "gauge", NULL, "1: the file of the index is written by "
	    "this program.", LISTENER, "store.index_writer", NULL },
	{ "store_warm", "gauge", NULL, "1: the index is as it was kept, and its directory "
	    "is yet to be read.", LISTENER, "store.warm", NULL },
	{ "store_scan_names", "gauge", NULL, "Names of a large directory that is being read; "
	    "without a sample: none is.", LISTENER, "store.scan.names", NULL },
	{ "store_scan_read_names", "gauge", NULL, "Of those, read so far.", LISTENER,
	    "store.scan.read", NULL },
	{ "store_scan_start_time_seconds", "gauge", "seconds", "When that began.", LISTENER,
	    "store.scan.since", NULL },
};

struct documents {
	json_t	**list;
	size_t	  n, room;
	int	  failed;	/* out of memory */
};

/* The same program: there is no second one of its pid. */
static int
is_known(const struct documents *d, const json_t *answer)
{
	static const char *const keys[] = { "program", "pid" };
	int same = 0;

	for (size_t i = 0; i < d->n && !same; i++) {
		same = 1;
		for (size_t j = 0; j < 2; j++)
			same &= json_equal(json_object_get(d->list[i], keys[j]),
			    json_object_get(answer, keys[j]));
	}
	return same;
}

/* Sums up how its files are watched, without their names. */
static void
add_watches(json_t *answer, const char *path)
{
	json_t *said = sst_ask(path, "watches"), *list, *w;
	const char *rule;
	json_int_t watched = 0, swept = 0, fixed = 0;
	size_t i;

	list = json_object_get(said, "watches");
	json_array_foreach(list, i, w) {
		rule = json_string_value(json_object_get(w, "rule"));
		watched += json_integer_value(json_object_get(w, "watched"));
		swept += json_integer_value(json_object_get(w, "swept"));
		fixed += rule != NULL && strcmp(rule, "static") == 0;
	}
	if (json_is_array(list))
		json_object_set_new(answer, "watch", json_pack("{s:I, s:I, s:I}",
		    "watched", watched, "swept", swept, "static", fixed));
	json_decref(said);
}

static void
keep(void *arg, const char *path, json_t *answer)
{
	struct documents *d = arg;
	json_t **more;

	if (!json_is_string(json_object_get(answer, "program")) ||
	    !json_is_integer(json_object_get(answer, "pid")) || is_known(d, answer))
		return;
	if (d->n == d->room) {
		d->room = d->room != 0 ? 2 * d->room : 16;
		more = realloc(d->list, d->room * sizeof(*more));
		if (more == NULL) {
			d->failed = 1;
			return;
		}
		d->list = more;
	}
	add_watches(answer, path);
	d->list[d->n++] = json_incref(answer);
}

/* The member at a path such as "connections.open"; NULL: there is none. */
static const json_t *
member(const json_t *o, const char *path)
{
	char key[32];
	size_t len;

	for (; o != NULL && *path != '\0'; path += len + (path[len] == '.')) {
		len = strcspn(path, ".");
		(void)snprintf(key, sizeof(key), "%.*s", (int)len, path);
		o = json_object_get(o, key);
	}
	return o;
}

/* `text`, cleaned and then escaped as the value of a label. */
static void
print_label(const char *name, const char *text, const char *before)
{
	char clean[256];

	(void)sst_out_clean(clean, sizeof(clean), text != NULL ? text : "");
	printf("%s%s=\"", before, name);
	for (const char *p = clean; *p != '\0'; p++) {
		if (*p == '\\' || *p == '"')
			putchar('\\');
		putchar(*p);
	}
	putchar('"');
}

/* Where a sample stands. */
struct place {
	const json_t	*doc;
	const char	*address;	/* NULL: the program as a whole */
	size_t		 copy;		/* of listeners with this address: which */
};

static void
print_sample(const struct family *f, const struct place *at, const char *key,
    const json_t *value)
{
	char number[32];

	if (!json_is_integer(value) && !json_is_boolean(value))
		return;
	printf(PREFIX "%s%s", f->name, strcmp(f->type, "counter") == 0 ? "_total" : "");
	print_label("program", json_string_value(json_object_get(at->doc, "program")),
	    "{");
	(void)snprintf(number, sizeof(number), "%lld",
	    (long long)json_integer_value(json_object_get(at->doc, "pid")));
	print_label("pid", number, ",");
	if (at->address != NULL)
		print_label("address", at->address, ",");
	if (at->copy > 0) {
		(void)snprintf(number, sizeof(number), "%zu", at->copy);
		print_label("copy", number, ",");
	}
	if (key != NULL)
		print_label(f->label, key, ",");
	printf("} %lld\n", json_is_integer(value) ?
	    (long long)json_integer_value(value) : (long long)json_is_true(value));
}

/* A word of ours, and nothing that came from elsewhere. */
static int
is_reason(const char *key)
{
	size_t len = strspn(key, "abcdefghijklmnopqrstuvwxyz_");

	return len > 0 && len <= REASON_MOST && key[len] == '\0';
}

static void
print_member(const struct family *f, const struct place *at, const json_t *of)
{
	const json_t *value = member(of, f->path);
	const char *key;
	json_t *each;
	size_t n = 0;

	if (f->label == NULL) {
		print_sample(f, at, NULL, value);
		return;
	}
	json_object_foreach((json_t *)value, key, each)
		if (is_reason(key) && n++ < REASONS_MOST)
			print_sample(f, at, key, each);
}

/* Its address, or NULL when that is none. */
static const char *
address_of(const json_t *listener)
{
	const char *text = json_string_value(json_object_get(listener, "address"));

	return text == NULL || *text == '\0' || strlen(text) > 64 ||
	    text[strspn(text, "0123456789abcdef.:[]")] != '\0' ? NULL : text;
}

static void
print_listeners(const struct family *f, const json_t *doc)
{
	const json_t *list = json_object_get(doc, "listeners");
	struct place at = { .doc = doc };
	const char *other;
	json_t *l;
	size_t i;

	json_array_foreach(list, i, l) {
		at.address = address_of(l);
		if (i == LISTENERS_MOST)
			break;
		if (at.address == NULL)
			continue;
		/* Several sockets may share one port (SO_REUSEPORT). */
		at.copy = 0;
		for (size_t j = 0; j < i; j++) {
			other = address_of(json_array_get(list, j));
			at.copy += other != NULL && strcmp(other, at.address) == 0;
		}
		print_member(f, &at, l);
	}
}

static void
print_head(const char *name, const char *type, const char *unit, const char *help)
{
	printf("# TYPE " PREFIX "%s %s\n", name, type);
	if (unit != NULL)
		printf("# UNIT " PREFIX "%s %s\n", name, unit);
	printf("# HELP " PREFIX "%s %s\n", name, help);
}

static void
print_info(const struct documents *d)
{
	static const char *const shown[] = { "version", "openssl" };
	char number[32];

	print_head("build", "info", NULL, "What is running.");
	for (size_t i = 0; i < d->n; i++) {
		printf(PREFIX "build_info");
		print_label("program", json_string_value(
		    json_object_get(d->list[i], "program")), "{");
		(void)snprintf(number, sizeof(number), "%lld", (long long)
		    json_integer_value(json_object_get(d->list[i], "pid")));
		print_label("pid", number, ",");
		for (size_t j = 0; j < sizeof(shown) / sizeof(shown[0]); j++)
			print_label(shown[j], json_string_value(
			    json_object_get(d->list[i], shown[j])), ",");
		puts("} 1");
	}
}

static void
print_all(const struct documents *d, const struct sst_ask_count *count)
{
	print_head("programs", "gauge", NULL, "Programs that answered.");
	printf(PREFIX "programs %zu\n", d->n);
	print_head("programs_silent", "gauge", NULL, "Programs that did not in time.");
	printf(PREFIX "programs_silent %zu\n", count->silent);
	print_info(d);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct family *f = &families[i];
		struct place at = { 0 };

		print_head(f->name, f->type, f->unit, f->help);
		for (size_t j = 0; j < d->n; j++) {
			at.doc = d->list[j];
			if (f->scope == LISTENER)
				print_listeners(f, at.doc);
			else
				print_member(f, &at, at.doc);
		}
	}
	puts("# EOF");
}

int
sst_verb_metrics(int argc, char **argv)
{
	static const struct option options[] = {
		{ NULL, 0, NULL, 0 }
	};
	struct sst_ask_count count = { 0 };
	struct documents d = { 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1)
		return sst_out_option(VERB, c, argv);
	if (argc != optind)
		return sst_out_usage(VERB, "no argument");
	sst_ask_all(&count, keep, &d);
	print_all(&d, &count);
	for (size_t i = 0; i < d.n; i++)
		json_decref(d.list[i]);
	free(d.list);
	if (d.failed)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "out of memory");
	if (count.silent > 0)
		return sst_out_trouble(SST_EXIT_TRY_LATER, "%zu did not answer within "
		    "%d s", count.silent, SST_ASK_MS / 1000);
	if (d.n == 0 && count.forbidden > 0)
		return sst_out_trouble(SST_EXIT_CANNOT_TELL,
		    "%zu belong to other users: ask as root", count.forbidden);
	return SST_EXIT_YES;
}
