/* SPDX-License-Identifier: ISC */
#include "scan.h"

#include <errno.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "base/ossl.h"
#include "key.h"
#include "links.h"

/* One file of a folder (or the bytes of a caller). */
struct part {
	char		*path;		/* as the person knows it */
	char		*load;		/* links resolved; NULL: bytes */
	struct sst_pem	 pem;
};

/* A folder's files: chains and keys pair within it. */
struct unit {
	const struct sst_scan_env *env;
	struct part	*part;
	size_t		 n, room;
	EVP_PKEY *const	*more_keys;	/* borrowed */
	size_t		 n_more;
	int		 is_dir;
	struct sst_scan	*out;
	struct mark	*keys, *leaves;	/* sorted */
	STACK_OF(X509)	*cas;		/* borrowed from the parts */
	size_t		 n_keys, n_leaves;
};

/* Where a key or a leaf lies. */
struct mark {
	uint8_t		 id[32];	/* key: print; leaf: digest */
	const struct part *part;	/* NULL: more_keys */
	EVP_PKEY	*key;
	X509		*leaf;
	uint8_t		 print[32];	/* of a leaf's key */
	int		 printed;	/* it has one */
	int		 chain;		/* certificates that its own file adds */
};

static int
nomem(struct sst_error *err)
{
	return sst_fail(err, SST_E_NOMEM, "out of memory");
}

static int
line_add(char **lines, const char *text)
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
	free(s->folders);
	free(s->leafless);
	*s = (struct sst_scan){ 0 };
}

