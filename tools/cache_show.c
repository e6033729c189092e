/* SPDX-License-Identifier: ISC */
/*
 * cache_show - sstool cache show: what is kept about one certificate.
 *
 * Of a file with the issuer in it the verdict is told too, with every piece of
 * evidence, lists included; of a serial number alone, what names it.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cache.h"
#include "load.h"
#include "out.h"
#include "verb.h"

#define VERB		"cache show"
#define SERIAL_MAX	64

struct wanted {
	int		 json;
	unsigned char	 serial[SERIAL_MAX];
	size_t		 serial_len;
	const unsigned char *issuer;	/* SHA-256 of the name; NULL: anybody's */
	size_t		 found;
};

static int
digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* "0a1b", "0A:1B". 0: it is not that. */
static int
serial_of(const char *text, struct wanted *ret)
{
	size_t n = 0;

	while (*text != '\0' && n < SERIAL_MAX) {
		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]))
			return 0;
		ret->serial[n++] = (unsigned char)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
		if (text[0] == ':' && text[1] != '\0')
			text++;
	}
	ret->serial_len = n;
	return n > 0 && *text == '\0';
}

static int
on_row(void *arg, const struct sst_kept *k)
{
	struct wanted *w = arg;
	const int is_list = strcmp(k->kind, "crl") == 0 && k->serial_len == 0;

	if (w->issuer != NULL && (k->issuer == NULL || memcmp(k->issuer, w->issuer, 32) != 0))
		return 0;
	if (!(is_list && w->issuer != NULL) && (k->serial_len != w->serial_len ||
	    memcmp(k->serial, w->serial, w->serial_len) != 0))
		return 0;
	w->found++;
	if (w->json)
		sst_cache_row_json(k);
	else
		sst_cache_row_print(k);
	return 0;
}

/* The verdict from what is kept, of a certificate and its issuer. */
static void
print_verdict(struct sst_checker *checker, STACK_OF(X509) *chain, int json)
{
	const struct sst_revocation_policy policy = { .mode = SST_REVOCATION_HARD,
	    .fetch = SST_SWITCH_OFF };
	const struct sst_revocation_result *r;
	struct sst_check *check = NULL;
	const char *const *lines;
	char text[1100];
	json_t *o;
	int n;

	if (sst_check_new(checker, &policy, chain, &check, NULL) < 0)
		return;
	(void)sst_check_now(check, NULL);
	r = sst_check_result(check, 0);
	n = sst_check_reasons(check, 0, &lines);
	if (json) {
		o = sst_out_object();
		json_object_set_new(o, "verdict", json_string(sst_verdict_name(r->verdict)));
		json_object_set_new(o, "why", sst_out_string(r->why));
		sst_out_json(o);
	} else {
		printf("verdict %s: %s\n", sst_verdict_name(r->verdict),
		    sst_out_clean(text, sizeof(text), r->why));
		for (int i = 0; i < n; i++)
			printf("  %s\n", sst_out_clean(text, sizeof(text), lines[i]));
	}
	sst_check_free(check);
}

static int
show(const char *dir, struct wanted *w, STACK_OF(X509) *chain)
{
	struct sst_checker *checker = NULL;
	struct sst_error err = { 0 };
	int rc = sst_cache_open(dir, &checker);

	if (rc == 0 && sk_X509_num(chain) > 1)
		print_verdict(checker, chain, w->json);
	if (rc == 0 && sst_checker_each(checker, on_row, w, &err) < 0)
		rc = sst_out_error("cache", &err);
	sst_checker_unref(checker);
	return rc != 0 ? rc : w->found > 0 ? SST_EXIT_YES : SST_EXIT_NO;
}

static int
show_cert(const char *dir, const char *path, struct wanted *w)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	const ASN1_INTEGER *serial;
	struct sst_error err = { 0 };
	unsigned char name[32];
	int rc;

	if (chain == NULL)
		return sst_out_trouble(SST_EXIT_UNAVAILABLE, "out of memory");
	if (sst_load_certs(path, chain, &err) < 0) {
		rc = sst_out_error(path, &err);
		goto out;
	}
	serial = X509_get0_serialNumber(sk_X509_value(chain, 0));
	/* the content octets as they were encoded: OpenSSL keeps none of them */
	if (i2d_ASN1_INTEGER(serial, NULL) - 2 > SERIAL_MAX) {
		rc = sst_out_trouble(SST_EXIT_CANNOT_TELL, "its serial number is too long");
		goto out;
	}
	unsigned char der[SERIAL_MAX + 4], *at = der;

	w->serial_len = (size_t)i2d_ASN1_INTEGER(serial, &at) - 2;
	memcpy(w->serial, der + 2, w->serial_len);
	sst_cache_issuer_name(sk_X509_value(chain, 0), name);
	w->issuer = name;
	/* a chain of two: the verdict is about the first alone */
	while (sk_X509_num(chain) > 2)
		X509_free(sk_X509_pop(chain));
	rc = show(dir, w, chain);
out:
	sk_X509_pop_free(chain, X509_free);
	return rc;
}

int
sst_verb_cache_show(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct wanted w = { 0 };
	const char *dir = NULL;
	struct stat st;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == 'd')
			dir = optarg;
		else if (c == 'j')
			w.json = 1;
		else
			return sst_out_option(VERB, c, argv);
	}
	if (argc - optind != 1)
		return sst_out_usage(VERB, "one CERT or SERIAL");
	if (strcmp(argv[optind], "-") != 0 && stat(argv[optind], &st) < 0 &&
	    serial_of(argv[optind], &w))
		return show(dir, &w, NULL);
	return show_cert(dir, argv[optind], &w);
}
