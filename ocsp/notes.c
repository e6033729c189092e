/* SPDX-License-Identifier: ISC */
/*
 * notes - what was found out about a certificate, kept with the X509 object.
 *
 * certkey.h's sst_facts_of() and sst_issuer_id_of() are here.
 *
 * Always true:
 *   1. A note belongs to one X509 object and is freed with it.
 *   2. Facts depend on who the issuer is: they are found again only for an issuer
 *      of the same name and key.
 *   3. What was handed out stays: of two threads that read one certificate at the
 *      same time, one finds that the other was quicker and throws its own away.
 * Threads: X509_set_ex_data() may move what X509_get_ex_data() reads, so both are
 *   called under a lock. There is one for each few objects, chosen by address, and
 *   it is held for a look.
 */
#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "base/ossl.h"
#include "certkey.h"
#include "facts.h"

#define N_LOCKS		16
#define MAX_ISSUERS	4	/* of one certificate: cross-signed, re-keyed */

struct kept_facts {
	struct kept_facts *next;
	struct sst_cert_facts facts;
	char	urls[];
};

struct note {
	int	has_id;
	struct sst_issuer_id id;	/* as a CA */
	struct kept_facts *facts;
};

static struct {
	_Alignas(64) pthread_mutex_t mu;	/* guards the notes of its objects */
} locks[N_LOCKS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int note_index = -1;

static void
note_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
	struct note *note = ptr;
	struct kept_facts *next;

	(void)parent;
	(void)ad;
	(void)idx;
	(void)argl;
	(void)argp;
	if (note == NULL)
		return;
	for (struct kept_facts *f = note->facts; f != NULL; f = next) {
		next = f->next;
		OPENSSL_free(f);
	}
	OPENSSL_free(note);
}

/* A copy of a certificate begins without a note. */
static int
note_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **from_d, int idx, long argl,
    void *argp)
{
	(void)to;
	(void)from;
	(void)idx;
	(void)argl;
	(void)argp;
	*from_d = NULL;
	return 1;
}

static void
locks_take(void)
{
	for (int i = 0; i < N_LOCKS; i++)
		(void)pthread_mutex_lock(&locks[i].mu);
}

static void
locks_give(void)
{
	for (int i = 0; i < N_LOCKS; i++)
		(void)pthread_mutex_unlock(&locks[i].mu);
}

/* A child must not find a lock that a thread held which it does not have. */
static void
begin(void)
{
	for (int i = 0; i < N_LOCKS; i++)
		(void)pthread_mutex_init(&locks[i].mu, NULL);
	(void)pthread_atfork(locks_take, locks_give, locks_give);
	note_index = X509_get_ex_new_index(0, NULL, NULL, note_dup, note_free);
}

static int
ready(struct sst_error *err)
{
	(void)pthread_once(&once, begin);
	if (note_index < 0)
		return sst_fail(err, SST_E_NOMEM, "no place beside certificates for facts");
	return SST_OK;
}

static pthread_mutex_t *
lock_of(const X509 *cert)
{
	uintptr_t at = (uintptr_t)cert;

	return &locks[(at >> 6 ^ at >> 12) % N_LOCKS].mu;
}

/* The note of `cert`, which becomes *fresh when there is none; then *fresh is
 * NULL. NULL: out of memory. */
static struct note *
note_locked(X509 *cert, struct note **fresh)
{
	struct note *note = X509_get_ex_data(cert, note_index);

	if (note != NULL)
		return note;
	if (*fresh == NULL || X509_set_ex_data(cert, note_index, *fresh) != 1)
		return NULL;
	note = *fresh;
	*fresh = NULL;
	return note;
}

static int
issuer_id_compute(X509 *ca, struct sst_issuer_id *ret, struct sst_error *err)
{
	const unsigned char *name;
	unsigned char *spki = NULL;
	size_t name_len;
	int len, ok;

	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(ca), &spki);
	ok = len > 0 &&
	    X509_NAME_get0_der(X509_get_subject_name(ca), &name, &name_len) == 1 &&
	    EVP_Digest(name, name_len, ret->dn, NULL, EVP_sha256(), NULL) == 1 &&
	    EVP_Digest(spki, (size_t)len, ret->spki, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(spki);
	return ok ? SST_OK : sst_fail_ossl(err, SST_E_NOMEM, "hashing an issuer's name and key");
}

