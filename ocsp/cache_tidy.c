/* SPDX-License-Identifier: ISC */
/*
 * cache_tidy - what goes, and when.
 *
 *	ended             answers of certificates that are over, lists that nothing
 *	                  was added to for long, old failures and leases
 *	an issuer's share a quarter of the cap for answers: beyond it its own go
 *	the cap           beyond it those of the issuer with the most go
 *
 * so that an issuer with any number of certificates (an attacker's sub-CA) drives
 * out its own evidence and nobody else's. Within an issuer the least used goes
 * first, and what is revoked last.
 */
#include <string.h>

#include "base/fail.h"
#include "cache_inside.h"

#define OLD_LIST	(35 * 86400)	/* kept so long after its end: REVOKED is REVOKED */
#define OLD_SOURCE	(90 * 86400)
#define OLD_STAGING	3600
#define SLICES		4096		/* of one call, of everything */

static const char over_text[] = "SELECT answers FROM issuer WHERE issuer=?1 AND bytes>?2";
static const char most_text[] = "SELECT issuer,answers,bytes,list_bytes FROM issuer"
	" ORDER BY bytes+list_bytes DESC LIMIT 1";
static const char least_text[] = "DELETE FROM answer WHERE (hash,kind) IN(SELECT hash,kind"
	" FROM answer WHERE issuer=?1 ORDER BY (status=2),used LIMIT 64)";
static const char list_text[] = "SELECT id FROM list WHERE issuer=?1 AND state=1"
	" ORDER BY used,id LIMIT 1";
static const char ended_text[] = "DELETE FROM answer WHERE (hash,kind) IN"
	"(SELECT hash,kind FROM answer WHERE ends<?1 LIMIT 256)";
static const char old_lists_text[] = "UPDATE list SET state=2 WHERE state=1 AND until<?1";
static const char negatives_text[] = "DELETE FROM negative WHERE (hash,source) IN"
	"(SELECT hash,source FROM negative WHERE until<?1 LIMIT 256)";
static const char leases_text[] = "DELETE FROM lease WHERE until<?1";
static const char sources_text[] = "DELETE FROM source WHERE used<?1";
static const char staples_text[] = "DELETE FROM staple WHERE until<?1";
static const char shrink_text[] = "PRAGMA incremental_vacuum(256)";
static const char unused_text[] = "PRAGMA freelist_count";
static const char used_text[] = "UPDATE answer SET used=?2 WHERE hash=?1";
static const char used_list_text[] = "UPDATE list SET used=?2 WHERE id=?1";

int
sst_cache_room(struct sst_db *s, const uint8_t issuer[SST_ISSUER_LEN])
{
	uint8_t most[SST_ISSUER_LEN];
	sqlite3_stmt *st;
	int64_t n, by_answers, by_lists;
	int rc;

	rc = sst_db_int(s, &n, over_text, "bi", issuer, (size_t)SST_ISSUER_LEN,
	    (int64_t)(s->cap / 4));
	if (rc == 1)
		return sst_db_do(s, least_text, "b", issuer, (size_t)SST_ISSUER_LEN);
	if (rc < 0 || sst_db_bytes(s) <= s->cap)
		return rc;
	st = sst_db_ask(s, most_text, "");
	rc = sst_db_row(s, st);
	if (rc != 1)
		return rc;
	rc = sst_db_blob(st, 0, most, sizeof(most));
	n = sqlite3_column_int64(st, 1);
	by_answers = sqlite3_column_int64(st, 2);
	by_lists = sqlite3_column_int64(st, 3);
	sst_db_done(st);
	if (rc < 0)
		return sst_db_failed(s, SQLITE_CORRUPT);
	if (n > 0 && by_answers >= by_lists)
		return sst_db_do(s, least_text, "b", most, sizeof(most));
	rc = sst_db_int(s, &n, list_text, "b", most, sizeof(most));
	if (rc == 1)
		rc = sst_list_drop(s, n);
	return rc;
}

struct tidy {
	int64_t	now, abandoned;
	int	n_used;
	struct { uint8_t hash[32]; int64_t id; } used[64];
};

