/* SPDX-License-Identifier: ISC */
#include "responder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX	16384
#define CONNECTIONS	1024
#define DRIP_MS		20

struct connection {
	struct responder *r;
	pthread_t	 thread;
	int		 fd, n;
};

struct responder {
	responder_answer *answer;
	void		*arg;
	pthread_t	 thread;
	int		 fd, port;
	int		 stop[2];	/* closed by responder_free(): ends every poll */
	char		 allow[32], base[48];
	pthread_mutex_t	 mu;		/* guards the rest: */
	pthread_cond_t	 changed;
	pthread_mutex_t	 answering;	/* one call of `answer` at a time */
	int		 held;
	int		 requests, open, peak, n;
	struct connection *c[CONNECTIONS];
};

static void
die(const char *what)
{
	perror(what);
	abort();
}

/* 1: readable (or writable); 0: the responder is being freed. */
static int
wait_for(struct responder *r, int fd, short events, int ms)
{
	struct pollfd p[2] = { { .fd = fd, .events = events },
	    { .fd = r->stop[0], .events = POLLIN } };

	while (poll(p, 2, ms) < 0 && errno == EINTR)
		;
	return p[1].revents == 0;
}

static int
send_all(struct connection *c, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n;

		if (!wait_for(c->r, c->fd, POLLOUT, -1))
			return 0;
		n = send(c->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return 0;
		bytes += n;
		len -= (size_t)n;
	}
	return 1;
}

static int
drip(struct connection *c, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!send_all(c, bytes + i, 1))
			return 0;
		if (!wait_for(c->r, -1, 0, DRIP_MS))
			return 0;
	}
	return 1;
}

/* Until the peer takes no more. */
static void
repeat(struct connection *c, const char *piece)
{
	while (send_all(c, piece, strlen(piece)))
		;
}

static int
head_put(struct connection *c, const struct responder_reply *reply)
{
	char head[2048];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %d Status\r\n",
	    reply->status ? reply->status : 200);

	if (reply->type != NULL)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "Content-Type: %s\r\n",
		    reply->type);
	if (reply->headers != NULL)
		n += snprintf(head + n, sizeof(head) - (size_t)n, "%s", reply->headers);
	if (reply->manner == RESPONDER_ENDLESS)
		n += snprintf(head + n, sizeof(head) - (size_t)n,
		    "Transfer-Encoding: chunked\r\n");
	else if (reply->manner != RESPONDER_NO_LENGTH && reply->status != 304)
		n += snprintf(head + n, sizeof(head) - (size_t)n,
		    "Content-Length: %zu\r\n", reply->body.len);
	if (reply->close || reply->manner == RESPONDER_NO_LENGTH)
		n += snprintf(head + n, sizeof(head) - (size_t)n,
		    "Connection: close\r\n");
	if (reply->manner == RESPONDER_HEADERS)
		return send_all(c, head, (size_t)n);
	n += snprintf(head + n, sizeof(head) - (size_t)n, "\r\n");
	if (reply->manner == RESPONDER_DRIP_HEAD)
		return drip(c, head, (size_t)n);
	return send_all(c, head, (size_t)n);
}

/* 1: the connection goes on. */
static int
reply_put(struct connection *c, const struct responder_reply *reply)
{
	size_t len = reply->body.len;
	const char *data = reply->body.data;

	if (reply->manner == RESPONDER_RESET)
		return 0;
	if (reply->manner == RESPONDER_SILENT) {
		(void)wait_for(c->r, c->fd, POLLIN, -1);
		return 0;
	}
	if (!head_put(c, reply))
		return 0;
	switch (reply->manner) {
	case RESPONDER_DRIP_BODY:
		return drip(c, data, len);
	case RESPONDER_ENDLESS:
		repeat(c, "20\r\n0123456789abcdef0123456789abcdef\r\n");
		return 0;
	case RESPONDER_HEADERS:
		repeat(c, "X-More: 0123456789abcdef0123456789abcdef\r\n");
		return 0;
	case RESPONDER_CUT:
		(void)send_all(c, data, len / 2);
		return 0;
	default:
		return (len == 0 || send_all(c, data, len)) && !reply->close &&
		    reply->manner != RESPONDER_NO_LENGTH;
	}
}

