/* SPDX-License-Identifier: ISC */
#include "store_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fail.h"
#include "apply.h"
#include "scan_pool.h"
#include "store_change.h"
#include "store_keep.h"

struct loading {
	struct sst_store *store;
	const char	*path;
	char *const	*names;
	size_t		 n_names;
	int		 present;
	struct sst_piece batch[SST_DIR_FOLDERS];
	char		*folder[SST_DIR_FOLDERS];	/* of the batch, owned */
	size_t		 n;
	int64_t		 since;		/* ms: when the first of the batch came */
	int64_t		 told;		/* ms: when progress was told */
	uint64_t	 beat;		/* what was read by then */
	uint64_t	 done;
	struct sst_reading reading;
	int		 later;		/* some of it is not taken yet */
};

static void
progress_tell(struct loading *l, int over)
{
	const struct sst_store_config *config = &l->store->config;
	/* the files of the directory itself are one piece, the last */
	const struct sst_store_progress p = { .seen = l->n_names, .over = over,
	    .done = over || l->done > l->n_names ? l->n_names : l->done,
	    .read = over ? l->n_names : atomic_load(&l->reading.read) };

	l->told = sst_clock_ms();
	if (l->beat != p.read)
		sst_keep_beat(l->store);
	l->beat = p.read;
	if (config->on_progress != NULL)
		config->on_progress(config->event_arg, &p);
}

/* From now on the figures of the store have it in them. */
static void
reading_begin(struct loading *l)
{
	struct sst_store *s = l->store;
	struct sst_events events = { 0 };
	char text[80];

	l->reading.names = l->n_names;
	l->reading.since = sst_clock_wall();
	l->reading.since_ms = sst_clock_ms();
	sst_store_lock(s);
	l->reading.next = s->reading;
	s->reading = &l->reading;
	sst_store_unlock(s);
	if (l->n_names >= SST_DIR_TELL) {
		(void)snprintf(text, sizeof(text), "%zu names are being read", l->n_names);
		sst_events_add(&events, SST_STORE_READING, l->path, text);
		sst_events_tell(s, &events);
	}
	progress_tell(l, 0);
}

static void
reading_end(struct loading *l, int rc)
{
	const double seconds = (double)(sst_clock_ms() - l->reading.since_ms) / 1000;
	const unsigned long read = (unsigned long)atomic_load(&l->reading.read);
	struct sst_store *s = l->store;
	struct sst_events events = { 0 };
	struct sst_reading **at;
	char text[120];

	sst_store_lock(s);
	for (at = &s->reading; *at != NULL && *at != &l->reading;)
		at = &(*at)->next;
	if (*at != NULL)
		*at = l->reading.next;
	sst_store_unlock(s);
	if (l->n_names >= SST_DIR_TELL) {
		(void)snprintf(text, sizeof(text), rc < 0 ? "the reading ended after %lu of"
		    " %zu names and %.1f s" : "%lu of %zu names were read in %.1f s", read,
		    l->n_names, seconds);
		sst_events_add(&events, SST_STORE_READING, l->path, text);
		sst_events_tell(s, &events);
	}
	progress_tell(l, 1);
}

static void
one_drop(struct loading *l, size_t i)
{
	free(l->folder[i]);
	sst_scan_done(&l->batch[i].scan);
}

static void
batch_drop(struct loading *l)
{
	for (size_t i = 0; i < l->n; i++)
		one_drop(l, i);
	l->n = 0;
}

/* What is not to be taken in yet is left out. */
static void
batch_try(struct loading *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++) {
		if (sst_try_scan(l->store, &l->batch[i].scan, 0)) {
			one_drop(l, i);
			l->later = 1;
			continue;
		}
		l->folder[n] = l->folder[i];
		l->batch[n++] = l->batch[i];
	}
	l->n = n;
}

/* What was read so far becomes what is served. */
static int
batch_commit(struct loading *l, struct sst_error *err)
{
	struct sst_events events = { 0 };
	int rc = sst_source_judge(l->store, err);

	if (rc < 0) {
		batch_drop(l);
		return rc;
	}
	l->done += l->n;
	if (l->present)
		batch_try(l);
	for (size_t i = 0; i < l->n; i++)
		sst_open_keys_tell(&events, &l->batch[i].scan);
	if (l->n > 0)
		rc = sst_apply_folders(l->store, l->path, l->batch, l->n, l->present,
		    &events, err);
	for (size_t i = 0; rc == SST_OK && i < l->n; i++)
		sst_store_note_seen(l->store, l->path, &l->batch[i].scan, &events);
	if (rc < 0)
		sst_events_forget(&events);
	sst_events_tell(l->store, &events);
	batch_drop(l);
	sst_keep_tidy(l->store, 1);
	return rc;
}

