/* SPDX-License-Identifier: ISC */
/* The parts that need no connection: loop, names, peers, log, rights. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fail.h"
#include "base/wire.h"
#include "relay/client_inside.h"
#include "relay/core.h"
#include "relay/drop.h"
#include "relay/files.h"
#include "relay/log.h"
#include "relay/loop.h"
#include "relay/names.h"
#include "relay/peers.h"

static int64_t fake_now;

static int64_t
fake_clock(void)
{
	return fake_now;
}

static struct {
	struct sst_loop	 loop;
	struct sst_timer t[4];
	char		 order[16];
	size_t		 fired;
	struct sst_watch watch[2];
	int		 seen;
} w;

static int
loop_make(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	fake_now = 1000000;
	if (sst_loop_init(&w.loop) < 0)
		return -1;
	w.loop.clock = fake_clock;
	w.loop.now = fake_now;
	w.loop.tick = fake_now / SST_LOOP_TICK;
	return 0;
}

static int
loop_free(void **state)
{
	(void)state;
	sst_loop_done(&w.loop);
	return 0;
}

static void
note(struct sst_timer *t)
{
	w.order[w.fired++] = (char)('a' + (t - w.t));
}

static void
a_timer_fires_when_due_and_not_before(void **state)
{
	(void)state;
	sst_loop_arm(&w.loop, &w.t[0], fake_now + 100, note);
	sst_loop_arm(&w.loop, &w.t[1], fake_now + 40000, note);	/* beyond a round */
	fake_now += 99;
	sst_loop_turn(&w.loop, 0);
	assert_int_equal(w.fired, 0);
	fake_now += 1;
	sst_loop_turn(&w.loop, 0);
	assert_string_equal(w.order, "a");
	fake_now += 39899;
	sst_loop_turn(&w.loop, 0);
	assert_string_equal(w.order, "a");
	fake_now += 1;
	sst_loop_turn(&w.loop, 0);
	assert_string_equal(w.order, "ab");
}

static void
disarm_others(struct sst_timer *t)
{
	note(t);
	for (int i = 0; i < 4; i++)
		sst_loop_disarm(&w.loop, &w.t[i]);
}

static void
a_timer_that_another_disarmed_does_not_fire(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		sst_loop_arm(&w.loop, &w.t[i], fake_now + 5, disarm_others);
	fake_now += 5;
	sst_loop_turn(&w.loop, 0);
	assert_int_equal(w.fired, 1);
	assert_int_equal(w.loop.n_timers, 0);
}

static void
again(struct sst_timer *t)
{
	note(t);
	sst_loop_arm(&w.loop, t, fake_now, again);
}

static void
a_timer_armed_for_now_waits_for_the_next_turn(void **state)
{
	(void)state;
	sst_loop_arm(&w.loop, &w.t[0], fake_now, again);
	sst_loop_turn(&w.loop, 0);
	assert_int_equal(w.fired, 1);
	sst_loop_turn(&w.loop, -1);	/* due: does not wait */
	assert_int_equal(w.fired, 2);
	sst_loop_disarm(&w.loop, &w.t[0]);
	sst_loop_turn(&w.loop, 0);
	assert_int_equal(w.fired, 2);
}

static void
delete_other(struct sst_watch *me, uint32_t events)
{
	(void)events;
	w.seen++;
	sst_loop_del(&w.loop, me == &w.watch[0] ? &w.watch[1] : &w.watch[0]);
}

static void
a_watch_deleted_in_its_batch_is_not_called(void **state)
{
	int fd[2] = { eventfd(1, 0), eventfd(1, 0) };

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(sst_loop_add(&w.loop, &w.watch[i], fd[i], EPOLLIN,
		    delete_other), 0);
	sst_loop_turn(&w.loop, 0);
	assert_int_equal(w.seen, 1);
	sst_loop_turn(&w.loop, 0);
	assert_int_equal(w.seen, 2);	/* the other one is still in */
	(void)close(fd[0]);
	(void)close(fd[1]);
}

static void
names_are_folded_and_listed_once(void **state)
{
	struct sst_names n = { 0 }, copy = { 0 };
	struct sst_error err = { 0 };

	(void)state;
	assert_int_equal(sst_names_add(&n, "WWW.Example.com.", NULL), SST_OK);
	assert_int_equal(sst_names_add(&n, "www.example.com", NULL), SST_OK);
	assert_int_equal(sst_names_add(&n, "*.example.org", NULL), SST_OK);
	assert_int_equal(sst_names_add(&n, "192.0.2.1", NULL), SST_OK);
	assert_int_equal(n.n, 3);
	assert_string_equal(n.list[0], "www.example.com");
	assert_int_equal(sst_names_add(&n, "a b", &err), SST_E_USAGE);
	assert_int_equal(n.n, 3);
	assert_int_equal(sst_names_copy(&copy, &n, NULL), SST_OK);
	sst_names_clear(&n);
	assert_int_equal(n.n, 0);
	assert_string_equal(copy.list[1], "*.example.org");
	sst_names_clear(&copy);
}

