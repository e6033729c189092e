/* SPDX-License-Identifier: ISC */
/*
 * Tests of the machine's cache service as a process of its own, with certificates
 * and a server that counts what reaches it.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_herd.h"
#include "make_work.h"
#include "ocsp/service_ask.h"
#include "ocsp/service_wire.h"

#define CROWD	10000

struct world {
	char		*dir, *cache;
	char		 path[256];
	struct scene	*scene;
	struct pki_cert	*cert;
	struct herd_serve serve;
	int		 stop;
	pid_t		 pid;		/* 0: not started, or ended */
};

/* The service is root's to start as somebody else; without root it is us. */
static uid_t
service_uid(void)
{
	return geteuid() == 0 ? HERD_UID : 0;
}

static int
world_setup(void **state)
{
	struct world *w = test_calloc(1, sizeof(*w));
	int stop[2];

	w->dir = pki_dir_new();
	w->cache = pki_dir_new();
	w->scene = scene_new(NULL);
	w->scene->this_update = time(NULL) - 60;
	w->scene->next_update = time(NULL) + 86400;
	w->cert = scene_cert(w->scene, NULL, "/ocsp");
	herd_write(w->dir, "ca", w->scene->ca);
	if (service_uid() != 0) {
		assert_int_equal(chown(w->cache, HERD_UID, HERD_UID), 0);
		assert_int_equal(chmod(w->cache, 0755), 0);
	}
	(void)snprintf(w->path, sizeof(w->path), "%s/cache.sock", w->dir);
	assert_int_equal(pipe(stop), 0);
	w->stop = stop[1];
	w->serve = (struct herd_serve){ .dir = w->dir, .cache = w->cache,
	    .uid = service_uid(), .listen_fd = herd_listen(w->path), .stop_fd = stop[0] };
	*state = w;
	return 0;
}

static int
end(struct world *w)
{
	int code;

	if (w->pid == 0)
		return 0;
	assert_int_equal(write(w->stop, "", 1), 1);
	code = herd_end(w->pid);
	w->pid = 0;
	return code;
}

static int
world_teardown(void **state)
{
	struct world *w = *state;

	if (w->pid != 0) {
		(void)kill(w->pid, SIGKILL);
		(void)herd_end(w->pid);
	}
	(void)close(w->serve.listen_fd);
	(void)close(w->serve.stop_fd);
	(void)close(w->stop);
	scene_free(w->scene);
	pki_dir_free(w->cache);
	pki_dir_free(w->dir);
	test_free(w);
	return 0;
}

static void
start(struct world *w)
{
	w->pid = herd_serve(&w->serve);
}

static int
ask_about(const struct world *w, X509 *cert, X509 *issuer,
    const struct sst_revocation_policy *policy, struct sst_evidence *ret,
    struct sst_error *err)
{
	const struct sst_work_ask ask = { .cert = cert, .issuer = issuer, .policy = policy,
	    .budget_ms = 20000, .is_leaf = 1 };

	memset(ret, 0, sizeof(*ret));
	return sst_service_ask(w->path, &ask, -1, ret, 1, err);
}

/* 1: there is evidence, in *ret. */
static int
ask(const struct world *w, const struct pki_cert *cert, struct sst_evidence *ret,
    struct sst_error *err)
{
	return ask_about(w, cert->cert, cert->issuer->cert, NULL, ret, err);
}

static void
it_is_good(const struct world *w, const struct pki_cert *cert)
{
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;
	int n = ask(w, cert, &e, &err);

	if (n != 1)
		fail_msg("%d: %s", n, err.text);
	assert_int_equal(e.status, SST_EV_GOOD);
}

static int
met(const struct world *w)
{
	return responder_requests(w->scene->r);
}

static void
a_question_is_answered_with_what_the_source_said(void **state)
{
	struct world *w = *state;
	struct pki_cert *other = scene_cert(w->scene, NULL, "/ocsp");
	struct sst_evidence e;

	start(w);
	it_is_good(w, other);
	w->scene->revoked = 1;		/* the first certificate is */
	assert_int_equal(ask(w, w->cert, &e, NULL), 1);
	assert_int_equal(e.status, SST_EV_REVOKED);
	assert_int_equal(e.source, SST_SOURCE_OCSP);
	assert_true(e.until > time(NULL));
	assert_string_equal(e.url, responder_url(w->scene->r, "/ocsp"));
	assert_int_equal(met(w), 2);
	/* both are kept now */
	it_is_good(w, other);
	assert_int_equal(ask(w, w->cert, &e, NULL), 1);
	assert_int_equal(e.status, SST_EV_REVOKED);
	assert_int_equal(met(w), 2);
	assert_int_equal(end(w), 0);
}

