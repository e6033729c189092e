/* SPDX-License-Identifier: ISC */
/* revocation - what a program sees of a peer whose certificate was revoked. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "judged.h"

#define PENDING	12	/* more than there are workers */

COLD_SCENE(revoked_by_a_staple_is_eproto_and_says_so)
{
	struct attempt a;
	struct pki_buf staple;
	char c;

	begin("", RESPONDER_PLAIN);
	try_it(www, staple_of(www, MADE_GOOD), NULL, 0, "source=staple; verdict=good; ");
	staple = staple_of(www, MADE_REVOKED);
	attempt(&a, www, &staple, NULL);
	comes_to(&a, EPROTO);
	want_has(ours_error(a.fd), "revoked");
	want_has(ours_get(a.fd, TLS_OCSP_RESULT), "source=staple; verdict=revoked; ");
	/* the peer got nothing but our Finished */
	want(peer_read(&a.peer, &c, 1) <= 0);
	leave(&a);
	pki_buf_free(&staple);
	/* sticky: a good staple that is no newer does not help any more */
	try_it(www, staple_of(www, MADE_GOOD), NULL, EPROTO, "verdict=revoked");
	try_it(www, none, "off", 0, "");
	want_eq(responder_requests(r.http), 0);
	end();
}

COLD_SCENE(a_blocking_connect_is_refused_as_well)
{
	struct pki_buf staple;
	struct addr at;
	int l, fd;

	begin("", RESPONDER_PLAIN);
	staple = staple_of(other, MADE_REVOKED);
	l = tcp_listen(&at, world.families[0], 8);
	fd = ours_client(world.families[0], 0, "one.example");
	if (fork() == 0) {
		struct peer peer;

		(void)peer_server_on(&peer, tcp_accept(l), &(struct peer_opts){
		    .cert = other, .staple = &staple });
		_exit(0);
	}
	want_errno(ours_connect(fd, &at), EPROTO);
	want_has(ours_error(-1), "revoked");
	want_has(ours_get(fd, TLS_OCSP_RESULT), "verdict=revoked");
	(void)close(fd);
	(void)close(l);
	pki_buf_free(&staple);
	end();
}

COLD_SCENE(a_list_is_fetched_once_and_then_it_is_warm)
{
	begin("", RESPONDER_PLAIN);
	try_it(r.leaf, none, "hard", 0, "source=crl; verdict=good; ");
	want_eq(responder_requests(r.http), 1);
	for (int i = 0; i < 5; i++)
		try_it(r.leaf, none, "hard", 0, "source=crl; verdict=good; ");
	want_eq(responder_requests(r.http), 1);
	end();
}

COLD_SCENE(revoked_by_a_list_that_is_fetched)
{
	begin("", RESPONDER_PLAIN);
	r.revoked = 1;
	try_it(r.leaf, none, NULL, EPROTO, "source=crl; verdict=revoked; ");
	try_it(r.leaf, none, NULL, EPROTO, "source=crl; verdict=revoked; ");
	want_eq(responder_requests(r.http), 1);
	end();
}

COLD_SCENE(what_the_network_does_not_give_in_time_is_softs_to_accept)
{
	long long begun;

	begin("", RESPONDER_SILENT);
	begun = world_now_ms();
	try_it(r.leaf, none, "budget=300", 0, "verdict=error; ");
	want(world_now_ms() - begun >= 250);
	/* and it is not asked again at once */
	try_it(r.leaf, none, "hard,budget=300", EPROTO, "verdict=error; ");
	end();
}

COLD_SCENE(while_some_wait_for_evidence_others_go_on)
{
	struct attempt wait[PENDING];

	begin("", RESPONDER_SILENT);
	for (int i = 0; i < PENDING; i++)
		attempt(&wait[i], r.leaf, NULL, "budget=20000");
	responder_wait(r.http, 1);
	/* more than workers, so each of them has one that waits */
	for (int i = 0; i < PENDING; i++)
		try_it(www, none, NULL, 0, "verdict=no_source");
	for (int i = 0; i < PENDING; i++) {
		want_eq(ours_poll(wait[i].fd, POLLIN | POLLOUT, 0), 0);
		leave(&wait[i]);
	}
	want_eq(responder_requests(r.http), 1);
	end();
}

COLD_SCENE(a_pending_connect_that_is_closed_is_given_up)
{
	pid_t keeper, relay;
	struct attempt a;
	int fd, before;
	char c;

	begin("", RESPONDER_SILENT);
	fd = ours_socket(world.families[0], 0);
	want_eq(world_pair(fd, &keeper, &relay), 0);
	try_it(www, none, NULL, 0, "verdict=no_source");	/* all is open by now */
	before = world_count_fds(relay);
	for (int i = 0; i < 5; i++) {
		attempt(&a, r.leaf, NULL, "budget=20000");
		responder_wait(r.http, 1);
		(void)close(a.fd);
		want(peer_read(&a.peer, &c, 1) <= 0);
		(void)close(a.listener);
		peer_drop(&a.peer);
	}
	/* the one transfer that it shared may still be under way */
	want_soon(world_count_fds(relay) <= before + 8);
	want(world_alive(relay));
	try_it(www, none, NULL, 0, "verdict=no_source");
	(void)close(fd);
	end();
}