static size_t
length_of(const char *headers)
{
	const char *line = strcasestr(headers, "\r\nContent-Length:");

	return line == NULL ? 0 : strtoul(line + 17, NULL, 10);
}

/* 1: a whole request is in *q; its parts point into `buf`, which it owns. */
static int
request_get(struct connection *c, char *buf, struct responder_request *q)
{
	size_t have = 0, need = 0;
	char *end = NULL;
	ssize_t n;

	while (end == NULL || have < need) {
		if (have + 1 >= HEAD_MAX || !wait_for(c->r, c->fd, POLLIN, -1))
			return 0;
		n = recv(c->fd, buf + have, HEAD_MAX - 1 - have, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return 0;
		have += (size_t)n;
		buf[have] = '\0';
		end = strstr(buf, "\r\n\r\n");
		if (end != NULL)
			need = (size_t)(end - buf) + 4 + length_of(buf);
	}
	if (sscanf(buf, "%7s %1023s", q->method, q->path) != 2)
		return 0;
	q->headers = strstr(buf, "\r\n") + 2;
	q->body = end + 4;
	q->body_len = have - (size_t)(q->body - buf);
	end[2] = '\0';
	return 1;
}

static int
enter(struct responder *r)
{
	int n;

	(void)pthread_mutex_lock(&r->mu);
	n = ++r->requests;
	if (++r->open > r->peak)
		r->peak = r->open;
	(void)pthread_cond_broadcast(&r->changed);
	while (r->held)
		(void)pthread_cond_wait(&r->changed, &r->mu);
	(void)pthread_mutex_unlock(&r->mu);
	return n;
}

static void
leave(struct responder *r)
{
	(void)pthread_mutex_lock(&r->mu);
	r->open--;
	(void)pthread_mutex_unlock(&r->mu);
}

static void *
serve(void *arg)
{
	struct connection *c = arg;
	struct responder_request q = { .connection = c->n };
	struct responder_reply reply;
	char *buf = malloc(HEAD_MAX);
	int more = buf != NULL;

	while (more && request_get(c, buf, &q)) {
		q.n = enter(c->r);
		memset(&reply, 0, sizeof(reply));
		(void)pthread_mutex_lock(&c->r->answering);
		c->r->answer(c->r->arg, &q, &reply);
		(void)pthread_mutex_unlock(&c->r->answering);
		more = reply_put(c, &reply);
		pki_buf_free(&reply.body);
		leave(c->r);
	}
	(void)shutdown(c->fd, SHUT_RDWR);
	free(buf);
	return NULL;
}

static void
connection_new(struct responder *r, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (c == NULL)
		die("calloc");
	c->r = r;
	c->fd = fd;
	(void)pthread_mutex_lock(&r->mu);
	if (r->n == CONNECTIONS)
		die("too many connections");
	r->c[r->n++] = c;
	c->n = r->n;
	if (pthread_create(&c->thread, NULL, serve, c) != 0)
		die("pthread_create");
	(void)pthread_mutex_unlock(&r->mu);
}

static void *
listen_loop(void *arg)
{
	struct responder *r = arg;

	while (wait_for(r, r->fd, POLLIN, -1)) {
		int fd = accept4(r->fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			connection_new(r, fd);
	}
	return NULL;
}

struct responder *
responder_new_at(const char *address, responder_answer *answer, void *arg)
{
	struct responder *r = calloc(1, sizeof(*r));
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	if (r == NULL)
		die("calloc");
	r->answer = answer;
	r->arg = arg;
	(void)pthread_mutex_init(&r->mu, NULL);
	(void)pthread_mutex_init(&r->answering, NULL);
	(void)pthread_cond_init(&r->changed, NULL);
	(void)inet_pton(AF_INET, address, &at.sin_addr);
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0 || bind(r->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(r->fd, 256) < 0 ||
	    getsockname(r->fd, (struct sockaddr *)&at, &len) < 0)
		die("a responder's socket");
	r->port = ntohs(at.sin_port);
	(void)snprintf(r->allow, sizeof(r->allow), "%s:%d", address, r->port);
	(void)snprintf(r->base, sizeof(r->base), "http://%s", r->allow);
	if (pipe(r->stop) < 0 || pthread_create(&r->thread, NULL, listen_loop, r) != 0)
		die("a responder's thread");
	return r;
}

struct responder *
responder_new(responder_answer *answer, void *arg)
{
	return responder_new_at("127.0.0.1", answer, arg);
}

void
responder_free(struct responder *r)
{
	if (r == NULL)
		return;
	responder_let_go(r);
	(void)close(r->stop[1]);
	(void)pthread_join(r->thread, NULL);
	for (int i = 0; i < r->n; i++) {
		(void)pthread_join(r->c[i]->thread, NULL);
		(void)close(r->c[i]->fd);
		free(r->c[i]);
	}
	(void)close(r->stop[0]);
	(void)close(r->fd);
	(void)pthread_cond_destroy(&r->changed);
	(void)pthread_mutex_destroy(&r->answering);
	(void)pthread_mutex_destroy(&r->mu);
	free(r);
}

const char *
responder_url(const struct responder *r, const char *path)
{
	static char urls[8][1200];
	static int next;
	char *out = urls[next++ % 8];

	(void)snprintf(out, sizeof(urls[0]), "%s%s", r->base, path);
	return out;
}

const char *
responder_allow(const struct responder *r)
{
	return r->allow;
}

int
responder_port(const struct responder *r)
{
	return r->port;
}

static int
counted(struct responder *r, const int *what)
{
	int n;

	(void)pthread_mutex_lock(&r->mu);
	n = *what;
	(void)pthread_mutex_unlock(&r->mu);
	return n;
}

int
responder_requests(struct responder *r)
{
	return counted(r, &r->requests);
}

int
responder_connections(struct responder *r)
{
	return counted(r, &r->n);
}

int
responder_peak(struct responder *r)
{
	return counted(r, &r->peak);
}

void
responder_see(struct responder *r)
{
	(void)pthread_mutex_lock(&r->answering);
	(void)pthread_mutex_unlock(&r->answering);
}

static void
hold(struct responder *r, int held)
{
	(void)pthread_mutex_lock(&r->mu);
	r->held = held;
	(void)pthread_cond_broadcast(&r->changed);
	(void)pthread_mutex_unlock(&r->mu);
}

void
responder_hold(struct responder *r)
{
	hold(r, 1);
}

void
responder_let_go(struct responder *r)
{
	hold(r, 0);
}

void
responder_wait(struct responder *r, int n)
{
	(void)pthread_mutex_lock(&r->mu);
	while (r->requests < n)
		(void)pthread_cond_wait(&r->changed, &r->mu);
	(void)pthread_mutex_unlock(&r->mu);
}

int
responder_deaf(int fds[8], int *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int n = 0;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[n] < 0 || bind(fds[n], (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fds[n], 0) < 0 || getsockname(fds[n], (struct sockaddr *)&at, &len) < 0)
		die("a deaf socket");
	*ret_port = ntohs(at.sin_port);
	/* connections that nobody accepts fill its queue; later ones get no answer */
	for (n = 1; n < 8; n++) {
		fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fds[n] < 0)
			die("a deaf socket's client");
		(void)connect(fds[n], (struct sockaddr *)&at, sizeof(at));
	}
	return n;
}
