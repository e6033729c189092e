/* SPDX-License-Identifier: ISC */
#include "memo.h"
#include "sys.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define SPINS	10000	/* a holder that is there lets go long before */

/* What the name was connected to since it was last asked for. */
enum { NOWHERE = 1, ELSEWHERE = 2, HERE = 4 };

struct entry {
	uint8_t		addr[16];
	int64_t		at_ms;
	char		name[SST_MEMO_NAME];
	uint8_t		live, used;
};

static struct {
	_Atomic int	holder;		/* pid of the process that is in here */
	struct entry	entries[SST_MEMO_SIZE];	/* guarded by it */
} memo;

/* A holder of another process is a thread that a fork did not copy. */
static void
enter(struct sst_quiet *q)
{
	int me = getpid();
	int seen;

	sst_quiet_enter(q);
	for (int i = 0;; i++) {
		seen = 0;
		if (atomic_compare_exchange_weak(&memo.holder, &seen, me))
			return;
		if (i >= SPINS && seen != 0 && seen != me &&
		    atomic_compare_exchange_strong(&memo.holder, &seen, me))
			return;
		(void)SST_SYS(SYS_sched_yield);
	}
}

static void
leave(const struct sst_quiet *q)
{
	atomic_store(&memo.holder, 0);
	sst_quiet_leave(q);
}

static int
is_of(const struct entry *e, const uint8_t addr[16])
{
	return e->live && memcmp(e->addr, addr, sizeof(e->addr)) == 0;
}

static int
same_name(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static void
forget(const uint8_t addr[16])
{
	uint8_t copy[16];

	memcpy(copy, addr, sizeof(copy));	/* it may be of an entry */
	for (size_t i = 0; i < SST_MEMO_SIZE; i++)
		if (is_of(&memo.entries[i], copy))
			memo.entries[i].live = 0;
}

/* The entry of this name and address, a free one, or the oldest's place. */
static struct entry *
place_of(const uint8_t addr[16], const char *name, int64_t now_ms)
{
	struct entry *free_one = NULL, *oldest = &memo.entries[0];

	for (size_t i = 0; i < SST_MEMO_SIZE; i++) {
		struct entry *e = &memo.entries[i];

		if (e->live && now_ms - e->at_ms >= SST_MEMO_LIFE_MS)
			e->live = 0;
		if (is_of(e, addr) && same_name(e->name, name))
			return e;
		if (!e->live && free_one == NULL)
			free_one = e;
		if (e->at_ms < oldest->at_ms)
			oldest = e;
	}
	if (free_one != NULL)
		return free_one;
	forget(oldest->addr);
	return oldest;
}

void
sst_memo_add(const uint8_t addr[16], const char *name, int64_t now_ms)
{
	struct sst_quiet quiet;
	struct entry *e;

	if (strlen(name) >= sizeof(e->name))
		return;
	enter(&quiet);
	e = place_of(addr, name, now_ms);
	e->live = 0;
	memcpy(e->addr, addr, sizeof(e->addr));
	(void)strcpy(e->name, name);
	e->at_ms = now_ms;
	e->used = NOWHERE;
	e->live = 1;
	leave(&quiet);
}

/* One that counts for `addr`; `used` is a set. */
static int
counts(const struct entry *e, const uint8_t addr[16], int64_t now_ms, int used)
{
	return is_of(e, addr) && (e->used & used) != 0 &&
	    now_ms - e->at_ms < SST_MEMO_LIFE_MS;
}

/* Which names count. A name that nothing was connected to goes before those that
 * were used here; what was connected to by another address may be done with. */
static int
who_counts(const uint8_t addr[16], int64_t now_ms)
{
	for (size_t i = 0; i < SST_MEMO_SIZE; i++)
		if (counts(&memo.entries[i], addr, now_ms, NOWHERE))
			return NOWHERE | ELSEWHERE;
	return ELSEWHERE | HERE;
}

/* Takes the names that count. Their number, or -1. */
static int
take(const uint8_t addr[16], int64_t now_ms, int used, char *out, size_t room,
    size_t *ret_len, int *ret_by_address)
{
	int n = 0;

	*ret_len = 0;
	*ret_by_address = 0;
	for (size_t i = 0; i < SST_MEMO_SIZE; i++) {
		struct entry *e = &memo.entries[i];
		size_t len = strlen(e->name) + 1;

		if (!counts(e, addr, now_ms, used))
			continue;
		n++;
		if (len == 1) {
			*ret_by_address = 1;
			continue;
		}
		if (len > room - *ret_len)
			return -1;
		memcpy(out + *ret_len, e->name, len);
		*ret_len += len;
	}
	return n;
}

static void
mark_used(const uint8_t addr[16], int64_t now_ms, int used)
{
	for (size_t i = 0; i < SST_MEMO_SIZE; i++) {
		struct entry *e = &memo.entries[i];

		if (!counts(e, addr, now_ms, used))
			continue;
		e->used = HERE;
		e->at_ms = now_ms;
	}
}

int
sst_memo_use(const uint8_t addr[16], int64_t now_ms, char *out, size_t room,
    size_t *ret_len, int *ret_by_address)
{
	struct sst_quiet quiet;
	int used, n;

	enter(&quiet);
	used = who_counts(addr, now_ms);
	n = take(addr, now_ms, used, out, room, ret_len, ret_by_address);
	if (n > 0)
		mark_used(addr, now_ms, used);
	leave(&quiet);
	return n;
}

/* The other addresses that were found together with `e`, or before. */
static void
mark_elsewhere(const struct entry *e)
{
	for (size_t i = 0; i < SST_MEMO_SIZE; i++) {
		struct entry *other = &memo.entries[i];

		if (other->live && other->used == NOWHERE &&
		    other->at_ms <= e->at_ms && same_name(other->name, e->name))
			other->used = ELSEWHERE;
	}
}

void
sst_memo_reached(const uint8_t addr[16])
{
	struct sst_quiet quiet;

	enter(&quiet);
	for (size_t i = 0; i < SST_MEMO_SIZE; i++) {
		const struct entry *e = &memo.entries[i];

		/* An address by itself has no others. */
		if (is_of(e, addr) && e->used == HERE && e->name[0] != '\0')
			mark_elsewhere(e);
	}
	leave(&quiet);
}