static int
batch_add(struct loading *l, struct sst_piece *piece, struct sst_error *err)
{
	char *folder = strdup(piece->folder);

	if (folder == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	if (l->n == 0)
		l->since = sst_clock_ms();
	l->folder[l->n] = folder;
	l->batch[l->n++] = (struct sst_piece){ .folder = folder, .flat = piece->flat,
	    .scan = piece->scan };
	piece->scan = (struct sst_scan){ 0 };
	return SST_OK;
}

static int
unknown_note(struct loading *l, const struct sst_piece *piece)
{
	struct sst_events events = { 0 };

	sst_store_note_unknown(l->store, l->path, piece->folder, &events);
	sst_events_tell(l->store, &events);
	return SST_OK;
}

/* sst_pool_plan.take */
static int
piece_take(void *arg, struct sst_piece *piece, struct sst_error *err)
{
	struct loading *l = arg;
	int rc = piece == NULL ? SST_OK : piece->unknown ? unknown_note(l, piece) :
	    batch_add(l, piece, err);
	int64_t now = sst_clock_ms();

	if (rc == SST_OK && l->n > 0 &&
	    (l->n == SST_DIR_FOLDERS || now - l->since >= SST_DIR_MS))
		rc = batch_commit(l, err);
	if (now - l->told >= SST_DIR_MS)
		progress_tell(l, 0);
	return rc;
}

static int
name_cmp(const void *name, const void *at)
{
	return strcmp(name, *(const char *const *)at);
}

struct gone {
	const struct loading *l;
	char	**v;
	size_t	 n;
	char	 last[SST_PATH_SIZE];	/* the name that came before */
};

/* sst_index_paths(): a row of a folder that was not listed. */
static int
path_look(void *arg, const char *path)
{
	const size_t skip = strlen(((struct gone *)arg)->l->path) + 1;
	struct gone *g = arg;
	char **grown, *name;
	size_t len;

	if (strlen(path) <= skip)
		return SST_OK;
	len = strcspn(path + skip, "/");
	/* a file of the directory itself is its own reading's to miss */
	if (path[skip + len] == '\0' || len >= sizeof(g->last) ||
	    (strncmp(g->last, path + skip, len) == 0 && g->last[len] == '\0'))
		return SST_OK;
	memcpy(g->last, path + skip, len);
	g->last[len] = '\0';
	if (bsearch(g->last, g->l->names, g->l->n_names, sizeof(*g->l->names),
	    name_cmp) != NULL)
		return SST_OK;
	grown = reallocarray(g->v, g->n + 1, sizeof(*grown));
	if (grown == NULL)
		return SST_E_NOMEM;
	g->v = grown;
	name = strdup(g->last);
	if (name == NULL)
		return SST_E_NOMEM;
	g->v[g->n++] = name;
	return SST_OK;
}

/* Folders that the store knows and the directory has no more read as empty. */
static int
gone_drop(struct loading *l, int64_t source, struct sst_error *err)
{
	struct gone g = { .l = l };
	char folder[SST_PATH_SIZE];
	int rc;

	sst_store_lock(l->store);
	rc = sst_index_paths(l->store->index, source, path_look, &g, err);
	sst_store_unlock(l->store);
	for (size_t i = 0; rc == SST_OK && i < g.n; i++) {
		struct sst_piece piece = { .folder = folder, .scan = { .is_dir = 1 } };

		if (snprintf(folder, sizeof(folder), "%s/%s", l->path, g.v[i]) <
		    (int)sizeof(folder))
			rc = piece_take(l, &piece, err);
	}
	for (size_t i = 0; i < g.n; i++)
		free(g.v[i]);
	free(g.v);
	return rc;
}

/* sst_index_paths(): there is one. */
static int
path_seen(void *arg, const char *path)
{
	(void)path;
	*(int *)arg = 1;
	return SST_E_LIMIT;
}

/* The number of the source when the store has rows of it; 0: there is nothing to
 * compare with. < 0. */
static int64_t
source_known(struct sst_store *s, const char *path, struct sst_error *err)
{
	enum sst_source_kind kind;
	int64_t id = 0;
	int rc, seen = 0;

	sst_store_lock(s);
	rc = sst_index_source_get(s->index, path, &id, &kind, err);
	if (rc == 1)
		(void)sst_index_paths(s->index, id, path_seen, &seen, NULL);
	sst_store_unlock(s);
	return rc < 0 ? rc : seen ? id : 0;
}

int
sst_dir_load(struct sst_store *s, const char *path, char *const *names, size_t n,
    int present, struct sst_error *err)
{
	struct sst_pool_plan plan = { .store = s, .root = path, .names = names, .n = n,
	    .threads = s->config.threads, .take = piece_take };
	struct loading *l = calloc(1, sizeof(*l));
	int rc = SST_OK;

	if (l == NULL)
		return sst_fail(err, SST_E_NOMEM, "out of memory");
	*l = (struct loading){ .store = s, .path = path, .names = names, .n_names = n,
	    .present = present };
	plan.arg = l;
	plan.read = &l->reading.read;
	reading_begin(l);
	if (present) {
		plan.source = source_known(s, path, err);
		rc = plan.source < 0 ? (int)plan.source : SST_OK;
	}
	if (rc == SST_OK)
		rc = sst_pool_run(&plan, err);
	if (rc == SST_OK && plan.source != 0)
		rc = gone_drop(l, plan.source, err);
	if (rc == SST_OK)
		rc = batch_commit(l, err);
	reading_end(l, rc);
	batch_drop(l);
	rc = rc == SST_OK && l->later ? 1 : rc;
	free(l);
	return rc;
}
