/* SPDX-License-Identifier: ISC */
/* scan - files, folders and bytes into units, and those into entries (scan_unit.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ahead.h"
#include "base/escape.h"
#include "links.h"
#include "scan_unit.h"
#include "watch/look.h"

#define TURNS	3	/* of a path whose links change while it is read */

/* The file of a folder: what is wrong with it voids only itself. */
static int
folder_file(struct sst_unit *u, const char *root, const char *path, struct sst_error *err)
{
	struct sst_error why;
	char load[SST_PATH_SIZE];
	int rc, turns = 0;

	/* a link that came between is judged as the others were */
	do {
		why = (struct sst_error){ .code = SST_OK };
		rc = sst_links_resolve(u->env->ops, u->env->ctx, root, path, load, &why);
		if (rc == SST_OK)
			rc = sst_part_read(u, root, path, load, &why);
	} while (rc < 0 && why.sys_errno == ELOOP && ++turns < TURNS);
	if (rc == SST_E_NOMEM)
		return nomem(err);
	return rc < 0 ? sst_found_refuse(u->out, path, &why, err) : rc;
}

void
sst_scan_mark_default(struct sst_scan *s, const char *root)
{
	size_t skip = strlen(root) + 1;

	for (size_t i = 0; i < s->n; i++) {
		const char *path = s->v[i].row.path;

		if (strlen(path) > skip + 7 && strncmp(path + skip, "default", 7) == 0 &&
		    (path[skip + 7] == '.' || path[skip + 7] == '/'))
			s->v[i].row.is_default = 1;
	}
}

/* Adds an entry that says why a folder cannot be listed. */
static int
folder_refuse(struct sst_scan *out, const char *dir, const struct sst_error *why,
    struct sst_error *err)
{
	int rc = sst_found_refuse(out, dir, why, err);

	if (rc == SST_OK)
		out->v[out->n - 1].folder = 1;
	return rc;
}

/* Reads the files of the version that was decided for. */
static int
lineage_read(struct sst_unit *u, const char *root, const char *dir,
    const struct sst_lineage *l, struct sst_error *err)
{
	static const enum sst_lineage_part whole[] = { SST_PART_FULLCHAIN,
	    SST_PART_PRIVKEY }, split[] = { SST_PART_CERT, SST_PART_CHAIN,
	    SST_PART_PRIVKEY };
	const enum sst_lineage_part *part = l->choice.split ? split : whole;
	const size_t n = l->choice.split ? 3 : 2;
	char path[SST_PATH_SIZE], load[SST_PATH_SIZE];
	struct sst_error why;
	int rc = SST_OK, len;

	for (size_t i = 0; i < n && rc == SST_OK; i++) {
		why = (struct sst_error){ .code = SST_OK };
		len = snprintf(path, sizeof(path), "%s/%s.pem", dir,
		    sst_lineage_kind(part[i]));
		if (len < 0 || (size_t)len >= sizeof(path))
			continue;
		rc = sst_lineage_file(u->env, l, part[i], l->choice.version, load, &why);
		if (rc == SST_OK)
			rc = sst_part_read(u, root, path, load, &why);
		if (rc == 1)
			rc = sst_fail(&why, SST_E_REFUSED, "a directory is no file of a"
			    " version");
		if (rc == SST_E_NOMEM)
			return nomem(err);
		if (rc < 0)
			rc = sst_found_refuse(u->out, path, &why, err);
	}
	return rc;
}

/* Notes how a folder of certbot's was found. `first`: entries before it. */
static int
lineage_note(struct sst_scan *out, size_t first, const char *dir,
    const struct sst_lineage *l, struct sst_error *err)
{
	struct sst_seen *grown, seen = { .back = l->back };
	char why[300];
	int usable = 0;

	for (size_t i = first; i < out->n; i++)
		usable |= out->v[i].row.state == SST_ENTRY_USABLE;
	sst_lineage_why(l, why, sizeof(why));
	grown = reallocarray(out->seen, out->n_seen + 1, sizeof(*grown));
	if (grown != NULL)
		out->seen = grown;
	if (grown == NULL || sst_text_set(&seen.folder, dir) < 0 ||
	    ((!usable || l->choice.verdict == SST_LINEAGE_WAIT) &&
	    sst_text_set(&seen.why, why) < 0)) {
		free(seen.folder);
		return nomem(err);
	}
	out->seen[out->n_seen++] = seen;
	return SST_OK;
}

