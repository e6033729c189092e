/* SPDX-License-Identifier: ISC */
/*
 * store_change - add, remove, read again (store.h); keys are store_keys.c.
 *
 * Each call reads with no lock held; apply.c then changes rows and pins in one
 * transaction.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "apart.h"
#include "apply.h"
#include "digest.h"
#include "scan_pool.h"
#include "store_change.h"
#include "store_dir.h"
#include "store_keep.h"
#include "watcher.h"

int
sst_path_settle(const struct sst_store *s, const char *path, char *out,
    struct sst_error *err)
{
	char dir[SST_PATH_SIZE / 2] = "";
	size_t n;
	int len;

	if (path == NULL || *path == '\0')
		return sst_fail(err, SST_E_USAGE, "a path is needed");
	if (strchr(path, '\n') != NULL)
		return sst_fail(err, SST_E_USAGE, "a path with a newline is refused");
	if (path[0] != '/' && s->env.ops == &sst_source_files) {
		if (getcwd(dir, sizeof(dir)) == NULL)
			return sst_fail_errno(err, errno, "the working directory");
		(void)strncat(dir, "/", sizeof(dir) - strlen(dir) - 1);
	}
	len = snprintf(out, SST_PATH_SIZE, "%s%s", dir, path);
	if (len < 0 || len >= SST_PATH_SIZE)
		return sst_fail_errno(err, ENAMETOOLONG, "a path of %zu bytes",
		    strlen(path));
	for (n = (size_t)len; n > 1 && out[n - 1] == '/'; n--)
		out[n - 1] = '\0';
	return SST_OK;
}

/* "bytes:" and the digest: how the same bytes are known again. */
static int
bytes_name(const void *bytes, size_t len, char out[80], struct sst_error *err)
{
	uint8_t digest[32];

	if (len > SST_PEM_MAX_BYTES)
		return sst_fail(err, SST_E_LIMIT, "%zu bytes: at most %zu are taken",
		    len, SST_PEM_MAX_BYTES);
	sst_digest(bytes, len, digest);
	memcpy(out, "bytes:", 6);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(out + 6 + 2 * i, 3, "%02x", digest[i]);
	return SST_OK;
}

/* What a source had: where its keys are, and those that are only in memory. */
struct had {
	char	*key_paths;		/* lines */
	EVP_PKEY *keys[SST_PEM_MAX_KEYS];
	size_t	 n_keys;
	int	 present;
	enum sst_source_kind kind;
};

static void
had_done(struct had *h)
{
	free(h->key_paths);
	for (size_t i = 0; i < h->n_keys; i++)
		EVP_PKEY_free(h->keys[i]);
}

static int
had_row_locked(struct sst_store *s, const struct sst_row *row, struct had *h)
{
	struct sst_pin *pin = sst_pin_find_locked(s, row->id);
	EVP_PKEY *key;
	char *grown;

	if (row->load_key != NULL) {
		if (asprintf(&grown, "%s%s\n", h->key_paths == NULL ? "" :
		    h->key_paths, row->load_key) < 0)
			return SST_E_NOMEM;
		free(h->key_paths);
		h->key_paths = grown;
	} else if (pin != NULL && pin->identity != NULL &&
	    h->n_keys < SST_PEM_MAX_KEYS) {
		key = sst_identity_key(pin->identity);
		if (EVP_PKEY_up_ref(key) == 1)
			h->keys[h->n_keys++] = key;
	}
	return SST_OK;
}

static int
had_read(struct sst_store *s, const char *path, struct had *h, struct sst_error *err)
{
	struct sst_rows rows = { 0 };
	int64_t id;
	int rc;

	sst_store_lock(s);
	rc = sst_index_source_get(s->index, path, &id, &h->kind, err);
	if (rc == 1) {
		h->present = 1;
		rc = h->kind != SST_SOURCE_FILE ? SST_OK : sst_index_find(s->index,
		    SST_FIND_SOURCE, &id, sizeof(id), &rows, err);
		for (size_t i = 0; rc == SST_OK && i < rows.n; i++)
			rc = had_row_locked(s, &rows.v[i], h);
	}
	sst_store_unlock(s);
	sst_rows_done(&rows);
	return rc < 0 ? sst_fail(err, rc, "out of memory") : SST_OK;
}

