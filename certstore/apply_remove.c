/* SPDX-License-Identifier: ISC */
/* apply_remove - what is taken out of the store, by what it is called (apply.h). */
#include <stdio.h>
#include <string.h>

#include "base/escape.h"
#include "base/fail.h"
#include "apply_work.h"

static int
source_drop(struct sst_work *w, const char *path)
{
	enum sst_source_kind kind;
	int64_t id;
	int rc;

	rc = sst_index_source_get(w->s->index, path, &id, &kind, w->err);
	if (rc != 1)
		return rc;
	w->touched = w->changed = 1;
	w->source = id;
	rc = sst_index_find(w->s->index, SST_FIND_SOURCE, &id, sizeof(id), &w->old,
	    w->err);
	return rc;
}

/* sst_index_sources(): there is one. */
static int
source_seen(void *arg, int64_t id, enum sst_source_kind kind, const char *path)
{
	struct sst_work *w = arg;

	(void)id;
	(void)kind;
	(void)path;
	w->touched = w->changed = 1;
	return SST_OK;
}

int
sst_apply_remove(struct sst_store *s, enum sst_find by, const void *key, size_t len,
    const char *what, struct sst_error *err)
{
	struct sst_events events = { 0 };
	struct sst_work w = { .s = s, .events = &events, .err = err };
	char shown[400];
	int rc;

	sst_store_lock(s);
	rc = sst_index_begin(s->index, err);
	if (rc < 0) {
		sst_store_unlock(s);
		return rc;
	}
	if (by == SST_FIND_PATH)
		rc = source_drop(&w, what);
	else if (by == SST_FIND_ALL)
		rc = sst_index_sources(s->index, source_seen, &w, err);
	if (rc == SST_OK && w.old.n == 0)
		rc = sst_index_find(s->index, by, key, len, &w.old, err);
	for (size_t i = 0; rc == SST_OK && i < w.old.n; i++) {
		w.touched = w.changed = 1;
		rc = sst_work_drop_locked(&w, w.old.v[i].id);
		/* those that are taken out as a whole go below */
		if (rc == SST_OK && by != SST_FIND_ALL && w.old.v[i].source != w.source)
			rc = sst_index_source_drop(s->index, w.old.v[i].source, err);
		if (w.old.v[i].state != SST_ENTRY_REFUSED)
			sst_work_tell(&w, SST_STORE_REMOVED, &w.old.v[i], NULL);
	}
	if (rc == SST_OK && (w.source != 0 || by == SST_FIND_ALL))
		rc = sst_index_source_drop(s->index, w.source, err);
	if (rc == SST_OK && !w.touched) {
		(void)sst_escape(shown, sizeof(shown), what, strlen(what));
		rc = sst_fail(err, SST_E_NOT_FOUND, "nothing in the store is %s", shown);
	}
	rc = sst_work_finish_locked(&w, rc, NULL, 0);
	sst_store_unlock(s);
	if (rc == SST_OK)
		sst_events_tell(s, &events);
	else
		sst_events_forget(&events);
	sst_work_done(&w);
	return rc;
}

int
sst_hex_digest(const char *text, uint8_t out[32])
{
	unsigned int byte;

	if (strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64)
		return 0;
	for (size_t i = 0; i < 32; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return 0;
		out[i] = (uint8_t)byte;
	}
	return 1;
}
