/* SPDX-License-Identifier: ISC */
/* tickets - sessions that clients resume with a listener, as program and client see it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ours.h"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
static const char secret[] = "what two servers know, and nobody else does";

/* Dials and shakes hands, with what is to be resumed. */
static void
dial(struct peer *p, const struct addr *at, int version, SSL_SESSION *resume)
{
	SSL_CTX *ctx = peer_ctx(0);

	(void)SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	want_eq(SSL_CTX_set_min_proto_version(ctx, version), 1);
	want_eq(SSL_CTX_set_max_proto_version(ctx, version), 1);
	memset(p, 0, sizeof(*p));
	p->fd = tcp_dial(at);
	p->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	want(p->ssl != NULL && SSL_set_fd(p->ssl, p->fd) == 1);
	want_eq(SSL_set_tlsext_host_name(p->ssl, "one.example"), 1);
	if (resume != NULL) {
		/* a copy: OpenSSL marks a session of TLS 1.3 as used */
		resume = SSL_SESSION_dup(resume);
		want_eq(SSL_set_session(p->ssl, resume), 1);
		SSL_SESSION_free(resume);
	}
	want_eq(SSL_connect(p->ssl), 1);
}

/* The first byte, the ticket before it, and the end. Returns what can be resumed. */
static SSL_SESSION *
leave(struct peer *p, int *ret_resumed)
{
	SSL_SESSION *session;
	char byte;

	peer_read_all(p, &byte, 1);
	*ret_resumed = SSL_session_reused(p->ssl);
	session = SSL_get1_session(p->ssl);
	if (!SSL_SESSION_has_ticket(session)) {
		SSL_SESSION_free(session);
		session = NULL;
	}
	peer_end(p);
	return session;
}

/* Others may be in the queue, who only wanted to see the certificate. */
static int
accept_of(int l, const struct peer *p)
{
	struct addr mine, theirs = { .len = sizeof(theirs.u) };
	int s;

	addr_of_sock(p->fd, &mine);
	for (s = ours_accept(l);; s = ours_accept(l)) {
		want_eq(getpeername(s, &theirs.u.any, &theirs.len), 0);
		if (addr_same(&mine, &theirs))
			return s;
		(void)close(s);
	}
}

/* A whole visit at a listener of this process. */
static SSL_SESSION *
come(const struct addr *at, int l, int version, SSL_SESSION *resume, int *ret_resumed)
{
	SSL_SESSION *session;
	struct peer p;
	int s;

	dial(&p, at, version, resume);
	s = accept_of(l, &p);
	ours_write(s, "x", 1);
	want_eq(ours_get_int(s, IPPROTO_TLS, TLS_RESUMED_SESSION),
	    SSL_session_reused(p.ssl));
	session = leave(&p, ret_resumed);
	(void)close(s);
	return session;
}

/* Whether that session is resumed; what comes of it is dropped. */
static int
resumes(const struct addr *at, int l, int version, SSL_SESSION *session)
{
	int resumed;

	SSL_SESSION_free(come(at, l, version, session, &resumed));
	return resumed;
}

static SSL_SESSION *
begin(const struct addr *at, int l, int version)
{
	int resumed;
	SSL_SESSION *session = come(at, l, version, NULL, &resumed);

	want(session != NULL);
	want_eq(resumed, 0);
	return session;
}

SCENE(a_client_resumes_its_session_and_the_program_is_told)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);

	for (int i = 0; i < 2; i++) {
		SSL_SESSION *session = begin(&at, l, versions[i]);

		want_eq(SSL_SESSION_get_ticket_lifetime_hint(session), 86400);
		for (int k = 0; k < 3; k++)
			want_eq(resumes(&at, l, versions[i], session), 1);
		SSL_SESSION_free(session);
	}
	(void)close(l);
}

SCENE(two_listeners_with_keys_of_their_own_are_strangers)
{
	struct addr at, there;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	int other = ours_listener(&there, world.families[0], world.one_file, NULL);

	for (int i = 0; i < 2; i++) {
		SSL_SESSION *session = begin(&at, l, versions[i]);

		want_eq(resumes(&there, other, versions[i], session), 0);
		want_eq(resumes(&at, l, versions[i], session), 1);
		SSL_SESSION_free(session);
	}
	(void)close(l);
	(void)close(other);
}

