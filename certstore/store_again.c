/* SPDX-License-Identifier: ISC */
/*
 * store_again - one folder of a directory is read again, and folders that were found
 * between two versions wait for it (store.h).
 *
 * What changed is known by its path (the watch, a deploy hook): only that folder is
 * listed, only its rows are touched.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fail.h"
#include "apart.h"
#include "apply.h"
#include "scan_pool.h"
#include "store_change.h"
#include "store_keep.h"

#define THEIRS_MS	30000	/* who writes and did nothing for so long has stopped */

/* The version that a row of a folder of certbot's is of, or 0. */
static int
row_version(const struct sst_row *row)
{
	static const enum sst_lineage_part leaves[] = { SST_PART_FULLCHAIN,
	    SST_PART_CERT };
	char load[SST_PATH_SIZE];
	const char *line;
	size_t len;
	int n = 0;

	if (row->state != SST_ENTRY_USABLE || row->load == NULL)
		return 0;
	line = sst_line(row->load, 0, &len);
	if (line == NULL || len >= sizeof(load))
		return 0;
	memcpy(load, line, len);
	load[len] = '\0';
	for (size_t i = 0; n == 0 && i < sizeof(leaves) / sizeof(leaves[0]); i++)
		n = sst_lineage_version(leaves[i], load);
	return n;
}

void
sst_store_served(void *arg, const char *folder, struct sst_served *ret)
{
	struct sst_store *s = arg;
	struct sst_rows rows = { 0 };
	const struct sst_wait *wait;
	int n;

	ret->now = sst_clock_wall();
	sst_store_lock(s);
	(void)sst_index_folder(s->index, 0, folder, 1, &rows, NULL);
	wait = sst_waits_find(&s->waits, folder);
	if (wait != NULL) {
		ret->back = wait->back;
		ret->back_ms = sst_clock_ms() - wait->since;
	}
	sst_store_unlock(s);
	for (size_t i = 0; i < rows.n; i++) {
		n = row_version(&rows.v[i]);
		if (n > ret->version)
			ret->version = n;
	}
	sst_rows_done(&rows);
}

void
sst_store_note_seen(struct sst_store *s, const char *source, const struct sst_scan *scan,
    struct sst_events *events)
{
	const int64_t now = sst_clock_ms();

	sst_store_lock(s);
	for (size_t i = 0; i < scan->n_seen; i++) {
		const struct sst_seen *seen = &scan->seen[i];

		if (seen->why == NULL)
			sst_waits_drop(&s->waits, seen->folder);
		else if (sst_waits_note(&s->waits, source, seen->folder, seen->back, now))
			sst_events_add(events, SST_STORE_KEPT, seen->folder, seen->why);
	}
	sst_store_unlock(s);
}

void
sst_store_note_unknown(struct sst_store *s, const char *source, const char *folder,
    struct sst_events *events)
{
	const int64_t now = sst_clock_ms();
	int tell;

	sst_store_lock(s);
	tell = sst_waits_note(&s->waits, source, folder, 0, now);
	/* of more than there is room for, each would be forgotten: then it is all of it */
	if (sst_waits_find(&s->waits, folder) == NULL) {
		sst_waits_drop_source(&s->waits, source);
		(void)sst_waits_note(&s->waits, source, source, 0, now);
	}
	sst_store_unlock(s);
	if (tell)
		sst_events_add(events, SST_STORE_KEPT, folder,
		    "its files could not be opened so far: what it had goes on");
}

void
sst_store_note_unwritten(struct sst_store *s, const char *source, const char *folder,
    const struct sst_error *why, struct sst_events *events)
{
	const int64_t now = sst_clock_ms();
	const struct sst_wait *w;
	int tell;

	/* what is wrong with a file has an errno */
	if (why->code != SST_E_NOMEM && (why->code != SST_E_SYSTEM || why->sys_errno != 0))
		return;
	sst_store_lock(s);
	w = sst_waits_find(&s->waits, folder);
	tell = sst_waits_note(&s->waits, source, folder, w != NULL ? w->back : 0, now);
	sst_store_unlock(s);
	if (tell)
		sst_events_add(events, SST_STORE_KEPT, folder, why->text);
}

