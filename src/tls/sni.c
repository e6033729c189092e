/* SPDX-License-Identifier: ISC */
#include "sni.h"

#include <openssl/err.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <securesockets/openssl.h>

#include "base/ossl.h"
#include "attach_serve.h"
#include "canary.h"
#include "certstore/dates.h"
#include "certstore/identity.h"
#include "challenge.h"
#include "hello.h"
#include "ours.h"
#include "ticket_key.h"

#define TICKET_HEAD	32	/* RFC 5077 4: name and vector. OpenSSL reads none shorter, */
#define NO_TICKETS	3	/* and from this security level on none below TLS 1.3 */

/* What one SSL_CTX serves; freed with it. */
struct attachment {
	struct sst_store	*store;
	struct sst_choose_policy policy;	/* deep copy */
	struct sst_ours		*ours;		/* or NULL */
	struct sst_ticket_rule	 rule;		/* its tickets are owned */
};

static pthread_once_t indexes_once = PTHREAD_ONCE_INIT;
static int ctx_index = -1;	/* struct attachment */
static int ssl_index = -1;	/* struct sst_sni */

static void
attachment_free(struct attachment *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; a->policy.names != NULL && i < a->policy.n_names; i++)
		free((char *)a->policy.names[i]);
	free((void *)a->policy.names);
	free((char *)a->policy.default_name);
	sst_store_unref(a->store);
	sst_tickets_unref(a->rule.tickets);
	sst_ours_unref(a->ours);
	free(a);
}

static void
ctx_data_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
    void *argp)
{
	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	attachment_free(ptr);
}

static void
ssl_data_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
    void *argp)
{
	struct sst_sni *state = ptr;

	(void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
	if (state == NULL || state->embedded)
		return;
	sst_sni_done(state);
	free(state);
}

static void
indexes_make(void)
{
	ctx_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, ctx_data_free);
	ssl_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, ssl_data_free);
}

static int
indexes_ready(void)
{
	return pthread_once(&indexes_once, indexes_make) == 0 && ctx_index >= 0 &&
	    ssl_index >= 0;
}

void
sst_sni_done(struct sst_sni *state)
{
	sst_choice_unref(state->choice);
	state->choice = NULL;
}

int
sst_sni_embed(SSL *ssl, struct sst_sni *state)
{
	state->embedded = 1;
	if (!indexes_ready() || SSL_set_ex_data(ssl, ssl_index, state) != 1)
		return SST_E_NOMEM;
	return SST_OK;
}

static struct sst_sni *
state_of(SSL *ssl)
{
	struct sst_sni *state = SSL_get_ex_data(ssl, ssl_index);

	if (state != NULL)
		return state;
	state = calloc(1, sizeof(*state));
	if (state != NULL && SSL_set_ex_data(ssl, ssl_index, state) != 1) {
		free(state);
		state = NULL;
	}
	return state;
}

/*
 * FNV-1a over the extension. It only tells a client that changed its mind
 * between two hellos; what is served was settled by the first, so somebody who
 * finds a collision wins nothing.
 */
static uint64_t
name_mark(const struct sst_hello *hello)
{
	uint64_t h = hello->has_server_name ? 14695981039346656037u : 0;

	for (size_t i = 0; i < hello->server_name_len; i++)
		h = (h ^ hello->server_name[i]) * 1099511628211u;
	return h;
}

/*
 * Whether the address the client reached can matter: it names none, or what
 * may be an IP literal. Otherwise the system call is saved.
 */
static int
local_matters(const struct sst_hello *hello)
{
	const uint8_t *p = hello->server_name;
	const size_t len = hello->server_name_len;

	if (!hello->has_server_name || len == 0)
		return 1;
	return (p[len - 1] >= '0' && p[len - 1] <= '9') ||
	    memchr(p, ':', len) != NULL;
}

static int
install(SSL *ssl, const struct sst_choice *choice)
{
	const size_t n = sst_choice_count(choice);

	for (size_t i = 0; i < n; i++) {
		struct sst_identity *id = sst_choice_identity(choice, i);

		/* References, no copies; the pair was checked at import. */
		if (SSL_use_cert_and_key(ssl, sst_identity_leaf(id),
		    sst_identity_key(id), sst_identity_chain(id), 1) != 1)
			return -1;
	}
	return 0;
}

