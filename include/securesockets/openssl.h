/* SPDX-License-Identifier: ISC */
/*
 * openssl - attaches a certificate store, or a revocation checker, to a program's
 * own SSL_CTX.
 *
 * A store, for servers:
 *
 *	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
 *	struct sst_store *store = NULL;
 *	struct sst_error err = { 0 };
 *
 *	if (sst_store_new(NULL, &store, &err) < 0 ||
 *	    sst_store_add(store, "/etc/letsencrypt/live", &err) < 0 ||
 *	    sst_openssl_attach_store(ctx, store, NULL, &err) < 0)
 *		errx(1, "%s", err.text);
 *	sst_store_unref(store);
 *
 * From then on every SSL that SSL_new(ctx) makes serves the certificate of the
 * name that its client asks for. The store may change at any time: the next
 * ClientHello is answered from the new set, a handshake under way keeps its own.
 *
 * What it takes of the SSL_CTX, and what the program must leave alone:
 *   - SSL_CTX_set_client_hello_cb(): the choice is made there.
 *   - SSL_CTX_set_tlsext_servername_callback() and its argument: it confirms
 *     the name, without which SSL_get_servername() is silent on some paths. Below
 *     TLS 1.3 who shows a ticket has no certificate before it is called.
 *   - SSL_CTX_set_tlsext_ticket_key_cb() and SSL_CTX_set_tlsext_ticket_key_evp_cb(),
 *     SSL_CTX_set_num_tickets(1), SSL_CTX_set_timeout() and SSL_SESS_CACHE_OFF:
 *     sessions are resumed from tickets (below), from nothing else, and without
 *     early data. An SSL_CTX with SSL_OP_NO_TICKET stays without.
 *   - SSL_set_session_id_context() of each SSL: the digest below. And of one that is
 *     shown a ticket below TLS 1.3 SSL_set_session_secret_cb(): where the ticket is of
 *     no use, what was chosen is installed there.
 *   - The certificates of the SSL_CTX itself are never served.
 * It does not touch versions, cipher suites, groups, the verification of
 * clients, ALPN, the cert_cb slot, app_data.
 *
 * Sessions of a server that has a store. A resumed session skips the choice and the
 * verification of clients, and OpenSSL binds a ticket to no name. So each is bound to a
 * digest of the name as asked for, the public keys of the certificates that were chosen,
 * the policy, the client's ALPN list, and what is demanded of clients (the mode and
 * depth of SSL_set_verify() and the list of CAs). Where it is another one, say because a
 * renewal brought a new key, the handshake is a full one; a renewal that keeps its key
 * keeps its sessions. Below TLS 1.3 a session that is resumed from its ticket has no
 * certificate of the server: SSL_get_certificate() may be NULL, and
 * sst_openssl_choice() says what was chosen. Who is shown a revoked certificate
 * resumes nothing. One ticket is issued in a full handshake and none in a resumed one;
 * it is good for 24 hours. Its keys change every 12 hours, without a message between
 * processes that were forked after the store was attached; sst_openssl_tickets() shares
 * them further. Where clients are asked for certificates (SSL_VERIFY_PEER) tickets are
 * off until the program asks for them there.
 *
 * A checker, for clients, and for servers that ask for certificates:
 *
 *	struct sst_checker *checker = NULL;
 *
 *	if (sst_checker_new(NULL, &checker, &err) < 0 ||
 *	    sst_openssl_attach_checker(ctx, checker, NULL, &err) < 0)
 *		errx(1, "%s", err.text);
 *	...
 *	if (SSL_connect(ssl) != 1 || sst_openssl_judge(ssl, &err) < 0)
 *		... err.text says which certificate was refused and why
 *
 * The program verifies chain and name as ever (SSL_VERIFY_PEER, SSL_set1_host());
 * what is judged is the chain that OpenSSL verified. sst_openssl_judge() after the
 * handshake and before the first byte is what decides: it sees resumed sessions,
 * which OpenSSL verifies no more, clients of a server, and connections whose hook
 * the program took away. The hook in a client's handshake refuses the same peer
 * earlier, with an alert, and before anything else is sent.
 *
 * What it takes of the SSL_CTX, and what the program must leave alone:
 *   - SSL_CTX_set_tlsext_status_cb(): the hook. A callback that was set before is
 *     called as well: in a server instead of the hook, in a client when the hook
 *     has accepted. Its argument stays its own.
 *   - SSL_CTX_set_tlsext_status_type(): a client asks for a staple.
 *   - An index of ex_data of SSL_CTX, of SSL and of SSL_SESSION each: the chain is
 *     kept with its session, in this process.
 * In a server that has a store, too, and no callback of its own, the hook shows staples
 * to clients that ask: of the certificate that was chosen, out of the cache, or fetched
 * where the mode allows it, in which case the first client's handshake BLOCKS for it.
 * What was chosen is watched from then on, at any client's handshake: a certificate of
 * the store that the checker knows to be revoked is served only where nothing else has
 * the name.
 * It does not touch the verification of chains and names, the session cache,
 * app_data, and tickets but where SSL_VERIFY_PEER is set: a server that has a store,
 * too, issues none there. With the policy SST_REVOCATION_OFF it takes nothing.
 *
 * Always true:
 *   1. A client is shown a certificate that sst_store_choose() chose, or the
 *      alert that it named.
 *   2. An ACME server that validates by tls-alpn-01 (RFC 8737: ALPN acme-tls/1 and
 *      nothing else) is answered from the store, and the connection closed: after
 *      SSL_accept() the program reads the end, sst_openssl_is_challenge() says why,
 *      and none of its callbacks is called for it. Whoever else offers acme-tls/1 is
 *      refused with no_application_protocol.
 *   3. The choice is made once a connection, also over a HelloRetryRequest; a
 *      second ClientHello with another server_name is illegal_parameter.
 *   4. Attaching a checker opens nothing and starts nothing: the first judgement of
 *      a process does, or the first client of a server that has a store, and so does
 *      the first of a child after fork().
 *   5. A chain that was not verified, or that a resumed session came without (it
 *      was read from a file, or from a ticket of a server), is refused: nobody can
 *      tell. In a server SSL_OP_NO_TICKET keeps sessions, and chains, in its cache.
 * Threads: attach before the SSL_CTX is shared; the rest is OpenSSL's rule.
 */
