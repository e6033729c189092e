/* SPDX-License-Identifier: ISC */
/*
 * frontclient - what `fronts` asks of plainserver, with OpenSSL in this process.
 *
 *	frontclient check PORT CA		what the handshake agreed on
 *	frontclient rr PORT CA COUNT		round trips of 64 bytes on one
 *						connection; us: mean, p50, p99
 *	frontclient down|up PORT CA MIB		bulk from or to the server; MB/s
 *	frontclient handshakes PORT CA COUNT	connect, handshake, one round trip,
 *						close, one after the other; a second
 *
 * TLS 1.3, one cipher suite, one group, no resumption.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cpu.h"

enum { REQUEST = 64, BLOCK = 65536, WARM_UP = 200 };

static SSL_CTX *ctx;
static struct sockaddr_in to;
static char block[BLOCK];
static int tickets;

static void
die(const char *what)
{
	ERR_print_errors_fp(stderr);
	err(1, "%s", what);
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl, (void)session;
	tickets++;
	return 0;
}

static void
context(const char *ca)
{
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384") ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519") ||
	    !SSL_CTX_load_verify_locations(ctx, ca, NULL))
		die("SSL_CTX");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	/* Only counted. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
}

static SSL *
call(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	SSL *ssl = SSL_new(ctx);

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    ssl == NULL || !SSL_set_fd(ssl, fd) ||
	    !SSL_set_tlsext_host_name(ssl, "localhost") ||
	    !SSL_set1_host(ssl, "localhost") || SSL_connect(ssl) != 1)
		die("connect");
	return ssl;
}

static void
hang_up(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	(void)close(fd);
}

static void
put(SSL *ssl, size_t len)
{
	size_t n;

	for (; len > 0; len -= n)
		if (!SSL_write_ex(ssl, block, len < BLOCK ? len : BLOCK, &n))
			die("write");
}

static void
get(SSL *ssl, size_t len)
{
	size_t n;

	for (; len > 0; len -= n)
		if (!SSL_read_ex(ssl, block, len < BLOCK ? len : BLOCK, &n))
			die("read");
}

static void
ask(SSL *ssl, char what, uint64_t n)
{
	memset(block, 0, REQUEST);
	block[0] = what;
	memcpy(block + 1, &n, sizeof(n));
	put(ssl, REQUEST);
}

static double
trip(SSL *ssl)
{
	double start = now_us();

	ask(ssl, 'e', 0);
	get(ssl, REQUEST);
	if (block[0] != 'e')
		errx(1, "other bytes came back");
	return now_us() - start;
}

static void
check(void)
{
	struct timeval wait = { .tv_usec = 200000 };
	SSL *ssl = call();

	(void)trip(ssl);
	/* Tickets come after the handshake: whoever sends some did by now. */
	(void)setsockopt(SSL_get_fd(ssl), SOL_SOCKET, SO_RCVTIMEO, &wait,
	    sizeof(wait));
	(void)SSL_read(ssl, block, 1);
	printf("%s %s group=%s chain=%d tickets=%d\n", SSL_get_version(ssl),
	    SSL_get_cipher_name(ssl), OBJ_nid2sn(SSL_get_negotiated_group(ssl)),
	    sk_X509_num(SSL_get_peer_cert_chain(ssl)), tickets);
	hang_up(ssl);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
round_trips(size_t count)
{
	double *took = calloc(count, sizeof(*took)), sum = 0;
	SSL *ssl = call();

	if (took == NULL)
		err(1, "calloc");
	for (int i = 0; i < WARM_UP; i++)
		(void)trip(ssl);
	for (size_t i = 0; i < count; i++)
		sum += took[i] = trip(ssl);
	qsort(took, count, sizeof(*took), by_value);
	printf("%.2f %.2f %.2f\n", sum / (double)count, took[count / 2],
	    took[count * 99 / 100]);
	free(took);
	hang_up(ssl);
}

static void
bulk(char what, size_t mib)
{
	size_t bytes = mib << 20;
	SSL *ssl = call();
	double start;

	(void)trip(ssl);
	start = now_us();
	ask(ssl, what, bytes);
	if (what == 'd')
		get(ssl, bytes);
	else {
		put(ssl, bytes);
		get(ssl, 1);
	}
	printf("%.1f\n", (double)bytes / (now_us() - start));
	hang_up(ssl);
}

static void
handshakes(size_t count)
{
	double start = now_us();

	for (size_t i = 0; i < count; i++) {
		SSL *ssl = call();

		(void)trip(ssl);
		hang_up(ssl);
	}
	printf("%.1f\n", (double)count / (now_us() - start) * 1e6);
}

int
main(int argc, char **argv)
{
	size_t n = argc == 5 ? (size_t)atol(argv[4]) : 0;

	if (argc < 4 || (n == 0) != (strcmp(argv[1], "check") == 0))
		errx(64, "usage: frontclient check PORT CA | "
		    "rr|down|up|handshakes PORT CA N");
	to.sin_family = AF_INET;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	context(argv[3]);
	if (n == 0)
		check();
	else if (strcmp(argv[1], "rr") == 0)
		round_trips(n);
	else if (strcmp(argv[1], "handshakes") == 0)
		handshakes(n);
	else
		bulk(argv[1][0], n);
	return 0;
}
