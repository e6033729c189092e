/* SPDX-License-Identifier: ISC */
/*
 * make_response - OCSP responses of any form, right and wrong.
 *
 * The encoding is the tests' own, not OpenSSL's: that one cannot make most of what
 * a hostile responder can. All zero is a response that is right: successful, v1,
 * byName, produced a day ago, valid from then for a week.
 *
 *	struct pki_buf der = { 0 };
 *
 *	make_response(&(struct made_response){ .signer = ca,
 *	    .singles = { { .cert = www, .status = MADE_REVOKED } } }, &der);
 *
 * A failure prints what went wrong and aborts.
 */
#ifndef SST_TEST_MAKE_RESPONSE_H
#define SST_TEST_MAKE_RESPONSE_H

#include "support/pki.h"

#define MADE_SINGLES	8
#define MADE_CERTS	10

enum made_status { MADE_GOOD, MADE_REVOKED, MADE_UNKNOWN };

struct made_extension {
	const char	*oid;		/* dotted; NULL: no more */
	int		 critical;
	const void	*value;		/* extnValue's content */
	size_t		 len;
};

struct made_single {
	const struct pki_cert *cert;	/* about whom; NULL: no more */
	const struct pki_cert *issuer;	/* whose hashes; NULL: its issuer's */
	enum made_status status;
	time_t		 this_update;	/* 0: PKI_NOW - PKI_DAY */
	time_t		 next_update;	/* 0: a week later */
	int		 no_next;
	time_t		 revoked_at;	/* 0: PKI_NOW - 2 * PKI_DAY */
	int		 reason;	/* RFC 5280's; 0: none is given */
	/* instead of a time: the GeneralizedTime's content as it is */
	const char	*this_text, *next_text, *revoked_text;
	const char	*hash;		/* of the CertID; NULL: SHA1 */
	int		 wrong_name, wrong_key;	/* one bit of the hash is */
	const unsigned char *serial;	/* instead: content octets */
	size_t		 serial_len;
	struct made_extension extensions[3];
};

/* Where a NULL follows what should be the end. */
enum made_junk {
	MADE_JUNK_ENVELOPE = 1,	/* OCSPResponse */
	MADE_JUNK_TAGGED,	/* [0] around responseBytes */
	MADE_JUNK_BYTES,	/* ResponseBytes */
	MADE_JUNK_CONTENT,	/* after BasicOCSPResponse in the OCTET STRING */
	MADE_JUNK_BASIC,	/* BasicOCSPResponse */
	MADE_JUNK_CERTS,	/* [0] around the certificates */
	MADE_JUNK_DATA,		/* ResponseData */
	MADE_JUNK_RESPONDER,	/* ResponderID */
	MADE_JUNK_VERSION,
	MADE_JUNK_SINGLES,	/* among the answers */
	MADE_JUNK_EXTENSIONS,	/* [1] around the extensions, each */
	MADE_JUNK_SINGLE,	/* SingleResponse */
	MADE_JUNK_CERTID,
	MADE_JUNK_HASH,		/* CertID's AlgorithmIdentifier */
	MADE_JUNK_STATUS,	/* in good and unknown */
	MADE_JUNK_REVOKED,	/* RevokedInfo */
	MADE_JUNK_REASON,
	MADE_JUNK_NEXT,		/* [0] around nextUpdate */
	MADE_JUNK_LAST
};

struct made_response {
	enum made_junk	 junk;
	int		 status;	/* OCSPResponseStatus; not 0: there is no more */
	int		 no_bytes;	/* successful, and nothing in it */
	int		 not_basic;	/* another type of response */
	int		 version;	/* 1 or 2: is spelled out */
	const struct pki_cert *signer;	/* whose key signs */
	const struct pki_cert *named;	/* whom responderID means; NULL: the signer */
	int		 by_key;
	int		 wrong_key_id;
	time_t		 produced_at;	/* 0: PKI_NOW - PKI_DAY */
	const char	*produced_text;
	struct made_single singles[MADE_SINGLES];
	int		 no_singles;
	int		 repeat;	/* the list that many times more */
	struct made_extension extensions[3];
	const unsigned char *nonce;	/* NULL: none */
	size_t		 nonce_len;
	const char	*digest;	/* NULL: SHA256 (none for EdDSA) */
	int		 pss;		/* an RSA key signs with PSS */
	const struct pki_cert *certs[MADE_CERTS];	/* that come along */
};

/* Appends to *out, which the caller frees. */
void	make_response(const struct made_response *, struct pki_buf *out);

/* DER by hand: an item; tag and length around what `out` has from `at` on. */
void	made_item(struct pki_buf *out, int tag, const void *content, size_t len);
void	made_wrap(struct pki_buf *out, size_t at, int tag);

#endif
