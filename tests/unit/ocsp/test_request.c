/* SPDX-License-Identifier: ISC */
/* Requests: their bytes, the path of a GET, and what `openssl ocsp` makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "make_response_judge.h"
#include "ocsp/request.h"

static struct pki_cert *ca, *delegate, *www;
static const struct sst_cert_facts *facts;
static char *dir;

static int
setup(void **state)
{
	(void)state;
	ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	delegate = pki_issue(ca, &(struct pki_spec){ .cn = "OCSP", .eku = "OCSPSigning",
	    .extra = "noCheck = ignored\n" });
	www = pki_issue(ca, &(struct pki_spec){ .cn = "www", .serial =
	    (const unsigned char *)"\x12\x34\x56\x78\x9a", .serial_len = 5 });
	dir = pki_dir_new();
	return sst_facts_of(www->cert, ca->cert, &facts, NULL);
}

static int
teardown(void **state)
{
	(void)state;
	pki_dir_free(dir);
	pki_free(www);
	pki_free(delegate);
	pki_free(ca);
	return 0;
}

static struct sst_request
make(enum sst_certid_hash hash, int nonce)
{
	struct sst_request r;

	memset(&r, 0xa5, sizeof(r));
	assert_int_equal(sst_request_make(facts, ca->cert, hash, nonce, &r, NULL), SST_OK);
	return r;
}

/* OpenSSL's own request, in its DER. */
static void
is_what_openssl_makes(const struct sst_request *r, const EVP_MD *md)
{
	OCSP_REQUEST *theirs = OCSP_REQUEST_new();
	unsigned char *der = NULL;
	int len;

	assert_non_null(OCSP_request_add0_id(theirs, OCSP_cert_to_id(md, www->cert, ca->cert)));
	if (r->nonce_len > 0)
		assert_int_equal(OCSP_request_add1_nonce(theirs,
		    (unsigned char *)(uintptr_t)r->nonce, (int)r->nonce_len), 1);
	len = i2d_OCSP_REQUEST(theirs, &der);
	assert_int_equal(len, r->len);
	assert_memory_equal(der, r->der, r->len);
	OPENSSL_free(der);
	OCSP_REQUEST_free(theirs);
}

static void
a_request_has_the_bytes_that_openssl_gives_it(void **state)
{
	struct sst_request a, b;

	(void)state;
	a = make(SST_CERTID_SHA1, 0);
	assert_int_equal(a.nonce_len, 0);
	is_what_openssl_makes(&a, EVP_sha1());
	a = make(SST_CERTID_SHA256, 0);
	is_what_openssl_makes(&a, EVP_sha256());
	a = make(SST_CERTID_SHA256, 1);
	b = make(SST_CERTID_SHA256, 1);
	assert_int_equal(a.nonce_len, 32);
	assert_memory_not_equal(a.nonce, b.nonce, 32);
	is_what_openssl_makes(&a, EVP_sha256());
	is_what_openssl_makes(&b, EVP_sha256());
}

static void
the_longest_serial_fits(void **state)
{
	unsigned char serial[64];
	const struct sst_cert_facts *f;
	struct sst_request r;
	struct pki_cert *c;
	const unsigned char *p = r.der;
	OCSP_REQUEST *read;

	(void)state;
	memset(serial, 0x55, sizeof(serial));
	c = pki_issue(ca, &(struct pki_spec){ .cn = "www", .serial = serial,
	    .serial_len = 64 });
	assert_int_equal(sst_facts_of(c->cert, ca->cert, &f, NULL), 0);
	assert_int_equal(sst_request_make(f, ca->cert, SST_CERTID_SHA256, 1, &r, NULL), 0);
	read = d2i_OCSP_REQUEST(NULL, &p, (long)r.len);
	assert_non_null(read);
	assert_ptr_equal(p, r.der + r.len);
	OCSP_REQUEST_free(read);
	pki_free(c);
}

