/* SPDX-License-Identifier: ISC */
/* revocation - what a program sees of a peer whose certificate was revoked. */
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ours.h"
#include "support/responder.h"
#include "unit/ocsp/make_crl.h"
#include "unit/ocsp/make_response.h"

#define PENDING	12	/* more than there are workers */

static time_t now;
static struct pki_cert *www, *other;	/* that name no source */
static char conf_file[700], cache_dir[700];

/* What the responder does; its threads look. */
static struct {
	struct responder *http;
	struct pki_cert *_Atomic leaf;	/* names its list */
	atomic_int revoked;		/* the leaf is on the list */
	enum responder_manner manner;
} r;

static struct pki_buf
list_of(const struct pki_cert *revoked)
{
	const struct make_crl_row row = { .cert = revoked, .date = now - PKI_DAY };

	return make_crl(&(struct make_crl){ .issuer = world.ca, .rows = &row,
	    .n_rows = revoked != NULL, .this_update = now - PKI_DAY,
	    .next_update = now + PKI_DAY });
}

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	(void)arg, (void)q;
	reply->manner = r.manner;
	reply->type = "application/pkix-crl";
	reply->body = list_of(r.revoked ? r.leaf : NULL);
}

/* The relay of a root-started program is another user. */
static void
give_away(const char *path)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return;
	pw = getpwnam("_securesockets");
	if (pw == NULL)
		pw = getpwnam("nobody");
	if (pw != NULL)
		want_eq(chown(path, pw->pw_uid, pw->pw_gid), 0);
}

/* The machine's file of this scene: a cache of its own, the responder allowed. */
static void
machine(const char *revocation)
{
	char text[1600];

	(void)snprintf(text, sizeof(text), "%s\ncache: { dir = \"%s\"; };\n"
	    "fetch: { allow = [ \"%s\" ]; };\n", revocation, cache_dir,
	    r.http != NULL ? responder_allow(r.http) : "192.0.2.1");
	pki_write_text(world.dir, "machine.conf", text);
	want_eq(chmod(conf_file, 0644), 0);
}

static void
begin(const char *revocation, enum responder_manner manner)
{
	(void)signal(SIGPIPE, SIG_IGN);	/* who is refused is gone at once */
	now = time(NULL);
	r.manner = manner;
	r.http = responder_new(answer, NULL);
	r.leaf = pki_issue(world.ca, &(struct pki_spec){ .cn = "listed",
	    .san = "one.example", .crl = responder_url(r.http, "/list") });
	(void)snprintf(cache_dir, sizeof(cache_dir), "%s/cache-%ld", world.dir,
	    (long)getpid());
	want_eq(mkdir(cache_dir, 0700), 0);
	give_away(cache_dir);
	want_eq(setenv("SECURESOCKETS_CONF", conf_file, 1), 0);
	machine(revocation);
}

static void
end(void)
{
	responder_free(r.http);
	pki_free(r.leaf);
}

static struct pki_buf
staple_of(const struct pki_cert *cert, enum made_status status)
{
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = world.ca,
	    .produced_at = now - 60, .singles = { { .cert = cert, .status = status,
	    .this_update = now - 60, .next_update = now + 3600,
	    .revoked_at = now - 60 } } }, &der);
	return der;
}

/* A client of ours that begins to connect to a peer with this certificate. */
struct attempt {
	int	fd, listener;
	struct peer peer;
};

static void
attempt(struct attempt *a, const struct pki_cert *cert, const struct pki_buf *staple,
    const char *policy)
{
	struct addr at;

	a->listener = tcp_listen(&at, world.families[0], 8);
	a->fd = ours_client(world.families[0], SOCK_NONBLOCK, "one.example");
	if (policy != NULL)
		want_eq(ours_set(a->fd, TLS_REVOCATION_POLICY, policy), 0);
	want_errno(ours_connect(a->fd, &at), EINPROGRESS);
	if (peer_server_on(&a->peer, tcp_accept(a->listener), &(struct peer_opts){
	    .cert = cert, .staple = staple, .no_tickets = 1 }) != 0)
		world_fail(__FILE__, __LINE__, "peer: %s", a->peer.why);
}

static void
leave(struct attempt *a)
{
	(void)close(a->fd);
	(void)close(a->listener);
	peer_drop(&a->peer);
}

/* It comes to this errno; 0: it is connected, and bytes pass. */
static void
comes_to(struct attempt *a, int code)
{
	char byte;

	want(ours_poll(a->fd, POLLOUT, WORLD_PATIENCE_MS) != 0);
	want_eq(ours_get_int(a->fd, SOL_SOCKET, SO_ERROR), code);
	if (code != 0)
		return;
	peer_write(&a->peer, "x", 1);
	want_eq(ours_poll(a->fd, POLLIN, WORLD_PATIENCE_MS), POLLIN);
	want_eq(read(a->fd, &byte, 1), 1);
}

static void
try_it(const struct pki_cert *cert, struct pki_buf staple, const char *policy, int code,
    const char *verdict)
{
	struct attempt a;

	attempt(&a, cert, staple.len > 0 ? &staple : NULL, policy);
	comes_to(&a, code);
	want_has(ours_get(a.fd, TLS_OCSP_RESULT), verdict);
	if (code != 0)
		want_has(ours_error(a.fd), "one.example: ");
	leave(&a);
	pki_buf_free(&staple);
}

static const struct pki_buf none;

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

