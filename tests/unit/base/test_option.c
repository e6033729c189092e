/* SPDX-License-Identifier: ISC */
/* option - the table, and the numbers that programs were compiled with. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <securesockets.h>

#include "base/option.h"

#define SETS	(SST_OPT_SET_NEW | SST_OPT_SET_LISTEN)
#define GETS	(SST_OPT_GET | SST_OPT_GET_CONN)

/* Released numbers, types and states: a change here breaks programs. */
static const struct {
	const char	*name;
	int		 number;
	enum sst_option_type type;
	unsigned	 states;
} released[] = {
	{ "TLS_REMOTE_HOSTNAME", 85, SST_OPT_TEXT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_HOSTNAME", 86, SST_OPT_TEXT, SETS | SST_OPT_GET },
	{ "TLS_TRUSTED_PEER_CERTIFICATES", 87, SST_OPT_SOURCE, SST_OPT_SET_NEW },
	{ "TLS_CERTIFICATE_CHAIN", 88, SST_OPT_SOURCE, SETS | SST_OPT_GET },
	{ "TLS_PRIVATE_KEY", 89, SST_OPT_SOURCE, SETS },
	{ "TLS_ALPN", 90, SST_OPT_TEXT, SETS | SST_OPT_GET },
	{ "TLS_SESSION_TTL", 91, SST_OPT_SECONDS, SETS | SST_OPT_SET_CONN | SST_OPT_GET },
	{ "TLS_PEER_IDENTITY", 93, SST_OPT_TEXT, SST_OPT_GET_CONN },
	{ "TLS_PEER_CERTIFICATE_CHAIN", 95, SST_OPT_TEXT, SST_OPT_GET_CONN },
	{ "TLS_ID", 96, SST_OPT_U64, SST_OPT_GET },
	{ "TLS_CHOSEN_CIPHER", 98, SST_OPT_TEXT, SST_OPT_GET_CONN },
	{ "TLS_ERROR", 100, SST_OPT_TEXT, SST_OPT_GET },
	{ "TLS_REVOCATION_CHECKS", 102, SST_OPT_INT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_OCSP_STAPLED_CHECKS", 103, SST_OPT_INT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_OCSP_CHECKS", 104, SST_OPT_INT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_CRL_CHECKS", 105, SST_OPT_INT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_CACHED_REV_CHECKS", 106, SST_OPT_INT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_SESSION_REUSE", 108, SST_OPT_INT, SETS | SST_OPT_SET_CONN | SST_OPT_GET },
	{ "TLS_RESUMED_SESSION", 109, SST_OPT_INT, SST_OPT_GET_CONN },
	{ "TLS_VERSION_MIN", 111, SST_OPT_INT, SETS | SST_OPT_GET },
	{ "TLS_VERSION_MAX", 112, SST_OPT_INT, SETS | SST_OPT_GET },
	{ "TLS_VERSION_CONN", 113, SST_OPT_INT, SST_OPT_GET_CONN },
	{ "TLS_SERVER_OCSP_STAPLING", 122, SST_OPT_INT, SETS | SST_OPT_GET },
	{ "TLS_OCSP_STAPLE", 134, SST_OPT_SOURCE, SETS },
	{ "TLS_OCSP_RESULT", 135, SST_OPT_TEXT, SST_OPT_GET },
	{ "TLS_CRL_FILE", 136, SST_OPT_SOURCE, SST_OPT_SET_NEW },
	{ "TLS_TICKET_KEY", 137, SST_OPT_BYTES, SETS },
	{ "TLS_HANDSHAKE_TIMEOUT", 138, SST_OPT_INT, SETS | SST_OPT_GET },
	{ "TLS_REVOCATION_POLICY", 139, SST_OPT_TEXT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_SNI_POLICY", 140, SST_OPT_TEXT, SETS | SST_OPT_GET },
	{ "TLS_CERT_DECISION", 141, SST_OPT_TEXT, SST_OPT_GET },
	{ "TLS_CERT_GENERATION", 142, SST_OPT_U64, SST_OPT_GET },
	{ "TLS_CERTIFICATE_REMOVE", 143, SST_OPT_TEXT, SETS },
	{ "TLS_REVOCATION_LIVE", 144, SST_OPT_INT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_REVOCATION_NO_SOURCE", 146, SST_OPT_INT, SST_OPT_SET_NEW | SST_OPT_GET },
	{ "TLS_KEY_PERMISSIONS", 147, SST_OPT_INT, SETS | SST_OPT_GET },
	{ "TLS_START_PLAIN", 148, SST_OPT_INT, SETS | SST_OPT_GET },
	{ "TLS_CERTIFICATE_STATUS", 149, SST_OPT_TEXT, SST_OPT_GET },
	{ "TLS_ACME_CHALLENGE", 150, SST_OPT_SOURCE, SETS },
};

static void
every_released_option_is_what_it_was(void **state)
{
	const size_t n = sizeof(released) / sizeof(released[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		const struct sst_option *o = sst_option_find(released[i].number);

		assert_non_null(o);
		assert_string_equal(o->name, released[i].name);
		assert_int_equal(o->number, released[i].number);
		assert_int_equal(o->type, released[i].type);
		assert_int_equal(o->states, released[i].states);
	}
	/* And the table holds nothing that this list does not. */
	assert_null(sst_options[n].name);
}

static void
a_number_that_is_not_in_the_table_is_not_found(void **state)
{
	(void)state;
	assert_null(sst_option_find(0));
	assert_null(sst_option_find(-1));
	assert_null(sst_option_find(84));
	assert_null(sst_option_find(TLS_0RTT));
	assert_null(sst_option_find(151));
}

static void
the_table_is_ordered_and_complete(void **state)
{
	(void)state;
	for (const struct sst_option *o = sst_options; o->name != NULL; o++) {
		assert_true(o == sst_options || o[-1].number < o->number);
		assert_true(strncmp(o->name, "TLS_", 4) == 0);
		assert_true((o->states & (SETS | GETS)) != 0);
		assert_true((o->states & ~(unsigned)(SETS | SST_OPT_SET_CONN | GETS)) == 0);
		assert_true(isdigit((unsigned char)o->since[0]));
		assert_true(strlen(o->summary) > 10);
		assert_null(strchr(o->summary, '\n'));
	}
}

static void
the_numbers_that_other_systems_compiled_in(void **state)
{
	(void)state;
	assert_int_equal(IPPROTO_TLS, 205);
	assert_int_equal(TLS_SESSION_TTL, 91);
	assert_int_equal(TLS_DISABLE_CIPHER, 92);
	assert_int_equal(TLS_REQUEST_PEER_AUTH, 94);
	assert_int_equal(TLS_TRUSTED_CIPHERS, 97);
	assert_int_equal(TLS_DISABLE_COMPRESSION, 101);
	assert_int_equal(TLS_REVOCATION_CHECKS, 102);
	assert_int_equal(TLS_OCSP_STAPLED_CHECKS, 103);
	assert_int_equal(TLS_OCSP_CHECKS, 104);
	assert_int_equal(TLS_CRL_CHECKS, 105);
	assert_int_equal(TLS_CACHED_REV_CHECKS, 106);
	assert_int_equal(TLS_CACHE_REVOCATION, 106);
	assert_int_equal(TLS_CONTEXT, 107);
	assert_int_equal(TLS_SESSION_REUSE, 108);
	assert_int_equal(TLS_RESUMED_SESSION, 109);
	assert_int_equal(TLS_ENABLE_CIPHER, 110);
	assert_int_equal(TLS_CHOSEN_VERSION, 113);
	assert_int_equal(TLS_SERVER_OCSP_STAPLING, 122);
	assert_int_equal(TLS_0RTT, 130);
	assert_int_equal(TLS_PEER_VERIFY, 131);
	assert_int_equal(TLS_VERIFY_RESULT, 132);
	assert_int_equal(TLS_VERIFY_CALLBACK, 133);
	assert_int_equal(TLS_OCSP_STAPLE, 134);
	assert_int_equal(TLS_OCSP_RESULT, 135);
	assert_int_equal(TLS_CRL_FILE, 136);
	assert_int_equal(TLS_TICKET_KEY, 137);
	assert_int_equal(TLS_REVOCATION_POLICY, 139);
	assert_int_equal(TLS_REVOCATION_LIVE, 144);
	assert_int_equal(TLS_ERROR_CODE, 145);
	assert_int_equal(TLS_REVOCATION_NO_SOURCE, 146);
	assert_int_equal(TLS_START_PLAIN, 148);
	assert_int_equal(TCP_UPGRADE_TLS, 33);
	assert_int_equal(TLS_1_0, 0x0301);
	assert_int_equal(TLS_1_1, 0x0302);
	assert_int_equal(TLS_1_2, 0x0303);
	assert_int_equal(TLS_1_3, 0x0304);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_released_option_is_what_it_was),
		cmocka_unit_test(a_number_that_is_not_in_the_table_is_not_found),
		cmocka_unit_test(the_table_is_ordered_and_complete),
		cmocka_unit_test(the_numbers_that_other_systems_compiled_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
