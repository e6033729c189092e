/* SPDX-License-Identifier: ISC */
/* far - the other end of a case's connection; see conformance.h. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"

static const struct peer_opts server_opts = { .sni = "one.example" };

/* OpenSSL writes into connections that the other end has reset; SIGPIPE is what
 * the case's own calls raise. */
struct hush {
	sigset_t	mask;
	int		pending;
};

static sigset_t
sigpipe(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	return set;
}

static void
hush_begin(struct hush *h)
{
	const sigset_t set = sigpipe();
	sigset_t now;

	(void)sigpending(&now);
	h->pending = sigismember(&now, SIGPIPE);
	want_eq(pthread_sigmask(SIG_BLOCK, &set, &h->mask), 0);
}

static void
hush_end(const struct hush *h)
{
	const struct timespec now = { .tv_sec = 0 };
	const sigset_t set = sigpipe();
	int saved = errno;

	if (!h->pending)
		(void)sigtimedwait(&set, NULL, &now);
	want_eq(pthread_sigmask(SIG_SETMASK, &h->mask, NULL), 0);
	errno = saved;
}

static void
far_plain(struct far *f, int fd)
{
	memset(f, 0, sizeof(*f));
	f->tls.fd = f->fd = fd;
}

int
far_is_tls(const struct far *f)
{
	return f->tls.ssl != NULL;
}

void
far_write(struct far *f, const void *bytes, size_t len)
{
	if (far_is_tls(f))
		peer_write(&f->tls, bytes, len);
	else
		ours_write(f->fd, bytes, len);
}

ssize_t
far_read(struct far *f, void *bytes, size_t size)
{
	struct hush h;
	ssize_t n;

	hush_begin(&h);
	errno = 0;
	n = far_is_tls(f) ? peer_read(&f->tls, bytes, size) :
	    read(f->fd, bytes, size);
	/* OpenSSL answers a cut with an alert, which may fail on its own. */
	if (n < 0 && far_is_tls(f) && strstr(f->tls.why, "unexpected eof") != NULL)
		errno = 0;
	hush_end(&h);
	return n;
}

void
far_read_all(struct far *f, void *bytes, size_t len)
{
	if (far_is_tls(f))
		peer_read_all(&f->tls, bytes, len);
	else
		ours_read(f->fd, bytes, len);
}

void
far_end(struct far *f)
{
	struct hush h;

	hush_begin(&h);
	if (far_is_tls(f))
		peer_notify(&f->tls);
	hush_end(&h);
	want_eq(shutdown(f->fd, SHUT_WR), 0);
}

void
far_cut(struct far *f)
{
	want(far_is_tls(f));
	want_eq(shutdown(f->fd, SHUT_WR), 0);
}

void
far_close(struct far *f)
{
	struct hush h;

	hush_begin(&h);
	if (far_is_tls(f))
		peer_end(&f->tls);
	else
		(void)close(f->fd);
	hush_end(&h);
	far_plain(f, -1);
}

void
far_reset(struct far *f)
{
	if (far_is_tls(f))
		peer_reset(&f->tls);
	else
		tcp_reset(f->fd);
	far_plain(f, -1);
}

/* --- a client of the case's listener ------------------------------------------------ */
void
far_reach(struct trial *t, struct far *f, const struct addr *at)
{
	int family = at->u.any.sa_family, fd;

	if (t->mode != MODE_BOTH) {
		far_plain(f, tcp_dial(at));
		return;
	}
	fd = ours_client(family, SOCK_NONBLOCK, "one.example");
	want_errno(ours_connect(fd, at), EINPROGRESS);
	far_plain(f, fd);
}

void
far_shake(struct trial *t, struct far *f)
{
	int fd = f->fd;

	if (t->mode == MODE_SERVER) {
		if (peer_client_on(&f->tls, fd, &server_opts) != 0)
			world_fail(__FILE__, __LINE__, "peer: %s", f->tls.why);
	} else if (t->mode == MODE_BOTH) {
		want_eq(own_await(fd, POLLOUT), POLLOUT);
		want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), 0);
		want_eq(fcntl(fd, F_SETFL, O_RDWR), 0);
	}
}

void
far_dial(struct trial *t, struct far *f, const struct addr *at)
{
	far_reach(t, f, at);
	far_shake(t, f);
}

/* --- a server for the case's client --------------------------------------------------- */
void
far_listen(struct trial *t, struct far_listener *l, int family,
    const struct peer_opts *o)
{
	memset(l, 0, sizeof(*l));
	l->t = t;
	l->o = o != NULL ? *o : server_opts;
	if (l->o.cert == NULL)
		l->o.cert = world.one;
	l->fd = t->mode == MODE_BOTH ?
	    ours_listener(&l->at, family, world.one_file, NULL) :
	    tcp_listen(&l->at, family, 64);
}

void
far_accept(struct far_listener *l, struct far *f)
{
	int fd = l->t->mode == MODE_BOTH ? ours_accept(l->fd) : tcp_accept(l->fd);

	far_plain(f, fd);
	if (l->t->mode != MODE_CLIENT)
		return;
	if (peer_server_on(&f->tls, fd, &l->o) != 0)
		world_fail(__FILE__, __LINE__, "peer: %s", f->tls.why);
}

static void *
serve(void *arg)
{
	struct far_listener *l = arg;

	far_accept(l, l->served);
	return NULL;
}

void
far_serve(struct far_listener *l, struct far *f)
{
	l->served = f;
	want_eq(pthread_create(&l->thread, NULL, serve, l), 0);
}

void
far_served(struct far_listener *l)
{
	want_eq(pthread_join(l->thread, NULL), 0);
}

void
far_listener_close(struct far_listener *l)
{
	(void)close(l->fd);
	l->fd = -1;
}

/* --- a server that keeps a connect pending ---------------------------------------------- */
static int
slow_reach(struct trial *t, const struct slow *s)
{
	int family = s->l.at.u.any.sa_family;
	int fd = t->mode == MODE_BOTH ? ours_client(family, 0, "one.example") :
	    socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	want(fd >= 0);
	return fd;
}

/* The kernel takes one connection more than the backlog of 0; a relayed listener
 * pauses with one in its descriptor. */
void
slow_listen(struct trial *t, struct slow *s, int family)
{
	int fd;

	memset(s, 0, sizeof(*s));
	far_listen(t, &s->l, family, NULL);
	if (t->mode == MODE_CLIENT)
		return;
	want_eq(listen(s->l.fd, 0), 0);
	fd = slow_reach(t, s);
	want_eq(connect(fd, &s->l.at.u.any, s->l.at.len), 0);
	want_eq(own_await(s->l.fd, POLLIN), POLLIN);
	far_plain(&s->fill, fd);
	s->filled = 1;
}

void
slow_open(struct slow *s, struct far *f)
{
	if (s->filled) {
		far_plain(f, accept4(s->l.fd, NULL, NULL, SOCK_CLOEXEC));
		want(f->fd >= 0);
		far_close(f);
	}
	far_accept(&s->l, f);
}

void
slow_close(struct slow *s)
{
	if (s->filled)
		far_close(&s->fill);
	far_listener_close(&s->l);
}
