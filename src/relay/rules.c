/* SPDX-License-Identifier: ISC */
#include "rules.h"

#include <stdlib.h>

#include "base/fail.h"
#include "core.h"
#include "settings.h"
#include "tls/revoke.h"

#define LOOK_MS	2000

struct sst_rules {
	unsigned	 refs;
	struct sst_machine *machine;
	struct sst_checker *checker;
};

struct sst_rules *
sst_rules_ref(struct sst_rules *rules)
{
	rules->refs++;
	return rules;
}

void
sst_rules_unref(struct sst_rules *rules)
{
	if (rules == NULL || --rules->refs > 0)
		return;
	sst_checker_unref(rules->checker);
	sst_machine_unref(rules->machine);
	free(rules);
}

/* Takes the machine. */
static int
rules_new(struct sst_machine *machine, struct sst_rules **ret, struct sst_error *err)
{
	const struct sst_checker_config config = { .cache_dir = machine->cache_dir,
	    .cache_bytes = machine->cache_bytes,
	    .allow = (const char *const *)machine->allow, .proxy = machine->proxy };
	struct sst_rules *rules = calloc(1, sizeof(*rules));
	struct sst_error inner = { 0 };
	int rc = SST_OK;

	if (rules == NULL) {
		sst_machine_unref(machine);
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	rules->refs = 1;
	rules->machine = machine;
	if (config.allow != NULL && sst_revoke_allow_check(config.allow, &inner) < 0)
		rc = sst_fail(err, SST_E_REFUSED, "%s: %s",
		    machine->origin[SST_KEY_ALLOW], inner.text);
	if (rc == SST_OK)
		rc = sst_checker_new(&config, &rules->checker, err);
	if (rc < 0) {
		sst_rules_unref(rules);
		return rc;
	}
	*ret = rules;
	return SST_OK;
}

static int
load(const struct sst_machine_paths *paths, struct sst_rules **ret, struct sst_error *err)
{
	struct sst_machine *machine = NULL;
	struct sst_error inner = { 0 };
	int rc = sst_machine_load(paths, &machine, &inner);

	/* Whatever is wrong with the file, to the program it is a refusal. */
	if (rc < 0)
		return sst_fail(err, rc == SST_E_NOMEM ? rc : SST_E_REFUSED, "%s",
		    inner.text);
	return rules_new(machine, ret, err);
}

/* Reads the files when they are others than they were. */
static void
look(struct sst_relay *relay)
{
	struct sst_rulebook *book = &relay->rulebook;
	struct sst_error err = { 0 };
	struct sst_machine_paths paths;
	struct sst_rules *rules = NULL;
	char room[4096];
	uint64_t stamp;

	if (book->look_at != 0 && relay->loop.now < book->look_at)
		return;
	sst_machine_paths_of(&paths, room);
	stamp = sst_machine_stamp(&paths);
	if (book->look_at == 0 || stamp != book->stamp) {
		if (load(&paths, &rules, &err) == SST_OK) {
			sst_rules_unref(book->rules);
			book->rules = rules;
		} else if (book->rules != NULL) {
			sst_log_event(&relay->log, SST_LOG_CONFIG, relay->loop.now,
			    "%s: what was read before goes on", err.text);
		}
		book->wrong = err;
		book->stamp = stamp;
	}
	book->look_at = relay->loop.now + LOOK_MS;
}

int
sst_rules_now(struct sst_relay *relay, struct sst_rules **ret, struct sst_error *err)
{
	const struct sst_rulebook *book = &relay->rulebook;

	look(relay);
	if (book->rules == NULL)
		return sst_fail(err, book->wrong.code, "%s", book->wrong.text);
	*ret = sst_rules_ref(book->rules);
	return SST_OK;
}

int
sst_rules_policy(const struct sst_settings *set, struct sst_revocation_policy *ret,
    struct sst_error *err)
{
	struct sst_revocation_policy policy = set->revocation;
	int rc = SST_OK;

	if (set->rules != NULL)
		rc = sst_machine_tighten(set->rules->machine, &policy, err);
	if (rc == SST_OK)
		*ret = policy;
	return rc;
}

/* The rules of a socket, which the caller unrefs, and what they make of its policy. */
static int
rules_of(const struct sst_record *r, struct sst_rules **ret,
    struct sst_revocation_policy *ret_policy, struct sst_error *err)
{
	const struct sst_settings *set = r->set;
	struct sst_rules *rules = NULL;
	int rc = SST_OK;

	*ret_policy = set->revocation;
	/* A restored listener's settings were made before any file was read. */
	if (set->rules != NULL)
		rules = sst_rules_ref(set->rules);
	else
		rc = sst_rules_now(r->relay, &rules, err);
	if (rc == SST_OK)
		rc = sst_machine_tighten(rules->machine, ret_policy, err);
	if (rc == SST_OK)
		*ret = rules;
	else
		sst_rules_unref(rules);
	return rc;
}

int
sst_rules_checker(const struct sst_record *r, struct sst_checker **ret,
    struct sst_revocation_policy *ret_policy, struct sst_error *err)
{
	struct sst_rules *rules = NULL;
	int rc = rules_of(r, &rules, ret_policy, err);

	if (rc < 0)
		return rc;
	*ret = sst_checker_ref(rules->checker);
	sst_rules_unref(rules);
	return SST_OK;
}

int
sst_rules_revoke(const struct sst_record *r, struct sst_revoke **ret, struct sst_error *err)
{
	struct sst_revocation_policy policy;
	struct sst_rules *rules = NULL;
	int rc = rules_of(r, &rules, &policy, err);

	if (rc == SST_OK)
		rc = sst_revoke_new(rules->checker, &policy, r->set->lists, r->set->live,
		    ret, err);
	sst_rules_unref(rules);
	return rc;
}
