/* SPDX-License-Identifier: ISC */
/*
 * doctor_watch - the part of sstool doctor that asks running programs how their
 * certificate files are watched.
 */
#include "doctor.h"

#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "doors.h"

static long long
number(const json_t *rule, const char *key)
{
	return (long long)json_integer_value(json_object_get(rule, key));
}

static const char *
text(const json_t *rule, const char *key)
{
	const char *s = json_string_value(json_object_get(rule, key));

	return s == NULL ? "" : s;
}

static void
report_rule(struct sst_doctor *d, const json_t *rule)
{
	const char *path = text(rule, "path"), *why = text(rule, "why");
	const char *name = text(rule, "rule"), *mark = text(rule, "mark");
	long long watched = number(rule, "watched"), swept = number(rule, "swept");
	long long seconds = number(rule, "every_ms") / 1000;

	if (strcmp(name, "static") == 0)
		sst_find(d, SST_WARN, "watch", NULL, "%s is read once, renewals are "
		    "not seen: %s", path, why);
	else if (swept == 0)
		sst_find(d, SST_FINE, "watch", NULL, "%s: a change is seen at once; "
		    "%lld directories have a watch", path, watched);
	else if (strcmp(mark, "held") == 0)
		sst_find(d, SST_FINE, "watch", NULL, "%s: a change is seen at once; %lld "
		    "directories have a watch, for %lld names their file system is "
		    "marked, and they are looked at every %lld s", path, watched, swept,
		    seconds);
	else if (strcmp(why, "no inotify instance is left") == 0)
		sst_find(d, SST_WARN, "watch", "sysctl fs.inotify.max_user_instances=512",
		    "%s: %lld names are looked at every %lld s: %s", path, swept,
		    seconds, why);
	else if (watched > 0 && strstr(why, "inotify") != NULL)
		sst_find(d, SST_WARN, "watch",
		    "sysctl fs.inotify.max_user_watches=1048576", "%s: %lld "
		    "directories have a watch, names that are served or renewed "
		    "first; %lld are looked at every %lld s%s", path, watched, swept,
		    seconds, strcmp(mark, "busy") == 0 ? ", since too much is written "
		    "on that file system for a mark" : "");
	else
		sst_find(d, why[0] == '\0' ? SST_FINE : SST_WARN, "watch", NULL,
		    "%s: %lld directories have a watch, %lld names are looked at "
		    "every %lld s%s%s", path, watched, swept, seconds,
		    why[0] == '\0' ? "" : ": ", why);
}

static void
report_door(void *arg, const char *path)
{
	struct sst_doctor *d = arg;
	json_t *answer = sst_ask(path, "watches");
	const json_t *list = json_object_get(answer, "watches"), *rule;
	size_t i;

	json_array_foreach(list, i, rule)
		report_rule(d, rule);
	if (number(answer, "more") > 0)
		sst_find(d, SST_FINE, "watch", NULL, "%lld sources more",
		    number(answer, "more"));
	json_decref(answer);
}

void
sst_doctor_watch(struct sst_doctor *d)
{
	sst_doors_each(report_door, d);
}
