/* SPDX-License-Identifier: ISC */
/* The forms of OCSP responses, from the envelope to extensions. Each that is refused
 * stands beside one that differs in that point alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world_response.h"

static void
rv_23_what_a_responder_says_instead_of_an_answer(void **state)
{
	static const struct {
		int status;
		enum sst_fault fault;
		const char *word;
	} all[] = {
		{ 1, SST_FAULT_RESPONDER, "malformedRequest" },
		{ 2, SST_FAULT_RESPONDER, "internalError" },
		{ 3, SST_FAULT_TRY_LATER, "tryLater" },
		{ 4, SST_FAULT_MALFORMED, "not assigned" },
		{ 5, SST_FAULT_RESPONDER, "sigRequired" },
		{ 6, SST_FAULT_UNAUTHORIZED, "unauthorized" },
		{ 7, SST_FAULT_MALFORMED, "status" },
		{ 0x80, SST_FAULT_MALFORMED, "status" },
	};
	struct sst_evidence e;

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		e = world_judge((struct made_response){ .status = all[i].status });
		assert_fault(e, all[i].fault);
		assert_non_null(strstr(e.text, all[i].word));
	}
}

static void
rv_24_successful_without_bytes_is_an_error(void **state)
{
	(void)state;
	assert_fault(world_judge((struct made_response){ .no_bytes = 1 }), SST_FAULT_MALFORMED);
}

static void
rv_25_another_type_of_response_is_an_error(void **state)
{
	(void)state;
	assert_fault(world_judge((struct made_response){ .not_basic = 1 }), SST_FAULT_MALFORMED);
}

static void
rv_26_an_empty_list_of_answers_is_an_error(void **state)
{
	struct sst_evidence e = world_judge((struct made_response){ .no_singles = 1 });

	(void)state;
	assert_fault(e, SST_FAULT_MALFORMED);
	assert_non_null(strstr(e.text, "empty"));
}

/* `der` with `n` octets put in at `at`. */
static enum sst_fault
with_bytes(const struct pki_buf *der, size_t at, const char *bytes, size_t n)
{
	struct pki_buf b = { 0 };
	enum sst_fault fault;

	pki_put(&b, der->data, at);
	pki_put(&b, bytes, n);
	pki_put(&b, der->data + at, der->len - at);
	fault = response_judge(b.data, b.len, &(struct response_ask){ .cert = www }).fault;
	pki_buf_free(&b);
	return fault;
}

static void
rv_27_ber_and_trailing_bytes_are_errors(void **state)
{
	struct made_response r = { .signer = ca, .singles = { { .cert = www } } };
	struct pki_buf der = { 0 };
	char *head;

	(void)state;
	make_response(&r, &der);
	assert_int_equal(with_bytes(&der, 0, "", 0), SST_FAULT_NONE);
	assert_int_equal(with_bytes(&der, der.len, "\0", 1), SST_FAULT_MALFORMED);
	assert_int_equal(with_bytes(&der, der.len, "\0\0", 2), SST_FAULT_MALFORMED);
	for (size_t cut = 0; cut < der.len; cut++)
		assert_int_equal(response_judge(der.data, cut,
		    &(struct response_ask){ .cert = www }).fault, SST_FAULT_MALFORMED);
	/* the outer SEQUENCE, 30 82 xx xx: indefinite, then a length too long by one */
	pki_put(&der, "\0\0", 2);
	head = der.data;
	assert_memory_equal(head, "\x30\x82", 2);
	memmove(head + 2, head + 4, der.len - 4);
	head[1] = (char)0x80;
	assert_fault(response_judge(head, der.len - 2, &(struct response_ask){ .cert = www }),
	    SST_FAULT_MALFORMED);
	pki_buf_free(&der);
	make_response(&r, &der);
	der.data[1] = (char)0x83;
	assert_int_equal(with_bytes(&der, 2, "\0", 1), SST_FAULT_MALFORMED);
	pki_buf_free(&der);
}

static void
rv_27_nothing_may_follow_the_end_of_any_part(void **state)
{
	struct made_response r = { .version = 1, .certs = { www }, .extensions = { { "1.2.3.4",
	    0, "", 0 } } };

	(void)state;
	for (int status = MADE_GOOD; status <= MADE_UNKNOWN; status++) {
		r.singles[0] = (struct made_single){ .status = (enum made_status)status,
		    .reason = 1, .cert = www };
		r.junk = 0;
		assert_int_equal(world_judge(r).fault, SST_FAULT_NONE);
		for (int junk = 1; junk < MADE_JUNK_LAST; junk++) {
			if (status == MADE_REVOKED ? junk == MADE_JUNK_STATUS :
			    junk == MADE_JUNK_REVOKED || junk == MADE_JUNK_REASON)
				continue;
			r.junk = (enum made_junk)junk;
			if (world_judge(r).fault != SST_FAULT_MALFORMED)
				print_error("junk %d is taken\n", junk);
			assert_fault(world_judge(r), SST_FAULT_MALFORMED);
		}
	}
	/* of an answer's own extensions */
	r.extensions[0].oid = NULL;
	r.singles[0].extensions[0] = (struct made_extension){ "1.2.3.4", 0, "", 0 };
	r.junk = 0;
	assert_unknown(world_judge(r));
	r.junk = MADE_JUNK_EXTENSIONS;
	assert_fault(world_judge(r), SST_FAULT_MALFORMED);
}

static void
rv_45_garbage_is_an_error(void **state)
{
	static const char *const garbage[] = { "", "garbage", "<html></html>", "\x30",
	    "\x30\x03\x0a\x01", "-----BEGIN OCSP RESPONSE-----\n", "\x1f\x8b\x08" };

	(void)state;
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		assert_fault(response_judge(garbage[i], strlen(garbage[i]),
		    &(struct response_ask){ .cert = www }), SST_FAULT_MALFORMED);
}

