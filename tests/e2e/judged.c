/* SPDX-License-Identifier: ISC */
#include "judged.h"

#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "unit/ocsp/make_crl.h"

time_t now;
struct pki_cert *www, *other;
struct judged r;
const struct pki_buf none;
static char conf_file[700], cache_dir[700];

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

void
machine(const char *revocation)
{
	char text[1600];

	(void)snprintf(text, sizeof(text), "%s\ncache: { dir = \"%s\"; };\n"
	    "fetch: { allow = [ \"%s\" ]; };\n", revocation, cache_dir,
	    r.http != NULL ? responder_allow(r.http) : "192.0.2.1");
	pki_write_text(world.dir, "machine.conf", text);
	want_eq(chmod(conf_file, 0644), 0);
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
	(void)snprintf(cache_dir, sizeof(cache_dir), "%s/cache-%ld", world.dir,
	    (long)getpid());
	want_eq(mkdir(cache_dir, 0700), 0);
	give_away(cache_dir);
	want_eq(setenv("SECURESOCKETS_CONF", conf_file, 1), 0);
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
	(void)snprintf(conf_file, sizeof(conf_file), "%s/machine.conf", world.dir);
}
