/* SPDX-License-Identifier: ISC */
/*
 * echo_libevent - an echo server and its client, of bufferevents.
 *
 *	echo_libevent serve PORT	on 127.0.0.1
 *	echo_libevent call HOST PORT	sends its input; prints what comes back
 *
 * Always true:
 *   1. The server closes a connection when the client has finished its half
 *      and everything was written back.
 *   2. The client ends with 0 when as much came back as it had sent.
 */
#include "echo_socket.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- Server --- */

static void
written(struct bufferevent *bev, void *arg)
{
	(void)arg;
	bufferevent_free(bev);
}

static void
came(struct bufferevent *bev, void *arg)
{
	(void)arg;
	bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static void
happened(struct bufferevent *bev, short what, void *arg)
{
	(void)arg;
	if ((what & BEV_EVENT_EOF) != 0 &&
	    evbuffer_get_length(bufferevent_get_output(bev)) > 0)
		bufferevent_setcb(bev, NULL, written, happened, NULL);
	else if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		bufferevent_free(bev);
}

static void
accepted(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *peer, int len,
    void *arg)
{
	struct bufferevent *bev;

	(void)peer;
	(void)len;
	(void)arg;
	bev = bufferevent_socket_new(evconnlistener_get_base(l), fd,
	    BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL) {
		close(fd);
		return;
	}
	bufferevent_setcb(bev, came, NULL, happened, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static int
serve(struct event_base *base, const char *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	struct evconnlistener *l;
	int on = 1, fd = echo_listening();

	at.sin_port = htons((in_port_t)atoi(port));
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		perror("echo_libevent");
		return 1;
	}
	l = evconnlistener_new(base, accepted, NULL, LEV_OPT_CLOSE_ON_FREE, 128, fd);
	if (l == NULL) {
		perror("echo_libevent: listen");
		return 1;
	}
	return event_base_dispatch(base);
}

/* --- Client --- */

struct call {
	struct event_base *base;
	size_t left;
	int failed;
};

static void
over(struct call *c, const char *why)
{
	if (why != NULL)
		perror(why);
	c->failed = why != NULL;
	(void)event_base_loopbreak(c->base);
}

static void
came_back(struct bufferevent *bev, void *arg)
{
	char text[65536];
	struct call *c = arg;
	size_t n;

	while ((n = bufferevent_read(bev, text, sizeof(text))) > 0) {
		(void)fwrite(text, 1, n, stdout);
		c->left -= n < c->left ? n : c->left;
	}
	if (c->left == 0)
		over(c, NULL);
}

static void
failed(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) == 0)
		over(arg, "echo_libevent: connection");
}

static int
dial(struct bufferevent *bev, int own, const char *host, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET };

	if (!own)
		return bufferevent_socket_connect_hostname(bev, NULL, AF_UNSPEC, host,
		    port);
	to.sin_port = htons((in_port_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return bufferevent_socket_connect(bev, (struct sockaddr *)&to, sizeof(to));
}

static int
call(struct event_base *base, const char *host, const char *port)
{
	struct call c = { .base = base };
	struct bufferevent *bev;
	char text[65536];
	size_t n;
	int fd = echo_calling(host);

	if (fd < 0) {
		perror("echo_libevent");
		return 1;
	}
	bev = bufferevent_socket_new(base, fd == 0 ? -1 : fd, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		return 1;
	while ((n = fread(text, 1, sizeof(text), stdin)) > 0) {
		(void)bufferevent_write(bev, text, n);
		c.left += n;
	}
	bufferevent_setcb(bev, came_back, NULL, failed, &c);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	if (dial(bev, fd != 0, host, atoi(port)) < 0)
		over(&c, "echo_libevent: connect");
	else
		(void)event_base_dispatch(base);
	bufferevent_free(bev);
	return c.failed;
}

int
main(int argc, char **argv)
{
	struct event_base *base = event_base_new();
	int r = 64;

	if (base == NULL)
		return 1;
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		r = serve(base, argv[2]);
	else if (argc == 4 && strcmp(argv[1], "call") == 0)
		r = call(base, argv[2], argv[3]);
	event_base_free(base);
	return fflush(stdout) != 0 ? 1 : r;
}
