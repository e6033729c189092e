/* SPDX-License-Identifier: ISC */
/*
 * Lists that somebody changed, and lists of another maker: every bit of a signed
 * list is flipped, and none of that is ever a wrong GOOD; `openssl ca -gencrl` and
 * `openssl crl` make and read lists that we judge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world_crl.h"

/* www names its list here. */
static int
world_make(void **state)
{
	(void)crl_world_make(state);
	pki_free(www);
	www = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .crl = "http://crl.example.com/a" });
	return 0;
}

/* Flips each bit of a list by `key`; what became of `cert` is counted. */
static void
flip_all(const char *name, enum pki_key key, int listed)
{
	struct pki_cert *c = pki_issue(root, &(struct pki_spec){ .cn = "Flip", .ca = 1,
	    .key = key });
	struct pki_cert *leaf = pki_issue(c, &(struct pki_spec){ .cn = "leaf",
	    .crl = "http://crl.example.com/a" });
	const struct make_crl_row rows[] = { { .cert = other, .extra = MAKE_CRL_REASON(4) },
		{ .cert = listed ? leaf : www, .extra = MAKE_CRL_REASON(1) } };
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = c, .rows = rows,
	    .n_rows = 2, .extra = "issuingDistributionPoint = critical,"
	    "fullname:URI:http://crl.example.com/a\n" });
	enum sst_evidence_status truth = listed ? SST_EV_REVOKED : SST_EV_GOOD;
	const struct crl_ask ask = { .cert = leaf };
	unsigned counts[SST_EV_ERROR + 1] = { 0 };

	assert_int_equal(crl_judge(der.data, der.len, &ask).status, truth);
	for (size_t bit = 0; bit < der.len * 8; bit++) {
		der.data[bit / 8] ^= (char)(1 << bit % 8);
		counts[crl_judge(der.data, der.len, &ask).status]++;
		der.data[bit / 8] ^= (char)(1 << bit % 8);
	}
	assert_int_equal(crl_judge(der.data, der.len, &ask).status, truth);
	print_message("%s, %s: %zu flips: %u errors, %u revoked, %u good\n", name,
	    listed ? "listed" : "not listed", der.len * 8, counts[SST_EV_ERROR],
	    counts[SST_EV_REVOKED], counts[SST_EV_GOOD]);
	/* the frame is strict DER and the outer algorithm is compared: every bit counts */
	assert_int_equal(counts[SST_EV_ERROR], der.len * 8);
	pki_buf_free(&der);
	pki_free(leaf);
	pki_free(c);
}

static void
no_flipped_bit_of_a_signed_list_makes_a_good(void **state)
{
	(void)state;
	for (int listed = 0; listed < 2; listed++) {
		flip_all("ECDSA P-256", PKI_P256, listed);
		flip_all("RSA 2048", PKI_RSA, listed);
		flip_all("Ed25519", PKI_ED25519, listed);
	}
}

static void
bytes_that_are_no_list_at_all_end_in_an_error(void **state)
{
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = ca });
	const struct crl_ask ask = { .cert = www };
	unsigned seed = 1;

	(void)state;
	assert_int_equal(crl_judge(der.data, der.len, &ask).status, SST_EV_GOOD);
	for (int i = 0; i < 20000; i++) {
		struct pki_buf wild = { 0 };

		pki_put(&wild, der.data, der.len);
		for (int n = 0; n < 1 + i % 4; n++)
			wild.data[(size_t)rand_r(&seed) % wild.len] ^=
			    (char)(1 + rand_r(&seed) % 255);
		if (memcmp(wild.data, der.data, der.len) != 0)
			assert_int_equal(crl_judge(wild.data, wild.len -
			    (size_t)rand_r(&seed) % 3, &ask).status, SST_EV_ERROR);
		pki_buf_free(&wild);
	}
	pki_buf_free(&der);
}

static void
run(const char *dir, const char *args)
{
	char command[1000];

	(void)snprintf(command, sizeof(command),
	    "cd %s && OPENSSL_CONF=ca.cnf openssl %s >log 2>&1 || { cat log; exit 1; }", dir,
	    args);
	assert_int_equal(system(command), 0);
}

