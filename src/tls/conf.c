/* SPDX-License-Identifier: ISC */
#include "conf.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "alpn.h"
#include "base/ossl.h"
#include "ours.h"
#include "revoke.h"
#include "sni.h"
#include "staple.h"
#include "ticket_key.h"
#include "trust.h"
#include "verify.h"

#define KEPT 8

/* Forward secrecy always; OpenSSL's own list else. */
static const char ciphers[] = "DEFAULT:!kRSA:!PSK:!SRP";

struct sst_tls_conf {
	atomic_int	 refs;
	int		 server;
	uint16_t	 version_min, version_max;
	char		*alpn;		/* as given; NULL: none */
	uint8_t		*alpn_wire;
	size_t		 alpn_wire_len;
	struct sst_trust *trust;	/* client */
	struct sst_staples *staples;	/* server */
	struct sst_ours	*ours;		/* server */
	SSL_CTX		*ctx;
};

/* Clients' confs that were asked for last. mu guards both. */
static struct {
	pthread_mutex_t	 mu;
	struct sst_tls_conf *confs[KEPT];
	unsigned	 next;
} kept = { .mu = PTHREAD_MUTEX_INITIALIZER };

struct sst_tls_conf *
sst_tls_conf_ref(struct sst_tls_conf *conf)
{
	atomic_fetch_add_explicit(&conf->refs, 1, memory_order_relaxed);
	return conf;
}

void
sst_tls_conf_unref(struct sst_tls_conf *conf)
{
	if (conf == NULL || atomic_fetch_sub(&conf->refs, 1) != 1)
		return;
	SSL_CTX_free(conf->ctx);
	sst_staples_unref(conf->staples);
	sst_ours_unref(conf->ours);
	sst_trust_unref(conf->trust);
	free(conf->alpn_wire);
	free(conf->alpn);
	free(conf);
}

SSL_CTX *
sst_tls_conf_ctx(const struct sst_tls_conf *conf)
{
	return conf->ctx;
}

struct sst_trust *
sst_tls_conf_trust(const struct sst_tls_conf *conf)
{
	return conf->trust;
}

int
sst_tls_conf_is_server(const struct sst_tls_conf *conf)
{
	return conf->server;
}

/* The server's order decides (RFC 7301 3.2); no overlap is an alert. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	const struct sst_tls_conf *conf = arg;

	(void)ssl;
	*out = sst_alpn_pick(conf->alpn_wire, conf->alpn_wire_len, in, in_len,
	    out_len);
	return *out != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* What the program gave goes before what was fetched. */
static int
on_status_request(SSL *ssl, void *arg)
{
	const struct sst_tls_conf *conf = arg;
	int rc = SSL_TLSEXT_ERR_NOACK;

	if (conf->staples != NULL && !SSL_session_reused(ssl))
		rc = sst_staple_give(ssl, conf->staples);
	if (rc == SSL_TLSEXT_ERR_NOACK && conf->ours != NULL)
		rc = sst_ours_give(ssl, conf->ours);
	return rc;
}

static int
ctx_common(struct sst_tls_conf *conf)
{
	SSL_CTX *ctx = conf->ctx;

	SSL_CTX_set_security_level(ctx, SST_TLS_LEVEL);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
	/* A truncated stream must never read as its end (conn.h, 2). */
	SSL_CTX_clear_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	/* conn.c watches for peers that send records without data. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	return SSL_CTX_set_min_proto_version(ctx, conf->version_min) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, conf->version_max) == 1 &&
	    SSL_CTX_set_cipher_list(ctx, ciphers) == 1;
}

static int
ctx_server(struct sst_tls_conf *conf, const struct sst_tls_settings *s,
    struct sst_error *err)
{
	const struct sst_sni_config sni = { .store = s->store, .policy = s->policy,
	    .ours = s->ours, .rule = { .tickets = s->tickets, .alpn = conf->alpn_wire,
	    .alpn_len = conf->alpn_wire_len },
	    .life = s->session_life != 0 ? s->session_life : SST_TICKET_LIFE_S };

	SSL_CTX_set_options(conf->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE |
	    SSL_OP_PRIORITIZE_CHACHA);
	if (conf->alpn_wire != NULL)
		SSL_CTX_set_alpn_select_cb(conf->ctx, on_alpn, conf);
	if (s->staples != NULL)
		conf->staples = sst_staples_ref(s->staples);
	if (s->ours != NULL)
		conf->ours = sst_ours_ref(s->ours);
	if (s->staples != NULL || (s->ours != NULL && sst_ours_has_staples(s->ours))) {
		SSL_CTX_set_tlsext_status_cb(conf->ctx, on_status_request);
		SSL_CTX_set_tlsext_status_arg(conf->ctx, conf);
	}
	return sst_sni_attach(conf->ctx, &sni, err);
}

static int
ctx_client(struct sst_tls_conf *conf, struct sst_error *err)
{
	SSL_CTX *ctx = conf->ctx;

	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set1_cert_store(ctx, sst_trust_store(conf->trust));
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, sst_verify_chain, conf->trust);
	SSL_CTX_set_tlsext_status_cb(ctx, sst_revoke_on_staple);
	if (conf->alpn_wire != NULL && SSL_CTX_set_alpn_protos(ctx,
	    conf->alpn_wire, (unsigned)conf->alpn_wire_len) != 0)
		return sst_fail_ossl(err, SST_E_NOMEM, "ALPN list");
	return SST_OK;
}

static int
versions_set(struct sst_tls_conf *conf, const struct sst_tls_settings *s,
    struct sst_error *err)
{
	conf->version_min = s->version_min != 0 ? s->version_min : TLS1_2_VERSION;
	conf->version_max = s->version_max != 0 ? s->version_max : TLS1_3_VERSION;
	if (conf->version_min < TLS1_2_VERSION || conf->version_max > TLS1_3_VERSION)
		return sst_fail(err, SST_E_USAGE, "TLS versions are 1.2 (0x0303) "
		    "and 1.3 (0x0304), not 0x%04x to 0x%04x", conf->version_min,
		    conf->version_max);
	if (conf->version_min > conf->version_max)
		return sst_fail(err, SST_E_USAGE, "the lowest TLS version, 0x%04x, "
		    "is above the highest, 0x%04x", conf->version_min,
		    conf->version_max);
	return SST_OK;
}

void
sst_tls_begin(void)
{
	SSL_CTX_free(SSL_CTX_new(TLS_method()));
	/* whoever needs one is told then */
	ERR_clear_error();
}

