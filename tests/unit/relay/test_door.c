/* SPDX-License-Identifier: ISC */
/* Who comes to the door: who speaks is answered, who is silent has to go. */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/wire.h"

struct scene {
	struct agent	a;
	int		door;
};

static int
scene_make(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct sockaddr_un addr;
	socklen_t len;

	agent_make(&s->a);
	len = sst_wire_door(&addr, s->a.relay->door, 'r');
	s->door = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(s->door, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(s->door, 8), 0);
	s->a.relay->door_fd = s->door;
	assert_int_equal(sst_door_open(s->a.relay), 0);
	*state = s;
	return 0;
}

static int
scene_free(void **state)
{
	struct scene *s = *state;

	agent_free(&s->a);
	(void)close(s->door);
	free(s);
	return 0;
}

static int
knock(struct scene *s)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, s->a.relay->door, 'r');
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	agent_settle(&s->a);
	return fd;
}

/* Its connection was closed by the relay. */
static int
gone(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

/* The errno of an answer to a call about no descriptor at all. */
static int
answered(struct scene *s, int fd, uint32_t magic)
{
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_SOCKNAME);
	head.magic = magic;
	assert_int_equal(send(fd, &head, sizeof(head), 0), sizeof(head));
	agent_settle(&s->a);
	assert_true(sst_wire_recv(fd, &head, s->a.data, sizeof(s->a.data), NULL, 0) >= 0);
	assert_int_equal(head.verb, SST_WIRE_REPLY);
	assert_int_equal(head.a, -1);
	return head.b;
}

static void
who_speaks_is_answered_once(void **state)
{
	struct scene *s = *state;
	int fd = knock(s);

	assert_int_equal(answered(s, fd, SST_WIRE_MAGIC), ENOTCONN);
	assert_true(gone(fd));
	(void)close(fd);
	fd = knock(s);
	assert_int_equal(answered(s, fd, SST_WIRE_MAGIC + 1), EPROTO);
	assert_non_null(strstr(s->a.data, "restart the program"));
	(void)close(fd);
	assert_null(s->a.relay->calls);
}

static int n_entries;	/* changes of any loop */

int
epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	n_entries++;
	return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

/* Each call costs every connection. */
static void
who_speaks_at_once_enters_no_loop(void **state)
{
	struct scene *s = *state;
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, s->a.relay->door, 'r');
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	n_entries = 0;
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(answered(s, fd, SST_WIRE_MAGIC), ENOTCONN);
	assert_int_equal(n_entries, 0);
	(void)close(fd);
	/* And who is waited for, once: closing takes it out. */
	fd = knock(s);
	assert_int_equal(n_entries, 1);
	assert_int_equal(answered(s, fd, SST_WIRE_MAGIC), ENOTCONN);
	assert_int_equal(n_entries, 1);
	(void)close(fd);
}

/* An event that comes while the loop is at others, and then a caller. */
static struct late {
	struct scene	*s;
	struct sst_watch first, event;
	int		 early, late, caller;
	int		 answered;	/* the caller, when the event was seen */
} late;

static void
event_is_seen(struct sst_watch *watch, uint32_t events)
{
	char byte;

	(void)events;
	late.answered = recv(late.caller, &byte, 1, MSG_DONTWAIT | MSG_PEEK) > 0;
	sst_loop_del(&late.s->a.relay->loop, watch);
}

static void
event_happens(struct sst_watch *watch, uint32_t events)
{
	(void)events;
	assert_int_equal(eventfd_write(late.late, 1), 0);
	sst_loop_del(&late.s->a.relay->loop, watch);
}

static void
what_happened_before_a_call_is_seen_before_it(void **state)
{
	static const uint16_t verbs[] = { SST_WIRE_SOCKNAME, SST_WIRE_NEW };
	struct scene *s = *state;
	struct sst_loop *loop = &s->a.relay->loop;
	struct sst_wire_head head;
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, s->a.relay->door, 'r');

	for (int i = 0; i < 2; i++) {
		late = (struct late){ .s = s, .answered = -1,
		    .early = eventfd(1, EFD_CLOEXEC), .late = eventfd(0, EFD_CLOEXEC),
		    .caller = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0) };
		assert_int_equal(sst_loop_add(loop, &late.first, late.early, EPOLLIN,
		    event_happens), 0);
		assert_int_equal(sst_loop_add(loop, &late.event, late.late, EPOLLIN,
		    event_is_seen), 0);
		assert_int_equal(connect(late.caller, (struct sockaddr *)&addr, len), 0);
		sst_wire_init(&head, verbs[i]);
		assert_int_equal(send(late.caller, &head, sizeof(head), 0), sizeof(head));
		agent_settle(&s->a);
		/* But a new socket, which depends on nothing. */
		assert_int_equal(late.answered, verbs[i] == SST_WIRE_NEW);
		assert_true(sst_wire_recv(late.caller, &head, s->a.data,
		    sizeof(s->a.data), NULL, 0) >= 0);
		(void)close(late.caller);
		(void)close(late.early);
		(void)close(late.late);
	}
}

