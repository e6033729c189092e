/* SPDX-License-Identifier: ISC */
#include "option_revoke.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "base/escape.h"
#include "base/fail.h"
#include "record.h"
#include "rules.h"
#include "settings.h"
#include "tls/lists.h"
#include "tls/staple.h"

#define BUDGET_MAX_MS	60000
#define AGE_MAX_S	31536000

/* The switch of a policy behind an option, or NULL. */
static enum sst_switch *
source_of(struct sst_revocation_policy *p, int number)
{
	switch (number) {
	case TLS_OCSP_STAPLED_CHECKS:
		return &p->use_staples;
	case TLS_OCSP_CHECKS:
		return &p->use_ocsp;
	case TLS_CRL_CHECKS:
		return &p->use_crls;
	case TLS_CACHED_REV_CHECKS:
		return &p->use_cache;
	case TLS_REVOCATION_NO_SOURCE:
		return &p->refuse_no_source;
	default:
		return NULL;
	}
}

/* `wanted` becomes the program's word, if the machine lets it. */
static int
take(struct sst_settings *set, const struct sst_revocation_policy *wanted,
    struct sst_error *err)
{
	const struct sst_revocation_policy old = set->revocation;
	struct sst_revocation_policy effective;
	int rc;

	set->revocation = *wanted;
	rc = sst_rules_policy(set, &effective, err);
	if (rc < 0)
		set->revocation = old;
	return rc;
}

static int
set_checks(struct sst_settings *set, int on, struct sst_error *err)
{
	struct sst_revocation_policy p = set->revocation, now;

	if (!on)
		p.mode = SST_REVOCATION_OFF;
	else if (p.mode == SST_REVOCATION_OFF)
		p.mode = SST_REVOCATION_DEFAULT;
	if (on && sst_rules_policy(set, &now, NULL) == SST_OK &&
	    now.mode == SST_REVOCATION_OFF && p.mode == SST_REVOCATION_DEFAULT)
		p.mode = SST_REVOCATION_SOFT;	/* the machine says off */
	return take(set, &p, err);
}

int
sst_revoke_set_int(struct sst_settings *set, int number, int v, struct sst_error *err)
{
	struct sst_revocation_policy p = set->revocation;
	enum sst_switch *sw = source_of(&p, number);

	if (v != 0 && v != 1)
		return sst_fail(err, SST_E_USAGE, "the value is 0 or 1");
	if (sw != NULL) {
		*sw = v ? SST_SWITCH_ON : SST_SWITCH_OFF;
		return take(set, &p, err);
	}
	switch (number) {
	case TLS_REVOCATION_CHECKS:
		return set_checks(set, v, err);
	case TLS_REVOCATION_LIVE:
		set->live = v;
		return SST_OK;
	case TLS_SERVER_OCSP_STAPLING:
		set->no_stapling = !v;
		return SST_OK;
	default:
		return sst_fail(err, SST_E_INTERNAL, "option %d", number);
	}
}

static const char *const modes[] = {
	[SST_REVOCATION_OFF] = "off", [SST_REVOCATION_SOFT] = "soft",
	[SST_REVOCATION_HARD] = "hard", [SST_REVOCATION_STAPLE] = "staple",
};

/* "NAME=" at the beginning of `word`: what comes after, as a number of at most
 * `max`. 1; 0: another word; < 0. */
static int
number_of(const char *word, const char *name, long max, long *ret_v,
    struct sst_error *err)
{
	const size_t len = strlen(name);
	char *end;

	if (strncmp(word, name, len) != 0 || word[len] != '=')
		return 0;
	errno = 0;
	*ret_v = strtol(word + len + 1, &end, 10);
	if (word[len + 1] < '0' || word[len + 1] > '9' || *end != '\0' || errno != 0 ||
	    *ret_v > max)
		return sst_fail(err, SST_E_USAGE, "TLS_REVOCATION_POLICY: %s takes a "
		    "number from 0 to %ld", name, max);
	return 1;
}

