/* SPDX-License-Identifier: ISC */
/*
 * service_wire - what is said between the machine's cache service and who asks it.
 *
 *	ask	head, certificate, issuer, issuer's issuer (DER each, the last may be
 *		empty)
 *	answer	head, then pieces of evidence, or the text of a refusal
 *
 * One message is one SOCK_SEQPACKET packet, so that half of one cannot be waited
 * for. A request names no URL: which sources are asked is read from certificates
 * that the service verified.
 *
 * Always true:
 *   1. Nothing is believed that does not start with magic, version and lengths that
 *      add up to the packet. Another version is answered with a text.
 *   2. Nothing is allocated; what is unpacked points into the packet, or is a value.
 * Threads: pure.
 */
#ifndef SST_OCSP_SERVICE_WIRE_H
#define SST_OCSP_SERVICE_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "certkey.h"
#include "evidence.h"

#define SST_SERVICE_MAGIC	0x31435353u	/* "SSC1" */
#define SST_SERVICE_VERSION	1
#define SST_SERVICE_PARTS	3
#define SST_SERVICE_PART_MAX	65536
#define SST_SERVICE_PIECES	16		/* of evidence in one answer */

enum sst_service_verb { SST_SERVICE_ASK = 1, SST_SERVICE_ANSWER = 2 };

/* Bits of an ask. */
#define SST_SERVICE_LEAF	1u	/* the certificate is the leaf of its chain */
#define SST_SERVICE_NO_OCSP	2u	/* who asks uses none of these */
#define SST_SERVICE_NO_CRL	4u

struct sst_service_head {
	uint32_t	magic;
	uint16_t	version;
	uint16_t	verb;
	uint32_t	id;		/* the asker's; the answer repeats it */
	int32_t		a;		/* ask: milliseconds that it may take; answer: SST_OK
					   or SST_E_* */
	uint32_t	b;		/* ask: bits; answer: pieces */
	uint32_t	length[SST_SERVICE_PARTS];	/* answer: the first alone */
};

#define SST_SERVICE_ASK_MAX \
	(sizeof(struct sst_service_head) + (size_t)SST_SERVICE_PARTS * SST_SERVICE_PART_MAX)
#define SST_SERVICE_ANSWER_MAX	(sizeof(struct sst_service_head) + 20000)

struct sst_service_ask {
	uint32_t	 id;
	int		 budget_ms;
	unsigned	 bits;
	struct { const uint8_t *der; size_t len; } part[SST_SERVICE_PARTS];
};

struct sst_service_answer {
	uint32_t	 id;
	int		 code;
	char		 text[256];	/* when code < 0; escaped */
	struct sst_evidence list[SST_SERVICE_PIECES];
	size_t		 n;
};

/* Octets used; 0: a part is too long, or too much for `size`. */
size_t	sst_service_ask_pack(const struct sst_service_ask *, void *out, size_t size);
/* SST_E_MALFORMED, SST_E_LIMIT, SST_E_UNSUPPORTED (another version). The id is set
 * where there is one, so that the refusal can be told. */
int	sst_service_ask_unpack(const void *, size_t, struct sst_service_ask *ret,
	    struct sst_error *err);
/* `key` is whom the pieces are about. Octets used. */
size_t	sst_service_answer_pack(const struct sst_service_answer *,
	    const struct sst_cert_key *key, uint8_t out[SST_SERVICE_ANSWER_MAX]);
/* SST_E_MISMATCH: it is about another certificate. */
int	sst_service_answer_unpack(const void *, size_t, const struct sst_cert_key *key,
	    struct sst_service_answer *ret, struct sst_error *err);

#endif
