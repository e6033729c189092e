/* SPDX-License-Identifier: ISC */
/* What is decoded without OpenSSL's reader is what that makes of it, or nothing. */
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "certstore/pem_block.h"

#define ROOM	1024

static const char *const kinds[] = { "CERTIFICATE", "PRIVATE KEY", "EC PRIVATE KEY",
    "RSA PRIVATE KEY" };

/* A block of `n` bytes, and something behind it. Returns how long the block is. */
static size_t
block_make(const char *name, size_t n, char out[ROOM], size_t *ret_len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	uint8_t der[ROOM];
	size_t block;
	char *at;

	for (size_t i = 0; i < n; i++)
		der[i] = (uint8_t)(i * 37 + n);
	assert_true(PEM_write_bio(bio, name, "", der, (long)n) > 0);
	block = (size_t)BIO_get_mem_data(bio, &at);
	assert_true(block + 32 < ROOM);
	memcpy(out, at, block);
	memcpy(out + block, "-----BEGIN X-----\nAAAA\n", 23);
	*ret_len = block + 23;
	BIO_free(bio);
	return block;
}

/* Both readers. Returns how much the one without OpenSSL took; what it took is the same. */
static size_t
both_read(const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	unsigned char *data = NULL;
	char *theirs = NULL, *header = NULL, *rest;
	const char *name = NULL;
	uint8_t *der = malloc(len + 1);
	size_t der_len = 0, n;
	long data_len = 0;

	n = sst_pem_block((const uint8_t *)text, len, &name, der, &der_len);
	if (n > 0) {
		assert_int_equal(PEM_read_bio_ex(bio, &theirs, &header, &data, &data_len,
		    PEM_FLAG_SECURE | PEM_FLAG_EAY_COMPATIBLE), 1);
		assert_string_equal(name, theirs);
		assert_string_equal(header, "");
		assert_int_equal(der_len, data_len);
		assert_memory_equal(der, data, der_len);
		assert_int_equal(BIO_get_mem_data(bio, &rest), len - n);
	}
	OPENSSL_secure_free(theirs);
	OPENSSL_secure_free(header);
	OPENSSL_secure_clear_free(data, (size_t)data_len);
	ERR_clear_error();
	free(der);
	BIO_free(bio);
	return n;
}

/* Lines that are full, and last lines of every length. */
static void
a_block_of_any_length_is_decoded(void **state)
{
	char text[ROOM];
	size_t block, len;

	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (size_t n = 1; n < 200; n++) {
			block = block_make(kinds[k], n, text, &len);
			assert_int_equal(both_read(text, len), block);
			assert_int_equal(both_read(text, block), block);
		}
}

static void
other_forms_are_left_to_openssl(void **state)
{
	static const char *const other[] = {
		"", "x", "\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\r\nAAAA\r\n-----END CERTIFICATE-----\r\n",
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END PRIVATE KEY-----\n",
		"-----BEGIN CERTIFICATE-----\nAAAA\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAA==\nAAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nA===\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n",
		"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n"
		    "-----END EC PRIVATE KEY-----\n",
		"-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		assert_int_equal(both_read(other[i], strlen(other[i])), 0);
	assert_int_equal(both_read("-----BEGIN CERTIFICATE-----\nAAAA\n"
	    "-----END CERTIFICATE-----\n", 59), 59);
}

/* Each byte: another one, none, one more; and all that follows cut off. */
static void
damage_is_never_decoded_to_something_else(void **state)
{
	static const char with[] = "=-+ A\n\r:\x80/";
	const size_t sizes[] = { 47, 48, 49, 97, 143 };
	char text[ROOM], bad[ROOM];
	size_t block, len;

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		block = block_make("PRIVATE KEY", sizes[s], text, &len);
		for (size_t i = 0; i < block; i++) {
			for (size_t w = 0; w < sizeof(with); w++) {
				memcpy(bad, text, len);
				bad[i] = with[w];
				(void)both_read(bad, len);
				memcpy(bad + i + 1, text + i, len - i);
				(void)both_read(bad, len + 1);
			}
			memcpy(bad, text, i);
			memcpy(bad + i, text + i + 1, len - i - 1);
			(void)both_read(bad, len - 1);
			assert_int_equal(both_read(text, i), 0);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_of_any_length_is_decoded),
		cmocka_unit_test(other_forms_are_left_to_openssl),
		cmocka_unit_test(damage_is_never_decoded_to_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
