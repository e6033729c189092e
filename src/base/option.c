/* SPDX-License-Identifier: ISC */
#include "option.h"

#include <stddef.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#define SET_ANY		(SST_OPT_SET_NEW | SST_OPT_SET_LISTEN)
#define SET_ALWAYS	(SET_ANY | SST_OPT_SET_CONN)

const struct sst_option sst_options[] = {
	{ "TLS_REMOTE_HOSTNAME", TLS_REMOTE_HOSTNAME, SST_OPT_TEXT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.1",
	    "name of the peer: sent as SNI, and its certificate must be for it" },
	{ "TLS_HOSTNAME", TLS_HOSTNAME, SST_OPT_TEXT,
	    SET_ANY | SST_OPT_GET, "0.1",
	    "client: name of the peer; listener: adds a name to answer for; "
	    "accepted: the name the client asked for" },
	{ "TLS_TRUSTED_PEER_CERTIFICATES", TLS_TRUSTED_PEER_CERTIFICATES,
	    SST_OPT_SOURCE, SST_OPT_SET_NEW, "0.1",
	    "roots to believe besides the system's; a certificate that is no CA "
	    "is a pin" },
	{ "TLS_CERTIFICATE_CHAIN", TLS_CERTIFICATE_CHAIN, SST_OPT_SOURCE,
	    SET_ANY | SST_OPT_GET, "0.1",
	    "certificates to show: a file, a directory with every pair in it, or "
	    "bytes" },
	{ "TLS_PRIVATE_KEY", TLS_PRIVATE_KEY, SST_OPT_SOURCE, SET_ANY, "0.1",
	    "private keys; each joins the chain with its public key" },
	{ "TLS_ALPN", TLS_ALPN, SST_OPT_TEXT, SET_ANY | SST_OPT_GET, "0.1",
	    "application protocols in order of preference, comma-separated; "
	    "connected: the one agreed on" },
	{ "TLS_SESSION_TTL", TLS_SESSION_TTL, SST_OPT_SECONDS,
	    SET_ALWAYS | SST_OPT_GET, "0.1",
	    "seconds for which a client may resume its session with a listener "
	    "(86,400; at most 604,800); 0: none is resumed" },
	{ "TLS_PEER_IDENTITY", TLS_PEER_IDENTITY, SST_OPT_TEXT,
	    SST_OPT_GET_CONN, "0.1",
	    "subject of the peer's certificate" },
	{ "TLS_PEER_CERTIFICATE_CHAIN", TLS_PEER_CERTIFICATE_CHAIN, SST_OPT_TEXT,
	    SST_OPT_GET_CONN, "0.1",
	    "the peer's certificates in PEM, leaf first, as many as fit whole" },
	{ "TLS_ID", TLS_ID, SST_OPT_U64, SST_OPT_GET, "0.1",
	    "number of the connection, the same for its whole life" },
	{ "TLS_CHOSEN_CIPHER", TLS_CHOSEN_CIPHER, SST_OPT_TEXT,
	    SST_OPT_GET_CONN, "0.1",
	    "cipher suite agreed on" },
	{ "TLS_ERROR", TLS_ERROR, SST_OPT_TEXT, SST_OPT_GET, "0.1",
	    "why the last call failed; descriptor -1: of the calling thread" },
	{ "TLS_REVOCATION_CHECKS", TLS_REVOCATION_CHECKS, SST_OPT_INT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.2",
	    "0: nobody asks whether the peer's certificate was revoked" },
	{ "TLS_OCSP_STAPLED_CHECKS", TLS_OCSP_STAPLED_CHECKS, SST_OPT_INT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.2",
	    "1 (default): the peer is asked for a staple" },
	{ "TLS_OCSP_CHECKS", TLS_OCSP_CHECKS, SST_OPT_INT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.2",
	    "1 (default): responses of OCSP responders count" },
	{ "TLS_CRL_CHECKS", TLS_CRL_CHECKS, SST_OPT_INT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.2",
	    "1 (default): certificate revocation lists count" },
	{ "TLS_CACHED_REV_CHECKS", TLS_CACHED_REV_CHECKS, SST_OPT_INT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.2",
	    "1 (default): evidence that was kept counts" },
	{ "TLS_SESSION_REUSE", TLS_SESSION_REUSE, SST_OPT_INT,
	    SET_ALWAYS | SST_OPT_GET, "0.1",
	    "1 (default): a listener gives its clients tickets, bound to what they "
	    "were served under; a client never resumes" },
	{ "TLS_RESUMED_SESSION", TLS_RESUMED_SESSION, SST_OPT_INT,
	    SST_OPT_GET_CONN, "0.1",
	    "1: the session was resumed" },
	{ "TLS_VERSION_MIN", TLS_VERSION_MIN, SST_OPT_INT,
	    SET_ANY | SST_OPT_GET, "0.1",
	    "lowest version to speak: TLS_1_2 (default) or TLS_1_3" },
	{ "TLS_VERSION_MAX", TLS_VERSION_MAX, SST_OPT_INT,
	    SET_ANY | SST_OPT_GET, "0.1",
	    "highest version to speak: TLS_1_2 or TLS_1_3 (default)" },
	{ "TLS_VERSION_CONN", TLS_VERSION_CONN, SST_OPT_INT,
	    SST_OPT_GET_CONN, "0.1",
	    "version agreed on" },
	{ "TLS_SERVER_OCSP_STAPLING", TLS_SERVER_OCSP_STAPLING, SST_OPT_INT,
	    SET_ANY | SST_OPT_GET, "0.2",
	    "1 (default): clients that ask are shown the staples of "
	    "TLS_OCSP_STAPLE" },
	{ "TLS_OCSP_STAPLE", TLS_OCSP_STAPLE, SST_OPT_SOURCE, SET_ANY, "0.2",
	    "OCSP response in DER about a certificate of our own; read once" },
	{ "TLS_OCSP_RESULT", TLS_OCSP_RESULT, SST_OPT_TEXT, SST_OPT_GET, "0.2",
	    "what was found about the peer's certificate: "
	    "source=...; verdict=...; and so on" },
	{ "TLS_CRL_FILE", TLS_CRL_FILE, SST_OPT_SOURCE, SST_OPT_SET_NEW, "0.2",
	    "revocation lists in PEM or DER, which count beside what is fetched" },
	{ "TLS_TICKET_KEY", TLS_TICKET_KEY, SST_OPT_BYTES, SET_ANY, "0.1",
	    "secret of 32 to 256 bytes: listeners that have the same one resume each "
	    "other's sessions; empty (default): a random one of its own" },
	{ "TLS_HANDSHAKE_TIMEOUT", TLS_HANDSHAKE_TIMEOUT, SST_OPT_INT,
	    SET_ANY | SST_OPT_GET, "0.1",
	    "milliseconds that a handshake may take" },
	{ "TLS_REVOCATION_POLICY", TLS_REVOCATION_POLICY, SST_OPT_TEXT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.2",
	    "off, soft (default), hard or staple, then settings as budget=MS" },
	{ "TLS_SNI_POLICY", TLS_SNI_POLICY, SST_OPT_TEXT,
	    SET_ANY | SST_OPT_GET, "0.1",
	    "what an unknown name gets: lax, strict; and default=NAME" },
	{ "TLS_CERT_DECISION", TLS_CERT_DECISION, SST_OPT_TEXT, SST_OPT_GET, "0.1",
	    "which certificate was shown and why; listener: which sources are "
	    "watched" },
	{ "TLS_CERT_GENERATION", TLS_CERT_GENERATION, SST_OPT_U64,
	    SST_OPT_GET, "0.1",
	    "number of changes to the certificates so far" },
	{ "TLS_CERTIFICATE_REMOVE", TLS_CERTIFICATE_REMOVE, SST_OPT_TEXT,
	    SET_ANY, "0.1",
	    "removes what came from a path, or by SHA-256 of the leaf, the ACME "
	    "challenges of acme:NAME, or *" },
	{ "TLS_REVOCATION_LIVE", TLS_REVOCATION_LIVE, SST_OPT_INT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.2",
	    "1: a connection ends when its peer's certificate is revoked" },
	{ "TLS_REVOCATION_NO_SOURCE", TLS_REVOCATION_NO_SOURCE, SST_OPT_INT,
	    SST_OPT_SET_NEW | SST_OPT_GET, "0.2",
	    "1: a certificate that names neither list nor responder is refused" },
	{ "TLS_KEY_PERMISSIONS", TLS_KEY_PERMISSIONS, SST_OPT_INT,
	    SET_ANY | SST_OPT_GET, "0.1",
	    "0: a key file that others can read is refused; 1: it is an event" },
	{ "TLS_START_PLAIN", TLS_START_PLAIN, SST_OPT_INT,
	    SET_ANY | SST_OPT_GET, "0.1",
	    "1: connections begin plain, until TCP_UPGRADE_TLS" },
	{ "TLS_CERTIFICATE_STATUS", TLS_CERTIFICATE_STATUS, SST_OPT_TEXT,
	    SST_OPT_GET, "0.1",
	    "how many certificates are loaded, refused, pending" },
	{ "TLS_ACME_CHALLENGE", TLS_ACME_CHALLENGE, SST_OPT_SOURCE, SET_ANY, "0.3",
	    "certificate and key that answer an ACME server's tls-alpn-01 (RFC 8737) "
	    "and nobody else" },
	{ .name = NULL },
};

const struct sst_option *
sst_option_find(int number)
{
	for (const struct sst_option *o = sst_options; o->name != NULL; o++)
		if (o->number == number)
			return o;
	return NULL;
}
