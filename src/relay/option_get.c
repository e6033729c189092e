/* SPDX-License-Identifier: ISC */
#include "option.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>
#include <securesockets/certstore.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/option.h"
#include "base/ossl.h"
#include "certs.h"
#include "certstore/identity.h"
#include "core.h"
#include "door.h"
#include "fault.h"
#include "option_revoke.h"
#include "settings.h"
#include "supply.h"
#include "tls/conn.h"

#define TEXT_MAX	60000

static size_t
room(const struct sst_call *call)
{
	return call->head.c < 0 ? 0 : (size_t)call->head.c;
}

/* A text with its NUL, cut to what the caller has room for. */
static void
give_text(struct sst_call *call, const char *text)
{
	char cut[TEXT_MAX];
	size_t len = strnlen(text, sizeof(cut) - 1);

	if (text[0] == '\0' || room(call) == 0) {
		sst_call_answer(call, 0, NULL, 0, -1);
		return;
	}
	if (len > room(call) - 1)
		len = room(call) - 1;
	memcpy(cut, text, len);
	cut[len] = '\0';
	sst_call_answer(call, 0, cut, len + 1, -1);
}

static void
give_bytes(struct sst_call *call, const void *value, size_t len)
{
	sst_call_answer(call, 0, value, len < room(call) ? len : room(call), -1);
}

static void
give_int(struct sst_call *call, int v)
{
	give_bytes(call, &v, sizeof(v));
}

static void
give_u64(struct sst_call *call, uint64_t v)
{
	give_bytes(call, &v, sizeof(v));
}

/* A long where there is room for it. */
static void
give_seconds(struct sst_call *call, unsigned v)
{
	if (room(call) >= sizeof(uint64_t))
		give_u64(call, v);
	else
		give_int(call, (int)v);
}

static void
give_hostname(struct sst_call *call, const struct sst_record *r)
{
	if (r->kind == SST_SOCKNAME_ACCEPTED) {
		give_text(call, r->conn == NULL ? "" : sst_conn_sni(r->conn));
		return;
	}
	if (r->set->names.n > 0)
		give_text(call, r->set->names.list[0]);
	else if (r->set->remote != NULL && r->state != SST_REC_LISTENING)
		give_text(call, r->set->remote);
	else if (r->state == SST_REC_LISTENING)
		give_text(call, "");
	else
		sst_call_fail(call, EINVAL, "no name is set");
}

static void
give_alpn(struct sst_call *call, const struct sst_record *r)
{
	char text[256];
	const char *alpn;
	size_t len = 0;

	if (r->conn == NULL || r->state != SST_REC_OPEN || r->plain) {
		give_text(call, r->set->alpn == NULL ? "" : r->set->alpn);
		return;
	}
	alpn = sst_conn_alpn(r->conn, &len);
	if (len >= sizeof(text))
		len = sizeof(text) - 1;
	if (len > 0)
		memcpy(text, alpn, len);
	text[len] = '\0';
	give_text(call, text);
}

static void
give_policy(struct sst_call *call, const struct sst_record *r)
{
	char text[320];

	(void)snprintf(text, sizeof(text), "%s%s%s", r->set->strict ? "strict" : "lax",
	    r->set->default_name != NULL ? ",default=" : "",
	    r->set->default_name != NULL ? r->set->default_name : "");
	give_text(call, text);
}

struct listing {
	char	text[8000];
	size_t	len;
};

static int
list_source(void *arg, const struct sst_cert_source *s)
{
	struct listing *l = arg;
	char shown[300];
	int n;

	if (s->id == 0)
		return 0;
	n = snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%s: %s%s%s",
	    l->len > 0 ? "; " : "", s->path[0] == '\0' ? "bytes" :
	    sst_escape(shown, sizeof(shown), s->path, strlen(s->path)),
	    s->watched ? "watched" : "static", s->watched || s->why == NULL ? "" : ", ",
	    s->watched || s->why == NULL ? "" : s->why);
	if (n < 0 || (size_t)n >= sizeof(l->text) - l->len) {
		l->text[l->len] = '\0';
		return -1;
	}
	l->len += (size_t)n;
	return 0;
}

static void
give_decision(struct sst_call *call, const struct sst_record *r)
{
	const struct sst_choice *choice = r->conn == NULL ? NULL :
	    sst_conn_choice(r->conn);
	struct listing l = { .len = 0 };
	size_t n;

	if (choice != NULL) {
		n = sst_choice_text(choice, l.text, sizeof(l.text) / 2);
		l.len = n < sizeof(l.text) / 2 ? n : sizeof(l.text) / 2 - 1;
	}
	if (r->set->certs != NULL)
		(void)sst_certs_each(r->set->certs, list_source, &l);
	give_text(call, l.text);
}

