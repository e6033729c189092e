/* SPDX-License-Identifier: ISC */
/*
 * deploy - sstool deploy: a renewed certificate, from its files to those who serve it.
 *
 * certbot runs it as its --deploy-hook, for one lineage each time. The steps: read and
 * verify the pair, fetch the evidence about it, publish it, tell the programs, wait
 * until they have taken it up.
 *
 * Always true:
 *   1. What does not verify is neither published nor told of.
 *   2. What the pair needs not to be served is a warning, and no failure: evidence that
 *      cannot be fetched, a program that does not answer.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <securesockets/error.h>

#include "arg.h"
#include "deploy_prefetch.h"
#include "nudge.h"
#include "out.h"
#include "pair.h"
#include "publish.h"
#include "verb.h"

#define VERB		"deploy"
#define FETCH_MS	10000
#define WAIT_MS		5000
#define NAMES_SHOWN	4

struct deploy {
	const char	*path, *key;	/* what is deployed */
	const char	*domains;	/* of certbot: shown, and not believed */
	const char	*name, *trust, *group;
	struct sst_publish to;
	int		 publish, no_fetch, json;
	unsigned	 wait_ms;
	size_t		 warnings;
	struct sst_pair	 pair;
	struct sst_nudge nudge;
	char		 published[4096];
};

static int __attribute__((format(printf, 2, 3)))
warn(struct deploy *d, const char *fmt, ...)
{
	char text[1200];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	d->warnings++;
	return sst_out_trouble(0, "warning: %s", text);
}

/* One step as an object; the caller adds to it. */
static json_t *
step(const char *name)
{
	json_t *o = sst_out_object();

	json_object_set_new(o, "step", json_string(name));
	return o;
}

static void
say_pair(struct deploy *d)
{
	const struct sst_pair *p = &d->pair;
	char text[600], when[32], hex[65];
	json_t *o, *each;
	size_t i;

	json_array_foreach(p->warnings, i, each)
		(void)warn(d, "%s", json_string_value(each));
	if (p->from > time(NULL))
		(void)warn(d, "it is not valid before %s", sst_out_time(when, p->from));
	if (d->json) {
		o = step("pair");
		json_object_set_new(o, "name", sst_out_string(p->name));
		json_object_set_new(o, "chain", sst_out_string(p->chain));
		json_object_set_new(o, "version", p->version == 0 ? json_null() :
		    json_integer(p->version));
		json_object_set_new(o, "domains", sst_out_string(d->domains));
		json_object_set(o, "names", p->names);
		json_object_set_new(o, "key_type", json_string(p->key_type));
		json_object_set_new(o, "not_before", json_integer(p->from));
		json_object_set_new(o, "not_after", json_integer(p->until));
		json_object_set_new(o, "sha256", json_string(sst_out_hex(hex, p->digest)));
		sst_out_json(o);
		return;
	}
	printf("pair      %s", sst_out_clean(text, sizeof(text), p->name));
	if (p->version != 0)
		printf("  version %u", p->version);
	printf("  %s until %s", p->key_type, sst_out_time(when, p->until));
	json_array_foreach(p->names, i, each)
		if (i < NAMES_SHOWN)
			printf("%s%s", i ? ", " : "  ", sst_out_name(text, sizeof(text),
			    json_string_value(each)));
	if (json_array_size(p->names) > NAMES_SHOWN)
		printf(" and %zu more", json_array_size(p->names) - NAMES_SHOWN);
	putchar('\n');
	if (d->domains != NULL)
		printf("          certbot says: %s\n",
		    sst_out_clean(text, sizeof(text), d->domains));
}

static void
prefetch(struct deploy *d)
{
	struct sst_prefetched got;
	char when[32];
	json_t *o;
	int none;	/* a certificate that lives for days may name no source */

	sst_deploy_prefetch(d->pair.chain, d->trust, FETCH_MS, &got);
	none = strcmp(got.verdict, "no_source") == 0;
	if (!got.good && !none)
		(void)warn(d, "evidence: %s%s%s", got.verdict, *got.verdict ? ": " : "",
		    got.why);
	if (d->json) {
		o = step("evidence");
		json_object_set_new(o, "good", json_boolean(got.good));
		json_object_set_new(o, "verdict", sst_out_string(*got.verdict ?
		    got.verdict : NULL));
		json_object_set_new(o, "why", got.good ? json_null() :
		    sst_out_string(got.why));
		json_object_set_new(o, "until", got.until == 0 ? json_null() :
		    json_integer(got.until));
		sst_out_json(o);
	} else if (none) {
		puts("evidence  none: its CA names no source");
	} else if (got.good) {
		printf("evidence  %s", *got.verdict ? got.verdict : "good");
		if (got.until != 0)
			printf(" until %s", sst_out_time(when, got.until));
		putchar('\n');
	}
}

