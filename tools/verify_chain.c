/* SPDX-License-Identifier: ISC */
/* verify_chain - path and verdict; see verify.h. */
#include "verify.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "load.h"
#include "out.h"

/* As a client's connection has it: no f*.example (RFC 9525 6.3), no common name. */
#define HOST_FLAGS \
	(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

/* What is read before anything is judged. */
struct given {
	STACK_OF(X509)	*trust, *untrusted;
	X509		*leaf;
	uint32_t	 eku;		/* what an anchor's may not leave out; 0: any */
};

static void __attribute__((format(printf, 3, 4)))
conclude(struct sst_answer *a, enum sst_answer_result result, const char *fmt, ...)
{
	va_list ap;

	a->result = result;
	va_start(ap, fmt);
	(void)vsnprintf(a->reason, sizeof(a->reason), fmt, ap);
	va_end(ap);
}

/* 0: ended with a conclusion. A file that cannot be read leaves everything open;
 * one that somebody sent and that does not parse is refused. */
static int
load(struct sst_answer *a, const char *path, STACK_OF(X509) *to, int is_ours)
{
	struct sst_error err = { 0 };
	char name[512];
	int rc = sst_load_certs(path, to, &err);

	if (rc == 0)
		return 1;
	conclude(a, rc == SST_E_MALFORMED && !is_ours ? SST_ANSWER_REJECT : SST_ANSWER_ERROR,
	    "%s: %s", sst_out_clean(name, sizeof(name), path), err.text);
	return 0;
}

static int
load_all(const struct sst_question *q, struct given *g, struct sst_answer *a)
{
	for (size_t i = 0; i < q->trust.n; i++)
		if (!load(a, q->trust.path[i], g->trust, 1))
			return 0;
	/* the further certificates of the file are its chain */
	if (!load(a, q->cert, g->untrusted, 0))
		return 0;
	g->leaf = sk_X509_shift(g->untrusted);
	(void)sk_X509_push(a->chain, g->leaf);
	(void)X509_up_ref(g->leaf);
	for (size_t i = 0; i < q->untrusted.n; i++)
		if (!load(a, q->untrusted.path[i], g->untrusted, 0))
			return 0;
	return 1;
}

/* The peer's name for OpenSSL. 0: it is none, and *err says why. */
static int
set_name(X509_VERIFY_PARAM *param, const char *name, struct sst_error *err)
{
	unsigned char ip[16];
	char host[256];

	if (sst_name_fold(name, host, sizeof(host), err) < 0)
		return 0;
	X509_VERIFY_PARAM_set_hostflags(param, HOST_FLAGS);
	if (inet_pton(AF_INET, host, ip) == 1)
		return X509_VERIFY_PARAM_set1_ip(param, ip, 4);
	if (inet_pton(AF_INET6, host, ip) == 1) {
		/* a certificate writes ::ffff:a.b.c.d as a.b.c.d */
		if (IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)(const void *)ip))
			return X509_VERIFY_PARAM_set1_ip(param, ip + 12, 4);
		return X509_VERIFY_PARAM_set1_ip(param, ip, 16);
	}
	if (host[0] == '*' || host[0] == '.') {
		(void)snprintf(err->text, sizeof(err->text),
		    "%s is a pattern, not the name of a peer", host);
		return 0;
	}
	return X509_VERIFY_PARAM_set1_host(param, host, 0);
}

static X509_STORE *
store_of(const struct sst_question *q, const struct given *g)
{
	X509_STORE *store = X509_STORE_new();
	int ok = store != NULL;

	if (ok && q->trust.n == 0)
		ok = X509_STORE_set_default_paths(store);
	for (int i = 0; ok && i < sk_X509_num(g->trust); i++)
		ok = X509_STORE_add_cert(store, sk_X509_value(g->trust, i));
	if (!ok) {
		X509_STORE_free(store);
		return NULL;
	}
	return store;
}

/*
 * A certificate that was named with --trust is an anchor as a name and a key (RFC
 * 5280 6.1.1 d): it need not say that it is a CA's. One that says that it is not, or
 * that it is for other things, is taken at its word; to one whose key usage is not
 * for certificates no path leads anyway.
 */
