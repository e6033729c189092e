/* SPDX-License-Identifier: ISC */
/*
 * Two things here are what OpenSSL 3.0 calls deprecated. With the other callback for a
 * ticket's keys it looks up HMAC, and SHA-256 for it, by name for each ticket, which is
 * more than the work on the ticket; and a digest's context is three allocations.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "ticket.h"

#include <netinet/in.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <string.h>

#include <securesockets/certstore.h>

#include "attach_serve.h"
#include "base/clock.h"
#include "certstore/choice.h"
#include "certstore/identity.h"
#include "sni.h"
#include "ticket_key.h"

#define IV_LEN	16

static pthread_once_t once = PTHREAD_ONCE_INIT;
/* Fetched once, since each look-up by name costs as much as the work; constant. */
static EVP_CIPHER *aes;
static EVP_MD *sha256;

static void
prepare(void)
{
	aes = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

static int
ready(void)
{
	return pthread_once(&once, prepare) == 0 && aes != NULL && sha256 != NULL;
}

/* What is to be digested; gathered, since many small updates cost more than the work. */
struct mix {
	SHA256_CTX	 md;
	size_t		 n;
	uint8_t		 buf[512];
};

static int
flush(struct mix *m)
{
	const size_t n = m->n;

	m->n = 0;
	return n == 0 || SHA256_Update(&m->md, m->buf, n) == 1;
}

/* Each piece with its length before it, so that none runs into the next. */
static int
put(struct mix *m, const void *bytes, size_t len)
{
	const uint32_t prefix = (uint32_t)len;

	if (sizeof(m->buf) - m->n < sizeof(prefix) && !flush(m))
		return 0;
	memcpy(m->buf + m->n, &prefix, sizeof(prefix));
	m->n += sizeof(prefix);
	if (len > sizeof(m->buf) - m->n)
		return flush(m) && SHA256_Update(&m->md, bytes, len) == 1;
	if (len > 0)
		memcpy(m->buf + m->n, bytes, len);
	m->n += len;
	return 1;
}

static int
put_number(struct mix *m, int v)
{
	return put(m, &v, sizeof(v));
}

/* The keys, not the certificates: a renewal that keeps its key keeps its sessions. */
static int
put_keys(struct mix *m, const struct sst_choice *choice)
{
	const size_t n = sst_choice_count(choice);
	const ASN1_BIT_STRING *bits;

	for (size_t i = 0; i < n; i++) {
		bits = X509_get0_pubkey_bitstr(
		    sst_identity_leaf(sst_choice_identity(choice, i)));
		if (bits == NULL || !put(m, bits->data, (size_t)bits->length))
			return 0;
	}
	return put_number(m, (int)n);
}

static int
put_policy(struct mix *m, const struct sst_choose_policy *p)
{
	return put_number(m, (p->strict != 0) | (p->refuse_expired != 0) << 1 |
	    (p->refuse_revoked != 0) << 2 | (p->refuse_unstapled != 0) << 3);
}

/* Where the name says it all the address is not looked at. */
static int
put_local(struct mix *m, const struct sst_ticket_facts *f)
{
	const struct sockaddr *local = f->local;

	if (local != NULL && sst_choice_tier(f->choice) == SST_TIER_IP) {
		if (local->sa_family == AF_INET)
			return put(m, &((const struct sockaddr_in *)
			    (const void *)local)->sin_addr, sizeof(struct in_addr));
		if (local->sa_family == AF_INET6)
			return put(m, &((const struct sockaddr_in6 *)
			    (const void *)local)->sin6_addr, sizeof(struct in6_addr));
	}
	return put(m, NULL, 0);
}

static int
put_names(struct mix *m, const STACK_OF(X509_NAME) *names)
{
	const int n = names == NULL ? 0 : sk_X509_NAME_num(names);
	const unsigned char *der;
	size_t len;

	for (int i = 0; i < n; i++)
		if (X509_NAME_get0_der(sk_X509_NAME_value(names, i), &der, &len) != 1 ||
		    !put(m, der, len))
			return 0;
	return put_number(m, n);
}

/* RFC 8701: a value that is drawn anew each time, and means nothing. */
static int
is_grease(const uint8_t *item, size_t len)
{
	return len == 2 && item[0] == item[1] && (item[0] & 0x0f) == 0x0a;
}

/* In the client's order; a list that does not parse is OpenSSL's to refuse. */
static int
put_offer(struct mix *m, const uint8_t *ext, size_t len)
{
	size_t at = 2, item;

	for (; at < len; at += 1 + item) {
		item = ext[at];
		if (item >= len - at)
			break;
		if (!is_grease(ext + at + 1, item) && !put(m, ext + at + 1, item))
			return 0;
	}
	return put(m, NULL, 0);
}

int
sst_ticket_digest(const struct sst_ticket_facts *f, uint8_t out[32])
{
	static const char label[] = "securesockets ticket 1";
	const char *name = sst_choice_name(f->choice);
	struct mix m;

	m.n = 0;
	return SHA256_Init(&m.md) == 1 &&
	    put(&m, label, sizeof(label)) && put(&m, name, strlen(name)) &&
	    put_number(&m, (int)sst_choice_tier(f->choice)) &&
	    put_number(&m, sst_choice_revoked(f->choice)) &&
	    put_local(&m, f) && put_keys(&m, f->choice) && put_policy(&m, f->policy) &&
	    put_number(&m, f->verify_mode) && put_number(&m, f->verify_depth) &&
	    put_names(&m, f->cas) && put(&m, f->ours, f->ours_len) &&
	    put_offer(&m, f->theirs, f->theirs_len) &&
	    flush(&m) && SHA256_Final(out, &m.md) == 1;
}

static int
cipher_set(EVP_CIPHER_CTX *cipher, HMAC_CTX *mac, const struct sst_ticket_keys *keys,
    const unsigned char *iv, int seal)
{
	return EVP_CipherInit_ex2(cipher, aes, keys->cipher, iv, seal, NULL) == 1 &&
	    HMAC_Init_ex(mac, keys->mac, sizeof(keys->mac), sha256, NULL) == 1;
}

/* Keys that nobody has: of a ticket that OpenSSL wants to send, and must not. */
static int
keys_of_nobody(unsigned char *name, struct sst_ticket_keys *keys)
{
	return RAND_bytes(name, SST_TICKET_NAME) == 1 &&
	    RAND_priv_bytes((unsigned char *)keys, sizeof(*keys)) == 1;
}

/* RFC 5077 4's name, vector and keys. `seal` 0: 0 is a full handshake. */
static int
on_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    HMAC_CTX *mac, int seal)
{
	const struct sst_ticket_bond *bond = sst_sni_bond(ssl);
	struct sst_tickets *by = bond != NULL ? bond->tickets : NULL;
	const time_t now = sst_clock_wall();
	struct sst_ticket_keys keys;
	int ok;

	if (!seal)
		sst_sni_late(ssl);
	if (!ready())
		return seal ? -1 : 0;
	/* Who asked for the certificate after the handshake has it in the session. */
	if (seal && by != NULL && !bond->with_peers &&
	    SSL_get0_peer_certificate(ssl) != NULL)
		by = NULL;
	if (seal)
		ok = RAND_bytes(iv, IV_LEN) == 1 && ((by != NULL &&
		    sst_tickets_seal(by, now, bond->digest, name, &keys)) ||
		    keys_of_nobody(name, &keys));
	else
		ok = by != NULL && sst_tickets_open(by, now, bond->digest, name, &keys);
	if (ok)
		ok = cipher_set(cipher, mac, &keys, iv, seal);
	OPENSSL_cleanse(&keys, sizeof(keys));
	return ok ? 1 : seal ? -1 : 0;
}

