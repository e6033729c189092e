/* SPDX-License-Identifier: ISC */
#include "make_herd.h"

#include <errno.h>
#include <grp.h>
#include <openssl/pem.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <securesockets/revocation.h>

#define ARGS	16

static const char *const allow[] = { "127.0.0.1", NULL };

/* --- in a child -------------------------------------------------------- */

static void
become(uid_t uid)
{
	if (uid != 0 && (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
	    setresuid(uid, uid, uid) < 0)) {
		perror("become");
		_exit(9);
	}
}

static X509 *
cert_at(const char *dir, const char *name)
{
	FILE *f = fopen(pki_path(dir, name), "rb");
	X509 *cert = f != NULL ? d2i_X509_fp(f, NULL) : NULL;

	if (cert == NULL) {
		perror(name);
		_exit(9);
	}
	(void)fclose(f);
	return cert;
}

static void
on_done(void *arg)
{
	(void)sem_post(arg);
}

/* check DIR NAME CACHE SERVICE UID FD */
static int
child_check(char **arg)
{
	const struct sst_checker_config config = { .cache_dir = arg[2], .allow = allow,
	    .service = arg[3][0] != '\0' ? arg[3] : NULL };
	const struct sst_revocation_policy policy = { .mode = SST_REVOCATION_HARD,
	    .budget_ms = 30000 };
	struct herd *h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED,
	    atoi(arg[5]), 0);
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct sst_error err = { .code = SST_OK };
	struct sst_checker *checker = NULL;
	struct sst_check *check = NULL;
	char name[64];
	sem_t sem;
	int rc;

	(void)snprintf(name, sizeof(name), "%s.der", arg[1]);
	sk_X509_push(chain, cert_at(arg[0], name));
	sk_X509_push(chain, cert_at(arg[0], "ca.der"));
	become((uid_t)atoi(arg[4]));
	(void)sem_init(&sem, 0, 0);
	if (h == MAP_FAILED || sst_checker_new(&config, &checker, &err) < 0 ||
	    sst_check_new(checker, &policy, chain, &check, &err) < 0 ||
	    sst_check_now(check, &err) != 0) {
		fprintf(stderr, "not a miss: %s\n", err.text);
		return 8;
	}
	atomic_fetch_add(&h->missed, 1);
	(void)pthread_barrier_wait(&h->barrier);
	rc = sst_check_start(check, on_done, &sem, &err);
	atomic_fetch_add(&h->asked, 1);
	while (rc == SST_OK && sem_wait(&sem) < 0 && errno == EINTR)
		continue;
	rc = sst_check_now(check, &err);
	if (rc != 1)
		fprintf(stderr, "%s\n", err.text);
	sst_check_free(check);
	sst_checker_unref(checker);
	sk_X509_pop_free(chain, X509_free);
	return rc != 1;
}

/* serve DIR CACHE UID LISTEN STOP FETCHES IN_FLIGHT CONNECTIONS IDLE NO_ALLOW */
static int
child_serve(char **arg)
{
	const struct sst_checker_config config = { .cache_dir = arg[1],
	    .allow = atoi(arg[9]) ? NULL : allow };
	const struct sst_service_config service = { .trust = pki_path(arg[0], "ca.pem"),
	    .listen_fd = atoi(arg[3]), .stop_fd = atoi(arg[4]),
	    .fetches = (unsigned)atoi(arg[5]), .in_flight = (unsigned)atoi(arg[6]),
	    .connections = (unsigned)atoi(arg[7]), .idle_ms = (unsigned)atoi(arg[8]) };
	struct sst_error err = { .code = SST_OK };
	struct sst_checker *checker = NULL;
	int rc;

	become((uid_t)atoi(arg[2]));
	rc = sst_checker_new(&config, &checker, &err);
	if (rc == SST_OK)
		rc = sst_service_run(checker, &service, &err);
	if (rc < 0)
		fprintf(stderr, "service: %s\n", err.text);
	sst_checker_unref(checker);
	return rc < 0;
}

int
herd_main(int argc, char **argv)
{
	if (argc > 7 && strcmp(argv[1], "check") == 0)
		return child_check(argv + 2);
	if (argc > 11 && strcmp(argv[1], "serve") == 0)
		return child_serve(argv + 2);
	return -1;
}

/* --- in the test ------------------------------------------------------- */

void
herd_write(const char *dir, const char *name, const struct pki_cert *cert)
{
	struct pki_buf buf = { 0 };
	char file[64];

	(void)chmod(dir, 0755);
	pki_put_cert_der(&buf, cert);
	(void)snprintf(file, sizeof(file), "%s.der", name);
	pki_write(dir, file, 0644, &buf);
	pki_buf_free(&buf);
	pki_put_cert(&buf, cert);
	(void)snprintf(file, sizeof(file), "%s.pem", name);
	pki_write(dir, file, 0644, &buf);
	pki_buf_free(&buf);
}

struct herd *
herd_new(unsigned n)
{
	pthread_barrierattr_t attr;
	struct herd *h;
	int fd = memfd_create("herd", 0);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(*h)), 0);
	h = mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(h, MAP_FAILED);
	h->fd = fd;
	(void)pthread_barrierattr_init(&attr);
	(void)pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	assert_int_equal(pthread_barrier_init(&h->barrier, &attr, n), 0);
	return h;
}

void
herd_free(struct herd *h)
{
	(void)close(h->fd);
	(void)munmap(h, sizeof(*h));
}

/* Executes this program with these arguments. */
static pid_t
child_new(const char *const *args)
{
	char *argv[ARGS] = { (char *)(uintptr_t)"herd" };
	pid_t pid;

	for (int i = 0; args[i] != NULL && i + 2 < ARGS; i++)
		argv[i + 1] = (char *)(uintptr_t)args[i];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)execv("/proc/self/exe", argv);
		_exit(127);
	}
	return pid;
}

static const char *
text_of(unsigned n, char out[16])
{
	(void)snprintf(out, 16, "%u", n);
	return out;
}

pid_t
herd_check(const struct herd *h, const struct herd_check *c)
{
	char uid[16], fd[16];
	const char *const args[] = { "check", c->dir, c->name, c->cache,
	    c->service != NULL ? c->service : "", text_of(c->uid, uid),
	    text_of((unsigned)h->fd, fd), NULL };

	return child_new(args);
}

pid_t
herd_serve(const struct herd_serve *s)
{
	char uid[16], fd[16], stop[16], fetches[16], flight[16], conns[16], idle[16];
	char no_allow[16];
	const char *const args[] = { "serve", s->dir, s->cache, text_of(s->uid, uid),
	    text_of((unsigned)s->listen_fd, fd), text_of((unsigned)s->stop_fd, stop),
	    text_of(s->fetches, fetches), text_of(s->in_flight, flight),
	    text_of(s->connections, conns), text_of(s->idle_ms, idle),
	    text_of(s->no_allow, no_allow), NULL };

	return child_new(args);
}

int
herd_end(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int
herd_listen(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	assert_true(fd >= 0 && strlen(path) < sizeof(addr.sun_path));
	(void)strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(listen(fd, 256), 0);
	return fd;
}
