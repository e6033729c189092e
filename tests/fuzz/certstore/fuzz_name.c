/* SPDX-License-Identifier: ISC */
/* Whatever is folded comes out printable and small, and folds to itself. */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "certstore/name.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
plain(const char *s)
{
	for (; *s != '\0'; s++) {
		if (*s < 0x20 || *s >= 0x7f)
			abort();
	}
}

/* What a client asks for, and which wildcard may stand for it. */
static void
asked(const uint8_t *data, size_t size)
{
	char out[SST_NAME_SIZE], again[SST_NAME_SIZE], wild[SST_NAME_SIZE];

	if (sst_name_asked(data, size, out) == SST_ASKED_NAME) {
		if (sst_name_asked((const uint8_t *)out, strlen(out), again) !=
		    SST_ASKED_NAME || strcmp(out, again) != 0)
			abort();
		if (strpbrk(out, "*:/") != NULL)
			abort();
		if (sst_name_wild(out, wild) && !sst_name_match(wild, out))
			abort();
	}
	plain(out);
}

static void
addresses(const uint8_t *data, size_t size)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_storage sa = { 0 };
	char out[SST_NAME_SIZE] = "";

	if (sst_name_ip(data, size, out))
		plain(out);
	if (size < 17)
		return;
	memcpy(&v4.sin_addr, data + 1, 4);
	memcpy(&v6.sin6_addr, data + 1, 16);
	if (data[0] % 3 == 0)
		memcpy(&sa, &v4, sizeof(v4));
	else if (data[0] % 3 == 1)
		memcpy(&sa, &v6, sizeof(v6));
	if (sst_name_sockaddr((const struct sockaddr *)&sa, out))
		plain(out);
	(void)sst_name_sockaddr(NULL, out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[2048], out[SST_NAME_SIZE], again[SST_NAME_SIZE];
	struct sst_error err = { .code = SST_OK };
	const char *warning;

	if (size >= sizeof(text))
		return 0;
	asked(data, size);
	addresses(data, size);
	if (sst_name_san(data, size, out, &warning)) {
		plain(out);
		if (out[0] == '*' && out[1] != '.')
			abort();
	} else if (warning == NULL) {
		abort();
	}
	memcpy(text, data, size);
	text[size] = '\0';
	if (sst_name_fold(text, out, size % 16 == 15 ? 16 : sizeof(out), &err) == 0) {
		plain(out);
		if (sst_name_fold(out, again, sizeof(again), NULL) != 0 ||
		    strcmp(out, again) != 0)
			abort();
		(void)sst_name_match(out, text);
	} else {
		plain(err.text);
	}
	return 0;
}
