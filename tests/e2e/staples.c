/* SPDX-License-Identifier: ISC */
/* staples - what a listener shows of its own certificates, and what it learns of them. */
#include <fcntl.h>
#include <openssl/ocsp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ours.h"
#include "support/responder.h"
#include "unit/ocsp/make_crl.h"
#include "unit/ocsp/make_response.h"

#define CERTS	6
#define ONE	"one.example"
#define TWO	"two.example"

static time_t now;
static struct pki_cert *middle;

/* What the responder says of the certificate whose number its path ends in. */
static struct {
	struct responder *http;
	struct pki_cert *cert[CERTS];
	int		 n;
	int		 revoked[CERTS];	/* by responder and list */
	int		 life;			/* of a list, seconds */
	_Atomic int	 asked[CERTS], lists;
} r;

static void
answer(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	const int i = q->path[2] - '0';
	struct make_crl_row rows[CERTS];
	size_t n = 0;

	(void)arg;
	if (q->path[1] == 'o') {
		atomic_fetch_add(&r.asked[i], 1);
		reply->type = "application/ocsp-response";
		make_response(&(struct made_response){ .signer = middle,
		    .produced_at = now - 60, .singles = { { .cert = r.cert[i],
		    .status = r.revoked[i] ? MADE_REVOKED : MADE_GOOD,
		    .this_update = now - 60, .next_update = now + 3600,
		    .revoked_at = now - 60 } } }, &reply->body);
		return;
	}
	atomic_fetch_add(&r.lists, 1);
	for (int k = 0; k < r.n; k++)
		if (r.revoked[k])
			rows[n++] = (struct make_crl_row){ .cert = r.cert[k],
			    .date = now - 60, .extra = MAKE_CRL_REASON(1) };
	reply->type = "application/pkix-crl";
	reply->body = make_crl(&(struct make_crl){ .issuer = middle, .rows = rows,
	    .n_rows = n, .this_update = now - 60, .next_update = now + 3600 });
}

/* `how`: 'o' names a responder, 'l' a list. Written to DIR/N.pem. */
static const char *
issue(const char *san, const char *how, int days)
{
	char ocsp[] = "/o0", list[] = "/l0", name[] = "c0.pem";
	const int i = r.n++;

	ocsp[2] = list[2] = name[1] = (char)('0' + i);
	r.cert[i] = pki_issue(middle, &(struct pki_spec){ .cn = san, .san = san,
	    .not_after = now + days * PKI_DAY,
	    .ocsp = strchr(how, 'o') != NULL ? responder_url(r.http, ocsp) : NULL,
	    .crl = strchr(how, 'l') != NULL ? responder_url(r.http, list) : NULL });
	pki_write_pair(world.dir, name, r.cert[i]);
	responder_see(r.http);
	return pki_path(world.dir, name);
}

static void
begin(const char *revocation)
{
	char keys[1600];

	(void)signal(SIGPIPE, SIG_IGN);
	now = time(NULL);
	middle = pki_issue(world.ca, &(struct pki_spec){ .cn = "Middle", .ca = 1 });
	r.http = responder_new(answer, NULL);
	(void)snprintf(keys, sizeof(keys), "%s\nfetch: { allow = [ \"%s\" ]; };",
	    revocation, responder_allow(r.http));
	world_machine(keys);
}

static void
end(void)
{
	responder_free(r.http);
	for (int i = 0; i < r.n; i++)
		pki_free(r.cert[i]);
	pki_free(middle);
}

/* A client that asks for this name, and for a staple if `ask`: 1: it got one about
 * `cert` that says good; 0: none. */
static int
stapled(int listener, const struct addr *at, const char *sni, int ask,
    const struct pki_cert *cert)
{
	const unsigned char *der = NULL;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic;
	OCSP_CERTID *id;
	struct peer p;
	long len;
	int status = -1, fd;

	if (peer_client(&p, at, &(struct peer_opts){ .sni = sni, .ask_staple = ask }) != 0)
		world_fail(__FILE__, __LINE__, "peer: %s", p.why);
	want(peer_has_cert(&p, cert));
	len = SSL_get_tlsext_status_ocsp_resp(p.ssl, &der);
	if (len > 0) {
		response = d2i_OCSP_RESPONSE(NULL, &der, len);
		basic = OCSP_response_get1_basic(response);
		id = OCSP_cert_to_id(EVP_sha1(), cert->cert, middle->cert);
		want(OCSP_resp_find_status(basic, id, &status, NULL, NULL, NULL, NULL));
		want_eq(status, V_OCSP_CERTSTATUS_GOOD);
		OCSP_CERTID_free(id);
		OCSP_BASICRESP_free(basic);
		OCSP_RESPONSE_free(response);
	}
	fd = ours_accept(listener);
	peer_end(&p);
	(void)close(fd);
	return len > 0;
}