struct below {
	struct sst_store *store;
	const char	*root;
	char		 folder[SST_PATH_SIZE];
	struct sst_piece piece;
	struct sst_error *err;
	int		 rc;
	int		 silent;	/* not all that was asked was answered */
};

/* Whether the directory is there although one of its folders is not. */
static int
root_is_there(struct below *b)
{
	const uint64_t before = sst_source_unanswered(b->store);
	int fd, rc;

	rc = b->store->env.ops->open(b->store->env.ctx, b->root, &fd, b->err);
	b->silent |= sst_source_unanswered(b->store) != before;
	if (rc == SST_OK)
		(void)close(fd);
	return rc;
}

/* Whether the store knows a folder of this name. */
static int
folder_is_known(struct below *b, int64_t source)
{
	struct sst_rows rows = { 0 };
	int rc, known = 0;

	sst_store_lock(b->store);
	rc = sst_index_folder(b->store->index, source, b->folder, 0, &rows, b->err);
	sst_store_unlock(b->store);
	for (size_t i = 0; i < rows.n; i++)
		known |= strcmp(rows.v[i].path, b->folder) != 0;
	sst_rows_done(&rows);
	return rc < 0 ? rc : known;
}

static void
below_read(void *arg)
{
	struct below *b = arg;
	const uint64_t before = sst_source_unanswered(b->store);

	b->rc = sst_scan_folder(&b->store->env, b->root, b->piece.folder, b->piece.flat,
	    &b->piece.scan, b->err);
	b->silent |= sst_source_unanswered(b->store) != before;
}

static void
apart(struct below *b, void (*work)(void *))
{
	/* a source of the caller's may want the caller's thread */
	if (b->store->env.ops == &sst_source_files)
		sst_apart(work, b);
	else
		work(b);
}

/* Whether what the store has of this file came from it alone. */
static int
file_was_alone(struct below *b, int64_t source)
{
	struct sst_rows rows = { 0 };
	int rc, alone = 1;
	size_t len;

	sst_store_lock(b->store);
	rc = sst_index_folder(b->store->index, source, b->folder, 0, &rows, b->err);
	sst_store_unlock(b->store);
	for (size_t i = 0; i < rows.n; i++) {
		const struct sst_row *row = &rows.v[i];

		alone &= row->state == SST_ENTRY_USABLE && row->load != NULL &&
		    row->key_path != NULL && strcmp(row->key_path, row->path) == 0 &&
		    sst_line(row->load, 0, &len) != NULL &&
		    sst_line(row->load, 1, &len) == NULL;
	}
	sst_rows_done(&rows);
	return rc < 0 ? rc : alone;
}

static void
file_read(void *arg)
{
	struct below *b = arg;
	const uint64_t before = sst_source_unanswered(b->store);

	b->rc = sst_scan_alone(&b->store->env, b->root, b->folder, &b->piece.scan, b->err);
	b->silent |= sst_source_unanswered(b->store) != before;
}

/* A file of the directory itself that has all it needs in it. 1: it was read. */
static int
file_scan(struct below *b, int64_t source)
{
	int rc = file_was_alone(b, source);

	if (rc != 1)
		return rc;
	apart(b, file_read);
	return b->rc;
}

/* Reads the folder; one that is gone reads as empty, and a file's name as all files. */
static int
below_scan(struct below *b, int64_t source)
{
	struct sst_error why = { .code = SST_OK }, *err = b->err;
	int rc;

	b->piece.folder = b->folder;
	b->err = &why;
	apart(b, below_read);
	b->err = err;
	if (b->rc != SST_E_NOT_FOUND)
		return b->rc < 0 ? sst_fail(err, b->rc, "%s", why.text) : SST_OK;
	rc = root_is_there(b);
	if (rc == SST_OK)
		rc = folder_is_known(b, source);
	if (rc == SST_OK)
		rc = file_scan(b, source);
	if (rc != 0)
		return rc < 0 ? rc : SST_OK;
	b->piece.folder = b->root;
	b->piece.flat = 1;
	apart(b, below_read);
	return b->rc;
}