static int
is_named_anchor(X509_STORE_CTX *x, const struct given *g)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(x);

	if (X509_STORE_CTX_get_error_depth(x) == 0 ||
	    (X509_get_extension_flags(cert) & EXFLAG_BCONS) ||
	    (g->eku != 0 && !(X509_get_extended_key_usage(cert) & g->eku)))
		return 0;
	for (int i = 0; i < sk_X509_num(g->trust); i++)
		if (X509_cmp(sk_X509_value(g->trust, i), cert) == 0)
			return 1;
	return 0;
}

static int
on_finding(int ok, X509_STORE_CTX *x)
{
	const int error = X509_STORE_CTX_get_error(x);

	if (ok || (error != X509_V_ERR_INVALID_CA && error != X509_V_ERR_INVALID_PURPOSE) ||
	    !is_named_anchor(x, X509_STORE_CTX_get_app_data(x)))
		return ok;
	X509_STORE_CTX_set_error(x, X509_V_OK);
	return 1;
}

static int
set_up(const struct sst_question *q, struct given *g, X509_STORE_CTX *x,
    struct sst_error *err)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(x);

	/* an anchor need not have signed itself; a CA may demand that policies hold
	 * (RFC 5280 4.2.1.11), and nobody here wants a certain one */
	if (!X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN |
	    X509_V_FLAG_POLICY_CHECK) ||
	    !X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy)))
		return 0;
	g->eku = q->purpose == X509_PURPOSE_SSL_SERVER ? XKU_SSL_SERVER :
	    q->purpose == X509_PURPOSE_SSL_CLIENT ? XKU_SSL_CLIENT : 0;
	X509_STORE_CTX_set_verify_cb(x, on_finding);
	X509_STORE_CTX_set_app_data(x, g);
	X509_VERIFY_PARAM_set_auth_level(param, q->security_level);
	if (q->at != 0)
		X509_VERIFY_PARAM_set_time(param, q->at);
	if (q->purpose != 0 && !X509_VERIFY_PARAM_set_purpose(param, q->purpose))
		return 0;
	return q->name == NULL || set_name(param, q->name, err);
}

/* What OpenSSL has against it. The chain is as far as it came. */
static void
path_refused(X509_STORE_CTX *x, struct sst_answer *a)
{
	const int depth = X509_STORE_CTX_get_error_depth(x);

	a->not_judged = "not judged: the chain does not verify";
	conclude(a, SST_ANSWER_REJECT, "the chain does not verify: %s (certificate %d)",
	    X509_verify_cert_error_string(X509_STORE_CTX_get_error(x)), depth);
}

/* 1: the chain reached an anchor. */
static int
find_path(const struct sst_question *q, struct given *g, struct sst_answer *a)
{
	X509_STORE *store = store_of(q, g);
	X509_STORE_CTX *x = X509_STORE_CTX_new();
	struct sst_error err = { 0 };
	STACK_OF(X509) *chain;
	int ok = -1;

	if (store == NULL || x == NULL || !X509_STORE_CTX_init(x, store, g->leaf, g->untrusted))
		conclude(a, SST_ANSWER_ERROR, "out of memory");
	else if (!set_up(q, g, x, &err))
		conclude(a, SST_ANSWER_ERROR, "--name: %s", err.text);
	else
		ok = X509_verify_cert(x);
	if (ok >= 0) {
		chain = X509_STORE_CTX_get1_chain(x);
		if (sk_X509_num(chain) > 0) {
			sk_X509_pop_free(a->chain, X509_free);
			a->chain = chain;
		} else {
			sk_X509_pop_free(chain, X509_free);
		}
	}
	if (ok == 0)
		path_refused(x, a);
	else if (ok < 0 && a->reason[0] == '\0')
		conclude(a, SST_ANSWER_ERROR, "the chain could not be verified");
	X509_STORE_CTX_free(x);
	X509_STORE_free(store);
	ERR_clear_error();
	return ok == 1;
}

