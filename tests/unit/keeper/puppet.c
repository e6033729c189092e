/* SPDX-License-Identifier: ISC */
/*
 * puppet - the real keeper with a relay that does what a test says.
 *
 * Built as one program like securesocketsd. The relay's end of the control
 * messages is moved by calls at door r: a message with a verb of the channel
 * or of the file channel is passed on as it is (an answer comes back), and the
 * verbs below ask about the relay itself. Its clock is ahead by the seconds that
 * are in the file of PUPPET_AHEAD.
 */
#include "puppet.h"

#include "keeper/keeper.h"
#include "keeper/title.h"

#include "base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHANNEL = 3, FILES, DOOR };

#define FLOOD_MS	1000	/* an answer that takes so long waits for room */
#define PATIENCE_MS	10000

static char data[SST_WIRE_DATA_MAX];
static const _Atomic int64_t *ahead;	/* seconds, of a file that a test writes */

int	__real_clock_gettime(clockid_t, struct timespec *);
int	__wrap_clock_gettime(clockid_t, struct timespec *);

int
__wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	int rc = __real_clock_gettime(id, t);

	if (id == CLOCK_MONOTONIC && ahead != NULL)
		t->tv_sec += atomic_load(ahead);
	return rc;
}

static void
take_clock(void)
{
	const char *path = getenv(PUPPET_AHEAD);
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED,
	    fd, 0);

	if (at != MAP_FAILED)
		ahead = at;
	if (fd >= 0)
		(void)close(fd);
}

static void
close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static size_t
count(const int *fds)
{
	size_t n = 0;

	while (n < SST_WIRE_FDS && fds[n] >= 0)
		n++;
	return n;
}

/* The next message from the keeper, sent on to the test as it came. */
static void
pass_on(int call)
{
	struct sst_wire_head head;
	int fds[SST_WIRE_FDS];
	long n;

	n = sst_wire_recv(CHANNEL, &head, data, sizeof(data), fds, SST_WIRE_FDS);
	if (n < 0)
		_exit(errno == ECONNRESET ? 0 : 3);
	(void)sst_wire_send(call, &head, data, (size_t)n, fds, count(fds));
	close_all(fds, SST_WIRE_FDS);
}

static void
ask_files(int call, struct sst_wire_head *head, size_t len)
{
	int fds[SST_WIRE_FDS];
	long n;

	if (sst_wire_send(FILES, head, data, len, NULL, 0) != 0)
		_exit(4);
	n = sst_wire_recv(FILES, head, data, sizeof(data), fds, SST_WIRE_FDS);
	if (n < 0)
		_exit(5);
	(void)sst_wire_send(call, head, data, (size_t)n, fds, count(fds));
	close_all(fds, SST_WIRE_FDS);
}

static int
unread(void)
{
	int n = 0;

	(void)ioctl(FILES, FIONREAD, &n);
	return n;
}

/* Whether the answer to one question comes, besides those that are there. */
static int
grows(const struct sst_wire_head *like, size_t len)
{
	const int before = unread();
	struct sst_wire_head head = *like;

	if (sst_wire_send(FILES, &head, data, len, NULL, 0) != 0)
		_exit(6);
	for (int i = 0; i < FLOOD_MS && unread() == before; i++)
		(void)usleep(1000);
	return unread() != before;
}

static void
flood(int call, struct sst_wire_head *head, size_t len)
{
	struct pollfd p = { .fd = FILES, .events = POLLIN };
	int asked = 1, answered = 0;

	head->verb = SST_OPEN_LINK;
	while (grows(head, len))
		asked++;
	while (answered < asked && poll(&p, 1, PATIENCE_MS) == 1 &&
	    sst_wire_recv(FILES, head, data, sizeof(data), NULL, 0) >= 0)
		answered++;
	sst_wire_init(head, SST_WIRE_REPLY);
	head->a = asked;
	head->b = answered;
	(void)sst_wire_send(call, head, NULL, 0, NULL, 0);
}

static void
obey(int call)
{
	struct sst_wire_head head;
	int fds[SST_WIRE_FDS];
	long n;

	n = sst_wire_recv(call, &head, data, sizeof(data), fds, SST_WIRE_FDS);
	if (n < 0)
		return;
	if (head.verb == PUPPET_EXIT)
		_exit(head.a);
	else if (head.verb == PUPPET_NEXT)
		pass_on(call);
	else if (head.verb == PUPPET_FLOOD)
		flood(call, &head, (size_t)n);
	else if (head.verb >= SST_OPEN_PATH && head.verb <= SST_OPEN_LIST)
		ask_files(call, &head, (size_t)n);
	else {
		(void)sst_wire_send(CHANNEL, &head, data, (size_t)n, fds, count(fds));
		sst_wire_init(&head, SST_WIRE_REPLY);
		head.a = getpid();
		(void)sst_wire_send(call, &head, NULL, 0, NULL, 0);
	}
	close_all(fds, SST_WIRE_FDS);
}

/* Gives up before it is ready, with a reason, when the program is called so. */
static int
refuse(void)
{
	static const char why[] = "the puppet does not want to";
	struct sst_wire_head head;

	sst_wire_init(&head, SST_WIRE_REPLY);
	head.a = -1;
	head.b = EPROTO;
	(void)sst_wire_send(CHANNEL, &head, why, sizeof(why), NULL, 0);
	return 1;
}

static int
relay(void)
{
	struct pollfd p[2] = { { .fd = DOOR, .events = POLLIN }, { .fd = CHANNEL } };
	struct sst_wire_start start;
	struct sst_wire_head head;
	int call;

	if (recv(CHANNEL, &start, sizeof(start), 0) != (ssize_t)sizeof(start))
		return 2;
	if (strcmp(start.program, "refuse") == 0)
		return refuse();
	if (strcmp(start.program, "crash") == 0)
		return 9;
	sst_wire_init(&head, SST_CHAN_READY);
	(void)sst_wire_send(CHANNEL, &head, NULL, 0, NULL, 0);
	for (;;) {
		(void)poll(p, 2, -1);
		if (p[1].revents != 0)
			return 0;	/* without a keeper no test needs it */
		call = accept4(DOOR, NULL, NULL, SOCK_CLOEXEC);
		if (call < 0)
			continue;
		obey(call);
		(void)close(call);
	}
}

int
main(int argc, char **argv)
{
	const char *role = argc > 1 ? argv[1] : "";
	char path[4096] = "";
	int rc = 64;

	if (argc > 2)
		(void)strncpy(path, argv[2], sizeof(path) - 1);
	take_clock();
	sst_title_init(argc, argv);
	if (strcmp(role, "--keeper") == 0)
		rc = sst_keeper_main();
	else if (strcmp(role, "--serve") == 0)
		rc = sst_keeper_serve(path);
	else if (strcmp(role, "--relay") == 0)
		rc = relay();
	_exit(rc);
}