static void
a_list_answers_for_all_that_it_covers(void **state)
{
	struct world *w = *state;
	struct pki_cert *a = scene_cert(w->scene, "/crl", NULL);
	struct pki_cert *b = scene_cert(w->scene, "/crl", NULL);

	start(w);
	it_is_good(w, a);
	it_is_good(w, b);
	assert_int_equal(met(w), 1);
}

static void
rv_89_a_chain_that_reaches_no_anchor_sends_nothing(void **state)
{
	struct world *w = *state;
	struct pki_cert *stranger = pki_issue(NULL, &(struct pki_spec){ .cn = "X", .ca = 1 });
	struct pki_cert *twin = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
	const struct pki_spec spec = { .cn = "www", .san = "www.example.com",
	    .ocsp = responder_url(w->scene->r, "/ocsp"),
	    .crl = responder_url(w->scene->r, "/crl") };
	struct pki_cert *cert = pki_issue(stranger, &spec), *forged = pki_issue(twin, &spec);
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;

	start(w);
	assert_int_equal(ask(w, cert, &e, &err), SST_E_REFUSED);
	assert_non_null(strstr(err.text, "does not reach a trust anchor"));
	/* of an issuer with the anchor's name, and with the anchor itself beside it */
	assert_int_equal(ask(w, forged, &e, NULL), SST_E_REFUSED);
	assert_int_equal(ask_about(w, forged->cert, w->scene->ca->cert, NULL, &e, NULL),
	    SST_E_REFUSED);
	/* the anchor itself is nobody's question */
	assert_int_equal(ask_about(w, w->scene->ca->cert, w->scene->ca->cert, NULL, &e, NULL),
	    SST_E_REFUSED);
	assert_int_equal(met(w), 0);
	assert_int_equal(responder_connections(w->scene->r), 0);
	it_is_good(w, w->cert);
	assert_int_equal(met(w), 1);
	pki_free(forged);
	pki_free(cert);
	pki_free(twin);
	pki_free(stranger);
}

static void
an_intermediate_is_followed_to_the_anchor(void **state)
{
	struct world *w = *state;
	struct pki_cert *sub = pki_issue(w->scene->ca, &(struct pki_spec){ .cn = "sub",
	    .ca = 1 });
	struct pki_cert *cert = pki_issue(sub, &(struct pki_spec){ .cn = "www",
	    .san = "www.example.com" });
	const struct sst_work_ask full = { .cert = cert->cert, .issuer = sub->cert,
	    .above = w->scene->ca->cert, .budget_ms = 20000, .is_leaf = 1 };
	struct sst_evidence e;

	start(w);
	/* names no source: understood, and nothing is known */
	assert_int_equal(sst_service_ask(w->path, &full, -1, &e, 1, NULL), 0);
	assert_int_equal(met(w), 0);
	pki_free(cert);
	pki_free(sub);
}

static void
what_the_asker_does_not_use_is_not_fetched(void **state)
{
	struct world *w = *state;
	const struct sst_revocation_policy no_ocsp = { .use_ocsp = SST_SWITCH_OFF };
	struct sst_evidence e;

	start(w);
	assert_int_equal(ask_about(w, w->cert->cert, w->scene->ca->cert, &no_ocsp, &e, NULL),
	    0);
	assert_int_equal(met(w), 0);
	it_is_good(w, w->cert);
	assert_int_equal(met(w), 1);
}

static void
so_many_fetches_a_minute_and_what_is_kept_is_free(void **state)
{
	struct world *w = *state;
	struct pki_cert *more[4];
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;

	w->serve.fetches = 3;
	start(w);
	for (int i = 0; i < 4; i++)
		more[i] = scene_cert(w->scene, NULL, "/ocsp");
	for (int i = 0; i < 3; i++)
		it_is_good(w, more[i]);
	assert_int_equal(ask(w, more[3], &e, &err), SST_E_LIMIT);
	assert_non_null(strstr(err.text, "again in"));
	assert_int_equal(met(w), 3);
	for (int i = 0; i < 3; i++)
		it_is_good(w, more[i]);
}

/* --- a client that does not behave ------------------------------------- */

