/* SPDX-License-Identifier: ISC */
/* Handshakes side by side, and how finished ones reach the program. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/listener.h"
#include "relay/peers.h"
#include "relay/shake.h"
#include "relay/stream.h"

#define AT_ONCE	8	/* what TCP's own queue holds in these tests */

static struct {
	struct pki_cert	*ca, *a;
	SSL_CTX		*ctx;
	char		 hello[1000];
	int		 hello_len;
} w;

/* A listening program. */
struct scene {
	struct agent	 a;
	struct sockaddr_in at;
	int		 app;
	struct sst_listener *l;
};

struct client {
	int	fd;
	SSL	*ssl;
};

static int
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

static int
world_free(void **state)
{
	(void)state;
	SSL_CTX_free(w.ctx);
	pki_free(w.a);
	pki_free(w.ca);
	return 0;
}

static int
scene_make(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	agent_make(&s->a);
	s->app = agent_bound(&s->a, &s->at);
	assert_int_equal(agent_supply(&s->a, s->app, 1, w.a), 0);
	*state = s;
	return 0;
}

static void
begin(struct scene *s, int backlog)
{
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LISTEN, backlog, 0, 0, NULL, 0,
	    s->app), 0);
	s->l = s->a.relay->listeners;
	assert_non_null(s->l);
}

static int
scene_free(void **state)
{
	struct scene *s = *state;

	(void)close(s->app);
	agent_free(&s->a);
	free(s);
	return 0;
}

/* Connects from 127.0.X.Y, so that neighbourhoods can be told apart. */
static struct client
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

static struct client
dial(struct scene *s, int x, int y)
{
	struct client c = knock(s, x, y);

	agent_settle(&s->a);
	return c;
}

static void
say(struct scene *s, const struct client *c, const void *bytes, int len)
{
	assert_int_equal(send(c->fd, bytes, (size_t)len, MSG_NOSIGNAL), len);
	agent_settle(&s->a);
}

/* The client's handshake, to its end. */
static void
shake(struct scene *s, struct client *c)
{
	int rc = 0;

	c->ssl = SSL_new(w.ctx);
	assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
	for (int i = 0; i < 20 && rc != 1; i++) {
		rc = SSL_connect(c->ssl);
		agent_settle(&s->a);
	}
	assert_int_equal(rc, 1);
}

static void
hang_up(struct scene *s, struct client *c)
{
	SSL_free(c->ssl);
	(void)close(c->fd);
	agent_settle(&s->a);
}