SCENE(sessions_are_turned_off_and_bounded_by_options)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), s;
	SSL_SESSION *session, *later;
	struct peer p;
	socklen_t len;
	long wide;

	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_SESSION_REUSE), 1);
	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_SESSION_TTL), 86400);
	len = sizeof(wide);
	want_eq(getsockopt(l, IPPROTO_TLS, TLS_SESSION_TTL, &wide, &len), 0);
	want_eq(len, sizeof(wide));
	want_eq(wide, 86400);
	wide = 604801;
	want_errno(setsockopt(l, IPPROTO_TLS, TLS_SESSION_TTL, &wide, sizeof(wide)), EINVAL);
	want_has(ours_error(l), "604800");
	want_errno(ours_set_int(l, TLS_SESSION_TTL, -1), EINVAL);
	want_errno(setsockopt(l, IPPROTO_TLS, TLS_SESSION_TTL, "12", 2), EINVAL);
	want_errno(ours_set_int(l, TLS_SESSION_REUSE, 2), EINVAL);
	session = begin(&at, l, TLS1_3_VERSION);
	wide = 300;
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_SESSION_TTL, &wide, sizeof(wide)), 0);
	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_SESSION_TTL), 300);
	later = begin(&at, l, TLS1_3_VERSION);
	want_eq(SSL_SESSION_get_ticket_lifetime_hint(later), 300);
	want_eq(resumes(&at, l, TLS1_3_VERSION, session), 1);
	for (int way = 0; way < 2; way++) {
		const int option = way ? TLS_SESSION_REUSE : TLS_SESSION_TTL;
		int resumed;

		want_eq(ours_set_int(l, option, 0), 0);
		for (int i = 0; i < 2; i++)
			want(come(&at, l, versions[i], session, &resumed) == NULL);
		want_eq(resumed, 0);
		want_eq(ours_set_int(l, option, way ? 1 : 86400), 0);
		want_eq(resumes(&at, l, TLS1_3_VERSION, session), 1);
	}
	/* Source code of other systems does so; the ticket is out. */
	dial(&p, &at, TLS1_3_VERSION, NULL);
	s = ours_accept(l);
	want_eq(setsockopt(s, IPPROTO_TLS, TLS_SESSION_TTL, &wide, sizeof(wide)), 0);
	want_eq(ours_get_int(s, IPPROTO_TLS, TLS_SESSION_TTL), 300);
	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_SESSION_TTL), 86400);
	want_eq(ours_set_int(s, TLS_SESSION_REUSE, 0), 0);
	want_errno(ours_set_int(s, TLS_RESUMED_SESSION, 0), ENOPROTOOPT);
	want_errno(setsockopt(s, IPPROTO_TLS, TLS_TICKET_KEY, secret, sizeof(secret)),
	    EOPNOTSUPP);
	peer_end(&p);
	(void)close(s);
	SSL_SESSION_free(session);
	SSL_SESSION_free(later);
	(void)close(l);
}

SCENE(a_client_of_ours_resumes_nothing)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);

	for (int i = 0; i < 2; i++) {
		int c = ours_client(world.families[0], 0, "one.example"), s;

		want_eq(ours_set_int(c, TLS_SESSION_REUSE, 1), 0);
		want_errno(getsockopt(c, IPPROTO_TLS, TLS_RESUMED_SESSION, &(int){ 0 },
		    &(socklen_t){ sizeof(int) }), ENOTCONN);
		want_eq(ours_connect(c, &at), 0);
		s = ours_accept(l);
		want_eq(ours_get_int(c, IPPROTO_TLS, TLS_RESUMED_SESSION), 0);
		want_eq(ours_get_int(c, IPPROTO_TLS, TLS_SESSION_REUSE), 0);
		want_eq(ours_get_int(s, IPPROTO_TLS, TLS_RESUMED_SESSION), 0);
		(void)close(s);
		(void)close(c);
	}
	(void)close(l);
}

SCENE(cs_61_a_renewal_on_disk_keeps_sessions_if_it_keeps_the_key)
{
	struct pki_spec spec = { .san = "one.example,IP:127.0.0.1,IP:::1",
	    .use_key = world.one->key };
	struct pki_cert *same_key = pki_issue(world.ca, &spec), *new_key;
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	SSL_SESSION *session[2];

	spec.use_key = NULL;
	new_key = pki_issue(world.ca, &spec);
	for (int i = 0; i < 2; i++)
		session[i] = begin(&at, l, versions[i]);
	pki_write_pair(world.dir, "one.pem", same_key);
	ours_want_soon_shown(l, &at, "one.example", same_key);
	for (int i = 0; i < 2; i++)
		want_eq(resumes(&at, l, versions[i], session[i]), 1);
	pki_write_pair(world.dir, "one.pem", new_key);
	ours_want_soon_shown(l, &at, "one.example", new_key);
	for (int i = 0; i < 2; i++) {
		want_eq(resumes(&at, l, versions[i], session[i]), 0);
		SSL_SESSION_free(session[i]);
	}
	pki_write_pair(world.dir, "one.pem", world.one);
	(void)close(l);
}

