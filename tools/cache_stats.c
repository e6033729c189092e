/* SPDX-License-Identifier: ISC */
/*
 * cache_stats - sstool cache stats: where this user's evidence is kept, why there,
 * how much it is, and whether the machine's cache service is there.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cache.h"
#include "out.h"
#include "verb.h"

#define VERB	"cache stats"

/* Somebody listens there. Systemd starts it on demand. */
static int
has_service(void)
{
	const struct sockaddr_un addr = { .sun_family = AF_UNIX,
	    .sun_path = SST_CACHE_SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), is_there;

	if (fd < 0)
		return 0;
	is_there = connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0;
	(void)close(fd);
	return is_there;
}

static void
print_text(const struct sst_kept_stats *s)
{
	char text[1100];

	printf("%s %s %s\n", s->place, s->is_writer ? "written" : "read",
	    s->dir[0] != '\0' && strcmp(s->place, "memory") != 0 ?
	    sst_out_clean(text, sizeof(text), s->dir) : "");
	if (s->why[0] != '\0')
		printf("  why: %s\n", sst_out_clean(text, sizeof(text), s->why));
	printf("  %llu bytes, schema %d, generation %llu\n", (unsigned long long)s->bytes,
	    s->schema, (unsigned long long)s->generation);
	printf("  %llu answers, %llu lists of %llu entries, %llu staples\n",
	    (unsigned long long)s->answers, (unsigned long long)s->lists,
	    (unsigned long long)s->entries, (unsigned long long)s->staples);
	printf("  %llu sources, %llu failures kept, %llu fetches under way\n",
	    (unsigned long long)s->sources, (unsigned long long)s->negatives,
	    (unsigned long long)s->leases);
	if (s->damaged > 0)
		printf("  %llu damaged rows\n", (unsigned long long)s->damaged);
}

static void
print_json(const struct sst_kept_stats *s, int service)
{
	json_t *o = sst_out_object();
	const struct { const char *key; uint64_t n; } numbers[] = {
		{ "bytes", s->bytes }, { "answers", s->answers }, { "lists", s->lists },
		{ "entries", s->entries }, { "staples", s->staples },
		{ "sources", s->sources }, { "negatives", s->negatives },
		{ "leases", s->leases }, { "generation", s->generation },
		{ "damaged", s->damaged }, { "cache_schema", (uint64_t)s->schema }
	};

	json_object_set_new(o, "cache", json_string(s->place));
	json_object_set_new(o, "dir", sst_out_string(s->dir[0] != '\0' ? s->dir : NULL));
	json_object_set_new(o, "writer", json_boolean(s->is_writer));
	json_object_set_new(o, "why", sst_out_string(s->why[0] != '\0' ? s->why : NULL));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(o, numbers[i].key, json_integer((json_int_t)numbers[i].n));
	json_object_set_new(o, "service", json_boolean(service));
	sst_out_json(o);
}

static int
stats(const char *dir, int json)
{
	struct sst_checker *checker = NULL;
	struct sst_kept_stats s;
	struct sst_error err = { 0 };
	const int service = has_service();
	int n = 1, rc = sst_cache_open(dir, &checker);

	if (rc != 0)
		return rc;
	for (int i = 0; n == 1; i++) {
		n = sst_checker_stats(checker, i, &s, &err);
		if (n < 0)
			rc = sst_out_error("cache", &err);
		if (n == 1 && json)
			print_json(&s, service);
		else if (n == 1)
			print_text(&s);
	}
	if (rc == 0 && !json)
		printf("service %s %s\n", SST_CACHE_SOCKET, service ? "is there" :
		    "is not there");
	sst_checker_unref(checker);
	return rc;
}

int
sst_verb_cache_stats(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	const char *dir = NULL;
	int c, json = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'd')
			dir = optarg;
		else if (c == 'j')
			json = 1;
		else
			return sst_out_option(VERB, c, argv);
	}
	if (argc != optind)
		return sst_out_usage(VERB, "no argument is needed");
	return stats(dir, json);
}
