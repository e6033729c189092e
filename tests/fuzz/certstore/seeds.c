/* SPDX-License-Identifier: ISC */
/* seeds - writes DIR/{pem,name,hello}/N: what the fuzz targets start from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/pki.h"

static int number;

static void
seed(const char *dir, const char *kind, const void *bytes, size_t len)
{
	struct pki_buf b = { 0 };
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/%d", kind, number++);
	pki_put(&b, bytes, len);
	pki_write(dir, name, 0644, &b);
	pki_buf_free(&b);
}

static void
seed_buf(const char *dir, struct pki_buf *b)
{
	seed(dir, "pem", b->data, b->len);
	pki_buf_free(b);
}

static void
seed_pem(const char *dir, enum pki_key type)
{
	struct pki_cert *c = pki_issue(NULL, &(struct pki_spec){ .key = type,
	    .san = "a.b" });
	struct pki_buf b = { 0 };

	pki_put_cert(&b, c);
	seed_buf(dir, &b);
	pki_put_key(&b, c);
	seed_buf(dir, &b);
	pki_put_text(&b, "\xef\xbb\xbf");
	if (type != PKI_ED25519)	/* it has no old form */
		pki_put_key_old(&b, c);
	seed_buf(dir, &b);
	pki_put_cert_der(&b, c);
	pki_put_key_der(&b, c);
	seed_buf(dir, &b);
	pki_put_key_locked(&b, c, "x");
	seed_buf(dir, &b);
	pki_free(c);
}

static void
seed_blocks(const char *dir)
{
	static const char *const labels[] = { "CERTIFICATE", "X509 CERTIFICATE",
	    "TRUSTED CERTIFICATE", "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY",
	    "DSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "PKCS12", "DH PARAMETERS" };
	static const char locked[] = "-----BEGIN RSA PRIVATE KEY-----\n"
	    "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAMCAQE=\n"
	    "-----END RSA PRIVATE KEY-----\n";
	char text[256];

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		(void)snprintf(text, sizeof(text), "-----BEGIN %s-----\nMAMCAQE=\n"
		    "-----END %s-----\n", labels[i], labels[i]);
		seed(dir, "pem", text, strlen(text));
	}
	seed(dir, "pem", locked, strlen(locked));
	/* PKCS#12, encrypted PKCS#8, and two that are nothing, as DER */
	seed(dir, "pem", "\x30\x05\x02\x01\x03\x30\x00", 7);
	seed(dir, "pem", "\x30\x08\x30\x02\x05\x00\x04\x02\x00\x00", 10);
	seed(dir, "pem", "\x30\x03\x02\x01\x05", 5);
	seed(dir, "pem", "\x30\x06\x02\x01\x00\x02\x01\x01", 8);
	seed(dir, "pem", "\x30\x06\x02\x01\x01\x04\x01\x01", 8);
	seed(dir, "pem", "\x30\x04\x04\x02\x00\x00", 6);
}

int
main(int argc, char **argv)
{
	static const char *const names[] = { "www.example.com", "*.example.com.",
	    "192.0.2.1", "[2001:db8::1]", "::ffff:192.0.2.1", "*.co.uk", "*.com",
	    "b\xc3\xbcrs.example", "a..b", "f*.b", "*.192.0.2.1", "a\x01b",
	    "xn--bcher-kva.example", "*", "", "_x.y" };
	char big[1200];

	if (argc != 2)
		return 64;
	(void)mkdir(argv[1], 0700);
	seed_pem(argv[1], PKI_P256);
	seed_pem(argv[1], PKI_RSA);
	seed_pem(argv[1], PKI_ED25519);
	seed_blocks(argv[1]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		seed(argv[1], "name", names[i], strlen(names[i]));
	memset(big, 'a', sizeof(big));
	seed(argv[1], "name", big, 64);
	seed(argv[1], "name", big, 256);
	seed(argv[1], "name", big, sizeof(big));
	seed(argv[1], "name", "\1\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 17);
	seed(argv[1], "name", "\0\xc0\0\2\1\0\0\0\0\0\0\0\0\0\0\0\0", 17);
	for (int i = 12; i <= 15; i++)	/* long labels with dots: near the limit */
		big[i * 17] = '.';
	seed(argv[1], "name", big, 255);
	seed(argv[1], "hello", "\0\x08\0\0\5a.b.c", 10);
	seed(argv[1], "hello", "\0\x0b\0\0\1a\0\0\1bxyz", 13);
	seed(argv[1], "hello", "\0\2\xc0\x2b\xc0\x2f\3\4\3\5\3\x08\4\2\0\x17\0\x18", 18);
	seed(argv[1], "hello", "\1\0\6\4\3\5\3\6\3\x08\7\x08\x08\x08\x09\0", 16);
	return 0;
}
