/* SPDX-License-Identifier: ISC */
#include "make_service.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "ocsp/service_ask.h"

/* The service is root's to start as somebody else; without root it is us. */
static uid_t
service_uid(void)
{
	return geteuid() == 0 ? HERD_UID : 0;
}

int
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
	responder_see(w->scene->r);
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

int
world_end(struct world *w)
{
	int code;

	if (w->pid == 0)
		return 0;
	assert_int_equal(write(w->stop, "", 1), 1);
	code = herd_end(w->pid);
	w->pid = 0;
	return code;
}

int
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

void
world_start(struct world *w)
{
	w->pid = herd_serve(&w->serve);
}

int
world_ask_about(const struct world *w, X509 *cert, X509 *issuer,
    const struct sst_revocation_policy *policy, int is_leaf, struct sst_evidence *ret,
    struct sst_error *err)
{
	const struct sst_work_ask ask = { .cert = cert, .issuer = issuer, .policy = policy,
	    .budget_ms = 20000, .is_leaf = is_leaf };

	memset(ret, 0, sizeof(*ret));
	return sst_service_ask(w->path, &ask, -1, ret, 1, err);
}

int
world_ask(const struct world *w, const struct pki_cert *cert, struct sst_evidence *ret,
    struct sst_error *err)
{
	return world_ask_about(w, cert->cert, cert->issuer->cert, NULL, 1, ret, err);
}

void
world_is_good(const struct world *w, const struct pki_cert *cert)
{
	struct sst_error err = { .code = SST_OK };
	struct sst_evidence e;
	int n = world_ask(w, cert, &e, &err);

	if (n != 1)
		fail_msg("%d: %s", n, err.text);
	assert_int_equal(e.status, SST_EV_GOOD);
}

int
world_met(const struct world *w)
{
	return responder_requests(w->scene->r);
}

int
world_dial(const struct world *w)
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
