/* SPDX-License-Identifier: ISC */
/* forest - see forest.h. What is written, and where, is in forest_files.c. */
#include "forest.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forest_leaf.h"
#include "pki.h"

enum { SERIAL = 16, MARK = 4 };

/* Serial numbers begin so, which no other certificate's does by chance. */
static const unsigned char mark[MARK] = { 0x46, 0x6f, 0x72, 0x65 };
/* ecdsa-with-SHA256 */
static const unsigned char algorithm[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48,
	0xce, 0x3d, 0x04, 0x03, 0x02 };

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "forest: %s failed\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

const char *
forest_name(int i, char out[FOREST_NAME])
{
	(void)snprintf(out, FOREST_NAME, "n%07u.forest.example",
	    (unsigned int)i % 10000000);
	return out;
}

struct pki_cert *
forest_root(const struct forest *f)
{
	return f->root;
}

static void
put_number(unsigned char *out, unsigned int n)
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(n >> (24 - 8 * i));
}

static unsigned int
get_number(const unsigned char *in)
{
	return (unsigned int)in[0] << 24 | (unsigned int)in[1] << 16 |
	    (unsigned int)in[2] << 8 | in[3];
}

static void
serial_of(unsigned char out[SERIAL], int i, int version)
{
	memset(out, 0, SERIAL);
	memcpy(out, mark, MARK);
	put_number(out + MARK, (unsigned int)i);
	put_number(out + MARK + 4, (unsigned int)version);
}

int
forest_version(const X509 *leaf, int *ret_i)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(leaf);
	const unsigned char *data = ASN1_STRING_get0_data(serial);

	if (ASN1_STRING_length(serial) != SERIAL || memcmp(data, mark, MARK) != 0)
		return -1;
	*ret_i = (int)get_number(data + MARK);
	return (int)get_number(data + MARK + 4);
}

/* The place of `part` in `whole`, where it must be, and once. */
static size_t
place_of(const unsigned char *whole, size_t len, const void *part, size_t part_len)
{
	const unsigned char *at = memmem(whole, len, part, part_len);
	size_t behind;

	must(at != NULL, "finding a place in a template");
	behind = (size_t)(at - whole) + 1;
	must(memmem(whole + behind, len - behind, part, part_len) == NULL,
	    "finding just one place in a template");
	return behind - 1;
}

/* Everything of a certificate but its name, serial number and signature. */
static void
template_make(struct forest *f, int k)
{
	struct forest_template *t = &f->templates[k];
	unsigned char serial[SERIAL];
	char name[FOREST_NAME];
	struct pki_cert *c;
	BIO *bio = BIO_new(BIO_s_mem());
	int len;

	serial_of(serial, 1234567, 7654321);
	c = pki_issue(f->middle, &(struct pki_spec){ .use_key = f->keys[k],
	    .san = forest_name(1234567, name), .serial = serial, .serial_len = SERIAL });
	len = i2d_re_X509_tbs(c->cert, &t->tbs);
	must(len > 0 && bio != NULL, "a template");
	t->len = (size_t)len;
	t->name = place_of(t->tbs, t->len, name, strlen(name));
	t->serial = place_of(t->tbs, t->len, serial, SERIAL);
	must(PEM_write_bio_PKCS8PrivateKey(bio, f->keys[k], NULL, NULL, 0, NULL, NULL),
	    "a key");
	t->key_len = (size_t)BIO_get_mem_data(bio, &t->key);
	t->key = memcpy(malloc(t->key_len), t->key, t->key_len);
	BIO_free(bio);
	pki_free(c);
}

static struct forest *
forest_of(struct pki_cert *root, struct pki_cert *middle, EVP_PKEY *const *keys)
{
	struct forest *f = calloc(1, sizeof(*f));
	struct pki_buf pem = { 0 };

	must(f != NULL, "memory");
	f->root = root;
	f->middle = middle;
	pki_put_cert(&pem, middle);
	f->chain = pem.data;
	f->chain_len = pem.len;
	for (int k = 0; k < FOREST_KEYS; k++) {
		f->keys[k] = keys[k];
		template_make(f, k);
	}
	return f;
}

struct forest *
forest_new(void)
{
	EVP_PKEY *keys[FOREST_KEYS];
	struct pki_cert *root = pki_issue(NULL,
	    &(struct pki_spec){ .cn = "Forest Root", .ca = 1 });
	struct pki_cert *middle = pki_issue(root,
	    &(struct pki_spec){ .cn = "Forest Intermediate", .ca = 1 });

	for (int k = 0; k < FOREST_KEYS; k++)
		keys[k] = pki_key_new(PKI_P256);
	return forest_of(root, middle, keys);
}