static void
give_generation(struct sst_call *call, const struct sst_record *r)
{
	const struct sst_choice *choice = r->conn == NULL ? NULL :
	    sst_conn_choice(r->conn);

	if (choice != NULL)
		give_u64(call, sst_choice_generation(choice));
	else
		give_u64(call, r->set->certs == NULL ? 0 :
		    sst_store_generation(sst_certs_store(r->set->certs)));
}

static void
give_status(struct sst_call *call, const struct sst_record *r)
{
	struct sst_certs_numbers n = { .loaded = 0 };
	char text[200];

	if (r->set->certs != NULL)
		sst_certs_numbers(r->set->certs, sst_clock_wall(), &n);
	(void)snprintf(text, sizeof(text), "{\"schema\":1,\"loaded\":%lu,"
	    "\"refused\":%lu,\"pending\":%lu,\"expired\":%lu,\"loading\":%s}",
	    n.loaded, n.refused, n.staged, n.degraded,
	    sst_supply_pending(r) > 0 ? "true" : "false");
	give_text(call, text);
}

static void
give_id(struct sst_call *call, const struct sst_record *r)
{
	struct sst_error err = { 0 };
	char hex[65];
	uint64_t id;

	if (r->conn == NULL || r->state != SST_REC_OPEN || r->plain) {
		sst_call_fail(call, ENOTCONN, NULL);
		return;
	}
	if (sst_conn_id(r->conn, hex, &err) != SST_OK) {
		sst_call_fail(call, sst_fault_call(&err), err.text);
		return;
	}
	hex[16] = '\0';
	(void)sscanf(hex, "%16lx", (unsigned long *)&id);
	give_u64(call, id);
}

/* Own certificates, leaf first, as many whole ones as there is room for. */
static void
give_chain(struct sst_call *call, struct sst_identity *identity)
{
	STACK_OF(X509) *chain = sst_identity_chain(identity);
	BIO *bio = BIO_new(BIO_s_mem());
	size_t fits = 0;
	char *text = NULL;
	long len;

	if (bio == NULL || room(call) == 0) {
		BIO_free(bio);
		sst_call_fail(call, bio == NULL ? ENOMEM : EINVAL, NULL);
		return;
	}
	for (int i = -1; i < sk_X509_num(chain); i++) {
		if (!PEM_write_bio_X509(bio, i < 0 ? sst_identity_leaf(identity) :
		    sk_X509_value(chain, i)))
			break;
		len = BIO_get_mem_data(bio, &text);
		if (len < 0 || (size_t)len > room(call) - 1 || len > TEXT_MAX - 1)
			break;
		fits = (size_t)len;
	}
	(void)BIO_get_mem_data(bio, &text);
	if (fits == 0)
		sst_call_fail(call, EINVAL, "the buffer is too small for the leaf");
	else {
		char out[TEXT_MAX];

		memcpy(out, text, fits);
		out[fits] = '\0';
		sst_call_answer(call, 0, out, fits + 1, -1);
	}
	BIO_free(bio);
}

static void
give_own(struct sst_call *call, const struct sst_record *r)
{
	/* What any client of today can do. */
	static const uint16_t suites[] = { 0x1301, 0x1302, 0x1303 };
	static const uint16_t sigalgs[] = { 0x0403, 0x0503, 0x0603, 0x0804, 0x0805,
	    0x0806, 0x0807, 0x0808, 0x0809, 0x080a, 0x080b, 0x0401, 0x0501, 0x0601 };
	static const uint16_t groups[] = { 29, 23, 24, 25, 30 };
	const struct sst_hello hello = { .version = TLS_1_3,
	    .suites = suites, .n_suites = sizeof(suites) / sizeof(suites[0]),
	    .sigalgs = sigalgs, .n_sigalgs = sizeof(sigalgs) / sizeof(sigalgs[0]),
	    .groups = groups, .n_groups = sizeof(groups) / sizeof(groups[0]) };
	struct sst_choice *choice = NULL;

	if (r->conn != NULL && sst_conn_choice(r->conn) != NULL &&
	    sst_choice_count(sst_conn_choice(r->conn)) > 0) {
		give_chain(call, sst_choice_identity(sst_conn_choice(r->conn), 0));
		return;
	}
	if (r->set->certs == NULL || sst_store_choose(sst_certs_store(r->set->certs),
	    NULL, &hello, sst_clock_wall(), &choice, NULL) <= 0 ||
	    sst_choice_count(choice) == 0)
		sst_call_fail(call, ENODATA, "no certificate is the default");
	else
		give_chain(call, sst_choice_identity(choice, 0));
	sst_choice_unref(choice);
}