/* What who asks for this name is shown: 1: `cert`; 0: another; -1: an alert. */
static int
shown(int listener, const struct addr *at, const char *sni, const struct pki_cert *cert)
{
	struct peer p;
	int same;

	if (peer_client(&p, at, &(struct peer_opts){ .sni = sni }) != 0)
		return -1;
	same = peer_has_cert(&p, cert);
	(void)close(ours_accept(listener));
	peer_end(&p);
	return same;
}

COLD_SCENE(the_first_client_gets_a_staple_that_was_fetched)
{
	struct addr at, bare;
	int listener, without;

	begin("");
	listener = ours_listener(&at, world.families[0], issue(ONE, "o", 30), NULL);
	want_eq(r.asked[0], 1);
	want_eq(stapled(listener, &at, ONE, 1, r.cert[0]), 1);
	/* who does not ask gets none; nor does anybody where there is no responder */
	want_eq(stapled(listener, &at, ONE, 0, r.cert[0]), 0);
	without = ours_listener(&bare, world.families[0], issue(ONE, "", 30), NULL);
	want_eq(stapled(without, &bare, ONE, 1, r.cert[1]), 0);
	want_eq(r.asked[0], 1);
	want_eq(close(listener), 0);
	want_eq(close(without), 0);
	end();
}

COLD_SCENE(each_name_has_the_staple_of_its_certificate)
{
	struct addr at;
	int listener;

	begin("");
	listener = ours_bound(&at, world.families[0]);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, issue(ONE, "o", 30)), 0);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, issue(TWO, "o", 30)), 0);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, issue("three.example", "", 30)),
	    0);
	want_eq(listen(listener, 16), 0);
	want_eq(stapled(listener, &at, ONE, 1, r.cert[0]), 1);
	want_eq(stapled(listener, &at, TWO, 1, r.cert[1]), 1);
	want_eq(stapled(listener, &at, "three.example", 1, r.cert[2]), 0);
	want_eq(close(listener), 0);
	end();
}

COLD_SCENE(without_stapling_nobody_is_asked)
{
	struct addr at;
	int listener;

	begin("");
	listener = ours_bound(&at, world.families[0]);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, issue(ONE, "o", 30)), 0);
	want_eq(ours_set_int(listener, TLS_SERVER_OCSP_STAPLING, 0), 0);
	want_eq(listen(listener, 16), 0);
	want_eq(stapled(listener, &at, ONE, 1, r.cert[0]), 0);
	/* turned on while it listens */
	want_eq(ours_set_int(listener, TLS_SERVER_OCSP_STAPLING, 1), 0);
	want_soon(stapled(listener, &at, ONE, 1, r.cert[0]) == 1);
	want_eq(close(listener), 0);
	end();
}

COLD_SCENE(a_responder_that_is_silent_holds_listen_up_for_the_budget_at_most)
{
	struct addr at;
	long long began;
	int listener;

	begin("revocation: { budget_ms = 500; };");
	responder_hold(r.http);
	listener = ours_bound(&at, world.families[0]);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, issue(ONE, "o", 30)), 0);
	began = world_now_ms();
	want_eq(listen(listener, 16), 0);
	want(world_now_ms() - began >= 450);
	want(world_now_ms() - began < 3000 * WORLD_SLOW);
	want_eq(stapled(listener, &at, ONE, 1, r.cert[0]), 0);
	responder_let_go(r.http);
	want_soon(stapled(listener, &at, ONE, 1, r.cert[0]) == 1);
	want_eq(close(listener), 0);
	end();
}

/* The pair, as who does not write aside writes it: for a while there is a part. */
static void
write_slowly(const char *name, const struct pki_cert *c)
{
	const char *path = pki_path(world.dir, name);
	struct pki_buf b = { 0 };
	FILE *f;

	pki_put_chain(&b, c);
	pki_put_key(&b, c);
	f = fopen(path, "w");
	want(f != NULL);
	for (size_t at = 0, n; at < b.len; at += n) {
		n = b.len - at < 512 ? b.len - at : 512;
		want_eq(fwrite(b.data + at, 1, n, f), n);
		want_eq(fflush(f), 0);
	}
	want_eq(fclose(f), 0);
	pki_buf_free(&b);
}