/*
 * OpenSSL settles the version after the ClientHello callback, and until then it
 * turns missing_extension, which only 1.3 has, into handshake_failure. So that
 * alert waits for the servername callback, with no certificate installed; all
 * others are sent at once.
 */
static int
refuse(struct sst_sni *state, int alert)
{
	if (alert != SSL_AD_MISSING_EXTENSION)
		return SSL_CLIENT_HELLO_ERROR;
	state->late_alert = alert;
	return SSL_CLIENT_HELLO_SUCCESS;
}

/*
 * Whether what was chosen can wait until it is known whether a session is resumed:
 * OpenSSL 3.0 looks up a dozen names of key types to install it. Never in TLS 1.3, where
 * a suite is picked before that and the rest is much more work. Below, only where there
 * is a ticket, and sst_sni_late() will be called for it: that alone is sure to come
 * whatever callbacks the program has.
 */
static int
can_wait(SSL *ssl, const struct sst_sni *state, const struct sst_hello *hello)
{
	const unsigned char *ticket;
	size_t len;

	return hello->version < TLS1_3_VERSION && state->bond.tickets != NULL &&
	    SSL_get_security_level(ssl) < NO_TICKETS &&
	    SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_session_ticket, &ticket, &len) &&
	    len >= TICKET_HEAD;
}

/* What waited, where no session is resumed. */
static int
install_late(SSL *ssl, struct sst_sni *state)
{
	if (!state->late_install || SSL_session_reused(ssl))
		return 0;
	state->late_install = 0;
	return install(ssl, state->choice);
}

/* OpenSSL asks whether there is another secret than a session's, when there is none. */
static int
on_no_session(SSL *ssl, void *secret, int *len, STACK_OF(SSL_CIPHER) *theirs,
    const SSL_CIPHER **cipher, void *arg)
{
	struct sst_sni *state = SSL_get_ex_data(ssl, ssl_index);

	(void)secret, (void)len, (void)theirs, (void)cipher;
	/* a program that gave it another SSL_CTX gave it its certificates */
	if (state != NULL && arg == SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index) &&
	    install_late(ssl, state) < 0)
		ERR_clear_error();
	return 0;
}

/* Not before, and not for the next handshake of an SSL: where it is set OpenSSL looks at
 * no ticket. */
void
sst_sni_late(SSL *ssl)
{
	struct sst_sni *state = SSL_get_ex_data(ssl, ssl_index);

	if (state != NULL && state->late_install)
		state->late_asked = SSL_set_session_secret_cb(ssl, on_no_session,
		    SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), ctx_index)) == 1;
}

static void
forget_late(SSL *ssl, struct sst_sni *state)
{
	if (state->late_asked)
		(void)SSL_set_session_secret_cb(ssl, NULL, NULL);
	state->late_alert = state->late_install = state->late_asked = 0;
}

static int
install_when_wanted(SSL *ssl, struct sst_sni *state, const struct sst_hello *hello)
{
	state->late_install = can_wait(ssl, state, hello);
	return state->late_install ? 0 : install(ssl, state->choice);
}

static int
choose(SSL *ssl, struct attachment *a, struct sst_sni *state,
    struct sst_hello *hello, int *alert)
{
	struct sockaddr_storage local;
	socklen_t local_len = sizeof(local);
	int rc;

	if (hello->version == 0)	/* OpenSSL says protocol_version */
		return SSL_CLIENT_HELLO_SUCCESS;
	if (local_matters(hello)) {
		hello->local = state->local;
		if (hello->local == NULL && getsockname(SSL_get_rfd(ssl),
		    (struct sockaddr *)&local, &local_len) == 0)
			hello->local = (struct sockaddr *)&local;
	}
	state->name_mark = name_mark(hello);
	rc = sst_store_choose(a->store, &a->policy, hello, sst_dates_wall(),
	    &state->choice, NULL);
	if (rc == 1 && sst_ticket_bind(ssl, &a->rule, &a->policy, state->choice,
	    hello->local, &state->bond) &&
	    install_when_wanted(ssl, state, hello) == 0) {
		if (a->ours != NULL)
			sst_ours_serve(a->ours, state->choice);
		else
			sst_attach_served(ssl, state->choice);
		return SSL_CLIENT_HELLO_SUCCESS;
	}
	ERR_clear_error();
	*alert = rc == 0 ? sst_choice_alert(state->choice) : SSL_AD_INTERNAL_ERROR;
	return refuse(state, *alert);
}

