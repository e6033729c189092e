/* SPDX-License-Identifier: ISC */
/* Connections that begin plain, and sockets that were made elsewhere. */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/control.h"
#include "relay/settings.h"

#define LATER	1	/* of a descriptor that does not block */

/* A socket that the test listens on; *ret is where. */
static int
listening(struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)ret, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* Both ends, and then each direction's end. */
static void
is_plain(struct scene *s, int app, int peer)
{
	char byte;

	agent_arrives(&s->a, app, peer, "from the program");
	agent_arrives(&s->a, peer, app, "to the program");
	assert_int_equal(agent_get_int(&s->a, app, IPPROTO_TLS, TLS_VERSION_CONN), 0);
	assert_int_equal(agent_get_int(&s->a, app, IPPROTO_TLS, TLS_ID), -ENOTCONN);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_GET, IPPROTO_TLS,
	    TLS_PEER_CERTIFICATE_CHAIN, 1000, NULL, 0, app), 0);
	assert_int_equal(s->a.len, 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_PEERNAME, 0, 0, 0, NULL, 0, app),
	    0);
	assert_int_equal(agent_events(app), POLLOUT);
	assert_int_equal(shutdown(peer, SHUT_WR), 0);
	agent_settle(&s->a);
	assert_int_equal(recv(app, &byte, 1, MSG_DONTWAIT), 0);
	agent_arrives(&s->a, app, peer, "half open");
	assert_int_equal(shutdown(app, SHUT_WR), 0);
	agent_settle(&s->a);
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
}

static void
a_client_that_begins_plain_needs_neither_name_nor_certificate(void **state)
{
	struct scene *s = *state;
	struct sockaddr_in at;
	int l = listening(&at);

	/* By the call of a policy, or by the option. */
	for (int i = 0; i < 2; i++) {
		int app = agent_socket(&s->a, AF_INET), peer;

		if (i == 1)
			assert_int_equal(agent_set_int(&s->a, app, TLS_START_PLAIN, 1), 0);
		assert_int_equal(agent_get_int(&s->a, app, IPPROTO_TLS,
		    TLS_START_PLAIN), i);
		assert_int_equal(fcntl(app, F_SETFL, O_NONBLOCK), 0);
		assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER,
		    i == 0 ? SST_MODE_PLAIN : SST_MODE_TLS, 0, &at, sizeof(at), app),
		    EINPROGRESS);
		agent_settle(&s->a);
		peer = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		assert_true(peer >= 0);
		assert_int_equal(agent_get_int(&s->a, app, SOL_SOCKET, SO_ERROR), 0);
		is_plain(s, app, peer);
		(void)close(app);
		(void)close(peer);
	}
	(void)close(l);
}

/* A client that begins plain; *ret_peer is the other end. */
static int
plain_client(struct scene *s, int *ret_peer)
{
	struct sockaddr_in at;
	int l = listening(&at), app = agent_socket(&s->a, AF_INET);

	assert_int_equal(fcntl(app, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, SST_MODE_PLAIN, 0,
	    &at, sizeof(at), app), EINPROGRESS);
	*ret_peer = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(*ret_peer >= 0);
	(void)close(l);
	return app;
}

static void
a_peer_that_says_all_before_the_relay_looks_is_heard(void **state)
{
	struct scene *s = *state;
	char got[8];
	int app, peer;

	/* With its end, and without. */
	for (int i = 0; i < 2; i++) {
		app = plain_client(s, &peer);
		assert_int_equal(send(peer, "all", 3, MSG_NOSIGNAL), 3);
		if (i == 0)
			assert_int_equal(shutdown(peer, SHUT_WR), 0);
		agent_settle(&s->a);
		assert_int_equal(recv(app, got, sizeof(got), MSG_DONTWAIT), 3);
		assert_int_equal(recv(app, got, sizeof(got), MSG_DONTWAIT),
		    i == 0 ? 0 : -1);
		(void)close(app);
		(void)close(peer);
		agent_settle(&s->a);
	}
}

/* Sends until nobody takes any more; how many bytes. */
static size_t
send_much(struct scene *s, int peer)
{
	static const char bytes[65536];
	size_t sent = 0;
	ssize_t n;

	while ((n = send(peer, bytes, sizeof(bytes), MSG_NOSIGNAL)) > 0) {
		sent += (size_t)n;
		agent_settle(&s->a);
	}
	return sent;
}