/* Whether the relay ended this client's connection. */
static int
ended(const struct client *c)
{
	char b[4096];
	ssize_t n;

	do
		n = recv(c->fd, b, sizeof(b), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

static unsigned
counted(const struct scene *s, enum sst_listener_count why)
{
	return (unsigned)s->l->counts[why];
}

/* accept(): the record and its descriptor; -1: there is none. Without `keep`
 * the program's table is full. */
static int
take(struct scene *s, struct sst_wire_accepted *rec, int keep)
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
	agent_settle(&s->a);
	return keep ? fd : 0;
}

/* --- deadlines -------------------------------------------------------------- */
static void
a_silent_client_has_five_seconds_and_one_that_speaks_ten(void **state)
{
	struct scene *s = *state;
	struct client quiet, slow;

	begin(s, 8);
	quiet = dial(s, 0, 1);
	slow = dial(s, 0, 1);
	agent_later(&s->a, SST_SHAKE_BYTE_MS - 1);
	say(s, &slow, w.hello, 1);
	assert_false(ended(&quiet));
	agent_later(&s->a, 1);
	assert_true(ended(&quiet));
	assert_int_equal(counted(s, SST_COUNT_SILENT), 1);
	assert_false(ended(&slow));
	/* The rest of the hello has until ten seconds after the start. */
	say(s, &slow, w.hello + 1, w.hello_len - 2);
	agent_later(&s->a, SST_SHAKE_HELLO_MS - SST_SHAKE_BYTE_MS - 1);
	assert_false(ended(&slow));
	agent_later(&s->a, 1);
	assert_true(ended(&slow));
	assert_int_equal(counted(s, SST_COUNT_SLOW), 1);
	assert_int_equal(s->l->n_shakes, 0);
	assert_int_equal(s->l->n_active, 0);
	hang_up(s, &quiet);
	hang_up(s, &slow);
}

static void
the_rest_has_ten_seconds_from_the_hello_on(void **state)
{
	struct scene *s = *state;
	struct client c, good;

	begin(s, 8);
	c = dial(s, 0, 1);
	good = dial(s, 0, 1);
	agent_later(&s->a, 4000);
	say(s, &c, w.hello, w.hello_len);
	say(s, &good, "\x16", 1);
	agent_later(&s->a, SST_SHAKE_REST_MS - 1);
	assert_false(ended(&c));
	assert_true(ended(&good));	/* no hello by then */
	agent_later(&s->a, 1);
	assert_true(ended(&c));
	assert_int_equal(counted(s, SST_COUNT_SLOW), 2);
	/* One that finishes in time has no deadline any more. */
	hang_up(s, &good);
	good = dial(s, 0, 1);
	shake(s, &good);
	agent_later(&s->a, 100000);
	assert_false(ended(&good));
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	hang_up(s, &c);
	hang_up(s, &good);
}

static void
the_handshakes_timeout_shortens_and_lengthens(void **state)
{
	struct scene *s = *state;
	struct client quiet, slow;

	assert_int_equal(agent_set_int(&s->a, s->app, TLS_HANDSHAKE_TIMEOUT, 1500), 0);
	begin(s, 8);
	quiet = dial(s, 0, 1);
	slow = dial(s, 0, 1);
	say(s, &slow, w.hello, 1);
	agent_later(&s->a, 1499);
	assert_false(ended(&quiet));
	assert_false(ended(&slow));
	agent_later(&s->a, 1);
	assert_true(ended(&quiet));
	assert_true(ended(&slow));
	hang_up(s, &quiet);
	hang_up(s, &slow);

	assert_int_equal(agent_set_int(&s->a, s->app, TLS_HANDSHAKE_TIMEOUT, 20000), 0);
	quiet = dial(s, 0, 1);
	slow = dial(s, 0, 1);
	say(s, &slow, w.hello, 1);
	agent_later(&s->a, SST_SHAKE_BYTE_MS);
	assert_true(ended(&quiet));	/* silence is not made cheaper */
	agent_later(&s->a, 14999);
	assert_false(ended(&slow));
	agent_later(&s->a, 1);
	assert_true(ended(&slow));
	hang_up(s, &quiet);
	hang_up(s, &slow);
}

static void
a_failed_handshake_is_counted_by_its_reason(void **state)
{
	struct scene *s = *state;
	struct client c;

	begin(s, 8);
	c = dial(s, 0, 1);
	say(s, &c, "GET / HTTP/1.0\r\n\r\n", 18);
	assert_true(ended(&c));
	assert_int_equal(counted(s, SST_COUNT_NOT_TLS), 1);
	assert_non_null(strstr(s->l->last_error, "plain HTTP"));
	hang_up(s, &c);
	c = dial(s, 0, 1);
	hang_up(s, &c);
	assert_int_equal(counted(s, SST_COUNT_CLOSED), 1);
	c = dial(s, 0, 1);
	say(s, &c, w.hello, w.hello_len);
	say(s, &c, "\x15\x03\x03\x00\x02\x02\x28", 7);	/* an alert */
	assert_true(ended(&c));
	assert_int_equal(counted(s, SST_COUNT_ALERT), 1);
	assert_int_equal(counted(s, SST_COUNT_NOT_TLS), 1);
	assert_int_equal(ended(&c), 1);
	assert_int_equal(s->l->n_shakes, 0);
	hang_up(s, &c);
}

/* --- caps ------------------------------------------------------------------- */
static void
an_address_has_its_share_and_others_are_served(void **state)
{
	struct scene *s = *state;
	struct client c[SST_PEERS_ADDRESS + 2], other;

	begin(s, 8);
	for (int i = 0; i < SST_PEERS_ADDRESS + 2; i++) {
		c[i] = dial(s, 1, 1);
		say(s, &c[i], w.hello, 1);
	}
	assert_int_equal(s->l->n_active, SST_PEERS_ADDRESS);
	assert_int_equal(s->l->n_shakes, SST_PEERS_ADDRESS + 2);
	/* Who waits is not judged by what comes meanwhile. */
	say(s, &c[SST_PEERS_ADDRESS], w.hello + 1, w.hello_len - 1);
	assert_int_equal(s->l->n_active, SST_PEERS_ADDRESS);
	other = dial(s, 1, 2);
	shake(s, &other);
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	assert_int_equal(s->l->n_active, SST_PEERS_ADDRESS);
	/* One leaves: the longest waiting one has its turn. */
	hang_up(s, &c[3]);
	assert_int_equal(s->l->n_active, SST_PEERS_ADDRESS);
	assert_int_equal(s->l->n_shakes, SST_PEERS_ADDRESS + 1);
	{
		char b;

		assert_int_equal(recv(c[SST_PEERS_ADDRESS].fd, &b, 1, MSG_PEEK), 1);
		assert_int_equal(recv(c[SST_PEERS_ADDRESS + 1].fd, &b, 1, MSG_PEEK), -1);
	}
	hang_up(s, &other);
	for (int i = 0; i < SST_PEERS_ADDRESS + 2; i++)
		if (i != 3)
			hang_up(s, &c[i]);
	assert_int_equal(s->l->n_active, 0);
}

static void
a_full_listener_evicts_from_the_busiest_neighbourhood(void **state)
{
	struct scene *s = *state;
	static struct client c[SST_PEERS_LISTENER];
	struct client other;

	begin(s, 8);
	/* 20 from elsewhere first, so that age alone would choose them. */
	for (int i = 0; i < SST_PEERS_LISTENER; i++) {
		c[i] = knock(s, i < 20 ? 2 : 1, 1 + i % 200);
		if (i % AT_ONCE == AT_ONCE - 1)
			agent_settle(&s->a);
	}
	assert_int_equal(s->l->n_shakes, SST_PEERS_LISTENER);
	assert_int_equal(counted(s, SST_COUNT_EVICTED), 0);
	say(s, &c[20], w.hello, 1);	/* got further than its neighbours */
	agent_later(&s->a, 1);
	other = dial(s, 3, 1);
	assert_int_equal(counted(s, SST_COUNT_EVICTED), 1);
	assert_int_equal(s->l->n_shakes, SST_PEERS_LISTENER);
	for (int i = 0; i < 21; i++)
		assert_false(ended(&c[i]));
	shake(s, &other);
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	hang_up(s, &other);
	for (int i = 0; i < SST_PEERS_LISTENER; i++)
		(void)close(c[i].fd);
	agent_settle(&s->a);
	assert_int_equal(s->l->n_shakes, 0);
}

static void
a_listener_full_of_hellos_takes_one_more(void **state)
{
	struct scene *s = *state;
	static struct client c[SST_PEERS_LISTENER];
	struct client other;

	begin(s, 8);
	/* 16 addresses with a full share each, all of them in the handshake. */
	for (int i = 0; i < SST_PEERS_LISTENER; i++) {
		c[i] = knock(s, 4 + i / SST_PEERS_ADDRESS, 1);
		assert_int_equal(send(c[i].fd, w.hello, (size_t)w.hello_len, 0),
		    w.hello_len);
		if (i % AT_ONCE == AT_ONCE - 1)
			agent_settle(&s->a);
	}
	assert_int_equal(s->l->n_active, SST_PEERS_LISTENER);
	assert_int_equal(sst_shake_full(s->l), 0);
	other = dial(s, 3, 1);
	assert_int_equal(s->l->paused, 0);
	assert_int_equal(s->l->n_shakes, SST_PEERS_LISTENER);
	assert_int_equal(counted(s, SST_COUNT_EVICTED), 1);
	shake(s, &other);
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	hang_up(s, &other);
	for (int i = 0; i < SST_PEERS_LISTENER; i++)
		(void)close(c[i].fd);
	agent_settle(&s->a);
	assert_int_equal(s->l->n_shakes, 0);
	assert_int_equal(s->l->n_active, 0);
}

/* --- to the program --------------------------------------------------------- */
static void
as_many_as_the_backlog_are_in_flight_and_in_order(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c[5];
	int fd, got = 0;

	begin(s, 2);
	for (int i = 0; i < 5; i++)
		c[i] = dial(s, 1, i + 1);
	for (int i = 0; i < 5; i++)
		shake(s, &c[i]);
	assert_int_equal(s->l->n_ready, 3);
	assert_int_equal(s->l->paused, 1);
	for (; (fd = take(s, &rec, 1)) >= 0; got++) {
		struct sockaddr_in peer;

		memcpy(&peer, rec.peer, sizeof(peer));
		assert_int_equal(peer.sin_addr.s_addr,
		    htonl(0x7f000100u | (uint32_t)(got + 1)));
		(void)close(fd);
	}
	assert_int_equal(got, 5);
	assert_int_equal(s->l->n_ready, 0);
	assert_int_equal(s->l->paused, 0);
	for (int i = 0; i < 5; i++)
		hang_up(s, &c[i]);
}

static void
never_more_than_128_are_in_flight(void **state)
{
	struct scene *s = *state;
	static struct client c[SST_LISTENER_IN_FLIGHT + 3];
	struct sst_wire_accepted rec;

	begin(s, 1000);
	for (int i = 0; i < SST_LISTENER_IN_FLIGHT + 3; i++) {
		c[i] = dial(s, 1, 1);
		shake(s, &c[i]);
		assert_int_equal(s->l->n_ready, i < SST_LISTENER_IN_FLIGHT ? 0 :
		    i - SST_LISTENER_IN_FLIGHT + 1);
	}
	assert_int_equal(s->l->paused, 0);
	(void)close(take(s, &rec, 1));
	assert_int_equal(s->l->n_ready, 2);
	for (int i = 0; i < SST_LISTENER_IN_FLIGHT + 3; i++)
		hang_up(s, &c[i]);
}

static void
a_connection_that_was_lost_comes_again_and_first(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted first, rec;
	struct client c[3];
	int fd;

	begin(s, 2);
	for (int i = 0; i < 3; i++)
		c[i] = dial(s, 1, i + 1);
	for (int i = 0; i < 3; i++)
		shake(s, &c[i]);
	assert_int_equal(take(s, &first, 0), 0);
	/* A while later than a copy of a taken one is kept. */
	agent_later(&s->a, SST_STREAM_HELD_MS - 1);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &first,
	    sizeof(first), s->app), 0);
	agent_later(&s->a, SST_STREAM_HELD_MS);
	/* The second and third are before it in the descriptor's queue already. */
	for (int i = 1; i < 3; i++) {
		fd = take(s, &rec, 1);
		assert_true(fd >= 0);
		assert_true(rec.id != first.id);
		(void)close(fd);
	}
	fd = take(s, &rec, 1);
	assert_true(fd >= 0);
	assert_true(rec.id == first.id);
	/* It is what the client speaks to. */
	assert_int_equal(SSL_write(c[0].ssl, "hello", 5), 5);
	agent_settle(&s->a);
	assert_int_equal(recv(fd, s->a.data, 100, MSG_DONTWAIT), 5);
	/* Once it is used, or nobody's, it is not given again. */
	assert_int_equal(send(fd, "x", 1, 0), 1);
	agent_settle(&s->a);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &first,
	    sizeof(first), s->app), 0);
	assert_int_equal(take(s, &rec, 1), -1);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &first,
	    sizeof(first) - 1, s->app), EINVAL);
	(void)close(fd);
	for (int i = 0; i < 3; i++)
		hang_up(s, &c[i]);
}

