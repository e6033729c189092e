/* SPDX-License-Identifier: ISC */
#include "conn.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "base/fail.h"
#include "base/ossl.h"
#include "conf.h"
#include "conn_inside.h"
#include "peer.h"
#include "plain.h"
#include "trust.h"
#include "verify.h"

/*
 * Bytes that a peer may send in records without data (tickets, KeyUpdates,
 * empty ones) before the next data. Nobody honest comes near it; without a
 * limit one peer could hold the loop for as long as such records keep coming.
 */
#define NO_DATA_MAX 65536

static void
address_copy(union sst_inet *to, const struct sockaddr *from)
{
	if (from->sa_family == AF_INET)
		memcpy(&to->v4, from, sizeof(to->v4));
	else
		memcpy(&to->v6, from, sizeof(to->v6));
}

/* After each read of the socket: one that brought less than it could emptied it. */
static long
note_read(BIO *bio, int oper, const char *bytes, size_t len, int argi, long argl,
    int ret, size_t *done)
{
	struct sst_conn *conn = (struct sst_conn *)(void *)BIO_get_callback_arg(bio);

	(void)bytes, (void)argi, (void)argl;
	if (oper == (BIO_CB_READ | BIO_CB_RETURN))
		conn->drained = ret <= 0 || done == NULL || *done < len;
	return ret;
}

/* Takes TLS off again, when it did not come to a handshake. */
static void
detach(struct sst_conn *conn)
{
	const int fd = conn->fd;

	sst_revoked_done(&conn->revoked);
	SSL_free(conn->ssl);
	sst_sni_done(&conn->sni);
	sst_rule_free(conn->rule);
	sst_tls_conf_unref(conn->conf);
	memset(conn, 0, sizeof(*conn));
	conn->fd = fd;
}

static int
attach(struct sst_conn *conn, struct sst_tls_conf *conf, int server,
    struct sst_error *err)
{
	if (conn->ssl != NULL)
		return sst_fail(err, SST_E_STATE, "the connection is TLS already");
	if (sst_tls_conf_is_server(conf) != server)
		return sst_fail(err, SST_E_USAGE, "these settings are a %s's",
		    server ? "client" : "server");
	ERR_clear_error();
	conn->drained = 0;
	conn->conf = sst_tls_conf_ref(conf);
	conn->ssl = SSL_new(sst_tls_conf_ctx(conf));
	if (conn->ssl == NULL || !SSL_set_fd(conn->ssl, conn->fd)) {
		detach(conn);
		return sst_fail_ossl(err, SST_E_NOMEM, "TLS connection");
	}
	BIO_set_callback_arg(SSL_get_rbio(conn->ssl), (char *)conn);
	BIO_set_callback_ex(SSL_get_rbio(conn->ssl), note_read);
	return SST_OK;
}

/* The handshake reads these bytes before those of the socket. */
static int
put_early(struct sst_conn *conn, const void *bytes, size_t len,
    struct sst_error *err)
{
	BIO *bio;

	if (len == 0)
		return SST_OK;
	bio = BIO_new(BIO_s_mem());
	if (len > INT_MAX || bio == NULL ||
	    BIO_write(bio, bytes, (int)len) != (int)len) {
		BIO_free(bio);
		return sst_fail_ossl(err, SST_E_NOMEM, "bytes of the ClientHello");
	}
	SSL_set0_rbio(conn->ssl, bio);
	conn->early = 1;
	return SST_OK;
}

/* 1: they are all taken, and from now on the socket is read. */
static int
leave_early(struct sst_conn *conn)
{
	BIO *socket = SSL_get_wbio(conn->ssl);

	if (!conn->early || BIO_pending(SSL_get_rbio(conn->ssl)) > 0)
		return 0;
	(void)BIO_up_ref(socket);
	SSL_set0_rbio(conn->ssl, socket);
	conn->early = 0;
	return 1;
}

int
sst_conn_new_plain(int fd, struct sst_conn **ret_conn, struct sst_error *err)
{
	struct sst_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	conn->fd = fd;
	*ret_conn = conn;
	return SST_OK;
}

