/* SPDX-License-Identifier: ISC */
#include "hello.h"

#include <securesockets/certstore.h>

#define TLS_1_3	0x0304

int
sst_hello_name(const uint8_t *ext, size_t len, const uint8_t **ret_name,
    size_t *ret_len)
{
	size_t n;

	/* list length, name_type, name length, and at least one byte */
	if (len < 2 + 1 + 2 + 1)
		return SST_ALERT_DECODE_ERROR;
	n = (size_t)ext[0] << 8 | ext[1];
	if (n != len - 2)
		return SST_ALERT_DECODE_ERROR;
	if (ext[2] != 0)
		return SST_ALERT_DECODE_ERROR;
	n = (size_t)ext[3] << 8 | ext[4];
	if (n == 0 || n != len - 5)
		return SST_ALERT_DECODE_ERROR;
	*ret_name = ext + 5;
	*ret_len = n;
	return 0;
}

#define BIT(kind)	((uint32_t)1 << (kind))
#define OWN_HASH(kind)	(BIT(kind) << SST_KEY_KINDS)
#define ALL_EC		(BIT(SST_KEY_P256) | BIT(SST_KEY_P384) | BIT(SST_KEY_P521))

/*
 * Kinds that the client's signature algorithms allow. SHA-1 and SHA-224 do not
 * count: a client that offers nothing better gets handshake_failure.
 */
static uint32_t
kinds_by_sigalg(const struct sst_hello *h, int tls13)
{
	uint32_t kinds = 0;

	for (size_t i = 0; i < h->n_sigalgs; i++) {
		switch (h->sigalgs[i]) {
		case 0x0401: case 0x0501: case 0x0601:	/* rsa_pkcs1 */
			if (!tls13)
				kinds |= BIT(SST_KEY_RSA);
			break;
		case 0x0804: case 0x0805: case 0x0806:	/* rsa_pss_rsae */
			kinds |= BIT(SST_KEY_RSA);
			break;
		case 0x0809: case 0x080a: case 0x080b:	/* rsa_pss_pss */
			kinds |= BIT(SST_KEY_RSA_PSS);
			break;
		case 0x0403:
			kinds |= OWN_HASH(SST_KEY_P256) |
			    (tls13 ? BIT(SST_KEY_P256) : ALL_EC);
			break;
		case 0x0503:
			kinds |= OWN_HASH(SST_KEY_P384) |
			    (tls13 ? BIT(SST_KEY_P384) : ALL_EC);
			break;
		case 0x0603:
			kinds |= OWN_HASH(SST_KEY_P521) |
			    (tls13 ? BIT(SST_KEY_P521) : ALL_EC);
			break;
		case 0x0807:
			kinds |= BIT(SST_KEY_ED25519);
			break;
		case 0x0808:
			kinds |= BIT(SST_KEY_ED448);
			break;
		default:
			break;
		}
	}
	return kinds;
}

/* TLS 1.2 ties the curve of the key to supported_groups (RFC 8422 5.1). */
static uint32_t
kinds_by_group(const struct sst_hello *h)
{
	uint32_t kinds = ~(uint32_t)0;

	if (h->n_groups == 0)
		return kinds;
	kinds &= ~ALL_EC;
	for (size_t i = 0; i < h->n_groups; i++) {
		if (h->groups[i] == 23)
			kinds |= BIT(SST_KEY_P256);
		else if (h->groups[i] == 24)
			kinds |= BIT(SST_KEY_P384);
		else if (h->groups[i] == 25)
			kinds |= BIT(SST_KEY_P521);
	}
	return kinds;
}

enum auth { AUTH_NONE, AUTH_ECDSA, AUTH_RSA, AUTH_RSA_DECRYPT };

/* How a TLS 1.2 suite has the server prove itself (IANA's registry). */
static enum auth
suite_auth(uint16_t id)
{
	switch (id) {
	case 0xc009: case 0xc00a: case 0xc023: case 0xc024: case 0xc02b:
	case 0xc02c: case 0xc05c: case 0xc05d: case 0xc072: case 0xc073:
	case 0xc086: case 0xc087: case 0xc0ac: case 0xc0ad: case 0xc0ae:
	case 0xc0af: case 0xcca9:
		return AUTH_ECDSA;
	case 0x0033: case 0x0039: case 0x0045: case 0x0067: case 0x006b:
	case 0x0088: case 0x009e: case 0x009f: case 0x00be: case 0x00c4:
	case 0xc013: case 0xc014: case 0xc027: case 0xc028: case 0xc02f:
	case 0xc030: case 0xc052: case 0xc053: case 0xc060: case 0xc061:
	case 0xc076: case 0xc077: case 0xc09e: case 0xc09f: case 0xc0a2:
	case 0xc0a3: case 0xcca8: case 0xccaa:
		return AUTH_RSA;
	case 0x002f: case 0x0035: case 0x003c: case 0x003d: case 0x0041:
	case 0x0084: case 0x009c: case 0x009d: case 0x00ba: case 0x00c0:
	case 0xc050: case 0xc051: case 0xc07a: case 0xc07b: case 0xc09c:
	case 0xc09d: case 0xc0a0: case 0xc0a1:
		return AUTH_RSA_DECRYPT;
	default:
		return AUTH_NONE;
	}
}

static uint32_t
kinds_by_suite(const struct sst_hello *h, uint32_t signing)
{
	const uint32_t most = (signing & (ALL_EC | BIT(SST_KEY_ED25519) |
	    BIT(SST_KEY_ED448) | BIT(SST_KEY_RSA_PSS))) | BIT(SST_KEY_RSA);
	uint32_t kinds = 0;

	for (size_t i = 0; i < h->n_suites && kinds != most; i++) {
		switch (suite_auth(h->suites[i])) {
		case AUTH_ECDSA:
			kinds |= signing & (ALL_EC | BIT(SST_KEY_ED25519) |
			    BIT(SST_KEY_ED448));
			break;
		case AUTH_RSA:
			kinds |= signing & (BIT(SST_KEY_RSA) | BIT(SST_KEY_RSA_PSS));
			break;
		case AUTH_RSA_DECRYPT:	/* the server signs nothing */
			kinds |= BIT(SST_KEY_RSA);
			break;
		case AUTH_NONE:
			break;
		}
	}
	return kinds;
}

uint32_t
sst_hello_kinds(const struct sst_hello *h)
{
	const uint32_t low = BIT(SST_KEY_KINDS) - 1;
	int tls13 = h->version >= TLS_1_3;
	uint32_t signing = kinds_by_sigalg(h, tls13);
	uint32_t kinds;

	if (tls13)
		kinds = signing & low;
	else
		kinds = kinds_by_suite(h, signing & kinds_by_group(h)) & low;
	return kinds | (signing & ~low);
}