static size_t
read_much(int app)
{
	static char bytes[65536];
	size_t got = 0;
	ssize_t n;

	while ((n = recv(app, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		got += (size_t)n;
	return got;
}

static void
that_the_program_reads_is_an_event_once_the_relay_waited_for_it(void **state)
{
	struct scene *s = *state;
	int peer, app = plain_client(s, &peer);
	size_t sent, got = 0, more;

	agent_settle(&s->a);
	agent_arrives(&s->a, peer, app, "soon taken");
	assert_false(agent_stirs(&s->a, 0));
	sent = send_much(s, peer);
	assert_false(agent_stirs(&s->a, 0));
	got = read_much(app);
	assert_true(got < sent);
	assert_true(agent_stirs(&s->a, 0));
	do {
		agent_settle(&s->a);
		more = read_much(app);
		got += more;
	} while (more > 0);
	assert_int_equal(got, sent);
	(void)close(app);
	(void)close(peer);
}

static void
without_the_word_a_client_speaks_tls(void **state)
{
	struct scene *s = *state;
	struct sockaddr_in at;
	int l = listening(&at), app = agent_socket(&s->a, AF_INET), peer;
	unsigned char first[3];

	assert_int_equal(agent_set_int(&s->a, app, TLS_START_PLAIN, 2), EINVAL);
	assert_int_equal(agent_set_int(&s->a, app, TLS_START_PLAIN, -1), EINVAL);
	assert_int_equal(agent_set_int(&s->a, app, TLS_START_PLAIN, 1), 0);
	assert_int_equal(agent_set_int(&s->a, app, TLS_START_PLAIN, 0), 0);
	assert_int_equal(fcntl(app, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, SST_MODE_TLS, 0,
	    &at, sizeof(at), app), EINPROGRESS);
	agent_settle(&s->a);
	peer = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_equal(recv(peer, first, sizeof(first), MSG_DONTWAIT), 3);
	assert_int_equal(first[0], 0x16);
	assert_int_equal(agent_events(app), 0);
	(void)close(app);
	(void)close(peer);
	(void)close(l);
}

static void
a_refused_plain_connect_says_so(void **state)
{
	struct scene *s = *state;
	struct sockaddr_in at;
	int l = listening(&at), app = agent_socket(&s->a, AF_INET);

	(void)close(l);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, 0, SST_MODE_PLAIN, 0, &at,
	    sizeof(at), app), ECONNREFUSED);
	(void)close(app);
}

static void
a_reset_of_a_plain_peer_is_a_reset_for_the_program(void **state)
{
	struct scene *s = *state;
	const struct linger now = { .l_onoff = 1 };
	struct sockaddr_in at;
	int l = listening(&at), app = agent_socket(&s->a, AF_INET), peer;
	char byte;

	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, 0, SST_MODE_PLAIN, 0, &at,
	    sizeof(at), app), 0);
	peer = accept(l, NULL, NULL);
	assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	(void)close(peer);
	agent_settle(&s->a);
	assert_int_equal(recv(app, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	(void)close(app);
	(void)close(l);
}

/* --- listeners --------------------------------------------------------------- */
/* listen() on a new socket; *at is where. */
static int
listen_on(struct scene *s, int mode, int start_plain, int *ret_fd)
{
	int fd = agent_bound(&s->a, &s->at);

	if (start_plain)
		assert_int_equal(agent_set_int(&s->a, fd, TLS_START_PLAIN, 1), 0);
	*ret_fd = fd;
	return agent_verb(&s->a, SST_WIRE_LISTEN, 8, mode, 0, NULL, 0, fd);
}

static void
a_listener_that_begins_plain_needs_no_certificate(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;

	for (int i = 0; i < 3; i++) {
		int listener, app, rc = listen_on(s, i == 0 ? SST_MODE_PLAIN :
		    SST_MODE_TLS, i == 1, &listener);
		struct client c;

		if (i == 2) {
			assert_int_equal(rc, EINVAL);
			(void)close(listener);
			break;
		}
		assert_int_equal(rc, 0);
		s->l = s->a.relay->listeners;
		(void)close(s->app);
		s->app = listener;
		/* The client says nothing: the server may speak first. */
		c = dial(s, 1, 1);
		app = take(s, &rec, 1);
		assert_true(app >= 0);
		assert_int_equal(counted(s, SST_COUNT_OK), 1);
		assert_int_equal(s->l->n_shakes, 0);
		agent_arrives(&s->a, app, c.fd, "220 hello");
		is_plain(s, app, c.fd);
		(void)close(app);
		hang_up(s, &c);
	}
}

static void
plain_connections_wait_for_the_backlog_as_others_do(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c[5];
	int fd, got = 0;

	assert_int_equal(agent_set_int(&s->a, s->app, TLS_START_PLAIN, 1), 0);
	begin(s, 2);
	for (int i = 0; i < 5; i++)
		c[i] = dial(s, 1, i + 1);
	assert_int_equal(s->l->paused, 1);
	for (; (fd = take(s, &rec, 1)) >= 0; got++)
		(void)close(fd);
	assert_int_equal(got, 5);
	assert_int_equal(s->l->paused, 0);
	for (int i = 0; i < 5; i++)
		hang_up(s, &c[i]);
}

static void
a_listener_changes_from_the_next_client_on(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c[3];
	int app[3], other;

	begin(s, 8);
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_START_PLAIN, 1), 0);
	c[0] = dial(s, 1, 1);
	app[0] = take(s, &rec, 1);
	assert_true(app[0] >= 0);
	assert_int_equal(agent_set_int(&s->a, s->app, TLS_START_PLAIN, 0), 0);
	c[1] = dial(s, 1, 2);
	assert_int_equal(take(s, &rec, 1), -1);
	shake(s, &c[1]);
	app[1] = take(s, &rec, 1);
	assert_true(app[1] >= 0);
	assert_int_equal(agent_get_int(&s->a, app[1], IPPROTO_TLS,
	    TLS_VERSION_CONN), TLS_1_3);
	is_plain(s, app[0], c[0].fd);
	for (int i = 0; i < 2; i++) {
		(void)close(app[i]);
		hang_up(s, &c[i]);
	}
	/* But not to something that nobody could be served. */
	assert_int_equal(listen_on(s, SST_MODE_TLS, 1, &other), 0);
	assert_int_equal(agent_set_int(&s->a, other, TLS_START_PLAIN, 0), EINVAL);
	assert_int_equal(agent_get_int(&s->a, other, IPPROTO_TLS, TLS_START_PLAIN), 1);
	assert_int_equal(agent_supply(&s->a, other, 2, w.a), 0);
	assert_int_equal(agent_set_int(&s->a, other, TLS_START_PLAIN, 0), 0);
	(void)close(other);
}

