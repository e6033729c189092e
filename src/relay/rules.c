/* SPDX-License-Identifier: ISC */
#include "rules.h"

#include <stdlib.h>

#include "base/fail.h"
#include "core.h"
#include "settings.h"
#include "tls/revoke.h"

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

/* Puts what the files say in force. */
static int
take(void *arg, struct sst_machine *machine, struct sst_error *err)
{
	struct sst_rulebook *book = arg;
	struct sst_rules *rules = calloc(1, sizeof(*rules));
	int rc;

	if (rules == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	rules->refs = 1;
	rules->machine = sst_machine_ref(machine);
	rc = sst_revoke_checker(machine, &rules->checker, err);
	if (rc < 0) {
		sst_rules_unref(rules);
		return rc;
	}
	sst_rules_unref(book->rules);
	book->rules = rules;
	return SST_OK;
}

const char *
sst_rules_index_dir(const struct sst_relay *relay)
{
	const struct sst_rules *rules = relay->rulebook.rules;

	if (rules == NULL || rules->machine->cache_dir == NULL)
		return "";
	/* who wants no cache on disk wants no index there */
	return rules->machine->cache_dir[0] == '\0' ? NULL : rules->machine->cache_dir;
}

int
sst_rules_now(struct sst_relay *relay, struct sst_rules **ret, struct sst_error *err)
{
	struct sst_rulebook *book = &relay->rulebook;
	const struct sst_error *wrong = &book->watch.wrong;
	int rc = sst_machine_look(&book->watch, relay->loop.now, take, book);

	if (book->rules == NULL)
		return sst_fail(err, wrong->code, "%s", wrong->text);
	if (rc == SST_E_REFUSED)
		sst_log_event(&relay->log, SST_LOG_CONFIG, relay->loop.now,
		    "%s: what was read before goes on", wrong->text);
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
