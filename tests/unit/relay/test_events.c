/* SPDX-License-Identifier: ISC */
/* Events: how they are kept, and how they are told to who asks. */
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "relay/core.h"
#include "support/wall.h"

static int64_t fake_now;
static char said[40][300];
static size_t n_said;
static struct sst_relay *relay;

static int64_t
fake_clock(void)
{
	return fake_now;
}

static void
keep_line(int priority, const char *line)
{
	(void)priority;
	if (n_said < 40)
		(void)snprintf(said[n_said++], sizeof(said[0]), "%s", line);
}

static int
make(void **state)
{
	(void)state;
	atomic_store(&wall, 1800000000);
	fake_now = 1000000;
	n_said = 0;
	relay = calloc(1, sizeof(*relay));
	if (relay == NULL || sst_loop_init(&relay->loop) < 0)
		return -1;
	relay->loop.clock = fake_clock;
	relay->loop.now = fake_now;
	relay->loop.tick = fake_now / SST_LOOP_TICK;
	sst_log_init(&relay->log);
	relay->log.write = keep_line;
	relay->program_pid = 42;
	(void)strcpy(relay->program, "one\ntwo");
	return 0;
}

static int
unmake(void **state)
{
	(void)state;
	assert_int_equal(relay->audience.n, 0);
	sst_log_done(&relay->log);
	sst_loop_done(&relay->loop);
	free(relay);
	return 0;
}

/* So many ms later. */
static void
later(int64_t ms)
{
	for (int64_t end = fake_now + ms; fake_now < end;) {
		fake_now += SST_LOOP_TICK;
		sst_loop_turn(&relay->loop, 0);
	}
}

static void
event(int i)
{
	sst_log_event(&relay->log, SST_LOG_STATIC, fake_now, "event %d", i);
}

/* --- the ring ------------------------------------------------------------- */

struct seen {
	uint64_t first, last;
	size_t	 n, stop_at;
};

static int
see(void *arg, const struct sst_happening *h)
{
	struct seen *s = arg;

	if (s->n++ == 0)
		s->first = h->seq;
	else
		assert_int_equal(h->seq, s->last + 1);
	s->last = h->seq;
	return s->n == s->stop_at ? 7 : 0;
}

static void
the_last_ten_thousand_are_kept(void **state)
{
	struct sst_ring ring = { 0 };
	char text[32];
	struct seen s = { 0 };

	(void)state;
	assert_int_equal(sst_ring_each(&ring, 0, see, &s), 0);
	assert_int_equal(s.n, 0);
	for (int i = 1; i <= SST_RING_MOST; i++) {
		(void)snprintf(text, sizeof(text), "event %d", i);
		sst_ring_add(&ring, &(struct sst_happening){ .text = text });
	}
	(void)sst_ring_each(&ring, 0, see, &s);
	assert_int_equal(s.first, 1);
	assert_int_equal(s.last, SST_RING_MOST);
	for (int i = 0; i < 3; i++)
		sst_ring_add(&ring, &(struct sst_happening){ .text = "more" });
	s = (struct seen){ 0 };
	(void)sst_ring_each(&ring, 0, see, &s);
	assert_int_equal(s.first, 4);
	assert_int_equal(s.last, SST_RING_MOST + 3);
	assert_int_equal(s.n, SST_RING_MOST);
	sst_ring_done(&ring);
}

static void
only_those_after_a_number_are_shown(void **state)
{
	struct sst_ring ring = { 0 };
	struct seen s = { 0 };

	(void)state;
	for (int i = 0; i < 10; i++)
		sst_ring_add(&ring, &(struct sst_happening){ .text = "x" });
	(void)sst_ring_each(&ring, 7, see, &s);
	assert_int_equal(s.first, 8);
	assert_int_equal(s.n, 3);
	s = (struct seen){ 0 };
	(void)sst_ring_each(&ring, 10, see, &s);
	(void)sst_ring_each(&ring, UINT64_MAX, see, &s);
	assert_int_equal(s.n, 0);
	s = (struct seen){ .stop_at = 2 };
	assert_int_equal(sst_ring_each(&ring, 0, see, &s), 7);
	assert_int_equal(s.n, 2);
	sst_ring_done(&ring);
}

static int
is_whole(void *arg, const struct sst_happening *h)
{
	int *n = arg;
	uint8_t leaf[32];

	memset(leaf, 0xab, sizeof(leaf));
	assert_int_equal(h->kind, SST_LOG_CERT_EXPIRING);
	assert_int_equal(h->at, 1800000000);
	assert_int_equal(h->not_after, 1900000000);
	assert_string_equal(h->text, "said");
	assert_string_equal(h->source, "/where");
	assert_string_equal(h->name, "www.example.com");
	assert_memory_equal(h->leaf, leaf, 32);
	(*n)++;
	return 0;
}

