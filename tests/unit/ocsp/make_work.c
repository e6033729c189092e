/* SPDX-License-Identifier: ISC */
#include "make_work.h"

#include <openssl/ocsp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- the server -------------------------------------------------------- */

static unsigned char *
base64_of_path(const char *path, int *ret_len)
{
	char text[1024];
	unsigned char *der = calloc(1, sizeof(text));
	size_t n = 0;
	int pad = 0;

	for (const char *p = strrchr(path, '/') + 1; *p != '\0' && n < sizeof(text) - 1; p++) {
		unsigned int c = (unsigned char)*p;

		if (c == '%' && sscanf(p + 1, "%2x", &c) == 1)
			p += 2;
		text[n++] = (char)c;
		pad += c == '=';
	}
	*ret_len = EVP_DecodeBlock(der, (unsigned char *)text, (int)n) - pad;
	return der;
}

/* The request as OpenSSL reads it; NULL: it does not parse. */
static OCSP_REQUEST *
request_of(const struct responder_request *q)
{
	int len = (int)q->body_len;
	unsigned char *der = NULL;
	const unsigned char *p = (const unsigned char *)q->body;
	OCSP_REQUEST *req;

	if (strcmp(q->method, "GET") == 0)
		p = der = base64_of_path(q->path, &len);
	req = d2i_OCSP_REQUEST(NULL, &p, len);
	free(der);
	return req;
}

static const struct pki_cert *
cert_of(const struct scene *s, OCSP_CERTID *id)
{
	ASN1_INTEGER *serial = NULL;

	(void)OCSP_id_get0_info(NULL, NULL, NULL, &serial, id);
	for (int i = 0; i < s->n; i++)
		if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(s->cert[i]->cert)) == 0)
			return s->cert[i];
	return NULL;
}

/* Fills the nonce's octets; 0: there is none. */
static size_t
nonce_of(OCSP_REQUEST *req, unsigned char *out, size_t size)
{
	int at = OCSP_REQUEST_get_ext_by_NID(req, NID_id_pkix_OCSP_Nonce, -1);
	ASN1_OCTET_STRING *value;
	size_t len;

	if (at < 0)
		return 0;
	/* extnValue is an OCTET STRING in an OCTET STRING */
	value = X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(req, at));
	len = (size_t)ASN1_STRING_length(value) - 2;
	assert_true(len <= size);
	memcpy(out, ASN1_STRING_get0_data(value) + 2, len);
	return len;
}

static void
answer_ocsp(struct scene *s, const struct responder_request *q, struct responder_reply *reply)
{
	struct made_response made = { .signer = s->ca, .status = s->ocsp_status };
	OCSP_REQUEST *req = request_of(q);
	OCSP_CERTID *id = req == NULL ? NULL :
	    OCSP_onereq_get0_id(OCSP_request_onereq_get0(req, 0));
	ASN1_OBJECT *md = NULL;
	unsigned char nonce[128];
	const struct pki_cert *cert = id == NULL ? NULL : cert_of(s, id);
	int is_sha256;

	reply->type = "application/ocsp-response";
	if (cert == NULL) {
		reply->status = 400;
		OCSP_REQUEST_free(req);
		return;
	}
	(void)OCSP_id_get0_info(NULL, &md, NULL, NULL, id);
	is_sha256 = OBJ_obj2nid(md) == NID_sha256;
	made.nonce_len = nonce_of(req, nonce, sizeof(nonce));
	(void)snprintf(s->log[s->n_log % SCENE_LOG] + strlen(s->log[s->n_log % SCENE_LOG]), 32,
	    " %s %zu", is_sha256 ? "SHA256" : "SHA1", made.nonce_len);
	made.singles[0] = (struct made_single){ .cert = cert,
	    .hash = is_sha256 ? "SHA256" : "SHA1", .this_update = s->this_update,
	    .next_update = s->next_update,
	    .status = s->revoked && cert == s->cert[0] ? MADE_REVOKED : MADE_GOOD };
	made.produced_at = s->this_update;
	made.digest = s->sha1 ? "SHA1" : NULL;
	if (s->echo == 2)
		nonce[0] ^= 1;
	made.nonce = s->echo != 0 && made.nonce_len > 0 ? nonce : NULL;
	if (s->refuse_sha256 && is_sha256)
		made.status = 6;
	if ((s->refuse_get && strcmp(q->method, "GET") == 0) ||
	    (s->refuse_sha256_http && is_sha256))
		reply->status = 404;
	else
		make_response(&made, &reply->body);
	OCSP_REQUEST_free(req);
}

static void
answer_crl(struct scene *s, struct responder_reply *reply)
{
	char number[16];
	struct make_crl_row row = { .cert = s->cert[0] };
	struct make_crl crl = { .issuer = s->crl_signer != NULL ? s->crl_signer : s->ca,
	    .rows = &row, .n_rows = s->revoked ? 1 : 0, .number = number,
	    .this_update = s->this_update, .next_update = s->next_update };

	(void)snprintf(number, sizeof(number), "%02x", s->number);
	crl.md = s->sha1 ? EVP_sha1() : NULL;
	reply->type = "application/pkix-crl";
	if (reply->status == 0)
		reply->body = make_crl(&crl);
}

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	struct scene *s = arg;
	int is_crl = strncmp(q->path, "/crl", 4) == 0;
	const char *text = is_crl ? s->crl_text : s->ocsp_text;

	(void)snprintf(s->headers, sizeof(s->headers), "%s", q->headers);
	(void)snprintf(s->log[s->n_log % SCENE_LOG], 160, "%s %.100s", q->method, q->path);
	*reply = is_crl ? s->crl : s->ocsp;
	if (text != NULL) {
		if (!is_crl)
			reply->type = "application/ocsp-response";
		pki_put_text(&reply->body, text);
	} else if (is_crl) {
		answer_crl(s, reply);
	} else if (reply->status == 0) {
		answer_ocsp(s, q, reply);
	}
	s->n_log++;
}

