/* SPDX-License-Identifier: ISC */
/*
 * peer - the engine as a small server and a small client, for the interop tests.
 *
 *	tls_peer certs DIR	writes ca.pem and serve/{a,b,wild}.pem, a in RSA too
 *	tls_peer serve DIR [MASTER]	prints its port, then answers until it is
 *				killed; MASTER seals its tickets
 *	tls_peer connect PORT HOST CAFILE [ALPN]
 *				prints what was negotiated and the answer's first
 *				line; exit 1 with the error's text when refused
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <securesockets/certstore.h>

#include "support/pki.h"
#include "tls/conf.h"
#include "tls/conn.h"
#include "tls/ticket_key.h"
#include "tls/trust.h"

static struct sst_error error;

/* Waits for what the step wants. 0: it is over. */
static int
again(int fd, enum sst_step step)
{
	struct pollfd p = { .fd = fd };

	if (step == SST_STEP_WANT_READ)
		p.events = POLLIN;
	else if (step == SST_STEP_WANT_WRITE)
		p.events = POLLOUT;
	else
		return 0;
	/* A client that hangs must not hang the test. */
	return poll(&p, 1, 10000) == 1;
}

static enum sst_step
write_all(struct sst_conn *conn, int fd, const char *text, size_t len)
{
	enum sst_step step = SST_STEP_DONE;
	size_t n;

	while (len > 0) {
		do {
			step = sst_conn_write(conn, text, len, &n, &error);
		} while (again(fd, step));
		if (step != SST_STEP_DONE)
			return step;
		text += n;
		len -= n;
	}
	do {
		step = sst_conn_close_notify(conn, &error);
	} while (again(fd, step));
	return step;
}

/* Reads until `end` is in it, the room is full, or the stream ends. */
static enum sst_step
read_until(struct sst_conn *conn, int fd, char *buf, size_t size, const char *end)
{
	enum sst_step step;
	size_t used = 0, n;

	do {
		step = sst_conn_read(conn, buf + used, size - 1 - used, &n, &error);
		if (step != SST_STEP_DONE)
			continue;
		used += n;
		buf[used] = '\0';
		if (used + 1 == size || (end != NULL && strstr(buf, end) != NULL))
			return step;
	} while (step == SST_STEP_DONE || again(fd, step));
	return step;
}

static void
certs(const char *dir)
{
	static const struct {
		const char	*file, *san;
		enum pki_key	 key;
	} leaves[] = {
		{ "serve/a.pem", "a.example", PKI_P256 },
		{ "serve/a-rsa.pem", "a.example", PKI_RSA },
		{ "serve/b.pem", "b.example,localhost,IP:127.0.0.1,IP:::1", PKI_P256 },
		{ "serve/wild.pem", "*.w.example", PKI_P256 },
	};
	struct pki_cert *ca = pki_issue(NULL,
	    &(struct pki_spec){ .cn = "Interop Root", .ca = 1 });
	struct pki_cert *middle = pki_issue(ca,
	    &(struct pki_spec){ .cn = "Interop Middle", .ca = 1 });
	struct pki_cert *leaf;

	pki_write_chain(dir, "ca.pem", ca);
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		leaf = pki_issue(middle, &(struct pki_spec){ .cn = leaves[i].file,
		    .san = leaves[i].san, .key = leaves[i].key });
		pki_write_pair(dir, leaves[i].file, leaf);
		pki_free(leaf);
	}
	pki_free(middle);
	pki_free(ca);
}

static void
answer(struct sst_tls_conf *conf, int fd)
{
	struct sst_conn *conn = NULL;
	char buf[4096] = "", line[400], text[1024];
	enum sst_step step = SST_STEP_FAILED;

	memset(&error, 0, sizeof(error));
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
	    sst_conn_new_server(conf, fd, NULL, &conn, &error) < 0)
		goto out;
	do {
		step = sst_conn_handshake(conn, &error);
	} while (again(fd, step));
	if (step == SST_STEP_DONE)
		step = read_until(conn, fd, buf, sizeof(buf), "\n");
	if (step != SST_STEP_DONE)
		goto out;
	snprintf(line, sizeof(line), "served %s by %s to %s%s\n",
	    sst_conn_version(conn) == 0x0304 ? "1.3" : "1.2",
	    sst_conn_cipher(conn), sst_conn_sni(conn),
	    sst_conn_resumed(conn) ? ", resumed" : "");
	snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\n\r\n%s", strlen(line), line);
	step = write_all(conn, fd, text, strlen(text));
	shutdown(fd, SHUT_WR);
	(void)read_until(conn, fd, buf, sizeof(buf), NULL);
out:
	if (step == SST_STEP_FAILED)
		fprintf(stderr, "%s\n", error.text);
	sst_conn_free(conn);
	close(fd);
}

static int
serve(const char *dir, const char *master)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct sst_tls_settings s = { .server = 1, .alpn = "h2,http/1.1",
	    .policy = &(struct sst_choose_policy){ .strict = 1 } };
	struct sst_tls_conf *conf = NULL;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (sst_store_new(NULL, &s.store, &error) < 0 ||
	    sst_store_add(s.store, dir, &error) < 0 ||
	    sst_tickets_new(master, master != NULL ? strlen(master) : 0, 0, &s.tickets,
	    &error) < 0 ||
	    sst_tls_conf_new(&s, &conf, &error) < 0)
		errx(1, "%s", error.text);
	if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		err(1, "listen");
	printf("%u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (;;)
		answer(conf, accept(fd, NULL, NULL));
}

static int
dial(unsigned short port, const char *host, const char *ca, const char *alpn)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sst_tls_settings s = { .alpn = alpn };
	struct sst_tls_conf *conf = NULL;
	struct sst_conn *conn = NULL;
	char buf[8192] = "";
	enum sst_step step;
	size_t len;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (sst_trust_new(1, ca, "/nowhere", &s.trust, &error) < 0 ||
	    sst_tls_conf_new(&s, &conf, &error) < 0)
		errx(1, "%s", error.text);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		err(1, "connect");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (sst_conn_new_client(conf, fd, host, (struct sockaddr *)&to, &conn,
	    &error) < 0)
		errx(1, "%s", error.text);
	do {
		step = sst_conn_handshake(conn, &error);
	} while (again(fd, step));
	if (step != SST_STEP_DONE)
		errx(1, "%s", error.text);
	printf("version 0x%04x cipher %s", sst_conn_version(conn),
	    sst_conn_cipher(conn));
	alpn = sst_conn_alpn(conn, &len);
	printf(" alpn %.*s\n", (int)len, alpn);
	if (write_all(conn, fd, "GET / HTTP/1.0\r\n\r\n", 18) != SST_STEP_DONE)
		errx(1, "%s", error.text);
	step = read_until(conn, fd, buf, sizeof(buf), "\n");
	printf("%.*s\n", (int)strcspn(buf, "\r\n"), buf);
	sst_conn_free(conn);
	sst_tls_conf_unref(conf);
	sst_trust_unref(s.trust);
	close(fd);
	return step == SST_STEP_DONE || step == SST_STEP_END ? 0 : 1;
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(argv[1], "certs") == 0)
		certs(argv[2]);
	else if ((argc == 3 || argc == 4) && strcmp(argv[1], "serve") == 0)
		return serve(argv[2], argv[3]);
	else if (argc >= 5 && strcmp(argv[1], "connect") == 0)
		return dial((unsigned short)atoi(argv[2]), argv[3], argv[4],
		    argc > 5 ? argv[5] : NULL);
	else
		errx(64, "usage: certs DIR | serve DIR [MASTER] | connect PORT HOST CAFILE");
	return 0;
}
