/* SPDX-License-Identifier: ISC */
/* Tests of service_wire.c: what is packed comes out, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ocsp/service_wire.h"

static const uint8_t parts[3][5] = { "leaf", "ca..", "root" };

static struct sst_service_ask
ask_of(size_t a, size_t b, size_t c)
{
	struct sst_service_ask ask = { .id = 77, .budget_ms = 1234,
	    .bits = SST_SERVICE_LEAF | SST_SERVICE_NO_CRL };
	const size_t len[] = { a, b, c };

	for (int i = 0; i < SST_SERVICE_PARTS; i++) {
		ask.part[i].der = parts[i];
		ask.part[i].len = len[i];
	}
	return ask;
}

/* Unpacks a copy of just these octets, so that a sanitizer sees what is beyond. */
static int
unpack(const uint8_t *packet, size_t len, struct sst_service_ask *ret, struct sst_error *err)
{
	uint8_t *copy = malloc(len + !len);
	int rc;

	memcpy(copy, packet, len);
	rc = sst_service_ask_unpack(copy, len, ret, err);
	free(copy);
	return rc;
}

static void
a_question_comes_out_as_it_went_in(void **state)
{
	struct sst_service_ask in = ask_of(5, 4, 3), out;
	uint8_t packet[256];
	size_t len;

	(void)state;
	len = sst_service_ask_pack(&in, packet, sizeof(packet));
	assert_int_equal(len, sizeof(struct sst_service_head) + 12);
	assert_int_equal(sst_service_ask_unpack(packet, len, &out, NULL), SST_OK);
	assert_int_equal(out.id, 77);
	assert_int_equal(out.budget_ms, 1234);
	assert_int_equal(out.bits, in.bits);
	for (int i = 0; i < SST_SERVICE_PARTS; i++) {
		assert_int_equal(out.part[i].len, in.part[i].len);
		assert_memory_equal(out.part[i].der, in.part[i].der, in.part[i].len);
	}
	/* the issuer may be an anchor: then nothing is above it */
	in = ask_of(5, 4, 0);
	len = sst_service_ask_pack(&in, packet, sizeof(packet));
	assert_int_equal(sst_service_ask_unpack(packet, len, &out, NULL), SST_OK);
	assert_int_equal(out.part[2].len, 0);
}

static void
a_question_that_is_cut_or_longer_is_refused(void **state)
{
	struct sst_service_ask in = ask_of(5, 4, 3), out;
	uint8_t packet[256] = { 0 };
	size_t len = sst_service_ask_pack(&in, packet, sizeof(packet));

	(void)state;
	assert_int_equal(unpack(packet, len, &out, NULL), SST_OK);
	for (size_t n = 0; n < len; n++)
		assert_int_equal(unpack(packet, n, &out, NULL), SST_E_MALFORMED);
	assert_int_equal(unpack(packet, len + 1, &out, NULL), SST_E_MALFORMED);
}

static void
a_question_without_certificate_or_issuer_is_refused(void **state)
{
	struct sst_service_ask in = ask_of(0, 4, 3), out;
	uint8_t packet[256];
	size_t len = sst_service_ask_pack(&in, packet, sizeof(packet));

	(void)state;
	assert_int_equal(unpack(packet, len, &out, NULL), SST_E_MALFORMED);
	in = ask_of(5, 0, 3);
	len = sst_service_ask_pack(&in, packet, sizeof(packet));
	assert_int_equal(unpack(packet, len, &out, NULL), SST_E_MALFORMED);
}

static void
a_certificate_beyond_the_cap_is_neither_sent_nor_taken(void **state)
{
	uint8_t *der = calloc(1, SST_SERVICE_PART_MAX + 1);
	uint8_t *packet = malloc(SST_SERVICE_ASK_MAX);
	struct sst_service_ask in = ask_of(5, 4, 0), out;
	struct sst_service_head head;
	size_t len;

	(void)state;
	in.part[0].der = der;
	in.part[0].len = SST_SERVICE_PART_MAX;
	len = sst_service_ask_pack(&in, packet, SST_SERVICE_ASK_MAX);
	assert_true(len > SST_SERVICE_PART_MAX);
	assert_int_equal(unpack(packet, len, &out, NULL), SST_OK);
	assert_int_equal(sst_service_ask_pack(&in, packet, 1000), 0);
	in.part[0].len++;
	assert_int_equal(sst_service_ask_pack(&in, packet, SST_SERVICE_ASK_MAX), 0);
	memcpy(&head, packet, sizeof(head));
	head.length[0] = SST_SERVICE_PART_MAX + 1;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(unpack(packet, len, &out, NULL), SST_E_LIMIT);
	free(packet);
	free(der);
}

static void
what_does_not_begin_right_is_refused(void **state)
{
	struct sst_service_ask in = ask_of(5, 4, 3), out;
	struct sst_error err = { .code = SST_OK };
	struct sst_service_head head;
	uint8_t packet[256];
	size_t len = sst_service_ask_pack(&in, packet, sizeof(packet));

	(void)state;
	memcpy(&head, packet, sizeof(head));
	head.magic ^= 1;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(unpack(packet, len, &out, NULL), SST_E_MALFORMED);
	head.magic ^= 1;
	head.version++;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(unpack(packet, len, &out, &err), SST_E_UNSUPPORTED);
	assert_non_null(strstr(err.text, "version 2"));
	head.version--;
	head.verb = SST_SERVICE_ANSWER;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(unpack(packet, len, &out, NULL), SST_E_MALFORMED);
	head.verb = SST_SERVICE_ASK;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(unpack(packet, len, &out, NULL), SST_OK);
}

