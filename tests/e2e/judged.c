/* SPDX-License-Identifier: ISC */
#include "judged.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "unit/ocsp/make_crl.h"

time_t now;
struct pki_cert *www, *other;
struct judged r;
const struct pki_buf none;

struct pki_buf
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

void
machine(const char *revocation)
{
	char keys[1600];

	(void)snprintf(keys, sizeof(keys), "%s\nfetch: { allow = [ \"%s\" ]; };",
	    revocation, r.http != NULL ? responder_allow(r.http) : "192.0.2.1");
	world_machine(keys);
}

void
begin(const char *revocation, enum responder_manner manner)
{
	(void)signal(SIGPIPE, SIG_IGN);	/* who is refused is gone at once */
	now = time(NULL);
	r.manner = manner;
	r.http = responder_new(answer, NULL);
	r.leaf = pki_issue(world.ca, &(struct pki_spec){ .cn = "listed",
	    .san = "one.example", .crl = responder_url(r.http, "/list") });
	machine(revocation);
}

void
end(void)
{
	responder_free(r.http);
	pki_free(r.leaf);
}

struct pki_buf
staple_of(const struct pki_cert *cert, enum made_status status)
{
	struct pki_buf der = { 0 };

	make_response(&(struct made_response){ .signer = world.ca,
	    .produced_at = now - 60, .singles = { { .cert = cert, .status = status,
	    .this_update = now - 60, .next_update = now + 3600,
	    .revoked_at = now - 60 } } }, &der);
	return der;
}

void
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

void
leave(struct attempt *a)
{
	(void)close(a->fd);
	(void)close(a->listener);
	peer_drop(&a->peer);
}

void
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

void
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

void
judged_world(void)
{
	world_begin();
	www = pki_issue(world.ca, &(struct pki_spec){ .cn = "www", .san = "one.example" });
	other = pki_issue(world.ca, &(struct pki_spec){ .cn = "other",
	    .san = "one.example" });
}