struct handing {
	struct sst_check *check;
	int		(*give)(struct sst_check *, const void *, size_t, struct sst_error *);
	struct sst_error err;
};

static int
give_staple(struct sst_check *check, const void *der, size_t len, struct sst_error *err)
{
	return sst_check_staple(check, 0, der, len, err);
}

static int
give_one(void *arg, const unsigned char *der, size_t len)
{
	struct handing *h = arg;

	return h->give(h->check, der, len, &h->err);
}

/* 0: ended with a conclusion. */
static int
give(struct sst_answer *a, const char *path, const char *label,
    int (*how)(struct sst_check *, const void *, size_t, struct sst_error *))
{
	struct handing h = { .check = a->check, .give = how };
	struct sst_error err = { 0 };
	char name[512];

	if (sst_load_each(path, label, give_one, &h, &err) == 0)
		return 1;
	conclude(a, SST_ANSWER_ERROR, "%s: %s", sst_out_clean(name, sizeof(name), path),
	    h.err.text[0] != '\0' ? h.err.text : err.text);
	return 0;
}

static int
give_all(const struct sst_question *q, struct sst_answer *a)
{
	static const char response[] = "OCSP RESPONSE";

	if (q->staple != NULL && !give(a, q->staple, response, give_staple))
		return 0;
	for (size_t i = 0; i < q->ocsp.n; i++)
		if (!give(a, q->ocsp.path[i], response, sst_check_response))
			return 0;
	for (size_t i = 0; i < q->crl.n; i++)
		if (!give(a, q->crl.path[i], "X509 CRL", sst_check_crl))
			return 0;
	return 1;
}

/* The library's verdict on a chain that reached an anchor. */
static void
judge(const struct sst_question *q, const struct given *g, struct sst_answer *a)
{
	const struct sst_checker_config config = { .cache_dir = q->no_cache ? "" : NULL,
	    .no_fetch = q->no_fetch };
	struct sst_error err = { 0 };
	int rc;

	/* the machine's file says what connections may fetch from, and where they keep it */
	rc = sst_checker_of_machine(&config, &a->checker, &err);
	if (rc == 0)
		rc = sst_check_new(a->checker, &q->policy, a->chain, &a->check, &err);
	if (rc == 0) {
		sst_check_at(a->check, q->at);
		rc = sst_check_others(a->check, g->untrusted, &err);
	}
	if (rc == 0 && !give_all(q, a))
		return;
	if (rc == 0)
		rc = sst_check_wait(a->check, &err);
	if (rc == SST_E_REFUSED)
		conclude(a, SST_ANSWER_REJECT, "%s", err.text);
	else if (rc < 0)
		conclude(a, SST_ANSWER_ERROR, "%s", err.text);
	else if (sst_check_count(a->check) == 0)
		conclude(a, SST_ANSWER_ACCEPT, "it is a trust anchor itself");
	else
		conclude(a, SST_ANSWER_ACCEPT, "%s", sst_check_result(a->check, 0)->why);
}

void
sst_answer_find(const struct sst_question *q, struct sst_answer *ret)
{
	struct given g = { .trust = sk_X509_new_null(), .untrusted = sk_X509_new_null() };

	memset(ret, 0, sizeof(*ret));
	ret->chain = sk_X509_new_null();
	ret->not_judged = "not judged: it did not come to that";
	if (g.trust == NULL || g.untrusted == NULL || ret->chain == NULL) {
		conclude(ret, SST_ANSWER_ERROR, "out of memory");
	} else if (load_all(q, &g, ret) && find_path(q, &g, ret)) {
		ret->not_judged = NULL;
		judge(q, &g, ret);
	}
	X509_free(g.leaf);
	sk_X509_pop_free(g.trust, X509_free);
	sk_X509_pop_free(g.untrusted, X509_free);
}

void
sst_answer_done(struct sst_answer *a)
{
	sst_check_free(a->check);
	sst_checker_unref(a->checker);
	sk_X509_pop_free(a->chain, X509_free);
	memset(a, 0, sizeof(*a));
}
