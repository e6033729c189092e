/* SPDX-License-Identifier: ISC */
/* The server_name extension, and the lists of a ClientHello: hello.h. */
#include <stdlib.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "certstore/hello.h"

#define MANY	24

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *
list(const uint8_t *at, const uint8_t *end, uint16_t *out, size_t *n)
{
	size_t want = at < end ? *at++ % (MANY + 1) : 0;

	for (*n = 0; *n < want && end - at >= 2; at += 2)
		out[(*n)++] = (uint16_t)(at[0] << 8 | at[1]);
	return at;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *name = NULL, *at = data, *end = data + size;
	uint16_t suites[MANY], sigalgs[MANY], groups[MANY];
	struct sst_hello h = { .suites = suites, .sigalgs = sigalgs, .groups = groups };
	size_t len = 0;
	uint32_t kinds;
	int alert;

	alert = sst_hello_name(data, size, &name, &len);
	if (alert == 0 && (name < data || len == 0 || name + len != data + size))
		abort();
	if (alert != 0 && alert != SST_ALERT_DECODE_ERROR)
		abort();
	h.version = at < end && *at++ % 2 == 0 ? 0x0303 : 0x0304;
	at = list(at, end, suites, &h.n_suites);
	at = list(at, end, sigalgs, &h.n_sigalgs);
	(void)list(at, end, groups, &h.n_groups);
	kinds = sst_hello_kinds(&h);
	if (kinds >> (2 * SST_KEY_KINDS) != 0)
		abort();
	/* nothing offered is nothing usable, but for RSA key transport */
	if (h.n_sigalgs == 0 && (kinds & ~((uint32_t)1 << SST_KEY_RSA)) != 0)
		abort();
	return 0;
}
