/* SPDX-License-Identifier: ISC */
/* main_job - one listener, many names, the right certificate for each. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ours.h"

enum { A, B_RSA, B_EC, C, WILD, N_CERTS };
static struct pki_cert *cert[N_CERTS];
static char store[700];

#define EC_ONLY		"ECDSA+SHA256"
#define RSA_ONLY	"RSA-PSS+SHA256:RSA+SHA256"
#define BOTH_ADDRESSES	"IP:127.0.0.1,IP:::1"

/* Three names and a wildcard; b has one of each key type. */
static void
make_store(void)
{
	static const struct pki_spec spec[N_CERTS] = {
		[A] = { .cn = "leaf a", .san = "a.example,alias.example," BOTH_ADDRESSES },
		[B_RSA] = { .key = PKI_RSA, .cn = "leaf b", .san = "b.example" },
		[B_EC] = { .cn = "leaf b", .san = "b.example" },
		[C] = { .cn = "leaf c", .san = "c.example" },
		[WILD] = { .cn = "leaf wild", .san = "*.wild.example" },
	};
	static const char *const file[N_CERTS] = {
		"store/a.pem", "store/b-rsa.pem", "store/b-ec.pem", "store/c.pem",
		"store/wild.pem",
	};

	for (int i = 0; i < N_CERTS; i++) {
		cert[i] = pki_issue(world.ca, &spec[i]);
		pki_write_pair(world.dir, file[i], cert[i]);
	}
	(void)snprintf(store, sizeof(store), "%s/store", world.dir);
}

SCENE(each_name_gets_its_certificate_on_both_families)
{
	for (int i = 0; i < world.n_families; i++) {
		struct addr at;
		int l = ours_listener(&at, world.families[i], store, NULL);

		want_served(&at, "a.example", NULL, cert[A]);
		want_served(&at, "alias.example", NULL, cert[A]);
		want_served(&at, "A.ExAmPlE", NULL, cert[A]);
		want_served(&at, "c.example", NULL, cert[C]);
		want_served(&at, "x.wild.example", NULL, cert[WILD]);
		want_served(&at, "y.wild.example", NULL, cert[WILD]);
		for (int n = 0; n < 6; n++)
			(void)close(ours_accept(l));
		(void)close(l);
	}
}

SCENE(the_key_type_follows_what_the_client_can_verify)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], store, NULL);

	want_served(&at, "b.example", EC_ONLY, cert[B_EC]);
	want_served(&at, "b.example", RSA_ONLY, cert[B_RSA]);
	want_served(&at, "b.example", NULL, cert[B_EC]);
	(void)close(l);
}

SCENE(an_accepted_socket_tells_who_was_asked_for_and_what_was_shown)
{
	struct addr at;
	struct peer p;
	struct peer_opts o = { .sni = "x.wild.example", .alpn = "h2,http/1.1" };
	int l = ours_bound(&at, world.families[0]), fd;
	const char *text;
	char small[4] = "zzzz";
	socklen_t len;

	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, store), 0);
	want_eq(ours_set(l, TLS_ALPN, "http/1.1,h2"), 0);
	want_eq(listen(l, 8), 0);
	want_eq(peer_client(&p, &at, &o), 0);
	fd = ours_accept(l);
	want_eq(strcmp(ours_get(fd, TLS_HOSTNAME), "x.wild.example"), 0);
	text = ours_get(fd, TLS_CERT_DECISION);
	want_has(text, "wildcard");
	want_has(text, "wild.pem");
	want_eq(ours_generation(fd), ours_generation(l));
	want(ours_generation(l) >= 1);
	want_eq(ours_get_int(fd, IPPROTO_TLS, TLS_VERSION_CONN), TLS_1_3);
	want_has(ours_get(fd, TLS_CHOSEN_CIPHER), "TLS_");
	/* The server's order counts. */
	want_eq(strcmp(ours_get(fd, TLS_ALPN), "http/1.1"), 0);
	/* A short buffer, even an empty one, is a success that is cut. */
	len = sizeof(small);
	want_eq(getsockopt(fd, IPPROTO_TLS, TLS_HOSTNAME, small, &len), 0);
	want_eq(memcmp(small, "x.w", 4), 0);
	len = 0;
	want_eq(getsockopt(fd, IPPROTO_TLS, TLS_HOSTNAME, small, &len), 0);
	want_eq(len, 0);
	peer_end(&p);
	(void)close(fd);

	/* No name: length 0, no protocol: length 0. */
	want_eq(peer_client(&p, &at, &(struct peer_opts){ 0 }), 0);
	fd = ours_accept(l);
	len = sizeof(small);
	want_eq(getsockopt(fd, IPPROTO_TLS, TLS_HOSTNAME, small, &len), 0);
	want_eq(len, 0);
	want_eq(small[0], 0);
	want_eq(strcmp(ours_get(fd, TLS_ALPN), ""), 0);
	want(peer_has_cert(&p, cert[A]));	/* by its address */
	want_has(ours_get(fd, TLS_CERT_DECISION), "ip");
	peer_end(&p);
	(void)close(fd);
	(void)close(l);
}

