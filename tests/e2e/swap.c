/* SPDX-License-Identifier: ISC */
/*
 * swap - certificates change under handshaking clients, and nobody notices.
 *
 * Every change adds one to the generation and is written down; every client
 * sends the digest it was shown, and the server adds the generation of that
 * connection. In the end each pair must be in the book.
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ours.h"

enum {
	NAMES = 4,
	VERSIONS = 8,
	CHANGES = 1000 / WORLD_SLOW,
	CLIENTS = 8,
	MOST_MET = 200000
};

struct version {
	struct pki_buf	pem;
	unsigned char	digest[32];
};

static struct version version[NAMES][VERSIONS];
/* book[g][name]: the version that was served at generation g, plus one. */
static unsigned char book[2 * CHANGES + 64][NAMES];

static struct met {
	unsigned char	name;
	unsigned char	digest[32];
	uint64_t	generation;
} met[MOST_MET];
static int n_met;
static atomic_int changing;

static void
name_of(char *out, size_t size, int name)
{
	(void)snprintf(out, size, "n%d.example", name);
}

static void
make_versions(void)
{
	for (int n = 0; n < NAMES; n++)
		for (int v = 0; v < VERSIONS; v++) {
			char san[64];
			struct pki_cert *c;

			name_of(san, sizeof(san), n);
			c = pki_issue(world.ca, &(struct pki_spec){ .san = san });
			pki_put_chain(&version[n][v].pem, c);
			pki_put_key(&version[n][v].pem, c);
			pki_digest(c, version[n][v].digest);
			pki_free(c);
		}
}

/* Shakes hands until told to stop: a failure ends the scene. */
static void *
client(void *arg)
{
	const struct addr *at = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	unsigned int turn = 0;

	want(ctx != NULL);
	want(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), world.ca->cert));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	while (changing) {
		unsigned char told[33];
		char name[64];
		SSL *ssl = SSL_new(ctx);
		X509 *shown;
		unsigned int len = 32;
		int fd = tcp_dial(at);

		told[0] = (unsigned char)(turn++ % NAMES);
		name_of(name, sizeof(name), told[0]);
		want(SSL_set_fd(ssl, fd));
		want(SSL_set_tlsext_host_name(ssl, name));
		want(SSL_set1_host(ssl, name));
		want_eq(SSL_connect(ssl), 1);
		shown = SSL_get1_peer_certificate(ssl);
		want(X509_digest(shown, EVP_sha256(), told + 1, &len));
		X509_free(shown);
		want_eq(SSL_write(ssl, told, sizeof(told)), sizeof(told));
		want_eq(SSL_read(ssl, told, 1), 1);
		(void)SSL_shutdown(ssl);
		SSL_free(ssl);
		(void)close(fd);
	}
	SSL_CTX_free(ctx);
	return NULL;
}

static void *
server(void *arg)
{
	int l = *(int *)arg, s;

	while ((s = accept(l, NULL, NULL)) >= 0) {
		struct met *m = &met[n_met];
		unsigned char told[33];

		ours_read(s, told, sizeof(told));
		want(n_met < MOST_MET);
		m->name = told[0];
		memcpy(m->digest, told + 1, 32);
		m->generation = ours_generation(s);
		n_met++;
		ours_write(s, "k", 1);
		(void)close(s);
	}
	want_eq(errno, EINVAL);
	return NULL;
}

/* One change: what is served from the new generation on goes into the book. */
static void
write_down(int l, uint64_t *g, const unsigned char now[NAMES])
{
	uint64_t after = ours_generation(l);

	want_eq(after, *g + 1);
	want(after < sizeof(book) / sizeof(book[0]));
	memcpy(book[after], now, NAMES);
	*g = after;
}

static void
set_version(int l, int name, int v)
{
	want_eq(setsockopt(l, IPPROTO_TLS, TLS_CERTIFICATE_CHAIN,
	    version[name][v].pem.data, (socklen_t)version[name][v].pem.len), 0);
}

static void
change_all_the_time(int l, uint64_t *g, unsigned char now[NAMES])
{
	char extra[700];

	(void)snprintf(extra, sizeof(extra), "%s/one.pem", world.dir);
	for (int i = 0; i < CHANGES; i++) {
		int n = i % NAMES;

		switch (i % 3) {
		case 0:		/* replaced: same names, same key type, bytes */
			now[n] = (unsigned char)(now[n] % VERSIONS + 1);
			/* In the book before a client can meet it. */
			memcpy(book[*g + 1], now, NAMES);
			set_version(l, n, now[n] - 1);
			break;
		case 1:		/* one more name is added, */
			memcpy(book[*g + 1], now, NAMES);
			want_eq(ours_set(l, TLS_CERTIFICATE_CHAIN, extra), 0);
			break;
		default:	/* and removed */
			memcpy(book[*g + 1], now, NAMES);
			want_eq(ours_set(l, TLS_CERTIFICATE_REMOVE, extra), 0);
			break;
		}
		write_down(l, g, now);
	}
}

SCENE(no_handshake_fails_while_certificates_change)
{
	struct addr at;
	pthread_t clients[CLIENTS], acceptor;
	unsigned char now[NAMES];
	uint64_t g;
	int l;

	make_versions();
	l = ours_bound(&at, world.families[0]);
	want_eq(ours_set(l, TLS_SNI_POLICY, "strict"), 0);
	for (int n = 0; n < NAMES; n++) {
		set_version(l, n, 0);
		now[n] = 1;
	}
	g = ours_generation(l);
	memcpy(book[g], now, NAMES);
	want_eq(listen(l, 64), 0);
	changing = 1;
	want_eq(pthread_create(&acceptor, NULL, server, &l), 0);
	for (int i = 0; i < CLIENTS; i++)
		want_eq(pthread_create(&clients[i], NULL, client, &at), 0);
	change_all_the_time(l, &g, now);
	changing = 0;
	for (int i = 0; i < CLIENTS; i++)
		want_eq(pthread_join(clients[i], NULL), 0);
	want_eq(shutdown(l, SHUT_RD), 0);
	want_eq(pthread_join(acceptor, NULL), 0);
	(void)close(l);

	want(n_met >= CLIENTS);
	for (int i = 0; i < n_met; i++) {
		const struct met *m = &met[i];
		int v;

		want(m->name < NAMES && m->generation <= g);
		v = book[m->generation][m->name];
		want(v > 0);
		want_eq(memcmp(m->digest, version[m->name][v - 1].digest, 32), 0);
	}
	(void)fprintf(stderr, "%d changes under %d handshakes\n", CHANGES, n_met);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_handshake_fails_while_certificates_change),
	};

	world_begin();
	return world_end(tests);
}