/* A client that asks for a staple: 1: it is shown `cert`; *ret_stapled: with one. */
static int
sees_cert(int listener, const struct addr *at, const struct pki_cert *cert, int *ret_stapled)
{
	const unsigned char *der = NULL;
	struct peer p;
	int same;

	want_eq(peer_client(&p, at, &(struct peer_opts){ .sni = ONE, .ask_staple = 1 }), 0);
	same = peer_has_cert(&p, cert);
	*ret_stapled = SSL_get_tlsext_status_ocsp_resp(p.ssl, &der) > 0;
	(void)close(ours_accept(listener));
	peer_end(&p);
	return same;
}

/* This one is served, and with its staple. */
static void
see_stapled(int listener, const struct addr *at, const struct pki_cert *cert)
{
	int has = 0;

	want_eq(sees_cert(listener, at, cert, &has), 1);
	want(has);
}

/* Until it is: there is no moment without a staple. */
static void
await_stapled(int listener, const struct addr *at, const struct pki_cert *cert)
{
	int has = 0;

	while (sees_cert(listener, at, cert, &has) == 0)
		want(has);
	want(has);
}

/* The first one's file becomes this one, whose responder does not answer. */
static void
renew_held(int i)
{
	responder_hold(r.http);
	pki_write_pair(world.dir, "c0.pem", r.cert[i]);
	responder_wait(r.http, 2);
}

/* A listener that is seen to serve c0.pem with its staple. */
static int
serve_one(struct addr *at)
{
	int listener;

	/* however slow it is here: what is tested is not for how long it waits */
	begin("revocation: { budget_ms = 60000; };");
	listener = ours_listener(at, world.families[0], issue(ONE, "o", 30), NULL);
	see_stapled(listener, at, r.cert[0]);
	return listener;
}

COLD_SCENE(a_renewal_is_put_in_service_with_its_staple)
{
	struct addr at;
	int listener = serve_one(&at);

	(void)issue(ONE, "o", 60);
	pki_write_pair(world.dir, "c0.pem", r.cert[1]);
	await_stapled(listener, &at, r.cert[1]);
	want_eq(stapled(listener, &at, ONE, 1, r.cert[1]), 1);
	want_eq(close(listener), 0);
	end();
}

/* What was looked at is what is served, however often it is looked at. */
COLD_SCENE(files_that_change_while_they_are_read_are_served_with_their_staple)
{
	struct addr at;
	int listener = serve_one(&at);

	for (int i = 1; i < CERTS; i++) {
		(void)issue(ONE, "o", 30 + i);
		write_slowly("c0.pem", r.cert[i]);
		await_stapled(listener, &at, r.cert[i]);
		want_eq(r.asked[i], 1);
	}
	want_eq(close(listener), 0);
	end();
}

/* The same where a chain and its key are set one after the other. */
COLD_SCENE(a_chain_that_waited_for_its_key_is_served_with_its_staple)
{
	struct addr at;
	int listener = serve_one(&at);

	(void)issue(ONE, "o", 60);
	pki_write_chain(world.dir, "chain.pem", r.cert[1]);
	pki_write_key(world.dir, "key.pem", r.cert[1]);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, pki_path(world.dir, "chain.pem")),
	    0);
	see_stapled(listener, &at, r.cert[0]);
	want_eq(ours_set(listener, TLS_PRIVATE_KEY, pki_path(world.dir, "key.pem")), 0);
	see_stapled(listener, &at, r.cert[1]);
	want_eq(close(listener), 0);
	end();
}

COLD_SCENE(while_a_renewal_waits_for_its_staple_others_are_loaded)
{
	struct addr at, other_at;
	int listener, other;
	const char *path, *later;

	begin("revocation: { budget_ms = 60000; };");
	path = issue(ONE, "o", 30);
	listener = ours_listener(&at, world.families[0], path, NULL);
	other = ours_listener(&other_at, world.families[0], issue(TWO, "", 30), NULL);
	(void)issue(ONE, "o", 60);
	later = issue("three.example", "", 30);
	renew_held(2);
	/* its responder does not answer: the old one is served, with its staple ... */
	see_stapled(listener, &at, r.cert[0]);
	/* ... and what another listener is given is in service when the call is over */
	want_eq(ours_set(other, TLS_CERTIFICATE_CHAIN, later), 0);
	want_eq(shown(other, &other_at, "three.example", r.cert[3]), 1);
	see_stapled(listener, &at, r.cert[0]);
	responder_let_go(r.http);
	await_stapled(listener, &at, r.cert[2]);
	want_eq(r.asked[2], 1);
	want_eq(close(listener), 0);
	want_eq(close(other), 0);
	end();
}

