/* SPDX-License-Identifier: ISC */
#include "agent.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECURESOCKETS_NO_RENAME
#include <securesockets.h>

#include "relay/control.h"
#include "relay/listener.h"
#include "relay/supply.h"

static int64_t now = 1000000;

static int64_t
stopped_clock(void)
{
	return now;
}

static void
stop_clock(struct sst_loop *loop)
{
	loop->clock = stopped_clock;
	loop->now = now;
	loop->tick = now / SST_LOOP_TICK;
}

static int
linking_socket(const char door[16], char which)
{
	struct sockaddr_un addr;
	socklen_t len = sst_wire_door(&addr, door, which);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

void
agent_make(struct agent *a)
{
	struct sst_relay *r = calloc(1, sizeof(*r));

	memset(a, 0, sizeof(*a));
	assert_non_null(r);
	a->relay = r;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, a->channel), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, a->files), 0);
	assert_int_equal(sst_wire_door_random(r->door), 0);
	memset(r->secret, 7, sizeof(r->secret));
	r->channel = a->channel[0];
	r->door_fd = r->signals = -1;
	r->idle_told = -1;
	r->next_id = 1;
	r->record_cost = sst_link_give_cost();
	assert_true(r->record_cost > 0);
	sst_log_init(&r->log);
	assert_int_equal(sst_files_init(&r->files, a->files[0]), 0);
	assert_int_equal(sst_loop_init(&r->loop), 0);
	assert_int_equal(pthread_mutex_init(&r->lock, NULL), 0);
	r->loop.lock = &r->lock;
	assert_int_equal(sst_workers_make(r, AGENT_WORKERS), 0);
	stop_clock(&r->loop);
	for (int i = 0; i < r->n_workers; i++)
		stop_clock(&r->workers[i]->loop);
	assert_int_equal(sst_loader_start(&r->loader, &r->loop), 0);
	a->links[0] = linking_socket(r->door, 'c');
	a->links[1] = linking_socket(r->door, 'l');
	assert_int_equal(sst_link_init(&r->link, a->links[0], a->links[1], r->door), 0);
}

/* Jobs of the loader that are not over. */
static size_t
jobs(const struct sst_relay *relay)
{
	size_t n = 0;

	for (size_t i = 0; i < SST_TABLE_BUCKETS; i++)
		for (const struct sst_record *r = relay->table.buckets[i]; r != NULL;
		    r = r->next)
			n += r->n_jobs;
	return n;
}

struct last {
	struct sst_job	job;
	int		over;
};

static void
last_work(struct sst_job *job)
{
	(void)job;
}

static void
last_done(struct sst_job *job)
{
	((struct last *)(void *)job)->over = 1;
}

/* Jobs of one kind are over in their order: those of nobody's record too, when these are. */
static void
drain_loader(struct agent *a)
{
	for (int i = 0; i < 2; i++) {
		struct last last = { .job = { .work = last_work, .done = last_done,
		    .is_long = i } };

		sst_loader_submit(&a->relay->loader, &last.job);
		while (!last.over)
			agent_turn(a, 10);
	}
}

void
agent_free(struct agent *a)
{
	struct sst_relay *r = a->relay;

	/* The programs are gone: listeners see it. */
	agent_settle(a);
	for (int i = 0; i < 1000 && jobs(r) > 0; i++)
		agent_turn(a, 10);
	while (r->listeners != NULL) {
		(void)shutdown(r->listeners->record->end, SHUT_RDWR);
		agent_settle(a);
	}
	drain_loader(a);
	sst_loader_stop(&r->loader);
	for (size_t i = 0; i < SST_TABLE_BUCKETS; i++)
		while (r->table.buckets[i] != NULL)
			sst_record_free(r->table.buckets[i]);
	sst_door_close(r);
	sst_workers_stop(r);
	sst_link_done(&r->link);
	sst_loop_done(&r->loop);
	(void)pthread_mutex_destroy(&r->lock);
	sst_files_done(&r->files);
	sst_log_done(&r->log);
	sst_rules_unref(r->rulebook.rules);
	free(r);
	for (int i = 0; i < 2; i++) {
		(void)close(a->channel[i]);
		(void)close(a->files[i]);
		(void)close(a->links[i]);
	}
}

void
agent_turn(struct agent *a, int ms)
{
	struct sst_relay *r = a->relay;

	for (int i = 0; i < r->n_workers; i++) {
		sst_loop_turn(&r->workers[i]->loop, 0);
		sst_worker_obey(r->workers[i]);
	}
	sst_core_lock(r);
	sst_loop_turn(&r->loop, ms);
	sst_core_unlock(r);
}

int
agent_stirs(struct agent *a, int ms)
{
	struct pollfd p[1 + AGENT_WORKERS] = {
		{ .fd = a->relay->loop.epoll, .events = POLLIN } };

	for (int i = 0; i < AGENT_WORKERS; i++)
		p[1 + i] = (struct pollfd){ .fd = a->relay->workers[i]->loop.epoll,
		    .events = POLLIN };
	return poll(p, 1 + AGENT_WORKERS, ms) > 0;
}

void
agent_settle(struct agent *a)
{
	/* The timers that are due now, and what they lead to. */
	for (int i = 0; i < 3; i++)
		agent_turn(a, 0);
	for (int i = 0; i < 10000 && agent_stirs(a, 2); i++)
		for (int k = 0; k < 3; k++)
			agent_turn(a, 0);
}

void
agent_later(struct agent *a, int ms)
{
	now += ms;
	agent_settle(a);
}

