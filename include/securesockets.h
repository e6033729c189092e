/* SPDX-License-Identifier: ISC */
/*
 * securesockets - TLS through the POSIX sockets API.
 *
 *	#include <securesockets.h>	(C++: before anything of <sys/socket.h>)
 *
 *	fd = socket(AF_INET, SOCK_STREAM, IPPROTO_TLS);
 *	setsockopt(fd, IPPROTO_TLS, TLS_REMOTE_HOSTNAME, "example.org", 12);
 *	connect(fd, ...);	read(fd, ...);	write(fd, ...);
 *
 * Link with -lsecuresockets. Everything that is not a TLS socket goes to the
 * kernel as before, and without the library the kernel refuses the protocol:
 * never a plain connection by mistake.
 *
 * Including this file renames eleven calls (socket, bind, connect, ...) to
 * those of the library, by the names that the linker sees: calls, function
 * pointers and initializers follow, structure members and other identifiers do
 * not. A program that is linked with the library, or preloads it, gets them
 * under their libc names as well. Define SECURESOCKETS_NO_RENAME before
 * including it for the constants and the sst_ names alone.
 *
 * Always true:
 *   1. A number that was released is never used for anything else. Whether an
 *      option exists in the library that is installed: ENOPROTOOPT says no,
 *      and `sstool options` prints the table.
 *   2. A text is read up to its first NUL or its length, whichever comes first;
 *      a text that is returned ends with NUL, which its length counts.
 *   3. A failed call leaves a sentence in getsockopt(fd, IPPROTO_TLS,
 *      TLS_ERROR), and for the calling thread also in that of descriptor -1.
 */
#ifndef SECURESOCKETS_H
#define SECURESOCKETS_H

#ifndef SECURESOCKETS_NO_RENAME
/* C++ gives a function its linker name when it is first declared. */
#if defined(__cplusplus) && defined(_SYS_SOCKET_H)
#error "include <securesockets.h> before <sys/socket.h>, or TLS sockets would silently be unknown"
#endif
#pragma redefine_extname socket sst_socket
#pragma redefine_extname bind sst_bind
#pragma redefine_extname connect sst_connect
#pragma redefine_extname listen sst_listen
#pragma redefine_extname accept sst_accept
#pragma redefine_extname accept4 sst_accept4
#pragma redefine_extname getsockname sst_getsockname
#pragma redefine_extname getpeername sst_getpeername
#pragma redefine_extname getsockopt sst_getsockopt
#pragma redefine_extname setsockopt sst_setsockopt
#pragma redefine_extname shutdown sst_shutdown
#endif

#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Protocol of socket(), level of getsockopt() and setsockopt(). */
#ifndef IPPROTO_TLS
#define IPPROTO_TLS		205
#endif

/*
 * Option at level IPPROTO_TCP: a connection that began plain becomes TLS
 * (STARTTLS). The value is the peer's name with its NUL for a client; a server
 * gives none (length 0).
 */
#ifndef TCP_UPGRADE_TLS
#define TCP_UPGRADE_TLS		33
#endif

/*
 * Options. Values: text, int, uint64_t, or a *source*: the path of a file or a
 * directory, or the bytes themselves (PEM or DER).
 */
#ifndef TLS_REMOTE_HOSTNAME
#define TLS_REMOTE_HOSTNAME		85	/* text: whom to reach and verify */
#endif
#ifndef TLS_HOSTNAME
#define TLS_HOSTNAME			86	/* text: client: as 85; listener: a
						   name it answers for (each set adds
						   one, length 0 empties the list);
						   accepted: the name asked for */
#endif
#ifndef TLS_TRUSTED_PEER_CERTIFICATES
#define TLS_TRUSTED_PEER_CERTIFICATES	87	/* source: roots, or pinned leaves */
#endif
#ifndef TLS_CERTIFICATE_CHAIN
#define TLS_CERTIFICATE_CHAIN		88	/* source: own certificates; get: PEM */
#endif
#ifndef TLS_PRIVATE_KEY
#define TLS_PRIVATE_KEY			89	/* source: own keys; never readable */
#endif
#ifndef TLS_ALPN
#define TLS_ALPN			90	/* text: "h2,http/1.1"; connected:
						   the protocol agreed on */
