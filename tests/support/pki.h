/* SPDX-License-Identifier: ISC */
/*
 * pki - a certificate authority in memory, and a directory to write it to.
 *
 * Every test program may link it (`support`); it calls libcrypto and libc.
 *
 * Always true:
 *   1. A failure prints what went wrong and aborts: a test never has to check.
 *   2. Nothing depends on today's date. A certificate that names no dates is
 *      valid from 2020 to 2040, and PKI_NOW lies in between.
 *   3. Nothing is left behind: pki_dir_free() removes what pki_dir_new() made.
 * Threads: none of its own.
 *
 *	struct pki_cert *ca = pki_issue(NULL, &(struct pki_spec){ .cn = "CA", .ca = 1 });
 *	struct pki_cert *www = pki_issue(ca, &(struct pki_spec){
 *	    .key = PKI_P256, .san = "www.example.com,*.example.org,IP:192.0.2.1" });
 */
#ifndef SST_TEST_PKI_H
#define SST_TEST_PKI_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#define PKI_NOW	((time_t)1800000000)	/* 2027-01-15 */
#define PKI_DAY	((time_t)86400)

enum pki_key {
	PKI_P256,
	PKI_P384,
	PKI_P521,
	PKI_RSA,	/* 2048 bits */
	PKI_RSA_1024,
	PKI_RSA_PSS,
	PKI_ED25519,
	PKI_ED448
};

struct pki_spec {
	enum pki_key	 key;
	const char	*cn;		/* NULL: an empty subject */
	const char	*san;		/* comma separated, "IP:" before addresses */
	time_t		 not_before;	/* 0: 2020 */
	time_t		 not_after;	/* 0: 2040 */
	const char	*eku;		/* as "clientAuth"; NULL: serverAuth; "": none */
	const char	*ocsp;		/* URL for authorityInfoAccess, or NULL */
	const char	*crl;		/* URL for crlDistributionPoints, or NULL */
	int		 ca;		/* basicConstraints CA:TRUE */
	int		 sha1;		/* signed with SHA-1 */
	int		 unknown_critical; /* with a critical extension of no meaning */
	EVP_PKEY	*use_key;	/* borrowed: take this key, make none */
	const unsigned char *serial;	/* content octets, as they are; NULL: random */
	size_t		 serial_len;
	const char	*key_usage;	/* of a CA, as "keyCertSign"; NULL: certs and
					   CRLs; "": no extension */
	/* More extensions, one a line, as openssl.cnf has them: "NAME = VALUE", with
	 * sections after them ("[dp]" ...) that values may refer to. */
	const char	*extra;
};

struct pki_cert {
	X509		*cert;
	EVP_PKEY	*key;
	struct pki_cert	*issuer;	/* borrowed; NULL: self-signed */
};

/* The caller frees it, before its issuer. `issuer` NULL: signs itself. */
struct pki_cert *pki_issue(struct pki_cert *issuer, const struct pki_spec *);
void	pki_free(struct pki_cert *);	/* NULL is allowed */
EVP_PKEY *pki_key_new(enum pki_key);
/* SHA-256 of the certificate. */
void	pki_digest(const struct pki_cert *, unsigned char out[32]);

/* Bytes that grow; all zero is empty. Always NUL-terminated after the end. */
struct pki_buf {
	char	*data;
	size_t	 len;
};

void	pki_buf_free(struct pki_buf *);
void	pki_put(struct pki_buf *, const void *bytes, size_t len);
void	pki_put_text(struct pki_buf *, const char *text);
void	pki_put_cert(struct pki_buf *, const struct pki_cert *);	/* PEM */
/* The certificate and its issuers, PEM, without the self-signed root. */
void	pki_put_chain(struct pki_buf *, const struct pki_cert *);
void	pki_put_key(struct pki_buf *, const struct pki_cert *);	/* PEM, PKCS#8 */
/* PEM of the old form, as "EC PRIVATE KEY" with EC PARAMETERS before it. */
void	pki_put_key_old(struct pki_buf *, const struct pki_cert *);
void	pki_put_key_locked(struct pki_buf *, const struct pki_cert *, const char *password);
void	pki_put_cert_der(struct pki_buf *, const struct pki_cert *);
void	pki_put_key_der(struct pki_buf *, const struct pki_cert *);

/* An empty directory of mode 0700; the caller gives it to pki_dir_free(). */
char	*pki_dir_new(void);
void	pki_dir_free(char *);		/* with all it holds; NULL is allowed */
/* DIR/NAME in a static buffer (eight take turns). */
const char *pki_path(const char *dir, const char *name);
/* Writes DIR/NAME with this mode in one step (rename); makes folders between. */
void	pki_write(const char *dir, const char *name, mode_t, const struct pki_buf *);
/* chain + key in one file of mode 0600. */
void	pki_write_pair(const char *dir, const char *name, const struct pki_cert *);
void	pki_write_chain(const char *dir, const char *name, const struct pki_cert *);
void	pki_write_key(const char *dir, const char *name, const struct pki_cert *);
void	pki_write_text(const char *dir, const char *name, const char *text);
void	pki_link(const char *dir, const char *name, const char *target);

/*
 * certbot's layout under DIR: archive/NAME/{cert,chain,fullchain,privkey}N.pem
 * and the links live/NAME/KIND.pem, made in certbot's order (cert, privkey,
 * chain, fullchain; each unlinked, then linked). pki_certbot() does both.
 */
void	pki_certbot(const char *dir, const char *name, const struct pki_cert *, int n);
void	pki_certbot_archive(const char *dir, const char *name,
	    const struct pki_cert *, int n);
void	pki_certbot_unlink(const char *dir, const char *name, const char *kind);
void	pki_certbot_link(const char *dir, const char *name, const char *kind, int n);

#endif
