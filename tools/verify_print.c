/* SPDX-License-Identifier: ISC */
/* verify_print - the answer as text and as JSON; see verify.h. */
#include "verify.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

static const char *const result_names[] = { "accept", "reject", "error" };

/* What is said of one certificate of the chain; the anchor and what nobody judged
 * included. */
static struct sst_revocation_result
finding(const struct sst_answer *a, int depth)
{
	struct sst_revocation_result r = { .verdict = SST_VERDICT_UNKNOWN, .reason = -1 };
	const int last = sk_X509_num(a->chain) - 1;

	if (a->not_judged != NULL || a->check == NULL) {
		(void)snprintf(r.why, sizeof(r.why), "%s", a->not_judged != NULL ?
		    a->not_judged : "not judged: it did not come to that");
		return r;
	}
	if (depth < sst_check_count(a->check)) {
		r = *sst_check_result(a->check, depth);
		if (r.why[0] == '\0' && r.verdict == 0) {
			r.verdict = SST_VERDICT_UNKNOWN;
			(void)snprintf(r.why, sizeof(r.why),
			    "not judged: it did not come to that");
		}
		return r;
	}
	r.verdict = SST_VERDICT_EXEMPT;
	r.accepted = 1;
	(void)snprintf(r.why, sizeof(r.why), "%s", last == 0 ?
	    "it is a trust anchor itself" : "it is the trust anchor");
	return r;
}

static void
subject_of(X509 *cert, char out[512])
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;

	out[0] = '\0';
	if (bio != NULL && X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0,
	    XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) >= 0 && BIO_write(bio, "", 1) == 1) {
		(void)BIO_get_mem_data(bio, &text);
		(void)sst_out_clean(out, 512, text);
	}
	BIO_free(bio);
}

/* Lower-case hex, two digits an octet; the caller frees it with free(). */
static char *
serial_of(X509 *cert)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = n != NULL ? BN_bn2hex(n) : NULL, *copy = NULL;

	if (hex != NULL)
		copy = strdup(hex);
	for (char *p = copy; p != NULL && *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'F')
			*p = (char)(*p - 'A' + 'a');
	OPENSSL_free(hex);
	BN_free(n);
	return copy;
}

/* Where the evidence that decided was found. */
static const char *
source_of(const struct sst_revocation_result *r)
{
	if (r->source == SST_SOURCE_NONE)
		return "none";
	return r->from_cache ? "cache" : sst_source_name(r->source);
}

/* Evidence of one certificate, one line each. */
static int
lines_of(const struct sst_answer *a, int depth, const char *const **ret)
{
	if (a->check == NULL || depth >= sst_check_count(a->check))
		return 0;
	return sst_check_reasons(a->check, depth, ret);
}

static json_t *
cert_json(const struct sst_question *q, const struct sst_answer *a, int depth)
{
	const struct sst_revocation_result r = finding(a, depth);
	X509 *cert = sk_X509_value(a->chain, depth);
	json_t *o = json_object(), *array;
	const char *const *lines;
	char subject[512], *serial = serial_of(cert);
	int n;

	subject_of(cert, subject);
	json_object_set_new(o, "subject", json_string(subject));
	json_object_set_new(o, "serial", json_string(serial != NULL ? serial : ""));
	free(serial);
	json_object_set_new(o, "verdict", json_string(sst_verdict_name(r.verdict)));
	json_object_set_new(o, "why", sst_out_string(r.why));
	json_object_set_new(o, "source", json_string(source_of(&r)));
	json_object_set_new(o, "url", sst_out_string(r.url));
	json_object_set_new(o, "accepted", json_boolean(r.accepted));
	json_object_set_new(o, "this_update", json_integer(r.this_update));
	json_object_set_new(o, "next_update", json_integer(r.next_update));
	json_object_set_new(o, "revoked_at", json_integer(r.revoked_at));
	json_object_set_new(o, "revocation_reason",
	    json_string(r.verdict == SST_VERDICT_REVOKED ? sst_reason_name(r.reason) : ""));
	if (!q->explain)
		return o;
	array = json_array();
	n = lines_of(a, depth, &lines);
	for (int i = 0; i < n; i++)
		json_array_append_new(array, sst_out_string(lines[i]));
	json_object_set_new(o, "evidence", array);
	return o;
}

static void
print_json(const struct sst_question *q, const struct sst_answer *a)
{
	json_t *o = sst_out_object(), *array = json_array();

	json_object_set_new(o, "result", json_string(result_names[a->result]));
	json_object_set_new(o, "reason", sst_out_string(a->reason));
	for (int i = 0; i < sk_X509_num(a->chain); i++)
		json_array_append_new(array, cert_json(q, a, i));
	json_object_set_new(o, "chain", array);
	if (q->explain)
		json_object_set_new(o, "cache", sst_out_string(a->checker != NULL ?
		    sst_checker_cache(a->checker) : NULL));
	sst_out_json(o);
}

static void
print_times(const struct sst_revocation_result *r)
{
	char from[32], until[32];

	if (r->source == SST_SOURCE_NONE || r->this_update == 0)
		return;
	printf("          %s%s%s, of %s", source_of(r), r->url[0] != '\0' ? " " : "", r->url,
	    sst_out_time(from, (time_t)r->this_update));
	if (r->next_update != 0)
		printf(" to %s", sst_out_time(until, (time_t)r->next_update));
	putchar('\n');
}

static void
print_cert(const struct sst_question *q, const struct sst_answer *a, int depth)
{
	const struct sst_revocation_result r = finding(a, depth);
	X509 *cert = sk_X509_value(a->chain, depth);
	const char *const *lines;
	char subject[512], why[600], *serial = serial_of(cert);
	int n = q->explain ? lines_of(a, depth, &lines) : 0;

	subject_of(cert, subject);
	printf("%-9s %s  serial %s: %s\n", sst_verdict_name(r.verdict), subject,
	    serial != NULL ? serial : "?", sst_out_clean(why, sizeof(why), r.why));
	free(serial);
	if (!q->explain)
		return;
	print_times(&r);
	for (int i = 0; i < n; i++)
		printf("          - %s\n", sst_out_clean(why, sizeof(why), lines[i]));
}

void
sst_answer_usage(void)
{
	json_t *o = sst_out_object();

	json_object_set_new(o, "result", json_string("error"));
	json_object_set_new(o, "reason", sst_out_string(sst_out_complaint()));
	json_object_set_new(o, "chain", json_array());
	sst_out_json(o);
}

void
sst_answer_print(const struct sst_question *q, const struct sst_answer *a)
{
	char text[sizeof(a->reason) * 2], cache[2048];

	if (q->json) {
		print_json(q, a);
		return;
	}
	if (a->result == SST_ANSWER_ERROR)
		sst_out_trouble(0, "%s", sst_out_clean(text, sizeof(text), a->reason));
	else
		printf("%s: %s\n", result_names[a->result],
		    sst_out_clean(text, sizeof(text), a->reason));
	for (int i = 0; i < sk_X509_num(a->chain); i++)
		print_cert(q, a, i);
	if (q->explain && a->checker != NULL)
		printf("cache: %s\n", sst_out_clean(cache, sizeof(cache),
		    sst_checker_cache(a->checker)));
}