/* --- sockets that were made elsewhere ----------------------------------------- */
/* An application's end that has its name and no record. */
static int
unknown_end(struct scene *s)
{
	static uint64_t serial = 1000000;
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE, .family = AF_INET };
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.door, s->a.relay->door, sizeof(name.door));
	name.serial = (uint64_t)getpid() << 32 | ++serial;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr,
	    sst_sockname_encode(&name, &addr)), 0);
	return fd;
}

static int
adopt_as(struct scene *s, int tcp, int app, int flags, int secret)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_ADOPT);
	head.a = AF_INET;
	head.b = flags;
	if (secret)
		memcpy(head.secret, s->a.relay->secret, sizeof(head.secret));
	return agent_ask(&s->a, sst_control, &head, &s->a.trust, sizeof(s->a.trust),
	    app, tcp);
}

static void
a_listening_socket_is_adopted_and_stays_its_owners(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct sockaddr_in late;
	struct client c;
	int tcp = listening(&s->at), app = unknown_end(s), got, direct;

	assert_int_equal(adopt_as(s, tcp, app, 0, 1), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_SOCKNAME, 0, 0, 0, NULL, 0, app),
	    0);
	memcpy(&late, s->a.data, sizeof(late));
	assert_int_equal(late.sin_port, s->at.sin_port);
	assert_int_equal(agent_supply(&s->a, app, 2, w.a), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LISTEN, 8, 0, 0, NULL, 0, app), 0);
	(void)close(s->app);
	s->app = app;
	s->l = s->a.relay->listeners;
	c = dial(s, 1, 1);
	shake(s, &c);
	got = take(s, &rec, 1);
	assert_true(got >= 0);
	assert_int_equal(agent_get_int(&s->a, got, SOL_SOCKET,
	    SO_PROTOCOL), IPPROTO_TLS);
	(void)close(got);
	hang_up(s, &c);
	/* Whoever shares it goes on listening when this program stops. */
	(void)close(app);
	s->app = -1;
	agent_settle(&s->a);
	assert_null(s->a.relay->listeners);
	c = dial(s, 1, 2);
	direct = accept(tcp, NULL, NULL);
	assert_true(direct >= 0);
	(void)close(direct);
	hang_up(s, &c);
	(void)close(tcp);
}

