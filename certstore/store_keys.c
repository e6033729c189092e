/* SPDX-License-Identifier: ISC */
/*
 * store_keys - a key comes: to which chains does it belong? (store.h)
 *
 * Always true:
 *   1. A key meets a chain by its print, and is compared before they are a pair.
 *   2. A key that belongs to nothing is refused, and the text names both sides; in
 *      a directory of keys it is passed over.
 * Threads: reads with no lock held; apply.c takes mu for the change.
 */
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "apply.h"
#include "key.h"
#include "store_change.h"
#include "store_keep.h"
#include "watcher.h"

/* Certificates of a staged or present row: pinned, or read again. */
static int
row_certs(struct sst_store *s, const struct sst_row *row, struct sst_pem *ret,
    struct sst_error *err)
{
	struct sst_pem pem = { 0 };
	struct sst_pin *pin;
	char path[SST_PATH_SIZE];
	const char *line;
	size_t len;
	int open_key, rc = SST_OK;

	sst_store_lock(s);
	pin = sst_pin_find_locked(s, row->id);
	if (pin != NULL && pin->certs != NULL) {
		pem.certs = X509_chain_up_ref(pin->certs);
	} else if (pin != NULL) {
		pem.certs = X509_chain_up_ref(sst_identity_chain(pin->identity));
		if (pem.certs != NULL &&
		    X509_up_ref(sst_identity_leaf(pin->identity)) == 1 &&
		    sk_X509_insert(pem.certs, sst_identity_leaf(pin->identity), 0) <= 0)
			X509_free(sst_identity_leaf(pin->identity));
	}
	sst_store_unlock(s);
	if (pin != NULL && pem.certs == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (pin == NULL && row->load != NULL &&
	    (line = sst_line(row->load, 0, &len)) != NULL && len < sizeof(path)) {
		memcpy(path, line, len);
		path[len] = '\0';
		rc = sst_scan_read(&s->env, path, &pem, &open_key, err);
	}
	if (rc == SST_OK)
		*ret = pem;
	return rc < 0 ? rc : SST_OK;
}

/* The pair of a row's chain and `key`; NULL in ret->identity when the chain
 * changed meanwhile. */
static int
pair_make(struct sst_store *s, const struct sst_row *row, EVP_PKEY *key,
    const uint8_t print[SST_PRINT_SIZE], struct sst_found *ret, struct sst_error *err)
{
	struct sst_key_facts facts;
	struct sst_pem pem = { 0 };
	int rc;

	rc = row_certs(s, row, &pem, err);
	for (int i = 0; rc == SST_OK && i < sk_X509_num(pem.certs); i++) {
		X509 *x = sk_X509_value(pem.certs, i);

		if (sst_key_facts_read(x, &facts, NULL) != SST_OK ||
		    memcmp(facts.print, print, sizeof(facts.print)) != 0)
			continue;
		rc = sst_found_make(&s->env, x, pem.certs, key, ret, err);
		break;
	}
	sst_pem_done(&pem);
	return rc;
}

/* The pair, before it takes the place of what serves. */
static int
staged_try(struct sst_store *s, const struct sst_row *staged, struct sst_found *f,
    struct sst_error *err)
{
	if (sst_text_set(&f->row.path, staged->path) < 0)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	return sst_try_found(s, f, err);
}

/* Joins one key. Returns the number of chains that it belongs to, or < 0. */
static int
key_join(struct sst_store *s, EVP_PKEY *key, const char *key_path,
    struct sst_events *events, struct sst_error *err)
{
	struct sst_rows rows = { 0 };
	uint8_t print[SST_PRINT_SIZE];
	int joined = 0, rc;