/* The refusal of a file that holds nothing else. */
static int
scan_verdict(const struct sst_scan *scan, struct sst_error *err)
{
	if (scan->is_dir)
		return SST_OK;
	for (size_t i = 0; i < scan->n; i++) {
		if (scan->v[i].row.state != SST_ENTRY_REFUSED)
			return SST_OK;
	}
	(void)sst_fail(err, scan->v[0].code, "%s", scan->v[0].row.why);
	if (err != NULL && scan->v[0].sys_errno != 0)
		err->sys_errno = scan->v[0].sys_errno;
	return scan->v[0].code;
}

void
sst_open_keys_tell(struct sst_events *events, const struct sst_scan *scan)
{
	for (size_t i = 0; i < scan->n_open_keys; i++)
		sst_events_add(events, SST_STORE_REFUSED, scan->open_keys[i],
		    "every user can read this private key; it is used because"
		    " open keys were allowed");
}

struct reading {
	struct sst_store *store;
	const char	*path;
	const struct had *had;
	struct sst_scan	*scan;
	struct sst_error *err;
	int		 rc;
	int		 silent;	/* not all that was asked was answered */
};

static void
read_work(void *arg)
{
	struct reading *r = arg;
	const uint64_t before = sst_source_unanswered(r->store);

	r->rc = sst_scan_path(&r->store->env, r->path, r->had->key_paths,
	    r->had->keys, r->had->n_keys, r->scan, r->err);
	/* this may be a thread of its own */
	r->silent = sst_source_unanswered(r->store) != before;
}

uint64_t
sst_source_unanswered(const struct sst_store *s)
{
	return s->env.ops->unanswered == NULL ? 0 : s->env.ops->unanswered(s->env.ctx);
}

/* Takes in a large directory. *ret_done: it was one, or could not be listed now. */
static int
dir_load(struct sst_store *s, const char *path, const struct had *had,
    struct sst_events *events, int *ret_done, struct sst_error *err)
{
	const uint64_t silent = sst_source_unanswered(s);
	char **names = NULL;
	int rc = SST_OK;
	size_t n = 0;

	*ret_done = 0;
	if (had->present && had->kind != SST_SOURCE_DIR)
		return SST_OK;
	/* what is wrong with it is said by who reads it in one piece */
	if (sst_scan_names(&s->env, path, SST_SCAN_NAMES_MAX, &names, &n, NULL) ==
	    SST_OK && n > SST_POOL_LEAST) {
		*ret_done = 1;
		rc = sst_dir_load(s, path, names, n, had->present, err);
	} else if (had->present && sst_source_unanswered(s) != silent) {
		*ret_done = 1;
		sst_store_note_unknown(s, path, path, events);
	}
	sst_scan_names_done(names, n);
	return rc;
}

int
sst_source_judge(const struct sst_store *s, struct sst_error *err)
{
	if (s->env.ops->gone == NULL || !s->env.ops->gone(s->env.ctx))
		return SST_OK;
	return sst_fail(err, SST_E_PEER, "the process that opens the files has ended");
}

/* Who opens files was silent while they were read. 1: nothing of it is taken in. */
static int
silence_judge(struct sst_store *s, const char *path, const struct had *had,
    struct sst_scan *scan, struct sst_events *events)
{
	if (!had->present && (scan == NULL || !scan->is_dir))
		return 0;	/* who sets it is told */
	sst_store_note_unknown(s, path, path, events);
	if (!had->present)
		(void)sst_scan_forget_refused(scan);
	return had->present;
}

/* The same for what is read in one piece. */
static int
piece_load(struct sst_store *s, const char *path, int again, const struct had *had,
    struct sst_events *events, struct sst_error *err)
{
	struct sst_scan scan = { 0 };
	struct reading r = { s, path, had, &scan, err, SST_OK, 0 };
	int rc, later = 0;

