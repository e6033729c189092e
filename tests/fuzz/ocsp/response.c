/* SPDX-License-Identifier: ISC */
/*
 * A response as it comes, which nobody signed (in the corpus: another key), is an
 * error. Then its signed part is signed by the CA, whatever it says (or the input as
 * a whole, where it does not read as a response): what is made of it holds what
 * evidence.h promises.
 */
#include <stdlib.h>
#include <string.h>

#include "ocsp/basic.h"
#include "ocsp/response.h"
#include "support/pki.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pki_cert *ca, *delegate, *www;
static struct sst_response_ask ask;
static struct sst_limits limits;

static void
must(int ok)
{
	if (!ok)
		abort();
}

/* The keys are always the same, so that hashes of names in the corpus match. */
static EVP_PKEY *
key_of(int first)
{
	unsigned char secret[32];
	EVP_PKEY *key;

	memset(secret, first, sizeof(secret));
	key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secret, sizeof(secret));
	must(key != NULL);
	return key;
}

static void
world_make(void)
{
	EVP_PKEY *one = key_of(1), *two = key_of(2);

	ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1, .use_key = one });
	delegate = pki_issue(ca, &(struct pki_spec){ .cn = "OCSP", .eku = "OCSPSigning",
	    .use_key = two });
	www = pki_issue(ca, &(struct pki_spec){ .cn = "www", .use_key = two,
	    .serial = (const unsigned char *)"\x12\x34", .serial_len = 2 });
	sst_limits_of(NULL, &limits);
	ask = (struct sst_response_ask){ .issuer = ca->cert, .now = PKI_NOW,
	    .source = SST_SOURCE_OCSP, .limits = &limits };
	must(sst_facts_of(www->cert, ca->cert, &ask.cert, NULL) == 0);
	EVP_PKEY_free(one);
	EVP_PKEY_free(two);
}

static void
put(struct pki_buf *out, int tag, const void *content, size_t len)
{
	unsigned char head[4] = { (unsigned char)tag, 0x82, (unsigned char)(len >> 8),
	    (unsigned char)len };

	if (len < 0x100) {
		head[1] = 0x81;
		head[2] = (unsigned char)len;
	}
	if (len < 0x80)
		head[1] = (unsigned char)len;
	pki_put(out, head, len < 0x80 ? 2 : len < 0x100 ? 3 : 4);
	pki_put(out, content, len);
}

static void
wrap(struct pki_buf *out, int tag)
{
	struct pki_buf inner = *out;

	*out = (struct pki_buf){ 0 };
	put(out, tag, inner.data, inner.len);
	pki_buf_free(&inner);
}

/* A response whose signed part is `tbs`, by `signer`, whose certificate is in it. */
static void
sign(const struct pki_cert *signer, const uint8_t *tbs, size_t len, struct pki_buf *ret)
{
	static const unsigned char ed25519[] = { 0x30, 5, 6, 3, 0x2b, 0x65, 0x70 };
	static const unsigned char type[] = { 6, 9, 0x2b, 6, 1, 5, 5, 7, 48, 1, 1 };
	unsigned char made[65] = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct pki_buf cert = { 0 };
	size_t made_len = 64;

	must(ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, signer->key) == 1 &&
	    EVP_DigestSign(ctx, made + 1, &made_len, tbs, len) == 1);
	EVP_MD_CTX_free(ctx);
	pki_put(ret, tbs, len);
	pki_put(ret, ed25519, sizeof(ed25519));
	put(ret, SST_DER_BIT_STRING, made, sizeof(made));
	pki_put_cert_der(&cert, signer);
	wrap(&cert, SST_DER_SEQUENCE);
	put(ret, SST_DER_EXPLICIT(0), cert.data, cert.len);
	pki_buf_free(&cert);
	wrap(ret, SST_DER_SEQUENCE);
	wrap(ret, SST_DER_OCTET_STRING);
	pki_put(&cert, type, sizeof(type));
	pki_put(&cert, ret->data, ret->len);
	pki_buf_free(ret);
	wrap(&cert, SST_DER_SEQUENCE);
	wrap(&cert, SST_DER_EXPLICIT(0));
	pki_put(ret, "\x0a\x01\x00", 3);
	pki_put(ret, cert.data, cert.len);
	pki_buf_free(&cert);
	wrap(ret, SST_DER_SEQUENCE);
}

static int
holds(void *arg, const struct sst_cert_key *key, const struct sst_evidence *e)
{
	(void)arg;
	must(key == NULL || (key->serial_len > 0 && sst_cert_key_cmp(key, &ask.cert->key) != 0));
	must(e->source == SST_SOURCE_OCSP && e->text[sizeof(e->text) - 1] == '\0');
	must((e->fault == SST_FAULT_NONE) == (e->status != SST_EV_ERROR));
	must((e->covered == SST_REASONS_ALL) == (e->status == SST_EV_GOOD));
	must((e->text[0] != '\0') == (e->status == SST_EV_ERROR));
	if (e->status == SST_EV_ERROR)
		return 0;
	must(e->status == SST_EV_GOOD || e->status == SST_EV_REVOKED ||
	    e->status == SST_EV_UNKNOWN);
	must(e->until > 0 && (e->until == 1 || e->until <= e->this_update + limits.ocsp_max_age));
	must(e->next_update == 0 || e->next_update >= e->this_update);
	must(e->reason >= -1 && e->reason <= 10 && e->reason != 7 && e->reason != 8);
	must(!e->not_issued || (e->status == SST_EV_REVOKED && e->reason == 6));
	must(e->status == SST_EV_REVOKED || (e->reason == -1 && e->revoked_at == 0 &&
	    e->this_update <= ask.now + limits.skew && e->produced_at >= e->this_update));
	return 0;
}

static void
judge_signed(const struct pki_cert *signer, const uint8_t *tbs, size_t len)
{
	struct pki_buf der = { 0 };
	struct sst_evidence e;

	sign(signer, tbs, len, &der);
	sst_response_judge(der.data, der.len, &ask, &e);
	(void)holds(NULL, NULL, &e);
	(void)sst_response_others(der.data, der.len, &ask, holds, NULL);
	pki_buf_free(&der);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sst_basic basic;
	struct sst_evidence e;

	if (size > 16384)
		return 0;
	if (ca == NULL)
		world_make();
	sst_response_judge(data, size, &ask, &e);
	must(e.status == SST_EV_ERROR);
	(void)holds(NULL, NULL, &e);
	if (sst_basic_read(data, size, &basic, NULL) == SST_FAULT_NONE) {
		judge_signed(ca, basic.tbs.whole, basic.tbs.whole_len);
		judge_signed(delegate, basic.tbs.whole, basic.tbs.whole_len);
	} else {
		judge_signed(ca, data, size);
	}
	return 0;
}