/* 0, or an exit code after a line on stderr. */
static int
find_group(struct deploy *d)
{
	const char *group = d->group != NULL ? d->group : SST_PUBLISH_GROUP;
	struct group *entry;
	unsigned long n;
	char text[128];

	/* Another group is root's to give. */
	if (d->group == NULL && geteuid() != 0) {
		d->to.group = getegid();
		return 0;
	}
	errno = 0;
	entry = getgrnam(group);
	if (entry != NULL)
		d->to.group = entry->gr_gid;
	else if (sst_arg_number(group, 0, UINT32_MAX - 1, &n))
		d->to.group = (gid_t)n;
	else
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "there is no group %s: "
		    "groupadd --system %s, or name one with --group",
		    sst_out_clean(text, sizeof(text), group), text);
	return 0;
}

static int
publish(struct deploy *d)
{
	struct sst_error err = { 0 };
	char text[1024];
	int rc;

	rc = sst_publish(&d->to, d->name != NULL ? d->name : d->pair.name, d->pair.pem,
	    d->pair.len, d->published, sizeof(d->published), &err);
	if (rc < 0) {
		d->published[0] = '\0';
		(void)sst_out_trouble(0, "not published: %s",
		    sst_out_clean(text, sizeof(text), err.text));
		return rc == SST_E_USAGE ? SST_EXIT_USAGE : SST_EXIT_UNAVAILABLE;
	}
	if (d->json) {
		json_t *o = step("publish");

		json_object_set_new(o, "path", sst_out_string(d->published));
		json_object_set_new(o, "gid", json_integer((json_int_t)d->to.group));
		json_object_set_new(o, "mode", json_integer((json_int_t)d->to.mode));
		sst_out_json(o);
	} else {
		printf("publish   %s  %04o\n", sst_out_clean(text, sizeof(text),
		    d->published), (unsigned)d->to.mode);
	}
	return 0;
}

static const char *
state_text(const struct sst_nudged *p)
{
	switch (p->state) {
	case SST_NUDGED_TAKEN:
		return "took it up";
	case SST_NUDGED_SAME:
		return "was told, and serves what it did before";
	case SST_NUDGED_APART:
		return p->sources < 0 && p->listeners > 0 ?
		    "of an older release: it looks by itself" : "does not use it";
	case SST_NUDGED_GONE:
		return "does not answer";
	case SST_NUDGED_WAITING:
		break;
	}
	return "was told";
}

static const char *
state_word(enum sst_nudged_state state)
{
	static const char *const words[] = { "told", "taken", "same", "apart", "gone" };

	return words[state];
}

static void
say_program(struct deploy *d, const struct sst_nudged *p)
{
	char text[300];
	json_t *o;

	(void)sst_out_clean(text, sizeof(text), p->program);
	if (p->state == SST_NUDGED_SAME)
		(void)warn(d, "%s[%lld] %s; sstool status and sstool events say more",
		    text, p->pid, state_text(p));
	if (d->json) {
		o = step("program");
		json_object_set_new(o, "program", json_string(text));
		json_object_set_new(o, "pid", json_integer(p->pid));
		json_object_set_new(o, "uid", json_integer(p->uid));
		json_object_set_new(o, "state", json_string(state_word(p->state)));
		json_object_set_new(o, "sources", p->sources < 0 ? json_null() :
		    json_integer(p->sources));
		sst_out_json(o);
	} else if (p->state == SST_NUDGED_TAKEN || p->sources > 0) {
		printf("program   %s[%lld]  %s\n", text, p->pid, state_text(p));
	}
}

/* Tells the programs, and waits for them. */
static void
tell(struct deploy *d)
{
	char *live = realpath(d->path, NULL);
	size_t taken = 0;

	sst_nudge_ring(&d->nudge, live != NULL ? live : d->path);
	free(live);
	if (d->published[0] != '\0') {
		live = realpath(d->published, NULL);
		sst_nudge_ring(&d->nudge, live != NULL ? live : d->published);
		free(live);
	}
	if (d->wait_ms > 0)
		sst_nudge_wait(&d->nudge, d->wait_ms, d->pair.changed);
	for (size_t i = 0; i < d->nudge.n; i++) {
		say_program(d, &d->nudge.list[i]);
		taken += d->nudge.list[i].state == SST_NUDGED_TAKEN;
	}
	if (d->nudge.failed)
		(void)warn(d, "out of memory: not every program was told");
	if (d->nudge.count.silent > 0)
		(void)warn(d, "%zu programs did not answer", d->nudge.count.silent);
	if (d->json) {
		json_t *o = step("done");

		json_object_set_new(o, "programs", json_integer((json_int_t)d->nudge.n));
		json_object_set_new(o, "taken", json_integer((json_int_t)taken));
		json_object_set_new(o, "warnings",
		    json_integer((json_int_t)d->warnings));
		sst_out_json(o);
	} else {
		printf("done      %zu of %zu programs took it up, %zu warnings\n", taken,
		    d->nudge.n, d->warnings);
	}
}