int
sst_issuer_id_of(X509 *ca, struct sst_issuer_id *ret, struct sst_error *err)
{
	pthread_mutex_t *mu = lock_of(ca);
	struct note *note, *fresh;
	struct sst_issuer_id id;
	int rc = ready(err), found = 0;

	if (rc < 0)
		return rc;
	(void)pthread_mutex_lock(mu);
	note = X509_get_ex_data(ca, note_index);
	if (note != NULL && note->has_id) {
		*ret = note->id;
		found = 1;
	}
	(void)pthread_mutex_unlock(mu);
	if (found)
		return SST_OK;

	rc = issuer_id_compute(ca, &id, err);
	if (rc < 0)
		return rc;
	fresh = OPENSSL_zalloc(sizeof(*fresh));
	(void)pthread_mutex_lock(mu);
	note = note_locked(ca, &fresh);
	if (note != NULL) {
		note->id = id;
		note->has_id = 1;
	}
	(void)pthread_mutex_unlock(mu);
	OPENSSL_free(fresh);
	if (note == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	*ret = id;
	return SST_OK;
}

static struct kept_facts *
facts_find_locked(X509 *cert, const struct sst_issuer_id *issuer)
{
	struct note *note = X509_get_ex_data(cert, note_index);

	for (struct kept_facts *f = note == NULL ? NULL : note->facts; f != NULL; f = f->next)
		if (memcmp(&f->facts.key.issuer, issuer, sizeof(*issuer)) == 0)
			return f;
	return NULL;
}

static char *
url_copy(char *at, const struct sst_facts_url *url, const char **ret)
{
	memcpy(at, url->text, url->len);
	at[url->len] = '\0';
	*ret = at;
	return at + url->len + 1;
}

static int
facts_make(X509 *cert, X509 *issuer, const struct sst_issuer_id *id, struct kept_facts **ret,
    struct sst_error *err)
{
	struct sst_cert_facts facts;
	struct sst_facts_urls urls;
	struct kept_facts *kept;
	size_t room = 0;
	char *at;
	int rc;

	if (X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) != 0)
		return sst_fail(err, SST_E_MISMATCH,
		    "the certificate names another issuer than the one given");
	rc = sst_facts_read(cert, &facts, &urls, err);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < facts.n_ocsp; i++)
		room += urls.ocsp[i].len + 1;
	for (unsigned i = 0; i < facts.n_crl; i++)
		room += urls.crl[i].len + 1;
	kept = OPENSSL_zalloc(sizeof(*kept) + room);
	if (kept == NULL)
		return sst_fail_ossl(err, SST_E_NOMEM, "out of memory");
	kept->facts = facts;
	kept->facts.key.issuer = *id;
	at = kept->urls;
	for (unsigned i = 0; i < facts.n_ocsp; i++)
		at = url_copy(at, &urls.ocsp[i], &kept->facts.ocsp[i]);
	for (unsigned i = 0; i < facts.n_crl; i++)
		at = url_copy(at, &urls.crl[i], &kept->facts.crl[i]);
	*ret = kept;
	return SST_OK;
}

/* Puts *made in its place, unless somebody was quicker: then *made stays with the
 * caller, and theirs is the answer. */
static int
facts_keep(X509 *cert, struct kept_facts **made, const struct kept_facts **ret,
    struct sst_error *err)
{
	struct note *note, *fresh = OPENSSL_zalloc(sizeof(*fresh));
	pthread_mutex_t *mu = lock_of(cert);
	struct kept_facts *f;
	int n = 0, rc = SST_OK;

	(void)pthread_mutex_lock(mu);
	f = facts_find_locked(cert, &(*made)->facts.key.issuer);
	note = note_locked(cert, &fresh);
	for (struct kept_facts *i = note == NULL ? NULL : note->facts; i != NULL; i = i->next)
		n++;
	if (f != NULL) {
		*ret = f;
	} else if (note == NULL) {
		rc = SST_E_NOMEM;
	} else if (n >= MAX_ISSUERS) {
		rc = SST_E_LIMIT;
	} else {
		(*made)->next = note->facts;
		note->facts = *made;
		*ret = *made;
		*made = NULL;
	}
	(void)pthread_mutex_unlock(mu);
	OPENSSL_free(fresh);
	if (rc == SST_E_LIMIT)
		return sst_fail(err, rc, "one certificate was given with more than %d issuers",
		    MAX_ISSUERS);
	return rc < 0 ? sst_fail_ossl(err, rc, "out of memory") : SST_OK;
}

int
sst_facts_of(X509 *cert, X509 *issuer, const struct sst_cert_facts **ret,
    struct sst_error *err)
{
	pthread_mutex_t *mu = lock_of(cert);
	const struct kept_facts *kept;
	struct kept_facts *made = NULL;
	struct sst_issuer_id id;
	int rc = sst_issuer_id_of(issuer, &id, err);

	if (rc < 0)
		return rc;
	(void)pthread_mutex_lock(mu);
	kept = facts_find_locked(cert, &id);
	(void)pthread_mutex_unlock(mu);
	if (kept == NULL) {
		rc = facts_make(cert, issuer, &id, &made, err);
		if (rc == SST_OK)
			rc = facts_keep(cert, &made, &kept, err);
		OPENSSL_free(made);
	}
	if (rc < 0)
		return rc;
	*ret = &kept->facts;
	return SST_OK;
}
