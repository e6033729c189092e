/* SPDX-License-Identifier: ISC */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct world w;

int
world_make(void **state)
{
	struct rlimit files;
	SSL *ssl;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	w.ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	w.a = pki_issue(w.ca, &(struct pki_spec){ .san = "a.example" });
	w.ctx = SSL_CTX_new(TLS_client_method());
	/* The first message of a client, to be said by many. */
	ssl = SSL_new(w.ctx);
	(void)SSL_set_tlsext_host_name(ssl, "a.example");
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	(void)SSL_connect(ssl);
	w.hello_len = BIO_read(SSL_get_wbio(ssl), w.hello, sizeof(w.hello));
	assert_true(w.hello_len > 100);
	SSL_free(ssl);
	return 0;
}

int
world_free(void **state)
{
	(void)state;
	SSL_CTX_free(w.ctx);
	pki_free(w.a);
	pki_free(w.ca);
	return 0;
}

int
scene_make(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	agent_make(&s->a);
	s->app = agent_bound(&s->a, &s->at);
	assert_int_equal(agent_supply(&s->a, s->app, 1, w.a), 0);
	*state = s;
	return 0;
}

void
begin(struct scene *s, int backlog)
{
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LISTEN, backlog, 0, 0, NULL, 0,
	    s->app), 0);
	s->l = s->a.relay->listeners;
	assert_non_null(s->l);
}

int
scene_free(void **state)
{
	struct scene *s = *state;

	(void)close(s->app);
	agent_free(&s->a);
	free(s);
	return 0;
}

struct client
knock(struct scene *s, int x, int y)
{
	const struct sockaddr_in from = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(0x7f000000u | (uint32_t)x << 8 | (uint32_t)y) };
	struct client c = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	const int on = 1;

	assert_true(c.fd >= 0);
	assert_int_equal(bind(c.fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(c.fd, (struct sockaddr *)&s->at, sizeof(s->at)), 0);
	assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
	/* Or a short record waits for an acknowledgement of the one before. */
	assert_int_equal(setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	return c;
}

struct client
dial(struct scene *s, int x, int y)
{
	struct client c = knock(s, x, y);

	agent_settle(&s->a);
	return c;
}

void
say(struct scene *s, const struct client *c, const void *bytes, int len)
{
	assert_int_equal(send(c->fd, bytes, (size_t)len, MSG_NOSIGNAL), len);
	agent_settle(&s->a);
}

void
shake(struct scene *s, struct client *c)
{
	int rc = 0;
	char byte;

	c->ssl = SSL_new(w.ctx);
	assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
	for (int i = 0; i < 20 && rc != 1; i++) {
		rc = SSL_connect(c->ssl);
		agent_settle(&s->a);
	}
	assert_int_equal(rc, 1);
	/* the ticket, which a test that looks at the socket itself would take for data */
	(void)SSL_peek(c->ssl, &byte, 1);
}

void
hang_up(struct scene *s, struct client *c)
{
	SSL_free(c->ssl);
	(void)close(c->fd);
	agent_settle(&s->a);
}

int
ended(const struct client *c)
{
	char b[4096];
	ssize_t n;

	do
		n = recv(c->fd, b, sizeof(b), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

unsigned
counted(const struct scene *s, enum sst_listener_count why)
{
	return (unsigned)s->l->counts[why];
}

int
take_now(struct scene *s, struct sst_wire_accepted *rec, int keep)
{
	union {
		struct cmsghdr	align;
		char		bytes[CMSG_SPACE(sizeof(int))];
	} space;
	struct iovec iov = { .iov_base = rec, .iov_len = sizeof(*rec) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1,
	    .msg_control = keep ? space.bytes : NULL,
	    .msg_controllen = keep ? sizeof(space.bytes) : 0 };
	int fd = -1;

	if (recvmsg(s->app, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
	    (ssize_t)sizeof(*rec))
		return -1;
	if (keep) {
		assert_non_null(CMSG_FIRSTHDR(&msg));
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	}
	return keep ? fd : 0;
}

int
take(struct scene *s, struct sst_wire_accepted *rec, int keep)
{
	int fd = take_now(s, rec, keep);

	if (fd >= 0)
		agent_settle(&s->a);
	return fd;
}
