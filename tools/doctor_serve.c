/* SPDX-License-Identifier: ISC */
/*
 * doctor_serve - the part of sstool doctor that tries a whole connection: a
 * listener with a certificate made on the spot, a client that believes nobody
 * else, a byte.
 *
 * doctor_try.c runs it in a process of its own.
 *
 * Always true:
 *   1. Only loopback is reached, and the key is nowhere but in memory.
 */
#include <securesockets.h>

#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"

#define NAME	"doctor.invalid"

static int
extend(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

/* A certificate for NAME, signed by itself, that is no CA. NULL: no memory. */
static X509 *
make_certificate(EVP_PKEY *key)
{
	X509 *cert = X509_new();
	X509_NAME *subject;

	if (cert == NULL)
		return NULL;
	subject = X509_get_subject_name(cert);
	if (X509_set_version(cert, 2) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL &&
	    X509_set_pubkey(cert, key) == 1 &&
	    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)NAME, -1, -1, 0) == 1 &&
	    X509_set_issuer_name(cert, subject) == 1 &&
	    extend(cert, NID_basic_constraints, "critical,CA:FALSE") &&
	    extend(cert, NID_subject_alt_name, "DNS:" NAME) &&
	    X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* The certificate, and after it its key, in PEM. *ret_cert is the length of the
 * first part. 0: it could not be made. */
static size_t
make_identity(char *out, size_t size, size_t *ret_cert)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key != NULL ? make_certificate(key) : NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	long len = 0;
	char *pem;

	if (cert != NULL && bio != NULL && PEM_write_bio_X509(bio, cert) == 1) {
		*ret_cert = (size_t)BIO_get_mem_data(bio, &pem);
		if (PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
			len = BIO_get_mem_data(bio, &pem);
	}
	if (len > 0 && (size_t)len <= size)
		memcpy(out, pem, (size_t)len);
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
	return len > 0 && (size_t)len <= size ? (size_t)len : 0;
}

static void
say(struct sst_trial *t, const char *call, int fd)
{
	char text[600] = "";
	socklen_t len = sizeof(text) - 1;
	int error = errno;

	if (getsockopt(fd, IPPROTO_TLS, TLS_ERROR, text, &len) < 0 || *text == '\0')
		snprintf(text, sizeof(text), "%s", strerror(error));
	t->error = error;
	snprintf(t->text, sizeof(t->text), "%s: %s", call, text);
}

/* A byte from the one to the other, and its names. */
static void
talk(struct sst_trial *t, int client, int server)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	char byte = 0;

	if (getpeername(server, (struct sockaddr *)&at, &len) < 0)
		say(t, "getpeername", server);
	else if (write(client, "x", 1) != 1)
		say(t, "write", client);
	else if (read(server, &byte, 1) != 1 || byte != 'x')
		say(t, "read", server);
}

void
sst_doctor_serve(struct sst_trial *t, const void *arg)
{
	const struct sst_served *where = arg;
	struct sockaddr_storage at = where->at;
	socklen_t len = where->len;
	char pem[4096];
	size_t cert = 0, all = make_identity(pem, sizeof(pem), &cert);
	int l, c, s;

	unsetenv("SSL_CERT_FILE");
	unsetenv("SSL_CERT_DIR");
	l = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS);
	c = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TLS);
	if (all == 0 || l < 0 || c < 0)
		say(t, "socket", -1);
	else if (setsockopt(l, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, pem,
	    (socklen_t)all) < 0)
		say(t, "setsockopt", l);
	else if (bind(l, (struct sockaddr *)&at, len) < 0 || listen(l, 4) < 0 ||
	    getsockname(l, (struct sockaddr *)&at, &len) < 0)
		say(t, "listen", l);
	else if (setsockopt(c, IPPROTO_TLS, TLS_REMOTE_HOSTNAME, NAME,
	    sizeof(NAME)) < 0 || setsockopt(c, IPPROTO_TLS,
	    TLS_TRUSTED_PEER_CERTIFICATES, pem, (socklen_t)cert) < 0 ||
	    connect(c, (struct sockaddr *)&at, len) < 0)
		say(t, "connect", c);
	else if ((s = accept(l, NULL, NULL)) < 0)
		say(t, "accept", l);
	else
		talk(t, c, s);
}
