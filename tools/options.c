/* SPDX-License-Identifier: ISC */
/*
 * options - sstool options: the socket options of level IPPROTO_TLS.
 *
 * Prints the table that the library itself looks options up in; the manual's
 * table is compared with this by a test.
 */
#include <getopt.h>
#include <stdio.h>

#include "base/option.h"

#include "out.h"
#include "verb.h"

#define VERB	"options"

static const char *
type_name(enum sst_option_type type)
{
	switch (type) {
	case SST_OPT_TEXT:
		return "text";
	case SST_OPT_INT:
		return "int";
	case SST_OPT_U64:
		return "uint64_t";
	case SST_OPT_SOURCE:
		return "source";
	case SST_OPT_BYTES:
		return "bytes";
	case SST_OPT_SECONDS:
		return "seconds";
	}
	return "?";
}

static const char *
set_name(unsigned states)
{
	switch (states & (SST_OPT_SET_NEW | SST_OPT_SET_LISTEN | SST_OPT_SET_CONN)) {
	case SST_OPT_SET_NEW:
		return "new";
	case SST_OPT_SET_LISTEN:
		return "listener";
	case SST_OPT_SET_NEW | SST_OPT_SET_LISTEN:
		return "any";
	case SST_OPT_SET_NEW | SST_OPT_SET_LISTEN | SST_OPT_SET_CONN:
		return "always";
	}
	return "-";
}

static const char *
get_name(unsigned states)
{
	if (states & SST_OPT_GET_CONN)
		return "connected";
	return states & SST_OPT_GET ? "any" : "-";
}

static void
print_json(const struct sst_option *o)
{
	json_t *object = sst_out_object();

	json_object_set_new(object, "name", json_string(o->name));
	json_object_set_new(object, "number", json_integer(o->number));
	json_object_set_new(object, "type", json_string(type_name(o->type)));
	json_object_set_new(object, "set", json_string(set_name(o->states)));
	json_object_set_new(object, "get", json_string(get_name(o->states)));
	json_object_set_new(object, "since", json_string(o->since));
	json_object_set_new(object, "summary", json_string(o->summary));
	sst_out_json(object);
}

int
sst_verb_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	int c, json = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c != 'j')
			return sst_out_option(VERB, c, argv);
		json = 1;
	}
	if (argc != optind)
		return sst_out_usage(VERB, "no argument");
	if (!json)
		printf("%-3s %-29s %-8s %-8s %-9s %-5s %s\n", "NO", "NAME",
		    "TYPE", "SET", "GET", "SINCE", "");
	for (const struct sst_option *o = sst_options; o->name != NULL; o++) {
		if (json)
			print_json(o);
		else
			printf("%-3d %-29s %-8s %-8s %-9s %-5s %s\n", o->number,
			    o->name, type_name(o->type), set_name(o->states),
			    get_name(o->states), o->since, o->summary);
	}
	return SST_EXIT_YES;
}
