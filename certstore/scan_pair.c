/* SPDX-License-Identifier: ISC */
/*
 * scan_pair - which key of a unit belongs to which chain (scan_unit.h).
 *
 * Always true:
 *   1. A key and a chain meet by the public key alone: no file name says so.
 *   2. Of one leaf in several files, the one with the longest chain counts.
 *   3. Keys and leaves are sorted once: n files cost n log n.
 * Threads: as scan_unit.h.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "key.h"
#include "scan_unit.h"

/* Where a key or a leaf lies. */
struct sst_mark {
	uint8_t		 id[32];	/* key: print; leaf: digest */
	const struct sst_part *part;	/* NULL: more_keys */
	EVP_PKEY	*key;
	X509		*leaf;
	uint8_t		 print[32];	/* of a leaf's key */
	int		 printed;	/* it has one */
	int		 chain;		/* certificates that its own file adds */
};

static int
mark_cmp(const void *a, const void *b)
{
	const struct sst_mark *l = a, *r = b;
	int d = memcmp(l->id, r->id, sizeof(l->id));

	if (d != 0)
		return d;
	if (l->chain != r->chain)
		return l->chain > r->chain ? -1 : 1;
	if (l->part == NULL || r->part == NULL)
		return (l->part == NULL) - (r->part == NULL);
	return strcmp(l->part->path, r->part->path);
}

static int
mark_find_cmp(const void *id, const void *mark)
{
	return memcmp(id, ((const struct sst_mark *)mark)->id, 32);
}

static const struct sst_mark *
key_find(const struct sst_unit *u, const uint8_t print[32])
{
	if (u->n_keys == 0)
		return NULL;
	return bsearch(print, u->keys, u->n_keys, sizeof(*u->keys), mark_find_cmp);
}

static int
is_ca(X509 *x)
{
	return (X509_get_extension_flags(x) & EXFLAG_CA) != 0;
}

/* Lists all keys by print. */
static int
keys_mark(struct sst_unit *u, struct sst_error *err)
{
	size_t total = u->n_more;
	struct sst_mark *m;
	int rc;

	for (size_t i = 0; i < u->n; i++)
		total += u->part[i].pem.n_keys;
	u->keys = calloc(total + 1, sizeof(*u->keys));
	if (u->keys == NULL)
		return nomem(err);
	for (size_t i = 0; i <= u->n; i++) {
		const struct sst_part *p = i < u->n ? &u->part[i] : NULL;
		size_t n = p != NULL ? p->pem.n_keys : u->n_more;

		for (size_t k = 0; k < n; k++) {
			m = &u->keys[u->n_keys];
			m->part = p;
			m->key = p != NULL ? p->pem.keys[k] : u->more_keys[k];
			rc = sst_key_print(m->key, m->id, NULL);
			if (rc == SST_E_NOMEM)
				return nomem(err);
			/* a key of no kind that we know matches no leaf */
			u->n_keys += rc == SST_OK;
		}
	}
	qsort(u->keys, u->n_keys, sizeof(*u->keys), mark_cmp);
	return SST_OK;
}

/*
 * Whether `x` is the end of a chain: no CA, or a CA whose key is here. Notes the
 * print of its key.
 */
static int
is_leaf(const struct sst_unit *u, X509 *x, struct sst_mark *m, struct sst_error *err)
{
	struct sst_key_facts facts;
	int rc;

	rc = sst_key_facts_read(x, &facts, NULL);
	if (rc == SST_E_NOMEM)
		return nomem(err);
	m->printed = rc == SST_OK;
	if (m->printed)
		memcpy(m->print, facts.print, sizeof(m->print));
	return !is_ca(x) || (m->printed && key_find(u, m->print) != NULL);
}

/* Lists all leaves by digest, the one with the longest chain first. */
static int
leaves_mark(struct sst_unit *u, struct sst_error *err)
{
	STACK_OF(X509) *chain;
	size_t total = 0;
	int leaf;

	for (size_t i = 0; i < u->n; i++)
		total += (size_t)(sk_X509_num(u->part[i].pem.certs) + 1);
	u->leaves = calloc(total + 1, sizeof(*u->leaves));
	u->cas = sk_X509_new_null();
	if (u->leaves == NULL || u->cas == NULL)
		return nomem(err);
	for (size_t i = 0; i < u->n; i++) {
		STACK_OF(X509) *certs = u->part[i].pem.certs;

		for (int c = 0; c < sk_X509_num(certs); c++) {
			struct sst_mark *m = &u->leaves[u->n_leaves];
			X509 *x = sk_X509_value(certs, c);

			if (is_ca(x) && sk_X509_push(u->cas, x) <= 0)
				return nomem(err);
			leaf = is_leaf(u, x, m, err);
			if (leaf < 0)
				return leaf;
			if (!leaf)
				continue;
			chain = sst_chain_order(x, certs, NULL);
			if (chain == NULL)
				return nomem(err);
			m->chain = sk_X509_num(chain);
			m->part = &u->part[i];
			m->leaf = x;
			sk_X509_pop_free(chain, X509_free);
			u->n_leaves++;
		}
	}
	/* one alone is told from no other */
	for (size_t i = 0; u->n_leaves > 1 && i < u->n_leaves; i++)
		if (sst_cert_digest(u->leaves[i].leaf, u->leaves[i].id, NULL) < 0)
			return nomem(err);
	qsort(u->leaves, u->n_leaves, sizeof(*u->leaves), mark_cmp);
	return SST_OK;
}

/*
 * The certificates that may stand above `m`: those of its own file, or, when
 * that has none, every CA of the folder (certbot's chain.pem). *load gets the
 * files they come from.
 */