SCENE(both_of_our_ends_agree_on_the_connection)
{
	struct addr at;
	int l = ours_bound(&at, world.families[0]), c, s;
	unsigned char id[2][80], other[80];
	socklen_t len[2] = { sizeof(id[0]), sizeof(id[1]) }, other_len = sizeof(other);
	const char *chain;
	struct pki_buf pem = { 0 };

	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, store), 0);
	want_eq(ours_set(l, TLS_ALPN, "h2"), 0);
	want_eq(listen(l, 8), 0);
	c = ours_client(world.families[0], 0, "c.example");
	want_errno(getsockopt(c, IPPROTO_TLS, TLS_CHOSEN_CIPHER, other, &other_len),
	    ENOTCONN);
	want_errno(getsockopt(c, IPPROTO_TLS, TLS_PEER_IDENTITY, other, &other_len),
	    ENOTCONN);
	want_eq(ours_set(c, TLS_ALPN, "http/1.1,h2"), 0);
	want_eq(strcmp(ours_get(c, TLS_ALPN), "http/1.1,h2"), 0);
	want_eq(ours_connect(c, &at), 0);
	s = ours_accept(l);
	want_eq(strcmp(ours_get(c, TLS_ALPN), "h2"), 0);
	want_eq(strcmp(ours_get(s, TLS_ALPN), "h2"), 0);
	want_eq(strcmp(ours_get(c, TLS_REMOTE_HOSTNAME), "c.example"), 0);
	want_eq(strcmp(ours_get(s, TLS_HOSTNAME), "c.example"), 0);
	want_eq(ours_get_int(c, IPPROTO_TLS, TLS_VERSION_CONN),
	    ours_get_int(s, IPPROTO_TLS, TLS_VERSION_CONN));
	want_eq(strcmp(ours_get(c, TLS_CHOSEN_CIPHER), ours_get(s, TLS_CHOSEN_CIPHER)), 0);
	want_eq(getsockopt(c, IPPROTO_TLS, TLS_ID, id[0], &len[0]), 0);
	want_eq(getsockopt(s, IPPROTO_TLS, TLS_ID, id[1], &len[1]), 0);
	want_eq(len[0], len[1]);
	want(len[0] >= 8);
	want_eq(memcmp(id[0], id[1], len[0]), 0);
	want_has(ours_get(c, TLS_PEER_IDENTITY), "leaf c");
	chain = ours_get(c, TLS_PEER_CERTIFICATE_CHAIN);
	pki_put_cert(&pem, cert[C]);
	want_eq(strncmp(chain, pem.data, pem.len), 0);
	pki_buf_free(&pem);
	/* The server asked for no certificate: there is none to tell of. */
	other_len = sizeof(other);
	want_eq(getsockopt(s, IPPROTO_TLS, TLS_PEER_IDENTITY, other, &other_len), 0);
	want_eq(other_len, 0);
	(void)close(s);
	(void)close(c);

	c = ours_client(world.families[0], 0, "c.example");
	want_eq(ours_connect(c, &at), 0);
	want_eq(strcmp(ours_get(c, TLS_ALPN), ""), 0);
	other_len = sizeof(other);
	want_eq(getsockopt(c, IPPROTO_TLS, TLS_ID, other, &other_len), 0);
	want_eq(other_len, len[0]);
	want(memcmp(other, id[0], other_len) != 0);
	(void)close(c);
	(void)close(l);
}

