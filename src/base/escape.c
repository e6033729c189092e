/* SPDX-License-Identifier: ISC */
#include "escape.h"

#include <stdio.h>
#include <string.h>

/* Writes one byte's printable form to `out` (5 bytes suffice). */
static size_t
escape_one(char *out, unsigned char byte)
{
	static const char hex[] = "0123456789abcdef";

	if (byte == '\\') {
		memcpy(out, "\\\\", 2);
		return 2;
	}
	if (byte >= 0x20 && byte < 0x7f) {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '\\';
	out[1] = 'x';
	out[2] = hex[byte >> 4];
	out[3] = hex[byte & 15];
	return 4;
}

/* Whether all of it fits into `size` bytes, NUL included. */
static int
fits(size_t size, const unsigned char *in, size_t len)
{
	char one[5];
	size_t used = 0;

	for (size_t i = 0; i < len && used < size; i++)
		used += escape_one(one, in[i]);
	return used < size;
}

char *
sst_escape(char *out, size_t size, const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	const size_t mark = fits(size, in, len) ? 0 : 3;	/* "..." */
	size_t used = 0;
	size_t n;
	char one[5];

	for (size_t i = 0; i < len; i++) {
		n = escape_one(one, in[i]);
		if (used + n + mark >= size) {
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		memcpy(out + used, one, n);
		used += n;
	}
	out[used] = '\0';
	return out;
}
