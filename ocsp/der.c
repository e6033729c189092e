/* SPDX-License-Identifier: ISC */
/*
 * der - see der.h.
 */
#include "der.h"

#include <string.h>

#include <securesockets/error.h>

void
sst_der_init(struct sst_der *in, const void *bytes, size_t len)
{
	in->p = bytes;
	in->end = in->p + len;
}

void
sst_der_into(struct sst_der *in, const struct sst_der_item *item)
{
	in->p = item->content;
	in->end = item->content + item->len;
}

int
sst_der_done(const struct sst_der *in)
{
	return in->p == in->end;
}

int
sst_der_peek(const struct sst_der *in)
{
	return in->p == in->end ? -1 : *in->p;
}

/* The length after a tag; `left` > 0. Returns its octets (1 to 5), 0 when it is no
 * DER. */
static size_t
length_of(const uint8_t *p, size_t left, size_t *ret)
{
	size_t value = 0, n;

	if (p[0] < 0x80) {
		*ret = p[0];
		return 1;
	}
	n = p[0] & 0x7fu;
	if (n == 0 || n > 4 || left < 1 + n || p[1] == 0)
		return 0;	/* indefinite, absurd, cut off, not the shortest */
	for (size_t i = 1; i <= n; i++)
		value = value << 8 | p[i];
	if (value < 0x80)
		return 0;
	*ret = value;
	return 1 + n;
}

int
sst_der_next(struct sst_der *in, struct sst_der_item *ret)
{
	size_t left = (size_t)(in->end - in->p), octets, len;

	if (left < 2 || (in->p[0] & 0x1f) == 0x1f)
		return SST_E_MALFORMED;
	octets = length_of(in->p + 1, left - 1, &len);
	if (octets == 0 || len > left - 1 - octets)
		return SST_E_MALFORMED;
	ret->tag = in->p[0];
	ret->content = in->p + 1 + octets;
	ret->len = len;
	ret->whole = in->p;
	ret->whole_len = 1 + octets + len;
	in->p += ret->whole_len;
	return SST_OK;
}

int
sst_der_expect(struct sst_der *in, uint8_t tag, struct sst_der_item *ret)
{
	if (sst_der_peek(in) != tag)
		return SST_E_MALFORMED;
	return sst_der_next(in, ret);
}

int
sst_der_enter(struct sst_der *in, uint8_t tag, struct sst_der *ret_inner)
{
	struct sst_der_item item;
	int rc = sst_der_expect(in, tag, &item);

	if (rc < 0)
		return rc;
	sst_der_into(ret_inner, &item);
	return SST_OK;
}

int
sst_der_maybe(struct sst_der *in, uint8_t tag, struct sst_der_item *ret)
{
	int rc;

	if (sst_der_peek(in) != tag)
		return 0;
	rc = sst_der_next(in, ret);
	return rc < 0 ? rc : 1;
}

int
sst_der_maybe_enter(struct sst_der *in, uint8_t tag, struct sst_der *ret_inner)
{
	struct sst_der_item item;
	int rc = sst_der_maybe(in, tag, &item);

	if (rc <= 0)
		return rc;
	sst_der_into(ret_inner, &item);
	return 1;
}

int
sst_der_boolean(const struct sst_der_item *item, int *ret)
{
	if (item->len != 1 || (item->content[0] != 0 && item->content[0] != 0xff))
		return SST_E_MALFORMED;
	*ret = item->content[0] != 0;
	return SST_OK;
}

int
sst_der_integer(const struct sst_der_item *item)
{
	const uint8_t *p = item->content;

	if (item->len == 0)
		return SST_E_MALFORMED;
	if (item->len > 1 && ((p[0] == 0x00 && p[1] < 0x80) || (p[0] == 0xff && p[1] >= 0x80)))
		return SST_E_MALFORMED;
	return SST_OK;
}

int
sst_der_small(const struct sst_der_item *item, int *ret)
{
	uint32_t value = 0;

	if (sst_der_integer(item) < 0 || item->len > 4 || item->content[0] >= 0x80)
		return SST_E_MALFORMED;
	for (size_t i = 0; i < item->len; i++)
		value = value << 8 | item->content[i];
	*ret = (int)value;
	return SST_OK;
}

int
sst_der_octets(const struct sst_der_item *item, const uint8_t **ret, size_t *ret_len)
{
	if (item->len == 0 || item->content[0] != 0)
		return SST_E_MALFORMED;
	*ret = item->content + 1;
	*ret_len = item->len - 1;
	return SST_OK;
}

int
sst_der_bits(const struct sst_der_item *item, uint32_t *ret)
{
	uint32_t value = 0;
	unsigned unused;

	if (item->len == 0 || item->len > 5 || item->content[0] > 7)
		return SST_E_MALFORMED;
	unused = item->content[0];
	if (item->len == 1) {
		if (unused != 0)
			return SST_E_MALFORMED;
		*ret = 0;
		return SST_OK;
	}
	/* The last bit that counts is a one; those after it are zero. */
	if ((item->content[item->len - 1] & ((2u << unused) - 1)) != 1u << unused)
		return SST_E_MALFORMED;
	for (size_t i = 0; i < (item->len - 1) * 8; i++)
		if (item->content[1 + i / 8] & 0x80 >> i % 8)
			value |= UINT32_C(1) << i;
	*ret = value;
	return SST_OK;
}

int
sst_der_is_oid(const struct sst_der_item *item, const void *oid, size_t len)
{
	return item->tag == SST_DER_OID && item->len == len &&
	    memcmp(item->content, oid, len) == 0;
}

int
sst_der_extension(struct sst_der *in, struct sst_der_extension *ret)
{
	struct sst_der_extension found = { .critical = 0 };
	struct sst_der_item item;
	struct sst_der cursor = *in, inner;
	int rc;

	if (sst_der_enter(&cursor, SST_DER_SEQUENCE, &inner) < 0 ||
	    sst_der_expect(&inner, SST_DER_OID, &found.oid) < 0)
		return SST_E_MALFORMED;
	rc = sst_der_maybe(&inner, SST_DER_BOOLEAN, &item);
	if (rc < 0 || (rc == 1 && (sst_der_boolean(&item, &found.critical) < 0 ||
	    !found.critical)))
		return SST_E_MALFORMED;
	if (sst_der_expect(&inner, SST_DER_OCTET_STRING, &item) < 0 || !sst_der_done(&inner))
		return SST_E_MALFORMED;
	found.value = item.content;
	found.len = item.len;
	*ret = found;
	*in = cursor;
	return SST_OK;
}