SCENE(sk_33_a_certificate_for_another_name_is_refused)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), c;

	c = ours_client(world.families[0], 0, "one.example");
	want_eq(ours_connect(c, &at), 0);
	(void)close(c);
	c = ours_client(world.families[0], 0, "two.example");
	want_errno(ours_connect(c, &at), EPROTO);
	want_has(ours_error(c), "two.example");
	want_has(ours_error(-1), "two.example");
	(void)close(c);
	(void)close(l);
}

SCENE(without_a_name_the_address_must_be_in_the_certificate)
{
	struct addr at;
	char named[700];
	struct pki_cert *plain = pki_issue(world.ca,
	    &(struct pki_spec){ .san = "one.example" });
	int l, c;

	pki_write_pair(world.dir, "plain.pem", plain);
	(void)snprintf(named, sizeof(named), "%s/plain.pem", world.dir);
	l = ours_listener(&at, world.families[0], world.one_file, NULL);
	c = ours_client(world.families[0], 0, NULL);
	want_eq(ours_connect(c, &at), 0);
	(void)close(c);
	(void)close(l);

	l = ours_listener(&at, world.families[0], named, NULL);
	c = ours_client(world.families[0], 0, NULL);
	want_errno(ours_connect(c, &at), EPROTO);
	want(strlen(ours_error(c)) > 10);
	(void)close(c);
	(void)close(l);
	pki_free(plain);
}

SCENE(a_certificate_of_an_unknown_authority_is_refused)
{
	struct addr at;
	struct pki_cert *evil = pki_issue(NULL, &(struct pki_spec){ .cn = "evil", .ca = 1 });
	struct pki_cert *fake = pki_issue(evil, &(struct pki_spec){ .san = "one.example" });
	char path[700];
	int l, c;

	pki_write_pair(world.dir, "fake.pem", fake);
	(void)snprintf(path, sizeof(path), "%s/fake.pem", world.dir);
	l = ours_listener(&at, world.families[0], path, NULL);
	c = ours_client(world.families[0], 0, "one.example");
	want_errno(ours_connect(c, &at), EPROTO);
	want_has(ours_error(c), "one.example");
	(void)close(c);
	(void)close(l);
	pki_free(fake);
	pki_free(evil);
}

SCENE(a_pinned_leaf_is_believed_and_only_that)
{
	struct addr at;
	struct pki_buf pem = { 0 };
	int l = ours_listener(&at, world.families[0], store, NULL), c;

	pki_put_cert(&pem, cert[C]);
	for (int i = 0; i < 2; i++) {
		c = ours_socket(world.families[0], 0);
		want_eq(setsockopt(c, IPPROTO_TLS, TLS_TRUSTED_PEER_CERTIFICATES,
		    pem.data, (socklen_t)pem.len), 0);
		want_eq(ours_set(c, TLS_REMOTE_HOSTNAME, i == 0 ? "c.example" :
		    "a.example"), 0);
		if (i == 0)
			want_eq(ours_connect(c, &at), 0);
		else
			want_errno(ours_connect(c, &at), EPROTO);
		(void)close(c);
	}
	pki_buf_free(&pem);
	(void)close(l);
}