/* Moves *f to the scan; frees it when that fails. */
static int
found_push(struct sst_scan *s, struct sst_found *f, struct sst_error *err)
{
	struct sst_found *grown;
	size_t room;

	if (s->n == s->room) {
		room = s->room == 0 ? 4 : s->room * 2;
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
static int
refused_push(struct sst_scan *s, const char *path, const struct sst_error *why,
    struct sst_error *err)
{
	struct sst_found f = { .code = why->code, .sys_errno = why->sys_errno };

	f.row.state = SST_ENTRY_REFUSED;
	if (sst_text_set(&f.row.path, path) < 0 ||
	    sst_text_set(&f.row.why, why->text) < 0) {
		sst_found_done(&f);
		return nomem(err);
	}
	return found_push(s, &f, err);
}

int
sst_found_make(const struct sst_scan_env *env, X509 *leaf, STACK_OF(X509) *pool,
    EVP_PKEY *key, struct sst_found *ret, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_found f = { .row.state = SST_ENTRY_REFUSED };
	STACK_OF(X509) *chain = NULL;
	struct sst_leaf_facts facts = { 0 };
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
		rc = sst_chain_content(leaf, chain, f.row.content, &why);
	if (rc == SST_OK && key != NULL)
		rc = sst_identity_new(leaf, chain, key, &facts, &f.identity, &why);
	if (rc < 0)
		goto out;
	f.row.state = key == NULL ? SST_ENTRY_STAGED : SST_ENTRY_USABLE;
	if (key == NULL) {
		if (sst_leaf_settle(leaf) < 0 || sk_X509_insert(chain, leaf, 0) <= 0) {
			rc = nomem(&why);
			goto out;
		}
		(void)X509_up_ref(leaf);
		f.certs = chain;
		chain = NULL;
	}
out:
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


static int
mark_cmp(const void *a, const void *b)
{
	const struct mark *l = a, *r = b;
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
	return memcmp(id, ((const struct mark *)mark)->id, 32);
}

static const struct mark *
key_find(const struct unit *u, const uint8_t print[32])
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
keys_mark(struct unit *u, struct sst_error *err)
{
	size_t total = u->n_more;
	struct mark *m;
	int rc;

	for (size_t i = 0; i < u->n; i++)
		total += u->part[i].pem.n_keys;
	u->keys = calloc(total + 1, sizeof(*u->keys));
	if (u->keys == NULL)
		return nomem(err);
	for (size_t i = 0; i <= u->n; i++) {
		const struct part *p = i < u->n ? &u->part[i] : NULL;
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
is_leaf(const struct unit *u, X509 *x, struct mark *m, struct sst_error *err)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	int rc;

	m->printed = 0;
	if (key != NULL) {
		rc = sst_key_print(key, m->print, NULL);
		if (rc == SST_E_NOMEM)
			return nomem(err);
		m->printed = rc == SST_OK;
	}
	return !is_ca(x) || (m->printed && key_find(u, m->print) != NULL);
}

/* Lists all leaves by digest, the one with the longest chain first. */
static int
leaves_mark(struct unit *u, struct sst_error *err)
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
			struct mark *m = &u->leaves[u->n_leaves];
			X509 *x = sk_X509_value(certs, c);

			if (is_ca(x) && sk_X509_push(u->cas, x) <= 0)
				return nomem(err);
			leaf = is_leaf(u, x, m, err);
			if (leaf < 0)
				return leaf;
			if (!leaf)
				continue;
			chain = sst_chain_order(x, certs, NULL);
			if (chain == NULL || X509_digest(x, EVP_sha256(), m->id,
			    NULL) != 1) {
				sk_X509_pop_free(chain, X509_free);
				return nomem(err);
			}
			m->chain = sk_X509_num(chain);
			m->part = &u->part[i];
			m->leaf = x;
			sk_X509_pop_free(chain, X509_free);
			u->n_leaves++;
		}
	}
	qsort(u->leaves, u->n_leaves, sizeof(*u->leaves), mark_cmp);
	return SST_OK;
}

/*
 * The certificates that may stand above `m`: those of its own file, or, when
 * that has none, every CA of the folder (certbot's chain.pem). *load gets the
 * files they come from.
 */
static int
pool_make(const struct unit *u, const struct mark *m, STACK_OF(X509) **ret,
    char **load)
{
	STACK_OF(X509) *pool, *chain = NULL;
	int rc = SST_E_NOMEM, used;

	pool = sk_X509_dup(m->chain > 0 ? m->part->pem.certs : u->cas);
	if (pool == NULL || line_add(load, m->part->load) < 0)
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
		    line_add(load, u->part[i].load) < 0)
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
keyless_why(const struct unit *u, const struct mark *m, struct sst_error *why)
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
leaf_emit(struct unit *u, const struct mark *m, int matched, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	const struct mark *key = NULL;
	STACK_OF(X509) *pool = NULL;
	struct sst_found f = { 0 };
	char *load = NULL;
	int rc;

	if (m->printed)
		key = key_find(u, m->print);
	if (key == NULL && m->printed &&
	    (u->is_dir || (!matched && m->part->pem.n_keys > 0))) {
		keyless_why(u, m, &why);
		return refused_push(u->out, m->part->path, &why, err);
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
	rc = found_push(u->out, &f, err);
out:
	sst_found_done(&f);
	sk_X509_free(pool);
	free(load);
	return rc;
}

/* Pairs what the unit holds. */
static int
unit_pair(struct unit *u, struct sst_error *err)
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

/* Notes the files that were read and gave no leaf: text, keys, nothing at all. */
static int
leafless_note(const struct unit *u, struct sst_error *err)
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

static void
unit_done(struct unit *u)
{
	for (size_t i = 0; i < u->n; i++) {
		free(u->part[i].path);
		free(u->part[i].load);
		sst_pem_done(&u->part[i].pem);
	}
	free(u->part);
	free(u->keys);
	free(u->leaves);
	sk_X509_free(u->cas);
}

/* Moves *pem into a new part. `load` "": it came from memory. */
static int
part_add(struct unit *u, const char *path, const char *load, struct sst_pem *pem,
    struct sst_error *err)
{
	struct part *grown, p = { .pem = *pem };
	size_t room;

	if (sst_text_set(&p.path, path) < 0 || sst_text_set(&p.load, load) < 0)
		goto fail;
	if (u->n == u->room) {
		room = u->room == 0 ? 4 : u->room * 2;
		grown = reallocarray(u->part, room, sizeof(*grown));
		if (grown == NULL)
			goto fail;
		u->part = grown;
		u->room = room;
	}
	u->part[u->n++] = p;
	*pem = (struct sst_pem){ 0 };
	return SST_OK;
fail:
	free(p.path);
	free(p.load);
	return nomem(err);
}

static int
open_key_note(struct sst_scan *s, const char *path, struct sst_error *err)
{
	char **grown, *copy = strdup(path);

	grown = reallocarray(s->open_keys, s->n_open_keys + 1, sizeof(*grown));
	if (grown != NULL)
		s->open_keys = grown;
	if (grown == NULL || copy == NULL) {
		free(copy);
		return nomem(err);
	}
	s->open_keys[s->n_open_keys++] = copy;
	return SST_OK;
}

/* Reads one file into the unit. 1: it is a directory, nothing was added. */
static int
part_read(struct unit *u, const char *path, const char *load, struct sst_error *err)
{
	struct sst_pem pem = { 0 };
	int rc, open_key;

	rc = sst_scan_read(u->env, load, &pem, &open_key, err);
	if (rc != 0)
		return rc;
	rc = part_add(u, path, load, &pem, err);
	if (rc == SST_OK && open_key)
		rc = open_key_note(u->out, path, err);
	sst_pem_done(&pem);
	return rc;
}

/* The file of a folder: what is wrong with it voids only itself. */
static int
folder_file(struct unit *u, const char *root, const char *path, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	char load[SST_PATH_SIZE];
	int rc;

	rc = sst_links_resolve(u->env->ops, u->env->ctx, root, path, load, &why);
	if (rc == SST_OK)
		rc = part_read(u, path, load, &why);
	if (rc == SST_E_NOMEM)
		return nomem(err);
	return rc < 0 ? refused_push(u->out, path, &why, err) : rc;
}

/* Marks the entry `default` of a directory: default.pem, or default/. */
static void
default_mark(struct sst_scan *s, const char *root)
{
	size_t skip = strlen(root) + 1;

	for (size_t i = 0; i < s->n; i++) {
		const char *path = s->v[i].row.path;

		if (strlen(path) > skip + 7 && strncmp(path + skip, "default", 7) == 0 &&
		    (path[skip + 7] == '.' || path[skip + 7] == '/'))
			s->v[i].row.is_default = 1;
	}
}

/* One folder, and the folders in it when `depth` is 0. */
static int
folder_scan(const struct sst_scan_env *env, const char *root, const char *dir,
    int depth, struct sst_scan *out, struct sst_error *err)
{
	struct unit u = { .env = env, .is_dir = 1, .out = out };
	struct sst_error why = { .code = SST_OK };
	char **names = NULL, path[SST_PATH_SIZE];
	size_t n = 0;
	int rc, len;

	rc = sst_scan_names(env, dir, &names, &n, depth == 0 ? err : &why);
	if (rc < 0) {
		if (depth == 0 || rc == SST_E_NOMEM)
			return sst_fail(err, rc, "%s", why.text);
		return refused_push(out, dir, &why, err);
	}
	if (line_add(&out->folders, dir) < 0)
		rc = nomem(err);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		len = snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (len < 0 || (size_t)len >= sizeof(path))
			continue;
		rc = folder_file(&u, root, path, err);
		if (rc == 1 && depth == 0)
			rc = folder_scan(env, root, path, 1, out, err);
	}
	if (rc >= 0)
		rc = unit_pair(&u, err);
	if (rc >= 0)
		rc = leafless_note(&u, err);
	unit_done(&u);
	sst_scan_names_done(names, n);
	return rc;
}

/* A file of keys that a chain had last time. It may be gone: no matter. */
static int
hint_read(struct unit *u, const char *lines, struct sst_error *err)
{
	struct sst_error why;
	const char *line;
	char path[SST_PATH_SIZE];
	size_t len;
	int rc;

	for (size_t i = 0; lines != NULL &&
	    (line = sst_line(lines, i, &len)) != NULL; i++) {
		if (len >= sizeof(path))
			continue;
		memcpy(path, line, len);
		path[len] = '\0';
		if (strcmp(path, u->part[0].path) == 0)
			continue;
		why = (struct sst_error){ .code = SST_OK };
		rc = part_read(u, path, path, &why);
		if (rc == SST_E_NOMEM)
			return nomem(err);
	}
	return SST_OK;
}

int
sst_scan_path(const struct sst_scan_env *env, const char *path,
    const char *key_paths, EVP_PKEY *const *more_keys, size_t n_more,
    struct sst_scan *ret, struct sst_error *err)
{
	struct sst_scan out = { 0 };
	struct unit u = { .env = env, .more_keys = more_keys, .n_more = n_more,
	    .out = &out };
	char shown[400];
	int rc;

	rc = part_read(&u, path, path, err);
	if (rc == 1) {
		out.is_dir = 1;
		rc = folder_scan(env, path, path, 0, &out, err);
		if (rc == SST_OK)
			default_mark(&out, path);
		goto out;
	}
	if (rc == SST_OK && sk_X509_num(u.part[0].pem.certs) <= 0) {
		(void)sst_escape(shown, sizeof(shown), path, strlen(path));
		rc = sst_fail(err, SST_E_MALFORMED, "%s holds no certificate", shown);
	}
	if (rc == SST_OK)
		rc = hint_read(&u, key_paths, err);
	if (rc == SST_OK)
		rc = unit_pair(&u, err);
	if (rc == SST_OK && out.n == 0) {
		(void)sst_escape(shown, sizeof(shown), path, strlen(path));
		rc = sst_fail(err, SST_E_REFUSED, "%s holds only CA certificates",
		    shown);
	}
out:
	unit_done(&u);
	if (rc < 0)
		sst_scan_done(&out);
	else
		*ret = out;
	return rc;
}

int
sst_scan_bytes(const struct sst_scan_env *env, const char *name, const void *bytes,
    size_t len, EVP_PKEY *const *more_keys, size_t n_more, struct sst_scan *ret,
    struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_scan out = { 0 };
	struct unit u = { .env = env, .more_keys = more_keys, .n_more = n_more,
	    .out = &out };
	struct sst_pem pem = { 0 };
	int rc;

	rc = sst_pem_read(bytes, len, env->intern, &pem, &why);
	if (rc < 0)
		return sst_fail(err, rc, "the bytes given: %s", why.text);
	rc = part_add(&u, name, "", &pem, err);
	sst_pem_done(&pem);
	if (rc == SST_OK && sk_X509_num(u.part[0].pem.certs) <= 0)
		rc = sst_fail(err, SST_E_MALFORMED, "the bytes given hold no"
		    " certificate");
	if (rc == SST_OK)
		rc = unit_pair(&u, err);
	if (rc == SST_OK && out.n == 0)
		rc = sst_fail(err, SST_E_REFUSED, "the bytes given hold only CA"
		    " certificates");
	unit_done(&u);
	if (rc < 0)
		sst_scan_done(&out);
	else
		*ret = out;
	return rc;
}

int
sst_scan_again(const struct sst_scan_env *env, const struct sst_row *row,
    struct sst_identity **ret, struct sst_error *err)
{
	struct sst_scan out = { 0 };
	struct unit u = { .env = env, .out = &out };
	char path[SST_PATH_SIZE];
	const char *line;
	size_t len;
	int rc = SST_OK;

	for (size_t i = 0; rc == SST_OK && row->load != NULL &&
	    (line = sst_line(row->load, i, &len)) != NULL; i++) {
		if (len >= sizeof(path))
			continue;
		memcpy(path, line, len);
		path[len] = '\0';
		rc = part_read(&u, path, path, err);
	}
	if (rc == SST_OK && row->load_key != NULL && u.n > 0 &&
	    strcmp(row->load_key, u.part[0].path) != 0)
		rc = part_read(&u, row->load_key, row->load_key, err);
	u.is_dir = 1;	/* chains may be spread over the files */
	if (rc == SST_OK)
		rc = unit_pair(&u, err);
	for (size_t i = 0; rc == SST_OK && i < out.n; i++) {
		if (out.v[i].row.state == SST_ENTRY_USABLE &&
		    memcmp(out.v[i].row.content, row->content, 32) == 0) {
			*ret = out.v[i].identity;
			out.v[i].identity = NULL;
			goto out;
		}
	}
	if (rc >= 0)
		rc = sst_fail(err, SST_E_NOT_FOUND, "it changed on disk");
out:
	unit_done(&u);
	sst_scan_done(&out);
	return rc;
}
