/* SPDX-License-Identifier: ISC */
/* listener_staple - the staple that a program sets on its listener. */
#include <signal.h>
#include <unistd.h>

#include "judged.h"

/* A certificate of an intermediate, as a program sets it, and its staple. */
struct shown {
	struct pki_cert *middle, *leaf;
	struct pki_buf	 staple, pem;
};

/* A socket that may listen, with the certificate. */
static int
shown_bound(struct shown *s, struct addr *at)
{
	int l;

	*s = (struct shown){ .middle = pki_issue(world.ca,
	    &(struct pki_spec){ .cn = "Middle", .ca = 1 }) };
	s->leaf = pki_issue(s->middle, &(struct pki_spec){ .cn = "two",
	    .san = "two.example" });
	make_response(&(struct made_response){ .signer = s->middle,
	    .produced_at = now - 60, .singles = { { .cert = s->leaf,
	    .this_update = now - 60, .next_update = now + 3600 } } }, &s->staple);
	pki_put_chain(&s->pem, s->leaf);
	pki_put_key(&s->pem, s->leaf);
	l = ours_bound(at, world.families[0]);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN, s->pem.data,
	    (socklen_t)s->pem.len), 0);
	return l;
}

static void
shown_free(struct shown *s)
{
	pki_buf_free(&s->staple);
	pki_buf_free(&s->pem);
	pki_free(s->leaf);
	pki_free(s->middle);
}

COLD_SCENE(a_listener_shows_its_staple_to_who_asks)
{
	const unsigned char *der = NULL;
	struct shown s;
	struct peer_opts ask = { .sni = "two.example", .ask_staple = 1 };
	struct addr at;
	struct peer p;
	int l;

	begin("", RESPONDER_PLAIN);
	l = shown_bound(&s, &at);
	want_eq(listen(l, 8), 0);
	for (int step = 0; step < 4; step++) {
		/* none yet; set on the live listener; off; on again */
		if (step == 1)
			want_eq(setsockopt(l, IPPROTO_TLS, TLS_OCSP_STAPLE, s.staple.data,
			    (socklen_t)s.staple.len), 0);
		if (step >= 2)
			want_eq(ours_set_int(l, TLS_SERVER_OCSP_STAPLING, step == 3), 0);
		want_eq(peer_client(&p, &at, &ask), 0);
		if (step % 2 == 1)
			want_eq(SSL_get_tlsext_status_ocsp_resp(p.ssl, &der),
			    (long)s.staple.len);
		else
			want(SSL_get_tlsext_status_ocsp_resp(p.ssl, &der) <= 0);
		peer_drop(&p);
		(void)close(ours_accept(l));
	}
	want_errno(ours_set(l, TLS_OCSP_STAPLE, world.ca_file), EINVAL);
	want_errno(ours_set_int(l, TLS_REVOCATION_CHECKS, 0), EOPNOTSUPP);
	(void)close(l);
	shown_free(&s);
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
	struct shown s;
	pid_t keeper, relay;
	struct addr at;
	int l, got;

	begin("", RESPONDER_PLAIN);
	l = shown_bound(&s, &at);
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_OCSP_STAPLE, s.staple.data,
	    (socklen_t)s.staple.len), 0);
	want_eq(listen(l, 8), 0);
	want_eq(shows(&at, &s.staple), 1);
	want_eq(world_pair(l, &keeper, &relay), 0);
	want_eq(kill(relay, SIGKILL), 0);
	want_soon((got = shows(&at, &s.staple)) >= 0);
	want_eq(got, 1);
	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_SERVER_OCSP_STAPLING), 1);
	(void)close(l);
	shown_free(&s);
	end();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_shows_its_staple_to_who_asks),
		cmocka_unit_test(a_listeners_staple_outlives_the_relay),
	};

	judged_world();
	return world_end(tests);
}