#endif
#ifndef TLS_SESSION_TTL
#define TLS_SESSION_TTL			91	/* int or long: seconds; 0: off */
#endif
#ifndef TLS_DISABLE_CIPHER
#define TLS_DISABLE_CIPHER		92
#endif
#ifndef TLS_PEER_IDENTITY
#define TLS_PEER_IDENTITY		93	/* get text: the peer's subject */
#endif
#ifndef TLS_REQUEST_PEER_AUTH
#define TLS_REQUEST_PEER_AUTH		94
#endif
#ifndef TLS_PEER_CERTIFICATE_CHAIN
#define TLS_PEER_CERTIFICATE_CHAIN	95	/* get text: PEM, leaf first */
#endif
#ifndef TLS_ID
#define TLS_ID				96	/* get uint64_t */
#endif
#ifndef TLS_TRUSTED_CIPHERS
#define TLS_TRUSTED_CIPHERS		97
#endif
#ifndef TLS_CHOSEN_CIPHER
#define TLS_CHOSEN_CIPHER		98	/* get text */
#endif
#ifndef TLS_ERROR
#define TLS_ERROR			100	/* get text: why the last call failed;
						   also on descriptor -1 */
#endif
#ifndef TLS_DISABLE_COMPRESSION
#define TLS_DISABLE_COMPRESSION		101
#endif
#ifndef TLS_REVOCATION_CHECKS
#define TLS_REVOCATION_CHECKS		102	/* int 0: nobody asks */
#endif
#ifndef TLS_OCSP_STAPLED_CHECKS
#define TLS_OCSP_STAPLED_CHECKS		103	/* int 1: staples count */
#endif
#ifndef TLS_OCSP_CHECKS
#define TLS_OCSP_CHECKS			104	/* int 1: OCSP counts */
#endif
#ifndef TLS_CRL_CHECKS
#define TLS_CRL_CHECKS			105	/* int 1: CRLs count */
#endif
#ifndef TLS_CACHED_REV_CHECKS
#define TLS_CACHED_REV_CHECKS		106	/* int 1: kept evidence counts */
#endif
#ifndef TLS_CACHE_REVOCATION
#define TLS_CACHE_REVOCATION		TLS_CACHED_REV_CHECKS
#endif
#ifndef TLS_CONTEXT
#define TLS_CONTEXT			107
#endif
#ifndef TLS_SESSION_REUSE
#define TLS_SESSION_REUSE		108	/* int: listener, 0 or 1 */
#endif
#ifndef TLS_RESUMED_SESSION
#define TLS_RESUMED_SESSION		109	/* int, connected: 0 or 1 */
#endif
#ifndef TLS_ENABLE_CIPHER
#define TLS_ENABLE_CIPHER		110
#endif
#ifndef TLS_VERSION_MIN
#define TLS_VERSION_MIN			111	/* int: TLS_1_2 or TLS_1_3 */
#endif
#ifndef TLS_VERSION_MAX
#define TLS_VERSION_MAX			112	/* int */
#endif
#ifndef TLS_VERSION_CONN
#define TLS_VERSION_CONN		113	/* get int: the version agreed on */
#endif
#ifndef TLS_CHOSEN_VERSION
#define TLS_CHOSEN_VERSION		TLS_VERSION_CONN
#endif
#ifndef TLS_SERVER_OCSP_STAPLING
#define TLS_SERVER_OCSP_STAPLING	122	/* int 1: staples are shown */
#endif
#ifndef TLS_0RTT
#define TLS_0RTT			130
#endif
#ifndef TLS_PEER_VERIFY
#define TLS_PEER_VERIFY			131
#endif
#ifndef TLS_VERIFY_RESULT
#define TLS_VERIFY_RESULT		132
#endif
#ifndef TLS_VERIFY_CALLBACK
#define TLS_VERIFY_CALLBACK		133
#endif
#ifndef TLS_OCSP_STAPLE
#define TLS_OCSP_STAPLE			134	/* source: of our own, DER */
#endif
#ifndef TLS_OCSP_RESULT
#define TLS_OCSP_RESULT			135	/* get text: "source=...; verdict=..." */
#endif
#ifndef TLS_CRL_FILE
#define TLS_CRL_FILE			136	/* source: CRLs, PEM or DER */
#endif
#ifndef TLS_TICKET_KEY
#define TLS_TICKET_KEY			137	/* set bytes: 32 to 256, or none */
#endif
#ifndef TLS_HANDSHAKE_TIMEOUT
#define TLS_HANDSHAKE_TIMEOUT		138	/* int: milliseconds */
#endif
#ifndef TLS_REVOCATION_POLICY
#define TLS_REVOCATION_POLICY		139	/* text: "soft,budget=3000", or int: a
						   value of enum sst_revocation_mode;
						   get: text */
