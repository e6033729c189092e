/* SPDX-License-Identifier: ISC */
/* acme_wait - see acme_wait.h. */
#include "acme_wait.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#define NAP_MS	20
#define TRY_S	2	/* for one connection, and one read */

static int64_t
now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What an ACME server puts into server_name: of an address its reverse name, RFC 8738 6. */
static void
server_name(const char *name, char *out, size_t size)
{
	unsigned char a[16];
	size_t at = 0;

	if (inet_pton(AF_INET, name, a) == 1) {
		(void)snprintf(out, size, "%u.%u.%u.%u.in-addr.arpa", a[3], a[2], a[1],
		    a[0]);
	} else if (inet_pton(AF_INET6, name, a) == 1) {
		for (int i = 15; i >= 0; i--, at += 4)
			(void)snprintf(out + at, size - at, "%x.%x.", a[i] & 15u,
			    (unsigned)a[i] >> 4);
		(void)snprintf(out + at, size - at, "ip6.arpa");
	} else {
		(void)snprintf(out, size, "%s", name);
	}
}

static int
was_shown(SSL *ssl, const X509 *want)
{
	static const char protocol[] = "acme-tls/1";
	const X509 *got = SSL_get0_peer_certificate(ssl);
	const unsigned char *alpn;
	unsigned len;
	char byte;
	int rc;

	SSL_get0_alpn_selected(ssl, &alpn, &len);
	if (got == NULL || X509_cmp(got, want) != 0 || len != sizeof(protocol) - 1 ||
	    memcmp(alpn, protocol, len) != 0)
		return 0;
	rc = SSL_read(ssl, &byte, 1);
	return SSL_get_error(ssl, rc) == SSL_ERROR_ZERO_RETURN;
}

/* One validation. 1, 0 or -1. */
static int
validate(SSL_CTX *ctx, const char *where, const char *sni, const X509 *want)
{
	const struct timeval patience = { .tv_sec = TRY_S };
	BIO *tcp = BIO_new_connect(where);
	SSL *ssl = SSL_new(ctx);
	int fd = -1, rc = -1;

	if (tcp == NULL || ssl == NULL || SSL_set_tlsext_host_name(ssl, sni) != 1)
		goto out;
	rc = 0;
	if (BIO_do_connect_retry(tcp, TRY_S, NAP_MS) != 1 || BIO_get_fd(tcp, &fd) < 0)
		goto out;
	(void)BIO_socket_nbio(fd, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	SSL_set_bio(ssl, tcp, tcp);
	tcp = NULL;
	rc = SSL_connect(ssl) == 1 && was_shown(ssl, want);
out:
	ERR_clear_error();
	SSL_free(ssl);
	BIO_free_all(tcp);
	return rc;
}

int
sst_acme_wait(const char *where, const char *name, const char *pem, size_t len, int ms)
{
	static const unsigned char alpn[] = "\012acme-tls/1";
	const struct timespec nap = { .tv_nsec = NAP_MS * 1000000L };
	const int64_t until = now_ms() + ms;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	BIO *in = BIO_new_mem_buf(pem, (int)len);
	X509 *want = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, NULL, NULL);
	char sni[300];
	int rc = -1;

	/* A program that ends meanwhile must not end this one. */
	(void)signal(SIGPIPE, SIG_IGN);
	server_name(name, sni, sizeof(sni));
	if (ctx == NULL || want == NULL ||
	    SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) != 0)
		goto out;
	while ((rc = validate(ctx, where, sni, want)) == 0 && now_ms() < until)
		(void)nanosleep(&nap, NULL);
out:
	X509_free(want);
	BIO_free(in);
	SSL_CTX_free(ctx);
	return rc;
}
