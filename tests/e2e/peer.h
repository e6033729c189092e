/* SPDX-License-Identifier: ISC */
/*
 * peer - the other end of a connection: TLS by OpenSSL itself, over plain TCP.
 *
 * Nothing of the project is between a peer and the wire, so what it sees is
 * what the network sees.
 *
 * Always true:
 *   1. A call that cannot fail in a sane test ends the scene when it does.
 *   2. peer_read() tells a clean end (0) from a broken one (-1).
 * Threads: one peer belongs to one thread at a time.
 */
#ifndef SST_E2E_PEER_H
#define SST_E2E_PEER_H

#include <openssl/ssl.h>

#include "world.h"

struct peer {
	int	 fd;
	SSL	*ssl;
	char	 why[300];	/* of the last failure */
};

/* All zero: TLS 1.2 to 1.3, no name, any certificate of world.ca. */
struct peer_opts {
	const char	*sni;		/* sent, and verified */
	const char	*sigalgs;	/* as SSL_set1_sigalgs_list() */
	const char	*alpn;		/* "h2,http/1.1" */
	int		 version;	/* 0, TLS1_2_VERSION or TLS1_3_VERSION */
	const struct pki_cert *cert;	/* server: what it shows; client: NULL */
	int		 no_tickets;	/* server */
	int		 trust_nobody;	/* client: refuses every certificate */
	const struct pki_buf *staple;	/* server: an OCSP response for who asks */
	int		 ask_staple;	/* client */
};

/* --- TCP --------------------------------------------------------------------- */
int	tcp_listen(struct addr *ret, int family, int backlog);
int	tcp_accept(int listener);
int	tcp_dial(const struct addr *);
/* A port of this family that nobody listens on. */
void	tcp_dead_port(struct addr *ret, int family);
void	tcp_reset(int fd);	/* closes with an RST */
/* Reads until the other side is done; 0: clean FIN, else errno. */
int	tcp_drain(int fd);

/* --- TLS ----------------------------------------------------------------------- */
/* Dials and shakes hands. 0, or -1 with p->why (then nothing is left open). */
int	peer_client(struct peer *p, const struct addr *to, const struct peer_opts *);
/* The same over a socket that is connected; it belongs to the peer. */
int	peer_client_on(struct peer *p, int fd, const struct peer_opts *);
int	peer_server_on(struct peer *p, int fd, const struct peer_opts *);
/* A client that asks for one.example; it must succeed. */
void	peer_dial(struct peer *p, const struct addr *to);

/* For many connections, in any number of threads: a context that resumes no
 * session, and a handshake that must succeed. */
SSL_CTX	*peer_ctx(int server);
void	peer_shake(struct peer *, SSL_CTX *, int fd);

void	peer_write(struct peer *, const void *, size_t len);
/* The bytes of its records, not sent, so that a part can be; how many. */
size_t	peer_record(struct peer *, const void *data, size_t len, char *out, size_t size);
/* > 0 bytes, 0 close_notify, -1 broken. */
int	peer_read(struct peer *, void *, size_t size);
void	peer_read_all(struct peer *, void *, size_t len);	/* exactly */
void	peer_want_end(struct peer *);		/* reads: close_notify, FIN */
void	peer_notify(struct peer *);		/* sends close_notify */
void	peer_end(struct peer *);		/* close_notify, FIN, frees */
void	peer_drop(struct peer *);		/* FIN without close_notify, frees */
void	peer_reset(struct peer *);		/* RST, frees */

/* SHA-256 of the certificate that the server showed, against this one. */
int	peer_has_cert(const struct peer *, const struct pki_cert *);

/* --- whole handshakes -------------------------------------------------------------- */
/* Asks for `sni`: 1 when this certificate was shown, 0 another, -1 refused. */
int	peer_is_shown(const struct addr *, const char *sni, const struct pki_cert *);
/* A client of these signature algorithms (NULL: all) is shown this one. */
void	want_served(const struct addr *, const char *sni, const char *sigalgs,
	    const struct pki_cert *);
/* The handshake fails, and the peer's error has this part. */
void	want_unserved(const struct addr *, const char *sni, const char *error);

#endif