/* Changes of one store are made in their order, whatever the first waits for. */
COLD_SCENE(what_is_changed_after_a_renewal_that_waits_comes_after_it)
{
	struct addr at;
	int listener, has = 0;
	const char *path, *later;

	begin("revocation: { budget_ms = 1500; };");
	path = issue(ONE, "o", 30);
	listener = ours_listener(&at, world.families[0], path, NULL);
	(void)issue(ONE, "o", 60);
	later = issue(TWO, "", 30);
	renew_held(1);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, later), 0);
	/* when the budget is over it is served without */
	want_eq(sees_cert(listener, &at, r.cert[1], &has), 1);
	want(!has);
	want_eq(shown(listener, &at, TWO, r.cert[2]), 1);
	responder_let_go(r.http);
	want_soon(sees_cert(listener, &at, r.cert[1], &has) == 1 && has);
	want_eq(close(listener), 0);
	end();
}

COLD_SCENE(of_many_names_the_renewed_one_has_its_staple_before_it_serves)
{
	enum { NAMES = 300 };
	char name[32], dir[700];
	int listener, has = 0;
	struct pki_cert *key;
	struct addr at;

	begin("revocation: { budget_ms = 60000; };");
	(void)snprintf(dir, sizeof(dir), "%s/many", world.dir);
	want_eq(mkdir(dir, 0755), 0);
	(void)issue(ONE, "o", 30);
	pki_write_pair(dir, "one.pem", r.cert[0]);
	key = r.cert[0];
	for (int i = 1; i < NAMES; i++) {
		struct pki_cert *c;

		(void)snprintf(name, sizeof(name), "n%d.example", i);
		c = pki_issue(middle, &(struct pki_spec){ .cn = name, .san = name,
		    .use_key = key->key });
		(void)snprintf(name, sizeof(name), "n%d.pem", i);
		pki_write_pair(dir, name, c);
		pki_free(c);
	}
	listener = ours_bound(&at, world.families[0]);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, dir), 0);
	want_eq(listen(listener, 16), 0);
	want_soon(strstr(ours_get(listener, TLS_CERTIFICATE_STATUS), "\"loaded\":300,") !=
	    NULL);
	want_soon(sees_cert(listener, &at, r.cert[0], &has) == 1 && has);
	(void)issue(ONE, "o", 60);
	pki_write_pair(dir, "one.pem", r.cert[1]);
	await_stapled(listener, &at, r.cert[1]);
	want_eq(r.asked[0], 1);
	want_eq(r.asked[1], 1);
	want_eq(close(listener), 0);
	end();
}

COLD_SCENE(a_listener_prefers_another_certificate_when_a_list_revokes_its_best)
{
	struct addr at;
	int listener;

	begin("");
	/* no responder at all: as the largest public CA issues */
	listener = ours_bound(&at, world.families[0]);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, issue(ONE, "l", 60)), 0);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, issue("one.example,x.example",
	    "", 30)), 0);
	responder_see(r.http);
	r.revoked[0] = 1;
	responder_see(r.http);
	want_eq(listen(listener, 16), 0);
	want_soon(shown(listener, &at, ONE, r.cert[1]) == 1);
	want_has(ours_get(listener, TLS_CERTIFICATE_STATUS), "loaded");
	want_eq(close(listener), 0);
	end();
}

COLD_SCENE(with_nothing_better_hard_refuses_and_soft_serves)
{
	struct addr at;
	int listener;

	begin("");
	responder_see(r.http);
	r.revoked[0] = r.revoked[1] = 1;
	responder_see(r.http);
	listener = ours_bound(&at, world.families[0]);
	want_eq(ours_set(listener, TLS_CERTIFICATE_CHAIN, issue(ONE, "l", 60)), 0);
	want_eq(ours_set(listener, TLS_REVOCATION_POLICY, "hard"), 0);
	want_eq(listen(listener, 64), 0);
	want_soon(shown(listener, &at, ONE, r.cert[0]) == -1);
	want_eq(close(listener), 0);
	listener = ours_listener(&at, world.families[0], issue(TWO, "l", 60), NULL);
	want_soon(atomic_load(&r.lists) >= 1);
	want_eq(stapled(listener, &at, TWO, 1, r.cert[1]), 0);
	want_eq(close(listener), 0);
	end();
}