SCENE(an_unknown_name_is_refused_under_strict_and_nowhere_else)
{
	struct addr at;
	int l = ours_bound(&at, world.families[0]);
	struct peer p;

	/* Lax: one certificate set as a file is the default for the unknown. */
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, 8), 0);
	want_eq(strcmp(ours_get(l, TLS_SNI_POLICY), "lax"), 0);
	want_eq(peer_client(&p, &at, &(struct peer_opts){ .sni = "zz.example" }), -1);
	want_has(p.why, "certificate verify failed");	/* served, and not believed */

	want_eq(ours_set(l, TLS_SNI_POLICY, "strict"), 0);
	want_unserved(&at, "zz.example", "unrecognized name");
	want_served(&at, "one.example", NULL, world.one);
	want_errno(ours_set(l, TLS_SNI_POLICY, "sometimes"), EINVAL);
	(void)close(l);

	/* The named default is what an unknown name gets. */
	l = ours_bound(&at, world.families[0]);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, store), 0);
	want_eq(ours_set(l, TLS_SNI_POLICY, "default=c.example"), 0);
	want_eq(listen(l, 8), 0);
	want_eq(peer_client(&p, &at, &(struct peer_opts){ .sni = "zz.example" }), -1);
	want_has(p.why, "certificate verify failed");
	(void)close(l);

	/* Several names and no default: such clients get unrecognized_name. */
	l = ours_listener(&at, world.families[0], store, NULL);
	want_unserved(&at, "zz.example", "unrecognized name");
	(void)close(l);
}

SCENE(a_listener_answers_for_the_names_it_was_told)
{
	struct addr at;
	int l = ours_bound(&at, world.families[0]);

	want_eq(ours_set(l, TLS_HOSTNAME, "a.example"), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, store), 0);
	want_eq(ours_set(l, TLS_SNI_POLICY, "strict"), 0);
	want_eq(listen(l, 8), 0);
	want_eq(strcmp(ours_get(l, TLS_HOSTNAME), "a.example"), 0);
	want_served(&at, "a.example", NULL, cert[A]);
	want_unserved(&at, "c.example", "unrecognized name");
	/* Another name counts from the next ClientHello. */
	want_eq(ours_set(l, TLS_HOSTNAME, "c.example"), 0);
	want_served(&at, "c.example", NULL, cert[C]);
	want_served(&at, "a.example", NULL, cert[A]);
	want_unserved(&at, "x.wild.example", "unrecognized name");
	/* Length 0 empties the list: every name of the certificates. */
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_HOSTNAME, "", 0), 0);
	want_served(&at, "x.wild.example", NULL, cert[WILD]);
	want_unserved(&at, "zz.example", "unrecognized name");
	(void)close(l);
}

SCENE(a_file_must_cover_one_of_the_listed_names)
{
	struct addr at;
	int l = ours_bound(&at, world.families[0]);

	want_eq(ours_set(l, TLS_HOSTNAME, "two.example"), 0);
	want_errno(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), EPROTO);
	want_has(ours_error(l), "two.example");
	want_has(ours_error(l), "one.example");
	want_eq(ours_set(l, TLS_HOSTNAME, "one.example"), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, 8), 0);
	want_served(&at, "one.example", NULL, world.one);
	(void)close(l);
}

SCENE(versions_are_agreed_on_and_bounded)
{
	struct addr at;
	struct peer p;
	int l = ours_bound(&at, world.families[0]), s, c;

	want_errno(ours_set_int(l, TLS_VERSION_MIN, TLS_1_1), EINVAL);
	want_errno(ours_set_int(l, TLS_VERSION_MAX, 0x0305), EINVAL);
	want_eq(ours_set_int(l, TLS_VERSION_MAX, TLS_1_2), 0);
	want_errno(ours_set_int(l, TLS_VERSION_MIN, TLS_1_3), EINVAL);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, 8), 0);
	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_VERSION_MAX), TLS_1_2);
	want_eq(ours_get_int(l, IPPROTO_TLS, TLS_VERSION_MIN), TLS_1_2);
	want_eq(peer_client(&p, &at, &(struct peer_opts){ .sni = "one.example" }), 0);
	s = ours_accept(l);
	want_eq(ours_get_int(s, IPPROTO_TLS, TLS_VERSION_CONN), TLS_1_2);
	want_has(ours_get(s, TLS_CHOSEN_CIPHER), "ECDHE");
	peer_end(&p);
	(void)close(s);

	/* 1.3 alone meets a server of 1.2 alone. */
	c = ours_client(world.families[0], 0, "one.example");
	want_eq(ours_set_int(c, TLS_VERSION_MIN, 3), 0);
	want_errno(ours_connect(c, &at), EPROTO);
	(void)close(c);
	c = ours_client(world.families[0], 0, "one.example");
	want_eq(ours_connect(c, &at), 0);
	want_eq(ours_get_int(c, IPPROTO_TLS, TLS_VERSION_CONN), TLS_1_2);
	(void)close(c);
	(void)close(l);
}