void
sst_ticket_attach(SSL_CTX *ctx, const struct sst_ticket_rule *rule, unsigned life)
{
	/* An id would need the session here, and one process. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_max_early_data(ctx, 0);
	if (rule->tickets == NULL) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		(void)SSL_CTX_set_num_tickets(ctx, 0);
		return;
	}
	SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
	(void)SSL_CTX_set_num_tickets(ctx, 1);
	(void)SSL_CTX_set_timeout(ctx, (long)life);
	/* the program's, if it had one, would go before */
	(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, NULL);
	(void)SSL_CTX_set_tlsext_ticket_key_cb(ctx, on_key);
	sst_tickets_life(rule->tickets, life);
}

static void
shut(SSL *ssl, struct sst_ticket_bond *bond)
{
	bond->shut = 1;
	bond->shut_option = (SSL_get_options(ssl) & SSL_OP_NO_TICKET) == 0;
	bond->had = SSL_get_num_tickets(ssl);
	SSL_set_options(ssl, SSL_OP_NO_TICKET);
	(void)SSL_set_num_tickets(ssl, 0);
}

/* An SSL that is used again has another client. */
static void
unshut(SSL *ssl, struct sst_ticket_bond *bond)
{
	if (bond->shut_option)
		SSL_clear_options(ssl, SSL_OP_NO_TICKET);
	(void)SSL_set_num_tickets(ssl, bond->had);
	bond->shut = 0;
}

