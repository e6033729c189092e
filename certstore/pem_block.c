/* SPDX-License-Identifier: ISC */
#include "pem_block.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>

#define LINE	64

static const char *const names[] = { PEM_STRING_X509, PEM_STRING_PKCS8INF,
    PEM_STRING_ECPRIVATEKEY, PEM_STRING_RSA };

/* What is left of the text. */
struct text {
	const uint8_t	*at;
	size_t		 len;
};

/* Goes beyond `s`. 0: the text does not begin with it. */
static int
skip(struct text *t, const char *s)
{
	const size_t n = strlen(s);

	if (t->len < n || memcmp(t->at, s, n) != 0)
		return 0;
	t->at += n;
	t->len -= n;
	return 1;
}

static int
border(struct text *t, const char *what, const char *name)
{
	return skip(t, what) && skip(t, name) && skip(t, "-----\n");
}

/* One line. Returns how many bytes it stands for; 0: it is none. */
static size_t
line_decode(struct text *t, uint8_t *der)
{
	const uint8_t *end = memchr(t->at, '\n', t->len > LINE ? LINE + 1 : t->len);
	size_t n = 0, pad = 0;

	if (end != NULL)
		n = (size_t)(end - t->at);
	while (pad < 2 && pad < n && end[-1 - (ptrdiff_t)pad] == '=')
		pad++;
	/* it takes '=' for nothing wherever that is, and goes over blanks at both ends */
	if (n == 0 || n % 4 != 0 || memchr(t->at, '=', n - pad) != NULL ||
	    EVP_DecodeBlock(der, t->at, (int)n) != (int)(n / 4 * 3))
		return 0;
	t->at += n + 1;
	t->len -= n + 1;
	return n / 4 * 3 - pad;
}

size_t
sst_pem_block(const uint8_t *text, size_t len, const char **ret_name, uint8_t *der,
    size_t *ret_der_len)
{
	struct text t = { text, len };
	const char *name = NULL;
	size_t have = 0, n;

	for (size_t i = 0; name == NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		t = (struct text){ text, len };
		if (border(&t, "-----BEGIN ", names[i]))
			name = names[i];
	}
	if (name == NULL)
		return 0;
	do {
		n = line_decode(&t, der + have);
		have += n;
	} while (n == LINE / 4 * 3);
	/* a last line of 64 has the end behind it, where a line was looked for */
	if (have == 0 || !border(&t, "-----END ", name))
		return 0;
	*ret_name = name;
	*ret_der_len = have;
	return len - t.len;
}
