/* SPDX-License-Identifier: ISC */
/*
 * Every bit of a signed response is flipped. What comes of it is an error, or what
 * the response said where the bit is signed by nobody: inside a certificate that
 * came along and is not the signer's. Each run begins and ends with the unflipped
 * bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "make_response_judge.h"

static struct pki_cert *ca, *rsa, *www, *under_rsa, *delegate, *bystander;

static int
setup(void **state)
{
	(void)state;
	ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	rsa = pki_issue(NULL, &(struct pki_spec){ .cn = "RSA", .key = PKI_RSA, .ca = 1 });
	www = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	under_rsa = pki_issue(rsa, &(struct pki_spec){ .cn = "www" });
	delegate = pki_issue(ca, &(struct pki_spec){ .cn = "OCSP", .eku = "OCSPSigning",
	    .extra = "noCheck = ignored\n" });
	bystander = pki_issue(ca, &(struct pki_spec){ .cn = "bystander" });
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pki_free(bystander);
	pki_free(delegate);
	pki_free(under_rsa);
	pki_free(www);
	pki_free(rsa);
	pki_free(ca);
	return 0;
}

struct count {
	int	error, revoked, unknown, good;
};

/* The content of the bystander's certificate in `der`: the bits that nobody who
 * counts has signed. */
static void
unsigned_part(const struct pki_buf *der, size_t *ret_from, size_t *ret_to)
{
	struct pki_buf cert = { 0 };
	const char *at;

	pki_put_cert_der(&cert, bystander);
	at = memmem(der->data, der->len, cert.data, cert.len);
	*ret_from = *ret_to = 0;
	if (at != NULL) {
		*ret_from = (size_t)(at - der->data) + 4;	/* after 30 82 xx xx */
		*ret_to = (size_t)(at - der->data) + cert.len;
	}
	pki_buf_free(&cert);
}

static void
flip_each(const char *name, const struct made_response *r, const struct response_ask *ask,
    enum sst_evidence_status truth)
{
	struct pki_buf der = { 0 };
	struct sst_evidence unflipped, e;
	struct count n = { 0 };
	size_t from, to;

	make_response(r, &der);
	unsigned_part(&der, &from, &to);
	unflipped = response_judge(der.data, der.len, ask);
	assert_status(unflipped, truth);
	for (size_t bit = 0; bit < der.len * 8; bit++) {
		der.data[bit / 8] ^= (char)(1 << bit % 8);
		e = response_judge(der.data, der.len, ask);
		der.data[bit / 8] ^= (char)(1 << bit % 8);
		n.error += e.status == SST_EV_ERROR;
		n.revoked += e.status == SST_EV_REVOKED;
		n.unknown += e.status == SST_EV_UNKNOWN;
		n.good += e.status == SST_EV_GOOD;
		if (bit / 8 >= from && bit / 8 < to) {
			assert_status(e, truth);
			assert_int_equal(e.until, unflipped.until);
			assert_int_equal(e.this_update, unflipped.this_update);
			continue;
		}
		if (e.status != SST_EV_ERROR)
			print_error("%s: bit %zu of octet %zu\n", name, bit % 8, bit / 8);
		assert_int_equal(e.status, SST_EV_ERROR);
		assert_true(e.fault != SST_FAULT_NONE);
	}
	print_message("%s: %zu bits: %d errors, %d revoked, %d unknown, %d good "
	    "(in a certificate that is not the signer's)\n", name, der.len * 8, n.error,
	    n.revoked, n.unknown, n.good);
	assert_int_equal(n.error + n.revoked + n.unknown + n.good, der.len * 8);
	assert_int_equal(der.len * 8 - (size_t)n.error, (to - from) * 8);
	assert_status(response_judge(der.data, der.len, ask), truth);
	pki_buf_free(&der);
}

static void
no_flipped_bit_of_the_issuers_answer_reads_good(void **state)
{
	struct made_response r = { .signer = ca, .singles = { { .cert = www } } };

	(void)state;
	flip_each("by the issuer, by name", &r, &(struct response_ask){ .cert = www },
	    SST_EV_GOOD);
	r.by_key = 1;
	r.version = 1;
	r.singles[0].hash = "SHA256";
	flip_each("by the issuer, by key", &r, &(struct response_ask){ .cert = www },
	    SST_EV_GOOD);
}

static void
no_flipped_bit_of_a_delegates_answer_reads_good(void **state)
{
	struct made_response r = { .signer = delegate, .certs = { bystander, delegate },
	    .singles = { { .cert = www } } };

	(void)state;
	flip_each("by a delegate", &r, &(struct response_ask){ .cert = www }, SST_EV_GOOD);
}

static void
no_flipped_bit_of_an_answer_by_rsa_reads_good(void **state)
{
	struct made_response r = { .signer = rsa, .singles = { { .cert = under_rsa } },
	    .nonce = (const unsigned char *)"0123456789abcdef", .nonce_len = 16 };
	struct response_ask ask = { .cert = under_rsa, .nonce = r.nonce, .nonce_len = 16,
	    .nonce_required = 1 };

	(void)state;
	flip_each("by RSA, with a nonce", &r, &ask, SST_EV_GOOD);
	r.pss = 1;
	flip_each("by RSA with PSS", &r, &ask, SST_EV_GOOD);
}

static void
no_flipped_bit_of_revoked_or_unknown_reads_otherwise(void **state)
{
	struct made_response r = { .signer = ca, .certs = { bystander }, .singles = { {
	    .cert = www, .status = MADE_REVOKED, .reason = 1 } } };

	(void)state;
	flip_each("revoked", &r, &(struct response_ask){ .cert = www }, SST_EV_REVOKED);
	r.singles[0].status = MADE_UNKNOWN;
	flip_each("unknown", &r, &(struct response_ask){ .cert = www }, SST_EV_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_flipped_bit_of_the_issuers_answer_reads_good),
		cmocka_unit_test(no_flipped_bit_of_a_delegates_answer_reads_good),
		cmocka_unit_test(no_flipped_bit_of_an_answer_by_rsa_reads_good),
		cmocka_unit_test(no_flipped_bit_of_revoked_or_unknown_reads_otherwise),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
