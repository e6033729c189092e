/* SPDX-License-Identifier: ISC */
/* Keys of session tickets over time, between processes, and in memory. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <securesockets/error.h>

#include "tls/ticket_key.h"

#define HALF_DAY	((time_t)SST_TICKET_EPOCH_S)
#define EPOCH		41000	/* 2026 */
#define BEGIN		(EPOCH * HALF_DAY)

static const uint8_t digest_a[32] = { 'a' }, digest_b[32] = { 'b' };
static uint8_t master[SST_TICKET_MASTER_MAX + 1];

struct sealed {
	uint8_t	name[SST_TICKET_NAME];
	struct sst_ticket_keys keys;
};

static struct sst_tickets *
tickets_new(const void *from, size_t len)
{
	struct sst_tickets *t = NULL;

	assert_int_equal(sst_tickets_new(from, len, 0, &t, NULL), SST_OK);
	return t;
}

static void
seal(struct sst_tickets *t, time_t now, struct sealed *s)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(sst_tickets_seal(t, now, digest_a, s->name, &s->keys), 1);
}

/* Whether the very keys are found again. */
static int
opens(struct sst_tickets *t, time_t now, const struct sealed *s)
{
	struct sst_ticket_keys keys;

	if (sst_tickets_open(t, now, digest_a, s->name, &keys) == 0)
		return 0;
	assert_memory_equal(&keys, &s->keys, sizeof(keys));
	return 1;
}

static void
hex(const void *bytes, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++)
		sprintf(out + 2 * i, "%02x", ((const uint8_t *)bytes)[i]);
}

/* By RFC 5869, computed with another implementation. */
static void
the_keys_are_those_of_the_rfc(void **state)
{
	uint8_t ones[32], twos[32];
	struct sst_ticket_keys keys;
	struct sst_tickets *t;
	struct sealed s;
	char text[129];

	(void)state;
	memset(ones, 1, sizeof(ones));
	memset(twos, 2, sizeof(twos));
	assert_int_equal(sst_ticket_keys_derive(ones, twos, &keys), 1);
	hex(&keys, sizeof(keys), text);
	assert_string_equal(text, "af7daec0e42fa388da7a90dbb6aa1e2a"
	    "b7097103f75604b799b7a237eb4215a0562b1b88b8543253026e44324ee9a163"
	    "1a9e54e8915589e3f84155bd9eb9186b");
	t = tickets_new(master, 48);
	assert_int_equal(sst_tickets_seal(t, BEGIN + 7, twos, s.name, &s.keys), 1);
	hex(s.name, sizeof(s.name), text);
	assert_string_equal(text, "7ebb41b98c9d0401a49a9fb546e5b0e8");
	hex(&s.keys, sizeof(s.keys), text);
	assert_string_equal(text, "e164888f8a7982c1e49c757a959b0bf5"
	    "4c6722691b0ffe17e194a87ff28a0d8a6e982f7277adafee25987c444b4899a4"
	    "b34ed8621831abe9dc4a328e7ca33498");
	sst_tickets_unref(t);
}

static void
what_is_bound_to_one_digest_opens_with_no_other(void **state)
{
	struct sst_ticket_keys keys;
	struct sealed s;

	(void)state;
	for (int given = 0; given < 2; given++) {
		struct sst_tickets *t = tickets_new(given ? master : NULL, 48);

		seal(t, BEGIN, &s);
		assert_true(opens(t, BEGIN, &s));
		assert_int_equal(sst_tickets_open(t, BEGIN, digest_b, s.name, &keys), 1);
		assert_memory_not_equal(keys.cipher, s.keys.cipher, 32);
		assert_memory_not_equal(keys.mac, s.keys.mac, 32);
		sst_tickets_unref(t);
	}
}

