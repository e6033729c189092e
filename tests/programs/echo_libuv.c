/* SPDX-License-Identifier: ISC */
/* echo_libuv - an echo server on 127.0.0.1 of libuv: echo_libuv PORT. */
#include <uv.h>

#include <stdio.h>
#include <stdlib.h>

struct reply {
	uv_write_t request;
	uv_buf_t buffer;
};

static void
release(uv_handle_t *h)
{
	free(h);
}

static void
room(uv_handle_t *h, size_t n, uv_buf_t *b)
{
	(void)h;
	b->base = malloc(n);
	b->len = b->base == NULL ? 0 : n;
}

static void
written(uv_write_t *w, int status)
{
	struct reply *r = (struct reply *)w;

	if (status < 0 && !uv_is_closing((uv_handle_t *)w->handle))
		uv_close((uv_handle_t *)w->handle, release);
	free(r->buffer.base);
	free(r);
}

static void
finished(uv_shutdown_t *s, int status)
{
	(void)status;
	if (!uv_is_closing((uv_handle_t *)s->handle))
		uv_close((uv_handle_t *)s->handle, release);
	free(s);
}

static void
end(uv_stream_t *s, ssize_t why)
{
	uv_shutdown_t *request = malloc(sizeof(*request));

	/* After the end of the other half: what was said is still written. */
	if (why == UV_EOF && request != NULL && uv_shutdown(request, s, finished) == 0)
		return;
	free(request);
	if (!uv_is_closing((uv_handle_t *)s))
		uv_close((uv_handle_t *)s, release);
}

static void
came(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct reply *r = n > 0 ? malloc(sizeof(*r)) : NULL;

	if (r != NULL) {
		r->buffer = uv_buf_init(b->base, (unsigned)n);
		if (uv_write(&r->request, s, &r->buffer, 1, written) == 0)
			return;
	}
	free(r);
	free(b->base);
	if (n != 0)
		end(s, n);
}

static void
connected(uv_stream_t *listener, int status)
{
	uv_tcp_t *c = status == 0 ? malloc(sizeof(*c)) : NULL;

	if (c == NULL)
		return;
	(void)uv_tcp_init(listener->loop, c);
	if (uv_accept(listener, (uv_stream_t *)c) < 0 ||
	    uv_read_start((uv_stream_t *)c, room, came) < 0)
		uv_close((uv_handle_t *)c, release);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at;
	uv_tcp_t listener;
	uv_loop_t *loop = uv_default_loop();
	int r;

	if (argc != 2)
		return 64;
	(void)uv_ip4_addr("127.0.0.1", atoi(argv[1]), &at);
	(void)uv_tcp_init(loop, &listener);
	r = uv_tcp_bind(&listener, (const struct sockaddr *)&at, 0);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&listener, 128, connected);
	if (r < 0) {
		(void)fprintf(stderr, "echo_libuv: %s\n", uv_strerror(r));
		return 1;
	}
	return uv_run(loop, UV_RUN_DEFAULT);
}