static void
a_connected_socket_is_adopted_as_a_plain_connection(void **state)
{
	struct scene *s = *state;
	const int on = 1;
	struct sockaddr_in at;
	int l = listening(&at), app = unknown_end(s), peer;
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	assert_int_equal(connect(tcp, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setsockopt(tcp, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
	peer = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_equal(send(peer, "early", 5, 0), 5);
	assert_int_equal(adopt_as(s, tcp, app, 0, 1), 0);
	agent_settle(&s->a);
	(void)close(tcp);
	/* What had come already is read first. */
	assert_int_equal(recv(app, s->a.data, 100, MSG_DONTWAIT), 5);
	assert_int_equal(agent_get_int(&s->a, app, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_CONNECT, LATER, 0, 0, &at,
	    sizeof(at), app), EISCONN);
	is_plain(s, app, peer);
	/* And its end is an end, whoever holds a copy. */
	(void)close(app);
	agent_settle(&s->a);
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
	(void)close(peer);
	(void)close(l);
}

static void
an_adopted_connection_keeps_its_linger_time(void **state)
{
	struct scene *s = *state;
	const struct linger now = { .l_onoff = 1 };
	struct linger l = { .l_onoff = 0 };
	struct sockaddr_in at;
	int listener = listening(&at), app = unknown_end(s), peer;
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	assert_int_equal(connect(tcp, (struct sockaddr *)&at, sizeof(at)), 0);
	peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_equal(setsockopt(tcp, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	assert_int_equal(adopt_as(s, tcp, app, 0, 1), 0);
	(void)close(tcp);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_GET, SOL_SOCKET, SO_LINGER,
	    sizeof(l), NULL, 0, app), 0);
	memcpy(&l, s->a.data, sizeof(l));
	assert_int_equal(l.l_onoff, 1);
	assert_int_equal(l.l_linger, 0);
	/* Closed with nothing unread: a reset all the same. */
	(void)close(app);
	agent_settle(&s->a);
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	(void)close(peer);
	(void)close(listener);
}

static void
closing_an_adopted_connection_ends_it_for_every_copy(void **state)
{
	struct scene *s = *state;
	struct sockaddr_in at;
	int l = listening(&at), app = unknown_end(s), peer;
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;

	assert_int_equal(connect(tcp, (struct sockaddr *)&at, sizeof(at)), 0);
	peer = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_int_equal(adopt_as(s, tcp, app, 0, 1), 0);
	(void)close(app);
	agent_settle(&s->a);
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
	(void)close(tcp);
	(void)close(peer);
	/* Also one that breaks. */
	tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(tcp, (struct sockaddr *)&at, sizeof(at)), 0);
	peer = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	app = unknown_end(s);
	assert_int_equal(fcntl(app, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(adopt_as(s, tcp, app, 0, 1), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_UPGRADE, LATER, SST_UPGRADE_CLIENT,
	    0, "a.example", 10, app), EINPROGRESS);
	assert_int_equal(send(peer, "no TLS at all", 13, 0), 13);
	agent_settle(&s->a);
	assert_int_equal(agent_get_int(&s->a, app, SOL_SOCKET, SO_ERROR), EPROTO);
	while (recv(peer, s->a.data, 1000, MSG_DONTWAIT) > 0)
		continue;
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), 0);
	(void)close(app);
	(void)close(tcp);
	(void)close(peer);
	(void)close(l);
}

static void
only_tcp_sockets_are_adopted_and_only_with_the_secret(void **state)
{
	struct scene *s = *state;
	int sv[2];
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int other = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int app = unknown_end(s);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(adopt_as(s, fresh, app, 0, 0), EACCES);
	assert_int_equal(adopt_as(s, udp, app, 0, 1), EINVAL);
	assert_int_equal(adopt_as(s, sv[0], app, 0, 1), EINVAL);
	assert_int_equal(adopt_as(s, -1, app, 0, 1), EINVAL);
	if (other >= 0)
		assert_int_equal(adopt_as(s, other, app, 0, 1), EINVAL);
	/* An end that is none, and one that has a record. */
	assert_int_equal(adopt_as(s, fresh, sv[0], 0, 1), EINVAL);
	assert_int_equal(adopt_as(s, fresh, s->app, 0, 1), EINVAL);
	assert_int_equal(adopt_as(s, fresh, app, 0, 1), 0);
	(void)close(udp);
	(void)close(other);
	(void)close(fresh);
	(void)close(sv[0]);
	(void)close(sv[1]);
	(void)close(app);
}

static void
a_program_under_a_policy_is_told_tcp(void **state)
{
	struct scene *s = *state;
	struct sst_wire_accepted rec;
	struct client c;
	int tcp = listening(&s->at), app = unknown_end(s), got;

	assert_int_equal(agent_get_int(&s->a, s->app, SOL_SOCKET,
	    SO_PROTOCOL), IPPROTO_TLS);
	assert_int_equal(adopt_as(s, tcp, app, SST_NEW_FORCED, 1), 0);
	assert_int_equal(agent_get_int(&s->a, app, SOL_SOCKET,
	    SO_PROTOCOL), IPPROTO_TCP);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_LISTEN, 8, SST_MODE_PLAIN, 0, NULL,
	    0, app), 0);
	(void)close(s->app);
	s->app = app;
	c = dial(s, 1, 1);
	got = take(s, &rec, 1);
	assert_int_equal(agent_get_int(&s->a, got, SOL_SOCKET,
	    SO_PROTOCOL), IPPROTO_TCP);
	(void)close(got);
	hang_up(s, &c);
	(void)close(tcp);
	app = unknown_end(s);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_NEW, AF_INET, SST_NEW_FORCED, 0,
	    &s->a.trust, sizeof(s->a.trust), app), 0);
	assert_int_equal(agent_get_int(&s->a, app, SOL_SOCKET,
	    SO_PROTOCOL), IPPROTO_TCP);
	(void)close(app);
}