/* Slots 0, 1, 2 back and no third; and by the lifetime, whatever it is. */
static void
cs_60_a_ticket_opens_until_its_lifetime_is_over(void **state)
{
	static const struct {
		unsigned life;
		int	 slots;
	} cases[] = { { SST_TICKET_LIFE_S, 2 }, { 3600, 1 }, { 43200, 1 }, { 43201, 2 },
	    { SST_TICKET_LIFE_MAX_S, 14 }, { 10 * SST_TICKET_LIFE_MAX_S, 14 } };
	struct sealed s;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const int slots = cases[i / 2].slots;

		for (int late = 0; late < 2; late++) {
			struct sst_tickets *t = tickets_new(i % 2 ? master : NULL, 48);
			const time_t at = BEGIN + (late ? HALF_DAY - 1 : 0);

			sst_tickets_life(t, cases[i / 2].life);
			seal(t, at, &s);
			for (int slot = 0; slot <= slots; slot++)
				assert_true(opens(t, BEGIN + slot * HALF_DAY, &s));
			assert_true(opens(t, BEGIN + (slots + 1) * HALF_DAY - 1, &s));
			assert_false(opens(t, BEGIN + (slots + 1) * HALF_DAY, &s));
			sst_tickets_unref(t);
		}
	}
}

/* Tickets of two epochs differ, those of one do not. */
static void
cs_60_the_keys_change_twice_a_day(void **state)
{
	struct sealed s, same, next;

	(void)state;
	for (int given = 0; given < 2; given++) {
		struct sst_tickets *t = tickets_new(given ? master : NULL, 48);

		seal(t, BEGIN, &s);
		seal(t, BEGIN + HALF_DAY - 1, &same);
		seal(t, BEGIN + HALF_DAY, &next);
		assert_memory_equal(&s, &same, sizeof(s));
		assert_memory_not_equal(s.name, next.name, sizeof(s.name));
		assert_memory_not_equal(&s.keys, &next.keys, sizeof(s.keys));
		sst_tickets_unref(t);
	}
}

static void
cs_60_who_has_the_same_master_opens_what_the_other_sealed(void **state)
{
	struct sst_tickets *one = tickets_new(master, 48), *two = tickets_new(master, 48);
	struct sst_tickets *longer = tickets_new(master, 49), *own = tickets_new(NULL, 0);
	struct sst_tickets *other_own = tickets_new(NULL, 0);
	struct sealed s;

	(void)state;
	seal(one, BEGIN, &s);
	/* also when it starts later, and its clock is not quite the same */
	assert_true(opens(two, BEGIN + HALF_DAY + 5, &s));
	assert_true(opens(two, BEGIN - 5, &s));
	assert_false(opens(longer, BEGIN, &s));
	assert_false(opens(own, BEGIN, &s));
	seal(own, BEGIN, &s);
	assert_true(opens(own, BEGIN, &s));
	assert_false(opens(other_own, BEGIN, &s));
	assert_false(opens(one, BEGIN, &s));
	sst_tickets_unref(one);
	sst_tickets_unref(two);
	sst_tickets_unref(longer);
	sst_tickets_unref(own);
	sst_tickets_unref(other_own);
}

static void
cs_60_a_clock_that_goes_back_a_little_costs_nothing(void **state)
{
	struct sealed s, back;

	(void)state;
	for (int given = 0; given < 2; given++) {
		struct sst_tickets *t = tickets_new(given ? master : NULL, 48);

		seal(t, BEGIN + HALF_DAY, &s);
		seal(t, BEGIN + HALF_DAY - 60, &back);
		assert_true(opens(t, BEGIN + HALF_DAY - 60, &s));
		assert_true(opens(t, BEGIN + HALF_DAY, &s));
		assert_true(opens(t, BEGIN + HALF_DAY, &back));
		sst_tickets_unref(t);
	}
}

/* A machine that comes up with the year 2080 and is corrected, or with 1970. */
static void
cs_60_a_clock_that_jumps_costs_full_handshakes_and_no_more(void **state)
{
	static const time_t wrong[] = { -5, 0, BEGIN - 30 * HALF_DAY, BEGIN + 30 * HALF_DAY,
	    (time_t)3471292800, INT64_MAX };
	struct sealed before, meanwhile, after;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct sst_tickets *t = tickets_new(i % 2 ? master : NULL, 48);

		seal(t, BEGIN, &before);
		assert_false(opens(t, wrong[i / 2], &before));
		seal(t, wrong[i / 2], &meanwhile);
		assert_true(opens(t, wrong[i / 2], &meanwhile));
		assert_false(opens(t, BEGIN, &meanwhile));
		/* and then the keys change by the clock again */
		seal(t, BEGIN, &after);
		assert_true(opens(t, BEGIN + 2 * HALF_DAY, &after));
		assert_false(opens(t, BEGIN + 3 * HALF_DAY, &after));
		if (i % 2)
			assert_memory_equal(&after, &before, sizeof(after));
		sst_tickets_unref(t);
	}
}

