/* SPDX-License-Identifier: ISC */
/* store_keep - see store_keep.h. */
#include "store_keep.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fail.h"
#include "index_gen.h"
#include "index_place.h"

#define WAIT_MS		20
#define WAITS		1500	/* 30 s for another process to read it all */
#define STILL		250	/* 5 s in which it gets no further: it may be stopped */
#define LOG_PAGES	1000	/* 4 MB of log */
#define LOG_READING	8000
#define LOOK_MS		10
#define LOOKS		20	/* 0.2 s for another process to read one folder */
#define IDS_AFTER	((int64_t)1 << 40)	/* rows of a file have smaller numbers */

/* sst_index_sources(): there is one. */
static int
source_seen(void *arg, int64_t id, enum sst_source_kind kind, const char *path)
{
	int *seen = arg;

	(void)id;
	(void)kind;
	(void)path;
	*seen = 1;
	return SST_OK;
}

/* Whether nothing was set yet, and no index was kept before. */
static int
is_new_locked(struct sst_store *s)
{
	int seen = 0;

	return s->gen == NULL &&
	    sst_index_sources(s->index, source_seen, &seen, NULL) == SST_OK && !seen;
}

/* Whether the open directory, which is closed, has entries enough for an index. */
static int
has_many(int fd)
{
	DIR *dir = fdopendir(fd);
	const struct dirent *e;
	int n = 0;

	if (dir == NULL) {
		(void)close(fd);
		return 0;
	}
	while (n < SST_INDEX_WORTH && (e = readdir(dir)) != NULL)
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	(void)closedir(dir);
	return n >= SST_INDEX_WORTH;
}

/* 1: it is a directory with so many entries that its index is worth keeping. It is not
 * listed for what is in it, which would have to be watched first. */
static int
is_worth(struct sst_store *s, const char *path, struct sst_index_at *at)
{
	struct stat st;
	int fd = -1;

	if (s->env.ops->open(s->env.ctx, path, &fd, NULL) < 0)
		return 0;	/* who reads it says what is wrong */
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode)) {
		(void)close(fd);
		return 0;
	}
	at->path = path;
	at->dev = st.st_dev;
	at->ino = st.st_ino;
	return has_many(fd);
}

static void
refusal_tell(struct sst_store *s, const char *path, const char *why)
{
	struct sst_events events = { 0 };
	char text[600];

	(void)snprintf(text, sizeof(text), "its index is kept in memory alone: %s", why);
	sst_events_add(&events, SST_STORE_REFUSED, path, text);
	sst_events_tell(s, &events);
}

/* The index takes the place of the empty one. 0: it was empty no longer. */
static int
index_set(struct sst_store *s, const char *path, struct sst_index *ix, struct sst_gen *gen)
{
	struct sst_index *old = NULL;
	char *copy = strdup(path);
	uint64_t total, word;

	sst_store_lock(s);
	if (copy != NULL && is_new_locked(s)) {
		old = s->index;
		s->index = ix;
		s->n_index++;
		s->gen = gen;
		s->kept_path = copy;
		total = atomic_load(&s->generation);
		word = atomic_load(sst_gen_word(gen));
		/* what was decided on the empty one is over */
		total += word > 0;
		atomic_store(&s->offset, total > word ? total - word : 0);
		atomic_store(&s->word, sst_gen_word(gen));
	}
	sst_store_unlock(s);
	if (old == NULL)
		free(copy);
	sst_index_close(old != NULL ? old : ix);
	if (old == NULL)
		sst_gen_close(gen);
	return old != NULL;
}

/* From now on the index is this one, in memory, and nobody else's. */
static struct sst_index *
index_leave_locked(struct sst_store *s, struct sst_index *memory)
{
	struct sst_index *old = s->index;

	atomic_store(&s->generation, sst_store_generation(s));
	atomic_store(&s->word, NULL);
	sst_gen_yield(s->gen);
	s->index = memory;
	return old;
}

/* `copy`: of the index as it is, or NULL. For the caller to close: what is used no more. */
static int
leave_locked(struct sst_store *s, struct sst_index *copy, struct sst_index **ret_old,
    struct sst_error *err)
{
	int rc = SST_OK;

	*ret_old = copy;
	if (!sst_index_is_kept(s->index))
		return rc;
	if (copy == NULL)
		rc = sst_index_copy(s->index, &copy, err);
	/* what the other process has not read yet is now ours to read */
	if (rc == SST_OK && !sst_gen_is_writer(s->gen))
		atomic_store(&s->warm, 1);
	if (rc == SST_OK)
		*ret_old = index_leave_locked(s, copy);
	return rc;
}

/*
 * Goes on with a copy in memory, which takes its time and is rare: a program sets a
 * directory of many names and something besides.
 */
static int
leave(struct sst_store *s, struct sst_error *err)
{
	struct sst_index *old;
	int rc;

	sst_store_lock(s);
	rc = leave_locked(s, NULL, &old, err);
	sst_store_unlock(s);
	sst_index_close(old);
	return rc;
}

