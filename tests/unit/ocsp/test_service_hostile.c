/* SPDX-License-Identifier: ISC */
/* Tests of the cache service with clients that do not behave. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "make_service.h"
#include "ocsp/service_wire.h"

#define CROWD	10000

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
	int fd = world_dial(w);

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

	world_start(w);
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
	fd = world_dial(w);
	assert_int_equal(send(fd, packet, len, MSG_NOSIGNAL), len);
	assert_int_equal(heard(fd, NULL), SST_E_MALFORMED);
	packet[sizeof(head)] ^= 1;
	assert_int_equal(world_met(w), 0);
	assert_int_equal(send(fd, packet, len, MSG_NOSIGNAL), len);
	assert_int_equal(heard(fd, NULL), SST_OK);
	/* nor is one that goes on behind its end */
	memcpy(&head, packet, sizeof(head));
	head.length[1]++;
	memcpy(packet, &head, sizeof(head));
	assert_int_equal(send(fd, packet, len + 1, MSG_NOSIGNAL), len + 1);
	assert_int_equal(heard(fd, NULL), SST_E_MALFORMED);
	(void)close(fd);
	assert_int_equal(world_met(w), 1);
	world_is_good(w, w->cert);
}

static void
so_many_at_once_and_the_same_once_more_is_free(void **state)
{
	struct world *w = *state;
	uint8_t *packet = malloc(SST_SERVICE_ASK_MAX);
	struct pki_cert *certs[5];
	char text[256];
	int fd[6];

	world_start(w);
	for (int i = 0; i < 5; i++)
		certs[i] = scene_cert(w->scene, NULL, "/ocsp");
	responder_hold(w->scene->r);
	for (int i = 0; i < 4; i++) {
		size_t len = question(certs[i], 1, packet);

		fd[i] = world_dial(w);
		assert_int_equal(send(fd[i], packet, len, MSG_NOSIGNAL), len);
	}
	responder_wait(w->scene->r, 4);
	fd[4] = world_dial(w);
	assert_int_not_equal(send(fd[4], packet, question(certs[4], 1, packet), MSG_NOSIGNAL),
	    -1);
	assert_int_equal(heard(fd[4], text), SST_E_LIMIT);
	assert_non_null(strstr(text, "waits for 4"));
	/* joins the first, which a fifth may */
	fd[5] = world_dial(w);
	assert_int_not_equal(send(fd[5], packet, question(certs[0], 1, packet), MSG_NOSIGNAL),
	    -1);
	/* questions of one connection are taken in turn: this one is after that */
	assert_true(send(fd[5], packet, 1, MSG_NOSIGNAL) > 0);
	assert_int_equal(heard(fd[5], NULL), SST_E_MALFORMED);
	(void)close(fd[5]);
	/* whose asker goes before the answer comes */
	(void)close(fd[1]);
	responder_let_go(w->scene->r);
	for (int i = 0; i < 4; i++)
		if (i != 1)
			assert_int_equal(heard(fd[i], NULL), SST_OK);
	for (int i = 0; i < 5; i++)
		if (i != 1)
			(void)close(fd[i]);
	assert_int_equal(world_met(w), 4);
	/* what nobody waited for was finished for the cache, and there is room again */
	world_is_good(w, certs[1]);
	assert_int_equal(world_met(w), 4);
	world_is_good(w, certs[4]);
	assert_int_equal(world_met(w), 5);
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
	world_start(w);
	world_is_good(w, w->cert);
	n = room_for(CROWD);
	fds = calloc((size_t)n, sizeof(*fds));
	for (int i = 0; i < n; i++) {
		fds[i] = world_dial(w);
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
	assert_int_equal(world_ask(w, w->cert, &e, NULL), SST_E_LIMIT);
	if (geteuid() == 0)
		assert_int_equal(herd_end(herd_check(h, &check)), 0);
	assert_int_equal(world_met(w), 1);
	for (int i = 0; i < n; i++)
		(void)close(fds[i]);
	free(fds);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (world_ask(w, w->cert, &e, NULL) == SST_E_LIMIT)
		;	/* until it has seen them go */
	world_is_good(w, w->cert);
	herd_free(h);
}

static void
a_connection_waits_for_so_many_answers(void **state)
{
	struct world *w = *state;
	uint8_t *packet = malloc(SST_SERVICE_ASK_MAX);
	struct pki_cert *certs[6];
	char text[256];
	int fd;

	w->serve.in_flight = 20;
	world_start(w);
	for (int i = 0; i < 6; i++)
		certs[i] = scene_cert(w->scene, NULL, "/ocsp");
	fd = world_dial(w);
	responder_hold(w->scene->r);
	for (int i = 0; i < 5; i++)
		assert_true(send(fd, packet, question(certs[i], 1, packet), MSG_NOSIGNAL) > 0);
	assert_int_equal(heard(fd, text), SST_E_LIMIT);
	assert_non_null(strstr(text, "waits for 4 answers"));
	responder_let_go(w->scene->r);
	for (int i = 0; i < 4; i++)
		assert_int_equal(heard(fd, NULL), SST_OK);
	/* those that were answered no longer count */
	for (int i = 4; i < 6; i++) {
		assert_true(send(fd, packet, question(certs[i], 1, packet), MSG_NOSIGNAL) > 0);
		assert_int_equal(heard(fd, NULL), SST_OK);
	}
	assert_int_equal(world_met(w), 6);
	(void)close(fd);
	free(packet);
}

/* Within ten seconds: before it would be shown out for its silence. */
static int
is_over(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1 && heard(fd, NULL) == 1;
}

static void
a_full_house_shows_out_who_has_most(void **state)
{
	struct world *w = *state;
	uint8_t *packet = malloc(SST_SERVICE_ASK_MAX);
	struct pki_cert *other = scene_cert(w->scene, NULL, "/ocsp");
	struct pollfd p = { .events = POLLIN };
	struct sst_evidence e;
	int fd[8];

	w->serve.connections = 8;
	world_start(w);
	world_is_good(w, w->cert);
	responder_hold(w->scene->r);
	fd[0] = world_dial(w);
	assert_true(send(fd[0], packet, question(other, 1, packet), MSG_NOSIGNAL) > 0);
	responder_wait(w->scene->r, 2);
	for (int i = 1; i < 8; i++)
		fd[i] = world_dial(w);
	/* the one that was silent longest goes, and not one that waits for an answer */
	assert_int_equal(world_ask(w, w->cert, &e, NULL), 1);
	assert_true(is_over(fd[1]));
	p.fd = fd[7];
	assert_int_equal(poll(&p, 1, 0), 0);
	responder_let_go(w->scene->r);
	assert_int_equal(heard(fd[0], NULL), SST_OK);
	free(packet);
	for (int i = 0; i < 8; i++)
		(void)close(fd[i]);
}

#define T(f)	cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(garbage_is_told_so_and_shown_out),
		T(so_many_at_once_and_the_same_once_more_is_free),
		T(ten_thousand_silent_connections_keep_nobody_out),
		T(a_connection_waits_for_so_many_answers),
		T(a_full_house_shows_out_who_has_most),
	};
	int rc = herd_main(argc, argv);

	return rc >= 0 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