static int
ask_as(struct scene *s, int secret, uint16_t verb, int x, int y, const void *data,
    size_t len, int app)
{
	struct sst_wire_head head;

	sst_wire_init(&head, verb);
	head.a = x;
	head.b = y;
	if (secret)
		memcpy(head.secret, s->a.relay->secret, sizeof(head.secret));
	return agent_ask(&s->a, sst_control, &head, data, len, app, -1);
}

static void
who_has_the_descriptor_and_no_secret_makes_it_no_weaker(void **state)
{
	static const struct {
		int	option, strong, weak;
	} options[] = {
		{ TLS_START_PLAIN, 0, 1 },
		{ TLS_KEY_PERMISSIONS, TLS_KEY_PERMISSIONS_STRICT,
		    TLS_KEY_PERMISSIONS_EVENT },
		{ TLS_VERSION_MIN, TLS_1_3, TLS_1_2 },
		{ TLS_VERSION_MIN, 3, 2 },
	};
	struct scene *s = *state;
	int app = agent_socket(&s->a, AF_INET);

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const int *strong = &options[i].strong, *weak = &options[i].weak;

		for (int secret = 0; secret < 2; secret++) {
			assert_int_equal(ask_as(s, 0, SST_WIRE_SET, IPPROTO_TLS,
			    options[i].option, strong, sizeof(int), app), 0);
			assert_int_equal(ask_as(s, secret, SST_WIRE_SET, IPPROTO_TLS,
			    options[i].option, weak, sizeof(int), app),
			    secret ? 0 : EPERM);
		}
		(void)ask_as(s, 0, SST_WIRE_SET, IPPROTO_TLS, options[i].option,
		    strong, sizeof(int), app);
	}
	for (int secret = 0; secret < 2; secret++)
		assert_int_equal(ask_as(s, secret, SST_WIRE_SET, IPPROTO_TLS, TLS_TICKET_KEY,
		    "thirty-two bytes that are a key.", 32, app), secret ? 0 : EPERM);
	/* The number of another level is another option. */
	assert_int_not_equal(ask_as(s, 0, SST_WIRE_SET, SOL_SOCKET, TLS_START_PLAIN,
	    &(int){ 1 }, sizeof(int), app), EPERM);
	(void)close(app);
}

static void
who_has_the_descriptor_and_no_secret_connects_and_listens_as_it_is(void **state)
{
	struct scene *s = *state;
	struct sockaddr_in at, mine;
	int l = listening(&at), app, tcp;

	for (int forced = 0; forced < 2; forced++) {
		app = agent_socket(&s->a, AF_INET);
		sst_record_find(s->a.relay, sst_record_cookie(app))->forced = forced;
		assert_int_equal(ask_as(s, 0, SST_WIRE_CONNECT, LATER,
		    SST_MODE_PLAIN, &at, sizeof(at), app), forced ? EINPROGRESS :
		    EPERM);
		(void)close(app);
		app = agent_bound(&s->a, &mine);
		sst_record_find(s->a.relay, sst_record_cookie(app))->forced = forced;
		assert_int_equal(ask_as(s, 0, SST_WIRE_LISTEN, 8, SST_MODE_PLAIN,
		    NULL, 0, app), forced ? 0 : EPERM);
		(void)close(app);
		agent_settle(&s->a);
	}
	tcp = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(tcp >= 0);		/* that of the policy, and no other */
	assert_int_equal(accept4(l, NULL, NULL, SOCK_NONBLOCK), -1);
	(void)close(tcp);
	app = agent_socket(&s->a, AF_INET);
	assert_int_equal(ask_as(s, 0, SST_WIRE_CONNECT, LATER, SST_MODE_TLS, &at,
	    sizeof(at), app), EINPROGRESS);
	(void)close(app);
	(void)close(l);
}