static int
on_hello(SSL *ssl, int *alert, void *arg)
{
	struct sst_hello_room room;
	struct sst_hello hello;
	struct sst_sni *state = state_of(ssl);
	struct attachment *a = arg;
	int rc;

	*alert = SSL_AD_INTERNAL_ERROR;
	if (state == NULL)
		return SSL_CLIENT_HELLO_ERROR;
	/* Whatever SSL_new() copied, or an earlier handshake left. */
	if (SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST) == 1)
		SSL_certs_clear(ssl);
	*alert = sst_hello_read(ssl, &room, &hello);
	state->saw_hello = 1;
	forget_late(ssl, state);
	if (*alert != 0)
		return refuse(state, *alert);
	/*
	 * A suite is pending only in the second hello of a HelloRetryRequest (or
	 * of a renegotiation): SSL_clear() forgets it, so that a program which
	 * uses an SSL again gets a new choice.
	 */
	if (state->choice != NULL && SSL_get_pending_cipher(ssl) != NULL) {
		*alert = SSL_AD_ILLEGAL_PARAMETER;
		return name_mark(&hello) == state->name_mark &&
		    install(ssl, state->choice) == 0 ?
		    SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
	}
	sst_sni_done(state);
	state->bond.tickets = NULL;
	rc = sst_challenge_hello(ssl, a->store, &hello, alert);
	if (rc != 0)
		return rc > 0 ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
	return choose(ssl, a, state, &hello, alert);
}

/*
 * The session keeps the name only if this says OK (and the client gets its
 * confirmation). Called whether or not a name was sent, and when OpenSSL knows whether
 * a session is resumed.
 */
