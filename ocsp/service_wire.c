/* SPDX-License-Identifier: ISC */
/* service_wire - see service_wire.h. */
#include "service_wire.h"

#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "evidence_row.h"

#define PIECE_HEAD	4	/* its length, its fault: two octets each */

_Static_assert(SST_SERVICE_PIECES * (SST_ROW_MAX + PIECE_HEAD) <= 20000, "an answer fits");

size_t
sst_service_ask_pack(const struct sst_service_ask *ask, void *out, size_t size)
{
	struct sst_service_head h = { .magic = SST_SERVICE_MAGIC,
	    .version = SST_SERVICE_VERSION, .verb = SST_SERVICE_ASK, .id = ask->id,
	    .a = ask->budget_ms, .b = ask->bits };
	size_t at = sizeof(h);

	for (int i = 0; i < SST_SERVICE_PARTS; i++) {
		if (ask->part[i].len > SST_SERVICE_PART_MAX || ask->part[i].len > size - at)
			return 0;
		h.length[i] = (uint32_t)ask->part[i].len;
		if (ask->part[i].len > 0)
			memcpy((uint8_t *)out + at, ask->part[i].der, ask->part[i].len);
		at += ask->part[i].len;
	}
	memcpy(out, &h, sizeof(h));
	return at;
}

/* Magic, version, verb; *ret_at and *ret_left are what follows the head. */
static int
head_unpack(const void *packet, size_t len, enum sst_service_verb verb,
    struct sst_service_head *h, const uint8_t **ret_at, size_t *ret_left,
    struct sst_error *err)
{
	if (len < sizeof(*h))
		return sst_fail(err, SST_E_MALFORMED, "a message of %zu octets", len);
	memcpy(h, packet, sizeof(*h));
	*ret_at = (const uint8_t *)packet + sizeof(*h);
	*ret_left = len - sizeof(*h);
	if (h->magic != SST_SERVICE_MAGIC)
		return sst_fail(err, SST_E_MALFORMED, "not a message of the cache service");
	if (h->version != SST_SERVICE_VERSION)
		return sst_fail(err, SST_E_UNSUPPORTED, "version %u of the cache service's "
		    "messages is not spoken here, version %d is", h->version,
		    SST_SERVICE_VERSION);
	if (h->verb != verb)
		return sst_fail(err, SST_E_MALFORMED, "verb %u has no place here", h->verb);
	return SST_OK;
}

int
sst_service_ask_unpack(const void *packet, size_t len, struct sst_service_ask *ret,
    struct sst_error *err)
{
	struct sst_service_head h;
	const uint8_t *at;
	size_t left;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = head_unpack(packet, len, SST_SERVICE_ASK, &h, &at, &left, err);
	if (rc < 0)
		return rc;
	ret->id = h.id;
	ret->budget_ms = h.a;
	ret->bits = h.b;
	for (int i = 0; i < SST_SERVICE_PARTS; i++) {
		if (h.length[i] > SST_SERVICE_PART_MAX)
			return sst_fail(err, SST_E_LIMIT, "a certificate of %u octets",
			    h.length[i]);
		if (h.length[i] > left)
			return sst_fail(err, SST_E_MALFORMED, "the message is cut off");
		ret->part[i].der = at;
		ret->part[i].len = h.length[i];
		at += h.length[i];
		left -= h.length[i];
	}
	if (left != 0 || ret->part[0].len == 0 || ret->part[1].len == 0)
		return sst_fail(err, SST_E_MALFORMED, "the message's lengths do not add up");
	return SST_OK;
}

size_t
sst_service_answer_pack(const struct sst_service_answer *a, const struct sst_cert_key *key,
    uint8_t out[SST_SERVICE_ANSWER_MAX])
{
	struct sst_service_head h = { .magic = SST_SERVICE_MAGIC,
	    .version = SST_SERVICE_VERSION, .verb = SST_SERVICE_ANSWER, .id = a->id,
	    .a = a->code };
	size_t at = sizeof(h);

	if (a->code < 0) {
		h.length[0] = (uint32_t)strnlen(a->text, sizeof(a->text) - 1);
		memcpy(out + at, a->text, h.length[0]);
		at += h.length[0];
	}
	for (size_t i = 0; a->code >= 0 && i < a->n && i < SST_SERVICE_PIECES; i++) {
		uint16_t piece[2] = { 0, (uint16_t)a->list[i].fault };

		piece[0] = (uint16_t)sst_evidence_pack(key, &a->list[i],
		    out + at + PIECE_HEAD);
		memcpy(out + at, piece, PIECE_HEAD);
		at += PIECE_HEAD + piece[0];
		h.b++;
	}
	h.length[0] = (uint32_t)(at - sizeof(h));
	memcpy(out, &h, sizeof(h));
	return at;
}

/* One piece from *at; it must be about `key`. */
static int
piece_unpack(const uint8_t **at, size_t *left, const struct sst_cert_key *key,
    struct sst_evidence *ret, struct sst_error *err)
{
	struct sst_cert_key about;
	uint16_t piece[2];

	if (*left < PIECE_HEAD)
		return sst_fail(err, SST_E_MALFORMED, "the cache service's answer is cut off");
	memcpy(piece, *at, PIECE_HEAD);
	*at += PIECE_HEAD;
	*left -= PIECE_HEAD;
	if (piece[0] > *left || piece[1] > SST_FAULT_MEMORY ||
	    sst_evidence_unpack(*at, piece[0], &about, ret) < 0)
		return sst_fail(err, SST_E_MALFORMED,
		    "a piece of the cache service's answer does not parse");
	if (sst_cert_key_cmp(&about, key) != 0)
		return sst_fail(err, SST_E_MISMATCH,
		    "the cache service answered about another certificate");
	ret->fault = (enum sst_fault)piece[1];
	*at += piece[0];
	*left -= piece[0];
	return SST_OK;
}

int
sst_service_answer_unpack(const void *packet, size_t len, const struct sst_cert_key *key,
    struct sst_service_answer *ret, struct sst_error *err)
{
	struct sst_service_head h;
	const uint8_t *at;
	size_t left;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = head_unpack(packet, len, SST_SERVICE_ANSWER, &h, &at, &left, err);
	if (rc < 0)
		return rc;
	if (h.length[0] != left || h.b > SST_SERVICE_PIECES)
		return sst_fail(err, SST_E_MALFORMED, "the message's lengths do not add up");
	ret->id = h.id;
	ret->code = h.a;
	if (h.a < 0) {
		(void)sst_escape(ret->text, sizeof(ret->text), at, left);
		return SST_OK;
	}
	while (rc == SST_OK && ret->n < h.b)
		rc = piece_unpack(&at, &left, key, &ret->list[ret->n++], err);
	if (rc == SST_OK && left != 0)
		rc = sst_fail(err, SST_E_MALFORMED, "the message's lengths do not add up");
	if (rc < 0)
		ret->n = 0;
	return rc;
}
