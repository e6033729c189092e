/* SPDX-License-Identifier: ISC */
#include "hsloop.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
	SSL	*ssl;
	int	 fd, done;
};

static volatile sig_atomic_t over;
static unsigned long finished, failures;

static void
on_term(int sig)
{
	(void)sig;
	over = 1;
}

/* No new ticket for who resumes, where OpenSSL by itself would send one in TLS 1.3. */
static int
on_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int seal)
{
	static unsigned char keys[2][32] = { "one of two that never change",
	    "the other one" };
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, keys[1], 32),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		    (char *)(uintptr_t)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	(void)ssl;
	if (seal && RAND_bytes(iv, 16) != 1)
		return -1;
	if (seal)
		memset(name, 'n', 16);
	if (!EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys[0], iv, seal) ||
	    !EVP_MAC_CTX_set_params(mac, params))
		return -1;
	return 1;
}

SSL_CTX *
hs_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	const int tickets = getenv("HS_TICKETS") != NULL;

	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, tickets ? TLS1_2_VERSION :
	    TLS1_3_VERSION))
		errx(1, "SSL_CTX");
	if (tickets)
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_key);
	else
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, tickets);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return ctx;
}

static void
client_end(struct client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	free(c);
}

static void
client_step(struct client *c)
{
	char byte;
	int ret;

	ERR_clear_error();
	if (!c->done) {
		ret = SSL_accept(c->ssl);
		if (ret == 1) {
			c->done = 1;
			finished++;
			return;
		}
		if (SSL_get_error(c->ssl, ret) == SSL_ERROR_WANT_READ)
			return;
		failures++;
	} else if (recv(c->fd, &byte, 1, 0) > 0) {
		return;
	}
	client_end(c);
}

static void
client_take(SSL_CTX *ctx, int listener, int ep)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct client *c;
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		c = calloc(1, sizeof(*c));
		if (c == NULL || (c->ssl = SSL_new(ctx)) == NULL)
			errx(1, "out of memory");
		c->fd = fd;
		SSL_set_fd(c->ssl, fd);
		e.data.ptr = c;
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
	}
}

static double
cpu_us(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
	    (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec);
}

static int
listener_new(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		err(1, "listen");
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	return fd;
}

/* SIGUSR1 starts the count anew, after the warm-up. */
static volatile sig_atomic_t restart;

static void
on_usr1(int sig)
{
	(void)sig;
	restart = 1;
}

int
hs_serve(SSL_CTX *ctx)
{
	struct epoll_event events[64], e = { .events = EPOLLIN };
	int ep = epoll_create1(0), listener = listener_new(), n;
	double before = cpu_us();

	signal(SIGTERM, on_term);
	signal(SIGUSR1, on_usr1);
	signal(SIGPIPE, SIG_IGN);
	epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
	while (!over) {
		n = epoll_wait(ep, events, 64, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				client_take(ctx, listener, ep);
			else
				client_step(events[i].data.ptr);
		}
		if (restart) {
			restart = 0;
			finished = 0;
			before = cpu_us();
		}
	}
	printf("%lu %lu %.2f\n", finished, failures,
	    (cpu_us() - before) / (double)(finished ? finished : 1));
	SSL_CTX_free(ctx);
	return failures != 0;
}