static int
dial(const struct world *w)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	const int room = 1 << 20;

	if (fd < 0)
		return -1;
	(void)strcpy(addr.sun_path, w->path);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	assert_int_equal(connect(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* The next answer's code; 1: the connection ended without one. */
static int
heard(int fd, char text[256])
{
	uint8_t packet[SST_SERVICE_ANSWER_MAX];
	const struct sst_cert_key nobody = { .serial_len = 1 };
	struct sst_service_answer a;
	ssize_t n;

	do
		n = recv(fd, packet, sizeof(packet), 0);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n <= 0)
		return 1;
	(void)sst_service_answer_unpack(packet, (size_t)n, &nobody, &a, NULL);
	if (text != NULL)
		memcpy(text, a.text, sizeof(a.text));
	return a.code;
}

/* What it is told, and then the connection ends. */
static void
is_shown_out(const struct world *w, const void *bytes, size_t len, int code)
{
	int fd = dial(w);

	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
	assert_int_equal(heard(fd, NULL), code);
	assert_int_equal(heard(fd, NULL), 1);
	(void)close(fd);
}

static size_t
question(const struct pki_cert *cert, uint32_t id, uint8_t *packet)
{
	struct sst_service_ask q = { .id = id, .budget_ms = 20000, .bits = SST_SERVICE_LEAF };
	unsigned char *der = NULL, *ca = NULL;
	size_t len;

	q.part[0].len = (size_t)i2d_X509(cert->cert, &der);
	q.part[1].len = (size_t)i2d_X509(cert->issuer->cert, &ca);
	q.part[0].der = der;
	q.part[1].der = ca;
	len = sst_service_ask_pack(&q, packet, SST_SERVICE_ASK_MAX);
	OPENSSL_free(der);
	OPENSSL_free(ca);
	return len;
}

static void
garbage_is_told_so_and_shown_out(void **state)
{
	struct world *w = *state;
	static uint8_t packet[SST_SERVICE_ASK_MAX + 100];
	struct sst_service_head head;
	size_t len;
	int fd;

	start(w);
	memset(packet, 'x', sizeof(packet));
	is_shown_out(w, packet, 1, SST_E_MALFORMED);
	is_shown_out(w, packet, sizeof(packet), SST_E_MALFORMED);
	len = question(w->cert, 1, packet);
	/* a part of one is one that is wrong */
	is_shown_out(w, packet, len - 1, SST_E_MALFORMED);
	is_shown_out(w, packet, sizeof(head), SST_E_MALFORMED);
	memcpy(&head, packet, sizeof(head));
	head.version = 9;
	memcpy(packet, &head, sizeof(head));
	is_shown_out(w, packet, len, SST_E_UNSUPPORTED);
	/* certificates that do not parse: the form was right, the connection stays */
	len = question(w->cert, 1, packet);
	packet[sizeof(head)] ^= 1;
	fd = dial(w);
	assert_int_equal(send(fd, packet, len, MSG_NOSIGNAL), len);
	assert_int_equal(heard(fd, NULL), SST_E_MALFORMED);
	packet[sizeof(head)] ^= 1;
	assert_int_equal(met(w), 0);
	assert_int_equal(send(fd, packet, len, MSG_NOSIGNAL), len);
	assert_int_not_equal(heard(fd, NULL), 1);
	(void)close(fd);
	assert_int_equal(met(w), 1);
	it_is_good(w, w->cert);
}

static void
so_many_at_once_and_the_same_once_more_is_free(void **state)
{
	struct world *w = *state;
	uint8_t *packet = malloc(SST_SERVICE_ASK_MAX);
	struct pki_cert *certs[5];
	char text[256];
	int fd[6];

	start(w);
	for (int i = 0; i < 5; i++)
		certs[i] = scene_cert(w->scene, NULL, "/ocsp");
	responder_hold(w->scene->r);
	for (int i = 0; i < 4; i++) {
		size_t len = question(certs[i], 1, packet);

		fd[i] = dial(w);
		assert_int_equal(send(fd[i], packet, len, MSG_NOSIGNAL), len);
	}
	responder_wait(w->scene->r, 4);
	fd[4] = dial(w);
	assert_int_not_equal(send(fd[4], packet, question(certs[4], 1, packet), MSG_NOSIGNAL),
	    -1);
	assert_int_equal(heard(fd[4], text), SST_E_LIMIT);
	assert_non_null(strstr(text, "waits for 4"));
	/* joins the first, which a fifth may */
	fd[5] = dial(w);
	assert_int_not_equal(send(fd[5], packet, question(certs[0], 1, packet), MSG_NOSIGNAL),
	    -1);
	/* whose asker goes before the answer comes */
	(void)close(fd[1]);
	responder_let_go(w->scene->r);
	for (int i = 0; i < 6; i++)
		if (i != 1 && i != 4)
			assert_int_not_equal(heard(fd[i], NULL), 1);
	for (int i = 0; i < 6; i++)
		if (i != 1)
			(void)close(fd[i]);
	assert_int_equal(met(w), 4);
	/* what nobody waited for was finished for the cache, and there is room again */
	it_is_good(w, certs[1]);
	assert_int_equal(met(w), 4);
	it_is_good(w, certs[4]);
	assert_int_equal(met(w), 5);
	free(packet);
}

/* Descriptors of the service; -1: they cannot be seen. */
static int
descriptors(const struct world *w)
{
	char path[64];
	struct stat st;
	int n = 0;

	for (int fd = 0; fd < 4096; fd++) {
		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)w->pid, fd);
		n += lstat(path, &st) == 0;
	}
	return n > 0 ? n : -1;
}