/* What a server reads in the path: the bytes of the request again. */
static void
path_says(const char *path, const struct sst_request *r)
{
	unsigned char bytes[600];
	char base64[600];
	size_t n = 0, pad = 0;
	unsigned code;

	for (; *path != '\0'; path++) {
		code = (unsigned char)*path;
		assert_true(strchr("+/=", *path) == NULL);
		if (*path == '%') {
			assert_int_equal(sscanf(path + 1, "%2X", &code), 1);
			assert_non_null(strchr("+/=", (int)code));
			path += 2;
		}
		pad += code == '=';
		base64[n++] = (char)code;
	}
	base64[n] = '\0';
	assert_int_equal(EVP_DecodeBlock(bytes, (unsigned char *)base64, (int)n), r->len + pad);
	assert_memory_equal(bytes, r->der, r->len);
}

static void
rv_91_a_get_carries_the_request_in_its_path(void **state)
{
	struct sst_request r = make(SST_CERTID_SHA1, 0);
	char url[600], same[600];
	int seen = 0;

	(void)state;
	assert_int_equal(sst_request_get_url(&r, "http://a", url, sizeof(url)), 1);
	assert_memory_equal(url, "http://a/", 9);
	path_says(url + 9, &r);
	assert_int_equal(sst_request_get_url(&r, "http://a/", same, sizeof(same)), 1);
	assert_string_equal(url, same);
	assert_int_equal(sst_request_get_url(&r, "http://a/b", url, sizeof(url)), 1);
	assert_memory_equal(url, "http://a/b/", 11);
	path_says(url + 11, &r);
	/* each of the three characters that need it, by changing the bytes */
	for (unsigned i = 0; i < 256 && seen != 7; i++) {
		r.der[9] = (uint8_t)i;
		r.len = 70 + i % 3;
		assert_int_equal(sst_request_get_url(&r, "http://a/", url, sizeof(url)), 1);
		path_says(url + 9, &r);
		seen |= strstr(url, "%2B") != NULL ? 1 : 0;
		seen |= strstr(url, "%2F") != NULL ? 2 : 0;
		seen |= strstr(url, "%3D") != NULL ? 4 : 0;
	}
	assert_int_equal(seen, 7);
}

static void
rv_91_a_path_of_255_octets_is_a_post(void **state)
{
	struct sst_request r = { .len = 0 };
	char url[600];

	(void)state;
	memset(r.der, 0, sizeof(r.der));	/* base64: A, no escapes but the = */
	r.len = 189;				/* 252 */
	assert_int_equal(sst_request_get_url(&r, "http://a/", url, sizeof(url)), 1);
	assert_int_equal(strlen(url), 9 + 252);
	memset(r.der, 0xff, 1);			/* "/w" and AA: two octets more */
	assert_int_equal(sst_request_get_url(&r, "http://a/", url, sizeof(url)), 1);
	assert_int_equal(strlen(url), 9 + 254);
	r.der[0] = 0;
	r.len = 188;				/* one = */
	assert_int_equal(sst_request_get_url(&r, "http://a/", url, sizeof(url)), 1);
	assert_int_equal(strlen(url), 9 + 254);
	r.len = 187;				/* two */
	assert_int_equal(sst_request_get_url(&r, "http://a/", url, sizeof(url)), 0);
	r.len = 190;
	assert_int_equal(sst_request_get_url(&r, "http://a/", url, sizeof(url)), 0);
	r.len = sizeof(r.der);
	memset(r.der, 0xff, sizeof(r.der));
	assert_int_equal(sst_request_get_url(&r, "http://a/", url, sizeof(url)), 0);
}

static void
a_url_that_does_not_fit_is_refused(void **state)
{
	struct sst_request r = make(SST_CERTID_SHA1, 0);
	char url[600];
	size_t need;

	(void)state;
	assert_int_equal(sst_request_get_url(&r, "http://a", url, sizeof(url)), 1);
	need = strlen(url) + 1;
	assert_int_equal(sst_request_get_url(&r, "http://a", url, need), 1);
	assert_int_equal(sst_request_get_url(&r, "http://a", url, need - 1), SST_E_LIMIT);
}

