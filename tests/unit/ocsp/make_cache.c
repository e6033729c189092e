/* SPDX-License-Identifier: ISC */
#include "make_cache.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "make_crl.h"

struct sst_cache *
cache_open_as(const char *dir, int may_write, uint64_t cap, int wait_ms)
{
	const struct sst_cache_config config = { .dir = dir, .may_write = may_write,
	    .size_cap = cap, .wait_ms = wait_ms };
	struct sst_error err = { 0 };
	struct sst_cache *c = NULL;

	if (sst_cache_open(&config, &c, &err) != SST_OK) {
		(void)fprintf(stderr, "%s\n", err.text);
		abort();
	}
	return c;
}

struct sst_cache *
cache_open(const char *dir)
{
	return cache_open_as(dir, 1, 0, 2000);
}

static void
serial_of(int64_t n, struct sst_cert_key *key)
{
	key->serial_len = 8;
	for (int i = 0; i < 8; i++)
		key->serial[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
	key->serial[0] = 0x11;	/* a serial's first octet is not 0 for nothing */
}

struct sst_cert_key
cert_key(int ca, int64_t n)
{
	struct sst_cert_key key = { 0 };

	memset(key.issuer.dn, 0xd0 + ca % 16, 32);
	memcpy(key.issuer.dn, &ca, sizeof(ca));
	memset(key.issuer.spki, 0x50, 32);
	serial_of(n, &key);
	return key;
}

struct sst_cert_facts
cert_facts(int ca, int64_t n)
{
	struct sst_cert_facts f = { .key = cert_key(ca, n), .not_before = PKI_NOW - PKI_DAY,
	    .not_after = CACHE_ENDS };

	return f;
}

struct sst_evidence
says(enum sst_evidence_status status, int reason, int64_t age)
{
	struct sst_evidence e = { .source = SST_SOURCE_OCSP, .status = status,
	    .reason = reason, .covered = SST_REASONS_ALL, .this_update = PKI_NOW - age,
	    .next_update = PKI_NOW - age + PKI_DAY, .produced_at = PKI_NOW - age,
	    .until = PKI_NOW - age + PKI_DAY, .fetched_at = PKI_NOW,
	    .url = "http://ocsp.example/", .text = "said so" };

	if (status == SST_EV_REVOKED)
		e.revoked_at = PKI_NOW - age - 1000;
	return e;
}

int
cache_put(struct sst_cache *c, int ca, int64_t n, const struct sst_evidence *e)
{
	struct sst_cert_key key = cert_key(ca, n);
	struct sst_error err = { 0 };
	int rc = sst_cache_put(c, &key, CACHE_ENDS, e, NULL, 0, PKI_NOW, &err);

	assert_int_equal(err.code, rc);
	return rc;
}

static int
first_of(struct sst_cache *c, const struct sst_cert_facts *f, int strict)
{
	struct sst_evidence list[8];
	struct sst_limits limits;
	int n;

	sst_limits_of(NULL, &limits);
	n = sst_cache_get(c, f, PKI_NOW, &limits, list, 8);
	if (n == SST_E_TIMEOUT) {
		/* after fork() others may be opening it just now */
		sst_cache_settle(c);
		n = sst_cache_get(c, f, PKI_NOW, &limits, list, 8);
	}
	for (int i = 0; i < n; i++) {
		assert_int_equal(list[i].from_cache, 1);
		if (strict && list[i].status == SST_EV_REVOKED)
			return SST_EV_REVOKED;
	}
	return n <= 0 ? n : (int)list[0].status;
}

int
cache_says(struct sst_cache *c, int ca, int64_t n)
{
	struct sst_cert_facts f = cert_facts(ca, n);

	return first_of(c, &f, 0);
}

int
cache_strict(struct sst_cache *c, int ca, int64_t n)
{
	struct sst_cert_facts f = cert_facts(ca, n);

	return first_of(c, &f, 1);
}

struct sst_cert_facts
listed_facts(const struct pki_cert *ca, int64_t n)
{
	struct sst_cert_facts f = cert_facts(0, n);
	struct sst_error err = { 0 };

	if (sst_issuer_id_of(ca->cert, &f.key.issuer, &err) != SST_OK)
		abort();
	return f;
}

int
list_says(struct sst_cache *c, const struct pki_cert *ca, int64_t n)
{
	struct sst_cert_facts f = listed_facts(ca, n);

	return first_of(c, &f, 1);
}

int
list_put(struct sst_cache *c, const struct list *l, struct sst_error *err)
{
	struct make_crl_row *rows = calloc(l->n + 1, sizeof(*rows));
	struct sst_cert_key *keys = calloc(l->n + 1, sizeof(*keys));
	char number[8];
	struct make_crl made = { .issuer = l->ca, .rows = rows, .n_rows = l->n,
	    .number = number, .this_update = PKI_NOW - l->age,
	    .next_update = PKI_NOW - l->age + 7 * PKI_DAY, .extra = l->extra };
	struct sst_crl_signers signers = { .issuer = l->ca->cert };
	struct sst_error bad = { 0 };
	struct sst_limits limits;
	struct sst_crl *crl = NULL;
	enum sst_fault fault;
	struct pki_buf der;
	int rc;

	(void)snprintf(number, sizeof(number), "%02x", l->number == 0 ? 1 : l->number);
	for (size_t i = 0; i < l->n; i++) {
		serial_of(l->serials[i], &keys[i]);
		rows[i].serial = keys[i].serial;
		rows[i].serial_len = keys[i].serial_len;
		if (l->reason == 6)
			rows[i].extra = MAKE_CRL_REASON(6);
	}
	der = make_crl(&made);
	sst_limits_of(NULL, &limits);
	if (sst_crl_open(der.data, der.len, &signers, PKI_NOW, &limits, &crl, &fault,
	    &bad) != SST_OK) {
		(void)fprintf(stderr, "%s\n", bad.text);
		abort();
	}
	rc = sst_cache_put_crl(c, crl, "http://crl.example/a.crl", PKI_NOW, err);
	sst_crl_free(crl);
	pki_buf_free(&der);
	free(rows);
	free(keys);
	return rc;
}

int
cache_world_make(void **state)
{
	struct cache_world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->dir = pki_dir_new();
	w->ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	w->other = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	*state = w;
	return 0;
}

int
cache_world_free(void **state)
{
	struct cache_world *w = *state;

	pki_free(w->other);
	pki_free(w->ca);
	pki_dir_free(w->dir);
	free(w);
	return 0;
}

void
cache_sql(const char *path, const char *text)
{
	sqlite3 *db = NULL;
	char *why = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 2000);
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
