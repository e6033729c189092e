/* SPDX-License-Identifier: ISC */
/* nginx - a client with a checker, and the staples that nginx shows. */
#include <openssl/err.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "partner.h"

#define NGINX	"/usr/sbin/nginx"
#define SKIPPED	77

/* In the foreground, on a socket in the directory; `more` of the server's block. */
static void
start(struct partner *p, const char *more)
{
	const char *const d = partner_dir;
	const char *const argv[] = { NGINX, "-e", "stderr", "-c", pki_path(d, "conf"),
	    NULL };
	char text[4000], line[300];

	(void)snprintf(text, sizeof(text), "daemon off; master_process off;\n"
	    "pid %s/pid; error_log stderr notice;\nevents {}\nhttp {\n"
	    "access_log off; client_body_temp_path %s/a; proxy_temp_path %s/b;\n"
	    "fastcgi_temp_path %s/c; uwsgi_temp_path %s/d; scgi_temp_path %s/e;\n"
	    "server { listen unix:%s/socket ssl;\nssl_certificate %s/chain.pem;\n"
	    "ssl_certificate_key %s/key.pem;\nssl_protocols TLSv1.2 TLSv1.3;\n%s\n"
	    "return 200 ok; }\n}\n", d, d, d, d, d, d, d, d, d, more);
	pki_write_text(d, "conf", text);
	partner_start(p, argv);
	/* it listens before it says how it waits */
	partner_wait(p, "event method", line, sizeof(line));
}

static void
stop(struct partner *p)
{
	partner_stop(p);
	(void)unlink(pki_path(partner_dir, "socket"));
}

static int
dial(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(to.sun_path, sizeof(to.sun_path), "%s/socket", partner_dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
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
	char more[700];
	struct partner p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(more, sizeof(more), "ssl_stapling on;\n"
		    "ssl_stapling_file %s;", partner_response("staple.der",
		    duo_response_of(w.mid, w.www, rows[i].status, w.now - 9 * PKI_DAY,
		    w.now + rows[i].days * PKI_DAY)));
		start(&p, more);
		for (int v = 0; v < 2; v++) {
			assert_int_equal(goes_in(NULL, partner_versions[v]), rows[i].soft);
			assert_int_equal(goes_in(&partner_strict, partner_versions[v]), rows[i].strict);
		}
		stop(&p);
	}
	start(&p, "");
	assert_int_equal(goes_in(NULL, TLS1_3_VERSION), 1);
	assert_int_equal(goes_in(&partner_strict, TLS1_3_VERSION), 0);
	stop(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_staples_of_nginx, partner_setup,
		    partner_teardown),
	};

	if (access(NGINX, X_OK) != 0)
		return SKIPPED;
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, duo_world_make, duo_world_free);
}
