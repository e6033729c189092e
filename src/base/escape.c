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

char *
sst_escape(char *out, size_t size, const void *bytes, size_t len)
{
	const unsigned char *in = bytes;
	size_t used = 0;
	size_t n;
	char one[5];

	for (size_t i = 0; i < len; i++) {
		n = escape_one(one, in[i]);
		/* Room for this one, and for "..." unless it is the last. */
		if (used + n + (i + 1 == len ? 0 : 3) >= size) {
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