static void
another_listener_cannot_ask_for_what_was_lost(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec, mine;
	struct sockaddr_in at;
	struct client c;
	int other = agent_bound(&s->a, &at);

	assert_int_equal(agent_supply(&s->a, other, 2, w.a), 0);
	begin(s, 4);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LISTEN, 4, 0, 0, NULL, 0, other), 0);
	c = dial(s, 1, 1);
	shake(s, &c);
	assert_int_equal(take(s, &rec, 0), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &rec, sizeof(rec),
	    other), 0);
	assert_int_equal(recv(other, &mine, sizeof(mine), MSG_DONTWAIT), -1);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LOST, 0, 0, 0, &rec, sizeof(rec),
	    s->app), 0);
	(void)close(take(s, &mine, 1));
	assert_true(mine.id == rec.id);
	hang_up(s, &c);
	(void)close(other);
	agent_settle(&s->a);
}

/* The limit of descriptors in flight is the kernel's, and not root's. */
static void
powers(int on)
{
	static struct __user_cap_data_struct all[2];
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (!on)
		assert_int_equal(syscall(SYS_capget, &head, all), 0);
	memcpy(data, all, sizeof(data));
	if (!on)
		data[0].effective &= ~(1u << CAP_SYS_RESOURCE | 1u << CAP_SYS_ADMIN);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void
too_many_descriptors_under_way_is_a_full_queue(void **state)
{
	struct scene *s = *state;
	const struct sst_wire_accepted none = { .magic = 0 };
	struct sst_wire_accepted rec;
	struct rlimit old, low;
	struct client c;
	int sv[2];

	begin(s, 8);
	c = dial(s, 1, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = 64;
	for (int i = 0; i < 66; i++)
		assert_int_equal(sst_link_give(sv[0], &none, sv[0]), 0);
	powers(0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	shake(s, &c);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	powers(1);
	assert_int_equal(s->l->n_ready, 1);
	/* A refused packet is an edge, and not to be followed by another try. */
	assert_int_equal(poll(&(struct pollfd){ .fd = s->a.relay->loop.epoll,
	    .events = POLLIN }, 1, 0), 0);
	assert_int_equal(take(s, &rec, 1), -1);
	assert_false(ended(&c));
	agent_later(&s->a, 19);
	assert_int_equal(take(s, &rec, 1), -1);
	agent_later(&s->a, 1);
	assert_int_equal(s->l->n_ready, 0);
	(void)close(take(s, &rec, 1));
	hang_up(s, &c);
	(void)close(sv[0]);
	(void)close(sv[1]);
}

/* --- the end of a connection ------------------------------------------------ */
static int
socket_error(int fd)
{
	int e = -1;
	socklen_t len = sizeof(e);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len), 0);
	return e;
}

static void
sk_84_the_peers_close_notify_after_our_end_meets_no_reset(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c;
	char b[100];
	int fd;

	begin(s, 8);
	for (int late = 0; late < 2; late++) {
		c = dial(s, 1, 1);
		shake(s, &c);
		assert_int_equal(SSL_write(c.ssl, "ask", 3), 3);
		agent_settle(&s->a);
		fd = take(s, &rec, 1);
		assert_int_equal(recv(fd, b, sizeof(b), MSG_DONTWAIT), 3);
		assert_int_equal(send(fd, "answer", 6, 0), 6);
		(void)close(fd);
		agent_settle(&s->a);
		assert_int_equal(SSL_read(c.ssl, b, sizeof(b)), 6);
		assert_int_equal(SSL_read(c.ssl, b, sizeof(b)), 0);
		assert_int_equal(SSL_get_shutdown(c.ssl), SSL_RECEIVED_SHUTDOWN);
		if (late)
			agent_later(&s->a, SST_STREAM_LINGER_MS - 1);
		assert_int_equal(SSL_shutdown(c.ssl), 1);
		agent_settle(&s->a);
		assert_int_equal(socket_error(c.fd), 0);
		assert_int_equal(recv(c.fd, b, sizeof(b), MSG_DONTWAIT), 0);
		hang_up(s, &c);
	}
	/* Data is another thing: nobody will ever read it. */
	c = dial(s, 1, 1);
	shake(s, &c);
	fd = take(s, &rec, 1);
	(void)close(fd);
	agent_later(&s->a, SST_STREAM_HELD_MS);
	assert_int_equal(SSL_write(c.ssl, "more", 4), 4);
	agent_settle(&s->a);
	assert_int_not_equal(socket_error(c.fd), 0);
	hang_up(s, &c);
}

static void
a_peer_that_says_nothing_after_our_end_is_left_after_two_seconds(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c;
	size_t before;

	begin(s, 8);
	before = s->a.relay->table.count;
	c = dial(s, 1, 1);
	shake(s, &c);
	(void)close(take(s, &rec, 1));
	agent_later(&s->a, SST_STREAM_HELD_MS);	/* the relay's own copy goes */
	agent_later(&s->a, SST_STREAM_LINGER_MS - 1);
	assert_int_equal(s->a.relay->table.count, before + 1);
	agent_later(&s->a, 1);
	assert_int_equal(s->a.relay->table.count, before);
	hang_up(s, &c);
}

static void
sk_42_who_waits_when_the_listener_closes_is_reset(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client taken, waits;
	int fd;

	begin(s, 8);
	taken = dial(s, 1, 1);
	shake(s, &taken);
	fd = take(s, &rec, 1);
	waits = dial(s, 1, 2);
	shake(s, &waits);
	(void)shutdown(s->app, SHUT_RDWR);
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	assert_int_not_equal(socket_error(waits.fd), 0);
	assert_false(ended(&taken));
	assert_int_equal(send(fd, "x", 1, 0), 1);
	agent_settle(&s->a);
	assert_int_equal(SSL_read(taken.ssl, s->a.data, 10), 1);
	(void)close(fd);
	hang_up(s, &taken);
	hang_up(s, &waits);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
	const struct CMUnitTest tests[] = {
		T(a_silent_client_has_five_seconds_and_one_that_speaks_ten),
		T(the_rest_has_ten_seconds_from_the_hello_on),
		T(the_handshakes_timeout_shortens_and_lengthens),
		T(a_failed_handshake_is_counted_by_its_reason),
		T(an_address_has_its_share_and_others_are_served),
		T(a_full_listener_evicts_from_the_busiest_neighbourhood),
		T(a_listener_full_of_hellos_takes_one_more),
		T(as_many_as_the_backlog_are_in_flight_and_in_order),
		T(never_more_than_128_are_in_flight),
		T(a_connection_that_was_lost_comes_again_and_first),
		T(another_listener_cannot_ask_for_what_was_lost),
		T(too_many_descriptors_under_way_is_a_full_queue),
		T(sk_84_the_peers_close_notify_after_our_end_meets_no_reset),
		T(a_peer_that_says_nothing_after_our_end_is_left_after_two_seconds),
		T(sk_42_who_waits_when_the_listener_closes_is_reset),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
