/* SPDX-License-Identifier: ISC */
/* machine_tighten - what a program may still choose. Pure. */
#include "machine_inside.h"

#include <stddef.h>

#include "fail.h"

#define DEFAULT_MAX_AGE		(10 * 86400u)	/* of responses: the lesser of two */

/*
 * One switch of a policy. `strict` is the position that accepts less. A source is
 * no matter of strictness alone: what the file switched off stays off too, since
 * asking it may be what the administrator does not want.
 */
static const struct row {
	enum sst_machine_key key;
	size_t		 at;
	enum sst_switch	 strict, fallback;
	int		 is_source;
} rows[] = {
	{ SST_KEY_HARD_CHAIN, offsetof(struct sst_revocation_policy, hard_chain),
	    SST_SWITCH_ON, SST_SWITCH_OFF, 0 },
	{ SST_KEY_REFUSE_NO_SOURCE,
	    offsetof(struct sst_revocation_policy, refuse_no_source),
	    SST_SWITCH_ON, SST_SWITCH_DEFAULT, 0 },
	{ SST_KEY_EXEMPT_SHORT, offsetof(struct sst_revocation_policy, exempt_short),
	    SST_SWITCH_OFF, SST_SWITCH_OFF, 0 },
	{ SST_KEY_FETCH, offsetof(struct sst_revocation_policy, fetch),
	    SST_SWITCH_ON, SST_SWITCH_ON, 1 },
	{ SST_KEY_STAPLES, offsetof(struct sst_revocation_policy, use_staples),
	    SST_SWITCH_ON, SST_SWITCH_ON, 1 },
	{ SST_KEY_OCSP, offsetof(struct sst_revocation_policy, use_ocsp),
	    SST_SWITCH_ON, SST_SWITCH_ON, 1 },
	{ SST_KEY_CRL, offsetof(struct sst_revocation_policy, use_crls),
	    SST_SWITCH_ON, SST_SWITCH_ON, 1 },
	{ SST_KEY_KEPT, offsetof(struct sst_revocation_policy, use_cache),
	    SST_SWITCH_ON, SST_SWITCH_ON, 1 },
};

static enum sst_switch
get(const struct sst_revocation_policy *p, const struct row *r)
{
	return *(const enum sst_switch *)((const char *)p + r->at);
}

/* The position that `p` takes when nothing is said of it. */
static enum sst_switch
resolved(const struct sst_revocation_policy *p, const struct row *r)
{
	enum sst_switch sw = get(p, r);

	if (sw == SST_SWITCH_DEFAULT)
		sw = r->fallback;
	if (sw == SST_SWITCH_DEFAULT)	/* refuse_no_source */
		sw = p->mode >= SST_REVOCATION_HARD ? SST_SWITCH_ON : SST_SWITCH_OFF;
	return sw;
}

/* The rule is `key`'s own, or follows from the mode that the file sets. */
static int
refused(const struct sst_machine *m, enum sst_machine_key key, struct sst_error *err)
{
	const enum sst_machine_key rule = m->origin[key] != NULL ? key : SST_KEY_MODE;
	const char *where = m->origin[rule];

	return sst_fail(err, SST_E_REFUSED,
	    "%s may not be loosened: the machine's policy sets %s (%s)",
	    sst_machine_keys[key].name, sst_machine_keys[rule].name,
	    where != NULL ? where : "built in");
}

/* `p`, with what it leaves open taken from the machine. */
static void
fill(const struct sst_machine *m, struct sst_revocation_policy *p)
{
	const struct sst_revocation_policy *base = &m->revocation;

	if (p->mode == SST_REVOCATION_DEFAULT)
		p->mode = base->mode;
	if (p->budget_ms == 0)
		p->budget_ms = base->budget_ms;
	if (p->max_age == 0)
		p->max_age = base->max_age;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (get(p, &rows[i]) == SST_SWITCH_DEFAULT)
			*(enum sst_switch *)((char *)p + rows[i].at) = get(base, &rows[i]);
}

static int
switch_allowed(const struct sst_machine *m, const struct row *r,
    const struct sst_revocation_policy *p)
{
	const struct sst_revocation_policy *base = &m->revocation;
	const enum sst_switch set = get(base, r), now = resolved(p, r);

	if (set != SST_SWITCH_DEFAULT && r->is_source)
		return now == set;
	if (set == SST_SWITCH_DEFAULT && base->mode < SST_REVOCATION_SOFT)
		return 1;
	return resolved(base, r) != r->strict || now == r->strict;
}

/* A shorter wait ends more often without evidence, which soft accepts. The first
 * of the two that is not allowed, or SST_MACHINE_KEYS. */
static enum sst_machine_key
wrong_number(const struct sst_machine *m, const struct sst_revocation_policy *p)
{
	const int ruled = m->revocation.mode >= SST_REVOCATION_SOFT;
	unsigned least = m->revocation.budget_ms, most = m->revocation.max_age;

	if (least == 0 && ruled)
		least = SST_REVOCATION_BUDGET_MS;
	if (p->budget_ms != 0 && p->budget_ms < least)
		return SST_KEY_BUDGET;
	if (most == 0 && ruled)
		most = DEFAULT_MAX_AGE;
	return p->max_age > most && most != 0 ? SST_KEY_MAX_AGE : SST_MACHINE_KEYS;
}

static enum sst_machine_key
loosened(const struct sst_machine *m, const struct sst_revocation_policy *p)
{
	if (p->mode < m->revocation.mode)
		return SST_KEY_MODE;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!switch_allowed(m, &rows[i], p))
			return rows[i].key;
	return wrong_number(m, p);
}

int
sst_machine_tighten_key(const struct sst_machine *m, struct sst_revocation_policy *wanted,
    enum sst_machine_key *ret_key, struct sst_error *err)
{
	struct sst_revocation_policy p = *wanted;
	enum sst_machine_key key;

	fill(m, &p);
	key = loosened(m, &p);
	if (key != SST_MACHINE_KEYS) {
		*ret_key = key;
		return refused(m, key, err);
	}
	*wanted = p;
	return SST_OK;
}

int
sst_machine_tighten(const struct sst_machine *m, struct sst_revocation_policy *wanted,
    struct sst_error *err)
{
	enum sst_machine_key key;

	return sst_machine_tighten_key(m, wanted, &key, err);
}