/* The first part of `below`, or "" where that says nothing about one folder. */
static void
first_part(const char *below, char *out, size_t size)
{
	size_t len;

	below += strspn(below, "/");
	len = strcspn(below, "/");
	out[0] = '\0';
	if (len == 0 || len >= size || strchr(below, '\n') != NULL ||
	    (len <= 2 && strncmp(below, "..", len) == 0))
		return;
	memcpy(out, below, len);
	out[len] = '\0';
}

static int
folder_load(struct sst_store *s, const char *root, const char *part,
    struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct below b = { .store = s, .root = root, .err = &why };
	struct sst_events events = { 0 };
	enum sst_source_kind kind;
	int64_t source = 0;
	int rc, n, known = 0;

	n = snprintf(b.folder, sizeof(b.folder), "%s/%s", root, part);
	if (n < 0 || (size_t)n >= sizeof(b.folder))
		return sst_fail(err, SST_E_LIMIT, "a path of %d bytes", n);
	sst_store_lock(s);
	rc = sst_index_source_get(s->index, root, &source, &kind, &why);
	sst_store_unlock(s);
	rc = rc < 0 ? rc : below_scan(&b, source);
	if (sst_source_judge(s, &why) < 0) {
		rc = SST_E_PEER;
	} else if (b.silent) {
		sst_store_note_unknown(s, root, b.folder, &events);
		rc = SST_OK;
	} else if (rc == SST_OK) {
		rc = sst_try_scan(s, &b.piece.scan, 0);
		known = rc == SST_OK;
	}
	if (known) {
		sst_open_keys_tell(&events, &b.piece.scan);
		rc = sst_apply_folders(s, root, &b.piece, 1, 1, &events, &why);
		if (rc < 0)
			sst_events_forget(&events);
		else
			sst_store_note_seen(s, root, &b.piece.scan, &events);
	}
	if (rc < 0)
		sst_store_note_unwritten(s, root, b.folder, &why, &events);
	sst_events_tell(s, &events);
	sst_scan_done(&b.piece.scan);
	sst_keep_tidy(s, 0);
	if (rc < 0 && err != NULL && err->code == SST_OK)
		*err = why;
	return rc;
}

/* Another process writes, and was told as well. 1: it has done nothing since. */
static int
is_theirs_late(struct sst_store *s, const char *root, const char *folder)
{
	const int64_t now = sst_clock_ms();
	struct sst_wait *w;
	uint64_t theirs;
	int late = 0;

	sst_store_lock(s);
	theirs = sst_keep_theirs_locked(s);
	w = sst_waits_find(&s->waits, folder);
	if (w != NULL && w->theirs != 0 && w->theirs != theirs) {
		sst_waits_drop(&s->waits, folder);
	} else if (theirs != 0) {
		(void)sst_waits_note(&s->waits, root, folder, 0, now);
		w = sst_waits_find(&s->waits, folder);
		if (w != NULL)
			w->theirs = theirs;
		late = w != NULL && now - w->since >= THEIRS_MS;
	}
	sst_store_unlock(s);
	return late;
}

/* Whether what the files say is not what the index says. */
static int
is_missed(struct sst_store *s, const char *root, const char *folder)
{
	const uint64_t silent = sst_source_unanswered(s);
	struct sst_scan_env quick = s->env;
	struct sst_scan scan = { 0 };
	enum sst_source_kind kind;
	int64_t source = 0;
	int rc, flat = 0, missed = 0;

	quick.facts_only = 1;
	sst_store_lock(s);
	(void)sst_index_source_get(s->index, root, &source, &kind, NULL);
	sst_store_unlock(s);
	rc = sst_scan_folder(&quick, root, folder, 0, &scan, NULL);
	if (rc == SST_E_NOT_FOUND) {
		missed = !sst_pool_knows(s, source, folder, 0, &scan, 1);
		flat = 1;
		rc = sst_scan_folder(&quick, root, root, 1, &scan, NULL);
	}
	if (rc == SST_OK)
		missed |= !sst_pool_knows(s, source, flat ? root : folder, flat, &scan, 0);
	sst_scan_done(&scan);
	return rc == SST_OK && missed && sst_source_unanswered(s) == silent &&
	    sst_source_judge(s, NULL) == SST_OK;
}