static void
a_pattern_meets_one_label_and_not_two(void **state)
{
	(void)state;
	assert_true(sst_names_meet("a.example", "a.example"));
	assert_true(sst_names_meet("a.example", "*.example"));
	assert_true(sst_names_meet("*.example", "a.example"));
	assert_true(sst_names_meet("*.example", "*.example"));
	assert_false(sst_names_meet("a.b.example", "*.example"));
	assert_false(sst_names_meet("example", "*.example"));
	assert_false(sst_names_meet("a.example", "b.example"));
	assert_false(sst_names_meet(".example", "*.example"));
}

static union sst_inet
v4(uint32_t addr)
{
	union sst_inet a;

	memset(&a, 0, sizeof(a));
	a.v4.sin_family = AF_INET;
	a.v4.sin_addr.s_addr = htonl(addr);
	return a;
}

static union sst_inet
v6(const uint8_t b[16])
{
	union sst_inet a;

	memset(&a, 0, sizeof(a));
	a.v6.sin6_family = AF_INET6;
	memcpy(&a.v6.sin6_addr, b, 16);
	return a;
}

static void
an_address_is_one_peer_in_both_its_forms(void **state)
{
	const uint8_t mapped[16] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff,
	    192, 0, 2, 1 };
	uint8_t six[16] = { 0x20, 1, 0xd, 0xb8, 1, 2, 3, 4, 5 };
	union sst_inet a = v4(0xc0000201), b = v4(0xc0000202), c = v4(0xc0000301);
	union sst_inet m = v6(mapped), s = v6(six), t, u;

	(void)state;
	assert_true(sst_peers_narrow(&a) == sst_peers_narrow(&m));
	assert_true(sst_peers_narrow(&a) != sst_peers_narrow(&b));
	assert_true(sst_peers_wide(&a) == sst_peers_wide(&b));
	assert_true(sst_peers_wide(&a) != sst_peers_wide(&c));
	six[8] = 99;		/* the same /64 */
	t = v6(six);
	assert_true(sst_peers_narrow(&s) == sst_peers_narrow(&t));
	six[7] = 99;		/* another /64, the same /56 */
	u = v6(six);
	assert_true(sst_peers_narrow(&s) != sst_peers_narrow(&u));
	assert_true(sst_peers_wide(&s) == sst_peers_wide(&u));
	six[6] = 99;
	u = v6(six);
	assert_true(sst_peers_wide(&s) != sst_peers_wide(&u));
}

static void
the_busiest_neighbourhood_makes_room(void **state)
{
	struct sst_peer p[] = {
		{ .group = 1, .since = 1, .progress = 0 },	/* alone, oldest */
		{ .group = 2, .since = 9, .progress = 0 },
		{ .group = 2, .since = 5, .progress = 0 },	/* goes */
		{ .group = 2, .since = 2, .progress = 3 },	/* got further */
	};

	(void)state;
	assert_int_equal(sst_peers_victim(p, 4), 2);
	p[2].settled = 1;
	assert_int_equal(sst_peers_victim(p, 4), 1);
	p[1].settled = 1;
	/* One each now: least progress, then age. */
	assert_int_equal(sst_peers_victim(p, 4), 0);
	p[0].settled = p[3].settled = 1;
	assert_int_equal(sst_peers_victim(p, 4), -1);
	assert_int_equal(sst_peers_victim(p, 0), -1);
}

static char lines[64][200];
static size_t n_lines;

static void
keep_line(int priority, const char *line)
{
	(void)priority;
	assert_true(n_lines < 64);
	(void)strncpy(lines[n_lines++], line, 199);
}

static void
ten_lines_a_second_then_a_count(void **state)
{
	struct sst_log log;

	(void)state;
	n_lines = 0;
	sst_log_init(&log);
	log.write = keep_line;
	for (int i = 0; i < 25; i++)
		sst_log_event(&log, SST_LOG_CERT_REFUSED, 5000, "n %d", i);
	assert_int_equal(n_lines, 10);
	assert_string_equal(lines[0], "refused: n 0");
	sst_log_event(&log, SST_LOG_CERT_ADDED, 5500, "another kind");
	assert_int_equal(n_lines, 11);
	sst_log_event(&log, SST_LOG_CERT_REFUSED, 6000, "later");
	assert_int_equal(n_lines, 13);
	assert_string_equal(lines[11], "refused: 15 more were left out");
	assert_string_equal(lines[12], "refused: later");
	assert_int_equal(log.events[SST_LOG_CERT_REFUSED], 26);
	sst_log_done(&log);
}