/* Runs it, words separated by blanks, with its output thrown away. Its status. */
static int
run(const char *format, ...)
{
	char line[2000], *words[60], *save = NULL;
	va_list ap;
	int n = 0, status, null;
	pid_t pid;

	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	for (char *w = strtok_r(line, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	words[n] = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		null = open("/dev/null", O_RDWR);
		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)dup2(null, 2);
		(void)execvp(words[0], words);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
put_index(const char *line)
{
	pki_write_text(dir, "index.txt", line);
	pki_write_text(dir, "index.txt.attr", "unique_subject = no\n");
}

/* Our request, answered by `openssl ocsp` for `signer`, judged a minute after. */
static struct sst_evidence
by_openssl(const struct pki_cert *signer, const struct sst_request *r, const char *more)
{
	struct response_ask ask = { .cert = www, .nonce = r->nonce,
	    .nonce_len = r->nonce_len, .nonce_required = r->nonce_len > 0 };
	struct pki_buf request = { 0 };
	struct sst_evidence e;
	char bytes[8192];
	size_t len;
	FILE *f;

	if (r->nonce_len == 0)
		ask.nonce = NULL;
	pki_put(&request, r->der, r->len);
	pki_write(dir, "request.der", 0600, &request);
	pki_buf_free(&request);
	pki_write_pair(dir, "ca.pem", ca);
	pki_write_pair(dir, "signer.pem", signer);
	assert_int_equal(run("openssl ocsp -index %s/index.txt -CA %s/ca.pem -rsigner "
	    "%s/signer.pem -rkey %s/signer.pem -nmin 60 -reqin %s/request.der -respout "
	    "%s/response.der %s", dir, dir, dir, dir, dir, dir, more), 0);
	f = fopen(pki_path(dir, "response.der"), "re");
	assert_non_null(f);
	len = fread(bytes, 1, sizeof(bytes), f);
	(void)fclose(f);
	/* it goes by the clock: the first look is for when that was */
	e = response_judge(bytes, len, &ask);
	ask.now = (time_t)e.this_update + 60;
	e = response_judge(bytes, len, &ask);
	if (e.status != SST_EV_ERROR)
		assert_int_equal(e.until, e.this_update + 3600);
	return e;
}

static void
openssl_answers_what_we_ask(void **state)
{
	struct sst_request plain = make(SST_CERTID_SHA1, 0),
	    sha256 = make(SST_CERTID_SHA256, 0), nonce = make(SST_CERTID_SHA256, 1);
	struct sst_evidence e;

	(void)state;
	put_index("V\t400101000000Z\t\t123456789A\tunknown\t/CN=www\n");
	assert_good(by_openssl(ca, &plain, ""));
	assert_good(by_openssl(ca, &sha256, "-resp_key_id"));
	assert_good(by_openssl(ca, &nonce, "-rmd sha512"));
	assert_good(by_openssl(delegate, &nonce, ""));
	assert_good(by_openssl(delegate, &plain, "-resp_key_id"));
	/* the delegate's certificate left out; somebody who is no delegate */
	assert_fault(by_openssl(delegate, &plain, "-resp_no_certs"), SST_FAULT_SIGNER);
	assert_fault(by_openssl(www, &plain, ""), SST_FAULT_SIGNER);

	put_index("R\t400101000000Z\t260102030405Z,keyCompromise\t123456789A\tunknown\t"
	    "/CN=www\n");
	e = by_openssl(ca, &nonce, "");
	assert_revoked(e);
	assert_int_equal(e.reason, 1);
	assert_int_equal(e.revoked_at, 1767323045);
	assert_revoked(by_openssl(delegate, &plain, ""));

	put_index("V\t400101000000Z\t\t123456789B\tunknown\t/CN=other\n");
	assert_unknown(by_openssl(ca, &plain, ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_has_the_bytes_that_openssl_gives_it),
		cmocka_unit_test(the_longest_serial_fits),
		cmocka_unit_test(rv_91_a_get_carries_the_request_in_its_path),
		cmocka_unit_test(rv_91_a_path_of_255_octets_is_a_post),
		cmocka_unit_test(a_url_that_does_not_fit_is_refused),
		cmocka_unit_test(openssl_answers_what_we_ask),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