/* As many descriptors as this process may have, less what it needs itself. */
static int
room_for(int wanted)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max >= (rlim_t)wanted + 100)
		limit.rlim_cur = (rlim_t)wanted + 100;
	else
		limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit.rlim_cur >= (rlim_t)wanted + 100 ? wanted : (int)limit.rlim_cur - 100;
}

static void
ten_thousand_silent_connections_keep_nobody_out(void **state)
{
	struct world *w = *state;
	struct rlimit before;
	struct herd *h = herd_new(1);
	struct herd_check check = { .dir = w->dir, .name = "cert", .cache = "",
	    .service = w->path, .uid = geteuid() == 0 ? HERD_UID + 1 : 0 };
	struct sst_evidence e;
	char text[256];
	int *fds, n, turned_away = 0;

	herd_write(w->dir, "cert", w->cert);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	start(w);
	it_is_good(w, w->cert);
	n = room_for(CROWD);
	fds = calloc((size_t)n, sizeof(*fds));
	for (int i = 0; i < n; i++) {
		fds[i] = dial(w);
		assert_true(fds[i] >= 0);
	}
	/* the service turns away one after the other: the last one has heard it */
	assert_int_equal(heard(fds[n - 1], text), SST_E_LIMIT);
	assert_non_null(strstr(text, "64 connections"));
	assert_in_range(descriptors(w), 64, 64 + 64);
	for (int i = 0; i < n - 1; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };

		turned_away += poll(&p, 1, 0) == 1;
	}
	assert_int_equal(turned_away, n - 1 - 64);
	/* who has so many open is told; another user is served */
	assert_int_equal(ask(w, w->cert, &e, NULL), SST_E_LIMIT);
	if (geteuid() == 0)
		assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(met(w), 1);
	for (int i = 0; i < n; i++)
		(void)close(fds[i]);
	free(fds);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (ask(w, w->cert, &e, NULL) == SST_E_LIMIT)
		;	/* until it has seen them go */
	it_is_good(w, w->cert);
	herd_free(h);
}

static void
a_full_house_shows_out_who_has_most(void **state)
{
	struct world *w = *state;
	struct sst_evidence e;
	int fd[8];

	w->serve.connections = 8;
	start(w);
	it_is_good(w, w->cert);
	for (int i = 0; i < 8; i++)
		fd[i] = dial(w);
	/* the one that was silent longest goes */
	assert_int_equal(ask(w, w->cert, &e, NULL), 1);
	assert_int_equal(heard(fd[0], NULL), 1);
	for (int i = 0; i < 8; i++)
		(void)close(fd[i]);
}

/* --- life -------------------------------------------------------------- */

