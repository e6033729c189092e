/* SPDX-License-Identifier: ISC */
/*
 * renewals - certbot changes its links while clients shake hands all the time.
 *
 * Each lineage has a thread that is certbot and a thread that is its clients.
 * certbot writes the files of version N below archive/ and then goes over cert,
 * privkey, chain and fullchain: unlink, symlink, with a random pause of 0 to 50 ms
 * before every call. From the first unlink to the last symlink is a *window*; it is
 * not closed before WITHIN handshakes began and ended inside it. Five more lineages
 * are given up in the middle of a renewal, each behind another call, and nobody
 * ever cleans up.
 *
 * The serial number of each certificate is its version, so a client knows what it
 * was shown; a key that is not the certificate's fails its handshake.
 *
 * RENEWALS says how many there are in all.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ours.h"

enum {
	GOING = 4,		/* lineages that are renewed again and again, */
	STOPPED = 5,		/* and those that are given up */
	LINES = GOING + STOPPED,
	CALLS = 8,		/* of one renewal */
	WITHIN = 20,		/* handshakes in each window */
	PAUSE_MS = 50,
	RENEWALS = 48 / WORLD_SLOW,
	MOST = 1200,
	VISIBLE_MS = 1000
};

static const char *const kinds[] = { "cert", "privkey", "chain", "fullchain" };

static struct line {
	char		 name[32];
	int		 renewals;	/* how many there will be */
	int		 gives_up;	/* behind this call of the last one; 0: never */
	int		 reuse_key;
	unsigned int	 seed;
	EVP_PKEY	*key;		/* of --reuse-key */
	atomic_int	 written;	/* the last version below archive/ */
	atomic_int	 shown;		/* the last one that a client was shown */
	atomic_int	 window;	/* odd: inside one; it counts on from there */
	atomic_int	 inside;	/* handshakes in this window */
	atomic_long	 handshakes, all_inside;
	int		 late_ms[MOST];	/* until a renewal was seen */
	int		 n_late;
} lines[LINES];

/* Who issues: cert.pem alone is no chain that a client accepts. */
static struct pki_cert *middle;
static char etc[600];		/* where live/ and archive/ are */
static struct addr at;
static atomic_int over;

/* --- certbot ----------------------------------------------------------------- */

static struct pki_cert *
issue(struct line *l, int version)
{
	unsigned char serial[4] = { 0x40, 0, (unsigned char)(version >> 8),
		(unsigned char)version };

	return pki_issue(middle, &(struct pki_spec){ .san = l->name,
	    .use_key = l->reuse_key ? l->key : NULL, .serial = serial,
	    .serial_len = sizeof(serial), .not_after = PKI_NOW + version * PKI_DAY });
}

/* The files of a version. With --reuse-key its key is a link to the first one's. */
static void
archive(struct line *l, int version)
{
	struct pki_cert *c = issue(l, version);
	char file[128];

	l->written = version;
	pki_certbot_archive(etc, l->name, c, version);
	if (l->reuse_key && version > 1) {
		(void)snprintf(file, sizeof(file), "archive/%s/privkey%d.pem", l->name,
		    version);
		want_eq(unlink(pki_path(etc, file)), 0);
		pki_link(etc, file, "privkey1.pem");
	}
	pki_free(c);
}

static void
breathe(struct line *l)
{
	struct timespec t = { .tv_nsec = rand_r(&l->seed) % (PAUSE_MS + 1) * 1000000L };

	(void)nanosleep(&t, NULL);
}

/* One renewal, or the first part of one. */
static void
renew(struct line *l, int version, int gives_up)
{
	long long done;

	archive(l, version);
	breathe(l);
	l->inside = 0;
	l->window++;
	for (int call = 0; call < CALLS; call++) {
		if (call == gives_up && gives_up > 0)
			return;
		if (call == CALLS - 1)
			want_soon(l->inside >= WITHIN);
		if (call % 2 == 0)
			pki_certbot_unlink(etc, l->name, kinds[call / 2]);
		else
			pki_certbot_link(etc, l->name, kinds[call / 2], version);
		if (call < CALLS - 1)
			breathe(l);
	}
	l->window++;
	done = world_now_ms();
	while (l->shown != version) {
		if (world_now_ms() - done > WORLD_PATIENCE_MS)
			world_fail(__FILE__, __LINE__, "%s: version %d is not served, "
			    "still %d", l->name, version, l->shown);
		world_breathe();
	}
	l->late_ms[l->n_late++] = (int)(world_now_ms() - done);
}

static void *
certbot(void *arg)
{
	struct line *l = arg;

	for (int n = 1; n <= l->renewals; n++)
		renew(l, n + 1, n == l->renewals ? l->gives_up : 0);
	return NULL;
}

/* --- clients ------------------------------------------------------------------ */

static int
version_of(SSL *ssl)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	uint64_t serial = 0;

	want(leaf != NULL);
	want(ASN1_INTEGER_get_uint64(&serial, X509_get0_serialNumber(leaf)));
	return (int)(serial & 0xffff);
}