	rc = sst_key_print(key, print, err);
	if (rc < 0)
		return rc;
	sst_store_lock(s);
	rc = sst_index_find(s->index, SST_FIND_PRINT, print, sizeof(print), &rows, err);
	sst_store_unlock(s);
	for (size_t i = 0; rc == SST_OK && i < rows.n; i++) {
		struct sst_found f = { 0 };

		if (rows.v[i].state == SST_ENTRY_REFUSED)
			continue;
		rc = pair_make(s, &rows.v[i], key, print, &f, err);
		if (rc == SST_OK && f.identity != NULL) {
			joined++;
			/* a present pair needs no second key */
			if (rows.v[i].state == SST_ENTRY_STAGED) {
				rc = staged_try(s, &rows.v[i], &f, err);
				if (rc == SST_OK && sst_keep_turn(s, NULL, err) < 0)
					rc = SST_E_SYSTEM;
				if (rc == SST_OK)
					rc = sst_apply_pair(s, &rows.v[i], &f,
					    key_path, events, err);
				else if (rc == 1)	/* not yet */
					rc = SST_OK;
			}
		}
		sst_found_done(&f);
	}
	sst_rows_done(&rows);
	return rc < 0 ? rc : joined;
}

/* No chain has any of these keys: the text names both sides. */
static int
mismatch(struct sst_store *s, const char *key_path, struct sst_error *err)
{
	char shown[200], staged[200], path[SST_PATH_SIZE];

	(void)sst_escape(shown, sizeof(shown), key_path, strlen(key_path));
	if (!sst_store_staged(s, path, sizeof(path)))
		return sst_fail(err, SST_E_MISMATCH, "the private key in %s belongs to"
		    " no certificate that was set", shown);
	(void)sst_escape(staged, sizeof(staged), path, strlen(path));
	return sst_fail(err, SST_E_MISMATCH, "the private key in %s does not belong to"
	    " the certificate in %s", shown, staged);
}

static int
keys_join(struct sst_store *s, const struct sst_pem *pem, const char *name,
    const char *key_path, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_events events = { 0 };
	int joined = 0, rc = SST_OK;

	for (size_t i = 0; rc >= 0 && i < pem->n_keys; i++) {
		rc = key_join(s, pem->keys[i], key_path, &events, &why);
		joined += rc > 0;
	}
	sst_events_tell(s, &events);
	if (rc >= 0 && pem->n_keys == 0)
		rc = sst_fail(&why, SST_E_MALFORMED, "%s holds no private key", name);
	else if (rc >= 0 && joined == 0)
		rc = mismatch(s, name, &why);
	if (rc < 0 && err != NULL && err->code == SST_OK)
		*err = why;
	return rc < 0 ? rc : SST_OK;
}

/* A directory of keys: those that belong to nothing are passed over. */
static int
key_dir(struct sst_store *s, const char *dir, struct sst_error *err)
{
	char **names = NULL, path[SST_PATH_SIZE];
	size_t n = 0, joined = 0;
	int rc, open_key;

	rc = sst_scan_names(&s->env, dir, SST_SCAN_NAMES_MAX, &names, &n, err);
	for (size_t i = 0; rc == SST_OK && i < n; i++) {
		struct sst_pem pem = { 0 };

		if (snprintf(path, sizeof(path), "%s/%s", dir, names[i]) >=
		    (int)sizeof(path))
			continue;
		if (sst_scan_read(&s->env, path, &pem, &open_key, NULL) == SST_OK &&
		    keys_join(s, &pem, path, path, NULL) == SST_OK)
			joined++;
		sst_pem_done(&pem);
	}
	sst_scan_names_done(names, n);
	if (rc == SST_OK && joined == 0)
		return mismatch(s, dir, err);
	return rc;
}

int
sst_store_add_key(struct sst_store *s, const char *path, struct sst_error *err)
{
	char settled[SST_PATH_SIZE], shown[400];
	struct sst_pem pem = { 0 };
	enum sst_source_kind kind;
	int rc, open_key = 0;
	int64_t id;

	rc = sst_path_settle(s, path, settled, err);
	if (rc < 0)
		return rc;
	sst_store_lock(s);
	rc = sst_index_source_get(s->index, settled, &id, &kind, err);
	sst_store_unlock(s);
	if (rc < 0 || (rc == 1 && kind == SST_SOURCE_DIR))
		return rc < 0 ? rc : SST_OK;
	rc = sst_scan_read(&s->env, settled, &pem, &open_key, err);
	if (rc == 1)
		return key_dir(s, settled, err);
	if (rc < 0)
		return rc;
	(void)sst_escape(shown, sizeof(shown), settled, strlen(settled));
	rc = sst_watcher_add(s->watcher, settled, 1, err);
	if (rc >= 0)
		rc = keys_join(s, &pem, shown, settled, err);
	if (rc == SST_OK && open_key) {
		char *keys[1] = { settled };
		struct sst_scan scan = { .open_keys = keys, .n_open_keys = 1 };
		struct sst_events events = { 0 };

		sst_open_keys_tell(&events, &scan);
		sst_events_tell(s, &events);
	}
	sst_pem_done(&pem);
	return rc;
}

int
sst_store_add_key_bytes(struct sst_store *s, const void *bytes, size_t len,
    struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_pem pem = { 0 };
	int rc;

	rc = sst_pem_read(bytes, len, s->env.intern, &pem, &why);
	if (rc < 0)
		return sst_fail(err, rc, "the bytes given: %s", why.text);
	rc = keys_join(s, &pem, "the bytes given", NULL, err);
	sst_pem_done(&pem);
	return rc;
}
