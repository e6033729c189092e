/* SPDX-License-Identifier: ISC */
#include "meet.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MUST(x) must((x) != 0, #x, __LINE__)

static void
must(int ok, const char *what, int line)
{
	if (ok)
		return;
	fprintf(stderr, "meet.c:%d: %s failed\n", line, what);
	ERR_print_errors_fp(stderr);
	abort();
}

static void
on_info(const SSL *ssl, int where, int value)
{
	struct meet *m = SSL_get_app_data(ssl);

	if (m == NULL || (where & SSL_CB_ALERT) == 0)
		return;
	if (where & SSL_CB_READ)
		m->alert = value & 0xff;
	else
		m->alert_sent = value & 0xff;
}

static int
on_raw_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	const char *ours = arg;

	(void)ssl;
	return SSL_select_next_proto((unsigned char **)out, out_len,
	    (const unsigned char *)ours, (unsigned)strlen(ours), in, in_len) ==
	    OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static void
raw_common(SSL_CTX *ctx, const struct raw *raw)
{
	MUST(ctx);
	SSL_CTX_set_info_callback(ctx, on_info);
	if (raw->version != 0) {
		MUST(SSL_CTX_set_min_proto_version(ctx, raw->version));
		MUST(SSL_CTX_set_max_proto_version(ctx, raw->version));
	}
	if (raw->sigalgs != NULL)
		MUST(SSL_CTX_set1_sigalgs_list(ctx, raw->sigalgs));
	if (raw->suites12 != NULL)
		MUST(SSL_CTX_set_cipher_list(ctx, raw->suites12));
	if (raw->groups != NULL)
		MUST(SSL_CTX_set1_groups_list(ctx, raw->groups));
}

SSL_CTX *
raw_client_ctx(const struct raw *raw)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	raw_common(ctx, raw);
	if (raw->alpn != NULL)
		MUST(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)raw->alpn,
		    (unsigned)strlen(raw->alpn)) == 0);
	return ctx;
}

static int
on_status(SSL *ssl, void *arg)
{
	const struct pki_buf *staple = arg;
	unsigned char *copy = OPENSSL_memdup(staple->data, staple->len);

	MUST(copy);
	MUST(SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len));
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *
raw_server_ctx(const struct raw *raw)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	raw_common(ctx, raw);
	if (raw->alpn != NULL)
		SSL_CTX_set_alpn_select_cb(ctx, on_raw_alpn, (void *)raw->alpn);
	if (raw->staple != NULL) {
		SSL_CTX_set_tlsext_status_cb(ctx, on_status);
		SSL_CTX_set_tlsext_status_arg(ctx, (void *)raw->staple);
	}
	MUST(SSL_CTX_use_certificate(ctx, raw->serve->cert));
	MUST(SSL_CTX_use_PrivateKey(ctx, raw->serve->key));
	for (const struct pki_cert *c = raw->serve->issuer; !raw->no_chain &&
	    c != NULL && c->issuer != NULL; c = c->issuer)
		MUST(SSL_CTX_add1_chain_cert(ctx, c->cert));
	return ctx;
}

static void
raw_attach(struct meet *m, const struct raw *raw)
{
	m->ssl = SSL_new(m->ctx);
	MUST(m->ssl);
	MUST(SSL_set_fd(m->ssl, m->fd[1]));
	MUST(SSL_set_app_data(m->ssl, m));
	if (raw->sni != NULL)
		MUST(SSL_set_tlsext_host_name(m->ssl, raw->sni));
	if (raw->resume != NULL)
		MUST(SSL_set_session(m->ssl, raw->resume));
	if (raw->ask_staple)
		MUST(SSL_set_tlsext_status_type(m->ssl, TLSEXT_STATUSTYPE_ocsp));
}

static struct sst_tls_conf *
conf_of(struct meet *m, const struct sst_tls_settings *settings,
    const struct raw *raw)
{
	struct sst_tls_conf *conf = NULL;

	if (raw->conf != NULL)
		return sst_tls_conf_ref(raw->conf);
	MUST(sst_tls_conf_new(settings, &conf, &m->err) == 0);
	return conf;
}

static void
sockets_make(struct meet *m)
{
	memset(m, 0, sizeof(*m));
	signal(SIGPIPE, SIG_IGN);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
	    m->fd) == 0);
}

enum sst_step
meet_step(struct meet *m)
{
	if (m->step != SST_STEP_DONE && m->step != SST_STEP_FAILED &&
	    m->step != SST_STEP_WANT_VERDICT)
		m->step = sst_conn_handshake(m->conn, &m->err);
	return m->step;
}