int
agent_ask(struct agent *a, void (*how)(struct sst_call *), struct sst_wire_head *head,
    const void *data, size_t len, int app, int file)
{
	const int fds[SST_CALL_FDS] = { dup(app), file < 0 ? -1 : dup(file) };
	struct sst_call *call;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
	call = sst_call_new(a->relay, sv[1], head, data, len, fds);
	assert_non_null(call);
	how(call);
	for (int i = 0; i < 1000; i++) {
		struct pollfd p = { .fd = sv[0], .events = POLLIN };

		if (poll(&p, 1, 0) > 0)
			break;
		(void)agent_stirs(a, 10);
		agent_turn(a, 0);
	}
	a->len = sst_wire_recv(sv[0], &a->answer, a->data, sizeof(a->data), &a->fd, 1);
	assert_true(a->len >= 0);
	(void)close(sv[0]);
	return a->answer.a < 0 ? a->answer.b : 0;
}

int
agent_verb(struct agent *a, uint16_t verb, int x, int y, int z, const void *data,
    size_t len, int app)
{
	struct sst_wire_head head;

	sst_wire_init(&head, verb);
	head.a = x;
	head.b = y;
	head.c = z;
	memcpy(head.secret, a->relay->secret, sizeof(head.secret));
	return agent_ask(a, sst_control, &head, data, len, app, -1);
}

int
agent_set(struct agent *a, int app, int option, const void *value, size_t len)
{
	return agent_verb(a, SST_WIRE_SET, IPPROTO_TLS, option, 0, value, len, app);
}

int
agent_set_int(struct agent *a, int app, int option, int value)
{
	return agent_set(a, app, option, &value, sizeof(value));
}

int
agent_get_int(struct agent *a, int app, int level, int option)
{
	int v = -1;
	int rc = agent_verb(a, SST_WIRE_GET, level, option, sizeof(v), NULL, 0, app);

	if (rc != 0)
		return -rc;
	memcpy(&v, a->data, sizeof(v));
	return v;
}

int
agent_events(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	assert_true(poll(&p, 1, 0) >= 0);
	return p.revents;
}

void
agent_arrives(struct agent *a, int from, int to, const char *text)
{
	char got[100] = "";
	size_t n = strlen(text);

	assert_int_equal(send(from, text, n, MSG_NOSIGNAL), n);
	agent_settle(a);
	assert_int_equal(recv(to, got, sizeof(got), MSG_DONTWAIT), n);
	assert_memory_equal(got, text, n);
}

int
agent_supply_as(struct agent *a, int app, uint32_t id, int option,
    const struct pki_cert *cert)
{
	struct sst_wire_head head;
	struct pki_buf b = { 0 };
	int file = memfd_create("test", MFD_CLOEXEC), rc;

	pki_put_chain(&b, cert);
	pki_put_key(&b, cert);
	assert_int_equal(write(file, b.data, b.len), b.len);
	sst_wire_init(&head, SST_CHAN_FILE);
	head.id = id;
	head.a = IPPROTO_TLS;
	head.b = option;
	rc = agent_ask(a, sst_supply_file, &head, "\0bytes", 7, app, file);
	(void)close(file);
	pki_buf_free(&b);
	return rc;
}

int
agent_supply(struct agent *a, int app, uint32_t id, const struct pki_cert *cert)
{
	return agent_supply_as(a, app, id, TLS_CERTIFICATE_CHAIN, cert);
}

int
agent_socket(struct agent *a, int family)
{
	static uint64_t serial;
	struct sst_sockname name = { .kind = SST_SOCKNAME_MADE, .family = family };
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(name.door, a->relay->door, sizeof(name.door));
	name.serial = (uint64_t)getpid() << 32 | ++serial;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr,
	    sst_sockname_encode(&name, &addr)), 0);
	assert_int_equal(agent_verb(a, SST_WIRE_NEW, family, 0, 0, &a->trust,
	    sizeof(a->trust), fd), 0);
	return fd;
}

int
agent_bound(struct agent *a, struct sockaddr_in *ret)
{
	socklen_t len = sizeof(*ret);
	int fd = agent_socket(a, AF_INET);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(agent_verb(a, SST_WIRE_LEND, 0, 0, 0, NULL, 0, fd), 0);
	assert_int_equal(bind(a->fd, (struct sockaddr *)ret, len), 0);
	assert_int_equal(getsockname(a->fd, (struct sockaddr *)ret, &len), 0);
	(void)close(a->fd);
	return fd;
}

long
agent_told(struct agent *a, uint16_t verb, struct sst_wire_head *ret_head, void *data,
    size_t size, int fds[3])
{
	struct pollfd p = { .fd = a->channel[1], .events = POLLIN };
	struct sst_wire_head head;
	static char bytes[SST_WIRE_DATA_MAX];
	long found = -1, n;
	int got[3];

	for (int i = 0; i < 3; i++)
		fds[i] = -1;
	while (poll(&p, 1, 0) > 0) {
		n = sst_wire_recv(a->channel[1], &head, bytes, sizeof(bytes), got, 3);
		assert_true(n >= 0);
		for (int i = 0; i < 3; i++) {
			int old = head.verb == verb ? fds[i] : got[i];

			if (head.verb == verb)
				fds[i] = got[i];
			if (old >= 0)
				(void)close(old);
		}
		if (head.verb != verb)
			continue;
		assert_true((size_t)n <= size);
		memcpy(data, bytes, (size_t)n);
		*ret_head = head;
		found = n;
	}
	return found;
}