SCENE(no_common_protocol_is_an_alert)
{
	struct addr at;
	struct peer p;
	int l = ours_bound(&at, world.families[0]);

	want_errno(ours_set(l, TLS_ALPN, "h2,,x"), EINVAL);
	want_eq(ours_set(l, TLS_ALPN, "h2"), 0);
	want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, world.one_file), 0);
	want_eq(listen(l, 8), 0);
	want_eq(peer_client(&p, &at, &(struct peer_opts){ .sni = "one.example",
	    .alpn = "spdy" }), -1);
	want_has(p.why, "no application protocol");
	want_eq(peer_client(&p, &at, &(struct peer_opts){ .sni = "one.example",
	    .alpn = "spdy,h2" }), 0);
	peer_end(&p);
	(void)close(l);
}

/* The roots that the program's environment names travel with its sockets. */
SCENE(the_programs_own_trust_settings_are_used)
{
	struct addr at;
	int l = ours_listener(&at, world.families[0], world.one_file, NULL), c;

	for (int i = 0; i < 2; i++) {
		if (i == 1)
			(void)setenv("SSL_CERT_FILE", world.ca_file, 1);
		c = ours_socket(world.families[0], 0);
		want_eq(ours_set(c, TLS_REMOTE_HOSTNAME, "one.example"), 0);
		if (i == 1)
			want_eq(ours_connect(c, &at), 0);
		else
			want_errno(ours_connect(c, &at), EPROTO);
		(void)close(c);
	}
	(void)close(l);
}

SCENE(errors_are_told_where_they_happened)
{
	char text[200];
	socklen_t len = sizeof(text);
	int fd = ours_socket(world.families[0], 0);

	want_errno(getsockopt(fd, IPPROTO_TLS, TLS_ERROR, text, &len), ENODATA);
	want_errno(ours_set(fd, TLS_REMOTE_HOSTNAME, "not a name"), EINVAL);
	want_has(ours_error(fd), "not a name");
	want_has(ours_error(-1), "not a name");
	want_errno(setsockopt(fd, IPPROTO_TLS, 199, "x", 1), ENOPROTOOPT);
	want_errno(ours_set(fd, TLS_CERTIFICATE_CHAIN, "/nonexistent/x.pem"), ENOENT);
	want_has(ours_error(-1), "/nonexistent/x.pem");
	(void)close(fd);
	want_errno(socket(world.families[0], SOCK_DGRAM, IPPROTO_TLS), EPROTONOSUPPORT);
	want(strlen(ours_error(-1)) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_gets_its_certificate_on_both_families),
		cmocka_unit_test(the_key_type_follows_what_the_client_can_verify),
		cmocka_unit_test(an_accepted_socket_tells_who_was_asked_for_and_what_was_shown),
		cmocka_unit_test(both_of_our_ends_agree_on_the_connection),
		cmocka_unit_test(sk_33_a_certificate_for_another_name_is_refused),
		cmocka_unit_test(without_a_name_the_address_must_be_in_the_certificate),
		cmocka_unit_test(a_certificate_of_an_unknown_authority_is_refused),
		cmocka_unit_test(a_pinned_leaf_is_believed_and_only_that),
		cmocka_unit_test(an_unknown_name_is_refused_under_strict_and_nowhere_else),
		cmocka_unit_test(a_listener_answers_for_the_names_it_was_told),
		cmocka_unit_test(a_file_must_cover_one_of_the_listed_names),
		cmocka_unit_test(versions_are_agreed_on_and_bounded),
		cmocka_unit_test(no_common_protocol_is_an_alert),
		cmocka_unit_test(the_programs_own_trust_settings_are_used),
		cmocka_unit_test(errors_are_told_where_they_happened),
	};

	world_begin();
	make_store();
	return world_end(tests);
}