COLD_SCENE(a_listener_shows_its_staple_to_who_asks)
{
	struct pki_cert *middle, *leaf;
	const unsigned char *der = NULL;
	struct pki_buf staple = { 0 }, pem = { 0 };
	struct peer_opts ask = { .sni = "two.example", .ask_staple = 1 };
	struct addr at;
	struct peer p;
	int l;

	begin("", RESPONDER_PLAIN);
	middle = pki_issue(world.ca, &(struct pki_spec){ .cn = "Middle", .ca = 1 });
	leaf = pki_issue(middle, &(struct pki_spec){ .cn = "two", .san = "two.example" });
	make_response(&(struct made_response){ .signer = middle, .produced_at = now - 60,
	    .singles = { { .cert = leaf, .this_update = now - 60,
	    .next_update = now + 3600 } } }, &staple);
	pki_put_chain(&pem, leaf);
	pki_put_key(&pem, leaf);
	l = ours_bound(&at, world.families[0]);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, pem.data,
	    (socklen_t)pem.len), 0);
	want_eq(listen(l, 8), 0);
	for (int step = 0; step < 4; step++) {
		/* none yet; set on the live listener; off; on again */
		if (step == 1)
			want_eq(setsockopt(l, IPPROTO_TLS, TLS_OCSP_STAPLE, staple.data,
			    (socklen_t)staple.len), 0);
		if (step >= 2)
			want_eq(ours_set_int(l, TLS_SERVER_OCSP_STAPLING, step == 3), 0);
		want_eq(peer_client(&p, &at, &ask), 0);
		if (step % 2 == 1)
			want_eq(SSL_get_tlsext_status_ocsp_resp(p.ssl, &der),
			    (long)staple.len);
		else
			want(SSL_get_tlsext_status_ocsp_resp(p.ssl, &der) <= 0);
		peer_drop(&p);
		(void)close(ours_accept(l));
	}
	want_errno(ours_set(l, TLS_OCSP_STAPLE, world.ca_file), EINVAL);
	want_errno(ours_set_int(l, TLS_REVOCATION_CHECKS, 0), EOPNOTSUPP);
	(void)close(l);
	pki_buf_free(&staple);
	pki_buf_free(&pem);
	pki_free(leaf);
	pki_free(middle);
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

/* 1: the staple was shown; -1: nobody answers yet. */
static int
shows(const struct addr *at, const struct pki_buf *staple)
{
	const unsigned char *der = NULL;
	struct peer p;
	long len;

	if (peer_client(&p, at, &(struct peer_opts){ .sni = "two.example",
	    .ask_staple = 1 }) != 0)
		return -1;
	len = SSL_get_tlsext_status_ocsp_resp(p.ssl, &der);
	peer_drop(&p);
	return len == (long)staple->len;
}

COLD_SCENE(a_listeners_staple_outlives_the_relay)
{
	struct pki_cert *middle, *leaf;
	struct pki_buf staple = { 0 }, pem = { 0 };
	pid_t keeper, relay;
	struct addr at;
	int l, got;

	begin("", RESPONDER_PLAIN);
	middle = pki_issue(world.ca, &(struct pki_spec){ .cn = "Middle", .ca = 1 });
	leaf = pki_issue(middle, &(struct pki_spec){ .cn = "two", .san = "two.example" });
	make_response(&(struct made_response){ .signer = middle, .produced_at = now - 60,
	    .singles = { { .cert = leaf, .this_update = now - 60,
	    .next_update = now + 3600 } } }, &staple);
	pki_put_chain(&pem, leaf);
	pki_put_key(&pem, leaf);
	l = ours_bound(&at, world.families[0]);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, pem.data,
	    (socklen_t)pem.len), 0);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_OCSP_STAPLE, staple.data,
	    (socklen_t)staple.len), 0);
	want_eq(listen(l, 8), 0);
	want_eq(shows(&at, &staple), 1);
	want_eq(world_pair(l, &keeper, &relay), 0);
	want_eq(kill(relay, SIGKILL), 0);
	want_soon((got = shows(&at, &staple)) >= 0);
	want_eq(got, 1);
	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_SERVER_OCSP_STAPLING), 1);
	(void)close(l);
	pki_buf_free(&staple);
	pki_buf_free(&pem);
	pki_free(leaf);
	pki_free(middle);
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
		cmocka_unit_test(hard_refuses_what_names_no_source_and_soft_does_not),
		cmocka_unit_test(what_the_network_does_not_give_in_time_is_softs_to_accept),
		cmocka_unit_test(while_some_wait_for_evidence_others_go_on),
		cmocka_unit_test(a_pending_connect_that_is_closed_is_given_up),
		cmocka_unit_test(the_handshakes_deadline_does_not_cut_the_budget),
		cmocka_unit_test(lists_of_the_program_count),
		cmocka_unit_test(the_machine_may_be_tightened_and_not_loosened),
		cmocka_unit_test(a_wrong_file_refuses_sockets_to_who_starts_and_not_to_who_runs),
		cmocka_unit_test(a_live_connection_ends_when_its_peer_is_revoked),
		cmocka_unit_test(a_listener_shows_its_staple_to_who_asks),
		cmocka_unit_test(a_connection_that_becomes_tls_is_judged_as_well),
		cmocka_unit_test(a_listeners_staple_outlives_the_relay),
	};

	world_begin();
	www = pki_issue(world.ca, &(struct pki_spec){ .cn = "www", .san = "one.example" });
	other = pki_issue(world.ca, &(struct pki_spec){ .cn = "other",
	    .san = "one.example" });
	(void)snprintf(conf_file, sizeof(conf_file), "%s/machine.conf", world.dir);
	return world_end(tests);
}
