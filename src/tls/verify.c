/* SPDX-License-Identifier: ISC */
#include "verify.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "base/escape.h"
#include "base/ossl.h"
#include "trust.h"

#define REFUSAL_MAX 460		/* fits an error's text with the host before it */

/* No f*.example (RFC 9525 6.3), no common name. */
#define HOST_FLAGS \
	(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)

/* A name that the certificate must be for besides the first. */
struct further {
	struct further	*next;
	size_t		 ip_len;	/* 0: a name */
	unsigned char	 ip[16];
	char		 host[256];
};

struct sst_rule {
	char		*refusal;	/* NULL: not refused */
	struct further	*further;
	char		 host[256];	/* folded name or address in text */
};

static unsigned char *
v4_mapped(struct in6_addr *a, size_t *len)
{
	if (!IN6_IS_ADDR_V4MAPPED(a)) {
		*len = 16;
		return a->s6_addr;
	}
	*len = 4;
	return a->s6_addr + 12;
}

/* The bytes of an address as a certificate writes them. 0 bytes: no address. */
static size_t
address_bytes(const struct sockaddr *sa, unsigned char out[16])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	const unsigned char *p;
	size_t len = 0;

	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		memcpy(out, &v4.sin_addr, 4);
		return 4;
	}
	if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		p = v4_mapped(&v6.sin6_addr, &len);
		memcpy(out, p, len);
	}
	return len;
}

static size_t
literal_bytes(const char *text, unsigned char out[16])
{
	struct in6_addr a;
	const unsigned char *p;
	size_t len;

	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, text, &a) != 1)
		return 0;
	p = v4_mapped(&a, &len);
	memcpy(out, p, len);
	return len;
}

/* Folds the name of a peer; *ret_ip_len > 0: it is an address. */
static int
host_fold(const char *host, char out[256], unsigned char ip[16],
    size_t *ret_ip_len, struct sst_error *err)
{
	int rc = sst_name_fold(host, out, 256, err);

	if (rc < 0)
		return rc;
	/* A pattern is no peer, and a leading dot would match any subdomain. */
	if (out[0] == '*' || out[0] == '.')
		return sst_fail(err, SST_E_USAGE,
		    "%s is a pattern, not the name of a peer", out);
	*ret_ip_len = literal_bytes(out, ip);
	return SST_OK;
}

static int
rule_host(struct sst_rule *rule, const char *host, const struct sockaddr *peer,
    unsigned char ip[16], size_t *ret_ip_len, struct sst_error *err)
{
	if (host == NULL || host[0] == '\0') {
		*ret_ip_len = address_bytes(peer, ip);
		if (*ret_ip_len == 0)
			return sst_fail(err, SST_E_USAGE,
			    "neither a host name nor an address to verify");
		(void)inet_ntop(*ret_ip_len == 4 ? AF_INET : AF_INET6, ip,
		    rule->host, sizeof(rule->host));
		return SST_OK;
	}
	return host_fold(host, rule->host, ip, ret_ip_len, err);
}

/* A CA may demand that its policies hold (RFC 5280 4.2.1.11). OpenSSL looks at
 * that only when told to, and wants to hear that any policy will do here. */
static int
policies_count(X509_VERIFY_PARAM *param)
{
	return X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_POLICY_CHECK) &&
	    X509_VERIFY_PARAM_add0_policy(param, OBJ_nid2obj(NID_any_policy));
}

int
sst_rule_new(SSL *ssl, const char *host, const struct sockaddr *peer,
    struct sst_rule **ret_rule, struct sst_error *err)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	struct sst_rule *rule = calloc(1, sizeof(*rule));
	unsigned char ip[16];
	size_t ip_len = 0;
	int rc, ok;

	if (rule == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	rc = rule_host(rule, host, peer, ip, &ip_len, err);
	if (rc < 0)
		goto out;
	X509_VERIFY_PARAM_set_hostflags(param, HOST_FLAGS);
	ok = policies_count(param);
	if (ip_len > 0)
		ok = ok && X509_VERIFY_PARAM_set1_ip(param, ip, ip_len);
	else
		ok = ok && X509_VERIFY_PARAM_set1_host(param, rule->host, 0) &&
		    SSL_set_tlsext_host_name(ssl, rule->host);
	if (!ok || !SSL_set_app_data(ssl, rule)) {
		rc = sst_fail_ossl(err, SST_E_NOMEM, "name to verify");
		goto out;
	}
	*ret_rule = rule;
	return SST_OK;
out:
	sst_rule_free(rule);
	return rc;
}