/* --- the scene --------------------------------------------------------- */

static int64_t
clock_of(void *arg)
{
	return atomic_load(&((struct scene *)arg)->clock);
}

void
scene_reopen(struct scene *s, const char *dir, const char *const *allow)
{
	const struct sst_cache_config cache = { .dir = dir, .may_write = 1, .wait_ms = 2000 };
	struct sst_work_config work = { .allow = allow, .clock = clock_of,
	    .clock_arg = s };

	sst_work_free(s->work);
	sst_cache_close(s->cache);
	s->work = NULL;
	s->cache = NULL;
	assert_int_equal(sst_cache_open(&cache, &s->cache, NULL), SST_OK);
	if (dir != NULL && sst_cache_mode(s->cache) != SST_CACHE_WRITER)
		fail_msg("%s", sst_cache_why(s->cache));
	work.cache = s->cache;
	assert_int_equal(sst_work_new(&work, &s->work, NULL), SST_OK);
}

struct scene *
scene_new(const char *dir)
{
	struct scene *s = calloc(1, sizeof(*s));
	const char *allow[] = { "127.0.0.1", NULL };

	s->ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	s->r = responder_new(answer, s);
	s->number = 1;
	atomic_init(&s->clock, PKI_NOW);
	scene_reopen(s, dir, allow);
	return s;
}

void
scene_free(struct scene *s)
{
	sst_work_free(s->work);
	sst_cache_close(s->cache);
	responder_free(s->r);
	while (s->n > 0)
		pki_free(s->cert[--s->n]);
	pki_free(s->ca);
	free(s);
}

static struct pki_cert *
add(struct scene *s, const struct pki_spec *spec)
{
	assert_true(s->n < SCENE_CERTS);
	s->cert[s->n] = pki_issue(s->ca, spec);
	return s->cert[s->n++];
}

struct pki_cert *
scene_cert(struct scene *s, const char *crl_path, const char *ocsp_path)
{
	return add(s, &(struct pki_spec){ .cn = "www", .san = "www.example.com",
	    .crl = crl_path == NULL ? NULL : responder_url(s->r, crl_path),
	    .ocsp = ocsp_path == NULL ? NULL : responder_url(s->r, ocsp_path) });
}

struct pki_cert *
scene_cert_extra(struct scene *s, const char *extra)
{
	return add(s, &(struct pki_spec){ .cn = "www", .san = "www.example.com",
	    .extra = extra });
}

static void
on_done(void *arg, const struct sst_evidence *list, size_t n)
{
	struct scene_got *got = arg;

	(void)pthread_mutex_lock(&got->mu);
	got->called++;
	got->n = n;
	memcpy(got->list, list, n * sizeof(*list));
	(void)pthread_cond_broadcast(&got->cond);
	(void)pthread_mutex_unlock(&got->mu);
}

void
scene_ask(struct scene *s, const struct pki_cert *cert,
    const struct sst_revocation_policy *policy, int budget_ms, int is_leaf,
    struct scene_got *got)
{
	struct sst_work_ask ask = { .cert = cert->cert, .issuer = cert->issuer->cert,
	    .policy = policy, .now = s->judged_at, .budget_ms = budget_ms,
	    .is_leaf = is_leaf };
	struct sst_error err = { 0 };

	if (s->crl_signer != NULL) {
		ask.others = sk_X509_new_null();
		assert_true(sk_X509_push(ask.others, s->crl_signer->cert) > 0);
	}
	memset(got, 0, sizeof(*got));
	(void)pthread_mutex_init(&got->mu, NULL);
	(void)pthread_cond_init(&got->cond, NULL);
	if (sst_work_ask(s->work, &ask, on_done, got, &got->ticket, &err) != SST_OK)
		fail_msg("%s", err.text);
	sk_X509_free(ask.others);
}

void
scene_wait(struct scene_got *got)
{
	(void)pthread_mutex_lock(&got->mu);
	while (!got->called)
		(void)pthread_cond_wait(&got->cond, &got->mu);
	(void)pthread_mutex_unlock(&got->mu);
}

struct sst_evidence
scene_fetch_as(struct scene *s, const struct pki_cert *cert,
    const struct sst_revocation_policy *policy, int is_leaf)
{
	struct scene_got got;

	scene_ask(s, cert, policy, 20000, is_leaf, &got);
	scene_wait(&got);
	assert_true(got.n > 0);
	return got.list[got.n - 1];
}

struct sst_evidence
scene_fetch(struct scene *s, const struct pki_cert *cert)
{
	return scene_fetch_as(s, cert, NULL, 1);
}

int
scene_cached(struct scene *s, const struct pki_cert *cert, struct sst_evidence *ret)
{
	const struct sst_cert_facts *facts = NULL;
	struct sst_evidence list[8];
	struct sst_limits limits;
	int n = SST_E_TIMEOUT;

	sst_limits_of(NULL, &limits);
	assert_int_equal(sst_facts_of(cert->cert, cert->issuer->cert, &facts, NULL), SST_OK);
	while (n == SST_E_TIMEOUT)
		n = sst_cache_get(s->cache, facts, atomic_load(&s->clock), &limits, list, 8);
	assert_true(n >= 0);
	if (n == 0)
		return 0;
	*ret = list[0];
	return 1;
}