/* Texts of the peer; valid once connected. */
static void
give_peer(struct sst_call *call, const struct sst_record *r, int number)
{
	struct sst_error err = { 0 };
	char text[TEXT_MAX];
	size_t size = room(call) < sizeof(text) ? room(call) : sizeof(text);
	size_t len = 0;
	int rc;

	if (number == TLS_PEER_IDENTITY)
		rc = sst_conn_peer_identity(r->conn, text, size, &len, &err);
	else
		rc = sst_conn_peer_chain(r->conn, text, size, &len, &err);
	if (rc == SST_E_NOT_FOUND)
		sst_call_answer(call, 0, NULL, 0, -1);
	else if (rc != SST_OK)
		sst_call_fail(call, sst_fault_call(&err), err.text);
	else
		sst_call_answer(call, 0, text, len, -1);
}

static void
get_connected(struct sst_call *call, struct sst_record *r, int number)
{
	if (r->conn == NULL || r->state != SST_REC_OPEN) {
		sst_call_fail(call, ENOTCONN, NULL);
		return;
	}
	switch (number) {
	case TLS_VERSION_CONN:
		give_int(call, sst_conn_version(r->conn));
		break;
	case TLS_CHOSEN_CIPHER:
		give_text(call, sst_conn_cipher(r->conn));
		break;
	case TLS_RESUMED_SESSION:
		give_int(call, sst_conn_resumed(r->conn));
		break;
	default:
		give_peer(call, r, number);
		break;
	}
}

/* What was found about the peer: of the connection, or of the one that failed. */
static void
give_result(struct sst_call *call, const struct sst_record *r)
{
	const char *text = r->verdict == NULL ? "" : r->verdict;

	if (r->conn != NULL && r->state == SST_REC_OPEN)
		text = sst_conn_verdict(r->conn);
	give_text(call, text);
}

static void
give_revocation(struct sst_call *call, const struct sst_record *r, int number)
{
	char text[200];
	int v;

	if (number == TLS_REVOCATION_POLICY) {
		sst_revoke_get_policy(r->set, text, sizeof(text));
		give_text(call, text);
	} else if (sst_revoke_get_int(r->set, number, &v)) {
		give_int(call, v);
	} else {
		sst_call_fail(call, ENOPROTOOPT, "no such option");
	}
}

static void
get_any(struct sst_call *call, struct sst_record *r, int number)
{
	switch (number) {
	case TLS_REMOTE_HOSTNAME:
		if (r->set->remote == NULL)
			sst_call_fail(call, EINVAL, "no name is set");
		else
			give_text(call, r->set->remote);
		break;
	case TLS_HOSTNAME:
		give_hostname(call, r);
		break;
	case TLS_ALPN:
		give_alpn(call, r);
		break;
	case TLS_SNI_POLICY:
		give_policy(call, r);
		break;
	case TLS_VERSION_MIN:
		give_int(call, r->set->version_min != 0 ? r->set->version_min : TLS_1_2);
		break;
	case TLS_VERSION_MAX:
		give_int(call, r->set->version_max != 0 ? r->set->version_max : TLS_1_3);
		break;
	case TLS_HANDSHAKE_TIMEOUT:
		give_int(call, r->set->timeout_ms > 0 ? r->set->timeout_ms :
		    r->state == SST_REC_LISTENING ? 10000 : SST_TIMEOUT_CLIENT_MS);
		break;
	case TLS_KEY_PERMISSIONS:
		give_int(call, r->set->key_event);
		break;
	case TLS_START_PLAIN:
		give_int(call, r->set->start_plain);
		break;
	case TLS_SESSION_TTL:
		give_seconds(call, r->set->session_ttl);
		break;
	case TLS_SESSION_REUSE:
		give_int(call, !r->set->no_reuse && (r->state != SST_REC_OPEN ||
		    r->kind == SST_SOCKNAME_ACCEPTED));
		break;
	case TLS_ERROR:
		if (r->text == NULL)
			sst_call_fail(call, ENODATA, NULL);
		else
			give_text(call, r->text);
		break;
	case TLS_ID:
		give_id(call, r);
		break;
	case TLS_CERTIFICATE_CHAIN:
		give_own(call, r);
		break;
	case TLS_CERT_DECISION:
		give_decision(call, r);
		break;
	case TLS_CERT_GENERATION:
		give_generation(call, r);
		break;
	case TLS_CERTIFICATE_STATUS:
		give_status(call, r);
		break;
	case TLS_OCSP_RESULT:
		give_result(call, r);
		break;
	default:
		give_revocation(call, r, number);
		break;
	}
}

void
sst_option_get_tls(struct sst_call *call, struct sst_record *r)
{
	const struct sst_option *o = sst_option_find(call->head.b);

	if (o == NULL || (o->states & (SST_OPT_GET | SST_OPT_GET_CONN)) == 0)
		sst_call_fail(call, ENOPROTOOPT, "no such option, or it cannot be "
		    "read");
	else if ((o->states & SST_OPT_GET_CONN) != 0)
		get_connected(call, r, o->number);
	else
		get_any(call, r, o->number);
}
