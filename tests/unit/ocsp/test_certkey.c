/* SPDX-License-Identifier: ISC */
/* What a certificate is called, and how long what is known of it is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "world_facts.h"

static void
another_issuer_is_refused(void **state)
{
	struct pki_cert *stranger = pki_issue(NULL, &(struct pki_spec){ .cn = "CB", .ca = 1 });
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	const struct sst_cert_facts *f;
	struct sst_error err = { .code = SST_OK };

	(void)state;
	assert_int_equal(sst_facts_of(c->cert, stranger->cert, &f, &err), SST_E_MISMATCH);
	assert_non_null(strstr(err.text, "another issuer"));
	assert_int_equal(sst_facts_of(c->cert, ca->cert, &f, NULL), SST_OK);
	pki_free(c);
	pki_free(stranger);
}

/* Facts of a certificate of this serial, copied. */
static struct sst_cert_facts
with_serial(const char *bytes, size_t len)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .serial = (const unsigned char *)bytes, .serial_len = len });
	struct sst_cert_facts f = *facts_read(c);

	pki_free(c);
	return f;
}

static void
rv_66_serials_keep_their_octets(void **state)
{
	static const char *const odd[] = { "\x01", "\x01\x00", "\x7f", "\x00\x80", "\x80",
	    "\xff\x7f", "\xff" };
	static const size_t len[] = { 1, 2, 1, 2, 1, 2, 1 };
	struct sst_cert_facts all[7];
	uint8_t h1[32], h2[32];

	(void)state;
	for (int i = 0; i < 7; i++) {
		all[i] = with_serial(odd[i], len[i]);
		assert_int_equal(all[i].key.serial_len, len[i]);
		assert_memory_equal(all[i].key.serial, odd[i], len[i]);
	}
	for (int i = 0; i < 7; i++) {
		for (int j = 0; j < 7; j++) {
			int order = sst_cert_key_cmp(&all[i].key, &all[j].key);

			assert_int_equal(order == 0, i == j);
			assert_int_equal(order < 0,
			    sst_cert_key_cmp(&all[j].key, &all[i].key) > 0);
			sst_cert_key_hash(&all[i].key, h1);
			sst_cert_key_hash(&all[j].key, h2);
			assert_int_equal(memcmp(h1, h2, 32) == 0, i == j);
		}
	}
}

static void
a_serial_of_64_octets_is_read_and_65_are_refused(void **state)
{
	unsigned char serial[65];
	struct sst_cert_facts f;

	(void)state;
	memset(serial, 0x5a, sizeof(serial));
	f = with_serial((const char *)serial, 64);
	assert_int_equal(f.key.serial_len, 64);
	assert_memory_equal(f.key.serial, serial, 64);
	facts_refused(&(struct pki_spec){ .cn = "www", .serial = serial, .serial_len = 65 },
	    SST_E_LIMIT, "65 octets");
}

/* OpenSSL does not read the encoding 02 02 00 01 of 1, so no certificate with it is
 * ever judged; nothing here would make 00 01 the same as 01. */
static void
rv_113_a_serial_that_is_not_minimal_never_becomes_another(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .serial = (const unsigned char *)"\x40\x01", .serial_len = 2 });
	struct sst_cert_key padded = facts_read(c)->key, other = padded;
	struct pki_buf der = { 0 };
	const unsigned char *p;
	X509 *x;

	(void)state;
	memcpy(padded.serial, "\x00\x01", 2);
	memcpy(other.serial, "\x01", 1);
	other.serial_len = 1;
	assert_int_not_equal(sst_cert_key_cmp(&padded, &other), 0);
	pki_put_cert_der(&der, c);
	p = (const unsigned char *)der.data;
	x = d2i_X509(NULL, &p, (long)der.len);
	assert_non_null(x);
	X509_free(x);
	/* version, then the serial: 02 02 40 01 */
	p = memmem(der.data, der.len, "\xa0\x03\x02\x01\x02\x02\x02\x40\x01", 9);
	assert_non_null(p);
	der.data[p - (const unsigned char *)der.data + 7] = 0;
	p = (const unsigned char *)der.data;
	assert_null(d2i_X509(NULL, &p, (long)der.len));
	pki_buf_free(&der);
	pki_free(c);
}

