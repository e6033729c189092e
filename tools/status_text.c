/* SPDX-License-Identifier: ISC */
/* status_text - see status_text.h. */
#include "status_text.h"

#include <stdio.h>
#include <string.h>

#include "out.h"

static const char *
text(const json_t *o, const char *key, char *out, size_t size)
{
	const char *value = json_string_value(json_object_get(o, key));

	return value != NULL ? sst_out_clean(out, size, value) : "-";
}

static long long
number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *
when(const json_t *o, const char *key, char out[32])
{
	const json_t *value = json_object_get(o, key);

	return json_is_integer(value) ?
	    sst_out_time(out, json_integer_value(value)) : "-";
}

static long long
sum(const json_t *counts)
{
	const char *key;
	json_t *value;
	long long all = 0;

	json_object_foreach((json_t *)counts, key, value)
		all += json_integer_value(value);
	return all;
}

/* Those that are not 0, as " (alert 2, slow 1)". */
static void
print_counts(const json_t *counts)
{
	const char *key, *before = " (";
	char name[64];
	json_t *value;

	if (sum(counts) == 0)
		return;
	json_object_foreach((json_t *)counts, key, value) {
		if (json_integer_value(value) == 0)
			continue;
		printf("%s%s %lld", before, sst_out_clean(name, sizeof(name), key),
		    (long long)json_integer_value(value));
		before = ", ";
	}
	putchar(')');
}

/* "12.3 MiB" */
static const char *
size_text(long long bytes, char out[32])
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
	double n = (double)bytes;
	size_t unit = 0;

	for (; n >= 1024 && unit < 3; unit++)
		n /= 1024;
	(void)snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.1f %s", n, units[unit]);
	return out;
}

/* "    reading: 412 of 1000 names since ..., about 3 s left" */
static void
print_scan(const json_t *s)
{
	char since[32];

	if (!json_is_object(s))
		return;
	printf("    reading: %lld of %lld names since %s", number(s, "read"),
	    number(s, "names"), when(s, "since", since));
	if (json_is_integer(json_object_get(s, "left")))
		printf(", about %lld s left", number(s, "left"));
	putchar('\n');
}

static void
print_store(const json_t *s)
{
	char index[32], size[32], cache[32];

	if (!json_is_object(s))
		return;
	printf("    names %lld  cache %s (hits %lld, misses %lld)  index %s %s%s%s\n",
	    number(s, "names"), size_text(number(s, "cache_bytes"), cache),
	    number(s, "cache_hits"), number(s, "cache_misses"),
	    text(s, "index", index, sizeof(index)),
	    size_text(number(s, "index_bytes"), size),
	    json_is_true(json_object_get(s, "index_writer")) ? ", written here" : "",
	    json_is_true(json_object_get(s, "warm")) ?
	    ", as it was kept: its directory is yet to be read" : "");
	print_scan(json_object_get(s, "scan"));
}

static void
print_listener(const json_t *l)
{
	const json_t *ids = json_object_get(l, "identities");
	const json_t *shakes = json_object_get(l, "handshakes");
	const json_t *failed = json_object_get(shakes, "failed");
	char address[128], expiry[32], renewal[32], error[1024];

	printf("  %s  generation %lld  certificates %lld", text(l, "address",
	    address, sizeof(address)), number(l, "generation"),
	    number(ids, "usable"));
	if (number(ids, "degraded") + number(ids, "refused") + number(ids, "pending") > 0)
		printf(" (degraded %lld, refused %lld, pending %lld)",
		    number(ids, "degraded"), number(ids, "refused"),
		    number(ids, "pending"));
	printf("  handshakes %lld", number(shakes, "ok"));
	if (number(shakes, "acme") > 0)
		printf(", acme %lld", number(shakes, "acme"));
	printf(", failed %lld", sum(failed));
	print_counts(failed);
	printf("\n    earliest expiry %s  last renewal %s\n",
	    when(l, "earliest_expiry", expiry), when(l, "last_renewal", renewal));
	print_store(json_object_get(l, "store"));
	if (json_is_string(json_object_get(l, "last_error")))
		printf("    last error: %s\n", text(l, "last_error", error,
		    sizeof(error)));
}

static void
print_watch(const json_t *w)
{
	char path[1024], rule[32], why[256], mark[16] = "";

	printf("  %s  %s", text(w, "path", path, sizeof(path)),
	    text(w, "rule", rule, sizeof(rule)));
	if (number(w, "swept") > 0)
		printf(": %lld directories have a watch, %lld names are looked at "
		    "every %lld s", number(w, "watched"), number(w, "swept"),
		    number(w, "every_ms") / 1000);
	if (json_is_string(json_object_get(w, "mark")))
		(void)text(w, "mark", mark, sizeof(mark));
	if (strcmp(mark, "held") == 0)
		printf(", their file system is marked");
	if (json_is_string(json_object_get(w, "why")))
		printf(" (%s)", text(w, "why", why, sizeof(why)));
	putchar('\n');
}

void
sst_status_print(const json_t *document)
{
	const json_t *connections = json_object_get(document, "connections");
	const json_t *listeners = json_object_get(document, "listeners");
	char program[256], version[64], started[32];
	json_t *l;
	size_t i;

	printf("%s[%lld]  %s  uid %lld  since %s  connections %lld open, %lld in all%s%s\n",
	    text(document, "program", program, sizeof(program)),
	    number(document, "pid"),
	    text(document, "version", version, sizeof(version)),
	    number(document, "uid"), when(document, "started", started),
	    number(connections, "open"), number(connections, "total"),
	    json_is_true(json_object_get(document, "draining")) ? "  draining" : "",
	    json_is_true(json_object_get(document, "restart_needed")) ?
	    "  restart needed: libssl was updated" : "");
	json_array_foreach(listeners, i, l)
		print_listener(l);
	json_array_foreach(json_object_get(document, "watches"), i, l)
		print_watch(l);
}