SCENE(a_key_for_tickets_is_of_a_certain_length_and_is_not_read_back)
{
	char buf[300] = "a secret";
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL);
	SSL_SESSION *own = begin(&at, l, TLS1_3_VERSION), *given;

	want_errno(setsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, buf, 31), EINVAL);
	want_has(ours_error(l), "32 to 256 bytes");
	want_errno(setsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, buf, 257), EINVAL);
	want_eq(resumes(&at, l, TLS1_3_VERSION, own), 1);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, buf, 32), 0);
	want_errno(getsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, buf,
	    &(socklen_t){ sizeof(buf) }), ENOPROTOOPT);
	want_eq(resumes(&at, l, TLS1_3_VERSION, own), 0);
	given = begin(&at, l, TLS1_3_VERSION);
	/* without one it is its own again, as it was */
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, buf, 0), 0);
	want_eq(resumes(&at, l, TLS1_3_VERSION, given), 0);
	want_eq(resumes(&at, l, TLS1_3_VERSION, own), 1);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, buf, 256), 0);
	want_eq(resumes(&at, l, TLS1_3_VERSION, given), 0);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, buf, 32), 0);
	want_eq(resumes(&at, l, TLS1_3_VERSION, given), 1);
	SSL_SESSION_free(own);
	SSL_SESSION_free(given);
	(void)close(l);
}

/* --- several programs ------------------------------------------------------------------ */
/* A program with a pair of its own, which serves one client for each byte. */
static void
server(int ch, void *arg)
{
	const char *key = arg;
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), s;
	char go;

	want_eq(setsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, key, (socklen_t)strlen(key)), 0);
	prog_send(ch, &at, sizeof(at));
	for (prog_recv(ch, &go, 1); go != 0; prog_recv(ch, &go, 1)) {
		s = ours_accept(l);
		ours_write(s, "x", 1);
		ours_want_end(s);
		(void)close(s);
	}
	(void)close(l);
}

static SSL_SESSION *
come_to(struct prog *p, const struct addr *at, int version, SSL_SESSION *resume,
    int *ret_resumed)
{
	struct peer peer;

	prog_send(p->ch, "\1", 1);
	dial(&peer, at, version, resume);
	return leave(&peer, ret_resumed);
}

COLD_SCENE(programs_with_one_key_resume_each_others_sessions)
{
	char other[] = "what two other servers know, and nobody else";
	char *keys[] = { (char *)(uintptr_t)secret, (char *)(uintptr_t)secret, other };
	SSL_SESSION *session;
	struct prog progs[3];
	struct addr at[3];
	int resumed;

	for (int i = 0; i < 3; i++) {
		prog_start(&progs[i], server, keys[i]);
		prog_recv(progs[i].ch, &at[i], sizeof(at[i]));
	}
	for (int i = 0; i < 2; i++) {
		session = come_to(&progs[0], &at[0], versions[i], NULL, &resumed);
		want(session != NULL && !resumed);
		for (int k = 0; k < 3; k++) {
			SSL_SESSION_free(come_to(&progs[k], &at[k], versions[i], session,
			    &resumed));
			want_eq(resumed, k < 2);
		}
		SSL_SESSION_free(session);
	}
	for (int i = 0; i < 3; i++) {
		prog_send(progs[i].ch, "", 1);
		prog_end(&progs[i]);
	}
}

/* --- a relay that ends ------------------------------------------------------------------- */
COLD_SCENE(a_key_that_was_given_outlives_the_relay_and_a_random_one_does_not)
{
	for (int given = 0; given < 2; given++) {
		struct addr at;
		pid_t keeper, relay, after;
		SSL_SESSION *session[2];
		int l = ours_listener(&at, world.families[0], world.one_file, NULL);

		if (given)
			want_eq(setsockopt(l, IPPROTO_TLS, TLS_TICKET_KEY, secret,
			    sizeof(secret)), 0);
		want_eq(ours_set_int(l, TLS_SESSION_TTL, 1000), 0);
		for (int i = 0; i < 2; i++)
			session[i] = begin(&at, l, versions[i]);
		for (int death = 0; death < 2; death++) {
			want_eq(world_pair(l, &keeper, &relay), 0);
			want_eq(kill(relay, SIGKILL), 0);
			for (int i = 0; i < 2; i++)
				want_eq(resumes(&at, l, versions[i], session[i]), given);
			want_eq(world_pair(l, &keeper, &after), 0);
			want(after != relay);
			want_eq(ours_get_int(l, IPPROTO_TLS, TLS_SESSION_TTL), 1000);
		}
		for (int i = 0; i < 2; i++)
			SSL_SESSION_free(session[i]);
		(void)close(l);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_resumes_its_session_and_the_program_is_told),
		cmocka_unit_test(two_listeners_with_keys_of_their_own_are_strangers),
		cmocka_unit_test(sessions_are_turned_off_and_bounded_by_options),
		cmocka_unit_test(a_client_of_ours_resumes_nothing),
		cmocka_unit_test(cs_61_a_renewal_on_disk_keeps_sessions_if_it_keeps_the_key),
		cmocka_unit_test(a_key_for_tickets_is_of_a_certain_length_and_is_not_read_back),
		cmocka_unit_test(programs_with_one_key_resume_each_others_sessions),
		cmocka_unit_test(a_key_that_was_given_outlives_the_relay_and_a_random_one_does_not),
	};

	world_begin();
	return world_end(tests);
}