static void
rv_108_rv_109_an_issuer_is_its_name_and_its_key(void **state)
{
	struct pki_cert *root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	struct pki_cert *crossed = pki_issue(root, &(struct pki_spec){ .cn = "CA", .ca = 1,
	    .use_key = ca->key });
	struct pki_cert *rekeyed = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	struct pki_cert *renamed = pki_issue(NULL, &(struct pki_spec){ .cn = "CB", .ca = 1,
	    .use_key = ca->key });
	struct pki_cert *www = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	const struct sst_cert_facts *f, *again;
	struct sst_issuer_id a, b;

	(void)state;
	assert_int_equal(sst_issuer_id_of(ca->cert, &a, NULL), 0);
	assert_int_equal(sst_issuer_id_of(crossed->cert, &b, NULL), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(sst_issuer_id_of(rekeyed->cert, &b, NULL), 0);
	assert_memory_equal(a.dn, b.dn, 32);
	assert_memory_not_equal(a.spki, b.spki, 32);
	assert_int_equal(sst_issuer_id_of(renamed->cert, &b, NULL), 0);
	assert_memory_not_equal(a.dn, b.dn, 32);
	assert_memory_equal(a.spki, b.spki, 32);
	/* one certificate, given with each of them */
	assert_int_equal(sst_facts_of(www->cert, ca->cert, &f, NULL), 0);
	assert_memory_equal(&f->key.issuer, &a, sizeof(a));
	assert_int_equal(sst_facts_of(www->cert, crossed->cert, &again, NULL), 0);
	assert_ptr_equal(again, f);
	assert_int_equal(sst_facts_of(www->cert, rekeyed->cert, &again, NULL), 0);
	assert_ptr_not_equal(again, f);
	assert_memory_not_equal(again->key.issuer.spki, f->key.issuer.spki, 32);
	assert_memory_equal(again->sha256, f->sha256, 32);
	pki_free(www);
	pki_free(renamed);
	pki_free(rekeyed);
	pki_free(crossed);
	pki_free(root);
}

static void
a_certificate_has_few_issuers(void **state)
{
	struct pki_cert *www = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	struct pki_cert *twins[5];
	struct sst_error err = { .code = SST_OK };
	const struct sst_cert_facts *f;

	(void)state;
	for (int i = 0; i < 5; i++) {
		twins[i] = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
		assert_int_equal(sst_facts_of(www->cert, twins[i]->cert, &f, &err),
		    i < 4 ? SST_OK : SST_E_LIMIT);
	}
	assert_int_equal(sst_facts_of(www->cert, twins[0]->cert, &f, NULL), SST_OK);
	for (int i = 0; i < 5; i++)
		pki_free(twins[i]);
	pki_free(www);
}

static void
facts_are_found_once_and_not_copied_with_a_certificate(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .ocsp = "http://a/", .crl = "http://l/" });
	const struct sst_cert_facts *f = facts_read(c), *copy;
	X509 *dup = X509_dup(c->cert);

	(void)state;
	assert_ptr_equal(facts_read(c), f);
	assert_int_equal(sst_facts_of(dup, ca->cert, &copy, NULL), 0);
	assert_ptr_not_equal(copy, f);
	assert_int_equal(sst_cert_key_cmp(&copy->key, &f->key), 0);
	assert_memory_equal(copy->sha256, f->sha256, 32);
	pki_free(c);
	assert_string_equal(copy->ocsp[0], "http://a/");	/* its own */
	X509_free(dup);
}

struct racer {
	pthread_barrier_t *barrier;
	X509	*cert;
	const struct sst_cert_facts *facts;
	int	 rc;
};