/* --- other people's clients ------------------------------------------------ */

/* Runs a shell command, to whom this listener answers with a page; 1: what it printed
 * has `part`. $PORT and $CA are what it needs. */
static int
prints(int listener, const struct addr *at, const char *command, const char *part)
{
	static const char page[] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char text[65536], shell[2000], byte;
	size_t n;
	FILE *out;
	int fd;

	(void)snprintf(shell, sizeof(shell), "exec 2>&1; PORT=%d; CA=%s; %s", addr_port(at),
	    world.ca_file, command);
	out = popen(shell, "r");
	want(out != NULL);
	fd = ours_accept(listener);
	/* one that refuses what it was shown says nothing */
	if (read(fd, &byte, 1) == 1)
		(void)send(fd, page, sizeof(page) - 1, MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_RDWR);
	(void)close(fd);
	n = fread(text, 1, sizeof(text) - 1, out);
	text[n] = '\0';
	(void)pclose(out);
	return strstr(text, part) != NULL;
}

/* The command meets a listener that staples, and one that has nothing to. */
static void
sees(const char *program, const char *command, const char *with, const char *without)
{
	char have[64];
	struct addr at, bare;
	int stapling, plain;

	(void)snprintf(have, sizeof(have), "command -v %s >/dev/null", program);
	if (system(have) != 0)
		world_skip("it is not installed");
	begin("");
	stapling = ours_listener(&at, AF_INET, issue(ONE, "o", 30), NULL);
	plain = ours_listener(&bare, AF_INET, issue(ONE, "", 30), NULL);
	want(prints(stapling, &at, command, with));
	want(prints(plain, &bare, command, without));
	want_eq(close(stapling), 0);
	want_eq(close(plain), 0);
	end();
}

COLD_SCENE(openssl_s_client_sees_the_staple)
{
	sees("openssl", "printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -ign_eof "
	    "-status -connect 127.0.0.1:$PORT -CAfile $CA -servername one.example",
	    "Cert Status: good", "OCSP response: no response sent");
}

COLD_SCENE(curl_wants_a_staple_and_gets_it)
{
	sees("curl", "curl -sS --noproxy '*' --cert-status --cacert $CA --resolve "
	    "one.example:$PORT:127.0.0.1 https://one.example:$PORT/", "ok",
	    "No OCSP response received");
}

COLD_SCENE(gnutls_cli_sees_the_staple)
{
	sees("gnutls-cli", "rm -f $CA.staple; printf 'GET / HTTP/1.0\\r\\n\\r\\n' | "
	    "gnutls-cli -p $PORT --x509cafile=$CA --sni-hostname=one.example "
	    "--verify-hostname=one.example --save-ocsp=$CA.staple 127.0.0.1; "
	    "[ -s $CA.staple ] && echo there is one || echo there is none",
	    "there is one", "there is none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_client_gets_a_staple_that_was_fetched),
		cmocka_unit_test(each_name_has_the_staple_of_its_certificate),
		cmocka_unit_test(without_stapling_nobody_is_asked),
		cmocka_unit_test(
		    a_responder_that_is_silent_holds_listen_up_for_the_budget_at_most),
		cmocka_unit_test(a_renewal_is_put_in_service_with_its_staple),
		cmocka_unit_test(
		    files_that_change_while_they_are_read_are_served_with_their_staple),
		cmocka_unit_test(a_chain_that_waited_for_its_key_is_served_with_its_staple),
		cmocka_unit_test(while_a_renewal_waits_for_its_staple_others_are_loaded),
		cmocka_unit_test(what_is_changed_after_a_renewal_that_waits_comes_after_it),
		cmocka_unit_test(
		    of_many_names_the_renewed_one_has_its_staple_before_it_serves),
		cmocka_unit_test(
		    a_listener_prefers_another_certificate_when_a_list_revokes_its_best),
		cmocka_unit_test(with_nothing_better_hard_refuses_and_soft_serves),
		cmocka_unit_test(openssl_s_client_sees_the_staple),
		cmocka_unit_test(curl_wants_a_staple_and_gets_it),
		cmocka_unit_test(gnutls_cli_sees_the_staple),
	};

	world_begin();
	return world_end(tests);
}
