/* SPDX-License-Identifier: ISC */
#include "sockname.h"

#include <stddef.h>
#include <string.h>

static const char magic[] = "sst1.";
#define MAGIC_LEN	(sizeof(magic) - 1)
#define SHORT_LEN	(1 + MAGIC_LEN + 16 + 1 + 2 + 16)
#define PACKED_LEN	44	/* two of: port 2, address 16, scope 4 */
#define ADDR_CHARS	60	/* PACKED_LEN bytes in 6-bit characters */

static const char digits[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";

static int
digit_value(char c)
{
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* 3 bytes become 4 characters; PACKED_LEN + 1 is a multiple of 3. */
static void
chars_from_bytes(char *out, const uint8_t *in)
{
	uint32_t v;

	for (size_t i = 0; i < PACKED_LEN + 1; i += 3) {
		v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
		for (int shift = 18; shift >= 0; shift -= 6)
			*out++ = digits[(v >> shift) & 63];
	}
}

static int
bytes_from_chars(uint8_t *out, const char *in)
{
	uint32_t v;
	int d;

	for (size_t i = 0; i < PACKED_LEN + 1; i += 3) {
		v = 0;
		for (int k = 0; k < 4; k++) {
			d = digit_value(*in++);
			if (d < 0)
				return 0;
			v = v << 6 | (uint32_t)d;
		}
		out[i] = (uint8_t)(v >> 16);
		out[i + 1] = (uint8_t)(v >> 8);
		out[i + 2] = (uint8_t)v;
	}
	return 1;
}

static void
pack_inet(uint8_t *out, const union sst_inet *a)
{
	memset(out, 0, PACKED_LEN / 2);
	if (a->any.sa_family == AF_INET) {
		memcpy(out, &a->v4.sin_port, 2);
		memcpy(out + 2, &a->v4.sin_addr, 4);
		return;
	}
	memcpy(out, &a->v6.sin6_port, 2);
	memcpy(out + 2, &a->v6.sin6_addr, 16);
	memcpy(out + 18, &a->v6.sin6_scope_id, 4);
}

static void
unpack_inet(union sst_inet *a, int family, const uint8_t *in)
{
	memset(a, 0, sizeof(*a));
	a->any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		memcpy(&a->v4.sin_port, in, 2);
		memcpy(&a->v4.sin_addr, in + 2, 4);
		return;
	}
	memcpy(&a->v6.sin6_port, in, 2);
	memcpy(&a->v6.sin6_addr, in + 2, 16);
	memcpy(&a->v6.sin6_scope_id, in + 18, 4);
}

socklen_t
sst_inet_len(const union sst_inet *a)
{
	return a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

socklen_t
sst_sockname_encode(const struct sst_sockname *name, struct sockaddr_un *addr)
{
	uint8_t packed[PACKED_LEN + 1] = { 0 };
	char *p = addr->sun_path;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	*p++ = '\0';
	memcpy(p, magic, MAGIC_LEN);
	p += MAGIC_LEN;
	memcpy(p, name->door, 16);
	p += 16;
	*p++ = '.';
	*p++ = name->kind;
	*p++ = name->family == AF_INET6 ? '6' : '4';
	for (int shift = 60; shift >= 0; shift -= 4)
		*p++ = digits[(name->serial >> shift) & 15];
	if (name->kind == SST_SOCKNAME_ACCEPTED) {
		pack_inet(packed, &name->local);
		pack_inet(packed + PACKED_LEN / 2, &name->peer);
		chars_from_bytes(p, packed);
		p += ADDR_CHARS;
	}
	return (socklen_t)(p - (char *)addr);
}

static int
decode_serial(uint64_t *ret_serial, const char *in)
{
	uint64_t serial = 0;
	int d;

	for (int i = 0; i < 16; i++) {
		d = digit_value(in[i]);
		if (d < 0 || d > 15)
			return 0;
		serial = serial << 4 | (uint64_t)d;
	}
	*ret_serial = serial;
	return 1;
}

int
sst_sockname_decode(const struct sockaddr_un *addr, socklen_t len,
    struct sst_sockname *ret_name)
{
	uint8_t packed[PACKED_LEN + 1];
	const char *p = addr->sun_path;
	struct sst_sockname name = { .family = AF_INET };
	size_t used = len - offsetof(struct sockaddr_un, sun_path);

	if (len < offsetof(struct sockaddr_un, sun_path) + SHORT_LEN ||
	    len > sizeof(*addr) || addr->sun_family != AF_UNIX || p[0] != '\0' ||
	    memcmp(p + 1, magic, MAGIC_LEN) != 0)
		return 0;
	p += 1 + MAGIC_LEN;
	memcpy(name.door, p, 16);
	p += 16;
	if (*p++ != '.')
		return 0;
	name.kind = *p++;
	if (*p != '4' && *p != '6')
		return 0;
	name.family = *p++ == '6' ? AF_INET6 : AF_INET;
	if (!decode_serial(&name.serial, p))
		return 0;
	p += 16;
	if (name.kind == SST_SOCKNAME_MADE && used == SHORT_LEN) {
		*ret_name = name;
		return 1;
	}
	if (name.kind != SST_SOCKNAME_ACCEPTED || used != SHORT_LEN + ADDR_CHARS ||
	    !bytes_from_chars(packed, p))
		return 0;
	unpack_inet(&name.local, name.family, packed);
	unpack_inet(&name.peer, name.family, packed + PACKED_LEN / 2);
	*ret_name = name;
	return 1;
}