static int
set_word(struct sst_revocation_policy *p, const char *word, struct sst_error *err)
{
	const struct {
		const char	*name;
		enum sst_switch	*sw;
	} switches[] = { { "hard-chain", &p->hard_chain },
	    { "no-source", &p->refuse_no_source }, { "exempt-short", &p->exempt_short },
	    { "fetch", &p->fetch } };
	long v = 0;
	int rc = 0;

	for (int i = SST_REVOCATION_OFF; i <= SST_REVOCATION_STAPLE; i++)
		if (strcmp(word, modes[i]) == 0) {
			p->mode = (enum sst_revocation_mode)i;
			return SST_OK;
		}
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]) && rc == 0; i++) {
		rc = number_of(word, switches[i].name, 1, &v, err);
		if (rc > 0)
			*switches[i].sw = v ? SST_SWITCH_ON : SST_SWITCH_OFF;
	}
	if (rc == 0 && (rc = number_of(word, "budget", BUDGET_MAX_MS, &v, err)) > 0)
		p->budget_ms = (unsigned)v;
	if (rc == 0 && (rc = number_of(word, "max-age", AGE_MAX_S, &v, err)) > 0)
		p->max_age = (unsigned)v;
	if (rc == 0)
		return sst_fail(err, SST_E_USAGE, "TLS_REVOCATION_POLICY takes off, soft, "
		    "hard or staple, budget=MS, max-age=SECONDS, and hard-chain, "
		    "no-source, exempt-short, fetch = 0 or 1");
	return rc < 0 ? rc : SST_OK;
}

int
sst_revoke_set_policy(struct sst_settings *set, const char *text, struct sst_error *err)
{
	struct sst_revocation_policy p = set->revocation;
	char copy[256], *word, *rest;
	int rc = SST_OK, n = 0;

	/* An int of enum sst_revocation_mode, as its first byte: a control byte. */
	if (text[0] >= SST_REVOCATION_OFF && text[0] <= SST_REVOCATION_STAPLE &&
	    text[1] == '\0')
		text = modes[(int)text[0]];
	if (strlen(text) >= sizeof(copy))
		return sst_fail(err, SST_E_USAGE, "TLS_REVOCATION_POLICY is too long");
	(void)strcpy(copy, text);
	for (word = strtok_r(copy, ", ", &rest); word != NULL && rc == SST_OK;
	    word = strtok_r(NULL, ", ", &rest), n++)
		rc = set_word(&p, word, err);
	if (n == 0)
		return sst_fail(err, SST_E_USAGE, "TLS_REVOCATION_POLICY is empty");
	return rc < 0 ? rc : take(set, &p, err);
}

/* What holds. A word that the machine no longer allows was taken under older
 * rules, which the socket keeps, so that this does not fail. */
static struct sst_revocation_policy
holds(const struct sst_settings *set)
{
	struct sst_revocation_policy p = set->revocation;

	(void)sst_rules_policy(set, &p, NULL);
	if (p.mode == SST_REVOCATION_DEFAULT)
		p.mode = SST_REVOCATION_SOFT;
	if (p.refuse_no_source == SST_SWITCH_DEFAULT)
		p.refuse_no_source = p.mode >= SST_REVOCATION_HARD ? SST_SWITCH_ON :
		    SST_SWITCH_OFF;
	return p;
}

int
sst_revoke_get_int(const struct sst_settings *set, int number, int *ret_v)
{
	struct sst_revocation_policy p = holds(set);
	const enum sst_switch *sw = source_of(&p, number);

	if (sw != NULL)
		*ret_v = *sw != SST_SWITCH_OFF;
	else if (number == TLS_REVOCATION_CHECKS)
		*ret_v = p.mode != SST_REVOCATION_OFF;
	else if (number == TLS_REVOCATION_LIVE)
		*ret_v = set->live;
	else if (number == TLS_SERVER_OCSP_STAPLING)
		*ret_v = !set->no_stapling;
	else
		return 0;
	return 1;
}

