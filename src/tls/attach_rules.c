/* SPDX-License-Identifier: ISC */
#include "attach_rules.h"

#include <pthread.h>

#include "base/fail.h"
#include "base/machine.h"

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;	/* guards the rest */
static struct sst_machine *machine;	/* in force, or NULL */
static struct sst_machine_watch watch;

static void
lock(void)
{
	(void)pthread_mutex_lock(&mu);
}

static void
unlock(void)
{
	(void)pthread_mutex_unlock(&mu);
}

static void
fork_watch(void)
{
	(void)pthread_atfork(lock, unlock, unlock);
}

int
sst_attach_wish(const struct sst_openssl_check *wish, struct sst_error *err)
{
	const struct sst_revocation_policy *p = &wish->policy;

	if ((unsigned)wish->mode > SST_OPENSSL_MUST)
		return sst_fail(err, SST_E_USAGE, "no mode has the number %d",
		    (int)wish->mode);
	if ((unsigned)p->mode > SST_REVOCATION_STAPLE)
		return sst_fail(err, SST_E_USAGE, "no policy has the number %d",
		    (int)p->mode);
	if (wish->mode == SST_OPENSSL_CACHE_ONLY && wish->wait_ms != 0)
		return sst_fail(err, SST_E_USAGE, "wait_ms is for SST_OPENSSL_WAIT and "
		    "SST_OPENSSL_MUST: nothing waits in SST_OPENSSL_CACHE_ONLY");
	if (wish->mode == SST_OPENSSL_MUST && p->mode == SST_REVOCATION_OFF)
		return sst_fail(err, SST_E_USAGE, "SST_OPENSSL_MUST wants evidence, and "
		    "SST_REVOCATION_OFF asks for none");
	return SST_OK;
}

/* It is in force from now on. */
static int
take(void *arg, struct sst_machine *next, struct sst_error *err)
{
	(void)arg, (void)err;
	sst_machine_unref(machine);
	machine = sst_machine_ref(next);
	return SST_OK;
}

int
sst_attach_policy(const struct sst_openssl_check *wish, int64_t now_ms,
    struct sst_revocation_policy *ret, struct sst_error *err)
{
	struct sst_revocation_policy p = wish->policy;
	int rc = SST_OK;

	if (wish->wait_ms != 0)
		p.budget_ms = wish->wait_ms;
	/* What the mode says of fetching is said by calling it so. */
	if (wish->mode == SST_OPENSSL_CACHE_ONLY)
		p.fetch = SST_SWITCH_DEFAULT;
	if (wish->mode == SST_OPENSSL_MUST && p.mode < SST_REVOCATION_HARD)
		p.mode = SST_REVOCATION_HARD;
	(void)pthread_once(&fork_once, fork_watch);
	lock();
	(void)sst_machine_look(&watch, now_ms, take, NULL);
	if (machine != NULL)
		rc = sst_machine_tighten(machine, &p, err);
	else
		rc = sst_fail(err, watch.wrong.code, "%s", watch.wrong.text);
	unlock();
	if (rc < 0)
		return rc;
	if (wish->mode == SST_OPENSSL_CACHE_ONLY)
		p.fetch = SST_SWITCH_OFF;
	*ret = p;
	return SST_OK;
}
