/* SPDX-License-Identifier: ISC */
/*
 * verifyclient [COUNT [ROUNDS]] - what the verdict costs a client, handshake by
 * handshake, when the evidence is at hand.
 *
 * Way 2: one SSL_CTX with the policy off, one with the policy hard for the whole
 * chain and evidence in memory (a CRL each for leaf and CA). Both call
 * sst_openssl_judge() after each full TLS 1.3 handshake, ECDSA P-256, X25519, chain
 * of three. A round is COUNT handshakes of each, ten by ten in turn, against a
 * server in another process on loopback. Printed are medians, and the medians of
 * the ratios that belong to the same round.
 */
#include <arpa/inet.h>
#include <err.h>
#include <linux/perf_event.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <securesockets/openssl.h>

#include "support/pki.h"
#include "support/responder.h"
#include "unit/ocsp/make_crl.h"

#define HOST	"www.example.com"
#define TURN	10
#define ROUNDS	200

struct cost {
	double	 wall, cpu, instructions;	/* us, us, 1 (a handshake) */
};

static struct sockaddr_in server;
static struct pki_cert *root, *mid, *www;
static int counter = -1;

static double
clock_us(clockid_t which)
{
	struct timespec t;

	(void)clock_gettime(which, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* User instructions of this thread; stays -1 where the kernel has no counter. */
static void
counter_open(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
	    .size = sizeof(attr), .config = PERF_COUNT_HW_INSTRUCTIONS,
	    .exclude_kernel = 1, .exclude_hv = 1 };

	counter = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static double
instructions(void)
{
	uint64_t n = 0;

	if (counter < 0 || read(counter, &n, sizeof(n)) != sizeof(n))
		return 0;
	return (double)n;
}

static void
serve(int listener)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char byte;
	int fd;

	if (ctx == NULL || !SSL_CTX_use_certificate(ctx, www->cert) ||
	    !SSL_CTX_use_PrivateKey(ctx, www->key) ||
	    !SSL_CTX_add1_chain_cert(ctx, mid->cert))
		errx(1, "the server's SSL_CTX");
	SSL_CTX_set_num_tickets(ctx, 0);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		SSL *ssl = SSL_new(ctx);

		if (ssl == NULL || !SSL_set_fd(ssl, fd) || SSL_accept(ssl) != 1)
			ERR_print_errors_fp(stderr);
		while (read(fd, &byte, 1) > 0)
			continue;
		SSL_free(ssl);
		(void)close(fd);
	}
}

static pid_t
start(void)
{
	socklen_t len = sizeof(server);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pid_t pid;

	server.sin_family = AF_INET;
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&server, sizeof(server)) < 0 ||
	    listen(fd, 16) < 0 || getsockname(fd, (struct sockaddr *)&server, &len) < 0)
		err(1, "listener");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(fd);
		_exit(1);
	}
	(void)close(fd);
	return pid;
}

static SSL_CTX *
client(struct sst_checker *checker, enum sst_revocation_mode mode,
    enum sst_openssl_check_mode may)
{
	const struct sst_openssl_check config = { .mode = may, .policy = { .mode = mode,
	    .hard_chain = mode == SST_REVOCATION_HARD ? SST_SWITCH_ON :
	    SST_SWITCH_DEFAULT } };
	struct sst_error error = { 0 };
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root->cert) ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519"))
		errx(1, "the client's SSL_CTX");
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (sst_openssl_attach_checker(ctx, checker, &config, &error) < 0)
		errx(1, "%s", error.text);
	return ctx;
}

/* What is counted: from SSL_new() to the verdict, without connect(). */
static void
handshakes(SSL_CTX *ctx, int n, struct cost *cost)
{
	struct sst_error error = { 0 };
	double wall, cpu, count;

	for (; n > 0; n--) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);
		SSL *ssl;

		if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)) < 0)
			err(1, "connect");
		wall = clock_us(CLOCK_MONOTONIC);
		cpu = clock_us(CLOCK_THREAD_CPUTIME_ID);
		count = instructions();
		ssl = SSL_new(ctx);
		if (ssl == NULL || !SSL_set_fd(ssl, fd) || !SSL_set1_host(ssl, HOST) ||
		    SSL_connect(ssl) != 1) {
			ERR_print_errors_fp(stderr);
			errx(1, "handshake");
		}
		if (sst_openssl_judge(ssl, &error) < 0)
			errx(1, "%s", error.text);
		SSL_free(ssl);
		cost->instructions += instructions() - count;
		cost->cpu += clock_us(CLOCK_THREAD_CPUTIME_ID) - cpu;
		cost->wall += clock_us(CLOCK_MONOTONIC) - wall;
		(void)close(fd);
	}
}