/* Alternates until both are done, or neither can go on. */
static void
shake(struct meet *m)
{
	int ret = 0, why;

	m->step = SST_STEP_WANT_READ;
	for (int turn = 0; turn < 20; turn++) {
		if (!m->raw_done) {
			ERR_clear_error();
			ret = SSL_do_handshake(m->ssl);
			m->raw_done = ret == 1;
		}
		meet_step(m);
		why = m->raw_done ? SSL_ERROR_NONE : SSL_get_error(m->ssl, ret);
		if ((m->step == SST_STEP_DONE || m->step == SST_STEP_WANT_VERDICT) &&
		    m->raw_done)
			break;
		/* Once more, so that the other side sees the alert. */
		if (why != SSL_ERROR_NONE && why != SSL_ERROR_WANT_READ) {
			meet_step(m);
			break;
		}
		if (m->step == SST_STEP_FAILED && turn > 10)
			break;
	}
	/* A client of 1.3 is done before the server's alert can reach it. */
	if (m->step == SST_STEP_FAILED && m->raw_done) {
		char byte;

		(void)SSL_read(m->ssl, &byte, 1);
	}
	ERR_clear_error();
}

void
meet_server(struct meet *m, const struct sst_tls_settings *settings,
    const struct raw *raw)
{
	struct sst_tls_conf *conf;

	sockets_make(m);
	m->ctx = raw->ctx != NULL ? raw->ctx : raw_client_ctx(raw);
	if (raw->ctx != NULL)
		SSL_CTX_up_ref(raw->ctx);
	raw_attach(m, raw);
	SSL_set_connect_state(m->ssl);
	conf = conf_of(m, settings, raw);
	MUST(sst_conn_new_server(conf, m->fd[0], raw->local, &m->conn,
	    &m->err) == 0);
	sst_tls_conf_unref(conf);
	shake(m);
}

void
meet_client(struct meet *m, const struct sst_tls_settings *settings,
    const char *host, const struct sockaddr *peer, const struct raw *raw)
{
	struct sst_tls_conf *conf;

	sockets_make(m);
	m->ctx = raw_server_ctx(raw);
	raw_attach(m, raw);
	SSL_set_accept_state(m->ssl);
	conf = conf_of(m, settings, raw);
	MUST(sst_conn_new_client(conf, m->fd[0], host, peer, &m->conn,
	    &m->err) == 0);
	for (const char *const *name = raw->also; *name != NULL; name++)
		MUST(sst_conn_require(m->conn, *name, &m->err) == 0);
	if (raw->judge != NULL)
		MUST(sst_conn_judge_by(m->conn, raw->judge, &m->err) == 0);
	sst_tls_conf_unref(conf);
	shake(m);
}

void
meet_done(struct meet *m)
{
	sst_conn_free(m->conn);
	SSL_free(m->ssl);
	SSL_CTX_free(m->ctx);
	for (int i = 0; i < 2; i++)
		if (m->fd[i] >= 0)
			close(m->fd[i]);
	memset(m, 0, sizeof(*m));
	m->fd[0] = m->fd[1] = -1;
}

enum sst_step
meet_read_all(struct meet *m, char *buf, size_t size, size_t *ret_n)
{
	enum sst_step step;
	size_t n;

	*ret_n = 0;
	while ((step = sst_conn_read(m->conn, buf + *ret_n, size - *ret_n, &n,
	    &m->err)) == SST_STEP_DONE)
		*ret_n += n;
	return step;
}

void
meet_leaf(const struct meet *m, unsigned char out[32])
{
	X509 *leaf = SSL_get0_peer_certificate(m->ssl);

	memset(out, 0, 32);
	if (leaf != NULL)
		MUST(X509_digest(leaf, EVP_sha256(), out, NULL));
}

int
meet_got(const struct meet *m, const struct pki_cert *cert)
{
	unsigned char got[32], want[32];

	meet_leaf(m, got);
	pki_digest(cert, want);
	return memcmp(got, want, sizeof(got)) == 0;
}

void
meet_put(struct sst_store *store, const struct pki_cert *cert)
{
	struct sst_error err = { 0 };
	struct pki_buf pem = { 0 };

	pki_put_chain(&pem, cert);
	pki_put_key(&pem, cert);
	if (sst_store_add_bytes(store, pem.data, pem.len, &err) < 0) {
		fprintf(stderr, "store: %s\n", err.text);
		abort();
	}
	pki_buf_free(&pem);
}

struct sst_store *
meet_store(struct pki_cert *const *certs, size_t n)
{
	struct sst_store *store = NULL;
	struct sst_error err = { 0 };

	MUST(sst_store_new(NULL, &store, &err) == 0);
	for (size_t i = 0; i < n; i++)
		meet_put(store, certs[i]);
	return store;
}

struct sst_trust *
meet_trust(const struct pki_cert *a, const struct pki_cert *b)
{
	struct sst_trust *trust = NULL;
	struct pki_buf pem = { 0 };

	pki_put_cert(&pem, a);
	if (b != NULL)
		pki_put_cert(&pem, b);
	MUST(sst_trust_new(0, NULL, NULL, &trust, NULL) == 0);
	MUST(sst_trust_add(trust, pem.data, pem.len, NULL, NULL) == 0);
	pki_buf_free(&pem);
	return trust;
}
