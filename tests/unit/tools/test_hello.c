/* SPDX-License-Identifier: ISC */
/* What `sstool cert explain` makes of what was typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hello.h"

static void
a_name_becomes_the_body_of_the_extension(void **state)
{
	static const uint8_t want[] = {
		0, 12, 0, 0, 9, 'a', '.', 'E', 'x', 'a', 'm', 'p', 'l', 'e'
	};
	struct sst_typed_hello t;
	struct sst_error err = { 0 };

	(void)state;
	sst_hello_init(&t);
	assert_int_equal(t.hello.has_server_name, 0);
	assert_int_equal(sst_hello_set_name(&t, "a.Example", &err), SST_OK);
	assert_int_equal(t.hello.has_server_name, 1);
	assert_int_equal(t.hello.server_name_len, sizeof(want));
	assert_memory_equal(t.hello.server_name, want, sizeof(want));
}

static void
u_labels_are_converted_and_nothing_else_is(void **state)
{
	struct sst_typed_hello t;
	struct sst_error err = { 0 };

	(void)state;
	sst_hello_init(&t);
	assert_int_equal(sst_hello_set_name(&t, "b\xc3\xbc" "cher.example", &err),
	    SST_OK);
	assert_int_equal(t.hello.server_name_len, 5 + 21);
	assert_memory_equal(t.hello.server_name + 5, "xn--bcher-kva.example", 21);
	/* hostile, and asked for as it is */
	assert_int_equal(sst_hello_set_name(&t, "../../etc/x", &err), SST_OK);
	assert_memory_equal(t.hello.server_name + 5, "../../etc/x", 11);
	/* neither a host name nor ASCII */
	assert_int_equal(sst_hello_set_name(&t, "\xff\xfe.example", &err),
	    SST_E_USAGE);
	assert_int_not_equal(err.text[0], '\0');
}

static void
a_name_fits_or_is_refused(void **state)
{
	struct sst_typed_hello t;
	struct sst_error err = { 0 };
	char name[600];

	(void)state;
	memset(name, 'a', sizeof(name));
	sst_hello_init(&t);
	name[512] = '\0';
	assert_int_equal(sst_hello_set_name(&t, name, &err), SST_OK);
	assert_int_equal(t.hello.server_name_len, 517);
	assert_int_equal(t.hello.server_name[0] << 8 | t.hello.server_name[1], 515);
	name[512] = 'a';
	name[513] = '\0';
	assert_int_equal(sst_hello_set_name(&t, name, &err), SST_E_USAGE);
}

static void
algorithms_have_the_names_of_openssl_and_of_iana(void **state)
{
	static const uint16_t want[] = { 0x0403, 0x0804, 0x0807, 0x0401, 0x0809, 0x0a0b };
	struct sst_typed_hello t;
	struct sst_error err = { 0 };

	(void)state;
	sst_hello_init(&t);
	assert_int_equal(t.hello.n_sigalgs, 14);
	assert_int_equal(sst_hello_set_sigalgs(&t,
	    "ECDSA+SHA256:rsa_pss_rsae_sha256,ed25519:rsa+sha256:"
	    "rsa_pss_pss_sha256:0x0a0b", &err), SST_OK);
	assert_int_equal(t.hello.n_sigalgs, 6);
	assert_memory_equal(t.hello.sigalgs, want, sizeof(want));
	assert_int_equal(sst_hello_set_sigalgs(&t, "", &err), SST_OK);
	assert_int_equal(t.hello.n_sigalgs, 0);
}

static void
an_unknown_algorithm_is_named(void **state)
{
	static const char *const bad[] = {
		"ECDSA+SHA257", "ECDSA+SHA256::ed25519", "0x10403", "0x", "1027"
	};
	struct sst_typed_hello t;

	(void)state;
	sst_hello_init(&t);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sst_error err = { 0 };

		assert_int_equal(sst_hello_set_sigalgs(&t, bad[i], &err),
		    SST_E_USAGE);
		assert_non_null(strstr(err.text, "no signature algorithm"));
	}
}

static void
more_algorithms_than_fit_are_refused(void **state)
{
	struct sst_typed_hello t;
	struct sst_error err = { 0 };
	char list[66 * 8] = "";

	(void)state;
	sst_hello_init(&t);
	for (int i = 0; i < 64; i++)
		strcat(list, "ed448:");
	assert_int_equal(sst_hello_set_sigalgs(&t, list, &err), SST_OK);
	assert_int_equal(t.hello.n_sigalgs, 64);
	strcat(list, "ed448");
	assert_int_equal(sst_hello_set_sigalgs(&t, list, &err), SST_E_USAGE);
}

static void
an_address_is_v4_or_v6(void **state)
{
	struct sst_typed_hello t;
	struct sst_error err = { 0 };

	(void)state;
	sst_hello_init(&t);
	assert_null(t.hello.local);
	assert_int_equal(sst_hello_set_ip(&t, "192.0.2.1", &err), SST_OK);
	assert_int_equal(t.hello.local->sa_family, AF_INET);
	assert_int_equal(ntohl(t.local.v4.sin_addr.s_addr), 0xc0000201);
	assert_int_equal(sst_hello_set_ip(&t, "2001:db8::1", &err), SST_OK);
	assert_int_equal(t.hello.local->sa_family, AF_INET6);
	assert_int_equal(t.local.v6.sin6_addr.s6_addr[15], 1);
	assert_int_equal(sst_hello_set_ip(&t, "192.0.2.256", &err), SST_E_USAGE);
}

static void
a_version_brings_its_suites(void **state)
{
	struct sst_typed_hello t;
	struct sst_error err = { 0 };

	(void)state;
	sst_hello_init(&t);
	assert_int_equal(t.hello.version, 0x0304);
	assert_int_equal(t.hello.suites[0], 0x1301);
	assert_int_equal(sst_hello_set_version(&t, "1.2", &err), SST_OK);
	assert_int_equal(t.hello.version, 0x0303);
	assert_int_equal(t.hello.suites[0], 0xc02b);
	assert_int_equal(sst_hello_set_version(&t, "1.3", &err), SST_OK);
	assert_int_equal(t.hello.version, 0x0304);
	assert_int_equal(t.hello.n_suites, 3);
	assert_int_equal(sst_hello_set_version(&t, "1.1", &err), SST_E_USAGE);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_becomes_the_body_of_the_extension),
		cmocka_unit_test(u_labels_are_converted_and_nothing_else_is),
		cmocka_unit_test(a_name_fits_or_is_refused),
		cmocka_unit_test(algorithms_have_the_names_of_openssl_and_of_iana),
		cmocka_unit_test(an_unknown_algorithm_is_named),
		cmocka_unit_test(more_algorithms_than_fit_are_refused),
		cmocka_unit_test(an_address_is_v4_or_v6),
		cmocka_unit_test(a_version_brings_its_suites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