void
forest_save(const struct forest *f, const char *dir)
{
	struct pki_buf all = { 0 }, root = { 0 };

	pki_put_cert(&root, f->root);
	pki_put_cert(&all, f->root);
	pki_put_key(&all, f->root);
	pki_put_cert(&all, f->middle);
	pki_put_key(&all, f->middle);
	for (int k = 0; k < FOREST_KEYS; k++)
		pki_put(&all, f->templates[k].key, f->templates[k].key_len);
	pki_write(dir, "authority/all.pem", 0600, &all);
	pki_write(dir, "authority/root.pem", 0644, &root);
	pki_buf_free(&all);
	pki_buf_free(&root);
}

static struct pki_cert *
cert_read(FILE *in, struct pki_cert *issuer)
{
	struct pki_cert *c = calloc(1, sizeof(*c));

	must(c != NULL, "memory");
	c->cert = PEM_read_X509(in, NULL, NULL, NULL);
	c->key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	c->issuer = issuer;
	must(c->cert != NULL && c->key != NULL, "reading an authority");
	return c;
}

struct forest *
forest_open(const char *dir)
{
	EVP_PKEY *keys[FOREST_KEYS];
	struct pki_cert *root, *middle;
	FILE *in = fopen(pki_path(dir, "authority/all.pem"), "re");

	if (in == NULL)
		return NULL;
	root = cert_read(in, NULL);
	middle = cert_read(in, root);
	for (int k = 0; k < FOREST_KEYS; k++) {
		keys[k] = PEM_read_PrivateKey(in, NULL, NULL, NULL);
		must(keys[k] != NULL, "reading a key");
	}
	(void)fclose(in);
	return forest_of(root, middle, keys);
}

void
forest_free(struct forest *f)
{
	if (f == NULL)
		return;
	for (int k = 0; k < FOREST_KEYS; k++) {
		EVP_PKEY_free(f->keys[k]);
		OPENSSL_free(f->templates[k].tbs);
		free(f->templates[k].key);
	}
	free(f->chain);
	pki_free(f->middle);
	pki_free(f->root);
	free(f);
}

/* A head of SEQUENCE or BIT STRING; returns how many bytes it takes. */
static size_t
head_put(unsigned char *out, unsigned char tag, size_t len)
{
	size_t n = 0;

	out[n++] = tag;
	if (len >= 256) {
		out[n++] = 0x82;
		out[n++] = (unsigned char)(len >> 8);
	} else if (len >= 128)
		out[n++] = 0x81;
	out[n++] = (unsigned char)len;
	return n;
}

/* to-be-signed, algorithm, signature: one certificate (RFC 5280 4.1). */
static size_t
der_put(unsigned char *out, const unsigned char *tbs, size_t len, const unsigned char *sig,
    size_t sig_len)
{
	unsigned char bits[8];
	size_t head = head_put(bits, 0x03, sig_len + 1), n;

	n = head_put(out, 0x30, len + sizeof(algorithm) + head + 1 + sig_len);
	memcpy(out + n, tbs, len);
	n += len;
	memcpy(out + n, algorithm, sizeof(algorithm));
	n += sizeof(algorithm);
	memcpy(out + n, bits, head);
	n += head;
	out[n++] = 0;
	memcpy(out + n, sig, sig_len);
	return n + sig_len;
}

/* 64 letters a line, as PEM has them (RFC 7468). */
static size_t
pem_put(char *out, const unsigned char *der, size_t len)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
	static const char end[] = "-----END CERTIFICATE-----\n";
	size_t n = sizeof(begin) - 1, line;

	memcpy(out, begin, n);
	for (; len > 0; len -= line, der += line) {
		line = len < 48 ? len : 48;
		n += (size_t)EVP_EncodeBlock((unsigned char *)out + n, der, (int)line);
		out[n++] = '\n';
	}
	memcpy(out + n, end, sizeof(end) - 1);
	return n + sizeof(end) - 1;
}

size_t
forest_leaf(const struct forest *f, int i, int version, char out[FOREST_LEAF])
{
	const struct forest_template *t = forest_key(f, i, version);
	unsigned char tbs[FOREST_LEAF / 2], der[FOREST_LEAF / 2], sig[128];
	size_t sig_len = sizeof(sig);
	char name[FOREST_NAME];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ctx != NULL && t->len + 256 < sizeof(der), "memory");
	memcpy(tbs, t->tbs, t->len);
	forest_name(i, name);
	memcpy(tbs + t->name, name, strlen(name));
	serial_of(tbs + t->serial, i, version);
	must(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, f->middle->key) == 1 &&
	    EVP_DigestSign(ctx, sig, &sig_len, tbs, t->len) == 1, "signing");
	EVP_MD_CTX_free(ctx);
	return pem_put(out, der, der_put(der, tbs, t->len, sig, sig_len));
}

const struct forest_template *
forest_key(const struct forest *f, int i, int version)
{
	return &f->templates[((unsigned int)i + (unsigned int)version) % FOREST_KEYS];
}