/* A change that is for another process to read in. */
static int
theirs_look(struct sst_store *s, const char *root, const char *part, struct sst_error *err)
{
	char folder[SST_PATH_SIZE];
	int n, rc;

	n = snprintf(folder, sizeof(folder), "%s/%s", root, part);
	if (n < 0 || (size_t)n >= sizeof(folder) || !is_theirs_late(s, root, folder))
		return SST_OK;
	if (!is_missed(s, root, folder)) {
		sst_store_lock(s);
		sst_waits_drop(&s->waits, folder);
		sst_store_unlock(s);
		return SST_OK;
	}
	rc = sst_keep_leave(s, err);
	return rc < 0 ? rc : folder_load(s, root, part, err);
}

int
sst_store_rescan_below(struct sst_store *s, const char *path, const char *below,
    struct sst_error *err)
{
	char settled[SST_PATH_SIZE], part[SST_PATH_SIZE / 4];
	enum sst_source_kind kind;
	int64_t source;
	int rc;

	first_part(below, part, sizeof(part));
	rc = sst_path_settle(s, path, settled, err);
	if (rc < 0)
		return rc;
	sst_store_lock(s);
	rc = sst_index_source_get(s->index, settled, &source, &kind, err);
	sst_store_unlock(s);
	if (rc < 0)
		return rc;
	if (rc == 0 || kind != SST_SOURCE_DIR || part[0] == '\0')
		return sst_store_rescan(s, path, err);
	if (sst_scan_left_over(part))
		return SST_OK;
	rc = sst_keep_turn(s, settled, err);
	if (rc != 1)
		return rc < 0 ? rc : theirs_look(s, settled, part, err);
	rc = folder_load(s, settled, part, err);
	return rc < 0 && sst_keep_mended(s) ? sst_store_rescan(s, path, err) : rc;
}

int64_t
sst_store_retry_due(struct sst_store *s)
{
	int64_t due;

	sst_store_lock(s);
	due = sst_waits_due(&s->waits, sst_clock_ms());
	sst_store_unlock(s);
	return due;
}

/* It was read. Where that did not come to a note, it does not stay due; 1: not yet, so
 * it does. */
static void
due_done(struct sst_store *s, const char *folder, int rc, int64_t now)
{
	struct sst_wait *w;

	sst_store_lock(s);
	w = sst_waits_find(&s->waits, folder);
	if (w != NULL && (rc == SST_E_NOT_FOUND || rc == SST_OK) && w->due <= now)
		sst_waits_drop(&s->waits, folder);	/* it is no more */
	else if (w != NULL && rc < 0 && w->due <= now)
		(void)sst_waits_note(&s->waits, w->source, folder, w->back, now);
	sst_store_unlock(s);
}

int
sst_store_retry(struct sst_store *s, struct sst_error *err)
{
	const int64_t now = sst_clock_ms();
	struct sst_waits due = { 0 };
	int rc, one;

	sst_store_lock(s);
	rc = sst_waits_due_copy(&s->waits, now, &due);
	sst_store_unlock(s);
	if (rc < 0)
		(void)sst_fail(err, rc, "out of memory");
	for (size_t i = 0; i < due.n; i++) {
		const struct sst_wait *w = &due.v[i];

		/* the source itself may be a folder of certbot's */
		one = sst_store_rescan_below(s, w->source, w->folder + strlen(w->source),
		    err);
		due_done(s, w->folder, one, now);
		if (one < 0 && rc == SST_OK)
			rc = one;
	}
	sst_waits_done(&due);
	return rc;
}