/* A whole handshake: the byte comes when the server's side of it is over. */
static int
shake(SSL_CTX *ctx, const struct line *l)
{
	SSL *ssl = SSL_new(ctx);
	int fd = tcp_dial(&at), version;
	char byte;

	want(ssl != NULL && SSL_set_fd(ssl, fd));
	want(SSL_set_tlsext_host_name(ssl, l->name) && SSL_set1_host(ssl, l->name));
	if (SSL_connect(ssl) != 1 || SSL_read(ssl, &byte, 1) != 1)
		world_fail(__FILE__, __LINE__, "%s, version %d below archive: %s", l->name,
		    l->written, ERR_reason_error_string(ERR_peek_last_error()));
	version = version_of(ssl);
	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	(void)close(fd);
	return version;
}

static void *
clients(void *arg)
{
	struct line *l = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	want(ctx != NULL);
	want(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), world.ca->cert));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	while (!over) {
		int window = l->window, version = shake(ctx, l);

		/* Nothing older than before, nothing that does not exist. */
		want(version >= l->shown && version <= l->written);
		l->shown = version;
		l->handshakes++;
		if (window % 2 == 1 && l->window == window) {
			l->inside++;
			l->all_inside++;
		}
	}
	SSL_CTX_free(ctx);
	return NULL;
}

static void *
server(void *arg)
{
	int l = *(int *)arg, s;

	while ((s = accept(l, NULL, NULL)) >= 0) {
		ours_write(s, "k", 1);
		(void)close(s);
	}
	want_eq(errno, EINVAL);
	return NULL;
}

/* --- the scene ------------------------------------------------------------------ */

/* What there is before the first renewal. Returns how many there will be. */
static int
plant(void)
{
	const char *text = getenv("RENEWALS");
	int total = text != NULL ? atoi(text) : RENEWALS, sum = 0;

	want(total >= LINES && total / GOING < MOST);
	(void)snprintf(etc, sizeof(etc), "%s/etc", world.dir);
	want_eq(mkdir(etc, 0711), 0);
	middle = pki_issue(world.ca, &(struct pki_spec){ .cn = "Intermediate", .ca = 1 });
	for (int i = 0; i < LINES; i++) {
		struct line *l = &lines[i];

		(void)snprintf(l->name, sizeof(l->name), "line%d.example", i);
		l->seed = (unsigned int)i + 1;
		if (i < GOING)
			l->renewals = (total - STOPPED + GOING - 1 - i) / GOING;
		else {
			/* behind unlink of the key up to that of the chain's end */
			l->renewals = 1;
			l->gives_up = 3 + i - GOING;
		}
		sum += l->renewals;
		l->reuse_key = i == 0;
		if (l->reuse_key)
			l->key = pki_key_new(PKI_P256);
		archive(l, 1);
		for (int k = 0; k < CALLS / 2; k++)
			pki_certbot_link(etc, l->name, kinds[k], 1);
	}
	want_eq(sum, total);
	return total;
}

static int
by_value(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* All were seen. Of one that was given up the version before, unless all that is left
 * is the new one: then fullchain.pem is missing, and the others are a whole version. */
static int
ended_well(const struct line *l)
{
	int last = 1 + l->renewals;

	return l->shown == (l->gives_up > 0 ? last - 1 : last) ||
	    (l->gives_up == CALLS - 1 && l->shown == last);
}

/* Says what was seen, and that a renewal is seen within a second, as a rule. */
static void
conclude(void)
{
	static int late[GOING * MOST];
	long handshakes = 0, inside = 0;
	int n = 0;

	for (int i = 0; i < LINES; i++) {
		struct line *l = &lines[i];

		handshakes += l->handshakes;
		inside += l->all_inside;
		memcpy(late + n, l->late_ms, (size_t)l->n_late * sizeof(late[0]));
		n += l->n_late;
		want(ended_well(l));
		EVP_PKEY_free(l->key);
	}
	qsort(late, (size_t)n, sizeof(late[0]), by_value);
	(void)fprintf(stderr, "%d renewals and %d that were given up, %ld handshakes, "
	    "%ld in the windows; seen after %d ms (median), %d ms (longest)\n", n, STOPPED,
	    handshakes, inside, late[n / 2], late[n - 1]);
	want(late[n / 2] < VISIBLE_MS * WORLD_SLOW);
	pki_free(middle);
}

SCENE(cs_43_cs_44_no_handshake_fails_while_certbot_changes_its_links)
{
	pthread_t acceptor, bot[LINES], client[LINES];
	int l, total = plant();

	/* The server closes first: a client's goodbye may come too late. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)alarm((unsigned int)(WORLD_SCENE_SECONDS * 4 + total * WORLD_SLOW));
	l = ours_listener(&at, world.families[0], pki_path(etc, "live"), NULL);
	want_eq(pthread_create(&acceptor, NULL, server, &l), 0);
	for (int i = 0; i < LINES; i++)
		want_eq(pthread_create(&client[i], NULL, clients, &lines[i]), 0);
	for (int i = 0; i < LINES; i++)
		want_soon(lines[i].shown == 1);
	for (int i = 0; i < LINES; i++)
		want_eq(pthread_create(&bot[i], NULL, certbot, &lines[i]), 0);
	for (int i = 0; i < LINES; i++)
		want_eq(pthread_join(bot[i], NULL), 0);
	over = 1;
	for (int i = 0; i < LINES; i++)
		want_eq(pthread_join(client[i], NULL), 0);
	want_eq(shutdown(l, SHUT_RD), 0);
	want_eq(pthread_join(acceptor, NULL), 0);
	(void)close(l);
	conclude();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cs_43_cs_44_no_handshake_fails_while_certbot_changes_its_links),
	};

	world_begin();
	return world_end(tests);
}