/* What was listed into a unit, and that into entries. `deep`: folders too. */
static int names_scan(struct sst_unit *, const char *root, const char *dir,
    char *const *names, size_t n, int deep, struct sst_error *err);

/* One folder, and the folders in it when it is `deep`. */
static int
folder_scan(const struct sst_scan_env *env, const char *root, const char *dir, int deep,
    struct sst_scan *out, struct sst_error *err)
{
	const size_t most = strcmp(root, dir) == 0 ? SST_SCAN_NAMES_MAX : SST_FOLDER_MAX;
	struct sst_unit u = { .env = env, .is_dir = 1, .out = out };
	char **names = NULL;
	size_t n = 0;
	int rc;

	rc = sst_scan_names(env, dir, most, &names, &n, err);
	if (rc < 0)
		return rc;
	if (sst_line_add(&out->folders, dir) < 0)
		rc = nomem(err);
	if (rc == SST_OK)
		rc = names_scan(&u, root, dir, names, n, deep, err);
	sst_unit_done(&u);
	sst_scan_names_done(names, n);
	return rc;
}

/* A folder below the root: what is wrong with it voids only itself. */
static int
below_scan(const struct sst_scan_env *env, const char *root, const char *dir,
    struct sst_scan *out, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	int rc = folder_scan(env, root, dir, 0, out, &why);

	if (rc == SST_E_NOMEM)
		return nomem(err);
	if (rc < 0)
		return folder_refuse(out, dir, &why, err);
	return rc;
}

static int
names_scan(struct sst_unit *u, const char *root, const char *dir, char *const *names,
    size_t n, int deep, struct sst_error *err)
{
	const struct sst_scan_env *env = u->env;
	struct sst_served served = { 0 };
	struct sst_lineage lineage;
	char path[SST_PATH_SIZE];
	size_t first;
	int rc = SST_OK, len;

	if (env->served != NULL)
		env->served(env->served_arg, dir, &served);
	sst_lineage_look(env, root, dir, names, n, &served, &lineage);
	for (size_t i = 0; i < n && rc >= 0; i++) {
		len = snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		if (len < 0 || (size_t)len >= sizeof(path) ||
		    sst_lineage_owns(&lineage, names[i]))
			continue;
		rc = deep ? sst_unit_name(u, root, path, err) :
		    folder_file(u, root, path, err);
	}
	first = u->out->n;
	if (rc >= 0 && lineage.choice.verdict != SST_LINEAGE_NONE)
		rc = lineage_read(u, root, dir, &lineage, err);
	if (rc >= 0)
		rc = sst_unit_pair(u, err);
	if (rc >= 0)
		rc = sst_unit_leafless(u, err);
	if (rc >= 0 && lineage.choice.verdict != SST_LINEAGE_NONE)
		rc = lineage_note(u->out, first, dir, &lineage, err);
	return rc < 0 ? rc : SST_OK;
}

int
sst_unit_name(struct sst_unit *u, const char *root, const char *path,
    struct sst_error *err)
{
	const struct sst_scan_env *env = u->env;
	struct sst_ahead ahead;
	int rc = 1;

	u->env = sst_ahead_ask(&ahead, env, path);
	if (!ahead.is_folder)
		rc = folder_file(u, root, path, err);
	if (rc == 1) {
		rc = below_scan(u->env, root, path, u->out, err);
		rc = rc < 0 ? rc : 1;
	}
	u->env = env;
	sst_ahead_done(&ahead);
	return rc;
}

/* A folder that is asked for at once. */
static int
asked_scan(const struct sst_scan_env *source, const char *root, const char *folder,
    struct sst_scan *out, struct sst_error *err)
{
	char load[SST_PATH_SIZE];
	const struct sst_scan_env *env;
	struct sst_ahead ahead;
	int rc;

