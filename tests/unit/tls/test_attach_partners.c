/* SPDX-License-Identifier: ISC */
/* attach_partners - a client with a checker, and staples from other people's servers. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "partner.h"

#define STATUS_REQUEST	5	/* the extension's number */

static void
start_openssl(struct partner *p, const char *staple)
{
	const char *const argv[] = { "openssl", "s_server", "-accept", "127.0.0.1:0",
	    "-cert", pki_path(partner_dir, "chain.pem"), "-cert_chain", pki_path(partner_dir, "chain.pem"),
	    "-key", pki_path(partner_dir, "key.pem"), "-www",
	    staple != NULL ? "-status_file" : NULL, staple, NULL };
	char line[300];

	partner_start(p, argv);
	partner_wait(p, "ACCEPT", line, sizeof(line));
	p->port = atoi(strrchr(line, ':') + 1);
	assert_true(p->port > 0);
}

/* Of the sockets in /proc/net/tcp: the port on which somebody listens with this
 * descriptor; 0: none. */
static int
port_of(const char *link)
{
	unsigned long inode, its;
	unsigned port, kind;
	char line[400];
	FILE *f;

	if (sscanf(link, "socket:[%lu]", &inode) != 1)
		return 0;
	f = fopen("/proc/net/tcp", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "%*d: %*x:%x %*x:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu",
		    &port, &kind, &its) == 3 && kind == 0x0a && its == inode) {
			(void)fclose(f);
			return (int)port;
		}
	(void)fclose(f);
	return 0;
}

/* gnutls-serv takes port 0 and does not say which it got. */
static void
start_gnutls(struct partner *p, const char *first, const char *second)
{
	const char *const argv[] = { "gnutls-serv", "--echo", "--port", "0",
	    "--x509certfile", pki_path(partner_dir, "chain.pem"), "--x509keyfile",
	    pki_path(partner_dir, "key.pem"), "--ocsp-response",
	    first, second != NULL ? "--ocsp-response" : NULL, second, NULL };
	char line[300], path[64], link[64];
	ssize_t n;

	partner_start(p, argv);
	partner_wait(p, "IPv4", line, sizeof(line));
	p->port = 0;
	for (int fd = 3; fd < 32 && p->port == 0; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)p->pid, fd);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		p->port = port_of(link);
	}
	assert_true(p->port > 0);
}

/* Counts staples in a Certificate of TLS 1.3 (RFC 8446 4.4.2). */
static void
on_message(int sent, int version, int type, const void *buf, size_t len, SSL *ssl,
    void *arg)
{
	const unsigned char *p = buf, *end = p + len, *last;
	size_t n;

	(void)version, (void)ssl;
	if (sent || type != SSL3_RT_HANDSHAKE || len < 8 || p[0] != SSL3_MT_CERTIFICATE)
		return;
	for (p += 4 + 1 + 3; p + 3 < end; p = last) {
		n = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
		p += 3 + n;
		last = p + 2 + (p[0] << 8 | p[1]);
		for (p += 2; p + 4 <= last; p += 4 + (p[2] << 8 | p[3]))
			if ((p[0] << 8 | p[1]) == STATUS_REQUEST)
				++*(int *)arg;
	}
}

/* Whether the handshake succeeded; *ssl is the caller's. */
static int
visit(const struct partner *p, SSL_CTX *client, int version, SSL **ssl, int *staples)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)p->port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), ok;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	*ssl = SSL_new(client);
	assert_non_null(*ssl);
	assert_true(SSL_set_max_proto_version(*ssl, version));
	assert_true(SSL_set_min_proto_version(*ssl, version));
	assert_true(SSL_set1_host(*ssl, DUO_HOST));
	if (staples != NULL) {
		SSL_set_msg_callback(*ssl, on_message);
		SSL_set_msg_callback_arg(*ssl, staples);
	}
	assert_true(SSL_set_fd(*ssl, fd));
	ERR_clear_error();
	ok = SSL_connect(*ssl) == 1;
	ERR_clear_error();
	return ok;
}

static void
leave(SSL *ssl)
{
	(void)close(SSL_get_fd(ssl));
	SSL_free(ssl);
}

enum expected { GOOD, REFUSED };

static void
one_visit(const struct partner *p, const struct sst_openssl_check *config, int version,
    enum expected expected, const char *word)
{
	SSL_CTX *client = duo_client(w.checker, config);
	SSL *ssl;
	int ok = visit(p, client, version, &ssl, NULL);

	assert_int_equal(ok, expected == GOOD);
	if (expected == GOOD)
		duo_accepted(ssl);
	else
		duo_refused(ssl, word);
	leave(ssl);
	SSL_CTX_free(client);
	duo_teardown(NULL);	/* the next is to know nothing of it */
	duo_setup(NULL);
}

static void
the_staples_of_openssls_server(void **state)
{
	const struct {
		const struct pki_cert *signer, *cert;
		enum made_status status;
		time_t age;	/* days since its end */
		enum expected soft, strict;
		const char *word;
	} rows[] = {
		{ w.mid, w.www, MADE_GOOD, -1, GOOD, GOOD, "" },
		{ w.mid, w.www, MADE_REVOKED, -1, REFUSED, REFUSED, "revoked" },
		{ w.mid, w.other, MADE_GOOD, -1, GOOD, REFUSED, "staple" },	/* rv_46 */
		{ w.mid, w.www, MADE_GOOD, 1, GOOD, REFUSED, "staple" },	/* rv_47 */
	};
	struct partner p;
	const char *path;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		path = partner_response("staple.der", duo_response_of(rows[i].signer,
		    rows[i].cert, rows[i].status, w.now - 9 * PKI_DAY,
		    w.now - rows[i].age * PKI_DAY));
		start_openssl(&p, path);
		for (int v = 0; v < 2; v++) {
			one_visit(&p, NULL, partner_versions[v], rows[i].soft, rows[i].word);
			one_visit(&p, &partner_strict, partner_versions[v], rows[i].strict, rows[i].word);
		}
		partner_stop(&p);
	}
	start_openssl(&p, NULL);
	for (int v = 0; v < 2; v++) {
		one_visit(&p, NULL, partner_versions[v], GOOD, "");
		one_visit(&p, &partner_strict, partner_versions[v], REFUSED, "staple");
	}
	partner_stop(&p);
}

static void
rv_49_the_leafs_staple_decides_whatever_the_others_say(void **state)
{
	const char *leaf = partner_response("leaf.der",
	    duo_response(w.mid, w.www, MADE_GOOD));
	const char *mid = partner_response("mid.der",
	    duo_response(w.root, w.mid, MADE_GOOD));
	struct partner p;
	SSL_CTX *client;
	SSL *ssl;
	int staples;

	(void)state;
	for (int both = 0; both < 2; both++) {
		start_gnutls(&p, mid, both ? leaf : NULL);
		client = duo_client(w.checker, &partner_strict);
		staples = 0;
		assert_int_equal(visit(&p, client, TLS1_3_VERSION, &ssl, &staples), both);
		assert_int_equal(staples, 1 + both);
		if (both)
			duo_accepted(ssl);
		else
			duo_refused(ssl, "staple");
		leave(ssl);
		SSL_CTX_free(client);
		partner_stop(&p);
	}
}

#define EACH(f)	cmocka_unit_test_setup_teardown(f, partner_setup, partner_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(the_staples_of_openssls_server),
		EACH(rv_49_the_leafs_staple_decides_whatever_the_others_say),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