static int
on_servername(SSL *ssl, int *alert, void *arg)
{
	struct sst_sni *state = SSL_get_ex_data(ssl, ssl_index);
	enum sst_tier tier = SST_TIER_NONE;

	(void)arg;
	if (state != NULL && state->late_alert != 0) {
		*alert = state->late_alert;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (state != NULL && install_late(ssl, state) < 0) {
		ERR_clear_error();
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (state != NULL && state->choice != NULL)
		tier = sst_choice_tier(state->choice);
	return tier == SST_TIER_EXACT || tier == SST_TIER_WILDCARD ?
	    SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int
policy_copy(struct sst_choose_policy *to, const struct sst_choose_policy *from)
{
	char **names;

	if (from == NULL)
		return 0;
	to->strict = from->strict;
	to->refuse_expired = from->refuse_expired;
	to->refuse_revoked = from->refuse_revoked;
	to->refuse_unstapled = from->refuse_unstapled;
	if (from->default_name != NULL &&
	    (to->default_name = strdup(from->default_name)) == NULL)
		return -1;
	if (from->n_names == 0)
		return 0;
	names = calloc(from->n_names, sizeof(*names));
	to->names = (const char *const *)names;
	if (names == NULL)
		return -1;
	for (; to->n_names < from->n_names; to->n_names++) {
		names[to->n_names] = strdup(from->names[to->n_names]);
		if (names[to->n_names] == NULL)
			return -1;
	}
	return 0;
}

int
sst_sni_attach(SSL_CTX *ctx, const struct sst_sni_config *config, struct sst_error *err)
{
	struct attachment *a = NULL;
	int rc;

	if (!indexes_ready())
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (SSL_CTX_get_ex_data(ctx, ctx_index) != NULL)
		return sst_fail(err, SST_E_STATE,
		    "this SSL_CTX has a certificate store already");
	a = calloc(1, sizeof(*a));
	if (a == NULL || policy_copy(&a->policy, config->policy) < 0) {
		rc = sst_fail(err, SST_E_NOMEM, "out of memory");
		goto out;
	}
	a->store = sst_store_ref(config->store);
	if (config->ours != NULL)
		a->ours = sst_ours_ref(config->ours);
	a->rule = config->rule;
	if (a->rule.tickets != NULL)
		(void)sst_tickets_ref(a->rule.tickets);
	if (SSL_CTX_set_ex_data(ctx, ctx_index, a) != 1) {
		rc = sst_fail_ossl(err, SST_E_NOMEM, "cannot attach the store");
		goto out;
	}
	sst_canary_watch(a->store, ctx);
	SSL_CTX_set_client_hello_cb(ctx, on_hello, a);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_servername);
	SSL_CTX_set_tlsext_servername_arg(ctx, a);
	sst_ticket_attach(ctx, &a->rule, config->life);
	a = NULL;
	rc = SST_OK;
out:
	attachment_free(a);
	return rc;
}

int
sst_openssl_attach_store(SSL_CTX *ctx, struct sst_store *store,
    const struct sst_choose_policy *policy, struct sst_error *err)
{
	struct sst_sni_config config = { .store = store, .policy = policy,
	    .life = SST_TICKET_LIFE_S };
	int rc = SST_OK;

	if (ctx == NULL || store == NULL)
		return sst_fail(err, SST_E_USAGE, "no SSL_CTX or no store given");
	/* Processes that are forked from here on share them. */
	if ((SSL_CTX_get_options(ctx) & SSL_OP_NO_TICKET) == 0)
		rc = sst_tickets_new(NULL, 0, 0, &config.rule.tickets, err);
	if (rc == SST_OK)
		rc = sst_sni_attach(ctx, &config, err);
	sst_tickets_unref(config.rule.tickets);
	return rc;
}

int
sst_openssl_tickets(SSL_CTX *ctx, const struct sst_openssl_tickets *wish,
    struct sst_error *err)
{
	static const struct sst_openssl_tickets zero;
	const struct sst_openssl_tickets *w = wish != NULL ? wish : &zero;
	struct attachment *a = ctx != NULL && indexes_ready() ?
	    SSL_CTX_get_ex_data(ctx, ctx_index) : NULL;
	struct sst_tickets *tickets = NULL;
	int rc = SST_OK;

	if (a == NULL)
		return sst_fail(err, SST_E_STATE, "this SSL_CTX has no certificate store");
	if (w->lifetime > SST_TICKET_LIFE_MAX_S)
		return sst_fail(err, SST_E_USAGE, "a session lives for %d seconds at most, "
		    "not %u", SST_TICKET_LIFE_MAX_S, w->lifetime);
	if (!w->off)
		rc = sst_tickets_new(w->master, w->master_len, 0, &tickets, err);
	if (rc < 0)
		return rc;
	sst_tickets_unref(a->rule.tickets);
	a->rule.tickets = tickets;
	a->rule.with_peers = w->with_peers;
	sst_ticket_attach(ctx, &a->rule, w->lifetime != 0 ? w->lifetime :
	    SST_TICKET_LIFE_S);
	return SST_OK;
}

const struct sst_ticket_bond *
sst_sni_bond(const SSL *ssl)
{
	const struct sst_sni *state = SSL_get_ex_data(ssl, ssl_index);

	return state == NULL ? NULL : &state->bond;
}

struct sst_store *
sst_sni_store(SSL_CTX *ctx)
{
	const struct attachment *a = indexes_ready() ?
	    SSL_CTX_get_ex_data(ctx, ctx_index) : NULL;

	return a != NULL ? a->store : NULL;
}

int
sst_openssl_is_challenge(const SSL *ssl)
{
	return ssl != NULL && sst_challenge_was(ssl);
}

const struct sst_choice *
sst_openssl_choice(const SSL *ssl)
{
	const struct sst_sni *state;

	if (ssl == NULL || !indexes_ready())
		return NULL;
	state = SSL_get_ex_data(ssl, ssl_index);
	return state == NULL ? NULL : state->choice;
}
