/* SPDX-License-Identifier: ISC */
/* Signature algorithms: the form of their parameters, and their strength. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/crypto.h>
#include <string.h>

#include <securesockets/error.h>

#include "ocsp/signature.h"

/* RSASSA-PSS and others, as an AlgorithmIdentifier in hex. */
static int
algorithm(const char *hex, int level)
{
	struct sst_signature s;
	struct sst_der_item item;
	struct sst_der in;
	unsigned char *bytes;
	struct sst_error err = { .code = SST_OK };
	long len;
	int rc;

	bytes = OPENSSL_hexstr2buf(hex, &len);
	assert_non_null(bytes);
	sst_der_init(&in, bytes, (size_t)len);
	assert_int_equal(sst_der_next(&in, &item), 0);
	assert_true(sst_der_done(&in));
	rc = sst_signature_read(&item, level, "thing", &s, &err);
	assert_int_equal(rc < 0, strstr(err.text, "thing") != NULL);
	OPENSSL_free(bytes);
	return rc;
}

#define RSA_SHA256	"06092A864886F70D01010B"
#define ECDSA_SHA256	"06082A8648CE3D040302"
#define DSA_SHA256	"0609608648016503040302"
#define PSS		"06092A864886F70D01010A"
#define SHA256		"300D06096086480165030402010500"
#define MGF1		"06092A864886F70D010108"

static void
parameters_have_their_form(void **state)
{
	(void)state;
	assert_int_equal(algorithm("300D" RSA_SHA256 "0500", 2), 0);
	assert_int_equal(algorithm("300B" RSA_SHA256, 2), 0);
	assert_true(algorithm("300D" RSA_SHA256 "0400", 2) < 0);
	assert_true(algorithm("300E" RSA_SHA256 "050100", 2) < 0);
	assert_true(algorithm("300F" RSA_SHA256 "05000500", 2) < 0);
	assert_int_equal(algorithm("300A" ECDSA_SHA256, 2), 0);
	assert_true(algorithm("300C" ECDSA_SHA256 "0500", 2) < 0);
	assert_int_equal(algorithm("30050603" "2B6570", 2), 0);		/* Ed25519 */
	assert_true(algorithm("30070603" "2B6570" "0500", 2) < 0);
	assert_true(algorithm("3000", 2) < 0);
	assert_int_equal(algorithm("300B" DSA_SHA256, 2), 0);
	assert_true(algorithm("300D" DSA_SHA256 "0500", 2) < 0);
	assert_int_equal(algorithm("3009" "0607" "2A8648CE380403", -1), 0);	/* with SHA-1 */
	assert_true(algorithm("3009" "0607" "2A8648CE380403", 2) < 0);
	assert_true(algorithm("3009" "0607" "2A8648CE380401", -1) < 0);	/* a key's */
	/* PSS: SHA-256 in both places and a salt of 32; the defaults; each part wrong */
	assert_int_equal(algorithm("3041" PSS "3034" "A00F" SHA256 "A11C" "301A" MGF1 SHA256
	    "A203" "020120", 2), 0);
	assert_int_equal(algorithm("300D" PSS "3000", -1), 0);
	assert_true(algorithm("300D" PSS "3000", 1) < 0);
	assert_true(algorithm("300B" PSS, -1) < 0);
	assert_true(algorithm("300F" PSS "30000500", -1) < 0);
	assert_int_equal(algorithm("3012" PSS "3005" "A303" "020101", -1), 0);
	assert_true(algorithm("3012" PSS "3005" "A303" "020102", -1) < 0);
	assert_true(algorithm("3012" PSS "3005" "A203" "0201FF", -1) < 0);
	assert_true(algorithm("3012" PSS "3005" "A303" "040101", -1) < 0);
	assert_true(algorithm("3014" PSS "3007" "A105" "3003" "060155", -1) < 0);
	assert_true(algorithm("3014" PSS "3007" "A005" "3003" "060155", -1) < 0);
	assert_int_equal(algorithm("301E" PSS "3011" "A00F" SHA256, -1), 0);
	assert_true(algorithm("301F" PSS "3012" "A010" "300E0609608648016503040201" "050100",
	    -1) < 0);
	assert_true(algorithm("3020" PSS "3013" "A011" "300F0609608648016503040201" "05000500",
	    -1) < 0);
	assert_true(algorithm("3020" PSS "3013" "A011" SHA256 "0500", -1) < 0);
	assert_true(algorithm("303C" PSS "302F" "A00F" SHA256 "A11C" "301A" RSA_SHA256 SHA256,
	    2) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters_have_their_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