/* In a process of its own: it cannot be undone. */
static void
rights_are_gone_for_good(void **state)
{
	pid_t pid;
	int status;

	(void)state;
	assert_true(sst_drop_check(NULL) < 0);	/* a test may leave a core */
	pid = fork();
	if (pid == 0) {
		struct rlimit core;

		if (sst_drop_rights(NULL) != SST_OK || sst_drop_check(NULL) != SST_OK)
			_exit(1);
		if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
			_exit(2);
		if (getuid() == 0 && access("/proc/1/root/root", R_OK) == 0)
			_exit(3);
		_exit(setuid(0) == 0 && getuid() == 0 ? 4 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A keeper's answer with this many bytes in its descriptor. */
static void
answer_with(int keeper, off_t size)
{
	struct sst_wire_head head;
	int fd = memfd_create("answer", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, size), 0);
	sst_wire_init(&head, SST_WIRE_REPLY);
	assert_int_equal(sst_wire_send(keeper, &head, NULL, 0, &fd, 1), 0);
	(void)close(fd);
}

static void
a_late_answer_is_not_the_next_ones_and_not_the_last(void **state)
{
	const struct timeval soon = { .tv_usec = 20000 };
	struct sst_files files = { .late = 0 };
	struct sst_error err = { 0 };
	int sv[2], fd = -1;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	assert_int_equal(sst_files_init(&files, sv[0]), 0);
	assert_int_equal(setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &soon,
	    sizeof(soon)), 0);
	for (int i = 0; i < 2; i++) {
		sst_error_clear(&err);
		assert_int_not_equal(sst_files_open(&files, 1, "/late", &fd, &err), 0);
		assert_int_equal(err.sys_errno, ETIMEDOUT);
	}
	answer_with(sv[1], 1);
	answer_with(sv[1], 2);
	assert_int_equal(sst_files_open(&files, 1, "/next", &fd, &err), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 2);
	(void)close(fd);
	/* A keeper that is gone stays gone. */
	(void)close(sv[1]);
	assert_int_not_equal(sst_files_open(&files, 1, "/gone", &fd, &err), 0);
	sst_files_done(&files);
	(void)close(sv[0]);
}

/* A filter forbids it: the relay ends, and does not spin for ever. */
static void
a_loop_that_cannot_wait_stops(void **state)
{
	struct sst_loop loop;

	(void)state;
	assert_int_equal(sst_loop_init(&loop), 0);
	sst_loop_turn(&loop, 0);
	assert_int_equal(loop.stop, 0);
	(void)close(loop.epoll);
	loop.epoll = -1;
	sst_loop_turn(&loop, 0);
	assert_int_equal(loop.stop, 1);
	sst_loop_done(&loop);
}

/* The worker may wait for the lock with the event while the control thread, which
 * could not watch the TCP socket, ends the attempt. */
static void
an_event_of_an_attempt_that_was_given_up_is_nothing(void **state)
{
	struct sst_relay *relay = calloc(1, sizeof(*relay));
	struct sst_record r = { .relay = relay, .state = SST_REC_ENDED, .tcp = -1,
	    .end = -1 };

	(void)state;
	assert_non_null(relay);
	assert_int_equal(pthread_mutex_init(&relay->lock, NULL), 0);
	sst_client_end_ready(&r.end_watch, EPOLLHUP);
	assert_int_equal(r.state, SST_REC_ENDED);
	assert_int_equal(pthread_mutex_trylock(&relay->lock), 0);
	(void)pthread_mutex_unlock(&relay->lock);
	(void)pthread_mutex_destroy(&relay->lock);
	free(relay);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_timer_fires_when_due_and_not_before,
		    loop_make, loop_free),
		cmocka_unit_test_setup_teardown(a_timer_that_another_disarmed_does_not_fire,
		    loop_make, loop_free),
		cmocka_unit_test_setup_teardown(
		    a_timer_armed_for_now_waits_for_the_next_turn, loop_make, loop_free),
		cmocka_unit_test_setup_teardown(a_watch_deleted_in_its_batch_is_not_called,
		    loop_make, loop_free),
		cmocka_unit_test(a_loop_that_cannot_wait_stops),
		cmocka_unit_test(names_are_folded_and_listed_once),
		cmocka_unit_test(a_pattern_meets_one_label_and_not_two),
		cmocka_unit_test(an_address_is_one_peer_in_both_its_forms),
		cmocka_unit_test(the_busiest_neighbourhood_makes_room),
		cmocka_unit_test(ten_lines_a_second_then_a_count),
		cmocka_unit_test(rights_are_gone_for_good),
		cmocka_unit_test(a_late_answer_is_not_the_next_ones_and_not_the_last),
		cmocka_unit_test(an_event_of_an_attempt_that_was_given_up_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
