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

static int
is_base64(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	    c == '+' || c == '/';
}

/* One line. Returns how many bytes it stands for; 0: it is none. */
static size_t
line_decode(struct text *t, uint8_t *der)
{
	size_t n = 0, pad = 0;

	while (n < LINE && n < t->len && is_base64(t->at[n]))
		n++;
	while (pad < 2 && n + pad < LINE && n + pad < t->len && t->at[n + pad] == '=')
		pad++;
	n += pad;
	if (n == 0 || n % 4 != 0 || n == t->len || t->at[n] != '\n' ||
	    EVP_DecodeBlock(der, t->at, (int)n) < 0)
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