static void
a_master_has_32_to_256_bytes(void **state)
{
	static const size_t bad[] = { 0, 1, 31, 257 }, good[] = { 32, 48, 256 };
	struct sst_error err = { 0 };
	struct sst_tickets *t = NULL;
	uint8_t out[SST_TICKET_MASTER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(sst_tickets_new(master, bad[i], 0, &t, &err),
		    SST_E_USAGE);
		assert_non_null(strstr(err.text, "32 to 256"));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		t = tickets_new(master, good[i]);
		assert_int_equal(sst_tickets_master(t, out), good[i]);
		assert_memory_equal(out, master, good[i]);
		sst_tickets_unref(t);
	}
	t = tickets_new(NULL, 0);
	assert_int_equal(sst_tickets_master(t, out), 0);
	sst_tickets_unref(t);
}

/* Each mapping of this process of a few pages that no core dump has: how many, how many
 * of them are empty after a fork, and whether one of them has these bytes. */
static int
vaults(const void *bytes, size_t len, int *ret_wiped, int *ret_found)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long from = 0, to = 0, a, b;
	char line[512], mode[8];
	int n = 0;

	assert_non_null(maps);
	*ret_wiped = *ret_found = 0;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &a, &b, mode) == 3) {
			from = a;
			to = b;
			continue;
		}
		if (strncmp(line, "VmFlags:", 8) != 0 || strstr(line, " dd") == NULL ||
		    strstr(line, " wr") == NULL || to - from > 65536)
			continue;
		n++;
		*ret_wiped += strstr(line, " wf") != NULL;
		*ret_found += memmem((const void *)from, to - from, bytes, len) != NULL;
	}
	fclose(maps);
	return n;
}

static void
secrets_are_in_no_core_dump_and_go_with_their_owner(void **state)
{
	struct sst_tickets *t[2] = { NULL, NULL };
	struct sealed s;
	int wiped, found, none;

	(void)state;
	none = vaults("", 1, &wiped, &found);
	for (int wipe = 0; wipe < 2; wipe++) {
		assert_int_equal(sst_tickets_new(NULL, 0, wipe, &t[wipe], NULL), SST_OK);
		seal(t[wipe], BEGIN, &s);
		assert_true(vaults(&s.keys, sizeof(s.keys), &wiped, &found) > none);
		assert_int_equal(wiped, wipe);
		assert_int_equal(found, 1);
	}
	sst_tickets_unref(t[0]);
	sst_tickets_unref(sst_tickets_ref(t[1]));
	(void)vaults(&s.keys, sizeof(s.keys), &wiped, &found);
	assert_int_equal(found, 1);
	sst_tickets_unref(t[1]);
	assert_int_equal(vaults(&s.keys, sizeof(s.keys), &wiped, &found), none);
	assert_int_equal(found, 0);
	sst_tickets_unref(NULL);
}

static void
cs_60_old_keys_are_cleared(void **state)
{
	struct sealed s, other;
	int wiped, found;

	(void)state;
	for (int given = 0; given < 2; given++) {
		struct sst_tickets *t = tickets_new(given ? master : NULL, 48);

		seal(t, BEGIN, &s);
		(void)vaults(&s.keys, sizeof(s.keys), &wiped, &found);
		assert_int_equal(found, 1);
		for (int slot = 1; slot <= 3; slot++)
			seal(t, BEGIN + slot * HALF_DAY, &other);
		(void)vaults(&s.keys, sizeof(s.keys), &wiped, &found);
		assert_int_equal(found, 0);
		/* nor is the secret there that they came from: its epoch's name goes with it */
		(void)vaults(s.name, sizeof(s.name), &wiped, &found);
		assert_int_equal(found, 0);
		(void)vaults(other.name, sizeof(other.name), &wiped, &found);
		assert_int_equal(found, 1);
		sst_tickets_unref(t);
	}
}

