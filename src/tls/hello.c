/* SPDX-License-Identifier: ISC */
#include "hello.h"

#include <string.h>

static uint16_t
be16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Copies a list of 16-bit numbers that `prefix` bytes of length precede. */
static int
list_read(const unsigned char *p, size_t len, size_t prefix, uint16_t *out,
    size_t *ret_n)
{
	size_t n;
	size_t said;

	if (len < prefix)
		return SSL_AD_DECODE_ERROR;
	said = prefix == 1 ? p[0] : be16(p);
	if (said != len - prefix || said == 0 || said % 2 != 0)
		return SSL_AD_DECODE_ERROR;
	n = said / 2;
	if (n > SST_HELLO_LIST_MAX)
		n = SST_HELLO_LIST_MAX;
	for (size_t i = 0; i < n; i++)
		out[i] = be16(p + prefix + 2 * i);
	*ret_n = n;
	return 0;
}

/* An absent extension is an empty list. */
static int
ext_list(SSL *ssl, unsigned type, uint16_t *out, size_t *ret_n)
{
	const unsigned char *p;
	size_t len;

	*ret_n = 0;
	if (!SSL_client_hello_get0_ext(ssl, type, &p, &len))
		return 0;
	return list_read(p, len, 2, out, ret_n);
}

static int
version_allowed(SSL *ssl, uint16_t version)
{
	const uint64_t options = SSL_get_options(ssl);
	const long min = SSL_get_min_proto_version(ssl);
	const long max = SSL_get_max_proto_version(ssl);

	if (version < min || (max != 0 && version > max))
		return 0;
	if (version == TLS1_3_VERSION)
		return (options & SSL_OP_NO_TLSv1_3) == 0;
	if (version == TLS1_2_VERSION)
		return (options & SSL_OP_NO_TLSv1_2) == 0;
	return version >= TLS1_VERSION && version < TLS1_2_VERSION;
}

/*
 * The version that OpenSSL will negotiate, which happens after the callback.
 * A program of way 2 may allow 1.0 and 1.1: those choose as 1.2 does.
 */
static int
version_read(SSL *ssl, uint16_t *ret_version)
{
	const unsigned char *p;
	uint16_t offered[SST_HELLO_LIST_MAX];
	uint16_t best = 0;
	size_t len, n = 0;
	int alert;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p,
	    &len)) {
		alert = list_read(p, len, 1, offered, &n);
		if (alert != 0)
			return alert;
	} else {
		/* RFC 8446 4.2.1: without the extension 1.2 is the most. */
		offered[0] = (uint16_t)SSL_client_hello_get0_legacy_version(ssl);
		if (offered[0] > TLS1_2_VERSION)
			offered[0] = TLS1_2_VERSION;
		n = 1;
		while (offered[0] > TLS1_VERSION &&
		    !version_allowed(ssl, offered[0]))
			offered[0]--;
	}
	for (size_t i = 0; i < n; i++)
		if (offered[i] > best && version_allowed(ssl, offered[i]))
			best = offered[i];
	*ret_version = best != 0 && best < TLS1_2_VERSION ? TLS1_2_VERSION : best;
	return 0;
}

/*
 * Suites of both sides. A bit for each of the client's, because a hostile one
 * can list 32,000: then this is still linear. Numbers have few upper halves, and
 * only the bits of those that occur are cleared.
 */
static void
suites_read(SSL *ssl, uint16_t *out, size_t *ret_n)
{
	const STACK_OF(SSL_CIPHER) *ours = SSL_get_ciphers(ssl);
	const unsigned char *p;
	uint8_t theirs[256][256 / 8], seen[256] = { 0 };
	const size_t len = SSL_client_hello_get0_ciphers(ssl, &p);
	const int n_ours = sk_SSL_CIPHER_num(ours);
	size_t n = 0;
	uint16_t id;

	for (size_t i = 0; i + 1 < len; i += 2) {
		if (!seen[p[i]]) {
			seen[p[i]] = 1;
			memset(theirs[p[i]], 0, sizeof(theirs[0]));
		}
		theirs[p[i]][p[i + 1] / 8] |= (uint8_t)(1u << p[i + 1] % 8);
	}
	for (int i = 0; i < n_ours && n < SST_HELLO_LIST_MAX; i++) {
		id = SSL_CIPHER_get_protocol_id(sk_SSL_CIPHER_value(ours, i));
		if (seen[id >> 8] && theirs[id >> 8][id % 256 / 8] & 1u << id % 8)
			out[n++] = id;
	}
	*ret_n = n;
}

int
sst_hello_read(SSL *ssl, struct sst_hello_room *room, struct sst_hello *hello)
{
	const unsigned char *name = NULL;
	size_t name_len = 0;
	int alert;

	memset(hello, 0, sizeof(*hello));
	alert = version_read(ssl, &hello->version);
	if (alert == 0)
		alert = ext_list(ssl, TLSEXT_TYPE_signature_algorithms,
		    room->sigalgs, &hello->n_sigalgs);
	if (alert == 0)
		alert = ext_list(ssl, TLSEXT_TYPE_supported_groups, room->groups,
		    &hello->n_groups);
	if (alert != 0)
		return alert;
	/* suites of 1.3 say nothing of certificates */
	if (hello->version < TLS1_3_VERSION)
		suites_read(ssl, room->suites, &hello->n_suites);
	hello->has_server_name = SSL_client_hello_get0_ext(ssl,
	    TLSEXT_TYPE_server_name, &name, &name_len);
	hello->server_name = name;
	hello->server_name_len = name_len;
	hello->suites = room->suites;
	hello->sigalgs = room->sigalgs;
	hello->groups = room->groups;
	return 0;
}