static void
an_event_is_kept_whole_when_its_parts_are_gone(void **state)
{
	char text[] = "said", source[] = "/where", name[] = "www.example.com";
	uint8_t leaf[32];
	int n = 0;

	(void)state;
	memset(leaf, 0xab, sizeof(leaf));
	sst_log_happening(&relay->log, SST_LOG_CERT_EXPIRING, 5000,
	    &(struct sst_happening){ .text = text, .source = source, .name = name,
	    .leaf = leaf, .not_after = 1900000000 });
	memset(text, 'x', sizeof(text));
	memset(source, 'x', sizeof(source));
	memset(name, 'x', sizeof(name));
	memset(leaf, 'x', sizeof(leaf));
	(void)sst_log_each(&relay->log, 0, is_whole, &n);
	assert_int_equal(n, 1);
	assert_string_equal(said[0], "expiring: /where: said");
}

static void
what_syslog_is_spared_is_kept(void **state)
{
	struct seen s = { 0 };

	(void)state;
	for (int i = 0; i < 25; i++)
		event(i);
	assert_int_equal(n_said, SST_LOG_RATE);
	(void)sst_log_each(&relay->log, 0, see, &s);
	assert_int_equal(s.n, 25);
	assert_int_equal(sst_log_last(&relay->log), 25);
}

/* --- who asks ------------------------------------------------------------- */

/* Asks; our end. */
static int
ask(const char *question)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    ends), 0);
	assert_int_equal(sst_tell_events(relay, ends[0], question), 0);
	return ends[1];
}

static char heard[1 << 20];

/* What is there. -1: and it is the end. Else the number of lines. */
static int
hear(int fd, int *ret_end)
{
	size_t len = 0;
	ssize_t n;
	int lines = 0;

	*ret_end = 0;
	while ((n = recv(fd, heard + len, sizeof(heard) - 1 - len, 0)) > 0)
		len += (size_t)n;
	*ret_end = n == 0;
	heard[len] = '\0';
	for (size_t i = 0; i < len; i++)
		lines += heard[i] == '\n';
	return lines;
}

static void
who_asks_gets_each_event_as_a_line(void **state)
{
	uint8_t leaf[32] = { 0xde, 0xad };
	int fd, end;
	json_t *o;

	(void)state;
	sst_log_happening(&relay->log, SST_LOG_CERT_RENEWED, 5000,
	    &(struct sst_happening){ .text = "P-256", .source = "/a", .name = "www",
	    .leaf = leaf, .not_after = 1900000000 });
	event(2);
	fd = ask("events");
	later(50);
	assert_int_equal(hear(fd, &end), 2);
	assert_true(end);
	(void)close(fd);
	o = json_loadb(heard, strcspn(heard, "\n"), 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(o, "schema")), 1);
	assert_int_equal(json_integer_value(json_object_get(o, "seq")), 1);
	assert_int_equal(json_integer_value(json_object_get(o, "time")), 1800000000);
	assert_int_equal(json_integer_value(json_object_get(o, "pid")), 42);
	assert_int_equal(json_integer_value(json_object_get(o, "not_after")), 1900000000);
	assert_string_equal(json_string_value(json_object_get(o, "kind")), "renewed");
	assert_string_equal(json_string_value(json_object_get(o, "program")),
	    "one\\x0atwo");
	assert_string_equal(json_string_value(json_object_get(o, "source")), "/a");
	assert_string_equal(json_string_value(json_object_get(o, "name")), "www");
	assert_memory_equal(json_string_value(json_object_get(o, "certificate")),
	    "dead000000", 10);
	assert_string_equal(json_string_value(json_object_get(o, "text")), "P-256");
	json_decref(o);
	o = json_loads(strchr(heard, '\n') + 1, JSON_DISABLE_EOF_CHECK, NULL);
	assert_true(json_is_null(json_object_get(o, "source")));
	assert_true(json_is_null(json_object_get(o, "name")));
	assert_true(json_is_null(json_object_get(o, "certificate")));
	assert_true(json_is_null(json_object_get(o, "not_after")));
	assert_string_equal(json_string_value(json_object_get(o, "text")), "event 2");
	json_decref(o);
}