/* Fetching takes its time: where another renewal came meanwhile, and is whole, it must
 * not be the older one that is published last. */
static void
look_again(struct deploy *d)
{
	struct sst_pair now = { 0 };
	struct sst_error err = { 0 };

	if (sst_pair_read(d->path, d->key, &now, &err) == SST_OK &&
	    (now.len != d->pair.len || memcmp(now.pem, d->pair.pem, now.len) != 0) &&
	    sst_pair_verify(&now, time(NULL), &err) == SST_OK) {
		sst_pair_done(&d->pair);
		d->pair = now;
		say_pair(d);
	} else {
		sst_pair_done(&now);
	}
}

static int
deploy(struct deploy *d)
{
	struct sst_error err = { 0 };
	char text[sizeof(err.text) * 2];
	int rc, code = SST_EXIT_YES;

	rc = sst_pair_read(d->path, d->key, &d->pair, &err);
	if (rc == SST_OK)
		rc = sst_pair_verify(&d->pair, time(NULL), &err);
	if (rc < 0) {
		if (rc == SST_E_STATE)
			code = SST_EXIT_TRY_LATER;
		else
			code = rc == SST_E_SYSTEM ? SST_EXIT_CANNOT_TELL : rc ==
			    SST_E_NOMEM ? SST_EXIT_UNAVAILABLE : SST_EXIT_NO;
		return sst_out_trouble(code, "not deployed: %s",
		    sst_out_clean(text, sizeof(text), err.text));
	}
	say_pair(d);
	if (!d->no_fetch) {
		prefetch(d);
		look_again(d);
	}
	sst_nudge_look(&d->nudge);
	if (d->publish)
		code = publish(d);
	tell(d);
	return code;
}

/* One option of the command line. 0, or an exit code. */
static int
take(struct deploy *d, int c, char **argv)
{
	unsigned long n;
	char *end;

	switch (c) {
	case 'g':
		d->group = optarg;
		d->publish = 1;
		return 0;
	case 'j':
		d->json = 1;
		return 0;
	case 'm':
		n = strtoul(optarg, &end, 8);
		if (end == optarg || *end != '\0' || (n & ~0640ul) != 0 ||
		    (n & 0400) == 0)
			return sst_out_usage(VERB, "--mode is 0640, 0600, 0440 or 0400: "
			    "others must not read the key, and nobody else write it");
		d->to.mode = (mode_t)n;
		d->publish = 1;
		return 0;
	case 'n':
		d->name = optarg;
		return 0;
	case 'N':
		d->no_fetch = 1;
		return 0;
	case 'p':
		d->publish = 1;
		return 0;
	case 't':
		d->to.dir = optarg;
		d->publish = 1;
		return 0;
	case 'T':
		d->trust = optarg;
		return 0;
	case 'w':
		if (!sst_arg_number(optarg, 0, 3600, &n))
			return sst_out_usage(VERB, "--wait takes seconds, 0 to 3600");
		d->wait_ms = (unsigned)n * 1000;
		return 0;
	default:
		return sst_out_option(VERB, c, argv);
	}
}

int
sst_verb_deploy(int argc, char **argv)
{
	static const struct option options[] = {
		{ "group", required_argument, NULL, 'g' },
		{ "json", no_argument, NULL, 'j' },
		{ "mode", required_argument, NULL, 'm' },
		{ "name", required_argument, NULL, 'n' },
		{ "no-fetch", no_argument, NULL, 'N' },
		{ "publish", no_argument, NULL, 'p' },
		{ "to", required_argument, NULL, 't' },
		{ "trust", required_argument, NULL, 'T' },
		{ "wait", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 }
	};
	struct deploy d = { .wait_ms = WAIT_MS,
		.to = { .dir = SST_PUBLISH_DIR, .mode = 0640 } };
	int c, rc = 0;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		rc = take(&d, c, argv);
		if (rc != 0)
			return rc;
	}
	if (argc - optind > 2)
		return sst_out_usage(VERB, "one PATH, or a CHAIN and its KEY");
	d.path = argc > optind ? argv[optind] : getenv("RENEWED_LINEAGE");
	d.key = argc - optind == 2 ? argv[optind + 1] : NULL;
	if (d.path == NULL || *d.path == '\0')
		return sst_out_usage(VERB, "which PATH? RENEWED_LINEAGE is not set");
	if (argc == optind)
		d.domains = getenv("RENEWED_DOMAINS");
	if (d.publish)
		rc = find_group(&d);
	if (rc == 0)
		rc = deploy(&d);
	sst_pair_done(&d.pair);
	sst_nudge_done(&d.nudge);
	return rc;
}