static void
who_is_silent_has_five_seconds(void **state)
{
	struct scene *s = *state;
	int fd = knock(s), other;

	agent_later(&s->a, SST_WIRE_TIMEOUT_MS - 1);
	assert_false(gone(fd));
	other = knock(s);
	agent_later(&s->a, 1);
	assert_true(gone(fd));
	assert_false(gone(other));
	assert_int_equal(answered(s, other, SST_WIRE_MAGIC), ENOTCONN);
	(void)close(fd);
	(void)close(other);
	assert_null(s->a.relay->calls);
}

static void
the_longest_silent_makes_room(void **state)
{
	struct scene *s = *state;
	int fd[SST_DOOR_UNREAD], one_more;

	for (int i = 0; i < SST_DOOR_UNREAD; i++)
		fd[i] = knock(s);
	assert_false(gone(fd[0]));
	one_more = knock(s);
	assert_true(gone(fd[0]));
	assert_false(gone(fd[1]));
	assert_int_equal(answered(s, one_more, SST_WIRE_MAGIC), ENOTCONN);
	assert_int_equal(answered(s, fd[1], SST_WIRE_MAGIC), ENOTCONN);
	/* Two have spoken: there is room for another. */
	(void)close(one_more);
	one_more = knock(s);
	assert_false(gone(fd[2]));
	(void)close(one_more);
	for (int i = 0; i < SST_DOOR_UNREAD; i++)
		(void)close(fd[i]);
}

/* NEW of a descriptor that carries a name of this pair; not read yet. */
static int
ask_new(struct scene *s, int app)
{
	struct sst_wire_head head;
	int fd = knock(s);

	sst_wire_init(&head, SST_WIRE_NEW);
	head.a = AF_INET;
	memcpy(head.secret, s->a.relay->secret, sizeof(head.secret));
	assert_int_equal(sst_wire_send(fd, &head, NULL, 0, &app, 1), 0);
	return fd;
}

static int
named(struct scene *s, uint64_t serial)
{
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE, .family = AF_INET,
	    .serial = serial };
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.door, s->a.relay->door, sizeof(name.door));
	assert_int_equal(bind(fd, (struct sockaddr *)&addr,
	    sst_sockname_encode(&name, &addr)), 0);
	return fd;
}

static int
said_yes(struct scene *s, int fd)
{
	struct sst_wire_head head;

	return sst_wire_recv(fd, &head, s->a.data, sizeof(s->a.data), NULL, 0) >= 0 &&
	    head.a >= 0;
}

/* Its keeper is gone: a new socket would have nobody for its files. */
static void
who_came_before_the_door_was_shut_gets_no_new_socket(void **state)
{
	struct scene *s = *state;
	int one = named(s, 1), two = named(s, 2);
	int first = ask_new(s, one), second;

	agent_settle(&s->a);
	assert_true(said_yes(s, first));
	second = ask_new(s, two);
	s->door = -1;
	sst_door_shut(s->a.relay);
	agent_settle(&s->a);
	assert_true(gone(second));
	assert_int_equal(s->a.relay->table.count, 1);
	/* What is there already is served. */
	assert_int_equal(agent_verb(&s->a, SST_WIRE_SOCKNAME, 0, 0, 0, NULL, 0, one), 0);
	(void)close(first);
	(void)close(second);
	(void)close(one);
	(void)close(two);
}

/* How many messages the keeper got; *ret_idle is what the last one said. */
static int
told(struct scene *s, int *ret_idle)
{
	struct sst_wire_head head;
	int n = 0;

	while (recv(s->a.channel[1], &head, sizeof(head), MSG_DONTWAIT) > 0) {
		assert_int_equal(head.verb, SST_CHAN_IDLE);
		*ret_idle = head.a;
		n++;
	}
	return n;
}

static void
socket_after_socket_is_one_message_to_the_keeper(void **state)
{
	struct scene *s = *state;
	int app, idle = -1;

	for (int i = 0; i < 20; i++) {
		app = agent_socket(&s->a, AF_INET);
		(void)close(app);
		sst_record_sweep(s->a.relay, 0);
		assert_int_equal(s->a.relay->table.count, 0);
		agent_later(&s->a, SST_CORE_IDLE_MS / 4);
	}
	assert_int_equal(told(s, &idle), 1);
	assert_int_equal(idle, 0);
	/* From the last one on. */
	agent_later(&s->a, SST_CORE_IDLE_MS * 3 / 4 - 1);
	assert_int_equal(told(s, &idle), 0);
	agent_later(&s->a, 1);
	assert_int_equal(told(s, &idle), 1);
	assert_int_equal(idle, 1);
	agent_later(&s->a, 10 * SST_CORE_IDLE_MS);
	assert_int_equal(told(s, &idle), 0);
	/* Busy is said at once: before the answer. */
	app = agent_socket(&s->a, AF_INET);
	assert_int_equal(told(s, &idle), 1);
	assert_int_equal(idle, 0);
	agent_later(&s->a, 10 * SST_CORE_IDLE_MS);
	assert_int_equal(told(s, &idle), 0);
	(void)close(app);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scene_make, scene_free)
	const struct CMUnitTest tests[] = {
		T(who_speaks_is_answered_once),
		T(who_speaks_at_once_enters_no_loop),
		T(what_happened_before_a_call_is_seen_before_it),
		T(who_is_silent_has_five_seconds),
		T(the_longest_silent_makes_room),
		T(who_came_before_the_door_was_shut_gets_no_new_socket),
		T(socket_after_socket_is_one_message_to_the_keeper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
