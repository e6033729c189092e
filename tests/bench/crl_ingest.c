/* SPDX-License-Identifier: ISC */
/*
 * crl_ingest - what taking a large CRL in costs. One step a process, so that the
 * peak of memory is the step's own; the script `crls` runs them in turn.
 *
 *	make ENTRIES DIR	DIR/list.der, and its issuer in DIR/ca.der
 *	base DIR		the list is read, and no more
 *	ours DIR		parse, verify, index
 *	cache DIR		the same, then SQLite in DIR/cache, then look-ups
 *	openssl DIR		d2i_X509_CRL, X509_CRL_verify, the first look-up
 *
 * Each prints what it measured in one line: NAME VALUE NAME VALUE...
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ocsp/cache.h"
#include "ocsp/crl.h"
#include "unit/ocsp/make_crl.h"

#define SERIAL	18	/* octets, as the largest public CA has them */
#define ASKS	20000

static double
now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "crl_ingest: %s failed\n", what);
	exit(1);
}

/* Serial i, spread as random ones are. */
static void
serial_of(uint64_t i, unsigned char out[SERIAL])
{
	uint64_t x = i;

	out[0] = 0x03;
	for (int n = 1; n < SERIAL; n++) {
		if (n % 8 == 1) {	/* splitmix64 */
			uint64_t z = (x += 0x9e3779b97f4a7c15u);

			z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
			z = (z ^ z >> 27) * 0x94d049bb133111ebu;
			i = z ^ z >> 31;
		}
		out[n] = (unsigned char)(i >> 8 * (n % 8));
	}
}

static int
make(unsigned n, const char *dir)
{
	struct pki_cert *ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	struct pki_cert *leaf = pki_issue(ca, &(struct pki_spec){ .cn = "leaf" });
	struct make_crl_row *rows = calloc(n, sizeof(*rows));
	unsigned char *serials = malloc((size_t)n * SERIAL);
	struct pki_buf der, buf = { 0 };

	must(rows != NULL && serials != NULL, "memory");
	for (unsigned i = 0; i < n; i++) {
		serial_of(i, serials + (size_t)i * SERIAL);
		rows[i].serial = serials + (size_t)i * SERIAL;
		rows[i].serial_len = SERIAL;
		rows[i].date = PKI_NOW - i;
		rows[i].extra = i % 4 == 0 ? MAKE_CRL_REASON(1) : NULL;
	}
	der = make_crl(&(struct make_crl){ .issuer = ca, .rows = rows, .n_rows = n });
	pki_write(dir, "list.der", 0600, &der);
	pki_put_cert_der(&buf, ca);
	pki_write(dir, "ca.der", 0600, &buf);
	pki_buf_free(&buf);
	pki_put_cert_der(&buf, leaf);
	pki_write(dir, "leaf.der", 0600, &buf);
	(void)printf("entries %u bytes %zu\n", n, der.len);
	pki_buf_free(&buf);
	pki_buf_free(&der);
	free(serials);
	free(rows);
	pki_free(leaf);
	pki_free(ca);
	return 0;
}

static unsigned char *
file_read(const char *dir, const char *name, size_t *ret_len)
{
	int fd = open(pki_path(dir, name), O_RDONLY | O_CLOEXEC);
	unsigned char *bytes;
	struct stat st;
	size_t used = 0;
	ssize_t n;

	must(fd >= 0 && fstat(fd, &st) == 0, name);
	bytes = malloc((size_t)st.st_size);
	must(bytes != NULL, "memory");
	while (used < (size_t)st.st_size) {
		n = read(fd, bytes + used, (size_t)st.st_size - used);
		must(n > 0, name);
		used += (size_t)n;
	}
	(void)close(fd);
	*ret_len = used;
	return bytes;
}

static X509 *
cert_read(const char *dir, const char *name)
{
	size_t len;
	unsigned char *der = file_read(dir, name, &len);
	const unsigned char *p = der;
	X509 *x = d2i_X509(NULL, &p, (long)len);

	must(x != NULL, name);
	free(der);
	return x;
}

static double
peak_mb(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)u.ru_maxrss * 1024 / 1e6;
}

/* As much as a cache's rows would be told of. */
static int
count(void *arg, uint32_t bucket, const void *blob, size_t len)
{
	(void)bucket;
	(void)blob;
	*(size_t *)arg += len;
	return 0;
}

static struct sst_crl *
open_ours(const void *bytes, size_t len, X509 *ca)
{
	const struct sst_crl_signers who = { .issuer = ca };
	struct sst_error err = { .code = SST_OK };
	struct sst_crl *crl = NULL;
	struct sst_limits limits;
	enum sst_fault fault;

	sst_limits_of(NULL, &limits);
	limits.crl_size = (size_t)1 << 30;
	must(sst_crl_open(bytes, len, &who, PKI_NOW, &limits, &crl, &fault, &err) == 0,
	    err.text);
	return crl;
}