int
sst_rule_require(struct sst_rule *rule, const char *host, struct sst_error *err)
{
	struct further *f = calloc(1, sizeof(*f));
	struct further **end = &rule->further;
	int rc;

	if (f == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	rc = host_fold(host, f->host, f->ip, &f->ip_len, err);
	if (rc < 0) {
		free(f);
		return rc;
	}
	while (*end != NULL)
		end = &(*end)->next;
	*end = f;
	return SST_OK;
}

void
sst_rule_free(struct sst_rule *rule)
{
	struct further *f;

	if (rule == NULL)
		return;
	while ((f = rule->further) != NULL) {
		rule->further = f->next;
		free(f);
	}
	free(rule->refusal);
	free(rule);
}

const char *
sst_rule_host(const struct sst_rule *rule)
{
	return rule->host;
}

const char *
sst_rule_refusal(const struct sst_rule *rule)
{
	return rule->refusal;
}

/* One subjectAltName, printable; "" for kinds that name no host. */
static void
san_text(const GENERAL_NAME *name, char *out, size_t size)
{
	const ASN1_STRING *s;
	int len;

	out[0] = '\0';
	if (name->type == GEN_DNS) {
		s = name->d.dNSName;
		sst_escape(out, size, ASN1_STRING_get0_data(s),
		    (size_t)ASN1_STRING_length(s));
	} else if (name->type == GEN_IPADD) {
		s = name->d.iPAddress;
		len = ASN1_STRING_length(s);
		if (len == 4 || len == 16)
			(void)inet_ntop(len == 4 ? AF_INET : AF_INET6,
			    ASN1_STRING_get0_data(s), out, (socklen_t)size);
	}
}

/* Writes what `cert` covers: names until the room ends, then "...". */
static void
covers_text(const X509 *cert, char *out, size_t size)
{
	GENERAL_NAMES *names;
	char one[128];
	size_t used = 0;

	out[0] = '\0';
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		san_text(sk_GENERAL_NAME_value(names, i), one, sizeof(one));
		if (one[0] == '\0')
			continue;
		if (used + strlen(one) + 7 > size) {
			(void)snprintf(out + used, size - used, ", ...");
			break;
		}
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		    used > 0 ? ", " : "", one);
	}
	if (out[0] == '\0')
		(void)snprintf(out, size, "no name at all");
	GENERAL_NAMES_free(names);
}

static void
name_text(const X509_NAME *name, char *out, size_t size)
{
	char line[256];

	/* NULL when the name is damaged: then the text says less. */
	if (X509_NAME_oneline(name, line, sizeof(line)) == NULL)
		line[0] = '\0';
	sst_escape(out, size, line, strlen(line));
}

/* What the reason is about: the date that passed, or the issuer. */
static void
detail_text(int error, const X509 *at, char *out, size_t size)
{
	char issuer[160];
	struct tm tm;

	out[0] = '\0';
	if (at == NULL)
		return;
	switch (error) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
		if (ASN1_TIME_to_tm(X509_get0_notAfter(at), &tm))
			(void)strftime(out, size, " (%Y-%m-%dT%H:%M:%SZ)", &tm);
		return;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		if (ASN1_TIME_to_tm(X509_get0_notBefore(at), &tm))
			(void)strftime(out, size, " (%Y-%m-%dT%H:%M:%SZ)", &tm);
		return;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		name_text(X509_get_issuer_name(at), issuer, sizeof(issuer));
		(void)snprintf(out, size, " (issuer %s)", issuer);
		return;
	default:
		return;
	}
}

static const char *
reason_text(int error)
{
	switch (error) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return "it is for other names";
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return "it is not for this address";
	case X509_V_ERR_CERT_REJECTED:
		return "it is not the pinned certificate";
	default:
		return X509_verify_cert_error_string(error);
	}
}

/* The first further name that `leaf` is not for; NULL: it is for all. */
static const struct further *
missed(const struct sst_rule *rule, X509 *leaf)
{
	const struct further *f;
	int ok = 1;

	for (f = rule->further; f != NULL; f = f->next) {
		if (f->ip_len > 0)
			ok = X509_check_ip(leaf, f->ip, f->ip_len, 0);
		else
			ok = X509_check_host(leaf, f->host, 0, HOST_FLAGS, NULL);
		if (ok != 1)
			break;
	}
	return f;
}

/* `not_for`: which of the further names it failed for, or NULL. */
static void
refusal_set(struct sst_rule *rule, X509_STORE_CTX *x, const struct further *not_for)
{
	const int error = X509_STORE_CTX_get_error(x);
	const X509 *leaf = X509_STORE_CTX_get0_cert(x);
	char detail[200], covers[160];

	if (rule == NULL || rule->refusal != NULL)
		return;
	rule->refusal = malloc(REFUSAL_MAX);
	if (rule->refusal == NULL)
		return;
	if (not_for != NULL)
		(void)snprintf(detail, sizeof(detail), ", not for %.180s",
		    not_for->host);
	else
		detail_text(error, X509_STORE_CTX_get_current_cert(x), detail,
		    sizeof(detail));
	if (leaf != NULL)
		covers_text(leaf, covers, sizeof(covers));
	else
		(void)snprintf(covers, sizeof(covers), "nothing");
	(void)snprintf(rule->refusal, REFUSAL_MAX,
	    "the certificate was refused: %s%s; it covers %s",
	    reason_text(error), detail, covers);
}

int
sst_verify_chain(X509_STORE_CTX *x, void *arg)
{
	const struct sst_trust *trust = arg;
	SSL *ssl = X509_STORE_CTX_get_ex_data(x,
	    SSL_get_ex_data_X509_STORE_CTX_idx());
	struct sst_rule *rule = ssl == NULL ? NULL : SSL_get_app_data(ssl);
	const struct further *not_for = NULL;
	int ok = X509_verify_cert(x);

	/* A chain that ends in a pin is not enough: the leaf itself is meant. */
	if (ok > 0 && !sst_trust_allows(trust, X509_STORE_CTX_get0_cert(x))) {
		X509_STORE_CTX_set_error(x, X509_V_ERR_CERT_REJECTED);
		ok = 0;
	}
	if (ok > 0 && rule != NULL)
		not_for = missed(rule, X509_STORE_CTX_get0_cert(x));
	if (not_for != NULL) {
		X509_STORE_CTX_set_error(x, not_for->ip_len > 0 ?
		    X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH);
		ok = 0;
	}
	if (ok <= 0)
		refusal_set(rule, x, not_for);
	return ok > 0;
}
