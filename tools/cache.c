/* SPDX-License-Identifier: ISC */
/* cache - see cache.h. */
#include "cache.h"

#include <errno.h>
#include <grp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "load.h"
#include "out.h"

#define HEX_MAX		160

/* As root: takes the uid and gid of the owner, for good. The machine's file was read
 * by then, and nothing is open. */
static int
become_owner(const char *dir)
{
	const char *path = dir != NULL ? dir : SST_CACHE_MACHINE;
	char name[512];
	struct stat st;

	if (geteuid() != 0)
		return 0;
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid == 0)
		return 0;	/* root's own; the library says what is wrong with it */
	if (setgroups(0, NULL) == 0 && setresgid(st.st_gid, st.st_gid, st.st_gid) == 0 &&
	    setresuid(st.st_uid, st.st_uid, st.st_uid) == 0) {
		/* what root has at home is not the owner's */
		(void)unsetenv("HOME");
		(void)unsetenv("XDG_CACHE_HOME");
		(void)unsetenv("XDG_CONFIG_HOME");
		return 0;
	}
	return sst_out_trouble(SST_EXIT_UNAVAILABLE, "cannot become the owner of %s: %s",
	    sst_out_clean(name, sizeof(name), path), strerror(errno));
}

int
sst_cache_checker(const char *dir, int no_fetch, struct sst_checker **ret)
{
	const struct sst_checker_config config = { .cache_dir = dir, .no_fetch = no_fetch };
	struct sst_checker *checker = NULL;
	struct sst_error err = { 0 };
	int rc;

	if (sst_checker_of_machine(&config, &checker, &err) < 0)
		return sst_out_error("cache", &err);
	rc = become_owner(sst_checker_dir(checker));
	if (rc != 0) {
		sst_checker_unref(checker);
		return rc;
	}
	*ret = checker;
	return 0;
}

int
sst_cache_open(const char *dir, struct sst_checker **ret)
{
	return sst_cache_checker(dir, 1, ret);
}

static void
name_hash(X509_NAME *name, unsigned char ret[32])
{
	unsigned char *der = NULL;
	int len = i2d_X509_NAME(name, &der);

	(void)SHA256(der, len > 0 ? (size_t)len : 0, ret);
	OPENSSL_free(der);
}

void
sst_cache_issuer_name(X509 *cert, unsigned char ret[32])
{
	name_hash(X509_get_issuer_name(cert), ret);
}

void
sst_cache_issuer_id(X509 *ca, unsigned char ret[64])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(ca), &der);

	name_hash(X509_get_subject_name(ca), ret);
	(void)SHA256(der, len > 0 ? (size_t)len : 0, ret + 32);
	OPENSSL_free(der);
}

int
sst_cache_cert(const char *path, X509 **ret)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	struct sst_error err = { 0 };
	int rc = SST_E_NOMEM;

	if (certs != NULL)
		rc = sst_load_certs(path, certs, &err);
	if (rc == 0)
		*ret = sk_X509_shift(certs);
	sk_X509_pop_free(certs, X509_free);
	return rc < 0 ? sst_out_error(path, &err) : 0;
}

