/* SPDX-License-Identifier: ISC */
/* nginx - a client with a checker, and the staples that nginx shows. */
#include <errno.h>
#include <openssl/err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "duo.h"

#define TRIES	2000	/* of 5 ms */
#define SKIPPED	77

static const struct sst_openssl_check wanted = {
	.policy.mode = SST_REVOCATION_STAPLE };
static char *dir;

static int
setup(void **state)
{
	dir = pki_dir_new();
	pki_write_chain(dir, "chain.pem", w.www);
	pki_write_key(dir, "key.pem", w.www);
	return duo_setup(state);
}

static int
teardown(void **state)
{
	pki_dir_free(dir);
	return duo_teardown(state);
}

/* In the foreground, on a socket in the directory; `more` of the server's block. */
static pid_t
start(const char *more)
{
	char text[4000], conf[600], error[600];
	pid_t pid;

	(void)snprintf(text, sizeof(text), "daemon off; master_process off;\n"
	    "pid %s/pid; error_log %s/error;\nevents {}\nhttp {\n"
	    "access_log off; client_body_temp_path %s/a; proxy_temp_path %s/b;\n"
	    "fastcgi_temp_path %s/c; uwsgi_temp_path %s/d; scgi_temp_path %s/e;\n"
	    "server { listen unix:%s/socket ssl;\nssl_certificate %s/chain.pem;\n"
	    "ssl_certificate_key %s/key.pem;\nssl_protocols TLSv1.2 TLSv1.3;\n%s\n"
	    "return 200 ok; }\n}\n", dir, dir, dir, dir, dir, dir, dir, dir, dir, dir, more);
	pki_write_text(dir, "conf", text);
	(void)snprintf(conf, sizeof(conf), "%s/conf", dir);
	(void)snprintf(error, sizeof(error), "%s/error", dir);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)execl("/usr/sbin/nginx", "nginx", "-e", error, "-c", conf,
		    (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void
stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)unlink(pki_path(dir, "socket"));
}

static int
dial(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const struct timespec pause = { .tv_nsec = 5000000 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/socket", dir);
	for (int i = 0; i < TRIES; i++) {
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
			return fd;
		(void)nanosleep(&pause, NULL);
	}
	fail_msg("nginx did not start: %s", strerror(errno));
	return -1;
}

/* Whether a client that wants a staple, or does not, goes in. */
static int
goes_in(const struct sst_openssl_check *config, int version)
{
	SSL_CTX *client = duo_client(w.checker, config);
	SSL *ssl = SSL_new(client);
	struct sst_error err = { 0 };
	int fd = dial(), ok;

	(void)SSL_set_max_proto_version(ssl, version);
	(void)SSL_set1_host(ssl, DUO_HOST);
	(void)SSL_set_tlsext_host_name(ssl, DUO_HOST);
	(void)SSL_set_fd(ssl, fd);
	ok = SSL_connect(ssl) == 1 && sst_openssl_judge(ssl, &err) == SST_OK;
	ERR_clear_error();
	SSL_free(ssl);
	(void)close(fd);
	SSL_CTX_free(client);
	(void)duo_teardown(NULL);	/* the next is to know nothing of it */
	(void)duo_setup(NULL);
	return ok;
}

static void
the_staples_of_nginx(void **state)
{
	static const struct {
		enum made_status status;
		int	 days;		/* until it ends */
		int	 soft, strict;	/* who goes in */
	} rows[] = { { MADE_GOOD, 1, 1, 1 }, { MADE_REVOKED, 1, 0, 0 },
	    { MADE_GOOD, -1, 1, 0 } };
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	char more[700];
	pid_t pid;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pki_buf der = duo_response_of(w.mid, w.www, rows[i].status,
		    w.now - 9 * PKI_DAY, w.now + rows[i].days * PKI_DAY);

		pki_write(dir, "staple.der", 0600, &der);
		pki_buf_free(&der);
		(void)snprintf(more, sizeof(more), "ssl_stapling on;\n"
		    "ssl_stapling_file %s/staple.der;", dir);
		pid = start(more);
		for (int v = 0; v < 2; v++) {
			assert_int_equal(goes_in(NULL, versions[v]), rows[i].soft);
			assert_int_equal(goes_in(&wanted, versions[v]), rows[i].strict);
		}
		stop(pid);
	}
	pid = start("");
	assert_int_equal(goes_in(NULL, TLS1_3_VERSION), 1);
	assert_int_equal(goes_in(&wanted, TLS1_3_VERSION), 0);
	stop(pid);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_staples_of_nginx, setup, teardown),
	};

	if (access("/usr/sbin/nginx", X_OK) != 0)
		return SKIPPED;
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