static int
may_resume(const SSL *ssl, const struct sst_ticket_rule *rule,
    const struct sst_ticket_facts *f)
{
	const int peers = (f->verify_mode & SSL_VERIFY_PEER) != 0;

	return rule->tickets != NULL && (SSL_get_options(ssl) & SSL_OP_NO_TICKET) == 0 &&
	    !sst_choice_revoked(f->choice) && sst_tickets_alive(rule->tickets) &&
	    /* a ticket has no room for the chain that a checker wants to see again */
	    (!peers || (rule->with_peers && !sst_attach_judges(ssl)));
}

/* By itself, in spite of what was set here: then those are bound as well. */
static int
keeps_sessions(SSL_CTX *ctx)
{
	return SSL_CTX_get_session_cache_mode(ctx) != SSL_SESS_CACHE_OFF ||
	    SSL_CTX_sess_get_get_cb(ctx) != NULL;
}

static int
bind_to(SSL *ssl, const struct sst_ticket_facts *f, uint8_t digest[32])
{
	return sst_ticket_digest(f, digest) &&
	    SSL_set_session_id_context(ssl, digest, 32) == 1;
}

int
sst_ticket_bind(SSL *ssl, const struct sst_ticket_rule *rule,
    const struct sst_choose_policy *policy, const struct sst_choice *choice,
    const struct sockaddr *local, struct sst_ticket_bond *bond)
{
	struct sst_ticket_facts f = { .choice = choice, .policy = policy, .local = local,
	    .verify_mode = SSL_get_verify_mode(ssl), .ours = rule->alpn,
	    .ours_len = rule->alpn_len };
	int may;

	bond->tickets = NULL;
	bond->with_peers = rule->with_peers;
	if (bond->shut)
		unshut(ssl, bond);
	may = may_resume(ssl, rule, &f);
	if (may || keeps_sessions(SSL_get_SSL_CTX(ssl))) {
		if ((f.verify_mode & SSL_VERIFY_PEER) != 0) {
			f.verify_depth = SSL_get_verify_depth(ssl);
			f.cas = SSL_get_client_CA_list(ssl);
		}
		(void)SSL_client_hello_get0_ext(ssl,
		    TLSEXT_TYPE_application_layer_protocol_negotiation, &f.theirs,
		    &f.theirs_len);
		if (!bind_to(ssl, &f, bond->digest))
			return 0;
	}
	if (may)
		bond->tickets = rule->tickets;
	else
		shut(ssl, bond);
	return 1;
}