/* Whether a child of fork() says so. */
static int
in_child(int (*asks)(struct sst_tickets *, const struct sealed *), struct sst_tickets *t,
    const struct sealed *s)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(asks(t, s) ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 0;
}

static int
child_opens(struct sst_tickets *t, const struct sealed *s)
{
	return sst_tickets_alive(t) && opens(t, BEGIN + HALF_DAY, s);
}

static int
child_has_none(struct sst_tickets *t, const struct sealed *s)
{
	struct sealed other = *s;
	uint8_t out[SST_TICKET_MASTER_MAX];

	return !sst_tickets_alive(t) && !opens(t, BEGIN, s) &&
	    !sst_tickets_seal(t, BEGIN, digest_a, other.name, &other.keys) &&
	    sst_tickets_master(t, out) == 0;
}

static void
a_child_has_the_keys_or_none_as_was_asked(void **state)
{
	struct sst_tickets *t = NULL;
	struct sealed s;

	(void)state;
	for (int i = 0; i < 4; i++) {
		const int wipe = i % 2;

		assert_int_equal(sst_tickets_new(i < 2 ? NULL : master, 48, wipe, &t, NULL),
		    SST_OK);
		seal(t, BEGIN, &s);
		assert_int_equal(in_child(child_opens, t, &s), !wipe);
		assert_int_equal(in_child(child_has_none, t, &s), wipe);
		assert_true(opens(t, BEGIN, &s));
		sst_tickets_unref(t);
	}
}

/* Workers that were forked long ago, of which none told the others anything. */
static void
cs_60_forked_workers_agree_without_a_word(void **state)
{
	struct sst_tickets *t = tickets_new(NULL, 0);
	struct sealed s, theirs;
	int pipes[2], status;
	pid_t pid;

	(void)state;
	seal(t, BEGIN, &s);
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		for (int slot = 1; slot < 9; slot++)	/* in small steps */
			seal(t, BEGIN + slot * HALF_DAY, &theirs);
		_exit(write(pipes[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
	}
	assert_int_equal(read(pipes[0], &theirs, sizeof(theirs)), sizeof(theirs));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* in one step */
	assert_true(opens(t, BEGIN + 9 * HALF_DAY, &theirs));
	close(pipes[0]);
	close(pipes[1]);
	sst_tickets_unref(t);
}

static void *
hammer(void *arg)
{
	struct sst_tickets *t = arg;
	struct sealed s;

	/* one may be a good deal ahead of another, and nobody's is dropped */
	for (int i = 0; i < 400; i++) {
		seal(t, BEGIN + i * HALF_DAY / 250, &s);
		assert_true(opens(t, BEGIN + i * HALF_DAY / 250, &s));
		sst_tickets_life(t, i % 2 ? SST_TICKET_LIFE_S : SST_TICKET_LIFE_MAX_S);
	}
	return NULL;
}

static void
threads_share_one(void **state)
{
	struct sst_tickets *t = tickets_new(NULL, 0);
	pthread_t threads[4];
	struct sealed s;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, t), 0);
	seal(t, BEGIN, &s);
	(void)in_child(child_opens, t, &s);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	sst_tickets_unref(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_keys_are_those_of_the_rfc),
		cmocka_unit_test(what_is_bound_to_one_digest_opens_with_no_other),
		cmocka_unit_test(cs_60_a_ticket_opens_until_its_lifetime_is_over),
		cmocka_unit_test(cs_60_the_keys_change_twice_a_day),
		cmocka_unit_test(cs_60_who_has_the_same_master_opens_what_the_other_sealed),
		cmocka_unit_test(cs_60_a_clock_that_goes_back_a_little_costs_nothing),
		cmocka_unit_test(cs_60_a_clock_that_jumps_costs_full_handshakes_and_no_more),
		cmocka_unit_test(a_master_has_32_to_256_bytes),
		cmocka_unit_test(secrets_are_in_no_core_dump_and_go_with_their_owner),
		cmocka_unit_test(cs_60_old_keys_are_cleared),
		cmocka_unit_test(a_child_has_the_keys_or_none_as_was_asked),
		cmocka_unit_test(cs_60_forked_workers_agree_without_a_word),
		cmocka_unit_test(threads_share_one),
	};

	for (size_t i = 0; i < sizeof(master); i++)
		master[i] = (uint8_t)i;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