/* --- names ---------------------------------------------------------------------- */
static int
set_names(struct scene *s, int app, const char *names, size_t len)
{
	return agent_verb(&s->a, SST_WIRE_NAMES, 0, 0, 0, names, len, app);
}

static const struct sst_settings *
settings(struct scene *s, int app)
{
	return sst_record_find(s->a.relay, sst_record_cookie(app))->set;
}

static void
names_replace_what_was_set_and_all_of_them_count(void **state)
{
	struct scene *s = *state;
	int app = agent_socket(&s->a, AF_INET);
	const char *host = NULL;

	assert_int_equal(agent_set(&s->a, app, TLS_REMOTE_HOSTNAME, "r.example", 9), 0);
	assert_int_equal(agent_set(&s->a, app, TLS_HOSTNAME, "h.example", 9), 0);
	assert_int_equal(set_names(s, app, "B.example\0a.example\0b.example.", 30), 0);
	assert_int_equal(settings(s, app)->names.n, 2);
	assert_int_equal(sst_settings_host(settings(s, app), &host, NULL), 0);
	assert_string_equal(host, "b.example");
	assert_string_equal(settings(s, app)->names.list[1], "a.example");
	/* Refused whole. */
	assert_int_equal(set_names(s, app, "c.example\0*.example", 20), EINVAL);
	assert_int_equal(set_names(s, app, "c.example\0a b", 14), EINVAL);
	assert_int_equal(set_names(s, app, "c.example\0", 11), EINVAL);
	assert_int_equal(settings(s, app)->names.n, 2);
	/* None: the address. */
	assert_int_equal(set_names(s, app, "", 0), 0);
	assert_int_equal(sst_settings_host(settings(s, app), &host, NULL), 0);
	assert_null(host);
	/* Two of a program's own are no such list. */
	assert_int_equal(agent_set(&s->a, app, TLS_HOSTNAME, "a.example", 9), 0);
	assert_int_equal(agent_set(&s->a, app, TLS_HOSTNAME, "b.example", 9), 0);
	assert_true(sst_settings_host(settings(s, app), &host, NULL) < 0);
	assert_int_equal(set_names(s, app, "a.example\0b.example", 20), 0);
	assert_int_equal(agent_set(&s->a, app, TLS_HOSTNAME, "", 0), 0);
	assert_int_equal(settings(s, app)->all_names, 0);
	(void)close(app);
	begin(s, 1);
	assert_int_equal(set_names(s, s->app, "a.example", 10), EOPNOTSUPP);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
		TEST(a_client_that_begins_plain_needs_neither_name_nor_certificate),
		TEST(a_peer_that_says_all_before_the_relay_looks_is_heard),
		TEST(that_the_program_reads_is_an_event_once_the_relay_waited_for_it),
		TEST(without_the_word_a_client_speaks_tls),
		TEST(a_refused_plain_connect_says_so),
		TEST(a_reset_of_a_plain_peer_is_a_reset_for_the_program),
		TEST(a_listener_that_begins_plain_needs_no_certificate),
		TEST(plain_connections_wait_for_the_backlog_as_others_do),
		TEST(a_listener_changes_from_the_next_client_on),
		TEST(a_listening_socket_is_adopted_and_stays_its_owners),
		TEST(a_connected_socket_is_adopted_as_a_plain_connection),
		TEST(an_adopted_connection_keeps_its_linger_time),
		TEST(closing_an_adopted_connection_ends_it_for_every_copy),
		TEST(only_tcp_sockets_are_adopted_and_only_with_the_secret),
		TEST(a_program_under_a_policy_is_told_tcp),
		TEST(who_has_the_descriptor_and_no_secret_makes_it_no_weaker),
		TEST(who_has_the_descriptor_and_no_secret_connects_and_listens_as_it_is),
		TEST(names_replace_what_was_set_and_all_of_them_count),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