#endif
#ifndef TLS_SNI_POLICY
#define TLS_SNI_POLICY			140	/* text: "lax", "strict", and
						   "default=NAME" */
#endif
#ifndef TLS_CERT_DECISION
#define TLS_CERT_DECISION		141	/* get text: which certificate, why;
						   watched or static, why */
#endif
#ifndef TLS_CERT_GENERATION
#define TLS_CERT_GENERATION		142	/* get uint64_t: changes so far */
#endif
#ifndef TLS_CERTIFICATE_REMOVE
#define TLS_CERTIFICATE_REMOVE		143	/* text: the path it was set by, the
						   leaf's SHA-256 in hex, or "*" */
#endif
#ifndef TLS_REVOCATION_LIVE
#define TLS_REVOCATION_LIVE		144	/* int 1: ends what is revoked later */
#endif
#ifndef TLS_ERROR_CODE
#define TLS_ERROR_CODE			145
#endif
#ifndef TLS_REVOCATION_NO_SOURCE
#define TLS_REVOCATION_NO_SOURCE	146	/* int 1: refuse what names no source */
#endif
#ifndef TLS_KEY_PERMISSIONS
#define TLS_KEY_PERMISSIONS		147	/* int: one of the two below */
#endif
#ifndef TLS_START_PLAIN
#define TLS_START_PLAIN			148	/* int 1: connections begin plain, until
						   TCP_UPGRADE_TLS */
#endif
#ifndef TLS_CERTIFICATE_STATUS
#define TLS_CERTIFICATE_STATUS		149	/* get text: loaded, refused, pending */
#endif
#ifndef TLS_ACME_CHALLENGE
#define TLS_ACME_CHALLENGE		150	/* source: answers acme-tls/1 for its
						   name alone (RFC 8737); is never
						   accepted; a file or bytes */
#endif

/* Values of TLS_KEY_PERMISSIONS: what a key file that others can read is. */
#ifndef TLS_KEY_PERMISSIONS_STRICT
#define TLS_KEY_PERMISSIONS_STRICT	0	/* refused with EACCES: the default */
#endif
#ifndef TLS_KEY_PERMISSIONS_EVENT
#define TLS_KEY_PERMISSIONS_EVENT	1	/* used, and an event */
#endif

/* Versions, as on the wire. 0 to 3 are understood as well. */
#ifndef TLS_1_0
#define TLS_1_0			0x0301
#endif
#ifndef TLS_1_1
#define TLS_1_1			0x0302
#endif
#ifndef TLS_1_2
#define TLS_1_2			0x0303
#endif
#ifndef TLS_1_3
#define TLS_1_3			0x0304
#endif

/* The calls by their own names; parameters and results as in POSIX. */
int	sst_socket(int domain, int type, int protocol);
int	sst_bind(int fd, const struct sockaddr *addr, socklen_t len);
int	sst_connect(int fd, const struct sockaddr *addr, socklen_t len);
int	sst_listen(int fd, int backlog);
int	sst_accept(int fd, struct sockaddr *addr, socklen_t *len);
int	sst_accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);
int	sst_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int	sst_getpeername(int fd, struct sockaddr *addr, socklen_t *len);
int	sst_getsockopt(int fd, int level, int option, void *value, socklen_t *len);
int	sst_setsockopt(int fd, int level, int option, const void *value, socklen_t len);
int	sst_shutdown(int fd, int how);

#ifdef __cplusplus
}
#endif

#endif
