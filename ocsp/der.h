/* SPDX-License-Identifier: ISC */
/*
 * der - a reader of strict DER (X.690 10), over bytes that somebody else owns.
 *
 *	struct sst_der in;		the list
 *	struct sst_der_item item;
 *
 *	sst_der_init(&in, bytes, len);
 *	if (sst_der_enter(&in, SST_DER_SEQUENCE, &inner) < 0 || !sst_der_done(&in))
 *		return SST_E_MALFORMED;
 *
 * certkey.c, response.c and crl.c walk with it. This is a low-level primitive:
 * it knows tags and lengths, and a few types that need rules.
 *
 * Always true:
 *   1. Lengths are definite, minimal and within what is left; tags are of one
 *      octet (no number above 30).
 *   2. A call that fails leaves cursor and result as they were.
 *   3. Nothing is copied or allocated; a result points into the bytes.
 * Threads: pure.
 */
#ifndef SST_OCSP_DER_H
#define SST_OCSP_DER_H

#include <stddef.h>
#include <stdint.h>

/* Identifier octets, constructed bit included. */
#define SST_DER_BOOLEAN		0x01
#define SST_DER_INTEGER		0x02
#define SST_DER_BIT_STRING	0x03
#define SST_DER_OCTET_STRING	0x04
#define SST_DER_NULL		0x05
#define SST_DER_OID		0x06
#define SST_DER_ENUMERATED	0x0a
#define SST_DER_SEQUENCE	0x30
#define SST_DER_SET		0x31
#define SST_DER_CONTEXT(n)	(0x80 | (n))	/* [n] IMPLICIT of a primitive */
#define SST_DER_EXPLICIT(n)	(0xa0 | (n))	/* [n] EXPLICIT, or of a constructed */

struct sst_der {
	const uint8_t	*p, *end;
};

struct sst_der_item {
	uint8_t		 tag;
	const uint8_t	*content;
	size_t		 len;
	const uint8_t	*whole;		/* with tag and length */
	size_t		 whole_len;
};

void	sst_der_init(struct sst_der *, const void *bytes, size_t len);
/* A cursor over the content of an item. */
void	sst_der_into(struct sst_der *, const struct sst_der_item *);
/* 1: nothing is left. */
int	sst_der_done(const struct sst_der *);
/* The next item's tag, or -1 at the end. */
int	sst_der_peek(const struct sst_der *);

/* 0 or SST_E_MALFORMED, each: the next item whatever it is; one of this tag; one
 * of this tag, opened. */
int	sst_der_next(struct sst_der *, struct sst_der_item *ret);
int	sst_der_expect(struct sst_der *, uint8_t tag, struct sst_der_item *ret);
int	sst_der_enter(struct sst_der *, uint8_t tag, struct sst_der *ret_inner);
/* For OPTIONAL. 1: it was there; 0: another tag, or the end; < 0: malformed. */
int	sst_der_maybe(struct sst_der *, uint8_t tag, struct sst_der_item *ret);
int	sst_der_maybe_enter(struct sst_der *, uint8_t tag, struct sst_der *ret_inner);

/* Types. 0 or SST_E_MALFORMED; the tag was looked at already. */
int	sst_der_boolean(const struct sst_der_item *, int *ret);	/* 00 or ff */
int	sst_der_integer(const struct sst_der_item *);		/* shortest form? */
/* Of INTEGER or ENUMERATED: not negative, at most 31 bits. */
int	sst_der_small(const struct sst_der_item *, int *ret);
/* A BIT STRING of whole octets. */
int	sst_der_octets(const struct sst_der_item *, const uint8_t **ret, size_t *ret_len);
/* A named-bit list of at most 32 bits: bit n of *ret is bit n of the list (bit 0
 * is the first octet's 0x80). Trailing zero bits are refused (X.690 11.2.2). */
int	sst_der_bits(const struct sst_der_item *, uint32_t *ret);
/* 1: the item is this OBJECT IDENTIFIER (content octets). */
int	sst_der_is_oid(const struct sst_der_item *, const void *oid, size_t len);

/*
 * Extension ::= SEQUENCE { OID, critical BOOLEAN DEFAULT FALSE, OCTET STRING },
 * the next one of a list of extensions. A critical that says FALSE is no DER.
 */
struct sst_der_extension {
	struct sst_der_item oid;
	int		 critical;
	const uint8_t	*value;
	size_t		 len;
};
int	sst_der_extension(struct sst_der *, struct sst_der_extension *ret);

#endif