/* DER of what openssl wrote as PEM. */
static struct pki_buf
pem_list(const char *dir, const char *name)
{
	BIO *bio = BIO_new_file(pki_path(dir, name), "r");
	struct pki_buf der = { 0 };
	unsigned char *data;
	char *kind, *header;
	long len;

	assert_non_null(bio);
	assert_int_equal(PEM_read_bio(bio, &kind, &header, &data, &len), 1);
	pki_put(&der, data, (size_t)len);
	OPENSSL_free(kind);
	OPENSSL_free(header);
	OPENSSL_free(data);
	BIO_free(bio);
	return der;
}

static void
listed_by_openssl(const char *dir, const struct pki_cert *cert)
{
	struct pki_buf pem = { 0 };

	pki_put_cert(&pem, cert);
	pki_write(dir, "one.pem", 0600, &pem);
	run(dir, "ca -config ca.cnf -revoke one.pem -crl_reason keyCompromise");
	pki_buf_free(&pem);
}

static void
lists_that_openssl_makes_are_judged_as_it_meant_them(void **state)
{
	static const char config[] = "[ca]\ndefault_ca = c\n[c]\ndatabase = index.txt\n"
	    "certificate = ca.pem\nprivate_key = key.pem\ndefault_md = sha256\n"
	    "default_crl_days = 30\ncrlnumber = number\ncrl_extensions = e\n[e]\n"
	    "authorityKeyIdentifier = keyid:always\n";
	const struct crl_ask of_www = { .cert = www }, of_other = { .cert = other };
	struct pki_buf der, again;
	char *dir = pki_dir_new();

	(void)state;
	pki_write_chain(dir, "ca.pem", ca);
	pki_write_key(dir, "key.pem", ca);
	pki_write_text(dir, "ca.cnf", config);
	pki_write_text(dir, "index.txt", "");
	pki_write_text(dir, "number", "1A\n");
	listed_by_openssl(dir, www);
	run(dir, "ca -config ca.cnf -gencrl -out list.pem "
	    "-crl_lastupdate 20270114000000Z -crl_nextupdate 20270120000000Z");
	der = pem_list(dir, "list.pem");
	assert_int_equal(crl_judge(der.data, der.len, &of_www).status, SST_EV_REVOKED);
	assert_int_equal(crl_judge(der.data, der.len, &of_www).reason, 1);
	assert_int_equal(crl_judge(der.data, der.len, &of_other).status, SST_EV_GOOD);
	/* openssl crl writes the same bytes in DER */
	run(dir, "crl -in list.pem -outform DER -out list.der");
	run(dir, "crl -in list.der -inform DER -out again.pem");
	again = pem_list(dir, "again.pem");
	assert_int_equal(again.len, der.len);
	assert_memory_equal(again.data, der.data, der.len);
	pki_buf_free(&again);
	pki_buf_free(&der);
	pki_dir_free(dir);
}

/* And the other way round: what the tests make, openssl reads and verifies. */
static void
lists_of_our_own_making_are_verified_by_openssl(void **state)
{
	const struct make_crl_row row = { .cert = www, .extra = MAKE_CRL_REASON(1) };
	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = ca, .rows = &row,
	    .n_rows = 1, .extra = "issuingDistributionPoint = critical,"
	    "fullname:URI:http://crl.example.com/a\n" });
	char *dir = pki_dir_new();

	(void)state;
	pki_write_chain(dir, "ca.pem", ca);
	pki_write_text(dir, "ca.cnf", "");
	pki_write(dir, "list.der", 0600, &der);
	run(dir, "crl -in list.der -inform DER -noout -text -CAfile ca.pem");
	run(dir, "crl -in list.der -inform DER -noout -CAfile ca.pem 2>&1 | "
	    "grep -q 'verify OK'");
	pki_buf_free(&der);
	pki_dir_free(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_flipped_bit_of_a_signed_list_makes_a_good),
		cmocka_unit_test(bytes_that_are_no_list_at_all_end_in_an_error),
		cmocka_unit_test(lists_that_openssl_makes_are_judged_as_it_meant_them),
		cmocka_unit_test(lists_of_our_own_making_are_verified_by_openssl),
	};

	return cmocka_run_group_tests(tests, world_make, crl_world_free);
}
