/* SPDX-License-Identifier: ISC */
/* hello - see hello.h. */
#include "hello.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_OF(a)	(sizeof(a) / sizeof((a)[0]))

static const uint16_t suites_1_3[] = { 0x1301, 0x1302, 0x1303 };
static const uint16_t suites_1_2[] = {	/* ECDHE with AEAD, ECDSA and RSA */
	0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8
};
static const uint16_t groups[] = {	/* X25519, P-256, P-384, P-521 */
	0x001d, 0x0017, 0x0018, 0x0019
};

/* RFC 8446 4.2.3. The first of two rows with one OpenSSL name is what
 * OpenSSL takes it for. The first n_default are a hello's without --sigalgs. */
static const struct sigalg {
	const char	*name;
	const char	*openssl;
	uint16_t	 code;
} sigalgs[] = {
	{ "ecdsa_secp256r1_sha256", "ECDSA+SHA256", 0x0403 },
	{ "ecdsa_secp384r1_sha384", "ECDSA+SHA384", 0x0503 },
	{ "ecdsa_secp521r1_sha512", "ECDSA+SHA512", 0x0603 },
	{ "ed25519", "ed25519", 0x0807 },
	{ "ed448", "ed448", 0x0808 },
	{ "rsa_pss_rsae_sha256", "RSA-PSS+SHA256", 0x0804 },
	{ "rsa_pss_rsae_sha384", "RSA-PSS+SHA384", 0x0805 },
	{ "rsa_pss_rsae_sha512", "RSA-PSS+SHA512", 0x0806 },
	{ "rsa_pkcs1_sha256", "RSA+SHA256", 0x0401 },
	{ "rsa_pkcs1_sha384", "RSA+SHA384", 0x0501 },
	{ "rsa_pkcs1_sha512", "RSA+SHA512", 0x0601 },
	{ "rsa_pss_pss_sha256", "PSS+SHA256", 0x0809 },
	{ "rsa_pss_pss_sha384", "PSS+SHA384", 0x080a },
	{ "rsa_pss_pss_sha512", "PSS+SHA512", 0x080b },
	{ "ecdsa_sha1", "ECDSA+SHA1", 0x0203 },
	{ "rsa_pkcs1_sha1", "RSA+SHA1", 0x0201 },
};
#define N_DEFAULT	14

static int __attribute__((format(printf, 2, 3)))
refuse(struct sst_error *err, const char *fmt, ...)
{
	va_list ap;

	err->code = SST_E_USAGE;
	err->sys_errno = 0;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return SST_E_USAGE;
}

void
sst_hello_init(struct sst_typed_hello *t)
{
	memset(t, 0, sizeof(*t));
	for (size_t i = 0; i < N_DEFAULT; i++)
		t->sigalgs[i] = sigalgs[i].code;
	t->hello.version = 0x0304;
	t->hello.suites = suites_1_3;
	t->hello.n_suites = N_OF(suites_1_3);
	t->hello.sigalgs = t->sigalgs;
	t->hello.n_sigalgs = N_DEFAULT;
	t->hello.groups = groups;
	t->hello.n_groups = N_OF(groups);
}

int
sst_hello_set_name(struct sst_typed_hello *t, const char *name,
    struct sst_error *err)
{
	char folded[512];
	size_t len;
	int typed_by_person = 0;

	for (const char *p = name; *p != '\0'; p++)
		typed_by_person |= (unsigned char)*p >= 0x80;
	if (typed_by_person) {	/* no client sends U-labels */
		if (sst_name_fold(name, folded, sizeof(folded), err) < 0)
			return SST_E_USAGE;
		name = folded;
	}
	len = strlen(name);
	if (len > sizeof(t->name) - 5)
		return refuse(err, "a name of %zu bytes; at most %zu can be sent",
		    len, sizeof(t->name) - 5);
	/* RFC 6066 3: list length, type host_name, length, name */
	t->name[0] = (uint8_t)((len + 3) >> 8);
	t->name[1] = (uint8_t)(len + 3);
	t->name[2] = 0;
	t->name[3] = (uint8_t)(len >> 8);
	t->name[4] = (uint8_t)len;
	memcpy(t->name + 5, name, len);
	t->hello.server_name = t->name;
	t->hello.server_name_len = 5 + len;
	t->hello.has_server_name = 1;
	return SST_OK;
}

int
sst_hello_set_ip(struct sst_typed_hello *t, const char *ip, struct sst_error *err)
{
	memset(&t->local, 0, sizeof(t->local));
	if (inet_pton(AF_INET, ip, &t->local.v4.sin_addr) == 1) {
		t->local.v4.sin_family = AF_INET;
	} else if (inet_pton(AF_INET6, ip, &t->local.v6.sin6_addr) == 1) {
		t->local.v6.sin6_family = AF_INET6;
	} else {
		return refuse(err, "not an IP address");
	}
	t->hello.local = &t->local.any;
	return SST_OK;
}

/* 0: no such algorithm. */
static uint16_t
sigalg_code(const char *word, size_t len)
{
	char text[64], *end;
	unsigned long code;

	if (len == 0 || len >= sizeof(text))
		return 0;
	memcpy(text, word, len);
	text[len] = '\0';
	for (size_t i = 0; i < N_OF(sigalgs); i++)
		if (strcasecmp(text, sigalgs[i].name) == 0 ||
		    strcasecmp(text, sigalgs[i].openssl) == 0)
			return sigalgs[i].code;
	if (text[0] != '0' || (text[1] | 0x20) != 'x')
		return 0;
	code = strtoul(text, &end, 16);
	return *end == '\0' && code <= 0xffff ? (uint16_t)code : 0;
}

int
sst_hello_set_sigalgs(struct sst_typed_hello *t, const char *list,
    struct sst_error *err)
{
	size_t n = 0;

	while (*list != '\0') {
		size_t len = strcspn(list, ":,");
		uint16_t code = sigalg_code(list, len);

		if (code == 0)
			return refuse(err, "no signature algorithm '%.*s': "
			    "names are like ECDSA+SHA256 or rsa_pss_rsae_sha256",
			    (int)(len < 64 ? len : 64), list);
		if (n == N_OF(t->sigalgs))
			return refuse(err, "more than %zu algorithms",
			    N_OF(t->sigalgs));
		t->sigalgs[n++] = code;
		list += len;
		if (*list != '\0')
			list++;
	}
	t->hello.n_sigalgs = n;
	return SST_OK;
}

int
sst_hello_set_version(struct sst_typed_hello *t, const char *version,
    struct sst_error *err)
{
	if (strcmp(version, "1.3") == 0) {
		t->hello.version = 0x0304;
		t->hello.suites = suites_1_3;
		t->hello.n_suites = N_OF(suites_1_3);
		return SST_OK;
	}
	if (strcmp(version, "1.2") == 0) {
		t->hello.version = 0x0303;
		t->hello.suites = suites_1_2;
		t->hello.n_suites = N_OF(suites_1_2);
		return SST_OK;
	}
	return refuse(err, "1.2 or 1.3");
}
