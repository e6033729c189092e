/* SPDX-License-Identifier: ISC */
/*
 * Rows of the cache as bytes: what is read is within its bounds, and is written as
 * the very bytes it was read from, so no two rows mean the same; and another row, or
 * one cut elsewhere, has another digest.
 */
#include <stdlib.h>
#include <string.h>

#include "ocsp/cache_inside.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(const uint8_t *out, size_t n, const uint8_t *data, size_t size)
{
	if (n != size || memcmp(out, data, size) != 0)
		abort();
}

static void
evidence(const uint8_t *data, size_t size)
{
	uint8_t out[SST_ROW_MAX];
	struct sst_cert_key key;
	struct sst_evidence ev;

	if (sst_evidence_unpack(data, size, &key, &ev) < 0)
		return;
	if (key.serial_len > SST_SERIAL_MAX || ev.status > SST_EV_ERROR ||
	    strlen(ev.url) >= sizeof(ev.url) || strlen(ev.text) >= sizeof(ev.text))
		abort();
	same(out, sst_evidence_pack(&key, &ev, out), data, size);
}

static void
head(const uint8_t *data, size_t size)
{
	uint8_t out[SST_HEAD_MAX];
	struct sst_crl_head h;

	if (sst_head_unpack(data, size, &h) < 0)
		return;
	if (h.idp_len > sizeof(h.idp) || h.bits > SST_BUCKET_BITS)
		abort();
	same(out, sst_head_pack(&h, out), data, size);
}

static void
source(const uint8_t *data, size_t size)
{
	uint8_t out[SST_ROW_MAX];
	struct sst_source_state s;

	if (sst_source_unpack(data, size, &s) < 0)
		return;
	if (strlen(s.etag) >= sizeof(s.etag) || s.last_fault > SST_FAULT_SIGNATURE)
		abort();
	same(out, sst_source_pack(&s, out), data, size);
}

static void
digest(uint8_t *data, size_t size)
{
	static struct sst_db db;
	uint8_t of[3][SST_DIGEST_LEN];
	const int64_t ints[] = { 1, 2 };

	if (db.ctx == NULL)
		db = (struct sst_db){ .md = EVP_MD_fetch(NULL, "SHA256", NULL),
		    .ctx = EVP_MD_CTX_new() };
	if (size == 0)
		return;
	for (size_t i = 0; i < 3; i++) {
		const size_t cut = i == 1;
		const struct sst_span spans[] = { { data, cut }, { data + cut, size - cut } };

		data[size / 2] ^= i == 2;
		if (sst_db_digest(&db, 'E', ints, 2, spans, 2, of[i]) < 0)
			abort();
		data[size / 2] ^= i == 2;
	}
	if (memcmp(of[0], of[1], SST_DIGEST_LEN) == 0 ||
	    memcmp(of[0], of[2], SST_DIGEST_LEN) == 0)
		abort();
}

/* The first octet says which. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;

	if (size == 0)
		return 0;
	/* a block of just this size, so that a read beyond it is seen */
	copy = malloc(size - 1);
	if (copy == NULL)
		return 0;
	memcpy(copy, data + 1, size - 1);
	if (data[0] % 3 == 0)
		evidence(copy, size - 1);
	else if (data[0] % 3 == 1)
		head(copy, size - 1);
	else
		source(copy, size - 1);
	digest(copy, size - 1);
	free(copy);
	return 0;
}