COLD_SCENE(the_handshakes_deadline_does_not_cut_the_budget)
{
	struct attempt a;

	begin("", RESPONDER_SILENT);
	a.listener = -1;
	attempt(&a, www, NULL, NULL);
	comes_to(&a, 0);
	leave(&a);
	{
		struct addr at;
		int l = tcp_listen(&at, world.families[0], 8);
		int fd = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
		struct peer peer;

		want_eq(ours_set_int(fd, TLS_HANDSHAKE_TIMEOUT, 500), 0);
		want_eq(ours_set(fd, TLS_REVOCATION_POLICY, "budget=1500"), 0);
		want_errno(ours_connect(fd, &at), EINPROGRESS);
		want_eq(peer_server_on(&peer, tcp_accept(l), &(struct peer_opts){
		    .cert = r.leaf }), 0);
		want_eq(ours_poll(fd, POLLOUT, WORLD_PATIENCE_MS), POLLOUT);
		want_eq(ours_get_int(fd, SOL_SOCKET, SO_ERROR), 0);
		(void)close(fd);
		(void)close(l);
		peer_drop(&peer);
	}
	end();
}

COLD_SCENE(a_live_connection_ends_when_its_peer_is_revoked)
{
	struct pki_buf staple, bad;
	struct attempt live, deaf;
	struct addr at;
	char c;

	begin("", RESPONDER_PLAIN);
	staple = staple_of(www, MADE_GOOD);
	bad = staple_of(www, MADE_REVOKED);
	live.listener = tcp_listen(&at, world.families[0], 8);
	live.fd = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
	want_eq(ours_set_int(live.fd, TLS_REVOCATION_LIVE, 1), 0);
	want_errno(ours_connect(live.fd, &at), EINPROGRESS);
	want_eq(peer_server_on(&live.peer, tcp_accept(live.listener),
	    &(struct peer_opts){ .cert = www, .staple = &staple, .no_tickets = 1 }), 0);
	comes_to(&live, 0);
	attempt(&deaf, www, &staple, NULL);
	comes_to(&deaf, 0);
	try_it(www, bad, NULL, EPROTO, "verdict=revoked");
	want((ours_poll(live.fd, POLLIN, WORLD_PATIENCE_MS) & POLLIN) != 0);
	want_errno(read(live.fd, &c, 1), ECONNRESET);
	want_has(ours_error(live.fd), "revoked");
	want_has(ours_get(live.fd, TLS_OCSP_RESULT), "verdict=revoked");
	want(peer_read(&live.peer, &c, 1) <= 0);
	/* who did not ask for it goes on */
	peer_write(&deaf.peer, "y", 1);
	want_eq(ours_poll(deaf.fd, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	want_eq(read(deaf.fd, &c, 1), 1);
	leave(&live);
	leave(&deaf);
	pki_buf_free(&staple);
	end();
}

/* Plain at first: the peer is judged when the connection becomes TLS. */
static int
upgraded(const struct pki_cert *cert, const struct pki_buf *staple)
{
	struct addr at;
	struct peer peer;
	int l = tcp_listen(&at, world.families[0], 8), fd, tcp, code;

	fd = ours_client(world.families[0], 0, NULL);
	want_eq(ours_set_int(fd, TLS_START_PLAIN, 1), 0);
	want_eq(ours_connect(fd, &at), 0);
	tcp = tcp_accept(l);
	want_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	want_errno(setsockopt(fd, IPPROTO_TCP, TCP_UPGRADE_TLS, "one.example", 12),
	    EINPROGRESS);
	want_eq(peer_server_on(&peer, tcp, &(struct peer_opts){ .cert = cert,
	    .staple = staple, .no_tickets = 1 }), 0);
	want(ours_poll(fd, POLLOUT, WORLD_PATIENCE_MS) != 0);
	code = ours_get_int(fd, SOL_SOCKET, SO_ERROR);
	want_has(ours_get(fd, TLS_OCSP_RESULT), code == 0 ? "verdict=good" :
	    "verdict=revoked");
	(void)close(fd);
	(void)close(l);
	peer_drop(&peer);
	return code;
}

COLD_SCENE(a_connection_that_becomes_tls_is_judged_as_well)
{
	struct pki_buf good, bad;

	begin("", RESPONDER_PLAIN);
	good = staple_of(www, MADE_GOOD);
	bad = staple_of(www, MADE_REVOKED);
	want_eq(upgraded(www, &good), 0);
	want_eq(upgraded(www, &bad), EPROTO);
	/* and what is to be fetched for it is fetched */
	want_eq(upgraded(r.leaf, NULL), 0);
	want_eq(responder_requests(r.http), 1);
	pki_buf_free(&good);
	pki_buf_free(&bad);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(revoked_by_a_staple_is_eproto_and_says_so),
		cmocka_unit_test(a_blocking_connect_is_refused_as_well),
		cmocka_unit_test(a_list_is_fetched_once_and_then_it_is_warm),
		cmocka_unit_test(revoked_by_a_list_that_is_fetched),
		cmocka_unit_test(what_the_network_does_not_give_in_time_is_softs_to_accept),
		cmocka_unit_test(while_some_wait_for_evidence_others_go_on),
		cmocka_unit_test(a_pending_connect_that_is_closed_is_given_up),
		cmocka_unit_test(the_handshakes_deadline_does_not_cut_the_budget),
		cmocka_unit_test(a_live_connection_ends_when_its_peer_is_revoked),
		cmocka_unit_test(a_connection_that_becomes_tls_is_judged_as_well),
	};

	judged_world();
	return world_end(tests);
}
