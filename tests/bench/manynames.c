/* SPDX-License-Identifier: ISC */
/*
 * manynames - servers of a great many names, for `names`, `names_mem`, `renew`.
 *
 *	manynames grow DIR N FORM	N names below DIR, as certbot has them
 *					(certbot, slim) or NAME.pem (flat)
 *	manynames start DIR N PORT COMMAND...
 *		starts COMMAND, which listens on PORT, or prints its port when PORT
 *		is "-", and asks for a name that is drawn after the start. Prints
 *		milliseconds until somebody listened and until that name was served,
 *		its process, the port. The server goes on until the end of the
 *		standard input, and what it prints goes to the standard error.
 *	manynames renew DIR I VERSION FORM PORT [COMMAND]
 *		renews name I and runs COMMAND by the shell; prints milliseconds from
 *		the last change on disk until the new certificate was served, and how
 *		many handshakes failed meanwhile.
 *
 * Served means: a full TLS 1.3 handshake, chain and name verified. The authority is
 * that of DIR/authority, or of $FOREST/authority.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu.h"
#include "support/forest.h"
#include "support/pki.h"

enum { PATIENCE_S = 1200 };

static SSL_CTX *ctx;
static struct sockaddr_in to;

static enum forest_form
form_of(const char *name)
{
	static const char *const names[] = { "certbot", "slim", "flat" };

	for (int i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum forest_form)i;
	errx(64, "%s is none of certbot, slim, flat", name);
}

static struct forest *
forest_in(const char *dir)
{
	const char *shared = getenv("FOREST");
	struct forest *f;

	if (shared != NULL)
		dir = shared;
	f = forest_open(dir);
	if (f == NULL) {
		f = forest_new();
		forest_save(f, dir);
	}
	return f;
}

static void
client_init(const struct forest *f)
{
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), forest_root(f)->cert))
		errx(1, "SSL_CTX");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	to.sin_family = AF_INET;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

/* The version that is shown for name `i`; 0: nobody listens, -1: it failed. */
static int
shake(int i)
{
	struct timeval wait = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_INET, SOCK_STREAM, 0), of, version = -1;
	char name[FOREST_NAME];
	SSL *ssl;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		(void)close(fd);
		return errno == ECONNREFUSED ? 0 : -1;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	ssl = SSL_new(ctx);
	forest_name(i, name);
	if (ssl == NULL || !SSL_set_fd(ssl, fd) || !SSL_set_tlsext_host_name(ssl, name) ||
	    !SSL_set1_host(ssl, name))
		errx(1, "SSL");
	if (SSL_connect(ssl) == 1)
		version = forest_version(SSL_get0_peer_certificate(ssl), &of);
	SSL_free(ssl);
	(void)close(fd);
	return version;
}

static int
draw(int n)
{
	unsigned int r;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		err(1, "getrandom");
	return (int)(r % (unsigned int)n);
}

static void
over_after(double began)
{
	if (now_us() - began > PATIENCE_S * 1e6)
		errx(1, "not within %d s", PATIENCE_S);
	(void)usleep(500);
}

/* The command's standard output comes by the pipe `out`; "-" as a port: from there. */
static pid_t
server_start(char **argv, int out[2])
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
		(void)dup2(out != NULL ? out[1] : 2, 1);
		(void)execvp(argv[0], argv);
		err(1, "%s", argv[0]);
	}
	return pid;
}

static void
port_read(int fd)
{
	char line[64];
	size_t n = 0;

	while (n + 1 < sizeof(line) && read(fd, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	to.sin_port = htons((unsigned short)atoi(line));
	if (to.sin_port == 0)
		errx(1, "the server did not print its port");
}

/* What the server prints later is for people: until the end of our own input. */
static void
hold(pid_t pid, int from)
{
	char line[256];
	fd_set in;
	ssize_t n;

	for (;;) {
		FD_ZERO(&in);
		FD_SET(0, &in);
		if (from >= 0)
			FD_SET(from, &in);
		if (select(from + 1 > 1 ? from + 1 : 1, &in, NULL, NULL, NULL) < 0)
			break;
		if (from >= 0 && FD_ISSET(from, &in)) {
			n = read(from, line, sizeof(line));
			if (n <= 0)
				from = -1;
			else if (write(2, line, (size_t)n) < 0)
				break;
		}
		if (FD_ISSET(0, &in) && read(0, line, sizeof(line)) <= 0)
			break;
	}
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, NULL, 0);
}

static void
start(const char *dir, int n, const char *port, char **command)
{
	struct forest *f = forest_in(dir);
	int told = strcmp(port, "-") == 0, out[2], i, version;
	double began, listens = 0;
	pid_t pid;

	client_init(f);
	if (pipe(out) < 0)
		err(1, "pipe");
	began = now_us();
	pid = server_start(command, told ? out : NULL);
	(void)close(out[1]);
	i = draw(n);
	if (told)
		port_read(out[0]);
	else
		to.sin_port = htons((unsigned short)atoi(port));
	while ((version = shake(i)) <= 0) {
		if (version < 0 && listens == 0)
			listens = now_us();
		if (waitpid(pid, NULL, WNOHANG) != 0)
			errx(1, "%s ended", command[0]);
		over_after(began);
	}
	if (listens == 0)
		listens = now_us();
	printf("%.1f %.1f %d %u\n", (listens - began) / 1e3, (now_us() - began) / 1e3,
	    (int)pid, ntohs(to.sin_port));
	(void)fflush(stdout);
	hold(pid, told ? out[0] : -1);
	forest_free(f);
}

static void
renew(const char *dir, int i, int version, enum forest_form form, const char *command)
{
	struct forest *f = forest_in(dir);
	int shown, failed = 0;
	double began;

	client_init(f);
	forest_renew(f, dir, i, version, form);
	began = now_us();
	if (command != NULL && system(command) != 0)
		errx(1, "failed: %s", command);
	while ((shown = shake(i)) < version) {
		failed += shown <= 0;
		over_after(began);
	}
	printf("%.1f %d\n", (now_us() - began) / 1e3, failed);
	forest_free(f);
}

int
main(int argc, char **argv)
{
	struct forest *f;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc == 5 && strcmp(argv[1], "grow") == 0) {
		f = forest_in(argv[2]);
		forest_grow(f, argv[2], 0, atoi(argv[3]), form_of(argv[4]));
		forest_free(f);
	} else if (argc > 5 && strcmp(argv[1], "start") == 0)
		start(argv[2], atoi(argv[3]), argv[4], argv + 5);
	else if ((argc == 7 || argc == 8) && strcmp(argv[1], "renew") == 0) {
		to.sin_port = htons((unsigned short)atoi(argv[6]));
		renew(argv[2], atoi(argv[3]), atoi(argv[4]), form_of(argv[5]), argv[7]);
	} else
		errx(64, "usage: manynames grow DIR N FORM | start DIR N PORT COMMAND... | "
		    "renew DIR I VERSION FORM PORT [COMMAND]");
	return 0;
}
