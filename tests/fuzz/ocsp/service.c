/* SPDX-License-Identifier: ISC */
/*
 * Packets to and from the cache service: what is read is within the packet, and a
 * question is written as the very packet that it was read from, and an answer as one
 * that says the same.
 */
#include <stdlib.h>
#include <string.h>

#include "ocsp/evidence_row.h"
#include "ocsp/service_wire.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(int ok)
{
	if (!ok)
		abort();
}

static void
ask(const uint8_t *packet, size_t size)
{
	struct sst_service_ask ask;
	uint8_t *out;

	if (sst_service_ask_unpack(packet, size, &ask, NULL) < 0)
		return;
	for (int i = 0; i < SST_SERVICE_PARTS; i++)
		must(ask.part[i].len <= size && ask.part[i].der >= packet &&
		    ask.part[i].der + ask.part[i].len <= packet + size);
	out = malloc(size);
	must(out != NULL && sst_service_ask_pack(&ask, out, size) == size &&
	    memcmp(out, packet, size) == 0);
	free(out);
}

static void
answer(const uint8_t *packet, size_t size)
{
	const size_t at = sizeof(struct sst_service_head) + 4;	/* of the first piece */
	struct sst_cert_key key = { .serial = { 1 }, .serial_len = 1 };
	static uint8_t out[SST_SERVICE_ANSWER_MAX];
	struct sst_service_answer a, again;
	struct sst_evidence first;
	uint16_t len = 0;

	/* whom it is about: else all would end there */
	if (size > at)
		memcpy(&len, packet + at - 4, sizeof(len));
	if (size > at && len <= size - at)
		(void)sst_evidence_unpack(packet + at, len, &key, &first);
	if (sst_service_answer_unpack(packet, size, &key, &a, NULL) < 0)
		return;
	must(a.n <= SST_SERVICE_PIECES && (a.code >= 0 || a.n == 0) &&
	    memchr(a.text, '\0', sizeof(a.text)) != NULL);
	for (size_t i = 0; i < a.n; i++) {
		must(memchr(a.list[i].url, '\0', sizeof(a.list[i].url)) != NULL);
		must(memchr(a.list[i].text, '\0', sizeof(a.list[i].text)) != NULL);
		must(a.list[i].status <= SST_EV_ERROR);
	}
	must(sst_service_answer_unpack(out, sst_service_answer_pack(&a, &key, out), &key,
	    &again, NULL) == SST_OK && again.n == a.n && again.code == a.code);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* a block of just this size, so that a read beyond it is seen */
	uint8_t *copy = malloc(size);

	must(copy != NULL || size == 0);
	if (size > 0)
		memcpy(copy, data, size);
	ask(copy, size);
	answer(copy, size);
	free(copy);
	return 0;
}