	/* a source of the caller's may want the caller's thread */
	if (s->env.ops == &sst_source_files)
		sst_apart(read_work, &r);
	else
		read_work(&r);
	rc = sst_source_judge(s, err) < 0 ? SST_E_PEER : r.rc;
	if (r.silent && rc != SST_E_PEER && rc != SST_E_NOMEM &&
	    silence_judge(s, path, had, rc == SST_OK ? &scan : NULL, events)) {
		sst_scan_done(&scan);
		sst_error_clear(err);
		return SST_OK;
	}
	if (rc == SST_OK)
		later = sst_try_scan(s, &scan, !had->present && scan.is_dir);
	if (rc == SST_OK && !later)
		rc = scan_verdict(&scan, err);
	if (rc < 0 && again && had->present && rc != SST_E_NOMEM && rc != SST_E_PEER)
		sst_keep_source(s, path, err->text, events);
	if (rc == SST_OK && !later) {
		sst_open_keys_tell(events, &scan);
		rc = sst_apply(s, path, scan.is_dir ? SST_SOURCE_DIR : SST_SOURCE_FILE,
		    &scan, again || had->present, events, err);
		if (rc < 0)
			sst_events_forget(events);
		else
			sst_store_note_seen(s, path, &scan, events);
	}
	sst_scan_done(&scan);
	return rc == SST_OK && later ? 1 : rc;
}

/* Reads `path` (settled) and makes the store agree. `again`: what fails keeps
 * its old identity. 1: some of it is not taken yet. */
static int
path_load(struct sst_store *s, const char *path, int again, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_events events = { 0 };
	struct had had = { 0 };
	int rc, done = 0;

	rc = sst_keep_turn(s, path, err);
	if (rc != 1)
		return rc;
	rc = had_read(s, path, &had, &why);
	if (rc == SST_OK)
		rc = dir_load(s, path, &had, &events, &done, &why);
	if (rc == SST_OK && !done)
		rc = piece_load(s, path, again, &had, &events, &why);
	if (rc < 0 && (again || had.present))
		sst_store_note_unwritten(s, path, path, &why, &events);
	sst_events_tell(s, &events);
	had_done(&had);
	if (rc < 0 && sst_keep_mended(s))
		return path_load(s, path, again, err);
	sst_keep_was_read(s, path, rc);
	if (rc < 0 && err != NULL && err->code == SST_OK)
		*err = why;
	return rc;
}

int
sst_store_add(struct sst_store *s, const char *path, struct sst_error *err)
{
	char settled[SST_PATH_SIZE];
	int rc, watched = 0;

	rc = sst_path_settle(s, path, settled, err);
	/* before the first byte is read: what changes from now on is noticed */
	if (rc == SST_OK)
		rc = watched = sst_watcher_add(s->watcher, settled, 0, err);
	if (rc >= 0)
		rc = sst_keep_attach(s, settled, err);
	if (rc == 0)
		rc = path_load(s, settled, 0, err);
	else if (rc == 1)
		sst_watcher_nudge(s->watcher, settled);
	if (rc < 0 && watched == 1)
		sst_watcher_drop(s->watcher, settled, 0);
	return rc < 0 ? rc : SST_OK;
}

int
sst_store_add_bytes(struct sst_store *s, const void *bytes, size_t len,
    struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_events events = { 0 };
	struct sst_scan scan = { 0 };
	char name[80];
	int rc, later = 0;

	rc = bytes_name(bytes, len, name, &why);
	if (rc == SST_OK)
		rc = sst_keep_turn(s, NULL, &why) < 0 ? why.code : SST_OK;
	if (rc == SST_OK)
		rc = sst_scan_bytes(&s->env, name, bytes, len, NULL, 0, &scan, &why);
	if (rc == SST_OK)
		later = sst_try_scan(s, &scan, 0);
	if (rc == SST_OK && !later)
		rc = scan_verdict(&scan, &why);
	if (rc == SST_OK && !later)
		rc = sst_apply(s, name, SST_SOURCE_BYTES, &scan, 0, &events, &why);
	if (rc < 0)
		sst_events_forget(&events);
	sst_events_tell(s, &events);
	sst_scan_done(&scan);
	if (rc < 0 && err != NULL && err->code == SST_OK)
		*err = why;
	return rc;
}