/* The file of the index, for the caller to free, and its number; NULL: there is none. */
static char *
file_of(struct sst_store *s, uint64_t *ret_epoch)
{
	char *path = NULL;

	sst_store_lock(s);
	if (sst_index_is_kept(s->index)) {
		path = strdup(sst_index_file(s->index));
		*ret_epoch = sst_gen_epoch(s->gen);
	}
	sst_store_unlock(s);
	return path;
}

void
sst_store_part(struct sst_store *s)
{
	struct sst_index *copy = NULL, *old = NULL, *late = NULL;
	struct sst_aside *aside = NULL;
	uint64_t epoch = 0;
	char *path = file_of(s, &epoch);

	/* clients are served meanwhile; who cannot copy it so does it as ever */
	if (path != NULL)
		(void)sst_index_copy_aside(path, &copy, &aside, NULL);
	sst_store_lock(s);
	if (copy != NULL && (sst_gen_epoch(s->gen) != epoch ||
	    !sst_index_aside_is_current(aside))) {
		late = copy;
		copy = NULL;
	}
	(void)leave_locked(s, copy, &old, NULL);
	sst_store_unlock(s);
	sst_index_close(late);
	sst_index_close(old);
	sst_index_aside_close(aside);
	free(path);
}

/* 1: this store writes, from now on or since before. */
static int
claim_locked(struct sst_store *s)
{
	uint64_t generation;

	if (sst_gen_is_writer(s->gen))
		return 1;
	if (!sst_gen_claim(s->gen))
		return 0;
	/* who wrote before may have died between the change and its number */
	if (sst_index_generation(s->index, &generation, NULL) == SST_OK)
		sst_gen_set(s->gen, generation);
	atomic_store(&s->word, sst_gen_word(s->gen));
	return 1;
}

/* 1: the directory was read before, by whomever. 0: it is for this store to read. */
static int
whole_wait(struct sst_store *s, struct sst_error *err)
{
	const struct timespec pause = { 0, WAIT_MS * 1000000 };
	int is_writer = 0, whole = 0, still = 0;
	uint64_t beats = 0, last = 0;

	for (int i = 0; i < WAITS && still < STILL; i++) {
		sst_store_lock(s);
		is_writer = !sst_index_is_kept(s->index) || claim_locked(s);
		whole = sst_index_is_kept(s->index) && sst_index_is_whole(s->index, NULL) == 1;
		beats = sst_gen_beats(s->gen);
		sst_store_unlock(s);
		if (is_writer || whole)
			return whole;
		still = beats == last ? still + 1 : 0;
		last = beats;
		(void)nanosleep(&pause, NULL);
	}
	return leave(s, err);
}

int
sst_keep_attach(struct sst_store *s, const char *path, struct sst_error *err)
{
	struct sst_error why = { .code = SST_OK };
	struct sst_index_at at = { .place = NULL };
	char place[PATH_MAX], text[400] = "";
	struct sst_index *ix = NULL;
	struct sst_gen *gen = NULL;
	int is_new, rc;

	if (s->index_dir == NULL)
		return 0;
	sst_store_lock(s);
	is_new = is_new_locked(s);
	sst_store_unlock(s);
	if (!is_new || !is_worth(s, path, &at))
		return 0;
	if (!sst_index_place(s->index_dir, place, text, sizeof(text))) {
		refusal_tell(s, path, text);
		return 0;
	}
	at.place = place;
	rc = sst_index_keep(&at, &ix, &gen, &why);
	if (rc == SST_E_NOMEM)
		return sst_fail(err, rc, "out of memory");
	if (rc < 0) {
		refusal_tell(s, path, why.text);
		return 0;
	}
	if (!index_set(s, path, ix, gen))
		return 0;
	rc = whole_wait(s, err);
	if (rc == 1)
		atomic_store(&s->warm, 1);
	return rc;
}

void
sst_keep_beat(struct sst_store *s)
{
	sst_store_lock(s);
	if (sst_index_is_kept(s->index) && sst_gen_is_writer(s->gen))
		sst_gen_beat(s->gen);
	sst_store_unlock(s);
}

int
sst_keep_turn(struct sst_store *s, const char *path, struct sst_error *err)
{
	int is_turn = 1, is_other = 0, was_writer;

	sst_store_lock(s);
	if (sst_index_is_kept(s->index)) {
		was_writer = sst_gen_is_writer(s->gen);
		is_other = path == NULL || strcmp(path, s->kept_path) != 0;
		is_turn = !is_other && claim_locked(s);
		/* who wrote before may have died with something unread */
		if (is_turn && !was_writer)
			atomic_store(&s->warm, 1);
		/* the others were told of it, too, and see by this who is at work */
		if (is_turn)
			sst_gen_beat(s->gen);
		/* who writes believes what this store does not */
		is_other |= !is_turn && atomic_load(&s->doubt);
	}
	sst_store_unlock(s);
	if (is_other) {
		is_turn = leave(s, err);
		return is_turn < 0 ? is_turn : 1;
	}
	if (!is_turn)
		atomic_store(&s->warm, 0);
	return is_turn;
}