static struct sst_cert_key
key_of(uint8_t n)
{
	struct sst_cert_key key = { .serial = { 1, 2, n }, .serial_len = 3 };

	memset(&key.issuer, 7, sizeof(key.issuer));
	return key;
}

static struct sst_service_answer
answer_of(size_t n)
{
	struct sst_service_answer a = { .id = 5, .code = SST_OK, .n = n };

	for (size_t i = 0; i < n; i++) {
		a.list[i].source = SST_SOURCE_OCSP;
		a.list[i].status = i % 2 == 0 ? SST_EV_GOOD : SST_EV_ERROR;
		a.list[i].fault = i % 2 == 0 ? SST_FAULT_NONE : SST_FAULT_SIGNATURE;
		a.list[i].reason = -1;
		a.list[i].this_update = 1800000000 + (int64_t)i;
		memset(a.list[i].url, 'u', sizeof(a.list[i].url) - 1);
		memset(a.list[i].text, 't', sizeof(a.list[i].text) - 1);
	}
	return a;
}

static void
an_answer_comes_out_as_it_went_in(void **state)
{
	struct sst_service_answer in = answer_of(SST_SERVICE_PIECES), out;
	const struct sst_cert_key key = key_of(3);
	uint8_t packet[SST_SERVICE_ANSWER_MAX];
	size_t len = sst_service_answer_pack(&in, &key, packet);

	(void)state;
	assert_int_equal(sst_service_answer_unpack(packet, len, &key, &out, NULL), SST_OK);
	assert_int_equal(out.id, 5);
	assert_int_equal(out.n, SST_SERVICE_PIECES);
	for (size_t i = 0; i < out.n; i++)
		assert_memory_equal(&out.list[i], &in.list[i], sizeof(in.list[i]));
	in = answer_of(0);
	len = sst_service_answer_pack(&in, NULL, packet);
	assert_int_equal(sst_service_answer_unpack(packet, len, &key, &out, NULL), SST_OK);
	assert_int_equal(out.n, 0);
}

static void
a_refusal_carries_its_text_and_no_control_byte(void **state)
{
	struct sst_service_answer in = { .code = SST_E_LIMIT, .text = "no\x1b[31m more" }, out;
	const struct sst_cert_key key = key_of(3);
	uint8_t packet[SST_SERVICE_ANSWER_MAX];
	size_t len = sst_service_answer_pack(&in, NULL, packet);

	(void)state;
	assert_int_equal(sst_service_answer_unpack(packet, len, &key, &out, NULL), SST_OK);
	assert_int_equal(out.code, SST_E_LIMIT);
	assert_string_equal(out.text, "no\\x1b[31m more");
	assert_int_equal(out.n, 0);
}

static void
an_answer_about_another_certificate_is_refused(void **state)
{
	struct sst_service_answer in = answer_of(2), out;
	const struct sst_cert_key key = key_of(3), other = key_of(4);
	uint8_t packet[SST_SERVICE_ANSWER_MAX];
	size_t len = sst_service_answer_pack(&in, &key, packet);

	(void)state;
	assert_int_equal(sst_service_answer_unpack(packet, len, &key, &out, NULL), SST_OK);
	assert_int_equal(sst_service_answer_unpack(packet, len, &other, &out, NULL),
	    SST_E_MISMATCH);
	assert_int_equal(out.n, 0);
}

static void
an_answer_that_is_cut_is_refused(void **state)
{
	struct sst_service_answer in = answer_of(3), out;
	const struct sst_cert_key key = key_of(3);
	uint8_t packet[SST_SERVICE_ANSWER_MAX];
	struct sst_service_head head;
	size_t len = sst_service_answer_pack(&in, &key, packet);
	uint8_t *copy;

	(void)state;
	for (size_t n = 0; n < len; n++) {
		copy = malloc(n + !n);
		memcpy(copy, packet, n);
		/* also when the head says that it is as long as it is */
		if (n >= sizeof(head)) {
			memcpy(&head, copy, sizeof(head));
			head.length[0] = (uint32_t)(n - sizeof(head));
			memcpy(copy, &head, sizeof(head));
		}
		assert_int_equal(sst_service_answer_unpack(copy, n, &key, &out, NULL),
		    SST_E_MALFORMED);
		free(copy);
	}
	memcpy(&head, packet, sizeof(head));
	head.b--;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(sst_service_answer_unpack(packet, len, &key, &out, NULL),
	    SST_E_MALFORMED);
	head.b = SST_SERVICE_PIECES + 1;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(sst_service_answer_unpack(packet, len, &key, &out, NULL),
	    SST_E_MALFORMED);
	head.b = 3;
	head.length[0]++;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(sst_service_answer_unpack(packet, len, &key, &out, NULL),
	    SST_E_MALFORMED);
	head.length[0]--;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(sst_service_answer_unpack(packet, len, &key, &out, NULL), SST_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_comes_out_as_it_went_in),
		cmocka_unit_test(a_question_that_is_cut_or_longer_is_refused),
		cmocka_unit_test(a_question_without_certificate_or_issuer_is_refused),
		cmocka_unit_test(a_certificate_beyond_the_cap_is_neither_sent_nor_taken),
		cmocka_unit_test(what_does_not_begin_right_is_refused),
		cmocka_unit_test(an_answer_comes_out_as_it_went_in),
		cmocka_unit_test(a_refusal_carries_its_text_and_no_control_byte),
		cmocka_unit_test(an_answer_about_another_certificate_is_refused),
		cmocka_unit_test(an_answer_that_is_cut_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
