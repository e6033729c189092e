/* SPDX-License-Identifier: ISC */
/*
 * cache_lookup DIR [LEAVES [LISTED]] - what a look-up in the cache's file costs.
 *
 * LEAVES (default 10000) certificates of one issuer with an answer each, asked for
 * in random order, from one thread: nothing is in front of SQLite. Then the same
 * number that have no answer of their own but a list of LISTED serials (default
 * 10000) of their issuer; then what nobody knows. Prints microseconds a certificate,
 * the median of five runs. DIR is an empty directory on a real disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ocsp/cache.h"
#include "unit/ocsp/make_crl.h"

#define RUNS	5

static double
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "cache_lookup: %s\n", what);
	exit(1);
}

static void
serial_of(uint64_t n, struct sst_cert_key *key)
{
	key->serial_len = 16;
	memset(key->serial, 0x2a, sizeof(key->serial));
	memcpy(key->serial + 1, &n, sizeof(n));
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Asks for n certificates from `first` on, in random order; each must answer. */
static void
ask(struct sst_cache *c, const char *what, struct sst_cert_facts *f, uint64_t first, size_t n,
    int status)
{
	struct sst_evidence list[8];
	struct sst_limits limits;
	double us[RUNS], start;
	uint64_t *order = malloc(n * sizeof(*order)), at, swap;
	int got;

	must(order != NULL, "out of memory");
	sst_limits_of(NULL, &limits);
	for (size_t i = 0; i < n; i++)
		order[i] = first + i;
	for (int run = 0; run < RUNS; run++) {
		for (size_t i = n - 1; i > 0; i--) {
			at = (uint64_t)random() % (i + 1);
			swap = order[i];
			order[i] = order[at];
			order[at] = swap;
		}
		start = now_us();
		for (size_t i = 0; i < n; i++) {
			serial_of(order[i], &f->key);
			got = sst_cache_get(c, f, PKI_NOW, &limits, list, 8);
			must(status == 0 ? got == 0 : got >= 1 &&
			    (int)list[0].status == status, "a wrong answer");
		}
		us[run] = (now_us() - start) / (double)n;
	}
	qsort(us, RUNS, sizeof(us[0]), by_value);
	(void)printf("%s %.1f us\n", what, us[RUNS / 2]);
	free(order);
}

static void
list_put(struct sst_cache *c, const struct pki_cert *ca, size_t n)
{
	struct make_crl_row *rows = calloc(n + 1, sizeof(*rows));
	struct sst_cert_key *keys = calloc(n + 1, sizeof(*keys));
	struct sst_crl_signers signers = { .issuer = ca->cert };
	struct sst_error err = { 0 };
	struct sst_limits limits;
	struct sst_crl *crl = NULL;
	enum sst_fault fault;
	struct pki_buf der;

	must(rows != NULL && keys != NULL, "out of memory");
	for (size_t i = 0; i < n; i++) {
		serial_of(((uint64_t)1 << 40) + i, &keys[i]);
		rows[i].serial = keys[i].serial;
		rows[i].serial_len = keys[i].serial_len;
	}
	der = make_crl(&(struct make_crl){ .issuer = ca, .rows = rows, .n_rows = n });
	sst_limits_of(NULL, &limits);
	must(sst_crl_open(der.data, der.len, &signers, PKI_NOW, &limits, &crl, &fault,
	    &err) == SST_OK, err.text);
	must(sst_cache_put_crl(c, crl, "http://crl.example/", PKI_NOW, &err) == SST_OK,
	    err.text);
	sst_crl_free(crl);
	pki_buf_free(&der);
	free(rows);
	free(keys);
}

int
main(int argc, char **argv)
{
	struct sst_cache_config config = { .dir = argc > 1 ? argv[1] : NULL, .may_write = 1,
	    .size_cap = (uint64_t)1 << 30, .wait_ms = 1000 };
	size_t leaves = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;
	size_t listed = argc > 3 ? strtoul(argv[3], NULL, 10) : 10000;
	struct pki_cert *ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	struct sst_cert_facts f = { .not_after = PKI_NOW + 90 * PKI_DAY };
	struct sst_evidence good = { .source = SST_SOURCE_OCSP, .status = SST_EV_GOOD,
	    .reason = -1, .covered = SST_REASONS_ALL, .this_update = PKI_NOW - 3600,
	    .next_update = PKI_NOW + PKI_DAY, .until = PKI_NOW + PKI_DAY,
	    .fetched_at = PKI_NOW, .url = "http://ocsp.example/" };
	struct sst_error err = { 0 };
	struct sst_cache *c = NULL;
	char der[500] = { 0 };
	double start;

	must(config.dir != NULL && leaves > 0, "usage: cache_lookup DIR [LEAVES [LISTED]]");
	must(sst_cache_open(&config, &c, &err) == SST_OK, err.text);
	must(sst_cache_mode(c) == SST_CACHE_WRITER, sst_cache_why(c));
	start = now_us();
	for (size_t i = 0; i < leaves; i++) {
		serial_of(i, &f.key);
		must(sst_cache_put(c, &f.key, f.not_after, &good, der, sizeof(der), PKI_NOW,
		    &err) == SST_OK, err.text);
	}
	(void)printf("put of an answer %.1f us\n", (now_us() - start) / (double)leaves);
	ask(c, "look-up of an answer", &f, 0, leaves, SST_EV_GOOD);
	ask(c, "look-up of what nobody knows", &f, (uint64_t)1 << 50, leaves, 0);
	must(sst_issuer_id_of(ca->cert, &f.key.issuer, &err) == SST_OK, err.text);
	list_put(c, ca, listed);
	ask(c, "look-up in a list, not listed", &f, 0, leaves, SST_EV_GOOD);
	ask(c, "look-up in a list, listed", &f, (uint64_t)1 << 40,
	    leaves < listed ? leaves : listed, SST_EV_REVOKED);
	sst_cache_close(c);
	pki_free(ca);
	return 0;
}
