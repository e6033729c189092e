/* SPDX-License-Identifier: ISC */
/* status - sstool status: the programs that serve or connect through the library. */
#include <getopt.h>
#include <stdio.h>

#include "ask.h"
#include "out.h"
#include "status_text.h"
#include "verb.h"

#define VERB		"status"

struct tally {
	int	json;
	size_t	limit, seen, shown;
};

/* How its files are watched, which is another of its processes' to say. */
static void
add_watches(json_t *answer, const char *path)
{
	json_t *more = sst_ask(path, "watches"), *list;

	list = json_object_get(more, "watches");
	if (json_is_array(list))
		json_object_set(answer, "watches", list);
	json_decref(more);
}

static void
show(void *arg, const char *path, json_t *answer)
{
	struct tally *t = arg;

	t->seen++;
	if (t->limit != 0 && t->shown == t->limit)
		return;
	t->shown++;
	add_watches(answer, path);
	if (t->json) {
		json_t *o = sst_out_object();

		json_object_update_missing(o, answer);
		sst_out_json(o);
	} else {
		sst_status_print(answer);
	}
}

static int
status(struct tally *t)
{
	struct sst_ask_count count = { 0 };

	sst_ask_all(&count, show, t);
	if (t->limit != 0)
		sst_out_count(t->json, t->shown, t->seen);
	if (count.silent > 0)
		sst_out_trouble(0, "%zu did not answer within %d s", count.silent,
		    SST_ASK_MS / 1000);
	if (t->seen > 0)
		return SST_EXIT_YES;
	if (count.silent > 0)
		return SST_EXIT_TRY_LATER;
	if (count.forbidden > 0)
		return sst_out_trouble(SST_EXIT_CANNOT_TELL,
		    "%zu belong to other users: ask as root", count.forbidden);
	if (!t->json)
		puts("no program uses the library now");
	return SST_EXIT_NO;
}

int
sst_verb_status(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "limit", required_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 }
	};
	struct tally t = { 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'j') {
			t.json = 1;
		} else if (c == 'l') {
			t.limit = sst_out_limit(optarg);
			if (t.limit == 0)
				return sst_out_usage(VERB, "--limit takes a number");
		} else {
			return sst_out_option(VERB, c, argv);
		}
	}
	if (argc != optind)
		return sst_out_usage(VERB, "no argument");
	return status(&t);
}