static void *
race(void *arg)
{
	struct racer *r = arg;

	(void)pthread_barrier_wait(r->barrier);
	r->rc = sst_facts_of(r->cert, ca->cert, &r->facts, NULL);
	return NULL;
}

static void
threads_that_read_one_certificate_get_the_same_facts(void **state)
{
	pthread_barrier_t barrier;
	struct racer racers[8];
	pthread_t threads[8];

	(void)state;
	for (int round = 0; round < 50; round++) {
		struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www",
		    .use_key = ca->key, .ocsp = "http://a/" });

		assert_int_equal(pthread_barrier_init(&barrier, NULL, 8), 0);
		for (int i = 0; i < 8; i++) {
			racers[i] = (struct racer){ &barrier, c->cert, NULL, -1 };
			assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
		}
		for (int i = 0; i < 8; i++) {
			(void)pthread_join(threads[i], NULL);
			assert_int_equal(racers[i].rc, 0);
			assert_ptr_equal(racers[i].facts, racers[0].facts);
		}
		(void)pthread_barrier_destroy(&barrier);
		pki_free(c);
	}
}

struct busy {
	X509	*cert;
	int	 stop;
};

static void *
keep_asking(void *arg)
{
	struct busy *b = arg;
	const struct sst_cert_facts *f;

	while (!__atomic_load_n(&b->stop, __ATOMIC_RELAXED))
		(void)sst_facts_of(b->cert, ca->cert, &f, NULL);
	return NULL;
}

/* fork() while another thread holds the certificate's lock most of the time. */
static void
a_child_finds_no_lock_held(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www" });
	struct busy busy = { c->cert, 0 };
	const struct sst_cert_facts *f;
	pthread_t thread;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, keep_asking, &busy), 0);
	for (int i = 0; i < 200; i++) {
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			(void)alarm(20);
			_exit(sst_facts_of(c->cert, ca->cert, &f, NULL) == SST_OK ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	__atomic_store_n(&busy.stop, 1, __ATOMIC_RELAXED);
	(void)pthread_join(thread, NULL);
	pki_free(c);
}

static void
a_second_look_is_quick(void **state)
{
	struct pki_cert *c = pki_issue(ca, &(struct pki_spec){ .cn = "www",
	    .ocsp = "http://a/" });
	const struct sst_cert_facts *f;
	struct timespec a, b;
	double best = 1e9, ns;

	(void)state;
	assert_int_equal(sst_facts_of(c->cert, ca->cert, &f, NULL), 0);
	for (int round = 0; round < 20; round++) {
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
		for (int i = 0; i < 1000; i++)
			(void)sst_facts_of(c->cert, ca->cert, &f, NULL);
		(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
		ns = ((double)(b.tv_sec - a.tv_sec) * 1e9 +
		    (double)(b.tv_nsec - a.tv_nsec)) / 1000;
		if (ns < best)
			best = ns;
	}
	print_message("a second look: %.0f ns\n", best);
	assert_true(best < 2000);	/* reading again takes ten times that */
	pki_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_issuer_is_refused),
		cmocka_unit_test(rv_66_serials_keep_their_octets),
		cmocka_unit_test(a_serial_of_64_octets_is_read_and_65_are_refused),
		cmocka_unit_test(rv_113_a_serial_that_is_not_minimal_never_becomes_another),
		cmocka_unit_test(rv_108_rv_109_an_issuer_is_its_name_and_its_key),
		cmocka_unit_test(a_certificate_has_few_issuers),
		cmocka_unit_test(facts_are_found_once_and_not_copied_with_a_certificate),
		cmocka_unit_test(threads_that_read_one_certificate_get_the_same_facts),
		cmocka_unit_test(a_child_finds_no_lock_held),
		cmocka_unit_test(a_second_look_is_quick),
	};

	return cmocka_run_group_tests(tests, facts_world_make, facts_world_free);
}