static int
by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double
median(const double *v, int n)
{
	double sorted[ROUNDS];

	memcpy(sorted, v, (size_t)n * sizeof(*v));
	qsort(sorted, (size_t)n, sizeof(*sorted), by_value);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Ratios of what a second yields. */
static void
print(const char *what, const double *off, const double *hard, int n)
{
	double ratio[ROUNDS];

	for (int i = 0; i < n; i++)
		ratio[i] = hard[i] > 0 ? off[i] / hard[i] : 0;
	printf("%-28s off %10.1f   hard %10.1f   rate hard / off %.4f\n", what,
	    median(off, n), median(hard, n), median(ratio, n));
}

static void
measure(SSL_CTX *off, SSL_CTX *hard, int count, int rounds)
{
	double wall[2][ROUNDS], cpu[2][ROUNDS], insns[2][ROUNDS];

	for (int r = 0; r < rounds; r++) {
		struct cost cost[2] = { { 0 } };

		for (int n = 0; n < count; n += TURN) {
			/* neither always goes first */
			const int swap = (n / TURN + r) % 2;

			handshakes(swap ? hard : off, TURN, &cost[swap]);
			handshakes(swap ? off : hard, TURN, &cost[!swap]);
		}
		for (int i = 0; i < 2; i++) {
			wall[i][r] = cost[i].wall / count;
			cpu[i][r] = cost[i].cpu / count;
			insns[i][r] = cost[i].instructions / count;
		}
	}
	print("us, with the server", wall[0], wall[1], rounds);
	print("us of client's CPU", cpu[0], cpu[1], rounds);
	if (counter >= 0)
		print("user instructions", insns[0], insns[1], rounds);
	else
		printf("user instructions: this kernel lets nobody count them\n");
}

/* "/root" is the root's list, all else the other CA's. */
static void
give_list(void *arg, const struct responder_request *q, struct responder_reply *reply)
{
	const time_t now = time(NULL);

	(void)arg;
	reply->type = "application/pkix-crl";
	reply->body = make_crl(&(struct make_crl){
	    .issuer = strcmp(q->path, "/root") == 0 ? root : mid,
	    .this_update = now - PKI_DAY, .next_update = now + PKI_DAY });
}

/* Chain, lists, and a checker whose memory has them. */
static struct sst_checker *
world(struct responder *r)
{
	const char *const allow[] = { responder_allow(r), NULL };
	struct sst_checker *checker = NULL;

	root = pki_issue(NULL, &(struct pki_spec){ .cn = "Root", .ca = 1 });
	mid = pki_issue(root, &(struct pki_spec){ .cn = "Mid", .ca = 1,
	    .crl = responder_url(r, "/root") });
	www = pki_issue(mid, &(struct pki_spec){ .cn = "www", .san = HOST,
	    .crl = responder_url(r, "/mid") });
	if (sst_checker_new(&(struct sst_checker_config){ .cache_dir = "",
	    .allow = allow, .no_service = 1 }, &checker, NULL) < 0)
		errx(1, "checker");
	return checker;
}

int
main(int argc, char **argv)
{
	const int count = argc > 1 ? atoi(argv[1]) : 500;
	const int rounds = argc > 2 ? atoi(argv[2]) : 15;
	struct responder *r = responder_new(give_list, NULL);
	struct sst_checker *checker = world(r);
	struct cost unused = { 0 };
	SSL_CTX *fill, *off, *hard;
	int asked;
	pid_t pid;

	if (count < TURN || count % TURN != 0 || rounds < 1 || rounds > ROUNDS)
		errx(64, "COUNT is a multiple of %d, ROUNDS 1 to %d", TURN, ROUNDS);
	pid = start();
	fill = client(checker, SST_REVOCATION_HARD, SST_OPENSSL_WAIT);
	off = client(checker, SST_REVOCATION_OFF, SST_OPENSSL_CACHE_ONLY);
	hard = client(checker, SST_REVOCATION_HARD, SST_OPENSSL_CACHE_ONLY);
	handshakes(fill, 1, &unused);
	asked = responder_requests(r);
	handshakes(off, 50, &unused);
	handshakes(hard, 50, &unused);
	counter_open();
	measure(off, hard, count, rounds);
	printf("requests: %d to fill the cache, %d while measuring\n", asked,
	    responder_requests(r) - asked);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	SSL_CTX_free(fill);
	SSL_CTX_free(off);
	SSL_CTX_free(hard);
	sst_checker_unref(checker);
	responder_free(r);
	pki_free(www);
	pki_free(mid);
	pki_free(root);
	return 0;
}