int
sst_conn_upgrade_client(struct sst_conn *conn, struct sst_tls_conf *conf,
    const char *host, const struct sockaddr *peer, struct sst_error *err)
{
	int rc = attach(conn, conf, 0, err);

	if (rc < 0)
		return rc;
	rc = sst_trust_check(sst_tls_conf_trust(conf), err);
	if (rc == SST_OK)
		rc = sst_rule_new(conn->ssl, host, peer, &conn->rule, err);
	if (rc < 0) {
		detach(conn);
		return rc;
	}
	SSL_set_connect_state(conn->ssl);
	return SST_OK;
}

int
sst_conn_upgrade_server(struct sst_conn *conn, struct sst_tls_conf *conf,
    const struct sockaddr *local, const void *early, size_t len,
    struct sst_error *err)
{
	int rc = attach(conn, conf, 1, err);

	if (rc < 0)
		return rc;
	if (local != NULL &&
	    (local->sa_family == AF_INET || local->sa_family == AF_INET6)) {
		address_copy(&conn->local, local);
		conn->sni.local = &conn->local.any;
	}
	rc = sst_sni_embed(conn->ssl, &conn->sni);
	if (rc < 0)
		rc = sst_fail(err, rc, "out of memory");
	else
		rc = put_early(conn, early, len, err);
	if (rc < 0) {
		detach(conn);
		return rc;
	}
	SSL_set_accept_state(conn->ssl);
	return SST_OK;
}

int
sst_conn_new_client(struct sst_tls_conf *conf, int fd, const char *host,
    const struct sockaddr *peer, struct sst_conn **ret_conn, struct sst_error *err)
{
	struct sst_conn *conn = NULL;
	int rc = sst_conn_new_plain(fd, &conn, err);

	if (rc == SST_OK)
		rc = sst_conn_upgrade_client(conn, conf, host, peer, err);
	if (rc < 0) {
		sst_conn_free(conn);
		return rc;
	}
	*ret_conn = conn;
	return SST_OK;
}

int
sst_conn_new_server(struct sst_tls_conf *conf, int fd, const struct sockaddr *local,
    struct sst_conn **ret_conn, struct sst_error *err)
{
	struct sst_conn *conn = NULL;
	int rc = sst_conn_new_plain(fd, &conn, err);

	if (rc == SST_OK)
		rc = sst_conn_upgrade_server(conn, conf, local, NULL, 0, err);
	if (rc < 0) {
		sst_conn_free(conn);
		return rc;
	}
	*ret_conn = conn;
	return SST_OK;
}

int
sst_conn_require(struct sst_conn *conn, const char *name, struct sst_error *err)
{
	if (conn->rule == NULL)
		return sst_fail(err, SST_E_STATE, "only a client asks for names");
	return sst_rule_require(conn->rule, name, err);
}

void
sst_conn_free(struct sst_conn *conn)
{
	if (conn == NULL)
		return;
	detach(conn);
	free(conn);
}

