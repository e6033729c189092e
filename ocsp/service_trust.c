/* SPDX-License-Identifier: ISC */
/* service_trust - see service_trust.h. */
#include "service_trust.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/escape.h"
#include "base/fail.h"
#include "base/ossl.h"

#define LOOK_AGAIN_MS	60000
#define DEPTH_MAX	8
#define LEVEL		1	/* a key that anybody can break is no chain */

struct sst_anchors {
	X509_STORE	*store;
	char		*file;		/* NULL: the default */
	struct stat	 seen[2];	/* file and directory, as they were loaded */
	int64_t		 looked_ms;
};

static void
look(const struct sst_anchors *a, struct stat seen[2])
{
	memset(seen, 0, 2 * sizeof(*seen));
	(void)stat(a->file != NULL ? a->file : X509_get_default_cert_file(), &seen[0]);
	if (a->file == NULL)
		(void)stat(X509_get_default_cert_dir(), &seen[1]);
}

static int
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	    a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Built aside: what was loaded before stays when this fails. */
static int
load(struct sst_anchors *a, struct sst_error *err)
{
	X509_STORE *store = X509_STORE_new();
	char name[300];
	int ok;

	look(a, a->seen);
	if (store == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "trust anchors");
	if (a->file != NULL)
		ok = X509_STORE_load_file(store, a->file);
	else
		ok = X509_STORE_set_default_paths(store);
	if (!ok) {
		X509_STORE_free(store);
		return sst_fail_ossl(err, SST_E_MALFORMED, "trust anchors in %s",
		    a->file == NULL ? X509_get_default_cert_dir() :
		    sst_escape(name, sizeof(name), a->file, strlen(a->file)));
	}
	X509_STORE_free(a->store);
	a->store = store;
	ERR_clear_error();
	return SST_OK;
}

int
sst_anchors_new(const char *file, struct sst_anchors **ret, struct sst_error *err)
{
	struct sst_anchors *a = calloc(1, sizeof(*a));
	int rc;

	if (a == NULL || (file != NULL && (a->file = strdup(file)) == NULL)) {
		free(a);
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	rc = load(a, err);
	if (rc < 0) {
		sst_anchors_free(a);
		return rc;
	}
	*ret = a;
	return SST_OK;
}

void
sst_anchors_free(struct sst_anchors *a)
{
	if (a == NULL)
		return;
	X509_STORE_free(a->store);
	free(a->file);
	free(a);
}

static void
renew(struct sst_anchors *a, int64_t now_ms)
{
	struct stat seen[2];

	if (now_ms - a->looked_ms < LOOK_AGAIN_MS)
		return;
	a->looked_ms = now_ms;
	look(a, seen);
	if (!is_same(&seen[0], &a->seen[0]) || !is_same(&seen[1], &a->seen[1]))
		(void)load(a, NULL);
}

static int
set_up(X509_STORE_CTX *x, X509_STORE *store, X509 *cert, STACK_OF(X509) *given)
{
	X509_VERIFY_PARAM *param;

	if (!X509_STORE_CTX_init(x, store, cert, given))
		return 0;
	param = X509_STORE_CTX_get0_param(x);
	X509_VERIFY_PARAM_set_depth(param, DEPTH_MAX);
	X509_VERIFY_PARAM_set_auth_level(param, LEVEL);
	/* an anchor need not have signed itself */
	return X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
}

int
sst_anchors_chain(struct sst_anchors *a, X509 *cert, X509 *issuer, X509 *above,
    int64_t now_ms, STACK_OF(X509) **ret, struct sst_error *err)
{
	X509_STORE_CTX *x = X509_STORE_CTX_new();
	STACK_OF(X509) *given = sk_X509_new_null(), *chain = NULL;
	int rc = SST_E_NOMEM;

	renew(a, now_ms);
	if (x == NULL || given == NULL || !sk_X509_push(given, issuer) ||
	    (above != NULL && !sk_X509_push(given, above)) ||
	    !set_up(x, a->store, cert, given)) {
		sst_fail_ossl(err, rc, "the chain");
		goto out;
	}
	if (X509_verify_cert(x) != 1) {
		rc = sst_fail(err, SST_E_REFUSED, "the certificate does not reach a trust "
		    "anchor of this machine: %s",
		    X509_verify_cert_error_string(X509_STORE_CTX_get_error(x)));
		goto out;
	}
	chain = X509_STORE_CTX_get1_chain(x);
	if (sk_X509_num(chain) < 2) {
		rc = sst_fail(err, SST_E_REFUSED, "the certificate is a trust anchor itself");
		goto out;
	}
	*ret = chain;
	chain = NULL;
	rc = SST_OK;
out:
	sk_X509_pop_free(chain, X509_free);
	sk_X509_free(given);
	X509_STORE_CTX_free(x);
	ERR_clear_error();
	return rc;
}
