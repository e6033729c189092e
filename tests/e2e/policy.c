/* SPDX-License-Identifier: ISC */
/* policy - what a program, and the machine's file, want to know of a peer. */
#include <stdio.h>
#include <unistd.h>

#include "judged.h"

COLD_SCENE(hard_refuses_what_names_no_source_and_soft_does_not)
{
	begin("", RESPONDER_PLAIN);
	try_it(www, none, NULL, 0, "source=none; verdict=no_source; ");
	try_it(www, none, "hard", EPROTO, "verdict=no_source; ");
	try_it(www, none, "no-source=1", EPROTO, "verdict=no_source; ");
	try_it(www, none, "hard,no-source=0", 0, "verdict=no_source; ");
	want_eq(responder_requests(r.http), 0);
	end();
}

COLD_SCENE(lists_of_the_program_count)
{
	char path[700];
	struct pki_buf list;
	struct attempt a;
	struct addr at;

	begin("", RESPONDER_PLAIN);
	list = list_of(other);
	pki_write(world.dir, "list.crl", 0644, &list);
	(void)snprintf(path, sizeof(path), "%s/list.crl", world.dir);
	for (int i = 0; i < 2; i++) {
		a.listener = tcp_listen(&at, world.families[0], 8);
		a.fd = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
		if (i == 0)
			want_eq(ours_set(a.fd, TLS_CRL_FILE, path), 0);
		else
			want_eq(setsockopt(a.fd, IPPROTO_TLS, TLS_CRL_FILE, list.data,
			    (socklen_t)list.len), 0);
		want_errno(ours_connect(a.fd, &at), EINPROGRESS);
		want_eq(peer_server_on(&a.peer, tcp_accept(a.listener),
		    &(struct peer_opts){ .cert = other }), 0);
		comes_to(&a, EPROTO);
		want_has(ours_get(a.fd, TLS_OCSP_RESULT), "source=crl; verdict=revoked");
		leave(&a);
	}
	a.fd = ours_client(world.families[0], 0, "one.example");
	want_errno(ours_set(a.fd, TLS_CRL_FILE, world.ca_file), EINVAL);
	want_has(ours_error(a.fd), "ca.pem");
	want_errno(ours_set(a.fd, TLS_CRL_FILE, "/nonexistent"), ENOENT);
	(void)close(a.fd);
	pki_buf_free(&list);
	end();
}

COLD_SCENE(the_machine_may_be_tightened_and_not_loosened)
{
	int fd;

	begin("revocation: { mode = \"hard\"; };", RESPONDER_PLAIN);
	fd = ours_client(world.families[0], 0, "one.example");
	want_has(ours_get(fd, TLS_REVOCATION_POLICY), "hard,budget=3000,");
	want_errno(ours_set(fd, TLS_REVOCATION_POLICY, "soft"), EPROTO);
	want_has(ours_error(fd), "revocation.mode");
	want_has(ours_error(fd), "machine.conf:1");
	want_errno(ours_set_int(fd, TLS_REVOCATION_CHECKS, 0), EPROTO);
	want_errno(ours_set_int(fd, TLS_CRL_CHECKS, 0), EPROTO);
	want_eq(ours_get_int(fd, IPPROTO_TLS, TLS_CRL_CHECKS), 1);
	want_eq(ours_get_int(fd, IPPROTO_TLS, TLS_REVOCATION_NO_SOURCE), 1);
	want_eq(ours_set_int(fd, TLS_REVOCATION_POLICY, 4), 0);
	want_has(ours_get(fd, TLS_REVOCATION_POLICY), "staple,");
	want_errno(ours_set(fd, TLS_REVOCATION_POLICY, "harder"), EINVAL);
	want_errno(setsockopt(fd, IPPROTO_TLS, TLS_CRL_CHECKS, "1", 1), EINVAL);
	(void)close(fd);
	try_it(www, none, NULL, EPROTO, "verdict=no_source");
	try_it(r.leaf, none, NULL, 0, "verdict=good");
	end();
}

COLD_SCENE(a_wrong_file_refuses_sockets_to_who_starts_and_not_to_who_runs)
{
	int fd;

	begin("revocation: { mode = \"sost\"; };", RESPONDER_PLAIN);
	want_errno(socket(world.families[0], SOCK_STREAM, IPPROTO_TLS), EPROTO);
	want_has(ours_error(-1), "machine.conf:1: revocation.mode");
	/* put right, it is seen within five seconds */
	machine("revocation: { mode = \"hard\"; };");
	want_soon((fd = socket(world.families[0], SOCK_STREAM, IPPROTO_TLS)) >= 0);
	want_has(ours_get(fd, TLS_REVOCATION_POLICY), "hard,");
	(void)close(fd);
	/* wrong again, those who run keep what they read */
	machine("revocation: { mode = \"softer\"; };");
	for (long long until = world_now_ms() + 2500; world_now_ms() < until;) {
		fd = ours_socket(world.families[0], 0);
		want_has(ours_get(fd, TLS_REVOCATION_POLICY), "hard,");
		(void)close(fd);
		world_breathe();
	}
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hard_refuses_what_names_no_source_and_soft_does_not),
		cmocka_unit_test(lists_of_the_program_count),
		cmocka_unit_test(the_machine_may_be_tightened_and_not_loosened),
		cmocka_unit_test(a_wrong_file_refuses_sockets_to_who_starts_and_not_to_who_runs),
	};

	judged_world();
	return world_end(tests);
}
