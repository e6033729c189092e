/* SPDX-License-Identifier: ISC */
/* Handshakes side by side: deadlines, shares, and who makes room. */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/peers.h"
#include "relay/shake.h"

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
each_silent_client_has_its_own_five_seconds(void **state)
{
	struct scene *s = *state;
	struct client first, second, third;

	begin(s, 8);
	first = dial(s, 0, 1);
	agent_later(&s->a, 1000);
	second = dial(s, 0, 1);
	agent_later(&s->a, SST_SHAKE_BYTE_MS - 1000);
	assert_true(ended(&first));
	third = dial(s, 0, 1);
	agent_later(&s->a, 999);
	assert_false(ended(&second));
	agent_later(&s->a, 1);
	assert_true(ended(&second));
	assert_int_equal(counted(s, SST_COUNT_SILENT), 2);
	assert_false(ended(&third));
	/* Nobody is left to look when its time is over. */
	(void)close(s->app);
	s->app = -1;
	agent_settle(&s->a);
	assert_true(ended(&third));
	agent_later(&s->a, SST_SHAKE_BYTE_MS);
	(void)close(first.fd);
	(void)close(second.fd);
	(void)close(third.fd);
}

/* A client with Nagle on waits for it with its first request. */
static void
the_clients_finished_is_acknowledged_at_once(void **state)
{
	struct scene *s = *state;
	struct tcp_info info;
	socklen_t len = sizeof(info);
	struct client c;

	begin(s, 8);
	c = dial(s, 1, 1);
	shake(s, &c);
	assert_int_equal(s->l->counts[SST_COUNT_OK], 1);
	assert_int_equal(getsockopt(c.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	assert_int_equal(info.tcpi_unacked, 0);
	hang_up(s, &c);
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
	agent_later(&s->a, SST_SHAKE_BYTE_MS);	/* they did say something */
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
who_finishes_makes_room_in_the_share(void **state)
{
	struct scene *s = *state;
	struct client c[SST_PEERS_ADDRESS + 1];

	begin(s, 8);
	c[0] = dial(s, 1, 1);
	c[0].ssl = SSL_new(w.ctx);
	assert_int_equal(SSL_set_fd(c[0].ssl, c[0].fd), 1);
	(void)SSL_connect(c[0].ssl);
	agent_settle(&s->a);
	for (int i = 1; i <= SST_PEERS_ADDRESS; i++) {
		c[i] = dial(s, 1, 1);
		say(s, &c[i], w.hello, 1);
	}
	assert_int_equal(s->l->n_active, SST_PEERS_ADDRESS);
	assert_int_equal(s->l->n_shakes, SST_PEERS_ADDRESS + 1);
	assert_int_equal(SSL_connect(c[0].ssl), 1);
	agent_settle(&s->a);
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	assert_int_equal(s->l->n_shakes, SST_PEERS_ADDRESS);
	assert_int_equal(s->l->n_active, SST_PEERS_ADDRESS);
	for (int i = 0; i <= SST_PEERS_ADDRESS; i++)
		hang_up(s, &c[i]);
}

static void
a_full_listener_evicts_from_the_busiest_neighbourhood(void **state)
{
	struct scene *s = *state;
	static struct client c[SST_PEERS_LISTENER];
	struct client other;
	int n = 0;

	begin(s, 8);
	/* 20 from elsewhere first, so that age alone would choose them. */
	for (int i = 0; i < SST_PEERS_LISTENER; i++) {
		c[i] = knock(s, i < 20 ? 2 : 1, i < 20 ? 1 : 1 + i % 200);
		if (i % AT_ONCE == AT_ONCE - 1)
			agent_settle(&s->a);
		if (i == 21) {
			agent_settle(&s->a);
			agent_later(&s->a, 1);
		}
	}
	assert_int_equal(s->l->n_shakes, SST_PEERS_LISTENER);
	assert_int_equal(counted(s, SST_COUNT_EVICTED), 0);
	say(s, &c[20], w.hello, 1);	/* got further than its neighbours */
	agent_later(&s->a, 1);
	other = dial(s, 3, 1);
	assert_int_equal(counted(s, SST_COUNT_EVICTED), 1);
	assert_int_equal(s->l->n_shakes, SST_PEERS_LISTENER);
	/* From 127.0.1.*, of those the longest silent. */
	for (int i = 0; i < SST_PEERS_LISTENER; i++)
		n += ended(&c[i]);
	assert_int_equal(n, 1);
	assert_true(ended(&c[21]));
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

/* Leaves `room` descriptors; what is open stays so. */
static void
leave_room(int room, struct rlimit *old)
{
	struct rlimit low;
	int next = dup(0);

	assert_true(next >= 0);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, old), 0);
	low = *old;
	low.rlim_cur = (rlim_t)(next + room);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
}

static void
the_last_descriptors_are_for_handshakes_under_way(void **state)
{
	struct scene *s = *state;
	struct sst_spare *spare = &s->a.relay->spare;
	int later = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct rlimit old;
	struct client c;

	begin(s, 8);
	spare->wanted = SST_SPARE_PAIR;
	c = dial(s, 1, 1);
	assert_int_equal(s->l->n_shakes, 1);
	assert_int_equal(spare->n, SST_SPARE_PAIR);
	leave_room(1, &old);
	shake(s, &c);
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	assert_int_equal(spare->n, 0);
	/* The one that is left is not for one more client. */
	assert_int_equal(connect(later, (struct sockaddr *)&s->at, sizeof(s->at)), 0);
	agent_settle(&s->a);
	assert_int_equal(s->l->n_shakes, 0);
	assert_int_equal(s->l->paused, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	agent_later(&s->a, 20);
	assert_int_equal(s->l->n_shakes, 1);
	assert_int_equal(s->l->paused, 0);
	assert_int_equal(spare->n, SST_SPARE_PAIR);
	hang_up(s, &c);
	(void)close(later);
}

static void
without_descriptors_no_handshake_is_answered(void **state)
{
	struct scene *s = *state;
	struct rlimit old;
	struct client c;
	char byte;

	begin(s, 8);
	c = dial(s, 1, 1);
	leave_room(1, &old);
	say(s, &c, w.hello, w.hello_len);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(counted(s, SST_COUNT_INTERNAL), 1);
	assert_true(recv(c.fd, &byte, 1, MSG_DONTWAIT) <= 0);
	assert_true(ended(&c));
	(void)close(c.fd);
	c = dial(s, 1, 1);
	shake(s, &c);
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	hang_up(s, &c);
}

/* It waits for its turn without costing its worker one. */
static void
a_client_that_connects_wakes_no_worker(void **state)
{
	struct scene *s = *state;
	struct client c;

	begin(s, 8);
	c = knock(s, 1, 1);
	assert_true(agent_stirs(&s->a, 1000));
	agent_turn(&s->a, 0);
	assert_int_equal(s->l->n_shakes, 1);
	assert_false(agent_stirs(&s->a, 0));
	assert_int_equal(send(c.fd, w.hello, 1, MSG_NOSIGNAL), 1);
	assert_true(agent_stirs(&s->a, 1000));
	agent_settle(&s->a);
	(void)close(c.fd);
	agent_settle(&s->a);
}

/* A certificate of so many names does not fit into the buffers between the two. */
static void
a_handshake_that_must_wait_to_write_goes_on(void **state)
{
	enum { NAMES = 200, LEN = 200 };
	char names[NAMES * LEN] = "";
	struct scene *s = *state;
	struct pki_cert *big;
	struct client c = { .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	const int small = 4096;
	int waited = 0, rc = 0;

	for (int i = 0; i < NAMES; i++)
		(void)snprintf(names + strlen(names), LEN, "%sn%03d.%050d.%050d.%050d.example",
		    i == 0 ? "" : ",", i, 0, 0, 0);
	big = pki_issue(w.ca, &(struct pki_spec){ .san = names });
	assert_int_equal(agent_supply(&s->a, s->app, 2, big), 0);
	assert_int_equal(agent_verb(&s->a, SST_WIRE_SET, SOL_SOCKET, SO_SNDBUF, 0,
	    &small, sizeof(small), s->app), 0);
	begin(s, 8);
	assert_int_equal(setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small,
	    sizeof(small)), 0);
	assert_int_equal(connect(c.fd, (struct sockaddr *)&s->at, sizeof(s->at)), 0);
	assert_int_equal(fcntl(c.fd, F_SETFL, O_NONBLOCK), 0);
	c.ssl = SSL_new(w.ctx);
	*strchr(names, ',') = '\0';
	assert_int_equal(SSL_set_tlsext_host_name(c.ssl, names), 1);
	assert_int_equal(SSL_set_fd(c.ssl, c.fd), 1);
	for (int i = 0; i < 1000 && rc != 1; i++) {
		rc = SSL_connect(c.ssl);
		agent_settle(&s->a);
		waited += s->l->shakes != NULL && s->l->n_shakes == 1;
	}
	assert_int_equal(rc, 1);
	assert_int_equal(X509_cmp(SSL_get0_peer_certificate(c.ssl), big->cert), 0);
	assert_true(waited > 4);
	assert_int_equal(counted(s, SST_COUNT_OK), 1);
	hang_up(s, &c);
	pki_free(big);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
	const struct CMUnitTest tests[] = {
		T(a_silent_client_has_five_seconds_and_one_that_speaks_ten),
		T(each_silent_client_has_its_own_five_seconds),
		T(the_clients_finished_is_acknowledged_at_once),
		T(the_rest_has_ten_seconds_from_the_hello_on),
		T(the_handshakes_timeout_shortens_and_lengthens),
		T(a_failed_handshake_is_counted_by_its_reason),
		T(an_address_has_its_share_and_others_are_served),
		T(who_finishes_makes_room_in_the_share),
		T(a_full_listener_evicts_from_the_busiest_neighbourhood),
		T(a_listener_full_of_hellos_takes_one_more),
		T(the_last_descriptors_are_for_handshakes_under_way),
		T(without_descriptors_no_handshake_is_answered),
		T(a_client_that_connects_wakes_no_worker),
		T(a_handshake_that_must_wait_to_write_goes_on),
	};

	return cmocka_run_group_tests(tests, world_make, world_free);
}
