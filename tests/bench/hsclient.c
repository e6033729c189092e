/* SPDX-License-Identifier: ISC */
/*
 * hsclient - TLS 1.3 handshakes, names drawn uniformly.
 *
 *	hsclient certs DIR N		writes DIR/NAME.pem for N names (forest.h)
 *	hsclient check PORT N		one handshake; prints what the server does
 *	hsclient warm PORT N		one handshake for each name
 *	hsclient load PORT N COUNT	COUNT handshakes, 32 at once; prints the rate
 *	hsclient resume PORT N COUNT	the same, each resuming the session of its name,
 *					which were begun before; HS_SIGNAL is then the
 *					process that gets a SIGUSR1, HS_VERSION 1.2 or 1.3
 *	hsclient turns PORT N COUNT	COUNT handshakes, one after the other; prints the
 *					median and the 99th percentile in us, TCP included
 *	hsclient strangers PORT N COUNT	the same with names that nobody has, each of which
 *					must get the alert that says so
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpu.h"
#include "support/forest.h"

enum { AT_ONCE = 32 };

static SSL_CTX *ctx;
static struct sockaddr_in to;
static int names;
static int tickets;
static int one_name;	/* the raw server has one for all */
static SSL_SESSION **sessions;	/* by name; NULL: all handshakes are full */

struct call {
	SSL	*ssl;
	int	 fd;
};

static void
certs(const char *dir, int n)
{
	struct forest *f = forest_new();

	forest_grow(f, dir, 0, n, FOREST_FLAT);
	forest_free(f);
}

static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl, (void)session;
	tickets++;
	return 0;
}

static void
call_start(struct call *c, int which, int flags)
{
	char name[FOREST_NAME];

	c->fd = socket(AF_INET, SOCK_STREAM | flags, 0);
	if (connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != EINPROGRESS)
		err(1, "connect");
	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_tlsext_host_name(c->ssl, forest_name(which, name));
	if (sessions != NULL && sessions[which] != NULL)
		SSL_set_session(c->ssl, sessions[which]);
	SSL_set_connect_state(c->ssl);
}

static void
call_end(struct call *c)
{
	X509 *leaf = SSL_get0_peer_certificate(c->ssl);
	const char *name = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);

	if (!one_name && X509_check_host(leaf, name, 0, 0, NULL) != 1)
		errx(1, "%s got another's certificate", name);
	/* or the session would be given up with the connection */
	SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(c->ssl);
	close(c->fd);
}

static void
check(void)
{
	struct timeval wait = { .tv_usec = 200000 };
	struct call c;
	char byte;

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	call_start(&c, 0, 0);
	if (SSL_do_handshake(c.ssl) != 1)
		errx(1, "handshake: %s", ERR_reason_error_string(ERR_get_error()));
	/* Tickets come after the handshake: whoever sends some did by now. */
	setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	(void)SSL_read(c.ssl, &byte, 1);
	printf("%s %s group=%s chain=%d tickets=%d resumable=%d\n",
	    SSL_get_version(c.ssl), SSL_get_cipher_name(c.ssl),
	    OBJ_nid2sn(SSL_get_negotiated_group(c.ssl)),
	    sk_X509_num(SSL_get_peer_cert_chain(c.ssl)), tickets,
	    SSL_SESSION_is_resumable(SSL_get_session(c.ssl)));
	call_end(&c);
}

static int
us_cmp(const void *a, const void *b)
{
	const double d = *(const double *)a - *(const double *)b;

	return (d > 0) - (d < 0);
}

/* One handshake of a name that the server has, or of one that it has not. */
static void
turn(struct call *c, int strange, unsigned *seed)
{
	char name[64];
	int rc;

	call_start(c, (int)(rand_r(seed) % (unsigned)names), 0);
	if (!strange) {
		if (SSL_do_handshake(c->ssl) != 1)
			errx(1, "handshake: %s", ERR_reason_error_string(ERR_get_error()));
		call_end(c);
		return;
	}
	snprintf(name, sizeof(name), "n%07d.s%d.example", rand_r(seed) % 10000000,
	    rand_r(seed));
	SSL_set_tlsext_host_name(c->ssl, name);
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1 || ERR_GET_REASON(ERR_get_error()) != SSL_R_TLSV1_UNRECOGNIZED_NAME)
		errx(1, "%s was not refused as an unknown name", name);
	ERR_clear_error();
	SSL_free(c->ssl);
	close(c->fd);
}