static void
since_leaves_out_what_was_seen(void **state)
{
	int fd, end;

	(void)state;
	for (int i = 1; i <= 5; i++)
		event(i);
	fd = ask("events since 3");
	assert_int_equal(hear(fd, &end), 2);
	assert_true(end);
	assert_non_null(strstr(heard, "event 4"));
	(void)close(fd);
	fd = ask("events since 5");
	assert_int_equal(hear(fd, &end), 0);
	assert_true(end);
	(void)close(fd);
	/* the number of a relay that is no more */
	fd = ask("events since 6");
	assert_int_equal(hear(fd, &end), 5);
	(void)close(fd);
}

static void
who_follows_is_told_what_comes(void **state)
{
	int fd, end;

	(void)state;
	event(1);
	fd = ask("events follow");
	assert_int_equal(hear(fd, &end), 1);
	assert_false(end);
	later(500);
	assert_int_equal(hear(fd, &end), 0);
	event(2);
	event(3);
	later(200);
	assert_int_equal(hear(fd, &end), 2);
	assert_false(end);
	assert_non_null(strstr(heard, "event 3"));
	/* half of it may close */
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	later(200);
	event(4);
	later(200);
	assert_int_equal(hear(fd, &end), 1);
	assert_false(end);
	assert_int_equal(relay->audience.n, 1);
	(void)close(fd);
	later(200);
	assert_int_equal(relay->audience.n, 0);
	assert_int_equal(relay->loop.n_timers, 0);
}

static void
both_words_may_be_said(void **state)
{
	int fd, end;

	(void)state;
	event(1);
	event(2);
	fd = ask("events follow since 1");
	assert_int_equal(hear(fd, &end), 1);
	assert_false(end);
	(void)close(fd);
	fd = ask("events since 1 follow");
	assert_int_equal(hear(fd, &end), 1);
	assert_false(end);
	(void)close(fd);
	later(200);
}

static void
what_is_no_question_is_left_to_the_caller(void **state)
{
	static const char *const wrong[] = { "", "event", "events  follow", "events now",
	    "events since", "events since x", "events since -1", "events since 1x",
	    "events since 99999999999999999999999", "events follow since" };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(sst_tell_events(relay, -1, wrong[i]), -1);
	assert_int_equal(relay->audience.n, 0);
}

static void
who_does_not_read_is_hung_up_on_and_who_does_is_not(void **state)
{
	int slow, quick, end, lines = 0;

	(void)state;
	for (int i = 0; i < SST_RING_MOST; i++)
		event(i);
	slow = ask("events follow");
	quick = ask("events follow");
	for (int i = 0; i < 200 && lines < SST_RING_MOST; i++) {
		lines += hear(quick, &end);
		assert_false(end);
		later(SST_LOOP_TICK);
	}
	assert_int_equal(lines, SST_RING_MOST);
	assert_int_equal(relay->audience.n, 2);
	later(SST_TELL_MS - 300 * SST_LOOP_TICK);
	assert_int_equal(relay->audience.n, 2);
	later(300 * SST_LOOP_TICK);
	assert_int_equal(relay->audience.n, 1);
	event(1);
	later(200);
	assert_int_equal(hear(quick, &end), 1);
	(void)close(slow);
	(void)close(quick);
	later(200);
}

static void
there_are_so_many_listeners_at_most(void **state)
{
	int fd[SST_TELL_MOST], more, end;

	(void)state;
	for (int i = 0; i < SST_TELL_MOST; i++)
		fd[i] = ask("events follow");
	more = ask("events follow");
	assert_int_equal(hear(more, &end), 0);
	assert_true(end);
	(void)close(more);
	event(1);
	later(200);
	for (int i = 0; i < SST_TELL_MOST; i++) {
		assert_int_equal(hear(fd[i], &end), 1);
		(void)close(fd[i]);
	}
	later(200);
	assert_int_equal(relay->audience.n, 0);
}

#define EACH(f) cmocka_unit_test_setup_teardown(f, make, unmake)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_ten_thousand_are_kept),
		cmocka_unit_test(only_those_after_a_number_are_shown),
		EACH(an_event_is_kept_whole_when_its_parts_are_gone),
		EACH(what_syslog_is_spared_is_kept),
		EACH(who_asks_gets_each_event_as_a_line),
		EACH(since_leaves_out_what_was_seen),
		EACH(who_follows_is_told_what_comes),
		EACH(both_words_may_be_said),
		EACH(what_is_no_question_is_left_to_the_caller),
		EACH(who_does_not_read_is_hung_up_on_and_who_does_is_not),
		EACH(there_are_so_many_listeners_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
