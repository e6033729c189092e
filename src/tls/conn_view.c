/* SPDX-License-Identifier: ISC */
#include "conn.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <securesockets/certstore.h>

#include "base/fail.h"
#include "base/ossl.h"
#include "challenge.h"
#include "conn_inside.h"
#include "peer.h"

/* RFC 5705 4 wants "EXPORTER" for labels that no standard registers. */
static const char id_label[] = "EXPORTER-securesockets-id";

static const char no_tls[] = "the connection is plain";

int
sst_conn_is_plain(const struct sst_conn *conn)
{
	return conn->ssl == NULL;
}

size_t
sst_conn_pending(const struct sst_conn *conn)
{
	int n;

	if (conn->ssl == NULL)
		return 0;
	n = SSL_pending(conn->ssl);
	if (n > 0)
		return (size_t)n;
	return SSL_has_pending(conn->ssl) ? 1 : 0;
}

int
sst_conn_drained(const struct sst_conn *conn)
{
	return conn->drained && sst_conn_pending(conn) == 0;
}

void
sst_conn_heard(struct sst_conn *conn)
{
	conn->drained = 0;
}

uint16_t
sst_conn_version(const struct sst_conn *conn)
{
	return conn->ssl == NULL ? 0 : (uint16_t)SSL_version(conn->ssl);
}

const char *
sst_conn_cipher(const struct sst_conn *conn)
{
	const SSL_CIPHER *cipher = conn->ssl == NULL ? NULL :
	    SSL_get_current_cipher(conn->ssl);

	return cipher == NULL ? "" : SSL_CIPHER_standard_name(cipher);
}

int
sst_conn_resumed(const struct sst_conn *conn)
{
	return conn->ssl != NULL && SSL_session_reused(conn->ssl);
}

const char *
sst_conn_alpn(const struct sst_conn *conn, size_t *ret_len)
{
	const unsigned char *name = NULL;
	unsigned len = 0;

	if (conn->ssl != NULL)
		SSL_get0_alpn_selected(conn->ssl, &name, &len);
	*ret_len = len;
	return len == 0 ? "" : (const char *)name;
}

const struct sst_choice *
sst_conn_choice(const struct sst_conn *conn)
{
	return conn->sni.choice;
}

const char *
sst_conn_sni(const struct sst_conn *conn)
{
	return conn->sni.choice == NULL ? "" : sst_choice_name(conn->sni.choice);
}

int
sst_conn_was_challenge(const struct sst_conn *conn)
{
	return conn->ssl != NULL && sst_challenge_was(conn->ssl);
}

int
sst_conn_saw_hello(const struct sst_conn *conn)
{
	return conn->sni.saw_hello;
}

int
sst_conn_got_finished(const struct sst_conn *conn)
{
	return conn->got_finished;
}

int
sst_conn_peer_chain(const struct sst_conn *conn, char *buf, size_t size,
    size_t *ret_len, struct sst_error *err)
{
	if (conn->ssl == NULL)
		return sst_fail(err, SST_E_NOT_FOUND, "%s", no_tls);
	return sst_peer_chain(conn->ssl, buf, size, ret_len, err);
}

int
sst_conn_peer_identity(const struct sst_conn *conn, char *buf, size_t size,
    size_t *ret_len, struct sst_error *err)
{
	if (conn->ssl == NULL)
		return sst_fail(err, SST_E_NOT_FOUND, "%s", no_tls);
	return sst_peer_identity(conn->ssl, buf, size, ret_len, err);
}

int
sst_conn_id(const struct sst_conn *conn, char out[65], struct sst_error *err)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char raw[32];

	if (conn->ssl == NULL)
		return sst_fail(err, SST_E_STATE, "%s", no_tls);
	ERR_clear_error();
	if (SSL_export_keying_material(conn->ssl, raw, sizeof(raw), id_label,
	    sizeof(id_label) - 1, NULL, 0, 0) != 1)
		return sst_fail_ossl(err, SST_E_STATE, "no name for the connection");
	for (size_t i = 0; i < sizeof(raw); i++) {
		out[2 * i] = hex[raw[i] >> 4];
		out[2 * i + 1] = hex[raw[i] & 15];
	}
	out[64] = '\0';
	return SST_OK;
}