static void
turns(int count, int strange)
{
	double *us = calloc((size_t)count, sizeof(*us)), began;
	unsigned seed = (unsigned)getpid();
	struct call c;

	for (int i = 0; i < count; i++) {
		began = now_us();
		turn(&c, strange, &seed);
		us[i] = now_us() - began;
	}
	qsort(us, (size_t)count, sizeof(*us), us_cmp);
	printf("%.0f %.0f\n", us[count / 2], us[(size_t)count * 99 / 100]);
	free(us);
}

/* The i-th handshake's name: each once, or drawn. */
static int
draw(int i, int each, unsigned *seed)
{
	return each ? i % names : (int)(rand_r(seed) % (unsigned)names);
}

static void
load(int count, int each)
{
	struct epoll_event events[AT_ONCE], e;
	static struct call calls[AT_ONCE];
	unsigned seed = (unsigned)getpid();
	int ep = epoll_create1(0), started = 0, ended = 0, n;
	double began = now_us();

	while (started < AT_ONCE && started < count) {
		call_start(&calls[started], draw(started, each, &seed),
		    SOCK_NONBLOCK);
		e = (struct epoll_event){ .events = EPOLLIN | EPOLLOUT | EPOLLET,
		    .data.ptr = &calls[started] };
		epoll_ctl(ep, EPOLL_CTL_ADD, calls[started++].fd, &e);
	}
	while (ended < count) {
		n = epoll_wait(ep, events, AT_ONCE, -1);
		for (int i = 0; i < n; i++) {
			struct call *c = events[i].data.ptr;
			int ret;

			ERR_clear_error();
			ret = SSL_do_handshake(c->ssl);
			if (ret != 1) {
				ret = SSL_get_error(c->ssl, ret);
				if (ret == SSL_ERROR_WANT_READ ||
				    ret == SSL_ERROR_WANT_WRITE)
					continue;
				errx(1, "handshake failed: %s",
				    ERR_reason_error_string(ERR_get_error()));
			}
			if (sessions != NULL && !SSL_session_reused(c->ssl))
				errx(1, "a handshake was not resumed");
			call_end(c);
			ended++;
			if (started == count)
				continue;
			call_start(c, draw(started++, each, &seed), SOCK_NONBLOCK);
			e = (struct epoll_event){ .events = EPOLLIN | EPOLLOUT |
			    EPOLLET, .data.ptr = c };
			epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
		}
	}
	printf("%.1f\n", count / ((now_us() - began) / 1e6));
}

/* A session of each name, with its ticket. */
static void
begin_all(void)
{
	const char *server = getenv("HS_SIGNAL");
	SSL_SESSION **begun = calloc((size_t)names, sizeof(SSL_SESSION *));
	struct call c;
	char byte;

	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	for (int i = 0; i < names; i++) {
		call_start(&c, i, 0);
		if (SSL_do_handshake(c.ssl) != 1)
			errx(1, "handshake: %s", ERR_reason_error_string(ERR_get_error()));
		if (SSL_version(c.ssl) == TLS1_3_VERSION)
			(void)SSL_read(c.ssl, &byte, 1);	/* the ticket */
		begun[i] = SSL_get1_session(c.ssl);
		if (!SSL_SESSION_is_resumable(begun[i]))
			errx(1, "no ticket came");
		call_end(&c);
	}
	sessions = begun;
	if (server != NULL)
		kill((pid_t)atol(server), SIGUSR1);
}

int
main(int argc, char **argv)
{
	if (argc < 4)
		errx(64, "usage: certs DIR N | check PORT N | warm PORT N | "
		    "load PORT N COUNT | resume PORT N COUNT | turns PORT N COUNT | "
		    "strangers PORT N COUNT");
	names = atoi(argv[3]);
	one_name = getenv("HS_ONE_NAME") != NULL;
	if (strcmp(argv[1], "certs") == 0) {
		certs(argv[2], names);
		return 0;
	}
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519"))
		errx(1, "SSL_CTX");
	if (getenv("HS_VERSION") != NULL && strcmp(getenv("HS_VERSION"), "1.2") == 0 &&
	    /* there the certificate's curve must be among the groups */
	    (!SSL_CTX_set1_groups_list(ctx, "X25519:P-256") ||
	    !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
	    !SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION)))
		errx(1, "TLS 1.2");
	to.sin_family = AF_INET;
	to.sin_port = htons((unsigned short)atoi(argv[2]));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (strcmp(argv[1], "check") == 0)
		check();
	else if (strcmp(argv[1], "warm") == 0)
		load(names, 1);
	else if (strcmp(argv[1], "turns") == 0 || strcmp(argv[1], "strangers") == 0)
		turns(argc > 4 ? atoi(argv[4]) : 10000, argv[1][0] == 's');
	else {
		if (strcmp(argv[1], "resume") == 0)
			begin_all();
		load(argc > 4 ? atoi(argv[4]) : 10000, 0);
	}
	return 0;
}