static struct sst_evidence
with_extension(const char *oid, int critical)
{
	return world_judge((struct made_response){ .extensions = {
	    { oid, critical, "\x05\x00", 2 } } });
}

static struct sst_evidence
with_single_extension(const char *oid, int critical)
{
	return world_single((struct made_single){ .extensions = {
	    { oid, critical, "\x05\x00", 2 } } });
}

static void
rv_28_a_critical_extension_must_be_understood(void **state)
{
	(void)state;
	assert_good(with_extension("1.2.3.4", 0));
	assert_fault(with_extension("1.2.3.4", 1), SST_FAULT_MALFORMED);
	assert_good(with_extension("1.3.6.1.5.5.7.48.1.9", 1));
	assert_good(with_single_extension("1.2.3.4", 0));
	assert_fault(with_single_extension("1.2.3.4", 1), SST_FAULT_MALFORMED);
	assert_good(with_single_extension("1.3.6.1.4.1.11129.2.4.5", 1));
	assert_good(with_single_extension("1.3.6.1.5.5.7.48.1.3", 1));
	assert_good(with_single_extension("1.3.6.1.5.5.7.48.1.6", 1));
	/* SCTs belong to an answer */
	assert_fault(with_extension("1.3.6.1.4.1.11129.2.4.5", 1), SST_FAULT_MALFORMED);
	/* another certificate's answer is not ours */
	assert_good(world_judge((struct made_response){ .singles = { { .cert = www },
	    { .cert = other, .extensions = { { "1.2.3.4", 1, "", 0 } } } } }));
}

static void
rv_29_only_version_1_is_read_spelled_out_or_not(void **state)
{
	(void)state;
	assert_good(world_judge((struct made_response){ .version = 0 }));
	assert_good(world_judge((struct made_response){ .version = 1 }));
	assert_fault(world_judge((struct made_response){ .version = 2 }), SST_FAULT_MALFORMED);
}

static struct sst_evidence
nonce(const char *sent, const char *answered, size_t len, int required)
{
	struct made_response r = { .signer = ca, .singles = { { .cert = www } },
	    .nonce = (const unsigned char *)answered, .nonce_len = len };

	return response_judge_made(&r, &(struct response_ask){ .cert = www,
	    .nonce = (const unsigned char *)sent, .nonce_len = sent == NULL ? 0 : 4,
	    .nonce_required = required });
}

static void
rv_40_a_nonce_must_be_ours(void **state)
{
	char big[129];
	struct made_response twice = { .signer = ca, .singles = { { .cert = www } },
	    .nonce = (const unsigned char *)"abcd", .nonce_len = 4, .extensions = { {
	    "1.3.6.1.5.5.7.48.1.2", 0, "\x04\x04" "abcd", 6 } } };

	(void)state;
	assert_good(nonce("abcd", "abcd", 4, 1));
	assert_good(nonce("abcd", "abcd", 4, 0));
	assert_fault(nonce("abcd", "abce", 4, 1), SST_FAULT_REPLAY);
	assert_fault(nonce("abcd", "abce", 4, 0), SST_FAULT_REPLAY);
	assert_fault(nonce("abcd", "abc", 3, 0), SST_FAULT_REPLAY);
	assert_fault(nonce("abcd", "abcde", 5, 0), SST_FAULT_REPLAY);
	assert_good(nonce("abcd", NULL, 0, 0));
	assert_fault(nonce("abcd", NULL, 0, 1), SST_FAULT_REPLAY);
	assert_good(nonce(NULL, "abcd", 4, 0));
	memset(big, 'a', sizeof(big));
	assert_good(nonce(NULL, big, 128, 0));
	assert_fault(nonce(NULL, big, 129, 0), SST_FAULT_MALFORMED);
	assert_good(nonce(NULL, big, 1, 0));
	assert_fault(nonce(NULL, big, 0, 0), SST_FAULT_MALFORMED);
	assert_fault(response_judge_made(&twice, &(struct response_ask){ .cert = www }),
	    SST_FAULT_MALFORMED);
	assert_fault(with_extension("1.3.6.1.5.5.7.48.1.2", 0), SST_FAULT_MALFORMED);
}

static void
a_replay_of_revoked_is_revoked(void **state)
{
	struct made_response r = { .signer = ca, .singles = { { .cert = www,
	    .status = MADE_REVOKED } } };
	struct response_ask a = { .cert = www, .nonce_required = 1, .nonce_len = 4,
	    .nonce = (const unsigned char *)"abcd" };

	(void)state;
	assert_revoked(response_judge_made(&r, &a));
	r.singles[0].status = MADE_GOOD;
	assert_fault(response_judge_made(&r, &a), SST_FAULT_REPLAY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rv_23_what_a_responder_says_instead_of_an_answer),
		cmocka_unit_test(rv_24_successful_without_bytes_is_an_error),
		cmocka_unit_test(rv_25_another_type_of_response_is_an_error),
		cmocka_unit_test(rv_26_an_empty_list_of_answers_is_an_error),
		cmocka_unit_test(rv_27_ber_and_trailing_bytes_are_errors),
		cmocka_unit_test(rv_27_nothing_may_follow_the_end_of_any_part),
		cmocka_unit_test(rv_45_garbage_is_an_error),
		cmocka_unit_test(rv_28_a_critical_extension_must_be_understood),
		cmocka_unit_test(rv_29_only_version_1_is_read_spelled_out_or_not),
		cmocka_unit_test(rv_40_a_nonce_must_be_ours),
		cmocka_unit_test(a_replay_of_revoked_is_revoked),
	};

	return cmocka_run_group_tests(tests, response_world_make, response_world_free);
}