	env = sst_ahead_ask(&ahead, source, folder);
	/* a link to a folder leads where a link to a file may lead */
	rc = sst_links_resolve(env->ops, env->ctx, root, folder, load, err);
	if (rc == SST_OK)
		rc = folder_scan(env, root, folder, 0, out, err);
	sst_ahead_done(&ahead);
	return rc;
}

int
sst_scan_folder(const struct sst_scan_env *env, const char *root, const char *folder,
    int flat, struct sst_scan *ret, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_scan out = { .is_dir = 1 };
	int rc;

	rc = flat ? folder_scan(env, root, folder, 0, &out, &why) :
	    asked_scan(env, root, folder, &out, &why);
	if (rc < 0 && rc != SST_E_NOMEM &&
	    (why.sys_errno == ENOENT || why.sys_errno == ENOTDIR))
		rc = sst_fail(err, SST_E_NOT_FOUND, "%s", why.text);
	else if (rc == SST_E_NOMEM || (rc < 0 && flat))
		rc = sst_fail(err, rc, "%s", why.text);
	else if (rc < 0)
		rc = folder_refuse(&out, folder, &why, err);
	if (rc < 0) {
		sst_scan_done(&out);
		return rc;
	}
	sst_scan_mark_default(&out, root);
	*ret = out;
	return SST_OK;
}

int
sst_scan_alone(const struct sst_scan_env *env, const char *root, const char *path,
    struct sst_scan *ret, struct sst_error *err)
{
	struct sst_scan out = { .is_dir = 1 };
	struct sst_unit u = { .env = env, .is_dir = 1, .out = &out };
	int rc, closed = 0;

	rc = folder_file(&u, root, path, err);
	if (rc == SST_OK && u.n == 1) {
		rc = sst_unit_pair(&u, err);
		closed = rc == SST_OK && sst_unit_is_closed(&u);
	}
	sst_unit_done(&u);
	if (rc < 0 || !closed) {
		sst_scan_done(&out);
		return rc < 0 ? rc : 0;
	}
	sst_scan_mark_default(&out, root);
	*ret = out;
	return 1;
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
		rc = sst_part_read(u, NULL, path, path, &why);
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

	rc = sst_part_read(&u, NULL, path, path, err);
	if (rc == 1) {
		out.is_dir = 1;
		rc = folder_scan(env, path, path, 1, &out, err);
		if (rc == SST_OK)
			sst_scan_mark_default(&out, path);
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
	sst_unit_done(&u);
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
	rc = sst_part_add(&u, name, "", &pem, err);
	sst_pem_done(&pem);
	if (rc == SST_OK && sk_X509_num(u.part[0].pem.certs) <= 0)
		rc = sst_fail(err, SST_E_MALFORMED, "the bytes given hold no"
		    " certificate");
	if (rc == SST_OK)
		rc = sst_unit_pair(&u, err);
	if (rc == SST_OK && out.n == 0)
		rc = sst_fail(err, SST_E_REFUSED, "the bytes given hold only CA"
		    " certificates");
	sst_unit_done(&u);
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
	struct sst_scan_env admitted = *env;
	struct sst_scan out = { 0 };
	struct sst_unit u = { .env = &admitted, .out = &out };
	char path[SST_PATH_SIZE];
	const char *line;
	size_t len;
	int rc = SST_OK;

	admitted.admitted = 1;
	for (size_t i = 0; rc == SST_OK && row->load != NULL &&
	    (line = sst_line(row->load, i, &len)) != NULL; i++) {
		if (len >= sizeof(path))
			continue;
		memcpy(path, line, len);
		path[len] = '\0';
		/* what it leads to must be what it was */
		rc = sst_part_read(&u, NULL, path, path, err);
	}
	if (rc == SST_OK && row->load_key != NULL && u.n > 0 &&
	    strcmp(row->load_key, u.part[0].path) != 0)
		rc = sst_part_read(&u, NULL, row->load_key, row->load_key, err);
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
	sst_unit_done(&u);
	sst_scan_done(&out);
	return rc;
}