static void
it_ends_when_nobody_was_there_for_long(void **state)
{
	struct world *w = *state;
	struct stat st;
	int fd;

	w->serve.idle_ms = 300;
	start(w);
	it_is_good(w, w->cert);
	fd = dial(w);
	assert_int_equal(kill(w->pid, 0), 0);
	(void)close(fd);
	assert_int_equal(herd_end(w->pid), 0);
	w->pid = 0;
	/* what it learned is published */
	assert_int_equal(stat(pki_path(w->cache, "snapshot.db"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	/* and with somebody there it stays: it was he who ended it */
	w->serve.idle_ms = 1;
	fd = dial(w);
	start(w);
	it_is_good(w, w->cert);
	(void)close(fd);
	assert_int_equal(herd_end(w->pid), 0);
	w->pid = 0;
	assert_int_equal(met(w), 1);
}

static void
it_does_not_run_as_root_nor_for_another(void **state)
{
	struct world *w = *state;

	if (geteuid() != 0)
		skip();
	w->serve.uid = 0;
	start(w);
	assert_int_equal(herd_end(w->pid), 1);
	w->serve.uid = HERD_UID + 5;
	start(w);
	assert_int_equal(herd_end(w->pid), 1);
	w->serve.uid = HERD_UID;
	start(w);
	it_is_good(w, w->cert);
	assert_int_equal(end(w), 0);
}

/* --- who asks ---------------------------------------------------------- */

static void
without_a_service_each_fetches_for_himself(void **state)
{
	struct world *w = *state;
	struct herd *h = herd_new(1);
	struct herd_check check = { .dir = w->dir, .name = "cert", .cache = "",
	    .service = "/nowhere/cache.sock" };

	herd_write(w->dir, "cert", w->cert);
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(met(w), 1);
	/* with one, the second question is answered by the first's fetch */
	start(w);
	check.service = w->path;
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(met(w), 2);
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(met(w), 2);
	herd_free(h);
}

static void
what_the_service_refuses_the_asker_fetches(void **state)
{
	struct world *w = *state;
	struct herd *h = herd_new(1);
	const struct herd_check check = { .dir = w->cache, .name = "cert", .cache = "",
	    .service = w->path };
	struct pki_cert *stranger = pki_issue(NULL, &(struct pki_spec){ .cn = "other",
	    .ca = 1 });

	/* the service's anchor is another: what the asker trusts is his own matter */
	start(w);
	it_is_good(w, w->cert);
	assert_int_equal(end(w), 0);
	herd_write(w->dir, "ca", stranger);
	start(w);
	herd_write(w->cache, "cert", w->cert);
	herd_write(w->cache, "ca", w->scene->ca);
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(met(w), 2);
	pki_free(stranger);
	herd_free(h);
}

static void
a_service_that_dies_over_a_question_is_replaced_by_a_fetch(void **state)
{
	struct world *w = *state;
	struct herd *h = herd_new(1);
	const struct herd_check check = { .dir = w->dir, .name = "cert", .cache = "",
	    .service = w->path };
	pid_t asker;

	herd_write(w->dir, "cert", w->cert);
	responder_hold(w->scene->r);
	start(w);
	asker = herd_check(h, &check);
	responder_wait(w->scene->r, 1);
	(void)kill(w->pid, SIGKILL);
	assert_int_equal(herd_end(w->pid), -1);
	w->pid = 0;
	responder_wait(w->scene->r, 2);
	responder_let_go(w->scene->r);
	assert_int_equal(herd_end(asker), 0);
	assert_int_equal(met(w), 2);
	herd_free(h);
}

static void
a_stranger_who_poses_as_the_service_is_not_asked(void **state)
{
	struct world *w = *state;
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;
	struct herd *h = herd_new(1);
	const struct herd_check check = { .dir = w->dir, .name = "cert", .cache = "",
	    .service = w->path, .uid = HERD_UID + 1 };

	if (geteuid() != 0)
		skip();
	herd_write(w->dir, "cert", w->cert);
	(void)close(w->serve.listen_fd);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(chmod(w->dir, 0777), 0);
	/* who listens counts, not who accepts */
	assert_int_equal(seteuid(HERD_UID + 2), 0);
	w->serve.listen_fd = herd_listen(w->path);
	assert_int_equal(seteuid(0), 0);
	start(w);
	assert_int_equal(ask(w, w->cert, &e, &err), SST_E_MISMATCH);
	assert_non_null(strstr(err.text, "poses as the cache service"));
	assert_int_equal(met(w), 0);
	assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(met(w), 1);
	herd_free(h);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(a_question_is_answered_with_what_the_source_said),
		T(a_list_answers_for_all_that_it_covers),
		T(rv_89_a_chain_that_reaches_no_anchor_sends_nothing),
		T(an_intermediate_is_followed_to_the_anchor),
		T(what_the_asker_does_not_use_is_not_fetched),
		T(so_many_fetches_a_minute_and_what_is_kept_is_free),
		T(garbage_is_told_so_and_shown_out),
		T(so_many_at_once_and_the_same_once_more_is_free),
		T(ten_thousand_silent_connections_keep_nobody_out),
		T(a_full_house_shows_out_who_has_most),
		T(it_ends_when_nobody_was_there_for_long),
		T(it_does_not_run_as_root_nor_for_another),
		T(without_a_service_each_fetches_for_himself),
		T(what_the_service_refuses_the_asker_fetches),
		T(a_service_that_dies_over_a_question_is_replaced_by_a_fetch),
		T(a_stranger_who_poses_as_the_service_is_not_asked),
	};
	int rc = herd_main(argc, argv);

	return rc >= 0 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
