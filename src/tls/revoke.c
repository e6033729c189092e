/* SPDX-License-Identifier: ISC */
#include "revoke.h"

#include <openssl/err.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/ossl.h"
#include "lists.h"
#include "ocsp/checker.h"
#include "ocsp/given.h"
#include "sslcheck.h"

#define TEXT_MAX	1024

struct sst_revoke {
	atomic_int	 refs;
	struct sst_checker *checker;
	struct sst_lists *lists;
	struct sst_revocation_policy policy;
	int		 live;
};

int
sst_revoke_new(struct sst_checker *checker, const struct sst_revocation_policy *policy,
    struct sst_lists *lists, int live, struct sst_revoke **ret, struct sst_error *err)
{
	struct sst_revoke *by = calloc(1, sizeof(*by));

	if (by == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&by->refs, 1);
	by->checker = sst_checker_ref(checker);
	by->lists = lists != NULL ? sst_lists_ref(lists) : NULL;
	by->policy = *policy;
	by->live = live;
	*ret = by;
	return SST_OK;
}

struct sst_revoke *
sst_revoke_ref(struct sst_revoke *by)
{
	(void)atomic_fetch_add_explicit(&by->refs, 1, memory_order_relaxed);
	return by;
}

void
sst_revoke_unref(struct sst_revoke *by)
{
	if (by == NULL || atomic_fetch_sub(&by->refs, 1) != 1)
		return;
	sst_lists_unref(by->lists);
	sst_checker_unref(by->checker);
	free(by);
}

int
sst_revoke_checker(const struct sst_machine *machine, struct sst_checker **ret,
    struct sst_error *err)
{
	return sst_checker_of(machine, NULL, ret, err);
}

/* Nothing is taken of it here but whether it is a response at all. */
int
sst_revoke_on_staple(SSL *ssl, void *arg)
{
	(void)arg;
	return sst_sslcheck_staple_reads(ssl);
}

int
sst_revoked_init(struct sst_revoked *r, struct sst_revoke *by, SSL *ssl,
    struct sst_error *err)
{
	if (by->policy.mode == SST_REVOCATION_OFF)
		return SST_OK;
	ERR_clear_error();
	if (!SSL_is_server(ssl) && by->policy.use_staples != SST_SWITCH_OFF &&
	    !SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp))
		return sst_fail_ossl(err, SST_E_NOMEM, "the request for a staple");
	r->by = sst_revoke_ref(by);
	return SST_OK;
}

void
sst_revoked_stop(struct sst_revoked *r)
{
	sst_check_free(r->check);
	sst_revoke_unref(r->by);
	r->check = NULL;
	r->by = NULL;
}

void
sst_revoked_done(struct sst_revoked *r)
{
	sst_revoked_stop(r);
	free(r->text);
	memset(r, 0, sizeof(*r));
}

static void
add(char *out, size_t *len, const char *text)
{
	int n = snprintf(out + *len, TEXT_MAX - *len, "%s", text);

	*len += n < 0 ? 0 : (size_t)n;
	if (*len >= TEXT_MAX)
		*len = TEXT_MAX - 1;
}

/* The URL without what separates the fields. */
static void
plain_url(const char *url, char *out, size_t size)
{
	size_t at = 0;

	for (; *url != '\0' && at + 4 < size; url++)
		at += (size_t)snprintf(out + at, size - at, *url == ';' ? "%%3B" : "%c",
		    *url);
	out[at] = '\0';
}