/* Nothing of a source (NULL: of any) is looked at any more. */
static void
source_forget(struct sst_store *s, const char *path)
{
	sst_watcher_drop(s->watcher, path, 0);
	sst_store_lock(s);
	if (path == NULL)
		sst_waits_done(&s->waits);
	else
		sst_waits_drop_source(&s->waits, path);
	sst_store_unlock(s);
}

int
sst_store_remove(struct sst_store *s, const char *what, struct sst_error *err)
{
	char settled[SST_PATH_SIZE];
	uint8_t digest[32];
	int rc;

	rc = sst_keep_turn(s, NULL, err);
	if (rc < 0)
		return rc;
	if (strcmp(what, "*") == 0) {
		rc = sst_apply_remove(s, SST_FIND_ALL, NULL, 0, what, err);
		if (rc == SST_OK)
			source_forget(s, NULL);
		return rc;
	}
	if (sst_hex_digest(what, digest))
		return sst_apply_remove(s, SST_FIND_DIGEST, digest, sizeof(digest),
		    what, err);
	if (strncmp(what, "bytes:", 6) == 0)
		return sst_apply_remove(s, SST_FIND_PATH, what, strlen(what), what,
		    err);
	rc = sst_path_settle(s, what, settled, err);
	if (rc < 0)
		return rc;
	rc = sst_apply_remove(s, SST_FIND_PATH, settled, strlen(settled), settled, err);
	if (rc == SST_OK)
		source_forget(s, settled);
	return rc;
}

struct paths {
	char	**v;
	size_t	 n;
};

static int
path_take(void *arg, int64_t id, enum sst_source_kind kind, const char *path)
{
	struct paths *p = arg;
	char **grown;

	(void)id;
	if (kind == SST_SOURCE_BYTES)
		return SST_OK;
	grown = reallocarray(p->v, p->n + 1, sizeof(*grown));
	if (grown == NULL)
		return SST_E_NOMEM;
	p->v = grown;
	p->v[p->n] = strdup(path);
	if (p->v[p->n] == NULL)
		return SST_E_NOMEM;
	p->n++;
	return SST_OK;
}

int
sst_store_rescan(struct sst_store *s, const char *path, struct sst_error *err)
{
	char settled[SST_PATH_SIZE];
	struct paths all = { 0 };
	enum sst_source_kind kind;
	int64_t id;
	int rc, one;

	if (path != NULL) {
		rc = sst_path_settle(s, path, settled, err);
		if (rc < 0)
			return rc;
		sst_store_lock(s);
		rc = sst_index_source_get(s->index, settled, &id, &kind, err);
		sst_store_unlock(s);
		if (rc == 0)
			return sst_fail(err, SST_E_NOT_FOUND, "%s was never set", path);
		return rc < 0 ? rc : path_load(s, settled, 1, err);
	}
	sst_store_lock(s);
	rc = sst_index_sources(s->index, path_take, &all, err);
	sst_store_unlock(s);
	if (rc < 0 && sst_keep_mended(s)) {
		for (size_t i = 0; i < all.n; i++)
			free(all.v[i]);
		free(all.v);
		sst_error_clear(err);
		return sst_store_rescan(s, NULL, err);
	}
	if (rc == SST_E_NOMEM)
		(void)sst_fail(err, rc, "out of memory");
	for (size_t i = 0; i < all.n; i++) {
		one = rc < 0 && rc == SST_E_NOMEM ? rc :
		    path_load(s, all.v[i], 1, err);
		if (one < 0 && rc == SST_OK)
			rc = one;
		free(all.v[i]);
	}
	free(all.v);
	return rc;
}