void
sst_revoke_get_policy(const struct sst_settings *set, char *out, size_t size)
{
	const struct sst_revocation_policy p = holds(set);

	(void)snprintf(out, size, "%s,budget=%u,max-age=%u,hard-chain=%d,no-source=%d,"
	    "exempt-short=%d,fetch=%d", modes[p.mode],
	    p.budget_ms != 0 ? p.budget_ms : SST_REVOCATION_BUDGET_MS, p.max_age,
	    p.hard_chain == SST_SWITCH_ON, p.refuse_no_source == SST_SWITCH_ON,
	    p.exempt_short == SST_SWITCH_ON, p.fetch != SST_SWITCH_OFF);
}

int
sst_revoke_restore(struct sst_settings *set, const void *bytes, size_t len)
{
	struct sst_revocation_policy p;
	const enum sst_switch *const all[] = { &p.refuse_no_source, &p.hard_chain,
	    &p.use_staples, &p.use_ocsp, &p.use_crls, &p.use_cache, &p.fetch,
	    &p.exempt_short, &p.nonce };

	if (len != sizeof(p))
		return SST_E_MALFORMED;
	memcpy(&p, bytes, len);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (*all[i] > SST_SWITCH_ON)
			return SST_E_MALFORMED;
	if (p.mode > SST_REVOCATION_STAPLE || p.budget_ms > BUDGET_MAX_MS ||
	    p.max_age > AGE_MAX_S)
		return SST_E_MALFORMED;
	set->revocation = p;
	return SST_OK;
}

/* The whole of a file; the caller frees it. */
static int
read_all(int fd, uint8_t **ret_bytes, size_t *ret_len, struct sst_error *err)
{
	struct stat st;
	uint8_t *bytes;
	size_t at = 0;
	ssize_t n = 1;

	if (fstat(fd, &st) < 0)
		return sst_fail_errno(err, errno, "it cannot be read");
	if (!S_ISREG(st.st_mode))
		return sst_fail(err, SST_E_MALFORMED, "not a regular file");
	if (st.st_size > (off_t)SST_LISTS_MAX)
		return sst_fail(err, SST_E_LIMIT, "larger than %u MiB",
		    SST_LISTS_MAX >> 20);
	bytes = malloc((size_t)st.st_size + 1);
	if (bytes == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	while (n > 0 && at < (size_t)st.st_size) {
		n = pread(fd, bytes + at, (size_t)st.st_size - at, (off_t)at);
		at += n > 0 ? (size_t)n : 0;
	}
	if (n < 0) {
		free(bytes);
		return sst_fail_errno(err, errno, "it cannot be read");
	}
	*ret_bytes = bytes;
	*ret_len = at;
	return SST_OK;
}

static int
add_bytes(struct sst_settings *set, int number, const uint8_t *bytes, size_t len,
    struct sst_error *err)
{
	struct sst_staples *staples = NULL;
	struct sst_lists *lists = NULL;
	int rc;

	if (number == TLS_CRL_FILE) {
		rc = sst_lists_with(set->lists, bytes, len, &lists, err);
		if (rc < 0)
			return rc;
		sst_lists_unref(set->lists);
		set->lists = lists;
		return SST_OK;
	}
	rc = sst_staples_with(set->staples, bytes, len, &staples, err);
	if (rc < 0)
		return rc;
	sst_staples_unref(set->staples);
	set->staples = staples;
	return SST_OK;
}

int
sst_revoke_add(struct sst_record *r, int number, int fd, const char *path,
    struct sst_error *err)
{
	struct sst_error why = { 0 };
	uint8_t *bytes = NULL;
	char shown[300];
	size_t len = 0;
	int rc = sst_settings_own(&r->set, err);

	if (rc < 0)
		return rc;
	rc = read_all(fd, &bytes, &len, &why);
	if (rc == SST_OK)
		rc = add_bytes(r->set, number, bytes, len, &why);
	free(bytes);
	if (rc < 0)
		return sst_fail(err, rc, "%s: %s", path[0] == '\0' ? "bytes" :
		    sst_escape(shown, sizeof(shown), path, strlen(path)), why.text);
	return SST_OK;
}
