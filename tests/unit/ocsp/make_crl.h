/* SPDX-License-Identifier: ISC */
/*
 * make_crl - certificate revocation lists for tests, right or wrong in one point.
 *
 *	struct pki_buf der = make_crl(&(struct make_crl){ .issuer = ca,
 *	    .rows = (struct make_crl_row[]){ { .cert = www } }, .n_rows = 1 });
 *
 * A failure prints what went wrong and aborts, as in pki.h. Nothing depends on
 * today's date: a list that names no dates is of PKI_NOW's day before, for a week.
 */
#ifndef SST_TEST_MAKE_CRL_H
#define SST_TEST_MAKE_CRL_H

#include "support/pki.h"

/* Of a row: a reason, 0 to 9; of a list: that it is a delta to this base (hex). */
#define MAKE_CRL_REASON(n)	"2.5.29.21 = DER:0a010" #n "\n"
#define MAKE_CRL_DELTA(base)	"2.5.29.27 = critical,DER:0201" #base "\n"

struct make_crl_row {
	const struct pki_cert *cert;	/* its serial, unless `serial` is there */
	const unsigned char *serial;
	size_t		 serial_len;
	time_t		 date;		/* 0: ten days before PKI_NOW */
	const char	*extra;		/* extensions as of openssl.cnf, one a line */
	const struct pki_cert *issuer;	/* certificateIssuer: this one's subject */
};

enum make_crl_quirk {
	MAKE_CRL_V1 = 1,		/* no version, no extensions */
	MAKE_CRL_V1_EXTENSIONS = 2,	/* no version, and extensions */
	MAKE_CRL_NO_NEXT = 4,
	MAKE_CRL_EMPTY_ENTRIES = 8,	/* revokedCertificates with nothing in it */
	MAKE_CRL_OTHER_ALGORITHM = 16,	/* outside than inside */
	MAKE_CRL_PSS = 32,
	MAKE_CRL_GENERALIZED = 64,	/* times */
	MAKE_CRL_EXPLICIT_V1 = 128,	/* version 0 */
	MAKE_CRL_UNUSED_BITS = 256	/* in the signature's BIT STRING */
};

struct make_crl {
	const struct pki_cert *issuer;
	EVP_PKEY	*key;		/* NULL: the issuer's */
	const EVP_MD	*md;		/* NULL: SHA-256, or none with EdDSA */
	time_t		 this_update, next_update;
	const char	*this_text;	/* a UTCTime's characters instead */
	const struct make_crl_row *rows;
	size_t		 n_rows;
	const char	*number;	/* CRLNumber's content in hex; NULL: 01; "": none */
	int		 number_critical;
	const char	*extra;		/* extensions as of openssl.cnf, one a line */
	unsigned	 quirks;	/* of enum make_crl_quirk */
};

/* The caller frees it. */
struct pki_buf make_crl(const struct make_crl *);

#endif
