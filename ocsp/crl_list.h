/* SPDX-License-Identifier: ISC */
/*
 * crl_list - a list's parts, shared by the files that crl.h is cut into.
 *
 *	crl.c		open: frame, signature, extensions, entries, in this order
 *	crl_read.c	bytes to parts, to the head's extensions, to rows
 *	crl_name.c	names: whether two are equal, or a GeneralNames holds one
 *	crl_signer.c	who may have signed, and whether he did
 *	crl_index.c	rows to buckets, and a serial in a bucket
 *	crl_scope.c	head and certificate to scope and evidence
 *
 * Nobody else includes it.
 *
 * Always true:
 *   1. Every pointer is into the bytes that were given to sst_crl_open().
 *   2. Whoever fails says the fault once, with sst_crl_fault().
 * Threads: a list that was opened is immutable.
 */
#ifndef SST_OCSP_CRL_LIST_H
#define SST_OCSP_CRL_LIST_H

#include "crl.h"
#include "der.h"

struct sst_crl {
	struct sst_crl_head head;
	const uint8_t	*bytes;
	size_t		 len;
	struct sst_given *given;	/* whose bytes they are; NULL: nobody's */
	enum sst_fault	 fault;
	int		 v2;
	struct sst_der_item tbs;	/* what is signed */
	struct sst_der_item algorithm;
	struct sst_der_item name;	/* of who issued the list */
	const uint8_t	*signature;
	size_t		 signature_len;
	struct sst_der	 entries;	/* revokedCertificates' content, or nothing */
	struct sst_der	 extensions;	/* crlExtensions' content, or nothing */
};

/* Sets crl->fault and the error; returns the code that goes with the fault. */
int	sst_crl_fault(struct sst_crl *, enum sst_fault, struct sst_error *, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));

/* crl_read.c: all of *crl but the head's issuer, digests and life. */
int	sst_crl_read_frame(struct sst_crl *, struct sst_error *err);
int	sst_crl_read_extensions(struct sst_crl *, struct sst_error *err);

/* One entry. */
struct sst_crl_row {
	const uint8_t	*serial;
	size_t		 serial_len;
	struct sst_crl_entry entry;
	int		 foreign;	/* about another issuer's certificate */
	int		 bad_critical;
};
/* All zero but `in` is a walk's beginning. */
struct sst_crl_walk {
	struct sst_der	 in;
	int		 foreign;	/* the issuer stays until the next one is named */
	int		 named;		/* an entry had a certificateIssuer */
};
/* The next entry. 1; 0: that was the last; < 0. */
int	sst_crl_row(const struct sst_crl *, struct sst_crl_walk *, struct sst_crl_row *ret);
/* Of two entries with one serial the stricter stays in *kept. */
void	sst_crl_entry_merge(struct sst_crl_entry *kept, const struct sst_crl_entry *other);

/* crl_name.c, over the DER of names. 1 or 0 (also when memory
 * runs out: then a list is not the issuer's). */
int	sst_name_equal(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);
/* Whether GeneralNames (the content) holds this name as a directoryName. */
int	sst_names_have(const uint8_t *names, size_t len, const uint8_t *dn, size_t dn_len);

/* crl_signer.c: verifies; fills the head's signer, and *ret_not_after with his. */
int	sst_crl_verify(struct sst_crl *, const struct sst_crl_signers *, int64_t now, int level,
	    int64_t *ret_not_after, struct sst_error *err);

#endif
