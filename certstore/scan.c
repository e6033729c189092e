/* SPDX-License-Identifier: ISC */
/* scan - files, folders and bytes into units, and those into entries (scan_unit.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "links.h"
#include "scan_unit.h"

static void
unit_done(struct sst_unit *u)
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
part_add(struct sst_unit *u, const char *path, const char *load, struct sst_pem *pem,
    struct sst_error *err)
{
	struct sst_part *grown, p = { .pem = *pem };
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
part_read(struct sst_unit *u, const char *path, const char *load, struct sst_error *err)
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
folder_file(struct sst_unit *u, const char *root, const char *path, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	char load[SST_PATH_SIZE];
	int rc;

	rc = sst_links_resolve(u->env->ops, u->env->ctx, root, path, load, &why);
	if (rc == SST_OK)
		rc = part_read(u, path, load, &why);
	if (rc == SST_E_NOMEM)
		return nomem(err);
	return rc < 0 ? sst_found_refuse(u->out, path, &why, err) : rc;
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
	struct sst_unit u = { .env = env, .is_dir = 1, .out = out };
	struct sst_error why = { .code = SST_OK };
	char **names = NULL, path[SST_PATH_SIZE];
	size_t n = 0;
	int rc, len;

	rc = sst_scan_names(env, dir, &names, &n, depth == 0 ? err : &why);
	if (rc < 0) {
		if (depth == 0 || rc == SST_E_NOMEM)
			return sst_fail(err, rc, "%s", why.text);
		return sst_found_refuse(out, dir, &why, err);
	}
	if (sst_line_add(&out->folders, dir) < 0)
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
		rc = sst_unit_pair(&u, err);
	if (rc >= 0)
		rc = sst_unit_leafless(&u, err);
	unit_done(&u);
	sst_scan_names_done(names, n);
	return rc;
}

/* A file of keys that a chain had last time. It may be gone: no matter. */
static int
hint_read(struct sst_unit *u, const char *lines, struct sst_error *err)
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
	struct sst_unit u = { .env = env, .more_keys = more_keys, .n_more = n_more,
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
		rc = sst_unit_pair(&u, err);
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
	struct sst_unit u = { .env = env, .more_keys = more_keys, .n_more = n_more,
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
		rc = sst_unit_pair(&u, err);
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
	struct sst_unit u = { .env = env, .out = &out };
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
		rc = sst_unit_pair(&u, err);
	for (size_t i = 0; rc == SST_OK && i < out.n; i++) {
		if (out.v[i].row.state == row->state &&
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