static int
ours(const char *dir)
{
	X509 *ca = cert_read(dir, "ca.der");
	size_t len, index = 0;
	unsigned char *bytes = file_read(dir, "list.der", &len);
	double start = now_s(), opened, indexed;
	struct sst_crl *crl = open_ours(bytes, len, ca);

	opened = now_s();
	must(sst_crl_index(crl, count, &index, NULL) == 0, "index");
	indexed = now_s();
	(void)printf("verify %.4f index %.4f all %.4f peak %.1f index_mb %.1f\n", opened - start,
	    indexed - opened, indexed - start, peak_mb(), (double)index / 1e6);
	sst_crl_free(crl);
	free(bytes);
	X509_free(ca);
	return 0;
}

/* Microseconds a look-up; every second serial is on the list. */
static double
look_up(struct sst_cache *cache, const struct sst_cert_facts *any, uint64_t entries)
{
	struct sst_evidence list[8];
	struct sst_cert_facts facts = *any;
	struct sst_limits limits;
	unsigned seed = 1;
	uint64_t i;
	double start;
	int n;

	sst_limits_of(NULL, &limits);
	facts.key.serial_len = SERIAL;
	start = now_s();
	for (int k = 0; k < ASKS; k++) {
		i = (uint64_t)rand_r(&seed) % entries + (k % 2 == 0 ? 0 : entries);
		serial_of(i, facts.key.serial);
		n = sst_cache_get(cache, &facts, PKI_NOW, &limits, list, 8);
		must(n == 1 && list[0].status == (k % 2 == 0 ? SST_EV_REVOKED : SST_EV_GOOD),
		    "a look-up");
	}
	return (now_s() - start) / ASKS * 1e6;
}

static int
cache(const char *dir)
{
	const struct sst_cache_config config = { .dir = pki_path(dir, "cache"), .may_write = 1,
		.size_cap = (uint64_t)1 << 30, .wait_ms = 1000 };
	X509 *ca = cert_read(dir, "ca.der"), *leaf = cert_read(dir, "leaf.der");
	struct sst_error err = { .code = SST_OK };
	const struct sst_cert_facts *facts;
	struct sst_cache *c = NULL;
	double start, done;
	unsigned char *bytes;
	struct sst_crl *crl;
	uint64_t entries;
	size_t len;

	must(mkdir(config.dir, 0755) == 0, config.dir);
	must(sst_cache_open(&config, &c, &err) == 0, err.text);
	must(sst_cache_mode(c) == SST_CACHE_WRITER, sst_cache_why(c));
	must(sst_facts_of(leaf, ca, &facts, &err) == 0, err.text);
	bytes = file_read(dir, "list.der", &len);
	start = now_s();
	crl = open_ours(bytes, len, ca);
	must(sst_cache_put_crl(c, crl, "http://crl.example.com/list", PKI_NOW, &err) == 0,
	    err.text);
	done = now_s();
	entries = sst_crl_head(crl)->entries;
	sst_crl_free(crl);
	free(bytes);
	(void)printf("ingest %.4f peak %.1f", done - start, peak_mb());
	(void)printf(" lookup_us %.2f\n", look_up(c, facts, entries));
	sst_cache_close(c);
	X509_free(leaf);
	X509_free(ca);
	return 0;
}

static int
by_openssl(const char *dir)
{
	X509 *ca = cert_read(dir, "ca.der");
	unsigned char serial[2 + SERIAL] = { 2, SERIAL };
	const unsigned char *s = serial, *p;
	double start, parsed, verified, found;
	ASN1_INTEGER *number;
	X509_REVOKED *hit;
	size_t len;
	unsigned char *bytes = file_read(dir, "list.der", &len);
	X509_CRL *crl;

	serial_of(7, serial + 2);
	number = d2i_ASN1_INTEGER(NULL, &s, sizeof(serial));
	p = bytes;
	start = now_s();
	crl = d2i_X509_CRL(NULL, &p, (long)len);
	parsed = now_s();
	must(crl != NULL && X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1, "verify");
	verified = now_s();
	must(X509_CRL_get0_by_serial(crl, &hit, number) == 1, "the first look-up");
	found = now_s();
	(void)printf("parse %.4f verify %.4f first_lookup %.4f all %.4f peak %.1f\n",
	    parsed - start, verified - parsed, found - verified, found - start, peak_mb());
	X509_CRL_free(crl);
	ASN1_INTEGER_free(number);
	free(bytes);
	X509_free(ca);
	return 0;
}

int
main(int argc, char **argv)
{
	size_t len;

	if (argc == 4 && strcmp(argv[1], "make") == 0 && atoi(argv[2]) > 0)
		return make((unsigned)atoi(argv[2]), argv[3]);
	if (argc == 3 && strcmp(argv[1], "ours") == 0)
		return ours(argv[2]);
	if (argc == 3 && strcmp(argv[1], "cache") == 0)
		return cache(argv[2]);
	if (argc == 3 && strcmp(argv[1], "openssl") == 0)
		return by_openssl(argv[2]);
	if (argc == 3 && strcmp(argv[1], "base") == 0) {
		free(file_read(argv[2], "list.der", &len));
		(void)printf("peak %.1f\n", peak_mb());
		return 0;
	}
	(void)fprintf(stderr, "usage: crl_ingest make ENTRIES DIR | base|ours|cache|openssl DIR\n");
	return 64;
}