static int
conf_build(struct sst_tls_conf *conf, const struct sst_tls_settings *s,
    struct sst_error *err)
{
	ERR_clear_error();
	conf->ctx = SSL_CTX_new(conf->server ? TLS_server_method() :
	    TLS_client_method());
	if (conf->ctx == NULL || !ctx_common(conf))
		return sst_fail_ossl(err, SST_E_NOMEM, "TLS settings");
	return conf->server ? ctx_server(conf, s, err) : ctx_client(conf, err);
}

/* A conf with everything but its SSL_CTX. */
static int
conf_describe(const struct sst_tls_settings *s, struct sst_tls_conf **ret_conf,
    struct sst_error *err)
{
	struct sst_tls_conf *conf = calloc(1, sizeof(*conf));
	int rc;

	if (conf == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	atomic_init(&conf->refs, 1);
	conf->server = s->server;
	rc = versions_set(conf, s, err);
	if (rc == SST_OK && s->alpn != NULL) {
		rc = sst_alpn_encode(s->alpn, &conf->alpn_wire,
		    &conf->alpn_wire_len, err);
		if (rc == SST_OK && (conf->alpn = strdup(s->alpn)) == NULL)
			rc = sst_fail(err, SST_E_NOMEM, "out of memory");
	}
	if (rc == SST_OK && !s->server) {
		if (s->trust != NULL)
			conf->trust = sst_trust_ref(s->trust);
		else
			rc = sst_trust_system(NULL, NULL, &conf->trust, err);
	}
	if (rc < 0) {
		sst_tls_conf_unref(conf);
		return rc;
	}
	*ret_conf = conf;
	return SST_OK;
}

static int
same_settings(const struct sst_tls_conf *a, const struct sst_tls_conf *b)
{
	return a->version_min == b->version_min &&
	    a->version_max == b->version_max && a->trust == b->trust &&
	    (a->alpn == NULL) == (b->alpn == NULL) &&
	    (a->alpn == NULL || strcmp(a->alpn, b->alpn) == 0);
}

static struct sst_tls_conf *
kept_find(const struct sst_tls_conf *like)
{
	struct sst_tls_conf *found = NULL;

	pthread_mutex_lock(&kept.mu);
	for (int i = 0; i < KEPT && found == NULL; i++)
		if (kept.confs[i] != NULL && same_settings(kept.confs[i], like))
			found = sst_tls_conf_ref(kept.confs[i]);
	pthread_mutex_unlock(&kept.mu);
	return found;
}

static void
kept_add(struct sst_tls_conf *conf)
{
	struct sst_tls_conf *old;

	pthread_mutex_lock(&kept.mu);
	old = kept.confs[kept.next];
	kept.confs[kept.next] = sst_tls_conf_ref(conf);
	kept.next = (kept.next + 1) % KEPT;
	pthread_mutex_unlock(&kept.mu);
	sst_tls_conf_unref(old);
}

int
sst_tls_conf_new(const struct sst_tls_settings *s, struct sst_tls_conf **ret_conf,
    struct sst_error *err)
{
	struct sst_tls_conf *conf = NULL;
	struct sst_tls_conf *old;
	int rc;

	if (s->server && s->store == NULL)
		return sst_fail(err, SST_E_USAGE, "a server without a store");
	rc = conf_describe(s, &conf, err);
	if (rc < 0)
		return rc;
	if (!conf->server) {
		sst_trust_freeze(conf->trust);
		old = kept_find(conf);
		if (old != NULL) {
			sst_tls_conf_unref(conf);
			*ret_conf = old;
			return SST_OK;
		}
	}
	rc = conf_build(conf, s, err);
	if (rc < 0) {
		sst_tls_conf_unref(conf);
		return rc;
	}
	if (!conf->server)
		kept_add(conf);
	*ret_conf = conf;
	return SST_OK;
}
