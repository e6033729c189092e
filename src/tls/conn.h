/* SPDX-License-Identifier: ISC */
/*
 * conn - one TLS connection as a step function over a non-blocking socket.
 *
 * The relay's loop calls a step when the socket may be ready and acts on what
 * it returns; no step ever waits. A connection may also be plain, and become
 * TLS later (STARTTLS): the same steps pass its bytes as they are.
 *
 * Always true:
 *   1. A client's handshake is DONE only after chain and names were verified, and
 *      after the verdict on their revocation, where somebody judges.
 *   2. END is reported for a close_notify only. A FIN without one, a reset, a
 *      bad record and a fatal alert are FAILED. Of a plain connection a FIN is
 *      the end.
 *   3. After FAILED nothing but the getters and free may be called.
 *   4. Tickets, KeyUpdates and empty records are no data: a read goes on over
 *      them, and a peer that sends nothing else is cut off.
 *   5. A connection takes no buffer while it is idle.
 *   6. What became TLS is never plain again.
 *   7. A connection waits for evidence between the handshake's last byte and its
 *      DONE (WANT_VERDICT); in between nothing is read from it.
 * SIGPIPE is the caller's: it must be ignored.
 * Threads: a connection belongs to one thread at a time.
 */
#ifndef SST_TLS_CONN_H
#define SST_TLS_CONN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <securesockets/error.h>

struct sst_choice;
struct sst_conn;
struct sst_revoke;	/* revoke.h */
struct sst_tls_conf;

enum sst_step {
	SST_STEP_DONE = 0,	/* the step did what was asked */
	SST_STEP_WANT_READ,	/* call again when the socket is readable */
	SST_STEP_WANT_WRITE,	/* call again when the socket is writable */
	SST_STEP_END,		/* the peer's clean end: no more data */
	SST_STEP_FAILED,	/* err says why */
	SST_STEP_WANT_VERDICT	/* a handshake: sst_conn_judge_start(), and call again
				   when it says so */
};

/*
 * `fd` is a connected (or connecting and now writable) non-blocking TCP socket;
 * it stays the caller's. Client: `host` is the name or IP literal to verify and
 * (for a name) to send as SNI; NULL or "": `peer`'s address must be in the
 * certificate. Server: `local` is the address that the client reached.
 */
int	sst_conn_new_client(struct sst_tls_conf *, int fd, const char *host,
	    const struct sockaddr *peer, struct sst_conn **ret_conn,
	    struct sst_error *err);
int	sst_conn_new_server(struct sst_tls_conf *, int fd,
	    const struct sockaddr *local, struct sst_conn **ret_conn,
	    struct sst_error *err);
/* Plain: there is no handshake, and the getters say "none". */
int	sst_conn_new_plain(int fd, struct sst_conn **ret_conn, struct sst_error *err);
/*
 * A plain connection becomes what the functions above make; the handshake is the
 * next step. `early`: what the peer sent behind the last byte that anybody read
 * as plaintext; it is the beginning of the ClientHello or it fails. < 0: it is
 * plain still.
 */
int	sst_conn_upgrade_client(struct sst_conn *, struct sst_tls_conf *,
	    const char *host, const struct sockaddr *peer, struct sst_error *err);
int	sst_conn_upgrade_server(struct sst_conn *, struct sst_tls_conf *,
	    const struct sockaddr *local, const void *early, size_t len,
	    struct sst_error *err);
/* A client, before its handshake: the certificate must be for `name` as well. */
int	sst_conn_require(struct sst_conn *, const char *name, struct sst_error *err);
/* Before the handshake: who judges whether the peer's certificates were revoked.
 * Without it nobody does. */
int	sst_conn_judge_by(struct sst_conn *, struct sst_revoke *, struct sst_error *err);
/* Frees; sends nothing. NULL is allowed. */
void	sst_conn_free(struct sst_conn *);

enum sst_step sst_conn_handshake(struct sst_conn *, struct sst_error *err);
/*
 * After WANT_VERDICT, once: what is missing is fetched, and `done` is called, on
 * a thread of the checker; then the handshake is called again. Not before, and
 * `done` must take no lock that is held around sst_conn_judge_end() or _free().
 */