/* Fails with `fmt`, the host of a client's connection before it. */
static enum sst_step failed(const struct sst_conn *, struct sst_error *, int code,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static enum sst_step
failed(const struct sst_conn *conn, struct sst_error *err, int code,
    const char *fmt, ...)
{
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (conn->rule != NULL)
		sst_fail(err, code, "%s: %s", sst_rule_host(conn->rule), text);
	else
		sst_fail(err, code, "%s", text);
	return SST_STEP_FAILED;
}

static enum sst_step
failed_errno(const struct sst_conn *conn, struct sst_error *err, int sys_errno)
{
	if (sys_errno == 0)
		return failed(conn, err, SST_E_PEER,
		    "the peer closed the connection without a close_notify");
	if (sys_errno == ECONNRESET || sys_errno == EPIPE)
		return failed(conn, err, SST_E_PEER, "the peer reset the connection");
	sst_fail_errno(err, sys_errno, "%s", conn->rule != NULL ?
	    sst_rule_host(conn->rule) : "connection");
	return SST_STEP_FAILED;
}

/* The hook refused the ClientHello: the choice says why. */
static enum sst_step
failed_choice(const struct sst_conn *conn, struct sst_error *err)
{
	const struct sst_choice *choice = conn->sni.choice;
	char text[400];

	if (choice == NULL || sst_choice_alert(choice) == 0)
		return failed(conn, err, SST_E_TLS,
		    "the ClientHello was refused before a certificate was chosen");
	sst_choice_text(choice, text, sizeof(text));
	return failed(conn, err, SST_E_REFUSED, "sent the alert %s: %s",
	    sst_alert_name(sst_choice_alert(choice)), text);
}

/* What the queue's last entry means; it is what OpenSSL failed with. */
static enum sst_step
failed_ssl(const struct sst_conn *conn, struct sst_error *err)
{
	const unsigned long last = ERR_peek_last_error();
	const int reason = ERR_GET_REASON(last);
	const char *text = ERR_reason_error_string(last);

	if (ERR_GET_LIB(last) != ERR_LIB_SSL)
		return failed(conn, err, SST_E_TLS, "%s",
		    text != NULL ? text : "the TLS engine failed");
	if (reason > SSL_AD_REASON_OFFSET && reason <= SSL_AD_REASON_OFFSET + 255)
		return failed(conn, err, SST_E_TLS, "the peer sent the alert %s",
		    sst_alert_name(reason - SSL_AD_REASON_OFFSET));
	switch (reason) {
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return failed_errno(conn, err, 0);
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		if (conn->rule != NULL && sst_rule_refusal(conn->rule) != NULL)
			return failed(conn, err, SST_E_REFUSED, "%s",
			    sst_rule_refusal(conn->rule));
		break;
	case SSL_R_INVALID_STATUS_RESPONSE:
		return failed(conn, err, SST_E_REFUSED,
		    "the peer's staple is no OCSP response");
	case SSL_R_CALLBACK_FAILED:
		return failed_choice(conn, err);
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return failed(conn, err, SST_E_TLS, "the client spoke plain HTTP");
	case SSL_R_WRONG_VERSION_NUMBER:
		return failed(conn, err, SST_E_TLS, "the peer does not speak TLS");
	default:
		break;
	}
	return failed(conn, err, SST_E_TLS, "%s",
	    text != NULL ? text : "the peer broke the protocol");
}

/*
 * What a call that returned `ret` came to. `sys_errno` is errno as the call
 * left it.
 */
static enum sst_step
outcome(struct sst_conn *conn, int ret, int sys_errno, struct sst_error *err)
{
	enum sst_step step;

	switch (SSL_get_error(conn->ssl, ret)) {
	case SSL_ERROR_NONE:
		return SST_STEP_DONE;
	case SSL_ERROR_WANT_READ:
		return SST_STEP_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return SST_STEP_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return SST_STEP_END;
	case SSL_ERROR_SYSCALL:
		step = failed_errno(conn, err, sys_errno);
		break;
	default:
		step = failed_ssl(conn, err);
		break;
	}
	ERR_clear_error();
	return step;
}

/*
 * Of something that was to be sent. Once the peer's close_notify is in, OpenSSL
 * says ZERO_RETURN of a write that failed for good (RFC 8446 6.1: the other
 * direction stays open, so this is no end of ours).
 */
static enum sst_step
outcome_sent(struct sst_conn *conn, int ret, int sys_errno, struct sst_error *err)
{
	enum sst_step step = outcome(conn, ret, sys_errno, err);

	return step == SST_STEP_END ? failed_errno(conn, err, sys_errno) : step;
}

/* A client looks again at what OpenSSL should have insisted on. */
static enum sst_step
verified(struct sst_conn *conn, struct sst_error *err)
{
	const X509 *leaf = SSL_get0_peer_certificate(conn->ssl);

	if (leaf == NULL || SSL_get_verify_result(conn->ssl) != X509_V_OK ||
	    !sst_trust_allows(sst_tls_conf_trust(conn->conf), leaf))
		return failed(conn, err, SST_E_REFUSED,
		    "the certificate was refused");
	conn->verified = 1;
	return SST_STEP_DONE;
}

/* What the judge says of a handshake that is over. */
static enum sst_step
judged(struct sst_conn *conn, struct sst_error *err)
{
	struct sst_error inner = { 0 };
	int rc = sst_revoked_now(&conn->revoked, conn->ssl, &inner);

	if (rc < 0)
		return failed(conn, err, rc, "%s", inner.text);
	return rc == 0 ? SST_STEP_WANT_VERDICT : SST_STEP_DONE;
}

enum sst_step
sst_conn_handshake(struct sst_conn *conn, struct sst_error *err)
{
	enum sst_step step;
	char byte;
	int ret;

	if (conn->ssl == NULL)
		return SST_STEP_DONE;
	do {
		ERR_clear_error();
		errno = 0;
		ret = SSL_do_handshake(conn->ssl);
		step = outcome(conn, ret, errno, err);
	} while (step == SST_STEP_WANT_READ && leave_early(conn));
	if (step != SST_STEP_FAILED &&
	    SSL_get_peer_finished(conn->ssl, &byte, sizeof(byte)) > 0)
		conn->got_finished = 1;
	if (step == SST_STEP_END)
		return failed(conn, err, SST_E_PEER,
		    "the peer closed the connection in the handshake");
	if (step == SST_STEP_DONE && conn->rule != NULL && !conn->verified)
		step = verified(conn, err);
	if (step == SST_STEP_DONE && sst_conn_was_challenge(conn))
		step = failed(conn, err, SST_E_REFUSED,
		    "an ACME challenge was answered: the connection is over");
	if (step == SST_STEP_DONE)
		step = judged(conn, err);
	if (step == SST_STEP_DONE)
		conn->data_mark = BIO_number_read(SSL_get_rbio(conn->ssl));
	return step;
}

enum sst_step
sst_conn_read(struct sst_conn *conn, void *buf, size_t size, size_t *ret_n,
    struct sst_error *err)
{
	enum sst_step step;
	uint64_t received;
	int ret, sys_errno;

	if (conn->ssl == NULL)
		return sst_plain_read(conn->fd, buf, size, ret_n, &conn->drained, err);
	do {
		ERR_clear_error();
		errno = 0;
		ret = SSL_read_ex(conn->ssl, buf, size, ret_n);
		sys_errno = errno;
		received = BIO_number_read(SSL_get_rbio(conn->ssl));
		if (ret == 1) {
			conn->data_mark = received;
			return SST_STEP_DONE;
		}
		step = outcome(conn, ret, sys_errno, err);
		if (step != SST_STEP_WANT_READ)
			return step;
		if (received - conn->data_mark > NO_DATA_MAX)
			return failed(conn, err, SST_E_TLS,
			    "the peer sent %llu bytes of records without data",
			    (unsigned long long)(received - conn->data_mark));
		/*
		 * Without AUTO_RETRY this is also said after a record that held
		 * no data. Only the socket knows whether it is empty.
		 */
	} while (sys_errno != EAGAIN && sys_errno != EWOULDBLOCK);
	return SST_STEP_WANT_READ;
}

enum sst_step
sst_conn_write(struct sst_conn *conn, const void *buf, size_t len, size_t *ret_n,
    struct sst_error *err)
{
	enum sst_step step;
	int ret;

	if (conn->ssl == NULL)
		return sst_plain_write(conn->fd, buf, len, ret_n, err);
	ERR_clear_error();
	errno = 0;
	ret = SSL_write_ex(conn->ssl, buf, len, ret_n);
	if (ret == 1) {
		conn->writing = 0;
		return SST_STEP_DONE;
	}
	step = outcome_sent(conn, ret, errno, err);
	conn->writing = step == SST_STEP_WANT_READ || step == SST_STEP_WANT_WRITE;
	return step;
}

enum sst_step
sst_conn_close_notify(struct sst_conn *conn, struct sst_error *err)
{
	enum sst_step step;
	int ret;

	/* OpenSSL would begin to wait for the peer's. */
	if (conn->closed || conn->ssl == NULL)
		return SST_STEP_DONE;
	if (conn->writing)
		return failed(conn, err, SST_E_STATE,
		    "a write is not finished: close_notify would overtake it");
	ERR_clear_error();
	errno = 0;
	ret = SSL_shutdown(conn->ssl);
	/* 0: ours is out, the peer's is not in; nobody waits for that. */
	step = ret >= 0 ? SST_STEP_DONE : outcome_sent(conn, ret, errno, err);
	conn->closed = step == SST_STEP_DONE;
	return step;
}
