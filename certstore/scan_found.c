/* SPDX-License-Identifier: ISC */
/* scan_found - entries that a scan makes, and the list of them (scan_unit.h). */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "quick.h"
#include "scan_unit.h"

int
sst_line_add(char **lines, const char *text)
{
	char *grown = NULL;

	if (asprintf(&grown, "%s%s\n", *lines == NULL ? "" : *lines, text) < 0)
		return SST_E_NOMEM;
	free(*lines);
	*lines = grown;
	return SST_OK;
}

void
sst_found_done(struct sst_found *f)
{
	sst_row_done(&f->row);
	sst_identity_unref(f->identity);
	sk_X509_pop_free(f->certs, X509_free);
	*f = (struct sst_found){ 0 };
}

void
sst_scan_done(struct sst_scan *s)
{
	for (size_t i = 0; i < s->n; i++)
		sst_found_done(&s->v[i]);
	free(s->v);
	for (size_t i = 0; i < s->n_open_keys; i++)
		free(s->open_keys[i]);
	free(s->open_keys);
	for (size_t i = 0; i < s->n_seen; i++) {
		free(s->seen[i].folder);
		free(s->seen[i].why);
	}
	free(s->seen);
	free(s->folders);
	free(s->leafless);
	*s = (struct sst_scan){ 0 };
}

/* Moves *f to the scan; frees it when that fails. */
int
sst_found_push(struct sst_scan *s, struct sst_found *f, struct sst_error *err)
{
	struct sst_found *grown;
	size_t room;

	if (s->n == s->room) {
		room = s->room == 0 ? 2 : s->room * 2;
		grown = reallocarray(s->v, room, sizeof(*grown));
		if (grown == NULL) {
			sst_found_done(f);
			return nomem(err);
		}
		s->v = grown;
		s->room = room;
	}
	s->v[s->n++] = *f;
	*f = (struct sst_found){ 0 };
	return SST_OK;
}

/* An entry that says why `path` is not taken in. */
int
sst_found_refuse(struct sst_scan *s, const char *path, const struct sst_error *why,
    struct sst_error *err)
{
	struct sst_found f = { .code = why->code, .sys_errno = why->sys_errno };

	f.row.state = SST_ENTRY_REFUSED;
	if (sst_text_set(&f.row.path, path) < 0 ||
	    sst_text_set(&f.row.why, why->text) < 0) {
		sst_found_done(&f);
		return nomem(err);
	}
	return sst_found_push(s, &f, err);
}

size_t
sst_scan_forget_refused(struct sst_scan *s)
{
	const size_t before = s->n;
	size_t n = 0;

	for (size_t i = 0; i < before; i++) {
		if (s->v[i].row.state == SST_ENTRY_REFUSED)
			sst_found_done(&s->v[i]);
		else
			s->v[n++] = s->v[i];
	}
	s->n = n;
	return before - n;
}

int
sst_found_make(const struct sst_scan_env *env, X509 *leaf, STACK_OF(X509) *pool,
    EVP_PKEY *key, struct sst_found *ret, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_found f = { .row.state = SST_ENTRY_REFUSED };
	STACK_OF(X509) *chain = NULL;
	struct sst_leaf_facts facts = { 0 };
	X509 *whole = NULL;
	int rc;

	rc = sst_leaf_facts_read(leaf, &facts, &why);
	if (rc < 0)
		goto out;
	chain = sst_chain_order(leaf, pool, env->intern);
	if (chain == NULL) {
		rc = nomem(&why);
		goto out;
	}
	if (sk_X509_num(chain) == 0 &&
	    (X509_get_extension_flags(leaf) & EXFLAG_SI) == 0)
		rc = sst_leaf_facts_warn(&facts, "no intermediate certificate comes with"
		    " it: clients that do not know the issuer will refuse", &why);
	if (rc == SST_OK)
		rc = sst_row_facts(&f.row, &facts);
	if (rc == SST_OK)
		rc = sst_chain_content(facts.digest, chain, env->intern, f.row.content,
		    &why);
	if (rc == SST_OK && key != NULL && !env->facts_only)
		rc = sst_identity_new(leaf, chain, key, &facts, &f.identity, &why);
	if (rc == SST_OK && f.identity != NULL && !env->admitted)
		rc = sst_identity_warm(f.identity, &why);
	if (rc < 0)
		goto out;
	f.row.state = key == NULL ? SST_ENTRY_STAGED :
	    facts.challenge ? SST_ENTRY_CHALLENGE : SST_ENTRY_USABLE;
	if (key == NULL) {
		whole = sst_quick_whole(leaf);
		if (whole == NULL || sst_leaf_settle(whole) < 0 ||
		    sk_X509_insert(chain, whole, 0) <= 0) {
			rc = nomem(&why);
			goto out;
		}
		whole = NULL;
		f.certs = chain;
		chain = NULL;
	}
out:
	X509_free(whole);
	sk_X509_pop_free(chain, X509_free);
	sst_leaf_facts_done(&facts);
	if (rc == SST_E_NOMEM) {
		sst_found_done(&f);
		return nomem(err);
	}
	if (rc < 0) {
		sst_found_done(&f);
		f.row.state = SST_ENTRY_REFUSED;
		f.code = why.code;
		f.sys_errno = why.sys_errno;
		if (sst_text_set(&f.row.why, why.text) < 0)
			return nomem(err);
	}
	*ret = f;
	return SST_OK;
}