/* "source=...; verdict=...; ...": the leaf's, and the verdicts of the chain. */
static char *
verdict_text(const struct sst_check *check)
{
	const struct sst_revocation_result *leaf, *one;
	char out[TEXT_MAX], url[300];
	const int n = sst_check_count(check);
	size_t len = 0;

	if (n == 0 || (leaf = sst_check_result(check, 0)) == NULL)
		return strdup("source=none; verdict=exempt; chain=; "
		    "why=the certificate is itself an anchor");
	plain_url(leaf->url, url, sizeof(url));
	(void)snprintf(out, sizeof(out), "source=%s; verdict=%s; reason=%s; "
	    "this_update=%lld; next_update=%lld; revoked_at=%lld; kept=%d; chain=",
	    sst_source_name(leaf->source), sst_verdict_name(leaf->verdict),
	    sst_reason_name(leaf->reason), (long long)leaf->this_update,
	    (long long)leaf->next_update, (long long)leaf->revoked_at,
	    leaf->from_cache);
	len = strlen(out);
	for (int depth = 0; depth < n; depth++) {
		one = sst_check_result(check, depth);
		add(out, &len, depth > 0 ? "," : "");
		add(out, &len, one == NULL ? "?" : sst_verdict_name(one->verdict));
	}
	add(out, &len, "; url=");
	add(out, &len, url);
	add(out, &len, "; why=");
	add(out, &len, leaf->why);
	return strdup(out);
}

/* What is wrong with a piece is among the check's reasons: only memory fails. */
static int
tolerable(int rc)
{
	return rc == SST_E_NOMEM || rc == SST_E_INTERNAL ? rc : SST_OK;
}

static int
add_list(void *check, struct sst_given *list)
{
	return tolerable(sst_check_given(check, list, NULL));
}

/* A check of the chain that was verified, with what came along in the handshake and
 * what the program named. */
static int
begin(struct sst_revoked *r, SSL *ssl, struct sst_error *err)
{
	STACK_OF(X509) *chain = NULL;
	int rc = sst_sslcheck_chain(ssl, &chain, err);

	if (rc == 0)
		return sst_fail(err, SST_E_REFUSED, "the peer showed no certificate, so "
		    "that nobody can tell whether it was revoked");
	if (rc < 0)
		return rc;
	rc = sst_sslcheck_new(r->by->checker, &r->by->policy, ssl, chain, &r->check, err);
	if (rc < 0)
		return rc;
	rc = sst_lists_each(r->by->lists, add_list, r->check);
	return rc < 0 ? sst_fail(err, rc, "a list could not be taken in") : SST_OK;
}

int
sst_revoked_now(struct sst_revoked *r, SSL *ssl, struct sst_error *err)
{
	int rc;

	if (r->by == NULL || r->over)
		return 1;
	if (r->check == NULL) {
		rc = begin(r, ssl, err);
		if (rc < 0)
			return rc;
	}
	rc = sst_check_now(r->check, err);
	if (rc == 0 && !r->started)
		return 0;
	free(r->text);
	r->text = verdict_text(r->check);
	if (rc == 0)
		return sst_fail(err, SST_E_INTERNAL, "the revocation check ended without "
		    "a verdict");
	r->over = rc > 0;
	if (r->over && !r->by->live)
		sst_revoked_stop(r);
	return rc;
}

int
sst_revoked_start(struct sst_revoked *r, void (*done)(void *arg), void *arg,
    struct sst_error *err)
{
	r->started = 1;
	return sst_check_start(r->check, done, arg, err);
}

unsigned
sst_revoked_budget(const struct sst_revoked *r)
{
	const unsigned ms = r->by == NULL ? 0 : r->by->policy.budget_ms;

	return ms != 0 ? ms : SST_REVOCATION_BUDGET_MS;
}

int
sst_revoked_again(struct sst_revoked *r, struct sst_error *err)
{
	const struct sst_revocation_result *one;
	struct sst_error inner = { 0 };

	if (r->check == NULL || !r->over || sst_check_now(r->check, &inner) >= 0)
		return SST_OK;
	/* What merely ran out is no reason to end what was accepted. */
	for (int depth = 0; depth < sst_check_count(r->check); depth++) {
		one = sst_check_result(r->check, depth);
		if (one == NULL || one->verdict != SST_VERDICT_REVOKED)
			continue;
		free(r->text);
		r->text = verdict_text(r->check);
		return sst_fail(err, SST_E_REFUSED, "%s", inner.text);
	}
	return SST_OK;
}
