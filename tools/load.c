/* SPDX-License-Identifier: ISC */
/* load - see load.h. */
#include "load.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <securesockets/error.h>

#define FILE_MAX	((size_t)256 << 20)

static int __attribute__((format(printf, 3, 4)))
fail(struct sst_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	ERR_clear_error();
	err->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

/* All of an open file. The caller frees *ret. */
static int
read_all(FILE *file, unsigned char **ret, size_t *ret_len, struct sst_error *err)
{
	size_t room = 0, len = 0, got = 1;
	unsigned char *data = NULL, *more;

	while (got > 0) {
		if (len == room) {
			room = room != 0 ? 2 * room : 65536;
			more = room > FILE_MAX ? NULL : realloc(data, room);
			if (more == NULL) {
				free(data);
				return fail(err, SST_E_LIMIT, "too large");
			}
			data = more;
		}
		got = fread(data + len, 1, room - len, file);
		len += got;
	}
	if (ferror(file)) {
		free(data);
		return fail(err, SST_E_SYSTEM, "%s", strerror(errno));
	}
	*ret = data;
	*ret_len = len;
	return SST_OK;
}

static int
read_file(const char *path, unsigned char **ret, size_t *ret_len, struct sst_error *err)
{
	FILE *file;
	int rc;

	if (strcmp(path, "-") == 0)
		return read_all(stdin, ret, ret_len, err);
	file = fopen(path, "re");
	if (file == NULL)
		return fail(err, SST_E_SYSTEM, "%s", strerror(errno));
	rc = read_all(file, ret, ret_len, err);
	(void)fclose(file);
	return rc;
}

/* The length of the SEQUENCE that the bytes begin with; 0: not a whole one. */
static size_t
sequence_len(const unsigned char *p, size_t len)
{
	size_t head = 2, value;

	if (len < 2 || p[0] != 0x30 || p[1] == 0x80)
		return 0;
	value = p[1];
	if (p[1] & 0x80) {
		size_t n = p[1] & 0x7fu;

		if (n > 4 || len < 2 + n)
			return 0;
		value = 0;
		for (size_t i = 0; i < n; i++)
			value = value << 8 | p[2 + i];
		head += n;
	}
	return value <= len - head ? head + value : 0;
}

static int
is_row(const unsigned char *der, size_t len)
{
	size_t one;

	for (size_t at = 0; at < len; at += one) {
		one = sequence_len(der + at, len - at);
		if (one == 0)
			return 0;
	}
	return 1;
}

/* A SEQUENCE's tag is the digit 0, with which a text may begin as well. */
static int
is_der(const unsigned char *p, size_t len)
{
	return len > 1 && p[0] == 0x30 && (p[1] >= 0x80 || is_row(p, len));
}

static int
each_der(const unsigned char *der, size_t len,
    int (*each)(void *arg, const unsigned char *der, size_t len), void *arg)
{
	size_t one;
	int rc = 0;

	if (!is_row(der, len))
		return each(arg, der, len);
	for (size_t at = 0; rc == 0 && at < len; at += one) {
		one = sequence_len(der + at, len - at);
		rc = each(arg, der + at, one);
	}
	return rc;
}

/* Whether PEM's `name` is what `label` stands for. */
static int
is_called(const char *name, const char *label)
{
	return strcmp(name, label) == 0 || (strcmp(label, PEM_STRING_X509) == 0 &&
	    strcmp(name, PEM_STRING_X509_OLD) == 0);
}

static int
each_pem(const unsigned char *text, size_t len, const char *label,
    int (*each)(void *arg, const unsigned char *der, size_t len), void *arg,
    struct sst_error *err)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	char *name, *header;
	unsigned char *der;
	int rc = 0, found = 0;
	long der_len;

	if (bio == NULL)
		return fail(err, SST_E_NOMEM, "out of memory");
	while (rc == 0 && PEM_read_bio(bio, &name, &header, &der, &der_len) == 1) {
		if (is_called(name, label)) {
			rc = each(arg, der, (size_t)der_len);
			found = 1;
		}
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)der_len);	/* may be a key */
	}
	BIO_free(bio);
	if (rc == 0 && ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE &&
	    ERR_peek_last_error() != 0)
		return fail(err, SST_E_MALFORMED, "broken PEM");
	ERR_clear_error();
	if (rc == 0 && !found)
		return fail(err, SST_E_NOT_FOUND, "no %s in it", label);
	return rc;
}

int
sst_load_each(const char *path, const char *label,
    int (*each)(void *arg, const unsigned char *der, size_t len), void *arg,
    struct sst_error *err)
{
	static const char begin[] = "-----BEGIN ";
	unsigned char *data = NULL;
	size_t len = 0;
	int rc = read_file(path, &data, &len, err);

	if (rc < 0)
		return rc;
	if (len == 0)
		rc = fail(err, SST_E_NOT_FOUND, "it is empty");
	else if (!is_der(data, len) && memmem(data, len, begin, sizeof(begin) - 1) != NULL)
		rc = each_pem(data, len, label, each, arg, err);
	else if (data[0] != 0x30)
		rc = fail(err, SST_E_NOT_FOUND, "neither PEM nor DER");
	else
		rc = each_der(data, len, each, arg);
	OPENSSL_cleanse(data, len);
	free(data);
	return rc;
}

static int
take_cert(void *arg, const unsigned char *der, size_t len)
{
	STACK_OF(X509) *to = arg;
	const unsigned char *end = der;
	X509 *cert = d2i_X509(NULL, &end, (long)len);

	if (cert == NULL || end != der + len) {
		X509_free(cert);
		return SST_E_MALFORMED;
	}
	if (sk_X509_push(to, cert) <= 0) {
		X509_free(cert);
		return SST_E_NOMEM;
	}
	return 0;
}

int
sst_load_certs(const char *path, STACK_OF(X509) *to, struct sst_error *err)
{
	const int before = sk_X509_num(to);
	int rc;

	err->code = SST_OK;
	rc = sst_load_each(path, PEM_STRING_X509, take_cert, to, err);
	if (rc == SST_E_MALFORMED && err->code == SST_OK)
		return fail(err, rc, "certificate %d of it does not parse",
		    sk_X509_num(to) - before + 1);
	if (rc < 0 && err->code == SST_OK)
		return fail(err, rc, "out of memory");
	return rc;
}