static int
pool_make(const struct sst_unit *u, const struct sst_mark *m, STACK_OF(X509) **ret,
    char **load)
{
	STACK_OF(X509) *pool, *chain = NULL;
	int rc = SST_E_NOMEM, used;

	pool = sk_X509_dup(m->chain > 0 ? m->part->pem.certs : u->cas);
	if (pool == NULL || sst_line_add(load, m->part->load) < 0)
		goto out;
	if (m->chain == 0) {
		chain = sst_chain_order(m->leaf, pool, NULL);
		if (chain == NULL)
			goto out;
	}
	for (size_t i = 0; sk_X509_num(chain) > 0 && i < u->n; i++) {
		used = 0;
		for (int c = 0; c < sk_X509_num(chain); c++)
			used |= sk_X509_find(u->part[i].pem.certs,
			    sk_X509_value(chain, c)) >= 0;
		if (used && &u->part[i] != m->part &&
		    sst_line_add(load, u->part[i].load) < 0)
			goto out;
	}
	*ret = pool;
	pool = NULL;
	rc = SST_OK;
out:
	sk_X509_pop_free(chain, X509_free);
	sk_X509_free(pool);
	return rc;
}

/* A leaf whose key is not here. */
static void
keyless_why(const struct sst_unit *u, const struct sst_mark *m, struct sst_error *why)
{
	char shown[400];

	(void)sst_escape(shown, sizeof(shown), m->part->path, strlen(m->part->path));
	if (u->is_dir)
		(void)sst_fail(why, SST_E_MISMATCH, "no private key in the folder of"
		    " %s belongs to its certificate", shown);
	else
		(void)sst_fail(why, SST_E_MISMATCH, "the private key in %s does not"
		    " belong to its certificate", shown);
}

/* Makes the entry of one leaf. `matched`: another leaf has a key here. */
static int
leaf_emit(struct sst_unit *u, const struct sst_mark *m, int matched, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	const struct sst_mark *key = NULL;
	STACK_OF(X509) *pool = NULL;
	struct sst_found f = { 0 };
	char *load = NULL;
	int rc;

	if (m->printed)
		key = key_find(u, m->print);
	if (key == NULL && m->printed &&
	    (u->is_dir || (!matched && m->part->pem.n_keys > 0))) {
		keyless_why(u, m, &why);
		return sst_found_refuse(u->out, m->part->path, &why, err);
	}
	rc = pool_make(u, m, &pool, &load);
	if (rc < 0) {
		(void)nomem(err);
		goto out;
	}
	rc = sst_found_make(u->env, m->leaf, pool, key == NULL ? NULL : key->key, &f,
	    err);
	if (rc < 0)
		goto out;
	if (sst_text_set(&f.row.path, m->part->path) < 0 ||
	    (m->part->load[0] != '\0' && sst_text_set(&f.row.load, load) < 0) ||
	    (key != NULL && key->part != NULL && key->part->load[0] != '\0' &&
	    (sst_text_set(&f.row.key_path, key->part->path) < 0 ||
	    sst_text_set(&f.row.load_key, key->part->load) < 0))) {
		rc = nomem(err);
		goto out;
	}
	rc = sst_found_push(u->out, &f, err);
out:
	sst_found_done(&f);
	sk_X509_free(pool);
	free(load);
	return rc;
}

/* Pairs what the unit holds. */
int
sst_unit_pair(struct sst_unit *u, struct sst_error *err)
{
	size_t matched = 0;
	int rc;

	rc = keys_mark(u, err);
	if (rc == SST_OK)
		rc = leaves_mark(u, err);
	for (size_t i = 0; rc == SST_OK && i < u->n_leaves; i++)
		matched += u->leaves[i].printed &&
		    key_find(u, u->leaves[i].print) != NULL;
	for (size_t i = 0; rc == SST_OK && i < u->n_leaves; i++) {
		if (i > 0 && memcmp(u->leaves[i].id, u->leaves[i - 1].id, 32) == 0)
			continue;	/* the same leaf with a shorter chain */
		rc = leaf_emit(u, &u->leaves[i], matched > 0, err);
	}
	return rc;
}

int
sst_unit_is_closed(const struct sst_unit *u)
{
	const struct sst_mark *key;

	for (size_t i = 0; i < u->n_leaves; i++) {
		key = u->leaves[i].printed ? key_find(u, u->leaves[i].print) : NULL;
		if (key == NULL || key->part != u->leaves[i].part || u->leaves[i].chain == 0)
			return 0;
	}
	return u->n_leaves > 0;
}

/* Notes the files that were read and gave no leaf: text, keys, nothing at all. */
int
sst_unit_leafless(const struct sst_unit *u, struct sst_error *err)
{
	char *has = calloc(u->n + 1, 1), *lines = NULL, *at;
	size_t len = u->out->leafless == NULL ? 0 : strlen(u->out->leafless);
	size_t more = 0;

	for (size_t i = 0; has != NULL && i < u->n_leaves; i++)
		has[u->leaves[i].part - u->part] = 1;
	for (size_t i = 0; has != NULL && i < u->n; i++)
		more += has[i] ? 0 : strlen(u->part[i].path) + 1;
	if (has != NULL)
		lines = realloc(u->out->leafless, len + more + 1);
	if (lines == NULL) {
		free(has);
		return nomem(err);
	}
	u->out->leafless = lines;
	at = lines + len;
	*at = '\0';
	for (size_t i = 0; i < u->n; i++)
		if (!has[i])
			at = stpcpy(stpcpy(at, u->part[i].path), "\n");
	free(has);
	return SST_OK;
}
