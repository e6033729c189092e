/* SPDX-License-Identifier: ISC */
#include "peer.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/escape.h"
#include "base/ossl.h"

/* RFC 8446 B.2, with those of RFC 5246 that 1.2 still sends. */
static const struct {
	int		 number;
	const char	*name;
} alerts[] = {
	{ 0, "close_notify" },
	{ 10, "unexpected_message" },
	{ 20, "bad_record_mac" },
	{ 22, "record_overflow" },
	{ 40, "handshake_failure" },
	{ 42, "bad_certificate" },
	{ 43, "unsupported_certificate" },
	{ 44, "certificate_revoked" },
	{ 45, "certificate_expired" },
	{ 46, "certificate_unknown" },
	{ 47, "illegal_parameter" },
	{ 48, "unknown_ca" },
	{ 49, "access_denied" },
	{ 50, "decode_error" },
	{ 51, "decrypt_error" },
	{ 70, "protocol_version" },
	{ 71, "insufficient_security" },
	{ 80, "internal_error" },
	{ 86, "inappropriate_fallback" },
	{ 90, "user_canceled" },
	{ 100, "no_renegotiation" },
	{ 109, "missing_extension" },
	{ 110, "unsupported_extension" },
	{ 112, "unrecognized_name" },
	{ 113, "bad_certificate_status_response" },
	{ 115, "unknown_psk_identity" },
	{ 116, "certificate_required" },
	{ 120, "no_application_protocol" },
};

const char *
sst_alert_name(int alert)
{
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (alerts[i].number == alert)
			return alerts[i].name;
	return "unknown alert";
}

/* Appends `cert` as PEM if all of it fits with a NUL. 1, 0: no room, < 0. */
static int
pem_append(X509 *cert, char *buf, size_t size, size_t *used)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n = 0;
	int rc = -1;

	if (bio == NULL || !PEM_write_bio_X509(bio, cert))
		goto out;
	n = BIO_get_mem_data(bio, &text);
	if (n <= 0)
		goto out;
	rc = 0;
	if (*used + (size_t)n + 1 <= size) {
		memcpy(buf + *used, text, (size_t)n);
		*used += (size_t)n;
		rc = 1;
	}
out:
	BIO_free(bio);
	return rc;
}

int
sst_peer_chain(const SSL *ssl, char *buf, size_t size, size_t *ret_len,
    struct sst_error *err)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	size_t used = 0;
	int rc;

	if (leaf == NULL)
		return sst_fail(err, SST_E_NOT_FOUND, "the peer sent no certificate");
	ERR_clear_error();
	rc = pem_append(leaf, buf, size, &used);
	if (rc == 0)
		return sst_fail(err, SST_E_LIMIT,
		    "the peer's certificate does not fit %zu bytes", size);
	/* A client's view of the chain begins with the leaf, a server's not. */
	for (int i = SSL_is_server(ssl) ? 0 : 1;
	    rc == 1 && i < sk_X509_num(chain); i++)
		rc = pem_append(sk_X509_value(chain, i), buf, size, &used);
	if (rc < 0)
		return sst_fail_ossl(err, SST_E_NOMEM, "the peer's certificates");
	buf[used] = '\0';
	*ret_len = used + 1;
	return SST_OK;
}

int
sst_peer_identity(const SSL *ssl, char *buf, size_t size, size_t *ret_len,
    struct sst_error *err)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	BIO *bio = NULL;
	char line[2048];
	char *text = NULL;
	long n;
	int rc = SST_OK;

	if (leaf == NULL)
		return sst_fail(err, SST_E_NOT_FOUND, "the peer sent no certificate");
	ERR_clear_error();
	bio = BIO_new(BIO_s_mem());
	/* RFC 2253, bytes as they are: the escape below makes them printable. */
	if (bio == NULL || X509_NAME_print_ex(bio, X509_get_subject_name(leaf), 0,
	    XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB & ~ASN1_STRFLGS_ESC_CTRL) < 0) {
		rc = sst_fail_ossl(err, SST_E_NOMEM, "the peer's subject");
		goto out;
	}
	n = BIO_get_mem_data(bio, &text);
	sst_escape(line, sizeof(line), text, n > 0 ? (size_t)n : 0);
	if (strlen(line) + 1 > size) {
		rc = sst_fail(err, SST_E_LIMIT,
		    "the peer's subject does not fit %zu bytes", size);
		goto out;
	}
	memcpy(buf, line, strlen(line) + 1);
	*ret_len = strlen(line) + 1;
out:
	BIO_free(bio);
	return rc;
}