/* One slice of what has ended. 1: there may be more. */
static int
ended_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const struct tidy *t = arg;
	int gone, rc;

	(void)c;
	(void)err;
	rc = sst_db_do(s, ended_text, "i", t->now);
	gone = sqlite3_changes(s->db);
	if (rc == SST_OK)
		rc = sst_db_do(s, negatives_text, "i", t->now);
	gone = rc == SST_OK && (gone == 256 || sqlite3_changes(s->db) == 256);
	return rc < 0 ? rc : gone;
}

static int
rest_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	const struct tidy *t = arg;
	int rc = SST_OK;

	(void)c;
	(void)err;
	for (int i = 0; rc == SST_OK && i < t->n_used; i++)
		rc = t->used[i].id != 0 ?
		    sst_db_do(s, used_list_text, "ii", t->used[i].id, t->now) :
		    sst_db_do(s, used_text, "bi", t->used[i].hash, (size_t)32, t->now);
	if (rc == SST_OK)
		rc = sst_db_do(s, old_lists_text, "i", t->now - OLD_LIST);
	if (rc == SST_OK)
		rc = sst_db_do(s, leases_text, "i", t->now);
	if (rc == SST_OK)
		rc = sst_db_do(s, sources_text, "i", t->now - OLD_SOURCE);
	if (rc == SST_OK)
		rc = sst_db_do(s, staples_text, "i", t->now);
	return rc;
}

static int
room_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	static const uint8_t nobody[SST_ISSUER_LEN];
	int rc = sst_cache_room(s, nobody);

	(void)c;
	(void)arg;
	(void)err;
	return rc < 0 ? rc : sst_db_bytes(s) > s->cap;
}

static int
sweep_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	struct tidy *t = arg;

	return sst_list_sweep(c, s, &t->abandoned, err);
}

/* Pages that nothing uses go back to the file system. */
static int
shrink_step(struct sst_cache *c, struct sst_db *s, void *arg, struct sst_error *err)
{
	sqlite3_stmt *st = sst_db_ask(s, shrink_text, "");
	int64_t n = 0;
	int rc;

	(void)c;
	(void)arg;
	(void)err;
	while ((rc = sst_db_row(s, st)) == 1)
		;	/* a page a row */
	if (rc == SST_OK)
		rc = sst_db_int(s, &n, unused_text, "");
	return rc < 0 ? rc : n > 1024;
}

/* A step until it has no more to do: in the file or, `memory`, in memory. */
static int
all_slices(struct sst_cache *c, int memory, enum sst_bump what,
    int (*step)(struct sst_cache *, struct sst_db *, void *, struct sst_error *),
    struct tidy *t, struct sst_error *err)
{
	int rc = 1;

	for (int i = 0; rc == 1 && i < SLICES; i++) {
		if (!memory) {
			rc = sst_cache_change(c, what, 0, step, t, err);
			continue;
		}
		sst_cache_enter(c);
		rc = c->mem.db == NULL || c->change.db == NULL ? 0 :
		    sst_cache_transaction(c, &c->mem, what, 0, step, t, err);
		sst_cache_leave(c);
	}
	return rc < 0 ? rc : SST_OK;
}

int
sst_cache_tidy(struct sst_cache *c, int64_t now, struct sst_error *err)
{
	struct tidy t = { .now = now, .abandoned = now - OLD_STAGING };
	int rc = sst_ans_notes(c);

	sst_cache_enter(c);
	t.n_used = (int)c->n_used;
	memcpy(t.used, c->used, sizeof(t.used));
	c->n_used = 0;
	sst_cache_leave(c);
	if (rc == SST_OK && sst_ans_move(c) < 0)
		rc = SST_OK;	/* the file cannot take them yet */
	for (int memory = 0; rc == SST_OK && memory < 2; memory++) {
		rc = all_slices(c, memory, SST_BUMP_ANSWERS, ended_step, &t, err);
		if (rc == SST_OK)
			rc = all_slices(c, memory, SST_BUMP_LISTS, rest_step, &t, err);
		if (rc == SST_OK)
			rc = all_slices(c, memory, SST_BUMP_NONE, sweep_step, &t, err);
		if (rc == SST_OK)
			rc = all_slices(c, memory, SST_BUMP_LISTS, room_step, &t, err);
		if (rc == SST_OK)
			rc = all_slices(c, memory, SST_BUMP_NONE, sweep_step, &t, err);
		if (rc == SST_OK && !memory)
			rc = all_slices(c, 0, SST_BUMP_NONE, shrink_step, &t, err);
		t.n_used = 0;
	}
	return rc;
}