uint64_t
sst_keep_theirs_locked(const struct sst_store *s)
{
	if (!sst_index_is_kept(s->index) || sst_gen_is_writer(s->gen))
		return 0;
	return (atomic_load(sst_gen_word(s->gen)) * 0x9e3779b97f4a7c15u +
	    sst_gen_beats(s->gen)) | 1u << 31;
}

int
sst_keep_leave(struct sst_store *s, struct sst_error *err)
{
	int rc = leave(s, err);

	if (rc == SST_OK)
		refusal_tell(s, s->kept_path, "the process that writes it has stopped");
	return rc;
}

void
sst_keep_wait(struct sst_store *s, uint64_t generation, int64_t row)
{
	const uint64_t mark = generation * 0x9e3779b97f4a7c15u ^ (uint64_t)row;
	atomic_uint_fast64_t *futile = &s->futile[(uint64_t)row % SST_FUTILE];
	const struct timespec pause = { 0, LOOK_MS * 1000000 };
	int is_theirs;

	sst_store_lock(s);
	is_theirs = sst_index_is_kept(s->index) && !sst_gen_is_writer(s->gen);
	sst_store_unlock(s);
	/* what cannot be read is asked for again and again, by whoever likes */
	if (!is_theirs || atomic_load(futile) == mark)
		return;
	for (int i = 0; i < LOOKS && sst_store_generation(s) == generation; i++)
		(void)nanosleep(&pause, NULL);
	if (sst_store_generation(s) == generation)
		atomic_store(futile, mark);
}

static void
log_settle(struct sst_store *s, int pages)
{
	const char *due;
	char *copy = NULL;

	sst_store_lock(s);
	due = sst_index_due(s->index, pages);
	if (due != NULL)
		copy = strdup(due);
	sst_store_unlock(s);
	if (copy != NULL)
		sst_index_settle(copy);
	free(copy);
}

void
sst_keep_tidy(struct sst_store *s, int reading)
{
	/* SQLite reads all pages anew after each time: a reading is to go on */
	log_settle(s, reading ? LOG_READING : LOG_PAGES);
}

void
sst_keep_was_read(struct sst_store *s, const char *path, int rc)
{
	sst_store_lock(s);
	if (s->kept_path != NULL && strcmp(path, s->kept_path) == 0) {
		/* one that cannot be read is not read again until it changes */
		atomic_store(&s->warm, 0);
		if (rc == SST_OK && atomic_exchange(&s->doubt, 0))
			(void)sst_index_clear_strays(s->index, NULL);
		if (rc == SST_OK && sst_index_is_kept(s->index))
			(void)sst_index_make_whole(s->index, NULL);
	}
	sst_store_unlock(s);
	log_settle(s, 1);
}

void
sst_keep_doubt(struct sst_store *s)
{
	sst_store_lock(s);
	atomic_store(&s->doubt, sst_index_is_kept(s->index));
	sst_store_unlock(s);
}

void
sst_keep_mend_locked(struct sst_store *s)
{
	struct sst_index *fresh = NULL, *old;
	const int is_writer = sst_gen_is_writer(s->gen);
	int64_t id;

	if (sst_index_open(&fresh, NULL) < 0)
		return;		/* every statement goes on to fail */
	if (sst_index_ids_from(fresh, IDS_AFTER, NULL) < 0 ||
	    sst_index_source_set(fresh, s->kept_path, SST_SOURCE_DIR, &id, NULL) < 0) {
		sst_index_close(fresh);
		return;
	}
	if (is_writer)
		sst_index_discard(s->index);
	old = index_leave_locked(s, fresh);
	sst_index_close(old);
	/* the new one counts from nothing, and what was decided is over */
	atomic_store(&s->offset, atomic_load(&s->generation) + 1);
	atomic_store(&s->generation, atomic_load(&s->offset));
	atomic_store(&s->doubt, 0);
	atomic_store(&s->warm, 1);
	atomic_store(&s->mended, 1);
}

int
sst_keep_mended(struct sst_store *s)
{
	struct sst_events events = { 0 };

	sst_store_lock(s);
	sst_store_unlock(s);
	if (!atomic_exchange(&s->mended, 0))
		return 0;
	sst_events_add(&events, SST_STORE_REFUSED, s->kept_path,
	    "its index was damaged: it is made anew from the files");
	sst_events_tell(s, &events);
	return 1;
}

void
sst_keep_end(struct sst_store *s)
{
	char *path = NULL;

	if (s->gen != NULL && s->index != NULL && sst_index_is_kept(s->index) &&
	    sst_gen_is_writer(s->gen))
		path = sst_index_path(s->index);
	sst_index_close(s->index);
	/* so that the next one to open it has no log to read */
	if (path != NULL)
		sst_index_settle(path);
	sst_gen_close(s->gen);
	free(path);
	free(s->kept_path);
	free(s->index_dir);
}