int	sst_conn_judge_start(struct sst_conn *, void (*done)(void *arg), void *arg,
	    struct sst_error *err);
/* How long that may take, in ms. After WANT_VERDICT. */
unsigned sst_conn_judge_budget(const struct sst_conn *);
/* The wait is given up: after it `done` is not called. Always allowed. */
void	sst_conn_judge_end(struct sst_conn *);
/* Of an open connection whose judge is `live`: SST_E_REFUSED when the peer's
 * certificates were revoked meanwhile. Never waits. */
int	sst_conn_judge_again(struct sst_conn *, struct sst_error *err);
/* The verdict in words, also after a refusal: "source=...; verdict=...; ...".
 * "": there is none. */
const char *sst_conn_verdict(const struct sst_conn *);
/* DONE: 1 <= *ret_n <= size bytes of plaintext. */
enum sst_step sst_conn_read(struct sst_conn *, void *buf, size_t size, size_t *ret_n,
	    struct sst_error *err);
/*
 * > 0: something was read ahead, so the socket's readiness does not tell: read
 * again before waiting, until it is 0 or a read says WANT_*.
 */
size_t	sst_conn_pending(const struct sst_conn *);
/*
 * After a read that was DONE: the socket had nothing more when it was read, and
 * nothing is buffered. Whoever waits edge-triggered may wait, unless the end of
 * the peer's stream was reported already.
 */
int	sst_conn_drained(const struct sst_conn *);
/* The socket had an event. A read that is served by what was read ahead looks at no
 * socket: then it counts as not drained until one does. */
void	sst_conn_heard(struct sst_conn *);
/*
 * DONE: *ret_n bytes were taken (1 <= *ret_n <= len). After WANT_* the next
 * write must offer at least the same bytes, at any address.
 */
enum sst_step sst_conn_write(struct sst_conn *, const void *buf, size_t len,
	    size_t *ret_n, struct sst_error *err);
/* Sends close_notify; DONE when it left for the kernel. Reading goes on. Only
 * after the last write was DONE. */
enum sst_step sst_conn_close_notify(struct sst_conn *, struct sst_error *err);

/* Getters. Valid after the handshake unless they say otherwise. */
int	sst_conn_is_plain(const struct sst_conn *);	/* always */
uint16_t sst_conn_version(const struct sst_conn *);	/* 0x0303, 0x0304; 0 */
const char *sst_conn_cipher(const struct sst_conn *);	/* IANA name */
int	sst_conn_resumed(const struct sst_conn *);	/* 1: the session was */
/* Chosen protocol, not NUL-terminated; *ret_len 0: none. */
const char *sst_conn_alpn(const struct sst_conn *, size_t *ret_len);
/* Server: the choice, as soon as the ClientHello was read; else NULL. */
const struct sst_choice *sst_conn_choice(const struct sst_conn *);
/* Server: the name the client asked for, folded; "" for none. */
const char *sst_conn_sni(const struct sst_conn *);
/* Server: the handshake FAILED because an ACME challenge was answered (RFC 8737):
 * close_notify is out, and nothing of it is the program's. */
int	sst_conn_was_challenge(const struct sst_conn *);
/* Whether the whole ClientHello arrived, and the peer's Finished. Ours says
 * nothing: in 1.3 a server sends it before the client did any work. */
int	sst_conn_saw_hello(const struct sst_conn *);
int	sst_conn_got_finished(const struct sst_conn *);
/*
 * The peer's certificates as PEM, leaf first: as many whole ones as fit `size`
 * with the NUL. *ret_len counts the NUL. SST_E_NOT_FOUND: it sent none;
 * SST_E_LIMIT: not even the leaf fits.
 */
int	sst_conn_peer_chain(const struct sst_conn *, char *buf, size_t size,
	    size_t *ret_len, struct sst_error *err);
/* Subject of the peer's leaf in one escaped line; same rules. */
int	sst_conn_peer_identity(const struct sst_conn *, char *buf, size_t size,
	    size_t *ret_len, struct sst_error *err);
/* 64 hex digits and NUL that name this connection on both sides: derived by
 * the exporter of RFC 8446 7.5 (RFC 5705 in 1.2). */
int	sst_conn_id(const struct sst_conn *, char out[65], struct sst_error *err);

#endif
