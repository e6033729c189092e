/* SPDX-License-Identifier: ISC */
#include "record.h"
#include "policy.h"
#include "shim.h"
#include "start.h"
#include "sys.h"
#include "text.h"

#include <linux/futex.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

/*
 * One word, so that a state is never seen with another state's owner: two bits
 * of state, 30 of generation, and the pid of the process that starts.
 */
enum { EMPTY = 0, STARTING = 1, WRITING = 2, RUNNING = 3, BITS = 3 };

#define WORDS		(sizeof(struct sst_pair) / sizeof(uint32_t))

static struct {
	_Atomic uint64_t	state;
	_Atomic uint32_t	pair[WORDS];	/* read and written by halves: the
						   state says whether it is whole */
} record;

_Static_assert(sizeof(struct sst_pair) % sizeof(uint32_t) == 0, "whole words");

static uint32_t
generation(uint64_t state)
{
	return (uint32_t)state >> 2;
}

static pid_t
owner(uint64_t state)
{
	return (pid_t)(state >> 32);
}

static uint64_t
state_of(uint32_t gen, unsigned bits, pid_t pid)
{
	return (uint64_t)(uint32_t)pid << 32 | (uint32_t)(gen << 2) | bits;
}

/* The half of `state` that holds the bits: what a futex can wait on. */
static uint32_t *
futex_word(void)
{
	return (uint32_t *)(void *)&record.state +
	    (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static int
read_pair(uint64_t state, struct sst_pair *ret_pair)
{
	uint32_t words[WORDS];

	if ((state & BITS) != RUNNING)
		return 0;
	for (size_t i = 0; i < WORDS; i++)
		words[i] = atomic_load_explicit(&record.pair[i],
		    memory_order_acquire);
	if (atomic_load(&record.state) != state)
		return 0;
	memcpy(ret_pair, words, sizeof(*ret_pair));
	return 1;
}

static void
wake(void)
{
	(void)SST_SYS(SYS_futex, futex_word(), FUTEX_WAKE_PRIVATE, INT32_MAX,
	    NULL, NULL, 0);
}

/* Only if nobody took the start over in the meantime. */
static int
write_pair(uint64_t state, const struct sst_pair *pair)
{
	uint64_t writing = state_of(generation(state), WRITING, owner(state));
	uint32_t words[WORDS];

	if (!atomic_compare_exchange_strong(&record.state, &state, writing))
		return 0;
	memcpy(words, pair, sizeof(*pair));
	for (size_t i = 0; i < WORDS; i++)
		atomic_store_explicit(&record.pair[i], words[i],
		    memory_order_release);
	atomic_store(&record.state, state_of(generation(state), RUNNING, 0));
	wake();
	return 1;
}

/* Waits until the state is no longer `state`, for a tenth of a second at most:
 * the starter may be of the process that we were forked from. */
static void
wait_for_starter(uint64_t state)
{
	struct timespec limit = { .tv_nsec = 100 * 1000 * 1000 };

	(void)SST_SYS(SYS_futex, futex_word(), FUTEX_WAIT_PRIVATE,
	    (uint32_t)state, &limit, NULL, 0);
}

int
sst_record_peek(struct sst_pair *ret_pair)
{
	return read_pair(atomic_load(&record.state), ret_pair);
}

/* Starts a pair. `state` is our own STARTING. 1: another one's pair counts. */
static int
start(uint64_t state, pid_t old_anchor, struct sst_pair *ret_pair)
{
	uint64_t empty = state_of(generation(state), EMPTY, 0);
	struct sst_pair pair;
	int r;

	if (old_anchor > 0)
		sst_start_reap(old_anchor);
	r = sst_start(&pair);
	if (r < 0) {
		if (atomic_compare_exchange_strong(&record.state, &state, empty))
			wake();
		return r;
	}
	pair.generation = generation(state);
	if (!write_pair(state, &pair))
		return 1;
	*ret_pair = pair;
	return 0;
}

static int
get(uint32_t dead, struct sst_pair *ret_pair)
{
	struct sst_pair pair;
	uint64_t state;
	uint64_t mine;
	pid_t anchor;
	int r;

	for (;;) {
		state = atomic_load(&record.state);
		anchor = 0;
		if ((state & BITS) == RUNNING) {
			if (!read_pair(state, &pair))
				continue;
			if (pair.generation != dead) {
				*ret_pair = pair;
				return 0;
			}
			anchor = pair.anchor;
		} else if ((state & BITS) != EMPTY && owner(state) == getpid()) {
			wait_for_starter(state);
			continue;
		}
		mine = state_of(generation(state) + 1, STARTING, getpid());
		if (!atomic_compare_exchange_strong(&record.state, &state, mine))
			continue;
		r = start(mine, anchor, ret_pair);
		if (r <= 0)
			return r;
	}
}

int
sst_record_get(uint32_t dead, struct sst_pair *ret_pair)
{
	struct sst_quiet quiet;
	int r;

	if (sst_record_peek(ret_pair) && ret_pair->generation != dead)
		return 0;
	sst_quiet_enter(&quiet);
	r = get(dead, ret_pair);
	sst_quiet_leave(&quiet);
	return r;
}

/* Adds hex digits; *n counts them. */
static void
put_hex(char *out, size_t *n, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[(*n)++] = digits[bytes[i] >> 4];
		out[(*n)++] = digits[bytes[i] & 15];
	}
}

static void
put_number(char *out, size_t *n, uint32_t v)
{
	char digits[10];
	size_t len = 0;

	do
		digits[len++] = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	out[(*n)++] = ' ';
	while (len > 0)
		out[(*n)++] = digits[--len];
}

SST_EXPORT int
sst_policy_pair(char *out, size_t size)
{
	struct sst_pair pair;
	size_t n = 5;

	if (size < SST_POLICY_PAIR_MAX || !sst_record_peek(&pair))
		return -1;
	memcpy(out, "pair ", n);
	memcpy(out + n, pair.door, sizeof(pair.door));
	n += sizeof(pair.door);
	out[n++] = ' ';
	put_hex(out, &n, pair.secret, sizeof(pair.secret));
	put_number(out, &n, (uint32_t)pair.keeper_pid);
	put_number(out, &n, (uint32_t)pair.uid);
	out[n++] = '\n';
	out[n] = '\0';
	explicit_bzero(&pair, sizeof(pair));
	return 0;
}