#ifndef SECURESOCKETS_OPENSSL_H
#define SECURESOCKETS_OPENSSL_H

#include <openssl/ssl.h>

#include <securesockets/certstore.h>
#include <securesockets/error.h>
#include <securesockets/revocation.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Attaches. The SSL_CTX takes a reference on the store and gives it back when
 * it is freed; the policy (NULL: every name, lax) is copied. A second attach
 * to one SSL_CTX is SST_E_STATE: connections may be using the first.
 */
SST_API int	sst_openssl_attach_store(SSL_CTX *ctx, struct sst_store *store,
		    const struct sst_choose_policy *policy, struct sst_error *err);
/*
 * What was chosen for this connection: NULL until its ClientHello was read.
 * Borrowed: it lives as long as the SSL, or until SSL_clear().
 */
SST_API const struct sst_choice *sst_openssl_choice(const SSL *ssl);
/* 1: this connection was an ACME server's validation (RFC 8737), which is answered and
 * over: close it. Else 0. After the handshake, on any thread that may use the SSL. */
SST_API int	sst_openssl_is_challenge(const SSL *ssl);

/* How sessions of a server with a store are resumed. All zero is what holds without. */
struct sst_openssl_tickets {
	const void	*master;	/* a secret of who shall resume each other's sessions,
				   other processes and other machines; copied. NULL: a
				   random one, of this SSL_CTX and what is forked after */
	size_t		 master_len;	/* 32 to 256 bytes */
	unsigned	 lifetime;	/* of a session, seconds, at most 604,800 (RFC 8446
				   4.6.1); 0: 86,400 */
	int		 off;		/* 1: no session is resumed */
	int		 with_peers;	/* 1: also where SSL_VERIFY_PEER is set. The client
				   is then known by what its ticket says, without its
				   chain; what it was verified with besides mode, depth
				   and CA list must stay while the master does. Never
				   where a checker is attached: it wants the chain. */
};

/*
 * Says how, after the store was attached and before the SSL_CTX is shared; the last call
 * counts. NULL: the default. Tickets that were issued before are worth nothing unless
 * the master is the same. SST_E_STATE: there is no store; SST_E_USAGE: a number is out of
 * its range, and the text says which.
 * The keys of a random master older than the lifetime cannot be had again, by nobody. Who
 * knows a master that was given can open all that was sealed under it, and in TLS 1.2
 * what was said there: give a new one now and then.
 */
SST_API int	sst_openssl_tickets(SSL_CTX *ctx, const struct sst_openssl_tickets *,
		    struct sst_error *err);

/* What may happen when there is no fresh evidence at hand. */
enum sst_openssl_check_mode {
	SST_OPENSSL_CACHE_ONLY = 0,	/* nothing: staple, memory and cache decide. No
				   network, no thread; a cache that somebody has locked
				   is waited for, 50 ms at most */
	SST_OPENSSL_WAIT,	/* it is fetched, and SSL_connect(), SSL_read() or
				   sst_openssl_judge() BLOCK the caller meanwhile, for
				   wait_ms at most; also on a non-blocking socket */
	SST_OPENSSL_MUST	/* as WAIT, and the policy is SST_REVOCATION_HARD at
				   least: without evidence the peer is refused */
};

/* All zero (or a NULL pointer to it): cache-only, the default policy. */
struct sst_openssl_check {
	struct sst_revocation_policy policy;	/* the machine's file may tighten it */
	enum sst_openssl_check_mode mode;
	unsigned	wait_ms;	/* 0: the policy's budget_ms */
};

/*
 * Attaches. The SSL_CTX takes a reference on the checker and gives it back when it
 * is freed; the rest is copied. A second attach to one SSL_CTX is SST_E_STATE, a
 * configuration that contradicts itself SST_E_USAGE.
 */
SST_API int	sst_openssl_attach_checker(SSL_CTX *ctx, struct sst_checker *checker,
		    const struct sst_openssl_check *config, struct sst_error *err);
/*
 * Whether the peer may be trusted, as far as is known now; SST_OK or
 * SST_E_REFUSED. After each handshake that succeeded, in both roles, before
 * anything that was read is believed, and with TLS 1.3 before the first
 * SSL_read(), which may take in sessions. It may be called again at any time, say
 * before each request on a connection that lives long. A client that showed no
 * certificate has nothing to judge: SST_OK; a server that showed none (PSK,
 * anonymous suites) is refused.
 * After a handshake that failed: SST_E_REFUSED with the reason if it was the
 * hook's doing, else SST_E_STATE.
 */
SST_API int	sst_openssl_judge(SSL *ssl, struct sst_error *err);
/*
 * What was found about certificate `depth` (0: the leaf) of the peer's chain.
 * NULL: it was not judged, it is the anchor, or there is no such certificate.
 * Borrowed: valid until the next call of sst_openssl_judge() or of a handshake
 * with this SSL.
 */
SST_API const struct sst_revocation_result *sst_openssl_result(const SSL *ssl, int depth);

#ifdef __cplusplus
}
#endif
#endif