static char *
hex_of(char out[HEX_MAX], const unsigned char *p, size_t len)
{
	out[0] = '\0';
	for (size_t i = 0; i < len && 2 * i + 2 < HEX_MAX; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", p[i]);
	return out;
}

/* A number without its leading zeros. */
static char *
number_of(char out[HEX_MAX], const unsigned char number[20])
{
	size_t i = 0;

	while (i < 19 && number[i] == 0)
		i++;
	return hex_of(out, number + i, 20 - i);
}

static const char *
state_of(const struct sst_kept *k)
{
	if (strcmp(k->kind, "source") == 0)
		return k->failures > 0 ? "failing" : "ok";
	if (strcmp(k->kind, "crl") == 0 && k->serial_len == 0)
		return k->fresh ? "list" : "old list";
	if (k->verdict == 0)
		return "nothing";
	if (!k->fresh)
		return "stale";
	return sst_verdict_name(k->verdict);
}

static void
print_source(const struct sst_kept *k)
{
	char when[32];

	if (k->failures > 0)
		printf("  %u in a row: %s", k->failures, k->fault);
	if (k->http_status != 0)
		printf("  HTTP %d", k->http_status);
	if (k->last_try != 0)
		printf("  asked %s", sst_out_time(when, (time_t)k->last_try));
	if (k->next_try > 0 && k->failures > 0 && k->next_try < INT64_MAX)
		printf("  again %s", sst_out_time(when, (time_t)k->next_try));
}

static void
print_evidence(const struct sst_kept *k)
{
	char hex[HEX_MAX], when[32];

	if (k->serial_len > 0)
		printf("  serial %s", hex_of(hex, k->serial, k->serial_len));
	if (k->issuer != NULL)
		printf("  issuer %s", hex_of(hex, k->issuer, 8));
	if (k->verdict == SST_VERDICT_REVOKED) {
		printf("  on %s", sst_out_time(when, (time_t)k->revoked_at));
		if (k->reason >= 0)
			printf(" %s", sst_reason_name(k->reason));
	}
	if (strcmp(k->kind, "crl") == 0 && k->serial_len == 0) {
		printf("  %llu revoked", (unsigned long long)k->entries);
		if (k->number != NULL)
			printf("  number %s", number_of(hex, k->number));
		if (k->is_delta)
			printf("  delta");
		if (k->is_partial)
			printf("  of some certificates");
	}
	if (k->until != 0)
		printf("  until %s", sst_out_time(when, (time_t)k->until));
}

void
sst_cache_row_print(const struct sst_kept *k)
{
	char text[1100];

	printf("%-8s %-6s", state_of(k), k->kind);
	if (strcmp(k->kind, "source") == 0)
		print_source(k);
	else
		print_evidence(k);
	if (k->url[0] != '\0')
		printf("  %s", sst_out_clean(text, sizeof(text), k->url));
	putchar('\n');
	if (k->text[0] != '\0')
		printf("         %s\n", sst_out_clean(text, sizeof(text), k->text));
}

static void
json_time(json_t *o, const char *key, int64_t when)
{
	json_object_set_new(o, key, when == 0 ? json_null() : json_integer(when));
}

static void
json_hex(json_t *o, const char *key, const unsigned char *p, size_t len)
{
	char hex[HEX_MAX];

	json_object_set_new(o, key, p == NULL || len == 0 ? json_null() :
	    json_string(hex_of(hex, p, len)));
}

void
sst_cache_row_json(const struct sst_kept *k)
{
	json_t *o = sst_out_object();
	char hex[HEX_MAX];

	json_object_set_new(o, "cache", json_string(k->place));
	json_object_set_new(o, "kind", json_string(k->kind));
	json_object_set_new(o, "state", json_string(state_of(k)));
	json_hex(o, "issuer_name_sha256", k->issuer, 32);
	json_hex(o, "issuer_key_sha256", k->issuer != NULL ? k->issuer + 32 : NULL, 32);
	json_hex(o, "serial", k->serial, k->serial_len);
	json_object_set_new(o, "verdict", k->verdict != 0 ?
	    json_string(sst_verdict_name(k->verdict)) : json_null());
	json_object_set_new(o, "fresh", json_boolean(k->fresh));
	json_object_set_new(o, "reason", k->reason >= 0 ?
	    json_string(sst_reason_name(k->reason)) : json_null());
	json_time(o, "this_update", k->this_update);
	json_time(o, "next_update", k->next_update);
	json_time(o, "until", k->until);
	json_time(o, "revoked_at", k->revoked_at);
	json_time(o, "fetched_at", k->fetched_at);
	json_object_set_new(o, "url", sst_out_string(k->url[0] != '\0' ? k->url : NULL));
	json_object_set_new(o, "text", sst_out_string(k->text[0] != '\0' ? k->text : NULL));
	json_object_set_new(o, "bytes", json_integer((json_int_t)k->bytes));
	json_object_set_new(o, "entries", json_integer((json_int_t)k->entries));
	json_object_set_new(o, "crl_number", k->number != NULL ?
	    json_string(number_of(hex, k->number)) : json_null());
	json_object_set_new(o, "fault", json_string(k->fault));
	json_object_set_new(o, "failures", json_integer((json_int_t)k->failures));
	json_object_set_new(o, "http_status", json_integer(k->http_status));
	json_time(o, "last_try", k->last_try);
	json_time(o, "next_try", k->next_try == INT64_MAX ? 0 : k->next_try);
	sst_out_json(o);
}
