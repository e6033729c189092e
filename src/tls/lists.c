/* SPDX-License-Identifier: ISC */
#include "lists.h"

#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "ocsp/given.h"

struct list {
	struct list	*next;
	struct sst_given *given;
};

struct sst_lists {
	atomic_int	 refs;
	struct sst_lists *before;	/* referenced */
	size_t		 total;		/* octets, with those before */
	struct list	*list;
};

struct sst_lists *
sst_lists_ref(struct sst_lists *l)
{
	(void)atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
	return l;
}

void
sst_lists_unref(struct sst_lists *l)
{
	struct sst_lists *before;
	struct list *one;

	for (; l != NULL && atomic_fetch_sub(&l->refs, 1) == 1; l = before) {
		before = l->before;
		while ((one = l->list) != NULL) {
			l->list = one->next;
			sst_given_unref(one->given);
			free(one);
		}
		free(l);
	}
}

static int
take(struct sst_lists *l, const unsigned char *der, size_t len, struct sst_error *err)
{
	struct list *one = calloc(1, sizeof(*one));
	int rc;

	if (one == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	rc = sst_given_new(der, len, &one->given, err);
	if (rc < 0) {
		free(one);
		return rc;
	}
	one->next = l->list;
	l->list = one;
	return SST_OK;
}

static int
wrong(struct sst_error *err)
{
	ERR_clear_error();
	return sst_fail(err, SST_E_MALFORMED, "not certificate revocation lists in PEM "
	    "or DER");
}

/* SEQUENCE after SEQUENCE, to the end. */
static int
take_der(struct sst_lists *l, const unsigned char *bytes, size_t len,
    struct sst_error *err)
{
	const unsigned char *end = bytes + len, *at = bytes, *body;
	long body_len;
	int tag, class, flags, rc = SST_OK;

	while (at < end && rc == SST_OK) {
		body = at;
		flags = ASN1_get_object(&body, &body_len, &tag, &class, (long)(end - at));
		/* 0x80: an error; bit 0: of indefinite length, which is not DER. */
		if ((flags & 0x81) != 0 || tag != V_ASN1_SEQUENCE ||
		    class != V_ASN1_UNIVERSAL || body_len > end - body)
			return wrong(err);
		rc = take(l, at, (size_t)(body - at) + (size_t)body_len, err);
		at = body + body_len;
	}
	return rc;
}

static int
take_pem(struct sst_lists *l, const void *bytes, size_t len, struct sst_error *err)
{
	BIO *bio = BIO_new_mem_buf(bytes, (int)len);
	char *name = NULL, *header = NULL;
	unsigned char *der = NULL;
	long der_len = 0;
	int rc = bio == NULL ? sst_fail(err, SST_E_NOMEM, "out of memory") : SST_OK;

	while (rc == SST_OK && PEM_read_bio(bio, &name, &header, &der, &der_len)) {
		if (strcmp(name, PEM_STRING_X509_CRL) == 0)
			rc = take_der(l, der, (size_t)der_len, err);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_free(der);
	}
	if (rc == SST_OK && (ERR_GET_REASON(ERR_peek_last_error()) !=
	    PEM_R_NO_START_LINE || l->list == NULL))
		rc = wrong(err);
	ERR_clear_error();
	BIO_free(bio);
	return rc;
}

int
sst_lists_with(struct sst_lists *old, const void *bytes, size_t len,
    struct sst_lists **ret, struct sst_error *err)
{
	const size_t before = old != NULL ? old->total : 0;
	struct sst_lists *l;
	int rc;

	if (len == 0)
		return wrong(err);
	if (len > SST_LISTS_MAX || before + len > SST_LISTS_MAX)
		return sst_fail(err, SST_E_LIMIT, "revocation lists of more than %u MiB",
		    SST_LISTS_MAX >> 20);
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&l->refs, 1);
	l->before = old != NULL ? sst_lists_ref(old) : NULL;
	l->total = before + len;
	ERR_clear_error();
	rc = *(const unsigned char *)bytes == 0x30 ? take_der(l, bytes, len, err) :
	    take_pem(l, bytes, len, err);
	if (rc < 0) {
		sst_lists_unref(l);
		return rc;
	}
	*ret = l;
	return SST_OK;
}

int
sst_lists_each(const struct sst_lists *l,
    int (*each)(void *arg, struct sst_given *), void *arg)
{
	int rc = 0;

	for (; l != NULL; l = l->before)
		for (const struct list *one = l->list; one != NULL && rc == 0;
		    one = one->next)
			rc = each(arg, one->given);
	return rc;
}

struct der_wish {
	int	(*each)(void *arg, const void *der, size_t len);
	void	*arg;
};

static int
each_der(void *arg, struct sst_given *list)
{
	const struct der_wish *wish = arg;
	size_t len;
	const void *der = sst_given_bytes(list, &len);

	return wish->each(wish->arg, der, len);
}

int
sst_lists_each_der(const struct sst_lists *l,
    int (*each)(void *arg, const void *der, size_t len), void *arg)
{
	struct der_wish wish = { .each = each, .arg = arg };

	return sst_lists_each(l, each_der, &wish);
}
